
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
 * Keys that may come once, in shared memory: a tree by hash and bytes of the
 * key, and one by the end of its life.  They are many and short-lived, so their
 * records are as small as can be, and apart from those of events.
 */


#define NGX_PAYGW_ZONE_ONCE_EXPIRE  4    /* records looked at by each call */


typedef struct {
    ngx_rbtree_node_t            node;      /* key: hash */
    ngx_rbtree_node_t            expiry;    /* key: end of the life */
    u_short                      len;
    u_char                       data[1];
} ngx_paygw_zone_once_t;


static void ngx_paygw_zone_once_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_paygw_zone_once_t *ngx_paygw_zone_once_find(
    ngx_paygw_zone_t *zone, ngx_str_t *key, uint32_t hash);
static ngx_int_t ngx_paygw_zone_once_add(ngx_paygw_zone_t *zone,
    ngx_str_t *key, uint32_t hash, ngx_msec_t life);
static void ngx_paygw_zone_once_drop(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_once_t *rec);


#define ngx_paygw_zone_once_over(rec)                                         \
    ((ngx_msec_int_t) (ngx_current_msec - (rec)->expiry.key) >= 0)


ngx_int_t
ngx_paygw_zone_once(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    uint32_t                hash;
    ngx_int_t               rc;
    ngx_paygw_zone_t       *zone;
    ngx_paygw_zone_once_t  *rec;

    zone = store->data;
    hash = ngx_crc32_short(op->key.data, op->key.len);

    ngx_shmtx_lock(&zone->shpool->mutex);

    (void) ngx_paygw_zone_once_expire(zone, NGX_PAYGW_ZONE_ONCE_EXPIRE);

    rec = ngx_paygw_zone_once_find(zone, &op->key, hash);

    if (rec && !ngx_paygw_zone_once_over(rec)) {
        rc = NGX_DECLINED;

    } else {

        if (rec) {
            ngx_paygw_zone_once_drop(zone, rec);
        }

        rc = ngx_paygw_zone_once_add(zone, &op->key, hash, op->keep);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (rc == NGX_ERROR) {
        ngx_paygw_zone_full(zone, op->log);
    }

    return rc;
}


static void
ngx_paygw_zone_once_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t      **p;
    ngx_paygw_zone_once_t   *rec, *other;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            rec = ngx_rbtree_data(node, ngx_paygw_zone_once_t, node);
            other = ngx_rbtree_data(temp, ngx_paygw_zone_once_t, node);

            p = (ngx_memn2cmp(rec->data, other->data, rec->len, other->len) < 0)
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


/* the functions below are called with the mutex locked */


static ngx_paygw_zone_once_t *
ngx_paygw_zone_once_find(ngx_paygw_zone_t *zone, ngx_str_t *key,
    uint32_t hash)
{
    ngx_int_t               rc;
    ngx_rbtree_node_t      *node;
    ngx_paygw_zone_once_t  *rec;

    node = zone->sh->once;

    while (node != &zone->sh->sentinel) {

        if (hash != node->key) {
            node = (hash < node->key) ? node->left : node->right;
            continue;
        }

        /* hash == node->key */

        rec = ngx_rbtree_data(node, ngx_paygw_zone_once_t, node);

        rc = ngx_memn2cmp(key->data, rec->data, key->len, (size_t) rec->len);

        if (rc == 0) {
            return rec;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


static ngx_int_t
ngx_paygw_zone_once_add(ngx_paygw_zone_t *zone, ngx_str_t *key,
    uint32_t hash, ngx_msec_t life)
{
    size_t                  size;
    ngx_paygw_zone_once_t  *rec;

    size = offsetof(ngx_paygw_zone_once_t, data) + key->len;

    rec = ngx_paygw_zone_alloc(zone, size);
    if (rec == NULL) {
        return NGX_ERROR;
    }

    rec->len = (u_short) key->len;
    ngx_memcpy(rec->data, key->data, key->len);

    rec->node.key = hash;
    rec->expiry.key = ngx_current_msec + life;

    ngx_paygw_zone_link(zone, &zone->sh->once, &rec->node,
                        ngx_paygw_zone_once_insert);
    ngx_paygw_zone_link(zone, &zone->sh->once_expiry, &rec->expiry,
                        ngx_rbtree_insert_timer_value);

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_zone_once_expire(ngx_paygw_zone_t *zone, ngx_uint_t n)
{
    ngx_uint_t              i;
    ngx_rbtree_node_t      *node;
    ngx_paygw_zone_once_t  *rec;

    for (i = 0; i < n; i++) {

        if (zone->sh->once_expiry == &zone->sh->sentinel) {
            break;
        }

        node = ngx_rbtree_min(zone->sh->once_expiry, &zone->sh->sentinel);
        rec = ngx_rbtree_data(node, ngx_paygw_zone_once_t, expiry);

        if (!ngx_paygw_zone_once_over(rec)) {
            break;
        }

        ngx_paygw_zone_once_drop(zone, rec);
    }

    return i;
}


static void
ngx_paygw_zone_once_drop(ngx_paygw_zone_t *zone, ngx_paygw_zone_once_t *rec)
{
    ngx_paygw_zone_unlink(zone, &zone->sh->once_expiry, &rec->expiry);
    ngx_paygw_zone_unlink(zone, &zone->sh->once, &rec->node);

    ngx_slab_free_locked(zone->shpool, rec);
}
