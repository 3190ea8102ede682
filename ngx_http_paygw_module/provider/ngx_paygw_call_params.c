
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_call.h"
#include "ngx_paygw_json.h"


/*
 * The form of calls that is common among Chinese gateways: parameters in byte
 * order of their names, joined as "name=value&name=value", without the
 * signature and without empty ones.  Parameters of the query and of the body
 * count alike, so that none of either is unsigned.
 */


#define NGX_PAYGW_CALL_NAME_MAX  64


static ngx_int_t ngx_paygw_call_form(ngx_paygw_call_t *call, ngx_str_t *text,
    ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_call_json(ngx_paygw_call_t *call, ngx_str_t *text,
    ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_call_join(ngx_paygw_call_t *call,
    ngx_paygw_form_t *query, ngx_paygw_form_t *body);
static ngx_int_t ngx_paygw_call_names(ngx_paygw_call_t *call,
    ngx_paygw_form_t *form);
static ngx_uint_t ngx_paygw_call_name_valid(u_char *p, u_char *last);
static ngx_int_t ngx_paygw_call_single(ngx_paygw_call_t *call,
    ngx_paygw_form_t *form);
static ngx_uint_t ngx_paygw_call_hides(ngx_str_t *name, ngx_str_t *value,
    ngx_str_t *next);
static ngx_int_t ngx_paygw_call_sign_type(ngx_paygw_call_t *call,
    ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_call_malformed(ngx_paygw_call_t *call, char *err);


ngx_int_t
ngx_paygw_call_parse_params(ngx_paygw_call_t *call, ngx_str_t *query,
    ngx_str_t *body, ngx_uint_t json)
{
    ngx_int_t         rc;
    ngx_paygw_form_t  fields[2];

    ngx_memzero(fields, sizeof(fields));

    rc = ngx_paygw_call_form(call, query, &fields[0]);

    if (rc == NGX_OK) {
        rc = json ? ngx_paygw_call_json(call, body, &fields[1])
                  : ngx_paygw_call_form(call, body, &fields[1]);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_call_join(call, &fields[0], &fields[1]);
    }

    if (rc == NGX_ERROR) {
        call->reason = NGX_PAYGW_REASON_INTERNAL;
    }

    return rc;
}


static ngx_int_t
ngx_paygw_call_form(ngx_paygw_call_t *call, ngx_str_t *text,
    ngx_paygw_form_t *form)
{
    char       *err;
    ngx_int_t   rc;

    if (text->len == 0) {
        return NGX_OK;
    }

    rc = ngx_paygw_form_parse(call->pool, text, form, &err);

    return (rc == NGX_ABORT) ? ngx_paygw_call_malformed(call, err) : rc;
}


/* one flat object; numbers as the text that was sent */

static ngx_int_t
ngx_paygw_call_json(ngx_paygw_call_t *call, ngx_str_t *text,
    ngx_paygw_form_t *form)
{
    char               *err;
    ngx_int_t           rc;
    ngx_uint_t          n;
    ngx_paygw_json_t   *root, *item;

    if (text->len == 0) {
        return NGX_OK;
    }

    rc = ngx_paygw_json_parse(call->pool, text, &root, &err);

    if (rc != NGX_OK) {
        return (rc == NGX_ABORT) ? ngx_paygw_call_malformed(call, err) : rc;
    }

    if (root->type != NGX_PAYGW_JSON_OBJECT) {
        return ngx_paygw_call_malformed(call, "not a flat JSON object");
    }

    n = 0;

    for (item = root->child; item; item = item->next) {

        if (item->type == NGX_PAYGW_JSON_ARRAY
            || item->type == NGX_PAYGW_JSON_OBJECT
            || item->type == NGX_PAYGW_JSON_NULL)
        {
            return ngx_paygw_call_malformed(call, "a value is an array, an "
                                            "object or null");
        }

        n++;
    }

    form->fields = ngx_palloc(call->pool, (n + 1) * sizeof(ngx_paygw_field_t));
    if (form->fields == NULL) {
        return NGX_ERROR;
    }

    for (item = root->child; item; item = item->next) {
        form->fields[form->nfields].name = item->key;
        form->fields[form->nfields++].value = item->value;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_call_join(ngx_paygw_call_t *call, ngx_paygw_form_t *query,
    ngx_paygw_form_t *body)
{
    char              *err;
    ngx_int_t          rc;
    ngx_uint_t         i;
    const char        *skip[NGX_PAYGW_CALL_FIELDS + 2];
    ngx_paygw_form_t   all;

    all.nfields = query->nfields + body->nfields;

    all.fields = ngx_palloc(call->pool,
                            (all.nfields + 1) * sizeof(ngx_paygw_field_t));
    if (all.fields == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < query->nfields; i++) {
        all.fields[i] = query->fields[i];
    }

    for (i = 0; i < body->nfields; i++) {
        all.fields[query->nfields + i] = body->fields[i];
    }

    if (ngx_paygw_form_sort(&all, &err) != NGX_OK) {
        return ngx_paygw_call_malformed(call, err);
    }

    rc = ngx_paygw_call_names(call, &all);

    if (rc == NGX_OK) {
        rc = ngx_paygw_call_single(call, &all);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_call_read(call);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_call_sign_type(call, &all);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    skip[0] = (char *) call->names->name[NGX_PAYGW_CALL_SIGNATURE].data;
    skip[1] = NULL;

    rc = ngx_paygw_form_canonical(call->pool, &all, skip,
                                  NGX_PAYGW_CANON_DROP_EMPTY, &call->text);

    if (rc != NGX_OK || !call->repeats) {
        return rc;
    }

    /* a repetition may be signed by another key, in another way */

    for (i = 0; i < NGX_PAYGW_CALL_FIELDS; i++) {
        skip[i] = (char *) call->names->name[i].data;
    }

    skip[i++] = "sign_type";
    skip[i] = NULL;

    return ngx_paygw_form_canonical(call->pool, &all, skip,
                                    NGX_PAYGW_CANON_DROP_EMPTY,
                                    &call->lasting);
}


/* names that could not be part of another reading, and ours among them */

static ngx_int_t
ngx_paygw_call_names(ngx_paygw_call_t *call, ngx_paygw_form_t *form)
{
    ngx_str_t   *name, *value;
    ngx_uint_t   i;

    for (i = 0; i < form->nfields; i++) {
        name = &form->fields[i].name;

        if (!ngx_paygw_call_name_valid(name->data, name->data + name->len)) {
            return ngx_paygw_call_malformed(call, "invalid field name");
        }
    }

    for (i = 0; i < NGX_PAYGW_CALL_FIELDS; i++) {
        name = (ngx_str_t *) &call->names->name[i];
        value = ngx_paygw_form_get(form, (char *) name->data);

        if (value == NULL) {
            return ngx_paygw_call_refuse(call, NGX_ABORT,
                                         NGX_PAYGW_REASON_MISSING_HEADER,
                                         "no %V", name);
        }

        call->fields[i] = *value;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_paygw_call_name_valid(u_char *p, u_char *last)
{
    if (p == last || last - p > NGX_PAYGW_CALL_NAME_MAX) {
        return 0;
    }

    for ( /* void */ ; p < last; p++) {

        if ((*p < 'a' || *p > 'z') && (*p < 'A' || *p > 'Z')
            && (*p < '0' || *p > '9') && *p != '_' && *p != '-' && *p != '.')
        {
            return 0;
        }
    }

    return 1;
}


/*
 * The joined text must have one reading.  "&name=" inside a value begins
 * another parameter if the order of names allows for one there.
 */

static ngx_int_t
ngx_paygw_call_single(ngx_paygw_call_t *call, ngx_paygw_form_t *form)
{
    ngx_str_t          *next;
    ngx_uint_t          i;
    ngx_paygw_field_t  *field;

    next = NULL;

    for (i = form->nfields; i; i--) {
        field = &form->fields[i - 1];

        if (field->value.len == 0
            || ngx_paygw_form_get(form, (char *)
                              call->names->name[NGX_PAYGW_CALL_SIGNATURE].data)
               == &field->value)
        {
            continue;
        }

        if (ngx_paygw_call_hides(&field->name, &field->value, next)) {
            return ngx_paygw_call_malformed(call,
                                            "a value hides another field");
        }

        next = &field->name;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_paygw_call_hides(ngx_str_t *name, ngx_str_t *value, ngx_str_t *next)
{
    u_char  *p, *eq, *last;

    p = value->data;
    last = value->data + value->len;

    while (p < last && (p = ngx_strlchr(p, last, '&')) != NULL) {
        p++;

        eq = ngx_strlchr(p, last, '=');

        if (eq == NULL) {
            return 0;
        }

        if (ngx_paygw_call_name_valid(p, eq)
            && ngx_memn2cmp(p, name->data, eq - p, name->len) > 0
            && (next == NULL
                || ngx_memn2cmp(p, next->data, eq - p, next->len) < 0))
        {
            return 1;
        }
    }

    return 0;
}


/* it may be there, and then it must say what the signature shows */

static ngx_int_t
ngx_paygw_call_sign_type(ngx_paygw_call_t *call, ngx_paygw_form_t *form)
{
    ngx_str_t  *type;

    static ngx_str_t  types[] = {
        ngx_string("HMAC-SHA256"),
        ngx_string("MD5"),
        ngx_null_string
    };

    type = ngx_paygw_form_get(form, "sign_type");

    if (type == NULL || types[call->kind].len == 0) {
        return NGX_OK;
    }

    if (type->len != types[call->kind].len
        || ngx_strncmp(type->data, types[call->kind].data, type->len) != 0)
    {
        return ngx_paygw_call_refuse(call, NGX_DECLINED,
                                     NGX_PAYGW_REASON_SIGN_TYPE,
                                     "sign_type is not %V, as the signature "
                                     "shows", &types[call->kind]);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_call_malformed(ngx_paygw_call_t *call, char *err)
{
    ngx_paygw_reason_e  reason;

    /* both readers begin with this word, and no other phrase of them does */

    reason = (ngx_strncmp(err, "duplicate", sizeof("duplicate") - 1) == 0)
             ? NGX_PAYGW_REASON_DUPLICATE_FIELD : NGX_PAYGW_REASON_MALFORMED;

    return ngx_paygw_call_refuse(call, NGX_ABORT, reason, "%s", err);
}
