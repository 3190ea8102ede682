
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_batch.h"


static void ngx_http_paygw_batch_answered(ngx_paygw_store_op_t *op);


ngx_paygw_store_op_t *
ngx_http_paygw_batch_add(ngx_http_paygw_batch_t *batch,
    ngx_http_paygw_batch_start_pt start, ngx_log_t *log)
{
    ngx_paygw_store_op_t  *op;

    if (batch->n == NGX_HTTP_PAYGW_BATCH_MAX) {
        return NULL;
    }

    batch->start[batch->n] = start;

    op = &batch->ops[batch->n++];

    ngx_memzero(op, sizeof(ngx_paygw_store_op_t));

    op->log = log;
    op->handler = ngx_http_paygw_batch_answered;
    op->data = batch;

    return op;
}


ngx_int_t
ngx_http_paygw_batch_run(ngx_http_paygw_batch_t *batch,
    ngx_paygw_store_t *store)
{
    ngx_uint_t  i;

    batch->waiting = 0;

    for (i = 0; i < batch->n; i++) {
        if (batch->start[i](store, &batch->ops[i]) == NGX_AGAIN) {
            batch->waiting++;
        }
    }

    return batch->waiting ? NGX_AGAIN : NGX_OK;
}


/* from the event loop, never from within a start */

static void
ngx_http_paygw_batch_answered(ngx_paygw_store_op_t *op)
{
    ngx_http_paygw_batch_t *batch = op->data;

    if (--batch->waiting == 0) {
        batch->handler(batch);
    }
}


void
ngx_http_paygw_batch_cancel(ngx_http_paygw_batch_t *batch)
{
    ngx_uint_t  i;

    for (i = 0; i < batch->n; i++) {
        ngx_paygw_store_cancel(&batch->ops[i]);
    }

    batch->n = 0;
    batch->waiting = 0;
}
