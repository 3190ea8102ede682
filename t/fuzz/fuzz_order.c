
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_json.h"
#include "ngx_paygw_order.h"


/*
 * The unified API.  The first line of the input says what the rest is:
 *
 *   read CHANNEL OP      the body of a caller's request, which is read,
 *                        checked, made a provider's own and signed
 *   told CHANNEL OP METHOD STEP STATUS
 *                        an answer that is verified, of Alipay its content
 *   kept                 what the book of orders has kept of an answer
 *
 * CHANNEL is "a" or "w", OP and METHOD are their numbers.
 */


#define FUZZ_APIV3_KEY  "0123456789abcdefTESTapiv3KEY4567"
#define FUZZ_NOW        1730000000


static void fuzz_read(ngx_pool_t *pool, ngx_paygw_channel_t **ch,
    ngx_str_t *words, ngx_str_t *input);
static void fuzz_read_good(ngx_paygw_order_t *o);
static void fuzz_told(ngx_pool_t *pool, ngx_paygw_channel_t **ch,
    ngx_str_t *words, ngx_str_t *input);
static void fuzz_kept(ngx_pool_t *pool, ngx_str_t *input);
static ngx_uint_t fuzz_number(ngx_str_t *words, ngx_uint_t limit);


static ngx_paygw_channel_t  *fuzz_channels[2];

static const char  *fuzz_alipay[] = {
    "app_id 2021000000000001",
    "seller_id 2088101000000001",
    "alipay_public_key alipay/keys/alipay_public.pem",
    NULL,    /* app_private_key */
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
    ngx_uint_t  i;

    fuzz_alipay[3] = fuzz_private_line("app_private_key",
                                       "alipay/keys/app_private_pkcs1.pem");
    fuzz_wechat[5] = fuzz_private_line("merchant_private_key",
                                       "wechat_v3/merchant_key.pem");

    fuzz_channels[0] = harness_channel(fuzz_cf, "alipay", "zfb", fuzz_alipay);
    fuzz_channels[1] = harness_channel(fuzz_cf, "wechat_v3", "wxpay",
                                       fuzz_wechat);

    (void) unlink(strchr(fuzz_alipay[3], ' ') + 1);
    (void) unlink(strchr(fuzz_wechat[5], ' ') + 1);

    for (i = 0; i < 2; i++) {
        must(fuzz_channels[i] != NULL);
        ngx_str_set(&fuzz_channels[i]->notify_url, "https://shop/notify");
    }
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t             words;
    ngx_uint_t            told;
    ngx_paygw_channel_t **ch;

    words = fuzz_line(pool, input);

    if (words.len == 4 && ngx_memcmp(words.data, "kept", 4) == 0) {
        fuzz_kept(pool, input);
        return;
    }

    if (words.len < 7) {
        return;
    }

    told = (ngx_memcmp(words.data, "told ", 5) == 0);

    if (!told && ngx_memcmp(words.data, "read ", 5) != 0) {
        return;
    }

    ch = &fuzz_channels[words.data[5] == 'w'];

    words.data += 6;
    words.len -= 6;

    if (told) {
        fuzz_told(pool, ch, &words, input);

    } else {
        fuzz_read(pool, ch, &words, input);
    }
}


static void
fuzz_read(ngx_pool_t *pool, ngx_paygw_channel_t **ch, ngx_str_t *words,
    ngx_str_t *input)
{
    ngx_int_t             rc;
    ngx_str_t             body;
    ngx_paygw_order_t     o;
    ngx_paygw_exchange_t  x;

    ngx_memzero(&o, sizeof(ngx_paygw_order_t));
    fuzz_ask(pool, &x, ch, FUZZ_NOW);

    o.op = fuzz_number(words, NGX_PAYGW_OPS);
    o.amount = -1;

    if (o.op != NGX_PAYGW_OP_CREATE) {
        ngx_str_set(&o.id, "T20250102_0001");
    }

    body = fuzz_copy(pool, input);

    rc = ngx_paygw_order_read(pool, &o, &body, FUZZ_NOW);

    if (rc == NGX_OK) {
        fuzz_read_good(&o);
        rc = ngx_paygw_order_check(&x, &o);
    }

    if (rc == NGX_DECLINED) {
        must(o.code != NGX_PAYGW_CODE_OK
             && ngx_paygw_codes[o.code].status < 500);
        fuzz_order_answer(pool, &o, *ch);
        return;
    }

    must(rc == NGX_OK);
    must((*ch)->provider->orders->ask[o.op](&x, &o) == NGX_OK);

    /* whatever the caller has said, what we make of it can be sent */

    rc = x.n.provider->api->build(&x);

    must(rc == NGX_OK || rc == NGX_DONE);

    if (rc == NGX_DONE) {
        must((*ch)->provider->orders->normalise(&x, &o) == NGX_OK);
        fuzz_order_answer(pool, &o, *ch);
    }
}


/* what was taken is within its limits */

