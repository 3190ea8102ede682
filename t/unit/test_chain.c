
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_chain.h"
#include "ngx_paygw_sign.h"
#include "ngx_paygw_text.h"


static void test_chain_pem(void);
static void test_chain_good(void);
static void test_chain_time(void);
static void test_chain_refused(void);
static void test_chain_bytes(void);
static void test_chain_kept(void);
static void test_chain_conf(void);
static ngx_paygw_chain_t *test_chain_make(ngx_conf_t *cf, const char *root,
    const char *middle);
static ngx_uint_t test_chain_name(void *data, ngx_str_t *cn);
static ngx_str_t test_chain_der(ngx_pool_t *pool, const char *name);
static ngx_int_t test_chain_key(ngx_paygw_chain_t *chain, ngx_str_t *der,
    time_t now, ngx_paygw_key_t **key);


static const char  *test_chain_err;


void
test_chain(void)
{
    test_chain_pem();
    test_chain_good();
    test_chain_time();
    test_chain_refused();
    test_chain_bytes();
    test_chain_kept();
    test_chain_conf();
}


static void
test_chain_pem(void)
{
    size_t       i;
    ngx_int_t    rc;
    ngx_str_t    text, out;
    ngx_conf_t  *cf;

    static const struct {
        const char  *text;
        const char  *want;
    } t[] = {
        { "-----BEGIN X-----\nQUJD\n-----END X-----", "ABC" },
        { "-----BEGIN X-----\r\nQUJD\r\n-----END X-----\r\n", "ABC" },
        { "-----BEGIN X-----\nQU\nJD\n-----END X-----\n\n", "ABC" },
        { "-----BEGIN X-----QUJD-----END X-----", "ABC" },
        { "-----BEGIN X-----\nQUI=\n-----END X-----", "AB" },

        { "", NULL },
        { "QUJD", NULL },
        { "-----BEGIN X-----", NULL },
        { "-----BEGIN X----", NULL },
        { "-----BEGIN X-----\n-----END X-----", NULL },
        { "-----BEGIN X-----\nQUJD\n", NULL },
        { "-----BEGIN X-----\nQUJD\n-----END X----", NULL },
        { "-----BEGIN X-----\nQUJD\n-----END Y-----", NULL },
        { "-----BEGIN Y-----\nQUJD\n-----END Y-----", NULL },
        { "-----BEGIN XX-----\nQUJD\n-----END XX-----", NULL },
        { "-----BEGIN TRUSTED X-----\nQUJD\n-----END TRUSTED X-----", NULL },
        { " -----BEGIN X-----\nQUJD\n-----END X-----", NULL },
        { "x\n-----BEGIN X-----\nQUJD\n-----END X-----", NULL },
        { "-----BEGIN X-----\nQUJD\n-----END X-----x", NULL },
        { "-----BEGIN X-----\nQUJD\n-----END X----- ", NULL },
        { "-----BEGIN X-----\nQU JD\n-----END X-----", NULL },
        { "-----BEGIN X-----\nQUJ\n-----END X-----", NULL },
        { "-----BEGIN X-----\nQUJ=\n-----END X-----", NULL },
        { "-----BEGIN X-----\nA: b\n\nQUJD\n-----END X-----", NULL },
        { "-----BEGIN X-----\nQU-JD\n-----END X-----", NULL },
        { "-----BEGIN X-----\nQUJD\n-----END X-----\n"
          "-----BEGIN X-----\nQUJD\n-----END X-----", NULL }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        /* of exactly this length, which a read of more would show */

        text.len = strlen(t[i].text);
        text.data = ngx_pnalloc(cf->pool, text.len);
        ngx_memcpy(text.data, t[i].text, text.len);

        rc = ngx_paygw_pem_decode(cf->pool, &out, &text, "X");

        if (t[i].want == NULL) {
            is_int(rc, NGX_ABORT, "PEM that is none");
            continue;
        }

        is_int(rc, NGX_OK, "PEM");
        is_str(&out, t[i].want, "PEM");
    }

    harness_conf_free(cf);
}


