
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_MODULE_H_INCLUDED_
#define _NGX_HTTP_PAYGW_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_call.h"
#include "ngx_paygw_provider.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_retry.h"
#include "ngx_paygw_store.h"


/* paygw_deliver */
#define NGX_HTTP_PAYGW_EVENT  0
#define NGX_HTTP_PAYGW_RAW    1


#define NGX_HTTP_PAYGW_VERSION  "0.1.0"


typedef struct ngx_http_paygw_metrics_s  ngx_http_paygw_metrics_t;


typedef struct {
    ngx_array_t                  channels;     /* ngx_paygw_channel_t * */
    ngx_paygw_zone_t            *zone;
    ngx_paygw_store_t           *store;
    ngx_uint_t                   store_set;    /* paygw_store was given */
    ngx_uint_t                   local;        /* the zone is the store */
    ngx_uint_t                   in_use;       /* some location needs us */
    ngx_paygw_callers_t          callers;      /* merchants */
    ngx_array_t                  idems;        /* ngx_http_paygw_idem_conf_t *,
                                                  all that are "on" */
    ngx_array_t                  limits;       /* ngx_http_paygw_limit_t *,
                                                  all of them */
    ngx_array_t                  routes;       /* ngx_http_paygw_route_t * */

    /* paygw_metrics and paygw_status */
    ngx_http_paygw_metrics_t    *metrics;      /* NULL: nothing is counted */
    u_char                      *shown_file;   /* where the first one stands */
    ngx_uint_t                   shown_line;
    ngx_uint_t                   unnamed;      /* a paygw_api has channels to
                                                  choose from; unsigned:1 */

    /* when a worker has last logged what could be each request */
    ngx_msec_t                   limits_over;
    ngx_msec_t                   limits_away;
    ngx_msec_t                   failures_over;

    /* keyrings: see ngx_http_paygw_keyring.h */
    ngx_array_t                  keyrings;     /* ngx_http_paygw_keyring_t * */
    ngx_path_t                  *keyring_path;
    ngx_atomic_uint_t            version;      /* of the worker's copies */
    ngx_atomic_uint_t            turn;         /* that the one worker saw */
    ngx_uint_t                   waiting;      /* callbacks, for a key */
    ngx_event_t                 *keyring_timer;
    ngx_msec_t                   keyring_due;  /* the next look at all */
    ngx_msec_t                   watch_due;    /* the next look at files */

    ngx_http_conf_ctx_t         *remote;       /* of the server around the
                                                  channels' own locations */
} ngx_http_paygw_main_conf_t;


/* paygw_queue */
typedef struct {
    ngx_paygw_store_stream_t     stream;
    u_char                      *file;         /* where it stands */
    ngx_uint_t                   line;
} ngx_http_paygw_queue_t;


/* paygw_auth_failures: whose are counted */
#define NGX_HTTP_PAYGW_FAILURES_OFF     0
#define NGX_HTTP_PAYGW_FAILURES_PUBLIC  1    /* of no private network */
#define NGX_HTTP_PAYGW_FAILURES_ALL     2


/* paygw_auth and what belongs to it */
typedef struct {
    ngx_flag_t                   on;
    ngx_array_t                 *merchants;    /* ngx_str_t, their names */
    u_char                      *file;         /* where it stands */
    ngx_uint_t                   line;
    ngx_uint_t                   sign;         /* sign_response */

    u_char                      *allowed;      /* bits by merchant->index */
    ngx_msec_t                   window;       /* the widest of theirs */
    ngx_uint_t                   any;          /* satisfy any */

    ngx_uint_t                   style;        /* ngx_paygw_call_style_e */
    ngx_paygw_call_names_t      *names;
    ngx_uint_t                   store_error;  /* 1: reads pass */

    ngx_uint_t                   failures;     /* NGX_HTTP_PAYGW_FAILURES_... */
    uint64_t                     failures_rate;
    uint64_t                     failures_period;
    uint64_t                     failures_burst;
    ngx_str_t                    failures_kind;  /* ends a counter's key */

    size_t                       response_max;
} ngx_http_paygw_auth_conf_t;


/* paygw_idempotency, as it stands somewhere */
typedef struct {
    ngx_uint_t                   required;
    ngx_msec_t                   ttl;
    ngx_msec_t                   lock;
    size_t                       max;
    u_char                      *file;
    ngx_uint_t                   line;
    ngx_uint_t                   used;         /* some location has it */
} ngx_http_paygw_idem_conf_t;


