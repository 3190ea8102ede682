
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_CRYPTO_H_INCLUDED_
#define _NGX_PAYGW_CRYPTO_H_INCLUDED_


/* What the files of this floor share; no other floor includes it. */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "ngx_paygw_key.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_sign.h"


#if (OPENSSL_VERSION_NUMBER < 0x30000000L)
#define EVP_PKEY_eq  EVP_PKEY_cmp
#else
/* a key on the curve of SM2 is one of SM2 from the beginning */
#define EVP_PKEY_set_alias_type(pkey, type)  1
#endif


/* uses of a key */
#define NGX_PAYGW_KEY_VERIFY  0
#define NGX_PAYGW_KEY_SIGN    1


/*
 * What OpenSSL holds for one ngx_paygw_key_t, whose copies share it; freed by
 * a cleanup of the pool.  The contexts are made ready at the first use and
 * kept: that is what saves a fetch of the algorithm for every signature.
 */
struct ngx_paygw_key_handle_s {
    EVP_PKEY                  *pkey;
    X509                      *cert;
    int                        type;        /* NID of the algorithm */
    int                        curve;       /* NID, of an EC key, else 0 */
    EVP_PKEY_CTX              *ctx[2];      /* by use */
    const ngx_paygw_scheme_t  *scheme[2];   /* that ctx[] was made for */
};


/* flags of ngx_paygw_file_read() */
#define NGX_PAYGW_FILE_SECRET  0x01   /* refused if everyone can read it */

/*
 * Reads a whole file into memory that ngx_paygw_file_wipe() must give back; a
 * byte order mark is dropped.  path is made absolute.  Logs its own messages.
 */
ngx_int_t ngx_paygw_file_read(ngx_conf_t *cf, ngx_str_t *path,
    ngx_uint_t flags, ngx_str_t *text);
void ngx_paygw_file_wipe(ngx_str_t *text);

/*
 * The root cause in OpenSSL's words, a constant string; empties the error
 * queue, or a later TLS call of the same worker would report what is in it.
 */
const char *ngx_paygw_openssl_error(void);

/* 1 if a reader of PEM failed only because the file has no more blocks */
ngx_uint_t ngx_paygw_pem_end(void);

/* an empty handle that cf->pool frees, also set as key->handle */
ngx_paygw_key_handle_t *ngx_paygw_key_handle(ngx_conf_t *cf,
    ngx_paygw_key_t *key);

/*
 * Gives pkey to the key, whose handle is there; notes type and curve, refuses
 * weak keys.  NGX_OK or NGX_ERROR (logged).
 */
ngx_int_t ngx_paygw_key_set(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_key_t *key, EVP_PKEY *pkey);


/* the algorithm in OpenSSL's words, or NULL */
const EVP_MD *ngx_paygw_hash_md(const ngx_paygw_hash_t *hash);

/* as ngx_paygw_hash(), but logs nothing and leaves OpenSSL's errors */
ngx_int_t ngx_paygw_digest(const ngx_paygw_hash_t *hash, ngx_str_t *parts,
    ngx_uint_t n, u_char *out, size_t *len);


#define NGX_PAYGW_RS_RAW  64    /* r and s of 256 bits as they are */
#define NGX_PAYGW_RS_DER  72    /* the longest SEQUENCE of both */

/*
 * r and s of a signature on a curve of 256 bits, from DER to raw: NGX_OK, or
 * NGX_DECLINED if der is anything else than the one encoding in DER.
 */
ngx_int_t ngx_paygw_rs_raw(ngx_str_t *der, u_char *raw);

/* the other way; returns the length of der */
size_t ngx_paygw_rs_der(u_char *raw, u_char *der);


#endif /* _NGX_PAYGW_CRYPTO_H_INCLUDED_ */
