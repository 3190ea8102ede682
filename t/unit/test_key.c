
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"

#include <openssl/evp.h>


typedef ngx_int_t (*test_key_load_pt)(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_key_t *key);

typedef struct {
    const char  *file;
    const char  *message;   /* NULL: accepted, and the same key as rsa.pem */
} test_key_t;


static void test_key_run(const char *kind, test_key_load_pt load,
    const test_key_t *t);
static void test_key_forms(void);
static void test_key_equal(void);
static void test_secret_source(const char *source, const char *want);
static void test_secret_wiped(void);


static const test_key_t  test_private[] = {
    { "rsa.pem", NULL },
    { "rsa1.pem", NULL },
    { "rsa.der", NULL },
    { "rsa1.der", NULL },
    { "rsa.b64", NULL },
    { "rsa1.b64", NULL },
    { "bom.pem", NULL },
    { "crlf.pem", NULL },
    { "mixed.crt", NULL },

    { "open.pem", "open.pem\" is readable by everyone, use \"chmod 600\"" },
    { "enc.pem", "it is encrypted, decrypt it with \"openssl pkey\"" },
    { "enc1.pem", "it is encrypted, decrypt it with \"openssl pkey\"" },
    { "enc.der", "cannot load private key \"" },
    { "small.pem", "small.pem\" has 1024 bits, at least 2048 are needed" },
    { "ec224.pem", "EC key \"" },
    { "ec224.pem", "ec224.pem\" has 224 bits, at least 256 are needed" },
    { "ecexplicit.pem", "on a curve without a name" },
    { "two.pem", "it holds more than one key" },
    { "pub.pem", "it holds a public key" },
    { "pub.der", "it holds a public key" },
    { "pub.b64", "it holds a public key" },
    { "leaf.crt", "it holds a certificate" },
    { "long.der", "cannot load private key \"" },
    { "short.der", "cannot load private key \"" },
    { "broken.pem", "cannot load private key \"" },
    { "brokensecond.pem", "cannot load private key \"" },
    { "thing.pem", "it holds no key" },
    { "none.pem", "it is neither PEM, DER nor base64 of DER" },
    { "empty.pem", "empty.pem\" is empty" },
    { "pipe.pem", "pipe.pem\" is not a regular file" },
    { "huge.pem", "huge.pem\" is too large" },
    { ".", "is not a regular file" },
    { "absent.pem", "absent.pem\" failed (2: No such file or directory)" },
    { NULL, NULL }
};


static const test_key_t  test_public[] = {
    { "pub.pem", NULL },
    { "pub1.pem", NULL },
    { "pub.der", NULL },
    { "pub1.der", NULL },
    { "pub.b64", NULL },

    { "rsa.pem", "it holds a private key, "
                 "the public key of the other side is needed" },
    { "rsa1.pem", "it holds a private key" },
    { "rsa.der", "it holds a private key" },
    { "rsa.b64", "it holds a private key" },
    { "enc.pem", "it holds a private key" },
    { "enc1.pem", "it holds a private key" },
    { "both.pem", "it holds a private key" },
    { "leaf.crt", "it holds a certificate" },
    { "smallpub.pem", "has 1024 bits, at least 2048 are needed" },
    { "ec224pub.pem", "has 224 bits, at least 256 are needed" },
    { "ecexplicitpub.pem", "on a curve without a name" },
    { "ec.der", "it holds a private key" },
    { "ed.pem", "it holds a private key" },
    { "sm2.pem", "it holds a private key" },
    { "twopub.pem", "it holds more than one key" },
    { "brokenpub.pem", "cannot load public key \"" },
    { "none.pem", "it is neither PEM, DER nor base64 of DER" },
    { "absent.pem", "(2: No such file or directory)" },
    { NULL, NULL }
};


void
test_key(void)
{
    test_key_run("private key", ngx_paygw_key_private, test_private);
    test_key_run("public key", ngx_paygw_key_public, test_public);
    test_key_forms();
    test_key_equal();
}


static void
test_key_run(const char *kind, test_key_load_pt load, const test_key_t *t)
{
    ngx_int_t         rc;
    ngx_str_t         path;
    ngx_conf_t       *cf;
    ngx_paygw_key_t   key, want;

    for ( /* void */ ; t->file; t++) {

        cf = harness_conf();
        memset(&key, 0, sizeof(ngx_paygw_key_t));
        memset(&want, 0, sizeof(ngx_paygw_key_t));

        path = made(cf->pool, "rsa.pem");
        (void) ngx_paygw_key_private(cf, &path, &want);

        path = made(cf->pool, t->file);
        rc = load(cf, &path, &key);

        if (t->message) {
            ok(rc == NGX_ERROR, "%s %s is refused", kind, t->file);
            logged(t->message, t->file);

        } else {
            ok(rc == NGX_OK && ngx_paygw_key_equal(&key, &want),
               "%s %s", kind, t->file);
            quiet(t->file);
        }

        harness_conf_free(cf);
    }
}


/* the forms of keys that are not RSA: private key, public key */

static void
test_key_forms(void)
{
    static const char  *files[][2] = {
        { "ec.pem", "ecpub.pem" },
        { "ec.der", "ecpub.pem" },
        { "ed.pem", "edpub.pem" },
        { "sm2.pem", "sm2pub.pem" },
        { "sm2.pem", "sm2pub.der" },
        { "sm2.pem", "sm2pub.b64" },
        { "ecsec1.pem", NULL },
        { "sm2sec1.pem", NULL }
    };

    size_t            i;
    ngx_str_t         path;
    ngx_conf_t       *cf;
    ngx_paygw_key_t   priv, pub;

    cf = harness_conf();

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {

        path = made(cf->pool, files[i][0]);
        is_int(ngx_paygw_key_private(cf, &path, &priv), NGX_OK, files[i][0]);

        if (files[i][1]) {
            path = made(cf->pool, files[i][1]);
            is_int(ngx_paygw_key_public(cf, &path, &pub), NGX_OK,
                   files[i][1]);
            is_int(ngx_paygw_key_equal(&priv, &pub), 1, "the same key");
        }

        quiet(files[i][0]);
    }

    harness_conf_free(cf);
}


