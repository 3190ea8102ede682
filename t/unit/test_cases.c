
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_json.h"
#include "ngx_paygw_seal.h"
#include "ngx_paygw_sign.h"


/* The vectors of t/data that are about a code alone: by name, as they are. */


typedef struct {
    const char        *file;
    const char        *kind;
    const char        *dir;
    const char        *key;         /* names of members */
    const char        *cipher;
    const char        *plain;
    ngx_paygw_seal_e   padding;
} test_cases_rsa_t;


static void test_cases_sn(void);
static void test_cases_cert_id(void);
static void test_cases_sn_real(ngx_conf_t *cf, ngx_paygw_json_t *in,
    ngx_str_t *want);
static void test_cases_aes(void);
static void test_cases_rsa(void);
static void test_cases_rsa_file(ngx_conf_t *cf, const test_cases_rsa_t *t);
static void test_cases_requests(void);
static ngx_paygw_json_t *test_cases_file(ngx_conf_t *cf, const char *file);
static ngx_str_t test_cases_text(ngx_conf_t *cf, ngx_paygw_json_t *obj,
    const char *name);
static ngx_str_t test_cases_path(ngx_conf_t *cf, const char *dir,
    ngx_str_t *file);
static ngx_int_t test_cases_key(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_key_t *key);
static int test_cases_same(ngx_str_t *a, ngx_str_t *b);
static int test_cases_kind(ngx_conf_t *cf, ngx_paygw_json_t *v,
    const char *kind);


static const test_cases_rsa_t  test_cases_sealed[] = {
    { "wechat_v3/others.json", "oaep_decrypt", "wechat_v3",
      "private_key_file", "ciphertext", "plaintext", NGX_PAYGW_SEAL_OAEP },
    { "unionpay/crypto.json", "rsa_pkcs1_decrypt", "unionpay",
      "private_key", "cipher_base64", "plain", NGX_PAYGW_SEAL_PKCS1 }
};


void
test_cases(void)
{
    test_cases_sn();
    test_cases_cert_id();
    test_cases_aes();
    test_cases_rsa();
    test_cases_requests();
}


/* Alipay's SN of certificates */

static void
test_cases_sn(void)
{
    ngx_str_t          sn, file, path, name, want;
    ngx_conf_t        *cf;
    ngx_paygw_key_t    cert;
    ngx_paygw_json_t  *v, *in;

    cf = harness_conf();

    for (v = test_cases_file(cf, "alipay/cert_sn.json"); v; v = v->next) {

        name = test_cases_text(cf, v, "name");
        in = ngx_paygw_json_get(v, "inputs");
        want = test_cases_text(cf, ngx_paygw_json_get(v, "expect"), "sn");
        file = test_cases_text(cf, in, "cert");
        path = test_cases_path(cf, "alipay", &file);
        ngx_str_null(&sn);

        if (test_cases_kind(cf, v, "root_cert_sn_known_value")) {
            test_cases_sn_real(cf, in, &want);

        } else if (test_cases_kind(cf, v, "root_cert_sn")) {
            (void) ngx_paygw_cert_root_sn(cf, &path, &sn);
            ok(test_cases_same(&sn, &want), "SN, %s", name.data);

        } else {
            (void) ngx_paygw_key_cert(cf, &path, &cert);
            (void) ngx_paygw_cert_sn(cf, &cert, &sn);
            ok(test_cases_same(&sn, &want), "SN, %s", name.data);
        }

        ran("alipay/cert_sn.json", &name);
    }

    quiet("SN");

    harness_conf_free(cf);
}


/* and UnionPay's certId */

static void
test_cases_cert_id(void)
{
    ngx_str_t          sn, file, path, name, want;
    ngx_conf_t        *cf;
    ngx_paygw_key_t    cert;
    ngx_paygw_json_t  *v;

    cf = harness_conf();

    for (v = test_cases_file(cf, "unionpay/crypto.json"); v; v = v->next) {

        if (!test_cases_kind(cf, v, "cert_id")) {
            continue;
        }

        name = test_cases_text(cf, v, "name");
        want = test_cases_text(cf, ngx_paygw_json_get(v, "expect"), "certId");
        file = test_cases_text(cf, ngx_paygw_json_get(v, "inputs"), "cert");
        path = test_cases_path(cf, "unionpay", &file);

        (void) ngx_paygw_key_cert(cf, &path, &cert);
        ngx_str_null(&sn);
        (void) ngx_paygw_cert_decimal(cf, &cert, &sn);
        ok(test_cases_same(&sn, &want), "certId, %s", name.data);

        ran("unionpay/crypto.json", &name);
    }

    quiet("certId");

    harness_conf_free(cf);
}


/* the file is not ours to have: certificates with its names and serials */

