
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_answer.h"
#include "ngx_paygw_idem.h"


static void test_idem_key(ngx_conf_t *cf);
static void test_idem_id(ngx_conf_t *cf);
static void test_idem_statuses(void);
static void test_idem_answer(ngx_conf_t *cf);
static void test_idem_refused(ngx_conf_t *cf);


static const struct {
    ngx_str_t    field;
    const char  *key;       /* NULL: refused */
} test_idem_keys[] = {
    { T("a"), "a" },
    { T("\"a\""), "a" },
    { T("8e03978e-40d5-43dd-bc93-6894a57f9324"),
      "8e03978e-40d5-43dd-bc93-6894a57f9324" },
    { T("\"8e03978e-40d5-43dd-bc93-6894a57f9324\""),
      "8e03978e-40d5-43dd-bc93-6894a57f9324" },
    { T("\"a\\\"b\\\\c\""), "a\"b\\c" },
    { T("\"a,b\""), "a,b" },
    { T("a\\b"), "a\\b" },
    { T("a;b=1"), "a;b=1" },
    { T("!~"), "!~" },
    { T(""), NULL },
    { T("\""), NULL },
    { T("\"\""), NULL },
    { T("\"a"), NULL },
    { T("a\""), NULL },
    { T("\"a\\\""), NULL },
    { T("\"a\\b\""), NULL },
    { T("\"a\"b\""), NULL },
    { T("\"a\";b=1"), NULL },
    { T("\"a\", \"b\""), NULL },
    { T("a,b"), NULL },
    { T("a b"), NULL },
    { T("\"a b\""), NULL },
    { T("a\0b"), NULL },
    { T("\"a\x7f\""), NULL },
    { T("\"\x80\""), NULL },
    { T("\\\""), NULL }
};


void
test_idem(void)
{
    ngx_conf_t  *cf;

    cf = harness_conf();

    test_idem_key(cf);
    test_idem_id(cf);
    test_idem_statuses();
    test_idem_answer(cf);
    test_idem_refused(cf);

    quiet("idem");

    harness_conf_free(cf);
}


static void
test_idem_key(ngx_conf_t *cf)
{
    u_char      text[2 * NGX_PAYGW_IDEM_KEY_MAX + 4];
    ngx_int_t   rc;
    ngx_str_t   field, key;
    ngx_uint_t  i;

    for (i = 0; i < sizeof(test_idem_keys) / sizeof(test_idem_keys[0]); i++) {
        field = test_idem_keys[i].field;
        rc = ngx_paygw_idem_key(cf->pool, &field, &key);

        if (test_idem_keys[i].key) {
            is_int(rc, NGX_OK, "idem, key");
            is_str(&key, test_idem_keys[i].key, "idem, its text");

        } else {
            is_int(rc, NGX_ABORT, "idem, no key");
        }
    }

    ngx_memset(text, 'x', sizeof(text));

    field.data = text;
    field.len = NGX_PAYGW_IDEM_KEY_MAX;
    is_int(ngx_paygw_idem_key(cf->pool, &field, &key), NGX_OK, "idem, long");

    field.len++;
    is_int(ngx_paygw_idem_key(cf->pool, &field, &key), NGX_ABORT,
           "idem, too long");

    text[0] = '"';
    text[NGX_PAYGW_IDEM_KEY_MAX + 1] = '"';
    field.len = NGX_PAYGW_IDEM_KEY_MAX + 2;
    is_int(ngx_paygw_idem_key(cf->pool, &field, &key), NGX_OK,
           "idem, long and quoted");
    is_int(key.len, NGX_PAYGW_IDEM_KEY_MAX, "idem, its length");

    text[NGX_PAYGW_IDEM_KEY_MAX + 1] = 'x';
    text[NGX_PAYGW_IDEM_KEY_MAX + 2] = '"';
    field.len++;
    is_int(ngx_paygw_idem_key(cf->pool, &field, &key), NGX_ABORT,
           "idem, too long and quoted");
}


/* by the openssl command */

