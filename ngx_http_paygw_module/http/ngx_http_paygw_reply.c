
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_hold.h"
#include "ngx_http_paygw_ctx.h"
#include "ngx_http_paygw_refusal.h"
#include "ngx_http_paygw_reply.h"


/*
 * The provider gets its own ack and never a byte of the shop's answer.
 *
 * Two modules stand in the chain of filters.  ngx_http_paygw_module comes
 * right after the copy filter: it notes the shop's status and swallows the
 * body, and at its end writes the ack.  ngx_http_paygw_ack_module filters
 * nothing; it is placed right above the protocol's own filters (header,
 * chunked, HTTP/2) and remembers them, so that the ack goes past add_header,
 * gzip, sub_filter, SSI, ranges and whatever else could change its bytes.
 */


static ngx_int_t ngx_http_paygw_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_paygw_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_paygw_unasked(ngx_http_request_t *r,
    ngx_http_paygw_ctx_t **ctx);
static ngx_int_t ngx_http_paygw_finish(ngx_http_paygw_ctx_t *ctx,
    ngx_uint_t complete);
static ngx_uint_t ngx_http_paygw_unverified(ngx_http_paygw_ctx_t *ctx);
static ngx_uint_t ngx_http_paygw_taken(ngx_http_paygw_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_ack_init(ngx_conf_t *cf);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;

static ngx_http_output_header_filter_pt  ngx_http_paygw_ack_header;
static ngx_http_output_body_filter_pt    ngx_http_paygw_ack_body;


static ngx_http_module_t  ngx_http_paygw_ack_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_paygw_ack_init,               /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_paygw_ack_module = {
    NGX_MODULE_V1,
    &ngx_http_paygw_ack_module_ctx,        /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_paygw_header_filter(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_paygw_ctx_t  *ctx;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_paygw_ctx_get(r);

    if (ctx == NULL) {
        rc = ngx_http_paygw_unasked(r, &ctx);

        if (rc == NGX_DECLINED) {
            return ngx_http_next_header_filter(r);
        }

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    if (ctx->state == NGX_HTTP_PAYGW_OBSERVING) {
        return ngx_http_next_header_filter(r);
    }

    ctx->shop_status = r->headers_out.status;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http paygw withholds answer: %ui", ctx->shop_status);

    return NGX_OK;
}


/*
 * An answer in a callback location whose callback was not looked at: another
 * module refused the request before us, or something went around us.  The
 * provider hears a failure; nothing but a verified callback is acked.
 */

static ngx_int_t
ngx_http_paygw_unasked(ngx_http_request_t *r, ngx_http_paygw_ctx_t **ctx)
{
    ngx_http_paygw_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_paygw_module);

    if (lcf->channels == NULL || ngx_http_paygw_observing(lcf)) {
        return NGX_DECLINED;
    }

    *ctx = ngx_http_paygw_ctx_create(r, lcf);
    if (*ctx == NULL) {
        return NGX_ERROR;
    }

    (*ctx)->state = NGX_HTTP_PAYGW_ANSWER;
    (*ctx)->entered = 1;

    if (r->headers_out.status < NGX_HTTP_BAD_REQUEST) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "payment callback was answered with %ui before it was "
                      "verified, the answer is withheld",
                      r->headers_out.status);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t             *b;
    ngx_uint_t             last, flush;
    ngx_chain_t           *cl;
    ngx_http_paygw_ctx_t  *ctx;

    ctx = (r == r->main) ? ngx_http_paygw_ctx_get(r) : NULL;

    if (ctx == NULL || ctx->state == NGX_HTTP_PAYGW_OBSERVING) {
        return ngx_http_next_body_filter(r, in);
    }

    if (in == NULL) {
        /* nginx asks to send what is buffered, which can only be our ack */
        return ctx->replied ? ngx_http_paygw_ack_body(r, NULL) : NGX_OK;
    }

    last = 0;
    flush = 0;

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        last |= b->last_buf;
        flush |= b->flush;

        b->pos = b->last;
        b->file_pos = b->file_last;
    }

    if (last) {
        return ngx_http_paygw_finish(ctx, 1);
    }

    if (flush && r->upstream && r->upstream->cleanup == NULL) {
        /* the upstream was finalized without the end of its answer */
        return ngx_http_paygw_finish(ctx, 0);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_finish(ngx_http_paygw_ctx_t *ctx, ngx_uint_t complete)
{
    ngx_uint_t  taken, status;

    if (ctx->state == NGX_HTTP_PAYGW_DELIVERING) {
        ctx->answered = 1;
        ctx->shop_at = ngx_current_msec;

        taken = complete && ngx_http_paygw_taken(ctx);

        if (!taken && !ctx->settled) {
            ngx_log_error(NGX_LOG_ERR, ctx->notify.log, 0,
                          "payment event \"%V\" was not taken, "
                          "the shop answered %ui%s", &ctx->event_id,
                          ctx->shop_status, complete ? "" : " incompletely");
        }

        ngx_http_paygw_settle(ctx, taken);

        status = taken ? NGX_HTTP_OK : NGX_HTTP_BAD_GATEWAY;

    } else {
        status = ngx_http_paygw_unverified(ctx);
    }

    if (ctx->replied) {
        return NGX_OK;
    }

    return ngx_http_paygw_reply(ctx, status);
}


/* nginx, or another module, has refused the request before it was verified */

static ngx_uint_t
ngx_http_paygw_unverified(ngx_http_paygw_ctx_t *ctx)
{
    ngx_uint_t  status;

    status = ctx->shop_status;

    if (status < NGX_HTTP_BAD_REQUEST) {
        status = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->result != NGX_HTTP_PAYGW_NONE) {
        return status;
    }

    ctx->result = NGX_HTTP_PAYGW_UNAVAILABLE;

    if (status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
        ctx->result = NGX_HTTP_PAYGW_REFUSED;
        ctx->notify.reason = NGX_PAYGW_REASON_TOO_LARGE;
        ngx_http_paygw_refusal_log(ctx);

    } else if (status == NGX_HTTP_INTERNAL_SERVER_ERROR) {
        ctx->notify.reason = NGX_PAYGW_REASON_INTERNAL;
    }

    return status;
}


/*
 * 2xx of the handler itself: an answer that error_page made out of a failure,
 * or one from a cache, says nothing about the shop.
 */

static ngx_uint_t
ngx_http_paygw_taken(ngx_http_paygw_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->shop_status < NGX_HTTP_OK
        || ctx->shop_status >= NGX_HTTP_SPECIAL_RESPONSE)
    {
        return 0;
    }

    if (ctx->failed || r->error_page) {
        return 0;
    }

    /* two of these are no errors: what a handler returns, as ngx.exit(204) */

    if (r->err_status
        && r->err_status != NGX_HTTP_CREATED
        && r->err_status != NGX_HTTP_NO_CONTENT)
    {
        return 0;
    }

#if (NGX_HTTP_CACHE)

    if (r->cached) {
        return 0;
    }

#endif

    /* gRPC tells a failure with HTTP status 200 */

    return !ngx_http_paygw_grpc_failed(&r->headers_out.headers)
           && !ngx_http_paygw_grpc_failed(&r->headers_out.trailers);
}


ngx_uint_t
ngx_http_paygw_grpc_failed(ngx_list_t *list)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &list->part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == sizeof("grpc-status") - 1
            && ngx_strncasecmp(h[i].key.data, (u_char *) "grpc-status",
                               sizeof("grpc-status") - 1)
               == 0)
        {
            return h[i].value.len != 1 || h[i].value.data[0] != '0';
        }
    }

    return 0;
}


