
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_xml.h"


/*
 * An order of the unified API from its first step to the answer to the caller,
 * with whole answers of the provider.  The first line of the input is
 *
 *   CHANNEL OP METHOD STATUS [raw]
 *
 * where CHANNEL is "a", "w", "v", "u" or "s", and OP, METHOD, STATUS are
 * numbers.  The rest is the answers, one for each step, with lines "==" between
 * them: of Alipay the content, of UnionPay the fields, of the others the body.
 * The target signs them as the provider does, unless they are "raw".
 */


#define FUZZ_APIV3_KEY  "0123456789abcdefTESTapiv3KEY4567"
#define FUZZ_API_KEY    "192006250b4c09247ec02edce69f6a2d"
#define FUZZ_SECRET     "979da4cfccbae7923641daa5dd7047c2"
#define FUZZ_SERIAL     "0A57F09EFDC096DE15EBE81A47057A7232F1B8E1"
#define FUZZ_STAMP      "1730000000"
#define FUZZ_NOW        1730000000
#define FUZZ_STEPS      4


typedef struct {
    u_char                name;
    const char           *provider;
    ngx_int_t           (*sign)(ngx_paygw_exchange_t *x, ngx_str_t *answer);
    const char           *params[8];
    ngx_paygw_channel_t  *channel;
} fuzz_provider_t;


static void fuzz_asked(ngx_paygw_order_t *o, fuzz_provider_t *p);
static ngx_int_t fuzz_alipay(ngx_paygw_exchange_t *x, ngx_str_t *answer);
static ngx_int_t fuzz_wechat(ngx_paygw_exchange_t *x, ngx_str_t *answer);
static ngx_int_t fuzz_wechat_v2(ngx_paygw_exchange_t *x, ngx_str_t *answer);
static ngx_int_t fuzz_unionpay(ngx_paygw_exchange_t *x, ngx_str_t *answer);
static ngx_int_t fuzz_stripe(ngx_paygw_exchange_t *x, ngx_str_t *answer);
static ngx_str_t fuzz_part(ngx_pool_t *pool, ngx_str_t *input);


static EVP_PKEY         *fuzz_keys[2];

static fuzz_provider_t   fuzz_providers[] = {
    { 'a', "alipay", fuzz_alipay, {
          "app_id 2021000000000001",
          "seller_id 2088101000000001",
          "alipay_public_key alipay/keys/alipay_public.pem",
          "app_private_key alipay/keys/app_private_pkcs1.pem", NULL },
      NULL },
    { 'w', "wechat_v3", fuzz_wechat, {
          "appid wxd678efh567hg6787",
          "mchid 1900009191",
          "apiv3_key text:" FUZZ_APIV3_KEY,
          "platform_certificate wechat_v3/platform_cert_a.pem",
          "merchant_certificate wechat_v3/merchant_cert.pem",
          "merchant_private_key wechat_v3/merchant_key.pem", NULL },
      NULL },
    { 'v', "wechat_v2", fuzz_wechat_v2, {
          "appid wxd930ea5d5a258f4f",
          "mchid 10000100",
          "api_key text:" FUZZ_API_KEY,
          "sign_type MD5",
          "merchant_certificate unionpay/keys/merchant_cert.cer",
          "merchant_private_key unionpay/keys/merchant_private.pem", NULL },
      NULL },
    { 'u', "unionpay", fuzz_unionpay, {
          "merId 777290058110097",
          "signMethod 11",
          "secure_key text:" FUZZ_SECRET, NULL },
      NULL },
    { 's', "stripe", fuzz_stripe, {
          "webhook_secret text:whsec_0123456789abcdef",
          "secret_key text:sk_test_0123456789",
          "livemode off", NULL },
      NULL },
    { 0, NULL, NULL, { NULL }, NULL }
};


