
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_events.h"


/*
 * A watch: an order that streams of this worker wait for.  It is looked at in
 * the store at intervals, once for all of them, since a change is made by any
 * worker on any machine.
 */


struct ngx_http_paygw_watch_s {
    ngx_str_node_t               node;      /* by store and key */
    ngx_pool_t                  *pool;      /* of the watch */
    ngx_pool_t                  *told;      /* of a look; NULL: none */
    ngx_queue_t                  streams;
    ngx_event_t                  timer;
    ngx_connection_t             fake;      /* timer.data: debug logs read its
                                               fd */
    ngx_paygw_store_t           *store;
    ngx_paygw_store_op_t         op;
    ngx_paygw_book_t             book;
    ngx_msec_t                   interval;
    ngx_msec_t                   due;       /* the next look */

    unsigned                     busy:1;    /* streams may come and go, but it
                                               stays */
};


static ngx_http_paygw_watch_t *ngx_http_paygw_events_watch(
    ngx_http_paygw_stream_t *st);
static ngx_http_paygw_watch_t *ngx_http_paygw_events_find(
    ngx_paygw_store_t *store, ngx_str_t *key, u_char *buf, ngx_str_t *name);
static void ngx_http_paygw_events_unwatch(ngx_http_paygw_watch_t *w);
static void ngx_http_paygw_events_later(ngx_http_paygw_watch_t *w);
static void ngx_http_paygw_events_tick(ngx_event_t *ev);
static void ngx_http_paygw_events_ask(ngx_http_paygw_watch_t *w);
static void ngx_http_paygw_events_asked(ngx_paygw_store_op_t *op);
static void ngx_http_paygw_events_said(ngx_http_paygw_watch_t *w,
    ngx_int_t rc);
static void ngx_http_paygw_events_each(ngx_http_paygw_watch_t *w,
    ngx_uint_t told, ngx_uint_t over);


/* how long it may be unseen that a stream, or a worker, is over */
#define NGX_HTTP_PAYGW_EVENTS_STEP  1000

/* room for the name of a watch */
#define NGX_HTTP_PAYGW_EVENTS_NAME                                            \
    (NGX_PAYGW_STORE_KEY_MAX + 2 * sizeof(void *) + sizeof(" "))


/* of the worker */
static ngx_rbtree_t       ngx_http_paygw_events_tree;
static ngx_rbtree_node_t  ngx_http_paygw_events_sentinel;


ngx_int_t
ngx_http_paygw_events_join(ngx_http_paygw_stream_t *st)
{
    ngx_http_paygw_watch_t  *w;

    w = ngx_http_paygw_events_watch(st);
    if (w == NULL) {
        return NGX_ERROR;
    }

    w->interval = ngx_min(w->interval, st->api->lcf->events->interval);

    ngx_queue_insert_tail(&w->streams, &st->queue);
    st->watch = w;

    return NGX_OK;
}


/* the watch of an order, made if there is none */

