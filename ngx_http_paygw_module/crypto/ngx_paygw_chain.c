
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"
#include "ngx_paygw_chain.h"


/* certificates that are kept; a provider has one, and two while it changes */
#define NGX_PAYGW_CHAIN_KEPT      8

/* bytes of a certificate: those of RSA 4096 are below 3000 */
#define NGX_PAYGW_CHAIN_DER_MAX   8192

#define NGX_PAYGW_CHAIN_NAME_MAX  256
#define NGX_PAYGW_CHAIN_MIN_BITS  2048
#define NGX_PAYGW_CHAIN_MAX_BITS  8192

/* certificates between the one of a message and a root */
#define NGX_PAYGW_CHAIN_DEPTH     4


typedef struct {
    ngx_uint_t               used;       /* of the chain; 0: free */
    u_char                   digest[NGX_PAYGW_SHA256_LEN];
    ngx_paygw_key_t          key;
    ngx_paygw_key_handle_t   handle;
    u_char                   serial[64];
} ngx_paygw_chain_entry_t;


struct ngx_paygw_chain_s {
    X509_STORE               *store;
    STACK_OF(X509)           *middles;
    ngx_paygw_chain_name_pt   name;
    void                     *data;
    ngx_uint_t                used;      /* grows with every use */
    ngx_paygw_chain_entry_t   entries[NGX_PAYGW_CHAIN_KEPT];
};


/* a phrase for what OpenSSL found, the last one for all else */

typedef struct {
    int                      code;
    const char              *phrase;
} ngx_paygw_chain_error_t;


static void ngx_paygw_chain_cleanup(void *data);
static void ngx_paygw_chain_drop(ngx_paygw_chain_entry_t *e);
static ngx_int_t ngx_paygw_chain_load(ngx_conf_t *cf,
    ngx_paygw_chain_t *chain, ngx_str_t *path, ngx_uint_t root);
static ngx_int_t ngx_paygw_chain_ca(ngx_conf_t *cf, ngx_str_t *path,
    X509 *cert, ngx_uint_t root);

static ngx_paygw_chain_entry_t *ngx_paygw_chain_find(
    ngx_paygw_chain_t *chain, u_char *digest, time_t now);
static X509 *ngx_paygw_chain_parse(ngx_str_t *der);
static ngx_int_t ngx_paygw_chain_leaf(ngx_paygw_chain_t *chain, X509 *cert,
    const char **err);
static ngx_uint_t ngx_paygw_chain_name(ngx_paygw_chain_t *chain, X509 *cert);
static ngx_int_t ngx_paygw_chain_verify(ngx_paygw_chain_t *chain, X509 *cert,
    time_t now, ngx_paygw_key_t *key, int *code);
static void ngx_paygw_chain_bounds(STACK_OF(X509) *certs,
    ngx_paygw_key_t *key);
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


static void
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

        if (ngx_paygw_chain_ca(cf, path, cert, root) != NGX_OK) {
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

    return ngx_paygw_cert_validity(cf, path, cert, NULL);
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
    int              i, len;
    u_char          *utf8;
    ngx_str_t        cn;
    ngx_uint_t       ok;
    X509_NAME       *subject;
    X509_NAME_ENTRY *entry;

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


/*
 * At a time, with the bounds of the whole chain set in key; or, for the
 * pre-flight, at any time with key NULL.  NGX_DECLINED: *code says why.
 */

static ngx_int_t
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

    if (rc != NGX_OK) {
        *err = ngx_paygw_chain_phrase(code);
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
