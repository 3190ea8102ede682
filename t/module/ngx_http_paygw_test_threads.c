
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_test.h"

#if (NGX_THREADS)

#include <ngx_thread_pool.h>


/* so many may sleep at a time */
#define NGX_HTTP_PAYGW_TEST_SLEEPS  4


typedef struct {
    ngx_thread_task_t   task;
    ngx_msec_t          time;
    ngx_uint_t          busy;    /* unsigned:1 */
} ngx_http_paygw_test_sleep_t;


static ngx_int_t ngx_http_paygw_test_threads_handler(ngx_http_request_t *r);
static void ngx_http_paygw_test_sleep(void *data, ngx_log_t *log);
static void ngx_http_paygw_test_awake(ngx_event_t *ev);


static ngx_http_paygw_test_sleep_t
    ngx_http_paygw_test_sleeps[NGX_HTTP_PAYGW_TEST_SLEEPS];


char *
ngx_http_paygw_test_threads(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_test_loc_conf_t *lcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;

    lcf->threads = ngx_thread_pool_add(cf, &value[1]);
    if (lcf->threads == NULL) {
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_paygw_test_threads_handler;

    return NGX_CONF_OK;
}


/* answers at once: what sleeps is a thread of the pool */

static ngx_int_t
ngx_http_paygw_test_threads_handler(ngx_http_request_t *r)
{
    ngx_str_t                        ms;
    ngx_uint_t                       i;
    ngx_http_paygw_test_sleep_t     *s;
    ngx_http_paygw_test_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_paygw_test_module);

    if (ngx_http_arg(r, (u_char *) "ms", 2, &ms) != NGX_OK) {
        return NGX_HTTP_BAD_REQUEST;
    }

    for (i = 0; i < NGX_HTTP_PAYGW_TEST_SLEEPS; i++) {

        s = &ngx_http_paygw_test_sleeps[i];

        if (s->busy) {
            continue;
        }

        ngx_memzero(s, sizeof(ngx_http_paygw_test_sleep_t));

        s->time = ngx_atoi(ms.data, ms.len);
        s->task.ctx = s;
        s->task.handler = ngx_http_paygw_test_sleep;
        s->task.event.data = s;
        s->task.event.handler = ngx_http_paygw_test_awake;
        s->task.event.log = ngx_cycle->log;

        if (ngx_thread_task_post(lcf->threads, &s->task) != NGX_OK) {
            break;
        }

        s->busy = 1;

        return NGX_HTTP_NO_CONTENT;
    }

    return NGX_HTTP_SERVICE_UNAVAILABLE;
}


static void
ngx_http_paygw_test_sleep(void *data, ngx_log_t *log)
{
    ngx_http_paygw_test_sleep_t *s = data;

    ngx_msleep(s->time);
}


static void
ngx_http_paygw_test_awake(ngx_event_t *ev)
{
    ngx_http_paygw_test_sleep_t *s = ev->data;

    s->busy = 0;
}

#endif
