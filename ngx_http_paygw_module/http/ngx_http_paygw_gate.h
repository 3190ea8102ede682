
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_GATE_H_INCLUDED_
#define _NGX_HTTP_PAYGW_GATE_H_INCLUDED_


#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_batch.h"
#include "ngx_http_paygw_digest.h"


/*
 * The gate: what is asked of a request before its location has it.
 *
 *   READING --body--> parts ask --> ASKING the store --> parts decide
 *      |                  |                                  |    |
 *      +------------------+----------------------> REFUSED <-+    +-> PASSED
 *
 * ASKING is also the wait for the digest of a large body, before parts ask.
 *
 * Each part has a bit, and lcf->gate tells which of them a location has; they
 * stand in ngx_http_paygw_gate_parts[] in the order in which they are asked,
 * and in which they decide.  What all of them want of the store leaves in one
 * write, so no part waits for another one; a part that refuses before that
 * spares the ones behind it.
 *
 * To add a part: a bit here, its value of ngx_http_paygw_gate_part_t in the
 * table of ngx_http_paygw_gate.c, what it keeps of a request in the context,
 * and its bit in ngx_http_paygw_gate_merge().
 *
 * A part decides once a request, in the first location that has it, wherever
 * the request goes after that.  A refusal is a status that a phase handler
 * returns, as others in nginx do, so that "error_page" and "satisfy any" have
 * their say; ngx_http_paygw_problem.c makes the body of it.
 *
 * The context is found through a pool cleanup as well, since an internal
 * redirect wipes r->ctx.  It stands in the place of ngx_http_paygw_ack_module,
 * the other place is that of callbacks.
 */


#define NGX_HTTP_PAYGW_GATE_AUTH   0x01
#define NGX_HTTP_PAYGW_GATE_LIMIT  0x02
#define NGX_HTTP_PAYGW_GATE_IDEM   0x04


typedef struct ngx_http_paygw_idem_s  ngx_http_paygw_idem_t;


typedef enum {
    NGX_HTTP_PAYGW_GATE_READING = 0,
    NGX_HTTP_PAYGW_GATE_ASKING,
    NGX_HTTP_PAYGW_GATE_PASSED,
    NGX_HTTP_PAYGW_GATE_REFUSED
} ngx_http_paygw_gate_state_e;


typedef struct {
    ngx_http_request_t          *request;
    ngx_http_paygw_loc_conf_t   *at;          /* the location that asks now */
    ngx_http_paygw_gate_state_e  state;
    ngx_uint_t                   status;      /* of a refusal */
    ngx_msec_t                   began;       /* by ngx_current_msec */

    ngx_uint_t                   due;         /* parts of this turn, bits */
    ngx_uint_t                   done;        /* those that have decided */
    ngx_http_paygw_digest_t      digest;      /* of the body, if a part of
                                                 this turn wants it */
    ngx_http_paygw_batch_t       batch;

    /* of the authentication */
    ngx_http_paygw_loc_conf_t   *lcf;         /* the location that asked */
    ngx_paygw_call_t             call;        /* its reason: of any refusal */
    ngx_paygw_store_op_t        *nonce;

    struct ngx_http_paygw_limits_s  *limits;  /* NULL: not asked */
    time_t                       retry;       /* Retry-After, seconds */
    ngx_http_paygw_idem_t       *idem;        /* NULL: may be repeated */

    /* of an answer that is held back: see ngx_http_paygw_hold.h */
    ngx_uint_t                   hold;        /* ngx_http_paygw_hold_e */
    ngx_chain_t                 *rest;        /* what waits behind it */
    ngx_chain_t                 *held;
    ngx_chain_t                **last;
    ngx_buf_t                   *buf;         /* the last one, not full yet */
    size_t                       size;

    unsigned                     whole:1;     /* all of it is held */
    unsigned                     told:1;      /* a handler returned status */
    unsigned                     refusing:1;  /* the answer is a refusal */
    unsigned                     replace:1;   /* its body is to be ours */
    unsigned                     genuine:1;   /* the signature is right */
    unsigned                     authentic:1; /* and the nonce new */
} ngx_http_paygw_gate_ctx_t;


/*
 * A part.  Its functions return NGX_OK, or what ngx_http_paygw_gate_refuse()
 * does; ctx->at is the location.
 *
 *   start     before the body is read; may be NULL
 *   ask       the body and ctx->digest are there, if the part wants them or
 *             another did: adds its operations to ctx->batch and keeps their
 *             addresses.  What it evaluates may depend on parts before it
 *   decide    the operations have answered, each in its rc
 *   undo      a part before it has refused, after the store was asked: gives
 *             back what it took, without waiting; may be NULL
 */
typedef struct {
    ngx_uint_t                   bit;
    ngx_uint_t                   body;        /* it wants the body */

    ngx_int_t                  (*start)(ngx_http_paygw_gate_ctx_t *ctx);
    ngx_int_t                  (*ask)(ngx_http_paygw_gate_ctx_t *ctx);
    ngx_int_t                  (*decide)(ngx_http_paygw_gate_ctx_t *ctx);
    void                       (*undo)(ngx_http_paygw_gate_ctx_t *ctx);
} ngx_http_paygw_gate_part_t;


/* NULL if the request has not been looked at */
ngx_http_paygw_gate_ctx_t *ngx_http_paygw_gate_ctx(ngx_http_request_t *r);
ngx_http_paygw_gate_ctx_t *ngx_http_paygw_gate_ctx_create(
    ngx_http_request_t *r);

/* refuses the request: sets reason, status and state; NGX_DECLINED */
ngx_int_t ngx_http_paygw_gate_refuse(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_paygw_reason_e reason);

/*
 * The level of a line that could repeat itself with each request: once in a
 * while it is one to see.  last is when it was, zeroed at first.
 */
ngx_uint_t ngx_http_paygw_gate_level(ngx_msec_t *last);

/*
 * What the handlers of the phases return in a location that has lcf->gate:
 * NGX_DECLINED, or NGX_OK in the access phase, to go on; NGX_DONE, the request
 * waits; or a status.  Precontent is for what "satisfy any" has left out.
 */
ngx_int_t ngx_http_paygw_gate_rewrite(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf);
ngx_int_t ngx_http_paygw_gate_access(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf);
ngx_int_t ngx_http_paygw_gate_precontent(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf);

/*
 * What is answered from now on is no refusal of ours: another check has let the
 * request pass, or an error page is to answer.
 */
void ngx_http_paygw_gate_over(ngx_http_request_t *r);

/* which parts a location has, when it is merged and they are */
void ngx_http_paygw_gate_merge(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf);


#endif /* _NGX_HTTP_PAYGW_GATE_H_INCLUDED_ */
