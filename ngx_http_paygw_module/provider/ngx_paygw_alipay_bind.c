
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_text.h"


static void ngx_paygw_alipay_bind_amount(ngx_paygw_json_t *business,
    int64_t *amount);


/* all that make a trade; those of the REST form are called the same here */

static const ngx_str_t  ngx_paygw_alipay_creates[] = {
    ngx_string("alipay.trade.precreate"),
    ngx_string("alipay.trade.create"),
    ngx_string("alipay.trade.pay"),
    ngx_string("alipay.trade.page.pay"),
    ngx_string("alipay.trade.wap.pay"),
    ngx_string("alipay.trade.app.pay"),
    ngx_null_string
};


/* errors after which there may be a trade of this number all the same */

static const ngx_str_t  ngx_paygw_alipay_exists[] = {
    ngx_string("ACQ.TRADE_HAS_SUCCESS"),
    ngx_string("ACQ.TRADE_HAS_CLOSE"),
    ngx_string("ACQ.CONTEXT_INCONSISTENT"),
    ngx_string("TRADE_HAS_SUCCESS"),
    ngx_string("TRADE_HAS_CLOSE"),
    ngx_string("CONTEXT_INCONSISTENT"),
    ngx_null_string
};


void
ngx_paygw_alipay_bind(ngx_paygw_exchange_t *x, ngx_str_t *method,
    ngx_paygw_json_t *business)
{
    int64_t    amount;
    ngx_str_t  id, seller, other, currency;

    if (!ngx_paygw_exchange_among(ngx_paygw_alipay_creates, method)) {
        return;
    }

    ngx_paygw_alipay_bind_amount(business, &amount);

    (void) ngx_paygw_json_get_string(business, "out_trade_no", &id);
    (void) ngx_paygw_json_get_string(business, "seller_id", &seller);
    (void) ngx_paygw_json_get_string(business, "trans_currency", &other);

    /* callbacks know one currency, and do not say another one */

    ngx_str_null(&currency);

    if (other.len == 0) {
        ngx_str_set(&currency, "CNY");
    }

    ngx_paygw_bind_order(&x->order, &id, amount, &currency, &seller);
}


static void
ngx_paygw_alipay_bind_amount(ngx_paygw_json_t *business, int64_t *amount)
{
    ngx_paygw_json_t  *total;

    *amount = -1;

    total = ngx_paygw_json_get(business, "total_amount");

    if (total == NULL
        || (total->type != NGX_PAYGW_JSON_STRING
            && total->type != NGX_PAYGW_JSON_NUMBER)
        || ngx_paygw_amount_parse(&total->value, amount) != NGX_OK)
    {
        *amount = -1;
    }
}


/* the REST form has no code beside that of an error, which is sub_code here */

void
ngx_paygw_alipay_bound(ngx_paygw_exchange_t *x, ngx_str_t *method,
    ngx_str_t *code, ngx_str_t *sub_code)
{
    /* the REST form has no code but the word, and a status, not signed */

    if (x->open || sub_code->len == 0
        || (code->len ? code->data[0] != '4' : x->status >= 500)
        || !ngx_paygw_exchange_among(ngx_paygw_alipay_creates, method))
    {
        return;
    }

    x->refused = !ngx_paygw_exchange_among(ngx_paygw_alipay_exists, sub_code);
}
