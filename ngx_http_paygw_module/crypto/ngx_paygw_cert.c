
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"

#include <ngx_md5.h>


#define NGX_PAYGW_CERT_WARN   (30 * 24 * 60 * 60)
#define NGX_PAYGW_CERT_LEVEL  2    /* of OpenSSL: 112 bits */


/* a PEM bundle while it is read: the file and a reader on it */

typedef struct {
    ngx_str_t                text;
    BIO                     *bio;
    ngx_uint_t               n;       /* certificates read */
} ngx_paygw_bundle_t;


static ngx_int_t ngx_paygw_cert_open(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_bundle_t *bundle);
static void ngx_paygw_cert_close(ngx_paygw_bundle_t *bundle);
static ngx_int_t ngx_paygw_cert_next(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_bundle_t *bundle, X509 **cert);

static void ngx_paygw_cert_warn(ngx_conf_t *cf, ngx_str_t *path,
    time_t begin, time_t end);

static ngx_uint_t ngx_paygw_cert_rsa_signed(X509 *cert);

static ngx_uint_t ngx_paygw_cert_issued(STACK_OF(X509) *certs, X509 *cert);


ngx_int_t
ngx_paygw_key_cert(ngx_conf_t *cf, ngx_str_t *path, ngx_paygw_key_t *key)
{
    EVP_PKEY                *pkey;
    ngx_int_t                rc;
    ngx_paygw_bundle_t       bundle;
    ngx_paygw_key_handle_t  *handle;

    handle = ngx_paygw_key_handle(cf->pool, key);
    if (handle == NULL) {
        return NGX_ERROR;
    }

    if (ngx_paygw_cert_open(cf, path, &bundle) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_paygw_cert_next(cf, path, &bundle, &handle->cert);

    ngx_paygw_cert_close(&bundle);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    key->cert = handle->cert;

    pkey = X509_get_pubkey(handle->cert);
    if (pkey == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cannot read the public key of certificate "
                           "\"%V\": %s", path, ngx_paygw_openssl_error());
        return NGX_ERROR;
    }

    if (ngx_paygw_key_set(cf, path, key, pkey) != NGX_OK
        || ngx_paygw_cert_serial(cf->pool, key->cert, &key->id) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_cert_validity(cf, path, key->cert, key);
}


static ngx_int_t
ngx_paygw_cert_open(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_bundle_t *bundle)
{
    if (ngx_paygw_file_read(cf, path, 0, &bundle->text) != NGX_OK) {
        return NGX_ERROR;
    }

    bundle->n = 0;

    bundle->bio = BIO_new_mem_buf(bundle->text.data, (int) bundle->text.len);
    if (bundle->bio == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cannot load certificate \"%V\": %s",
                           path, ngx_paygw_openssl_error());
        ngx_paygw_file_wipe(&bundle->text);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_paygw_cert_close(ngx_paygw_bundle_t *bundle)
{
    BIO_free(bundle->bio);

    ngx_paygw_file_wipe(&bundle->text);

    ERR_clear_error();
}


/*
 * NGX_OK and the next certificate, NGX_DONE at the end, or NGX_ERROR
 * (logged); a file without any is an error.
 */

static ngx_int_t
ngx_paygw_cert_next(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_bundle_t *bundle, X509 **cert)
{
    *cert = PEM_read_bio_X509(bundle->bio, NULL, ngx_paygw_cert_password,
                              NULL);

    if (*cert != NULL) {
        bundle->n++;
        return NGX_OK;
    }

    if (!ngx_paygw_pem_end()) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cannot load certificate \"%V\": %s",
                           path, ngx_paygw_openssl_error());
        return NGX_ERROR;
    }

    ERR_clear_error();

    if (bundle->n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cannot load certificate \"%V\": "
                           "it holds no certificate in PEM", path);
        return NGX_ERROR;
    }

    return NGX_DONE;
}


/* without it OpenSSL would ask the terminal */

int
ngx_paygw_cert_password(char *buf, int size, int rwflag, void *data)
{
    return -1;
}