static void
test_idem_id(ngx_conf_t *cf)
{
    u_char                print[NGX_PAYGW_SHA256_LEN], other[sizeof(print)];
    ngx_str_t             id, want, key;
    ngx_paygw_call_t      call;
    ngx_paygw_caller_t    caller;
    ngx_paygw_merchant_t  merchant;

    ngx_memzero(&call, sizeof(call));
    ngx_memzero(&caller, sizeof(caller));
    ngx_memzero(&merchant, sizeof(merchant));

    ngx_str_set(&merchant.name, "shop");
    ngx_str_set(&call.method, "POST");
    ngx_str_set(&call.target, "/v1/payments?a=b");
    ngx_str_set(&key, "k");
    caller.merchant = &merchant;
    call.caller = &caller;
    call.pool = cf->pool;
    ngx_memset(call.body_sha256, 'h', sizeof(call.body_sha256));

    is_int(ngx_paygw_idem_id(&call, &key, &id, print), NGX_OK, "idem, id");

    want = openssl(cf->pool, "version > /dev/null; printf "
                   "'POST\\n/v1/payments\\nk' | openssl dgst -sha256 -r "
                   "| sed 's/^/shop:/; s/ .*//'");
    ok(want.len == id.len && ngx_memcmp(want.data, id.data, id.len) == 0,
       "idem, id as openssl");

    want = openssl(cf->pool, "version > /dev/null; printf "
                   "'POST\\n/v1/payments?a=b\\n"
                   "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh' | openssl dgst -sha256 "
                   "-r | sed 's/ .*//'");
    key = hexed(cf->pool, print, sizeof(print));
    ok(want.len == key.len && ngx_memcmp(want.data, key.data, key.len) == 0,
       "idem, fingerprint as openssl");

    call.style = NGX_PAYGW_CALL_PARAMS;
    ngx_str_set(&call.lasting, "a=b&amount=1");
    (void) ngx_paygw_idem_id(&call, &key, &id, print);
    ngx_str_set(&call.target, "/v1/payments?sign=x");
    (void) ngx_paygw_idem_id(&call, &key, &id, other);
    ok(ngx_memcmp(print, other, sizeof(print)) == 0, "idem, params");

    ngx_str_set(&call.lasting, "a=b&amount=2");
    (void) ngx_paygw_idem_id(&call, &key, &id, other);
    ok(ngx_memcmp(print, other, sizeof(print)) != 0, "idem, other params");
}


static void
test_idem_statuses(void)
{
    ngx_str_t   name;
    ngx_uint_t  i, n;

    for (n = 0, i = 0; i < 1000; i++) {
        n += ngx_paygw_idem_final(i);
    }

    is_int(n, 300 - 23, "idem, final statuses");

    is_int(ngx_paygw_idem_final(200), 1, "idem, 200");
    is_int(ngx_paygw_idem_final(422), 1, "idem, 422");
    is_int(ngx_paygw_idem_final(409), 0, "idem, 409");
    is_int(ngx_paygw_idem_final(500), 0, "idem, 500");
    is_int(ngx_paygw_idem_final(101), 0, "idem, 101");

    ngx_str_set(&name, "TRANSFER-encoding");
    is_int(ngx_paygw_idem_lasting(&name), 0, "idem, of one exchange");
    ngx_str_set(&name, "Location");
    is_int(ngx_paygw_idem_lasting(&name), 1, "idem, of the operation");
    ngx_str_set(&name, "POST");
    is_int(ngx_paygw_idem_safe(&name), 0, "idem, POST");
    ngx_str_set(&name, "GET");
    is_int(ngx_paygw_idem_safe(&name), 1, "idem, GET");
    ngx_str_set(&name, "get");
    is_int(ngx_paygw_idem_safe(&name), 0, "idem, another method");
}


