
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_FAILURES_H_INCLUDED_
#define _NGX_HTTP_PAYGW_FAILURES_H_INCLUDED_


#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_gate.h"


/*
 * paygw_auth_failures: calls that nobody has signed are counted by the address
 * that they come from, in the zone, and an address that has too many of them
 * is refused before anything of a call is looked at.
 */


/* 1 if there are too many; sets ctx->retry */
ngx_uint_t ngx_http_paygw_failures_over(ngx_http_paygw_gate_ctx_t *ctx);

/* one more, for its reason, if that is one that counts */
void ngx_http_paygw_failures_add(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_paygw_reason_e reason);

/* the setter, and the merge of a location with paygw_auth */
char *ngx_http_paygw_failures_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paygw_failures_merge(ngx_conf_t *cf,
    ngx_http_paygw_auth_conf_t *prev, ngx_http_paygw_auth_conf_t *conf);


#endif /* _NGX_HTTP_PAYGW_FAILURES_H_INCLUDED_ */
