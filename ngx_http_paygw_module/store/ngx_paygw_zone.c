
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_backend.h"
#include "ngx_paygw_zone.h"


#define NGX_PAYGW_ZONE_SHARE  1024    /* bytes of the zone for each tree of
                                         events, and for one of limits */


#define NGX_PAYGW_ZONE_QUIET  1000    /* ms between two "zone is full" */


static ngx_int_t ngx_paygw_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_paygw_zone_make(ngx_shm_zone_t *shm_zone,
    ngx_paygw_zone_t *zone);
static ngx_uint_t ngx_paygw_zone_replaces(ngx_shm_zone_t *shm_zone);
static void ngx_paygw_zone_insert_value(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_uint_t ngx_paygw_zone_quiet(ngx_msec_t *last);


#define ngx_paygw_zone_key(node)                                              \
    ((ngx_paygw_zone_key_t *) ((u_char *) (node) + (node)->data))


ngx_paygw_zone_t *
ngx_paygw_zone_create(ngx_conf_t *cf, ngx_str_t *name, size_t size)
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

    shm_zone = ngx_shared_memory_add(cf, name, size,
                                     (void *) NGX_PAYGW_ZONE_LAYOUT);
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


static ngx_int_t
ngx_paygw_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_paygw_zone_t  *ozone = data;

    ngx_paygw_zone_t  *zone;

    zone = shm_zone->data;

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (ozone || shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;

        return ngx_paygw_zone_metrics_init(zone, shm_zone->shm.log, 0);
    }

    if (ngx_paygw_zone_replaces(shm_zone)) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "size, name or version of paygw zone \"%V\" cannot "
                      "change in a reload, the events in it would be "
                      "forgotten, restart nginx", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    if (ngx_paygw_zone_make(shm_zone, zone) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_paygw_zone_metrics_init(zone, shm_zone->shm.log, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    /* of what is left for records */

    zone->sh->share = zone->shpool->pfree * 3 / 4;

    if (zone->sh->share == 0) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "paygw zone \"%V\" is too small, its counters leave no "
                      "room for records, make it larger", &zone->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_zone_make(ngx_shm_zone_t *shm_zone, ngx_paygw_zone_t *zone)
{
    size_t                len;
    ngx_uint_t            i, n;
    ngx_paygw_zone_sh_t  *sh;

    sh = ngx_slab_alloc(zone->shpool, sizeof(ngx_paygw_zone_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    ngx_rbtree_sentinel_init(&sh->sentinel);

    for (n = 1; n <= shm_zone->shm.size / NGX_PAYGW_ZONE_SHARE / 2; n *= 2) {
        /* the greatest power of two that is not more than the share */
    }

    sh->roots = ngx_slab_alloc(zone->shpool,
                               2 * n * sizeof(ngx_rbtree_node_t *));
    if (sh->roots == NULL) {
        return NGX_ERROR;
    }

    sh->limits = sh->roots + n;

    for (i = 0; i < 2 * n; i++) {
        sh->roots[i] = &sh->sentinel;
    }

    sh->mask = n - 1;
    sh->expiry = &sh->sentinel;
    sh->next = ngx_current_msec;
    sh->rings = NULL;
    sh->once = &sh->sentinel;
    sh->once_expiry = &sh->sentinel;
    sh->limits_expiry = &sh->sentinel;
    sh->limits_next = ngx_current_msec;
    sh->runs = &sh->sentinel;
    sh->runs_expiry = &sh->sentinel;
    sh->book = &sh->sentinel;
    sh->book_expiry = &sh->sentinel;
    sh->metrics = NULL;
    sh->breakers = NULL;

    ngx_memzero(sh->guests, sizeof(sh->guests));

    zone->sh = sh;
    zone->shpool->data = sh;

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
 * nginx makes a new zone when the size, the name or the layout has changed.
 * ngx_cycle is still the one that is replaced; at a start it has no zones.
 * There is one zone of ours in a configuration, so the tag alone tells.
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
            if (((uintptr_t) zone[i].tag & NGX_PAYGW_ZONE_OURS)
                == (NGX_PAYGW_ZONE_LAYOUT & NGX_PAYGW_ZONE_OURS))
            {
                return 1;
            }
        }
    }

    return 0;
}


/*
 * A page fault in a callback costs more than all that is done in the zone: in a
 * virtual machine about as much as an RSA verification.  And memory that is not
 * there is better missed at the start than by the kernel later.
 */

void
ngx_paygw_zone_init_process(ngx_paygw_store_t *store, ngx_cycle_t *cycle)
{
#if (MADV_POPULATE_WRITE)

    size_t             size;
    ngx_slab_pool_t   *shpool;
    ngx_paygw_zone_t  *zone;

    zone = store->data;
    shpool = zone->shpool;
    size = shpool->end - (u_char *) shpool;

    if (madvise(shpool, size, MADV_POPULATE_WRITE) == -1
        && ngx_errno != NGX_EINVAL)
    {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "cannot take all memory of paygw zone \"%V\", which has "
                      "%uz bytes", &zone->name, size);
    }

#endif
}


void *
ngx_paygw_zone_alloc(ngx_paygw_zone_t *zone, size_t size)
{
    void  *p;

    do {
        p = ngx_slab_alloc_locked(zone->shpool, size);

        /* the oldest may be of another size, so more than one may have to go */

    } while (p == NULL && (ngx_paygw_zone_expire(zone, 1)
                           || ngx_paygw_zone_once_expire(zone, 1)
                           || ngx_paygw_zone_limit_expire(zone, 1)
                           || ngx_paygw_zone_run_expire(zone, 1)
                           || ngx_paygw_zone_book_expire(zone, 1)));

    return p;
}


void
ngx_paygw_zone_insert(ngx_paygw_zone_t *zone, ngx_rbtree_node_t **root,
    ngx_rbtree_node_t *node, u_char offset, ngx_str_t *key, uint32_t hash)
{
    ngx_paygw_zone_key_t  *k;

    node->key = hash;
    node->data = offset;

    k = ngx_paygw_zone_key(node);

    k->len = (u_short) key->len;
    ngx_memcpy(k->data, key->data, key->len);

    ngx_paygw_zone_link(zone, root, node, ngx_paygw_zone_insert_value);
}


static void
ngx_paygw_zone_insert_value(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t     **p;
    ngx_paygw_zone_key_t   *k, *kt;

    for ( ;; ) {

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            k = ngx_paygw_zone_key(node);
            kt = ngx_paygw_zone_key(temp);

            p = (ngx_memn2cmp(k->data, kt->data, k->len, kt->len) < 0)
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


ngx_rbtree_node_t *
ngx_paygw_zone_lookup(ngx_paygw_zone_t *zone, ngx_rbtree_node_t *root,
    ngx_str_t *key, uint32_t hash)
{
    ngx_int_t              rc;
    ngx_rbtree_node_t     *node, *sentinel;
    ngx_paygw_zone_key_t  *k;

    node = root;
    sentinel = &zone->sh->sentinel;

    while (node != sentinel) {

        if (hash != node->key) {
            node = (hash < node->key) ? node->left : node->right;
            continue;
        }

        /* hash == node->key */

        k = ngx_paygw_zone_key(node);

        rc = ngx_memn2cmp(key->data, k->data, key->len, k->len);

        if (rc == 0) {
            return node;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


void
ngx_paygw_zone_link(ngx_paygw_zone_t *zone, ngx_rbtree_node_t **root,
    ngx_rbtree_node_t *node, ngx_rbtree_insert_pt insert)
{
    ngx_rbtree_t  tree;

    tree.root = *root;
    tree.sentinel = &zone->sh->sentinel;
    tree.insert = insert;

    ngx_rbtree_insert(&tree, node);

    *root = tree.root;
}


void
ngx_paygw_zone_unlink(ngx_paygw_zone_t *zone, ngx_rbtree_node_t **root,
    ngx_rbtree_node_t *node)
{
    ngx_rbtree_t  tree;

    tree.root = *root;
    tree.sentinel = &zone->sh->sentinel;
    tree.insert = NULL;

    ngx_rbtree_delete(&tree, node);

    *root = tree.root;
}


void
ngx_paygw_zone_full(ngx_paygw_zone_t *zone, ngx_log_t *log)
{
    ngx_paygw_metrics_add(zone->metrics, NGX_PAYGW_METRICS_FULL);

    if (ngx_paygw_zone_quiet(&zone->full)) {
        return;
    }

    ngx_log_error(NGX_LOG_ALERT, log, 0,
                  "could not allocate event in paygw zone \"%V\", "
                  "no record has expired", &zone->name);
}


void
ngx_paygw_zone_crowded(ngx_paygw_zone_t *zone, ngx_log_t *log)
{
    ngx_paygw_metrics_add(zone->metrics, NGX_PAYGW_METRICS_CROWDED);

    if (ngx_paygw_zone_quiet(&zone->crowded)) {
        return;
    }

    ngx_log_error(NGX_LOG_ALERT, log, 0,
                  "could not allocate record of call in paygw zone \"%V\", %s",
                  &zone->name,
                  zone->share ? "the share of calls is used up"
                              : "no record has expired");
}


static ngx_uint_t
ngx_paygw_zone_quiet(ngx_msec_t *last)
{
    if (*last && ngx_current_msec - *last < NGX_PAYGW_ZONE_QUIET) {
        return 1;
    }

    *last = ngx_current_msec;

    return 0;
}
