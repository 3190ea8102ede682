
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic.h"
#include "ngx_paygw_channel.h"


/* The algorithm and the keys of a configured provider. */


static ngx_uint_t ngx_paygw_generic_inner(ngx_str_t *text, const char *name,
    ngx_str_t *inner);
static ngx_paygw_generic_key_t *ngx_paygw_generic_new_key(ngx_conf_t *cf,
    ngx_paygw_generic_conf_t *conf);
static char *ngx_paygw_generic_decode(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *secret, ngx_str_t *prefix,
    ngx_paygw_encoding_e encoding);
static char *ngx_paygw_generic_file(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *args, ngx_uint_t nargs,
    ngx_int_t (*load)(ngx_conf_t *cf, ngx_str_t *path, ngx_paygw_key_t *key));
static ngx_uint_t ngx_paygw_generic_option(ngx_str_t *arg, const char *name,
    ngx_str_t *value);


#define NGX_PAYGW_GENERIC_ALGORITHM                                           \
    "hmac(md5|sha1|sha256|sha512|sm3), digest(md5|sha1|sha256|sha512|sm3), "  \
    "rsa_sha1, rsa_sha256, rsa_sha512, rsa_pss_sha256, ecdsa_p256, "          \
    "ecdsa_p256_raw, ed25519 or sm2_sm3"


char *
ngx_paygw_generic_algorithm(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    ngx_str_t  inner;

    if (ngx_paygw_generic_inner(&args[0], "hmac", &inner)) {
        conf->algorithm = NGX_PAYGW_GENERIC_HMAC;
        conf->hash = ngx_paygw_hash_find(&inner);

    } else if (ngx_paygw_generic_inner(&args[0], "digest", &inner)) {
        conf->algorithm = NGX_PAYGW_GENERIC_DIGEST;
        conf->hash = ngx_paygw_hash_find(&inner);

    } else {
        conf->algorithm = NGX_PAYGW_GENERIC_SCHEME;
        conf->scheme = ngx_paygw_scheme_find(&args[0]);
    }

    if (conf->hash == NULL && conf->scheme == NULL) {
        return ngx_paygw_generic_invalid(cf, ch, "algorithm", &args[0],
                                         NGX_PAYGW_GENERIC_ALGORITHM);
    }

    return NGX_CONF_OK;
}


/* "name(inner)" */

static ngx_uint_t
ngx_paygw_generic_inner(ngx_str_t *text, const char *name, ngx_str_t *inner)
{
    size_t  len;

    len = ngx_strlen(name);

    if (text->len < len + 2 || text->data[len] != '('
        || text->data[text->len - 1] != ')'
        || ngx_strncmp(text->data, name, len) != 0)
    {
        return 0;
    }

    inner->data = text->data + len + 1;
    inner->len = text->len - len - 2;

    return 1;
}


char *
ngx_paygw_generic_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    ngx_paygw_generic_key_t  *key;

    key = ngx_paygw_generic_new_key(cf, conf);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_paygw_generic_secret(cf, ch, "key", args, nargs, &key->secret,
                                    &key->id);
}


char *
ngx_paygw_generic_decrypt_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    return ngx_paygw_generic_secret(cf, ch, "decrypt_key", args, nargs,
                                    &conf->env.decrypt_key, NULL);
}


char *
ngx_paygw_generic_public_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    return ngx_paygw_generic_file(cf, ch, "public_key", args, nargs,
                                  ngx_paygw_key_public);
}


char *
ngx_paygw_generic_certificate(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    return ngx_paygw_generic_file(cf, ch, "certificate", args, nargs,
                                  ngx_paygw_key_cert);
}


