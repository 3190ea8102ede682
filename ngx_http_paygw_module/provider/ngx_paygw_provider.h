
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_PROVIDER_H_INCLUDED_
#define _NGX_PAYGW_PROVIDER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_form.h"
#include "ngx_paygw_key.h"


/*
 * The floor of the providers: pure functions over a message.  Nothing here
 * sees a request, a socket or the store, so unit tests and fuzzers feed the
 * same structures.
 */


typedef struct ngx_paygw_provider_s  ngx_paygw_provider_t;
typedef struct ngx_paygw_channel_s   ngx_paygw_channel_t;
typedef struct ngx_paygw_notify_s    ngx_paygw_notify_t;
typedef struct ngx_paygw_keyring_s   ngx_paygw_keyring_t;
typedef struct ngx_paygw_task_s      ngx_paygw_task_t;
typedef struct ngx_paygw_api_s       ngx_paygw_api_t;
typedef struct ngx_paygw_orders_s    ngx_paygw_orders_t;


#define NGX_PAYGW_MAX_HEADERS  16


/* All that a provider sees of an HTTP message. */
typedef struct {
    ngx_str_t                method;
    ngx_str_t                target;     /* as on the request line */
    ngx_str_t                body;       /* raw bytes, in one piece */
    ngx_str_t                headers[NGX_PAYGW_MAX_HEADERS];
                                         /* values in the order of the
                                            channel's names; data == NULL if
                                            absent */
    ngx_uint_t               repeated;   /* bit i: header i came twice */
    time_t                   now;        /* Unix seconds */
} ngx_paygw_message_t;


/* Outcomes of a payment, in the words of the design. */
typedef enum {
    NGX_PAYGW_OUTCOME_UNKNOWN = 0,
    NGX_PAYGW_OUTCOME_SUCCESS,
    NGX_PAYGW_OUTCOME_PENDING,
    NGX_PAYGW_OUTCOME_FAILED
} ngx_paygw_outcome_e;


typedef enum {
    NGX_PAYGW_EVENT_UNKNOWN = 0,   /* genuine, of a kind that we do not know */
    NGX_PAYGW_EVENT_PAYMENT,
    NGX_PAYGW_EVENT_REFUND,
    NGX_PAYGW_EVENT_CLOSE          /* closed unpaid */
} ngx_paygw_event_type_e;


/*
 * The normal event.  Strings are UTF-8 and live in the notify's pool or in the
 * body; an empty string means absent.  Amounts are integers in minor units,
 * -1 if absent.  All ids are visible ASCII (checked by the provider).
 */
typedef struct {
    ngx_paygw_event_type_e   type;
    ngx_paygw_outcome_e      outcome;
    ngx_str_t                id;          /* provider's id of the event: stays
                                             the same over its retries */
    ngx_str_t                kind;        /* provider's own word for what it
                                             is: event_type, trade_status */
    time_t                   time;        /* of the event, Unix seconds; 0 */
    ngx_str_t                order_id;    /* ours: out_trade_no */
    ngx_str_t                trade_no;    /* the provider's */
    int64_t                  amount;      /* of the order */
    int64_t                  total;       /* that it was created with, where
                                             less may have been paid; 0: the
                                             same */
    ngx_str_t                account;     /* within the channel, as of the
                                             order's creation: ngx_paygw_bind.h;
                                             empty: not known */
    ngx_str_t                currency;    /* ISO 4217 */
    ngx_str_t                refund_id;   /* ours: out_refund_no */
    ngx_str_t                refund_no;   /* the provider's */
    int64_t                  refund_amount;
    ngx_uint_t               refund_sum;  /* it is that of all refunds so far;
                                             unsigned:1 */
    ngx_uint_t               refund_open; /* it has failed, and may still be
                                             made; unsigned:1 */
    ngx_str_t                payer;       /* openid, buyer_id */
    ngx_uint_t               unconfirmed; /* not signed by the provider: ask it
                                             before acting on it */
    ngx_str_t                data;        /* JSON object text: all that the
                                             provider said */
} ngx_paygw_event_t;


/*
 * Why a callback was refused: the word of $paygw_reason, stable for logs and
 * alerts.  Keep the order of ngx_paygw_reasons[].
 */
