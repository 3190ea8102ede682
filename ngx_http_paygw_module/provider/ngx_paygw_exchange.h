
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_EXCHANGE_H_INCLUDED_
#define _NGX_PAYGW_EXCHANGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_code.h"
#include "ngx_paygw_form.h"
#include "ngx_paygw_provider.h"
#include "ngx_paygw_sign.h"


/*
 * A call of a provider's own API: the caller's request on its way out, signed,
 * and the answer on its way back, verified.  Pure functions, as for callbacks.
 */


typedef struct ngx_paygw_exchange_s  ngx_paygw_exchange_t;


#define NGX_PAYGW_EXCHANGE_FIELDS  20
#define NGX_PAYGW_EXCHANGE_TOLD    4


/* a header field that is sent; lowcase is its name in lower case */
typedef struct {
    ngx_str_t                name;
    u_char                  *lowcase;
    ngx_str_t                value;
} ngx_paygw_exchange_field_t;


/* what may follow if nobody knows what has become of a request */
typedef enum {
    NGX_PAYGW_REPEAT_NEVER = 0,
    NGX_PAYGW_REPEAT_ANSWERED,     /* the provider takes it once, however often
                                      it comes: may be sent again if an answer
                                      came that is not to be believed */
    NGX_PAYGW_REPEAT_ALWAYS        /* it only reads */
} ngx_paygw_repeat_e;


/* an order: what it is called, and its terms; see ngx_paygw_bind.h */
typedef struct {
    ngx_str_t                id;
    int64_t                  amount;       /* minor units */
    ngx_str_t                currency;     /* ISO 4217; empty: not known */
    ngx_str_t                account;      /* within the channel; the same */
    ngx_str_t                ref;          /* of learned: what it was learned
                                              of, if that has an id of its
                                              own */
} ngx_paygw_exchange_order_t;


/*
 * Of a call whose answer may be a file that nobody signs: NGX_OK if it is, by
 * its status and header fields and as much of the body as is there in n.msg;
 * NGX_DECLINED if not; NGX_AGAIN if that takes some of the body, which is
 * empty.  It need not be held back: check() would have no more to say of it.
 */
typedef ngx_int_t (*ngx_paygw_file_pt)(ngx_paygw_exchange_t *x);


struct ngx_paygw_exchange_s {

    /*
     * Set by the caller of build(): its request.  in.target is below the
     * endpoint, path the same without arguments, decoded and normalised;
     * in.headers are in the order of api->asks.
     */
    ngx_paygw_message_t          in;
    ngx_str_t                    path;
    ngx_str_t                    type;         /* Content-Type; may be empty */
    ngx_str_t                    merchant;     /* of paygw_auth; empty: none */
    ngx_str_t                    endpoint;     /* URL with its path */
    ngx_str_t                    base;         /* path of the endpoint */

    /* set by build(): what is sent, in pool; it may be called again */
    ngx_str_t                    method;
    ngx_str_t                    target;
    ngx_str_t                    body;
    ngx_paygw_exchange_field_t   fields[NGX_PAYGW_EXCHANGE_FIELDS];
    ngx_uint_t                   nfields;
    ngx_paygw_repeat_e           repeat;
    void                        *data;         /* the provider's own */
    ngx_paygw_file_pt            file;         /* NULL: the answer is none */
    ngx_paygw_exchange_order_t   order;        /* that it creates; the id is
                                                  empty: it creates none */

    /*
     * The answer, set by the caller of check(): it is looked at as a callback
     * is, with the same words for what is wrong.  n.msg holds its body and the
     * values of api->headers, n.channels the one channel.
     */
    ngx_uint_t                   status;
    ngx_paygw_notify_t           n;

    /* set by check(), and by build() if it returns NGX_DONE: for the caller */
    ngx_uint_t                   reply_status;
    ngx_str_t                    reply_type;
    ngx_str_t                    reply;
    ngx_paygw_exchange_field_t   told[NGX_PAYGW_EXCHANGE_TOLD];
                                               /* header fields of it */
    ngx_uint_t                   ntold;
    ngx_uint_t                   unsigned_reply;   /* by the provider's design;
                                                      unsigned:1 */
    ngx_uint_t                   open;         /* it is not the end of the call:
                                                  the same request may get
                                                  another answer; unsigned:1 */
    ngx_uint_t                   hinted;       /* so says the provider himself,
                                                  whatever the answer means;
                                                  unsigned:1 */
    ngx_uint_t                   busy;         /* the provider says of itself
                                                  that it is out of order, or
                                                  has too much to do;
                                                  unsigned:1 */
    ngx_uint_t                   again;        /* it takes the same request
                                                  again, for that, or for an
                                                  earlier one that is still
                                                  under way; unsigned:1 */
    ngx_uint_t                   refused;      /* an order was to be created,
                                                  and there is none; unsigned:1
                                                */
    ngx_paygw_exchange_order_t   learned;      /* the provider's own word about
                                                  an order; as order */

    /* set by check() if it refuses an answer; unsigned:1 */
    const char                  *ours;         /* the parameters that our own
                                                  signature depends on, where
                                                  the provider refuses it; for
                                                  what is said next */
    ngx_uint_t                   blamed;       /* it is not signed, and finds
                                                  fault with the request: no
                                                  sign of trouble over there */
};


