
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_explain.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_sign.h"
#include "ngx_paygw_task.h"
#include "ngx_paygw_text.h"


/*
 * Alipay callbacks: a form, its signature one of the fields.  The string to
 * verify is made of the values as they were sent, decoded once and never
 * converted (named mistake E1).
 */


/*
 * The ways in which Alipay is known to make the string to sign, in the order
 * of how often each is met.  A good signature is needed in any case.
 */

typedef struct {
    const char             **skip;
    ngx_uint_t               flags;
    ngx_uint_t               needs;
} ngx_paygw_alipay_canon_t;

/* there is an empty value */
#define NGX_PAYGW_ALIPAY_HAS_EMPTY   0x01
/* a message to the gateway of the app, which names a method */
#define NGX_PAYGW_ALIPAY_HAS_METHOD  0x02


static ngx_int_t ngx_paygw_alipay_parse(ngx_paygw_notify_t *n);
static ngx_int_t ngx_paygw_alipay_fields(ngx_paygw_notify_t *n,
    ngx_paygw_alipay_ctx_t *ctx);
static ngx_int_t ngx_paygw_alipay_verify(ngx_paygw_notify_t *n);
static ngx_paygw_channel_t *ngx_paygw_alipay_channel(ngx_paygw_notify_t *n,
    ngx_paygw_alipay_ctx_t *ctx);
static ngx_int_t ngx_paygw_alipay_keyring(ngx_paygw_notify_t *n,
    ngx_paygw_alipay_ctx_t *ctx, ngx_paygw_channel_t *ch, ngx_array_t *keys);