ngx_int_t
ngx_http_paygw_reply(ngx_http_paygw_ctx_t *ctx, ngx_uint_t status)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t          out;
    ngx_paygw_ack_t      ack;
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->replied = 1;
    ctx->heard = status;
    ctx->acked = ngx_current_msec;

    ctx->notify.provider->ack(&ctx->notify, status, &ack);

    ctx->status = ack.status;

    /* nothing that a content handler or another filter has set */

    ngx_http_clean_header(r);

    /* a shop that sends rubbish makes nginx take the exchange for HTTP/0.9 */

    r->http_version = ctx->http_version;

    r->err_status = 0;
    r->allow_ranges = 0;
    r->expect_trailers = 0;
    r->header_only = 0;

    r->headers_out.status = ack.status;
    r->headers_out.content_type = ack.type;
    r->headers_out.content_type_len = ack.type.len;

    if (ack.status != NGX_HTTP_NO_CONTENT) {
        r->headers_out.content_length_n = ack.body.len;
    }

    if (status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE || ctx->timed_out) {
        /*
         * The rest of a body is not worth reading, as for nginx itself; and
         * while a slow shop is waited for, the connection serves nothing else.
         */
        r->keepalive = 0;
    }

    rc = ngx_http_paygw_ack_header(r);

    if (ctx->timed_out) {
        /* the handler is still at work and will send a header of its own */
        r->header_sent = 0;
    }

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->memory = ack.body.len ? 1 : 0;
    b->pos = ack.body.data;
    b->last = ack.body.data + ack.body.len;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_paygw_ack_body(r, &out);
}


ngx_int_t
ngx_http_paygw_reply_init(ngx_conf_t *cf)
{
    if (ngx_http_paygw_ack_header == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "ngx_http_paygw_ack_module is not before "
                      "ngx_http_paygw_module in the list of modules, "
                      "build the module by its \"config\" file");
        return NGX_ERROR;
    }

    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_paygw_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_paygw_body_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_ack_init(ngx_conf_t *cf)
{
    ngx_http_paygw_ack_header = ngx_http_top_header_filter;
    ngx_http_paygw_ack_body = ngx_http_top_body_filter;

    /* and what holds back the answers to merchants, for the same reason */

    ngx_http_paygw_hold_init();

    return NGX_OK;
}
