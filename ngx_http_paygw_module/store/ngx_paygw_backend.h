
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_BACKEND_H_INCLUDED_
#define _NGX_PAYGW_BACKEND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_metrics.h"
#include "ngx_paygw_store.h"


/*
 * What a backend of the store provides; private to the store floor.
 *
 * When claim or begin is called, op->token is set, op->pending is NULL, and
 * the key and the times of every operation have been checked.  What ends those
 * is called with their token.  A backend that returns NGX_AGAIN sets
 * op->pending to something that begins with ngx_paygw_store_pending_t.  append
 * and streams are NULL in one that has no streams, together in one that keeps
 * all in one place; init_process and exit_process may be NULL.
 */


typedef struct {
    ngx_int_t           (*claim)(ngx_paygw_store_t *store,
                                 ngx_paygw_store_op_t *op);
    ngx_int_t           (*append)(ngx_paygw_store_t *store,
                                  ngx_paygw_store_op_t *op);
    void                (*streams)(ngx_paygw_store_t *store);
    void                (*cancel)(ngx_paygw_store_op_t *op);
    void                (*commit)(ngx_paygw_store_t *store,
                                  ngx_paygw_store_op_t *op);
    void                (*release)(ngx_paygw_store_t *store,
                                   ngx_paygw_store_op_t *op);
    void                (*init_process)(ngx_paygw_store_t *store,
                                        ngx_cycle_t *cycle);
    void                (*exit_process)(ngx_paygw_store_t *store);
    ngx_int_t           (*once)(ngx_paygw_store_t *store,
                                ngx_paygw_store_op_t *op);
    ngx_int_t           (*limit)(ngx_paygw_store_t *store,
                                 ngx_paygw_store_op_t *op);
    ngx_int_t           (*begin)(ngx_paygw_store_t *store,
                                 ngx_paygw_store_op_t *op);
    ngx_int_t           (*finish)(ngx_paygw_store_t *store,
                                  ngx_paygw_store_op_t *op);
    void                (*renew)(ngx_paygw_store_t *store,
                                 ngx_paygw_store_op_t *op);
    void                (*abandon)(ngx_paygw_store_t *store,
                                   ngx_paygw_store_op_t *op);
    ngx_int_t           (*book)(ngx_paygw_store_t *store,
                                ngx_paygw_store_op_t *op);
    ngx_uint_t          (*together)(ngx_paygw_store_t *store,
                                    ngx_str_t *channel,
                                    const ngx_str_t *stream);
} ngx_paygw_backend_t;


struct ngx_paygw_store_s {
    const ngx_paygw_backend_t   *backend;
    void                        *data;      /* the backend's own */
    ngx_msec_t                   timeout;   /* of an answer; 0: at once */
    ngx_uint_t                   apart;     /* keys have places of their own */
    ngx_paygw_metrics_t         *metrics;   /* NULL: nothing is counted */

    /* the source of fencing tokens, of one worker */
    uint64_t                     seed[2];
    uint64_t                     count;
    ngx_pid_t                    pid;       /* of the process seeded */
};


typedef struct {
    const ngx_paygw_backend_t   *backend;
} ngx_paygw_store_pending_t;


/*
 * Of a backend that returns NGX_AGAIN: op has its answer, in op->rc, and the
 * handler is about to be called; what nobody waits for has failed.  How long
 * it took counts if it was sent: of no use is how soon a connection is refused.
 */
void ngx_paygw_store_answered(ngx_paygw_store_op_t *op, ngx_uint_t sent);
void ngx_paygw_store_failed(ngx_paygw_store_t *store,
    ngx_paygw_metrics_store_e what);


/* the life of a record: never shorter than the lease that it holds */
#define ngx_paygw_store_life(op)                                              \
    ngx_max((op)->keep, (op)->lease)

/* an order has to be asked about, */
#define ngx_paygw_store_guards(op)                                            \
    ((op)->order.len                                                          \
     && ((op)->book || (op)->says != NGX_PAYGW_STORE_NOTHING))

/* or marked */
#define ngx_paygw_store_marks(op)                                             \
    ((op)->says != NGX_PAYGW_STORE_NOTHING                                    \
     && (op)->says < NGX_PAYGW_STORE_REFUNDED)


#endif /* _NGX_PAYGW_BACKEND_H_INCLUDED_ */
