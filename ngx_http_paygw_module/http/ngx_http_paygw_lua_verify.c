
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_explain.h"
#include "ngx_paygw_sign.h"
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_lua.h"
#include "ngx_http_paygw_message.h"


/* Messages that Lua has from wherever: callbacks, and calls of merchants. */


static int ngx_http_paygw_lua_headers(ngx_http_paygw_lua_t *ffi,
    const ngx_http_paygw_ffi_message_t *message, const ngx_str_t *names,
    ngx_str_t *values, ngx_uint_t *repeated);
static ngx_uint_t ngx_http_paygw_lua_printable(ngx_str_t *s);
static int ngx_http_paygw_lua_refused(ngx_http_paygw_lua_t *ffi,
    ngx_paygw_notify_t *n, ngx_int_t rc);
static int ngx_http_paygw_lua_allow(ngx_http_paygw_lua_t *ffi,
    ngx_paygw_call_t *call, const ngx_http_paygw_ffi_str_t *merchants,
    size_t nmerchants);
static int ngx_http_paygw_lua_call(ngx_http_paygw_lua_t *ffi,
    ngx_paygw_call_t *call, const ngx_http_paygw_ffi_message_t *message);
static ngx_paygw_caller_t *ngx_http_paygw_lua_caller(
    ngx_http_paygw_lua_t *ffi, const ngx_http_paygw_ffi_str_t *merchant,
    const ngx_http_paygw_ffi_str_t *key_id);


