
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_sign.h"


/* how the openssl command signs unit.in, in base64 */

typedef struct {
    const char  *name;
    const char  *key;        /* pairs made by keys.sh: KEY.pem, KEYpub.pem */
    const char  *other;
    const char  *command;
} test_scheme_t;


typedef struct {
    const char  *name;
    const char  *pub;
    const char  *text;       /* in hexadecimal */
    const char  *sig;
} test_vector_t;


static void test_scheme_stranger(const test_scheme_t *t);
static void test_scheme_zero(void);
static void test_scheme_run(const test_scheme_t *t);
static void test_scheme_flips(ngx_conf_t *cf, const char *name,
    const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *pub, ngx_str_t *text,
    ngx_str_t *sig);
static void test_scheme_sign(ngx_conf_t *cf, const char *name,
    const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *priv,
    ngx_paygw_key_t *pub);
static void test_scheme_vector(const test_vector_t *t);
static void test_scheme_types(void);
static void test_scheme_der(void);
static ngx_int_t test_scheme_public(ngx_conf_t *cf, const char *file,
    ngx_paygw_key_t *key);
static const ngx_paygw_scheme_t *test_scheme_named(const char *name);


#define PSS "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:"

static const test_scheme_t  test_schemes[] = {
    { "rsa_sha1", "rsa", "other", "dgst -sha1 -sign rsa.pem unit.in" },
    { "rsa_sha256", "rsa", "other", "dgst -sha256 -sign rsa.pem unit.in" },
    { "rsa_sha512", "rsa", "other", "dgst -sha512 -sign rsa.pem unit.in" },
    { "rsa_pss_sha256", "rsa", "other",
      "dgst -sha256 " PSS "32 -sign rsa.pem unit.in" },
    { "ecdsa_p256", "ec", "otherec", "dgst -sha256 -sign ec.pem unit.in" },
    { "ed25519", "ed", "othered",
      "pkeyutl -sign -rawin -inkey ed.pem -in unit.in" },
    { "sm2_sm3", "sm2", "othersm2",
      "pkeyutl -sign -rawin -digest sm3 -inkey sm2.pem -in unit.in "
      "-pkeyopt distid:1234567812345678" },
    { NULL, NULL, NULL, NULL }
};


/* good signatures of the same key, in another scheme than that of the name */

static const test_scheme_t  test_strangers[] = {
    { "rsa_sha1", "rsa", NULL, "dgst -sha256 -sign rsa.pem unit.in" },
    { "rsa_sha256", "rsa", NULL, "dgst -sha1 -sign rsa.pem unit.in" },
    { "rsa_sha256", "rsa", NULL, "dgst -sha512 -sign rsa.pem unit.in" },
    { "rsa_sha512", "rsa", NULL, "dgst -sha256 -sign rsa.pem unit.in" },
    { "rsa_sha256", "rsa", NULL,
      "dgst -sha256 " PSS "32 -sign rsa.pem unit.in" },
    { "rsa_pss_sha256", "rsa", NULL, "dgst -sha256 -sign rsa.pem unit.in" },
    { "rsa_pss_sha256", "rsa", NULL,
      "dgst -sha256 " PSS "20 -sign rsa.pem unit.in" },
    { "rsa_pss_sha256", "rsa", NULL,
      "dgst -sha256 " PSS "-2 -sign rsa.pem unit.in" },
    { "rsa_pss_sha256", "rsa", NULL,
      "dgst -sha256 " PSS "32 -sigopt rsa_mgf1_md:sha1 -sign rsa.pem "
      "unit.in" },
    { "ecdsa_p256", "ec", NULL, "dgst -sha1 -sign ec.pem unit.in" },
    { "sm2_sm3", "sm2", NULL,
      "pkeyutl -sign -rawin -digest sm3 -inkey sm2.pem -in unit.in "
      "-pkeyopt distid:1234567812345670" },
    { "sm2_sm3", "sm2", NULL,
      "pkeyutl -sign -rawin -digest sm3 -inkey sm2.pem -in unit.in "
      "-pkeyopt distid:" },
    { NULL, NULL, NULL, NULL }
};