/* paygw_binding */
#define NGX_HTTP_PAYGW_BINDING_OFF       0
#define NGX_HTTP_PAYGW_BINDING_DEFAULT   1     /* on, if there is a store */
#define NGX_HTTP_PAYGW_BINDING_ON        2
#define NGX_HTTP_PAYGW_BINDING_REQUIRED  3


/* paygw_pass: see ngx_http_paygw_pass.h */
typedef struct ngx_http_paygw_pass_conf_s  ngx_http_paygw_pass_conf_t;

/* paygw_route: see ngx_http_paygw_route.h */
typedef struct ngx_http_paygw_route_s  ngx_http_paygw_route_t;

/* paygw_breaker: see ngx_http_paygw_transport.h */
typedef struct ngx_http_paygw_breaker_s  ngx_http_paygw_breaker_t;

/* paygw_api: see ngx_http_paygw_api.h */
typedef struct ngx_http_paygw_api_conf_s  ngx_http_paygw_api_conf_t;

/* paygw_events: see ngx_http_paygw_events.h */
typedef struct ngx_http_paygw_events_conf_s  ngx_http_paygw_events_conf_t;


/* What a location says.  Constant once merged. */
typedef struct {
    ngx_array_t                 *names;        /* ngx_str_t, of paygw_notify */
    u_char                      *file;         /* where paygw_notify stands */
    ngx_uint_t                   line;

    ngx_paygw_channel_t        **channels;     /* resolved when merged; NULL:
                                                  no paygw_notify here */
    ngx_uint_t                   nchannels;
    ngx_uint_t                   early;        /* callbacks are verified, and
                                                  the gate is, before the
                                                  location's rewrite
                                                  directives */
    ngx_uint_t                   gate;         /* its parts, bits */

    ngx_http_paygw_queue_t      *queue;        /* NULL: a content handler
                                                  takes the events */
    ngx_uint_t                   deliver;      /* NGX_HTTP_PAYGW_EVENT, RAW */
    ngx_array_t                 *sign;         /* keys, ngx_str_t; NULL: not
                                                  signed */
    ngx_msec_t                   deliver_timeout;
    size_t                       body_max;
    time_t                       observe;      /* until then; 0: enforce */

    ngx_http_paygw_auth_conf_t   auth;
    ngx_array_t                 *limits;       /* ngx_http_paygw_limit_t; NULL:
                                                  none */
    ngx_http_paygw_idem_conf_t  *idem;         /* NULL: off */
    ngx_command_t               *shows;        /* paygw_metrics, or
                                                  paygw_status, in */
    u_char                      *shows_file;   /* file:line */
    ngx_uint_t                   shows_line;

    ngx_http_paygw_pass_conf_t  *pass;         /* NULL: no paygw_pass here */
    ngx_http_paygw_api_conf_t   *api;          /* NULL: no paygw_api here */
    ngx_http_paygw_events_conf_t  *events;     /* NULL: off */
    ngx_msec_t                   deadline;     /* of a call, over its tries */
    ngx_paygw_retry_t           *retry;
    ngx_http_paygw_breaker_t    *breaker;
    size_t                       answer_max;   /* bytes of an answer, */
    off_t                        download_max; /* of one that streams; 0: no
                                                  limit */
    void                        *threads;      /* a pool, to sign calls in;
                                                  NULL: the worker does */

    ngx_uint_t                   binding;      /* NGX_HTTP_PAYGW_BINDING_... */
    ngx_msec_t                   binding_keep; /* of an order */
    ngx_msec_t                   status_fresh; /* of an order's state that is
                                                  final; 0: none is kept */
    ngx_msec_t                   status_pending;  /* and of others */
} ngx_http_paygw_loc_conf_t;


/* The words of $paygw_result. */
typedef enum {
    NGX_HTTP_PAYGW_NONE = 0,
    NGX_HTTP_PAYGW_REFUSED,      /* not genuine, not fresh, or not for us */
    NGX_HTTP_PAYGW_VERIFIED,     /* genuine; the shop has it */
    NGX_HTTP_PAYGW_TAKEN,        /* the shop answered 2xx: committed */
    NGX_HTTP_PAYGW_RELEASED,     /* the shop failed: will come again */
    NGX_HTTP_PAYGW_DUPLICATE,    /* was committed before */
    NGX_HTTP_PAYGW_LATE,         /* says less than what is known */
    NGX_HTTP_PAYGW_IGNORED,      /* genuine, of a kind that is not wanted */
    NGX_HTTP_PAYGW_BUSY,         /* another delivery is under way */
    NGX_HTTP_PAYGW_UNAVAILABLE,  /* we could not decide */
    NGX_HTTP_PAYGW_RESULTS
} ngx_http_paygw_result_e;


