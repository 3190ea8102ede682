
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_explain.h"
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_body.h"
#include "ngx_http_paygw_headers.h"


/* What of a request is a call, and whether that is genuine. */


static ngx_int_t ngx_http_paygw_auth_params(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_uint_t ngx_http_paygw_auth_type(ngx_http_request_t *r,
    const ngx_str_t *type);
static ngx_int_t ngx_http_paygw_auth_query(ngx_paygw_call_t *call,
    ngx_str_t *query);
static ngx_int_t ngx_http_paygw_auth_target(ngx_http_paygw_gate_ctx_t *ctx);


/* of a body with parameters */

static const ngx_str_t  ngx_http_paygw_auth_types[] = {
    ngx_string("application/json"),
    ngx_string("application/x-www-form-urlencoded")
};


void
ngx_http_paygw_auth_fill(ngx_http_paygw_gate_ctx_t *ctx)
{
    u_char                      *p;
    ngx_paygw_call_t            *call;
    ngx_http_request_t          *r;
    ngx_http_paygw_main_conf_t  *mcf;

    r = ctx->request;
    call = &ctx->call;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paygw_module);

    call->callers = &mcf->callers;
    call->allowed = ctx->lcf->auth.allowed;
    call->window = ctx->lcf->auth.window;
    call->style = ctx->lcf->auth.style;
    call->names = ctx->lcf->auth.names;
    call->repeats = (mcf->idems.nelts != 0);

    call->pool = r->pool;
    call->log = r->connection->log;
    call->now = ngx_time();
    call->target = r->unparsed_uri;

    if (r->headers_in.host) {
        call->host = r->headers_in.host->value;
    }

    /* an error page or X-Accel-Redirect changes r->method_name */

    call->method = r->request_line;

    p = ngx_strlchr(call->method.data, call->method.data + call->method.len,
                    ' ');
    if (p) {
        call->method.len = p - call->method.data;
    }

    if (call->style == NGX_PAYGW_CALL_HEADERS) {
        ngx_http_paygw_headers_collect(r, ngx_paygw_call_fields, call->fields,
                                       &call->repeated);
    }
}


ngx_int_t
ngx_http_paygw_auth_before(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_int_t          rc;
    ngx_paygw_call_t  *call;

    call = &ctx->call;

    if (call->style == NGX_PAYGW_CALL_HEADERS) {

        rc = ngx_paygw_call_parse(call);

        if (rc == NGX_OK) {
            rc = ngx_paygw_call_clock(call);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (ctx->request->headers_in.content_length_n
        > (off_t) ctx->lcf->body_max)
    {
        call->reason = NGX_PAYGW_REASON_TOO_LARGE;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_auth_verify(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_paygw_call_t    *call;
    ngx_http_request_t  *r;

    r = ctx->request;
    call = &ctx->call;

    if (call->style == NGX_PAYGW_CALL_PARAMS) {
        rc = ngx_http_paygw_auth_params(ctx);

        if (rc == NGX_OK) {
            rc = ngx_paygw_call_clock(call);
        }

        return (rc == NGX_OK) ? ngx_paygw_call_verify(call) : rc;
    }

    if (ngx_http_paygw_body_look(r, &call->body)
        > (off_t) ctx->lcf->body_max)
    {
        call->reason = NGX_PAYGW_REASON_TOO_LARGE;
        return NGX_DECLINED;
    }

    if (call->body.len > NGX_PAYGW_EXPLAIN_MAX) {
        ngx_str_null(&call->body);
    }

    if (ctx->digest.rc != NGX_OK || ngx_http_paygw_auth_target(ctx) != NGX_OK)
    {
        call->reason = NGX_PAYGW_REASON_INTERNAL;
        return NGX_ERROR;
    }

    ngx_memcpy(call->body_sha256, ctx->digest.sha256, NGX_PAYGW_SHA256_LEN);

    return ngx_paygw_call_verify(call);
}


static ngx_int_t
ngx_http_paygw_auth_params(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_int_t          rc;
    ngx_str_t          query, body;
    ngx_uint_t         json;
    ngx_paygw_call_t  *call;

    call = &ctx->call;

    rc = ngx_http_paygw_body_get(ctx->request, ctx->lcf->body_max, &body);

    if (rc != NGX_OK) {
        call->reason = (rc == NGX_DECLINED) ? NGX_PAYGW_REASON_TOO_LARGE
                                            : NGX_PAYGW_REASON_INTERNAL;
        return rc;
    }

    json = ngx_http_paygw_auth_type(ctx->request,
                                    &ngx_http_paygw_auth_types[0]);

    if (body.len && !json
        && !ngx_http_paygw_auth_type(ctx->request,
                                     &ngx_http_paygw_auth_types[1]))
    {
        call->reason = NGX_PAYGW_REASON_CONTENT_TYPE;
        return NGX_DECLINED;
    }

    if (ngx_http_paygw_auth_query(call, &query) != NGX_OK) {
        return NGX_ABORT;
    }

    return ngx_paygw_call_parse_params(call, &query, &body, json);
}


/* the type alone or with parameters: "application/jsonx" is another one */

static ngx_uint_t
ngx_http_paygw_auth_type(ngx_http_request_t *r, const ngx_str_t *type)
{
    ngx_str_t  *value;

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    value = &r->headers_in.content_type->value;

    if (value->len < type->len
        || ngx_strncasecmp(value->data, type->data, type->len) != 0)
    {
        return 0;
    }

    return value->len == type->len || value->data[type->len] == ';'
           || value->data[type->len] == ' ';
}


/*
 * That of the request line, since r->args changes with a redirect.  Behind "#"
 * it ends for nginx and for many a shop: who stands between could cut off
 * parameters that are signed.
 */

static ngx_int_t
ngx_http_paygw_auth_query(ngx_paygw_call_t *call, ngx_str_t *query)
{
    u_char  *last;

    last = call->target.data + call->target.len;

    if (ngx_strlchr(call->target.data, last, '#')) {
        return ngx_paygw_call_refuse(call, NGX_ABORT,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "\"#\" in the target, it must be sent as "
                                     "%%23");
    }

    query->data = ngx_strlchr(call->target.data, last, '?');
    query->len = 0;

    if (query->data) {
        query->data++;
        query->len = last - query->data;
    }

    return NGX_OK;
}


/* the target as many a client signs it by mistake, unless that is the same */

static ngx_int_t
ngx_http_paygw_auth_target(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_str_t           *decoded;
    ngx_http_request_t  *r;

    r = ctx->request;
    decoded = &ctx->call.decoded;

    if (r->internal || (!r->quoted_uri && !r->complex_uri && !r->plus_in_uri))
    {
        return NGX_OK;
    }

    decoded->data = ngx_pnalloc(r->pool, r->uri.len + 1 + r->args.len);
    if (decoded->data == NULL) {
        return NGX_ERROR;
    }

    decoded->len = ngx_sprintf(decoded->data, "%V%s%V", &r->uri,
                               r->args.len ? "?" : "", &r->args)
                   - decoded->data;

    return NGX_OK;
}