static ngx_int_t ngx_paygw_alipay_clock(ngx_paygw_notify_t *n,
    ngx_paygw_alipay_ctx_t *ctx, ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_alipay_signature(ngx_paygw_notify_t *n,
    ngx_paygw_alipay_ctx_t *ctx, ngx_paygw_channel_t *ch, ngx_array_t *keys);
static ngx_uint_t ngx_paygw_alipay_has(ngx_paygw_alipay_ctx_t *ctx);
static ngx_int_t ngx_paygw_alipay_try(ngx_paygw_notify_t *n,
    ngx_array_t *keys, ngx_str_t *text, ngx_str_t *sig);
static ngx_int_t ngx_paygw_alipay_sign(ngx_paygw_task_t *t);


static const ngx_str_t  ngx_paygw_alipay_headers[] = {
    ngx_null_string
};


static const char  *ngx_paygw_alipay_skip[] = { "sign", "sign_type", NULL };
static const char  *ngx_paygw_alipay_skip_sign[] = { "sign", NULL };


static const ngx_paygw_alipay_canon_t  ngx_paygw_alipay_canons[] = {
    { ngx_paygw_alipay_skip, 0, 0 },
    { ngx_paygw_alipay_skip, NGX_PAYGW_CANON_DROP_EMPTY,
      NGX_PAYGW_ALIPAY_HAS_EMPTY },
    { ngx_paygw_alipay_skip_sign, 0, NGX_PAYGW_ALIPAY_HAS_METHOD },
    { ngx_paygw_alipay_skip_sign, NGX_PAYGW_CANON_DROP_EMPTY,
      NGX_PAYGW_ALIPAY_HAS_METHOD|NGX_PAYGW_ALIPAY_HAS_EMPTY },
    { NULL, 0, 0 }
};


static const ngx_str_t  ngx_paygw_alipay_types[] = {
    ngx_string("application/x-www-form-urlencoded"),
    ngx_null_string
};


const ngx_paygw_provider_t  ngx_paygw_alipay = {
    ngx_string("alipay"),
    ngx_paygw_alipay_headers,
    ngx_paygw_alipay_types,
    ngx_paygw_alipay_params,
    ngx_paygw_alipay_create,
    ngx_paygw_alipay_check,
    ngx_paygw_alipay_same,
    ngx_paygw_alipay_parse,
    ngx_paygw_alipay_verify,
    ngx_paygw_alipay_event,
    ngx_paygw_alipay_ack,
    ngx_paygw_alipay_sign,
    NULL,
    &ngx_paygw_alipay_api,
    &ngx_paygw_alipay_orders
};


ngx_str_t *
ngx_paygw_alipay_value(ngx_paygw_alipay_ctx_t *ctx, const char *name)
{
    return ngx_paygw_fields_value(&ctx->form, name);
}


static ngx_int_t
ngx_paygw_alipay_parse(ngx_paygw_notify_t *n)
{
    ngx_int_t                rc;
    ngx_paygw_alipay_ctx_t  *ctx;

    ctx = ngx_pcalloc(n->pool, sizeof(ngx_paygw_alipay_ctx_t));
    if (ctx == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    rc = ngx_paygw_fields_parse(n, &ctx->form);
    if (rc != NGX_OK) {
        return rc;
    }

    n->data = ctx;

    return ngx_paygw_alipay_fields(n, ctx);
}


static ngx_int_t
ngx_paygw_alipay_fields(ngx_paygw_notify_t *n, ngx_paygw_alipay_ctx_t *ctx)
{
    ngx_str_t  *value;

    ctx->sign = ngx_paygw_alipay_value(ctx, "sign");

    if (ctx->sign == NULL) {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGNATURE,
                                "no sign");
    }

    /* the sender does not choose the algorithm: RSA would mean SHA-1 */

    value = ngx_paygw_form_get(&ctx->form, "sign_type");

    if (value
        && (value->len != 4 || ngx_strncmp(value->data, "RSA2", 4) != 0))
    {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGN_TYPE,
                                "only RSA2 is accepted, choose it for the app "
                                "in the console");
    }

    value = ngx_paygw_alipay_value(ctx, "notify_time");

    if (value
        && ngx_paygw_datetime_parse(value, NGX_PAYGW_ALIPAY_ZONE,
                                    &ctx->notify_time)
           != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid notify_time");
    }

    value = ngx_paygw_alipay_value(ctx, "notify_type");

    ctx->trade = value
                 && value->len == sizeof("trade_status_sync") - 1
                 && ngx_strncmp(value->data, "trade_status_sync", value->len)
                    == 0;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_verify(ngx_paygw_notify_t *n)
{
    ngx_paygw_alipay_ctx_t  *ctx = n->data;

    ngx_int_t             rc;
    ngx_array_t           keys;
    ngx_paygw_channel_t  *ch;

    ch = ngx_paygw_alipay_channel(n, ctx);
    if (ch == NULL) {
        return ngx_paygw_refuse_account(n, NGX_PAYGW_REASON_UNKNOWN_ACCOUNT,
                                        "app_id",
                                        ngx_paygw_alipay_value(ctx, "app_id"),
                                        n->nchannels);
    }

    rc = ngx_paygw_alipay_keyring(n, ctx, ch, &keys);

    if (rc == NGX_OK) {
        rc = ngx_paygw_alipay_clock(n, ctx, ch);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_alipay_signature(n, ctx, ch, &keys);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_alipay_unambiguous(n, ctx, ch);
    }

    if (rc == NGX_OK) {
        n->genuine = 1;
        rc = ngx_paygw_alipay_account(n, ctx, ch);
    }

    if (rc == NGX_OK) {
        n->channel = ch;
    }

    return rc;
}


static ngx_paygw_channel_t *
ngx_paygw_alipay_channel(ngx_paygw_notify_t *n, ngx_paygw_alipay_ctx_t *ctx)
{
    ngx_str_t                *app_id;
    ngx_uint_t                i;
    ngx_paygw_alipay_conf_t  *conf;

    app_id = ngx_paygw_alipay_value(ctx, "app_id");
    if (app_id == NULL) {
        return NULL;
    }

    for (i = 0; i < n->nchannels; i++) {
        conf = n->channels[i]->conf;

        if (conf->app_id.len == app_id->len
            && ngx_strncmp(conf->app_id.data, app_id->data, app_id->len) == 0)
        {
            return n->channels[i];
        }
    }

    return NULL;
}


/* the keys that may have signed: one if the message names a certificate */

static ngx_int_t
ngx_paygw_alipay_keyring(ngx_paygw_notify_t *n, ngx_paygw_alipay_ctx_t *ctx,
    ngx_paygw_channel_t *ch, ngx_array_t *usable)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    ngx_str_t         *sn;
    ngx_uint_t         i, known;
    ngx_paygw_key_t  **keys, **key;

    sn = NULL;

    if (conf->certs) {
        sn = ngx_paygw_alipay_value(ctx, "alipay_cert_sn");
        if (sn) {
            ngx_paygw_note_key(n, sn);
        }
    }

    if (ngx_array_init(usable, n->pool, ch->keys->nelts + 1,
                       sizeof(ngx_paygw_key_t *))
        != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    known = 0;
    keys = ch->keys->elts;

    for (i = 0; i < ch->keys->nelts; i++) {

        if (sn
            && (keys[i]->id.len != sn->len
                || ngx_strncmp(keys[i]->id.data, sn->data, sn->len) != 0))
        {
            continue;
        }

        known = 1;

        if (!ngx_paygw_channel_usable(keys[i], n->msg.now)) {
            continue;
        }

        /* there is room for all of them */

        key = ngx_array_push(usable);
        *key = keys[i];
    }

    if (usable->nelts) {
        return NGX_OK;
    }

    return ngx_paygw_alipay_unknown(n, ch, known);
}


/*
 * A repeated callback keeps its notify_id, and so is fresh as long as Alipay
 * may repeat it.  What is older than that is refused before the store forgets
 * its id.
 */

static ngx_int_t
ngx_paygw_alipay_clock(ngx_paygw_notify_t *n, ngx_paygw_alipay_ctx_t *ctx,
    ngx_paygw_channel_t *ch)
{
    if (ctx->notify_time == 0) {
        return NGX_OK;
    }

    return ngx_paygw_check_age(n, ch, ctx->notify_time, ch->keep);
}


static ngx_int_t
ngx_paygw_alipay_signature(ngx_paygw_notify_t *n, ngx_paygw_alipay_ctx_t *ctx,
    ngx_paygw_channel_t *ch, ngx_array_t *keys)
{
    ngx_int_t                        rc, decoded;
    ngx_str_t                        sig, text, first;
    ngx_uint_t                       has;
    const ngx_paygw_alipay_canon_t  *canon;

    decoded = ngx_paygw_base64_decode(n->pool, &sig, ctx->sign);
    if (decoded == NGX_ERROR) {
        goto error;
    }

    has = ngx_paygw_alipay_has(ctx);

    ngx_str_null(&first);

    for (canon = ngx_paygw_alipay_canons; canon->skip; canon++) {

        if ((canon->needs & has) != canon->needs) {
            continue;
        }

        if (ngx_paygw_form_canonical(n->pool, &ctx->form, canon->skip,
                                     canon->flags, &text)
            != NGX_OK)
        {
            goto error;
        }

        if (first.data == NULL) {
            first = text;
        }

        if (decoded != NGX_OK) {
            break;
        }

        rc = ngx_paygw_alipay_try(n, keys, &text, &sig);

        if (rc == NGX_ERROR) {
            goto error;
        }

        if (rc == NGX_OK) {
            ctx->drop_empty = (canon->flags & NGX_PAYGW_CANON_DROP_EMPTY) != 0;
            return NGX_OK;
        }
    }

    return ngx_paygw_alipay_forged(n, ch, &first,
                                   decoded == NGX_OK ? &sig : NULL,
                                   *(ngx_paygw_key_t **) keys->elts);

error:

    return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
}


static ngx_uint_t
ngx_paygw_alipay_has(ngx_paygw_alipay_ctx_t *ctx)
{
    ngx_uint_t  has;

    /* neither sign nor sign_type can be empty here */

    has = ngx_paygw_fields_empty(&ctx->form) ? NGX_PAYGW_ALIPAY_HAS_EMPTY : 0;

    if (ngx_paygw_alipay_value(ctx, "method")
        && ngx_paygw_alipay_value(ctx, "sign_type"))
    {
        has |= NGX_PAYGW_ALIPAY_HAS_METHOD;
    }

    return has;
}


static ngx_int_t
ngx_paygw_alipay_try(ngx_paygw_notify_t *n, ngx_array_t *keys,
    ngx_str_t *text, ngx_str_t *sig)
{
    ngx_int_t          rc;
    ngx_uint_t         i;
    ngx_paygw_key_t  **key;

    key = keys->elts;

    for (i = 0; i < keys->nelts; i++) {

        rc = ngx_paygw_verify(&ngx_paygw_rsa_sha256, key[i], text, 1, sig,
                              n->log);
        if (rc == NGX_OK) {
            ngx_paygw_note_key(n, &key[i]->id);
        }

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return NGX_DECLINED;
}


/* RSA would mean SHA-1 */

static ngx_int_t
ngx_paygw_alipay_sign(ngx_paygw_task_t *t)
{
    ngx_paygw_alipay_conf_t  *conf;

    if (!ngx_paygw_task_is(t, "RSA2")) {
        return ngx_paygw_task_refuse(t, "the algorithm must be RSA2");
    }

    conf = t->channel->conf;

    return ngx_paygw_task_rsa(t, conf->private_key,
                              "the channel has no app_private_key");
}
