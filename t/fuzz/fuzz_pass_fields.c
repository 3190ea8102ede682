
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_form.h"
#include "ngx_paygw_xml.h"


/*
 * Calls of WeChat Pay v2 and of UnionPay, and their answers.  The first line of
 * the input says which, the rest is
 *
 *   v2 raw, bare, file   an answer, of a path whose answers are signed, need
 *                        not be, never are.  What is taken must be genuine by
 *                        OpenSSL's own word, or be said not to be signed
 *   v2 signed            a document, which the target signs
 *   v2 build             path and type, one a line, then a body
 *   up raw, cert         an answer, to a channel with a secret or a certificate
 *   up signed            fields as in an answer, which the target signs
 *   up build             path and type, one a line, then a body
 *   up info              a line that the target encrypts for us, and the text
 *                        of a customerInfo, whose "@" it becomes
 */


#define FUZZ_API_KEY  "192006250b4c09247ec02edce69f6a2d"
#define FUZZ_SECRET   "979da4cfccbae7923641daa5dd7047c2"
#define FUZZ_NOW      1736000000
#define FUZZ_LATER    1795233600   /* the keys are newer than the vectors */

#define FUZZ_V2    0
#define FUZZ_UP    1
#define FUZZ_CERT  2
#define FUZZ_OPEN  3


static void fuzz_v2(ngx_pool_t *pool, ngx_str_t *mode, ngx_str_t *input);
static void fuzz_up(ngx_pool_t *pool, ngx_str_t *mode, ngx_str_t *input);
static void fuzz_info(ngx_pool_t *pool, ngx_paygw_exchange_t *x,
    ngx_str_t *input);
static ngx_str_t fuzz_put(ngx_pool_t *pool, ngx_str_t *text, const char *what,
    ngx_str_t *with);
static void fuzz_opened(ngx_pool_t *pool, ngx_str_t *reply, ngx_str_t *want,
    ngx_str_t *plain);
static void fuzz_call(ngx_pool_t *pool, ngx_paygw_exchange_t *x,
    ngx_str_t *input);
static void fuzz_question(ngx_paygw_exchange_t *x, const char *path,
    const char *type, const char *body);
static void fuzz_v2_genuine(ngx_pool_t *pool, ngx_paygw_exchange_t *x);
static void fuzz_up_genuine(ngx_pool_t *pool, ngx_paygw_exchange_t *x,
    ngx_uint_t cert);


static ngx_paygw_channel_t  *fuzz_channels[4];
static EVP_PKEY             *fuzz_up_key, *fuzz_up_private, *fuzz_own_key;
static ngx_str_t             fuzz_up_cert;

static const char  *fuzz_wechat[] = {
    "appid wxd930ea5d5a258f4f",
    "mchid 10000100",
    "api_key text:" FUZZ_API_KEY,
    "sign_type MD5",
    NULL,    /* merchant_private_key */
    "merchant_certificate unionpay/keys/merchant_cert.cer",
    NULL
};

static const char  *fuzz_secrets[] = {
    "merId 777290058110097",
    "signMethod 11",
    "secure_key text:" FUZZ_SECRET,
    NULL
};

static const char  *fuzz_certs[] = {
    "merId 777290058110097",
    "root_cert unionpay/keys/up_root.cer",
    "middle_cert unionpay/keys/up_middle.cer",
    NULL,    /* merchant_private_key */
    "merchant_certificate unionpay/keys/merchant_cert.cer",
    NULL
};

static const char  *fuzz_opens[] = {
    "merId 777290058110097",
    "root_cert unionpay/keys/up_root.cer",
    "middle_cert unionpay/keys/up_middle.cer",
    NULL,    /* merchant_private_key */
    "merchant_certificate unionpay/keys/merchant_cert.cer",
    "decrypt_fields customerInfo",
    NULL
};


