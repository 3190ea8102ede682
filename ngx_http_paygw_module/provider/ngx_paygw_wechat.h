
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_WECHAT_H_INCLUDED_
#define _NGX_PAYGW_WECHAT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
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


#endif /* _NGX_PAYGW_WECHAT_H_INCLUDED_ */
