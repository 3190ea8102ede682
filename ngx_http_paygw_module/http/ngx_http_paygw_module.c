
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_events.h"
#include "ngx_http_paygw_exchange.h"
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_metrics.h"
#include "ngx_http_paygw_pass.h"
#include "ngx_http_paygw_phases.h"
#include "ngx_http_paygw_remote.h"
#include "ngx_http_paygw_reply.h"
#include "ngx_http_paygw_transport.h"
#include "ngx_http_paygw_variables.h"


static ngx_int_t ngx_http_paygw_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_paygw_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_paygw_init_process(ngx_cycle_t *cycle);
static void ngx_http_paygw_exit_process(ngx_cycle_t *cycle);


static ngx_http_module_t  ngx_http_paygw_module_ctx = {
    ngx_http_paygw_variables_add,          /* preconfiguration */
    ngx_http_paygw_init,                   /* postconfiguration */

    ngx_http_paygw_create_main_conf,       /* create main configuration */
    ngx_http_paygw_init_main_conf,         /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_paygw_create_loc_conf,        /* create location configuration */
    ngx_http_paygw_merge_loc_conf          /* merge location configuration */
};


ngx_module_t  ngx_http_paygw_module = {
    NGX_MODULE_V1,
    &ngx_http_paygw_module_ctx,            /* module context */
    ngx_http_paygw_commands,               /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_paygw_init_module,            /* init module */
    ngx_http_paygw_init_process,           /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_paygw_exit_process,           /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_paygw_init(ngx_conf_t *cf)
{
    ngx_array_t                 *handlers;
    ngx_http_handler_pt         *h;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_paygw_main_conf_t  *mcf;

    ngx_http_paygw_remote_merged();

    /*
     * The chain of filters belongs to the process and not to a configuration:
     * one that is read, rejected, and without a callback location would leave
     * the running one without its filters.
     */

    if (ngx_http_paygw_reply_init(cf) != NGX_OK
        || ngx_http_paygw_problem_init(cf) != NGX_OK
        || ngx_http_paygw_exchange_init(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    if (ngx_http_paygw_remote_judge(cf, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_paygw_idem_used(cf, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_paygw_metrics_init(cf, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!mcf->in_use) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    /* the handlers of a phase run from the last of the array to the first */

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_SERVER_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_paygw_server_rewrite_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_paygw_rewrite_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_paygw_precontent_handler;

    handlers = &cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers;

    if (ngx_array_push(handlers) == NULL) {
        return NGX_ERROR;
    }

    /* "allow", "deny", "auth_basic" and "auth_request" are to be asked first */

    h = handlers->elts;
    ngx_memmove(&h[1], &h[0],
                (handlers->nelts - 1) * sizeof(ngx_http_handler_pt));
    h[0] = ngx_http_paygw_access_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_init_module(ngx_cycle_t *cycle)
{
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_paygw_module);

    if (mcf) {
        ngx_http_paygw_keep_load(cycle, mcf);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_init_process(ngx_cycle_t *cycle)
{
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_paygw_module);

    if (mcf == NULL || mcf->store == NULL) {
        return NGX_OK;
    }

    if (ngx_paygw_store_init_process(mcf->store, cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_paygw_transport_init_process(cycle, mcf);
    ngx_http_paygw_events_reset(mcf);

    return ngx_http_paygw_keyring_init_process(cycle, mcf);
}


static void
ngx_http_paygw_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_paygw_module);

    ngx_http_paygw_pass_exit_process();

    if (mcf && mcf->store) {
        ngx_http_paygw_events_reset(mcf);
        ngx_http_paygw_keyring_exit_process(mcf);
        ngx_paygw_store_exit_process(mcf->store);
    }
}


ngx_paygw_store_t *
ngx_http_paygw_store(ngx_http_request_t *r)
{
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paygw_module);

    return mcf->store;
}
