
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_IDEM_H_INCLUDED_
#define _NGX_PAYGW_IDEM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_call.h"


#define NGX_PAYGW_IDEM_KEY_MAX  255


/*
 * The text of a key: a string in quotes, as the draft of the field has it, or
 * the bare text; both of the same text are one key.  Visible ASCII, at most
 * NGX_PAYGW_IDEM_KEY_MAX bytes; a bare one has neither quotes, in which one
 * could hide, nor commas, by which proxies join two fields.  Without a reason
 * to change it nothing is copied.  NGX_OK, NGX_ABORT, or NGX_ERROR.
 */
ngx_int_t ngx_paygw_idem_key(ngx_pool_t *pool, ngx_str_t *field,
    ngx_str_t *key);

/* 1 if a method changes nothing, so that it may be repeated as it is */
ngx_uint_t ngx_paygw_idem_safe(ngx_str_t *method);

/*
 * Of a call whose signature is right, and a key: what it is kept by, MERCHANT
 * ":" and the digest of method, path and key, in the call's pool; and what all
 * calls under it have in common, 32 bytes: a digest of method, target and body,
 * or with params of method, path and all parameters but those that a new
 * signature changes.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_idem_id(ngx_paygw_call_t *call, ngx_str_t *key,
    ngx_str_t *id, u_char *fingerprint);

/*
 * 1 if an answer with this status is the end of it: repeated it would be the
 * same.  A failure of the server is not, nor what depends on anything but the
 * call itself.
 */
ngx_uint_t ngx_paygw_idem_final(ngx_uint_t status);

/* 1 if a field of an answer is of the operation, and not of one exchange */
ngx_uint_t ngx_paygw_idem_lasting(ngx_str_t *name);


#endif /* _NGX_PAYGW_IDEM_H_INCLUDED_ */
