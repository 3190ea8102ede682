
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"


typedef ngx_int_t (*ngx_paygw_source_pt)(ngx_conf_t *cf, ngx_str_t *value,
    const char *what, ngx_str_t *secret);


typedef struct {
    ngx_str_t                prefix;
    ngx_paygw_source_pt      handler;
} ngx_paygw_source_t;


static ngx_int_t ngx_paygw_secret_file(ngx_conf_t *cf, ngx_str_t *path,
    const char *what, ngx_str_t *secret);
static ngx_int_t ngx_paygw_secret_env(ngx_conf_t *cf, ngx_str_t *name,
    const char *what, ngx_str_t *secret);
static ngx_int_t ngx_paygw_secret_text(ngx_conf_t *cf, ngx_str_t *text,
    const char *what, ngx_str_t *secret);
static ngx_int_t ngx_paygw_secret_keep(ngx_conf_t *cf, ngx_str_t *text,
    ngx_str_t *secret);
static void ngx_paygw_secret_cleanup(void *data);


static const ngx_paygw_source_t  ngx_paygw_sources[] = {
    { ngx_string("file:"), ngx_paygw_secret_file },
    { ngx_string("env:"), ngx_paygw_secret_env },
    { ngx_string("text:"), ngx_paygw_secret_text },
    { ngx_null_string, NULL }
};


ngx_int_t
ngx_paygw_secret(ngx_conf_t *cf, ngx_str_t *source, const char *what,
    ngx_str_t *secret)
{
    ngx_str_t                  value;
    const ngx_paygw_source_t  *s;

    ngx_str_null(secret);

    for (s = ngx_paygw_sources; s->handler; s++) {

        if (source->len < s->prefix.len
            || ngx_strncmp(source->data, s->prefix.data, s->prefix.len) != 0)
        {
            continue;
        }

        value.data = source->data + s->prefix.len;
        value.len = source->len - s->prefix.len;

        if (s->handler(cf, &value, what, secret) != NGX_OK) {
            return NGX_ERROR;
        }

        if (secret->len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s is empty", what);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    /* the value is not shown: it may be the secret itself */

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "%s must be \"file:PATH\", \"env:NAME\" "
                       "or \"text:VALUE\"", what);

    return NGX_ERROR;
}


static ngx_int_t
ngx_paygw_secret_file(ngx_conf_t *cf, ngx_str_t *path, const char *what,
    ngx_str_t *secret)
{
    ngx_int_t  rc;
    ngx_str_t  text, value;

    if (ngx_paygw_file_read(cf, path, NGX_PAYGW_FILE_SECRET, &text)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    value = text;

    if (value.len && value.data[value.len - 1] == LF) {
        value.len--;

        if (value.len && value.data[value.len - 1] == CR) {
            value.len--;
        }
    }

    rc = ngx_paygw_secret_keep(cf, &value, secret);

    ngx_paygw_file_wipe(&text);

    return rc;
}


static ngx_int_t
ngx_paygw_secret_env(ngx_conf_t *cf, ngx_str_t *name, const char *what,
    ngx_str_t *secret)
{
    ngx_str_t  value;

    value.data = (u_char *) getenv((char *) name->data);

    if (value.data == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s: environment variable \"%V\" is not set",
                           what, name);
        return NGX_ERROR;
    }

    value.len = ngx_strlen(value.data);

    return ngx_paygw_secret_keep(cf, &value, secret);
}


static ngx_int_t
ngx_paygw_secret_text(ngx_conf_t *cf, ngx_str_t *text, const char *what,
    ngx_str_t *secret)
{
    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "%s stands in the configuration, use \"file:\" "
                       "or \"env:\" outside of tests", what);

    return ngx_paygw_secret_keep(cf, text, secret);
}


static ngx_int_t
ngx_paygw_secret_keep(ngx_conf_t *cf, ngx_str_t *text, ngx_str_t *secret)
{
    ngx_str_t           *kept;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_str_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    kept = cln->data;

    kept->len = text->len;
    kept->data = ngx_pnalloc(cf->pool, text->len + 1);
    if (kept->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(kept->data, text->data, text->len);
    kept->data[text->len] = '\0';

    cln->handler = ngx_paygw_secret_cleanup;

    *secret = *kept;

    return NGX_OK;
}


static void
ngx_paygw_secret_cleanup(void *data)
{
    ngx_str_t *kept = data;

    ngx_explicit_memzero(kept->data, kept->len);
}
