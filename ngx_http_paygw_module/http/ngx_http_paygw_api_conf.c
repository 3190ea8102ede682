
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_events.h"
#include "ngx_http_paygw_route.h"


/* so that the name of a home and the id of an order are a key of the store */
#define NGX_HTTP_PAYGW_API_HOME_MAX                                           \
    (NGX_PAYGW_STORE_KEY_MAX - NGX_PAYGW_ORDER_ID_MAX - 1)


static char *ngx_http_paygw_api_check(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *prev, ngx_http_paygw_loc_conf_t *conf);
static char *ngx_http_paygw_api_names(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_http_paygw_api_conf_t *api);
static char *ngx_http_paygw_api_routed(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_http_paygw_api_conf_t *api,
    ngx_http_paygw_route_t *route);
static char *ngx_http_paygw_api_home_name(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf, ngx_http_paygw_main_conf_t *mcf);
static int ngx_libc_cdecl ngx_http_paygw_api_by_name(const void *one,
    const void *two);
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

    if (clcf->handler && lcf->pass == NULL && lcf->queue == NULL) {
        return "stands in a location that has another content handler";
    }

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

    return conf->api ? ngx_http_paygw_api_check(cf, prev, conf) : NGX_CONF_OK;
}


static char *
ngx_http_paygw_api_check(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf)
{
    const char                  *other;
    ngx_uint_t                   i, k;
    ngx_http_paygw_keyring_t    *kr;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_paygw_api_conf_t   *api;
    ngx_http_paygw_main_conf_t  *mcf;
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

    /* an "if" may give some requests to somebody else */

    if (conf->api != prev->api
        && ngx_http_paygw_content_check(cf, ngx_http_paygw_api_handler,
                                        call->directive, call->file, call->line)
           != NGX_OK)
    {
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

    if (ngx_http_paygw_events_check(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (api->resolved) {
        return NGX_CONF_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    if (ngx_http_paygw_api_names(cf, mcf, api) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    call = api->calls;

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

        kr = call[i].channel->upper;
        kr->api = 1;
    }

    api->resolved = 1;
    mcf->unnamed |= (api->ncalls > 1);

    return ngx_http_paygw_api_home_name(cf, conf, mcf);
}


/* one route, or channels */

static char *
ngx_http_paygw_api_names(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_api_conf_t *api)
{
    ngx_uint_t                   i;
    ngx_http_paygw_route_t      *route;
    ngx_http_paygw_pass_conf_t  *call;

    for (i = 0; i < api->ncalls; i++) {

        call = &api->calls[i];
        route = ngx_http_paygw_route_find(mcf, &call->name);

        if (route == NULL) {
            continue;
        }

        if (api->ncalls > 1) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"paygw_api\" in %s:%ui names route \"%V\", "
                          "which must be the only name there",
                          call->file, call->line, &call->name);
            return NGX_CONF_ERROR;
        }

        if (ngx_http_paygw_channel_find(mcf, &call->name)) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"%V\" of \"paygw_api\" in %s:%ui is the name of "
                          "a route and of a channel, give one of them "
                          "another",
                          &call->name, call->file, call->line);
            return NGX_CONF_ERROR;
        }

        return ngx_http_paygw_api_routed(cf, mcf, api, route);
    }

    return NGX_CONF_OK;
}


/* the channels of the route take the place of its name */

static char *
ngx_http_paygw_api_routed(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_api_conf_t *api, ngx_http_paygw_route_t *route)
{
    ngx_uint_t                       i;
    ngx_http_paygw_pass_conf_t      *call;
    ngx_http_paygw_route_channel_t  *c;

    if (mcf->store == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no store is defined for \"paygw_api\" with route "
                      "\"%V\" in %s:%ui, add \"paygw_zone paygw:16m\" or "
                      "\"paygw_store redis://...\" to \"http\"",
                      &route->name, api->calls->file, api->calls->line);
        return NGX_CONF_ERROR;
    }

    call = ngx_pcalloc(cf->pool, route->channels.nelts
                                 * sizeof(ngx_http_paygw_pass_conf_t));
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    c = route->channels.elts;

    for (i = 0; i < route->channels.nelts; i++) {
        call[i] = *api->calls;
        call[i].name = c[i].name;
    }

    api->calls = call;
    api->ncalls = route->channels.nelts;
    api->route = route;

    return NGX_CONF_OK;
}


/*
 * "@ROUTE", or "@CHANNEL+CHANNEL..." in any order: "@" and "+" are in no name.
 * So locations with the same channels know the same orders, and those with
 * others know nothing of them.
 */

static char *
ngx_http_paygw_api_home_name(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *conf,
    ngx_http_paygw_main_conf_t *mcf)
{
    u_char                     *p;
    size_t                      len;
    ngx_str_t                  *names;
    ngx_uint_t                  i, n;
    ngx_http_paygw_api_conf_t  *api;

    api = conf->api;
    n = api->route ? 1 : api->ncalls;

    if (api->route == NULL
        && (n == 1 || mcf->store == NULL
            || conf->binding == NGX_HTTP_PAYGW_BINDING_OFF))
    {
        return NGX_CONF_OK;
    }

    names = ngx_palloc(cf->pool, n * sizeof(ngx_str_t));
    if (names == NULL) {
        return NGX_CONF_ERROR;
    }

    len = 0;

    for (i = 0; i < n; i++) {
        names[i] = api->route ? api->route->name : api->calls[i].name;
        len += names[i].len + 1;
    }

    if (len > NGX_HTTP_PAYGW_API_HOME_MAX) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the names of the channels of \"paygw_api\" in %s:%ui "
                      "have more than %d characters, make a \"paygw_route\" "
                      "of them",
                      api->calls->file, api->calls->line,
                      NGX_HTTP_PAYGW_API_HOME_MAX);
        return NGX_CONF_ERROR;
    }

    ngx_qsort(names, n, sizeof(ngx_str_t), ngx_http_paygw_api_by_name);

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    api->home.data = p;
    api->home.len = len;

    for (i = 0; i < n; i++) {
        *p++ = i ? '+' : '@';
        p = ngx_cpymem(p, names[i].data, names[i].len);
    }

    return NGX_CONF_OK;
}


static int ngx_libc_cdecl
ngx_http_paygw_api_by_name(const void *one, const void *two)
{
    ngx_str_t  *a, *b;

    a = (ngx_str_t *) one;
    b = (ngx_str_t *) two;

    return (int) ngx_memn2cmp(a->data, b->data, a->len, b->len);
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

    return ngx_http_paygw_pass_wants(cf, call,
                                     ch->provider->orders->check_conf);
}
