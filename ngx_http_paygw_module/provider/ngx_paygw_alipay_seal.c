
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_seal.h"
#include "ngx_paygw_text.h"


/*
 * The content of calls and answers, encrypted with the app's AES key: in the
 * classic form "biz_content" and the content of the answer, in the REST form
 * the bodies.  It is encrypted before it is signed, and opened once it is
 * verified.
 */


static ngx_int_t ngx_paygw_alipay_sealed(ngx_paygw_exchange_t *x,
    ngx_str_t *text, ngx_str_t *out);


char *
ngx_paygw_alipay_aes_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    ngx_int_t  rc;
    ngx_str_t  text, key;

    if (ngx_paygw_secret(cf, &args[0], "aes_key", &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rc = ngx_paygw_base64_decode(cf->pool, &key, &text);

    if (rc == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    if (rc != NGX_OK || key.len != NGX_PAYGW_CBC_KEY_LEN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"aes_key\" of channel \"%V\" must be base64 of "
                           "16 bytes, as the console of Alipay shows it",
                           &ch->name);
        return NGX_CONF_ERROR;
    }

    /* the bytes take the place of their text, which is wiped with the pool */

    ngx_memmove(text.data, key.data, key.len);
    ngx_explicit_memzero(key.data, key.len);

    conf->aes_key = text;
    conf->aes_key.len = NGX_PAYGW_CBC_KEY_LEN;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_paygw_alipay_seal_form(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    ngx_int_t                 rc;
    ngx_str_t                *biz;
    ngx_uint_t                i;
    ngx_paygw_field_t        *field;
    ngx_paygw_alipay_call_t  *call = x->data;
    ngx_paygw_alipay_conf_t  *conf;

    static ngx_str_t  aes = ngx_string("AES");

    conf = x->n.channels[0]->conf;

    if (conf->aes_key.len == 0) {
        return NGX_OK;
    }

    biz = NULL;

    for (i = 0; i < form->nfields; i++) {

        field = &form->fields[i];

        if (field->name.len == 12
            && ngx_strncmp(field->name.data, "encrypt_type", 12) == 0)
        {
            /* the caller has done it */
            return NGX_OK;
        }

        if (field->name.len == 11
            && ngx_strncmp(field->name.data, "biz_content", 11) == 0)
        {
            biz = &field->value;
        }
    }

    if (biz == NULL) {
        return NGX_OK;
    }

    rc = ngx_paygw_alipay_sealed(x, biz, biz);
    if (rc != NGX_OK) {
        return rc;
    }

    call->ours = 1;

    return ngx_paygw_form_add(form, "encrypt_type", &aes) == NGX_OK
           ? NGX_OK : ngx_paygw_exchange_wrong(x, "too many parameters");
}


ngx_int_t
ngx_paygw_alipay_seal_body(ngx_paygw_exchange_t *x)
{
    ngx_int_t                 rc;
    ngx_paygw_alipay_call_t  *call = x->data;
    ngx_paygw_alipay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    if (conf->aes_key.len == 0 || call->sealed || x->body.len == 0) {
        return NGX_OK;
    }

    rc = ngx_paygw_alipay_sealed(x, &x->body, &x->body);

    if (rc == NGX_OK) {
        call->sealed = 1;
        call->ours = 1;
    }

    return rc;
}


static ngx_int_t
ngx_paygw_alipay_sealed(ngx_paygw_exchange_t *x, ngx_str_t *text,
    ngx_str_t *out)
{
    u_char                   *p;
    ngx_str_t                 sealed;
    ngx_paygw_alipay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    if (ngx_paygw_cbc_seal(x->n.pool, &conf->aes_key, text, &sealed)
        != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    p = ngx_pnalloc(x->n.pool, ngx_base64_encoded_length(sealed.len));
    if (p == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    out->data = p;
    ngx_encode_base64(out, &sealed);

    return NGX_OK;
}


ngx_int_t
ngx_paygw_alipay_unseal(ngx_paygw_exchange_t *x, ngx_str_t *text,
    ngx_paygw_json_t **root)
{
    char                     *err;
    ngx_int_t                 rc;
    ngx_str_t                 sealed;
    ngx_paygw_alipay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    rc = ngx_paygw_base64_decode(x->n.pool, &sealed, text);

    if (rc == NGX_OK) {
        rc = ngx_paygw_cbc_open(x->n.pool, &conf->aes_key, &sealed, text);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_json_parse(x->n.pool, text, root, &err);
    }

    if (rc == NGX_ERROR) {
        return ngx_paygw_exchange_broken(x);
    }

    if (rc != NGX_OK || (*root)->type != NGX_PAYGW_JSON_OBJECT) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED, NGX_PAYGW_REASON_DECRYPT,
                                "aes_key does not open it");
    }

    return NGX_OK;
}
