
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v2.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_xml.h"


/*
 * Calls of v2: the caller sends the document of the provider's documentation,
 * and the module adds who we are, a nonce and the signature.
 */


#define NGX_PAYGW_WECHAT_V2_NONCE  32


static char *ngx_paygw_wechat_v2_api_conf(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_wechat_v2_build(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_wechat_v2_preflight(ngx_paygw_exchange_t *x);
static const ngx_paygw_wechat_v2_path_t *ngx_paygw_wechat_v2_find(
    ngx_str_t *path);
static ngx_int_t ngx_paygw_wechat_v2_take(ngx_paygw_exchange_t *x,
    ngx_paygw_wechat_v2_call_t *call);
static ngx_int_t ngx_paygw_wechat_v2_fill(ngx_paygw_exchange_t *x,
    ngx_paygw_wechat_v2_call_t *call,
    const ngx_paygw_wechat_v2_sign_t *sign);
static ngx_int_t ngx_paygw_wechat_v2_seal(ngx_paygw_exchange_t *x,
    ngx_paygw_wechat_v2_call_t *call,
    const ngx_paygw_wechat_v2_sign_t *sign);
static ngx_int_t ngx_paygw_wechat_v2_send(ngx_paygw_exchange_t *x);


/*
 * What may be sent again, what asks for the merchant's certificate (named
 * mistake E3: nothing else does), and whose answers nobody signs, by their
 * makers' word.  The answer of a path that is not here must be signed, and its
 * request is never sent again.  The last row is that of all others.
 */

static const ngx_paygw_wechat_v2_path_t  ngx_paygw_wechat_v2_paths[] = {

    { ngx_string("/pay/unifiedorder"), NGX_PAYGW_REPEAT_ANSWERED,
      "appid", "mch_id", 0, 0, 0, 0 },

    { ngx_string("/pay/orderquery"), NGX_PAYGW_REPEAT_ALWAYS,
      "appid", "mch_id", 0, 0, 0, 0 },

    { ngx_string("/pay/closeorder"), NGX_PAYGW_REPEAT_ANSWERED,
      "appid", "mch_id", 0, 0, 0, 0 },

    { ngx_string("/pay/refundquery"), NGX_PAYGW_REPEAT_ALWAYS,
      "appid", "mch_id", 0, 0, 0, 0 },

    { ngx_string("/secapi/pay/refund"), NGX_PAYGW_REPEAT_ANSWERED,
      "appid", "mch_id", 1, 0, 0, 0 },

    { ngx_string("/secapi/pay/reverse"), NGX_PAYGW_REPEAT_ANSWERED,
      "appid", "mch_id", 1, 0, 0, 0 },

    { ngx_string("/pay/downloadbill"), NGX_PAYGW_REPEAT_ALWAYS,
      "appid", "mch_id", 0, 0, 0, 1 },

    { ngx_string("/pay/downloadfundflow"), NGX_PAYGW_REPEAT_ALWAYS,
      "appid", "mch_id", 1, 1, 0, 1 },

    { ngx_string("/mmpaymkttransfers/promotion/transfers"),
      NGX_PAYGW_REPEAT_NEVER,
      "mch_appid", "mchid", 1, 0, 1, 0 },

    { ngx_string("/mmpaymkttransfers/sendredpack"), NGX_PAYGW_REPEAT_NEVER,
      "wxappid", "mch_id", 1, 0, 1, 0 },

    { ngx_string("/mmpaymkttransfers/sendgroupredpack"),
      NGX_PAYGW_REPEAT_NEVER,
      "wxappid", "mch_id", 1, 0, 1, 0 },

    { ngx_string("/mmpaymkttransfers/"), NGX_PAYGW_REPEAT_NEVER,
      "appid", "mch_id", 1, 0, 1, 0 },

    { ngx_string("/mmpaysptrans/"), NGX_PAYGW_REPEAT_NEVER,
      NULL, "mch_id", 1, 0, 1, 0 },

    { ngx_string("/risk/getpublickey"), NGX_PAYGW_REPEAT_ALWAYS,
      NULL, "mch_id", 1, 0, 1, 0 },

    { ngx_string("/payitil/report"), NGX_PAYGW_REPEAT_NEVER,
      "appid", "mch_id", 0, 0, 1, 0 },

    { ngx_null_string, NGX_PAYGW_REPEAT_NEVER, "appid", "mch_id", 0, 0, 0, 0 }
};


static const ngx_str_t  ngx_paygw_wechat_v2_no_fields[] = {
    ngx_null_string
};


const ngx_paygw_api_t  ngx_paygw_wechat_v2_api = {
    "https://api.mch.weixin.qq.com backup=https://api2.mch.weixin.qq.com",
    ngx_paygw_wechat_v2_no_fields,
    ngx_paygw_wechat_v2_no_fields,
    ngx_paygw_wechat_v2_api_conf,
    ngx_paygw_wechat_v2_build,
    ngx_paygw_wechat_v2_check_answer,
    NULL, NULL, NULL
};


/* that of the provider is all that a channel needs */

static char *
ngx_paygw_wechat_v2_api_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    return NGX_CONF_OK;
}


static ngx_int_t
ngx_paygw_wechat_v2_build(ngx_paygw_exchange_t *x)
{
    ngx_int_t                          rc;
    ngx_paygw_wechat_v2_call_t        *call;
    ngx_paygw_wechat_v2_conf_t        *conf;
    const ngx_paygw_wechat_v2_sign_t  *sign;

    conf = x->n.channels[0]->conf;

    call = ngx_pcalloc(x->n.pool, sizeof(ngx_paygw_wechat_v2_call_t));
    if (call == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    x->data = call;

    call->path = ngx_paygw_wechat_v2_find(&x->path);
    x->repeat = call->path->repeat;
    x->file = call->path->file ? ngx_paygw_wechat_v2_stream : NULL;

    rc = ngx_paygw_wechat_v2_preflight(x);
    if (rc != NGX_OK) {
        return rc;
    }

    if (call->path->cert && conf->certificate == NULL) {
        return ngx_paygw_exchange_wrong(x, "the path needs the merchant's "
                                           "certificate, add "
                                           "merchant_certificate and "
                                           "merchant_private_key to the "
                                           "channel");
    }

    sign = conf->sign;

    if (call->path->hmac) {
        while (!sign->hmac) {
            sign++;
        }
    }

    rc = ngx_paygw_wechat_v2_take(x, call);

    if (rc == NGX_OK) {
        rc = ngx_paygw_wechat_v2_fill(x, call, sign);
    }

    if (rc == NGX_OK && ngx_paygw_wechat_v2_bind(x, &call->asked) != NGX_OK) {
        rc = ngx_paygw_exchange_broken(x);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_wechat_v2_seal(x, call, sign);
    }

    return (rc == NGX_OK) ? ngx_paygw_wechat_v2_send(x) : rc;
}


static ngx_int_t
ngx_paygw_wechat_v2_preflight(ngx_paygw_exchange_t *x)
{
    u_char  c;
    size_t  i;

    if (!ngx_paygw_exchange_method(x, "POST")) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED, NGX_PAYGW_REASON_METHOD,
                                "the method must be POST");
    }

    if (x->type.len
        && !ngx_paygw_exchange_type(x, "text/xml")
        && !ngx_paygw_exchange_type(x, "application/xml"))
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_CONTENT_TYPE,
                                "the body must be text/xml");
    }

    /* of what it is depends what its answer must be: there is one spelling */

    for (i = 0; i < x->path.len; i++) {
        c = x->path.data[i];

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_'
            && c != '/')
        {
            break;
        }
    }

    if (i != x->path.len || i < 2 || x->path.data[i - 1] == '/'
        || ngx_strlchr(x->in.target.data,
                       x->in.target.data + x->in.target.len, '?'))
    {
        return ngx_paygw_exchange_wrong(x, "the path must be one of the API, "
                                           "without arguments");
    }

    return NGX_OK;
}


