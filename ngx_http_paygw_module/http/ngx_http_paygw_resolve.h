
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_RESOLVE_H_INCLUDED_
#define _NGX_HTTP_PAYGW_RESOLVE_H_INCLUDED_


#include "ngx_http_paygw_exchange.h"


/*
 * The addresses of a host.  With a "resolver" in http{} its name is looked up
 * for each call, and nginx's resolver knows for how long an answer is good;
 * else it was looked up when the configuration was read.
 */


/* init_upstream of a host's upstream, whose peer.data is its remote */
ngx_int_t ngx_http_paygw_resolve_init(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us);

/*
 * Looks a name up, and goes on with begin(), or ends sr: nothing may be done
 * with it after this.
 */
void ngx_http_paygw_resolve(ngx_http_request_t *sr, ngx_http_paygw_try_t *t,
    void (*begin)(ngx_http_request_t *sr));

/* does not wait any more, legal at any time; 1 if it did */
ngx_uint_t ngx_http_paygw_resolve_cancel(ngx_http_paygw_try_t *t);

/*
 * Errors of a host that is not of this machine and has no TLS, and of one
 * that is not found: NGX_ERROR
 */
ngx_int_t ngx_http_paygw_resolve_plain(ngx_conf_t *cf,
    ngx_http_paygw_host_t *host, ngx_http_paygw_keyring_t *kr);
ngx_int_t ngx_http_paygw_resolve_lost(ngx_conf_t *cf,
    ngx_http_paygw_host_t *host, ngx_http_paygw_keyring_t *kr,
    const char *err);


#endif /* _NGX_HTTP_PAYGW_RESOLVE_H_INCLUDED_ */
