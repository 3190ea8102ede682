
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_API_BOOK_H_INCLUDED_
#define _NGX_HTTP_PAYGW_API_BOOK_H_INCLUDED_


#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_pass.h"
#include "ngx_paygw_order.h"


/*
 * What paygw_api does with the book of orders (ngx_paygw_book.h), before a call
 * and after it:
 *
 *   create         binding creates the record before anything is sent; one
 *                  that is there tells the ref of a repetition
 *   others         look, for the ref; a state that is final and fresh is told
 *                  without a call
 *   refund         is held before it is sent, of an order that is known to be
 *                  paid: what the book does not know is asked for first
 *   any answer     moves the order, confirms or gives back the refund; and what
 *                  the caller hears is what both know
 *
 *   ngx_http_paygw_api_book.c     the steps, orders
 *   ngx_http_paygw_api_refund.c   refunds, and questions about them:
 *   ngx_http_paygw_api_refund_query.c
 *   ngx_http_paygw_api_status.c   paygw_status_cache, and what is told of both
 */


/* what follows a step, with its result; it takes the operation further */
typedef void (*ngx_http_paygw_api_next_pt)(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc);


/* of an operation */
typedef struct {
    ngx_paygw_store_op_t         op;
    ngx_paygw_book_t             entry;     /* of the step */
    ngx_http_paygw_api_next_pt   next;
    ngx_str_t                    key;       /* of the order */

    /* the order, as it was told last */
    ngx_paygw_book_state_e       state;
    ngx_paygw_book_terms_t       terms;
    ngx_str_t                    note;
    time_t                       expires;

    unsigned                     on:1;
    unsigned                     down:1;    /* the store did not answer */
    unsigned                     had:1;     /* the order, before it is made */
    unsigned                     said:1;    /* the caller has said the ref */
    unsigned                     own:1;     /* that of the refund */
    unsigned                     stray:1;   /* which is not that of the refund
                                               in the book */
    unsigned                     counted:1; /* this call is one of those that
                                               hold the refund */
    unsigned                     done:1;    /* the refund is, says the book */
    unsigned                     asking:1;  /* the order is asked for, before a
                                               refund of it, */
    unsigned                     asked:1;   /* and was */
} ngx_http_paygw_api_book_t;


/* ngx_http_paygw_api_book.c */

/*
 * Once there is a call, before the order is checked; anew of another channel,
 * while nothing is under way: NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_paygw_api_book_open(ngx_http_paygw_api_ctx_t *ctx);

/* goes on with ngx_http_paygw_api_go(), or replies */
void ngx_http_paygw_api_book_begin(ngx_http_paygw_api_ctx_t *ctx);

/*
 * Of a call that is about to create an order: its terms, unless build() has
 * found them; then once it is in the book: NGX_OK, the call is sent as it is;
 * NGX_DONE, it goes on otherwise, or has ended.
 */
void ngx_http_paygw_api_book_terms(ngx_http_paygw_pass_ctx_t *call);
ngx_int_t ngx_http_paygw_api_booked(ngx_http_paygw_pass_ctx_t *call);

/* the call is over, with order.code: notes what it says, then replies */
void ngx_http_paygw_api_book_end(ngx_http_paygw_api_ctx_t *ctx);

/* nothing of it is sent: of what the book says */
void ngx_http_paygw_api_book_refuse(ngx_http_paygw_api_ctx_t *ctx,
    ngx_paygw_code_e code);

/* an empty entry of the order, and what is asked with it */
ngx_paygw_book_t *ngx_http_paygw_api_book_entry(ngx_http_paygw_api_ctx_t *ctx);
void ngx_http_paygw_api_book_step(ngx_http_paygw_api_ctx_t *ctx,
    ngx_paygw_book_verb_e verb, ngx_http_paygw_api_next_pt next);

/* 1 if the caller has said the ref of another order: it is refused */
ngx_uint_t ngx_http_paygw_api_book_stray(ngx_http_paygw_api_ctx_t *ctx);

/* the ref that the order was noted with, unless there is one */
void ngx_http_paygw_api_book_ref(ngx_http_paygw_api_ctx_t *ctx);


/* ngx_http_paygw_api_refund.c */

void ngx_http_paygw_api_refund_begin(ngx_http_paygw_api_ctx_t *ctx);

/* the answer to the question before a refund */
void ngx_http_paygw_api_refund_asked(ngx_http_paygw_api_ctx_t *ctx);

/* as book_end() and, of what is not sent at all, without waiting */
void ngx_http_paygw_api_refund_end(ngx_http_paygw_api_ctx_t *ctx);
void ngx_http_paygw_api_refund_undo(ngx_http_paygw_api_ctx_t *ctx);


/* ngx_http_paygw_api_refund_query.c */

/* before a question, and if the provider has not found what is asked for */
void ngx_http_paygw_api_refund_look(ngx_http_paygw_api_ctx_t *ctx);
void ngx_http_paygw_api_refund_absent(ngx_http_paygw_api_ctx_t *ctx);


/* ngx_http_paygw_api_status.c */

/* the setter of "paygw_status_cache"; and when locations are merged */
char *ngx_http_paygw_api_status_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
void ngx_http_paygw_api_status_merge(ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf);

/* the state of the book that the provider's is; NONE if he has not said it */
ngx_paygw_book_state_e ngx_http_paygw_api_status_of(ngx_paygw_state_e state);

/* 1 if what he says is of another amount or currency than that of the book */
ngx_uint_t ngx_http_paygw_api_status_differs(ngx_http_paygw_api_ctx_t *ctx);

/*
 * 1 if the provider has nothing of an order that nobody can pay any more, as he
 * was told when it was made.
 */
ngx_uint_t ngx_http_paygw_api_status_over(ngx_http_paygw_api_ctx_t *ctx);

/* order.told is what both know, or what the book alone does */
void ngx_http_paygw_api_status_merged(ngx_http_paygw_api_ctx_t *ctx);
void ngx_http_paygw_api_status_noted(ngx_http_paygw_api_ctx_t *ctx);

/*
 * The answer of another call, which a look has told: NGX_OK, it is in
 * order.told; NGX_DECLINED.  And one that is to be kept, if it can be.
 */
ngx_int_t ngx_http_paygw_api_status_kept(ngx_http_paygw_api_ctx_t *ctx);
void ngx_http_paygw_api_status_keep(ngx_http_paygw_api_ctx_t *ctx);


#endif /* _NGX_HTTP_PAYGW_API_BOOK_H_INCLUDED_ */
