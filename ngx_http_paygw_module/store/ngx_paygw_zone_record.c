
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_store.h"
#include "ngx_paygw_backend.h"
#include "ngx_paygw_zone.h"


/*
 * The store in shared memory.  Records stand in two trees: in one of many
 * small ones by hash and bytes of the key, and in one by the end of their
 * life.  Only a record whose life is over is ever given up, so a zone that is
 * full of living ones refuses new claims.
 *
 * An order that is paid has a record, too, a smaller one.  It stands in the
 * same trees, by the hash of its id with all bits turned over: the id of an
 * order and the same bytes as the id of an event never have one hash, so they
 * are never compared.
 *
 * Times are ngx_current_msec, which is CLOCK_MONOTONIC in every worker: a step
 * of the wall clock neither ends a lease nor prolongs it.
 */


#define NGX_PAYGW_ZONE_EXPIRE   2       /* records looked at by each call */


typedef enum {
    NGX_PAYGW_ZONE_HELD = 0,
    NGX_PAYGW_ZONE_COMMITTED,
    NGX_PAYGW_ZONE_RELEASED,
    NGX_PAYGW_ZONE_PAID                     /* of an order; it stays so */
} ngx_paygw_zone_state_e;


typedef struct {
    uint64_t                     token;
    ngx_msec_t                   lease;     /* end of the lease */
} ngx_paygw_zone_hold_t;


/* has a hold in front of it if it is an event's */

typedef struct {
    ngx_rbtree_node_t            node;      /* key: hash of the id */
    ngx_rbtree_node_t            expiry;    /* key: end of the record's life */
    uint32_t                     delivery;
    u_short                      state;
    ngx_paygw_zone_key_t         key;
} ngx_paygw_zone_record_t;


static ngx_int_t ngx_paygw_zone_claim(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
static void ngx_paygw_zone_commit(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
static void ngx_paygw_zone_release(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
static ngx_int_t ngx_paygw_zone_end(ngx_paygw_zone_t *zone,
    ngx_paygw_store_op_t *op, ngx_uint_t state);
static ngx_int_t ngx_paygw_zone_take(ngx_paygw_zone_t *zone,
    ngx_paygw_store_op_t *op, uint32_t hash);
static ngx_int_t ngx_paygw_zone_order(ngx_paygw_zone_t *zone,
    ngx_paygw_store_op_t *op);
static ngx_paygw_zone_record_t *ngx_paygw_zone_find(ngx_paygw_zone_t *zone,
    ngx_str_t *key, uint32_t hash);
static ngx_paygw_zone_record_t *ngx_paygw_zone_add(ngx_paygw_zone_t *zone,
    ngx_str_t *key, uint32_t hash, ngx_uint_t state, ngx_msec_t life);
static void ngx_paygw_zone_keep(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_record_t *rec, ngx_msec_t life);
static void ngx_paygw_zone_last(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_record_t *rec, ngx_msec_t end);
static void ngx_paygw_zone_drop(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_record_t *rec);


#define ngx_paygw_zone_hash(key)                                              \
    ngx_crc32_long((key)->data, (key)->len)

#define ngx_paygw_zone_hold(rec)  ((ngx_paygw_zone_hold_t *) (rec) - 1)


static const ngx_paygw_backend_t  ngx_paygw_zone_backend = {
    ngx_paygw_zone_claim,
    NULL,                                  /* append: it has no streams */
    NULL,                                  /* streams */
    NULL,                                  /* cancel: nothing ever waits */
    ngx_paygw_zone_commit,
    ngx_paygw_zone_release,
    ngx_paygw_zone_init_process,
    NULL,                                  /* exit_process */
    ngx_paygw_zone_once,
    ngx_paygw_zone_limit,
    ngx_paygw_zone_begin,
    ngx_paygw_zone_finish,
    ngx_paygw_zone_renew,
    ngx_paygw_zone_abandon,
    ngx_paygw_zone_book,
    NULL                                   /* together: all in one place */
};


ngx_paygw_store_t *
ngx_paygw_store_zone(ngx_conf_t *cf, ngx_paygw_zone_t *zone)
{
    ngx_paygw_store_t  *store;

    store = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_store_t));
    if (store == NULL) {
        return NULL;
    }

    store->backend = &ngx_paygw_zone_backend;
    store->data = zone;

    return store;
}


static ngx_int_t
ngx_paygw_zone_claim(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    uint32_t           hash;
    ngx_int_t          rc;
    ngx_paygw_zone_t  *zone;

    zone = store->data;
    hash = ngx_paygw_zone_hash(&op->key);

    ngx_shmtx_lock(&zone->shpool->mutex);

    (void) ngx_paygw_zone_expire(zone, NGX_PAYGW_ZONE_EXPIRE);

    rc = ngx_paygw_zone_take(zone, op, hash);

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (rc == NGX_ERROR) {
        ngx_paygw_zone_full(zone, op->log);
    }

    return rc;
}


static void
ngx_paygw_zone_commit(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_int_t          rc;
    ngx_paygw_zone_t  *zone;

    zone = store->data;

    rc = ngx_paygw_zone_end(zone, op, NGX_PAYGW_ZONE_COMMITTED);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_WARN, op->log, 0,
                      "event \"%V\" was taken over before its commit",
                      &op->key);

    } else if (rc == NGX_ERROR) {
        ngx_paygw_zone_full(zone, op->log);
    }
}


