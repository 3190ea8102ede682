
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


#define NGX_PAYGW_REDIS_ERROR_MAX  128     /* bytes of an error in the log */
#define NGX_PAYGW_REDIS_QUIET      1000    /* ms between two such lines */

#define NGX_PAYGW_REDIS_RIGHTS                                                \
    ", its user needs +eval +evalsha +get +set +time, for \"paygw_queue\" "   \
    "+xadd and +wait, and all keys"


static ngx_int_t ngx_paygw_redis_setup(ngx_paygw_redis_conn_t *conn,
    ngx_uint_t type, ngx_uint_t argc, ngx_str_t *argv);
static ngx_int_t ngx_paygw_redis_script(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd);
static const char *ngx_paygw_redis_ready(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply);
static ngx_uint_t ngx_paygw_redis_useless(redisReply *reply);
static const char *ngx_paygw_redis_hint(redisReply *reply);
static ngx_int_t ngx_paygw_redis_result(ngx_paygw_redis_cmd_t *cmd,
    redisReply *reply);


/* in the order of ngx_paygw_store_says_e */

static ngx_str_t  ngx_paygw_redis_says[] = {
    ngx_string("-"),
    ngx_string("open"),
    ngx_string("paid")
};


ngx_int_t
ngx_paygw_redis_send(ngx_paygw_redis_t *redis, ngx_paygw_redis_cmd_t *cmd)
{
    ngx_paygw_redis_conn_t  *conn;

    conn = ngx_paygw_redis_get(redis);
    if (conn == NULL) {
        return NGX_ERROR;
    }

    return ngx_paygw_redis_script(conn, cmd);
}


