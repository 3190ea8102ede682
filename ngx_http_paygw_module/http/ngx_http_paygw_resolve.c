
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_resolve.h"
#include "ngx_http_paygw_session.h"


/*
 * Of several addresses of a host those that fail are left out for so many
 * seconds, unless all of them do: not longer than it takes the breaker to ask
 * for a probe.
 */
#define NGX_HTTP_PAYGW_RESOLVE_FAIL  3


static void ngx_http_paygw_resolve_cleanup(void *data);
static ngx_int_t ngx_http_paygw_resolve_refuse(ngx_conf_t *cf,
    ngx_http_paygw_host_t *host, ngx_http_paygw_keyring_t *kr,
    const char *err, const char *fix);
static ngx_int_t ngx_http_paygw_resolve_now(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us, ngx_http_paygw_remote_t *remote);
static ngx_int_t ngx_http_paygw_resolve_servers(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us, ngx_http_paygw_remote_t *remote,
    ngx_http_upstream_srv_conf_t *other);
static ngx_int_t ngx_http_paygw_resolve_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_http_paygw_resolve_known(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_http_paygw_resolve_get(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_paygw_resolve_handler(ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_resolve_copy(ngx_http_paygw_try_t *t,
    ngx_resolver_ctx_t *ctx);


ngx_int_t
ngx_http_paygw_resolve_init(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *us)
{
    ngx_int_t                      rc;
    ngx_pool_cleanup_t            *cln;
    ngx_http_paygw_remote_t       *remote;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_upstream_srv_conf_t  *other;

    remote = us->peer.data;
    other = ngx_http_paygw_endpoint_upstream(cf, remote->host);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (other == NULL && remote->host->https && !remote->host->tls.ip
        && clcf->resolver && clcf->resolver->connections.nelts)
    {
        remote->resolve = 1;
        us->peer.init = ngx_http_paygw_resolve_peer;
        return ngx_http_paygw_session_init(cf, remote);
    }

    rc = other ? ngx_http_paygw_resolve_servers(cf, us, remote, other)
               : ngx_http_paygw_resolve_now(cf, us, remote);

    if (rc != NGX_OK
        || ngx_http_upstream_init_round_robin(cf, us) != NGX_OK)
    {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_paygw_resolve_cleanup;
    cln->data = us->peer.data;

    us->peer.init = ngx_http_paygw_resolve_known;

    return NGX_OK;
}


/* nginx leaves the last session of a peer behind */

static void
ngx_http_paygw_resolve_cleanup(void *data)
{
    ngx_http_upstream_rr_peers_t *peers = data;

    ngx_http_upstream_rr_peer_t  *peer;

    for ( /* void */ ; peers; peers = peers->next) {
        for (peer = peers->peer; peer; peer = peer->next) {

            if (peer->ssl_session) {
                ngx_ssl_free_session(peer->ssl_session);
                peer->ssl_session = NULL;
            }
        }
    }
}


/*
 * The servers of an "upstream {}" of a file, with all that is said of them, but
 * not its connections: others may have made them without a look at the
 * certificate.
 */

static ngx_int_t
ngx_http_paygw_resolve_servers(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us, ngx_http_paygw_remote_t *remote,
    ngx_http_upstream_srv_conf_t *other)
{
    ngx_uint_t                   i;
    ngx_http_upstream_server_t  *server;

    server = other->servers->elts;

    for (i = 0; i < other->servers->nelts; i++) {

        if (server[i].naddrs == 0) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "server \"%V\" of upstream \"%V\" has no address "
                          "yet, which channel \"%V\" needs: leave "
                          "\"resolve\" out there", &server[i].name,
                          &other->host, &remote->channel->name);
            return NGX_ERROR;
        }

        if (!remote->host->https
            && !ngx_http_paygw_endpoint_loopback(server[i].addrs,
                                                 server[i].naddrs))
        {
            return ngx_http_paygw_resolve_plain(cf, remote->host,
                                                 remote->channel->upper);
        }
    }

    us->servers = other->servers;

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_resolve_plain(ngx_conf_t *cf, ngx_http_paygw_host_t *host,
    ngx_http_paygw_keyring_t *kr)
{
    return ngx_http_paygw_resolve_refuse(cf, host, kr, NULL,
               "must be \"https://\": only the sandbox on this machine may "
               "be asked without TLS");
}


ngx_int_t
ngx_http_paygw_resolve_lost(ngx_conf_t *cf, ngx_http_paygw_host_t *host,
    ngx_http_paygw_keyring_t *kr, const char *err)
{
    return ngx_http_paygw_resolve_refuse(cf, host, kr,
               err ? err : "invalid host",
               host->https && !host->tls.ip
               ? "correct it, or add \"resolver\" to \"http\", which looks "
                 "it up when it is called"
               : "correct it");
}


/* what the source of the keys has of its own stands nowhere */

static ngx_int_t
ngx_http_paygw_resolve_refuse(ngx_conf_t *cf, ngx_http_paygw_host_t *host,
    ngx_http_paygw_keyring_t *kr, const char *err, const char *fix)
{
    u_char  at[NGX_MAX_CONF_ERRSTR];

    at[0] = '\0';

    if (kr->file) {
        *ngx_snprintf(at, sizeof(at) - 1, " in %s:%ui", kr->file, kr->line)
            = '\0';
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "%s%s\"endpoint\" \"%V\" of channel \"%V\"%s%s %s",
                  err ? err : "", err ? " in " : "", &host->url,
                  &kr->channel->name, at, err ? "," : "", fix);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_paygw_resolve_now(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *us,
    ngx_http_paygw_remote_t *remote)
{
    u_char                      *p;
    ngx_url_t                    u;
    ngx_http_paygw_host_t       *host;
    ngx_http_upstream_server_t  *server;

    host = remote->host;

    p = ngx_pnalloc(cf->pool, host->name.len + sizeof(":65535") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url.data = p;
    u.url.len = ngx_sprintf(p, "%V:%ui", &host->name, (ngx_uint_t) host->port)
                - p;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        return ngx_http_paygw_resolve_lost(cf, host, remote->channel->upper,
                                            u.err);
    }

    if (!host->https
        && !ngx_http_paygw_endpoint_loopback(u.addrs, u.naddrs))
    {
        return ngx_http_paygw_resolve_plain(cf, host,
                                             remote->channel->upper);
    }

    us->servers = ngx_array_create(cf->pool, 1,
                                   sizeof(ngx_http_upstream_server_t));
    if (us->servers == NULL) {
        return NGX_ERROR;
    }

    server = ngx_array_push(us->servers);
    if (server == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(server, sizeof(ngx_http_upstream_server_t));

    server->name = u.url;
    server->addrs = u.addrs;
    server->naddrs = u.naddrs;
    server->weight = 1;
    server->max_fails = 1;
    server->fail_timeout = NGX_HTTP_PAYGW_RESOLVE_FAIL;

    return NGX_OK;
}


/* the addresses are those that the try has just found */

static ngx_int_t
ngx_http_paygw_resolve_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_paygw_try_t  *t;

    t = ngx_http_paygw_exchange_of(r);

    if (t == NULL || t->resolved.naddrs == 0) {
        return NGX_ERROR;
    }

    if (ngx_http_upstream_create_round_robin_peer(r, &t->resolved) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_paygw_session_peer(r, t->remote);
}


static ngx_int_t
ngx_http_paygw_resolve_known(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    if (ngx_http_upstream_init_round_robin_peer(r, us) != NGX_OK) {
        return NGX_ERROR;
    }

    r->upstream->peer.get = ngx_http_paygw_resolve_get;

    return NGX_OK;
}


/*
 * An address that has failed is left out while there is a better one.  If all
 * are left out they are asked all the same, as nginx does with a single one:
 * an order is not refused for what became of the one before.
 */

static ngx_int_t
ngx_http_paygw_resolve_get(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_upstream_rr_peer_data_t *rrp = data;

    ngx_int_t                     rc;
    ngx_http_upstream_rr_peer_t  *peer;

    rc = ngx_http_upstream_get_round_robin_peer(pc, rrp);

    if (rc != NGX_BUSY) {
        return rc;
    }

    /* what this call has tried itself is noted elsewhere, and left out again */

    for (peer = rrp->peers->peer; peer; peer = peer->next) {
        peer->fails = 0;
    }

    return ngx_http_upstream_get_round_robin_peer(pc, rrp);
}


void
ngx_http_paygw_resolve(ngx_http_request_t *sr, ngx_http_paygw_try_t *t,
    void (*begin)(ngx_http_request_t *sr))
{
    ngx_resolver_ctx_t        *ctx, temp;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(sr, ngx_http_core_module);

    t->begin = begin;
    t->resolved.naddrs = 0;

    temp.name = t->remote->host->name;

    ctx = ngx_resolve_start(clcf->resolver, &temp);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_http_finalize_request(sr, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ctx->name = t->remote->host->name;
    ctx->handler = ngx_http_paygw_resolve_handler;
    ctx->data = t;
    ctx->timeout = clcf->resolver_timeout;

    t->resolving = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        t->resolving = NULL;
        ngx_http_finalize_request(sr, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
}


static void
ngx_http_paygw_resolve_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_int_t              rc;
    ngx_uint_t             async;
    ngx_connection_t      *c;
    ngx_http_request_t    *sr;
    ngx_http_paygw_try_t  *t;

    t = ctx->data;
    sr = t->sr;
    c = sr->connection;
    async = ctx->async;

    ngx_http_set_log_request(c->log, sr);

    rc = NGX_OK;

    if (ctx->state) {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "%V could not be resolved (%i: %s)", &ctx->name,
                      ctx->state, ngx_resolver_strerror(ctx->state));
        rc = NGX_HTTP_BAD_GATEWAY;

    } else if (ngx_http_paygw_resolve_copy(t, ctx) != NGX_OK) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    t->resolving = NULL;
    ngx_resolve_name_done(ctx);

    if (rc == NGX_OK) {
        t->begin(sr);

    } else {
        ngx_http_finalize_request(sr, rc);
    }

    if (async) {
        ngx_http_run_posted_requests(c);
    }
}


static ngx_int_t
ngx_http_paygw_resolve_copy(ngx_http_paygw_try_t *t, ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t            i;
    ngx_pool_t           *pool;
    ngx_resolver_addr_t  *addrs;

    pool = t->sr->pool;

    addrs = ngx_pcalloc(pool, ctx->naddrs * sizeof(ngx_resolver_addr_t));
    if (addrs == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < ctx->naddrs; i++) {

        addrs[i].socklen = ctx->addrs[i].socklen;
        addrs[i].sockaddr = ngx_palloc(pool, addrs[i].socklen);
        if (addrs[i].sockaddr == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(addrs[i].sockaddr, ctx->addrs[i].sockaddr,
                   addrs[i].socklen);
    }

    ngx_memzero(&t->resolved, sizeof(ngx_http_upstream_resolved_t));

    t->resolved.host = t->remote->host->name;
    t->resolved.port = t->remote->host->port;
    t->resolved.addrs = addrs;
    t->resolved.naddrs = ctx->naddrs;

    return NGX_OK;
}


ngx_uint_t
ngx_http_paygw_resolve_cancel(ngx_http_paygw_try_t *t)
{
    if (t->resolving == NULL) {
        return 0;
    }

    ngx_resolve_name_done(t->resolving);
    t->resolving = NULL;

    return 1;
}
