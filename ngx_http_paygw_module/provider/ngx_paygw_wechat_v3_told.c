
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v3.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_order.h"
#include "ngx_paygw_text.h"


/*
 * What an answer of APIv3 says of an order.  Its signature does not tell which
 * question it answers, so that it is compared with what was asked.
 */


static ngx_int_t ngx_paygw_wechat_v3_problem(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *root);
static ngx_int_t ngx_paygw_wechat_v3_created(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *root);
static ngx_int_t ngx_paygw_wechat_v3_second(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_wechat_second_t *second, ngx_str_t *sign);
static ngx_int_t ngx_paygw_wechat_v3_state(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *root);
static ngx_int_t ngx_paygw_wechat_v3_refunded(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *root);


/* ABNORMAL: the money is still to be returned, by hand */

static const ngx_paygw_wechat_told_t  ngx_paygw_wechat_v3_returns[] = {
    { ngx_string("SUCCESS"), NGX_PAYGW_OUTCOME_SUCCESS, 0, 0 },
    { ngx_string("PROCESSING"), NGX_PAYGW_OUTCOME_PENDING, 0, 0 },
    { ngx_string("CLOSED"), NGX_PAYGW_OUTCOME_FAILED, 0, 0 },
    { ngx_string("ABNORMAL"), NGX_PAYGW_OUTCOME_FAILED, 0, 1 },
    { ngx_null_string, NGX_PAYGW_OUTCOME_PENDING, 0, 0 }
};


