
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"
#include "ngx_paygw_redis_book.h"


/* The book of orders: one script for all that is asked of it. */


static ngx_int_t ngx_paygw_redis_book_send(ngx_paygw_redis_cmd_t *cmd,
    ngx_paygw_store_op_t *op);
static u_char *ngx_paygw_redis_book_number(u_char *p, ngx_str_t *arg,
    int64_t n);
static void ngx_paygw_redis_book_text(ngx_str_t *arg, ngx_str_t *text);


/* in the order of ngx_paygw_book_verb_e */

static const ngx_str_t  ngx_paygw_redis_book_verbs[] = {
    ngx_string("create"),
    ngx_string("learn"),
    ngx_string("drop"),
    ngx_string("move"),
    ngx_string("look"),
    ngx_string("reserve"),
    ngx_string("confirm"),
    ngx_string("back"),
    ngx_string("refuse"),
    ngx_string("fail"),
    ngx_string("doubt"),
    ngx_string("absent"),
    ngx_string("seek"),
    ngx_string("stamp")
};


ngx_int_t
ngx_paygw_redis_book(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_cmd_t  *cmd;

    cmd = ngx_paygw_redis_cmd(store->data, NGX_PAYGW_REDIS_BOOK, op);
    if (cmd == NULL) {
        return NGX_ERROR;
    }

    cmd->learns = (op->book->verb == NGX_PAYGW_BOOK_LEARN);

    if (ngx_paygw_redis_book_send(cmd, op) != NGX_OK) {

        if (op->handler == NULL) {
            ngx_paygw_redis_book_ended(cmd, NGX_ERROR);
        }

        ngx_paygw_redis_free(cmd);

        return NGX_ERROR;
    }

    if (op->handler) {
        cmd->op = op;
        op->pending = cmd;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_paygw_redis_book_send(ngx_paygw_redis_cmd_t *cmd, ngx_paygw_store_op_t *op)
{
    u_char             buf[6 * NGX_INT64_LEN + 16], *p;
    ngx_int_t          rc;
    ngx_str_t          argv[NGX_PAYGW_REDIS_ARGS], refunds;
    ngx_uint_t         n;
    ngx_paygw_book_t  *book;

    book = op->book;

    if (ngx_paygw_redis_refunds_key(cmd->redis, &op->key, &refunds) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[0], "2");
    argv[1].data = cmd->key;
    argv[1].len = cmd->len;
    argv[2] = refunds;

    n = 3;

    argv[n++] = ngx_paygw_redis_book_verbs[book->verb];

    p = ngx_paygw_redis_book_number(buf, &argv[n++], op->keep);
    argv[n].data = p;
    p = ngx_sprintf(p, "%016xL", op->token);
    argv[n].len = p - argv[n].data;
    n++;

    p = ngx_paygw_redis_book_number(p, &argv[n++],
                                    (book->verb >= NGX_PAYGW_BOOK_RESERVE)
                                    ? book->refund_amount
                                    : book->terms.amount);

    ngx_paygw_redis_book_text(&argv[n++], &book->terms.currency);
    ngx_paygw_redis_book_text(&argv[n++], &book->terms.account);
    argv[n++] = ngx_paygw_book_words[book->to];
    ngx_paygw_redis_book_text(&argv[n++], &book->note);
    p = ngx_paygw_redis_book_number(p, &argv[n++], book->fresh);

    ngx_str_set(&argv[n], "");

    if (book->answer.len) {
        argv[n] = book->answer;
    }

    n++;

    (void) ngx_paygw_redis_book_number(p, &argv[n++], book->expires);
    ngx_paygw_redis_book_text(&argv[n++], &book->refund_id);

    rc = ngx_paygw_redis_submit(cmd, n, argv);

    ngx_free(refunds.data);

    return rc;
}


static u_char *
ngx_paygw_redis_book_number(u_char *p, ngx_str_t *arg, int64_t n)
{
    arg->data = p;
    p = ngx_sprintf(p, "%L", n);
    arg->len = p - arg->data;

    return p;
}


static void
ngx_paygw_redis_book_text(ngx_str_t *arg, ngx_str_t *text)
{
    if (text->len) {
        *arg = *text;

    } else {
        ngx_str_set(arg, "-");
    }
}


/* PREFIX "refunds:{" CHANNEL "}:" ORDER */

ngx_int_t
ngx_paygw_redis_refunds_key(ngx_paygw_redis_t *redis, ngx_str_t *order,
    ngx_str_t *key)
{
    u_char  *colon, *last;

    last = order->data + order->len;
    colon = ngx_strlchr(order->data, last, ':');

    if (colon == NULL) {
        colon = last;
    }

    key->data = ngx_alloc(redis->prefix.len + order->len
                          + sizeof("refunds:{}") - 1, ngx_cycle->log);
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    key->len = ngx_sprintf(key->data, "%Vrefunds:{%*s}%*s", &redis->prefix,
                           (size_t) (colon - order->data), order->data,
                           (size_t) (last - colon), colon)
               - key->data;

    return NGX_OK;
}


void
ngx_paygw_redis_book_terms(ngx_paygw_book_t *book, u_char *buf,
    const ngx_str_t *says, ngx_str_t *arg)
{
    ngx_str_t  currency, account;

    ngx_paygw_redis_book_text(&currency, &book->terms.currency);
    ngx_paygw_redis_book_text(&account, &book->terms.account);

    arg->data = buf;
    arg->len = ngx_sprintf(buf, "%V %M %ui %L %V %V %L %V", says, book->keep,
                           book->required, book->terms.amount, &currency,
                           &account, book->refund_amount, &book->refund_id)
               - buf;
}


ngx_int_t
ngx_paygw_redis_book_result(ngx_paygw_redis_cmd_t *cmd, redisReply *reply)
{
    ngx_str_t  text;

    if (reply->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    if (cmd->op == NULL) {

        /* nobody wants to be told, and the pool may be gone */

        if (cmd->learns && ngx_strncmp(reply->str, "other ", 6) == 0) {
            ngx_paygw_book_disagrees(ngx_cycle->log, &cmd->id);
        }

        return NGX_OK;
    }

    text.data = (u_char *) reply->str;
    text.len = reply->len;

    return ngx_paygw_book_read(cmd->op->book, &text);
}


ngx_int_t
ngx_paygw_redis_book_against(ngx_paygw_redis_cmd_t *cmd, redisReply *reply)
{
    ngx_str_t  text;

    text.data = (u_char *) reply->str;
    text.len = reply->len;

    if (cmd->op == NULL) {
        return NGX_DONE;
    }

    if (cmd->op->book == NULL
        || ngx_paygw_book_read_against(cmd->op->book, &text) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_DONE;
}


void
ngx_paygw_redis_book_ended(ngx_paygw_redis_cmd_t *cmd, ngx_int_t rc)
{
    if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "what was to be noted of order \"%V\" was lost",
                      &cmd->id);
    }
}
