
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_json.h"
#include "ngx_paygw_order.h"


/*
 * Answers that are genuine, and the order of somebody else: nothing of them is
 * told.  Each row is a good answer but for what its name says.
 */


typedef struct {
    ngx_uint_t           channel;
    ngx_paygw_op_e       op;
    ngx_uint_t           step;
    const char          *name;
    const char          *hint;     /* NULL: it is good */
    const char          *text;
} test_told_t;


static void test_told_page(ngx_conf_t *cf);
static ngx_str_t test_told_text(ngx_paygw_json_t *obj, const char *name);
static void test_told_run(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const test_told_t *t);


/* keep the order of the names below */
#define TEST_WX       0
#define TEST_PARTNER  1
#define TEST_STRIPE   2
#define TEST_ALIPAY   3
#define TEST_CHANNELS 4

#define TEST_NOW  1730000000

#define TEST_WX_PAID                                                          \
    ",\"transaction_id\":\"42\",\"trade_state\":\"SUCCESS\","                 \
    "\"success_time\":\"2025-01-02T11:04:05+08:00\","                         \
    "\"amount\":{\"total\":100,\"currency\":\"CNY\"}}"

#define TEST_WX_BACK                                                          \
    ",\"refund_id\":\"50\",\"transaction_id\":\"42\","                        \
    "\"status\":\"SUCCESS\",\"success_time\":\"2025-01-02T11:04:05+08:00\","  \
    "\"amount\":{\"total\":100,\"refund\":"

#define TEST_INTENT                                                           \
    "{\"id\":\"pi_1\",\"object\":\"payment_intent\",\"livemode\":false,"      \
    "\"amount_received\":0,\"client_secret\":\"pi_1_secret_x\","              \
    "\"status\":\"requires_payment_method\","

#define TEST_RE                                                               \
    "{\"id\":\"re_1\",\"object\":\"refund\",\"status\":\"succeeded\","

#define TEST_ALI_PAID                                                         \
    ",\"trade_no\":\"2\",\"trade_status\":\"TRADE_SUCCESS\","                 \
    "\"total_amount\":\"1.00\"}"


static const char  *test_told_wx[] = {
    "appid wxd678efh567hg6787",
    "mchid 1900009191",
    "apiv3_key text:0123456789abcdefTESTapiv3KEY4567",
    "platform_certificate wechat_v3/platform_cert_a.pem",
    NULL
};

static const char  *test_told_partner[] = {
    "appid wxd678efh567hg6787",
    "mchid 1900009191",
    "sub_mchid 1900000109",
    "apiv3_key text:0123456789abcdefTESTapiv3KEY4567",
    "platform_certificate wechat_v3/platform_cert_a.pem",
    NULL
};

static const char  *test_told_stripe[] = {
    "webhook_secret text:whsec_0123456789abcdef0123456789abcdef",
    "livemode off",
    NULL
};

static const char  *test_told_alipay[] = {
    "app_id 2021000000000001",
    "seller_id 2088101000000001",
    "alipay_public_key alipay/keys/alipay_public.pem",
    NULL
};


