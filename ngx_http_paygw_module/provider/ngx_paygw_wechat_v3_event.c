
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v3.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_text.h"


typedef struct {
    ngx_uint_t               status;
    ngx_str_t                body;
} ngx_paygw_wechat_v3_fail_t;


static ngx_int_t ngx_paygw_wechat_v3_payment(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *res);
static ngx_int_t ngx_paygw_wechat_v3_refund(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *res);
static ngx_int_t ngx_paygw_wechat_v3_order(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *res);
static ngx_int_t ngx_paygw_wechat_v3_payee(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *res);
static void ngx_paygw_wechat_v3_payer(ngx_paygw_event_t *ev,
    ngx_paygw_json_t *res);
static time_t ngx_paygw_wechat_v3_time(ngx_paygw_wechat_v3_ctx_t *ctx);


static const ngx_paygw_wechat_state_t  ngx_paygw_wechat_v3_refunds[] = {
    { ngx_string("SUCCESS"), NGX_PAYGW_EVENT_REFUND,
      NGX_PAYGW_OUTCOME_SUCCESS },
    { ngx_string("PROCESSING"), NGX_PAYGW_EVENT_REFUND,
      NGX_PAYGW_OUTCOME_PENDING },
    { ngx_string("CLOSED"), NGX_PAYGW_EVENT_REFUND,
      NGX_PAYGW_OUTCOME_FAILED },
    { ngx_string("ABNORMAL"), NGX_PAYGW_EVENT_REFUND,
      NGX_PAYGW_OUTCOME_FAILED },
    { ngx_null_string, NGX_PAYGW_EVENT_REFUND,
      NGX_PAYGW_OUTCOME_PENDING }
};


#define ngx_paygw_wechat_v3_fail(status, message)                             \
    { status, ngx_string("{\"code\":\"FAIL\",\"message\":\"" message "\"}") }

static const ngx_paygw_wechat_v3_fail_t  ngx_paygw_wechat_v3_fails[] = {
    ngx_paygw_wechat_v3_fail(400, "bad request"),
    ngx_paygw_wechat_v3_fail(401, "verification failed"),
    ngx_paygw_wechat_v3_fail(403, "forbidden"),
    ngx_paygw_wechat_v3_fail(404, "not found"),
    ngx_paygw_wechat_v3_fail(405, "method not allowed"),
    ngx_paygw_wechat_v3_fail(408, "request timed out"),
    ngx_paygw_wechat_v3_fail(409, "in progress, try again"),
    ngx_paygw_wechat_v3_fail(413, "request is too large"),
    ngx_paygw_wechat_v3_fail(415, "unsupported media type"),
    ngx_paygw_wechat_v3_fail(429, "too many requests"),
    ngx_paygw_wechat_v3_fail(500, "internal error"),
    ngx_paygw_wechat_v3_fail(502, "not processed, try again"),
    ngx_paygw_wechat_v3_fail(503, "unavailable, try again"),
    ngx_paygw_wechat_v3_fail(504, "timed out, try again"),
    { 0, ngx_null_string }
};


static const ngx_str_t  ngx_paygw_wechat_v3_error =
                ngx_string("{\"code\":\"FAIL\",\"message\":\"not processed\"}");


ngx_int_t
ngx_paygw_wechat_v3_event(ngx_paygw_notify_t *n)
{
    ngx_paygw_wechat_v3_ctx_t  *ctx = n->data;

    ngx_paygw_event_t  *ev;

    ev = &n->event;

    ngx_memzero(ev, sizeof(ngx_paygw_event_t));

    ev->id = ctx->id;
    ev->kind = ctx->event_type;
    ev->time = ngx_paygw_wechat_v3_time(ctx);
    ev->amount = -1;
    ev->refund_amount = -1;
    ev->data = ctx->plaintext;

    n->keep = n->channel->keep;

    if (ngx_paygw_wechat_v3_is(ctx, "TRANSACTION.")) {
        return ngx_paygw_wechat_v3_payment(n, ctx->resource);
    }

    if (ngx_paygw_wechat_v3_is(ctx, "REFUND.")) {
        return ngx_paygw_wechat_v3_refund(n, ctx->resource);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v3_payment(ngx_paygw_notify_t *n, ngx_paygw_json_t *res)
{
    ngx_str_t           state;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    ev->type = NGX_PAYGW_EVENT_PAYMENT;

    if (ngx_paygw_wechat_v3_order(n, res) != NGX_OK) {
        return NGX_ABORT;
    }

    if (ngx_paygw_json_get_string(res, "trade_state", &state) == NGX_ABORT) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid trade_state");
    }

    ngx_paygw_wechat_state(n, ngx_paygw_wechat_trade, &state);

    if (ev->outcome == NGX_PAYGW_OUTCOME_SUCCESS && ev->amount == -1) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "no amount.total");
    }

    ngx_paygw_wechat_v3_payer(ev, res);

    return ngx_paygw_wechat_v3_payee(n, res);
}


/* both names have been compared with those of the channel */