static ngx_int_t
ngx_paygw_redis_script(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd)
{
    u_char      keys[NGX_INT_T_LEN], token[16], life[NGX_INT64_LEN],
                number[NGX_INT64_LEN];
    ngx_str_t   argv[NGX_PAYGW_REDIS_ARGS];
    ngx_uint_t  n;

    if (cmd->type == NGX_PAYGW_REDIS_LIMIT) {
        return ngx_paygw_redis_limit_send(conn, cmd);
    }

    if (ngx_paygw_redis_runs(cmd)) {
        return ngx_paygw_redis_run_send(conn, cmd);
    }

    if (cmd->type == NGX_PAYGW_REDIS_APPEND && cmd->op == NULL) {

        /* cancelled, with its entry; the provider will come again */

        return NGX_ERROR;
    }

    argv[1].data = cmd->key;
    argv[1].len = cmd->len;

    n = 2;

    if (cmd->type == NGX_PAYGW_REDIS_APPEND) {
        argv[n++] = cmd->op->entry->stream->name;
    }

    if (ngx_paygw_redis_asks(cmd) && cmd->order.len) {
        argv[n++] = cmd->order;
    }

    argv[0].data = keys;
    argv[0].len = ngx_sprintf(keys, "%ui", n - 1) - keys;

    argv[n].data = token;
    argv[n++].len = ngx_sprintf(token, "%016xL", cmd->token) - token;

    argv[n].data = life;
    argv[n++].len = ngx_sprintf(life, "%M", cmd->life) - life;

    if (ngx_paygw_redis_asks(cmd)) {
        argv[n++] = ngx_paygw_redis_says[cmd->says];
    }

    if (cmd->type == NGX_PAYGW_REDIS_CLAIM) {
        argv[n].data = number;
        argv[n++].len = ngx_sprintf(number, "%M", cmd->lease) - number;

    } else if (cmd->type == NGX_PAYGW_REDIS_APPEND) {
        n += ngx_paygw_redis_entry(cmd->op->entry, number, &argv[n]);
    }

    if (ngx_paygw_redis_eval(conn, cmd, n, argv) != NGX_OK) {
        return NGX_ERROR;
    }

    if (cmd->replicas) {
        ngx_paygw_redis_wanted(conn, cmd->op->entry->stream);
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_redis_eval(ngx_paygw_redis_conn_t *conn, ngx_paygw_redis_cmd_t *cmd,
    ngx_uint_t argc, ngx_str_t *argv)
{
    ngx_str_t   args[NGX_PAYGW_REDIS_ARGS];
    ngx_uint_t  bit;

    /*
     * The first one on a connection goes in full: a server that has just been
     * restarted knows no script, and a commit that is sent again for that
     * could be overtaken by a claim.
     */

    bit = (ngx_uint_t) 1 << cmd->type;

    if ((conn->scripts & bit) == 0) {
        cmd->eval = 1;
    }

    if (cmd->eval) {
        ngx_str_set(&args[0], "EVAL");
        args[1] = ngx_paygw_redis_scripts[cmd->type];

    } else {
        ngx_str_set(&args[0], "EVALSHA");
        args[1] = conn->redis->sha1[cmd->type];
    }

    ngx_memcpy(&args[2], argv, argc * sizeof(ngx_str_t));

    if (ngx_paygw_redis_enqueue(conn, cmd, argc + 2, args) != NGX_OK) {
        return NGX_ERROR;
    }

    conn->scripts |= bit;

    return NGX_OK;
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

        if (ngx_paygw_redis_setup(conn, NGX_PAYGW_REDIS_AUTH, n, argv)
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

    return ngx_paygw_redis_setup(conn, NGX_PAYGW_REDIS_SELECT, 2, argv);
}


static ngx_int_t
ngx_paygw_redis_setup(ngx_paygw_redis_conn_t *conn, ngx_uint_t type,
    ngx_uint_t argc, ngx_str_t *argv)
{
    ngx_paygw_redis_cmd_t  *cmd;

    cmd = ngx_paygw_redis_cmd(conn->redis, type, NULL);
    if (cmd == NULL) {
        return NGX_ERROR;
    }

    if (ngx_paygw_redis_enqueue(conn, cmd, argc, argv) != NGX_OK) {
        ngx_free(cmd);
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

    if (cmd->type >= NGX_PAYGW_REDIS_SCRIPTS
        && cmd->type != NGX_PAYGW_REDIS_ONCE)
    {
        return ngx_paygw_redis_ready(conn, cmd, reply);
    }

    if (reply->type == REDIS_REPLY_ERROR
        && ngx_strncmp(reply->str, "NOSCRIPT", 8) == 0
        && !cmd->eval)
    {
        /* after SCRIPT FLUSH; nothing was done, so it may be sent again */

        cmd->eval = 1;

        if (ngx_paygw_redis_script(conn, cmd) != NGX_OK) {
            ngx_paygw_redis_finish(cmd, NGX_ERROR);
        }

        return NULL;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_paygw_redis_error_reply(conn, reply, 0);
        ngx_paygw_redis_finish(cmd, NGX_ERROR);

        if (ngx_paygw_redis_useless(reply)) {

            /* the next connection goes to the next address, and not at once */

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

    conn->answered = 1;

    if (conn->failed) {
        conn->failed = 0;
        conn->backoff = 0;

        ngx_log_error(NGX_LOG_NOTICE, &conn->log, 0, "redis works again");
    }

    if (cmd->replicas && rc != NGX_BUSY && rc != NGX_DONE) {
        cmd->rc = rc;
        ngx_queue_insert_tail(&conn->appended, &cmd->queue);

        return NULL;
    }

    ngx_paygw_redis_finish(cmd, rc);

    return NULL;
}


static const char *
ngx_paygw_redis_ready(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply)
{
    ngx_uint_t  type;

    type = cmd->type;
    ngx_free(cmd);

    if (reply->type == REDIS_REPLY_STATUS) {
        return NULL;
    }

    if (reply->type != REDIS_REPLY_ERROR) {
        return "sent unexpected reply";
    }

    /* an error may quote what it was about, so none of AUTH's in the log */

    ngx_paygw_redis_error_reply(conn, reply, type == NGX_PAYGW_REDIS_AUTH);

    return (type == NGX_PAYGW_REDIS_AUTH) ? "refused user or password"
                                          : "refused database number";
}


/* errors of a server that will not take a write from this connection */

static ngx_uint_t
ngx_paygw_redis_useless(redisReply *reply)
{
    ngx_uint_t  i;

    static const ngx_str_t  errors[] = {
        ngx_string("READONLY "),
        ngx_string("LOADING "),
        ngx_string("MASTERDOWN "),
        ngx_string("CLUSTERDOWN "),
        ngx_string("NOAUTH "),
        ngx_null_string
    };

    for (i = 0; errors[i].len; i++) {
        if (ngx_strncmp(reply->str, errors[i].data, errors[i].len) == 0) {
            return 1;
        }
    }

    return 0;
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

    if (reply->type != REDIS_REPLY_INTEGER) {
        return NGX_ERROR;
    }

    n = reply->integer;

    if (ngx_paygw_redis_asks(cmd)) {

        switch (n) {

        case -2:
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
                  ngx_paygw_redis_hint(reply));
}


/*
 * What to do about an error.  Its word may stand behind others: a script that
 * failed is told of in several ways.
 */

static const char *
ngx_paygw_redis_hint(redisReply *reply)
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
        { "NOREPLICAS ", ", see its \"min-replicas-to-write\"" },
        { "CROSSSLOT ", ", give \"prefix\" and the stream one {hash tag}" },
        { NULL, NULL }
    };

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
