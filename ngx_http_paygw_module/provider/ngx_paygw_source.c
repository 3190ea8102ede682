
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_source.h"
#include "ngx_paygw_channel.h"


#define NGX_PAYGW_SOURCE_INTERVAL      (12 * 60 * 60)
#define NGX_PAYGW_SOURCE_INTERVAL_MAX  (24 * 60 * 60)
#define NGX_PAYGW_SOURCE_RETRY         60


static ngx_int_t ngx_paygw_source_time(ngx_str_t *arg, size_t skip,
    time_t *sec);


ngx_int_t
ngx_paygw_source_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const ngx_paygw_source_t *source)
{
    ngx_paygw_keyring_t  *kr;

    kr = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_keyring_t));
    if (kr == NULL) {
        return NGX_ERROR;
    }

    kr->source = source;
    kr->interval = NGX_PAYGW_SOURCE_INTERVAL;
    kr->retry = NGX_PAYGW_SOURCE_RETRY;

    kr->files = ngx_array_create(cf->pool, 2, sizeof(ngx_paygw_keyfile_t));
    if (kr->files == NULL) {
        return NGX_ERROR;
    }

    ch->keyring = kr;

    return NGX_OK;
}


char *
ngx_paygw_source_param(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_uint_t            i;
    ngx_paygw_keyring_t  *kr;

    kr = ch->keyring;

    if (args[0].len != 4 || ngx_strncmp(args[0].data, "auto", 4) != 0) {
        return "must be \"auto\", a file is the value of the parameter "
               "without the \"s\"";
    }

    kr->fetch = 1;

    for (i = 1; i < nargs; i++) {

        if (ngx_strncmp(args[i].data, "interval=", 9) == 0) {

            if (ngx_paygw_source_time(&args[i], 9, &kr->interval) != NGX_OK) {
                return "has an invalid \"interval\", it must be a time of 1s "
                       "to 24h";
            }

            continue;
        }

        if (ngx_strncmp(args[i].data, "retry=", 6) == 0) {

            if (ngx_paygw_source_time(&args[i], 6, &kr->retry) != NGX_OK) {
                return "has an invalid \"retry\", it must be a time of 1s to "
                       "24h";
            }

            continue;
        }

        return "has an invalid parameter, known are \"interval=\" and "
               "\"retry=\"";
    }

    return NGX_CONF_OK;
}


/* a new certificate is listed 24 hours before it is used */

