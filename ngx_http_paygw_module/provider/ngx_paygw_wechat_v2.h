
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_WECHAT_V2_H_INCLUDED_
#define _NGX_PAYGW_WECHAT_V2_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat.h"
#include "ngx_paygw_form.h"


/* what the files of WeChat Pay v2 share; nobody else includes this */


#define NGX_PAYGW_WECHAT_V2_KEY_LEN  32


/* a word of "sign_type"; the table is ended by an empty one */
typedef struct {
    ngx_str_t                name;
    size_t                   len;              /* of "sign" */
    ngx_uint_t               hmac;             /* HMAC-SHA256, else MD5 */
} ngx_paygw_wechat_v2_sign_t;

extern const ngx_paygw_wechat_v2_sign_t  ngx_paygw_wechat_v2_signs[];


/* the account of a channel */
typedef struct {
    ngx_paygw_wechat_account_t  account;       /* first */
    ngx_array_t             *keys;             /* of ngx_str_t */
    const ngx_paygw_wechat_v2_sign_t  *sign;
} ngx_paygw_wechat_v2_conf_t;


/* one callback: n->data */
typedef struct {
    ngx_paygw_form_t         form;             /* of the body */
    ngx_paygw_form_t         refund;           /* of what was sealed in it */
    ngx_str_t               *sign;             /* NULL: sealed */
    ngx_str_t               *req_info;         /* NULL: signed */
    ngx_str_t                digest;           /* hexadecimal, of all that does
                                                  not change between tries */
    time_t                   time;             /* 0: none */
    ngx_msec_t               keep;
} ngx_paygw_wechat_v2_ctx_t;


#define ngx_paygw_wechat_v2_is(word, literal)                                 \
    ((word)->len == sizeof(literal) - 1                                       \
     && ngx_strncmp((word)->data, literal, sizeof(literal) - 1) == 0)


/* ngx_paygw_wechat_v2.c: the value of a field, NULL if absent or empty */

ngx_str_t *ngx_paygw_wechat_v2_value(ngx_paygw_form_t *form,
    const char *name);

/* the same for what goes into headers and keys; 1 if it is there and can */

ngx_uint_t ngx_paygw_wechat_v2_word(ngx_paygw_form_t *form, const char *name,
    ngx_str_t *value);

/* sets ctx->digest: without the fields that are new in every message */

ngx_int_t ngx_paygw_wechat_v2_digest(ngx_paygw_notify_t *n,
    ngx_paygw_form_t *form);


/* ngx_paygw_wechat_v2_fields.c: what verify() asks of the fields */

ngx_int_t ngx_paygw_wechat_v2_unambiguous(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_channel_t *ch);
ngx_int_t ngx_paygw_wechat_v2_success(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx);
ngx_paygw_channel_t *ngx_paygw_wechat_v2_channel(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx);
ngx_int_t ngx_paygw_wechat_v2_account(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_channel_t *ch);

/* 1 if a signed message is about a payment, well-formed or not */

ngx_uint_t ngx_paygw_wechat_v2_payment(ngx_paygw_form_t *form);


/* ngx_paygw_wechat_v2_refund.c: opens req_info; as provider->verify, event */

ngx_int_t ngx_paygw_wechat_v2_open(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_channel_t *ch);
ngx_int_t ngx_paygw_wechat_v2_refund(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx);

/* the same for others; as provider->open */
ngx_int_t ngx_paygw_wechat_v2_unseal(ngx_paygw_task_t *t);


/* ngx_paygw_wechat_v2_conf.c */

extern const ngx_paygw_param_t  ngx_paygw_wechat_v2_params[];

ngx_int_t ngx_paygw_wechat_v2_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch);
char *ngx_paygw_wechat_v2_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch);


/* ngx_paygw_wechat_v2_event.c */

ngx_int_t ngx_paygw_wechat_v2_event(ngx_paygw_notify_t *n);
void ngx_paygw_wechat_v2_ack(const ngx_paygw_notify_t *n, ngx_uint_t status,
    ngx_paygw_ack_t *ack);


#endif /* _NGX_PAYGW_WECHAT_V2_H_INCLUDED_ */
