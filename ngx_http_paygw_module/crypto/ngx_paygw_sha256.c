
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


ngx_int_t
ngx_paygw_sha256_final(ngx_paygw_sha256_t *sha, u_char *out)
{
    int  rc;

    rc = EVP_DigestFinal_ex(sha->ctx, out, NULL);

    ERR_clear_error();

    return (rc == 1) ? NGX_OK : NGX_ERROR;
}
