
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_ecb.h"


/* the openssl command has made these, under the key "0123...": see the name */
#define TEST_ECB_KEY  "0123456789abcdef0123456789abcdef"


static ngx_str_t test_ecb_seal(ngx_conf_t *cf, const char *text,
    const char *args);


void
test_ecb(void)
{
    ngx_str_t    key, in, out;
    ngx_conf_t  *cf;

    cf = harness_conf();

    ngx_str_set(&key, TEST_ECB_KEY);

    in = test_ecb_seal(cf, "hello", "");
    is_int(in.len, 16, "ecb, one block");
    is_int(ngx_paygw_ecb_open(cf->pool, &key, &in, &out), NGX_OK, "ecb");
    is_str(&out, "hello", "ecb, padding is taken off");

    in = test_ecb_seal(cf, "0123456789abcdef", "");
    is_int(in.len, 32, "ecb, a whole block of padding");
    is_int(ngx_paygw_ecb_open(cf->pool, &key, &in, &out), NGX_OK, "ecb");
    is_str(&out, "0123456789abcdef", "ecb, a block of padding is taken off");

    in = test_ecb_seal(cf, "0123456789abcdef", "-nopad");
    is_int(in.len, 16, "ecb, no padding");
    is_int(ngx_paygw_ecb_open(cf->pool, &key, &in, &out), NGX_OK, "ecb");
    is_str(&out, "0123456789abcdef", "ecb, no padding, nothing is taken off");

    in = test_ecb_seal(cf, "0123456789abc\\002\\003\\003", "-nopad");
    is_int(ngx_paygw_ecb_open(cf->pool, &key, &in, &out), NGX_OK, "ecb");
    is_int(out.len, 16, "ecb, a wrong padding stays");

    in = test_ecb_seal(cf, "0123456789abcde\\021", "-nopad");
    is_int(ngx_paygw_ecb_open(cf->pool, &key, &in, &out), NGX_OK, "ecb");
    is_int(out.len, 16, "ecb, a padding longer than a block stays");

    in = test_ecb_seal(cf, "hello", "");
    ngx_str_set(&key, "0123456789abcdef0123456789abcdeF");
    is_int(ngx_paygw_ecb_open(cf->pool, &key, &in, &out), NGX_OK,
           "ecb, another key is no error here");
    is_int(out.len, 16, "ecb, another key opens nothing");

    in.len--;
    is_int(ngx_paygw_ecb_open(cf->pool, &key, &in, &out), NGX_ABORT,
           "ecb, not a whole block");
    ok(out.len == 0 && out.data == NULL, "ecb, nothing comes out");

    in.len = 0;
    is_int(ngx_paygw_ecb_open(cf->pool, &key, &in, &out), NGX_ABORT,
           "ecb, nothing");

    in.len = 16;
    key.len--;
    is_int(ngx_paygw_ecb_open(cf->pool, &key, &in, &out), NGX_ERROR,
           "ecb, a key of another length");

    quiet("ecb");

    harness_conf_free(cf);
}


/* in memory of its own length */

static ngx_str_t
test_ecb_seal(ngx_conf_t *cf, const char *text, const char *args)
{
    ngx_str_t  out, sealed;

    out = openssl(cf->pool, "version > /dev/null; printf '%s' | openssl enc "
                  "-aes-256-ecb -K $(printf %s | od -An -v -tx1 | tr -d ' \\n')"
                  " %s -base64 -A", text, TEST_ECB_KEY, args);

    sealed.data = ngx_pnalloc(cf->pool, ngx_base64_decoded_length(out.len));

    if (ngx_decode_base64(&sealed, &out) != NGX_OK) {
        sealed.len = 0;
    }

    return sealed;
}
