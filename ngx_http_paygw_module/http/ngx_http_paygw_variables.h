
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_VARIABLES_H_INCLUDED_
#define _NGX_HTTP_PAYGW_VARIABLES_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/* What is known of a callback: a variable, and a field for the shop. */
typedef enum {
    NGX_HTTP_PAYGW_VALUE_CHANNEL = 0,
    NGX_HTTP_PAYGW_VALUE_PROVIDER,
    NGX_HTTP_PAYGW_VALUE_RESULT,
    NGX_HTTP_PAYGW_VALUE_REASON,
    NGX_HTTP_PAYGW_VALUE_EVENT_ID,
    NGX_HTTP_PAYGW_VALUE_EVENT,
    NGX_HTTP_PAYGW_VALUE_TYPE,
    NGX_HTTP_PAYGW_VALUE_OUTCOME,
    NGX_HTTP_PAYGW_VALUE_ORDER_ID,
    NGX_HTTP_PAYGW_VALUE_TRADE_NO,
    NGX_HTTP_PAYGW_VALUE_AMOUNT,
    NGX_HTTP_PAYGW_VALUE_CURRENCY,
    NGX_HTTP_PAYGW_VALUE_REFUND_ID,
    NGX_HTTP_PAYGW_VALUE_REFUND_AMOUNT,
    NGX_HTTP_PAYGW_VALUE_CONFIRM,
    NGX_HTTP_PAYGW_VALUE_DELIVERY,
    NGX_HTTP_PAYGW_VALUE_KEY_ID,
    NGX_HTTP_PAYGW_VALUE_MERCHANT,
    NGX_HTTP_PAYGW_VALUE_LIMIT_STATUS,
    NGX_HTTP_PAYGW_VALUE_IDEMPOTENCY
} ngx_http_paygw_value_e;


/* the words of $paygw_result, by ngx_http_paygw_result_e */
extern const ngx_str_t  ngx_http_paygw_results[];


/*
 * The text of one value, empty if it is not known.  Numbers are printed into
 * pool.  Nothing of the message is told before it was verified, but for
 * result, reason and the key id.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_paygw_value(ngx_http_paygw_ctx_t *ctx,
    ngx_http_paygw_value_e which, ngx_pool_t *pool, ngx_str_t *value);

/* the value of a variable of a request; empty if it has none */
ngx_int_t ngx_http_paygw_value_of(ngx_http_request_t *r,
    ngx_http_paygw_value_e which, ngx_str_t *value);

/* a number as text; one below 0 is not known: empty.  NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_paygw_number(ngx_pool_t *pool, int64_t n,
    ngx_str_t *value);

/* $paygw_...: preconfiguration of the module */
ngx_int_t ngx_http_paygw_variables_add(ngx_conf_t *cf);


#endif /* _NGX_HTTP_PAYGW_VARIABLES_H_INCLUDED_ */
