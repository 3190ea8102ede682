
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_EVENTS_H_INCLUDED_
#define _NGX_HTTP_PAYGW_EVENTS_H_INCLUDED_


#include "ngx_paygw_mac.h"
#include "ngx_http_paygw_api.h"


/*
 * paygw_events: server-sent events of an order, so that the payer's page learns
 * of the payment at once.  They are of the book, no provider is asked.
 *
 *   ngx_http_paygw_events_conf.c    the directive
 *   ngx_http_paygw_events_token.c   who may read them: a token in the URL
 *   ngx_http_paygw_events.c         a stream: a request that is answered bit by
 *                                   bit
 *   ngx_http_paygw_events_watch.c   orders that are looked at, one look for
 *                                   all streams of a worker
 */


typedef struct {
    ngx_str_t                    id;
    ngx_str_t                    secret;
    ngx_paygw_hmac_key_t         hmac;
} ngx_http_paygw_events_key_t;


/* paygw_events as it stands somewhere; constant */
struct ngx_http_paygw_events_conf_s {
    ngx_array_t                  keys;        /* tokens are made by the first */
    time_t                       ttl;         /* of a token, seconds */
    ngx_msec_t                   interval;    /* between two looks */
    ngx_msec_t                   max;         /* life of a stream */
    ngx_uint_t                   connections; /* streams of a worker */
    ngx_str_t                    url;         /* in place of the location's
                                                 prefix; empty: that */
    u_char                      *file;
    ngx_uint_t                   line;
};


typedef struct ngx_http_paygw_watch_s  ngx_http_paygw_watch_t;


/* one request in a worker */
typedef struct {
    ngx_queue_t                  queue;       /* of its watch */
    ngx_http_paygw_watch_t      *watch;       /* NULL: in none */
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
 * The token in the arguments, for this order: NGX_OK; NGX_DECLINED: there is
 * none; NGX_ABORT: it is none of ours, or not any more.
 */
ngx_int_t ngx_http_paygw_events_token(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf, ngx_str_t *id);

/* order.events of an order that the caller is told of: NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_paygw_events_url(ngx_http_paygw_api_ctx_t *ctx);


/*
 * Whether the request may have events, whose order.id is set then: NGX_OK, or
 * NGX_DECLINED with order.code.  And a refusal, which is logged: NGX_DECLINED.
 */
ngx_int_t ngx_http_paygw_events_may(ngx_http_paygw_api_ctx_t *ctx);
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


/*
 * ngx_http_paygw_events_watch.c.  A stream joins the watch of its order:
 * NGX_OK or NGX_ERROR; and leaves it, which is legal at any time.
 */
ngx_int_t ngx_http_paygw_events_join(ngx_http_paygw_stream_t *st);
void ngx_http_paygw_events_leave(ngx_http_paygw_stream_t *st);

/* an order of this key has changed: it is looked at soon, if it is watched */
void ngx_http_paygw_events_nudge(ngx_paygw_store_t *store, ngx_str_t *key);


#endif /* _NGX_HTTP_PAYGW_EVENTS_H_INCLUDED_ */
