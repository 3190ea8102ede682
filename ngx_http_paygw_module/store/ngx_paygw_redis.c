
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"
#include "ngx_paygw_redis_book.h"
#include "ngx_paygw_redis_cluster.h"


static void ngx_paygw_redis_keys(ngx_paygw_redis_cmd_t *cmd,
    ngx_paygw_store_op_t *op);
static u_char *ngx_paygw_redis_tagged(ngx_paygw_redis_cmd_t *cmd, u_char *p,
    const char *what, ngx_str_t *id);
static ngx_int_t ngx_paygw_redis_claim(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
static void ngx_paygw_redis_streams(ngx_paygw_store_t *store);
static void ngx_paygw_redis_cancel(ngx_paygw_store_op_t *op);
static void ngx_paygw_redis_commit(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
static void ngx_paygw_redis_release(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
static void ngx_paygw_redis_end(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op, ngx_uint_t type);
static void ngx_paygw_redis_undo(ngx_paygw_redis_cmd_t *cmd);
static void ngx_paygw_redis_lost(ngx_paygw_redis_cmd_t *cmd, ngx_int_t rc);
static void ngx_paygw_redis_exit_process(ngx_paygw_store_t *store);
static void ngx_paygw_redis_done(ngx_event_t *ev);


/* what somebody who waits has then, and may not want any more */
#define ngx_paygw_redis_takes(cmd)                                            \
    ((cmd)->type == NGX_PAYGW_REDIS_CLAIM                                     \
     || (cmd)->type == NGX_PAYGW_REDIS_BEGIN)


static const ngx_paygw_backend_t  ngx_paygw_redis_backend = {
    ngx_paygw_redis_claim,
    ngx_paygw_redis_append,
    ngx_paygw_redis_streams,
    ngx_paygw_redis_cancel,
    ngx_paygw_redis_commit,
    ngx_paygw_redis_release,
    NULL,                                  /* init_process */
    ngx_paygw_redis_exit_process,
    ngx_paygw_redis_once,
    ngx_paygw_redis_limit,
    ngx_paygw_redis_begin,
    ngx_paygw_redis_run_finish,
    ngx_paygw_redis_renew,
    ngx_paygw_redis_abandon,
    ngx_paygw_redis_book,
    ngx_paygw_redis_together
};


ngx_paygw_store_t *
ngx_paygw_redis_create(ngx_conf_t *cf, ngx_paygw_redis_t *redis)
{
    ngx_paygw_store_t       *store;
    ngx_paygw_redis_conn_t  *conns;

    store = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_store_t));
    if (store == NULL) {
        return NULL;
    }

    ngx_queue_init(&redis->parked);

    if (redis->cluster) {
        if (ngx_paygw_redis_cluster_init(cf, redis) != NGX_OK) {
            return NULL;
        }

    } else {
        redis->node = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_redis_node_t));
        conns = ngx_pcalloc(cf->pool,
                            redis->nconns * sizeof(ngx_paygw_redis_conn_t));

        if (redis->node == NULL || conns == NULL) {
            return NULL;
        }

        redis->node->addrs = redis->addrs;
        redis->node->naddrs = redis->naddrs;

        ngx_paygw_redis_node_init(redis, redis->node, conns);
    }

    if (ngx_paygw_redis_scripts_init(cf, redis) != NGX_OK) {
        return NULL;
    }

    store->backend = &ngx_paygw_redis_backend;
    store->data = redis;
    store->timeout = redis->timeout;
    store->apart = (redis->cluster != NULL);

    redis->store = store;

    return store;
}


ngx_paygw_redis_cmd_t *
ngx_paygw_redis_cmd(ngx_paygw_redis_t *redis, ngx_uint_t type,
    ngx_paygw_store_op_t *op)
{
    size_t                  len;
    ngx_paygw_redis_cmd_t  *cmd;

    len = op ? 2 * redis->prefix.len + 2 * op->key.len + op->order.len
               + sizeof("event:{}order:{}") - 1
             : 0;

    cmd = ngx_alloc(sizeof(ngx_paygw_redis_cmd_t) + len, ngx_cycle->log);
    if (cmd == NULL) {
        return NULL;
    }

    ngx_memzero(cmd, sizeof(ngx_paygw_redis_cmd_t));

    cmd->pending.backend = &ngx_paygw_redis_backend;
    cmd->redis = redis;
    cmd->type = type;

    cmd->event.handler = ngx_paygw_redis_done;
    cmd->event.data = cmd;
    cmd->event.log = ngx_cycle->log;

    if (op) {
        ngx_paygw_redis_keys(cmd, op);
    }

    return cmd;
}


