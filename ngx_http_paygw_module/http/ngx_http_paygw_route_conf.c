
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_route.h"


#define NGX_HTTP_PAYGW_ROUTE_WEIGHT_MAX  10000


static char *ngx_http_paygw_route_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_http_paygw_route_strategy(ngx_conf_t *cf,
    ngx_http_paygw_route_t *route);
static char *ngx_http_paygw_route_channel(ngx_conf_t *cf,
    ngx_http_paygw_route_t *route);
static const char *ngx_http_paygw_route_wants(ngx_str_t *value);
static ngx_int_t ngx_http_paygw_route_param(ngx_conf_t *cf,
    ngx_http_paygw_route_channel_t *c, ngx_str_t *value);
static ngx_int_t ngx_http_paygw_route_fee(ngx_http_paygw_route_channel_t *c,
    ngx_str_t *value);
static ngx_int_t ngx_http_paygw_route_methods(ngx_conf_t *cf,
    ngx_http_paygw_route_channel_t *c, ngx_str_t *value);
static ngx_int_t ngx_http_paygw_route_if(ngx_conf_t *cf,
    ngx_http_paygw_route_channel_t *c, ngx_str_t *value);
static ngx_int_t ngx_http_paygw_route_check(ngx_conf_t *cf,
    ngx_http_paygw_route_t *route);


/* in the order of ngx_http_paygw_route_strategy_e */

static const ngx_str_t  ngx_http_paygw_route_strategies[] = {
    ngx_string("weight"),
    ngx_string("fee"),
    ngx_string("success"),
    ngx_string("order"),
    ngx_null_string
};


static const ngx_str_t  ngx_http_paygw_route_known[] = {
    ngx_string("qr"),
    ngx_string("jsapi"),
    ngx_string("app"),
    ngx_string("h5"),
    ngx_string("page"),
    ngx_string("wap"),
    ngx_string("barcode"),
    ngx_null_string
};


