
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"
#include "ngx_http_paygw_binding.h"
#include "ngx_http_paygw_conf.h"


#define NGX_HTTP_PAYGW_BINDING_KEEP      (7 * 24 * 60 * 60 * 1000)
#define NGX_HTTP_PAYGW_BINDING_KEEP_MIN  (60 * 1000)

#if (NGX_PTR_SIZE == 8)
#define NGX_HTTP_PAYGW_BINDING_KEEP_MAX                                       \
    ((ngx_int_t) 366 * 24 * 60 * 60 * 1000)
#else
/* more than that is no difference of two ngx_msec_t */
#define NGX_HTTP_PAYGW_BINDING_KEEP_MAX  (24 * 24 * 60 * 60 * 1000)
#endif


static ngx_int_t ngx_http_paygw_binding_keep(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_msec_t *keep);
static void ngx_http_paygw_binding_payment(ngx_http_paygw_ctx_t *ctx);
static ngx_paygw_store_says_e ngx_http_paygw_binding_refund(
    ngx_http_paygw_ctx_t *ctx);
static void ngx_http_paygw_binding_handler(ngx_paygw_store_op_t *op);
static void ngx_http_paygw_binding_created(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_int_t rc);
static ngx_int_t ngx_http_paygw_binding_terms(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_paygw_exchange_order_t *order);


char *
ngx_http_paygw_binding_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->binding != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->binding = NGX_HTTP_PAYGW_BINDING_OFF;

    } else if (ngx_strcmp(value[1].data, "on") == 0) {
        lcf->binding = NGX_HTTP_PAYGW_BINDING_ON;

    } else if (ngx_strcmp(value[1].data, "required") == 0) {
        lcf->binding = NGX_HTTP_PAYGW_BINDING_REQUIRED;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\", it must be \"on\", \"off\" "
                           "or \"required\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts > 2
        && ngx_http_paygw_binding_keep(cf, &value[2], &lcf->binding_keep)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_paygw_binding_keep(ngx_conf_t *cf, ngx_str_t *arg, ngx_msec_t *keep)
{
    ngx_int_t  n;
    ngx_str_t  text;

    if (ngx_strncmp(arg->data, "keep=", 5) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", it must be "
                           "\"keep=TIME\"", arg);
        return NGX_ERROR;
    }

    text.data = arg->data + 5;
    text.len = arg->len - 5;

    n = ngx_parse_time(&text, 0);

    if (n == NGX_ERROR
        || n < NGX_HTTP_PAYGW_BINDING_KEEP_MIN
        || n > NGX_HTTP_PAYGW_BINDING_KEEP_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time in \"%V\", it must be from one "
                           "minute to 366 days", arg);
        return NGX_ERROR;
    }

    *keep = n;

    return NGX_OK;
}


void
ngx_http_paygw_binding_merge(ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf)
{
    ngx_conf_merge_uint_value(conf->binding, prev->binding,
                              NGX_HTTP_PAYGW_BINDING_DEFAULT);
    ngx_conf_merge_msec_value(conf->binding_keep, prev->binding_keep,
                              NGX_HTTP_PAYGW_BINDING_KEEP);
}


