
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_expr.h"

#include <openssl/hmac.h>


/*
 * The first line of the input says what the rest is:
 *
 *   expr     an expression, compiled and evaluated against a message
 *   conf     lines of a channel, and after an empty one a body for it
 *   raw K    the values of the header fields that channel K wants, one a line
 *            and "-" for none, then the body
 *   signed K the same, signed by the target if K has a signature in a header
 */


#define FUZZ_NOW       1730000003
#define FUZZ_CHANNELS  6
#define FUZZ_LINES     32


static void fuzz_expr(ngx_pool_t *pool, ngx_str_t *input);
static void fuzz_conf_text(ngx_pool_t *pool, ngx_str_t *input);
static void fuzz_message(ngx_pool_t *pool, ngx_uint_t k, ngx_uint_t sign,
    ngx_str_t *input);
static void fuzz_start(ngx_paygw_notify_t *n);
static ngx_str_t fuzz_mac(ngx_pool_t *pool, ngx_str_t *text);
static ngx_uint_t fuzz_word(ngx_str_t *s, const char *word);


static const char  *fuzz_hmac[] = {
    "algorithm hmac(sha256)", "key text:secret",
    "signature header(X-Signature) hex", "signed body",
    "replay_id json(/id)", "kind json(/kind)", "map paid payment success",
    "map back refund success", "map * payment pending", "ignore test",
    "order_id json(/order)", "trade_no json(/a/0/b)", "payer json(/payer)",
    "amount json(/amount) decimal", "refund_amount json(/refund) minor",
    "refund_no json(/refund_no)", "currency upper(json(/currency))",
    "event_time json(/time) iso8601", "require json(/shop) 17",
    "ack ok 200 text/plain ok", NULL
};

static const char  *fuzz_list[] = {
    "algorithm hmac(sha256)", "key text:secret",
    "signature header_param(X-Signature,\",\",\"=\",v1,all) hex",
    "signed join(\".\",header_param(X-Signature,\",\",\"=\",t),body)",
    "time header_param(X-Signature,\",\",\"=\",t) s back=5s forward=5s",
    "replay_id json(/id)", "order_id default(json(/order),\"none\")",
    "ack ok 204", NULL
};

static const char  *fuzz_items[] = {
    "algorithm hmac(sha256)", "key text:736563726574 hex",
    "each /items", "signature item(/sig) base64",
    "signed join(\":\",item(/a),default(item(/b),\"\"),free(item(/c)))",
    "replay_id item(/a)", "order_id item(/c)", "trade_no item(/b)",
    "ack ok 200 text/plain [accepted]", NULL
};

static const char  *fuzz_form[] = {
    "algorithm digest(md5)", "key text:secret", "signature form(sign) hex",
    "signed concat(sorted_params(form,without(sign),drop_empty),"
    "\"&key=\",secret)",
    "replay_id form(id)", "order_id form(order)", "amount form(amount) minor",
    "currency CNY", "ack ok 200", NULL
};

static const char  *fuzz_xml[] = {
    "algorithm hmac(sha256)", "key text:secret", "signature xml(sign) hex",
    "signed concat(sorted_params(xml,without(sign),nocase),secret)",
    "replay_id xml(id)", "kind xml(kind)", "ack ok 200", NULL
};

static const char  *fuzz_crypt[] = {
    "algorithm hmac(sha256)", "key text:secret",
    "decrypt_key text:0123456789abcdefghijklmnopqrstuv",
    "decrypt aes_256_gcm(unbase64(json(/c)),json(/n),default(json(/a),\"\"))",
    "signature header(X-Signature) hex",
    "signed concat(header(X-Time),\"\\n\",crc32_dec(body),"
    "sorted(\"\",json(/c),json(/n),json_of(json(/m),/x)))",
    "confirm query", "time header(X-Time) ms", "replay_id plain(/id)",
    "ack ok 200", NULL
};

