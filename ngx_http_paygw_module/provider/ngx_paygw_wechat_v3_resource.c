
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v3.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_aead.h"
#include "ngx_paygw_text.h"


/* The body of a callback, once its signature is good. */


/* names of accounts in a resource: bits in the order of the names below */
#define NGX_PAYGW_WECHAT_V3_MCHID      0x01
#define NGX_PAYGW_WECHAT_V3_SP_MCHID   0x02
#define NGX_PAYGW_WECHAT_V3_SUB_MCHID  0x04
#define NGX_PAYGW_WECHAT_V3_APPID      0x08
#define NGX_PAYGW_WECHAT_V3_SP_APPID   0x10


static ngx_int_t ngx_paygw_wechat_v3_resource(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v3_ctx_t *ctx, ngx_paygw_json_t *root);
static ngx_int_t ngx_paygw_wechat_v3_account(ngx_paygw_wechat_v3_ctx_t *ctx,
    ngx_paygw_wechat_v3_conf_t *conf);
static ngx_int_t ngx_paygw_wechat_v3_other(ngx_paygw_wechat_v3_ctx_t *ctx,
    ngx_paygw_wechat_v3_conf_t *conf, ngx_uint_t i, ngx_str_t *value);
static ngx_uint_t ngx_paygw_wechat_v3_ours(ngx_paygw_wechat_v3_conf_t *conf,
    ngx_uint_t bit, ngx_str_t *value);


static const char  *ngx_paygw_wechat_v3_names[] = {
    "mchid",
    "sp_mchid",
    "sub_mchid",
    "appid",
    "sp_appid",
    "sub_appid",
    NULL
};


ngx_int_t
ngx_paygw_wechat_v3_envelope(ngx_paygw_notify_t *n)
{
    ngx_paygw_wechat_v3_ctx_t  *ctx = n->data;

    ngx_int_t          rc;
    ngx_paygw_json_t  *root;

    rc = ngx_paygw_event_parse(n, &n->msg.body, &root);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_paygw_json_get_string(root, "id", &ctx->id) != NGX_OK
        || !ngx_paygw_visible(&ctx->id, 128))
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid id");
    }

    if (ngx_paygw_json_get_string(root, "event_type", &ctx->event_type)
        != NGX_OK
        || !ngx_paygw_visible(&ctx->event_type, 64))
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid event_type");
    }

    if (ngx_paygw_json_get_string(root, "create_time", &ctx->create_time)
        == NGX_ABORT)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid create_time");
    }

    return ngx_paygw_wechat_v3_resource(n, ctx, root);
}


static ngx_int_t
ngx_paygw_wechat_v3_resource(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v3_ctx_t *ctx, ngx_paygw_json_t *root)
{
    char              *err;
    ngx_int_t          rc;
    ngx_str_t          value;
    ngx_paygw_json_t  *obj;

    obj = ngx_paygw_json_get(root, "resource");

    if (obj == NULL || obj->type != NGX_PAYGW_JSON_OBJECT) {
        err = "no resource";
        goto malformed;
    }

    if (ngx_paygw_json_get_string(obj, "algorithm", &value) != NGX_OK
        || value.len != sizeof(NGX_PAYGW_WECHAT_V3_AEAD) - 1
        || ngx_strncmp(value.data, NGX_PAYGW_WECHAT_V3_AEAD, value.len) != 0)
    {
        err = "resource algorithm is not " NGX_PAYGW_WECHAT_V3_AEAD;
        goto malformed;
    }

    if (ngx_paygw_json_get_string(obj, "nonce", &ctx->nonce) != NGX_OK
        || ctx->nonce.len != NGX_PAYGW_GCM_NONCE_LEN)
    {
        err = "resource nonce is not 12 bytes";
        goto malformed;
    }

    /* absent is the same as empty */

    if (ngx_paygw_json_get_string(obj, "associated_data", &ctx->associated)
        == NGX_ABORT)
    {
        err = "invalid resource associated_data";
        goto malformed;
    }

    if (ngx_paygw_json_get_string(obj, "ciphertext", &value) != NGX_OK) {
        err = "no resource ciphertext";
        goto malformed;
    }

    rc = ngx_paygw_base64_decode(n->pool, &ctx->ciphertext, &value);

    if (rc == NGX_ERROR) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    if (rc != NGX_OK) {
        err = "resource ciphertext is not base64";
        goto malformed;
    }

    return NGX_OK;

malformed:

    return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED, err);
}


/*
 * The channels that are left hold the key that made the signature.  The one
 * whose APIv3 key opens the resource and whose account stands in it is it.
 */

