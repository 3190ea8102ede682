
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_HEADERS_H_INCLUDED_
#define _NGX_HTTP_PAYGW_HEADERS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Drops every field of the request whose name begins with prefix, in lower
 * case; "_" in a name counts as "-", since CGI-like backends cannot tell them
 * apart.
 */
ngx_int_t ngx_http_paygw_headers_drop(ngx_http_request_t *r,
    ngx_str_t *prefix);

/* adds a field; lowcase is the name in lower case */
ngx_int_t ngx_http_paygw_headers_add(ngx_http_request_t *r, ngx_str_t *name,
    u_char *lowcase, ngx_str_t *value);


#endif /* _NGX_HTTP_PAYGW_HEADERS_H_INCLUDED_ */
