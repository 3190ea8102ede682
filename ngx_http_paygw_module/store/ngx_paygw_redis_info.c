
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


/*
 * Whether Redis keeps what it has acknowledged.  Streams need that most, so a
 * worker whose configuration has one asks, once, on its first connection, and
 * warns.  Nothing depends on the answer: the question goes behind the first
 * commands, many servers do not let anybody ask, and a proxy may close the
 * connection for it.
 */


#define NGX_PAYGW_REDIS_INFO_VALUE  32    /* bytes of a value in the log */


static ngx_uint_t ngx_paygw_redis_info_is(redisReply *reply, const char *name,
    const char *wanted, ngx_str_t *value);


void
ngx_paygw_redis_info(ngx_paygw_redis_conn_t *conn)
{
    ngx_str_t               info;
    ngx_paygw_redis_cmd_t  *cmd;

    if (!conn->redis->streams) {
        return;
    }

    conn->redis->streams = 0;

    cmd = ngx_paygw_redis_cmd(conn->redis, NGX_PAYGW_REDIS_INFO, NULL);
    if (cmd == NULL) {
        return;
    }

    ngx_str_set(&info, "INFO");

    if (ngx_paygw_redis_enqueue(conn, cmd, 1, &info) != NGX_OK) {
        ngx_free(cmd);
    }
}


const char *
ngx_paygw_redis_informed(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply)
{
    ngx_str_t  value;

    ngx_free(cmd);

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_log_error(NGX_LOG_INFO, &conn->log, 0,
                      "redis does not say whether it keeps its data");
        return NULL;
    }

    if (reply->type != REDIS_REPLY_STRING) {
        return "sent unexpected reply";
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

    return NULL;
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
