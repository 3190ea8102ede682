
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_store.h"
#include "ngx_paygw_backend.h"
#include "ngx_paygw_zone.h"


/*
 * Calls that are to be run once, in shared memory: a tree by key, and one by
 * the end of their life.  An answer lies in pieces of at most a page, since a
 * zone that has been in use for long has few pages side by side.
 */


#define NGX_PAYGW_ZONE_RUN_EXPIRE  2    /* records looked at by each call */


typedef enum {
    NGX_PAYGW_ZONE_RUNNING = 0,
    NGX_PAYGW_ZONE_ABANDONED,
    NGX_PAYGW_ZONE_FINISHED
} ngx_paygw_zone_run_state_e;


typedef struct ngx_paygw_zone_piece_s  ngx_paygw_zone_piece_t;

struct ngx_paygw_zone_piece_s {
    ngx_paygw_zone_piece_t      *next;
    size_t                       len;
    u_char                       data[1];
};


typedef struct {
    ngx_rbtree_node_t            node;      /* key: hash */
    ngx_rbtree_node_t            expiry;    /* key: end of the life */
    uint64_t                     token;
    ngx_msec_t                   lease;     /* end of the lease */
    ngx_paygw_zone_piece_t      *answer;    /* NULL: none is kept */
    size_t                       len;       /* of the answer */
    uint32_t                     attempt;
    u_short                      state;
    u_char                       fingerprint[NGX_PAYGW_STORE_PRINT];
    ngx_paygw_zone_key_t         key;
} ngx_paygw_zone_run_t;


static ngx_int_t ngx_paygw_zone_run_begin(ngx_paygw_zone_t *zone,
    ngx_paygw_store_op_t *op);
static ngx_int_t ngx_paygw_zone_run_found(ngx_paygw_zone_run_t *rec,
    ngx_paygw_store_op_t *op);
static ngx_int_t ngx_paygw_zone_run_read(ngx_paygw_zone_run_t *rec,
    ngx_paygw_store_op_t *op);
static ngx_int_t ngx_paygw_zone_run_finish(ngx_paygw_zone_t *zone,
    ngx_paygw_store_op_t *op);
static ngx_int_t ngx_paygw_zone_run_held(ngx_paygw_zone_t *zone,
    ngx_paygw_store_op_t *op, ngx_uint_t add, ngx_paygw_zone_run_t **rec);
static ngx_paygw_zone_run_t *ngx_paygw_zone_run_find(ngx_paygw_zone_t *zone,
    ngx_str_t *key);
static ngx_paygw_zone_run_t *ngx_paygw_zone_run_add(ngx_paygw_zone_t *zone,
    ngx_paygw_store_op_t *op);
static ngx_paygw_zone_piece_t *ngx_paygw_zone_run_copy(
    ngx_paygw_zone_t *zone, ngx_str_t *answer);
static void ngx_paygw_zone_run_free(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_piece_t *piece);
static void ngx_paygw_zone_run_keep(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_run_t *rec, ngx_msec_t life);
static void ngx_paygw_zone_run_drop(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_run_t *rec);


ngx_int_t
ngx_paygw_zone_begin(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_int_t          rc;
    ngx_paygw_zone_t  *zone;

    zone = store->data;

    ngx_shmtx_lock(&zone->shpool->mutex);

    (void) ngx_paygw_zone_run_expire(zone, NGX_PAYGW_ZONE_RUN_EXPIRE);

    rc = ngx_paygw_zone_run_begin(zone, op);

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (rc == NGX_ERROR) {
        ngx_paygw_zone_crowded(zone, op->log);
    }

    return rc;
}


ngx_int_t
ngx_paygw_zone_finish(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_int_t          rc;
    ngx_paygw_zone_t  *zone;

    zone = store->data;

    ngx_shmtx_lock(&zone->shpool->mutex);

    (void) ngx_paygw_zone_run_expire(zone, NGX_PAYGW_ZONE_RUN_EXPIRE);

    rc = ngx_paygw_zone_run_finish(zone, op);

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (rc == NGX_ERROR || rc == NGX_DONE) {
        ngx_paygw_zone_crowded(zone, op->log);
    }

    return rc;
}


void
ngx_paygw_zone_renew(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_int_t              rc;
    ngx_paygw_zone_t      *zone;
    ngx_paygw_zone_run_t  *rec;

    zone = store->data;

    ngx_shmtx_lock(&zone->shpool->mutex);

    rc = ngx_paygw_zone_run_held(zone, op, 1, &rec);

    if (rc == NGX_OK) {
        rec->lease = ngx_current_msec + op->lease;
        ngx_paygw_zone_run_keep(zone, rec, ngx_paygw_store_life(op));
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (rc == NGX_ERROR) {
        ngx_paygw_zone_crowded(zone, op->log);

    } else if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, op->log, 0,
                      "call \"%V\" was taken over before its lease was "
                      "renewed", &op->key);
    }
}


