
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


/*
 * Calls that are to be run once.  Each operation is one script, which answers
 * with a word: see ngx_paygw_redis_lua.c.
 */


static ngx_paygw_redis_cmd_t *ngx_paygw_redis_run(ngx_paygw_store_t *store,
    ngx_uint_t type, ngx_paygw_store_op_t *op);
static void ngx_paygw_redis_run_tell(ngx_paygw_store_t *store,
    ngx_uint_t type, ngx_paygw_store_op_t *op);
static ngx_int_t ngx_paygw_redis_run_begun(ngx_paygw_redis_cmd_t *cmd,
    ngx_str_t *text);
static ngx_int_t ngx_paygw_redis_run_done(ngx_paygw_redis_cmd_t *cmd,
    u_char *data, size_t len);


#define ngx_paygw_redis_run_is(text, word)                                    \
    ((text)->len == sizeof(word) - 1                                          \
     && ngx_strncmp((text)->data, word, sizeof(word) - 1) == 0)

#define ngx_paygw_redis_run_starts(text, word)                                \
    ((text)->len >= sizeof(word) - 1                                          \
     && ngx_strncmp((text)->data, word, sizeof(word) - 1) == 0)


ngx_int_t
ngx_paygw_redis_begin(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_cmd_t  *cmd;

    cmd = ngx_paygw_redis_run(store, NGX_PAYGW_REDIS_BEGIN, op);

    return cmd ? ngx_paygw_redis_ask(cmd, op) : NGX_ERROR;
}


ngx_int_t
ngx_paygw_redis_run_finish(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_cmd_t  *cmd;

    cmd = ngx_paygw_redis_run(store, NGX_PAYGW_REDIS_FINISH, op);

    return cmd ? ngx_paygw_redis_ask(cmd, op) : NGX_ERROR;
}


void
ngx_paygw_redis_renew(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_run_tell(store, NGX_PAYGW_REDIS_RENEW, op);
}


void
ngx_paygw_redis_abandon(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_run_tell(store, NGX_PAYGW_REDIS_ABANDON, op);
}


static ngx_paygw_redis_cmd_t *
ngx_paygw_redis_run(ngx_paygw_store_t *store, ngx_uint_t type,
    ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_cmd_t  *cmd;

    cmd = ngx_paygw_redis_cmd(store->data, type, op);
    if (cmd == NULL) {
        return NULL;
    }

    cmd->token = op->token;
    cmd->lease = op->lease;
    cmd->delivery = op->delivery;
    cmd->undone = op->run->undone;
    cmd->life = (type == NGX_PAYGW_REDIS_BEGIN
                 || type == NGX_PAYGW_REDIS_RENEW)
                ? ngx_paygw_store_life(op) : op->keep;

    ngx_memcpy(cmd->print, op->run->fingerprint, NGX_PAYGW_STORE_PRINT);

    return cmd;
}


static void
ngx_paygw_redis_run_tell(ngx_paygw_store_t *store, ngx_uint_t type,
    ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_cmd_t  *cmd;

    cmd = ngx_paygw_redis_run(store, type, op);

    if (cmd && ngx_paygw_redis_send(cmd) != NGX_OK) {
        ngx_paygw_redis_finish(cmd, NGX_ERROR);
    }
}


ngx_int_t
ngx_paygw_redis_run_send(ngx_paygw_redis_cmd_t *cmd)
{
    u_char      token[16], life[NGX_INT64_LEN], lease[NGX_INT64_LEN],
                print[2 * NGX_PAYGW_STORE_PRINT];
    ngx_str_t   argv[7], *answer;
    ngx_uint_t  n;

    ngx_str_set(&argv[0], "1");

    argv[1].data = cmd->key;
    argv[1].len = cmd->len;

    argv[2].data = token;
    argv[2].len = ngx_sprintf(token, "%016xL", cmd->token) - token;

    argv[3].data = life;
    argv[3].len = ngx_sprintf(life, "%M", cmd->life) - life;

    argv[4].data = print;
    argv[4].len = ngx_hex_dump(print, cmd->print, NGX_PAYGW_STORE_PRINT)
                  - print;

    n = 5;

    if (cmd->type == NGX_PAYGW_REDIS_FINISH) {
        answer = &cmd->op->run->answer;

        if (answer->data) {
            ngx_str_set(&argv[5], "done");

        } else {
            ngx_str_set(&argv[5], "gone");
        }

        argv[6] = *answer;
        n = 7;

    } else if (cmd->type == NGX_PAYGW_REDIS_ABANDON) {

        /* the number of attempts that it was not */

        argv[5].data = lease;
        argv[5].len = ngx_sprintf(lease, "%d", (int) cmd->undone) - lease;
        n = 6;

        if (cmd->undone && cmd->delivery == 1) {
            ngx_str_set(&argv[3], "1");
        }

    } else {
        argv[5].data = lease;
        argv[5].len = ngx_sprintf(lease, "%M", cmd->lease) - lease;
        n = 6;
    }

    return ngx_paygw_redis_submit(cmd, n, argv);
}


