
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


static ngx_int_t ngx_paygw_redis_once_name(ngx_paygw_redis_t *redis,
    ngx_str_t *key, ngx_str_t *name);


/*
 * One "SET KEY 1 PX LIFE NX": asked and noted in one step, and by a command
 * that any Redis has.
 */

ngx_int_t
ngx_paygw_redis_once(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    u_char                  life[NGX_INT64_LEN];
    ngx_int_t               rc;
    ngx_str_t               argv[6];
    ngx_paygw_redis_cmd_t  *cmd;

    if (ngx_paygw_redis_once_name(store->data, &op->key, &argv[1]) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[0], "SET");
    ngx_str_set(&argv[2], "1");
    ngx_str_set(&argv[3], "PX");
    argv[4].data = life;
    argv[4].len = ngx_sprintf(life, "%M", op->keep) - life;
    ngx_str_set(&argv[5], "NX");

    cmd = ngx_paygw_redis_cmd(store->data, NGX_PAYGW_REDIS_ONCE, NULL);

    if (cmd == NULL) {
        ngx_free(argv[1].data);
        return NGX_ERROR;
    }

    cmd->op = op;

    rc = ngx_paygw_redis_submit(cmd, 6, argv);

    ngx_free(argv[1].data);

    if (rc != NGX_OK) {
        ngx_paygw_redis_free(cmd);
        return NGX_ERROR;
    }

    op->pending = cmd;

    return NGX_AGAIN;
}


/*
 * PREFIX "nonce:{" KEY-ID "}:" NONCE.  In a cluster what is in braces chooses
 * the slot.
 */

static ngx_int_t
ngx_paygw_redis_once_name(ngx_paygw_redis_t *redis, ngx_str_t *key,
    ngx_str_t *name)
{
    u_char  *colon, *last;

    last = key->data + key->len;
    colon = ngx_strlchr(key->data, last, ':');

    if (colon == NULL) {
        colon = last;
    }

    name->data = ngx_alloc(redis->prefix.len + key->len
                           + sizeof("nonce:{}") - 1, ngx_cycle->log);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    name->len = ngx_sprintf(name->data, "%Vnonce:{%*s}%*s", &redis->prefix,
                            (size_t) (colon - key->data), key->data,
                            (size_t) (last - colon), colon)
                - name->data;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_redis_once_result(redisReply *reply)
{
    switch (reply->type) {

    case REDIS_REPLY_STATUS:
        return NGX_OK;

    case REDIS_REPLY_NIL:
        return NGX_DECLINED;

    default:
        return NGX_ERROR;
    }
}
