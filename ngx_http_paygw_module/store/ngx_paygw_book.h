
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_BOOK_H_INCLUDED_
#define _NGX_PAYGW_BOOK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The book of orders: what was created, and what has become of it.  It is a
 * part of the store, in the zone or in Redis, and each entry of this list is
 * one atomic step; in Redis one script, one round trip.
 *
 * An order has terms (amount, currency, account), which callbacks are compared
 * with, and a state, which only moves forward:
 *
 *   CREATED -> PAYING -> CLOSED, FAILED -> PAID -> PART_REFUNDED -> REFUNDED
 *
 * Steps may be left out, and CLOSED and FAILED are side by side: neither
 * follows the other.  A success comes after them, since a provider may tell of
 * one that was on its way when the order was closed, and of a second try of
 * the payer; it is a provider's signed word that money was paid.  So a late
 * failure never makes less of a success.
 *
 *   create   no record:                      NGX_OK, made, in the state "to";
 *                                            CREATED if that is NONE
 *            one of the same terms:          NGX_DONE; kept from now on, its
 *                                            end is the later one, and not
 *                                            known if one of them is not, and
 *                                            nobody can drop it any more
 *            one of other terms:             NGX_DECLINED, unchanged
 *            the order is paid, and nothing
 *            else is known of it:            NGX_DONE, unchanged
 *   learn    as create, but the terms are
 *            the provider's own word:        NGX_OK, they are those now, and
 *                                            the state has moved to "to", if
 *                                            that is forward
 *            a record of the same terms, but
 *            another note:                   NGX_DONE, unchanged
 *            one of other terms and another
 *            note, or that is paid:          NGX_ABORT, unchanged
 *   drop     made under op->token, CREATED:  NGX_OK, as if it had never been
 *            anything else:                  NGX_DECLINED, unchanged
 *   move     to a state that is farther:     NGX_OK
 *            to the one that it is in:       NGX_DONE, kept from now on
 *            back, or no record, or its end
 *            is not the one that is said:    NGX_DECLINED, unchanged
 *            farther than PAID, of an order
 *            of unknown amount:              NGX_DECLINED, unchanged
 *   look     a record:                       NGX_OK, it is told
 *            none:                           NGX_DECLINED
 *   reserve  a refund that fits in:          NGX_OK, held
 *            held or done, of this amount:   NGX_DONE, unchanged
 *            held or done, of another one,
 *            or given back, and it has a
 *            note:                           NGX_ABORT, unchanged
 *            one that is more than is left,
 *            of an order that is not paid,
 *            or of unknown amount, or of
 *            none:                           NGX_DECLINED, unchanged
 *   confirm  a refund, held or not:          NGX_OK, done; the order moves to
 *                                            PART_REFUNDED or REFUNDED
 *            done:                           NGX_DONE, unchanged
 *            no record of the order:         NGX_DECLINED
 *   give     held, no call is under way:     NGX_OK, given back
 *   back     not held, and not done:         NGX_DONE
 *            done, a call is under way, or
 *            no order:                       NGX_DECLINED, unchanged
 *   absent   held, a call is under way, or
 *            the doubt is fresh:             NGX_DECLINED, unchanged
 *            else as give back
 *   seek     as absent, but nothing is given back: NGX_DONE
 *   refuse   held, by this call alone:       NGX_OK, given back
 *            held, others are under way or
 *            nobody knows of one of them:    NGX_DONE, stays held
 *            not held, and not done:         NGX_DONE
 *            done, or no order:              NGX_DECLINED, unchanged
 *   fail     as refuse, but whatever was
 *            not known of others before
 *   doubt    held:                           NGX_DONE, stays held
 *            given back meanwhile, as far
 *            as it fits in:                  NGX_OK, held
 *            done:                           NGX_DONE, unchanged
 *            else:                           NGX_DECLINED, unchanged
 *   stamp    a note of a refund that is
 *            held, and has none yet:         NGX_OK, noted
 *            that has one, or is not held:   NGX_DONE, unchanged
 *            no such refund:                 NGX_DECLINED
 *   any      the store could not answer:     NGX_ERROR
 *
 * A refund is held before it is sent, so that all that are under way and all
 * that are done never exceed the order; it is given back once the provider
 * says that it was not made, and stays held while nobody knows.  Whoever gets
 * NGX_DONE and HELD may send it again, under the same id.  A refund that was
 * done without having been held, elsewhere, counts all the same.
 *
 * What one call of a refund hears is not true of another one: while the first
 * is refused a second one of the same id may be taken.  So who reserves is
 * counted, for the time of "fresh", and says once how it has ended: confirm;
 * refuse, this call has done nothing; fail, the provider says that of the
 * refund; doubt, nobody knows, or it is not decided yet.  What nobody has heard
 * of in time is in doubt.  "Give back" is what others say, who are no such
 * call, and "absent" what they say if the provider has not found the refund:
 * while a doubt is fresh, which is for the "fresh" of whoever has ended last,
 * that means "not yet".  Seek asks for just that.
 *
 * With a move or a learn, unless it is declined, an answer may be kept, which a
 * look tells as long as it is fresh: whatever changes the order forgets it.
 *
 * What is told, whatever the answer is but NGX_ERROR, is the order as it is
 * then; state is NONE if there is no record.  amount is -1 if it is not known:
 * such an order was made elsewhere, and is known to be paid by a callback.
 *
 * The end of an order is when nobody can pay it any more, as whoever made it
 * has told the provider; what is closed, failed or paid keeps it.  A call that
 * is refused after its create has made the end later leaves it there: nothing
 * is closed too early for that.
 *
 * A record is kept for op->keep after it was made, moved, or had a refund, and
 * never for a shorter time than before.  What is known of its refunds is part
 * of it: none of them is forgotten before the order is, which has counted it.
 * In a zone that is full NGX_ERROR is the answer to what needs room; records
 * whose life is over go first.
 */


