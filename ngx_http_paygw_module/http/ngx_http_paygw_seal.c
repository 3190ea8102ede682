
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_headers.h"
#include "ngx_http_paygw_hold.h"


/*
 * sign_response: the signature covers the bytes as they are sent, and stands in
 * a field in front of them, so the answer has been held back until its end.
 */


static ngx_int_t ngx_http_paygw_seal_hash(ngx_http_paygw_gate_ctx_t *ctx,
    u_char *sha256);
static ngx_int_t ngx_http_paygw_seal_field(ngx_http_request_t *r, char *name,
    ngx_str_t *value);


ngx_int_t
ngx_http_paygw_seal(ngx_http_paygw_gate_ctx_t *ctx)
{
    u_char               sha256[NGX_PAYGW_SHA256_LEN], *p;
    ngx_str_t            value, time;
    ngx_http_request_t  *r;

    r = ctx->request;

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 2 * NGX_PAYGW_SHA256_LEN);

    if (p == NULL || ngx_http_paygw_seal_hash(ctx, sha256) != NGX_OK) {
        return NGX_ERROR;
    }

    time.data = p;
    time.len = ngx_sprintf(p, "%T", ngx_time()) - p;

    p += time.len;

    if (ngx_http_paygw_seal_field(r, "X-Timestamp", &time) != NGX_OK
        || ngx_http_paygw_seal_field(r, "X-Nonce",
                                &ctx->call.fields[NGX_PAYGW_CALL_NONCE])
           != NGX_OK
        || ngx_paygw_call_seal(&ctx->call, r->headers_out.status, &time,
                               sha256, p)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    value.data = p;
    value.len = 2 * NGX_PAYGW_SHA256_LEN;

    return ngx_http_paygw_seal_field(r, "X-Signature", &value);
}


static ngx_int_t
ngx_http_paygw_seal_hash(ngx_http_paygw_gate_ctx_t *ctx, u_char *sha256)
{
    ngx_str_t    *part;
    ngx_array_t   parts;
    ngx_chain_t  *cl;

    if (ngx_array_init(&parts, ctx->request->pool, 4, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (cl = ctx->held; cl; cl = cl->next) {

        part = ngx_array_push(&parts);
        if (part == NULL) {
            return NGX_ERROR;
        }

        part->data = cl->buf->pos;
        part->len = cl->buf->last - cl->buf->pos;
    }

    return ngx_paygw_sha256(parts.elts, parts.nelts, sha256);
}


/* in place of one that the answer has */

static ngx_int_t
ngx_http_paygw_seal_field(ngx_http_request_t *r, char *name, ngx_str_t *value)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                h[i].hash = 0;
            }
        }
    }

    return ngx_http_paygw_headers_tell(r, name, value);
}
