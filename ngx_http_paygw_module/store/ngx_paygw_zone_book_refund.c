
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_zone_book.h"


/* The refunds of an order, with the mutex. */


static ngx_int_t ngx_paygw_zone_book_reserve(ngx_paygw_zone_ask_t *ask);
static ngx_int_t ngx_paygw_zone_book_hold(ngx_paygw_zone_ask_t *ask);
static ngx_int_t ngx_paygw_zone_book_absent(ngx_paygw_zone_ask_t *ask);
static ngx_int_t ngx_paygw_zone_book_over(ngx_paygw_zone_ask_t *ask);
static ngx_int_t ngx_paygw_zone_book_doubt(ngx_paygw_zone_ask_t *ask);
static void ngx_paygw_zone_book_until(ngx_paygw_zone_ask_t *ask);


ngx_int_t
ngx_paygw_zone_book_refund(ngx_paygw_zone_ask_t *ask)
{
    switch (ask->book->verb) {

    case NGX_PAYGW_BOOK_STAMP:
        return ngx_paygw_zone_book_stamp(ask);

    case NGX_PAYGW_BOOK_RESERVE:
        return ngx_paygw_zone_book_reserve(ask);

    case NGX_PAYGW_BOOK_CONFIRM:
        return ngx_paygw_zone_book_confirm(ask);

    case NGX_PAYGW_BOOK_GIVE_BACK:
        return ngx_paygw_zone_book_give_back(ask);

    case NGX_PAYGW_BOOK_ABSENT:
    case NGX_PAYGW_BOOK_SEEK:
        return ngx_paygw_zone_book_absent(ask);

    default: /* NGX_PAYGW_BOOK_REFUSE, FAIL, DOUBT */
        return ngx_paygw_zone_book_over(ask);
    }
}


static ngx_int_t
ngx_paygw_zone_book_reserve(ngx_paygw_zone_ask_t *ask)
{
    ngx_int_t                 rc;
    ngx_paygw_zone_refund_t  *refund;

    if (ask->order == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_paygw_zone_book_stamped(ask)) {
        return NGX_ABORT;
    }

    refund = ask->refund;

    if (refund && refund->rec.state != NGX_PAYGW_BOOK_NO_REFUND) {

        if (refund->rec.amount != ask->book->refund_amount) {
            return NGX_ABORT;
        }

        rc = NGX_DONE;

    } else {
        rc = ngx_paygw_zone_book_hold(ask);

        if (rc != NGX_OK) {
            return rc;
        }

        refund = ask->refund;
        refund->doubt = (ask->book->fresh == 0);
    }

    if (refund->rec.state == NGX_PAYGW_BOOK_HELD && ask->book->fresh) {
        refund->calls++;
        ngx_paygw_zone_book_until(ask);
    }

    return rc;
}


static ngx_int_t
ngx_paygw_zone_book_hold(ngx_paygw_zone_ask_t *ask)
{
    int64_t                  amount;
    ngx_paygw_zone_order_t  *order;

    order = ask->order;
    amount = ask->book->refund_amount;

    if (!ngx_paygw_book_paid(order->rec.state)
        || amount > order->rec.amount - order->refunded - order->held)
    {
        return NGX_DECLINED;
    }

    if (ask->refund == NULL && ngx_paygw_zone_book_add_refund(ask) != NGX_OK) {
        return NGX_ERROR;
    }

    ask->refund->rec.state = NGX_PAYGW_BOOK_HELD;
    ask->refund->rec.amount = amount;
    ask->refund->calls = 0;
    ask->refund->end = ngx_current_msec;

    order->held += amount;

    ngx_paygw_zone_book_last(ask);

    return NGX_OK;
}


ngx_int_t
ngx_paygw_zone_book_confirm(ngx_paygw_zone_ask_t *ask)
{
    int64_t                  amount, held;
    ngx_paygw_zone_order_t  *order;

    order = ask->order;
    amount = ask->book->refund_amount;
    held = 0;

    if (order == NULL) {
        return NGX_DECLINED;
    }

    if (ask->refund && ask->refund->rec.state == NGX_PAYGW_BOOK_DONE) {
        return NGX_DONE;
    }

    if (ask->refund && ask->refund->rec.state == NGX_PAYGW_BOOK_HELD) {
        held = ask->refund->rec.amount;
    }

    if (amount == NGX_PAYGW_BOOK_ANY) {

        if (held == 0) {
            return NGX_DECLINED;
        }

        amount = held;
    }

    if (ask->refund == NULL && ngx_paygw_zone_book_add_refund(ask) != NGX_OK) {
        return NGX_ERROR;
    }

    ask->refund->rec.state = NGX_PAYGW_BOOK_DONE;
    ask->refund->rec.amount = amount;

    order->held -= held;
    order->refunded += amount;
    order->fresh = ngx_current_msec;

    (void) ngx_paygw_zone_book_step(order,
                                    (order->refunded >= order->rec.amount)
                                    ? NGX_PAYGW_BOOK_REFUNDED
                                    : NGX_PAYGW_BOOK_PART_REFUNDED);

    ngx_paygw_zone_book_last(ask);

    return NGX_OK;
}


