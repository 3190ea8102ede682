
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_mac.h"
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_ctx.h"
#include "ngx_http_paygw_refusal.h"


static const struct {
    ngx_paygw_reason_e    reason;
    ngx_uint_t            status;
} ngx_http_paygw_statuses[] = {
    { NGX_PAYGW_REASON_METHOD, NGX_HTTP_NOT_ALLOWED },
    { NGX_PAYGW_REASON_CONTENT_TYPE, NGX_HTTP_UNSUPPORTED_MEDIA_TYPE },
    { NGX_PAYGW_REASON_TOO_LARGE, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE },

    { NGX_PAYGW_REASON_MISSING_HEADER, NGX_HTTP_BAD_REQUEST },
    { NGX_PAYGW_REASON_REPEATED_HEADER, NGX_HTTP_BAD_REQUEST },
    { NGX_PAYGW_REASON_MALFORMED, NGX_HTTP_BAD_REQUEST },
    { NGX_PAYGW_REASON_DUPLICATE_FIELD, NGX_HTTP_BAD_REQUEST },

    { NGX_PAYGW_REASON_UNKNOWN_KEY, NGX_HTTP_UNAUTHORIZED },
    { NGX_PAYGW_REASON_CLOCK, NGX_HTTP_UNAUTHORIZED },
    { NGX_PAYGW_REASON_SIGN_TYPE, NGX_HTTP_UNAUTHORIZED },
    { NGX_PAYGW_REASON_SIGNATURE, NGX_HTTP_UNAUTHORIZED },
    { NGX_PAYGW_REASON_PROBE, NGX_HTTP_UNAUTHORIZED },
    { NGX_PAYGW_REASON_DECRYPT, NGX_HTTP_UNAUTHORIZED },

    { NGX_PAYGW_REASON_UNKNOWN_ACCOUNT, NGX_HTTP_FORBIDDEN },
    { NGX_PAYGW_REASON_ACCOUNT_MISMATCH, NGX_HTTP_FORBIDDEN },

    { NGX_PAYGW_REASON_ORDER_MISMATCH, NGX_HTTP_FORBIDDEN },
    { NGX_PAYGW_REASON_ORDER_UNKNOWN, NGX_HTTP_FORBIDDEN },

    { NGX_PAYGW_REASON_NONE, 0 }
};


ngx_uint_t
ngx_http_paygw_refusal_status(ngx_http_paygw_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; ngx_http_paygw_statuses[i].status; i++) {
        if (ngx_http_paygw_statuses[i].reason == ctx->notify.reason) {
            return ngx_http_paygw_statuses[i].status;
        }
    }

    ctx->notify.reason = NGX_PAYGW_REASON_INTERNAL;

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}


u_char *
ngx_http_paygw_refusal_words(ngx_paygw_notify_t *n, u_char *p, u_char *last)
{
    u_char  hex[2 * NGX_PAYGW_SHA256_LEN];

    if (n->key_id.len) {
        p = ngx_slprintf(p, last, ", key \"%V\"", &n->key_id);
    }

    if (n->channel) {
        p = ngx_slprintf(p, last, ", channel \"%V\"", &n->channel->name);
    }

    if (n->signed_len) {
        ngx_hex_dump(hex, n->signed_sha256, NGX_PAYGW_SHA256_LEN);
        p = ngx_slprintf(p, last, ", string to sign: %uz bytes, sha256 %*s",
                         n->signed_len, sizeof(hex), hex);
    }

    if (n->hint.len) {
        p = ngx_slprintf(p, last, ", hint: %V", &n->hint);
    }

    return p;
}


void
ngx_http_paygw_refusal_log(ngx_http_paygw_ctx_t *ctx)
{
    u_char               buf[NGX_MAX_ERROR_STR], *p;
    ngx_uint_t           level;
    ngx_paygw_notify_t  *n;

    n = &ctx->notify;

    p = ngx_http_paygw_refusal_words(n, buf, buf + sizeof(buf));

    /* no forgery: the provider says that money was paid for such an order */

    level = (n->reason == NGX_PAYGW_REASON_INTERNAL
             || n->reason == NGX_PAYGW_REASON_ORDER_MISMATCH
             || n->reason == NGX_PAYGW_REASON_ORDER_UNKNOWN)
            ? NGX_LOG_ERR : NGX_LOG_INFO;

    ngx_log_error(level, n->log, 0, "payment callback %s: %V%*s",
                  ngx_http_paygw_observing(ctx->lcf) ? "would be refused"
                                                     : "refused",
                  &ngx_paygw_reasons[n->reason], (size_t) (p - buf), buf);
}
