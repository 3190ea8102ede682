
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"


static void ngx_paygw_key_cleanup(void *data);


ngx_paygw_key_handle_t *
ngx_paygw_key_handle(ngx_pool_t *pool, ngx_paygw_key_t *key)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_paygw_key_handle_t));
    if (cln == NULL) {
        return NULL;
    }

    ngx_memzero(cln->data, sizeof(ngx_paygw_key_handle_t));

    cln->handler = ngx_paygw_key_cleanup;

    key->handle = cln->data;

    return key->handle;
}


/* EVP_PKEY_free() wipes the private half */

static void
ngx_paygw_key_cleanup(void *data)
{
    ngx_paygw_key_handle_t *handle = data;

    EVP_PKEY_CTX_free(handle->ctx[NGX_PAYGW_KEY_VERIFY]);
    EVP_PKEY_CTX_free(handle->ctx[NGX_PAYGW_KEY_SIGN]);
    EVP_PKEY_free(handle->pkey);
    X509_free(handle->cert);

    ngx_memzero(handle, sizeof(ngx_paygw_key_handle_t));
}


const ngx_paygw_scheme_t *
ngx_paygw_scheme_of(ngx_paygw_key_t *key, size_t *len)
{
    ngx_uint_t               i;
    ngx_paygw_key_handle_t  *handle;

    static const struct {
        int                        type;
        int                        curve;
        const ngx_paygw_scheme_t  *scheme;
    } schemes[] = {
        { EVP_PKEY_RSA, NID_undef, &ngx_paygw_rsa_sha256 },
        { EVP_PKEY_EC, NID_X9_62_prime256v1, &ngx_paygw_ecdsa_p256 },
        { EVP_PKEY_ED25519, NID_undef, &ngx_paygw_ed25519 },
        { 0, 0, NULL }
    };

    handle = key->handle;

    for (i = 0; schemes[i].scheme; i++) {

        if (schemes[i].type == handle->type
            && schemes[i].curve == handle->curve)
        {
            *len = EVP_PKEY_size(handle->pkey);
            return schemes[i].scheme;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_paygw_key_equal(ngx_paygw_key_t *a, ngx_paygw_key_t *b)
{
    int  rc;

    if (a->pkey == NULL || b->pkey == NULL) {
        return 0;
    }

    rc = EVP_PKEY_eq(a->pkey, b->pkey);

    ERR_clear_error();

    return rc == 1;
}
