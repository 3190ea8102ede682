
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_KEY_H_INCLUDED_
#define _NGX_PAYGW_KEY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Keys, certificates and secrets, loaded at configuration time.  Everything
 * here lives in cf->pool and is freed, secrets wiped, with it.  An error is
 * logged by ngx_conf_log_error() in nginx's words, with the file, the fix and
 * what OpenSSL said, never with key material; the caller adds nothing.
 */


typedef struct ngx_paygw_key_handle_s  ngx_paygw_key_handle_t;

typedef struct {
    ngx_str_t                id;          /* serial or key id; may be empty */
    void                    *pkey;        /* EVP_PKEY */
    void                    *cert;        /* X509, NULL for a bare key */
    time_t                   not_before;  /* 0: no limit */
    time_t                   not_after;   /* 0: no limit */
    ngx_paygw_key_handle_t  *handle;      /* private to crypto */
} ngx_paygw_key_t;


/*
 * A private key: PEM (PKCS#8 or PKCS#1), DER, or bare base64 of DER on one or
 * more lines, as providers hand them out.  Refused: an encrypted key, RSA
 * below 2048 bits, a file that everyone can read (mode o+r).
 * path is made absolute as nginx does for configuration files.
 * Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_key_private(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_key_t *key);

/*
 * A public key: PEM SPKI, PEM "RSA PUBLIC KEY", DER or bare base64 of DER.  A
 * file that holds a private key is refused with a message that says so.
 */
ngx_int_t ngx_paygw_key_public(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_key_t *key);

/*
 * The first certificate of a PEM file: pkey, cert and its validity.  id is set
 * to the serial as WeChat Pay writes it: upper-case hexadecimal of even
 * length, a leading zero kept.  A certificate that ends within 30 days or has
 * ended is a warning.
 */
ngx_int_t ngx_paygw_key_cert(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_key_t *key);

/*
 * Alipay's certificate SN (providers/alipay 2): md5 of issuer in RFC 2253
 * order and decimal serial, 32 lower-case hexadecimal characters, of a loaded
 * certificate; and of all RSA-signed certificates of a PEM bundle, joined by
 * "_".  out lives in cf->pool.
 */
ngx_int_t ngx_paygw_cert_sn(ngx_conf_t *cf, ngx_paygw_key_t *key,
    ngx_str_t *out);
ngx_int_t ngx_paygw_cert_root_sn(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *out);

/* the serial of a loaded certificate as a decimal number, in cf->pool */
ngx_int_t ngx_paygw_cert_decimal(ngx_conf_t *cf, ngx_paygw_key_t *key,
    ngx_str_t *out);

/*
 * Checks that the first certificate of a PEM file chains, with the file's
 * other certificates as intermediates, to a root of the bundle.  If the issuer
 * of the first certificate is in neither file (Alipay hands out leaf files
 * too) the certificate is pinned as it stands: NGX_DECLINED, nothing logged.
 * A chain that is there and wrong is NGX_ERROR.  Validity in time is not
 * looked at here: ngx_paygw_key_cert() has warned of it.
 */
ngx_int_t ngx_paygw_cert_chain(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *roots);


/*
 * At run time, from bytes that came over the network or from a file that was
 * changed.  The key lives in pool and is freed with it.  Nothing is logged:
 * NGX_OK; NGX_ABORT with *err set to a constant phrase if the text is of no
 * use; NGX_ERROR if memory is short.
 *
 * ngx_paygw_key_read_cert() takes the first certificate of a PEM text, and
 * does not look at the time; id is the serial as above.
 */
ngx_int_t ngx_paygw_key_read_public(ngx_pool_t *pool, ngx_str_t *text,
    ngx_paygw_key_t *key, const char **err);
ngx_int_t ngx_paygw_key_read_cert(ngx_pool_t *pool, ngx_str_t *text,
    ngx_paygw_key_t *key, const char **err);

/* as ngx_paygw_cert_sn(), of a key with a certificate */
ngx_int_t ngx_paygw_key_sn(ngx_pool_t *pool, ngx_paygw_key_t *key,
    ngx_str_t *sn);

/*
 * What certificates are checked against at run time: the roots of a file, and
 * the certificates of other files as intermediates.  Both log as above.
 */
typedef struct ngx_paygw_trust_s  ngx_paygw_trust_t;

ngx_paygw_trust_t *ngx_paygw_trust_create(ngx_conf_t *cf, ngx_str_t *roots);
ngx_int_t ngx_paygw_trust_add(ngx_conf_t *cf, ngx_paygw_trust_t *trust,
    ngx_str_t *path);

/*
 * The first certificate of a PEM text chains to a root, with the others of the
 * text and those that were added between.  Validity in time is not looked at.
 * NGX_OK, NGX_DECLINED or NGX_ABORT with *err, or NGX_ERROR.
 */
ngx_int_t ngx_paygw_trust_check(ngx_paygw_trust_t *trust, ngx_str_t *text,
    const char **err);

/* 1 if two certificates name one organization, the same, as their owner */
ngx_uint_t ngx_paygw_key_same_owner(ngx_paygw_key_t *a, ngx_paygw_key_t *b);


/* 1 if both hold the same public key, else 0 */
ngx_uint_t ngx_paygw_key_equal(ngx_paygw_key_t *a, ngx_paygw_key_t *b);


/*
 * SOURCE of a directive: "file:PATH" (one trailing newline dropped), "env:NAME"
 * or "text:VALUE" (a warning: for tests).  what names the secret in messages.
 * A file that everyone can read and an empty secret are refused.
 * Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_secret(ngx_conf_t *cf, ngx_str_t *source,
    const char *what, ngx_str_t *secret);


#endif /* _NGX_PAYGW_KEY_H_INCLUDED_ */