void
ngx_paygw_zone_abandon(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_int_t              rc;
    ngx_paygw_zone_t      *zone;
    ngx_paygw_zone_run_t  *rec;

    zone = store->data;

    ngx_shmtx_lock(&zone->shpool->mutex);

    rc = ngx_paygw_zone_run_held(zone, op, 0, &rec);

    if (rc == NGX_OK && op->run->undone && --rec->attempt == 0) {
        ngx_paygw_zone_run_drop(zone, rec);

    } else if (rc == NGX_OK) {
        rec->state = NGX_PAYGW_ZONE_ABANDONED;
        ngx_paygw_zone_run_keep(zone, rec, op->keep);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_INFO, op->log, 0,
                      "call \"%V\" was not held when it was abandoned",
                      &op->key);
    }
}


/* the functions below are called with the mutex locked */


static ngx_int_t
ngx_paygw_zone_run_begin(ngx_paygw_zone_t *zone, ngx_paygw_store_op_t *op)
{
    ngx_int_t              rc;
    ngx_paygw_zone_run_t  *rec;

    rec = ngx_paygw_zone_run_find(zone, &op->key);

    if (rec == NULL) {

        rec = ngx_paygw_zone_run_add(zone, op);
        if (rec == NULL) {
            return NGX_ERROR;
        }

    } else {

        rc = ngx_paygw_zone_run_found(rec, op);
        if (rc != NGX_OK) {
            return rc;
        }

        rec->state = NGX_PAYGW_ZONE_RUNNING;
        rec->token = op->token;
        rec->attempt++;

        ngx_paygw_zone_run_keep(zone, rec, ngx_paygw_store_life(op));
    }

    rec->lease = ngx_current_msec + op->lease;
    op->delivery = rec->attempt;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_zone_run_found(ngx_paygw_zone_run_t *rec, ngx_paygw_store_op_t *op)
{
    if (ngx_memcmp(rec->fingerprint, op->run->fingerprint,
                   NGX_PAYGW_STORE_PRINT)
        != 0)
    {
        return NGX_ABORT;
    }

    if (rec->state == NGX_PAYGW_ZONE_FINISHED) {
        return ngx_paygw_zone_run_read(rec, op);
    }

    if (rec->state == NGX_PAYGW_ZONE_RUNNING
        && !ngx_paygw_zone_over(rec->lease))
    {
        return NGX_BUSY;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_zone_run_read(ngx_paygw_zone_run_t *rec, ngx_paygw_store_op_t *op)
{
    u_char                  *p;
    ngx_paygw_zone_piece_t  *piece;

    if (rec->answer == NULL) {
        return NGX_DONE;
    }

    p = ngx_pnalloc(op->run->pool, rec->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    op->run->answer.data = p;
    op->run->answer.len = rec->len;

    for (piece = rec->answer; piece; piece = piece->next) {
        p = ngx_cpymem(p, piece->data, piece->len);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_paygw_zone_run_finish(ngx_paygw_zone_t *zone, ngx_paygw_store_op_t *op)
{
    ngx_int_t              rc;
    ngx_str_t             *answer;
    ngx_paygw_zone_run_t  *rec;

    rc = ngx_paygw_zone_run_held(zone, op, 1, &rec);
    if (rc != NGX_OK) {
        return rc;
    }

    answer = &op->run->answer;

    if (answer->data) {
        rec->answer = ngx_paygw_zone_run_copy(zone, answer);

        if (rec->answer == NULL) {
            rc = NGX_DONE;

        } else {
            rec->len = answer->len;
        }
    }

    /* an answer that found no room is no reason to run the call again */

    rec->state = NGX_PAYGW_ZONE_FINISHED;
    ngx_paygw_zone_run_keep(zone, rec, op->keep);

    return rc;
}


/*
 * NGX_OK: the record is that of the caller, or there was none, and with add it
 * has been made; NGX_DECLINED: it is not, or there is none; NGX_ERROR: there is
 * no memory for it.
 */

static ngx_int_t
ngx_paygw_zone_run_held(ngx_paygw_zone_t *zone, ngx_paygw_store_op_t *op,
    ngx_uint_t add, ngx_paygw_zone_run_t **recp)
{
    ngx_paygw_zone_run_t  *rec;

    rec = ngx_paygw_zone_run_find(zone, &op->key);

    if (rec) {
        *recp = rec;

        return (rec->state == NGX_PAYGW_ZONE_RUNNING
                && rec->token == op->token)
               ? NGX_OK : NGX_DECLINED;
    }

    if (!add) {
        return NGX_DECLINED;
    }

    *recp = ngx_paygw_zone_run_add(zone, op);

    return *recp ? NGX_OK : NGX_ERROR;
}


static ngx_paygw_zone_run_t *
ngx_paygw_zone_run_find(ngx_paygw_zone_t *zone, ngx_str_t *key)
{
    ngx_rbtree_node_t     *node;
    ngx_paygw_zone_run_t  *rec;

    node = ngx_paygw_zone_lookup(zone, zone->sh->runs, key,
                                 ngx_crc32_short(key->data, key->len));
    if (node == NULL) {
        return NULL;
    }

    rec = ngx_rbtree_data(node, ngx_paygw_zone_run_t, node);

    if (!ngx_paygw_zone_over(rec->expiry.key)) {
        return rec;
    }

    ngx_paygw_zone_run_drop(zone, rec);

    return NULL;
}


static ngx_paygw_zone_run_t *
ngx_paygw_zone_run_add(ngx_paygw_zone_t *zone, ngx_paygw_store_op_t *op)
{
    ngx_paygw_zone_run_t  *rec;

    rec = ngx_paygw_zone_guest_alloc(zone,
                                     ngx_paygw_zone_size(ngx_paygw_zone_run_t,
                                                         op->key.len));
    if (rec == NULL) {
        return NULL;
    }

    rec->token = op->token;
    rec->lease = ngx_current_msec + op->lease;
    rec->answer = NULL;
    rec->len = 0;
    rec->attempt = 1;
    rec->state = NGX_PAYGW_ZONE_RUNNING;

    ngx_memcpy(rec->fingerprint, op->run->fingerprint, NGX_PAYGW_STORE_PRINT);

    rec->expiry.key = ngx_current_msec + ngx_paygw_store_life(op);

    ngx_paygw_zone_insert(zone, &zone->sh->runs, &rec->node,
                          offsetof(ngx_paygw_zone_run_t, key), &op->key,
                          ngx_crc32_short(op->key.data, op->key.len));
    ngx_paygw_zone_link(zone, &zone->sh->runs_expiry, &rec->expiry,
                        ngx_rbtree_insert_timer_value);

    return rec;
}


static ngx_paygw_zone_piece_t *
ngx_paygw_zone_run_copy(ngx_paygw_zone_t *zone, ngx_str_t *answer)
{
    size_t                   left, n, max;
    u_char                  *p;
    ngx_paygw_zone_piece_t  *first, **last, *piece;

    max = ngx_pagesize - offsetof(ngx_paygw_zone_piece_t, data);

    first = NULL;
    last = &first;

    p = answer->data;

    for (left = answer->len; left; left -= n) {

        n = ngx_min(left, max);

        piece = ngx_paygw_zone_guest_alloc(zone,
                                       offsetof(ngx_paygw_zone_piece_t, data)
                                       + n);
        if (piece == NULL) {
            ngx_paygw_zone_run_free(zone, first);
            return NULL;
        }

        ngx_memcpy(piece->data, p, n);
        p += n;

        piece->len = n;
        piece->next = NULL;

        *last = piece;
        last = &piece->next;
    }

    return first;
}


static void
ngx_paygw_zone_run_free(ngx_paygw_zone_t *zone, ngx_paygw_zone_piece_t *piece)
{
    ngx_paygw_zone_piece_t  *next;

    for ( /* void */ ; piece; piece = next) {
        next = piece->next;
        ngx_paygw_zone_guest_free(zone, piece,
                                  offsetof(ngx_paygw_zone_piece_t, data)
                                  + piece->len);
    }
}


static void
ngx_paygw_zone_run_keep(ngx_paygw_zone_t *zone, ngx_paygw_zone_run_t *rec,
    ngx_msec_t life)
{
    ngx_paygw_zone_unlink(zone, &zone->sh->runs_expiry, &rec->expiry);

    rec->expiry.key = ngx_current_msec + life;

    ngx_paygw_zone_link(zone, &zone->sh->runs_expiry, &rec->expiry,
                        ngx_rbtree_insert_timer_value);
}


ngx_uint_t
ngx_paygw_zone_run_expire(ngx_paygw_zone_t *zone, ngx_uint_t n)
{
    ngx_uint_t          i;
    ngx_rbtree_node_t  *node;

    for (i = 0; i < n; i++) {

        if (zone->sh->runs_expiry == &zone->sh->sentinel) {
            break;
        }

        node = ngx_rbtree_min(zone->sh->runs_expiry, &zone->sh->sentinel);

        if (!ngx_paygw_zone_over(node->key)) {
            break;
        }

        ngx_paygw_zone_run_drop(zone, ngx_rbtree_data(node,
                                                      ngx_paygw_zone_run_t,
                                                      expiry));
    }

    return i;
}


static void
ngx_paygw_zone_run_drop(ngx_paygw_zone_t *zone, ngx_paygw_zone_run_t *rec)
{
    ngx_paygw_zone_unlink(zone, &zone->sh->runs_expiry, &rec->expiry);
    ngx_paygw_zone_unlink(zone, &zone->sh->runs, &rec->node);

    ngx_paygw_zone_run_free(zone, rec->answer);
    ngx_paygw_zone_guest_free(zone, rec,
                              ngx_paygw_zone_size(ngx_paygw_zone_run_t,
                                                  rec->key.len));
}
