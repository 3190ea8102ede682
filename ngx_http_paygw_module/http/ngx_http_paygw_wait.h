
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_WAIT_H_INCLUDED_
#define _NGX_HTTP_PAYGW_WAIT_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/*
 * A callback names a key that is not known, which may be a new one.  While it
 * is fetched the callback waits, for a short time and not too many of them.
 *
 * NGX_AGAIN: resume() will be called, perhaps to wait again; NGX_BUSY: the
 * provider is to come again; NGX_DECLINED: no fetch can bring the key, or one
 * has shown that there is none.
 */
ngx_int_t ngx_http_paygw_wait(ngx_http_paygw_ctx_t *ctx,
    void (*resume)(ngx_http_paygw_ctx_t *ctx));

/* a callback does not wait any more; legal at any time */
void ngx_http_paygw_wait_end(ngx_http_paygw_ctx_t *ctx);


#endif /* _NGX_HTTP_PAYGW_WAIT_H_INCLUDED_ */
