
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_transport.h"


#define NGX_HTTP_PAYGW_TRIES_MAX     10
#define NGX_HTTP_PAYGW_REQUESTS_MAX  1000000


static ngx_paygw_retry_t *ngx_http_paygw_retry_parse(ngx_conf_t *cf);
static ngx_int_t ngx_http_paygw_retry_param(ngx_str_t *value,
    ngx_paygw_retry_t *retry);
static ngx_http_paygw_breaker_t *ngx_http_paygw_breaker_parse(ngx_conf_t *cf);
static ngx_int_t ngx_http_paygw_breaker_param(ngx_str_t *value,
    ngx_paygw_breaker_conf_t *conf);
static ngx_int_t ngx_http_paygw_transport_value(ngx_str_t *value,
    const char *name, ngx_str_t *arg);
static ngx_int_t ngx_http_paygw_transport_time(ngx_str_t *arg,
    ngx_msec_t *time, ngx_msec_t least);
static ngx_int_t ngx_http_paygw_transport_body(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_http_paygw_keyring_t *kr);


static ngx_paygw_retry_t  ngx_http_paygw_retry_default = {
    3, 1000, 200, 1000
};

static ngx_http_paygw_breaker_t  ngx_http_paygw_breaker_default = {
    { 10, 50, 10000, 5000 }, 1, NULL, 0
};


char *
ngx_http_paygw_retry_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    if (lcf->retry != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    lcf->retry = ngx_http_paygw_retry_parse(cf);

    return lcf->retry ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_paygw_breaker_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    if (lcf->breaker != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    lcf->breaker = ngx_http_paygw_breaker_parse(cf);

    return lcf->breaker ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_paygw_retry_t *
ngx_http_paygw_retry_parse(ngx_conf_t *cf)
{
    ngx_int_t           n;
    ngx_str_t          *value;
    ngx_uint_t          i;
    ngx_paygw_retry_t  *retry;

    value = cf->args->elts;

    retry = ngx_palloc(cf->pool, sizeof(ngx_paygw_retry_t));
    if (retry == NULL) {
        return NULL;
    }

    *retry = ngx_http_paygw_retry_default;

    if (cf->args->nelts < 2) {
        n = NGX_ERROR;

    } else if (ngx_strcmp(value[1].data, "off") == 0) {
        n = (cf->args->nelts == 2) ? 1 : NGX_ERROR;

    } else {
        n = ngx_atoi(value[1].data, value[1].len);
    }

    if (n < 1 || n > NGX_HTTP_PAYGW_TRIES_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"paygw_retry\" must be \"off\", or a number of "
                           "tries from 1 to %d and its parameters",
                           NGX_HTTP_PAYGW_TRIES_MAX);
        return NULL;
    }

    retry->tries = n;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_paygw_retry_param(&value[i], retry) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" of \"paygw_retry\", "
                               "it must be \"base=time\", \"factor=number\" "
                               "from 1 to 100, or \"jitter=time\"",
                               &value[i]);
            return NULL;
        }
    }

    return retry;
}


static ngx_int_t
ngx_http_paygw_retry_param(ngx_str_t *value, ngx_paygw_retry_t *retry)
{
    ngx_int_t  n;
    ngx_str_t  arg;

    if (ngx_http_paygw_transport_value(value, "base=", &arg) == NGX_OK) {
        return ngx_http_paygw_transport_time(&arg, &retry->base, 1);
    }

    if (ngx_http_paygw_transport_value(value, "jitter=", &arg) == NGX_OK) {
        return ngx_http_paygw_transport_time(&arg, &retry->jitter, 0);
    }

    if (ngx_http_paygw_transport_value(value, "factor=", &arg) != NGX_OK) {
        return NGX_ERROR;
    }

    n = ngx_atofp(arg.data, arg.len, 2);

    if (n < 100 || n > 10000) {
        return NGX_ERROR;
    }

    retry->factor = n;

    return NGX_OK;
}


static ngx_http_paygw_breaker_t *
ngx_http_paygw_breaker_parse(ngx_conf_t *cf)
{
    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_paygw_breaker_t  *breaker;

    value = cf->args->elts;

    breaker = ngx_palloc(cf->pool, sizeof(ngx_http_paygw_breaker_t));
    if (breaker == NULL) {
        return NULL;
    }

    *breaker = ngx_http_paygw_breaker_default;
    breaker->file = cf->conf_file->file.name.data;
    breaker->line = cf->conf_file->line;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        breaker->on = 0;
        return breaker;
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "on") == 0) {
        return breaker;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_paygw_breaker_param(&value[i], &breaker->conf) != NGX_OK)
        {
            break;
        }
    }

    if (i == 1 || i < cf->args->nelts) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\": \"paygw_breaker\" must be \"on\" "
                           "or \"off\" alone, or some of "
                           "\"requests=number\", \"failures=1%%\" to 100%%, "
                           "\"window=time\" and \"probe=time\"",
                           &value[i % cf->args->nelts]);
        return NULL;
    }

    return breaker;
}