static void
test_chain_good(void)
{
    ngx_str_t           der, text, made, sig;
    ngx_conf_t         *cf;
    ngx_paygw_key_t    *key, *again;
    ngx_paygw_chain_t  *chain;

    cf = harness_conf();
    chain = test_chain_make(cf, "root.crt", "middle.crt");

    is_int(ngx_paygw_chain_check(cf, chain), NGX_OK, "pre-flight of a chain");

    der = test_chain_der(cf->pool, "leaf.crt");

    is_int(test_chain_key(chain, &der, ngx_time(), &key), NGX_OK,
           "certificate by way of an intermediate");
    is_str(&key->id, "677872", "its serial in decimal");
    is_int(key->not_after > ngx_time() + 3000 * 86400, 1, "its end");

    is_int(test_chain_key(chain, &der, ngx_time(), &again), NGX_OK, "again");
    is_int(key == again, 1, "it is kept");

    text = harness_str(cf->pool, "the quick brown fox\n");
    made = openssl(cf->pool, "dgst -sha256 -sign rsa.pem unit.in "
                   "| openssl base64 -A");
    (void) ngx_paygw_base64_decode(cf->pool, &sig, &made);

    is_int(ngx_paygw_verify(&ngx_paygw_rsa_sha256, key, &text, 1, &sig,
                            harness_ngx_log()),
           NGX_OK, "its key verifies");

    text.len--;

    is_int(ngx_paygw_verify(&ngx_paygw_rsa_sha256, key, &text, 1, &sig,
                            harness_ngx_log()),
           NGX_DECLINED, "its key refuses");

    der = test_chain_der(cf->pool, "direct.crt");
    is_int(test_chain_key(chain, &der, ngx_time(), &key), NGX_DECLINED,
           "certificate of another name");
    ok(strcmp(test_chain_err, "certificate is of another name") == 0,
       "another name: %s", test_chain_err);

    quiet("chain");

    harness_conf_free(cf);
}


/* the time is looked at whenever a certificate is used, kept or not */

static void
test_chain_time(void)
{
    size_t              i;
    time_t              now;
    ngx_int_t           rc;
    ngx_str_t           der;
    ngx_conf_t         *cf;
    ngx_paygw_key_t    *key;
    ngx_paygw_chain_t  *chain;

    static const struct {
        time_t       days;
        const char  *err;
    } t[] = {
        { 0, NULL },
        { 3999, NULL },
        { 4001, "certificate or its issuer is expired" },
        { 0, NULL },
        { -2, "certificate or its issuer is not yet valid" },
        { 0, NULL }
    };

    cf = harness_conf();
    chain = test_chain_make(cf, "root.crt", "middle.crt");
    der = test_chain_der(cf->pool, "leaf.crt");

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        now = ngx_time() + t[i].days * 24 * 60 * 60;
        rc = test_chain_key(chain, &der, now, &key);

        ok(rc == (t[i].err ? NGX_DECLINED : NGX_OK), "in %ld days",
           (long) t[i].days);
        ok(t[i].err == NULL || strcmp(test_chain_err, t[i].err) == 0,
           "in %ld days: %s", (long) t[i].days, test_chain_err);
    }

    quiet("times");

    harness_conf_free(cf);
}


static void
test_chain_refused(void)
{
    size_t              i;
    ngx_int_t           rc;
    ngx_str_t           der;
    ngx_conf_t         *cf;
    ngx_paygw_key_t    *key;
    ngx_paygw_chain_t  *chain;

    static const char  *t[][2] = {
        { "selfleaf.crt", "certificate is signed by itself" },
        { "rogueleaf.crt", "certificate bears the name of an issuer that did "
                           "not sign it" },
        { "farleaf.crt", "certificate has an issuer that is not configured" },
        { "notcaleaf.crt", "certificate has an issuer that is not "
                           "configured" },
        { "root.crt", "certificate is that of a CA" },
        { "middle.crt", "certificate is that of a CA" },
        { "rogueroot.crt", "certificate is that of a CA" },
        { "smallleaf.crt", "certificate is not of an RSA key of 2048 to 8192 "
                           "bits" },
        { "ecleaf.crt", "certificate is not of an RSA key of 2048 to 8192 "
                        "bits" },
        { "names.crt", "certificate is of another name" },
        { "nameless.crt", "certificate is of another name" },
        { "encipher.crt", "certificate is not one for signatures" },
        { "critical.crt", "certificate has no chain to a configured root" }
    };

    cf = harness_conf();
    chain = test_chain_make(cf, "root.crt", "middle.crt");

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        der = test_chain_der(cf->pool, t[i][0]);
        rc = test_chain_key(chain, &der, ngx_time(), &key);

        ok(rc == NGX_DECLINED, "%s is refused", t[i][0]);
        ok(test_chain_err && strcmp(test_chain_err, t[i][1]) == 0,
           "%s: %s", t[i][0], test_chain_err);
        quiet(t[i][0]);
    }

    /* what comes along is no way to a root: leaf.crt needs middle.crt */

    chain = test_chain_make(cf, "root.crt", NULL);
    der = test_chain_der(cf->pool, "leaf.crt");

    is_int(test_chain_key(chain, &der, ngx_time(), &key), NGX_DECLINED,
           "an intermediate that is not configured");

    chain = test_chain_make(cf, "rogueroot.crt", NULL);
    der = test_chain_der(cf->pool, "kept0.crt");

    is_int(test_chain_key(chain, &der, ngx_time(), &key), NGX_DECLINED,
           "a root of the same name");

    quiet("chain");

    harness_conf_free(cf);
}