static const ngx_paygw_wechat_v2_path_t *
ngx_paygw_wechat_v2_find(ngx_str_t *path)
{
    ngx_uint_t                         below;
    const ngx_paygw_wechat_v2_path_t  *p;

    for (p = ngx_paygw_wechat_v2_paths; p->name.len; p++) {

        below = (p->name.data[p->name.len - 1] == '/');

        if ((below ? path->len > p->name.len : path->len == p->name.len)
            && ngx_strncmp(path->data, p->name.data, p->name.len) == 0)
        {
            break;
        }
    }

    return p;
}


/* the caller's elements; what is empty is not signed, and not sent */

static ngx_int_t
ngx_paygw_wechat_v2_take(ngx_paygw_exchange_t *x,
    ngx_paygw_wechat_v2_call_t *call)
{
    char               *err;
    ngx_int_t           rc;
    ngx_uint_t          i;
    ngx_paygw_form_t    given;
    ngx_paygw_field_t  *field;

    err = NULL;
    rc = ngx_paygw_xml_parse(x->n.pool, &x->in.body, "xml", &given, &err);

    if (rc == NGX_ABORT) {
        (void) ngx_paygw_refuse_parse(&x->n, rc, err);
        return NGX_DECLINED;
    }

    if (rc != NGX_OK || ngx_paygw_form_new(x->n.pool, &call->asked) != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    if (!ngx_paygw_fields_plain(&given)) {
        return ngx_paygw_exchange_wrong(x, "an element's name must be "
                                           "letters, digits and \"_\"");
    }

    for (i = 0; i < given.nfields; i++) {
        field = &given.fields[i];

        /* an SDK may well send both, made with a key of its own */

        if (field->value.len == 0
            || ngx_paygw_wechat_v2_is(&field->name, "sign")
            || ngx_paygw_wechat_v2_is(&field->name, "nonce_str"))
        {
            continue;
        }

        call->asked.fields[call->asked.nfields++] = *field;
    }

    return NGX_OK;
}


/* what the caller has left out, and what it must not say */

static ngx_int_t
ngx_paygw_wechat_v2_fill(ngx_paygw_exchange_t *x,
    ngx_paygw_wechat_v2_call_t *call, const ngx_paygw_wechat_v2_sign_t *sign)
{
    u_char                            *p;
    ngx_int_t                          rc;
    ngx_str_t                         *value, nonce;
    const char                        *name;
    ngx_paygw_form_t                  *form;
    ngx_paygw_wechat_account_t        *account;
    const ngx_paygw_wechat_v2_path_t  *path;

    form = &call->asked;
    path = call->path;
    account = x->n.channels[0]->conf;

    name = ngx_paygw_wechat_v2_stranger(form, account);

    if (name) {
        return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "%s is not that of the channel", name);
    }

    value = ngx_paygw_wechat_v2_value(form, "sign_type");

    if (value
        && (value->len != sign->name.len
            /* not secret */
            || ngx_strncmp(value->data, sign->name.data, value->len) != 0))
    {
        return ngx_paygw_exchange_wrong(x, "sign_type is not that of the "
                                           "channel");
    }

    /* named mistake E17: without it a repeat may be another refund */

    if (ngx_paygw_wechat_v2_is(&x->path, "/secapi/pay/refund")
        && ngx_paygw_wechat_v2_value(form, "out_refund_no") == NULL)
    {
        return ngx_paygw_exchange_wrong(x, "a refund needs out_refund_no");
    }

    p = ngx_pnalloc(x->n.pool, NGX_PAYGW_WECHAT_V2_NONCE);

    if (p == NULL
        || ngx_paygw_exchange_nonce(p, NGX_PAYGW_WECHAT_V2_NONCE) != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    nonce.data = p;
    nonce.len = NGX_PAYGW_WECHAT_V2_NONCE;

    rc = ngx_paygw_form_add(form, "nonce_str", &nonce);

    if (rc == NGX_OK && ngx_paygw_wechat_v2_value(form, path->mchid) == NULL)
    {
        rc = ngx_paygw_form_add(form, path->mchid, &account->mchid);
    }

    if (rc == NGX_OK && path->appid
        && ngx_paygw_wechat_v2_value(form, path->appid) == NULL)
    {
        rc = ngx_paygw_form_add(form, path->appid, account->appids->elts);
    }

    /* without it it is MD5: some old paths do not know the element */

    if (rc == NGX_OK && sign->hmac && value == NULL) {
        rc = ngx_paygw_form_add(form, "sign_type",
                                (ngx_str_t *) &sign->name);
    }

    return (rc == NGX_OK) ? NGX_OK
                          : ngx_paygw_exchange_wrong(x, "too many elements");
}


static ngx_int_t
ngx_paygw_wechat_v2_seal(ngx_paygw_exchange_t *x,
    ngx_paygw_wechat_v2_call_t *call, const ngx_paygw_wechat_v2_sign_t *sign)
{
    char                        *err;
    ngx_str_t                    text, hex, *key;
    ngx_paygw_form_t            *form;
    ngx_paygw_wechat_v2_conf_t  *conf;

    form = &call->asked;
    conf = x->n.channels[0]->conf;
    key = conf->keys->elts;

    hex.data = ngx_pnalloc(x->n.pool, NGX_PAYGW_WECHAT_V2_HEX);

    if (hex.data == NULL
        || ngx_paygw_form_sort(form, &err) != NGX_OK
        || ngx_paygw_form_canonical(x->n.pool, form, ngx_paygw_wechat_v2_skip,
                                    NGX_PAYGW_CANON_DROP_EMPTY, &text)
           != NGX_OK
        || ngx_paygw_wechat_v2_mac(sign, &key[0], &text, &hex, x->n.log)
           != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    if (ngx_paygw_form_add(form, "sign", &hex) != NGX_OK) {
        return ngx_paygw_exchange_wrong(x, "too many elements");
    }

    if (ngx_paygw_xml_write(x->n.pool, "xml", form, &x->body) != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v2_send(ngx_paygw_exchange_t *x)
{
    static ngx_str_t  post = ngx_string("POST");
    static ngx_str_t  agent = ngx_string("paygw");
    static ngx_str_t  type = ngx_string("text/xml; charset=utf-8");

    x->method = post;
    x->target = x->path;
    x->nfields = 0;

    if (ngx_paygw_exchange_add(x, "Content-Type", "content-type", &type)
        != NGX_OK
        || ngx_paygw_exchange_add(x, "User-Agent", "user-agent", &agent)
           != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    return NGX_OK;
}


const char *
ngx_paygw_wechat_v2_stranger(ngx_paygw_form_t *form,
    ngx_paygw_wechat_account_t *account)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    static const char  *merchant[] = { "mch_id", "mchid" };
    static const char  *app[] = { "appid", "sub_appid", "mch_appid",
                                  "wxappid" };

    for (i = 0; i < sizeof(merchant) / sizeof(merchant[0]); i++) {
        value = ngx_paygw_wechat_v2_value(form, merchant[i]);

        if (value && !ngx_paygw_wechat_is_mchid(account, value)) {
            return merchant[i];
        }
    }

    for (i = 0; i < sizeof(app) / sizeof(app[0]); i++) {
        value = ngx_paygw_wechat_v2_value(form, app[i]);

        if (value && !ngx_paygw_channel_has(account->appids, value)) {
            return app[i];
        }
    }

    value = ngx_paygw_wechat_v2_value(form, "sub_mch_id");

    return (value && !ngx_paygw_channel_has(account->sub_mchids, value))
           ? "sub_mch_id" : NULL;
}
