
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_order.h"
#include "ngx_paygw_text.h"


/* What an answer of the gateway says of an order. */


#define NGX_PAYGW_ALIPAY_URL_MAX       2048

/*
 * The longest URL that a payer's browser is sent to: less than the 2,083 bytes
 * of browsers that take no more, and what proxies on its way take as a rule.
 */
#define NGX_PAYGW_ALIPAY_REDIRECT_MAX  2000


static ngx_int_t ngx_paygw_alipay_made(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_alipay_problem(ngx_paygw_order_t *o,
    ngx_paygw_json_t *content, ngx_str_t *code);
static void ngx_paygw_alipay_unseen(ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_alipay_told(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *content);
static ngx_int_t ngx_paygw_alipay_created(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *content);
static ngx_int_t ngx_paygw_alipay_charged(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *content, ngx_uint_t paid);
static ngx_int_t ngx_paygw_alipay_state(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *content);
static ngx_int_t ngx_paygw_alipay_located(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *content);


/* codes of the gateway, but for 40004, whose sub_code tells */

const ngx_paygw_code_word_t  ngx_paygw_alipay_codes[] = {
    { ngx_string("10003"), NGX_PAYGW_CODE_UNCLEAR, 0 },
    { ngx_string("20000"), NGX_PAYGW_CODE_UNCLEAR, 1 },
    { ngx_string("20001"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("40003"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("40005"), NGX_PAYGW_CODE_BUSY, 1 },
    { ngx_string("40006"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_null_string, NGX_PAYGW_CODE_OK, 0 }
};


/* how a sub_code ends, whichever service it is of */

const ngx_paygw_code_word_t  ngx_paygw_alipay_subs[] = {
    { ngx_string("SYSTEM_ERROR"), NGX_PAYGW_CODE_UNCLEAR, 1 },
    { ngx_string("UNKNOW_ERROR"), NGX_PAYGW_CODE_UNCLEAR, 1 },
    { ngx_string("unknow-error"), NGX_PAYGW_CODE_UNCLEAR, 1 },
    { ngx_string("TRADE_NOT_EXIST"), NGX_PAYGW_CODE_ORDER_NOT_FOUND, 0 },
    { ngx_string("TRADE_HAS_SUCCESS"), NGX_PAYGW_CODE_ORDER_PAID, 0 },
    { ngx_string("TRADE_HAS_CLOSE"), NGX_PAYGW_CODE_ORDER_CLOSED, 0 },
    { ngx_string("CONTEXT_INCONSISTENT"), NGX_PAYGW_CODE_ORDER_MISMATCH, 0 },
    { ngx_string("TRADE_HAS_FINISHED"), NGX_PAYGW_CODE_ORDER_STATE, 0 },
    { ngx_string("REASON_TRADE_STATUS_INVALID"),
      NGX_PAYGW_CODE_ORDER_STATE, 0 },
    { ngx_string("REASON_ILLEGAL_STATUS"), NGX_PAYGW_CODE_ORDER_STATE, 0 },
    { ngx_string("TRADE_STATUS_ERROR"), NGX_PAYGW_CODE_ORDER_STATE, 0 },
    { ngx_string("REASON_TRADE_REFUND_FEE_ERR"),
      NGX_PAYGW_CODE_REFUND_TOO_MUCH, 0 },
    { ngx_string("REFUND_AMT_NOT_EQUAL_TOTAL"),
      NGX_PAYGW_CODE_REFUND_TOO_MUCH, 0 },
    { ngx_string("DISCORDANT_REPEAT_REQUEST"),
      NGX_PAYGW_CODE_REFUND_MISMATCH, 0 },
    { ngx_string("SELLER_BALANCE_NOT_ENOUGH"), NGX_PAYGW_CODE_BALANCE, 0 },
    { ngx_string("PAYMENT_AUTH_CODE_INVALID"), NGX_PAYGW_CODE_PAYER, 0 },
    { ngx_string("BUYER_BALANCE_NOT_ENOUGH"), NGX_PAYGW_CODE_PAYER, 0 },
    { ngx_string("BUYER_SELLER_EQUAL"), NGX_PAYGW_CODE_PAYER, 0 },
    { ngx_string("TRADE_BUYER_NOT_MATCH"), NGX_PAYGW_CODE_PAYER, 0 },
    { ngx_string("BILL_NOT_EXIST"), NGX_PAYGW_CODE_BILL_NOT_FOUND, 0 },
    { ngx_string("isv.invalid-signature"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("isv.invalid-app-id"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("isv.app-cert-not-exist"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("isv.invalid-alipay-root-cert-sn"),
      NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_null_string, NGX_PAYGW_CODE_REFUSED, 0 }
};


ngx_int_t
ngx_paygw_alipay_normalise(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_str_t          code;
    ngx_paygw_json_t  *content;

    if (x->status == 0) {
        return ngx_paygw_alipay_made(x, o);
    }

    content = ((ngx_paygw_alipay_call_t *) x->data)->content;

    if (ngx_paygw_event_word(content, "code", 5, &code) != NGX_OK
        || code.len == 0)
    {
        return ngx_paygw_order_strange(x, "code");
    }

    if (ngx_paygw_alipay_is(&code, "10000")) {
        return ngx_paygw_alipay_told(x, o, content);
    }

    if (ngx_paygw_alipay_is(&code, "10003")
        && o->op == NGX_PAYGW_OP_CREATE
        && o->method == NGX_PAYGW_METHOD_BARCODE)
    {
        return ngx_paygw_alipay_charged(x, o, content, 0);
    }

    return ngx_paygw_alipay_problem(o, content, &code);
}


/* nothing was sent: it is the payer's side that will */

static ngx_int_t
ngx_paygw_alipay_made(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    o->told.outcome = NGX_PAYGW_OUTCOME_PENDING;
    o->told.state = NGX_PAYGW_STATE_CREATED;
    o->told.amount = o->amount;
    o->told.currency = o->currency;

    if (o->method == NGX_PAYGW_METHOD_APP) {
        o->told.action = NGX_PAYGW_ACTION_APP;
        ngx_paygw_order_param(o, "orderStr", &x->reply);

        return NGX_OK;
    }

    if (x->reply.len > NGX_PAYGW_ALIPAY_REDIRECT_MAX) {
        o->told.action = NGX_PAYGW_ACTION_FORM;

        return ngx_paygw_alipay_page(x->n.pool, &x->reply, &o->told.value);
    }

    o->told.action = NGX_PAYGW_ACTION_REDIRECT;
    o->told.value = x->reply;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_problem(ngx_paygw_order_t *o, ngx_paygw_json_t *content,
    ngx_str_t *code)
{
    ngx_str_t  sub;

    if (ngx_paygw_event_word(content, "sub_code", 64, &sub) != NGX_OK
        || sub.len == 0)
    {
        sub = *code;
    }

    o->told.word = sub;
    o->code = ngx_paygw_code_find(ngx_paygw_alipay_codes, code, 0)->code;

    if (o->code == NGX_PAYGW_CODE_OK) {

        /* a refusal is one of 4....: of others nothing is known */

        o->code = (code->data[0] == '4')
                  ? ngx_paygw_code_find(ngx_paygw_alipay_subs, &sub, 1)->code
                  : NGX_PAYGW_CODE_UNCLEAR;
    }

    if (o->code == NGX_PAYGW_CODE_ORDER_NOT_FOUND) {
        ngx_paygw_alipay_unseen(o);
    }

    ngx_paygw_order_doubt(o);

    return NGX_OK;
}


/*
 * The trade is made when the payer scans or signs in: until then nobody has
 * heard of an order that may well be paid yet.  There is nothing to close then,
 * but here, if it is one of ours: what somebody has mistyped is not closed.
 */

static void
ngx_paygw_alipay_unseen(ngx_paygw_order_t *o)
{
    if (o->op == NGX_PAYGW_OP_QUERY) {
        o->code = NGX_PAYGW_CODE_OK;
        o->told.outcome = NGX_PAYGW_OUTCOME_PENDING;
        o->told.absent = 1;

    } else if (o->op == NGX_PAYGW_OP_CLOSE && o->known) {
        o->code = NGX_PAYGW_CODE_OK;
        o->told.state = NGX_PAYGW_STATE_CLOSED;
    }
}


static ngx_int_t
ngx_paygw_alipay_told(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *content)
{
    switch (o->op) {

    case NGX_PAYGW_OP_CREATE:
        return (o->method == NGX_PAYGW_METHOD_BARCODE)
               ? ngx_paygw_alipay_charged(x, o, content, 1)
               : ngx_paygw_alipay_created(x, o, content);

    case NGX_PAYGW_OP_QUERY:
        return ngx_paygw_alipay_state(x, o, content);

    case NGX_PAYGW_OP_CLOSE:
        o->told.state = NGX_PAYGW_STATE_CLOSED;
        return ngx_paygw_alipay_which(x, o, content);

    case NGX_PAYGW_OP_REFUND:
        return o->step ? ngx_paygw_alipay_refund_state(x, o, content)
                       : ngx_paygw_alipay_returned(x, o, content);

    case NGX_PAYGW_OP_REFUND_QUERY:
        return ngx_paygw_alipay_refund_state(x, o, content);

    default:
        return ngx_paygw_alipay_located(x, o, content);
    }
}


static ngx_int_t
ngx_paygw_alipay_created(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *content)
{
    ngx_paygw_told_t  *told;

    told = &o->told;

    if (ngx_paygw_alipay_which(x, o, content) != NGX_OK) {
        return NGX_DECLINED;
    }

    told->outcome = NGX_PAYGW_OUTCOME_PENDING;
    told->state = NGX_PAYGW_STATE_CREATED;
    told->amount = o->amount;
    told->currency = o->currency;

    if (o->method == NGX_PAYGW_METHOD_JSAPI) {

        if (told->trade_no.len == 0) {
            return ngx_paygw_order_strange(x, "trade_no");
        }

        told->action = NGX_PAYGW_ACTION_JSAPI;
        ngx_paygw_order_param(o, "tradeNO", &told->trade_no);

        return NGX_OK;
    }

    if (ngx_paygw_event_word(content, "qr_code", NGX_PAYGW_ALIPAY_URL_MAX,
                             &told->value)
        != NGX_OK
        || told->value.len == 0)
    {
        return ngx_paygw_order_strange(x, "qr_code");
    }

    told->action = NGX_PAYGW_ACTION_QR_CODE;

    return NGX_OK;
}


/* by a code of the payer's: paid at once, or he is being asked */

static ngx_int_t
ngx_paygw_alipay_charged(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *content, ngx_uint_t paid)
{
    ngx_paygw_told_t  *told;

    told = &o->told;

    if (ngx_paygw_alipay_which(x, o, content) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (ngx_paygw_alipay_money(content, "total_amount", &told->amount)
        != NGX_OK
        || (paid && told->amount < 0))
    {
        return ngx_paygw_order_strange(x, "total_amount");
    }

    if (told->amount >= 0 && told->amount != o->amount) {
        return ngx_paygw_order_other(x, "total_amount");
    }

    if (paid && told->trade_no.len == 0) {
        return ngx_paygw_order_strange(x, "trade_no");
    }

    if (ngx_paygw_alipay_when(content, "gmt_payment", &told->time)
        != NGX_OK)
    {
        return ngx_paygw_order_strange(x, "gmt_payment");
    }

    told->amount = o->amount;
    told->currency = o->currency;
    told->outcome = paid ? NGX_PAYGW_OUTCOME_SUCCESS
                         : NGX_PAYGW_OUTCOME_PENDING;
    told->state = paid ? NGX_PAYGW_STATE_PAID : NGX_PAYGW_STATE_PAYING;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_state(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *content)
{
    ngx_str_t         *word;
    ngx_paygw_told_t  *told;

    told = &o->told;
    word = &told->word;

    if (ngx_paygw_alipay_which(x, o, content) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (ngx_paygw_event_word(content, "trade_status", 32, word) != NGX_OK
        || word->len == 0)
    {
        return ngx_paygw_order_strange(x, "trade_status");
    }

    if (ngx_paygw_alipay_when(content, "send_pay_date", &told->time)
        != NGX_OK)
    {
        return ngx_paygw_order_strange(x, "send_pay_date");
    }

    if (ngx_paygw_alipay_is(word, "TRADE_SUCCESS")
        || ngx_paygw_alipay_is(word, "TRADE_FINISHED"))
    {
        told->outcome = NGX_PAYGW_OUTCOME_SUCCESS;
        told->state = NGX_PAYGW_STATE_PAID;

    } else if (ngx_paygw_alipay_is(word, "TRADE_CLOSED")) {

        /* after a time-out, or after all of it was refunded */

        told->outcome = told->time ? NGX_PAYGW_OUTCOME_SUCCESS
                                   : NGX_PAYGW_OUTCOME_FAILED;
        told->state = told->time ? NGX_PAYGW_STATE_REFUNDED
                                 : NGX_PAYGW_STATE_CLOSED;

    } else if (ngx_paygw_alipay_is(word, "WAIT_BUYER_PAY")) {
        told->outcome = NGX_PAYGW_OUTCOME_PENDING;
        told->state = NGX_PAYGW_STATE_CREATED;

    } else {
        told->outcome = NGX_PAYGW_OUTCOME_PENDING;
        told->state = NGX_PAYGW_STATE_PAYING;
        told->odd = "trade_status";
    }

    if (ngx_paygw_alipay_money(content, "total_amount", &told->amount)
        != NGX_OK
        || (told->outcome == NGX_PAYGW_OUTCOME_SUCCESS && told->amount < 1))
    {
        return ngx_paygw_order_strange(x, "total_amount");
    }

    if (told->outcome == NGX_PAYGW_OUTCOME_SUCCESS
        && told->trade_no.len == 0)
    {
        return ngx_paygw_order_strange(x, "trade_no");
    }

    if (told->amount >= 0) {
        ngx_str_set(&told->currency, "CNY");
    }

    return NGX_OK;
}


/* it is of another host, and good for half a minute: the caller fetches it */

static ngx_int_t
ngx_paygw_alipay_located(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *content)
{
    ngx_paygw_told_t  *told;

    told = &o->told;

    if (ngx_paygw_event_word(content, "bill_download_url",
                             NGX_PAYGW_ALIPAY_URL_MAX, &told->value)
        != NGX_OK
        || told->value.len == 0)
    {
        return ngx_paygw_order_strange(x, "bill_download_url");
    }

    told->action = NGX_PAYGW_ACTION_REDIRECT;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_alipay_which(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *content)
{
    ngx_str_t  id;

    if (ngx_paygw_event_word(content, "out_trade_no", 64, &id) != NGX_OK
        || !ngx_paygw_order_same(&id, &o->id))
    {
        return ngx_paygw_order_other(x, "out_trade_no");
    }

    if (ngx_paygw_event_word(content, "trade_no", 64, &o->told.trade_no)
        != NGX_OK)
    {
        return ngx_paygw_order_strange(x, "trade_no");
    }

    if (ngx_paygw_event_word(content, "buyer_user_id", 128, &o->told.payer)
        != NGX_OK
        || o->told.payer.len == 0)
    {
        (void) ngx_paygw_event_word(content, "buyer_open_id", 128,
                                    &o->told.payer);
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_alipay_money(ngx_paygw_json_t *content, const char *name,
    int64_t *amount)
{
    ngx_paygw_json_t  *m;

    *amount = -1;

    m = ngx_paygw_json_get(content, name);

    if (m == NULL || m->type == NGX_PAYGW_JSON_NULL) {
        return NGX_OK;
    }

    if (m->type != NGX_PAYGW_JSON_STRING && m->type != NGX_PAYGW_JSON_NUMBER)
    {
        return NGX_ABORT;
    }

    return ngx_paygw_amount_parse(&m->value, amount);
}


ngx_int_t
ngx_paygw_alipay_when(ngx_paygw_json_t *content, const char *name,
    time_t *time)
{
    ngx_str_t  text;

    *time = 0;

    switch (ngx_paygw_json_get_string(content, name, &text)) {

    case NGX_OK:
        return text.len ? ngx_paygw_datetime_parse(&text,
                                                   NGX_PAYGW_ALIPAY_ZONE,
                                                   time)
                        : NGX_OK;

    case NGX_DECLINED:
        return NGX_OK;

    default:
        return NGX_ABORT;
    }
}
