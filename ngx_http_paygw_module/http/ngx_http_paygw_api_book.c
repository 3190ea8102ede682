
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"
#include "ngx_http_paygw_conf.h"


static void ngx_http_paygw_api_book_cleanup(void *data);
static void ngx_http_paygw_api_book_handler(ngx_paygw_store_op_t *op);
static void ngx_http_paygw_api_book_told(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc);
static void ngx_http_paygw_api_book_looked(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc);
static void ngx_http_paygw_api_book_order(ngx_http_paygw_api_ctx_t *ctx);
static void ngx_http_paygw_api_book_moved(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc);


ngx_int_t
ngx_http_paygw_api_book_open(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_str_t                  *name;
    ngx_paygw_order_t          *o;
    ngx_http_cleanup_t         *cln;
    ngx_http_paygw_api_book_t  *b;

    o = &ctx->order;
    b = &ctx->book;

    /* another channel may have been asked before */

    ngx_memzero(b, sizeof(ngx_http_paygw_api_book_t));

    b->said = (o->ref.len != 0);
    o->repeated = b->said;
    b->terms.amount = NGX_PAYGW_BOOK_ANY;

    if (o->op == NGX_PAYGW_OP_BILL
        || ctx->lcf->binding == NGX_HTTP_PAYGW_BINDING_OFF
        || ngx_http_paygw_store(ctx->request) == NULL)
    {
        return NGX_OK;
    }

    name = &ctx->call->conf->channel->name;

    b->key.data = ngx_pnalloc(ctx->request->pool, name->len + 1 + o->id.len);
    if (b->key.data == NULL) {
        return NGX_ERROR;
    }

    b->key.len = ngx_sprintf(b->key.data, "%V:%V", name, &o->id)
                 - b->key.data;

    cln = ngx_http_cleanup_add(ctx->request, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_paygw_api_book_cleanup;
    cln->data = b;

    b->on = 1;
    o->later = 1;

    return NGX_OK;
}


static void
ngx_http_paygw_api_book_cleanup(void *data)
{
    ngx_http_paygw_api_book_t *b = data;

    ngx_paygw_store_cancel(&b->op);
}


ngx_paygw_book_t *
ngx_http_paygw_api_book_entry(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_book_t  *entry;

    entry = &ctx->book.entry;

    ngx_memzero(entry, sizeof(ngx_paygw_book_t));

    entry->pool = ctx->request->pool;
    entry->terms.amount = NGX_PAYGW_BOOK_ANY;
    entry->refund_amount = NGX_PAYGW_BOOK_ANY;

    return entry;
}


void
ngx_http_paygw_api_book_step(ngx_http_paygw_api_ctx_t *ctx,
    ngx_paygw_book_verb_e verb, ngx_http_paygw_api_next_pt next)
{
    ngx_int_t                   rc;
    ngx_paygw_store_op_t       *op;
    ngx_http_paygw_api_book_t  *b;

    b = &ctx->book;
    op = &b->op;

    ngx_memzero(op, sizeof(ngx_paygw_store_op_t));

    op->key = b->key;
    op->keep = ctx->lcf->binding_keep;
    op->log = ctx->request->connection->log;
    op->handler = ngx_http_paygw_api_book_handler;
    op->data = ctx;
    op->book = &b->entry;

    b->entry.verb = verb;
    b->next = next;

    ctx->request->connection->log->action = "asking the book of orders";

    rc = ngx_paygw_store_book(ngx_http_paygw_store(ctx->request), op);

    if (rc != NGX_AGAIN) {
        ngx_http_paygw_api_book_told(ctx, rc);
    }
}


static void
ngx_http_paygw_api_book_handler(ngx_paygw_store_op_t *op)
{
    ngx_connection_t          *c;
    ngx_http_paygw_api_ctx_t  *ctx;

    ctx = op->data;
    c = ctx->request->connection;

    ngx_http_set_log_request(c->log, ctx->request);

    ngx_http_paygw_api_book_told(ctx, op->rc);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_paygw_api_book_told(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc)
{
    ngx_http_paygw_api_book_t  *b;

    b = &ctx->book;

    if (rc == NGX_ERROR) {
        b->down = 1;

    } else {
        b->state = b->entry.state;
        b->terms = b->entry.told;
        b->note = b->entry.told_note;
        b->expires = b->entry.told_expires;
    }

    b->next(ctx, rc);
}


void
ngx_http_paygw_api_book_begin(ngx_http_paygw_api_ctx_t *ctx)
{
    if (!ctx->book.on || ctx->order.op == NGX_PAYGW_OP_CREATE) {
        ngx_http_paygw_api_go(ctx);
        return;
    }

    if (ctx->order.op == NGX_PAYGW_OP_REFUND) {
        ngx_http_paygw_api_refund_begin(ctx);
        return;
    }

    (void) ngx_http_paygw_api_book_entry(ctx);

    ngx_http_paygw_api_book_step(ctx, NGX_PAYGW_BOOK_LOOK,
                                 ngx_http_paygw_api_book_looked);
}


/* a store that does not answer hinders nobody from asking the provider */

static void
ngx_http_paygw_api_book_looked(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc)
{
    ngx_http_paygw_api_book_t  *b;

    b = &ctx->book;

    ctx->order.known = (b->state != NGX_PAYGW_BOOK_NONE);

    switch (ctx->order.op) {

    case NGX_PAYGW_OP_REFUND_QUERY:
        ngx_http_paygw_api_refund_look(ctx);
        return;

    case NGX_PAYGW_OP_CLOSE:

        if (ngx_paygw_book_paid(b->state)) {
            ngx_http_paygw_api_book_refuse(ctx, NGX_PAYGW_CODE_ORDER_PAID);
            return;
        }

        if (ngx_http_paygw_api_book_stray(ctx)) {
            return;
        }

        break;

    default: /* NGX_PAYGW_OP_QUERY */

        if (rc == NGX_OK && ngx_http_paygw_api_status_kept(ctx) == NGX_OK) {
            ngx_http_paygw_api_status_merged(ctx);
            ngx_http_paygw_api_reply(ctx);
            return;
        }
    }

    ngx_http_paygw_api_book_ref(ctx);
    ngx_http_paygw_api_go(ctx);
}


ngx_uint_t
ngx_http_paygw_api_book_stray(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_http_paygw_api_book_t  *b;

    b = &ctx->book;

    if (!b->said || b->note.len == 0
        || !ngx_paygw_order_refs_differ(&b->note, &ctx->order.ref))
    {
        return 0;
    }

    ctx->order.field = "ref";
    ctx->order.hint = "is not that of this order";

    ngx_http_paygw_api_book_refuse(ctx, NGX_PAYGW_CODE_ORDER_MISMATCH);

    return 1;
}


void
ngx_http_paygw_api_book_ref(ngx_http_paygw_api_ctx_t *ctx)
{
    if (ctx->order.ref.len == 0
        && ctx->call->conf->channel->provider->orders->refs)
    {
        ctx->order.ref = ctx->book.note;
    }
}


void
ngx_http_paygw_api_book_refuse(ngx_http_paygw_api_ctx_t *ctx,
    ngx_paygw_code_e code)
{
    ctx->order.code = code;

    if (code == NGX_PAYGW_CODE_ORDER_PAID
        || code == NGX_PAYGW_CODE_ORDER_CLOSED)
    {
        ngx_http_paygw_api_status_noted(ctx);
    }

    ctx->call->exchange.n.reason = (code == NGX_PAYGW_CODE_STORE)
                                   ? NGX_PAYGW_REASON_STORE
                                   : NGX_PAYGW_REASON_ORDER_MISMATCH;

    ngx_http_paygw_api_refuse(ctx, NGX_DECLINED);
}


/* Stripe: a session is not read by build(), its payment has no number yet */

void
ngx_http_paygw_api_book_terms(ngx_http_paygw_pass_ctx_t *call)
{
    ngx_paygw_order_t           *o;
    ngx_paygw_exchange_order_t  *order;

    o = &call->api->order;
    order = &call->exchange.order;

    if (o->op != NGX_PAYGW_OP_CREATE || order->id.len) {
        return;
    }

    ngx_memzero(order, sizeof(ngx_paygw_exchange_order_t));

    order->id = o->id;
    order->amount = o->amount;
    order->currency = o->currency;
}


ngx_int_t
ngx_http_paygw_api_booked(ngx_http_paygw_pass_ctx_t *call)
{
    ngx_int_t                   rc;
    ngx_paygw_order_t          *o;
    ngx_http_paygw_api_ctx_t   *ctx;
    ngx_http_paygw_api_book_t  *b;

    ctx = call->api;
    o = &ctx->order;
    b = &ctx->book;

    b->state = call->book.state;
    b->terms = call->book.told;
    b->note = call->book.told_note;
    b->expires = call->book.told_expires;

    if (call->made) {
        return NGX_OK;
    }

    b->had = 1;
    o->repeated = 1;

    if (ngx_paygw_book_paid(b->state)) {
        ngx_http_paygw_api_book_refuse(ctx, NGX_PAYGW_CODE_ORDER_PAID);
        return NGX_DONE;
    }

    if (b->state == NGX_PAYGW_BOOK_CLOSED) {

        /* a provider may not know of it, and would make another one */

        ngx_http_paygw_api_book_refuse(ctx, NGX_PAYGW_CODE_ORDER_CLOSED);
        return NGX_DONE;
    }

    if (b->said && b->note.len && !ngx_paygw_order_same(&b->note, &o->ref)) {

        /* it would be a second one, which can be paid as well */

        o->field = "ref";
        o->hint = "is not that of this order";
        ngx_http_paygw_api_book_refuse(ctx, NGX_PAYGW_CODE_ORDER_MISMATCH);
        return NGX_DONE;
    }

    if (b->said || b->note.len == 0
        || ngx_paygw_order_same(&b->note, &o->ref)
        || !call->conf->channel->provider->orders->refs)
    {
        return NGX_OK;
    }

    /* a repetition: the same transaction, and no second one */

    o->ref = b->note;

    rc = ngx_http_paygw_api_ask(ctx);

    if (rc == NGX_OK) {
        ngx_http_paygw_pass_try(call);
        return NGX_DONE;
    }

    if (rc == NGX_DECLINED) {
        call->exchange.n.reason = NGX_PAYGW_REASON_ORDER_MISMATCH;
    }

    ngx_http_paygw_api_refuse(ctx, rc);

    return NGX_DONE;
}


void
ngx_http_paygw_api_book_end(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_http_paygw_api_book_t  *b;

    b = &ctx->book;

    if (!b->on) {
        ngx_http_paygw_api_reply(ctx);
        return;
    }

    if (b->asking) {

        /* nothing was held yet, and nothing sent */

        b->asking = 0;
        ctx->order.op = NGX_PAYGW_OP_REFUND;
        ngx_http_paygw_api_reply(ctx);
        return;
    }

    switch (ctx->order.op) {

    case NGX_PAYGW_OP_REFUND:
    case NGX_PAYGW_OP_REFUND_QUERY:
        ngx_http_paygw_api_refund_end(ctx);
        break;

    default:
        ngx_http_paygw_api_book_order(ctx);
    }
}


/*
 * A payment of another amount than the one that the order was made with is told
 * as it is, and moves nothing.
 */

static void
ngx_http_paygw_api_book_order(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_str_t                  *ref;
    ngx_paygw_book_t           *entry;
    ngx_paygw_order_t          *o;
    ngx_http_paygw_api_book_t  *b;

    o = &ctx->order;
    b = &ctx->book;

    if (o->code == NGX_PAYGW_CODE_ORDER_NOT_FOUND
        && o->op == NGX_PAYGW_OP_QUERY
        && ngx_paygw_book_paid(b->state)
        && (!b->said || ngx_paygw_order_same(&o->ref, &b->note)))
    {
        /* that money was paid was the provider's signed word */

        o->code = NGX_PAYGW_CODE_OK;
        ngx_memzero(&o->told, sizeof(ngx_paygw_told_t));
        o->told.amount = b->terms.amount;
        o->told.currency = b->terms.currency;
    }

    /* what is there was asked for a refusal: that is noted as well */

    if (o->code != NGX_PAYGW_CODE_OK
        && (!ctx->look.known || ngx_paygw_codes[o->code].unknown))
    {
        ngx_http_paygw_api_reply(ctx);
        return;
    }

    /* of another ref than is noted only what is paid is about this order */

    if (b->state == NGX_PAYGW_BOOK_NONE
        || ngx_http_paygw_api_status_differs(ctx)
        || (o->op != NGX_PAYGW_OP_CREATE && b->said && b->note.len
            && !ngx_paygw_order_same(&o->ref, &b->note)
            && !ngx_paygw_book_paid(ngx_http_paygw_api_status_of(
                                                          o->told.state))))
    {
        ngx_http_paygw_api_status_merged(ctx);
        ngx_http_paygw_api_reply(ctx);
        return;
    }

    entry = ngx_http_paygw_api_book_entry(ctx);

    if (ngx_http_paygw_api_status_over(ctx)) {
        o->told.state = NGX_PAYGW_STATE_CLOSED;
        o->told.outcome = NGX_PAYGW_OUTCOME_FAILED;

        /* unless it is made anew in the meantime */

        entry->expires = b->expires;
    }

    entry->to = ngx_http_paygw_api_status_of(o->told.state);

    if (!ngx_paygw_book_moves(b->state, entry->to)) {
        entry->to = NGX_PAYGW_BOOK_NONE;
    }

    ref = o->told.ref.len ? &o->told.ref : &o->ref;

    /* one that the caller says is noted once the provider knows it */

    if ((b->note.len == 0
         && (!b->said || o->told.state != NGX_PAYGW_STATE_UNKNOWN))
        || (o->op == NGX_PAYGW_OP_CREATE
            && !ngx_paygw_order_same(&b->note, ref)))
    {
        entry->note = *ref;
    }

    ngx_http_paygw_api_status_merged(ctx);

    if (o->op == NGX_PAYGW_OP_QUERY) {
        ngx_http_paygw_api_status_keep(ctx);
    }

    if (entry->to == NGX_PAYGW_BOOK_NONE && entry->note.len == 0
        && entry->answer.len == 0)
    {
        ngx_http_paygw_api_reply(ctx);
        return;
    }

    ngx_http_paygw_api_book_step(ctx, NGX_PAYGW_BOOK_MOVE,
                                 ngx_http_paygw_api_book_moved);
}


/* what could not be noted is true all the same */

static void
ngx_http_paygw_api_book_moved(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc)
{
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    /* but that nobody can pay it any more: its end may be another one now */

    if (rc != NGX_OK && rc != NGX_DONE && ctx->book.entry.expires) {
        o->told.state = NGX_PAYGW_STATE_UNKNOWN;
        o->told.outcome = NGX_PAYGW_OUTCOME_PENDING;
    }

    ngx_http_paygw_api_status_merged(ctx);
    ngx_http_paygw_api_reply(ctx);
}
