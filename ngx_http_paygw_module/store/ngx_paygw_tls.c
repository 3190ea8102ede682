
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_tls.h"


#define NGX_PAYGW_TLS_DEPTH  4


ngx_ssl_t *
ngx_paygw_tls_create(ngx_conf_t *cf, ngx_str_t *trusted)
{
    ngx_ssl_t           *ssl;
    ngx_str_t            bundle;
    ngx_pool_cleanup_t  *cln;

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (ssl == NULL) {
        return NULL;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(ssl);
        return NULL;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    /* the output buffer may move between two tries to send it */

    SSL_CTX_set_mode(ssl->ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    if (trusted->len == 0) {
        ngx_str_set(&bundle, NGX_PAYGW_TLS_CA_BUNDLE);
        trusted = &bundle;
    }

    if (ngx_ssl_trusted_certificate(cf, ssl, trusted, NGX_PAYGW_TLS_DEPTH)
        != NGX_OK)
    {
        return NULL;
    }

    return ssl;
}


ngx_int_t
ngx_paygw_tls_name(ngx_pool_t *pool, ngx_paygw_tls_t *tls, ngx_str_t *name)
{
    u_char     *p;
    ngx_str_t   bare;
#if (NGX_HAVE_INET6)
    u_char      addr[16];
#endif

    bare = *name;

    /* an IPv6 address without its brackets */

    if (bare.len > 2 && bare.data[0] == '[') {
        bare.data++;
        bare.len -= 2;
    }

    /* OpenSSL wants it with a null at the end */

    p = ngx_pnalloc(pool, bare.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(p, bare.data, bare.len + 1);

    tls->name.data = p;
    tls->name.len = bare.len;

    tls->ip = (ngx_inet_addr(p, bare.len) != INADDR_NONE);

#if (NGX_HAVE_INET6)
    if (!tls->ip) {
        tls->ip = (ngx_inet6_addr(p, bare.len, addr) == NGX_OK);
    }
#endif

    return NGX_OK;
}


ngx_err_t
ngx_paygw_tls_connect_error(ngx_connection_t *c)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    return err;
}


ngx_int_t
ngx_paygw_tls_start(ngx_paygw_tls_t *tls, ngx_connection_t *c,
    const char **err)
{
    if (ngx_ssl_create_connection(tls->ssl, c, NGX_SSL_CLIENT) != NGX_OK) {
        *err = "connection has no memory";
        return NGX_DECLINED;
    }

    if (!tls->ip
        && SSL_set_tlsext_host_name(c->ssl->connection,
                                    (char *) tls->name.data)
           == 0)
    {
        ngx_ssl_error(NGX_LOG_ERR, c->log, 0,
                      "SSL_set_tlsext_host_name(\"%V\") failed", &tls->name);
        *err = "connection is not usable";
        return NGX_DECLINED;
    }

    return ngx_ssl_handshake(c);
}


const char *
ngx_paygw_tls_verify(ngx_paygw_tls_t *tls, ngx_connection_t *c,
    const char *whose)
{
    int    ok;
    long   rc;
    X509  *cert;

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "%s certificate verify error: (%l:%s)",
                      whose, rc, X509_verify_cert_error_string(rc));
        return "certificate does not verify";
    }

    if (!tls->ip) {
        return (ngx_ssl_check_host(c, &tls->name) == NGX_OK)
               ? NULL : "certificate does not match the name";
    }

    /* an address is in the certificate as an address, which nginx leaves out */

    cert = SSL_get_peer_certificate(c->ssl->connection);
    if (cert == NULL) {
        return "sent no certificate";
    }

    ok = X509_check_ip_asc(cert, (char *) tls->name.data, 0);
    X509_free(cert);

    return (ok == 1) ? NULL : "certificate does not match the address";
}


void
ngx_paygw_tls_close(ngx_connection_t *c)
{
    c->ssl->no_wait_shutdown = 1;
    c->ssl->no_send_shutdown = 1;

    (void) ngx_ssl_shutdown(c);
}
