
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_BINDING_H_INCLUDED_
#define _NGX_HTTP_PAYGW_BINDING_H_INCLUDED_


#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_pass.h"


/*
 * paygw_binding: what was created through us is remembered in the store, and
 * callbacks of it are compared with that (named mistake D11).
 */


/* the setter of "paygw_binding", and its values merged */
char *ngx_http_paygw_binding_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
void ngx_http_paygw_binding_merge(ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf);

/* when a location is merged that calls a channel: it needs a store */
char *ngx_http_paygw_binding_check(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf, ngx_http_paygw_pass_conf_t *pass);


/*
 * What a claim has to compare, and to note of the order: sets op.book, op.says.
 * NGX_OK, or NGX_DONE: the event is of no order, and it has to be of one.
 */
ngx_int_t ngx_http_paygw_binding_claim(ngx_http_paygw_ctx_t *ctx);

/* the reason and the hint of an event that its order is against */
void ngx_http_paygw_binding_against(ngx_http_paygw_ctx_t *ctx);


/*
 * Before a call is sent: notes the order that it creates, if it creates one,
 * and goes on with the call, now or later; or rejects it, if there is another
 * order of this number, or the store does not answer.
 */
void ngx_http_paygw_binding_create(ngx_http_paygw_pass_ctx_t *ctx);

/* the deadline is over, and the store has not answered */
void ngx_http_paygw_binding_expire(ngx_http_paygw_pass_ctx_t *ctx);

/* when a call has its result: what is known of the order now */
void ngx_http_paygw_binding_end(ngx_http_paygw_pass_ctx_t *ctx);


#endif /* _NGX_HTTP_PAYGW_BINDING_H_INCLUDED_ */
