
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"


static void test_cert_load(void);
static void test_cert_refused(void);
static void test_cert_validity(void);
static void test_cert_alipay(void);
static void test_cert_oracle(void);
static void test_cert_root(void);
static void test_cert_chain(void);


void
test_cert(void)
{
    test_cert_load();
    test_cert_refused();
    test_cert_validity();
    test_cert_alipay();
    test_cert_oracle();
    test_cert_root();
    test_cert_chain();
}


static void
test_cert_load(void)
{
    ngx_str_t         path, end;
    ngx_conf_t       *cf;
    ngx_paygw_key_t   cert, key;
    char              line[128], date[64];
    time_t            at;

    cf = harness_conf();

    path = made(cf->pool, "chain.crt");
    is_int(ngx_paygw_key_cert(cf, &path, &cert), NGX_OK, "certificate");
    quiet("certificate");

    is_str(&cert.id, "0A57F0", "serial with its leading zero");

    path = made(cf->pool, "rsa.pem");
    (void) ngx_paygw_key_private(cf, &path, &key);
    is_int(ngx_paygw_key_equal(&cert, &key), 1,
           "the first certificate of the file is taken");

    at = cert.not_after;
    strftime(date, sizeof(date), "%b %e %H:%M:%S %Y GMT", gmtime(&at));
    snprintf(line, sizeof(line), "notAfter=%s", date);
    end = openssl(cf->pool, "x509 -in chain.crt -noout -enddate");
    is_str(&end, line, "the end of its validity");

    at = cert.not_before;
    strftime(date, sizeof(date), "%b %e %H:%M:%S %Y GMT", gmtime(&at));
    snprintf(line, sizeof(line), "notBefore=%s", date);
    end = openssl(cf->pool, "x509 -in chain.crt -noout -startdate");
    is_str(&end, line, "the start of its validity");

    path = made(cf->pool, "mixed.crt");
    is_int(ngx_paygw_key_cert(cf, &path, &cert), NGX_OK,
           "certificate with a key behind it");

    path = made(cf->pool, "encmixed.crt");
    is_int(ngx_paygw_key_cert(cf, &path, &cert), NGX_OK,
           "certificate with an encrypted key before it");
    quiet("certificate");

    harness_conf_free(cf);
}


static void
test_cert_refused(void)
{
    size_t            i;
    ngx_int_t         rc;
    ngx_str_t         path;
    ngx_conf_t       *cf;
    ngx_paygw_key_t   cert;

    static const char  *t[][2] = {
        { "broken.crt", "cannot load certificate \"" },
        { "rsa.pem", "it holds no certificate in PEM" },
        { "none.pem", "it holds no certificate in PEM" },
        { "small.crt", "small.crt\" has 1024 bits, at least 2048" },
        { "empty.pem", "empty.pem\" is empty" },
        { "absent.crt", "absent.crt\" failed (2: " }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        cf = harness_conf();
        path = made(cf->pool, t[i][0]);

        rc = ngx_paygw_key_cert(cf, &path, &cert);

        ok(rc == NGX_ERROR, "certificate %s is refused", t[i][0]);
        logged(t[i][1], t[i][0]);

        harness_conf_free(cf);
    }
}


static void
test_cert_validity(void)
{
    size_t            i;
    ngx_int_t         rc;
    ngx_str_t         path;
    ngx_conf_t       *cf;
    ngx_paygw_key_t   cert;

    static const char  *t[][2] = {
        { "soon.crt", "soon.crt\" ends in " },
        { "ended.crt", "ended.crt\" has ended " },
        { "later.crt", "later.crt\" is not valid yet" }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        cf = harness_conf();
        path = made(cf->pool, t[i][0]);

        rc = ngx_paygw_key_cert(cf, &path, &cert);

        ok(rc == NGX_OK, "certificate %s is taken", t[i][0]);
        ok(strstr(harness_log(), "[warn]") != NULL, "%s: warns", t[i][0]);
        logged(t[i][1], t[i][0]);

        if (i == 1) {
            is_int(cert.not_before, 1577836800, "2020-01-01");
            is_int(cert.not_after, 1609459200, "2021-01-01");
        }

        harness_conf_free(cf);
    }
}


