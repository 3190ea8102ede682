
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_hold.h"
#include "ngx_http_paygw_idem.h"


#define NGX_HTTP_PAYGW_HOLD_BUFFER    4096
#define NGX_HTTP_PAYGW_HOLD_BUFFERED  0x08    /* of r->buffered */


static ngx_int_t ngx_http_paygw_hold_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_paygw_hold_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_paygw_hold_take(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_chain_t *in);
static ngx_int_t ngx_http_paygw_hold_pause(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_chain_t *in);
static ngx_int_t ngx_http_paygw_hold_keep(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_buf_t *b);
static ngx_int_t ngx_http_paygw_hold_room(ngx_http_paygw_gate_ctx_t *ctx,
    size_t size);
static ngx_int_t ngx_http_paygw_hold_end(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_hold_wait(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_hold_send(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_hold_pass(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_hold_give_up(ngx_http_paygw_gate_ctx_t *ctx,
    const char *why, ngx_uint_t done);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


#define ngx_http_paygw_hold_signs(ctx)                                        \
    ((ctx)->genuine && (ctx)->lcf->auth.sign)

/* no body follows, and a length is that of one which would */
#define ngx_http_paygw_hold_bare(r)                                           \
    ((r)->header_only || (r)->method == NGX_HTTP_HEAD                         \
     || (r)->headers_out.status == NGX_HTTP_NO_CONTENT                        \
     || (r)->headers_out.status == NGX_HTTP_NOT_MODIFIED)


static ngx_int_t
ngx_http_paygw_hold_header_filter(ngx_http_request_t *r)
{
    ngx_uint_t                  sign;
    ngx_http_paygw_gate_ctx_t  *ctx;

    ctx = (r == r->main) ? ngx_http_paygw_gate_ctx(r) : NULL;

    if (ctx == NULL || ctx->hold == NGX_HTTP_PAYGW_HOLD_SENT) {
        return ngx_http_next_header_filter(r);
    }

    /* an answer that was begun and has failed is not sent */

    ctx->hold = NGX_HTTP_PAYGW_HOLD_NOT;
    ctx->held = NULL;
    ctx->last = &ctx->held;
    ctx->buf = NULL;
    ctx->size = 0;
    ctx->whole = 0;

    ngx_http_paygw_idem_header(ctx);

    sign = ngx_http_paygw_hold_signs(ctx);

    if (!sign && !ngx_http_paygw_idem_waits(ctx)) {
        return ngx_http_next_header_filter(r);
    }

    if (r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS) {
        return ngx_http_paygw_hold_give_up(ctx, "is a change of protocol", 1);
    }

    ctx->hold = NGX_HTTP_PAYGW_HOLD_COPY;

    if (r->header_only
        || (ngx_http_paygw_hold_bare(r) && !ngx_http_paygw_idem_waits(ctx)))
    {
        return ngx_http_paygw_hold_end(ctx);
    }

    if (sign && r->headers_out.content_length_n
                > (off_t) ctx->lcf->auth.response_max)
    {
        return ngx_http_paygw_hold_give_up(ctx, "is too large", 1);
    }

    /* the copy filter reads files for us */

    r->main_filter_need_in_memory = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_hold_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_paygw_gate_ctx_t  *ctx;

    ctx = (r == r->main) ? ngx_http_paygw_gate_ctx(r) : NULL;

    if (ctx == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    switch (ctx->hold) {

    case NGX_HTTP_PAYGW_HOLD_COPY:
        return ngx_http_paygw_hold_take(ctx, in);

    case NGX_HTTP_PAYGW_HOLD_PAUSE:
        return ngx_http_paygw_hold_pause(ctx, in);

    case NGX_HTTP_PAYGW_HOLD_END:
        return NGX_AGAIN;

    default:
        return ngx_http_next_body_filter(r, in);
    }
}


static ngx_int_t
ngx_http_paygw_hold_take(ngx_http_paygw_gate_ctx_t *ctx, ngx_chain_t *in)
{
    size_t               size;
    ngx_uint_t           last, flush;
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    r = ctx->request;

    last = 0;
    flush = 0;
    size = ctx->size;

    for (cl = in; cl; cl = cl->next) {
        last |= cl->buf->last_buf;
        flush |= cl->buf->flush;
        size += ngx_buf_size(cl->buf);
    }

    if (!last && flush && r->upstream && r->upstream->cleanup == NULL) {
        /* the upstream was finalized without the end of its answer */
        return ngx_http_paygw_hold_give_up(ctx, "is incomplete", 0);
    }

    ngx_http_paygw_idem_body(ctx, size);

    if (!ngx_http_paygw_hold_signs(ctx)) {

        if (ngx_http_paygw_idem_exceeded(ctx)) {
            ctx->hold = NGX_HTTP_PAYGW_HOLD_PAUSE;
            ctx->rest = NULL;

            return ngx_http_paygw_hold_pause(ctx, in);
        }

    } else if (size > ctx->lcf->auth.response_max) {
        return ngx_http_paygw_hold_give_up(ctx, "is too large", 1);
    }

    for (cl = in; cl; cl = cl->next) {

        if (ngx_http_paygw_hold_keep(ctx, cl->buf) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (!last) {
        return NGX_OK;
    }

    ctx->whole = 1;

    return ngx_http_paygw_hold_end(ctx);
}


/* whoever sends the answer has to hold it himself for the moment */

static ngx_int_t
ngx_http_paygw_hold_pause(ngx_http_paygw_gate_ctx_t *ctx, ngx_chain_t *in)
{
    if (ngx_chain_add_copy(ctx->request->pool, &ctx->rest, in) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_paygw_idem_waits(ctx)) {
        return ngx_http_paygw_hold_wait(ctx);
    }

    return ngx_http_paygw_hold_pass(ctx);
}


static ngx_int_t
ngx_http_paygw_hold_keep(ngx_http_paygw_gate_ctx_t *ctx, ngx_buf_t *b)
{
    size_t   size, n;
    u_char  *p;

    if (ngx_buf_special(b)) {
        return NGX_OK;
    }

    if (!ngx_buf_in_memory(b)) {
        ngx_log_error(NGX_LOG_ALERT, ctx->call.log, 0,
                      "an answer that is to be held back is not in memory");
        return NGX_ERROR;
    }

    size = b->last - b->pos;

    ctx->size += size;
    p = b->pos;

    while (size) {

        if (ngx_http_paygw_hold_room(ctx, size) != NGX_OK) {
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
ngx_http_paygw_hold_room(ngx_http_paygw_gate_ctx_t *ctx, size_t size)
{
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    if (ctx->buf && ctx->buf->last < ctx->buf->end) {
        return NGX_OK;
    }

    r = ctx->request;

    ctx->buf = ngx_create_temp_buf(r->pool,
                                   ngx_max(size, NGX_HTTP_PAYGW_HOLD_BUFFER));
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


/* a client is to have no answer that would be another one the next time */

static ngx_int_t
ngx_http_paygw_hold_end(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_http_paygw_idem_end(ctx);

    ctx->hold = NGX_HTTP_PAYGW_HOLD_END;

    if (ngx_http_paygw_idem_waits(ctx)) {
        return ngx_http_paygw_hold_wait(ctx);
    }

    return ngx_http_paygw_hold_send(ctx);
}


/* nginx does not end the request while something of it is buffered */

static ngx_int_t
ngx_http_paygw_hold_wait(ngx_http_paygw_gate_ctx_t *ctx)
{
    ctx->request->buffered |= NGX_HTTP_PAYGW_HOLD_BUFFERED;

    return NGX_AGAIN;
}


void
ngx_http_paygw_hold_resume(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r, *active;

    if (ctx->hold != NGX_HTTP_PAYGW_HOLD_END
        && ctx->hold != NGX_HTTP_PAYGW_HOLD_PAUSE)
    {
        return;
    }

    r = ctx->request;
    c = r->connection;

    r->buffered &= ~NGX_HTTP_PAYGW_HOLD_BUFFERED;

    rc = (ctx->hold == NGX_HTTP_PAYGW_HOLD_END)
         ? ngx_http_paygw_hold_send(ctx) : ngx_http_paygw_hold_pass(ctx);

    if (rc == NGX_ERROR) {
        c->error = 1;
    }

    /*
     * Whoever sends the answer, or nginx at its end, finds that it has moved:
     * of a file that streams it is a subrequest.
     */

    active = c->data;

    if (active->write_event_handler != ngx_http_core_run_phases) {
        active->write_event_handler(active);
    }

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_paygw_hold_send(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->hold = NGX_HTTP_PAYGW_HOLD_SENT;

    if (ngx_http_paygw_hold_signs(ctx)
        && ngx_http_paygw_seal(ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_http_paygw_hold_bare(r)) {
        ngx_http_clear_content_length(r);
        r->headers_out.content_length_n = ctx->size;
    }

    rc = ngx_http_next_header_filter(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only || !ctx->whole) {
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


/* what is held, and what waits; what follows is not looked at any more */

static ngx_int_t
ngx_http_paygw_hold_pass(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->hold = NGX_HTTP_PAYGW_HOLD_SENT;

    rc = ngx_http_next_header_filter(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    *ctx->last = ctx->rest;

    return ngx_http_next_body_filter(r, ctx->held);
}


ngx_int_t
ngx_http_paygw_hold_answer(ngx_http_paygw_gate_ctx_t *ctx, ngx_str_t *body)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    ctx->held = NULL;
    ctx->last = &ctx->held;
    ctx->size = body->len;
    ctx->whole = 1;

    if (body->len) {
        b = ngx_calloc_buf(ctx->request->pool);
        cl = ngx_alloc_chain_link(ctx->request->pool);

        if (b == NULL || cl == NULL) {
            return NGX_ERROR;
        }

        b->memory = 1;
        b->pos = body->data;
        b->last = body->data + body->len;

        cl->buf = b;
        cl->next = NULL;

        ctx->held = cl;
        ctx->last = &cl->next;
    }

    return ngx_http_paygw_hold_send(ctx);
}


static ngx_int_t
ngx_http_paygw_hold_give_up(ngx_http_paygw_gate_ctx_t *ctx, const char *why,
    ngx_uint_t done)
{
    ngx_log_error(NGX_LOG_ERR, ctx->call.log, 0,
                  "answer to a merchant call %s and cannot be %s, "
                  "it is withheld", why,
                  ngx_http_paygw_hold_signs(ctx) ? "signed" : "kept");

    ngx_http_paygw_idem_give_up(ctx, done);

    return ngx_http_filter_finalize_request(ctx->request,
                                            &ngx_http_paygw_ack_module,
                                            NGX_HTTP_BAD_GATEWAY);
}


void
ngx_http_paygw_hold_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_paygw_hold_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_paygw_hold_body_filter;
}
