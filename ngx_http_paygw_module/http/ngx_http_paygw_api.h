
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_API_H_INCLUDED_
#define _NGX_HTTP_PAYGW_API_H_INCLUDED_


#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_pass.h"
#include "ngx_http_paygw_api_book.h"
#include "ngx_paygw_order.h"


/*
 * paygw_api: orders and refunds in one form for all providers.  A translator
 * above the calls of paygw_pass: it fills the provider's request and reads what
 * has been verified of its answer.
 *
 *   ngx_http_paygw_api_conf.c    its directive
 *   ngx_http_paygw_api.c         the operation: from the body to the answer
 *   ngx_http_paygw_api_route.c   which operation a URI is, of which channel
 *   ngx_http_paygw_api_home.c    where an order is, and is to be made
 *   ngx_http_paygw_api_pick.c    a channel of a route
 *   ngx_http_paygw_api_look.c    what is there, where it is refused for that
 *   ngx_http_paygw_api_reply.c   what the caller gets
 *   ngx_http_paygw_api_book.c    what is remembered of it
 */


typedef struct ngx_http_paygw_api_home_s  ngx_http_paygw_api_home_t;


/* paygw_api of a location; constant once merged */
struct ngx_http_paygw_api_conf_s {
    ngx_http_paygw_pass_conf_t  *calls;       /* one for each channel */
    ngx_uint_t                   ncalls;
    ngx_http_paygw_route_t      *route;       /* whose channels they are, in
                                                 its order; NULL: are named */
    ngx_str_t                    home;        /* of orders, the name in the
                                                 store; empty: none */
    ngx_str_t                    prefix;      /* of the location */
    ngx_int_t                    request_id;  /* index of the variable */
    ngx_uint_t                   resolved;    /* unsigned:1 */
};


/* what was refused, while it is asked what is there */
typedef struct {
    ngx_paygw_op_e               op;
    ngx_paygw_code_e             code;
    ngx_str_t                    word;        /* of the provider */
    ngx_uint_t                   tries;       /* of the call */

    unsigned                     under_way:1;
    unsigned                     known:1;     /* the answer tells the state */
} ngx_http_paygw_api_look_t;


/* one operation in a worker */
struct ngx_http_paygw_api_ctx_s {
    ngx_http_request_t          *request;
    ngx_http_paygw_loc_conf_t   *lcf;
    ngx_http_paygw_api_conf_t   *conf;
    ngx_http_paygw_pass_ctx_t   *call;        /* NULL: no channel yet */
    ngx_http_paygw_api_home_t   *home;        /* NULL: not looked for */
    ngx_paygw_order_t            order;
    ngx_str_t                    body;
    ngx_http_paygw_api_book_t    book;
    ngx_http_paygw_api_look_t    look;

    unsigned                     opened:1;    /* events, by their token */
    unsigned                     started:1;   /* it is no question for events */
    unsigned                     routed:1;    /* order.op is what was asked */
    unsigned                     answered:1;  /* order.code is decided */
};


/* ngx_http_paygw_api_conf.c */

/* the setter of "paygw_api" */
char *ngx_http_paygw_api_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* when a location is merged */
char *ngx_http_paygw_api_merge(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *prev, ngx_http_paygw_loc_conf_t *conf);


/* ngx_http_paygw_api.c: the content handler */

ngx_int_t ngx_http_paygw_api_handler(ngx_http_request_t *r);

/*
 * The channel is known, rc NGX_OK, or why there is none: asks it, or ends the
 * request.
 */
void ngx_http_paygw_api_found(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_conf_t *call, ngx_int_t rc);

/* an operation of nothing yet; NULL if memory is short */
ngx_http_paygw_api_ctx_t *ngx_http_paygw_api_create(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf);

/* the operation of a request, NULL if it is none */
ngx_http_paygw_api_ctx_t *ngx_http_paygw_api_ctx(ngx_http_request_t *r);

/*
 * Steps of an operation: it is checked, and the call begins, or goes on; the
 * provider's request is made, as orders->ask(); nothing is sent, by order.code,
 * or by NGX_ERROR.
 */
void ngx_http_paygw_api_go(ngx_http_paygw_api_ctx_t *ctx);
ngx_int_t ngx_http_paygw_api_ask(ngx_http_paygw_api_ctx_t *ctx);
void ngx_http_paygw_api_refuse(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc);

/*
 * For the call: its answer is verified, or was made without one; it is over
 * without an answer, with call->result.  Both end the request, or go on with
 * the next step.
 */
void ngx_http_paygw_api_answered(ngx_http_paygw_pass_ctx_t *call);
void ngx_http_paygw_api_failed(ngx_http_paygw_pass_ctx_t *call);

/*
 * 1 if a verified answer that is not the last word, since the call is sent
 * again, leaves open whether it was done
 */
ngx_uint_t ngx_http_paygw_api_unclear(ngx_http_paygw_pass_ctx_t *call);


/*
 * ngx_http_paygw_api_route.c.  The operation and the ids of the URI; then, with
 * the body's word in order.channel, the channel.  NGX_OK; NGX_DECLINED with
 * order.code; NGX_ERROR.
 */

ngx_int_t ngx_http_paygw_api_route(ngx_http_paygw_api_ctx_t *ctx);
ngx_int_t ngx_http_paygw_api_channel(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_conf_t **call);


/*
 * ngx_http_paygw_api_look.c.  A verified answer has refused it: NGX_OK, it is
 * asked what is there, which goes on; NGX_DECLINED.  Then the answer to that,
 * verified, in order: which is about what was refused again, with a code and
 * what is told.  Or there is none that could be used: 1, and the same with the
 * refusal alone; 0, nothing was asked.
 */

ngx_int_t ngx_http_paygw_api_look(ngx_http_paygw_api_ctx_t *ctx);
void ngx_http_paygw_api_looked(ngx_http_paygw_api_ctx_t *ctx);
ngx_uint_t ngx_http_paygw_api_look_failed(ngx_http_paygw_api_ctx_t *ctx);


/* ngx_http_paygw_api_reply.c: the answer of order.code; ends the request */

void ngx_http_paygw_api_reply(ngx_http_paygw_api_ctx_t *ctx);

/* the answer was a file, which streamed: how that has ended */
void ngx_http_paygw_api_streamed(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_result_e result);

/*
 * As ngx_http_paygw_pass_value(): what is verified of the answer, and amount
 * and currency of an order that was sent, or made here.
 */
ngx_int_t ngx_http_paygw_api_value(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_value_e which, ngx_str_t *value);


#endif /* _NGX_HTTP_PAYGW_API_H_INCLUDED_ */
