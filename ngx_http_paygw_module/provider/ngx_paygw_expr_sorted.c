
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_expr.h"


/*
 * Sorted parameters, the way of many gateways: "a=1&b=2".  Nothing in such a
 * string is escaped, so that a value with "&x=" in it makes the same string as
 * two parameters do.  What has two readings is refused.
 */


static ngx_int_t ngx_paygw_expr_members(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_json_t *root, ngx_paygw_field_t **fields, ngx_uint_t *n);
static ngx_uint_t ngx_paygw_expr_wanted(ngx_paygw_expr_sorted_t *opt,
    ngx_paygw_field_t *field);
static ngx_uint_t ngx_paygw_expr_ambiguous(ngx_paygw_expr_sorted_t *opt,
    ngx_paygw_field_t *field, ngx_paygw_field_t *next);
static int ngx_libc_cdecl ngx_paygw_expr_by_bytes(const void *one,
    const void *two);
static int ngx_libc_cdecl ngx_paygw_expr_by_name(const void *one,
    const void *two);
static int ngx_libc_cdecl ngx_paygw_expr_by_name_nocase(const void *one,
    const void *two);
static ngx_int_t ngx_paygw_expr_order(ngx_str_t *one, ngx_str_t *two);


/* sorted(sep, a, b, ...): values alone */

