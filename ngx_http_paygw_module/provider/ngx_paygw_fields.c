
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_bytes.h"
#include "ngx_paygw_explain.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_text.h"


typedef struct {
    ngx_str_t                name;
    ngx_uint_t               gbk;
} ngx_paygw_fields_charset_t;


typedef struct {
    ngx_str_t                name;
    ngx_uint_t               flags;
    const char              *skip[3];
} ngx_paygw_fields_style_t;


static ngx_uint_t ngx_paygw_fields_name(ngx_str_t *name);
static void ngx_paygw_fields_other(ngx_paygw_bytes_t *b);
static ngx_int_t ngx_paygw_fields_charset(ngx_str_t *value, ngx_uint_t *gbk);
static ngx_int_t ngx_paygw_fields_gbk(ngx_paygw_notify_t *n,
    ngx_str_t *value);


static const ngx_paygw_fields_charset_t  ngx_paygw_fields_charsets[] = {
    { ngx_string("utf-8"), 0 },
    { ngx_string("utf8"), 0 },
    { ngx_string("gbk"), 1 },
    { ngx_string("gb2312"), 1 },
    { ngx_string("gb18030"), 1 },
    { ngx_null_string, 0 }
};


static const ngx_paygw_fields_style_t  ngx_paygw_fields_styles[] = {
    { ngx_string("alipay"), NGX_PAYGW_CANON_DROP_EMPTY,
      { "sign", NULL, NULL } },
    { ngx_string("alipay_notify"), 0, { "sign", "sign_type", NULL } },
    { ngx_string("wechat_v2"), NGX_PAYGW_CANON_DROP_EMPTY,
      { "sign", NULL, NULL } },
    { ngx_string("unionpay"), NGX_PAYGW_CANON_DROP_EMPTY,
      { "signature", NULL, NULL } },
    { ngx_string("params"), NGX_PAYGW_CANON_DROP_EMPTY,
      { "sign", NULL, NULL } },
    { ngx_null_string, 0, { NULL, NULL, NULL } }
};


