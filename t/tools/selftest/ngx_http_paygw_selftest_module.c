
/*
 * Copyright (C) the paygw authors
 */


/*
 * Makes the error that the URI names, once for each request: what a lane of
 * "make sanitize" or "make valgrind" must report, or else it is worth nothing.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


static ngx_int_t ngx_http_paygw_selftest_handler(ngx_http_request_t *r);
static void ngx_http_paygw_selftest_leak(ngx_log_t *log);
static char *ngx_http_paygw_selftest(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_paygw_selftest_commands[] = {

    { ngx_string("paygw_selftest"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_paygw_selftest,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_paygw_selftest_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_paygw_selftest_module = {
    NGX_MODULE_V1,
    &ngx_http_paygw_selftest_module_ctx,   /* module context */
    ngx_http_paygw_selftest_commands,      /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_paygw_selftest_handler(ngx_http_request_t *r)
{
    u_char            stack[8];
    volatile u_char  *p;
    volatile size_t   n;

    n = 8;
    p = stack;

    switch (r->uri.data[r->uri.len - 1]) {

    case 'h':  /* heap */
        p = ngx_alloc(n, r->connection->log);
        if (p == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        p[n] = 1;
        ngx_free((void *) p);
        break;

    case 's':  /* stack */
        p[n] = 1;
        break;

    case 'p':  /* pool */
        p = ngx_pnalloc(r->pool, n);
        if (p == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        p[n] = 1;
        break;

    case 'i':  /* shift of an int by its width */
        n = 32;
        n = 1 << n;
        break;

    case 'u':  /* uninitialised */
        p = ngx_pnalloc(r->pool, n);
        if (p == NULL || *p == 1) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        break;

    case 'l':  /* leak */
        ngx_http_paygw_selftest_leak(r->connection->log);
        break;

    default:   /* none */
        break;
    }

    return NGX_HTTP_NO_CONTENT;
}


static void
ngx_http_paygw_selftest_leak(ngx_log_t *log)
{
    void *volatile  p;

    /* twice, so that nothing on the stack points to the first one */

    p = ngx_alloc(1001, log);
    p = ngx_alloc(1003, log);
    p = NULL;

    (void) p;
}


static char *
ngx_http_paygw_selftest(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_paygw_selftest_handler;

    return NGX_CONF_OK;
}