static void
ngx_paygw_zone_release(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    if (ngx_paygw_zone_end(store->data, op, NGX_PAYGW_ZONE_RELEASED)
        == NGX_DECLINED)
    {
        ngx_log_error(NGX_LOG_INFO, op->log, 0,
                      "event \"%V\" was not held at its release", &op->key);
    }
}


static ngx_int_t
ngx_paygw_zone_end(ngx_paygw_zone_t *zone, ngx_paygw_store_op_t *op,
    ngx_uint_t state)
{
    uint32_t                  hash;
    ngx_int_t                 rc;
    ngx_paygw_zone_record_t  *rec;

    hash = ngx_paygw_zone_hash(&op->key);

    ngx_shmtx_lock(&zone->shpool->mutex);

    (void) ngx_paygw_zone_expire(zone, NGX_PAYGW_ZONE_EXPIRE);

    rec = ngx_paygw_zone_find(zone, &op->key, hash);

    if (rec) {
        rc = (rec->state == NGX_PAYGW_ZONE_HELD
              && ngx_paygw_zone_hold(rec)->token == op->token)
             ? NGX_OK : NGX_DECLINED;

    } else if (state == NGX_PAYGW_ZONE_COMMITTED) {

        /* the record's life was over: the event is done all the same */

        rec = ngx_paygw_zone_add(zone, &op->key, hash, state, op->keep);
        rc = rec ? NGX_OK : NGX_ERROR;

    } else {
        rc = NGX_DECLINED;
    }

    if (rc == NGX_OK) {
        rec->state = (u_short) state;
        ngx_paygw_zone_hold(rec)->token = op->token;

        ngx_paygw_zone_keep(zone, rec, op->keep);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return rc;
}


/* the functions below are called with the mutex locked */


static ngx_int_t
ngx_paygw_zone_take(ngx_paygw_zone_t *zone, ngx_paygw_store_op_t *op,
    uint32_t hash)
{
    ngx_int_t                 rc;
    ngx_msec_t                life;
    ngx_paygw_zone_hold_t    *hold;
    ngx_paygw_zone_record_t  *rec;

    life = ngx_paygw_store_life(op);

    rec = ngx_paygw_zone_find(zone, &op->key, hash);

    if (rec && rec->state == NGX_PAYGW_ZONE_COMMITTED) {
        return NGX_DECLINED;
    }

    if (rec && rec->state == NGX_PAYGW_ZONE_HELD
        && !ngx_paygw_zone_over(ngx_paygw_zone_hold(rec)->lease))
    {
        return NGX_BUSY;
    }

    if (ngx_paygw_store_guards(op)) {
        rc = ngx_paygw_zone_order(zone, op);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    /* the record is still there: only those whose life is over make room */

    if (rec == NULL) {
        rec = ngx_paygw_zone_add(zone, &op->key, hash, NGX_PAYGW_ZONE_HELD,
                                 life);
        if (rec == NULL) {
            return NGX_ERROR;
        }
    }

    hold = ngx_paygw_zone_hold(rec);

    hold->token = op->token;
    hold->lease = ngx_current_msec + op->lease;

    rec->state = NGX_PAYGW_ZONE_HELD;
    rec->delivery++;

    ngx_paygw_zone_keep(zone, rec, life);

    op->delivery = rec->delivery;

    return NGX_OK;
}


/*
 * NGX_OK, NGX_DONE if the event is late or its order is against it, NGX_ERROR
 * if there is no memory
 */

static ngx_int_t
ngx_paygw_zone_order(ngx_paygw_zone_t *zone, ngx_paygw_store_op_t *op)
{
    uint32_t                  hash;
    ngx_int_t                 rc;
    ngx_msec_t                life;
    ngx_paygw_zone_record_t  *rec;

    rc = ngx_paygw_zone_book_claim(zone, op);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (!ngx_paygw_store_marks(op)) {
        return NGX_OK;
    }

    life = ngx_paygw_store_life(op);
    hash = ~ngx_paygw_zone_hash(&op->order);

    rec = ngx_paygw_zone_find(zone, &op->order, hash);

    if (rec == NULL) {

        if (op->says != NGX_PAYGW_STORE_PAID) {
            return NGX_OK;
        }

        rec = ngx_paygw_zone_add(zone, &op->order, hash, NGX_PAYGW_ZONE_PAID,
                                 life);

        return rec ? NGX_OK : NGX_ERROR;
    }

    /* events of one order may be kept for different times */

    if ((ngx_msec_int_t) (ngx_current_msec + life - rec->expiry.key) > 0) {
        ngx_paygw_zone_keep(zone, rec, life);
    }

    if (op->says == NGX_PAYGW_STORE_PAID) {
        return NGX_OK;
    }

    if (op->book) {
        op->book->against = NGX_PAYGW_BOOK_LATE;
    }

    return NGX_DONE;
}


ngx_uint_t
ngx_paygw_zone_marked(ngx_paygw_zone_t *zone, ngx_str_t *order)
{
    return ngx_paygw_zone_find(zone, order, ~ngx_paygw_zone_hash(order))
           != NULL;
}


static ngx_paygw_zone_record_t *
ngx_paygw_zone_find(ngx_paygw_zone_t *zone, ngx_str_t *key, uint32_t hash)
{
    ngx_rbtree_node_t        *node;
    ngx_paygw_zone_record_t  *rec;

    node = ngx_paygw_zone_lookup(zone, zone->sh->roots[hash & zone->sh->mask],
                                 key, hash);
    if (node == NULL) {
        return NULL;
    }

    rec = ngx_rbtree_data(node, ngx_paygw_zone_record_t, node);

    if (!ngx_paygw_zone_over(rec->expiry.key)) {
        return rec;
    }

    ngx_paygw_zone_drop(zone, rec);

    return NULL;
}


static ngx_paygw_zone_record_t *
ngx_paygw_zone_add(ngx_paygw_zone_t *zone, ngx_str_t *key, uint32_t hash,
    ngx_uint_t state, ngx_msec_t life)
{
    size_t                    hold, size;
    u_char                   *p;
    ngx_paygw_zone_record_t  *rec;

    hold = (state == NGX_PAYGW_ZONE_PAID) ? 0 : sizeof(ngx_paygw_zone_hold_t);
    size = hold + ngx_paygw_zone_size(ngx_paygw_zone_record_t, key->len);

    p = ngx_paygw_zone_alloc(zone, size);
    if (p == NULL) {
        return NULL;
    }

    rec = (ngx_paygw_zone_record_t *) (p + hold);

    rec->delivery = 0;
    rec->state = (u_short) state;

    ngx_paygw_zone_insert(zone, &zone->sh->roots[hash & zone->sh->mask],
                          &rec->node, offsetof(ngx_paygw_zone_record_t, key),
                          key, hash);

    ngx_paygw_zone_last(zone, rec, ngx_current_msec + life);

    return rec;
}


/*
 * A commit comes a moment after its claim: to move the record in the tree for
 * less than a thousandth of its life is not worth it.
 */

static void
ngx_paygw_zone_keep(ngx_paygw_zone_t *zone, ngx_paygw_zone_record_t *rec,
    ngx_msec_t life)
{
    ngx_msec_t      end;
    ngx_msec_int_t  more;

    end = ngx_current_msec + life;
    more = (ngx_msec_int_t) (end - rec->expiry.key);

    if (more >= 0 && (ngx_msec_t) more < life / 1000) {
        return;
    }

    ngx_paygw_zone_unlink(zone, &zone->sh->expiry, &rec->expiry);

    ngx_paygw_zone_last(zone, rec, end);
}


/* puts a record that is not there into the tree of ends */

static void
ngx_paygw_zone_last(ngx_paygw_zone_t *zone, ngx_paygw_zone_record_t *rec,
    ngx_msec_t end)
{
    rec->expiry.key = end;

    ngx_paygw_zone_link(zone, &zone->sh->expiry, &rec->expiry,
                        ngx_rbtree_insert_timer_value);

    if ((ngx_msec_int_t) (end - zone->sh->next) < 0) {
        zone->sh->next = end;
    }
}


static void
ngx_paygw_zone_drop(ngx_paygw_zone_t *zone, ngx_paygw_zone_record_t *rec)
{
    ngx_paygw_zone_unlink(zone, &zone->sh->expiry, &rec->expiry);

    ngx_paygw_zone_unlink(zone,
                          &zone->sh->roots[rec->node.key & zone->sh->mask],
                          &rec->node);

    ngx_slab_free_locked(zone->shpool,
                         (rec->state == NGX_PAYGW_ZONE_PAID)
                         ? (void *) rec : (void *) ngx_paygw_zone_hold(rec));
}


ngx_uint_t
ngx_paygw_zone_expire(ngx_paygw_zone_t *zone, ngx_uint_t n)
{
    ngx_uint_t          i;
    ngx_rbtree_node_t  *sentinel, *node;

    if (!ngx_paygw_zone_over(zone->sh->next)) {
        return 0;
    }

    sentinel = &zone->sh->sentinel;

    for (i = 0; i < n; i++) {

        if (zone->sh->expiry == sentinel) {
            break;
        }

        node = ngx_rbtree_min(zone->sh->expiry, sentinel);

        if (!ngx_paygw_zone_over(node->key)) {
            zone->sh->next = node->key;
            break;
        }

        ngx_paygw_zone_drop(zone, ngx_rbtree_data(node,
                                                  ngx_paygw_zone_record_t,
                                                  expiry));
    }

    return i;
}
