
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"
#include "ngx_paygw_seal.h"


static ngx_int_t ngx_paygw_seal_rsa(ngx_pool_t *pool, ngx_paygw_key_t *key,
    ngx_paygw_seal_e padding, ngx_str_t *in, ngx_str_t *out, ngx_uint_t open);
static ngx_uint_t ngx_paygw_seal_padding(EVP_PKEY_CTX *ctx,
    ngx_paygw_seal_e padding);
static ngx_uint_t ngx_paygw_digits(ngx_str_t *s, size_t min, size_t max);
static ngx_int_t ngx_paygw_cbc(ngx_pool_t *pool, ngx_str_t *key,
    ngx_str_t *in, ngx_str_t *out, int seal);


ngx_int_t
ngx_paygw_seal(ngx_pool_t *pool, ngx_paygw_key_t *key,
    ngx_paygw_seal_e padding, ngx_str_t *in, ngx_str_t *out)
{
    return ngx_paygw_seal_rsa(pool, key, padding, in, out, 0);
}


ngx_int_t
ngx_paygw_unseal(ngx_pool_t *pool, ngx_paygw_key_t *key,
    ngx_paygw_seal_e padding, ngx_str_t *in, ngx_str_t *out)
{
    return ngx_paygw_seal_rsa(pool, key, padding, in, out, 1);
}


static ngx_int_t
ngx_paygw_seal_rsa(ngx_pool_t *pool, ngx_paygw_key_t *key,
    ngx_paygw_seal_e padding, ngx_str_t *in, ngx_str_t *out, ngx_uint_t open)
{
    int            rc;
    size_t         len;
    u_char        *p;
    ngx_int_t      result;
    EVP_PKEY_CTX  *ctx;

    ngx_str_null(out);

    if (key->handle->type != EVP_PKEY_RSA) {
        return NGX_DECLINED;
    }

    ctx = EVP_PKEY_CTX_new(key->handle->pkey, NULL);
    if (ctx == NULL) {
        ERR_clear_error();
        return NGX_ERROR;
    }

    result = NGX_ERROR;

    rc = open ? EVP_PKEY_decrypt_init(ctx) : EVP_PKEY_encrypt_init(ctx);

    if (rc <= 0 || !ngx_paygw_seal_padding(ctx, padding)) {
        goto done;
    }

    /* as long as the key is enough for either */

    len = EVP_PKEY_size(key->handle->pkey);

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        goto done;
    }

    rc = open ? EVP_PKEY_decrypt(ctx, p, &len, in->data, in->len)
              : EVP_PKEY_encrypt(ctx, p, &len, in->data, in->len);

    if (rc <= 0) {
        result = NGX_DECLINED;
        goto done;
    }

    if (!open) {
        ngx_paygw_later_tape(p, len);
    }

    out->data = p;
    out->len = len;
    result = NGX_OK;

done:

    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();

    return result;
}


/* SHA-1 is OpenSSL's default of OAEP now; it is said all the same */

static ngx_uint_t
ngx_paygw_seal_padding(EVP_PKEY_CTX *ctx, ngx_paygw_seal_e padding)
{
    if (padding == NGX_PAYGW_SEAL_PKCS1) {
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
    }

    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0
           && EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha1()) > 0
           && EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha1()) > 0;
}


ngx_int_t
ngx_paygw_pin_block(ngx_str_t *pin, ngx_str_t *pan, u_char *block)
{
    u_char      *digits;
    ngx_uint_t   i;

    if (!ngx_paygw_digits(pin, 4, 12)) {
        return NGX_DECLINED;
    }

    if (!ngx_paygw_digits(pan, 13, 19)) {
        return NGX_ABORT;
    }

    ngx_memset(block, 0xff, NGX_PAYGW_PIN_LEN);

    block[0] = (u_char) pin->len;

    for (i = 0; i < pin->len; i++) {
        block[1 + i / 2] &= (i % 2) ? (pin->data[i] - '0') | 0xf0
                                    : ((pin->data[i] - '0') << 4) | 0x0f;
    }

    /* 12 digits, without the last one, which checks the others */

    digits = pan->data + pan->len - 13;

    for (i = 0; i < 6; i++) {
        block[2 + i] ^= ((digits[2 * i] - '0') << 4)
                        | (digits[2 * i + 1] - '0');
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_paygw_digits(ngx_str_t *s, size_t min, size_t max)
{
    size_t  i;

    if (s->len < min || s->len > max) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < '0' || s->data[i] > '9') {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_paygw_cbc_seal(ngx_pool_t *pool, ngx_str_t *key, ngx_str_t *in,
    ngx_str_t *out)
{
    return ngx_paygw_cbc(pool, key, in, out, 1);
}


ngx_int_t
ngx_paygw_cbc_open(ngx_pool_t *pool, ngx_str_t *key, ngx_str_t *in,
    ngx_str_t *out)
{
    if (in->len == 0 || in->len % NGX_PAYGW_CBC_KEY_LEN != 0) {
        ngx_str_null(out);
        return NGX_DECLINED;
    }

    return ngx_paygw_cbc(pool, key, in, out, 0);
}


static ngx_int_t
ngx_paygw_cbc(ngx_pool_t *pool, ngx_str_t *key, ngx_str_t *in, ngx_str_t *out,
    int seal)
{
    int              n, rest;
    u_char          *p;
    ngx_int_t        rc;
    EVP_CIPHER_CTX  *ctx;

    static const u_char  iv[NGX_PAYGW_CBC_KEY_LEN];

    ngx_str_null(out);

    if (key->len != NGX_PAYGW_CBC_KEY_LEN || in->len > NGX_MAX_INT32_VALUE) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(pool, in->len + NGX_PAYGW_CBC_KEY_LEN);
    ctx = p ? EVP_CIPHER_CTX_new() : NULL;

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;
    rest = 0;

    if (EVP_CipherInit_ex(ctx, EVP_aes_128_cbc(), NULL, key->data, iv, seal)
        == 1
        && EVP_CipherUpdate(ctx, p, &n, in->data, (int) in->len) == 1)
    {
        rc = (EVP_CipherFinal_ex(ctx, p + n, &rest) == 1) ? NGX_OK
             : seal ? NGX_ERROR : NGX_DECLINED;
    }

    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();

    if (rc == NGX_OK) {
        out->data = p;
        out->len = n + rest;
    }

    return rc;
}
