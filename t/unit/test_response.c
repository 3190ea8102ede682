
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_json.h"
#include "ngx_paygw_response.h"


static ngx_int_t test_response_read(ngx_conf_t *cf, ngx_str_t *text,
    size_t piece, ngx_paygw_response_t *r, const char **err);
static void test_response_refused(void);
static void test_response_limits(void);
static void test_response_raw(void);


static ngx_str_t  test_response_good[] = {
    T("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello"),
    T("HTTP/1.0 200\r\nx-a: b\r\n\r\nhello"),
    T("HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\nX-a:b\r\n\r\n"
      "2\r\nhe\r\n03;x=\"y\"\r\nllo\r\n0\r\nTrailer: x\r\n\r\n"),
    T("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX-A: b\r\n"
      "Content-Encoding: identity\r\n\r\nhello, and more"),
    ngx_null_string
};


static const struct {
    ngx_str_t    text;
    const char  *err;
} test_response_bad[] = {
    { T("HTTP/1.1 100 Continue\r\n\r\n"), "malformed status line" },
    { T("HTTP/2.0 200 OK\r\n\r\n"), "malformed status line" },
    { T("HTTP/1.1 2000\r\n\r\n"), "malformed status line" },
    { T("HTTP/1.1 200 OK\nA: b\n\n"), "malformed status line" },
    { T("ICY 200 OK\r\n\r\n"), "malformed status line" },
    { T("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"), "malformed header" },
    { T("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"), "malformed header" },
    { T("HTTP/1.1 200 OK\r\n: b\r\n\r\n"), "malformed header" },
    { T("HTTP/1.1 200 OK\r\nA\r\n\r\n"), "malformed header" },
    { T("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n"), "malformed header" },
    { T("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n"), "malformed header" },
    { T("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
      "length of the body is ambiguous" },
    { T("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      "length of the body is ambiguous" },
    { T("HTTP/1.1 200 OK\r\nContent-Length: 1 1\r\n\r\nx"),
      "body is too large or its length is malformed" },
    { T("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx"),
      "body is too large or its length is malformed" },
    { T("HTTP/1.1 200 OK\r\nContent-Length: 131073\r\n\r\nx"),
      "body is too large or its length is malformed" },
    { T("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx"),
      "body is too large or its length is malformed" },
    { T("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nx"),
      "unknown transfer coding" },
    { T("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nx"),
      "content is encoded" },
    { T("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
      "malformed chunk" },
    { T("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"),
      "malformed chunk" },
    { T("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n"),
      "malformed chunk" },
    { T("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20001\r\n"),
      "body is too large" },
    { T("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "1\r\nx\r\n"), "response was cut" },
    { T("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"),
      "response was cut" },
    { T("HTTP/1.1 200 OK\r\nA: b\r\n"), "response was cut" },
    { T(""), "response was cut" },
    { ngx_null_string, NULL }
};


void
test_response(void)
{
    size_t                 piece;
    ngx_str_t             *text, value;
    const char            *err;
    ngx_conf_t            *cf;
    ngx_paygw_response_t   r;

    cf = harness_conf();

    for (text = test_response_good; text->len; text++) {
        for (piece = 1; piece <= text->len; piece += text->len - 1) {

            is_int(test_response_read(cf, text, piece, &r, &err), NGX_OK,
                   "response");
            is_int(r.status, 200, "response, status");
            is_str(&r.body, "hello", "response, body");
            is_int(ngx_paygw_response_header(&r, "X-A", &value), NGX_OK,
                   "response, header");
            is_str(&value, "b", "response, value");
            is_int(ngx_paygw_response_header(&r, "X", &value), NGX_DECLINED,
                   "response, no header");
        }
    }

    test_response_refused();
    test_response_limits();
    test_response_raw();

    harness_conf_free(cf);
}


static ngx_int_t
test_response_read(ngx_conf_t *cf, ngx_str_t *text, size_t piece,
    ngx_paygw_response_t *r, const char **err)
{
    u_char     *start, *last;
    size_t      n, left;
    ngx_int_t   rc;

    start = ngx_pnalloc(cf->pool, text->len + 1);
    last = start;

    ngx_paygw_response_init(r, start);

    for (left = text->len; left; left -= n) {
        n = ngx_min(piece, left);
        last = ngx_cpymem(last, text->data + text->len - left, n);

        rc = ngx_paygw_response_read(r, last, 0, err);

        if (rc != NGX_AGAIN) {
            return rc;
        }
    }

    return ngx_paygw_response_read(r, last, 1, err);
}


static void
test_response_refused(void)
{
    ngx_str_t              text, err;
    ngx_uint_t             i;
    const char            *why;
    ngx_conf_t            *cf;
    ngx_paygw_response_t   r;

    cf = harness_conf();

    for (i = 0; test_response_bad[i].err; i++) {
        text = test_response_bad[i].text;

        is_int(test_response_read(cf, &text, 1, &r, &why), NGX_ABORT,
               "response, refused");

        err.data = (u_char *) why;
        err.len = ngx_strlen(why);
        is_str(&err, test_response_bad[i].err, "response, why");
    }

    ngx_str_set(&text, "HTTP/1.1 200 OK\r\nA: b\r\na: c\r\n\r\n");

    is_int(test_response_read(cf, &text, 7, &r, &why), NGX_OK, "response");
    is_int(ngx_paygw_response_header(&r, "A", &err), NGX_ABORT,
           "response, a field comes twice");

    harness_conf_free(cf);
}


/* exactly as much as is accepted, and one byte more */

static void
test_response_limits(void)
{
    u_char                *p;
    ngx_int_t              rc;
    ngx_str_t              text;
    ngx_uint_t             more, n;
    const char            *err;
    ngx_conf_t            *cf;
    ngx_paygw_response_t   r;

    cf = harness_conf();

    for (more = 0; more < 2; more++) {

        rc = more ? NGX_ABORT : NGX_OK;

        p = ngx_pnalloc(cf->pool, 2 * NGX_PAYGW_RESPONSE_SIZE);
        text.data = p;
        p = ngx_sprintf(p, "HTTP/1.1 200 OK\r\nA: ");
        n = NGX_PAYGW_RESPONSE_HEAD - (p - text.data) - 4 + more;
        ngx_memset(p, 'x', n);
        p = ngx_cpymem(p + n, "\r\n\r\n", 4);
        text.len = p - text.data;

        is_int(test_response_read(cf, &text, text.len, &r, &err), rc,
               "response, length of the header");

        p = ngx_sprintf(text.data, "HTTP/1.1 200 OK\r\n\r\n");
        n = NGX_PAYGW_RESPONSE_BODY + more;
        ngx_memset(p, 'x', n);
        text.len = p + n - text.data;

        is_int(test_response_read(cf, &text, 4096, &r, &err), rc,
               "response, length of the body");

        p = ngx_sprintf(text.data, "HTTP/1.1 200 OK\r\n");

        for (n = 0; n < NGX_PAYGW_RESPONSE_HEADERS + more; n++) {
            p = ngx_sprintf(p, "A: b\r\n");
        }

        p = ngx_cpymem(p, "\r\n", 2);
        text.len = p - text.data;

        is_int(test_response_read(cf, &text, 4096, &r, &err), rc,
               "response, number of fields");
    }

    harness_conf_free(cf);
}


static void
test_response_raw(void)
{
    ngx_str_t  text, raw;

    ngx_str_set(&text, " { \"b\" : \"\\\"a\\\":1\" ,\n\"c\":[{\"a\":2}, 3],"
                "\"a\" : {\"x\":\"}\",\"y\":[ ]} , \"d\":-1.5e3}");

    is_int(ngx_paygw_json_raw(&text, "a", &raw), NGX_OK, "raw member");
    is_str(&raw, "{\"x\":\"}\",\"y\":[ ]}", "raw member, an object");
    is_int(ngx_paygw_json_raw(&text, "b", &raw), NGX_OK, "raw member");
    is_str(&raw, "\"\\\"a\\\":1\"", "raw member, a string");
    is_int(ngx_paygw_json_raw(&text, "d", &raw), NGX_OK, "raw member");
    is_str(&raw, "-1.5e3", "raw member, a number");
    is_int(ngx_paygw_json_raw(&text, "x", &raw), NGX_DECLINED,
           "raw member, of an inner object");

    ngx_str_set(&text, "[1]");

    is_int(ngx_paygw_json_raw(&text, "a", &raw), NGX_DECLINED,
           "raw member, of an array");
}
