
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_checksum.h"
#include "ngx_paygw_gunzip.h"


/* the first byte of a gzip file */
#define NGX_PAYGW_CHECKSUM_GZIP  0x1f


struct ngx_paygw_checksum_s {
    ngx_pool_t              *pool;
    ngx_paygw_expected_t    *expected;
    off_t                    max;
    ngx_paygw_digest_t      *plain;        /* of the file as it is */
    ngx_paygw_digest_t      *inner;        /* of what is in it, */
    ngx_paygw_gunzip_t      *gunzip;       /* NULL: that is no gzip file */
    unsigned                 begun:1;
};


typedef struct {
    ngx_str_t                name;
    const ngx_paygw_hash_t  *hash;
    size_t                   len;
} ngx_paygw_checksum_hash_t;


static ngx_int_t ngx_paygw_checksum_begin(ngx_paygw_checksum_t *c, u_char *p);
static ngx_int_t ngx_paygw_checksum_inner(void *data, u_char *p, size_t len);
static ngx_int_t ngx_paygw_checksum_compare(ngx_paygw_checksum_t *c,
    ngx_paygw_digest_t *d);


static const ngx_paygw_checksum_hash_t  ngx_paygw_checksum_hashes[] = {
    { ngx_string("sha1"), &ngx_paygw_hash_sha1, 20 },
    { ngx_string("sha256"), &ngx_paygw_hash_sha256, NGX_PAYGW_SHA256_LEN },
    { ngx_null_string, NULL, 0 }
};


ngx_int_t
ngx_paygw_expected_parse(ngx_str_t *text, ngx_paygw_expected_t *expected)
{
    u_char     *p;
    ngx_str_t   name, hex;

    p = ngx_strlchr(text->data, text->data + text->len, '=');
    if (p == NULL) {
        return NGX_DECLINED;
    }

    name.data = text->data;
    name.len = p - text->data;

    hex.data = p + 1;
    hex.len = text->data + text->len - hex.data;

    return ngx_paygw_expected_set(&name, &hex, expected);
}


ngx_int_t
ngx_paygw_expected_set(ngx_str_t *name, ngx_str_t *hex,
    ngx_paygw_expected_t *expected)
{
    size_t                            i;
    ngx_int_t                         n;
    const ngx_paygw_checksum_hash_t  *h;

    expected->hash = NULL;

    for (h = ngx_paygw_checksum_hashes; h->name.len; h++) {
        if (h->name.len == name->len
            && ngx_strncasecmp(h->name.data, name->data, name->len) == 0)
        {
            break;
        }
    }

    if (h->name.len == 0 || hex->len != 2 * h->len) {
        return NGX_DECLINED;
    }

    for (i = 0; i < h->len; i++) {

        n = ngx_hextoi(hex->data + 2 * i, 2);
        if (n == NGX_ERROR) {
            return NGX_DECLINED;
        }

        expected->value[i] = (u_char) n;
    }

    expected->hash = h->hash;
    expected->len = h->len;

    return NGX_OK;
}


void
ngx_paygw_expected_name(ngx_paygw_expected_t *expected, ngx_str_t *name)
{
    const ngx_paygw_checksum_hash_t  *h;

    for (h = ngx_paygw_checksum_hashes; h->name.len; h++) {
        if (h->hash == expected->hash) {
            break;
        }
    }

    *name = h->name;
}


ngx_paygw_checksum_t *
ngx_paygw_checksum_new(ngx_pool_t *pool, ngx_paygw_expected_t *expected,
    off_t max)
{
    ngx_paygw_checksum_t  *c;

    c = ngx_pcalloc(pool, sizeof(ngx_paygw_checksum_t));
    if (c == NULL) {
        return NULL;
    }

    c->pool = pool;
    c->expected = expected;
    c->max = max;

    c->plain = ngx_paygw_digest_new(pool, expected->hash);

    return c->plain ? c : NULL;
}


ngx_paygw_checksum_t *
ngx_paygw_checksum_exact(ngx_pool_t *pool, ngx_paygw_expected_t *expected)
{
    ngx_paygw_checksum_t  *c;

    c = ngx_paygw_checksum_new(pool, expected, 0);

    if (c) {
        c->begun = 1;
    }

    return c;
}


ngx_int_t
ngx_paygw_checksum_update(ngx_paygw_checksum_t *c, u_char *p, size_t len)
{
    ngx_int_t  rc;

    if (len == 0) {
        return NGX_OK;
    }

    if (!c->begun && ngx_paygw_checksum_begin(c, p) != NGX_OK) {
        return NGX_ERROR;
    }

    if (c->gunzip) {
        rc = ngx_paygw_gunzip_update(c->gunzip, p, len);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc != NGX_OK) {
            c->gunzip = NULL;
        }
    }

    return ngx_paygw_digest_update(c->plain, p, len);
}


static ngx_int_t
ngx_paygw_checksum_begin(ngx_paygw_checksum_t *c, u_char *p)
{
    c->begun = 1;

    if (*p != NGX_PAYGW_CHECKSUM_GZIP) {
        return NGX_OK;
    }

    c->inner = ngx_paygw_digest_new(c->pool, c->expected->hash);
    c->gunzip = ngx_paygw_gunzip_new(c->pool, c->max,
                                     ngx_paygw_checksum_inner, c);

    return (c->inner && c->gunzip) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_paygw_checksum_inner(void *data, u_char *p, size_t len)
{
    ngx_paygw_checksum_t *c = data;

    return ngx_paygw_digest_update(c->inner, p, len);
}


ngx_int_t
ngx_paygw_checksum_final(ngx_paygw_checksum_t *c)
{
    ngx_int_t  rc;

    rc = ngx_paygw_checksum_compare(c, c->plain);

    if (rc == NGX_DECLINED && c->gunzip && ngx_paygw_gunzip_whole(c->gunzip)) {
        rc = ngx_paygw_checksum_compare(c, c->inner);
    }

    return rc;
}


static ngx_int_t
ngx_paygw_checksum_compare(ngx_paygw_checksum_t *c, ngx_paygw_digest_t *d)
{
    size_t     len;
    u_char     value[NGX_PAYGW_HASH_MAX];
    ngx_str_t  got, wanted;

    if (ngx_paygw_digest_final(d, value, &len) != NGX_OK) {
        return NGX_ERROR;
    }

    got.data = value;
    got.len = len;

    wanted.data = c->expected->value;
    wanted.len = c->expected->len;

    return ngx_paygw_equal(&got, &wanted) ? NGX_OK : NGX_DECLINED;
}
