
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_text.h"


/* The times by which transactions are known there, in the form of our "ref". */


#define NGX_PAYGW_UNIONPAY_TIME  14


/* "20250102030405", "q", "b" or none, and for a refund "-20250102040506" */

ngx_int_t
ngx_paygw_unionpay_ref(ngx_str_t *text, ngx_paygw_unionpay_ref_t *ref)
{
    u_char  *p, *last;
    time_t   t;

    p = text->data;
    last = p + text->len;

    ngx_memzero(ref, sizeof(ngx_paygw_unionpay_ref_t));

    if (text->len < NGX_PAYGW_UNIONPAY_TIME) {
        return NGX_DECLINED;
    }

    ref->order.data = p;
    ref->order.len = NGX_PAYGW_UNIONPAY_TIME;
    p += NGX_PAYGW_UNIONPAY_TIME;

    if (p < last && (*p == NGX_PAYGW_UNIONPAY_QR
                     || *p == NGX_PAYGW_UNIONPAY_CODE))
    {
        ref->kind = *p++;
    }

    ref->head.data = text->data;
    ref->head.len = p - text->data;

    if (p < last) {

        if (*p != '-' || last - p != NGX_PAYGW_UNIONPAY_TIME + 1) {
            return NGX_DECLINED;
        }

        ref->refund.data = p + 1;
        ref->refund.len = NGX_PAYGW_UNIONPAY_TIME;

        if (ngx_paygw_compact_parse(&ref->refund, NGX_PAYGW_UNIONPAY_ZONE, &t)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return ngx_paygw_compact_parse(&ref->order, NGX_PAYGW_UNIONPAY_ZONE, &t)
           == NGX_OK ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_paygw_unionpay_refund_ref(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_str_t                 time;
    ngx_paygw_unionpay_ref_t  ref;

    if (ngx_paygw_unionpay_ref(&o->ref, &ref) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (ref.refund.len) {
        return NGX_DONE;
    }

    if (ngx_paygw_order_clock(x->n.pool, x->in.now, NGX_PAYGW_UNIONPAY_ZONE,
                              "%4d%02d%02d%02d%02d%02d", &time)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_order_text(x->n.pool, &o->ref, "%V-%V", &ref.head, &time);
}


u_char
ngx_paygw_unionpay_way(ngx_paygw_order_t *o)
{
    switch (o->method) {

    case NGX_PAYGW_METHOD_QR:
        return NGX_PAYGW_UNIONPAY_QR;

    case NGX_PAYGW_METHOD_BARCODE:
        return NGX_PAYGW_UNIONPAY_CODE;

    default:
        return NGX_PAYGW_UNIONPAY_PAGE;
    }
}


ngx_uint_t
ngx_paygw_unionpay_terminal(ngx_str_t *id)
{
    return id->len == NGX_PAYGW_UNIONPAY_TERM_LEN
           && ngx_paygw_order_plain(id, NGX_PAYGW_UNIONPAY_TERM_LEN)
           && ngx_strlchr(id->data, id->data + id->len, '-') == NULL
           && ngx_strlchr(id->data, id->data + id->len, '_') == NULL;
}