const ngx_paygw_code_word_t  ngx_paygw_wechat_v3_codes[] = {
    { ngx_string("SYSTEM_ERROR"), NGX_PAYGW_CODE_UNCLEAR, 1 },
    { ngx_string("SYSTEMERROR"), NGX_PAYGW_CODE_UNCLEAR, 1 },
    { ngx_string("BANK_ERROR"), NGX_PAYGW_CODE_UNCLEAR, 0 },
    { ngx_string("BANKERROR"), NGX_PAYGW_CODE_UNCLEAR, 0 },
    { ngx_string("BIZ_ERR_NEED_RETRY"), NGX_PAYGW_CODE_UNCLEAR, 1 },
    { ngx_string("BIZERR_NEED_RETRY"), NGX_PAYGW_CODE_UNCLEAR, 1 },
    { ngx_string("USER_PAYING"), NGX_PAYGW_CODE_UNCLEAR, 0 },
    { ngx_string("USERPAYING"), NGX_PAYGW_CODE_UNCLEAR, 0 },
    { ngx_string("FREQUENCY_LIMITED"), NGX_PAYGW_CODE_BUSY, 1 },
    { ngx_string("FREQUENCY_LIMIT_EXCEED"), NGX_PAYGW_CODE_BUSY, 1 },
    { ngx_string("RATELIMIT_EXCEEDED"), NGX_PAYGW_CODE_BUSY, 1 },
    { ngx_string("SIGN_ERROR"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("APPID_MCHID_NOT_MATCH"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("MCH_NOT_EXISTS"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("NO_AUTH"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("NOAUTH"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("ORDER_PAID"), NGX_PAYGW_CODE_ORDER_PAID, 0 },
    { ngx_string("ORDERPAID"), NGX_PAYGW_CODE_ORDER_PAID, 0 },
    { ngx_string("ORDER_CLOSED"), NGX_PAYGW_CODE_ORDER_CLOSED, 0 },
    { ngx_string("ORDERCLOSED"), NGX_PAYGW_CODE_ORDER_CLOSED, 0 },
    { ngx_string("OUT_TRADE_NO_USED"), NGX_PAYGW_CODE_ORDER_MISMATCH, 0 },
    { ngx_string("ORDER_NOT_EXIST"), NGX_PAYGW_CODE_ORDER_NOT_FOUND, 0 },
    { ngx_string("ORDERNOTEXIST"), NGX_PAYGW_CODE_ORDER_NOT_FOUND, 0 },
    { ngx_string("RESOURCE_NOT_EXISTS"), NGX_PAYGW_CODE_ORDER_NOT_FOUND, 0 },
    { ngx_string("NO_STATEMENT_EXIST"), NGX_PAYGW_CODE_BILL_NOT_FOUND, 0 },
    { ngx_string("STATEMENT_CREATING"), NGX_PAYGW_CODE_BILL_NOT_FOUND, 0 },
    { ngx_string("NOT_ENOUGH"), NGX_PAYGW_CODE_BALANCE, 0 },
    { ngx_string("NOTENOUGH"), NGX_PAYGW_CODE_BALANCE, 0 },
    { ngx_string("OPENID_MISMATCH"), NGX_PAYGW_CODE_PAYER, 0 },
    { ngx_null_string, NGX_PAYGW_CODE_REFUSED, 0 }
};


ngx_int_t
ngx_paygw_wechat_v3_normalise(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    char              *err;
    ngx_int_t          rc;
    ngx_paygw_json_t  *root;

    if (o->op == NGX_PAYGW_OP_BILL && o->step && x->unsigned_reply) {
        return ngx_paygw_wechat_v3_filed(x, o);
    }

    if (x->status == 202) {

        /* taken, and not done: the same is to be asked again */

        o->code = NGX_PAYGW_CODE_UNCLEAR;
        return NGX_OK;
    }

    if (o->op == NGX_PAYGW_OP_CLOSE && x->status == 204) {
        o->told.state = NGX_PAYGW_STATE_CLOSED;
        return NGX_OK;
    }

    rc = ngx_paygw_json_parse(x->n.pool, &x->reply, &root, &err);

    if (rc != NGX_OK) {
        return (rc == NGX_ERROR) ? NGX_ERROR
                                 : ngx_paygw_order_strange(x, "JSON");
    }

    if (x->status != 200) {
        return ngx_paygw_wechat_v3_problem(x, o, root);
    }

    switch (o->op) {

    case NGX_PAYGW_OP_CREATE:
        return ngx_paygw_wechat_v3_created(x, o, root);

    case NGX_PAYGW_OP_REFUND:

        if (o->amount >= 0) {
            return ngx_paygw_wechat_v3_refunded(x, o, root);
        }

        /* it was the question before */

        rc = ngx_paygw_wechat_v3_state(x, o, root);

        return (rc == NGX_OK) ? ngx_paygw_wechat_asked(o) : rc;

    case NGX_PAYGW_OP_QUERY:
        return ngx_paygw_wechat_v3_state(x, o, root);

    case NGX_PAYGW_OP_REFUND_QUERY:
        return ngx_paygw_wechat_v3_refunded(x, o, root);

    case NGX_PAYGW_OP_BILL:
        return ngx_paygw_wechat_v3_located(x, o, root);

    default:
        return ngx_paygw_order_strange(x, "status");
    }
}


/* by its code, since the status is not signed */

static ngx_int_t
ngx_paygw_wechat_v3_problem(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *root)
{
    ngx_str_t  text, *code;

    code = &o->told.word;

    if (ngx_paygw_event_word(root, "code", 64, code) != NGX_OK) {
        return ngx_paygw_order_strange(x, "code");
    }

    o->code = ngx_paygw_code_find(ngx_paygw_wechat_v3_codes, code, 0)->code;

    if (o->code == NGX_PAYGW_CODE_REFUSED) {

        if (x->status >= 500) {
            o->code = NGX_PAYGW_CODE_UNCLEAR;

        } else if (x->status == 429) {
            o->code = NGX_PAYGW_CODE_BUSY;
        }
    }

    if (o->code == NGX_PAYGW_CODE_ORDER_NOT_FOUND
        && o->op == NGX_PAYGW_OP_REFUND_QUERY)
    {
        o->code = NGX_PAYGW_CODE_REFUND_NOT_FOUND;
    }

    (void) ngx_paygw_json_get_string(root, "message", &text);

    ngx_paygw_wechat_doubt(o, &text);

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v3_created(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *root)
{
    ngx_str_t    value;
    const char  *name;

    static ngx_str_t  rsa = ngx_string("RSA");

    name = (o->method == NGX_PAYGW_METHOD_QR) ? "code_url"
           : (o->method == NGX_PAYGW_METHOD_H5) ? "h5_url" : "prepay_id";

    if (ngx_paygw_event_word(root, name, NGX_PAYGW_WECHAT_V3_URL_MAX, &value)
        != NGX_OK
        || value.len == 0)
    {
        return ngx_paygw_order_strange(x, name);
    }

    return ngx_paygw_wechat_created(x, o, &value, &rsa,
                                    ngx_paygw_wechat_v3_second);
}


/* four lines, each with its line feed */

static ngx_int_t
ngx_paygw_wechat_v3_second(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_wechat_second_t *second, ngx_str_t *sign)
{
    ngx_str_t                    parts[8];
    ngx_uint_t                   i;
    ngx_paygw_wechat_v3_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    for (i = 1; i < 8; i += 2) {
        ngx_str_set(&parts[i], "\n");
    }

    parts[0] = o->payer_appid;
    parts[2] = second->stamp;
    parts[4] = second->nonce;
    parts[6] = second->subject;

    return ngx_paygw_exchange_sign(&ngx_paygw_rsa_sha256, conf->private_key,
                                   parts, 8, sign, x->n.pool, x->n.log);
}


static ngx_int_t
ngx_paygw_wechat_v3_state(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *root)
{
    ngx_str_t                    id, mchid, time;
    ngx_paygw_told_t            *told;
    ngx_paygw_json_t            *amount, *payer;
    ngx_paygw_wechat_account_t  *account;

    told = &o->told;
    account = x->n.channels[0]->conf;

    if (ngx_paygw_event_word(root, "out_trade_no", 64, &id) != NGX_OK
        || !ngx_paygw_order_same(&id, &o->id))
    {
        return ngx_paygw_order_other(x, "out_trade_no");
    }

    if (ngx_paygw_event_word(root, account->sub_mchids ? "sp_mchid" : "mchid",
                             64, &mchid)
        != NGX_OK
        || !ngx_paygw_order_same(&mchid, &account->mchid))
    {
        return ngx_paygw_order_other(x, "mchid");
    }

    if (account->sub_mchids
        && (ngx_paygw_event_word(root, "sub_mchid", 64, &mchid) != NGX_OK
            || !ngx_paygw_order_same(&mchid, account->sub_mchids->elts)))
    {
        return ngx_paygw_order_other(x, "sub_mchid");
    }

    if (ngx_paygw_event_word(root, "trade_state", 32, &told->word) != NGX_OK
        || told->word.len == 0)
    {
        return ngx_paygw_order_strange(x, "trade_state");
    }

    ngx_paygw_wechat_means(o, ngx_paygw_wechat_trades, "trade_state");

    amount = ngx_paygw_json_get(root, "amount");
    payer = ngx_paygw_json_get(root, "payer");

    if (ngx_paygw_event_minor(amount, "total", &told->amount) != NGX_OK
        || ngx_paygw_event_word(amount, "currency", 3, &told->currency)
           != NGX_OK
        || (told->outcome == NGX_PAYGW_OUTCOME_SUCCESS && told->amount < 1))
    {
        return ngx_paygw_order_strange(x, "amount");
    }

    if (told->amount >= 0 && told->currency.len == 0) {
        ngx_str_set(&told->currency, "CNY");
    }

    if (ngx_paygw_event_word(root, "transaction_id", 64, &told->trade_no)
        != NGX_OK
        || (told->outcome == NGX_PAYGW_OUTCOME_SUCCESS
            && told->trade_no.len == 0))
    {
        return ngx_paygw_order_strange(x, "transaction_id");
    }

    if (ngx_paygw_event_word(root, "success_time", 64, &time) != NGX_OK
        || (time.len && ngx_paygw_rfc3339_parse(&time, &told->time)
                        != NGX_OK))
    {
        return ngx_paygw_order_strange(x, "success_time");
    }

    /* in partner mode the one whose appid has made the order, or both */

    if (ngx_paygw_event_word(payer, account->sub_mchids ? "sp_openid"
                                                        : "openid",
                             128, &told->payer)
        != NGX_OK
        || (account->sub_mchids && told->payer.len == 0
            && ngx_paygw_event_word(payer, "sub_openid", 128, &told->payer)
               != NGX_OK))
    {
        ngx_str_null(&told->payer);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v3_refunded(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *root)
{
    ngx_str_t          id, order, time;
    ngx_paygw_told_t  *told;
    ngx_paygw_json_t  *amount;

    told = &o->told;

    if (ngx_paygw_event_word(root, "out_refund_no", 64, &id) != NGX_OK
        || !ngx_paygw_order_same(&id, &o->refund_id))
    {
        return ngx_paygw_order_other(x, "out_refund_no");
    }

    if (ngx_paygw_event_word(root, "out_trade_no", 64, &order) != NGX_OK) {
        return ngx_paygw_order_strange(x, "out_trade_no");
    }

    if (!ngx_paygw_order_same(&order, &o->id)) {

        if (o->op == NGX_PAYGW_OP_REFUND) {
            return ngx_paygw_order_other(x, "out_trade_no");
        }

        /* it is there, and not of this order */

        o->code = NGX_PAYGW_CODE_REFUND_NOT_FOUND;
        return NGX_OK;
    }

    amount = ngx_paygw_json_get(root, "amount");

    if (ngx_paygw_event_minor(amount, "refund", &told->refund_amount)
        != NGX_OK
        || told->refund_amount < 1
        || ngx_paygw_event_minor(amount, "total", &told->amount) != NGX_OK
        || ngx_paygw_event_word(amount, "currency", 3, &told->currency)
           != NGX_OK)
    {
        return ngx_paygw_order_strange(x, "amount");
    }

    if (o->op == NGX_PAYGW_OP_REFUND
        && told->refund_amount != o->refund_amount)
    {
        return ngx_paygw_order_other(x, "amount.refund");
    }

    if (told->currency.len == 0) {
        ngx_str_set(&told->currency, "CNY");
    }

    if (ngx_paygw_event_word(root, "status", 32, &told->word) != NGX_OK
        || told->word.len == 0)
    {
        return ngx_paygw_order_strange(x, "status");
    }

    ngx_paygw_wechat_means(o, ngx_paygw_wechat_v3_returns, "status");

    if (ngx_paygw_event_word(root, "refund_id", 64, &told->refund_no)
        != NGX_OK
        || ngx_paygw_event_word(root, "transaction_id", 64, &told->trade_no)
           != NGX_OK
        || ngx_paygw_event_word(root, "success_time", 64, &time) != NGX_OK
        || (time.len && ngx_paygw_rfc3339_parse(&time, &told->time)
                        != NGX_OK))
    {
        return ngx_paygw_order_strange(x, "member");
    }

    return NGX_OK;
}
