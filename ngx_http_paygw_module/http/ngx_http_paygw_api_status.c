
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"


/* The state of an order, of the book and of the provider. */


#define NGX_HTTP_PAYGW_API_STATUS_FRESH  (300 * 1000)
#define NGX_HTTP_PAYGW_API_STATUS_MAX    (24 * 60 * 60 * 1000)

/* seconds: clocks differ, and what was paid at the last moment is on its way */
#define NGX_HTTP_PAYGW_API_STATUS_OVER   60


static ngx_int_t ngx_http_paygw_api_status_time(ngx_conf_t *cf,
    ngx_str_t *arg, size_t skip, ngx_msec_t *value);
static ngx_uint_t ngx_http_paygw_api_status_final(
    ngx_paygw_book_state_e state);


/* in the order of ngx_paygw_state_e */

static const ngx_paygw_book_state_e  ngx_http_paygw_api_states[] = {
    NGX_PAYGW_BOOK_NONE,
    NGX_PAYGW_BOOK_CREATED,
    NGX_PAYGW_BOOK_PAYING,
    NGX_PAYGW_BOOK_PAID,
    NGX_PAYGW_BOOK_PART_REFUNDED,
    NGX_PAYGW_BOOK_REFUNDED,
    NGX_PAYGW_BOOK_CLOSED,
    NGX_PAYGW_BOOK_FAILED
};


char *
ngx_http_paygw_api_status_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->status_fresh != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    lcf->status_pending = 0;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts > 2) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", there is none with "
                               "\"off\"", &value[2]);
            return NGX_CONF_ERROR;
        }

        lcf->status_fresh = 0;

        return NGX_CONF_OK;
    }

    if (ngx_http_paygw_api_status_time(cf, &value[1], 0, &lcf->status_fresh)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[2].data, "pending=", 8) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", it must be "
                           "\"pending=TIME\"", &value[2]);
        return NGX_CONF_ERROR;
    }

    return (ngx_http_paygw_api_status_time(cf, &value[2], 8,
                                           &lcf->status_pending)
            == NGX_OK)
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_paygw_api_status_time(ngx_conf_t *cf, ngx_str_t *arg, size_t skip,
    ngx_msec_t *value)
{
    ngx_int_t  n;
    ngx_str_t  text;

    text.data = arg->data + skip;
    text.len = arg->len - skip;

    n = ngx_parse_time(&text, 0);

    if (n == NGX_ERROR || n == 0 || n > NGX_HTTP_PAYGW_API_STATUS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time in \"%V\", it must be above 0 and at "
                           "most a day", arg);
        return NGX_ERROR;
    }

    *value = n;

    return NGX_OK;
}


/* both are one value */

void
ngx_http_paygw_api_status_merge(ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf)
{
    if (conf->status_fresh != NGX_CONF_UNSET_MSEC) {
        return;
    }

    if (prev->status_fresh == NGX_CONF_UNSET_MSEC) {
        conf->status_fresh = NGX_HTTP_PAYGW_API_STATUS_FRESH;
        conf->status_pending = 0;
        return;
    }

    conf->status_fresh = prev->status_fresh;
    conf->status_pending = prev->status_pending;
}


ngx_paygw_book_state_e
ngx_http_paygw_api_status_of(ngx_paygw_state_e state)
{
    return ngx_http_paygw_api_states[state];
}


ngx_uint_t
ngx_http_paygw_api_status_differs(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_book_terms_t   terms;

    ngx_memzero(&terms, sizeof(ngx_paygw_book_terms_t));

    terms.amount = ctx->order.told.amount;
    terms.currency = ctx->order.told.currency;

    return ngx_paygw_book_compare(&terms, &ctx->book.terms)
           != NGX_PAYGW_BOOK_FINE;
}


ngx_uint_t
ngx_http_paygw_api_status_over(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_order_t          *o;
    ngx_http_paygw_api_book_t  *b;

    o = &ctx->order;
    b = &ctx->book;

    return o->op == NGX_PAYGW_OP_QUERY && o->told.absent && b->expires
           && ngx_time() > b->expires + NGX_HTTP_PAYGW_API_STATUS_OVER
           && ngx_paygw_book_moves(b->state, NGX_PAYGW_BOOK_CLOSED)
           && (!b->said || ngx_paygw_order_same(&o->ref, &b->note));
}


