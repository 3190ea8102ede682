
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_json.h"


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
    u_char  escape;
    size_t  i, len;

    len = s->len + sizeof("\"\"") - 1;

    for (i = 0; i < s->len; i++) {

        escape = ngx_paygw_json_escapes[s->data[i]];

        if (escape) {
            len += (escape == 1) ? sizeof("\\u0000") - 2 : sizeof("\\") - 1;
        }
    }

    return len;
}


u_char *
ngx_paygw_json_write_string(u_char *p, ngx_str_t *s)
{
    u_char   escape;
    u_char  *from, *c, *last;

    *p++ = '"';

    from = s->data;
    last = s->data + s->len;

    for (c = from; c < last; c++) {

        escape = ngx_paygw_json_escapes[*c];

        if (escape == 0) {
            continue;
        }

        p = ngx_cpymem(p, from, c - from);
        from = c + 1;

        if (escape == 1) {
            p = ngx_sprintf(p, "\\u00%02Xd", (int) *c);

        } else {
            *p++ = '\\';
            *p++ = escape;
        }
    }

    p = ngx_cpymem(p, from, last - from);

    *p++ = '"';

    return p;
}
