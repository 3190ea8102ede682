
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_download.h"
#include "ngx_http_paygw_headers.h"


static ngx_uint_t ngx_http_paygw_download_streams(ngx_http_paygw_try_t *t);
static ngx_int_t ngx_http_paygw_download_begin(ngx_http_paygw_try_t *t);
static ngx_int_t ngx_http_paygw_download_take(ngx_http_paygw_try_t *t,
    ngx_buf_t *b);
static void ngx_http_paygw_download_stop(ngx_http_paygw_try_t *t,
    const char *why);


static const ngx_str_t  ngx_http_paygw_download_fields[] = {
    ngx_string("x-expected-hash"),
    ngx_null_string
};


ngx_int_t
ngx_http_paygw_download_read(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_str_t                   value;
    ngx_uint_t                  repeated;
    ngx_paygw_exchange_t       *x;
    ngx_http_paygw_download_t  *d;

    x = &ctx->exchange;

    d = ngx_http_paygw_download_create(ctx);
    if (d == NULL) {
        return ngx_paygw_refuse(&x->n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                NULL);
    }

    ngx_str_null(&value);
    repeated = 0;

    ngx_http_paygw_headers_collect(ctx->request,
                                   ngx_http_paygw_download_fields, &value,
                                   &repeated);

    if (value.data == NULL) {
        return NGX_OK;
    }

    if (repeated
        || ngx_paygw_expected_parse(&value, &d->expected) != NGX_OK)
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_MALFORMED,
                                "X-Expected-Hash must be one sha1=HEX or "
                                "sha256=HEX");
    }

    return NGX_OK;
}


ngx_http_paygw_download_t *
ngx_http_paygw_download_create(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_http_paygw_download_t  *d;

    d = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_paygw_download_t));
    if (d == NULL) {
        return NULL;
    }

    d->call = ctx;
    d->max = ctx->lcf->download_max;

    ctx->download = d;

    return d;
}


