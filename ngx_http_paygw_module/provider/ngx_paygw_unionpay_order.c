
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
 * if the payer scans, "b" if a code of his is scanned; of a refund it is that
 * of the order, "-", and its own.
 */


static char *ngx_paygw_unionpay_orders_conf(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_unionpay_order_create(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_scan(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
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
    | ngx_paygw_method_bit(PAGE) | ngx_paygw_method_bit(WAP)
    | ngx_paygw_method_bit(BARCODE),
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
    ngx_paygw_unionpay_refund_ref,
    1
};


static char *
ngx_paygw_unionpay_orders_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_channel_unheard(cf, ch, "no order and no refund can be made");

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_paygw_unionpay_order_create(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    u_char                    kind;
    ngx_str_t                 time;
    const char               *path;
    ngx_paygw_form_t          form;
    ngx_paygw_unionpay_ref_t  ref;

    if (o->step) {

        /* this one is there: what has become of it? */

        return ngx_paygw_unionpay_order_query(x, o);
    }

    kind = ngx_paygw_unionpay_way(o);

    if (o->ref.len == 0) {

        if (ngx_paygw_unionpay_stamp(x, x->in.now, &time) != NGX_OK
            || ngx_paygw_order_text(x->n.pool, &o->ref, "%V%*s", &time,
                                    (size_t) (kind ? 1 : 0), &kind)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_paygw_unionpay_ref(&o->ref, &ref) != NGX_OK || ref.kind != kind) {

        /* one that the caller has said has been looked at */

        o->code = NGX_PAYGW_CODE_ORDER_MISMATCH;
        return NGX_DECLINED;
    }

    if (ngx_paygw_unionpay_begin(x, &form, "01",
                                 (kind == NGX_PAYGW_UNIONPAY_QR) ? "07"
                                 : (kind == NGX_PAYGW_UNIONPAY_CODE) ? "06"
                                                                     : "01",
                                 kind ? "000000" : "000201")
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
        || ngx_paygw_unionpay_scan(x, o, &form) != NGX_OK
        || ngx_paygw_unionpay_optional(x, o, &form) != NGX_OK)
    {
        return NGX_ERROR;
    }

    path = kind ? "backTransReq.do"
           : (o->method == NGX_PAYGW_METHOD_APP) ? "appTransReq.do"
                                                 : "frontTransReq.do";

    return ngx_paygw_unionpay_request(x, path, &form);
}


static ngx_int_t
ngx_paygw_unionpay_scan(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_paygw_unionpay_conf_t  *conf;

    if (o->method != NGX_PAYGW_METHOD_BARCODE) {
        return NGX_OK;
    }

    conf = x->n.channels[0]->conf;

    return (ngx_paygw_form_add(form, "qrNo", &o->auth_code) == NGX_OK
            && ngx_paygw_form_add(form, "termId",
                                  o->terminal.len ? &o->terminal
                                                  : &conf->term_id)
               == NGX_OK)
           ? NGX_OK : NGX_ERROR;
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
                                 ref.kind ? "000000" : "000201")
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
