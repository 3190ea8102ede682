
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


/*
 * INFO is asked for two reasons.
 *
 * Whether Redis keeps what it has acknowledged.  Streams need that most, so a
 * worker whose configuration has one asks, once, on its first connection, and
 * warns.  Nothing depends on the answer: the question goes behind the first
 * commands, many servers do not let anybody ask, and a proxy may close the
 * connection for it.
 *
 * Whether it is a primary, and ready.  With several addresses that is asked
 * before anything else, so that no command goes to a replica, which would
 * answer from what it has, while the primary is one address further.
 */


#define NGX_PAYGW_REDIS_INFO_VALUE  32    /* bytes of a value in the log */


static const char *ngx_paygw_redis_primary(redisReply *reply);
static void ngx_paygw_redis_keeps(ngx_paygw_redis_conn_t *conn,
    redisReply *reply);
static ngx_uint_t ngx_paygw_redis_info_is(redisReply *reply, const char *name,
    const char *wanted, ngx_str_t *value);


void
ngx_paygw_redis_info(ngx_paygw_redis_conn_t *conn)
{
    ngx_str_t  info;

    if (!conn->redis->streams) {
        return;
    }

    conn->redis->streams = 0;

    ngx_str_set(&info, "INFO");

    (void) ngx_paygw_redis_own(conn, NGX_PAYGW_REDIS_INFO, 1, &info);
}


ngx_int_t
ngx_paygw_redis_check(ngx_paygw_redis_conn_t *conn)
{
    ngx_str_t  info;

    ngx_str_set(&info, "INFO");

    return ngx_paygw_redis_own(conn, NGX_PAYGW_REDIS_INFO, 1, &info);
}


const char *
ngx_paygw_redis_informed(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply)
{
    const char  *why;

    ngx_paygw_redis_free(cmd);

    if (reply->type != REDIS_REPLY_ERROR && reply->type != REDIS_REPLY_STRING) {
        return "sent unexpected reply";
    }

    if (conn->state != NGX_PAYGW_REDIS_CHECKING) {
        ngx_paygw_redis_keeps(conn, reply);
        return NULL;
    }

    why = ngx_paygw_redis_primary(reply);

    if (why) {
        return why;
    }

    if (conn->redis->streams) {
        conn->redis->streams = 0;
        ngx_paygw_redis_keeps(conn, reply);
    }

    ngx_paygw_redis_usable(conn);

    return NULL;
}


/* NULL, or why it is none; who may not ask will be told by the next command */

static const char *
ngx_paygw_redis_primary(redisReply *reply)
{
    ngx_str_t  value;

    if (reply->type == REDIS_REPLY_ERROR) {
        return (ngx_strncmp(reply->str, "LOADING ", 8) == 0)
               ? "is loading" : NULL;
    }

    if (!ngx_paygw_redis_info_is(reply, "\nrole:", "master", &value)) {
        return "is a replica";
    }

    if (!ngx_paygw_redis_info_is(reply, "\nloading:", "0", &value)) {
        return "is loading";
    }

    return NULL;
}


static void
ngx_paygw_redis_keeps(ngx_paygw_redis_conn_t *conn, redisReply *reply)
{
    ngx_str_t  value;

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_log_error(NGX_LOG_INFO, &conn->log, 0,
                      "redis does not say whether it keeps its data");
        return;
    }

    if (!ngx_paygw_redis_info_is(reply, "\naof_enabled:", "1", &value)) {
        ngx_log_error(NGX_LOG_WARN, &conn->log, 0,
                      "redis has \"appendonly no\": when it ends events of "
                      "\"paygw_queue\" are lost that no provider sends again");
    }

    if (!ngx_paygw_redis_info_is(reply, "\nmaxmemory_policy:", "noeviction",
                                 &value))
    {
        ngx_log_error(NGX_LOG_WARN, &conn->log, 0,
                      "redis has \"maxmemory-policy %V\": it may remove the "
                      "streams of \"paygw_queue\", use \"noeviction\"",
                      &value);
    }
}


/* 1 also if there is no such line */

static ngx_uint_t
ngx_paygw_redis_info_is(redisReply *reply, const char *name,
    const char *wanted, ngx_str_t *value)
{
    u_char  *p;

    p = (u_char *) ngx_strstr(reply->str, name);

    if (p == NULL) {
        return 1;
    }

    value->data = p + ngx_strlen(name);

    for (p = value->data; *p > ' ' && *p < 0x7f; p++) {
        if (p - value->data == NGX_PAYGW_REDIS_INFO_VALUE) {
            break;
        }
    }

    value->len = p - value->data;

    return value->len == ngx_strlen(wanted)
           && ngx_strncmp(value->data, wanted, value->len) == 0;
}
