
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_PHASES_H_INCLUDED_
#define _NGX_HTTP_PAYGW_PHASES_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/* the handlers of the phases that their names say */
ngx_int_t ngx_http_paygw_server_rewrite_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paygw_rewrite_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paygw_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paygw_precontent_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_PAYGW_PHASES_H_INCLUDED_ */
