
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_ring.h"
#include "ngx_paygw_ring_sh.h"


/* Who fetches keys, and when. */


static ngx_paygw_ring_id_t *ngx_paygw_ring_ask(ngx_paygw_ring_t *ring,
    ngx_str_t *id);
static ngx_uint_t ngx_paygw_ring_is_absent(ngx_paygw_ring_t *ring,
    ngx_str_t *id);
static void ngx_paygw_ring_add_absent(ngx_paygw_ring_t *ring, u_char *data,
    size_t len);
static ngx_uint_t ngx_paygw_ring_holds(ngx_paygw_ring_t *ring, u_char *data,
    size_t len);
static ngx_paygw_ring_id_t *ngx_paygw_ring_most(ngx_paygw_ring_t *ring);


/* the timer's comparison: right also when the clock has wrapped around */
#define ngx_paygw_ring_over(time)                                             \
    ((ngx_msec_int_t) (ngx_current_msec - (time)) >= 0)

#define ngx_paygw_ring_left(time)                                             \
    (ngx_paygw_ring_over(time) ? 0 : (time) - ngx_current_msec)


ngx_int_t
ngx_paygw_ring_want(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    ngx_str_t *id)
{
    ngx_int_t  rc;

    if (id->len == 0 || id->len > NGX_PAYGW_RING_ASKED) {
        return NGX_DECLINED;
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    if (ngx_paygw_ring_is_absent(ring, id)) {
        ngx_shmtx_unlock(&zone->shpool->mutex);
        return NGX_DECLINED;
    }

    ngx_paygw_ring_ask(ring, id)->count++;

    if (ring->busy && !ngx_paygw_ring_over(ring->lease)) {
        rc = NGX_AGAIN;

    } else if (!ring->fetched
               || ngx_paygw_ring_over(ring->begun + ring->retry))
    {
        rc = NGX_AGAIN;

        if (!ring->asked) {
            ring->asked = 1;
            (void) ngx_atomic_fetch_add(&zone->sh->rings->turn, 1);
        }

    } else {
        rc = NGX_BUSY;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return rc;
}


ngx_int_t
ngx_paygw_ring_begin(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    ngx_msec_t retry, ngx_msec_t lease, ngx_pool_t *pool, ngx_str_t *id,
    ngx_msec_t *next)
{
    ngx_msec_t            left;
    ngx_paygw_ring_id_t  *w;

    ngx_str_null(id);
    *next = 0;

    ngx_shmtx_lock(&zone->shpool->mutex);

    ring->retry = retry;

    if (ring->busy && !ngx_paygw_ring_over(ring->lease)) {
        *next = ngx_paygw_ring_left(ring->lease);
        goto declined;
    }

    w = ngx_paygw_ring_most(ring);

    if (ring->fetched) {
        *next = ngx_paygw_ring_left(ring->due);

        if (w) {
            left = ngx_paygw_ring_left(ring->begun + retry);
            *next = ngx_min(*next, left);
        }

        if (*next) {
            goto declined;
        }
    }

    /*
     * What strangers ask for has every other turn: however many ids they make
     * up, what the provider itself says of its keys is heard.
     */

    if (w && ring->fetched
        && (ring->stranger || ngx_paygw_ring_over(ring->due)))
    {
        w = NULL;
    }

    if (w) {
        id->data = ngx_pnalloc(pool, w->len);
        if (id->data == NULL) {
            *next = retry;
            goto declined;
        }

        id->len = w->len;
        ngx_memcpy(id->data, w->data, w->len);
    }

    ring->stranger = (w != NULL);

    if (w == NULL || ngx_paygw_ring_left(ring->due) < retry) {
        ring->due = ngx_current_msec + retry;
    }

    ring->fetched = 1;
    ring->busy = 1;
    ring->asked = 0;
    ring->begun = ngx_current_msec;
    ring->lease = ngx_current_msec + lease;

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return NGX_OK;

declined:

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return NGX_DECLINED;
}


void
ngx_paygw_ring_end(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    ngx_uint_t done, ngx_uint_t all, ngx_str_t *id, ngx_msec_t next)
{
    ngx_uint_t            i, n, asked;
    ngx_paygw_ring_id_t  *w;

    ngx_shmtx_lock(&zone->shpool->mutex);

    ring->busy = 0;
    ring->failures = done ? 0 : ring->failures + 1;

    /* a fetch for a stranger does not put off that of the timer */

    if (all || !ring->stranger || next == 0) {
        ring->due = ngx_current_msec + next;
    }

    n = 0;

    for (i = 0; i < ring->nwanted; i++) {

        w = &ring->wanted[i];

        asked = all || (w->len == id->len
                        && ngx_memcmp(w->data, id->data, id->len) == 0);

        if (!done || !asked) {

            /* it has had its turn */

            if (asked) {
                w->count = 0;
            }

            ring->wanted[n++] = *w;
            continue;
        }

        if (!ngx_paygw_ring_holds(ring, w->data, w->len)) {
            ngx_paygw_ring_add_absent(ring, w->data, w->len);
        }
    }

    ring->nwanted = n;

    (void) ngx_atomic_fetch_add(&zone->sh->rings->turn, 1);

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


void
ngx_paygw_ring_abandon(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring)
{
    ngx_shmtx_lock(&zone->shpool->mutex);

    ring->busy = 0;
    ring->fetched = 0;

    (void) ngx_atomic_fetch_add(&zone->sh->rings->turn, 1);

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


ngx_uint_t
ngx_paygw_ring_failures(ngx_paygw_ring_t *ring)
{
    return ring->failures;
}


ngx_uint_t
ngx_paygw_ring_remind(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    ngx_msec_t period)
{
    ngx_uint_t  rc;

    ngx_shmtx_lock(&zone->shpool->mutex);

    rc = (!ring->warned || ngx_paygw_ring_over(ring->reminded + period));

    if (rc) {
        ring->warned = 1;
        ring->reminded = ngx_current_msec;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return rc;
}


/* the functions below are called with the mutex locked */


/* the id among the wanted ones; the one that was asked for least makes room */

static ngx_paygw_ring_id_t *
ngx_paygw_ring_ask(ngx_paygw_ring_t *ring, ngx_str_t *id)
{
    ngx_uint_t            i;
    ngx_paygw_ring_id_t  *w, *least;

    least = &ring->wanted[0];

    for (i = 0; i < ring->nwanted; i++) {
        w = &ring->wanted[i];

        if (w->len == id->len && ngx_memcmp(w->data, id->data, id->len) == 0)
        {
            return w;
        }

        if (w->count < least->count) {
            least = w;
        }
    }

    w = (ring->nwanted < NGX_PAYGW_RING_WANTED)
        ? &ring->wanted[ring->nwanted++] : least;

    ngx_memcpy(w->data, id->data, id->len);
    w->len = (u_short) id->len;
    w->count = 0;

    return w;
}


static ngx_uint_t
ngx_paygw_ring_is_absent(ngx_paygw_ring_t *ring, ngx_str_t *id)
{
    ngx_uint_t            i;
    ngx_paygw_ring_id_t  *a;

    for (i = 0; i < NGX_PAYGW_RING_ABSENT; i++) {
        a = &ring->absent[i];

        if (a->len == id->len && !ngx_paygw_ring_over(a->until)
            && ngx_memcmp(a->data, id->data, id->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_paygw_ring_add_absent(ngx_paygw_ring_t *ring, u_char *data, size_t len)
{
    ngx_paygw_ring_id_t  *a;

    a = &ring->absent[ring->absents++ % NGX_PAYGW_RING_ABSENT];

    a->len = (u_short) len;
    a->until = ngx_current_msec + NGX_PAYGW_RING_FORGET;
    ngx_memcpy(a->data, data, len);
}


static ngx_uint_t
ngx_paygw_ring_holds(ngx_paygw_ring_t *ring, u_char *data, size_t len)
{
    ngx_paygw_ring_node_t  *node;

    for (node = ring->keys; node; node = node->next) {
        if (node->id == len && ngx_memcmp(node->data, data, len) == 0) {
            return 1;
        }
    }

    return 0;
}


static ngx_paygw_ring_id_t *
ngx_paygw_ring_most(ngx_paygw_ring_t *ring)
{
    ngx_uint_t            i;
    ngx_paygw_ring_id_t  *w;

    w = NULL;

    for (i = 0; i < ring->nwanted; i++) {
        if (w == NULL || ring->wanted[i].count > w->count) {
            w = &ring->wanted[i];
        }
    }

    return w;
}
