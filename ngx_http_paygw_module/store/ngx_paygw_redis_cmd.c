
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"
#include "ngx_paygw_redis_book.h"
#include "ngx_paygw_redis_cluster.h"


#define NGX_PAYGW_REDIS_ERROR_MAX  128     /* bytes of an error in the log */
#define NGX_PAYGW_REDIS_QUIET      1000    /* ms between two such lines */

#define NGX_PAYGW_REDIS_RIGHTS                                                \
    ", its user needs +eval +evalsha +get +set +time, for \"paygw_queue\" "   \
    "+xadd and +wait, for \"cluster\" +cluster|slots and +asking, and all "   \
    "keys"


static void ngx_paygw_redis_in_full(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd);
static const char *ngx_paygw_redis_ready(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply);
static const char *ngx_paygw_redis_hint(ngx_paygw_redis_conn_t *conn,
    redisReply *reply);
static ngx_int_t ngx_paygw_redis_result(ngx_paygw_redis_cmd_t *cmd,
    redisReply *reply);


/* in the order of ngx_paygw_store_says_e */

static ngx_str_t  ngx_paygw_redis_says[] = {
    ngx_string("-"),
    ngx_string("open"),
    ngx_string("closed"),
    ngx_string("failed"),
    ngx_string("paid"),
    ngx_string("refunded"),
    ngx_string("returned")
};


