
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_text.h"


/* What an answer of UnionPay's gateway says of a refund. */


ngx_int_t
ngx_paygw_unionpay_refunded(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    int64_t            amount;
    ngx_str_t         *value;
    ngx_paygw_told_t  *told;

    told = &o->told;

    value = ngx_paygw_fields_value(form, "txnAmt");

    if (value
        && (ngx_paygw_minor_parse(value, &amount) != NGX_OK
            || amount != o->refund_amount))
    {
        return ngx_paygw_order_other(x, "txnAmt");
    }

    (void) ngx_paygw_fields_word(form, "queryId", 64, &told->refund_no);

    ngx_str_null(&told->word);
    told->outcome = NGX_PAYGW_OUTCOME_PENDING;
    told->refund_amount = o->refund_amount;
    told->trade_no = *(ngx_str_t *) o->data;
    ngx_str_set(&told->currency, "CNY");

    return NGX_OK;
}


ngx_int_t
ngx_paygw_unionpay_refund_state(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form)
{
    ngx_str_t         *value;
    ngx_paygw_told_t  *told;

    told = &o->told;

    value = ngx_paygw_fields_value(form, "origQryId");

    if (value && !ngx_paygw_order_same(value, o->data)) {

        /* it is there, and not of this order */

        o->sent = 0;
        o->code = (o->op == NGX_PAYGW_OP_REFUND)
                  ? NGX_PAYGW_CODE_REFUND_MISMATCH
                  : NGX_PAYGW_CODE_REFUND_NOT_FOUND;
        return NGX_OK;
    }

    if (!ngx_paygw_fields_word(form, "origRespCode",
                               NGX_PAYGW_UNIONPAY_CODE_MAX, &told->word))
    {
        return ngx_paygw_order_strange(x, "origRespCode");
    }

    value = ngx_paygw_fields_value(form, "txnAmt");

    if (value == NULL
        || ngx_paygw_minor_parse(value, &told->refund_amount) != NGX_OK
        || told->refund_amount < 1)
    {
        return ngx_paygw_order_strange(x, "txnAmt");
    }

    if (o->op == NGX_PAYGW_OP_REFUND
        && told->refund_amount != o->refund_amount)
    {
        o->sent = 0;
        o->code = NGX_PAYGW_CODE_REFUND_MISMATCH;
        return NGX_OK;
    }

    told->outcome = ngx_paygw_unionpay_end(o);

    if (told->outcome == NGX_PAYGW_OUTCOME_UNKNOWN) {
        told->outcome = NGX_PAYGW_OUTCOME_PENDING;
    }

    (void) ngx_paygw_fields_word(form, "queryId", 64, &told->refund_no);

    told->trade_no = *(ngx_str_t *) o->data;
    ngx_str_set(&told->currency, "CNY");

    return NGX_OK;
}
