
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_order.h"


static void test_order_read(void);
static void test_order_refused(void);
static void test_order_date(void);
static void test_order_write(void);
static void test_order_kept(void);
static void test_order_codes(void);
static void test_order_texts(void);
static void test_order_out(void);
static ngx_int_t test_order_parse(ngx_conf_t *cf, ngx_paygw_order_t *o,
    ngx_paygw_op_e op, const char *text);


#define TEST_NOW  1730000000

#define TEST_ORDER                                                            \
    "\"order_id\":\"T1\",\"amount\":100,\"currency\":\"CNY\","                \
    "\"subject\":\"tea\",\"method\":\"qr\""


void
test_order(void)
{
    test_order_read();
    test_order_refused();
    test_order_date();
    test_order_write();
    test_order_kept();
    test_order_codes();
    test_order_texts();
    test_order_out();
}


static void
test_order_read(void)
{
    ngx_conf_t         *cf;
    ngx_paygw_order_t   o;

    cf = harness_conf();

    is_int(test_order_parse(cf, &o, NGX_PAYGW_OP_CREATE,
                            "{" TEST_ORDER ",\"expires_in\":60,"
                            "\"metadata\":{\"b\":\"\\u0022\",\"a\":\"x\"},"
                            "\"payer\":{\"id\":\"o1\",\"ip\":\"::1\"}}"),
           NGX_OK, "order, read");
    is_str(&o.id, "T1", "order, id");
    is_int(o.amount, 100, "order, amount");
    is_str(&o.currency, "CNY", "order, currency");
    is_str(&o.subject, "tea", "order, subject");
    is_int(o.method, NGX_PAYGW_METHOD_QR, "order, method");
    is_int(o.expires, TEST_NOW + 60, "order, expires");
    is_int(o.nmeta, 2, "order, metadata");
    is_str(&o.metadata, "{\"b\":\"\\\"\",\"a\":\"x\"}",
           "order, metadata in our spelling");
    is_str(&o.payer, "o1", "order, payer");
    is_str(&o.payer_ip, "::1", "order, payer's address");

    is_int(test_order_parse(cf, &o, NGX_PAYGW_OP_REFUND,
                            "{\"refund_id\":\"R1\",\"amount\":30}"),
           NGX_OK, "order, refund");
    is_int(o.refund_amount, 30, "order, amount of a refund");
    is_int(o.amount, -1, "order, that of the order is not known");

    is_int(test_order_parse(cf, &o, NGX_PAYGW_OP_CLOSE, ""), NGX_OK,
           "order, close without a body");

    quiet("order, read");
    harness_conf_free(cf);
}


static void
test_order_refused(void)
{
    size_t              i;
    ngx_conf_t         *cf;
    ngx_paygw_order_t   o;

    static const struct {
        const char        *text;
        ngx_paygw_code_e   code;
        const char        *field;
    } t[] = {
        { "", NGX_PAYGW_CODE_BAD_REQUEST, NULL },
        { "[]", NGX_PAYGW_CODE_BAD_REQUEST, NULL },
        { "{\"a\":1,\"a\":1}", NGX_PAYGW_CODE_BAD_REQUEST, NULL },
        { "{}", NGX_PAYGW_CODE_MISSING_FIELD, "order_id" },
        { "{" TEST_ORDER ",\"x\":1}", NGX_PAYGW_CODE_UNKNOWN_FIELD, NULL },
        { "{" TEST_ORDER ",\"refund_id\":\"R\"}",
          NGX_PAYGW_CODE_UNKNOWN_FIELD, NULL },
        { "{\"amount\":1e2}", NGX_PAYGW_CODE_INVALID_FIELD, "amount" },
        { "{\"amount\":1.0}", NGX_PAYGW_CODE_INVALID_FIELD, "amount" },
        { "{\"amount\":-1}", NGX_PAYGW_CODE_INVALID_FIELD, "amount" },
        { "{\"amount\":0}", NGX_PAYGW_CODE_INVALID_FIELD, "amount" },
        { "{\"amount\":18446744073709551716}",
          NGX_PAYGW_CODE_INVALID_FIELD, "amount" },
        { "{\"order_id\":\"a b\"}", NGX_PAYGW_CODE_INVALID_FIELD,
          "order_id" },
        { "{\"payer\":{\"ip\":\"1.2.3\"}}", NGX_PAYGW_CODE_INVALID_FIELD,
          "payer.ip" },
        { "{\"subject\":\"a\\u0001\"}", NGX_PAYGW_CODE_INVALID_FIELD,
          "subject" },
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        is_int(test_order_parse(cf, &o, NGX_PAYGW_OP_CREATE, t[i].text),
               NGX_DECLINED, t[i].text);
        is_int(o.code, t[i].code, t[i].text);
        ok((o.field == NULL) == (t[i].field == NULL)
           && (o.field == NULL || strcmp(o.field, t[i].field) == 0),
           "order, field of %s", t[i].text);
    }

    quiet("order, refused");
    harness_conf_free(cf);
}


