
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_form.h"
#include "ngx_paygw_text.h"


/*
 * The first line of the input says how far in it starts:
 *
 *   raw      the body of a callback
 *   signed   a body without "signature" and "signPubKeyCert", which the target
 *            adds
 *   secret   the same with the signature of signMethod 11
 *   cert     a certificate in DER, of a message that is genuine but for it
 */


#define FUZZ_NOW  1795233600   /* 2026-11-21 12:00:00 in GMT+8 */


typedef struct {
    const char  *name;
    void       (*run)(ngx_pool_t *pool, ngx_paygw_notify_t *n,
                      ngx_str_t *input);
} fuzz_mode_t;


static void fuzz_raw(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    ngx_str_t *input);
static void fuzz_signed(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    ngx_str_t *input);
static void fuzz_secret(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    ngx_str_t *input);
static void fuzz_cert(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    ngx_str_t *input);
static ngx_str_t fuzz_pem(ngx_pool_t *pool, ngx_str_t *base64);
static ngx_uint_t fuzz_body(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    ngx_str_t *fields, ngx_str_t *cert, EVP_PKEY *key);
static ngx_uint_t fuzz_method(ngx_paygw_form_t *form, const char *method);
static ngx_str_t fuzz_hash(ngx_pool_t *pool, ngx_str_t *text);
static ngx_str_t fuzz_escape(ngx_pool_t *pool, ngx_str_t *s);


static const fuzz_mode_t  fuzz_modes[] = {
    { "raw", fuzz_raw },
    { "signed", fuzz_signed },
    { "secret", fuzz_secret },
    { "cert", fuzz_cert },
    { NULL, NULL }
};

static ngx_paygw_channel_t  *fuzz_channels[2];
static EVP_PKEY             *fuzz_signer, *fuzz_rogue;
static ngx_str_t             fuzz_good;

static const char  *fuzz_cert_mode[] = {
    "merId 777290058110097",
    "root_cert unionpay/keys/up_root.cer",
    "middle_cert unionpay/keys/up_middle.cer",
    NULL
};

static const char  *fuzz_secret_mode[] = {
    "merId 777290058110048",
    "signMethod 11",
    "secure_key text:979da4cfccbae7923641daa5dd7047c2",
    NULL
};

static ngx_str_t  fuzz_genuine_fields = ngx_string(
    "currencyCode=156&encoding=UTF-8&merId=777290058110097&orderId=O1"
    "&queryId=5126112111593012345681&respCode=00&signMethod=01&txnAmt=1"
    "&txnTime=20261121115930&txnType=01&version=5.1.0");


void
fuzz_init(void)
{
    ngx_str_t  text;

    fuzz_channels[0] = harness_channel(fuzz_cf, "unionpay", "up",
                                       fuzz_cert_mode);
    fuzz_channels[1] = harness_channel(fuzz_cf, "unionpay", "upsecret",
                                       fuzz_secret_mode);

    must(fuzz_channels[0] != NULL && fuzz_channels[1] != NULL);

    /* the vectors are from 2025 */

    fuzz_channels[0]->keep = (ngx_msec_t) 1000 * 24 * 60 * 60 * 1000;

    fuzz_signer = fuzz_private("unionpay/keys/up_sign_private.pem");
    fuzz_rogue = fuzz_private("unionpay/keys/rogue_private.pem");

    text = harness_file(fuzz_cf->pool, "unionpay/keys/up_sign_cert.cer");
    text.len--;

    must(ngx_paygw_pem_decode(fuzz_cf->pool, &fuzz_good, &text, "CERTIFICATE")
         == NGX_OK);

    fuzz_good = fuzz_base64(fuzz_cf->pool, &fuzz_good);
    fuzz_good = fuzz_pem(fuzz_cf->pool, &fuzz_good);
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t            mode;
    ngx_paygw_notify_t   n;
    const fuzz_mode_t   *m;

    ngx_memzero(&n, sizeof(ngx_paygw_notify_t));

    n.provider = &ngx_paygw_unionpay;
    n.channels = fuzz_channels;
    n.nchannels = 2;
    ngx_str_set(&n.msg.method, "POST");
    ngx_str_set(&n.msg.target, "/notify");
    n.msg.now = FUZZ_NOW;

    mode = fuzz_line(pool, input);

    for (m = fuzz_modes; m->name; m++) {
        if (mode.len == strlen(m->name)
            && ngx_memcmp(mode.data, m->name, mode.len) == 0)
        {
            m->run(pool, &n, input);
        }
    }
}


static void
fuzz_raw(ngx_pool_t *pool, ngx_paygw_notify_t *n, ngx_str_t *input)
{
    n->msg.body = fuzz_copy(pool, input);

    (void) fuzz_notify(pool, n);
}


