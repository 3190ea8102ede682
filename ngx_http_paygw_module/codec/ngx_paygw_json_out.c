
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_json.h"
#include "ngx_paygw_json_out.h"


#define NGX_PAYGW_JSON_OUT_SIZE  512


static u_char *ngx_paygw_json_out_room(ngx_paygw_json_out_t *out, size_t len);
static void ngx_paygw_json_out_bytes(ngx_paygw_json_out_t *out,
    const void *bytes, size_t len);
static void ngx_paygw_json_out_quoted(ngx_paygw_json_out_t *out,
    const ngx_str_t *value);
static void ngx_paygw_json_out_name(ngx_paygw_json_out_t *out,
    const char *name);


void
ngx_paygw_json_out_init(ngx_paygw_json_out_t *out, ngx_pool_t *pool)
{
    ngx_memzero(out, sizeof(ngx_paygw_json_out_t));

    out->pool = pool;
}


void
ngx_paygw_json_out_open(ngx_paygw_json_out_t *out, const char *name)
{
    ngx_paygw_json_out_name(out, name);
    ngx_paygw_json_out_bytes(out, "{", 1);

    out->comma = 0;
}


void
ngx_paygw_json_out_close(ngx_paygw_json_out_t *out)
{
    ngx_paygw_json_out_bytes(out, "}", 1);

    out->comma = 1;
}


void
ngx_paygw_json_out_string(ngx_paygw_json_out_t *out, const char *name,
    const ngx_str_t *value)
{
    ngx_paygw_json_out_name(out, name);
    ngx_paygw_json_out_quoted(out, value);
}


void
ngx_paygw_json_out_integer(ngx_paygw_json_out_t *out, const char *name,
    int64_t value)
{
    u_char  *p, buf[NGX_INT64_LEN];

    ngx_paygw_json_out_name(out, name);

    p = ngx_sprintf(buf, "%L", value);

    ngx_paygw_json_out_bytes(out, buf, p - buf);
}


void
ngx_paygw_json_out_named(ngx_paygw_json_out_t *out, const ngx_str_t *name,
    const ngx_str_t *value)
{
    ngx_paygw_json_out_name(out, NULL);
    ngx_paygw_json_out_quoted(out, name);
    ngx_paygw_json_out_bytes(out, ":", 1);
    ngx_paygw_json_out_quoted(out, value);
}


void
ngx_paygw_json_out_raw(ngx_paygw_json_out_t *out, const char *name,
    const ngx_str_t *value)
{
    ngx_paygw_json_out_name(out, name);
    ngx_paygw_json_out_bytes(out, value->data, value->len);
}


void
ngx_paygw_json_out_some(ngx_paygw_json_out_t *out, const char *name,
    const ngx_str_t *value)
{
    if (value->len) {
        ngx_paygw_json_out_string(out, name, value);
    }
}


ngx_int_t
ngx_paygw_json_out_end(ngx_paygw_json_out_t *out, ngx_str_t *text)
{
    if (out->failed) {
        return NGX_ERROR;
    }

    text->data = out->start;
    text->len = out->pos - out->start;

    return NGX_OK;
}


static u_char *
ngx_paygw_json_out_room(ngx_paygw_json_out_t *out, size_t len)
{
    u_char  *p;
    size_t   used, size;

    if (out->failed) {
        return NULL;
    }

    if ((size_t) (out->end - out->pos) < len) {

        used = out->pos - out->start;
        size = ngx_max(2 * used + len, NGX_PAYGW_JSON_OUT_SIZE);

        p = ngx_pnalloc(out->pool, size);
        if (p == NULL) {
            out->failed = 1;
            return NULL;
        }

        if (used) {
            ngx_memcpy(p, out->start, used);
        }

        out->start = p;
        out->pos = p + used;
        out->end = p + size;
    }

    p = out->pos;
    out->pos += len;

    return p;
}


static void
ngx_paygw_json_out_bytes(ngx_paygw_json_out_t *out, const void *bytes,
    size_t len)
{
    u_char  *p;

    p = ngx_paygw_json_out_room(out, len);

    if (p && len) {
        ngx_memcpy(p, bytes, len);
    }
}


static void
ngx_paygw_json_out_quoted(ngx_paygw_json_out_t *out, const ngx_str_t *value)
{
    u_char     *p;
    size_t      len;
    ngx_str_t   s;

    s = *value;

    if (s.data == NULL) {
        ngx_str_set(&s, "");
    }

    len = ngx_paygw_json_string_len(&s);
    p = ngx_paygw_json_out_room(out, len);

    if (p) {
        (void) ngx_paygw_json_write_string(p, &s, len);
    }
}


static void
ngx_paygw_json_out_name(ngx_paygw_json_out_t *out, const char *name)
{
    if (out->comma) {
        ngx_paygw_json_out_bytes(out, ",", 1);
    }

    out->comma = 1;

    if (name) {
        ngx_paygw_json_out_bytes(out, "\"", 1);
        ngx_paygw_json_out_bytes(out, name, ngx_strlen(name));
        ngx_paygw_json_out_bytes(out, "\":", 2);
    }
}