static void
test_order_date(void)
{
    size_t              i;
    ngx_str_t           date;
    ngx_conf_t         *cf;
    ngx_paygw_order_t   o;

    /* TEST_NOW is 2024-10-27 03:33 */

    static const struct {
        const char  *date;
        ngx_int_t    rc;
    } t[] = {
        { "2024-10-26", NGX_OK }, { "2024-10-27", NGX_OK },
        { "2024-10-28", NGX_DECLINED }, { "2024-02-30", NGX_DECLINED },
        { "2024-10-2", NGX_DECLINED }, { "20241026", NGX_DECLINED },
        { "2024-10-26 ", NGX_DECLINED }, { "", NGX_DECLINED }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        ngx_memzero(&o, sizeof(ngx_paygw_order_t));
        date = harness_str(cf->pool, t[i].date);
        is_int(ngx_paygw_order_read_date(&o, &date, TEST_NOW), t[i].rc,
               t[i].date);
    }

    harness_conf_free(cf);
}


static void
test_order_write(void)
{
    ngx_str_t           id, text, value;
    ngx_conf_t         *cf;
    ngx_paygw_order_t   o;

    cf = harness_conf();
    ngx_str_set(&id, "abc");
    ngx_str_set(&value, "x\"y");

    ngx_memzero(&o, sizeof(ngx_paygw_order_t));
    ngx_str_set(&o.id, "T1");
    o.told.outcome = NGX_PAYGW_OUTCOME_PENDING;
    o.told.state = NGX_PAYGW_STATE_CREATED;
    o.told.amount = 100;
    o.told.time = 1735787045;
    o.told.action = NGX_PAYGW_ACTION_JSAPI;
    ngx_paygw_order_param(&o, "a", &value);

    is_int(ngx_paygw_order_write(cf->pool, &o, NULL, &id, &text), NGX_OK,
           "order, written");
    is_str(&text, "{\"code\":\"OK\",\"message\":\"\",\"request_id\":\"abc\","
           "\"data\":{\"order_id\":\"T1\",\"state\":\"CREATED\","
           "\"outcome\":\"pending\",\"amount\":100,"
           "\"paid_at\":\"2025-01-02T03:04:05Z\","
           "\"action\":{\"type\":\"jsapi\",\"params\":{\"a\":\"x\\\"y\"}}}}",
           "order, the whole answer");

    o.code = NGX_PAYGW_CODE_UNANSWERED;
    is_int(ngx_paygw_order_write(cf->pool, &o, NULL, &id, &text), NGX_OK,
           "order, unknown");
    is_str(&text, "{\"code\":\"PROVIDER-UNANSWERED\",\"message\":\"the "
           "request was sent and not answered, query before anything "
           "else\",\"request_id\":\"abc\",\"data\":{\"order_id\":\"T1\","
           "\"outcome\":\"unknown\"}}", "order, unknown is said");

    (void) ngx_paygw_order_invalid(&o, "amount", "is odd");
    is_int(ngx_paygw_order_write(cf->pool, &o, NULL, &id, &text), NGX_OK,
           "order, refused");
    is_str(&text, "{\"code\":\"CLIENT-INVALID_FIELD\",\"message\":\"amount: "
           "is odd\",\"request_id\":\"abc\",\"data\":{\"field\":"
           "\"amount\"}}", "order, the field by its name");

    harness_conf_free(cf);
}


