
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_ECB_H_INCLUDED_
#define _NGX_PAYGW_ECB_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_PAYGW_ECB_KEY_LEN    32
#define NGX_PAYGW_ECB_BLOCK_LEN  16


/*
 * AES-256-ECB, for the one message that still uses it.  ECB proves nothing:
 * whoever has messages of a key can put their blocks together anew.
 *
 * PKCS#7 padding is taken off where it is right and left where it is not (some
 * leave it out), so that a wrong key, a wrong padding and a changed block all
 * look the same here: the caller finds that the text makes no sense.  out lives
 * in pool.
 *
 * Returns NGX_OK; NGX_ABORT if in is empty or not a number of whole blocks;
 * NGX_ERROR.
 */
ngx_int_t ngx_paygw_ecb_open(ngx_pool_t *pool, ngx_str_t *key, ngx_str_t *in,
    ngx_str_t *out);


#endif /* _NGX_PAYGW_ECB_H_INCLUDED_ */
