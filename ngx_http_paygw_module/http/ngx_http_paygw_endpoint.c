
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_remote.h"
#include "ngx_http_paygw_resolve.h"
#include "ngx_paygw_exchange.h"


static ngx_int_t ngx_http_paygw_endpoint_set(ngx_conf_t *cf,
    ngx_http_paygw_keyring_t *kr);
static ngx_int_t ngx_http_paygw_endpoint_host(ngx_conf_t *cf,
    ngx_http_paygw_keyring_t *kr, ngx_str_t *url);
static ngx_int_t ngx_http_paygw_endpoint_ready(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_http_paygw_keyring_t *kr);
static ngx_int_t ngx_http_paygw_endpoint_resolve(ngx_conf_t *cf,
    ngx_http_paygw_keyring_t *kr, ngx_http_paygw_host_t *host);
static ngx_int_t ngx_http_paygw_endpoint_local(ngx_conf_t *cf,
    ngx_http_paygw_keyring_t *kr, ngx_http_paygw_host_t *host);
static ngx_int_t ngx_http_paygw_endpoint_servers(ngx_conf_t *cf,
    ngx_http_paygw_keyring_t *kr, ngx_http_paygw_host_t *host,
    ngx_http_upstream_srv_conf_t *uscf);
static ngx_int_t ngx_http_paygw_endpoint_ssl(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_http_paygw_keyring_t *kr,
    ngx_http_paygw_host_t *host);


ngx_int_t
ngx_http_paygw_endpoint_line(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_int_t *known)
{
    ngx_str_t                 *value;
    ngx_uint_t                 endpoint;
    ngx_http_paygw_keyring_t  *kr;

    *known = 0;

    value = cf->args->elts;

    endpoint = (ngx_strcmp(value[0].data, "endpoint") == 0);

    if ((ch->keyring == NULL && ch->provider->api == NULL)
        || (!endpoint
            && ngx_strcmp(value[0].data, "proxy_ssl_trusted_certificate")
               != 0))
    {
        return NGX_OK;
    }

    *known = 1;

    kr = ngx_http_paygw_endpoint_get(cf, ch);
    if (kr == NULL) {
        return NGX_ERROR;
    }

    if (endpoint ? kr->nhosts : kr->trusted.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of channel \"%V\" is duplicate",
                           &value[0], &ch->name);
        return NGX_ERROR;
    }

    if (endpoint) {
        return ngx_http_paygw_endpoint_set(cf, kr);
    }

    if (cf->args->nelts != 2 || value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of channel \"%V\" must be one file",
                           &value[0], &ch->name);
        return NGX_ERROR;
    }

    kr->trusted = value[1];

    return ngx_http_paygw_remote_line(cf, ch, known);
}


ngx_http_paygw_keyring_t *
ngx_http_paygw_endpoint_get(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_http_paygw_keyring_t  *kr;

    if (ch->upper) {
        return ch->upper;
    }

    kr = ngx_pcalloc(cf->pool, sizeof(ngx_http_paygw_keyring_t));
    if (kr == NULL) {
        return NULL;
    }

    kr->channel = ch;
    ch->upper = kr;

    return kr;
}


