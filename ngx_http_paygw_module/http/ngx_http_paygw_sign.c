
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_key.h"
#include "ngx_paygw_mac.h"
#include "ngx_http_paygw_headers.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_sign.h"


#define NGX_HTTP_PAYGW_SIGN_MIN   16
#define NGX_HTTP_PAYGW_SIGN_NAME  "x-paygw-timestamp"
#define NGX_HTTP_PAYGW_SIGN_LEN                                               \
    (sizeof("v1=,") - 1 + 2 * NGX_PAYGW_SHA256_LEN)


static ngx_int_t ngx_http_paygw_sign_head(ngx_http_request_t *r,
    ngx_array_t *signed_fields, ngx_str_t *head, ngx_str_t *names);
static ngx_int_t ngx_http_paygw_sign_value(ngx_http_request_t *r,
    ngx_array_t *keys, ngx_str_t *parts, ngx_uint_t n, ngx_str_t *value);


static const ngx_str_t  ngx_http_paygw_sign_timestamp =
    ngx_string("X-Paygw-Timestamp");
static const ngx_str_t  ngx_http_paygw_sign_signed =
    ngx_string("X-Paygw-Signed");
static const ngx_str_t  ngx_http_paygw_sign_signature =
    ngx_string("X-Paygw-Signature");


char *
ngx_http_paygw_sign_key(ngx_conf_t *cf, ngx_array_t **keys, ngx_str_t *source)
{
    size_t       len;
    u_char       out[NGX_PAYGW_HASH_MAX];
    ngx_str_t   *key, secret;
    ngx_uint_t   i;

    if (ngx_paygw_secret(cf, source, "\"sign\" of \"paygw_deliver\"", &secret)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (secret.len < NGX_HTTP_PAYGW_SIGN_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"sign\" of \"paygw_deliver\" has %uz bytes, at "
                           "least %d are needed, make it with "
                           "\"openssl rand -hex 32\"",
                           secret.len, NGX_HTTP_PAYGW_SIGN_MIN);
        return NGX_CONF_ERROR;
    }

    if (*keys == NULL) {

        *keys = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
        if (*keys == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    key = (*keys)->elts;

    for (i = 0; i < (*keys)->nelts; i++) {
        if (ngx_paygw_equal(&key[i], &secret)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"sign\" of \"paygw_deliver\" is twice the "
                               "same secret");
            return NGX_CONF_ERROR;
        }
    }

    /* an OpenSSL that does not sign with it is to be found now */

    if (ngx_paygw_hmac(&ngx_paygw_hash_sha256, &secret, &secret, 1, out, &len,
                       cf->log)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    key = ngx_array_push(*keys);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    *key = secret;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_paygw_sign(ngx_http_request_t *r, ngx_array_t *keys,
    ngx_array_t *signed_fields, ngx_str_t *body)
{
    u_char        *p;
    ngx_str_t      names, value, parts[2];
    ngx_keyval_t  *kv;

    kv = ngx_array_push(signed_fields);
    if (kv == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&kv->key, NGX_HTTP_PAYGW_SIGN_NAME);
    kv->value.data = p;
    kv->value.len = ngx_sprintf(p, "%T", ngx_time()) - p;

    value = kv->value;

    if (ngx_http_paygw_headers_add(r, &ngx_http_paygw_sign_timestamp,
                                   (u_char *) NGX_HTTP_PAYGW_SIGN_NAME,
                                   &value)
        == NULL)
    {
        return NGX_ERROR;
    }

    if (ngx_http_paygw_sign_head(r, signed_fields, &parts[0], &names)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_paygw_headers_add(r, &ngx_http_paygw_sign_signed,
                                   (u_char *) "x-paygw-signed", &names)
        == NULL)
    {
        return NGX_ERROR;
    }

    parts[1] = *body;

    if (ngx_http_paygw_sign_value(r, keys, parts, 2, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_paygw_headers_add(r, &ngx_http_paygw_sign_signature,
                                   (u_char *) "x-paygw-signature", &value)
        == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* all that is signed but for the body; names is its first line */

static ngx_int_t
ngx_http_paygw_sign_head(ngx_http_request_t *r, ngx_array_t *signed_fields,
    ngx_str_t *head, ngx_str_t *names)
{
    u_char        *p;
    size_t         len;
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    kv = signed_fields->elts;
    len = 0;

    for (i = 0; i < signed_fields->nelts; i++) {
        len += kv[i].key.len + 1 + kv[i].value.len + 1;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    head->data = p;
    head->len = len;

    for (i = 0; i < signed_fields->nelts; i++) {
        p = ngx_cpymem(p, kv[i].key.data, kv[i].key.len);
        *p++ = ' ';
    }

    p[-1] = LF;

    names->data = head->data;
    names->len = p - 1 - head->data;

    for (i = 0; i < signed_fields->nelts; i++) {

        if (kv[i].value.len) {
            p = ngx_cpymem(p, kv[i].value.data, kv[i].value.len);
        }

        *p++ = LF;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_sign_value(ngx_http_request_t *r, ngx_array_t *keys,
    ngx_str_t *parts, ngx_uint_t n, ngx_str_t *value)
{
    u_char      *p, out[NGX_PAYGW_HASH_MAX];
    size_t       len;
    ngx_str_t   *key;
    ngx_uint_t   i;

    p = ngx_pnalloc(r->pool, keys->nelts * NGX_HTTP_PAYGW_SIGN_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;

    key = keys->elts;

    for (i = 0; i < keys->nelts; i++) {

        if (ngx_paygw_hmac(&ngx_paygw_hash_sha256, &key[i], parts, n, out,
                           &len, r->connection->log)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (i) {
            *p++ = ',';
        }

        p = ngx_cpymem(p, "v1=", 3);
        p = ngx_hex_dump(p, out, len);
    }

    value->len = p - value->data;

    return NGX_OK;
}


char *
ngx_http_paygw_deliver_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_str_t   *value, source;
    ngx_uint_t   i;

    if (lcf->deliver != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "event") == 0) {
        lcf->deliver = NGX_HTTP_PAYGW_EVENT;

    } else if (ngx_strcmp(value[1].data, "raw") == 0) {
        lcf->deliver = NGX_HTTP_PAYGW_RAW;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\", it must be \"event\" or "
                           "\"raw\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "sign=", 5) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        source.data = value[i].data + 5;
        source.len = value[i].len - 5;

        if (ngx_http_paygw_sign_key(cf, &lcf->sign, &source)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
