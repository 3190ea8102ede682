
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_ORDER_H_INCLUDED_
#define _NGX_PAYGW_ORDER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_checksum.h"
#include "ngx_paygw_code.h"
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_json.h"
#include "ngx_paygw_json_out.h"
#include "ngx_paygw_provider.h"


/*
 * An operation of the unified API in our normal form, and what a provider does
 * to make its own call of it.  Pure functions above those of an exchange:
 *
 *   order --ask()--> x->in --api->build()--> the provider
 *   told <--normalise()-- x->reply <--api->check()-- the provider
 *
 * so that what is signed, sent, tried again and verified is the same as for
 * paygw_pass, and no byte that is not verified is ever normalised.
 */


typedef struct ngx_paygw_order_s  ngx_paygw_order_t;


/* limits of the normal form; a provider may have narrower ones */
#define NGX_PAYGW_ORDER_ID_MAX       64
#define NGX_PAYGW_ORDER_AMOUNT_MAX   999999999999LL
#define NGX_PAYGW_ORDER_SUBJECT_MAX  256           /* bytes */
#define NGX_PAYGW_ORDER_REASON_MAX   256           /* bytes */
#define NGX_PAYGW_ORDER_PAYER_MAX    128           /* bytes */
#define NGX_PAYGW_ORDER_URL_MAX      1024
#define NGX_PAYGW_ORDER_REF_MAX      128
#define NGX_PAYGW_ORDER_EXPIRES_MIN  60            /* seconds */
#define NGX_PAYGW_ORDER_EXPIRES_MAX  (15 * 24 * 60 * 60)
#define NGX_PAYGW_ORDER_META         16            /* members */
#define NGX_PAYGW_ORDER_META_MAX     512           /* bytes as JSON */
#define NGX_PAYGW_ORDER_PARAMS       10


/* keep the order of ngx_paygw_order_ops[], and of ngx_paygw_orders_t.ask */
typedef enum {
    NGX_PAYGW_OP_CREATE = 0,
    NGX_PAYGW_OP_QUERY,
    NGX_PAYGW_OP_CLOSE,
    NGX_PAYGW_OP_REFUND,
    NGX_PAYGW_OP_REFUND_QUERY,
    NGX_PAYGW_OP_BILL,
    NGX_PAYGW_OPS
} ngx_paygw_op_e;

extern const ngx_str_t  ngx_paygw_order_ops[];


/* how the payer is to pay; keep the order of ngx_paygw_order_methods[] */
typedef enum {
    NGX_PAYGW_METHOD_QR = 0,       /* he scans a code of ours */
    NGX_PAYGW_METHOD_JSAPI,        /* in the provider's app: page, mini app */
    NGX_PAYGW_METHOD_APP,          /* an app of ours calls the provider's */
    NGX_PAYGW_METHOD_H5,           /* a browser of a phone calls that app */
    NGX_PAYGW_METHOD_PAGE,         /* a browser, the provider's page */
    NGX_PAYGW_METHOD_WAP,          /* the same on a phone */
    NGX_PAYGW_METHOD_BARCODE,      /* we scan a code of his */
    NGX_PAYGW_METHODS
} ngx_paygw_method_e;

extern const ngx_str_t  ngx_paygw_order_methods[];

#define ngx_paygw_method_bit(m)  ((ngx_uint_t) 1 << NGX_PAYGW_METHOD_##m)


/* moved only forward, in the words of the design */
typedef enum {
    NGX_PAYGW_STATE_UNKNOWN = 0,   /* not said */
    NGX_PAYGW_STATE_CREATED,
    NGX_PAYGW_STATE_PAYING,
    NGX_PAYGW_STATE_PAID,
    NGX_PAYGW_STATE_PART_REFUNDED,
    NGX_PAYGW_STATE_REFUNDED,
    NGX_PAYGW_STATE_CLOSED,
    NGX_PAYGW_STATE_FAILED,
    NGX_PAYGW_STATES
} ngx_paygw_state_e;

extern const ngx_str_t  ngx_paygw_order_states[];


/* what the caller has to do so that the payer can pay */
typedef enum {
    NGX_PAYGW_ACTION_NONE = 0,
    NGX_PAYGW_ACTION_QR_CODE,      /* value: the text of the code */
    NGX_PAYGW_ACTION_REDIRECT,     /* value: a URL */
    NGX_PAYGW_ACTION_FORM,         /* value: a page that posts itself */
    NGX_PAYGW_ACTION_JSAPI,        /* params: for the provider's script */
    NGX_PAYGW_ACTION_APP,          /* params: for the provider's library */
    NGX_PAYGW_ACTIONS
} ngx_paygw_action_e;

