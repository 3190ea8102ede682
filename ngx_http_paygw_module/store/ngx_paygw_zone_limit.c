
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <time.h>
#include "ngx_paygw_store.h"
#include "ngx_paygw_backend.h"
#include "ngx_paygw_zone.h"


/*
 * Limits in shared memory: small trees by hash and bytes of the key, and one
 * by the end of a bucket's life, when it is empty.
 *
 * The clock is the machine's, and not the copy that a worker takes once a turn
 * of its event loop: it is read with the mutex, so that it never goes back for
 * a bucket, and it is fine enough for rates of many a millisecond.
 */


typedef struct {
    ngx_rbtree_node_t            node;      /* key: hash */
    ngx_rbtree_node_t            expiry;    /* key: not after the end */
    ngx_msec_t                   end;       /* of its life */
    uint64_t                     level;
    uint64_t                     time;      /* of the level, microseconds */
    ngx_paygw_zone_key_t         key;
} ngx_paygw_zone_limit_t;


typedef struct {
    ngx_paygw_zone_limit_t      *rec;       /* NULL: none */
    uint32_t                     hash;
} ngx_paygw_zone_bucket_t;


static uint64_t ngx_paygw_zone_limit_now(void);
static ngx_uint_t ngx_paygw_zone_limit_look(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_bucket_t *buckets, ngx_paygw_limit_t *limits, ngx_uint_t n,
    uint64_t now);
static ngx_int_t ngx_paygw_zone_limit_charge(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_bucket_t *buckets, ngx_paygw_limit_t *limits, ngx_uint_t n,
    uint64_t now);
static ngx_paygw_zone_limit_t *ngx_paygw_zone_limit_find(
    ngx_paygw_zone_t *zone, ngx_str_t *key, uint32_t hash);
static ngx_paygw_zone_limit_t *ngx_paygw_zone_limit_add(
    ngx_paygw_zone_t *zone, ngx_str_t *key, uint32_t hash, uint64_t now);
static ngx_uint_t ngx_paygw_zone_limit_sweep(ngx_paygw_zone_t *zone,
    ngx_uint_t n, ngx_msec_t now);
static void ngx_paygw_zone_limit_drop(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_limit_t *rec);


#define ngx_paygw_zone_limit_ms(time)    ((ngx_msec_t) ((time) / 1000))

#define ngx_paygw_zone_limit_hash(key)                                        \
    ngx_murmur_hash2((key)->data, (key)->len)


ngx_int_t
ngx_paygw_zone_limit(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    return ngx_paygw_zone_limits(store->data, op->limits, op->nlimits,
                                 op->log);
}