typedef enum {
    NGX_PAYGW_BOOK_CREATE = 0,
    NGX_PAYGW_BOOK_LEARN,
    NGX_PAYGW_BOOK_DROP,
    NGX_PAYGW_BOOK_MOVE,
    NGX_PAYGW_BOOK_LOOK,
    NGX_PAYGW_BOOK_RESERVE,
    NGX_PAYGW_BOOK_CONFIRM,
    NGX_PAYGW_BOOK_GIVE_BACK,
    NGX_PAYGW_BOOK_REFUSE,
    NGX_PAYGW_BOOK_FAIL,
    NGX_PAYGW_BOOK_DOUBT,
    NGX_PAYGW_BOOK_ABSENT,
    NGX_PAYGW_BOOK_SEEK,
    NGX_PAYGW_BOOK_STAMP
} ngx_paygw_book_verb_e;


/* of an order; ngx_paygw_book_states[] has their words */
typedef enum {
    NGX_PAYGW_BOOK_NONE = 0,
    NGX_PAYGW_BOOK_CREATED,
    NGX_PAYGW_BOOK_PAYING,
    NGX_PAYGW_BOOK_CLOSED,
    NGX_PAYGW_BOOK_FAILED,
    NGX_PAYGW_BOOK_PAID,
    NGX_PAYGW_BOOK_PART_REFUNDED,
    NGX_PAYGW_BOOK_REFUNDED,
    NGX_PAYGW_BOOK_STATES
} ngx_paygw_book_state_e;


/* of a refund */
typedef enum {
    NGX_PAYGW_BOOK_NO_REFUND = 0,          /* or one that was given back */
    NGX_PAYGW_BOOK_HELD,
    NGX_PAYGW_BOOK_DONE
} ngx_paygw_book_refund_e;


/* why an event is not taken */
typedef enum {
    NGX_PAYGW_BOOK_FINE = 0,
    NGX_PAYGW_BOOK_LATE,                   /* "not paid", and it is */
    NGX_PAYGW_BOOK_UNKNOWN,                /* no such order was made here */
    NGX_PAYGW_BOOK_AMOUNT,                 /* of it is another one, */
    NGX_PAYGW_BOOK_CURRENCY,               /* or this is, */
    NGX_PAYGW_BOOK_ACCOUNT                 /* or this */
} ngx_paygw_book_against_e;


/*
 * An amount that is not known; all others are from 0 to 2^53 - 1, the greatest
 * that JSON of a provider and a number of Lua hold exactly.
 */
#define NGX_PAYGW_BOOK_ANY         (-1)
#define NGX_PAYGW_BOOK_AMOUNT_MAX  9007199254740991LL

/*
 * Bytes, which are visible ASCII but those of an answer.  An empty account or
 * currency is one that is not known.
 */
#define NGX_PAYGW_BOOK_CURRENCY_MAX  8
#define NGX_PAYGW_BOOK_ACCOUNT_MAX   128
#define NGX_PAYGW_BOOK_NOTE_MAX      256
#define NGX_PAYGW_BOOK_REFUND_MAX    64    /* of its id */
#define NGX_PAYGW_BOOK_ANSWER_MAX    2048


