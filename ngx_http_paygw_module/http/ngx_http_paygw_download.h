
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_DOWNLOAD_H_INCLUDED_
#define _NGX_HTTP_PAYGW_DOWNLOAD_H_INCLUDED_


#include "ngx_http_paygw_pass.h"
#include "ngx_paygw_checksum.h"


/*
 * A file that nobody signs goes on to the caller as it comes, through nginx's
 * event pipe, and is hashed on its way.  Its head has left when the hash is
 * known; so the end of the answer is what is held back: the last byte of a
 * known length, or the last chunk.  Who has got the end has the right file.
 *
 *   TRYING --head of a file--> STREAMING --all there, hash right--> the end
 *                                 |
 *                                 +--cut, too long, another hash--> closed
 */


struct ngx_http_paygw_download_s {
    ngx_http_paygw_pass_ctx_t   *call;

    /* set before it is sent */
    ngx_paygw_expected_t         expected;
    off_t                        max;        /* bytes; 0: no limit */

    /* private */
    ngx_paygw_checksum_t        *checksum;   /* NULL: no hash is expected */
    off_t                        length;     /* as it was told, or -1 */
    off_t                        got;
    ngx_int_t                    rc;         /* of the header */
    const char                  *why;        /* it is not to have an end */
    u_char                       last[1];    /* held back, */
    unsigned                     held:1;     /* if it is */
    unsigned                     ready:1;    /* may begin when it is found to
                                                be too long to be held back */
    unsigned                     begun:1;    /* the header has been sent */
    unsigned                     broken:1;   /* by us */
    unsigned                     over:1;     /* longer than max */
};


/*
 * For paygw_api: an operation asks for a file, now or with its next step, and
 * what is known of that.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_paygw_download_bill(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_paygw_expected_t *expected);

/*
 * For paygw_pass: what the caller expects of a file, by "X-Expected-Hash"; and
 * whether that goes with the call that was built.  NGX_OK, or as api->build().
 */
ngx_int_t ngx_http_paygw_download_read(ngx_http_paygw_pass_ctx_t *ctx);
ngx_int_t ngx_http_paygw_download_fits(ngx_http_paygw_pass_ctx_t *ctx);

/* a download of a call, NULL if memory is short */
ngx_http_paygw_download_t *ngx_http_paygw_download_create(
    ngx_http_paygw_pass_ctx_t *ctx);

/* after check(), of a file that was held back: as check() */
ngx_int_t ngx_http_paygw_download_check(ngx_http_paygw_pass_ctx_t *ctx);


/*
 * For the filters of an exchange.  The head of an answer: NGX_OK, begun says
 * what becomes of the body; NGX_ERROR.  The body, once it has begun: as a body
 * filter.  And what has been held back so far is too long, with what is left of
 * a chain: the same, or NGX_DECLINED if it does not stream.
 */
ngx_int_t ngx_http_paygw_download_header(ngx_http_paygw_try_t *t);
ngx_int_t ngx_http_paygw_download_body(ngx_http_paygw_try_t *t,
    ngx_chain_t *in);
ngx_int_t ngx_http_paygw_download_late(ngx_http_paygw_try_t *t,
    ngx_chain_t *in);

/* ngx_http_paygw_download_end.c: the try is over, ends the request */
void ngx_http_paygw_download_end(ngx_http_paygw_pass_ctx_t *ctx);


#endif /* _NGX_HTTP_PAYGW_DOWNLOAD_H_INCLUDED_ */
