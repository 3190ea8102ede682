
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_expr.h"
#include "ngx_paygw_xml.h"


/* What a message has: its parts, and the documents in them. */


static ngx_int_t ngx_paygw_expr_entry(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *text, ngx_str_t *value);
static ngx_uint_t ngx_paygw_expr_pair(ngx_paygw_expr_t *e, u_char *p,
    u_char *last, ngx_str_t *value);
static ngx_int_t ngx_paygw_expr_parse_doc(ngx_paygw_expr_ctx_t *ctx,
    ngx_uint_t index, ngx_str_t *text, char **err);
static ngx_paygw_json_t *ngx_paygw_expr_element(ngx_paygw_json_t *array,
    ngx_str_t *token);


ngx_int_t
ngx_paygw_expr_body(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    *value = ctx->notify->msg.body;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_expr_method(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    *value = ctx->notify->msg.method;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_expr_target(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    *value = ctx->notify->msg.target;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_expr_path(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    u_char     *p;
    ngx_str_t  *target;

    target = &ctx->notify->msg.target;

    *value = *target;

    p = ngx_strlchr(target->data, target->data + target->len, '?');

    if (p) {
        value->len = p - target->data;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_expr_query(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    u_char     *p, *last;
    ngx_str_t  *target;

    target = &ctx->notify->msg.target;
    last = target->data + target->len;

    p = ngx_strlchr(target->data, last, '?');

    if (p == NULL) {
        ngx_str_set(value, "");
        return NGX_OK;
    }

    value->data = p + 1;
    value->len = last - value->data;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_expr_url(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    *value = ctx->env->url;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_expr_secret(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    *value = ctx->secret;

    return NGX_OK;
}


/* that it is there once was looked at before all else */

ngx_int_t
ngx_paygw_expr_header(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    *value = ctx->notify->msg.headers[e->index];

    return value->data ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_paygw_expr_param(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    rc = ngx_paygw_expr_eval(ctx, e->args[0], &text);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_paygw_expr_entry(ctx, e, &text, value);
}


/* e->index: 0 exactly one, 1 the first, 2 the last, 3 each in its turn */

static ngx_int_t
ngx_paygw_expr_entry(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *text, ngx_str_t *value)
{
    u_char      *p, *end, *last;
    ngx_str_t    entry;
    ngx_uint_t   n;

    n = 0;
    p = text->data;
    last = p + text->len;

    for ( ;; ) {
        end = ngx_strlchr(p, last, e->words[0].data[0]);
        if (end == NULL) {
            end = last;
        }

        if (ngx_paygw_expr_pair(e, p, end, &entry)) {

            if (n == 0 || e->index == 2 || (e->index == 3 && n == ctx->skip)) {
                *value = entry;
            }

            n++;

            if (e->index == 1 || (e->index == 3 && n > ctx->skip)) {
                break;
            }
        }

        if (end == last) {
            break;
        }

        p = end + 1;
    }

    if (e->index == 0 && n > 1) {
        return ngx_paygw_refuse(ctx->notify, NGX_ABORT,
                                NGX_PAYGW_REASON_DUPLICATE_FIELD,
                                "a header field holds a name twice");
    }

    if (e->index == 3) {
        ctx->found = n > ctx->skip;
        return ctx->found ? NGX_OK : NGX_DECLINED;
    }

    return n ? NGX_OK : NGX_DECLINED;
}


/* one entry "name=value" or "name="value"", spaces around it: 1 if it is it */

static ngx_uint_t
ngx_paygw_expr_pair(ngx_paygw_expr_t *e, u_char *p, u_char *last,
    ngx_str_t *value)
{
    u_char     *kv;
    ngx_str_t  *name;

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (p < last && (last[-1] == ' ' || last[-1] == '\t')) {
        last--;
    }

    name = &e->words[2];

    kv = ngx_strlchr(p, last, e->words[1].data[0]);

    if (kv == NULL || (size_t) (kv - p) != name->len
        || ngx_strncmp(p, name->data, name->len) != 0)
    {
        return 0;
    }

    p = kv + 1;

    if (last - p >= 2 && *p == '"' && last[-1] == '"') {
        p++;
        last--;
    }

    value->data = p;
    value->len = last - p;

    return 1;
}


ngx_int_t
ngx_paygw_expr_field(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t   rc;
    ngx_str_t  *field;

    rc = ngx_paygw_expr_read(ctx, e->index);
    if (rc != NGX_OK) {
        return rc;
    }

    field = ngx_paygw_form_get(&ctx->docs[e->index].form, e->data);

    if (field == NULL) {
        return NGX_DECLINED;
    }

    *value = *field;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_expr_json(ngx_paygw_expr_ctx_t *ctx, ngx_paygw_expr_t *e,
    ngx_str_t *value)
{
    ngx_int_t          rc;
    ngx_paygw_json_t  *node;

    rc = ngx_paygw_expr_read(ctx, e->index);
    if (rc != NGX_OK) {
        return rc;
    }

    node = ngx_paygw_expr_follow(ctx->docs[e->index].root, e->data);

    if (node == NULL || node->type == NGX_PAYGW_JSON_NULL) {
        return NGX_DECLINED;
    }

    if (node->type == NGX_PAYGW_JSON_ARRAY
        || node->type == NGX_PAYGW_JSON_OBJECT)
    {
        return ngx_paygw_refuse(ctx->notify, NGX_ABORT,
                                NGX_PAYGW_REASON_MALFORMED,
                                "an array or object where a value is meant");
    }

    *value = node->value;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_expr_read(ngx_paygw_expr_ctx_t *ctx, ngx_uint_t index)
{
    char                  *err;
    ngx_int_t              rc;
    ngx_str_t              text;
    ngx_paygw_notify_t    *n;
    ngx_paygw_expr_doc_t  *doc;

    n = ctx->notify;
    doc = &ctx->env->docs[index];

    if (doc->kind == NGX_PAYGW_EXPR_ITEM) {
        ctx->docs[index].root = ctx->item;
        return NGX_OK;
    }

    if (ctx->docs[index].ready) {
        return NGX_OK;
    }

    rc = ngx_paygw_expr_eval(ctx, doc->text, &text);

    if (rc == NGX_ABORT || rc == NGX_ERROR) {
        return rc;
    }

    if (rc == NGX_DECLINED) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "no document where one is meant");
    }

    err = NULL;
    rc = ngx_paygw_expr_parse_doc(ctx, index, &text, &err);

    if (rc != NGX_OK) {
        return ngx_paygw_refuse_parse(n, rc, err);
    }

    ctx->docs[index].ready = 1;
    ctx->docs[index].text = text;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_expr_parse_doc(ngx_paygw_expr_ctx_t *ctx, ngx_uint_t index,
    ngx_str_t *text, char **err)
{
    ngx_pool_t        *pool;
    ngx_paygw_form_t  *form;

    pool = ctx->notify->pool;
    form = &ctx->docs[index].form;

    switch (ctx->env->docs[index].kind) {

    case NGX_PAYGW_EXPR_FORM:

        if (text->len == 0) {
            ngx_memzero(form, sizeof(ngx_paygw_form_t));
            return NGX_OK;
        }

        return ngx_paygw_form_parse(pool, text, form, err);

    case NGX_PAYGW_EXPR_XML:
        return ngx_paygw_xml_parse(pool, text,
                                   (const char *) ctx->env->xml_root.data,
                                   form, err);

    default: /* NGX_PAYGW_EXPR_JSON */
        return ngx_paygw_json_parse(pool, text, &ctx->docs[index].root, err);
    }
}


ngx_paygw_json_t *
ngx_paygw_expr_follow(ngx_paygw_json_t *root,
    ngx_paygw_expr_pointer_t *pointer)
{
    ngx_uint_t  i;

    for (i = 0; root && i < pointer->n; i++) {

        if (root->type == NGX_PAYGW_JSON_ARRAY) {
            root = ngx_paygw_expr_element(root, &pointer->tokens[i]);

        } else {
            root = ngx_paygw_json_get(root,
                                      (const char *) pointer->tokens[i].data);
        }
    }

    return root;
}


static ngx_paygw_json_t *
ngx_paygw_expr_element(ngx_paygw_json_t *array, ngx_str_t *token)
{
    ngx_int_t          i;
    ngx_paygw_json_t  *node;

    i = ngx_atoi(token->data, token->len);

    if (i == NGX_ERROR || (token->len > 1 && token->data[0] == '0')) {
        return NULL;
    }

    for (node = array->child; node && i; i--) {
        node = node->next;
    }

    return node;
}


ngx_int_t
ngx_paygw_expr_room(ngx_paygw_expr_ctx_t *ctx, size_t len, ngx_str_t *value)
{
    if (len > ctx->room) {
        return ngx_paygw_refuse(ctx->notify, NGX_ABORT,
                                NGX_PAYGW_REASON_MALFORMED,
                                "a value is too long");
    }

    ctx->room -= len;

    value->len = len;
    value->data = ngx_pnalloc(ctx->notify->pool, len);

    if (value->data == NULL) {
        return ngx_paygw_refuse(ctx->notify, NGX_ERROR,
                                NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    return NGX_OK;
}
