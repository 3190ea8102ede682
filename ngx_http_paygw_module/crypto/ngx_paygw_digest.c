
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"


/* A digest of what comes bit by bit. */


struct ngx_paygw_digest_s {
    EVP_MD_CTX               *ctx;
};


static void ngx_paygw_digest_cleanup(void *data);


ngx_paygw_digest_t *
ngx_paygw_digest_new(ngx_pool_t *pool, const ngx_paygw_hash_t *hash)
{
    const EVP_MD        *md;
    ngx_paygw_digest_t  *d;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_paygw_digest_t));
    if (cln == NULL) {
        return NULL;
    }

    d = cln->data;

    d->ctx = EVP_MD_CTX_new();
    cln->handler = ngx_paygw_digest_cleanup;

    md = ngx_paygw_hash_md(hash);

    if (d->ctx == NULL || md == NULL
        || EVP_DigestInit_ex(d->ctx, md, NULL) != 1)
    {
        ERR_clear_error();
        return NULL;
    }

    return d;
}


static void
ngx_paygw_digest_cleanup(void *data)
{
    ngx_paygw_digest_t *d = data;

    EVP_MD_CTX_free(d->ctx);
    d->ctx = NULL;
}


ngx_int_t
ngx_paygw_digest_update(ngx_paygw_digest_t *d, u_char *p, size_t len)
{
    if (EVP_DigestUpdate(d->ctx, p, len) != 1) {
        ERR_clear_error();
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_digest_final(ngx_paygw_digest_t *d, u_char *out, size_t *len)
{
    unsigned int  n;

    if (EVP_DigestFinal_ex(d->ctx, out, &n) != 1) {
        ERR_clear_error();
        return NGX_ERROR;
    }

    *len = n;

    return NGX_OK;
}
