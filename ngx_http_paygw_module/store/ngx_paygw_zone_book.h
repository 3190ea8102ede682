
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_ZONE_BOOK_H_INCLUDED_
#define _NGX_PAYGW_ZONE_BOOK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_zone.h"


/*
 * The book of orders in shared memory; private to the zone.  Records of orders
 * and of their refunds stand in one tree by key, and those of orders in one by
 * the end of their life, which is that of their refunds, too.  The key of a
 * refund is that of its order, a space, and its id.
 */


typedef struct ngx_paygw_zone_words_s  ngx_paygw_zone_words_t;


/* what both kinds have in common */
typedef struct {
    ngx_rbtree_node_t            node;      /* key: hash */
    int64_t                      amount;
    u_char                       state;     /* ngx_paygw_book_state_e or
                                               ngx_paygw_book_refund_e */
} ngx_paygw_zone_entry_t;


typedef struct {
    ngx_paygw_zone_entry_t       rec;
    ngx_rbtree_node_t            expiry;    /* key: end of the life */
    ngx_queue_t                  refunds;
    uint64_t                     token;     /* of its maker; 0: of nobody */
    int64_t                      refunded;
    int64_t                      held;
    ngx_msec_t                   fresh;     /* end of the answer's time */
    time_t                       expires;   /* 0: not known */
    ngx_paygw_zone_words_t      *words;     /* its texts */
    ngx_paygw_zone_key_t         key;
} ngx_paygw_zone_order_t;


typedef struct {
    ngx_paygw_zone_entry_t       rec;
    ngx_queue_t                  queue;     /* of its order */
    ngx_str_t                    note;      /* lies in the zone */
    ngx_uint_t                   calls;     /* under way, */
    ngx_msec_t                   end;       /* until then; without any: until
                                               then the doubt is fresh */
    ngx_uint_t                   doubt;     /* 1: nobody knows of another one */
    ngx_paygw_zone_key_t         key;
} ngx_paygw_zone_refund_t;


/* a question; both records are NULL if there are none */
typedef struct {
    ngx_paygw_zone_t            *zone;
    ngx_str_t                   *key;       /* of the order */
    ngx_msec_t                   keep;
    uint64_t                     token;
    ngx_paygw_book_t            *book;
    ngx_paygw_zone_order_t      *order;
    ngx_paygw_zone_refund_t     *refund;
} ngx_paygw_zone_ask_t;


/*
 * All with the mutex.
 *
 * Find sets ask->order, and ask->refund if the book has its id.  Add makes a
 * record, which is found from then on: NGX_ERROR if there is no memory.
 */
void ngx_paygw_zone_book_find(ngx_paygw_zone_ask_t *ask);
ngx_int_t ngx_paygw_zone_book_add(ngx_paygw_zone_ask_t *ask);
ngx_int_t ngx_paygw_zone_book_add_refund(ngx_paygw_zone_ask_t *ask);

/* forgets a refund that is given back, unless it has a note */
void ngx_paygw_zone_book_drop_refund(ngx_paygw_zone_ask_t *ask);

/* forgets the order */
void ngx_paygw_zone_book_drop(ngx_paygw_zone_ask_t *ask);

/*
 * The order was found, and is to be created: the answer to that; or is learned
 * of: NGX_OK, that is written, or the answer.  A note of the refund: the answer
 * to that.  And 1 if it was noted for another amount.
 */
ngx_int_t ngx_paygw_zone_book_join(ngx_paygw_zone_ask_t *ask);
ngx_int_t ngx_paygw_zone_book_agree(ngx_paygw_zone_ask_t *ask);
ngx_int_t ngx_paygw_zone_book_stamp(ngx_paygw_zone_ask_t *ask);
ngx_uint_t ngx_paygw_zone_book_stamped(ngx_paygw_zone_ask_t *ask);

/* the record is kept for ask->keep from now on, and not less than before */
void ngx_paygw_zone_book_last(ngx_paygw_zone_ask_t *ask);

/*
 * The texts of the order: the note of the book, if it has one, and if terms is
 * 1 its terms, else what was there.  There is no answer then.  NGX_ERROR,
 * nothing has changed, if there is no memory.
 */
ngx_int_t ngx_paygw_zone_book_write(ngx_paygw_zone_ask_t *ask,
    ngx_uint_t terms);

/* keeps the answer of the book, if there is one, and room for it */
void ngx_paygw_zone_book_answer(ngx_paygw_zone_ask_t *ask);

/* what the order's record says; the strings lie in the zone */
void ngx_paygw_zone_book_terms(ngx_paygw_zone_order_t *order,
    ngx_paygw_book_terms_t *terms);
void ngx_paygw_zone_book_told(ngx_paygw_zone_order_t *order,
    ngx_paygw_book_t *book);

/* 1 if it has moved: what was known of the order before is old then */
ngx_uint_t ngx_paygw_zone_book_step(ngx_paygw_zone_order_t *order,
    ngx_paygw_book_state_e to);

/* what is asked about a refund, and what callbacks ask */
ngx_int_t ngx_paygw_zone_book_refund(ngx_paygw_zone_ask_t *ask);
ngx_int_t ngx_paygw_zone_book_confirm(ngx_paygw_zone_ask_t *ask);
ngx_int_t ngx_paygw_zone_book_give_back(ngx_paygw_zone_ask_t *ask);


#endif /* _NGX_PAYGW_ZONE_BOOK_H_INCLUDED_ */
