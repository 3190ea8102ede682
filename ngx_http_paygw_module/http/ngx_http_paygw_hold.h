
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_HOLD_H_INCLUDED_
#define _NGX_HTTP_PAYGW_HOLD_H_INCLUDED_


#include "ngx_http_paygw_gate.h"


/*
 * Answers that are held back until their end, as they would go to the client,
 * below all filters that change them: to be signed, or to be kept for a call
 * that may come again, or both.
 *
 *   header --> HOLD --last byte--> kept by the store --> signed --> sent
 *               |
 *               +--more than is kept, and not signed--> PAUSE until the store
 *                                                       knows, then passes
 */


typedef enum {
    NGX_HTTP_PAYGW_HOLD_NOT = 0,
    NGX_HTTP_PAYGW_HOLD_COPY,     /* what comes is copied */
    NGX_HTTP_PAYGW_HOLD_PAUSE,    /* what comes has to wait where it is */
    NGX_HTTP_PAYGW_HOLD_END,      /* all is there, the store is asked */
    NGX_HTTP_PAYGW_HOLD_SENT
} ngx_http_paygw_hold_e;


/* puts the filters in place */
void ngx_http_paygw_hold_init(void);

/*
 * Sends the answer of r->headers_out with a body in memory, as if it had been
 * held back; returns as a content handler does.
 */
ngx_int_t ngx_http_paygw_hold_answer(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_str_t *body);

/* the store has answered: what waits goes on */
void ngx_http_paygw_hold_resume(ngx_http_paygw_gate_ctx_t *ctx);


/* ngx_http_paygw_seal.c: signs what is held, by fields of the answer */
ngx_int_t ngx_http_paygw_seal(ngx_http_paygw_gate_ctx_t *ctx);


#endif /* _NGX_HTTP_PAYGW_HOLD_H_INCLUDED_ */
