
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_expr_parse.h"


/* The compiler: one pass over the text, one node for each operation. */


static ngx_paygw_expr_t *ngx_paygw_expr_parse(ngx_paygw_expr_parser_t *ps);
static ngx_paygw_expr_t *ngx_paygw_expr_call(ngx_paygw_expr_parser_t *ps,
    ngx_str_t *name);
static ngx_int_t ngx_paygw_expr_fits(ngx_paygw_expr_parser_t *ps,
    const ngx_paygw_expr_op_t *op);
static ngx_int_t ngx_paygw_expr_args(ngx_paygw_expr_parser_t *ps,
    ngx_paygw_expr_t *e);
static ngx_int_t ngx_paygw_expr_arg(ngx_paygw_expr_parser_t *ps,
    ngx_paygw_expr_t *e, ngx_paygw_expr_t **args, ngx_str_t *words,
    char kind);


ngx_int_t
ngx_paygw_expr_compile(ngx_conf_t *cf, ngx_paygw_expr_env_t *env,
    const char *name, ngx_str_t *text, ngx_paygw_expr_t **e)
{
    char                    *quote;
    ngx_str_t                at;
    ngx_paygw_expr_parser_t  ps;

    ngx_memzero(&ps, sizeof(ngx_paygw_expr_parser_t));

    ps.cf = cf;
    ps.env = env;
    ps.pos = text->data;
    ps.at = text->data;
    ps.last = text->data + text->len;

    *e = ngx_paygw_expr_parse(&ps);

    if (*e) {
        ngx_paygw_expr_space(&ps);

        if (ps.pos == ps.last) {
            return NGX_OK;
        }

        ps.at = ps.pos;
        ps.err = "unexpected text after the expression";
    }

    if (ps.err == NULL) {
        return NGX_ERROR;
    }

    at.data = ps.at;
    at.len = ps.last - ps.at;

    quote = at.len ? "\"" : "";

    if (at.len == 0) {
        ngx_str_set(&at, "its end");
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid expression in \"%s\" of channel \"%V\": %s "
                       "at %s%V%s, an expression with spaces, quotes or \";\" "
                       "must be put in single quotes as a whole",
                       name, env->channel, ps.err, quote, &at, quote);

    return NGX_ERROR;
}


static ngx_paygw_expr_t *
ngx_paygw_expr_parse(ngx_paygw_expr_parser_t *ps)
{
    ngx_str_t          word;
    ngx_paygw_expr_t  *e;

    ngx_paygw_expr_space(ps);

    ps->at = ps->pos;

    if (ps->pos < ps->last && (*ps->pos == '"' || *ps->pos == '\'')) {

        if (ngx_paygw_expr_quoted(ps, &word) != NGX_OK) {
            return NULL;
        }

        e = ngx_paygw_expr_node(ps, &ngx_paygw_expr_const);
        if (e == NULL) {
            return NULL;
        }

        e->words = ngx_palloc(ps->cf->pool, sizeof(ngx_str_t));
        if (e->words == NULL) {
            return NULL;
        }

        e->words[0] = word;
        e->nwords = 1;

        return e;
    }

    if (ngx_paygw_expr_word(ps, &word) != NGX_OK) {
        return NULL;
    }

    return ngx_paygw_expr_call(ps, &word);
}


static ngx_paygw_expr_t *
ngx_paygw_expr_call(ngx_paygw_expr_parser_t *ps, ngx_str_t *name)
{
    ngx_paygw_expr_t           *e;
    const ngx_paygw_expr_op_t  *op;

    if (name->data[0] == '$') {
        (void) ngx_paygw_expr_fail(ps, "there are no variables here, use "
                                   "header(NAME), json(POINTER) and the like,");
        return NULL;
    }

    for (op = ngx_paygw_expr_ops; op->name.len; op++) {
        if (op->name.len == name->len
            && ngx_strncmp(op->name.data, name->data, name->len) == 0)
        {
            break;
        }
    }

    if (op->name.len == 0) {
        (void) ngx_paygw_expr_fail(ps, "unknown source or function");
        return NULL;
    }

    if (ngx_paygw_expr_fits(ps, op) != NGX_OK) {
        return NULL;
    }

    if (ps->depth++ == NGX_PAYGW_EXPR_MAX_DEPTH) {
        (void) ngx_paygw_expr_fail(ps, "too deep");
        return NULL;
    }

    e = ngx_paygw_expr_node(ps, op);

    if (e == NULL || ngx_paygw_expr_args(ps, e) != NGX_OK) {
        return NULL;
    }

    ps->depth--;

    return e;
}


