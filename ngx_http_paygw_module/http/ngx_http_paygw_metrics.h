
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_METRICS_H_INCLUDED_
#define _NGX_HTTP_PAYGW_METRICS_H_INCLUDED_


#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_gate.h"
#include "ngx_http_paygw_pass.h"
#include "ngx_paygw_exposition.h"
#include "ngx_paygw_metrics.h"
#include "ngx_paygw_order.h"


/*
 * paygw_metrics and paygw_status: what is counted, and how it is shown.
 *
 *   ngx_http_paygw_metrics.c        of a configuration: blocks of counters
 *   ngx_http_paygw_metrics_count.c  what is counted
 *   ngx_http_paygw_metrics_order.c  of calls of providers: both
 *   ngx_http_paygw_metrics_api.c    of operations of paygw_api: both
 *   ngx_http_paygw_events_room.c    of streams of events: both
 *   ngx_http_paygw_metrics_table.c  the families: names, labels, slots
 *   ngx_http_paygw_metrics_gauge.c  what is looked at when they are shown
 *   ngx_http_paygw_metrics_show.c   the two content handlers
 *
 * Nothing is counted unless some location shows it.  A callback, a call and an
 * order are counted once, at the end of the request, when all is decided that
 * can be; tries of an order are when they end.
 *
 * To add a family: its slots here, one line in the table, and in the other file
 * what adds to them.  No label may have a value that a client can choose; the
 * names of channels, merchants and limits are those of the configuration.
 */


/* what has a block of counters, and labels of its own */
typedef enum {
    NGX_HTTP_PAYGW_SUBJECT_NGINX = 0,      /* all of it: no labels */
    NGX_HTTP_PAYGW_SUBJECT_CHANNEL,        /* channel, provider */
    NGX_HTTP_PAYGW_SUBJECT_ORDERS,         /* the same, of calls */
    NGX_HTTP_PAYGW_SUBJECT_API,            /* the same, of a paygw_api */
    NGX_HTTP_PAYGW_SUBJECT_MERCHANT,       /* merchant */
    NGX_HTTP_PAYGW_SUBJECT_LIMIT,          /* limit */
    NGX_HTTP_PAYGW_SUBJECTS
} ngx_http_paygw_subject_e;


typedef struct ngx_http_paygw_subject_s {
    ngx_paygw_metrics_t          metrics;  /* first */
    ngx_http_paygw_subject_e     kind;
    ngx_str_t                    name;     /* empty: of no channel or merchant
                                              in particular */
    ngx_paygw_channel_t         *channel;
    ngx_paygw_merchant_t        *merchant;
    const ngx_paygw_provider_t  *provider;
} ngx_http_paygw_subject_t;


struct ngx_http_paygw_metrics_s {
    ngx_array_t                  subjects; /* ngx_http_paygw_subject_t *, the
                                              first is that of nginx */

    ngx_http_paygw_subject_t   **channels;    /* by channel->index, */
    ngx_http_paygw_subject_t   **orders;      /* NULL: of no paygw_pass, */
    ngx_http_paygw_subject_t   **api;         /* of no paygw_api, and the last:
                                                 of no channel, */
    ngx_http_paygw_subject_t   **providers;   /* of no channel in particular, */
    ngx_http_paygw_subject_t   **merchants;   /* by merchant->index, and the
                                                 last: of none */
};


/* an answer by its class, as a slot: none was sent, 1xx, ... 5xx */
#define NGX_HTTP_PAYGW_CODES  6

/* a result alone, or with a reason */
#define NGX_HTTP_PAYGW_REFUSED_AT      NGX_HTTP_PAYGW_RESULTS
#define NGX_HTTP_PAYGW_UNAVAILABLE_AT                                         \
    (NGX_HTTP_PAYGW_REFUSED_AT + NGX_PAYGW_REASONS)
#define NGX_HTTP_PAYGW_DECISIONS                                              \
    (NGX_HTTP_PAYGW_UNAVAILABLE_AT + NGX_PAYGW_REASONS)

/* an order's result alone, or with a reason */
#define NGX_HTTP_PAYGW_REJECTED_AT     NGX_HTTP_PAYGW_PASS_RESULTS
#define NGX_HTTP_PAYGW_UNVERIFIED_AT                                          \
    (NGX_HTTP_PAYGW_REJECTED_AT + NGX_PAYGW_REASONS)