/* nothing but one certificate, whole, and not too long */

static void
test_chain_bytes(void)
{
    size_t              len;
    u_char             *p;
    ngx_str_t           der, bad;
    ngx_uint_t          same, taken;
    ngx_conf_t         *cf;
    ngx_paygw_key_t    *key;
    ngx_paygw_chain_t  *chain;

    cf = harness_conf();
    chain = test_chain_make(cf, "root.crt", "middle.crt");
    der = test_chain_der(cf->pool, "leaf.crt");

    is_int(test_chain_key(chain, &der, ngx_time(), &key), NGX_OK, "kept");

    same = 1;

    for (len = 0; len < der.len; len++) {

        bad.len = len;
        bad.data = ngx_pnalloc(cf->pool, len + 1);
        ngx_memcpy(bad.data, der.data, len);

        same &= test_chain_key(chain, &bad, ngx_time(), &key) == NGX_ABORT;
    }

    is_int(same, 1, "a certificate that is cut anywhere");

    p = ngx_pcalloc(cf->pool, 9000);
    ngx_memcpy(p, der.data, der.len);
    bad.data = p;

    bad.len = der.len + 1;
    is_int(test_chain_key(chain, &bad, ngx_time(), &key), NGX_ABORT,
           "a byte behind a certificate");

    bad.len = 9000;
    is_int(test_chain_key(chain, &bad, ngx_time(), &key), NGX_ABORT,
           "a certificate that is too large");
    ok(strcmp(test_chain_err, "certificate is too large") == 0, "too large");

    /* each byte of it is vouched for */

    taken = 0;
    bad.len = der.len;

    for (len = 0; len < der.len; len++) {
        p[len] ^= 1;
        taken += test_chain_key(chain, &bad, ngx_time(), &key) == NGX_OK;
        p[len] ^= 1;
    }

    is_int(taken, 0, "a certificate with a bit changed anywhere");
    quiet("bytes");

    harness_conf_free(cf);
}


/* few are kept, the good ones, and nobody can push them out by bad ones */

static void
test_chain_kept(void)
{
    char                name[16];
    ngx_int_t           i;
    ngx_str_t           der[10], bad[2];
    ngx_uint_t          good;
    ngx_conf_t         *cf;
    ngx_paygw_key_t    *key, *first, *other;
    ngx_paygw_chain_t  *chain, *second;

    cf = harness_conf();
    chain = test_chain_make(cf, "root.crt", NULL);

    first = NULL;

    for (i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "kept%d.crt", (int) i);
        der[i] = test_chain_der(cf->pool, name);
    }

    for (i = 0; i < 8; i++) {
        is_int(test_chain_key(chain, &der[i], ngx_time(), &key), NGX_OK,
               "a certificate among several");

        if (i == 0) {
            first = key;
        }
    }

    bad[0] = test_chain_der(cf->pool, "selfleaf.crt");
    bad[1] = test_chain_der(cf->pool, "smallleaf.crt");

    for (i = 0; i < 40; i++) {
        (void) test_chain_key(chain, &bad[i % 2], ngx_time(), &key);
    }

    is_int(test_chain_key(chain, &der[0], ngx_time(), &key), NGX_OK, "first");
    is_int(key == first, 1, "bad ones push out nothing");
    is_str(&key->id, "20", "first");

    /* the second one is now the oldest; the first one was just used */

    good = 1;

    for (i = 8; i < 10; i++) {
        good &= test_chain_key(chain, &der[i], ngx_time(), &key) == NGX_OK;
        good &= key != first;
    }

    is_int(good, 1, "more than are kept");

    is_int(test_chain_key(chain, &der[0], ngx_time(), &key), NGX_OK, "first");
    is_int(key == first, 1, "the oldest one goes, not the first one");

    for (i = 0, good = 1; i < 100; i++) {
        good &= test_chain_key(chain, &der[i % 10], ngx_time(), &key)
                == NGX_OK;
        good &= key->id.len == 2 && key->id.data[1] == '0' + i % 10;
    }

    is_int(good, 1, "each certificate has its own key, kept or not");

    second = test_chain_make(cf, "farroot.crt", NULL);

    is_int(test_chain_key(second, &der[0], ngx_time(), &other), NGX_DECLINED,
           "what one chain keeps is nothing to another");

    quiet("kept");

    harness_conf_free(cf);
}


