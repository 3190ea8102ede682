
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_transport.h"


/*
 * A refund is held in the book before it is sent, so that all of an order never
 * exceed it, whoever sends them:
 *
 *   reserve --held--> its own ref --> go
 *      ^  |
 *      |  +-- of the order nothing is known, or not that it is paid: it is
 *      |      asked for
 *      +----- it is paid, and noted
 *
 *   success        confirmed
 *   failed         given back, as by an answer that nothing was made, unless
 *                  another call of the same refund is under way, or nobody
 *                  knows what has become of one
 *   pending        stays held, until a callback or a question tells more
 *   unknown        stays held
 *
 * What a question finds is in ngx_http_paygw_api_refund_query.c.
 *
 * All calls of one refund hold it together, and the last one gives it back.
 */


/*
 * How long a refund that was sent may not be found, and be made all the same.
 * UnionPay's poll ends 32 s after the call, Alipay is to be asked after 10 s,
 * WeChat Pay after a minute.
 */
#define NGX_HTTP_PAYGW_API_REFUND_DOUBT  60000


static void ngx_http_paygw_api_refund_reserve(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_api_next_pt next);
static void ngx_http_paygw_api_refund_reserved(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc);
static void ngx_http_paygw_api_refund_field(ngx_http_paygw_api_ctx_t *ctx,
    const char *field);
static void ngx_http_paygw_api_refund_ask(ngx_http_paygw_api_ctx_t *ctx);
static void ngx_http_paygw_api_refund_over(ngx_http_paygw_api_ctx_t *ctx,
    ngx_paygw_code_e code);
static void ngx_http_paygw_api_refund_learned(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc);
static void ngx_http_paygw_api_refund_stamp(ngx_http_paygw_api_ctx_t *ctx);
static void ngx_http_paygw_api_refund_stamped(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc);
static ngx_uint_t ngx_http_paygw_api_refund_undone(
    ngx_http_paygw_api_ctx_t *ctx);
static void ngx_http_paygw_api_refund_noted(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc);


void
ngx_http_paygw_api_refund_begin(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_http_paygw_api_refund_reserve(ctx,
                                      ngx_http_paygw_api_refund_reserved);
}


static void
ngx_http_paygw_api_refund_reserve(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_api_next_pt next)
{
    ngx_paygw_book_t  *entry;

    entry = ngx_http_paygw_api_book_entry(ctx);

    entry->refund_id = ctx->order.refund_id;
    entry->refund_amount = ctx->order.refund_amount;

    /* of what has never ended nobody knows more than that */

    entry->fresh = NGX_HTTP_PAYGW_API_REFUND_DOUBT
                   + ngx_http_paygw_transport_deadline(ctx->lcf,
                                             ctx->call->conf->channel->upper);

    ngx_http_paygw_api_book_step(ctx, NGX_PAYGW_BOOK_RESERVE, next);
}


static void
ngx_http_paygw_api_refund_reserved(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc)
{
    ngx_http_paygw_api_book_t  *b;

    b = &ctx->book;

    ngx_http_paygw_api_book_ref(ctx);

    switch (rc) {

    case NGX_OK:
        b->counted = 1;
        ngx_http_paygw_api_refund_stamp(ctx);
        return;

    case NGX_DONE:
        b->done = (b->entry.refund == NGX_PAYGW_BOOK_DONE);
        b->counted = !b->done;
        ngx_http_paygw_api_refund_stamp(ctx);
        return;

    case NGX_ABORT:
        ngx_http_paygw_api_refund_field(ctx, "amount");
        return;

    case NGX_ERROR:
        ngx_http_paygw_api_book_refuse(ctx, NGX_PAYGW_CODE_STORE);
        return;

    default: /* NGX_DECLINED */
        break;
    }

    if (ngx_paygw_book_paid(b->state)
        && b->terms.amount != NGX_PAYGW_BOOK_ANY)
    {
        ngx_http_paygw_api_book_refuse(ctx, NGX_PAYGW_CODE_REFUND_TOO_MUCH);
        return;
    }

    if (b->asked) {
        ngx_http_paygw_api_book_refuse(ctx, NGX_PAYGW_CODE_ORDER_STATE);
        return;
    }

    ngx_http_paygw_api_refund_ask(ctx);
}


static void
ngx_http_paygw_api_refund_field(ngx_http_paygw_api_ctx_t *ctx,
    const char *field)
{
    ctx->order.field = field;
    ctx->order.hint = "is not that of this refund";

    ngx_http_paygw_api_book_refuse(ctx, NGX_PAYGW_CODE_REFUND_MISMATCH);
}


/* the book does not know that it is paid, or how much: the provider does */

static void
ngx_http_paygw_api_refund_ask(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_int_t           rc;
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    o->later = 0;

    rc = ngx_paygw_order_check(&ctx->call->exchange, o);

    if (rc == NGX_OK) {
        o->op = NGX_PAYGW_OP_QUERY;
        rc = ngx_http_paygw_api_ask(ctx);
    }

    if (rc != NGX_OK) {
        o->op = NGX_PAYGW_OP_REFUND;
        ngx_http_paygw_api_refuse(ctx, rc);
        return;
    }

    ctx->book.asking = 1;

    ngx_http_paygw_pass_begin(ctx->call);
}