void
fuzz_init(void)
{
    char             *name, param[64];
    ngx_uint_t        i;
    const char       *line;
    fuzz_provider_t  *p;

    fuzz_keys[0] = fuzz_private("alipay/keys/alipay_private.pem");
    fuzz_keys[1] = fuzz_private("wechat_v3/platform_key_a.pem");

    for (p = fuzz_providers; p->name; p++) {

        line = NULL;

        for (i = 0; p->params[i]; i++) {

            name = strstr(p->params[i], "_private_key ");

            if (name) {
                name += sizeof("_private_key") - 1;
                (void) snprintf(param, sizeof(param), "%.*s",
                                (int) (name - p->params[i]), p->params[i]);
                line = fuzz_private_line(param, name + 1);
                p->params[i] = line;
            }
        }

        p->channel = harness_channel(fuzz_cf, p->provider, p->provider,
                                     p->params);
        must(p->channel != NULL);
        ngx_str_set(&p->channel->notify_url, "https://shop/notify");

        if (line) {
            (void) unlink(strchr(line, ' ') + 1);
        }
    }
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    char                  mode[8];
    ngx_int_t             rc;
    ngx_str_t             line, answer, *body;
    unsigned              op, method, status;
    fuzz_provider_t      *p;
    ngx_paygw_order_t     o;
    ngx_paygw_exchange_t  x;

    line = fuzz_line(pool, input);
    line = fuzz_join(pool, &line, &(ngx_str_t) { 1, (u_char *) "" }, NULL);

    op = method = status = 0;
    mode[0] = '\0';

    for (p = fuzz_providers; p->name && p->name != line.data[0]; p++) {
        /* void */
    }

    if (p->name == 0
        || sscanf((char *) line.data + 1, " %2u %2u %3u %7s", &op, &method,
                  &status, mode) < 3)
    {
        return;
    }

    ngx_memzero(&o, sizeof(ngx_paygw_order_t));

    o.op = op % NGX_PAYGW_OPS;
    o.method = method % NGX_PAYGW_METHODS;
    fuzz_asked(&o, p);

    fuzz_ask(pool, &x, &p->channel, FUZZ_NOW);

    if (ngx_paygw_order_check(&x, &o) != NGX_OK) {
        must(o.code != NGX_PAYGW_CODE_OK);
        return;
    }

    o.told.amount = -1;
    o.told.refund_amount = -1;

    for ( ;; ) {
        must(o.step < FUZZ_STEPS);
        must(p->channel->provider->orders->ask[o.op](&x, &o) == NGX_OK);

        if (x.in.body.data == NULL) {
            ngx_str_set(&x.in.body, "");
        }

        rc = x.n.provider->api->build(&x);
        must(rc == NGX_OK || rc == NGX_DONE);

        if (rc == NGX_OK) {
            answer = fuzz_part(pool, input);
            x.status = status;
            body = &x.n.msg.body;

            if (ngx_strcmp(mode, "raw") == 0) {
                *body = answer;

            } else if (p->sign(&x, &answer) != NGX_OK) {
                return;
            }

            if (fuzz_check(&x) != NGX_OK) {
                return;
            }

            /* nothing is believed without a signature */

            must(ngx_strcmp(mode, "raw") != 0 || p->name == 's'
                 || o.op == NGX_PAYGW_OP_BILL);
        }

        rc = p->channel->provider->orders->normalise(&x, &o);

        if (rc != NGX_AGAIN) {
            break;
        }

        o.step++;
        x.nfields = 0;
    }

    if (rc == NGX_OK) {
        fuzz_order_told(&o, p->channel);
        fuzz_order_answer(pool, &o, p->channel);
        return;
    }

    must(rc == NGX_DECLINED && x.n.reason != NGX_PAYGW_REASON_NONE);
}


/* what the operation needs, as the caller has said it */

static void
fuzz_asked(ngx_paygw_order_t *o, fuzz_provider_t *p)
{
    ngx_str_set(&o->id, "T202501020001");
    o->amount = -1;

    if (p->name == 'u' && o->op != NGX_PAYGW_OP_BILL) {
        ngx_str_set(&o->ref, "20250102030405q");

        if (o->op == NGX_PAYGW_OP_REFUND_QUERY) {
            ngx_str_set(&o->ref, "20250102030405q-20250102040506");
        }

        if (o->op == NGX_PAYGW_OP_CREATE
            && o->method != NGX_PAYGW_METHOD_QR)
        {
            o->ref.len = 14;

            if (o->method == NGX_PAYGW_METHOD_BARCODE) {
                ngx_str_set(&o->ref, "20250102030405b");
            }
        }
    }

    switch (o->op) {

    case NGX_PAYGW_OP_CREATE:
        o->amount = 100;
        ngx_str_set(&o->currency, "CNY");
        ngx_str_set(&o->subject, "tea");
        ngx_str_set(&o->payer_ip, "203.0.113.9");
        ngx_str_set(&o->return_url, "https://shop/back");

        if (o->method == NGX_PAYGW_METHOD_JSAPI && p->name != 's') {
            ngx_str_set(&o->payer, "2088101122136241");
        }

        if (o->method == NGX_PAYGW_METHOD_BARCODE) {
            ngx_str_set(&o->auth_code, "280000000000000001");

            if (p->name == 'v') {
                ngx_str_set(&o->auth_code, "130000000000000001");

            } else if (p->name == 'u') {
                ngx_str_set(&o->auth_code, "6220000000000000001");
                ngx_str_set(&o->terminal, "00000001");
            }
        }

        break;

    case NGX_PAYGW_OP_REFUND:
        o->refund_amount = 30;
        /* fall through */

    case NGX_PAYGW_OP_REFUND_QUERY:
        ngx_str_set(&o->refund_id, "R202501020001");
        break;

    case NGX_PAYGW_OP_BILL:
        ngx_str_null(&o->id);
        ngx_str_set(&o->date, "2024-10-01");
        break;

    default:
        break;
    }
}


