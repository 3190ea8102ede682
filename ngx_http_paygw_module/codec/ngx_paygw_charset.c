
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_text.h"

#include <iconv.h>


static ngx_int_t ngx_paygw_gbk_open(void);


/*
 * One descriptor for the process.  iconv_open() may load its table from a
 * file, so it is opened while the configuration is read and inherited by the
 * workers; a conversion itself touches memory only.  It outlives a reload on
 * purpose: old and new configuration use the same table.
 */

static iconv_t     ngx_paygw_gbk;
static ngx_uint_t  ngx_paygw_gbk_opened;


ngx_int_t
ngx_paygw_gbk_available(void)
{
    return ngx_paygw_gbk_open();
}


static ngx_int_t
ngx_paygw_gbk_open(void)
{
    if (!ngx_paygw_gbk_opened) {
        ngx_paygw_gbk = iconv_open("UTF-8", "GBK");
        ngx_paygw_gbk_opened = 1;
    }

    return ngx_paygw_gbk == (iconv_t) -1 ? NGX_DECLINED : NGX_OK;
}


ngx_int_t
ngx_paygw_gbk_to_utf8(ngx_pool_t *pool, ngx_str_t *dst, ngx_str_t *src)
{
    char    *in, *out;
    size_t   inleft, outleft, size, rc;

    if (ngx_paygw_gbk_open() != NGX_OK) {
        return NGX_DECLINED;
    }

    /* 0x80 alone, the euro sign, becomes three bytes */

    size = src->len * 3 + 1;

    dst->len = 0;
    dst->data = ngx_pnalloc(pool, size);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    in = (char *) src->data;
    inleft = src->len;
    out = (char *) dst->data;
    outleft = size;

    (void) iconv(ngx_paygw_gbk, NULL, NULL, NULL, NULL);

    if (inleft == 0) {
        return NGX_OK;
    }

    rc = iconv(ngx_paygw_gbk, &in, &inleft, &out, &outleft);

    /* a positive count is of characters without an exact counterpart */

    if (rc == (size_t) -1) {
        return ngx_errno == E2BIG ? NGX_ERROR : NGX_ABORT;
    }

    if (rc != 0) {
        return NGX_ABORT;
    }

    dst->len = size - outleft;

    return NGX_OK;
}
