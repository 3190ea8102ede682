
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_store.h"
#include "ngx_paygw_backend.h"
#include "ngx_paygw_zone_book.h"


/* The records of orders and refunds in shared memory. */


/* the texts of an order, one behind the other */

struct ngx_paygw_zone_words_s {
    u_short                      currency;  /* lengths */
    u_short                      account;
    u_short                      note;
    u_short                      answer;
    u_char                       data[1];
};


static ngx_paygw_zone_entry_t *ngx_paygw_zone_book_get(ngx_paygw_zone_t *zone,
    ngx_str_t *key, uint32_t hash);
static ngx_str_t *ngx_paygw_zone_book_refund_key(ngx_paygw_zone_ask_t *ask);
static ngx_int_t ngx_paygw_zone_book_replace(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_order_t *order, ngx_paygw_book_terms_t *terms,
    ngx_str_t *note, ngx_str_t *answer);
static void ngx_paygw_zone_book_free(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_order_t *order);
static void ngx_paygw_zone_book_free_refund(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_refund_t *refund);
static void ngx_paygw_zone_book_free_words(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_words_t *w);
static u_char *ngx_paygw_zone_book_copy(u_char *p, ngx_str_t *text);
static u_char *ngx_paygw_zone_book_text(u_char *p, u_short len,
    ngx_str_t *text);


#define ngx_paygw_zone_book_hash(key)                                         \
    ngx_crc32_short((key)->data, (key)->len)

/* no order has the key of a refund, whatever is in its id */

#define ngx_paygw_zone_book_refund_hash(key)                                  \
    (~ngx_paygw_zone_book_hash(key))

#define ngx_paygw_zone_words_size(w)                                          \
    (offsetof(ngx_paygw_zone_words_t, data) + (w)->currency + (w)->account    \
     + (w)->note + (w)->answer)


void
ngx_paygw_zone_book_find(ngx_paygw_zone_ask_t *ask)
{
    ngx_str_t               *key;
    ngx_paygw_zone_order_t  *order;

    order = (ngx_paygw_zone_order_t *)
            ngx_paygw_zone_book_get(ask->zone, ask->key,
                                    ngx_paygw_zone_book_hash(ask->key));

    if (order && ngx_paygw_zone_over(order->expiry.key)) {
        ngx_paygw_zone_book_free(ask->zone, order);
        order = NULL;
    }

    ask->order = order;
    ask->refund = NULL;

    if (order && ask->book->refund_id.len) {
        key = ngx_paygw_zone_book_refund_key(ask);

        ask->refund = (ngx_paygw_zone_refund_t *)
                      ngx_paygw_zone_book_get(ask->zone, key,
                                         ngx_paygw_zone_book_refund_hash(key));
    }

    if (ask->refund && ask->refund->calls
        && ngx_paygw_zone_over(ask->refund->end))
    {
        /* they have never said how they have ended */

        ask->refund->calls = 0;
        ask->refund->doubt = 1;
    }
}


static ngx_paygw_zone_entry_t *
ngx_paygw_zone_book_get(ngx_paygw_zone_t *zone, ngx_str_t *key, uint32_t hash)
{
    ngx_rbtree_node_t  *node;

    node = ngx_paygw_zone_lookup(zone, zone->sh->book, key, hash);

    return node ? ngx_rbtree_data(node, ngx_paygw_zone_entry_t, node) : NULL;
}


/* valid until the next call: a worker does one thing at a time */

static ngx_str_t *
ngx_paygw_zone_book_refund_key(ngx_paygw_zone_ask_t *ask)
{
    static ngx_str_t  key;
    static u_char     buf[NGX_PAYGW_STORE_KEY_MAX + 1
                          + NGX_PAYGW_BOOK_REFUND_MAX];

    key.data = buf;
    key.len = ngx_sprintf(buf, "%V %V", ask->key, &ask->book->refund_id) - buf;

    return &key;
}


