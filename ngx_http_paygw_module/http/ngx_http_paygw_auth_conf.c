
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_failures.h"


/* paygw_auth, paygw_auth_style: what they say, and what a location needs. */


#define NGX_HTTP_PAYGW_RESPONSE_MIN  1024


static ngx_int_t ngx_http_paygw_auth_distinct(ngx_conf_t *cf,
    ngx_paygw_call_names_t *names);
static ngx_int_t ngx_http_paygw_auth_resolve(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_http_paygw_auth_conf_t *auth);
static ngx_int_t ngx_http_paygw_auth_fits(ngx_conf_t *cf,
    ngx_http_paygw_auth_conf_t *auth, ngx_paygw_merchant_t *m);
static ngx_int_t ngx_http_paygw_auth_check(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf);


ngx_conf_enum_t  ngx_http_paygw_auth_store_errors[] = {
    { ngx_string("refuse"), 0 },
    { ngx_string("pass_reads"), 1 },
    { ngx_null_string, 0 }
};


/* the names of parameters, unless the style says others */

static ngx_paygw_call_names_t  ngx_http_paygw_auth_names = {
    { ngx_string("key_id"),
      ngx_string("timestamp"),
      ngx_string("nonce_str"),
      ngx_string("sign") }
};


char *
ngx_http_paygw_auth_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_str_t                   *value, *name;
    ngx_uint_t                   i;
    ngx_http_paygw_auth_conf_t  *auth;

    auth = &lcf->auth;

    if (auth->on != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts > 2) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[2]);
            return NGX_CONF_ERROR;
        }

        auth->on = 0;
        return NGX_CONF_OK;
    }

    auth->on = 1;
    auth->file = cf->conf_file->file.name.data;
    auth->line = cf->conf_file->line;

    auth->merchants = ngx_array_create(cf->pool, cf->args->nelts,
                                       sizeof(ngx_str_t));
    if (auth->merchants == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "sign_response") == 0) {
            auth->sign = 1;
            continue;
        }

        name = ngx_array_push(auth->merchants);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    if (auth->merchants->nelts == 0) {
        return "names no merchant";
    }

    return NGX_CONF_OK;
}


