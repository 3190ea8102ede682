
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include "ngx_http_paygw_fetch.h"


static void ngx_http_paygw_fetch_host(ngx_http_paygw_fetch_t *f);
static void ngx_http_paygw_fetch_resolve(ngx_http_paygw_fetch_t *f);
static void ngx_http_paygw_fetch_resolved(ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_fetch_addrs(ngx_http_paygw_fetch_t *f,
    ngx_resolver_ctx_t *ctx);
static void ngx_http_paygw_fetch_handshake(ngx_connection_t *c);
static void ngx_http_paygw_fetch_idle_handler(ngx_event_t *ev);
static void ngx_http_paygw_fetch_timeout(ngx_event_t *ev);
static void ngx_http_paygw_fetch_close(ngx_http_paygw_fetch_t *f);
static u_char *ngx_http_paygw_fetch_log(ngx_log_t *log, u_char *buf,
    size_t len);


void
ngx_http_paygw_fetch(ngx_http_paygw_fetch_t *f)
{
    f->log = *ngx_cycle->log;
    f->log.handler = ngx_http_paygw_fetch_log;
    f->log.data = f;

    f->fake.fd = (ngx_socket_t) -1;
    f->fake.data = f;

    f->timer.data = &f->fake;
    f->timer.handler = ngx_http_paygw_fetch_timeout;
    f->timer.log = &f->log;
    f->timer.cancelable = 1;

    f->host = 0;

    f->buf = ngx_pnalloc(f->pool, NGX_PAYGW_RESPONSE_SIZE);

    if (f->buf == NULL) {
        ngx_http_paygw_fetch_end(f, NGX_ERROR);
        return;
    }

    ngx_http_paygw_fetch_host(f);
}


void
ngx_http_paygw_fetch_cancel(ngx_http_paygw_fetch_t *f)
{
    ngx_http_paygw_fetch_close(f);
}


static void
ngx_http_paygw_fetch_host(ngx_http_paygw_fetch_t *f)
{
    ngx_http_paygw_host_t  *host;

    host = &f->hosts[f->host];

    f->addr = 0;
    f->addrs = host->addrs;
    f->naddrs = host->naddrs;

    ngx_add_timer(&f->timer, NGX_HTTP_PAYGW_FETCH_TIMEOUT);

    if (host->resolver) {
        ngx_http_paygw_fetch_resolve(f);
        return;
    }

    ngx_http_paygw_fetch_connect(f);
}


static void
ngx_http_paygw_fetch_resolve(ngx_http_paygw_fetch_t *f)
{
    ngx_resolver_ctx_t     *ctx;
    ngx_http_paygw_host_t  *host;

    host = &f->hosts[f->host];

    f->log.action = "resolving the name of the provider";

    ctx = ngx_resolve_start(host->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_http_paygw_fetch_failed(f, 0, "there is no resolver");
        return;
    }

    ctx->name = host->name;
    ctx->handler = ngx_http_paygw_fetch_resolved;
    ctx->data = f;
    ctx->timeout = NGX_HTTP_PAYGW_FETCH_TIMEOUT;
    ctx->cancelable = 1;

    f->resolving = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        f->resolving = NULL;
        ngx_http_paygw_fetch_failed(f, 0, "name cannot be resolved");
    }
}


static void
ngx_http_paygw_fetch_resolved(ngx_resolver_ctx_t *ctx)
{
    ngx_int_t                rc;
    const char              *why;
    ngx_http_paygw_fetch_t  *f;

    f = ctx->data;
    f->resolving = NULL;

    why = NULL;

    if (ctx->state) {
        why = ngx_resolver_strerror(ctx->state);
        rc = NGX_ERROR;

    } else {
        rc = ngx_http_paygw_fetch_addrs(f, ctx);
    }

    ngx_resolve_name_done(ctx);

    if (rc != NGX_OK) {
        ngx_http_paygw_fetch_failed(f, 0, why ? why : "no memory");
        return;
    }

    ngx_http_paygw_fetch_connect(f);
}


