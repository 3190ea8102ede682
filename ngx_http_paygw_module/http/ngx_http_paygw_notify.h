
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_NOTIFY_H_INCLUDED_
#define _NGX_HTTP_PAYGW_NOTIFY_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/*
 * A request in the location lcf, from the handler of a phase, as often as that
 * is called.  Returns what the handler is to return: NGX_DECLINED if the
 * request goes on, NGX_DONE if it waits or has been answered, or a status.
 */
ngx_int_t ngx_http_paygw_notify_enter(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf);


#endif /* _NGX_HTTP_PAYGW_NOTIFY_H_INCLUDED_ */
