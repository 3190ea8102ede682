
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v2.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_text.h"


static char *ngx_paygw_wechat_v2_api_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_wechat_v2_sign_type(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_wechat_v2_private_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_wechat_v2_certificate(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static ngx_int_t ngx_paygw_wechat_v2_check_client(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_wechat_v2_conf_t *conf);
static ngx_int_t ngx_paygw_wechat_v2_check_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *key);


const ngx_paygw_param_t  ngx_paygw_wechat_v2_params[] = {

    { ngx_string("appid"), 1, 64, 1,
      ngx_paygw_wechat_appid },

    { ngx_string("mchid"), 1, 1, 0,
      ngx_paygw_wechat_mchid },

    { ngx_string("sub_mchid"), 1, 64, 1,
      ngx_paygw_wechat_sub_mchid },

    { ngx_string("api_key"), 1, 1, 1,
      ngx_paygw_wechat_v2_api_key },

    { ngx_string("sign_type"), 1, 1, 0,
      ngx_paygw_wechat_v2_sign_type },

    { ngx_string("merchant_private_key"), 1, 1, 0,
      ngx_paygw_wechat_v2_private_key },

    { ngx_string("merchant_certificate"), 1, 1, 0,
      ngx_paygw_wechat_v2_certificate },

    { ngx_null_string, 0, 0, 0, NULL }
};


const ngx_paygw_wechat_v2_sign_t  ngx_paygw_wechat_v2_signs[] = {
    { ngx_string("MD5"), 32, 0 },
    { ngx_string("HMAC-SHA256"), 64, 1 },
    { ngx_null_string, 0, 0 }
};


ngx_int_t
ngx_paygw_wechat_v2_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ch->conf = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_wechat_v2_conf_t));

    return ch->conf ? NGX_OK : NGX_ERROR;
}


static char *
ngx_paygw_wechat_v2_api_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v2_conf_t  *conf = ch->conf;

    ngx_str_t  *key;

    if (conf->keys == NULL) {
        conf->keys = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
        if (conf->keys == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    key = ngx_array_push(conf->keys);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_secret(cf, &args[0], "api_key", key) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_paygw_wechat_v2_sign_type(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v2_conf_t  *conf = ch->conf;

    const ngx_paygw_wechat_v2_sign_t  *sign;

    if (conf->sign) {
        return "is duplicate";
    }

    for (sign = ngx_paygw_wechat_v2_signs; sign->name.len; sign++) {

        /* a word, not secret */
        if (sign->name.len == args[0].len
            && ngx_strncmp(sign->name.data, args[0].data, args[0].len) == 0)
        {
            conf->sign = sign;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"sign_type\" of channel \"%V\": \"%V\", it "
                       "must be \"MD5\" or \"HMAC-SHA256\", as your orders "
                       "say it", &ch->name, &args[0]);
    return NGX_CONF_ERROR;
}


static char *
ngx_paygw_wechat_v2_private_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v2_conf_t  *conf = ch->conf;

    conf->key_file = args[0];

    return ngx_paygw_channel_own_key(cf, &conf->private_key, &args[0],
                                     ngx_paygw_key_private);
}


static char *
ngx_paygw_wechat_v2_certificate(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_v2_conf_t  *conf = ch->conf;

    conf->cert_file = args[0];

    return ngx_paygw_channel_own_key(cf, &conf->certificate, &args[0],
                                     ngx_paygw_key_cert);
}


char *
ngx_paygw_wechat_v2_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_wechat_v2_conf_t  *conf = ch->conf;

    u_char       digest[NGX_PAYGW_HASH_MAX];
    size_t       len;
    ngx_str_t   *key;
    ngx_uint_t   i, j;

    if (ngx_paygw_wechat_check_account(cf, ch) != NGX_OK
        || ngx_paygw_channel_required(cf, ch, conf->keys != NULL, "api_key")
           != NGX_OK
        || ngx_paygw_channel_required(cf, ch, conf->sign != NULL, "sign_type")
           != NGX_OK
        || ngx_paygw_wechat_v2_check_client(cf, ch, conf) != NGX_OK
        || ngx_paygw_channel_check_repeats(cf, ch,
                               "WeChat Pay repeats a callback for 24 hours")
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    key = conf->keys->elts;

    /* an OpenSSL that is set up so has no MD5 */

    if (ngx_paygw_hash(&ngx_paygw_hash_md5, key, 1, digest, &len, cf->log)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "channel \"%V\" needs MD5, which this OpenSSL "
                           "does not offer", &ch->name);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < conf->keys->nelts; i++) {

        if (ngx_paygw_wechat_v2_check_key(cf, ch, &key[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        for (j = 0; j < i; j++) {
            if (ngx_paygw_equal(&key[j], &key[i])) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "duplicate \"api_key\" of channel \"%V\"",
                                   &ch->name);
                return NGX_CONF_ERROR;
            }
        }
    }

    return NGX_CONF_OK;
}


/*
 * The certificate that refunds ask for: nginx would look at it only where the
 * endpoint has TLS, and knows no file that everyone can read
 */

static ngx_int_t
ngx_paygw_wechat_v2_check_client(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_wechat_v2_conf_t *conf)
{
    if (conf->private_key == NULL && conf->certificate == NULL) {
        return NGX_OK;
    }

    if (ngx_paygw_channel_required(cf, ch, conf->private_key != NULL,
                                   "merchant_private_key")
        != NGX_OK
        || ngx_paygw_channel_required(cf, ch, conf->certificate != NULL,
                                      "merchant_certificate")
           != NGX_OK
        || ngx_paygw_channel_check_pair(cf, ch, &ngx_paygw_rsa_sha256,
                                        conf->private_key,
                                        "merchant_private_key",
                                        conf->certificate,
                                        "merchant_certificate")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ch->client_cert = conf->cert_file;
    ch->client_key = conf->key_file;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v2_check_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *key)
{
    if (key->len != NGX_PAYGW_WECHAT_V2_KEY_LEN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"api_key\" of channel \"%V\" has %uz bytes, it "
                           "must have exactly %d (the API key as it was set "
                           "in the merchant console, not the APIv3 key)",
                           &ch->name, key->len, NGX_PAYGW_WECHAT_V2_KEY_LEN);
        return NGX_ERROR;
    }

    if (!ngx_paygw_visible(key, NGX_PAYGW_WECHAT_V2_KEY_LEN)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"api_key\" of channel \"%V\" has a character "
                           "that an API key cannot have, look for a space or "
                           "a line feed", &ch->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}
