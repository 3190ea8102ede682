
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_CONF_H_INCLUDED_
#define _NGX_HTTP_PAYGW_CONF_H_INCLUDED_


#include "ngx_http_paygw_module.h"


#define NGX_HTTP_PAYGW_NAME_MAX  64


extern ngx_command_t  ngx_http_paygw_commands[];


void *ngx_http_paygw_create_main_conf(ngx_conf_t *cf);
char *ngx_http_paygw_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_paygw_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_paygw_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);

/* paygw_notify: its setter, and the check of a location when it is merged */
char *ngx_http_paygw_notify_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paygw_location_check(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf);

/*
 * paygw_queue: its setter, and the check of a location that has it, when that
 * is merged; store is NULL if there is none
 */
char *ngx_http_paygw_queue_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paygw_queue_check(ngx_conf_t *cf, ngx_paygw_store_t *store,
    ngx_http_paygw_loc_conf_t *conf);

/* a location with paygw_metrics or paygw_status, when it is merged */
char *ngx_http_paygw_metrics_check(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf);

/* the setter of paygw_deliver */
char *ngx_http_paygw_deliver_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* the setter of paygw_verify */
char *ngx_http_paygw_verify_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* the setter of the block paygw_channel */
char *ngx_http_paygw_channel(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* of a channel or a merchant: letters, digits, "-" and "_" */
ngx_uint_t ngx_http_paygw_name_valid(ngx_str_t *name);

/* the setter of the block paygw_merchant */
char *ngx_http_paygw_merchant(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* paygw_auth and what belongs to it: setters, defaults, and the merge */
char *ngx_http_paygw_auth_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_paygw_auth_style(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
void ngx_http_paygw_auth_create(ngx_http_paygw_auth_conf_t *auth);
char *ngx_http_paygw_auth_merge(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *prev, ngx_http_paygw_loc_conf_t *conf);

extern ngx_conf_enum_t  ngx_http_paygw_auth_store_errors[];

/* paygw_idempotency: its setter, the merge after that of paygw_auth, and an
   error if one is of no use, when all are merged */
char *ngx_http_paygw_idem_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_paygw_idem_merge(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *prev, ngx_http_paygw_loc_conf_t *conf);
ngx_int_t ngx_http_paygw_idem_used(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf);

/* 1 if the location that is merged has directives of the rewrite module */
ngx_uint_t ngx_http_paygw_has_rewrite(ngx_conf_t *cf);

/*
 * A location that is merged and whose content is to be ours: an error that
 * names the directive and where it stands if a handler is another one, which
 * would silently take its place; a warning if "return" comes before all.
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_paygw_content_check(ngx_conf_t *cf,
    ngx_http_handler_pt handler, const char *directive, u_char *file,
    ngx_uint_t line);

/* NULL if no channel has this name */
ngx_paygw_channel_t *ngx_http_paygw_channel_find(
    ngx_http_paygw_main_conf_t *mcf, ngx_str_t *name);


#endif /* _NGX_HTTP_PAYGW_CONF_H_INCLUDED_ */
