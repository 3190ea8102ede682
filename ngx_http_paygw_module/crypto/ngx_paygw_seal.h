
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_SEAL_H_INCLUDED_
#define _NGX_PAYGW_SEAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_key.h"


/*
 * What providers encrypt single values with.  None of it proves who has made a
 * text: it is for what goes along with a signature.  out lives in pool; nothing
 * is logged.
 */


typedef enum {
    NGX_PAYGW_SEAL_OAEP = 0,       /* SHA-1, MGF1 with SHA-1, no label */
    NGX_PAYGW_SEAL_PKCS1           /* v1.5 */
} ngx_paygw_seal_e;


/*
 * RSA under a public key, or under that of a certificate: NGX_OK; NGX_DECLINED
 * if the text is too long for the key or the key is none of RSA; NGX_ERROR.
 */
ngx_int_t ngx_paygw_seal(ngx_pool_t *pool, ngx_paygw_key_t *key,
    ngx_paygw_seal_e padding, ngx_str_t *in, ngx_str_t *out);

/*
 * The other way, with a private key: NGX_OK; NGX_DECLINED if it does not open;
 * NGX_ERROR.  With PKCS1 newer OpenSSL makes random bytes of what does not
 * open: the caller finds that they make no sense.
 */
ngx_int_t ngx_paygw_unseal(ngx_pool_t *pool, ngx_paygw_key_t *key,
    ngx_paygw_seal_e padding, ngx_str_t *in, ngx_str_t *out);


/*
 * A PIN block of ANSI X9.8 (ISO 9564, format 0) before it is encrypted: the pin
 * and the number of its card, pan.  NGX_OK; NGX_DECLINED if the pin is not 4 to
 * 12 digits; NGX_ABORT if the number is not 13 to 19.
 */
#define NGX_PAYGW_PIN_LEN  8

ngx_int_t ngx_paygw_pin_block(ngx_str_t *pin, ngx_str_t *pan, u_char *block);


/*
 * AES-128-CBC with an IV of zeros and PKCS#7, as Alipay has it: NGX_OK;
 * NGX_DECLINED if it does not open; NGX_ERROR.
 */
#define NGX_PAYGW_CBC_KEY_LEN  16

ngx_int_t ngx_paygw_cbc_seal(ngx_pool_t *pool, ngx_str_t *key, ngx_str_t *in,
    ngx_str_t *out);
ngx_int_t ngx_paygw_cbc_open(ngx_pool_t *pool, ngx_str_t *key, ngx_str_t *in,
    ngx_str_t *out);


#endif /* _NGX_PAYGW_SEAL_H_INCLUDED_ */