char *
ngx_http_paygw_route_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_main_conf_t *mcf = conf;

    char                    *rv;
    ngx_str_t               *value;
    ngx_conf_t               save;
    ngx_http_paygw_route_t  *route, **routep;

    value = cf->args->elts;

    if (!ngx_http_paygw_name_valid(&value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid route name \"%V\", it must be 1 to %d "
                           "letters, digits, \"-\" and \"_\"",
                           &value[1], NGX_HTTP_PAYGW_NAME_MAX);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_paygw_route_find(mcf, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate route \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    route = ngx_pcalloc(cf->pool, sizeof(ngx_http_paygw_route_t));
    if (route == NULL) {
        return NGX_CONF_ERROR;
    }

    route->name = value[1];
    route->file = cf->conf_file->file.name.data;
    route->line = cf->conf_file->line;

    if (ngx_array_init(&route->channels, cf->pool, 4,
                       sizeof(ngx_http_paygw_route_channel_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    save = *cf;
    cf->handler = ngx_http_paygw_route_line;
    cf->handler_conf = (void *) route;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_http_paygw_route_check(cf, route) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    routep = ngx_array_push(&mcf->routes);
    if (routep == NULL) {
        return NGX_CONF_ERROR;
    }

    *routep = route;

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_route_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_http_paygw_route_t *route = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "include") == 0 && cf->args->nelts == 2) {
        return ngx_conf_include(cf, dummy, conf);
    }

    if (ngx_strcmp(value[0].data, "strategy") == 0) {
        return ngx_http_paygw_route_strategy(cf, route);
    }

    if (ngx_strcmp(value[0].data, "channel") == 0 && cf->args->nelts > 1) {
        return ngx_http_paygw_route_channel(cf, route);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid line \"%V\" of route \"%V\", it must be "
                       "\"channel NAME ...\" or \"strategy ...\"",
                       &value[0], &route->name);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_paygw_route_strategy(ngx_conf_t *cf, ngx_http_paygw_route_t *route)
{
    ngx_str_t        *value;
    ngx_uint_t        i;
    const ngx_str_t  *s;

    value = cf->args->elts;

    if (route->strategy_set) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"strategy\" of route \"%V\" is duplicate",
                           &route->name);
        return NGX_CONF_ERROR;
    }

    s = ngx_http_paygw_route_strategies;

    for (i = 0; cf->args->nelts == 2 && s[i].len; i++) {

        if (s[i].len == value[1].len
            && ngx_strncmp(s[i].data, value[1].data, s[i].len) == 0)
        {
            route->strategy = i;
            route->strategy_set = 1;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"strategy\" of route \"%V\" must be \"weight\", "
                       "\"fee\", \"success\" or \"order\"", &route->name);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_paygw_route_channel(ngx_conf_t *cf, ngx_http_paygw_route_t *route)
{
    ngx_str_t                       *value;
    ngx_uint_t                       i;
    ngx_http_paygw_route_channel_t  *c;

    value = cf->args->elts;
    c = route->channels.elts;

    for (i = 0; i < route->channels.nelts; i++) {
        if (c[i].name.len == value[1].len
            && ngx_strncmp(c[i].name.data, value[1].data, value[1].len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "channel \"%V\" of route \"%V\" is duplicate",
                               &value[1], &route->name);
            return NGX_CONF_ERROR;
        }
    }

    if (i == NGX_HTTP_PAYGW_ROUTE_CHANNELS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "route \"%V\" has more than %d channels",
                           &route->name, NGX_HTTP_PAYGW_ROUTE_CHANNELS);
        return NGX_CONF_ERROR;
    }

    c = ngx_array_push(&route->channels);
    if (c == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(c, sizeof(ngx_http_paygw_route_channel_t));

    c->name = value[1];
    c->weight = 1;
    c->fee = NGX_CONF_UNSET_UINT;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_paygw_route_param(cf, c, &value[i]) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" of channel \"%V\" in "
                               "route \"%V\", %s",
                               &value[i], &c->name, &route->name,
                               ngx_http_paygw_route_wants(&value[i]));
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static const char *
ngx_http_paygw_route_wants(ngx_str_t *value)
{
    ngx_uint_t  i;

    static const struct {
        const char  *name;
        const char  *wants;
    } known[] = {
        { "weight=", "it must be from 1 to 10000" },
        { "fee=", "it must be a percentage, as \"fee=0.6%\"" },
        { "methods=", "it must be given once, some of qr, jsapi, app, "
                      "h5, page, wap and barcode, with commas between" },
        { "if=", "it must be given once and have a value" }
    };

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (ngx_strncmp(value->data, known[i].name,
                        ngx_strlen(known[i].name))
            == 0)
        {
            return known[i].wants;
        }
    }

    return "known are weight=, fee=, methods=, if= and backup";
}


static ngx_int_t
ngx_http_paygw_route_param(ngx_conf_t *cf, ngx_http_paygw_route_channel_t *c,
    ngx_str_t *value)
{
    ngx_int_t  n;
    ngx_str_t  arg;

    if (ngx_strcmp(value->data, "backup") == 0) {
        c->backup = 1;
        return NGX_OK;
    }

    if (ngx_strncmp(value->data, "weight=", 7) == 0) {
        n = ngx_atoi(value->data + 7, value->len - 7);

        if (n < 1 || n > NGX_HTTP_PAYGW_ROUTE_WEIGHT_MAX) {
            return NGX_ERROR;
        }

        c->weight = n;

        return NGX_OK;
    }

    if (ngx_strncmp(value->data, "fee=", 4) == 0) {
        arg.data = value->data + 4;
        arg.len = value->len - 4;

        return ngx_http_paygw_route_fee(c, &arg);
    }

    if (ngx_strncmp(value->data, "methods=", 8) == 0 && c->methods == NULL) {
        arg.data = value->data + 8;
        arg.len = value->len - 8;

        return ngx_http_paygw_route_methods(cf, c, &arg);
    }

    if (ngx_strncmp(value->data, "if=", 3) == 0 && c->condition == NULL) {
        arg.data = value->data + 3;
        arg.len = value->len - 3;

        return ngx_http_paygw_route_if(cf, c, &arg);
    }

    return NGX_ERROR;
}


/* a part of the amount, compared with that of other channels, and no more */

static ngx_int_t
ngx_http_paygw_route_fee(ngx_http_paygw_route_channel_t *c, ngx_str_t *value)
{
    ngx_int_t  n;

    if (value->len < 2 || value->data[value->len - 1] != '%') {
        return NGX_ERROR;
    }

    n = ngx_atofp(value->data, value->len - 1, 4);

    if (n == NGX_ERROR || n > 1000000) {
        return NGX_ERROR;
    }

    c->fee = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_route_methods(ngx_conf_t *cf,
    ngx_http_paygw_route_channel_t *c, ngx_str_t *value)
{
    u_char           *p, *end, *last;
    ngx_str_t        *m;
    const ngx_str_t  *known;

    c->methods = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    if (c->methods == NULL) {
        return NGX_ERROR;
    }

    last = value->data + value->len;

    for (p = value->data; p <= last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');

        if (end == NULL) {
            end = last;
        }

        for (known = ngx_http_paygw_route_known; known->len; known++) {
            if (known->len == (size_t) (end - p)
                && ngx_strncmp(known->data, p, known->len) == 0)
            {
                break;
            }
        }

        if (known->len == 0) {
            return NGX_ERROR;
        }

        m = ngx_array_push(c->methods);
        if (m == NULL) {
            return NGX_ERROR;
        }

        *m = *known;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_route_if(ngx_conf_t *cf, ngx_http_paygw_route_channel_t *c,
    ngx_str_t *value)
{
    ngx_http_compile_complex_value_t  ccv;

    if (value->len == 0) {
        return NGX_ERROR;
    }

    c->condition = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (c->condition == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = c->condition;

    return ngx_http_compile_complex_value(&ccv);
}


static ngx_int_t
ngx_http_paygw_route_check(ngx_conf_t *cf, ngx_http_paygw_route_t *route)
{
    ngx_uint_t                       i;
    ngx_http_paygw_route_channel_t  *c;

    if (route->channels.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "route \"%V\" has no channel", &route->name);
        return NGX_ERROR;
    }

    c = route->channels.elts;

    for (i = 0; i < route->channels.nelts; i++) {

        if (route->strategy == NGX_HTTP_PAYGW_ROUTE_FEE
            && c[i].fee == NGX_CONF_UNSET_UINT)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "channel \"%V\" of route \"%V\" with "
                               "\"strategy fee\" needs \"fee=\"",
                               &c[i].name, &route->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_route_init(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf)
{
    ngx_uint_t                        i, k;
    ngx_http_paygw_route_t          **route;
    ngx_http_paygw_route_channel_t   *c;

    route = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {

        c = route[i]->channels.elts;

        for (k = 0; k < route[i]->channels.nelts; k++) {

            c[k].channel = ngx_http_paygw_channel_find(mcf, &c[k].name);

            if (c[k].channel && c[k].channel->provider->api) {
                continue;
            }

            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "route \"%V\" in %s:%ui names channel \"%V\", %s",
                          &route[i]->name, route[i]->file, route[i]->line,
                          &c[k].name,
                          c[k].channel
                          ? "whose provider is for callbacks only"
                          : "which is unknown, define it by "
                            "\"paygw_channel\"");
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
