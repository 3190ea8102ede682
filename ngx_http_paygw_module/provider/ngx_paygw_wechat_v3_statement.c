
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_checksum.h"
#include "ngx_paygw_wechat_v3.h"


/*
 * A statement of all currencies: WeChat Pay signs not the file but its hash,
 * which a header field tells, as the JSON that the documents show.
 */


#define NGX_PAYGW_WECHAT_V3_SHA1_LEN  40


ngx_int_t
ngx_paygw_wechat_v3_statement(ngx_paygw_exchange_t *x, ngx_str_t *text)
{
    ngx_str_t  *hex;

    hex = &x->n.msg.headers[NGX_PAYGW_WECHAT_V3_STATEMENT];

    if (x->status != 200 || hex->len != NGX_PAYGW_WECHAT_V3_SHA1_LEN
        || !ngx_paygw_exchange_is(&x->method, "GET")
        || !ngx_paygw_exchange_is(&x->path, "/v3/global/statements"))
    {
        return NGX_DECLINED;
    }

    text->data = ngx_pnalloc(x->n.pool, sizeof("{\"sha1\":\"\"}") - 1
                                        + hex->len);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = ngx_sprintf(text->data, "{\"sha1\":\"%V\"}", hex)
                - text->data;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_wechat_v3_stated(ngx_paygw_exchange_t *x)
{
    ngx_int_t              rc;
    ngx_str_t             *hex, *file;
    ngx_paygw_checksum_t  *c;
    ngx_paygw_expected_t   expected;

    static ngx_str_t  sha1 = ngx_string("sha1");

    hex = &x->n.msg.headers[NGX_PAYGW_WECHAT_V3_STATEMENT];
    file = &x->n.msg.body;

    if (ngx_paygw_expected_set(&sha1, hex, &expected) != NGX_OK) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_MALFORMED,
                                "the hash of the statement is none");
    }

    c = ngx_paygw_checksum_exact(x->n.pool, &expected);

    rc = (c && ngx_paygw_checksum_update(c, file->data, file->len) == NGX_OK)
         ? ngx_paygw_checksum_final(c) : NGX_ERROR;

    if (rc == NGX_ERROR) {
        return ngx_paygw_refuse(&x->n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                NULL);
    }

    if (rc != NGX_OK) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_SIGNATURE,
                                "the statement has another hash than the one "
                                "that is signed");
    }

    x->reply_status = x->status;
    x->reply = *file;
    ngx_str_set(&x->reply_type, "application/octet-stream");

    return NGX_OK;
}
