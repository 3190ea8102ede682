
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"


/* Certificates that come while nginx runs. */


#define NGX_PAYGW_TRUST_MAX  16    /* certificates of one text */


struct ngx_paygw_trust_s {
    STACK_OF(X509)          *roots;
    STACK_OF(X509)          *others;    /* intermediates */
};


static STACK_OF(X509) *ngx_paygw_trust_read(ngx_str_t *text,
    const char **err);
static ASN1_STRING *ngx_paygw_trust_owner(ngx_paygw_key_t *key);
static void ngx_paygw_trust_cleanup(void *data);


ngx_int_t
ngx_paygw_key_read_cert(ngx_pool_t *pool, ngx_str_t *text,
    ngx_paygw_key_t *key, const char **err)
{
    EVP_PKEY                *pkey;
    ngx_int_t                rc;
    STACK_OF(X509)          *certs;
    ngx_paygw_key_handle_t  *handle;

    *err = "no memory";

    handle = ngx_paygw_key_handle(pool, key);
    if (handle == NULL) {
        return NGX_ERROR;
    }

    certs = ngx_paygw_trust_read(text, err);
    if (certs == NULL) {
        return NGX_ABORT;
    }

    handle->cert = sk_X509_shift(certs);

    sk_X509_pop_free(certs, X509_free);

    pkey = X509_get_pubkey(handle->cert);
    if (pkey == NULL) {
        *err = ngx_paygw_openssl_error();
        return NGX_ABORT;
    }

    rc = ngx_paygw_key_take(key, pkey, err);
    if (rc != NGX_OK) {
        return rc;
    }

    key->cert = handle->cert;
    key->not_before = ngx_paygw_cert_time(X509_get0_notBefore(key->cert));
    key->not_after = ngx_paygw_cert_time(X509_get0_notAfter(key->cert));

    if (key->not_before == (time_t) NGX_ERROR
        || key->not_after == (time_t) NGX_ERROR)
    {
        *err = "cannot read the validity of the certificate";
        return NGX_ABORT;
    }

    return ngx_paygw_cert_serial(pool, key->cert, &key->id);
}


ngx_int_t
ngx_paygw_key_sn(ngx_pool_t *pool, ngx_paygw_key_t *key, ngx_str_t *sn)
{
    ngx_int_t  rc;

    sn->len = 32;
    sn->data = ngx_pnalloc(pool, sn->len);
    if (sn->data == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_paygw_cert_sn_hex(key->cert, sn->data);

    ERR_clear_error();

    return rc;
}


ngx_paygw_trust_t *
ngx_paygw_trust_create(ngx_conf_t *cf, ngx_str_t *roots)
{
    ngx_paygw_trust_t   *trust;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_paygw_trust_t));
    if (cln == NULL) {
        return NULL;
    }

    trust = cln->data;
    ngx_memzero(trust, sizeof(ngx_paygw_trust_t));

    cln->handler = ngx_paygw_trust_cleanup;

    trust->others = sk_X509_new_null();
    if (trust->others == NULL) {
        ERR_clear_error();
        return NULL;
    }

    trust->roots = ngx_paygw_cert_stack(cf, roots);

    return trust->roots ? trust : NULL;
}


