
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_WORD_H_INCLUDED_
#define _NGX_PAYGW_WORD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Eight bytes at a time: most of what is read here has nothing special in it.
 * Each macro is not 0 if and only if some byte of the word is what it says.
 * The lowest bit that is set is of the lowest such byte; the bits above it are
 * no answer.
 */


#define NGX_PAYGW_WORD_ONES   0x0101010101010101ULL
#define NGX_PAYGW_WORD_HIGHS  0x8080808080808080ULL


/* below n, which is at most 128 */
#define ngx_paygw_word_below(w, n)                                            \
    (((w) - NGX_PAYGW_WORD_ONES * (n)) & ~(w) & NGX_PAYGW_WORD_HIGHS)

#define ngx_paygw_word_has(w, c)                                              \
    ngx_paygw_word_below((w) ^ (NGX_PAYGW_WORD_ONES * (c)), 1)

/* below n, c, or d, which are ASCII: shares what the above have in common */
#define ngx_paygw_word_any(w, n, c, d)                                        \
    ((((w) - NGX_PAYGW_WORD_ONES * (n))                                       \
      | (((w) ^ (NGX_PAYGW_WORD_ONES * (c))) - NGX_PAYGW_WORD_ONES)           \
      | (((w) ^ (NGX_PAYGW_WORD_ONES * (d))) - NGX_PAYGW_WORD_ONES))          \
     & ~(w) & NGX_PAYGW_WORD_HIGHS)

#define ngx_paygw_word_high(w)                                                \
    ((w) & NGX_PAYGW_WORD_HIGHS)


/* what is looked for, made of these macros */
typedef uint64_t (*ngx_paygw_word_pt)(uint64_t w);


/* the first byte is the lowest, on every machine; one load where it is so */

static ngx_inline uint64_t
ngx_paygw_word_half(u_char *p)
{
    return (uint64_t) p[0] | (uint64_t) p[1] << 8 | (uint64_t) p[2] << 16
           | (uint64_t) p[3] << 24;
}


static ngx_inline uint64_t
ngx_paygw_word(u_char *p)
{
    return (uint64_t) p[0] | (uint64_t) p[1] << 8 | (uint64_t) p[2] << 16
           | (uint64_t) p[3] << 24 | (uint64_t) p[4] << 32
           | (uint64_t) p[5] << 40 | (uint64_t) p[6] << 48
           | (uint64_t) p[7] << 56;
}


/* which byte of a word was found */
#define ngx_paygw_word_first(found)  (__builtin_ctzll(found) / 8)


/* the first byte that is looked for, or last */

static ngx_inline u_char *
ngx_paygw_word_find(u_char *p, u_char *last, ngx_paygw_word_pt what)
{
    uint64_t    found;
    ngx_uint_t  i;

    if (last - p >= 8) {

        for ( ;; ) {
            found = what(ngx_paygw_word(p));

            if (found) {
                return p + ngx_paygw_word_first(found);
            }

            p += 8;

            if (last - p < 8) {

                if (p == last) {
                    return last;
                }

                /* the rest, together with what has been seen */

                p = last - 8;
            }
        }
    }

    if (last - p >= 4) {

        /* two halves, which may have bytes in common */

        found = what(ngx_paygw_word_half(p)
                     | ngx_paygw_word_half(last - 4) << 32);

        if (found == 0) {
            return last;
        }

        i = ngx_paygw_word_first(found);

        return (i < 4) ? p + i : last - 8 + i;
    }

    while (p < last && what(NGX_PAYGW_WORD_ONES * *p) == 0) {
        p++;
    }

    return p;
}


#endif /* _NGX_PAYGW_WORD_H_INCLUDED_ */