ngx_int_t
ngx_paygw_cert_serial(ngx_pool_t *pool, X509 *cert, ngx_str_t *id)
{
    u_char              *p;
    size_t               i, len;
    const u_char        *data;
    const ASN1_INTEGER  *serial;

    serial = X509_get0_serialNumber(cert);

    data = ASN1_STRING_get0_data(serial);
    len = ASN1_STRING_length(serial);

    p = ngx_pnalloc(pool, 2 * len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    id->data = p;
    id->len = 2 * len;

    for (i = 0; i < len; i++) {
        p = ngx_sprintf(p, "%02Xd", (int) data[i]);
    }

    return NGX_OK;
}


time_t
ngx_paygw_cert_time(const ASN1_TIME *at)
{
    int         days, seconds, rc;
    ASN1_TIME  *epoch;

    epoch = ASN1_TIME_set(NULL, 0);
    if (epoch == NULL) {
        ERR_clear_error();
        return (time_t) NGX_ERROR;
    }

    rc = ASN1_TIME_diff(&days, &seconds, epoch, at);

    ASN1_TIME_free(epoch);
    ERR_clear_error();

    if (rc != 1) {
        return (time_t) NGX_ERROR;
    }

    return (time_t) days * 24 * 60 * 60 + seconds;
}


ngx_int_t
ngx_paygw_cert_validity(ngx_conf_t *cf, ngx_str_t *path, X509 *cert,
    ngx_paygw_key_t *key)
{
    time_t  begin, end;

    begin = ngx_paygw_cert_time(X509_get0_notBefore(cert));
    end = ngx_paygw_cert_time(X509_get0_notAfter(cert));

    if (begin == (time_t) NGX_ERROR || end == (time_t) NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cannot read the validity of certificate \"%V\"",
                           path);
        return NGX_ERROR;
    }

    if (key) {
        key->not_before = begin;
        key->not_after = end;
    }

    ngx_paygw_cert_warn(cf, path, begin, end);

    return NGX_OK;
}


static void
ngx_paygw_cert_warn(ngx_conf_t *cf, ngx_str_t *path, time_t begin, time_t end)
{
    time_t  now;

    now = ngx_time();

    if (end < now) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "certificate \"%V\" has ended %T days ago",
                           path, (now - end) / (24 * 60 * 60));

    } else if (end - now < NGX_PAYGW_CERT_WARN) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "certificate \"%V\" ends in %T days",
                           path, (end - now) / (24 * 60 * 60));
    }

    if (begin > now) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "certificate \"%V\" is not valid yet", path);
    }
}


ngx_int_t
ngx_paygw_cert_sn(ngx_conf_t *cf, ngx_paygw_key_t *key, ngx_str_t *out)
{
    ngx_int_t  rc;

    out->len = 32;
    out->data = ngx_pnalloc(cf->pool, out->len);
    if (out->data == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_paygw_cert_sn_hex(key->cert, out->data);

    if (rc != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cannot make the SN of a certificate: %s",
                           ngx_paygw_openssl_error());
    }

    ERR_clear_error();

    return rc;
}


ngx_int_t
ngx_paygw_cert_root_sn(ngx_conf_t *cf, ngx_str_t *path, ngx_str_t *out)
{
    X509            *cert;
    u_char          *p;
    ngx_int_t        i, n, rc;
    STACK_OF(X509)  *certs;

    certs = ngx_paygw_cert_stack(cf, path);
    if (certs == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_OK;
    n = sk_X509_num(certs);

    p = ngx_pnalloc(cf->pool, n * (32 + 1));
    if (p == NULL) {
        rc = NGX_ERROR;
    }

    out->data = p;

    for (i = 0; rc == NGX_OK && i < n; i++) {

        cert = sk_X509_value(certs, i);

        if (!ngx_paygw_cert_rsa_signed(cert)) {
            continue;
        }

        if (p != out->data) {
            *p++ = '_';
        }

        rc = ngx_paygw_cert_sn_hex(cert, p);
        p += 32;
    }

    sk_X509_pop_free(certs, X509_free);

    if (rc == NGX_OK && p == out->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" holds no certificate with an RSA "
                           "signature", path);
        rc = NGX_ERROR;
    }

    out->len = p - out->data;

    ERR_clear_error();

    return rc;
}


ngx_int_t
ngx_paygw_cert_sn_hex(X509 *cert, u_char *hex)
{
    BIO        *bio;
    long        len;
    char       *issuer, *serial;
    u_char      md[16];
    BIGNUM     *bn;
    ngx_int_t   rc;
    ngx_md5_t   md5;

    rc = NGX_ERROR;
    serial = NULL;

    bio = BIO_new(BIO_s_mem());
    bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);

    if (bn != NULL) {
        serial = BN_bn2dec(bn);
    }

    if (bio != NULL && serial != NULL
        && X509_NAME_print_ex(bio, X509_get_issuer_name(cert), 0,
                              XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB)
           >= 0)
    {
        len = BIO_get_mem_data(bio, &issuer);

        ngx_md5_init(&md5);
        ngx_md5_update(&md5, issuer, (size_t) len);
        ngx_md5_update(&md5, serial, ngx_strlen(serial));
        ngx_md5_final(md, &md5);

        (void) ngx_hex_dump(hex, md, sizeof(md));

        rc = NGX_OK;
    }

    OPENSSL_free(serial);
    BN_free(bn);
    BIO_free(bio);

    return rc;
}


