
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_text.h"


void
test_charset(void)
{
    size_t       i;
    ngx_int_t    rc;
    ngx_str_t    dst;
    ngx_conf_t  *cf;

    static ngx_str_t  good[][2] = {
        { T(""), T("") },
        { T("abc"), T("abc") },
        { T("\xd6\xa7\xb8\xb6"), T("\xe6\x94\xaf\xe4\xbb\x98") },
        { T("a\xd6\xa7z"), T("a\xe6\x94\xafz") },
        { T("\x81\x40"), T("\xe4\xb8\x82") },
        { T("\x80\x80\x80\x80"), T("\xe2\x82\xac\xe2\x82\xac"
                               "\xe2\x82\xac\xe2\x82\xac") }
    };

    static ngx_str_t  bad[] = {
        T("\xd6"), T("a\xd6"), T("\xff\xff"), T("\xd6\x20"), T("\xff")
    };

    if (ngx_paygw_gbk_available() != NGX_OK) {
        ok(1, "GBK # SKIP this system has no table");
        return;
    }

    cf = harness_conf();

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        rc = ngx_paygw_gbk_to_utf8(cf->pool, &dst, &good[i][0]);

        ok(rc == NGX_OK && dst.len == good[i][1].len
           && memcmp(dst.data, good[i][1].data, dst.len) == 0,
           "GBK %lu is converted", (unsigned long) i);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        rc = ngx_paygw_gbk_to_utf8(cf->pool, &dst, &bad[i]);

        ok(rc == NGX_ABORT, "GBK %lu is refused", (unsigned long) i);
    }

    /* an error leaves nothing behind for the next text */

    rc = ngx_paygw_gbk_to_utf8(cf->pool, &dst, &good[2][0]);

    ok(rc == NGX_OK && dst.len == 6, "GBK after an error");

    harness_conf_free(cf);
}
