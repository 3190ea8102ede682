
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_multipart.h"


static ngx_uint_t ngx_paygw_multipart_skip(u_char **p, u_char *last,
    const char *text);
static u_char *ngx_paygw_multipart_next(u_char *p, u_char *last,
    ngx_str_t *boundary);
static ngx_int_t ngx_paygw_multipart_head(u_char **p, u_char *last,
    ngx_paygw_part_t *part);
static ngx_int_t ngx_paygw_multipart_field(ngx_str_t *line,
    ngx_paygw_part_t *part);
static ngx_int_t ngx_paygw_multipart_disposition(u_char *p, u_char *last,
    ngx_paygw_part_t *part);
static ngx_int_t ngx_paygw_multipart_quoted(u_char **p, u_char *last,
    ngx_str_t *value);
static ngx_uint_t ngx_paygw_multipart_plain(u_char c);


ngx_int_t
ngx_paygw_multipart_boundary(ngx_str_t *type, ngx_str_t *boundary)
{
    u_char      *p, *last;
    size_t       i;
    ngx_uint_t   quoted;

    p = type->data;
    last = type->data + type->len;

    if (!ngx_paygw_multipart_skip(&p, last, "multipart/form-data")) {
        return NGX_ABORT;
    }

    while (p < last && *p == ' ') {
        p++;
    }

    if (p == last || *p++ != ';') {
        return NGX_ABORT;
    }

    while (p < last && *p == ' ') {
        p++;
    }

    if (!ngx_paygw_multipart_skip(&p, last, "boundary=")) {
        return NGX_ABORT;
    }

    quoted = (p < last && *p == '"');

    if (quoted) {
        p++;

        if (p == last || *--last != '"') {
            return NGX_ABORT;
        }
    }

    boundary->data = p;
    boundary->len = last - p;

    if (boundary->len == 0 || boundary->len > NGX_PAYGW_MULTIPART_BOUNDARY) {
        return NGX_ABORT;
    }

    for (i = 0; i < boundary->len; i++) {
        if (!ngx_paygw_multipart_plain(p[i])
            && !(quoted && ngx_strchr("(),/:=?", p[i]) && p[i]))
        {
            return NGX_ABORT;
        }
    }

    return NGX_OK;
}


/* what may stand in a boundary with and without quotes */

static ngx_uint_t
ngx_paygw_multipart_plain(u_char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '\'' || c == '+' || c == '_'
           || c == '-' || c == '.';
}


/* steps over a text, in any case, if it is there */

static ngx_uint_t
ngx_paygw_multipart_skip(u_char **p, u_char *last, const char *text)
{
    size_t  len;

    len = ngx_strlen(text);

    if ((size_t) (last - *p) < len
        || ngx_strncasecmp(*p, (u_char *) text, len) != 0)
    {
        return 0;
    }

    *p += len;

    return 1;
}


ngx_int_t
ngx_paygw_multipart_parse(ngx_str_t *body, ngx_str_t *boundary,
    ngx_paygw_multipart_t *m, const char **err)
{
    u_char            *p, *last, *end;
    ngx_uint_t         i;
    ngx_paygw_part_t  *part;

    m->nparts = 0;

    p = body->data;
    last = body->data + body->len;

    if (body->len < boundary->len + 4
        || ngx_strncmp(p, "--", 2) != 0
        || ngx_memcmp(p + 2, boundary->data, boundary->len) != 0)
    {
        *err = "the body does not begin with the boundary";
        return NGX_ABORT;
    }

    p += 2 + boundary->len;

    for ( ;; ) {

        /* p is behind a boundary */

        if (last - p >= 2 && p[0] == '-' && p[1] == '-' && m->nparts) {
            p += 2;
            break;
        }

        if (last - p < 2 || p[0] != CR || p[1] != LF) {
            *err = "a boundary does not end its line";
            return NGX_ABORT;
        }

        p += 2;

        if (m->nparts == NGX_PAYGW_MULTIPART_PARTS) {
            *err = "there are too many parts";
            return NGX_ABORT;
        }

        part = &m->parts[m->nparts];
        ngx_memzero(part, sizeof(ngx_paygw_part_t));

        end = ngx_paygw_multipart_next(p, last, boundary);

        if (end == NULL) {
            *err = "the last boundary is missing";
            return NGX_ABORT;
        }

        if (ngx_paygw_multipart_head(&p, end, part) != NGX_OK) {
            *err = "the header of a part is malformed";
            return NGX_ABORT;
        }

        part->body.data = p;
        part->body.len = end - p;

        for (i = 0; i < m->nparts; i++) {
            if (m->parts[i].name.len == part->name.len
                && ngx_memcmp(m->parts[i].name.data, part->name.data,
                              part->name.len)
                   == 0)
            {
                *err = "a name comes twice";
                return NGX_ABORT;
            }
        }

        m->nparts++;

        p = end + 4 + boundary->len;
    }

    if (p != last && !(last - p == 2 && p[0] == CR && p[1] == LF)) {
        *err = "something follows the last boundary";
        return NGX_ABORT;
    }

    return NGX_OK;
}


