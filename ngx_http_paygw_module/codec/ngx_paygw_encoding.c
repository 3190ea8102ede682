
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_encoding.h"
#include "ngx_paygw_text.h"


static ngx_int_t ngx_paygw_decode_hex(ngx_pool_t *pool, ngx_str_t *dst,
    ngx_str_t *src);
static ngx_int_t ngx_paygw_decode_base64url(ngx_pool_t *pool, ngx_str_t *dst,
    ngx_str_t *src);


/* in the order of ngx_paygw_encoding_e */

static const ngx_str_t  ngx_paygw_encodings[] = {
    ngx_string("text"),
    ngx_string("hex"),
    ngx_string("base64"),
    ngx_string("base64url"),
    ngx_null_string
};


ngx_int_t
ngx_paygw_encoding_find(ngx_str_t *name, ngx_paygw_encoding_e *encoding)
{
    ngx_uint_t        i;
    const ngx_str_t  *known;

    for (i = 0; ngx_paygw_encodings[i].len; i++) {
        known = &ngx_paygw_encodings[i];

        if (known->len == name->len
            && ngx_strncmp(known->data, name->data, name->len) == 0)
        {
            *encoding = i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_paygw_decode(ngx_paygw_encoding_e encoding, ngx_pool_t *pool,
    ngx_str_t *dst, ngx_str_t *src)
{
    switch (encoding) {

    case NGX_PAYGW_ENCODING_HEX:
        return ngx_paygw_decode_hex(pool, dst, src);

    case NGX_PAYGW_ENCODING_BASE64:
        return ngx_paygw_base64_decode(pool, dst, src);

    case NGX_PAYGW_ENCODING_BASE64URL:
        return ngx_paygw_decode_base64url(pool, dst, src);

    default: /* NGX_PAYGW_ENCODING_TEXT */
        *dst = *src;
        return NGX_OK;
    }
}


static ngx_int_t
ngx_paygw_decode_hex(ngx_pool_t *pool, ngx_str_t *dst, ngx_str_t *src)
{
    size_t     i;
    ngx_int_t  byte;

    if (src->len % 2) {
        return NGX_ABORT;
    }

    dst->len = src->len / 2;
    dst->data = ngx_pnalloc(pool, dst->len + 1);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < dst->len; i++) {

        byte = ngx_hextoi(src->data + 2 * i, 2);
        if (byte == NGX_ERROR) {
            return NGX_ABORT;
        }

        dst->data[i] = (u_char) byte;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_decode_base64url(ngx_pool_t *pool, ngx_str_t *dst, ngx_str_t *src)
{
    u_char     c;
    size_t     i;
    ngx_str_t  text;

    text.data = ngx_pnalloc(pool, src->len + 3);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < src->len; i++) {
        c = src->data[i];

        if (c == '+' || c == '/') {
            return NGX_ABORT;
        }

        text.data[i] = (c == '-') ? '+' : (c == '_') ? '/' : c;
    }

    /* what is padded in part is not well-formed in either way */

    if (i == 0 || src->data[i - 1] != '=') {
        while (i % 4 && i < src->len + 2) {
            text.data[i++] = '=';
        }
    }

    text.len = i;

    return ngx_paygw_base64_decode(pool, dst, &text);
}
