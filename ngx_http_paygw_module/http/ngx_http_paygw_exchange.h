
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_EXCHANGE_H_INCLUDED_
#define _NGX_HTTP_PAYGW_EXCHANGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_exchange.h"
#include "ngx_http_paygw_keyring.h"


/*
 * One try of a call: a request that is signed goes to a host of the channel,
 * and all of the answer is held back, in memory, unless it is a file that goes
 * on as it comes.  It is a subrequest into the location of the host, and
 * nothing of the caller's request goes with it.
 */


/* how it ended */
typedef enum {
    NGX_HTTP_PAYGW_ANSWERED = 0,   /* all of an answer is there */
    NGX_HTTP_PAYGW_UNSENT,         /* no byte of the request has left */
    NGX_HTTP_PAYGW_LATE_ANSWER,    /* sent, and nothing whole in time */
    NGX_HTTP_PAYGW_BROKEN,         /* sent, and no answer that can be read */
    NGX_HTTP_PAYGW_TOO_LONG        /* sent, and the answer is too long */
} ngx_http_paygw_end_e;


typedef struct ngx_http_paygw_try_s  ngx_http_paygw_try_t;
typedef struct ngx_http_paygw_download_s  ngx_http_paygw_download_t;

struct ngx_http_paygw_try_s {

    /* set by the caller; it must live as long as the request's pool */
    ngx_paygw_exchange_t        *exchange;
    ngx_http_paygw_remote_t     *remote;
    size_t                       max;        /* bytes of an answer's body */
    ngx_http_paygw_download_t   *download;   /* NULL: all of an answer is held
                                                back, in any case */
    void                       (*handler)(ngx_http_request_t *r);
                                             /* r is the caller's request */

    /* for the handler: the answer itself is in exchange */
    ngx_http_paygw_end_e         end;
    ngx_uint_t                   stale;      /* the connection was: of an
                                                earlier call, and closed before
                                                anything came; unsigned:1 */

    /* private */
    ngx_http_request_t          *sr;
    ngx_array_t                  body;       /* of u_char */
    ngx_event_t                  event;      /* posted: it is too long */
    ngx_connection_t             fake;       /* event.data */
    ngx_resolver_ctx_t          *resolving;  /* under way, or NULL */
    ngx_http_upstream_resolved_t resolved;   /* the addresses then */
    void                       (*begin)(ngx_http_request_t *sr);
    unsigned                     done:1;
    unsigned                     complete:1;
    unsigned                     too_long:1;
    unsigned                     expired:1;
    unsigned                     failed:1;
    unsigned                     left:1;     /* the caller has */
};


/* begins: NGX_OK, or NGX_ERROR, and the handler is not called then */
ngx_int_t ngx_http_paygw_exchange(ngx_http_request_t *r,
    ngx_http_paygw_try_t *t);

/* the try that a request is the subrequest of, NULL if it is none */
ngx_http_paygw_try_t *ngx_http_paygw_exchange_of(ngx_http_request_t *r);

/* the first thing that the handler calls, whatever it finds */
void ngx_http_paygw_exchange_resumed(ngx_http_request_t *r,
    ngx_http_paygw_try_t *t);

/* its time is over: it ends at once, with the handler called */
void ngx_http_paygw_exchange_expire(ngx_http_paygw_try_t *t);

/* too much has come: the rest is not looked at, and it ends soon */
void ngx_http_paygw_exchange_overflow(ngx_http_paygw_try_t *t);

/* what passes of the answer goes on to the caller: as a body filter */
ngx_int_t ngx_http_paygw_exchange_output(ngx_http_request_t *sr,
    ngx_chain_t *out);

/* the request ends: nothing may come back to it */
void ngx_http_paygw_exchange_cancel(ngx_http_paygw_try_t *t);

/* the filters that hold the answer back: postconfiguration of the module */
ngx_int_t ngx_http_paygw_exchange_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_PAYGW_EXCHANGE_H_INCLUDED_ */