void
fuzz_init(void)
{
    const char  *key;

    key = fuzz_private_line("merchant_private_key",
                            "unionpay/keys/merchant_private.pem");

    fuzz_wechat[4] = key;
    fuzz_certs[3] = key;
    fuzz_opens[3] = key;

    fuzz_channels[FUZZ_V2] = harness_channel(fuzz_cf, "wechat_v2", "wxv2",
                                             fuzz_wechat);
    fuzz_channels[FUZZ_UP] = harness_channel(fuzz_cf, "unionpay", "up",
                                             fuzz_secrets);
    fuzz_channels[FUZZ_CERT] = harness_channel(fuzz_cf, "unionpay", "cert",
                                               fuzz_certs);

    fuzz_channels[FUZZ_OPEN] = harness_channel(fuzz_cf, "unionpay", "open",
                                               fuzz_opens);

    must(fuzz_channels[0] && fuzz_channels[1] && fuzz_channels[2]
         && fuzz_channels[3]);

    (void) unlink(strchr(key, ' ') + 1);

    fuzz_up_key = fuzz_public("unionpay/keys/up_sign_cert.cer");
    fuzz_up_private = fuzz_private("unionpay/keys/up_sign_private.pem");
    fuzz_own_key = fuzz_public("unionpay/keys/merchant_cert.cer");

    fuzz_up_cert = harness_file(fuzz_cf->pool,
                                "unionpay/keys/up_sign_cert.cer");
    fuzz_up_cert.len--;
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t  mode;

    mode = fuzz_line(pool, input);

    if (mode.len < 4) {
        return;
    }

    mode.data += 3;
    mode.len -= 3;

    if (ngx_memcmp(mode.data - 3, "v2 ", 3) == 0) {
        fuzz_v2(pool, &mode, input);

    } else if (ngx_memcmp(mode.data - 3, "up ", 3) == 0) {
        fuzz_up(pool, &mode, input);
    }
}


static void
fuzz_v2(ngx_pool_t *pool, ngx_str_t *mode, ngx_str_t *input)
{
    char                  *err, *path;
    ngx_str_t              body, sign;
    ngx_paygw_form_t       form;
    ngx_paygw_exchange_t   x;

    fuzz_ask(pool, &x, &fuzz_channels[FUZZ_V2], FUZZ_NOW);

    if (fuzz_is(mode, "build")) {
        fuzz_call(pool, &x, input);
        return;
    }

    path = fuzz_is(mode, "bare") ? "/mmpaymkttransfers/gethbinfo"
           : fuzz_is(mode, "file") ? "/pay/downloadbill" : "/pay/orderquery";

    fuzz_question(&x, path, "text/xml", "<xml><out_trade_no>T1</out_trade_no>"
                                        "</xml>");
    body = fuzz_copy(pool, input);

    if (fuzz_is(mode, "signed")) {

        if (ngx_paygw_xml_parse(pool, &body, "xml", &form, &err) != NGX_OK
            || form.nfields == NGX_PAYGW_FORM_MAX_FIELDS)
        {
            return;
        }

        fuzz_fields_without(&form, "sign");
        sign = fuzz_fields_text(pool, &form, FUZZ_API_KEY);
        sign = fuzz_fields_hash(pool, EVP_md5(), &sign, 1);
        must(ngx_paygw_form_add(&form, "sign", &sign) == NGX_OK);
        must(ngx_paygw_xml_write(pool, "xml", &form, &x.n.msg.body)
             == NGX_OK);

        (void) fuzz_check(&x);

        /* a genuine one is never called a forged one */

        must(x.n.reason != NGX_PAYGW_REASON_SIGNATURE);
        return;
    }

    x.n.msg.body = body;

    if (fuzz_check(&x) != NGX_OK) {
        return;
    }

    if (fuzz_is(mode, "file")) {
        must(x.unsigned_reply && x.reply.len == body.len);
        return;
    }

    must(!x.unsigned_reply || fuzz_is(mode, "bare"));

    if (!x.unsigned_reply) {
        fuzz_v2_genuine(pool, &x);
    }
}


