
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_bind.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_stripe.h"
#include "ngx_paygw_text.h"


/*
 * Stripe has no number of the shop's for a payment: what callbacks call the
 * order is metadata[out_trade_no].  The amount of a Checkout session is known
 * when it has been made, and that of an intent may be changed later: so what an
 * answer says of either counts.
 */


#define NGX_PAYGW_STRIPE_BIND_REF  256


static void ngx_paygw_stripe_bind_account(ngx_paygw_exchange_t *x,
    ngx_str_t *account);
static ngx_uint_t ngx_paygw_stripe_refused(ngx_uint_t status,
    ngx_paygw_json_t *answer);


ngx_int_t
ngx_paygw_stripe_bind(ngx_paygw_exchange_t *x)
{
    char              *err;
    int64_t            amount;
    ngx_int_t          rc;
    ngx_str_t          id, account, currency, *value;
    ngx_paygw_form_t   form;

    static const ngx_str_t  intents = ngx_string("/v1/payment_intents");

    if (!ngx_paygw_exchange_method(x, "POST")
        || x->path.len != intents.len
        || ngx_strncmp(x->path.data, intents.data, intents.len) != 0)
    {
        return NGX_OK;
    }

    rc = ngx_paygw_form_parse(x->n.pool, &x->in.body, &form, &err);

    if (rc != NGX_OK) {
        return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
    }

    value = ngx_paygw_fields_value(&form, "amount");

    if (value == NULL || ngx_paygw_minor_parse(value, &amount) != NGX_OK) {
        return NGX_OK;
    }

    ngx_str_null(&id);
    ngx_str_null(&currency);

    (void) ngx_paygw_fields_word(&form, "metadata[out_trade_no]", 64, &id);

    value = ngx_paygw_fields_value(&form, "currency");

    if (value
        && ngx_paygw_bind_currency(x->n.pool, value, &currency) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_paygw_stripe_bind_account(x, &account);
    ngx_paygw_bind_order(&x->order, &id, amount, &currency, &account);

    return NGX_OK;
}


/*
 * An error that leaves nothing behind: a card that was declined leaves an
 * intent that another one can pay, and a key that was used for something else
 * an order of before
 */

static ngx_uint_t
ngx_paygw_stripe_refused(ngx_uint_t status, ngx_paygw_json_t *answer)
{
    ngx_str_t          type;
    ngx_paygw_json_t  *e;

    static const ngx_str_t  none[] = {
        ngx_string("idempotency_error"),
        ngx_null_string
    };

    e = ngx_paygw_json_get(answer, "error");

    return status < 500 && status != 409 && status != 424 && status != 429
           && ngx_paygw_json_get(e, "payment_intent") == NULL
           && (ngx_paygw_json_get_string(e, "type", &type) != NGX_OK
               || !ngx_paygw_exchange_among(none, &type));
}


ngx_int_t
ngx_paygw_stripe_bound(ngx_paygw_exchange_t *x, ngx_paygw_json_t *answer)
{
    int64_t            amount;
    ngx_str_t          id, text, kind, account, currency;
    const char        *name;
    ngx_paygw_json_t  *metadata;

    if (!ngx_paygw_exchange_method(x, "POST")) {
        return NGX_OK;
    }

    if (x->status >= 400) {
        x->refused = !x->open && ngx_paygw_stripe_refused(x->status, answer);
        return NGX_OK;
    }

    (void) ngx_paygw_json_get_string(answer, "object", &kind);

    if (kind.len == sizeof("payment_intent") - 1
        && ngx_strncmp(kind.data, "payment_intent", kind.len) == 0)
    {
        name = "amount";

    } else if (kind.len == sizeof("checkout.session") - 1
               && ngx_strncmp(kind.data, "checkout.session", kind.len) == 0)
    {
        name = "amount_total";

    } else {
        return NGX_OK;
    }

    if (ngx_paygw_json_get_integer(answer, name, &amount) != NGX_OK) {
        return NGX_OK;
    }

    metadata = ngx_paygw_json_get(answer, "metadata");

    if ((metadata == NULL
         || ngx_paygw_json_get_string(metadata, "out_trade_no", &id)
            != NGX_OK)
        && (ngx_strcmp(name, "amount") == 0
            || ngx_paygw_json_get_string(answer, "client_reference_id", &id)
               != NGX_OK))
    {
        return NGX_OK;
    }

    (void) ngx_paygw_json_get_string(answer, "currency", &text);

    if (ngx_paygw_bind_currency(x->n.pool, &text, &currency) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_paygw_stripe_bind_account(x, &account);
    ngx_paygw_bind_order(&x->learned, &id, amount, &currency, &account);

    /* another one may name the same order, in whose place it does not come */

    if (ngx_paygw_json_get_string(answer, "id", &text) == NGX_OK
        && ngx_paygw_visible(&text, NGX_PAYGW_STRIPE_BIND_REF))
    {
        x->learned.ref = text;

    } else {
        ngx_str_null(&x->learned.id);
    }

    return NGX_OK;
}


static void
ngx_paygw_stripe_bind_account(ngx_paygw_exchange_t *x, ngx_str_t *account)
{
    *account = x->in.headers[NGX_PAYGW_STRIPE_ASKS_ACCOUNT];

    if (account->len == 0) {
        ngx_str_set(account, NGX_PAYGW_STRIPE_PLATFORM);
    }
}