ngx_int_t
ngx_paygw_expr_sorted(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t   rc;
    ngx_str_t   parts[NGX_PAYGW_EXPR_MAX_ARGS];
    ngx_uint_t  i;

    for (i = 0; i < e->nargs; i++) {
        rc = ngx_paygw_expr_eval(ctx, e->args[i], &parts[i]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    ngx_qsort(parts, e->nargs, sizeof(ngx_str_t), ngx_paygw_expr_by_bytes);

    return ngx_paygw_expr_joined(ctx, parts, e->nargs, &e->words[0], value);
}


ngx_int_t
ngx_paygw_expr_sorted_params(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_paygw_expr_sorted_t *opt = e->data;

    ngx_int_t           rc;
    ngx_str_t           parts[4 * NGX_PAYGW_FORM_MAX_FIELDS], none;
    ngx_uint_t          i, n, k;
    ngx_paygw_field_t  *fields;

    rc = ngx_paygw_expr_fields(ctx, e, &fields, &n);
    if (rc != NGX_OK) {
        return rc;
    }

    if (opt->values) {
        for (i = 0; i < n; i++) {
            parts[i] = fields[i].value;
        }

        ngx_qsort(parts, n, sizeof(ngx_str_t), ngx_paygw_expr_by_bytes);

        return ngx_paygw_expr_joined(ctx, parts, n, &opt->sep, value);
    }

    ngx_qsort(fields, n, sizeof(ngx_paygw_field_t),
              opt->nocase ? ngx_paygw_expr_by_name_nocase
                          : ngx_paygw_expr_by_name);

    for (i = 0, k = 0; i < n; i++) {

        if (ngx_paygw_expr_ambiguous(opt, &fields[i],
                                     i + 1 < n ? &fields[i + 1] : NULL))
        {
            return ngx_paygw_refuse(ctx->notify, NGX_ABORT,
                                    NGX_PAYGW_REASON_MALFORMED,
                                    "a signed value holds another parameter");
        }

        if (i) {
            parts[k++] = opt->sep;
        }

        parts[k++] = fields[i].name;
        parts[k++] = opt->pair;
        parts[k++] = fields[i].value;
    }

    ngx_str_null(&none);

    return ngx_paygw_expr_joined(ctx, parts, k, &none, value);
}


/* a list that may be sorted: the document's own is searched later */

ngx_int_t
ngx_paygw_expr_fields(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_paygw_field_t **fields, ngx_uint_t *n)
{
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_paygw_field_t        *all;
    ngx_paygw_expr_sorted_t  *opt;

    rc = ngx_paygw_expr_read(ctx, e->index);
    if (rc != NGX_OK) {
        return rc;
    }

    *fields = ngx_palloc(ctx->notify->pool,
                         NGX_PAYGW_FORM_MAX_FIELDS
                         * sizeof(ngx_paygw_field_t));
    if (*fields == NULL) {
        return ngx_paygw_refuse(ctx->notify, NGX_ERROR,
                                NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    opt = e->data;

    if (ctx->env->docs[e->index].kind == NGX_PAYGW_EXPR_JSON) {

        rc = ngx_paygw_expr_members(ctx, ctx->docs[e->index].root, fields,
                                    &i);
        if (rc != NGX_OK) {
            return rc;
        }

        all = *fields;

    } else {
        all = ctx->docs[e->index].form.fields;
        i = ctx->docs[e->index].form.nfields;
    }

    *n = 0;

    for ( /* void */ ; i; i--, all++) {
        if (ngx_paygw_expr_wanted(opt, all)) {
            (*fields)[(*n)++] = *all;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_expr_members(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_json_t *root,
    ngx_paygw_field_t **fields, ngx_uint_t *n)
{
    ngx_paygw_json_t  *node;

    *n = 0;

    if (root->type != NGX_PAYGW_JSON_OBJECT) {
        goto malformed;
    }

    for (node = root->child; node; node = node->next) {

        if (node->type == NGX_PAYGW_JSON_ARRAY
            || node->type == NGX_PAYGW_JSON_OBJECT)
        {
            goto malformed;
        }

        if (node->type == NGX_PAYGW_JSON_NULL) {
            continue;
        }

        (*fields)[*n].name = node->key;
        (*fields)[*n].value = node->value;
        (*n)++;
    }

    return NGX_OK;

malformed:

    return ngx_paygw_refuse(ctx->notify, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                            "not a flat JSON object");
}


static ngx_uint_t
ngx_paygw_expr_wanted(ngx_paygw_expr_sorted_t *opt, ngx_paygw_field_t *field)
{
    ngx_uint_t  i;

    if (opt->drop_empty && field->value.len == 0) {
        return 0;
    }

    for (i = 0; i < opt->nwithout; i++) {
        if (opt->without[i].len == field->name.len
            && ngx_strncmp(opt->without[i].data, field->name.data,
                           field->name.len)
               == 0)
        {
            return 0;
        }
    }

    return 1;
}


/*
 * Names hold neither separator.  A value may hold "&x=", as the query of an
 * address does, unless a parameter x could stand there: names are in order, so
 * that x would have to come between this one and the next.
 */

static ngx_uint_t
ngx_paygw_expr_ambiguous(ngx_paygw_expr_sorted_t *opt,
    ngx_paygw_field_t *field, ngx_paygw_field_t *next)
{
    int                (*order)(const void *one, const void *two);
    u_char              *p, *start, *last, sep, pair;
    ngx_paygw_field_t    hidden;

    order = opt->nocase ? ngx_paygw_expr_by_name_nocase
                        : ngx_paygw_expr_by_name;

    sep = opt->sep.data[0];
    pair = opt->pair.data[0];

    last = field->name.data + field->name.len;

    if (ngx_strlchr(field->name.data, last, sep)
        || ngx_strlchr(field->name.data, last, pair))
    {
        return 1;
    }

    start = NULL;
    last = field->value.data + field->value.len;

    for (p = field->value.data; p < last; p++) {

        if (*p == sep) {
            start = p + 1;
            continue;
        }

        if (*p != pair || start == NULL) {
            continue;
        }

        hidden.name.data = start;
        hidden.name.len = p - start;

        start = NULL;

        if (order(field, &hidden) < 0
            && (next == NULL || order(&hidden, next) < 0))
        {
            return 1;
        }
    }

    return 0;
}


static int ngx_libc_cdecl
ngx_paygw_expr_by_bytes(const void *one, const void *two)
{
    return (int) ngx_paygw_expr_order((ngx_str_t *) one, (ngx_str_t *) two);
}


static int ngx_libc_cdecl
ngx_paygw_expr_by_name(const void *one, const void *two)
{
    return (int) ngx_paygw_expr_order(&((ngx_paygw_field_t *) one)->name,
                                      &((ngx_paygw_field_t *) two)->name);
}


static int ngx_libc_cdecl
ngx_paygw_expr_by_name_nocase(const void *one, const void *two)
{
    ngx_int_t   rc;
    ngx_str_t  *a, *b;

    a = &((ngx_paygw_field_t *) one)->name;
    b = &((ngx_paygw_field_t *) two)->name;

    rc = ngx_strncasecmp(a->data, b->data, ngx_min(a->len, b->len));

    if (rc == 0) {
        rc = (ngx_int_t) a->len - (ngx_int_t) b->len;
    }

    return (int) (rc ? rc : ngx_paygw_expr_order(a, b));
}


static ngx_int_t
ngx_paygw_expr_order(ngx_str_t *one, ngx_str_t *two)
{
    ngx_int_t  rc;

    rc = ngx_memcmp(one->data, two->data, ngx_min(one->len, two->len));

    return rc ? rc : (ngx_int_t) one->len - (ngx_int_t) two->len;
}
