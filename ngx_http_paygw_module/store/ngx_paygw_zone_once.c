
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
    ngx_paygw_zone_key_t         key;
} ngx_paygw_zone_once_t;


static ngx_int_t ngx_paygw_zone_once_add(ngx_paygw_zone_t *zone,
    ngx_str_t *key, uint32_t hash, ngx_msec_t life);
static void ngx_paygw_zone_once_drop(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_once_t *rec);


ngx_int_t
ngx_paygw_zone_once(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    uint32_t                hash;
    ngx_int_t               rc;
    ngx_paygw_zone_t       *zone;
    ngx_rbtree_node_t      *node;
    ngx_paygw_zone_once_t  *rec;

    zone = store->data;
    hash = ngx_crc32_short(op->key.data, op->key.len);

    ngx_shmtx_lock(&zone->shpool->mutex);

    (void) ngx_paygw_zone_once_expire(zone, NGX_PAYGW_ZONE_ONCE_EXPIRE);

    node = ngx_paygw_zone_lookup(zone, zone->sh->once, &op->key, hash);

    rec = node ? ngx_rbtree_data(node, ngx_paygw_zone_once_t, node) : NULL;

    if (rec && !ngx_paygw_zone_over(rec->expiry.key)) {
        rc = NGX_DECLINED;

    } else {

        if (rec) {
            ngx_paygw_zone_once_drop(zone, rec);
        }

        rc = ngx_paygw_zone_once_add(zone, &op->key, hash, op->keep);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (rc == NGX_ERROR) {
        ngx_paygw_zone_crowded(zone, op->log);
    }

    return rc;
}


/* the functions below are called with the mutex locked */


static ngx_int_t
ngx_paygw_zone_once_add(ngx_paygw_zone_t *zone, ngx_str_t *key,
    uint32_t hash, ngx_msec_t life)
{
    size_t                  size;
    ngx_paygw_zone_once_t  *rec;

    size = ngx_paygw_zone_size(ngx_paygw_zone_once_t, key->len);

    rec = ngx_paygw_zone_guest_alloc(zone, size);
    if (rec == NULL) {
        return NGX_ERROR;
    }

    rec->expiry.key = ngx_current_msec + life;

    ngx_paygw_zone_insert(zone, &zone->sh->once, &rec->node,
                          offsetof(ngx_paygw_zone_once_t, key), key, hash);
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

        if (!ngx_paygw_zone_over(rec->expiry.key)) {
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

    ngx_paygw_zone_guest_free(zone, rec,
                              ngx_paygw_zone_size(ngx_paygw_zone_once_t,
                                                  rec->key.len));
}
