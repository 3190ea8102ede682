
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_TLS_H_INCLUDED_
#define _NGX_PAYGW_TLS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/*
 * TLS of our own clients on nginx's connections: TLS 1.2 or newer, the
 * server's certificate always verified, its name too.
 */


/* the CAs of the system, as Debian has them */
#define NGX_PAYGW_TLS_CA_BUNDLE  "/etc/ssl/certs/ca-certificates.crt"


/* a peer: what its certificate must be for */
typedef struct {
    ngx_ssl_t               *ssl;
    ngx_str_t                name;      /* with a NUL behind it */
    ngx_uint_t               ip;        /* which is an address */
} ngx_paygw_tls_t;


/* trusted: a file of CA certificates, empty: the system's bundle; NULL: logged
 */
ngx_ssl_t *ngx_paygw_tls_create(ngx_conf_t *cf, ngx_str_t *trusted);

/* the name, copied into pool, and whether it is an address */
ngx_int_t ngx_paygw_tls_name(ngx_pool_t *pool, ngx_paygw_tls_t *tls,
    ngx_str_t *name);

/* how connect() has ended, once the connection may be written to: 0 if well */
ngx_err_t ngx_paygw_tls_connect_error(ngx_connection_t *c);

/*
 * Begins the handshake: as ngx_ssl_handshake(), with NGX_DECLINED and *err if
 * it cannot begin.  After NGX_AGAIN c->ssl->handler is to be set.
 */
ngx_int_t ngx_paygw_tls_start(ngx_paygw_tls_t *tls, ngx_connection_t *c,
    const char **err);

/*
 * After a handshake: NULL, or what is wrong with the certificate.  whose begins
 * the line of the log that gives OpenSSL's reason.
 */
const char *ngx_paygw_tls_verify(ngx_paygw_tls_t *tls, ngx_connection_t *c,
    const char *whose);

/* quiet: never waits for the other side */
void ngx_paygw_tls_close(ngx_connection_t *c);


#endif /* _NGX_PAYGW_TLS_H_INCLUDED_ */
