
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_sign.h"
#include "ngx_paygw_task.h"
#include "ngx_paygw_text.h"


/*
 * The string to sign is made of the values as they were sent, decoded once and
 * never converted: the line ends in signPubKeyCert are part of it.
 */


/* what a message is checked against: a key, or else secrets */

typedef struct {
    ngx_paygw_key_t           *key;
    ngx_str_t                  sig;      /* bytes that go with the key */
} ngx_paygw_unionpay_signer_t;


static ngx_int_t ngx_paygw_unionpay_signer(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx, ngx_paygw_unionpay_conf_t *conf,
    ngx_paygw_unionpay_signer_t *signer);
static ngx_int_t ngx_paygw_unionpay_cert(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx, ngx_paygw_unionpay_conf_t *conf,
    ngx_paygw_key_t **key);
static ngx_int_t ngx_paygw_unionpay_try(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx, ngx_paygw_unionpay_conf_t *conf,
    ngx_paygw_unionpay_signer_t *signer, ngx_str_t *text);
static ngx_int_t ngx_paygw_unionpay_rsa(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_signer_t *signer, ngx_str_t *text);
static ngx_int_t ngx_paygw_unionpay_secret(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx, const ngx_paygw_hash_t *hash,
    ngx_str_t *secret, ngx_str_t *text);
static ngx_int_t ngx_paygw_unionpay_mac(const ngx_paygw_hash_t *hash,
    ngx_str_t *secret, ngx_str_t *text, ngx_str_t *hex, ngx_log_t *log);
static ngx_int_t ngx_paygw_unionpay_hex(const ngx_paygw_hash_t *hash,
    ngx_str_t *parts, ngx_uint_t n, ngx_str_t *hex, ngx_log_t *log);
static const char *ngx_paygw_unionpay_hint(ngx_paygw_unionpay_ctx_t *ctx,
    ngx_paygw_unionpay_signer_t *signer);
static ngx_uint_t ngx_paygw_unionpay_blank(ngx_str_t *pem);


const char  *ngx_paygw_unionpay_skip[] = { "signature", NULL };


