
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_MESSAGE_H_INCLUDED_
#define _NGX_HTTP_PAYGW_MESSAGE_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/*
 * What is wrong with a request before a byte of its body has been read, or
 * NGX_PAYGW_REASON_NONE.
 */
ngx_paygw_reason_e ngx_http_paygw_message_preflight(
    ngx_http_paygw_ctx_t *ctx);

/* the message as the provider sees it: the fields that it asked for */
void ngx_http_paygw_message_fill(ngx_http_paygw_ctx_t *ctx);

/*
 * From the message to the event: as the functions of a provider, each of which
 * is called.  id is set with NGX_OK.
 */
ngx_int_t ngx_http_paygw_message_verify(ngx_paygw_notify_t *n,
    ngx_str_t *id);


#endif /* _NGX_HTTP_PAYGW_MESSAGE_H_INCLUDED_ */