static ngx_int_t
fuzz_alipay(ngx_paygw_exchange_t *x, ngx_str_t *answer)
{
    u_char     *p;
    ngx_str_t   sign, name, part[4];

    /* of the call that was made: "alipay.trade.query" in the form */

    p = (u_char *) ngx_strnstr(x->body.data, "method=", x->body.len);
    must(p != NULL);

    name.data = p + sizeof("method=") - 1;

    for (p = name.data; p < x->body.data + x->body.len && *p != '&'; p++) {
        /* void */
    }

    name.len = p - name.data;
    name = fuzz_copy(x->n.pool, &name);

    for (p = name.data; p < name.data + name.len; p++) {
        *p = (*p == '.') ? '_' : *p;
    }

    ngx_str_set(&part[0], "{\"");
    ngx_str_set(&part[1], "_response\":");
    ngx_str_set(&part[2], ",\"sign\":\"");
    ngx_str_set(&part[3], "\"}");
    sign = fuzz_sign(x->n.pool, fuzz_keys[0], answer);

    x->n.msg.body = fuzz_join(x->n.pool, &part[0], &name, &part[1], answer,
                              &part[2], &sign, &part[3], NULL);
    return NGX_OK;
}


static ngx_int_t
fuzz_wechat(ngx_paygw_exchange_t *x, ngx_str_t *answer)
{
    ngx_str_t  text, lf, *h;

    h = x->n.msg.headers;

    ngx_str_set(&lf, "\n");
    ngx_str_set(&h[0], FUZZ_STAMP);
    ngx_str_set(&h[1], "0123456789abcdef");
    ngx_str_set(&h[3], FUZZ_SERIAL);

    text = fuzz_join(x->n.pool, &h[0], &lf, &h[1], &lf, answer, &lf, NULL);

    h[2] = fuzz_sign(x->n.pool, fuzz_keys[1], &text);
    x->n.msg.body = *answer;

    return NGX_OK;
}


static ngx_int_t
fuzz_wechat_v2(ngx_paygw_exchange_t *x, ngx_str_t *answer)
{
    char              *err;
    ngx_str_t          sign;
    ngx_paygw_form_t   form;

    /* a bill is not signed */

    if (ngx_paygw_xml_parse(x->n.pool, answer, "xml", &form, &err) != NGX_OK
        || form.nfields == NGX_PAYGW_FORM_MAX_FIELDS)
    {
        x->n.msg.body = *answer;
        return NGX_OK;
    }

    fuzz_fields_without(&form, "sign");

    if (ngx_paygw_form_sort(&form, &err) != NGX_OK) {
        return NGX_ABORT;
    }

    sign = fuzz_fields_text(x->n.pool, &form, FUZZ_API_KEY);
    sign = fuzz_fields_hash(x->n.pool, EVP_md5(), &sign, 1);

    must(ngx_paygw_form_add(&form, "sign", &sign) == NGX_OK);
    must(ngx_paygw_xml_write(x->n.pool, "xml", &form, &x->n.msg.body)
         == NGX_OK);

    return NGX_OK;
}


static ngx_int_t
fuzz_unionpay(ngx_paygw_exchange_t *x, ngx_str_t *answer)
{
    char              *err;
    ngx_str_t          text, amp, sign;
    ngx_paygw_form_t   form;

    if (ngx_paygw_form_raw(x->n.pool, answer, &form, &err) != NGX_OK) {
        return NGX_ABORT;
    }

    fuzz_fields_without(&form, "signature");

    if (ngx_paygw_form_sort(&form, &err) != NGX_OK) {
        return NGX_ABORT;
    }

    text = fuzz_fields_text(x->n.pool, &form, NULL);
    sign = fuzz_fields_secret(x->n.pool, &text, FUZZ_SECRET);
    ngx_str_set(&amp, "&signature=");

    x->n.msg.body = fuzz_join(x->n.pool, &text, &amp, &sign, NULL);

    return NGX_OK;
}


static ngx_int_t
fuzz_stripe(ngx_paygw_exchange_t *x, ngx_str_t *answer)
{
    x->n.msg.body = *answer;

    return NGX_OK;
}


/* the answer to a step */

static ngx_str_t
fuzz_part(ngx_pool_t *pool, ngx_str_t *input)
{
    u_char     *p;
    ngx_str_t   part;

    part = *input;
    p = (u_char *) ngx_strlcasestrn(input->data, input->data + input->len,
                                    (u_char *) "\n==\n", 3);

    if (p) {
        part.len = p - input->data;
        input->len -= part.len + 4;
        input->data = p + 4;

    } else {
        input->data += input->len;
        input->len = 0;
    }

    return fuzz_copy(pool, &part);
}
