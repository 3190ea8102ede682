
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_headers.h"
#include "ngx_http_paygw_message.h"


static ngx_uint_t ngx_http_paygw_message_type(ngx_http_request_t *r,
    ngx_paygw_channel_t *ch);


ngx_paygw_reason_e
ngx_http_paygw_message_preflight(ngx_http_paygw_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (r->method != NGX_HTTP_POST) {
        return NGX_PAYGW_REASON_METHOD;
    }

    if (!ngx_http_paygw_message_type(r, ctx->notify.channels[0])) {
        return NGX_PAYGW_REASON_CONTENT_TYPE;
    }

    if (r->headers_in.content_length_n > (off_t) ctx->lcf->body_max) {
        return NGX_PAYGW_REASON_TOO_LARGE;
    }

    return NGX_PAYGW_REASON_NONE;
}


static ngx_uint_t
ngx_http_paygw_message_type(ngx_http_request_t *r, ngx_paygw_channel_t *ch)
{
    u_char           *p, *last;
    ngx_str_t        *type;
    const ngx_str_t  *want;

    if (ch->content_types == NULL) {
        return 1;
    }

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    type = &r->headers_in.content_type->value;
    last = type->data + type->len;

    for (want = ch->content_types; want->len; want++) {

        if (type->len < want->len
            || (ngx_memcmp(type->data, want->data, want->len) != 0
                && ngx_strncasecmp(type->data, want->data, want->len) != 0))
        {
            continue;
        }

        p = type->data + want->len;

        if (p == last || *p == ';' || *p == ' ' || *p == '\t') {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_paygw_message_fill(ngx_http_paygw_ctx_t *ctx)
{
    const ngx_str_t       *names;
    ngx_http_request_t    *r;
    ngx_paygw_message_t   *msg;

    r = ctx->request;
    msg = &ctx->notify.msg;
    names = ctx->notify.channels[0]->headers;

    /* a callback that has waited for a key is read again */

    ngx_memzero(msg->headers, sizeof(msg->headers));
    msg->repeated = 0;

    msg->method = r->method_name;
    msg->target = r->unparsed_uri;
    msg->now = ngx_time();

    if (names) {
        ngx_http_paygw_headers_collect(r, names, msg->headers, &msg->repeated);
    }
}


ngx_int_t
ngx_http_paygw_message_verify(ngx_paygw_notify_t *n, ngx_str_t *id)
{
    ngx_int_t  rc;

    rc = n->provider->parse(n);

    if (rc == NGX_OK) {
        rc = n->provider->verify(n);
    }

    if (rc == NGX_OK) {
        n->genuine = 1;
        rc = n->provider->event(n);
    }

    if (rc == NGX_OK && ngx_paygw_event_id(n, id) != NGX_OK) {
        n->reason = NGX_PAYGW_REASON_INTERNAL;
        return NGX_ERROR;
    }

    return rc;
}
