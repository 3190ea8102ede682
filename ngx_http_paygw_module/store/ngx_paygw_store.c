
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/random.h>
#include "ngx_paygw_store.h"
#include "ngx_paygw_backend.h"


static void ngx_paygw_store_began(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op, ngx_paygw_metrics_store_e what);
static ngx_int_t ngx_paygw_store_asked(ngx_paygw_store_op_t *op, ngx_int_t rc);
static ngx_uint_t ngx_paygw_store_valid(ngx_paygw_store_op_t *op);
static ngx_uint_t ngx_paygw_store_book_valid(ngx_paygw_store_op_t *op);
static ngx_uint_t ngx_paygw_store_key_valid(ngx_str_t *key, ngx_log_t *log);
static uint64_t ngx_paygw_store_token(ngx_paygw_store_t *store);
static void ngx_paygw_store_seed(ngx_paygw_store_t *store);
static uint64_t ngx_paygw_store_mix(uint64_t x);


ngx_int_t
ngx_paygw_store_claim(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    op->pending = NULL;
    op->delivery = 0;

    if (!ngx_paygw_store_valid(op)) {
        op->rc = NGX_ERROR;
        return NGX_ERROR;
    }

    if (op->book) {
        ngx_paygw_book_forget(op->book);
    }

    op->token = ngx_paygw_store_token(store);
    ngx_paygw_store_began(store, op, NGX_PAYGW_METRICS_CLAIM);

    return ngx_paygw_store_asked(op, store->backend->claim(store, op));
}


ngx_int_t
ngx_paygw_store_append(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    op->pending = NULL;
    op->delivery = 0;

    if (!ngx_paygw_store_valid(op) || store->backend->append == NULL) {
        op->rc = NGX_ERROR;
        return NGX_ERROR;
    }

    if (op->book) {
        ngx_paygw_book_forget(op->book);
    }

    op->token = ngx_paygw_store_token(store);
    ngx_paygw_store_began(store, op, NGX_PAYGW_METRICS_APPEND);

    return ngx_paygw_store_asked(op, store->backend->append(store, op));
}


ngx_int_t
ngx_paygw_store_once(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    op->pending = NULL;
    op->delivery = 0;
    op->lease = 0;

    if (!ngx_paygw_store_valid(op)) {
        op->rc = NGX_ERROR;
        return NGX_ERROR;
    }

    ngx_paygw_store_began(store, op, NGX_PAYGW_METRICS_ONCE);

    return ngx_paygw_store_asked(op, store->backend->once(store, op));
}


ngx_int_t
ngx_paygw_store_limit(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_uint_t  i;

    op->pending = NULL;
    op->delivery = 0;
    op->rc = NGX_ERROR;

    for (i = 0; i < op->nlimits; i++) {

        if (!ngx_paygw_store_key_valid(&op->limits[i].key, op->log)) {
            return NGX_ERROR;
        }
    }

    ngx_paygw_store_began(store, op, NGX_PAYGW_METRICS_LIMIT);

    return ngx_paygw_store_asked(op, store->backend->limit(store, op));
}


ngx_int_t
ngx_paygw_store_begin(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    op->pending = NULL;
    op->delivery = 0;
    ngx_str_null(&op->run->answer);

    if (!ngx_paygw_store_valid(op)) {
        op->rc = NGX_ERROR;
        return NGX_ERROR;
    }

    op->token = ngx_paygw_store_token(store);
    ngx_paygw_store_began(store, op, NGX_PAYGW_METRICS_BEGIN);

    return ngx_paygw_store_asked(op, store->backend->begin(store, op));
}


ngx_int_t
ngx_paygw_store_finish(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    op->pending = NULL;

    if (!ngx_paygw_store_valid(op)
        || op->run->answer.len > NGX_PAYGW_STORE_ANSWER_MAX)
    {
        op->rc = NGX_ERROR;
        return NGX_ERROR;
    }

    if (op->run->answer.len == 0) {
        op->run->answer.data = NULL;
    }

    ngx_paygw_store_began(store, op, NGX_PAYGW_METRICS_FINISH);

    return ngx_paygw_store_asked(op, store->backend->finish(store, op));
}


