
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_json.h"
#include "ngx_paygw_word.h"


static u_char *ngx_paygw_json_plain(u_char *p, u_char *last);


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
        p = ngx_paygw_json_plain(p, last);

        if (p == last) {
            return len;
        }

        len += (ngx_paygw_json_escapes[*p++] == 1) ? sizeof("\\u0000") - 2
                                                   : sizeof("\\") - 1;
    }
}


u_char *
ngx_paygw_json_write_string(u_char *p, ngx_str_t *s)
{
    u_char   escape;
    u_char  *from, *c, *last;

    *p++ = '"';

    from = s->data;
    last = s->data + s->len;

    for ( ;; ) {
        c = ngx_paygw_json_plain(from, last);

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


/* the first byte that must be escaped, or last */

static u_char *
ngx_paygw_json_plain(u_char *p, u_char *last)
{
    uint64_t  w;

    while (last - p >= 8) {

        ngx_memcpy(&w, p, 8);

        if (ngx_paygw_word_below(w, 0x20) | ngx_paygw_word_has(w, '"')
            | ngx_paygw_word_has(w, '\\') | ngx_paygw_word_has(w, 0x7f))
        {
            break;
        }

        p += 8;
    }

    while (p < last && ngx_paygw_json_escapes[*p] == 0) {
        p++;
    }

    return p;
}
