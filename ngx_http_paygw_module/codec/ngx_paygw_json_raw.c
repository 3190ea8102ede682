
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_json.h"


static u_char *ngx_paygw_json_raw_space(u_char *p, u_char *last);
static ngx_int_t ngx_paygw_json_raw_find(ngx_str_t *text, const char *name,
    ngx_str_t *raw, ngx_uint_t gbk);
static u_char *ngx_paygw_json_raw_string(u_char *p, u_char *last,
    ngx_uint_t gbk);
static u_char *ngx_paygw_json_raw_value(u_char *p, u_char *last,
    ngx_uint_t gbk);


ngx_int_t
ngx_paygw_json_raw(ngx_str_t *text, const char *name, ngx_str_t *raw)
{
    return ngx_paygw_json_raw_find(text, name, raw, 0);
}


ngx_int_t
ngx_paygw_json_raw_gbk(ngx_str_t *text, const char *name, ngx_str_t *raw)
{
    return ngx_paygw_json_raw_find(text, name, raw, 1);
}


/*
 * The text has been parsed, so the way through it needs no care but for its
 * end.
 */

static ngx_int_t
ngx_paygw_json_raw_find(ngx_str_t *text, const char *name, ngx_str_t *raw,
    ngx_uint_t gbk)
{
    u_char  *p, *last, *key;
    size_t   len, n;

    len = ngx_strlen(name);
    last = text->data + text->len;

    p = ngx_paygw_json_raw_space(text->data, last);

    if (p == last || *p++ != '{') {
        goto declined;
    }

    for ( ;; ) {

        p = ngx_paygw_json_raw_space(p, last);

        if (p == last || *p != '"') {
            goto declined;
        }

        key = p + 1;
        p = ngx_paygw_json_raw_string(p, last, gbk);
        n = p - key;

        p = ngx_paygw_json_raw_space(p, last);

        if (p == last || *p++ != ':') {
            goto declined;
        }

        raw->data = ngx_paygw_json_raw_space(p, last);
        p = ngx_paygw_json_raw_value(raw->data, last, gbk);
        raw->len = p - raw->data;

        /* n counts the quote at the end of the key */

        if (n == len + 1 && ngx_strncmp(key, name, len) == 0) {
            return NGX_OK;
        }

        p = ngx_paygw_json_raw_space(p, last);

        if (p == last || *p++ != ',') {
            goto declined;
        }
    }

declined:

    ngx_str_null(raw);

    return NGX_DECLINED;
}


static u_char *
ngx_paygw_json_raw_space(u_char *p, u_char *last)
{
    /* yajl takes \v and \f for white space, too */

    while (p < last && (*p == ' ' || (*p >= '\t' && *p <= CR))) {
        p++;
    }

    return p;
}


/* behind the quote that ends the string that begins at p */

static u_char *
ngx_paygw_json_raw_string(u_char *p, u_char *last, ngx_uint_t gbk)
{
    for (p++; p < last; p++) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\' || (gbk && *p >= 0x81)) {
            p++;
        }
    }

    return last;
}


/* behind the value that begins at p */

static u_char *
ngx_paygw_json_raw_value(u_char *p, u_char *last, ngx_uint_t gbk)
{
    ngx_uint_t  depth;

    depth = 0;

    while (p < last) {

        switch (*p) {

        case '"':
            p = ngx_paygw_json_raw_string(p, last, gbk);

            if (depth == 0) {
                return p;
            }

            continue;

        case '{':
        case '[':
            depth++;
            break;

        case '}':
        case ']':
            if (depth == 0) {
                return p;
            }

            if (--depth == 0) {
                return p + 1;
            }

            break;

        case ',':
        case ' ':
        case '\t':
        case LF:
        case '\v':
        case '\f':
        case CR:
            if (depth == 0) {
                return p;
            }
        }

        p++;
    }

    return last;
}
