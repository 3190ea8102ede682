
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_text.h"


static ngx_uint_t ngx_paygw_pem_take(ngx_str_t *text, const char *literal);


ngx_int_t
ngx_paygw_pem_decode(ngx_pool_t *pool, ngx_str_t *der, ngx_str_t *text,
    const char *label)
{
    u_char     *p, *last;
    ngx_str_t   rest, base64;

    rest = *text;

    if (!ngx_paygw_pem_take(&rest, "-----BEGIN ")
        || !ngx_paygw_pem_take(&rest, label)
        || !ngx_paygw_pem_take(&rest, "-----"))
    {
        return NGX_ABORT;
    }

    base64.len = 0;
    base64.data = ngx_pnalloc(pool, rest.len + 1);
    if (base64.data == NULL) {
        return NGX_ERROR;
    }

    p = rest.data;
    last = rest.data + rest.len;

    while (p < last && *p != '-') {

        if (*p != CR && *p != LF) {
            base64.data[base64.len++] = *p;
        }

        p++;
    }

    rest.data = p;
    rest.len = last - p;

    if (!ngx_paygw_pem_take(&rest, "-----END ")
        || !ngx_paygw_pem_take(&rest, label)
        || !ngx_paygw_pem_take(&rest, "-----"))
    {
        return NGX_ABORT;
    }

    while (rest.len) {

        if (*rest.data != CR && *rest.data != LF) {
            return NGX_ABORT;
        }

        rest.data++;
        rest.len--;
    }

    if (base64.len == 0) {
        return NGX_ABORT;
    }

    return ngx_paygw_base64_decode(pool, der, &base64);
}


/* takes a literal off the front of text: 1 if it was there */

static ngx_uint_t
ngx_paygw_pem_take(ngx_str_t *text, const char *literal)
{
    size_t  len;

    len = ngx_strlen(literal);

    if (text->len < len || ngx_strncmp(text->data, literal, len) != 0) {
        return 0;
    }

    text->data += len;
    text->len -= len;

    return 1;
}
