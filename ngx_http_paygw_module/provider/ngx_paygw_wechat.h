
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_WECHAT_H_INCLUDED_
#define _NGX_PAYGW_WECHAT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_order.h"
#include "ngx_paygw_provider.h"


/* What both interfaces of WeChat Pay, v2 and APIv3, have in common. */


/* all its times without a zone are in GMT+8 */
#define NGX_PAYGW_WECHAT_ZONE  (8 * 60 * 60)


/* the first member of ch->conf: the functions below take it from there */
typedef struct {
    ngx_array_t             *appids;           /* of ngx_str_t */
    ngx_str_t                mchid;            /* partner mode: the partner's */
    ngx_array_t             *sub_mchids;       /* NULL: no partner mode */
} ngx_paygw_wechat_account_t;


/* the parameters "appid", "mchid" and "sub_mchid": ngx_paygw_param_t.set */

char *ngx_paygw_wechat_appid(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_wechat_mchid(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_wechat_sub_mchid(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs);

/* what is required is there and well-formed: NGX_OK, or NGX_ERROR (logged) */
ngx_int_t ngx_paygw_wechat_check_account(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);

/* as provider->same */
ngx_uint_t ngx_paygw_wechat_same(ngx_paygw_channel_t *a,
    ngx_paygw_channel_t *b);

/* 1 if the merchant, or in partner mode the partner, is that of the account */
ngx_uint_t ngx_paygw_wechat_is_mchid(ngx_paygw_wechat_account_t *account,
    ngx_str_t *mchid);


/*
 * Whose openid a payer's is, of an order that is made: NULL if it is that of
 * the account's first appid, or of the one that is named where there is no
 * partner; else, in partner mode, the sub_appid, which is appid itself.
 */
ngx_str_t *ngx_paygw_wechat_sub_appid(ngx_paygw_wechat_account_t *account,
    ngx_str_t *appid);


/* a word for a state, and what it means; a table is ended by an empty word */
typedef struct {
    ngx_str_t                word;
    ngx_paygw_event_type_e   type;
    ngx_paygw_outcome_e      outcome;
} ngx_paygw_wechat_state_t;

/* what became of a payment: "ACCEPT" and "PAY_FAIL" are those of contracts */
extern const ngx_paygw_wechat_state_t  ngx_paygw_wechat_trade[];

/*
 * Sets type and outcome of the event.  The lists of states grow: one that is
 * not in the table means what its last row says, and is a line in the log.  An
 * empty one leaves the type, and the outcome is unknown.
 */
void ngx_paygw_wechat_state(ngx_paygw_notify_t *n,
    const ngx_paygw_wechat_state_t *state, ngx_str_t *word);


/*
 * Of an order in a browser: where it goes after the payment, unless that is
 * empty, is added to url, in pool.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_wechat_redirect(ngx_pool_t *pool, ngx_str_t *url,
    ngx_str_t *back);


/* ngx_paygw_wechat_order.c */

extern const ngx_str_t  ngx_paygw_wechat_currencies[];

/* as orders->conf; "unheard" is what a missing notify_url means */
char *ngx_paygw_wechat_orders_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *unheard);

/*
 * What an order says, against the limits that are the same in both; those of
 * the payer are of his method, and where no appid is named the account's first
 * one is set.  NGX_OK, or NGX_DECLINED with the refusal in o.
 */
ngx_int_t ngx_paygw_wechat_check_id(ngx_paygw_order_t *o);
ngx_int_t ngx_paygw_wechat_check_subject(ngx_paygw_order_t *o);
ngx_int_t ngx_paygw_wechat_check_reason(ngx_paygw_order_t *o);
ngx_int_t ngx_paygw_wechat_check_payer(ngx_paygw_order_t *o);
ngx_int_t ngx_paygw_wechat_check_appid(ngx_paygw_wechat_account_t *account,
    ngx_paygw_order_t *o);


/* the payer's side gets a signature too: of these in APIv3, of all in v2 */
typedef struct {
    ngx_str_t                stamp;
    ngx_str_t                nonce;
    ngx_str_t                subject;          /* the order, as it names it */
} ngx_paygw_wechat_second_t;

/* the signature, in the pool of x: NGX_OK or NGX_ERROR */
typedef ngx_int_t (*ngx_paygw_wechat_second_pt)(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_wechat_second_t *second, ngx_str_t *sign);

/*
 * Of an order that is made: sets o->told, with the action of its method.
 * value is what the answer names for that: the URL of a code or of a page,
 * else a prepay_id, whose parameters sign() signs, type being the signType of a
 * script.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_wechat_created(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_str_t *value, ngx_str_t *type,
    ngx_paygw_wechat_second_pt sign);


/* the same of an answer; a table is ended by the row of all other words */
typedef struct {
    ngx_str_t                word;
    ngx_paygw_outcome_e      outcome;
    ngx_paygw_state_e        state;
    ngx_uint_t               open;             /* as told.open; unsigned:1 */
} ngx_paygw_wechat_told_t;

/* what became of an order */
extern const ngx_paygw_wechat_told_t  ngx_paygw_wechat_trades[];

/* sets outcome, state, open and odd of o->told from o->told.word, a field's */
void ngx_paygw_wechat_means(ngx_paygw_order_t *o,
    const ngx_paygw_wechat_told_t *t, const char *field);

/*
 * The order was asked for since a refund has to name its amount, and o->told is
 * the answer.  NGX_AGAIN: now the refund; NGX_OK: there is none, o->code says
 * so.
 */
ngx_int_t ngx_paygw_wechat_asked(ngx_paygw_order_t *o);

/*
 * An order is refused, o->code and o->told.word say why, and text, which may be
 * empty: sets o->doubtful if that is for what is there.
 */
void ngx_paygw_wechat_doubt(ngx_paygw_order_t *o, ngx_str_t *text);


#endif /* _NGX_PAYGW_WECHAT_H_INCLUDED_ */
