
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"


/* Certificates of messages, and those of them that were found good. */


/* bytes of a certificate: those of RSA 4096 are below 3000 */
#define NGX_PAYGW_CHAIN_DER_MAX   8192

#define NGX_PAYGW_CHAIN_NAME_MAX  256
#define NGX_PAYGW_CHAIN_MIN_BITS  2048
#define NGX_PAYGW_CHAIN_MAX_BITS  8192


/* a phrase for what OpenSSL found, the last one for all else */

typedef struct {
    int                      code;
    const char              *phrase;
} ngx_paygw_chain_error_t;


static ngx_paygw_chain_entry_t *ngx_paygw_chain_find(
    ngx_paygw_chain_t *chain, u_char *digest, time_t now);
static X509 *ngx_paygw_chain_parse(ngx_str_t *der);
static ngx_int_t ngx_paygw_chain_leaf(ngx_paygw_chain_t *chain, X509 *cert,
    const char **err);
static ngx_uint_t ngx_paygw_chain_name(ngx_paygw_chain_t *chain, X509 *cert);
static ngx_int_t ngx_paygw_chain_add(ngx_paygw_chain_t *chain, X509 *cert,
    time_t now, ngx_paygw_chain_entry_t **entry, const char **err);
static EVP_PKEY *ngx_paygw_chain_pkey(X509 *cert);
static void ngx_paygw_chain_serial(ngx_paygw_chain_entry_t *e, X509 *cert);
static const char *ngx_paygw_chain_phrase(int code);


static const ngx_paygw_chain_error_t  ngx_paygw_chain_errors[] = {
    { X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
      "certificate is signed by itself" },
    { X509_V_ERR_CERT_HAS_EXPIRED,
      "certificate or its issuer is expired" },
    { X509_V_ERR_CERT_NOT_YET_VALID,
      "certificate or its issuer is not yet valid" },
    { X509_V_ERR_CERT_SIGNATURE_FAILURE,
      "certificate bears the name of an issuer that did not sign it" },
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      "certificate has an issuer that is not configured" },
    { X509_V_OK,
      "certificate has no chain to a configured root" }
};


ngx_int_t
ngx_paygw_chain_key(ngx_paygw_chain_t *chain, ngx_str_t *der, time_t now,
    ngx_paygw_key_t **key, const char **err, ngx_log_t *log)
{
    X509                     *cert;
    u_char                    digest[NGX_PAYGW_SHA256_LEN];
    ngx_int_t                 rc;
    ngx_paygw_chain_entry_t  *e;

    if (der->len > NGX_PAYGW_CHAIN_DER_MAX) {
        *err = "certificate is too large";
        return NGX_ABORT;
    }

    if (ngx_paygw_sha256(der, 1, digest) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "EVP_Digest() failed");
        return NGX_ERROR;
    }

    e = ngx_paygw_chain_find(chain, digest, now);

    if (e != NULL) {
        *key = &e->key;
        return NGX_OK;
    }

    cert = ngx_paygw_chain_parse(der);

    if (cert == NULL) {
        *err = "no certificate";
        return NGX_ABORT;
    }

    rc = ngx_paygw_chain_leaf(chain, cert, err);

    if (rc == NGX_OK) {
        rc = ngx_paygw_chain_add(chain, cert, now, &e, err);
    }

    if (rc == NGX_OK) {
        ngx_memcpy(e->digest, digest, sizeof(digest));
        *key = &e->key;

    } else if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "cannot check a certificate (SSL: %s)",
                      ngx_paygw_openssl_error());
    }

    X509_free(cert);
    ERR_clear_error();

    return rc;
}


/*
 * One that is no longer valid is forgotten: it may still be good by another
 * way to a root, which is for OpenSSL to find.
 */

static ngx_paygw_chain_entry_t *
ngx_paygw_chain_find(ngx_paygw_chain_t *chain, u_char *digest, time_t now)
{
    ngx_uint_t                i;
    ngx_paygw_chain_entry_t  *e;

    for (i = 0; i < NGX_PAYGW_CHAIN_KEPT; i++) {
        e = &chain->entries[i];

        if (e->used == 0
            || ngx_memcmp(e->digest, digest, NGX_PAYGW_SHA256_LEN) != 0)
        {
            continue;
        }

        if (now <= e->key.not_before || now >= e->key.not_after) {
            ngx_paygw_chain_drop(e);
            return NULL;
        }

        e->used = ++chain->used;

        return e;
    }

    return NULL;
}


/* the whole of der and nothing else */

static X509 *
ngx_paygw_chain_parse(ngx_str_t *der)
{
    X509                 *cert;
    const unsigned char  *p;

    p = der->data;

    cert = d2i_X509(NULL, &p, (long) der->len);

    ERR_clear_error();

    if (cert != NULL && p != der->data + der->len) {
        X509_free(cert);
        return NULL;
    }

    return cert;
}


