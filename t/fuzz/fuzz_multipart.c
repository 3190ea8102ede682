
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_multipart.h"


/*
 * The first line is a Content-Type, the rest a body.  A body that is taken is
 * put together again from its parts: but for the header lines as they were
 * spelled it has to be the same one, so no byte belongs to nobody or to two.
 */


static size_t fuzz_body_of(ngx_paygw_multipart_t *m, ngx_uint_t i,
    u_char **at);


void
fuzz_init(void)
{
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    u_char                 *p, *last;
    size_t                  i;
    const char             *err;
    ngx_int_t               rc;
    ngx_str_t               type, boundary, body;
    ngx_uint_t              n;
    ngx_paygw_part_t       *part;
    ngx_paygw_multipart_t   m;

    body = *input;
    type = fuzz_line(pool, &body);

    if (ngx_paygw_multipart_boundary(&type, &boundary) != NGX_OK) {
        ngx_str_set(&boundary, "b");
    }

    must(boundary.len && boundary.len <= NGX_PAYGW_MULTIPART_BOUNDARY);

    for (i = 0; i < boundary.len; i++) {
        must(boundary.data[i] > ' ' && boundary.data[i] < 0x7f
             && boundary.data[i] != '"' && boundary.data[i] != ';');
    }

    body = fuzz_copy(pool, &body);
    err = NULL;

    rc = ngx_paygw_multipart_parse(&body, &boundary, &m, &err);

    if (rc != NGX_OK) {
        must(rc == NGX_ABORT && err != NULL);
        return;
    }

    must(m.nparts && m.nparts <= NGX_PAYGW_MULTIPART_PARTS);

    p = body.data;
    last = body.data + body.len;

    for (n = 0; n < m.nparts; n++) {
        part = &m.parts[n];

        must(part->name.len != 0);
        must(ngx_strlchr(part->name.data, part->name.data + part->name.len,
                         '"')
             == NULL);
        must(part->body.data > p);
        must(part->body.data + part->body.len < last);

        /* the boundary stands around it, and nowhere in it */

        must(ngx_memcmp(p, "--", 2) == 0);
        must(ngx_memcmp(p + 2, boundary.data, boundary.len) == 0);
        must(ngx_memcmp(part->body.data - 4, "\r\n\r\n", 4) == 0);
        must(ngx_memcmp(part->body.data + part->body.len, "\r\n--", 4) == 0);

        must(fuzz_body_of(&m, n, &p) == part->body.len);
    }

    must(ngx_memcmp(p, "--", 2) == 0);
    p += 2 + boundary.len;
    must(ngx_memcmp(p, "--", 2) == 0);
    must(last - p == 2 || last - p == 4);

    part = ngx_paygw_multipart_find(&m, "none of them");

    for (n = 0; n < m.nparts; n++) {
        if (m.parts[n].name.len == sizeof("none of them") - 1
            && ngx_strncmp(m.parts[n].name.data, "none of them",
                           sizeof("none of them") - 1)
               == 0)
        {
            break;
        }
    }

    /* the first of that name, which the fuzzer comes upon */

    must(part == (n == m.nparts ? NULL : &m.parts[n]));
}


/* moves to the boundary behind it */

static size_t
fuzz_body_of(ngx_paygw_multipart_t *m, ngx_uint_t i, u_char **at)
{
    *at = m->parts[i].body.data + m->parts[i].body.len + 2;

    return *at - 2 - m->parts[i].body.data;
}
