
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_STORE_H_INCLUDED_
#define _NGX_PAYGW_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_book.h"
#include "ngx_paygw_limit.h"


/*
 * The store remembers event ids: claimed by one delivery for the time of a
 * lease, committed for good, or released.  It is the shared zone of one
 * machine, or Redis; both answer the same calls.
 *
 * A record holds its state, the fencing token of the delivery that holds it,
 * the end of the lease, and how many deliveries were begun.  It is kept for
 * "keep" after its last change (less a thousandth), so that the count survives
 * a lease.
 *
 *   claim    no record, released, or lease over:  NGX_OK, taken; op->delivery
 *            is the number of this delivery, from 1
 *            committed:                           NGX_DECLINED
 *            held by another delivery:            NGX_BUSY
 *   commit   held under op->token, or no record:  NGX_OK, now committed
 *            anything else:                       NGX_DECLINED, unchanged
 *   release  held under op->token:                NGX_OK, may be claimed again
 *            anything else:                       NGX_DECLINED, unchanged
 *   append   as claim, but what would be taken is put at the end of a stream
 *            and committed in the same step: NGX_OK, it is there, for good
 *            committed, in the stream or not:     NGX_DECLINED
 *            held by another delivery:            NGX_BUSY
 *            either of the first two, but too few
 *            replicas have it:                    NGX_ABORT
 *   once     a key that was not there:            NGX_OK, kept for "keep"
 *            one that is:                         NGX_DECLINED, unchanged
 *   limit    none of the limits is over:          NGX_OK, all are charged
 *            one is, which is not "dry":          NGX_DECLINED, none is
 *   any      the store could not answer:          NGX_ERROR
 *
 * And it remembers calls that are to be run once: begun by one request for the
 * time of a lease, which it renews, then finished with an answer, or abandoned.
 * A call has a fingerprint, which all that come under its key must have.
 *
 *   begin    no record, abandoned, or lease over: NGX_OK, begun; op->delivery
 *            is the number of this attempt, from 1
 *            another fingerprint:                 NGX_ABORT
 *            begun by another request:            NGX_BUSY
 *            finished:                            NGX_DECLINED, with the answer
 *            finished, its answer was not kept:   NGX_DONE
 *   renew    begun under op->token, or no record: the lease begins anew
 *   finish   begun under op->token, or no record: NGX_OK, now finished
 *            the same, no room for the answer:    NGX_DONE, finished without
 *            anything else:                       NGX_DECLINED, unchanged
 *   abandon  begun under op->token:               may be begun again
 *            the same, undone: no attempt, and no record if it was the first
 *
 * A store that cannot answer is never a guess: the caller answers 503.
 *
 * Ids begin with the name of a channel and a colon: what is asked about
 * together belongs to one channel.
 *
 * An event may be one of an order, and say of it that it is paid, or that it
 * is not.  The first claim or append that says paid marks the order, in the
 * same step; what comes of the event then does not matter, for it was true.
 *
 *   claim    would be taken, says "not paid", and the order is marked:
 *   append                                        NGX_DONE: late, not taken
 *
 * Nothing is written of a late event, so that it is late again.  A mark is
 * kept like the record of an event, by each event that says paid and each
 * that is late, and is never taken back or made shorter.
 *
 * An order that was created through us has a record in the book of orders
 * (ngx_paygw_book.h), which then is the mark, too: events move its state, in
 * the same step.  With op->book they are compared with it before.
 *
 *   claim    says "paid", and the terms are not
 *   append   those of the record, or it has to be
 *            there and is not:                    NGX_DONE: not taken, nothing
 *                                                 is written
 *
 * op->book->against tells one kind of NGX_DONE from the other; what the record
 * has is told as by a look.  What is committed or held is not compared: it is
 * what it was when it was first claimed.
 */


typedef struct ngx_paygw_store_s     ngx_paygw_store_t;
typedef struct ngx_paygw_store_op_s  ngx_paygw_store_op_t;
typedef struct ngx_paygw_zone_s      ngx_paygw_zone_t;
typedef struct ngx_paygw_metrics_s   ngx_paygw_metrics_t;

typedef void (*ngx_paygw_store_handler_pt)(ngx_paygw_store_op_t *op);


#define NGX_PAYGW_STORE_KEY_MAX     320    /* bytes of an id */
#define NGX_PAYGW_STORE_FIELDS_MAX  8      /* of an entry in a stream */
#define NGX_PAYGW_STORE_PRINT       32     /* bytes of a fingerprint */
#define NGX_PAYGW_STORE_ANSWER_MAX  (512 * 1024)
#define NGX_PAYGW_STORE_LIMITS_MAX  4      /* that are asked together */


