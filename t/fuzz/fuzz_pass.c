
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_json.h"


/*
 * Calls of a provider's API and their answers.  The first line of the input
 * says which, the rest is
 *
 *   ali raw      an answer of the gateway.  One that is taken must have a
 *                content that is genuine by OpenSSL's own word
 *   ali signed   a content, to which the target makes a genuine signature
 *   ali build    arguments, on a line, and the body of a caller's request
 *   ali upload   the same, the body being multipart with the boundary "b"
 *   wx raw       status and five header values, one a line ("-": absent, "*"
 *                in front: came twice), then the body of an answer
 *   wx signed    the status on a line, then a body that the target signs
 *   wx build     method, target and type, one a line, then a body
 *   a3 raw       status and four header values, as of "wx raw", then a body
 *   a3 signed    the status on a line, then a body that the target signs
 *   a3 build     method, target and type, one a line, then a body
 *   st raw       status and path, one a line, then the body of an answer
 *   st build     method, target and a header field, one a line, then a body
 */


#define FUZZ_APIV3_KEY  "0123456789abcdefTESTapiv3KEY4567"
#define FUZZ_SERIAL     "0A57F09EFDC096DE15EBE81A47057A7232F1B8E1"
#define FUZZ_NOW        1730000000

#define FUZZ_CONTENT    "{\"alipay_trade_query_response\":"


static void fuzz_ali(ngx_pool_t *pool, ngx_str_t *mode, ngx_str_t *input);
static void fuzz_ali_genuine(ngx_pool_t *pool, ngx_paygw_exchange_t *x);
static void fuzz_wx(ngx_pool_t *pool, ngx_str_t *mode, ngx_str_t *input);
static void fuzz_wx_genuine(ngx_pool_t *pool, ngx_paygw_exchange_t *x);
static void fuzz_heads(ngx_pool_t *pool, ngx_paygw_exchange_t *x,
    ngx_str_t *input, ngx_uint_t n);
static void fuzz_a3(ngx_pool_t *pool, ngx_str_t *mode, ngx_str_t *input);
static void fuzz_a3_genuine(ngx_pool_t *pool, ngx_paygw_exchange_t *x);
static void fuzz_st(ngx_pool_t *pool, ngx_str_t *mode, ngx_str_t *input);
static void fuzz_path(ngx_paygw_exchange_t *x);


static ngx_paygw_channel_t  *fuzz_channels[3];
static EVP_PKEY             *fuzz_keys[2];
static EVP_PKEY             *fuzz_publics[2];

static ngx_str_t  fuzz_lf = ngx_string("\n");
static ngx_str_t  fuzz_stamp = ngx_string("1730000000");
static ngx_str_t  fuzz_nonce = ngx_string("EcZ9Cmy4Xyx1i6RlJQzLcCyE");

static const char  *fuzz_alipay[] = {
    "app_id 2021000000000001",
    "seller_id 2088101000000001",
    "alipay_public_key alipay/keys/alipay_public.pem",
    NULL,    /* app_private_key */
    NULL
};

static const char  *fuzz_stripe[] = {
    "webhook_secret text:whsec_testsecret0123456789abcdefghijkl",
    "secret_key text:sk_test_00000000000000000000000000 basic",
    "account acct_1Test",
    "livemode off",
    NULL
};

static const char  *fuzz_wechat[] = {
    "appid wxd678efh567hg6787",
    "mchid 1900009191",
    "apiv3_key text:" FUZZ_APIV3_KEY,
    "platform_certificate wechat_v3/platform_cert_a.pem",
    "merchant_certificate wechat_v3/merchant_cert.pem",
    NULL,    /* merchant_private_key */
    NULL
};


