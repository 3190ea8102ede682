
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_key.h"
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_api.h"
#include "ngx_http_paygw_api_book.h"
#include "ngx_http_paygw_binding.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_events.h"
#include "ngx_http_paygw_failures.h"
#include "ngx_http_paygw_gate.h"
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_limit.h"
#include "ngx_http_paygw_metrics.h"
#include "ngx_http_paygw_pass.h"
#include "ngx_http_paygw_route.h"
#include "ngx_http_paygw_sign.h"
#include "ngx_http_paygw_transport.h"


static char *ngx_http_paygw_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_paygw_store_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


ngx_command_t  ngx_http_paygw_commands[] = {

    { ngx_string("paygw_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paygw_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_paygw_store_set,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_channel"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_paygw_channel,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_route"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_paygw_route_set,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_merchant"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_paygw_merchant,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_auth"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_paygw_auth_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_auth_style"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_paygw_auth_style,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_auth_store_error"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_paygw_loc_conf_t, auth.store_error),
      &ngx_http_paygw_auth_store_errors },

    { ngx_string("paygw_idempotency"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_paygw_idem_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_response_max"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_paygw_loc_conf_t, auth.response_max),
      NULL },

    { ngx_string("paygw_auth_failures"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_paygw_failures_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_paygw_limit_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_keyring_path"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_path_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paygw_main_conf_t, keyring_path),
      NULL },

    { ngx_string("paygw_notify"),
      NGX_HTTP_LOC_CONF|NGX_CONF_ANY,
      ngx_http_paygw_notify_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_queue"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE123,
      ngx_http_paygw_queue_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_deliver"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_paygw_deliver_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_deliver_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_paygw_loc_conf_t, deliver_timeout),
      NULL },

    { ngx_string("paygw_body_max"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_paygw_loc_conf_t, body_max),
      NULL },

    { ngx_string("paygw_verify"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_paygw_verify_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_paygw_metrics_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_paygw_metrics_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      1,
      NULL },

    { ngx_string("paygw_pass"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_HTTP_LMT_CONF|NGX_CONF_TAKE12,
      ngx_http_paygw_pass_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_api"),
      NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_paygw_api_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_events"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_paygw_events_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_deadline"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_paygw_loc_conf_t, deadline),
      NULL },

    { ngx_string("paygw_retry"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_paygw_retry_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_breaker"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_paygw_breaker_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_binding"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_paygw_binding_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_status_cache"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_paygw_api_status_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_answer_max"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_paygw_loc_conf_t, answer_max),
      NULL },

    { ngx_string("paygw_download_max"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_paygw_loc_conf_t, download_max),
      NULL },

    { ngx_string("paygw_threads"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
                        |NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_paygw_threads_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


void *
ngx_http_paygw_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_paygw_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     mcf->zone = NULL;
     *     mcf->store = NULL;
     *     mcf->store_set = 0;
     *     mcf->local = 0;
     *     mcf->metrics = NULL;
     *     mcf->shown_file = NULL;
     *     mcf->in_use = 0;
     */

    if (ngx_array_init(&mcf->channels, cf->pool, 4,
                       sizeof(ngx_paygw_channel_t *))
        != NGX_OK
        || ngx_array_init(&mcf->keyrings, cf->pool, 4, sizeof(void *))
           != NGX_OK
        || ngx_array_init(&mcf->idems, cf->pool, 4,
                          sizeof(ngx_http_paygw_idem_conf_t *))
           != NGX_OK
        || ngx_array_init(&mcf->limits, cf->pool, 4, sizeof(void *))
           != NGX_OK
        || ngx_array_init(&mcf->routes, cf->pool, 4, sizeof(void *))
           != NGX_OK
        || ngx_paygw_callers_init(cf, &mcf->callers) != NGX_OK)
    {
        return NULL;
    }

    return mcf;
}


char *
ngx_http_paygw_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_paygw_main_conf_t *mcf = conf;

    if (mcf->store == NULL && mcf->zone) {

        mcf->store = ngx_paygw_store_zone(cf, mcf->zone);
        if (mcf->store == NULL) {
            return NGX_CONF_ERROR;
        }

        mcf->local = 1;
    }

    if (mcf->store == NULL && mcf->store_set) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"paygw_store zone\" needs a zone, "
                      "add \"paygw_zone paygw:16m\"");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_paygw_endpoint_init(cf, mcf) != NGX_OK
        || ngx_http_paygw_route_init(cf, mcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


void *
ngx_http_paygw_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_paygw_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_paygw_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->names = NULL;
     *     conf->file = NULL;
     *     conf->line = 0;
     *     conf->channels = NULL;
     *     conf->nchannels = 0;
     *     conf->early = 0;
     *     conf->gate = 0;
     *     conf->queue = NULL;
     *     conf->sign = NULL;
     *     conf->pass = NULL;
     *     conf->api = NULL;
     *     conf->shows = NULL;
     */

    conf->deliver = NGX_CONF_UNSET_UINT;
    conf->deliver_timeout = NGX_CONF_UNSET_MSEC;
    conf->body_max = NGX_CONF_UNSET_SIZE;
    conf->observe = NGX_CONF_UNSET;
    conf->answer_max = NGX_CONF_UNSET_SIZE;
    conf->download_max = NGX_CONF_UNSET;
    conf->threads = NGX_CONF_UNSET_PTR;
    conf->binding = NGX_CONF_UNSET_UINT;
    conf->binding_keep = NGX_CONF_UNSET_MSEC;
    conf->status_fresh = NGX_CONF_UNSET_MSEC;
    conf->status_pending = NGX_CONF_UNSET_MSEC;
    conf->limits = NGX_CONF_UNSET_PTR;
    conf->events = NGX_CONF_UNSET_PTR;

    conf->idem = NGX_CONF_UNSET_PTR;

    ngx_http_paygw_auth_create(&conf->auth);
    ngx_http_paygw_transport_create(conf);

    return conf;
}


char *
ngx_http_paygw_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_paygw_loc_conf_t *prev = parent;
    ngx_http_paygw_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    if (conf->deliver == NGX_CONF_UNSET_UINT) {
        /* the keys belong to the form */
        conf->sign = prev->sign;
    }

    ngx_conf_merge_uint_value(conf->deliver, prev->deliver,
                              NGX_HTTP_PAYGW_EVENT);
    ngx_conf_merge_msec_value(conf->deliver_timeout, prev->deliver_timeout,
                              4000);
    ngx_conf_merge_size_value(conf->body_max, prev->body_max, 64 * 1024);
    ngx_conf_merge_sec_value(conf->observe, prev->observe, 0);
    ngx_http_paygw_binding_merge(prev, conf);
    ngx_http_paygw_api_status_merge(prev, conf);
    ngx_http_paygw_events_merge(prev, conf);
    ngx_conf_merge_size_value(conf->answer_max, prev->answer_max,
                              512 * 1024);
    ngx_conf_merge_off_value(conf->download_max, prev->download_max,
                             1024 * 1024 * 1024);
    ngx_conf_merge_ptr_value(conf->threads, prev->threads, NULL);

    ngx_http_paygw_transport_merge(prev, conf);

    if (conf->names == NULL) {
        /* "if" and nested locations are guarded as the location is */
        conf->names = prev->names;
        conf->file = prev->file;
        conf->line = prev->line;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->queue == NULL && clcf->noname) {
        conf->queue = prev->queue;
    }

    if (ngx_http_paygw_pass_merge(cf, prev, conf) != NGX_CONF_OK
        || ngx_http_paygw_api_merge(cf, prev, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_paygw_auth_merge(cf, prev, conf) != NGX_CONF_OK
        || ngx_http_paygw_idem_merge(cf, prev, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_paygw_limit_merge(cf, prev, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_http_paygw_gate_merge(cf, conf);

    if (conf->shows
        && ngx_http_paygw_metrics_check(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->names == NULL && conf->queue == NULL) {
        return NGX_CONF_OK;
    }

    return ngx_http_paygw_location_check(cf, conf);
}


static char *
ngx_http_paygw_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_main_conf_t *mcf = conf;

    u_char     *p;
    ssize_t     size;
    ngx_str_t  *value, name, s;

    if (mcf->zone) {
        return "is duplicate";
    }

    value = cf->args->elts;

    p = (u_char *) ngx_strlchr(value[1].data, value[1].data + value[1].len,
                               ':');

    if (p == NULL || p == value[1].data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone \"%V\", it must be \"name:size\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    name.data = value[1].data;
    name.len = p - value[1].data;

    s.data = p + 1;
    s.len = value[1].data + value[1].len - s.data;

    size = ngx_parse_size(&s);

    if (size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone size \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    mcf->zone = ngx_paygw_zone_create(cf, &name, size);
    if (mcf->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_store_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_main_conf_t *mcf = conf;

    ngx_str_t   *value, *args, password, source;
    ngx_uint_t   i, n;

    if (mcf->store_set) {
        return "is duplicate";
    }

    mcf->store_set = 1;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "zone") == 0) {

        if (cf->args->nelts > 2) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[2]);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    args = ngx_palloc(cf->pool, cf->args->nelts * sizeof(ngx_str_t));
    if (args == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_str_null(&password);

    n = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "password=", 9) == 0) {

            if (password.data) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"password\" is duplicate");
                return NGX_CONF_ERROR;
            }

            source.data = value[i].data + 9;
            source.len = value[i].len - 9;

            if (ngx_paygw_secret(cf, &source, "password of \"paygw_store\"",
                                 &password)
                != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        args[n++] = value[i];
    }

    mcf->store = ngx_paygw_store_redis(cf, args, n,
                                       password.data ? &password : NULL);
    if (mcf->store == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