/* the OID of the signature is below 1.2.840.113549.1.1, PKCS #1 */

static ngx_uint_t
ngx_paygw_cert_rsa_signed(X509 *cert)
{
    const X509_ALGOR      *alg;
    const ASN1_OBJECT     *oid;

    static const u_char    pkcs1[] = {
        0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01
    };

    X509_get0_signature(NULL, &alg, cert);
    X509_ALGOR_get0(&oid, NULL, NULL, alg);

    return OBJ_length(oid) > sizeof(pkcs1)
           && ngx_memcmp(OBJ_get0_data(oid), pkcs1, sizeof(pkcs1)) == 0;
}


STACK_OF(X509) *
ngx_paygw_cert_stack(ngx_conf_t *cf, ngx_str_t *path)
{
    X509                *cert;
    ngx_int_t            rc;
    STACK_OF(X509)      *certs;
    ngx_paygw_bundle_t   bundle;

    certs = sk_X509_new_null();
    if (certs == NULL) {
        ERR_clear_error();
        return NULL;
    }

    if (ngx_paygw_cert_open(cf, path, &bundle) != NGX_OK) {
        sk_X509_free(certs);
        return NULL;
    }

    while ((rc = ngx_paygw_cert_next(cf, path, &bundle, &cert)) == NGX_OK) {

        if (!sk_X509_push(certs, cert)) {
            X509_free(cert);
            rc = NGX_ERROR;
            break;
        }
    }

    ngx_paygw_cert_close(&bundle);

    if (rc != NGX_DONE) {
        sk_X509_pop_free(certs, X509_free);
        return NULL;
    }

    return certs;
}


ngx_int_t
ngx_paygw_cert_chain(ngx_conf_t *cf, ngx_str_t *path, ngx_str_t *roots)
{
    X509            *cert;
    ngx_int_t        rc;
    const char      *err;
    STACK_OF(X509)  *certs, *anchors;

    rc = NGX_ERROR;
    anchors = NULL;

    certs = ngx_paygw_cert_stack(cf, path);
    if (certs == NULL) {
        goto done;
    }

    anchors = ngx_paygw_cert_stack(cf, roots);
    if (anchors == NULL) {
        goto done;
    }

    cert = sk_X509_value(certs, 0);

    if (!ngx_paygw_cert_issued(certs, cert)
        && !ngx_paygw_cert_issued(anchors, cert))
    {
        rc = NGX_DECLINED;
        goto done;
    }

    if (ngx_paygw_cert_verify(certs, anchors, &err) == NGX_OK) {
        rc = NGX_OK;
        goto done;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "certificate \"%V\" does not chain to the "
                       "root certificates: %s", path, err);

done:

    sk_X509_pop_free(certs, X509_free);
    sk_X509_pop_free(anchors, X509_free);

    ERR_clear_error();

    return rc;
}


/*
 * By name only: a certificate that bears the name of an issuer that we have
 * must be signed by it.
 */

static ngx_uint_t
ngx_paygw_cert_issued(STACK_OF(X509) *certs, X509 *cert)
{
    ngx_int_t  i;

    for (i = 0; i < sk_X509_num(certs); i++) {
        if (X509_NAME_cmp(X509_get_subject_name(sk_X509_value(certs, i)),
                          X509_get_issuer_name(cert))
            == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_paygw_cert_verify(STACK_OF(X509) *certs, STACK_OF(X509) *roots,
    const char **err)
{
    int              rc;
    ngx_int_t        i;
    X509_STORE      *store;
    X509_STORE_CTX  *ctx;

    store = X509_STORE_new();
    ctx = X509_STORE_CTX_new();

    rc = (store != NULL && ctx != NULL);

    for (i = 0; rc == 1 && i < sk_X509_num(roots); i++) {
        rc = X509_STORE_add_cert(store, sk_X509_value(roots, i));
    }

    if (rc == 1) {
        rc = X509_STORE_CTX_init(ctx, store, sk_X509_value(certs, 0), certs);
    }

    if (rc == 1) {
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);

        /* no SHA-1 and no RSA below 2048 bits, in the whole of the chain */

        X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx),
                                         NGX_PAYGW_CERT_LEVEL);

        rc = X509_verify_cert(ctx);

        if (rc != 1) {
            *err = X509_verify_cert_error_string(
                                               X509_STORE_CTX_get_error(ctx));
        }

    } else {
        *err = ngx_paygw_openssl_error();
    }

    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);

    ERR_clear_error();

    return rc == 1 ? NGX_OK : NGX_DECLINED;
}