void
fuzz_init(void)
{
    fuzz_alipay[3] = fuzz_private_line("app_private_key",
                                       "alipay/keys/app_private_pkcs1.pem");
    fuzz_wechat[5] = fuzz_private_line("merchant_private_key",
                                       "wechat_v3/merchant_key.pem");

    fuzz_channels[0] = harness_channel(fuzz_cf, "alipay", "zfb", fuzz_alipay);
    fuzz_channels[1] = harness_channel(fuzz_cf, "wechat_v3", "wxpay",
                                       fuzz_wechat);

    fuzz_channels[2] = harness_channel(fuzz_cf, "stripe", "stripe",
                                       fuzz_stripe);

    must(fuzz_channels[0] != NULL && fuzz_channels[1] != NULL
         && fuzz_channels[2] != NULL);

    (void) unlink(strchr(fuzz_alipay[3], ' ') + 1);
    (void) unlink(strchr(fuzz_wechat[5], ' ') + 1);

    fuzz_keys[0] = fuzz_private("alipay/keys/alipay_private.pem");
    fuzz_keys[1] = fuzz_private("wechat_v3/platform_key_a.pem");

    fuzz_publics[0] = fuzz_public("alipay/keys/alipay_public.pem");
    fuzz_publics[1] = fuzz_public("wechat_v3/platform_cert_a.pem");
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t  mode;

    mode = fuzz_line(pool, input);

    if (mode.len > 4 && ngx_memcmp(mode.data, "ali ", 4) == 0) {
        mode.data += 4;
        mode.len -= 4;
        fuzz_ali(pool, &mode, input);

    } else if (mode.len > 3 && ngx_memcmp(mode.data, "wx ", 3) == 0) {
        mode.data += 3;
        mode.len -= 3;
        fuzz_wx(pool, &mode, input);

    } else if (mode.len > 3 && ngx_memcmp(mode.data, "a3 ", 3) == 0) {
        mode.data += 3;
        mode.len -= 3;
        fuzz_a3(pool, &mode, input);

    } else if (mode.len > 3 && ngx_memcmp(mode.data, "st ", 3) == 0) {
        mode.data += 3;
        mode.len -= 3;
        fuzz_st(pool, &mode, input);
    }
}


static void
fuzz_ali(ngx_pool_t *pool, ngx_str_t *mode, ngx_str_t *input)
{
    char                  *err;
    ngx_str_t              sign, content, part[3];
    ngx_paygw_json_t      *root;
    ngx_paygw_exchange_t   x;

    fuzz_ask(pool, &x, &fuzz_channels[0], FUZZ_NOW);

    ngx_str_set(&x.path, "/");
    ngx_str_set(&x.type, "application/x-www-form-urlencoded");

    if (fuzz_is(mode, "upload")) {
        ngx_str_set(&x.in.method, "POST");
        ngx_str_set(&x.type, "multipart/form-data; boundary=b");
        ngx_str_set(&part[0], "/?");
        part[1] = fuzz_line(pool, input);
        x.in.target = fuzz_join(pool, &part[0], &part[1], NULL);
        x.in.body = fuzz_copy(pool, input);

        if (x.n.provider->api->build(&x) == NGX_OK && x.in.body.len) {
            must(x.body.data == x.in.body.data);
            must(x.repeat == NGX_PAYGW_REPEAT_NEVER);
        }

        return;
    }

    if (fuzz_is(mode, "build")) {
        ngx_str_set(&part[0], "/?");
        part[1] = fuzz_line(pool, input);
        x.in.target = fuzz_join(pool, &part[0], &part[1], NULL);
        x.in.body = fuzz_copy(pool, input);
        fuzz_build(&x);
        return;
    }

    ngx_str_set(&x.in.target, "/?method=alipay.trade.query");
    must(x.n.provider->api->build(&x) == NGX_OK);

    x.status = 200;

    if (fuzz_is(mode, "raw")) {
        x.n.msg.body = fuzz_copy(pool, input);

        if (fuzz_check(&x) == NGX_OK) {
            fuzz_ali_genuine(pool, &x);
        }

        return;
    }

    if (!fuzz_is(mode, "signed")) {
        return;
    }

    content = fuzz_copy(pool, input);

    if (ngx_paygw_json_parse(pool, &content, &root, &err) != NGX_OK) {
        return;
    }

    /* white space around it is not part of it */

    while (content.len && content.data[0] <= ' ') {
        content.data++;
        content.len--;
    }

    while (content.len && content.data[content.len - 1] <= ' ') {
        content.len--;
    }

    ngx_str_set(&part[0], FUZZ_CONTENT);
    ngx_str_set(&part[1], ",\"sign\":\"");
    ngx_str_set(&part[2], "\"}");
    sign = fuzz_sign(pool, fuzz_keys[0], &content);

    x.n.msg.body = fuzz_join(pool, &part[0], &content, &part[1], &sign,
                             &part[2], NULL);

    (void) fuzz_check(&x);

    /* a genuine one is never called a forged one */

    must(x.n.reason != NGX_PAYGW_REASON_SIGNATURE);
}


/* what the caller gets: one content, and a signature over its bytes */

