
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_ALIPAY_H_INCLUDED_
#define _NGX_PAYGW_ALIPAY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_order.h"
#include "ngx_paygw_source.h"
#include "ngx_paygw_form.h"
#include "ngx_paygw_json.h"


/* what the files of Alipay share; nobody else includes this */


/* all its times are in GMT+8 */
#define NGX_PAYGW_ALIPAY_ZONE  (8 * 60 * 60)


/* of the gateway, if the endpoint says none */
#define NGX_PAYGW_ALIPAY_PATH  "/gateway.do"


/* the account of a channel */
typedef struct {
    ngx_str_t                app_id;
    ngx_array_t             *auth_app_ids;     /* of ngx_str_t; NULL: app_id */
    ngx_array_t             *seller_ids;       /* of ngx_str_t */
    ngx_array_t             *keys;             /* of ngx_paygw_key_t *; in
                                                  certificate mode the id is
                                                  the SN */
    ngx_array_t             *certs;            /* of ngx_str_t: their files;
                                                  NULL: public-key mode */
    ngx_uint_t               public_keys;      /* unsigned:1 */
    ngx_str_t                root_cert;
    ngx_str_t                sign_type;
    ngx_str_t                aes_key;          /* empty: nothing is encrypted
                                                  here */
    ngx_paygw_key_t         *private_key;
    ngx_paygw_key_t         *certificate;
    ngx_str_t                app_sn;           /* for requests: of app_cert */
    ngx_str_t                root_sn;          /* and of the roots */
} ngx_paygw_alipay_conf_t;


/* one callback: n->data */
typedef struct {
    ngx_paygw_form_t         form;
    ngx_str_t               *sign;
    time_t                   notify_time;      /* 0: absent */
    unsigned                 trade:1;          /* trade_status_sync */
    unsigned                 drop_empty:1;     /* empty values are unsigned */
} ngx_paygw_alipay_ctx_t;


/* ngx_paygw_alipay.c: the value of a field, NULL if absent or empty */

ngx_str_t *ngx_paygw_alipay_value(ngx_paygw_alipay_ctx_t *ctx,
    const char *name);


/*
 * ngx_paygw_alipay_forged.c: the refusals that take some explaining.  A
 * certificate that is not known (known: that is not valid now), and a
 * signature over text: sig is NULL if it is not base64, else key has not made
 * it, nor has any other.
 */

ngx_int_t ngx_paygw_alipay_unknown(ngx_paygw_notify_t *n,
    ngx_paygw_channel_t *ch, ngx_uint_t known);
ngx_int_t ngx_paygw_alipay_forged(ngx_paygw_notify_t *n,
    ngx_paygw_channel_t *ch, ngx_str_t *text, ngx_str_t *sig,
    ngx_paygw_key_t *key);


/* ngx_paygw_alipay_fields.c: only one reading, and ours; as provider->verify */

ngx_int_t ngx_paygw_alipay_unambiguous(ngx_paygw_notify_t *n,
    ngx_paygw_alipay_ctx_t *ctx, ngx_paygw_channel_t *ch);
ngx_int_t ngx_paygw_alipay_account(ngx_paygw_notify_t *n,
    ngx_paygw_alipay_ctx_t *ctx, ngx_paygw_channel_t *ch);


/*
 * ngx_paygw_alipay_seal.c: the parameter "aes_key"; what is encrypted with it,
 * unless the caller has done so; and an answer that is, after which text and
 * root are what was in it.  NGX_OK, NGX_DECLINED or NGX_ERROR.
 */

char *ngx_paygw_alipay_aes_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs);
ngx_int_t ngx_paygw_alipay_seal_form(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);
ngx_int_t ngx_paygw_alipay_seal_body(ngx_paygw_exchange_t *x);
ngx_int_t ngx_paygw_alipay_unseal(ngx_paygw_exchange_t *x, ngx_str_t *text,
    ngx_paygw_json_t **root);


/* ngx_paygw_alipay_conf.c */

extern const ngx_paygw_param_t  ngx_paygw_alipay_params[];

ngx_int_t ngx_paygw_alipay_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch);
char *ngx_paygw_alipay_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch);
ngx_uint_t ngx_paygw_alipay_same(ngx_paygw_channel_t *a,
    ngx_paygw_channel_t *b);


