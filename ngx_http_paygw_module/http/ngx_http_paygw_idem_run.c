
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_hold.h"
#include "ngx_http_paygw_idem.h"
#include "ngx_http_paygw_reply.h"


/* Calls that are to be run once: while they run, and what ends them. */


static void ngx_http_paygw_idem_renew(ngx_event_t *ev);
static void ngx_http_paygw_idem_finish(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_str_t *text);
static void ngx_http_paygw_idem_finish_handler(ngx_paygw_store_op_t *op);
static void ngx_http_paygw_idem_finished(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_int_t rc);
static void ngx_http_paygw_idem_still(ngx_http_paygw_idem_t *idem);


void
ngx_http_paygw_idem_run(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_event_t            *ev;
    ngx_http_paygw_idem_t  *idem;

    idem = ctx->idem;

    idem->op = *idem->begin;
    idem->op.handler = ngx_http_paygw_idem_finish_handler;
    idem->op.data = ctx;

    idem->state = NGX_HTTP_PAYGW_IDEM_RUNNING;

    idem->fake.fd = (ngx_socket_t) -1;
    idem->fake.data = ctx;

    ev = &idem->timer;
    ev->data = &idem->fake;
    ev->handler = ngx_http_paygw_idem_renew;
    ev->log = ctx->call.log;

    ngx_add_timer(ev, idem->conf->lock / 3);
}


/* D14: no deadline behind us is longer than a lease that does not end */

static void
ngx_http_paygw_idem_renew(ngx_event_t *ev)
{
    ngx_http_paygw_idem_t      *idem;
    ngx_http_paygw_gate_ctx_t  *ctx;

    ctx = ((ngx_connection_t *) ev->data)->data;
    idem = ctx->idem;

    ngx_http_set_log_request(ctx->request->connection->log, ctx->request);

    ngx_paygw_store_renew(ngx_http_paygw_store(ctx->request), &idem->op);

    ngx_add_timer(ev, idem->conf->lock / 3);
}


ngx_uint_t
ngx_http_paygw_idem_waits(ngx_http_paygw_gate_ctx_t *ctx)
{
    return ctx->idem && (ctx->idem->state == NGX_HTTP_PAYGW_IDEM_RUNNING
                         || ctx->idem->state == NGX_HTTP_PAYGW_IDEM_FINISHING);
}


void
ngx_http_paygw_idem_header(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    if (ctx->idem == NULL
        || ctx->idem->state != NGX_HTTP_PAYGW_IDEM_RUNNING)
    {
        return;
    }

    r = ctx->request;

    if (!ngx_http_paygw_idem_final(r)) {
        ngx_http_paygw_idem_abandon(ctx);
        return;
    }

    if (r->headers_out.content_length_n > 0) {
        ngx_http_paygw_idem_body(ctx, r->headers_out.content_length_n);
    }
}


void
ngx_http_paygw_idem_body(ngx_http_paygw_gate_ctx_t *ctx, size_t size)
{
    ngx_http_paygw_idem_t  *idem;

    idem = ctx->idem;

    if (idem == NULL || idem->state != NGX_HTTP_PAYGW_IDEM_RUNNING
        || size <= idem->conf->max)
    {
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, ctx->call.log, 0,
                  "answer to a merchant call is larger than %uz bytes and is "
                  "not kept", idem->conf->max);

    idem->exceeded = 1;

    ngx_http_paygw_idem_finish(ctx, NULL);
}


void
ngx_http_paygw_idem_end(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_str_t  text;

    if (ctx->idem == NULL
        || ctx->idem->state != NGX_HTTP_PAYGW_IDEM_RUNNING)
    {
        return;
    }

    /* gRPC tells a failure at the end */

    if (ngx_http_paygw_grpc_failed(&ctx->request->headers_out.trailers)) {
        ngx_http_paygw_idem_abandon(ctx);
        return;
    }

    if (ngx_http_paygw_idem_pack(ctx, &text) != NGX_OK) {
        ngx_str_null(&text);
    }

    if (text.len == 0) {
        ngx_log_error(NGX_LOG_ERR, ctx->call.log, 0,
                      "answer to a merchant call cannot be kept");
    }

    ngx_http_paygw_idem_finish(ctx, text.len ? &text : NULL);
}


void
ngx_http_paygw_idem_give_up(ngx_http_paygw_gate_ctx_t *ctx, ngx_uint_t done)
{
    ngx_http_paygw_idem_t  *idem;

    idem = ctx->idem;

    if (idem == NULL) {
        return;
    }

    if (idem->state == NGX_HTTP_PAYGW_IDEM_RUNNING) {

        if (!done) {
            ngx_http_paygw_idem_abandon(ctx);
            return;
        }

        ngx_http_paygw_idem_finish(ctx, NULL);
    }

    if (idem->state == NGX_HTTP_PAYGW_IDEM_FINISHING) {

        /* that is done all the same, what is answered now does not wait */

        ngx_paygw_store_cancel(&idem->op);
        idem->state = NGX_HTTP_PAYGW_IDEM_ENDED;
    }
}


static void
ngx_http_paygw_idem_finish(ngx_http_paygw_gate_ctx_t *ctx, ngx_str_t *text)
{
    ngx_int_t               rc;
    ngx_http_paygw_idem_t  *idem;

    idem = ctx->idem;

    ngx_http_paygw_idem_still(idem);

    idem->state = NGX_HTTP_PAYGW_IDEM_FINISHING;

    if (text) {
        idem->run.answer = *text;

    } else {
        ngx_str_null(&idem->run.answer);
    }

    rc = ngx_paygw_store_finish(ngx_http_paygw_store(ctx->request),
                                &idem->op);

    if (rc != NGX_AGAIN) {
        ngx_http_paygw_idem_finished(ctx, rc);
    }
}


static void
ngx_http_paygw_idem_finish_handler(ngx_paygw_store_op_t *op)
{
    ngx_http_request_t         *r;
    ngx_http_paygw_gate_ctx_t  *ctx;

    ctx = op->data;
    r = ctx->request;

    ngx_http_set_log_request(r->connection->log, r);

    ngx_http_paygw_idem_finished(ctx, op->rc);
    ngx_http_paygw_hold_resume(ctx);
}


static void
ngx_http_paygw_idem_finished(ngx_http_paygw_gate_ctx_t *ctx, ngx_int_t rc)
{
    ngx_http_paygw_idem_t  *idem;

    idem = ctx->idem;

    idem->state = NGX_HTTP_PAYGW_IDEM_ENDED;

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, ctx->call.log, 0,
                      "call \"%V\" was taken over before its answer",
                      &idem->op.key);

    } else if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, ctx->call.log, 0,
                      "store has not kept the answer of call \"%V\", "
                      "repeated after its lease it will be run again",
                      &idem->op.key);
    }
}


void
ngx_http_paygw_idem_abandon(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_http_paygw_idem_t  *idem;

    idem = ctx->idem;

    ngx_http_paygw_idem_still(idem);

    idem->state = NGX_HTTP_PAYGW_IDEM_ENDED;

    ngx_paygw_store_abandon(ngx_http_paygw_store(ctx->request), &idem->op);
}


static void
ngx_http_paygw_idem_still(ngx_http_paygw_idem_t *idem)
{
    if (idem->timer.timer_set) {
        ngx_del_timer(&idem->timer);
    }
}