extern const ngx_str_t  ngx_paygw_order_actions[];


/*
 * What the provider has told.  Strings are UTF-8, in the pool of the exchange
 * or in the answer; empty and -1 mean that it has not.  All ids are visible
 * ASCII (checked by the provider).
 */
typedef struct {
    ngx_paygw_outcome_e      outcome;      /* of the payment, or the refund */
    ngx_paygw_state_e        state;        /* of the order */
    ngx_str_t                word;         /* the provider's own: its state,
                                              or its error code */
    const char              *odd;          /* the field that word is of, if
                                              nobody here knows it: it is taken
                                              as pending, and logged */
    ngx_str_t                trade_no;
    ngx_str_t                ref;          /* see ngx_paygw_order_t.ref */
    int64_t                  amount;       /* of the order */
    ngx_str_t                currency;
    time_t                   time;         /* when it was paid, or refunded */
    ngx_str_t                payer;
    ngx_uint_t               absent;       /* of a query: pending, for he has
                                              no such payment; unsigned:1 */
    ngx_str_t                refund_no;
    int64_t                  refund_amount;
    ngx_uint_t               open;         /* the refund has failed, and may
                                              still be made; unsigned:1 */

    ngx_paygw_action_e       action;
    ngx_str_t                value;
    ngx_paygw_field_t        params[NGX_PAYGW_ORDER_PARAMS];
    ngx_uint_t               nparams;

    ngx_str_t                file;         /* of a bill: all of it */
    ngx_str_t                hash;         /* how it was checked, "sha1"; empty:
                                              the provider has none */
} ngx_paygw_told_t;


struct ngx_paygw_order_s {

    /*
     * Asked for.  What the operation does not need is empty.  All of it has
     * been looked at: see ngx_paygw_order_read().
     */
    ngx_paygw_op_e           op;
    ngx_str_t                id;           /* letters, digits, "_", "-" */
    int64_t                  amount;       /* minor units, above 0; of a refund
                                              that of the order, -1: nobody has
                                              said it */
    ngx_str_t                currency;     /* three capital letters */
    ngx_str_t                subject;
    ngx_paygw_method_e       method;
    ngx_str_t                channel;      /* its name, or empty */
    ngx_str_t                payer;        /* openid, buyer_id */
    ngx_str_t                payer_appid;  /* whose openid that is */
    ngx_str_t                payer_ip;
    ngx_str_t                auth_code;    /* of a barcode */
    ngx_str_t                terminal;     /* that has scanned it */
    ngx_str_t                return_url;
    time_t                   expires;      /* Unix seconds, 0: not said */
    ngx_paygw_field_t        meta[NGX_PAYGW_ORDER_META];
    ngx_uint_t               nmeta;
    ngx_str_t                metadata;     /* the same as a JSON object */
    ngx_str_t                refund_id;    /* as id */
    int64_t                  refund_amount;
    ngx_str_t                reason;
    ngx_str_t                date;         /* of a bill, "2025-01-02" */

    /* from the record of the order, empty without one */
    ngx_uint_t               known;        /* there is one; unsigned:1 */
    ngx_str_t                trade_no;
    ngx_str_t                ref;          /* what the provider needs to find
                                              the order again and only it knows
                                              (UnionPay's txnTime, Stripe's id):
                                              kept as told by create, or said by
                                              the caller, who was told; ask()
                                              may set it before anything is
                                              sent */
    ngx_uint_t               unasked;      /* of a question about a refund: the
                                              answer is about its payment alone;
                                              unsigned:1 */
    ngx_uint_t               later;        /* a ref that is missing will be
                                              looked for; unsigned:1 */

    ngx_str_t                events;       /* for the caller: a URL where the
                                              payer's page hears of it; empty:
                                              none */

    /* for refusals: a field by its name, and what is wrong with it */
    const char              *field;
    ngx_str_t                said;         /* a name that the caller has made;
                                              instead of field */
    const char              *hint;

    /* set by normalise() */
    ngx_paygw_code_e         code;
    ngx_paygw_told_t         told;
    ngx_uint_t               doubtful;     /* it is refused for what is there,
                                              or may be: that is to be asked
                                              before code is told;
                                              unsigned:1 */

