
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
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
