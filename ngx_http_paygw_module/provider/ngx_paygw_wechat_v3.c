
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v3.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_sign.h"
#include "ngx_paygw_task.h"
#include "ngx_paygw_text.h"


/*
 * WeChat Pay APIv3 callbacks.  The order is the security: nothing of the body
 * is looked at before its signature is good, nothing of the resource before
 * the tag of its encryption is good, and neither proves that the message is
 * for us: the account inside the resource does.
 */


#define NGX_PAYGW_WECHAT_V3_SCHEME     "WECHATPAY2-SHA256-RSA2048"


static ngx_int_t ngx_paygw_wechat_v3_verify(ngx_paygw_notify_t *n);
static ngx_int_t ngx_paygw_wechat_v3_keyring(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v3_ctx_t *ctx);
static ngx_paygw_key_t *ngx_paygw_wechat_v3_key(ngx_paygw_channel_t *ch,
    ngx_str_t *serial);
static ngx_int_t ngx_paygw_wechat_v3_clock(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v3_ctx_t *ctx);
static ngx_int_t ngx_paygw_wechat_v3_signature(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v3_ctx_t *ctx);
static ngx_int_t ngx_paygw_wechat_v3_sign(ngx_paygw_task_t *t);
static ngx_int_t ngx_paygw_wechat_v3_unseal(ngx_paygw_task_t *t);


const ngx_str_t  ngx_paygw_wechat_v3_headers[] = {
    ngx_string("wechatpay-timestamp"),
    ngx_string("wechatpay-nonce"),
    ngx_string("wechatpay-signature"),
    ngx_string("wechatpay-serial"),
    ngx_string("wechatpay-signature-type"),
    ngx_string("wechatpay-statement-sha1"),
    ngx_null_string
};


static const ngx_str_t  ngx_paygw_wechat_v3_types[] = {
    ngx_string("application/json"),
    ngx_null_string
};


const ngx_paygw_provider_t  ngx_paygw_wechat_v3 = {
    ngx_string("wechat_v3"),
    ngx_paygw_wechat_v3_headers,
    ngx_paygw_wechat_v3_types,
    ngx_paygw_wechat_v3_params,
    ngx_paygw_wechat_v3_create,
    ngx_paygw_wechat_v3_check,
    ngx_paygw_wechat_same,
    ngx_paygw_wechat_v3_parse,
    ngx_paygw_wechat_v3_verify,
    ngx_paygw_wechat_v3_event,
    ngx_paygw_wechat_v3_ack,
    ngx_paygw_wechat_v3_sign,
    ngx_paygw_wechat_v3_unseal,
    &ngx_paygw_wechat_v3_api,
    &ngx_paygw_wechat_v3_orders
};


ngx_int_t
ngx_paygw_wechat_v3_parse(ngx_paygw_notify_t *n)
{
    ngx_str_t                  *h;
    ngx_paygw_wechat_v3_ctx_t  *ctx;

    if (ngx_paygw_check_headers(n, NGX_PAYGW_WECHAT_V3_REQUIRED) != NGX_OK) {
        return NGX_ABORT;
    }

    h = &n->msg.headers[NGX_PAYGW_WECHAT_V3_SIGN_TYPE];

    if (h->data
        && (h->len != sizeof(NGX_PAYGW_WECHAT_V3_SCHEME) - 1
            || ngx_strncmp(h->data, NGX_PAYGW_WECHAT_V3_SCHEME, h->len) != 0))
    {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGN_TYPE,
                                "only " NGX_PAYGW_WECHAT_V3_SCHEME
                                " is accepted");
    }

    ctx = ngx_pcalloc(n->pool, sizeof(ngx_paygw_wechat_v3_ctx_t));
    if (ctx == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    if (ngx_paygw_timestamp_parse(
                              &n->msg.headers[NGX_PAYGW_WECHAT_V3_TIMESTAMP],
                              &ctx->timestamp)
        != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "timestamp is not a number");
    }

    n->data = ctx;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v3_verify(ngx_paygw_notify_t *n)
{
    ngx_int_t  rc;

    rc = ngx_paygw_wechat_v3_genuine(n);

    if (rc == NGX_OK) {
        n->genuine = 1;
        rc = ngx_paygw_wechat_v3_envelope(n);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_wechat_v3_open(n);
    }

    return rc;
}


