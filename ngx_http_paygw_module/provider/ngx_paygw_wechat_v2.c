
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v2.h"
#include "ngx_paygw_xml.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_task.h"
#include "ngx_paygw_text.h"


/*
 * WeChat Pay v2 callbacks: flat XML, its signature one of the elements, made
 * with a key that both sides have.  The callback of a refund has no signature
 * at all, only a part that is encrypted: it is another message, and which of
 * the two a message is may never be open.
 */


static ngx_int_t ngx_paygw_wechat_v2_parse(ngx_paygw_notify_t *n);
static ngx_int_t ngx_paygw_wechat_v2_fields(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx);
static ngx_int_t ngx_paygw_wechat_v2_verify(ngx_paygw_notify_t *n);
static ngx_int_t ngx_paygw_wechat_v2_signed(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_wechat_v2_sign_type(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_wechat_v2_conf_t *conf);
static ngx_int_t ngx_paygw_wechat_v2_signature(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_wechat_v2_conf_t *conf);
static ngx_int_t ngx_paygw_wechat_v2_make(ngx_paygw_task_t *t);
static char *ngx_paygw_wechat_v2_hint(ngx_paygw_wechat_v2_ctx_t *ctx,
    const ngx_paygw_wechat_v2_sign_t *sign);


const char  *ngx_paygw_wechat_v2_skip[] = { "sign", NULL };


static const ngx_str_t  ngx_paygw_wechat_v2_headers[] = {
    ngx_null_string
};


static const ngx_str_t  ngx_paygw_wechat_v2_types[] = {
    ngx_string("text/xml"),
    ngx_string("application/xml"),
    ngx_null_string
};


const ngx_paygw_provider_t  ngx_paygw_wechat_v2 = {
    ngx_string("wechat_v2"),
    ngx_paygw_wechat_v2_headers,
    ngx_paygw_wechat_v2_types,
    ngx_paygw_wechat_v2_params,
    ngx_paygw_wechat_v2_create,
    ngx_paygw_wechat_v2_check,
    ngx_paygw_wechat_same,
    ngx_paygw_wechat_v2_parse,
    ngx_paygw_wechat_v2_verify,
    ngx_paygw_wechat_v2_event,
    ngx_paygw_wechat_v2_ack,
    ngx_paygw_wechat_v2_make,
    ngx_paygw_wechat_v2_unseal,
    &ngx_paygw_wechat_v2_api,
    &ngx_paygw_wechat_v2_orders
};


ngx_str_t *
ngx_paygw_wechat_v2_value(ngx_paygw_form_t *form, const char *name)
{
    ngx_str_t  *value;

    value = ngx_paygw_form_get(form, name);

    return (value && value->len) ? value : NULL;
}


ngx_uint_t
ngx_paygw_wechat_v2_word(ngx_paygw_form_t *form, const char *name,
    ngx_str_t *value)
{
    ngx_str_t  *s;

    s = ngx_paygw_wechat_v2_value(form, name);

    if (s == NULL || !ngx_paygw_visible(s, 64)) {
        return 0;
    }

    *value = *s;

    return 1;
}


ngx_int_t
ngx_paygw_wechat_v2_digest(ngx_paygw_notify_t *n, ngx_paygw_form_t *form)
{
    ngx_paygw_wechat_v2_ctx_t  *ctx = n->data;

    u_char     *p, digest[NGX_PAYGW_SHA256_LEN];
    ngx_str_t   text;

    static const char  *skip[] = { "nonce_str", "sign", "sign_type", NULL };

    p = ngx_pnalloc(n->pool, NGX_PAYGW_SHA256_LEN);

    if (p == NULL
        || ngx_paygw_form_canonical(n->pool, form, skip,
                                    NGX_PAYGW_CANON_DROP_EMPTY, &text)
           != NGX_OK
        || ngx_paygw_sha256(&text, 1, digest) != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    /* half of it is enough to find no other text for */

    ctx->digest.data = p;
    ctx->digest.len = ngx_hex_dump(p, digest, NGX_PAYGW_SHA256_LEN / 2) - p;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v2_parse(ngx_paygw_notify_t *n)
{
    char                       *err;
    ngx_int_t                   rc;
    ngx_paygw_wechat_v2_ctx_t  *ctx;

    ctx = ngx_pcalloc(n->pool, sizeof(ngx_paygw_wechat_v2_ctx_t));
    if (ctx == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    err = NULL;
    rc = ngx_paygw_xml_parse(n->pool, &n->msg.body, "xml", &ctx->form, &err);

    if (rc != NGX_OK) {
        return ngx_paygw_refuse_parse(n, rc, err);
    }

    n->data = ctx;

    return ngx_paygw_wechat_v2_fields(n, ctx);
}


static ngx_int_t
ngx_paygw_wechat_v2_fields(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx)
{
    ngx_str_t  *value;

    ctx->req_info = ngx_paygw_form_get(&ctx->form, "req_info");

    if (ctx->req_info) {

        if (ngx_paygw_form_get(&ctx->form, "sign")) {
            return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                    "both sign and req_info");
        }

        return NGX_OK;
    }

    ctx->sign = ngx_paygw_wechat_v2_value(&ctx->form, "sign");

    if (ctx->sign == NULL) {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGNATURE,
                                "no sign");
    }

    value = ngx_paygw_wechat_v2_value(&ctx->form, "time_end");

    if (value
        && ngx_paygw_compact_parse(value, NGX_PAYGW_WECHAT_ZONE, &ctx->time)
           != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid time_end");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v2_verify(ngx_paygw_notify_t *n)
{
    ngx_paygw_wechat_v2_ctx_t  *ctx = n->data;

    ngx_int_t             rc;
    ngx_paygw_channel_t  *ch;

    ch = ngx_paygw_wechat_v2_channel(n, ctx);
    if (ch == NULL) {
        return ngx_paygw_refuse_account(n, NGX_PAYGW_REASON_UNKNOWN_ACCOUNT,
                                        "mch_id",
                                        ngx_paygw_wechat_v2_value(&ctx->form,
                                                                  "mch_id"),
                                        n->nchannels);
    }

    if (ctx->req_info) {

        /* nothing of the message is proved yet, and some of it never will */

        rc = ngx_paygw_wechat_v2_success(n, ctx);

        if (rc == NGX_OK) {
            rc = ngx_paygw_wechat_v2_account(n, ctx, ch);
        }

        if (rc == NGX_OK) {
            rc = ngx_paygw_wechat_v2_open(n, ctx, ch);
        }

    } else {
        rc = ngx_paygw_wechat_v2_signed(n, ctx, ch);
    }

    if (rc == NGX_OK) {
        n->channel = ch;
    }

    return rc;
}


static ngx_int_t
ngx_paygw_wechat_v2_signed(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_channel_t *ch)
{
    ngx_int_t                    rc;
    ngx_paygw_wechat_v2_conf_t  *conf;

    conf = ch->conf;

    rc = ngx_paygw_wechat_v2_sign_type(n, ctx, conf);

    /* a message without a time never grows old: its id is kept for long */

    ctx->keep = ctx->time ? ch->keep : ngx_max(ch->keep, NGX_PAYGW_LONG_KEEP);

    if (rc == NGX_OK && ctx->time) {
        rc = ngx_paygw_check_age(n, ch, ctx->time, ctx->keep);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_wechat_v2_signature(n, ctx, conf);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_wechat_v2_unambiguous(n, ctx, ch);
    }

    if (rc == NGX_OK) {
        n->genuine = 1;
        rc = ngx_paygw_wechat_v2_success(n, ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_wechat_v2_account(n, ctx, ch);
    }

    return rc;
}


ngx_int_t
ngx_paygw_wechat_v2_genuine(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_wechat_v2_conf_t *conf)
{
    ngx_int_t  rc;

    rc = ngx_paygw_wechat_v2_sign_type(n, ctx, conf);

    return (rc == NGX_OK) ? ngx_paygw_wechat_v2_signature(n, ctx, conf) : rc;
}


/* the sender does not choose the algorithm; many leave the element out */

static ngx_int_t
ngx_paygw_wechat_v2_sign_type(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_wechat_v2_conf_t *conf)
{
    ngx_str_t  *value;

    value = ngx_paygw_wechat_v2_value(&ctx->form, "sign_type");

    if (value == NULL
        || (value->len == conf->sign->name.len
            /* not secret */
            && ngx_strncmp(value->data, conf->sign->name.data, value->len)
               == 0))
    {
        return NGX_OK;
    }

    return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGN_TYPE,
                            conf->sign->hmac
                            ? "sign_type is not the configured HMAC-SHA256"
                            : "sign_type is not the configured MD5");
}


static ngx_int_t
ngx_paygw_wechat_v2_signature(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_wechat_v2_conf_t *conf)
{
    u_char      buf[NGX_PAYGW_WECHAT_V2_HEX];
    ngx_str_t  *key, text, hex;
    ngx_uint_t  i;

    if (ngx_paygw_form_canonical(n->pool, &ctx->form,
                                 ngx_paygw_wechat_v2_skip,
                                 NGX_PAYGW_CANON_DROP_EMPTY, &text)
        != NGX_OK)
    {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    key = conf->keys->elts;
    hex.data = buf;

    for (i = 0; i < conf->keys->nelts; i++) {

        if (ngx_paygw_wechat_v2_mac(conf->sign, &key[i], &text, &hex, n->log)
            != NGX_OK)
        {
            return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                    NULL);
        }

        if (ngx_paygw_equal(&hex, ctx->sign)) {
            return NGX_OK;
        }
    }

    /* of the string without the key: a hash of the key is for nobody's log */

    return ngx_paygw_refuse_signature(n, NGX_PAYGW_REASON_SIGNATURE, &text, 1,
                                      ngx_paygw_wechat_v2_hint(ctx,
                                                               conf->sign));
}


/* the key is a part of the text, and that of the HMAC as well */

ngx_int_t
ngx_paygw_wechat_v2_mac(const ngx_paygw_wechat_v2_sign_t *sign,
    ngx_str_t *key, ngx_str_t *text, ngx_str_t *hex, ngx_log_t *log)
{
    u_char     *p, digest[NGX_PAYGW_HASH_MAX];
    size_t      i, len;
    ngx_int_t   rc;
    ngx_str_t   parts[3];

    static const u_char  digits[] = "0123456789ABCDEF";

    parts[0] = *text;
    ngx_str_set(&parts[1], "&key=");
    parts[2] = *key;

    rc = sign->hmac ? ngx_paygw_hmac(&ngx_paygw_hash_sha256, key, parts, 3,
                                     digest, &len, log)
                    : ngx_paygw_hash(&ngx_paygw_hash_md5, parts, 3,
                                     digest, &len, log);
    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    p = hex->data;

    for (i = 0; i < sign->len / 2; i++) {
        *p++ = digits[digest[i] >> 4];
        *p++ = digits[digest[i] & 0xf];
    }

    hex->len = sign->len;

    return NGX_OK;
}


/* the algorithm need not be that of the callbacks: each order says its own */

static ngx_int_t
ngx_paygw_wechat_v2_make(ngx_paygw_task_t *t)
{
    ngx_str_t                         *key;
    ngx_paygw_wechat_v2_conf_t        *conf;
    const ngx_paygw_wechat_v2_sign_t  *sign;

    conf = t->channel->conf;
    key = conf->keys->elts;
    sign = conf->sign;

    if (t->algorithm.len) {
        sign = ngx_paygw_wechat_v2_signs;

        while (sign->name.len
               && !ngx_paygw_task_is(t, (char *) sign->name.data))
        {
            sign++;
        }

        if (sign->name.len == 0) {
            return ngx_paygw_task_refuse(t, "the algorithm must be MD5 or "
                                            "HMAC-SHA256");
        }
    }

    t->out.data = ngx_pnalloc(t->pool, NGX_PAYGW_WECHAT_V2_HEX);
    if (t->out.data == NULL) {
        return NGX_ERROR;
    }

    return ngx_paygw_wechat_v2_mac(sign, &key[0], &t->in, &t->out, t->log);
}


/* what of the usual accidents can be seen in the message */

static char *
ngx_paygw_wechat_v2_hint(ngx_paygw_wechat_v2_ctx_t *ctx,
    const ngx_paygw_wechat_v2_sign_t *sign)
{
    u_char      c;
    size_t      i;
    ngx_str_t  *value;
    ngx_uint_t  lower;

    lower = 0;

    for (i = 0; i < ctx->sign->len; i++) {
        c = ctx->sign->data[i];

        if (c >= 'a' && c <= 'f') {
            lower = 1;

        } else if ((c < '0' || c > '9') && (c < 'A' || c > 'F')) {
            return "sign is not hexadecimal";
        }
    }

    if (ctx->sign->len != sign->len) {
        return (ctx->sign->len == (sign->hmac ? 32 : 64))
               ? (sign->hmac ? "sign is as long as one of MD5"
                             : "sign is as long as one of HMAC-SHA256")
               : "sign is of a wrong length";
    }

    if (lower) {
        return "sign is in lower case";
    }

    for (i = 0; i < ctx->form.nfields; i++) {
        value = &ctx->form.fields[i].value;

        if (value->len >= 5
            && ngx_strlcasestrn(value->data, value->data + value->len,
                                (u_char *) "&amp;", 5 - 1))
        {
            return "a value is escaped twice";
        }
    }

    return NULL;
}