/* what an event says of its order */
typedef enum {
    NGX_PAYGW_STORE_NOTHING = 0,
    NGX_PAYGW_STORE_UNPAID,                /* not yet, */
    NGX_PAYGW_STORE_CLOSED,                /* or not any more, */
    NGX_PAYGW_STORE_FAILED,                /* or in vain */
    NGX_PAYGW_STORE_PAID,
    NGX_PAYGW_STORE_REFUNDED,              /* book->refund_id was made, */
    NGX_PAYGW_STORE_RETURNED               /* or will not be */
} ngx_paygw_store_says_e;


/* A stream.  Constant, of a configuration. */
typedef struct {
    ngx_str_t                    name;      /* as it is, without a prefix */
    ngx_uint_t                   maxlen;    /* about; 0: nothing is trimmed */
    ngx_uint_t                   replicas;  /* that must have it; 0: none */
    ngx_msec_t                   wait;      /* for them */
} ngx_paygw_store_stream_t;


/*
 * An entry: names and values of its fields.  The store adds "delivery" after
 * them, which is counted as for a claim.
 */
typedef struct {
    const ngx_paygw_store_stream_t  *stream;
    ngx_keyval_t                     fields[NGX_PAYGW_STORE_FIELDS_MAX];
    ngx_uint_t                       nfields;
} ngx_paygw_store_entry_t;


/* A call that is to be run once. */
typedef struct {
    u_char                       fingerprint[NGX_PAYGW_STORE_PRINT];
    ngx_str_t                    answer;    /* to keep, empty: none; set by
                                               a begin that is declined, */
    ngx_pool_t                  *pool;      /* from this one */

    unsigned                     undone:1;  /* abandoned before it was run */
} ngx_paygw_store_run_t;


/*
 * One operation.  The caller fills the first group, in memory of its own that
 * lives until the operation has answered or was cancelled; commit and release
 * copy what they need, so that a request may end while they are under way.
 */
struct ngx_paygw_store_op_s {
    ngx_str_t                    key;       /* the event id */
    ngx_str_t                    order;     /* the id of its order; empty: it
                                               has none */
    ngx_paygw_store_says_e       says;      /* of it */
    ngx_msec_t                   lease;     /* of a claim, milliseconds */
    ngx_msec_t                   keep;      /* of the record, milliseconds */
    ngx_log_t                   *log;       /* of the request */
    ngx_paygw_store_handler_pt   handler;   /* of a claim or an append */
    void                        *data;      /* for the handler */
    ngx_paygw_store_entry_t     *entry;     /* of an append */
    ngx_paygw_store_run_t       *run;       /* of a call */
    ngx_paygw_limit_t           *limits;    /* of a limit; each has a key */
    ngx_uint_t                   nlimits;
    ngx_paygw_book_t            *book;      /* of an order; of a claim: NULL:
                                               nothing is compared */

    uint64_t                     token;     /* set by claim and begin: fencing
                                               token */
    ngx_uint_t                   delivery;  /* set by them: 1, 2, ... */
    ngx_int_t                    rc;        /* set before the handler runs */

    void                        *pending;   /* the store's own, NULL if idle */

    /* what is counted of it */
    ngx_paygw_metrics_t         *metrics;   /* where, or NULL */
    ngx_uint_t                   what;      /* ngx_paygw_metrics_store_e */
    uint64_t                     began;     /* microseconds */
};


/*
 * Takes the event.  Answers at once with NGX_OK, NGX_DECLINED, NGX_BUSY,
 * NGX_DONE or NGX_ERROR, or returns NGX_AGAIN and calls op->handler exactly
 * once later, with op->rc one of the five, from a posted event of its own
 * (never from within the call, never from the parser's stack).
 */
