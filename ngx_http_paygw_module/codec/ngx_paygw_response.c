
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_response.h"


#define NGX_PAYGW_RESPONSE_CHUNK_LINE  256


typedef enum {
    NGX_PAYGW_RESPONSE_IN_HEAD = 0,
    NGX_PAYGW_RESPONSE_IN_LENGTH,      /* body of a known length */
    NGX_PAYGW_RESPONSE_IN_REST,        /* body that ends with the connection */
    NGX_PAYGW_RESPONSE_IN_SIZE,        /* line with the size of a chunk */
    NGX_PAYGW_RESPONSE_IN_CHUNK,
    NGX_PAYGW_RESPONSE_IN_CHUNK_END,
    NGX_PAYGW_RESPONSE_IN_TRAILER,
    NGX_PAYGW_RESPONSE_DONE
} ngx_paygw_response_state_e;


static ngx_int_t ngx_paygw_response_head(ngx_paygw_response_t *r,
    u_char *last, const char **err);
static ngx_int_t ngx_paygw_response_status(ngx_paygw_response_t *r,
    ngx_str_t *line);
static ngx_int_t ngx_paygw_response_field(ngx_paygw_response_t *r,
    ngx_str_t *line);
static ngx_int_t ngx_paygw_response_frame(ngx_paygw_response_t *r,
    const char **err);
static ngx_int_t ngx_paygw_response_body(ngx_paygw_response_t *r,
    u_char *last, ngx_uint_t eof, const char **err);
static ngx_int_t ngx_paygw_response_chunk(ngx_paygw_response_t *r,
    u_char *last, const char **err);
static ngx_int_t ngx_paygw_response_size(ngx_paygw_response_t *r,
    ngx_str_t *line);
static ngx_int_t ngx_paygw_response_line(ngx_paygw_response_t *r,
    u_char *last, ngx_str_t *line);
static void ngx_paygw_response_take(ngx_paygw_response_t *r, size_t n);


void
ngx_paygw_response_init(ngx_paygw_response_t *r, u_char *start)
{
    ngx_memzero(r, sizeof(ngx_paygw_response_t));

    r->start = start;
    r->pos = start;
}


ngx_int_t
ngx_paygw_response_read(ngx_paygw_response_t *r, u_char *last, ngx_uint_t eof,
    const char **err)
{
    ngx_int_t  rc;

    rc = NGX_OK;

    if (r->state == NGX_PAYGW_RESPONSE_IN_HEAD) {
        rc = ngx_paygw_response_head(r, last, err);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_response_body(r, last, eof, err);
    }

    if (rc == NGX_AGAIN && eof) {
        *err = "response was cut";
        return NGX_ABORT;
    }

    return rc;
}


ngx_int_t
ngx_paygw_response_header(ngx_paygw_response_t *r, const char *name,
    ngx_str_t *value)
{
    size_t                        len;
    ngx_int_t                     rc;
    ngx_uint_t                    i;
    ngx_paygw_response_header_t  *h;

    rc = NGX_DECLINED;
    len = ngx_strlen(name);

    ngx_str_null(value);

    for (i = 0; i < r->nheaders; i++) {
        h = &r->headers[i];

        if (h->name.len != len
            || ngx_strncasecmp(h->name.data, (u_char *) name, len) != 0)
        {
            continue;
        }

        if (rc == NGX_OK) {
            return NGX_ABORT;
        }

        *value = h->value;
        rc = NGX_OK;
    }

    return rc;
}


static ngx_int_t
ngx_paygw_response_head(ngx_paygw_response_t *r, u_char *last,
    const char **err)
{
    u_char     *end;
    ngx_int_t   rc;
    ngx_str_t   line;

    for ( ;; ) {

        rc = ngx_paygw_response_line(r, last, &line);

        /* wherever the pieces end, the verdict is the same */

        end = (rc == NGX_AGAIN) ? last : r->pos;

        if (end - r->start > NGX_PAYGW_RESPONSE_HEAD) {
            *err = "header is too large";
            return NGX_ABORT;
        }

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc == NGX_OK && r->status && line.len == 0) {
            return ngx_paygw_response_frame(r, err);
        }

        if (rc == NGX_OK) {
            rc = r->status ? ngx_paygw_response_field(r, &line)
                           : ngx_paygw_response_status(r, &line);
        }

        if (rc != NGX_OK) {
            *err = r->status ? "malformed header" : "malformed status line";
            return NGX_ABORT;
        }
    }
}


