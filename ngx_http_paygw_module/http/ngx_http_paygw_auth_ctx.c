
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_auth.h"


static void ngx_http_paygw_auth_request_cleanup(void *data);
static void ngx_http_paygw_auth_pool_cleanup(void *data);
static void ngx_http_paygw_auth_failed(ngx_http_paygw_auth_ctx_t *ctx);


ngx_http_paygw_auth_ctx_t *
ngx_http_paygw_auth_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_paygw_auth_ctx_t  *ctx;

    r = r->main;
    ctx = ngx_http_get_module_ctx(r, ngx_http_paygw_ack_module);

    if (ctx == NULL && (r->internal || r->filter_finalize)) {

        /* an internal redirect or an error page has cleared r->ctx */

        for (cln = r->pool->cleanup; cln; cln = cln->next) {
            if (cln->handler == ngx_http_paygw_auth_pool_cleanup) {
                ctx = cln->data;
                ngx_http_set_ctx(r, ctx, ngx_http_paygw_ack_module);
                break;
            }
        }
    }

    return ctx;
}


ngx_http_paygw_auth_ctx_t *
ngx_http_paygw_auth_ctx_create(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_cleanup_t         *hcln;
    ngx_http_paygw_auth_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_paygw_auth_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_paygw_auth_ctx_t));

    cln->handler = ngx_http_paygw_auth_pool_cleanup;

    hcln = ngx_http_cleanup_add(r, 0);
    if (hcln == NULL) {
        return NULL;
    }

    hcln->handler = ngx_http_paygw_auth_request_cleanup;
    hcln->data = ctx;

    ctx->request = r;
    ctx->lcf = lcf;
    ctx->call.log = r->connection->log;

    ngx_http_set_ctx(r, ctx, ngx_http_paygw_ack_module);

    return ctx;
}


static void
ngx_http_paygw_auth_request_cleanup(void *data)
{
    ngx_http_paygw_auth_ctx_t *ctx = data;

    ngx_http_paygw_batch_cancel(&ctx->batch);
}


/* only marks the context in the list of cleanups */

static void
ngx_http_paygw_auth_pool_cleanup(void *data)
{
    return;
}


void
ngx_http_paygw_auth_refuse(ngx_http_paygw_auth_ctx_t *ctx)
{
    u_char              buf[NGX_MAX_ERROR_STR], *p, *last;
    ngx_uint_t          level;
    ngx_paygw_call_t   *call;

    call = &ctx->call;

    ctx->state = NGX_HTTP_PAYGW_AUTH_REFUSED;
    ctx->status = ngx_http_paygw_problem_status(call->reason);

    if (ctx->status == NGX_HTTP_UNAUTHORIZED && !ctx->genuine) {
        ngx_http_paygw_auth_failed(ctx);
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
}


/*
 * A call that nobody has signed: the one place that knows of all of them, with
 * the address that they come from.
 */

static void
ngx_http_paygw_auth_failed(ngx_http_paygw_auth_ctx_t *ctx)
{
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ctx->call.log, 0,
                   "http paygw call not genuine from \"%V\"",
                   &ctx->request->connection->addr_text);
}


void
ngx_http_paygw_auth_value(ngx_http_request_t *r, ngx_http_paygw_value_e which,
    ngx_str_t *value)
{
    ngx_paygw_caller_t         *caller;
    ngx_http_paygw_auth_ctx_t  *ctx;

    static ngx_str_t  results[] = {
        ngx_null_string,
        ngx_null_string,
        ngx_string("authenticated"),
        ngx_string("refused"),
        ngx_string("unavailable")
    };

    ngx_str_null(value);

    ctx = ngx_http_paygw_auth_ctx(r);

    if (ctx == NULL) {
        return;
    }

    caller = ctx->genuine ? ctx->call.caller : NULL;

    switch (which) {

    case NGX_HTTP_PAYGW_VALUE_RESULT:
        *value = results[ctx->state
                         + (ctx->status >= NGX_HTTP_INTERNAL_SERVER_ERROR)];
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

    default:
        return;
    }
}
