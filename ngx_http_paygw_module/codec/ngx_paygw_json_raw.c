
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_json.h"


static u_char *ngx_paygw_json_raw_space(u_char *p, u_char *last);
static u_char *ngx_paygw_json_raw_string(u_char *p, u_char *last);
static u_char *ngx_paygw_json_raw_value(u_char *p, u_char *last);


/*
 * The text has been parsed, so the way through it needs no care but for its
 * end.
 */

ngx_int_t
ngx_paygw_json_raw(ngx_str_t *text, const char *name, ngx_str_t *raw)
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
        p = ngx_paygw_json_raw_string(p, last);
        n = p - key;

        p = ngx_paygw_json_raw_space(p, last);

        if (p == last || *p++ != ':') {
            goto declined;
        }

        raw->data = ngx_paygw_json_raw_space(p, last);
        p = ngx_paygw_json_raw_value(raw->data, last);
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
ngx_paygw_json_raw_string(u_char *p, u_char *last)
{
    for (p++; p < last; p++) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\') {
            p++;
        }
    }

    return last;
}


/* behind the value that begins at p */

static u_char *
ngx_paygw_json_raw_value(u_char *p, u_char *last)
{
    ngx_uint_t  depth;

    depth = 0;

    while (p < last) {

        switch (*p) {

        case '"':
            p = ngx_paygw_json_raw_string(p, last);

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
