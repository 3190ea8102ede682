
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_TEST_H_INCLUDED_
#define _NGX_HTTP_PAYGW_TEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_store.h"


typedef struct {
    time_t                       clock;
    void                        *threads;    /* a pool */
} ngx_http_paygw_test_loc_conf_t;

extern ngx_module_t  ngx_http_paygw_test_module;


/* the store of ngx_http_paygw_module */
ngx_paygw_store_t *ngx_http_paygw_store(ngx_http_request_t *r);

/* the content handlers of "paygw_test_route" and of "paygw_test_store" */
ngx_int_t ngx_http_paygw_test_route_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paygw_test_store_handler(ngx_http_request_t *r);

/* the argument "limits" of a request, as operations of the store have them */
ngx_int_t ngx_http_paygw_test_limits(ngx_http_request_t *r,
    ngx_paygw_store_op_t *op);

/* prints what became of them, some 150 bytes for each */
u_char *ngx_http_paygw_test_limits_print(u_char *p, ngx_paygw_store_op_t *op);

/*
 * A call that is to be run once: its part of an operation from the arguments;
 * 1 and *rc if op is one of "begin", "finish", "renew" and "abandon", which has
 * been started; and prints what became of it.
 */
ngx_int_t ngx_http_paygw_test_run(ngx_http_request_t *r,
    ngx_paygw_store_op_t *op);
ngx_uint_t ngx_http_paygw_test_run_start(ngx_paygw_store_t *store,
    ngx_str_t *name, ngx_paygw_store_op_t *op, ngx_int_t *rc);
u_char *ngx_http_paygw_test_run_print(u_char *p, ngx_paygw_store_op_t *op);

/*
 * The book of orders: what operation number i asks, or compares; and prints
 * what it was told, and what is against a claim.
 */
ngx_int_t ngx_http_paygw_test_book(ngx_http_request_t *r,
    ngx_paygw_store_op_t *op, ngx_uint_t i);
u_char *ngx_http_paygw_test_book_print(u_char *p, ngx_paygw_store_op_t *op);
u_char *ngx_http_paygw_test_book_against(u_char *p, ngx_paygw_store_op_t *op);

/* the setter of "paygw_test_threads": "?ms=TIME" is how long a thread sleeps */
char *ngx_http_paygw_test_threads(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * The setter of "paygw_test_time": with a time in "http" the clock of workers
 * stands there; in a location it stands at "?at=TIME" from such a request on.
 * What is to be done before a configuration, and when a process starts.
 */
char *ngx_http_paygw_test_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_paygw_test_time_reset(ngx_conf_t *cf);
ngx_int_t ngx_http_paygw_test_time_process(ngx_cycle_t *cycle);


#endif /* _NGX_HTTP_PAYGW_TEST_H_INCLUDED_ */
