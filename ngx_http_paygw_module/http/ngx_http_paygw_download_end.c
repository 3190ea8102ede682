
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_download.h"


/* The end of a file that has streamed: whether the caller gets it. */


static ngx_int_t ngx_http_paygw_download_judge(
    ngx_http_paygw_pass_ctx_t *ctx);
static void ngx_http_paygw_download_finish(ngx_http_paygw_pass_ctx_t *ctx);


void
ngx_http_paygw_download_end(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_int_t                      rc;
    ngx_paygw_notify_t            *n;
    ngx_http_paygw_download_t     *d;
    ngx_http_paygw_pass_result_e   result;

    d = ctx->download;
    n = &ctx->exchange.n;

    if (ctx->request->filter_finalize) {

        /* a filter has made another answer, which waits for the subrequest */

        ngx_http_paygw_pass_end(ctx, NGX_HTTP_PAYGW_PASS_FAILED);
        ngx_http_finalize_request(ctx->request,
                                  ngx_http_output_filter(ctx->request, NULL));
        return;
    }

    if (ctx->request->connection->timedout) {

        /* the caller has not taken it in time, as one who has left */

        ngx_http_finalize_request(ctx->request, NGX_ERROR);
        return;
    }

    if (d->rc == NGX_ERROR || d->rc > NGX_OK) {
        ngx_http_paygw_pass_end(ctx, NGX_HTTP_PAYGW_PASS_FAILED);
        ngx_http_finalize_request(ctx->request, d->rc);
        return;
    }

    rc = ngx_http_paygw_download_judge(ctx);

    if (rc == NGX_OK) {
        ngx_http_paygw_pass_end(ctx, NGX_HTTP_PAYGW_PASS_PASSED);
        ngx_http_paygw_download_finish(ctx);
        return;
    }

    result = (rc == NGX_ABORT) ? NGX_HTTP_PAYGW_PASS_UNANSWERED
                               : NGX_HTTP_PAYGW_PASS_UNVERIFIED;

    if (result == NGX_HTTP_PAYGW_PASS_UNVERIFIED) {
        (void) ngx_paygw_refuse(n, NGX_DECLINED,
                                d->over ? NGX_PAYGW_REASON_TOO_LARGE
                                        : NGX_PAYGW_REASON_SIGNATURE,
                                d->why);
    }

    ngx_http_paygw_pass_end(ctx, result);

    ngx_log_error(NGX_LOG_ERR, n->log, 0,
                  "file of channel \"%V\" is not to be used, its end is held "
                  "back after %O bytes: %s",
                  &ctx->conf->channel->name, d->got, d->why);

    /* in the middle of an answer: the connection is closed */

    ngx_http_finalize_request(ctx->request, NGX_ERROR);
}


/*
 * NGX_OK; NGX_ABORT: not all of it has come; NGX_DECLINED: it is not what is
 * expected, or cannot be checked
 */

static ngx_int_t
ngx_http_paygw_download_judge(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_http_paygw_download_t  *d;

    d = ctx->download;

    if (d->broken) {
        return NGX_DECLINED;
    }

    if (ctx->attempt.end != NGX_HTTP_PAYGW_ANSWERED
        || (d->length != -1 && d->got != d->length))
    {
        d->why = (ctx->attempt.end == NGX_HTTP_PAYGW_LATE_ANSWER)
                 ? "the rest has not come in time" : "the rest is missing";
        return NGX_ABORT;
    }

    if (d->checksum == NULL) {
        return NGX_OK;
    }

    rc = ngx_paygw_checksum_final(d->checksum);

    if (rc != NGX_OK) {
        d->why = (rc == NGX_DECLINED)
                 ? "it has another hash than is expected"
                 : "its hash cannot be made";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_http_paygw_download_finish(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_buf_t                  *b;
    ngx_chain_t                 out;
    ngx_http_request_t         *r;
    ngx_http_paygw_download_t  *d;

    r = ctx->request;
    d = ctx->download;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    if (d->held) {
        b->memory = 1;
        b->pos = d->last;
        b->last = d->last + 1;
    }

    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    ngx_http_finalize_request(r, ngx_http_output_filter(r, &out));
}