static ngx_int_t
ngx_http_paygw_breaker_param(ngx_str_t *value, ngx_paygw_breaker_conf_t *conf)
{
    ngx_int_t  n;
    ngx_str_t  arg;

    if (ngx_http_paygw_transport_value(value, "requests=", &arg) == NGX_OK) {
        n = ngx_atoi(arg.data, arg.len);

        if (n < 1 || n > NGX_HTTP_PAYGW_REQUESTS_MAX) {
            return NGX_ERROR;
        }

        conf->requests = n;

        return NGX_OK;
    }

    if (ngx_http_paygw_transport_value(value, "failures=", &arg) == NGX_OK) {

        if (arg.len < 2 || arg.data[arg.len - 1] != '%') {
            return NGX_ERROR;
        }

        n = ngx_atoi(arg.data, arg.len - 1);

        if (n < 1 || n > 100) {
            return NGX_ERROR;
        }

        conf->failures = n;

        return NGX_OK;
    }

    if (ngx_http_paygw_transport_value(value, "window=", &arg) == NGX_OK) {
        return ngx_http_paygw_transport_time(&arg, &conf->window, 100);
    }

    if (ngx_http_paygw_transport_value(value, "probe=", &arg) == NGX_OK) {
        return ngx_http_paygw_transport_time(&arg, &conf->probe, 100);
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_paygw_transport_value(ngx_str_t *value, const char *name,
    ngx_str_t *arg)
{
    size_t  len;

    len = ngx_strlen(name);

    if (value->len < len || ngx_strncmp(value->data, name, len) != 0) {
        return NGX_DECLINED;
    }

    arg->data = value->data + len;
    arg->len = value->len - len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_transport_time(ngx_str_t *arg, ngx_msec_t *time,
    ngx_msec_t least)
{
    ngx_int_t  ms;

    ms = ngx_parse_time(arg, 0);

    if (ms == NGX_ERROR || (ngx_msec_t) ms < least
        || (ngx_msec_t) ms > NGX_PAYGW_RETRY_MAX)
    {
        return NGX_ERROR;
    }

    *time = ms;

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_transport_line(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_int_t *known)
{
    void                      *field;
    ngx_str_t                 *value;
    ngx_uint_t                 given;
    ngx_http_paygw_keyring_t  *kr;

    value = cf->args->elts;

    *known = ch->provider->api
             && (ngx_strcmp(value[0].data, "paygw_deadline") == 0
                 || ngx_strcmp(value[0].data, "paygw_body_max") == 0
                 || ngx_strcmp(value[0].data, "paygw_retry") == 0
                 || ngx_strcmp(value[0].data, "paygw_breaker") == 0);

    if (!*known) {
        return NGX_OK;
    }

    kr = ngx_http_paygw_endpoint_get(cf, ch);
    if (kr == NULL) {
        return NGX_ERROR;
    }

    field = NULL;

    if (ngx_strcmp(value[0].data, "paygw_body_max") == 0) {
        return ngx_http_paygw_transport_body(cf, ch, kr);
    }

    switch (value[0].data[6]) {

    case 'd':
        given = (kr->deadline != 0);

        if (!given && cf->args->nelts == 2
            && ngx_http_paygw_transport_time(&value[1], &kr->deadline, 1)
               == NGX_OK)
        {
            return NGX_OK;
        }

        if (!given) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"paygw_deadline\" of channel \"%V\" must be "
                               "a time, and not 0", &ch->name);
        }

        break;

    case 'r':
        given = (kr->retry != NULL);

        if (!given) {
            kr->retry = ngx_http_paygw_retry_parse(cf);
            field = kr->retry;
        }

        break;

    default:
        given = (kr->breaker != NULL);

        if (!given) {
            kr->breaker = ngx_http_paygw_breaker_parse(cf);
            field = kr->breaker;
        }
    }

    if (given) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of channel \"%V\" is duplicate",
                           &value[0], &ch->name);
    }

    return field ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_paygw_transport_body(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_http_paygw_keyring_t *kr)
{
    ssize_t     size;
    ngx_str_t  *value;

    value = cf->args->elts;

    if (kr->body_max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of channel \"%V\" is duplicate",
                           &value[0], &ch->name);
        return NGX_ERROR;
    }

    size = (cf->args->nelts == 2) ? ngx_parse_size(&value[1]) : NGX_ERROR;

    if (size <= 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"paygw_body_max\" of channel \"%V\" must be a "
                           "size, and not 0", &ch->name);
        return NGX_ERROR;
    }

    kr->body_max = size;

    return NGX_OK;
}