static const test_told_t  test_told_rows[] = {

    { TEST_WX, NGX_PAYGW_OP_QUERY, 0, "WeChat", NULL,
      "{\"mchid\":\"1900009191\",\"out_trade_no\":\"T1\"" TEST_WX_PAID },
    { TEST_WX, NGX_PAYGW_OP_QUERY, 0, "WeChat, another order",
      "another out_trade_no",
      "{\"mchid\":\"1900009191\",\"out_trade_no\":\"T2\"" TEST_WX_PAID },
    { TEST_WX, NGX_PAYGW_OP_QUERY, 0, "WeChat, its number is longer",
      "another out_trade_no",
      "{\"mchid\":\"1900009191\",\"out_trade_no\":\"T12\"" TEST_WX_PAID },
    { TEST_WX, NGX_PAYGW_OP_QUERY, 0, "WeChat, no order",
      "another out_trade_no", "{\"mchid\":\"1900009191\"" TEST_WX_PAID },
    { TEST_WX, NGX_PAYGW_OP_QUERY, 0, "WeChat, another mchid",
      "another mchid",
      "{\"mchid\":\"1900009192\",\"out_trade_no\":\"T1\"" TEST_WX_PAID },
    { TEST_WX, NGX_PAYGW_OP_QUERY, 0, "WeChat, no mchid", "another mchid",
      "{\"out_trade_no\":\"T1\"" TEST_WX_PAID },
    { TEST_WX, NGX_PAYGW_OP_QUERY, 0, "WeChat, of a partner",
      "another mchid", "{\"sp_mchid\":\"1900009191\","
      "\"sub_mchid\":\"1900000109\",\"out_trade_no\":\"T1\"" TEST_WX_PAID },
    { TEST_WX, NGX_PAYGW_OP_REFUND, 0, "WeChat, to refund another order",
      "another out_trade_no",
      "{\"mchid\":\"1900009191\",\"out_trade_no\":\"T2\"" TEST_WX_PAID },

    { TEST_PARTNER, NGX_PAYGW_OP_QUERY, 0, "partner", NULL,
      "{\"sp_mchid\":\"1900009191\",\"sub_mchid\":\"1900000109\","
      "\"out_trade_no\":\"T1\"" TEST_WX_PAID },
    { TEST_PARTNER, NGX_PAYGW_OP_QUERY, 0, "partner, another sub_mchid",
      "another sub_mchid",
      "{\"sp_mchid\":\"1900009191\",\"sub_mchid\":\"1900000110\","
      "\"out_trade_no\":\"T1\"" TEST_WX_PAID },
    { TEST_PARTNER, NGX_PAYGW_OP_QUERY, 0, "partner, no sub_mchid",
      "another sub_mchid",
      "{\"sp_mchid\":\"1900009191\",\"out_trade_no\":\"T1\"" TEST_WX_PAID },
    { TEST_PARTNER, NGX_PAYGW_OP_QUERY, 0, "partner, another sp_mchid",
      "another mchid",
      "{\"sp_mchid\":\"1900009192\",\"sub_mchid\":\"1900000109\","
      "\"out_trade_no\":\"T1\"" TEST_WX_PAID },
    { TEST_PARTNER, NGX_PAYGW_OP_QUERY, 0, "partner, of no partner",
      "another mchid",
      "{\"mchid\":\"1900009191\",\"sub_mchid\":\"1900000109\","
      "\"out_trade_no\":\"T1\"" TEST_WX_PAID },

    { TEST_WX, NGX_PAYGW_OP_REFUND, 1, "refund", NULL,
      "{\"out_trade_no\":\"T1\",\"out_refund_no\":\"R1\""
      TEST_WX_BACK "30}}" },
    { TEST_WX, NGX_PAYGW_OP_REFUND, 1, "refund, another one",
      "another out_refund_no",
      "{\"out_trade_no\":\"T1\",\"out_refund_no\":\"R2\""
      TEST_WX_BACK "30}}" },
    { TEST_WX, NGX_PAYGW_OP_REFUND, 1, "refund, of another order",
      "another out_trade_no",
      "{\"out_trade_no\":\"T2\",\"out_refund_no\":\"R1\""
      TEST_WX_BACK "30}}" },
    { TEST_WX, NGX_PAYGW_OP_REFUND, 1, "refund, another amount",
      "another amount.refund",
      "{\"out_trade_no\":\"T1\",\"out_refund_no\":\"R1\""
      TEST_WX_BACK "31}}" },
    { TEST_WX, NGX_PAYGW_OP_REFUND, 1, "refund, a float",
      "no valid amount",
      "{\"out_trade_no\":\"T1\",\"out_refund_no\":\"R1\""
      TEST_WX_BACK "30.0}}" },
    { TEST_WX, NGX_PAYGW_OP_REFUND_QUERY, 0, "refund query, another one",
      "another out_refund_no",
      "{\"out_trade_no\":\"T1\",\"out_refund_no\":\"R2\""
      TEST_WX_BACK "30}}" },

    { TEST_STRIPE, NGX_PAYGW_OP_CREATE, 0, "Stripe", NULL,
      TEST_INTENT "\"amount\":100,\"currency\":\"cny\","
      "\"metadata\":{\"out_trade_no\":\"T1\"}}" },
    { TEST_STRIPE, NGX_PAYGW_OP_CREATE, 0, "Stripe, another order",
      "another order", TEST_INTENT "\"amount\":100,\"currency\":\"cny\","
      "\"metadata\":{\"out_trade_no\":\"T2\"}}" },
    { TEST_STRIPE, NGX_PAYGW_OP_CREATE, 0, "Stripe, no order",
      "another order", TEST_INTENT "\"amount\":100,\"currency\":\"cny\","
      "\"metadata\":{}}" },
    { TEST_STRIPE, NGX_PAYGW_OP_CREATE, 0, "Stripe, another amount",
      "another amount", TEST_INTENT "\"amount\":101,\"currency\":\"cny\","
      "\"metadata\":{\"out_trade_no\":\"T1\"}}" },
    { TEST_STRIPE, NGX_PAYGW_OP_CREATE, 0, "Stripe, another currency",
      "another amount", TEST_INTENT "\"amount\":100,\"currency\":\"jpy\","
      "\"metadata\":{\"out_trade_no\":\"T1\"}}" },

    { TEST_ALIPAY, NGX_PAYGW_OP_QUERY, 0, "Alipay", NULL,
      "{\"code\":\"10000\",\"out_trade_no\":\"T1\"" TEST_ALI_PAID },
    { TEST_ALIPAY, NGX_PAYGW_OP_QUERY, 0, "Alipay, another order",
      "another out_trade_no",
      "{\"code\":\"10000\",\"out_trade_no\":\"T2\"" TEST_ALI_PAID },
    { TEST_ALIPAY, NGX_PAYGW_OP_QUERY, 0, "Alipay, no order",
      "another out_trade_no", "{\"code\":\"10000\"" TEST_ALI_PAID },
    { TEST_ALIPAY, NGX_PAYGW_OP_CLOSE, 0, "Alipay, another one is closed",
      "another out_trade_no",
      "{\"code\":\"10000\",\"out_trade_no\":\"T2\",\"trade_no\":\"2\"}" },
    { TEST_ALIPAY, NGX_PAYGW_OP_REFUND, 0, "Alipay, another refund",
      "another send_back_fee",
      "{\"code\":\"10000\",\"out_trade_no\":\"T1\",\"trade_no\":\"2\","
      "\"fund_change\":\"Y\",\"send_back_fee\":\"0.31\"}" },

    { 0, 0, 0, NULL, NULL, NULL }
};


