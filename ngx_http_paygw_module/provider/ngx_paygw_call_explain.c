
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_call.h"
#include "ngx_paygw_explain.h"


/*
 * Which line of the string to sign differs: the usual mistakes are tried.  A
 * key id that is unknown goes the same way, so that it takes the same time.
 */


typedef struct {
    ngx_int_t              (*make)(ngx_paygw_call_t *call, ngx_str_t *parts);
    const char              *hint;
} ngx_paygw_call_guess_t;


static ngx_int_t ngx_paygw_call_try(ngx_paygw_call_t *call,
    const ngx_paygw_call_guess_t *guess);
static void ngx_paygw_call_otherwise(ngx_paygw_call_t *call);
static ngx_int_t ngx_paygw_call_no_end(ngx_paygw_call_t *call,
    ngx_str_t *parts);
static ngx_int_t ngx_paygw_call_method(ngx_paygw_call_t *call,
    ngx_str_t *parts);
static ngx_int_t ngx_paygw_call_no_query(ngx_paygw_call_t *call,
    ngx_str_t *parts);
static ngx_int_t ngx_paygw_call_decoded(ngx_paygw_call_t *call,
    ngx_str_t *parts);
static ngx_int_t ngx_paygw_call_https(ngx_paygw_call_t *call,
    ngx_str_t *parts);
static ngx_int_t ngx_paygw_call_http(ngx_paygw_call_t *call,
    ngx_str_t *parts);
static ngx_int_t ngx_paygw_call_absolute(ngx_paygw_call_t *call,
    const char *scheme, ngx_str_t *parts);
static ngx_int_t ngx_paygw_call_upper(ngx_paygw_call_t *call,
    ngx_str_t *parts);
static ngx_int_t ngx_paygw_call_no_body(ngx_paygw_call_t *call,
    ngx_str_t *parts);
static ngx_int_t ngx_paygw_call_raw(ngx_paygw_call_t *call,
    ngx_str_t *parts);
static ngx_int_t ngx_paygw_call_body_lf(ngx_paygw_call_t *call,
    ngx_str_t *parts);
static ngx_int_t ngx_paygw_call_body_other(ngx_paygw_call_t *call,
    ngx_str_t *parts);
static ngx_int_t ngx_paygw_call_rehash(ngx_paygw_call_t *call,
    ngx_str_t *text, ngx_uint_t n, ngx_str_t *parts);


static const ngx_paygw_call_guess_t  ngx_paygw_call_guesses[] = {

    { ngx_paygw_call_no_end,
      "the string was signed without the line feed at its end" },

    { ngx_paygw_call_method,
      "the method was signed in lower case" },

    { ngx_paygw_call_no_query,
      "the target was signed without its query" },

    { ngx_paygw_call_decoded,
      "the target was signed decoded, or was encoded on the way" },

    { ngx_paygw_call_https,
      "the target was signed with scheme and host" },

    { ngx_paygw_call_http,
      "the target was signed with scheme and host" },

    { ngx_paygw_call_upper,
      "the hash of the body was signed in upper case" },

    { ngx_paygw_call_no_body,
      "the body was signed as if it were empty" },

    { ngx_paygw_call_raw,
      "the body itself was signed, and not its hash" },

    { ngx_paygw_call_body_lf,
      "a line feed at the end of the body was lost" },

    { ngx_paygw_call_body_other,
      "the body was changed after it was signed: line feed or spelling" },

    { NULL, NULL }
};


