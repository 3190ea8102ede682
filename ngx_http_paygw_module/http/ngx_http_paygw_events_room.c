
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_events.h"
#include "ngx_http_paygw_metrics.h"


/*
 * How many streams there may be in a worker, and of one order, which is as much
 * as of one token: a stream takes a connection for a long time, and whoever has
 * a token could take those of all others.
 */


/* the streams of an order, from before it is looked for */
struct ngx_http_paygw_crowd_s {
    ngx_str_node_t               node;      /* by key */
    ngx_uint_t                   n;
};


static ngx_http_paygw_crowd_t *ngx_http_paygw_events_crowd(ngx_str_t *key);
static ngx_atomic_t *ngx_http_paygw_events_slot(
    ngx_http_paygw_main_conf_t *mcf);


/* of the worker */
static ngx_uint_t         ngx_http_paygw_events_count;
static ngx_rbtree_t       ngx_http_paygw_events_crowds;
static ngx_rbtree_node_t  ngx_http_paygw_events_nobody;


ngx_int_t
ngx_http_paygw_events_come(ngx_http_paygw_stream_t *st)
{
    ngx_atomic_t                  *slot;
    ngx_http_request_t            *r;
    ngx_http_paygw_crowd_t        *crowd;
    ngx_http_paygw_events_conf_t  *ev;

    r = st->api->request;
    ev = st->api->lcf->events;

    if (ngx_http_paygw_events_count >= ev->connections) {
        ngx_http_paygw_events_turned_away(r,
                                        NGX_HTTP_PAYGW_EVENTS_BY_CONNECTIONS);
        return NGX_DECLINED;
    }

    crowd = ngx_http_paygw_events_crowd(&st->key);

    if (crowd == NULL) {
        return NGX_ERROR;
    }

    if (crowd->n >= ev->each) {
        ngx_http_paygw_events_turned_away(r, NGX_HTTP_PAYGW_EVENTS_BY_ORDER);
        return NGX_DECLINED;
    }

    crowd->n++;
    st->crowd = crowd;

    ngx_http_paygw_events_count++;

    slot = ngx_http_paygw_events_slot(
               ngx_http_get_module_main_conf(r, ngx_http_paygw_module));

    if (slot) {
        (void) ngx_atomic_fetch_add(slot, 1);
    }

    return NGX_OK;
}


/* there is none without a stream: each is in the tree as long as n is not 0 */

static ngx_http_paygw_crowd_t *
ngx_http_paygw_events_crowd(ngx_str_t *key)
{
    uint32_t                 hash;
    ngx_str_node_t          *node;
    ngx_http_paygw_crowd_t  *crowd;

    if (ngx_http_paygw_events_crowds.root == NULL) {
        ngx_rbtree_init(&ngx_http_paygw_events_crowds,
                        &ngx_http_paygw_events_nobody,
                        ngx_str_rbtree_insert_value);
    }

    hash = ngx_crc32_short(key->data, key->len);

    node = ngx_str_rbtree_lookup(&ngx_http_paygw_events_crowds, key, hash);

    if (node) {
        return (ngx_http_paygw_crowd_t *) node;
    }

    crowd = ngx_alloc(sizeof(ngx_http_paygw_crowd_t) + key->len,
                      ngx_cycle->log);
    if (crowd == NULL) {
        return NULL;
    }

    crowd->n = 0;
    crowd->node.node.key = hash;
    crowd->node.str.data = (u_char *) crowd + sizeof(ngx_http_paygw_crowd_t);
    crowd->node.str.len = key->len;

    ngx_memcpy(crowd->node.str.data, key->data, key->len);

    ngx_rbtree_insert(&ngx_http_paygw_events_crowds, &crowd->node.node);

    return crowd;
}


void
ngx_http_paygw_events_go(ngx_http_paygw_stream_t *st)
{
    ngx_atomic_t            *slot;
    ngx_http_paygw_crowd_t  *crowd;

    crowd = st->crowd;

    if (crowd == NULL) {
        return;
    }

    st->crowd = NULL;

    ngx_http_paygw_events_count--;

    slot = ngx_http_paygw_events_slot(
               ngx_http_get_module_main_conf(st->api->request,
                                             ngx_http_paygw_module));

    if (slot) {
        (void) ngx_atomic_fetch_add(slot, (ngx_atomic_int_t) -1);
    }

    if (--crowd->n == 0) {
        ngx_rbtree_delete(&ngx_http_paygw_events_crowds, &crowd->node.node);
        ngx_free(crowd);
    }
}


void
ngx_http_paygw_events_turned_away(ngx_http_request_t *r,
    ngx_http_paygw_events_by_e by)
{
    ngx_paygw_metrics_t         **m;
    ngx_http_paygw_main_conf_t   *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paygw_module);

    if (mcf->metrics) {
        m = mcf->metrics->subjects.elts;
        ngx_paygw_metrics_add(m[0], NGX_HTTP_PAYGW_AT_TURNED_AWAY + by);
    }
}


/*
 * Each process has a slot of its own, which it begins with 0: one that is
 * killed takes its streams along.  Those behind the last slot share it.
 */

static ngx_atomic_t *
ngx_http_paygw_events_slot(ngx_http_paygw_main_conf_t *mcf)
{
    ngx_uint_t             n;
    ngx_paygw_metrics_t  **m;

    if (mcf->metrics == NULL) {
        return NULL;
    }

    m = mcf->metrics->subjects.elts;

    if (m[0]->slots == NULL) {
        return NULL;
    }

    n = ngx_min((ngx_uint_t) ngx_process_slot,
                NGX_HTTP_PAYGW_EVENTS_SLOTS - 1);

    return &m[0]->slots[NGX_HTTP_PAYGW_AT_STREAMS + n];
}


void
ngx_http_paygw_events_reset(ngx_http_paygw_main_conf_t *mcf)
{
    ngx_atomic_t  *slot;

    slot = ngx_http_paygw_events_slot(mcf);

    if (slot && ngx_process_slot < NGX_HTTP_PAYGW_EVENTS_SLOTS - 1) {
        *slot = 0;
    }
}


void
ngx_http_paygw_metrics_streams(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s)
{
    ngx_uint_t         i;
    ngx_atomic_uint_t  n;

    if (subject->metrics.slots == NULL) {
        return;
    }

    n = 0;

    for (i = 0; i < NGX_HTTP_PAYGW_EVENTS_SLOTS; i++) {
        n += subject->metrics.slots[NGX_HTTP_PAYGW_AT_STREAMS + i];
    }

    ngx_paygw_exposition_value(e, s, n);
}


ngx_uint_t
ngx_http_paygw_metrics_turned_away(ngx_uint_t i, ngx_str_t *values)
{
    /* in the order of ngx_http_paygw_events_by_e */

    static const ngx_str_t  causes[] = {
        ngx_string("token"),
        ngx_string("connections"),
        ngx_string("order")
    };

    values[0] = causes[i];

    return 1;
}
