
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
 * Error replies by which Redis says that it has not executed the command, and
 * who will, or when.  Any other error is the end of the command.
 *
 *   MOVED        the slot is another server's, now and from now on
 *   ASK          the key is, this once: its slot is on the way
 *   TRYAGAIN     one of the keys is, the other is not: in a moment
 *   CLUSTERDOWN  the slot is nobody's for now, which may last
 *   READONLY     the server is no primary any more
 *   LOADING      it is starting
 *   MASTERDOWN   it is a replica without a primary
 *
 * A script is refused as a whole, before or at its first write: nothing of it
 * was done.  What a redirect costs comes out of the time of the command, and
 * the number of redirects is bounded, so that two servers that send a command
 * to each other do not do so for ever.
 */


#define NGX_PAYGW_REDIS_HOPS  5


static void ngx_paygw_redis_follow(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, ngx_paygw_slots_redirect_t *to);
static ngx_uint_t ngx_paygw_redis_is(redisReply *reply, const char *word);


ngx_int_t
ngx_paygw_redis_redirect(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply)
{
    ngx_int_t                    rc;
    ngx_str_t                    text;
    ngx_paygw_slots_redirect_t   to;

    if (ngx_paygw_redis_is(reply, "READONLY ")
        || ngx_strstr(reply->str, ": -READONLY ")    /* before Redis 7 */
        || ngx_paygw_redis_is(reply, "LOADING ")
        || ngx_paygw_redis_is(reply, "MASTERDOWN "))
    {
        ngx_paygw_redis_error_reply(conn, reply, 0);

        conn->leaving = 1;
        ngx_paygw_redis_park(cmd);

        return NGX_OK;
    }

    if (conn->redis->cluster == NULL) {

        if (ngx_paygw_redis_is(reply, "CLUSTERDOWN ")) {
            conn->leaving = 1;
        }

        return NGX_DECLINED;
    }

    if (ngx_paygw_redis_is(reply, "TRYAGAIN ")) {
        ngx_paygw_redis_park(cmd);
        return NGX_OK;
    }

    if (ngx_paygw_redis_is(reply, "CLUSTERDOWN ")) {
        (void) ngx_paygw_redis_refresh(conn->redis);
        return NGX_DECLINED;
    }

    text.data = (u_char *) reply->str;
    text.len = reply->len;

    rc = ngx_paygw_slots_redirect(&text, &to);

    if (rc != NGX_OK || to.slot != cmd->slot) {
        return NGX_DECLINED;
    }

    ngx_paygw_redis_follow(conn, cmd, &to);

    return NGX_OK;
}


static void
ngx_paygw_redis_follow(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, ngx_paygw_slots_redirect_t *to)
{
    ngx_uint_t               level;
    ngx_paygw_redis_node_t  *node;

    node = ngx_paygw_redis_node(conn, &to->host, to->port);

    if (node && !to->ask) {
        ngx_paygw_redis_moved(conn->redis, to->slot, node);
    }

    if (node && ++cmd->hops > NGX_PAYGW_REDIS_HOPS) {

        level = ngx_paygw_redis_level(conn);

        ngx_log_error(level, &conn->log, 0,
                      "redis redirected a command %d times, which is given up",
                      NGX_PAYGW_REDIS_HOPS);
        node = NULL;
    }

    conn = NULL;

    if (node && !ngx_paygw_redis_unwanted(cmd)) {
        conn = ngx_paygw_redis_get(node);
    }

    cmd->asking = to->ask;
    cmd->eval = 0;

    if (conn == NULL || ngx_paygw_redis_enqueue(conn, cmd) != NGX_OK) {
        ngx_paygw_redis_finish(cmd, NGX_ERROR);
    }
}


static ngx_uint_t
ngx_paygw_redis_is(redisReply *reply, const char *word)
{
    return ngx_strncmp(reply->str, word, ngx_strlen(word)) == 0;
}
