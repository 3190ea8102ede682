
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
 * Where a command goes, and what comes of those that Redis has not executed
 * but will: they are put aside for a moment, and sent again as if they were
 * new, but for their time, which does not begin again.
 */


#define NGX_PAYGW_REDIS_AGAIN  20    /* ms */


static ngx_int_t ngx_paygw_redis_route(ngx_paygw_redis_cmd_t *cmd);
static ngx_int_t ngx_paygw_redis_soon(ngx_paygw_redis_cmd_t *cmd,
    ngx_paygw_redis_node_t *node);
static void ngx_paygw_redis_again(ngx_event_t *ev);


ngx_int_t
ngx_paygw_redis_submit(ngx_paygw_redis_cmd_t *cmd, ngx_uint_t argc,
    ngx_str_t *argv)
{
    ngx_paygw_redis_t  *redis;

    redis = cmd->redis;

    cmd->deadline = ngx_current_msec + redis->timeout;
    cmd->slot = redis->cluster ? ngx_paygw_slots_key(&argv[1]) : 0;
    cmd->hops = 0;
    cmd->eval = 0;
    cmd->asking = 0;

    if (ngx_paygw_redis_format(cmd, argc, argv) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_redis_route(cmd);
}


/* NGX_ERROR: the command is still the caller's */

static ngx_int_t
ngx_paygw_redis_route(ngx_paygw_redis_cmd_t *cmd)
{
    ngx_paygw_redis_t       *redis;
    ngx_paygw_redis_node_t  *node;
    ngx_paygw_redis_conn_t  *conn;

    redis = cmd->redis;

    node = redis->cluster ? ngx_paygw_redis_slot(redis, cmd->slot)
                          : redis->node;

    conn = node ? ngx_paygw_redis_get(node) : NULL;

    if (conn) {
        return ngx_paygw_redis_enqueue(conn, cmd);
    }

    if (ngx_paygw_redis_soon(cmd, node) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_paygw_redis_park(cmd);

    return NGX_OK;
}


/*
 * There is no connection.  NGX_OK if there may be one in a moment: before a
 * map of the slots has come, and while the last replies of a server that has
 * stopped to take writes are read.
 */

static ngx_int_t
ngx_paygw_redis_soon(ngx_paygw_redis_cmd_t *cmd, ngx_paygw_redis_node_t *node)
{
    ngx_uint_t          i;
    ngx_paygw_redis_t  *redis;

    redis = cmd->redis;

    if (redis->cluster && node == NULL && !redis->cluster->loaded) {
        return ngx_paygw_redis_refresh(redis);
    }

    if (redis->cluster) {
        (void) ngx_paygw_redis_refresh(redis);
    }

    for (i = 0; node && i < redis->nconns; i++) {
        if (node->conns[i].leaving) {
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


void
ngx_paygw_redis_park(ngx_paygw_redis_cmd_t *cmd)
{
    ngx_event_t  *ev;

    cmd->hops = 0;
    cmd->eval = 0;
    cmd->asking = 0;

    cmd->held = 1;
    ngx_queue_insert_tail(&cmd->redis->parked, &cmd->queue);

    ev = &cmd->redis->again;

    if (!ev->timer_set) {
        ev->handler = ngx_paygw_redis_again;
        ev->data = cmd->redis;
        ev->log = ngx_cycle->log;

        ngx_add_timer(ev, NGX_PAYGW_REDIS_AGAIN);
    }
}


void
ngx_paygw_redis_unpark(ngx_paygw_redis_t *redis)
{
    if (!ngx_queue_empty(&redis->parked)) {
        ngx_post_event(&redis->again, &ngx_posted_events);
    }
}


static void
ngx_paygw_redis_again(ngx_event_t *ev)
{
    ngx_paygw_redis_t *redis = ev->data;

    ngx_queue_t             parked, *q;
    ngx_paygw_redis_cmd_t  *cmd;

    if (ngx_queue_empty(&redis->parked)) {
        return;
    }

    /* some of them may come back */

    ngx_queue_init(&parked);
    ngx_queue_add(&parked, &redis->parked);
    ngx_queue_init(&redis->parked);

    while (!ngx_queue_empty(&parked)) {
        q = ngx_queue_head(&parked);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);
        cmd->held = 0;

        if (ngx_paygw_redis_unwanted(cmd)
            || (ngx_msec_int_t) (cmd->deadline - ngx_current_msec) <= 0
            || ngx_paygw_redis_route(cmd) != NGX_OK)
        {
            ngx_paygw_redis_finish(cmd, NGX_ERROR);
        }
    }
}


void
ngx_paygw_redis_route_exit(ngx_paygw_redis_t *redis)
{
    ngx_queue_t            *q;
    ngx_paygw_redis_cmd_t  *cmd;

    while (!ngx_queue_empty(&redis->parked)) {
        q = ngx_queue_head(&redis->parked);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);
        ngx_paygw_redis_forget(cmd);
    }

    if (redis->again.timer_set) {
        ngx_del_timer(&redis->again);
    }

    if (redis->again.posted) {
        ngx_delete_posted_event(&redis->again);
    }

    if (redis->cluster) {
        ngx_paygw_redis_cluster_exit(redis);
        return;
    }

    ngx_paygw_redis_node_exit(redis->node);
}
