
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_stripe.h"


/*
 * An order in the words of Stripe: a checkout session where Stripe shows the
 * page, else a payment intent.  Our number is metadata of it.
 */


#define NGX_PAYGW_STRIPE_AMOUNT_MAX  99999999

#define NGX_PAYGW_STRIPE_INTENTS     "/v1/payment_intents"
#define NGX_PAYGW_STRIPE_SESSIONS    "/v1/checkout/sessions"
#define NGX_PAYGW_STRIPE_REFUNDS     "/v1/refunds"


static char *ngx_paygw_stripe_orders_conf(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_stripe_order_check(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_stripe_check_create(ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_stripe_order_create(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_stripe_intent_form(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_stripe_session_form(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_stripe_meta(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form, const char *head);
static ngx_int_t ngx_paygw_stripe_currency(ngx_pool_t *pool,
    ngx_paygw_order_t *o, ngx_str_t *currency);
static ngx_int_t ngx_paygw_stripe_number(ngx_pool_t *pool,
    ngx_paygw_form_t *form, const char *name, int64_t value);
static ngx_int_t ngx_paygw_stripe_order_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_stripe_order_close(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_stripe_order_refund(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_stripe_refund_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_stripe_post(ngx_paygw_exchange_t *x,
    ngx_str_t *path, ngx_paygw_form_t *form, ngx_str_t *key);


/* Stripe: the last of three decimals must be 0 */

static const ngx_str_t  ngx_paygw_stripe_thousandths[] = {
    ngx_string("BHD"),
    ngx_string("JOD"),
    ngx_string("KWD"),
    ngx_string("OMR"),
    ngx_string("TND"),
    ngx_null_string
};


/* no bill: reports of Stripe are made on demand, and are of no one day */

const ngx_paygw_orders_t  ngx_paygw_stripe_orders = {
    ngx_paygw_method_bit(JSAPI) | ngx_paygw_method_bit(APP)
    | ngx_paygw_method_bit(PAGE) | ngx_paygw_method_bit(WAP),
    NULL,
    ngx_paygw_stripe_orders_conf,
    ngx_paygw_stripe_order_check,
    {
        ngx_paygw_stripe_order_create,
        ngx_paygw_stripe_order_query,
        ngx_paygw_stripe_order_close,
        ngx_paygw_stripe_order_refund,
        ngx_paygw_stripe_refund_query,
        NULL
    },
    ngx_paygw_stripe_normalise,
    1,
    NULL,
    0
};


/* where its events go Stripe is told in its dashboard */

static char *
ngx_paygw_stripe_orders_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    return NGX_CONF_OK;
}


static ngx_int_t
ngx_paygw_stripe_order_check(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_paygw_stripe_found_t  *found;

    if (o->op == NGX_PAYGW_OP_CREATE) {

        if (ngx_paygw_stripe_check_create(o) != NGX_OK) {
            return NGX_DECLINED;
        }

    } else if (o->ref.len
               && !(o->ref.len > 3
                    && (ngx_strncmp(o->ref.data, "pi_", 3) == 0
                        || ngx_strncmp(o->ref.data, "cs_", 3) == 0)))
    {
        return ngx_paygw_order_invalid(o, "ref", "must be the id of a payment "
                                       "intent or a checkout session in this "
                                       "channel");
    }

    found = ngx_pcalloc(x->n.pool, sizeof(ngx_paygw_stripe_found_t));
    if (found == NULL) {
        return NGX_ERROR;
    }

    o->data = found;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_check_create(ngx_paygw_order_t *o)
{
    ngx_uint_t  i;

    static ngx_str_t  own = ngx_string("out_trade_no");

    if (o->ref.len) {
        return ngx_paygw_order_invalid(o, "ref", "cannot be chosen in this "
                                       "channel");
    }

    if (o->amount > NGX_PAYGW_STRIPE_AMOUNT_MAX) {
        return ngx_paygw_order_invalid(o, "amount", "must be at most 99999999 "
                                       "in this channel");
    }

    if (o->amount % 10
        && ngx_paygw_exchange_among(ngx_paygw_stripe_thousandths,
                                    &o->currency))
    {
        return ngx_paygw_order_invalid(o, "amount", "must be a multiple of 10 "
                                       "in this currency");
    }

    /* it would be another order each time that it is repeated */

    if (o->expires) {
        return ngx_paygw_order_unsupported(o, "expires_in",
                                           "is not known in this channel, "
                                           "close the order");
    }

    if (o->payer_appid.len) {
        return ngx_paygw_order_unsupported(o, "payer.appid",
                                           "is not known in this channel");
    }

    if ((o->method == NGX_PAYGW_METHOD_PAGE
         || o->method == NGX_PAYGW_METHOD_WAP)
        && o->return_url.len == 0)
    {
        return ngx_paygw_order_missing(o, "return_url");
    }

    for (i = 0; i < o->nmeta; i++) {
        if (ngx_paygw_order_same(&o->meta[i].name, &own)) {
            return ngx_paygw_order_invalid(o, "metadata", "cannot have "
                                           "out_trade_no in this channel");
        }
    }

    return NGX_OK;
}


/*
 * What Stripe takes for the same is what has the same key: it is of the order,
 * not of the call.
 */

static ngx_int_t
ngx_paygw_stripe_order_create(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_int_t         rc;
    ngx_str_t         path, key;
    ngx_uint_t        hosted;
    ngx_paygw_form_t  form;

    hosted = (o->method == NGX_PAYGW_METHOD_PAGE
              || o->method == NGX_PAYGW_METHOD_WAP);

    if (o->ref.len) {

        /* it is there: made again after a day it would be a second one */

        if (ngx_paygw_stripe_session_id(&o->ref) != hosted) {
            o->code = NGX_PAYGW_CODE_ORDER_MISMATCH;
            return NGX_DECLINED;
        }

        return ngx_paygw_stripe_order_query(x, o);
    }

    if (ngx_paygw_form_new(x->n.pool, &form) != NGX_OK
        || ngx_paygw_order_text(x->n.pool, &key, "paygw:%V:create:%V",
                                &x->n.channels[0]->name, &o->id)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (hosted) {
        ngx_str_set(&path, NGX_PAYGW_STRIPE_SESSIONS);
        rc = ngx_paygw_stripe_session_form(x, o, &form);

    } else {
        ngx_str_set(&path, NGX_PAYGW_STRIPE_INTENTS);
        rc = ngx_paygw_stripe_intent_form(x, o, &form);
    }

    return (rc == NGX_OK) ? ngx_paygw_stripe_post(x, &path, &form, &key)
                          : NGX_ERROR;
}


static ngx_int_t
ngx_paygw_stripe_intent_form(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_str_t  currency;

    static ngx_str_t  on = ngx_string("true");

    if (ngx_paygw_stripe_currency(x->n.pool, o, &currency) != NGX_OK
        || ngx_paygw_stripe_number(x->n.pool, form, "amount", o->amount)
           != NGX_OK
        || ngx_paygw_form_add(form, "currency", &currency) != NGX_OK
        || ngx_paygw_form_add(form, "automatic_payment_methods[enabled]", &on)
           != NGX_OK
        || ngx_paygw_form_add(form, "description", &o->subject) != NGX_OK
        || (o->payer.len
            && ngx_paygw_form_add(form, "customer", &o->payer) != NGX_OK))
    {
        return NGX_ERROR;
    }

    return ngx_paygw_stripe_meta(x, o, form, "metadata");
}


/* metadata of a session does not go to its payment by itself */

static ngx_int_t
ngx_paygw_stripe_session_form(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_str_t  currency;

    static ngx_str_t  mode = ngx_string("payment");
    static ngx_str_t  one = ngx_string("1");

    if (ngx_paygw_stripe_currency(x->n.pool, o, &currency) != NGX_OK
        || ngx_paygw_form_add(form, "mode", &mode) != NGX_OK
        || ngx_paygw_form_add(form, "line_items[0][price_data][currency]",
                              &currency)
           != NGX_OK
        || ngx_paygw_stripe_number(x->n.pool, form,
                                   "line_items[0][price_data][unit_amount]",
                                   o->amount)
           != NGX_OK
        || ngx_paygw_form_add(form,
                              "line_items[0][price_data][product_data][name]",
                              &o->subject)
           != NGX_OK
        || ngx_paygw_form_add(form, "line_items[0][quantity]", &one)
           != NGX_OK
        || ngx_paygw_form_add(form, "success_url", &o->return_url) != NGX_OK
        || ngx_paygw_form_add(form, "client_reference_id", &o->id) != NGX_OK
        || (o->payer.len
            && ngx_paygw_form_add(form, "customer", &o->payer) != NGX_OK)
        || ngx_paygw_stripe_meta(x, o, form, "metadata") != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_stripe_meta(x, o, form, "payment_intent_data[metadata]");
}


static ngx_int_t
ngx_paygw_stripe_meta(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form, const char *head)
{
    ngx_str_t   name;
    ngx_uint_t  i;

    for (i = 0; i <= o->nmeta; i++) {

        if (i == o->nmeta) {
            if (ngx_paygw_order_text(x->n.pool, &name, "%s[out_trade_no]%Z",
                                     head)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

        } else if (ngx_paygw_order_text(x->n.pool, &name, "%s[%V]%Z", head,
                                        &o->meta[i].name)
                   != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_paygw_form_add(form, (char *) name.data,
                               (i == o->nmeta) ? &o->id : &o->meta[i].value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_currency(ngx_pool_t *pool, ngx_paygw_order_t *o,
    ngx_str_t *currency)
{
    currency->len = o->currency.len;
    currency->data = ngx_pnalloc(pool, currency->len);

    if (currency->data == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(currency->data, o->currency.data, currency->len);

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_number(ngx_pool_t *pool, ngx_paygw_form_t *form,
    const char *name, int64_t value)
{
    ngx_str_t  text;

    if (ngx_paygw_order_text(pool, &text, "%L", value) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_form_add(form, name, &text);
}


/*
 * By its id where that is known; else by our number, which Stripe finds some
 * time after it was made.
 */

static ngx_int_t
ngx_paygw_stripe_order_query(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_str_t  path, args, none;

    ngx_str_null(&args);
    ngx_str_null(&none);

    if (o->ref.len == 0) {
        ngx_str_set(&path, NGX_PAYGW_STRIPE_INTENTS "/search");

        if (ngx_paygw_order_text(x->n.pool, &args,
                                 "query=metadata%%5B%%27out_trade_no%%27%%5D"
                                 "%%3A%%27%V%%27&limit=2", &o->id)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

    } else if (ngx_paygw_order_text(x->n.pool, &path, "%s/%V",
                                    ngx_paygw_stripe_session_id(&o->ref)
                                    ? NGX_PAYGW_STRIPE_SESSIONS
                                    : NGX_PAYGW_STRIPE_INTENTS, &o->ref)
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_order_call(x, "GET", &path, &args, "", &none);
}


/* never what has not been looked at: the id may be that of another order */

static ngx_int_t
ngx_paygw_stripe_order_close(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_str_t                  path, none;
    ngx_uint_t                 session;
    ngx_paygw_stripe_found_t  *found;

    found = o->data;

    if (found->stage == NGX_PAYGW_STRIPE_LOOK) {
        return ngx_paygw_stripe_order_query(x, o);
    }

    ngx_str_null(&none);
    session = ngx_paygw_stripe_session_id(&found->id);

    if (ngx_paygw_order_text(x->n.pool, &path, "%s/%V/%s",
                             session ? NGX_PAYGW_STRIPE_SESSIONS
                                     : NGX_PAYGW_STRIPE_INTENTS,
                             &found->id, session ? "expire" : "cancel")
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_order_call(x, "POST", &path, &none,
                                NGX_PAYGW_STRIPE_FORM, &none);
}


/*
 * A key is kept for a day: that a refund is not made twice is seen in the list
 * of those that are there.
 */

static ngx_int_t
ngx_paygw_stripe_order_refund(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_str_t                  path, key;
    ngx_paygw_form_t           form;
    ngx_paygw_stripe_found_t  *found;

    found = o->data;

    if (found->stage != NGX_PAYGW_STRIPE_ACT) {
        return ngx_paygw_stripe_refund_query(x, o);
    }

    ngx_str_set(&path, NGX_PAYGW_STRIPE_REFUNDS);

    if (ngx_paygw_form_new(x->n.pool, &form) != NGX_OK
        || ngx_paygw_form_add(&form, "payment_intent", &found->intent)
           != NGX_OK
        || ngx_paygw_stripe_number(x->n.pool, &form, "amount",
                                   o->refund_amount)
           != NGX_OK
        || ngx_paygw_form_add(&form, "metadata[out_trade_no]", &o->id)
           != NGX_OK
        || ngx_paygw_form_add(&form, "metadata[out_refund_no]", &o->refund_id)
           != NGX_OK
        || (o->reason.len
            && ngx_paygw_form_add(&form, "metadata[reason]", &o->reason)
               != NGX_OK)
        || ngx_paygw_order_text(x->n.pool, &key, "paygw:%V:refund:%V:%V",
                                &x->n.channels[0]->name, &o->id,
                                &o->refund_id)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_stripe_post(x, &path, &form, &key);
}


static ngx_int_t
ngx_paygw_stripe_refund_query(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_str_t                  path, args, none;
    ngx_paygw_stripe_found_t  *found;

    found = o->data;

    if (found->stage == NGX_PAYGW_STRIPE_LOOK) {
        return ngx_paygw_stripe_order_query(x, o);
    }

    ngx_str_null(&none);
    ngx_str_set(&path, NGX_PAYGW_STRIPE_REFUNDS);

    if (ngx_paygw_order_text(x->n.pool, &args,
                             "payment_intent=%V&limit=100%s%V",
                             &found->intent,
                             found->after.len ? "&starting_after=" : "",
                             &found->after)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_order_call(x, "GET", &path, &args, "", &none);
}


static ngx_int_t
ngx_paygw_stripe_post(ngx_paygw_exchange_t *x, ngx_str_t *path,
    ngx_paygw_form_t *form, ngx_str_t *key)
{
    ngx_str_t  body, none;

    ngx_str_null(&none);

    if (ngx_paygw_form_write(x->n.pool, form, &body) != NGX_OK
        || ngx_paygw_order_call(x, "POST", path, &none,
                                NGX_PAYGW_STRIPE_FORM, &body)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    x->in.headers[NGX_PAYGW_STRIPE_ASKS_KEY] = *key;

    return NGX_OK;
}
