
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_CTX_H_INCLUDED_
#define _NGX_HTTP_PAYGW_CTX_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/*
 * The context of a request, also after an internal redirect; NULL if there is
 * none.  ngx_http_paygw_ctx_create() makes one for the location lcf.
 */
ngx_http_paygw_ctx_t *ngx_http_paygw_ctx_get(ngx_http_request_t *r);
ngx_http_paygw_ctx_t *ngx_http_paygw_ctx_create(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf);

/* to the location that the request has come to, before it is entered there */
void ngx_http_paygw_ctx_bind(ngx_http_paygw_ctx_t *ctx,
    ngx_http_paygw_loc_conf_t *lcf);

/*
 * Ends the claim that a context holds, if it does: commits it if the shop took
 * the event, releases it otherwise.  May be called again without effect.
 */
void ngx_http_paygw_settle(ngx_http_paygw_ctx_t *ctx, ngx_uint_t taken);

/* 1 while a location only observes */
ngx_uint_t ngx_http_paygw_observing(ngx_http_paygw_loc_conf_t *lcf);


#endif /* _NGX_HTTP_PAYGW_CTX_H_INCLUDED_ */
