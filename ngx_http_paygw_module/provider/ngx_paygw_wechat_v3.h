
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_WECHAT_V3_H_INCLUDED_
#define _NGX_PAYGW_WECHAT_V3_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"
#include "ngx_paygw_source.h"
#include "ngx_paygw_wechat.h"
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_json.h"
#include "ngx_paygw_order.h"


/* what the files of WeChat Pay APIv3 share; nobody else includes this */


/* the header fields, in the order of their names */
#define NGX_PAYGW_WECHAT_V3_TIMESTAMP  0
#define NGX_PAYGW_WECHAT_V3_NONCE      1
#define NGX_PAYGW_WECHAT_V3_SIGNATURE  2
#define NGX_PAYGW_WECHAT_V3_SERIAL     3

/* may be absent */
#define NGX_PAYGW_WECHAT_V3_SIGN_TYPE  4
#define NGX_PAYGW_WECHAT_V3_STATEMENT  5

/* a bit for each of the others */
#define NGX_PAYGW_WECHAT_V3_REQUIRED   0x0f

#define NGX_PAYGW_WECHAT_V3_AEAD       "AEAD_AES_256_GCM"


/* the account of a channel */
typedef struct {
    ngx_paygw_wechat_account_t  account;       /* first; its mchid is the
                                                  sp_mchid in partner mode */
    ngx_str_t                apiv3_key;
    ngx_array_t             *keys;             /* of ngx_paygw_key_t *:
                                                  platform certificates and
                                                  public keys */
    ngx_paygw_key_t         *private_key;
    ngx_paygw_key_t         *certificate;
    ngx_str_t                serial;           /* of our own certificate */
    ngx_str_t                root;             /* file of the platform's */

    /* of ngx_str_t, pointers into bodies; NULL: none */
    ngx_array_t             *encrypt;
    ngx_array_t             *decrypt;
} ngx_paygw_wechat_v3_conf_t;


/* one callback: n->data */
typedef struct {
    time_t                   timestamp;
    ngx_uint_t               answer;           /* of a call, no callback;
                                                  unsigned:1 */
    ngx_paygw_key_t        **keys;             /* of each channel: the key that
                                                  the serial names, or NULL */

    /* of the envelope, after the signature */
    ngx_str_t                id;
    ngx_str_t                event_type;
    ngx_str_t                create_time;
    ngx_str_t                nonce;
    ngx_str_t                associated;
    ngx_str_t                ciphertext;

    ngx_str_t                plaintext;
    ngx_paygw_json_t        *resource;         /* the plaintext, parsed */

    /* the account in it that is not ours, for the log */
    const char              *other;            /* name of the member */
    ngx_str_t                other_id;
    ngx_uint_t               configured;       /* of that name */
} ngx_paygw_wechat_v3_ctx_t;


/* 1 if the event type begins with a prefix */
#define ngx_paygw_wechat_v3_is(ctx, prefix)                                   \
    ((ctx)->event_type.len > sizeof(prefix) - 1                               \
     && ngx_strncmp((ctx)->event_type.data, prefix, sizeof(prefix) - 1) == 0)


/*
 * ngx_paygw_wechat_v3.c.  The header fields, n->data; and keyring, clock and
 * signature: what callbacks and answers have in common.
 */

extern const ngx_str_t  ngx_paygw_wechat_v3_headers[];

ngx_int_t ngx_paygw_wechat_v3_parse(ngx_paygw_notify_t *n);
ngx_int_t ngx_paygw_wechat_v3_genuine(ngx_paygw_notify_t *n);


/* ngx_paygw_wechat_v3_api.c */

extern const ngx_paygw_api_t  ngx_paygw_wechat_v3_api;

/* the value of "Authorization" of a request, in pool: NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_wechat_v3_authorize(ngx_paygw_channel_t *ch,
    ngx_str_t *method, ngx_str_t *target, ngx_str_t *body, time_t now,
    ngx_str_t *value, ngx_pool_t *pool, ngx_log_t *log);


/*
 * ngx_paygw_wechat_v3_statement.c: whether the answer is a statement of all
 * currencies, whose signature is over text in place of the file: NGX_OK, text
 * is set; NGX_DECLINED, it is none; NGX_ERROR.  Then, once text is genuine,
 * whether it is about the file, which x tells then: NGX_OK, or refuses.
 */
ngx_int_t ngx_paygw_wechat_v3_statement(ngx_paygw_exchange_t *x,
    ngx_str_t *text);
