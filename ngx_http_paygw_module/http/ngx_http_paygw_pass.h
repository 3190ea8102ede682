
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_PASS_H_INCLUDED_
#define _NGX_HTTP_PAYGW_PASS_H_INCLUDED_


#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_exchange.h"
#include "ngx_http_paygw_headers.h"
#include "ngx_http_paygw_transport.h"
#include "ngx_http_paygw_variables.h"
#include "ngx_paygw_later.h"


typedef struct ngx_http_paygw_api_ctx_s  ngx_http_paygw_api_ctx_t;
typedef struct ngx_http_paygw_signing_s  ngx_http_paygw_signing_t;


/*
 * paygw_pass: a provider's own API behind a location.
 *
 *   ngx_http_paygw_pass_conf.c    its directives
 *   ngx_http_paygw_pass.c         a call, from its body to its answer
 *   ngx_http_paygw_pass_wait.c    the wait for a key
 *   ngx_http_paygw_pass_sign.c    a try, signed here or by a thread
 *   ngx_http_paygw_pass_again.c   whether it is sent, and sent again
 *   ngx_http_paygw_pass_target.c  what of the caller's request is sent
 *   ngx_http_paygw_pass_reply.c   what the caller gets
 *   ngx_http_paygw_exchange.c     one try
 *   ngx_http_paygw_remote.c       the way to a host
 */


/* paygw_pass of a location; constant once merged */
struct ngx_http_paygw_pass_conf_s {
    const char                  *directive; /* for messages */
    ngx_str_t                    name;      /* of the channel */
    ngx_str_t                    prefix;    /* of the location; empty: all of
                                               the URI is sent */
    ngx_str_t                    uri;       /* that takes its place */
    u_char                      *file;      /* where it stands */
    ngx_uint_t                   line;
    ngx_paygw_channel_t         *channel;   /* resolved when merged */
};


/* the words of $paygw_result */
typedef enum {
    NGX_HTTP_PAYGW_PASS_NONE = 0,
    NGX_HTTP_PAYGW_PASS_REJECTED,     /* the caller's request cannot be sent */
    NGX_HTTP_PAYGW_PASS_PASSED,       /* the caller has the provider's answer */
    NGX_HTTP_PAYGW_PASS_UNREACHABLE,  /* nothing was sent */
    NGX_HTTP_PAYGW_PASS_UNAVAILABLE,  /* nor was it tried */
    NGX_HTTP_PAYGW_PASS_UNANSWERED,   /* sent, and no answer */
    NGX_HTTP_PAYGW_PASS_UNVERIFIED,   /* sent, and an answer of anybody */
    NGX_HTTP_PAYGW_PASS_FAILED,       /* of us */
    NGX_HTTP_PAYGW_PASS_RESULTS
} ngx_http_paygw_pass_result_e;

/* in their order */
extern const ngx_str_t  ngx_http_paygw_pass_results[];


/* why there is another try */
typedef enum {
    NGX_HTTP_PAYGW_PASS_UNSENT = 0,   /* of the one before no byte has left, */
    NGX_HTTP_PAYGW_PASS_SILENCE,      /* it was not answered, */
    NGX_HTTP_PAYGW_PASS_CLOSED,       /* its connection had been closed, */
    NGX_HTTP_PAYGW_PASS_PROBED,       /* its answer was a signature probe, */
    NGX_HTTP_PAYGW_PASS_BUSY,         /* or that the provider is in trouble */
    NGX_HTTP_PAYGW_PASS_CAUSES
} ngx_http_paygw_pass_cause_e;


/* what a round of a call says of its provider */
typedef enum {
    NGX_HTTP_PAYGW_PASS_NOTHING = 0,
    NGX_HTTP_PAYGW_PASS_WELL,
    NGX_HTTP_PAYGW_PASS_TROUBLE
} ngx_http_paygw_pass_verdict_e;


/*
 * One call in a worker.
 *
 *   READING --body--> sign --> TRYING --answer--> check --> the caller
 *                     |  |        ^
 *                     |  +-- BOOKING, once, of what creates an order
 *                     +-- SIGNING, if a thread does that
 *
 *                      ^         |                |  ^
 *                      +---------+----------------+  +-- WAITING for a key
 *                      |   another host, a probe  |
 *                      +------- PAUSING <---------+
 *
 * The deadline is over all of it but the reading, and STREAMING, of which there
 * is no way back.  What comes between two pauses is a round: no host is asked
 * twice in it, and the breaker hears one word about it.
 */
