
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic.h"


/*
 * What a signature says and what it does not.  The string to sign is taken
 * apart into pieces, each of which can be told from its neighbours; a value
 * that is made of pieces alone cannot be changed by who does not have the key.
 */


typedef struct {
    ngx_paygw_generic_piece_t   *pieces;
    ngx_uint_t                   n;
    ngx_int_t                    free;     /* the piece in free(); -1 */
    ngx_uint_t                   nfree;
} ngx_paygw_generic_flat_t;


static ngx_int_t ngx_paygw_generic_flatten(ngx_conf_t *cf,
    ngx_paygw_generic_flat_t *flat, ngx_paygw_expr_t *e);
static ngx_int_t ngx_paygw_generic_push(ngx_paygw_generic_flat_t *flat,
    ngx_paygw_expr_t *e);
static void ngx_paygw_generic_pick(ngx_paygw_generic_flat_t *flat);
static ngx_int_t ngx_paygw_generic_stops(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_flat_t *flat);
static ngx_int_t ngx_paygw_generic_stop(ngx_paygw_generic_conf_t *conf,
    ngx_paygw_expr_t *e, ngx_uint_t last);
static ngx_uint_t ngx_paygw_generic_variable(ngx_paygw_expr_t *e);
static ngx_uint_t ngx_paygw_generic_holds(ngx_paygw_generic_conf_t *conf,
    ngx_paygw_expr_t *unit, ngx_paygw_expr_t *e);
static ngx_uint_t ngx_paygw_generic_param_of(ngx_paygw_expr_t *sorted,
    ngx_paygw_expr_t *e);
static ngx_int_t ngx_paygw_generic_cover_one(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, const char *name, ngx_paygw_expr_t *e);


ngx_int_t
ngx_paygw_generic_pieces(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    ngx_paygw_generic_flat_t  flat;

    flat.pieces = ngx_palloc(cf->pool, NGX_PAYGW_GENERIC_MAX_PIECES
                                       * sizeof(ngx_paygw_generic_piece_t));
    if (flat.pieces == NULL) {
        return NGX_ERROR;
    }

    flat.n = 0;
    flat.free = -1;
    flat.nfree = 0;

    if (ngx_paygw_generic_flatten(cf, &flat, conf->signed_text) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"signed\" of channel \"%V\" has too many parts",
                           &ch->name);
        return NGX_ERROR;
    }

    ngx_paygw_generic_pick(&flat);

    conf->pieces = flat.pieces;
    conf->npieces = flat.n;

    if (flat.nfree > 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"signed\" of channel \"%V\" has two parts that "
                           "may hold anything, use free() once and not "
                           "beside the body", &ch->name);
        return NGX_ERROR;
    }

    return ngx_paygw_generic_stops(cf, ch, &flat);
}


