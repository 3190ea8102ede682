
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_sensitive.h"


/*
 * Fields that are encrypted: with UnionPay's certificate for that in requests,
 * for our own key in answers.
 */


static ngx_int_t ngx_paygw_unionpay_seal_one(ngx_paygw_exchange_t *x,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_paygw_unionpay_customer(ngx_paygw_exchange_t *x,
    ngx_str_t *value);
static ngx_uint_t ngx_paygw_unionpay_secret(u_char *p, u_char *last);
static u_char *ngx_paygw_unionpay_append(u_char *start, u_char *p, u_char *s,
    u_char *last);


char *
ngx_paygw_unionpay_encrypt_cert(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_own_key(cf, &conf->encrypt_cert, &args[0],
                                     ngx_paygw_key_cert);
}


char *
ngx_paygw_unionpay_encrypt_fields(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_list(cf, ch, &conf->encrypt, args, nargs);
}


char *
ngx_paygw_unionpay_decrypt_fields(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_list(cf, ch, &conf->decrypt, args, nargs);
}


ngx_int_t
ngx_paygw_unionpay_check_fields(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    if ((conf->encrypt || conf->decrypt || conf->encrypt_cert)
        && conf->method->hash)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "channel \"%V\" encrypts fields, which needs "
                           "\"signMethod 01\"", &ch->name);
        return NGX_ERROR;
    }

    if (conf->decrypt
        && ngx_paygw_channel_required(cf, ch, conf->private_key != NULL,
                                      "merchant_private_key")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conf->encrypt == NULL && conf->encrypt_cert == NULL) {
        return NGX_OK;
    }

    if (ngx_paygw_channel_required(cf, ch, conf->encrypt_cert != NULL,
                                   "encrypt_cert")
        != NGX_OK
        || ngx_paygw_channel_required(cf, ch, conf->encrypt != NULL,
                                      "encrypt_fields")
           != NGX_OK
        || ngx_paygw_channel_probe(cf, ch, &ngx_paygw_rsa_sha256,
                                   conf->encrypt_cert, "encrypt_cert")
           != NGX_OK
        || ngx_paygw_channel_foreign(cf, ch, conf->encrypt_cert,
                                     "encrypt_cert", conf->private_key,
                                     "merchant_private_key")
           != NGX_OK
        || ngx_paygw_channel_cert(cf, ch, conf->encrypt_cert) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_cert_decimal(cf, conf->encrypt_cert, &conf->encrypt_id);
}