    ngx_uint_t               sent;         /* by a step before: that a later
                                              one cannot be sent is no sign of
                                              nothing having been done;
                                              unsigned:1 */
    ngx_uint_t               repeated;     /* ref is of an earlier call, which
                                              may have done it; unsigned:1 */
    ngx_uint_t               step;         /* of an operation that takes more
                                              than one call, from 0 */
    ngx_paygw_expected_t     expected;     /* of a file, before the step that
                                              asks for it: may stream then */
    void                    *data;         /* the provider's own */
};


/*
 * What a provider has for it.  ask() and check() return NGX_OK; NGX_DECLINED:
 * it cannot be sent, with o->code and what the functions below set; NGX_ERROR.
 */
struct ngx_paygw_orders_s {

    ngx_uint_t               methods;      /* bits of ngx_paygw_method_e */
    const ngx_str_t         *currencies;   /* ended by an empty one; NULL:
                                              any */

    /*
     * What a channel needs for it, beside what calls do; logs its own
     * messages.
     */
    char                    *(*check_conf)(ngx_conf_t *cf,
                                           ngx_paygw_channel_t *ch);

    /* the provider's own limits: of ids, texts, amounts, what it requires */
    ngx_int_t                (*check)(ngx_paygw_exchange_t *x,
                                      ngx_paygw_order_t *o);

    /*
     * The provider's request, unsigned, as a caller of paygw_pass would send
     * it: fills x->in, x->path and x->type, see ngx_paygw_order_call().  In
     * the order of ngx_paygw_op_e; NULL: the provider has no such thing.  It is
     * called once for each step: what is tried again is the same request,
     * signed anew.
     */
    ngx_int_t                (*ask[NGX_PAYGW_OPS])(ngx_paygw_exchange_t *x,
                                                   ngx_paygw_order_t *o);

    /*
     * What a verified answer means (or what build() has made where nothing is
     * sent: x->status is 0 then).  Fills o->code and o->told.  NGX_OK;
     * NGX_AGAIN: there is another step, o->step is counted up and ask() called
     * again; NGX_DECLINED: genuine, and not the answer to this, or not to be
     * understood: x->n.reason and hint say why, the outcome is unknown, and
     * nothing of it is told; NGX_ERROR.
     */
    ngx_int_t                (*normalise)(ngx_paygw_exchange_t *x,
                                          ngx_paygw_order_t *o);

    ngx_uint_t               refs;         /* it has order.ref; unsigned:1 */

    /*
     * A refund's own ref, made of that of its order before it is sent: NGX_OK,
     * it is order.ref now; NGX_DONE, it has been that; NGX_DECLINED: there is
     * none of the order; NGX_ERROR.  NULL: refunds have none.
     */
    ngx_int_t                (*refund_ref)(ngx_paygw_exchange_t *x,
                                           ngx_paygw_order_t *o);

    ngx_uint_t               terminals;    /* it asks for order.terminal;
                                              unsigned:1 */
};


/* ngx_paygw_order.c: what asking functions share */

/*
 * The request of a step: path with a leading "/" is below the endpoint and
 * needs no escape; args may be empty, else without "?" and escaped.
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_order_call(ngx_paygw_exchange_t *x, const char *method,
    ngx_str_t *path, ngx_str_t *args, const char *type, ngx_str_t *body);

/*
 * Refusals of what the caller has asked for: of a field, by its name; of
 * something that the channel does not have.  All return NGX_DECLINED.
 */
ngx_int_t ngx_paygw_order_missing(ngx_paygw_order_t *o, const char *field);
ngx_int_t ngx_paygw_order_invalid(ngx_paygw_order_t *o, const char *field,
    const char *hint);
ngx_int_t ngx_paygw_order_unsupported(ngx_paygw_order_t *o,
    const char *field, const char *hint);

/* the same of a name that the caller has made, if it can be repeated */
ngx_int_t ngx_paygw_order_unknown(ngx_paygw_order_t *o, ngx_str_t *name,
    const char *hint);

/* of a body that is no JSON.  NGX_DECLINED or NGX_ERROR */
ngx_int_t ngx_paygw_order_broken(ngx_pool_t *pool, ngx_paygw_order_t *o,
    char *err, ngx_paygw_json_fault_t *fault);

/*
 * A genuine answer that is not the one to this: it is about another NAME, or
 * NAME is not there or not what it must be.  Both return NGX_DECLINED.
 */
ngx_int_t ngx_paygw_order_other(ngx_paygw_exchange_t *x, const char *name);
ngx_int_t ngx_paygw_order_strange(ngx_paygw_exchange_t *x, const char *name);

/*
 * By the code of a verified answer: an order is refused since it is paid, or is
 * not to be closed, or refunded by the first step, in its state.  Sets
 * o->doubtful.
 */
