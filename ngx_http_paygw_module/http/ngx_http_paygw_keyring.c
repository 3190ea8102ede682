
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_keyring.h"


static ngx_int_t ngx_http_paygw_keyring_rebuild(
    ngx_http_paygw_main_conf_t *mcf, ngx_http_paygw_keyring_t *kr,
    ngx_log_t *log);
static ngx_int_t ngx_http_paygw_keyring_configured(
    ngx_http_paygw_keyring_t *kr, ngx_array_t *entries, ngx_array_t *keys,
    ngx_pool_t *pool);
static ngx_int_t ngx_http_paygw_keyring_fetched(ngx_http_paygw_keyring_t *kr,
    ngx_array_t *entries, ngx_array_t *keys, ngx_pool_t *pool);
static ngx_paygw_ring_key_t *ngx_http_paygw_keyring_override(
    ngx_array_t *entries, ngx_paygw_keyfile_t *file);
static ngx_int_t ngx_http_paygw_keyring_add(ngx_http_paygw_keyring_t *kr,
    ngx_uint_t cert, ngx_paygw_ring_key_t *entry, ngx_array_t *keys,
    ngx_pool_t *pool);


ngx_int_t
ngx_http_paygw_keyring_init_process(ngx_cycle_t *cycle,
    ngx_http_paygw_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_http_paygw_keyring_t  **kr;

    kr = mcf->keyrings.elts;

    for (i = 0; i < mcf->keyrings.nelts; i++) {

        if (!kr[i]->channel->keyring->fetch) {
            continue;
        }

        kr[i]->ring = ngx_paygw_ring_get(mcf->zone, &kr[i]->channel->name, 1);

        if (kr[i]->ring == NULL) {
            ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                          "could not allocate keyring of channel \"%V\", "
                          "the zone is too small", &kr[i]->channel->name);
        }
    }

    ngx_http_paygw_keyring_refresh(mcf, cycle->log);

    return ngx_http_paygw_renew_init(cycle, mcf);
}


void
ngx_http_paygw_keyring_exit_process(ngx_http_paygw_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_http_paygw_keyring_t  **kr;

    ngx_http_paygw_renew_exit(mcf);

    kr = mcf->keyrings.elts;

    for (i = 0; i < mcf->keyrings.nelts; i++) {

        if (kr[i]->pool) {
            kr[i]->channel->keys = kr[i]->keys;
            ngx_destroy_pool(kr[i]->pool);
            kr[i]->pool = NULL;
        }
    }
}


void
ngx_http_paygw_keyring_refresh(ngx_http_paygw_main_conf_t *mcf,
    ngx_log_t *log)
{
    ngx_uint_t                  i;
    ngx_atomic_uint_t           version;
    ngx_http_paygw_keyring_t  **kr;

    if (mcf->keyrings.nelts == 0) {
        return;
    }

    version = ngx_paygw_ring_version(mcf->zone);

    if (version == mcf->version) {
        return;
    }

    kr = mcf->keyrings.elts;

    for (i = 0; i < mcf->keyrings.nelts; i++) {

        if (kr[i]->ring == NULL) {

            /* another worker has made it when a file changed */

            kr[i]->ring = ngx_paygw_ring_get(mcf->zone,
                                             &kr[i]->channel->name, 0);
        }

        if (kr[i]->ring
            && ngx_http_paygw_keyring_rebuild(mcf, kr[i], log) != NGX_OK)
        {
            ngx_log_error(NGX_LOG_ERR, log, 0,
                          "keyring of channel \"%V\" got no memory, "
                          "the old keys are kept", &kr[i]->channel->name);
        }
    }

    mcf->version = version;
}


/*
 * Nothing holds a key over a turn of the event loop, so the old copy can go as
 * soon as the new one is complete.
 */

