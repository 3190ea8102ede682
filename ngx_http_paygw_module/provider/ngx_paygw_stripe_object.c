
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_stripe.h"
#include "ngx_paygw_event.h"


/* What objects of Stripe say: intents, sessions and refunds. */


/* a state and what it means; the last one is that of all others */
typedef struct {
    ngx_str_t                word;
    ngx_paygw_outcome_e      outcome;
    ngx_paygw_state_e        state;
} ngx_paygw_stripe_means_t;


static ngx_int_t ngx_paygw_stripe_session_state(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *obj);
static ngx_int_t ngx_paygw_stripe_intent_state(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *obj);
static ngx_int_t ngx_paygw_stripe_price(ngx_paygw_exchange_t *x,
    ngx_paygw_json_t *obj, const char *name, int64_t *amount,
    ngx_str_t *currency);
static void ngx_paygw_stripe_means(ngx_paygw_order_t *o,
    const ngx_paygw_stripe_means_t *m, const char *field);


/* one that was tried in vain is as it was before: the next try may do it */

static const ngx_paygw_stripe_means_t  ngx_paygw_stripe_intents[] = {
    { ngx_string("succeeded"), NGX_PAYGW_OUTCOME_SUCCESS,
      NGX_PAYGW_STATE_PAID },
    { ngx_string("requires_payment_method"), NGX_PAYGW_OUTCOME_PENDING,
      NGX_PAYGW_STATE_CREATED },
    { ngx_string("requires_confirmation"), NGX_PAYGW_OUTCOME_PENDING,
      NGX_PAYGW_STATE_CREATED },
    { ngx_string("requires_action"), NGX_PAYGW_OUTCOME_PENDING,
      NGX_PAYGW_STATE_PAYING },
    { ngx_string("processing"), NGX_PAYGW_OUTCOME_PENDING,
      NGX_PAYGW_STATE_PAYING },
    { ngx_string("requires_capture"), NGX_PAYGW_OUTCOME_PENDING,
      NGX_PAYGW_STATE_PAYING },
    { ngx_string("canceled"), NGX_PAYGW_OUTCOME_FAILED,
      NGX_PAYGW_STATE_CLOSED },
    { ngx_null_string, NGX_PAYGW_OUTCOME_PENDING, NGX_PAYGW_STATE_PAYING }
};


/* by payment_status, of a session that is complete */

static const ngx_paygw_stripe_means_t  ngx_paygw_stripe_complete[] = {
    { ngx_string("paid"), NGX_PAYGW_OUTCOME_SUCCESS, NGX_PAYGW_STATE_PAID },
    { ngx_string("no_payment_required"), NGX_PAYGW_OUTCOME_SUCCESS,
      NGX_PAYGW_STATE_PAID },
    { ngx_string("unpaid"), NGX_PAYGW_OUTCOME_PENDING,
      NGX_PAYGW_STATE_PAYING },
    { ngx_null_string, NGX_PAYGW_OUTCOME_PENDING, NGX_PAYGW_STATE_PAYING }
};


static const ngx_paygw_stripe_means_t  ngx_paygw_stripe_sessions[] = {
    { ngx_string("open"), NGX_PAYGW_OUTCOME_PENDING,
      NGX_PAYGW_STATE_CREATED },
    { ngx_string("expired"), NGX_PAYGW_OUTCOME_FAILED,
      NGX_PAYGW_STATE_CLOSED },
    { ngx_null_string, NGX_PAYGW_OUTCOME_PENDING, NGX_PAYGW_STATE_PAYING }
};


static const ngx_paygw_stripe_means_t  ngx_paygw_stripe_returns[] = {
    { ngx_string("succeeded"), NGX_PAYGW_OUTCOME_SUCCESS, 0 },
    { ngx_string("pending"), NGX_PAYGW_OUTCOME_PENDING, 0 },
    { ngx_string("requires_action"), NGX_PAYGW_OUTCOME_PENDING, 0 },
    { ngx_string("failed"), NGX_PAYGW_OUTCOME_FAILED, 0 },
    { ngx_string("canceled"), NGX_PAYGW_OUTCOME_FAILED, 0 },
    { ngx_null_string, NGX_PAYGW_OUTCOME_PENDING, 0 }
};


