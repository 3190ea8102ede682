
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_stripe.h"
#include "ngx_paygw_event.h"


/* What an answer of Stripe says of an order. */


#define NGX_PAYGW_STRIPE_URL_MAX     4096
#define NGX_PAYGW_STRIPE_SECRET_MAX  255


static ngx_int_t ngx_paygw_stripe_problem(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *error);
static ngx_int_t ngx_paygw_stripe_created(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *root);
static ngx_int_t ngx_paygw_stripe_looked(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *root);
static ngx_int_t ngx_paygw_stripe_search(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *root, ngx_paygw_json_t **obj);
static ngx_int_t ngx_paygw_stripe_closed(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *root);
static ngx_int_t ngx_paygw_stripe_listed(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *root);


/*
 * By code, or by type where there is none.  A key whose first call is not over
 * yet (409, whatever the code): what becomes of that nobody knows.
 */

static const ngx_paygw_code_word_t  ngx_paygw_stripe_codes[] = {
    { ngx_string("resource_missing"), NGX_PAYGW_CODE_ORDER_NOT_FOUND, 0 },
    { ngx_string("idempotency_error"), NGX_PAYGW_CODE_ORDER_MISMATCH, 0 },
    { ngx_string("idempotency_key_in_use"), NGX_PAYGW_CODE_UNCLEAR, 0 },
    { ngx_string("rate_limit"), NGX_PAYGW_CODE_BUSY, 0 },
    { ngx_string("lock_timeout"), NGX_PAYGW_CODE_BUSY, 0 },
    { ngx_string("payment_intent_unexpected_state"),
      NGX_PAYGW_CODE_ORDER_STATE, 0 },
    { ngx_string("charge_disputed"), NGX_PAYGW_CODE_ORDER_STATE, 0 },
    { ngx_string("charge_already_refunded"),
      NGX_PAYGW_CODE_REFUND_TOO_MUCH, 0 },
    { ngx_string("balance_insufficient"), NGX_PAYGW_CODE_BALANCE, 0 },
    { ngx_string("insufficient_funds"), NGX_PAYGW_CODE_BALANCE, 0 },
    { ngx_string("api_key_expired"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("secret_key_required"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("testmode_charges_only"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("livemode_mismatch"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("account_invalid"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_null_string, NGX_PAYGW_CODE_REFUSED, 0 }
};


ngx_int_t
ngx_paygw_stripe_normalise(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    char                      *err;
    ngx_int_t                  rc;
    ngx_paygw_json_t          *root, *error;
    ngx_paygw_stripe_found_t  *found;

    found = o->data;

    rc = ngx_paygw_json_parse(x->n.pool, &x->reply, &root, &err);

    if (rc != NGX_OK) {
        return (rc == NGX_ERROR) ? NGX_ERROR
                                 : ngx_paygw_order_strange(x, "JSON");
    }

    /* the check of the answer has compared it with the status */

    error = ngx_paygw_json_get(root, "error");

    if (error && error->type == NGX_PAYGW_JSON_OBJECT) {
        return ngx_paygw_stripe_problem(x, o, error);
    }

    if (o->op == NGX_PAYGW_OP_CREATE) {
        return ngx_paygw_stripe_created(x, o, root);
    }

    switch (found->stage) {

    case NGX_PAYGW_STRIPE_LOOK:
        return ngx_paygw_stripe_looked(x, o, root);

    case NGX_PAYGW_STRIPE_LIST:
        return ngx_paygw_stripe_listed(x, o, root);

    default:
        return (o->op == NGX_PAYGW_OP_CLOSE)
               ? ngx_paygw_stripe_closed(x, o, root)
               : ngx_paygw_stripe_refunded(x, o, root);
    }
}


static ngx_int_t
ngx_paygw_stripe_problem(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *error)
{
    ngx_str_t                 *word;
    ngx_paygw_stripe_found_t  *found;

    found = o->data;
    word = &o->told.word;

    if (ngx_paygw_event_word(error, "code", NGX_PAYGW_STRIPE_WORD_MAX, word)
        != NGX_OK
        || word->len == 0)
    {
        if (ngx_paygw_event_word(error, "type", NGX_PAYGW_STRIPE_WORD_MAX,
                                 word)
            != NGX_OK)
        {
            return ngx_paygw_order_strange(x, "error.type");
        }
    }

    o->code = ngx_paygw_code_find(ngx_paygw_stripe_codes, word, 0)->code;

    if (x->status >= 500 || x->status == 424 || x->status == 409) {
        o->code = NGX_PAYGW_CODE_UNCLEAR;

    } else if (o->code == NGX_PAYGW_CODE_REFUSED) {

        switch (x->status) {

        case 401:
        case 403:
            o->code = NGX_PAYGW_CODE_ACCOUNT;
            break;

        case 402:
            o->code = NGX_PAYGW_CODE_PAYER;
            break;

        case 429:
            o->code = NGX_PAYGW_CODE_BUSY;
            break;

        default:
            break;
        }
    }

    /* what was found a moment ago, or is not there at all yet */

    if (o->code == NGX_PAYGW_CODE_ORDER_NOT_FOUND
        && (o->op == NGX_PAYGW_OP_CREATE
            || found->stage != NGX_PAYGW_STRIPE_LOOK))
    {
        o->code = NGX_PAYGW_CODE_REFUSED;
    }

    if (o->code == NGX_PAYGW_CODE_ORDER_MISMATCH
        && o->op == NGX_PAYGW_OP_REFUND)
    {
        o->code = NGX_PAYGW_CODE_REFUND_MISMATCH;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_created(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *root)
{
    ngx_int_t          rc;
    ngx_str_t          secret;
    ngx_paygw_told_t  *told;

    told = &o->told;

    rc = ngx_paygw_stripe_payment(x, o, root);
    if (rc != NGX_OK) {
        return rc;
    }

    if (o->code != NGX_PAYGW_CODE_OK) {
        return ngx_paygw_order_other(x, "order");
    }

    if (o->ref.len && told->outcome == NGX_PAYGW_OUTCOME_SUCCESS) {
        o->code = NGX_PAYGW_CODE_ORDER_PAID;
        return NGX_OK;
    }

    if (o->ref.len && told->state == NGX_PAYGW_STATE_CLOSED) {
        o->code = NGX_PAYGW_CODE_ORDER_CLOSED;
        return NGX_OK;
    }

    if (told->amount != o->amount
        || !ngx_paygw_order_same(&told->currency, &o->currency))
    {
        return ngx_paygw_order_other(x, "amount");
    }

    if (ngx_paygw_stripe_session_id(&told->ref)) {

        if (ngx_paygw_event_word(root, "url", NGX_PAYGW_STRIPE_URL_MAX,
                                 &told->value)
            != NGX_OK
            || told->value.len == 0)
        {
            return ngx_paygw_order_strange(x, "url");
        }

        told->action = NGX_PAYGW_ACTION_REDIRECT;

        return NGX_OK;
    }

    if (ngx_paygw_event_word(root, "client_secret",
                             NGX_PAYGW_STRIPE_SECRET_MAX, &secret)
        != NGX_OK
        || secret.len == 0)
    {
        return ngx_paygw_order_strange(x, "client_secret");
    }

    told->action = (o->method == NGX_PAYGW_METHOD_APP)
                   ? NGX_PAYGW_ACTION_APP : NGX_PAYGW_ACTION_JSAPI;

    ngx_paygw_order_param(o, "paymentIntent", &told->ref);
    ngx_paygw_order_param(o, "clientSecret", &secret);

    return NGX_OK;
}


/* the payment is found: what is to be done next */

static ngx_int_t
ngx_paygw_stripe_looked(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *root)
{
    ngx_int_t                  rc;
    ngx_paygw_json_t          *obj;
    ngx_paygw_stripe_found_t  *found;

    found = o->data;
    obj = root;

    if (o->ref.len == 0) {
        rc = ngx_paygw_stripe_search(x, o, root, &obj);

        if (rc != NGX_OK || obj == NULL) {
            return rc;
        }
    }

    rc = ngx_paygw_stripe_payment(x, o, obj);

    if (rc != NGX_OK || o->code != NGX_PAYGW_CODE_OK
        || o->op == NGX_PAYGW_OP_QUERY)
    {
        return rc;
    }

    found->id = o->told.ref;
    found->intent = o->told.trade_no;
    found->currency = o->told.currency;

    if (o->op == NGX_PAYGW_OP_CLOSE) {

        if (o->told.outcome == NGX_PAYGW_OUTCOME_SUCCESS) {
            o->code = NGX_PAYGW_CODE_ORDER_PAID;
            return NGX_OK;
        }

        found->stage = NGX_PAYGW_STRIPE_ACT;

        return (o->told.state == NGX_PAYGW_STATE_CLOSED) ? NGX_OK : NGX_AGAIN;
    }

    if (o->told.outcome != NGX_PAYGW_OUTCOME_SUCCESS
        || found->intent.len == 0)
    {
        o->unasked = 1;
        o->code = (o->op == NGX_PAYGW_OP_REFUND)
                  ? NGX_PAYGW_CODE_ORDER_STATE
                  : NGX_PAYGW_CODE_REFUND_NOT_FOUND;
        return NGX_OK;
    }

    found->stage = NGX_PAYGW_STRIPE_LIST;

    return NGX_AGAIN;
}


/*
 * What was made a moment ago is not found yet: of an order that is asked for
 * it is not said that there is none.
 */

static ngx_int_t
ngx_paygw_stripe_search(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *root, ngx_paygw_json_t **obj)
{
    ngx_paygw_json_t  *data;

    *obj = NULL;

    data = ngx_paygw_json_get(root, "data");

    if (data == NULL || data->type != NGX_PAYGW_JSON_ARRAY) {
        return ngx_paygw_order_strange(x, "data");
    }

    if (data->child == NULL) {

        if (o->op == NGX_PAYGW_OP_QUERY) {
            o->told.outcome = NGX_PAYGW_OUTCOME_PENDING;

        } else {
            o->code = NGX_PAYGW_CODE_ORDER_NOT_FOUND;
        }

        return NGX_OK;
    }

    if (data->child->next) {
        (void) ngx_paygw_order_missing(o, "ref");
        o->hint = "is missing, there are several payments of this order";

        return NGX_OK;
    }

    *obj = data->child;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_closed(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *root)
{
    ngx_int_t  rc;

    rc = ngx_paygw_stripe_payment(x, o, root);
    if (rc != NGX_OK) {
        return rc;
    }

    if (o->code != NGX_PAYGW_CODE_OK) {
        return ngx_paygw_order_other(x, "order");
    }

    if (o->told.state != NGX_PAYGW_STATE_CLOSED) {
        return ngx_paygw_order_strange(x, "status");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_listed(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *root)
{
    ngx_str_t                  id;
    ngx_paygw_json_t          *data, *m, *more;
    ngx_paygw_stripe_found_t  *found;

    found = o->data;

    data = ngx_paygw_json_get(root, "data");

    if (data == NULL || data->type != NGX_PAYGW_JSON_ARRAY) {
        return ngx_paygw_order_strange(x, "data");
    }

    for (m = data->child; m; m = m->next) {

        if (ngx_paygw_event_word(m, "id", NGX_PAYGW_ORDER_REF_MAX,
                                 &found->after)
            != NGX_OK
            || !ngx_paygw_order_plain(&found->after, NGX_PAYGW_ORDER_REF_MAX))
        {
            return ngx_paygw_order_strange(x, "id");
        }

        /* others may be there, made by other programs */

        if (ngx_paygw_event_word(ngx_paygw_json_get(m, "metadata"),
                                 "out_refund_no", NGX_PAYGW_ORDER_ID_MAX, &id)
            == NGX_OK
            && ngx_paygw_order_same(&id, &o->refund_id))
        {
            return ngx_paygw_stripe_refunded(x, o, m);
        }
    }

    more = ngx_paygw_json_get(root, "has_more");

    if (data->child && more && more->type == NGX_PAYGW_JSON_BOOL
        && more->value.len == sizeof("true") - 1)
    {
        return NGX_AGAIN;
    }

    if (o->op == NGX_PAYGW_OP_REFUND_QUERY) {
        o->code = NGX_PAYGW_CODE_REFUND_NOT_FOUND;
        return NGX_OK;
    }

    found->stage = NGX_PAYGW_STRIPE_ACT;

    return NGX_AGAIN;
}