#define NGX_HTTP_PAYGW_ORDERS                                                 \
    (NGX_HTTP_PAYGW_UNVERIFIED_AT + NGX_PAYGW_REASONS)

/* what came of an Idempotency-Key */
typedef enum {
    NGX_HTTP_PAYGW_IDEM_IS_FIRST = 0,
    NGX_HTTP_PAYGW_IDEM_IS_AGAIN,
    NGX_HTTP_PAYGW_IDEM_IS_REPLAYED,
    NGX_HTTP_PAYGW_IDEM_IS_MISMATCH,
    NGX_HTTP_PAYGW_IDEM_IS_IN_PROGRESS,
    NGX_HTTP_PAYGW_IDEM_IS_NOT_KEPT,
    NGX_HTTP_PAYGW_IDEM_IS
} ngx_http_paygw_idem_is_e;

/* what an operation of paygw_api has come to; begins as ngx_paygw_outcome_e */
typedef enum {
    NGX_HTTP_PAYGW_OP_UNKNOWN = NGX_PAYGW_OUTCOME_UNKNOWN,
    NGX_HTTP_PAYGW_OP_SUCCESS = NGX_PAYGW_OUTCOME_SUCCESS,
    NGX_HTTP_PAYGW_OP_REFUSED = NGX_PAYGW_OUTCOME_FAILED + 1,
    NGX_HTTP_PAYGW_OP_UNAVAILABLE,
    NGX_HTTP_PAYGW_OP_OUTCOMES
} ngx_http_paygw_op_outcome_e;

/* each operation, and what is none, with each of them */
#define NGX_HTTP_PAYGW_OPERATIONS                                             \
    ((NGX_PAYGW_OPS + 1) * NGX_HTTP_PAYGW_OP_OUTCOMES)


/* processes whose streams are counted */
#define NGX_HTTP_PAYGW_EVENTS_SLOTS  128


/* the slots; each family begins where the one before it ends */

typedef enum {
    NGX_HTTP_PAYGW_AT_STORE = 0,
    NGX_HTTP_PAYGW_AT_FALLBACKS = NGX_PAYGW_METRICS_NEXT,
    NGX_HTTP_PAYGW_AT_TURNED_AWAY,
    NGX_HTTP_PAYGW_AT_STREAMS = NGX_HTTP_PAYGW_AT_TURNED_AWAY + 3,
    NGX_HTTP_PAYGW_AT_NGINX_END = NGX_HTTP_PAYGW_AT_STREAMS
                                  + NGX_HTTP_PAYGW_EVENTS_SLOTS
} ngx_http_paygw_at_nginx_e;

typedef enum {
    NGX_HTTP_PAYGW_AT_CALLBACKS = 0,
    NGX_HTTP_PAYGW_AT_OBSERVED = NGX_HTTP_PAYGW_AT_CALLBACKS
                                 + NGX_HTTP_PAYGW_DECISIONS,
    NGX_HTTP_PAYGW_AT_VERIFIED = NGX_HTTP_PAYGW_AT_OBSERVED
                                 + NGX_HTTP_PAYGW_DECISIONS,
    NGX_HTTP_PAYGW_AT_ACKS,
    NGX_HTTP_PAYGW_AT_ACK_TIMES = NGX_HTTP_PAYGW_AT_ACKS
                                  + NGX_HTTP_PAYGW_CODES,
    NGX_HTTP_PAYGW_AT_DELIVERIES = NGX_HTTP_PAYGW_AT_ACK_TIMES
                                   + NGX_PAYGW_METRICS_HISTOGRAM,
    NGX_HTTP_PAYGW_AT_TIMEOUTS = NGX_HTTP_PAYGW_AT_DELIVERIES + 4,
    NGX_HTTP_PAYGW_AT_SHOP_TIMES,
    NGX_HTTP_PAYGW_AT_WAITS = NGX_HTTP_PAYGW_AT_SHOP_TIMES
                              + NGX_PAYGW_METRICS_HISTOGRAM,
    NGX_HTTP_PAYGW_AT_FETCHES,
    NGX_HTTP_PAYGW_AT_CHANNEL_END = NGX_HTTP_PAYGW_AT_FETCHES + 2
} ngx_http_paygw_at_channel_e;

