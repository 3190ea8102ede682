
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_keyring.h"


/*
 * The files of the provider's keys.  The one worker looks at them once a
 * second; what it reads, small files that have changed, blocks it for the time
 * of a disk.  A file that is of no use changes nothing.
 */


static void ngx_http_paygw_watch_changed(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_paygw_keyfile_t *file, ngx_err_t err,
    ngx_log_t *log);
static void ngx_http_paygw_watch_file(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_paygw_keyfile_t *file, ngx_log_t *log);


void
ngx_http_paygw_watch(ngx_http_paygw_main_conf_t *mcf, ngx_log_t *log)
{
    ngx_uint_t                  i, k;
    ngx_array_t                *files;
    ngx_paygw_stamp_t           stamp;
    ngx_paygw_keyfile_t        *file;
    ngx_http_paygw_keyring_t  **kr;

    kr = mcf->keyrings.elts;

    for (i = 0; i < mcf->keyrings.nelts; i++) {

        files = kr[i]->channel->keyring->files;
        file = files->elts;

        for (k = 0; k < files->nelts; k++) {

            ngx_paygw_source_stamp(&file[k].path, &stamp);

            if (ngx_memcmp(&stamp, &file[k].stamp, sizeof(ngx_paygw_stamp_t))
                == 0)
            {
                continue;
            }

            file[k].stamp = stamp;

            ngx_http_paygw_watch_changed(mcf, kr[i], &file[k], stamp.err,
                                         log);
        }
    }
}


static void
ngx_http_paygw_watch_changed(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_paygw_keyfile_t *file, ngx_err_t err,
    ngx_log_t *log)
{
    if (err) {
        ngx_log_error(NGX_LOG_WARN, log, err,
                      "\"%s\" \"%V\" of channel \"%V\" cannot be read by a "
                      "worker, a change of it needs a reload, the key is "
                      "kept", file->name, &file->path, &kr->channel->name);
        return;
    }

    ngx_http_paygw_watch_file(mcf, kr, file, log);
}


static void
ngx_http_paygw_watch_file(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_paygw_keyfile_t *file, ngx_log_t *log)
{
    ngx_err_t              err;
    ngx_int_t              rc;
    ngx_str_t              text;
    ngx_pool_t            *pool;
    const char            *why;
    ngx_file_info_t        fi;
    ngx_paygw_found_t      found;
    ngx_paygw_ring_key_t   key;

    pool = ngx_create_pool(4096, log);
    if (pool == NULL) {
        return;
    }

    text.len = NGX_PAYGW_KEY_TEXT_MAX + 1;
    text.data = ngx_pnalloc(pool, text.len);

    err = 0;
    why = "no memory";
    rc = NGX_ERROR;

    if (text.data) {
        rc = ngx_http_paygw_watch_read(&file->path, &text, &fi, &err, &why);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_source_read(kr->channel, file->cert, &file->key->id,
                                   &text, &found, pool, log, &why);
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, log, err,
                      "\"%s\" \"%V\" of channel \"%V\" has changed and is "
                      "refused: %s, the key is kept", file->name, &file->path,
                      &kr->channel->name, why);
        ngx_destroy_pool(pool);
        return;
    }

    ngx_memzero(&key, sizeof(ngx_paygw_ring_key_t));

    key.id = found.key.id;
    key.file = file->path;
    key.text = text;
    key.not_after = found.key.not_after;

    (void) ngx_http_paygw_keyring_put(mcf, kr, &key, 1, log);

    ngx_destroy_pool(pool);
}


/* a named pipe must not stop the worker */

ngx_int_t
ngx_http_paygw_watch_read(ngx_str_t *path, ngx_str_t *text,
    ngx_file_info_t *fi, ngx_err_t *err, const char **why)
{
    ssize_t   n;
    ngx_fd_t  fd;

    *err = 0;
    *why = "it cannot be read";

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        *err = ngx_errno;
        return (*err == NGX_ENOENT) ? NGX_DECLINED : NGX_ERROR;
    }

    n = NGX_ERROR;

    if (ngx_fd_info(fd, fi) == NGX_FILE_ERROR) {
        *err = ngx_errno;

    } else if (!ngx_is_file(fi)) {
        *why = "it is not a regular file";

    } else {
        n = ngx_read_fd(fd, text->data, text->len);

        if (n == NGX_ERROR) {
            *err = ngx_errno;
        }
    }

    (void) ngx_close_file(fd);

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    text->len = n;

    return NGX_OK;
}