ngx_int_t ngx_paygw_wechat_v3_stated(ngx_paygw_exchange_t *x);


/*
 * ngx_paygw_wechat_v3_paths.c: by method and path; whether a call may be sent
 * again, 1 if it asks for a file, which nobody signs, and 1 if it brings one
 */

ngx_paygw_repeat_e ngx_paygw_wechat_v3_repeat(ngx_paygw_exchange_t *x);
ngx_uint_t ngx_paygw_wechat_v3_is_file(ngx_paygw_exchange_t *x);
ngx_uint_t ngx_paygw_wechat_v3_is_upload(ngx_paygw_exchange_t *x);


/*
 * ngx_paygw_wechat_v3_upload.c: 1 if the type is one of many parts; and of such
 * a call what the signature goes over, as api->build()
 */

ngx_uint_t ngx_paygw_wechat_v3_multipart(ngx_paygw_exchange_t *x);
ngx_int_t ngx_paygw_wechat_v3_upload(ngx_paygw_exchange_t *x,
    ngx_str_t *covered);


/*
 * ngx_paygw_wechat_v3_about.c: whether an answer is about what was asked for,
 * as far as both say it: NGX_OK, NGX_DECLINED or NGX_ERROR
 */

ngx_int_t ngx_paygw_wechat_v3_about(ngx_paygw_exchange_t *x,
    ngx_paygw_json_t *answer);


/*
 * ngx_paygw_wechat_v3_order.c, and ngx_paygw_wechat_v3_told.c: its normalise()
 */

#define NGX_PAYGW_WECHAT_V3_FILE  "/v3/billdownload/file"

/* order->data of a bill: the arguments of its path */
typedef struct {
    ngx_str_t                args;
} ngx_paygw_wechat_v3_file_t;

/* of prepay_id and URLs */
#define NGX_PAYGW_WECHAT_V3_URL_MAX  1024

extern const ngx_paygw_orders_t  ngx_paygw_wechat_v3_orders;

/* for that: the two answers of a bill, as orders->normalise() */
ngx_int_t ngx_paygw_wechat_v3_located(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_paygw_json_t *root);
ngx_int_t ngx_paygw_wechat_v3_filed(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);

ngx_int_t ngx_paygw_wechat_v3_normalise(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);


/*
 * ngx_paygw_wechat_v3_forged.c: the refusals that take some explaining.  A
 * serial that no key has (known: that of a key which is not valid now), and a
 * signature over six parts, the fifth of them the body: sig is NULL if it is
 * not base64, else key has not made it.
 */

ngx_int_t ngx_paygw_wechat_v3_unknown(ngx_paygw_notify_t *n,
    ngx_uint_t known);
ngx_int_t ngx_paygw_wechat_v3_forged(ngx_paygw_notify_t *n, ngx_str_t *parts,
    ngx_str_t *sig, ngx_paygw_key_t *key);


/*
 * ngx_paygw_wechat_v3_resource.c: reads the envelope, then opens the resource
 * with the keys of the channels that are left and finds the account in it,
 * which sets n->channel.
 */

ngx_int_t ngx_paygw_wechat_v3_envelope(ngx_paygw_notify_t *n);
ngx_int_t ngx_paygw_wechat_v3_open(ngx_paygw_notify_t *n);


/* ngx_paygw_wechat_v3_conf.c */

extern const ngx_paygw_param_t  ngx_paygw_wechat_v3_params[];

ngx_int_t ngx_paygw_wechat_v3_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch);
char *ngx_paygw_wechat_v3_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch);


/* ngx_paygw_wechat_v3_keys.c: the platform's keys while nginx runs */

extern const ngx_paygw_source_t  ngx_paygw_wechat_v3_source;

ngx_int_t ngx_paygw_wechat_v3_check_fetch(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_wechat_v3_conf_t *conf);


/* ngx_paygw_wechat_v3_event.c */

ngx_int_t ngx_paygw_wechat_v3_event(ngx_paygw_notify_t *n);
void ngx_paygw_wechat_v3_ack(const ngx_paygw_notify_t *n, ngx_uint_t status,
    ngx_paygw_ack_t *ack);


/* what "code" of an error says: ngx_paygw_wechat_v3_told.c */
extern const ngx_paygw_code_word_t  ngx_paygw_wechat_v3_codes[];


#endif /* _NGX_PAYGW_WECHAT_V3_H_INCLUDED_ */
