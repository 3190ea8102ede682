
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_EVENTS_H_INCLUDED_
#define _NGX_HTTP_PAYGW_EVENTS_H_INCLUDED_


#include "ngx_paygw_token.h"
#include "ngx_http_paygw_api.h"


/*
 * paygw_events: server-sent events of an order, so that the payer's page learns
 * of the payment at once.  They are of the book, no provider is asked.
 *
 *   ngx_http_paygw_events_conf.c    the directive
 *   ngx_http_paygw_events_token.c   who may read them: a token in the URL
 *   ngx_http_paygw_events.c         a stream: a request that is answered bit by
 *                                   bit
 *   ngx_http_paygw_events_room.c    how many there may be, and are
 *   ngx_http_paygw_events_watch.c   orders that are looked at, one look for
 *                                   all streams of a worker
 */


/* paygw_events as it stands somewhere; constant */
struct ngx_http_paygw_events_conf_s {
    ngx_array_t                  keys;        /* ngx_paygw_token_key_t; none:
                                                 there are no tokens */
    time_t                       ttl;         /* of a token, seconds */
    ngx_msec_t                   interval;    /* between two looks */
    ngx_msec_t                   max;         /* life of a stream */
    ngx_uint_t                   connections; /* streams of a worker, */
    ngx_uint_t                   each;        /* and of one order in it */
    ngx_str_t                    url;         /* in place of the location's
                                                 prefix; empty: that */
    u_char                      *file;
    ngx_uint_t                   line;
};


typedef struct ngx_http_paygw_watch_s  ngx_http_paygw_watch_t;
typedef struct ngx_http_paygw_crowd_s  ngx_http_paygw_crowd_t;


/* one request in a worker */
typedef struct {
    ngx_queue_t                  queue;       /* of its watch */
    ngx_http_paygw_watch_t      *watch;       /* NULL: in none */
    ngx_http_paygw_crowd_t      *crowd;       /* those of its order */
    ngx_http_paygw_api_ctx_t    *api;
    ngx_str_t                    key;         /* of the order in the book */
    ngx_paygw_store_op_t         op;          /* the look at the beginning */
    ngx_paygw_book_t             book;
    ngx_paygw_book_state_e       state;       /* that was told last */
    ngx_msec_t                   end;         /* by ngx_current_msec */
    ngx_msec_t                   beat;        /* when something was sent */
    ngx_chain_t                 *free;
    ngx_chain_t                 *busy;

    unsigned                     home:1;      /* the channel is looked for */
} ngx_http_paygw_stream_t;


/* what a location knows orders by: a ngx_http_paygw_api_conf_t */
#define ngx_http_paygw_events_scope(api)                                      \
    ((api)->home.len ? &(api)->home : &(api)->calls->name)


/* ngx_http_paygw_events_conf.c */

/* the setter of "paygw_events", and its value merged */
char *ngx_http_paygw_events_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
void ngx_http_paygw_events_merge(ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf);

/* when a location with paygw_api is merged */
char *ngx_http_paygw_events_check(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf);


/*
 * ngx_http_paygw_events_token.c.  Whether the URI of a request is that of the
 * events of an order, whose id it is then (not looked at yet).
 */
ngx_uint_t ngx_http_paygw_events_uri(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf, ngx_str_t *id);

/*
 * The token in the arguments, for this order: NGX_OK, until then; NGX_DECLINED:
 * there is none; NGX_ABORT: it is none of ours, or not any more.
 */
ngx_int_t ngx_http_paygw_events_token(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf, ngx_str_t *id, time_t *until);

/* order.events of an order that the caller is told of: NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_paygw_events_url(ngx_http_paygw_api_ctx_t *ctx);


/*
 * Whether the request may have events, whose order.id is set then: NGX_OK,
 * until that time, or 0, for good; or NGX_DECLINED with order.code.  And a
 * refusal, which is logged: NGX_DECLINED.
 */
ngx_int_t ngx_http_paygw_events_may(ngx_http_paygw_api_ctx_t *ctx,
    time_t *until);
ngx_int_t ngx_http_paygw_events_refuse(ngx_http_paygw_api_ctx_t *ctx,
    ngx_paygw_code_e code);

/*
 * For the gate, in a location with paygw_events: NGX_OK, the request needs no
 * other authentication; NGX_DECLINED, what is asked of others is asked of it;
 * NGX_DONE, it was answered.
 */
ngx_int_t ngx_http_paygw_events_gate(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf);

/*
 * 1 if the answer is that of events which a token has opened; another one, of a
 * location with authentication, is nobody's who has nothing but a token
 */
ngx_uint_t ngx_http_paygw_events_opened(ngx_http_request_t *r);


/* ngx_http_paygw_events.c: the content handler */

ngx_int_t ngx_http_paygw_events_handler(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf);

/*
 * For the watch: the order is as book says; nothing has come for a while; it is
 * over.  Each may end the request.
 */
void ngx_http_paygw_events_tell(ngx_http_paygw_stream_t *st,
    ngx_paygw_book_t *book);
void ngx_http_paygw_events_beat(ngx_http_paygw_stream_t *st);
void ngx_http_paygw_events_end(ngx_http_paygw_stream_t *st);


/* ngx_http_paygw_events_room.c */

/* why a stream is not opened, as a slot of metrics */
typedef enum {
    NGX_HTTP_PAYGW_EVENTS_BY_TOKEN = 0,
    NGX_HTTP_PAYGW_EVENTS_BY_CONNECTIONS,
    NGX_HTTP_PAYGW_EVENTS_BY_ORDER
} ngx_http_paygw_events_by_e;

/*
 * A stream of the order of this key is one of those that there may be, until it
 * goes: NGX_OK; NGX_DECLINED, there are too many; NGX_ERROR.  To go is legal at
 * any time, and once.
 */
ngx_int_t ngx_http_paygw_events_come(ngx_http_paygw_stream_t *st);
void ngx_http_paygw_events_go(ngx_http_paygw_stream_t *st);

/* one that is not opened is counted */
void ngx_http_paygw_events_turned_away(ngx_http_request_t *r,
    ngx_http_paygw_events_by_e by);

/* in a worker, when it begins and when it ends: it has no streams */
void ngx_http_paygw_events_reset(ngx_http_paygw_main_conf_t *mcf);


/*
 * ngx_http_paygw_events_watch.c.  A stream joins the watch of its order:
 * NGX_OK or NGX_ERROR; and leaves it, which is legal at any time.
 */
ngx_int_t ngx_http_paygw_events_join(ngx_http_paygw_stream_t *st);
void ngx_http_paygw_events_leave(ngx_http_paygw_stream_t *st);

/* an order of this key has changed: it is looked at soon, if it is watched */
void ngx_http_paygw_events_nudge(ngx_paygw_store_t *store, ngx_str_t *key);


#endif /* _NGX_HTTP_PAYGW_EVENTS_H_INCLUDED_ */