static void
test_cases_sn_real(ngx_conf_t *cf, ngx_paygw_json_t *in, ngx_str_t *want)
{
    char               subject[256], *p, *last, *part;
    ngx_str_t          path, sn;
    ngx_uint_t         n;
    ngx_paygw_json_t  *who;

    (void) openssl(cf->pool, "version > /dev/null; : > vectors.crt");

    n = 0;

    for (who = ngx_paygw_json_get(in, "rsa_issuers_and_serials")->child; who;
         who = who->next)
    {
        /* "CN=...,C=CN|SERIAL": the command has names the other way round */

        part = ngx_pcalloc(cf->pool, who->value.len + 1);
        ngx_memcpy(part, who->value.data, who->value.len);
        p = strchr(part, '|');
        *p++ = '\0';

        subject[0] = '\0';

        while ((last = strrchr(part, ',')) != NULL) {
            strcat(strcat(subject, "/"), last + 1);
            *last = '\0';
        }

        strcat(strcat(subject, "/"), part);

        (void) openssl(cf->pool, "req -x509 -new -key other.pem -days 4000 "
                       "-subj '%s' -set_serial %s >> vectors.crt",
                       subject, p);
        n++;
    }

    is_int(n, 2, "SN, two roots");

    path = made(cf->pool, "vectors.crt");
    ngx_str_null(&sn);
    (void) ngx_paygw_cert_root_sn(cf, &path, &sn);
    ok(test_cases_same(&sn, want), "SN, of the real names and serials");
}


/* Alipay's AES, both ways */

static void
test_cases_aes(void)
{
    ngx_int_t          rc;
    ngx_str_t          name, key, plain, cipher, out, made_of;
    ngx_conf_t        *cf;
    ngx_paygw_json_t  *v, *in, *expect;

    cf = harness_conf();

    for (v = test_cases_file(cf, "alipay/aes.json"); v; v = v->next) {

        name = test_cases_text(cf, v, "name");
        in = ngx_paygw_json_get(v, "inputs");
        expect = ngx_paygw_json_get(v, "expect");

        key = test_cases_text(cf, in, "aes_key_base64");
        key = base64(cf->pool, &key);

        if (test_cases_kind(cf, v, "front_payload_verify")) {
            cipher = test_cases_text(cf, ngx_paygw_json_get(in, "payload"),
                                       "response");
            plain = test_cases_text(cf, expect, "plain");

        } else {
            cipher = test_cases_text(cf, in, "cipher_base64");

            if (cipher.len == 0) {
                cipher = test_cases_text(cf, expect, "cipher_base64");
            }

            plain = test_cases_text(cf, in, "plain");
        }

        cipher = base64(cf->pool, &cipher);
        rc = ngx_paygw_cbc_open(cf->pool, &key, &cipher, &out);

        if (ngx_paygw_json_get(expect, "decrypt") != NULL) {
            is_int(rc, NGX_DECLINED, (char *) name.data);

        } else {
            is_int(rc, NGX_OK, (char *) name.data);
            ok(test_cases_same(&out, &plain), "%s, opened", name.data);

            rc = ngx_paygw_cbc_seal(cf->pool, &key, &plain, &made_of);
            ok(rc == NGX_OK && test_cases_same(&made_of, &cipher),
               "%s, sealed", name.data);
        }

        ran("alipay/aes.json", &name);
    }

    quiet("AES");

    harness_conf_free(cf);
}


/* RSA: values that are encrypted for the merchant */

static void
test_cases_rsa(void)
{
    ngx_uint_t   i;
    ngx_conf_t  *cf;

    cf = harness_conf();

    for (i = 0;
         i < sizeof(test_cases_sealed) / sizeof(test_cases_sealed[0]);
         i++)
    {
        test_cases_rsa_file(cf, &test_cases_sealed[i]);
    }

    harness_conf_free(cf);
}


