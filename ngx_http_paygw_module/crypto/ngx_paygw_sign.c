
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"


/* what is to be signed as OpenSSL wants it: a digest, or the message */

typedef struct {
    size_t                   len;
    u_char                  *data;
    u_char                  *alloc;      /* to be freed */
    u_char                   md[NGX_PAYGW_HASH_MAX];
} ngx_paygw_sign_input_t;


static ngx_int_t ngx_paygw_verify_form(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *key, ngx_str_t *sig, ngx_str_t *form, u_char *der);
static ngx_int_t ngx_paygw_sign_input(const ngx_paygw_scheme_t *scheme,
    ngx_str_t *parts, ngx_uint_t n, ngx_paygw_sign_input_t *in,
    ngx_log_t *log);
static ngx_int_t ngx_paygw_sign_concat(ngx_str_t *parts, ngx_uint_t n,
    ngx_paygw_sign_input_t *in, ngx_log_t *log);
static int ngx_paygw_sign_run(const ngx_paygw_scheme_t *scheme,
    EVP_PKEY_CTX *ctx, ngx_uint_t use, ngx_str_t *sig,
    ngx_paygw_sign_input_t *in);
static int ngx_paygw_sign_whole(const ngx_paygw_scheme_t *scheme,
    EVP_PKEY_CTX *ctx, ngx_uint_t use, ngx_str_t *sig,
    ngx_paygw_sign_input_t *in);
static EVP_PKEY_CTX *ngx_paygw_sign_ctx(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *key, ngx_uint_t use, ngx_log_t *log);
static void ngx_paygw_sign_sham(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *pub, ngx_str_t *sig);


const ngx_paygw_scheme_t  ngx_paygw_rsa_sha1 = {
    ngx_string("rsa_sha1"), "RSA with SHA-1", "an RSA key is needed",
    EVP_PKEY_RSA, NID_undef, RSA_PKCS1_PADDING, NGX_PAYGW_SIGN_PLAIN,
    &ngx_paygw_hash_sha1, NULL, 0
};

const ngx_paygw_scheme_t  ngx_paygw_rsa_sha256 = {
    ngx_string("rsa_sha256"), "RSA with SHA-256", "an RSA key is needed",
    EVP_PKEY_RSA, NID_undef, RSA_PKCS1_PADDING, NGX_PAYGW_SIGN_PLAIN,
    &ngx_paygw_hash_sha256, NULL, 0
};

const ngx_paygw_scheme_t  ngx_paygw_rsa_sha512 = {
    ngx_string("rsa_sha512"), "RSA with SHA-512", "an RSA key is needed",
    EVP_PKEY_RSA, NID_undef, RSA_PKCS1_PADDING, NGX_PAYGW_SIGN_PLAIN,
    &ngx_paygw_hash_sha512, NULL, 0
};

const ngx_paygw_scheme_t  ngx_paygw_rsa_pss_sha256 = {
    ngx_string("rsa_pss_sha256"), "RSA-PSS with SHA-256",
    "an RSA key is needed",
    EVP_PKEY_RSA, NID_undef, RSA_PKCS1_PSS_PADDING, NGX_PAYGW_SIGN_PLAIN,
    &ngx_paygw_hash_sha256, NULL, 0
};

const ngx_paygw_scheme_t  ngx_paygw_ecdsa_p256 = {
    ngx_string("ecdsa_p256"), "ECDSA on P-256 with SHA-256",
    "an EC key on P-256 is needed",
    EVP_PKEY_EC, NID_X9_62_prime256v1, 0, NGX_PAYGW_SIGN_DER,
    &ngx_paygw_hash_sha256, NULL, 0
};

const ngx_paygw_scheme_t  ngx_paygw_ecdsa_p256_raw = {
    ngx_string("ecdsa_p256_raw"), "ECDSA on P-256 with SHA-256",
    "an EC key on P-256 is needed",
    EVP_PKEY_EC, NID_X9_62_prime256v1, 0, NGX_PAYGW_SIGN_RAW,
    &ngx_paygw_hash_sha256, NULL, 0
};

const ngx_paygw_scheme_t  ngx_paygw_ed25519 = {
    ngx_string("ed25519"), "Ed25519", "an Ed25519 key is needed",
    EVP_PKEY_ED25519, NID_undef, 0, NGX_PAYGW_SIGN_PLAIN,
    NULL, NULL, 1
};