ngx_int_t
ngx_paygw_redis_run_result(ngx_paygw_redis_cmd_t *cmd, redisReply *reply)
{
    ngx_str_t  text;

    if (reply->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    text.data = (u_char *) reply->str;
    text.len = reply->len;

    if (cmd->type == NGX_PAYGW_REDIS_BEGIN) {
        return ngx_paygw_redis_run_begun(cmd, &text);
    }

    if (ngx_paygw_redis_run_is(&text, "ok")) {
        return NGX_OK;
    }

    return ngx_paygw_redis_run_is(&text, "no") ? NGX_DECLINED : NGX_ERROR;
}


static ngx_int_t
ngx_paygw_redis_run_begun(ngx_paygw_redis_cmd_t *cmd, ngx_str_t *text)
{
    ngx_int_t  n;

    if (ngx_paygw_redis_run_starts(text, "begun ")) {
        n = ngx_atoi(text->data + 6, text->len - 6);

        if (n <= 0) {
            return NGX_ERROR;
        }

        cmd->delivery = n;

        return NGX_OK;
    }

    if (ngx_paygw_redis_run_starts(text, "done ")) {
        return ngx_paygw_redis_run_done(cmd, text->data + 5, text->len - 5);
    }

    if (ngx_paygw_redis_run_is(text, "busy")) {
        return NGX_BUSY;
    }

    if (ngx_paygw_redis_run_is(text, "other")) {
        return NGX_ABORT;
    }

    return ngx_paygw_redis_run_is(text, "gone") ? NGX_DONE : NGX_ERROR;
}


static ngx_int_t
ngx_paygw_redis_run_done(ngx_paygw_redis_cmd_t *cmd, u_char *data, size_t len)
{
    ngx_str_t  *answer;

    if (cmd->op == NULL) {
        return NGX_DECLINED;
    }

    answer = &cmd->op->run->answer;

    answer->data = ngx_pnalloc(cmd->op->run->pool, len);
    if (answer->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(answer->data, data, len);
    answer->len = len;

    return NGX_DECLINED;
}


void
ngx_paygw_redis_run_ended(ngx_paygw_redis_cmd_t *cmd, ngx_int_t rc)
{
    if (rc == NGX_OK || cmd->type == NGX_PAYGW_REDIS_BEGIN) {
        return;
    }

    if (rc == NGX_ERROR) {
        if (cmd->type != NGX_PAYGW_REDIS_FINISH) {

            /* one that was given up is counted already */

            ngx_paygw_store_failed(cmd->redis->store,
                                   (cmd->type == NGX_PAYGW_REDIS_RENEW)
                                   ? NGX_PAYGW_METRICS_RENEW
                                   : NGX_PAYGW_METRICS_ABANDON);
        }

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "%s of call \"%V\" was lost, its lease ends it",
                      (cmd->type == NGX_PAYGW_REDIS_FINISH) ? "answer"
                      : (cmd->type == NGX_PAYGW_REDIS_RENEW) ? "renewal"
                      : "end",
                      &cmd->id);
        return;
    }

    switch (cmd->type) {

    case NGX_PAYGW_REDIS_FINISH:
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "call \"%V\" was taken over before its answer",
                      &cmd->id);
        break;

    case NGX_PAYGW_REDIS_RENEW:
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "call \"%V\" was taken over before its lease was "
                      "renewed", &cmd->id);
        break;

    default: /* NGX_PAYGW_REDIS_ABANDON */
        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                      "call \"%V\" was not held when it was abandoned",
                      &cmd->id);
    }
}