/*
 * What is farther: neither is a success of the provider's taken back by him,
 * nor one of the book.
 */

void
ngx_http_paygw_api_status_merged(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_uint_t               i;
    ngx_paygw_told_t        *told;
    ngx_paygw_book_state_e   known, said;

    told = &ctx->order.told;
    known = ctx->book.state;
    said = ngx_http_paygw_api_states[told->state];

    if (known == NGX_PAYGW_BOOK_NONE
        || (said != NGX_PAYGW_BOOK_NONE
            && !ngx_paygw_book_moves(said, known)))
    {
        return;
    }

    for (i = 0; i < NGX_PAYGW_STATES; i++) {
        if (ngx_http_paygw_api_states[i] == known) {
            told->state = i;
        }
    }

    if (ngx_paygw_book_paid(known)) {
        told->outcome = NGX_PAYGW_OUTCOME_SUCCESS;

        if (ctx->order.code == NGX_PAYGW_CODE_ORDER_STATE
            || ctx->order.code == NGX_PAYGW_CODE_ORDER_CLOSED)
        {
            /* it came in while the provider was asked */

            ctx->order.code = NGX_PAYGW_CODE_ORDER_PAID;
        }

    } else if (ngx_http_paygw_api_status_final(known)
               && told->outcome == NGX_PAYGW_OUTCOME_PENDING)
    {
        told->outcome = NGX_PAYGW_OUTCOME_FAILED;
    }
}


void
ngx_http_paygw_api_status_noted(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_told_t  *told;

    told = &ctx->order.told;

    ngx_memzero(told, sizeof(ngx_paygw_told_t));

    told->amount = ctx->book.terms.amount;
    told->currency = ctx->book.terms.currency;
    told->refund_amount = -1;

    ngx_http_paygw_api_status_merged(ctx);
}


static ngx_uint_t
ngx_http_paygw_api_status_final(ngx_paygw_book_state_e state)
{
    return state > NGX_PAYGW_BOOK_PAYING;
}


ngx_int_t
ngx_http_paygw_api_status_kept(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_int_t           rc;
    ngx_str_t          *answer;
    ngx_paygw_order_t  *o;

    o = &ctx->order;
    answer = &ctx->book.entry.told_answer;

    if (ctx->lcf->status_fresh == 0 || answer->len == 0) {
        return NGX_DECLINED;
    }

    /* a ref of the caller's may be that of another order */

    if (ctx->book.said && !ngx_paygw_order_same(&o->ref, &ctx->book.note)) {
        return NGX_DECLINED;
    }

    rc = ngx_paygw_order_kept(ctx->request->pool, o, answer);

    if (rc != NGX_OK) {
        ngx_memzero(&o->told, sizeof(ngx_paygw_told_t));
        return NGX_DECLINED;
    }

    if (!ngx_http_paygw_api_status_final(
                                ngx_http_paygw_api_states[o->told.state])
        && ctx->lcf->status_pending == 0)
    {
        ngx_memzero(&o->told, sizeof(ngx_paygw_told_t));
        return NGX_DECLINED;
    }

    o->code = NGX_PAYGW_CODE_OK;

    return NGX_OK;
}


/* state and outcome are those that are told: both are merged */

void
ngx_http_paygw_api_status_keep(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_str_t                answer;
    ngx_msec_t               fresh;
    ngx_paygw_told_t        *told;
    ngx_paygw_book_t        *entry;
    ngx_paygw_book_state_e   state;

    told = &ctx->order.told;
    entry = &ctx->book.entry;
    state = ngx_http_paygw_api_states[told->state];

    if (state == NGX_PAYGW_BOOK_NONE
        || told->outcome == NGX_PAYGW_OUTCOME_UNKNOWN)
    {
        return;
    }

    fresh = ngx_http_paygw_api_status_final(state) ? ctx->lcf->status_fresh
                                                   : ctx->lcf->status_pending;

    if (fresh == 0 || ctx->lcf->status_fresh == 0) {
        return;
    }

    if (told->ref.len == 0) {
        told->ref = ctx->order.ref;
    }

    if (ngx_paygw_order_keep(ctx->request->pool, &ctx->order, &answer)
        == NGX_OK
        && answer.len <= NGX_PAYGW_BOOK_ANSWER_MAX)
    {
        entry->answer = answer;
        entry->fresh = fresh;
    }
}