char *
ngx_http_paygw_binding_check(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *conf,
    ngx_http_paygw_pass_conf_t *pass)
{
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    if (mcf->store == NULL && conf->binding > NGX_HTTP_PAYGW_BINDING_DEFAULT) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no store is defined for \"paygw_binding\" with "
                      "\"%s\" in %s:%ui, add "
                      "\"paygw_zone paygw:16m\" or "
                      "\"paygw_store redis://...\" to \"http\"",
                      pass->directive, pass->file, pass->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_paygw_binding_claim(ngx_http_paygw_ctx_t *ctx)
{
    ngx_paygw_book_t      *book;
    ngx_paygw_event_t     *ev;
    ngx_paygw_store_op_t  *op;

    op = &ctx->op;
    ev = &ctx->notify.event;
    book = &ctx->book;

    op->book = NULL;

    if (ctx->lcf->binding == NGX_HTTP_PAYGW_BINDING_OFF) {
        return NGX_OK;
    }

    ngx_memzero(book, sizeof(ngx_paygw_book_t));

    book->pool = ctx->request->pool;
    book->keep = ctx->lcf->binding_keep;
    book->terms.amount = NGX_PAYGW_BOOK_ANY;
    book->refund_amount = NGX_PAYGW_BOOK_ANY;

    if (ev->type == NGX_PAYGW_EVENT_REFUND) {
        op->says = ngx_http_paygw_binding_refund(ctx);
        return NGX_OK;
    }

    if (ev->type != NGX_PAYGW_EVENT_PAYMENT
        || ev->outcome != NGX_PAYGW_OUTCOME_SUCCESS)
    {
        return NGX_OK;
    }

    ngx_http_paygw_binding_payment(ctx);

    if (book->terms.amount > NGX_PAYGW_BOOK_AMOUNT_MAX) {
        book->against = NGX_PAYGW_BOOK_AMOUNT;
        return NGX_DONE;
    }

    if (book->required && op->order.len == 0) {
        book->against = NGX_PAYGW_BOOK_UNKNOWN;
        return NGX_DONE;
    }

    return NGX_OK;
}


/* the amount of the order: a coupon of the provider's does not change it */

static void
ngx_http_paygw_binding_payment(ngx_http_paygw_ctx_t *ctx)
{
    ngx_paygw_book_t   *book;
    ngx_paygw_event_t  *ev;

    ev = &ctx->notify.event;
    book = &ctx->book;

    book->required = (ctx->lcf->binding == NGX_HTTP_PAYGW_BINDING_REQUIRED);

    book->terms.amount = ev->total ? ev->total : ev->amount;

    if (ev->currency.len <= NGX_PAYGW_BOOK_CURRENCY_MAX) {
        book->terms.currency = ev->currency;
    }

    if (ev->account.len <= NGX_PAYGW_BOOK_ACCOUNT_MAX) {
        book->terms.account = ev->account;
    }

    ctx->op.book = book;
}


/* only what the provider has signed, and what is the end of the refund */

static ngx_paygw_store_says_e
ngx_http_paygw_binding_refund(ngx_http_paygw_ctx_t *ctx)
{
    ngx_paygw_event_t  *ev;

    ev = &ctx->notify.event;

    if (ev->refund_id.len == 0
        || ev->refund_id.len > NGX_PAYGW_BOOK_REFUND_MAX
        || ev->unconfirmed || ev->refund_open)
    {
        return NGX_PAYGW_STORE_NOTHING;
    }

    ctx->book.refund_id = ev->refund_id;

    if (!ev->refund_sum && ev->refund_amount > 0) {
        ctx->book.refund_amount = ev->refund_amount;
    }

    switch (ev->outcome) {

    case NGX_PAYGW_OUTCOME_SUCCESS:
        ctx->op.book = &ctx->book;
        return NGX_PAYGW_STORE_REFUNDED;

    case NGX_PAYGW_OUTCOME_FAILED:
        ctx->op.book = &ctx->book;
        return NGX_PAYGW_STORE_RETURNED;

    default:
        return NGX_PAYGW_STORE_NOTHING;
    }
}


void
ngx_http_paygw_binding_against(ngx_http_paygw_ctx_t *ctx)
{
    ngx_paygw_book_t    *book;
    ngx_paygw_notify_t  *n;

    n = &ctx->notify;
    book = &ctx->book;

    if (book->terms.amount > NGX_PAYGW_BOOK_AMOUNT_MAX) {
        (void) ngx_paygw_refuse_with(n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_ORDER_MISMATCH,
                                     "amount %L of order \"%V\" is larger "
                                     "than that of any order",
                                     book->terms.amount, &n->event.order_id);
        return;
    }

    switch (book->against) {

    case NGX_PAYGW_BOOK_AMOUNT:
        (void) ngx_paygw_refuse_with(n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_ORDER_MISMATCH,
                                     "order \"%V\" was created with amount "
                                     "%L, this is one of %L",
                                     &n->event.order_id, book->told.amount,
                                     book->terms.amount);
        break;

    case NGX_PAYGW_BOOK_CURRENCY:
        (void) ngx_paygw_refuse_with(n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_ORDER_MISMATCH,
                                     "order \"%V\" was created in %V, this is "
                                     "one in %V", &n->event.order_id,
                                     &book->told.currency,
                                     &book->terms.currency);
        break;

    case NGX_PAYGW_BOOK_ACCOUNT:
        (void) ngx_paygw_refuse_with(n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_ORDER_MISMATCH,
                                     "order \"%V\" was created for account "
                                     "\"%V\", this is one of \"%V\"",
                                     &n->event.order_id, &book->told.account,
                                     &book->terms.account);
        break;

    default: /* NGX_PAYGW_BOOK_UNKNOWN */
        (void) ngx_paygw_refuse_with(n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_ORDER_UNKNOWN,
                                     "order \"%V\" was not created here, or "
                                     "is forgotten", &n->event.order_id);
    }
}


void
ngx_http_paygw_binding_create(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_int_t              rc;
    ngx_paygw_store_t     *store;
    ngx_paygw_exchange_t  *x;

    x = &ctx->exchange;
    store = ngx_http_paygw_store(ctx->request);

    if (ctx->api) {
        ngx_http_paygw_api_book_terms(ctx);
    }

    if (ctx->booked || x->order.id.len == 0 || store == NULL
        || ctx->lcf->binding == NGX_HTTP_PAYGW_BINDING_OFF)
    {
        ngx_http_paygw_pass_go(ctx);
        return;
    }

    /* the store could not tell it from its neighbours */

    if (x->order.amount > NGX_PAYGW_BOOK_AMOUNT_MAX) {
        (void) ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "amount %L of order \"%V\" is larger "
                                     "than %L", x->order.amount, &x->order.id,
                                     (int64_t) NGX_PAYGW_BOOK_AMOUNT_MAX);
        ngx_http_paygw_pass_reject(ctx);
        return;
    }

    ctx->booked = 1;

    if (ngx_http_paygw_binding_terms(ctx, &x->order) != NGX_OK) {
        ngx_http_paygw_binding_created(ctx, NGX_ERROR);
        return;
    }

    ctx->request->connection->log->action = "noting order";

    if (ctx->api) {
        ctx->book.note = ctx->api->order.ref;
        ctx->book.expires = ctx->api->order.expires;
    }

    ctx->book.verb = NGX_PAYGW_BOOK_CREATE;
    ctx->op.handler = ngx_http_paygw_binding_handler;

    rc = ngx_paygw_store_book(store, &ctx->op);

    if (rc == NGX_AGAIN) {
        ctx->state = NGX_HTTP_PAYGW_PASS_BOOKING;
        return;
    }

    ngx_http_paygw_binding_created(ctx, rc);
}