static void
test_chain_conf(void)
{
    size_t              i;
    ngx_int_t           rc;
    ngx_str_t           path;
    ngx_conf_t         *cf;
    ngx_paygw_chain_t  *chain;

    static const struct {
        const char  *file;
        ngx_uint_t   root;
        const char  *message;
    } t[] = {
        { "root.crt", 1, NULL },
        { "middle.crt", 0, NULL },
        { "root.crt", 0, "root.crt\" is a root, no other CA" },
        { "leaf.crt", 1, "leaf.crt\" is not that of a CA" },
        { "leaf.crt", 0, "leaf.crt\" is not that of a CA" },
        { "notca.crt", 0, "notca.crt\" is not that of a CA" },
        { "selfleaf.crt", 1, "selfleaf.crt\" is not that of a CA" },
        { "middle.crt", 1, "middle.crt\" is no root, another CA" },
        { "brokensecond.crt", 1, "cannot load certificate" },
        { "none.pem", 1, "it holds no certificate in PEM" },
        { "absent.crt", 0, "absent.crt\" failed (2: " }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        cf = harness_conf();
        chain = ngx_paygw_chain_create(cf, test_chain_name, NULL);
        path = made(cf->pool, t[i].file);

        rc = t[i].root ? ngx_paygw_chain_root(cf, chain, &path)
                       : ngx_paygw_chain_middle(cf, chain, &path);

        ok(rc == (t[i].message ? NGX_ERROR : NGX_OK), "%s as a %s", t[i].file,
           t[i].root ? "root" : "middle");

        if (t[i].message) {
            logged(t[i].message, t[i].file);
        }

        harness_conf_free(cf);
    }

    cf = harness_conf();
    chain = test_chain_make(cf, "farroot.crt", "middle.crt");

    is_int(ngx_paygw_chain_check(cf, chain), NGX_ERROR,
           "an intermediate that leads nowhere");
    logged("intermediate certificate does not chain to the root",
           "an intermediate that leads nowhere");
    quiet("pre-flight");

    harness_conf_free(cf);
}


static ngx_paygw_chain_t *
test_chain_make(ngx_conf_t *cf, const char *root, const char *middle)
{
    ngx_str_t           path;
    ngx_paygw_chain_t  *chain;

    chain = ngx_paygw_chain_create(cf, test_chain_name, NULL);

    path = made(cf->pool, root);
    (void) ngx_paygw_chain_root(cf, chain, &path);

    if (middle) {
        path = made(cf->pool, middle);
        (void) ngx_paygw_chain_middle(cf, chain, &path);
    }

    return chain;
}


static ngx_uint_t
test_chain_name(void *data, ngx_str_t *cn)
{
    return cn->len == 4 && memcmp(cn->data, "Leaf", 4) == 0;
}


static ngx_str_t
test_chain_der(ngx_pool_t *pool, const char *name)
{
    ngx_str_t  text, der;

    text = openssl(pool, "x509 -in %s -outform DER | openssl base64 -A",
                   name);

    ngx_str_null(&der);
    (void) ngx_paygw_base64_decode(pool, &der, &text);

    return der;
}


static ngx_int_t
test_chain_key(ngx_paygw_chain_t *chain, ngx_str_t *der, time_t now,
    ngx_paygw_key_t **key)
{
    test_chain_err = "(none)";

    return ngx_paygw_chain_key(chain, der, now, key, &test_chain_err,
                               harness_ngx_log());
}
