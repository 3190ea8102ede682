
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_json.h"


/*
 * Strings of a JSON text that are replaced, while all bytes around them stay:
 * what is signed of such a text are its bytes.
 */


typedef struct {
    ngx_str_t                *pointers;
    ngx_uint_t                npointers;
    ngx_paygw_json_edit_t    *edit;
    ngx_pool_t               *pool;
    ngx_array_t               found;    /* of ngx_paygw_json_place_t */
    ngx_str_t                 path[NGX_PAYGW_JSON_MAX_DEPTH + 1];
                                        /* names; data == NULL: of a list */
} ngx_paygw_json_walk_t;


typedef struct {
    u_char                   *start;    /* the opening quote */
    u_char                   *end;      /* behind the closing one */
    ngx_str_t                 value;    /* as it is to be, written */
} ngx_paygw_json_place_t;


static u_char *ngx_paygw_json_space(u_char *p);
static u_char *ngx_paygw_json_quoted(u_char *p);
static ngx_int_t ngx_paygw_json_walk(ngx_paygw_json_walk_t *w, u_char **pos,
    ngx_uint_t depth);
static ngx_int_t ngx_paygw_json_inside(ngx_paygw_json_walk_t *w, u_char **pos,
    ngx_uint_t depth);
static ngx_int_t ngx_paygw_json_decoded(ngx_pool_t *pool, u_char *start,
    u_char *end, ngx_str_t *value);
static ngx_int_t ngx_paygw_json_place(ngx_paygw_json_walk_t *w, u_char *start,
    u_char *end, ngx_uint_t depth);
static ngx_uint_t ngx_paygw_json_points(ngx_paygw_json_walk_t *w,
    ngx_str_t *pointer, ngx_uint_t depth);
static ngx_int_t ngx_paygw_json_put(ngx_paygw_json_walk_t *w, ngx_str_t *text,
    ngx_str_t *out);


