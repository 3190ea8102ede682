
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_idem.h"
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_headers.h"
#include "ngx_http_paygw_hold.h"
#include "ngx_http_paygw_idem.h"


/* Calls that are to be run once: the key, what the store says, the replay. */


static ngx_int_t ngx_http_paygw_idem_ask(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_idem_create(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_str_t *key);
static ngx_int_t ngx_http_paygw_idem_refuse(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_paygw_reason_e reason);
static ngx_int_t ngx_http_paygw_idem_decide(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_idem_kept(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_idem_begin(ngx_http_paygw_gate_ctx_t *ctx);
static void ngx_http_paygw_idem_undo(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_idem_content_handler(ngx_http_request_t *r);


static const ngx_str_t  ngx_http_paygw_idem_field[] = {
    ngx_string("idempotency-key"),
    ngx_null_string
};


static const ngx_str_t  ngx_http_paygw_idem_attempt =
    ngx_string("X-Paygw-Attempt");


const ngx_http_paygw_gate_part_t  ngx_http_paygw_idem_part = {
    NGX_HTTP_PAYGW_GATE_IDEM,
    0,                                     /* body: the signature has it */
    NULL,                                  /* start */
    ngx_http_paygw_idem_ask,
    ngx_http_paygw_idem_decide,
    ngx_http_paygw_idem_undo
};


/* after the signature, so that nobody else learns what a location requires */

static ngx_int_t
ngx_http_paygw_idem_ask(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_str_t   field, key;
    ngx_uint_t  repeated;

    if (!ctx->genuine || ngx_paygw_idem_safe(&ctx->call.method)) {
        return NGX_OK;
    }

    ngx_str_null(&field);
    repeated = 0;

    ngx_http_paygw_headers_collect(ctx->request, ngx_http_paygw_idem_field,
                                   &field, &repeated);

    if (field.data == NULL) {
        return ctx->at->idem->required
               ? ngx_http_paygw_idem_refuse(ctx,
                                            NGX_PAYGW_REASON_IDEM_REQUIRED)
               : NGX_OK;
    }

    rc = repeated ? NGX_ABORT
                  : ngx_paygw_idem_key(ctx->request->pool, &field, &key);

    if (rc == NGX_OK) {
        rc = ngx_http_paygw_idem_create(ctx, &key);
    }

    if (rc != NGX_OK) {
        return ngx_http_paygw_idem_refuse(ctx, (rc == NGX_ABORT)
                                               ? NGX_PAYGW_REASON_IDEM_KEY
                                               : NGX_PAYGW_REASON_INTERNAL);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_idem_create(ngx_http_paygw_gate_ctx_t *ctx, ngx_str_t *key)
{
    ngx_paygw_store_op_t   *op;
    ngx_http_paygw_idem_t  *idem;

    idem = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_paygw_idem_t));
    if (idem == NULL) {
        return NGX_ERROR;
    }

    op = ngx_http_paygw_batch_add(&ctx->batch, ngx_paygw_store_begin,
                                  ctx->call.log);

    if (op == NULL
        || ngx_paygw_idem_id(&ctx->call, key, &op->key, idem->run.fingerprint)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    idem->conf = ctx->at->idem;
    idem->run.pool = ctx->request->pool;

    op->run = &idem->run;
    op->lease = idem->conf->lock;
    op->keep = idem->conf->ttl;

    idem->begin = op;
    ctx->idem = idem;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_idem_refuse(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_paygw_reason_e reason)
{
    if (ctx->idem) {
        ctx->idem->state = NGX_HTTP_PAYGW_IDEM_REFUSED;
    }

    ctx->call.reason = reason;

    return ngx_http_paygw_auth_refuse(ctx);
}


static ngx_int_t
ngx_http_paygw_idem_decide(ngx_http_paygw_gate_ctx_t *ctx)
{
    if (ctx->idem == NULL) {
        return NGX_OK;
    }

    switch (ctx->idem->begin->rc) {

    case NGX_OK:
        return ngx_http_paygw_idem_begin(ctx);

    case NGX_DECLINED:
        return ngx_http_paygw_idem_kept(ctx);

    case NGX_ABORT:
        return ngx_http_paygw_idem_refuse(ctx, NGX_PAYGW_REASON_IDEM_MISMATCH);

    case NGX_BUSY:
        return ngx_http_paygw_idem_refuse(ctx, NGX_PAYGW_REASON_IDEM_RUNNING);

    case NGX_DONE:
        return ngx_http_paygw_idem_refuse(ctx, NGX_PAYGW_REASON_IDEM_NOT_KEPT);

    default: /* NGX_ERROR: never a guess */
        return ngx_http_paygw_idem_refuse(ctx, NGX_PAYGW_REASON_STORE);
    }
}


static ngx_int_t
ngx_http_paygw_idem_kept(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_http_paygw_idem_t  *idem;

    idem = ctx->idem;

    if (ngx_paygw_answer_read(ctx->request->pool, &idem->run.answer,
                              &idem->answer)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_ERR, ctx->call.log, 0,
                      "store has an answer of call \"%V\" that cannot be read",
                      &idem->begin->key);

        return ngx_http_paygw_idem_refuse(ctx, NGX_PAYGW_REASON_INTERNAL);
    }

    idem->state = NGX_HTTP_PAYGW_IDEM_KEPT;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_idem_begin(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_str_t               attempt;
    ngx_http_request_t     *r;
    ngx_http_paygw_idem_t  *idem;

    r = ctx->request;
    idem = ctx->idem;

    ngx_http_paygw_idem_run(ctx);

    /* nothing that another request would not be answered with */

    r->disable_not_modified = 1;

#if (NGX_HTTP_GZIP)
    r->gzip_tested = 1;
    r->gzip_ok = 0;
#endif

    attempt.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);

    if (attempt.data) {
        attempt.len = ngx_sprintf(attempt.data, "%ui", idem->op.delivery)
                      - attempt.data;

        if (ngx_http_paygw_headers_add(r, &ngx_http_paygw_idem_attempt,
                                       (u_char *) "x-paygw-attempt", &attempt))
        {
            return NGX_OK;
        }
    }

    ngx_http_paygw_idem_abandon(ctx);

    return ngx_http_paygw_idem_refuse(ctx, NGX_PAYGW_REASON_INTERNAL);
}


/* the nonce is not new, or a limit is over: what was begun was begun in vain */

static void
ngx_http_paygw_idem_undo(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_http_paygw_idem_t  *idem;

    idem = ctx->idem;

    if (idem == NULL) {
        return;
    }

    idem->state = NGX_HTTP_PAYGW_IDEM_REFUSED;

    if (idem->begin->token && idem->begin->rc == NGX_OK) {

        /* nothing was run, and whoever has sent it chose the key freely */

        idem->run.undone = 1;

        ngx_paygw_store_abandon(ngx_http_paygw_store(ctx->request),
                                idem->begin);
    }
}


ngx_int_t
ngx_http_paygw_idem_replay(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_paygw_idem_t      *idem;
    ngx_http_paygw_gate_ctx_t  *ctx;

    ctx = ngx_http_paygw_gate_ctx(r);
    idem = ctx ? ctx->idem : NULL;

    if (idem == NULL || idem->state != NGX_HTTP_PAYGW_IDEM_KEPT) {
        return NGX_DECLINED;
    }

    idem->state = NGX_HTTP_PAYGW_IDEM_REPLAYED;

    if (ngx_http_paygw_idem_unpack(r, &idem->answer) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_paygw_hold_answer(ctx, &idem->answer.body);

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


void
ngx_http_paygw_idem_content(ngx_http_request_t *r)
{
    ngx_http_paygw_gate_ctx_t  *ctx;

    ctx = ngx_http_paygw_gate_ctx(r);

    if (ctx && ctx->idem && ctx->idem->state == NGX_HTTP_PAYGW_IDEM_RUNNING
        && r->content_handler
        && r->content_handler != ngx_http_paygw_idem_content_handler)
    {
        ctx->idem->content = r->content_handler;
        r->content_handler = ngx_http_paygw_idem_content_handler;
    }
}


/*
 * A client that goes away must not leave us without the answer of what it has
 * begun, so once an upstream is at work nobody listens for that any more,
 * whatever "proxy_ignore_client_abort" says.
 */

static ngx_int_t
ngx_http_paygw_idem_content_handler(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_http_paygw_idem_t  *idem;

    /* a redirect wipes r->ctx */

    idem = ngx_http_paygw_gate_ctx(r)->idem;

    rc = idem->content(r);

    if (idem->state == NGX_HTTP_PAYGW_IDEM_RUNNING
        && r->upstream && r->upstream->cleanup)
    {
        r->read_event_handler = ngx_http_block_reading;
        r->write_event_handler = ngx_http_request_empty_handler;
    }

    return rc;
}


void
ngx_http_paygw_idem_close(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_http_paygw_idem_t  *idem;

    idem = ctx->idem;

    if (idem == NULL) {
        return;
    }

    switch (idem->state) {

    case NGX_HTTP_PAYGW_IDEM_ASKED:

        /* one that has no answer yet is abandoned by being cancelled */

        if (idem->begin->pending == NULL) {
            ngx_http_paygw_idem_undo(ctx);
        }

        break;

    case NGX_HTTP_PAYGW_IDEM_RUNNING:
        ngx_http_paygw_idem_abandon(ctx);
        break;

    case NGX_HTTP_PAYGW_IDEM_FINISHING:
        ngx_paygw_store_cancel(&idem->op);
        break;

    default:
        break;
    }
}


void
ngx_http_paygw_idem_value(ngx_http_request_t *r, ngx_str_t *value)
{
    ngx_http_paygw_idem_t      *idem;
    ngx_http_paygw_gate_ctx_t  *ctx;

    ngx_str_null(value);

    ctx = ngx_http_paygw_gate_ctx(r);
    idem = ctx ? ctx->idem : NULL;

    if (idem == NULL) {
        return;
    }

    switch (idem->state) {

    case NGX_HTTP_PAYGW_IDEM_RUNNING:
    case NGX_HTTP_PAYGW_IDEM_FINISHING:
    case NGX_HTTP_PAYGW_IDEM_ENDED:

        if (idem->op.delivery == 1) {
            ngx_str_set(value, "first");

        } else {
            ngx_str_set(value, "again");
        }

        break;

    case NGX_HTTP_PAYGW_IDEM_KEPT:
    case NGX_HTTP_PAYGW_IDEM_REPLAYED:
        ngx_str_set(value, "replayed");
        break;

    default:
        break;
    }
}
