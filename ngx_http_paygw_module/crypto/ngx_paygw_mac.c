
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"


/*
 * The context is kept: beginning anew with the algorithm that it already holds
 * spares a fetch for every message.
 */

struct ngx_paygw_hash_s {
    ngx_str_t                 name;    /* here and in OpenSSL */
    EVP_MD_CTX              **ctx;
};


static EVP_MD_CTX  *ngx_paygw_hash_ctx[5];


const ngx_paygw_hash_t  ngx_paygw_hash_md5 = {
    ngx_string("md5"), &ngx_paygw_hash_ctx[0]
};

const ngx_paygw_hash_t  ngx_paygw_hash_sha1 = {
    ngx_string("sha1"), &ngx_paygw_hash_ctx[1]
};

const ngx_paygw_hash_t  ngx_paygw_hash_sha256 = {
    ngx_string("sha256"), &ngx_paygw_hash_ctx[2]
};

const ngx_paygw_hash_t  ngx_paygw_hash_sha512 = {
    ngx_string("sha512"), &ngx_paygw_hash_ctx[3]
};

const ngx_paygw_hash_t  ngx_paygw_hash_sm3 = {
    ngx_string("sm3"), &ngx_paygw_hash_ctx[4]
};


static const ngx_paygw_hash_t  *ngx_paygw_hashes[] = {
    &ngx_paygw_hash_md5,
    &ngx_paygw_hash_sha1,
    &ngx_paygw_hash_sha256,
    &ngx_paygw_hash_sha512,
    &ngx_paygw_hash_sm3,
    NULL
};


const ngx_paygw_hash_t *
ngx_paygw_hash_find(ngx_str_t *name)
{
    const ngx_paygw_hash_t  **h;

    for (h = ngx_paygw_hashes; *h; h++) {
        if ((*h)->name.len == name->len
            && ngx_strncmp((*h)->name.data, name->data, name->len) == 0)
        {
            return *h;
        }
    }

    return NULL;
}


/* by name: not every OpenSSL that is in use has a function for each */

const EVP_MD *
ngx_paygw_hash_md(const ngx_paygw_hash_t *hash)
{
    return EVP_get_digestbyname((const char *) hash->name.data);
}


ngx_int_t
ngx_paygw_hash(const ngx_paygw_hash_t *hash, ngx_str_t *parts, ngx_uint_t n,
    u_char *out, size_t *len, ngx_log_t *log)
{
    if (ngx_paygw_digest(hash, parts, n, out, len) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "%V digest failed (SSL: %s)",
                      &hash->name, ngx_paygw_openssl_error());
        return NGX_ERROR;
    }

    ERR_clear_error();

    return NGX_OK;
}


ngx_int_t
ngx_paygw_sha256(ngx_str_t *parts, ngx_uint_t n, u_char *out)
{
    size_t     len;
    ngx_int_t  rc;

    rc = ngx_paygw_digest(&ngx_paygw_hash_sha256, parts, n, out, &len);

    ERR_clear_error();

    return rc;
}


ngx_int_t
ngx_paygw_digest(const ngx_paygw_hash_t *hash, ngx_str_t *parts,
    ngx_uint_t n, u_char *out, size_t *len)
{
    int            rc;
    ngx_uint_t     i;
    EVP_MD_CTX    *ctx;
    unsigned int   size;

    ctx = *hash->ctx;

    if (ctx == NULL) {

        ctx = EVP_MD_CTX_new();
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        *hash->ctx = ctx;

        rc = EVP_DigestInit_ex(ctx, ngx_paygw_hash_md(hash), NULL);

    } else {
        rc = EVP_DigestInit_ex(ctx, NULL, NULL);
    }

    for (i = 0; rc == 1 && i < n; i++) {
        rc = EVP_DigestUpdate(ctx, parts[i].data, parts[i].len);
    }

    if (rc == 1) {
        rc = EVP_DigestFinal_ex(ctx, out, &size);
    }

    if (rc != 1) {
        EVP_MD_CTX_free(ctx);
        *hash->ctx = NULL;
        return NGX_ERROR;
    }

    *len = size;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_hmac(const ngx_paygw_hash_t *hash, ngx_str_t *key,
    ngx_str_t *parts, ngx_uint_t n, u_char *out, size_t *len, ngx_log_t *log)
{
    int          rc;
    EVP_PKEY    *pkey;
    ngx_uint_t   i;
    EVP_MD_CTX  *ctx;

    if (key->len == 0) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "%V HMAC with an empty key",
                      &hash->name);
        return NGX_ERROR;
    }

    ctx = EVP_MD_CTX_new();
    pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, key->data,
                                        key->len);

    rc = (ctx != NULL && pkey != NULL)
         ? EVP_DigestSignInit(ctx, NULL, ngx_paygw_hash_md(hash), NULL, pkey)
         : 0;

    for (i = 0; rc == 1 && i < n; i++) {
        rc = EVP_DigestSignUpdate(ctx, parts[i].data, parts[i].len);
    }

    if (rc == 1) {
        *len = NGX_PAYGW_HASH_MAX;
        rc = EVP_DigestSignFinal(ctx, out, len);
    }

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);

    if (rc != 1) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "%V HMAC failed (SSL: %s)",
                      &hash->name, ngx_paygw_openssl_error());
        return NGX_ERROR;
    }

    ERR_clear_error();

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_equal(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == b->len && CRYPTO_memcmp(a->data, b->data, a->len) == 0;
}
