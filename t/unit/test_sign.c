
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_sign.h"


static void test_sign_keys(ngx_conf_t *cf);
static void test_sign_oracle(ngx_conf_t *cf);
static void test_sign_refused(ngx_conf_t *cf);
static void test_sign_preflight(ngx_conf_t *cf);
static void test_sign_types(ngx_conf_t *cf);
static void test_sha256(ngx_conf_t *cf);
static ngx_int_t test_verify(ngx_paygw_key_t *key, ngx_str_t *part,
    ngx_str_t *sig);


static ngx_paygw_key_t  test_priv, test_pub, test_other, test_ec, test_cert_a;


void
test_sign(void)
{
    ngx_conf_t  *cf;

    cf = harness_conf();

    test_sign_keys(cf);
    test_sign_oracle(cf);
    test_sign_refused(cf);
    test_sign_preflight(cf);
    test_sign_types(cf);
    test_sha256(cf);

    harness_conf_free(cf);
}


static void
test_sign_keys(ngx_conf_t *cf)
{
    ngx_int_t  rc;
    ngx_str_t  path;

    path = made(cf->pool, "rsa.pem");
    rc = ngx_paygw_key_private(cf, &path, &test_priv);

    path = made(cf->pool, "pub.pem");
    rc |= ngx_paygw_key_public(cf, &path, &test_pub);

    path = made(cf->pool, "otherpub.pem");
    rc |= ngx_paygw_key_public(cf, &path, &test_other);

    path = made(cf->pool, "ecpub.pem");
    rc |= ngx_paygw_key_public(cf, &path, &test_ec);

    path = made(cf->pool, "leaf.crt");
    rc |= ngx_paygw_key_cert(cf, &path, &test_cert_a);

    is_int(rc, NGX_OK, "keys to sign with");
}


static void
test_sign_oracle(ngx_conf_t *cf)
{
    ngx_str_t  text, sig, b64, want, parts[4];

    ngx_str_set(&text, "the quick brown fox\n");

    is_int(ngx_paygw_sign(&ngx_paygw_rsa_sha256, &test_priv, &text, 1, &sig,
                          cf->pool, cf->log),
           NGX_OK, "sign");

    b64.data = ngx_pnalloc(cf->pool, 512);
    ngx_encode_base64(&b64, &sig);
    b64.data[b64.len] = '\0';

    want = openssl(cf->pool, "dgst -sha256 -sign rsa.pem unit.in "
                   "| openssl base64 -A");

    is_str(&want, (char *) b64.data,
           "the signature is that of the openssl command");

    /* in parts, of which one is empty */

    ngx_str_set(&parts[0], "the ");
    ngx_str_null(&parts[1]);
    ngx_str_set(&parts[2], "quick brown fo");
    ngx_str_set(&parts[3], "x\n");

    is_int(ngx_paygw_verify(&ngx_paygw_rsa_sha256, &test_pub, parts, 4, &sig,
                            cf->log),
           NGX_OK, "verify in parts");
    is_int(test_verify(&test_pub, &text, &sig), NGX_OK, "verify again");
    is_int(test_verify(&test_cert_a, &text, &sig), NGX_OK,
           "verify with a certificate");
    quiet("verify");
}


static void
test_sign_refused(ngx_conf_t *cf)
{
    size_t     i, accepted;
    ngx_str_t  text, sig, bad;

    ngx_str_set(&text, "paid 100");

    (void) ngx_paygw_sign(&ngx_paygw_rsa_sha256, &test_priv, &text, 1, &sig,
                          cf->pool, cf->log);

    ngx_str_set(&bad, "paid 101");

    is_int(test_verify(&test_pub, &bad, &sig), NGX_DECLINED, "another text");
    quiet("another text");

    bad.data = text.data;
    bad.len = 0;

    is_int(test_verify(&test_pub, &bad, &sig), NGX_DECLINED, "no text");
    is_int(ngx_paygw_verify(&ngx_paygw_rsa_sha256, &test_pub, NULL, 0, &sig,
                            cf->log),
           NGX_DECLINED, "no parts");
    is_int(test_verify(&test_other, &text, &sig), NGX_DECLINED,
           "another key");
    quiet("another key");

    /* every bit of a byte here and there, every byte with one bit */

    accepted = 0;

    for (i = 0; i < sig.len; i++) {
        sig.data[i] ^= 1 << (i % 8);
        accepted += test_verify(&test_pub, &text, &sig) != NGX_DECLINED;
        sig.data[i] ^= 1 << (i % 8);
    }

    is_int(accepted, 0, "a flipped bit in each byte of the signature");
    quiet("flipped bits");

    is_int(test_verify(&test_pub, &text, &sig), NGX_OK,
           "the genuine one after that");

    /* lengths */

    bad.data = ngx_pcalloc(cf->pool, sig.len + 1);
    memcpy(bad.data, sig.data, sig.len);

    for (bad.len = 0; bad.len <= sig.len + 1; bad.len++) {

        if (bad.len != sig.len
            && test_verify(&test_pub, &text, &bad) != NGX_DECLINED)
        {
            break;
        }
    }

    is_int(bad.len, sig.len + 2, "a signature of every other length");

    ngx_str_null(&bad);
    is_int(test_verify(&test_pub, &text, &bad), NGX_DECLINED,
           "no signature");

    bad.data = ngx_pcalloc(cf->pool, sig.len);
    bad.len = sig.len;
    is_int(test_verify(&test_pub, &text, &bad), NGX_DECLINED, "all zero");

    memset(bad.data, 0xff, bad.len);
    is_int(test_verify(&test_pub, &text, &bad), NGX_DECLINED, "all one");
    quiet("all one");

    /* the same text and key under SHA-1: the scheme is not the sender's */

    bad = openssl(cf->pool, "version >/dev/null; printf 'paid 100' "
                  "| openssl dgst -sha1 -sign rsa.pem | openssl base64 -A");
    sig.data = ngx_pnalloc(cf->pool, bad.len);
    ngx_decode_base64(&sig, &bad);
    is_int(sig.len, 256, "a signature with SHA-1");
    is_int(test_verify(&test_pub, &text, &sig), NGX_DECLINED, "SHA-1");

    bad = openssl(cf->pool, "version >/dev/null; printf 'paid 100' "
                  "| openssl dgst -sha256 -sigopt rsa_padding_mode:pss "
                  "-sign rsa.pem | openssl base64 -A");
    ngx_decode_base64(&sig, &bad);
    is_int(sig.len, 256, "a signature with PSS");
    is_int(test_verify(&test_pub, &text, &sig), NGX_DECLINED, "PSS");
    quiet("other schemes");
}