typedef enum {
    NGX_PAYGW_REASON_NONE = 0,
    NGX_PAYGW_REASON_METHOD,
    NGX_PAYGW_REASON_CONTENT_TYPE,
    NGX_PAYGW_REASON_TOO_LARGE,
    NGX_PAYGW_REASON_MISSING_HEADER,
    NGX_PAYGW_REASON_REPEATED_HEADER,
    NGX_PAYGW_REASON_MALFORMED,
    NGX_PAYGW_REASON_DUPLICATE_FIELD,
    NGX_PAYGW_REASON_UNKNOWN_KEY,
    NGX_PAYGW_REASON_UNKNOWN_ACCOUNT,
    NGX_PAYGW_REASON_CLOCK,
    NGX_PAYGW_REASON_SIGN_TYPE,
    NGX_PAYGW_REASON_SIGNATURE,
    NGX_PAYGW_REASON_PROBE,
    NGX_PAYGW_REASON_DECRYPT,
    NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
    NGX_PAYGW_REASON_INTERNAL,
    NGX_PAYGW_REASON_STORE,
    NGX_PAYGW_REASON_REPLICAS,
    NGX_PAYGW_REASON_IN_FLIGHT,
    NGX_PAYGW_REASON_DUPLICATE,
    NGX_PAYGW_REASON_LATE,
    NGX_PAYGW_REASON_SHOP,
    NGX_PAYGW_REASON_KEYRING,
    NGX_PAYGW_REASON_REPLAYED,
    NGX_PAYGW_REASON_LIMIT,
    NGX_PAYGW_REASON_FAILURES,
    NGX_PAYGW_REASON_IDEM_REQUIRED,
    NGX_PAYGW_REASON_IDEM_KEY,
    NGX_PAYGW_REASON_IDEM_MISMATCH,
    NGX_PAYGW_REASON_IDEM_RUNNING,
    NGX_PAYGW_REASON_IDEM_NOT_KEPT,
    NGX_PAYGW_REASON_ORDER_MISMATCH,
    NGX_PAYGW_REASON_ORDER_UNKNOWN,
    NGX_PAYGW_REASONS                  /* how many there are */
} ngx_paygw_reason_e;

extern const ngx_str_t  ngx_paygw_reasons[];


/*
 * One callback on its way through a provider.  The caller fills the first
 * group; channels are the accounts that the location names, all of this
 * provider, and no other may be tried.
 */
struct ngx_paygw_notify_s {
    ngx_paygw_message_t          msg;
    const ngx_paygw_provider_t  *provider;
    ngx_paygw_channel_t        **channels;
    ngx_uint_t                   nchannels;
    ngx_pool_t                  *pool;
    ngx_log_t                   *log;

    ngx_paygw_channel_t         *channel;     /* the account, once found */
    ngx_paygw_reason_e           reason;      /* set with every refusal */
    ngx_str_t                    hint;        /* for people, one phrase: "clock
                                                 412 s off"; may be empty; no
                                                 secret, visible ASCII and
                                                 spaces only */
    ngx_str_t                    key_id;      /* that was used or asked for;
                                                 visible ASCII or empty */
    size_t                       signed_len;  /* of the string to sign */
    u_char                       signed_sha256[32];
                                              /* of it; set on a refusal at the
                                                 signature, for the log */
    ngx_str_t                    wanted;      /* id of a key that is not known
                                                 and might be fetched, with the
                                                 reason UNKNOWN_KEY; or empty */
    ngx_paygw_channel_t         *wanting;     /* whose; NULL: any of them */
    ngx_msec_t                   keep;        /* how long its id must be kept
                                                 to make a replay impossible */
    ngx_paygw_event_t            event;

    unsigned                     genuine:1;   /* its signature is right, also
                                                 of what is refused for
                                                 something else */

    void                        *data;        /* the provider's own */
};


/* The answer that a provider wants to hear. */
typedef struct {
    ngx_uint_t               status;
    ngx_str_t                type;        /* empty: no Content-Type */
    ngx_str_t                body;        /* may be empty */
} ngx_paygw_ack_t;


/*
 * A parameter of a channel block, as its provider spells it.  args[0] is the
 * first value: the name is not among them, and min and max count values only.
 * set() returns what a directive of nginx returns.  check() is called after
 * the last parameter, with window, keep and lease of the channel in place.
 */
typedef struct {
    ngx_str_t                name;
    ngx_uint_t               min;         /* number of arguments */
    ngx_uint_t               max;
    ngx_uint_t               repeat;      /* may stand more than once */
    char                  *(*set)(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
                                  ngx_str_t *args, ngx_uint_t nargs);
} ngx_paygw_param_t;


/*
 * One configured account.  Constant once the configuration is read.  It lives
 * in cf->pool.
 */
struct ngx_paygw_channel_s {
    ngx_str_t                    name;
    ngx_uint_t                   index;       /* from 0; set by the floor
                                                 above */
    const ngx_paygw_provider_t  *provider;
    void                        *conf;        /* the provider's own */
    ngx_msec_t                   window;      /* clock window, both ways */
    ngx_msec_t                   keep;        /* of a committed event */
    ngx_msec_t                   lease;       /* of a claim */

    /*
     * What its callbacks look like; the provider's own unless its check() has
     * set something else: such a channel is alone in its location.
     */
    const ngx_str_t             *headers;
    const ngx_str_t             *content_types;