static void
test_cert_alipay(void)
{
    size_t            i;
    ngx_str_t         path, sn;
    ngx_conf_t       *cf;
    ngx_paygw_key_t   cert;

    static const char  *t[][2] = {
        { "crypto/app_cert.crt", "004d65f0efdd136172b8564814b0522e" },
        { "crypto/alipay_cert.crt", "dfcb2ca80ac3fb4f4e0740e78f7de628" },
        { "crypto/alipay_next_cert.crt", "b5413c2f75fbeb7cab594ee56a66c0ea" },
        { "crypto/rogue_cert.crt", "3ad3dc38f0554942dc32e0d951889035" }
    };

    static const char  *up[][2] = {
        { "unionpay/keys/merchant_cert.cer", "68759663125" },
        { "unionpay/keys/up_sign_cert.cer", "69678957876" }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        path = harness_str(cf->pool, t[i][0]);

        is_int(ngx_paygw_key_cert(cf, &path, &cert), NGX_OK, t[i][0]);
        is_int(ngx_paygw_cert_sn(cf, &cert, &sn), NGX_OK, t[i][0]);
        is_str(&sn, t[i][1], t[i][0]);
    }

    for (i = 0; i < sizeof(up) / sizeof(up[0]); i++) {

        path = harness_str(cf->pool, up[i][0]);

        is_int(ngx_paygw_key_cert(cf, &path, &cert), NGX_OK, up[i][0]);
        is_int(ngx_paygw_cert_decimal(cf, &cert, &sn), NGX_OK, up[i][0]);
        is_str(&sn, up[i][1], up[i][0]);
    }

    path = harness_str(cf->pool, "crypto/alipay_root.crt");

    is_int(ngx_paygw_cert_root_sn(cf, &path, &sn), NGX_OK, "root SN");
    is_str(&sn, "7c3357e206ecc0c103a7ef48466e158d_"
           "3cf0a6be7002a559f373e3548cd7add2", "root SN without SM2 and EC");

    path = made(cf->pool, "real.crt");

    is_int(ngx_paygw_cert_root_sn(cf, &path, &sn), NGX_OK, "root SN");
    is_str(&sn, "687b59193f3f462dd5336e5abf83c5d8_"
           "02941eef3187dddf3d3b83462e1dfcf6",
           "root SN of the real issuers and serials");

    quiet("SN");

    harness_conf_free(cf);
}


/* the same by the openssl command */

static void
test_cert_oracle(void)
{
    ngx_str_t         path, sn, want;
    ngx_conf_t       *cf;
    ngx_paygw_key_t   cert;

    cf = harness_conf();

    path = made(cf->pool, "leaf.crt");
    (void) ngx_paygw_key_cert(cf, &path, &cert);
    (void) ngx_paygw_cert_sn(cf, &cert, &sn);

    /* 0x0A57F0 is 677872 */

    want = openssl(cf->pool, "x509 -in leaf.crt -noout -issuer "
                   "-nameopt RFC2253 | sed 's/^issuer= *//' | tr -d '\\n' "
                   "> sn.in; printf 677872 >> sn.in; "
                   "openssl dgst -md5 -r sn.in | cut -c1-32");

    is_str(&sn, (char *) want.data, "SN as the openssl command has it");

    /* names are hashed as UTF-8, not with its bytes escaped */

    path = made(cf->pool, "utf8.crt");
    (void) ngx_paygw_key_cert(cf, &path, &cert);
    (void) ngx_paygw_cert_sn(cf, &cert, &sn);

    want = openssl(cf->pool, "version > /dev/null; "
                   "printf 'CN=\xe6\x94\xaf\xe4\xbb\x98,O=Unit9' "
                   "| openssl dgst -md5 -r | cut -c1-32");

    is_str(&sn, (char *) want.data, "SN of an issuer in Chinese");

    harness_conf_free(cf);
}


