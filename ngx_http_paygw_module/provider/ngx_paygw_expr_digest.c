
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_expr.h"
#include "ngx_paygw_aead.h"
#include "ngx_paygw_mac.h"


/* Operations that need cryptography. */


ngx_int_t
ngx_paygw_expr_digest(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t            rc;
    ngx_str_t            text;
    ngx_paygw_notify_t  *n;

    n = ctx->notify;

    rc = ngx_paygw_expr_eval(ctx, e->args[0], &text);

    if (rc == NGX_OK) {
        rc = ngx_paygw_expr_room(ctx, NGX_PAYGW_HASH_MAX, value);
    }

    if (rc == NGX_OK
        && ngx_paygw_hash(e->op->data, &text, 1, value->data, &value->len,
                          n->log)
           != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    return rc;
}


ngx_int_t
ngx_paygw_expr_crc32(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    rc = ngx_paygw_expr_eval(ctx, e->args[0], &text);

    if (rc == NGX_OK) {
        rc = ngx_paygw_expr_room(ctx, NGX_INT32_LEN, value);
    }

    if (rc == NGX_OK) {
        value->len = ngx_sprintf(value->data, "%uD",
                                 ngx_crc32_long(text.data, text.len))
                     - value->data;
    }

    return rc;
}


ngx_int_t
ngx_paygw_expr_gcm(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t            rc;
    ngx_str_t            parts[3];
    ngx_uint_t           i;
    ngx_paygw_notify_t  *n;

    n = ctx->notify;

    for (i = 0; i < 3; i++) {
        rc = ngx_paygw_expr_eval(ctx, e->args[i], &parts[i]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    rc = ngx_paygw_gcm_open(n->pool, &ctx->env->decrypt_key, &parts[1],
                            &parts[2], &parts[0], value);

    if (rc == NGX_ERROR) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    if (rc != NGX_OK) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_DECRYPT,
                                "decrypt_key does not open it");
    }

    return NGX_OK;
}