typedef enum {
    NGX_HTTP_PAYGW_AT_ORDERS = 0,
    NGX_HTTP_PAYGW_AT_ORDER_CODES = NGX_HTTP_PAYGW_AT_ORDERS
                                    + NGX_HTTP_PAYGW_ORDERS,
    NGX_HTTP_PAYGW_AT_RETRIES = NGX_HTTP_PAYGW_AT_ORDER_CODES
                                + NGX_HTTP_PAYGW_CODES,
    NGX_HTTP_PAYGW_AT_PROVIDER_TIMES = NGX_HTTP_PAYGW_AT_RETRIES
                                       + NGX_HTTP_PAYGW_PASS_CAUSES,
    NGX_HTTP_PAYGW_AT_EXHAUSTED = NGX_HTTP_PAYGW_AT_PROVIDER_TIMES
                                  + NGX_PAYGW_METRICS_HISTOGRAM,
    NGX_HTTP_PAYGW_AT_BREAKER,
    NGX_HTTP_PAYGW_AT_ORDERS_END = NGX_HTTP_PAYGW_AT_BREAKER
                                   + NGX_PAYGW_BREAKER_STATES
} ngx_http_paygw_at_orders_e;

typedef enum {
    NGX_HTTP_PAYGW_AT_OPERATIONS = 0,
    NGX_HTTP_PAYGW_AT_API_END = NGX_HTTP_PAYGW_AT_OPERATIONS
                                + NGX_HTTP_PAYGW_OPERATIONS
} ngx_http_paygw_at_api_e;

typedef enum {
    NGX_HTTP_PAYGW_AT_CALLS = 0,
    NGX_HTTP_PAYGW_AT_RESPONSES = NGX_HTTP_PAYGW_AT_CALLS
                                  + NGX_HTTP_PAYGW_DECISIONS,
    NGX_HTTP_PAYGW_AT_CALL_TIMES = NGX_HTTP_PAYGW_AT_RESPONSES
                                   + NGX_HTTP_PAYGW_CODES,
    NGX_HTTP_PAYGW_AT_IDEM = NGX_HTTP_PAYGW_AT_CALL_TIMES
                             + NGX_PAYGW_METRICS_HISTOGRAM,
    NGX_HTTP_PAYGW_AT_OF_MERCHANT = NGX_HTTP_PAYGW_AT_IDEM
                                    + NGX_HTTP_PAYGW_IDEM_IS,
    NGX_HTTP_PAYGW_AT_MERCHANT_END = NGX_HTTP_PAYGW_AT_OF_MERCHANT
                                     + NGX_HTTP_PAYGW_OPERATIONS
} ngx_http_paygw_at_merchant_e;

/* by ngx_http_paygw_limit_status_e */
typedef enum {
    NGX_HTTP_PAYGW_AT_LIMIT = 0,
    NGX_HTTP_PAYGW_AT_LIMIT_END = NGX_HTTP_PAYGW_AT_LIMIT + 5
} ngx_http_paygw_at_limit_e;


typedef struct ngx_http_paygw_family_s  ngx_http_paygw_family_t;

/*
 * A family.  It has n samples for each subject of its kind, from the slot at
 * on, each of them one slot or a histogram.  value() gives the values of the
 * labels of one, and returns 0 if it cannot be, and is not to be shown as long
 * as it is 0.  A family with show() has no slots: it is asked when it is
 * shown, and fills in the labels itself.
 */

#define NGX_HTTP_PAYGW_FAMILY_LABELS  2

struct ngx_http_paygw_family_s {
    ngx_paygw_exposition_family_t   shown;
    ngx_http_paygw_subject_e        kind;
    ngx_uint_t                      at;
    ngx_uint_t                      n;
    ngx_uint_t                      rare;  /* is not shown of a subject for
                                              which all of it is 0 */
    ngx_str_t                       labels[NGX_HTTP_PAYGW_FAMILY_LABELS];
    ngx_uint_t                    (*value)(ngx_uint_t i, ngx_str_t *values);
    void                          (*show)(ngx_http_paygw_main_conf_t *mcf,
                                          ngx_http_paygw_subject_t *subject,
                                          ngx_paygw_exposition_t *e,
                                          ngx_paygw_exposition_sample_t *s);
};


/* ended by one without a name */
extern const ngx_http_paygw_family_t  ngx_http_paygw_families[];