static ngx_int_t
ngx_paygw_source_time(ngx_str_t *arg, size_t skip, time_t *sec)
{
    time_t     t;
    ngx_str_t  s;

    s.data = arg->data + skip;
    s.len = arg->len - skip;

    t = ngx_parse_time(&s, 1);

    if (t == (time_t) NGX_ERROR || t < 1 || t > NGX_PAYGW_SOURCE_INTERVAL_MAX)
    {
        return NGX_ERROR;
    }

    *sec = t;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_source_file(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *path, ngx_uint_t cert, ngx_paygw_key_t *key)
{
    ngx_paygw_keyfile_t  *file;

    file = ngx_array_push(ch->keyring->files);
    if (file == NULL) {
        return NGX_ERROR;
    }

    /* the name as it was given is still to be checked */

    file->path = *path;

    if (ngx_conf_full_name(cf->cycle, &file->path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    /* first: what changes from here on is seen to have changed */

    ngx_time_update();
    ngx_paygw_source_stamp(&file->path, &file->stamp);

    file->cert = cert;
    file->key = key;
    file->name = name;
    file->read = ngx_current_msec;

    return cert ? ngx_paygw_key_cert(cf, path, key)
                : ngx_paygw_key_public(cf, path, key);
}


void
ngx_paygw_source_stamp(ngx_str_t *path, ngx_paygw_stamp_t *stamp)
{
    ngx_file_info_t  fi;

    /* with the bytes between the members */

    ngx_memzero(stamp, sizeof(ngx_paygw_stamp_t));

    if (ngx_file_info(path->data, &fi) == NGX_FILE_ERROR) {
        stamp->err = ngx_errno;
        return;
    }

    stamp->mtime = ngx_file_mtime(&fi);
    stamp->nsec = fi.st_mtim.tv_nsec;
    stamp->size = ngx_file_size(&fi);
    stamp->uniq = ngx_file_uniq(&fi);

    if (access((char *) path->data, R_OK) == -1) {
        stamp->err = ngx_errno;
    }
}


ngx_int_t
ngx_paygw_source_read(ngx_paygw_channel_t *ch, ngx_uint_t cert,
    ngx_str_t *id, ngx_str_t *text, ngx_paygw_found_t *found,
    ngx_pool_t *pool, ngx_log_t *log, const char **err)
{
    ngx_int_t  rc;

    ngx_memzero(found, sizeof(ngx_paygw_found_t));

    found->text = *text;

    if (text->len == 0 || text->len > NGX_PAYGW_KEY_TEXT_MAX) {
        *err = "it is empty or too large";
        return NGX_DECLINED;
    }

    if (text->len > 3 && ngx_memcmp(text->data, "\xEF\xBB\xBF", 3) == 0) {

        /* as when it was configured */

        found->text.data += 3;
        found->text.len -= 3;
    }

    text = &found->text;

    rc = cert ? ngx_paygw_key_read_cert(pool, text, &found->key, err)
              : ngx_paygw_key_read_public(pool, text, &found->key, err);

    if (rc != NGX_OK) {
        return (rc == NGX_ERROR) ? NGX_ERROR : NGX_DECLINED;
    }

    if (!cert) {
        found->key.id = *id;
    }

    return ch->keyring->source->accept(ch, found, pool, log, err);
}


ngx_int_t
ngx_paygw_source_accept(ngx_paygw_channel_t *ch, ngx_paygw_found_t *found,
    ngx_paygw_key_t *own, ngx_paygw_key_t *cert, ngx_log_t *log,
    const char **err)
{
    ngx_paygw_key_t           *key;
    const ngx_paygw_scheme_t  *scheme;

    key = &found->key;
    scheme = ch->keyring->source->scheme;

    if (key->id.len > NGX_PAYGW_KEY_ID_MAX) {
        *err = "its serial is too long";
        return NGX_DECLINED;
    }

    if ((own && ngx_paygw_key_equal(key, own))
        || (cert && ngx_paygw_key_equal(key, cert)))
    {
        *err = "it is the key of our own side";
        return NGX_DECLINED;
    }

    if (ngx_paygw_verify_probe(scheme, key, log) != NGX_OK) {
        *err = ngx_paygw_scheme_needs(scheme);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_source_owned(ngx_paygw_channel_t *ch, ngx_paygw_key_t *key)
{
    ngx_uint_t            i;
    ngx_paygw_keyfile_t  *file;

    file = ch->keyring->files->elts;

    for (i = 0; i < ch->keyring->files->nelts; i++) {
        if (file[i].cert && ngx_paygw_key_same_owner(file[i].key, key)) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_paygw_source_knows(ngx_paygw_channel_t *ch, ngx_str_t *id)
{
    ngx_uint_t         i;
    ngx_paygw_key_t  **keys;

    keys = ch->keys->elts;

    for (i = 0; i < ch->keys->nelts; i++) {

        if (keys[i]->id.len == id->len
            && ngx_strncmp(keys[i]->id.data, id->data, id->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_paygw_key_t *
ngx_paygw_source_find(ngx_paygw_channel_t *ch, ngx_str_t *id, time_t now)
{
    ngx_uint_t         i;
    ngx_paygw_key_t  **keys;

    if (ch->keys == NULL || id->len == 0) {
        return NULL;
    }

    keys = ch->keys->elts;

    for (i = 0; i < ch->keys->nelts; i++) {

        if (keys[i]->id.len == id->len
            && ngx_strncmp(keys[i]->id.data, id->data, id->len) == 0
            && ngx_paygw_channel_usable(keys[i], now))
        {
            return keys[i];
        }
    }

    return NULL;
}
