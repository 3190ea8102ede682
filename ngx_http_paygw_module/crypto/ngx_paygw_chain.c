
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"


/* The roots and intermediates of a chain, and the way to them. */


/* certificates between the one of a message and a root */
#define NGX_PAYGW_CHAIN_DEPTH  4


static void ngx_paygw_chain_cleanup(void *data);
static ngx_int_t ngx_paygw_chain_load(ngx_conf_t *cf,
    ngx_paygw_chain_t *chain, ngx_str_t *path, ngx_uint_t root);
static ngx_int_t ngx_paygw_chain_ca(ngx_conf_t *cf, ngx_str_t *path,
    X509 *cert, ngx_uint_t root);
static ngx_int_t ngx_paygw_chain_end(ngx_conf_t *cf,
    ngx_paygw_chain_t *chain, ngx_str_t *path, X509 *cert);
static void ngx_paygw_chain_bounds(STACK_OF(X509) *certs,
    ngx_paygw_key_t *key);


ngx_paygw_chain_t *
ngx_paygw_chain_create(ngx_conf_t *cf, ngx_paygw_chain_name_pt name,
    void *data)
{
    ngx_paygw_chain_t   *chain;
    ngx_pool_cleanup_t  *cln;

    chain = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_chain_t));
    if (chain == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_paygw_chain_cleanup;
    cln->data = chain;

    chain->name = name;
    chain->data = data;

    chain->ends = ngx_array_create(cf->pool, 4, sizeof(ngx_paygw_key_t *));
    if (chain->ends == NULL) {
        return NULL;
    }

    chain->store = X509_STORE_new();
    chain->middles = sk_X509_new_null();

    if (chain->store == NULL || chain->middles == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "X509_STORE_new() failed (SSL: %s)",
                           ngx_paygw_openssl_error());
        return NULL;
    }

    return chain;
}


static void
ngx_paygw_chain_cleanup(void *data)
{
    ngx_paygw_chain_t *chain = data;

    ngx_uint_t  i;

    for (i = 0; i < NGX_PAYGW_CHAIN_KEPT; i++) {
        ngx_paygw_chain_drop(&chain->entries[i]);
    }

    sk_X509_pop_free(chain->middles, X509_free);
    X509_STORE_free(chain->store);
}


void
ngx_paygw_chain_drop(ngx_paygw_chain_entry_t *e)
{
    EVP_PKEY_CTX_free(e->handle.ctx[NGX_PAYGW_KEY_VERIFY]);
    EVP_PKEY_CTX_free(e->handle.ctx[NGX_PAYGW_KEY_SIGN]);
    EVP_PKEY_free(e->handle.pkey);

    ngx_memzero(e, sizeof(ngx_paygw_chain_entry_t));
}


ngx_int_t
ngx_paygw_chain_root(ngx_conf_t *cf, ngx_paygw_chain_t *chain,
    ngx_str_t *path)
{
    return ngx_paygw_chain_load(cf, chain, path, 1);
}


ngx_int_t
ngx_paygw_chain_middle(ngx_conf_t *cf, ngx_paygw_chain_t *chain,
    ngx_str_t *path)
{
    return ngx_paygw_chain_load(cf, chain, path, 0);
}


