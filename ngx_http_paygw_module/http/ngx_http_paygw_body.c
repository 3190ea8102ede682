
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_body.h"
#include "ngx_http_paygw_headers.h"


static ngx_int_t ngx_http_paygw_body_copy(ngx_http_request_t *r,
    ngx_chain_t *cl, u_char *p);


static const ngx_str_t  ngx_http_paygw_body_fields[] = {
    ngx_string("content-type"),
    ngx_string("content-encoding"),
    ngx_string("transfer-encoding"),
    ngx_null_string
};


static const ngx_str_t  ngx_http_paygw_content_type =
    ngx_string("Content-Type");


ngx_int_t
ngx_http_paygw_body_get(ngx_http_request_t *r, size_t max, ngx_str_t *body)
{
    off_t         len;
    ngx_buf_t    *b;
    ngx_chain_t  *cl, *in;

    ngx_str_null(body);

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    in = r->request_body->bufs;
    len = 0;

    for (cl = in; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    if (len > (off_t) max) {
        return NGX_DECLINED;
    }

    if (len == 0) {
        return NGX_OK;
    }

    b = in->buf;

    if (in->next == NULL && ngx_buf_in_memory(b)) {
        body->data = b->pos;
        body->len = b->last - b->pos;
        return NGX_OK;
    }

    body->data = ngx_pnalloc(r->pool, len);
    if (body->data == NULL) {
        return NGX_ERROR;
    }

    body->len = len;

    return ngx_http_paygw_body_copy(r, in, body->data);
}


static ngx_int_t
ngx_http_paygw_body_copy(ngx_http_request_t *r, ngx_chain_t *cl, u_char *p)
{
    size_t      size;
    ssize_t     n;
    ngx_buf_t  *b;

    for ( /* void */ ; cl; cl = cl->next) {
        b = cl->buf;
        size = ngx_buf_size(b);

        if (size == 0) {
            /* the mark of the end, which is neither in memory nor a file */
            continue;
        }

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, size);
            continue;
        }

        n = ngx_read_file(b->file, p, size, b->file_pos);

        if (n != (ssize_t) size) {
            ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                          "read %z of %uz bytes of the request body "
                          "from \"%V\"", n, size, &b->file->name);
            return NGX_ERROR;
        }

        p += size;
    }

    return NGX_OK;
}


off_t
ngx_http_paygw_body_look(ngx_http_request_t *r, ngx_str_t *text)
{
    off_t         len;
    ngx_chain_t  *cl, *in;

    ngx_str_null(text);

    in = r->request_body ? r->request_body->bufs : NULL;
    len = 0;

    for (cl = in; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    if (in && in->next == NULL && ngx_buf_in_memory(in->buf)) {
        text->data = in->buf->pos;
        text->len = (size_t) len;
    }

    return len;
}


ngx_int_t
ngx_http_paygw_body_set(ngx_http_request_t *r, ngx_str_t *body,
    ngx_str_t *type)
{
    u_char           *p;
    ngx_str_t         length;
    ngx_chain_t      *cl;
    ngx_table_elt_t  *h;

    cl = ngx_http_paygw_body_chain(r->pool, body);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, NGX_SIZE_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    length.data = p;
    length.len = ngx_sprintf(p, "%uz", body->len) - p;

    /*
     * the length keeps its place in the list, where other modules point to
     * it; what else described the old body goes, and may be there twice
     */

    h = r->headers_in.content_length;

    if (h) {
        h->value = length;
    }

    if (ngx_http_paygw_headers_drop(r, ngx_http_paygw_body_fields) != NGX_OK) {
        return NGX_ERROR;
    }

    h = ngx_http_paygw_headers_add(r, &ngx_http_paygw_content_type,
                                   (u_char *) "content-type", type);
    if (h == NULL) {
        return NGX_ERROR;
    }

    r->headers_in.content_type = h;
    r->headers_in.transfer_encoding = NULL;

    r->headers_in.content_length_n = body->len;
    r->headers_in.chunked = 0;

    r->request_body->bufs = cl;
    r->request_body->buf = cl->buf;
    r->request_body->temp_file = NULL;

    return NGX_OK;
}


ngx_chain_t *
ngx_http_paygw_body_chain(ngx_pool_t *pool, ngx_str_t *body)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    cl = ngx_alloc_chain_link(pool);
    if (cl == NULL) {
        return NULL;
    }

    b = ngx_calloc_buf(pool);
    if (b == NULL) {
        return NULL;
    }

    /* start at the first byte: a retry of the upstream rewinds to it */

    b->start = body->data;
    b->pos = body->data;
    b->last = body->data + body->len;
    b->end = b->last;
    b->temporary = 1;
    b->last_buf = 1;

    cl->buf = b;
    cl->next = NULL;

    return cl;
}