static ngx_int_t
ngx_paygw_wechat_v3_payee(ngx_paygw_notify_t *n, ngx_paygw_json_t *res)
{
    ngx_str_t  app, sub;

    if (ngx_paygw_event_word(res, "sp_appid", 64, &app) != NGX_OK
        || (app.len == 0
            && ngx_paygw_event_word(res, "appid", 64, &app) != NGX_OK)
        || ngx_paygw_event_word(res, "sub_mchid", 64, &sub) != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid appid");
    }

    if (ngx_paygw_bind_account(n->pool, &app, &sub, &n->event.account)
        != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v3_refund(ngx_paygw_notify_t *n, ngx_paygw_json_t *res)
{
    ngx_str_t           state;
    ngx_paygw_json_t   *amount;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    ev->type = NGX_PAYGW_EVENT_REFUND;

    if (ngx_paygw_wechat_v3_order(n, res) != NGX_OK) {
        return NGX_ABORT;
    }

    if (ngx_paygw_event_word(res, "out_refund_no", 64, &ev->refund_id)
        != NGX_OK
        || ev->refund_id.len == 0)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid out_refund_no");
    }

    if (ngx_paygw_event_word(res, "refund_id", 64, &ev->refund_no)
        != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid refund_id");
    }

    amount = ngx_paygw_json_get(res, "amount");

    if (ngx_paygw_event_minor(amount, "refund", &ev->refund_amount)
        != NGX_OK
        || ev->refund_amount == -1)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid amount.refund");
    }

    if (ngx_paygw_json_get_string(res, "refund_status", &state)
        == NGX_ABORT)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid refund_status");
    }

    ngx_paygw_wechat_state(n, ngx_paygw_wechat_v3_refunds, &state);

    /* the money has not arrived: the merchant may send it another way */

    ev->refund_open = (state.len == sizeof("ABNORMAL") - 1
                       && ngx_strncmp(state.data, "ABNORMAL", state.len) == 0);

    return NGX_OK;
}


/* what payments and refunds have in common */

static ngx_int_t
ngx_paygw_wechat_v3_order(ngx_paygw_notify_t *n, ngx_paygw_json_t *res)
{
    ngx_paygw_json_t   *amount;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    if (ngx_paygw_event_word(res, "out_trade_no", 64, &ev->order_id)
        != NGX_OK
        || ev->order_id.len == 0)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid out_trade_no");
    }

    if (ngx_paygw_event_word(res, "transaction_id", 64, &ev->trade_no)
        != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid transaction_id");
    }

    amount = ngx_paygw_json_get(res, "amount");

    if (ngx_paygw_event_minor(amount, "total", &ev->amount) != NGX_OK) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid amount.total");
    }

    if (ngx_paygw_event_word(amount, "currency", 3, &ev->currency)
        != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid amount.currency");
    }

    /* refunds do not name it: the domestic interface knows one only */

    if (ev->currency.len == 0 && amount) {
        ngx_str_set(&ev->currency, "CNY");
    }

    return NGX_OK;
}


static void
ngx_paygw_wechat_v3_payer(ngx_paygw_event_t *ev, ngx_paygw_json_t *res)
{
    ngx_uint_t         i;
    ngx_paygw_json_t  *payer;

    static const char  *names[] = { "openid", "sp_openid", "sub_openid" };

    payer = ngx_paygw_json_get(res, "payer");

    /* for information only: what cannot stand in a header is left to data */

    for (i = 0; i < 3; i++) {
        if (ngx_paygw_event_word(payer, names[i], 128, &ev->payer)
            == NGX_OK
            && ev->payer.len)
        {
            return;
        }
    }

    ngx_str_null(&ev->payer);
}


static time_t
ngx_paygw_wechat_v3_time(ngx_paygw_wechat_v3_ctx_t *ctx)
{
    time_t     t;
    ngx_str_t  text;

    if (ngx_paygw_json_get_string(ctx->resource, "success_time", &text)
        == NGX_OK
        && ngx_paygw_rfc3339_parse(&text, &t) == NGX_OK)
    {
        return t;
    }

    if (ngx_paygw_rfc3339_parse(&ctx->create_time, &t) == NGX_OK) {
        return t;
    }

    return ctx->timestamp;
}


void
ngx_paygw_wechat_v3_ack(const ngx_paygw_notify_t *n, ngx_uint_t status,
    ngx_paygw_ack_t *ack)
{
    const ngx_paygw_wechat_v3_fail_t  *fail;

    if (status >= 200 && status < 300) {
        ack->status = 204;
        ngx_str_null(&ack->type);
        ngx_str_null(&ack->body);
        return;
    }

    ngx_str_set(&ack->type, "application/json");

    for (fail = ngx_paygw_wechat_v3_fails; fail->status; fail++) {
        if (fail->status == status) {
            ack->status = status;
            ack->body = fail->body;
            return;
        }
    }

    ack->status = (status >= 400 && status < 600) ? status : 500;
    ack->body = ngx_paygw_wechat_v3_error;
}
