
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_expr_parse.h"
#include "ngx_paygw_aead.h"


/* What the words of an operation mean: settled while it is compiled. */


static ngx_int_t ngx_paygw_expr_bind_header(ngx_paygw_expr_parser_t *ps,
    ngx_paygw_expr_t *e);
static ngx_int_t ngx_paygw_expr_bind_param(ngx_paygw_expr_parser_t *ps,
    ngx_paygw_expr_t *e);
static ngx_int_t ngx_paygw_expr_bind_doc(ngx_paygw_expr_parser_t *ps,
    ngx_paygw_expr_t *e);
static ngx_int_t ngx_paygw_expr_option(ngx_paygw_expr_parser_t *ps,
    ngx_paygw_expr_sorted_t *opt);
static ngx_int_t ngx_paygw_expr_without(ngx_paygw_expr_parser_t *ps,
    ngx_paygw_expr_sorted_t *opt);


#define ngx_paygw_expr_name(s, literal)                                       \
    ((s)->len == sizeof(literal) - 1                                          \
     && ngx_strncmp((s)->data, literal, sizeof(literal) - 1) == 0)


ngx_int_t
ngx_paygw_expr_bind(ngx_paygw_expr_parser_t *ps, ngx_paygw_expr_t *e)
{
    char  *err;

    if (e->op->eval == ngx_paygw_expr_header) {
        return ngx_paygw_expr_bind_header(ps, e);
    }

    if (e->op->eval == ngx_paygw_expr_param) {
        return ngx_paygw_expr_bind_param(ps, e);
    }

    if (e->op->eval == ngx_paygw_expr_json
        || e->op->eval == ngx_paygw_expr_field)
    {
        return ngx_paygw_expr_bind_doc(ps, e);
    }

    if (e->op->eval == ngx_paygw_expr_now
        || e->op->eval == ngx_paygw_expr_nonce
        || e->op->eval == ngx_paygw_expr_made)
    {
        err = ngx_paygw_expr_bind_made(e);
        return err ? ngx_paygw_expr_fail(ps, err) : NGX_OK;
    }

    if (ngx_paygw_expr_is(e, "urlencode")) {

        if (e->nwords == 0 || ngx_paygw_expr_name(&e->words[0], "rfc3986")) {
            return NGX_OK;
        }

        if (ngx_paygw_expr_name(&e->words[0], "form")) {
            e->index = 1;
            return NGX_OK;
        }

        return ngx_paygw_expr_fail(ps, "\"rfc3986\" or \"form\" is expected");
    }

    if (ngx_paygw_expr_is(e, "aes_256_gcm")
        && ps->env->decrypt_key.len != NGX_PAYGW_GCM_KEY_LEN)
    {
        return ngx_paygw_expr_fail(ps, "aes_256_gcm() needs a \"decrypt_key\" "
                                   "of 32 bytes in front of it");
    }

    if (ngx_paygw_expr_is(e, "url_configured") && ps->env->url.len == 0) {
        return ngx_paygw_expr_fail(ps, "url_configured needs \"url\" in "
                                   "front of it");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_expr_bind_header(ngx_paygw_expr_parser_t *ps, ngx_paygw_expr_t *e)
{
    u_char                *p, c;
    ngx_str_t             *name;
    ngx_uint_t             i;
    ngx_paygw_expr_env_t  *env;

    env = ps->env;
    name = &e->words[0];

    p = ngx_pnalloc(ps->cf->pool, name->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(p, name->data, name->len);
    p[name->len] = '\0';

    name->data = p;

    for (i = 0; i < name->len; i++) {
        c = p[i];

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-'
            && c != '_')
        {
            return ngx_paygw_expr_fail(ps, "invalid name of a header field");
        }
    }

    if (name->len == 0) {
        return ngx_paygw_expr_fail(ps, "invalid name of a header field");
    }

    for (i = 0; i < env->nheaders; i++) {
        if (env->headers[i].len == name->len
            && ngx_strncmp(env->headers[i].data, p, name->len) == 0)
        {
            break;
        }
    }

    if (i == NGX_PAYGW_MAX_HEADERS) {
        return ngx_paygw_expr_fail(ps, "too many header fields");
    }

    if (i == env->nheaders) {
        env->headers[i] = *name;
        env->nheaders++;
    }

    if (!ps->optional) {
        env->required |= (ngx_uint_t) 1 << i;
    }

    e->index = i;

    return NGX_OK;
}


/*
 * header_param(NAME, ...) is param(header(NAME), ...): both become the same
 * node, so that they are known as the same value
 */

static ngx_int_t
ngx_paygw_expr_bind_param(ngx_paygw_expr_parser_t *ps, ngx_paygw_expr_t *e)
{
    ngx_uint_t         i;
    ngx_paygw_expr_t  *header;

    static const char  *modes[] = { "one", "first", "last", "all", NULL };

    if (e->nargs == 0) {

        header = ngx_paygw_expr_node(ps, ngx_paygw_expr_op("header"));
        if (header == NULL) {
            return NGX_ERROR;
        }

        header->words = e->words;
        header->nwords = 1;

        if (ngx_paygw_expr_bind_header(ps, header) != NGX_OK) {
            return NGX_ERROR;
        }

        e->args = ngx_palloc(ps->cf->pool, sizeof(ngx_paygw_expr_t *));
        if (e->args == NULL) {
            return NGX_ERROR;
        }

        e->op = ngx_paygw_expr_op("param");
        e->args[0] = header;
        e->nargs = 1;
        e->words++;
        e->nwords--;
    }

    if (e->words[0].len != 1 || e->words[1].len != 1) {
        return ngx_paygw_expr_fail(ps, "separators are one character each");
    }

    if (e->nwords == 3) {
        return NGX_OK;
    }

    for (i = 0; modes[i]; i++) {
        if (e->words[3].len == ngx_strlen(modes[i])
            && ngx_strncmp(e->words[3].data, modes[i], e->words[3].len) == 0)
        {
            e->index = i;
            e->nwords = 3;
            return NGX_OK;
        }
    }

    return ngx_paygw_expr_fail(ps, "\"one\", \"first\", \"last\" or \"all\" "
                               "is expected");
}


static ngx_int_t
ngx_paygw_expr_bind_doc(ngx_paygw_expr_parser_t *ps, ngx_paygw_expr_t *e)
{
    char                      *err;
    ngx_paygw_expr_t          *text;
    ngx_paygw_expr_doc_e       kind;
    ngx_paygw_expr_pointer_t  *pointer;

    kind = (ngx_paygw_expr_doc_e) (uintptr_t) e->op->data;
    text = NULL;

    if (ngx_paygw_expr_is(e, "plain")) {

        text = ps->env->decrypt;

        if (text == NULL) {
            return ngx_paygw_expr_fail(ps, "plain() needs \"decrypt\" in "
                                       "front of it");
        }

    } else if (e->nargs) {
        text = e->args[0];

    } else if (kind != NGX_PAYGW_EXPR_ITEM
               && ngx_paygw_expr_text_of(ps, ngx_paygw_expr_is(e, "query")
                                             ? "query_raw" : "body", &text)
                  != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_paygw_expr_doc(ps->env, kind, text, &e->index) != NGX_OK) {
        return ngx_paygw_expr_fail(ps, "too many documents");
    }

    if (e->op->eval == ngx_paygw_expr_field) {

        if (e->words[0].len == 0) {
            return ngx_paygw_expr_fail(ps, "a name is expected");
        }

        e->data = ngx_pnalloc(ps->cf->pool, e->words[0].len + 1);
        if (e->data == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_cpystrn(e->data, e->words[0].data, e->words[0].len + 1);

        return NGX_OK;
    }

    err = ngx_paygw_expr_pointer(ps->cf, &e->words[0], &pointer);

    if (err) {
        return ngx_paygw_expr_fail(ps, err);
    }

    e->data = pointer;

    return pointer ? NGX_OK : NGX_ERROR;
}


/* sorted_params(form, without(sign), drop_empty, ...) */

ngx_int_t
ngx_paygw_expr_bind_sorted(ngx_paygw_expr_parser_t *ps, ngx_paygw_expr_t *e)
{
    ngx_str_t                 word;
    ngx_paygw_expr_t         *text;
    ngx_paygw_expr_doc_e      kind;
    ngx_paygw_expr_sorted_t  *opt;

    opt = ngx_pcalloc(ps->cf->pool, sizeof(ngx_paygw_expr_sorted_t));
    if (opt == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&opt->sep, "&");
    ngx_str_set(&opt->pair, "=");

    e->data = opt;

    if (ngx_paygw_expr_word(ps, &word) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_paygw_expr_name(&word, "form")
        || ngx_paygw_expr_name(&word, "query"))
    {
        kind = NGX_PAYGW_EXPR_FORM;

    } else if (ngx_paygw_expr_name(&word, "xml")) {
        kind = NGX_PAYGW_EXPR_XML;

    } else if (ngx_paygw_expr_name(&word, "json")) {
        kind = NGX_PAYGW_EXPR_JSON;

    } else {
        return ngx_paygw_expr_fail(ps, "\"form\", \"xml\", \"json\" or "
                                   "\"query\" is expected");
    }

    if (ngx_paygw_expr_text_of(ps, word.data[0] == 'q' ? "query_raw" : "body",
                               &text)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_paygw_expr_doc(ps->env, kind, text, &e->index) != NGX_OK) {
        return ngx_paygw_expr_fail(ps, "too many documents");
    }

    while (ngx_paygw_expr_next(ps, ',')) {
        if (ngx_paygw_expr_option(ps, opt) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (!ngx_paygw_expr_next(ps, ')')) {
        ps->at = ps->pos;
        return ngx_paygw_expr_fail(ps, "\",\" or \")\" is expected");
    }

    if (!opt->values && (opt->sep.len != 1 || opt->pair.len != 1)) {
        return ngx_paygw_expr_fail(ps, "sep() and pair() are one character "
                                   "each");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_expr_option(ngx_paygw_expr_parser_t *ps,
    ngx_paygw_expr_sorted_t *opt)
{
    ngx_str_t  word, *value;

    if (ngx_paygw_expr_word(ps, &word) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_paygw_expr_name(&word, "drop_empty")) {
        opt->drop_empty = 1;
        return NGX_OK;
    }

    if (ngx_paygw_expr_name(&word, "values")) {
        opt->values = 1;
        return NGX_OK;
    }

    if (ngx_paygw_expr_name(&word, "nocase")) {
        opt->nocase = 1;
        return NGX_OK;
    }

    if (ngx_paygw_expr_name(&word, "without")) {
        return ngx_paygw_expr_without(ps, opt);
    }

    if (ngx_paygw_expr_name(&word, "sep")) {
        value = &opt->sep;

    } else if (ngx_paygw_expr_name(&word, "pair")) {
        value = &opt->pair;

    } else {
        return ngx_paygw_expr_fail(ps, "unknown option of sorted_params()");
    }

    if (!ngx_paygw_expr_next(ps, '(')) {
        return ngx_paygw_expr_fail(ps, "\"(\" is expected");
    }

    ngx_paygw_expr_space(ps);

    if (ngx_paygw_expr_quoted(ps, value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ngx_paygw_expr_next(ps, ')')) {
        return ngx_paygw_expr_fail(ps, "\")\" is expected");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_expr_without(ngx_paygw_expr_parser_t *ps,
    ngx_paygw_expr_sorted_t *opt)
{
    if (!ngx_paygw_expr_next(ps, '(')) {
        return ngx_paygw_expr_fail(ps, "\"(\" is expected");
    }

    if (opt->without) {
        return ngx_paygw_expr_fail(ps, "without() is duplicate");
    }

    opt->without = ngx_palloc(ps->cf->pool,
                              NGX_PAYGW_EXPR_MAX_ARGS * sizeof(ngx_str_t));
    if (opt->without == NULL) {
        return NGX_ERROR;
    }

    do {
        if (opt->nwithout == NGX_PAYGW_EXPR_MAX_ARGS) {
            return ngx_paygw_expr_fail(ps, "too many names");
        }

        if (ngx_paygw_expr_word(ps, &opt->without[opt->nwithout++])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

    } while (ngx_paygw_expr_next(ps, ','));

    if (!ngx_paygw_expr_next(ps, ')')) {
        return ngx_paygw_expr_fail(ps, "\")\" is expected");
    }

    return NGX_OK;
}
