
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_RETRY_H_INCLUDED_
#define _NGX_PAYGW_RETRY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* How often a call may be sent, and the pauses before it is sent again. */


typedef struct {
    ngx_uint_t               tries;      /* 1: it is not sent again */
    ngx_msec_t               base;       /* the first pause, */
    ngx_uint_t               factor;     /* of each other one to that before
                                            it, in hundredths, */
    ngx_msec_t               jitter;     /* and up to this much more */
} ngx_paygw_retry_t;


/* no pause is longer than this, whatever is configured */
#define NGX_PAYGW_RETRY_MAX  ((ngx_msec_t) 3600 * 1000)


/* pause n of a call, from 0; random is any number, and picks the jitter */
ngx_msec_t ngx_paygw_retry_pause(const ngx_paygw_retry_t *retry, ngx_uint_t n,
    ngx_uint_t random);


#endif /* _NGX_PAYGW_RETRY_H_INCLUDED_ */
