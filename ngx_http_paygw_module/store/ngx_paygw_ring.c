
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_ring.h"
#include "ngx_paygw_zone.h"


typedef struct {
    u_char                   data[NGX_PAYGW_RING_ID];
    u_short                  len;
    uint32_t                 count;
    ngx_msec_t               until;
} ngx_paygw_ring_id_t;


/* a key; its strings follow it */

typedef struct ngx_paygw_ring_node_s  ngx_paygw_ring_node_t;

struct ngx_paygw_ring_node_s {
    ngx_paygw_ring_node_t   *next;         /* older */
    uint64_t                 since;
    time_t                   not_after;
    size_t                   id;           /* lengths */
    size_t                   file;
    size_t                   text;
    u_char                   data[1];
};


struct ngx_paygw_ring_s {
    ngx_paygw_ring_t        *next;
    u_char                   name[NGX_PAYGW_RING_ID];
    size_t                   len;

    ngx_paygw_ring_node_t   *keys;         /* the newest first */

    ngx_msec_t               begun;        /* the last fetch */
    ngx_msec_t               due;          /* the next one by the timer */
    ngx_msec_t               lease;        /* end of the one under way */
    ngx_msec_t               reminded;
    ngx_uint_t               failures;

    unsigned                 fetched:1;    /* begun and due are set */
    unsigned                 busy:1;       /* a fetch is under way */
    unsigned                 asked:1;      /* one was asked for */
    unsigned                 warned:1;     /* reminded is set */

    ngx_msec_t               retry;        /* as it was said last */

    ngx_uint_t               nwanted;
    ngx_paygw_ring_id_t      wanted[NGX_PAYGW_RING_WANTED];

    ngx_uint_t               absents;      /* where the next one goes */
    ngx_paygw_ring_id_t      absent[NGX_PAYGW_RING_ABSENT];
};


/* the root of all rings in the zone */

struct ngx_paygw_ring_sh_s {
    ngx_atomic_t             version;
    ngx_atomic_t             turn;
    ngx_paygw_ring_t        *rings;
};


static ngx_paygw_ring_t *ngx_paygw_ring_make(ngx_paygw_zone_t *zone,
    ngx_str_t *channel);
static ngx_paygw_ring_node_t *ngx_paygw_ring_node(ngx_paygw_zone_t *zone,
    ngx_paygw_ring_key_t *key);
static ngx_uint_t ngx_paygw_ring_same(ngx_paygw_ring_node_t *a,
    ngx_paygw_ring_node_t *b);
static void ngx_paygw_ring_trim(ngx_paygw_zone_t *zone,
    ngx_paygw_ring_t *ring, time_t now);
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