    /*
     * Header fields of calls, where they are the channel's own: of a caller's
     * request, and of an answer; NULL: those of the provider's api
     */
    const ngx_str_t             *asks;
    const ngx_str_t             *tells;
    ngx_uint_t                   calls_only;  /* there is nothing to verify a
                                                 callback with; unsigned:1 */

    /*
     * The provider's keys that count now, of ngx_paygw_key_t *: the configured
     * ones, until a worker puts its own copy of the keyring here.  A key of it
     * may be gone when the event loop comes back.  NULL: the provider has no
     * keyring.
     */
    ngx_array_t                 *keys;
    ngx_paygw_keyring_t         *keyring;

    /*
     * The files of the certificate by which calls are known to the provider in
     * TLS, and of its key, which fit; empty: there is none
     */
    ngx_str_t                    client_cert;
    ngx_str_t                    client_key;

    /*
     * Certificates that are of no keyring, ngx_paygw_key_t *: our own, and
     * those of a provider that has none; of use are their ids and validity
     * alone.  NULL: none
     */
    ngx_array_t                 *certs;

    ngx_str_t                    notify_url;  /* for the callbacks of orders
                                                 that paygw_api makes; may be
                                                 empty */

    /*
     * The directive that wants more of the channel than its block has to have,
     * while its demands are checked; NULL: none
     */
    const char                  *wanted_by;

    void                        *upper;       /* what the floor above has */
};


/*
 * A provider: one constant record of functions.  Those on a notify return
 *
 *   NGX_OK        go on
 *   NGX_DECLINED  forged, or not for us: n->reason says at which step
 *   NGX_ABORT     malformed: n->reason
 *   NGX_ERROR     our own fault (memory, OpenSSL): n->reason is INTERNAL
 *
 * and event() alone
 *
 *   NGX_DONE      genuine, and nothing for the shop: the success ack, no claim
 */
struct ngx_paygw_provider_s {
    ngx_str_t                    name;

    /*
     * Lower-case names of the header fields it wants, ended by an empty one:
     * what a channel has at first, and what counts are those of the channel
     */
    const ngx_str_t             *headers;

    /*
     * The media types of its callbacks, without parameters and in lower case,
     * ended by an empty one; NULL: any, and none
     */
    const ngx_str_t             *content_types;

    /* parameters inside paygw_channel, ended by an empty name */
    const ngx_paygw_param_t     *params;

    /* allocates ch->conf with its defaults */
    ngx_int_t                  (*create)(ngx_conf_t *cf,
                                         ngx_paygw_channel_t *ch);

    /*
     * After the last parameter: what is required is there, keys fit together
     * and work.  Logs its own messages, which name the channel and the fix.
     */
    char                      *(*check)(ngx_conf_t *cf,
                                        ngx_paygw_channel_t *ch);

    /*
     * Two channels of one location must be told apart by a message: returns 1
     * if a message of b could be taken for one of a (same account).
     */
    ngx_uint_t                 (*same)(ngx_paygw_channel_t *a,
                                       ngx_paygw_channel_t *b);

    /* headers and fields present once, candidates for the account; no crypto */
    ngx_int_t                  (*parse)(ngx_paygw_notify_t *n);

    /*
     * Keyring, clock, signature over the raw bytes, decryption, then the
     * account: n->channel is set when it returns NGX_OK.  n->genuine is set
     * by one that may refuse what is signed; with NGX_OK it is by the caller.
     */
    ngx_int_t                  (*verify)(ngx_paygw_notify_t *n);

    /* the normal event and n->keep */
    ngx_int_t                  (*event)(ngx_paygw_notify_t *n);

    /*
     * The exact answer: status is what we would say over HTTP (2xx: taken);
     * the provider makes of it the status and bytes that it is known to
     * understand.  n->channels[0] is one of the location's, n->reason says why
     * where that matters.  Never fails; strings live as long as the channel.
     */
    void                       (*ack)(const ngx_paygw_notify_t *n,
                                      ngx_uint_t status,
                                      ngx_paygw_ack_t *ack);

    /*
     * What the keys of a channel do for code beside us, see ngx_paygw_task.h;
     * NULL: nothing.  Signs a text as requests to the provider are signed; and
     * opens what the provider has encrypted.
     */
    ngx_int_t                  (*sign)(ngx_paygw_task_t *t);
    ngx_int_t                  (*open)(ngx_paygw_task_t *t);

    /* its own API, see ngx_paygw_exchange.h; NULL: cannot be called */
    const ngx_paygw_api_t       *api;

    /* the unified API, see ngx_paygw_order.h; NULL: not yet, or never */
    const ngx_paygw_orders_t    *orders;
};