void
ngx_http_paygw_api_refund_asked(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_book_t           *entry;
    ngx_paygw_order_t          *o;
    ngx_paygw_book_state_e      state;
    ngx_http_paygw_api_book_t  *b;

    o = &ctx->order;
    b = &ctx->book;

    o->op = NGX_PAYGW_OP_REFUND;
    b->asking = 0;
    b->asked = 1;

    if (o->code != NGX_PAYGW_CODE_OK) {
        ngx_http_paygw_api_refund_over(ctx, o->code);
        return;
    }

    state = ngx_http_paygw_api_status_of(o->told.state);

    if (!ngx_paygw_book_paid(state) || o->told.amount <= 0) {
        ngx_http_paygw_api_refund_over(ctx, NGX_PAYGW_CODE_ORDER_STATE);
        return;
    }

    entry = ngx_http_paygw_api_book_entry(ctx);

    entry->to = state;
    entry->note = (b->note.len == 0) ? o->told.ref : b->note;

    /*
     * Less may have come in than the order was made with, as of a part that was
     * captured; the provider knows what can go back of that.
     */

    if (b->terms.amount != NGX_PAYGW_BOOK_ANY) {

        if (o->told.amount > b->terms.amount
            || (o->told.currency.len && b->terms.currency.len
                && !ngx_paygw_order_same(&o->told.currency,
                                         &b->terms.currency)))
        {
            ngx_http_paygw_api_refund_over(ctx,
                                           NGX_PAYGW_CODE_ORDER_MISMATCH);
            return;
        }

        entry->verb = NGX_PAYGW_BOOK_MOVE;

    } else {
        entry->verb = NGX_PAYGW_BOOK_LEARN;
        entry->terms.amount = o->told.amount;
        entry->terms.currency = o->told.currency;
    }

    /* the deadline waits for the store, which has one of its own */

    ctx->call->state = NGX_HTTP_PAYGW_PASS_READING;

    ngx_http_paygw_api_book_step(ctx, entry->verb,
                                 ngx_http_paygw_api_refund_learned);
}


/* the answer to the question is that to the refund, which was not sent */

static void
ngx_http_paygw_api_refund_over(ngx_http_paygw_api_ctx_t *ctx,
    ngx_paygw_code_e code)
{
    ngx_str_t           word;
    ngx_paygw_order_t  *o;

    o = &ctx->order;
    word = o->told.word;

    ngx_memzero(&o->told, sizeof(ngx_paygw_told_t));

    o->told.word = word;
    o->code = code;

    ngx_http_paygw_pass_end(ctx->call, NGX_HTTP_PAYGW_PASS_PASSED);
    ngx_http_paygw_api_reply(ctx);
}


static void
ngx_http_paygw_api_refund_learned(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc)
{
    if (rc == NGX_ERROR) {
        ngx_http_paygw_api_book_refuse(ctx, NGX_PAYGW_CODE_STORE);
        return;
    }

    ngx_http_paygw_api_refund_begin(ctx);
}


/*
 * What it goes out under: of a provider that knows a refund by a ref of its own
 * that, else the ref of the payment, if he has some.
 */

static void
ngx_http_paygw_api_refund_stamp(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_paygw_book_t          *entry;
    ngx_paygw_order_t         *o;
    ngx_paygw_exchange_t      *x;
    const ngx_paygw_orders_t  *orders;

    o = &ctx->order;
    x = &ctx->call->exchange;
    orders = x->n.provider->orders;

    if (orders->refund_ref) {
        rc = orders->refund_ref(x, o);

    } else if (ngx_http_paygw_api_book_stray(ctx)) {
        return;

    } else {
        rc = (o->ref.len == 0) ? NGX_DECLINED
                               : ctx->book.said ? NGX_DONE : NGX_OK;
    }

    if (rc == NGX_DECLINED) {
        ngx_http_paygw_api_go(ctx);
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_http_paygw_api_refuse(ctx, NGX_ERROR);
        return;
    }

    ctx->book.own = (rc == NGX_DONE);

    entry = ngx_http_paygw_api_book_entry(ctx);

    entry->refund_id = o->refund_id;
    entry->note = o->ref;

    ngx_http_paygw_api_book_step(ctx, NGX_PAYGW_BOOK_STAMP,
                                 ngx_http_paygw_api_refund_stamped);
}


static void
ngx_http_paygw_api_refund_stamped(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc)
{
    ngx_str_t                  *note;
    ngx_http_paygw_api_book_t  *b;

    b = &ctx->book;
    note = &b->entry.told_answer;

    if (rc == NGX_ERROR) {
        ngx_http_paygw_api_book_refuse(ctx, NGX_PAYGW_CODE_STORE);
        return;
    }

    /*
     * Whoever repeats it sends it under the time of the first one: under
     * another time, or of another payment, it is another refund.  Of one that
     * is done, perhaps elsewhere, there may be no time.
     */

    if (note->len == 0 && !b->own
        && ctx->call->exchange.n.provider->orders->refund_ref)
    {
        (void) ngx_paygw_order_missing(&ctx->order, "ref");
        ngx_http_paygw_api_refuse(ctx, NGX_DECLINED);
        return;
    }

    if (note->len && !ngx_paygw_order_same(note, &ctx->order.ref)) {

        if (b->own) {
            ngx_http_paygw_api_refund_field(ctx, "ref");
            return;
        }

        ctx->order.ref = *note;
    }

    ngx_http_paygw_api_go(ctx);
}