ngx_int_t
ngx_paygw_redis_send(ngx_paygw_redis_cmd_t *cmd)
{
    u_char      keys[NGX_INT_T_LEN], token[16], life[NGX_INT64_LEN],
                number[NGX_INT64_LEN], says[NGX_PAYGW_REDIS_SAYS];
    ngx_int_t   rc;
    ngx_str_t   argv[NGX_PAYGW_REDIS_ARGS], refunds;
    ngx_uint_t  n, asks;

    if (ngx_paygw_redis_runs(cmd)) {
        return ngx_paygw_redis_run_send(cmd);
    }

    asks = ngx_paygw_redis_asks(cmd);

    argv[1].data = cmd->key;
    argv[1].len = cmd->len;

    n = 2;
    refunds.data = NULL;

    if (cmd->type == NGX_PAYGW_REDIS_APPEND) {
        argv[n++] = cmd->op->entry->stream->name;
    }

    if (asks && cmd->order.len) {
        argv[n++] = cmd->order;

        if (ngx_paygw_redis_refunds_key(cmd->redis, &cmd->op->order, &refunds)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        argv[n++] = refunds;
    }

    argv[0].data = keys;
    argv[0].len = ngx_sprintf(keys, "%ui", n - 1) - keys;

    argv[n].data = token;
    argv[n++].len = ngx_sprintf(token, "%016xL", cmd->token) - token;

    argv[n].data = life;
    argv[n++].len = ngx_sprintf(life, "%M", cmd->life) - life;

    if (asks && cmd->order.len && cmd->op->book) {
        ngx_paygw_redis_book_terms(cmd->op->book, says,
                                   &ngx_paygw_redis_says[cmd->says],
                                   &argv[n++]);

    } else if (asks) {
        argv[n++] = ngx_paygw_redis_says[cmd->says];
    }

    if (cmd->type == NGX_PAYGW_REDIS_CLAIM) {
        argv[n].data = number;
        argv[n++].len = ngx_sprintf(number, "%M", cmd->lease) - number;

    } else if (cmd->type == NGX_PAYGW_REDIS_APPEND) {
        n += ngx_paygw_redis_entry(cmd->op->entry, number, &argv[n]);
    }

    rc = ngx_paygw_redis_submit(cmd, n, argv);

    if (refunds.data) {
        ngx_free(refunds.data);
    }

    return rc;
}


ngx_int_t
ngx_paygw_redis_handshake(ngx_paygw_redis_conn_t *conn)
{
    u_char              db[NGX_INT_T_LEN];
    ngx_str_t           argv[3];
    ngx_uint_t          n;
    ngx_paygw_redis_t  *redis;

    redis = conn->redis;

    if (redis->password.len) {
        n = 0;
        ngx_str_set(&argv[n], "AUTH");
        n++;

        if (redis->user.len) {
            argv[n++] = redis->user;
        }

        argv[n++] = redis->password;

        if (ngx_paygw_redis_own(conn, NGX_PAYGW_REDIS_AUTH, n, argv)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (redis->db == 0) {
        return NGX_OK;
    }

    ngx_str_set(&argv[0], "SELECT");
    argv[1].data = db;
    argv[1].len = ngx_sprintf(db, "%ui", redis->db) - db;

    return ngx_paygw_redis_own(conn, NGX_PAYGW_REDIS_SELECT, 2, argv);
}


ngx_int_t
ngx_paygw_redis_own(ngx_paygw_redis_conn_t *conn, ngx_uint_t type,
    ngx_uint_t argc, ngx_str_t *argv)
{
    ngx_paygw_redis_cmd_t  *cmd;

    cmd = ngx_paygw_redis_cmd(conn->redis, type, NULL);
    if (cmd == NULL) {
        return NGX_ERROR;
    }

    cmd->since = ngx_current_msec;
    cmd->deadline = ngx_current_msec + conn->redis->timeout;

    if (ngx_paygw_redis_format(cmd, argc, argv) != NGX_OK
        || ngx_paygw_redis_put(conn, cmd) != NGX_OK)
    {
        ngx_paygw_redis_free(cmd);
        return NGX_ERROR;
    }

    return NGX_OK;
}


const char *
ngx_paygw_redis_reply(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply)
{
    ngx_int_t  rc;

    if (cmd->type == NGX_PAYGW_REDIS_WAIT) {
        return ngx_paygw_redis_waited(conn, cmd, reply);
    }

    if (cmd->type == NGX_PAYGW_REDIS_INFO) {
        return ngx_paygw_redis_informed(conn, cmd, reply);
    }

    if (cmd->type == NGX_PAYGW_REDIS_SLOTS) {
        ngx_paygw_redis_no_map(conn, reply);
        ngx_paygw_redis_finish(cmd, NGX_ERROR);
        return NULL;
    }

    if (!ngx_paygw_redis_is_script(cmd) && !ngx_paygw_redis_answers(cmd)) {
        return ngx_paygw_redis_ready(conn, cmd, reply);
    }

    if (reply->type == REDIS_REPLY_ERROR) {

        if (ngx_strncmp(reply->str, "NOSCRIPT", 8) == 0
            && ngx_paygw_redis_is_script(cmd) && !cmd->eval)
        {
            ngx_paygw_redis_in_full(conn, cmd);
            return NULL;
        }

        if (ngx_paygw_redis_redirect(conn, cmd, reply) == NGX_OK) {
            return NULL;
        }

        ngx_paygw_redis_error_reply(conn, reply, 0);
        ngx_paygw_redis_finish(cmd, NGX_ERROR);

        if (ngx_strncmp(reply->str, "NOAUTH ", 7) == 0) {
            conn->answered = 0;
            return "is not a usable master";
        }

        return NULL;
    }

    rc = ngx_paygw_redis_result(cmd, reply);

    if (rc == NGX_ERROR) {
        ngx_paygw_redis_finish(cmd, NGX_ERROR);
        return "sent unexpected reply";
    }

    ngx_paygw_redis_works(conn);

    if (cmd->replicas && rc != NGX_BUSY && rc != NGX_DONE) {
        cmd->rc = rc;
        cmd->held = 1;
        ngx_queue_insert_tail(&conn->appended, &cmd->queue);

        return NULL;
    }

    ngx_paygw_redis_finish(cmd, rc);

    return NULL;
}


/* after SCRIPT FLUSH; nothing was done, so it may be sent again */

static void
ngx_paygw_redis_in_full(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd)
{
    cmd->eval = 1;

    if (ngx_paygw_redis_unwanted(cmd)
        || ngx_paygw_redis_put(conn, cmd) != NGX_OK)
    {
        ngx_paygw_redis_finish(cmd, NGX_ERROR);
    }
}


static const char *
ngx_paygw_redis_ready(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply)
{
    ngx_uint_t  type;

    type = cmd->type;
    ngx_paygw_redis_free(cmd);

    if (reply->type == REDIS_REPLY_STATUS) {
        return NULL;
    }

    if (reply->type != REDIS_REPLY_ERROR) {
        return "sent unexpected reply";
    }

    /* an error may quote what it was about, so none of AUTH's in the log */

    ngx_paygw_redis_error_reply(conn, reply, type == NGX_PAYGW_REDIS_AUTH);

    switch (type) {

    case NGX_PAYGW_REDIS_AUTH:
        return "refused user or password";

    case NGX_PAYGW_REDIS_SELECT:
        return "refused database number";

    default:
        return "refused ASKING";
    }
}


static ngx_int_t
ngx_paygw_redis_result(ngx_paygw_redis_cmd_t *cmd, redisReply *reply)
{
    long long  n;

    if (cmd->type == NGX_PAYGW_REDIS_ONCE) {
        return ngx_paygw_redis_once_result(reply);
    }

    if (cmd->type == NGX_PAYGW_REDIS_LIMIT) {
        return ngx_paygw_redis_limit_result(cmd, reply);
    }

    if (ngx_paygw_redis_runs(cmd)) {
        return ngx_paygw_redis_run_result(cmd, reply);
    }

    if (cmd->type == NGX_PAYGW_REDIS_BOOK) {
        return ngx_paygw_redis_book_result(cmd, reply);
    }

    if (reply->type == REDIS_REPLY_STRING && ngx_paygw_redis_asks(cmd)) {
        return ngx_paygw_redis_book_against(cmd, reply);
    }

    if (reply->type != REDIS_REPLY_INTEGER) {
        return NGX_ERROR;
    }

    n = reply->integer;

    if (ngx_paygw_redis_asks(cmd)) {

        switch (n) {

        case -2:

            if (cmd->order.len && cmd->op && cmd->op->book) {
                cmd->op->book->against = NGX_PAYGW_BOOK_LATE;
            }

            return cmd->order.len ? NGX_DONE : NGX_ERROR;

        case -1:
            return NGX_BUSY;

        case 0:
            return NGX_DECLINED;

        default:
            cmd->delivery = (ngx_uint_t) n;
            return (n > 0) ? NGX_OK : NGX_ERROR;
        }
    }

    switch (n) {

    case 0:
        return NGX_DECLINED;

    case 1:
        return NGX_OK;

    default:
        return NGX_ERROR;
    }
}


void
ngx_paygw_redis_error_reply(ngx_paygw_redis_conn_t *conn, redisReply *reply,
    ngx_uint_t brief)
{
    size_t      len, i;
    u_char     *p, buf[NGX_PAYGW_REDIS_ERROR_MAX];
    ngx_uint_t  level;

    len = ngx_min((size_t) reply->len, sizeof(buf));
    p = (u_char *) reply->str;

    for (i = 0; i < len; i++) {

        if (brief && p[i] == ' ') {
            break;
        }

        buf[i] = (p[i] < 0x20 || p[i] > 0x7e) ? '?' : p[i];
    }

    level = ngx_paygw_redis_level(conn);

    ngx_log_error(level, &conn->log, 0, "redis sent error: \"%*s\"%s", i, buf,
                  ngx_paygw_redis_hint(conn, reply));
}


/*
 * What to do about an error.  Its word may stand behind others: a script that
 * failed is told of in several ways.
 */

static const char *
ngx_paygw_redis_hint(ngx_paygw_redis_conn_t *conn, redisReply *reply)
{
    ngx_uint_t  i;

    static const struct {
        const char  *word;
        const char  *hint;
    } hints[] = {
        { "NOPERM ", NGX_PAYGW_REDIS_RIGHTS },
        { "The user executing the script ", NGX_PAYGW_REDIS_RIGHTS },
        { "ACL failure in script: ", NGX_PAYGW_REDIS_RIGHTS },
        { "WRONGTYPE ", ", the name of the stream, or of the event, belongs "
                        "to something else: choose another one" },
        { "OOM ", ", raise \"maxmemory\", or delete what is handled" },
        { "MISCONF ", ", it cannot write to its disk" },
        { "READONLY ", ", name the primary in \"paygw_store\"" },
        { "cluster support disabled", ", it belongs to no cluster: remove "
                                      "\"cluster\" of \"paygw_store\"" },
        { "NOREPLICAS ", ", see its \"min-replicas-to-write\"" },
        { "CROSSSLOT ", ", give \"prefix\" and the stream one {hash tag}" },
        { NULL, NULL }
    };

    if (conn->redis->cluster == NULL
        && ngx_strncmp(reply->str, "MOVED ", 6) == 0)
    {
        return ", it belongs to a cluster: add \"cluster\" to "
               "\"paygw_store\"";
    }

    for (i = 0; hints[i].word; i++) {
        if (ngx_strstr(reply->str, hints[i].word)) {
            return hints[i].hint;
        }
    }

    return "";
}


ngx_uint_t
ngx_paygw_redis_level(ngx_paygw_redis_conn_t *conn)
{
    if (conn->quiet
        && ngx_current_msec - conn->quiet < NGX_PAYGW_REDIS_QUIET)
    {
        return NGX_LOG_INFO;
    }

    conn->quiet = ngx_current_msec;

    return NGX_LOG_ERR;
}
