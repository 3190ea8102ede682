
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <zlib.h>
#include "ngx_paygw_gunzip.h"


#define NGX_PAYGW_GUNZIP_BUFFER  16384
#define NGX_PAYGW_GUNZIP_BITS    (MAX_WBITS + 16)    /* gzip, and not zlib */

/*
 * A megabyte of gzip may be a gigabyte of zeros, and a second of a worker.  A
 * bill is ten times as long as its file; what is more than a hundred times as
 * long, beyond what takes no time, is not looked at any further.
 */
#define NGX_PAYGW_GUNZIP_FREE    (32 * 1024 * 1024)
#define NGX_PAYGW_GUNZIP_RATIO   100


struct ngx_paygw_gunzip_s {
    z_stream                 stream;
    ngx_pool_t              *pool;
    off_t                    max;
    off_t                    came;
    off_t                    told;
    ngx_paygw_gunzip_pt      handler;
    void                    *data;
    unsigned                 ended:1;      /* a member, and no other one has
                                              begun */
    u_char                   out[NGX_PAYGW_GUNZIP_BUFFER];
};


static void *ngx_paygw_gunzip_alloc(void *opaque, u_int items, u_int size);
static void ngx_paygw_gunzip_free(void *opaque, void *address);


ngx_paygw_gunzip_t *
ngx_paygw_gunzip_new(ngx_pool_t *pool, off_t max, ngx_paygw_gunzip_pt handler,
    void *data)
{
    ngx_paygw_gunzip_t  *g;

    g = ngx_pcalloc(pool, sizeof(ngx_paygw_gunzip_t));
    if (g == NULL) {
        return NULL;
    }

    g->pool = pool;
    g->max = max;
    g->handler = handler;
    g->data = data;

    /* what is left of it goes with the pool */

    g->stream.zalloc = ngx_paygw_gunzip_alloc;
    g->stream.zfree = ngx_paygw_gunzip_free;
    g->stream.opaque = pool;

    if (inflateInit2(&g->stream, NGX_PAYGW_GUNZIP_BITS) != Z_OK) {
        return NULL;
    }

    return g;
}


static void *
ngx_paygw_gunzip_alloc(void *opaque, u_int items, u_int size)
{
    return ngx_palloc(opaque, (size_t) items * size);
}


static void
ngx_paygw_gunzip_free(void *opaque, void *address)
{
    return;
}


ngx_int_t
ngx_paygw_gunzip_update(ngx_paygw_gunzip_t *g, u_char *p, size_t len)
{
    int     rc;
    size_t  n;

    g->stream.next_in = p;
    g->stream.avail_in = len;

    g->came += len;

    for ( ;; ) {

        if (g->ended) {

            if (g->stream.avail_in == 0) {
                return NGX_OK;
            }

            if (inflateReset(&g->stream) != Z_OK) {
                return NGX_ABORT;
            }

            g->ended = 0;
        }

        g->stream.next_out = g->out;
        g->stream.avail_out = sizeof(g->out);

        rc = inflate(&g->stream, Z_NO_FLUSH);

        if (rc == Z_MEM_ERROR) {
            return NGX_ERROR;
        }

        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
            return NGX_ABORT;
        }

        n = sizeof(g->out) - g->stream.avail_out;
        g->told += n;

        if (g->max && g->told > g->max) {
            return NGX_ABORT;
        }

        if (g->told > NGX_PAYGW_GUNZIP_FREE
                      + (g->came - (off_t) g->stream.avail_in)
                        * NGX_PAYGW_GUNZIP_RATIO)
        {
            return NGX_ABORT;
        }

        if (n && g->handler(g->data, g->out, n) != NGX_OK) {
            return NGX_ERROR;
        }

        if (rc == Z_STREAM_END) {
            g->ended = 1;
            continue;
        }

        /* room that is left: it has seen all that there was */

        if (rc == Z_BUF_ERROR || g->stream.avail_out) {
            return NGX_OK;
        }
    }
}


ngx_uint_t
ngx_paygw_gunzip_whole(ngx_paygw_gunzip_t *g)
{
    return g->ended;
}
