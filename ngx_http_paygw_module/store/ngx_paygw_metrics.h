
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_METRICS_H_INCLUDED_
#define _NGX_PAYGW_METRICS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_store.h"


/*
 * Counters in the shared zone: blocks of slots, one block for each channel,
 * merchant and the like, found by a key.
 *
 * Workers add to a slot by one atomic instruction, without the mutex.  A block
 * begins at a cache line of its own.  It is found again by the next
 * configuration, and by one that has its channel back after another one has
 * not; it is never given back.
 *
 * What the slots mean is known to the floor above.  It gives a number, which
 * changes with that: blocks of another number are not touched, so that a
 * reload may bring a module that counts other things, while old workers still
 * add to what they know.
 */


/* a histogram: its buckets, the one behind the last bound, and the sum */
#define NGX_PAYGW_METRICS_BOUNDS     16
#define NGX_PAYGW_METRICS_HISTOGRAM  (NGX_PAYGW_METRICS_BOUNDS + 2)

#define NGX_PAYGW_METRICS_KEY        96    /* bytes of a key */


/* a block of a configuration; slots is NULL if nothing is counted */
struct ngx_paygw_metrics_s {
    ngx_str_t                    key;
    ngx_uint_t                   n;         /* slots */

    ngx_atomic_t                *slots;     /* in the zone, */
    time_t                       since;     /* where they began at this time */
};


/* what a store has been asked, each its own slot */
typedef enum {
    NGX_PAYGW_METRICS_CLAIM = 0,
    NGX_PAYGW_METRICS_APPEND,
    NGX_PAYGW_METRICS_ONCE,
    NGX_PAYGW_METRICS_LIMIT,
    NGX_PAYGW_METRICS_BEGIN,
    NGX_PAYGW_METRICS_FINISH,
    NGX_PAYGW_METRICS_BOOK,
    NGX_PAYGW_METRICS_WAITED,               /* nobody waits for the rest */
    NGX_PAYGW_METRICS_COMMIT = NGX_PAYGW_METRICS_WAITED,
    NGX_PAYGW_METRICS_RELEASE,
    NGX_PAYGW_METRICS_RENEW,
    NGX_PAYGW_METRICS_ABANDON,
    NGX_PAYGW_METRICS_STORE
} ngx_paygw_metrics_store_e;


/* the first slots of the block that is given to a zone and to a store */
#define NGX_PAYGW_METRICS_ASKED      0
#define NGX_PAYGW_METRICS_FAILED     NGX_PAYGW_METRICS_STORE
#define NGX_PAYGW_METRICS_FULL       (2 * NGX_PAYGW_METRICS_STORE)
#define NGX_PAYGW_METRICS_CROWDED    (NGX_PAYGW_METRICS_FULL + 1)
#define NGX_PAYGW_METRICS_TIMES      (NGX_PAYGW_METRICS_CROWDED + 1)
#define NGX_PAYGW_METRICS_NEXT                                                \
    (NGX_PAYGW_METRICS_TIMES                                                  \
     + NGX_PAYGW_METRICS_WAITED * NGX_PAYGW_METRICS_HISTOGRAM)


/* upper bounds of the buckets, microseconds, ended by 0 */
extern const uint32_t  ngx_paygw_metrics_bounds[];


/* m may be NULL */

static ngx_inline void
ngx_paygw_metrics_add(ngx_paygw_metrics_t *m, ngx_uint_t slot)
{
    if (m && m->slots) {
        (void) ngx_atomic_fetch_add(&m->slots[slot], 1);
    }
}


/* a time in microseconds, into the histogram whose first slot is given */
void ngx_paygw_metrics_observe(ngx_paygw_metrics_t *m, ngx_uint_t first,
    uint64_t us);

/* microseconds of a clock that nobody sets */
uint64_t ngx_paygw_metrics_now(void);


/*
 * Of a configuration that is being read: the zone will have these blocks
 * (ngx_paygw_metrics_t *), and the first of them counts for it.  Their slots
 * are there once the zone is; if a new zone has no room for them it is an
 * error, later they are not counted.
 */
void ngx_paygw_zone_metrics(ngx_paygw_zone_t *zone, ngx_array_t *blocks,
    uint32_t number);

/* the block that counts for a store */
void ngx_paygw_store_metrics(ngx_paygw_store_t *store, ngx_paygw_metrics_t *m);

/* bytes of a zone, and how many of them are in pages that are free */
void ngx_paygw_zone_room(ngx_paygw_zone_t *zone, size_t *size, size_t *free);


#endif /* _NGX_PAYGW_METRICS_H_INCLUDED_ */
