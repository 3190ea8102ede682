
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_stripe.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_text.h"


/* metadata takes 500 characters, client_reference_id 200 */
#define NGX_PAYGW_STRIPE_ID_MAX  200


typedef struct {
    ngx_str_t                kind;
    const char              *object;      /* what data.object must be */
    ngx_paygw_event_type_e   type;
    ngx_paygw_outcome_e      outcome;     /* at best: the object may say less */
    ngx_int_t              (*read)(ngx_paygw_notify_t *n,
                                   ngx_paygw_json_t *obj);
} ngx_paygw_stripe_kind_t;


typedef struct {
    ngx_str_t                word;
    ngx_paygw_outcome_e      outcome;
} ngx_paygw_stripe_state_t;


static ngx_int_t ngx_paygw_stripe_read(ngx_paygw_notify_t *n,
    ngx_paygw_stripe_ctx_t *ctx, const ngx_paygw_stripe_kind_t *kind);
static ngx_int_t ngx_paygw_stripe_intent(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *obj);
static ngx_int_t ngx_paygw_stripe_session(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *obj);
static ngx_int_t ngx_paygw_stripe_refund(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *obj);
static ngx_int_t ngx_paygw_stripe_charge(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *obj);
static ngx_int_t ngx_paygw_stripe_state(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *obj, const char *name,
    const ngx_paygw_stripe_state_t *state);
static ngx_int_t ngx_paygw_stripe_trade(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *obj, const char *name);
static ngx_int_t ngx_paygw_stripe_id(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *obj, const char *name, ngx_str_t *value);
static ngx_int_t ngx_paygw_stripe_amount(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *obj, const char *name, int64_t *value);
static ngx_int_t ngx_paygw_stripe_currency(ngx_paygw_notify_t *n,
    ngx_paygw_json_t *obj);
static ngx_int_t ngx_paygw_stripe_invalid(ngx_paygw_notify_t *n,
    const char *name);


