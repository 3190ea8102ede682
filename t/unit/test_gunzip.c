
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_gunzip.h"

#include <zlib.h>


#define TEST_MB  (1024 * 1024)


typedef struct {
    size_t                   n;
    u_char                   first[16];
} test_gunzip_t;


static void test_gunzip_members(void);
static void test_gunzip_bomb(void);
static ngx_int_t test_gunzip_read(ngx_str_t *file, test_gunzip_t *t,
    ngx_uint_t *whole);
static ngx_int_t test_gunzip_told(void *data, u_char *p, size_t len);
static ngx_str_t test_gunzip_file(const u_char *p, size_t len, int level);


void
test_gunzip(void)
{
    test_gunzip_members();
    test_gunzip_bomb();
}


/* RFC 1952: what is in them, one behind the other */

static void
test_gunzip_members(void)
{
    ngx_str_t      one, two, both;
    ngx_uint_t     whole;
    test_gunzip_t  t;

    one = test_gunzip_file((u_char *) "one,", 4, 9);
    two = test_gunzip_file((u_char *) "two", 3, 9);

    both.len = one.len + two.len;
    both.data = malloc(both.len + 1);

    ngx_memcpy(both.data, one.data, one.len);
    ngx_memcpy(both.data + one.len, two.data, two.len);

    is_int(test_gunzip_read(&both, &t, &whole), NGX_OK, "gunzip, two members");
    is_int(whole, 1, "gunzip, two members: whole");
    is_int(t.n, 7, "gunzip, two members: all of it");
    ok(ngx_memcmp(t.first, "one,two", 7) == 0, "gunzip, two members: text");

    both.len -= 1;

    is_int(test_gunzip_read(&both, &t, &whole), NGX_OK, "gunzip, a byte less");
    is_int(whole, 0, "gunzip, a byte less: not whole");

    both.len = one.len + 1;

    is_int(test_gunzip_read(&both, &t, &whole), NGX_OK, "gunzip, one begun");
    is_int(whole, 0, "gunzip, one begun: not whole");

    both.data[one.len] = 'x';
    both.data[one.len + 1] = 'x';
    both.len = one.len + 2;

    is_int(test_gunzip_read(&both, &t, &whole), NGX_ABORT,
           "gunzip, something else behind it");

    free(both.data);
    free(one.data);
    free(two.data);
}


static void
test_gunzip_bomb(void)
{
    u_char         *zeros;
    ngx_str_t       file;
    ngx_uint_t      whole;
    test_gunzip_t   t;

    zeros = calloc(64, TEST_MB);

    file = test_gunzip_file(zeros, 64 * TEST_MB, 9);

    is_int(test_gunzip_read(&file, &t, &whole), NGX_ABORT, "gunzip, a bomb");
    ok(t.n <= 48 * TEST_MB && t.n > 31 * TEST_MB,
       "gunzip, a bomb: not all of it");

    free(file.data);

    file = test_gunzip_file(zeros, 30 * TEST_MB, 1);

    is_int(test_gunzip_read(&file, &t, &whole), NGX_OK, "gunzip, large");
    is_int(t.n, 30 * TEST_MB, "gunzip, large: all of it");

    free(file.data);

    file = test_gunzip_file(zeros, 40 * TEST_MB, 0);

    is_int(test_gunzip_read(&file, &t, &whole), NGX_OK, "gunzip, a large file");
    is_int(t.n, 40 * TEST_MB, "gunzip, a large file: all of it");

    free(file.data);
    free(zeros);
}


static ngx_int_t
test_gunzip_read(ngx_str_t *file, test_gunzip_t *t, ngx_uint_t *whole)
{
    size_t               i, n;
    ngx_int_t            rc;
    ngx_pool_t          *pool;
    ngx_paygw_gunzip_t  *g;

    ngx_memzero(t, sizeof(test_gunzip_t));

    pool = ngx_create_pool(4096, ngx_cycle->log);
    g = ngx_paygw_gunzip_new(pool, 0, test_gunzip_told, t);
    rc = NGX_OK;

    for (i = 0; i < file->len && rc == NGX_OK; i += n) {
        n = ngx_min(file->len - i, 16384);
        rc = ngx_paygw_gunzip_update(g, file->data + i, n);
    }

    *whole = ngx_paygw_gunzip_whole(g);

    ngx_destroy_pool(pool);

    return rc;
}


static ngx_int_t
test_gunzip_told(void *data, u_char *p, size_t len)
{
    test_gunzip_t *t = data;

    if (t->n < sizeof(t->first)) {
        ngx_memcpy(t->first + t->n, p,
                   ngx_min(len, sizeof(t->first) - t->n));
    }

    t->n += len;

    return NGX_OK;
}


static ngx_str_t
test_gunzip_file(const u_char *p, size_t len, int level)
{
    z_stream   z;
    ngx_str_t  file;

    ngx_memzero(&z, sizeof(z_stream));

    if (deflateInit2(&z, level, Z_DEFLATED, MAX_WBITS + 16, 8,
                     Z_DEFAULT_STRATEGY)
        != Z_OK)
    {
        abort();
    }

    file.len = deflateBound(&z, len);
    file.data = malloc(file.len);

    z.next_in = (u_char *) p;
    z.avail_in = len;
    z.next_out = file.data;
    z.avail_out = file.len;

    if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
        abort();
    }

    file.len = z.total_out;
    (void) deflateEnd(&z);

    return file;
}