const ngx_paygw_scheme_t  ngx_paygw_sm2_sm3 = {
    ngx_string("sm2_sm3"), "SM2 with SM3", "an SM2 key is needed",
    EVP_PKEY_EC, NID_sm2, 0, NGX_PAYGW_SIGN_DER,
    &ngx_paygw_hash_sm3, "1234567812345678", 1
};


static const ngx_paygw_scheme_t  *ngx_paygw_schemes[] = {
    &ngx_paygw_rsa_sha1,
    &ngx_paygw_rsa_sha256,
    &ngx_paygw_rsa_sha512,
    &ngx_paygw_rsa_pss_sha256,
    &ngx_paygw_ecdsa_p256,
    &ngx_paygw_ecdsa_p256_raw,
    &ngx_paygw_ed25519,
    &ngx_paygw_sm2_sm3,
    NULL
};


/* what the pre-flights sign */

static ngx_str_t  ngx_paygw_sign_sample = ngx_string("paygw pre-flight");


const ngx_paygw_scheme_t *
ngx_paygw_scheme_find(ngx_str_t *name)
{
    const ngx_paygw_scheme_t  **scheme;

    for (scheme = ngx_paygw_schemes; *scheme; scheme++) {
        if ((*scheme)->name.len == name->len
            && ngx_strncmp((*scheme)->name.data, name->data, name->len) == 0)
        {
            return *scheme;
        }
    }

    return NULL;
}


const char *
ngx_paygw_scheme_needs(const ngx_paygw_scheme_t *scheme)
{
    return scheme->needs;
}