/* RFC 8032, 7.1; RFC 6979, A.2.5; GB/T 32918.5, A.2 */

static const test_vector_t  test_vectors[] = {
    { "ed25519", "rfc8032a.der", "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
    { "ed25519", "rfc8032b.der", "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
    { "ed25519", "rfc8032c.der", "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
      "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
    { "ecdsa_p256_raw", "rfc6979.der", "73616d706c65",
      "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
      "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8" },
    { "ecdsa_p256_raw", "rfc6979.der", "74657374",
      "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
      "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083" },
    { "sm2_sm3", "gbt32918.der", "6d65737361676520646967657374",
      "3046"
      "022100f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
      "022100b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1"
      "aa" },
    { NULL, NULL, NULL, NULL }
};


/* what a strict reader of DER must not take: r and s of 1 are written around */

static const char  *test_der_bad[] = {
    "", "30", "3000", "300602010102", "30060201010201",
    "300602010102010100",      /* behind the end */
    "300702010102010100",      /* in the sequence, behind s */
    "308106020101020101",      /* a length in two bytes */
    "3080020101020101" "0000", /* BER: an indefinite length */
    "3106020101020101",        /* a set */
    "3006030101020101",        /* r is a bit string */
    "3006020101040101",        /* s is an octet string */
    "30050200020101",          /* r of no byte */
    "3006020181020101",        /* r is negative */
    "300702020001020101",      /* r with a zero too much */
    "3006020101020201",        /* s ends behind the end */
    "3003020101",              /* r alone */
    "302602210001010101010101010101010101010101010101010101010101010101010101"
    "0101020101",              /* r of 33 bytes */
    NULL
};


void
test_scheme(void)
{
    ngx_str_t             name;
    const test_scheme_t  *t;
    const test_vector_t  *v;

    for (t = test_schemes; t->name; t++) {
        test_scheme_run(t);
    }

    for (t = test_strangers; t->name; t++) {
        test_scheme_stranger(t);
    }

    for (v = test_vectors; v->name; v++) {
        test_scheme_vector(v);
    }

    ok(test_scheme_named("ecdsa_p256_raw") == &ngx_paygw_ecdsa_p256_raw,
       "a scheme by its name");

    ngx_str_set(&name, "rsa_sha25");
    ok(ngx_paygw_scheme_find(&name) == NULL, "no such scheme");
    ngx_str_set(&name, "rsa_sha2560");
    ok(ngx_paygw_scheme_find(&name) == NULL, "no such scheme");
    ngx_str_set(&name, "");
    ok(ngx_paygw_scheme_find(&name) == NULL, "no name is no scheme");

    test_scheme_zero();
    test_scheme_types();
    test_scheme_der();
}


static void
test_scheme_stranger(const test_scheme_t *t)
{
    ngx_str_t        text, b64, sig;
    ngx_conf_t      *cf;
    ngx_paygw_key_t  pub;
    char             file[64];

    cf = harness_conf();

    snprintf(file, sizeof(file), "%spub.pem",
             ngx_strcmp(t->key, "rsa") == 0 ? "" : t->key);
    (void) test_scheme_public(cf, file, &pub);

    b64 = openssl(cf->pool, "%s | openssl base64 -A", t->command);
    sig = base64(cf->pool, &b64);
    ok(sig.len != 0, "the openssl command signs: %s", t->command);

    ngx_str_set(&text, "the quick brown fox\n");

    is_int(ngx_paygw_verify(test_scheme_named(t->name), &pub, &text, 1, &sig,
                            cf->log),
           NGX_DECLINED, t->name);
    quiet(t->name);

    harness_conf_free(cf);
}


/* a signature whose first byte is 0 is not to be taken without it */

static void
test_scheme_zero(void)
{
    size_t            i;
    ngx_str_t         path, text, sig;
    ngx_conf_t       *cf;
    ngx_paygw_key_t   priv;

    cf = harness_conf();

    path = made(cf->pool, "rsa.pem");
    (void) ngx_paygw_key_private(cf, &path, &priv);

    ngx_str_set(&text, "x");

    /* PSS is another one each time */

    for (i = 0; i < 20000; i++) {
        (void) ngx_paygw_sign(&ngx_paygw_rsa_pss_sha256, &priv, &text, 1,
                              &sig, cf->pool, cf->log);

        if (sig.data[0] == 0) {
            break;
        }

        ngx_pfree(cf->pool, sig.data);
    }

    is_int(ngx_paygw_verify(&ngx_paygw_rsa_pss_sha256, &priv, &text, 1, &sig,
                            cf->log),
           NGX_OK, "a signature that begins with 0");

    sig.data++;
    sig.len--;

    is_int(ngx_paygw_verify(&ngx_paygw_rsa_pss_sha256, &priv, &text, 1, &sig,
                            cf->log),
           NGX_DECLINED, "the same without it");
    quiet("a signature that begins with 0");

    harness_conf_free(cf);
}


static void
test_scheme_run(const test_scheme_t *t)
{
    ngx_int_t                  rc;
    ngx_str_t                  path, text, b64, sig, parts[4];
    ngx_conf_t                *cf;
    ngx_paygw_key_t            priv, pub, other;
    char                       file[64];
    const ngx_paygw_scheme_t  *scheme;

    cf = harness_conf();
    scheme = test_scheme_named(t->name);

    snprintf(file, sizeof(file), "%s.pem", t->key);
    path = made(cf->pool, file);
    rc = ngx_paygw_key_private(cf, &path, &priv);

    snprintf(file, sizeof(file), "%spub.pem",
             ngx_strcmp(t->key, "rsa") == 0 ? "" : t->key);
    rc |= test_scheme_public(cf, file, &pub);

    snprintf(file, sizeof(file), "%spub.pem", t->other);
    rc |= test_scheme_public(cf, file, &other);

    is_int(rc, NGX_OK, t->name);

    b64 = openssl(cf->pool, "%s | openssl base64 -A", t->command);
    sig = base64(cf->pool, &b64);
    ok(sig.len != 0, "%s: the openssl command signs", t->name);

    ngx_str_set(&text, "the quick brown fox\n");
    ngx_str_set(&parts[0], "the ");
    ngx_str_null(&parts[1]);
    ngx_str_set(&parts[2], "quick brown fo");
    ngx_str_set(&parts[3], "x\n");

    /* the context of the key is used again each time */

    is_int(ngx_paygw_verify(scheme, &pub, &text, 1, &sig, cf->log), NGX_OK,
           t->name);
    is_int(ngx_paygw_verify(scheme, &pub, parts, 4, &sig, cf->log), NGX_OK,
           "in parts");
    is_int(ngx_paygw_verify(scheme, &other, &text, 1, &sig, cf->log),
           NGX_DECLINED, "another key");
    is_int(ngx_paygw_verify(scheme, &pub, parts, 3, &sig, cf->log),
           NGX_DECLINED, "another text");
    is_int(ngx_paygw_verify(scheme, &pub, NULL, 0, &sig, cf->log),
           NGX_DECLINED, "no text");
    quiet(t->name);

    test_scheme_flips(cf, t->name, scheme, &pub, &text, &sig);
    test_scheme_sign(cf, t->name, scheme, &priv, &pub);

    is_int(ngx_paygw_sign_round(scheme, &priv, NULL, cf->pool, cf->log),
           NGX_OK, "pre-flight of a key alone");
    is_int(ngx_paygw_sign_round(scheme, &priv, &other, cf->pool, cf->log),
           NGX_DECLINED, "pre-flight of no pair");
    is_int(ngx_paygw_verify_probe(scheme, &pub, cf->log), NGX_OK,
           "pre-flight of a public key");
    quiet(t->name);

    /* r and s as they are, of the same key */

    if (scheme == &ngx_paygw_ecdsa_p256) {
        test_scheme_sign(cf, t->name, &ngx_paygw_ecdsa_p256_raw, &priv, &pub);
        is_int(ngx_paygw_verify_probe(&ngx_paygw_ecdsa_p256_raw, &pub,
                                      cf->log),
               NGX_OK, "pre-flight of r and s");
        is_int(ngx_paygw_verify(&ngx_paygw_ecdsa_p256_raw, &pub, &text, 1,
                                &sig, cf->log),
               NGX_DECLINED, "DER where r and s are expected");
        quiet("r and s");
    }

    harness_conf_free(cf);
}


/* whatever the bytes are, the answer is that the signature is wrong */

static void
test_scheme_flips(ngx_conf_t *cf, const char *name,
    const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *pub, ngx_str_t *text,
    ngx_str_t *sig)
{
    size_t     i, bit, wrong;
    ngx_str_t  bad;

    bad.data = ngx_pnalloc(cf->pool, sig->len + 1);
    ngx_memcpy(bad.data, sig->data, sig->len);
    bad.len = sig->len;

    for (wrong = 0, i = 0; i < 8 * sig->len; i++) {
        bit = 1 << (i % 8);
        bad.data[i / 8] ^= bit;
        wrong += ngx_paygw_verify(scheme, pub, text, 1, &bad, cf->log)
                 != NGX_DECLINED;
        bad.data[i / 8] ^= bit;
    }

    is_int(wrong, 0, "each flipped bit of the signature");

    for (wrong = 0, bad.len = 0; bad.len < sig->len; bad.len++) {
        wrong += ngx_paygw_verify(scheme, pub, text, 1, &bad, cf->log)
                 != NGX_DECLINED;
    }

    is_int(wrong, 0, "each length of the signature");

    bad.len = sig->len + 1;
    bad.data[sig->len] = 0;
    is_int(ngx_paygw_verify(scheme, pub, text, 1, &bad, cf->log),
           NGX_DECLINED, "a byte more");

    bad.len = sig->len;

    for (wrong = 0, i = 0; i < 256; i++) {
        memset(bad.data, (int) i, bad.len);
        wrong += ngx_paygw_verify(scheme, pub, text, 1, &bad, cf->log)
                 != NGX_DECLINED;
    }

    is_int(wrong, 0, "one byte over and over");

    ngx_memcpy(bad.data, text->data, text->len);
    bad.len = text->len;

    for (wrong = 0, i = 0; i < bad.len; i++) {
        bad.data[i] ^= 1;
        wrong += ngx_paygw_verify(scheme, pub, &bad, 1, sig, cf->log)
                 != NGX_DECLINED;
        bad.data[i] ^= 1;
    }

    is_int(wrong, 0, "each byte of the text");
    is_int(ngx_paygw_verify(scheme, pub, &bad, 1, sig, cf->log), NGX_OK,
           "and the right one after all of them");
    quiet(name);
}


/* the openssl command takes what we have signed */

static void
test_scheme_sign(ngx_conf_t *cf, const char *name,
    const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *priv,
    ngx_paygw_key_t *pub)
{
    size_t     i, wrong, sizes[2];
    ngx_str_t  sig, parts[2];

    ngx_str_set(&parts[0], "the quick ");
    ngx_str_set(&parts[1], "brown fox\n");

    sizes[0] = 1000;
    sizes[1] = 0;

    /* often enough to have r and s of all their lengths */

    for (wrong = 0, i = 0; i < 64; i++) {
        wrong += ngx_paygw_sign(scheme, priv, parts, 2, &sig, cf->pool,
                                cf->log)
                 != NGX_OK;
        wrong += ngx_paygw_verify(scheme, pub, parts, 2, &sig, cf->log)
                 != NGX_OK;

        sizes[0] = ngx_min(sizes[0], sig.len);
        sizes[1] = ngx_max(sizes[1], sig.len);
    }

    is_int(wrong, 0, "what was signed is verified");
    quiet(name);

    if (scheme == &ngx_paygw_ecdsa_p256_raw) {
        ok(sizes[0] == 64 && sizes[1] == 64, "r and s are 64 bytes");
    }
}


static void
test_scheme_vector(const test_vector_t *t)
{
    ngx_str_t                  text, sig;
    ngx_conf_t                *cf;
    ngx_paygw_key_t            pub;
    const ngx_paygw_scheme_t  *scheme;

    cf = harness_conf();
    scheme = test_scheme_named(t->name);

    text = hex(cf->pool, t->text);
    sig = hex(cf->pool, t->sig);

    is_int(test_scheme_public(cf, t->pub, &pub), NGX_OK, t->pub);
    is_int(ngx_paygw_verify(scheme, &pub, &text, 1, &sig, cf->log), NGX_OK,
           t->pub);
    quiet(t->pub);

    test_scheme_flips(cf, t->pub, scheme, &pub, &text, &sig);

    harness_conf_free(cf);
}


/* every scheme with the keys of every other, and with curves of none */

static void
test_scheme_types(void)
{
    static const char  *files[] = {
        "pub.pem", "ecpub.pem", "edpub.pem", "sm2pub.pem", "ec384pub.pem",
        "k1pub.pem", "psspub.pem", NULL
    };

    static const char  *names[][2] = {
        { "rsa_sha1", "pub.pem" }, { "rsa_sha256", "pub.pem" },
        { "rsa_sha512", "pub.pem" }, { "rsa_pss_sha256", "pub.pem" },
        { "ecdsa_p256", "ecpub.pem" }, { "ecdsa_p256_raw", "ecpub.pem" },
        { "ed25519", "edpub.pem" }, { "sm2_sm3", "sm2pub.pem" }
    };

    size_t                     i, j;
    ngx_conf_t                *cf;
    ngx_paygw_key_t            pub;
    const ngx_paygw_scheme_t  *scheme;

    cf = harness_conf();

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        scheme = test_scheme_named(names[i][0]);

        for (j = 0; files[j]; j++) {

            is_int(test_scheme_public(cf, files[j], &pub), NGX_OK, files[j]);

            if (ngx_strcmp(files[j], names[i][1]) == 0) {
                is_int(ngx_paygw_verify_probe(scheme, &pub, cf->log), NGX_OK,
                       names[i][0]);
                quiet(names[i][0]);
                continue;
            }

            is_int(ngx_paygw_verify_probe(scheme, &pub, cf->log), NGX_ERROR,
                   names[i][0]);
            logged("key is of another type than ", names[i][0]);
        }
    }

    harness_conf_free(cf);
}


static void
test_scheme_der(void)
{
    ngx_str_t         text, sig;
    ngx_conf_t       *cf;
    const char      **bad;
    ngx_paygw_key_t   pub, sm2;

    cf = harness_conf();

    (void) test_scheme_public(cf, "ecpub.pem", &pub);
    (void) test_scheme_public(cf, "sm2pub.pem", &sm2);

    ngx_str_set(&text, "x");

    for (bad = test_der_bad; *bad; bad++) {
        sig = hex(cf->pool, *bad);
        is_int(ngx_paygw_verify(&ngx_paygw_ecdsa_p256, &pub, &text, 1, &sig,
                                cf->log),
               NGX_DECLINED, *bad);
        is_int(ngx_paygw_verify(&ngx_paygw_sm2_sm3, &sm2, &text, 1, &sig,
                                cf->log),
               NGX_DECLINED, *bad);
    }

    quiet("what is not DER");

    harness_conf_free(cf);
}


static ngx_int_t
test_scheme_public(ngx_conf_t *cf, const char *file, ngx_paygw_key_t *key)
{
    ngx_str_t  path;

    memset(key, 0, sizeof(ngx_paygw_key_t));
    path = made(cf->pool, file);

    return ngx_paygw_key_public(cf, &path, key);
}


static const ngx_paygw_scheme_t *
test_scheme_named(const char *name)
{
    ngx_str_t  str;

    str.data = (u_char *) name;
    str.len = ngx_strlen(name);

    return ngx_paygw_scheme_find(&str);
}
