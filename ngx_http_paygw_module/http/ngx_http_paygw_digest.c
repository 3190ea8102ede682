
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_digest.h"


#define NGX_HTTP_PAYGW_DIGEST_BUFFER  65536            /* of a file */
#define NGX_HTTP_PAYGW_DIGEST_TURN    (1024 * 1024)    /* hashed at a time */


static ngx_int_t ngx_http_paygw_digest_turn(ngx_http_paygw_digest_t *d);
static ngx_int_t ngx_http_paygw_digest_piece(ngx_http_paygw_digest_t *d,
    ngx_buf_t *b, size_t size);
static void ngx_http_paygw_digest_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_paygw_digest(ngx_http_paygw_digest_t *d, ngx_http_request_t *r,
    ngx_http_paygw_digest_handler_pt handler, void *data)
{
    ngx_str_t     text;
    ngx_chain_t  *in;

    if (d->done) {
        return d->rc;
    }

    in = r->request_body ? r->request_body->bufs : NULL;

    if (in == NULL || (in->next == NULL && ngx_buf_in_memory(in->buf)
                       && ngx_buf_size(in->buf)
                          <= NGX_HTTP_PAYGW_DIGEST_TURN))
    {
        ngx_str_null(&text);

        if (in) {
            text.data = in->buf->pos;
            text.len = in->buf->last - in->buf->pos;
        }

        d->rc = ngx_paygw_sha256(&text, 1, d->sha256);
        d->done = 1;

        return d->rc;
    }

    d->request = r;
    d->handler = handler;
    d->data = data;
    d->cl = in;

    d->sha = ngx_paygw_sha256_new(r->pool);
    d->buf = ngx_palloc(r->pool, NGX_HTTP_PAYGW_DIGEST_BUFFER);

    if (d->sha == NULL || d->buf == NULL) {
        d->rc = NGX_ERROR;
        d->done = 1;

        return NGX_ERROR;
    }

    return ngx_http_paygw_digest_turn(d);
}


static ngx_int_t
ngx_http_paygw_digest_turn(ngx_http_paygw_digest_t *d)
{
    off_t   rest;
    size_t  room, size;

    room = NGX_HTTP_PAYGW_DIGEST_TURN;
    d->rc = NGX_OK;

    while (d->cl && d->rc == NGX_OK) {

        /* the mark of the end is of size 0, and in neither memory nor a file */

        rest = ngx_buf_size(d->cl->buf) - d->pos;

        if (rest == 0) {
            d->cl = d->cl->next;
            d->pos = 0;
            continue;
        }

        if (room == 0) {
            d->event.handler = ngx_http_paygw_digest_handler;
            d->event.data = d;
            d->event.log = d->request->connection->log;

            ngx_post_event(&d->event, &ngx_posted_next_events);

            return NGX_AGAIN;
        }

        size = (size_t) ngx_min(rest, NGX_HTTP_PAYGW_DIGEST_BUFFER);

        d->rc = ngx_http_paygw_digest_piece(d, d->cl->buf, size);

        d->pos += size;
        room -= ngx_min(room, size);
    }

    if (d->rc == NGX_OK) {
        d->rc = ngx_paygw_sha256_final(d->sha, d->sha256);
    }

    (void) ngx_pfree(d->request->pool, d->buf);

    d->done = 1;

    return d->rc;
}


static ngx_int_t
ngx_http_paygw_digest_piece(ngx_http_paygw_digest_t *d, ngx_buf_t *b,
    size_t size)
{
    ssize_t  n;

    if (ngx_buf_in_memory(b)) {
        return ngx_paygw_sha256_update(d->sha, b->pos + d->pos, size);
    }

    n = ngx_read_file(b->file, d->buf, size, b->file_pos + d->pos);

    if (n != (ssize_t) size) {
        ngx_log_error(NGX_LOG_CRIT, d->request->connection->log, 0,
                      "read %z of %uz bytes of the request body from \"%V\"",
                      n, size, &b->file->name);
        return NGX_ERROR;
    }

    return ngx_paygw_sha256_update(d->sha, d->buf, size);
}


static void
ngx_http_paygw_digest_handler(ngx_event_t *ev)
{
    ngx_http_paygw_digest_t  *d;

    d = ev->data;

    ngx_http_set_log_request(d->request->connection->log, d->request);

    if (ngx_http_paygw_digest_turn(d) != NGX_AGAIN) {
        d->handler(d->data);
    }
}


void
ngx_http_paygw_digest_cancel(ngx_http_paygw_digest_t *d)
{
    if (d->event.posted) {
        ngx_delete_posted_event(&d->event);
    }
}
