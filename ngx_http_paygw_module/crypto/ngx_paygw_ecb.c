
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"
#include "ngx_paygw_ecb.h"


static EVP_CIPHER_CTX *ngx_paygw_ecb_ctx(void);
static size_t ngx_paygw_ecb_padding(u_char *last);


/* kept with its cipher; every message sets a key anew */

static EVP_CIPHER_CTX  *ngx_paygw_ecb;


ngx_int_t
ngx_paygw_ecb_open(ngx_pool_t *pool, ngx_str_t *key, ngx_str_t *in,
    ngx_str_t *out)
{
    int              n;
    u_char          *p;
    EVP_CIPHER_CTX  *ctx;

    ngx_str_null(out);

    if (in->len == 0 || in->len % NGX_PAYGW_ECB_BLOCK_LEN != 0) {
        return NGX_ABORT;
    }

    if (key->len != NGX_PAYGW_ECB_KEY_LEN || in->len > NGX_MAX_INT32_VALUE) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(pool, in->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx = ngx_paygw_ecb_ctx();

    /* without padding every block comes out at once: nothing is left to end */

    if (ctx == NULL
        || EVP_DecryptInit_ex(ctx, NULL, NULL, key->data, NULL) != 1
        || EVP_CIPHER_CTX_set_padding(ctx, 0) != 1
        || EVP_DecryptUpdate(ctx, p, &n, in->data, (int) in->len) != 1
        || (size_t) n != in->len)
    {
        ERR_clear_error();
        return NGX_ERROR;
    }

    out->data = p;
    out->len = in->len - ngx_paygw_ecb_padding(p + in->len - 1);

    return NGX_OK;
}


static EVP_CIPHER_CTX *
ngx_paygw_ecb_ctx(void)
{
    EVP_CIPHER_CTX  *ctx;

    if (ngx_paygw_ecb != NULL) {
        return ngx_paygw_ecb;
    }

    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return NULL;
    }

    if (EVP_DecryptInit_ex(ctx, EVP_aes_256_ecb(), NULL, NULL, NULL) != 1) {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }

    ngx_paygw_ecb = ctx;

    return ctx;
}


/* how many bytes of the last block are padding, 0 if it is not well-formed */

static size_t
ngx_paygw_ecb_padding(u_char *last)
{
    size_t  i, pad;

    pad = *last;

    if (pad == 0 || pad > NGX_PAYGW_ECB_BLOCK_LEN) {
        return 0;
    }

    for (i = 1; i < pad; i++) {
        if (last[-(ssize_t) i] != pad) {
            return 0;
        }
    }

    return pad;
}
