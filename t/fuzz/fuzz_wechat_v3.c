
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"


/*
 * The first line of the input says how far in it starts:
 *
 *   raw      five header values, one a line ("-": absent, "*" in front: came
 *            twice), then the body.  A callback that is taken must bear a
 *            genuine signature by OpenSSL's own word.
 *   signed   the body, to which the target makes a genuine signature
 *   sealed   event id, event type, additional data, one a line, then the
 *            resource, which the target encrypts and signs
 *
 * An "a" or "p" behind the word chooses certificate A or the public key.
 */


#define FUZZ_APIV3_KEY  "0123456789abcdefTESTapiv3KEY4567"
#define FUZZ_SERIAL     "0A57F09EFDC096DE15EBE81A47057A7232F1B8E1"
#define FUZZ_KEY_ID     "PUB_KEY_ID_0119000091912024101600000000000001"
#define FUZZ_NONCE      "Fmwp04ry88f3"
#define FUZZ_NOW        1730000000


static void fuzz_raw(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    ngx_str_t *input);
static void fuzz_signed(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    ngx_str_t *body, ngx_uint_t key);
static ngx_str_t fuzz_sealed(ngx_pool_t *pool, ngx_str_t *input);
static ngx_str_t fuzz_seal(ngx_pool_t *pool, ngx_str_t *aad,
    ngx_str_t *text);
static ngx_str_t fuzz_quoted(ngx_pool_t *pool, ngx_str_t *s);


static ngx_paygw_channel_t  *fuzz_channels[2];
static EVP_PKEY             *fuzz_platform[3];
static EVP_PKEY             *fuzz_signer[2];

static ngx_str_t  fuzz_lf = ngx_string("\n");
static ngx_str_t  fuzz_stamp = ngx_string("1730000000");
static ngx_str_t  fuzz_header_nonce = ngx_string("EcZ9Cmy4Xyx1i6RlJQzLcCyE");

static ngx_str_t  fuzz_serials[] = {
    ngx_string(FUZZ_SERIAL),
    ngx_string(FUZZ_KEY_ID)
};

static const char  *fuzz_merchant[] = {
    "appid wxd678efh567hg6787",
    "mchid 1900009191",
    "apiv3_key text:" FUZZ_APIV3_KEY,
    "platform_certificate wechat_v3/platform_cert_a.pem",
    "platform_certificate wechat_v3/platform_cert_b.pem",
    "platform_public_key " FUZZ_KEY_ID " wechat_v3/wechatpay_pub_key.pem",
    NULL
};

static const char  *fuzz_partner[] = {
    "appid wxsp1234567890abcd wxsub234567890abcd",
    "mchid 1900000100",
    "sub_mchid 1900000109",
    "apiv3_key text:" FUZZ_APIV3_KEY,
    "platform_certificate wechat_v3/platform_cert_a.pem",
    NULL
};


void
fuzz_init(void)
{
    fuzz_channels[0] = harness_channel(fuzz_cf, "wechat_v3", "wxpay",
                                       fuzz_merchant);
    fuzz_channels[1] = harness_channel(fuzz_cf, "wechat_v3", "partner",
                                       fuzz_partner);

    must(fuzz_channels[0] != NULL && fuzz_channels[1] != NULL);

    fuzz_platform[0] = fuzz_public("wechat_v3/platform_cert_a.pem");
    fuzz_platform[1] = fuzz_public("wechat_v3/platform_cert_b.pem");
    fuzz_platform[2] = fuzz_public("wechat_v3/wechatpay_pub_key.pem");

    fuzz_signer[0] = fuzz_private("wechat_v3/platform_key_a.pem");
    fuzz_signer[1] = fuzz_private("wechat_v3/wechatpay_pub_key_private.pem");
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t           mode, body;
    ngx_uint_t          key;
    ngx_paygw_notify_t  n;

    ngx_memzero(&n, sizeof(ngx_paygw_notify_t));

    n.provider = &ngx_paygw_wechat_v3;
    n.channels = fuzz_channels;
    n.nchannels = 2;
    ngx_str_set(&n.msg.method, "POST");
    ngx_str_set(&n.msg.target, "/notify");
    n.msg.now = FUZZ_NOW;

    mode = fuzz_line(pool, input);

    if (mode.len == 3 && ngx_memcmp(mode.data, "raw", 3) == 0) {
        fuzz_raw(pool, &n, input);
        return;
    }

    if (mode.len < 7) {
        return;
    }

    key = (mode.data[6] == 'p');

    if (ngx_memcmp(mode.data, "sealed", 6) == 0) {
        body = fuzz_sealed(pool, input);

    } else if (ngx_memcmp(mode.data, "signed", 6) == 0) {
        body = fuzz_copy(pool, input);

    } else {
        return;
    }

    fuzz_signed(pool, &n, &body, key);
}


