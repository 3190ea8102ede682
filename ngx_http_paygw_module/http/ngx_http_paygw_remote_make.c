
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_apply.h"
#include "ngx_http_paygw_remote.h"
#include "ngx_http_paygw_resolve.h"


/* The location of a host, and the upstream that it has for itself. */


/* idle connections of a worker to a host, and how long they live */
#define NGX_HTTP_PAYGW_REMOTE_IDLE     "16"
#define NGX_HTTP_PAYGW_REMOTE_TIMEOUT  "15s"

/* the head of an answer, and each of the buffers of its body */
#define NGX_HTTP_PAYGW_REMOTE_BUFFER   16384
#define NGX_HTTP_PAYGW_REMOTE_BUFFERS  8


static ngx_int_t ngx_http_paygw_remote_upstream(ngx_conf_t *cf,
    ngx_http_paygw_keyring_t *kr, ngx_uint_t n);
static ngx_int_t ngx_http_paygw_remote_proxy(ngx_conf_t *cf,
    ngx_http_paygw_keyring_t *kr, ngx_uint_t n);
static ngx_int_t ngx_http_paygw_remote_words(ngx_conf_t *cf,
    ngx_http_paygw_keyring_t *kr, ngx_uint_t n);
static ngx_int_t ngx_http_paygw_remote_client(ngx_conf_t *cf,
    ngx_http_paygw_keyring_t *kr, ngx_http_conf_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_remote_buffers(ngx_conf_t *cf,
    ngx_http_conf_ctx_t *ctx);
static void ngx_http_paygw_remote_alone(ngx_conf_t *cf,
    ngx_http_conf_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_remote_bundle(ngx_conf_t *cf,
    ngx_http_paygw_keyring_t *kr, ngx_http_conf_ctx_t *ctx);


/* set in every case: with a user's line of the same name there is no other */

static const char  *ngx_http_paygw_remote_always[][8] = {
    { "proxy_http_version", "1.1", NULL, NULL },
    { "proxy_set_header", "Connection", "", NULL },
    { "proxy_ssl_verify", "on", NULL, NULL },
    { "proxy_ignore_client_abort", "on", NULL, NULL },
    { "proxy_method", "$paygw_remote_method", NULL, NULL },
    { "proxy_pass_request_body", "on", NULL, NULL },
    { "proxy_pass_request_headers", "on", NULL, NULL },
    { "proxy_request_buffering", "on", NULL, NULL },
    { "proxy_buffering", "on", NULL, NULL },
    { "proxy_max_temp_file_size", "0", NULL, NULL },
    { "proxy_limit_rate", "0", NULL, NULL },
    { "proxy_force_ranges", "off", NULL, NULL },
    { "proxy_intercept_errors", "off", NULL, NULL },
    { "proxy_ignore_headers", "X-Accel-Redirect", "X-Accel-Expires",
      "X-Accel-Limit-Rate", "X-Accel-Buffering", "X-Accel-Charset", NULL },
    { "proxy_redirect", "off", NULL, NULL },
    { "proxy_store", "off", NULL, NULL },
    { "proxy_cache", "off", NULL, NULL },
    { "proxy_next_upstream", "error", "timeout", NULL },
    { "proxy_next_upstream_tries", "0", NULL, NULL },
    { NULL, NULL, NULL, NULL }
};


/* set if the user has not */

static const char  *ngx_http_paygw_remote_otherwise[][4] = {
    { "proxy_bind", "off", NULL, NULL },
    { "proxy_connect_timeout", "1s", NULL, NULL },
    { "proxy_send_timeout", "2s", NULL, NULL },
    { "proxy_read_timeout", "2s", NULL, NULL },
    { "proxy_socket_keepalive", "off", NULL, NULL },
    { "proxy_ssl_ciphers", "DEFAULT", NULL, NULL },
    { "proxy_ssl_crl", "", NULL, NULL },
    { "proxy_ssl_protocols", "TLSv1.2", "TLSv1.3", NULL },
    { "proxy_ssl_server_name", "on", NULL, NULL },
    { "proxy_ssl_session_reuse", "on", NULL, NULL },
    { "proxy_ssl_verify_depth", "4", NULL, NULL },
    { NULL, NULL, NULL, NULL }
};


ngx_int_t
ngx_http_paygw_remote_make(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_uint_t n)
{
    u_char                    *p;
    ngx_http_core_loc_conf_t  *clcf, *server;
    ngx_http_paygw_remote_t   *remote;

    remote = &kr->remotes[n];

    p = ngx_pnalloc(cf->pool, sizeof("/paygw..0") + kr->channel->name.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    clcf = remote->ctx->loc_conf[ngx_http_core_module.ctx_index];
    server = mcf->remote->loc_conf[ngx_http_core_module.ctx_index];

    clcf->loc_conf = remote->ctx->loc_conf;
    clcf->exact_match = 1;
    clcf->name.data = p;
    clcf->name.len = ngx_sprintf(p, "/paygw.%V.%ui%Z", &kr->channel->name, n)
                     - p - 1;

    remote->name.data = clcf->name.data + 1;
    remote->name.len = clcf->name.len - 1;
    remote->host = &kr->hosts[n];
    remote->channel = kr->channel;

    if (ngx_http_add_location(cf, &server->locations, clcf) != NGX_OK
        || ngx_http_paygw_remote_upstream(cf, kr, n) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_paygw_remote_proxy(cf, kr, n);
}


/*
 * Connections are kept for this host and this TLS alone: those of an upstream
 * that others share might have been made without a look at the certificate.
 */

static ngx_int_t
ngx_http_paygw_remote_upstream(ngx_conf_t *cf, ngx_http_paygw_keyring_t *kr,
    ngx_uint_t n)
{
    ngx_url_t                      u;
    ngx_http_conf_ctx_t           *ctx;
    ngx_http_upstream_srv_conf_t  *uscf;

    static const char  *keepalive[] = { "keepalive",
                                        NGX_HTTP_PAYGW_REMOTE_IDLE, NULL };
    static const char  *timeout[] = { "keepalive_timeout",
                                      NGX_HTTP_PAYGW_REMOTE_TIMEOUT, NULL };

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.host = kr->remotes[n].name;
    u.no_resolve = 1;
    u.no_port = 1;

    uscf = ngx_http_upstream_add(cf, &u, NGX_HTTP_UPSTREAM_CREATE
                                         |NGX_HTTP_UPSTREAM_WEIGHT
                                         |NGX_HTTP_UPSTREAM_MAX_CONNS
                                         |NGX_HTTP_UPSTREAM_MAX_FAILS
                                         |NGX_HTTP_UPSTREAM_FAIL_TIMEOUT
                                         |NGX_HTTP_UPSTREAM_DOWN
                                         |NGX_HTTP_UPSTREAM_BACKUP);
    if (uscf == NULL) {
        return NGX_ERROR;
    }

    ctx = ngx_http_paygw_apply_ctx(cf, cf->ctx, 1);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->srv_conf[ngx_http_upstream_module.ctx_index] = uscf;
    uscf->srv_conf = ctx->srv_conf;

    /* before "keepalive", which stands around what it finds here */

    uscf->peer.init_upstream = ngx_http_paygw_resolve_init;
    uscf->peer.data = &kr->remotes[n];

    if (ngx_http_paygw_apply_words(cf, ctx, NGX_HTTP_UPS_CONF, keepalive)
        != NGX_OK
        || ngx_http_paygw_apply_words(cf, ctx, NGX_HTTP_UPS_CONF, timeout)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_remote_proxy(ngx_conf_t *cf, ngx_http_paygw_keyring_t *kr,
    ngx_uint_t n)
{
    u_char                    *p;
    ngx_str_t                 *line, *host;
    ngx_http_conf_ctx_t       *ctx;
    ngx_http_core_loc_conf_t  *clcf;

    static ngx_str_t  pass = ngx_string("proxy_pass");
    static ngx_str_t  header = ngx_string("proxy_set_header");
    static ngx_str_t  ssl_name = ngx_string("proxy_ssl_name");

    ctx = kr->remotes[n].ctx;
    host = &kr->hosts[n].host;

    line = ngx_palloc(cf->pool, 7 * sizeof(ngx_str_t));
    p = ngx_pnalloc(cf->pool, sizeof("https://") + kr->remotes[n].name.len);

    if (line == NULL || p == NULL) {
        return NGX_ERROR;
    }

    line[0] = pass;
    line[1].data = p;
    line[1].len = ngx_sprintf(p, "http%s://%V%Z",
                              kr->hosts[n].https ? "s" : "",
                              &kr->remotes[n].name)
                  - p - 1;

    line[2] = header;
    ngx_str_set(&line[3], "Host");
    line[4] = *host;

    line[5] = ssl_name;
    line[6] = kr->hosts[n].tls.name;

    if (ngx_http_paygw_remote_words(cf, kr, n) != NGX_OK
        || ngx_http_paygw_apply(cf, ctx, NGX_HTTP_LOC_CONF, &line[2], 3)
           != NGX_OK
        || (!ngx_http_paygw_remote_given(kr, "proxy_ssl_name")
            && ngx_http_paygw_apply(cf, ctx, NGX_HTTP_LOC_CONF, &line[5], 2)
               != NGX_OK)
        || ngx_http_paygw_remote_client(cf, kr, ctx) != NGX_OK
        || ngx_http_paygw_remote_bundle(cf, kr, ctx) != NGX_OK
        || ngx_http_paygw_apply(cf, ctx, NGX_HTTP_LOC_CONF, line, 2)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_paygw_remote_buffers(cf, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_paygw_remote_alone(cf, ctx);

    /* nor what http{} says of errors and sizes */

    clcf = ctx->loc_conf[ngx_http_core_module.ctx_index];

    clcf->error_pages = ngx_array_create(cf->pool, 1,
                                         sizeof(ngx_http_err_page_t));

    clcf->client_max_body_size = 0;

    return clcf->error_pages ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_paygw_remote_words(ngx_conf_t *cf, ngx_http_paygw_keyring_t *kr,
    ngx_uint_t n)
{
    ngx_uint_t            i;
    ngx_http_conf_ctx_t  *ctx;

    ctx = kr->remotes[n].ctx;

    for (i = 0; ngx_http_paygw_remote_always[i][0]; i++) {

        if (ngx_http_paygw_remote_given(kr,
                                        ngx_http_paygw_remote_always[i][0])
            && ngx_strcmp(ngx_http_paygw_remote_always[i][0],
                          "proxy_set_header")
               != 0)
        {
            continue;
        }

        if (ngx_http_paygw_apply_words(cf, ctx, NGX_HTTP_LOC_CONF,
                                       ngx_http_paygw_remote_always[i])
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    for (i = 0; ngx_http_paygw_remote_otherwise[i][0]; i++) {

        if (ngx_http_paygw_remote_given(kr,
                                     ngx_http_paygw_remote_otherwise[i][0]))
        {
            continue;
        }

        if (ngx_http_paygw_apply_words(cf, ctx, NGX_HTTP_LOC_CONF,
                                       ngx_http_paygw_remote_otherwise[i])
            == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * One of these sizes sets bounds to the others: those that the user has not
 * said follow the ones that he has, and none is of http{}.
 */

static ngx_int_t
ngx_http_paygw_remote_buffers(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx)
{
    size_t      *head, *busy, *file, max;
    ngx_bufs_t  *bufs;

    head = ngx_http_paygw_apply_field(cf, ctx, "proxy_buffer_size");
    bufs = ngx_http_paygw_apply_field(cf, ctx, "proxy_buffers");
    busy = ngx_http_paygw_apply_field(cf, ctx, "proxy_busy_buffers_size");
    file = ngx_http_paygw_apply_field(cf, ctx, "proxy_temp_file_write_size");

    if (head == NULL || bufs == NULL || busy == NULL || file == NULL) {
        return NGX_ERROR;
    }

    if (*head == NGX_CONF_UNSET_SIZE) {
        *head = NGX_HTTP_PAYGW_REMOTE_BUFFER;
    }

    if (bufs->num == 0) {
        bufs->num = NGX_HTTP_PAYGW_REMOTE_BUFFERS;
        bufs->size = ngx_max(*head, NGX_HTTP_PAYGW_REMOTE_BUFFER);
    }

    max = ngx_max(*head, bufs->size);

    if (*busy == NGX_CONF_UNSET_SIZE) {
        *busy = 2 * max;
    }

    *file = 2 * max;

    return NGX_OK;
}


ngx_uint_t
ngx_http_paygw_remote_is(ngx_conf_t *cf)
{
    ngx_str_t    *value;
    ngx_uint_t    i, k;
    const char  **words;

    value = cf->args->elts;

    for (i = 0; ngx_http_paygw_remote_always[i][0]; i++) {

        words = ngx_http_paygw_remote_always[i];

        for (k = 0; k < cf->args->nelts && words[k]; k++) {
            if (ngx_strcmp(value[k].data, words[k]) != 0) {
                break;
            }
        }

        if (k == cf->args->nelts && words[k] == NULL) {
            return 1;
        }
    }

    return 0;
}


/*
 * The certificate of the merchant goes to this host alone: a connection is
 * never used for another channel
 */

static ngx_int_t
ngx_http_paygw_remote_client(ngx_conf_t *cf, ngx_http_paygw_keyring_t *kr,
    ngx_http_conf_ctx_t *ctx)
{
    ngx_str_t            *line;
    ngx_paygw_channel_t  *ch;

    ch = kr->channel;

    if (ch->client_cert.len == 0) {
        return NGX_OK;
    }

    if (ngx_http_paygw_remote_given(kr, "proxy_ssl_certificate")
        || ngx_http_paygw_remote_given(kr, "proxy_ssl_certificate_key"))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "channel \"%V\" has a certificate of the merchant "
                           "and \"proxy_ssl_certificate\" or its key, remove "
                           "the latter", &ch->name);
        return NGX_ERROR;
    }

    line = ngx_palloc(cf->pool, 4 * sizeof(ngx_str_t));
    if (line == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&line[0], "proxy_ssl_certificate");
    line[1] = ch->client_cert;
    ngx_str_set(&line[2], "proxy_ssl_certificate_key");
    line[3] = ch->client_key;

    if (ngx_http_paygw_apply(cf, ctx, NGX_HTTP_LOC_CONF, line, 2) != NGX_OK
        || ngx_http_paygw_apply(cf, ctx, NGX_HTTP_LOC_CONF, &line[2], 2)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * What has no value that turns it off is taken for one that was merged already:
 * a certificate that http{} shows to its own servers is none of a provider's
 * business, and a command for their TLS might undo ours.
 */

static void
ngx_http_paygw_remote_alone(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx)
{
    void       **field;
    ngx_uint_t   i;

    static const char  *names[] = { "proxy_ssl_certificate",
                                    "proxy_ssl_certificate_key",
                                    "proxy_ssl_conf_command", NULL };

    for (i = 0; names[i]; i++) {

        field = ngx_http_paygw_apply_field(cf, ctx, names[i]);

        if (field && *field == NGX_CONF_UNSET_PTR) {
            *field = NULL;
        }
    }
}


/* the CAs of the system, unless the channel names others */

static ngx_int_t
ngx_http_paygw_remote_bundle(ngx_conf_t *cf, ngx_http_paygw_keyring_t *kr,
    ngx_http_conf_ctx_t *ctx)
{
    static const char  *words[] = { "proxy_ssl_trusted_certificate",
                                    NGX_PAYGW_TLS_CA_BUNDLE, NULL };

    if (ngx_http_paygw_remote_given(kr, words[0])) {
        return NGX_OK;
    }

    return ngx_http_paygw_apply_words(cf, ctx, NGX_HTTP_LOC_CONF, words);
}


ngx_uint_t
ngx_http_paygw_remote_given(ngx_http_paygw_keyring_t *kr, const char *name)
{
    ngx_str_t   *given;
    ngx_uint_t   i;

    given = kr->given->elts;

    for (i = 0; i < kr->given->nelts; i++) {
        if (ngx_strcmp(given[i].data, name) == 0) {
            return 1;
        }
    }

    return 0;
}
