
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_test.h"


/*
 * For the tests only, never for a server that handles money.
 *
 *   paygw_test_clock TIME;    location: the wall clock stands at TIME while a
 *                             request, a piece of its body, or of the answer
 *                             to a subrequest of it is looked at
 *   paygw_test_route;         location: which channels a route picks
 *   paygw_test_store;         location: drives the store by arguments
 *   paygw_test_threads POOL;  location: a thread of the pool sleeps
 *   paygw_test_time [TIME];   http, location: the wall clock of workers in all
 *                             that they do
 */


static ngx_int_t ngx_http_paygw_test_clock_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_paygw_test_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_paygw_test_answer_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static void *ngx_http_paygw_test_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_paygw_test_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_paygw_test_route(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_paygw_test_store(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_paygw_test_init(ngx_conf_t *cf);


static ngx_http_request_body_filter_pt  ngx_http_next_request_body_filter;
static ngx_http_output_body_filter_pt   ngx_http_next_body_filter;


static ngx_command_t  ngx_http_paygw_test_commands[] = {

    { ngx_string("paygw_test_clock"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_paygw_test_loc_conf_t, clock),
      NULL },

    { ngx_string("paygw_test_route"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_paygw_test_route,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_test_store"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_paygw_test_store,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_test_time"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paygw_test_time,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paygw_test_time"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_paygw_test_time,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

#if (NGX_THREADS)

    { ngx_string("paygw_test_threads"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_paygw_test_threads,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

#endif

      ngx_null_command
};


static ngx_http_module_t  ngx_http_paygw_test_module_ctx = {
    ngx_http_paygw_test_time_reset,        /* preconfiguration */
    ngx_http_paygw_test_init,              /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_paygw_test_create_loc_conf,   /* create location configuration */
    ngx_http_paygw_test_merge_loc_conf     /* merge location configuration */
};


ngx_module_t  ngx_http_paygw_test_module = {
    NGX_MODULE_V1,
    &ngx_http_paygw_test_module_ctx,       /* module context */
    ngx_http_paygw_test_commands,          /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_paygw_test_time_process,      /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * nginx takes the time once in a turn of the event loop; what is set here
 * holds to the end of the turn.  A body may come in later turns, therefore the
 * filter.
 */

static ngx_int_t
ngx_http_paygw_test_clock_handler(ngx_http_request_t *r)
{
    ngx_http_paygw_test_loc_conf_t  *tlcf;

    tlcf = ngx_http_get_module_loc_conf(r, ngx_http_paygw_test_module);

    if (tlcf->clock) {
        ((ngx_time_t *) ngx_cached_time)->sec = tlcf->clock;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_paygw_test_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    (void) ngx_http_paygw_test_clock_handler(r);

    return ngx_http_next_request_body_filter(r, in);
}


static ngx_int_t
ngx_http_paygw_test_answer_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    if (r != r->main) {
        (void) ngx_http_paygw_test_clock_handler(r->main);
    }

    return ngx_http_next_body_filter(r, in);
}


static void *
ngx_http_paygw_test_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_paygw_test_loc_conf_t  *conf;

    conf = ngx_palloc(cf->pool, sizeof(ngx_http_paygw_test_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->clock = NGX_CONF_UNSET;
    conf->threads = NULL;

    return conf;
}


static char *
ngx_http_paygw_test_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_paygw_test_loc_conf_t *prev = parent;
    ngx_http_paygw_test_loc_conf_t *conf = child;

    ngx_conf_merge_value(conf->clock, prev->clock, 0);

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_test_route(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_paygw_test_route_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_test_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_paygw_test_store_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_paygw_test_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_paygw_test_clock_handler;

    ngx_http_next_request_body_filter = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_paygw_test_body_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_paygw_test_answer_filter;

    return NGX_OK;
}
