
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_page.h"


/*
 * A request to the gateway: all its parameters, sorted, are signed as they are
 * (named mistake E1's twin: never as they are encoded), "sign_type" among
 * them.
 */


/*
 * What stands in the URL a form is posted to, as SDKs have it: the gateway
 * reads the body by the charset there.
 */

static const ngx_str_t  ngx_paygw_alipay_in_url[] = {
    ngx_string("alipay_root_cert_sn"),
    ngx_string("app_auth_token"),
    ngx_string("app_cert_sn"),
    ngx_string("app_id"),
    ngx_string("auth_token"),
    ngx_string("charset"),
    ngx_string("format"),
    ngx_string("method"),
    ngx_string("notify_url"),
    ngx_string("return_url"),
    ngx_string("sign"),
    ngx_string("sign_type"),
    ngx_string("timestamp"),
    ngx_string("version"),
    ngx_null_string
};


/* a JSON text would be none without its end */

ngx_uint_t
ngx_paygw_alipay_splits(ngx_paygw_form_t *form, ngx_paygw_alipay_call_t *call)
{
    ngx_str_t          *name;
    ngx_uint_t          i;
    ngx_paygw_field_t  *field;

    for (i = 0; i < form->nfields; i++) {

        field = &form->fields[i];
        name = &field->name;

        if (ngx_memn2cmp(name->data, (u_char *) "method", name->len, 6) < 0
            && (call->sealed || !ngx_paygw_alipay_is(name, "biz_content"))
            && memchr(field->value.data, '&', field->value.len))
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_paygw_alipay_add_system(ngx_pool_t *pool, ngx_paygw_form_t *form,
    ngx_paygw_alipay_conf_t *conf, time_t now)
{
    ngx_tm_t   tm;
    ngx_str_t  time;

    static ngx_str_t  charset = ngx_string("utf-8");
    static ngx_str_t  sign_type = ngx_string("RSA2");
    static ngx_str_t  version = ngx_string("1.0");

    time.len = sizeof("YYYY-MM-DD hh:mm:ss") - 1;
    time.data = ngx_pnalloc(pool, time.len);
    if (time.data == NULL) {
        return NGX_ERROR;
    }

    ngx_gmtime(now + NGX_PAYGW_ALIPAY_ZONE, &tm);
    (void) ngx_sprintf(time.data, "%4d-%02d-%02d %02d:%02d:%02d",
                       tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                       tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);

    if (ngx_paygw_form_add(form, "app_id", &conf->app_id) != NGX_OK
        || ngx_paygw_form_add(form, "charset", &charset) != NGX_OK
        || ngx_paygw_form_add(form, "sign_type", &sign_type) != NGX_OK
        || ngx_paygw_form_add(form, "timestamp", &time) != NGX_OK
        || ngx_paygw_form_add(form, "version", &version) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conf->app_sn.len == 0) {
        return NGX_OK;
    }

    if (ngx_paygw_form_add(form, "app_cert_sn", &conf->app_sn) != NGX_OK
        || ngx_paygw_form_add(form, "alipay_root_cert_sn", &conf->root_sn)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_alipay_write(ngx_pool_t *pool, ngx_log_t *log,
    ngx_paygw_form_t *form, ngx_paygw_alipay_conf_t *conf, ngx_str_t *body,
    ngx_str_t *out, char **err)
{
    u_char             *p;
    size_t              len;
    ngx_str_t           text, sign;
    ngx_uint_t          i;
    ngx_paygw_field_t  *field;

    static const char  *none[] = { NULL };

    if (ngx_paygw_form_sort(form, err) != NGX_OK) {
        return NGX_ABORT;
    }

    if (ngx_paygw_form_canonical(pool, form, none, 0, &text) != NGX_OK
        || ngx_paygw_exchange_sign(&ngx_paygw_rsa_sha256, conf->private_key,
                                   &text, 1, &sign, pool, log)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* names need no escape, in a value any byte may */

    len = sizeof("sign=") - 1 + 3 * sign.len;

    for (i = 0; i < form->nfields; i++) {
        field = &form->fields[i];
        len += field->name.len + 3 * field->value.len + 2;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    out->data = p;

    for (i = 0; i < form->nfields; i++) {
        field = &form->fields[i];

        if (body && field->value.data >= body->data
            && field->value.data < body->data + body->len)
        {
            continue;
        }

        p = ngx_cpymem(p, field->name.data, field->name.len);
        *p++ = '=';
        p = (u_char *) ngx_escape_uri(p, field->value.data, field->value.len,
                                      NGX_ESCAPE_URI_COMPONENT);
        *p++ = '&';
    }

    p = ngx_cpymem(p, "sign=", sizeof("sign=") - 1);
    p = (u_char *) ngx_escape_uri(p, sign.data, sign.len,
                                  NGX_ESCAPE_URI_COMPONENT);

    out->len = p - out->data;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_alipay_page(ngx_pool_t *pool, ngx_str_t *url, ngx_str_t *page)
{
    u_char             *p, *s, *eq, *end, *last, *dst, *src;
    ngx_str_t           action, name;
    ngx_paygw_form_t    form;
    ngx_paygw_field_t  *field;

    static ngx_str_t  charset = ngx_string("utf-8");

    /* what is left in it is never longer */

    action.data = ngx_pnalloc(pool, url->len);

    if (action.data == NULL || ngx_paygw_form_new(pool, &form) != NGX_OK) {
        return NGX_ERROR;
    }

    last = url->data + url->len;
    s = ngx_strlchr(url->data, last, '?') + 1;
    p = ngx_cpymem(action.data, url->data, s - url->data);

    for ( /* void */ ; s < last; s = end + 1) {

        end = ngx_strlchr(s, last, '&');

        if (end == NULL) {
            end = last;
        }

        eq = ngx_strlchr(s, end, '=');

        name.data = s;
        name.len = eq - s;

        if (ngx_paygw_exchange_among(ngx_paygw_alipay_in_url, &name)) {

            if (p[-1] != '?') {
                *p++ = '&';
            }

            p = ngx_cpymem(p, s, end - s);
            continue;
        }

        src = eq + 1;
        dst = ngx_pnalloc(pool, end - src + 1);
        if (dst == NULL) {
            return NGX_ERROR;
        }

        if (form.nfields == NGX_PAYGW_FORM_MAX_FIELDS) {
            return NGX_ERROR;
        }

        field = &form.fields[form.nfields++];

        field->name = name;
        field->value.data = dst;

        ngx_unescape_uri(&dst, &src, end - src, 0);

        field->value.len = dst - field->value.data;
    }

    action.len = p - action.data;

    return ngx_paygw_page(pool, &charset, &action, &form, page);
}
