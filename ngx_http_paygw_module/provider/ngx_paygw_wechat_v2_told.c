
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v2.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_text.h"


/*
 * What an answer of v2 says of an order.  That it is ours, and about the
 * numbers that it names, has been looked at; here it has to name them.
 */


#define NGX_PAYGW_WECHAT_V2_URL_MAX     1024
#define NGX_PAYGW_WECHAT_V2_PREPAY_MAX  64


static ngx_int_t ngx_paygw_wechat_v2_problem(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_wechat_v2_created(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_wechat_v2_second(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_wechat_second_t *second, ngx_str_t *sign);
static ngx_int_t ngx_paygw_wechat_v2_charged(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_wechat_v2_state(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_wechat_v2_money(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_wechat_v2_refunded(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_wechat_v2_refund_state(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_uint_t ngx_paygw_wechat_v2_names(ngx_paygw_form_t *form,
    const char *name, ngx_str_t *value);


/* CHANGE: the money is still to be returned, by hand */

static const ngx_paygw_wechat_told_t  ngx_paygw_wechat_v2_returns[] = {
    { ngx_string("SUCCESS"), NGX_PAYGW_OUTCOME_SUCCESS, 0, 0 },
    { ngx_string("PROCESSING"), NGX_PAYGW_OUTCOME_PENDING, 0, 0 },
    { ngx_string("REFUNDCLOSE"), NGX_PAYGW_OUTCOME_FAILED, 0, 0 },
    { ngx_string("CHANGE"), NGX_PAYGW_OUTCOME_FAILED, 0, 1 },
    { ngx_null_string, NGX_PAYGW_OUTCOME_PENDING, 0, 0 }
};


const ngx_paygw_code_word_t  ngx_paygw_wechat_v2_codes[] = {
    { ngx_string("SYSTEMERROR"), NGX_PAYGW_CODE_UNCLEAR, 1 },
    { ngx_string("SYSTEM_ERROR"), NGX_PAYGW_CODE_UNCLEAR, 1 },
    { ngx_string("BANKERROR"), NGX_PAYGW_CODE_UNCLEAR, 0 },
    { ngx_string("BIZERR_NEED_RETRY"), NGX_PAYGW_CODE_UNCLEAR, 1 },
    { ngx_string("USERPAYING"), NGX_PAYGW_CODE_UNCLEAR, 0 },
    { ngx_string("FREQUENCY_LIMITED"), NGX_PAYGW_CODE_BUSY, 1 },
    { ngx_string("FREQ_LIMIT"), NGX_PAYGW_CODE_BUSY, 1 },
    { ngx_string("SIGNERROR"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("CERT_ERROR"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("NOAUTH"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("APPID_NOT_EXIST"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("MCHID_NOT_EXIST"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("APPID_MCHID_NOT_MATCH"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("ORDERPAID"), NGX_PAYGW_CODE_ORDER_PAID, 0 },
    { ngx_string("ORDERCLOSED"), NGX_PAYGW_CODE_ORDER_CLOSED, 0 },
    { ngx_string("OUT_TRADE_NO_USED"), NGX_PAYGW_CODE_ORDER_MISMATCH, 0 },
    { ngx_string("ORDERNOTEXIST"), NGX_PAYGW_CODE_ORDER_NOT_FOUND, 0 },
    { ngx_string("REFUNDNOTEXIST"), NGX_PAYGW_CODE_REFUND_NOT_FOUND, 0 },
    { ngx_string("INVALID_TRANSACTIONID"),
      NGX_PAYGW_CODE_ORDER_NOT_FOUND, 0 },
    { ngx_string("TRADE_OVERDUE"), NGX_PAYGW_CODE_ORDER_STATE, 0 },
    { ngx_string("NOTENOUGH"), NGX_PAYGW_CODE_BALANCE, 0 },
    { ngx_string("AUTHCODEEXPIRE"), NGX_PAYGW_CODE_PAYER, 0 },
    { ngx_string("AUTH_CODE_ERROR"), NGX_PAYGW_CODE_PAYER, 0 },
    { ngx_string("AUTH_CODE_INVALID"), NGX_PAYGW_CODE_PAYER, 0 },
    { ngx_string("NOTSUPORTCARD"), NGX_PAYGW_CODE_PAYER, 0 },
    { ngx_string("BUYER_MISMATCH"), NGX_PAYGW_CODE_PAYER, 0 },
    { ngx_null_string, NGX_PAYGW_CODE_REFUSED, 0 }
};


ngx_int_t
ngx_paygw_wechat_v2_normalise(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_int_t          rc;
    ngx_paygw_form_t  *form;

    if (o->op == NGX_PAYGW_OP_BILL) {
        o->told.file = x->reply;
        return NGX_OK;
    }

    form = &((ngx_paygw_wechat_v2_ctx_t *) x->n.data)->form;

    if (!ngx_paygw_fields_is(form, "result_code", "SUCCESS")) {
        return ngx_paygw_wechat_v2_problem(x, o, form);
    }

    switch (o->op) {

    case NGX_PAYGW_OP_CREATE:
        return (o->method == NGX_PAYGW_METHOD_BARCODE)
               ? ngx_paygw_wechat_v2_charged(x, o, form)
               : ngx_paygw_wechat_v2_created(x, o, form);

    case NGX_PAYGW_OP_CLOSE:
        o->told.state = NGX_PAYGW_STATE_CLOSED;
        return NGX_OK;

    case NGX_PAYGW_OP_REFUND:

        if (o->amount >= 0) {
            return ngx_paygw_wechat_v2_refunded(x, o, form);
        }

        /* it was the question before */

        rc = ngx_paygw_wechat_v2_state(x, o, form);

        return (rc == NGX_OK) ? ngx_paygw_wechat_asked(o) : rc;

    case NGX_PAYGW_OP_REFUND_QUERY:
        return ngx_paygw_wechat_v2_refund_state(x, o, form);

    default:
        return ngx_paygw_wechat_v2_state(x, o, form);
    }
}


static ngx_int_t
ngx_paygw_wechat_v2_problem(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_str_t  *text;

    if (!ngx_paygw_fields_word(form, "err_code", 64, &o->told.word)) {
        return ngx_paygw_order_strange(x, "err_code");
    }

    o->code = ngx_paygw_code_find(ngx_paygw_wechat_v2_codes, &o->told.word,
                                  0)->code;

    text = ngx_paygw_wechat_v2_value(form, "err_code_des");

    ngx_paygw_wechat_doubt(o, text ? text : &o->told.word);

    if (o->op != NGX_PAYGW_OP_CREATE
        || o->method != NGX_PAYGW_METHOD_BARCODE)
    {
        return NGX_OK;
    }

    if (ngx_paygw_wechat_v2_is(&o->told.word, "NOTENOUGH")) {

        /* of a payment it is the payer who has no money */

        o->code = NGX_PAYGW_CODE_PAYER;

    } else if (ngx_paygw_wechat_v2_is(&o->told.word, "USERPAYING")) {

        /* he is being asked for his password */

        o->code = NGX_PAYGW_CODE_OK;
        o->told.outcome = NGX_PAYGW_OUTCOME_PENDING;
        o->told.state = NGX_PAYGW_STATE_PAYING;
        o->told.amount = o->amount;
        o->told.currency = o->currency;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v2_created(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_str_t                    value;
    const char                  *name;
    ngx_paygw_wechat_v2_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    if (!ngx_paygw_fields_word(form, "prepay_id",
                               NGX_PAYGW_WECHAT_V2_PREPAY_MAX, &value))
    {
        return ngx_paygw_order_strange(x, "prepay_id");
    }

    if (o->method == NGX_PAYGW_METHOD_QR || o->method == NGX_PAYGW_METHOD_H5)
    {
        name = (o->method == NGX_PAYGW_METHOD_QR) ? "code_url" : "mweb_url";

        if (!ngx_paygw_fields_word(form, name, NGX_PAYGW_WECHAT_V2_URL_MAX,
                                   &value))
        {
            return ngx_paygw_order_strange(x, name);
        }
    }

    return ngx_paygw_wechat_created(x, o, &value,
                                    (ngx_str_t *) &conf->sign->name,
                                    ngx_paygw_wechat_v2_second);
}


/* over all parameters of the action, by the rule of a request */

static ngx_int_t
ngx_paygw_wechat_v2_second(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_wechat_second_t *second, ngx_str_t *sign)
{
    char                        *err;
    ngx_str_t                    text, *key;
    ngx_uint_t                   i;
    ngx_paygw_form_t             form;
    ngx_paygw_wechat_v2_conf_t  *conf;

    conf = x->n.channels[0]->conf;
    key = conf->keys->elts;

    sign->data = ngx_pnalloc(x->n.pool, NGX_PAYGW_WECHAT_V2_HEX);

    if (sign->data == NULL
        || ngx_paygw_form_new(x->n.pool, &form) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < o->told.nparams; i++) {
        form.fields[form.nfields++] = o->told.params[i];
    }

    if (ngx_paygw_form_sort(&form, &err) != NGX_OK
        || ngx_paygw_form_canonical(x->n.pool, &form,
                                    ngx_paygw_wechat_v2_skip,
                                    NGX_PAYGW_CANON_DROP_EMPTY, &text)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_wechat_v2_mac(conf->sign, &key[0], &text, sign,
                                   x->n.log);
}


/* by a code of the payer's: paid at once */

static ngx_int_t
ngx_paygw_wechat_v2_charged(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    o->told.outcome = NGX_PAYGW_OUTCOME_SUCCESS;
    o->told.state = NGX_PAYGW_STATE_PAID;

    if (ngx_paygw_wechat_v2_money(x, o, form) != NGX_OK) {
        return NGX_DECLINED;
    }

    return (o->told.amount == o->amount) ? NGX_OK
                                         : ngx_paygw_order_other(x,
                                                                 "total_fee");
}


static ngx_int_t
ngx_paygw_wechat_v2_state(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    if (!ngx_paygw_fields_word(form, "trade_state", 32, &o->told.word)) {
        return ngx_paygw_order_strange(x, "trade_state");
    }

    ngx_paygw_wechat_means(o, ngx_paygw_wechat_trades, "trade_state");

    return ngx_paygw_wechat_v2_money(x, o, form);
}


/* whose order it is, and how much was paid; of one that is not, what is said */

static ngx_int_t
ngx_paygw_wechat_v2_money(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_str_t         *value;
    ngx_uint_t         paid;
    ngx_paygw_told_t  *told;

    told = &o->told;
    paid = (told->outcome == NGX_PAYGW_OUTCOME_SUCCESS);

    if (!ngx_paygw_wechat_v2_names(form, "out_trade_no", &o->id)) {
        return ngx_paygw_order_other(x, "out_trade_no");
    }

    value = ngx_paygw_wechat_v2_value(form, "total_fee");

    if (value ? ngx_paygw_minor_parse(value, &told->amount) != NGX_OK
                || (paid && told->amount < 1)
              : paid)
    {
        return ngx_paygw_order_strange(x, "total_fee");
    }

    if (value && !ngx_paygw_fields_word(form, "fee_type", 3, &told->currency))
    {
        ngx_str_set(&told->currency, "CNY");
    }

    if (!ngx_paygw_fields_word(form, "transaction_id", 64, &told->trade_no)
        && paid)
    {
        return ngx_paygw_order_strange(x, "transaction_id");
    }

    value = ngx_paygw_wechat_v2_value(form, "time_end");

    if (value
        && ngx_paygw_compact_parse(value, NGX_PAYGW_WECHAT_ZONE, &told->time)
           != NGX_OK)
    {
        return ngx_paygw_order_strange(x, "time_end");
    }

    (void) (ngx_paygw_fields_word(form, "openid", 128, &told->payer)
            || ngx_paygw_fields_word(form, "sub_openid", 128, &told->payer));

    return NGX_OK;
}


/* it is taken, and not done: the callback tells, or the next question */

static ngx_int_t
ngx_paygw_wechat_v2_refunded(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_str_t         *value;
    ngx_paygw_told_t  *told;

    told = &o->told;

    if (!ngx_paygw_wechat_v2_names(form, "out_trade_no", &o->id)) {
        return ngx_paygw_order_other(x, "out_trade_no");
    }

    if (!ngx_paygw_wechat_v2_names(form, "out_refund_no", &o->refund_id)) {
        return ngx_paygw_order_other(x, "out_refund_no");
    }

    value = ngx_paygw_wechat_v2_value(form, "refund_fee");

    if (value == NULL
        || ngx_paygw_minor_parse(value, &told->refund_amount) != NGX_OK)
    {
        return ngx_paygw_order_strange(x, "refund_fee");
    }

    if (told->refund_amount != o->refund_amount) {
        return ngx_paygw_order_other(x, "refund_fee");
    }

    if (!ngx_paygw_fields_word(form, "refund_id", 64, &told->refund_no)) {
        return ngx_paygw_order_strange(x, "refund_id");
    }

    (void) ngx_paygw_fields_word(form, "transaction_id", 64, &told->trade_no);

    ngx_str_set(&told->currency, "CNY");
    told->outcome = NGX_PAYGW_OUTCOME_PENDING;

    return NGX_OK;
}


/* asked for by the number of one refund: there is one, of index 0 */

static ngx_int_t
ngx_paygw_wechat_v2_refund_state(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form)
{
    ngx_str_t         *value;
    ngx_paygw_told_t  *told;

    told = &o->told;

    if (!ngx_paygw_wechat_v2_names(form, "out_refund_no_0", &o->refund_id)) {
        return ngx_paygw_order_other(x, "out_refund_no_0");
    }

    if (ngx_paygw_wechat_v2_value(form, "out_trade_no") == NULL) {
        return ngx_paygw_order_strange(x, "out_trade_no");
    }

    if (!ngx_paygw_wechat_v2_names(form, "out_trade_no", &o->id)) {

        /* it is there, and not of this order */

        o->code = NGX_PAYGW_CODE_REFUND_NOT_FOUND;
        return NGX_OK;
    }

    value = ngx_paygw_wechat_v2_value(form, "refund_fee_0");

    if (value == NULL
        || ngx_paygw_minor_parse(value, &told->refund_amount) != NGX_OK
        || told->refund_amount < 1)
    {
        return ngx_paygw_order_strange(x, "refund_fee_0");
    }

    if (!ngx_paygw_fields_word(form, "refund_status_0", 32, &told->word)) {
        return ngx_paygw_order_strange(x, "refund_status_0");
    }

    ngx_paygw_wechat_means(o, ngx_paygw_wechat_v2_returns,
                           "refund_status_0");

    value = ngx_paygw_wechat_v2_value(form, "refund_success_time_0");

    if (value
        && ngx_paygw_datetime_parse(value, NGX_PAYGW_WECHAT_ZONE, &told->time)
           != NGX_OK)
    {
        return ngx_paygw_order_strange(x, "refund_success_time_0");
    }

    (void) ngx_paygw_fields_word(form, "refund_id_0", 64, &told->refund_no);
    (void) ngx_paygw_fields_word(form, "transaction_id", 64, &told->trade_no);

    ngx_str_set(&told->currency, "CNY");

    return NGX_OK;
}


/* 1 if a field is there and has this value */

static ngx_uint_t
ngx_paygw_wechat_v2_names(ngx_paygw_form_t *form, const char *name,
    ngx_str_t *value)
{
    ngx_str_t  *given;

    given = ngx_paygw_wechat_v2_value(form, name);

    return given && ngx_paygw_order_same(given, value);
}
