
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_CLAIM_H_INCLUDED_
#define _NGX_HTTP_PAYGW_CLAIM_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/*
 * Asks the store for the event, or to put it into the stream of paygw_queue,
 * and tells it what the event says of its order.  Answers as the store does:
 * NGX_AGAIN, and handler is called later with &ctx->op, or the answer.
 */
ngx_int_t ngx_http_paygw_claim(ngx_http_paygw_ctx_t *ctx,
    ngx_paygw_store_handler_pt handler);

/*
 * What is left of the lease, at least: it may have begun as soon as the store
 * was asked.  After that time another delivery may begin.
 */
ngx_msec_t ngx_http_paygw_claim_left(ngx_http_paygw_ctx_t *ctx);


#endif /* _NGX_HTTP_PAYGW_CLAIM_H_INCLUDED_ */