static ngx_int_t
ngx_http_paygw_endpoint_set(ngx_conf_t *cf, ngx_http_paygw_keyring_t *kr)
{
    ngx_str_t   *value, *uri, backup;
    ngx_uint_t   i;

    value = cf->args->elts;

    kr->file = cf->conf_file->file.name.data;
    kr->line = cf->conf_file->line;

    if (cf->args->nelts < 2 || cf->args->nelts > NGX_HTTP_PAYGW_HOSTS + 1) {
        goto invalid;
    }

    if (ngx_http_paygw_endpoint_host(cf, kr, &value[1]) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "backup=", 7) != 0) {
            goto invalid;
        }

        backup.data = value[i].data + 7;
        backup.len = value[i].len - 7;

        if (ngx_http_paygw_endpoint_host(cf, kr, &backup) != NGX_OK) {
            return NGX_ERROR;
        }

        uri = &kr->hosts[i - 1].uri;

        if (kr->hosts[0].uri.len != uri->len
            || (uri->len
                && ngx_strncmp(kr->hosts[0].uri.data, uri->data, uri->len)
                   != 0))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"endpoint\" of channel \"%V\" and its "
                               "\"backup\" must have the same path",
                               &kr->channel->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"endpoint\" of channel \"%V\" must be "
                       "\"URL [backup=URL]\", with up to %d backups",
                       &kr->channel->name, NGX_HTTP_PAYGW_HOSTS - 1);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_paygw_endpoint_host(ngx_conf_t *cf, ngx_http_paygw_keyring_t *kr,
    ngx_str_t *url)
{
    size_t                  scheme;
    ngx_url_t               u;
    const ngx_paygw_api_t  *api;
    ngx_http_paygw_host_t  *host;

    host = &kr->hosts[kr->nhosts];

    ngx_memzero(host, sizeof(ngx_http_paygw_host_t));

    host->url = *url;

    if (url->len > 8
        && ngx_strncasecmp(url->data, (u_char *) "https://", 8) == 0)
    {
        host->https = 1;
        scheme = 8;

    } else if (url->len > 7
               && ngx_strncasecmp(url->data, (u_char *) "http://", 7) == 0)
    {
        scheme = 7;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"endpoint\" \"%V\" of channel \"%V\", "
                           "it must begin with \"https://\"",
                           url, &kr->channel->name);
        return NGX_ERROR;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url.data = url->data + scheme;
    u.url.len = url->len - scheme;
    u.default_port = host->https ? 443 : 80;
    u.uri_part = 1;
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.family == AF_UNIX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in \"endpoint\" \"%V\" of channel \"%V\"",
                           u.err ? u.err : "invalid host", url,
                           &kr->channel->name);
        return NGX_ERROR;
    }

    if (u.uri.len > 1
        && (kr->channel->keyring == NULL
            || !kr->channel->keyring->source->path))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"endpoint\" \"%V\" of channel \"%V\" must have "
                           "no path", url, &kr->channel->name);
        return NGX_ERROR;
    }

    api = kr->channel->provider->api;

    if (api && api->gone && u.host.len == ngx_strlen(api->gone)
        && ngx_strncasecmp(u.host.data, (u_char *) api->gone, u.host.len)
           == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the host of \"endpoint\" \"%V\" of channel "
                           "\"%V\" is no more, use \"%s\"",
                           url, &kr->channel->name, api->instead);
        return NGX_ERROR;
    }

    host->name = u.host;
    host->port = u.port;
    host->no_port = u.no_port;
    host->uri = u.uri;

    host->host.data = u.url.data;
    host->host.len = u.url.len - u.uri.len;

    if (ngx_paygw_tls_name(cf->pool, &host->tls, &host->name) != NGX_OK) {
        return NGX_ERROR;
    }

    kr->nhosts++;

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_endpoint_init(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_paygw_channel_t       **ch;
    ngx_http_paygw_keyring_t   *kr, **krp;

    ch = mcf->channels.elts;

    for (i = 0; i < mcf->channels.nelts; i++) {

        if (ch[i]->keyring == NULL || ch[i]->keys == NULL) {
            continue;
        }

        kr = ngx_http_paygw_endpoint_get(cf, ch[i]);
        if (kr == NULL) {
            return NGX_ERROR;
        }

        if (ch[i]->keyring->fetch
            && ngx_http_paygw_endpoint_ready(cf, mcf, kr) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (mcf->zone == NULL) {
            continue;
        }

        kr->keys = ch[i]->keys;

        krp = ngx_array_push(&mcf->keyrings);
        if (krp == NULL) {
            return NGX_ERROR;
        }

        *krp = kr;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_endpoint_ready(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr)
{
    ngx_str_t                  url;
    ngx_uint_t                 i;
    const ngx_paygw_source_t  *source;

    source = kr->channel->keyring->source;

    if (mcf->zone == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s auto\" of channel \"%V\" needs a zone, "
                      "add \"paygw_zone paygw:16m\"",
                      source->name, &kr->channel->name);
        return NGX_ERROR;
    }

    if (kr->nhosts == 0) {
        url = source->endpoint;

        if (ngx_http_paygw_endpoint_host(cf, kr, &url) != NGX_OK) {
            return NGX_ERROR;
        }

        url = source->backup;

        if (url.len && ngx_http_paygw_endpoint_host(cf, kr, &url) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < kr->nhosts; i++) {

        if (ngx_http_paygw_endpoint_ssl(cf, mcf, kr, &kr->hosts[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_http_paygw_endpoint_resolve(cf, kr, &kr->hosts[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the addresses are those of its servers, before any name is looked up */

ngx_http_upstream_srv_conf_t *
ngx_http_paygw_endpoint_upstream(ngx_conf_t *cf, ngx_http_paygw_host_t *host)
{
    ngx_uint_t                       i;
    ngx_http_upstream_srv_conf_t   **uscf;
    ngx_http_upstream_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);
    uscf = umcf->upstreams.elts;

    for (i = 0; host->no_port && i < umcf->upstreams.nelts; i++) {

        if (uscf[i]->servers
            && (uscf[i]->flags & NGX_HTTP_UPSTREAM_CREATE)
            && uscf[i]->host.len == host->name.len
            && ngx_strncasecmp(uscf[i]->host.data, host->name.data,
                               host->name.len)
               == 0)
        {
            return uscf[i];
        }
    }

    return NULL;
}


/* names are resolved now, or again and again if there is a "resolver" */

static ngx_int_t
ngx_http_paygw_endpoint_resolve(ngx_conf_t *cf, ngx_http_paygw_keyring_t *kr,
    ngx_http_paygw_host_t *host)
{
    ngx_url_t                      u;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_upstream_srv_conf_t  *uscf;

    uscf = ngx_http_paygw_endpoint_upstream(cf, host);

    if (uscf) {
        if (ngx_http_paygw_endpoint_servers(cf, kr, host, uscf) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_paygw_endpoint_local(cf, kr, host);
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (host->https && !host->tls.ip && clcf->resolver
        && clcf->resolver->connections.nelts)
    {
        host->resolver = clcf->resolver;
        return NGX_OK;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = host->host;
    u.default_port = host->port;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        return ngx_http_paygw_resolve_lost(cf, host, kr, u.err);
    }

    host->addrs = u.addrs;
    host->naddrs = u.naddrs;

    return ngx_http_paygw_endpoint_local(cf, kr, host);
}


/* what has no TLS must not leave the machine */

static ngx_int_t
ngx_http_paygw_endpoint_local(ngx_conf_t *cf, ngx_http_paygw_keyring_t *kr,
    ngx_http_paygw_host_t *host)
{
    if (host->https
        || ngx_http_paygw_endpoint_loopback(host->addrs, host->naddrs))
    {
        return NGX_OK;
    }

    return ngx_http_paygw_resolve_plain(cf, host, kr);
}


/* of an "upstream {}": a fetch asks them in their order */

static ngx_int_t
ngx_http_paygw_endpoint_servers(ngx_conf_t *cf, ngx_http_paygw_keyring_t *kr,
    ngx_http_paygw_host_t *host, ngx_http_upstream_srv_conf_t *uscf)
{
    ngx_uint_t                   i, k, n;
    ngx_http_upstream_server_t  *server;

    n = 0;
    server = uscf->servers->elts;

    for (i = 0; i < uscf->servers->nelts; i++) {
        n += server[i].naddrs;
    }

    host->addrs = ngx_palloc(cf->pool, ngx_max(n, 1) * sizeof(ngx_addr_t));
    if (host->addrs == NULL) {
        return NGX_ERROR;
    }

    host->naddrs = 0;

    for (i = 0; i < uscf->servers->nelts; i++) {
        for (k = 0; !server[i].down && k < server[i].naddrs; k++) {
            host->addrs[host->naddrs++] = server[i].addrs[k];
        }
    }

    if (host->naddrs) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"endpoint\" \"%V\" of channel \"%V\" is an "
                  "\"upstream\" without a server that has an address",
                  &host->url, &kr->channel->name);

    return NGX_ERROR;
}


ngx_uint_t
ngx_http_paygw_endpoint_loopback(ngx_addr_t *addrs, ngx_uint_t naddrs)
{
    ngx_uint_t            i;
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    for (i = 0; i < naddrs; i++) {

        switch (addrs[i].sockaddr->sa_family) {

        case AF_INET:
            sin = (struct sockaddr_in *) addrs[i].sockaddr;

            if ((ntohl(sin->sin_addr.s_addr) >> 24) != 127) {
                return 0;
            }

            break;

#if (NGX_HAVE_INET6)
        case AF_INET6:
            sin6 = (struct sockaddr_in6 *) addrs[i].sockaddr;

            if (!IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr)) {
                return 0;
            }

            break;
#endif

        default:
            return 0;
        }
    }

    return naddrs != 0;
}


/* a bundle is large: hosts and channels that trust the same share it */

static ngx_int_t
ngx_http_paygw_endpoint_ssl(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_http_paygw_host_t *host)
{
    ngx_uint_t                  i;
    ngx_http_paygw_keyring_t  **other;

    if (!host->https) {
        return NGX_OK;
    }

    if (kr->ssl == NULL && kr->trusted.len
        && ngx_conf_full_name(cf->cycle, &kr->trusted, 1) != NGX_OK)
    {
        return NGX_ERROR;
    }

    other = mcf->keyrings.elts;

    for (i = 0; kr->ssl == NULL && i < mcf->keyrings.nelts; i++) {

        if (other[i]->ssl && other[i]->trusted.len == kr->trusted.len
            && (kr->trusted.len == 0
                || ngx_strncmp(other[i]->trusted.data, kr->trusted.data,
                               kr->trusted.len)
                   == 0))
        {
            kr->ssl = other[i]->ssl;
        }
    }

    if (kr->ssl == NULL) {
        kr->ssl = ngx_paygw_tls_create(cf, &kr->trusted);
    }

    host->tls.ssl = kr->ssl;

    return host->tls.ssl ? NGX_OK : NGX_ERROR;
}
