
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_TRANSPORT_H_INCLUDED_
#define _NGX_HTTP_PAYGW_TRANSPORT_H_INCLUDED_


#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_keyring.h"


/*
 * paygw_deadline, paygw_retry and paygw_breaker: how long, how often, and
 * whether at all a provider is called.  What stands in a channel is in force
 * for all of its calls; what stands elsewhere, for calls of channels that say
 * nothing.
 */


struct ngx_http_paygw_breaker_s {
    ngx_paygw_breaker_conf_t     conf;
    ngx_uint_t                   on;
    u_char                      *file;      /* where it stands; NULL: default */
    ngx_uint_t                   line;
};


/* the setters of the directives */
char *ngx_http_paygw_retry_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paygw_breaker_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* a line of paygw_channel: *known is 1 if it was one of these */
ngx_int_t ngx_http_paygw_transport_line(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_int_t *known);

void ngx_http_paygw_transport_create(ngx_http_paygw_loc_conf_t *conf);
void ngx_http_paygw_transport_merge(ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf);

/*
 * When a location is merged that calls a channel: its breaker is one, whoever
 * calls.  Logs its own messages.
 */
ngx_int_t ngx_http_paygw_transport_check(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf, ngx_paygw_channel_t *ch);

/* of a worker: the records of the channels in the zone */
void ngx_http_paygw_transport_init_process(ngx_cycle_t *cycle,
    ngx_http_paygw_main_conf_t *mcf);

/* what is in force for a call; the breaker is NULL if it is off */
size_t ngx_http_paygw_transport_body_max(ngx_http_paygw_loc_conf_t *lcf,
    ngx_http_paygw_keyring_t *kr);
ngx_msec_t ngx_http_paygw_transport_deadline(ngx_http_paygw_loc_conf_t *lcf,
    ngx_http_paygw_keyring_t *kr);
ngx_paygw_retry_t *ngx_http_paygw_transport_retry(
    ngx_http_paygw_loc_conf_t *lcf, ngx_http_paygw_keyring_t *kr);
ngx_http_paygw_breaker_t *ngx_http_paygw_transport_breaker(
    ngx_http_paygw_loc_conf_t *lcf, ngx_http_paygw_keyring_t *kr);


#endif /* _NGX_HTTP_PAYGW_TRANSPORT_H_INCLUDED_ */
