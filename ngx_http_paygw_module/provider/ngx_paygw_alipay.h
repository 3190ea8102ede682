
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_ALIPAY_H_INCLUDED_
#define _NGX_PAYGW_ALIPAY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"
#include "ngx_paygw_source.h"
#include "ngx_paygw_form.h"


/* what the files of Alipay share; nobody else includes this */


/* all its times are in GMT+8 */
#define NGX_PAYGW_ALIPAY_ZONE  (8 * 60 * 60)


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
    ngx_paygw_key_t         *private_key;
    ngx_paygw_key_t         *certificate;
    ngx_str_t                app_sn;           /* for fetches: of app_cert */
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


/* ngx_paygw_alipay_event.c */

ngx_int_t ngx_paygw_alipay_event(ngx_paygw_notify_t *n);
void ngx_paygw_alipay_ack(const ngx_paygw_notify_t *n, ngx_uint_t status,
    ngx_paygw_ack_t *ack);


#endif /* _NGX_PAYGW_ALIPAY_H_INCLUDED_ */