ngx_int_t
ngx_paygw_json_edit(ngx_pool_t *pool, ngx_str_t *text, ngx_array_t *pointers,
    ngx_paygw_json_edit_t *edit, ngx_str_t *out)
{
    u_char                 *p;
    ngx_int_t               rc;
    ngx_paygw_json_walk_t   w;

    w.pointers = pointers->elts;
    w.npointers = pointers->nelts;
    w.edit = edit;
    w.pool = pool;

    *out = *text;

    if (ngx_array_init(&w.found, pool, 4, sizeof(ngx_paygw_json_place_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_paygw_json_space(text->data);

    /* what has no end of its own has nothing to point into */

    if (*p != '{' && *p != '[') {
        return NGX_OK;
    }

    rc = ngx_paygw_json_walk(&w, &p, 0);

    if (rc != NGX_OK || w.found.nelts == 0) {
        return rc;
    }

    return ngx_paygw_json_put(&w, text, out);
}


/* the text is JSON: each of these ends before it does */

static u_char *
ngx_paygw_json_space(u_char *p)
{
    while (*p == ' ' || *p == '\t' || *p == CR || *p == LF) {
        p++;
    }

    return p;
}


static u_char *
ngx_paygw_json_quoted(u_char *p)
{
    for (p++; *p != '"'; p++) {
        if (*p == '\\') {
            p++;
        }
    }

    return p + 1;
}


/* a value; *pos is behind it then */

static ngx_int_t
ngx_paygw_json_walk(ngx_paygw_json_walk_t *w, u_char **pos, ngx_uint_t depth)
{
    u_char  *p;

    p = *pos;

    if (*p == '{' || *p == '[') {
        return ngx_paygw_json_inside(w, pos, depth);
    }

    if (*p == '"') {
        *pos = ngx_paygw_json_quoted(p);
        return ngx_paygw_json_place(w, p, *pos, depth);
    }

    while ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || *p == 'E'
           || *p == '+' || *p == '-' || *p == '.')
    {
        p++;
    }

    *pos = p;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_json_inside(ngx_paygw_json_walk_t *w, u_char **pos,
    ngx_uint_t depth)
{
    u_char      *p, *start;
    ngx_int_t    rc;
    ngx_uint_t   object;

    object = (**pos == '{');

    p = ngx_paygw_json_space(*pos + 1);

    while (*p != '}' && *p != ']') {

        ngx_str_null(&w->path[depth]);

        if (object) {
            start = p;
            p = ngx_paygw_json_quoted(start);

            rc = ngx_paygw_json_decoded(w->pool, start, p, &w->path[depth]);
            if (rc != NGX_OK) {
                return rc;
            }

            /* the colon */

            p = ngx_paygw_json_space(ngx_paygw_json_space(p) + 1);
        }

        rc = ngx_paygw_json_walk(w, &p, depth + 1);
        if (rc != NGX_OK) {
            return rc;
        }

        p = ngx_paygw_json_space(p);

        if (*p == ',') {
            p = ngx_paygw_json_space(p + 1);
        }
    }

    *pos = p + 1;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_json_decoded(ngx_pool_t *pool, u_char *start, u_char *end,
    ngx_str_t *value)
{
    char              *err;
    ngx_str_t          text;
    ngx_paygw_json_t  *node;

    text.data = start;
    text.len = end - start;

    if (ngx_strlchr(start, end, '\\') == NULL) {
        value->data = start + 1;
        value->len = text.len - 2;
        return NGX_OK;
    }

    if (ngx_paygw_json_parse(pool, &text, &node, &err) != NGX_OK) {
        return NGX_ERROR;
    }

    *value = node->value;

    return NGX_OK;
}


/* a string: whether it is one of those, and what becomes of it */

static ngx_int_t
ngx_paygw_json_place(ngx_paygw_json_walk_t *w, u_char *start, u_char *end,
    ngx_uint_t depth)
{
    ngx_int_t                rc;
    ngx_str_t                value, made;
    ngx_uint_t               i;
    ngx_paygw_json_place_t  *place;

    for (i = 0; i < w->npointers; i++) {
        if (ngx_paygw_json_points(w, &w->pointers[i], depth)) {
            break;
        }
    }

    if (i == w->npointers) {
        return NGX_OK;
    }

    rc = ngx_paygw_json_decoded(w->pool, start, end, &value);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = w->edit->handler(w->edit, &value, &made);
    if (rc != NGX_OK) {
        return (rc == NGX_DONE) ? NGX_OK : rc;
    }

    place = ngx_array_push(&w->found);
    if (place == NULL) {
        return NGX_ERROR;
    }

    place->start = start;
    place->end = end;
    place->value.len = ngx_paygw_json_string_len(&made);
    place->value.data = ngx_pnalloc(w->pool, place->value.len);

    if (place->value.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_paygw_json_write_string(place->value.data, &made,
                                       place->value.len);

    return NGX_OK;
}


static ngx_uint_t
ngx_paygw_json_points(ngx_paygw_json_walk_t *w, ngx_str_t *pointer,
    ngx_uint_t depth)
{
    u_char      *p, *end, *last;
    ngx_uint_t   i;

    p = pointer->data;
    last = p + pointer->len;

    for (i = 0; p < last; i++, p = end) {

        p++;
        end = ngx_strlchr(p, last, '/');

        if (end == NULL) {
            end = last;
        }

        if (i == depth) {
            return 0;
        }

        if (w->path[i].data == NULL) {

            if (end - p != 1 || *p != '*') {
                return 0;
            }

            continue;
        }

        if ((size_t) (end - p) != w->path[i].len
            || ngx_strncmp(p, w->path[i].data, w->path[i].len) != 0)
        {
            return 0;
        }
    }

    return i == depth;
}


static ngx_int_t
ngx_paygw_json_put(ngx_paygw_json_walk_t *w, ngx_str_t *text, ngx_str_t *out)
{
    size_t                   len;
    u_char                  *p, *from, *last;
    ngx_uint_t               i;
    ngx_paygw_json_place_t  *place;

    place = w->found.elts;
    len = text->len;

    /* out may be text */

    from = text->data;
    last = from + len;

    for (i = 0; i < w->found.nelts; i++) {
        len += place[i].value.len;
    }

    p = ngx_pnalloc(w->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    out->data = p;

    for (i = 0; i < w->found.nelts; i++) {
        p = ngx_cpymem(p, from, place[i].start - from);
        p = ngx_cpymem(p, place[i].value.data, place[i].value.len);
        from = place[i].end;
    }

    p = ngx_cpymem(p, from, last - from);

    out->len = p - out->data;

    return NGX_OK;
}
