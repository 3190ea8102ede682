
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v3.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_sensitive.h"
#include "ngx_paygw_aead.h"


#define NGX_PAYGW_PUB_KEY_ID  "PUB_KEY_ID_"


static char *ngx_paygw_wechat_v3_apiv3_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_wechat_v3_platform_certificate(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_wechat_v3_platform_public_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_wechat_v3_platform_root(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_wechat_v3_merchant_private_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_wechat_v3_merchant_certificate(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_wechat_v3_encrypt(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_wechat_v3_decrypt(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_wechat_v3_merchant_serial(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static ngx_int_t ngx_paygw_wechat_v3_check_secret(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_wechat_v3_conf_t *conf);
static ngx_int_t ngx_paygw_wechat_v3_check_own(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_wechat_v3_conf_t *conf);
static ngx_int_t ngx_paygw_wechat_v3_check_keys(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_wechat_v3_conf_t *conf);


const ngx_paygw_param_t  ngx_paygw_wechat_v3_params[] = {

    { ngx_string("appid"), 1, 64, 1,
      ngx_paygw_wechat_appid },

    { ngx_string("mchid"), 1, 1, 0,
      ngx_paygw_wechat_mchid },

    { ngx_string("sub_mchid"), 1, 64, 1,
      ngx_paygw_wechat_sub_mchid },

    { ngx_string("apiv3_key"), 1, 1, 0,
      ngx_paygw_wechat_v3_apiv3_key },

    { ngx_string("platform_certificate"), 1, 1, 1,
      ngx_paygw_wechat_v3_platform_certificate },

    { ngx_string("platform_public_key"), 2, 2, 1,
      ngx_paygw_wechat_v3_platform_public_key },

    { ngx_string("platform_certificates"), 1, 3, 0,
      ngx_paygw_source_param },

    { ngx_string("platform_root_certificate"), 1, 1, 0,
      ngx_paygw_wechat_v3_platform_root },

    { ngx_string("merchant_private_key"), 1, 1, 0,
      ngx_paygw_wechat_v3_merchant_private_key },

    { ngx_string("merchant_certificate"), 1, 1, 0,
      ngx_paygw_wechat_v3_merchant_certificate },

    { ngx_string("encrypt_fields"), 1, 64, 1,
      ngx_paygw_wechat_v3_encrypt },

    { ngx_string("decrypt_fields"), 1, 64, 1,
      ngx_paygw_wechat_v3_decrypt },

    { ngx_string("merchant_serial"), 1, 1, 0,
      ngx_paygw_wechat_v3_merchant_serial },

    { ngx_null_string, 0, 0, 0, NULL }
};


ngx_int_t
ngx_paygw_wechat_v3_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ch->conf = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_wechat_v3_conf_t));

    if (ch->conf == NULL) {
        return NGX_ERROR;
    }

    return ngx_paygw_source_create(cf, ch, &ngx_paygw_wechat_v3_source);
}


static char *
ngx_paygw_wechat_v3_apiv3_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    if (conf->apiv3_key.data) {
        return "is duplicate";
    }

    if (ngx_paygw_secret(cf, &args[0], "apiv3_key", &conf->apiv3_key)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_paygw_wechat_v3_platform_certificate(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    ngx_paygw_key_t  *key;

    key = ngx_paygw_channel_key(cf, &conf->keys);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_source_file(cf, ch, "platform_certificate", &args[0], 1,
                              key)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_paygw_wechat_v3_platform_public_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    size_t            i, len;
    ngx_paygw_key_t  *key;

    len = sizeof(NGX_PAYGW_PUB_KEY_ID) - 1;

    i = len;

    if (args[0].len > len
        && ngx_strncmp(args[0].data, NGX_PAYGW_PUB_KEY_ID, len) == 0)
    {
        while (i < args[0].len
               && args[0].data[i] >= '0' && args[0].data[i] <= '9')
        {
            i++;
        }
    }

    if (i == len || i != args[0].len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid id \"%V\" of \"platform_public_key\" in "
                           "channel \"%V\", it must be \""
                           NGX_PAYGW_PUB_KEY_ID "\" and digits, as the "
                           "merchant console shows it",
                           &args[0], &ch->name);
        return NGX_CONF_ERROR;
    }

    key = ngx_paygw_channel_key(cf, &conf->keys);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_source_file(cf, ch, "platform_public_key", &args[1], 0,
                              key)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    key->id = args[0];

    return NGX_CONF_OK;
}


static char *
ngx_paygw_wechat_v3_platform_root(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_value(&conf->root, &args[0]);
}


static char *
ngx_paygw_wechat_v3_merchant_private_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_own_key(cf, &conf->private_key, &args[0],
                                     ngx_paygw_key_private);
}


static char *
ngx_paygw_wechat_v3_merchant_certificate(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_own_key(cf, &conf->certificate, &args[0],
                                     ngx_paygw_key_cert);
}


static char *
ngx_paygw_wechat_v3_encrypt(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    return ngx_paygw_sensitive_pointers(cf, ch, "encrypt_fields",
                                        &conf->encrypt, args, nargs);
}


static char *
ngx_paygw_wechat_v3_decrypt(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    return ngx_paygw_sensitive_pointers(cf, ch, "decrypt_fields",
                                        &conf->decrypt, args, nargs);
}


static char *
ngx_paygw_wechat_v3_merchant_serial(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    u_char  c;
    size_t  i;

    for (i = 0; i < args[0].len; i++) {
        c = args[0].data[i];

        if ((c < '0' || c > '9') && (c < 'A' || c > 'F')) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"merchant_serial\" of channel "
                               "\"%V\": \"%V\", it must be upper-case "
                               "hexadecimal", &ch->name, &args[0]);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_paygw_channel_value(&conf->serial, &args[0]);
}


char *
ngx_paygw_wechat_v3_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_wechat_v3_conf_t  *conf = ch->conf;

    if (ngx_paygw_wechat_check_account(cf, ch) != NGX_OK
        || ngx_paygw_wechat_v3_check_secret(cf, ch, conf) != NGX_OK
        || ngx_paygw_wechat_v3_check_own(cf, ch, conf) != NGX_OK
        || ngx_paygw_wechat_v3_check_keys(cf, ch, conf) != NGX_OK
        || ngx_paygw_wechat_v3_check_fetch(cf, ch, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ch->keys = conf->keys;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_paygw_wechat_v3_check_secret(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_wechat_v3_conf_t *conf)
{
    if (ngx_paygw_channel_required(cf, ch, conf->apiv3_key.data != NULL,
                                   "apiv3_key")
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conf->apiv3_key.len == NGX_PAYGW_GCM_KEY_LEN) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"apiv3_key\" of channel \"%V\" has %uz bytes, it "
                       "must have exactly %d (the APIv3 key as it was set in "
                       "the merchant console, not encoded)",
                       &ch->name, conf->apiv3_key.len, NGX_PAYGW_GCM_KEY_LEN);

    return NGX_ERROR;
}


static ngx_int_t
ngx_paygw_wechat_v3_check_own(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_wechat_v3_conf_t *conf)
{
    ngx_str_t  *id;

    if (ngx_paygw_channel_check_pair(cf, ch, &ngx_paygw_rsa_sha256,
                                     conf->private_key,
                                     "merchant_private_key",
                                     conf->certificate,
                                     "merchant_certificate")
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conf->certificate == NULL) {
        return NGX_OK;
    }

    id = &conf->certificate->id;

    if (conf->serial.len == 0) {
        conf->serial = *id;
        return NGX_OK;
    }

    if (conf->serial.len == id->len
        && ngx_strncmp(conf->serial.data, id->data, id->len) == 0)
    {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"merchant_serial\" of channel \"%V\" is \"%V\", but "
                       "\"merchant_certificate\" has \"%V\"",
                       &ch->name, &conf->serial, id);

    return NGX_ERROR;
}


static ngx_int_t
ngx_paygw_wechat_v3_check_keys(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_wechat_v3_conf_t *conf)
{
    char              *name;
    ngx_str_t         *id;
    ngx_uint_t         i, j;
    ngx_paygw_key_t  **keys;

    if (conf->keys == NULL && ch->keyring->fetch) {

        /* all of them are fetched */

        conf->keys = ngx_array_create(cf->pool, 1, sizeof(ngx_paygw_key_t *));
        return conf->keys ? NGX_OK : NGX_ERROR;
    }

    if (conf->keys == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"platform_public_key\" or "
                           "\"platform_certificate\" is defined for channel "
                           "\"%V\", add one, or \"platform_certificates "
                           "auto\"", &ch->name);
        return NGX_ERROR;
    }

    keys = conf->keys->elts;

    for (i = 0; i < conf->keys->nelts; i++) {
        id = &keys[i]->id;
        name = keys[i]->cert ? "platform_certificate" : "platform_public_key";

        if (conf->serial.len && conf->serial.len == id->len
            && ngx_strncmp(conf->serial.data, id->data, id->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%s\" of channel \"%V\" has the serial of "
                               "the merchant's own certificate \"%V\", use "
                               "the certificate of WeChat Pay",
                               name, &ch->name, id);
            return NGX_ERROR;
        }

        for (j = 0; j < i; j++) {
            if (keys[j]->id.len == id->len
                && ngx_strncmp(keys[j]->id.data, id->data, id->len) == 0)
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "duplicate platform key \"%V\" of channel "
                                   "\"%V\"", id, &ch->name);
                return NGX_ERROR;
            }
        }

        if (ngx_paygw_channel_foreign(cf, ch, keys[i], name,
                                      conf->certificate,
                                      "merchant_certificate")
            != NGX_OK
            || ngx_paygw_channel_foreign(cf, ch, keys[i], name,
                                         conf->private_key,
                                         "merchant_private_key")
               != NGX_OK
            || ngx_paygw_channel_probe(cf, ch, &ngx_paygw_rsa_sha256, keys[i],
                                       name)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
