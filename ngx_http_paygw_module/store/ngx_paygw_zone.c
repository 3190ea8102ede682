
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_store.h"
#include "ngx_paygw_backend.h"


/*
 * The store in shared memory.  Records stand in two trees: by hash and bytes
 * of the key, and by the end of their life.  Only a record whose life is over
 * is ever given up, so a zone that is full of living ones refuses new claims.
 *
 * Times are ngx_current_msec, which is CLOCK_MONOTONIC in every worker: a step
 * of the wall clock neither ends a lease nor prolongs it.
 */


#define NGX_PAYGW_ZONE_EXPIRE   2       /* records looked at by each call */
#define NGX_PAYGW_ZONE_QUIET    1000    /* ms between two "zone is full" */


typedef enum {
    NGX_PAYGW_ZONE_HELD = 0,
    NGX_PAYGW_ZONE_COMMITTED,
    NGX_PAYGW_ZONE_RELEASED
} ngx_paygw_zone_state_e;


typedef struct {
    ngx_rbtree_node_t            node;      /* key: hash of the event id */
    ngx_rbtree_node_t            expiry;    /* key: end of the record's life */
    uint64_t                     token;
    ngx_msec_t                   lease;     /* end of the lease */
    uint32_t                     delivery;
    u_short                      state;
    u_short                      len;
    u_char                       data[1];
} ngx_paygw_zone_record_t;


typedef struct {
    ngx_rbtree_t                 rbtree;
    ngx_rbtree_node_t            sentinel;
    ngx_rbtree_t                 expiry;
    ngx_rbtree_node_t            expiry_sentinel;
} ngx_paygw_zone_sh_t;


struct ngx_paygw_zone_s {
    ngx_paygw_zone_sh_t         *sh;
    ngx_slab_pool_t             *shpool;
    ngx_str_t                    name;
    ngx_msec_t                   full;      /* when last logged, of a worker */
};


static ngx_int_t ngx_paygw_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_uint_t ngx_paygw_zone_replaces(ngx_shm_zone_t *shm_zone);
static void ngx_paygw_zone_insert_value(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_paygw_zone_claim(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
static void ngx_paygw_zone_commit(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
static void ngx_paygw_zone_release(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
static ngx_int_t ngx_paygw_zone_end(ngx_paygw_zone_t *zone,
    ngx_paygw_store_op_t *op, ngx_uint_t state);
static ngx_paygw_zone_record_t *ngx_paygw_zone_find(ngx_paygw_zone_t *zone,
    ngx_str_t *key, uint32_t hash);
static ngx_paygw_zone_record_t *ngx_paygw_zone_add(ngx_paygw_zone_t *zone,
    ngx_str_t *key, uint32_t hash);
static void ngx_paygw_zone_keep(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_record_t *rec, ngx_msec_t life);
static ngx_uint_t ngx_paygw_zone_expire(ngx_paygw_zone_t *zone, ngx_uint_t n);
static void ngx_paygw_zone_full(ngx_paygw_zone_t *zone, ngx_log_t *log);


#define ngx_paygw_zone_hash(key)                                              \
    ngx_crc32_short((key)->data, (key)->len)

/* the timer's comparison: right also when the clock has wrapped around */
#define ngx_paygw_zone_over(time)                                             \
    ((ngx_msec_int_t) (ngx_current_msec - (time)) >= 0)


static const ngx_paygw_backend_t  ngx_paygw_zone_backend = {
    ngx_paygw_zone_claim,
    NULL,                                  /* append: it has no streams */
    NULL,                                  /* cancel: nothing ever waits */
    ngx_paygw_zone_commit,
    ngx_paygw_zone_release,
    NULL                                   /* exit_process */
};


ngx_paygw_zone_t *
ngx_paygw_zone_create(ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag)
{
    ngx_shm_zone_t    *shm_zone;
    ngx_paygw_zone_t  *zone;

    if (size < 8 * ngx_pagesize) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small, it must have at least "
                           "%uzk", name, 8 * ngx_pagesize / 1024);
        return NULL;
    }

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_zone_t));
    if (zone == NULL) {
        return NULL;
    }

    shm_zone = ngx_shared_memory_add(cf, name, size, tag);
    if (shm_zone == NULL) {
        return NULL;
    }

    if (shm_zone->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is already defined", name);
        return NULL;
    }

    zone->name = *name;

    shm_zone->init = ngx_paygw_zone_init;
    shm_zone->data = zone;

    return zone;
}


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
ngx_paygw_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_paygw_zone_t  *ozone = data;

    size_t             len;
    ngx_paygw_zone_t  *zone;

    zone = shm_zone->data;

    if (ozone) {
        zone->sh = ozone->sh;
        zone->shpool = ozone->shpool;

        return NGX_OK;
    }

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;

        return NGX_OK;
    }

    if (ngx_paygw_zone_replaces(shm_zone)) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "size or name of paygw zone \"%V\" cannot change in a "
                      "reload, the events in it would be forgotten, "
                      "restart nginx", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    zone->sh = ngx_slab_alloc(zone->shpool, sizeof(ngx_paygw_zone_sh_t));
    if (zone->sh == NULL) {
        return NGX_ERROR;
    }

    zone->shpool->data = zone->sh;

    ngx_rbtree_init(&zone->sh->rbtree, &zone->sh->sentinel,
                    ngx_paygw_zone_insert_value);

    ngx_rbtree_init(&zone->sh->expiry, &zone->sh->expiry_sentinel,
                    ngx_rbtree_insert_timer_value);

    len = sizeof(" in paygw zone \"\"") + shm_zone->shm.name.len;

    zone->shpool->log_ctx = ngx_slab_alloc(zone->shpool, len);
    if (zone->shpool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(zone->shpool->log_ctx, " in paygw zone \"%V\"%Z",
                &shm_zone->shm.name);

    /* ngx_paygw_zone_full() logs, not for each claim */

    zone->shpool->log_nomem = 0;

    return NGX_OK;
}