static const char  **fuzz_confs[FUZZ_CHANNELS] = {
    fuzz_hmac, fuzz_list, fuzz_items, fuzz_form, fuzz_xml, fuzz_crypt
};

static ngx_paygw_channel_t  *fuzz_channels[FUZZ_CHANNELS];


void
fuzz_init(void)
{
    ngx_uint_t  i;

    for (i = 0; i < FUZZ_CHANNELS; i++) {
        fuzz_channels[i] = harness_channel(fuzz_cf, "generic", "hook",
                                           fuzz_confs[i]);
        must(fuzz_channels[i] != NULL);
    }
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t   mode;
    ngx_uint_t  k;

    mode = fuzz_line(pool, input);

    if (fuzz_word(&mode, "expr")) {
        fuzz_expr(pool, input);
        return;
    }

    if (fuzz_word(&mode, "conf")) {
        fuzz_conf_text(pool, input);
        return;
    }

    if (mode.len < 5) {
        return;
    }

    k = mode.data[mode.len - 1] - '0';

    if (k < FUZZ_CHANNELS) {
        fuzz_message(pool, k, mode.data[0] == 's', input);
    }
}


static void
fuzz_start(ngx_paygw_notify_t *n)
{
    ngx_memzero(n, sizeof(ngx_paygw_notify_t));

    n->provider = &ngx_paygw_generic;
    n->nchannels = 1;
    ngx_str_set(&n->msg.method, "POST");
    ngx_str_set(&n->msg.target, "/notify?id=1&b=%20");
    n->msg.now = FUZZ_NOW;
}


static void
fuzz_expr(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_int_t              rc;
    ngx_str_t              text, value;
    ngx_uint_t             i;
    ngx_conf_t            *cf;
    ngx_paygw_expr_t      *e;
    ngx_paygw_notify_t     n;
    ngx_paygw_expr_ctx_t   ctx;
    ngx_paygw_expr_env_t   env;

    static ngx_str_t  name = ngx_string("hook");

    ngx_memzero(&env, sizeof(ngx_paygw_expr_env_t));

    env.channel = &name;
    ngx_str_set(&env.url, "https://shop.example/");
    ngx_str_set(&env.xml_root, "xml");
    ngx_str_set(&env.decrypt_key, "0123456789abcdefghijklmnopqrstuv");

    cf = harness_conf();
    text = fuzz_copy(pool, input);

    rc = ngx_paygw_expr_compile(cf, &env, "signed", &text, &e);

    if (rc != NGX_OK) {
        must(ngx_strstr(harness_log(), "invalid expression in") != NULL);
        harness_conf_free(cf);
        return;
    }

    must(ngx_paygw_expr_same(e, e));

    fuzz_start(&n);

    n.pool = pool;
    n.log = harness_ngx_log();
    ngx_str_set(&n.msg.body, "{\"a\":{\"b\":[1,\"x\"]},\"t\":\"1730000000\"}");

    for (i = 0; i < env.nheaders; i++) {
        ngx_str_set(&n.msg.headers[i], "t=1730000000, v1=abcd;v1=\"ef\"");
    }

    ngx_memzero(&ctx, sizeof(ngx_paygw_expr_ctx_t));

    ctx.notify = &n;
    ctx.env = &env;
    ctx.room = NGX_PAYGW_EXPR_ROOM;
    ngx_str_set(&ctx.secret, "secret");

    rc = ngx_paygw_expr_eval(&ctx, e, &value);

    if (rc == NGX_OK) {
        (void) fuzz_copy(pool, &value);

    } else if (rc != NGX_DECLINED) {
        must(rc == NGX_ABORT);
        must(n.reason != NGX_PAYGW_REASON_NONE);
        must(n.reason != NGX_PAYGW_REASON_INTERNAL);
    }

    harness_conf_free(cf);
}