void
ngx_paygw_redis_free(ngx_paygw_redis_cmd_t *cmd)
{
    if (cmd->text.data) {
        ngx_free(cmd->text.data);
    }

    ngx_free(cmd);
}


static void
ngx_paygw_redis_keys(ngx_paygw_redis_cmd_t *cmd, ngx_paygw_store_op_t *op)
{
    u_char  *p;

    p = ngx_paygw_redis_tagged(cmd, cmd->key,
                               ngx_paygw_redis_runs(cmd) ? "call"
                               : (cmd->type == NGX_PAYGW_REDIS_BOOK) ? "order"
                               : "event",
                               &op->key);

    cmd->len = p - cmd->key;

    if (ngx_paygw_store_guards(op)) {
        cmd->says = op->says;
        cmd->order.data = p;

        p = ngx_paygw_redis_tagged(cmd, p, "order", &op->order);

        cmd->order.len = p - cmd->order.data;
    }

    cmd->id.data = p;
    cmd->id.len = op->key.len;

    ngx_memcpy(p, op->key.data, op->key.len);
}


/* what stands before the first colon, the channel, is put in braces */

static u_char *
ngx_paygw_redis_tagged(ngx_paygw_redis_cmd_t *cmd, u_char *p, const char *what,
    ngx_str_t *id)
{
    u_char  *colon, *last;

    last = id->data + id->len;
    colon = ngx_strlchr(id->data, last, ':');

    if (colon == NULL) {
        colon = last;
    }

    return ngx_sprintf(p, "%V%s:{%*s}%*s", &cmd->redis->prefix, what,
                       (size_t) (colon - id->data), id->data,
                       (size_t) (last - colon), colon);
}


static ngx_int_t
ngx_paygw_redis_claim(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_cmd_t  *cmd;

    cmd = ngx_paygw_redis_cmd(store->data, NGX_PAYGW_REDIS_CLAIM, op);
    if (cmd == NULL) {
        return NGX_ERROR;
    }

    cmd->token = op->token;
    cmd->lease = op->lease;
    cmd->life = ngx_paygw_store_life(op);

    return ngx_paygw_redis_ask(cmd, op);
}


ngx_int_t
ngx_paygw_redis_ask(ngx_paygw_redis_cmd_t *cmd, ngx_paygw_store_op_t *op)
{
    cmd->op = op;

    if (ngx_paygw_redis_send(cmd) != NGX_OK) {
        ngx_paygw_redis_free(cmd);
        return NGX_ERROR;
    }

    op->pending = cmd;

    return NGX_AGAIN;
}


static void
ngx_paygw_redis_streams(ngx_paygw_store_t *store)
{
    ngx_paygw_redis_t  *redis;

    redis = store->data;
    redis->streams = 1;
}


static void
ngx_paygw_redis_cancel(ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_cmd_t  *cmd;

    cmd = op->pending;

    op->pending = NULL;
    cmd->op = NULL;

    if (!cmd->event.posted) {
        return;
    }

    /* answered, and the handler was about to be called */

    ngx_delete_posted_event(&cmd->event);

    if (cmd->held) {
        /* the answer was that there is none, but one may come */
        return;
    }

    if (cmd->rc == NGX_OK && ngx_paygw_redis_takes(cmd)) {
        ngx_paygw_redis_undo(cmd);
        return;
    }

    ngx_paygw_redis_free(cmd);
}


static void
ngx_paygw_redis_commit(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_end(store, op, NGX_PAYGW_REDIS_COMMIT);
}


static void
ngx_paygw_redis_release(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_end(store, op, NGX_PAYGW_REDIS_RELEASE);
}


static void
ngx_paygw_redis_end(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op,
    ngx_uint_t type)
{
    ngx_paygw_redis_cmd_t  *cmd;

    cmd = ngx_paygw_redis_cmd(store->data, type, op);
    if (cmd == NULL) {
        return;
    }

    cmd->token = op->token;
    cmd->life = op->keep;

    if (ngx_paygw_redis_send(cmd) != NGX_OK) {
        ngx_paygw_redis_finish(cmd, NGX_ERROR);
    }
}


