
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_REPLY_H_INCLUDED_
#define _NGX_HTTP_PAYGW_REPLY_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/*
 * Sends the provider's ack for a status in our own words (2xx: taken), below
 * all filters that could change it.  Whatever a content handler sends for this
 * request before or after is swallowed.  Returns as an output filter does.
 */
ngx_int_t ngx_http_paygw_reply(ngx_http_paygw_ctx_t *ctx, ngx_uint_t status);

/* 1 if the fields or the trailers of an answer say that gRPC has failed */
ngx_uint_t ngx_http_paygw_grpc_failed(ngx_list_t *list);

/* puts the filters in place: postconfiguration of the module */
ngx_int_t ngx_http_paygw_reply_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_PAYGW_REPLY_H_INCLUDED_ */