int
ngx_http_paygw_ffi_verify(const ngx_http_paygw_ffi_str_t *channel,
    const ngx_http_paygw_ffi_message_t *message,
    ngx_http_paygw_ffi_result_t *result)
{
    ngx_int_t             rc;
    ngx_str_t             name, id, json;
    ngx_paygw_notify_t    n;
    ngx_paygw_channel_t  *ch;
    ngx_http_paygw_lua_t  ffi;

    ngx_memzero(&n, sizeof(ngx_paygw_notify_t));

    if (ngx_http_paygw_lua_begin(&ffi, result) != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_view(&ffi, channel, &name)
           != NGX_HTTP_PAYGW_FFI_OK)
    {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    ch = ngx_http_paygw_channel_find(ffi.mcf, &name);

    if (ch == NULL) {
        return ngx_http_paygw_lua_fail(&ffi, "no such channel");
    }

    n.channels = &ch;
    n.nchannels = 1;
    n.provider = ch->provider;
    n.pool = ffi.pool;
    n.log = ffi.log;
    n.msg.now = message->now ? (time_t) message->now : ngx_time();

    if (ngx_http_paygw_lua_copy(&ffi, &message->method, &n.msg.method)
        != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_copy(&ffi, &message->target, &n.msg.target)
           != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_copy(&ffi, &message->body, &n.msg.body)
           != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_headers(&ffi, message, ch->headers,
                                      n.msg.headers, &n.msg.repeated)
           != NGX_HTTP_PAYGW_FFI_OK)
    {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    if (!ngx_paygw_call_line(&n.msg.method, &n.msg.target)) {
        return ngx_http_paygw_lua_fail(&ffi, "invalid method or target");
    }

    rc = ngx_http_paygw_message_verify(&n, &id);

    if (rc == NGX_OK && ngx_paygw_event_json(&n, &id, 0, &json) != NGX_OK) {
        n.reason = NGX_PAYGW_REASON_INTERNAL;
        rc = NGX_ERROR;
    }

    if (rc != NGX_OK) {
        return ngx_http_paygw_lua_refused(&ffi, &n, rc);
    }

    ngx_http_paygw_lua_set(&ffi, 0, &json);

    return NGX_HTTP_PAYGW_FFI_OK;
}


static int
ngx_http_paygw_lua_refused(ngx_http_paygw_lua_t *ffi, ngx_paygw_notify_t *n,
    ngx_int_t rc)
{
    if (rc == NGX_DONE) {
        return ngx_http_paygw_lua_fail(ffi, "ignored");
    }

    /* a key that is not known may be on its way when it is asked again */

    if (rc == NGX_DECLINED && n->wanted.len
        && ngx_http_paygw_keyring_want(ffi->mcf, n) != NGX_DECLINED)
    {
        n->reason = NGX_PAYGW_REASON_KEYRING;
    }

    return ngx_http_paygw_lua_refuse(ffi, n->reason, &n->hint);
}


/*
 * As ngx_http_paygw_headers_collect() does; no value can have what a field of
 * a request cannot, since it would blur a string to sign.
 */

static int
ngx_http_paygw_lua_headers(ngx_http_paygw_lua_t *ffi,
    const ngx_http_paygw_ffi_message_t *message, const ngx_str_t *names,
    ngx_str_t *values, ngx_uint_t *repeated)
{
    size_t                             i;
    ngx_uint_t                         k;
    const ngx_http_paygw_ffi_field_t  *h;

    if (message->nheaders > NGX_HTTP_PAYGW_FFI_FIELDS) {
        return ngx_http_paygw_lua_fail(ffi, "too many headers");
    }

    for (i = 0; names && i < message->nheaders; i++) {
        h = &message->headers[i];

        for (k = 0; names[k].len; k++) {

            if (h->name.len != names[k].len
                || ngx_strncasecmp((u_char *) h->name.data, names[k].data,
                                   names[k].len)
                   != 0)
            {
                continue;
            }

            if (values[k].data) {
                *repeated |= (ngx_uint_t) 1 << k;
                break;
            }

            if (ngx_http_paygw_lua_copy(ffi, &h->value, &values[k])
                != NGX_HTTP_PAYGW_FFI_OK)
            {
                return NGX_HTTP_PAYGW_FFI_FAILED;
            }

            if (!ngx_http_paygw_lua_printable(&values[k])) {
                return ngx_http_paygw_lua_fail(ffi, "invalid header value");
            }

            break;
        }
    }

    return NGX_HTTP_PAYGW_FFI_OK;
}


static ngx_uint_t
ngx_http_paygw_lua_printable(ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if ((s->data[i] < ' ' && s->data[i] != '\t') || s->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


int
ngx_http_paygw_ffi_verify_call(const ngx_http_paygw_ffi_str_t *merchants,
    size_t nmerchants, const ngx_http_paygw_ffi_message_t *message,
    ngx_http_paygw_ffi_result_t *result)
{
    ngx_int_t             rc;
    ngx_paygw_call_t      call;
    ngx_http_paygw_lua_t  ffi;

    ngx_memzero(&call, sizeof(ngx_paygw_call_t));

    if (ngx_http_paygw_lua_begin(&ffi, result) != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_allow(&ffi, &call, merchants, nmerchants)
           != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_call(&ffi, &call, message)
           != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_headers(&ffi, message, ngx_paygw_call_fields,
                                      call.fields, &call.repeated)
           != NGX_HTTP_PAYGW_FFI_OK)
    {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    rc = ngx_paygw_call_parse(&call);

    if (rc == NGX_OK) {
        rc = ngx_paygw_call_clock(&call);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_call_verify(&call);
    }

    if (rc != NGX_OK) {
        return ngx_http_paygw_lua_refuse(&ffi, call.reason, &call.hint);
    }

    ngx_http_paygw_lua_set(&ffi, 0, &call.caller->merchant->name);
    ngx_http_paygw_lua_set(&ffi, 1, &call.caller->sn.str);
    ngx_http_paygw_lua_set(&ffi, 2, &call.fields[NGX_PAYGW_CALL_NONCE]);

    return NGX_HTTP_PAYGW_FFI_OK;
}


static int
ngx_http_paygw_lua_allow(ngx_http_paygw_lua_t *ffi, ngx_paygw_call_t *call,
    const ngx_http_paygw_ffi_str_t *merchants, size_t nmerchants)
{
    size_t                 i;
    u_char                *allowed;
    ngx_str_t              name;
    ngx_paygw_merchant_t  *m;

    call->callers = &ffi->mcf->callers;

    if (nmerchants == 0 || nmerchants > NGX_HTTP_PAYGW_FFI_MERCHANTS) {
        return ngx_http_paygw_lua_fail(ffi, nmerchants ? "too many merchants"
                                                       : "no merchants");
    }

    allowed = ngx_pcalloc(ffi->pool, call->callers->merchants.nelts / 8 + 1);
    if (allowed == NULL) {
        return ngx_http_paygw_lua_fail(ffi, "no memory");
    }

    for (i = 0; i < nmerchants; i++) {

        if (ngx_http_paygw_lua_view(ffi, &merchants[i], &name)
            != NGX_HTTP_PAYGW_FFI_OK)
        {
            return NGX_HTTP_PAYGW_FFI_FAILED;
        }

        m = ngx_paygw_merchant_find(call->callers, &name);

        if (m == NULL) {
            return ngx_http_paygw_lua_fail(ffi, "no such merchant");
        }

        allowed[m->index / 8] |= 1 << (m->index % 8);
        call->window = ngx_max(call->window, m->window);
    }

    call->allowed = allowed;

    return NGX_HTTP_PAYGW_FFI_OK;
}


/* what a call to be verified and one to be signed have in common */

static int
ngx_http_paygw_lua_call(ngx_http_paygw_lua_t *ffi, ngx_paygw_call_t *call,
    const ngx_http_paygw_ffi_message_t *message)
{
    ngx_str_t  body;

    call->style = NGX_PAYGW_CALL_HEADERS;
    call->pool = ffi->pool;
    call->log = ffi->log;
    call->now = message->now ? (time_t) message->now : ngx_time();

    if (ngx_http_paygw_lua_copy(ffi, &message->method, &call->method)
        != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_copy(ffi, &message->target, &call->target)
           != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_view(ffi, &message->body, &body)
           != NGX_HTTP_PAYGW_FFI_OK)
    {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    if (!ngx_paygw_call_line(&call->method, &call->target)) {
        return ngx_http_paygw_lua_fail(ffi, "invalid method or target");
    }

    if (ngx_paygw_sha256(&body, 1, call->body_sha256) != NGX_OK) {
        return ngx_http_paygw_lua_fail(ffi, "internal");
    }

    if (body.len <= NGX_PAYGW_EXPLAIN_MAX) {
        call->body = body;
    }

    return NGX_HTTP_PAYGW_FFI_OK;
}


int
ngx_http_paygw_ffi_sign_text(const ngx_http_paygw_ffi_str_t *merchant,
    const ngx_http_paygw_ffi_str_t *key_id,
    const ngx_http_paygw_ffi_str_t *text,
    ngx_http_paygw_ffi_result_t *result)
{
    u_char                 out[NGX_PAYGW_SHA256_LEN];
    ngx_str_t              view, hex;
    ngx_paygw_caller_t    *caller;
    ngx_http_paygw_lua_t   ffi;

    if (ngx_http_paygw_lua_begin(&ffi, result) != NGX_HTTP_PAYGW_FFI_OK) {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    caller = ngx_http_paygw_lua_caller(&ffi, merchant, key_id);

    if (caller == NULL
        || ngx_http_paygw_lua_view(&ffi, text, &view)
           != NGX_HTTP_PAYGW_FFI_OK)
    {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    hex.len = 2 * NGX_PAYGW_SHA256_LEN;
    hex.data = ngx_pnalloc(ffi.pool, hex.len);

    if (hex.data == NULL
        || ngx_paygw_hmac_sha256(&caller->hmacs[0], &view, 1, out) != NGX_OK)
    {
        return ngx_http_paygw_lua_fail(&ffi, "internal");
    }

    ngx_hex_dump(hex.data, out, sizeof(out));

    ngx_http_paygw_lua_set(&ffi, 0, &hex);

    return NGX_HTTP_PAYGW_FFI_OK;
}


int
ngx_http_paygw_ffi_sign_call(const ngx_http_paygw_ffi_str_t *merchant,
    const ngx_http_paygw_ffi_str_t *key_id,
    const ngx_http_paygw_ffi_message_t *message,
    ngx_http_paygw_ffi_result_t *result)
{
    u_char                *p, random[16];
    ngx_str_t             *time, *nonce, sig;
    ngx_paygw_call_t       call;
    ngx_http_paygw_lua_t   ffi;

    ngx_memzero(&call, sizeof(ngx_paygw_call_t));

    if (ngx_http_paygw_lua_begin(&ffi, result) != NGX_HTTP_PAYGW_FFI_OK) {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    call.caller = ngx_http_paygw_lua_caller(&ffi, merchant, key_id);

    if (call.caller == NULL
        || ngx_http_paygw_lua_call(&ffi, &call, message)
           != NGX_HTTP_PAYGW_FFI_OK)
    {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    time = &call.fields[NGX_PAYGW_CALL_TIMESTAMP];
    nonce = &call.fields[NGX_PAYGW_CALL_NONCE];

    sig.len = 2 * NGX_PAYGW_SHA256_LEN;
    nonce->len = 2 * sizeof(random);

    p = ngx_pnalloc(ffi.pool, sig.len + nonce->len + NGX_TIME_T_LEN);

    if (p == NULL || ngx_paygw_random(random, sizeof(random)) != NGX_OK) {
        return ngx_http_paygw_lua_fail(&ffi, "internal");
    }

    sig.data = p;
    nonce->data = p + sig.len;
    time->data = ngx_hex_dump(nonce->data, random, sizeof(random));
    time->len = ngx_sprintf(time->data, "%T", call.now) - time->data;

    if (ngx_paygw_call_sign(&call, sig.data) != NGX_OK) {
        return ngx_http_paygw_lua_fail(&ffi, "internal");
    }

    ngx_http_paygw_lua_set(&ffi, 0, time);
    ngx_http_paygw_lua_set(&ffi, 1, nonce);
    ngx_http_paygw_lua_set(&ffi, 2, &sig);

    return NGX_HTTP_PAYGW_FFI_OK;
}


/* a key of the merchant that can sign, or NULL and the err of the result */

static ngx_paygw_caller_t *
ngx_http_paygw_lua_caller(ngx_http_paygw_lua_t *ffi,
    const ngx_http_paygw_ffi_str_t *merchant,
    const ngx_http_paygw_ffi_str_t *key_id)
{
    ngx_str_t              name, id;
    ngx_paygw_caller_t    *caller;
    ngx_paygw_merchant_t  *m;

    if (ngx_http_paygw_lua_view(ffi, merchant, &name)
        != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_view(ffi, key_id, &id)
           != NGX_HTTP_PAYGW_FFI_OK)
    {
        return NULL;
    }

    m = ngx_paygw_merchant_find(&ffi->mcf->callers, &name);

    if (m == NULL) {
        (void) ngx_http_paygw_lua_fail(ffi, "no such merchant");
        return NULL;
    }

    caller = ngx_paygw_caller_find(&ffi->mcf->callers, &id);

    if (caller == NULL || caller->merchant != m) {
        (void) ngx_http_paygw_lua_fail(ffi, "no such key");
        return NULL;
    }

    if (caller->kind != NGX_PAYGW_CALLER_HMAC) {
        (void) ngx_http_paygw_lua_fail(ffi, "the key does not sign by "
                                            "HMAC-SHA256");
        return NULL;
    }

    return caller;
}
