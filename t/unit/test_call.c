
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_call.h"
#include "ngx_paygw_json.h"


/* The vectors of merchant calls, without a server, and hints. */


typedef struct {
    ngx_paygw_callers_t      callers;
    ngx_paygw_merchant_t     merchant;
    ngx_paygw_caller_t       caller;
    u_char                   allowed[1];
    ngx_paygw_call_t         call;
} test_call_t;


static void test_call_vectors(void);
static void test_call_gateway(ngx_conf_t *cf, ngx_paygw_json_t *v,
    const char *name);
static void test_call_sorted(ngx_conf_t *cf, ngx_paygw_json_t *v,
    const char *name);
static void test_call_foreign(ngx_conf_t *cf, ngx_paygw_json_t *v,
    const char *secret, const char *name);
static void test_call_code(ngx_conf_t *cf, ngx_paygw_json_t *v, ngx_str_t *key,
    const char *name);
static void test_call_aws(ngx_conf_t *cf, ngx_paygw_json_t *v,
    const char *name);
static void test_call_setup(ngx_conf_t *cf, test_call_t *t);
static void test_call_seal(void);
static void test_call_dummy(void);
static void test_call_hmac(void);
static ngx_str_t test_call_text(ngx_paygw_json_t *obj, const char *name);


void
test_call(void)
{
    test_call_vectors();
    test_call_seal();
    test_call_dummy();
    test_call_hmac();
}


static void
test_call_vectors(void)
{
    char              *err, name[128];
    ngx_str_t          text, kind, s, secret;
    ngx_uint_t         n;
    ngx_conf_t        *cf;
    ngx_paygw_json_t  *root, *v;

    cf = harness_conf();
    text = harness_file(cf->pool, "merchant/vectors.json");

    is_int(ngx_paygw_json_parse(cf->pool, &text, &root, &err), NGX_OK,
           "call, vectors");

    n = 0;

    for (v = ngx_paygw_json_get(root, "vectors")->child; v; v = v->next) {

        kind = test_call_text(v, "kind");
        s = test_call_text(v, "name");

        snprintf(name, sizeof(name), "call, %.*s", (int) s.len, s.data);

        if (ngx_strncmp(kind.data, "gateway_default", 15) == 0) {
            test_call_gateway(cf, v, name);

        } else if (ngx_strncmp(kind.data, "sorted_params", 13) == 0) {
            test_call_sorted(cf, v, name);

        } else if (ngx_strncmp(kind.data, "kong", 4) == 0) {
            test_call_foreign(cf, v, "secret", name);

        } else if (ngx_strncmp(kind.data, "apisix", 6) == 0) {
            test_call_foreign(cf, v, "john-secret-key", name);

        } else if (ngx_strncmp(s.data, "rfc9421_payment", s.len) == 0) {
            test_call_foreign(cf, v, "gw_secret_0123456789abcdefghijklmn",
                              name);

        } else if (ngx_strncmp(kind.data, "rfc9421", 7) == 0) {
            secret = test_call_text(ngx_paygw_json_get(v, "inputs"),
                                    "secret_b64");
            secret = base64(cf->pool, &secret);
            test_call_code(cf, v, &secret, name);

        } else if (ngx_strncmp(kind.data, "aws_sigv4", 9) == 0) {
            test_call_aws(cf, v, name);

        } else {
            ok(0, "%s, is of no kind", name);
        }

        ran("merchant/vectors.json", &s);

        n++;
    }

    is_int(n, 32, "call, all vectors");

    harness_conf_free(cf);
}


