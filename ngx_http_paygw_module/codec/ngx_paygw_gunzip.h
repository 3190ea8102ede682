
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_GUNZIP_H_INCLUDED_
#define _NGX_PAYGW_GUNZIP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What is in a gzip file that comes bit by bit: told a piece at a time, and
 * nothing of it is kept.  Of several members it is what is in all of them, one
 * behind the other (RFC 1952, 2.2), as gunzip(1) has it.
 */


typedef struct ngx_paygw_gunzip_s  ngx_paygw_gunzip_t;

/* NGX_OK to go on */
typedef ngx_int_t (*ngx_paygw_gunzip_pt)(void *data, u_char *p, size_t len);


/*
 * Lives in pool; NULL if memory is short.  More than max bytes are refused, 0
 * is no limit; and so are, beyond 32 MB, more than a hundred times the bytes of
 * the file, so that the time it takes is bounded by what has come.
 */
ngx_paygw_gunzip_t *ngx_paygw_gunzip_new(ngx_pool_t *pool, off_t max,
    ngx_paygw_gunzip_pt handler, void *data);

/*
 * NGX_OK; NGX_ABORT: it is no gzip file, or there is too much in it; NGX_ERROR:
 * memory is short, or the handler has returned something else than NGX_OK.
 * Not to be called after one of the last two.
 */
ngx_int_t ngx_paygw_gunzip_update(ngx_paygw_gunzip_t *g, u_char *p,
    size_t len);

/* 1 if what has come is a whole file */
ngx_uint_t ngx_paygw_gunzip_whole(ngx_paygw_gunzip_t *g);


#endif /* _NGX_PAYGW_GUNZIP_H_INCLUDED_ */
