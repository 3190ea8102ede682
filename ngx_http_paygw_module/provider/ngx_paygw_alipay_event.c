
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_text.h"


static ngx_int_t ngx_paygw_alipay_id(ngx_paygw_notify_t *n,
    ngx_paygw_alipay_ctx_t *ctx);
static void ngx_paygw_alipay_kind(ngx_paygw_event_t *ev,
    ngx_paygw_alipay_ctx_t *ctx);
static ngx_int_t ngx_paygw_alipay_trade(ngx_paygw_notify_t *n,
    ngx_paygw_alipay_ctx_t *ctx);
static ngx_int_t ngx_paygw_alipay_order(ngx_paygw_notify_t *n,
    ngx_paygw_alipay_ctx_t *ctx);
static ngx_uint_t ngx_paygw_alipay_refunded(ngx_paygw_event_t *ev,
    ngx_paygw_alipay_ctx_t *ctx);
static ngx_int_t ngx_paygw_alipay_minor(ngx_paygw_alipay_ctx_t *ctx,
    const char *name, int64_t *value);
static time_t ngx_paygw_alipay_time(ngx_paygw_alipay_ctx_t *ctx,
    const char *name);
static ngx_int_t ngx_paygw_alipay_data(ngx_paygw_notify_t *n,
    ngx_paygw_alipay_ctx_t *ctx);


#define ngx_paygw_alipay_is(word, literal)                                    \
    ((word)->len == sizeof(literal) - 1                                       \
     && ngx_strncmp((word)->data, literal, sizeof(literal) - 1) == 0)


ngx_int_t
ngx_paygw_alipay_event(ngx_paygw_notify_t *n)
{
    ngx_paygw_alipay_ctx_t  *ctx = n->data;

    ngx_int_t           rc;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    ngx_memzero(ev, sizeof(ngx_paygw_event_t));

    ev->time = ctx->notify_time;
    ev->amount = -1;
    ev->refund_amount = -1;

    /*
     * without a time of its own a message never grows old: its id is kept for
     * as long as a store can be asked to keep it
     */

    n->keep = n->channel->keep;

    if (ctx->notify_time == 0) {
        n->keep = ngx_max(n->keep, NGX_PAYGW_LONG_KEEP);
    }

    /* only now that the bytes have been verified */

    rc = ngx_paygw_fields_utf8(n, &ctx->form,
                               ngx_paygw_alipay_value(ctx, "charset"));

    if (rc == NGX_OK) {
        rc = ngx_paygw_alipay_id(n, ctx);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_paygw_alipay_kind(ev, ctx);

    if (ctx->trade) {
        rc = ngx_paygw_alipay_trade(n, ctx);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_paygw_alipay_data(n, ctx);
}


/*
 * What has no notify_id is no callback: the parameters of a return_url are
 * signed by the same key, and the payer's browser has them.
 */

static ngx_int_t
ngx_paygw_alipay_id(ngx_paygw_notify_t *n, ngx_paygw_alipay_ctx_t *ctx)
{
    if (!ngx_paygw_fields_word(&ctx->form, "notify_id", 128, &n->event.id)) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid notify_id");
    }

    return NGX_OK;
}


static void
ngx_paygw_alipay_kind(ngx_paygw_event_t *ev, ngx_paygw_alipay_ctx_t *ctx)
{
    if (ctx->trade
        && ngx_paygw_fields_word(&ctx->form, "trade_status", 64, &ev->kind))
    {
        return;
    }

    if (ngx_paygw_fields_word(&ctx->form, "notify_type", 64, &ev->kind)
        || ngx_paygw_fields_word(&ctx->form, "method", 64, &ev->kind))
    {
        return;
    }

    ngx_str_set(&ev->kind, "unknown");
}


static ngx_int_t
ngx_paygw_alipay_trade(ngx_paygw_notify_t *n, ngx_paygw_alipay_ctx_t *ctx)
{
    ngx_uint_t          success, closed, finished;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    if (ngx_paygw_alipay_order(n, ctx) != NGX_OK) {
        return NGX_ABORT;
    }

    success = ngx_paygw_alipay_is(&ev->kind, "TRADE_SUCCESS");
    closed = ngx_paygw_alipay_is(&ev->kind, "TRADE_CLOSED");
    finished = ngx_paygw_alipay_is(&ev->kind, "TRADE_FINISHED");

    if ((success || closed) && ngx_paygw_alipay_refunded(ev, ctx)) {

        /* never a second payment, never a payment that failed */

        ev->type = NGX_PAYGW_EVENT_REFUND;
        ev->outcome = NGX_PAYGW_OUTCOME_SUCCESS;
        ev->time = ngx_paygw_alipay_time(ctx, "gmt_refund");
        ev->refund_sum = 1;

        (void) ngx_paygw_fields_word(&ctx->form, "out_biz_no", 64,
                                     &ev->refund_id);

    } else if (success || finished) {
        ev->type = NGX_PAYGW_EVENT_PAYMENT;
        ev->outcome = NGX_PAYGW_OUTCOME_SUCCESS;
        ev->time = ngx_paygw_alipay_time(ctx, "gmt_payment");

    } else if (closed) {
        ev->type = NGX_PAYGW_EVENT_CLOSE;
        ev->outcome = NGX_PAYGW_OUTCOME_FAILED;
        ev->time = ngx_paygw_alipay_time(ctx, "gmt_close");

    } else if (ngx_paygw_alipay_is(&ev->kind, "WAIT_BUYER_PAY")) {
        ev->type = NGX_PAYGW_EVENT_PAYMENT;
        ev->outcome = NGX_PAYGW_OUTCOME_PENDING;
    }

    if (ev->type != NGX_PAYGW_EVENT_REFUND) {
        ev->refund_amount = -1;
    }

    if (ev->outcome == NGX_PAYGW_OUTCOME_SUCCESS && ev->amount == -1) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "no total_amount");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_order(ngx_paygw_notify_t *n, ngx_paygw_alipay_ctx_t *ctx)
{
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    if (!ngx_paygw_fields_word(&ctx->form, "out_trade_no", 64, &ev->order_id)) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid out_trade_no");
    }

    if (!ngx_paygw_fields_word(&ctx->form, "trade_no", 64, &ev->trade_no)) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid trade_no");
    }

    if (ngx_paygw_alipay_minor(ctx, "total_amount", &ev->amount) != NGX_OK) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid total_amount");
    }

    if (ngx_paygw_alipay_minor(ctx, "refund_fee", &ev->refund_amount)
        != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid refund_fee");
    }

    ngx_str_set(&ev->currency, "CNY");

    (void) ngx_paygw_fields_word(&ctx->form, "seller_id", 64, &ev->account);

    /* for information only: what cannot stand in a header is left to data */

    if (!ngx_paygw_fields_word(&ctx->form, "buyer_id", 128, &ev->payer)) {
        (void) ngx_paygw_fields_word(&ctx->form, "buyer_open_id", 128,
                                     &ev->payer);
    }

    return NGX_OK;
}


