
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_BACKEND_H_INCLUDED_
#define _NGX_PAYGW_BACKEND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_store.h"


/*
 * What a backend of the store provides; private to the store floor.
 *
 * When claim is called, op->token is set, op->pending is NULL, and the key
 * and the times of every operation have been checked.  commit and release are
 * called with the token of the claim.  A backend that returns NGX_AGAIN from
 * claim or append sets op->pending to something that begins with
 * ngx_paygw_store_pending_t.  append and streams are NULL in one that has no
 * streams; init_process and exit_process may be NULL.
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
} ngx_paygw_backend_t;


struct ngx_paygw_store_s {
    const ngx_paygw_backend_t   *backend;
    void                        *data;      /* the backend's own */
    ngx_msec_t                   timeout;   /* of an answer; 0: at once */

    /* the source of fencing tokens, of one worker */
    uint64_t                     seed[2];
    uint64_t                     count;
    ngx_pid_t                    pid;       /* of the process seeded */
};


typedef struct {
    const ngx_paygw_backend_t   *backend;
} ngx_paygw_store_pending_t;


/* the life of a record: never shorter than the lease that it holds */
#define ngx_paygw_store_life(op)                                              \
    ngx_max((op)->keep, (op)->lease)

/* an order has to be asked about, or marked */
#define ngx_paygw_store_guards(op)                                            \
    ((op)->order.len && (op)->says != NGX_PAYGW_STORE_NOTHING)


#endif /* _NGX_PAYGW_BACKEND_H_INCLUDED_ */
