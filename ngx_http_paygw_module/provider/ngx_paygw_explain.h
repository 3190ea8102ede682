
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_EXPLAIN_H_INCLUDED_
#define _NGX_PAYGW_EXPLAIN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"


/*
 * Explain: which of the usual accidents on the way has made a signature bad.
 * A message that nobody has signed is as likely to be a forgery, so all of
 * this is bounded: one pass over the body, at most one guess at what was
 * signed, and so at most one more verification.  What is larger than any
 * callback is not explained.
 */


#define NGX_PAYGW_EXPLAIN_MAX  16384


typedef struct {
    char                    *seen;      /* what the message shows, a constant
                                           phrase; NULL: nothing */
    char                    *proved;    /* what to say if the signature is good
                                           over the text below */
    ngx_str_t                text;      /* what may have been signed; data is
                                           NULL if there is no guess */
} ngx_paygw_explain_t;


/* ids that are configured, the first few of them, as a hint lists them */
typedef struct {
    ngx_uint_t               count;
    size_t                   len;
    u_char                   text[NGX_PAYGW_HINT_MAX];
} ngx_paygw_explain_ids_t;


/*
 * A key that is not known: note each id that is, from count and len 0 on, and
 * refuse; returns NGX_DECLINED or NGX_ERROR.
 */
void ngx_paygw_explain_id(ngx_paygw_explain_ids_t *ids, ngx_str_t *id);
ngx_int_t ngx_paygw_explain_unknown(ngx_paygw_notify_t *n, const char *name,
    ngx_paygw_explain_ids_t *ids);


/* a signature that is not base64: why, a constant phrase */
char *ngx_paygw_explain_base64(ngx_str_t *sig, char *otherwise);

/* 1 if a body is compressed, which nothing here can read */
ngx_uint_t ngx_paygw_explain_gzip(ngx_str_t *body);

/*
 * A body that was JSON when it was signed: a byte too many at its ends, line
 * ends, or another spelling.  Providers send it without any white space, or
 * indented on many lines.  Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_explain_json(ngx_pool_t *pool, ngx_str_t *body,
    ngx_uint_t indented, ngx_paygw_explain_t *ex);

/* values of a form, as they stand in the string to sign; the same otherwise */
ngx_int_t ngx_paygw_explain_values(ngx_pool_t *pool, ngx_str_t *text,
    ngx_paygw_explain_t *ex);


#endif /* _NGX_PAYGW_EXPLAIN_H_INCLUDED_ */