/*
 * One callback in a worker.
 *
 *   READING --body--> verify --refused--------------> ANSWER
 *                       |  ^
 *                       |  +---> WAITING for a key
 *                       v
 *                    CLAIMING --duplicate, late, busy, down--> ANSWER
 *                       |
 *                       v
 *                    DELIVERING --the shop's answer--> commit or release, ack
 *
 * With paygw_queue CLAIMING is the append to the stream, and ANSWER follows
 * it in any case.
 *
 * The context lives as long as the request's pool.  It is found through a pool
 * cleanup as well, since an internal redirect wipes r->ctx.
 *
 * Who owns the request: while READING nginx's body reader; while WAITING or
 * CLAIMING nobody (a timer, the store's handler resume the phases); after that
 * the phases.
 */
typedef enum {
    NGX_HTTP_PAYGW_READING = 0,
    NGX_HTTP_PAYGW_WAITING,      /* for a key that is being fetched */
    NGX_HTTP_PAYGW_CLAIMING,
    NGX_HTTP_PAYGW_ANSWER,       /* status is the answer to the provider */
    NGX_HTTP_PAYGW_DELIVERING,
    NGX_HTTP_PAYGW_OBSERVING     /* let through whatever was decided */
} ngx_http_paygw_state_e;


typedef struct ngx_http_paygw_ctx_s  ngx_http_paygw_ctx_t;

struct ngx_http_paygw_ctx_s {
    ngx_http_request_t          *request;
    ngx_http_paygw_loc_conf_t   *lcf;          /* of the notify location; a
                                                  redirect changes r's own */
    ngx_http_paygw_state_e       state;
    ngx_http_paygw_result_e      result;
    ngx_uint_t                   status;       /* for the provider */
    ngx_uint_t                   heard;        /* the same, before his words */

    /* when, by ngx_current_msec: for metrics alone */
    ngx_msec_t                   began;
    ngx_msec_t                   handed;       /* over to the shop, */
    ngx_msec_t                   shop_at;      /* which has answered */
    ngx_msec_t                   acked;

    ngx_paygw_notify_t           notify;
    ngx_str_t                    event_id;
    ngx_str_t                    event;        /* normal form, JSON */
    ngx_uint_t                   http_version; /* of the provider */

    ngx_paygw_store_op_t         op;
    ngx_paygw_book_t             book;         /* op.book, or unused */
    ngx_msec_t                   asked;        /* when the store was */

    ngx_event_t                  timer;        /* of the wait for a key, then
                                                  of the hand-over */
    ngx_msec_t                   waited;       /* since when for a key */
    ngx_atomic_uint_t            turn;         /* of the keyrings, then */
    void                       (*resume)(ngx_http_paygw_ctx_t *ctx);
    ngx_connection_t             fake;         /* timer.data: debug logs read
                                                  its fd */

    ngx_http_handler_pt          content;      /* asked in our place */
    ngx_uint_t                   shop_status;
    ngx_http_core_loc_conf_t    *clcf;         /* of the location that works on
                                                  the event now */

    unsigned                     entered:1;    /* a phase handler has begun */
    unsigned                     claimed:1;    /* op.token holds the event */
    unsigned                     settled:1;    /* committed or released */
    unsigned                     replied:1;    /* the ack has been sent */
    unsigned                     timed_out:1;  /* the shop was too slow */
    unsigned                     failed:1;     /* an error page answers */
    unsigned                     waits:1;      /* is counted in waiting */
    unsigned                     answered:1;   /* by the shop: shop_at is set */
};


extern ngx_module_t  ngx_http_paygw_module;
extern ngx_module_t  ngx_http_paygw_ack_module;


/* the store of a request's configuration; NULL if there is none */
ngx_paygw_store_t *ngx_http_paygw_store(ngx_http_request_t *r);


#endif /* _NGX_HTTP_PAYGW_MODULE_H_INCLUDED_ */
