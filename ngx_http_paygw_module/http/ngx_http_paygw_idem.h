
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_IDEM_H_INCLUDED_
#define _NGX_HTTP_PAYGW_IDEM_H_INCLUDED_


#include "ngx_http_paygw_gate.h"
#include "ngx_paygw_answer.h"


/*
 * paygw_idempotency: a part of the gate, and what becomes of its call after
 * that.
 *
 *   ASKED --begun--> RUNNING --an answer that is final--> FINISHING --> ENDED
 *     |                |                                                  ^
 *     |                +--any other answer, or none: abandoned------------+
 *     +--finished before--> KEPT --> REPLAYED
 *
 * While it is RUNNING the lease is renewed, whatever takes its time.
 */
typedef enum {
    NGX_HTTP_PAYGW_IDEM_ASKED = 0,
    NGX_HTTP_PAYGW_IDEM_RUNNING,
    NGX_HTTP_PAYGW_IDEM_FINISHING,
    NGX_HTTP_PAYGW_IDEM_ENDED,
    NGX_HTTP_PAYGW_IDEM_KEPT,
    NGX_HTTP_PAYGW_IDEM_REPLAYED,
    NGX_HTTP_PAYGW_IDEM_REFUSED
} ngx_http_paygw_idem_state_e;


struct ngx_http_paygw_idem_s {
    ngx_http_paygw_idem_conf_t  *conf;
    ngx_http_paygw_idem_state_e  state;

    ngx_paygw_store_op_t        *begin;       /* in the batch, until decided */
    ngx_paygw_store_op_t         op;          /* of all that follows */
    ngx_paygw_store_run_t        run;

    ngx_event_t                  timer;       /* renews the lease */
    ngx_connection_t             fake;        /* timer.data: debug logs read
                                                 its fd */

    ngx_http_handler_pt          content;     /* asked in our place */
    ngx_paygw_answer_t           answer;      /* KEPT */

    unsigned                     exceeded:1;  /* the answer is too large */
};


extern const ngx_http_paygw_gate_part_t  ngx_http_paygw_idem_part;


/*
 * Answers with what is kept: NGX_DONE, the request is finalized; NGX_DECLINED,
 * there is nothing to answer with.
 */
ngx_int_t ngx_http_paygw_idem_replay(ngx_http_request_t *r);

/* whatever location has the call now: its content handler begins with ours */
void ngx_http_paygw_idem_content(ngx_http_request_t *r);

/* $paygw_idempotency; empty if the call may be repeated as it is */
void ngx_http_paygw_idem_value(ngx_http_request_t *r, ngx_str_t *value);

/* releases what the request holds, at its end: forgets what is under way */
void ngx_http_paygw_idem_close(ngx_http_paygw_gate_ctx_t *ctx);


/* ngx_http_paygw_idem_run.c */

/* the store has begun it: from now on its lease is renewed; and gives it up */
void ngx_http_paygw_idem_run(ngx_http_paygw_gate_ctx_t *ctx);
void ngx_http_paygw_idem_abandon(ngx_http_paygw_gate_ctx_t *ctx);

/*
 * An answer, which is held back: a header of it; size bytes of its body are
 * there; all is there; it is withheld, and done tells whether the call is.
 */
void ngx_http_paygw_idem_header(ngx_http_paygw_gate_ctx_t *ctx);
void ngx_http_paygw_idem_body(ngx_http_paygw_gate_ctx_t *ctx, size_t size);
void ngx_http_paygw_idem_end(ngx_http_paygw_gate_ctx_t *ctx);
void ngx_http_paygw_idem_give_up(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_uint_t done);

/* 1 if the answer has to wait for the store, or for its own end */
ngx_uint_t ngx_http_paygw_idem_waits(ngx_http_paygw_gate_ctx_t *ctx);

/* 1 if it is too large to be kept */
#define ngx_http_paygw_idem_exceeded(ctx)                                     \
    ((ctx)->idem && (ctx)->idem->exceeded)


/* ngx_http_paygw_idem_answer.c */

/* 1 if the answer whose header is there is the end of the call */
ngx_uint_t ngx_http_paygw_idem_final(ngx_http_request_t *r);

/* the text of the answer that is held; empty if it cannot be kept */
ngx_int_t ngx_http_paygw_idem_pack(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_str_t *text);

/* the header of the answer to be, from one that was kept: NGX_OK, NGX_ERROR */
ngx_int_t ngx_http_paygw_idem_unpack(ngx_http_request_t *r,
    ngx_paygw_answer_t *answer);


#endif /* _NGX_HTTP_PAYGW_IDEM_H_INCLUDED_ */