static void
test_call_gateway(ngx_conf_t *cf, ngx_paygw_json_t *v, const char *name)
{
    int64_t            now;
    ngx_int_t          rc;
    ngx_str_t          body, b64, hash, want, parts[NGX_PAYGW_CALL_PARTS];
    ngx_str_t          reason;
    ngx_uint_t         i, n;
    test_call_t        t;
    ngx_paygw_json_t  *in, *h, *secret;

    static const char  *fields[] = { "X-Key-Id", "X-Timestamp", "X-Nonce",
                                     "X-Signature" };

    test_call_setup(cf, &t);

    in = ngx_paygw_json_get(v, "inputs");
    h = ngx_paygw_json_get(in, "headers");

    for (i = 0; i < 4; i++) {
        t.call.fields[i] = test_call_text(h, fields[i]);
    }

    for (secret = ngx_paygw_json_get(in, "secrets")->child; secret;
         secret = secret->next)
    {
        t.caller.secrets[t.caller.nsecrets] = secret->value;
        (void) ngx_paygw_hmac_key(&t.caller.hmacs[t.caller.nsecrets++],
                                  &secret->value);
    }

    t.callers.nsecrets = t.caller.nsecrets;

    (void) ngx_paygw_json_get_integer(in, "now", &now);

    t.call.now = now;
    t.call.method = test_call_text(in, "method");
    t.call.target = test_call_text(in, "request_target");

    b64 = test_call_text(in, "body_b64");
    ngx_str_null(&body);

    if (b64.len) {
        body.data = ngx_pnalloc(cf->pool, b64.len);
        (void) ngx_decode_base64(&body, &b64);
    }

    (void) ngx_paygw_sha256(&body, 1, t.call.body_sha256);

    rc = ngx_paygw_call_parse(&t.call);

    if (rc == NGX_OK) {
        rc = ngx_paygw_call_clock(&t.call);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_call_verify(&t.call);

        n = ngx_paygw_call_parts(&t.call, parts);
        want = test_call_text(v, "string_to_sign");

        ngx_str_null(&hash);
        hash.data = ngx_pnalloc(cf->pool, 4096);

        for (i = 0; i < n; i++) {
            ngx_memcpy(hash.data + hash.len, parts[i].data, parts[i].len);
            hash.len += parts[i].len;
        }

        ok(hash.len == want.len
           && ngx_memcmp(hash.data, want.data, want.len) == 0,
           "%s, string to sign", name);
    }

    reason = test_call_text(ngx_paygw_json_get(v, "expect"), "reason");

    if (reason.len == 0 || ngx_strncmp(reason.data, "replay", 6) == 0) {
        is_int(rc, NGX_OK, name);

    } else if (ngx_strncmp(reason.data, "header", 6) == 0) {
        is_int(rc, NGX_ABORT, name);

    } else {
        is_int(rc, NGX_DECLINED, name);
        is_int(t.call.reason,
               ngx_strncmp(reason.data, "timestamp", 9) == 0
               ? NGX_PAYGW_REASON_CLOCK : NGX_PAYGW_REASON_SIGNATURE, name);
    }
}


/* one of them is in the order of another gateway, which must not be ours */

static void
test_call_sorted(ngx_conf_t *cf, ngx_paygw_json_t *v, const char *name)
{
    size_t             len;
    u_char             out[NGX_PAYGW_HASH_MAX];
    ngx_str_t          key, want, got, parts[3], sig, order, digest;
    ngx_uint_t         md5;
    ngx_paygw_json_t  *in, *p;
    ngx_paygw_form_t   form;
    char              *err;

    static const char  *skip[] = { "sign", NULL };

    in = ngx_paygw_json_get(v, "inputs");
    key = test_call_text(in, "key");
    order = test_call_text(in, "order");
    digest = test_call_text(in, "digest");
    want = test_call_text(v, "string_to_sign");
    sig = test_call_text(v, "signature");
    md5 = (digest.len == 3);

    form.fields = ngx_palloc(cf->pool, 64 * sizeof(ngx_paygw_field_t));
    form.nfields = 0;

    for (p = ngx_paygw_json_get(in, "params")->child; p; p = p->next) {
        form.fields[form.nfields].name = p->key;
        form.fields[form.nfields++].value = p->value;
    }

    is_int(ngx_paygw_form_sort(&form, &err), NGX_OK, name);
    is_int(ngx_paygw_form_canonical(cf->pool, &form, skip,
                                    NGX_PAYGW_CANON_DROP_EMPTY, &parts[0]),
           NGX_OK, name);

    ngx_str_set(&parts[1], "&key=");
    parts[2] = key;

    if (md5) {
        (void) ngx_paygw_hash(&ngx_paygw_hash_md5, parts, 3, out, &len,
                              harness_ngx_log());
        want.len -= parts[1].len + parts[2].len;

    } else {
        (void) ngx_paygw_hmac(&ngx_paygw_hash_sha256, &key, parts, 1, out,
                              &len, harness_ngx_log());
    }

    got = hexed(cf->pool, out, len);

    if (ngx_strncmp(order.data, "byte order", 10) == 0) {
        ok(parts[0].len == want.len
           && ngx_memcmp(parts[0].data, want.data, want.len) == 0,
           "%s, string to sign", name);
        ok(got.len == sig.len
           && ngx_strncasecmp(got.data, sig.data, sig.len) == 0,
           "%s, digest", name);

    } else {
        ok(got.len == sig.len
           && ngx_strncasecmp(got.data, sig.data, sig.len) != 0,
           "%s, another order is another signature", name);
    }
}