static ngx_int_t
ngx_paygw_generic_flatten(ngx_conf_t *cf, ngx_paygw_generic_flat_t *flat,
    ngx_paygw_expr_t *e)
{
    ngx_uint_t         i;
    ngx_paygw_expr_t  *sep;

    if (ngx_paygw_expr_is(e, "free")) {
        flat->free = flat->n;
        flat->nfree++;

        return ngx_paygw_generic_push(flat, e->args[0]);
    }

    sep = NULL;

    if (ngx_paygw_expr_is(e, "join")) {

        if (e->words[0].len) {
            sep = ngx_paygw_expr_string(cf, &e->words[0]);
            if (sep == NULL) {
                return NGX_ERROR;
            }
        }

    } else if (!ngx_paygw_expr_is(e, "concat")) {
        return ngx_paygw_generic_push(flat, e);
    }

    for (i = 0; i < e->nargs; i++) {

        if (i && sep && ngx_paygw_generic_push(flat, sep) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_paygw_generic_flatten(cf, flat, e->args[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_push(ngx_paygw_generic_flat_t *flat, ngx_paygw_expr_t *e)
{
    if (flat->n == NGX_PAYGW_GENERIC_MAX_PIECES) {
        return NGX_ERROR;
    }

    flat->pieces[flat->n].expr = e;
    flat->pieces[flat->n].stop = -1;
    flat->n++;

    return NGX_OK;
}


/* the one that may hold anything: free(), else the body, else the last */

static void
ngx_paygw_generic_pick(ngx_paygw_generic_flat_t *flat)
{
    ngx_int_t   last;
    ngx_uint_t  i;

    last = -1;

    for (i = 0; i < flat->n; i++) {

        if (!ngx_paygw_generic_variable(flat->pieces[i].expr)) {
            continue;
        }

        last = i;

        if (ngx_paygw_expr_is(flat->pieces[i].expr, "body")
            && (ngx_int_t) i != flat->free)
        {
            flat->free = i;
            flat->nfree++;
        }
    }

    if (flat->nfree == 0) {
        flat->free = last;
    }
}


static ngx_int_t
ngx_paygw_generic_stops(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_flat_t *flat)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    ngx_int_t                   i, next;
    ngx_paygw_generic_piece_t  *piece;

    for (i = 0; i < (ngx_int_t) flat->n; i++) {

        piece = &flat->pieces[i];

        if (i == flat->free || !ngx_paygw_generic_variable(piece->expr)) {
            continue;
        }

        /* there is a piece on the side of the free one: itself if no other */

        next = (i < flat->free) ? i + 1 : i - 1;

        piece->stop = ngx_paygw_generic_stop(conf, flat->pieces[next].expr,
                                             i > flat->free);

        if (piece->stop == -1 && !conf->confirm) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "in \"signed\" of channel \"%V\" nothing known "
                               "stands between \"%V\" and \"%V\": bytes could "
                               "be moved from one to the other, put a "
                               "separator between them or use \"confirm "
                               "query\"", &ch->name, &piece->expr->op->name,
                               &flat->pieces[next].expr->op->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the first or last byte of a constant, -1 if there is none that is known */

static ngx_int_t
ngx_paygw_generic_stop(ngx_paygw_generic_conf_t *conf, ngx_paygw_expr_t *e,
    ngx_uint_t last)
{
    ngx_str_t  *text;

    if (e->op == &ngx_paygw_expr_const) {
        text = &e->words[0];

    } else if (ngx_paygw_expr_is(e, "url_configured")) {
        text = &conf->env.url;

    } else {
        return -1;
    }

    if (text->len == 0) {
        return -1;
    }

    return text->data[last ? text->len - 1 : 0];
}


static ngx_uint_t
ngx_paygw_generic_variable(ngx_paygw_expr_t *e)
{
    return (e->op->flags & NGX_PAYGW_EXPR_CONSTANT) == 0;
}


ngx_uint_t
ngx_paygw_generic_covered(ngx_paygw_generic_conf_t *conf, ngx_paygw_expr_t *e)
{
    ngx_uint_t         i;
    ngx_paygw_expr_t  *text;

    if (!ngx_paygw_generic_variable(e)) {
        return 1;
    }

    for (i = 0; i < conf->npieces; i++) {
        if (ngx_paygw_generic_holds(conf, conf->pieces[i].expr, e)) {
            return 1;
        }
    }

    /* what stands in a document that is signed as a whole */

    if (e->op->eval == ngx_paygw_expr_json
        || e->op->eval == ngx_paygw_expr_field
        || e->op->eval == ngx_paygw_expr_sorted_params)
    {
        text = conf->env.docs[e->index].text;

        return text && ngx_paygw_generic_covered(conf, text);
    }

    for (i = 0; i < e->nargs; i++) {
        if (!ngx_paygw_generic_covered(conf, e->args[i])) {
            return 0;
        }
    }

    return e->nargs != 0;
}


/* 1 if who knows the unit knows e, and e cannot differ under one unit */

static ngx_uint_t
ngx_paygw_generic_holds(ngx_paygw_generic_conf_t *conf,
    ngx_paygw_expr_t *unit, ngx_paygw_expr_t *e)
{
    ngx_uint_t  i, variable;

    if (ngx_paygw_expr_same(unit, e)
        || ngx_paygw_generic_param_of(unit, e))
    {
        return 1;
    }

    if (ngx_paygw_expr_is(unit, "default")) {

        /* absent is the same as empty, and as nothing else */

        return unit->words[0].len == 0
               && ngx_paygw_generic_holds(conf, unit->args[0], e);
    }

    if (!(unit->op->flags & NGX_PAYGW_EXPR_FAITHFUL)) {
        return 0;
    }

    /* parts are told apart in the string to sign itself, not deeper in it */

    variable = 0;

    for (i = 0; i < unit->nargs; i++) {
        variable += ngx_paygw_generic_variable(unit->args[i]);
    }

    if (variable != 1) {
        return 0;
    }

    for (i = 0; i < unit->nargs; i++) {
        if (ngx_paygw_generic_holds(conf, unit->args[i], e)) {
            return 1;
        }
    }

    return 0;
}


/* 1 if a piece says something of the body that cannot be changed */

ngx_uint_t
ngx_paygw_generic_proves(ngx_paygw_generic_conf_t *conf,
    ngx_paygw_expr_t *unit)
{
    ngx_uint_t  i;

    if (unit->op->eval == ngx_paygw_expr_sorted_params
        && ((ngx_paygw_expr_sorted_t *) unit->data)->values)
    {
        /* neither where one ends, nor whose it is */
        return 0;
    }

    if (unit->op->eval == ngx_paygw_expr_body
        || unit->op->eval == ngx_paygw_expr_json
        || unit->op->eval == ngx_paygw_expr_sorted_params
        || unit->op->eval == ngx_paygw_expr_field)
    {
        return ngx_paygw_generic_in_body(conf, unit);
    }

    if (!(unit->op->flags & (NGX_PAYGW_EXPR_FAITHFUL
                             |NGX_PAYGW_EXPR_OPTIONAL)))
    {
        return 0;
    }

    for (i = 0; i < unit->nargs; i++) {
        if (ngx_paygw_generic_proves(conf, unit->args[i])) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_paygw_generic_in_body(ngx_paygw_generic_conf_t *conf, ngx_paygw_expr_t *e)
{
    ngx_uint_t         i;
    ngx_paygw_expr_t  *text;

    if (e->op->eval == ngx_paygw_expr_body) {
        return 1;
    }

    if (e->op->eval == ngx_paygw_expr_json
        || e->op->eval == ngx_paygw_expr_field
        || e->op->eval == ngx_paygw_expr_sorted_params)
    {
        /* an item is of the body */

        text = conf->env.docs[e->index].text;

        return text == NULL || ngx_paygw_generic_in_body(conf, text);
    }

    for (i = 0; i < e->nargs; i++) {
        if (ngx_paygw_generic_in_body(conf, e->args[i])) {
            return 1;
        }
    }

    return 0;
}


/* a parameter by its name, of those that are sorted and signed */

static ngx_uint_t
ngx_paygw_generic_param_of(ngx_paygw_expr_t *sorted, ngx_paygw_expr_t *e)
{
    ngx_str_t                *name;
    ngx_uint_t                i;
    ngx_paygw_expr_sorted_t  *opt;

    if (sorted->op->eval != ngx_paygw_expr_sorted_params
        || sorted->index != e->index)
    {
        return 0;
    }

    opt = sorted->data;

    if (opt->values) {
        return 0;
    }

    if (e->op->eval == ngx_paygw_expr_field) {
        name = &e->words[0];

    } else if (e->op->eval == ngx_paygw_expr_json
               && ((ngx_paygw_expr_pointer_t *) e->data)->n == 1)
    {
        name = &((ngx_paygw_expr_pointer_t *) e->data)->tokens[0];

    } else {
        return 0;
    }

    for (i = 0; i < opt->nwithout; i++) {
        if (opt->without[i].len == name->len
            && ngx_strncmp(opt->without[i].data, name->data, name->len) == 0)
        {
            return 0;
        }
    }

    return 1;
}


/* time always, and the rest unless the shop asks the provider in any case */

ngx_int_t
ngx_paygw_generic_cover(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    ngx_uint_t                    i;
    ngx_paygw_generic_require_t  *req;

    if (conf->time.expr && !ngx_paygw_generic_covered(conf, conf->time.expr)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"time\" of channel \"%V\" is not part of "
                           "\"signed\": anyone could replay a callback with "
                           "a new time, sign the very same expression or "
                           "leave \"time\" out", &ch->name);
        return NGX_ERROR;
    }

    if (conf->confirm) {
        return NGX_OK;
    }

    for (i = 0; i < NGX_PAYGW_GENERIC_FIELDS; i++) {
        if (ngx_paygw_generic_cover_one(cf, ch, ngx_paygw_generic_names[i],
                                        conf->fields[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_paygw_generic_cover_one(cf, ch, "amount", conf->amount.expr)
        != NGX_OK
        || ngx_paygw_generic_cover_one(cf, ch, "refund_amount",
                                       conf->refund_amount.expr)
           != NGX_OK
        || ngx_paygw_generic_cover_one(cf, ch, "event_time",
                                       conf->event_time.expr)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conf->require) {
        req = conf->require->elts;

        for (i = 0; i < conf->require->nelts; i++) {
            if (ngx_paygw_generic_cover_one(cf, ch, "require", req[i].expr)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_cover_one(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_paygw_expr_t *e)
{
    if (e == NULL || ngx_paygw_generic_covered(ch->conf, e)) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" of channel \"%V\" is not part of \"signed\": "
                       "anyone could change it, take it from what is signed, "
                       "or mark every event of this channel by \"confirm "
                       "query\"", name, &ch->name);

    return NGX_ERROR;
}
