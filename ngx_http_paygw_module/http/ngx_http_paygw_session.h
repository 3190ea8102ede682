
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_SESSION_H_INCLUDED_
#define _NGX_HTTP_PAYGW_SESSION_H_INCLUDED_


#include "ngx_http_paygw_exchange.h"


/*
 * TLS sessions of hosts whose names are looked up for each call: nginx keeps
 * one an address, and forgets addresses that come from its resolver.  Here a
 * worker keeps the last one of the host.  A session holds the certificate that
 * it began with and what was found wrong with it, so that a use of it is no way
 * around a look at the certificate or its name.
 */


/* at configuration: what a worker keeps is freed with cf->pool */
ngx_int_t ngx_http_paygw_session_init(ngx_conf_t *cf,
    ngx_http_paygw_remote_t *remote);

/* after the peer of r's upstream is set; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_paygw_session_peer(ngx_http_request_t *r,
    ngx_http_paygw_remote_t *remote);


#endif /* _NGX_HTTP_PAYGW_SESSION_H_INCLUDED_ */