static void
fuzz_read_good(ngx_paygw_order_t *o)
{
    if (o->op == NGX_PAYGW_OP_CREATE) {
        must(o->id.len && o->id.len <= NGX_PAYGW_ORDER_ID_MAX);
        must(o->amount > 0 && o->amount <= NGX_PAYGW_ORDER_AMOUNT_MAX);
        must(o->currency.len == 3);
        must(o->subject.len && o->subject.len <= NGX_PAYGW_ORDER_SUBJECT_MAX);
        must(o->method < NGX_PAYGW_METHODS);
        must(o->nmeta <= NGX_PAYGW_ORDER_META);
        must(o->metadata.len <= NGX_PAYGW_ORDER_META_MAX);
        must(o->expires == 0 || o->expires >= FUZZ_NOW + 60);
    }

    if (o->op == NGX_PAYGW_OP_REFUND) {
        must(o->refund_id.len && o->refund_amount > 0);
    }
}


static void
fuzz_told(ngx_pool_t *pool, ngx_paygw_channel_t **ch, ngx_str_t *words,
    ngx_str_t *input)
{
    char                    *err;
    ngx_int_t                rc;
    ngx_str_t                text;
    ngx_paygw_json_t        *root;
    ngx_paygw_order_t        o;
    ngx_paygw_exchange_t     x;
    ngx_paygw_alipay_call_t  call;

    ngx_memzero(&o, sizeof(ngx_paygw_order_t));
    ngx_memzero(&call, sizeof(ngx_paygw_alipay_call_t));
    fuzz_ask(pool, &x, ch, FUZZ_NOW);

    o.op = fuzz_number(words, NGX_PAYGW_OPS);
    o.method = fuzz_number(words, NGX_PAYGW_METHODS);
    o.step = fuzz_number(words, 2);
    x.status = fuzz_number(words, 1000);

    ngx_str_set(&o.id, "T20250102_0001");
    ngx_str_set(&o.refund_id, "R20250102");
    ngx_str_set(&o.currency, "CNY");
    ngx_str_set(&o.payer_appid, "wxd678efh567hg6787");
    ngx_str_set(&o.date, "2025-01-02");
    o.amount = (o.op == NGX_PAYGW_OP_REFUND && o.step == 0) ? -1 : 100;
    o.refund_amount = 30;
    o.told.amount = -1;
    o.told.refund_amount = -1;

    text = fuzz_copy(pool, input);

    if (*ch == fuzz_channels[0]) {

        if (x.status == 0) {
            x.status = 200;
        }

        if (ngx_paygw_json_parse(pool, &text, &root, &err) != NGX_OK) {
            return;
        }

        call.content = root;
        x.data = &call;

    } else if (o.op == NGX_PAYGW_OP_BILL && o.step) {
        o.step = 0;
    }

    x.reply = text;

    rc = (*ch)->provider->orders->normalise(&x, &o);

    if (rc == NGX_OK) {
        fuzz_order_told(&o, *ch);
        fuzz_order_answer(pool, &o, *ch);
        return;
    }

    if (rc == NGX_AGAIN) {
        o.step++;
        must((*ch)->provider->orders->ask[o.op](&x, &o) == NGX_OK);
        must(x.n.provider->api->build(&x) == NGX_OK);
        return;
    }

    must(rc == NGX_DECLINED && x.n.reason != NGX_PAYGW_REASON_NONE);
}


/* what is read is written again, and read as the same */

static void
fuzz_kept(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_int_t          rc;
    ngx_str_t          text, again;
    ngx_paygw_order_t  o, other;

    ngx_memzero(&o, sizeof(ngx_paygw_order_t));

    text = fuzz_copy(pool, input);

    rc = ngx_paygw_order_kept(pool, &o, &text);

    must(rc == NGX_OK || rc == NGX_DECLINED);

    if (rc != NGX_OK) {
        return;
    }

    must(o.told.state > NGX_PAYGW_STATE_UNKNOWN
         && o.told.state < NGX_PAYGW_STATES);
    must(o.told.amount >= -1 && o.told.time >= 0);

    must(ngx_paygw_order_keep(pool, &o, &text) == NGX_OK);

    other = o;

    must(ngx_paygw_order_kept(pool, &other, &text) == NGX_OK);
    must(other.told.amount == o.told.amount
         && other.told.time == o.told.time
         && other.told.outcome == o.told.outcome
         && ngx_paygw_order_same(&other.told.payer, &o.told.payer)
         && ngx_paygw_order_same(&other.told.word, &o.told.word));
    must(ngx_paygw_order_keep(pool, &other, &again) == NGX_OK
         && ngx_paygw_order_same(&text, &again));
}


/* the next of numbers with a space in front of each; 0 if there is none */

static ngx_uint_t
fuzz_number(ngx_str_t *words, ngx_uint_t limit)
{
    ngx_uint_t  n;

    n = 0;

    if (words->len && words->data[0] == ' ') {
        words->data++;
        words->len--;
    }

    while (words->len && words->data[0] >= '0' && words->data[0] <= '9'
           && n < 1000)
    {
        n = 10 * n + words->data[0] - '0';
        words->data++;
        words->len--;
    }

    return n % limit;
}