/* a payment may carry refund_fee=0.00 */

static ngx_uint_t
ngx_paygw_alipay_refunded(ngx_paygw_event_t *ev, ngx_paygw_alipay_ctx_t *ctx)
{
    return ev->refund_amount > 0 || ngx_paygw_alipay_value(ctx, "gmt_refund");
}


/* an amount in minor units, -1 if it is absent */

static ngx_int_t
ngx_paygw_alipay_minor(ngx_paygw_alipay_ctx_t *ctx, const char *name,
    int64_t *value)
{
    ngx_str_t  *s;

    *value = -1;

    s = ngx_paygw_alipay_value(ctx, name);

    return s ? ngx_paygw_amount_parse(s, value) : NGX_OK;
}


static time_t
ngx_paygw_alipay_time(ngx_paygw_alipay_ctx_t *ctx, const char *name)
{
    time_t      t;
    ngx_str_t  *s;

    s = ngx_paygw_alipay_value(ctx, name);

    if (s
        && ngx_paygw_datetime_parse(s, NGX_PAYGW_ALIPAY_ZONE, &t) == NGX_OK)
    {
        return t;
    }

    return ctx->notify_time;
}


static ngx_int_t
ngx_paygw_alipay_data(ngx_paygw_notify_t *n, ngx_paygw_alipay_ctx_t *ctx)
{
    static const char  *skip[] = { "sign", "sign_type", NULL };

    /* what Alipay said: no signature, and no empty field that anyone may add */

    return ngx_paygw_event_fields(n, &ctx->form, skip,
                                  ctx->drop_empty ? NGX_PAYGW_CANON_DROP_EMPTY
                                                  : 0);
}


/* the body is all that counts: "success" in these seven bytes */

void
ngx_paygw_alipay_ack(const ngx_paygw_notify_t *n, ngx_uint_t status,
    ngx_paygw_ack_t *ack)
{
    ngx_str_set(&ack->type, "text/plain");

    if (status >= 200 && status < 300) {
        ack->status = 200;
        ngx_str_set(&ack->body, "success");
        return;
    }

    ack->status = (status >= 400 && status < 600) ? status : 500;
    ngx_str_set(&ack->body, "fail");
}
