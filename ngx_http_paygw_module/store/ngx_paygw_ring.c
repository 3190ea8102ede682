
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_ring.h"
#include "ngx_paygw_ring_sh.h"


static ngx_paygw_ring_t *ngx_paygw_ring_make(ngx_paygw_zone_t *zone,
    ngx_str_t *channel);
static size_t ngx_paygw_ring_size(ngx_paygw_ring_t *ring, ngx_uint_t *n);
static void ngx_paygw_ring_fill(ngx_paygw_ring_t *ring,
    ngx_paygw_ring_key_t *key, u_char *p);
static ngx_paygw_ring_node_t *ngx_paygw_ring_node(ngx_paygw_zone_t *zone,
    ngx_paygw_ring_key_t *key);
static ngx_uint_t ngx_paygw_ring_same(ngx_paygw_ring_node_t *a,
    ngx_paygw_ring_node_t *b);
static void ngx_paygw_ring_trim(ngx_paygw_zone_t *zone,
    ngx_paygw_ring_t *ring, time_t now);


ngx_paygw_ring_t *
ngx_paygw_ring_get(ngx_paygw_zone_t *zone, ngx_str_t *channel,
    ngx_uint_t make)
{
    ngx_paygw_ring_t  *ring;

    if (channel->len > NGX_PAYGW_RING_ID) {
        return NULL;
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    if (zone->sh->rings == NULL && make) {
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

        if (ring == NULL && make) {
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
ngx_paygw_ring_changes(ngx_paygw_ring_t *ring)
{
    return ring->changes;
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
    u_char                *p;
    size_t                 size;
    ngx_uint_t             n, count, same;
    ngx_paygw_ring_key_t  *key;

    /* no memory is asked for while the others wait */

    do {
        ngx_shmtx_lock(&zone->shpool->mutex);

        size = ngx_paygw_ring_size(ring, &n);

        ngx_shmtx_unlock(&zone->shpool->mutex);

        keys->nelts = 0;

        key = ngx_array_push_n(keys, n);
        p = ngx_pnalloc(pool, size);

        if (key == NULL || p == NULL) {
            return NGX_ERROR;
        }

        ngx_shmtx_lock(&zone->shpool->mutex);

        same = (ngx_paygw_ring_size(ring, &count) == size && count == n);

        if (same) {
            ngx_paygw_ring_fill(ring, key, p);
        }

        ngx_shmtx_unlock(&zone->shpool->mutex);

    } while (!same);

    return NGX_OK;
}


/* bytes and number of the keys; as the next one called with the lock */

static size_t
ngx_paygw_ring_size(ngx_paygw_ring_t *ring, ngx_uint_t *n)
{
    size_t                  size;
    ngx_paygw_ring_node_t  *node;

    *n = 0;
    size = 0;

    for (node = ring->keys; node; node = node->next) {
        size += node->id + node->file + node->text;
        (*n)++;
    }

    return size;
}


static void
ngx_paygw_ring_fill(ngx_paygw_ring_t *ring, ngx_paygw_ring_key_t *key,
    u_char *p)
{
    size_t                  len;
    ngx_paygw_ring_node_t  *node;

    for (node = ring->keys; node; node = node->next) {

        len = node->id + node->file + node->text;
        ngx_memcpy(p, node->data, len);

        key->since = node->since;
        key->not_after = node->not_after;

        key->id.data = p;
        key->id.len = node->id;
        key->file.data = p + node->id;
        key->file.len = node->file;
        key->text.data = p + node->id + node->file;
        key->text.len = node->text;

        key++;
        p += len;
    }
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
        (void) ngx_atomic_fetch_add(&ring->changes, 1);
        (void) ngx_atomic_fetch_add(&zone->sh->rings->version, 1);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return changed ? NGX_OK : NGX_DECLINED;
}


static ngx_paygw_ring_node_t *
ngx_paygw_ring_node(ngx_paygw_zone_t *zone, ngx_paygw_ring_key_t *key)
{
    u_char                 *p;
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

    node->next = NULL;
    node->since = ngx_current_msec;
    node->not_after = key->not_after;
    node->id = key->id.len;
    node->file = key->file.len;
    node->text = key->text.len;

    p = node->data;

    /* a file may have no id, and what was fetched has no file */

    if (key->id.len) {
        p = ngx_cpymem(p, key->id.data, key->id.len);
    }

    if (key->file.len) {
        p = ngx_cpymem(p, key->file.data, key->file.len);
    }

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
