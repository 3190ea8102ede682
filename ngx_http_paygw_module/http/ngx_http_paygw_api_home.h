
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_API_HOME_H_INCLUDED_
#define _NGX_HTTP_PAYGW_API_HOME_H_INCLUDED_


#include "ngx_http_paygw_api.h"


/*
 * The home of an order: the one channel of the location where it is.  It is
 * remembered in the store before the order is sent, so that each later call of
 * the order finds it, on any machine.
 */


/*
 * The channel of the operation: that of the order's home, which a create makes.
 * NGX_OK; NGX_AGAIN: ngx_http_paygw_api_found() is called later; NGX_DECLINED
 * with order.code; NGX_ERROR.
 */
ngx_int_t ngx_http_paygw_api_home(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_conf_t **call);

/*
 * The operation is over with order.code, before it is answered: a home where
 * there is certainly no order is given up.  NGX_OK: it is answered later, or
 * another channel is asked instead, and the request is not to be touched;
 * NGX_DECLINED: it is to be answered.
 */
ngx_int_t ngx_http_paygw_api_home_leave(ngx_http_paygw_api_ctx_t *ctx);

/* a call that is about to begin ends within the deadline of the first one */
void ngx_http_paygw_api_home_hurry(ngx_http_paygw_api_ctx_t *ctx);


/*
 * ngx_http_paygw_api_pick.c: a channel of the route for the order; tried as of
 * ngx_http_paygw_route_pick().  NGX_OK; NGX_DECLINED: there is none, field is
 * what the order has that no provider of the route has, or "method"; NGX_ERROR.
 */
ngx_int_t ngx_http_paygw_api_pick(ngx_http_paygw_api_ctx_t *ctx,
    ngx_uint_t *tried, ngx_http_paygw_pass_conf_t **call, const char **field);


#endif /* _NGX_HTTP_PAYGW_API_HOME_H_INCLUDED_ */