static ngx_int_t
ngx_paygw_response_status(ngx_paygw_response_t *r, ngx_str_t *line)
{
    u_char     *p;
    ngx_int_t   n;

    p = line->data;

    if (line->len < sizeof("HTTP/1.1 200") - 1
        || (ngx_strncmp(p, "HTTP/1.1 ", 9) != 0
            && ngx_strncmp(p, "HTTP/1.0 ", 9) != 0)
        || (line->len > 12 && p[12] != ' '))
    {
        return NGX_ABORT;
    }

    n = ngx_atoi(p + 9, 3);

    /* an interim answer comes only to who asks for it */

    if (n < 200 || n > 599) {
        return NGX_ABORT;
    }

    r->status = n;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_response_field(ngx_paygw_response_t *r, ngx_str_t *line)
{
    u_char                        c, *p, *last;
    ngx_paygw_response_header_t  *h;

    if (r->nheaders == NGX_PAYGW_RESPONSE_HEADERS) {
        return NGX_ABORT;
    }

    h = &r->headers[r->nheaders];
    last = line->data + line->len;

    for (p = line->data; p < last && *p != ':'; p++) {
        c = (u_char) (*p | 0x20);

        if ((c < 'a' || c > 'z') && (*p < '0' || *p > '9')
            && *p != '-' && *p != '_')
        {
            return NGX_ABORT;
        }
    }

    if (p == line->data || p == last) {
        return NGX_ABORT;
    }

    h->name.data = line->data;
    h->name.len = p++ - line->data;

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (last > p && (last[-1] == ' ' || last[-1] == '\t')) {
        last--;
    }

    h->value.data = p;
    h->value.len = last - p;

    for ( /* void */ ; p < last; p++) {
        if ((*p < 0x20 && *p != '\t') || *p == 0x7f) {
            return NGX_ABORT;
        }
    }

    r->nheaders++;

    return NGX_OK;
}


/* how the end of the body is found */

static ngx_int_t
ngx_paygw_response_frame(ngx_paygw_response_t *r, const char **err)
{
    ngx_int_t  coding, length, content, n;
    ngx_str_t  value, size;

    r->body.data = r->pos;
    r->body.len = 0;

    content = ngx_paygw_response_header(r, "Content-Encoding", &value);

    if (content == NGX_ABORT
        || (content == NGX_OK
            && (value.len != 8
                || ngx_strncasecmp(value.data, (u_char *) "identity", 8)
                   != 0)))
    {
        *err = "content is encoded";
        return NGX_ABORT;
    }

    length = ngx_paygw_response_header(r, "Content-Length", &size);
    coding = ngx_paygw_response_header(r, "Transfer-Encoding", &value);

    if (length == NGX_ABORT || coding == NGX_ABORT
        || (length == NGX_OK && coding == NGX_OK))
    {
        *err = "length of the body is ambiguous";
        return NGX_ABORT;
    }

    if (r->status == 204 || r->status == 304) {
        r->state = NGX_PAYGW_RESPONSE_DONE;
        return NGX_OK;
    }

    if (coding == NGX_OK) {

        if (value.len != 7
            || ngx_strncasecmp(value.data, (u_char *) "chunked", 7) != 0)
        {
            *err = "unknown transfer coding";
            return NGX_ABORT;
        }

        r->state = NGX_PAYGW_RESPONSE_IN_SIZE;
        return NGX_OK;
    }

    if (length != NGX_OK) {
        r->state = NGX_PAYGW_RESPONSE_IN_REST;
        return NGX_OK;
    }

    n = (size.len > 9) ? NGX_ERROR : ngx_atoi(size.data, size.len);

    if (n == NGX_ERROR || n > NGX_PAYGW_RESPONSE_BODY) {
        *err = "body is too large or its length is malformed";
        return NGX_ABORT;
    }

    r->length = n;
    r->state = NGX_PAYGW_RESPONSE_IN_LENGTH;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_response_body(ngx_paygw_response_t *r, u_char *last, ngx_uint_t eof,
    const char **err)
{
    switch (r->state) {

    case NGX_PAYGW_RESPONSE_DONE:
        return NGX_OK;

    case NGX_PAYGW_RESPONSE_IN_LENGTH:

        if ((size_t) (last - r->pos) < r->length) {
            return NGX_AGAIN;
        }

        r->body.len = r->length;
        r->state = NGX_PAYGW_RESPONSE_DONE;

        return NGX_OK;

    case NGX_PAYGW_RESPONSE_IN_REST:

        if (last - r->pos > NGX_PAYGW_RESPONSE_BODY) {
            *err = "body is too large";
            return NGX_ABORT;
        }

        if (!eof) {
            return NGX_AGAIN;
        }

        r->body.len = last - r->pos;
        r->state = NGX_PAYGW_RESPONSE_DONE;

        return NGX_OK;

    default:
        return ngx_paygw_response_chunk(r, last, err);
    }
}


static ngx_int_t
ngx_paygw_response_chunk(ngx_paygw_response_t *r, u_char *last,
    const char **err)
{
    size_t     n;
    ngx_int_t  rc;
    ngx_str_t  line;

    *err = "malformed chunk";

    for ( ;; ) {

        if (r->state == NGX_PAYGW_RESPONSE_IN_CHUNK) {
            n = ngx_min((size_t) (last - r->pos), r->length);

            ngx_paygw_response_take(r, n);

            if (r->length) {
                return NGX_AGAIN;
            }

            r->state = NGX_PAYGW_RESPONSE_IN_CHUNK_END;
        }

        rc = ngx_paygw_response_line(r, last, &line);

        /* an unfinished line may end with its CR */

        if (rc == NGX_AGAIN
            ? last - r->pos > NGX_PAYGW_RESPONSE_CHUNK_LINE + 1
            : (rc == NGX_OK && line.len > NGX_PAYGW_RESPONSE_CHUNK_LINE))
        {
            return NGX_ABORT;
        }

        if (rc != NGX_OK) {
            return rc;
        }

        switch (r->state) {

        case NGX_PAYGW_RESPONSE_IN_SIZE:

            if (ngx_paygw_response_size(r, &line) != NGX_OK) {
                return NGX_ABORT;
            }

            if (r->length > NGX_PAYGW_RESPONSE_BODY - r->body.len) {
                *err = "body is too large";
                return NGX_ABORT;
            }

            r->state = r->length ? NGX_PAYGW_RESPONSE_IN_CHUNK
                                 : NGX_PAYGW_RESPONSE_IN_TRAILER;
            break;

        case NGX_PAYGW_RESPONSE_IN_CHUNK_END:

            if (line.len) {
                return NGX_ABORT;
            }

            r->state = NGX_PAYGW_RESPONSE_IN_SIZE;
            break;

        default: /* NGX_PAYGW_RESPONSE_IN_TRAILER */

            r->trailers += line.len;

            if (r->trailers > NGX_PAYGW_RESPONSE_HEAD) {
                return NGX_ABORT;
            }

            if (line.len == 0) {
                r->state = NGX_PAYGW_RESPONSE_DONE;
                return NGX_OK;
            }
        }
    }
}


static ngx_int_t
ngx_paygw_response_size(ngx_paygw_response_t *r, ngx_str_t *line)
{
    size_t     i;
    ngx_int_t  n;

    for (i = 0; i < line->len; i++) {
        if (line->data[i] == ';' || line->data[i] == ' '
            || line->data[i] == '\t')
        {
            break;
        }
    }

    n = (i == 0 || i > 7) ? NGX_ERROR : ngx_hextoi(line->data, i);

    if (n == NGX_ERROR) {
        return NGX_ABORT;
    }

    r->length = n;

    return NGX_OK;
}


/* the next line, without its end */

static ngx_int_t
ngx_paygw_response_line(ngx_paygw_response_t *r, u_char *last,
    ngx_str_t *line)
{
    u_char  *p;

    p = ngx_strlchr(r->pos, last, LF);

    if (p == NULL) {
        return NGX_AGAIN;
    }

    if (p == r->pos || p[-1] != CR) {
        return NGX_ABORT;
    }

    line->data = r->pos;
    line->len = p - 1 - r->pos;

    r->pos = p + 1;

    return NGX_OK;
}


/* the data of a chunk moves to that of the chunks before */

static void
ngx_paygw_response_take(ngx_paygw_response_t *r, size_t n)
{
    ngx_memmove(r->body.data + r->body.len, r->pos, n);

    r->body.len += n;
    r->pos += n;
    r->length -= n;
}
