
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_sensitive.h"
#include "ngx_paygw_text.h"


/*
 * customerInfo: "{a=1&b=2}" in base64, where what is secret of a card is one
 * member "encryptedInfo", which holds "phoneNo=3&cvn2=4".
 */


static ngx_str_t  ngx_paygw_unionpay_secrets[] = {
    ngx_string("phoneNo"),
    ngx_string("cvn2"),
    ngx_string("expired"),
    ngx_null_string
};

static ngx_str_t  ngx_paygw_unionpay_sealed = ngx_string("encryptedInfo");


static u_char *ngx_paygw_unionpay_append(u_char *start, u_char *p, u_char *s,
    u_char *last);
static ngx_int_t ngx_paygw_unionpay_customer_find(ngx_str_t *text,
    ngx_str_t *sealed);
static ngx_uint_t ngx_paygw_unionpay_plausible(ngx_str_t *plain);
static ngx_str_t *ngx_paygw_unionpay_secret(u_char *p, u_char *last);
static ngx_uint_t ngx_paygw_unionpay_named(u_char *p, u_char *last,
    ngx_str_t *name);


/*
 * "{a=1&phoneNo=2}": phone, code and end of a card become one member that is
 * encrypted, and all of it is written in base64.
 */

ngx_int_t
ngx_paygw_unionpay_customer_seal(ngx_paygw_exchange_t *x, ngx_str_t *value)
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

        if (ngx_paygw_unionpay_secret(p, end) != NULL) {
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


static u_char *
ngx_paygw_unionpay_append(u_char *start, u_char *p, u_char *s, u_char *last)
{
    if (p > start) {
        *p++ = '&';
    }

    return ngx_cpymem(p, s, last - s);
}


ngx_int_t
ngx_paygw_unionpay_customer_open(ngx_paygw_exchange_t *x, ngx_str_t *value,
    ngx_str_t *out)
{
    u_char                     *p;
    ngx_int_t                   rc;
    ngx_str_t                   text, sealed, plain, open;
    ngx_paygw_unionpay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    rc = ngx_paygw_base64_decode(x->n.pool, &text, value);

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_customer_find(&text, &sealed);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_sensitive_opened(x, conf->private_key,
                                        NGX_PAYGW_SEAL_PKCS1, &sealed,
                                        &plain);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK || !ngx_paygw_unionpay_plausible(&plain)) {
        return NGX_DECLINED;
    }

    /* what was in it stands where it stood, name and all */

    sealed.data -= ngx_paygw_unionpay_sealed.len + 1;
    sealed.len += ngx_paygw_unionpay_sealed.len + 1;

    p = ngx_pnalloc(x->n.pool, text.len - sealed.len + plain.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    open.data = p;

    p = ngx_cpymem(p, text.data, sealed.data - text.data);
    p = ngx_cpymem(p, plain.data, plain.len);
    p = ngx_cpymem(p, sealed.data + sealed.len,
                   text.data + text.len - (sealed.data + sealed.len));

    open.len = p - open.data;

    out->data = ngx_pnalloc(x->n.pool, ngx_base64_encoded_length(open.len));
    if (out->data == NULL) {
        return NGX_ERROR;
    }

    ngx_encode_base64(out, &open);

    return NGX_OK;
}


/*
 * The value of the one encryptedInfo in a text.  What is in it must not stand
 * in clear beside it: there would be two of it.
 */

static ngx_int_t
ngx_paygw_unionpay_customer_find(ngx_str_t *text, ngx_str_t *sealed)
{
    u_char  *p, *end, *last;

    if (text->len < 2
        || text->data[0] != '{' || text->data[text->len - 1] != '}')
    {
        return NGX_DECLINED;
    }

    sealed->data = NULL;
    last = text->data + text->len - 1;

    for (p = text->data + 1; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');

        if (end == NULL) {
            end = last;
        }

        if (ngx_paygw_unionpay_secret(p, end) != NULL) {
            return NGX_DECLINED;
        }

        if (!ngx_paygw_unionpay_named(p, end, &ngx_paygw_unionpay_sealed)) {
            continue;
        }

        if (sealed->data) {
            return NGX_DECLINED;
        }

        sealed->data = p + ngx_paygw_unionpay_sealed.len + 1;
        sealed->len = end - sealed->data;
    }

    return sealed->data ? NGX_OK : NGX_DECLINED;
}


/*
 * Of what is not for our key newer OpenSSL makes random bytes and no error:
 * here are names that are known, each once, and values in print.
 */

static ngx_uint_t
ngx_paygw_unionpay_plausible(ngx_str_t *plain)
{
    u_char      *p, *end, *last;
    ngx_str_t   *name;
    ngx_uint_t   seen, bit;

    last = plain->data + plain->len;
    seen = 0;

    for (p = plain->data; p <= last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');

        if (end == NULL) {
            end = last;
        }

        name = ngx_paygw_unionpay_secret(p, end);
        if (name == NULL) {
            return 0;
        }

        bit = 1 << (name - ngx_paygw_unionpay_secrets);

        if (seen & bit) {
            return 0;
        }

        seen |= bit;

        p += name->len + 1;

        if (p == end) {
            return 0;
        }

        for ( /* void */ ; p < end; p++) {
            if (*p < 0x20 || *p > 0x7e || *p == '=' || *p == '{'
                || *p == '}')
            {
                return 0;
            }
        }
    }

    return 1;
}


/* whose name stands in front of a "=", or NULL */

static ngx_str_t *
ngx_paygw_unionpay_secret(u_char *p, u_char *last)
{
    ngx_str_t  *s;

    for (s = ngx_paygw_unionpay_secrets; s->len; s++) {
        if (ngx_paygw_unionpay_named(p, last, s)) {
            return s;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_paygw_unionpay_named(u_char *p, u_char *last, ngx_str_t *name)
{
    return (size_t) (last - p) > name->len && p[name->len] == '='
           && ngx_strncmp(p, name->data, name->len) == 0;
}
