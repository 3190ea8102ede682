
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"


static char *ngx_http_paygw_api_check(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf);
static char *ngx_http_paygw_api_channel_check(ngx_conf_t *cf,
    ngx_http_paygw_pass_conf_t *call);


char *
ngx_http_paygw_api_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_str_t                   *value, name;
    ngx_uint_t                   i;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_paygw_api_conf_t   *api;
    ngx_http_paygw_pass_conf_t  *call;

    if (lcf->api) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->named || clcf->noname || clcf->exact_match
#if (NGX_PCRE)
        || clcf->regex
#endif
        || clcf->name.len == 0
        || clcf->name.data[clcf->name.len - 1] != '/')
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\" with \"paygw_api\" must be a "
                           "prefix that ends with \"/\": what follows it is "
                           "the path of the API", &clcf->name);
        return NGX_CONF_ERROR;
    }

    api = ngx_pcalloc(cf->pool, sizeof(ngx_http_paygw_api_conf_t));
    if (api == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    api->prefix = clcf->name;
    api->ncalls = cf->args->nelts - 1;
    api->calls = ngx_pcalloc(cf->pool, api->ncalls
                                       * sizeof(ngx_http_paygw_pass_conf_t));
    if (api->calls == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < api->ncalls; i++) {
        call = &api->calls[i];

        call->directive = "paygw_api";
        call->name = value[i + 1];
        call->file = cf->conf_file->file.name.data;
        call->line = cf->conf_file->line;
    }

    ngx_str_set(&name, "request_id");

    api->request_id = ngx_http_get_variable_index(cf, &name);
    if (api->request_id == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    lcf->api = api;
    clcf->handler = ngx_http_paygw_api_handler;

    return NGX_CONF_OK;
}


char *
ngx_http_paygw_api_merge(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->api == NULL && clcf->noname) {
        conf->api = prev->api;
    }

    return conf->api ? ngx_http_paygw_api_check(cf, conf) : NGX_CONF_OK;
}


static char *
ngx_http_paygw_api_check(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *conf)
{
    const char                  *other;
    ngx_uint_t                   i, k;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_paygw_api_conf_t   *api;
    ngx_http_paygw_pass_conf_t  *call;

    api = conf->api;
    call = api->calls;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->lmt_excpt && clcf->handler == NULL) {
        clcf->handler = ngx_http_paygw_api_handler;
    }

    other = conf->names ? "paygw_notify" : conf->queue ? "paygw_queue"
            : conf->pass ? "paygw_pass" : NULL;

    if (other) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"paygw_api\" and \"%s\" cannot be in one location, "
                      "in %s:%ui", other, call->file, call->line);
        return NGX_CONF_ERROR;
    }

    if (conf->deadline == 0 || conf->answer_max == 0 || conf->body_max == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" for \"paygw_api\" in %s:%ui cannot be 0",
                      conf->deadline == 0 ? "paygw_deadline"
                      : conf->answer_max == 0 ? "paygw_answer_max"
                                              : "paygw_body_max",
                      call->file, call->line);
        return NGX_CONF_ERROR;
    }

    if (api->resolved) {
        return NGX_CONF_OK;
    }

    for (i = 0; i < api->ncalls; i++) {

        for (k = 0; k < i; k++) {
            if (ngx_paygw_order_same(&call[k].name, &call[i].name)) {
                ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                              "\"paygw_api\" names channel \"%V\" twice in "
                              "%s:%ui", &call[i].name, call[i].file,
                              call[i].line);
                return NGX_CONF_ERROR;
            }
        }

        if (ngx_http_paygw_pass_resolve(cf, conf, &call[i]) != NGX_CONF_OK
            || ngx_http_paygw_api_channel_check(cf, &call[i]) != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    api->resolved = 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_api_channel_check(ngx_conf_t *cf,
    ngx_http_paygw_pass_conf_t *call)
{
    ngx_paygw_channel_t  *ch;

    ch = call->channel;

    if (ch->provider->orders == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"paygw_api\" names channel \"%V\" in %s:%ui, but "
                      "provider \"%V\" is not part of it, use \"paygw_pass\"",
                      &call->name, call->file, call->line,
                      &ch->provider->name);
        return NGX_CONF_ERROR;
    }

    return ch->provider->orders->check_conf(cf, ch);
}
