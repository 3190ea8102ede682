
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_call.h"

#include <openssl/hmac.h>


/*
 * The first line of the input says how far in it starts:
 *
 *   headers  four lines, the values of the fields; then the target, and the
 *            rest is the body
 *   form     a line of a query, the rest is a form
 *   json     a line of a query, the rest is JSON
 *   signed   a line of a query, the rest is a form: to which the target adds
 *            what is needed, and a genuine signature of the text as it is read
 *
 * A call that passes must bear a genuine signature by OpenSSL's own word.
 */


#define FUZZ_SECRET  "gw_secret_0123456789abcdefghijklmn"
#define FUZZ_NOW     1730000000


static void fuzz_setup(ngx_pool_t *pool, ngx_paygw_call_t *call);
static void fuzz_headers(ngx_pool_t *pool, ngx_paygw_call_t *call,
    ngx_str_t *input);
static void fuzz_params(ngx_pool_t *pool, ngx_paygw_call_t *call,
    ngx_str_t *input, ngx_uint_t json);
static void fuzz_signed(ngx_pool_t *pool, ngx_paygw_call_t *call,
    ngx_str_t *input);
static ngx_int_t fuzz_verify(ngx_paygw_call_t *call, ngx_int_t rc);
static void fuzz_mac(ngx_str_t *text, u_char *mac);


static ngx_paygw_callers_t    fuzz_callers;
static u_char                 fuzz_allowed[1] = { 0xff };

static ngx_paygw_call_names_t  fuzz_names = {
    { ngx_string("key_id"), ngx_string("timestamp"),
      ngx_string("nonce_str"), ngx_string("sign") }
};


void
fuzz_init(void)
{
    ngx_str_t              name, args[2];
    ngx_paygw_merchant_t  *m;

    must(ngx_paygw_callers_init(fuzz_cf, &fuzz_callers) == NGX_OK);

    ngx_str_set(&name, "shop");
    m = ngx_paygw_merchant_add(fuzz_cf, &fuzz_callers, &name);
    must(m != NULL);

    ngx_str_set(&args[0], "k1");
    ngx_str_set(&args[1], "text:" FUZZ_SECRET);

    must(ngx_paygw_merchant_key(fuzz_cf, m, args, 2) == NGX_OK);
    must(ngx_paygw_merchant_check(fuzz_cf, m) == NGX_OK);
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t         mode;
    ngx_paygw_call_t  call;

    fuzz_setup(pool, &call);

    mode = fuzz_line(pool, input);

    if (fuzz_is(&mode, "headers")) {
        fuzz_headers(pool, &call, input);

    } else if (fuzz_is(&mode, "form")) {
        fuzz_params(pool, &call, input, 0);

    } else if (fuzz_is(&mode, "json")) {
        fuzz_params(pool, &call, input, 1);

    } else if (fuzz_is(&mode, "signed")) {
        fuzz_signed(pool, &call, input);
    }
}


static void
fuzz_setup(ngx_pool_t *pool, ngx_paygw_call_t *call)
{
    ngx_memzero(call, sizeof(ngx_paygw_call_t));

    call->callers = &fuzz_callers;
    call->allowed = fuzz_allowed;
    call->window = 300 * 1000;
    call->names = &fuzz_names;
    call->pool = pool;
    call->log = harness_ngx_log();
    call->now = FUZZ_NOW;
    ngx_str_set(&call->method, "POST");
    ngx_str_set(&call->target, "/");
}


