
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"


#define NGX_PAYGW_FILE_MAX  (1024 * 1024)


static ngx_int_t ngx_paygw_file_check(ngx_conf_t *cf, ngx_str_t *path,
    ngx_fd_t fd, ngx_uint_t flags, size_t *size);
static ngx_int_t ngx_paygw_file_load(ngx_conf_t *cf, ngx_str_t *path,
    ngx_fd_t fd, size_t size, ngx_str_t *text);


ngx_int_t
ngx_paygw_file_read(ngx_conf_t *cf, ngx_str_t *path, ngx_uint_t flags,
    ngx_str_t *text)
{
    size_t     size;
    ngx_fd_t   fd;
    ngx_int_t  rc;

    ngx_str_null(text);

    if (path->len > 5 && ngx_strncmp(path->data, "file:", 5) == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" must be a path without \"file:\"", path);
        return NGX_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a named pipe must not stop nginx */

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", path);
        return NGX_ERROR;
    }

    rc = ngx_paygw_file_check(cf, path, fd, flags, &size);

    if (rc == NGX_OK) {
        rc = ngx_paygw_file_load(cf, path, fd, size, text);
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", path);
    }

    return rc;
}


static ngx_int_t
ngx_paygw_file_check(ngx_conf_t *cf, ngx_str_t *path, ngx_fd_t fd,
    ngx_uint_t flags, size_t *size)
{
    ngx_file_info_t  fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " \"%V\" failed", path);
        return NGX_ERROR;
    }

    if (!ngx_is_file(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not a regular file", path);
        return NGX_ERROR;
    }

    if ((flags & NGX_PAYGW_FILE_SECRET) && (ngx_file_access(&fi) & S_IROTH)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is readable by everyone, "
                           "use \"chmod 600\"", path);
        return NGX_ERROR;
    }

    if (ngx_file_size(&fi) == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is empty", path);
        return NGX_ERROR;
    }

    if (ngx_file_size(&fi) > NGX_PAYGW_FILE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is too large for a key, a certificate "
                           "or a secret", path);
        return NGX_ERROR;
    }

    *size = (size_t) ngx_file_size(&fi);

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_file_load(ngx_conf_t *cf, ngx_str_t *path, ngx_fd_t fd, size_t size,
    ngx_str_t *text)
{
    ssize_t  n;

    text->data = ngx_alloc(size, cf->log);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = size;

    n = ngx_read_fd(fd, text->data, size);

    if (n != (ssize_t) size) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, n == -1 ? ngx_errno : 0,
                           ngx_read_fd_n " \"%V\" failed", path);
        ngx_paygw_file_wipe(text);
        return NGX_ERROR;
    }

    if (size > 3 && ngx_memcmp(text->data, "\xEF\xBB\xBF", 3) == 0) {
        text->len -= 3;
        ngx_memmove(text->data, text->data + 3, text->len);
        ngx_explicit_memzero(text->data + text->len, 3);
    }

    return NGX_OK;
}


void
ngx_paygw_file_wipe(ngx_str_t *text)
{
    if (text->data == NULL) {
        return;
    }

    ngx_explicit_memzero(text->data, text->len);
    ngx_free(text->data);
    ngx_str_null(text);
}


const char *
ngx_paygw_openssl_error(void)
{
    const char  *reason;

    reason = ERR_reason_error_string(ERR_peek_error());

    ERR_clear_error();

    return reason ? reason : "no reason given by OpenSSL";
}


ngx_uint_t
ngx_paygw_pem_end(void)
{
    unsigned long  e;

    e = ERR_peek_last_error();

    return ERR_GET_LIB(e) == ERR_LIB_PEM
           && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}