/* what a provider has for this; those on an exchange set n.reason and n.hint */
struct ngx_paygw_api_s {

    const char                  *endpoint;     /* for messages */

    /* names of header fields, as ngx_paygw_provider_t.headers */
    const ngx_str_t             *asks;         /* of the caller's request */
    const ngx_str_t             *headers;      /* of an answer */

    /* what a channel needs for it; logs its own messages */
    char                      *(*check_conf)(ngx_conf_t *cf,
                                             ngx_paygw_channel_t *ch);

    /*
     * The request, signed now: NGX_OK; NGX_DONE: there is nothing to send, the
     * reply is made here; NGX_DECLINED: the caller's request is not one that
     * could be sent; NGX_ERROR.
     */
    ngx_int_t                  (*build)(ngx_paygw_exchange_t *x);

    /*
     * NGX_OK: the answer is the provider's, the reply is made of nothing but
     * what it has signed; NGX_DECLINED, NGX_ABORT: it is not, nothing of it
     * may be told; NGX_ERROR.
     */
    ngx_int_t                  (*check)(ngx_paygw_exchange_t *x);

    /*
     * 1 if it is TLS alone that vouches for the answers to a channel, so that
     * no host may be asked without it; NULL: they are signed.
     */
    ngx_uint_t                 (*tls_only)(ngx_paygw_channel_t *ch);

    /* a host that many instructions still name and that is no more, and the
       one that came for it; NULL: none */
    const char                  *gone;
    const char                  *instead;
};


/* adds a header field: NGX_OK, or NGX_ERROR if there are too many */
ngx_int_t ngx_paygw_exchange_add(ngx_paygw_exchange_t *x, const char *name,
    const char *lowcase, ngx_str_t *value);

/* as ngx_paygw_sign(), the signature in base64 */
ngx_int_t ngx_paygw_exchange_sign(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *key, ngx_str_t *parts, ngx_uint_t nparts,
    ngx_str_t *base64, ngx_pool_t *pool, ngx_log_t *log);

/* n letters and digits that nobody can guess: NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_exchange_nonce(u_char *p, size_t n);

/*
 * The idempotency key of a call, by that of the caller, which may be empty;
 * behind paygw_auth each merchant has its own: NGX_OK or NGX_ERROR
 */
ngx_int_t ngx_paygw_exchange_key(ngx_paygw_exchange_t *x, ngx_str_t *asked,
    ngx_str_t *key);

/* 1 if a value is one of the words, which an empty one ends */
ngx_uint_t ngx_paygw_exchange_among(const ngx_str_t *words, ngx_str_t *value);

/* our own fault: returns NGX_ERROR */
ngx_int_t ngx_paygw_exchange_broken(ngx_paygw_exchange_t *x);

/* the caller's request cannot be sent: hint says why; returns NGX_DECLINED */
ngx_int_t ngx_paygw_exchange_wrong(ngx_paygw_exchange_t *x, const char *hint);

/* 1 if the caller's request has this method, or this media type */
ngx_uint_t ngx_paygw_exchange_method(ngx_paygw_exchange_t *x,
    const char *method);
ngx_uint_t ngx_paygw_exchange_type(ngx_paygw_exchange_t *x, const char *type);


/* for providers whose requests and answers are flat fields */

/* a field of a request, and where an answer says the same */
typedef struct {
    const char              *asked;
    const char              *told;
} ngx_paygw_exchange_pair_t;

/*
 * An answer with fields of these names, where both are there, is about what was
 * asked for.  pairs are ended by NULL.  NGX_OK or NGX_DECLINED.
 */
ngx_int_t ngx_paygw_exchange_about(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *asked, ngx_paygw_form_t *told,
    const ngx_paygw_exchange_pair_t *pairs);

/* as ngx_paygw_check_hidden(), of an answer */
ngx_int_t ngx_paygw_exchange_hidden(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form, const ngx_str_t *names, const ngx_str_t *words);

/*
 * Refuses an answer that nobody has signed; what it says goes to the log, as
 * far as it can stand there.  words say which codes find no fault with the
 * request.  With x->ours it says that the provider refuses our signature: no
 * more than a word for people, as nobody has signed that.  Returns NGX_DECLINED
 * or NGX_ERROR.
 */
ngx_int_t ngx_paygw_exchange_unsigned(ngx_paygw_exchange_t *x,
    const ngx_paygw_code_word_t *words, ngx_str_t *code, ngx_str_t *detail);

/* 1 if it is this word */
ngx_uint_t ngx_paygw_exchange_is(ngx_str_t *word, const char *is);

/*
 * An answer that is verified: ill says whether it is one of trouble over there
 * by what it says, the status whether it is by that.  For providers that take
 * the same again, under the same number, without making a second one of it.
 */
void ngx_paygw_exchange_busy(ngx_paygw_exchange_t *x, ngx_uint_t ill);

/*
 * The same, and whether it may be another one the next time, for an error that
 * one word tells: value, as in ngx_paygw_code_find(), NULL if there is none.
 */
void ngx_paygw_exchange_word(ngx_paygw_exchange_t *x,
    const ngx_paygw_code_word_t *words, ngx_str_t *value);


#endif /* _NGX_PAYGW_EXCHANGE_H_INCLUDED_ */
