
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api_home.h"


/*
 * The home of an order in the store: a record of the book under a name that no
 * channel can have, whose note is the channel.
 *
 * Who has made it may drop it, and has to before he takes another channel; that
 * is refused once another call of the same order has found the record, since
 * that may have sent the order.  So no two calls of an order ever send it to
 * two channels, on whatever machines they are.
 *
 * It must not be forgotten before the order is, which callbacks make last, too,
 * and they know nothing of it.  So it is kept for longer, and each time anew
 * when it is found.
 */


/* the steps that the store is asked for, one at a time */
typedef enum {
    NGX_HTTP_PAYGW_HOME_MAKE = 0,
    NGX_HTTP_PAYGW_HOME_LOOK,
    NGX_HTTP_PAYGW_HOME_DROP
} ngx_http_paygw_home_step_e;


struct ngx_http_paygw_api_home_s {
    ngx_paygw_store_op_t         op;
    ngx_paygw_book_t             book;
    ngx_http_paygw_home_step_e   step;
    ngx_http_paygw_pass_conf_t  *call;      /* that was picked, or named */
    ngx_paygw_order_t            order;     /* as it was asked for */
    uint64_t                     token;     /* of the record that was made */
    ngx_uint_t                   tried;     /* of the route, bits */
    ngx_msec_t                   until;     /* the deadline of the first call,
                                               and so of all; 0: none yet */

    unsigned                     named:1;   /* by the caller */
    unsigned                     picked:1;  /* by the route, here */
    unsigned                     made:1;    /* the record is ours */
};


#define NGX_HTTP_PAYGW_HOME_KEEP(keep)                                        \
    ngx_min(2 * (keep), (ngx_msec_t) NGX_MAX_INT_T_VALUE)


static ngx_http_paygw_api_home_t *ngx_http_paygw_api_home_create(
    ngx_http_paygw_api_ctx_t *ctx);
static void ngx_http_paygw_api_home_cleanup(void *data);
static ngx_int_t ngx_http_paygw_api_home_make(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_conf_t **call);
static ngx_int_t ngx_http_paygw_api_home_ask(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_home_step_e step);
static void ngx_http_paygw_api_home_handler(ngx_paygw_store_op_t *op);
static ngx_int_t ngx_http_paygw_api_home_told(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc, ngx_http_paygw_pass_conf_t **call);
static ngx_int_t ngx_http_paygw_api_home_found(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_conf_t **call);
static ngx_int_t ngx_http_paygw_api_home_unknown(
    ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc,
    ngx_http_paygw_pass_conf_t **call);
