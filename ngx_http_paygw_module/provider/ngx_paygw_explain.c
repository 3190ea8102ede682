
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_explain.h"
#include "ngx_paygw_json.h"


/* what programs on the way put in the place of a character */

typedef struct {
    ngx_str_t                from;
    u_char                   to;
    char                    *seen;
    char                    *proved;
} ngx_paygw_explain_escape_t;


#define NGX_PAYGW_EXPLAIN_LISTED  4


#define NGX_PAYGW_EXPLAIN_HTML                                                \
    "a value is HTML-escaped", "values were HTML-escaped on the way"

#define NGX_PAYGW_EXPLAIN_SLASH                                               \
    "a value has backslashes before its quotes",                              \
    "backslashes were put before quotes on the way"


static ngx_int_t ngx_paygw_explain_lines(ngx_pool_t *pool, ngx_str_t *body,
    ngx_paygw_explain_t *ex);
static ngx_int_t ngx_paygw_explain_spelling(ngx_pool_t *pool, ngx_str_t *body,
    ngx_uint_t indented, ngx_paygw_explain_t *ex);
static const ngx_paygw_explain_escape_t *ngx_paygw_explain_escape(u_char *p,
    u_char *last);


static const ngx_paygw_explain_escape_t  ngx_paygw_explain_escapes[] = {
    { ngx_string("&quot;"), '"', NGX_PAYGW_EXPLAIN_HTML },
    { ngx_string("&#34;"), '"', NGX_PAYGW_EXPLAIN_HTML },
    { ngx_string("&#39;"), '\'', NGX_PAYGW_EXPLAIN_HTML },
    { ngx_string("&#039;"), '\'', NGX_PAYGW_EXPLAIN_HTML },
    { ngx_string("&amp;"), '&', NGX_PAYGW_EXPLAIN_HTML },
    { ngx_string("&lt;"), '<', NGX_PAYGW_EXPLAIN_HTML },
    { ngx_string("&gt;"), '>', NGX_PAYGW_EXPLAIN_HTML },
    { ngx_string("\\\""), '"', NGX_PAYGW_EXPLAIN_SLASH },
    { ngx_null_string, 0, NULL, NULL }
};


void
ngx_paygw_explain_id(ngx_paygw_explain_ids_t *ids, ngx_str_t *id)
{
    u_char  *p, *last;

    if (ids->count++ >= NGX_PAYGW_EXPLAIN_LISTED) {
        return;
    }

    p = ids->text + ids->len;
    last = ids->text + sizeof(ids->text);

    ids->len = ngx_slprintf(p, last, " \"%V\"", id) - ids->text;
}


ngx_int_t
ngx_paygw_explain_unknown(ngx_paygw_notify_t *n, const char *name,
    ngx_paygw_explain_ids_t *ids)
{
    if (ids->count > NGX_PAYGW_EXPLAIN_LISTED) {
        return ngx_paygw_refuse_with(n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_UNKNOWN_KEY,
                                     "unknown %s, known are%*s and %ui more",
                                     name, ids->len, ids->text,
                                     ids->count - NGX_PAYGW_EXPLAIN_LISTED);
    }

    if (ids->count == 0) {
        return ngx_paygw_refuse_with(n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_UNKNOWN_KEY,
                                     "unknown %s, none is known yet", name);
    }

    return ngx_paygw_refuse_with(n, NGX_DECLINED, NGX_PAYGW_REASON_UNKNOWN_KEY,
                                 "unknown %s, known %s%*s", name,
                                 ids->count > 1 ? "are" : "is",
                                 ids->len, ids->text);
}


char *
ngx_paygw_explain_base64(ngx_str_t *sig, char *otherwise)
{
    size_t  i;

    for (i = 0; i < sig->len; i++) {

        switch (sig->data[i]) {

        case ' ':
            return "plus sign decoded as space";

        case '%':
            return "signature is percent-encoded once more";

        case '-':
        case '_':
            return "signature is in the alphabet of base64url";

        case CR:
        case LF:
            return "signature has a line feed";

        default:
            break;
        }
    }

    return otherwise;
}


ngx_uint_t
ngx_paygw_explain_gzip(ngx_str_t *body)
{
    return body->len > 2 && body->data[0] == 0x1f && body->data[1] == 0x8b;
}


