
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_MULTIPART_H_INCLUDED_
#define _NGX_PAYGW_MULTIPART_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * A strict reader of multipart/form-data (RFC 7578).
 *
 * It refuses what readers disagree about: text in front of the first boundary
 * or behind the last one, line ends that are not CRLF, a boundary that goes on,
 * header fields other than Content-Disposition and Content-Type or twice,
 * escapes in names, and a name that comes twice.
 */


#define NGX_PAYGW_MULTIPART_PARTS     8
#define NGX_PAYGW_MULTIPART_BOUNDARY  70


typedef struct {
    ngx_str_t                name;
    ngx_str_t                filename;
    ngx_str_t                type;         /* empty: none */
    ngx_str_t                body;
    ngx_uint_t               file;         /* it has a filename, which may be
                                              empty; unsigned:1 */
} ngx_paygw_part_t;


typedef struct {
    ngx_paygw_part_t         parts[NGX_PAYGW_MULTIPART_PARTS];
    ngx_uint_t               nparts;
} ngx_paygw_multipart_t;


/* The boundary that a Content-Type names.  NGX_OK or NGX_ABORT */
ngx_int_t ngx_paygw_multipart_boundary(ngx_str_t *type, ngx_str_t *boundary);

/*
 * The parts of a body, which point into it.  NGX_OK; NGX_ABORT with *err set to
 * a constant phrase.
 */
ngx_int_t ngx_paygw_multipart_parse(ngx_str_t *body, ngx_str_t *boundary,
    ngx_paygw_multipart_t *m, const char **err);

/* by its name; NULL if there is none */
ngx_paygw_part_t *ngx_paygw_multipart_find(ngx_paygw_multipart_t *m,
    const char *name);


#endif /* _NGX_PAYGW_MULTIPART_H_INCLUDED_ */
