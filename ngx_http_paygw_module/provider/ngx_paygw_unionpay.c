
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_text.h"


/*
 * Callbacks of UnionPay's online gateway, version 5.1.0: a form that carries
 * its signature, and the certificate for it, among its fields.
 */


static ngx_int_t ngx_paygw_unionpay_parse(ngx_paygw_notify_t *n);
static ngx_int_t ngx_paygw_unionpay_verify(ngx_paygw_notify_t *n);
static ngx_int_t ngx_paygw_unionpay_old(ngx_paygw_notify_t *n);
static ngx_paygw_channel_t *ngx_paygw_unionpay_channel(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx);


static const ngx_str_t  ngx_paygw_unionpay_headers[] = {
    ngx_null_string
};


static const ngx_str_t  ngx_paygw_unionpay_types[] = {
    ngx_string("application/x-www-form-urlencoded"),
    ngx_null_string
};


/* the names that mean something in a message: see ngx_paygw_form_hides() */

const ngx_str_t  ngx_paygw_unionpay_names[] = {
    ngx_string("accNo"),
    ngx_string("accSplitData"),
    ngx_string("accessType"),
    ngx_string("bizType"),
    ngx_string("certId"),
    ngx_string("channelType"),
    ngx_string("currencyCode"),
    ngx_string("customerInfo"),
    ngx_string("encoding"),
    ngx_string("encryptCertId"),
    ngx_string("encryptPubKeyCert"),
    ngx_string("exchangeRate"),
    ngx_string("fileContent"),
    ngx_string("fileName"),
    ngx_string("issAddnData"),
    ngx_string("merId"),
    ngx_string("orderId"),
    ngx_string("origOrderId"),
    ngx_string("origQryId"),
    ngx_string("origRespCode"),
    ngx_string("origRespMsg"),
    ngx_string("origTxnTime"),
    ngx_string("payCardType"),
    ngx_string("payType"),
    ngx_string("qrCode"),
    ngx_string("queryId"),
    ngx_string("reqReserved"),
    ngx_string("reserved"),
    ngx_string("respCode"),
    ngx_string("respMsg"),
    ngx_string("settleAmt"),
    ngx_string("settleCurrencyCode"),
    ngx_string("settleDate"),
    ngx_string("signMethod"),
    ngx_string("signPubKeyCert"),
    ngx_string("tn"),
    ngx_string("traceNo"),
    ngx_string("traceTime"),
    ngx_string("txnAmt"),
    ngx_string("txnSubType"),
    ngx_string("txnTime"),
    ngx_string("txnType"),
    ngx_string("version"),
    ngx_null_string
};


/* ids and words of theirs: no "&" in them, whatever follows it */

const ngx_str_t  ngx_paygw_unionpay_words[] = {
    ngx_string("currencyCode"),
    ngx_string("orderId"),
    ngx_string("origOrderId"),
    ngx_string("origQryId"),
    ngx_string("queryId"),
    ngx_string("respCode"),
    ngx_string("txnType"),
    ngx_null_string
};


const ngx_paygw_provider_t  ngx_paygw_unionpay = {
    ngx_string("unionpay"),
    ngx_paygw_unionpay_headers,
    ngx_paygw_unionpay_types,
    ngx_paygw_unionpay_params,
    ngx_paygw_unionpay_create,
    ngx_paygw_unionpay_check,
    ngx_paygw_unionpay_same,
    ngx_paygw_unionpay_parse,
    ngx_paygw_unionpay_verify,
    ngx_paygw_unionpay_event,
    ngx_paygw_unionpay_ack,
    ngx_paygw_unionpay_sign,
    NULL,
    &ngx_paygw_unionpay_api,
    &ngx_paygw_unionpay_orders
};


static ngx_int_t
ngx_paygw_unionpay_parse(ngx_paygw_notify_t *n)
{
    ngx_int_t                  rc;
    ngx_str_t                 *value;
    ngx_paygw_unionpay_ctx_t  *ctx;

    ctx = ngx_pcalloc(n->pool, sizeof(ngx_paygw_unionpay_ctx_t));
    if (ctx == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    rc = ngx_paygw_fields_parse(n, &ctx->form);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->signature = ngx_paygw_fields_value(&ctx->form, "signature");

    if (ctx->signature == NULL) {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGNATURE,
                                "no signature");
    }

    if (!ngx_paygw_fields_is(&ctx->form, "version", "5.1.0")) {
        return ngx_paygw_unionpay_old(n);
    }

    value = ngx_paygw_fields_value(&ctx->form, "txnTime");

    if (value == NULL
        || ngx_paygw_compact_parse(value, NGX_PAYGW_UNIONPAY_ZONE,
                                   &ctx->txn_time)
           != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid txnTime");
    }

    n->data = ctx;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_unionpay_verify(ngx_paygw_notify_t *n)
{
    ngx_paygw_unionpay_ctx_t  *ctx = n->data;

    ngx_int_t                   rc;
    ngx_paygw_channel_t        *ch;
    ngx_paygw_unionpay_conf_t  *conf;

    ch = ngx_paygw_unionpay_channel(n, ctx);
    if (ch == NULL) {
        return ngx_paygw_refuse(n, NGX_DECLINED,
                                NGX_PAYGW_REASON_UNKNOWN_ACCOUNT,
                                "unknown merId");
    }

    conf = ch->conf;

    rc = ngx_paygw_unionpay_pinned(n, &ctx->form, conf);

    if (rc == NGX_OK) {
        rc = ngx_paygw_check_age(n, ch, ctx->txn_time, ch->keep);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_signature(n, ctx, conf);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_check_hidden(n, ch, &ctx->form,
                                    ngx_paygw_unionpay_names,
                                    ngx_paygw_unionpay_words);
    }

    if (rc == NGX_OK) {
        n->channel = ch;
    }

    return rc;
}


/* the sender does not choose: anyone can hash with an empty secret */

ngx_int_t
ngx_paygw_unionpay_pinned(ngx_paygw_notify_t *n, ngx_paygw_form_t *form,
    ngx_paygw_unionpay_conf_t *conf)
{
    if (!ngx_paygw_fields_is(form, "version", "5.1.0")) {
        return ngx_paygw_unionpay_old(n);
    }

    if (ngx_paygw_fields_is(form, "signMethod",
                            (char *) conf->method->name.data))
    {
        return NGX_OK;
    }

    return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGN_TYPE,
                            "signMethod is not the configured one");
}


/* 5.0.0 would be SHA-1 */

static ngx_int_t
ngx_paygw_unionpay_old(ngx_paygw_notify_t *n)
{
    return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGN_TYPE,
                            "only version 5.1.0 is accepted");
}


static ngx_paygw_channel_t *
ngx_paygw_unionpay_channel(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx)
{
    ngx_str_t                  *merid;
    ngx_uint_t                  i;
    ngx_paygw_unionpay_conf_t  *conf;

    merid = ngx_paygw_fields_value(&ctx->form, "merId");
    if (merid == NULL) {
        return NULL;
    }

    for (i = 0; i < n->nchannels; i++) {
        conf = n->channels[i]->conf;

        if (conf->merid.len == merid->len
            && ngx_strncmp(conf->merid.data, merid->data, merid->len) == 0)
        {
            return n->channels[i];
        }
    }

    return NULL;
}
