
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


#define NGX_PAYGW_REDIS_CA_BUNDLE  "/etc/ssl/certs/ca-certificates.crt"
#define NGX_PAYGW_REDIS_SSL_DEPTH  4


static void ngx_paygw_redis_ssl_handler(ngx_connection_t *c);
static const char *ngx_paygw_redis_ssl_verify(ngx_connection_t *c,
    ngx_paygw_redis_t *redis);


ngx_int_t
ngx_paygw_redis_ssl_create(ngx_conf_t *cf, ngx_paygw_redis_t *redis,
    ngx_str_t *trusted)
{
    ngx_str_t            bundle;
    ngx_pool_cleanup_t  *cln;

    redis->ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (redis->ssl == NULL) {
        return NGX_ERROR;
    }

    redis->ssl->log = cf->log;

    if (ngx_ssl_create(redis->ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(redis->ssl);
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = redis->ssl;

    /* the output buffer may move between two tries to send it */

    SSL_CTX_set_mode(redis->ssl->ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    if (trusted->len == 0) {
        ngx_str_set(&bundle, NGX_PAYGW_REDIS_CA_BUNDLE);
        trusted = &bundle;
    }

    return ngx_ssl_trusted_certificate(cf, redis->ssl, trusted,
                                       NGX_PAYGW_REDIS_SSL_DEPTH);
}


void
ngx_paygw_redis_ssl_start(ngx_paygw_redis_conn_t *conn)
{
    ngx_int_t           rc;
    ngx_connection_t   *c;
    ngx_paygw_redis_t  *redis;

    c = conn->peer.connection;
    redis = conn->redis;

    conn->log.action = "SSL handshaking with redis";

    if (ngx_ssl_create_connection(redis->ssl, c, NGX_SSL_CLIENT) != NGX_OK) {
        ngx_paygw_redis_drop(conn, 0, "connection has no memory");
        return;
    }

    if (!redis->ssl_ip
        && SSL_set_tlsext_host_name(c->ssl->connection,
                                    (char *) redis->ssl_name.data)
           == 0)
    {
        ngx_ssl_error(NGX_LOG_ERR, c->log, 0,
                      "SSL_set_tlsext_host_name(\"%V\") failed",
                      &redis->ssl_name);
        ngx_paygw_redis_drop(conn, 0, "connection is not usable");
        return;
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_paygw_redis_ssl_handler;
        return;
    }

    ngx_paygw_redis_ssl_handler(c);
}


static void
ngx_paygw_redis_ssl_handler(ngx_connection_t *c)
{
    const char              *why;
    ngx_paygw_redis_conn_t  *conn;

    conn = c->data;

    if (c->read->timedout) {
        ngx_paygw_redis_drop(conn, NGX_ETIMEDOUT, "timed out");
        return;
    }

    if (!c->ssl->handshaked) {
        ngx_paygw_redis_drop(conn, 0, "refused SSL handshake");
        return;
    }

    why = ngx_paygw_redis_ssl_verify(c, conn->redis);

    if (why) {
        ngx_paygw_redis_drop(conn, 0, why);
        return;
    }

    ngx_paygw_redis_connected(conn);
}


/* returns NULL, or what is wrong with the server's certificate */

static const char *
ngx_paygw_redis_ssl_verify(ngx_connection_t *c, ngx_paygw_redis_t *redis)
{
    int    ok;
    long   rc;
    X509  *cert;

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "redis certificate verify error: (%l:%s)",
                      rc, X509_verify_cert_error_string(rc));
        return "certificate does not verify";
    }

    if (!redis->ssl_ip) {
        return (ngx_ssl_check_host(c, &redis->ssl_name) == NGX_OK)
               ? NULL : "certificate does not match the name";
    }

    /* an address is in the certificate as an address, which nginx leaves out */

    cert = SSL_get_peer_certificate(c->ssl->connection);
    if (cert == NULL) {
        return "sent no certificate";
    }

    ok = X509_check_ip_asc(cert, (char *) redis->ssl_name.data, 0);
    X509_free(cert);

    return (ok == 1) ? NULL : "certificate does not match the address";
}


void
ngx_paygw_redis_ssl_close(ngx_connection_t *c)
{
    /* quiet: never waits for the other side */

    c->ssl->no_wait_shutdown = 1;
    c->ssl->no_send_shutdown = 1;

    (void) ngx_ssl_shutdown(c);
}
