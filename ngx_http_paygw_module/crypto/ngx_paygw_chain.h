
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_CHAIN_H_INCLUDED_
#define _NGX_PAYGW_CHAIN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_key.h"


/*
 * Certificates that come along in messages.  Such a certificate is worth
 * nothing by itself: it must be issued, through the configured intermediates
 * only, by a configured root, be valid now, be no CA, and bear a name that the
 * caller wants.  Nothing is fetched, from the network or from the system.
 *
 * SHA-1 signatures of a CA are accepted: there are providers whose own chain
 * has them.
 */


typedef struct ngx_paygw_chain_s  ngx_paygw_chain_t;


/* 1 if a certificate with this common name (UTF-8, not empty) is wanted */
typedef ngx_uint_t (*ngx_paygw_chain_name_pt)(void *data, ngx_str_t *cn);


/* lives in cf->pool; NULL if memory is short or OpenSSL fails (logged) */
ngx_paygw_chain_t *ngx_paygw_chain_create(ngx_conf_t *cf,
    ngx_paygw_chain_name_pt name, void *data);

/*
 * Adds all certificates of a PEM file, as roots or as intermediates.  Refused:
 * what is no CA, a root that was not issued by itself, and an intermediate that
 * was.  A certificate that ends within 30 days or has ended is a warning.
 * NGX_OK or NGX_ERROR (logged).
 */
ngx_int_t ngx_paygw_chain_root(ngx_conf_t *cf, ngx_paygw_chain_t *chain,
    ngx_str_t *path);
ngx_int_t ngx_paygw_chain_middle(ngx_conf_t *cf, ngx_paygw_chain_t *chain,
    ngx_str_t *path);

/*
 * All of them, as ngx_paygw_key_t *, with id (the serial in hexadecimal) and
 * validity alone.
 */
ngx_array_t *ngx_paygw_chain_ends(ngx_paygw_chain_t *chain);

/*
 * The pre-flight, after the last of them: each intermediate leads to a root,
 * whatever the time.  NGX_OK or NGX_ERROR (logged).
 */
ngx_int_t ngx_paygw_chain_check(ngx_conf_t *cf, ngx_paygw_chain_t *chain);

/*
 * The key of a certificate in DER, if the certificate is good at a time.  The
 * key is RSA of 2048 to 8192 bits, its id is the serial in decimal, and it is
 * valid until the next call with the same chain: a few good certificates are
 * kept, known by the SHA-256 of their bytes, for as long as they and their
 * issuers are valid.  Only good ones are, so that nobody can fill the memory,
 * or have one certificate taken for another.
 *
 * Returns NGX_OK; NGX_DECLINED if the certificate is not to be trusted, and
 * NGX_ABORT if it is none, both with *err set to a constant phrase; NGX_ERROR
 * (logged).  Leaves OpenSSL's error queue empty.
 */
ngx_int_t ngx_paygw_chain_key(ngx_paygw_chain_t *chain, ngx_str_t *der,
    time_t now, ngx_paygw_key_t **key, const char **err, ngx_log_t *log);


#endif /* _NGX_PAYGW_CHAIN_H_INCLUDED_ */
