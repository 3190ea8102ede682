
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
 *   signed   a body without "sign" and "sign_type", which the target adds
 */


#define FUZZ_NOW  1735758313   /* 2025-01-02 03:05:13 in GMT+8 */


static void fuzz_signed(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    ngx_str_t *input);
static ngx_str_t fuzz_escape(ngx_pool_t *pool, ngx_str_t *s);


static ngx_paygw_channel_t  *fuzz_channels[2];
static EVP_PKEY             *fuzz_signer;

static const char  *fuzz_public_mode[] = {
    "app_id 2021000000000001",
    "seller_id 2088101000000001",
    "alipay_public_key alipay/keys/alipay_public.pem",
    NULL
};

static const char  *fuzz_cert_mode[] = {
    "app_id 2021000000000002",
    "seller_id 2088101000000001",
    "alipay_cert alipay/keys/alipay_cert.crt",
    "alipay_cert alipay/keys/alipay_next_cert.crt",
    "alipay_root_cert alipay/keys/alipay_root.crt",
    NULL
};


void
fuzz_init(void)
{
    fuzz_channels[0] = harness_channel(fuzz_cf, "alipay", "zfb",
                                       fuzz_public_mode);
    fuzz_channels[1] = harness_channel(fuzz_cf, "alipay", "zfbcert",
                                       fuzz_cert_mode);

    must(fuzz_channels[0] != NULL && fuzz_channels[1] != NULL);

    fuzz_signer = fuzz_private("alipay/keys/alipay_private.pem");
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t           mode;
    ngx_paygw_notify_t  n;

    ngx_memzero(&n, sizeof(ngx_paygw_notify_t));

    n.provider = &ngx_paygw_alipay;
    n.channels = fuzz_channels;
    n.nchannels = 2;
    ngx_str_set(&n.msg.method, "POST");
    ngx_str_set(&n.msg.target, "/notify");
    n.msg.now = FUZZ_NOW;

    mode = fuzz_line(pool, input);

    if (mode.len == 3 && ngx_memcmp(mode.data, "raw", 3) == 0) {
        n.msg.body = fuzz_copy(pool, input);
        (void) fuzz_notify(pool, &n);

    } else if (mode.len == 6 && ngx_memcmp(mode.data, "signed", 6) == 0) {
        fuzz_signed(pool, &n, input);
    }
}


static void
fuzz_signed(ngx_pool_t *pool, ngx_paygw_notify_t *n, ngx_str_t *input)
{
    char              *err;
    ngx_str_t          body, text, sig, part[2];
    ngx_paygw_form_t   form;

    static const char  *none[] = { NULL };

    body = fuzz_copy(pool, input);

    if (ngx_paygw_form_parse(pool, &body, &form, &err) != NGX_OK
        || ngx_paygw_form_canonical(pool, &form, none, 0, &text) != NGX_OK)
    {
        return;
    }

    sig = fuzz_sign(pool, fuzz_signer, &text);
    sig = fuzz_escape(pool, &sig);

    ngx_str_set(&part[0], "&sign_type=RSA2&sign=");

    n->msg.body = fuzz_join(pool, input, &part[0], &sig, NULL);

    (void) fuzz_notify(pool, n);

    /* a genuine signature is never called a forged one */

    must(n->reason != NGX_PAYGW_REASON_SIGNATURE
         || ngx_paygw_form_get(&form, "sign")
         || ngx_paygw_form_get(&form, "sign_type")
         || ngx_paygw_form_get(&form, "alipay_cert_sn"));
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
