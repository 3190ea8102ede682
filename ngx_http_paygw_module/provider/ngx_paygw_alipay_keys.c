
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_sign.h"
#include "ngx_paygw_text.h"
#include "ngx_paygw_json.h"


/*
 * alipay.open.app.alipaycert.download: one certificate, by its SN.  There is
 * no list, so on the timer we ask for a certificate that we have: the answer
 * names the one that signs it, and if that is a new one it is fetched next.
 *
 * The certificate must chain to the configured root, and the answer must be
 * signed by a certificate that is known or by the one that it brings.
 */


#define NGX_PAYGW_ALIPAY_SN        32
#define NGX_PAYGW_ALIPAY_RESPONSE                                             \
    "alipay_open_app_alipaycert_download_response"


static ngx_uint_t ngx_paygw_alipay_may_be(ngx_str_t *id);
static ngx_int_t ngx_paygw_alipay_accept(ngx_paygw_channel_t *ch,
    ngx_paygw_found_t *found, ngx_pool_t *pool, ngx_log_t *log,
    const char **err);
static ngx_int_t ngx_paygw_alipay_request(ngx_paygw_source_fetch_t *f);
static ngx_str_t *ngx_paygw_alipay_ask(ngx_paygw_source_fetch_t *f);
static ngx_int_t ngx_paygw_alipay_body(ngx_paygw_source_fetch_t *f,
    ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_alipay_answer(ngx_paygw_source_fetch_t *f);
static ngx_int_t ngx_paygw_alipay_content(ngx_paygw_source_fetch_t *f,
    ngx_paygw_json_t *content, ngx_str_t *text);
static ngx_int_t ngx_paygw_alipay_found(ngx_paygw_source_fetch_t *f,
    ngx_str_t *text);
static ngx_int_t ngx_paygw_alipay_signed(ngx_paygw_source_fetch_t *f,
    ngx_str_t *raw, ngx_str_t *sn, ngx_str_t *sign);
static ngx_int_t ngx_paygw_alipay_useless(ngx_paygw_source_fetch_t *f,
    const char *err);


const ngx_paygw_source_t  ngx_paygw_alipay_source = {
    "alipay_certs",
    &ngx_paygw_rsa_sha256,
    ngx_string("https://openapi.alipay.com"),
    ngx_null_string,
    1,
    0,
    ngx_paygw_alipay_may_be,
    ngx_paygw_alipay_accept,
    ngx_paygw_alipay_request,
    ngx_paygw_alipay_answer
};


ngx_int_t
ngx_paygw_alipay_check_fetch(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_alipay_conf_t *conf)
{
    ngx_str_t            *path;
    ngx_uint_t            i;
    ngx_paygw_keyring_t  *kr;

    kr = ch->keyring;

    if (conf->certs == NULL) {

        if (kr->fetch) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"alipay_certs\" of channel \"%V\" needs "
                               "\"alipay_cert\", an app with a public key "
                               "has no certificates", &ch->name);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    kr->trust = ngx_paygw_trust_create(cf, &conf->root_cert);
    if (kr->trust == NULL) {
        return NGX_ERROR;
    }

    path = conf->certs->elts;

    for (i = 0; i < conf->certs->nelts; i++) {
        if (ngx_paygw_trust_add(cf, kr->trust, &path[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (conf->certificate
        && (ngx_paygw_cert_sn(cf, conf->certificate, &conf->app_sn) != NGX_OK
            || ngx_paygw_cert_root_sn(cf, &conf->root_cert, &conf->root_sn)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (!kr->fetch) {
        return NGX_OK;
    }

    if (ngx_paygw_channel_required(cf, ch, conf->private_key != NULL,
                                   "app_private_key")
        != NGX_OK
        || ngx_paygw_channel_required(cf, ch, conf->certificate != NULL,
                                      "app_cert")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_paygw_alipay_may_be(ngx_str_t *id)
{
    u_char  c;
    size_t  i;

    if (id->len != NGX_PAYGW_ALIPAY_SN) {
        return 0;
    }

    for (i = 0; i < id->len; i++) {
        c = id->data[i];

        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
            return 0;
        }
    }

    return 1;
}


/*
 * A certificate that was configured without its issuer is pinned; a new one
 * has nothing to be checked with then, and is refused.
 */

static ngx_int_t
ngx_paygw_alipay_accept(ngx_paygw_channel_t *ch, ngx_paygw_found_t *found,
    ngx_pool_t *pool, ngx_log_t *log, const char **err)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    ngx_int_t         rc;
    ngx_paygw_key_t  *key;

    key = &found->key;

    if (key->cert && ngx_paygw_key_sn(pool, key, &key->id) != NGX_OK) {
        *err = "its SN cannot be made";
        return NGX_DECLINED;
    }

    rc = ngx_paygw_source_accept(ch, found, conf->private_key,
                                 conf->certificate, log, err);

    if (rc != NGX_OK || key->cert == NULL) {
        return rc;
    }

    rc = ngx_paygw_trust_check(ch->keyring->trust, &found->text, err);

    /* the CA of Alipay's certificates issues those of merchants as well */

    if (rc == NGX_OK && !ngx_paygw_source_owned(ch, key)) {
        *err = "it is of another organization than \"alipay_cert\"";
        rc = NGX_DECLINED;
    }

    return (rc == NGX_OK || rc == NGX_ERROR) ? rc : NGX_DECLINED;
}


static ngx_int_t
ngx_paygw_alipay_request(ngx_paygw_source_fetch_t *f)
{
    u_char            *p;
    ngx_str_t         *sn, biz, method;
    ngx_paygw_form_t   form;

    sn = ngx_paygw_alipay_ask(f);
    if (sn == NULL) {
        return NGX_DECLINED;
    }

    /* a copy: the keys may be others before the answer comes */

    f->wanted.len = sn->len;
    f->wanted.data = ngx_pstrdup(f->pool, sn);
    if (f->wanted.data == NULL) {
        return NGX_ERROR;
    }

    biz.data = ngx_pnalloc(f->pool, sizeof("{\"alipay_cert_sn\":\"\"}")
                                    + f->wanted.len);
    if (biz.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(biz.data, "{\"alipay_cert_sn\":\"%V\"}", &f->wanted);
    biz.len = p - biz.data;

    ngx_str_set(&method, "alipay.open.app.alipaycert.download");

    if (ngx_paygw_form_new(f->pool, &form) != NGX_OK
        || ngx_paygw_form_add(&form, "method", &method) != NGX_OK
        || ngx_paygw_form_add(&form, "biz_content", &biz) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_alipay_body(f, &form);
}


/* the SN that is wanted, or that of the certificate which lives longest */

static ngx_str_t *
ngx_paygw_alipay_ask(ngx_paygw_source_fetch_t *f)
{
    time_t             last;
    ngx_str_t         *sn;
    ngx_uint_t         i;
    ngx_paygw_key_t  **keys;

    if (f->wanted.len) {
        return &f->wanted;
    }

    sn = NULL;
    last = 0;
    keys = f->channel->keys->elts;

    for (i = 0; i < f->channel->keys->nelts; i++) {
        if (keys[i]->not_after > last) {
            last = keys[i]->not_after;
            sn = &keys[i]->id;
        }
    }

    return sn;
}


/* the charset stands in the URL as well: the gateway decodes the body by it */

static ngx_int_t
ngx_paygw_alipay_body(ngx_paygw_source_fetch_t *f, ngx_paygw_form_t *form)
{
    char                     *err;
    ngx_paygw_alipay_conf_t  *conf;

    conf = f->channel->conf;

    ngx_str_set(&f->method, "POST");
    ngx_str_set(&f->headers, "Content-Type: application/x-www-form-urlencoded;"
                             "charset=utf-8\r\n");

    if (f->path.len <= 1) {
        ngx_str_set(&f->path, NGX_PAYGW_ALIPAY_PATH);
    }

    f->target.len = f->path.len + sizeof("?charset=utf-8") - 1;
    f->target.data = ngx_pnalloc(f->pool, f->target.len);
    if (f->target.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(f->target.data, "%V?charset=utf-8", &f->path);

    if (ngx_paygw_alipay_add_system(f->pool, form, conf, f->now) != NGX_OK
        || ngx_paygw_alipay_write(f->pool, f->log, form, conf, NULL,
                                  &f->body, &err)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_answer(ngx_paygw_source_fetch_t *f)
{
    char              *err;
    ngx_int_t          rc;
    ngx_str_t          raw, sn, sign, text;
    ngx_paygw_json_t  *root;

    if (f->response->status != 200) {
        return ngx_paygw_alipay_useless(f, "status is not 200");
    }

    rc = ngx_paygw_json_parse(f->pool, &f->response->body, &root, &err);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK || root->type != NGX_PAYGW_JSON_OBJECT) {
        return ngx_paygw_alipay_useless(f, rc == NGX_OK ? "not an object"
                                                        : err);
    }

    if (ngx_paygw_json_raw(&f->response->body, NGX_PAYGW_ALIPAY_RESPONSE,
                           &raw)
        != NGX_OK)
    {
        return ngx_paygw_alipay_useless(f, "answer is one of another call or "
                                        "an error");
    }

    rc = ngx_paygw_alipay_content(f, ngx_paygw_json_get(root,
                                                   NGX_PAYGW_ALIPAY_RESPONSE),
                                  &text);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_paygw_json_get_string(root, "sign", &sign) != NGX_OK
        || sign.len == 0
        || ngx_paygw_json_get_string(root, "alipay_cert_sn", &sn)
           == NGX_ABORT)
    {
        return ngx_paygw_alipay_useless(f, "answer is not signed");
    }

    rc = ngx_paygw_alipay_found(f, &text);

    if (rc == NGX_OK) {
        rc = ngx_paygw_alipay_signed(f, &raw, &sn, &sign);
    }

    return rc;
}


static ngx_int_t
ngx_paygw_alipay_content(ngx_paygw_source_fetch_t *f,
    ngx_paygw_json_t *content, ngx_str_t *text)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    /* a stranger has made it up, if it is not one that the timer asks for */

    if (ngx_paygw_alipay_code(content, "40004")
        && !ngx_paygw_source_knows(f->channel, &f->wanted))
    {
        f->err = "such certificate";
        return NGX_DONE;
    }

    if (!ngx_paygw_alipay_code(content, "10000")) {
        return ngx_paygw_alipay_useless(f, "answer is not a success");
    }

    if (ngx_paygw_json_get_string(content, "alipay_cert_content", &value)
        != NGX_OK)
    {
        return ngx_paygw_alipay_useless(f, "answer has no "
                                        "\"alipay_cert_content\"");
    }

    rc = ngx_paygw_base64_decode(f->pool, text, &value);

    if (rc == NGX_ABORT) {
        return ngx_paygw_alipay_useless(f, "\"alipay_cert_content\" is not "
                                        "base64");
    }

    return rc;
}


static ngx_int_t
ngx_paygw_alipay_found(ngx_paygw_source_fetch_t *f, ngx_str_t *text)
{
    ngx_int_t         rc;
    ngx_paygw_key_t  *key;

    rc = ngx_paygw_source_read(f->channel, 1, NULL, text, &f->found[0],
                               f->pool, f->log, &f->err);
    if (rc != NGX_OK) {
        return rc;
    }

    key = &f->found[0].key;

    if (key->id.len != f->wanted.len
        || ngx_strncmp(key->id.data, f->wanted.data, key->id.len) != 0)
    {
        return ngx_paygw_alipay_useless(f, "certificate is not the one that "
                                        "was asked for");
    }

    if (f->now > key->not_after) {
        return ngx_paygw_alipay_useless(f, "certificate has ended");
    }

    f->nfound = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_signed(ngx_paygw_source_fetch_t *f, ngx_str_t *raw,
    ngx_str_t *sn, ngx_str_t *sign)
{
    ngx_int_t         rc;
    ngx_str_t         sig;
    ngx_paygw_key_t  *key;

    /* this answer alone may come without the SN of what signed it */

    key = &f->found[0].key;

    if (sn->len
        && (sn->len != key->id.len
            || ngx_strncmp(sn->data, key->id.data, sn->len) != 0))
    {
        key = ngx_paygw_source_find(f->channel, sn, f->now);
    }

    if (key == NULL) {

        /* what it brings is not believed, but that there is a new one is */

        if (ngx_paygw_alipay_may_be(sn)) {
            f->next = *sn;
        }

        f->nfound = 0;

        return ngx_paygw_alipay_useless(f, "answer is signed by an unknown "
                                        "certificate");
    }

    rc = ngx_paygw_base64_decode(f->pool, &sig, sign);

    if (rc == NGX_OK) {
        rc = ngx_paygw_alipay_verify_raw(key, raw, &sig, f->pool, f->log);
    }

    if (rc == NGX_OK || rc == NGX_ERROR) {
        return rc;
    }

    return ngx_paygw_alipay_useless(f, "signature of the answer is wrong");
}


static ngx_int_t
ngx_paygw_alipay_useless(ngx_paygw_source_fetch_t *f, const char *err)
{
    f->err = err;

    return NGX_DECLINED;
}