static ngx_http_paygw_watch_t *
ngx_http_paygw_events_watch(ngx_http_paygw_stream_t *st)
{
    u_char                   buf[NGX_HTTP_PAYGW_EVENTS_NAME];
    ngx_str_t                name;
    ngx_pool_t              *pool;
    ngx_paygw_store_t       *store;
    ngx_http_paygw_watch_t  *w;

    store = ngx_http_paygw_store(st->api->request);

    w = ngx_http_paygw_events_find(store, &st->key, buf, &name);

    if (w) {
        return w;
    }

    pool = ngx_create_pool(2048, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    w = ngx_pcalloc(pool, sizeof(ngx_http_paygw_watch_t));

    if (w == NULL
        || (w->op.key.data = ngx_pstrdup(pool, &st->key)) == NULL
        || (w->node.str.data = ngx_pstrdup(pool, &name)) == NULL)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    w->op.key.len = st->key.len;
    w->node.str.len = name.len;
    w->node.node.key = ngx_crc32_short(name.data, name.len);
    w->pool = pool;
    w->store = store;
    w->interval = st->api->lcf->events->interval;

    w->op.keep = st->api->lcf->binding_keep;
    w->op.log = ngx_cycle->log;
    w->op.data = w;
    w->op.book = &w->book;

    ngx_queue_init(&w->streams);

    w->fake.fd = (ngx_socket_t) -1;
    w->fake.data = w;

    w->timer.data = &w->fake;
    w->timer.handler = ngx_http_paygw_events_tick;
    w->timer.log = ngx_cycle->log;

    ngx_rbtree_insert(&ngx_http_paygw_events_tree, &w->node.node);

    w->due = ngx_current_msec + w->interval;

    ngx_http_paygw_events_later(w);

    return w;
}


/* name, in buf, is that of the order in the tree */

static ngx_http_paygw_watch_t *
ngx_http_paygw_events_find(ngx_paygw_store_t *store, ngx_str_t *key,
    u_char *buf, ngx_str_t *name)
{
    ngx_str_node_t  *node;

    if (ngx_http_paygw_events_tree.root == NULL) {
        ngx_rbtree_init(&ngx_http_paygw_events_tree,
                        &ngx_http_paygw_events_sentinel,
                        ngx_str_rbtree_insert_value);
    }

    name->data = buf;
    name->len = ngx_sprintf(buf, "%p %V", store, key) - buf;

    node = ngx_str_rbtree_lookup(&ngx_http_paygw_events_tree, name,
                                 ngx_crc32_short(name->data, name->len));

    return (ngx_http_paygw_watch_t *) node;
}


void
ngx_http_paygw_events_leave(ngx_http_paygw_stream_t *st)
{
    ngx_http_paygw_watch_t  *w;

    w = st->watch;

    if (w == NULL) {
        return;
    }

    st->watch = NULL;
    ngx_queue_remove(&st->queue);

    if (!w->busy && ngx_queue_empty(&w->streams)) {
        ngx_http_paygw_events_unwatch(w);
    }
}


static void
ngx_http_paygw_events_unwatch(ngx_http_paygw_watch_t *w)
{
    ngx_rbtree_delete(&ngx_http_paygw_events_tree, &w->node.node);

    if (w->timer.timer_set) {
        ngx_del_timer(&w->timer);
    }

    ngx_paygw_store_cancel(&w->op);

    if (w->told) {
        ngx_destroy_pool(w->told);
    }

    ngx_destroy_pool(w->pool);
}


void
ngx_http_paygw_events_nudge(ngx_paygw_store_t *store, ngx_str_t *key)
{
    u_char                   buf[NGX_HTTP_PAYGW_EVENTS_NAME];
    ngx_str_t                name;
    ngx_http_paygw_watch_t  *w;

    if (key->len > NGX_PAYGW_STORE_KEY_MAX) {
        return;
    }

    w = ngx_http_paygw_events_find(store, key, buf, &name);

    if (w && w->timer.timer_set) {
        w->due = ngx_current_msec;

        ngx_del_timer(&w->timer);
        ngx_add_timer(&w->timer, 1);
    }
}


static void
ngx_http_paygw_events_later(ngx_http_paygw_watch_t *w)
{
    ngx_msec_int_t  left;

    left = w->due - ngx_current_msec;
    left = ngx_min(left, NGX_HTTP_PAYGW_EVENTS_STEP);

    ngx_add_timer(&w->timer, (ngx_msec_t) ngx_max(left, 1));
}


static void
ngx_http_paygw_events_tick(ngx_event_t *ev)
{
    ngx_http_paygw_watch_t  *w;

    w = ((ngx_connection_t *) ev->data)->data;

    /* a worker that is to leave waits for nobody, browsers come again */

    ngx_http_paygw_events_each(w, 0,
                               ngx_exiting || ngx_quit || ngx_terminate);

    if (ngx_queue_empty(&w->streams)) {
        ngx_http_paygw_events_unwatch(w);
        return;
    }

    if ((ngx_msec_int_t) (w->due - ngx_current_msec) > 0) {
        ngx_http_paygw_events_later(w);
        return;
    }

    ngx_http_paygw_events_ask(w);
}


/* what is told has a pool of its own, since there is no end of looks */

static void
ngx_http_paygw_events_ask(ngx_http_paygw_watch_t *w)
{
    ngx_int_t  rc;

    w->told = ngx_create_pool(512, ngx_cycle->log);

    if (w->told == NULL) {
        ngx_http_paygw_events_said(w, NGX_ERROR);
        return;
    }

    ngx_memzero(&w->book, sizeof(ngx_paygw_book_t));

    w->book.verb = NGX_PAYGW_BOOK_LOOK;
    w->book.pool = w->told;

    w->op.handler = ngx_http_paygw_events_asked;

    rc = ngx_paygw_store_book(w->store, &w->op);

    if (rc != NGX_AGAIN) {
        ngx_http_paygw_events_said(w, rc);
    }
}


static void
ngx_http_paygw_events_asked(ngx_paygw_store_op_t *op)
{
    ngx_http_paygw_events_said(op->data, op->rc);
}


/* a store that does not answer may do so the next time */

static void
ngx_http_paygw_events_said(ngx_http_paygw_watch_t *w, ngx_int_t rc)
{
    if (rc == NGX_OK) {
        ngx_http_paygw_events_each(w, 1, 0);

    } else if (rc == NGX_DECLINED) {
        /* it was never made after all, or is forgotten */
        ngx_http_paygw_events_each(w, 0, 1);
    }

    if (w->told) {
        ngx_destroy_pool(w->told);
        w->told = NULL;
    }

    if (ngx_queue_empty(&w->streams)) {
        ngx_http_paygw_events_unwatch(w);
        return;
    }

    w->due = ngx_current_msec + w->interval;

    ngx_http_paygw_events_later(w);
}


/* the end of one request may be that of others, on its connection */

static void
ngx_http_paygw_events_each(ngx_http_paygw_watch_t *w, ngx_uint_t told,
    ngx_uint_t over)
{
    ngx_queue_t               todo, *q;
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_paygw_stream_t  *st;

    if (ngx_queue_empty(&w->streams)) {
        return;
    }

    w->busy = 1;

    ngx_queue_init(&todo);
    ngx_queue_add(&todo, &w->streams);
    ngx_queue_init(&w->streams);

    while (!ngx_queue_empty(&todo)) {

        q = ngx_queue_head(&todo);
        ngx_queue_remove(q);
        ngx_queue_insert_tail(&w->streams, q);

        st = ngx_queue_data(q, ngx_http_paygw_stream_t, queue);

        r = st->api->request;
        c = r->connection;

        ngx_http_set_log_request(c->log, r);

        /* nothing is told behind the end, which may be that of a token */

        if (over || (ngx_msec_int_t) (st->end - ngx_current_msec) <= 0) {
            ngx_http_paygw_events_end(st);

        } else if (told) {
            ngx_http_paygw_events_tell(st, &w->book);

        } else {
            ngx_http_paygw_events_beat(st);
        }

        ngx_http_run_posted_requests(c);
    }

    w->busy = 0;
}
