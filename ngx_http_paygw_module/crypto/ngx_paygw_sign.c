
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"

#include <openssl/rand.h>


/*
 * A digest with its context.  The context is kept: beginning anew with the
 * algorithm that it already holds spares a fetch for every message.
 */

typedef struct {
    const EVP_MD            *(*md)(void);
    EVP_MD_CTX              *ctx;
} ngx_paygw_digest_t;


struct ngx_paygw_scheme_s {
    const char              *name;
    int                      type;       /* of the key */
    int                      padding;    /* of RSA */
    ngx_paygw_digest_t      *digest;
};


static ngx_int_t ngx_paygw_digest(ngx_paygw_digest_t *digest,
    ngx_str_t *parts, ngx_uint_t n, u_char *out, unsigned int *len);
static EVP_PKEY_CTX *ngx_paygw_sign_ctx(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *key, ngx_uint_t use, ngx_log_t *log);
static ngx_int_t ngx_paygw_sign_ctx_init(const ngx_paygw_scheme_t *scheme,
    EVP_PKEY_CTX *ctx, ngx_uint_t use);


static ngx_paygw_digest_t  ngx_paygw_digest_sha256 = { EVP_sha256, NULL };


const ngx_paygw_scheme_t  ngx_paygw_rsa_sha256 = {
    "RSA with SHA-256",
    EVP_PKEY_RSA,
    RSA_PKCS1_PADDING,
    &ngx_paygw_digest_sha256
};


/* what the pre-flights sign */

static ngx_str_t  ngx_paygw_sign_sample = ngx_string("paygw pre-flight");


ngx_int_t
ngx_paygw_verify(const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key,
    ngx_str_t *parts, ngx_uint_t n, ngx_str_t *sig, ngx_log_t *log)
{
    int            rc;
    u_char         md[EVP_MAX_MD_SIZE];
    EVP_PKEY_CTX  *ctx;
    unsigned int   len;

    ctx = ngx_paygw_sign_ctx(scheme, key, NGX_PAYGW_KEY_VERIFY, log);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ngx_paygw_digest(scheme->digest, parts, n, md, &len) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "EVP_Digest() failed (SSL: %s)",
                      ngx_paygw_openssl_error());
        return NGX_ERROR;
    }

    rc = EVP_PKEY_verify(ctx, sig->data, sig->len, md, len);

    if (rc == 1) {
        ERR_clear_error();
        return NGX_OK;
    }

    if (rc == 0) {
        ERR_clear_error();
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_ERR, log, 0, "EVP_PKEY_verify() failed (SSL: %s)",
                  ngx_paygw_openssl_error());

    return NGX_ERROR;
}


ngx_int_t
ngx_paygw_sign(const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key,
    ngx_str_t *parts, ngx_uint_t n, ngx_str_t *sig, ngx_pool_t *pool,
    ngx_log_t *log)
{
    u_char         md[EVP_MAX_MD_SIZE];
    size_t         size;
    EVP_PKEY_CTX  *ctx;
    unsigned int   len;

    ngx_str_null(sig);

    ctx = ngx_paygw_sign_ctx(scheme, key, NGX_PAYGW_KEY_SIGN, log);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ngx_paygw_digest(scheme->digest, parts, n, md, &len) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "EVP_Digest() failed (SSL: %s)",
                      ngx_paygw_openssl_error());
        return NGX_ERROR;
    }

    size = EVP_PKEY_size(key->pkey);

    sig->data = ngx_pnalloc(pool, size);
    if (sig->data == NULL) {
        return NGX_ERROR;
    }

    if (EVP_PKEY_sign(ctx, sig->data, &size, md, len) != 1) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "EVP_PKEY_sign() failed (SSL: %s)",
                      ngx_paygw_openssl_error());
        return NGX_ERROR;
    }

    sig->len = size;

    ERR_clear_error();

    return NGX_OK;
}


/* the context of a key, made ready at its first use with the scheme */

