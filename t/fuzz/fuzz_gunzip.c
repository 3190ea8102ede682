
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_checksum.h"
#include "ngx_paygw_gunzip.h"


/*
 * The first byte says in pieces of which size the rest arrives.  Whatever they
 * are, what is in the file must be the same, and not more than is allowed; and
 * a file has its own hash.
 */


#define FUZZ_MAX  100000


typedef struct {
    ngx_paygw_sha256_t      *sha;
    size_t                   told;
} fuzz_sum_t;


static ngx_int_t fuzz_told(void *data, u_char *p, size_t len);
static ngx_int_t fuzz_gunzip(ngx_pool_t *pool, ngx_str_t *text, size_t piece,
    u_char *sha256, size_t *told);
static void fuzz_checksum(ngx_pool_t *pool, ngx_str_t *text, size_t piece);


void
fuzz_init(void)
{
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    u_char      one[NGX_PAYGW_SHA256_LEN], other[NGX_PAYGW_SHA256_LEN];
    size_t      piece, n, k;
    ngx_int_t   rc;
    ngx_str_t   text;

    if (input->len == 0) {
        return;
    }

    piece = input->data[0] + 1;
    text.data = input->data + 1;
    text.len = input->len - 1;

    rc = fuzz_gunzip(pool, &text, text.len + 1, one, &n);

    must(fuzz_gunzip(pool, &text, piece, other, &k) == rc);

    if (rc == NGX_OK) {
        must(n == k && n <= FUZZ_MAX);
        must(ngx_memcmp(one, other, sizeof(one)) == 0);
    }

    fuzz_checksum(pool, &text, piece);
}


static ngx_int_t
fuzz_told(void *data, u_char *p, size_t len)
{
    fuzz_sum_t *sum = data;

    sum->told += len;

    must(len && sum->told <= FUZZ_MAX);

    return ngx_paygw_sha256_update(sum->sha, p, len);
}


/* NGX_OK: it is whole */

static ngx_int_t
fuzz_gunzip(ngx_pool_t *pool, ngx_str_t *text, size_t piece, u_char *sha256,
    size_t *told)
{
    size_t               i;
    ngx_int_t            rc;
    ngx_str_t            part, copy;
    fuzz_sum_t           sum;
    ngx_paygw_gunzip_t  *g;

    sum.told = 0;
    sum.sha = ngx_paygw_sha256_new(pool);
    g = ngx_paygw_gunzip_new(pool, FUZZ_MAX, fuzz_told, &sum);

    must(sum.sha && g);

    for (i = 0; i < text->len; i += piece) {
        part.data = text->data + i;
        part.len = ngx_min(piece, text->len - i);
        copy = fuzz_copy(pool, &part);

        rc = ngx_paygw_gunzip_update(g, copy.data, copy.len);

        if (rc != NGX_OK) {
            must(rc == NGX_ABORT);
            return NGX_ABORT;
        }
    }

    *told = sum.told;

    must(ngx_paygw_sha256_final(sum.sha, sha256) == NGX_OK);

    return ngx_paygw_gunzip_whole(g) ? NGX_OK : NGX_ABORT;
}


static void
fuzz_checksum(ngx_pool_t *pool, ngx_str_t *text, size_t piece)
{
    size_t                 i;
    ngx_str_t              part;
    ngx_paygw_checksum_t  *c;
    ngx_paygw_expected_t   expected;

    expected.hash = &ngx_paygw_hash_sha256;
    expected.len = NGX_PAYGW_SHA256_LEN;

    must(ngx_paygw_sha256(text, 1, expected.value) == NGX_OK);

    c = ngx_paygw_checksum_new(pool, &expected, FUZZ_MAX);
    must(c);

    for (i = 0; i < text->len; i += piece) {
        part.data = text->data + i;
        part.len = ngx_min(piece, text->len - i);
        must(ngx_paygw_checksum_update(c, part.data, part.len) == NGX_OK);
    }

    must(ngx_paygw_checksum_final(c) == NGX_OK);

    /* and no other one */

    expected.value[0] ^= 1;

    c = ngx_paygw_checksum_new(pool, &expected, FUZZ_MAX);
    must(c && ngx_paygw_checksum_update(c, text->data, text->len) == NGX_OK);
    must(ngx_paygw_checksum_final(c) == NGX_DECLINED);
}
