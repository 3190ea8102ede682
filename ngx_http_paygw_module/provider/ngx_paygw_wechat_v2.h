
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_WECHAT_V2_H_INCLUDED_
#define _NGX_PAYGW_WECHAT_V2_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_form.h"
#include "ngx_paygw_order.h"
#include "ngx_paygw_wechat.h"


/* what the files of WeChat Pay v2 share; nobody else includes this */


#define NGX_PAYGW_WECHAT_V2_KEY_LEN  32
#define NGX_PAYGW_WECHAT_V2_HEX      64    /* of the longest signature */


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

    /* of the merchant in TLS; NULL: none */
    ngx_paygw_key_t         *private_key;
    ngx_paygw_key_t         *certificate;
    ngx_str_t                key_file;
    ngx_str_t                cert_file;
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


/* what is known of a path of the API */
typedef struct {
    ngx_str_t                name;        /* ends with "/": all below it */
    ngx_paygw_repeat_e       repeat;
    const char              *appid;       /* the elements that name us; NULL: */
    const char              *mchid;       /*   there is none */
    unsigned                 cert:1;      /* asks for the certificate */
    unsigned                 hmac:1;      /* HMAC-SHA256, whatever the rest */
    unsigned                 bare:1;      /* answers have no sign */
    unsigned                 file:1;      /* a text, which has none either */
} ngx_paygw_wechat_v2_path_t;


/* one call: x->data */
typedef struct {
    const ngx_paygw_wechat_v2_path_t  *path;
    ngx_paygw_form_t         asked;
} ngx_paygw_wechat_v2_call_t;


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


/*
 * sign_type and sign of a message: as provider->verify.  n->data and ctx->sign
 * must be set.
 */

ngx_int_t ngx_paygw_wechat_v2_genuine(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_wechat_v2_conf_t *conf);

/* hex->data holds NGX_PAYGW_WECHAT_V2_HEX bytes */

ngx_int_t ngx_paygw_wechat_v2_mac(const ngx_paygw_wechat_v2_sign_t *sign,
    ngx_str_t *key, ngx_str_t *text, ngx_str_t *hex, ngx_log_t *log);

/* what is no part of the string to sign */

extern const char  *ngx_paygw_wechat_v2_skip[];


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


/* ngx_paygw_wechat_v2_api.c: calls, and ngx_paygw_wechat_v2_answer.c */

extern const ngx_paygw_api_t  ngx_paygw_wechat_v2_api;

ngx_int_t ngx_paygw_wechat_v2_check_answer(ngx_paygw_exchange_t *x);

/* the answer of a path with files, as x->file() */
ngx_int_t ngx_paygw_wechat_v2_stream(ngx_paygw_exchange_t *x);

/* ngx_paygw_wechat_v2_order.c, and ngx_paygw_wechat_v2_told.c: normalise() */

extern const ngx_paygw_orders_t  ngx_paygw_wechat_v2_orders;

ngx_int_t ngx_paygw_wechat_v2_normalise(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);

/* the name of the first element that names another account, or NULL */

const char *ngx_paygw_wechat_v2_stranger(ngx_paygw_form_t *form,
    ngx_paygw_wechat_account_t *account);


/* what err_code says: ngx_paygw_wechat_v2_told.c */
extern const ngx_paygw_code_word_t  ngx_paygw_wechat_v2_codes[];


#endif /* _NGX_PAYGW_WECHAT_V2_H_INCLUDED_ */
