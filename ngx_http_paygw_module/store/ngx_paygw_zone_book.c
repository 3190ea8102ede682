
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_store.h"
#include "ngx_paygw_backend.h"
#include "ngx_paygw_zone_book.h"


/*
 * The book of orders in shared memory: what is asked of it, and what callbacks
 * make of an order.  Refunds are in ngx_paygw_zone_book_refund.c, the records
 * in ngx_paygw_zone_book_record.c.
 */


#define NGX_PAYGW_ZONE_BOOK_EXPIRE  2    /* records looked at by each call */


static ngx_int_t ngx_paygw_zone_book_ask(ngx_paygw_zone_ask_t *ask);
static ngx_int_t ngx_paygw_zone_book_create(ngx_paygw_zone_ask_t *ask);
static void ngx_paygw_zone_book_longer(ngx_paygw_zone_ask_t *ask);
static ngx_int_t ngx_paygw_zone_book_learn(ngx_paygw_zone_ask_t *ask);
static ngx_int_t ngx_paygw_zone_book_cross_out(ngx_paygw_zone_ask_t *ask);
static ngx_int_t ngx_paygw_zone_book_move(ngx_paygw_zone_ask_t *ask);
static ngx_int_t ngx_paygw_zone_book_says(ngx_paygw_zone_ask_t *ask,
    ngx_paygw_store_says_e says);
static ngx_int_t ngx_paygw_zone_book_tell(ngx_paygw_zone_ask_t *ask);