static void
test_sign_preflight(ngx_conf_t *cf)
{
    is_int(ngx_paygw_sign_round(&ngx_paygw_rsa_sha256, &test_priv, NULL,
                                cf->pool, cf->log),
           NGX_OK, "pre-flight of a key alone");
    is_int(ngx_paygw_sign_round(&ngx_paygw_rsa_sha256, &test_priv, &test_pub,
                                cf->pool, cf->log),
           NGX_OK, "pre-flight of a pair");
    is_int(ngx_paygw_sign_round(&ngx_paygw_rsa_sha256, &test_priv,
                                &test_cert_a, cf->pool, cf->log),
           NGX_OK, "pre-flight of a key and its certificate");
    is_int(ngx_paygw_sign_round(&ngx_paygw_rsa_sha256, &test_priv,
                                &test_other, cf->pool, cf->log),
           NGX_DECLINED, "pre-flight of no pair");
    is_int(ngx_paygw_verify_probe(&ngx_paygw_rsa_sha256, &test_pub, cf->log),
           NGX_OK, "pre-flight of a public key");
    quiet("pre-flight");
}


static void
test_sign_types(ngx_conf_t *cf)
{
    ngx_str_t        text, sig;
    ngx_paygw_key_t  none;

    ngx_str_set(&text, "x");
    ngx_str_set(&sig, "y");
    memset(&none, 0, sizeof(ngx_paygw_key_t));

    is_int(test_verify(&test_ec, &text, &sig), NGX_ERROR,
           "an EC key for an RSA scheme");
    logged("key is of another type than RSA with SHA-256 needs", "EC key");

    is_int(ngx_paygw_verify_probe(&ngx_paygw_rsa_sha256, &test_ec, cf->log),
           NGX_ERROR, "pre-flight of an EC key");
    logged("key is of another type", "EC key");

    is_int(test_verify(&none, &text, &sig), NGX_ERROR, "no key");
    logged("no key is loaded", "no key");

    is_int(ngx_paygw_verify_probe(&ngx_paygw_rsa_sha256, &none, cf->log),
           NGX_ERROR, "pre-flight of no key");
    logged("no key is loaded", "no key");

    is_int(ngx_paygw_sign(&ngx_paygw_rsa_sha256, &none, &text, 1, &sig,
                          cf->pool, cf->log),
           NGX_ERROR, "sign with no key");
    logged("no key is loaded", "no key");

    is_int(ngx_paygw_sign(&ngx_paygw_rsa_sha256, &test_pub, &text, 1, &sig,
                          cf->pool, cf->log),
           NGX_ERROR, "sign with a public key");
    is_int(sig.len, 0, "no signature then");
    harness_log_reset();
}


static void
test_sha256(ngx_conf_t *cf)
{
    size_t     i;
    u_char     md[NGX_PAYGW_SHA256_LEN], hex[2 * NGX_PAYGW_SHA256_LEN];
    u_char     a[16], b[16];
    ngx_str_t  want, got, parts[2];

    want = openssl(cf->pool, "dgst -sha256 -r unit.in | cut -c1-64");

    ngx_str_set(&parts[0], "the quick ");
    ngx_str_set(&parts[1], "brown fox\n");

    for (i = 0; i < 2; i++) {
        is_int(ngx_paygw_sha256(parts, 2, md), NGX_OK, "SHA-256");

        ngx_hex_dump(hex, md, sizeof(md));
        got.data = hex;
        got.len = sizeof(hex);
        is_str(&got, (char *) want.data, "SHA-256");
    }

    is_int(ngx_paygw_sha256(NULL, 0, md), NGX_OK, "SHA-256 of nothing");
    ngx_hex_dump(hex, md, sizeof(md));
    is_str(&got, "e3b0c44298fc1c149afbf4c8996fb924"
           "27ae41e4649b934ca495991b7852b855", "SHA-256 of nothing");

    memset(a, 0, sizeof(a));
    memset(b, 0, sizeof(b));

    ok(ngx_paygw_random(a, sizeof(a)) == NGX_OK
       && ngx_paygw_random(b, sizeof(b)) == NGX_OK
       && memcmp(a, b, sizeof(a)) != 0,
       "random bytes differ");
    quiet("digests");
}


static ngx_int_t
test_verify(ngx_paygw_key_t *key, ngx_str_t *part, ngx_str_t *sig)
{
    return ngx_paygw_verify(&ngx_paygw_rsa_sha256, key, part, 1, sig,
                            harness_ngx_log());
}
