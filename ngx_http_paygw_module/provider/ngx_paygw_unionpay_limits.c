
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_text.h"


/* What an order must be so that UnionPay's gateway can be asked. */


#define NGX_PAYGW_UNIONPAY_ID_MIN    8
#define NGX_PAYGW_UNIONPAY_ID_MAX    40
#define NGX_PAYGW_UNIONPAY_QR_MAX    32
#define NGX_PAYGW_UNIONPAY_CODE_LEN  19

/* a day has no year there */
#define NGX_PAYGW_UNIONPAY_BILLS     (300 * 24 * 60 * 60)


static ngx_uint_t ngx_paygw_unionpay_id(ngx_str_t *id);
static ngx_int_t ngx_paygw_unionpay_check_ref(ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_check_create(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_check_code(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_unionpay_check_bill(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);


ngx_int_t
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

    if (o->op != NGX_PAYGW_OP_CREATE && o->op != NGX_PAYGW_OP_REFUND) {
        return NGX_OK;
    }

    if (ngx_paygw_order_heard(x, o) != NGX_OK) {
        return NGX_DECLINED;
    }

    return (o->op == NGX_PAYGW_OP_CREATE)
           ? ngx_paygw_unionpay_check_create(x, o) : NGX_OK;
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
ngx_paygw_unionpay_check_create(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    u_char                    *p, *last;
    ngx_paygw_unionpay_ref_t   ref;

    if (ngx_paygw_unionpay_way(o) != NGX_PAYGW_UNIONPAY_PAGE
        && o->id.len > NGX_PAYGW_UNIONPAY_QR_MAX)
    {
        return ngx_paygw_order_invalid(o, "order_id", "must have at most 32 "
                                       "characters with this method in this "
                                       "channel");
    }

    if (o->method == NGX_PAYGW_METHOD_BARCODE
        && ngx_paygw_unionpay_check_code(x, o) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (o->ref.len
        && (ngx_paygw_unionpay_ref(&o->ref, &ref) != NGX_OK
            || ref.kind != ngx_paygw_unionpay_way(o)))
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


/* his code, which another provider's cannot be taken for, and who reads it */

static ngx_int_t
ngx_paygw_unionpay_check_code(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_uint_t                  i;
    ngx_paygw_unionpay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    for (i = 0; i < o->auth_code.len; i++) {
        if (o->auth_code.data[i] < '0' || o->auth_code.data[i] > '9') {
            break;
        }
    }

    if (i != NGX_PAYGW_UNIONPAY_CODE_LEN || i != o->auth_code.len
        || o->auth_code.data[0] != '6' || o->auth_code.data[1] != '2')
    {
        return ngx_paygw_order_invalid(o, "payer.auth_code", "must be 19 "
                                       "digits, from 62, in this channel");
    }

    if (o->terminal.len == 0) {
        return conf->term_id.len ? NGX_OK
                                 : ngx_paygw_order_missing(o, "terminal");
    }

    return ngx_paygw_unionpay_terminal(&o->terminal)
           ? NGX_OK
           : ngx_paygw_order_invalid(o, "terminal", "must be 8 letters and "
                                     "digits in this channel");
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