ngx_int_t
ngx_paygw_unionpay_seal_fields(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i, sealed;
    ngx_paygw_field_t          *field;
    ngx_paygw_unionpay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    /* who names the certificate has encrypted on its own */

    if (conf->encrypt == NULL
        || ngx_paygw_fields_value(form, "encryptCertId"))
    {
        return NGX_OK;
    }

    sealed = 0;

    for (i = 0; i < form->nfields; i++) {

        field = &form->fields[i];

        if (!ngx_paygw_channel_has(conf->encrypt, &field->name)) {
            continue;
        }

        rc = ngx_paygw_unionpay_seal_one(x, &field->name, &field->value);
        if (rc != NGX_OK) {
            return rc;
        }

        sealed = 1;
    }

    if (sealed
        && ngx_paygw_form_add(form, "encryptCertId", &conf->encrypt_id)
           != NGX_OK)
    {
        return ngx_paygw_exchange_wrong(x, "too many fields");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_unionpay_seal_one(ngx_paygw_exchange_t *x, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_paygw_unionpay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    if (name->len == 12
        && ngx_strncmp(name->data, "customerInfo", 12) == 0)
    {
        return ngx_paygw_unionpay_customer(x, value);
    }

    return ngx_paygw_sensitive_value(x, conf->encrypt_cert,
                                     NGX_PAYGW_SEAL_PKCS1, "encrypt_fields",
                                     value, value);
}


/*
 * "{a=1&phoneNo=2}": phone, code and end of a card become one member that is
 * encrypted, and all of it is written in base64.
 */

static ngx_int_t
ngx_paygw_unionpay_customer(ngx_paygw_exchange_t *x, ngx_str_t *value)
{
    u_char                     *p, *end, *last, *open, *hidden, *o, *h;
    ngx_int_t                   rc;
    ngx_str_t                   secret, sealed, text;
    ngx_paygw_unionpay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    p = value->data;
    last = p + value->len;

    if (value->len < 2 || *p != '{' || last[-1] != '}') {
        return ngx_paygw_exchange_wrong(x, "customerInfo must be "
                                           "{name=value&...}");
    }

    p++;
    last--;

    /* 344 letters are what RSA of 2048 bits makes, 1024 of the longest key */

    open = ngx_pnalloc(x->n.pool, 2 * value->len
                                  + sizeof("{}&encryptedInfo=") + 2048);
    if (open == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    hidden = open + value->len + sizeof("{}&encryptedInfo=") + 2048;

    o = open;
    h = hidden;

    *o++ = '{';

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');

        if (end == NULL) {
            end = last;
        }

        if (ngx_paygw_unionpay_secret(p, end)) {
            h = ngx_paygw_unionpay_append(hidden, h, p, end);

        } else {
            o = ngx_paygw_unionpay_append(open + 1, o, p, end);
        }
    }

    if (h > hidden) {

        secret.data = hidden;
        secret.len = h - hidden;

        rc = ngx_paygw_sensitive_value(x, conf->encrypt_cert,
                                       NGX_PAYGW_SEAL_PKCS1, "customerInfo",
                                       &secret, &sealed);
        if (rc != NGX_OK) {
            return rc;
        }

        o = ngx_sprintf(o, "%sencryptedInfo=%V", o > open + 1 ? "&" : "",
                        &sealed);
    }

    *o++ = '}';

    text.data = open;
    text.len = o - open;

    value->data = ngx_pnalloc(x->n.pool, ngx_base64_encoded_length(text.len));
    if (value->data == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    ngx_encode_base64(value, &text);

    return NGX_OK;
}


static ngx_uint_t
ngx_paygw_unionpay_secret(u_char *p, u_char *last)
{
    ngx_str_t         name;
    const ngx_str_t  *s;

    static const ngx_str_t  secrets[] = {
        ngx_string("phoneNo"),
        ngx_string("cvn2"),
        ngx_string("expired"),
        ngx_null_string
    };

    name.data = p;
    p = ngx_strlchr(p, last, '=');
    name.len = p ? (size_t) (p - name.data) : 0;

    for (s = secrets; s->len; s++) {
        if (s->len == name.len
            && ngx_strncmp(s->data, name.data, s->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static u_char *
ngx_paygw_unionpay_append(u_char *start, u_char *p, u_char *s, u_char *last)
{
    if (p > start) {
        *p++ = '&';
    }

    return ngx_cpymem(p, s, last - s);
}


/* what is masked, or not for us, stays as it is */

ngx_int_t
ngx_paygw_unionpay_open_fields(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form, ngx_uint_t *opened)
{
    ngx_int_t                   rc;
    ngx_str_t                   value;
    ngx_uint_t                  i;
    ngx_paygw_field_t          *field;
    ngx_paygw_unionpay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    *opened = 0;

    for (i = 0; conf->decrypt && i < form->nfields; i++) {

        field = &form->fields[i];

        if (!ngx_paygw_channel_has(conf->decrypt, &field->name)) {
            continue;
        }

        rc = ngx_paygw_sensitive_opened(x, conf->private_key,
                                        NGX_PAYGW_SEAL_PKCS1, &field->value,
                                        &value);
        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        /* it must not become another field */

        if (rc == NGX_OK && value.len
            && ngx_strlchr(value.data, value.data + value.len, '&') == NULL)
        {
            field->value = value;
            *opened = 1;
        }
    }

    return NGX_OK;
}