static void
test_idem_answer(ngx_conf_t *cf)
{
    u_char              *p, text[256];
    size_t               size;
    ngx_str_t            s;
    ngx_keyval_t         fields[3];
    ngx_paygw_answer_t   answer, read;

    ngx_memzero(&answer, sizeof(answer));

    ngx_str_set(&fields[0].key, "Content-Type");
    ngx_str_set(&fields[0].value, "text/plain");
    ngx_str_set(&fields[1].key, "X-Empty");
    ngx_str_null(&fields[1].value);
    ngx_str_set(&fields[2].key, "grpc-status");
    ngx_str_set(&fields[2].value, "0");

    answer.status = 422;
    answer.redirect = 1;
    answer.fields = fields;
    answer.nfields = 2;
    answer.ntrailers = 1;
    ngx_str_set(&answer.body, "bo\0dy");

    size = ngx_paygw_answer_size(&answer);
    p = ngx_paygw_answer_write(text, &answer);
    p = ngx_cpymem(p, answer.body.data, answer.body.len);

    is_int(p - text, size, "answer, size");

    s.data = text;
    s.len = size;

    is_int(ngx_paygw_answer_read(cf->pool, &s, &read), NGX_OK, "answer, read");
    is_int(read.status, 422, "answer, status");
    is_int(read.redirect, 1, "answer, redirect");
    is_int(read.nfields, 2, "answer, fields");
    is_int(read.ntrailers, 1, "answer, trailers");
    is_str(&read.fields[0].key, "Content-Type", "answer, name");
    is_str(&read.fields[0].value, "text/plain", "answer, value");
    is_int(read.fields[1].value.len, 0, "answer, no value");
    is_str(&read.fields[2].value, "0", "answer, trailer");
    ok(read.body.len == 5 && ngx_memcmp(read.body.data, "bo\0dy", 5) == 0,
       "answer, body");

    /* cut anywhere it is none */

    for (s.len = 0; s.len < size; s.len++) {
        is_int(ngx_paygw_answer_read(cf->pool, &s, &read), NGX_ABORT,
               "answer, cut");
    }

    s.len = size + 1;
    is_int(ngx_paygw_answer_read(cf->pool, &s, &read), NGX_ABORT,
           "answer, too long");
}


/* no field may begin another line of an answer, written or read */

static void
test_idem_refused(ngx_conf_t *cf)
{
    ngx_str_t           s;
    ngx_uint_t          i;
    ngx_keyval_t        field;
    ngx_paygw_answer_t  answer;

    static const ngx_str_t  texts[] = {
        T("a\0\310\0\001\0\0\0\0\0\0\0\001\0\003Ab\r\n"),
        T("a\0\310\0\001\0\0\0\0\0\0\0\001\0\001A\n"),
        T("a\0\310\0\001\0\0\0\0\0\0\0\001\0\001A\0"),
        T("a\0\310\0\001\0\0\0\0\0\0\0\001\0\001:b"),
        T("a\0\310\0\001\0\0\0\0\0\0\0\001\0\001\nb"),
        T("a\0\310\0\001\0\0\0\0\0\0\0\0\0\001b"),
        T("a\0\144\0\0\0\0\0\0\0\0"),
        T("a\002\130\0\0\0\0\0\0\0\0"),
        T("b\0\310\0\0\0\0\0\0\0\0"),
        T("a\0\310\377\377\377\377\0\0\0\0"),
        T("a\0\310\0\0\0\0\377\377\377\377"),
        ngx_null_string
    };

    for (i = 0; texts[i].len; i++) {
        s = texts[i];
        is_int(ngx_paygw_answer_read(cf->pool, &s, &answer), NGX_ABORT,
               "answer, refused");
    }

    ngx_memzero(&answer, sizeof(answer));
    answer.status = 200;
    answer.fields = &field;
    answer.nfields = 1;

    ngx_str_set(&field.key, "A");
    ngx_str_set(&field.value, "b\r\nC: d");
    is_int(ngx_paygw_answer_size(&answer), 0, "answer, two lines");

    ngx_str_set(&field.value, "b");
    is_int(ngx_paygw_answer_size(&answer), NGX_PAYGW_ANSWER_HEAD + 6,
           "answer, one line");
}
