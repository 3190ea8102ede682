
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_store.h"
#include "ngx_paygw_zone.h"


/*
 * Whoever has a key can make calls, and with each of them records that live for
 * minutes or days, so records of calls may not take the room of events.
 *
 * What counts is pages: one small record that is left in a page keeps all of it
 * from being used for records of another size.  The slab pool knows how many
 * chunks of each size it has, and how many are taken; with the number of those
 * that guests have, the pages are known that would not be there without them.
 */


static ngx_uint_t ngx_paygw_zone_guest_slot(ngx_paygw_zone_t *zone,
    size_t size);
static ngx_uint_t ngx_paygw_zone_guest_more(ngx_paygw_zone_t *zone,
    ngx_uint_t slot, size_t size);
static ngx_uint_t ngx_paygw_zone_guest_pages(ngx_paygw_zone_t *zone);


#define ngx_paygw_zone_pages(size)                                            \
    (((size) + ngx_pagesize - 1) >> ngx_pagesize_shift)


void *
ngx_paygw_zone_guest_take(ngx_paygw_zone_t *zone, size_t size)
{
    void        *p;
    ngx_uint_t   slot, pages;

    slot = ngx_paygw_zone_guest_slot(zone, size);

    pages = ngx_paygw_zone_guest_pages(zone)
            + ngx_paygw_zone_guest_more(zone, slot, size);

    if (pages > zone->sh->share) {
        zone->share = 1;
        return NULL;
    }

    zone->share = 0;

    p = ngx_slab_alloc_locked(zone->shpool, size);

    if (p) {
        zone->sh->guests[slot] += (slot == NGX_PAYGW_ZONE_SLOTS)
                                  ? ngx_paygw_zone_pages(size) : 1;
    }

    return p;
}


void *
ngx_paygw_zone_guest_alloc(ngx_paygw_zone_t *zone, size_t size)
{
    void  *p;

    do {
        p = ngx_paygw_zone_guest_take(zone, size);

        /* the oldest may be of another size, so more than one may have to go */

    } while (p == NULL && (ngx_paygw_zone_once_expire(zone, 1)
                           || ngx_paygw_zone_limit_expire(zone, 1)
                           || ngx_paygw_zone_run_expire(zone, 1)
                           || ngx_paygw_zone_book_expire(zone, 1)
                           || ngx_paygw_zone_expire(zone, 1)));

    return p;
}


void
ngx_paygw_zone_guest_free(ngx_paygw_zone_t *zone, void *p, size_t size)
{
    ngx_uint_t  slot;

    slot = ngx_paygw_zone_guest_slot(zone, size);

    zone->sh->guests[slot] -= (slot == NGX_PAYGW_ZONE_SLOTS)
                              ? ngx_paygw_zone_pages(size) : 1;

    ngx_slab_free_locked(zone->shpool, p);
}


/* the slot where the pool has chunks of the size; the last: it takes pages */

static ngx_uint_t
ngx_paygw_zone_guest_slot(ngx_paygw_zone_t *zone, size_t size)
{
    ngx_uint_t  slot;

    if (size > ngx_pagesize / 2) {
        return NGX_PAYGW_ZONE_SLOTS;
    }

    for (slot = 0; zone->shpool->min_size << slot < size; slot++) {
        /* void */
    }

    return slot;
}


/* pages that one more guest takes */

static ngx_uint_t
ngx_paygw_zone_guest_more(ngx_paygw_zone_t *zone, ngx_uint_t slot, size_t size)
{
    ngx_slab_stat_t  *stat;

    if (slot == NGX_PAYGW_ZONE_SLOTS) {
        return ngx_paygw_zone_pages(size);
    }

    stat = &zone->shpool->stats[slot];

    return stat->used == stat->total;
}


/*
 * Pages that are there because of guests: without those which the others of
 * the same size would fill, and none is counted for more than a page, since
 * the others leave gaps themselves.
 */

static ngx_uint_t
ngx_paygw_zone_guest_pages(ngx_paygw_zone_t *zone)
{
    ngx_uint_t        i, guests, shift, pages, all, others;
    ngx_slab_stat_t  *stat;

    pages = zone->sh->guests[NGX_PAYGW_ZONE_SLOTS];

    for (i = 0; i < NGX_PAYGW_ZONE_SLOTS; i++) {

        guests = zone->sh->guests[i];

        if (guests == 0) {
            continue;
        }

        stat = &zone->shpool->stats[i];
        shift = zone->shpool->min_shift + i;

        all = ngx_paygw_zone_pages(stat->total << shift);
        others = ((stat->used - guests) << shift) >> ngx_pagesize_shift;

        pages += ngx_min(all - others, guests);
    }

    return pages;
}
