
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_ROUTE_H_INCLUDED_
#define _NGX_HTTP_PAYGW_ROUTE_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/*
 * paygw_route: how an order that names no channel gets one.  What decides is
 * known before a body is read: conditions of variables, the method, the state
 * of the breakers, and the number of the order, which has the same order find
 * the same channel again as long as that can be called.
 */


#define NGX_HTTP_PAYGW_ROUTE_CHANNELS  32


typedef enum {
    NGX_HTTP_PAYGW_ROUTE_WEIGHT = 0,   /* by chance, in proportion to weight */
    NGX_HTTP_PAYGW_ROUTE_FEE,          /* the cheapest, */
    NGX_HTTP_PAYGW_ROUTE_SUCCESS,      /* the one that fails least, */
    NGX_HTTP_PAYGW_ROUTE_ORDER         /* the first one; of equals by weight */
} ngx_http_paygw_route_strategy_e;


typedef struct {
    ngx_str_t                        name;
    ngx_paygw_channel_t             *channel;   /* resolved in the end */
    ngx_uint_t                       weight;
    ngx_uint_t                       fee;       /* in 1/10000 percent */
    ngx_array_t                     *methods;   /* ngx_str_t; NULL: any */
    ngx_http_complex_value_t        *condition; /* NULL: always */
    ngx_uint_t                       backup;    /* unsigned:1 */
} ngx_http_paygw_route_channel_t;


struct ngx_http_paygw_route_s {
    ngx_str_t                        name;
    ngx_array_t                      channels;  /* of the above */
    ngx_http_paygw_route_strategy_e  strategy;
    ngx_uint_t                       strategy_set;
    u_char                          *file;      /* where it stands */
    ngx_uint_t                       line;
};


/* the setter of the block */
char *ngx_http_paygw_route_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* once all of http{} has been read: names become channels */
ngx_int_t ngx_http_paygw_route_init(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf);

/* NULL if no route has this name */
ngx_http_paygw_route_t *ngx_http_paygw_route_find(
    ngx_http_paygw_main_conf_t *mcf, ngx_str_t *name);

/*
 * Picks a channel for the order of this number, to be paid by this method;
 * r is asked for variables alone.  tried are bits of the route's channels that
 * are out of the question; that of the one that is picked is set.  Whether
 * there may be a second one is up to the caller: not if the payer could have
 * seen anything of the first.
 *
 * A channel whose breaker is open is passed over, unless all of them are: then
 * its call says so, and when to come again.
 *
 * NGX_OK; NGX_DECLINED: no channel is for this order; NGX_ERROR.
 */
ngx_int_t ngx_http_paygw_route_pick(ngx_http_request_t *r,
    ngx_http_paygw_route_t *route, ngx_str_t *method, ngx_str_t *number,
    ngx_uint_t *tried, ngx_paygw_channel_t **channel);


#endif /* _NGX_HTTP_PAYGW_ROUTE_H_INCLUDED_ */