static void
test_call_foreign(ngx_conf_t *cf, ngx_paygw_json_t *v, const char *secret,
    const char *name)
{
    ngx_str_t  key;

    key = harness_str(cf->pool, secret);

    test_call_code(cf, v, &key, name);
}


static void
test_call_code(ngx_conf_t *cf, ngx_paygw_json_t *v, ngx_str_t *key,
    const char *name)
{
    size_t     len;
    u_char     out[NGX_PAYGW_HASH_MAX];
    ngx_str_t  text, sig, want;

    text = test_call_text(v, "string_to_sign");
    sig = test_call_text(v, "signature");
    want = base64(cf->pool, &sig);

    (void) ngx_paygw_hmac(&ngx_paygw_hash_sha256, key, &text, 1, out, &len,
                          harness_ngx_log());

    ok(want.len == len && ngx_memcmp(out, want.data, len) == 0,
       "%s, code", name);
}


/* a key of the key of the key: date, region, service, "aws4_request" */

static void
test_call_aws(ngx_conf_t *cf, ngx_paygw_json_t *v, const char *name)
{
    size_t             len;
    u_char             out[NGX_PAYGW_HASH_MAX], hash[2 * NGX_PAYGW_SHA256_LEN];
    u_char            *p, *end;
    ngx_str_t          key, part, text, sig, got, said;
    ngx_uint_t         i;
    ngx_paygw_json_t  *in;

    in = ngx_paygw_json_get(v, "inputs");
    text = test_call_text(v, "string_to_sign");
    sig = test_call_text(v, "signature");

    part = test_call_text(in, "secret_key");
    key.len = part.len + 4;
    key.data = ngx_pnalloc(cf->pool, key.len);
    ngx_memcpy(ngx_cpymem(key.data, "AWS4", 4), part.data, part.len);

    /* the third line of the text has the four of them */

    p = text.data;

    for (i = 0; i < 2; i++) {
        p = (u_char *) ngx_strchr(p, '\n') + 1;
    }

    for (i = 0; i < 4; i++) {
        end = p + strcspn((char *) p, "/\n");
        part.data = p;
        part.len = end - p;
        p = end + 1;

        (void) ngx_paygw_hmac(&ngx_paygw_hash_sha256, &key, &part, 1, out,
                              &len, harness_ngx_log());
        key.data = ngx_pnalloc(cf->pool, len);
        key.len = len;
        ngx_memcpy(key.data, out, len);
    }

    (void) ngx_paygw_hmac(&ngx_paygw_hash_sha256, &key, &text, 1, out, &len,
                          harness_ngx_log());
    got = hexed(cf->pool, out, len);
    ok(got.len == sig.len && ngx_memcmp(got.data, sig.data, sig.len) == 0,
       "%s, code", name);

    /* and the fourth one the digest of the request */

    part = test_call_text(in, "canonical_request");
    (void) ngx_paygw_sha256(&part, 1, out);
    (void) ngx_hex_dump(hash, out, NGX_PAYGW_SHA256_LEN);
    said.len = sizeof(hash);
    said.data = text.data + text.len - said.len;
    ok(ngx_memcmp(said.data, hash, said.len) == 0, "%s, digest", name);
}