static void
fuzz_up(ngx_pool_t *pool, ngx_str_t *mode, ngx_str_t *input)
{
    char                  *err;
    ngx_str_t              body, sign, amp;
    ngx_uint_t             cert;
    ngx_paygw_form_t       form;
    ngx_paygw_exchange_t   x;

    cert = fuzz_is(mode, "cert");

    if (fuzz_is(mode, "info")) {
        fuzz_ask(pool, &x, &fuzz_channels[FUZZ_OPEN], FUZZ_LATER);
        fuzz_info(pool, &x, input);
        return;
    }

    fuzz_ask(pool, &x, &fuzz_channels[cert ? FUZZ_CERT : FUZZ_UP], FUZZ_NOW);

    if (fuzz_is(mode, "build")) {
        fuzz_call(pool, &x, input);
        return;
    }

    fuzz_question(&x, "/gateway/api/cardTransReq.do",
                  "application/x-www-form-urlencoded",
                  "orderId=20250102030405001&txnTime=20250102030405");

    body = fuzz_copy(pool, input);

    if (fuzz_is(mode, "signed")) {

        if (ngx_paygw_form_raw(pool, &body, &form, &err) != NGX_OK) {
            return;
        }

        fuzz_fields_without(&form, "signature");
        body = fuzz_fields_text(pool, &form, NULL);
        sign = fuzz_fields_secret(pool, &body, FUZZ_SECRET);
        ngx_str_set(&amp, "&signature=");

        /* what is read of it is what was signed, or there are two readings */

        x.n.msg.body = fuzz_join(pool, &body, &amp, &sign, NULL);

        if (fuzz_check(&x) == NGX_OK) {
            must(x.reply.len == x.n.msg.body.len
                 && ngx_memcmp(x.reply.data, x.n.msg.body.data, x.reply.len)
                    == 0);
        }

        return;
    }

    x.n.msg.body = body;

    if (fuzz_check(&x) == NGX_OK) {
        must(!x.unsigned_reply);
        fuzz_up_genuine(pool, &x, cert);
    }
}


/* a genuine answer: what is in it is opened, or all of it is as it came */

static void
fuzz_info(ngx_pool_t *pool, ngx_paygw_exchange_t *x, ngx_str_t *input)
{
    size_t         len;
    u_char         buf[512];
    ngx_str_t      plain, text, sealed, info, head, tail, name, sig, want;
    EVP_PKEY_CTX  *ctx;

    plain = fuzz_line(pool, input);
    text = fuzz_copy(pool, input);

    /* no more fits into a key of 2048 bits */

    if (plain.len > 245 || text.len == 0) {
        return;
    }

    len = sizeof(buf);

    ctx = EVP_PKEY_CTX_new(fuzz_own_key, NULL);
    must(ctx && EVP_PKEY_encrypt_init(ctx) == 1
         && EVP_PKEY_encrypt(ctx, buf, &len, plain.data, plain.len) == 1);
    EVP_PKEY_CTX_free(ctx);

    sealed.data = buf;
    sealed.len = len;
    sealed = fuzz_base64(pool, &sealed);

    want = fuzz_put(pool, &text, "encryptedInfo=@", &plain);
    text = fuzz_put(pool, &text, "@", &sealed);
    info = fuzz_base64(pool, &text);

    ngx_str_set(&head, "customerInfo=");
    ngx_str_set(&name, "&encoding=UTF-8&merId=777290058110097"
                       "&orderId=20250102030405001&respCode=00&signMethod=01"
                       "&signPubKeyCert=");
    ngx_str_set(&tail, "&txnTime=20250102030405&version=5.1.0");

    text = fuzz_join(pool, &head, &info, &name, &fuzz_up_cert, &tail, NULL);
    sig = fuzz_fields_hash(pool, EVP_sha256(), &text, 0);
    sig = fuzz_sign(pool, fuzz_up_private, &sig);
    ngx_str_set(&name, "&signature=");

    fuzz_question(x, "/gateway/api/queryTrans.do",
                  "application/x-www-form-urlencoded",
                  "orderId=20250102030405001&txnTime=20250102030405");

    x->n.msg.body = fuzz_join(pool, &text, &name, &sig, NULL);
    sig = fuzz_copy(pool, &x->n.msg.body);

    must(fuzz_check(x) == NGX_OK && !x->unsigned_reply);

    if (x->reply.len == sig.len) {
        must(ngx_memcmp(x->reply.data, sig.data, sig.len) == 0);
        return;
    }

    fuzz_opened(pool, &x->reply, &want, &plain);
}


/* a text in which the first of something is replaced */

