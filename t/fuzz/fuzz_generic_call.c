
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"

#include <openssl/hmac.h>


/*
 * Calls of a configured provider.  The first line of the input is
 *
 *   K build          then method, target, type and a header field, one a line,
 *                    then the body: a caller's request
 *   K raw, K signed  then a status and two header fields, one a line, then the
 *                    body: an answer to a fixed request.  The target signs it
 *                    if the signature of K stands in a header field
 *
 * where K is the number of a channel.
 */


#define FUZZ_NOW       1730000003
#define FUZZ_CHANNELS  5
#define FUZZ_SECRET    "secret"


static void fuzz_request(ngx_pool_t *pool, ngx_paygw_exchange_t *x,
    ngx_str_t *input);
static void fuzz_sign_answer(ngx_paygw_exchange_t *x);
static void fuzz_target(ngx_paygw_exchange_t *x);


static const char  *fuzz_header[] = {
    "request_algorithm hmac(sha256)", "request_key text:" FUZZ_SECRET,
    "request_header X-Time now(ms)", "request_header X-Nonce nonce(uuid)",
    "request_header X-Sign signature(base64)", "request_pass X-Trace",
    "request_signed join(\"\\n\",method,target_raw,header(X-Time),"
    "header(X-Nonce),body)",
    "answer_algorithm hmac(sha256)", "answer_key text:" FUZZ_SECRET,
    "answer_signature header(X-Answer-Sign) hex", "answer_signed body",
    "answer_about json(/id) json(/id)", "answer_retry json(/code) BUSY",
    "answer_success json(/code) 0", "idempotency_header X-Once", NULL
};

static const char  *fuzz_form[] = {
    "request_algorithm digest(md5)", "request_key text:" FUZZ_SECRET,
    "request_form mch_id \"M1\"", "request_form nonce_str nonce(32)",
    "request_form sign upper(signature(hex))",
    "request_signed concat(sorted_params(form,without(sign),drop_empty),"
    "\"&key=\",secret)",
    "answer_algorithm digest(md5)", "answer_key text:" FUZZ_SECRET,
    "answer_signature json(/sign) hex",
    "answer_signed concat(sorted_params(json,without(sign),drop_empty),"
    "\"&key=\",secret)", "answer_about json(/id) form(id)", NULL
};

static const char  *fuzz_xml[] = {
    "request_algorithm hmac(sha256)", "request_key text:" FUZZ_SECRET,
    "request_xml_root doc", "answer_xml_root doc",
    "request_xml nonce nonce(16)", "request_xml sign signature(hex)",
    "request_signed concat(sorted_params(xml,without(sign),drop_empty),"
    "\"&key=K\")",
    "answer_algorithm hmac(sha256)", "answer_key text:" FUZZ_SECRET,
    "answer_signature xml(sign) hex",
    "answer_signed concat(sorted_params(xml,without(sign),drop_empty),"
    "\"&key=K\")", "answer_about xml(id) xml(id)", NULL
};

static const char  *fuzz_json[] = {
    "request_algorithm hmac(sha256)", "request_key text:" FUZZ_SECRET,
    "request_json app \"app\"", "request_json at now(s) number",
    "request_header X-Sign signature(hex)",
    "request_signed concat(method,\":\",target_raw,\"\\n\",body)",
    "answer_algorithm hmac(sha256)", "answer_key text:" FUZZ_SECRET,
    "answer_signature header(X-Answer-Sign) hex", "answer_signed body",
    "answer_about json(/id) json(/id)", NULL
};

static const char  *fuzz_bare[] = {
    "request_key text:" FUZZ_SECRET,
    "request_header Authorization concat(\"Basic_\","
    "base64(concat(\"id:\",secret)))",
    "request_query app \"app\"", "answers unsigned",
    "idempotency_header Idempotency-Key", NULL
};

static const char  **fuzz_confs[FUZZ_CHANNELS] = {
    fuzz_header, fuzz_form, fuzz_xml, fuzz_json, fuzz_bare
};

/* a request that each of them takes */

static const char  *fuzz_bodies[FUZZ_CHANNELS] = {
    "{\"id\":\"T1\"}", "id=T1", "<doc><id>T1</id></doc>", "{\"id\":\"T1\"}",
    "{\"id\":\"T1\"}"
};