/* where the line end in front of the next boundary is */

static u_char *
ngx_paygw_multipart_next(u_char *p, u_char *last, ngx_str_t *boundary)
{
    for ( /* void */ ; p < last; p++) {

        p = ngx_strlchr(p, last, CR);

        if (p == NULL || (size_t) (last - p) < 4 + boundary->len) {
            return NULL;
        }

        if (p[1] == LF && p[2] == '-' && p[3] == '-'
            && ngx_memcmp(p + 4, boundary->data, boundary->len) == 0)
        {
            return p;
        }
    }

    return NULL;
}


/* *p moves behind the empty line; the name must be there */

static ngx_int_t
ngx_paygw_multipart_head(u_char **p, u_char *last, ngx_paygw_part_t *part)
{
    u_char     *cr;
    ngx_str_t   line;

    for ( ;; ) {

        cr = ngx_strlchr(*p, last, CR);

        if (cr == NULL || last - cr < 2 || cr[1] != LF) {
            return NGX_ABORT;
        }

        line.data = *p;
        line.len = cr - *p;

        *p = cr + 2;

        if (line.len == 0) {
            return part->name.data ? NGX_OK : NGX_ABORT;
        }

        if (ngx_paygw_multipart_field(&line, part) != NGX_OK) {
            return NGX_ABORT;
        }
    }
}


static ngx_int_t
ngx_paygw_multipart_field(ngx_str_t *line, ngx_paygw_part_t *part)
{
    u_char  *p, *last, *c;

    p = line->data;
    last = line->data + line->len;

    for (c = p; c < last; c++) {
        if (*c < ' ' || *c == 0x7f) {
            return NGX_ABORT;
        }
    }

    if (ngx_paygw_multipart_skip(&p, last, "Content-Disposition: ")) {

        if (part->name.data
            || !ngx_paygw_multipart_skip(&p, last, "form-data"))
        {
            return NGX_ABORT;
        }

        return ngx_paygw_multipart_disposition(p, last, part);
    }

    if (ngx_paygw_multipart_skip(&p, last, "Content-Type: ")) {

        if (part->type.data || p == last) {
            return NGX_ABORT;
        }

        part->type.data = p;
        part->type.len = last - p;

        return NGX_OK;
    }

    return NGX_ABORT;
}


/* ; name="..." and then perhaps ; filename="..." */

static ngx_int_t
ngx_paygw_multipart_disposition(u_char *p, u_char *last,
    ngx_paygw_part_t *part)
{
    if (!ngx_paygw_multipart_skip(&p, last, "; name=\"")
        || ngx_paygw_multipart_quoted(&p, last, &part->name) != NGX_OK
        || part->name.len == 0)
    {
        return NGX_ABORT;
    }

    if (p == last) {
        return NGX_OK;
    }

    if (!ngx_paygw_multipart_skip(&p, last, "; filename=\"")
        || ngx_paygw_multipart_quoted(&p, last, &part->filename) != NGX_OK
        || p != last)
    {
        return NGX_ABORT;
    }

    part->file = 1;

    return NGX_OK;
}


/* one reader takes a backslash for an escape, another one for a letter */

static ngx_int_t
ngx_paygw_multipart_quoted(u_char **p, u_char *last, ngx_str_t *value)
{
    value->data = *p;

    for ( /* void */ ; *p < last; (*p)++) {

        if (**p == '\\') {
            return NGX_ABORT;
        }

        if (**p == '"') {
            value->len = *p - value->data;
            (*p)++;
            return NGX_OK;
        }
    }

    return NGX_ABORT;
}


ngx_paygw_part_t *
ngx_paygw_multipart_find(ngx_paygw_multipart_t *m, const char *name)
{
    size_t      len;
    ngx_uint_t  i;

    len = ngx_strlen(name);

    for (i = 0; i < m->nparts; i++) {
        if (m->parts[i].name.len == len
            && ngx_memcmp(m->parts[i].name.data, name, len) == 0)
        {
            return &m->parts[i];
        }
    }

    return NULL;
}
