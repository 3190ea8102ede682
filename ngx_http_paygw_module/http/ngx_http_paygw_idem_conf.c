
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_conf.h"


/* paygw_idempotency: what it says, and what a location needs. */


#define NGX_HTTP_PAYGW_IDEM_TTL      (24 * 60 * 60 * 1000)
#define NGX_HTTP_PAYGW_IDEM_TTL_MIN  (60 * 1000)
#define NGX_HTTP_PAYGW_IDEM_LOCK     (60 * 1000)
#define NGX_HTTP_PAYGW_IDEM_MAX      (64 * 1024)


static ngx_int_t ngx_http_paygw_idem_arg(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_http_paygw_idem_conf_t *idem);
static ngx_int_t ngx_http_paygw_idem_check(ngx_conf_t *cf,
    ngx_http_paygw_idem_conf_t *idem);


char *
ngx_http_paygw_idem_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_http_paygw_main_conf_t  *mcf;
    ngx_http_paygw_idem_conf_t  *idem, **known;

    if (lcf->idem != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0 && cf->args->nelts == 2) {
        lcf->idem = NULL;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "on") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\", it must be \"on\" or \"off\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    idem = ngx_pcalloc(cf->pool, sizeof(ngx_http_paygw_idem_conf_t));
    if (idem == NULL) {
        return NGX_CONF_ERROR;
    }

    idem->ttl = NGX_HTTP_PAYGW_IDEM_TTL;
    idem->lock = NGX_HTTP_PAYGW_IDEM_LOCK;
    idem->max = NGX_HTTP_PAYGW_IDEM_MAX;
    idem->file = cf->conf_file->file.name.data;
    idem->line = cf->conf_file->line;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_paygw_idem_arg(cf, &value[i], idem) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" of "
                               "\"paygw_idempotency\", known are "
                               "\"required\", \"ttl=TIME\", \"lock=TIME\" "
                               "and \"max=SIZE\"", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_http_paygw_idem_check(cf, idem) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    known = ngx_array_push(&mcf->idems);
    if (known == NULL) {
        return NGX_CONF_ERROR;
    }

    *known = idem;
    lcf->idem = idem;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_paygw_idem_arg(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_http_paygw_idem_conf_t *idem)
{
    ngx_str_t  s;

    if (ngx_strcmp(arg->data, "required") == 0) {
        idem->required = 1;
        return NGX_OK;
    }

    if (ngx_strncmp(arg->data, "ttl=", 4) == 0) {
        s.data = arg->data + 4;
        s.len = arg->len - 4;

        idem->ttl = ngx_parse_time(&s, 0);

        return (idem->ttl == (ngx_msec_t) NGX_ERROR) ? NGX_ERROR : NGX_OK;
    }

    if (ngx_strncmp(arg->data, "lock=", 5) == 0) {
        s.data = arg->data + 5;
        s.len = arg->len - 5;

        idem->lock = ngx_parse_time(&s, 0);

        return (idem->lock == (ngx_msec_t) NGX_ERROR) ? NGX_ERROR : NGX_OK;
    }

    if (ngx_strncmp(arg->data, "max=", 4) == 0) {
        s.data = arg->data + 4;
        s.len = arg->len - 4;

        idem->max = ngx_parse_size(&s);

        return (idem->max == (size_t) NGX_ERROR) ? NGX_ERROR : NGX_OK;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_paygw_idem_check(ngx_conf_t *cf, ngx_http_paygw_idem_conf_t *idem)
{
    if (idem->ttl < NGX_HTTP_PAYGW_IDEM_TTL_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ttl\" of \"paygw_idempotency\" must be at least "
                           "1m, a call that comes later is run again");
        return NGX_ERROR;
    }

    if (idem->lock < 3000 || idem->lock > idem->ttl) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"lock\" of \"paygw_idempotency\" must be at least "
                           "3s, and not longer than \"ttl\"");
        return NGX_ERROR;
    }

    if (idem->max == 0 || idem->max > NGX_PAYGW_STORE_ANSWER_MAX / 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"max\" of \"paygw_idempotency\" must be from 1 to "
                           "%uzk", (size_t) NGX_PAYGW_STORE_ANSWER_MAX / 2048);
        return NGX_ERROR;
    }

    return NGX_OK;
}


char *
ngx_http_paygw_idem_merge(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_ptr_value(conf->idem, prev->idem, NULL);

    if (conf->idem == NULL || !conf->auth.on) {
        return NGX_CONF_OK;
    }

    conf->idem->used = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->satisfy == NGX_HTTP_SATISFY_ANY) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"satisfy any\" cannot be used with "
                      "\"paygw_idempotency\" of %s:%ui: a call that passes "
                      "without \"paygw_auth\" is of no merchant, use \"satisfy "
                      "all\" or a location of its own",
                      conf->idem->file, conf->idem->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_paygw_idem_used(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf)
{
    ngx_uint_t                    i;
    ngx_http_paygw_idem_conf_t  **idem;

    idem = mcf->idems.elts;

    for (i = 0; i < mcf->idems.nelts; i++) {

        if (!idem[i]->used) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"paygw_idempotency\" in %s:%ui needs to know the "
                          "merchant of a call, add \"paygw_auth\" to its "
                          "location", idem[i]->file, idem[i]->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
