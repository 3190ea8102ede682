
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v3.h"
#include "ngx_paygw_explain.h"
#include "ngx_paygw_sign.h"
#include "ngx_paygw_text.h"


/* Why a callback is not genuine, as far as the message shows it. */


#define NGX_PAYGW_WECHAT_V3_PROBE  "WECHATPAY/SIGNTEST/"

/* what a body of WeChat Pay begins with */
#define NGX_PAYGW_WECHAT_V3_BEGIN  "{\"id\":"


static ngx_int_t ngx_paygw_wechat_v3_hint(ngx_paygw_notify_t *n,
    ngx_str_t *parts, ngx_str_t *sig, ngx_paygw_key_t *key, char **hint);
static ngx_int_t ngx_paygw_wechat_v3_guess(ngx_paygw_notify_t *n,
    ngx_str_t *parts, ngx_str_t *sig, ngx_paygw_key_t *key,
    ngx_paygw_explain_t *ex);
static ngx_paygw_key_t *ngx_paygw_wechat_v3_own(ngx_paygw_notify_t *n);


ngx_int_t
ngx_paygw_wechat_v3_unknown(ngx_paygw_notify_t *n, ngx_uint_t known)
{
    ngx_str_t                   *serial;
    ngx_uint_t                   i, k;
    ngx_paygw_key_t            **key;
    ngx_paygw_explain_ids_t      ids;
    ngx_paygw_wechat_v3_conf_t  *conf;

    if (known) {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_UNKNOWN_KEY,
                                "certificate is expired or not yet valid");
    }

    serial = &n->msg.headers[NGX_PAYGW_WECHAT_V3_SERIAL];

    ids.count = 0;
    ids.len = 0;

    for (i = 0; i < n->nchannels; i++) {

        conf = n->channels[i]->conf;

        if (conf->serial.len && conf->serial.len == serial->len
            && ngx_strncmp(conf->serial.data, serial->data, serial->len) == 0)
        {
            return ngx_paygw_refuse(n, NGX_DECLINED,
                                    NGX_PAYGW_REASON_UNKNOWN_KEY,
                                    "that is the serial of the merchant's own "
                                    "certificate");
        }

        key = n->channels[i]->keys->elts;

        for (k = 0; k < n->channels[i]->keys->nelts; k++) {
            ngx_paygw_explain_id(&ids, &key[k]->id);
        }
    }

    /* it may be a new one */

    n->wanted = *serial;

    return ngx_paygw_explain_unknown(n, "serial", &ids);
}


/*
 * The platform sends wrong signatures on purpose, to see whether we verify
 * (named mistake E19).  They are forgeries like any other, only counted apart.
 */

ngx_int_t
ngx_paygw_wechat_v3_forged(ngx_paygw_notify_t *n, ngx_str_t *parts,
    ngx_str_t *sig, ngx_paygw_key_t *key)
{
    char                *hint;
    size_t               len;
    ngx_str_t           *sent;
    ngx_paygw_reason_e   reason;

    sent = &n->msg.headers[NGX_PAYGW_WECHAT_V3_SIGNATURE];
    len = sizeof(NGX_PAYGW_WECHAT_V3_PROBE) - 1;

    if (sent->len >= len
        && ngx_strncmp(sent->data, NGX_PAYGW_WECHAT_V3_PROBE, len) == 0)
    {
        reason = NGX_PAYGW_REASON_PROBE;
        hint = "signature probe of WeChat Pay";

    } else if (ngx_paygw_wechat_v3_hint(n, parts, sig, key, &hint) == NGX_OK) {
        reason = NGX_PAYGW_REASON_SIGNATURE;

    } else {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    return ngx_paygw_refuse_signature(n, reason, parts, 6, hint);
}


static ngx_int_t
ngx_paygw_wechat_v3_hint(ngx_paygw_notify_t *n, ngx_str_t *parts,
    ngx_str_t *sig, ngx_paygw_key_t *key, char **hint)
{
    ngx_int_t                   rc;
    ngx_str_t                  *body;
    ngx_paygw_explain_t         ex;
    ngx_paygw_wechat_v3_ctx_t  *ctx;

    body = &n->msg.body;

    if (sig == NULL) {
        *hint = ngx_paygw_explain_base64(
                              &n->msg.headers[NGX_PAYGW_WECHAT_V3_SIGNATURE],
                              "signature is not base64");
        return NGX_OK;
    }

    if (body->len > NGX_PAYGW_EXPLAIN_MAX) {
        *hint = NULL;
        return NGX_OK;
    }

    if (ngx_paygw_explain_json(n->pool, body, 0, &ex) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx = n->data;

    if (ex.seen == NULL && !ctx->answer
        && ngx_strncmp(body->data, NGX_PAYGW_WECHAT_V3_BEGIN,
                       ngx_min(body->len,
                               sizeof(NGX_PAYGW_WECHAT_V3_BEGIN) - 1))
           != 0)
    {
        ex.seen = "body may be re-encoded: its members are in another order";
    }

    rc = ngx_paygw_wechat_v3_guess(n, parts, sig, key, &ex);

    *hint = (rc == NGX_OK) ? ex.proved : ex.seen;

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
}


/* one verification, of what is most likely; NGX_OK: that was it */

static ngx_int_t
ngx_paygw_wechat_v3_guess(ngx_paygw_notify_t *n, ngx_str_t *parts,
    ngx_str_t *sig, ngx_paygw_key_t *key, ngx_paygw_explain_t *ex)
{
    ngx_str_t         guess[6];
    ngx_paygw_key_t  *own;

    ngx_memcpy(guess, parts, sizeof(guess));

    if (ex->text.data) {
        guess[4] = ex->text;

    } else if (ex->seen) {
        return NGX_DECLINED;

    } else {
        own = ngx_paygw_wechat_v3_own(n);

        if (own) {
            key = own;
            ex->proved = "signed with the merchant's own key";

        } else {
            ngx_str_set(&guess[5], "\n\n");
            ex->proved = "a line feed at the end of the body was lost";
        }
    }

    return ngx_paygw_verify(&ngx_paygw_rsa_sha256, key, guess, 6, sig, n->log);
}


static ngx_paygw_key_t *
ngx_paygw_wechat_v3_own(ngx_paygw_notify_t *n)
{
    ngx_uint_t                   i;
    ngx_paygw_wechat_v3_conf_t  *conf;

    for (i = 0; i < n->nchannels; i++) {

        conf = n->channels[i]->conf;

        if (conf->certificate) {
            return conf->certificate;
        }

        if (conf->private_key) {
            return conf->private_key;
        }
    }

    return NULL;
}
