
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_DIGEST_H_INCLUDED_
#define _NGX_HTTP_PAYGW_DIGEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_mac.h"


/*
 * The SHA-256 of the body of a request, wherever it is, without holding more
 * of a file than a buffer.  A large one is hashed a piece at a time, and the
 * worker serves others in between.
 */


typedef struct ngx_http_paygw_digest_s  ngx_http_paygw_digest_t;

typedef void (*ngx_http_paygw_digest_handler_pt)(void *data);

struct ngx_http_paygw_digest_s {
    u_char                             sha256[NGX_PAYGW_SHA256_LEN];

    ngx_http_request_t                *request;
    ngx_http_paygw_digest_handler_pt   handler;
    void                              *data;

    ngx_paygw_sha256_t                *sha;
    ngx_chain_t                       *cl;      /* where it stands, */
    off_t                              pos;     /* and how far in that */
    u_char                            *buf;
    ngx_event_t                        event;

    ngx_int_t                          rc;      /* when done */
    unsigned                           done:1;
};


/*
 * The body has been read.  NGX_OK, sha256 is there; NGX_ERROR, it could not be
 * read again, which is logged; NGX_AGAIN, handler will be called from the event
 * loop, after which this returns one of the others, as it does at any later
 * call.  Zeroed before the first.
 */
ngx_int_t ngx_http_paygw_digest(ngx_http_paygw_digest_t *d,
    ngx_http_request_t *r, ngx_http_paygw_digest_handler_pt handler,
    void *data);

/* no handler will be called; legal at any time */
void ngx_http_paygw_digest_cancel(ngx_http_paygw_digest_t *d);


#endif /* _NGX_HTTP_PAYGW_DIGEST_H_INCLUDED_ */