ngx_int_t
ngx_paygw_zone_book_give_back(ngx_paygw_zone_ask_t *ask)
{
    if (ask->order == NULL) {
        return NGX_DECLINED;
    }

    if (ask->refund == NULL
        || ask->refund->rec.state == NGX_PAYGW_BOOK_NO_REFUND)
    {
        return NGX_DONE;
    }

    if (ask->refund->rec.state == NGX_PAYGW_BOOK_DONE || ask->refund->calls) {
        return NGX_DECLINED;
    }

    ask->refund->rec.state = NGX_PAYGW_BOOK_NO_REFUND;

    ask->order->held -= ask->refund->rec.amount;
    ask->order->fresh = ngx_current_msec;

    ngx_paygw_zone_book_last(ask);
    ngx_paygw_zone_book_drop_refund(ask);

    return NGX_OK;
}


/* the provider has not found it: not yet, or he never will */

static ngx_int_t
ngx_paygw_zone_book_absent(ngx_paygw_zone_ask_t *ask)
{
    ngx_paygw_zone_refund_t  *refund;

    refund = ask->refund;

    if (refund && refund->rec.state == NGX_PAYGW_BOOK_HELD
        && (refund->calls
            || (refund->doubt && !ngx_paygw_zone_over(refund->end))))
    {
        return NGX_DECLINED;
    }

    if (ask->book->verb == NGX_PAYGW_BOOK_ABSENT) {
        return ngx_paygw_zone_book_give_back(ask);
    }

    return (ask->order == NULL
            || (refund && refund->rec.state == NGX_PAYGW_BOOK_DONE))
           ? NGX_DECLINED : NGX_DONE;
}


/* a call that was counted has ended, without money that has moved for sure */

static ngx_int_t
ngx_paygw_zone_book_over(ngx_paygw_zone_ask_t *ask)
{
    ngx_paygw_zone_refund_t  *refund;

    refund = ask->refund;

    if (refund && refund->rec.state == NGX_PAYGW_BOOK_HELD) {

        if (refund->calls) {
            refund->calls--;
        }

        if (ask->book->verb != NGX_PAYGW_BOOK_REFUSE) {
            refund->doubt = (ask->book->verb == NGX_PAYGW_BOOK_DOUBT);
        }

        if (refund->doubt) {

            /* the last of them says when: of the others that was before */

            if (refund->calls == 0) {
                refund->end = ngx_current_msec;
            }

            ngx_paygw_zone_book_until(ask);
        }

        if (refund->calls || refund->doubt) {
            return NGX_DONE;
        }

    } else if (ask->book->verb == NGX_PAYGW_BOOK_DOUBT) {
        return ngx_paygw_zone_book_doubt(ask);
    }

    return ngx_paygw_zone_book_give_back(ask);
}


/* it is not held any more: money may move all the same */

static ngx_int_t
ngx_paygw_zone_book_doubt(ngx_paygw_zone_ask_t *ask)
{
    ngx_int_t  rc;

    if (ask->order == NULL) {
        return NGX_DECLINED;
    }

    if (ask->refund && ask->refund->rec.state == NGX_PAYGW_BOOK_DONE) {
        return NGX_DONE;
    }

    rc = ngx_paygw_zone_book_hold(ask);

    if (rc == NGX_OK) {
        ask->refund->doubt = 1;
        ngx_paygw_zone_book_until(ask);
    }

    return rc;
}


/* the end of the calls, or of their doubt, is not before "fresh" is over */

static void
ngx_paygw_zone_book_until(ngx_paygw_zone_ask_t *ask)
{
    ngx_msec_t  end;

    end = ngx_current_msec + ask->book->fresh;

    if ((ngx_msec_int_t) (end - ask->refund->end) > 0) {
        ask->refund->end = end;
    }
}
