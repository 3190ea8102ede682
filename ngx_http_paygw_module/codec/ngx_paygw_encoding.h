
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_ENCODING_H_INCLUDED_
#define _NGX_PAYGW_ENCODING_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* How bytes are written as text where a configuration has the choice. */


typedef enum {
    NGX_PAYGW_ENCODING_TEXT = 0,       /* the bytes themselves */
    NGX_PAYGW_ENCODING_HEX,            /* of either case */
    NGX_PAYGW_ENCODING_BASE64,         /* as ngx_paygw_base64_decode() */
    NGX_PAYGW_ENCODING_BASE64URL       /* RFC 4648, section 5, as strict, with
                                          its padding or without */
} ngx_paygw_encoding_e;


/* by its name: text, hex, base64, base64url.  NGX_OK or NGX_DECLINED */
ngx_int_t ngx_paygw_encoding_find(ngx_str_t *name,
    ngx_paygw_encoding_e *encoding);

/*
 * The bytes that a text stands for; dst lives in pool or is src.  Returns
 * NGX_OK, NGX_ABORT if src is not of this encoding, or NGX_ERROR.
 */
ngx_int_t ngx_paygw_decode(ngx_paygw_encoding_e encoding, ngx_pool_t *pool,
    ngx_str_t *dst, ngx_str_t *src);


#endif /* _NGX_PAYGW_ENCODING_H_INCLUDED_ */
