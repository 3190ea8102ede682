
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v3.h"
#include "ngx_paygw_multipart.h"


/*
 * Uploads: the signature goes over the part "meta" alone, byte for byte, and
 * that holds the hash of the file, which is therefore looked at here.
 */


static ngx_int_t ngx_paygw_wechat_v3_meta(ngx_paygw_exchange_t *x,
    ngx_str_t *meta, ngx_str_t *file);


ngx_uint_t
ngx_paygw_wechat_v3_multipart(ngx_paygw_exchange_t *x)
{
    return x->type.len >= sizeof("multipart/") - 1
           && ngx_strncasecmp(x->type.data, (u_char *) "multipart/",
                              sizeof("multipart/") - 1)
              == 0;
}


ngx_int_t
ngx_paygw_wechat_v3_upload(ngx_paygw_exchange_t *x, ngx_str_t *covered)
{
    const char             *err;
    ngx_str_t               boundary;
    ngx_paygw_part_t       *meta, *file;
    ngx_paygw_multipart_t   m;

    if (!ngx_paygw_wechat_v3_is_upload(x)
        || ngx_paygw_multipart_boundary(&x->type, &boundary) != NGX_OK)
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_CONTENT_TYPE,
                                "multipart/form-data with a boundary is for "
                                "uploads, this call is none");
    }

    if (ngx_paygw_multipart_parse(&x->body, &boundary, &m, &err) != NGX_OK) {
        return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "multipart: %s", err);
    }

    meta = ngx_paygw_multipart_find(&m, "meta");
    file = ngx_paygw_multipart_find(&m, "file");

    if (m.nparts != 2 || meta == NULL || meta->file || file == NULL
        || !file->file)
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_MALFORMED,
                                "an upload is a part meta, and a part file "
                                "with a filename");
    }

    *covered = meta->body;

    return ngx_paygw_wechat_v3_meta(x, &meta->body, &file->body);
}


static ngx_int_t
ngx_paygw_wechat_v3_meta(ngx_paygw_exchange_t *x, ngx_str_t *meta,
    ngx_str_t *file)
{
    char                  *err;
    ngx_int_t              rc;
    ngx_str_t              hex, sha256;
    ngx_paygw_json_t      *root;
    ngx_paygw_checksum_t  *c;
    ngx_paygw_expected_t   expected;

    rc = ngx_paygw_json_parse(x->n.pool, meta, &root, &err);

    if (rc == NGX_ERROR) {
        return ngx_paygw_refuse(&x->n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                NULL);
    }

    ngx_str_set(&sha256, "sha256");

    if (rc != NGX_OK
        || ngx_paygw_json_get_string(root, "sha256", &hex) != NGX_OK
        || ngx_paygw_expected_set(&sha256, &hex, &expected) != NGX_OK)
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_MALFORMED,
                                "meta must be a JSON object with sha256, 64 "
                                "hexadecimal digits");
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
                                NGX_PAYGW_REASON_MALFORMED,
                                "sha256 in meta is not that of the file");
    }

    return NGX_OK;
}