extern const ngx_paygw_provider_t  ngx_paygw_alipay;
extern const ngx_paygw_provider_t  ngx_paygw_generic;
extern const ngx_paygw_provider_t  ngx_paygw_stripe;
extern const ngx_paygw_provider_t  ngx_paygw_unionpay;
extern const ngx_paygw_provider_t  ngx_paygw_wechat_v2;
extern const ngx_paygw_provider_t  ngx_paygw_wechat_v3;

/* all of them, ended by NULL */
extern const ngx_paygw_provider_t  *ngx_paygw_providers[];

const ngx_paygw_provider_t *ngx_paygw_provider_find(ngx_str_t *name);


/* sets reason and hint and returns rc: the last line of every refusal */
ngx_int_t ngx_paygw_refuse(ngx_paygw_notify_t *n, ngx_int_t rc,
    ngx_paygw_reason_e reason, const char *hint);

/*
 * The same with a hint that is made for this message; fmt is that of
 * ngx_sprintf(), and what it prints must be visible ASCII and spaces.  At most
 * NGX_PAYGW_HINT_MAX bytes of it are kept.
 */
#define NGX_PAYGW_HINT_MAX  255

ngx_int_t ngx_cdecl ngx_paygw_refuse_with(ngx_paygw_notify_t *n, ngx_int_t rc,
    ngx_paygw_reason_e reason, const char *fmt, ...);

/*
 * Refuses what a codec could not read: rc and err are its own.  A name that
 * occurs twice has its reason; memory that was short is NGX_ERROR, anything
 * else NGX_ABORT.
 */
ngx_int_t ngx_paygw_refuse_parse(ngx_paygw_notify_t *n, ngx_int_t rc,
    const char *err);

/*
 * The checks that every header-signing provider shares: no header field of the
 * channel came twice, and those of required (bit i: field i) are there and not
 * empty.  NGX_OK or NGX_ABORT.
 */
ngx_int_t ngx_paygw_check_headers(ngx_paygw_notify_t *n, ngx_uint_t required);

/* the same of fields that are not the channel's, ended by an empty name */
ngx_int_t ngx_paygw_check_named(ngx_paygw_notify_t *n, const ngx_str_t *name,
    ngx_uint_t required);

/*
 * More refusals that providers share: a message whose time is too far from
 * ours; an account that is not ours, with the id that came (NULL or empty:
 * none did) and how many of that name are configured; a signature over parts
 * that no key of ours has made, which also notes the length and the SHA-256 of
 * the string for the log.  All return NGX_DECLINED.
 */
ngx_int_t ngx_paygw_refuse_clock(ngx_paygw_notify_t *n, time_t stamp);
ngx_int_t ngx_paygw_refuse_account(ngx_paygw_notify_t *n,
    ngx_paygw_reason_e reason, const char *name, ngx_str_t *value,
    ngx_uint_t configured);
ngx_int_t ngx_paygw_refuse_signature(ngx_paygw_notify_t *n,
    ngx_paygw_reason_e reason, ngx_str_t *parts, ngx_uint_t nparts,
    const char *hint);

/*
 * Refuses a message whose fields have two readings, see ngx_paygw_form_hides();
 * to be called once its signature is good.  words, ended by an empty one too,
 * are fields whose values hold no "&" at all: a field that is not among the
 * names could be folded into one of them, and make a new id.  NGX_OK or
 * NGX_ABORT.
 */
ngx_int_t ngx_paygw_check_hidden(ngx_paygw_notify_t *n,
    ngx_paygw_channel_t *ch, ngx_paygw_form_t *form, const ngx_str_t *names,
    const ngx_str_t *words);

/* the same for other messages: the name of such a field, or NULL */
const ngx_str_t *ngx_paygw_hidden(ngx_paygw_form_t *form,
    const ngx_str_t *names, const ngx_str_t *words);

/*
 * For providers that repeat a callback with the time of the first try: it must
 * not be older than its id is kept, less a margin, nor ahead of us by more
 * than the clock window.  NGX_OK or NGX_DECLINED.
 */
ngx_int_t ngx_paygw_check_age(ngx_paygw_notify_t *n, ngx_paygw_channel_t *ch,
    time_t t, ngx_msec_t keep);

/* such a provider repeats for about a day, under one id */
#define NGX_PAYGW_REPEAT_KEEP    ((ngx_msec_t) 26 * 60 * 60 * 1000)

/* how much longer an id is kept than the oldest message that is accepted */
#define NGX_PAYGW_REPEAT_MARGIN  ((ngx_msec_t) 60 * 60 * 1000)

/* how long the id of a message without a time of its own is kept */
#define NGX_PAYGW_LONG_KEEP      ((ngx_msec_t) 30 * 24 * 60 * 60 * 1000)

/* notes the key that a message asks for, if it can stand in a log line */
void ngx_paygw_note_key(ngx_paygw_notify_t *n, ngx_str_t *id);


#endif /* _NGX_PAYGW_PROVIDER_H_INCLUDED_ */
