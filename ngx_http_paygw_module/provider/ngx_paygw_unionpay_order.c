
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_text.h"


/*
 * An order in the words of UnionPay's gateway, which knows a transaction by its
 * number and the time of its sending.  That time is our "ref": 14 digits, "q"
 * if the payer scans; of a refund it is that of the order, "-", and its own.
 */


#define NGX_PAYGW_UNIONPAY_ID_MIN    8
#define NGX_PAYGW_UNIONPAY_ID_MAX    40
#define NGX_PAYGW_UNIONPAY_QR_MAX    32

/* a day has no year there */
#define NGX_PAYGW_UNIONPAY_BILLS     (300 * 24 * 60 * 60)


static char *ngx_paygw_unionpay_orders_conf(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_unionpay_order_check(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_uint_t ngx_paygw_unionpay_id(ngx_str_t *id);
static ngx_int_t ngx_paygw_unionpay_check_ref(ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_check_create(ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_check_bill(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_order_create(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_optional(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_unionpay_reserved(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form, ngx_str_t *text);
static ngx_int_t ngx_paygw_unionpay_order_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_order_refund(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_refund_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_ask(ngx_paygw_exchange_t *x,
    ngx_str_t *id, ngx_str_t *time);
static ngx_int_t ngx_paygw_unionpay_bill(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_begin(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form, const char *type, const char *sub,
    const char *biz);
static ngx_int_t ngx_paygw_unionpay_stamp(ngx_paygw_exchange_t *x, time_t t,
    ngx_str_t *text);
static ngx_int_t ngx_paygw_unionpay_put(ngx_paygw_form_t *form,
    const char *name, const char *value);
static ngx_int_t ngx_paygw_unionpay_cents(ngx_pool_t *pool,
    ngx_paygw_form_t *form, int64_t value);
static ngx_int_t ngx_paygw_unionpay_request(ngx_paygw_exchange_t *x,
    const char *path, ngx_paygw_form_t *form);


static const ngx_str_t  ngx_paygw_unionpay_currencies[] = {
    ngx_string("CNY"),
    ngx_null_string
};


/* an order cannot be closed: it ends by itself */

const ngx_paygw_orders_t  ngx_paygw_unionpay_orders = {
    ngx_paygw_method_bit(QR) | ngx_paygw_method_bit(APP)
    | ngx_paygw_method_bit(PAGE) | ngx_paygw_method_bit(WAP),
    ngx_paygw_unionpay_currencies,
    ngx_paygw_unionpay_orders_conf,
    ngx_paygw_unionpay_order_check,
    {
        ngx_paygw_unionpay_order_create,
        ngx_paygw_unionpay_order_query,
        NULL,
        ngx_paygw_unionpay_order_refund,
        ngx_paygw_unionpay_refund_query,
        ngx_paygw_unionpay_bill
    },
    ngx_paygw_unionpay_normalise,
    1,
    ngx_paygw_unionpay_refund_ref
};


static char *
ngx_paygw_unionpay_orders_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    return ngx_paygw_channel_required(cf, ch, ch->notify_url.len,
                                      "notify_url")
           == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_paygw_unionpay_order_check(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    if (o->op == NGX_PAYGW_OP_BILL) {
        return ngx_paygw_unionpay_check_bill(x, o);
    }

    if (!ngx_paygw_unionpay_id(&o->id)) {
        return ngx_paygw_order_invalid(o, "order_id", "must be 8 to 40 "
                                       "letters and digits in this channel");
    }

    if (o->refund_id.len && !ngx_paygw_unionpay_id(&o->refund_id)) {
        return ngx_paygw_order_invalid(o, "refund_id", "must be 8 to 40 "
                                       "letters and digits in this channel");
    }

    /* both are numbers of transactions */

    if (o->refund_id.len && ngx_paygw_order_same(&o->refund_id, &o->id)) {
        return ngx_paygw_order_invalid(o, "refund_id", "must be another one "
                                       "than that of the order in this "
                                       "channel");
    }

    if (ngx_paygw_unionpay_check_ref(o) != NGX_OK) {
        return NGX_DECLINED;
    }

    return (o->op == NGX_PAYGW_OP_CREATE) ? ngx_paygw_unionpay_check_create(o)
                                          : NGX_OK;
}


static ngx_uint_t
ngx_paygw_unionpay_id(ngx_str_t *id)
{
    return id->len >= NGX_PAYGW_UNIONPAY_ID_MIN
           && id->len <= NGX_PAYGW_UNIONPAY_ID_MAX
           && ngx_strlchr(id->data, id->data + id->len, '-') == NULL
           && ngx_strlchr(id->data, id->data + id->len, '_') == NULL;
}


static ngx_int_t
ngx_paygw_unionpay_check_ref(ngx_paygw_order_t *o)
{
    ngx_uint_t                 own;
    ngx_paygw_unionpay_ref_t   ref;

    if (o->ref.len == 0) {
        return (o->op == NGX_PAYGW_OP_CREATE || o->later)
               ? NGX_OK : ngx_paygw_order_missing(o, "ref");
    }

    own = (o->op == NGX_PAYGW_OP_REFUND_QUERY);

    if (ngx_paygw_unionpay_ref(&o->ref, &ref) != NGX_OK
        || (ref.refund.len ? o->op == NGX_PAYGW_OP_CREATE
                             || o->op == NGX_PAYGW_OP_QUERY
                           : own))
    {
        return ngx_paygw_order_invalid(o, "ref", own
                                       ? "must be that of the refund in this "
                                         "channel"
                                       : "must be what was told of the order");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_unionpay_check_create(ngx_paygw_order_t *o)
{
    u_char                    *p, *last;
    ngx_paygw_unionpay_ref_t   ref;

    if (o->method == NGX_PAYGW_METHOD_QR
        && o->id.len > NGX_PAYGW_UNIONPAY_QR_MAX)
    {
        return ngx_paygw_order_invalid(o, "order_id", "must have at most 32 "
                                       "characters with the method qr in this "
                                       "channel");
    }

    if (o->ref.len
        && (ngx_paygw_unionpay_ref(&o->ref, &ref) != NGX_OK
            || ref.qr != (o->method == NGX_PAYGW_METHOD_QR)))
    {
        return ngx_paygw_order_invalid(o, "ref", "is that of another method");
    }

    if ((o->method == NGX_PAYGW_METHOD_PAGE
         || o->method == NGX_PAYGW_METHOD_WAP)
        && o->return_url.len == 0)
    {
        return ngx_paygw_order_missing(o, "return_url");
    }

    /* it stands in braces there, beside names */

    last = o->subject.data + o->subject.len;

    for (p = o->subject.data; p < last; p++) {
        if (*p == '&' || *p == '=' || *p == '{' || *p == '}' || *p == '['
            || *p == ']' || *p == '"' || *p == '\'')
        {
            return ngx_paygw_order_invalid(o, "subject", "cannot have any of "
                                           "&={}[]\"' in this channel");
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_unionpay_check_bill(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    time_t     day;
    ngx_str_t  text;

    if (ngx_paygw_order_text(x->n.pool, &text, "%V 00:00:00", &o->date)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_paygw_datetime_parse(&text, NGX_PAYGW_UNIONPAY_ZONE, &day)
        != NGX_OK
        || day < x->in.now - NGX_PAYGW_UNIONPAY_BILLS)
    {
        return ngx_paygw_order_invalid(o, "date", "must be one of the last "
                                       "300 days in this channel");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_unionpay_order_create(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_str_t                 time;
    ngx_uint_t                qr;
    const char               *path;
    ngx_paygw_form_t          form;
    ngx_paygw_unionpay_ref_t  ref;

    qr = (o->method == NGX_PAYGW_METHOD_QR);

    if (o->ref.len == 0) {

        if (ngx_paygw_unionpay_stamp(x, x->in.now, &time) != NGX_OK
            || ngx_paygw_order_text(x->n.pool, &o->ref, "%V%s", &time,
                                    qr ? "q" : "")
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_paygw_unionpay_ref(&o->ref, &ref) != NGX_OK || ref.qr != qr) {

        /* one that the caller has said has been looked at */

        o->code = NGX_PAYGW_CODE_ORDER_MISMATCH;
        return NGX_DECLINED;
    }

    if (ngx_paygw_unionpay_begin(x, &form, "01", qr ? "07" : "01",
                                 qr ? "000000" : "000201")
        != NGX_OK
        || ngx_paygw_form_add(&form, "orderId", &o->id) != NGX_OK
        || ngx_paygw_form_add(&form, "txnTime", &ref.order) != NGX_OK
        || ngx_paygw_unionpay_put(&form, "channelType",
                                  (o->method == NGX_PAYGW_METHOD_PAGE)
                                  ? "07" : "08")
           != NGX_OK
        || ngx_paygw_unionpay_cents(x->n.pool, &form, o->amount) != NGX_OK
        || ngx_paygw_unionpay_put(&form, "currencyCode", "156") != NGX_OK
        || ngx_paygw_form_add(&form, "backUrl",
                              &x->n.channels[0]->notify_url)
           != NGX_OK
        || ngx_paygw_unionpay_optional(x, o, &form) != NGX_OK)
    {
        return NGX_ERROR;
    }

    path = qr ? "backTransReq.do"
           : (o->method == NGX_PAYGW_METHOD_APP) ? "appTransReq.do"
                                                 : "frontTransReq.do";

    return ngx_paygw_unionpay_request(x, path, &form);
}


static ngx_int_t
ngx_paygw_unionpay_optional(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_str_t  text;

    if (ngx_paygw_order_text(x->n.pool, &text, "{commodityName=%V}",
                             &o->subject)
        != NGX_OK
        || ngx_paygw_form_add(form, "riskRateInfo", &text) != NGX_OK
        || (o->return_url.len
            && ngx_paygw_form_add(form, "frontUrl", &o->return_url)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (o->expires
        && (ngx_paygw_unionpay_stamp(x, o->expires, &text) != NGX_OK
            || ngx_paygw_form_add(form, "payTimeout", &text) != NGX_OK))
    {
        return NGX_ERROR;
    }

    return ngx_paygw_unionpay_reserved(x, form, &o->metadata);
}


/* in base64: it comes back beside other fields */

static ngx_int_t
ngx_paygw_unionpay_reserved(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form,
    ngx_str_t *text)
{
    ngx_str_t  base64;

    if (text->len == 0) {
        return NGX_OK;
    }

    base64.data = ngx_pnalloc(x->n.pool, ngx_base64_encoded_length(text->len));
    if (base64.data == NULL) {
        return NGX_ERROR;
    }

    ngx_encode_base64(&base64, text);

    return ngx_paygw_form_add(form, "reqReserved", &base64);
}


static ngx_int_t
ngx_paygw_unionpay_order_query(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_paygw_unionpay_ref_t  ref;

    if (ngx_paygw_unionpay_ref(&o->ref, &ref) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_unionpay_ask(x, &o->id, &ref.order);
}


/*
 * First the payment, for its number there; then the refund; if that was there
 * before, what has become of it.
 */

static ngx_int_t
ngx_paygw_unionpay_order_refund(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_int_t                 rc;
    ngx_str_t                *query_id;
    ngx_paygw_form_t          form;
    ngx_paygw_unionpay_ref_t  ref;

    if (o->step != 1) {
        return ngx_paygw_unionpay_refund_query(x, o);
    }

    query_id = o->data;

    rc = ngx_paygw_unionpay_refund_ref(x, o);

    if ((rc != NGX_OK && rc != NGX_DONE)
        || ngx_paygw_unionpay_ref(&o->ref, &ref) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_paygw_unionpay_begin(x, &form, "04", "00",
                                 ref.qr ? "000000" : "000201")
        != NGX_OK
        || ngx_paygw_form_add(&form, "orderId", &o->refund_id) != NGX_OK
        || ngx_paygw_form_add(&form, "txnTime", &ref.refund) != NGX_OK
        || ngx_paygw_unionpay_put(&form, "channelType", "07") != NGX_OK
        || ngx_paygw_unionpay_cents(x->n.pool, &form, o->refund_amount)
           != NGX_OK
        || ngx_paygw_form_add(&form, "origQryId", query_id) != NGX_OK
        || ngx_paygw_form_add(&form, "backUrl",
                              &x->n.channels[0]->notify_url)
           != NGX_OK
        || ngx_paygw_unionpay_reserved(x, &form, &o->reason) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_unionpay_request(x, "backTransReq.do", &form);
}


/* the payment is asked for as well: whose refund it is nothing else tells */

static ngx_int_t
ngx_paygw_unionpay_refund_query(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_paygw_unionpay_ref_t  ref;

    if (o->step == 0) {
        return ngx_paygw_unionpay_order_query(x, o);
    }

    if (ngx_paygw_unionpay_ref(&o->ref, &ref) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_unionpay_ask(x, &o->refund_id, &ref.refund);
}


static ngx_int_t
ngx_paygw_unionpay_ask(ngx_paygw_exchange_t *x, ngx_str_t *id,
    ngx_str_t *time)
{
    ngx_paygw_form_t  form;

    if (ngx_paygw_unionpay_begin(x, &form, "00", "00", "000000") != NGX_OK
        || ngx_paygw_form_add(&form, "orderId", id) != NGX_OK
        || ngx_paygw_form_add(&form, "txnTime", time) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_unionpay_request(x, "queryTrans.do", &form);
}


/* files have a host of their own, which has but one path */

static ngx_int_t
ngx_paygw_unionpay_bill(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_str_t         day, time;
    ngx_paygw_form_t  form;

    if (ngx_paygw_order_text(x->n.pool, &day, "%*s%*s",
                             (size_t) 2, o->date.data + 5,
                             (size_t) 2, o->date.data + 8)
        != NGX_OK
        || ngx_paygw_unionpay_stamp(x, x->in.now, &time) != NGX_OK
        || ngx_paygw_unionpay_begin(x, &form, "76", "01", "000000") != NGX_OK
        || ngx_paygw_form_add(&form, "txnTime", &time) != NGX_OK
        || ngx_paygw_unionpay_put(&form, "fileType", "00") != NGX_OK
        || ngx_paygw_form_add(&form, "settleDate", &day) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_unionpay_request(x, NULL, &form);
}


/* build() adds who we are */

static ngx_int_t
ngx_paygw_unionpay_begin(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form,
    const char *type, const char *sub, const char *biz)
{
    if (ngx_paygw_form_new(x->n.pool, form) != NGX_OK
        || ngx_paygw_unionpay_put(form, "txnType", type) != NGX_OK
        || ngx_paygw_unionpay_put(form, "txnSubType", sub) != NGX_OK
        || ngx_paygw_unionpay_put(form, "bizType", biz) != NGX_OK
        || ngx_paygw_unionpay_put(form, "accessType", "0") != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_unionpay_stamp(ngx_paygw_exchange_t *x, time_t t, ngx_str_t *text)
{
    return ngx_paygw_order_clock(x->n.pool, t, NGX_PAYGW_UNIONPAY_ZONE,
                                 "%4d%02d%02d%02d%02d%02d", text);
}


static ngx_int_t
ngx_paygw_unionpay_put(ngx_paygw_form_t *form, const char *name,
    const char *value)
{
    ngx_str_t  text;

    text.data = (u_char *) value;
    text.len = ngx_strlen(value);

    return ngx_paygw_form_add(form, name, &text);
}


static ngx_int_t
ngx_paygw_unionpay_cents(ngx_pool_t *pool, ngx_paygw_form_t *form,
    int64_t value)
{
    ngx_str_t  text;

    if (ngx_paygw_order_text(pool, &text, "%L", value) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_form_add(form, "txnAmt", &text);
}


static ngx_int_t
ngx_paygw_unionpay_request(ngx_paygw_exchange_t *x, const char *path,
    ngx_paygw_form_t *form)
{
    ngx_str_t  target, none, body;

    ngx_str_null(&none);

    if (ngx_paygw_order_text(x->n.pool, &target, "%s%s",
                             path ? NGX_PAYGW_UNIONPAY_API : "/",
                             path ? path : "")
        != NGX_OK
        || ngx_paygw_form_write(x->n.pool, form, &body) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_order_call(x, "POST", &target, &none,
                                "application/x-www-form-urlencoded", &body);
}
