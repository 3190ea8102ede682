
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_json.h"
#include "ngx_paygw_bytes.h"


static u_char *ngx_paygw_json_unescape(u_char *s, u_char *last, u_char **p,
    ngx_uint_t what, ngx_uint_t *found);
static ngx_uint_t ngx_paygw_json_codepoint(u_char *s, u_char *last,
    u_char **end);
static u_char *ngx_paygw_json_utf8(u_char *p, ngx_uint_t c);
static void ngx_paygw_json_special(ngx_paygw_bytes_t *b);


/*
 * How each byte is written: 0 as it is, 1 as \u00XX, else as a backslash and
 * this character.
 */

static const u_char  ngx_paygw_json_escapes[256] = {
    1, 1, 1, 1, 1, 1, 1, 1, 'b', 't', 'n', 1, 'f', 'r', 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    ['"'] = '"', ['\\'] = '\\', [0x7f] = 1
};


size_t
ngx_paygw_json_string_len(ngx_str_t *s)
{
    size_t   len;
    u_char  *p, *last;

    len = s->len + sizeof("\"\"") - 1;

    p = s->data;
    last = p + s->len;

    for ( ;; ) {
        p = ngx_paygw_bytes_find(p, last, ngx_paygw_json_special);

        if (p == last) {
            return len;
        }

        len += (ngx_paygw_json_escapes[*p++] == 1) ? sizeof("\\u0000") - 2
                                                   : sizeof("\\") - 1;
    }
}


u_char *
ngx_paygw_json_write_string(u_char *p, ngx_str_t *s, size_t len)
{
    u_char   escape;
    u_char  *from, *c, *last;

    *p++ = '"';

    if (len == s->len + sizeof("\"\"") - 1) {

        /* nothing is escaped, no need to look again */

        if (s->len) {
            p = ngx_cpymem(p, s->data, s->len);
        }

        *p++ = '"';

        return p;
    }

    from = s->data;
    last = s->data + s->len;

    for ( ;; ) {
        c = ngx_paygw_bytes_find(from, last, ngx_paygw_json_special);

        p = ngx_cpymem(p, from, c - from);

        if (c == last) {
            break;
        }

        escape = ngx_paygw_json_escapes[*c];
        from = c + 1;

        if (escape == 1) {
            p = ngx_sprintf(p, "\\u00%02Xd", (int) *c);

        } else {
            *p++ = '\\';
            *p++ = escape;
        }
    }

    *p++ = '"';

    return p;
}


ngx_int_t
ngx_paygw_json_respell(ngx_pool_t *pool, ngx_str_t *text, ngx_uint_t what,
    ngx_str_t *out, ngx_uint_t *found)
{
    u_char      *s, *p, *last;
    ngx_uint_t   quoted;

    *found = 0;

    out->data = ngx_pnalloc(pool, text->len);
    if (out->data == NULL) {
        return NGX_ERROR;
    }

    p = out->data;
    s = text->data;
    last = text->data + text->len;
    quoted = 0;

    while (s < last) {

        if (quoted && *s == '\\') {
            s = ngx_paygw_json_unescape(s, last, &p, what, found);
            continue;
        }

        if (!quoted && (what & NGX_PAYGW_JSON_SPACES)
            && (*s == ' ' || *s == LF || *s == CR || *s == '\t'))
        {
            *found |= NGX_PAYGW_JSON_SPACES;
            s++;
            continue;
        }

        if (*s == '"') {
            quoted = !quoted;
        }

        *p++ = *s++;
    }

    out->len = p - out->data;

    return NGX_OK;
}


/* one escape; returns where it ends */

static u_char *
ngx_paygw_json_unescape(u_char *s, u_char *last, u_char **p,
    ngx_uint_t what, ngx_uint_t *found)
{
    u_char      *end;
    ngx_uint_t   c;

    if (last - s < 2) {
        *(*p)++ = *s;
        return last;
    }

    if (s[1] == '/' && (what & NGX_PAYGW_JSON_SLASHES)) {
        *found |= NGX_PAYGW_JSON_SLASHES;
        *(*p)++ = '/';
        return s + 2;
    }

    if (s[1] == 'u' && (what & NGX_PAYGW_JSON_UNICODE)) {

        c = ngx_paygw_json_codepoint(s, last, &end);

        if (c >= 0x80) {
            *found |= NGX_PAYGW_JSON_UNICODE;
            *p = ngx_paygw_json_utf8(*p, c);
            return end;
        }
    }

    *p = ngx_cpymem(*p, s, 2);

    return s + 2;
}


/* of "\u652f", or of a pair of surrogates; 0 if it is neither */

static ngx_uint_t
ngx_paygw_json_codepoint(u_char *s, u_char *last, u_char **end)
{
    ngx_int_t  high, low;

    if (last - s < 6) {
        return 0;
    }

    high = ngx_hextoi(s + 2, 4);
    *end = s + 6;

    if (high < 0) {
        return 0;
    }

    if (high < 0xd800 || high > 0xdfff) {
        return high;
    }

    if (high > 0xdbff || last - s < 12 || s[6] != '\\' || s[7] != 'u') {
        return 0;
    }

    low = ngx_hextoi(s + 8, 4);
    *end = s + 12;

    if (low < 0xdc00 || low > 0xdfff) {
        return 0;
    }

    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}


static u_char *
ngx_paygw_json_utf8(u_char *p, ngx_uint_t c)
{
    if (c < 0x800) {
        *p++ = (u_char) (0xc0 | (c >> 6));

    } else {

        if (c < 0x10000) {
            *p++ = (u_char) (0xe0 | (c >> 12));

        } else {
            *p++ = (u_char) (0xf0 | (c >> 18));
            *p++ = (u_char) (0x80 | ((c >> 12) & 0x3f));
        }

        *p++ = (u_char) (0x80 | ((c >> 6) & 0x3f));
    }

    *p++ = (u_char) (0x80 | (c & 0x3f));

    return p;
}


/* a byte that must be escaped */

static void
ngx_paygw_json_special(ngx_paygw_bytes_t *b)
{
    *b = (ngx_paygw_bytes_t) ((*b < 0x20) | (*b == '"') | (*b == '\\')
                              | (*b == 0x7f));
}
