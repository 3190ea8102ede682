
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"
#include "ngx_paygw_aead.h"


static EVP_CIPHER_CTX *ngx_paygw_gcm_ctx(void);
static ngx_int_t ngx_paygw_gcm_decrypt(EVP_CIPHER_CTX *ctx, ngx_str_t *aad,
    u_char *in, size_t len, u_char *tag, u_char *out);


/*
 * Kept with its cipher, so that nothing is fetched for a message; every
 * message sets a key and a nonce anew.  A worker has one thread.
 */

static EVP_CIPHER_CTX  *ngx_paygw_gcm;


ngx_int_t
ngx_paygw_gcm_open(ngx_pool_t *pool, ngx_str_t *key, ngx_str_t *nonce,
    ngx_str_t *aad, ngx_str_t *in, ngx_str_t *out)
{
    u_char          *p;
    size_t           len;
    ngx_int_t        rc;
    EVP_CIPHER_CTX  *ctx;

    ngx_str_null(out);

    if (nonce->len != NGX_PAYGW_GCM_NONCE_LEN
        || in->len < NGX_PAYGW_GCM_TAG_LEN)
    {
        return NGX_ABORT;
    }

    if (key->len != NGX_PAYGW_GCM_KEY_LEN
        || in->len > NGX_MAX_INT32_VALUE
        || aad->len > NGX_MAX_INT32_VALUE)
    {
        return NGX_ERROR;
    }

    len = in->len - NGX_PAYGW_GCM_TAG_LEN;

    p = ngx_pnalloc(pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx = ngx_paygw_gcm_ctx();

    if (ctx == NULL
        || EVP_DecryptInit_ex(ctx, NULL, NULL, key->data, nonce->data) != 1)
    {
        ERR_clear_error();
        return NGX_ERROR;
    }

    rc = ngx_paygw_gcm_decrypt(ctx, aad, in->data, len, in->data + len, p);

    ERR_clear_error();

    if (rc != NGX_OK) {

        /* OpenSSL has written all of it before it looked at the tag */

        ngx_explicit_memzero(p, len + 1);
        return rc;
    }

    out->data = p;
    out->len = len;

    return NGX_OK;
}


static EVP_CIPHER_CTX *
ngx_paygw_gcm_ctx(void)
{
    EVP_CIPHER_CTX  *ctx;

    if (ngx_paygw_gcm != NULL) {
        return ngx_paygw_gcm;
    }

    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return NULL;
    }

    if (EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL) != 1
        || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_IVLEN,
                               NGX_PAYGW_GCM_NONCE_LEN, NULL)
           != 1)
    {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }

    ngx_paygw_gcm = ctx;

    return ctx;
}


static ngx_int_t
ngx_paygw_gcm_decrypt(EVP_CIPHER_CTX *ctx, ngx_str_t *aad, u_char *in,
    size_t len, u_char *tag, u_char *out)
{
    int     n;
    u_char  last[EVP_MAX_BLOCK_LENGTH];

    if (aad->len != 0
        && EVP_DecryptUpdate(ctx, NULL, &n, aad->data, (int) aad->len) != 1)
    {
        return NGX_ERROR;
    }

    if (len != 0) {

        if (EVP_DecryptUpdate(ctx, out, &n, in, (int) len) != 1) {
            return NGX_ERROR;
        }

        if ((size_t) n != len) {
            return NGX_ERROR;
        }
    }

    if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG,
                            NGX_PAYGW_GCM_TAG_LEN, tag)
        != 1)
    {
        return NGX_ERROR;
    }

    /* nothing is genuine before this returns 1 */

    if (EVP_DecryptFinal_ex(ctx, last, &n) != 1) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}