static void
fuzz_raw(ngx_pool_t *pool, ngx_paygw_notify_t *n, ngx_str_t *input)
{
    u_char      buf[512];
    ngx_str_t   line, text, sig, *h;
    ngx_uint_t  i;

    for (i = 0; i < 5 && input->len; i++) {

        line = fuzz_line(pool, input);

        if (line.len == 1 && line.data[0] == '-') {
            continue;
        }

        if (line.len > 1 && line.data[0] == '*') {
            n->msg.repeated |= (ngx_uint_t) 1 << i;
        }

        n->msg.headers[i] = line;
    }

    n->msg.body = fuzz_copy(pool, input);

    if (fuzz_notify(pool, n) != NGX_OK) {
        return;
    }

    h = n->msg.headers;

    must(n->msg.repeated == 0);

    text = fuzz_join(pool, &h[0], &fuzz_lf, &h[1], &fuzz_lf, &n->msg.body,
                     &fuzz_lf, NULL);

    sig.data = buf;
    must(h[2].len <= 344 && ngx_decode_base64(&sig, &h[2]) == NGX_OK);

    for (i = 0; i < 3; i++) {
        if (fuzz_genuine(fuzz_platform[i], &text, &sig)) {
            return;
        }
    }

    must(!"taken without a genuine signature");
}


static void
fuzz_signed(ngx_pool_t *pool, ngx_paygw_notify_t *n, ngx_str_t *body,
    ngx_uint_t key)
{
    ngx_str_t  text;

    text = fuzz_join(pool, &fuzz_stamp, &fuzz_lf, &fuzz_header_nonce,
                     &fuzz_lf, body, &fuzz_lf, NULL);

    n->msg.headers[0] = fuzz_stamp;
    n->msg.headers[1] = fuzz_header_nonce;
    n->msg.headers[2] = fuzz_sign(pool, fuzz_signer[key], &text);
    n->msg.headers[3] = fuzz_serials[key];
    n->msg.body = *body;

    (void) fuzz_notify(pool, n);

    /* the way in must work, or what is behind it is never fuzzed */

    must(n->reason != NGX_PAYGW_REASON_SIGNATURE
         && n->reason != NGX_PAYGW_REASON_CLOCK
         && n->reason != NGX_PAYGW_REASON_UNKNOWN_KEY);
}


static ngx_str_t
fuzz_sealed(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t  id, type, aad, text, part[6];

    ngx_str_set(&part[0], "{\"id\":");
    ngx_str_set(&part[1], ",\"create_time\":\"2024-10-27T11:33:20+08:00\","
                "\"resource_type\":\"encrypt-resource\",\"event_type\":");
    ngx_str_set(&part[2], ",\"resource\":{\"original_type\":\"transaction\","
                "\"algorithm\":\"AEAD_AES_256_GCM\",\"nonce\":\"" FUZZ_NONCE
                "\",\"associated_data\":");
    ngx_str_set(&part[3], ",\"ciphertext\":\"");
    ngx_str_set(&part[4], "\"}}");

    id = fuzz_line(pool, input);
    id = fuzz_quoted(pool, &id);

    type = fuzz_line(pool, input);
    type = fuzz_quoted(pool, &type);

    aad = fuzz_line(pool, input);
    text = fuzz_seal(pool, &aad, input);
    aad = fuzz_quoted(pool, &aad);

    return fuzz_join(pool, &part[0], &id, &part[1], &type, &part[2], &aad,
                     &part[3], &text, &part[4], NULL);
}


static ngx_str_t
fuzz_seal(ngx_pool_t *pool, ngx_str_t *aad, ngx_str_t *text)
{
    int              n, rc;
    ngx_str_t        out;
    EVP_CIPHER_CTX  *ctx;

    out.len = text->len + 16;
    out.data = ngx_pnalloc(pool, out.len);

    ctx = EVP_CIPHER_CTX_new();

    rc = EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL,
                            (u_char *) FUZZ_APIV3_KEY,
                            (u_char *) FUZZ_NONCE);

    if (rc == 1 && aad->len) {
        rc = EVP_EncryptUpdate(ctx, NULL, &n, aad->data, (int) aad->len);
    }

    if (rc == 1 && text->len) {
        rc = EVP_EncryptUpdate(ctx, out.data, &n, text->data,
                               (int) text->len);
    }

    rc = rc == 1
         && EVP_EncryptFinal_ex(ctx, out.data + text->len, &n) == 1
         && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16,
                                out.data + text->len)
            == 1;

    EVP_CIPHER_CTX_free(ctx);

    must(rc == 1);

    return fuzz_base64(pool, &out);
}


/* a JSON string that may be wrong: only what ends it is escaped */

static ngx_str_t
fuzz_quoted(ngx_pool_t *pool, ngx_str_t *s)
{
    size_t     i;
    u_char    *p;
    ngx_str_t  out;

    out.data = ngx_pnalloc(pool, 2 * s->len + 2);
    p = out.data;

    *p++ = '"';

    for (i = 0; i < s->len; i++) {

        if (s->data[i] == '"') {
            *p++ = '\\';
        }

        *p++ = s->data[i];
    }

    *p++ = '"';

    out.len = p - out.data;

    return out;
}