ngx_int_t
ngx_http_paygw_download_bill(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_paygw_expected_t *expected)
{
    if (ctx->download == NULL && ngx_http_paygw_download_create(ctx) == NULL) {
        return NGX_ERROR;
    }

    ctx->download->expected = *expected;

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_download_fits(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_paygw_exchange_t  *x;

    x = &ctx->exchange;

    if (ctx->download && ctx->download->expected.hash && x->file == NULL) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_MALFORMED,
                                "X-Expected-Hash is for downloads that are "
                                "not signed, this call is none");
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_download_check(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_paygw_exchange_t       *x;
    ngx_paygw_checksum_t       *c;
    ngx_http_paygw_download_t  *d;

    x = &ctx->exchange;
    d = ctx->download;

    /* that of a bill of paygw_api is checked by its provider */

    if (d == NULL || d->expected.hash == NULL || !x->unsigned_reply
        || ctx->api)
    {
        return NGX_OK;
    }

    c = ngx_paygw_checksum_new(ctx->request->pool, &d->expected, d->max);

    if (c == NULL
        || ngx_paygw_checksum_update(c, x->reply.data, x->reply.len)
           != NGX_OK)
    {
        return ngx_paygw_refuse(&x->n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                NULL);
    }

    rc = ngx_paygw_checksum_final(c);

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    return ngx_paygw_refuse(&x->n, rc, rc == NGX_DECLINED
                                       ? NGX_PAYGW_REASON_SIGNATURE
                                       : NGX_PAYGW_REASON_INTERNAL,
                            "the file has another hash than is expected");
}


ngx_int_t
ngx_http_paygw_download_header(ngx_http_paygw_try_t *t)
{
    off_t                       length;
    ngx_int_t                   rc;
    ngx_paygw_exchange_t       *x;
    ngx_http_paygw_download_t  *d;

    d = t->download;
    x = t->exchange;
    length = t->sr->upstream->headers_in.content_length_n;

    d->ready = 0;
    d->over = 0;
    d->length = length;

    ngx_str_null(&x->n.msg.body);

    rc = x->file(x);

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    if (d->max && length > d->max) {
        d->over = 1;
        ngx_http_paygw_exchange_overflow(t);
        return NGX_OK;
    }

    if (!ngx_http_paygw_download_streams(t)) {
        return NGX_OK;
    }

    d->ready = 1;

    if (rc != NGX_OK || length == -1) {
        return NGX_OK;
    }

    return ngx_http_paygw_download_begin(t);
}


ngx_int_t
ngx_http_paygw_download_late(ngx_http_paygw_try_t *t, ngx_chain_t *in)
{
    ngx_buf_t             *b;
    ngx_chain_t            first;
    ngx_paygw_exchange_t  *x;

    x = t->exchange;

    if (!t->download->ready) {
        return NGX_DECLINED;
    }

    x->n.msg.body.data = t->body.elts;
    x->n.msg.body.len = t->body.nelts;

    if (x->file(x) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (ngx_http_paygw_download_begin(t) != NGX_OK) {
        return NGX_ERROR;
    }

    if (t->body.nelts == 0) {
        return ngx_http_paygw_download_body(t, in);
    }

    b = ngx_calloc_buf(t->sr->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->pos = t->body.elts;
    b->last = b->pos + t->body.nelts;

    first.buf = b;
    first.next = in;

    return ngx_http_paygw_download_body(t, &first);
}


/*
 * Nothing streams but what shows its end: to the caller, so that one which is
 * held back is missed, and to us.  The rest is held back in memory, and so is
 * what is small enough for it: its errors can be told in words then.
 */

static ngx_uint_t
ngx_http_paygw_download_streams(ngx_http_paygw_try_t *t)
{
    ngx_http_request_t              *r;
    ngx_http_core_loc_conf_t        *clcf;
    ngx_http_upstream_headers_in_t  *h;

    r = t->sr->main;
    h = &t->sr->upstream->headers_in;

    if (t->sr->header_only || t->sr->headers_out.content_encoding) {
        return 0;
    }

    if (h->content_length_n == -1) {
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        return h->chunked
               && (r->http_version > NGX_HTTP_VERSION_11
                   || (r->http_version == NGX_HTTP_VERSION_11
                       && clcf->chunked_transfer_encoding));
    }

    return h->content_length_n > (off_t) t->max && !h->chunked;
}


static ngx_int_t
ngx_http_paygw_download_begin(ngx_http_paygw_try_t *t)
{
    ngx_str_t                   how;
    ngx_http_request_t         *r;
    ngx_http_paygw_download_t  *d;

    static ngx_str_t  type = ngx_string("application/octet-stream");

    d = t->download;
    r = t->sr->main;

    if (d->expected.hash) {
        d->checksum = ngx_paygw_checksum_new(t->sr->pool, &d->expected,
                                             d->max);
        if (d->checksum == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_http_paygw_pass_stream(d->call);

    d->begun = 1;

    ngx_str_null(&how);

    if (d->expected.hash) {
        ngx_paygw_expected_name(&d->expected, &how);

    } else if (d->call->api) {
        /* the provider tells none, and so it has not been verified */

    } else if (t->remote->host->https) {
        ngx_str_set(&how, "tls");

    } else {
        ngx_str_set(&how, "none");
    }

    if (how.len
        && ngx_http_paygw_headers_tell(r, "X-Paygw-Verified", &how) != NGX_OK)
    {
        d->rc = NGX_ERROR;
        return NGX_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = type;
    r->headers_out.content_type_len = type.len;
    r->headers_out.content_length_n = d->length;

    /* it asks for nothing but what it would get, and nobody writes for it */

    t->sr->read_event_handler = ngx_http_test_reading;

    d->rc = ngx_http_send_header(r);

    return (d->rc == NGX_ERROR || d->rc > NGX_OK) ? NGX_ERROR : NGX_OK;
}


/*
 * The buffers are those of the pipe, which has them back when the client has
 * what is in them: a client that is slow makes the provider wait.
 */

ngx_int_t
ngx_http_paygw_download_body(ngx_http_paygw_try_t *t, ngx_chain_t *in)
{
    ngx_int_t                  rc;
    ngx_uint_t                 other;
    ngx_chain_t               *cl, *ln, *out, **ll;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = t->sr;
    out = NULL;
    ll = &out;
    rc = NGX_OK;

    /* how long a caller may take is what his location says, not the host's */

    clcf = ngx_http_get_module_loc_conf(r->main, ngx_http_core_module);
    r->upstream->pipe->send_timeout = clcf->send_timeout;

    for (cl = in; cl; cl = cl->next) {

        if (cl->buf->last_buf || cl->buf->last_in_chain) {
            t->complete = 1;
        }

        if (ngx_http_paygw_download_take(t, cl->buf) != NGX_OK) {
            continue;
        }

        ln = ngx_alloc_chain_link(r->pool);
        if (ln == NULL) {
            rc = NGX_ERROR;
            break;
        }

        ln->buf = cl->buf;
        *ll = ln;
        ll = &ln->next;
    }

    *ll = NULL;

    if (rc == NGX_OK) {
        rc = ngx_http_paygw_exchange_output(r, out);
    }

    other = (rc == NGX_ERROR && r->main->filter_finalize);
    if (other) {

        /* another answer was made: the pipe takes an error for a client's */

        ngx_http_paygw_download_stop(t, "another answer is sent");
        rc = NGX_OK;
    }

    while (out) {

        if (other) {
            out->buf->pos = out->buf->last;
        }

        ln = out;
        out = out->next;
        ngx_free_chain(r->pool, ln);
    }

    return rc;
}


/* NGX_OK: it goes on; NGX_DECLINED: nothing is left of it */

static ngx_int_t
ngx_http_paygw_download_take(ngx_http_paygw_try_t *t, ngx_buf_t *b)
{
    size_t                      len;
    ngx_http_paygw_download_t  *d;

    d = t->download;
    len = ngx_buf_in_memory(b) ? (size_t) (b->last - b->pos) : 0;

    if (len == 0) {
        return ngx_buf_special(b) ? NGX_OK : NGX_DECLINED;
    }

    if (!d->broken && d->max && d->got + (off_t) len > d->max) {
        d->over = 1;
        ngx_http_paygw_download_stop(t, "it is longer than "
                                        "paygw_download_max");
    }

    if (!d->broken && d->checksum
        && ngx_paygw_checksum_update(d->checksum, b->pos, len) != NGX_OK)
    {
        ngx_http_paygw_download_stop(t, "its hash cannot be made");
    }

    if (d->broken) {
        b->pos = b->last;
        return NGX_DECLINED;
    }

    d->got += len;

    if (d->got == d->length) {
        b->last--;
        d->last[0] = *b->last;
        d->held = 1;
        len--;
    }

    return len ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_paygw_download_stop(ngx_http_paygw_try_t *t, const char *why)
{
    t->download->broken = 1;
    t->download->why = why;

    ngx_http_paygw_exchange_overflow(t);
}
