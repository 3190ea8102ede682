
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v3.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_sensitive.h"


/*
 * Calls of APIv3: the signature goes over the request line and the body, and
 * neither the host nor any other header field is part of it.
 */


#define NGX_PAYGW_WECHAT_V3_NONCE_LEN  32

/* a header field of the caller's request */
#define NGX_PAYGW_WECHAT_V3_ASKS_SERIAL  0


static char *ngx_paygw_wechat_v3_api_conf(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_wechat_v3_build(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_wechat_v3_fields(ngx_paygw_exchange_t *x,
    ngx_str_t *authorization, ngx_str_t *serial, ngx_str_t *type);
static ngx_int_t ngx_paygw_wechat_v3_ask(ngx_paygw_exchange_t *x,
    ngx_str_t *serial, ngx_paygw_key_t **which);
static ngx_uint_t ngx_paygw_wechat_v3_bare(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_wechat_v3_file(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_wechat_v3_check_answer(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_wechat_v3_unsigned(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_wechat_v3_sense(ngx_paygw_exchange_t *x);


static const ngx_str_t  ngx_paygw_wechat_v3_asks[] = {
    ngx_string("wechatpay-serial"),
    ngx_null_string
};


const ngx_paygw_api_t  ngx_paygw_wechat_v3_api = {
    "https://api.mch.weixin.qq.com backup=https://api2.mch.weixin.qq.com",
    ngx_paygw_wechat_v3_asks,
    ngx_paygw_wechat_v3_headers,
    ngx_paygw_wechat_v3_api_conf,
    ngx_paygw_wechat_v3_build,
    ngx_paygw_wechat_v3_check_answer,
    NULL, NULL, NULL
};


static char *
ngx_paygw_wechat_v3_api_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    if (ngx_paygw_channel_required(cf, ch, conf->private_key != NULL,
                                   "merchant_private_key")
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->serial.len == 0) {
        (void) ngx_paygw_channel_lacks(cf, ch, "merchant_serial",
                                       " or \"merchant_certificate\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_paygw_wechat_v3_build(ngx_paygw_exchange_t *x)
{
    ngx_int_t                    rc;
    ngx_str_t                    value, serial, covered, type;
    ngx_uint_t                   upload;
    ngx_paygw_key_t             *key;
    ngx_paygw_wechat_v3_conf_t  *conf;

    if (x->path.len < 4 || ngx_strncmp(x->path.data, "/v3/", 4) != 0) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_MALFORMED,
                                "the path must begin with /v3/");
    }

    x->method = x->in.method;
    x->target = x->in.target;
    x->body = x->in.body;
    x->nfields = 0;
    x->repeat = ngx_paygw_wechat_v3_repeat(x);

    upload = ngx_paygw_wechat_v3_multipart(x);
    covered = x->body;

    if (upload) {
        rc = ngx_paygw_wechat_v3_upload(x, &covered);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    x->file = ngx_paygw_wechat_v3_is_file(x) ? ngx_paygw_wechat_v3_file : NULL;

    rc = ngx_paygw_wechat_v3_ask(x, &serial, &key);

    conf = x->n.channels[0]->conf;

    /* who names a key has encrypted on its own */

    if (rc == NGX_OK && conf->encrypt && x->body.len && !upload
        && x->in.headers[NGX_PAYGW_WECHAT_V3_ASKS_SERIAL].data == NULL)
    {
        rc = ngx_paygw_sensitive_seal(x, conf->encrypt, key);
        covered = x->body;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_paygw_wechat_v3_bind(x) != NGX_OK
        || ngx_paygw_wechat_v3_authorize(x->n.channels[0], &x->method,
                                         &x->target, &covered, x->n.msg.now,
                                         &value, x->n.pool, x->n.log)
           != NGX_OK)
    {
        return ngx_paygw_refuse(&x->n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                NULL);
    }

    if (upload) {
        type = x->type;

    } else {
        ngx_str_set(&type, "application/json");
    }

    return ngx_paygw_wechat_v3_fields(x, &value, &serial, &type);
}


static ngx_int_t
ngx_paygw_wechat_v3_fields(ngx_paygw_exchange_t *x, ngx_str_t *authorization,
    ngx_str_t *serial, ngx_str_t *type)
{
    static ngx_str_t  json = ngx_string("application/json");
    static ngx_str_t  agent = ngx_string("paygw");

    if (ngx_paygw_exchange_add(x, "Authorization", "authorization",
                               authorization)
        != NGX_OK
        || ngx_paygw_exchange_add(x, "Accept", "accept", &json) != NGX_OK
        || ngx_paygw_exchange_add(x, "User-Agent", "user-agent", &agent)
           != NGX_OK
        || (x->body.len
            && ngx_paygw_exchange_add(x, "Content-Type", "content-type",
                                      type)
               != NGX_OK)
        || (serial->len
            && ngx_paygw_exchange_add(x, "Wechatpay-Serial",
                                      "wechatpay-serial", serial)
               != NGX_OK))
    {
        return ngx_paygw_refuse(&x->n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                NULL);
    }

    return NGX_OK;
}


/*
 * Which key is to sign the answer: the one that the caller has encrypted
 * fields with, else a public key, which has no end, else the newest
 * certificate.  The answer says itself which one it was.
 */

static ngx_int_t
ngx_paygw_wechat_v3_ask(ngx_paygw_exchange_t *x, ngx_str_t *serial,
    ngx_paygw_key_t **which)
{
    ngx_str_t            *asked;
    ngx_uint_t            i;
    ngx_paygw_key_t      *key, **keys;
    ngx_paygw_channel_t  *ch;

    ch = x->n.channels[0];
    asked = &x->in.headers[NGX_PAYGW_WECHAT_V3_ASKS_SERIAL];

    ngx_str_null(serial);
    *which = NULL;

    if (asked->data) {

        if ((x->in.repeated & 1)
            || ngx_paygw_source_find(ch, asked, x->n.msg.now) == NULL)
        {
            return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                    NGX_PAYGW_REASON_UNKNOWN_KEY,
                                    "Wechatpay-Serial names no key of the "
                                    "channel");
        }

        *serial = *asked;

        return NGX_OK;
    }

    key = NULL;
    keys = ch->keys->elts;

    for (i = 0; i < ch->keys->nelts; i++) {

        if (!ngx_paygw_channel_usable(keys[i], x->n.msg.now)) {
            continue;
        }

        if (keys[i]->cert == NULL) {
            key = keys[i];
            break;
        }

        if (key == NULL || keys[i]->not_before > key->not_before) {
            key = keys[i];
        }
    }

    if (key == NULL) {
        /* all of them are still to be fetched */
        return NGX_OK;
    }

    *which = key;

    /* a copy: the keys may be others before the request is sent */

    serial->data = ngx_pstrdup(x->n.pool, &key->id);
    if (serial->data == NULL) {
        return ngx_paygw_refuse(&x->n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                NULL);
    }

    serial->len = key->id.len;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_wechat_v3_authorize(ngx_paygw_channel_t *ch, ngx_str_t *method,
    ngx_str_t *target, ngx_str_t *body, time_t now, ngx_str_t *value,
    ngx_pool_t *pool, ngx_log_t *log)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    u_char     *p, nonce[NGX_PAYGW_WECHAT_V3_NONCE_LEN];
    u_char      tail[NGX_TIME_T_LEN + sizeof(nonce) + 3];
    size_t      len;
    ngx_str_t   parts[6], base64;

    if (ngx_paygw_exchange_nonce(nonce, sizeof(nonce)) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(tail, "\n%T\n%*s\n", now, sizeof(nonce), nonce);

    parts[0] = *method;
    ngx_str_set(&parts[1], "\n");
    parts[2] = *target;
    parts[3].data = tail;
    parts[3].len = p - tail;
    parts[4] = *body;
    ngx_str_set(&parts[5], "\n");

    if (ngx_paygw_exchange_sign(&ngx_paygw_rsa_sha256, conf->private_key,
                                parts, 6, &base64, pool, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    len = sizeof("WECHATPAY2-SHA256-RSA2048 mchid=\"\",nonce_str=\"\","
                 "timestamp=\"\",serial_no=\"\",signature=\"\"") - 1
          + conf->account.mchid.len + sizeof(nonce) + NGX_TIME_T_LEN
          + conf->serial.len + base64.len;

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;
    p = ngx_sprintf(p, "WECHATPAY2-SHA256-RSA2048 mchid=\"%V\","
                    "nonce_str=\"%*s\",timestamp=\"%T\",serial_no=\"%V\","
                    "signature=\"%V\"",
                    &conf->account.mchid, sizeof(nonce), nonce, now,
                    &conf->serial, &base64);
    value->len = p - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v3_check_answer(ngx_paygw_exchange_t *x)
{
    ngx_int_t                   rc, stated;
    ngx_str_t                   file, text;
    ngx_paygw_wechat_v3_ctx_t  *ctx;

    x->unsigned_reply = 0;

    if (ngx_paygw_wechat_v3_bare(x)) {
        return ngx_paygw_wechat_v3_unsigned(x);
    }

    rc = ngx_paygw_wechat_v3_parse(&x->n);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = x->n.data;
    ctx->answer = 1;

    stated = ngx_paygw_wechat_v3_statement(x, &text);

    if (stated == NGX_ERROR) {
        return ngx_paygw_refuse(&x->n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                NULL);
    }

    file = x->n.msg.body;

    if (stated == NGX_OK) {
        x->n.msg.body = text;
    }

    rc = ngx_paygw_wechat_v3_genuine(&x->n);

    x->n.msg.body = file;

    if (rc != NGX_OK) {
        return rc;
    }

    return (stated == NGX_OK) ? ngx_paygw_wechat_v3_stated(x)
                              : ngx_paygw_wechat_v3_sense(x);
}


/* the type of a signature is told even where there is none */

static ngx_uint_t
ngx_paygw_wechat_v3_bare(ngx_paygw_exchange_t *x)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PAYGW_WECHAT_V3_SIGN_TYPE; i++) {
        if (x->n.msg.headers[i].data) {
            return 0;
        }
    }

    return 1;
}


/* by the head of the answer to what asks for a file */

static ngx_int_t
ngx_paygw_wechat_v3_file(ngx_paygw_exchange_t *x)
{
    return (x->status == 200 && ngx_paygw_wechat_v3_bare(x)) ? NGX_OK
                                                              : NGX_DECLINED;
}


/*
 * Without any sign of a signature: a file may come so, an error of the front
 * does.  The last is no word of WeChat Pay, whatever it says.
 */

static ngx_int_t
ngx_paygw_wechat_v3_unsigned(ngx_paygw_exchange_t *x)
{
    char              *err;
    ngx_int_t          rc;
    ngx_str_t          code, none;
    ngx_paygw_json_t  *root;

    if (x->status == 200 && x->file) {
        x->unsigned_reply = 1;
        x->reply_status = x->status;
        ngx_str_set(&x->reply_type, "application/octet-stream");
        x->reply = x->n.msg.body;

        return NGX_OK;
    }

    ngx_str_null(&code);
    ngx_str_null(&none);

    rc = ngx_paygw_json_parse(x->n.pool, &x->n.msg.body, &root, &err);

    if (rc == NGX_ERROR) {
        return ngx_paygw_refuse(&x->n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                NULL);
    }

    if (rc == NGX_OK) {
        (void) ngx_paygw_json_get_string(root, "code", &code);
    }

    if (ngx_paygw_exchange_is(&code, "SIGN_ERROR")) {
        x->ours = "merchant_private_key, merchant_serial and mchid";
    }

    return ngx_paygw_exchange_unsigned(x, ngx_paygw_wechat_v3_codes, &code,
                                       &none);
}


/*
 * The status is not signed, so what is must fit it: an error has a code, and
 * nothing else has one, but a payment whose payer is still being asked (202).
 */

static ngx_int_t
ngx_paygw_wechat_v3_sense(ngx_paygw_exchange_t *x)
{
    char                        *err;
    ngx_int_t                    rc;
    ngx_str_t                   *body, code, message;
    ngx_uint_t                   error;
    ngx_paygw_json_t            *root;
    ngx_paygw_wechat_v3_conf_t  *conf;

    body = &x->n.msg.body;

    x->reply_status = x->status;
    x->reply = *body;
    ngx_str_set(&x->reply_type, "application/json");

    if (body->len == 0) {

        if (x->status == 204 || x->status == 202) {
            ngx_str_null(&x->reply_type);
            return NGX_OK;
        }

        goto mismatch;
    }

    rc = ngx_paygw_json_parse(x->n.pool, body, &root, &err);
    if (rc != NGX_OK) {
        return ngx_paygw_refuse_parse(&x->n, rc, err);
    }

    error = (ngx_paygw_json_get_string(root, "code", &code) == NGX_OK
             && ngx_paygw_json_get_string(root, "message", &message)
                == NGX_OK);

    if (error && ((x->status >= 400 && x->status < 600) || x->status == 202))
    {
        ngx_paygw_exchange_word(x, ngx_paygw_wechat_v3_codes, &code);
        ngx_paygw_wechat_v3_bound(x, ngx_paygw_wechat_v3_codes, &code);
        return NGX_OK;
    }

    if ((x->status == 200 || x->status == 202) && !error) {

        rc = ngx_paygw_wechat_v3_about(x, root);
        if (rc != NGX_OK) {
            return rc;
        }

        conf = x->n.channels[0]->conf;

        return conf->decrypt
               ? ngx_paygw_sensitive_open(x, conf->decrypt, conf->private_key,
                                          &x->reply)
               : NGX_OK;
    }

mismatch:

    return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                 NGX_PAYGW_REASON_MALFORMED,
                                 "status %ui does not fit what is signed",
                                 x->status);
}