ngx_int_t
ngx_paygw_zone_book(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_int_t             rc;
    ngx_paygw_zone_t     *zone;
    ngx_paygw_zone_ask_t  ask;

    zone = store->data;

    ask.zone = zone;
    ask.key = &op->key;
    ask.keep = op->keep;
    ask.token = op->token;
    ask.book = op->book;

    ngx_shmtx_lock(&zone->shpool->mutex);

    (void) ngx_paygw_zone_book_expire(zone, NGX_PAYGW_ZONE_BOOK_EXPIRE);

    ngx_paygw_zone_book_find(&ask);

    rc = ngx_paygw_zone_book_ask(&ask);

    if (rc != NGX_ERROR && ngx_paygw_zone_book_tell(&ask) != NGX_OK) {
        rc = NGX_ERROR;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (rc == NGX_ERROR) {
        ngx_paygw_zone_crowded(zone, op->log);
    }

    return rc;
}


/* the functions below are called with the mutex locked */


static ngx_int_t
ngx_paygw_zone_book_ask(ngx_paygw_zone_ask_t *ask)
{
    switch (ask->book->verb) {

    case NGX_PAYGW_BOOK_CREATE:
        return ngx_paygw_zone_book_create(ask);

    case NGX_PAYGW_BOOK_LEARN:
        return ngx_paygw_zone_book_learn(ask);

    case NGX_PAYGW_BOOK_DROP:
        return ngx_paygw_zone_book_cross_out(ask);

    case NGX_PAYGW_BOOK_MOVE:
        return ngx_paygw_zone_book_move(ask);

    case NGX_PAYGW_BOOK_LOOK:
        return (ask->order || ngx_paygw_zone_marked(ask->zone, ask->key))
               ? NGX_OK : NGX_DECLINED;

    default: /* of a refund */
        return ngx_paygw_zone_book_refund(ask);
    }
}


static ngx_int_t
ngx_paygw_zone_book_create(ngx_paygw_zone_ask_t *ask)
{
    ngx_int_t  rc;

    if (ask->order) {
        rc = ngx_paygw_zone_book_join(ask);

        if (rc == NGX_DONE) {
            ngx_paygw_zone_book_longer(ask);
        }

        return rc;
    }

    if (ngx_paygw_zone_marked(ask->zone, ask->key)) {
        return NGX_DONE;
    }

    return ngx_paygw_zone_book_add(ask);
}


/* it can be paid by both of what was made of it */

static void
ngx_paygw_zone_book_longer(ngx_paygw_zone_ask_t *ask)
{
    time_t                   expires;
    ngx_paygw_zone_order_t  *order;

    order = ask->order;
    expires = ask->book->expires;

    if (ngx_paygw_book_moves(order->rec.state, NGX_PAYGW_BOOK_CLOSED)
        && order->expires && (expires == 0 || expires > order->expires))
    {
        order->expires = expires;
    }
}


static ngx_int_t
ngx_paygw_zone_book_learn(ngx_paygw_zone_ask_t *ask)
{
    ngx_int_t  rc;

    if (ask->order == NULL) {

        if (ngx_paygw_zone_book_add(ask) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_paygw_zone_marked(ask->zone, ask->key)) {
            (void) ngx_paygw_zone_book_step(ask->order, NGX_PAYGW_BOOK_PAID);
        }

    } else {

        rc = ngx_paygw_zone_book_agree(ask);

        if (rc != NGX_OK) {
            return rc;
        }

        (void) ngx_paygw_zone_book_step(ask->order, ask->book->to);
    }

    ngx_paygw_zone_book_answer(ask);

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_zone_book_cross_out(ngx_paygw_zone_ask_t *ask)
{
    if (ask->order == NULL
        || ask->order->token != ask->token
        || ask->order->rec.state != NGX_PAYGW_BOOK_CREATED)
    {
        return NGX_DECLINED;
    }

    ngx_paygw_zone_book_drop(ask);

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_zone_book_move(ngx_paygw_zone_ask_t *ask)
{
    ngx_int_t               rc;
    ngx_paygw_book_state_e  to;

    to = ask->book->to;

    if (ask->order == NULL) {

        /* a mark is that of an order which is paid, and no more */

        return (ngx_paygw_zone_marked(ask->zone, ask->key)
                && (to == NGX_PAYGW_BOOK_PAID || to == NGX_PAYGW_BOOK_NONE))
               ? NGX_DONE : NGX_DECLINED;
    }

    if (ask->book->expires && ask->book->expires != ask->order->expires) {
        return NGX_DECLINED;
    }

    rc = (to == NGX_PAYGW_BOOK_NONE || to == ask->order->rec.state)
         ? NGX_DONE : NGX_OK;

    if (rc == NGX_OK && !ngx_paygw_book_moves(ask->order->rec.state, to)) {
        return NGX_DECLINED;
    }

    if (ask->book->note.len && ngx_paygw_zone_book_write(ask, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    (void) ngx_paygw_zone_book_step(ask->order, to);

    ngx_paygw_zone_book_last(ask);
    ngx_paygw_zone_book_answer(ask);

    return rc;
}


ngx_int_t
ngx_paygw_zone_book_claim(ngx_paygw_zone_t *zone, ngx_paygw_store_op_t *op)
{
    ngx_paygw_book_t        *book, none;
    ngx_paygw_zone_ask_t     ask;
    ngx_paygw_book_terms_t   terms;

    book = op->book;

    if (book == NULL) {
        ngx_memzero(&none, sizeof(ngx_paygw_book_t));
        none.terms.amount = NGX_PAYGW_BOOK_ANY;
        none.keep = ngx_paygw_store_life(op);
        book = &none;
    }

    ask.zone = zone;
    ask.key = &op->order;
    ask.keep = book->keep;
    ask.token = 0;
    ask.book = book;

    ngx_paygw_zone_book_find(&ask);

    if (ask.order == NULL) {

        if (book->required) {
            book->against = NGX_PAYGW_BOOK_UNKNOWN;
            return NGX_DONE;
        }

        return NGX_DECLINED;
    }

    ngx_paygw_zone_book_terms(ask.order, &terms);

    book->against = ngx_paygw_book_compare(&book->terms, &terms);

    if (book->against != NGX_PAYGW_BOOK_FINE) {
        book->told = terms;

        return (ngx_paygw_book_keep(book) == NGX_OK) ? NGX_DONE : NGX_ERROR;
    }

    return ngx_paygw_zone_book_says(&ask, op->says);
}


/* what an event says, which is true whatever becomes of it */

static ngx_int_t
ngx_paygw_zone_book_says(ngx_paygw_zone_ask_t *ask,
    ngx_paygw_store_says_e says)
{
    ngx_int_t               rc;
    ngx_paygw_book_state_e  to;

    switch (says) {

    case NGX_PAYGW_STORE_UNPAID:
        to = NGX_PAYGW_BOOK_PAYING;
        break;

    case NGX_PAYGW_STORE_CLOSED:
        to = NGX_PAYGW_BOOK_CLOSED;
        break;

    case NGX_PAYGW_STORE_FAILED:
        to = NGX_PAYGW_BOOK_FAILED;
        break;

    case NGX_PAYGW_STORE_PAID:
        to = NGX_PAYGW_BOOK_PAID;
        break;

    case NGX_PAYGW_STORE_REFUNDED:
    case NGX_PAYGW_STORE_RETURNED:

        if (ask->book->refund_id.len == 0) {
            return NGX_OK;
        }

        rc = (says == NGX_PAYGW_STORE_REFUNDED)
             ? ngx_paygw_zone_book_confirm(ask)
             : ngx_paygw_zone_book_give_back(ask);

        return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;

    default: /* NGX_PAYGW_STORE_NOTHING */
        return NGX_OK;
    }

    (void) ngx_paygw_zone_book_step(ask->order, to);
    ngx_paygw_zone_book_last(ask);

    if (to != NGX_PAYGW_BOOK_PAID
        && ngx_paygw_book_paid(ask->order->rec.state))
    {
        ask->book->against = NGX_PAYGW_BOOK_LATE;
        return NGX_DONE;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_zone_book_step(ngx_paygw_zone_order_t *order,
    ngx_paygw_book_state_e to)
{
    if (!ngx_paygw_book_moves(order->rec.state, to)) {
        return 0;
    }

    order->rec.state = to;
    order->fresh = ngx_current_msec;

    return 1;
}


static ngx_int_t
ngx_paygw_zone_book_tell(ngx_paygw_zone_ask_t *ask)
{
    ngx_paygw_book_t  *book;

    book = ask->book;

    ngx_paygw_book_forget(book);

    if (ask->refund) {
        book->refund = ask->refund->rec.state;
    }

    if (ask->order == NULL) {

        if (ngx_paygw_zone_marked(ask->zone, ask->key)) {
            book->state = NGX_PAYGW_BOOK_PAID;
        }

        return NGX_OK;
    }

    book->state = ask->order->rec.state;
    book->refunded = ask->order->refunded;
    book->held = ask->order->held;
    book->told_expires = ask->order->expires;

    ngx_paygw_zone_book_terms(ask->order, &book->told);
    ngx_paygw_zone_book_told(ask->order, book);

    if (book->verb != NGX_PAYGW_BOOK_LOOK || book->refund_id.len) {
        ngx_str_null(&book->told_answer);
    }

    if (ask->refund) {
        book->told_answer = ask->refund->note;
    }

    return ngx_paygw_book_keep(book);
}