ngx_int_t
ngx_paygw_verify(const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key,
    ngx_str_t *parts, ngx_uint_t n, ngx_str_t *sig, ngx_log_t *log)
{
    int                      rc;
    u_char                   der[NGX_PAYGW_RS_DER];
    ngx_str_t                form;
    EVP_PKEY_CTX            *ctx;
    ngx_paygw_sign_input_t   in;

    ctx = ngx_paygw_sign_ctx(scheme, key, NGX_PAYGW_KEY_VERIFY, log);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ngx_paygw_verify_form(scheme, key, sig, &form, der) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (ngx_paygw_sign_input(scheme, parts, n, &in, log) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_paygw_sign_run(scheme, ctx, NGX_PAYGW_KEY_VERIFY, &form, &in);

    if (rc == 1) {
        ERR_clear_error();
        return NGX_OK;
    }

    if (rc == 0) {
        ERR_clear_error();
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_ERR, log, 0, "%s: cannot verify (SSL: %s)",
                  scheme->title, ngx_paygw_openssl_error());

    return NGX_ERROR;
}


/* the signature as OpenSSL wants it; der holds NGX_PAYGW_RS_DER bytes */

static ngx_int_t
ngx_paygw_verify_form(const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key,
    ngx_str_t *sig, ngx_str_t *form, u_char *der)
{
    u_char  raw[NGX_PAYGW_RS_RAW];

    *form = *sig;

    switch (scheme->form) {

    case NGX_PAYGW_SIGN_DER:
        return ngx_paygw_rs_raw(sig, raw);

    case NGX_PAYGW_SIGN_RAW:
        if (sig->len != NGX_PAYGW_RS_RAW) {
            return NGX_DECLINED;
        }

        form->data = der;
        form->len = ngx_paygw_rs_der(sig->data, der);

        return NGX_OK;

    default: /* NGX_PAYGW_SIGN_PLAIN */
        return sig->len == (size_t) EVP_PKEY_size(key->pkey) ? NGX_OK
                                                             : NGX_DECLINED;
    }
}


ngx_int_t
ngx_paygw_sign(const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key,
    ngx_str_t *parts, ngx_uint_t n, ngx_str_t *sig, ngx_pool_t *pool,
    ngx_log_t *log)
{
    u_char                   raw[NGX_PAYGW_RS_RAW];
    ngx_int_t                rc;
    ngx_str_t                out;
    EVP_PKEY_CTX            *ctx;
    ngx_paygw_sign_input_t   in;

    ngx_str_null(sig);

    ctx = ngx_paygw_sign_ctx(scheme, key, NGX_PAYGW_KEY_SIGN, log);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    out.len = EVP_PKEY_size(key->pkey);

    out.data = ngx_pnalloc(pool, ngx_max(out.len, NGX_PAYGW_RS_RAW));
    if (out.data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_paygw_sign_input(scheme, parts, n, &in, log) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_paygw_later_sign(scheme, key, in.data, in.len, &out, log);

    if (rc == NGX_OK) {
        *sig = out;
        return NGX_OK;
    }

    if (rc == NGX_AGAIN) {
        return NGX_ERROR;
    }

    if (ngx_paygw_sign_run(scheme, ctx, NGX_PAYGW_KEY_SIGN, &out, &in) != 1) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "%s: cannot sign (SSL: %s)",
                      scheme->title, ngx_paygw_openssl_error());
        return NGX_ERROR;
    }

    ERR_clear_error();

    if (scheme->form == NGX_PAYGW_SIGN_RAW) {

        if (ngx_paygw_rs_raw(&out, raw) != NGX_OK) {
            ngx_log_error(NGX_LOG_ALERT, log, 0, "%s: signature not in DER",
                          scheme->title);
            return NGX_ERROR;
        }

        ngx_memcpy(out.data, raw, NGX_PAYGW_RS_RAW);
        out.len = NGX_PAYGW_RS_RAW;
    }

    *sig = out;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_sign_input(const ngx_paygw_scheme_t *scheme, ngx_str_t *parts,
    ngx_uint_t n, ngx_paygw_sign_input_t *in, ngx_log_t *log)
{
    in->alloc = NULL;

    if (scheme->whole) {
        return ngx_paygw_sign_concat(parts, n, in, log);
    }

    in->data = in->md;

    if (ngx_paygw_digest(scheme->hash, parts, n, in->md, &in->len) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "%s: digest failed (SSL: %s)",
                      scheme->title, ngx_paygw_openssl_error());
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_sign_concat(ngx_str_t *parts, ngx_uint_t n,
    ngx_paygw_sign_input_t *in, ngx_log_t *log)
{
    u_char      *p;
    ngx_uint_t   i;

    if (n == 1) {
        in->data = parts[0].data;
        in->len = parts[0].len;
        return NGX_OK;
    }

    in->len = 0;

    for (i = 0; i < n; i++) {
        in->len += parts[i].len;
    }

    in->alloc = ngx_alloc(in->len + 1, log);
    if (in->alloc == NULL) {
        return NGX_ERROR;
    }

    in->data = in->alloc;
    p = in->alloc;

    for (i = 0; i < n; i++) {
        if (parts[i].len) {
            p = ngx_cpymem(p, parts[i].data, parts[i].len);
        }
    }

    return NGX_OK;
}


/* what OpenSSL returns; frees the input */

static int
ngx_paygw_sign_run(const ngx_paygw_scheme_t *scheme, EVP_PKEY_CTX *ctx,
    ngx_uint_t use, ngx_str_t *sig, ngx_paygw_sign_input_t *in)
{
    int  rc;

    if (scheme->whole) {
        rc = ngx_paygw_sign_whole(scheme, ctx, use, sig, in);

    } else if (use == NGX_PAYGW_KEY_SIGN) {
        rc = EVP_PKEY_sign(ctx, sig->data, &sig->len, in->data, in->len);

    } else {
        rc = EVP_PKEY_verify(ctx, sig->data, sig->len, in->data, in->len);
    }

    if (in->alloc) {
        ngx_free(in->alloc);
    }

    return rc;
}


static int
ngx_paygw_sign_whole(const ngx_paygw_scheme_t *scheme, EVP_PKEY_CTX *ctx,
    ngx_uint_t use, ngx_str_t *sig, ngx_paygw_sign_input_t *in)
{
    int            rc;
    EVP_PKEY      *pkey;
    EVP_MD_CTX    *mctx;
    const EVP_MD  *md;

    md = scheme->hash ? ngx_paygw_hash_md(scheme->hash) : NULL;
    pkey = EVP_PKEY_CTX_get0_pkey(ctx);

    mctx = EVP_MD_CTX_new();
    if (mctx == NULL) {
        return -1;
    }

    EVP_MD_CTX_set_pkey_ctx(mctx, ctx);

    if (use == NGX_PAYGW_KEY_SIGN) {
        rc = EVP_DigestSignInit(mctx, NULL, md, NULL, pkey) == 1
             ? EVP_DigestSign(mctx, sig->data, &sig->len, in->data, in->len)
             : -1;

    } else {
        rc = EVP_DigestVerifyInit(mctx, NULL, md, NULL, pkey) == 1
             ? EVP_DigestVerify(mctx, sig->data, sig->len, in->data, in->len)
             : -1;
    }

    EVP_MD_CTX_free(mctx);

    return rc;
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
                      scheme->title);
        return NULL;
    }

    if (handle->scheme[use] == scheme) {
        return handle->ctx[use];
    }

    if (handle->type != scheme->type || handle->curve != scheme->curve) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "key is of another type than %s needs", scheme->title);
        return NULL;
    }

    ctx = EVP_PKEY_CTX_new(handle->pkey, NULL);

    if (ctx == NULL || ngx_paygw_scheme_init(scheme, ctx, use) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "key cannot be used with %s (SSL: %s)",
                      scheme->title, ngx_paygw_openssl_error());
        EVP_PKEY_CTX_free(ctx);
        return NULL;
    }

    EVP_PKEY_CTX_free(handle->ctx[use]);

    handle->ctx[use] = ctx;
    handle->scheme[use] = scheme;

    return ctx;
}


