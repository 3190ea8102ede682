
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_STRIPE_H_INCLUDED_
#define _NGX_PAYGW_STRIPE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_json.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_order.h"


/* what the files of Stripe share; nobody else includes this */


/* one for each active secret: two while a secret is rolled */
#define NGX_PAYGW_STRIPE_MAX_SIGNATURES  8

/* of a channel: each costs a pass over a body that nobody may have signed */
#define NGX_PAYGW_STRIPE_MAX_SECRETS     4

/*
 * An event is repeated for three days under one id, each time signed anew, so
 * that its id must be kept as long, whatever event_ttl says.
 */
#define NGX_PAYGW_STRIPE_KEEP            ((ngx_msec_t) 74 * 60 * 60 * 1000)


/* header fields of the caller's request */
#define NGX_PAYGW_STRIPE_ASKS_KEY      0
#define NGX_PAYGW_STRIPE_ASKS_VERSION  1
#define NGX_PAYGW_STRIPE_ASKS_ACCOUNT  2
#define NGX_PAYGW_STRIPE_ASKS_CONTEXT  3


/* of order binding: no connected account */
#define NGX_PAYGW_STRIPE_PLATFORM  "platform"


/* the account of a channel */
typedef struct {
    ngx_array_t             *secrets;      /* of ngx_str_t: "whsec_..." */
    ngx_array_t             *accounts;     /* of ngx_str_t: connected accounts;
                                              NULL: our own, which events do
                                              not name */
    ngx_flag_t               livemode;
    ngx_str_t                secret_key;   /* for calls; empty: none */
    ngx_uint_t               basic;        /* how it is sent; unsigned:1 */
    ngx_str_t                version;
} ngx_paygw_stripe_conf_t;


/* one callback: n->data */
typedef struct {
    ngx_str_t                stamp;        /* t, as it was sent */
    time_t                   time;
    ngx_uint_t               nv1;          /* all of them, and those that can */
    ngx_uint_t               nsigs;        /* be a digest, decoded */
    u_char                   sigs[NGX_PAYGW_STRIPE_MAX_SIGNATURES]
                                 [NGX_PAYGW_SHA256_LEN];
    ngx_uint_t              *genuine;      /* of each channel: fresh, then
                                              signed with one of its secrets */

    /* of the event, after the signature */
    ngx_str_t                id;
    ngx_str_t                type;
    ngx_str_t                account;
    ngx_uint_t               livemode;
    ngx_paygw_json_t        *root;
} ngx_paygw_stripe_ctx_t;


/*
 * ngx_paygw_stripe_forged.c: refuses a callback that no secret has signed,
 * with a hint
 */

ngx_int_t ngx_paygw_stripe_forged(ngx_paygw_notify_t *n);

/*
 * ngx_paygw_stripe.c: NGX_OK if the secret has made one of the signatures over
 * this body; NGX_DECLINED or NGX_ERROR
 */

ngx_int_t ngx_paygw_stripe_signed(ngx_paygw_notify_t *n, ngx_str_t *secret,
    ngx_str_t *body);


/* ngx_paygw_stripe_conf.c */

extern const ngx_paygw_param_t  ngx_paygw_stripe_params[];

ngx_int_t ngx_paygw_stripe_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch);
char *ngx_paygw_stripe_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch);
ngx_uint_t ngx_paygw_stripe_same(ngx_paygw_channel_t *a,
    ngx_paygw_channel_t *b);


/* ngx_paygw_stripe_api.c, and ngx_paygw_stripe_answer.c: its check() */

extern const ngx_paygw_api_t  ngx_paygw_stripe_api;

#define NGX_PAYGW_STRIPE_FORM          "application/x-www-form-urlencoded"

/* header fields of the caller's request */
#define NGX_PAYGW_STRIPE_ASKS_KEY      0
#define NGX_PAYGW_STRIPE_ASKS_VERSION  1
#define NGX_PAYGW_STRIPE_ASKS_ACCOUNT  2
#define NGX_PAYGW_STRIPE_ASKS_CONTEXT  3

ngx_int_t ngx_paygw_stripe_check_answer(ngx_paygw_exchange_t *x);

/* fields of an answer: their numbers in api->headers */
#define NGX_PAYGW_STRIPE_TOLD_REQUEST  0
#define NGX_PAYGW_STRIPE_TOLD_RETRY    1
#define NGX_PAYGW_STRIPE_TOLD_AFTER    2
#define NGX_PAYGW_STRIPE_TOLD          3


/*
 * What an operation of the unified API does: it looks for the payment, and
 * whose it is; for what was refunded of it; then it acts.
 */
typedef enum {
    NGX_PAYGW_STRIPE_LOOK = 0,
    NGX_PAYGW_STRIPE_LIST,
    NGX_PAYGW_STRIPE_ACT
} ngx_paygw_stripe_stage_e;

/* order.data */
typedef struct {
    ngx_paygw_stripe_stage_e  stage;
    ngx_str_t                 id;          /* of what was found */
    ngx_str_t                 intent;      /* that pays for it; may be empty */
    ngx_str_t                 currency;
    ngx_str_t                 after;       /* of a list: its last page's end */
} ngx_paygw_stripe_found_t;

#define ngx_paygw_stripe_session_id(id)                                       \
    ((id)->len > 3 && ngx_strncmp((id)->data, "cs_", 3) == 0)

/* ngx_paygw_stripe_order.c: the unified API, and ngx_paygw_stripe_told.c */

extern const ngx_paygw_orders_t  ngx_paygw_stripe_orders;

ngx_int_t ngx_paygw_stripe_normalise(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);

/* of its words */
#define NGX_PAYGW_STRIPE_WORD_MAX      64

/*
 * ngx_paygw_stripe_object.c: what an intent or a session says, and a refund.
 * As normalise(); o->code is set if it is that of another order, or if the
 * refund is another one.
 */
ngx_int_t ngx_paygw_stripe_payment(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *obj);
ngx_int_t ngx_paygw_stripe_refunded(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *obj);


/* ngx_paygw_stripe_event.c */

ngx_int_t ngx_paygw_stripe_event(ngx_paygw_notify_t *n);
void ngx_paygw_stripe_ack(const ngx_paygw_notify_t *n, ngx_uint_t status,
    ngx_paygw_ack_t *ack);


#endif /* _NGX_PAYGW_STRIPE_H_INCLUDED_ */