static ngx_int_t
ngx_paygw_chain_load(ngx_conf_t *cf, ngx_paygw_chain_t *chain,
    ngx_str_t *path, ngx_uint_t root)
{
    int              rc;
    X509            *cert;
    STACK_OF(X509)  *certs;

    certs = ngx_paygw_cert_stack(cf, path);
    if (certs == NULL) {
        return NGX_ERROR;
    }

    rc = 1;

    while (rc == 1 && (cert = sk_X509_shift(certs)) != NULL) {

        if (ngx_paygw_chain_ca(cf, path, cert, root) != NGX_OK
            || ngx_paygw_chain_end(cf, chain, path, cert) != NGX_OK)
        {
            X509_free(cert);
            sk_X509_pop_free(certs, X509_free);
            return NGX_ERROR;
        }

        if (root) {
            rc = X509_STORE_add_cert(chain->store, cert);
            X509_free(cert);

        } else {
            rc = sk_X509_push(chain->middles, cert) > 0;

            if (rc != 1) {
                X509_free(cert);
            }
        }
    }

    sk_X509_pop_free(certs, X509_free);

    if (rc != 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cannot load certificate \"%V\": %s",
                           path, ngx_paygw_openssl_error());
        return NGX_ERROR;
    }

    ERR_clear_error();

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_chain_ca(ngx_conf_t *cf, ngx_str_t *path, X509 *cert,
    ngx_uint_t root)
{
    int  selfsigned, ca;

    ca = X509_check_ca(cert);
    selfsigned = X509_check_issued(cert, cert) == X509_V_OK;

    ERR_clear_error();

    if (!ca) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "certificate \"%V\" is not that of a CA", path);
        return NGX_ERROR;
    }

    if (root && !selfsigned) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "certificate \"%V\" is no root, another CA has "
                           "issued it", path);
        return NGX_ERROR;
    }

    if (!root && selfsigned) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "certificate \"%V\" is a root, no other CA has "
                           "issued it", path);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_chain_end(ngx_conf_t *cf, ngx_paygw_chain_t *chain, ngx_str_t *path,
    X509 *cert)
{
    ngx_paygw_key_t  *key, **slot;

    key = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_key_t));
    slot = ngx_array_push(chain->ends);

    if (key == NULL || slot == NULL) {
        return NGX_ERROR;
    }

    *slot = key;

    if (ngx_paygw_cert_serial(cf->pool, cert, &key->id) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_cert_validity(cf, path, cert, key);
}


ngx_array_t *
ngx_paygw_chain_ends(ngx_paygw_chain_t *chain)
{
    return chain->ends;
}


ngx_int_t
ngx_paygw_chain_check(ngx_conf_t *cf, ngx_paygw_chain_t *chain)
{
    int        code;
    ngx_int_t  i, rc;

    for (i = 0; i < sk_X509_num(chain->middles); i++) {

        rc = ngx_paygw_chain_verify(chain, sk_X509_value(chain->middles, i),
                                    0, NULL, &code);

        if (rc == NGX_OK) {
            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "intermediate certificate does not chain to the "
                           "root certificates: %s",
                           (rc == NGX_DECLINED)
                           ? X509_verify_cert_error_string(code)
                           : ngx_paygw_openssl_error());

        ERR_clear_error();

        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_chain_verify(ngx_paygw_chain_t *chain, X509 *cert, time_t now,
    ngx_paygw_key_t *key, int *code)
{
    int                 rc;
    X509_STORE_CTX     *ctx;
    X509_VERIFY_PARAM  *param;

    ctx = X509_STORE_CTX_new();

    if (ctx == NULL
        || X509_STORE_CTX_init(ctx, chain->store, cert, chain->middles) != 1)
    {
        X509_STORE_CTX_free(ctx);
        return NGX_ERROR;
    }

    param = X509_STORE_CTX_get0_param(ctx);

    /* SHA-1: see ngx_paygw_chain.h */

    X509_VERIFY_PARAM_set_auth_level(param, 0);
    X509_VERIFY_PARAM_set_depth(param, NGX_PAYGW_CHAIN_DEPTH);

    if (key) {
        X509_VERIFY_PARAM_set_time(param, now);

    } else {
        (void) X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);
    }

    rc = X509_verify_cert(ctx);

    *code = X509_STORE_CTX_get_error(ctx);

    if (rc == 1 && *code == X509_V_OK) {

        if (key) {
            ngx_paygw_chain_bounds(X509_STORE_CTX_get0_chain(ctx), key);
        }

        rc = NGX_OK;

    } else if (rc < 0 || *code == X509_V_ERR_OUT_OF_MEM) {
        rc = NGX_ERROR;

    } else {
        rc = NGX_DECLINED;
    }

    X509_STORE_CTX_free(ctx);

    return rc;
}


/* no certificate of the chain is valid for longer than this */

static void
ngx_paygw_chain_bounds(STACK_OF(X509) *certs, ngx_paygw_key_t *key)
{
    X509       *cert;
    time_t      begin, end;
    ngx_int_t   i;

    key->not_before = 0;
    key->not_after = 0;

    for (i = 0; i < sk_X509_num(certs); i++) {

        cert = sk_X509_value(certs, i);

        begin = ngx_paygw_cert_time(X509_get0_notBefore(cert));
        end = ngx_paygw_cert_time(X509_get0_notAfter(cert));

        /* a time that cannot be read is -1: such a chain is not kept */

        if (i == 0 || begin > key->not_before) {
            key->not_before = begin;
        }

        if (i == 0 || end < key->not_after) {
            key->not_after = end;
        }
    }
}
