
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v3.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_aead.h"
#include "ngx_paygw_sign.h"
#include "ngx_paygw_text.h"


/*
 * GET /v3/certificates.  The first answer comes when no key is known yet: what
 * it holds is sealed with the APIv3 key, and then the answer as a whole must
 * be signed by a certificate that is known or that was in it.
 */


#define NGX_PAYGW_WECHAT_V3_TARGET  "/v3/certificates"


/* the header fields of an answer */

typedef struct {
    ngx_str_t                timestamp;
    ngx_str_t                nonce;
    ngx_str_t                signature;
    ngx_str_t                serial;
} ngx_paygw_wechat_v3_answer_t;


static ngx_uint_t ngx_paygw_wechat_v3_may_be(ngx_str_t *id);
static ngx_int_t ngx_paygw_wechat_v3_accept(ngx_paygw_channel_t *ch,
    ngx_paygw_found_t *found, ngx_pool_t *pool, ngx_log_t *log,
    const char **err);
static ngx_int_t ngx_paygw_wechat_v3_request(ngx_paygw_source_fetch_t *f);
static ngx_int_t ngx_paygw_wechat_v3_answer(ngx_paygw_source_fetch_t *f);
static ngx_int_t ngx_paygw_wechat_v3_fields(ngx_paygw_source_fetch_t *f,
    ngx_paygw_wechat_v3_answer_t *a);
static ngx_int_t ngx_paygw_wechat_v3_list(ngx_paygw_source_fetch_t *f);
static ngx_int_t ngx_paygw_wechat_v3_item(ngx_paygw_source_fetch_t *f,
    ngx_paygw_json_t *item);
static ngx_int_t ngx_paygw_wechat_v3_unseal(ngx_paygw_source_fetch_t *f,
    ngx_paygw_json_t *sealed, ngx_str_t *text);
static ngx_int_t ngx_paygw_wechat_v3_signed(ngx_paygw_source_fetch_t *f,
    ngx_paygw_wechat_v3_answer_t *a);
static ngx_int_t ngx_paygw_wechat_v3_useless(ngx_paygw_source_fetch_t *f,
    const char *err);


const ngx_paygw_source_t  ngx_paygw_wechat_v3_source = {
    "platform_certificates",
    &ngx_paygw_rsa_sha256,
    ngx_string("https://api.mch.weixin.qq.com"),
    ngx_string("https://api2.mch.weixin.qq.com"),
    0,
    1,
    ngx_paygw_wechat_v3_may_be,
    ngx_paygw_wechat_v3_accept,
    ngx_paygw_wechat_v3_request,
    ngx_paygw_wechat_v3_answer
};


