
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_mac.h"


typedef struct {
    const char  *hash;
    const char  *key;        /* in hexadecimal, as is the text */
    const char  *text;
    const char  *mac;
} test_hmac_t;


static void test_hash(ngx_conf_t *cf, const char *name, const char *abc);
static void test_hmac(ngx_conf_t *cf, const test_hmac_t *t);
static void test_equal(void);
static const ngx_paygw_hash_t *test_hash_named(const char *name);


#define REPEAT_4(s)  s s s s
#define AA_131  REPEAT_4(REPEAT_4("aaaaaaaaaaaaaaaa")) "aaaaaa"

/* RFC 2104, appendix; RFC 2202, 3; RFC 4231, 4 */

static const test_hmac_t  test_hmacs[] = {
    { "md5", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
      "9294727a3638bb1c13f48ef8158bfc9d" },
    { "md5", "4a656665",
      "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
      "750c783e6ab0b503eaa86e310a5db738" },
    { "sha1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
      "b617318655057264e28bc0b6fb378c8ef146be00" },
    { "sha256", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
      "4869205468657265",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { "sha512", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
      "4869205468657265",
      "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
      "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854" },
    { "sha256", "4a656665",
      "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { "sha256", AA_131,
      "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a"
      "65204b6579202d2048617368204b6579204669727374",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    { NULL, NULL, NULL, NULL }
};


void
test_mac(void)
{
    size_t              len;
    u_char              out[NGX_PAYGW_HASH_MAX];
    ngx_str_t           name, key, parts[2], got, want;
    ngx_conf_t         *cf;
    const test_hmac_t  *t;

    cf = harness_conf();

    test_hash(cf, "md5", "900150983cd24fb0d6963f7d28e17f72");
    test_hash(cf, "sha1", "a9993e364706816aba3e25717850c26c9cd0d89d");
    test_hash(cf, "sha256",
              "ba7816bf8f01cfea414140de5dae2223"
              "b00361a396177a9cb410ff61f20015ad");
    test_hash(cf, "sha512",
              "ddaf35a193617abacc417349ae204131"
              "12e6fa4e89a97ea20a9eeee64b55d39a"
              "2192992a274fc1a836ba3c23a3feebbd"
              "454d4423643ce80e2a9ac94fa54ca49f");

    /* GB/T 32905, A.1 */

    test_hash(cf, "sm3",
              "66c7f0f462eeedd9d1f2d46bdc10e4e2"
              "4167c4875cf2f7a2297da02b8f4ba8e0");

    for (t = test_hmacs; t->hash; t++) {
        test_hmac(cf, t);
    }

    /* a key with a NUL in it, and SM3, against the openssl command */

    key = hex(cf->pool, "0001ff00");
    ngx_str_set(&parts[0], "the quick ");
    ngx_str_set(&parts[1], "brown fox\n");

    is_int(ngx_paygw_hmac(&ngx_paygw_hash_sm3, &key, parts, 2, out, &len,
                          cf->log),
           NGX_OK, "HMAC with SM3");
    want = openssl(cf->pool, "dgst -sm3 -mac HMAC -macopt hexkey:0001ff00 -r "
                   "unit.in | cut -c1-64");
    got = hexed(cf->pool, out, len);
    is_str(&got, (char *) want.data, "HMAC with SM3");
    quiet("HMAC");

    ngx_str_null(&key);
    is_int(ngx_paygw_hmac(&ngx_paygw_hash_sha256, &key, parts, 2, out, &len,
                          cf->log),
           NGX_ERROR, "HMAC with an empty key");
    logged("sha256 HMAC with an empty key", "HMAC");

    ngx_str_set(&name, "sha25");
    ok(ngx_paygw_hash_find(&name) == NULL, "no such hash");
    ngx_str_set(&name, "SHA256");
    ok(ngx_paygw_hash_find(&name) == NULL, "no such hash");

    test_equal();

    harness_conf_free(cf);
}


static void
test_hash(ngx_conf_t *cf, const char *name, const char *abc)
{
    size_t                   i, len;
    u_char                   out[NGX_PAYGW_HASH_MAX];
    ngx_str_t                got, want, parts[3];
    const ngx_paygw_hash_t  *hash;

    hash = test_hash_named(name);

    ngx_str_set(&parts[0], "a");
    ngx_str_null(&parts[1]);
    ngx_str_set(&parts[2], "bc");

    /* the context is used again, and nothing of it is left */

    for (i = 0; i < 2; i++) {
        is_int(ngx_paygw_hash(hash, parts, 3, out, &len, cf->log), NGX_OK,
               name);
        got = hexed(cf->pool, out, len);
        is_str(&got, abc, name);
    }

    want = openssl(cf->pool, "dgst -%s -r /dev/null | cut -d' ' -f1", name);
    is_int(ngx_paygw_hash(hash, NULL, 0, out, &len, cf->log), NGX_OK, name);
    got = hexed(cf->pool, out, len);
    is_str(&got, (char *) want.data, "the digest of nothing");
    quiet(name);
}


static void
test_hmac(ngx_conf_t *cf, const test_hmac_t *t)
{
    size_t                   len;
    u_char                   out[NGX_PAYGW_HASH_MAX];
    ngx_str_t                key, text, got, parts[3];
    const ngx_paygw_hash_t  *hash;

    hash = test_hash_named(t->hash);
    key = hex(cf->pool, t->key);
    text = hex(cf->pool, t->text);

    parts[0].data = text.data;
    parts[0].len = 3;
    ngx_str_null(&parts[1]);
    parts[2].data = text.data + 3;
    parts[2].len = text.len - 3;

    is_int(ngx_paygw_hmac(hash, &key, parts, 3, out, &len, cf->log), NGX_OK,
           t->hash);
    got = hexed(cf->pool, out, len);
    is_str(&got, t->mac, t->hash);
    quiet("HMAC");
}


static void
test_equal(void)
{
    ngx_str_t  a, b;

    ngx_str_set(&a, "abcd");
    ngx_str_set(&b, "abcd");
    is_int(ngx_paygw_equal(&a, &b), 1, "equal");

    ngx_str_set(&b, "abce");
    is_int(ngx_paygw_equal(&a, &b), 0, "the last byte differs");
    ngx_str_set(&b, "Abcd");
    is_int(ngx_paygw_equal(&a, &b), 0, "the first byte differs");
    ngx_str_set(&b, "abc");
    is_int(ngx_paygw_equal(&a, &b), 0, "a part of it");
    is_int(ngx_paygw_equal(&b, &a), 0, "more than it");

    ngx_str_null(&a);
    is_int(ngx_paygw_equal(&a, &b), 0, "nothing and something");
    ngx_str_null(&b);
    is_int(ngx_paygw_equal(&a, &b), 1, "nothing and nothing");
}


static const ngx_paygw_hash_t *
test_hash_named(const char *name)
{
    ngx_str_t  str;

    str.data = (u_char *) name;
    str.len = ngx_strlen(name);

    return ngx_paygw_hash_find(&str);
}
