
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_multipart.h"


/*
 * Uploads.  Alipay signs no file: of the gateway's form the signature goes over
 * the parameters, in the URL or in parts that are text, and of the REST form
 * over the part "data".  So what becomes of the file only TLS protects, and the
 * body is sent byte for byte as it came.
 */


static ngx_int_t ngx_paygw_alipay_parts(ngx_paygw_exchange_t *x,
    ngx_paygw_multipart_t *m);


ngx_uint_t
ngx_paygw_alipay_multipart(ngx_paygw_exchange_t *x)
{
    return x->in.body.len
           && x->type.len >= sizeof("multipart/") - 1
           && ngx_strncasecmp(x->type.data, (u_char *) "multipart/",
                              sizeof("multipart/") - 1)
              == 0;
}


ngx_int_t
ngx_paygw_alipay_uploads(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_call_t *call)
{
    size_t                    len;
    ngx_paygw_alipay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    /* money never moves by a file, and those calls are looked into */

    len = sizeof("alipay.trade.") - 1;

    if (!ngx_paygw_exchange_method(x, "POST")
        || (call->method.len >= len
            && ngx_strncmp(call->method.data, "alipay.trade.", len) == 0))
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_CONTENT_TYPE,
                                "multipart/form-data is for uploads, this "
                                "call is none");
    }

    if (call->sealed || conf->aes_key.len) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_CONTENT_TYPE,
                                "an upload cannot be encrypted, which this "
                                "call or aes_key of the channel asks for");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_parts(ngx_paygw_exchange_t *x, ngx_paygw_multipart_t *m)
{
    const char  *err;
    ngx_str_t    boundary;
    ngx_uint_t   i;

    if (ngx_paygw_multipart_boundary(&x->type, &boundary) != NGX_OK) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_CONTENT_TYPE,
                                "an upload must be multipart/form-data with "
                                "a boundary");
    }

    if (ngx_paygw_multipart_parse(&x->in.body, &boundary, m, &err) != NGX_OK) {
        return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "multipart: %s", err);
    }

    for (i = 0; i < m->nparts; i++) {
        if (m->parts[i].file) {
            return NGX_OK;
        }
    }

    return ngx_paygw_exchange_wrong(x, "an upload needs a part with a "
                                       "filename");
}


ngx_int_t
ngx_paygw_alipay_upload(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    ngx_int_t               rc;
    ngx_uint_t              i, k;
    ngx_paygw_part_t       *part;
    ngx_paygw_field_t       field;
    ngx_paygw_multipart_t   m;

    rc = ngx_paygw_alipay_parts(x, &m);
    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < m.nparts; i++) {

        part = &m.parts[i];

        /* a body is not written anew: what is the module's must not be in it */

        if (ngx_paygw_alipay_own(&part->name)
            || ngx_paygw_alipay_is(&part->name, "method")
            || ngx_paygw_alipay_is(&part->name, "encrypt_type"))
        {
            return ngx_paygw_exchange_wrong(x, "a part has the name of a "
                                               "parameter of the URL");
        }

        if (part->file) {

            /* it is not signed, and must not take the place of what is */

            for (k = 0; k < form->nfields; k++) {
                if (form->fields[k].name.len == part->name.len
                    && ngx_strncmp(form->fields[k].name.data, part->name.data,
                                   part->name.len)
                       == 0)
                {
                    return ngx_paygw_exchange_wrong(x, "a file has the name "
                                                       "of a parameter");
                }
            }

            if (ngx_paygw_alipay_is(&part->name, "biz_content")) {
                return ngx_paygw_exchange_wrong(x, "biz_content is no file");
            }

            continue;
        }

        if (part->body.len == 0) {
            return ngx_paygw_exchange_wrong(x, "a part is empty, and would "
                                               "be sent without being signed");
        }

        field.name = part->name;
        field.value = part->body;

        rc = ngx_paygw_alipay_param(x, form, &field);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_alipay_v3_upload(ngx_paygw_exchange_t *x, ngx_str_t *covered)
{
    ngx_int_t               rc;
    ngx_uint_t              i, texts;
    ngx_paygw_part_t       *data;
    ngx_paygw_multipart_t   m;

    rc = ngx_paygw_alipay_parts(x, &m);
    if (rc != NGX_OK) {
        return rc;
    }

    texts = 0;

    for (i = 0; i < m.nparts; i++) {
        texts += !m.parts[i].file;
    }

    data = ngx_paygw_multipart_find(&m, "data");

    if (data == NULL || data->file || texts != 1) {
        return ngx_paygw_exchange_wrong(x, "an upload is a part data, and "
                                           "parts with a filename");
    }

    *covered = data->body;

    return NGX_OK;
}