ngx_int_t
ngx_paygw_zone_limits(ngx_paygw_zone_t *zone, ngx_paygw_limit_t *limits,
    ngx_uint_t n, ngx_log_t *log)
{
    uint64_t                 now;
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_paygw_zone_bucket_t  buckets[NGX_PAYGW_STORE_LIMITS_MAX];

    for (i = 0; i < n; i++) {
        buckets[i].hash = ngx_paygw_zone_limit_hash(&limits[i].key);
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    now = ngx_paygw_zone_limit_now();

    /* more than this call can make older than they seem */

    (void) ngx_paygw_zone_limit_sweep(zone, n + 1,
                                      ngx_paygw_zone_limit_ms(now));

    if (ngx_paygw_zone_limit_look(zone, buckets, limits, n, now)) {
        rc = NGX_DECLINED;

    } else {
        rc = ngx_paygw_zone_limit_charge(zone, buckets, limits, n, now);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (rc == NGX_ERROR) {
        ngx_paygw_zone_crowded(zone, log);
    }

    return rc;
}


ngx_uint_t
ngx_paygw_zone_limits_over(ngx_paygw_zone_t *zone, ngx_paygw_limit_t *limits,
    ngx_uint_t n)
{
    ngx_uint_t               i, over;
    ngx_paygw_zone_bucket_t  buckets[NGX_PAYGW_STORE_LIMITS_MAX];

    for (i = 0; i < n; i++) {
        buckets[i].hash = ngx_paygw_zone_limit_hash(&limits[i].key);
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    over = ngx_paygw_zone_limit_look(zone, buckets, limits, n,
                                     ngx_paygw_zone_limit_now());

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return over;
}


void
ngx_paygw_zone_limits_undo(ngx_paygw_zone_t *zone, ngx_paygw_limit_t *limits,
    ngx_uint_t n)
{
    ngx_uint_t               i;
    ngx_paygw_zone_limit_t  *rec;

    ngx_shmtx_lock(&zone->shpool->mutex);

    for (i = 0; i < n; i++) {

        if (limits[i].over) {
            continue;
        }

        rec = ngx_paygw_zone_limit_find(zone, &limits[i].key,
                                   ngx_paygw_zone_limit_hash(&limits[i].key));
        if (rec) {
            rec->level -= ngx_min(rec->level, limits[i].period);
        }

        limits[i].level -= limits[i].period;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


static uint64_t
ngx_paygw_zone_limit_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


/* the functions below are called with the mutex locked */


/* 1 if a limit that may refuse is over; fills in all of them */

static ngx_uint_t
ngx_paygw_zone_limit_look(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_bucket_t *buckets, ngx_paygw_limit_t *limits, ngx_uint_t n,
    uint64_t now)
{
    ngx_uint_t               i, over;
    ngx_paygw_zone_limit_t  *rec;

    over = 0;

    for (i = 0; i < n; i++) {

        rec = ngx_paygw_zone_limit_find(zone, &limits[i].key, buckets[i].hash);

        buckets[i].rec = rec;

        limits[i].level = rec ? ngx_paygw_limit_drain(rec->level,
                                                      limits[i].rate,
                                                      now - rec->time)
                              : 0;

        limits[i].over = ngx_paygw_limit_over(&limits[i]);
        limits[i].time = now;

        over |= limits[i].over && !limits[i].dry;
    }

    return over;
}


static ngx_int_t
ngx_paygw_zone_limit_charge(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_bucket_t *buckets, ngx_paygw_limit_t *limits, ngx_uint_t n,
    uint64_t now)
{
    ngx_msec_t               end;
    ngx_uint_t               i;
    ngx_paygw_zone_limit_t  *rec;

    /* none is to be given up for the room of another one of them */

    end = ngx_paygw_zone_limit_ms(now) + 1;

    for (i = 0; i < n; i++) {

        rec = buckets[i].rec;

        if (rec && (ngx_msec_int_t) (end - rec->end) > 0) {
            rec->end = end;
        }
    }

    for (i = 0; i < n; i++) {

        if (buckets[i].rec) {
            continue;
        }

        rec = ngx_paygw_zone_limit_add(zone, &limits[i].key, buckets[i].hash,
                                       now);
        if (rec == NULL) {
            return NGX_ERROR;
        }

        buckets[i].rec = rec;
    }

    for (i = 0; i < n; i++) {

        if (limits[i].over) {
            continue;
        }

        limits[i].level += limits[i].period;

        rec = buckets[i].rec;

        rec->level = limits[i].level;
        rec->time = now;
        rec->end = ngx_paygw_zone_limit_ms(now
                                          + ngx_paygw_limit_reset(&limits[i]))
                   + 1;
    }

    return NGX_OK;
}


static ngx_paygw_zone_limit_t *
ngx_paygw_zone_limit_find(ngx_paygw_zone_t *zone, ngx_str_t *key,
    uint32_t hash)
{
    ngx_rbtree_node_t  *node;

    node = ngx_paygw_zone_lookup(zone, zone->sh->limits[hash & zone->sh->mask],
                                 key, hash);
    if (node == NULL) {
        return NULL;
    }

    return ngx_rbtree_data(node, ngx_paygw_zone_limit_t, node);
}


static ngx_paygw_zone_limit_t *
ngx_paygw_zone_limit_add(ngx_paygw_zone_t *zone, ngx_str_t *key,
    uint32_t hash, uint64_t now)
{
    size_t                   size;
    ngx_msec_t               ms;
    ngx_paygw_zone_limit_t  *rec;

    ms = ngx_paygw_zone_limit_ms(now);
    size = ngx_paygw_zone_size(ngx_paygw_zone_limit_t, key->len);

    do {
        rec = ngx_paygw_zone_guest_take(zone, size);

        /* the oldest may be of another size, so more than one may have to go */

    } while (rec == NULL && (ngx_paygw_zone_limit_sweep(zone, 1, ms)
                             || ngx_paygw_zone_once_expire(zone, 1)
                             || ngx_paygw_zone_run_expire(zone, 1)
                             || ngx_paygw_zone_expire(zone, 1)));

    if (rec == NULL) {
        return NULL;
    }

    rec->level = 0;
    rec->time = now;
    rec->end = ms + 1;
    rec->expiry.key = rec->end;

    ngx_paygw_zone_insert(zone, &zone->sh->limits[hash & zone->sh->mask],
                          &rec->node, offsetof(ngx_paygw_zone_limit_t, key),
                          key, hash);
    ngx_paygw_zone_link(zone, &zone->sh->limits_expiry, &rec->expiry,
                        ngx_rbtree_insert_timer_value);

    if ((ngx_msec_int_t) (rec->end - zone->sh->limits_next) < 0) {
        zone->sh->limits_next = rec->end;
    }

    return rec;
}


ngx_uint_t
ngx_paygw_zone_limit_expire(ngx_paygw_zone_t *zone, ngx_uint_t n)
{
    return ngx_paygw_zone_limit_sweep(zone, n,
                          ngx_paygw_zone_limit_ms(ngx_paygw_zone_limit_now()));
}


/*
 * A bucket lives longer with each request.  Its place in the tree of ends is
 * looked at when it comes up, and not each time: who is asked for often costs
 * no more than its own record.
 */

static ngx_uint_t
ngx_paygw_zone_limit_sweep(ngx_paygw_zone_t *zone, ngx_uint_t n,
    ngx_msec_t now)
{
    ngx_uint_t               i;
    ngx_rbtree_node_t       *node;
    ngx_paygw_zone_limit_t  *rec;

    for (i = 0; i < n; i++) {

        if ((ngx_msec_int_t) (now - zone->sh->limits_next) < 0
            || zone->sh->limits_expiry == &zone->sh->sentinel)
        {
            break;
        }

        node = ngx_rbtree_min(zone->sh->limits_expiry, &zone->sh->sentinel);
        rec = ngx_rbtree_data(node, ngx_paygw_zone_limit_t, expiry);

        if ((ngx_msec_int_t) (now - node->key) < 0) {
            zone->sh->limits_next = node->key;
            break;
        }

        if ((ngx_msec_int_t) (now - rec->end) >= 0) {
            ngx_paygw_zone_limit_drop(zone, rec);
            continue;
        }

        ngx_paygw_zone_unlink(zone, &zone->sh->limits_expiry, node);

        node->key = rec->end;

        ngx_paygw_zone_link(zone, &zone->sh->limits_expiry, node,
                            ngx_rbtree_insert_timer_value);
    }

    return i;
}


static void
ngx_paygw_zone_limit_drop(ngx_paygw_zone_t *zone, ngx_paygw_zone_limit_t *rec)
{
    ngx_rbtree_node_t  **root;

    root = &zone->sh->limits[rec->node.key & zone->sh->mask];

    ngx_paygw_zone_unlink(zone, &zone->sh->limits_expiry, &rec->expiry);
    ngx_paygw_zone_unlink(zone, root, &rec->node);

    ngx_paygw_zone_guest_free(zone, rec,
                              ngx_paygw_zone_size(ngx_paygw_zone_limit_t,
                                                  rec->key.len));
}
