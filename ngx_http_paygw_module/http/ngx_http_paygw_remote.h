
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_REMOTE_H_INCLUDED_
#define _NGX_HTTP_PAYGW_REMOTE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_keyring.h"


/*
 * The way to a host of a channel: a location that no file has, in a server
 * that does not listen, with nginx's proxy module and an upstream of its own.
 * What http{} says of proxies in general does not reach it.
 */


/*
 * A line of paygw_channel that begins with "proxy_": *known is 1 if it was
 * one.  It is set at once, so that a mistake is told with its line.
 */
ngx_int_t ngx_http_paygw_remote_line(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_int_t *known);

/* at the end of paygw_channel: makes the remotes of its endpoint, if any */
ngx_int_t ngx_http_paygw_remote_create(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_paygw_channel_t *ch);

/*
 * ngx_http_paygw_remote_make.c: the location of host n goes into its server,
 * with all that the channel's lines have left open.
 */
ngx_int_t ngx_http_paygw_remote_make(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_http_paygw_keyring_t *kr,
    ngx_uint_t n);

/* 1 if cf's line says what is so in every case */
ngx_uint_t ngx_http_paygw_remote_is(ngx_conf_t *cf);

/* 1 if the channel has a line of this name */
ngx_uint_t ngx_http_paygw_remote_given(ngx_http_paygw_keyring_t *kr,
    const char *name);

/*
 * ngx_http_paygw_remote_where.c: messages about a location of a channel, while
 * it is merged, name the channel; the other ends it, when all is merged
 */
ngx_int_t ngx_http_paygw_remote_named(ngx_conf_t *cf);
void ngx_http_paygw_remote_merged(void);

/*
 * ngx_http_paygw_remote_judge.c: once all is merged, refuses a channel whose
 * calls could have less of TLS than 1.2 with a certificate and encryption, or
 * would have another body
 */
ngx_int_t ngx_http_paygw_remote_judge(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf);

/* the method of the call that r is the subrequest of: a variable's getter */
ngx_int_t ngx_http_paygw_remote_method(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


#endif /* _NGX_HTTP_PAYGW_REMOTE_H_INCLUDED_ */
