
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include "ngx_http_paygw_test.h"


/*
 * The wall clock of a worker in whatever it does, answers of providers among
 * it.  nginx takes the time in process_events(), and runs the handlers there;
 * they are posted instead, and run when the time has been changed.
 */


static ngx_int_t ngx_http_paygw_test_time_events(ngx_cycle_t *cycle,
    ngx_msec_t timer, ngx_uint_t flags);
static ngx_int_t ngx_http_paygw_test_time_handler(ngx_http_request_t *r);


static time_t      ngx_http_paygw_test_now;

static ngx_int_t (*ngx_http_paygw_test_next_events)(ngx_cycle_t *cycle,
    ngx_msec_t timer, ngx_uint_t flags);


ngx_int_t
ngx_http_paygw_test_time_process(ngx_cycle_t *cycle)
{
    if (ngx_event_actions.process_events != NULL
        && ngx_event_actions.process_events != ngx_http_paygw_test_time_events)
    {
        ngx_http_paygw_test_next_events = ngx_event_actions.process_events;
        ngx_event_actions.process_events = ngx_http_paygw_test_time_events;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_test_time_reset(ngx_conf_t *cf)
{
    ngx_http_paygw_test_now = 0;

    return NGX_OK;
}


char *
ngx_http_paygw_test_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;

    if (cf->args->nelts == 2) {
        ngx_http_paygw_test_now = ngx_atotm(value[1].data, value[1].len);

        return (ngx_http_paygw_test_now == (time_t) NGX_ERROR)
               ? "invalid time" : NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_paygw_test_time_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_paygw_test_time_events(ngx_cycle_t *cycle, ngx_msec_t timer,
    ngx_uint_t flags)
{
    ngx_int_t  rc;

    if (ngx_http_paygw_test_now == 0) {
        return ngx_http_paygw_test_next_events(cycle, timer, flags);
    }

    rc = ngx_http_paygw_test_next_events(cycle, timer, flags|NGX_POST_EVENTS);

    ((ngx_time_t *) ngx_cached_time)->sec = ngx_http_paygw_test_now;

    return rc;
}


/* "?at=TIME", and 0 for the time that it is */

static ngx_int_t
ngx_http_paygw_test_time_handler(ngx_http_request_t *r)
{
    time_t       at;
    ngx_int_t    rc;
    ngx_str_t    arg, type;

    ngx_http_complex_value_t  cv;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_arg(r, (u_char *) "at", 2, &arg) != NGX_OK) {
        return NGX_HTTP_BAD_REQUEST;
    }

    at = ngx_atotm(arg.data, arg.len);
    if (at == (time_t) NGX_ERROR) {
        return NGX_HTTP_BAD_REQUEST;
    }

    ngx_http_paygw_test_now = at;

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));
    cv.value = arg;
    ngx_str_set(&type, "text/plain");

    return ngx_http_send_response(r, NGX_HTTP_OK, &type, &cv);
}