ngx_int_t
ngx_paygw_scheme_init(const ngx_paygw_scheme_t *scheme, EVP_PKEY_CTX *ctx,
    ngx_uint_t use)
{
    int            rc;
    const EVP_MD  *md;

    if (scheme->whole) {

        if (scheme->id == NULL) {
            return NGX_OK;
        }

        rc = EVP_PKEY_CTX_set1_id(ctx, scheme->id, ngx_strlen(scheme->id));

        return rc == 1 ? NGX_OK : NGX_ERROR;
    }

    rc = (use == NGX_PAYGW_KEY_SIGN) ? EVP_PKEY_sign_init(ctx)
                                     : EVP_PKEY_verify_init(ctx);
    if (rc != 1) {
        return NGX_ERROR;
    }

    if (scheme->padding
        && EVP_PKEY_CTX_set_rsa_padding(ctx, scheme->padding) != 1)
    {
        return NGX_ERROR;
    }

    md = ngx_paygw_hash_md(scheme->hash);

    if (md == NULL || EVP_PKEY_CTX_set_signature_md(ctx, md) != 1) {
        return NGX_ERROR;
    }

    if (scheme->padding == RSA_PKCS1_PSS_PADDING
        && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) != 1)
    {
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
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   sig;

    if (pub->pkey == NULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "no key is loaded for %s",
                      scheme->title);
        return NGX_ERROR;
    }

    sig.len = ngx_max((size_t) EVP_PKEY_size(pub->pkey), NGX_PAYGW_RS_DER);

    p = ngx_alloc(sig.len, log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    sig.data = p;

    ngx_paygw_sign_sham(scheme, pub, &sig);

    rc = ngx_paygw_verify(scheme, pub, &ngx_paygw_sign_sample, 1, &sig, log);

    ngx_free(p);

    if (rc == NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "key accepts a made-up signature with %s",
                      scheme->title);
        return NGX_ERROR;
    }

    return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
}


/* well formed, and each number in it below any modulus or order */

static void
ngx_paygw_sign_sham(const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *pub,
    ngx_str_t *sig)
{
    u_char  raw[NGX_PAYGW_RS_RAW];

    ngx_memset(raw, 0x2a, NGX_PAYGW_RS_RAW);

    switch (scheme->form) {

    case NGX_PAYGW_SIGN_DER:
        sig->len = ngx_paygw_rs_der(raw, sig->data);
        break;

    case NGX_PAYGW_SIGN_RAW:
        ngx_memcpy(sig->data, raw, NGX_PAYGW_RS_RAW);
        sig->len = NGX_PAYGW_RS_RAW;
        break;

    default: /* NGX_PAYGW_SIGN_PLAIN */
        sig->len = EVP_PKEY_size(pub->pkey);
        ngx_memset(sig->data, 0x2a, sig->len);
        sig->data[0] = 0;
        sig->data[sig->len - 1] = 0;
    }
}