static EVP_PKEY_CTX *
ngx_paygw_sign_ctx(const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key,
    ngx_uint_t use, ngx_log_t *log)
{
    EVP_PKEY_CTX            *ctx;
    ngx_paygw_key_handle_t  *handle;

    handle = key->handle;

    if (handle == NULL || handle->pkey == NULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "no key is loaded for %s",
                      scheme->name);
        return NULL;
    }

    if (handle->scheme[use] == scheme) {
        return handle->ctx[use];
    }

    if (EVP_PKEY_base_id(handle->pkey) != scheme->type) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "key is of another type than %s needs", scheme->name);
        return NULL;
    }

    ctx = EVP_PKEY_CTX_new(handle->pkey, NULL);

    if (ctx == NULL || ngx_paygw_sign_ctx_init(scheme, ctx, use) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "key cannot be used with %s (SSL: %s)",
                      scheme->name, ngx_paygw_openssl_error());
        EVP_PKEY_CTX_free(ctx);
        return NULL;
    }

    EVP_PKEY_CTX_free(handle->ctx[use]);

    handle->ctx[use] = ctx;
    handle->scheme[use] = scheme;

    return ctx;
}


static ngx_int_t
ngx_paygw_sign_ctx_init(const ngx_paygw_scheme_t *scheme, EVP_PKEY_CTX *ctx,
    ngx_uint_t use)
{
    int  rc;

    rc = (use == NGX_PAYGW_KEY_SIGN) ? EVP_PKEY_sign_init(ctx)
                                     : EVP_PKEY_verify_init(ctx);
    if (rc != 1) {
        return NGX_ERROR;
    }

    if (scheme->type == EVP_PKEY_RSA
        && EVP_PKEY_CTX_set_rsa_padding(ctx, scheme->padding) != 1)
    {
        return NGX_ERROR;
    }

    if (EVP_PKEY_CTX_set_signature_md(ctx, scheme->digest->md()) != 1) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_sign_round(const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *priv,
    ngx_paygw_key_t *pub, ngx_pool_t *pool, ngx_log_t *log)
{
    ngx_str_t  sig;

    if (ngx_paygw_sign(scheme, priv, &ngx_paygw_sign_sample, 1, &sig, pool,
                       log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_verify(scheme, pub ? pub : priv, &ngx_paygw_sign_sample,
                            1, &sig, log);
}


ngx_int_t
ngx_paygw_verify_probe(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *pub, ngx_log_t *log)
{
    size_t      size;
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   sig;

    if (pub->pkey == NULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "no key is loaded for %s",
                      scheme->name);
        return NGX_ERROR;
    }

    size = EVP_PKEY_size(pub->pkey);

    p = ngx_alloc(size, log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* of the right length, and below any modulus */

    ngx_memset(p, 0x2a, size);
    p[0] = 0;

    sig.data = p;
    sig.len = size;

    rc = ngx_paygw_verify(scheme, pub, &ngx_paygw_sign_sample, 1, &sig, log);

    ngx_free(p);

    if (rc == NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "key accepts a made-up signature with %s",
                      scheme->name);
        return NGX_ERROR;
    }

    return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_paygw_sha256(ngx_str_t *parts, ngx_uint_t n, u_char *out)
{
    ngx_int_t     rc;
    unsigned int  len;

    rc = ngx_paygw_digest(&ngx_paygw_digest_sha256, parts, n, out, &len);

    ERR_clear_error();

    return rc;
}


static ngx_int_t
ngx_paygw_digest(ngx_paygw_digest_t *digest, ngx_str_t *parts, ngx_uint_t n,
    u_char *out, unsigned int *len)
{
    int         rc;
    ngx_uint_t  i;

    if (digest->ctx == NULL) {

        digest->ctx = EVP_MD_CTX_new();
        if (digest->ctx == NULL) {
            return NGX_ERROR;
        }

        rc = EVP_DigestInit_ex(digest->ctx, digest->md(), NULL);

    } else {
        rc = EVP_DigestInit_ex(digest->ctx, NULL, NULL);
    }

    for (i = 0; rc == 1 && i < n; i++) {
        rc = EVP_DigestUpdate(digest->ctx, parts[i].data, parts[i].len);
    }

    if (rc == 1) {
        rc = EVP_DigestFinal_ex(digest->ctx, out, len);
    }

    if (rc != 1) {
        EVP_MD_CTX_free(digest->ctx);
        digest->ctx = NULL;
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_random(u_char *p, size_t len)
{
    int  rc;

    rc = RAND_bytes(p, (int) len);

    ERR_clear_error();

    return rc == 1 ? NGX_OK : NGX_ERROR;
}
