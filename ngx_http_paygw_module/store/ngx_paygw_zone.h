
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_ZONE_H_INCLUDED_
#define _NGX_PAYGW_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_breaker.h"
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


#define NGX_PAYGW_ZONE_LAYOUT  0x7067000e
#define NGX_PAYGW_ZONE_OURS    (~(uintptr_t) 0xffff)    /* never changes */

#define NGX_PAYGW_ZONE_SLOTS   16       /* not less than a slab pool has */


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
    ngx_rbtree_node_t           *book;      /* of orders and refunds */
    ngx_rbtree_node_t           *book_expiry;
    ngx_uint_t                   share;     /* pages that guests may take */
    ngx_uint_t                   guests[NGX_PAYGW_ZONE_SLOTS + 1];
                                            /* chunks by slot, and pages */
    ngx_paygw_zone_metrics_t    *metrics;   /* the newest block of counters */
    ngx_paygw_zone_breaker_t    *breakers;  /* of channels, made when needed */
} ngx_paygw_zone_sh_t;


struct ngx_paygw_zone_s {
    ngx_paygw_zone_sh_t         *sh;
    ngx_slab_pool_t             *shpool;
    ngx_str_t                    name;
    ngx_msec_t                   full;      /* when last logged, of a worker */
    ngx_msec_t                   crowded;   /* the same of guests */

    ngx_array_t                 *blocks;    /* ngx_paygw_metrics_t *; NULL:
                                               nothing is counted */
    uint32_t                     number;    /* of them */
    ngx_paygw_metrics_t         *metrics;   /* the one of the zone, or NULL */

    unsigned                     share:1;   /* guests had no more of theirs */
};


/*
 * The key of a record that is found by it, the last of its fields: it ends
 * where the bytes do.  Where it begins, counted from the node of its tree, is
 * in the node's own byte, so that each kind of record has its own fields in
 * front of it, and none costs memory for those of the others.
 */
typedef struct {
    u_short                      len;
    u_char                       data[1];
} ngx_paygw_zone_key_t;


/* of a record, with a key of so many bytes */
#define ngx_paygw_zone_size(type, len)                                        \
    (offsetof(type, key) + offsetof(ngx_paygw_zone_key_t, data) + (len))

/* the timer's comparison: right also when the clock has wrapped around */
#define ngx_paygw_zone_over(time)                                             \
    ((ngx_msec_int_t) (ngx_current_msec - (time)) >= 0)


/*
 * A tree by the hash of keys, and by their bytes where the hash is the same.
 * Insert writes the key at offset bytes from the node, where room for it was
 * allocated, and takes the record in; no other one may have this key.  Lookup
 * returns the node with the key, NULL if there is none, whatever the record
 * says of its life.  Keys are of at most 65535 bytes.  With the mutex.
 */
void ngx_paygw_zone_insert(ngx_paygw_zone_t *zone, ngx_rbtree_node_t **root,
    ngx_rbtree_node_t *node, u_char offset, ngx_str_t *key, uint32_t hash);
ngx_rbtree_node_t *ngx_paygw_zone_lookup(ngx_paygw_zone_t *zone,
    ngx_rbtree_node_t *root, ngx_str_t *key, uint32_t hash);

/* nginx's functions on a tree that knows its insertion only meanwhile */
void ngx_paygw_zone_link(ngx_paygw_zone_t *zone, ngx_rbtree_node_t **root,
    ngx_rbtree_node_t *node, ngx_rbtree_insert_pt insert);
void ngx_paygw_zone_unlink(ngx_paygw_zone_t *zone, ngx_rbtree_node_t **root,
    ngx_rbtree_node_t *node);

/*
 * Tells, not too often, that there is no room for an event, or for a guest;
 * without the mutex.
 */
void ngx_paygw_zone_full(ngx_paygw_zone_t *zone, ngx_log_t *log);
void ngx_paygw_zone_crowded(ngx_paygw_zone_t *zone, ngx_log_t *log);

/*
 * Gives up to n records whose life is over, of events, of keys that may come
 * once, of limits, of calls and of orders; returns how many there were, or may
 * have been.  With the mutex.
 */
ngx_uint_t ngx_paygw_zone_expire(ngx_paygw_zone_t *zone, ngx_uint_t n);
ngx_uint_t ngx_paygw_zone_once_expire(ngx_paygw_zone_t *zone, ngx_uint_t n);
ngx_uint_t ngx_paygw_zone_limit_expire(ngx_paygw_zone_t *zone, ngx_uint_t n);
ngx_uint_t ngx_paygw_zone_run_expire(ngx_paygw_zone_t *zone, ngx_uint_t n);
ngx_uint_t ngx_paygw_zone_book_expire(ngx_paygw_zone_t *zone, ngx_uint_t n);

/*
 * Memory, which is asked back from records of any kind whose life is over; NULL
 * if there is none.  With the mutex.
 */
void *ngx_paygw_zone_alloc(ngx_paygw_zone_t *zone, size_t size);

/*
 * The same for guests, which are records that a call makes: keys that may come
 * once, limits, calls with their answers, and orders.  They get no more than
 * three quarters of the zone together, whatever room there is; the rest is left
 * to events and keyrings.  Take asks nothing back.  Free wants the size that
 * was asked for.  With the mutex.
 */
void *ngx_paygw_zone_guest_alloc(ngx_paygw_zone_t *zone, size_t size);
void *ngx_paygw_zone_guest_take(ngx_paygw_zone_t *zone, size_t size);
void ngx_paygw_zone_guest_free(ngx_paygw_zone_t *zone, void *p, size_t size);

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
 * ngx_paygw_zone_book.c: of the backend; and what the record of an event's
 * order makes of the event, with the mutex.  NGX_OK: nothing is against it;
 * NGX_DONE: something is; NGX_DECLINED: there is no record; NGX_ERROR
 */
ngx_int_t ngx_paygw_zone_book(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
ngx_int_t ngx_paygw_zone_book_claim(ngx_paygw_zone_t *zone,
    ngx_paygw_store_op_t *op);

/*
 * ngx_paygw_zone_record.c: 1 if a callback has marked the order as paid; with
 * the mutex
 */
ngx_uint_t ngx_paygw_zone_marked(ngx_paygw_zone_t *zone, ngx_str_t *order);


/*
 * Of the backend: takes the memory of the zone, all of it, when a worker
 * starts.  Where the kernel cannot (Linux before 5.14) each page is taken when
 * it is first written.
 */
void ngx_paygw_zone_init_process(ngx_paygw_store_t *store, ngx_cycle_t *cycle);


#endif /* _NGX_PAYGW_ZONE_H_INCLUDED_ */
