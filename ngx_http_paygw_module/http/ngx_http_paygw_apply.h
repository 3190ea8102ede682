
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_APPLY_H_INCLUDED_
#define _NGX_HTTP_PAYGW_APPLY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Directives of other modules, set by us: what nginx's own reader of the
 * configuration does with a line, in a context that no file has.
 */


/*
 * Sets a directive in ctx, which is of this type (NGX_HTTP_LOC_CONF, ...).
 * line[0] is its name.  Messages have the file and the line that is read now.
 * NGX_OK; NGX_DECLINED if this nginx has no such directive; NGX_ERROR (logged).
 */
ngx_int_t ngx_http_paygw_apply(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx,
    ngx_uint_t type, ngx_str_t *line, ngx_uint_t n);

/* the same of words, ended by NULL */
ngx_int_t ngx_http_paygw_apply_words(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx,
    ngx_uint_t type, const char **words);

/*
 * Where the value of a directive of locations stands in ctx, if the setter of
 * the directive is one of nginx's "slots": a thing of the type that this slot
 * fills.  With "proxy_pass" it is the first field of the proxy module's
 * configuration.  NULL: this nginx has no such directive.
 */
void *ngx_http_paygw_apply_field(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx,
    const char *name);


/*
 * A context as "server" (NULL: none around it), "location" and "upstream" make
 * one, empty but for what the modules create: with or without a srv_conf of
 * its own.  NULL: memory.
 */
ngx_http_conf_ctx_t *ngx_http_paygw_apply_ctx(ngx_conf_t *cf,
    ngx_http_conf_ctx_t *around, ngx_uint_t server);


#endif /* _NGX_HTTP_PAYGW_APPLY_H_INCLUDED_ */