ngx_int_t
ngx_paygw_store_book(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_int_t  rc;

    op->pending = NULL;

    if (!ngx_paygw_store_book_valid(op)) {
        op->rc = NGX_ERROR;
        return NGX_ERROR;
    }

    if (op->book->verb <= NGX_PAYGW_BOOK_LEARN) {
        op->token = ngx_paygw_store_token(store);
    }

    ngx_paygw_store_began(store, op, NGX_PAYGW_METRICS_BOOK);

    rc = store->backend->book(store, op);

    return ngx_paygw_store_asked(op, rc);
}


void
ngx_paygw_store_book_tell(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    op->handler = NULL;

    if (ngx_paygw_store_book(store, op) == NGX_ABORT) {
        ngx_paygw_book_disagrees(op->log, &op->key);
    }
}


/* an answer that is too long is not kept, and that is all */

static ngx_uint_t
ngx_paygw_store_book_valid(ngx_paygw_store_op_t *op)
{
    ngx_paygw_book_t  *book;

    book = op->book;

    op->lease = 0;
    ngx_str_null(&op->order);

    ngx_paygw_book_forget(book);

    if (!ngx_paygw_store_valid(op)) {
        return 0;
    }

    if (!ngx_paygw_book_valid(book)) {
        ngx_log_error(NGX_LOG_ERR, op->log, 0,
                      "store got invalid terms of order \"%V\"", &op->key);
        return 0;
    }

    if (book->answer.len > NGX_PAYGW_BOOK_ANSWER_MAX) {
        book->answer.len = 0;
    }

    return 1;
}


void
ngx_paygw_store_renew(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    if (ngx_paygw_store_valid(op)) {
        ngx_paygw_metrics_add(store->metrics, NGX_PAYGW_METRICS_ASKED
                                              + NGX_PAYGW_METRICS_RENEW);
        store->backend->renew(store, op);
    }
}


void
ngx_paygw_store_abandon(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    if (ngx_paygw_store_valid(op)) {
        ngx_paygw_metrics_add(store->metrics, NGX_PAYGW_METRICS_ASKED
                                              + NGX_PAYGW_METRICS_ABANDON);
        store->backend->abandon(store, op);
    }
}


void
ngx_paygw_store_cancel(ngx_paygw_store_op_t *op)
{
    ngx_paygw_store_pending_t  *pending;

    pending = op->pending;

    if (pending) {
        pending->backend->cancel(op);
    }
}


void
ngx_paygw_store_commit(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    if (ngx_paygw_store_valid(op)) {
        ngx_paygw_metrics_add(store->metrics, NGX_PAYGW_METRICS_ASKED
                                              + NGX_PAYGW_METRICS_COMMIT);
        store->backend->commit(store, op);
    }
}


void
ngx_paygw_store_release(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    if (ngx_paygw_store_valid(op)) {
        ngx_paygw_metrics_add(store->metrics, NGX_PAYGW_METRICS_ASKED
                                              + NGX_PAYGW_METRICS_RELEASE);
        store->backend->release(store, op);
    }
}


ngx_uint_t
ngx_paygw_store_streams(ngx_paygw_store_t *store)
{
    if (store->backend->streams == NULL) {
        return 0;
    }

    store->backend->streams(store);

    return 1;
}


ngx_uint_t
ngx_paygw_store_apart(ngx_paygw_store_t *store)
{
    return store->apart;
}


ngx_uint_t
ngx_paygw_store_together(ngx_paygw_store_t *store, ngx_str_t *channel,
    const ngx_str_t *stream)
{
    return store->backend->together == NULL
           || store->backend->together(store, channel, stream);
}


ngx_msec_t
ngx_paygw_store_timeout(ngx_paygw_store_t *store)
{
    return store->timeout;
}


ngx_int_t
ngx_paygw_store_init_process(ngx_paygw_store_t *store, ngx_cycle_t *cycle)
{
    ngx_paygw_store_seed(store);

    if (store->backend->init_process) {
        store->backend->init_process(store, cycle);
    }

    return NGX_OK;
}


void
ngx_paygw_store_exit_process(ngx_paygw_store_t *store)
{
    if (store->backend->exit_process) {
        store->backend->exit_process(store);
    }
}


void
ngx_paygw_store_metrics(ngx_paygw_store_t *store, ngx_paygw_metrics_t *m)
{
    store->metrics = m;
}


/* what answers at once is not worth a look at the clock */

static void
ngx_paygw_store_began(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op,
    ngx_paygw_metrics_store_e what)
{
    op->metrics = store->metrics;
    op->what = what;

    if (op->metrics == NULL) {
        return;
    }

    ngx_paygw_metrics_add(op->metrics, NGX_PAYGW_METRICS_ASKED + what);

    if (store->timeout) {
        op->began = ngx_paygw_metrics_now();
    }
}


