
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic_call.h"
#include "ngx_paygw_text.h"
#include "ngx_paygw_xml.h"


/*
 * Values that are put into a request.  The caller's bytes around them stay as
 * they are; in XML the document is a new one.
 */


static ngx_int_t ngx_paygw_generic_edit_header(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value);
static ngx_uint_t ngx_paygw_generic_controls(ngx_str_t *value);
static ngx_int_t ngx_paygw_generic_edit_query(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value);
static ngx_int_t ngx_paygw_generic_edit_form(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value);
static ngx_int_t ngx_paygw_generic_pairs(ngx_paygw_exchange_t *x,
    ngx_str_t *text, ngx_str_t *name, ngx_str_t *value, ngx_str_t *out);
static ngx_uint_t ngx_paygw_generic_named(u_char *p, u_char *last,
    ngx_str_t *name);
static ngx_int_t ngx_paygw_generic_edit_json(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value);
static ngx_int_t ngx_paygw_generic_member(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value, ngx_str_t *text);
static ngx_int_t ngx_paygw_generic_edit_xml(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value);


ngx_int_t
ngx_paygw_generic_edit(ngx_paygw_exchange_t *x, ngx_paygw_generic_set_t *set,
    ngx_str_t *value)
{
    switch (set->place) {

    case NGX_PAYGW_GENERIC_HEADER:
        return ngx_paygw_generic_edit_header(x, set, value);

    case NGX_PAYGW_GENERIC_QUERY:
        return ngx_paygw_generic_edit_query(x, set, value);

    case NGX_PAYGW_GENERIC_FORM:
        return ngx_paygw_generic_edit_form(x, set, value);

    case NGX_PAYGW_GENERIC_JSON:
        return ngx_paygw_generic_edit_json(x, set, value);

    default: /* NGX_PAYGW_GENERIC_XML */
        return ngx_paygw_generic_edit_xml(x, set, value);
    }
}