static ngx_paygw_generic_key_t *
ngx_paygw_generic_new_key(ngx_conf_t *cf, ngx_paygw_generic_conf_t *conf)
{
    ngx_paygw_generic_key_t  *key;

    if (conf->keys == NULL) {
        conf->keys = ngx_array_create(cf->pool, 2,
                                      sizeof(ngx_paygw_generic_key_t));
        if (conf->keys == NULL) {
            return NULL;
        }
    }

    key = ngx_array_push(conf->keys);
    if (key) {
        ngx_memzero(key, sizeof(ngx_paygw_generic_key_t));
    }

    return key;
}


char *
ngx_paygw_generic_secret(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *args, ngx_uint_t nargs, ngx_str_t *secret,
    ngx_str_t *id)
{
    ngx_str_t             prefix;
    ngx_uint_t            i;
    ngx_paygw_encoding_e  encoding;

    encoding = NGX_PAYGW_ENCODING_TEXT;
    ngx_str_set(&prefix, "");

    for (i = 1; i < nargs; i++) {

        if (ngx_paygw_encoding_find(&args[i], &encoding) == NGX_OK
            || ngx_paygw_generic_option(&args[i], "after=", &prefix)
            || (id && ngx_paygw_generic_option(&args[i], "id=", id)))
        {
            continue;
        }

        return ngx_paygw_generic_invalid(cf, ch, name, &args[i],
                                         "text, hex, base64, base64url, "
                                         "after=PREFIX or id=ID");
    }

    if (ngx_paygw_secret(cf, &args[0], name, secret) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_paygw_generic_decode(cf, ch, name, secret, &prefix, encoding);
}


/* the bytes take the place of their text, and are wiped as it would be */

static char *
ngx_paygw_generic_decode(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *secret, ngx_str_t *prefix,
    ngx_paygw_encoding_e encoding)
{
    ngx_str_t  text, bytes;

    text = *secret;

    if (text.len < prefix->len
        || ngx_strncmp(text.data, prefix->data, prefix->len) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" of channel \"%V\" does not begin with "
                           "\"%V\", copy it once more",
                           name, &ch->name, prefix);
        return NGX_CONF_ERROR;
    }

    text.data += prefix->len;
    text.len -= prefix->len;

    switch (ngx_paygw_decode(encoding, cf->pool, &bytes, &text)) {

    case NGX_OK:
        break;

    case NGX_ABORT:
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" of channel \"%V\" is not in the encoding "
                           "that is given, copy it once more",
                           name, &ch->name);
        return NGX_CONF_ERROR;

    default: /* NGX_ERROR */
        return NGX_CONF_ERROR;
    }

    /* HMAC with an empty key computes happily */

    if (bytes.len == 0) {
        return "must not be empty";
    }

    ngx_memmove(secret->data, bytes.data, bytes.len);
    secret->len = bytes.len;

    if (bytes.data != text.data) {
        ngx_explicit_memzero(bytes.data, bytes.len);
    }

    return NGX_CONF_OK;
}


static char *
ngx_paygw_generic_file(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *args, ngx_uint_t nargs,
    ngx_int_t (*load)(ngx_conf_t *cf, ngx_str_t *path, ngx_paygw_key_t *key))
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    char                     *rv;
    ngx_str_t                 id;
    ngx_paygw_generic_key_t  *key;

    ngx_str_null(&id);

    if (nargs > 1 && !ngx_paygw_generic_option(&args[1], "id=", &id)) {
        return ngx_paygw_generic_invalid(cf, ch, name, &args[1], "id=ID");
    }

    key = ngx_paygw_generic_new_key(cf, conf);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    rv = ngx_paygw_channel_own_key(cf, &key->key, &args[0], load);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    key->id = id.len ? id : key->key->id;

    if (key->key->not_after
        && ngx_paygw_channel_cert(cf, ch, key->key) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_paygw_generic_option(ngx_str_t *arg, const char *name, ngx_str_t *value)
{
    size_t  len;

    len = ngx_strlen(name);

    if (arg->len <= len || ngx_strncmp(arg->data, name, len) != 0) {
        return 0;
    }

    value->data = arg->data + len;
    value->len = arg->len - len;

    return 1;
}