ngx_int_t
ngx_paygw_zone_book_add(ngx_paygw_zone_ask_t *ask)
{
    ngx_paygw_book_t        *book;
    ngx_paygw_zone_order_t  *order;

    book = ask->book;

    order = ngx_paygw_zone_guest_alloc(ask->zone,
                                   ngx_paygw_zone_size(ngx_paygw_zone_order_t,
                                                       ask->key->len));
    if (order == NULL) {
        return NGX_ERROR;
    }

    order->rec.amount = book->terms.amount;
    order->rec.state = (book->to == NGX_PAYGW_BOOK_NONE)
                       ? NGX_PAYGW_BOOK_CREATED : book->to;
    order->token = ask->token;
    order->refunded = 0;
    order->held = 0;
    order->expires = book->expires;
    order->fresh = ngx_current_msec;
    order->words = NULL;

    ngx_queue_init(&order->refunds);

    ngx_paygw_zone_insert(ask->zone, &ask->zone->sh->book, &order->rec.node,
                          offsetof(ngx_paygw_zone_order_t, key), ask->key,
                          ngx_paygw_zone_book_hash(ask->key));

    order->expiry.key = ngx_current_msec + ask->keep;

    ngx_paygw_zone_link(ask->zone, &ask->zone->sh->book_expiry,
                        &order->expiry, ngx_rbtree_insert_timer_value);

    ask->order = order;

    if (ngx_paygw_zone_book_write(ask, 1) != NGX_OK) {
        ngx_paygw_zone_book_drop(ask);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_zone_book_add_refund(ngx_paygw_zone_ask_t *ask)
{
    ngx_str_t                *key;
    ngx_paygw_zone_refund_t  *refund;

    key = ngx_paygw_zone_book_refund_key(ask);

    refund = ngx_paygw_zone_guest_alloc(ask->zone,
                                  ngx_paygw_zone_size(ngx_paygw_zone_refund_t,
                                                      key->len));
    if (refund == NULL) {
        return NGX_ERROR;
    }

    refund->rec.amount = 0;
    refund->rec.state = NGX_PAYGW_BOOK_NO_REFUND;
    refund->calls = 0;
    refund->end = ngx_current_msec;
    refund->doubt = 0;
    ngx_str_null(&refund->note);

    ngx_paygw_zone_insert(ask->zone, &ask->zone->sh->book, &refund->rec.node,
                          offsetof(ngx_paygw_zone_refund_t, key), key,
                          ngx_paygw_zone_book_refund_hash(key));

    ngx_queue_insert_tail(&ask->order->refunds, &refund->queue);

    ask->refund = refund;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_zone_book_join(ngx_paygw_zone_ask_t *ask)
{
    ngx_paygw_book_terms_t  terms;

    ngx_paygw_zone_book_terms(ask->order, &terms);

    if (ngx_paygw_book_compare(&ask->book->terms, &terms)
        != NGX_PAYGW_BOOK_FINE)
    {
        return NGX_DECLINED;
    }

    /* this call counts on it: whoever has made it cannot drop it any more */

    ask->order->token = 0;
    ngx_paygw_zone_book_last(ask);

    return NGX_DONE;
}


ngx_int_t
ngx_paygw_zone_book_agree(ngx_paygw_zone_ask_t *ask)
{
    ngx_str_t               *note;
    ngx_uint_t               same, other;
    ngx_paygw_book_t         old;
    ngx_paygw_zone_order_t  *order;

    order = ask->order;
    note = &ask->book->note;

    ngx_paygw_zone_book_terms(order, &old.told);
    ngx_paygw_zone_book_told(order, &old);

    same = (ngx_paygw_book_compare(&ask->book->terms, &old.told)
            == NGX_PAYGW_BOOK_FINE);

    other = note->len && old.told_note.len
            && (note->len != old.told_note.len
                || ngx_memcmp(note->data, old.told_note.data, note->len) != 0);

    if (!same && (other || ngx_paygw_book_paid(order->rec.state))) {
        return NGX_ABORT;
    }

    if (other) {
        return NGX_DONE;
    }

    if (ngx_paygw_zone_book_write(ask, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    order->rec.amount = ask->book->terms.amount;

    ngx_paygw_zone_book_last(ask);

    return NGX_OK;
}


ngx_int_t
ngx_paygw_zone_book_stamp(ngx_paygw_zone_ask_t *ask)
{
    u_char                   *p;
    ngx_str_t                *note;
    ngx_paygw_zone_refund_t  *refund;

    refund = ask->refund;
    note = &ask->book->note;

    if (refund == NULL) {
        return NGX_DECLINED;
    }

    if (note->len == 0 || refund->note.len
        || refund->rec.state != NGX_PAYGW_BOOK_HELD)
    {
        return NGX_DONE;
    }

    p = ngx_paygw_zone_guest_alloc(ask->zone, note->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, note->data, note->len);

    refund->note.data = p;
    refund->note.len = note->len;

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_zone_book_stamped(ngx_paygw_zone_ask_t *ask)
{
    return ask->refund && ask->refund->note.len
           && ask->refund->rec.amount != ask->book->refund_amount;
}


void
ngx_paygw_zone_book_drop(ngx_paygw_zone_ask_t *ask)
{
    ngx_paygw_zone_book_free(ask->zone, ask->order);
    ask->order = NULL;
}


void
ngx_paygw_zone_book_last(ngx_paygw_zone_ask_t *ask)
{
    ngx_msec_t               end;
    ngx_paygw_zone_order_t  *order;

    order = ask->order;
    end = ngx_current_msec + ask->keep;

    if ((ngx_msec_int_t) (end - order->expiry.key) <= 0) {
        return;
    }

    ngx_paygw_zone_unlink(ask->zone, &ask->zone->sh->book_expiry,
                          &order->expiry);

    order->expiry.key = end;

    ngx_paygw_zone_link(ask->zone, &ask->zone->sh->book_expiry,
                        &order->expiry, ngx_rbtree_insert_timer_value);
}


ngx_int_t
ngx_paygw_zone_book_write(ngx_paygw_zone_ask_t *ask, ngx_uint_t terms)
{
    ngx_str_t                none;
    ngx_paygw_book_t         old;
    ngx_paygw_zone_order_t  *order;

    order = ask->order;

    ngx_paygw_zone_book_terms(order, &old.told);
    ngx_paygw_zone_book_told(order, &old);

    ngx_str_null(&none);

    if (ngx_paygw_zone_book_replace(ask->zone, order,
                                    terms ? &ask->book->terms : &old.told,
                                    ask->book->note.len ? &ask->book->note
                                                        : &old.told_note,
                                    &none)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    order->fresh = ngx_current_msec;

    return NGX_OK;
}


void
ngx_paygw_zone_book_answer(ngx_paygw_zone_ask_t *ask)
{
    ngx_paygw_book_t         old;
    ngx_paygw_zone_order_t  *order;

    order = ask->order;

    if (ask->book->answer.len == 0 || ask->book->fresh == 0) {
        return;
    }

    ngx_paygw_zone_book_terms(order, &old.told);
    ngx_paygw_zone_book_told(order, &old);

    if (ngx_paygw_zone_book_replace(ask->zone, order, &old.told,
                                    &old.told_note, &ask->book->answer)
        == NGX_OK)
    {
        order->fresh = ngx_current_msec + ask->book->fresh;
    }
}


static ngx_int_t
ngx_paygw_zone_book_replace(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_order_t *order, ngx_paygw_book_terms_t *terms,
    ngx_str_t *note, ngx_str_t *answer)
{
    u_char                  *p;
    ngx_paygw_zone_words_t  *w, *old;

    w = ngx_paygw_zone_guest_alloc(zone,
                                   offsetof(ngx_paygw_zone_words_t, data)
                                   + terms->currency.len + terms->account.len
                                   + note->len + answer->len);
    if (w == NULL) {
        return NGX_ERROR;
    }

    w->currency = (u_short) terms->currency.len;
    w->account = (u_short) terms->account.len;
    w->note = (u_short) note->len;
    w->answer = (u_short) answer->len;

    p = ngx_paygw_zone_book_copy(w->data, &terms->currency);
    p = ngx_paygw_zone_book_copy(p, &terms->account);
    p = ngx_paygw_zone_book_copy(p, note);
    (void) ngx_paygw_zone_book_copy(p, answer);

    /* the new texts may have been those of the old ones */

    old = order->words;
    order->words = w;

    ngx_paygw_zone_book_free_words(zone, old);

    return NGX_OK;
}


/* an empty one may have no data */

static u_char *
ngx_paygw_zone_book_copy(u_char *p, ngx_str_t *text)
{
    return text->len ? ngx_cpymem(p, text->data, text->len) : p;
}


void
ngx_paygw_zone_book_terms(ngx_paygw_zone_order_t *order,
    ngx_paygw_book_terms_t *terms)
{
    u_char                  *p;
    ngx_paygw_zone_words_t  *w;

    w = order->words;

    terms->amount = order->rec.amount;

    if (w == NULL) {
        ngx_str_null(&terms->currency);
        ngx_str_null(&terms->account);
        return;
    }

    p = ngx_paygw_zone_book_text(w->data, w->currency, &terms->currency);
    (void) ngx_paygw_zone_book_text(p, w->account, &terms->account);
}


void
ngx_paygw_zone_book_told(ngx_paygw_zone_order_t *order, ngx_paygw_book_t *book)
{
    u_char                  *p;
    ngx_paygw_zone_words_t  *w;

    w = order->words;

    ngx_str_null(&book->told_note);
    ngx_str_null(&book->told_answer);

    if (w == NULL) {
        return;
    }

    p = w->data + w->currency + w->account;
    p = ngx_paygw_zone_book_text(p, w->note, &book->told_note);

    if (!ngx_paygw_zone_over(order->fresh)) {
        (void) ngx_paygw_zone_book_text(p, w->answer, &book->told_answer);
    }
}


static u_char *
ngx_paygw_zone_book_text(u_char *p, u_short len, ngx_str_t *text)
{
    text->data = p;
    text->len = len;

    return p + len;
}


ngx_uint_t
ngx_paygw_zone_book_expire(ngx_paygw_zone_t *zone, ngx_uint_t n)
{
    ngx_uint_t          i;
    ngx_rbtree_node_t  *node;

    for (i = 0; i < n; i++) {

        if (zone->sh->book_expiry == &zone->sh->sentinel) {
            break;
        }

        node = ngx_rbtree_min(zone->sh->book_expiry, &zone->sh->sentinel);

        if (!ngx_paygw_zone_over(node->key)) {
            break;
        }

        ngx_paygw_zone_book_free(zone, ngx_rbtree_data(node,
                                                       ngx_paygw_zone_order_t,
                                                       expiry));
    }

    return i;
}


static void
ngx_paygw_zone_book_free(ngx_paygw_zone_t *zone, ngx_paygw_zone_order_t *order)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&order->refunds)) {
        q = ngx_queue_head(&order->refunds);

        ngx_paygw_zone_book_free_refund(zone,
                               ngx_queue_data(q, ngx_paygw_zone_refund_t,
                                              queue));
    }

    ngx_paygw_zone_unlink(zone, &zone->sh->book_expiry, &order->expiry);
    ngx_paygw_zone_unlink(zone, &zone->sh->book, &order->rec.node);

    ngx_paygw_zone_book_free_words(zone, order->words);

    ngx_paygw_zone_guest_free(zone, order,
                              ngx_paygw_zone_size(ngx_paygw_zone_order_t,
                                                  order->key.len));
}


void
ngx_paygw_zone_book_drop_refund(ngx_paygw_zone_ask_t *ask)
{
    if (ask->refund->note.len == 0) {
        ngx_paygw_zone_book_free_refund(ask->zone, ask->refund);
        ask->refund = NULL;
    }
}


static void
ngx_paygw_zone_book_free_refund(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_refund_t *refund)
{
    ngx_queue_remove(&refund->queue);
    ngx_paygw_zone_unlink(zone, &zone->sh->book, &refund->rec.node);

    if (refund->note.len) {
        ngx_paygw_zone_guest_free(zone, refund->note.data, refund->note.len);
    }

    ngx_paygw_zone_guest_free(zone, refund,
                              ngx_paygw_zone_size(ngx_paygw_zone_refund_t,
                                                  refund->key.len));
}


static void
ngx_paygw_zone_book_free_words(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_words_t *w)
{
    if (w) {
        ngx_paygw_zone_guest_free(zone, w, ngx_paygw_zone_words_size(w));
    }
}
