
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_failures.h"
#include "ngx_http_paygw_headers.h"


/* A merchant's call as a part of the gate: fields, signature, nonce. */


static ngx_int_t ngx_http_paygw_auth_start(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_auth_ask(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_auth_nonce(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_auth_decide(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_auth_pass(ngx_http_paygw_gate_ctx_t *ctx);


static const ngx_str_t  ngx_http_paygw_auth_merchant =
    ngx_string("X-Paygw-Merchant");
static const ngx_str_t  ngx_http_paygw_auth_key_id =
    ngx_string("X-Paygw-Key-Id");

/* of a connection that turns into a tunnel no answer could be held back */

static const ngx_str_t  ngx_http_paygw_auth_upgrade[] = {
    ngx_string("upgrade"),
    ngx_null_string
};


const ngx_http_paygw_gate_part_t  ngx_http_paygw_auth_part = {
    NGX_HTTP_PAYGW_GATE_AUTH,
    1,                                     /* body */
    ngx_http_paygw_auth_start,
    ngx_http_paygw_auth_ask,
    ngx_http_paygw_auth_decide,
    NULL                                   /* undo: a nonce stays used */
};


ngx_int_t
ngx_http_paygw_auth_subrequest(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_http_paygw_gate_ctx_t  *ctx;

    ctx = ngx_http_paygw_gate_ctx(r);

    if (lcf->auth.any || (ctx && ngx_http_paygw_auth_admits(ctx, lcf))) {
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "subrequest to a location with \"paygw_auth\" is "
                  "refused, its request is not authenticated for that, "
                  "if it needs not be add \"paygw_auth off\"");

    return NGX_HTTP_FORBIDDEN;
}


static ngx_int_t
ngx_http_paygw_auth_start(ngx_http_paygw_gate_ctx_t *ctx)
{
    ctx->lcf = ctx->at;

    ctx->request->connection->log->action = "authenticating merchant call";

    if (ngx_http_paygw_failures_over(ctx)) {
        ctx->call.reason = NGX_PAYGW_REASON_FAILURES;
        return ngx_http_paygw_auth_refuse(ctx);
    }

    ngx_http_paygw_auth_fill(ctx);

    if (ngx_http_paygw_auth_before(ctx) != NGX_OK) {
        return ngx_http_paygw_auth_refuse(ctx);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_auth_ask(ngx_http_paygw_gate_ctx_t *ctx)
{
    if (ngx_http_paygw_auth_verify(ctx) != NGX_OK) {
        return ngx_http_paygw_auth_refuse(ctx);
    }

    ctx->genuine = 1;

#if (NGX_HTTP_GZIP)

    if (ctx->lcf->auth.sign) {

        /* a client that unpacks by itself would not see what was signed */

        ctx->request->gzip_tested = 1;
        ctx->request->gzip_ok = 0;
    }

#endif

    return ngx_http_paygw_auth_nonce(ctx);
}


/* only now, that nobody but the merchant can burn a nonce */

static ngx_int_t
ngx_http_paygw_auth_nonce(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_paygw_store_op_t  *op;

    op = ngx_http_paygw_batch_add(&ctx->batch, ngx_paygw_store_once,
                                  ctx->call.log);

    if (op == NULL || ngx_paygw_call_once(&ctx->call, &op->key) != NGX_OK) {
        ctx->call.reason = NGX_PAYGW_REASON_INTERNAL;
        return ngx_http_paygw_auth_refuse(ctx);
    }

    op->keep = ctx->call.caller->merchant->nonce_ttl;

    ctx->nonce = op;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_auth_decide(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_str_t  *method;

    switch (ctx->nonce->rc) {

    case NGX_OK:
        return ngx_http_paygw_auth_pass(ctx);

    case NGX_DECLINED:
        ctx->call.reason = NGX_PAYGW_REASON_REPLAYED;
        break;

    default: /* NGX_ERROR: never "replayed", and never a guess */

        method = &ctx->call.method;

        if (ctx->lcf->auth.store_error
            && ((method->len == 3 && ngx_strncmp(method->data, "GET", 3) == 0)
                || (method->len == 4
                    && ngx_strncmp(method->data, "HEAD", 4) == 0)))
        {
            ngx_log_error(NGX_LOG_WARN, ctx->call.log, 0,
                          "the store does not answer, a merchant call that "
                          "reads was passed and may be a replay");

            return ngx_http_paygw_auth_pass(ctx);
        }

        ctx->call.reason = NGX_PAYGW_REASON_STORE;
    }

    return ngx_http_paygw_auth_refuse(ctx);
}


static ngx_int_t
ngx_http_paygw_auth_pass(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_http_request_t  *r;
    ngx_paygw_caller_t  *caller;

    r = ctx->request;
    caller = ctx->call.caller;

    if ((ctx->lcf->auth.sign || ctx->idem) && r->headers_in.upgrade) {

        if (ngx_http_paygw_headers_drop(r, ngx_http_paygw_auth_upgrade)
            != NGX_OK)
        {
            goto failed;
        }

        r->headers_in.upgrade = NULL;
    }

    if (ngx_http_paygw_headers_add(r, &ngx_http_paygw_auth_merchant,
                                   (u_char *) "x-paygw-merchant",
                                   &caller->merchant->name)
        && ngx_http_paygw_headers_add(r, &ngx_http_paygw_auth_key_id,
                                      (u_char *) "x-paygw-key-id",
                                      &caller->sn.str))
    {
        ctx->authentic = 1;
        return NGX_OK;
    }

failed:

    ctx->call.reason = NGX_PAYGW_REASON_INTERNAL;
    return ngx_http_paygw_auth_refuse(ctx);
}


ngx_uint_t
ngx_http_paygw_auth_admits(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_uint_t  i;

    if (!ctx->authentic) {
        return 0;
    }

    i = ctx->call.caller->merchant->index;

    return (lcf->auth.allowed[i / 8] & (1 << (i % 8))) != 0;
}


void
ngx_http_paygw_auth_elsewhere(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_str_set(&ctx->call.hint, "the merchant is not named in the "
                                 "location that the call was led to");

    ctx->call.reason = NGX_PAYGW_REASON_UNKNOWN_KEY;
    (void) ngx_http_paygw_auth_refuse(ctx);
}
