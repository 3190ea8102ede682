
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_ZONE_H_INCLUDED_
#define _NGX_PAYGW_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_metrics.h"
#include "ngx_paygw_store.h"


/*
 * The shared zone; private to the store floor.
 *
 * A reload may bring the module from another file, while old workers still run
 * the code of the old one.  So no address of code or of static data is kept in
 * the zone, and nginx knows it by a number in place of such an address.  The
 * number changes with anything that a record or the root holds.
 */


#define NGX_PAYGW_ZONE_LAYOUT  0x70670009
#define NGX_PAYGW_ZONE_OURS    (~(uintptr_t) 0xffff)    /* never changes */


typedef struct ngx_paygw_ring_sh_s       ngx_paygw_ring_sh_t;
typedef struct ngx_paygw_zone_metrics_s  ngx_paygw_zone_metrics_t;

typedef struct {
    ngx_uint_t                   mask;      /* number of roots less one */
    ngx_rbtree_node_t          **roots;     /* by the hash of the key */
    ngx_rbtree_node_t           *expiry;    /* root of the other tree */
    ngx_rbtree_node_t            sentinel;  /* of all of them */
    ngx_msec_t                   next;      /* no life ends before this */
    ngx_paygw_ring_sh_t         *rings;     /* keyrings, made when needed */
    ngx_rbtree_node_t           *once;      /* root of the keys that may come
                                               once, */
    ngx_rbtree_node_t           *once_expiry;  /* and of the ends of these */
    ngx_rbtree_node_t          **limits;    /* by the hash of the key */
    ngx_rbtree_node_t           *limits_expiry;
    ngx_msec_t                   limits_next;  /* none ends before this */
    ngx_rbtree_node_t           *runs;      /* the same of calls */
    ngx_rbtree_node_t           *runs_expiry;
    ngx_paygw_zone_metrics_t    *metrics;   /* the newest block of counters */
} ngx_paygw_zone_sh_t;


struct ngx_paygw_zone_s {
    ngx_paygw_zone_sh_t         *sh;
    ngx_slab_pool_t             *shpool;
    ngx_str_t                    name;
    ngx_msec_t                   full;      /* when last logged, of a worker */

    ngx_array_t                 *blocks;    /* ngx_paygw_metrics_t *; NULL:
                                               nothing is counted */
    uint32_t                     number;    /* of them */
    ngx_paygw_metrics_t         *metrics;   /* the one of the zone, or NULL */
};


/* nginx's functions on a tree that knows its insertion only meanwhile */
void ngx_paygw_zone_link(ngx_paygw_zone_t *zone, ngx_rbtree_node_t **root,
    ngx_rbtree_node_t *node, ngx_rbtree_insert_pt insert);
void ngx_paygw_zone_unlink(ngx_paygw_zone_t *zone, ngx_rbtree_node_t **root,
    ngx_rbtree_node_t *node);

/* tells, not too often, that there is no room; without the mutex */
void ngx_paygw_zone_full(ngx_paygw_zone_t *zone, ngx_log_t *log);

/*
 * Gives up to n records whose life is over, of events, of keys that may come
 * once, of limits and of calls; returns how many there were, or may have been.
 * With the mutex.
 */
ngx_uint_t ngx_paygw_zone_expire(ngx_paygw_zone_t *zone, ngx_uint_t n);
ngx_uint_t ngx_paygw_zone_once_expire(ngx_paygw_zone_t *zone, ngx_uint_t n);
ngx_uint_t ngx_paygw_zone_limit_expire(ngx_paygw_zone_t *zone, ngx_uint_t n);
ngx_uint_t ngx_paygw_zone_run_expire(ngx_paygw_zone_t *zone, ngx_uint_t n);

/*
 * Memory, which is asked back from records of any kind whose life is over; NULL
 * if there is none.  With the mutex.
 */
void *ngx_paygw_zone_alloc(ngx_paygw_zone_t *zone, size_t size);

/* ngx_paygw_zone_metrics.c: finds the blocks of a zone, or makes them */
ngx_int_t ngx_paygw_zone_metrics_init(ngx_paygw_zone_t *zone, ngx_log_t *log,
    ngx_uint_t fresh);

/* ngx_paygw_zone_once.c */
ngx_int_t ngx_paygw_zone_once(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/* ngx_paygw_zone_limit.c */
ngx_int_t ngx_paygw_zone_limit(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/* ngx_paygw_zone_idem.c */
ngx_int_t ngx_paygw_zone_begin(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
ngx_int_t ngx_paygw_zone_finish(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
void ngx_paygw_zone_renew(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op);
void ngx_paygw_zone_abandon(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);


/*
 * Of the backend: takes the memory of the zone, all of it, when a worker
 * starts.  Where the kernel cannot (Linux before 5.14) each page is taken when
 * it is first written.
 */
void ngx_paygw_zone_init_process(ngx_paygw_store_t *store, ngx_cycle_t *cycle);


#endif /* _NGX_PAYGW_ZONE_H_INCLUDED_ */