static void
ngx_http_paygw_binding_handler(ngx_paygw_store_op_t *op)
{
    ngx_connection_t           *c;
    ngx_http_paygw_pass_ctx_t  *ctx;

    ctx = op->data;
    c = ctx->request->connection;

    ngx_http_set_log_request(c->log, ctx->request);

    ngx_http_paygw_binding_created(ctx, op->rc);

    ngx_http_run_posted_requests(c);
}


void
ngx_http_paygw_binding_expire(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_paygw_store_cancel(&ctx->op);
    ngx_http_paygw_binding_created(ctx, NGX_ERROR);
}


static ngx_int_t
ngx_http_paygw_binding_terms(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_paygw_exchange_order_t *order)
{
    ngx_str_t             *name;
    ngx_paygw_book_t      *book;
    ngx_paygw_store_op_t  *op;

    op = &ctx->op;
    book = &ctx->book;
    name = &ctx->conf->channel->name;

    ngx_memzero(book, sizeof(ngx_paygw_book_t));

    op->key.data = ngx_pnalloc(ctx->request->pool,
                               name->len + 1 + order->id.len);
    if (op->key.data == NULL) {
        return NGX_ERROR;
    }

    op->key.len = ngx_sprintf(op->key.data, "%V:%V", name, &order->id)
                  - op->key.data;

    op->keep = ctx->lcf->binding_keep;
    op->log = ctx->request->connection->log;
    op->data = ctx;
    op->book = book;

    book->pool = ctx->request->pool;
    book->terms.amount = order->amount;
    book->terms.currency = order->currency;
    book->terms.account = order->account;

    return NGX_OK;
}


static void
ngx_http_paygw_binding_created(ngx_http_paygw_pass_ctx_t *ctx, ngx_int_t rc)
{
    ngx_paygw_book_t    *book;
    ngx_paygw_notify_t  *n;

    n = &ctx->exchange.n;
    book = &ctx->book;

    switch (rc) {

    case NGX_OK:
        ctx->made = 1;

        /* fall through */

    case NGX_DONE:

        if (ctx->api && ngx_http_paygw_api_booked(ctx) != NGX_OK) {
            return;
        }

        ngx_http_paygw_pass_go(ctx);
        return;

    case NGX_DECLINED:
        (void) ngx_paygw_refuse_with(n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_ORDER_MISMATCH,
                                     "order \"%V\" was created with other "
                                     "terms, amount %L%s%V, give this one a "
                                     "number of its own",
                                     &ctx->exchange.order.id,
                                     book->told.amount,
                                     book->told.currency.len ? " " : "",
                                     &book->told.currency);
        break;

    default: /* NGX_ERROR */
        (void) ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_STORE,
                                "the order could not be noted, nothing was "
                                "sent");
    }

    ngx_http_paygw_pass_reject(ctx);
}


void
ngx_http_paygw_binding_end(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_uint_t             passed;
    ngx_paygw_store_t     *store;
    ngx_paygw_exchange_t  *x;

    x = &ctx->exchange;
    store = ngx_http_paygw_store(ctx->request);
    passed = (ctx->result == NGX_HTTP_PAYGW_PASS_PASSED);

    if (passed && x->status && x->learned.id.len && store
        && ctx->lcf->binding != NGX_HTTP_PAYGW_BINDING_OFF)
    {
        if (ngx_http_paygw_binding_terms(ctx, &x->learned) == NGX_OK) {
            ctx->book.verb = NGX_PAYGW_BOOK_LEARN;
            ctx->book.note = x->learned.ref;
            ngx_paygw_store_book_tell(store, &ctx->op);
        }

        return;
    }

    /*
     * There is no order: nobody was asked for one, or the provider says so.  A
     * second try may have been refused since the first one had made it.
     */

    if (ctx->made
        && (passed ? x->status && x->refused && ctx->tries == 1 : !ctx->placed))
    {
        ctx->made = 0;
        ctx->book.verb = NGX_PAYGW_BOOK_DROP;
        ngx_paygw_store_book_tell(store, &ctx->op);
    }
}
