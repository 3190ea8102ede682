
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_RING_H_INCLUDED_
#define _NGX_PAYGW_RING_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_store.h"


/*
 * The keyring of a channel in the shared zone: the keys that came since the
 * configuration was read, as text, and what is known of fetching them.  What
 * stands in it is seen by all workers, by those of the next configuration too,
 * and by a worker that comes after one that was killed.
 *
 * Every function locks the zone; none blocks.
 */


#define NGX_PAYGW_RING_ID      64       /* bytes of a key's id */
#define NGX_PAYGW_RING_TEXT    16384    /* bytes of its text */
#define NGX_PAYGW_RING_KEYS    16       /* keys of a ring */
#define NGX_PAYGW_RING_WANTED  16       /* ids that are asked for at once */
#define NGX_PAYGW_RING_ABSENT  32       /* ids that are known not to exist */
#define NGX_PAYGW_RING_ASKED   40       /* bytes of an id that is asked for */

/* how long an id is known not to exist */
#define NGX_PAYGW_RING_FORGET  ((ngx_msec_t) 10 * 60 * 1000)


typedef struct ngx_paygw_ring_s  ngx_paygw_ring_t;


typedef struct {
    ngx_str_t                id;
    ngx_str_t                file;         /* path, empty if it was fetched */
    ngx_str_t                text;
    time_t                   not_after;    /* 0: no end */
    ngx_msec_t               since;        /* when it came, by
                                              ngx_current_msec, which no clock
                                              sets back; set by put */
} ngx_paygw_ring_key_t;


/*
 * The ring of a channel; NULL if there is none, or with make, which makes one
 * then, if the zone is full.  It takes a page of the zone, and is never given
 * back: channels come and go with configurations.
 */
ngx_paygw_ring_t *ngx_paygw_ring_get(ngx_paygw_zone_t *zone,
    ngx_str_t *channel, ngx_uint_t make);

/*
 * Change with the keys of any ring, and with those of one: one read, no lock.
 * The second is 0 as long as there was none.
 */
ngx_atomic_uint_t ngx_paygw_ring_version(ngx_paygw_zone_t *zone);
ngx_atomic_uint_t ngx_paygw_ring_changes(ngx_paygw_ring_t *ring);

/* changes whenever a fetch of any channel has ended or is asked for */
ngx_atomic_uint_t ngx_paygw_ring_turn(ngx_paygw_zone_t *zone);

/* the keys, the newest first, copied into pool: NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_ring_copy(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    ngx_pool_t *pool, ngx_array_t *keys);

/*
 * Puts keys in: one of the same file, or fetched and of the same id, is
 * replaced; those that are over are dropped, and of the fetched ones the
 * oldest if there are too many.  NGX_OK; NGX_DECLINED if all of them stood
 * there before; NGX_ERROR if the zone is full, with the ring as it was.
 */
ngx_int_t ngx_paygw_ring_put(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    ngx_paygw_ring_key_t *keys, ngx_uint_t n, time_t now);


/*
 * A key is wanted by a message of a stranger.  NGX_AGAIN: it will be fetched,
 * or is just now; NGX_BUSY: not before some time has passed since the last
 * fetch; NGX_DECLINED: a fetch has shown that it does not exist.
 */
ngx_int_t ngx_paygw_ring_want(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    ngx_str_t *id);

/*
 * Whether a fetch is due; if so, nobody else begins one before the lease is
 * over or ngx_paygw_ring_end() was called.  *id is set to the id that is
 * wanted most, in pool, or to an empty one if the timer asks, or if it was a
 * stranger's turn the last time.  Times in milliseconds.  NGX_OK, or
 * NGX_DECLINED with *next set to how long to wait.
 */
ngx_int_t ngx_paygw_ring_begin(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    ngx_msec_t retry, ngx_msec_t lease, ngx_pool_t *pool, ngx_str_t *id,
    ngx_msec_t *next);

/*
 * A fetch has ended: the next one is due after so long.  done says that the
 * provider has answered: what was wanted and has not come does not exist.  all
 * says that the answer was a list of all keys, else it was about id, and if a
 * stranger has wanted that, the timer's next one is due when it was.
 */
void ngx_paygw_ring_end(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    ngx_uint_t done, ngx_uint_t all, ngx_str_t *id, ngx_msec_t next);

/*
 * A fetch was given up, since its worker is told to end: it is as if it had
 * never begun, and the next worker may begin at once.
 */
void ngx_paygw_ring_abandon(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring);

/* fetches that failed in a row; set by end */
ngx_uint_t ngx_paygw_ring_failures(ngx_paygw_ring_t *ring);

/* 1 once for each period: for a warning that all workers share */
ngx_uint_t ngx_paygw_ring_remind(ngx_paygw_zone_t *zone,
    ngx_paygw_ring_t *ring, ngx_msec_t period);


#endif /* _NGX_PAYGW_RING_H_INCLUDED_ */