void
ngx_http_paygw_transport_create(ngx_http_paygw_loc_conf_t *conf)
{
    conf->deadline = NGX_CONF_UNSET_MSEC;
    conf->retry = NGX_CONF_UNSET_PTR;
    conf->breaker = NGX_CONF_UNSET_PTR;
}


void
ngx_http_paygw_transport_merge(ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf)
{
    ngx_conf_merge_msec_value(conf->deadline, prev->deadline, 3000);
    ngx_conf_merge_ptr_value(conf->retry, prev->retry,
                             &ngx_http_paygw_retry_default);
    ngx_conf_merge_ptr_value(conf->breaker, prev->breaker,
                             &ngx_http_paygw_breaker_default);
}


ngx_int_t
ngx_http_paygw_transport_check(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf, ngx_paygw_channel_t *ch)
{
    ngx_http_paygw_breaker_t    *b, *used;
    ngx_http_paygw_keyring_t    *kr;
    ngx_http_paygw_main_conf_t  *mcf;

    kr = ch->upper;
    b = ngx_http_paygw_transport_breaker(conf, kr);

    if (b == NULL) {
        return NGX_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    if (b->file && mcf->zone == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"paygw_breaker\" in %s:%ui needs a zone, in which "
                      "workers share what they know, add \"paygw_zone "
                      "paygw:16m\" to \"http\"", b->file, b->line);
        return NGX_ERROR;
    }

    used = kr->used;

    if (used
        && (used->conf.requests != b->conf.requests
            || used->conf.failures != b->conf.failures
            || used->conf.window != b->conf.window
            || used->conf.probe != b->conf.probe))
    {
        if (b->file == NULL) {
            b = used;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"paygw_breaker\" in %s:%ui differs from that of "
                      "another location that calls channel \"%V\", which has "
                      "one breaker: let it stand in the channel",
                      b->file, b->line, &ch->name);
        return NGX_ERROR;
    }

    kr->used = b;

    return NGX_OK;
}


/* a channel without a record is called as if nothing had ever failed */

void
ngx_http_paygw_transport_init_process(ngx_cycle_t *cycle,
    ngx_http_paygw_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_paygw_channel_t       **ch;
    ngx_http_paygw_keyring_t   *kr;

    ch = mcf->channels.elts;

    for (i = 0; mcf->zone && i < mcf->channels.nelts; i++) {

        kr = ch[i]->upper;

        if (kr == NULL || !kr->orders || (kr->used == NULL && kr->nhosts == 1))
        {
            continue;
        }

        kr->health = ngx_paygw_zone_breaker(mcf->zone, &ch[i]->name);

        if (kr->health == NULL) {
            ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                          "paygw_zone has no room for the breaker of channel "
                          "\"%V\", make it larger", &ch[i]->name);
        }
    }
}


size_t
ngx_http_paygw_transport_body_max(ngx_http_paygw_loc_conf_t *lcf,
    ngx_http_paygw_keyring_t *kr)
{
    return kr->body_max ? kr->body_max : lcf->body_max;
}


ngx_msec_t
ngx_http_paygw_transport_deadline(ngx_http_paygw_loc_conf_t *lcf,
    ngx_http_paygw_keyring_t *kr)
{
    return kr->deadline ? kr->deadline : lcf->deadline;
}


ngx_paygw_retry_t *
ngx_http_paygw_transport_retry(ngx_http_paygw_loc_conf_t *lcf,
    ngx_http_paygw_keyring_t *kr)
{
    return kr->retry ? kr->retry : lcf->retry;
}


ngx_http_paygw_breaker_t *
ngx_http_paygw_transport_breaker(ngx_http_paygw_loc_conf_t *lcf,
    ngx_http_paygw_keyring_t *kr)
{
    ngx_http_paygw_breaker_t  *b;

    b = kr->breaker ? kr->breaker : lcf->breaker;

    return b->on ? b : NULL;
}
