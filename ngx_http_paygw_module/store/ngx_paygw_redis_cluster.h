
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_REDIS_CLUSTER_H_INCLUDED_
#define _NGX_PAYGW_REDIS_CLUSTER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


/* The store in a Redis cluster; private to the store floor. */


#define NGX_PAYGW_REDIS_NODES_MAX  256


/* all but the seeds is a worker's own */
struct ngx_paygw_redis_cluster_s {
    ngx_paygw_redis_node_t      *nodes[NGX_PAYGW_REDIS_NODES_MAX];
    ngx_uint_t                   next;      /* to be asked for the map */

    uint16_t                    *slots;     /* index in nodes + 1; 0: none */

    ngx_msec_t                   asked;     /* when */
    ngx_msec_t                   quiet;     /* when its lack was logged */

    unsigned                     loaded:1;
    unsigned                     asking:1;  /* under way */
    unsigned                     stale:1;
};


/* ngx_paygw_redis_cluster.c */

ngx_int_t ngx_paygw_redis_cluster_init(ngx_conf_t *cf,
    ngx_paygw_redis_t *redis);

/* closes all connections, and forgets what was learned */
void ngx_paygw_redis_cluster_exit(ngx_paygw_redis_t *redis);

/* whether the keys of a channel have the slot of the stream */
ngx_uint_t ngx_paygw_redis_together(ngx_paygw_store_t *store,
    ngx_str_t *channel, const ngx_str_t *stream);

/* the node that has the slot, NULL if none is known */
ngx_paygw_redis_node_t *ngx_paygw_redis_slot(ngx_paygw_redis_t *redis,
    ngx_uint_t slot);

/* a redirect told that the node has the slot */
void ngx_paygw_redis_moved(ngx_paygw_redis_t *redis, ngx_uint_t slot,
    ngx_paygw_redis_node_t *node);

/*
 * The map is not right any more: asks for another one, as soon as that may be.
 * NGX_ERROR if there is nobody to ask.
 */
ngx_int_t ngx_paygw_redis_refresh(ngx_paygw_redis_t *redis);

/* the question for the map has ended without an answer */
void ngx_paygw_redis_unasked(ngx_paygw_redis_t *redis);

/*
 * The reply to the question for the map, from its first byte on.  NGX_OK: taken
 * over, and of *used bytes; NGX_AGAIN: it is not complete; NGX_DECLINED: a
 * complete error reply; NGX_ERROR: it is invalid.
 */
ngx_int_t ngx_paygw_redis_map(ngx_paygw_redis_conn_t *conn, u_char *p,
    size_t len, size_t *used);

/* the same question was answered by an error */
void ngx_paygw_redis_no_map(ngx_paygw_redis_conn_t *conn, redisReply *reply);


/* ngx_paygw_redis_node.c */

/*
 * The node that another one, from, has named: an address, the name of a host
 * of the configuration, or nothing, which is from's own host.  NULL with the
 * reason in the log if it is none to connect to.
 */
ngx_paygw_redis_node_t *ngx_paygw_redis_node(ngx_paygw_redis_conn_t *from,
    ngx_str_t *host, ngx_uint_t port);

/* the index of a node + 1 */
ngx_uint_t ngx_paygw_redis_node_index(ngx_paygw_redis_cluster_t *cl,
    ngx_paygw_redis_node_t *node);

/* ends the nodes that no slot is on, but for busy ones and the seeds */
void ngx_paygw_redis_node_sweep(ngx_paygw_redis_t *redis);


#endif /* _NGX_PAYGW_REDIS_CLUSTER_H_INCLUDED_ */
