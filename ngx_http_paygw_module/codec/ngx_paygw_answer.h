
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_ANSWER_H_INCLUDED_
#define _NGX_PAYGW_ANSWER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * An answer over HTTP as one text that is kept: a byte for the form of it, the
 * status, how many fields and trailers there are and the length of the body,
 * then of each field both lengths, name and value, then the body.  Numbers are
 * of two bytes, the length of the body of four, the first one the highest.
 */


#define NGX_PAYGW_ANSWER_HEAD    11       /* bytes in front of the fields */
#define NGX_PAYGW_ANSWER_FIELDS  1024


typedef struct {
    ngx_uint_t                   status;
    ngx_uint_t                   redirect;    /* its Location is nginx's own */
    ngx_keyval_t                *fields;      /* then the trailers */
    ngx_uint_t                   nfields;
    ngx_uint_t                   ntrailers;
    ngx_str_t                    body;        /* only its length is written */
} ngx_paygw_answer_t;


/* bytes of the text, with the body; 0 if it is none that can be kept */
size_t ngx_paygw_answer_size(ngx_paygw_answer_t *answer);

/* all up to the body, which follows at what is returned */
u_char *ngx_paygw_answer_write(u_char *p, ngx_paygw_answer_t *answer);

/*
 * Reads a text; the parts are not copied.  NGX_OK; NGX_ABORT if it is none, or
 * holds what no answer may hold; NGX_ERROR.
 */
ngx_int_t ngx_paygw_answer_read(ngx_pool_t *pool, ngx_str_t *text,
    ngx_paygw_answer_t *answer);


#endif /* _NGX_PAYGW_ANSWER_H_INCLUDED_ */