static void
fuzz_ali_genuine(ngx_pool_t *pool, ngx_paygw_exchange_t *x)
{
    char              *err;
    u_char             buf[512];
    ngx_str_t          raw, sign, sig;
    ngx_uint_t         n;
    ngx_paygw_json_t  *root, *m;

    must(ngx_paygw_json_parse(pool, &x->reply, &root, &err) == NGX_OK);

    n = 0;

    for (m = root->child; m; m = m->next) {
        n++;
    }

    /* in GBK it comes in UTF-8, and without the signature of other bytes */

    if (ngx_paygw_json_get_string(root, "sign", &sign) != NGX_OK) {
        must(n == 1);
        return;
    }

    must(n == 2);

    if (ngx_paygw_json_raw(&x->reply, "alipay_trade_query_response", &raw)
        != NGX_OK)
    {
        must(ngx_paygw_json_raw(&x->reply, "error_response", &raw) == NGX_OK);
    }

    sig.data = buf;
    must(sign.len <= 344 && ngx_decode_base64(&sig, &sign) == NGX_OK);
    must(fuzz_genuine(fuzz_publics[0], &raw, &sig));
}


static void
fuzz_wx(ngx_pool_t *pool, ngx_str_t *mode, ngx_str_t *input)
{
    ngx_str_t             text, line;
    ngx_paygw_exchange_t  x;

    fuzz_ask(pool, &x, &fuzz_channels[1], FUZZ_NOW);

    if (fuzz_is(mode, "build")) {
        x.in.method = fuzz_line(pool, input);
        x.in.target = fuzz_line(pool, input);
        x.path = x.in.target;
        x.type = fuzz_line(pool, input);
        x.in.body = fuzz_copy(pool, input);
        fuzz_build(&x);
        return;
    }

    ngx_str_set(&x.in.method, "GET");
    ngx_str_set(&x.in.target, "/v3/x");
    x.path = x.in.target;
    must(x.n.provider->api->build(&x) == NGX_OK);

    line = fuzz_line(pool, input);
    x.status = (ngx_uint_t) ngx_atoi(line.data, line.len);

    if (fuzz_is(mode, "signed")) {
        x.n.msg.body = fuzz_copy(pool, input);
        text = fuzz_join(pool, &fuzz_stamp, &fuzz_lf, &fuzz_nonce, &fuzz_lf,
                         &x.n.msg.body, &fuzz_lf, NULL);
        x.n.msg.headers[0] = fuzz_stamp;
        x.n.msg.headers[1] = fuzz_nonce;
        x.n.msg.headers[2] = fuzz_sign(pool, fuzz_keys[1], &text);
        ngx_str_set(&x.n.msg.headers[3], FUZZ_SERIAL);

        (void) fuzz_check(&x);

        must(x.n.reason != NGX_PAYGW_REASON_SIGNATURE
             && x.n.reason != NGX_PAYGW_REASON_UNKNOWN_KEY);
        return;
    }

    if (!fuzz_is(mode, "raw")) {
        return;
    }

    fuzz_heads(pool, &x, input, 5);

    if (fuzz_check(&x) == NGX_OK) {
        fuzz_wx_genuine(pool, &x);
    }
}


/* header values of an answer, and its body */

static void
fuzz_heads(ngx_pool_t *pool, ngx_paygw_exchange_t *x, ngx_str_t *input,
    ngx_uint_t n)
{
    ngx_str_t   line;
    ngx_uint_t  i;

    for (i = 0; i < n && input->len; i++) {

        line = fuzz_line(pool, input);

        if (line.len == 1 && line.data[0] == '-') {
            continue;
        }

        if (line.len > 1 && line.data[0] == '*') {
            x->n.msg.repeated |= (ngx_uint_t) 1 << i;
        }

        x->n.msg.headers[i] = line;
    }

    x->n.msg.body = fuzz_copy(pool, input);
}


static void
fuzz_wx_genuine(ngx_pool_t *pool, ngx_paygw_exchange_t *x)
{
    u_char      buf[512];
    ngx_str_t   text, sig, *h;

    h = x->n.msg.headers;

    must(!x->unsigned_reply && x->n.msg.repeated == 0);
    must(x->reply.len == x->n.msg.body.len
         && ngx_memcmp(x->reply.data, x->n.msg.body.data, x->reply.len) == 0);

    text = fuzz_join(pool, &h[0], &fuzz_lf, &h[1], &fuzz_lf, &x->reply,
                     &fuzz_lf, NULL);

    sig.data = buf;
    must(h[2].len <= 344 && ngx_decode_base64(&sig, &h[2]) == NGX_OK);
    must(fuzz_genuine(fuzz_publics[1], &text, &sig));
}