static void
test_key_equal(void)
{
    ngx_str_t         path;
    ngx_conf_t       *cf;
    ngx_paygw_key_t   a, b, ec, none;

    cf = harness_conf();

    memset(&none, 0, sizeof(ngx_paygw_key_t));

    path = made(cf->pool, "pub.pem");
    (void) ngx_paygw_key_public(cf, &path, &a);

    path = made(cf->pool, "otherpub.pem");
    (void) ngx_paygw_key_public(cf, &path, &b);

    path = made(cf->pool, "ecpub.pem");
    (void) ngx_paygw_key_public(cf, &path, &ec);

    is_int(ngx_paygw_key_equal(&a, &a), 1, "a key equals itself");
    is_int(ngx_paygw_key_equal(&a, &b), 0, "keys differ");
    is_int(ngx_paygw_key_equal(&a, &ec), 0, "keys of two types differ");
    is_int(ngx_paygw_key_equal(&none, &none), 0, "no key equals nothing");
    quiet("keys compared");

    harness_conf_free(cf);

    /* a name is relative to the configuration's folder */

    cf = harness_conf();

    path = harness_str(cf->pool, "crypto/no.pem");
    is_int(ngx_paygw_key_public(cf, &path, &a), NGX_ERROR, "relative name");
    ok(path.data[0] == '/', "the name is made absolute");
    logged("/crypto/no.pem\" failed", "relative name");

    harness_conf_free(cf);
}


void
test_secret(void)
{
    char  name[NGX_MAX_PATH];

    static const char  *files[][2] = {
        { "secret.raw", "secret" },
        { "secret.lf", "secret" },
        { "secret.crlf", "secret" },
        { "secret.two", "secret\n" },
        { "secret.empty", NULL },
        { "secret.open", NULL }
    };

    static const char  *messages[] = {
        "a secret is empty", "is readable by everyone, use \"chmod 600\""
    };

    size_t       i;
    ngx_str_t    path;
    ngx_conf_t  *cf;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        cf = harness_conf();
        path = made(cf->pool, files[i][0]);
        snprintf(name, sizeof(name), "file:%s", path.data);
        harness_conf_free(cf);

        test_secret_source(name, files[i][1]);

        if (files[i][1]) {
            quiet(files[i][0]);

        } else {
            logged(messages[i - 4], files[i][0]);
        }
    }

    setenv("PAYGW_UNIT", "from env", 1);
    setenv("PAYGW_UNIT_EMPTY", "", 1);
    unsetenv("PAYGW_UNIT_ABSENT");

    test_secret_source("env:PAYGW_UNIT", "from env");
    quiet("env:");
    test_secret_source("env:PAYGW_UNIT_EMPTY", NULL);
    logged("a secret is empty", "env:");
    test_secret_source("env:PAYGW_UNIT_ABSENT", NULL);
    logged("a secret: environment variable \"PAYGW_UNIT_ABSENT\" is not set",
           "env:");
    test_secret_source("env:", NULL);
    logged("is not set", "env:");

    test_secret_source("text:for tests", "for tests");
    logged("[warn]", "text:");
    test_secret_source("text:", NULL);
    logged("a secret is empty", "text:");

    test_secret_source("file:", NULL);
    harness_log_reset();
    test_secret_source("file:absent", NULL);
    logged("absent\" failed (2: No such file or directory)", "file:");

    test_secret_source("hunter2hunter2", NULL);
    ok(strstr(harness_log(), "hunter2") == NULL,
       "a secret without \"text:\" is not logged");
    logged("a secret must be \"file:PATH\", \"env:NAME\" or \"text:VALUE\"",
           "bare");
    test_secret_source("f", NULL);
    harness_log_reset();
    test_secret_source("", NULL);
    harness_log_reset();

    test_secret_wiped();
}


static void
test_secret_source(const char *source, const char *want)
{
    ngx_int_t    rc;
    ngx_str_t    s, secret;
    ngx_conf_t  *cf;

    cf = harness_conf();

    s = harness_str(cf->pool, source);
    rc = ngx_paygw_secret(cf, &s, "a secret", &secret);

    if (want) {
        ok(rc == NGX_OK, "secret %s", source);
        is_str(&secret, want, source);

    } else {
        ok(rc == NGX_ERROR, "secret %s is refused", source);
    }

    harness_conf_free(cf);
}


/* the cleanups are run as nginx runs them, and the pool is still there */

static void
test_secret_wiped(void)
{
    size_t               i;
    u_char               sum;
    ngx_str_t            s, secret;
    ngx_conf_t          *cf;
    ngx_pool_cleanup_t  *cln;

    cf = harness_conf();

    s = harness_str(cf->pool, "text:wipe me");
    (void) ngx_paygw_secret(cf, &s, "a secret", &secret);

    for (cln = cf->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler) {
            cln->handler(cln->data);
        }
    }

    cf->pool->cleanup = NULL;

    for (sum = 0, i = 0; i < secret.len; i++) {
        sum |= secret.data[i];
    }

    ok(secret.len == 7 && sum == 0, "a secret is wiped with its pool");

    harness_conf_free(cf);
    harness_log_reset();
}
