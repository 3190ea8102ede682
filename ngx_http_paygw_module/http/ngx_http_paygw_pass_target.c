
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_body.h"
#include "ngx_http_paygw_download.h"
#include "ngx_http_paygw_headers.h"
#include "ngx_http_paygw_pass.h"


static ngx_int_t ngx_http_paygw_pass_target(ngx_http_paygw_pass_ctx_t *ctx);
static ngx_uint_t ngx_http_paygw_pass_clean(ngx_http_request_t *r,
    ngx_str_t *prefix, ngx_str_t *raw);
static u_char *ngx_http_paygw_pass_hex(u_char *p, u_char *c);


ngx_int_t
ngx_http_paygw_pass_read(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_int_t               rc;
    const ngx_str_t        *asks;
    ngx_http_request_t     *r;
    ngx_http_paygw_host_t  *host;
    ngx_paygw_exchange_t   *x;

    r = ctx->request;
    x = &ctx->exchange;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_POST|NGX_HTTP_PUT
                       |NGX_HTTP_PATCH|NGX_HTTP_DELETE)))
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED, NGX_PAYGW_REASON_METHOD,
                                "the method cannot be passed");
    }

    rc = ngx_http_paygw_body_get(r,
              ngx_http_paygw_transport_body_max(ctx->lcf,
                                                ctx->conf->channel->upper),
              &x->in.body);

    if (rc == NGX_DECLINED) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_TOO_LARGE,
                                "the body is larger than paygw_body_max");
    }

    if (rc == NGX_OK) {
        rc = ngx_http_paygw_pass_target(ctx);
    }

    if (rc == NGX_DECLINED) {
        return rc;
    }

    if (rc != NGX_OK) {
        return ngx_paygw_refuse(&x->n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                NULL);
    }

    x->in.method = r->method_name;

    ngx_http_paygw_auth_value(r, NGX_HTTP_PAYGW_VALUE_MERCHANT,
                              &x->merchant);

    if (r->headers_in.content_type) {
        x->type = r->headers_in.content_type->value;
    }

    asks = ctx->conf->channel->asks;

    ngx_http_paygw_headers_collect(r, asks ? asks : x->n.provider->api->asks,
                                   x->in.headers, &x->in.repeated);

    host = ((ngx_http_paygw_keyring_t *) ctx->conf->channel->upper)->hosts;

    x->endpoint = host->url;
    x->base = host->uri;

    return ngx_http_paygw_download_read(ctx);
}


/*
 * The URI with another beginning: as the caller has spelled it where nothing
 * is left to normalise, since a provider may sign what it sees; else as nginx
 * understands it.  What is signed is what is sent in any case, and the path
 * that decides what kind of call it is the same one.
 */

static ngx_int_t
ngx_http_paygw_pass_target(ngx_http_paygw_pass_ctx_t *ctx)
{
    u_char                      *p;
    size_t                       len, escape;
    ngx_str_t                    rest, raw, uri;
    ngx_http_request_t          *r;
    ngx_paygw_exchange_t        *x;
    ngx_http_paygw_pass_conf_t  *conf;

    r = ctx->request;
    x = &ctx->exchange;
    conf = ctx->conf;

    rest = r->uri;
    uri = conf->uri;

    if (rest.len >= conf->prefix.len
        && ngx_strncmp(rest.data, conf->prefix.data, conf->prefix.len) == 0)
    {
        rest.data += conf->prefix.len;
        rest.len -= conf->prefix.len;

    } else {
        /* "rewrite ... break" has made another one: that is all of it */
        uri.len = 0;
    }

    x->path.len = uri.len + rest.len;
    x->path.data = ngx_pnalloc(r->pool, x->path.len);
    if (x->path.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(x->path.data, uri.data, uri.len);
    ngx_memcpy(p, rest.data, rest.len);

    len = uri.len + 1 + r->args.len;
    escape = 0;

    if (ngx_http_paygw_pass_clean(r, &conf->prefix, &raw)) {
        len += raw.len;

    } else {
        raw.data = NULL;
        escape = 2 * ngx_escape_uri(NULL, rest.data, rest.len,
                                    NGX_ESCAPE_URI);
        len += rest.len + escape;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    x->in.target.data = p;

    p = ngx_cpymem(p, uri.data, uri.len);

    if (raw.data) {
        p = ngx_cpymem(p, raw.data, raw.len);

    } else if (escape) {
        p = (u_char *) ngx_escape_uri(p, rest.data, rest.len,
                                      NGX_ESCAPE_URI);

    } else {
        p = ngx_cpymem(p, rest.data, rest.len);
    }

    if (r->args.len) {
        *p++ = '?';
        p = ngx_cpymem(p, r->args.data, r->args.len);
    }

    x->in.target.len = p - x->in.target.data;

    /* "set $args" of a location may have decoded what was in them */

    for (p = x->in.target.data; p < x->in.target.data + x->in.target.len; p++)
    {
        if (*p <= ' ' || *p == 0x7f) {
            return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                    NGX_PAYGW_REASON_MALFORMED,
                                    "the URI holds spaces or controls");
        }
    }

    return NGX_OK;
}


/*
 * 1 if the path of the request line is that of r->uri but for its percent
 * signs, and begins with the prefix; raw is set to what follows that
 */

static ngx_uint_t
ngx_http_paygw_pass_clean(ngx_http_request_t *r, ngx_str_t *prefix,
    ngx_str_t *raw)
{
    u_char      c, *p, *last, *end;
    ngx_uint_t  i;

    if (!r->valid_unparsed_uri
        || r->unparsed_uri.len < prefix->len
        || ngx_strncmp(r->unparsed_uri.data, prefix->data, prefix->len) != 0)
    {
        return 0;
    }

    last = r->unparsed_uri.data + r->unparsed_uri.len;
    end = ngx_strlchr(r->unparsed_uri.data, last, '?');

    if (end == NULL) {
        end = last;
    }

    i = 0;

    for (p = r->unparsed_uri.data; p < end; i++) {

        c = *p;

        if (c != '%') {
            p++;

        } else if (end - p < 3) {
            return 0;

        } else {
            p = ngx_http_paygw_pass_hex(p + 1, &c);
        }

        if (i == r->uri.len || r->uri.data[i] != c) {
            return 0;
        }
    }

    raw->data = r->unparsed_uri.data + prefix->len;
    raw->len = end - raw->data;

    return i == r->uri.len;
}


/* nginx has refused anything but two hexadecimal digits */

static u_char *
ngx_http_paygw_pass_hex(u_char *p, u_char *c)
{
    *c = (u_char) ngx_hextoi(p, 2);

    return p + 2;
}
