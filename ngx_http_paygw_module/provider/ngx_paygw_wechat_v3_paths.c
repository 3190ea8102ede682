
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v3.h"


/* What is known of a call of APIv3 by its method and path. */


typedef struct {
    ngx_str_t                method;
    ngx_str_t                prefix;
    ngx_str_t                suffix;   /* empty: no more segments follow, but
                                          one after a "/" */
} ngx_paygw_wechat_v3_path_t;


static ngx_uint_t ngx_paygw_wechat_v3_path(ngx_paygw_exchange_t *x,
    const ngx_paygw_wechat_v3_path_t *paths);


/*
 * What is not signed, by its makers' word: files.  A path is here in full, so
 * that no other call can be dressed up as one of these.
 */

static const ngx_paygw_wechat_v3_path_t  ngx_paygw_wechat_v3_files[] = {
    { ngx_string("GET"), ngx_string("/v3/billdownload/file"),
      ngx_null_string },
    { ngx_string("GET"), ngx_string("/v3/transferdownload/elecvoucherfile"),
      ngx_null_string },
    { ngx_string("GET"), ngx_string("/v3/transferdownload/signfile"),
      ngx_null_string },
    { ngx_string("GET"), ngx_string("/v3/new-tax-control-fapiao/download"),
      ngx_null_string },
    { ngx_string("GET"), ngx_string("/v3/statements"),
      ngx_null_string },
    { ngx_string("GET"), ngx_string("/v3/merchant-service/images/"),
      ngx_null_string },
    { ngx_null_string, ngx_null_string, ngx_null_string }
};


/* what takes a file, of which only the description is signed */

static const ngx_paygw_wechat_v3_path_t  ngx_paygw_wechat_v3_uploads[] = {
    { ngx_string("POST"), ngx_string("/v3/merchant/media/upload"),
      ngx_null_string },
    { ngx_string("POST"), ngx_string("/v3/merchant/media/video_upload"),
      ngx_null_string },
    { ngx_string("POST"), ngx_string("/v3/marketing/favor/media/image-upload"),
      ngx_null_string },
    { ngx_string("POST"), ngx_string("/v3/merchant-service/images/upload"),
      ngx_null_string },
    { ngx_null_string, ngx_null_string, ngx_null_string }
};


/*
 * What may be sent again under the same number of the merchant's: WeChat Pay
 * takes it once.  A path that is not known here is never sent again.
 */

static const ngx_paygw_wechat_v3_path_t  ngx_paygw_wechat_v3_once[] = {
    { ngx_string("POST"), ngx_string("/v3/pay/transactions/jsapi"),
      ngx_null_string },
    { ngx_string("POST"), ngx_string("/v3/pay/transactions/native"),
      ngx_null_string },
    { ngx_string("POST"), ngx_string("/v3/pay/transactions/app"),
      ngx_null_string },
    { ngx_string("POST"), ngx_string("/v3/pay/transactions/h5"),
      ngx_null_string },
    { ngx_string("POST"), ngx_string("/v3/pay/partner/transactions/jsapi"),
      ngx_null_string },
    { ngx_string("POST"), ngx_string("/v3/pay/partner/transactions/native"),
      ngx_null_string },
    { ngx_string("POST"), ngx_string("/v3/pay/partner/transactions/app"),
      ngx_null_string },
    { ngx_string("POST"), ngx_string("/v3/pay/partner/transactions/h5"),
      ngx_null_string },
    { ngx_string("POST"), ngx_string("/v3/refund/domestic/refunds"),
      ngx_null_string },
    { ngx_string("POST"), ngx_string("/v3/pay/transactions/out-trade-no/"),
      ngx_string("/close") },
    { ngx_string("POST"),
      ngx_string("/v3/pay/partner/transactions/out-trade-no/"),
      ngx_string("/close") },
    { ngx_null_string, ngx_null_string, ngx_null_string }
};


ngx_paygw_repeat_e
ngx_paygw_wechat_v3_repeat(ngx_paygw_exchange_t *x)
{
    if (x->method.len == 3 && ngx_strncmp(x->method.data, "GET", 3) == 0) {
        return NGX_PAYGW_REPEAT_ALWAYS;
    }

    return ngx_paygw_wechat_v3_path(x, ngx_paygw_wechat_v3_once)
           ? NGX_PAYGW_REPEAT_ANSWERED : NGX_PAYGW_REPEAT_NEVER;
}


ngx_uint_t
ngx_paygw_wechat_v3_is_file(ngx_paygw_exchange_t *x)
{
    /* which stands where an image may, whatever the method */

    if (ngx_paygw_exchange_is(&x->path, "/v3/merchant-service/images/upload"))
    {
        return 0;
    }

    return ngx_paygw_wechat_v3_path(x, ngx_paygw_wechat_v3_files);
}


ngx_uint_t
ngx_paygw_wechat_v3_is_upload(ngx_paygw_exchange_t *x)
{
    return ngx_paygw_wechat_v3_path(x, ngx_paygw_wechat_v3_uploads);
}


/* 1 if method and path are those of a list */

static ngx_uint_t
ngx_paygw_wechat_v3_path(ngx_paygw_exchange_t *x,
    const ngx_paygw_wechat_v3_path_t *p)
{
    size_t      len;
    u_char     *middle, *last;

    for ( /* void */ ; p->method.len; p++) {

        if (p->method.len != x->method.len
            || ngx_strncmp(p->method.data, x->method.data, p->method.len)
               != 0
            || x->path.len < p->prefix.len
            || ngx_strncmp(x->path.data, p->prefix.data, p->prefix.len) != 0)
        {
            continue;
        }

        len = x->path.len - p->prefix.len;

        middle = x->path.data + p->prefix.len;

        if (p->suffix.len == 0) {

            if (p->prefix.data[p->prefix.len - 1] != '/'
                ? len == 0
                : len && ngx_strlchr(middle, middle + len, '/') == NULL)
            {
                return 1;
            }

            continue;
        }

        if (len <= p->suffix.len) {
            continue;
        }

        last = x->path.data + x->path.len - p->suffix.len;

        if (ngx_strncmp(last, p->suffix.data, p->suffix.len) == 0
            && ngx_strlchr(middle, last, '/') == NULL)
        {
            return 1;
        }
    }

    return 0;
}