static void
test_cases_rsa_file(ngx_conf_t *cf, const test_cases_rsa_t *t)
{
    ngx_int_t          rc;
    ngx_str_t          name, path, file, cipher, plain, out;
    ngx_paygw_key_t    key;
    ngx_paygw_json_t  *v, *in;

    for (v = test_cases_file(cf, t->file); v; v = v->next) {

        if (!test_cases_kind(cf, v, t->kind)) {
            continue;
        }

        name = test_cases_text(cf, v, "name");
        in = ngx_paygw_json_get(v, "inputs");
        file = test_cases_text(cf, in, t->key);
        path = test_cases_path(cf, t->dir, &file);
        cipher = test_cases_text(cf, in, t->cipher);
        cipher = base64(cf->pool, &cipher);
        plain = test_cases_text(cf, ngx_paygw_json_get(v, "expect"),
                                  t->plain);

        is_int(test_cases_key(cf, &path, &key), NGX_OK, (char *) name.data);

        ngx_str_null(&out);
        rc = ngx_paygw_unseal(cf->pool, &key, t->padding, &cipher, &out);

        if (plain.len) {
            ok(rc == NGX_OK && test_cases_same(&out, &plain),
               "%s, opened", name.data);

        } else if (t->padding == NGX_PAYGW_SEAL_OAEP) {
            is_int(rc, NGX_DECLINED, (char *) name.data);

        } else {

            /* newer OpenSSL makes random bytes of it: see the header */

            ok(rc == NGX_DECLINED || (rc == NGX_OK && memmem(out.data, out.len,
                                                             "6226", 4)
                                      == NULL),
               "%s, not opened", name.data);
        }

        quiet((char *) name.data);

        ran(t->file, &name);
    }
}


/*
 * What calls are signed with is the same for the same string, whatever time
 * and nonce are: so the signatures of the vectors are made again.
 */

static void
test_cases_requests(void)
{
    ngx_str_t          name, file, path, text, want, out;
    ngx_conf_t        *cf;
    ngx_paygw_key_t    key;
    ngx_paygw_json_t  *v;

    cf = harness_conf();

    for (v = test_cases_file(cf, "wechat_v3/calls.json"); v; v = v->next) {

        if (!test_cases_kind(cf, v, "request_sign")) {
            continue;
        }

        name = test_cases_text(cf, v, "name");
        file = test_cases_text(cf, ngx_paygw_json_get(v, "inputs"),
                                 "private_key_file");
        path = test_cases_path(cf, "wechat_v3", &file);
        text = test_cases_text(cf, v, "string_to_sign");
        want = test_cases_text(cf, v, "signature");
        want = base64(cf->pool, &want);
        ngx_str_null(&out);

        is_int(test_cases_key(cf, &path, &key), NGX_OK, (char *) name.data);
        is_int(ngx_paygw_sign(&ngx_paygw_rsa_sha256, &key, &text, 1, &out,
                              cf->pool, harness_ngx_log()),
               NGX_OK, (char *) name.data);
        ok(test_cases_same(&out, &want), "%s, signature", name.data);

        ran("wechat_v3/calls.json", &name);
    }

    quiet("requests");

    harness_conf_free(cf);
}


/* the first of the vectors, of which each file is a list, or has one */

static ngx_paygw_json_t *
test_cases_file(ngx_conf_t *cf, const char *file)
{
    char              *err;
    ngx_str_t          text;
    ngx_paygw_json_t  *root, *list;

    text = harness_file(cf->pool, file);

    if (ngx_paygw_json_parse(cf->pool, &text, &root, &err) != NGX_OK) {
        ok(0, "%s: %s", file, err);
        return NULL;
    }

    list = ngx_paygw_json_get(root, "vectors");

    return (list ? list : root)->child;
}


/* a string with a NUL behind it; empty if there is none */

static ngx_str_t
test_cases_text(ngx_conf_t *cf, ngx_paygw_json_t *obj, const char *name)
{
    ngx_str_t  s, text;

    if (obj == NULL || ngx_paygw_json_get_string(obj, name, &s) != NGX_OK) {
        ngx_str_null(&s);
    }

    text.len = s.len;
    text.data = ngx_pnalloc(cf->pool, s.len + 1);
    if (text.data == NULL) {
        abort();
    }

    if (s.len) {
        ngx_memcpy(text.data, s.data, s.len);
    }

    text.data[s.len] = '\0';

    return text;
}


/* a file that vectors name, below the folder of their provider */

static ngx_str_t
test_cases_path(ngx_conf_t *cf, const char *dir, ngx_str_t *file)
{
    char  path[NGX_MAX_PATH];

    snprintf(path, sizeof(path), "%s/%s", dir, (char *) file->data);

    return harness_str(cf->pool, path);
}


/* a private key of them, in a file that only we can read */

static ngx_int_t
test_cases_key(ngx_conf_t *cf, ngx_str_t *path, ngx_paygw_key_t *key)
{
    ngx_str_t  pem, copy;

    pem = harness_file(cf->pool, (char *) path->data);

    (void) openssl(cf->pool, "version > /dev/null; umask 077; "
                   "printf '%%s' '%.*s' > vectors.key",
                   (int) pem.len, pem.data);

    copy = made(cf->pool, "vectors.key");

    return ngx_paygw_key_private(cf, &copy, key);
}


static int
test_cases_same(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


static int
test_cases_kind(ngx_conf_t *cf, ngx_paygw_json_t *v, const char *kind)
{
    return strcmp((char *) test_cases_text(cf, v, "kind").data, kind) == 0;
}