static void
fuzz_signed(ngx_pool_t *pool, ngx_paygw_notify_t *n, ngx_str_t *input)
{
    char              *err;
    ngx_str_t          body;
    ngx_paygw_form_t   form;

    if (!fuzz_body(pool, n, input, &fuzz_good, fuzz_signer)) {
        return;
    }

    (void) fuzz_notify(pool, n);

    /* a genuine signature is never called a forged one, nor its key unknown */

    body = fuzz_copy(pool, input);

    must((n->reason != NGX_PAYGW_REASON_SIGNATURE
          && n->reason != NGX_PAYGW_REASON_UNKNOWN_KEY)
         || ngx_paygw_form_parse(pool, &body, &form, &err) != NGX_OK
         || !fuzz_method(&form, "01"));
}


static void
fuzz_secret(ngx_pool_t *pool, ngx_paygw_notify_t *n, ngx_str_t *input)
{
    char              *err;
    ngx_str_t          body, text, part, hash, name;
    ngx_paygw_form_t   form;

    static const char  *none[] = { NULL };

    body = fuzz_copy(pool, input);

    if (ngx_paygw_form_parse(pool, &body, &form, &err) != NGX_OK
        || ngx_paygw_form_get(&form, "signature")
        || ngx_paygw_form_canonical(pool, &form, none, 0, &text) != NGX_OK)
    {
        return;
    }

    ngx_str_set(&part, "979da4cfccbae7923641daa5dd7047c2");
    hash = fuzz_hash(pool, &part);
    ngx_str_set(&part, "&");
    text = fuzz_join(pool, &text, &part, &hash, NULL);
    hash = fuzz_hash(pool, &text);
    ngx_str_set(&name, "&signature=");

    n->msg.body = fuzz_join(pool, input, &name, &hash, NULL);

    (void) fuzz_notify(pool, n);

    must(n->reason != NGX_PAYGW_REASON_SIGNATURE
         || !fuzz_method(&form, "11"));
}


/* whatever certificate a forger brings along */

static void
fuzz_cert(ngx_pool_t *pool, ngx_paygw_notify_t *n, ngx_str_t *input)
{
    ngx_str_t  cert;

    cert = fuzz_copy(pool, input);
    cert = fuzz_base64(pool, &cert);
    cert = fuzz_pem(pool, &cert);

    if (!fuzz_body(pool, n, &fuzz_genuine_fields, &cert, fuzz_rogue)) {
        return;
    }

    must(fuzz_notify(pool, n) == NGX_DECLINED);
    must(n->reason == NGX_PAYGW_REASON_UNKNOWN_KEY
         || n->reason == NGX_PAYGW_REASON_SIGNATURE);
}


static ngx_str_t
fuzz_pem(ngx_pool_t *pool, ngx_str_t *base64)
{
    ngx_str_t  head, tail;

    ngx_str_set(&head, "-----BEGIN CERTIFICATE-----\r\n");
    ngx_str_set(&tail, "\r\n-----END CERTIFICATE-----");

    return fuzz_join(pool, &head, base64, &tail, NULL);
}


/* 0 if there is none to be made of these fields */

static ngx_uint_t
fuzz_body(ngx_pool_t *pool, ngx_paygw_notify_t *n, ngx_str_t *fields,
    ngx_str_t *cert, EVP_PKEY *key)
{
    char              *err;
    ngx_str_t          part, name, escaped, whole, body, text, sig;
    ngx_paygw_form_t   form;

    static const char  *none[] = { NULL };

    ngx_str_set(&part, "&signPubKeyCert=");
    ngx_str_set(&name, "&signature=");

    escaped = fuzz_escape(pool, cert);
    whole = fuzz_join(pool, fields, &part, &escaped, NULL);
    body = fuzz_copy(pool, &whole);

    if (ngx_paygw_form_parse(pool, &body, &form, &err) != NGX_OK
        || ngx_paygw_form_get(&form, "signature")
        || ngx_paygw_form_canonical(pool, &form, none, 0, &text) != NGX_OK)
    {
        return 0;
    }

    text = fuzz_hash(pool, &text);
    sig = fuzz_sign(pool, key, &text);
    sig = fuzz_escape(pool, &sig);

    n->msg.body = fuzz_join(pool, &whole, &name, &sig, NULL);

    return 1;
}


static ngx_uint_t
fuzz_method(ngx_paygw_form_t *form, const char *method)
{
    ngx_str_t  *value;

    value = ngx_paygw_form_get(form, "signMethod");

    return value && value->len == 2
           && ngx_memcmp(value->data, method, 2) == 0;
}


/* SHA-256 in hexadecimal */

static ngx_str_t
fuzz_hash(ngx_pool_t *pool, ngx_str_t *text)
{
    u_char        md[EVP_MAX_MD_SIZE];
    ngx_str_t     out;
    unsigned int  len;

    must(EVP_Digest(text->data, text->len, md, &len, EVP_sha256(), NULL)
         == 1);

    out.data = ngx_pnalloc(pool, 2 * len);
    out.len = ngx_hex_dump(out.data, md, len) - out.data;

    return out;
}


static ngx_str_t
fuzz_escape(ngx_pool_t *pool, ngx_str_t *s)
{
    ngx_str_t  out;

    out.data = ngx_pnalloc(pool, 3 * s->len);
    out.len = (u_char *) ngx_escape_uri(out.data, s->data, s->len,
                                        NGX_ESCAPE_URI_COMPONENT)
              - out.data;

    return out;
}