typedef struct {
    int64_t                      amount;    /* minor units */
    ngx_str_t                    currency;
    ngx_str_t                    account;   /* within the channel */
} ngx_paygw_book_terms_t;


/*
 * What is asked of the book, and what it tells.  Of the operation, beside book:
 * key, which is CHANNEL:ORDER_ID, keep, log, handler and data; of a drop, token
 * as create has set it.
 */
typedef struct {
    ngx_paygw_book_verb_e        verb;
    ngx_pool_t                  *pool;      /* for strings that are told */

    ngx_paygw_book_terms_t       terms;     /* of create, learn, and a claim */
    ngx_paygw_book_state_e       to;        /* of create, learn and move; NONE
                                               in a move: only the answer and
                                               the note are kept */
    ngx_str_t                    note;      /* of create, learn, move, stamp:
                                               what the caller wants to be told
                                               again; empty: it stays */
    ngx_str_t                    answer;    /* of learn and move: to be kept, */
    ngx_msec_t                   fresh;     /* for so long; 0: none is; of
                                               reserve: how long the call can
                                               be under way, 0: it is not
                                               counted; of refuse and doubt:
                                               of the doubt, if it is one */
    time_t                       expires;   /* of create: the end of the order;
                                               of move: what it has to be; 0:
                                               not known, or any */
    ngx_str_t                    refund_id; /* of those about a refund */
    int64_t                      refund_amount;

    /* of a claim or an append, see ngx_paygw_store.h */
    ngx_msec_t                   keep;      /* of the order's record */
    ngx_uint_t                   required;  /* no record: not taken */

    /* what is told */
    ngx_paygw_book_against_e     against;   /* of a claim or an append: if it
                                               is NGX_DONE */
    ngx_paygw_book_state_e       state;
    ngx_paygw_book_terms_t       told;
    ngx_str_t                    told_note;
    time_t                       told_expires;  /* 0: not known */
    ngx_str_t                    told_answer;   /* of a look; or, if a refund
                                                   is asked about, its note;
                                                   empty: none */
    int64_t                      refunded;  /* of the refunds that are done, */
    int64_t                      held;      /* and under way */
    ngx_paygw_book_refund_e      refund;    /* the one that was asked about */
} ngx_paygw_book_t;


/* words: "CREATED", "PAYING" ..., in the order of the states */
extern const ngx_str_t  ngx_paygw_book_states[];


/* 1 if an order may move from one state to the other, which is another one */
ngx_uint_t ngx_paygw_book_moves(ngx_paygw_book_state_e from,
    ngx_paygw_book_state_e to);

/* 1 if it is paid in this state, refunded or not */
ngx_uint_t ngx_paygw_book_paid(ngx_paygw_book_state_e state);

/* what was learned of an order is not what its record says, which stays */
void ngx_paygw_book_disagrees(ngx_log_t *log, ngx_str_t *key);

/*
 * What is against an event's terms in a record's: what one of them does not
 * know is not compared.
 */
ngx_paygw_book_against_e ngx_paygw_book_compare(ngx_paygw_book_terms_t *event,
    ngx_paygw_book_terms_t *record);


/*
 * For the store alone.
 *
 * Whether what is asked can be asked; nothing is told yet; what is told, which
 * lies anywhere, is copied into book->pool: NGX_OK or NGX_ERROR.
 *
 * What is told as a text, words with a space behind each, "-" for none:
 *
 *   RESULT STATE AMOUNT CURRENCY ACCOUNT REFUNDED HELD REFUND NOTE END ANSWER
 *
 * with the answer in any bytes, and of a claim that is not taken
 *
 *   OBJECTION AMOUNT CURRENCY ACCOUNT
 *
 * Read returns what the result means, read_against NGX_OK; both NGX_ERROR if
 * it is no such text.
 */
extern const ngx_str_t  ngx_paygw_book_words[];

ngx_uint_t ngx_paygw_book_valid(ngx_paygw_book_t *book);
ngx_uint_t ngx_paygw_book_terms_valid(ngx_paygw_book_terms_t *terms);
void ngx_paygw_book_forget(ngx_paygw_book_t *book);
ngx_int_t ngx_paygw_book_keep(ngx_paygw_book_t *book);
ngx_int_t ngx_paygw_book_read(ngx_paygw_book_t *book, ngx_str_t *text);
ngx_int_t ngx_paygw_book_read_against(ngx_paygw_book_t *book,
    ngx_str_t *text);


#endif /* _NGX_PAYGW_BOOK_H_INCLUDED_ */