static ngx_int_t
ngx_http_paygw_fetch_addrs(ngx_http_paygw_fetch_t *f, ngx_resolver_ctx_t *ctx)
{
    u_char           *p;
    size_t            len;
    ngx_uint_t        i;
    struct sockaddr  *sockaddr;

    f->addrs = ngx_pcalloc(f->pool, ctx->naddrs * sizeof(ngx_addr_t));
    if (f->addrs == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < ctx->naddrs; i++) {

        sockaddr = ngx_pnalloc(f->pool, ctx->addrs[i].socklen);
        p = ngx_pnalloc(f->pool, NGX_SOCKADDR_STRLEN);

        if (sockaddr == NULL || p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(sockaddr, ctx->addrs[i].sockaddr, ctx->addrs[i].socklen);
        ngx_inet_set_port(sockaddr, f->hosts[f->host].port);

        len = ngx_sock_ntop(sockaddr, ctx->addrs[i].socklen, p,
                            NGX_SOCKADDR_STRLEN, 1);

        f->addrs[i].sockaddr = sockaddr;
        f->addrs[i].socklen = ctx->addrs[i].socklen;
        f->addrs[i].name.data = p;
        f->addrs[i].name.len = len;
    }

    f->naddrs = ctx->naddrs;

    return NGX_OK;
}


/* to the next address of the host */

void
ngx_http_paygw_fetch_connect(ngx_http_paygw_fetch_t *f)
{
    ngx_int_t               rc;
    ngx_addr_t             *addr;
    ngx_connection_t       *c;
    ngx_peer_connection_t  *peer;

    f->log.action = "connecting to the provider";

    peer = &f->peer;

    for ( /* void */ ; f->addr < f->naddrs; f->addr++) {

        addr = &f->addrs[f->addr];

        ngx_memzero(peer, sizeof(ngx_peer_connection_t));

        peer->sockaddr = addr->sockaddr;
        peer->socklen = addr->socklen;
        peer->name = &addr->name;
        peer->get = ngx_event_get_peer;
        peer->log = &f->log;
        peer->log_error = NGX_ERROR_ERR;

        rc = ngx_event_connect_peer(peer);

        if (rc != NGX_OK && rc != NGX_AGAIN) {
            continue;
        }

        c = peer->connection;

        c->data = f;
        c->pool = f->pool;
        c->idle = 1;
        c->read->handler = ngx_http_paygw_fetch_idle_handler;
        c->write->handler = ngx_http_paygw_fetch_write_handler;

        if (rc == NGX_OK) {
            ngx_http_paygw_fetch_connected(f);
        }

        return;
    }

    ngx_http_paygw_fetch_failed(f, 0, "no address is left");
}


void
ngx_http_paygw_fetch_connected(ngx_http_paygw_fetch_t *f)
{
    ngx_int_t               rc;
    const char             *err;
    ngx_connection_t       *c;
    ngx_http_paygw_host_t  *host;

    c = f->peer.connection;
    host = &f->hosts[f->host];

    if (host->tls.ssl == NULL) {
        ngx_http_paygw_fetch_send(f);
        return;
    }

    f->log.action = "SSL handshaking with the provider";

    rc = ngx_paygw_tls_start(&host->tls, c, &err);

    if (rc == NGX_DECLINED) {
        ngx_http_paygw_fetch_failed(f, 0, err);
        return;
    }

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_http_paygw_fetch_handshake;
        return;
    }

    ngx_http_paygw_fetch_handshake(c);
}


static void
ngx_http_paygw_fetch_handshake(ngx_connection_t *c)
{
    const char              *why;
    ngx_http_paygw_fetch_t  *f;

    f = c->data;

    if (!c->ssl->handshaked) {
        ngx_http_paygw_fetch_failed(f, 0, "provider refused SSL handshake");
        return;
    }

    why = ngx_paygw_tls_verify(&f->hosts[f->host].tls, c, "provider's");

    if (why) {
        ngx_http_paygw_fetch_failed(f, 0, why);
        return;
    }

    ngx_http_paygw_fetch_send(f);
}


/* the connection is not made yet; the worker may be told to end */

static void
ngx_http_paygw_fetch_idle_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    if (c->close) {
        ngx_http_paygw_fetch_end(c->data, NGX_ABORT);
    }
}


static void
ngx_http_paygw_fetch_timeout(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_http_paygw_fetch_failed(c->data, NGX_ETIMEDOUT, "provider timed out");
}


/* this host is of no use: the next one */

void
ngx_http_paygw_fetch_failed(ngx_http_paygw_fetch_t *f, ngx_err_t err,
    const char *why)
{
    ngx_log_error(NGX_LOG_ERR, &f->log, err, "keys cannot be fetched: %s",
                  why);

    ngx_http_paygw_fetch_close(f);

    if (++f->host < f->nhosts) {
        ngx_http_paygw_fetch_host(f);
        return;
    }

    f->host--;
    ngx_http_paygw_fetch_end(f, NGX_ERROR);
}


void
ngx_http_paygw_fetch_end(ngx_http_paygw_fetch_t *f, ngx_int_t rc)
{
    ngx_http_paygw_fetch_close(f);

    f->log.action = "reading keys of the provider";
    f->rc = rc;
    f->handler(f);
}


static void
ngx_http_paygw_fetch_close(ngx_http_paygw_fetch_t *f)
{
    if (f->timer.timer_set) {
        ngx_del_timer(&f->timer);
    }

    if (f->resolving) {
        ngx_resolve_name_done(f->resolving);
        f->resolving = NULL;
    }

    ngx_http_paygw_fetch_close_socket(f);
}


void
ngx_http_paygw_fetch_close_socket(ngx_http_paygw_fetch_t *f)
{
    ngx_connection_t  *c;

    ngx_str_null(&f->out);

    c = f->peer.connection;

    if (c == NULL) {
        return;
    }

    f->peer.connection = NULL;

    if (c->ssl) {
        ngx_paygw_tls_close(c);
    }

    ngx_close_connection(c);
}


static u_char *
ngx_http_paygw_fetch_log(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                  *p;
    ngx_http_paygw_fetch_t  *f;

    f = log->data;

    p = ngx_snprintf(buf, len, " while %s, channel: \"%V\", endpoint: \"%V\"",
                     log->action, &f->what, &f->hosts[f->host].url);

    return p;
}
