
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_BATCH_H_INCLUDED_
#define _NGX_HTTP_PAYGW_BATCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_store.h"


/*
 * Operations of the store that a request makes at the same time: they leave in
 * one turn of the event loop, which for Redis is one write, and the request
 * goes on when all have answered.
 *
 *   add, fill in the operation (key, times), add, ...; run: NGX_OK, all have
 *   answered, each in its op->rc; NGX_AGAIN, handler will be called once
 *
 * A batch lives as long as the request, and may be run again with others.
 */


#define NGX_HTTP_PAYGW_BATCH_MAX  6    /* a nonce, limits, and one more */


typedef struct ngx_http_paygw_batch_s  ngx_http_paygw_batch_t;

typedef ngx_int_t (*ngx_http_paygw_batch_start_pt)(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

struct ngx_http_paygw_batch_s {
    ngx_paygw_store_op_t            ops[NGX_HTTP_PAYGW_BATCH_MAX];
    ngx_http_paygw_batch_start_pt   start[NGX_HTTP_PAYGW_BATCH_MAX];
    ngx_uint_t                      n;
    ngx_uint_t                      waiting;

    void                          (*handler)(ngx_http_paygw_batch_t *batch);
    void                           *data;
};


/* an operation with its log set, or NULL if there is no room for it */
ngx_paygw_store_op_t *ngx_http_paygw_batch_add(ngx_http_paygw_batch_t *batch,
    ngx_http_paygw_batch_start_pt start, ngx_log_t *log);

ngx_int_t ngx_http_paygw_batch_run(ngx_http_paygw_batch_t *batch,
    ngx_paygw_store_t *store);

/* forgets what is under way; legal at any time */
void ngx_http_paygw_batch_cancel(ngx_http_paygw_batch_t *batch);


#endif /* _NGX_HTTP_PAYGW_BATCH_H_INCLUDED_ */