ngx_int_t
ngx_paygw_fields_parse(ngx_paygw_notify_t *n, ngx_paygw_form_t *form)
{
    char       *err;
    ngx_int_t   rc;

    err = NULL;
    rc = ngx_paygw_form_parse(n->pool, &n->msg.body, form, &err);

    if (rc != NGX_OK) {
        return ngx_paygw_refuse_parse(n, rc,
                                      ngx_paygw_explain_gzip(&n->msg.body)
                                      ? "body is compressed" : err);
    }

    if (!ngx_paygw_fields_plain(form)) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid field name");
    }

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_fields_plain(ngx_paygw_form_t *form)
{
    ngx_uint_t  i;

    for (i = 0; i < form->nfields; i++) {
        if (!ngx_paygw_fields_name(&form->fields[i].name)) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_paygw_fields_name(ngx_str_t *name)
{
    u_char  *last;

    last = name->data + name->len;

    return name->len <= 128
           && ngx_paygw_bytes_find(name->data, last, ngx_paygw_fields_other)
              == last;
}


/* what a name is not made of: it is letters, digits, "_", "-" and "." */

static void
ngx_paygw_fields_other(ngx_paygw_bytes_t *b)
{
    ngx_paygw_bytes_t  lower;

    lower = *b | 0x20;

    *b = (ngx_paygw_bytes_t) (((lower < 'a') | (lower > 'z'))
                              & ((*b < '0') | (*b > '9'))
                              & (*b != '_') & (*b != '-') & (*b != '.'));
}


ngx_str_t *
ngx_paygw_fields_value(ngx_paygw_form_t *form, const char *name)
{
    ngx_str_t  *value;

    value = ngx_paygw_form_get(form, name);

    return (value && value->len) ? value : NULL;
}


ngx_uint_t
ngx_paygw_fields_word(ngx_paygw_form_t *form, const char *name, size_t max,
    ngx_str_t *value)
{
    ngx_str_t  *s;

    s = ngx_paygw_fields_value(form, name);

    if (s == NULL || !ngx_paygw_visible(s, max)) {
        return 0;
    }

    *value = *s;

    return 1;
}


ngx_uint_t
ngx_paygw_fields_is(ngx_paygw_form_t *form, const char *name,
    const char *value)
{
    ngx_str_t  *s;

    s = ngx_paygw_fields_value(form, name);

    return s
           && s->len == ngx_strlen(value)
           && ngx_strncmp(s->data, value, s->len) == 0;
}


ngx_uint_t
ngx_paygw_fields_empty(ngx_paygw_form_t *form)
{
    ngx_uint_t  i;

    for (i = 0; i < form->nfields; i++) {
        if (form->fields[i].value.len == 0) {
            return 1;
        }
    }

    return 0;
}


const char *
ngx_paygw_fields_hint(ngx_paygw_form_t *form, ngx_str_t *charset)
{
    ngx_str_t   *value;
    ngx_uint_t   i, utf8;

    utf8 = charset && charset->len == 5
           && ngx_strncasecmp(charset->data, (u_char *) "utf-8", 5) == 0;

    for (i = 0; i < form->nfields; i++) {

        value = &form->fields[i].value;

        if (value->len >= 6
            && ngx_strlcasestrn(value->data, value->data + value->len,
                                (u_char *) "&quot;", 6 - 1))
        {
            return "a value is HTML-escaped";
        }

        if (utf8 && !ngx_paygw_utf8_valid(value)) {
            return "a value is not in the charset of the message";
        }
    }

    return NULL;
}


ngx_int_t
ngx_paygw_fields_utf8(ngx_paygw_notify_t *n, ngx_paygw_form_t *form,
    ngx_str_t *charset)
{
    ngx_int_t           rc;
    ngx_uint_t          i, gbk;
    ngx_paygw_field_t  *field;

    if (ngx_paygw_fields_charset(charset, &gbk) != NGX_OK) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "unknown charset");
    }

    field = form->fields;

    for (i = 0; i < form->nfields; i++) {

        if (gbk) {
            rc = ngx_paygw_fields_gbk(n, &field[i].value);
            if (rc != NGX_OK) {
                return rc;
            }

            continue;
        }

        if (!ngx_paygw_utf8_valid(&field[i].value)) {
            return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                    "a value is not UTF-8");
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_fields_charset(ngx_str_t *value, ngx_uint_t *gbk)
{
    const ngx_paygw_fields_charset_t  *charset;

    *gbk = 0;

    if (value == NULL) {
        return NGX_OK;
    }

    for (charset = ngx_paygw_fields_charsets; charset->name.len; charset++) {
        if (charset->name.len == value->len
            && ngx_strncasecmp(charset->name.data, value->data, value->len)
               == 0)
        {
            *gbk = charset->gbk;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_paygw_fields_gbk(ngx_paygw_notify_t *n, ngx_str_t *value)
{
    size_t     i;
    ngx_int_t  rc;
    ngx_str_t  utf8;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] >= 0x80) {
            break;
        }
    }

    if (i == value->len) {
        return NGX_OK;
    }

    rc = ngx_paygw_gbk_to_utf8(n->pool, &utf8, value);

    if (rc == NGX_OK) {
        *value = utf8;
        return NGX_OK;
    }

    if (rc == NGX_ABORT) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "a value is not GBK");
    }

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, n->log, 0,
                      "iconv() of this system knows no GBK, channel \"%V\" "
                      "needs the package libc-gconv-modules-extra",
                      &n->channel->name);
    }

    return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                            "no GBK table");
}


ngx_int_t
ngx_paygw_fields_canonical(ngx_pool_t *pool, ngx_str_t *style,
    ngx_paygw_form_t *form, ngx_str_t *text, char **err)
{
    ngx_str_t                       *name;
    ngx_uint_t                       i;
    const ngx_paygw_fields_style_t  *st;

    for (st = ngx_paygw_fields_styles; st->name.len; st++) {
        if (st->name.len == style->len
            && ngx_strncmp(st->name.data, style->data, style->len) == 0)
        {
            break;
        }
    }

    if (st->name.len == 0) {
        *err = "no such style";
        return NGX_DECLINED;
    }

    for (i = 0; i < form->nfields; i++) {
        name = &form->fields[i].name;

        if (name->len == 0 || !ngx_paygw_fields_name(name)) {
            *err = "invalid field name";
            return NGX_ABORT;
        }
    }

    if (ngx_paygw_form_sort(form, err) != NGX_OK) {
        return NGX_ABORT;
    }

    return ngx_paygw_form_canonical(pool, form, (const char **) st->skip,
                                    st->flags, text);
}
