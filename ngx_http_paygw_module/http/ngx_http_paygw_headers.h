
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_HEADERS_H_INCLUDED_
#define _NGX_HTTP_PAYGW_HEADERS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Drops every field of the request that has one of the names, which are in
 * lower case and end with an empty one; a name that ends with "-" is a prefix.
 * Whatever is no letter or digit counts as "-", since CGI-like backends cannot
 * tell it apart.
 */
ngx_int_t ngx_http_paygw_headers_drop(ngx_http_request_t *r,
    const ngx_str_t *names);

/*
 * The values of fields of the request by their names, which are in lower case
 * and end with an empty one.  What is absent is left as it is; bit i is set in
 * repeated, and values[i] is the first of them, if name i is there twice.
 */
void ngx_http_paygw_headers_collect(ngx_http_request_t *r,
    const ngx_str_t *names, ngx_str_t *values, ngx_uint_t *repeated);

/* adds a field, NULL if memory is short; lowcase is the name in lower case */
ngx_table_elt_t *ngx_http_paygw_headers_add(ngx_http_request_t *r,
    const ngx_str_t *name, u_char *lowcase, ngx_str_t *value);

/* the same for who has the hash of lowcase, as of ngx_hash_key(), already */
ngx_table_elt_t *ngx_http_paygw_headers_hashed(ngx_http_request_t *r,
    const ngx_str_t *name, u_char *lowcase, ngx_uint_t hash,
    ngx_str_t *value);

/* adds a field to the answer; value is not copied.  NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_paygw_headers_tell(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);


#endif /* _NGX_HTTP_PAYGW_HEADERS_H_INCLUDED_ */
