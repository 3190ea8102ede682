
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
static ngx_int_t ngx_http_paygw_auth_target(ngx_http_paygw_gate_ctx_t *ctx);


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

    rc = ngx_http_paygw_body_sha256(r, ctx->lcf->body_max, call->body_sha256,
                                    &call->body);

    if (rc == NGX_OK) {

        if (call->body.len > NGX_PAYGW_EXPLAIN_MAX) {
            ngx_str_null(&call->body);
        }

        rc = ngx_http_paygw_auth_target(ctx);
    }

    if (rc != NGX_OK) {
        call->reason = (rc == NGX_DECLINED) ? NGX_PAYGW_REASON_TOO_LARGE
                                            : NGX_PAYGW_REASON_INTERNAL;
        return rc;
    }

    return ngx_paygw_call_verify(call);
}


static ngx_int_t
ngx_http_paygw_auth_params(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_str_t            query, body, *type;
    ngx_uint_t           json;
    ngx_paygw_call_t    *call;
    ngx_http_request_t  *r;

    r = ctx->request;
    call = &ctx->call;

    rc = ngx_http_paygw_body_get(r, ctx->lcf->body_max, &body);

    if (rc != NGX_OK) {
        call->reason = (rc == NGX_DECLINED) ? NGX_PAYGW_REASON_TOO_LARGE
                                            : NGX_PAYGW_REASON_INTERNAL;
        return rc;
    }

    json = 0;

    if (body.len) {
        type = r->headers_in.content_type
               ? &r->headers_in.content_type->value : NULL;

        json = (type && type->len >= sizeof("application/json") - 1
                && ngx_strncasecmp(type->data, (u_char *) "application/json",
                                   sizeof("application/json") - 1)
                   == 0);

        if (!json
            && (type == NULL
                || type->len < sizeof("application/x-www-form-urlencoded") - 1
                || ngx_strncasecmp(type->data,
                               (u_char *) "application/x-www-form-urlencoded",
                               sizeof("application/x-www-form-urlencoded") - 1)
                   != 0))
        {
            call->reason = NGX_PAYGW_REASON_CONTENT_TYPE;
            return NGX_DECLINED;
        }
    }

    /* that of the request line: r->args changes with a redirect */

    query.data = ngx_strlchr(call->target.data,
                             call->target.data + call->target.len, '?');
    query.len = 0;

    if (query.data) {
        query.data++;
        query.len = call->target.data + call->target.len - query.data;
    }

    return ngx_paygw_call_parse_params(call, &query, &body, json);
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
