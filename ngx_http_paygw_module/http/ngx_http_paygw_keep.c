
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_keyring.h"


/*
 * Fetched certificates over a restart: in the folder a file for each channel,
 * with a line "# ID" before each certificate, which other programs skip.  They
 * are no secret, but who can write them may sign: a file that others can write
 * is not read.
 */


#define NGX_HTTP_PAYGW_KEEP_MAX  (NGX_PAYGW_KEYS_MAX * NGX_PAYGW_KEY_TEXT_MAX)


static ngx_int_t ngx_http_paygw_keep_name(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_pool_t *pool, const char *tail,
    ngx_str_t *name);
static void ngx_http_paygw_keep_load_one(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_pool_t *pool, ngx_cycle_t *cycle);
static ngx_int_t ngx_http_paygw_keep_read(ngx_cycle_t *cycle,
    ngx_str_t *name, ngx_pool_t *pool, ngx_str_t *text, ngx_err_t *err,
    const char **why);
static ngx_uint_t ngx_http_paygw_keep_ours(ngx_cycle_t *cycle,
    ngx_file_info_t *fi);
static ngx_int_t ngx_http_paygw_keep_entry(ngx_str_t *text, ngx_str_t *id,
    ngx_str_t *entry);
static ngx_int_t ngx_http_paygw_keep_write(ngx_str_t *name, ngx_str_t *tmp,
    ngx_str_t *text);


void
ngx_http_paygw_keep_load(ngx_cycle_t *cycle, ngx_http_paygw_main_conf_t *mcf)
{
    ngx_pool_t                 *pool;
    ngx_uint_t                  i;
    ngx_array_t                *entries;
    ngx_http_paygw_keyring_t  **kr;

    if (mcf->keyring_path == NULL) {
        return;
    }

    kr = mcf->keyrings.elts;

    for (i = 0; i < mcf->keyrings.nelts; i++) {

        if (!kr[i]->channel->keyring->fetch) {
            continue;
        }

        kr[i]->ring = ngx_paygw_ring_get(mcf->zone, &kr[i]->channel->name, 1);

        if (kr[i]->ring == NULL) {
            continue;
        }

        pool = ngx_create_pool(16384, cycle->log);
        if (pool == NULL) {
            return;
        }

        entries = ngx_array_create(pool, 8, sizeof(ngx_paygw_ring_key_t));

        /* what stands in the zone is newer, a reload finds it */

        if (entries
            && ngx_paygw_ring_copy(mcf->zone, kr[i]->ring, pool, entries)
               == NGX_OK
            && entries->nelts == 0)
        {
            ngx_http_paygw_keep_load_one(mcf, kr[i], pool, cycle);
        }

        ngx_destroy_pool(pool);
    }
}


static void
ngx_http_paygw_keep_load_one(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_pool_t *pool, ngx_cycle_t *cycle)
{
    ngx_err_t              err;
    ngx_int_t              rc;
    ngx_log_t             *log;
    ngx_str_t              name, text, id;
    ngx_uint_t             n;
    const char            *why;
    ngx_paygw_found_t     *found;
    ngx_paygw_ring_key_t   keys[NGX_PAYGW_KEYS_MAX];

    n = 0;
    err = 0;
    why = "no memory";
    log = cycle->log;

    if (ngx_http_paygw_keep_name(mcf, kr, pool, ".pem", &name) != NGX_OK) {
        return;
    }

    rc = ngx_http_paygw_keep_read(cycle, &name, pool, &text, &err, &why);

    if (rc == NGX_DECLINED) {
        return;
    }

    ngx_memzero(keys, sizeof(keys));

    while (rc == NGX_OK && text.len && n < NGX_PAYGW_KEYS_MAX) {

        found = ngx_palloc(pool, sizeof(ngx_paygw_found_t));
        if (found == NULL) {
            return;
        }

        rc = ngx_http_paygw_keep_entry(&text, &id, &keys[n].text);

        if (rc != NGX_OK) {
            why = "it is malformed";
            break;
        }

        rc = ngx_paygw_source_read(kr->channel, 1, &id, &keys[n].text, found,
                                   pool, log, &why);

        if (rc == NGX_OK
            && (found->key.id.len != id.len
                || ngx_strncmp(found->key.id.data, id.data, id.len) != 0))
        {
            why = "a certificate has another id";
            rc = NGX_ERROR;
        }

        if (rc == NGX_OK && ngx_time() <= found->key.not_after) {
            keys[n].id = found->key.id;
            keys[n].not_after = found->key.not_after;
            n++;
        }
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_WARN, log, err,
                      "\"%V\" is not used: %s, keys of channel \"%V\" will "
                      "be fetched", &name, why, &kr->channel->name);
        return;
    }

    if (n) {
        (void) ngx_paygw_ring_put(mcf->zone, kr->ring, keys, n, ngx_time());
    }
}


/* NGX_OK; NGX_DECLINED if there is none; NGX_ERROR */

