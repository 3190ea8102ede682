
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_expr.h"


/* Questions about compiled expressions. */


const ngx_paygw_expr_op_t *
ngx_paygw_expr_op(const char *name)
{
    const ngx_paygw_expr_op_t  *op;

    for (op = ngx_paygw_expr_ops; op->name.len; op++) {
        if (ngx_strcmp(op->name.data, name) == 0) {
            return op;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_paygw_expr_is(ngx_paygw_expr_t *e, const char *name)
{
    return e->op->name.len && ngx_strcmp(e->op->name.data, name) == 0;
}


ngx_paygw_expr_t *
ngx_paygw_expr_string(ngx_conf_t *cf, ngx_str_t *text)
{
    ngx_paygw_expr_t  *e;

    e = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_expr_t) + sizeof(ngx_str_t));
    if (e == NULL) {
        return NULL;
    }

    e->op = &ngx_paygw_expr_const;
    e->words = (ngx_str_t *) (e + 1);
    e->words[0] = *text;
    e->nwords = 1;

    return e;
}


char *
ngx_paygw_expr_pointer(ngx_conf_t *cf, ngx_str_t *text,
    ngx_paygw_expr_pointer_t **pointer)
{
    u_char                    *p, *last, *dst;
    ngx_uint_t                 n;
    ngx_paygw_expr_pointer_t  *ptr;

    *pointer = NULL;

    n = 0;
    last = text->data + text->len;

    for (p = text->data; p < last; p++) {

        n += (*p == '/');

        if (n == 0) {
            return "a pointer begins with \"/\"";
        }

        if (*p == '~' && (p + 1 == last || (p[1] != '0' && p[1] != '1'))) {
            return "in a pointer \"~\" is \"~0\" and \"/\" is \"~1\"";
        }
    }

    if (n > NGX_PAYGW_JSON_MAX_DEPTH) {
        return "the pointer is too deep";
    }

    ptr = ngx_palloc(cf->pool, sizeof(ngx_paygw_expr_pointer_t)
                               + n * sizeof(ngx_str_t) + text->len + 1);
    if (ptr == NULL) {
        return NULL;
    }

    ptr->n = n;
    ptr->tokens = (ngx_str_t *) (ptr + 1);

    /* each token takes the place of its "/" and ends with a NUL */

    dst = (u_char *) (ptr->tokens + n);
    n = 0;

    for (p = text->data; p < last; p++) {

        if (*p != '/') {

            if (*p == '~') {
                p++;
                *dst++ = (*p == '0') ? '~' : '/';

            } else {
                *dst++ = *p;
            }

            ptr->tokens[n - 1].len++;
            continue;
        }

        if (n) {
            *dst++ = '\0';
        }

        ptr->tokens[n].data = dst;
        ptr->tokens[n].len = 0;
        n++;
    }

    *dst = '\0';

    *pointer = ptr;

    return NULL;
}


ngx_int_t
ngx_paygw_expr_doc(ngx_paygw_expr_env_t *env, ngx_paygw_expr_doc_e kind,
    ngx_paygw_expr_t *text, ngx_uint_t *index)
{
    ngx_uint_t             i;
    ngx_paygw_expr_doc_t  *doc;

    doc = env->docs;

    for (i = 0; i < env->ndocs; i++) {
        if (doc[i].kind == kind
            && (kind == NGX_PAYGW_EXPR_ITEM
                || ngx_paygw_expr_same(doc[i].text, text)))
        {
            *index = i;
            return NGX_OK;
        }
    }

    if (i == NGX_PAYGW_EXPR_MAX_DOCS) {
        return NGX_ERROR;
    }

    doc[i].kind = kind;
    doc[i].text = text;

    env->ndocs++;
    *index = i;

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_expr_same(ngx_paygw_expr_t *a, ngx_paygw_expr_t *b)
{
    ngx_uint_t  i;

    if (a == b) {
        return 1;
    }

    if (a->op != b->op || a->index != b->index || a->nargs != b->nargs
        || a->nwords != b->nwords
        || a->op->eval == ngx_paygw_expr_sorted_params)
    {
        return 0;
    }

    for (i = 0; i < a->nwords; i++) {
        if (a->words[i].len != b->words[i].len
            || ngx_strncmp(a->words[i].data, b->words[i].data,
                           a->words[i].len) != 0)
        {
            return 0;
        }
    }

    for (i = 0; i < a->nargs; i++) {
        if (!ngx_paygw_expr_same(a->args[i], b->args[i])) {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_paygw_expr_uses(ngx_paygw_expr_t *e, const char *name)
{
    ngx_uint_t  i;

    if (ngx_paygw_expr_is(e, name)) {
        return 1;
    }

    for (i = 0; i < e->nargs; i++) {
        if (ngx_paygw_expr_uses(e->args[i], name)) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_paygw_expr_list(ngx_paygw_expr_t *e)
{
    ngx_uint_t  i;

    if (e->op->eval == ngx_paygw_expr_param && e->index == 3) {
        return 1;
    }

    for (i = 0; i < e->nargs; i++) {
        if (ngx_paygw_expr_list(e->args[i])) {
            return 1;
        }
    }

    return 0;
}