ngx_int_t
ngx_paygw_stripe_payment(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *obj)
{
    ngx_str_t          id, type, want, order;
    ngx_uint_t         session;
    ngx_paygw_json_t  *meta;

    if (ngx_paygw_event_word(obj, "id", NGX_PAYGW_ORDER_REF_MAX, &id)
        != NGX_OK
        || !ngx_paygw_order_plain(&id, NGX_PAYGW_ORDER_REF_MAX))
    {
        return ngx_paygw_order_strange(x, "id");
    }

    session = ngx_paygw_stripe_session_id(&id);

    if (session) {
        ngx_str_set(&want, "checkout.session");

    } else {
        ngx_str_set(&want, "payment_intent");
    }

    if (ngx_paygw_event_word(obj, "object", NGX_PAYGW_STRIPE_WORD_MAX, &type)
        != NGX_OK
        || !ngx_paygw_order_same(&type, &want))
    {
        return ngx_paygw_order_strange(x, "object");
    }

    meta = session ? obj : ngx_paygw_json_get(obj, "metadata");

    if (ngx_paygw_event_word(meta, session ? "client_reference_id"
                                           : "out_trade_no",
                             NGX_PAYGW_ORDER_ID_MAX, &order)
        != NGX_OK
        || !ngx_paygw_order_same(&order, &o->id))
    {
        o->code = NGX_PAYGW_CODE_ORDER_NOT_FOUND;
        return NGX_OK;
    }

    o->told.ref = id;

    return session ? ngx_paygw_stripe_session_state(x, o, obj)
                   : ngx_paygw_stripe_intent_state(x, o, obj);
}


static ngx_int_t
ngx_paygw_stripe_session_state(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *obj)
{
    ngx_str_t  paid;

    if (ngx_paygw_event_word(obj, "status", NGX_PAYGW_STRIPE_WORD_MAX,
                             &o->told.word)
        != NGX_OK
        || o->told.word.len == 0)
    {
        return ngx_paygw_order_strange(x, "status");
    }

    if (ngx_paygw_event_word(obj, "payment_intent", NGX_PAYGW_ORDER_REF_MAX,
                             &o->told.trade_no)
        != NGX_OK
        || (o->told.trade_no.len
            && !ngx_paygw_order_plain(&o->told.trade_no,
                                      NGX_PAYGW_ORDER_REF_MAX)))
    {
        return ngx_paygw_order_strange(x, "payment_intent");
    }

    if (ngx_paygw_event_word(obj, "customer", NGX_PAYGW_ORDER_PAYER_MAX,
                             &o->told.payer)
        != NGX_OK)
    {
        ngx_str_null(&o->told.payer);
    }

    if (o->told.word.len == sizeof("complete") - 1
        && ngx_strncmp(o->told.word.data, "complete", o->told.word.len) == 0)
    {
        if (ngx_paygw_event_word(obj, "payment_status",
                                 NGX_PAYGW_STRIPE_WORD_MAX, &paid)
            != NGX_OK
            || paid.len == 0)
        {
            return ngx_paygw_order_strange(x, "payment_status");
        }

        o->told.word = paid;
        ngx_paygw_stripe_means(o, ngx_paygw_stripe_complete, "payment_status");

    } else {
        ngx_paygw_stripe_means(o, ngx_paygw_stripe_sessions, "status");
    }

    return ngx_paygw_stripe_price(x, obj, "amount_total", &o->told.amount,
                                  &o->told.currency);
}