/* a claim was taken, or a call begun, and nobody wants it any more */

static void
ngx_paygw_redis_undo(ngx_paygw_redis_cmd_t *cmd)
{
    cmd->type = (cmd->type == NGX_PAYGW_REDIS_CLAIM) ? NGX_PAYGW_REDIS_RELEASE
                                                      : NGX_PAYGW_REDIS_ABANDON;

    cmd->undone = 1;

    if (ngx_paygw_redis_send(cmd) != NGX_OK) {
        ngx_paygw_redis_finish(cmd, NGX_ERROR);
    }
}


void
ngx_paygw_redis_finish(ngx_paygw_redis_cmd_t *cmd, ngx_int_t rc)
{
    if (ngx_paygw_redis_answers(cmd)) {
        cmd->rc = rc;

        if (cmd->op) {
            ngx_post_event(&cmd->event, &ngx_posted_events);
            return;
        }

        if (rc == NGX_OK && ngx_paygw_redis_takes(cmd)) {
            ngx_paygw_redis_undo(cmd);
            return;
        }
    }

    if (ngx_paygw_redis_runs(cmd)) {
        ngx_paygw_redis_run_ended(cmd, rc);

    } else if (cmd->type == NGX_PAYGW_REDIS_BOOK) {
        ngx_paygw_redis_book_ended(cmd, rc);

    } else if (ngx_paygw_redis_answers(cmd)) {
        /* cancelled */

    } else if (ngx_paygw_redis_is_script(cmd) && rc != NGX_OK) {
        ngx_paygw_redis_lost(cmd, rc);

    } else if (cmd->type == NGX_PAYGW_REDIS_SLOTS) {
        ngx_paygw_redis_unasked(cmd->redis);
    }

    ngx_paygw_redis_free(cmd);
}


/* a commit or a release that did nothing */

static void
ngx_paygw_redis_lost(ngx_paygw_redis_cmd_t *cmd, ngx_int_t rc)
{
    if (rc == NGX_ERROR) {
        ngx_paygw_store_failed(cmd->redis->store,
                               (cmd->type == NGX_PAYGW_REDIS_COMMIT)
                               ? NGX_PAYGW_METRICS_COMMIT
                               : NGX_PAYGW_METRICS_RELEASE);

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "%s of event \"%V\" was lost, its lease ends it",
                      (cmd->type == NGX_PAYGW_REDIS_COMMIT) ? "commit"
                                                            : "release",
                      &cmd->id);

    } else if (cmd->type == NGX_PAYGW_REDIS_COMMIT) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "event \"%V\" was taken over before its commit",
                      &cmd->id);

    } else {
        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                      "event \"%V\" was not held at its release",
                      &cmd->id);
    }
}


void
ngx_paygw_redis_give_up(ngx_paygw_redis_cmd_t *cmd)
{
    if (cmd->op && !cmd->event.posted) {
        cmd->rc = NGX_ERROR;
        ngx_post_event(&cmd->event, &ngx_posted_events);
    }
}


void
ngx_paygw_redis_forget(ngx_paygw_redis_cmd_t *cmd)
{
    cmd->held = 0;

    if (cmd->op) {

        if (cmd->event.posted) {
            ngx_delete_posted_event(&cmd->event);
        }

        cmd->op->pending = NULL;
        cmd->op = NULL;
    }

    ngx_paygw_redis_finish(cmd, NGX_ERROR);
}


static void
ngx_paygw_redis_done(ngx_event_t *ev)
{
    ngx_paygw_redis_cmd_t *cmd = ev->data;

    ngx_uint_t             sent;
    ngx_paygw_store_op_t  *op;

    op = cmd->op;
    sent = cmd->sent;

    op->pending = NULL;
    op->rc = cmd->rc;
    op->delivery = cmd->delivery;

    if (cmd->held) {
        /* given up: from now on as if it was cancelled, whatever came since */
        op->rc = NGX_ERROR;
        cmd->op = NULL;

    } else {
        ngx_paygw_redis_free(cmd);
    }

    ngx_paygw_store_answered(op, sent);

    op->handler(op);
}


static void
ngx_paygw_redis_exit_process(ngx_paygw_store_t *store)
{
    ngx_paygw_redis_route_exit(store->data);
}
