
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_REDIS_BOOK_H_INCLUDED_
#define _NGX_PAYGW_REDIS_BOOK_H_INCLUDED_


#include "ngx_paygw_redis.h"


/* The book of orders in Redis. */


/* bytes of what a claim says of its order, with its terms */
#define NGX_PAYGW_REDIS_SAYS                                                  \
    (16 + NGX_PAYGW_BOOK_CURRENCY_MAX + NGX_PAYGW_BOOK_ACCOUNT_MAX            \
     + NGX_PAYGW_BOOK_REFUND_MAX + 4 * NGX_INT64_LEN)


ngx_int_t ngx_paygw_redis_book(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/* the key of an order's refunds, in memory of its own */
ngx_int_t ngx_paygw_redis_refunds_key(ngx_paygw_redis_t *redis,
    ngx_str_t *order, ngx_str_t *key);

/*
 * What a claim says of its order, with the terms; buf has room for
 * NGX_PAYGW_REDIS_SAYS bytes and lives as long as arg.
 */
void ngx_paygw_redis_book_terms(ngx_paygw_book_t *book, u_char *buf,
    const ngx_str_t *says, ngx_str_t *arg);

/* what a reply means; NGX_ERROR if it is none that was expected */
ngx_int_t ngx_paygw_redis_book_result(ngx_paygw_redis_cmd_t *cmd,
    redisReply *reply);

/* the same of a claim whose order is against it: NGX_DONE */
ngx_int_t ngx_paygw_redis_book_against(ngx_paygw_redis_cmd_t *cmd,
    redisReply *reply);

/* logs the end of a command that nobody waits for */
void ngx_paygw_redis_book_ended(ngx_paygw_redis_cmd_t *cmd, ngx_int_t rc);


#endif /* _NGX_PAYGW_REDIS_BOOK_H_INCLUDED_ */