static ngx_int_t
ngx_paygw_store_asked(ngx_paygw_store_op_t *op, ngx_int_t rc)
{
    op->rc = rc;

    if (rc == NGX_ERROR) {
        ngx_paygw_metrics_add(op->metrics, NGX_PAYGW_METRICS_FAILED
                                           + op->what);
    }

    return rc;
}


void
ngx_paygw_store_answered(ngx_paygw_store_op_t *op, ngx_uint_t sent)
{
    if (op->metrics == NULL) {
        return;
    }

    (void) ngx_paygw_store_asked(op, op->rc);

    if (!sent) {
        return;
    }

    ngx_paygw_metrics_observe(op->metrics,
                              NGX_PAYGW_METRICS_TIMES
                              + op->what * NGX_PAYGW_METRICS_HISTOGRAM,
                              ngx_paygw_metrics_now() - op->began);
}


void
ngx_paygw_store_failed(ngx_paygw_store_t *store,
    ngx_paygw_metrics_store_e what)
{
    ngx_paygw_metrics_add(store->metrics, NGX_PAYGW_METRICS_FAILED + what);
}


static ngx_uint_t
ngx_paygw_store_valid(ngx_paygw_store_op_t *op)
{
    if (!ngx_paygw_store_key_valid(&op->key, op->log)) {
        return 0;
    }

    if (op->order.len > NGX_PAYGW_STORE_KEY_MAX) {
        ngx_log_error(NGX_LOG_ERR, op->log, 0,
                      "store got an order id of %uz bytes", op->order.len);
        return 0;
    }

    if (op->book && op->order.len
        && (!ngx_paygw_book_terms_valid(&op->book->terms)
            || op->book->refund_id.len > NGX_PAYGW_BOOK_REFUND_MAX))
    {
        ngx_log_error(NGX_LOG_ERR, op->log, 0,
                      "store got invalid terms of order \"%V\"", &op->order);
        return 0;
    }

    if ((ngx_msec_int_t) op->keep <= 0 || (ngx_msec_int_t) op->lease < 0) {
        ngx_log_error(NGX_LOG_ERR, op->log, 0,
                      "store got an invalid time: lease %M, keep %M",
                      op->lease, op->keep);
        return 0;
    }

    return 1;
}


static ngx_uint_t
ngx_paygw_store_key_valid(ngx_str_t *key, ngx_log_t *log)
{
    if (key->len == 0 || key->len > NGX_PAYGW_STORE_KEY_MAX) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "store got an event id of %uz bytes", key->len);
        return 0;
    }

    return 1;
}


/*
 * A token tells one claim from every other one of the same event, whichever
 * worker, machine or generation made it.  It must not repeat; it is no secret.
 * Within a process it cannot repeat: the mix is a bijection of the counter.
 */

static uint64_t
ngx_paygw_store_token(ngx_paygw_store_t *store)
{
    uint64_t  token;

    if (store->pid != ngx_pid) {
        ngx_paygw_store_seed(store);
    }

    do {
        token = ngx_paygw_store_mix(store->seed[0] + store->count++)
                ^ store->seed[1];
    } while (token == 0);

    return token;
}


static void
ngx_paygw_store_seed(ngx_paygw_store_t *store)
{
    ssize_t   n;
    uint64_t  seed[2];

    n = getrandom(seed, sizeof(seed), GRND_NONBLOCK);

    if (n != (ssize_t) sizeof(seed)) {

        /* an old kernel, a filter, or a machine that has just booted */

        seed[0] = ((uint64_t) ngx_random() << 32) ^ (uint64_t) ngx_random();
        seed[1] = ((uint64_t) ngx_random() << 32) ^ (uint64_t) ngx_time();
    }

    seed[0] ^= ngx_paygw_store_mix(((uint64_t) ngx_pid << 32)
                                   ^ (uint64_t) ngx_current_msec);
    seed[1] ^= ngx_paygw_store_mix((uint64_t) (uintptr_t) store
                                   ^ (uint64_t) ngx_time());

    store->seed[0] = seed[0];
    store->seed[1] = seed[1];
    store->count = 0;
    store->pid = ngx_pid;
}


/* the finalizer of splitmix64 */

static uint64_t
ngx_paygw_store_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;

    return x ^ (x >> 31);
}
