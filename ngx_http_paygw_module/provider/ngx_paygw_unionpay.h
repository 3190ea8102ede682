
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_UNIONPAY_H_INCLUDED_
#define _NGX_PAYGW_UNIONPAY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_chain.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_provider.h"


/* what the files of UnionPay share; nobody else includes this */


/* all its times are in GMT+8 */
#define NGX_PAYGW_UNIONPAY_ZONE  (8 * 60 * 60)


/* how a channel's messages are signed; hash is NULL for certificates */
typedef struct {
    ngx_str_t                        name;        /* signMethod */
    const ngx_paygw_hash_t          *hash;
} ngx_paygw_unionpay_method_t;


/* the account of a channel */
typedef struct {
    ngx_str_t                           merid;
    const ngx_paygw_unionpay_method_t  *method;
    ngx_paygw_chain_t                  *chain;    /* method 01 */
    ngx_array_t                        *names;    /* of ngx_str_t: those of
                                                     certificates; NULL: that
                                                     of UnionPay */
    ngx_array_t                        *secrets;  /* of ngx_str_t */
    unsigned                            root:1;
    unsigned                            middle:1;
} ngx_paygw_unionpay_conf_t;


/* one callback: n->data */
typedef struct {
    ngx_paygw_form_t                    form;
    ngx_str_t                          *signature;
    time_t                              txn_time;
    unsigned                            drop_empty:1;
                                                  /* empty ones are unsigned */
} ngx_paygw_unionpay_ctx_t;


/*
 * ngx_paygw_unionpay_sign.c: the signature over the fields, by the method of
 * the channel and with its trust only; as provider->verify
 */
ngx_int_t ngx_paygw_unionpay_signature(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx, ngx_paygw_unionpay_conf_t *conf);

/* what is no part of the string to sign */
extern const char  *ngx_paygw_unionpay_skip[];

/* as provider->sign, with the secret of a channel that has one */
ngx_int_t ngx_paygw_unionpay_sign(ngx_paygw_task_t *t);


/* ngx_paygw_unionpay_conf.c */

extern const ngx_paygw_param_t  ngx_paygw_unionpay_params[];

ngx_int_t ngx_paygw_unionpay_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch);
char *ngx_paygw_unionpay_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch);
ngx_uint_t ngx_paygw_unionpay_same(ngx_paygw_channel_t *a,
    ngx_paygw_channel_t *b);


/* ngx_paygw_unionpay_event.c */

ngx_int_t ngx_paygw_unionpay_event(ngx_paygw_notify_t *n);
void ngx_paygw_unionpay_ack(const ngx_paygw_notify_t *n, ngx_uint_t status,
    ngx_paygw_ack_t *ack);


#endif /* _NGX_PAYGW_UNIONPAY_H_INCLUDED_ */