static void
test_cert_root(void)
{
    ngx_str_t    path, sn;
    ngx_conf_t  *cf;

    cf = harness_conf();

    path = made(cf->pool, "ec.crt");
    is_int(ngx_paygw_cert_root_sn(cf, &path, &sn), NGX_ERROR,
           "root SN without an RSA signature");
    logged("holds no certificate with an RSA signature", "root SN");

    path = made(cf->pool, "brokensecond.crt");
    is_int(ngx_paygw_cert_root_sn(cf, &path, &sn), NGX_ERROR,
           "root SN of a file that is broken further down");
    logged("cannot load certificate", "root SN");

    path = made(cf->pool, "none.pem");
    is_int(ngx_paygw_cert_root_sn(cf, &path, &sn), NGX_ERROR,
           "root SN of no certificate");
    logged("it holds no certificate in PEM", "root SN");

    harness_conf_free(cf);
}


static void
test_cert_chain(void)
{
    size_t       i;
    ngx_int_t    rc;
    ngx_str_t    path, roots;
    ngx_conf_t  *cf;

    static const struct {
        const char  *file;
        const char  *roots;
        ngx_int_t    rc;
        const char  *message;
    } t[] = {
        { "chain.crt", "root.crt", NGX_OK, NULL },
        { "direct.crt", "root.crt", NGX_OK, NULL },
        { "root.crt", "root.crt", NGX_OK, NULL },
        { "soonfirst.crt", "root.crt", NGX_OK, NULL },
        { "ended.crt", "root.crt", NGX_OK, NULL },

        { "leaf.crt", "root.crt", NGX_DECLINED, NULL },
        { "direct.crt", "farroot.crt", NGX_DECLINED, NULL },

        { "direct.crt", "rogueroot.crt", NGX_ERROR, "does not chain" },
        { "chain.crt", "rogueroot.crt", NGX_ERROR, "does not chain" },
        { "chain.crt", "farroot.crt", NGX_ERROR, "does not chain" },
        { "badchain.crt", "root.crt", NGX_ERROR, "does not chain" },
        { "rogueroot.crt", "root.crt", NGX_ERROR, "does not chain" },
        { "sha1.crt", "root.crt", NGX_ERROR, "does not chain" },
        { "belowsmallchain.crt", "root.crt", NGX_ERROR, "does not chain" },
        { "farroot.crt", "root.crt", NGX_ERROR, "does not chain" },
        { "direct.crt", "brokensecond.crt", NGX_ERROR, "cannot load" },
        { "brokensecond.crt", "root.crt", NGX_ERROR, "cannot load" },
        { "absent.crt", "root.crt", NGX_ERROR, "absent.crt\" failed" },
        { "direct.crt", "absent.crt", NGX_ERROR, "absent.crt\" failed" }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        cf = harness_conf();
        path = made(cf->pool, t[i].file);
        roots = made(cf->pool, t[i].roots);

        rc = ngx_paygw_cert_chain(cf, &path, &roots);

        ok(rc == t[i].rc, "chain of %s to %s", t[i].file, t[i].roots);

        if (t[i].message) {
            logged(t[i].message, t[i].file);

        } else {
            quiet(t[i].file);
        }

        harness_conf_free(cf);
    }

    cf = harness_conf();

    path = harness_str(cf->pool, "crypto/alipay_cert.crt");
    roots = harness_str(cf->pool, "crypto/alipay_root.crt");
    is_int(ngx_paygw_cert_chain(cf, &path, &roots), NGX_OK,
           "chain to a bundle with SM2 and EC roots");

    path = harness_str(cf->pool, "crypto/rogue_cert.crt");
    is_int(ngx_paygw_cert_chain(cf, &path, &roots), NGX_ERROR,
           "chain of a certificate that only names the issuer");
    harness_log_reset();

    harness_conf_free(cf);
}
