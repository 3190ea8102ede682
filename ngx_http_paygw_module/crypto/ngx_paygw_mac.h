
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_MAC_H_INCLUDED_
#define _NGX_PAYGW_MAC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Digests, and message authentication codes on them.  As in ngx_paygw_sign.h
 * contexts are kept and used again: none of these may run in a thread of a
 * pool.
 */


typedef struct ngx_paygw_hash_s  ngx_paygw_hash_t;

extern const ngx_paygw_hash_t  ngx_paygw_hash_md5;
extern const ngx_paygw_hash_t  ngx_paygw_hash_sha1;
extern const ngx_paygw_hash_t  ngx_paygw_hash_sha256;
extern const ngx_paygw_hash_t  ngx_paygw_hash_sha512;
extern const ngx_paygw_hash_t  ngx_paygw_hash_sm3;


#define NGX_PAYGW_HASH_MAX    64     /* bytes of the longest */
#define NGX_PAYGW_SHA256_LEN  32


/* by its name in the configuration ("sha256"); NULL if there is none */
const ngx_paygw_hash_t *ngx_paygw_hash_find(ngx_str_t *name);


/*
 * The digest of the concatenation of n parts; out holds NGX_PAYGW_HASH_MAX
 * bytes, *len is set.  Returns NGX_OK or NGX_ERROR (logged; an algorithm that
 * this OpenSSL does not offer is one).
 */
ngx_int_t ngx_paygw_hash(const ngx_paygw_hash_t *hash, ngx_str_t *parts,
    ngx_uint_t n, u_char *out, size_t *len, ngx_log_t *log);

/* SHA-256 alone; out holds 32 bytes, nothing is logged */
ngx_int_t ngx_paygw_sha256(ngx_str_t *parts, ngx_uint_t n, u_char *out);

/*
 * SHA-256 of what comes bit by bit.  ngx_paygw_sha256_new() makes a context
 * that lives in pool, for one text; NULL if it cannot.  Both others return
 * NGX_OK or NGX_ERROR, nothing is logged; out holds 32 bytes.
 */
typedef struct ngx_paygw_sha256_s  ngx_paygw_sha256_t;

ngx_paygw_sha256_t *ngx_paygw_sha256_new(ngx_pool_t *pool);
ngx_int_t ngx_paygw_sha256_update(ngx_paygw_sha256_t *sha, u_char *p,
    size_t len);
ngx_int_t ngx_paygw_sha256_final(ngx_paygw_sha256_t *sha, u_char *out);

/*
 * The same for any of them; out of ngx_paygw_digest_final() holds
 * NGX_PAYGW_HASH_MAX bytes, *len is set.
 */
typedef struct ngx_paygw_digest_s  ngx_paygw_digest_t;

ngx_paygw_digest_t *ngx_paygw_digest_new(ngx_pool_t *pool,
    const ngx_paygw_hash_t *hash);
ngx_int_t ngx_paygw_digest_update(ngx_paygw_digest_t *d, u_char *p,
    size_t len);
ngx_int_t ngx_paygw_digest_final(ngx_paygw_digest_t *d, u_char *out,
    size_t *len);

/* HMAC (RFC 2104) under a key; an empty key is NGX_ERROR (logged) */
ngx_int_t ngx_paygw_hmac(const ngx_paygw_hash_t *hash, ngx_str_t *key,
    ngx_str_t *parts, ngx_uint_t n, u_char *out, size_t *len,
    ngx_log_t *log);

/*
 * The same for SHA-256 with a key that is used often: what HMAC makes of the
 * key is made once, and a code costs two digests and no object of OpenSSL.  At
 * most NGX_PAYGW_HMAC_PARTS parts; out holds 32 bytes, nothing is logged.
 */
#define NGX_PAYGW_HMAC_PARTS  14

typedef struct {
    u_char                   inner[64];
    u_char                   outer[64];
} ngx_paygw_hmac_key_t;

ngx_int_t ngx_paygw_hmac_key(ngx_paygw_hmac_key_t *hmac, ngx_str_t *key);
ngx_int_t ngx_paygw_hmac_sha256(ngx_paygw_hmac_key_t *hmac, ngx_str_t *parts,
    ngx_uint_t n, u_char *out);

/*
 * 1 if both are the same bytes, else 0, in a time that depends on the lengths
 * alone.  Every comparison of a secret or of a code made with one is this.
 */
ngx_uint_t ngx_paygw_equal(const ngx_str_t *a, const ngx_str_t *b);


#endif /* _NGX_PAYGW_MAC_H_INCLUDED_ */
