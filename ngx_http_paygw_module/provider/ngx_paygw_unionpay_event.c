
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_text.h"


/* ISO 4217: numeric code to letters */

typedef struct {
    const char              *code;
    ngx_str_t                currency;
} ngx_paygw_unionpay_currency_t;


/* txnType and respCode to our words */

typedef struct {
    const char              *value;
    ngx_uint_t               word;
} ngx_paygw_unionpay_word_t;


static ngx_int_t ngx_paygw_unionpay_outcome(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx);
static ngx_uint_t ngx_paygw_unionpay_lookup(ngx_paygw_unionpay_ctx_t *ctx,
    const char *name, const ngx_paygw_unionpay_word_t *words);
static ngx_int_t ngx_paygw_unionpay_kind(ngx_paygw_notify_t *n,
    ngx_str_t *type, ngx_str_t *code);
static ngx_int_t ngx_paygw_unionpay_money(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx);
static ngx_int_t ngx_paygw_unionpay_currency(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx);
static ngx_int_t ngx_paygw_unionpay_order(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx);


/* 31 gives the money back as 04 does, on the day itself and all of it */

static const ngx_paygw_unionpay_word_t  ngx_paygw_unionpay_txn_types[] = {
    { "01", NGX_PAYGW_EVENT_PAYMENT },
    { "04", NGX_PAYGW_EVENT_REFUND },
    { "31", NGX_PAYGW_EVENT_REFUND },
    { NULL, NGX_PAYGW_EVENT_UNKNOWN }
};


/* A6 is a success "with defects" */

static const ngx_paygw_unionpay_word_t  ngx_paygw_unionpay_resp_codes[] = {
    { "00", NGX_PAYGW_OUTCOME_SUCCESS },
    { "A6", NGX_PAYGW_OUTCOME_SUCCESS },
    { "03", NGX_PAYGW_OUTCOME_PENDING },
    { "04", NGX_PAYGW_OUTCOME_PENDING },
    { "05", NGX_PAYGW_OUTCOME_PENDING },
    { NULL, NGX_PAYGW_OUTCOME_FAILED }
};


/*
 * Those of two decimals, as amounts are in hundredths; an amount in any other
 * currency is refused, since nobody could say how much it is.
 */

static const ngx_paygw_unionpay_currency_t  ngx_paygw_unionpay_codes[] = {
    { "156", ngx_string("CNY") },
    { "344", ngx_string("HKD") },
    { "446", ngx_string("MOP") },
    { "901", ngx_string("TWD") },
    { "840", ngx_string("USD") },
    { "978", ngx_string("EUR") },
    { "826", ngx_string("GBP") },
    { "036", ngx_string("AUD") },
    { "124", ngx_string("CAD") },
    { "554", ngx_string("NZD") },
    { "702", ngx_string("SGD") },
    { "756", ngx_string("CHF") },
    { "764", ngx_string("THB") },
    { "458", ngx_string("MYR") },
    { NULL, ngx_null_string }
};


