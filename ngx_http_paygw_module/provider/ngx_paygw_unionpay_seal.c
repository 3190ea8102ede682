
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
    ngx_paygw_field_t *field, ngx_str_t *pan);
static ngx_int_t ngx_paygw_unionpay_pin(ngx_paygw_exchange_t *x,
    ngx_str_t *value, ngx_str_t *pan);
static ngx_int_t ngx_paygw_unionpay_open_one(ngx_paygw_exchange_t *x,
    ngx_paygw_field_t *field, ngx_str_t *value);
static ngx_uint_t ngx_paygw_unionpay_number(ngx_str_t *value);


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

    ngx_str_t   *track;
    ngx_uint_t   i;

    /*
     * UnionPay's own demos disagree on how its tracks are written down, and
     * have another key for them: a guess would be sent as a card.
     */

    for (i = 0; i < nargs; i++) {

        track = &args[i];

        if (track->len == 13
            && ngx_strncmp(track->data, "cardTransData", 13) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"encrypt_fields\" of channel \"%V\" cannot "
                               "have \"cardTransData\": its tracks are "
                               "encrypted by the caller", &ch->name);
            return NGX_CONF_ERROR;
        }
    }

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
    ngx_str_t                   pan, *value;
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

    /* as it came: a pin needs it in clear, which comes after it */

    ngx_str_null(&pan);
    value = ngx_paygw_fields_value(form, "accNo");

    if (value) {
        pan = *value;
    }

    sealed = 0;

    for (i = 0; i < form->nfields; i++) {

        field = &form->fields[i];

        if (!ngx_paygw_channel_has(conf->encrypt, &field->name)) {
            continue;
        }

        rc = ngx_paygw_unionpay_seal_one(x, field, &pan);
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
ngx_paygw_unionpay_seal_one(ngx_paygw_exchange_t *x, ngx_paygw_field_t *field,
    ngx_str_t *pan)
{
    ngx_paygw_unionpay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    if (ngx_paygw_exchange_is(&field->name, "customerInfo")) {
        return ngx_paygw_unionpay_customer_seal(x, &field->value);
    }

    if (ngx_paygw_exchange_is(&field->name, "pin")) {
        return ngx_paygw_unionpay_pin(x, &field->value, pan);
    }

    return ngx_paygw_sensitive_value(x, conf->encrypt_cert,
                                     NGX_PAYGW_SEAL_PKCS1, "encrypt_fields",
                                     &field->value, &field->value);
}


/* a pin is encrypted together with the number of its card */

static ngx_int_t
ngx_paygw_unionpay_pin(ngx_paygw_exchange_t *x, ngx_str_t *value,
    ngx_str_t *pan)
{
    u_char                      buf[NGX_PAYGW_PIN_LEN];
    ngx_int_t                   rc;
    ngx_str_t                   block;
    ngx_paygw_unionpay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    rc = ngx_paygw_pin_block(value, pan, buf);

    if (rc == NGX_DECLINED) {
        return ngx_paygw_exchange_wrong(x, "pin must be 4 to 12 digits");
    }

    if (rc != NGX_OK) {
        return ngx_paygw_exchange_wrong(x, "accNo must be 13 to 19 digits for "
                                           "a pin to be encrypted");
    }

    block.data = buf;
    block.len = sizeof(buf);

    rc = ngx_paygw_sensitive_value(x, conf->encrypt_cert,
                                   NGX_PAYGW_SEAL_PKCS1, "pin", &block, value);

    ngx_explicit_memzero(buf, sizeof(buf));

    return rc;
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

        rc = ngx_paygw_unionpay_open_one(x, field, &value);

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


static ngx_int_t
ngx_paygw_unionpay_open_one(ngx_paygw_exchange_t *x, ngx_paygw_field_t *field,
    ngx_str_t *value)
{
    ngx_int_t                   rc;
    ngx_paygw_unionpay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    if (ngx_paygw_exchange_is(&field->name, "customerInfo")) {
        return ngx_paygw_unionpay_customer_open(x, &field->value, value);
    }

    rc = ngx_paygw_sensitive_opened(x, conf->private_key,
                                    NGX_PAYGW_SEAL_PKCS1, &field->value,
                                    value);

    if (rc == NGX_OK && ngx_paygw_exchange_is(&field->name, "accNo")
        && !ngx_paygw_unionpay_number(value))
    {
        return NGX_DECLINED;
    }

    return rc;
}


/*
 * Of what is not for our key newer OpenSSL makes random bytes, which one time
 * in some hundreds are a letter or two: the number of a card or of an account
 * is longer, and has no others than these.
 */

static ngx_uint_t
ngx_paygw_unionpay_number(ngx_str_t *value)
{
    u_char  c;
    size_t  i;

    if (value->len < 8) {
        return 0;
    }

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
              || (c >= 'a' && c <= 'z') || c == '*' || c == '-'))
        {
            return 0;
        }
    }

    return 1;
}