ngx_int_t
ngx_paygw_trust_add(ngx_conf_t *cf, ngx_paygw_trust_t *trust, ngx_str_t *path)
{
    X509            *cert;
    ngx_int_t        rc;
    STACK_OF(X509)  *certs;

    certs = ngx_paygw_cert_stack(cf, path);
    if (certs == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    while (rc == NGX_OK && (cert = sk_X509_shift(certs)) != NULL) {

        if (!sk_X509_push(trust->others, cert)) {
            X509_free(cert);
            rc = NGX_ERROR;
        }
    }

    sk_X509_pop_free(certs, X509_free);

    ERR_clear_error();

    return rc;
}


ngx_int_t
ngx_paygw_trust_check(ngx_paygw_trust_t *trust, ngx_str_t *text,
    const char **err)
{
    X509            *cert;
    ngx_int_t        i, rc;
    STACK_OF(X509)  *certs;

    certs = ngx_paygw_trust_read(text, err);
    if (certs == NULL) {
        return NGX_ABORT;
    }

    rc = NGX_OK;

    for (i = 0; rc == NGX_OK && i < sk_X509_num(trust->others); i++) {

        cert = sk_X509_value(trust->others, i);

        if (!sk_X509_push(certs, cert)) {
            *err = "no memory";
            rc = NGX_ERROR;
            break;
        }

        X509_up_ref(cert);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_cert_verify(certs, trust->roots, err);
    }

    sk_X509_pop_free(certs, X509_free);

    ERR_clear_error();

    return rc;
}


ngx_uint_t
ngx_paygw_key_same_owner(ngx_paygw_key_t *a, ngx_paygw_key_t *b)
{
    int             len;
    u_char         *one, *two;
    ngx_uint_t      same;
    ASN1_STRING    *as, *bs;

    as = ngx_paygw_trust_owner(a);
    bs = ngx_paygw_trust_owner(b);

    if (as == NULL || bs == NULL) {
        return 0;
    }

    /* the same letters may stand there in another type of string */

    one = NULL;
    two = NULL;

    len = ASN1_STRING_to_UTF8(&one, as);

    same = len > 0
           && ASN1_STRING_to_UTF8(&two, bs) == len
           && ngx_memcmp(one, two, len) == 0;

    OPENSSL_free(one);
    OPENSSL_free(two);

    ERR_clear_error();

    return same;
}


/* the organization, if there is one and no more */

static ASN1_STRING *
ngx_paygw_trust_owner(ngx_paygw_key_t *key)
{
    int         i;
    X509_NAME  *name;

    name = X509_get_subject_name(key->cert);

    i = X509_NAME_get_index_by_NID(name, NID_organizationName, -1);

    if (i < 0
        || X509_NAME_get_index_by_NID(name, NID_organizationName, i) >= 0)
    {
        return NULL;
    }

    return X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i));
}


/* at least one certificate, or NULL and *err */

static STACK_OF(X509) *
ngx_paygw_trust_read(ngx_str_t *text, const char **err)
{
    BIO             *bio;
    X509            *cert;
    STACK_OF(X509)  *certs;

    *err = NULL;

    certs = sk_X509_new_null();
    bio = BIO_new_mem_buf(text->data, (int) text->len);

    if (certs == NULL || bio == NULL) {
        *err = "no memory";
    }

    while (*err == NULL) {

        cert = PEM_read_bio_X509(bio, NULL, ngx_paygw_cert_password, NULL);

        if (cert == NULL) {
            if (!ngx_paygw_pem_end()) {
                *err = ngx_paygw_openssl_error();

            } else if (sk_X509_num(certs) == 0) {
                *err = "it holds no certificate in PEM";
            }

            break;
        }

        if (sk_X509_num(certs) == NGX_PAYGW_TRUST_MAX) {
            X509_free(cert);
            *err = "it holds too many certificates";

        } else if (!sk_X509_push(certs, cert)) {
            X509_free(cert);
            *err = "no memory";
        }
    }

    BIO_free(bio);
    ERR_clear_error();

    if (*err) {
        sk_X509_pop_free(certs, X509_free);
        return NULL;
    }

    return certs;
}


static void
ngx_paygw_trust_cleanup(void *data)
{
    ngx_paygw_trust_t *trust = data;

    sk_X509_pop_free(trust->roots, X509_free);
    sk_X509_pop_free(trust->others, X509_free);
}


ngx_int_t
ngx_paygw_cert_decimal(ngx_conf_t *cf, ngx_paygw_key_t *key, ngx_str_t *out)
{
    char    *text;
    BIGNUM  *bn;

    text = NULL;

    bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(key->cert), NULL);

    if (bn != NULL) {
        text = BN_bn2dec(bn);
    }

    out->data = NULL;

    if (text != NULL) {
        out->len = ngx_strlen(text);
        out->data = ngx_pnalloc(cf->pool, out->len);
    }

    if (out->data != NULL) {
        ngx_memcpy(out->data, text, out->len);
    }

    OPENSSL_free(text);
    BN_free(bn);
    ERR_clear_error();

    return out->data ? NGX_OK : NGX_ERROR;
}
