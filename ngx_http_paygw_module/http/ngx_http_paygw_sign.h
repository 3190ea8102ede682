
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_SIGN_H_INCLUDED_
#define _NGX_HTTP_PAYGW_SIGN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * The signature of a hand-over, by which a shop that is reached from elsewhere
 * too knows what came through its gateway:
 *
 *     X-Paygw-Timestamp: 1700000000
 *     X-Paygw-Signed: x-paygw-timestamp x-paygw-event-id ...
 *     X-Paygw-Signature: v1=<HMAC-SHA-256 in hexadecimal>[,v1=...]
 *
 * One signature for each key, over the value of X-Paygw-Signed, the value of
 * each field that it names (empty, if there is no such field), each of them
 * ended by LF, and then the body.  It names every field of ours, those that
 * are not there too: none can be changed, taken away or added.
 */


/*
 * "sign=SOURCE" of "paygw_deliver": the key joins *keys (ngx_str_t), which is
 * made if it is NULL.  Too short a key is refused, and one that is there.
 */
char *ngx_http_paygw_sign_key(ngx_conf_t *cf, ngx_array_t **keys,
    ngx_str_t *source);

/*
 * Adds the three fields.  signed_fields (ngx_keyval_t) are the names in lower
 * case and the values of all others.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_paygw_sign(ngx_http_request_t *r, ngx_array_t *keys,
    ngx_array_t *signed_fields, ngx_str_t *body);


#endif /* _NGX_HTTP_PAYGW_SIGN_H_INCLUDED_ */