static ngx_str_t
fuzz_put(ngx_pool_t *pool, ngx_str_t *text, const char *what, ngx_str_t *with)
{
    size_t     len;
    u_char    *p;
    ngx_str_t  head, tail;

    len = ngx_strlen(what);

    for (p = text->data; p + len <= text->data + text->len; p++) {

        if (ngx_memcmp(p, what, len) == 0) {

            head.data = text->data;
            head.len = p - text->data;
            tail.data = p + len;
            tail.len = text->data + text->len - tail.data;

            return fuzz_join(pool, &head, with, &tail, NULL);
        }
    }

    return *text;
}


static void
fuzz_opened(ngx_pool_t *pool, ngx_str_t *reply, ngx_str_t *want,
    ngx_str_t *plain)
{
    size_t     i;
    ngx_str_t  info;

    info = fuzz_base64(pool, want);

    must(ngx_strncmp(reply->data, "customerInfo=", 13) == 0);
    must(reply->len > 13 + info.len
         && ngx_memcmp(reply->data + 13, info.data, info.len) == 0
         && reply->data[13 + info.len] == '&');

    must(want->data[0] == '{' && want->data[want->len - 1] == '}');

    must(plain->len > 5);
    must(ngx_strncmp(plain->data, "cvn2=", 5) == 0
         || ngx_strncmp(plain->data, "phoneNo=", 8) == 0
         || ngx_strncmp(plain->data, "expired=", 8) == 0);

    for (i = 0; i < plain->len; i++) {
        must(plain->data[i] >= 0x20 && plain->data[i] < 0x7f);
    }
}


static void
fuzz_call(ngx_pool_t *pool, ngx_paygw_exchange_t *x, ngx_str_t *input)
{
    x->path = fuzz_line(pool, input);
    x->in.target = x->path;
    x->type = fuzz_line(pool, input);
    x->in.body = fuzz_copy(pool, input);

    fuzz_build(x);
}


static void
fuzz_question(ngx_paygw_exchange_t *x, const char *path, const char *type,
    const char *body)
{
    x->path.data = (u_char *) path;
    x->path.len = ngx_strlen(path);
    x->in.target = x->path;
    x->type.data = (u_char *) type;
    x->type.len = ngx_strlen(type);
    x->in.body.data = (u_char *) body;
    x->in.body.len = ngx_strlen(body);

    must(x->n.provider->api->build(x) == NGX_OK);

    x->status = 200;
}


/* what the caller gets: all of it but the signature was signed */

static void
fuzz_v2_genuine(ngx_pool_t *pool, ngx_paygw_exchange_t *x)
{
    char              *err;
    ngx_str_t          text, sign, *given;
    ngx_paygw_form_t   form;

    must(ngx_paygw_xml_parse(pool, &x->reply, "xml", &form, &err) == NGX_OK);

    given = ngx_paygw_form_get(&form, "sign");
    must(given != NULL);

    sign = *given;
    fuzz_fields_without(&form, "sign");

    given = ngx_paygw_form_get(&form, "return_code");
    must(given != NULL && fuzz_is(given, "SUCCESS"));

    text = fuzz_fields_text(pool, &form, FUZZ_API_KEY);
    text = fuzz_fields_hash(pool, EVP_md5(), &text, 1);

    must(text.len == sign.len
         && ngx_memcmp(text.data, sign.data, sign.len) == 0);
}


static void
fuzz_up_genuine(ngx_pool_t *pool, ngx_paygw_exchange_t *x, ngx_uint_t cert)
{
    u_char     *p, buf[512];
    ngx_str_t   text, sign, sig, hex;

    text = x->reply;

    for (p = text.data + text.len - 11; ; p--) {

        must(p > text.data);

        if (ngx_memcmp(p, "&signature=", 11) == 0) {
            break;
        }
    }

    sign.data = p + 11;
    sign.len = text.data + text.len - sign.data;
    text.len = p - text.data;

    if (!cert) {
        hex = fuzz_fields_secret(pool, &text, FUZZ_SECRET);
        must(hex.len == sign.len
             && ngx_memcmp(hex.data, sign.data, sign.len) == 0);
        return;
    }

    hex = fuzz_fields_hash(pool, EVP_sha256(), &text, 0);
    sig.data = buf;
    must(sign.len <= 344 && ngx_decode_base64(&sig, &sign) == NGX_OK);
    must(fuzz_genuine(fuzz_up_key, &hex, &sig));
}
