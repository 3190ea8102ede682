
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v2.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_xml.h"


/* An order in the words of v2: a flat document. */


#define NGX_PAYGW_WECHAT_V2_ATTACH_MAX  127
#define NGX_PAYGW_WECHAT_V2_CODE_LEN    18        /* of a payer's code */


static char *ngx_paygw_wechat_v2_orders_conf(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_wechat_v2_order_check(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v2_check_create(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v2_check_code(ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v2_order_create(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v2_method(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_wechat_v2_scene(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_wechat_v2_order_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v2_order_close(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v2_order_refund(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v2_refund_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v2_bill(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v2_ask(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, const char *path);
static ngx_int_t ngx_paygw_wechat_v2_form(ngx_paygw_exchange_t *x,
    const char *name, ngx_str_t *value, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_wechat_v2_request(ngx_paygw_exchange_t *x,
    const char *path, ngx_paygw_form_t *form);


/* trade_type, in the order of ngx_paygw_method_e */

static ngx_str_t  ngx_paygw_wechat_v2_methods[] = {
    ngx_string("NATIVE"),
    ngx_string("JSAPI"),
    ngx_string("APP"),
    ngx_string("MWEB")
};


const ngx_paygw_orders_t  ngx_paygw_wechat_v2_orders = {
    ngx_paygw_method_bit(QR) | ngx_paygw_method_bit(JSAPI)
    | ngx_paygw_method_bit(APP) | ngx_paygw_method_bit(H5)
    | ngx_paygw_method_bit(BARCODE),
    ngx_paygw_wechat_currencies,
    ngx_paygw_wechat_v2_orders_conf,
    ngx_paygw_wechat_v2_order_check,
    {
        ngx_paygw_wechat_v2_order_create,
        ngx_paygw_wechat_v2_order_query,
        ngx_paygw_wechat_v2_order_close,
        ngx_paygw_wechat_v2_order_refund,
        ngx_paygw_wechat_v2_refund_query,
        ngx_paygw_wechat_v2_bill
    },
    ngx_paygw_wechat_v2_normalise,
    0,
    NULL,
    0
};


static char *
ngx_paygw_wechat_v2_orders_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    return ngx_paygw_wechat_orders_conf(cf, ch, "no order can be made but "
                                        "by a payer's code");
}


static ngx_int_t
ngx_paygw_wechat_v2_order_check(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    ngx_paygw_wechat_v2_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    if (o->op == NGX_PAYGW_OP_BILL) {
        return NGX_OK;
    }

    if (ngx_paygw_wechat_check_id(o) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (o->op == NGX_PAYGW_OP_CREATE) {
        return ngx_paygw_wechat_v2_check_create(x, o);
    }

    if (o->op == NGX_PAYGW_OP_REFUND) {

        if (conf->certificate == NULL) {
            return ngx_paygw_order_unsupported(o, NULL, "refunds need the "
                                               "merchant's certificate in "
                                               "this channel");
        }

        return ngx_paygw_wechat_check_reason(o);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v2_check_create(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    /* of a payer's code WeChat Pay tells at once */

    if ((o->method != NGX_PAYGW_METHOD_BARCODE
         && ngx_paygw_order_heard(x, o) != NGX_OK)
        || ngx_paygw_wechat_check_subject(o) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (o->metadata.len > NGX_PAYGW_WECHAT_V2_ATTACH_MAX) {
        return ngx_paygw_order_invalid(o, "metadata", "must have at most 127 "
                                       "bytes as JSON in this channel");
    }

    if (ngx_paygw_wechat_check_appid(x->n.channels[0]->conf, o) != NGX_OK
        || ngx_paygw_wechat_check_payer(o) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_paygw_wechat_v2_check_code(o);
}


/* a code of the payer's has 18 digits */

static ngx_int_t
ngx_paygw_wechat_v2_check_code(ngx_paygw_order_t *o)
{
    size_t  i;

    if (o->method != NGX_PAYGW_METHOD_BARCODE) {
        return NGX_OK;
    }

    for (i = 0; i < o->auth_code.len; i++) {
        if (o->auth_code.data[i] < '0' || o->auth_code.data[i] > '9') {
            break;
        }
    }

    if (i != NGX_PAYGW_WECHAT_V2_CODE_LEN || i != o->auth_code.len
        || o->auth_code.data[0] != '1' || o->auth_code.data[1] > '5')
    {
        return ngx_paygw_order_invalid(o, "payer.auth_code", "must be 18 "
                                       "digits that begin with 10 to 15 in "
                                       "this channel");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v2_order_create(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    ngx_str_t                    expires, *sub;
    ngx_paygw_form_t             form;
    ngx_paygw_wechat_account_t  *account;

    static ngx_str_t  here = ngx_string("127.0.0.1");

    account = x->n.channels[0]->conf;
    sub = ngx_paygw_wechat_sub_appid(account, &o->payer_appid);

    if (ngx_paygw_wechat_v2_form(x, "out_trade_no", &o->id, &form) != NGX_OK
        || ngx_paygw_form_add(&form, "appid",
                              sub ? account->appids->elts : &o->payer_appid)
           != NGX_OK
        || (sub && ngx_paygw_form_add(&form, "sub_appid", sub) != NGX_OK)
        || ngx_paygw_form_add(&form, "body", &o->subject) != NGX_OK
        || ngx_paygw_order_number(x->n.pool, &form, "total_fee", o->amount)
           != NGX_OK
        || ngx_paygw_form_add(&form, "fee_type", &o->currency) != NGX_OK
        || ngx_paygw_form_add(&form, "spbill_create_ip",
                              o->payer_ip.len ? &o->payer_ip : &here)
           != NGX_OK
        || (o->metadata.len
            && ngx_paygw_form_add(&form, "attach", &o->metadata) != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (o->expires
        && (ngx_paygw_order_clock(x->n.pool, o->expires,
                                  NGX_PAYGW_WECHAT_ZONE,
                                  "%4d%02d%02d%02d%02d%02d", &expires)
            != NGX_OK
            || ngx_paygw_form_add(&form, "time_expire", &expires) != NGX_OK))
    {
        return NGX_ERROR;
    }

    return ngx_paygw_wechat_v2_method(x, o, &form);
}


static ngx_int_t
ngx_paygw_wechat_v2_method(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    if (o->method == NGX_PAYGW_METHOD_BARCODE) {

        return ngx_paygw_form_add(form, "auth_code", &o->auth_code) == NGX_OK
               ? ngx_paygw_wechat_v2_request(x, "/pay/micropay", form)
               : NGX_ERROR;
    }

    if (ngx_paygw_form_add(form, "notify_url", &x->n.channels[0]->notify_url)
        != NGX_OK
        || ngx_paygw_form_add(form, "trade_type",
                              &ngx_paygw_wechat_v2_methods[o->method])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    switch (o->method) {

    case NGX_PAYGW_METHOD_QR:

        /* theirs is of what is sold; of ours there is one order each */

        if (ngx_paygw_form_add(form, "product_id", &o->id) != NGX_OK) {
            return NGX_ERROR;
        }

        break;

    case NGX_PAYGW_METHOD_JSAPI:

        if (ngx_paygw_form_add(form,
                               ngx_paygw_wechat_sub_appid(
                                   x->n.channels[0]->conf, &o->payer_appid)
                               ? "sub_openid" : "openid",
                               &o->payer)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        break;

    case NGX_PAYGW_METHOD_H5:

        if (ngx_paygw_wechat_v2_scene(x, o, form) != NGX_OK) {
            return NGX_ERROR;
        }

        break;

    default:
        break;
    }

    return ngx_paygw_wechat_v2_request(x, "/pay/unifiedorder", form);
}


static ngx_int_t
ngx_paygw_wechat_v2_scene(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_form_t *form)
{
    ngx_str_t             scene;
    ngx_paygw_json_out_t  out;

    static const ngx_str_t  wap = ngx_string("Wap");

    ngx_paygw_json_out_init(&out, x->n.pool);
    ngx_paygw_json_out_open(&out, NULL);
    ngx_paygw_json_out_open(&out, "h5_info");
    ngx_paygw_json_out_string(&out, "type", &wap);
    ngx_paygw_json_out_some(&out, "wap_url", &o->return_url);
    ngx_paygw_json_out_string(&out, "wap_name", &o->subject);
    ngx_paygw_json_out_close(&out);
    ngx_paygw_json_out_close(&out);

    if (ngx_paygw_json_out_end(&out, &scene) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_form_add(form, "scene_info", &scene);
}


static ngx_int_t
ngx_paygw_wechat_v2_order_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    return ngx_paygw_wechat_v2_ask(x, o, "/pay/orderquery");
}


static ngx_int_t
ngx_paygw_wechat_v2_order_close(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    return ngx_paygw_wechat_v2_ask(x, o, "/pay/closeorder");
}


/*
 * A refund has to name the amount of the order.  Where nobody knows it WeChat
 * Pay is asked first.
 */

static ngx_int_t
ngx_paygw_wechat_v2_order_refund(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    ngx_str_t         *notify;
    ngx_paygw_form_t   form;

    static ngx_str_t  cny = ngx_string("CNY");

    if (o->amount < 0) {
        return ngx_paygw_wechat_v2_order_query(x, o);
    }

    notify = &x->n.channels[0]->notify_url;

    if (ngx_paygw_wechat_v2_form(x, "out_trade_no", &o->id, &form) != NGX_OK
        || ngx_paygw_form_add(&form, "out_refund_no", &o->refund_id) != NGX_OK
        || ngx_paygw_order_number(x->n.pool, &form, "total_fee", o->amount)
           != NGX_OK
        || ngx_paygw_order_number(x->n.pool, &form, "refund_fee",
                                  o->refund_amount)
           != NGX_OK
        || ngx_paygw_form_add(&form, "refund_fee_type", &cny) != NGX_OK
        || (notify->len
            && ngx_paygw_form_add(&form, "notify_url", notify) != NGX_OK)
        || (o->reason.len
            && ngx_paygw_form_add(&form, "refund_desc", &o->reason)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    return ngx_paygw_wechat_v2_request(x, "/secapi/pay/refund", &form);
}


/* by its own number alone: a second one would be looked at in its place */

static ngx_int_t
ngx_paygw_wechat_v2_refund_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    ngx_paygw_form_t  form;

    if (ngx_paygw_wechat_v2_form(x, "out_refund_no", &o->refund_id, &form)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_wechat_v2_request(x, "/pay/refundquery", &form);
}


static ngx_int_t
ngx_paygw_wechat_v2_bill(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_str_t         day;
    ngx_paygw_form_t  form;

    static ngx_str_t  all = ngx_string("ALL");

    /* "2025-01-02" without its "-" */

    if (ngx_paygw_order_text(x->n.pool, &day, "%*s%*s%*s",
                             (size_t) 4, o->date.data,
                             (size_t) 2, o->date.data + 5,
                             (size_t) 2, o->date.data + 8)
        != NGX_OK
        || ngx_paygw_wechat_v2_form(x, "bill_date", &day, &form) != NGX_OK
        || ngx_paygw_form_add(&form, "bill_type", &all) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_wechat_v2_request(x, "/pay/downloadbill", &form);
}


static ngx_int_t
ngx_paygw_wechat_v2_ask(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    const char *path)
{
    ngx_paygw_form_t  form;

    if (ngx_paygw_wechat_v2_form(x, "out_trade_no", &o->id, &form) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_wechat_v2_request(x, path, &form);
}


/* whose it is and what it is about: build() adds who we are */

static ngx_int_t
ngx_paygw_wechat_v2_form(ngx_paygw_exchange_t *x, const char *name,
    ngx_str_t *value, ngx_paygw_form_t *form)
{
    ngx_paygw_wechat_account_t  *account;

    account = x->n.channels[0]->conf;

    if (ngx_paygw_form_new(x->n.pool, form) != NGX_OK
        || (account->sub_mchids
            && ngx_paygw_form_add(form, "sub_mch_id",
                                  account->sub_mchids->elts)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    return ngx_paygw_form_add(form, name, value);
}


/* what the caller of paygw_pass would send; build() adds the rest */

static ngx_int_t
ngx_paygw_wechat_v2_request(ngx_paygw_exchange_t *x, const char *path,
    ngx_paygw_form_t *form)
{
    ngx_str_t  target, none, body;

    ngx_str_null(&none);

    target.data = (u_char *) path;
    target.len = ngx_strlen(path);

    if (ngx_paygw_xml_write(x->n.pool, "xml", form, &body) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_order_call(x, "POST", &target, &none, "text/xml", &body);
}