static ngx_int_t
ngx_paygw_stripe_intent_state(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *obj)
{
    if (ngx_paygw_event_word(obj, "status", NGX_PAYGW_STRIPE_WORD_MAX,
                             &o->told.word)
        != NGX_OK
        || o->told.word.len == 0)
    {
        return ngx_paygw_order_strange(x, "status");
    }

    if (ngx_paygw_event_word(obj, "customer", NGX_PAYGW_ORDER_PAYER_MAX,
                             &o->told.payer)
        != NGX_OK)
    {
        ngx_str_null(&o->told.payer);
    }

    o->told.trade_no = o->told.ref;

    ngx_paygw_stripe_means(o, ngx_paygw_stripe_intents, "status");

    /* what has come in is what counts */

    return ngx_paygw_stripe_price(x, obj,
                                  o->told.outcome == NGX_PAYGW_OUTCOME_SUCCESS
                                  ? "amount_received" : "amount",
                                  &o->told.amount, &o->told.currency);
}


ngx_int_t
ngx_paygw_stripe_refunded(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *obj)
{
    ngx_int_t                  rc;
    ngx_str_t                  id, intent;
    ngx_paygw_told_t          *told;
    ngx_paygw_stripe_found_t  *found;

    found = o->data;
    told = &o->told;

    if (ngx_paygw_event_word(ngx_paygw_json_get(obj, "metadata"),
                             "out_refund_no", NGX_PAYGW_ORDER_ID_MAX, &id)
        != NGX_OK
        || !ngx_paygw_order_same(&id, &o->refund_id))
    {
        return ngx_paygw_order_other(x, "out_refund_no");
    }

    if (ngx_paygw_event_word(obj, "payment_intent", NGX_PAYGW_ORDER_REF_MAX,
                             &intent)
        != NGX_OK
        || !ngx_paygw_order_same(&intent, &found->intent))
    {
        return ngx_paygw_order_other(x, "payment_intent");
    }

    rc = ngx_paygw_stripe_price(x, obj, "amount", &told->refund_amount,
                                &told->currency);
    if (rc != NGX_OK) {
        return rc;
    }

    if (o->op == NGX_PAYGW_OP_REFUND
        && told->refund_amount != o->refund_amount)
    {
        if (found->stage == NGX_PAYGW_STRIPE_ACT) {
            return ngx_paygw_order_other(x, "amount");
        }

        o->code = NGX_PAYGW_CODE_REFUND_MISMATCH;
        return NGX_OK;
    }

    if (ngx_paygw_event_word(obj, "id", NGX_PAYGW_ORDER_REF_MAX,
                             &told->refund_no)
        != NGX_OK
        || told->refund_no.len == 0)
    {
        return ngx_paygw_order_strange(x, "id");
    }

    if (ngx_paygw_event_word(obj, "status", NGX_PAYGW_STRIPE_WORD_MAX,
                             &told->word)
        != NGX_OK
        || told->word.len == 0)
    {
        return ngx_paygw_order_strange(x, "status");
    }

    ngx_paygw_stripe_means(o, ngx_paygw_stripe_returns, "status");

    told->trade_no = found->intent;
    told->ref = found->id;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_price(ngx_paygw_exchange_t *x, ngx_paygw_json_t *obj,
    const char *name, int64_t *amount, ngx_str_t *currency)
{
    u_char     *p;
    ngx_str_t   low;

    if (ngx_paygw_event_minor(obj, name, amount) != NGX_OK || *amount < 1) {
        return ngx_paygw_order_strange(x, name);
    }

    if (ngx_paygw_event_word(obj, "currency", 3, &low) != NGX_OK
        || low.len != 3)
    {
        return ngx_paygw_order_strange(x, "currency");
    }

    p = ngx_pnalloc(x->n.pool, low.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    currency->data = p;
    currency->len = low.len;

    p[0] = ngx_toupper(low.data[0]);
    p[1] = ngx_toupper(low.data[1]);
    p[2] = ngx_toupper(low.data[2]);

    return NGX_OK;
}


static void
ngx_paygw_stripe_means(ngx_paygw_order_t *o,
    const ngx_paygw_stripe_means_t *m, const char *field)
{
    for ( /* void */ ; m->word.len; m++) {
        if (m->word.len == o->told.word.len
            && ngx_strncmp(m->word.data, o->told.word.data, m->word.len) == 0)
        {
            break;
        }
    }

    o->told.outcome = m->outcome;
    o->told.state = m->state;
    o->told.odd = m->word.len ? NULL : field;
}
