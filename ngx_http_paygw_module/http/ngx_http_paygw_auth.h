
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_AUTH_H_INCLUDED_
#define _NGX_HTTP_PAYGW_AUTH_H_INCLUDED_


#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_batch.h"
#include "ngx_http_paygw_variables.h"


/*
 * A merchant's call in a worker.
 *
 *   READING --body--> verify --> ASKING the store --> PASSED
 *      |                |             |
 *      +----------------+-------------+-------------> REFUSED
 *
 * A request is authenticated once, wherever it goes after that: what follows
 * looks at the state, and at whether the merchant is one of that location.  A
 * refusal is a status that a phase handler returns, as others in nginx do, so
 * that "error_page" and "satisfy any" have their say;
 * ngx_http_paygw_problem.c makes the body of it.
 *
 * The context is found through a pool cleanup as well, since an internal
 * redirect wipes r->ctx.  It stands in the place of ngx_http_paygw_ack_module,
 * the other place is that of callbacks.
 */
typedef enum {
    NGX_HTTP_PAYGW_AUTH_READING = 0,
    NGX_HTTP_PAYGW_AUTH_ASKING,
    NGX_HTTP_PAYGW_AUTH_PASSED,
    NGX_HTTP_PAYGW_AUTH_REFUSED
} ngx_http_paygw_auth_state_e;


typedef struct {
    ngx_http_request_t          *request;
    ngx_http_paygw_loc_conf_t   *lcf;         /* of the location that asked */
    ngx_http_paygw_auth_state_e  state;
    ngx_uint_t                   status;      /* of a refusal */

    ngx_paygw_call_t             call;
    ngx_http_paygw_batch_t       batch;

    /* of an answer that is signed */
    ngx_chain_t                 *held;
    ngx_chain_t                **last;
    ngx_buf_t                   *buf;         /* the last one, not full yet */
    size_t                       size;

    unsigned                     refusing:1;  /* the answer is a refusal */
    unsigned                     replace:1;   /* its body is to be ours */
    unsigned                     genuine:1;   /* the signature is right */
    unsigned                     holding:1;   /* the answer is held back */
    unsigned                     sealed:1;    /* and has been signed */
} ngx_http_paygw_auth_ctx_t;


/* NULL if the request has not been looked at */
ngx_http_paygw_auth_ctx_t *ngx_http_paygw_auth_ctx(ngx_http_request_t *r);
ngx_http_paygw_auth_ctx_t *ngx_http_paygw_auth_ctx_create(
    ngx_http_request_t *r, ngx_http_paygw_loc_conf_t *lcf);

/*
 * What the handlers of the phases return in a location that has paygw_auth.
 * Access: NGX_OK, go on; NGX_DONE, the request waits; or a status.  Rewrite:
 * the same with NGX_DECLINED to go on.
 */
ngx_int_t ngx_http_paygw_auth_access(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf);
ngx_int_t ngx_http_paygw_auth_rewrite(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf);

/*
 * What is answered from now on is no refusal of ours: another check has let the
 * request pass, or an error page is to answer.
 */
void ngx_http_paygw_auth_over(ngx_http_request_t *r);

/*
 * ctx->call: what the configuration and the fields say of it; all that can be
 * refused before a byte of the body is read; and the rest, up to the signature.
 * The last two return as the functions of ngx_paygw_call.h do.
 */
void ngx_http_paygw_auth_fill(ngx_http_paygw_auth_ctx_t *ctx);
ngx_int_t ngx_http_paygw_auth_before(ngx_http_paygw_auth_ctx_t *ctx);
ngx_int_t ngx_http_paygw_auth_verify(ngx_http_paygw_auth_ctx_t *ctx);

/* refuses for call->reason: sets state and status, and logs */
void ngx_http_paygw_auth_refuse(ngx_http_paygw_auth_ctx_t *ctx);

/* $paygw_merchant, _key_id, _result, _reason; empty if there is nothing */
void ngx_http_paygw_auth_value(ngx_http_request_t *r,
    ngx_http_paygw_value_e which, ngx_str_t *value);


/* the words of an answer that is a refusal: of its reason, JSON */
ngx_uint_t ngx_http_paygw_problem_status(ngx_paygw_reason_e reason);

/* puts the filter in place that makes them: postconfiguration */
ngx_int_t ngx_http_paygw_problem_init(ngx_conf_t *cf);

/* the same for the one that signs answers */
void ngx_http_paygw_seal_init(void);


#endif /* _NGX_HTTP_PAYGW_AUTH_H_INCLUDED_ */