static void
test_call_setup(ngx_conf_t *cf, test_call_t *t)
{
    ngx_memzero(t, sizeof(test_call_t));

    (void) ngx_paygw_callers_init(cf, &t->callers);

    t->merchant.window = 300 * 1000;
    ngx_str_set(&t->merchant.name, "shop");

    ngx_str_set(&t->caller.sn.str, "mch_10001");
    t->caller.sn.node.key = ngx_crc32_long(t->caller.sn.str.data,
                                           t->caller.sn.str.len);
    t->caller.merchant = &t->merchant;

    ngx_rbtree_init(&t->callers.tree, &t->callers.sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_rbtree_insert(&t->callers.tree, &t->caller.sn.node);

    t->allowed[0] = 1;

    t->call.callers = &t->callers;
    t->call.allowed = t->allowed;
    t->call.window = 300 * 1000;
    t->call.pool = cf->pool;
    t->call.log = harness_ngx_log();
}


/* by the openssl command */

static void
test_call_seal(void)
{
    u_char        hex[2 * NGX_PAYGW_SHA256_LEN], sha256[NGX_PAYGW_SHA256_LEN];
    ngx_str_t     time, got, want, body;
    ngx_conf_t   *cf;
    test_call_t   t;

    cf = harness_conf();
    test_call_setup(cf, &t);

    ngx_str_set(&t.caller.secrets[0], "first_secret_0123456789abcdefghijk");
    ngx_str_set(&t.caller.secrets[1], "second_secret_123456789abcdefghijk");
    t.caller.nsecrets = 2;
    (void) ngx_paygw_hmac_key(&t.caller.hmacs[1], &t.caller.secrets[1]);
    t.call.caller = &t.caller;
    t.call.secret = 1;

    ngx_str_set(&t.call.fields[NGX_PAYGW_CALL_NONCE], "nonce-0123456789");
    ngx_str_set(&time, "1730000000");
    ngx_str_set(&body, "hello");

    (void) ngx_paygw_sha256(&body, 1, sha256);

    is_int(ngx_paygw_call_seal(&t.call, 200, &time, sha256, hex), NGX_OK,
           "seal");

    got.data = hex;
    got.len = sizeof(hex);
    want = openssl(cf->pool, "dgst -sha256 -hmac "
                   "second_secret_123456789abcdefghijk -r <<'END'\n"
                   "200\n1730000000\nnonce-0123456789\n"
                   "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362"
                   "938b9824\nEND");

    ok(want.len > got.len && ngx_memcmp(want.data, got.data, got.len) == 0,
       "seal, as openssl");

    harness_conf_free(cf);
}


/* the secret that stands in for one that is not there opens nothing */

static void
test_call_dummy(void)
{
    size_t        len;
    u_char        out[NGX_PAYGW_HASH_MAX];
    ngx_str_t     parts[1], dummy;
    ngx_conf_t   *cf;
    test_call_t   t;

    cf = harness_conf();
    test_call_setup(cf, &t);

    dummy.data = t.callers.dummy;
    dummy.len = sizeof(t.callers.dummy);
    ngx_str_set(&parts[0], "text");

    (void) ngx_paygw_hmac(&ngx_paygw_hash_sha256, &dummy, parts, 1, out, &len,
                          harness_ngx_log());

    t.call.sig.data = out;
    t.call.sig.len = len;

    is_int(ngx_paygw_call_by_secret(&t.call, parts, 1, NULL), 0,
           "dummy, nobody");

    t.call.caller = &t.caller;
    ngx_str_set(&t.caller.secrets[0], "first_secret_0123456789abcdefghijk");
    t.caller.nsecrets = 1;
    t.callers.nsecrets = 2;

    is_int(ngx_paygw_call_by_secret(&t.call, parts, 1, NULL), 0,
           "dummy, the second of one secret");

    t.caller.kind = NGX_PAYGW_CALLER_PUBLIC;

    is_int(ngx_paygw_call_by_secret(&t.call, parts, 1, NULL), 0,
           "dummy, a public key");

    harness_conf_free(cf);
}


/* as OpenSSL's own, for keys around the size of a block */

static void
test_call_hmac(void)
{
    size_t                 len;
    u_char                 bytes[256], want[NGX_PAYGW_HASH_MAX];
    u_char                 out[NGX_PAYGW_SHA256_LEN];
    ngx_str_t              key, parts[3];
    ngx_uint_t             i, same;
    ngx_conf_t            *cf;
    ngx_paygw_hmac_key_t   hmac;

    cf = harness_conf();
    same = 0;

    for (i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (u_char) (i * 7 + 1);
    }

    key.data = bytes;

    for (key.len = 1; key.len < 140; key.len++) {

        for (i = 0; i < 3; i++) {
            parts[i].data = bytes + i;
            parts[i].len = key.len / (i + 1);
        }

        (void) ngx_paygw_hmac(&ngx_paygw_hash_sha256, &key, parts, 3, want,
                              &len, harness_ngx_log());

        same += ngx_paygw_hmac_key(&hmac, &key) == NGX_OK
                && ngx_paygw_hmac_sha256(&hmac, parts, 3, out) == NGX_OK
                && ngx_memcmp(out, want, sizeof(out)) == 0;
    }

    is_int(same, 139, "hmac, as that of OpenSSL");
    is_int(ngx_paygw_hmac_sha256(&hmac, parts, NGX_PAYGW_HMAC_PARTS + 1, out),
           NGX_ERROR, "hmac, too many parts");

    harness_conf_free(cf);
}


static ngx_str_t
test_call_text(ngx_paygw_json_t *obj, const char *name)
{
    ngx_str_t  s;

    if (ngx_paygw_json_get_string(obj, name, &s) != NGX_OK) {
        ngx_str_null(&s);
    }

    return s;
}
