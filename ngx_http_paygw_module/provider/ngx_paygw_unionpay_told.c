
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_text.h"


/*
 * What an answer of UnionPay's gateway says of an order.  Of a money request
 * "00" says that it was taken; what has become of it is told by a callback, or
 * by a query in origRespCode.
 */


#define NGX_PAYGW_UNIONPAY_QR_URL    1024
#define NGX_PAYGW_UNIONPAY_TN_MAX    64


static ngx_uint_t ngx_paygw_unionpay_odd(ngx_paygw_order_t *o,
    const char *field);
static void ngx_paygw_unionpay_made(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_problem(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_charging(ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_charged(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_unionpay_created(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_unionpay_state(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_unionpay_found(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_unionpay_filed(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);


const ngx_paygw_code_word_t  ngx_paygw_unionpay_answers[] = {
    { ngx_string("00"), NGX_PAYGW_CODE_OK, 0 },
    { ngx_string("02"), NGX_PAYGW_CODE_BUSY, 1 },
    { ngx_string("03"), NGX_PAYGW_CODE_UNCLEAR, 1 },
    { ngx_string("04"), NGX_PAYGW_CODE_UNCLEAR, 0 },
    { ngx_string("05"), NGX_PAYGW_CODE_UNCLEAR, 0 },
    { ngx_string("06"), NGX_PAYGW_CODE_BUSY, 1 },
    { ngx_string("11"), NGX_PAYGW_CODE_ACCOUNT, 0 },
    { ngx_string("12"), NGX_PAYGW_CODE_ORDER_STATE, 0 },
    { ngx_string("34"), NGX_PAYGW_CODE_ORDER_NOT_FOUND, 0 },
    { ngx_string("A6"), NGX_PAYGW_CODE_UNCLEAR, 0 },
    { ngx_null_string, NGX_PAYGW_CODE_REFUSED, 0 }
};


/* origRespCode; A6 is a success "with defects" */

static const ngx_str_t  ngx_paygw_unionpay_done[] = {
    ngx_string("00"),
    ngx_string("A6"),
    ngx_null_string
};

static const ngx_str_t  ngx_paygw_unionpay_later[] = {
    ngx_string("03"),
    ngx_string("04"),
    ngx_string("05"),
    ngx_null_string
};

/* of a payer's code these are no last word either */

static const ngx_str_t  ngx_paygw_unionpay_open[] = {
    ngx_string("01"),
    ngx_string("12"),
    ngx_string("34"),
    ngx_string("60"),
    ngx_null_string
};


ngx_int_t
ngx_paygw_unionpay_normalise(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_paygw_form_t  *form;

    if (x->status == 0) {
        ngx_paygw_unionpay_made(x, o);
        return NGX_OK;
    }

    form = &((ngx_paygw_unionpay_ctx_t *) x->n.data)->form;

    if (!ngx_paygw_fields_word(form, "respCode", NGX_PAYGW_UNIONPAY_CODE_MAX,
                               &o->told.word))
    {
        return ngx_paygw_order_strange(x, "respCode");
    }

    o->code = ngx_paygw_code_find(ngx_paygw_unionpay_answers, &o->told.word, 0)
                  ->code;

    if (ngx_paygw_unionpay_odd(o, "respCode")) {
        o->code = NGX_PAYGW_CODE_UNCLEAR;
    }

    if (o->op == NGX_PAYGW_OP_CREATE && o->step == 0
        && o->method == NGX_PAYGW_METHOD_BARCODE)
    {
        return ngx_paygw_unionpay_charging(o);
    }

    if (o->code != NGX_PAYGW_CODE_OK) {
        return ngx_paygw_unionpay_problem(x, o);
    }

    switch (o->op) {

    case NGX_PAYGW_OP_CREATE:
        return o->step ? ngx_paygw_unionpay_charged(x, o, form)
                       : ngx_paygw_unionpay_created(x, o, form);

    case NGX_PAYGW_OP_QUERY:
        return ngx_paygw_unionpay_state(x, o, form);

    case NGX_PAYGW_OP_BILL:
        return ngx_paygw_unionpay_filed(x, o, form);

    default:

        if (o->step == 0) {
            return ngx_paygw_unionpay_found(x, o, form);
        }

        return (o->op == NGX_PAYGW_OP_REFUND && o->step == 1)
               ? ngx_paygw_unionpay_refunded(x, o, form)
               : ngx_paygw_unionpay_refund_state(x, o, form);
    }
}


ngx_uint_t
ngx_paygw_unionpay_is_code(ngx_str_t *word)
{
    return word->len == 2
           && ((word->data[0] == 'A' && word->data[1] == '6')
               || (word->data[0] >= '0' && word->data[0] <= '9'
                   && word->data[1] >= '0' && word->data[1] <= '9'));
}


static ngx_uint_t
ngx_paygw_unionpay_odd(ngx_paygw_order_t *o, const char *field)
{
    if (ngx_paygw_unionpay_is_code(&o->told.word)) {
        return 0;
    }

    o->told.odd = field;

    return 1;
}


/* nothing was sent: it is the payer's browser that will */

static void
ngx_paygw_unionpay_made(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    o->told.outcome = NGX_PAYGW_OUTCOME_PENDING;
    o->told.state = NGX_PAYGW_STATE_CREATED;
    o->told.amount = o->amount;
    o->told.currency = o->currency;
    o->told.action = NGX_PAYGW_ACTION_FORM;
    o->told.value = x->reply;
}


static ngx_int_t
ngx_paygw_unionpay_problem(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_uint_t  refund;

    refund = (o->op == NGX_PAYGW_OP_REFUND && o->step == 1);

    if (o->op == NGX_PAYGW_OP_BILL) {

        if (o->code == NGX_PAYGW_CODE_ORDER_NOT_FOUND) {
            o->code = NGX_PAYGW_CODE_BILL_NOT_FOUND;
        }

        return NGX_OK;
    }

    switch (o->code) {

    case NGX_PAYGW_CODE_UNCLEAR:

        if (refund) {

            /* it was taken, the end is told later */

            o->code = NGX_PAYGW_CODE_OK;
            o->told.outcome = NGX_PAYGW_OUTCOME_PENDING;
            o->told.refund_amount = o->refund_amount;
            ngx_str_set(&o->told.currency, "CNY");

        } else if (o->op != NGX_PAYGW_OP_CREATE && !o->sent) {

            /* of a question, which changes nothing */

            o->code = NGX_PAYGW_CODE_BUSY;
        }

        break;

    case NGX_PAYGW_CODE_ORDER_STATE:

        /* this refund is there: what has become of it? */

        if (refund) {
            o->code = NGX_PAYGW_CODE_OK;
            o->sent = 1;
            return NGX_AGAIN;
        }

        /* a number that is there: as what? */

        o->doubtful = (o->op == NGX_PAYGW_OP_CREATE && o->step == 0);

        break;

    case NGX_PAYGW_CODE_ORDER_NOT_FOUND:

        if (o->op == NGX_PAYGW_OP_CREATE && o->step) {

            /*
             * There, and of another time: made before under another ref.  If
             * this one is not new it may be that transaction, not noted yet.
             */

            o->sent = o->repeated;
            o->code = NGX_PAYGW_CODE_ORDER_STATE;

        } else if (o->op == NGX_PAYGW_OP_QUERY) {

            /* not yet: the payer may not have opened the page */

            o->code = NGX_PAYGW_CODE_OK;
            o->told.outcome = NGX_PAYGW_OUTCOME_PENDING;
            o->told.absent = 1;

        } else if (o->step > 1) {

            /* there, and of another time than was said: none of ours */

            o->sent = 0;
            o->code = NGX_PAYGW_CODE_REFUND_MISMATCH;

        } else if (o->op == NGX_PAYGW_OP_REFUND_QUERY && o->step) {
            o->code = NGX_PAYGW_CODE_REFUND_NOT_FOUND;
        }

        break;

    default:
        break;
    }

    return NGX_OK;
}


/*
 * By a code of the payer's: what is accepted is not paid, and of some words
 * that sound like a refusal only a query tells whether they are one.
 */

static ngx_int_t
ngx_paygw_unionpay_charging(ngx_paygw_order_t *o)
{
    if (o->code == NGX_PAYGW_CODE_ORDER_STATE) {

        /* it was sent before: he may have paid */

        o->code = NGX_PAYGW_CODE_OK;
        o->sent = 1;
        return NGX_AGAIN;
    }

    if (o->code != NGX_PAYGW_CODE_OK && o->code != NGX_PAYGW_CODE_UNCLEAR
        && !ngx_paygw_exchange_among(ngx_paygw_unionpay_open, &o->told.word))
    {
        return NGX_OK;
    }

    if (o->code == NGX_PAYGW_CODE_OK) {
        ngx_str_null(&o->told.word);
    }

    o->code = NGX_PAYGW_CODE_OK;
    o->told.outcome = NGX_PAYGW_OUTCOME_PENDING;
    o->told.state = NGX_PAYGW_STATE_PAYING;
    o->told.amount = o->amount;
    o->told.currency = o->currency;

    return NGX_OK;
}


/* the one that was there */

static ngx_int_t
ngx_paygw_unionpay_charged(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_int_t  rc;

    rc = ngx_paygw_unionpay_state(x, o, form);

    if (rc != NGX_OK) {
        return rc;
    }

    if (o->told.amount >= 0 && o->told.amount != o->amount) {
        o->sent = 0;
        o->code = NGX_PAYGW_CODE_ORDER_MISMATCH;
        return NGX_OK;
    }

    o->told.amount = o->amount;
    o->told.currency = o->currency;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_unionpay_created(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_str_t          tn;
    ngx_paygw_told_t  *told;

    told = &o->told;

    ngx_str_null(&told->word);
    told->outcome = NGX_PAYGW_OUTCOME_PENDING;
    told->state = NGX_PAYGW_STATE_CREATED;
    told->amount = o->amount;
    told->currency = o->currency;

    if (o->method == NGX_PAYGW_METHOD_APP) {

        if (!ngx_paygw_fields_word(form, "tn", NGX_PAYGW_UNIONPAY_TN_MAX,
                                   &tn))
        {
            return ngx_paygw_order_strange(x, "tn");
        }

        told->action = NGX_PAYGW_ACTION_APP;
        ngx_paygw_order_param(o, "tn", &tn);

        return NGX_OK;
    }

    if (!ngx_paygw_fields_word(form, "qrCode", NGX_PAYGW_UNIONPAY_QR_URL,
                               &told->value))
    {
        return ngx_paygw_order_strange(x, "qrCode");
    }

    told->action = NGX_PAYGW_ACTION_QR_CODE;

    return NGX_OK;
}


/*
 * A payment that was refused may be tried with another card until the order is
 * at its end, so that it is never said to have failed; but for one by a code of
 * the payer's, which is good for one try.
 */

static ngx_int_t
ngx_paygw_unionpay_state(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_str_t                 *value;
    ngx_paygw_told_t          *told;
    ngx_paygw_unionpay_ref_t   ref;

    told = &o->told;

    if (ngx_paygw_unionpay_ref(&o->ref, &ref) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ngx_paygw_fields_word(form, "origRespCode",
                               NGX_PAYGW_UNIONPAY_CODE_MAX, &told->word))
    {
        return ngx_paygw_order_strange(x, "origRespCode");
    }

    told->outcome = ngx_paygw_unionpay_end(o);

    switch (told->outcome) {

    case NGX_PAYGW_OUTCOME_SUCCESS:
        told->state = NGX_PAYGW_STATE_PAID;
        break;

    case NGX_PAYGW_OUTCOME_PENDING:
        told->state = NGX_PAYGW_STATE_PAYING;
        break;

    case NGX_PAYGW_OUTCOME_FAILED:

        if (ref.kind == NGX_PAYGW_UNIONPAY_CODE
            && !ngx_paygw_exchange_among(ngx_paygw_unionpay_open,
                                         &told->word))
        {
            told->state = NGX_PAYGW_STATE_FAILED;
            break;
        }

        /* fall through */

    default: /* NGX_PAYGW_OUTCOME_UNKNOWN */
        told->outcome = NGX_PAYGW_OUTCOME_PENDING;
        told->state = NGX_PAYGW_STATE_UNKNOWN;
    }

    value = ngx_paygw_fields_value(form, "txnAmt");

    if (value ? ngx_paygw_minor_parse(value, &told->amount) != NGX_OK
                || told->amount < 1
              : told->outcome == NGX_PAYGW_OUTCOME_SUCCESS)
    {
        return ngx_paygw_order_strange(x, "txnAmt");
    }

    if (value) {

        if (ngx_paygw_fields_value(form, "currencyCode")
            && !ngx_paygw_fields_is(form, "currencyCode", "156"))
        {
            return ngx_paygw_order_strange(x, "currencyCode");
        }

        ngx_str_set(&told->currency, "CNY");
    }

    if (!ngx_paygw_fields_word(form, "queryId", 64, &told->trade_no)
        && told->outcome == NGX_PAYGW_OUTCOME_SUCCESS)
    {
        return ngx_paygw_order_strange(x, "queryId");
    }

    return NGX_OK;
}


ngx_paygw_outcome_e
ngx_paygw_unionpay_end(ngx_paygw_order_t *o)
{
    if (ngx_paygw_exchange_among(ngx_paygw_unionpay_done, &o->told.word)) {
        return NGX_PAYGW_OUTCOME_SUCCESS;
    }

    if (ngx_paygw_exchange_among(ngx_paygw_unionpay_later, &o->told.word)) {
        return NGX_PAYGW_OUTCOME_PENDING;
    }

    return ngx_paygw_unionpay_odd(o, "origRespCode")
           ? NGX_PAYGW_OUTCOME_UNKNOWN : NGX_PAYGW_OUTCOME_FAILED;
}


/* the payment that a refund is of */

static ngx_int_t
ngx_paygw_unionpay_found(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_int_t   rc;
    ngx_str_t  *query_id;

    rc = ngx_paygw_unionpay_state(x, o, form);

    if (rc != NGX_OK) {
        return rc;
    }

    if (o->told.outcome != NGX_PAYGW_OUTCOME_SUCCESS) {
        o->unasked = 1;
        o->code = (o->op == NGX_PAYGW_OP_REFUND)
                  ? NGX_PAYGW_CODE_ORDER_STATE
                  : NGX_PAYGW_CODE_REFUND_NOT_FOUND;
        return NGX_OK;
    }

    query_id = ngx_palloc(x->n.pool, sizeof(ngx_str_t));
    if (query_id == NULL) {
        return NGX_ERROR;
    }

    *query_id = o->told.trade_no;
    o->data = query_id;

    return NGX_AGAIN;
}


/* the answer that holds it is signed; it stays deflated, as it was sent */

static ngx_int_t
ngx_paygw_unionpay_filed(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_int_t   rc;
    ngx_str_t  *value;

    value = ngx_paygw_fields_value(form, "fileContent");

    if (value == NULL) {
        return ngx_paygw_order_strange(x, "fileContent");
    }

    rc = ngx_paygw_base64_decode(x->n.pool, &o->told.file, value);

    if (rc != NGX_OK) {
        return (rc == NGX_ERROR) ? NGX_ERROR
                                 : ngx_paygw_order_strange(x, "fileContent");
    }

    ngx_str_set(&o->told.hash, "signature");

    return NGX_OK;
}