ngx_int_t
ngx_paygw_wechat_v3_open(ngx_paygw_notify_t *n)
{
    ngx_paygw_wechat_v3_ctx_t  *ctx = n->data;

    ngx_int_t                    rc;
    ngx_uint_t                   i, opened;
    ngx_paygw_channel_t         *ch;
    ngx_paygw_wechat_v3_conf_t  *conf;

    opened = 0;

    for (i = 0; i < n->nchannels; i++) {

        if (ctx->keys[i] == NULL) {
            continue;
        }

        ch = n->channels[i];
        conf = ch->conf;

        rc = ngx_paygw_gcm_open(n->pool, &conf->apiv3_key, &ctx->nonce,
                                &ctx->associated, &ctx->ciphertext,
                                &ctx->plaintext);
        if (rc == NGX_ERROR) {
            return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                    NULL);
        }

        if (rc == NGX_ABORT) {
            return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_DECRYPT,
                                    "resource ciphertext is too short");
        }

        if (rc != NGX_OK) {
            continue;
        }

        opened = 1;

        rc = ngx_paygw_event_parse(n, &ctx->plaintext, &ctx->resource);
        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_paygw_wechat_v3_account(ctx, conf);

        if (rc == NGX_OK) {
            n->channel = ch;
            return NGX_OK;
        }

        if (rc != NGX_DECLINED) {
            return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                    "account is not a string");
        }
    }

    if (opened) {
        return ngx_paygw_refuse_account(n, NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                        ctx->other, &ctx->other_id,
                                        ctx->configured);
    }

    return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_DECRYPT,
                            "apiv3_key does not open the resource");
}


/*
 * Every account name in the resource must be ours, whatever the event.  Where
 * money moved, the names that identify the account must be there as well;
 * refunds name no appid.
 */

static ngx_int_t
ngx_paygw_wechat_v3_account(ngx_paygw_wechat_v3_ctx_t *ctx,
    ngx_paygw_wechat_v3_conf_t *conf)
{
    ngx_int_t   rc;
    ngx_str_t   value;
    ngx_uint_t  i, bit, found, wanted, partner;

    found = 0;
    partner = conf->account.sub_mchids != NULL;

    for (i = 0; ngx_paygw_wechat_v3_names[i]; i++) {

        rc = ngx_paygw_json_get_string(ctx->resource,
                                       ngx_paygw_wechat_v3_names[i], &value);
        if (rc == NGX_ABORT) {
            return NGX_ABORT;
        }

        if (value.len == 0) {
            continue;
        }

        bit = (ngx_uint_t) 1 << i;

        if (!ngx_paygw_wechat_v3_ours(conf, bit, &value)) {
            return ngx_paygw_wechat_v3_other(ctx, conf, i, &value);
        }

        found |= bit;
    }

    wanted = 0;

    if (ngx_paygw_wechat_v3_is(ctx, "TRANSACTION.")) {
        wanted = partner ? NGX_PAYGW_WECHAT_V3_SP_APPID
                         : NGX_PAYGW_WECHAT_V3_APPID;
    }

    if (wanted || ngx_paygw_wechat_v3_is(ctx, "REFUND.")) {
        wanted |= partner ? NGX_PAYGW_WECHAT_V3_SP_MCHID
                            | NGX_PAYGW_WECHAT_V3_SUB_MCHID
                          : NGX_PAYGW_WECHAT_V3_MCHID;
    }

    for (i = 0; ngx_paygw_wechat_v3_names[i]; i++) {
        if (wanted & ~found & ((ngx_uint_t) 1 << i)) {
            return ngx_paygw_wechat_v3_other(ctx, conf, i, NULL);
        }
    }

    return NGX_OK;
}


/* notes why it is not ours; value is NULL for a name that is not there */

static ngx_int_t
ngx_paygw_wechat_v3_other(ngx_paygw_wechat_v3_ctx_t *ctx,
    ngx_paygw_wechat_v3_conf_t *conf, ngx_uint_t i, ngx_str_t *value)
{
    ctx->other = ngx_paygw_wechat_v3_names[i];

    ngx_str_null(&ctx->other_id);

    if (value) {
        ctx->other_id = *value;
    }

    switch ((ngx_uint_t) 1 << i) {

    case NGX_PAYGW_WECHAT_V3_MCHID:
    case NGX_PAYGW_WECHAT_V3_SP_MCHID:
        ctx->configured = 1;
        break;

    case NGX_PAYGW_WECHAT_V3_SUB_MCHID:
        ctx->configured = conf->account.sub_mchids
                          ? conf->account.sub_mchids->nelts : 0;
        break;

    default:
        ctx->configured = conf->account.appids->nelts;
        break;
    }

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_paygw_wechat_v3_ours(ngx_paygw_wechat_v3_conf_t *conf, ngx_uint_t bit,
    ngx_str_t *value)
{
    switch (bit) {

    case NGX_PAYGW_WECHAT_V3_MCHID:
    case NGX_PAYGW_WECHAT_V3_SP_MCHID:
        return ngx_paygw_wechat_is_mchid(&conf->account, value);

    case NGX_PAYGW_WECHAT_V3_SUB_MCHID:
        return ngx_paygw_channel_has(conf->account.sub_mchids, value);

    default:
        return ngx_paygw_channel_has(conf->account.appids, value);
    }
}
