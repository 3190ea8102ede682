
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_xml.h"

#include <openssl/hmac.h>


/*
 * The first line of the input says how far in it starts:
 *
 *   raw      the body of a callback
 *   md5      children of the root without "sign", which the target adds
 *   hmac     the same for the other channel
 *   sealed   what is in req_info, which the target encrypts
 */


#define FUZZ_NOW  1729999999   /* 2024-10-27 11:33:19 in GMT+8 */
#define FUZZ_KEY  "192006250b4c09247ec02edce69f6a2d"


static void fuzz_raw(ngx_pool_t *pool, ngx_paygw_notify_t *n);
static void fuzz_signed(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    ngx_str_t *input, ngx_uint_t hmac);
static void fuzz_sealed(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    ngx_str_t *input);
static ngx_str_t fuzz_mac(ngx_pool_t *pool, ngx_paygw_form_t *form,
    ngx_uint_t hmac);
static ngx_str_t fuzz_hex(ngx_pool_t *pool, u_char *digest, size_t len,
    const char *fmt);


static ngx_paygw_channel_t  *fuzz_channels[2];

static const char  *fuzz_md5[] = {
    "appid wxd930ea5d5a258f4f",
    "mchid 10000100",
    "api_key text:" FUZZ_KEY,
    "sign_type MD5",
    NULL
};

static const char  *fuzz_hmac[] = {
    "appid wxd930ea5d5a258f4f",
    "mchid 10000200",
    "sub_mchid 1900000109",
    "api_key text:0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "api_key text:" FUZZ_KEY,
    "sign_type HMAC-SHA256",
    NULL
};


void
fuzz_init(void)
{
    fuzz_channels[0] = harness_channel(fuzz_cf, "wechat_v2", "md5", fuzz_md5);
    fuzz_channels[1] = harness_channel(fuzz_cf, "wechat_v2", "hmac",
                                       fuzz_hmac);

    must(fuzz_channels[0] != NULL && fuzz_channels[1] != NULL);
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t           mode;
    ngx_paygw_notify_t  n;

    ngx_memzero(&n, sizeof(ngx_paygw_notify_t));

    n.provider = &ngx_paygw_wechat_v2;
    n.channels = fuzz_channels;
    n.nchannels = 2;
    ngx_str_set(&n.msg.method, "POST");
    ngx_str_set(&n.msg.target, "/notify");
    n.msg.now = FUZZ_NOW;

    mode = fuzz_line(pool, input);

    if (mode.len == 3 && ngx_memcmp(mode.data, "raw", 3) == 0) {
        n.msg.body = fuzz_copy(pool, input);
        fuzz_raw(pool, &n);

    } else if (mode.len == 3 && ngx_memcmp(mode.data, "md5", 3) == 0) {
        fuzz_signed(pool, &n, input, 0);

    } else if (mode.len == 4 && ngx_memcmp(mode.data, "hmac", 4) == 0) {
        fuzz_signed(pool, &n, input, 1);

    } else if (mode.len == 6 && ngx_memcmp(mode.data, "sealed", 6) == 0) {
        fuzz_sealed(pool, &n, input);
    }
}


/* what is taken as confirmed has a signature that we would have made, too */

static void
fuzz_raw(ngx_pool_t *pool, ngx_paygw_notify_t *n)
{
    char              *err;
    ngx_str_t          mac, *sign;
    ngx_paygw_form_t   form;

    if (fuzz_notify(pool, n) != NGX_OK) {
        return;
    }

    must(ngx_paygw_xml_parse(pool, &n->msg.body, "xml", &form, &err)
         == NGX_OK);

    if (n->event.unconfirmed) {
        must(n->event.type == NGX_PAYGW_EVENT_REFUND);
        must(ngx_paygw_form_get(&form, "req_info") != NULL);
        return;
    }

    must(n->event.type != NGX_PAYGW_EVENT_REFUND);

    mac = fuzz_mac(pool, &form, n->channel == fuzz_channels[1]);
    sign = ngx_paygw_form_get(&form, "sign");

    must(sign != NULL && sign->len == mac.len
         && ngx_memcmp(sign->data, mac.data, mac.len) == 0);
}


