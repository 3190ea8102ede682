
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_EXPR_PARSE_H_INCLUDED_
#define _NGX_PAYGW_EXPR_PARSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_expr.h"


/* what the files of the compiler share; nobody else includes this */


typedef struct {
    ngx_conf_t                  *cf;
    ngx_paygw_expr_env_t        *env;
    u_char                      *pos;
    u_char                      *last;
    u_char                      *at;       /* start of the last token */
    ngx_uint_t                   nodes;
    ngx_uint_t                   depth;
    ngx_uint_t                   optional;
    ngx_uint_t                   told;     /* inside of sent() */
    char                        *err;      /* NULL: memory */
} ngx_paygw_expr_parser_t;


/*
 * Functions that return NGX_ERROR or NULL have set ps->err, or memory is
 * short.
 */

/* what the words of an operation mean */
ngx_int_t ngx_paygw_expr_bind(ngx_paygw_expr_parser_t *ps,
    ngx_paygw_expr_t *e);

/* the arguments of sorted_params(), from behind its "(" to its ")" */
ngx_int_t ngx_paygw_expr_bind_sorted(ngx_paygw_expr_parser_t *ps,
    ngx_paygw_expr_t *e);

/* a new node; one of an operation without arguments */
ngx_paygw_expr_t *ngx_paygw_expr_node(ngx_paygw_expr_parser_t *ps,
    const ngx_paygw_expr_op_t *op);
ngx_int_t ngx_paygw_expr_text_of(ngx_paygw_expr_parser_t *ps,
    const char *name, ngx_paygw_expr_t **text);

/* tokens: a character if it is the next one, a bare word, a string */
void ngx_paygw_expr_space(ngx_paygw_expr_parser_t *ps);
ngx_uint_t ngx_paygw_expr_next(ngx_paygw_expr_parser_t *ps, u_char c);
ngx_int_t ngx_paygw_expr_word(ngx_paygw_expr_parser_t *ps, ngx_str_t *word);
ngx_int_t ngx_paygw_expr_quoted(ngx_paygw_expr_parser_t *ps,
    ngx_str_t *word);

/* notes the first error; returns NGX_ERROR */
ngx_int_t ngx_paygw_expr_fail(ngx_paygw_expr_parser_t *ps, char *err);


#endif /* _NGX_PAYGW_EXPR_PARSE_H_INCLUDED_ */
