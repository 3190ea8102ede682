
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_channel.h"


char *
ngx_paygw_channel_value(ngx_str_t *field, ngx_str_t *value)
{
    if (field->data) {
        return "is duplicate";
    }

    if (value->len == 0) {
        return "must not be empty";
    }

    *field = *value;

    return NGX_CONF_OK;
}


char *
ngx_paygw_channel_list(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_array_t **list, ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_str_t   *s;
    ngx_uint_t   i;

    if (*list == NULL) {
        *list = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
        if (*list == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    for (i = 0; i < nargs; i++) {

        if (args[i].len == 0) {
            return "must not be empty";
        }

        if (ngx_paygw_channel_has(*list, &args[i])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate value \"%V\" in channel \"%V\"",
                               &args[i], &ch->name);
            return NGX_CONF_ERROR;
        }

        s = ngx_array_push(*list);
        if (s == NULL) {
            return NGX_CONF_ERROR;
        }

        *s = args[i];
    }

    return NGX_CONF_OK;
}


ngx_paygw_key_t *
ngx_paygw_channel_key(ngx_conf_t *cf, ngx_array_t **keys)
{
    ngx_paygw_key_t  **key;

    if (*keys == NULL) {
        *keys = ngx_array_create(cf->pool, 2, sizeof(ngx_paygw_key_t *));
        if (*keys == NULL) {
            return NULL;
        }
    }

    key = ngx_array_push(*keys);
    if (key == NULL) {
        return NULL;
    }

    *key = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_key_t));

    return *key;
}


char *
ngx_paygw_channel_own_key(ngx_conf_t *cf, ngx_paygw_key_t **key,
    ngx_str_t *path, ngx_int_t (*load)(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_key_t *key))
{
    if (*key) {
        return "is duplicate";
    }

    *key = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_key_t));
    if (*key == NULL) {
        return NGX_CONF_ERROR;
    }

    if (load(cf, path, *key) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_paygw_channel_cert(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_key_t *cert)
{
    ngx_paygw_key_t  **slot;

    if (ch->certs == NULL) {
        ch->certs = ngx_array_create(cf->pool, 2, sizeof(ngx_paygw_key_t *));
        if (ch->certs == NULL) {
            return NGX_ERROR;
        }
    }

    slot = ngx_array_push(ch->certs);
    if (slot == NULL) {
        return NGX_ERROR;
    }

    *slot = cert;

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_channel_has(ngx_array_t *list, ngx_str_t *s)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (list == NULL) {
        return 0;
    }

    value = list->elts;

    for (i = 0; i < list->nelts; i++) {
        if (value[i].len == s->len
            && ngx_strncmp(value[i].data, s->data, s->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_paygw_channel_meet(ngx_array_t *a, ngx_array_t *b)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (a == NULL) {
        return 0;
    }

    value = a->elts;

    for (i = 0; i < a->nelts; i++) {
        if (ngx_paygw_channel_has(b, &value[i])) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_paygw_channel_usable(ngx_paygw_key_t *key, time_t now)
{
    if (key->not_before && now < key->not_before) {
        return 0;
    }

    if (key->not_after && now > key->not_after) {
        return 0;
    }

    return 1;
}


ngx_int_t
ngx_paygw_channel_required(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_uint_t present, const char *name)
{
    if (present) {
        return NGX_OK;
    }

    return ngx_paygw_channel_lacks(cf, ch, name, "");
}


void
ngx_paygw_channel_unheard(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *then)
{
    if (ch->notify_url.len) {
        return;
    }

    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "channel \"%V\" of \"paygw_api\" has no "
                       "\"notify_url\": %s, add \"notify_url https://...;\" "
                       "to it",
                       &ch->name, then);
}


ngx_int_t
ngx_paygw_channel_lacks(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, const char *instead)
{
    if (ch->wanted_by == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"%s\"%s is defined for channel \"%V\"",
                           name, instead, &ch->name);
        return NGX_ERROR;
    }

    /* cf stands where that directive does */

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"%s\" in %V:%ui needs \"%s\"%s in channel \"%V\", "
                  "add \"%s ...;\"",
                  ch->wanted_by, &cf->conf_file->file.name,
                  cf->conf_file->line, name, instead, &ch->name, name);
    return NGX_ERROR;
}


ngx_int_t
ngx_paygw_channel_account(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *value, const char *name)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
            || (c >= 'A' && c <= 'Z') || c == '_' || c == '-')
        {
            continue;
        }

        break;
    }

    if (i == value->len && value->len <= 64) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%s\" of channel \"%V\": \"%V\", it must be "
                       "at most 64 letters and digits",
                       name, &ch->name, value);
    return NGX_ERROR;
}


ngx_int_t
ngx_paygw_channel_check_repeats(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *why)
{
    if (ch->keep < NGX_PAYGW_REPEAT_KEEP) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"event_ttl\" of channel \"%V\" must be at least "
                           "26h, %s", &ch->name, why);
        return NGX_ERROR;
    }

    /* an id must not be forgotten while its message is still fresh */

    if (ch->window >= NGX_PAYGW_REPEAT_MARGIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"clock_window\" of channel \"%V\" must be less "
                           "than 1h, a callback could be replayed",
                           &ch->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_channel_foreign(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_key_t *key, const char *name, ngx_paygw_key_t *ours,
    const char *own)
{
    if (ours == NULL || !ngx_paygw_key_equal(key, ours)) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" of channel \"%V\" is the key of its own "
                       "\"%s\", use the key that the provider gives out",
                       name, &ch->name, own);

    return NGX_ERROR;
}


ngx_int_t
ngx_paygw_channel_probe(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key, const char *name)
{
    if (ngx_paygw_verify_probe(scheme, key, cf->log) == NGX_OK) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" of channel \"%V\" cannot verify a signature, "
                       "%s",
                       name, &ch->name, ngx_paygw_scheme_needs(scheme));

    return NGX_ERROR;
}


ngx_int_t
ngx_paygw_channel_check_pair(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key, const char *name,
    ngx_paygw_key_t *cert, const char *cert_name)
{
    ngx_int_t  rc;

    if (cert && ngx_paygw_channel_cert(cf, ch, cert) != NGX_OK) {
        return NGX_ERROR;
    }

    if (key == NULL) {
        return NGX_OK;
    }

    rc = ngx_paygw_sign_round(scheme, key, cert, cf->pool, cf->log);

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    if (rc == NGX_DECLINED && cert) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" does not match \"%s\" of channel \"%V\", "
                           "use the files that were issued together",
                           cert_name, name, &ch->name);
        return NGX_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" of channel \"%V\" cannot sign, %s",
                       name, &ch->name, ngx_paygw_scheme_needs(scheme));
    return NGX_ERROR;
}
