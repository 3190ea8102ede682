
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_auth.h"


/*
 * sign_response: the signature covers the bytes as they are sent, so this
 * stands below all filters that change an answer, and it stands in a field in
 * front of them, so the answer is held back until its end.  One that is too
 * large for that, or that breaks off, is a 502, which is signed in its turn.
 */


#define NGX_HTTP_PAYGW_SEAL_BUFFER  4096


static ngx_int_t ngx_http_paygw_seal_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_paygw_seal_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_http_paygw_gate_ctx_t *ngx_http_paygw_seal_ctx(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_paygw_seal_keep(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_buf_t *b);
static ngx_int_t ngx_http_paygw_seal_room(ngx_http_paygw_gate_ctx_t *ctx,
    size_t size);
static ngx_int_t ngx_http_paygw_seal_send(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_seal_sign(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_seal_hash(ngx_http_paygw_gate_ctx_t *ctx,
    u_char *sha256);
static ngx_int_t ngx_http_paygw_seal_field(ngx_http_request_t *r, char *name,
    ngx_str_t *value);
static ngx_int_t ngx_http_paygw_seal_give_up(ngx_http_paygw_gate_ctx_t *ctx,
    const char *why);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


static ngx_int_t
ngx_http_paygw_seal_header_filter(ngx_http_request_t *r)
{
    ngx_http_paygw_gate_ctx_t  *ctx;

    ctx = ngx_http_paygw_seal_ctx(r);

    if (ctx == NULL || ctx->sealed) {
        return ngx_http_next_header_filter(r);
    }

    /* an answer that was begun and has failed is not sent */

    ctx->held = NULL;
    ctx->last = &ctx->held;
    ctx->buf = NULL;
    ctx->size = 0;

    if (r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS) {
        return ngx_http_paygw_seal_give_up(ctx, "is a change of protocol");
    }

    if (r->header_only || r->method == NGX_HTTP_HEAD
        || r->headers_out.status == NGX_HTTP_NO_CONTENT
        || r->headers_out.status == NGX_HTTP_NOT_MODIFIED)
    {
        /* no body will follow */

        ctx->holding = 0;

        if (ngx_http_paygw_seal_sign(ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_next_header_filter(r);
    }

    if (r->headers_out.content_length_n
        > (off_t) ctx->lcf->auth.response_max)
    {
        return ngx_http_paygw_seal_give_up(ctx, "is too large");
    }

    ctx->holding = 1;

    /* the copy filter reads files for us */

    r->main_filter_need_in_memory = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_seal_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t                  *b;
    ngx_uint_t                  last, flush;
    ngx_chain_t                *cl;
    ngx_http_paygw_gate_ctx_t  *ctx;

    ctx = ngx_http_paygw_seal_ctx(r);

    if (ctx == NULL || !ctx->holding) {
        return ngx_http_next_body_filter(r, in);
    }

    last = 0;
    flush = 0;

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        last |= b->last_buf;
        flush |= b->flush;

        switch (ngx_http_paygw_seal_keep(ctx, b)) {

        case NGX_OK:
            break;

        case NGX_DECLINED:
            return ngx_http_paygw_seal_give_up(ctx, "is too large");

        default: /* NGX_ERROR */
            return NGX_ERROR;
        }
    }

    if (last) {
        return ngx_http_paygw_seal_send(ctx);
    }

    if (flush && r->upstream && r->upstream->cleanup == NULL) {
        /* the upstream was finalized without the end of its answer */
        return ngx_http_paygw_seal_give_up(ctx, "is incomplete");
    }

    return NGX_OK;
}


/* NULL if the answer is not to be signed: we know nobody who could ask */

static ngx_http_paygw_gate_ctx_t *
ngx_http_paygw_seal_ctx(ngx_http_request_t *r)
{
    ngx_http_paygw_gate_ctx_t  *ctx;

    if (r != r->main) {
        return NULL;
    }

    ctx = ngx_http_paygw_gate_ctx(r);

    return (ctx && ctx->genuine && ctx->lcf->auth.sign) ? ctx : NULL;
}


static ngx_int_t
ngx_http_paygw_seal_keep(ngx_http_paygw_gate_ctx_t *ctx, ngx_buf_t *b)
{
    size_t   size, n;
    u_char  *p;

    if (ngx_buf_special(b)) {
        return NGX_OK;
    }

    if (!ngx_buf_in_memory(b)) {
        ngx_log_error(NGX_LOG_ALERT, ctx->call.log, 0,
                      "an answer that is to be signed is not in memory");
        return NGX_ERROR;
    }

    size = b->last - b->pos;

    if (size > ctx->lcf->auth.response_max - ctx->size) {
        return NGX_DECLINED;
    }

    ctx->size += size;
    p = b->pos;

    while (size) {

        if (ngx_http_paygw_seal_room(ctx, size) != NGX_OK) {
            return NGX_ERROR;
        }

        n = ngx_min(size, (size_t) (ctx->buf->end - ctx->buf->last));

        ctx->buf->last = ngx_cpymem(ctx->buf->last, p, n);

        p += n;
        size -= n;
    }

    b->pos = b->last;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_seal_room(ngx_http_paygw_gate_ctx_t *ctx, size_t size)
{
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    if (ctx->buf && ctx->buf->last < ctx->buf->end) {
        return NGX_OK;
    }

    r = ctx->request;

    ctx->buf = ngx_create_temp_buf(r->pool,
                                   ngx_max(size, NGX_HTTP_PAYGW_SEAL_BUFFER));
    if (ctx->buf == NULL) {
        return NGX_ERROR;
    }

    cl = ngx_alloc_chain_link(r->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = ctx->buf;
    cl->next = NULL;

    *ctx->last = cl;
    ctx->last = &cl->next;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_seal_send(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->holding = 0;

    if (ngx_http_paygw_seal_sign(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_clear_content_length(r);
    r->headers_out.content_length_n = ctx->size;

    rc = ngx_http_next_header_filter(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    b->last_buf = 1;
    b->last_in_chain = 1;

    cl->buf = b;
    cl->next = NULL;

    *ctx->last = cl;

    return ngx_http_next_body_filter(r, ctx->held);
}


static ngx_int_t
ngx_http_paygw_seal_sign(ngx_http_paygw_gate_ctx_t *ctx)
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

    if (ngx_http_paygw_seal_field(r, "X-Signature", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->sealed = 1;

    return NGX_OK;
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

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = len;
    h->value = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_seal_give_up(ngx_http_paygw_gate_ctx_t *ctx, const char *why)
{
    ngx_log_error(NGX_LOG_ERR, ctx->call.log, 0,
                  "answer to a merchant call %s and cannot be signed, "
                  "it is withheld", why);

    return ngx_http_filter_finalize_request(ctx->request,
                                            &ngx_http_paygw_ack_module,
                                            NGX_HTTP_BAD_GATEWAY);
}


void
ngx_http_paygw_seal_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_paygw_seal_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_paygw_seal_body_filter;
}