char *
ngx_http_paygw_auth_style(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    size_t                       len;
    ngx_str_t                   *value;
    ngx_uint_t                   i, k;
    ngx_http_paygw_auth_conf_t  *auth;

    static const char  *params[] = { "key_id=", "timestamp=", "nonce=",
                                     "sign=" };

    auth = &lcf->auth;

    if (auth->style != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    auth->names = ngx_palloc(cf->pool, sizeof(ngx_paygw_call_names_t));
    if (auth->names == NULL) {
        return NGX_CONF_ERROR;
    }

    *auth->names = ngx_http_paygw_auth_names;

    if (ngx_strcmp(value[1].data, "headers") == 0) {
        auth->style = NGX_PAYGW_CALL_HEADERS;

    } else if (ngx_strcmp(value[1].data, "params") == 0) {
        auth->style = NGX_PAYGW_CALL_PARAMS;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\", it must be \"headers\" or "
                           "\"params\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        for (k = 0; k < NGX_PAYGW_CALL_FIELDS; k++) {
            len = ngx_strlen(params[k]);

            if (auth->style == NGX_PAYGW_CALL_PARAMS
                && value[i].len > len
                && ngx_strncmp(value[i].data, params[k], len) == 0)
            {
                auth->names->name[k].data = value[i].data + len;
                auth->names->name[k].len = value[i].len - len;
                break;
            }
        }

        if (k == NGX_PAYGW_CALL_FIELDS) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_http_paygw_auth_distinct(cf, auth->names) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_paygw_auth_distinct(ngx_conf_t *cf, ngx_paygw_call_names_t *names)
{
    ngx_str_t   *a, *b;
    ngx_uint_t   i, k;

    for (i = 0; i < NGX_PAYGW_CALL_FIELDS; i++) {
        for (k = 0; k < i; k++) {
            a = &names->name[i];
            b = &names->name[k];

            if (a->len == b->len
                && ngx_strncmp(a->data, b->data, a->len) == 0)
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"paygw_auth_style\" gives two parameters "
                                   "the name \"%V\"", a);
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


void
ngx_http_paygw_auth_create(ngx_http_paygw_auth_conf_t *auth)
{
    auth->on = NGX_CONF_UNSET;
    auth->style = NGX_CONF_UNSET_UINT;
    auth->store_error = NGX_CONF_UNSET_UINT;
    auth->response_max = NGX_CONF_UNSET_SIZE;
    auth->failures = NGX_CONF_UNSET_UINT;
}


char *
ngx_http_paygw_auth_merge(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf)
{
    ngx_http_paygw_main_conf_t  *mcf;
    ngx_http_paygw_auth_conf_t  *auth;

    auth = &conf->auth;

    if (auth->style == NGX_CONF_UNSET_UINT) {
        /* the names belong to the style */
        auth->style = prev->auth.style;
        auth->names = prev->auth.names;
    }

    if (auth->style == NGX_CONF_UNSET_UINT) {
        auth->style = NGX_PAYGW_CALL_HEADERS;
        auth->names = &ngx_http_paygw_auth_names;
    }

    ngx_conf_merge_uint_value(auth->store_error, prev->auth.store_error, 0);
    ngx_conf_merge_size_value(auth->response_max, prev->auth.response_max,
                              1024 * 1024);

    if (conf->names) {

        if (auth->on == 1) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"paygw_auth\" in %s:%ui cannot be used with "
                          "\"paygw_notify\": providers do not sign as "
                          "merchants do", auth->file, auth->line);
            return NGX_CONF_ERROR;
        }

        /* a callback is verified in its own way, whatever the server says */

        auth->on = 0;
    }

    if (auth->on == NGX_CONF_UNSET) {
        auth->on = prev->auth.on;
        auth->merchants = prev->auth.merchants;
        auth->file = prev->auth.file;
        auth->line = prev->auth.line;
        auth->sign = prev->auth.sign;
    }

    if (auth->on == NGX_CONF_UNSET) {
        auth->on = 0;
    }

    if (ngx_http_paygw_failures_merge(cf, &prev->auth, auth) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (!auth->on) {
        return NGX_CONF_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    if (ngx_http_paygw_auth_resolve(cf, mcf, auth) != NGX_OK
        || ngx_http_paygw_auth_check(cf, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_paygw_auth_resolve(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_auth_conf_t *auth)
{
    ngx_str_t             *name;
    ngx_uint_t             i;
    ngx_paygw_merchant_t  *m;

    auth->window = 0;
    auth->allowed = ngx_pcalloc(cf->pool,
                                mcf->callers.merchants.nelts / 8 + 1);
    if (auth->allowed == NULL) {
        return NGX_ERROR;
    }

    name = auth->merchants->elts;

    for (i = 0; i < auth->merchants->nelts; i++) {

        m = ngx_paygw_merchant_find(&mcf->callers, &name[i]);

        if (m == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"paygw_auth\" names unknown merchant \"%V\" in "
                          "%s:%ui, define it by \"paygw_merchant %V { ... }\"",
                          &name[i], auth->file, auth->line, &name[i]);
            return NGX_ERROR;
        }

        if (ngx_http_paygw_auth_fits(cf, auth, m) != NGX_OK) {
            return NGX_ERROR;
        }

        auth->allowed[m->index / 8] |= 1 << (m->index % 8);
        auth->window = ngx_max(auth->window, m->window);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_auth_fits(ngx_conf_t *cf, ngx_http_paygw_auth_conf_t *auth,
    ngx_paygw_merchant_t *m)
{
    if (auth->sign && m->npublic) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"sign_response\" in %s:%ui cannot sign for merchant "
                      "\"%V\", which has a \"public_key\": answers are signed "
                      "with the secret of the caller",
                      auth->file, auth->line, &m->name);
        return NGX_ERROR;
    }

    if (auth->style == NGX_PAYGW_CALL_HEADERS && m->nmd5 == m->nkeys) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "merchant \"%V\" of \"paygw_auth\" in %s:%ui has keys "
                      "for \"md5\" alone, which is of \"paygw_auth_style "
                      "params\"", &m->name, auth->file, auth->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_auth_check(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_paygw_main_conf_t  *mcf;
    ngx_http_paygw_auth_conf_t  *auth;

    auth = &conf->auth;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (mcf->store == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no store is defined for \"paygw_auth\" in %s:%ui, "
                      "add \"paygw_zone paygw:16m\" or "
                      "\"paygw_store redis://...\" to \"http\"",
                      auth->file, auth->line);
        return NGX_ERROR;
    }

    if (conf->body_max == 0
        || auth->response_max < NGX_HTTP_PAYGW_RESPONSE_MIN)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" for \"paygw_auth\" in %s:%ui must be at least "
                      "%s", conf->body_max ? "paygw_response_max"
                                           : "paygw_body_max",
                      auth->file, auth->line, conf->body_max ? "1k" : "1");
        return NGX_ERROR;
    }

    auth->any = (clcf->satisfy == NGX_HTTP_SATISFY_ANY);

    if (auth->any && ngx_http_paygw_has_rewrite(cf)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"satisfy any\" cannot be used with \"paygw_auth\" of "
                      "%s:%ui in a location that has \"return\", \"set\", "
                      "\"if\" or \"rewrite\": they come before all checks, "
                      "move them to a location of their own",
                      auth->file, auth->line);
        return NGX_ERROR;
    }

    /* what is too large for us is not to be read, nor written to a file */

    if (clcf->client_max_body_size == 0
        || clcf->client_max_body_size > (off_t) conf->body_max)
    {
        clcf->client_max_body_size = conf->body_max;
    }

    return NGX_OK;
}
