
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

#include "ngx_paygw_chain.h"
#include "ngx_paygw_key.h"
#include "ngx_paygw_later.h"
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


/* certificates that are kept; a provider has one, and two while it changes */
#define NGX_PAYGW_CHAIN_KEPT  8

/* one that was found good; its key and handle point to each other */
typedef struct {
    ngx_uint_t                 used;        /* of the chain; 0: free */
    u_char                     digest[NGX_PAYGW_SHA256_LEN];
    ngx_paygw_key_t            key;
    ngx_paygw_key_handle_t     handle;
    u_char                     serial[64];  /* what the id of key points to */
} ngx_paygw_chain_entry_t;

struct ngx_paygw_chain_s {
    X509_STORE                *store;
    STACK_OF(X509)            *middles;
    ngx_array_t               *ends;        /* ngx_paygw_key_t *, of both */
    ngx_paygw_chain_name_pt    name;
    void                      *data;
    ngx_uint_t                 used;        /* grows with every use */
    ngx_paygw_chain_entry_t    entries[NGX_PAYGW_CHAIN_KEPT];
};


/*
 * Looks for a way to a root: at a time, with the bounds of all certificates of
 * it set in key; or, for the pre-flight, at any time with key NULL.  Returns
 * NGX_OK; NGX_DECLINED, *code says why; NGX_ERROR.
 */
ngx_int_t ngx_paygw_chain_verify(ngx_paygw_chain_t *chain, X509 *cert,
    time_t now, ngx_paygw_key_t *key, int *code);

/* frees what an entry holds, which is free then */
void ngx_paygw_chain_drop(ngx_paygw_chain_entry_t *e);


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

/* Unix seconds, NGX_ERROR if it cannot be read; -1 is no time of a key */
time_t ngx_paygw_cert_time(const ASN1_TIME *at);

/*
 * The validity of a certificate, into key unless that is NULL; warns if it
 * ends soon or is over.  NGX_OK or NGX_ERROR (logged).
 */
ngx_int_t ngx_paygw_cert_validity(ngx_conf_t *cf, ngx_str_t *path, X509 *cert,
    ngx_paygw_key_t *key);

/*
 * All certificates of a PEM file in its order, at least one, for
 * sk_X509_pop_free(); NULL: logged.
 */
STACK_OF(X509) *ngx_paygw_cert_stack(ngx_conf_t *cf, ngx_str_t *path);

/* an empty handle that the pool frees, also set as key->handle */
ngx_paygw_key_handle_t *ngx_paygw_key_handle(ngx_pool_t *pool,
    ngx_paygw_key_t *key);

/*
 * Gives pkey to the key, whose handle is there; notes type and curve, refuses
 * weak keys.  NGX_OK or NGX_ERROR (logged).
 */
ngx_int_t ngx_paygw_key_set(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_key_t *key, EVP_PKEY *pkey);

/* the same at run time: NGX_OK, or NGX_ABORT and *err */
ngx_int_t ngx_paygw_key_take(ngx_paygw_key_t *key, EVP_PKEY *pkey,
    const char **err);

/* the serial as WeChat Pay writes it, in pool: NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_cert_serial(ngx_pool_t *pool, X509 *cert, ngx_str_t *id);

/* what OpenSSL asks for the password of a block: there is none */
int ngx_paygw_cert_password(char *buf, int size, int rwflag, void *data);

/* md5 of the issuer and the decimal serial, 32 characters */
ngx_int_t ngx_paygw_cert_sn_hex(X509 *cert, u_char *hex);

/*
 * The first of certs chains, with the others as intermediates, to one of the
 * roots; time is not looked at.  NGX_OK, or NGX_DECLINED and *err.
 */
ngx_int_t ngx_paygw_cert_verify(STACK_OF(X509) *certs, STACK_OF(X509) *roots,
    const char **err);


/* how a signature is written */

typedef enum {
    NGX_PAYGW_SIGN_PLAIN = 0,    /* as long as the key says */
    NGX_PAYGW_SIGN_DER,          /* r and s */
    NGX_PAYGW_SIGN_RAW           /* r and s, while OpenSSL speaks DER */
} ngx_paygw_sign_form_e;


struct ngx_paygw_scheme_s {
    ngx_str_t                name;
    const char              *title;      /* in messages */
    const char              *needs;      /* the kind of key, the same */
    int                      type;       /* of the key */
    int                      curve;
    int                      padding;    /* of RSA */
    ngx_uint_t               form;       /* ngx_paygw_sign_form_e */
    const ngx_paygw_hash_t  *hash;
    const char              *id;         /* of the signer, for SM2 */
    ngx_uint_t               whole;      /* OpenSSL needs the message itself,
                                            and not its digest */
};


/* makes a context of a key ready for a use: NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_scheme_init(const ngx_paygw_scheme_t *scheme,
    EVP_PKEY_CTX *ctx, ngx_uint_t use);

/*
 * What ngx_paygw_later.h says of a signature over a digest.  NGX_OK: it was
 * made, and is put where sig points, which has room for it; NGX_AGAIN: there is
 * a job; NGX_DECLINED: it is to be made now.
 */
ngx_int_t ngx_paygw_later_sign(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *key, u_char *md, size_t len, ngx_str_t *sig,
    ngx_log_t *log);


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
