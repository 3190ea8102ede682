
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_order.h"


/* What an answer of the gateway says of a refund. */


static ngx_uint_t ngx_paygw_alipay_refund_done(ngx_paygw_order_t *o);


ngx_int_t
ngx_paygw_alipay_returned(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *content)
{
    int64_t            amount;
    ngx_str_t          change;
    ngx_paygw_told_t  *told;

    told = &o->told;

    if (ngx_paygw_alipay_which(x, o, content) != NGX_OK) {
        return NGX_DECLINED;
    }

    (void) ngx_paygw_event_word(content, "fund_change", 1, &change);

    if (!ngx_paygw_alipay_is(&change, "Y")) {
        o->sent = 1;
        return NGX_AGAIN;
    }

    if (ngx_paygw_alipay_money(content, "send_back_fee", &amount) != NGX_OK
        || (amount >= 0 && amount != o->refund_amount))
    {
        return ngx_paygw_order_other(x, "send_back_fee");
    }

    told->outcome = NGX_PAYGW_OUTCOME_SUCCESS;
    told->refund_amount = o->refund_amount;
    ngx_str_set(&told->currency, "CNY");

    if (ngx_paygw_alipay_when(content, "gmt_refund_pay", &told->time)
        != NGX_OK)
    {
        return ngx_paygw_order_strange(x, "gmt_refund_pay");
    }

    return NGX_OK;
}


/* a refund that is not known is answered by a success without anything in it */

ngx_int_t
ngx_paygw_alipay_refund_state(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *content)
{
    ngx_str_t          id;
    ngx_paygw_told_t  *told;

    told = &o->told;

    if (ngx_paygw_event_word(content, "out_request_no", 64, &id) != NGX_OK
        || ngx_paygw_event_word(content, "refund_status", 32, &told->word)
           != NGX_OK
        || ngx_paygw_alipay_money(content, "refund_amount",
                                  &told->refund_amount)
           != NGX_OK
        || ngx_paygw_alipay_when(content, "gmt_refund_pay", &told->time)
           != NGX_OK)
    {
        return ngx_paygw_order_strange(x, "refund");
    }

    if (id.len == 0) {

        /* after a refund that was taken: it may well be there in a moment */

        o->code = (o->op == NGX_PAYGW_OP_REFUND)
                  ? NGX_PAYGW_CODE_UNCLEAR : NGX_PAYGW_CODE_REFUND_NOT_FOUND;
        return NGX_OK;
    }

    if (!ngx_paygw_order_same(&id, &o->refund_id)) {
        return ngx_paygw_order_other(x, "out_request_no");
    }

    if (ngx_paygw_alipay_which(x, o, content) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (o->op == NGX_PAYGW_OP_REFUND && told->refund_amount >= 0
        && told->refund_amount != o->refund_amount)
    {
        /* another one has this number: that of the step before was none */

        o->sent = 0;
        o->code = NGX_PAYGW_CODE_REFUND_MISMATCH;
        return NGX_OK;
    }

    told->outcome = ngx_paygw_alipay_refund_done(o)
                    ? NGX_PAYGW_OUTCOME_SUCCESS : NGX_PAYGW_OUTCOME_PENDING;

    ngx_str_set(&told->currency, "CNY");

    return NGX_OK;
}


/*
 * An older answer has no status: it is the amount that says that the refund is
 * done, if it is the one that we know of it.
 */

static ngx_uint_t
ngx_paygw_alipay_refund_done(ngx_paygw_order_t *o)
{
    ngx_paygw_told_t  *told;

    told = &o->told;

    if (told->word.len == 0) {
        return told->refund_amount > 0
               && told->refund_amount == o->refund_amount;
    }

    if (!ngx_paygw_alipay_is(&told->word, "REFUND_SUCCESS")) {
        told->odd = "refund_status";
        return 0;
    }

    if (told->refund_amount == -1 && o->refund_amount > 0) {
        told->refund_amount = o->refund_amount;
    }

    /* of nothing at all it is none */

    return told->refund_amount != 0;
}