ngx_paygw_ring_t *
ngx_paygw_ring_get(ngx_paygw_zone_t *zone, ngx_str_t *channel)
{
    ngx_paygw_ring_t  *ring;

    if (channel->len > NGX_PAYGW_RING_ID) {
        return NULL;
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    if (zone->sh->rings == NULL) {
        zone->sh->rings = ngx_slab_calloc_locked(zone->shpool,
                                                 sizeof(ngx_paygw_ring_sh_t));
    }

    ring = NULL;

    if (zone->sh->rings) {

        for (ring = zone->sh->rings->rings; ring; ring = ring->next) {
            if (ring->len == channel->len
                && ngx_memcmp(ring->name, channel->data, ring->len) == 0)
            {
                break;
            }
        }

        if (ring == NULL) {
            ring = ngx_paygw_ring_make(zone, channel);
        }
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return ring;
}


static ngx_paygw_ring_t *
ngx_paygw_ring_make(ngx_paygw_zone_t *zone, ngx_str_t *channel)
{
    ngx_paygw_ring_t  *ring;

    ring = ngx_slab_calloc_locked(zone->shpool, sizeof(ngx_paygw_ring_t));
    if (ring == NULL) {
        return NULL;
    }

    ring->len = channel->len;
    ngx_memcpy(ring->name, channel->data, channel->len);

    ring->next = zone->sh->rings->rings;
    zone->sh->rings->rings = ring;

    return ring;
}


ngx_atomic_uint_t
ngx_paygw_ring_version(ngx_paygw_zone_t *zone)
{
    return zone->sh->rings ? zone->sh->rings->version : 0;
}


ngx_atomic_uint_t
ngx_paygw_ring_turn(ngx_paygw_zone_t *zone)
{
    return zone->sh->rings ? zone->sh->rings->turn : 0;
}


ngx_int_t
ngx_paygw_ring_copy(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    ngx_pool_t *pool, ngx_array_t *keys)
{
    u_char                 *p;
    size_t                  len;
    ngx_int_t               rc;
    ngx_paygw_ring_key_t   *key;
    ngx_paygw_ring_node_t  *node;

    rc = NGX_OK;

    ngx_shmtx_lock(&zone->shpool->mutex);

    for (node = ring->keys; node; node = node->next) {

        len = node->id + node->file + node->text;

        key = ngx_array_push(keys);
        p = ngx_pnalloc(pool, len);

        if (key == NULL || p == NULL) {
            rc = NGX_ERROR;
            break;
        }

        ngx_memcpy(p, node->data, len);

        key->since = node->since;
        key->not_after = node->not_after;

        key->id.data = p;
        key->id.len = node->id;
        key->file.data = p + node->id;
        key->file.len = node->file;
        key->text.data = p + node->id + node->file;
        key->text.len = node->text;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return rc;
}


ngx_int_t
ngx_paygw_ring_put(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    ngx_paygw_ring_key_t *keys, ngx_uint_t n, time_t now)
{
    ngx_uint_t              i, changed;
    ngx_paygw_ring_node_t  *node, *old, **prev, *fresh;

    fresh = NULL;
    changed = 0;

    ngx_shmtx_lock(&zone->shpool->mutex);

    /* all of them or none: the zone may be full */

    for (i = 0; i < n; i++) {

        node = ngx_paygw_ring_node(zone, &keys[i]);

        if (node == NULL) {

            while (fresh) {
                node = fresh;
                fresh = node->next;
                ngx_slab_free_locked(zone->shpool, node);
            }

            ngx_shmtx_unlock(&zone->shpool->mutex);
            return NGX_ERROR;
        }

        node->next = fresh;
        fresh = node;
    }

    while (fresh) {
        node = fresh;
        fresh = node->next;

        for (prev = &ring->keys; *prev; prev = &(*prev)->next) {
            if (ngx_paygw_ring_same(*prev, node)) {
                break;
            }
        }

        old = *prev;

        if (old && old->text == node->text && old->id == node->id
            && ngx_memcmp(old->data, node->data,
                          node->id + node->file + node->text)
               == 0)
        {
            /* a file that went back and forth counts from now on */

            old->since = node->since;

            if (node->file) {
                changed = 1;
            }

            ngx_slab_free_locked(zone->shpool, node);
            continue;
        }

        if (old) {
            *prev = old->next;
            ngx_slab_free_locked(zone->shpool, old);
        }

        node->next = ring->keys;
        ring->keys = node;
        changed = 1;
    }

    ngx_paygw_ring_trim(zone, ring, now);

    if (changed) {
        (void) ngx_atomic_fetch_add(&zone->sh->rings->version, 1);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return changed ? NGX_OK : NGX_DECLINED;
}


static ngx_paygw_ring_node_t *
ngx_paygw_ring_node(ngx_paygw_zone_t *zone, ngx_paygw_ring_key_t *key)
{
    u_char                 *p;
    ngx_time_t             *tp;
    ngx_paygw_ring_node_t  *node;

    if (key->id.len > NGX_PAYGW_RING_ID
        || key->text.len > NGX_PAYGW_RING_TEXT)
    {
        return NULL;
    }

    node = ngx_slab_alloc_locked(zone->shpool,
                                 offsetof(ngx_paygw_ring_node_t, data)
                                 + key->id.len + key->file.len
                                 + key->text.len);
    if (node == NULL) {
        return NULL;
    }

    tp = ngx_timeofday();

    node->next = NULL;
    node->since = (uint64_t) tp->sec * 1000 + tp->msec;
    node->not_after = key->not_after;
    node->id = key->id.len;
    node->file = key->file.len;
    node->text = key->text.len;

    p = ngx_cpymem(node->data, key->id.data, key->id.len);
    p = ngx_cpymem(p, key->file.data, key->file.len);
    ngx_memcpy(p, key->text.data, key->text.len);

    return node;
}


static ngx_uint_t
ngx_paygw_ring_same(ngx_paygw_ring_node_t *a, ngx_paygw_ring_node_t *b)
{
    if (a->file != b->file) {
        return 0;
    }

    if (a->file) {
        return ngx_memcmp(a->data + a->id, b->data + b->id, a->file) == 0;
    }

    return a->id == b->id && ngx_memcmp(a->data, b->data, a->id) == 0;
}


/* fetched keys that are over, or too many */

static void
ngx_paygw_ring_trim(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    time_t now)
{
    ngx_uint_t              n;
    ngx_paygw_ring_node_t  *node, **prev;

    n = 0;
    prev = &ring->keys;

    while (*prev) {
        node = *prev;

        if (node->file == 0
            && ((node->not_after && now > node->not_after)
                || ++n > NGX_PAYGW_RING_KEYS))
        {
            *prev = node->next;
            ngx_slab_free_locked(zone->shpool, node);
            continue;
        }

        prev = &node->next;
    }
}


ngx_int_t
ngx_paygw_ring_want(ngx_paygw_zone_t *zone, ngx_paygw_ring_t *ring,
    ngx_str_t *id)
{
    ngx_int_t             rc;
    ngx_uint_t            i, least;
    ngx_paygw_ring_id_t  *w;

    if (id->len == 0 || id->len > NGX_PAYGW_RING_ID) {
        return NGX_DECLINED;
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    if (ngx_paygw_ring_is_absent(ring, id)) {
        ngx_shmtx_unlock(&zone->shpool->mutex);
        return NGX_DECLINED;
    }

    /* the one that is asked for least makes room */

    w = NULL;
    least = 0;

    for (i = 0; i < ring->nwanted; i++) {

        if (ring->wanted[i].len == id->len
            && ngx_memcmp(ring->wanted[i].data, id->data, id->len) == 0)
        {
            w = &ring->wanted[i];
            break;
        }

        if (ring->wanted[i].count < ring->wanted[least].count) {
            least = i;
        }
    }

    if (w == NULL) {
        w = (ring->nwanted < NGX_PAYGW_RING_WANTED)
            ? &ring->wanted[ring->nwanted++] : &ring->wanted[least];

        ngx_memcpy(w->data, id->data, id->len);
        w->len = (u_short) id->len;
        w->count = 0;
    }

    w->count++;

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

    if (w) {
        id->data = ngx_pnalloc(pool, w->len);
        if (id->data == NULL) {
            *next = retry;
            goto declined;
        }

        id->len = w->len;
        ngx_memcpy(id->data, w->data, w->len);
    }

    ring->fetched = 1;
    ring->busy = 1;
    ring->asked = 0;
    ring->begun = ngx_current_msec;
    ring->due = ngx_current_msec + retry;
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
    ngx_uint_t            i, n;
    ngx_paygw_ring_id_t  *w;

    ngx_shmtx_lock(&zone->shpool->mutex);

    ring->busy = 0;
    ring->due = ngx_current_msec + next;
    ring->failures = done ? 0 : ring->failures + 1;

    n = 0;

    for (i = 0; i < ring->nwanted; i++) {

        w = &ring->wanted[i];

        if (!done
            || (!all && (w->len != id->len
                         || ngx_memcmp(w->data, id->data, id->len) != 0)))
        {
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