ngx_int_t
ngx_paygw_explain_json(ngx_pool_t *pool, ngx_str_t *body,
    ngx_uint_t indented, ngx_paygw_explain_t *ex)
{
    ngx_memzero(ex, sizeof(ngx_paygw_explain_t));

    if (body->len == 0) {
        ex->seen = "body is empty";
        return NGX_OK;
    }

    if (ngx_paygw_explain_gzip(body)) {
        ex->seen = "body is compressed";
        return NGX_OK;
    }

    if (body->len > 3 && ngx_memcmp(body->data, "\xef\xbb\xbf", 3) == 0) {
        ex->seen = "body begins with a byte order mark";
        ex->proved = "a byte order mark was put before the body";
        ex->text.data = body->data + 3;
        ex->text.len = body->len - 3;
        return NGX_OK;
    }

    if (body->data[0] != '{') {
        ex->seen = "body is not a JSON object";
        return NGX_OK;
    }

    if (body->data[body->len - 1] == LF) {
        ex->seen = "body ends with a line feed";
        ex->proved = "a line feed was added to the body";
        ex->text = *body;
        ex->text.len--;

        if (ex->text.data[ex->text.len - 1] == CR) {
            ex->text.len--;
        }

        return NGX_OK;
    }

    if (ngx_strlchr(body->data, body->data + body->len, CR)) {
        return ngx_paygw_explain_lines(pool, body, ex);
    }

    return ngx_paygw_explain_spelling(pool, body, indented, ex);
}


static ngx_int_t
ngx_paygw_explain_lines(ngx_pool_t *pool, ngx_str_t *body,
    ngx_paygw_explain_t *ex)
{
    u_char  *s, *p, *last;

    ex->seen = "body has lines that end in CR LF";
    ex->proved = "line ends of the body were changed to CR LF";

    p = ngx_pnalloc(pool, body->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ex->text.data = p;
    last = body->data + body->len;

    for (s = body->data; s < last; s++) {
        if (*s != CR || s + 1 == last || s[1] != LF) {
            *p++ = *s;
        }
    }

    ex->text.len = p - ex->text.data;

    return NGX_OK;
}


/* no provider escapes what need not be */

static ngx_int_t
ngx_paygw_explain_spelling(ngx_pool_t *pool, ngx_str_t *body,
    ngx_uint_t indented, ngx_paygw_explain_t *ex)
{
    ngx_str_t   text;
    ngx_uint_t  what, found;

    what = NGX_PAYGW_JSON_SLASHES|NGX_PAYGW_JSON_UNICODE;

    if (!indented) {
        what |= NGX_PAYGW_JSON_SPACES;

    } else if (!ngx_strlchr(body->data, body->data + body->len, LF)) {
        ex->seen = "body may be re-encoded: it is not indented any more";
        return NGX_OK;
    }

    if (ngx_paygw_json_respell(pool, body, what, &text, &found) != NGX_OK) {
        return NGX_ERROR;
    }

    if (found == 0) {
        return NGX_OK;
    }

    ex->text = text;

    if (found & NGX_PAYGW_JSON_UNICODE) {
        ex->seen = "body may be re-encoded: it has \\u escapes";
        ex->proved = "body was re-encoded: it has \\u escapes";

    } else if (found & NGX_PAYGW_JSON_SLASHES) {
        ex->seen = "body may be re-encoded: it has escaped slashes";
        ex->proved = "body was re-encoded: it has escaped slashes";

    } else {
        ex->seen = "body may be re-encoded: it has white space";
        ex->proved = "body was re-encoded: it has white space";
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_explain_values(ngx_pool_t *pool, ngx_str_t *text,
    ngx_paygw_explain_t *ex)
{
    u_char                            *s, *p, *last;
    const ngx_paygw_explain_escape_t  *escape;

    ngx_memzero(ex, sizeof(ngx_paygw_explain_t));

    last = text->data + text->len;

    for (s = text->data; s < last; s++) {
        escape = ngx_paygw_explain_escape(s, last);

        if (escape) {
            ex->seen = escape->seen;
            ex->proved = escape->proved;
            break;
        }
    }

    if (s == last) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, text->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ex->text.data = p;
    s = text->data;

    while (s < last) {
        escape = ngx_paygw_explain_escape(s, last);

        /* one kind of escape at a time: nothing is undone twice */

        if (escape && escape->seen == ex->seen) {
            *p++ = escape->to;
            s += escape->from.len;

        } else {
            *p++ = *s++;
        }
    }

    ex->text.len = p - ex->text.data;

    return NGX_OK;
}


static const ngx_paygw_explain_escape_t *
ngx_paygw_explain_escape(u_char *p, u_char *last)
{
    const ngx_paygw_explain_escape_t  *escape;

    if (*p != '&' && *p != '\\') {
        return NULL;
    }

    for (escape = ngx_paygw_explain_escapes; escape->from.len; escape++) {

        if ((size_t) (last - p) >= escape->from.len
            && ngx_memcmp(p, escape->from.data, escape->from.len) == 0)
        {
            return escape;
        }
    }

    return NULL;
}
