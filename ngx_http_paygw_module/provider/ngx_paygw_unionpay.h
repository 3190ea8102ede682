
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_UNIONPAY_H_INCLUDED_
#define _NGX_PAYGW_UNIONPAY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_chain.h"
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_form.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_order.h"


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
    ngx_str_t                           term_id;  /* of orders that name no
                                                     terminal; may be empty */

    /* our own, of method 01; NULL: none */
    ngx_paygw_key_t                    *private_key;
    ngx_paygw_key_t                    *certificate;
    ngx_str_t                           cert_id;

    /* of calls: what is encrypted with which certificate, what is opened */
    ngx_array_t                        *encrypt;  /* of ngx_str_t */
    ngx_array_t                        *decrypt;
    ngx_paygw_key_t                    *encrypt_cert;
    ngx_str_t                           encrypt_id;
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
 * ngx_paygw_unionpay_event.c: the letters of a currency by its code; unchanged
 * if it is not one of ours
 */
void ngx_paygw_unionpay_letters(ngx_str_t *code, ngx_str_t *currency);

/*
 * ngx_paygw_unionpay_sign.c: the signature over the fields, by the method of
 * the channel and with its trust only; as provider->verify
 */
ngx_int_t ngx_paygw_unionpay_signature(ngx_paygw_notify_t *n,
    ngx_paygw_unionpay_ctx_t *ctx, ngx_paygw_unionpay_conf_t *conf);

/*
 * ngx_paygw_unionpay_seal.c: parameters; fields of a request, encrypted; and
 * those of an answer, opened, which is signed no more then (1 in *opened).
 */

char *ngx_paygw_unionpay_encrypt_cert(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_unionpay_encrypt_fields(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_unionpay_decrypt_fields(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
ngx_int_t ngx_paygw_unionpay_check_fields(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
ngx_int_t ngx_paygw_unionpay_seal_fields(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);
ngx_int_t ngx_paygw_unionpay_open_fields(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form, ngx_uint_t *opened);

/*
 * ngx_paygw_unionpay_customer.c: a customerInfo as the caller wrote it, in
 * base64 and with its secrets encrypted, as api->build does; and one of an
 * answer, whose encryptedInfo is replaced by what is in it: NGX_OK;
 * NGX_DECLINED, there is none, or it is not for us or makes no sense;
 * NGX_ERROR.
 */
ngx_int_t ngx_paygw_unionpay_customer_seal(ngx_paygw_exchange_t *x,
    ngx_str_t *value);
ngx_int_t ngx_paygw_unionpay_customer_open(ngx_paygw_exchange_t *x,
    ngx_str_t *value, ngx_str_t *out);

/* what is no part of the string to sign */
extern const char  *ngx_paygw_unionpay_skip[];

/*
 * A signature of ours over a string, by the method of the channel, whose key
 * must be there: NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_unionpay_make(ngx_paygw_unionpay_conf_t *conf,
    ngx_str_t *text, ngx_str_t *sig, ngx_pool_t *pool, ngx_log_t *log);

/* as provider->sign, with the key or the secret of a channel that has one */
ngx_int_t ngx_paygw_unionpay_sign(ngx_paygw_task_t *t);


/* ngx_paygw_unionpay.c: see ngx_paygw_form_hides() */

extern const ngx_str_t  ngx_paygw_unionpay_names[];
extern const ngx_str_t  ngx_paygw_unionpay_words[];

/* the signMethod and the version of a message are ours, else it is refused */
ngx_int_t ngx_paygw_unionpay_pinned(ngx_paygw_notify_t *n,
    ngx_paygw_form_t *form, ngx_paygw_unionpay_conf_t *conf);


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


/* ngx_paygw_unionpay_api.c: calls, and ngx_paygw_unionpay_answer.c */

extern const ngx_paygw_api_t  ngx_paygw_unionpay_api;

#define NGX_PAYGW_UNIONPAY_API  "/gateway/api/"

ngx_int_t ngx_paygw_unionpay_check_answer(ngx_paygw_exchange_t *x);

/* the page from which the payer's browser posts the form: NGX_DONE, as build */
ngx_int_t ngx_paygw_unionpay_page(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);

/* ngx_paygw_unionpay_order.c, and ngx_paygw_unionpay_told.c: normalise() */

extern const ngx_paygw_orders_t  ngx_paygw_unionpay_orders;

ngx_int_t ngx_paygw_unionpay_normalise(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);

#define NGX_PAYGW_UNIONPAY_CODE_MAX  16

/*
 * 1 if the word is a code of UnionPay's, which are two digits and "A6": only of
 * those it is known that one which is not listed is a refusal.
 */
ngx_uint_t ngx_paygw_unionpay_is_code(ngx_str_t *word);

/*
 * What origRespCode says, which is o->told.word: SUCCESS, PENDING, FAILED;
 * UNKNOWN if it is no code of UnionPay's, o->told.odd is set then
 */
ngx_paygw_outcome_e ngx_paygw_unionpay_end(ngx_paygw_order_t *o);

/*
 * ngx_paygw_unionpay_refund.c: what is said of a refund that was sent, and of
 * one that was asked for; as normalise()
 */
ngx_int_t ngx_paygw_unionpay_refunded(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);
ngx_int_t ngx_paygw_unionpay_refund_state(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_form_t *form);

/* ngx_paygw_unionpay_limits.c: as ngx_paygw_orders_t.check */
ngx_int_t ngx_paygw_unionpay_order_check(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);

/* ngx_paygw_unionpay_ref.c */

/* the parts of order.ref */
typedef struct {
    ngx_str_t                           order;    /* txnTime of the payment */
    ngx_str_t                           refund;   /* that of the refund; may be
                                                     empty */
    ngx_str_t                           head;     /* the ref of the payment */
    u_char                              kind;     /* of the payment */
} ngx_paygw_unionpay_ref_t;

#define NGX_PAYGW_UNIONPAY_PAGE   0               /* 01/01 */
#define NGX_PAYGW_UNIONPAY_QR     'q'             /* 01/07 */
#define NGX_PAYGW_UNIONPAY_CODE   'b'             /* 01/06 */

/* they point into text: NGX_OK, or NGX_DECLINED if it is none */
ngx_int_t ngx_paygw_unionpay_ref(ngx_str_t *text,
    ngx_paygw_unionpay_ref_t *ref);

/* the kind of an order's method */
u_char ngx_paygw_unionpay_way(ngx_paygw_order_t *o);

/* termId is exactly eight letters and digits */
#define NGX_PAYGW_UNIONPAY_TERM_LEN  8

ngx_uint_t ngx_paygw_unionpay_terminal(ngx_str_t *id);

/* as ngx_paygw_orders_t.refund_ref */
ngx_int_t ngx_paygw_unionpay_refund_ref(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);

/* the charset of a message, as it stands behind a media type */
void ngx_paygw_unionpay_charset(ngx_paygw_form_t *form, ngx_str_t *charset);


/* what respCode says: ngx_paygw_unionpay_told.c */
extern const ngx_paygw_code_word_t  ngx_paygw_unionpay_answers[];


#endif /* _NGX_PAYGW_UNIONPAY_H_INCLUDED_ */
