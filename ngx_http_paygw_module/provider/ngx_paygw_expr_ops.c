
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_expr.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_text.h"


/* The table of operations, and those that need nothing but their arguments. */


static ngx_int_t ngx_paygw_expr_text(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
static ngx_int_t ngx_paygw_expr_join(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
static ngx_int_t ngx_paygw_expr_default(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
static ngx_int_t ngx_paygw_expr_free(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
static ngx_int_t ngx_paygw_expr_trim(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
static ngx_int_t ngx_paygw_expr_letters(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
static ngx_int_t ngx_paygw_expr_strip_prefix(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
static ngx_int_t ngx_paygw_expr_hex(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
static ngx_int_t ngx_paygw_expr_base64(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
static ngx_int_t ngx_paygw_expr_decode(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
static ngx_int_t ngx_paygw_expr_urlencode(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);


#define ngx_paygw_expr_kind(kind)  (const void *) (uintptr_t) (kind)


const ngx_paygw_expr_op_t  ngx_paygw_expr_const = {
    ngx_null_string, "w", 1,
    NGX_PAYGW_EXPR_CONSTANT|NGX_PAYGW_EXPR_FAITHFUL,
    ngx_paygw_expr_text, NULL
};


/*
 * MD5 and SHA-1 are not faithful: two texts with one digest can be made.  Nor
 * is CRC-32, nor what changes the case or drops a part.
 */

const ngx_paygw_expr_op_t  ngx_paygw_expr_ops[] = {

    /* sources */

    { ngx_string("body"), "", 0, 0,
      ngx_paygw_expr_body, NULL },

    { ngx_string("method"), "", 0, 0,
      ngx_paygw_expr_method, NULL },

    { ngx_string("target_raw"), "", 0, 0,
      ngx_paygw_expr_target, NULL },

    { ngx_string("path_raw"), "", 0, 0,
      ngx_paygw_expr_path, NULL },

    { ngx_string("query_raw"), "", 0, 0,
      ngx_paygw_expr_query, NULL },

    { ngx_string("url_configured"), "", 0, NGX_PAYGW_EXPR_CONSTANT,
      ngx_paygw_expr_url, NULL },

    { ngx_string("secret"), "", 0, NGX_PAYGW_EXPR_CONSTANT,
      ngx_paygw_expr_secret, NULL },

    { ngx_string("header"), "w", 1, 0,
      ngx_paygw_expr_header, NULL },

    { ngx_string("header_param"), "wwwww", 4, 0,
      ngx_paygw_expr_param, NULL },

    { ngx_string("param"), "ewwww", 4, 0,
      ngx_paygw_expr_param, NULL },

    { ngx_string("json"), "w", 1, 0,
      ngx_paygw_expr_json, ngx_paygw_expr_kind(NGX_PAYGW_EXPR_JSON) },

    { ngx_string("json_of"), "ew", 2, 0,
      ngx_paygw_expr_json, ngx_paygw_expr_kind(NGX_PAYGW_EXPR_JSON) },

    { ngx_string("plain"), "w", 1, 0,
      ngx_paygw_expr_json, ngx_paygw_expr_kind(NGX_PAYGW_EXPR_JSON) },

    { ngx_string("item"), "w", 1, 0,
      ngx_paygw_expr_json, ngx_paygw_expr_kind(NGX_PAYGW_EXPR_ITEM) },

    { ngx_string("form"), "w", 1, 0,
      ngx_paygw_expr_field, ngx_paygw_expr_kind(NGX_PAYGW_EXPR_FORM) },

    { ngx_string("query"), "w", 1, 0,
      ngx_paygw_expr_field, ngx_paygw_expr_kind(NGX_PAYGW_EXPR_FORM) },

    { ngx_string("xml"), "w", 1, 0,
      ngx_paygw_expr_field, ngx_paygw_expr_kind(NGX_PAYGW_EXPR_XML) },

    { ngx_string("sorted_params"), "o", 1, 0,
      ngx_paygw_expr_sorted_params, NULL },

    { ngx_string("now"), "w", 1, NGX_PAYGW_EXPR_REQUEST,
      ngx_paygw_expr_now, NULL },

    { ngx_string("nonce"), "w", 1, NGX_PAYGW_EXPR_REQUEST,
      ngx_paygw_expr_nonce, NULL },

    { ngx_string("signature"), "w", 1, NGX_PAYGW_EXPR_REQUEST,
      ngx_paygw_expr_made, NULL },

    { ngx_string("sent"), "e", 1,
      NGX_PAYGW_EXPR_ANSWER|NGX_PAYGW_EXPR_CONSTANT,
      ngx_paygw_expr_sent, NULL },

    { ngx_string("status"), "", 0, NGX_PAYGW_EXPR_ANSWER,
      ngx_paygw_expr_status, NULL },

    /* functions */

    { ngx_string("concat"), "e+", 1, NGX_PAYGW_EXPR_FAITHFUL,
      ngx_paygw_expr_join, NULL },

    { ngx_string("join"), "we+", 2, NGX_PAYGW_EXPR_FAITHFUL,
      ngx_paygw_expr_join, NULL },

    { ngx_string("sorted"), "we+", 2, 0,
      ngx_paygw_expr_sorted, NULL },

    { ngx_string("default"), "ew", 2, NGX_PAYGW_EXPR_OPTIONAL,
      ngx_paygw_expr_default, NULL },

    { ngx_string("free"), "e", 1, NGX_PAYGW_EXPR_FAITHFUL,
      ngx_paygw_expr_free, NULL },

    { ngx_string("trim"), "e", 1, 0,
      ngx_paygw_expr_trim, NULL },

    { ngx_string("lower"), "e", 1, 0,
      ngx_paygw_expr_letters, ngx_paygw_expr_kind(0) },

    { ngx_string("upper"), "e", 1, 0,
      ngx_paygw_expr_letters, ngx_paygw_expr_kind(1) },

    { ngx_string("strip_prefix"), "ew", 2, NGX_PAYGW_EXPR_FAITHFUL,
      ngx_paygw_expr_strip_prefix, NULL },

    { ngx_string("hex"), "e", 1, NGX_PAYGW_EXPR_FAITHFUL,
      ngx_paygw_expr_hex, NULL },

    { ngx_string("base64"), "e", 1, NGX_PAYGW_EXPR_FAITHFUL,
      ngx_paygw_expr_base64, NULL },

    { ngx_string("unhex"), "e", 1, 0,
      ngx_paygw_expr_decode, ngx_paygw_expr_kind(NGX_PAYGW_ENCODING_HEX) },

    { ngx_string("unbase64"), "e", 1, NGX_PAYGW_EXPR_FAITHFUL,
      ngx_paygw_expr_decode, ngx_paygw_expr_kind(NGX_PAYGW_ENCODING_BASE64) },

    { ngx_string("unbase64url"), "e", 1, 0,
      ngx_paygw_expr_decode,
      ngx_paygw_expr_kind(NGX_PAYGW_ENCODING_BASE64URL) },

    { ngx_string("urlencode"), "ew", 1, NGX_PAYGW_EXPR_FAITHFUL,
      ngx_paygw_expr_urlencode, NULL },

    { ngx_string("md5"), "e", 1, 0,
      ngx_paygw_expr_digest, &ngx_paygw_hash_md5 },

    { ngx_string("sha1"), "e", 1, 0,
      ngx_paygw_expr_digest, &ngx_paygw_hash_sha1 },

    { ngx_string("sha256"), "e", 1, NGX_PAYGW_EXPR_FAITHFUL,
      ngx_paygw_expr_digest, &ngx_paygw_hash_sha256 },

    { ngx_string("sha512"), "e", 1, NGX_PAYGW_EXPR_FAITHFUL,
      ngx_paygw_expr_digest, &ngx_paygw_hash_sha512 },

    { ngx_string("sm3"), "e", 1, NGX_PAYGW_EXPR_FAITHFUL,
      ngx_paygw_expr_digest, &ngx_paygw_hash_sm3 },

    { ngx_string("crc32_dec"), "e", 1, 0,
      ngx_paygw_expr_crc32, NULL },

    { ngx_string("aes_256_gcm"), "eee", 3, 0,
      ngx_paygw_expr_gcm, NULL },

    { ngx_null_string, "", 0, 0, NULL, NULL }
};


static ngx_int_t
ngx_paygw_expr_text(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    *value = e->words[0];

    return NGX_OK;
}


/* concat() is a join() without a word */

static ngx_int_t
ngx_paygw_expr_join(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t   rc;
    ngx_str_t   parts[NGX_PAYGW_EXPR_MAX_ARGS], none;
    ngx_uint_t  i;

    for (i = 0; i < e->nargs; i++) {
        rc = ngx_paygw_expr_eval(ctx, e->args[i], &parts[i]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    ngx_str_null(&none);

    return ngx_paygw_expr_joined(ctx, parts, e->nargs,
                                 e->nwords ? &e->words[0] : &none, value);
}


ngx_int_t
ngx_paygw_expr_joined(ngx_paygw_expr_ctx_t *ctx, ngx_str_t *parts,
    ngx_uint_t n, ngx_str_t *sep, ngx_str_t *value)
{
    size_t      len;
    u_char     *p;
    ngx_int_t   rc;
    ngx_uint_t  i;

    len = 0;

    for (i = 0; i < n; i++) {
        len += parts[i].len + (i ? sep->len : 0);
    }

    rc = ngx_paygw_expr_room(ctx, len, value);
    if (rc != NGX_OK) {
        return rc;
    }

    p = value->data;

    for (i = 0; i < n; i++) {

        if (i && sep->len) {
            p = ngx_cpymem(p, sep->data, sep->len);
        }

        if (parts[i].len) {
            p = ngx_cpymem(p, parts[i].data, parts[i].len);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_expr_default(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t  rc;

    rc = ngx_paygw_expr_eval(ctx, e->args[0], value);

    if (rc == NGX_DECLINED) {
        *value = e->words[0];
        return NGX_OK;
    }

    return rc;
}


static ngx_int_t
ngx_paygw_expr_free(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    return ngx_paygw_expr_eval(ctx, e->args[0], value);
}


static ngx_int_t
ngx_paygw_expr_trim(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    u_char     *p, *last;
    ngx_int_t   rc;

    rc = ngx_paygw_expr_eval(ctx, e->args[0], value);
    if (rc != NGX_OK) {
        return rc;
    }

    p = value->data;
    last = p + value->len;

    while (p < last && (*p == ' ' || *p == '\t' || *p == CR || *p == LF)) {
        p++;
    }

    while (p < last && (last[-1] == ' ' || last[-1] == '\t'
                        || last[-1] == CR || last[-1] == LF))
    {
        last--;
    }

    value->data = p;
    value->len = last - p;

    return NGX_OK;
}


/* lower() and upper() */

static ngx_int_t
ngx_paygw_expr_letters(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    size_t     i;
    ngx_int_t  rc;
    ngx_str_t  text;

    rc = ngx_paygw_expr_eval(ctx, e->args[0], &text);

    if (rc == NGX_OK) {
        rc = ngx_paygw_expr_room(ctx, text.len, value);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < text.len; i++) {
        value->data[i] = e->op->data ? ngx_toupper(text.data[i])
                                     : ngx_tolower(text.data[i]);
    }

    return NGX_OK;
}


/* a text without the prefix is as good as none */

static ngx_int_t
ngx_paygw_expr_strip_prefix(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t   rc;
    ngx_str_t  *prefix;

    rc = ngx_paygw_expr_eval(ctx, e->args[0], value);
    if (rc != NGX_OK) {
        return rc;
    }

    prefix = &e->words[0];

    if (value->len < prefix->len
        || ngx_strncmp(value->data, prefix->data, prefix->len) != 0)
    {
        return NGX_DECLINED;
    }

    value->data += prefix->len;
    value->len -= prefix->len;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_expr_hex(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    rc = ngx_paygw_expr_eval(ctx, e->args[0], &text);

    if (rc == NGX_OK) {
        rc = ngx_paygw_expr_room(ctx, 2 * text.len, value);
    }

    if (rc == NGX_OK) {
        (void) ngx_hex_dump(value->data, text.data, text.len);
    }

    return rc;
}


static ngx_int_t
ngx_paygw_expr_base64(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    rc = ngx_paygw_expr_eval(ctx, e->args[0], &text);

    if (rc == NGX_OK) {
        rc = ngx_paygw_expr_room(ctx, ngx_base64_encoded_length(text.len),
                                 value);
    }

    if (rc == NGX_OK) {
        ngx_encode_base64(value, &text);
    }

    return rc;
}


static ngx_int_t
ngx_paygw_expr_decode(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    rc = ngx_paygw_expr_eval(ctx, e->args[0], &text);

    if (rc == NGX_OK) {
        rc = ngx_paygw_expr_room(ctx, text.len + 3, value);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_paygw_decode((ngx_paygw_encoding_e) (uintptr_t) e->op->data,
                          ctx->notify->pool, value, &text);

    if (rc == NGX_ABORT) {
        return ngx_paygw_refuse(ctx->notify, NGX_ABORT,
                                NGX_PAYGW_REASON_MALFORMED,
                                "a value is not in its encoding");
    }

    if (rc == NGX_ERROR) {
        return ngx_paygw_refuse(ctx->notify, NGX_ERROR,
                                NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_expr_urlencode(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    u_char      c, *p;
    size_t      i;
    ngx_int_t   rc;
    ngx_str_t   text;

    rc = ngx_paygw_expr_eval(ctx, e->args[0], &text);

    if (rc == NGX_OK) {
        rc = ngx_paygw_expr_room(ctx, 3 * text.len, value);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    p = value->data;

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'
            || c == (e->index ? '*' : '~'))
        {
            *p++ = c;

        } else if (e->index && c == ' ') {
            *p++ = '+';

        } else {
            p = ngx_sprintf(p, "%%%02XD", (uint32_t) c);
        }
    }

    value->len = p - value->data;

    return NGX_OK;
}
