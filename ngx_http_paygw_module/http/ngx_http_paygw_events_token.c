
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
 * MAC is HMAC-SHA256 of "paygw-events", what the location knows orders by,
 * ORDER and UNTIL, under the secret of KEY, in base64url.  It opens one order,
 * to be read, until a time, and nothing else.
 */


#define NGX_HTTP_PAYGW_EVENTS_MAC   43      /* 32 bytes in base64url */
#define NGX_HTTP_PAYGW_EVENTS_UNTIL 12      /* digits of Unix seconds */


static ngx_int_t ngx_http_paygw_events_open(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf, ngx_str_t *id, ngx_str_t *token);
static ngx_int_t ngx_http_paygw_events_mac(ngx_http_paygw_events_key_t *key,
    ngx_http_paygw_api_conf_t *api, ngx_str_t *id, ngx_str_t *until,
    u_char *mac);
static ngx_uint_t ngx_http_paygw_events_part(ngx_str_t *text,
    ngx_str_t *part);


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
    ngx_http_paygw_loc_conf_t *lcf, ngx_str_t *id)
{
    ngx_str_t         token;
    const ngx_str_t  *arg;

    arg = &ngx_http_paygw_events_arg;
    token = r->args;

    if (token.len < arg->len
        || ngx_strncmp(token.data, arg->data, arg->len) != 0)
    {
        return NGX_DECLINED;
    }

    token.data += arg->len;
    token.len -= arg->len;

    return ngx_http_paygw_events_open(r, lcf, id, &token);
}


static ngx_int_t
ngx_http_paygw_events_open(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf, ngx_str_t *id, ngx_str_t *token)
{
    time_t                        end;
    u_char                        mac[NGX_HTTP_PAYGW_EVENTS_MAC];
    ngx_str_t                     name, until, code, made;
    ngx_uint_t                    i;
    ngx_http_paygw_events_key_t  *key;

    code = *token;

    if (!ngx_http_paygw_events_part(&code, &name)
        || !ngx_http_paygw_events_part(&code, &until)
        || until.len > NGX_HTTP_PAYGW_EVENTS_UNTIL)
    {
        return NGX_ABORT;
    }

    end = ngx_atotm(until.data, until.len);

    key = lcf->events->keys.elts;

    for (i = 0; i < lcf->events->keys.nelts; i++) {

        if (!ngx_paygw_order_same(&key[i].id, &name)) {
            continue;
        }

        if (ngx_http_paygw_events_mac(&key[i], lcf->api, id, &until, mac)
            != NGX_OK)
        {
            return NGX_ABORT;
        }

        made.data = mac;
        made.len = NGX_HTTP_PAYGW_EVENTS_MAC;

        return (ngx_paygw_equal(&made, &code) && end > ngx_time())
               ? NGX_OK : NGX_ABORT;
    }

    return NGX_ABORT;
}


/* mac has room for NGX_HTTP_PAYGW_EVENTS_MAC bytes */

static ngx_int_t
ngx_http_paygw_events_mac(ngx_http_paygw_events_key_t *key,
    ngx_http_paygw_api_conf_t *api, ngx_str_t *id, ngx_str_t *until,
    u_char *mac)
{
    u_char     out[NGX_PAYGW_SHA256_LEN];
    ngx_str_t  parts[6], src, dst;

    ngx_str_set(&parts[0], "paygw-events\n");
    parts[1] = api->home.len ? api->home : api->calls->name;
    ngx_str_set(&parts[2], "\n");
    parts[3] = *id;
    ngx_str_set(&parts[4], "\n");
    parts[5] = *until;

    if (ngx_paygw_hmac_sha256(&key->hmac, parts, 6, out) != NGX_OK) {
        return NGX_ERROR;
    }

    src.data = out;
    src.len = NGX_PAYGW_SHA256_LEN;

    dst.data = mac;

    ngx_encode_base64url(&dst, &src);

    return NGX_OK;
}


/* takes what stands before the next point */

static ngx_uint_t
ngx_http_paygw_events_part(ngx_str_t *text, ngx_str_t *part)
{
    u_char  *p;

    p = ngx_strlchr(text->data, text->data + text->len, '.');

    if (p == NULL || p == text->data) {
        return 0;
    }

    part->data = text->data;
    part->len = p - text->data;

    text->len -= part->len + 1;
    text->data = p + 1;

    return 1;
}


ngx_int_t
ngx_http_paygw_events_url(ngx_http_paygw_api_ctx_t *ctx)
{
    u_char                        *p, mac[NGX_HTTP_PAYGW_EVENTS_MAC];
    u_char                         buf[NGX_TIME_T_LEN];
    ngx_str_t                     *prefix, *url, *id, until;
    ngx_http_paygw_events_key_t   *key;
    ngx_http_paygw_events_conf_t  *ev;

    ev = ctx->lcf->events;
    key = ev->keys.elts;
    id = &ctx->order.id;
    url = &ctx->order.events;
    prefix = ev->url.len ? &ev->url : &ctx->conf->prefix;

    until.data = buf;
    until.len = ngx_sprintf(buf, "%T", ngx_time() + ev->ttl) - buf;

    if (ngx_http_paygw_events_mac(key, ctx->conf, id, &until, mac)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(ctx->request->pool,
                    prefix->len + ngx_http_paygw_events_head.len + id->len
                    + ngx_http_paygw_events_tail.len + 1
                    + ngx_http_paygw_events_arg.len + key->id.len + 1
                    + until.len + 1 + NGX_HTTP_PAYGW_EVENTS_MAC);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->data = p;
    url->len = ngx_sprintf(p, "%V%V%V%V?%V%V.%V.%*s", prefix,
                           &ngx_http_paygw_events_head, id,
                           &ngx_http_paygw_events_tail,
                           &ngx_http_paygw_events_arg, &key->id, &until,
                           (size_t) NGX_HTTP_PAYGW_EVENTS_MAC, mac)
               - p;

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_events_may(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_str_t                   id;
    ngx_http_request_t         *r;
    ngx_paygw_order_t          *o;
    ngx_http_paygw_gate_ctx_t  *gate;

    r = ctx->request;
    o = &ctx->order;

    o->op = NGX_PAYGW_OP_QUERY;

    (void) ngx_http_paygw_events_uri(r, ctx->lcf, &id);

    if (r->method != NGX_HTTP_GET) {
        return ngx_http_paygw_events_refuse(ctx, NGX_PAYGW_CODE_BAD_METHOD);
    }

    if (ngx_paygw_order_read_id(o, "order_id", &id) != NGX_OK) {
        return NGX_DECLINED;
    }

    o->id = id;

    switch (ngx_http_paygw_events_token(r, ctx->lcf, &id)) {

    case NGX_OK:
        ctx->opened = 1;
        break;

    case NGX_ABORT:
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
            o->hint = "a stream cannot be signed, use the token";

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

    rc = ngx_http_paygw_events_token(r, lcf, &id);

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
