
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_later.h"
#include "ngx_paygw_sign.h"

#include <pthread.h>


static void test_later_code(ngx_conf_t *cf);
static void test_later_failed(ngx_conf_t *cf);
static void test_later_other(ngx_conf_t *cf);
static ngx_int_t test_later_build(ngx_conf_t *cf,
    const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key);
static void *test_later_thread(void *data);


static ngx_paygw_key_t  test_priv, test_ec;
static u_char           test_nonce[32];
static ngx_str_t        test_words, test_sig;


void
test_later(void)
{
    ngx_int_t    rc;
    ngx_str_t    path;
    ngx_conf_t  *cf;

    cf = harness_conf();

    path = made(cf->pool, "rsa.pem");
    rc = ngx_paygw_key_private(cf, &path, &test_priv);

    path = made(cf->pool, "ec.pem");
    rc |= ngx_paygw_key_private(cf, &path, &test_ec);

    is_int(rc, NGX_OK, "later: keys");

    test_later_code(cf);
    test_later_failed(cf);
    test_later_other(cf);

    harness_conf_free(cf);
}


/* what is to be signed is random */

static ngx_int_t
test_later_build(ngx_conf_t *cf, const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *key)
{
    if (ngx_paygw_random(test_nonce, sizeof(test_nonce)) != NGX_OK) {
        return NGX_ERROR;
    }

    test_words.data = test_nonce;
    test_words.len = sizeof(test_nonce);

    return ngx_paygw_sign(scheme, key, &test_words, 1, &test_sig, cf->pool,
                          cf->log);
}


static void *
test_later_thread(void *data)
{
    ngx_paygw_job_run(data);

    return NULL;
}


static void
test_later_code(ngx_conf_t *cf)
{
    u_char              first[sizeof(test_nonce)];
    pthread_t           thread;
    ngx_paygw_later_t   later;

    ngx_paygw_later_record(&later, cf->pool);
    is_int(test_later_build(cf, &ngx_paygw_rsa_sha256, &test_priv), NGX_ERROR,
           "later: nothing is signed at first");
    ngx_paygw_later_end();

    ok(later.job != NULL && test_sig.len == 0, "later: there is a job");
    quiet("later: nothing is logged");

    ngx_memcpy(first, test_nonce, sizeof(first));

    ok(pthread_create(&thread, NULL, test_later_thread, later.job) == 0
       && pthread_join(thread, NULL) == 0, "later: a thread signs");

    ngx_paygw_later_replay(&later);
    is_int(test_later_build(cf, &ngx_paygw_rsa_sha256, &test_priv), NGX_OK,
           "later: signed then");
    ngx_paygw_later_end();

    ok(later.used && ngx_memcmp(first, test_nonce, sizeof(first)) == 0,
       "later: what is random is the same");
    is_int(ngx_paygw_verify(&ngx_paygw_rsa_sha256, &test_priv, &test_words, 1,
                            &test_sig, cf->log),
           NGX_OK, "later: the signature is one");

    /* behind it all is as ever */

    is_int(test_later_build(cf, &ngx_paygw_rsa_sha256, &test_priv), NGX_OK,
           "later: over");
    ok(ngx_memcmp(first, test_nonce, sizeof(first)) != 0,
       "later: random again");

    /* a job of another text is of no use: a signature of this one is made */

    ngx_memzero(later.tape.elts, sizeof(first));
    later.used = 0;

    ngx_paygw_later_replay(&later);
    is_int(test_later_build(cf, &ngx_paygw_rsa_sha256, &test_priv), NGX_OK,
           "later: another text");
    ngx_paygw_later_end();

    ok(!later.used
       && ngx_paygw_verify(&ngx_paygw_rsa_sha256, &test_priv, &test_words, 1,
                           &test_sig, cf->log)
          == NGX_OK, "later: another text is signed at once");

    ngx_paygw_job_free(later.job);
}


/* a job that was not run, or failed */

static void
test_later_failed(ngx_conf_t *cf)
{
    ngx_paygw_later_t  later;

    ngx_paygw_later_record(&later, cf->pool);
    (void) test_later_build(cf, &ngx_paygw_rsa_sha256, &test_priv);
    ngx_paygw_later_end();

    ngx_paygw_later_replay(&later);
    is_int(test_later_build(cf, &ngx_paygw_rsa_sha256, &test_priv), NGX_OK,
           "later, not run: signed");
    ngx_paygw_later_end();

    ok(!later.used
       && ngx_paygw_verify(&ngx_paygw_rsa_sha256, &test_priv, &test_words, 1,
                           &test_sig, cf->log)
          == NGX_OK, "later, not run: at once");

    ngx_paygw_job_free(later.job);
}


/* other algorithms cost little */

static void
test_later_other(ngx_conf_t *cf)
{
    ngx_paygw_later_t  later;

    ngx_paygw_later_record(&later, cf->pool);
    is_int(test_later_build(cf, &ngx_paygw_ecdsa_p256, &test_ec), NGX_OK,
           "later, ECDSA: signed at once");
    ngx_paygw_later_end();

    ok(later.job == NULL, "later, ECDSA: no job");
}