static ngx_int_t
ngx_http_paygw_keep_read(ngx_cycle_t *cycle, ngx_str_t *name,
    ngx_pool_t *pool, ngx_str_t *text, ngx_err_t *err, const char **why)
{
    ngx_int_t        rc;
    ngx_file_info_t  fi;

    text->len = NGX_HTTP_PAYGW_KEEP_MAX + 1;
    text->data = ngx_pnalloc(pool, text->len);

    if (text->data == NULL) {
        *why = "no memory";
        return NGX_ERROR;
    }

    rc = ngx_http_paygw_watch_read(name, text, &fi, err, why);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_file_access(&fi) & (S_IWGRP|S_IWOTH)) {
        *why = "others can write it";
        return NGX_ERROR;
    }

    if (!ngx_http_paygw_keep_ours(cycle, &fi)) {
        *why = "it belongs to another user";
        return NGX_ERROR;
    }

    if (text->len > NGX_HTTP_PAYGW_KEEP_MAX) {
        *why = "it is too large";
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* of root, of the workers, or of who starts nginx */

static ngx_uint_t
ngx_http_paygw_keep_ours(ngx_cycle_t *cycle, ngx_file_info_t *fi)
{
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                           ngx_core_module);

    return fi->st_uid == 0 || fi->st_uid == geteuid()
           || fi->st_uid == ccf->user;
}


/* takes the next entry off the text */

static ngx_int_t
ngx_http_paygw_keep_entry(ngx_str_t *text, ngx_str_t *id, ngx_str_t *entry)
{
    u_char  *p, *last;

    last = text->data + text->len;

    if (text->len < 3 || text->data[0] != '#' || text->data[1] != ' ') {
        return NGX_ERROR;
    }

    id->data = text->data + 2;

    p = ngx_strlchr(id->data, last, LF);
    if (p == NULL) {
        return NGX_ERROR;
    }

    id->len = p++ - id->data;
    entry->data = p;

    while (p < last && *p != '#') {
        p = ngx_strlchr(p, last, LF);
        p = p ? p + 1 : last;
    }

    entry->len = p - entry->data;

    text->data = p;
    text->len = last - p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_keep_name(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_pool_t *pool, const char *tail,
    ngx_str_t *name)
{
    size_t  len;

    len = mcf->keyring_path->name.len + 1 + kr->channel->name.len
          + ngx_strlen(tail) + 1;

    name->data = ngx_pnalloc(pool, len);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    name->len = ngx_sprintf(name->data, "%V/%V%s%Z", &mcf->keyring_path->name,
                            &kr->channel->name, tail)
                - name->data - 1;

    return NGX_OK;
}


void
ngx_http_paygw_keep_save(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_log_t *log)
{
    u_char                *p;
    size_t                 len;
    ngx_str_t              name, tmp, text;
    ngx_pool_t            *pool;
    ngx_uint_t             i, n;
    ngx_array_t           *entries;
    ngx_paygw_ring_key_t  *entry;

    if (mcf->keyring_path == NULL) {
        return;
    }

    pool = ngx_create_pool(16384, log);
    if (pool == NULL) {
        return;
    }

    entries = ngx_array_create(pool, 8, sizeof(ngx_paygw_ring_key_t));

    if (entries == NULL
        || ngx_paygw_ring_copy(mcf->zone, kr->ring, pool, entries) != NGX_OK
        || ngx_http_paygw_keep_name(mcf, kr, pool, ".pem", &name) != NGX_OK
        || ngx_http_paygw_keep_name(mcf, kr, pool, ".pem.new", &tmp)
           != NGX_OK)
    {
        goto done;
    }

    len = 0;
    entry = entries->elts;

    for (i = 0; i < entries->nelts; i++) {
        len += sizeof("# \n\n") + entry[i].id.len + entry[i].text.len;
    }

    p = ngx_pnalloc(pool, len + 1);
    if (p == NULL) {
        goto done;
    }

    text.data = p;

    n = 0;

    for (i = 0; i < entries->nelts && n < NGX_PAYGW_KEYS_MAX; i++) {
        if (entry[i].file.len == 0) {
            p = ngx_sprintf(p, "# %V\n%V\n", &entry[i].id, &entry[i].text);
            n++;
        }
    }

    text.len = p - text.data;

    if (ngx_http_paygw_keep_write(&name, &tmp, &text) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                      "\"%V\" cannot be written, keys of channel \"%V\" will "
                      "be fetched anew after a restart", &tmp,
                      &kr->channel->name);
    }

done:

    ngx_destroy_pool(pool);
}


/*
 * The file is either whole or the old one.  It is not synced, which might block
 * the worker: what a power failure leaves of it is no certificate, and they are
 * fetched anew.
 */

static ngx_int_t
ngx_http_paygw_keep_write(ngx_str_t *name, ngx_str_t *tmp, ngx_str_t *text)
{
    ngx_fd_t   fd;
    ngx_int_t  rc;

    (void) ngx_delete_file(tmp->data);

    fd = ngx_open_file(tmp->data, NGX_FILE_WRONLY, NGX_FILE_CREATE_OR_OPEN
                                                   |O_EXCL, 0600);
    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    if (ngx_write_fd(fd, text->data, text->len) != (ssize_t) text->len) {
        rc = NGX_ERROR;
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        rc = NGX_ERROR;
    }

    if (rc == NGX_OK && ngx_rename_file(tmp->data, name->data)
                        == NGX_FILE_ERROR)
    {
        rc = NGX_ERROR;
    }

    return rc;
}