/* what only a message that is made here has, or only its answer */

static ngx_int_t
ngx_paygw_expr_fits(ngx_paygw_expr_parser_t *ps, const ngx_paygw_expr_op_t *op)
{
    if ((op->flags & NGX_PAYGW_EXPR_REQUEST)
        && ps->env->side != NGX_PAYGW_EXPR_OF_REQUEST)
    {
        return ngx_paygw_expr_fail(ps, "this is of a request, in an answer "
                                   "put it into sent(),");
    }

    if ((op->flags & NGX_PAYGW_EXPR_ANSWER)
        && ps->env->side != NGX_PAYGW_EXPR_OF_ANSWER)
    {
        return ngx_paygw_expr_fail(ps, "this is of an answer alone,");
    }

    if (ps->told && op->eval == ngx_paygw_expr_secret) {
        return ngx_paygw_expr_fail(ps, "the secret of a request cannot stand "
                                   "in sent(),");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_expr_args(ngx_paygw_expr_parser_t *ps, ngx_paygw_expr_t *e)
{
    u_char            *start;
    ngx_str_t          words[NGX_PAYGW_EXPR_MAX_ARGS];
    ngx_uint_t         n;
    const char        *kind;
    ngx_paygw_expr_t  *args[NGX_PAYGW_EXPR_MAX_ARGS];

    start = ps->at;
    kind = e->op->args;
    n = 0;

    if (!ngx_paygw_expr_next(ps, '(')) {
        goto done;
    }

    if (ngx_paygw_expr_next(ps, ')')) {
        goto done;
    }

    if (*kind == 'o') {
        return ngx_paygw_expr_bind_sorted(ps, e);
    }

    do {
        if (*kind == '\0' || n == NGX_PAYGW_EXPR_MAX_ARGS) {
            ps->at = start;
            return ngx_paygw_expr_fail(ps, "too many arguments");
        }

        if (ngx_paygw_expr_arg(ps, e, args, words, *kind) != NGX_OK) {
            return NGX_ERROR;
        }

        n++;

        if (kind[1] != '+') {
            kind++;
        }

    } while (ngx_paygw_expr_next(ps, ','));

    if (!ngx_paygw_expr_next(ps, ')')) {
        ps->at = ps->pos;
        return ngx_paygw_expr_fail(ps, "\",\" or \")\" is expected");
    }

done:

    ps->at = start;

    if (n < e->op->min || *e->op->args == 'o') {
        return ngx_paygw_expr_fail(ps, "not enough arguments");
    }

    e->args = ngx_pcalloc(ps->cf->pool,
                          e->nargs * sizeof(ngx_paygw_expr_t *)
                          + e->nwords * sizeof(ngx_str_t) + 1);
    if (e->args == NULL) {
        return NGX_ERROR;
    }

    e->words = (ngx_str_t *) (e->args + e->nargs);

    ngx_memcpy(e->args, args, e->nargs * sizeof(ngx_paygw_expr_t *));
    ngx_memcpy(e->words, words, e->nwords * sizeof(ngx_str_t));

    return ngx_paygw_expr_bind(ps, e);
}


static ngx_int_t
ngx_paygw_expr_arg(ngx_paygw_expr_parser_t *ps, ngx_paygw_expr_t *e,
    ngx_paygw_expr_t **args, ngx_str_t *words, char kind)
{
    ngx_int_t              rc;
    ngx_paygw_expr_env_t  *env;

    if (kind == 'e') {

        env = ps->env;

        if (e->op->eval == ngx_paygw_expr_sent) {
            ps->env = env->sent;
            ps->told = 1;
        }

        ps->optional += (e->op->flags & NGX_PAYGW_EXPR_OPTIONAL) != 0;
        args[e->nargs] = ngx_paygw_expr_parse(ps);
        ps->optional -= (e->op->flags & NGX_PAYGW_EXPR_OPTIONAL) != 0;

        if (e->op->eval == ngx_paygw_expr_sent) {
            ps->env = env;
            ps->told = 0;
        }

        return args[e->nargs++] ? NGX_OK : NGX_ERROR;
    }

    ngx_paygw_expr_space(ps);

    ps->at = ps->pos;

    if (ps->pos < ps->last && (*ps->pos == '"' || *ps->pos == '\'')) {
        rc = ngx_paygw_expr_quoted(ps, &words[e->nwords]);

    } else {
        rc = ngx_paygw_expr_word(ps, &words[e->nwords]);
    }

    e->nwords++;

    return rc;
}


ngx_paygw_expr_t *
ngx_paygw_expr_node(ngx_paygw_expr_parser_t *ps,
    const ngx_paygw_expr_op_t *op)
{
    ngx_paygw_expr_t  *e;

    if (ps->nodes++ == NGX_PAYGW_EXPR_MAX_NODES) {
        (void) ngx_paygw_expr_fail(ps, "too long");
        return NULL;
    }

    e = ngx_pcalloc(ps->cf->pool, sizeof(ngx_paygw_expr_t));
    if (e) {
        e->op = op;
    }

    return e;
}


ngx_int_t
ngx_paygw_expr_text_of(ngx_paygw_expr_parser_t *ps, const char *name,
    ngx_paygw_expr_t **text)
{
    *text = ngx_paygw_expr_node(ps, ngx_paygw_expr_op(name));

    return *text ? NGX_OK : NGX_ERROR;
}


void
ngx_paygw_expr_space(ngx_paygw_expr_parser_t *ps)
{
    while (ps->pos < ps->last
           && (*ps->pos == ' ' || *ps->pos == '\t' || *ps->pos == CR
               || *ps->pos == LF))
    {
        ps->pos++;
    }
}


ngx_uint_t
ngx_paygw_expr_next(ngx_paygw_expr_parser_t *ps, u_char c)
{
    ngx_paygw_expr_space(ps);

    if (ps->pos == ps->last || *ps->pos != c) {
        return 0;
    }

    ps->pos++;

    return 1;
}


ngx_int_t
ngx_paygw_expr_word(ngx_paygw_expr_parser_t *ps, ngx_str_t *word)
{
    u_char  c;

    ngx_paygw_expr_space(ps);

    ps->at = ps->pos;
    word->data = ps->pos;

    while (ps->pos < ps->last) {
        c = *ps->pos;

        if (c <= ' ' || c >= 0x7f || c == ',' || c == '(' || c == ')'
            || c == '"' || c == '\'')
        {
            break;
        }

        ps->pos++;
    }

    word->len = ps->pos - word->data;

    if (word->len == 0) {
        return ngx_paygw_expr_fail(ps, "a word is expected");
    }

    return NGX_OK;
}


/* there are no escapes: nginx has seen to those of its own */

ngx_int_t
ngx_paygw_expr_quoted(ngx_paygw_expr_parser_t *ps, ngx_str_t *word)
{
    u_char  *p, quote;

    ps->at = ps->pos;

    if (ps->pos == ps->last || (*ps->pos != '"' && *ps->pos != '\'')) {
        return ngx_paygw_expr_fail(ps, "a string is expected");
    }

    quote = *ps->pos++;

    p = ngx_strlchr(ps->pos, ps->last, quote);

    if (p == NULL) {
        return ngx_paygw_expr_fail(ps, "a string without its end");
    }

    word->data = ps->pos;
    word->len = p - ps->pos;

    ps->pos = p + 1;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_expr_fail(ngx_paygw_expr_parser_t *ps, char *err)
{
    if (ps->err == NULL) {
        ps->err = err;
    }

    return NGX_ERROR;
}
