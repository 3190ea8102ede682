
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_BODY_H_INCLUDED_
#define _NGX_HTTP_PAYGW_BODY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * The whole body of a request in one piece, wherever nginx has put it: one
 * buffer (then no byte is copied), several, or a temporary file.  Returns
 * NGX_OK, NGX_DECLINED if it is longer than max, NGX_ERROR.
 */
ngx_int_t ngx_http_paygw_body_get(ngx_http_request_t *r, size_t max,
    ngx_str_t *body);

/*
 * How long the body is.  *text is the body if it is in one piece in memory,
 * else empty.
 */
off_t ngx_http_paygw_body_look(ngx_http_request_t *r, ngx_str_t *text);

/*
 * Puts another body in place of the one that was read, for any content handler
 * that follows, with its length and type.  body must live in r->pool.
 */
ngx_int_t ngx_http_paygw_body_set(ngx_http_request_t *r, ngx_str_t *body,
    ngx_str_t *type);

/* a body as an upstream reads it, of one buffer in pool; NULL: memory */
ngx_chain_t *ngx_http_paygw_body_chain(ngx_pool_t *pool, ngx_str_t *body);


#endif /* _NGX_HTTP_PAYGW_BODY_H_INCLUDED_ */
