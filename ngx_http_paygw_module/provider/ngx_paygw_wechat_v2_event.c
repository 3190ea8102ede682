
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v2.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_text.h"


static ngx_int_t ngx_paygw_wechat_v2_pay(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx);
static ngx_int_t ngx_paygw_wechat_v2_order(ngx_paygw_notify_t *n,
    ngx_paygw_form_t *form);
static void ngx_paygw_wechat_v2_outcome(ngx_paygw_notify_t *n,
    ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_wechat_v2_payee(ngx_paygw_notify_t *n,
    ngx_paygw_form_t *form);
static void ngx_paygw_wechat_v2_payer(ngx_paygw_event_t *ev,
    ngx_paygw_form_t *form);


static const ngx_paygw_wechat_state_t  ngx_paygw_wechat_v2_results[] = {
    { ngx_string("SUCCESS"), NGX_PAYGW_EVENT_PAYMENT,
      NGX_PAYGW_OUTCOME_SUCCESS },
    { ngx_string("FAIL"), NGX_PAYGW_EVENT_PAYMENT,
      NGX_PAYGW_OUTCOME_FAILED },
    { ngx_null_string, NGX_PAYGW_EVENT_PAYMENT,
      NGX_PAYGW_OUTCOME_PENDING }
};


ngx_int_t
ngx_paygw_wechat_v2_event(ngx_paygw_notify_t *n)
{
    ngx_paygw_wechat_v2_ctx_t  *ctx = n->data;

    ngx_int_t           rc;
    ngx_paygw_event_t  *ev;

    static const char  *skip[] = { "sign", "sign_type", NULL };

    n->keep = ctx->keep;

    if (ctx->req_info) {
        return ngx_paygw_wechat_v2_refund(n, ctx);
    }

    ev = &n->event;

    ngx_memzero(ev, sizeof(ngx_paygw_event_t));

    ev->time = ctx->time;
    ev->amount = -1;
    ev->refund_amount = -1;

    if (ngx_paygw_wechat_v2_payment(&ctx->form)) {
        rc = ngx_paygw_wechat_v2_pay(n, ctx);
        if (rc != NGX_OK) {
            return rc;
        }

    } else {
        ngx_str_set(&ev->kind, "unknown");
    }

    if (ev->trade_no.len) {
        ev->id = ev->trade_no;

    } else {
        if (ngx_paygw_wechat_v2_digest(n, &ctx->form) != NGX_OK) {
            return NGX_ERROR;
        }

        ev->id = ctx->digest;
    }

    return ngx_paygw_event_fields(n, &ctx->form, skip,
                                  NGX_PAYGW_CANON_DROP_EMPTY);
}


static ngx_int_t
ngx_paygw_wechat_v2_pay(ngx_paygw_notify_t *n, ngx_paygw_wechat_v2_ctx_t *ctx)
{
    char               *missing;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    if (ngx_paygw_wechat_v2_order(n, &ctx->form) != NGX_OK) {
        return NGX_ABORT;
    }

    ngx_paygw_wechat_v2_outcome(n, &ctx->form);
    ngx_paygw_wechat_v2_payer(ev, &ctx->form);

    if (ngx_paygw_wechat_v2_payee(n, &ctx->form) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ev->outcome != NGX_PAYGW_OUTCOME_SUCCESS) {
        return NGX_OK;
    }

    /* an answer of the interface has the same signature, and not all of this */

    if (ev->trade_no.len == 0) {
        missing = "no transaction_id";

    } else if (ev->amount == -1) {
        missing = "no total_fee";

    } else if (ctx->time == 0) {
        missing = "no time_end";

    } else {
        return NGX_OK;
    }

    return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED, missing);
}


static ngx_int_t
ngx_paygw_wechat_v2_order(ngx_paygw_notify_t *n, ngx_paygw_form_t *form)
{
    ngx_str_t          *value;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    if (!ngx_paygw_wechat_v2_word(form, "out_trade_no", &ev->order_id)) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid out_trade_no");
    }

    if (!ngx_paygw_wechat_v2_word(form, "transaction_id", &ev->trade_no)
        && ngx_paygw_wechat_v2_value(form, "transaction_id"))
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid transaction_id");
    }

    value = ngx_paygw_wechat_v2_value(form, "total_fee");

    if (value && ngx_paygw_minor_parse(value, &ev->amount) != NGX_OK) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid total_fee");
    }

    ngx_str_set(&ev->currency, "CNY");

    if (ngx_paygw_wechat_v2_value(form, "fee_type")
        && (!ngx_paygw_wechat_v2_word(form, "fee_type", &ev->currency)
            || ev->currency.len != 3))
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid fee_type");
    }

    return NGX_OK;
}


/* a failure in either of the two words is one */

static void
ngx_paygw_wechat_v2_outcome(ngx_paygw_notify_t *n, ngx_paygw_form_t *form)
{
    ngx_str_t           result;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    ngx_str_null(&result);
    (void) ngx_paygw_wechat_v2_word(form, "result_code", &result);

    ev->type = NGX_PAYGW_EVENT_PAYMENT;
    ev->kind = result;

    if (ngx_paygw_wechat_v2_is(&result, "SUCCESS")
        && ngx_paygw_wechat_v2_value(form, "trade_state"))
    {
        /* the call has succeeded, and its payment may have failed */

        ngx_str_null(&ev->kind);
        (void) ngx_paygw_wechat_v2_word(form, "trade_state", &ev->kind);

        ngx_paygw_wechat_state(n, ngx_paygw_wechat_trade, &ev->kind);

    } else {
        ngx_paygw_wechat_state(n, ngx_paygw_wechat_v2_results, &ev->kind);
    }

    if (ev->kind.len == 0) {
        ngx_str_set(&ev->kind, "unknown");
    }
}


/* both names have been compared with those of the channel */

static ngx_int_t
ngx_paygw_wechat_v2_payee(ngx_paygw_notify_t *n, ngx_paygw_form_t *form)
{
    ngx_str_t  app, sub;

    ngx_str_null(&app);
    ngx_str_null(&sub);

    (void) ngx_paygw_wechat_v2_word(form, "appid", &app);
    (void) ngx_paygw_wechat_v2_word(form, "sub_mch_id", &sub);

    if (ngx_paygw_bind_account(n->pool, &app, &sub, &n->event.account)
        != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    return NGX_OK;
}


/* for information only: what cannot stand in a header is left to data */

static void
ngx_paygw_wechat_v2_payer(ngx_paygw_event_t *ev, ngx_paygw_form_t *form)
{
    if (!ngx_paygw_wechat_v2_word(form, "openid", &ev->payer)) {
        (void) ngx_paygw_wechat_v2_word(form, "sub_openid", &ev->payer);
    }
}


#define ngx_paygw_wechat_v2_answer(code, message)                             \
    "<xml><return_code><![CDATA[" code "]]></return_code>"                    \
    "<return_msg><![CDATA[" message "]]></return_msg></xml>"

/* the body is what counts; why something was refused is for nobody outside */

void
ngx_paygw_wechat_v2_ack(const ngx_paygw_notify_t *n, ngx_uint_t status,
    ngx_paygw_ack_t *ack)
{
    ngx_str_set(&ack->type, "text/xml");

    if (status >= 200 && status < 300) {
        ack->status = 200;
        ngx_str_set(&ack->body, ngx_paygw_wechat_v2_answer("SUCCESS", "OK"));
        return;
    }

    ack->status = (status >= 400 && status < 600) ? status : 500;
    ngx_str_set(&ack->body,
                ngx_paygw_wechat_v2_answer("FAIL", "not processed"));
}
