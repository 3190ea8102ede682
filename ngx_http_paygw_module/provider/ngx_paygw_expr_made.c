
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_expr.h"
#include "ngx_paygw_mac.h"


/* What a request has that is made here, and what its answer knows of it. */


#define NGX_PAYGW_EXPR_NOW_S        0
#define NGX_PAYGW_EXPR_NOW_MS       1
#define NGX_PAYGW_EXPR_NOW_ISO8601  2

#define NGX_PAYGW_EXPR_UUID         0      /* else so many letters */
#define NGX_PAYGW_EXPR_NONCE_MIN    16


char *
ngx_paygw_expr_bind_made(ngx_paygw_expr_t *e)
{
    ngx_int_t              n;
    ngx_str_t             *word;
    ngx_uint_t             i;
    ngx_paygw_encoding_e   encoding;

    /* the order of NGX_PAYGW_EXPR_NOW_S and those after it */

    static const char  *formats[] = { "s", "ms", "iso8601", NULL };

    word = &e->words[0];

    if (e->op->eval == ngx_paygw_expr_now) {

        for (i = 0; formats[i]; i++) {
            if (word->len == ngx_strlen(formats[i])
                && ngx_strncmp(word->data, formats[i], word->len) == 0)
            {
                e->index = i;
                return NULL;
            }
        }

        return "\"s\", \"ms\" or \"iso8601\" is expected";
    }

    if (e->op->eval == ngx_paygw_expr_made) {

        if (ngx_paygw_encoding_find(word, &encoding) != NGX_OK
            || encoding == NGX_PAYGW_ENCODING_TEXT)
        {
            return "\"hex\", \"base64\" or \"base64url\" is expected";
        }

        e->index = encoding;

        return NULL;
    }

    if (word->len == 4 && ngx_strncmp(word->data, "uuid", 4) == 0) {
        e->index = NGX_PAYGW_EXPR_UUID;
        return NULL;
    }

    n = ngx_atoi(word->data, word->len);

    if (n < NGX_PAYGW_EXPR_NONCE_MIN || n > NGX_PAYGW_EXPR_NONCE_MAX) {
        return "\"uuid\", or 16 to 64 letters, is expected";
    }

    e->index = n;

    return NULL;
}


ngx_int_t
ngx_paygw_expr_now(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    u_char     *p;
    ngx_tm_t    tm;
    ngx_int_t   rc;

    rc = ngx_paygw_expr_room(ctx, sizeof("1970-01-01T00:00:00Z")
                                  + NGX_TIME_T_LEN, value);
    if (rc != NGX_OK) {
        return rc;
    }

    p = value->data;

    switch (e->index) {

    case NGX_PAYGW_EXPR_NOW_MS:
        p = ngx_sprintf(p, "%T%03ui", ctx->made->sec, ctx->made->msec);
        break;

    case NGX_PAYGW_EXPR_NOW_ISO8601:
        ngx_gmtime(ctx->made->sec, &tm);
        p = ngx_sprintf(p, "%4d-%02d-%02dT%02d:%02d:%02dZ",
                        tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                        tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
        break;

    default: /* NGX_PAYGW_EXPR_NOW_S */
        p = ngx_sprintf(p, "%T", ctx->made->sec);
    }

    value->len = p - value->data;

    return NGX_OK;
}


/* one for a request: a shorter one is the beginning of it */

ngx_int_t
ngx_paygw_expr_nonce(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    u_char     *p, hex[32], digest[NGX_PAYGW_SHA256_LEN];
    ngx_int_t   rc;
    ngx_str_t   text;

    if (e->index != NGX_PAYGW_EXPR_UUID) {
        value->data = ctx->made->nonce;
        value->len = e->index;
        return NGX_OK;
    }

    text.data = ctx->made->nonce;
    text.len = NGX_PAYGW_EXPR_NONCE_MAX;

    if (ngx_paygw_sha256(&text, 1, digest) != NGX_OK) {
        return ngx_paygw_refuse(ctx->notify, NGX_ERROR,
                                NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    /* version 4, and the variant of RFC 4122 */

    digest[6] = (u_char) ((digest[6] & 0x0f) | 0x40);
    digest[8] = (u_char) ((digest[8] & 0x3f) | 0x80);

    rc = ngx_paygw_expr_room(ctx, sizeof(hex) + 4, value);
    if (rc != NGX_OK) {
        return rc;
    }

    (void) ngx_hex_dump(hex, digest, sizeof(hex) / 2);

    p = value->data;
    p = ngx_cpymem(p, hex, 8);
    *p++ = '-';
    p = ngx_cpymem(p, hex + 8, 4);
    *p++ = '-';
    p = ngx_cpymem(p, hex + 12, 4);
    *p++ = '-';
    p = ngx_cpymem(p, hex + 16, 4);
    *p++ = '-';
    ngx_memcpy(p, hex + 20, 12);

    return NGX_OK;
}


ngx_int_t
ngx_paygw_expr_made(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t   rc;
    ngx_str_t  *sig;

    sig = &ctx->made->signature;

    rc = ngx_paygw_expr_room(ctx, 2 * sig->len + 4, value);
    if (rc != NGX_OK) {
        return rc;
    }

    switch (e->index) {

    case NGX_PAYGW_ENCODING_HEX:
        value->len = ngx_hex_dump(value->data, sig->data, sig->len)
                     - value->data;
        break;

    case NGX_PAYGW_ENCODING_BASE64URL:
        ngx_encode_base64url(value, sig);
        break;

    default: /* NGX_PAYGW_ENCODING_BASE64 */
        ngx_encode_base64(value, sig);
    }

    return NGX_OK;
}


/* what is wrong with it is wrong with the answer: it has no such value */

ngx_int_t
ngx_paygw_expr_sent(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t  rc;

    rc = ngx_paygw_expr_eval(ctx->sent, e->args[0], value);

    if (rc == NGX_ABORT) {
        return ngx_paygw_refuse(ctx->notify, NGX_ABORT,
                                NGX_PAYGW_REASON_MALFORMED,
                                "the request has no such value");
    }

    return rc;
}


ngx_int_t
ngx_paygw_expr_status(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t  rc;

    rc = ngx_paygw_expr_room(ctx, NGX_INT_T_LEN, value);

    if (rc == NGX_OK) {
        value->len = ngx_sprintf(value->data, "%ui", ctx->status)
                     - value->data;
    }

    return rc;
}
