
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"
#include "ngx_paygw_redis_cluster.h"
#include "ngx_paygw_slots.h"


/*
 * The slots of a cluster.  A worker has a map of them, which it asks for by
 * CLUSTER SLOTS before its first command, and again whenever a redirect, a
 * refusal or a lost connection says that it is old: one question at a time,
 * and not at once after the last one.  A command goes where the map or a
 * redirect says and nowhere else: a server that was named by mistake, and
 * belongs to no cluster, gets none.
 */


#define NGX_PAYGW_REDIS_REFRESH  100     /* ms between two questions */
#define NGX_PAYGW_REDIS_QUIET    1000    /* ms between two lines of the log */


/* a map that is being read */
typedef struct {
    ngx_paygw_redis_conn_t      *conn;
    ngx_paygw_redis_node_t      *node;    /* of the last range */
    ngx_str_t                    host;
    ngx_uint_t                   port;
    uint16_t                     slots[NGX_PAYGW_SLOTS];
} ngx_paygw_redis_map_t;


static ngx_int_t ngx_paygw_redis_question(ngx_paygw_redis_node_t *node);
static ngx_uint_t ngx_paygw_redis_is_open(ngx_paygw_redis_node_t *node);
static void ngx_paygw_redis_range(void *data, ngx_paygw_slots_range_t *range);
static void ngx_paygw_redis_unserved(ngx_paygw_redis_t *redis,
    ngx_uint_t slot);


ngx_int_t
ngx_paygw_redis_cluster_init(ngx_conf_t *cf, ngx_paygw_redis_t *redis)
{
    ngx_uint_t                  i;
    ngx_paygw_redis_conn_t     *conns;
    ngx_paygw_redis_node_t     *node;
    ngx_paygw_redis_cluster_t  *cl;

    cl = redis->cluster;

    cl->slots = ngx_pcalloc(cf->pool, NGX_PAYGW_SLOTS * sizeof(uint16_t));
    if (cl->slots == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < redis->naddrs; i++) {

        node = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_redis_node_t));
        conns = ngx_pcalloc(cf->pool,
                            redis->nconns * sizeof(ngx_paygw_redis_conn_t));

        if (node == NULL || conns == NULL) {
            return NGX_ERROR;
        }

        node->addrs = &redis->addrs[i];
        node->naddrs = 1;
        node->seed = 1;

        ngx_paygw_redis_node_init(redis, node, conns);

        cl->nodes[i] = node;
    }

    return NGX_OK;
}


void
ngx_paygw_redis_cluster_exit(ngx_paygw_redis_t *redis)
{
    ngx_uint_t                  i;
    ngx_paygw_redis_node_t     *node;
    ngx_paygw_redis_cluster_t  *cl;

    cl = redis->cluster;
    cl->loaded = 0;

    for (i = 0; i < NGX_PAYGW_REDIS_NODES_MAX; i++) {
        node = cl->nodes[i];

        if (node == NULL) {
            continue;
        }

        ngx_paygw_redis_node_exit(node);

        if (!node->seed) {
            cl->nodes[i] = NULL;
            ngx_free(node);
        }
    }
}


ngx_uint_t
ngx_paygw_redis_together(ngx_paygw_store_t *store, ngx_str_t *channel,
    const ngx_str_t *stream)
{
    ngx_str_t               name;
    ngx_uint_t              same;
    ngx_paygw_redis_t      *redis;
    ngx_paygw_redis_cmd_t  *cmd;
    ngx_paygw_store_op_t    op;

    redis = store->data;

    if (redis->cluster == NULL) {
        return 1;
    }

    ngx_memzero(&op, sizeof(ngx_paygw_store_op_t));

    op.key = *channel;

    cmd = ngx_paygw_redis_cmd(redis, NGX_PAYGW_REDIS_APPEND, &op);
    if (cmd == NULL) {
        return 0;
    }

    name.data = cmd->key;
    name.len = cmd->len;

    same = ngx_paygw_slots_key(&name) == ngx_paygw_slots_key(stream);

    ngx_paygw_redis_free(cmd);

    return same;
}


ngx_paygw_redis_node_t *
ngx_paygw_redis_slot(ngx_paygw_redis_t *redis, ngx_uint_t slot)
{
    ngx_uint_t                  n;
    ngx_paygw_redis_cluster_t  *cl;

    cl = redis->cluster;

    if (!cl->loaded) {
        return NULL;
    }

    if (cl->stale) {
        (void) ngx_paygw_redis_refresh(redis);
    }

    n = cl->slots[slot];

    if (n == 0) {
        cl->stale = 1;
        ngx_paygw_redis_unserved(redis, slot);

        return NULL;
    }

    return cl->nodes[n - 1];
}


static void
ngx_paygw_redis_unserved(ngx_paygw_redis_t *redis, ngx_uint_t slot)
{
    ngx_paygw_redis_cluster_t  *cl;

    cl = redis->cluster;

    if (cl->quiet && ngx_current_msec - cl->quiet < NGX_PAYGW_REDIS_QUIET) {
        return;
    }

    cl->quiet = ngx_current_msec;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "redis cluster of \"%V\" serves no slot %ui",
                  &redis->addrs->name, slot);
}