static ngx_int_t
ngx_paygw_generic_edit_header(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] > 0x7e) {
            break;
        }
    }

    if (i < value->len || ngx_paygw_generic_controls(value)) {
        return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "the value of \"%V\" cannot stand in a "
                                     "header", &set->name);
    }

    if (ngx_paygw_exchange_add(x, (char *) set->name.data,
                               (char *) set->lowcase, value)
        != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_paygw_generic_controls(ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < 0x20) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_paygw_generic_edit_query(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value)
{
    u_char     *p, *last;
    ngx_int_t   rc;
    ngx_str_t   path, args, made;

    path = x->target;
    last = path.data + path.len;

    p = ngx_strlchr(path.data, last, '?');

    if (p) {
        args.data = p + 1;
        args.len = last - args.data;
        path.len = p - path.data;

    } else {
        ngx_str_null(&args);
    }

    rc = ngx_paygw_generic_pairs(x, &args, &set->name, value, &made);
    if (rc != NGX_OK) {
        return rc;
    }

    x->target.len = path.len + 1 + made.len;

    p = ngx_pnalloc(x->n.pool, x->target.len);
    if (p == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    x->target.data = p;
    (void) ngx_sprintf(p, "%V?%V", &path, &made);

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_edit_form(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value)
{
    if (!ngx_paygw_exchange_type(x, "application/x-www-form-urlencoded")) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_CONTENT_TYPE,
                                "the body must be a form");
    }

    return ngx_paygw_generic_pairs(x, &x->body, &set->name, value, &x->body);
}


/* "a=b&c=d" without one of a name, and with it at the end */

static ngx_int_t
ngx_paygw_generic_pairs(ngx_paygw_exchange_t *x, ngx_str_t *text,
    ngx_str_t *name, ngx_str_t *value, ngx_str_t *out)
{
    u_char  *p, *end, *last, *dst, *start;

    start = ngx_pnalloc(x->n.pool, text->len + name->len + 3 * value->len + 3);
    if (start == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    dst = start;

    /* a text that is empty may be nowhere */

    p = text->len ? text->data : start;
    last = p + text->len;

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');

        if (end == NULL) {
            end = last;
        }

        if (end == p || ngx_paygw_generic_named(p, end, name)) {
            continue;
        }

        dst = ngx_cpymem(dst, p, end - p);
        *dst++ = '&';
    }

    dst = ngx_cpymem(dst, name->data, name->len);
    *dst++ = '=';
    dst = (u_char *) ngx_escape_uri(dst, value->data, value->len,
                                    NGX_ESCAPE_URI_COMPONENT);

    out->data = start;
    out->len = dst - start;

    return NGX_OK;
}


/* 1 if a pair has a name, however it is encoded */

static ngx_uint_t
ngx_paygw_generic_named(u_char *p, u_char *last, ngx_str_t *name)
{
    u_char     c;
    size_t     i;
    ngx_int_t  hex;

    for (i = 0; p < last && *p != '='; i++) {

        c = (*p == '+') ? ' ' : *p;

        if (*p == '%' && last - p > 2) {
            hex = ngx_hextoi(p + 1, 2);

            if (hex != NGX_ERROR) {
                c = (u_char) hex;
                p += 2;
            }
        }

        p++;

        if (i == name->len || name->data[i] != c) {
            return 0;
        }
    }

    return i == name->len;
}


static ngx_int_t
ngx_paygw_generic_edit_json(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value)
{
    char              *err;
    u_char            *p;
    ngx_int_t          rc;
    ngx_str_t          text, head, tail, raw;
    ngx_paygw_json_t  *root;

    rc = ngx_paygw_json_parse(x->n.pool, &x->body, &root, &err);

    if (rc == NGX_ERROR) {
        return ngx_paygw_exchange_broken(x);
    }

    if (rc != NGX_OK || root->type != NGX_PAYGW_JSON_OBJECT) {
        return ngx_paygw_exchange_wrong(x, "the body must be a JSON object");
    }

    rc = ngx_paygw_generic_member(x, set, value, &text);
    if (rc != NGX_OK) {
        return rc;
    }

    head = x->body;

    if (ngx_paygw_json_get(root, (char *) set->name.data) == NULL) {

        /* behind the brace: there is one, the text is an object */

        p = ngx_strlchr(head.data, head.data + head.len, '{') + 1;

        tail.data = p;
        tail.len = head.data + head.len - p;
        head.len = p - head.data;

        p = ngx_pnalloc(x->n.pool, x->body.len + set->name.len + text.len
                                   + sizeof("\"\":,"));
        if (p == NULL) {
            return ngx_paygw_exchange_broken(x);
        }

        x->body.data = p;
        p = ngx_sprintf(p, "%V\"%V\":%V%s%V", &head, &set->name, &text,
                        root->child ? "," : "", &tail);
        x->body.len = p - x->body.data;

        return NGX_OK;
    }

    /* a name that was sent with an escape is found by no signature */

    if (ngx_paygw_json_raw(&x->body, (char *) set->name.data, &raw)
        != NGX_OK)
    {
        return ngx_paygw_exchange_wrong(x, "a name in the body is escaped");
    }

    tail.data = raw.data + raw.len;
    tail.len = head.data + head.len - tail.data;
    head.len = raw.data - head.data;

    p = ngx_pnalloc(x->n.pool, head.len + text.len + tail.len);
    if (p == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    x->body.data = p;
    p = ngx_sprintf(p, "%V%V%V", &head, &text, &tail);
    x->body.len = p - x->body.data;

    return NGX_OK;
}


/* a value as JSON has it */

static ngx_int_t
ngx_paygw_generic_member(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value, ngx_str_t *text)
{
    size_t  i;

    if (set->number) {

        for (i = 0; i < value->len; i++) {
            if (value->data[i] < '0' || value->data[i] > '9') {
                break;
            }
        }

        if (i == 0 || i < value->len
            || (value->len > 1 && value->data[0] == '0'))
        {
            return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                         NGX_PAYGW_REASON_MALFORMED,
                                         "the value of \"%V\" is no number",
                                         &set->name);
        }

        *text = *value;

        return NGX_OK;
    }

    if (!ngx_paygw_utf8_valid(value)) {
        return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "the value of \"%V\" is not UTF-8",
                                     &set->name);
    }

    text->len = ngx_paygw_json_string_len(value);
    text->data = ngx_pnalloc(x->n.pool, text->len);

    if (text->data == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    (void) ngx_paygw_json_write_string(text->data, value, text->len);

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_edit_xml(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_set_t *set, ngx_str_t *value)
{
    char                      *err;
    const char                *root;
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_paygw_form_t           old, form;
    ngx_paygw_generic_call_t  *call;

    call = ((ngx_paygw_generic_conf_t *) x->n.channels[0]->conf)->call;
    root = (const char *) call->env.xml_root.data;

    if (!ngx_paygw_utf8_valid(value) || ngx_paygw_generic_controls(value)) {
        return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "the value of \"%V\" cannot stand in XML",
                                     &set->name);
    }

    rc = ngx_paygw_xml_parse(x->n.pool, &x->body, root, &old, &err);

    if (rc == NGX_ABORT) {
        return ngx_paygw_exchange_wrong(x, "the body must be flat XML");
    }

    if (rc != NGX_OK || ngx_paygw_form_new(x->n.pool, &form) != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    ngx_memcpy(form.fields, old.fields,
               old.nfields * sizeof(ngx_paygw_field_t));
    form.nfields = old.nfields;

    for (i = 0; i < form.nfields; i++) {
        if (form.fields[i].name.len == set->name.len
            && ngx_strncmp(form.fields[i].name.data, set->name.data,
                           set->name.len)
               == 0)
        {
            form.fields[i].value = *value;
            break;
        }
    }

    if (i == form.nfields
        && ngx_paygw_form_add(&form, (char *) set->name.data, value)
           != NGX_OK)
    {
        return ngx_paygw_exchange_wrong(x, "the body has too many fields");
    }

    if (ngx_paygw_xml_write(x->n.pool, root, &form, &x->body) != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    return NGX_OK;
}