ngx_int_t
ngx_paygw_unionpay_signature(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx, ngx_paygw_unionpay_conf_t *conf)
{
    ngx_int_t                    rc;
    ngx_str_t                    text, first;
    ngx_uint_t                   flags;
    ngx_paygw_unionpay_signer_t  signer;

    rc = ngx_paygw_unionpay_signer(n, ctx, conf, &signer);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_str_null(&first);

    flags = 0;

    for ( ;; ) {

        if (ngx_paygw_form_canonical(n->pool, &ctx->form,
                                     ngx_paygw_unionpay_skip, flags, &text)
            != NGX_OK)
        {
            break;
        }

        if (flags == 0) {
            first = text;
        }

        rc = ngx_paygw_unionpay_try(n, ctx, conf, &signer, &text);

        if (rc == NGX_OK) {
            ctx->drop_empty = (flags & NGX_PAYGW_CANON_DROP_EMPTY) != 0;
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {
            break;
        }

        /* empty values may have been left out when it was signed */

        if (flags == NGX_PAYGW_CANON_DROP_EMPTY
            || !ngx_paygw_fields_empty(&ctx->form))
        {
            return ngx_paygw_refuse_signature(n, NGX_PAYGW_REASON_SIGNATURE,
                                       &first, 1,
                                       ngx_paygw_unionpay_hint(ctx, &signer));
        }

        flags = NGX_PAYGW_CANON_DROP_EMPTY;
    }

    return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
}


static ngx_int_t
ngx_paygw_unionpay_signer(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx, ngx_paygw_unionpay_conf_t *conf,
    ngx_paygw_unionpay_signer_t *signer)
{
    ngx_int_t  rc;

    signer->key = NULL;

    if (conf->method->hash) {
        return NGX_OK;
    }

    rc = ngx_paygw_unionpay_cert(n, ctx, conf, &signer->key);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_paygw_note_key(n, &signer->key->id);

    rc = ngx_paygw_base64_decode(n->pool, &signer->sig, ctx->signature);

    if (rc == NGX_ERROR) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    if (rc != NGX_OK) {
        ngx_str_null(&signer->sig);
    }

    return NGX_OK;
}


/*
 * The certificate comes along in the message: what makes its key one to verify
 * with is the chain to the configured root, and its name, since every merchant
 * has a certificate of the same CA (named mistake D2).
 */

static ngx_int_t
ngx_paygw_unionpay_cert(ngx_paygw_notify_t *n, ngx_paygw_unionpay_ctx_t *ctx,
    ngx_paygw_unionpay_conf_t *conf, ngx_paygw_key_t **key)
{
    ngx_int_t    rc;
    ngx_str_t    der, *text;
    const char  *err;

    text = ngx_paygw_fields_value(&ctx->form, "signPubKeyCert");

    if (text == NULL) {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_UNKNOWN_KEY,
                                "no signPubKeyCert");
    }

    rc = ngx_paygw_pem_decode(n->pool, &der, text, "CERTIFICATE");
    err = "signPubKeyCert is not one certificate in PEM";

    if (rc == NGX_ABORT && ngx_paygw_unionpay_blank(text)) {
        err = "plus sign decoded as space";
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_chain_key(conf->chain, &der, n->msg.now, key, &err,
                                 n->log);
    }

    if (rc == NGX_ERROR) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    if (rc != NGX_OK) {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_UNKNOWN_KEY,
                                err);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_unionpay_try(ngx_paygw_notify_t *n, ngx_paygw_unionpay_ctx_t *ctx,
    ngx_paygw_unionpay_conf_t *conf, ngx_paygw_unionpay_signer_t *signer,
    ngx_str_t *text)
{
    ngx_int_t    rc;
    ngx_str_t   *secret;
    ngx_uint_t   i;

    if (signer->key) {
        return ngx_paygw_unionpay_rsa(n, signer, text);
    }

    secret = conf->secrets->elts;
    rc = NGX_DECLINED;

    for (i = 0; i < conf->secrets->nelts && rc == NGX_DECLINED; i++) {
        rc = ngx_paygw_unionpay_secret(n, ctx, conf->method->hash, &secret[i],
                                       text);
    }

    return rc;
}


/* hashed twice: what is signed is the hash in 64 characters */

static ngx_int_t
ngx_paygw_unionpay_rsa(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_signer_t *signer, ngx_str_t *text)
{
    u_char     buf[2 * NGX_PAYGW_HASH_MAX];
    ngx_str_t  hex;

    if (signer->sig.len == 0) {
        return NGX_DECLINED;
    }

    hex.data = buf;

    if (ngx_paygw_unionpay_hex(&ngx_paygw_hash_sha256, text, 1, &hex, n->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_verify(&ngx_paygw_rsa_sha256, signer->key, &hex, 1,
                            &signer->sig, n->log);
}


static ngx_int_t
ngx_paygw_unionpay_secret(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx, const ngx_paygw_hash_t *hash,
    ngx_str_t *secret, ngx_str_t *text)
{
    u_char     buf[2 * NGX_PAYGW_HASH_MAX];
    ngx_int_t  rc;
    ngx_str_t  hex;

    hex.data = buf;

    rc = ngx_paygw_unionpay_mac(hash, secret, text, &hex, n->log);

    if (rc == NGX_OK && !ngx_paygw_equal(&hex, ctx->signature)) {
        rc = NGX_DECLINED;
    }

    ngx_explicit_memzero(buf, sizeof(buf));

    return rc;
}


ngx_int_t
ngx_paygw_unionpay_sign(ngx_paygw_task_t *t)
{
    ngx_paygw_unionpay_conf_t  *conf;

    conf = t->channel->conf;

    if (conf->method->hash == NULL && conf->private_key == NULL) {
        return ngx_paygw_task_refuse(t, "the channel has no secret, and no "
                                        "merchant_private_key");
    }

    if (!ngx_paygw_task_is(t, (char *) conf->method->name.data)) {
        return ngx_paygw_task_refuse(t, "the algorithm must be the "
                                        "signMethod of the channel");
    }

    return ngx_paygw_unionpay_make(conf, &t->in, &t->out, t->pool, t->log);
}


ngx_int_t
ngx_paygw_unionpay_make(ngx_paygw_unionpay_conf_t *conf, ngx_str_t *text,
    ngx_str_t *sig, ngx_pool_t *pool, ngx_log_t *log)
{
    ngx_str_t  hex, *secret;

    hex.data = ngx_pnalloc(pool, 2 * NGX_PAYGW_HASH_MAX);
    if (hex.data == NULL) {
        return NGX_ERROR;
    }

    if (conf->method->hash) {
        secret = conf->secrets->elts;
        sig->data = hex.data;

        return ngx_paygw_unionpay_mac(conf->method->hash, &secret[0], text,
                                      sig, log);
    }

    if (ngx_paygw_unionpay_hex(&ngx_paygw_hash_sha256, text, 1, &hex, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_exchange_sign(&ngx_paygw_rsa_sha256, conf->private_key,
                                   &hex, 1, sig, pool, log);
}


/* hash(text & hash(secret)), all in characters; hex as below */

static ngx_int_t
ngx_paygw_unionpay_mac(const ngx_paygw_hash_t *hash, ngx_str_t *secret,
    ngx_str_t *text, ngx_str_t *hex, ngx_log_t *log)
{
    u_char     inner[2 * NGX_PAYGW_HASH_MAX];
    ngx_int_t  rc;
    ngx_str_t  parts[3];

    parts[0] = *text;
    ngx_str_set(&parts[1], "&");
    parts[2].data = inner;

    rc = ngx_paygw_unionpay_hex(hash, secret, 1, &parts[2], log);

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_hex(hash, parts, 3, hex, log);
    }

    ngx_explicit_memzero(inner, sizeof(inner));

    return rc;
}


/* hex->data holds 2 * NGX_PAYGW_HASH_MAX bytes */

static ngx_int_t
ngx_paygw_unionpay_hex(const ngx_paygw_hash_t *hash, ngx_str_t *parts,
    ngx_uint_t n, ngx_str_t *hex, ngx_log_t *log)
{
    u_char     md[NGX_PAYGW_HASH_MAX];
    size_t     len;
    ngx_int_t  rc;

    rc = ngx_paygw_hash(hash, parts, n, md, &len, log);

    if (rc == NGX_OK) {
        hex->len = ngx_hex_dump(hex->data, md, len) - hex->data;
    }

    ngx_explicit_memzero(md, sizeof(md));

    return rc;
}


/* what of the usual accidents on the way can be seen in the message */

static const char *
ngx_paygw_unionpay_hint(ngx_paygw_unionpay_ctx_t *ctx,
    ngx_paygw_unionpay_signer_t *signer)
{
    ngx_str_t  *cert;

    if (signer->key && signer->sig.len == 0) {
        return ngx_strlchr(ctx->signature->data,
                           ctx->signature->data + ctx->signature->len, ' ')
               ? "plus sign decoded as space" : "signature is not base64";
    }

    if (signer->key) {
        cert = ngx_paygw_fields_value(&ctx->form, "signPubKeyCert");

        if (ngx_strlchr(cert->data, cert->data + cert->len, CR) == NULL) {
            return "signPubKeyCert has lost its CR LF line ends";
        }
    }

    return ngx_paygw_fields_hint(&ctx->form,
                                ngx_paygw_fields_value(&ctx->form, "encoding"));
}


/* 1 if there is a space in the base64 of a PEM block */

static ngx_uint_t
ngx_paygw_unionpay_blank(ngx_str_t *pem)
{
    u_char  *p, *end, *last;

    last = pem->data + pem->len;

    p = ngx_strlchr(pem->data, last, LF);
    if (p == NULL) {
        return 0;
    }

    end = ngx_strlchr(p, last, '-');

    return ngx_strlchr(p, end ? end : last, ' ') != NULL;
}