void ngx_paygw_order_doubt(ngx_paygw_order_t *o);

/* another parameter of the action; there must be room.  value is not copied */
void ngx_paygw_order_param(ngx_paygw_order_t *o, const char *name,
    ngx_str_t *value);

/* an amount in minor units with two decimals: "1.00".  In pool */
ngx_int_t ngx_paygw_order_decimal(ngx_pool_t *pool, int64_t amount,
    ngx_str_t *text);

/*
 * A short text, at most NGX_PAYGW_ORDER_TEXT_MAX bytes, fmt being that of
 * ngx_sprintf(); a number as one more field of a form, NGX_DECLINED if there is
 * no room; and a text of the six numbers of a time, year to second, at a fixed
 * offset of zone seconds east of UTC.  In pool.  NGX_OK or NGX_ERROR.
 */
#define NGX_PAYGW_ORDER_TEXT_MAX     4096

ngx_int_t ngx_cdecl ngx_paygw_order_text(ngx_pool_t *pool, ngx_str_t *text,
    const char *fmt, ...);
ngx_int_t ngx_paygw_order_number(ngx_pool_t *pool, ngx_paygw_form_t *form,
    const char *name, int64_t value);
ngx_int_t ngx_paygw_order_clock(ngx_pool_t *pool, time_t t, ngx_int_t zone,
    const char *fmt, ngx_str_t *text);

/*
 * An id and a ref, of a URL or a body, and the date of a path, which has been:
 * NGX_OK, or NGX_DECLINED as above.  The first is set by its caller.
 */
ngx_int_t ngx_paygw_order_read_id(ngx_paygw_order_t *o, const char *field,
    ngx_str_t *id);
ngx_int_t ngx_paygw_order_read_ref(ngx_paygw_order_t *o, ngx_str_t *ref);
ngx_int_t ngx_paygw_order_read_date(ngx_paygw_order_t *o, ngx_str_t *date,
    time_t now);

/* 1 if it is 1 to max letters, digits, "_" and "-" */
ngx_uint_t ngx_paygw_order_plain(ngx_str_t *s, size_t max);

/* 1 if both are the same bytes */
ngx_uint_t ngx_paygw_order_same(ngx_str_t *a, ngx_str_t *b);

/*
 * 1 if two refs cannot be of one order.  Those of two kinds, by their head up
 * to a "_", can: a session and its payment.
 */
ngx_uint_t ngx_paygw_order_refs_differ(ngx_str_t *a, ngx_str_t *b);


/*
 * ngx_paygw_order_read.c: the caller's request into the normal form.  op, id,
 * refund_id and date are set; now is for expires_in.  Any field that is not
 * known, is there twice, of another type, empty, too long or out of its range
 * is refused by its name: NGX_OK; NGX_DECLINED with o->code; NGX_ERROR.
 */
ngx_int_t ngx_paygw_order_read(ngx_pool_t *pool, ngx_paygw_order_t *o,
    ngx_str_t *body, time_t now);


/*
 * ngx_paygw_order_check.c: what an order must be for its channel: the
 * operation and the method are there, the currency is known, then
 * orders->check().  As that.
 */
ngx_int_t ngx_paygw_order_check(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);

/*
 * For a provider that takes none without: the channel has a notify_url.  NGX_OK
 * or NGX_DECLINED with o->code.
 */
ngx_int_t ngx_paygw_order_heard(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);


/*
 * ngx_paygw_order_keep.c: what was told of an order as a text, which another
 * call tells again.  Keep returns NGX_OK or NGX_ERROR; kept sets o->told:
 * NGX_OK, NGX_DECLINED if it is no such text, NGX_ERROR.
 */
ngx_int_t ngx_paygw_order_keep(ngx_pool_t *pool, ngx_paygw_order_t *o,
    ngx_str_t *text);
ngx_int_t ngx_paygw_order_kept(ngx_pool_t *pool, ngx_paygw_order_t *o,
    ngx_str_t *text);


/*
 * ngx_paygw_order_write.c: the answer to the caller,
 *
 *   {"code":"OK","message":"","request_id":"...","data":{...}}
 *
 * of o->code; ch is NULL if none was found.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_order_write(ngx_pool_t *pool, ngx_paygw_order_t *o,
    ngx_paygw_channel_t *ch, ngx_str_t *request_id, ngx_str_t *out);

/* its words for people alone, empty with OK.  NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_order_message(ngx_pool_t *pool, ngx_paygw_order_t *o,
    ngx_str_t *message);


#endif /* _NGX_PAYGW_ORDER_H_INCLUDED_ */