static const char  *fuzz_types[FUZZ_CHANNELS] = {
    "application/json", "application/x-www-form-urlencoded", "text/xml",
    "application/json", "application/json"
};

static ngx_paygw_channel_t  *fuzz_channels[FUZZ_CHANNELS];


void
fuzz_init(void)
{
    ngx_uint_t  i;

    for (i = 0; i < FUZZ_CHANNELS; i++) {
        fuzz_channels[i] = harness_channel(fuzz_cf, "generic", "gate",
                                           fuzz_confs[i]);
        must(fuzz_channels[i] != NULL);
    }
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t             mode, line;
    ngx_uint_t            k, sign;
    ngx_paygw_exchange_t  x;

    mode = fuzz_line(pool, input);

    if (mode.len < 5 || mode.data[0] < '0'
        || mode.data[0] >= '0' + FUZZ_CHANNELS)
    {
        return;
    }

    k = mode.data[0] - '0';
    mode.data += 2;
    mode.len -= 2;

    fuzz_ask(pool, &x, &fuzz_channels[k], FUZZ_NOW);

    if (fuzz_is(&mode, "build")) {
        fuzz_request(pool, &x, input);
        return;
    }

    sign = fuzz_is(&mode, "signed");

    if (!sign && !fuzz_is(&mode, "raw")) {
        return;
    }

    ngx_str_set(&x.in.target, "/x?a=b");
    fuzz_target(&x);
    x.type.data = (u_char *) fuzz_types[k];
    x.type.len = ngx_strlen(fuzz_types[k]);
    x.in.body.data = (u_char *) fuzz_bodies[k];
    x.in.body.len = ngx_strlen(fuzz_bodies[k]);
    must(x.n.provider->api->build(&x) == NGX_OK);

    line = fuzz_line(pool, input);
    x.status = (ngx_uint_t) ngx_atoi(line.data, line.len);
    x.n.msg.headers[0] = fuzz_line(pool, input);
    x.n.msg.headers[1] = fuzz_line(pool, input);
    x.n.msg.body = fuzz_copy(pool, input);

    if (sign && (k == 0 || k == 3)) {
        fuzz_sign_answer(&x);
    }

    if (fuzz_check(&x) == NGX_OK) {

        /* nothing is believed without a signature, but where none is wanted */

        must(x.unsigned_reply == (k == 4));
        must(k == 4 || sign || k == 1 || k == 2);
        must(x.reply.len <= x.n.msg.body.len + 64 * 1024);
    }
}


static void
fuzz_request(ngx_pool_t *pool, ngx_paygw_exchange_t *x, ngx_str_t *input)
{
    x->in.method = fuzz_line(pool, input);
    x->in.target = fuzz_line(pool, input);

    if (x->in.target.len == 0 || x->in.target.data[0] != '/') {
        /* nginx takes none of those */
        return;
    }

    fuzz_target(x);
    x->type = fuzz_line(pool, input);
    x->in.headers[0] = fuzz_line(pool, input);

    if (input->len) {
        x->in.body = fuzz_copy(pool, input);

    } else {
        ngx_str_set(&x->in.body, "");
    }

    fuzz_build(x);
}


static void
fuzz_sign_answer(ngx_paygw_exchange_t *x)
{
    u_char         mac[EVP_MAX_MD_SIZE];
    unsigned int   len;
    ngx_str_t     *sign;

    sign = &x->n.msg.headers[0];

    must(HMAC(EVP_sha256(), FUZZ_SECRET, sizeof(FUZZ_SECRET) - 1,
              x->n.msg.body.data, x->n.msg.body.len, mac, &len)
         != NULL);

    sign->len = 2 * len;
    sign->data = ngx_pnalloc(x->n.pool, sign->len);
    must(sign->data != NULL);

    (void) ngx_hex_dump(sign->data, mac, len);
}


static void
fuzz_target(ngx_paygw_exchange_t *x)
{
    u_char  *p;

    x->path = x->in.target;
    p = ngx_strlchr(x->path.data, x->path.data + x->path.len, '?');

    if (p) {
        x->path.len = p - x->path.data;
    }
}