static void
fuzz_conf_text(ngx_pool_t *pool, ngx_str_t *input)
{
    u_char               *p;
    ngx_str_t             line;
    ngx_conf_t           *cf;
    ngx_uint_t            i;
    const char           *lines[FUZZ_LINES + 1];
    ngx_paygw_notify_t    n;
    ngx_paygw_channel_t  *ch;

    for (i = 0; i < FUZZ_LINES && input->len; i++) {

        line = fuzz_line(pool, input);

        if (line.len == 0) {
            break;
        }

        /* not what reads files and the environment */

        if (ngx_strlchr(line.data, line.data + line.len, '\0')
            || ngx_strnstr(line.data, "file:", line.len)
            || ngx_strnstr(line.data, "env:", line.len)
            || (line.len > 10
                && (ngx_strncmp(line.data, "public_key", 10) == 0
                    || ngx_strncmp(line.data, "certificat", 10) == 0)))
        {
            return;
        }

        p = ngx_pnalloc(pool, line.len + 1);
        lines[i] = (char *) p;

        (void) ngx_cpystrn(p, line.data, line.len + 1);
    }

    lines[i] = NULL;

    cf = harness_conf();

    ch = harness_channel(cf, "generic", "hook", lines);

    if (ch) {
        fuzz_start(&n);

        n.channels = &ch;
        n.msg.body = fuzz_copy(pool, input);

        for (i = 0; ch->headers[i].len; i++) {
            must(i < NGX_PAYGW_MAX_HEADERS);
            ngx_str_set(&n.msg.headers[i], "1730000000");
        }

        (void) fuzz_notify(pool, &n);

    } else {
        must(ngx_strlen(harness_log()) != 0);
    }

    harness_conf_free(cf);
}


static void
fuzz_message(ngx_pool_t *pool, ngx_uint_t k, ngx_uint_t sign,
    ngx_str_t *input)
{
    ngx_int_t            rc;
    ngx_str_t            line, mac, part;
    ngx_uint_t           i;
    ngx_paygw_notify_t   n;

    fuzz_start(&n);

    n.channels = &fuzz_channels[k];

    for (i = 0; fuzz_channels[k]->headers[i].len; i++) {

        line = fuzz_line(pool, input);

        if (!fuzz_word(&line, "-")) {
            n.msg.headers[i] = line;
        }
    }

    n.msg.body = fuzz_copy(pool, input);

    if (sign && k == 0) {
        n.msg.headers[0] = fuzz_mac(pool, &n.msg.body);

    } else if (sign && k == 1) {
        ngx_str_set(&part, "1730000000.");
        line = fuzz_join(pool, &part, &n.msg.body, NULL);
        mac = fuzz_mac(pool, &line);

        ngx_str_set(&part, "t=1730000000,v1=");
        n.msg.headers[0] = fuzz_join(pool, &part, &mac, NULL);
    }

    rc = fuzz_notify(pool, &n);

    if (sign && k < 2) {
        must(n.reason != NGX_PAYGW_REASON_SIGNATURE);
    }

    /* nothing is taken that another implementation does not find genuine */

    if ((rc == NGX_OK || rc == NGX_DONE) && k == 0) {
        mac = fuzz_mac(pool, &n.msg.body);
        must(mac.len == n.msg.headers[0].len
             && ngx_strncasecmp(mac.data, n.msg.headers[0].data, mac.len)
                == 0);
    }
}


static ngx_str_t
fuzz_mac(ngx_pool_t *pool, ngx_str_t *text)
{
    u_char        buf[EVP_MAX_MD_SIZE];
    ngx_str_t     out;
    unsigned int  len;

    must(HMAC(EVP_sha256(), "secret", 6, text->data, text->len, buf, &len)
         != NULL);

    out.len = 2 * len;
    out.data = ngx_pnalloc(pool, out.len);

    ngx_hex_dump(out.data, buf, len);

    return out;
}


static ngx_uint_t
fuzz_word(ngx_str_t *s, const char *word)
{
    return s->len == strlen(word) && ngx_memcmp(s->data, word, s->len) == 0;
}