ngx_int_t
ngx_paygw_call_explain(ngx_paygw_call_t *call)
{
    ngx_int_t                      rc;
    const ngx_paygw_call_guess_t  *guess;

    ngx_str_null(&call->hint);

    if (call->kind == NGX_PAYGW_CALLER_HMAC
        && call->style == NGX_PAYGW_CALL_HEADERS)
    {
        for (guess = ngx_paygw_call_guesses; guess->make; guess++) {
            rc = ngx_paygw_call_try(call, guess);

            if (rc != NGX_DECLINED) {
                return rc;
            }
        }
    }

    ngx_paygw_call_otherwise(call);

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_call_try(ngx_paygw_call_t *call, const ngx_paygw_call_guess_t *guess)
{
    ngx_int_t   rc;
    ngx_str_t   parts[NGX_PAYGW_CALL_PARTS];

    (void) ngx_paygw_call_parts(call, parts);

    rc = guess->make(call, parts);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_paygw_call_by_secret(call, parts, NGX_PAYGW_CALL_PARTS, NULL);

    if (rc != 1) {
        return (rc == 0) ? NGX_DECLINED : NGX_ERROR;
    }

    call->hint.data = (u_char *) guess->hint;
    call->hint.len = ngx_strlen(guess->hint);

    return NGX_OK;
}


/* nothing fits: what is wrong with the key, as far as that shows */

static void
ngx_paygw_call_otherwise(ngx_paygw_call_t *call)
{
    ngx_int_t    rc;
    ngx_str_t    parts[NGX_PAYGW_CALL_PARTS];
    ngx_uint_t   n;

    n = ngx_paygw_call_parts(call, parts);

    rc = (call->kind != NGX_PAYGW_CALLER_PUBLIC)
         ? ngx_paygw_call_by_secret(call, parts, n, "\n") : 0;

    if (rc == 1) {
        ngx_str_set(&call->hint, "the caller's copy of the secret has a line "
                                 "feed at its end");

    } else if (call->caller == NULL) {
        ngx_str_set(&call->hint, "unknown key id, or of a merchant that is "
                                 "not named here");

    } else if (call->caller->kind == call->kind) {
        ngx_str_set(&call->hint, "another secret or key, or another string "
                                 "was signed");

    } else if (call->caller->kind == NGX_PAYGW_CALLER_PUBLIC) {
        ngx_str_set(&call->hint, "the key id is that of a public key, its "
                                 "signatures are base64");

    } else if (call->caller->kind == NGX_PAYGW_CALLER_MD5) {
        ngx_str_set(&call->hint, "the key is for MD5 of parameters alone");

    } else {
        ngx_str_set(&call->hint, "the key is a secret, its signatures are 64 "
                                 "hexadecimal digits of HMAC-SHA256");
    }
}


static ngx_int_t
ngx_paygw_call_no_end(ngx_paygw_call_t *call, ngx_str_t *parts)
{
    parts[NGX_PAYGW_CALL_PARTS - 1].len = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_call_method(ngx_paygw_call_t *call, ngx_str_t *parts)
{
    parts[0].data = ngx_pnalloc(call->pool, parts[0].len);
    if (parts[0].data == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(parts[0].data, call->method.data, parts[0].len);

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_call_no_query(ngx_paygw_call_t *call, ngx_str_t *parts)
{
    u_char  *p;

    p = ngx_strlchr(parts[2].data, parts[2].data + parts[2].len, '?');

    if (p == NULL) {
        return NGX_DECLINED;
    }

    parts[2].len = p - parts[2].data;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_call_decoded(ngx_paygw_call_t *call, ngx_str_t *parts)
{
    if (call->decoded.len == 0) {
        return NGX_DECLINED;
    }

    parts[2] = call->decoded;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_call_https(ngx_paygw_call_t *call, ngx_str_t *parts)
{
    return ngx_paygw_call_absolute(call, "https", parts);
}


static ngx_int_t
ngx_paygw_call_http(ngx_paygw_call_t *call, ngx_str_t *parts)
{
    return ngx_paygw_call_absolute(call, "http", parts);
}


static ngx_int_t
ngx_paygw_call_absolute(ngx_paygw_call_t *call, const char *scheme,
    ngx_str_t *parts)
{
    u_char  *p;
    size_t   len;

    if (call->host.len == 0) {
        return NGX_DECLINED;
    }

    len = sizeof("https://") + call->host.len + call->target.len;

    p = ngx_pnalloc(call->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    parts[2].data = p;
    parts[2].len = ngx_snprintf(p, len, "%s://%V%V", scheme, &call->host,
                                &call->target)
                   - p;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_call_upper(ngx_paygw_call_t *call, ngx_str_t *parts)
{
    ngx_uint_t  i;

    for (i = 0; i < sizeof(call->hex); i++) {
        call->hex[i] = ngx_toupper(call->hex[i]);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_call_no_body(ngx_paygw_call_t *call, ngx_str_t *parts)
{
    return ngx_paygw_call_rehash(call, NULL, 0, parts);
}


static ngx_int_t
ngx_paygw_call_raw(ngx_paygw_call_t *call, ngx_str_t *parts)
{
    parts[8] = call->body;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_call_body_lf(ngx_paygw_call_t *call, ngx_str_t *parts)
{
    ngx_str_t  text[2];

    if (call->body.len == 0) {
        return NGX_DECLINED;
    }

    text[0] = call->body;
    ngx_str_set(&text[1], "\n");

    return ngx_paygw_call_rehash(call, text, 2, parts);
}


static ngx_int_t
ngx_paygw_call_body_other(ngx_paygw_call_t *call, ngx_str_t *parts)
{
    ngx_paygw_explain_t  ex;

    if (call->body.len == 0) {
        return NGX_DECLINED;
    }

    if (ngx_paygw_explain_json(call->pool, &call->body, 0, &ex) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ex.text.data == NULL) {
        return NGX_DECLINED;
    }

    return ngx_paygw_call_rehash(call, &ex.text, 1, parts);
}


/* parts[8] is call->hex */

static ngx_int_t
ngx_paygw_call_rehash(ngx_paygw_call_t *call, ngx_str_t *text, ngx_uint_t n,
    ngx_str_t *parts)
{
    u_char  sha256[NGX_PAYGW_SHA256_LEN];

    if (ngx_paygw_sha256(text, n, sha256) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_hex_dump(call->hex, sha256, sizeof(sha256));

    return NGX_OK;
}