void
test_told(void)
{
    ngx_conf_t           *cf;
    ngx_paygw_channel_t  *ch[TEST_CHANNELS];
    const test_told_t    *t;

    cf = harness_conf();

    ch[TEST_WX] = harness_channel(cf, "wechat_v3", "wxpay", test_told_wx);
    ch[TEST_PARTNER] = harness_channel(cf, "wechat_v3", "partner",
                                       test_told_partner);
    ch[TEST_STRIPE] = harness_channel(cf, "stripe", "stripe",
                                      test_told_stripe);
    ch[TEST_ALIPAY] = harness_channel(cf, "alipay", "alipay",
                                      test_told_alipay);

    for (t = test_told_rows; t->name; t++) {

        if (ch[t->channel] == NULL) {
            ok(0, "told, %s: no channel", t->name);
            continue;
        }

        test_told_run(cf, ch[t->channel], t);
    }

    test_told_page(cf);

    harness_conf_free(cf);
    harness_log_reset();
}


/*
 * The form of the vector, which is a URL with the fields behind; quotes of both
 * kinds, "&" and "<" are in what is signed.
 */

static void
test_told_page(ngx_conf_t *cf)
{
    char              *err;
    u_char            *p;
    ngx_str_t          text, action, biz, sdk, url, page, want;
    ngx_paygw_json_t  *root, *v, *expect, *params;

    text = harness_file(cf->pool, "alipay/page_app_pay.json");

    is_int(ngx_paygw_json_parse(cf->pool, &text, &root, &err), NGX_OK,
           "page: vectors");

    for (v = root->child; v; v = v->next) {
        text = test_told_text(v, "kind");

        if (text.len == 13 && ngx_strncmp(text.data, "page_pay_form", 13) == 0)
        {
            break;
        }
    }

    if (v == NULL) {
        ok(0, "page: no vector");
        return;
    }

    expect = ngx_paygw_json_get(v, "expect");
    params = ngx_paygw_json_get(ngx_paygw_json_get(v, "inputs"), "params");

    action = test_told_text(expect, "form_action_from_sdk");
    biz = test_told_text(params, "biz_content");
    sdk = test_told_text(params, "alipay_sdk");

    p = ngx_pnalloc(cf->pool, action.len + 3 * (biz.len + sdk.len) + 64);
    url.data = p;

    p = ngx_sprintf(p, "%V&alipay_sdk=%V&biz_content=", &action, &sdk);
    p = (u_char *) ngx_escape_uri(p, biz.data, biz.len,
                                  NGX_ESCAPE_URI_COMPONENT);
    url.len = p - url.data;

    is_int(ngx_paygw_alipay_page(cf->pool, &url, &page), NGX_OK, "page");

    /* what the browser reads there is the action again */

    biz = test_told_text(expect, "biz_content_attribute_fully_escaped");

    p = ngx_pnalloc(cf->pool, 5 * action.len + biz.len + sdk.len + 1024);
    want.data = p;

    p = ngx_sprintf(p, "<!DOCTYPE html>\n<html>\n<head>"
                    "<meta charset=\"utf-8\"></head>\n<body>\n"
                    "<form id=\"pay\" method=\"post\" action=\"");
    p = (u_char *) ngx_escape_html(p, action.data, action.len);
    p = ngx_sprintf(p, "\">\n"
                    "<input type=\"hidden\" name=\"alipay_sdk\" "
                    "value=\"%V\">\n"
                    "<input type=\"hidden\" name=\"biz_content\" "
                    "value=\"%V\">\n"
                    "<noscript><input type=\"submit\"></noscript>\n</form>\n"
                    "<script>document.getElementById(\"pay\").submit();"
                    "</script>\n</body>\n</html>\n%Z", &sdk, &biz);

    is_str(&page, (char *) want.data, "page: that of the vector");
}


