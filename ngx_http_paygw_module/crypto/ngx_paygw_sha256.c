
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"


/* SHA-256 of a text that is too long to be held as a whole. */


struct ngx_paygw_sha256_s {
    EVP_MD_CTX               *ctx;
};


static void ngx_paygw_sha256_cleanup(void *data);


ngx_paygw_sha256_t *
ngx_paygw_sha256_new(ngx_pool_t *pool)
{
    ngx_paygw_sha256_t  *sha;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_paygw_sha256_t));
    if (cln == NULL) {
        return NULL;
    }

    sha = cln->data;

    sha->ctx = EVP_MD_CTX_new();
    cln->handler = ngx_paygw_sha256_cleanup;

    if (sha->ctx == NULL
        || EVP_DigestInit_ex(sha->ctx,
                             ngx_paygw_hash_md(&ngx_paygw_hash_sha256), NULL)
           != 1)
    {
        ERR_clear_error();
        return NULL;
    }

    return sha;
}


static void
ngx_paygw_sha256_cleanup(void *data)
{
    ngx_paygw_sha256_t *sha = data;

    EVP_MD_CTX_free(sha->ctx);
    sha->ctx = NULL;
}


ngx_int_t
ngx_paygw_sha256_update(ngx_paygw_sha256_t *sha, u_char *p, size_t len)
{
    return (EVP_DigestUpdate(sha->ctx, p, len) == 1) ? NGX_OK : NGX_ERROR;
}


/* RFC 2104: a key that is longer than a block is hashed */

ngx_int_t
ngx_paygw_hmac_key(ngx_paygw_hmac_key_t *hmac, ngx_str_t *key)
{
    u_char      block[sizeof(hmac->inner)];
    ngx_uint_t  i;

    ngx_memzero(block, sizeof(block));

    if (key->len <= sizeof(block)) {
        ngx_memcpy(block, key->data, key->len);

    } else if (ngx_paygw_sha256(key, 1, block) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < sizeof(block); i++) {
        hmac->inner[i] = block[i] ^ 0x36;
        hmac->outer[i] = block[i] ^ 0x5c;
    }

    ngx_explicit_memzero(block, sizeof(block));

    return NGX_OK;
}


ngx_int_t
ngx_paygw_hmac_sha256(ngx_paygw_hmac_key_t *hmac, ngx_str_t *parts,
    ngx_uint_t n, u_char *out)
{
    u_char     inner[NGX_PAYGW_SHA256_LEN];
    ngx_str_t  all[NGX_PAYGW_HMAC_PARTS + 1];

    if (n > NGX_PAYGW_HMAC_PARTS) {
        return NGX_ERROR;
    }

    all[0].data = hmac->inner;
    all[0].len = sizeof(hmac->inner);

    ngx_memcpy(&all[1], parts, n * sizeof(ngx_str_t));

    if (ngx_paygw_sha256(all, n + 1, inner) != NGX_OK) {
        return NGX_ERROR;
    }

    all[0].data = hmac->outer;
    all[0].len = sizeof(hmac->outer);
    all[1].data = inner;
    all[1].len = sizeof(inner);

    return ngx_paygw_sha256(all, 2, out);
}


ngx_int_t
ngx_paygw_sha256_final(ngx_paygw_sha256_t *sha, u_char *out)
{
    int  rc;

    rc = EVP_DigestFinal_ex(sha->ctx, out, NULL);

    ERR_clear_error();

    return (rc == 1) ? NGX_OK : NGX_ERROR;
}
