
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_order.h"


/* An order in the words of the gateway: a method, and biz_content. */


#define NGX_PAYGW_ALIPAY_AMOUNT_MAX  10000000000LL
#define NGX_PAYGW_ALIPAY_META_MAX    512     /* as passback_params */

#define NGX_PAYGW_ALIPAY_FORM_TYPE   "application/x-www-form-urlencoded"


/* how an order is made by a method */
typedef struct {
    const char              *method;
    const char              *product;      /* NULL: that of the account */
} ngx_paygw_alipay_create_t;


static char *ngx_paygw_alipay_orders_conf(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_alipay_order_check(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_alipay_check_create(ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_alipay_order_create(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_alipay_optional(ngx_paygw_json_out_t *out,
    ngx_paygw_exchange_t *x, ngx_paygw_order_t *o);
static void ngx_paygw_alipay_buyer(ngx_paygw_json_out_t *out,
    ngx_paygw_exchange_t *x, ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_alipay_order_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_alipay_order_close(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_alipay_order_refund(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_alipay_refund_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_alipay_bill(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static void ngx_paygw_alipay_begin(ngx_paygw_json_out_t *out,
    ngx_paygw_exchange_t *x, ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_alipay_request(ngx_paygw_exchange_t *x,
    const char *method, ngx_paygw_json_out_t *out, ngx_str_t *back,
    ngx_str_t *notify);


static const ngx_str_t  ngx_paygw_alipay_currencies[] = {
    ngx_string("CNY"),
    ngx_null_string
};


/* in the order of ngx_paygw_method_e */

static const ngx_paygw_alipay_create_t  ngx_paygw_alipay_creates[] = {
    { "alipay.trade.precreate", NULL },
    { "alipay.trade.create", "JSAPI_PAY" },
    { "alipay.trade.app.pay", "QUICK_MSECURITY_PAY" },
    { NULL, NULL },
    { "alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY" },
    { "alipay.trade.wap.pay", "QUICK_WAP_WAY" },
    { "alipay.trade.pay", NULL }
};


const ngx_paygw_orders_t  ngx_paygw_alipay_orders = {
    ngx_paygw_method_bit(QR) | ngx_paygw_method_bit(JSAPI)
    | ngx_paygw_method_bit(APP) | ngx_paygw_method_bit(PAGE)
    | ngx_paygw_method_bit(WAP) | ngx_paygw_method_bit(BARCODE),
    ngx_paygw_alipay_currencies,
    ngx_paygw_alipay_orders_conf,
    ngx_paygw_alipay_order_check,
    {
        ngx_paygw_alipay_order_create,
        ngx_paygw_alipay_order_query,
        ngx_paygw_alipay_order_close,
        ngx_paygw_alipay_order_refund,
        ngx_paygw_alipay_refund_query,
        ngx_paygw_alipay_bill
    },
    ngx_paygw_alipay_normalise,
    0,
    NULL,
    0
};


/* without a notify_url Alipay calls none: the shop may want to query alone */

static char *
ngx_paygw_alipay_orders_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_channel_unheard(cf, ch, "nobody is called when an order is "
                              "paid");

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_paygw_alipay_order_check(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    if (o->op == NGX_PAYGW_OP_BILL) {
        return NGX_OK;
    }

    if (ngx_strlchr(o->id.data, o->id.data + o->id.len, '-')) {
        return ngx_paygw_order_invalid(o, "order_id", "cannot have \"-\" in "
                                       "this channel");
    }

    return (o->op == NGX_PAYGW_OP_CREATE) ? ngx_paygw_alipay_check_create(o)
                                          : NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_check_create(ngx_paygw_order_t *o)
{
    u_char  *p, *last;
    size_t   i;

    if (o->amount > NGX_PAYGW_ALIPAY_AMOUNT_MAX) {
        return ngx_paygw_order_invalid(o, "amount", "must be at most "
                                       "10000000000 in this channel");
    }

    last = o->subject.data + o->subject.len;

    for (p = o->subject.data; p < last; p++) {
        if (*p == '/' || *p == '=' || *p == '&') {
            return ngx_paygw_order_invalid(o, "subject", "cannot have \"/\", "
                                           "\"=\" and \"&\" in this channel");
        }
    }

    if (o->metadata.len
        + 2 * ngx_escape_uri(NULL, o->metadata.data, o->metadata.len,
                             NGX_ESCAPE_URI_COMPONENT)
        > NGX_PAYGW_ALIPAY_META_MAX)
    {
        return ngx_paygw_order_invalid(o, "metadata", "must have at most 512 "
                                       "bytes as encoded JSON in this "
                                       "channel");
    }

    if (o->method == NGX_PAYGW_METHOD_JSAPI && o->payer.len == 0) {
        return ngx_paygw_order_missing(o, "payer.id");
    }

    if (o->method == NGX_PAYGW_METHOD_WAP && o->return_url.len == 0) {
        return ngx_paygw_order_missing(o, "return_url");
    }

    for (i = 0; i < o->auth_code.len; i++) {
        if (o->auth_code.data[i] < '0' || o->auth_code.data[i] > '9') {
            return ngx_paygw_order_invalid(o, "payer.auth_code",
                                           "must be digits in this channel");
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_order_create(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_str_t                         amount, product;
    ngx_paygw_json_out_t              out;
    const ngx_paygw_alipay_create_t  *create;

    static const ngx_str_t  scene = ngx_string("bar_code");

    create = &ngx_paygw_alipay_creates[o->method];

    if (ngx_paygw_order_decimal(x->n.pool, o->amount, &amount) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_paygw_alipay_begin(&out, x, o);

    ngx_paygw_json_out_string(&out, "total_amount", &amount);
    ngx_paygw_json_out_string(&out, "subject", &o->subject);

    if (create->product) {
        product.data = (u_char *) create->product;
        product.len = ngx_strlen(create->product);

        ngx_paygw_json_out_string(&out, "product_code", &product);
    }

    switch (o->method) {

    case NGX_PAYGW_METHOD_JSAPI:
        ngx_paygw_alipay_buyer(&out, x, o);
        break;

    case NGX_PAYGW_METHOD_WAP:
        ngx_paygw_json_out_string(&out, "quit_url", &o->return_url);
        break;

    case NGX_PAYGW_METHOD_BARCODE:
        ngx_paygw_json_out_string(&out, "scene", &scene);
        ngx_paygw_json_out_string(&out, "auth_code", &o->auth_code);
        break;

    default:
        break;
    }

    if (ngx_paygw_alipay_optional(&out, x, o) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_alipay_request(x, create->method, &out, &o->return_url,
                                    &x->n.channels[0]->notify_url);
}


static ngx_int_t
ngx_paygw_alipay_optional(ngx_paygw_json_out_t *out, ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    ngx_str_t  text;

    if (o->expires) {

        if (ngx_paygw_order_clock(x->n.pool, o->expires,
                                  NGX_PAYGW_ALIPAY_ZONE,
                                  "%4d-%02d-%02d %02d:%02d:%02d", &text)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_paygw_json_out_string(out, "time_expire", &text);
    }

    if (o->metadata.len) {

        /* Alipay wants it encoded, once more than the form will be */

        text.data = ngx_pnalloc(x->n.pool, 3 * o->metadata.len);
        if (text.data == NULL) {
            return NGX_ERROR;
        }

        text.len = (u_char *) ngx_escape_uri(text.data, o->metadata.data,
                                             o->metadata.len,
                                             NGX_ESCAPE_URI_COMPONENT)
                   - text.data;

        ngx_paygw_json_out_string(out, "passback_params", &text);
    }

    return NGX_OK;
}


/* 2088 and twelve digits are an account, anything else an open id */

static void
ngx_paygw_alipay_buyer(ngx_paygw_json_out_t *out, ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    size_t                    i;
    ngx_paygw_alipay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    for (i = 0; i < o->payer.len; i++) {
        if (o->payer.data[i] < '0' || o->payer.data[i] > '9') {
            break;
        }
    }

    ngx_paygw_json_out_string(out,
                              (i == 16 && i == o->payer.len
                               && ngx_strncmp(o->payer.data, "2088", 4) == 0)
                              ? "buyer_id" : "buyer_open_id",
                              &o->payer);

    ngx_paygw_json_out_string(out, "op_app_id",
                              o->payer_appid.len ? &o->payer_appid
                                                 : &conf->app_id);
}


static ngx_int_t
ngx_paygw_alipay_order_query(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_paygw_json_out_t  out;

    ngx_paygw_alipay_begin(&out, x, o);

    return ngx_paygw_alipay_request(x, "alipay.trade.query", &out, NULL,
                                    NULL);
}


static ngx_int_t
ngx_paygw_alipay_order_close(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_paygw_json_out_t  out;

    ngx_paygw_alipay_begin(&out, x, o);

    return ngx_paygw_alipay_request(x, "alipay.trade.close", &out, NULL,
                                    NULL);
}


/*
 * What "10000" says of a refund is not that money has moved: where it does not
 * say more, Alipay is asked in a second step.
 */

static ngx_int_t
ngx_paygw_alipay_order_refund(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_str_t             amount;
    ngx_paygw_json_out_t  out;

    if (o->step) {
        return ngx_paygw_alipay_refund_query(x, o);
    }

    if (ngx_paygw_order_decimal(x->n.pool, o->refund_amount, &amount)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_paygw_alipay_begin(&out, x, o);

    ngx_paygw_json_out_string(&out, "refund_amount", &amount);
    ngx_paygw_json_out_string(&out, "out_request_no", &o->refund_id);
    ngx_paygw_json_out_some(&out, "refund_reason", &o->reason);

    return ngx_paygw_alipay_request(x, "alipay.trade.refund", &out, NULL,
                                    NULL);
}


static ngx_int_t
ngx_paygw_alipay_refund_query(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_paygw_json_out_t  out;

    ngx_paygw_alipay_begin(&out, x, o);

    ngx_paygw_json_out_string(&out, "out_request_no", &o->refund_id);

    return ngx_paygw_alipay_request(x, "alipay.trade.fastpay.refund.query",
                                    &out, NULL, NULL);
}


static ngx_int_t
ngx_paygw_alipay_bill(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_paygw_json_out_t  out;

    static const ngx_str_t  trade = ngx_string("trade");

    ngx_paygw_json_out_init(&out, x->n.pool);
    ngx_paygw_json_out_open(&out, NULL);

    ngx_paygw_json_out_string(&out, "bill_type", &trade);
    ngx_paygw_json_out_string(&out, "bill_date", &o->date);

    return ngx_paygw_alipay_request(x, "alipay.data.dataservice.bill."
                                    "downloadurl.query", &out, NULL, NULL);
}


static void
ngx_paygw_alipay_begin(ngx_paygw_json_out_t *out, ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    ngx_paygw_json_out_init(out, x->n.pool);
    ngx_paygw_json_out_open(out, NULL);
    ngx_paygw_json_out_string(out, "out_trade_no", &o->id);
}


/* what the caller of paygw_pass would send; build() adds the rest */

static ngx_int_t
ngx_paygw_alipay_request(ngx_paygw_exchange_t *x, const char *method,
    ngx_paygw_json_out_t *out, ngx_str_t *back, ngx_str_t *notify)
{
    ngx_str_t         name, biz, path, none, body;
    ngx_paygw_form_t  form;

    ngx_str_null(&none);
    ngx_str_set(&path, NGX_PAYGW_ALIPAY_PATH);

    name.data = (u_char *) method;
    name.len = ngx_strlen(method);

    ngx_paygw_json_out_close(out);

    if (ngx_paygw_json_out_end(out, &biz) != NGX_OK
        || ngx_paygw_form_new(x->n.pool, &form) != NGX_OK
        || ngx_paygw_form_add(&form, "method", &name) != NGX_OK
        || ngx_paygw_form_add(&form, "biz_content", &biz) != NGX_OK
        || (back && back->len
            && ngx_paygw_form_add(&form, "return_url", back) != NGX_OK)
        || (notify && notify->len
            && ngx_paygw_form_add(&form, "notify_url", notify) != NGX_OK)
        || ngx_paygw_form_write(x->n.pool, &form, &body) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_order_call(x, "POST", &path, &none,
                                NGX_PAYGW_ALIPAY_FORM_TYPE, &body);
}
