
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_AEAD_H_INCLUDED_
#define _NGX_PAYGW_AEAD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_PAYGW_GCM_KEY_LEN    32
#define NGX_PAYGW_GCM_NONCE_LEN  12
#define NGX_PAYGW_GCM_TAG_LEN    16


/*
 * AES-256-GCM, the tag being the last 16 bytes of in.  out lives in pool and
 * is set only when the tag is right; what OpenSSL wrote before is wiped.
 *
 * Returns NGX_OK; NGX_DECLINED if the tag is wrong; NGX_ABORT if nonce is not
 * 12 bytes or in is shorter than a tag (the lengths are checked before OpenSSL
 * sees them: named mistake D5); NGX_ERROR.
 */
ngx_int_t ngx_paygw_gcm_open(ngx_pool_t *pool, ngx_str_t *key,
    ngx_str_t *nonce, ngx_str_t *aad, ngx_str_t *in, ngx_str_t *out);


#endif /* _NGX_PAYGW_AEAD_H_INCLUDED_ */