static void
fuzz_signed(ngx_pool_t *pool, ngx_paygw_notify_t *n, ngx_str_t *input,
    ngx_uint_t hmac)
{
    char              *err;
    ngx_str_t          body, mac, part[3], *mchid;
    ngx_uint_t         other;
    ngx_paygw_form_t   form;

    ngx_str_set(&part[0], "<xml>");
    ngx_str_set(&part[1], "</xml>");
    ngx_str_set(&part[2], "</sign></xml>");

    body = fuzz_join(pool, &part[0], input, &part[1], NULL);

    if (ngx_paygw_xml_parse(pool, &body, "xml", &form, &err) != NGX_OK) {
        return;
    }

    mac = fuzz_mac(pool, &form, hmac);

    ngx_str_set(&part[1], "<sign>");

    n->msg.body = fuzz_join(pool, &part[0], input, &part[1], &mac, &part[2],
                            NULL);

    (void) fuzz_notify(pool, n);

    /* a genuine signature is never called a forged one */

    mchid = ngx_paygw_form_get(&form, "mch_id");
    other = mchid == NULL || mchid->len != 8
            || ngx_memcmp(mchid->data, hmac ? "10000200" : "10000100", 8) != 0;

    must(n->reason != NGX_PAYGW_REASON_SIGNATURE || other
         || ngx_paygw_form_get(&form, "sign")
         || ngx_paygw_form_get(&form, "req_info"));
}


static void
fuzz_sealed(ngx_pool_t *pool, ngx_paygw_notify_t *n, ngx_str_t *input)
{
    int              len, rest;
    u_char           digest[16];
    ngx_str_t        key, sealed, text, part[2];
    EVP_CIPHER_CTX  *ctx;

    must(EVP_Digest(FUZZ_KEY, 32, digest, NULL, EVP_md5(), NULL) == 1);

    key = fuzz_hex(pool, digest, 16, "%02xd");

    sealed.data = ngx_pnalloc(pool, input->len + 16);

    ctx = EVP_CIPHER_CTX_new();

    must(EVP_EncryptInit_ex(ctx, EVP_aes_256_ecb(), NULL, key.data, NULL)
         == 1);
    must(EVP_EncryptUpdate(ctx, sealed.data, &len, input->data,
                           (int) input->len)
         == 1);
    must(EVP_EncryptFinal_ex(ctx, sealed.data + len, &rest) == 1);

    EVP_CIPHER_CTX_free(ctx);

    sealed.len = len + rest;

    text = fuzz_base64(pool, &sealed);

    ngx_str_set(&part[0], "<xml><return_code>SUCCESS</return_code>"
                "<appid>wxd930ea5d5a258f4f</appid><mch_id>10000100</mch_id>"
                "<nonce_str>x</nonce_str><req_info>");
    ngx_str_set(&part[1], "</req_info></xml>");

    n->msg.body = fuzz_join(pool, &part[0], &text, &part[1], NULL);

    if (fuzz_notify(pool, n) == NGX_OK) {
        must(n->event.unconfirmed);
        must(n->event.type == NGX_PAYGW_EVENT_REFUND);
        must(n->event.refund_amount >= 0
             && n->event.refund_amount <= n->event.amount);
        return;
    }

    /* it tells from outside no more than that */

    must(n->reason == NGX_PAYGW_REASON_DECRYPT
         || n->reason == NGX_PAYGW_REASON_CLOCK);
}


static ngx_str_t
fuzz_mac(ngx_pool_t *pool, ngx_paygw_form_t *form, ngx_uint_t hmac)
{
    u_char        digest[32];
    unsigned int  len;
    ngx_str_t     text, part;

    static const char  *skip[] = { "sign", NULL };

    must(ngx_paygw_form_canonical(pool, form, skip,
                                  NGX_PAYGW_CANON_DROP_EMPTY, &text)
         == NGX_OK);

    ngx_str_set(&part, "&key=" FUZZ_KEY);

    text = fuzz_join(pool, &text, &part, NULL);

    if (hmac) {
        must(HMAC(EVP_sha256(), FUZZ_KEY, 32, text.data, text.len, digest,
                  &len) != NULL);

    } else {
        must(EVP_Digest(text.data, text.len, digest, &len, EVP_md5(), NULL)
             == 1);
    }

    return fuzz_hex(pool, digest, len, "%02Xd");
}


static ngx_str_t
fuzz_hex(ngx_pool_t *pool, u_char *digest, size_t len, const char *fmt)
{
    size_t      i;
    u_char     *p;
    ngx_str_t   hex;

    p = ngx_pnalloc(pool, 2 * len);

    hex.data = p;
    hex.len = 2 * len;

    for (i = 0; i < len; i++) {
        p = ngx_sprintf(p, fmt, (int) digest[i]);
    }

    return hex;
}