static void
test_order_kept(void)
{
    ngx_str_t           text;
    ngx_uint_t          i;
    ngx_conf_t         *cf;
    ngx_paygw_order_t   o, other;

    static const char  *bad[] = {
        "", "state=PAID", "outcome=success", "state=&outcome=success",
        "state=paid&outcome=success", "state=PAID&outcome=good",
        "state=PAID&outcome=success&amount=-1",
        "state=PAID&outcome=success&amount=1.0",
        "state=PAID&outcome=success&amount=",
        "state=PAID&outcome=success&time=x",
        "state=PAID&outcome=success&state=PAID",
        "state=PAID&outcome=success&payer=%4", NULL
    };

    cf = harness_conf();

    ngx_memzero(&o, sizeof(ngx_paygw_order_t));
    ngx_memzero(&other, sizeof(ngx_paygw_order_t));

    o.told.state = NGX_PAYGW_STATE_PAID;
    o.told.outcome = NGX_PAYGW_OUTCOME_SUCCESS;
    o.told.amount = 999999999999LL;
    o.told.time = TEST_NOW;
    ngx_str_set(&o.told.currency, "CNY");
    ngx_str_set(&o.told.trade_no, "42&state=FAILED");
    ngx_str_set(&o.told.ref, "pi_1");
    ngx_str_set(&o.told.payer, "o 1%+&=");
    ngx_str_set(&o.told.word, "SUCCESS");

    is_int(ngx_paygw_order_keep(cf->pool, &o, &text), NGX_OK, "kept");
    is_int(ngx_paygw_order_kept(cf->pool, &other, &text), NGX_OK,
           "kept, read");
    is_int(other.told.state, NGX_PAYGW_STATE_PAID, "kept, state");
    is_int(other.told.outcome, NGX_PAYGW_OUTCOME_SUCCESS, "kept, outcome");
    ok(other.told.amount == 999999999999LL, "kept, amount");
    is_int(other.told.time, TEST_NOW, "kept, time");
    is_str(&other.told.currency, "CNY", "kept, currency");
    is_str(&other.told.trade_no, "42&state=FAILED", "kept, trade_no");
    is_str(&other.told.ref, "pi_1", "kept, ref");
    is_str(&other.told.payer, "o 1%+&=", "kept, payer");
    is_str(&other.told.word, "SUCCESS", "kept, word");

    /* what was not told is not told again */

    text = harness_str(cf->pool, "state=CLOSED&outcome=failed");

    is_int(ngx_paygw_order_kept(cf->pool, &other, &text), NGX_OK,
           "kept, little");
    is_int(other.told.amount, -1, "kept, no amount");
    is_int(other.told.time, 0, "kept, no time");
    is_int(other.told.payer.len, 0, "kept, no payer");

    for (i = 0; bad[i]; i++) {
        text = harness_str(cf->pool, bad[i]);
        is_int(ngx_paygw_order_kept(cf->pool, &other, &text), NGX_DECLINED,
               bad[i]);
    }

    quiet("kept");
    harness_conf_free(cf);
}


/* the table and its words: no outcome is both known and not */

