
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_BIND_H_INCLUDED_
#define _NGX_PAYGW_BIND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_json.h"


/*
 * What a request creates, and what a callback will say of it, in the same
 * words: that is all that order binding compares.
 *
 * The account is what tells those of one channel apart: an appid and the
 * merchant below it, a seller, a connected account.  An empty one is not known,
 * and not compared.
 */


/*
 * Notes the order in one of x's, unless its id or its account could not be
 * those of an order, or the amount (minor units) is not known (-1): what cannot
 * be one is the provider's to refuse.
 */
void ngx_paygw_bind_order(ngx_paygw_exchange_order_t *order, ngx_str_t *id,
    int64_t amount, ngx_str_t *currency, ngx_str_t *account);

/* "APP/SUB", or "APP" if sub is empty; in pool: NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_bind_account(ngx_pool_t *pool, ngx_str_t *app,
    ngx_str_t *sub, ngx_str_t *account);

/* the letters of a currency as ISO 4217 has them, up to 8; in pool */
ngx_int_t ngx_paygw_bind_currency(ngx_pool_t *pool, ngx_str_t *text,
    ngx_str_t *currency);


/*
 * What a signed request creates, by provider, into x->order; NGX_OK, also if it
 * is none that creates one, or NGX_ERROR.  And what its answer, which is
 * genuine, says of it: x->refused, x->learned.
 */

/* the object of biz_content, or of the body; method as of the gateway */
void ngx_paygw_alipay_bind(ngx_paygw_exchange_t *x, ngx_str_t *method,
    ngx_paygw_json_t *business);
void ngx_paygw_alipay_bound(ngx_paygw_exchange_t *x, ngx_str_t *method,
    ngx_str_t *code, ngx_str_t *sub_code);

ngx_int_t ngx_paygw_wechat_v3_bind(ngx_paygw_exchange_t *x);
void ngx_paygw_wechat_v3_bound(ngx_paygw_exchange_t *x,
    const ngx_paygw_code_word_t *words, ngx_str_t *code);

ngx_int_t ngx_paygw_wechat_v2_bind(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);
void ngx_paygw_wechat_v2_bound(ngx_paygw_exchange_t *x,
    const ngx_paygw_code_word_t *words, ngx_str_t *code);

void ngx_paygw_unionpay_bind(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form);
void ngx_paygw_unionpay_bound(ngx_paygw_exchange_t *x, ngx_str_t *code);

ngx_int_t ngx_paygw_stripe_bind(ngx_paygw_exchange_t *x);
ngx_int_t ngx_paygw_stripe_bound(ngx_paygw_exchange_t *x,
    ngx_paygw_json_t *answer);


#endif /* _NGX_PAYGW_BIND_H_INCLUDED_ */
