
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_LIMIT_H_INCLUDED_
#define _NGX_PAYGW_LIMIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The arithmetic of a limit.  A bucket holds what came and has not drained
 * yet: each request adds "period" to it, each microsecond takes "rate" away,
 * and a request for which there is no room under (burst + 1) * period is over
 * the limit.  That is GCRA, for any rate without a rounding: what is counted
 * is requests times microseconds, in integers.
 *
 * All numbers stay below 2^53, so that a script of Redis, which knows doubles
 * alone, counts the same.
 */


#define NGX_PAYGW_LIMIT_RATE_MAX   1000000
#define NGX_PAYGW_LIMIT_BURST_MAX  1000000


typedef struct {
    ngx_str_t    key;       /* of the counter: VALUE ":" KIND */

    uint64_t     rate;      /* so many requests */
    uint64_t     period;    /* in so many microseconds */
    uint64_t     burst;     /* and so many more at once */
    ngx_uint_t   dry;       /* it is counted, but refuses nothing */

    uint64_t     level;     /* set: of the bucket, with this request if it was
                               charged */
    ngx_uint_t   over;      /* set: there was no room for it */
    uint64_t     time;      /* set: of the store's clock, microseconds */
} ngx_paygw_limit_t;


/* what is left of a level after a time in microseconds */
uint64_t ngx_paygw_limit_drain(uint64_t level, uint64_t rate, uint64_t time);

/* 1 if there is no room for one more */
ngx_uint_t ngx_paygw_limit_over(const ngx_paygw_limit_t *limit);

/* how many more there is room for now */
uint64_t ngx_paygw_limit_left(const ngx_paygw_limit_t *limit);

/* microseconds until there is room for one more, and until it is empty */
uint64_t ngx_paygw_limit_retry(const ngx_paygw_limit_t *limit);
uint64_t ngx_paygw_limit_reset(const ngx_paygw_limit_t *limit);


#endif /* _NGX_PAYGW_LIMIT_H_INCLUDED_ */