/* ngx_paygw_alipay_keys.c: Alipay's keys while nginx runs */

extern const ngx_paygw_source_t  ngx_paygw_alipay_source;

ngx_int_t ngx_paygw_alipay_check_fetch(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_alipay_conf_t *conf);


/*
 * ngx_paygw_alipay_answer.c: as ngx_paygw_api_t.check; and what all readers of
 * answers share: whether the code of a content is this one, and whether a key
 * has signed the bytes of a content, or those before its writer had made "\/"
 * of "/", which raw is set to then (NGX_OK, NGX_DECLINED or NGX_ERROR).
 */

/* what is signed of an answer, and how */
typedef struct {
    ngx_str_t                text;
    ngx_str_t                sign;             /* base64 */
    ngx_str_t                sn;               /* of the certificate, or
                                                  empty */
    ngx_uint_t               success;          /* which must name it */
    ngx_uint_t               exact;            /* these bytes, and no others */
} ngx_paygw_alipay_signed_t;

ngx_int_t ngx_paygw_alipay_check_answer(ngx_paygw_exchange_t *x);

/* whether one of Alipay's keys has signed it: as ngx_paygw_api_t.check */
ngx_int_t ngx_paygw_alipay_by(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_signed_t *s);

/* whether a content is about what was asked for: NGX_OK or NGX_DECLINED */
ngx_int_t ngx_paygw_alipay_about(ngx_paygw_exchange_t *x,
    ngx_paygw_json_t *content);

ngx_uint_t ngx_paygw_alipay_code(ngx_paygw_json_t *content,
    const char *code);
ngx_int_t ngx_paygw_alipay_verify_raw(ngx_paygw_key_t *key, ngx_str_t *raw,
    ngx_str_t *sig, ngx_pool_t *pool, ngx_log_t *log);


/* ngx_paygw_alipay_api.c */

extern const ngx_paygw_api_t  ngx_paygw_alipay_api;

/* x->data: what a call was about */
typedef struct {
    ngx_str_t                method;
    ngx_str_t                out_trade_no;     /* of biz_content, or empty */
    ngx_str_t                trade_no;
    ngx_str_t                out_request_no;
    ngx_uint_t               v3;               /* of the REST form */
    ngx_uint_t               sealed;           /* what is asked is encrypted */
    ngx_uint_t               ours;             /* by the module, with aes_key */
    ngx_uint_t               upload;           /* multipart */
    ngx_str_t                covered;          /* of the REST form: what is
                                                  signed of the body */
    ngx_paygw_json_t        *content;          /* of the answer, once that is
                                                  verified */
} ngx_paygw_alipay_call_t;

/*
 * What a call is about, of a JSON text: NGX_OK, NGX_DECLINED if that is not one
 * that can be sent, NGX_ERROR.  And whether it may be sent again.
 */
ngx_int_t ngx_paygw_alipay_business(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_call_t *call, ngx_str_t *biz);
ngx_paygw_repeat_e ngx_paygw_alipay_repeat(ngx_paygw_alipay_call_t *call);

/* 1 if a parameter of this name is the module's, whatever a caller says */
ngx_uint_t ngx_paygw_alipay_own(ngx_str_t *name);

/* a parameter of the caller's: as ngx_paygw_alipay_business() */
ngx_int_t ngx_paygw_alipay_param(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form, ngx_paygw_field_t *field);


/*
 * ngx_paygw_alipay_upload.c: whether a body is multipart; that the channel and
 * the call may have one; its parameters, added to a form, and which part of it
 * is signed in the REST form.  As ngx_paygw_alipay_business().
 */

ngx_uint_t ngx_paygw_alipay_multipart(ngx_paygw_exchange_t *x);
ngx_int_t ngx_paygw_alipay_uploads(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_call_t *call);
ngx_int_t ngx_paygw_alipay_upload(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);
ngx_int_t ngx_paygw_alipay_v3_upload(ngx_paygw_exchange_t *x,
    ngx_str_t *covered);


/*
 * ngx_paygw_alipay_v3.c: the REST form of the same calls.  Header fields of
 * requests and of answers, and the two functions of ngx_paygw_api_t.
 */