/*
 * nginx makes a new zone when the size or the name has changed.  ngx_cycle is
 * still the one that is replaced; at a start it has no zones.  There is one
 * zone of ours in a configuration, so the tag alone tells.
 */

static ngx_uint_t
ngx_paygw_zone_replaces(ngx_shm_zone_t *shm_zone)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *zone;
    ngx_list_part_t  *part;

    part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;

    for ( /* void */ ; part; part = part->next) {
        zone = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (zone[i].tag == shm_zone->tag) {
                return 1;
            }
        }
    }

    return 0;
}


static void
ngx_paygw_zone_insert_value(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t        **p;
    ngx_paygw_zone_record_t   *rec, *rect;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            rec = ngx_rbtree_data(node, ngx_paygw_zone_record_t, node);
            rect = ngx_rbtree_data(temp, ngx_paygw_zone_record_t, node);

            p = (ngx_memn2cmp(rec->data, rect->data, rec->len, rect->len) < 0)
                ? &temp->left : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


static ngx_int_t
ngx_paygw_zone_claim(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    uint32_t                  hash;
    ngx_paygw_zone_t         *zone;
    ngx_paygw_zone_record_t  *rec;

    zone = store->data;
    hash = ngx_paygw_zone_hash(&op->key);

    ngx_shmtx_lock(&zone->shpool->mutex);

    (void) ngx_paygw_zone_expire(zone, NGX_PAYGW_ZONE_EXPIRE);

    rec = ngx_paygw_zone_find(zone, &op->key, hash);

    if (rec == NULL) {
        rec = ngx_paygw_zone_add(zone, &op->key, hash);

        if (rec == NULL) {
            ngx_shmtx_unlock(&zone->shpool->mutex);
            ngx_paygw_zone_full(zone, op->log);
            return NGX_ERROR;
        }

    } else if (rec->state == NGX_PAYGW_ZONE_COMMITTED) {
        ngx_shmtx_unlock(&zone->shpool->mutex);
        return NGX_DECLINED;

    } else if (rec->state == NGX_PAYGW_ZONE_HELD
               && !ngx_paygw_zone_over(rec->lease))
    {
        ngx_shmtx_unlock(&zone->shpool->mutex);
        return NGX_BUSY;
    }

    rec->state = NGX_PAYGW_ZONE_HELD;
    rec->token = op->token;
    rec->lease = ngx_current_msec + op->lease;
    rec->delivery++;

    ngx_paygw_zone_keep(zone, rec, ngx_paygw_store_life(op));

    op->delivery = rec->delivery;

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return NGX_OK;
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
        rc = (rec->state == NGX_PAYGW_ZONE_HELD && rec->token == op->token)
             ? NGX_OK : NGX_DECLINED;

    } else if (state == NGX_PAYGW_ZONE_COMMITTED) {

        /* the record's life was over: the event is done all the same */

        rec = ngx_paygw_zone_add(zone, &op->key, hash);
        rc = rec ? NGX_OK : NGX_ERROR;

    } else {
        rc = NGX_DECLINED;
    }

    if (rc == NGX_OK) {
        rec->state = (u_short) state;
        rec->token = op->token;

        ngx_paygw_zone_keep(zone, rec, op->keep);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return rc;
}


/* the functions below are called with the mutex locked */


static ngx_paygw_zone_record_t *
ngx_paygw_zone_find(ngx_paygw_zone_t *zone, ngx_str_t *key, uint32_t hash)
{
    ngx_int_t                 rc;
    ngx_rbtree_node_t        *node, *sentinel;
    ngx_paygw_zone_record_t  *rec;

    node = zone->sh->rbtree.root;
    sentinel = zone->sh->rbtree.sentinel;

    while (node != sentinel) {

        if (hash != node->key) {
            node = (hash < node->key) ? node->left : node->right;
            continue;
        }

        /* hash == node->key */

        rec = ngx_rbtree_data(node, ngx_paygw_zone_record_t, node);

        rc = ngx_memn2cmp(key->data, rec->data, key->len, (size_t) rec->len);

        if (rc == 0) {

            if (!ngx_paygw_zone_over(rec->expiry.key)) {
                return rec;
            }

            ngx_rbtree_delete(&zone->sh->expiry, &rec->expiry);
            ngx_rbtree_delete(&zone->sh->rbtree, &rec->node);
            ngx_slab_free_locked(zone->shpool, rec);

            return NULL;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


/* a new record, without an end of life that is worth anything yet */

static ngx_paygw_zone_record_t *
ngx_paygw_zone_add(ngx_paygw_zone_t *zone, ngx_str_t *key, uint32_t hash)
{
    size_t                    size;
    ngx_paygw_zone_record_t  *rec;

    size = offsetof(ngx_paygw_zone_record_t, data) + key->len;

    do {
        rec = ngx_slab_alloc_locked(zone->shpool, size);

        /* the oldest may be of another size, so more than one may have to go */

    } while (rec == NULL && ngx_paygw_zone_expire(zone, 1));

    if (rec == NULL) {
        return NULL;
    }

    rec->delivery = 0;
    rec->len = (u_short) key->len;
    ngx_memcpy(rec->data, key->data, key->len);

    rec->node.key = hash;
    ngx_rbtree_insert(&zone->sh->rbtree, &rec->node);

    rec->expiry.key = ngx_current_msec;
    ngx_rbtree_insert(&zone->sh->expiry, &rec->expiry);

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

    ngx_rbtree_delete(&zone->sh->expiry, &rec->expiry);

    rec->expiry.key = end;

    ngx_rbtree_insert(&zone->sh->expiry, &rec->expiry);
}


/* gives up to n records whose life is over; returns how many there were */

static ngx_uint_t
ngx_paygw_zone_expire(ngx_paygw_zone_t *zone, ngx_uint_t n)
{
    ngx_uint_t                i;
    ngx_rbtree_node_t        *root, *sentinel, *node;
    ngx_paygw_zone_record_t  *rec;

    sentinel = zone->sh->expiry.sentinel;

    for (i = 0; i < n; i++) {

        root = zone->sh->expiry.root;

        if (root == sentinel) {
            break;
        }

        node = ngx_rbtree_min(root, sentinel);

        if (!ngx_paygw_zone_over(node->key)) {
            break;
        }

        rec = ngx_rbtree_data(node, ngx_paygw_zone_record_t, expiry);

        ngx_rbtree_delete(&zone->sh->expiry, &rec->expiry);
        ngx_rbtree_delete(&zone->sh->rbtree, &rec->node);
        ngx_slab_free_locked(zone->shpool, rec);
    }

    return i;
}


/* without the mutex */

static void
ngx_paygw_zone_full(ngx_paygw_zone_t *zone, ngx_log_t *log)
{
    if (zone->full && ngx_current_msec - zone->full < NGX_PAYGW_ZONE_QUIET) {
        return;
    }

    zone->full = ngx_current_msec;

    ngx_log_error(NGX_LOG_ALERT, log, 0,
                  "could not allocate event in paygw zone \"%V\", "
                  "no record has expired", &zone->name);
}