/* slots of a block, by ngx_http_paygw_subject_e */
extern const ngx_uint_t  ngx_http_paygw_subject_slots[];


/* sets of reasons */
#define ngx_http_paygw_reason_bit(reason)                                     \
    ((uint64_t) 1 << NGX_PAYGW_REASON_##reason)

/* values of labels */
ngx_uint_t ngx_http_paygw_metrics_callback_value(ngx_uint_t i,
    ngx_str_t *values);
ngx_uint_t ngx_http_paygw_metrics_call_value(ngx_uint_t i,
    ngx_str_t *values);
ngx_uint_t ngx_http_paygw_metrics_code(ngx_uint_t i, ngx_str_t *values);
ngx_uint_t ngx_http_paygw_metrics_order_value(ngx_uint_t i,
    ngx_str_t *values);
ngx_uint_t ngx_http_paygw_metrics_cause(ngx_uint_t i, ngx_str_t *values);
ngx_uint_t ngx_http_paygw_metrics_breaker_state(ngx_uint_t i,
    ngx_str_t *values);
ngx_uint_t ngx_http_paygw_metrics_turned_away(ngx_uint_t i,
    ngx_str_t *values);
ngx_uint_t ngx_http_paygw_metrics_operation_value(ngx_uint_t i,
    ngx_str_t *values);


/* ngx_http_paygw_metrics_gauge.c: what families show that have no slots */
void ngx_http_paygw_metrics_keys(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s);
void ngx_http_paygw_metrics_ends(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s);
void ngx_http_paygw_metrics_merchant_keys(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s);
void ngx_http_paygw_metrics_breakers(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s);
void ngx_http_paygw_metrics_zone_size(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s);
void ngx_http_paygw_metrics_zone_free(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s);
void ngx_http_paygw_metrics_streams(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s);
void ngx_http_paygw_metrics_since(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s);
void ngx_http_paygw_metrics_build(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s);


/* the setters of paygw_metrics and paygw_status */
char *ngx_http_paygw_metrics_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* when all of http{} is merged: mcf->metrics, if some location shows them */
ngx_int_t ngx_http_paygw_metrics_init(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf);

ngx_int_t ngx_http_paygw_metrics_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paygw_status_handler(ngx_http_request_t *r);


/*
 * What is counted, if mcf->metrics is there: a callback, and a call or what
 * has passed the gate, at their end; a fetch of keys; an order at its end,
 * each try of it that was sent, when it has ended, and each one but the first;
 * an operation of paygw_api, when it is answered.
 */
void ngx_http_paygw_metrics_callback(ngx_http_paygw_ctx_t *ctx);
void ngx_http_paygw_metrics_gate(ngx_http_paygw_gate_ctx_t *ctx);
void ngx_http_paygw_metrics_fetch(ngx_http_paygw_main_conf_t *mcf,
    ngx_paygw_channel_t *ch, ngx_uint_t failed);
void ngx_http_paygw_metrics_order(ngx_http_paygw_pass_ctx_t *ctx);
void ngx_http_paygw_metrics_tried(ngx_http_paygw_pass_ctx_t *ctx);
void ngx_http_paygw_metrics_retry(ngx_http_paygw_pass_ctx_t *ctx);
void ngx_http_paygw_metrics_operation(ngx_http_paygw_api_ctx_t *ctx);

/* one that may not be sent once more, and a breaker that changes its state */
void ngx_http_paygw_metrics_exhausted(ngx_http_paygw_pass_ctx_t *ctx);
void ngx_http_paygw_metrics_breaker(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_paygw_breaker_state_e to);


/*
 * ngx_http_paygw_metrics_count.c, for those that count: a time into the
 * histogram at a slot; the status of a request as $status has it; the class of
 * a status, "none" of one that is none.
 */
void ngx_http_paygw_metrics_time(ngx_paygw_metrics_t *m, ngx_uint_t at,
    ngx_msec_t from, ngx_msec_t to);
ngx_uint_t ngx_http_paygw_metrics_status(ngx_http_request_t *r);

#define ngx_http_paygw_metrics_class(status)                                  \
    (((status) >= 100 && (status) < 600) ? (status) / 100 : 0)


#endif /* _NGX_HTTP_PAYGW_METRICS_H_INCLUDED_ */
