
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_events.h"


/*
 * Who may read the events of an order.  A browser can sign nothing, so that the
 * URL itself says it:
 *
 *   PREFIX/orders/ORDER/events?token=KEY.UNTIL.MAC
 *
 * The scope of the token (ngx_paygw_token.h) is what the location knows orders
 * by.  It opens one order, to be read, until a time, and nothing else.
 */


static const ngx_str_t  ngx_http_paygw_events_head = ngx_string("orders/");
static const ngx_str_t  ngx_http_paygw_events_tail = ngx_string("/events");
static const ngx_str_t  ngx_http_paygw_events_arg = ngx_string("token=");


ngx_uint_t
ngx_http_paygw_events_uri(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf, ngx_str_t *id)
{
    u_char           *p, *last;
    ngx_str_t        *prefix;
    const ngx_str_t  *head, *tail;

    if (lcf->api == NULL || lcf->events == NULL) {
        return 0;
    }

    prefix = &lcf->api->prefix;
    head = &ngx_http_paygw_events_head;
    tail = &ngx_http_paygw_events_tail;

    p = r->uri.data;
    last = p + r->uri.len;

    if (r->uri.len <= prefix->len + head->len + tail->len
        || ngx_strncmp(p, prefix->data, prefix->len) != 0
        || ngx_strncmp(p + prefix->len, head->data, head->len) != 0
        || ngx_strncmp(last - tail->len, tail->data, tail->len) != 0)
    {
        return 0;
    }

    id->data = p + prefix->len + head->len;
    id->len = last - tail->len - id->data;

    return ngx_strlchr(id->data, id->data + id->len, '/') == NULL;
}


ngx_int_t
ngx_http_paygw_events_token(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf, ngx_str_t *id, time_t *until)
{
    ngx_str_t         token;
    const ngx_str_t  *arg;

    arg = &ngx_http_paygw_events_arg;
    token = r->args;

    if (lcf->events->keys.nelts == 0 || token.len < arg->len
        || ngx_strncmp(token.data, arg->data, arg->len) != 0)
    {
        return NGX_DECLINED;
    }

    token.data += arg->len;
    token.len -= arg->len;

    return ngx_paygw_token_check(&lcf->events->keys,
                                 ngx_http_paygw_events_scope(lcf->api), id,
                                 &token, ngx_time(), until);
}


ngx_int_t
ngx_http_paygw_events_url(ngx_http_paygw_api_ctx_t *ctx)
{
    u_char                        *p;
    ngx_str_t                     *prefix, *url, *id, token;
    ngx_http_paygw_events_conf_t  *ev;

    ev = ctx->lcf->events;
    id = &ctx->order.id;
    url = &ctx->order.events;
    prefix = ev->url.len ? &ev->url : &ctx->conf->prefix;

    if (ngx_paygw_token_make(ctx->request->pool, &ev->keys,
                             ngx_http_paygw_events_scope(ctx->conf), id,
                             ngx_time() + ev->ttl, &token)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(ctx->request->pool,
                    prefix->len + ngx_http_paygw_events_head.len + id->len
                    + ngx_http_paygw_events_tail.len + 1
                    + ngx_http_paygw_events_arg.len + token.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->data = p;
    url->len = ngx_sprintf(p, "%V%V%V%V?%V%V", prefix,
                           &ngx_http_paygw_events_head, id,
                           &ngx_http_paygw_events_tail,
                           &ngx_http_paygw_events_arg, &token)
               - p;

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_events_may(ngx_http_paygw_api_ctx_t *ctx, time_t *until)
{
    ngx_str_t                   id;
    ngx_http_request_t         *r;
    ngx_paygw_order_t          *o;
    ngx_http_paygw_gate_ctx_t  *gate;

    r = ctx->request;
    o = &ctx->order;

    *until = 0;

    o->op = NGX_PAYGW_OP_QUERY;

    (void) ngx_http_paygw_events_uri(r, ctx->lcf, &id);

    if (r->method != NGX_HTTP_GET) {
        return ngx_http_paygw_events_refuse(ctx, NGX_PAYGW_CODE_BAD_METHOD);
    }

    if (ngx_paygw_order_read_id(o, "order_id", &id) != NGX_OK) {
        return NGX_DECLINED;
    }

    o->id = id;

    switch (ngx_http_paygw_events_token(r, ctx->lcf, &id, until)) {

    case NGX_OK:
        ctx->opened = 1;
        break;

    case NGX_ABORT:
        ngx_http_paygw_events_turned_away(r, NGX_HTTP_PAYGW_EVENTS_BY_TOKEN);
        return ngx_http_paygw_events_refuse(ctx, NGX_PAYGW_CODE_BAD_TOKEN);

    default: /* NGX_DECLINED */

        if (r->args.len) {
            o->field = "?";
            o->hint = "an argument of the URL is not known";

            return ngx_http_paygw_events_refuse(ctx,
                                                NGX_PAYGW_CODE_UNKNOWN_FIELD);
        }

        gate = ngx_http_paygw_gate_ctx(r);

        /* whatever way the request has come here */

        if (ctx->lcf->auth.on && !ctx->lcf->auth.any
            && (gate == NULL || !ngx_http_paygw_auth_admits(gate, ctx->lcf)))
        {
            return ngx_http_paygw_events_refuse(ctx,
                                                NGX_PAYGW_CODE_BAD_TOKEN);
        }

        if (gate && gate->genuine && gate->lcf->auth.sign) {
            o->hint = ctx->lcf->events->keys.nelts
                      ? "a stream cannot be signed, use the token"
                      : "a stream cannot be signed, and there are no tokens: "
                        "paygw_events has no key";

            return ngx_http_paygw_events_refuse(ctx,
                                                NGX_PAYGW_CODE_UNSUPPORTED);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_events_refuse(ngx_http_paygw_api_ctx_t *ctx,
    ngx_paygw_code_e code)
{
    ctx->order.code = code;

    ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0,
                  "request for events rejected: %V",
                  &ngx_paygw_codes[code].name);

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_paygw_events_gate(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf)
{
    time_t                     until;
    ngx_int_t                  rc;
    ngx_str_t                  id;
    ngx_http_paygw_api_ctx_t  *ctx;
    ngx_http_core_loc_conf_t  *clcf;

    /* another handler of the location, by "if", has nothing to do with it */

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->handler != ngx_http_paygw_api_handler
        || r->method != NGX_HTTP_GET
        || !ngx_http_paygw_events_uri(r, lcf, &id))
    {
        return NGX_DECLINED;
    }

    rc = ngx_http_paygw_events_token(r, lcf, &id, &until);

    if (rc != NGX_ABORT) {
        return rc;
    }

    /* a browser cannot sign: what is wrong is the token, and not that */

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_paygw_api_create(r, lcf);
    if (ctx == NULL) {
        return NGX_DECLINED;
    }

    ctx->order.op = NGX_PAYGW_OP_QUERY;

    ngx_http_paygw_events_turned_away(r, NGX_HTTP_PAYGW_EVENTS_BY_TOKEN);

    (void) ngx_http_paygw_events_refuse(ctx, NGX_PAYGW_CODE_BAD_TOKEN);

    ngx_http_paygw_api_reply(ctx);

    return NGX_DONE;
}


ngx_uint_t
ngx_http_paygw_events_opened(ngx_http_request_t *r)
{
    ngx_http_paygw_api_ctx_t  *ctx;

    ctx = ngx_http_paygw_api_ctx(r);

    return ctx && ctx->opened;
}