ngx_int_t ngx_paygw_store_claim(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/*
 * Takes the event, appends op->entry to its stream and commits, all in one
 * step or nothing of it; answers as a claim does.  NGX_ERROR leaves open
 * whether that was done: the next append of the event will find it committed,
 * and nothing is ever appended twice.
 *
 * If the stream has replicas, NGX_OK and NGX_DECLINED also say that so many of
 * them have the event, else it is NGX_ABORT.
 */
ngx_int_t ngx_paygw_store_append(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/*
 * Notes a key that may come once, such as the nonce of a call: asked and noted
 * in one step.  A key is of a kind of its own, it never meets the id of an
 * event.  Of op: key, keep, log, handler and data.  Answers at once or later
 * as a claim does, but never NGX_BUSY.  NGX_ERROR leaves open whether the key
 * was noted, and so does a cancellation: what is noted stays.
 */
ngx_int_t ngx_paygw_store_once(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/*
 * Charges a request to up to NGX_PAYGW_STORE_LIMITS_MAX limits in one step, to
 * all or, if one of them is over, to none; a dry one that is over is left out,
 * and hinders nothing.  Of op: limits, nlimits, log, handler and data; of a
 * limit: key and the numbers, and level, over and time are set unless the
 * answer is NGX_ERROR.  The key is the value that is limited, a colon, and what
 * tells limits of the same value apart, without a colon; no two are the same.
 * Answers at once or later as a claim does.  The time is that of the store.
 * NGX_ERROR leaves open whether the request was charged, and so does a
 * cancellation.
 */
ngx_int_t ngx_paygw_store_limit(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/*
 * 1 if the limits of one operation have to be of one value: it is what tells
 * where in the store a bucket is.
 */
ngx_uint_t ngx_paygw_store_apart(ngx_paygw_store_t *store);

/*
 * A limit at once, in a zone, whatever the store is; whether one of them is
 * over, without a charge; and a charge that is given back.
 */
ngx_int_t ngx_paygw_zone_limits(ngx_paygw_zone_t *zone,
    ngx_paygw_limit_t *limits, ngx_uint_t n, ngx_log_t *log);
ngx_uint_t ngx_paygw_zone_limits_over(ngx_paygw_zone_t *zone,
    ngx_paygw_limit_t *limits, ngx_uint_t n);
void ngx_paygw_zone_limits_undo(ngx_paygw_zone_t *zone,
    ngx_paygw_limit_t *limits, ngx_uint_t n);

/*
 * Begins a call.  Of op: key, run (fingerprint and pool), lease, keep, log,
 * handler and data; the key begins with the name of the caller and a colon.
 * Answers at once or later as a claim does.
 */
ngx_int_t ngx_paygw_store_begin(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/*
 * Finishes a call with its answer, which is copied.  The same of op, and token;
 * answers at once or later.  NGX_ERROR leaves open whether it was done.
 */
ngx_int_t ngx_paygw_store_finish(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/*
 * Renews the lease of a call, or ends it.  Nothing is waited for: what cannot
 * be done is logged.  op and its run may be freed when the call returns.
 */
void ngx_paygw_store_renew(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
void ngx_paygw_store_abandon(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/*
 * Asks the book of orders, see ngx_paygw_book.h; answers at once or later.
 * NGX_ERROR leaves open whether it was done, and so does a cancellation: what
 * is written stays.
 */
ngx_int_t ngx_paygw_store_book(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/*
 * The same for what nobody waits for: what cannot be done is logged.  op and
 * its book may be freed when the call returns; nothing is told.
 */
void ngx_paygw_store_book_tell(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/*
 * Forgets what is under way: its handler will not be called.  If the store did
 * take a claim or begin a call, that is released or abandoned as soon as the
 * answer comes; what was appended or finished stays.  Legal at any time, also
 * when nothing is under way.
 */
void ngx_paygw_store_cancel(ngx_paygw_store_op_t *op);

/*
 * Ends a claim.  Nothing is waited for: what cannot be delivered to Redis is
 * logged, and the lease ends it.  op may be freed when the call returns.
 */
void ngx_paygw_store_commit(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
void ngx_paygw_store_release(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);


/*
 * Configuration.  All three log their own errors in nginx's words, return NULL
 * then, and allocate from cf->pool.
 *
 * ngx_paygw_zone_create() makes the shared zone of "paygw_zone name:size"; an
 * embedded store lives in it.
 *
 * ngx_paygw_store_redis() reads the arguments of "paygw_store" from the URL on,
 * without "password=SOURCE", which the caller resolves (NULL if there is none):
 *
 *   redis://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]...][/DB]
 *   rediss://...                              TLS, always verified
 *   redis+unix:///PATH[?db=N]
 *
 *   [cluster]                                 the hosts are some of its nodes;
 *                                             else one of them is the primary
 *   [prefix=paygw:] [timeout=500ms] [connections=1] [user=NAME]
 *   [trusted_certificate=FILE] [name=NAME]    for rediss://, default: the
 *                                             system's bundle, the HOST
 */
ngx_paygw_zone_t *ngx_paygw_zone_create(ngx_conf_t *cf, ngx_str_t *name,
    size_t size);

ngx_paygw_store_t *ngx_paygw_store_zone(ngx_conf_t *cf,
    ngx_paygw_zone_t *zone);
ngx_paygw_store_t *ngx_paygw_store_redis(ngx_conf_t *cf, ngx_str_t *args,
    ngx_uint_t nargs, ngx_str_t *password);

/*
 * 1 if the store has streams: they will be used then, and a worker warns if
 * the store may lose them.
 */
ngx_uint_t ngx_paygw_store_streams(ngx_paygw_store_t *store);

/* 1 if events of the channel can be appended to the stream of this name */
ngx_uint_t ngx_paygw_store_together(ngx_paygw_store_t *store,
    ngx_str_t *channel, const ngx_str_t *stream);

/* how long one of its answers may take */
ngx_msec_t ngx_paygw_store_timeout(ngx_paygw_store_t *store);


/* A worker's own state: Redis connections are made lazily after this. */
ngx_int_t ngx_paygw_store_init_process(ngx_paygw_store_t *store,
    ngx_cycle_t *cycle);
void ngx_paygw_store_exit_process(ngx_paygw_store_t *store);


#endif /* _NGX_PAYGW_STORE_H_INCLUDED_ */