/* what can be said of a certificate without its issuers */

static ngx_int_t
ngx_paygw_chain_leaf(ngx_paygw_chain_t *chain, X509 *cert, const char **err)
{
    uint32_t  flags, usage;

    /* a CA that signs messages is none that we have heard of */

    flags = X509_get_extension_flags(cert);

    if (flags & (EXFLAG_CA|EXFLAG_INVALID)) {
        *err = (flags & EXFLAG_CA) ? "certificate is that of a CA"
                                   : "certificate has broken extensions";
        return NGX_DECLINED;
    }

    /* all bits are set if there is no such extension */

    usage = X509_get_key_usage(cert);

    if (!(usage & (KU_DIGITAL_SIGNATURE|KU_NON_REPUDIATION))) {
        *err = "certificate is not one for signatures";
        return NGX_DECLINED;
    }

    if (!ngx_paygw_chain_name(chain, cert)) {
        *err = "certificate is of another name";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* one common name, no more: which of two would count? */

static ngx_uint_t
ngx_paygw_chain_name(ngx_paygw_chain_t *chain, X509 *cert)
{
    int               i, len;
    u_char           *utf8;
    ngx_str_t         cn;
    ngx_uint_t        ok;
    X509_NAME        *subject;
    X509_NAME_ENTRY  *entry;

    subject = X509_get_subject_name(cert);

    i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (i < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, i) >= 0) {
        return 0;
    }

    entry = X509_NAME_get_entry(subject, i);

    len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    if (len < 0) {
        return 0;
    }

    cn.data = utf8;
    cn.len = len;

    ok = cn.len > 0
         && cn.len <= NGX_PAYGW_CHAIN_NAME_MAX
         && chain->name(chain->data, &cn);

    OPENSSL_free(utf8);

    return ok;
}


/* only a certificate that is good takes the place of another one */

static ngx_int_t
ngx_paygw_chain_add(ngx_paygw_chain_t *chain, X509 *cert, time_t now,
    ngx_paygw_chain_entry_t **entry, const char **err)
{
    int                       code;
    EVP_PKEY                 *pkey;
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_paygw_key_t           key;
    ngx_paygw_chain_entry_t  *e;

    rc = ngx_paygw_chain_verify(chain, cert, now, &key, &code);

    if (rc == NGX_DECLINED) {
        *err = ngx_paygw_chain_phrase(code);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    pkey = ngx_paygw_chain_pkey(cert);
    if (pkey == NULL) {
        *err = "certificate is not of an RSA key of 2048 to 8192 bits";
        return NGX_DECLINED;
    }

    e = &chain->entries[0];

    for (i = 1; i < NGX_PAYGW_CHAIN_KEPT; i++) {
        if (chain->entries[i].used < e->used) {
            e = &chain->entries[i];
        }
    }

    ngx_paygw_chain_drop(e);

    e->used = ++chain->used;

    e->handle.type = EVP_PKEY_RSA;
    e->handle.pkey = pkey;
    e->key.handle = &e->handle;
    e->key.pkey = pkey;
    e->key.not_before = key.not_before;
    e->key.not_after = key.not_after;

    ngx_paygw_chain_serial(e, cert);

    *entry = e;

    return NGX_OK;
}


/* a reference to its key, if that is one we use */

static EVP_PKEY *
ngx_paygw_chain_pkey(X509 *cert)
{
    int        bits;
    EVP_PKEY  *pkey;

    pkey = X509_get_pubkey(cert);
    if (pkey == NULL) {
        return NULL;
    }

    bits = EVP_PKEY_bits(pkey);

    if (EVP_PKEY_base_id(pkey) != EVP_PKEY_RSA
        || bits < NGX_PAYGW_CHAIN_MIN_BITS
        || bits > NGX_PAYGW_CHAIN_MAX_BITS)
    {
        EVP_PKEY_free(pkey);
        return NULL;
    }

    return pkey;
}


/* in decimal; one that is longer than any may be stays empty */

static void
ngx_paygw_chain_serial(ngx_paygw_chain_entry_t *e, X509 *cert)
{
    char    *serial;
    BIGNUM  *bn;

    bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    serial = (bn && BN_num_bits(bn) <= 160) ? BN_bn2dec(bn) : NULL;

    if (serial) {
        e->key.id.data = e->serial;
        e->key.id.len = ngx_cpystrn(e->serial, (u_char *) serial,
                                    sizeof(e->serial))
                        - e->serial;
    }

    OPENSSL_free(serial);
    BN_free(bn);
}


static const char *
ngx_paygw_chain_phrase(int code)
{
    const ngx_paygw_chain_error_t  *e;

    for (e = ngx_paygw_chain_errors; e->code != X509_V_OK; e++) {
        if (e->code == code) {
            break;
        }
    }

    return e->phrase;
}
