
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_REFUSAL_H_INCLUDED_
#define _NGX_HTTP_PAYGW_REFUSAL_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/*
 * The HTTP status of a refusal.  A reason that is none of the caller's becomes
 * INTERNAL and 500.
 */
ngx_uint_t ngx_http_paygw_refusal_status(ngx_http_paygw_ctx_t *ctx);

/* what is known of a refusal, in words: key, string to sign, hint */
u_char *ngx_http_paygw_refusal_words(ngx_paygw_notify_t *n, u_char *p,
    u_char *last);

/* one line for people: which step, and what to look at; never a secret */
void ngx_http_paygw_refusal_log(ngx_http_paygw_ctx_t *ctx);


#endif /* _NGX_HTTP_PAYGW_REFUSAL_H_INCLUDED_ */