void
ngx_http_paygw_api_refund_end(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_uint_t                  refund, refused;
    ngx_paygw_book_t           *entry;
    ngx_paygw_order_t          *o;
    ngx_paygw_outcome_e         outcome;
    ngx_http_paygw_api_book_t  *b;

    o = &ctx->order;
    b = &ctx->book;

    refused = 0;
    refund = (o->op == NGX_PAYGW_OP_REFUND);

    if (!refund && b->stray && o->code != NGX_PAYGW_CODE_REFUND_NOT_FOUND) {

        /* told as it is: it is not the one that is held */

        ngx_http_paygw_api_reply(ctx);
        return;
    }

    if (o->code == NGX_PAYGW_CODE_OK) {
        outcome = o->told.outcome;

        if (outcome == NGX_PAYGW_OUTCOME_FAILED && o->told.open) {
            outcome = NGX_PAYGW_OUTCOME_PENDING;
        }

    } else if (refund) {
        refused = ngx_http_paygw_api_refund_undone(ctx);
        outcome = refused ? NGX_PAYGW_OUTCOME_FAILED
                          : NGX_PAYGW_OUTCOME_UNKNOWN;

    } else if (o->code == NGX_PAYGW_CODE_REFUND_NOT_FOUND) {
        ngx_http_paygw_api_refund_absent(ctx);
        return;

    } else {
        outcome = NGX_PAYGW_OUTCOME_UNKNOWN;
    }

    entry = ngx_http_paygw_api_book_entry(ctx);

    entry->refund_id = o->refund_id;
    entry->fresh = NGX_HTTP_PAYGW_API_REFUND_DOUBT;

    switch (outcome) {

    case NGX_PAYGW_OUTCOME_SUCCESS:
        entry->verb = NGX_PAYGW_BOOK_CONFIRM;
        entry->refund_amount = refund ? o->refund_amount
                                      : o->told.refund_amount;

        if (entry->refund_amount <= 0) {
            entry->refund_amount = NGX_PAYGW_BOOK_ANY;
        }

        break;

    case NGX_PAYGW_OUTCOME_FAILED:
        entry->verb = !b->counted ? NGX_PAYGW_BOOK_GIVE_BACK
                      : refused ? NGX_PAYGW_BOOK_REFUSE : NGX_PAYGW_BOOK_FAIL;
        break;

    default:

        /*
         * It may have been given back in the meantime, by a question to which
         * it was not there yet, when this call was not counted any more.
         */

        if (!refund
            || (!b->counted && o->code != NGX_PAYGW_CODE_OK
                && !ngx_paygw_codes[o->code].unknown))
        {
            ngx_http_paygw_api_reply(ctx);
            return;
        }

        entry->verb = NGX_PAYGW_BOOK_DOUBT;
        entry->refund_amount = o->refund_amount;
    }

    b->counted = 0;

    ngx_http_paygw_api_book_step(ctx, entry->verb,
                                 ngx_http_paygw_api_refund_noted);
}


/*
 * Whether it is certain that this call has refunded nothing; the book knows of
 * others that have sent the same.
 */

static ngx_uint_t
ngx_http_paygw_api_refund_undone(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_http_paygw_pass_ctx_t  *call;

    call = ctx->call;

    /* of another refund by this number nobody knows how much it was */

    if (!ctx->book.counted || ctx->order.sent
        || ctx->order.code == NGX_PAYGW_CODE_REFUND_MISMATCH
        || ngx_paygw_codes[ctx->order.code].unknown)
    {
        return 0;
    }

    return !call->sent || (call->tries <= 1
                           && ctx->order.code != NGX_PAYGW_CODE_INTERNAL);
}


static void
ngx_http_paygw_api_refund_noted(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc)
{
    ngx_http_paygw_api_reply(ctx);
}


void
ngx_http_paygw_api_refund_undo(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_store_op_t        op;
    ngx_paygw_book_t           *entry;
    ngx_http_paygw_api_book_t  *b;

    b = &ctx->book;

    if (!b->counted) {
        return;
    }

    b->counted = 0;

    entry = ngx_http_paygw_api_book_entry(ctx);

    entry->verb = NGX_PAYGW_BOOK_REFUSE;
    entry->refund_id = ctx->order.refund_id;
    entry->fresh = NGX_HTTP_PAYGW_API_REFUND_DOUBT;

    ngx_memzero(&op, sizeof(ngx_paygw_store_op_t));

    op.key = b->key;
    op.keep = ctx->lcf->binding_keep;
    op.log = ctx->request->connection->log;
    op.book = entry;

    ngx_paygw_store_book_tell(ngx_http_paygw_store(ctx->request), &op);
}