static void
test_order_codes(void)
{
    ngx_uint_t               i;
    const ngx_paygw_code_t  *c;

    for (i = 0; i < NGX_PAYGW_CODES; i++) {
        c = &ngx_paygw_codes[i];

        ok(c->name.len && c->status >= 200 && c->status < 600,
           "code %lu: name and status", (unsigned long) i);
        ok((i == 0) == (c->message.len == 0), "code %lu: message",
           (unsigned long) i);
        ok(!c->unknown || (c->status >= 502 && c->again),
           "code %lu: what is unknown is no end", (unsigned long) i);
        ok(ngx_strncmp(c->name.data, "CLIENT-", 7) != 0
           || (c->status >= 400 && c->status < 500),
           "code %lu: a caller's fault", (unsigned long) i);
        ok(ngx_strncmp(c->name.data, "RETRY-", 6) != 0
           || (c->status == 503 && c->again && !c->unknown),
           "code %lu: to be tried again", (unsigned long) i);
    }
}


static void
test_order_texts(void)
{
    size_t       i;
    ngx_str_t    text;
    ngx_conf_t  *cf;

    static const struct {
        int64_t      amount;
        const char  *text;
    } t[] = {
        { 1, "0.01" }, { 10, "0.10" }, { 99, "0.99" }, { 100, "1.00" },
        { 12345, "123.45" }, { 999999999999LL, "9999999999.99" }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        is_int(ngx_paygw_order_decimal(cf->pool, t[i].amount, &text), NGX_OK,
               t[i].text);
        is_str(&text, t[i].text, "order, with two decimals");
    }

    is_int(ngx_paygw_order_clock(cf->pool, 1735787045, 8 * 3600,
                                 "%4d-%02d-%02dT%02d:%02d:%02d+08:00",
                                 &text),
           NGX_OK, "order, clock");
    is_str(&text, "2025-01-02T11:04:05+08:00", "order, clock");

    harness_conf_free(cf);
}


static void
test_order_out(void)
{
    size_t                i;
    ngx_str_t             text, value, empty;
    ngx_conf_t           *cf;
    ngx_paygw_json_out_t  out;

    cf = harness_conf();
    ngx_str_null(&empty);
    ngx_str_set(&value, "a\"\\\n\x7f");

    ngx_paygw_json_out_init(&out, cf->pool);
    ngx_paygw_json_out_open(&out, NULL);
    ngx_paygw_json_out_open(&out, "o");
    ngx_paygw_json_out_close(&out);
    ngx_paygw_json_out_integer(&out, "i", -5);
    ngx_paygw_json_out_string(&out, "s", &value);
    ngx_paygw_json_out_string(&out, "e", &empty);
    ngx_paygw_json_out_some(&out, "n", &empty);
    ngx_paygw_json_out_named(&out, &value, &value);
    ngx_paygw_json_out_raw(&out, "r", &(ngx_str_t) ngx_string("[1]"));
    ngx_paygw_json_out_close(&out);

    is_int(ngx_paygw_json_out_end(&out, &text), NGX_OK, "JSON, made");
    is_str(&text, "{\"o\":{},\"i\":-5,\"s\":\"a\\\"\\\\\\n\\u007F\","
           "\"e\":\"\",\"a\\\"\\\\\\n\\u007F\":\"a\\\"\\\\\\n\\u007F\","
           "\"r\":[1]}", "JSON, made by members");

    /* longer than its first piece of memory */

    ngx_paygw_json_out_init(&out, cf->pool);
    ngx_paygw_json_out_open(&out, NULL);

    for (i = 0; i < 1000; i++) {
        ngx_paygw_json_out_integer(&out, "a", i);
    }

    ngx_paygw_json_out_close(&out);

    is_int(ngx_paygw_json_out_end(&out, &text), NGX_OK, "JSON, long");
    is_int(text.len, 2 + 999 + 4 * 1000 + 10 + 2 * 90 + 3 * 900,
           "JSON, its length");

    harness_conf_free(cf);
}


static ngx_int_t
test_order_parse(ngx_conf_t *cf, ngx_paygw_order_t *o, ngx_paygw_op_e op,
    const char *text)
{
    ngx_str_t  body;

    ngx_memzero(o, sizeof(ngx_paygw_order_t));

    o->op = op;
    o->amount = -1;
    body = harness_str(cf->pool, text);

    return ngx_paygw_order_read(cf->pool, o, &body, TEST_NOW);
}