typedef enum {
    NGX_HTTP_PAYGW_PASS_READING = 0,
    NGX_HTTP_PAYGW_PASS_SIGNING,
    NGX_HTTP_PAYGW_PASS_BOOKING,           /* the order is being noted */
    NGX_HTTP_PAYGW_PASS_TRYING,
    NGX_HTTP_PAYGW_PASS_STREAMING,         /* its answer is a file, see
                                              ngx_http_paygw_download.h */
    NGX_HTTP_PAYGW_PASS_WAITING,
    NGX_HTTP_PAYGW_PASS_PAUSING,
    NGX_HTTP_PAYGW_PASS_DONE
} ngx_http_paygw_pass_state_e;


typedef struct {
    ngx_http_request_t            *request;
    ngx_http_paygw_pass_conf_t    *conf;
    ngx_http_paygw_loc_conf_t     *lcf;
    ngx_http_paygw_api_ctx_t      *api;       /* whose call it is; NULL: that
                                                 of paygw_pass */
    ngx_http_paygw_pass_state_e    state;
    ngx_http_paygw_pass_result_e   result;

    ngx_paygw_exchange_t           exchange;
    ngx_paygw_store_op_t           op;        /* on the order that it creates */
    ngx_paygw_book_t               book;
    ngx_int_t                      built;     /* what build() has said */
    ngx_paygw_later_t              later;     /* its signature, and who makes */
    ngx_http_paygw_signing_t      *signing;   /* it; NULL: no thread does */
    ngx_http_paygw_try_t           attempt;
    ngx_http_paygw_download_t     *download;  /* NULL: no answer streams */
    ngx_uint_t                     host;      /* of the channel's hosts */
    ngx_uint_t                     tries;
    ngx_http_paygw_pass_cause_e    cause;     /* of the second one and later */
    ngx_msec_t                     began;     /* this one */

    ngx_paygw_retry_t             *retry;
    ngx_http_paygw_breaker_t      *breaker;   /* NULL: off, or no zone */
    ngx_uint_t                     asked;     /* hosts of this round, bits */
    ngx_uint_t                     sends;     /* that count as tries */
    ngx_uint_t                     pauses;
    ngx_msec_t                     until;     /* the deadline; not 0 before it
                                                 begins: none later than that */
    ngx_msec_t                     wait;      /* told to the caller */
    ngx_uint_t                     ticket;    /* of the breaker */
    ngx_uint_t                     status;    /* of the answer with busy, */
    void                          *data;      /* and the provider's own of it */

    ngx_event_t                    deadline;
    ngx_event_t                    timer;     /* of the wait for a key */
    ngx_event_t                    pause;
    ngx_connection_t               fake;      /* data of all: debug logs read
                                                 its fd */
    ngx_atomic_uint_t              turn;      /* of the keyrings, then */

    unsigned                       expired:1;
    unsigned                       sent:1;    /* by one of the tries */
    unsigned                       doubt:1;   /* a try, of this step of an
                                                 operation or one before, may
                                                 have done what nobody has
                                                 told of */
    unsigned                       probed:1;
    unsigned                       booked:1;  /* the order was noted, */
    unsigned                       made:1;    /* was not known before, */
    unsigned                       placed:1;  /* and may have reached the
                                                 provider */
    unsigned                       waits:1;   /* is counted in waiting */
    unsigned                       waited:1;
    unsigned                       admitted:1;  /* the breaker is to be told */
    unsigned                       probe:1;     /* it is the breaker's probe */
    unsigned                       busy:1;      /* the provider's last word is
                                                   that he is in trouble */
} ngx_http_paygw_pass_ctx_t;


/* ngx_http_paygw_pass_conf.c */

/* the setter of "paygw_pass" */
char *ngx_http_paygw_pass_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* when a location is merged */
char *ngx_http_paygw_pass_merge(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *prev, ngx_http_paygw_loc_conf_t *conf);

/* the channel by its name, and what it needs to be called from a location */
char *ngx_http_paygw_pass_resolve(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf, ngx_http_paygw_pass_conf_t *pass);

/* runs a check of the channel, whose messages then name the directive */
char *ngx_http_paygw_pass_wants(ngx_conf_t *cf,
    ngx_http_paygw_pass_conf_t *pass,
    char *(*check)(ngx_conf_t *cf, ngx_paygw_channel_t *ch));


/* ngx_http_paygw_pass.c: the content handler */

ngx_int_t ngx_http_paygw_pass_handler(ngx_http_request_t *r);

/* the order is noted, if there is one: sends what is signed, or replies */
void ngx_http_paygw_pass_go(ngx_http_paygw_pass_ctx_t *ctx);

