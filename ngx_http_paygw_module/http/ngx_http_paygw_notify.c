
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_ctx.h"
#include "ngx_http_paygw_events.h"
#include "ngx_http_paygw_notify.h"
#include "ngx_http_paygw_message.h"
#include "ngx_http_paygw_binding.h"
#include "ngx_http_paygw_body.h"
#include "ngx_http_paygw_claim.h"
#include "ngx_http_paygw_deliver.h"
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_refusal.h"
#include "ngx_http_paygw_reply.h"
#include "ngx_http_paygw_wait.h"


/* The conductor of a callback: body, verification, claim, hand-over. */


static void ngx_http_paygw_notify_go_on(ngx_http_request_t *r);
static ngx_int_t ngx_http_paygw_notify_again(ngx_http_paygw_ctx_t *ctx);
static void ngx_http_paygw_notify_body_handler(ngx_http_request_t *r);
static void ngx_http_paygw_notify_decide(ngx_http_paygw_ctx_t *ctx);
static void ngx_http_paygw_notify_judge(ngx_http_paygw_ctx_t *ctx,
    ngx_int_t rc);
static void ngx_http_paygw_notify_waited(ngx_http_paygw_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_notify_verify(ngx_http_paygw_ctx_t *ctx);
static void ngx_http_paygw_notify_claim(ngx_http_paygw_ctx_t *ctx);
static void ngx_http_paygw_notify_claim_handler(ngx_paygw_store_op_t *op);
static void ngx_http_paygw_notify_claimed(ngx_http_paygw_ctx_t *ctx,
    ngx_int_t rc);
static void ngx_http_paygw_notify_deliver(ngx_http_paygw_ctx_t *ctx);
static void ngx_http_paygw_notify_timeout(ngx_event_t *ev);
static void ngx_http_paygw_notify_refused(ngx_http_paygw_ctx_t *ctx);
static void ngx_http_paygw_notify_answer(ngx_http_paygw_ctx_t *ctx,
    ngx_http_paygw_result_e result, ngx_paygw_reason_e reason,
    ngx_uint_t status);


ngx_int_t
ngx_http_paygw_notify_enter(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_int_t              rc;
    ngx_paygw_reason_e     reason;
    ngx_http_paygw_ctx_t  *ctx;

    ctx = ngx_http_paygw_ctx_get(r);

    if (ctx == NULL) {
        ctx = ngx_http_paygw_ctx_create(r, lcf);
    }

    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->entered) {
        return ngx_http_paygw_notify_again(ctx);
    }

    ngx_http_paygw_ctx_bind(ctx, lcf);

    ctx->entered = 1;

    reason = ngx_http_paygw_message_preflight(ctx);

    if (reason != NGX_PAYGW_REASON_NONE) {
        ctx->notify.reason = reason;
        ngx_http_paygw_notify_refused(ctx);

        if (ctx->state == NGX_HTTP_PAYGW_ANSWER) {
            rc = ngx_http_discard_request_body(r);
            if (rc != NGX_OK) {
                return rc;
            }
        }

        return ngx_http_paygw_notify_again(ctx);
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r,
                                           ngx_http_paygw_notify_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    /* the body handler, now or later, has the phases go on */

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_paygw_notify_again(ngx_http_paygw_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    switch (ctx->state) {

    case NGX_HTTP_PAYGW_READING:
    case NGX_HTTP_PAYGW_WAITING:
    case NGX_HTTP_PAYGW_CLAIMING:
        return NGX_DONE;

    case NGX_HTTP_PAYGW_ANSWER:

        if (ctx->replied) {
            /* an error page or a redirect after the answer */
            return NGX_DECLINED;
        }

        r = ctx->request;

        rc = ngx_http_paygw_reply(ctx, ctx->status);

        ngx_http_finalize_request(r, rc);

        return NGX_DONE;

    default: /* NGX_HTTP_PAYGW_DELIVERING, NGX_HTTP_PAYGW_OBSERVING */
        return NGX_DECLINED;
    }
}


static void
ngx_http_paygw_notify_body_handler(ngx_http_request_t *r)
{
    ngx_http_paygw_ctx_t  *ctx;

    ctx = ngx_http_paygw_ctx_get(r);

    r->preserve_body = 1;

    ngx_http_paygw_notify_decide(ctx);

    if (ctx->state == NGX_HTTP_PAYGW_CLAIMING
        || ctx->state == NGX_HTTP_PAYGW_WAITING)
    {
        r->read_event_handler = ngx_http_test_reading;
        r->write_event_handler = ngx_http_request_empty_handler;
        return;
    }

    ngx_http_paygw_notify_go_on(r);
}


/* on to the content handler; the request may come to its end meanwhile */

static void
ngx_http_paygw_notify_go_on(ngx_http_request_t *r)
{
    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


static void
ngx_http_paygw_notify_decide(ngx_http_paygw_ctx_t *ctx)
{
    ngx_int_t             rc;
    ngx_paygw_notify_t   *n;
    ngx_http_request_t   *r;

    r = ctx->request;
    n = &ctx->notify;

    rc = ngx_http_paygw_body_get(r, ctx->lcf->body_max, &n->msg.body);

    switch (rc) {

    case NGX_OK:
        rc = ngx_http_paygw_notify_verify(ctx);
        break;

    case NGX_DECLINED:
        n->reason = NGX_PAYGW_REASON_TOO_LARGE;
        break;

    default:
        n->reason = NGX_PAYGW_REASON_INTERNAL;
    }

    ngx_http_paygw_notify_judge(ctx, rc);
}


/* after the verification, which may have waited for a key */

static void
ngx_http_paygw_notify_judge(ngx_http_paygw_ctx_t *ctx, ngx_int_t rc)
{
    if (rc == NGX_DECLINED && ctx->notify.wanted.len
        && !ngx_http_paygw_observing(ctx->lcf))
    {
        switch (ngx_http_paygw_wait(ctx, ngx_http_paygw_notify_waited)) {

        case NGX_AGAIN:
            ctx->state = NGX_HTTP_PAYGW_WAITING;
            return;

        case NGX_BUSY:
            ctx->notify.reason = NGX_PAYGW_REASON_KEYRING;
            ngx_http_paygw_refusal_log(ctx);

            ngx_http_paygw_notify_answer(ctx, NGX_HTTP_PAYGW_UNAVAILABLE,
                                         NGX_PAYGW_REASON_KEYRING,
                                         NGX_HTTP_SERVICE_UNAVAILABLE);
            return;

        default: /* NGX_DECLINED */
            break;
        }
    }

    if (rc == NGX_DONE && !ngx_http_paygw_observing(ctx->lcf)) {
        ngx_http_paygw_notify_answer(ctx, NGX_HTTP_PAYGW_IGNORED,
                                     NGX_PAYGW_REASON_NONE, NGX_HTTP_OK);
        return;
    }

    if (rc != NGX_OK && rc != NGX_DONE) {
        ngx_http_paygw_notify_refused(ctx);
        return;
    }

    if (ngx_http_paygw_observing(ctx->lcf)) {
        ctx->result = (rc == NGX_OK) ? NGX_HTTP_PAYGW_VERIFIED
                                     : NGX_HTTP_PAYGW_IGNORED;
        ctx->state = NGX_HTTP_PAYGW_OBSERVING;

        if (ngx_http_paygw_deliver_observed(ctx) != NGX_OK) {
            ngx_http_paygw_notify_answer(ctx, NGX_HTTP_PAYGW_UNAVAILABLE,
                                         NGX_PAYGW_REASON_INTERNAL,
                                         NGX_HTTP_INTERNAL_SERVER_ERROR);
        }

        return;
    }

    ngx_http_paygw_notify_claim(ctx);
}


static ngx_int_t
ngx_http_paygw_notify_verify(ngx_http_paygw_ctx_t *ctx)
{
    ngx_paygw_notify_t  *n;

    n = &ctx->notify;

    n->log->action = "verifying payment callback";

    /* one that has waited for a key begins anew */

    n->reason = NGX_PAYGW_REASON_NONE;
    n->signed_len = 0;
    n->genuine = 0;

    ngx_str_null(&n->hint);
    ngx_str_null(&n->wanted);

    ngx_http_paygw_keyring_refresh(
        ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module),
        n->log);

    ngx_http_paygw_message_fill(ctx);

    return ngx_http_paygw_message_verify(n, &ctx->event_id);
}


/* there may be a new key now */

static void
ngx_http_paygw_notify_waited(ngx_http_paygw_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_paygw_notify_judge(ctx, ngx_http_paygw_notify_verify(ctx));

    if (ctx->state == NGX_HTTP_PAYGW_WAITING
        || ctx->state == NGX_HTTP_PAYGW_CLAIMING)
    {
        return;
    }

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_paygw_notify_go_on(r);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_paygw_notify_claim(ngx_http_paygw_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_paygw_claim(ctx, ngx_http_paygw_notify_claim_handler);

    if (rc == NGX_AGAIN) {
        ctx->state = NGX_HTTP_PAYGW_CLAIMING;
        return;
    }

    ngx_http_paygw_notify_claimed(ctx, rc);
}


static void
ngx_http_paygw_notify_claim_handler(ngx_paygw_store_op_t *op)
{
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_http_paygw_ctx_t  *ctx;

    ctx = op->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "http paygw claim answered: %i", op->rc);

    ngx_http_paygw_notify_claimed(ctx, op->rc);

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_paygw_notify_go_on(r);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_paygw_notify_claimed(ngx_http_paygw_ctx_t *ctx, ngx_int_t rc)
{
    switch (rc) {

    case NGX_OK:

        ngx_http_paygw_events_nudge(ngx_http_paygw_store(ctx->request),
                                    &ctx->op.order);

        if (ctx->lcf->queue) {
            ngx_http_paygw_notify_answer(ctx, NGX_HTTP_PAYGW_TAKEN,
                                         NGX_PAYGW_REASON_NONE, NGX_HTTP_OK);
            return;
        }

        ctx->claimed = 1;
        ngx_http_paygw_notify_deliver(ctx);
        return;

    case NGX_DECLINED:
        ngx_http_paygw_notify_answer(ctx, NGX_HTTP_PAYGW_DUPLICATE,
                                     NGX_PAYGW_REASON_DUPLICATE, NGX_HTTP_OK);
        return;

    case NGX_DONE:

        if (ctx->op.book && ctx->book.against != NGX_PAYGW_BOOK_LATE) {
            ngx_http_paygw_binding_against(ctx);
            ngx_http_paygw_notify_refused(ctx);
            return;
        }

        ngx_http_paygw_notify_answer(ctx, NGX_HTTP_PAYGW_LATE,
                                     NGX_PAYGW_REASON_LATE, NGX_HTTP_OK);
        return;

    case NGX_BUSY:
        ngx_http_paygw_notify_answer(ctx, NGX_HTTP_PAYGW_BUSY,
                                     NGX_PAYGW_REASON_IN_FLIGHT,
                                     NGX_HTTP_SERVICE_UNAVAILABLE);
        return;

    case NGX_ABORT:
        ngx_http_paygw_notify_answer(ctx, NGX_HTTP_PAYGW_UNAVAILABLE,
                                     NGX_PAYGW_REASON_REPLICAS,
                                     NGX_HTTP_SERVICE_UNAVAILABLE);
        return;

    default: /* NGX_ERROR: never a guess */
        ngx_http_paygw_notify_answer(ctx, NGX_HTTP_PAYGW_UNAVAILABLE,
                                     NGX_PAYGW_REASON_STORE,
                                     NGX_HTTP_SERVICE_UNAVAILABLE);
        return;
    }
}


static void
ngx_http_paygw_notify_deliver(ngx_http_paygw_ctx_t *ctx)
{
    ngx_msec_t    left;
    ngx_event_t  *ev;

    left = ngx_http_paygw_claim_left(ctx);

    if (left <= ctx->lcf->deliver_timeout) {
        ngx_log_error(NGX_LOG_ERR, ctx->notify.log, 0,
                      "store has claimed payment event \"%V\" too late, "
                      "%Mms of its lease are left", &ctx->event_id, left);

        ngx_http_paygw_settle(ctx, 0);
        ngx_http_paygw_notify_answer(ctx, NGX_HTTP_PAYGW_UNAVAILABLE,
                                     NGX_PAYGW_REASON_STORE,
                                     NGX_HTTP_SERVICE_UNAVAILABLE);
        return;
    }

    if (ngx_http_paygw_deliver(ctx) != NGX_OK) {
        ngx_http_paygw_settle(ctx, 0);
        ngx_http_paygw_notify_answer(ctx, NGX_HTTP_PAYGW_UNAVAILABLE,
                                     NGX_PAYGW_REASON_INTERNAL,
                                     NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ctx->state = NGX_HTTP_PAYGW_DELIVERING;
    ctx->result = NGX_HTTP_PAYGW_VERIFIED;
    ctx->handed = ngx_current_msec;
    ctx->clcf = ngx_http_get_module_loc_conf(ctx->request,
                                             ngx_http_core_module);

    ctx->fake.fd = (ngx_socket_t) -1;
    ctx->fake.data = ctx;

    ev = &ctx->timer;
    ev->data = &ctx->fake;
    ev->handler = ngx_http_paygw_notify_timeout;
    ev->log = ctx->notify.log;

    ngx_add_timer(ev, ctx->lcf->deliver_timeout);

    ctx->notify.log->action = "handing payment event over";
}


/*
 * The shop is too slow for the provider, who hears a failure now and comes
 * again.  The shop may still act on what it has: its late answer decides
 * whether the event is committed or released, and while it is out the claim
 * stands, so that the provider's next try is not a second delivery.
 *
 * Just before the lease ends the shop's request is given up, since from then
 * on another delivery may begin.
 */

static void
ngx_http_paygw_notify_timeout(ngx_event_t *ev)
{
    ngx_msec_t             left, margin;
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_http_paygw_ctx_t  *ctx;

    ctx = ((ngx_connection_t *) ev->data)->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (ctx->timed_out) {
        ngx_log_error(NGX_LOG_ERR, c->log, NGX_ETIMEDOUT,
                      "payment event \"%V\" was not taken within its lease, "
                      "the request to the shop is given up", &ctx->event_id);

        /*
         * The upstream's cleanup ends the request as if nobody else did, so it
         * takes a reference of its own with it.
         */

        r->count++;

        /* the lease is as good as over: the next try is welcome at once */

        ngx_http_paygw_settle(ctx, 0);

        ngx_http_finalize_request(r, NGX_ERROR);
        ngx_http_run_posted_requests(c);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, c->log, NGX_ETIMEDOUT,
                  "payment event \"%V\" was not taken in time",
                  &ctx->event_id);

    ctx->timed_out = 1;
    ctx->notify.reason = NGX_PAYGW_REASON_SHOP;

    left = ngx_http_paygw_claim_left(ctx);
    margin = ngx_max(left / 8, 500);

    ngx_add_timer(ev, left - ngx_min(margin, left / 2));

    (void) ngx_http_paygw_reply(ctx, NGX_HTTP_GATEWAY_TIME_OUT);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_paygw_notify_refused(ngx_http_paygw_ctx_t *ctx)
{
    ngx_uint_t               status;
    ngx_http_paygw_result_e  result;

    status = ngx_http_paygw_refusal_status(ctx);

    result = (status == NGX_HTTP_INTERNAL_SERVER_ERROR)
             ? NGX_HTTP_PAYGW_UNAVAILABLE : NGX_HTTP_PAYGW_REFUSED;

    ngx_http_paygw_refusal_log(ctx);

    if (ngx_http_paygw_observing(ctx->lcf)) {
        ctx->result = result;
        ctx->state = NGX_HTTP_PAYGW_OBSERVING;

        if (ngx_http_paygw_deliver_observed(ctx) == NGX_OK) {
            return;
        }

        status = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_paygw_notify_answer(ctx, result, ctx->notify.reason, status);
}


static void
ngx_http_paygw_notify_answer(ngx_http_paygw_ctx_t *ctx,
    ngx_http_paygw_result_e result, ngx_paygw_reason_e reason,
    ngx_uint_t status)
{
    ctx->state = NGX_HTTP_PAYGW_ANSWER;
    ctx->result = result;
    ctx->notify.reason = reason;
    ctx->status = status;

    if (result == NGX_HTTP_PAYGW_BUSY) {
        ngx_log_error(NGX_LOG_INFO, ctx->notify.log, 0,
                      "payment event \"%V\" is being delivered by another "
                      "request", &ctx->event_id);

    } else if (result == NGX_HTTP_PAYGW_LATE) {
        ngx_log_error(NGX_LOG_NOTICE, ctx->notify.log, 0,
                      "payment event \"%V\" is late, order \"%V\" of channel "
                      "\"%V\" is known to be paid", &ctx->event_id,
                      &ctx->notify.event.order_id,
                      &ctx->notify.channel->name);
    }
}
