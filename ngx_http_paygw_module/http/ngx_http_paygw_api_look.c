
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"


/*
 * The provider has refused it for what is there already.  What that is, is
 * asked before the caller hears of it, as one more step of the operation:
 *
 *   create, close   the order
 *   refund          the refund
 *
 * An answer that does not tell, or is not verified, or does not come, leaves
 * the refusal as it was: nothing of it is known to have been done, and nothing
 * to have failed.
 */


static void ngx_http_paygw_api_look_back(ngx_http_paygw_api_ctx_t *ctx);
static void ngx_http_paygw_api_look_blank(ngx_http_paygw_api_ctx_t *ctx);
static void ngx_http_paygw_api_look_made(ngx_http_paygw_api_ctx_t *ctx);
static void ngx_http_paygw_api_look_closed(ngx_http_paygw_api_ctx_t *ctx);
static void ngx_http_paygw_api_look_refund(ngx_http_paygw_api_ctx_t *ctx);
static ngx_uint_t ngx_http_paygw_api_look_other(
    ngx_http_paygw_api_ctx_t *ctx);


ngx_int_t
ngx_http_paygw_api_look(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_paygw_order_t          *o;
    ngx_http_paygw_pass_ctx_t  *call;
    ngx_http_paygw_api_look_t  *look;

    o = &ctx->order;
    call = ctx->call;
    look = &ctx->look;

    if (!o->doubtful || call->expired) {
        return NGX_DECLINED;
    }

    look->op = o->op;
    look->code = o->code;
    look->word = o->told.word;
    look->tries = call->tries;

    o->op = (o->op == NGX_PAYGW_OP_REFUND) ? NGX_PAYGW_OP_REFUND_QUERY
                                           : NGX_PAYGW_OP_QUERY;

    rc = ngx_http_paygw_api_ask(ctx);

    if (rc != NGX_OK) {
        ngx_http_paygw_api_look_back(ctx);
        ngx_http_paygw_api_look_blank(ctx);
        return NGX_DECLINED;
    }

    look->under_way = 1;

    ngx_http_paygw_pass_next(call);

    return NGX_OK;
}


/* what follows is about the call that was refused, not about the question */

static void
ngx_http_paygw_api_look_back(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_http_paygw_api_look_t  *look;

    look = &ctx->look;

    ctx->order.op = look->op;
    ctx->call->tries = look->tries;
    ctx->call->sent = 1;

    look->under_way = 0;
}


/* nothing is known but the refusal */

static void
ngx_http_paygw_api_look_blank(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    ngx_memzero(&o->told, sizeof(ngx_paygw_told_t));

    o->told.amount = -1;
    o->told.refund_amount = -1;
    o->told.word = ctx->look.word;

    o->code = ctx->look.code;
    o->field = NULL;
    o->hint = NULL;
}


ngx_uint_t
ngx_http_paygw_api_look_failed(ngx_http_paygw_api_ctx_t *ctx)
{
    if (!ctx->look.under_way) {
        return 0;
    }

    ngx_http_paygw_api_look_back(ctx);
    ngx_http_paygw_api_look_blank(ctx);

    return 1;
}


void
ngx_http_paygw_api_looked(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    ngx_http_paygw_api_look_back(ctx);

    if (o->code != NGX_PAYGW_CODE_OK
        || (o->op != NGX_PAYGW_OP_REFUND
            && o->told.state == NGX_PAYGW_STATE_UNKNOWN))
    {
        ngx_http_paygw_api_look_blank(ctx);
        return;
    }

    ctx->look.known = 1;

    switch (o->op) {

    case NGX_PAYGW_OP_REFUND:
        ngx_http_paygw_api_look_refund(ctx);
        return;

    case NGX_PAYGW_OP_CLOSE:
        ngx_http_paygw_api_look_closed(ctx);
        return;

    default: /* NGX_PAYGW_OP_CREATE */
        ngx_http_paygw_api_look_made(ctx);
    }
}


/* even of one that can still be paid nobody is shown another code */

static void
ngx_http_paygw_api_look_made(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_order_t       *o;
    ngx_paygw_book_state_e   state;

    o = &ctx->order;
    state = ngx_http_paygw_api_status_of(o->told.state);

    o->told.word = ctx->look.word;

    if (ngx_http_paygw_api_look_other(ctx)) {

        o->code = NGX_PAYGW_CODE_ORDER_MISMATCH;
        o->field = "amount";
        o->hint = "is not that which the provider has of the order";

        if (ngx_paygw_book_paid(state)) {
            ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                          "order \"%V\" of channel \"%V\" is paid with "
                          "amount %L %V, this is one of %L %V", &o->id,
                          &ctx->call->conf->channel->name, o->told.amount,
                          &o->told.currency, o->amount, &o->currency);
        }

        return;
    }

    if (ngx_paygw_book_paid(state)) {
        o->code = NGX_PAYGW_CODE_ORDER_PAID;
        return;
    }

    if (o->told.state == NGX_PAYGW_STATE_CLOSED
        || o->told.state == NGX_PAYGW_STATE_FAILED)
    {
        o->code = NGX_PAYGW_CODE_ORDER_CLOSED;
        return;
    }

    switch (ctx->look.code) {

    case NGX_PAYGW_CODE_REFUSED:
        o->code = NGX_PAYGW_CODE_ORDER_MISMATCH;
        return;

    case NGX_PAYGW_CODE_ORDER_PAID:

        /* one word of theirs against another */

        o->code = NGX_PAYGW_CODE_ORDER_STATE;
        return;

    default:
        o->code = ctx->look.code;
    }
}


/* what the provider does not tell is not another one */

static ngx_uint_t
ngx_http_paygw_api_look_other(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    return (o->told.amount >= 0 && o->told.amount != o->amount)
           || (o->told.currency.len
               && !ngx_paygw_order_same(&o->told.currency, &o->currency));
}


static void
ngx_http_paygw_api_look_closed(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    if (o->told.state == NGX_PAYGW_STATE_CLOSED) {

        /* it is what was asked for, and told as if this call had done it */

        ngx_http_paygw_api_look_blank(ctx);

        ngx_str_null(&o->told.word);
        o->told.state = NGX_PAYGW_STATE_CLOSED;
        o->code = NGX_PAYGW_CODE_OK;

        return;
    }

    o->told.word = ctx->look.word;

    o->code = ngx_paygw_book_paid(ngx_http_paygw_api_status_of(o->told.state))
              ? NGX_PAYGW_CODE_ORDER_PAID : NGX_PAYGW_CODE_ORDER_STATE;
}


/* this one is there */

static void
ngx_http_paygw_api_look_refund(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    if (o->told.refund_amount >= 0
        && o->told.refund_amount != o->refund_amount)
    {
        o->told.word = ctx->look.word;
        o->code = NGX_PAYGW_CODE_REFUND_MISMATCH;
    }
}
