
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_RESPONSE_H_INCLUDED_
#define _NGX_PAYGW_RESPONSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * A strict reader of one HTTP/1.1 response, for the client that fetches keys.
 *
 * It refuses what readers disagree about: bare line feeds, folded lines, white
 * space around a name, Content-Length together with Transfer-Encoding or more
 * than once, any coding but "chunked", and an encoded content.
 */


/* limits; a response beyond any of them is malformed */
#define NGX_PAYGW_RESPONSE_HEAD     16384
#define NGX_PAYGW_RESPONSE_BODY     131072
#define NGX_PAYGW_RESPONSE_HEADERS  64

/* room for all of it, with a margin for the frames of chunks */
#define NGX_PAYGW_RESPONSE_SIZE                                               \
    (NGX_PAYGW_RESPONSE_HEAD + 2 * NGX_PAYGW_RESPONSE_BODY)


typedef struct {
    ngx_str_t                name;
    ngx_str_t                value;
} ngx_paygw_response_header_t;


typedef struct {
    ngx_uint_t                   status;
    ngx_paygw_response_header_t  headers[NGX_PAYGW_RESPONSE_HEADERS];
    ngx_uint_t                   nheaders;
    ngx_str_t                    body;      /* decoded */

    /* private */
    u_char                      *start;
    u_char                      *pos;       /* read so far */
    size_t                       length;    /* of the body, or of a chunk */
    ngx_uint_t                   trailers;  /* bytes of them */
    ngx_uint_t                   state;
} ngx_paygw_response_t;


/*
 * Begins with a buffer of NGX_PAYGW_RESPONSE_SIZE bytes, in which everything
 * stays: the body is put together in place.
 */
void ngx_paygw_response_init(ngx_paygw_response_t *r, u_char *start);

/*
 * Reads on, to be called again with each piece: last is the end of what came
 * so far, eof says that no more will.
 *
 * Returns NGX_OK once the response is complete, what follows it is not looked
 * at; NGX_AGAIN; NGX_ABORT with *err set to a constant phrase.
 */
ngx_int_t ngx_paygw_response_read(ngx_paygw_response_t *r, u_char *last,
    ngx_uint_t eof, const char **err);

/*
 * The value of a header field, its name in any case.  NGX_OK; NGX_DECLINED if
 * it is absent; NGX_ABORT if it came twice.
 */
ngx_int_t ngx_paygw_response_header(ngx_paygw_response_t *r, const char *name,
    ngx_str_t *value);


#endif /* _NGX_PAYGW_RESPONSE_H_INCLUDED_ */