static void
fuzz_headers(ngx_pool_t *pool, ngx_paygw_call_t *call, ngx_str_t *input)
{
    u_char      mac[32];
    ngx_int_t   rc;
    ngx_str_t   line, text, lf, hex;
    ngx_uint_t  i;

    for (i = 0; i < NGX_PAYGW_CALL_FIELDS; i++) {
        line = fuzz_line(pool, input);

        if (line.len && line.data[0] == '-') {
            continue;
        }

        if (line.len && line.data[0] == '*') {
            call->repeated |= 1 << i;
        }

        call->fields[i] = line;
    }

    call->target = fuzz_line(pool, input);
    call->body = fuzz_copy(pool, input);
    ngx_str_set(&call->host, "localhost");
    ngx_str_set(&call->decoded, "/decoded");

    must(ngx_paygw_sha256(&call->body, 1, call->body_sha256) == NGX_OK);

    rc = fuzz_verify(call, ngx_paygw_call_parse(call));

    if (rc != NGX_OK) {
        return;
    }

    must(call->repeated == 0);

    ngx_str_set(&lf, "\n");
    hex.data = call->hex;
    hex.len = sizeof(call->hex);
    ngx_hex_dump(call->hex, call->body_sha256, 32);

    text = fuzz_join(pool, &call->method, &lf, &call->target, &lf,
                     &call->fields[NGX_PAYGW_CALL_TIMESTAMP], &lf,
                     &call->fields[NGX_PAYGW_CALL_NONCE], &lf, &hex, &lf,
                     NULL);

    fuzz_mac(&text, mac);

    must(call->sig.len == 32 && ngx_memcmp(call->sig.data, mac, 32) == 0);
}


static void
fuzz_params(ngx_pool_t *pool, ngx_paygw_call_t *call, ngx_str_t *input,
    ngx_uint_t json)
{
    u_char     mac[32];
    ngx_int_t  rc;
    ngx_str_t  query, body;

    call->style = NGX_PAYGW_CALL_PARAMS;

    query = fuzz_line(pool, input);
    body = fuzz_copy(pool, input);

    rc = ngx_paygw_call_parse_params(call, &query, &body, json);

    if (fuzz_verify(call, rc) == NGX_OK) {
        fuzz_mac(&call->text, mac);

        must(call->sig.len == 32 && ngx_memcmp(call->sig.data, mac, 32) == 0);
    }
}


static void
fuzz_signed(ngx_pool_t *pool, ngx_paygw_call_t *call, ngx_str_t *input)
{
    u_char      mac[32], hex[64];
    ngx_int_t   rc;
    ngx_str_t   query, body, more, sig, all;

    call->style = NGX_PAYGW_CALL_PARAMS;

    query = fuzz_line(pool, input);
    body = fuzz_copy(pool, input);

    ngx_str_set(&more, "&key_id=k1&timestamp=1730000000"
                "&nonce_str=0123456789abcdef&sign=0000000000000000"
                "000000000000000000000000000000000000000000000000");

    if (body.len == 0) {
        more.data++;
        more.len--;
    }

    all = fuzz_join(pool, &body, &more, NULL);

    rc = ngx_paygw_call_parse_params(call, &query, &all, 0);

    if (rc != NGX_OK) {
        (void) fuzz_verify(call, rc);
        return;
    }

    /* the same with a genuine signature must pass */

    fuzz_mac(&call->text, mac);
    ngx_hex_dump(hex, mac, sizeof(mac));

    sig.data = hex;
    sig.len = sizeof(hex);
    all.len -= sizeof(hex);

    all = fuzz_join(pool, &all, &sig, NULL);

    must(ngx_paygw_call_parse_params(call, &query, &all, 0) == NGX_OK);
    must(fuzz_verify(call, NGX_OK) == NGX_OK);
}


static ngx_int_t
fuzz_verify(ngx_paygw_call_t *call, ngx_int_t rc)
{
    ngx_uint_t  i;
    ngx_str_t   key;

    if (rc == NGX_OK) {
        rc = ngx_paygw_call_clock(call);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_call_verify(call);
    }

    must(rc == NGX_OK || rc == NGX_DECLINED || rc == NGX_ABORT);

    if (rc != NGX_OK) {
        must(call->reason != NGX_PAYGW_REASON_NONE
             && call->reason != NGX_PAYGW_REASON_INTERNAL);

        for (i = 0; i < call->hint.len; i++) {
            must(call->hint.data[i] >= 0x20 && call->hint.data[i] < 0x7f);
        }

        return rc;
    }

    must(call->caller != NULL);
    must(ngx_paygw_call_once(call, &key) == NGX_OK);
    must(key.len <= 129);

    return NGX_OK;
}


static void
fuzz_mac(ngx_str_t *text, u_char *mac)
{
    unsigned int  len;

    must(HMAC(EVP_sha256(), FUZZ_SECRET, sizeof(FUZZ_SECRET) - 1, text->data,
              text->len, mac, &len)
         != NULL && len == 32);
}
