
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_channel.h"


static char *ngx_paygw_alipay_app_id(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_alipay_auth_app_id(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_alipay_seller_id(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_alipay_public_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_alipay_cert(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_alipay_root_cert(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_alipay_private_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_alipay_app_cert(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_alipay_sign_type(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static ngx_int_t ngx_paygw_alipay_check_ids(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_alipay_conf_t *conf);
static ngx_int_t ngx_paygw_alipay_check_form(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_alipay_conf_t *conf);
static ngx_int_t ngx_paygw_alipay_check_list(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_array_t *list, const char *name);
static ngx_int_t ngx_paygw_alipay_check_mode(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_alipay_conf_t *conf);
static ngx_int_t ngx_paygw_alipay_check_keys(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_alipay_conf_t *conf);
static ngx_int_t ngx_paygw_alipay_check_chain(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_alipay_conf_t *conf);


const ngx_paygw_param_t  ngx_paygw_alipay_params[] = {

    { ngx_string("app_id"), 1, 1, 0,
      ngx_paygw_alipay_app_id },

    { ngx_string("auth_app_id"), 1, 64, 1,
      ngx_paygw_alipay_auth_app_id },

    { ngx_string("seller_id"), 1, 64, 1,
      ngx_paygw_alipay_seller_id },

    { ngx_string("alipay_public_key"), 1, 1, 1,
      ngx_paygw_alipay_public_key },

    { ngx_string("alipay_cert"), 1, 1, 1,
      ngx_paygw_alipay_cert },

    { ngx_string("alipay_certs"), 1, 3, 0,
      ngx_paygw_source_param },

    { ngx_string("alipay_root_cert"), 1, 1, 0,
      ngx_paygw_alipay_root_cert },

    { ngx_string("app_private_key"), 1, 1, 0,
      ngx_paygw_alipay_private_key },

    { ngx_string("app_cert"), 1, 1, 0,
      ngx_paygw_alipay_app_cert },

    { ngx_string("aes_key"), 1, 1, 0,
      ngx_paygw_alipay_aes_key },

    { ngx_string("sign_type"), 1, 1, 0,
      ngx_paygw_alipay_sign_type },

    { ngx_null_string, 0, 0, 0, NULL }
};


ngx_int_t
ngx_paygw_alipay_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ch->conf = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_alipay_conf_t));

    if (ch->conf == NULL) {
        return NGX_ERROR;
    }

    return ngx_paygw_source_create(cf, ch, &ngx_paygw_alipay_source);
}


static char *
ngx_paygw_alipay_app_id(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_value(&conf->app_id, &args[0]);
}


static char *
ngx_paygw_alipay_auth_app_id(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_list(cf, ch, &conf->auth_app_ids, args, nargs);
}


static char *
ngx_paygw_alipay_seller_id(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_list(cf, ch, &conf->seller_ids, args, nargs);
}


static char *
ngx_paygw_alipay_public_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    ngx_paygw_key_t  *key;

    conf->public_keys = 1;

    key = ngx_paygw_channel_key(cf, &conf->keys);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_source_file(cf, ch, "alipay_public_key", &args[0], 0, key)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_paygw_alipay_cert(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    char             *rv;
    ngx_paygw_key_t  *key;

    rv = ngx_paygw_channel_list(cf, ch, &conf->certs, args, nargs);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    key = ngx_paygw_channel_key(cf, &conf->keys);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_source_file(cf, ch, "alipay_cert", &args[0], 1, key)
        != NGX_OK
        || ngx_paygw_cert_sn(cf, key, &key->id) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_paygw_alipay_root_cert(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_value(&conf->root_cert, &args[0]);
}


static char *
ngx_paygw_alipay_private_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_own_key(cf, &conf->private_key, &args[0],
                                     ngx_paygw_key_private);
}


static char *
ngx_paygw_alipay_app_cert(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_own_key(cf, &conf->certificate, &args[0],
                                     ngx_paygw_key_cert);
}


static char *
ngx_paygw_alipay_sign_type(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    if (args[0].len != 4 || ngx_strncmp(args[0].data, "RSA2", 4) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"sign_type\" of channel \"%V\": \"%V\", "
                           "it must be \"RSA2\" (RSA is SHA-1, which can be "
                           "forged)", &ch->name, &args[0]);
        return NGX_CONF_ERROR;
    }

    return ngx_paygw_channel_value(&conf->sign_type, &args[0]);
}


char *
ngx_paygw_alipay_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    if (ngx_paygw_alipay_check_ids(cf, ch, conf) != NGX_OK
        || ngx_paygw_alipay_check_mode(cf, ch, conf) != NGX_OK
        || ngx_paygw_channel_check_pair(cf, ch, &ngx_paygw_rsa_sha256,
                                        conf->private_key, "app_private_key",
                                        conf->certificate, "app_cert")
           != NGX_OK
        || ngx_paygw_alipay_check_keys(cf, ch, conf) != NGX_OK
        || ngx_paygw_alipay_check_chain(cf, ch, conf) != NGX_OK
        || ngx_paygw_channel_check_repeats(cf, ch,
                                 "Alipay repeats a callback for 25 hours")
           != NGX_OK
        || ngx_paygw_alipay_check_fetch(cf, ch, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ch->keys = conf->keys;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_paygw_alipay_check_ids(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_alipay_conf_t *conf)
{
    if (ngx_paygw_channel_required(cf, ch, conf->app_id.len, "app_id")
        != NGX_OK
        || ngx_paygw_channel_account(cf, ch, &conf->app_id, "app_id")
           != NGX_OK
        || ngx_paygw_channel_required(cf, ch, conf->seller_ids != NULL,
                                      "seller_id")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_paygw_alipay_check_list(cf, ch, conf->seller_ids, "seller_id")
        != NGX_OK
        || ngx_paygw_alipay_check_form(cf, ch, conf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_alipay_check_list(cf, ch, conf->auth_app_ids,
                                       "auth_app_id");
}


/* an account begins with 2088, an app never does: they are easily swapped */

static ngx_int_t
ngx_paygw_alipay_check_form(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_alipay_conf_t *conf)
{
    if (conf->app_id.len < 4 || ngx_strncmp(conf->app_id.data, "2088", 4) != 0)
    {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"app_id\" of channel \"%V\": \"%V\" begins "
                       "with 2088 as an account does, are \"app_id\" and "
                       "\"seller_id\" swapped?", &ch->name, &conf->app_id);

    return NGX_ERROR;
}


static ngx_int_t
ngx_paygw_alipay_check_list(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_array_t *list, const char *name)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (list == NULL) {
        return NGX_OK;
    }

    value = list->elts;

    for (i = 0; i < list->nelts; i++) {
        if (ngx_paygw_channel_account(cf, ch, &value[i], name) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_check_mode(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_alipay_conf_t *conf)
{
    if (conf->keys == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"alipay_public_key\" or \"alipay_cert\" is "
                           "defined for channel \"%V\"", &ch->name);
        return NGX_ERROR;
    }

    if (conf->public_keys && conf->certs) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"alipay_public_key\" and \"alipay_cert\" of "
                           "channel \"%V\" exclude each other, use the one "
                           "that was chosen for the app", &ch->name);
        return NGX_ERROR;
    }

    if (conf->certs) {
        return ngx_paygw_channel_required(cf, ch, conf->root_cert.len,
                                          "alipay_root_cert");
    }

    if (conf->root_cert.len || conf->certificate) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" of channel \"%V\" needs \"alipay_cert\", "
                           "\"alipay_public_key\" is for apps without "
                           "certificates",
                           conf->root_cert.len ? "alipay_root_cert"
                                               : "app_cert", &ch->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_check_keys(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_alipay_conf_t *conf)
{
    char              *name;
    ngx_uint_t         i, j;
    ngx_paygw_key_t  **keys;

    keys = conf->keys->elts;
    name = conf->certs ? "alipay_cert" : "alipay_public_key";

    for (i = 0; i < conf->keys->nelts; i++) {

        if (ngx_paygw_channel_foreign(cf, ch, keys[i], name,
                                      conf->private_key, "app_private_key")
            != NGX_OK
            || ngx_paygw_channel_foreign(cf, ch, keys[i], name,
                                         conf->certificate, "app_cert")
               != NGX_OK
            || ngx_paygw_channel_probe(cf, ch, &ngx_paygw_rsa_sha256, keys[i],
                                       name)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        for (j = 0; j < i; j++) {

            /* a renewed certificate may well have the old key */

            if (conf->certs
                ? ngx_memn2cmp(keys[j]->id.data, keys[i]->id.data,
                               keys[j]->id.len, keys[i]->id.len) == 0
                : ngx_paygw_key_equal(keys[j], keys[i]))
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "duplicate \"%s\" of channel \"%V\"",
                                   name, &ch->name);
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_check_chain(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_alipay_conf_t *conf)
{
    ngx_int_t    rc;
    ngx_str_t   *path;
    ngx_uint_t   i;

    if (conf->certs == NULL) {
        return NGX_OK;
    }

    path = conf->certs->elts;

    for (i = 0; i < conf->certs->nelts; i++) {

        rc = ngx_paygw_cert_chain(cf, &path[i], &conf->root_cert);

        if (rc == NGX_DECLINED) {

            /* the issuing CA is in neither file: the leaf itself is trusted */

            ngx_conf_log_error(NGX_LOG_NOTICE, cf, 0,
                               "\"alipay_cert\" \"%V\" of channel \"%V\" has "
                               "no issuing certificate, it is pinned",
                               &path[i], &ch->name);
            continue;
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_alipay_same(ngx_paygw_channel_t *a, ngx_paygw_channel_t *b)
{
    ngx_paygw_alipay_conf_t  *ac = a->conf;
    ngx_paygw_alipay_conf_t  *bc = b->conf;

    return ac->app_id.len == bc->app_id.len
           && ngx_strncmp(ac->app_id.data, bc->app_id.data, ac->app_id.len)
              == 0;
}
