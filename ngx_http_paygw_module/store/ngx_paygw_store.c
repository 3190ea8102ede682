
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <sys/random.h>
#include "ngx_paygw_store.h"
#include "ngx_paygw_backend.h"


static ngx_uint_t ngx_paygw_store_valid(ngx_paygw_store_op_t *op);
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

    op->token = ngx_paygw_store_token(store);
    op->rc = store->backend->claim(store, op);

    return op->rc;
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

    op->token = ngx_paygw_store_token(store);
    op->rc = store->backend->append(store, op);

    return op->rc;
}


ngx_int_t
ngx_paygw_store_once(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    op->pending = NULL;
    op->delivery = 0;
    op->lease = 0;

    op->rc = ngx_paygw_store_valid(op) ? store->backend->once(store, op)
                                       : NGX_ERROR;

    return op->rc;
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
        store->backend->commit(store, op);
    }
}


void
ngx_paygw_store_release(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    if (ngx_paygw_store_valid(op)) {
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


static ngx_uint_t
ngx_paygw_store_valid(ngx_paygw_store_op_t *op)
{
    if (op->key.len == 0 || op->key.len > NGX_PAYGW_STORE_KEY_MAX) {
        ngx_log_error(NGX_LOG_ERR, op->log, 0,
                      "store got an event id of %uz bytes", op->key.len);
        return 0;
    }

    if (op->order.len > NGX_PAYGW_STORE_KEY_MAX) {
        ngx_log_error(NGX_LOG_ERR, op->log, 0,
                      "store got an order id of %uz bytes", op->order.len);
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
