
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"


/*
 * The question about a refund: the ref that it was sent under, and what it
 * means that the provider has not found it.
 *
 *   not sent from here     it is not found
 *   just sent, or now      unknown, and it stays held: he has not found it yet,
 *                          and a caller who takes that for "never" would refund
 *                          the same money under another id
 *   in doubt for long      it is not found, and given back
 *   done                   he has told so before: a success
 */


static void ngx_http_paygw_api_refund_found(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc);
static void ngx_http_paygw_api_refund_missed(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc);


void
ngx_http_paygw_api_refund_look(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_book_t  *entry;

    if (!ctx->call->conf->channel->provider->orders->refs) {
        ngx_http_paygw_api_go(ctx);
        return;
    }

    entry = ngx_http_paygw_api_book_entry(ctx);

    entry->refund_id = ctx->order.refund_id;

    ngx_http_paygw_api_book_step(ctx, NGX_PAYGW_BOOK_STAMP,
                                 ngx_http_paygw_api_refund_found);
}


static void
ngx_http_paygw_api_refund_found(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc)
{
    ngx_str_t                  *note;
    ngx_http_paygw_api_book_t  *b;

    b = &ctx->book;
    note = &b->entry.told_answer;

    if (rc != NGX_DONE) {
        ngx_str_null(note);
    }

    if (b->said) {

        /* it tells of another one, which is none of the book's business */

        b->stray = (note->len
                    && !ngx_paygw_order_same(note, &ctx->order.ref));

    } else if (note->len) {
        ctx->order.ref = *note;

    } else if (ctx->call->conf->channel->provider->orders->refund_ref
               == NULL)
    {
        ngx_http_paygw_api_book_ref(ctx);
    }

    ngx_http_paygw_api_go(ctx);
}


void
ngx_http_paygw_api_refund_absent(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_book_t  *entry;

    entry = ngx_http_paygw_api_book_entry(ctx);

    entry->refund_id = ctx->order.refund_id;

    /*
     * What was asked for under a ref of the caller's may be another one, and a
     * word about the payment is none about the refund.
     */

    ngx_http_paygw_api_book_step(ctx,
                                 ctx->book.said || ctx->order.unasked
                                 ? NGX_PAYGW_BOOK_SEEK
                                 : NGX_PAYGW_BOOK_ABSENT,
                                 ngx_http_paygw_api_refund_missed);
}


static void
ngx_http_paygw_api_refund_missed(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc)
{
    ngx_paygw_order_t        *o;
    ngx_paygw_book_refund_e   refund;

    o = &ctx->order;
    refund = ctx->book.entry.refund;

    if (rc == NGX_ERROR
        || (refund == NGX_PAYGW_BOOK_HELD
            && (rc == NGX_DECLINED || o->unasked)))
    {
        o->code = NGX_PAYGW_CODE_UNCLEAR;

    } else if (refund == NGX_PAYGW_BOOK_DONE && !ctx->book.said) {
        ngx_memzero(&o->told, sizeof(ngx_paygw_told_t));

        o->code = NGX_PAYGW_CODE_OK;
        o->told.outcome = NGX_PAYGW_OUTCOME_SUCCESS;
        o->told.amount = NGX_PAYGW_BOOK_ANY;
        o->told.refund_amount = NGX_PAYGW_BOOK_ANY;
    }

    ngx_http_paygw_api_reply(ctx);
}
