
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


#define NGX_PAYGW_REDIS_LIMIT_ARGV  4       /* numbers of each limit */


static ngx_int_t ngx_paygw_redis_limit_send(ngx_paygw_redis_cmd_t *cmd,
    ngx_paygw_store_op_t *op);
static size_t ngx_paygw_redis_limit_size(ngx_paygw_redis_t *redis,
    ngx_paygw_store_op_t *op);
static u_char *ngx_paygw_redis_limit_name(ngx_paygw_redis_t *redis, u_char *p,
    ngx_str_t *key);
static ngx_int_t ngx_paygw_redis_limit_numbers(redisReply *reply,
    off_t *numbers, ngx_uint_t n);


ngx_int_t
ngx_paygw_redis_limit(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_cmd_t  *cmd;

    cmd = ngx_paygw_redis_cmd(store->data, NGX_PAYGW_REDIS_LIMIT, NULL);
    if (cmd == NULL) {
        return NGX_ERROR;
    }

    cmd->op = op;

    if (ngx_paygw_redis_limit_send(cmd, op) != NGX_OK) {
        ngx_paygw_redis_free(cmd);
        return NGX_ERROR;
    }

    op->pending = cmd;

    return NGX_AGAIN;
}


/* KEYS: the buckets; ARGV: rate, period, room and "1" if it is dry, of each */

static ngx_int_t
ngx_paygw_redis_limit_send(ngx_paygw_redis_cmd_t *cmd,
    ngx_paygw_store_op_t *op)
{
    u_char             *buf, *p;
    ngx_int_t           rc;
    ngx_str_t           argv[NGX_PAYGW_REDIS_ARGS], *arg;
    ngx_uint_t          i;
    ngx_paygw_limit_t  *limit;

    buf = ngx_alloc(ngx_paygw_redis_limit_size(cmd->redis, op),
                    ngx_cycle->log);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    arg = argv;
    p = buf;

#define ngx_paygw_redis_limit_arg(print)                                      \
    arg->data = p;                                                            \
    p = print;                                                                \
    arg->len = p - arg->data;                                                 \
    arg++

    ngx_paygw_redis_limit_arg(ngx_sprintf(p, "%ui", op->nlimits));

    for (i = 0; i < op->nlimits; i++) {
        limit = &op->limits[i];
        ngx_paygw_redis_limit_arg(ngx_paygw_redis_limit_name(cmd->redis, p,
                                                             &limit->key));
    }

    for (i = 0; i < op->nlimits; i++) {
        limit = &op->limits[i];
        ngx_paygw_redis_limit_arg(ngx_sprintf(p, "%uL", limit->rate));
        ngx_paygw_redis_limit_arg(ngx_sprintf(p, "%uL", limit->period));
        ngx_paygw_redis_limit_arg(ngx_sprintf(p, "%uL", (limit->burst + 1)
                                                        * limit->period));
        ngx_paygw_redis_limit_arg(ngx_sprintf(p, "%ui", limit->dry));
    }

#undef ngx_paygw_redis_limit_arg

    rc = ngx_paygw_redis_submit(cmd, arg - argv, argv);

    ngx_free(buf);

    return rc;
}


static size_t
ngx_paygw_redis_limit_size(ngx_paygw_redis_t *redis, ngx_paygw_store_op_t *op)
{
    size_t      size;
    ngx_uint_t  i;

    size = NGX_INT_T_LEN;

    for (i = 0; i < op->nlimits; i++) {
        size += redis->prefix.len + sizeof("limit:{%}") - 1
                + op->limits[i].key.len
                + NGX_PAYGW_REDIS_LIMIT_ARGV * NGX_INT64_LEN;
    }

    return size;
}


/*
 * The value, in front of the last colon, is put in braces.  Braces with nothing
 * in them, as Redis sees those of a value that begins with "}", do not choose
 * the slot, and the client chooses the value: such a value gets a "%" in front,
 * and so does one with a "%", for two values have two names.
 */

static u_char *
ngx_paygw_redis_limit_name(ngx_paygw_redis_t *redis, u_char *p, ngx_str_t *key)
{
    size_t       len;
    const char  *mark;

    for (len = key->len; len && key->data[len - 1] != ':'; len--) {
        /* void */
    }

    len = len ? len - 1 : key->len;

    mark = (len == 0 || key->data[0] == '}' || key->data[0] == '%') ? "%" : "";

    return ngx_sprintf(p, "%Vlimit:{%s%*s}%*s", &redis->prefix, mark, len,
                       key->data, key->len - len, key->data + len);
}


/* a text: "OVER LEVEL " of each limit, and the time */

ngx_int_t
ngx_paygw_redis_limit_result(ngx_paygw_redis_cmd_t *cmd, redisReply *reply)
{
    off_t                  n[2 * NGX_PAYGW_STORE_LIMITS_MAX + 1];
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_paygw_limit_t     *limit;
    ngx_paygw_store_op_t  *op;

    op = cmd->op;

    if (reply->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    if (op == NULL) {
        return NGX_OK;
    }

    if (ngx_paygw_redis_limit_numbers(reply, n, 2 * op->nlimits + 1)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    for (i = 0; i < op->nlimits; i++) {
        limit = &op->limits[i];

        limit->over = (n[2 * i] != 0);
        limit->level = n[2 * i + 1];
        limit->time = n[2 * op->nlimits];

        if (limit->over && !limit->dry) {
            rc = NGX_DECLINED;
        }
    }

    return rc;
}


/* exactly so many, with a space between them */

static ngx_int_t
ngx_paygw_redis_limit_numbers(redisReply *reply, off_t *numbers, ngx_uint_t n)
{
    u_char      *p, *last, *end;
    ngx_uint_t   i;

    p = (u_char *) reply->str;
    last = p + reply->len;

    for (i = 0; i < n; i++) {

        end = (i == n - 1) ? last : ngx_strlchr(p, last, ' ');

        if (end == NULL) {
            return NGX_ERROR;
        }

        numbers[i] = ngx_atoof(p, end - p);

        if (numbers[i] == NGX_ERROR) {
            return NGX_ERROR;
        }

        p = end + 1;
    }

    return NGX_OK;
}
