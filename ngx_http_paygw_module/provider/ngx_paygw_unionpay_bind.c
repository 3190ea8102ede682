
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_bind.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_text.h"
#include "ngx_paygw_unionpay.h"


static const ngx_str_t  ngx_paygw_unionpay_creates[] = {
    ngx_string("/gateway/api/frontTransReq.do"),
    ngx_string("/gateway/api/appTransReq.do"),
    ngx_string("/gateway/api/backTransReq.do"),
    ngx_null_string
};


/*
 * A repetition (12), or one that was taken in (00, A6): there is an order; what
 * may still become one is "open".  01 and 60 are no last word about a code of
 * the payer's: see ngx_paygw_unionpay_charging().
 */

static const ngx_str_t  ngx_paygw_unionpay_exists[] = {
    ngx_string("00"),
    ngx_string("01"),
    ngx_string("12"),
    ngx_string("60"),
    ngx_string("A6"),
    ngx_null_string
};


void
ngx_paygw_unionpay_bind(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    int64_t    amount;
    ngx_str_t  id, account, *value, currency;

    /* txnType 01: a payment, as of callbacks; others have numbers of their own
     */

    if (!ngx_paygw_exchange_among(ngx_paygw_unionpay_creates, &x->path)
        || !ngx_paygw_fields_is(form, "txnType", "01"))
    {
        return;
    }

    value = ngx_paygw_fields_value(form, "txnAmt");

    if (value == NULL || ngx_paygw_minor_parse(value, &amount) != NGX_OK) {
        return;
    }

    ngx_str_null(&id);
    ngx_str_null(&account);
    ngx_str_null(&currency);

    (void) ngx_paygw_fields_word(form, "orderId", 64, &id);
    (void) ngx_paygw_fields_word(form, "merId", 64, &account);

    value = ngx_paygw_fields_value(form, "currencyCode");

    if (value) {
        ngx_paygw_unionpay_letters(value, &currency);
    }

    ngx_paygw_bind_order(&x->order, &id, amount, &currency, &account);
}


void
ngx_paygw_unionpay_bound(ngx_paygw_exchange_t *x, ngx_str_t *code)
{
    x->refused = x->order.id.len && !x->open
                 && !ngx_paygw_exchange_among(ngx_paygw_unionpay_exists, code);
}