/* the call of a request, NULL if it is none */
ngx_http_paygw_pass_ctx_t *ngx_http_paygw_pass_ctx(ngx_http_request_t *r);

/*
 * For paygw_api: a call of a channel, whose exchange.in is the caller's to
 * fill, NULL if memory is short; its begin, once the body of the request has
 * been read; and another call in its place, within the same deadline.
 */
ngx_http_paygw_pass_ctx_t *ngx_http_paygw_pass_open(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf, ngx_http_paygw_pass_conf_t *conf);
void ngx_http_paygw_pass_begin(ngx_http_paygw_pass_ctx_t *ctx);
void ngx_http_paygw_pass_next(ngx_http_paygw_pass_ctx_t *ctx);


/* the answer is a file that streams: the deadline is over its head alone */
void ngx_http_paygw_pass_stream(ngx_http_paygw_pass_ctx_t *ctx);


/* ngx_http_paygw_pass_sign.c */

/* the setter of "paygw_threads" */
char *ngx_http_paygw_threads_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* a try at ctx->host, signed anew */
void ngx_http_paygw_pass_try(ngx_http_paygw_pass_ctx_t *ctx);

/* nobody waits for the signature any more; legal at any time */
void ngx_http_paygw_pass_sign_cancel(ngx_http_paygw_pass_ctx_t *ctx);

/* when a worker ends */
void ngx_http_paygw_pass_exit_process(void);


/* the answer in exchange: checked, and what follows from that */
void ngx_http_paygw_pass_judge(ngx_http_paygw_pass_ctx_t *ctx);


/*
 * ngx_http_paygw_pass_wait.c.  A key that the answer names is fetched, and the
 * answer then judged again: NGX_AGAIN, else there is nothing to wait for.  And
 * the end of that.
 */

ngx_int_t ngx_http_paygw_pass_wait(ngx_http_paygw_pass_ctx_t *ctx);
void ngx_http_paygw_pass_wait_end(ngx_http_paygw_pass_ctx_t *ctx);


/* ngx_http_paygw_pass_again.c */

/* hosts, from the first one */
void ngx_http_paygw_pass_round(ngx_http_paygw_pass_ctx_t *ctx);

/* NGX_OK; NGX_BUSY: the breaker is open, and the caller has been told */
ngx_int_t ngx_http_paygw_pass_admit(ngx_http_paygw_pass_ctx_t *ctx);

/* the end of a round, if there is one under way */
void ngx_http_paygw_pass_verdict(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_pass_verdict_e verdict);

/* ctx->host has answered, or not: the calls that come then begin with others */
void ngx_http_paygw_pass_host(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_uint_t away);

/*
 * A try may have done something, and whatever the next answer says is not about
 * that: unless it only reads.
 */
void ngx_http_paygw_pass_doubt(ngx_http_paygw_pass_ctx_t *ctx);

/* a try that has no answer: another one, or the end */
void ngx_http_paygw_pass_missed(ngx_http_paygw_pass_ctx_t *ctx);

/* NGX_OK: it is sent again after a pause; NGX_DECLINED: it is not */
ngx_int_t ngx_http_paygw_pass_pause(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_pass_cause_e cause);

/*
 * No more tries: the provider's last word, if it still is one, or what is known
 * of a call that was sent, or else the result.
 */
void ngx_http_paygw_pass_over(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_pass_result_e result);


/* ngx_http_paygw_pass_target.c: fills exchange.in; as api->build() */

ngx_int_t ngx_http_paygw_pass_read(ngx_http_paygw_pass_ctx_t *ctx);


/*
 * ngx_http_paygw_pass_reply.c: each ends the request.  The answer of the
 * provider; or a few words of JSON about what is known of the call.
 */

void ngx_http_paygw_pass_reply(ngx_http_paygw_pass_ctx_t *ctx);
void ngx_http_paygw_pass_reject(ngx_http_paygw_pass_ctx_t *ctx);
void ngx_http_paygw_pass_fail(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_pass_result_e result);

/*
 * For paygw_api: the call is over, with its line in the log; any answer, which
 * ends the request; and before it Retry-After: when the breaker wants a probe,
 * or soon.
 */
void ngx_http_paygw_pass_end(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_pass_result_e result);
void ngx_http_paygw_pass_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body);
ngx_int_t ngx_http_paygw_pass_soon(ngx_http_paygw_pass_ctx_t *ctx);

/* as ngx_http_paygw_value(), of a call; NGX_DECLINED if it has no such value */
ngx_int_t ngx_http_paygw_pass_value(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_value_e which, ngx_str_t *value);


#endif /* _NGX_HTTP_PAYGW_PASS_H_INCLUDED_ */
