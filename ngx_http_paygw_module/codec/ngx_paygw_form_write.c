
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_form.h"


/* Forms that are made here, and those whose values are not encoded. */


static u_char *ngx_paygw_form_end(u_char *p, u_char *last);


ngx_int_t
ngx_paygw_form_new(ngx_pool_t *pool, ngx_paygw_form_t *form)
{
    form->nfields = 0;
    form->sorted = 0;
    form->fields = ngx_palloc(pool, NGX_PAYGW_FORM_MAX_FIELDS
                                    * sizeof(ngx_paygw_field_t));

    return form->fields ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_paygw_form_add(ngx_paygw_form_t *form, const char *name,
    ngx_str_t *value)
{
    ngx_paygw_field_t  *field;

    if (form->nfields == NGX_PAYGW_FORM_MAX_FIELDS) {
        return NGX_DECLINED;
    }

    field = &form->fields[form->nfields++];
    form->sorted = 0;

    field->name.data = (u_char *) name;
    field->name.len = ngx_strlen(name);
    field->value = *value;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_form_write(ngx_pool_t *pool, ngx_paygw_form_t *form,
    ngx_str_t *out)
{
    u_char             *p;
    size_t              len;
    ngx_uint_t          i;
    ngx_paygw_field_t  *field;

    len = 1;

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

        if (i) {
            *p++ = '&';
        }

        p = ngx_cpymem(p, field->name.data, field->name.len);
        *p++ = '=';
        p = (u_char *) ngx_escape_uri(p, field->value.data, field->value.len,
                                      NGX_ESCAPE_URI_COMPONENT);
    }

    out->len = p - out->data;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_form_raw(ngx_pool_t *pool, ngx_str_t *body, ngx_paygw_form_t *form,
    char **err)
{
    u_char             *p, *eq, *end, *last;
    ngx_paygw_field_t  *field;

    p = body->data;
    last = p + body->len;

    if (body->len > 2 && *p == '{' && last[-1] == '}') {
        p++;
        last--;
    }

    if (p == last || ngx_strlchr(p, last, '\0')) {
        *err = (p == last) ? "empty body" : "NUL in a field";
        return NGX_ABORT;
    }

    if (ngx_paygw_form_new(pool, form) != NGX_OK) {
        return NGX_ERROR;
    }

    for ( ;; ) {

        eq = memchr(p, '=', last - p);

        if (eq == NULL || eq == p || memchr(p, '&', eq - p)) {
            *err = (eq == p) ? "empty field name" : "field without \"=\"";
            return NGX_ABORT;
        }

        if (form->nfields == NGX_PAYGW_FORM_MAX_FIELDS) {
            *err = "too many fields";
            return NGX_ABORT;
        }

        end = ngx_paygw_form_end(eq + 1, last);

        field = &form->fields[form->nfields++];

        field->name.data = p;
        field->name.len = eq - p;
        field->value.data = eq + 1;
        field->value.len = end - field->value.data;

        if (end == last) {
            break;
        }

        p = end + 1;
    }

    return ngx_paygw_form_sort(form, err);
}


/* the "&" after a value, or last: one in braces or brackets belongs to it */

static u_char *
ngx_paygw_form_end(u_char *p, u_char *last)
{
    u_char  *close;

    while (p < last && *p != '&') {

        if (*p == '{' || *p == '[') {

            close = memchr(p, *p == '{' ? '}' : ']', last - p);

            if (close == NULL) {
                return last;
            }

            p = close;
        }

        p++;
    }

    return p;
}
