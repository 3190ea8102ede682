
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_QUEUE_H_INCLUDED_
#define _NGX_HTTP_PAYGW_QUEUE_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/*
 * Claims a verified event, appends it to the stream of its location and
 * commits it, in one step; answers as ngx_paygw_store_append() does.
 */
ngx_int_t ngx_http_paygw_queue(ngx_http_paygw_ctx_t *ctx);


#endif /* _NGX_HTTP_PAYGW_QUEUE_H_INCLUDED_ */
