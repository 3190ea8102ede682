
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


static void ngx_paygw_redis_ssl_handler(ngx_connection_t *c);


void
ngx_paygw_redis_ssl_start(ngx_paygw_redis_conn_t *conn)
{
    ngx_int_t          rc;
    const char        *err;
    ngx_paygw_tls_t   *tls;
    ngx_connection_t  *c;

    c = conn->peer.connection;
    tls = &conn->node->addrs[conn->addr].tls;

    conn->log.action = "SSL handshaking with redis";

    rc = ngx_paygw_tls_start(tls, c, &err);

    if (rc == NGX_DECLINED) {
        ngx_paygw_redis_drop(conn, 0, err);
        return;
    }

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
        c->read->timedout = 0;

        /* the handshake goes on, unless its own time is over */

        (void) ngx_paygw_redis_expired(conn);
        return;
    }

    if (!c->ssl->handshaked) {
        ngx_paygw_redis_drop(conn, 0, "refused SSL handshake");
        return;
    }

    why = ngx_paygw_tls_verify(&conn->node->addrs[conn->addr].tls, c,
                               "redis");

    if (why) {
        ngx_paygw_redis_drop(conn, 0, why);
        return;
    }

    ngx_paygw_redis_connected(conn);
}