ngx_int_t
ngx_paygw_wechat_v3_genuine(ngx_paygw_notify_t *n)
{
    ngx_paygw_wechat_v3_ctx_t *ctx = n->data;

    ngx_int_t  rc;

    rc = ngx_paygw_wechat_v3_keyring(n, ctx);

    if (rc == NGX_OK) {
        rc = ngx_paygw_wechat_v3_clock(n, ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_wechat_v3_signature(n, ctx);
    }

    return rc;
}


static ngx_int_t
ngx_paygw_wechat_v3_keyring(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v3_ctx_t *ctx)
{
    ngx_str_t        *serial;
    ngx_uint_t        i, known, usable;
    ngx_paygw_key_t  *key;

    serial = &n->msg.headers[NGX_PAYGW_WECHAT_V3_SERIAL];

    ngx_paygw_note_key(n, serial);

    ctx->keys = ngx_pcalloc(n->pool,
                            n->nchannels * sizeof(ngx_paygw_key_t *));
    if (ctx->keys == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    known = 0;
    usable = 0;

    for (i = 0; i < n->nchannels; i++) {

        key = ngx_paygw_wechat_v3_key(n->channels[i], serial);
        if (key == NULL) {
            continue;
        }

        known = 1;

        if (!ngx_paygw_channel_usable(key, n->msg.now)) {
            continue;
        }

        ctx->keys[i] = key;
        usable = 1;
    }

    if (usable) {
        return NGX_OK;
    }

    return ngx_paygw_wechat_v3_unknown(n, known);
}


static ngx_paygw_key_t *
ngx_paygw_wechat_v3_key(ngx_paygw_channel_t *ch, ngx_str_t *serial)
{
    ngx_uint_t         i;
    ngx_paygw_key_t  **keys;

    keys = ch->keys->elts;

    for (i = 0; i < ch->keys->nelts; i++) {
        if (keys[i]->id.len == serial->len
            && ngx_strncmp(keys[i]->id.data, serial->data, serial->len) == 0)
        {
            return keys[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_paygw_wechat_v3_clock(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v3_ctx_t *ctx)
{
    time_t      off;
    ngx_uint_t  i, fresh;

    off = ngx_abs(n->msg.now - ctx->timestamp);
    fresh = 0;

    for (i = 0; i < n->nchannels; i++) {

        if (ctx->keys[i] == NULL) {
            continue;
        }

        if (off > (time_t) (n->channels[i]->window / 1000)) {
            ctx->keys[i] = NULL;
            continue;
        }

        fresh = 1;
    }

    return fresh ? NGX_OK : ngx_paygw_refuse_clock(n, ctx->timestamp);
}


/*
 * Channels may hold one platform key together (then it is tried once) or, by
 * mistake, different keys under one serial: those whose key did not make the
 * signature are out.
 */

static ngx_int_t
ngx_paygw_wechat_v3_signature(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v3_ctx_t *ctx)
{
    ngx_int_t         rc;
    ngx_str_t         sig, parts[6];
    ngx_uint_t        i;
    ngx_paygw_key_t  *key, *good, *bad;

    parts[0] = n->msg.headers[NGX_PAYGW_WECHAT_V3_TIMESTAMP];
    ngx_str_set(&parts[1], "\n");
    parts[2] = n->msg.headers[NGX_PAYGW_WECHAT_V3_NONCE];
    ngx_str_set(&parts[3], "\n");
    parts[4] = n->msg.body;
    ngx_str_set(&parts[5], "\n");

    rc = ngx_paygw_base64_decode(n->pool, &sig,
                              &n->msg.headers[NGX_PAYGW_WECHAT_V3_SIGNATURE]);
    if (rc == NGX_ERROR) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    if (rc != NGX_OK) {
        return ngx_paygw_wechat_v3_forged(n, parts, NULL, NULL);
    }

    good = NULL;
    bad = NULL;

    for (i = 0; i < n->nchannels; i++) {

        key = ctx->keys[i];

        if (key == NULL || (good && ngx_paygw_key_equal(key, good))) {
            continue;
        }

        ctx->keys[i] = NULL;

        if (bad && ngx_paygw_key_equal(key, bad)) {
            continue;
        }

        rc = ngx_paygw_verify(&ngx_paygw_rsa_sha256, key, parts, 6, &sig,
                              n->log);
        if (rc == NGX_ERROR) {
            return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                    NULL);
        }

        if (rc != NGX_OK) {
            bad = key;
            continue;
        }

        good = key;
        ctx->keys[i] = key;
    }

    return good ? NGX_OK : ngx_paygw_wechat_v3_forged(n, parts, &sig, bad);
}


/* a request says the one word, a payment of an app or a page the other */

static ngx_int_t
ngx_paygw_wechat_v3_sign(ngx_paygw_task_t *t)
{
    ngx_paygw_wechat_v3_conf_t  *conf;

    if (!ngx_paygw_task_is(t, NGX_PAYGW_WECHAT_V3_SCHEME)
        && !ngx_paygw_task_is(t, "RSA"))
    {
        return ngx_paygw_task_refuse(t, "the algorithm must be "
                                     NGX_PAYGW_WECHAT_V3_SCHEME " or RSA");
    }

    conf = t->channel->conf;

    return ngx_paygw_task_rsa(t, conf->private_key,
                              "the channel has no merchant_private_key");
}


static ngx_int_t
ngx_paygw_wechat_v3_unseal(ngx_paygw_task_t *t)
{
    ngx_paygw_wechat_v3_conf_t  *conf;

    if (!ngx_paygw_task_is(t, NGX_PAYGW_WECHAT_V3_AEAD)) {
        return ngx_paygw_task_refuse(t, "the algorithm must be "
                                     NGX_PAYGW_WECHAT_V3_AEAD);
    }

    conf = t->channel->conf;

    return ngx_paygw_task_gcm(t, &conf->apiv3_key);
}