static void
fuzz_a3(ngx_pool_t *pool, ngx_str_t *mode, ngx_str_t *input)
{
    ngx_str_t             text, line;
    ngx_paygw_exchange_t  x;

    static ngx_str_t  stamp = ngx_string("1730000000000");

    fuzz_ask(pool, &x, &fuzz_channels[0], FUZZ_NOW);

    if (fuzz_is(mode, "build")) {
        x.in.method = fuzz_line(pool, input);
        x.in.target = fuzz_line(pool, input);
        fuzz_path(&x);
        x.type = fuzz_line(pool, input);

        if (x.type.len && x.type.data[0] == 't') {
            ngx_str_set(&x.in.headers[1], "AES");
        }

        x.in.body = fuzz_copy(pool, input);
        fuzz_build(&x);
        return;
    }

    ngx_str_set(&x.in.method, "GET");
    ngx_str_set(&x.in.target, "/v3/alipay/trade/query");
    x.path = x.in.target;
    must(x.n.provider->api->build(&x) == NGX_OK);

    line = fuzz_line(pool, input);
    x.status = (ngx_uint_t) ngx_atoi(line.data, line.len);

    if (fuzz_is(mode, "signed")) {
        x.n.msg.body = fuzz_copy(pool, input);
        text = fuzz_join(pool, &stamp, &fuzz_lf, &fuzz_nonce, &fuzz_lf,
                         &x.n.msg.body, &fuzz_lf, NULL);
        x.n.msg.headers[0] = stamp;
        x.n.msg.headers[1] = fuzz_nonce;
        x.n.msg.headers[2] = fuzz_sign(pool, fuzz_keys[0], &text);

        (void) fuzz_check(&x);

        must(x.n.reason != NGX_PAYGW_REASON_SIGNATURE
             && x.n.reason != NGX_PAYGW_REASON_CLOCK);
        return;
    }

    if (!fuzz_is(mode, "raw")) {
        return;
    }

    fuzz_heads(pool, &x, input, 4);

    if (fuzz_check(&x) == NGX_OK) {
        fuzz_a3_genuine(pool, &x);
    }
}


static void
fuzz_a3_genuine(ngx_pool_t *pool, ngx_paygw_exchange_t *x)
{
    u_char      buf[512];
    ngx_str_t   text, sig, *h;

    h = x->n.msg.headers;

    must(!x->unsigned_reply && x->n.msg.repeated == 0);
    must(x->reply.len == x->n.msg.body.len
         && ngx_memcmp(x->reply.data, x->n.msg.body.data, x->reply.len) == 0);

    text = fuzz_join(pool, &h[0], &fuzz_lf, &h[1], &fuzz_lf, &x->reply,
                     &fuzz_lf, NULL);

    sig.data = buf;
    must(h[2].len <= 344 && ngx_decode_base64(&sig, &h[2]) == NGX_OK);
    must(fuzz_genuine(fuzz_publics[0], &text, &sig));
}


static void
fuzz_st(ngx_pool_t *pool, ngx_str_t *mode, ngx_str_t *input)
{
    char                  *err;
    ngx_str_t              line, key;
    ngx_uint_t             i;
    ngx_paygw_json_t      *root;
    ngx_paygw_exchange_t   x;

    fuzz_ask(pool, &x, &fuzz_channels[2], FUZZ_NOW);

    ngx_str_set(&x.type, "application/x-www-form-urlencoded");

    if (fuzz_is(mode, "build")) {
        x.in.method = fuzz_line(pool, input);
        x.in.target = fuzz_line(pool, input);
        fuzz_path(&x);

        line = fuzz_line(pool, input);
        i = line.len ? line.data[0] & 3 : 0;
        x.in.headers[i] = line;
        x.in.body = fuzz_copy(pool, input);

        fuzz_build(&x);

        /* the key stays the same over the tries of a call */

        if (x.nfields) {
            key = x.fields[x.nfields - 1].value;
            must(x.n.provider->api->build(&x) == NGX_OK);
            must(key.len == x.fields[x.nfields - 1].value.len
                 && ngx_memcmp(key.data, x.fields[x.nfields - 1].value.data,
                               key.len) == 0);
        }

        return;
    }

    if (!fuzz_is(mode, "raw")) {
        return;
    }

    ngx_str_set(&x.in.method, "GET");

    line = fuzz_line(pool, input);
    x.status = (ngx_uint_t) ngx_atoi(line.data, line.len);
    x.in.target = fuzz_line(pool, input);
    fuzz_path(&x);

    x.n.msg.headers[1] = x.in.target;
    x.n.msg.body = fuzz_copy(pool, input);

    if (fuzz_check(&x) == NGX_OK) {
        must(x.unsigned_reply && x.reply_status == x.status);
        must(ngx_paygw_json_parse(pool, &x.reply, &root, &err) == NGX_OK);
        must(root->type == NGX_PAYGW_JSON_OBJECT);
    }
}


static void
fuzz_path(ngx_paygw_exchange_t *x)
{
    u_char  *p;

    x->path = x->in.target;
    p = ngx_strlchr(x->path.data, x->path.data + x->path.len, '?');

    if (p) {
        x->path.len = p - x->path.data;
    }
}