static ngx_str_t
test_told_text(ngx_paygw_json_t *obj, const char *name)
{
    ngx_str_t  text;

    (void) ngx_paygw_json_get_string(obj, name, &text);

    return text;
}


static void
test_told_run(ngx_conf_t *cf, ngx_paygw_channel_t *ch, const test_told_t *t)
{
    char                    *err;
    ngx_int_t                rc;
    ngx_str_t                text;
    ngx_paygw_json_t        *root;
    ngx_paygw_order_t        o;
    ngx_paygw_exchange_t     x;
    ngx_paygw_alipay_call_t  call;

    ngx_memzero(&o, sizeof(ngx_paygw_order_t));
    ngx_memzero(&x, sizeof(ngx_paygw_exchange_t));
    ngx_memzero(&call, sizeof(ngx_paygw_alipay_call_t));

    x.n.provider = ch->provider;
    x.n.channels = &ch;
    x.n.nchannels = 1;
    x.n.channel = ch;
    x.n.pool = cf->pool;
    x.n.log = cf->log;
    x.n.msg.now = TEST_NOW;
    x.status = 200;

    o.op = t->op;
    o.step = t->step;
    o.method = NGX_PAYGW_METHOD_APP;
    o.amount = (t->op == NGX_PAYGW_OP_REFUND && t->step == 0
                && t->channel == TEST_WX) ? -1 : 100;
    o.refund_amount = 30;
    o.told.amount = -1;
    o.told.refund_amount = -1;
    ngx_str_set(&o.id, "T1");
    ngx_str_set(&o.refund_id, "R1");
    ngx_str_set(&o.currency, "CNY");

    text = harness_str(cf->pool, t->text);
    x.reply = text;

    if (t->channel == TEST_ALIPAY) {
        is_int(ngx_paygw_json_parse(cf->pool, &text, &root, &err), NGX_OK,
               t->name);
        call.content = root;
        x.data = &call;
    }

    rc = ch->provider->orders->normalise(&x, &o);

    if (t->hint == NULL) {
        is_int(rc, NGX_OK, t->name);
        is_int(o.code, NGX_PAYGW_CODE_OK, t->name);
        return;
    }

    is_int(rc, NGX_DECLINED, t->name);

    ok(x.n.hint.len > ngx_strlen(t->hint)
       && ngx_strncmp(x.n.hint.data + x.n.hint.len - ngx_strlen(t->hint),
                      t->hint, ngx_strlen(t->hint))
          == 0,
       "told, %s: \"%.*s\"", t->name, (int) x.n.hint.len,
       (char *) x.n.hint.data);
}
