
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_GENERIC_CALL_H_INCLUDED_
#define _NGX_PAYGW_GENERIC_CALL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_generic.h"


/*
 * Calls of a configured provider; nobody else includes this.
 *
 *   ngx_paygw_generic_call.c         the parameters "request_..."
 *   ngx_paygw_generic_call_kind.c    those about its kind and its answer
 *   ngx_paygw_generic_call_check.c   whether they make a whole
 *   ngx_paygw_generic_request.c      a request, signed
 *   ngx_paygw_generic_edit.c         what is added to its parts
 *   ngx_paygw_generic_answer.c       its answer, verified
 *   ngx_paygw_generic_reply.c        what the caller gets of that
 */


#define NGX_PAYGW_GENERIC_SETS  16


typedef enum {
    NGX_PAYGW_GENERIC_HEADER = 0,
    NGX_PAYGW_GENERIC_QUERY,
    NGX_PAYGW_GENERIC_FORM,
    NGX_PAYGW_GENERIC_JSON,
    NGX_PAYGW_GENERIC_XML,
    NGX_PAYGW_GENERIC_PLACES
} ngx_paygw_generic_place_e;


/* what is added to a request */
typedef struct {
    ngx_paygw_generic_place_e    place;
    ngx_str_t                    name;      /* ended by a NUL */
    u_char                      *lowcase;   /* of a header field */
    ngx_paygw_expr_t            *expr;
    unsigned                     number:1;  /* a number of JSON */
    unsigned                     late:1;    /* it needs the signature */
    unsigned                     passed:1;  /* the caller's, if it is there */
} ngx_paygw_generic_set_t;


/* of the request, and where the answer says the same */
typedef struct {
    ngx_paygw_expr_t            *told;
    ngx_paygw_expr_t            *asked;     /* sent() of an expression */
} ngx_paygw_generic_about_t;


typedef struct ngx_paygw_generic_call_s  ngx_paygw_generic_call_t;

struct ngx_paygw_generic_call_s {

    /* the request */
    ngx_paygw_expr_env_t         env;
    ngx_paygw_generic_algorithm_e  algorithm;
    const ngx_paygw_hash_t      *hash;
    const ngx_paygw_scheme_t    *scheme;
    ngx_str_t                    secret;
    ngx_paygw_key_t             *key;
    ngx_paygw_expr_t            *signed_text;
    ngx_paygw_generic_set_t      sets[NGX_PAYGW_GENERIC_SETS];
    ngx_uint_t                   nsets;
    ngx_array_t                 *types;     /* of ngx_str_t */
    ngx_array_t                 *require;   /* of
                                               ngx_paygw_generic_require_t */
    ngx_str_t                    idempotency;  /* name of a header field */
    u_char                      *idempotency_low;
    ngx_uint_t                   ikey;      /* index of it in env.headers */

    /* what kind of call it is */
    ngx_paygw_expr_t            *operation; /* NULL: method and path */
    ngx_array_t                 *reads;     /* of ngx_str_t, as the others */
    ngx_array_t                 *once;
    ngx_array_t                 *bare;      /* without a signature */

    /* the answer: as of a callback, with a channel of its own */
    ngx_paygw_generic_conf_t     answer;
    ngx_paygw_channel_t          channel;
    ngx_uint_t                   bare_all;  /* "answers unsigned"; unsigned:1
                                             */
    ngx_array_t                 *about;     /* of ngx_paygw_generic_about_t */
    ngx_array_t                 *retry;     /* of
                                               ngx_paygw_generic_require_t */
    ngx_array_t                 *success;   /* the same */
    ngx_paygw_expr_t            *sorted;    /* what is signed of a body that is
                                               not signed as a whole */
};


/* one call: x->data */
typedef struct {
    ngx_paygw_notify_t           asked;     /* the caller's request, */
    ngx_paygw_notify_t           sent;      /* and what is made of it */
    ngx_paygw_expr_ctx_t         asked_ctx;
    ngx_paygw_expr_ctx_t         sent_ctx;
    ngx_paygw_expr_made_t        made;
    ngx_paygw_generic_ctx_t      answer;
    ngx_str_t                    ikey;      /* stays the same over tries */
    unsigned                     bare:1;    /* its answer has no signature, by
                                               configuration */
    unsigned                     ready:1;
} ngx_paygw_generic_run_t;


/* ngx_paygw_generic_call.c */

/* conf->call, made if need be; NULL: memory */
ngx_paygw_generic_call_t *ngx_paygw_generic_call_get(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);


/*
 * The caller's field of that name, as header(NAME): fills set but for its
 * flags.  NGX_OK, or NGX_ERROR, which is logged.
 */
ngx_int_t ngx_paygw_generic_call_header(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *name, ngx_paygw_generic_set_t *set);

/* an expression about a request, of the parameter that is being read */
ngx_int_t ngx_paygw_generic_call_expr(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *text, ngx_paygw_expr_t **e);


/* ngx_paygw_generic_call_check.c */

/* with the last parameter of the channel; logs its own messages */
ngx_int_t ngx_paygw_generic_call_check(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);

/* see ngx_paygw_api_s */
char *ngx_paygw_generic_call_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch);
ngx_uint_t ngx_paygw_generic_tls_only(ngx_paygw_channel_t *ch);


/* ngx_paygw_generic_request.c */

ngx_int_t ngx_paygw_generic_build(ngx_paygw_exchange_t *x);


/*
 * ngx_paygw_generic_edit.c: puts a value into the part of a request where it
 * belongs; a former one of that name is gone.  NGX_OK, NGX_DECLINED or
 * NGX_ERROR.
 */
ngx_int_t ngx_paygw_generic_edit(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value);


/* ngx_paygw_generic_answer.c */

ngx_int_t ngx_paygw_generic_check_answer(ngx_paygw_exchange_t *x);


/* ngx_paygw_generic_reply.c: of an answer that is good */

ngx_int_t ngx_paygw_generic_reply(ngx_paygw_exchange_t *x);


#endif /* _NGX_PAYGW_GENERIC_CALL_H_INCLUDED_ */