void
ngx_paygw_redis_moved(ngx_paygw_redis_t *redis, ngx_uint_t slot,
    ngx_paygw_redis_node_t *node)
{
    ngx_paygw_redis_cluster_t  *cl;

    cl = redis->cluster;

    cl->slots[slot] = (uint16_t) ngx_paygw_redis_node_index(cl, node);

    (void) ngx_paygw_redis_refresh(redis);
}


ngx_int_t
ngx_paygw_redis_refresh(ngx_paygw_redis_t *redis)
{
    ngx_uint_t                  i, open;
    ngx_paygw_redis_node_t     *node;
    ngx_paygw_redis_cluster_t  *cl;

    cl = redis->cluster;
    cl->stale = 1;

    if (cl->asking) {
        return NGX_OK;
    }

    if (cl->asked
        && ngx_current_msec - cl->asked < NGX_PAYGW_REDIS_REFRESH)
    {
        return NGX_OK;
    }

    /* who has a connection knows more than who may be away */

    for (open = 2; open-- > 0; /* void */) {

        for (i = 0; i < NGX_PAYGW_REDIS_NODES_MAX; i++) {

            node = cl->nodes[cl->next++ % NGX_PAYGW_REDIS_NODES_MAX];

            if (node == NULL || (open && !ngx_paygw_redis_is_open(node))) {
                continue;
            }

            if (ngx_paygw_redis_question(node) == NGX_OK) {
                cl->asking = 1;
                cl->stale = 0;
                cl->asked = ngx_current_msec;

                return NGX_OK;
            }
        }
    }

    return NGX_ERROR;
}


static ngx_uint_t
ngx_paygw_redis_is_open(ngx_paygw_redis_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < node->redis->nconns; i++) {

        if (node->conns[i].state == NGX_PAYGW_REDIS_OPEN
            && node->conns[i].answered)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_paygw_redis_question(ngx_paygw_redis_node_t *node)
{
    ngx_str_t                argv[2];
    ngx_paygw_redis_cmd_t   *cmd;
    ngx_paygw_redis_conn_t  *conn;

    conn = ngx_paygw_redis_get(node);
    if (conn == NULL) {
        return NGX_ERROR;
    }

    cmd = ngx_paygw_redis_cmd(node->redis, NGX_PAYGW_REDIS_SLOTS, NULL);
    if (cmd == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[0], "CLUSTER");
    ngx_str_set(&argv[1], "SLOTS");

    cmd->deadline = ngx_current_msec + node->redis->timeout;

    if (ngx_paygw_redis_format(cmd, 2, argv) != NGX_OK
        || ngx_paygw_redis_enqueue(conn, cmd) != NGX_OK)
    {
        ngx_paygw_redis_free(cmd);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_paygw_redis_unasked(ngx_paygw_redis_t *redis)
{
    redis->cluster->asking = 0;
}


ngx_int_t
ngx_paygw_redis_map(ngx_paygw_redis_conn_t *conn, u_char *p, size_t len,
    size_t *used)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i;
    ngx_paygw_redis_t          *redis;
    ngx_paygw_redis_map_t      *map;
    ngx_paygw_redis_cluster_t  *cl;

    redis = conn->redis;
    cl = redis->cluster;

    map = ngx_calloc(sizeof(ngx_paygw_redis_map_t), ngx_cycle->log);
    if (map == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_PAYGW_REDIS_NODES_MAX; i++) {
        if (cl->nodes[i]) {
            cl->nodes[i]->named = 0;
        }
    }

    map->conn = conn;

    rc = ngx_paygw_slots_map(p, len, used, ngx_paygw_redis_range, map);

    if (rc == NGX_OK) {
        ngx_memcpy(cl->slots, map->slots, sizeof(map->slots));

        cl->loaded = 1;

        ngx_paygw_redis_node_sweep(redis);
        ngx_paygw_redis_unpark(redis);
    }

    ngx_free(map);

    return rc;
}


static void
ngx_paygw_redis_range(void *data, ngx_paygw_slots_range_t *range)
{
    ngx_paygw_redis_map_t *map = data;

    ngx_uint_t                  i, n;
    ngx_paygw_redis_cluster_t  *cl;

    cl = map->conn->redis->cluster;

    if (range->port == 0) {
        return;
    }

    /* one server has many ranges, often one behind the other */

    if (map->port != range->port || map->host.len != range->host.len
        || ngx_memcmp(map->host.data, range->host.data, range->host.len) != 0)
    {
        map->host = range->host;
        map->port = range->port;
        map->node = ngx_paygw_redis_node(map->conn, &range->host, range->port);
    }

    if (map->node == NULL) {
        return;
    }

    map->node->named = 1;
    n = ngx_paygw_redis_node_index(cl, map->node);

    for (i = range->first; i <= range->last; i++) {
        map->slots[i] = (uint16_t) n;
    }
}


void
ngx_paygw_redis_no_map(ngx_paygw_redis_conn_t *conn, redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_paygw_redis_error_reply(conn, reply, 0);
    }
}