static ngx_int_t
ngx_http_paygw_keyring_rebuild(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_log_t *log)
{
    ngx_pool_t         *pool;
    ngx_array_t        *keys, *entries;
    ngx_atomic_uint_t   changes;

    changes = ngx_paygw_ring_changes(kr->ring);

    if (changes == kr->changes) {
        return NGX_OK;
    }

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    keys = ngx_array_create(pool, 8, sizeof(ngx_paygw_key_t *));
    entries = ngx_array_create(pool, 8, sizeof(ngx_paygw_ring_key_t));

    if (keys == NULL || entries == NULL
        || ngx_paygw_ring_copy(mcf->zone, kr->ring, pool, entries) != NGX_OK
        || ngx_http_paygw_keyring_configured(kr, entries, keys, pool)
           != NGX_OK
        || ngx_http_paygw_keyring_fetched(kr, entries, keys, pool) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    kr->channel->keys = keys;

    if (kr->pool) {
        ngx_destroy_pool(kr->pool);
    }

    kr->pool = pool;
    kr->changes = changes;

    return NGX_OK;
}


/* the configured keys, or what their files have come to hold since */

static ngx_int_t
ngx_http_paygw_keyring_configured(ngx_http_paygw_keyring_t *kr,
    ngx_array_t *entries, ngx_array_t *keys, ngx_pool_t *pool)
{
    ngx_int_t              rc;
    ngx_uint_t             i, k;
    ngx_array_t           *files;
    ngx_paygw_key_t      **key, **slot;
    ngx_paygw_keyfile_t   *file;
    ngx_paygw_ring_key_t  *entry;

    files = kr->channel->keyring->files;
    file = files->elts;
    key = kr->keys->elts;

    for (i = 0; i < kr->keys->nelts; i++) {

        entry = NULL;

        for (k = 0; k < files->nelts; k++) {
            if (file[k].key == key[i]) {
                entry = ngx_http_paygw_keyring_override(entries, &file[k]);
                break;
            }
        }

        if (entry) {
            rc = ngx_http_paygw_keyring_add(kr, file[k].cert, entry, keys,
                                            pool);
            if (rc == NGX_OK) {
                continue;
            }

            if (rc == NGX_ERROR) {
                return NGX_ERROR;
            }
        }

        slot = ngx_array_push(keys);
        if (slot == NULL) {
            return NGX_ERROR;
        }

        *slot = key[i];
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_keyring_fetched(ngx_http_paygw_keyring_t *kr,
    ngx_array_t *entries, ngx_array_t *keys, ngx_pool_t *pool)
{
    ngx_uint_t              i, k;
    ngx_paygw_key_t       **key;
    ngx_paygw_ring_key_t   *entry;

    if (!kr->channel->keyring->fetch) {
        return NGX_OK;
    }

    entry = entries->elts;

    for (i = 0; i < entries->nelts; i++) {

        if (entry[i].file.len) {
            continue;
        }

        key = keys->elts;

        for (k = 0; k < keys->nelts; k++) {
            if (key[k]->id.len == entry[i].id.len
                && ngx_strncmp(key[k]->id.data, entry[i].id.data,
                               entry[i].id.len)
                   == 0)
            {
                break;
            }
        }

        if (k == keys->nelts
            && ngx_http_paygw_keyring_add(kr, 1, &entry[i], keys, pool)
               == NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* what a file has come to hold after this configuration read it */

static ngx_paygw_ring_key_t *
ngx_http_paygw_keyring_override(ngx_array_t *entries,
    ngx_paygw_keyfile_t *file)
{
    ngx_uint_t             i;
    ngx_paygw_ring_key_t  *entry;

    entry = entries->elts;

    for (i = 0; i < entries->nelts; i++) {

        if ((ngx_msec_int_t) (entry[i].since - file->read) > 0
            && entry[i].file.len == file->path.len
            && ngx_strncmp(entry[i].file.data, file->path.data,
                           file->path.len)
               == 0)
        {
            return &entry[i];
        }
    }

    return NULL;
}


/* it was accepted before it came into the zone, and is here again */

static ngx_int_t
ngx_http_paygw_keyring_add(ngx_http_paygw_keyring_t *kr, ngx_uint_t cert,
    ngx_paygw_ring_key_t *entry, ngx_array_t *keys, ngx_pool_t *pool)
{
    ngx_int_t            rc;
    const char          *err;
    ngx_paygw_key_t    **key;
    ngx_paygw_found_t   *found;

    found = ngx_palloc(pool, sizeof(ngx_paygw_found_t));
    if (found == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_paygw_source_read(kr->channel, cert, &entry->id, &entry->text,
                               found, pool, pool->log, &err);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, pool->log, 0,
                      "key \"%V\" of channel \"%V\" in the zone does not fit: "
                      "%s", &entry->id, &kr->channel->name, err);
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    key = ngx_array_push(keys);
    if (key == NULL) {
        return NGX_ERROR;
    }

    *key = &found->key;

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_keyring_want(ngx_http_paygw_main_conf_t *mcf,
    ngx_paygw_notify_t *n)
{
    ngx_int_t                  rc, one;
    ngx_uint_t                 i;
    ngx_paygw_channel_t       *ch;
    ngx_http_paygw_keyring_t  *kr;

    rc = NGX_DECLINED;

    for (i = 0; i < n->nchannels; i++) {
        ch = n->channels[i];
        kr = ch->upper;

        if ((n->wanting && n->wanting != ch)
            || kr == NULL || kr->ring == NULL || !ch->keyring->fetch
            || !ch->keyring->source->may_be(&n->wanted))
        {
            continue;
        }

        one = ngx_paygw_ring_want(mcf->zone, kr->ring, &n->wanted);

        if (one == NGX_AGAIN || rc == NGX_DECLINED) {
            rc = one;
        }
    }

    return rc;
}


ngx_int_t
ngx_http_paygw_keyring_put(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_paygw_ring_key_t *keys, ngx_uint_t n,
    ngx_log_t *log)
{
    char       *quote;
    ngx_int_t   rc;
    ngx_uint_t  i;

    if (kr->ring == NULL) {
        kr->ring = ngx_paygw_ring_get(mcf->zone, &kr->channel->name, 1);
    }

    rc = kr->ring ? ngx_paygw_ring_put(mcf->zone, kr->ring, keys, n,
                                       ngx_time())
                  : NGX_ERROR;

    if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "could not allocate keys of channel \"%V\", the zone "
                      "is full, the old ones are kept", &kr->channel->name);
        return NGX_ERROR;
    }

    for (i = 0; rc == NGX_OK && i < n; i++) {
        quote = keys[i].id.len ? "\"" : "";

        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "key %s%V%s%sof channel \"%V\" is in use%s%V",
                      quote, &keys[i].id, quote, keys[i].id.len ? " " : "",
                      &kr->channel->name,
                      keys[i].file.len ? ", from " : "", &keys[i].file);
    }

    ngx_http_paygw_keyring_refresh(mcf, log);

    return rc;
}
