
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_PAGE_H_INCLUDED_
#define _NGX_PAYGW_PAGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_form.h"


/*
 * A page for the payer's browser, which posts a form by itself: to url, with
 * each field as a hidden input.  In attributes "&", "<", ">" and both quotes
 * are escaped, so that neither does a value end its attribute, nor does the
 * browser send another one than was signed.  In GBK, too, no second byte of a
 * character is one of these.  In pool: NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_page(ngx_pool_t *pool, ngx_str_t *charset, ngx_str_t *url,
    ngx_paygw_form_t *form, ngx_str_t *page);


#endif /* _NGX_PAYGW_PAGE_H_INCLUDED_ */
