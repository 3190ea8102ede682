
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_DELIVER_H_INCLUDED_
#define _NGX_HTTP_PAYGW_DELIVER_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/*
 * Makes the request what the shop is to see: the normal event (or the
 * provider's bytes) as body and the X-Paygw-* fields, signed if the location
 * says so.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_paygw_deliver(ngx_http_paygw_ctx_t *ctx);

/*
 * The same while observing: the body stays, X-Paygw-Result tells.  Never
 * signed: it would vouch for what was refused.
 */
ngx_int_t ngx_http_paygw_deliver_observed(ngx_http_paygw_ctx_t *ctx);


#endif /* _NGX_HTTP_PAYGW_DELIVER_H_INCLUDED_ */
