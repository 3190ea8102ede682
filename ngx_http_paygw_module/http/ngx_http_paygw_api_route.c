
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"


/* Which operation a method and a URI are, and whose. */


/* segments of a path below the location */
#define NGX_HTTP_PAYGW_API_SEGMENTS  4


/* a path: of its segments those with ":" stand for what the caller says */

typedef struct {
    ngx_uint_t                   method;
    ngx_paygw_op_e               op;
    ngx_uint_t                   n;
    const char                  *segments[NGX_HTTP_PAYGW_API_SEGMENTS];
} ngx_http_paygw_api_path_t;


static ngx_int_t ngx_http_paygw_api_split(ngx_http_paygw_api_ctx_t *ctx,
    ngx_str_t *segments, ngx_uint_t *n);
static ngx_uint_t ngx_http_paygw_api_is(const ngx_http_paygw_api_path_t *p,
    ngx_str_t *segments, ngx_uint_t n);
static ngx_int_t ngx_http_paygw_api_ids(ngx_http_paygw_api_ctx_t *ctx,
    const ngx_http_paygw_api_path_t *p, ngx_str_t *segments);
static ngx_int_t ngx_http_paygw_api_args(ngx_http_paygw_api_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_api_arg(ngx_paygw_order_t *o, ngx_str_t *arg);


static const ngx_http_paygw_api_path_t  ngx_http_paygw_api_paths[] = {
    { NGX_HTTP_POST, NGX_PAYGW_OP_CREATE, 1,
      { "orders", NULL, NULL, NULL } },
    { NGX_HTTP_GET, NGX_PAYGW_OP_QUERY, 2,
      { "orders", ":order_id", NULL, NULL } },
    { NGX_HTTP_POST, NGX_PAYGW_OP_CLOSE, 3,
      { "orders", ":order_id", "close", NULL } },
    { NGX_HTTP_POST, NGX_PAYGW_OP_REFUND, 3,
      { "orders", ":order_id", "refunds", NULL } },
    { NGX_HTTP_GET, NGX_PAYGW_OP_REFUND_QUERY, 4,
      { "orders", ":order_id", "refunds", ":refund_id" } },
    { NGX_HTTP_GET, NGX_PAYGW_OP_BILL, 3,
      { "bills", ":channel", ":date", NULL } },
    { 0, NGX_PAYGW_OP_CREATE, 0, { NULL, NULL, NULL, NULL } }
};


ngx_int_t
ngx_http_paygw_api_route(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_str_t                         segments[NGX_HTTP_PAYGW_API_SEGMENTS];
    ngx_uint_t                        n;
    const ngx_http_paygw_api_path_t  *p;

    ctx->order.code = NGX_PAYGW_CODE_NO_RESOURCE;

    if (ngx_http_paygw_api_split(ctx, segments, &n) != NGX_OK) {
        return NGX_DECLINED;
    }

    for (p = ngx_http_paygw_api_paths; p->n; p++) {

        if (!ngx_http_paygw_api_is(p, segments, n)) {
            continue;
        }

        if (ctx->request->method != p->method) {
            ctx->order.code = NGX_PAYGW_CODE_BAD_METHOD;
            return NGX_DECLINED;
        }

        ctx->order.op = p->op;
        ctx->routed = 1;

        return ngx_http_paygw_api_ids(ctx, p, segments);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_paygw_api_split(ngx_http_paygw_api_ctx_t *ctx, ngx_str_t *segments,
    ngx_uint_t *n)
{
    u_char     *p, *last, *end;
    ngx_str_t  *uri, *prefix;

    uri = &ctx->request->uri;
    prefix = &ctx->conf->prefix;

    if (uri->len < prefix->len
        || ngx_strncmp(uri->data, prefix->data, prefix->len) != 0)
    {
        /* "rewrite" has made another path of it */
        return NGX_DECLINED;
    }

    p = uri->data + prefix->len;
    last = uri->data + uri->len;

    for (*n = 0; /* void */ ; (*n)++) {

        if (*n == NGX_HTTP_PAYGW_API_SEGMENTS) {
            return NGX_DECLINED;
        }

        end = ngx_strlchr(p, last, '/');

        if (end == NULL) {
            end = last;
        }

        segments[*n].data = p;
        segments[*n].len = end - p;

        if (end == last) {
            (*n)++;
            return NGX_OK;
        }

        p = end + 1;
    }
}


/* a segment with "_" in it, ":channel" and ":date" stand for any */

static ngx_uint_t
ngx_http_paygw_api_is(const ngx_http_paygw_api_path_t *p, ngx_str_t *segments,
    ngx_uint_t n)
{
    ngx_uint_t   i;
    const char  *s;

    if (p->n != n) {
        return 0;
    }

    for (i = 0; i < n; i++) {

        s = p->segments[i];

        if (s[0] != ':'
            && (segments[i].len != ngx_strlen(s)
                || ngx_strncmp(segments[i].data, s, segments[i].len) != 0))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_paygw_api_ids(ngx_http_paygw_api_ctx_t *ctx,
    const ngx_http_paygw_api_path_t *p, ngx_str_t *segments)
{
    ngx_uint_t          i;
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    for (i = 1; i < p->n; i++) {

        if (ngx_strcmp(p->segments[i], ":order_id") == 0) {

            if (ngx_paygw_order_read_id(o, "order_id", &segments[i])
                != NGX_OK)
            {
                return NGX_DECLINED;
            }

            o->id = segments[i];

        } else if (ngx_strcmp(p->segments[i], ":refund_id") == 0) {

            if (ngx_paygw_order_read_id(o, "refund_id", &segments[i])
                != NGX_OK)
            {
                return NGX_DECLINED;
            }

            o->refund_id = segments[i];

        } else if (ngx_strcmp(p->segments[i], ":channel") == 0) {
            o->channel = segments[i];

        } else if (ngx_strcmp(p->segments[i], ":date") == 0
                   && ngx_paygw_order_read_date(o, &segments[i], ngx_time())
                      != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return ngx_http_paygw_api_args(ctx);
}


/* "channel=NAME" and "ref=REF", each once; a body says it itself */

static ngx_int_t
ngx_http_paygw_api_args(ngx_http_paygw_api_ctx_t *ctx)
{
    u_char             *p, *last, *end;
    ngx_str_t           arg;
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    if (ctx->request->args.len == 0) {
        return NGX_OK;
    }

    p = ctx->request->args.data;
    last = p + ctx->request->args.len;

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');

        if (end == NULL) {
            end = last;
        }

        arg.data = p;
        arg.len = end - p;

        if (ngx_http_paygw_api_arg(o, &arg) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_api_arg(ngx_paygw_order_t *o, ngx_str_t *arg)
{
    u_char     *end;
    ngx_str_t   value;

    if (o->op != NGX_PAYGW_OP_QUERY && o->op != NGX_PAYGW_OP_REFUND_QUERY) {
        goto unknown;
    }

    if (arg->len > 8 && o->channel.len == 0
        && ngx_strncmp(arg->data, "channel=", 8) == 0)
    {
        o->channel.data = arg->data + 8;
        o->channel.len = arg->len - 8;

        return NGX_OK;
    }

    if (arg->len > 4 && o->ref.len == 0
        && ngx_strncmp(arg->data, "ref=", 4) == 0)
    {
        value.data = arg->data + 4;
        value.len = arg->len - 4;

        return ngx_paygw_order_read_ref(o, &value);
    }

unknown:

    end = ngx_strlchr(arg->data, arg->data + arg->len, '=');

    /* what has no name may be a secret, and is not repeated */

    arg->len = end ? (size_t) (end - arg->data) : 0;

    return ngx_paygw_order_unknown(o, arg,
                                   "is no argument of this URL, or is there "
                                   "twice or empty");
}


ngx_int_t
ngx_http_paygw_api_channel(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_conf_t **call)
{
    ngx_uint_t                  i;
    ngx_http_paygw_api_conf_t  *conf;

    conf = ctx->conf;

    if (ctx->order.channel.len == 0) {

        if (conf->ncalls == 1) {
            *call = conf->calls;
            return NGX_OK;
        }

        return ngx_paygw_order_missing(&ctx->order, "channel");
    }

    for (i = 0; i < conf->ncalls; i++) {
        if (ngx_paygw_order_same(&conf->calls[i].name, &ctx->order.channel)) {
            *call = &conf->calls[i];
            return NGX_OK;
        }
    }

    return ngx_paygw_order_invalid(&ctx->order, "channel",
                                   "is none of this location");
}
