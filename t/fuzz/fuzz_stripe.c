
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"

#include <openssl/hmac.h>


/*
 * The first line of the input says how far in it starts:
 *
 *   raw      the value of the header ("*" in front: came twice), then the
 *            body.  A callback that is taken must bear a genuine signature by
 *            OpenSSL's own word.
 *   signed   the body, to which the target makes a genuine signature with the
 *            secret of the first channel; "signed2" with that of the second
 */


#define FUZZ_SECRET  "whsec_testsecret0123456789abcdefghijkl"
#define FUZZ_OTHER   "whsec_oldsecret0123456789abcdefghijklm"
#define FUZZ_STAMP   "1730000000"
#define FUZZ_NOW     1730000000


static void fuzz_raw(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    ngx_str_t *input);
static ngx_uint_t fuzz_any(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    const char *secret);
static void fuzz_signed(ngx_pool_t *pool, ngx_paygw_notify_t *n,
    ngx_str_t *input, const char *secret);
static void fuzz_hex(const char *secret, ngx_str_t *text, u_char *hex);


static ngx_paygw_channel_t  *fuzz_channels[2];

static const char  *fuzz_test[] = {
    "webhook_secret text:" FUZZ_SECRET,
    "livemode off",
    NULL
};

static const char  *fuzz_live[] = {
    "webhook_secret text:" FUZZ_OTHER,
    "account acct_1Test acct_2Test",
    NULL
};


void
fuzz_init(void)
{
    fuzz_channels[0] = harness_channel(fuzz_cf, "stripe", "test", fuzz_test);
    fuzz_channels[1] = harness_channel(fuzz_cf, "stripe", "live", fuzz_live);

    must(fuzz_channels[0] != NULL && fuzz_channels[1] != NULL);
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t           mode;
    ngx_paygw_notify_t  n;

    ngx_memzero(&n, sizeof(ngx_paygw_notify_t));

    n.provider = &ngx_paygw_stripe;
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

    if (mode.len >= 6 && ngx_memcmp(mode.data, "signed", 6) == 0) {
        fuzz_signed(pool, &n, input, mode.len == 6 ? FUZZ_SECRET : FUZZ_OTHER);
    }
}


static void
fuzz_raw(ngx_pool_t *pool, ngx_paygw_notify_t *n, ngx_str_t *input)
{
    ngx_str_t  line;

    line = fuzz_line(pool, input);

    if (line.len > 1 && line.data[0] == '*') {
        n->msg.repeated = 1;
    }

    n->msg.headers[0] = line;
    n->msg.body = fuzz_copy(pool, input);

    if (fuzz_notify(pool, n) != NGX_OK) {
        return;
    }

    must(n->msg.repeated == 0);
    must(fuzz_any(pool, n, FUZZ_SECRET) || fuzz_any(pool, n, FUZZ_OTHER));
}


/* whether a v1 of the header is that of any t in it */

static ngx_uint_t
fuzz_any(ngx_pool_t *pool, ngx_paygw_notify_t *n, const char *secret)
{
    u_char      hex[64], want[67];
    size_t      i, k, end;
    ngx_str_t  *h, stamp, point, text;

    h = &n->msg.headers[0];
    ngx_str_set(&point, ".");

    for (i = 0; i + 2 < h->len; i++) {

        if (ngx_memcmp(&h->data[i], "t=", 2) != 0) {
            continue;
        }

        for (end = i + 2; end < h->len && h->data[end] != ','; end++) {
            /* void */
        }

        stamp.data = &h->data[i + 2];
        stamp.len = end - i - 2;

        text = fuzz_join(pool, &stamp, &point, &n->msg.body, NULL);
        fuzz_hex(secret, &text, hex);

        ngx_memcpy(want, "v1=", 3);
        ngx_memcpy(&want[3], hex, sizeof(hex));

        for (k = 0; k + sizeof(want) <= h->len; k++) {
            if (ngx_memcmp(&h->data[k], want, sizeof(want)) == 0) {
                return 1;
            }
        }
    }

    return 0;
}


static void
fuzz_signed(ngx_pool_t *pool, ngx_paygw_notify_t *n, ngx_str_t *input,
    const char *secret)
{
    u_char     hex[64];
    ngx_str_t  stamp, text, sig, head;

    n->msg.body = fuzz_copy(pool, input);

    ngx_str_set(&stamp, FUZZ_STAMP ".");
    text = fuzz_join(pool, &stamp, &n->msg.body, NULL);
    fuzz_hex(secret, &text, hex);

    ngx_str_set(&head, "t=" FUZZ_STAMP ",v1=");
    sig.data = hex;
    sig.len = sizeof(hex);

    n->msg.headers[0] = fuzz_join(pool, &head, &sig, NULL);

    (void) fuzz_notify(pool, n);

    /* the way in must work, or what is behind it is never fuzzed */

    must(n->reason != NGX_PAYGW_REASON_SIGNATURE
         && n->reason != NGX_PAYGW_REASON_CLOCK
         && n->reason != NGX_PAYGW_REASON_MISSING_HEADER);
}


static void
fuzz_hex(const char *secret, ngx_str_t *text, u_char *hex)
{
    u_char        mac[32];
    unsigned int  len;

    must(HMAC(EVP_sha256(), secret, (int) strlen(secret), text->data,
              text->len, mac, &len)
         != NULL && len == sizeof(mac));

    ngx_hex_dump(hex, mac, len);
}