extern const ngx_str_t  ngx_paygw_alipay_v3_asks[];
extern const ngx_str_t  ngx_paygw_alipay_v3_headers[];

ngx_int_t ngx_paygw_alipay_v3_build(ngx_paygw_exchange_t *x);
ngx_int_t ngx_paygw_alipay_v3_check(ngx_paygw_exchange_t *x);


/*
 * ngx_paygw_alipay_outcome.c: 1 if a content leaves it open what has become of
 * the call, or is a failure that may be another one the next time
 */

ngx_uint_t ngx_paygw_alipay_open(ngx_paygw_alipay_call_t *call,
    ngx_paygw_json_t *content);
ngx_uint_t ngx_paygw_alipay_v3_open(ngx_paygw_alipay_call_t *call,
    ngx_paygw_json_t *content);

/* 1 if a text is this word */

ngx_uint_t ngx_paygw_alipay_is(ngx_str_t *text, const char *word);

/* whether a content, whose word of an error has this name, tells of trouble */
void ngx_paygw_alipay_health(ngx_paygw_exchange_t *x,
    ngx_paygw_json_t *content, const char *name);

/* what "code" says, and how a "sub_code" ends: ngx_paygw_alipay_told.c */
extern const ngx_paygw_code_word_t  ngx_paygw_alipay_codes[];
extern const ngx_paygw_code_word_t  ngx_paygw_alipay_subs[];


/*
 * ngx_paygw_alipay_form.c: a request is a form.  What the gateway wants in
 * every request, but for "method"; and the whole, signed with the app's key and
 * written, but for what points into body, which may be NULL, a twin among its
 * names being NGX_ABORT with *err.
 */

ngx_int_t ngx_paygw_alipay_add_system(ngx_pool_t *pool,
    ngx_paygw_form_t *form, ngx_paygw_alipay_conf_t *conf, time_t now);
ngx_int_t ngx_paygw_alipay_write(ngx_pool_t *pool, ngx_log_t *log,
    ngx_paygw_form_t *form, ngx_paygw_alipay_conf_t *conf, ngx_str_t *body,
    ngx_str_t *out, char **err);

/*
 * The signed URL of a page as a page that posts it, for one that is too long:
 * what belongs to the call stays in the URL, the rest becomes its fields.
 * NGX_OK or NGX_ERROR.
 */

ngx_int_t ngx_paygw_alipay_page(ngx_pool_t *pool, ngx_str_t *url,
    ngx_str_t *page);

/*
 * 1 if the text that is signed could be cut so that it is another call: that is
 * a method behind "&" in the value of what sorts before it
 */

ngx_uint_t ngx_paygw_alipay_splits(ngx_paygw_form_t *form,
    ngx_paygw_alipay_call_t *call);


/* ngx_paygw_alipay_order.c, and ngx_paygw_alipay_told.c: its normalise() */

extern const ngx_paygw_orders_t  ngx_paygw_alipay_orders;

ngx_int_t ngx_paygw_alipay_normalise(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);

/*
 * Of a content: that it is about the order, which check() looks at only where
 * it is said, its number and its payer; an amount, text or a number that is one
 * in its text, -1 if it is absent; a time, 0 if it is.  NGX_OK; anything else,
 * which() NGX_DECLINED: it is not what it must be.
 */
ngx_int_t ngx_paygw_alipay_which(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *content);
ngx_int_t ngx_paygw_alipay_money(ngx_paygw_json_t *content,
    const char *name, int64_t *amount);
ngx_int_t ngx_paygw_alipay_when(ngx_paygw_json_t *content,
    const char *name, time_t *time);


/*
 * ngx_paygw_alipay_refund.c: what a content says of a refund that was sent, and
 * of one that was asked for; as normalise()
 */

ngx_int_t ngx_paygw_alipay_returned(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *content);
ngx_int_t ngx_paygw_alipay_refund_state(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *content);


/* ngx_paygw_alipay_event.c */

ngx_int_t ngx_paygw_alipay_event(ngx_paygw_notify_t *n);
void ngx_paygw_alipay_ack(const ngx_paygw_notify_t *n, ngx_uint_t status,
    ngx_paygw_ack_t *ack);


#endif /* _NGX_PAYGW_ALIPAY_H_INCLUDED_ */