ngx_int_t
ngx_paygw_wechat_v3_check_fetch(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_wechat_v3_conf_t *conf)
{
    ngx_int_t             rc;
    ngx_uint_t            i;
    ngx_paygw_keyring_t  *kr;
    ngx_paygw_keyfile_t  *file;

    kr = ch->keyring;

    if (kr->fetch
        && (ngx_paygw_channel_required(cf, ch, conf->private_key != NULL,
                                       "merchant_private_key")
            != NGX_OK
            || ngx_paygw_channel_required(cf, ch, conf->serial.len,
                                          "merchant_serial")
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (conf->root.len == 0) {
        return NGX_OK;
    }

    kr->trust = ngx_paygw_trust_create(cf, &conf->root);
    if (kr->trust == NULL) {
        return NGX_ERROR;
    }

    file = kr->files->elts;

    for (i = 0; i < kr->files->nelts; i++) {

        if (!file[i].cert) {
            continue;
        }

        rc = ngx_paygw_cert_chain(cf, &file[i].path, &conf->root);

        if (rc == NGX_OK) {
            continue;
        }

        if (rc == NGX_DECLINED) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"platform_certificate\" \"%V\" of channel "
                               "\"%V\" is not issued by "
                               "\"platform_root_certificate\"",
                               &file[i].path, &ch->name);
        }

        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a serial: upper-case hexadecimal of even length */

static ngx_uint_t
ngx_paygw_wechat_v3_may_be(ngx_str_t *id)
{
    u_char  c;
    size_t  i;

    if (id->len < 2 || id->len > 40 || id->len % 2) {
        return 0;
    }

    for (i = 0; i < id->len; i++) {
        c = id->data[i];

        if ((c < '0' || c > '9') && (c < 'A' || c > 'F')) {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_paygw_wechat_v3_accept(ngx_paygw_channel_t *ch, ngx_paygw_found_t *found,
    ngx_pool_t *pool, ngx_log_t *log, const char **err)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    ngx_int_t         rc;
    ngx_paygw_key_t  *key;

    key = &found->key;

    rc = ngx_paygw_source_accept(ch, found, conf->private_key,
                                 conf->certificate, log, err);

    if (rc != NGX_OK || key->cert == NULL) {
        return rc;
    }

    if (key->id.len == conf->serial.len
        && ngx_strncmp(key->id.data, conf->serial.data, key->id.len) == 0)
    {
        *err = "it has the serial of the merchant's own certificate";
        return NGX_DECLINED;
    }

    if (ch->keyring->trust == NULL) {
        return NGX_OK;
    }

    rc = ngx_paygw_trust_check(ch->keyring->trust, &found->text, err);

    return (rc == NGX_OK || rc == NGX_ERROR) ? rc : NGX_DECLINED;
}


static ngx_int_t
ngx_paygw_wechat_v3_request(ngx_paygw_source_fetch_t *f)
{
    u_char     *p;
    ngx_str_t   value;

    ngx_str_set(&f->method, "GET");
    ngx_str_set(&f->target, NGX_PAYGW_WECHAT_V3_TARGET);
    ngx_str_null(&f->body);

    if (ngx_paygw_wechat_v3_authorize(f->channel, &f->method, &f->target,
                                      &f->body, f->now, &value, f->pool,
                                      f->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(f->pool, value.len
                             + sizeof("Accept: application/json\r\n"
                                      "Authorization: \r\n") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    f->headers.data = p;
    p = ngx_sprintf(p, "Accept: application/json\r\nAuthorization: %V\r\n",
                    &value);
    f->headers.len = p - f->headers.data;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v3_answer(ngx_paygw_source_fetch_t *f)
{
    ngx_int_t                     rc;
    ngx_paygw_wechat_v3_answer_t  a;

    if (f->response->status == 404) {

        /* the account has only a public key */

        f->err = "certificates for this account";

        return NGX_DONE;
    }

    if (f->response->status != 200) {
        return ngx_paygw_wechat_v3_useless(f, "status is not 200");
    }

    rc = ngx_paygw_wechat_v3_fields(f, &a);

    if (rc == NGX_OK) {
        rc = ngx_paygw_wechat_v3_list(f);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_wechat_v3_signed(f, &a);
    }

    return rc;
}


static ngx_int_t
ngx_paygw_wechat_v3_fields(ngx_paygw_source_fetch_t *f,
    ngx_paygw_wechat_v3_answer_t *a)
{
    time_t                 t;
    ngx_paygw_response_t  *r;

    r = f->response;

    if (ngx_paygw_response_header(r, "Wechatpay-Timestamp", &a->timestamp)
        != NGX_OK
        || ngx_paygw_response_header(r, "Wechatpay-Nonce", &a->nonce)
           != NGX_OK
        || ngx_paygw_response_header(r, "Wechatpay-Signature", &a->signature)
           != NGX_OK
        || ngx_paygw_response_header(r, "Wechatpay-Serial", &a->serial)
           != NGX_OK
        || a->nonce.len == 0 || a->serial.len == 0)
    {
        return ngx_paygw_wechat_v3_useless(f, "answer is not signed");
    }

    if (ngx_paygw_timestamp_parse(&a->timestamp, &t) != NGX_OK) {
        return ngx_paygw_wechat_v3_useless(f, "timestamp is not a number");
    }

    if (ngx_abs(f->now - t) > (time_t) (f->channel->window / 1000)) {
        return ngx_paygw_wechat_v3_useless(f, "answer is not fresh, is the "
                                           "clock right?");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v3_list(ngx_paygw_source_fetch_t *f)
{
    char              *err;
    ngx_int_t          rc;
    ngx_paygw_json_t  *root, *data, *item;

    rc = ngx_paygw_json_parse(f->pool, &f->response->body, &root, &err);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        return ngx_paygw_wechat_v3_useless(f, err);
    }

    data = ngx_paygw_json_get(root, "data");

    if (data == NULL || data->type != NGX_PAYGW_JSON_ARRAY) {
        return ngx_paygw_wechat_v3_useless(f, "answer has no \"data\"");
    }

    for (item = data->child; item; item = item->next) {

        if (f->nfound == NGX_PAYGW_KEYS_MAX) {
            return ngx_paygw_wechat_v3_useless(f, "too many certificates");
        }

        rc = ngx_paygw_wechat_v3_item(f, item);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (f->nfound == 0) {
        return ngx_paygw_wechat_v3_useless(f, "answer lists no certificate");
    }

    return NGX_OK;
}


/* one that is not right says that the whole list is not */

static ngx_int_t
ngx_paygw_wechat_v3_item(ngx_paygw_source_fetch_t *f, ngx_paygw_json_t *item)
{
    ngx_int_t           rc;
    ngx_str_t           serial, text;
    ngx_uint_t          i;
    ngx_paygw_found_t  *found;

    if (ngx_paygw_json_get_string(item, "serial_no", &serial) != NGX_OK) {
        return ngx_paygw_wechat_v3_useless(f, "no \"serial_no\"");
    }

    rc = ngx_paygw_wechat_v3_unseal(f, ngx_paygw_json_get(item,
                                                  "encrypt_certificate"),
                                    &text);
    if (rc != NGX_OK) {
        return rc;
    }

    found = &f->found[f->nfound];

    rc = ngx_paygw_source_read(f->channel, 1, NULL, &text, found, f->pool,
                               f->log, &f->err);
    if (rc != NGX_OK) {
        return rc;
    }

    if (found->key.id.len != serial.len
        || ngx_strncmp(found->key.id.data, serial.data, serial.len) != 0)
    {
        return ngx_paygw_wechat_v3_useless(f, "\"serial_no\" is not that of "
                                           "the certificate");
    }

    for (i = 0; i < f->nfound; i++) {
        if (f->found[i].key.id.len == serial.len
            && ngx_strncmp(f->found[i].key.id.data, serial.data, serial.len)
               == 0)
        {
            return ngx_paygw_wechat_v3_useless(f, "a serial comes twice");
        }
    }

    if (f->now > found->key.not_after) {
        return NGX_OK;
    }

    f->nfound++;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v3_unseal(ngx_paygw_source_fetch_t *f,
    ngx_paygw_json_t *sealed, ngx_str_t *text)
{
    ngx_int_t                    rc;
    ngx_str_t                    value, nonce, aad, ciphertext;
    ngx_paygw_wechat_v3_conf_t  *conf;

    conf = f->channel->conf;

    if (sealed == NULL
        || ngx_paygw_json_get_string(sealed, "algorithm", &value) != NGX_OK
        || value.len != sizeof("AEAD_AES_256_GCM") - 1
        || ngx_strncmp(value.data, "AEAD_AES_256_GCM", value.len) != 0
        || ngx_paygw_json_get_string(sealed, "nonce", &nonce) != NGX_OK
        || ngx_paygw_json_get_string(sealed, "associated_data", &aad)
           == NGX_ABORT
        || ngx_paygw_json_get_string(sealed, "ciphertext", &value) != NGX_OK)
    {
        return ngx_paygw_wechat_v3_useless(f, "\"encrypt_certificate\" is "
                                           "malformed");
    }

    rc = ngx_paygw_base64_decode(f->pool, &ciphertext, &value);

    if (rc == NGX_OK) {
        rc = ngx_paygw_gcm_open(f->pool, &conf->apiv3_key, &nonce, &aad,
                                &ciphertext, text);
    }

    if (rc == NGX_OK || rc == NGX_ERROR) {
        return rc;
    }

    return ngx_paygw_wechat_v3_useless(f, "\"apiv3_key\" does not open the "
                                       "certificate");
}


static ngx_int_t
ngx_paygw_wechat_v3_signed(ngx_paygw_source_fetch_t *f,
    ngx_paygw_wechat_v3_answer_t *a)
{
    ngx_int_t         rc;
    ngx_str_t         sig, parts[6];
    ngx_uint_t        i;
    ngx_paygw_key_t  *key;

    key = ngx_paygw_source_find(f->channel, &a->serial, f->now);

    for (i = 0; key == NULL && i < f->nfound; i++) {

        if (f->found[i].key.id.len == a->serial.len
            && ngx_strncmp(f->found[i].key.id.data, a->serial.data,
                           a->serial.len)
               == 0
            && ngx_paygw_channel_usable(&f->found[i].key, f->now))
        {
            key = &f->found[i].key;
        }
    }

    if (key == NULL) {
        return ngx_paygw_wechat_v3_useless(f, "answer is signed by a "
                                           "certificate that it does not "
                                           "list");
    }

    rc = ngx_paygw_base64_decode(f->pool, &sig, &a->signature);

    if (rc == NGX_OK) {
        parts[0] = a->timestamp;
        ngx_str_set(&parts[1], "\n");
        parts[2] = a->nonce;
        ngx_str_set(&parts[3], "\n");
        parts[4] = f->response->body;
        ngx_str_set(&parts[5], "\n");

        rc = ngx_paygw_verify(&ngx_paygw_rsa_sha256, key, parts, 6, &sig,
                              f->log);
    }

    if (rc == NGX_OK || rc == NGX_ERROR) {
        return rc;
    }

    return ngx_paygw_wechat_v3_useless(f, "signature of the answer is wrong");
}


static ngx_int_t
ngx_paygw_wechat_v3_useless(ngx_paygw_source_fetch_t *f, const char *err)
{
    f->err = err;

    return NGX_DECLINED;
}
