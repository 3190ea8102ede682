
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_BYTES_H_INCLUDED_
#define _NGX_PAYGW_BYTES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Sixteen bytes at a time: most of what is read here has nothing special in
 * it.  A vector of gcc and clang is a register where the machine has one, and
 * a few words elsewhere.
 */


#define NGX_PAYGW_BYTES  16


typedef u_char    ngx_paygw_bytes_t __attribute__((vector_size(16)));
typedef uint32_t  ngx_paygw_bytes4_t __attribute__((vector_size(16)));
typedef uint64_t  ngx_paygw_bytes8_t __attribute__((vector_size(16)));


/*
 * What is looked for: turns each such byte to 0xff, and each other one to 0,
 * as a comparison of a vector does.
 */
typedef void (*ngx_paygw_bytes_pt)(ngx_paygw_bytes_t *b);


#if (NGX_HAVE_LITTLE_ENDIAN)
#define ngx_paygw_bytes_zeros(w)  (__builtin_ctzll(w) / 8)
#else
#define ngx_paygw_bytes_zeros(w)  (__builtin_clzll(w) / 8)
#endif


/* the number of the first byte that is looked for, NGX_PAYGW_BYTES if none */

static ngx_inline size_t
ngx_paygw_bytes_first(ngx_paygw_bytes_t *b, ngx_paygw_bytes_pt what)
{
    ngx_paygw_bytes8_t  w;

    what(b);

    w = (ngx_paygw_bytes8_t) *b;

    if ((w[0] | w[1]) == 0) {
        return NGX_PAYGW_BYTES;
    }

    return w[0] ? ngx_paygw_bytes_zeros(w[0])
                : 8 + ngx_paygw_bytes_zeros(w[1]);
}


/*
 * The first byte that is looked for, or last.  What is not sixteen bytes long
 * is put together from its two ends, which may have bytes in common.
 */

static ngx_inline u_char *
ngx_paygw_bytes_find(u_char *p, u_char *last, ngx_paygw_bytes_pt what)
{
    size_t              i, len;
    uint32_t            w4[2];
    uint64_t            w8[2];
    ngx_paygw_bytes_t   b;

    len = last - p;

    if (len >= 16) {

        for ( ;; ) {
            ngx_memcpy(&b, p, 16);

            i = ngx_paygw_bytes_first(&b, what);
            p += i;

            if (i < 16 || p == last) {
                return p;
            }

            if (last - p < 16) {
                p = last - 16;
            }
        }
    }

    if (len >= 8) {
        ngx_memcpy(&w8[0], p, 8);
        ngx_memcpy(&w8[1], last - 8, 8);

        b = (ngx_paygw_bytes_t) (ngx_paygw_bytes8_t) { w8[0], w8[1] };

        i = ngx_paygw_bytes_first(&b, what);

        return (i < 8) ? p + i : last - 16 + i;
    }

    if (len >= 4) {
        ngx_memcpy(&w4[0], p, 4);
        ngx_memcpy(&w4[1], last - 4, 4);

        b = (ngx_paygw_bytes_t)
            (ngx_paygw_bytes4_t) { w4[0], w4[1], w4[1], w4[1] };

        i = ngx_paygw_bytes_first(&b, what);

        return (i < 4) ? p + i : (i < 8) ? last - 8 + i : last;
    }

    for ( /* void */ ; p < last; p++) {
        b = (ngx_paygw_bytes_t) { p[0] };
        what(&b);

        if (b[0]) {
            break;
        }
    }

    return p;
}


#endif /* _NGX_PAYGW_BYTES_H_INCLUDED_ */
