
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_SIGN_H_INCLUDED_
#define _NGX_PAYGW_SIGN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_key.h"


/*
 * A signature scheme: one row of a table, one code for all rows.
 *
 * Digests and keys keep contexts that are made ready once and used again for
 * every message, as a worker has one thread.  None of these functions may be
 * called from a thread of a pool.
 */
typedef struct ngx_paygw_scheme_s  ngx_paygw_scheme_t;

extern const ngx_paygw_scheme_t  ngx_paygw_rsa_sha256;   /* PKCS#1 v1.5 */
extern const ngx_paygw_scheme_t  ngx_paygw_rsa_sha1;     /* PKCS#1 v1.5 */
extern const ngx_paygw_scheme_t  ngx_paygw_rsa_sha512;   /* PKCS#1 v1.5 */
extern const ngx_paygw_scheme_t  ngx_paygw_rsa_pss_sha256;
                                       /* MGF1 the same, salt of 32 bytes */
extern const ngx_paygw_scheme_t  ngx_paygw_ecdsa_p256;   /* SHA-256, DER */
extern const ngx_paygw_scheme_t  ngx_paygw_ecdsa_p256_raw;
                                       /* the same, r and s as 64 bytes */
extern const ngx_paygw_scheme_t  ngx_paygw_ed25519;
extern const ngx_paygw_scheme_t  ngx_paygw_sm2_sm3;      /* id of the standard,
                                                            DER */


/*
 * By its name in the configuration: rsa_sha1, rsa_sha256, rsa_sha512,
 * rsa_pss_sha256, ecdsa_p256, ecdsa_p256_raw, ed25519, sm2_sm3.  NULL if there
 * is none.
 */
const ngx_paygw_scheme_t *ngx_paygw_scheme_find(ngx_str_t *name);

/* which kind of key it takes, for messages: "an RSA key is needed" */
const char *ngx_paygw_scheme_needs(const ngx_paygw_scheme_t *scheme);

/*
 * The scheme that goes without saying for a key: rsa_sha256, ecdsa_p256 or
 * ed25519, and how long its longest signature is; NULL for any other key.
 */
const ngx_paygw_scheme_t *ngx_paygw_scheme_of(ngx_paygw_key_t *key,
    size_t *len);

/*
 * Verifies sig (raw bytes) over the concatenation of n parts.  Returns NGX_OK;
 * NGX_DECLINED if the signature is not of this key, whatever its bytes are;
 * NGX_ERROR if OpenSSL could not work or the key is of another type or curve
 * than the scheme (logged).  Leaves OpenSSL's error queue empty.
 */
ngx_int_t ngx_paygw_verify(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *key, ngx_str_t *parts, ngx_uint_t n, ngx_str_t *sig,
    ngx_log_t *log);

/*
 * Signs into pool (raw bytes).  Returns NGX_OK or NGX_ERROR (logged, unless it
 * is made later: ngx_paygw_later.h).
 */
ngx_int_t ngx_paygw_sign(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *key, ngx_str_t *parts, ngx_uint_t n, ngx_str_t *sig,
    ngx_pool_t *pool, ngx_log_t *log);

/*
 * The pre-flight of a key pair: signs with priv and verifies with pub (NULL:
 * the public half of priv).  Returns NGX_OK, NGX_DECLINED if they are no
 * pair, or NGX_ERROR (logged).
 */
ngx_int_t ngx_paygw_sign_round(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *priv, ngx_paygw_key_t *pub, ngx_pool_t *pool,
    ngx_log_t *log);

/*
 * The pre-flight of a public key alone: a made-up signature must be refused as
 * a wrong signature, which shows that the key works with the scheme.  Returns
 * NGX_OK or NGX_ERROR (logged).
 */
ngx_int_t ngx_paygw_verify_probe(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *pub, ngx_log_t *log);

/* random bytes of OpenSSL, or of a tape; NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_random(u_char *p, size_t len);


#endif /* _NGX_PAYGW_SIGN_H_INCLUDED_ */