static ngx_int_t ngx_http_paygw_api_home_unwell(
    ngx_http_paygw_api_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_api_home_next(ngx_http_paygw_api_ctx_t *ctx,
    ngx_int_t rc);
static ngx_uint_t ngx_http_paygw_api_home_none(ngx_http_paygw_api_ctx_t *ctx);
static ngx_uint_t ngx_http_paygw_api_home_again(
    ngx_http_paygw_api_ctx_t *ctx);


ngx_int_t
ngx_http_paygw_api_home(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_conf_t **call)
{
    ngx_paygw_order_t          *o;
    ngx_http_paygw_api_home_t  *home;

    o = &ctx->order;

    if (ctx->conf->home.len == 0 || o->op == NGX_PAYGW_OP_BILL) {
        return ngx_http_paygw_api_channel(ctx, call);
    }

    *call = NULL;

    if (o->channel.len
        && ngx_http_paygw_api_channel(ctx, call) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (*call == NULL && o->op == NGX_PAYGW_OP_CREATE
        && ctx->conf->route == NULL)
    {
        return ngx_paygw_order_missing(o, "channel");
    }

    home = ngx_http_paygw_api_home_create(ctx);
    if (home == NULL) {
        return NGX_ERROR;
    }

    home->call = *call;
    home->named = (*call != NULL);

    if (o->op == NGX_PAYGW_OP_CREATE) {
        return ngx_http_paygw_api_home_make(ctx, call);
    }

    return ngx_http_paygw_api_home_told(ctx,
               ngx_http_paygw_api_home_ask(ctx, NGX_HTTP_PAYGW_HOME_LOOK),
               call);
}


static ngx_http_paygw_api_home_t *
ngx_http_paygw_api_home_create(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_str_t                  *name;
    ngx_http_cleanup_t         *cln;
    ngx_http_paygw_api_home_t  *home;

    home = ngx_pcalloc(ctx->request->pool,
                       sizeof(ngx_http_paygw_api_home_t));
    if (home == NULL) {
        return NULL;
    }

    cln = ngx_http_cleanup_add(ctx->request, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_paygw_api_home_cleanup;
    cln->data = home;

    name = &ctx->conf->home;

    home->op.key.data = ngx_pnalloc(ctx->request->pool,
                                    name->len + 1 + ctx->order.id.len);
    if (home->op.key.data == NULL) {
        return NULL;
    }

    home->op.key.len = ngx_sprintf(home->op.key.data, "%V:%V", name,
                                   &ctx->order.id)
                       - home->op.key.data;

    home->order = ctx->order;

    ctx->home = home;

    return home;
}


static void
ngx_http_paygw_api_home_cleanup(void *data)
{
    ngx_http_paygw_api_home_t *home = data;

    ngx_paygw_store_cancel(&home->op);
}


/* a record of the channel that was named, or is picked now */

static ngx_int_t
ngx_http_paygw_api_home_make(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_conf_t **call)
{
    ngx_int_t                   rc;
    const char                 *field;
    ngx_http_paygw_api_home_t  *home;

    home = ctx->home;

    if (!home->named) {

        rc = ngx_http_paygw_api_pick(ctx, &home->tried, &home->call, &field);

        if (rc == NGX_DECLINED) {
            return ngx_paygw_order_unsupported(&ctx->order, field,
                       "no channel of the route is for this order");
        }

        if (rc != NGX_OK) {
            return rc;
        }

        home->picked = 1;
    }

    return ngx_http_paygw_api_home_told(ctx,
               ngx_http_paygw_api_home_ask(ctx, NGX_HTTP_PAYGW_HOME_MAKE),
               call);
}


/*
 * The terms of all of these records are the same: those of the order are in
 * that of its channel.
 */

static ngx_int_t
ngx_http_paygw_api_home_ask(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_home_step_e step)
{
    ngx_paygw_book_t           *book;
    ngx_paygw_store_op_t       *op;
    ngx_http_paygw_api_home_t  *home;

    static const ngx_paygw_book_verb_e  verbs[] = {
        NGX_PAYGW_BOOK_CREATE,
        NGX_PAYGW_BOOK_MOVE,    /* to nowhere: it is told, and kept anew */
        NGX_PAYGW_BOOK_DROP
    };

    home = ctx->home;
    home->step = step;

    op = &home->op;
    book = &home->book;

    ngx_memzero(book, sizeof(ngx_paygw_book_t));

    book->verb = verbs[step];
    book->pool = ctx->request->pool;

    if (step == NGX_HTTP_PAYGW_HOME_MAKE) {
        book->note = home->call->channel->name;
    }

    op->book = book;
    op->keep = NGX_HTTP_PAYGW_HOME_KEEP(ctx->lcf->binding_keep);
    op->log = ctx->request->connection->log;
    op->handler = ngx_http_paygw_api_home_handler;
    op->data = ctx;
    op->token = home->token;

    ctx->request->connection->log->action = "looking for the channel of an "
                                            "order";

    return ngx_paygw_store_book(ngx_http_paygw_store(ctx->request), op);
}


static void
ngx_http_paygw_api_home_handler(ngx_paygw_store_op_t *op)
{
    ngx_int_t                    rc;
    ngx_connection_t            *c;
    ngx_http_paygw_api_ctx_t    *ctx;
    ngx_http_paygw_pass_conf_t  *call;

    ctx = op->data;
    c = ctx->request->connection;

    ngx_http_set_log_request(c->log, ctx->request);

    if (ctx->home->step == NGX_HTTP_PAYGW_HOME_DROP) {

        if (ngx_http_paygw_api_home_next(ctx, op->rc) != NGX_OK) {
            ngx_http_paygw_api_reply(ctx);
        }

    } else {
        rc = ngx_http_paygw_api_home_told(ctx, op->rc, &call);

        if (rc != NGX_AGAIN) {
            ngx_http_paygw_api_found(ctx, call, rc);
        }
    }

    ngx_http_run_posted_requests(c);
}


/* NGX_OK with the channel; NGX_AGAIN; NGX_DECLINED with order.code */

static ngx_int_t
ngx_http_paygw_api_home_told(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc,
    ngx_http_paygw_pass_conf_t **call)
{
    ngx_http_paygw_api_home_t  *home;

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    home = ctx->home;

    switch (home->step) {

    case NGX_HTTP_PAYGW_HOME_MAKE:

        if (rc == NGX_OK) {
            home->made = 1;
            home->token = home->op.token;

            *call = home->call;
            return NGX_OK;
        }

        return (rc == NGX_DONE) ? ngx_http_paygw_api_home_found(ctx, call)
                                : ngx_http_paygw_api_home_unwell(ctx);

    default: /* NGX_HTTP_PAYGW_HOME_LOOK */

        return (rc == NGX_OK || rc == NGX_DONE)
               ? ngx_http_paygw_api_home_found(ctx, call)
               : ngx_http_paygw_api_home_unknown(ctx, rc, call);
    }
}


/* there is a record: the order is at that channel, and at no other one */

static ngx_int_t
ngx_http_paygw_api_home_found(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_conf_t **call)
{
    ngx_uint_t                  i;
    ngx_paygw_order_t          *o;
    ngx_http_paygw_api_conf_t  *conf;
    ngx_http_paygw_api_home_t  *home;

    o = &ctx->order;
    conf = ctx->conf;
    home = ctx->home;

    home->picked = 0;

    for (i = 0; i < conf->ncalls; i++) {

        if (!ngx_paygw_order_same(&conf->calls[i].channel->name,
                                  &home->book.told_note))
        {
            continue;
        }

        if (home->named && home->call != &conf->calls[i]) {
            break;
        }

        *call = &conf->calls[i];
        return NGX_OK;
    }

    o->code = NGX_PAYGW_CODE_ORDER_MISMATCH;
    o->field = "channel";
    o->hint = (i < conf->ncalls) ? "the order is in another one"
                                 : "that of the order is not here any more";

    return NGX_DECLINED;
}


/*
 * Of what was made elsewhere, or long ago, nobody but the caller knows the
 * channel; and if the store is silent he may know it, too.
 */

static ngx_int_t
ngx_http_paygw_api_home_unknown(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc,
    ngx_http_paygw_pass_conf_t **call)
{
    if (ctx->home->named) {
        *call = ctx->home->call;
        return NGX_OK;
    }

    if (ctx->conf->ncalls == 1) {
        *call = ctx->conf->calls;
        return NGX_OK;
    }

    if (rc != NGX_DECLINED) {
        return ngx_http_paygw_api_home_unwell(ctx);
    }

    (void) ngx_paygw_order_missing(&ctx->order, "channel");

    ctx->order.hint = "is needed, the order is not remembered";

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_paygw_api_home_unwell(ngx_http_paygw_api_ctx_t *ctx)
{
    ctx->order.code = NGX_PAYGW_CODE_STORE;
    ctx->order.field = NULL;
    ctx->order.hint = NULL;

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_paygw_api_home_leave(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_http_paygw_api_home_t  *home;

    home = ctx->home;

    if (home == NULL || !home->made || !ngx_http_paygw_api_home_none(ctx)) {
        return NGX_DECLINED;
    }

    if (home->until == 0 && ctx->call) {
        home->until = ctx->call->until;
    }

    /* before the answer, which a call with other terms may follow at once */

    rc = ngx_http_paygw_api_home_ask(ctx, NGX_HTTP_PAYGW_HOME_DROP);

    return (rc == NGX_AGAIN) ? NGX_OK : ngx_http_paygw_api_home_next(ctx, rc);
}


/*
 * 1 if it is certain that the call has made no order: nobody was asked, or the
 * provider says so, and was asked once.  What was made without a call of ours
 * is an order.
 */

static ngx_uint_t
ngx_http_paygw_api_home_none(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_http_paygw_pass_ctx_t  *call;

    call = ctx->call;

    if (ctx->order.code == NGX_PAYGW_CODE_OK
        || ctx->order.code == NGX_PAYGW_CODE_ORDER_PAID)
    {
        return 0;
    }

    /* the channel may have had it before this call */

    if (ctx->book.had) {
        return 0;
    }

    if (call == NULL || !call->placed) {
        return 1;
    }

    return !call->doubt && call->result == NGX_HTTP_PAYGW_PASS_PASSED
           && (ctx->order.code == NGX_PAYGW_CODE_BUSY
               || (call->exchange.refused && call->tries == 1));
}


/* 1 if another channel of the route may have what this one did not take */

static ngx_uint_t
ngx_http_paygw_api_home_again(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_http_paygw_api_home_t  *home;

    home = ctx->home;

    switch (ctx->order.code) {

    case NGX_PAYGW_CODE_UNREACHABLE:
    case NGX_PAYGW_CODE_UNAVAILABLE:
    case NGX_PAYGW_CODE_BUSY:
        return home->picked
               && (ngx_msec_int_t) (home->until - ngx_current_msec) > 0;

    default:
        return 0;
    }
}


/* the record was dropped: NGX_OK, another channel has the order now */

static ngx_int_t
ngx_http_paygw_api_home_next(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc)
{
    ngx_str_t                    from;
    const char                  *field;
    ngx_http_paygw_api_home_t   *home;
    ngx_http_paygw_pass_conf_t  *call;

    home = ctx->home;
    home->made = 0;

    /* not NGX_OK: another call of the order counts on it; or nobody knows */

    if (rc != NGX_OK || !ngx_http_paygw_api_home_again(ctx)) {
        return NGX_DECLINED;
    }

    from = home->call->name;

    if (ngx_http_paygw_api_pick(ctx, &home->tried, &home->call, &field)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_WARN, ctx->request->connection->log, 0,
                  "order \"%V\" was not taken by channel \"%V\", "
                  "channel \"%V\" is next",
                  &ctx->order.id, &from, &home->call->name);

    ctx->order = home->order;
    ctx->call = NULL;

    rc = ngx_http_paygw_api_home_told(ctx,
             ngx_http_paygw_api_home_ask(ctx, NGX_HTTP_PAYGW_HOME_MAKE),
             &call);

    if (rc != NGX_AGAIN) {
        ngx_http_paygw_api_found(ctx, call, rc);
    }

    return NGX_OK;
}


void
ngx_http_paygw_api_home_hurry(ngx_http_paygw_api_ctx_t *ctx)
{
    if (ctx->home && ctx->home->until) {
        ctx->call->until = ctx->home->until;
    }
}
