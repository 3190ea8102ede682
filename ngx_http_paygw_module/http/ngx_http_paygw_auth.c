
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_headers.h"


/* The conductor of a merchant's call: fields, body, signature, store. */


static ngx_int_t ngx_http_paygw_auth_start(ngx_http_paygw_auth_ctx_t *ctx);
static ngx_uint_t ngx_http_paygw_auth_has_body(ngx_http_request_t *r);
static void ngx_http_paygw_auth_body_handler(ngx_http_request_t *r);
static void ngx_http_paygw_auth_decide(ngx_http_paygw_auth_ctx_t *ctx);
static void ngx_http_paygw_auth_ask(ngx_http_paygw_auth_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_auth_wait(ngx_http_request_t *r);
static void ngx_http_paygw_auth_batch_handler(ngx_http_paygw_batch_t *batch);
static void ngx_http_paygw_auth_answered(ngx_http_paygw_auth_ctx_t *ctx);
static void ngx_http_paygw_auth_pass(ngx_http_paygw_auth_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_auth_verdict(ngx_http_paygw_auth_ctx_t *ctx,
    ngx_http_paygw_loc_conf_t *lcf);
static ngx_uint_t ngx_http_paygw_auth_admits(ngx_http_paygw_auth_ctx_t *ctx,
    ngx_http_paygw_loc_conf_t *lcf);


static const ngx_str_t  ngx_http_paygw_auth_merchant =
    ngx_string("X-Paygw-Merchant");
static const ngx_str_t  ngx_http_paygw_auth_key_id =
    ngx_string("X-Paygw-Key-Id");

/* of a connection that turns into a tunnel no answer could be signed */

static const ngx_str_t  ngx_http_paygw_auth_upgrade[] = {
    ngx_string("upgrade"),
    ngx_null_string
};


ngx_int_t
ngx_http_paygw_auth_rewrite(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_int_t                   rc;
    ngx_http_paygw_auth_ctx_t  *ctx;

    ctx = ngx_http_paygw_auth_ctx(r);

    if (r != r->main) {

        /* the access phase never runs for a subrequest, the content would */

        if (lcf->auth.any || (ctx && ngx_http_paygw_auth_admits(ctx, lcf))) {
            return NGX_DECLINED;
        }

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "subrequest to a location with \"paygw_auth\" is "
                      "refused, its request is not authenticated for that, "
                      "if it needs not be add \"paygw_auth off\"");
        return NGX_HTTP_FORBIDDEN;
    }

    if (!lcf->auth.early) {
        return NGX_DECLINED;
    }

    rc = ngx_http_paygw_auth_access(r, lcf);

    return (rc == NGX_OK) ? NGX_DECLINED : rc;
}


void
ngx_http_paygw_auth_over(ngx_http_request_t *r)
{
    ngx_http_paygw_auth_ctx_t  *ctx;

    ctx = ngx_http_paygw_auth_ctx(r);

    if (ctx) {
        ctx->refusing = 0;
    }
}


ngx_int_t
ngx_http_paygw_auth_access(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_http_paygw_auth_ctx_t  *ctx;

    ctx = ngx_http_paygw_auth_ctx(r);

    if (ctx) {
        return ngx_http_paygw_auth_verdict(ctx, lcf);
    }

    ctx = ngx_http_paygw_auth_ctx_create(r, lcf);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_paygw_auth_start(ctx);
}


static ngx_int_t
ngx_http_paygw_auth_start(ngx_http_paygw_auth_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = ctx->request;

    r->connection->log->action = "authenticating merchant call";

    ngx_http_paygw_auth_fill(ctx);

    if (ngx_http_paygw_auth_before(ctx) != NGX_OK) {
        ngx_http_paygw_auth_refuse(ctx);
        return ngx_http_paygw_auth_verdict(ctx, ctx->lcf);
    }

    if (!ngx_http_paygw_auth_has_body(r)) {
        ngx_http_paygw_auth_decide(ctx);

        if (ctx->state == NGX_HTTP_PAYGW_AUTH_ASKING) {
            return ngx_http_paygw_auth_wait(r);
        }

        return ngx_http_paygw_auth_verdict(ctx, ctx->lcf);
    }

    rc = ngx_http_read_client_request_body(r,
                                           ngx_http_paygw_auth_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    /* the body handler, now or later, has the phases go on */

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


/* of a newer protocol than 1.1 that shows only when it is read */

static ngx_uint_t
ngx_http_paygw_auth_has_body(ngx_http_request_t *r)
{
    if (r->request_body) {
        return 0;
    }

    return r->headers_in.content_length_n > 0 || r->headers_in.chunked
           || r->http_version > NGX_HTTP_VERSION_11;
}


static void
ngx_http_paygw_auth_body_handler(ngx_http_request_t *r)
{
    ngx_http_paygw_auth_ctx_t  *ctx;

    ctx = ngx_http_paygw_auth_ctx(r);

    r->preserve_body = 1;

    ngx_http_paygw_auth_decide(ctx);

    if (ctx->state == NGX_HTTP_PAYGW_AUTH_ASKING) {
        r->read_event_handler = ngx_http_test_reading;
        r->write_event_handler = ngx_http_request_empty_handler;
        return;
    }

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


static void
ngx_http_paygw_auth_decide(ngx_http_paygw_auth_ctx_t *ctx)
{
    if (ngx_http_paygw_auth_verify(ctx) != NGX_OK) {
        ngx_http_paygw_auth_refuse(ctx);
        return;
    }

    ctx->genuine = 1;

#if (NGX_HTTP_GZIP)

    if (ctx->lcf->auth.sign) {

        /* a client that unpacks by itself would not see what was signed */

        ctx->request->gzip_tested = 1;
        ctx->request->gzip_ok = 0;
    }

#endif

    ngx_http_paygw_auth_ask(ctx);
}


/* only now, that nobody but the merchant can burn a nonce */

static void
ngx_http_paygw_auth_ask(ngx_http_paygw_auth_ctx_t *ctx)
{
    ngx_paygw_store_op_t  *op;

    ctx->batch.handler = ngx_http_paygw_auth_batch_handler;
    ctx->batch.data = ctx;

    op = ngx_http_paygw_batch_add(&ctx->batch, ngx_paygw_store_once,
                                  ctx->call.log);

    if (op == NULL || ngx_paygw_call_once(&ctx->call, &op->key) != NGX_OK) {
        ctx->call.reason = NGX_PAYGW_REASON_INTERNAL;
        ngx_http_paygw_auth_refuse(ctx);
        return;
    }

    op->keep = ctx->call.caller->merchant->nonce_ttl;

    if (ngx_http_paygw_batch_run(&ctx->batch,
                                 ngx_http_paygw_store(ctx->request))
        == NGX_AGAIN)
    {
        ctx->state = NGX_HTTP_PAYGW_AUTH_ASKING;
        return;
    }

    ngx_http_paygw_auth_answered(ctx);
}


/* from the handler of a phase, which is called again */

static ngx_int_t
ngx_http_paygw_auth_wait(ngx_http_request_t *r)
{
    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_DONE;
}


static void
ngx_http_paygw_auth_batch_handler(ngx_http_paygw_batch_t *batch)
{
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_paygw_auth_ctx_t  *ctx;

    ctx = batch->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "http paygw nonce answered: %i", batch->ops[0].rc);

    ngx_http_paygw_auth_answered(ctx);

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_paygw_auth_answered(ngx_http_paygw_auth_ctx_t *ctx)
{
    ngx_str_t  *method;

    switch (ctx->batch.ops[0].rc) {

    case NGX_OK:
        ngx_http_paygw_auth_pass(ctx);
        return;

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

            ngx_http_paygw_auth_pass(ctx);
            return;
        }

        ctx->call.reason = NGX_PAYGW_REASON_STORE;
    }

    ngx_http_paygw_auth_refuse(ctx);
}


static void
ngx_http_paygw_auth_pass(ngx_http_paygw_auth_ctx_t *ctx)
{
    ngx_http_request_t  *r;
    ngx_paygw_caller_t  *caller;

    r = ctx->request;
    caller = ctx->call.caller;

    ctx->state = NGX_HTTP_PAYGW_AUTH_PASSED;

    if (ctx->lcf->auth.sign && r->headers_in.upgrade) {

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
        return;
    }

failed:

    ctx->call.reason = NGX_PAYGW_REASON_INTERNAL;
    ngx_http_paygw_auth_refuse(ctx);
}


static ngx_int_t
ngx_http_paygw_auth_verdict(ngx_http_paygw_auth_ctx_t *ctx,
    ngx_http_paygw_loc_conf_t *lcf)
{
    switch (ctx->state) {

    case NGX_HTTP_PAYGW_AUTH_READING:
    case NGX_HTTP_PAYGW_AUTH_ASKING:
        return NGX_DONE;

    case NGX_HTTP_PAYGW_AUTH_PASSED:

        if (ngx_http_paygw_auth_admits(ctx, lcf)) {
            return NGX_OK;
        }

        /* a redirect has led to a location of other merchants */

        ngx_str_set(&ctx->call.hint, "the merchant is not named in the "
                                     "location that the call was led to");

        ctx->call.reason = NGX_PAYGW_REASON_UNKNOWN_KEY;
        ngx_http_paygw_auth_refuse(ctx);

        break;

    default: /* NGX_HTTP_PAYGW_AUTH_REFUSED */
        break;
    }

    ctx->refusing = 1;

    return ctx->status;
}


static ngx_uint_t
ngx_http_paygw_auth_admits(ngx_http_paygw_auth_ctx_t *ctx,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_uint_t  i;

    if (ctx->state != NGX_HTTP_PAYGW_AUTH_PASSED) {
        return 0;
    }

    i = ctx->call.caller->merchant->index;

    return (lcf->auth.allowed[i / 8] & (1 << (i % 8))) != 0;
}
