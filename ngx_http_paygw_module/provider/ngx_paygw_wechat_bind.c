
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_bind.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_text.h"
#include "ngx_paygw_wechat.h"


static ngx_paygw_json_t *ngx_paygw_wechat_bind_body(ngx_paygw_exchange_t *x,
    ngx_int_t *rc);
static void ngx_paygw_wechat_bound(ngx_paygw_exchange_t *x,
    const ngx_paygw_code_word_t *words, ngx_str_t *code);


static const ngx_str_t  ngx_paygw_wechat_v3_creates[] = {
    ngx_string("/v3/pay/transactions/jsapi"),
    ngx_string("/v3/pay/transactions/native"),
    ngx_string("/v3/pay/transactions/app"),
    ngx_string("/v3/pay/transactions/h5"),
    ngx_string("/v3/pay/transactions/codepay"),
    ngx_string("/v3/pay/partner/transactions/jsapi"),
    ngx_string("/v3/pay/partner/transactions/native"),
    ngx_string("/v3/pay/partner/transactions/app"),
    ngx_string("/v3/pay/partner/transactions/h5"),
    ngx_string("/v3/pay/partner/transactions/codepay"),
    ngx_null_string
};


static const ngx_str_t  ngx_paygw_wechat_v2_creates[] = {
    ngx_string("/pay/unifiedorder"),
    ngx_string("/pay/micropay"),
    ngx_null_string
};


/* errors after which there may be an order of this number all the same */

static const ngx_str_t  ngx_paygw_wechat_exists[] = {
    ngx_string("ORDERPAID"),
    ngx_string("ORDER_PAID"),
    ngx_string("ORDERCLOSED"),
    ngx_string("ORDER_CLOSED"),
    ngx_string("OUT_TRADE_NO_USED"),
    ngx_string("INVALID_REQUEST"),
    ngx_string("USERPAYING"),
    ngx_string("USER_PAYING"),
    ngx_string("BANKERROR"),
    ngx_string("BANK_ERROR"),
    ngx_string("TRADE_ERROR"),
    ngx_null_string
};


ngx_int_t
ngx_paygw_wechat_v3_bind(ngx_paygw_exchange_t *x)
{
    int64_t            total;
    ngx_int_t          rc;
    ngx_str_t          id, app, sub, text, currency, account;
    ngx_paygw_json_t  *body, *amount;

    if (!ngx_paygw_exchange_method(x, "POST")
        || !ngx_paygw_exchange_among(ngx_paygw_wechat_v3_creates, &x->path))
    {
        return NGX_OK;
    }

    body = ngx_paygw_wechat_bind_body(x, &rc);

    if (body == NULL) {
        return rc;
    }

    amount = ngx_paygw_json_get(body, "amount");

    if (ngx_paygw_json_get_integer(amount, "total", &total) != NGX_OK) {
        return NGX_OK;
    }

    (void) ngx_paygw_json_get_string(body, "out_trade_no", &id);
    (void) ngx_paygw_json_get_string(amount, "currency", &text);
    (void) ngx_paygw_json_get_string(body, "sub_mchid", &sub);

    if (ngx_paygw_json_get_string(body, "sp_appid", &app) != NGX_OK) {
        (void) ngx_paygw_json_get_string(body, "appid", &app);
    }

    if (text.len == 0) {
        ngx_str_set(&text, "CNY");
    }

    if (ngx_paygw_bind_currency(x->n.pool, &text, &currency) != NGX_OK
        || ngx_paygw_bind_account(x->n.pool, &app, &sub, &account) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_paygw_bind_order(&x->order, &id, total, &currency, &account);

    return NGX_OK;
}


/* NULL if it is no object: WeChat Pay says so itself */

static ngx_paygw_json_t *
ngx_paygw_wechat_bind_body(ngx_paygw_exchange_t *x, ngx_int_t *rc)
{
    char              *err;
    ngx_paygw_json_t  *root;

    *rc = ngx_paygw_json_parse(x->n.pool, &x->in.body, &root, &err);

    if (*rc == NGX_OK && root->type == NGX_PAYGW_JSON_OBJECT) {
        return root;
    }

    *rc = (*rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;

    return NULL;
}


void
ngx_paygw_wechat_v3_bound(ngx_paygw_exchange_t *x,
    const ngx_paygw_code_word_t *words, ngx_str_t *code)
{
    if (ngx_paygw_exchange_method(x, "POST")
        && ngx_paygw_exchange_among(ngx_paygw_wechat_v3_creates, &x->path))
    {
        ngx_paygw_wechat_bound(x, words, code);
    }
}


ngx_int_t
ngx_paygw_wechat_v2_bind(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    int64_t    total;
    ngx_str_t  id, app, sub, *value, currency, account;

    if (!ngx_paygw_exchange_among(ngx_paygw_wechat_v2_creates, &x->path)) {
        return NGX_OK;
    }

    value = ngx_paygw_fields_value(form, "total_fee");

    if (value == NULL || ngx_paygw_minor_parse(value, &total) != NGX_OK) {
        return NGX_OK;
    }

    ngx_str_null(&id);
    ngx_str_null(&app);
    ngx_str_null(&sub);

    (void) ngx_paygw_fields_word(form, "out_trade_no", 64, &id);
    (void) ngx_paygw_fields_word(form, "appid", 64, &app);
    (void) ngx_paygw_fields_word(form, "sub_mch_id", 64, &sub);

    ngx_str_set(&currency, "CNY");
    value = ngx_paygw_fields_value(form, "fee_type");

    if ((value
         && ngx_paygw_bind_currency(x->n.pool, value, &currency) != NGX_OK)
        || ngx_paygw_bind_account(x->n.pool, &app, &sub, &account) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_paygw_bind_order(&x->order, &id, total, &currency, &account);

    return NGX_OK;
}


void
ngx_paygw_wechat_v2_bound(ngx_paygw_exchange_t *x,
    const ngx_paygw_code_word_t *words, ngx_str_t *code)
{
    if (ngx_paygw_exchange_among(ngx_paygw_wechat_v2_creates, &x->path)) {
        ngx_paygw_wechat_bound(x, words, code);
    }
}


/* an error, with its code: what the account may not do has not been done */

static void
ngx_paygw_wechat_bound(ngx_paygw_exchange_t *x,
    const ngx_paygw_code_word_t *words, ngx_str_t *code)
{
    ngx_paygw_code_e  what;

    what = ngx_paygw_code_find(words, code, 0)->code;

    x->refused = (what == NGX_PAYGW_CODE_ACCOUNT
                  || !ngx_paygw_codes[what].again)
                 && x->status < 500 && x->status != 429
                 && !ngx_paygw_exchange_among(ngx_paygw_wechat_exists, code);
}