ngx_int_t
ngx_paygw_unionpay_event(ngx_paygw_notify_t *n)
{
    ngx_paygw_unionpay_ctx_t  *ctx = n->data;

    ngx_int_t           rc;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    ngx_memzero(ev, sizeof(ngx_paygw_event_t));

    ev->time = ctx->txn_time;
    ev->amount = -1;
    ev->refund_amount = -1;

    n->keep = n->channel->keep;

    /* only now that the bytes have been verified */

    rc = ngx_paygw_fields_utf8(n, &ctx->form,
                               ngx_paygw_fields_value(&ctx->form, "encoding"));

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_outcome(n, ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_order(n, ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_money(n, ctx);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    /* what UnionPay said: no signature, no empty field that anyone may add */

    return ngx_paygw_event_fields(n, &ctx->form, ngx_paygw_unionpay_skip,
                                  ctx->drop_empty ? NGX_PAYGW_CANON_DROP_EMPTY
                                                  : 0);
}


static ngx_int_t
ngx_paygw_unionpay_outcome(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx)
{
    ngx_str_t           type, code;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    if (!ngx_paygw_fields_word(&ctx->form, "txnType", 16, &type)) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid txnType");
    }

    if (!ngx_paygw_fields_word(&ctx->form, "respCode", 16, &code)) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid respCode");
    }

    ev->type = ngx_paygw_unionpay_lookup(ctx, "txnType",
                                         ngx_paygw_unionpay_txn_types);

    ev->outcome = ngx_paygw_unionpay_lookup(ctx, "respCode",
                                            ngx_paygw_unionpay_resp_codes);

    /* a callback is meant to be sent for a plain success only */

    ev->unconfirmed = !ngx_paygw_fields_is(&ctx->form, "respCode", "00");

    if (ev->outcome == NGX_PAYGW_OUTCOME_SUCCESS) {
        ev->kind = type;

    } else if (ngx_paygw_unionpay_kind(n, &type, &code) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ev->type == NGX_PAYGW_EVENT_UNKNOWN) {
        ev->outcome = NGX_PAYGW_OUTCOME_UNKNOWN;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_paygw_unionpay_lookup(ngx_paygw_unionpay_ctx_t *ctx, const char *name,
    const ngx_paygw_unionpay_word_t *words)
{
    while (words->value
           && !ngx_paygw_fields_is(&ctx->form, name, words->value))
    {
        words++;
    }

    return words->word;
}


/*
 * One queryId may come with several codes: a failure must not have the success
 * taken for a repeat, nor a success "with defects" be two of them.
 */

static ngx_int_t
ngx_paygw_unionpay_kind(ngx_paygw_notify_t *n, ngx_str_t *type,
    ngx_str_t *code)
{
    u_char     *p;
    ngx_str_t  *kind;

    kind = &n->event.kind;

    p = ngx_pnalloc(n->pool, type->len + 1 + code->len);
    if (p == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    kind->data = p;

    p = ngx_cpymem(p, type->data, type->len);
    *p++ = '.';
    p = ngx_cpymem(p, code->data, code->len);

    kind->len = p - kind->data;

    return NGX_OK;
}


/*
 * A refund is a transaction of its own: orderId and queryId are those of the
 * refund, and the payment is known by origQryId.
 */

static ngx_int_t
ngx_paygw_unionpay_order(ngx_paygw_notify_t *n, ngx_paygw_unionpay_ctx_t *ctx)
{
    ngx_str_t          *order_id, *trade_no;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    (void) ngx_paygw_fields_word(&ctx->form, "merId", 64, &ev->account);

    if (!ngx_paygw_fields_word(&ctx->form, "queryId", 64, &ev->id)) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid queryId");
    }

    order_id = &ev->order_id;
    trade_no = &ev->trade_no;

    if (ev->type == NGX_PAYGW_EVENT_REFUND) {

        (void) ngx_paygw_fields_word(&ctx->form, "origOrderId", 64,
                                     &ev->order_id);
        (void) ngx_paygw_fields_word(&ctx->form, "origQryId", 64,
                                     &ev->trade_no);

        order_id = &ev->refund_id;
        trade_no = &ev->refund_no;
    }

    if (!ngx_paygw_fields_word(&ctx->form, "orderId", 64, order_id)) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid orderId");
    }

    *trade_no = ev->id;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_unionpay_money(ngx_paygw_notify_t *n, ngx_paygw_unionpay_ctx_t *ctx)
{
    int64_t             settled, *amount;
    ngx_str_t          *value;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    amount = (ev->type == NGX_PAYGW_EVENT_REFUND) ? &ev->refund_amount
                                                  : &ev->amount;

    value = ngx_paygw_fields_value(&ctx->form, "txnAmt");

    if (value ? ngx_paygw_minor_parse(value, amount) != NGX_OK
              : ev->type != NGX_PAYGW_EVENT_UNKNOWN)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid txnAmt");
    }

    value = ngx_paygw_fields_value(&ctx->form, "settleAmt");

    if (value && ngx_paygw_minor_parse(value, &settled) != NGX_OK) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid settleAmt");
    }

    return ngx_paygw_unionpay_currency(n, ctx);
}


/* a refund may leave it to the payment */

static ngx_int_t
ngx_paygw_unionpay_currency(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx)
{
    ngx_str_t          *code;
    ngx_paygw_event_t  *ev;

    ev = &n->event;
    code = ngx_paygw_fields_value(&ctx->form, "currencyCode");

    if (code == NULL) {

        if (ev->type != NGX_PAYGW_EVENT_PAYMENT) {
            return NGX_OK;
        }

        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "no currencyCode");
    }

    ngx_paygw_unionpay_letters(code, &ev->currency);

    if (ev->currency.len) {
        return NGX_OK;
    }

    return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                            "unknown currencyCode");
}


void
ngx_paygw_unionpay_letters(ngx_str_t *code, ngx_str_t *currency)
{
    const ngx_paygw_unionpay_currency_t  *c;

    for (c = ngx_paygw_unionpay_codes; c->code; c++) {
        if (code->len == 3 && ngx_strncmp(code->data, c->code, 3) == 0) {
            *currency = c->currency;
            return;
        }
    }
}


/* the status is all that counts; the demos of UnionPay say "ok" */

void
ngx_paygw_unionpay_ack(const ngx_paygw_notify_t *n, ngx_uint_t status,
    ngx_paygw_ack_t *ack)
{
    ngx_str_set(&ack->type, "text/plain");

    if (status >= 200 && status < 300) {
        ack->status = 200;
        ngx_str_set(&ack->body, "ok");
        return;
    }

    ack->status = (status >= 400 && status < 600) ? status : 500;
    ngx_str_set(&ack->body, "fail");
}
