
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_FETCH_H_INCLUDED_
#define _NGX_HTTP_PAYGW_FETCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include "ngx_paygw_response.h"
#include "ngx_paygw_tls.h"


/*
 * A client of HTTP/1.1 for work without a request: one exchange, one
 * connection, everything limited in size and in time.
 */


#define NGX_HTTP_PAYGW_HOSTS          4
#define NGX_HTTP_PAYGW_FETCH_TIMEOUT  5000    /* of each host */

/* all of a fetch from n hosts, with a margin: how long a lease must be */
#define ngx_http_paygw_fetch_lease(n)                                         \
    (2 * (n) * NGX_HTTP_PAYGW_FETCH_TIMEOUT + 2000)


typedef struct {
    ngx_str_t                    url;
    ngx_str_t                    host;      /* as in the Host field */
    ngx_str_t                    name;      /* without the port */
    ngx_str_t                    uri;       /* may be empty */
    in_port_t                    port;
    ngx_uint_t                   no_port;   /* none was given; unsigned:1 */
    ngx_paygw_tls_t              tls;       /* tls.ssl is NULL without TLS */
    ngx_uint_t                   https;
    ngx_addr_t                  *addrs;     /* when the configuration was
                                               read */
    ngx_uint_t                   naddrs;
    ngx_resolver_t              *resolver;  /* NULL: those addresses */
} ngx_http_paygw_host_t;


typedef struct ngx_http_paygw_fetch_s  ngx_http_paygw_fetch_t;

struct ngx_http_paygw_fetch_s {

    /* set by the caller, in the pool of which all of it lives */
    ngx_pool_t                  *pool;
    ngx_http_paygw_host_t       *hosts;
    ngx_uint_t                   nhosts;
    ngx_str_t                    method;
    ngx_str_t                    target;
    ngx_str_t                    headers;   /* lines, each ended by CRLF */
    ngx_str_t                    body;
    void                       (*handler)(ngx_http_paygw_fetch_t *f);
    void                        *data;
    ngx_str_t                    what;      /* for the log: the channel */

    /* for the handler */
    ngx_int_t                    rc;        /* NGX_OK; NGX_ERROR (logged);
                                               NGX_ABORT: the worker is told
                                               to end */
    ngx_paygw_response_t         response;
    ngx_log_t                    log;

    /* private */
    ngx_uint_t                   host;
    ngx_uint_t                   addr;
    ngx_addr_t                  *addrs;
    ngx_uint_t                   naddrs;
    ngx_resolver_ctx_t          *resolving;
    ngx_peer_connection_t        peer;
    ngx_event_t                  timer;
    ngx_connection_t             fake;      /* timer.data */
    ngx_str_t                    out;       /* not sent yet */
    u_char                      *buf;
    u_char                      *last;
};


/*
 * Begins.  The handler is called once, perhaps from within this call; f and
 * its pool are the caller's again then.
 */
void ngx_http_paygw_fetch(ngx_http_paygw_fetch_t *f);

/* ends it without calling the handler */
void ngx_http_paygw_fetch_cancel(ngx_http_paygw_fetch_t *f);


/*
 * Between the two files of the client.  Each of these may be the end of f, so
 * nothing is done after it.
 */

/* ngx_http_paygw_fetch.c */

void ngx_http_paygw_fetch_connect(ngx_http_paygw_fetch_t *f);
void ngx_http_paygw_fetch_connected(ngx_http_paygw_fetch_t *f);
void ngx_http_paygw_fetch_failed(ngx_http_paygw_fetch_t *f, ngx_err_t err,
    const char *why);
void ngx_http_paygw_fetch_end(ngx_http_paygw_fetch_t *f, ngx_int_t rc);
void ngx_http_paygw_fetch_close_socket(ngx_http_paygw_fetch_t *f);

/* ngx_http_paygw_fetch_io.c */

void ngx_http_paygw_fetch_send(ngx_http_paygw_fetch_t *f);
void ngx_http_paygw_fetch_write_handler(ngx_event_t *wev);


#endif /* _NGX_HTTP_PAYGW_FETCH_H_INCLUDED_ */
