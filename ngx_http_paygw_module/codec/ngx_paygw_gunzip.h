
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_GUNZIP_H_INCLUDED_
#define _NGX_PAYGW_GUNZIP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What is in a gzip file (RFC 1952, one member or several) that comes bit by
 * bit: told a piece at a time, and nothing of it is kept.
 */


typedef struct ngx_paygw_gunzip_s  ngx_paygw_gunzip_t;

/* NGX_OK to go on */
typedef ngx_int_t (*ngx_paygw_gunzip_pt)(void *data, u_char *p, size_t len);


/*
 * Lives in pool; NULL if memory is short.  More than max bytes are refused, 0
 * is no limit.
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
