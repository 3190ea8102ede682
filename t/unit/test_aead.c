
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_aead.h"


typedef struct {
    const char  *name;
    const char  *key;     /* all in hexadecimal */
    const char  *nonce;
    const char  *aad;
    const char  *text;
    const char  *sealed;  /* with its tag */
} test_gcm_t;


static ngx_int_t test_gcm(const test_gcm_t *t, ngx_conf_t *cf, ngx_str_t *out);
static ngx_str_t test_unhex(ngx_conf_t *cf, const char *hex);
static void test_gcm_refused(ngx_conf_t *cf);
static void test_gcm_flips(ngx_conf_t *cf);


#define KEY                                                                   \
    "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define NONCE  "cafebabefacedbaddecaf888"
#define AAD    "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define TEXT                                                                  \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"        \
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define SEALED                                                                \
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"        \
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
#define TAG    "76fc6ece0f4e1768cddf8853bb2d551b"
#define ZERO                                                                  \
    "0000000000000000000000000000000000000000000000000000000000000000"


/* cases 13, 14 and 16 of "The Galois/Counter Mode of Operation (GCM)" */

static const test_gcm_t  test_gcm_good[] = {
    { "empty", ZERO, "000000000000000000000000", "", "",
      "530f8afbc74536b9a963b4f1c4cb738b" },
    { "one block", ZERO, "000000000000000000000000", "",
      "00000000000000000000000000000000",
      "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
    { "with additional data", KEY, NONCE, AAD, TEXT, SEALED TAG }
};


void
test_aead(void)
{
    size_t       i, n;
    ngx_str_t    out, want;
    ngx_conf_t  *cf;

    cf = harness_conf();

    /* twice: the context is used again, with other keys and lengths */

    for (n = 0; n < 2; n++) {
        for (i = 0; i < sizeof(test_gcm_good) / sizeof(test_gcm_t); i++) {

            is_int(test_gcm(&test_gcm_good[i], cf, &out), NGX_OK,
                   test_gcm_good[i].name);

            want = test_unhex(cf, test_gcm_good[i].text);

            ok(out.len == want.len
               && memcmp(out.data, want.data, want.len) == 0,
               "GCM %s", test_gcm_good[i].name);
        }
    }

    test_gcm_refused(cf);
    test_gcm_flips(cf);
    quiet("GCM");

    harness_conf_free(cf);
}


static void
test_gcm_refused(ngx_conf_t *cf)
{
    size_t     i;
    ngx_str_t  out;

    static const struct {
        test_gcm_t  t;
        ngx_int_t   rc;
    } t[] = {
        { { "no tag", KEY, NONCE, AAD, "", "" }, NGX_ABORT },
        { { "15 bytes", KEY, NONCE, AAD, "",
            "522dc1f099567d07f47f37a32a8442" }, NGX_ABORT },
        { { "16 bytes", KEY, NONCE, AAD, "", TAG }, NGX_DECLINED },
        { { "D5: no nonce", KEY, "", AAD, "", SEALED TAG }, NGX_ABORT },
        { { "D5: a nonce of 11 bytes", KEY, "cafebabefacedbaddecaf8", AAD, "",
            SEALED TAG }, NGX_ABORT },
        { { "D5: a nonce of 13 bytes", KEY, NONCE "00", AAD, "",
            SEALED TAG }, NGX_ABORT },
        { { "D5: a nonce of 16 bytes", KEY, NONCE "00000000", AAD, "",
            SEALED TAG }, NGX_ABORT },
        { { "a key of 31 bytes", "feffe9928665731c6d6a8f9467308308feffe99286"
            "65731c6d6a8f94673083", NONCE, AAD, "", SEALED TAG },
          NGX_ERROR },
        { { "a key of 16 bytes", "feffe9928665731c6d6a8f9467308308", NONCE,
            AAD, "", SEALED TAG }, NGX_ERROR },
        { { "no additional data", KEY, NONCE, "", "", SEALED TAG },
          NGX_DECLINED },
        { { "more additional data", KEY, NONCE, AAD "00", "", SEALED TAG },
          NGX_DECLINED },
        { { "another key", ZERO, NONCE, AAD, "", SEALED TAG },
          NGX_DECLINED },
        { { "the tag in front", KEY, NONCE, AAD, "", TAG SEALED },
          NGX_DECLINED }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        out.data = (u_char *) "x";
        out.len = 1;

        is_int(test_gcm(&t[i].t, cf, &out), t[i].rc, t[i].t.name);
        ok(out.len == 0 && out.data == NULL, "GCM %s: nothing comes out",
           t[i].t.name);
    }

    is_int(test_gcm(&test_gcm_good[2], cf, &out), NGX_OK,
           "GCM, the genuine one after that");
}


static void
test_gcm_flips(ngx_conf_t *cf)
{
    size_t       i, wrong;
    ngx_pool_t  *pool;
    ngx_str_t    key, nonce, aad, in, out, text, *part[3];
    ngx_uint_t   n;

    key = test_unhex(cf, KEY);
    nonce = test_unhex(cf, NONCE);
    aad = test_unhex(cf, AAD);
    in = test_unhex(cf, SEALED TAG);

    part[0] = &in;
    part[1] = &aad;
    part[2] = &nonce;

    wrong = 0;

    for (n = 0; n < 3; n++) {
        for (i = 0; i < part[n]->len; i++) {
            part[n]->data[i] ^= 1 << (i % 8);

            wrong += ngx_paygw_gcm_open(cf->pool, &key, &nonce, &aad, &in,
                                        &out)
                     != NGX_DECLINED;

            part[n]->data[i] ^= 1 << (i % 8);
        }
    }

    is_int(wrong, 0, "GCM, a flipped bit in each byte");

    /*
     * What OpenSSL wrote before it saw the tag is wiped: it must not be found
     * in the pool, of which each block is a malloc() of its own here.
     */

    text = test_unhex(cf, TEXT);
    pool = ngx_create_pool(1024, cf->log);

    in.data[in.len - 1] ^= 1;

    is_int(ngx_paygw_gcm_open(pool, &key, &nonce, &aad, &in, &out),
           NGX_DECLINED, "GCM, a wrong tag");
    ok(pool->large != NULL && pool->large->next == NULL
       && memcmp(pool->large->alloc, text.data, 8) != 0,
       "GCM, the plaintext of a wrong tag is wiped");

    in.data[in.len - 1] ^= 1;

    is_int(ngx_paygw_gcm_open(pool, &key, &nonce, &aad, &in, &out),
           NGX_OK, "GCM, the right tag");
    ok(memcmp(pool->large->alloc, text.data, 8) == 0,
       "GCM, where a plaintext would be found");

    ngx_destroy_pool(pool);
}


static ngx_int_t
test_gcm(const test_gcm_t *t, ngx_conf_t *cf, ngx_str_t *out)
{
    ngx_str_t  key, nonce, aad, in;

    key = test_unhex(cf, t->key);
    nonce = test_unhex(cf, t->nonce);
    aad = test_unhex(cf, t->aad);
    in = test_unhex(cf, t->sealed);

    return ngx_paygw_gcm_open(cf->pool, &key, &nonce, &aad, &in, out);
}


static ngx_str_t
test_unhex(ngx_conf_t *cf, const char *hex)
{
    size_t     i;
    ngx_str_t  s;

    s.len = strlen(hex) / 2;
    s.data = ngx_pnalloc(cf->pool, s.len);

    for (i = 0; i < s.len; i++) {
        s.data[i] = (u_char) ngx_hextoi((u_char *) hex + 2 * i, 2);
    }

    return s;
}
