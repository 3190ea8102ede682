
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_stripe.h"
#include "ngx_paygw_explain.h"


/* Why the signature of a callback is not good. */


static ngx_int_t ngx_paygw_stripe_hint(ngx_paygw_notify_t *n, char **hint);
static ngx_int_t ngx_paygw_stripe_guess(ngx_paygw_notify_t *n,
    ngx_str_t *body);


ngx_int_t
ngx_paygw_stripe_forged(ngx_paygw_notify_t *n)
{
    ngx_paygw_stripe_ctx_t  *ctx = n->data;

    char       *hint;
    ngx_str_t   parts[3];

    if (ngx_paygw_stripe_hint(n, &hint) != NGX_OK) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    parts[0] = ctx->stamp;
    ngx_str_set(&parts[1], ".");
    parts[2] = n->msg.body;

    return ngx_paygw_refuse_signature(n, NGX_PAYGW_REASON_SIGNATURE, parts, 3,
                                      hint);
}


static ngx_int_t
ngx_paygw_stripe_hint(ngx_paygw_notify_t *n, char **hint)
{
    ngx_paygw_stripe_ctx_t  *ctx = n->data;

    ngx_int_t            rc;
    ngx_paygw_explain_t  ex;

    if (ctx->nsigs == 0) {
        *hint = "v1 is not 64 lower-case hexadecimal digits";
        return NGX_OK;
    }

    if (n->msg.body.len > NGX_PAYGW_EXPLAIN_MAX) {
        *hint = NULL;
        return NGX_OK;
    }

    if (ngx_paygw_explain_json(n->pool, &n->msg.body, 1, &ex) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ex.text.data) {
        rc = ngx_paygw_stripe_guess(n, &ex.text);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            *hint = ex.proved;
            return NGX_OK;
        }
    }

    *hint = ex.seen ? ex.seen
                    : "webhook_secret may be that of another endpoint, each "
                      "has its own";

    return NGX_OK;
}


/* with the newest secret alone: one more pass over the body, and no more */

static ngx_int_t
ngx_paygw_stripe_guess(ngx_paygw_notify_t *n, ngx_str_t *body)
{
    ngx_paygw_stripe_ctx_t  *ctx = n->data;

    ngx_uint_t                i;
    ngx_paygw_stripe_conf_t  *conf;

    for (i = 0; i < n->nchannels; i++) {
        if (ctx->genuine[i]) {
            conf = n->channels[i]->conf;
            return ngx_paygw_stripe_signed(n, conf->secrets->elts, body);
        }
    }

    return NGX_DECLINED;
}
