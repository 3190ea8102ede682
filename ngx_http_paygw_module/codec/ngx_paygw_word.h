
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
 * Which one must be found by looking: the bits behind the first are no answer.
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


#endif /* _NGX_PAYGW_WORD_H_INCLUDED_ */