#define ngx_paygw_stripe_kind(kind, object, type, outcome, read)              \
    { ngx_string(kind), object, NGX_PAYGW_EVENT_##type,                       \
      NGX_PAYGW_OUTCOME_##outcome, ngx_paygw_stripe_##read }

static const ngx_paygw_stripe_kind_t  ngx_paygw_stripe_kinds[] = {
    ngx_paygw_stripe_kind("payment_intent.succeeded", "payment_intent",
                          PAYMENT, SUCCESS, intent),
    ngx_paygw_stripe_kind("payment_intent.created", "payment_intent",
                          PAYMENT, PENDING, intent),
    ngx_paygw_stripe_kind("payment_intent.processing", "payment_intent",
                          PAYMENT, PENDING, intent),
    ngx_paygw_stripe_kind("payment_intent.requires_action", "payment_intent",
                          PAYMENT, PENDING, intent),
    ngx_paygw_stripe_kind("payment_intent.amount_capturable_updated",
                          "payment_intent", PAYMENT, PENDING, intent),
    ngx_paygw_stripe_kind("payment_intent.partially_funded", "payment_intent",
                          PAYMENT, PENDING, intent),
    /* one try: the next one may do it */
    ngx_paygw_stripe_kind("payment_intent.payment_failed", "payment_intent",
                          PAYMENT, PENDING, intent),
    ngx_paygw_stripe_kind("payment_intent.canceled", "payment_intent",
                          CLOSE, FAILED, intent),
    ngx_paygw_stripe_kind("checkout.session.completed", "checkout.session",
                          PAYMENT, SUCCESS, session),
    ngx_paygw_stripe_kind("checkout.session.async_payment_succeeded",
                          "checkout.session", PAYMENT, SUCCESS, session),
    ngx_paygw_stripe_kind("checkout.session.async_payment_failed",
                          "checkout.session", PAYMENT, FAILED, session),
    ngx_paygw_stripe_kind("checkout.session.expired", "checkout.session",
                          CLOSE, FAILED, session),
    ngx_paygw_stripe_kind("refund.created", "refund",
                          REFUND, SUCCESS, refund),
    ngx_paygw_stripe_kind("refund.updated", "refund",
                          REFUND, SUCCESS, refund),
    ngx_paygw_stripe_kind("refund.failed", "refund",
                          REFUND, FAILED, refund),
    /* the old name of refund.updated */
    ngx_paygw_stripe_kind("charge.refund.updated", "refund",
                          REFUND, SUCCESS, refund),
    ngx_paygw_stripe_kind("charge.refunded", "charge",
                          REFUND, SUCCESS, charge),
    { ngx_null_string, NULL, NGX_PAYGW_EVENT_UNKNOWN,
      NGX_PAYGW_OUTCOME_UNKNOWN, NULL }
};


/* a word that is not listed is pending, and a line in the log */

static const ngx_paygw_stripe_state_t  ngx_paygw_stripe_paid[] = {
    { ngx_string("succeeded"), NGX_PAYGW_OUTCOME_SUCCESS },
    { ngx_null_string, NGX_PAYGW_OUTCOME_PENDING }
};


static const ngx_paygw_stripe_state_t  ngx_paygw_stripe_sessions[] = {
    { ngx_string("paid"), NGX_PAYGW_OUTCOME_SUCCESS },
    { ngx_string("no_payment_required"), NGX_PAYGW_OUTCOME_SUCCESS },
    { ngx_string("unpaid"), NGX_PAYGW_OUTCOME_PENDING },
    { ngx_null_string, NGX_PAYGW_OUTCOME_PENDING }
};


static const ngx_paygw_stripe_state_t  ngx_paygw_stripe_refunds[] = {
    { ngx_string("succeeded"), NGX_PAYGW_OUTCOME_SUCCESS },
    { ngx_string("pending"), NGX_PAYGW_OUTCOME_PENDING },
    { ngx_string("requires_action"), NGX_PAYGW_OUTCOME_PENDING },
    { ngx_string("failed"), NGX_PAYGW_OUTCOME_FAILED },
    { ngx_string("canceled"), NGX_PAYGW_OUTCOME_FAILED },
    { ngx_null_string, NGX_PAYGW_OUTCOME_PENDING }
};


ngx_int_t
ngx_paygw_stripe_event(ngx_paygw_notify_t *n)
{
    ngx_paygw_stripe_ctx_t  *ctx = n->data;

    int64_t                         created;
    ngx_uint_t                      found;
    ngx_paygw_event_t              *ev;
    const ngx_paygw_stripe_kind_t  *kind;

    ev = &n->event;

    ngx_memzero(ev, sizeof(ngx_paygw_event_t));

    ev->id = ctx->id;
    ev->kind = ctx->type;
    ev->amount = -1;
    ev->refund_amount = -1;

    ev->account = ctx->account;

    if (ev->account.len == 0) {
        ngx_str_set(&ev->account, NGX_PAYGW_STRIPE_PLATFORM);
    }

    n->keep = ngx_max(n->channel->keep, NGX_PAYGW_STRIPE_KEEP);

    if (ngx_paygw_event_minor(ctx->root, "created", &created) != NGX_OK) {
        return ngx_paygw_stripe_invalid(n, "created");
    }

    ev->time = (created == -1) ? ctx->time : (time_t) created;

    /* an event is one line, Stripe's are many */

    if (ngx_paygw_json_respell(n->pool, &n->msg.body, NGX_PAYGW_JSON_SPACES,
                               &ev->data, &found)
        != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    for (kind = ngx_paygw_stripe_kinds; kind->read; kind++) {
        if (kind->kind.len == ev->kind.len
            && ngx_strncmp(kind->kind.data, ev->kind.data, ev->kind.len) == 0)
        {
            return ngx_paygw_stripe_read(n, ctx, kind);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_read(ngx_paygw_notify_t *n, ngx_paygw_stripe_ctx_t *ctx,
    const ngx_paygw_stripe_kind_t *kind)
{
    size_t              len;
    ngx_str_t           word;
    ngx_paygw_json_t   *obj;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    obj = ngx_paygw_json_get(ngx_paygw_json_get(ctx->root, "data"), "object");
    len = ngx_strlen(kind->object);

    if (ngx_paygw_event_word(obj, "object", 64, &word) != NGX_OK
        || word.len != len
        || ngx_strncmp(word.data, kind->object, len) != 0)
    {
        return ngx_paygw_stripe_invalid(n, "data.object");
    }

    ev->type = kind->type;
    ev->outcome = kind->outcome;

    if (kind->read(n, obj) != NGX_OK) {
        return NGX_ABORT;
    }

    if (ev->type == NGX_PAYGW_EVENT_REFUND) {
        return NGX_OK;
    }

    /* a payment that this shop has not numbered: an invoice, a payment link */

    if (ev->order_id.len == 0) {
        ev->type = NGX_PAYGW_EVENT_UNKNOWN;
        ev->outcome = NGX_PAYGW_OUTCOME_UNKNOWN;
        return NGX_OK;
    }

    if (ev->outcome != NGX_PAYGW_OUTCOME_SUCCESS) {
        return NGX_OK;
    }

    if (ev->amount == -1) {
        return ngx_paygw_stripe_invalid(n, "amount");
    }

    if (ev->currency.len == 0) {
        return ngx_paygw_stripe_invalid(n, "currency");
    }

    return NGX_OK;
}


/* of a payment that was made it counts what has come in, not what was asked */

static ngx_int_t
ngx_paygw_stripe_intent(ngx_paygw_notify_t *n, ngx_paygw_json_t *obj)
{
    char               *amount;
    ngx_paygw_event_t  *ev;

    ev = &n->event;
    amount = "amount";

    if (ev->outcome == NGX_PAYGW_OUTCOME_SUCCESS) {
        amount = "amount_received";

        if (ngx_paygw_stripe_state(n, obj, "status", ngx_paygw_stripe_paid)
            != NGX_OK)
        {
            return NGX_ABORT;
        }
    }

    if (ngx_paygw_stripe_id(n, ngx_paygw_json_get(obj, "metadata"),
                            "out_trade_no", &ev->order_id)
        != NGX_OK
        || ngx_paygw_stripe_id(n, obj, "id", &ev->trade_no) != NGX_OK
        || ngx_paygw_stripe_amount(n, obj, amount, &ev->amount) != NGX_OK
        || ngx_paygw_stripe_amount(n, obj, "amount", &ev->total) != NGX_OK
        || ngx_paygw_stripe_currency(n, obj) != NGX_OK)
    {
        return NGX_ABORT;
    }

    /* absent: the only amount that there is */

    ev->total = ngx_max(ev->total, 0);

    return ngx_paygw_stripe_id(n, obj, "customer", &ev->payer);
}


/*
 * Only the shop can set metadata; the reference of a session that a payment
 * link has made comes from the payer's browser.
 */

static ngx_int_t
ngx_paygw_stripe_session(ngx_paygw_notify_t *n, ngx_paygw_json_t *obj)
{
    ngx_str_t           mode;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    if (ev->outcome == NGX_PAYGW_OUTCOME_SUCCESS
        && ngx_paygw_stripe_state(n, obj, "payment_status",
                                  ngx_paygw_stripe_sessions)
           != NGX_OK)
    {
        return NGX_ABORT;
    }

    if (ngx_paygw_stripe_id(n, ngx_paygw_json_get(obj, "metadata"),
                            "out_trade_no", &ev->order_id)
        != NGX_OK)
    {
        return NGX_ABORT;
    }

    if (ev->order_id.len == 0
        && ngx_paygw_stripe_id(n, obj, "client_reference_id", &ev->order_id)
           != NGX_OK)
    {
        return NGX_ABORT;
    }

    if (ngx_paygw_stripe_id(n, obj, "mode", &mode) != NGX_OK
        || ngx_paygw_stripe_trade(n, obj, "payment_intent") != NGX_OK
        || ngx_paygw_stripe_amount(n, obj, "amount_total", &ev->amount)
           != NGX_OK
        || ngx_paygw_stripe_currency(n, obj) != NGX_OK)
    {
        return NGX_ABORT;
    }

    /* saves a card and takes no money */

    if (mode.len == sizeof("setup") - 1
        && ngx_strncmp(mode.data, "setup", mode.len) == 0)
    {
        ev->type = NGX_PAYGW_EVENT_UNKNOWN;
        ev->outcome = NGX_PAYGW_OUTCOME_UNKNOWN;
    }

    return ngx_paygw_stripe_id(n, obj, "customer", &ev->payer);
}


static ngx_int_t
ngx_paygw_stripe_refund(ngx_paygw_notify_t *n, ngx_paygw_json_t *obj)
{
    ngx_paygw_json_t   *metadata;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    if (ev->outcome == NGX_PAYGW_OUTCOME_SUCCESS
        && ngx_paygw_stripe_state(n, obj, "status", ngx_paygw_stripe_refunds)
           != NGX_OK)
    {
        return NGX_ABORT;
    }

    metadata = ngx_paygw_json_get(obj, "metadata");

    if (ngx_paygw_stripe_id(n, metadata, "out_trade_no", &ev->order_id)
        != NGX_OK
        || ngx_paygw_stripe_id(n, metadata, "out_refund_no", &ev->refund_id)
           != NGX_OK
        || ngx_paygw_stripe_id(n, obj, "id", &ev->refund_no) != NGX_OK
        || ngx_paygw_stripe_id(n, obj, "payment_intent", &ev->trade_no)
           != NGX_OK
        || ngx_paygw_stripe_amount(n, obj, "amount", &ev->refund_amount)
           != NGX_OK
        || ngx_paygw_stripe_currency(n, obj) != NGX_OK)
    {
        return NGX_ABORT;
    }

    if (ev->trade_no.len == 0) {
        return ngx_paygw_stripe_id(n, obj, "charge", &ev->trade_no);
    }

    return NGX_OK;
}


/* the sum of all refunds of the charge so far */

static ngx_int_t
ngx_paygw_stripe_charge(ngx_paygw_notify_t *n, ngx_paygw_json_t *obj)
{
    ngx_paygw_event_t  *ev;

    ev = &n->event;
    ev->refund_sum = 1;

    if (ngx_paygw_stripe_id(n, ngx_paygw_json_get(obj, "metadata"),
                            "out_trade_no", &ev->order_id)
        != NGX_OK
        || ngx_paygw_stripe_trade(n, obj, "payment_intent") != NGX_OK
        || ngx_paygw_stripe_amount(n, obj, "amount", &ev->amount) != NGX_OK
        || ngx_paygw_stripe_amount(n, obj, "amount_refunded",
                                   &ev->refund_amount)
           != NGX_OK
        || ngx_paygw_stripe_currency(n, obj) != NGX_OK)
    {
        return NGX_ABORT;
    }

    return ngx_paygw_stripe_id(n, obj, "customer", &ev->payer);
}


static ngx_int_t
ngx_paygw_stripe_state(ngx_paygw_notify_t *n, ngx_paygw_json_t *obj,
    const char *name, const ngx_paygw_stripe_state_t *state)
{
    ngx_str_t  word;

    if (ngx_paygw_event_word(obj, name, 64, &word) != NGX_OK) {
        return ngx_paygw_stripe_invalid(n, name);
    }

    if (word.len == 0) {
        n->event.outcome = NGX_PAYGW_OUTCOME_UNKNOWN;
        return NGX_OK;
    }

    while (state->word.len
           && (state->word.len != word.len
               || ngx_strncmp(state->word.data, word.data, word.len) != 0))
    {
        state++;
    }

    if (state->word.len == 0) {
        ngx_log_error(NGX_LOG_WARN, n->log, 0,
                      "channel \"%V\" sent unknown %s \"%V\" in event \"%V\", "
                      "taken as pending",
                      &n->channel->name, name, &word, &n->event.id);
    }

    n->event.outcome = state->outcome;

    return NGX_OK;
}


/* the payment behind an object, or the object itself if there is none yet */

static ngx_int_t
ngx_paygw_stripe_trade(ngx_paygw_notify_t *n, ngx_paygw_json_t *obj,
    const char *name)
{
    if (ngx_paygw_stripe_id(n, obj, name, &n->event.trade_no) != NGX_OK) {
        return NGX_ABORT;
    }

    if (n->event.trade_no.len) {
        return NGX_OK;
    }

    return ngx_paygw_stripe_id(n, obj, "id", &n->event.trade_no);
}


static ngx_int_t
ngx_paygw_stripe_id(ngx_paygw_notify_t *n, ngx_paygw_json_t *obj,
    const char *name, ngx_str_t *value)
{
    if (ngx_paygw_event_word(obj, name, NGX_PAYGW_STRIPE_ID_MAX, value)
        == NGX_OK)
    {
        return NGX_OK;
    }

    return ngx_paygw_stripe_invalid(n, name);
}


/*
 * Integers in the smallest unit of the currency as Stripe counts it: cents of
 * a euro, whole yen, thousandths of a dinar.  Nothing is converted.
 */

static ngx_int_t
ngx_paygw_stripe_amount(ngx_paygw_notify_t *n, ngx_paygw_json_t *obj,
    const char *name, int64_t *value)
{
    if (ngx_paygw_event_minor(obj, name, value) == NGX_OK) {
        return NGX_OK;
    }

    return ngx_paygw_stripe_invalid(n, name);
}


/* Stripe writes "eur", ISO 4217 "EUR" */

static ngx_int_t
ngx_paygw_stripe_currency(ngx_paygw_notify_t *n, ngx_paygw_json_t *obj)
{
    u_char     *p, c;
    size_t      i;
    ngx_str_t   word;

    if (ngx_paygw_event_word(obj, "currency", 3, &word) != NGX_OK) {
        return ngx_paygw_stripe_invalid(n, "currency");
    }

    if (word.len == 0) {
        return NGX_OK;
    }

    if (word.len != 3) {
        return ngx_paygw_stripe_invalid(n, "currency");
    }

    p = ngx_pnalloc(n->pool, word.len);
    if (p == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    for (i = 0; i < word.len; i++) {
        c = ngx_toupper(word.data[i]);

        if (c < 'A' || c > 'Z') {
            return ngx_paygw_stripe_invalid(n, "currency");
        }

        p[i] = c;
    }

    n->event.currency.data = p;
    n->event.currency.len = word.len;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_invalid(ngx_paygw_notify_t *n, const char *name)
{
    return ngx_paygw_refuse_with(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                 "invalid %s", name);
}


/* the status is all that counts */

void
ngx_paygw_stripe_ack(const ngx_paygw_notify_t *n, ngx_uint_t status,
    ngx_paygw_ack_t *ack)
{
    ngx_str_null(&ack->type);
    ngx_str_null(&ack->body);

    if (status >= 200 && status < 300) {
        ack->status = 200;
        return;
    }

    ack->status = (status >= 400 && status < 600) ? status : 500;
}
