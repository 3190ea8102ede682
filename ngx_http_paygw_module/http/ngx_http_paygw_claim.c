
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_binding.h"
#include "ngx_http_paygw_claim.h"
#include "ngx_http_paygw_queue.h"


static ngx_paygw_store_says_e ngx_http_paygw_claim_says(ngx_paygw_event_t *ev);


ngx_int_t
ngx_http_paygw_claim(ngx_http_paygw_ctx_t *ctx,
    ngx_paygw_store_handler_pt handler)
{
    ngx_paygw_notify_t    *n;
    ngx_paygw_store_op_t  *op;

    n = &ctx->notify;
    op = &ctx->op;

    n->log->action = ctx->lcf->queue ? "queueing payment event"
                                     : "claiming payment event";

    op->key = ctx->event_id;
    op->says = ngx_http_paygw_claim_says(&n->event);
    op->lease = n->channel->lease;
    op->keep = ngx_max(n->keep, n->channel->keep);
    op->log = n->log;
    op->handler = handler;
    op->data = ctx;

    ctx->asked = ngx_current_msec;

    if (ngx_paygw_event_order_id(n, &op->order) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_paygw_binding_claim(ctx) != NGX_OK) {
        return NGX_DONE;
    }

    if (ctx->lcf->queue) {
        return ngx_http_paygw_queue(ctx);
    }

    return ngx_paygw_store_claim(ngx_http_paygw_store(ctx->request), op);
}


ngx_msec_t
ngx_http_paygw_claim_left(ngx_http_paygw_ctx_t *ctx)
{
    ngx_msec_t  passed;

    passed = ngx_current_msec - ctx->asked;

    return (passed < ctx->op.lease) ? ctx->op.lease - passed : 0;
}


/*
 * Only a payment can be late, or the end of an order that was not paid.  A
 * success that the provider has not signed proves nothing: it is not to keep a
 * failure from the shop.
 */

static ngx_paygw_store_says_e
ngx_http_paygw_claim_says(ngx_paygw_event_t *ev)
{
    switch (ev->type) {

    case NGX_PAYGW_EVENT_PAYMENT:

        if (ev->outcome == NGX_PAYGW_OUTCOME_FAILED) {

            /* that may be about a try of the payer's, who has another one */

            return ev->unconfirmed ? NGX_PAYGW_STORE_UNPAID
                                   : NGX_PAYGW_STORE_FAILED;
        }

        if (ev->outcome != NGX_PAYGW_OUTCOME_SUCCESS) {
            return NGX_PAYGW_STORE_UNPAID;
        }

        return ev->unconfirmed ? NGX_PAYGW_STORE_NOTHING
                               : NGX_PAYGW_STORE_PAID;

    case NGX_PAYGW_EVENT_CLOSE:
        return NGX_PAYGW_STORE_CLOSED;

    default: /* NGX_PAYGW_EVENT_REFUND, NGX_PAYGW_EVENT_UNKNOWN */
        return NGX_PAYGW_STORE_NOTHING;
    }
}
