
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_TOKEN_H_INCLUDED_
#define _NGX_PAYGW_TOKEN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_mac.h"


/*
 * The token of a URL that tells of one order:
 *
 *   KEY.UNTIL.MAC
 *
 * MAC is HMAC-SHA256 of "paygw-events", the scope, the id of the order and
 * UNTIL, each but the last with a line feed behind it, under the secret of KEY,
 * in base64url.  Neither a scope nor an id has a line feed.  UNTIL is in Unix
 * seconds.
 */


typedef struct {
    ngx_str_t                    id;
    ngx_str_t                    secret;
    ngx_paygw_hmac_key_t         hmac;
} ngx_paygw_token_key_t;


/* one for this order, which is made of the first key: NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_token_make(ngx_pool_t *pool, ngx_array_t *keys,
    ngx_str_t *scope, ngx_str_t *id, time_t until, ngx_str_t *token);

/*
 * One that has come with a request: NGX_OK, it is of this order, and good until
 * that time; NGX_ABORT, it is none of ours, or not good any more.
 */
ngx_int_t ngx_paygw_token_check(ngx_array_t *keys, ngx_str_t *scope,
    ngx_str_t *id, ngx_str_t *token, time_t now, time_t *until);


#endif /* _NGX_PAYGW_TOKEN_H_INCLUDED_ */
