
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_failures.h"
#include "ngx_http_paygw_idem.h"


/* What is told of a call: its refusal, in the log, and variables. */


ngx_int_t
ngx_http_paygw_auth_refuse(ngx_http_paygw_gate_ctx_t *ctx)
{
    u_char              buf[NGX_MAX_ERROR_STR], *p, *last;
    ngx_uint_t          level;
    ngx_paygw_call_t   *call;

    call = &ctx->call;

    (void) ngx_http_paygw_gate_refuse(ctx, call->reason);

    if (!ctx->genuine) {
        ngx_http_paygw_failures_add(ctx, call->reason);
    }

    p = buf;
    last = buf + sizeof(buf);

    if (call->caller || call->signed_len) {
        p = ngx_slprintf(p, last, ", key \"%V\"",
                         &call->fields[NGX_PAYGW_CALL_KEY_ID]);
    }

    if (call->caller) {
        p = ngx_slprintf(p, last, ", merchant \"%V\"",
                         &call->caller->merchant->name);
    }

    if (call->signed_len) {
        ngx_hex_dump(call->hex, call->signed_sha256, NGX_PAYGW_SHA256_LEN);
        p = ngx_slprintf(p, last, ", string to sign: %uz bytes, sha256 %*s",
                         call->signed_len, sizeof(call->hex), call->hex);
    }

    if (call->hint.len) {
        p = ngx_slprintf(p, last, ", hint: %V", &call->hint);
    }

    level = (ctx->status == NGX_HTTP_INTERNAL_SERVER_ERROR) ? NGX_LOG_ERR
                                                            : NGX_LOG_INFO;

    ngx_log_error(level, call->log, 0, "merchant call refused: %V%*s",
                  &ngx_paygw_reasons[call->reason], (size_t) (p - buf), buf);

    return NGX_DECLINED;
}


void
ngx_http_paygw_auth_value(ngx_http_request_t *r, ngx_http_paygw_value_e which,
    ngx_str_t *value)
{
    ngx_paygw_caller_t         *caller;
    ngx_http_paygw_gate_ctx_t  *ctx;

    ngx_str_null(value);

    ctx = ngx_http_paygw_gate_ctx(r);

    if (ctx == NULL) {
        return;
    }

    caller = ctx->genuine ? ctx->call.caller : NULL;

    switch (which) {

    case NGX_HTTP_PAYGW_VALUE_RESULT:

        if (ctx->state != NGX_HTTP_PAYGW_GATE_REFUSED) {
            if (ctx->authentic) {
                ngx_str_set(value, "authenticated");
            }

        } else if (ctx->status < NGX_HTTP_INTERNAL_SERVER_ERROR) {
            ngx_str_set(value, "refused");

        } else {
            ngx_str_set(value, "unavailable");
        }

        return;

    case NGX_HTTP_PAYGW_VALUE_REASON:
        *value = ngx_paygw_reasons[ctx->call.reason];
        return;

    case NGX_HTTP_PAYGW_VALUE_MERCHANT:
        if (caller) {
            *value = caller->merchant->name;
        }
        return;

    case NGX_HTTP_PAYGW_VALUE_KEY_ID:
        if (ctx->call.caller || ctx->call.signed_len) {
            *value = ctx->call.fields[NGX_PAYGW_CALL_KEY_ID];
        }
        return;

    case NGX_HTTP_PAYGW_VALUE_IDEMPOTENCY:
        ngx_http_paygw_idem_value(r, value);
        return;

    default:
        return;
    }
}
