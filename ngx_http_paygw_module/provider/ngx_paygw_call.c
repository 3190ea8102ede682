
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_call.h"
#include "ngx_paygw_text.h"


#define NGX_PAYGW_CALL_TIME_MAX   20    /* digits */
#define NGX_PAYGW_CALL_ED25519    64    /* bytes of a signature */
#define NGX_PAYGW_CALL_ECDSA_MAX  72    /* of P-256, in DER */


static ngx_int_t ngx_paygw_call_field(ngx_paygw_call_t *call, ngx_uint_t i);
static ngx_uint_t ngx_paygw_call_word(ngx_str_t *s, size_t min, size_t max,
    u_char extra);
static ngx_int_t ngx_paygw_call_time(ngx_paygw_call_t *call);
static ngx_int_t ngx_paygw_call_signature(ngx_paygw_call_t *call);
static ngx_uint_t ngx_paygw_call_hex(ngx_str_t *text, u_char *out);
static ngx_int_t ngx_paygw_call_by_public(ngx_paygw_call_t *call,
    ngx_str_t *parts, ngx_uint_t n);
static ngx_uint_t ngx_paygw_call_fits(ngx_paygw_call_t *call,
    ngx_paygw_caller_t *caller);
static ngx_int_t ngx_paygw_call_wrong(ngx_paygw_call_t *call,
    ngx_str_t *parts, ngx_uint_t n);
static ngx_int_t ngx_paygw_call_refuse_clock(ngx_paygw_call_t *call);


const ngx_str_t  ngx_paygw_call_fields[] = {
    ngx_string("x-key-id"),
    ngx_string("x-timestamp"),
    ngx_string("x-nonce"),
    ngx_string("x-signature"),
    ngx_null_string
};


static ngx_str_t  ngx_paygw_call_lf = ngx_string("\n");


ngx_int_t
ngx_paygw_call_parse(ngx_paygw_call_t *call)
{
    ngx_uint_t  i, bit;

    for (i = 0; i < NGX_PAYGW_CALL_FIELDS; i++) {
        bit = (ngx_uint_t) 1 << i;

        if (call->repeated & bit) {
            return ngx_paygw_call_refuse(call, NGX_ABORT,
                                         NGX_PAYGW_REASON_REPEATED_HEADER,
                                         "%V is there twice",
                                         &ngx_paygw_call_fields[i]);
        }

        if (call->fields[i].data == NULL) {
            return ngx_paygw_call_refuse(call, NGX_ABORT,
                                         NGX_PAYGW_REASON_MISSING_HEADER,
                                         "no %V", &ngx_paygw_call_fields[i]);
        }
    }

    if (call->target.len == 0 || call->target.data[0] != '/'
        || ngx_strlchr(call->target.data,
                       call->target.data + call->target.len, LF))
    {
        return ngx_paygw_call_refuse(call, NGX_ABORT,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "the target is not in origin form");
    }

    return ngx_paygw_call_read(call);
}


ngx_int_t
ngx_paygw_call_read(ngx_paygw_call_t *call)
{
    ngx_int_t    rc;
    ngx_str_t   *id;
    ngx_uint_t   i;

    for (i = 0; i < NGX_PAYGW_CALL_FIELDS; i++) {
        rc = ngx_paygw_call_field(call, i);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    id = &call->fields[NGX_PAYGW_CALL_KEY_ID];

    call->caller = ngx_paygw_caller_find(call->callers, id);

    if (call->caller
        && !(call->allowed[call->caller->merchant->index / 8]
             & (1 << (call->caller->merchant->index % 8))))
    {
        call->caller = NULL;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_call_field(ngx_paygw_call_t *call, ngx_uint_t i)
{
    ngx_int_t   rc;
    ngx_str_t  *s;

    s = &call->fields[i];

    switch (i) {

    case NGX_PAYGW_CALL_KEY_ID:
        rc = ngx_paygw_call_word(s, 1, NGX_PAYGW_CALLER_ID_MAX, '.')
             ? NGX_OK : NGX_ABORT;
        break;

    case NGX_PAYGW_CALL_TIMESTAMP:
        rc = ngx_paygw_call_time(call);
        break;

    case NGX_PAYGW_CALL_NONCE:
        rc = ngx_paygw_call_word(s, NGX_PAYGW_CALL_NONCE_MIN,
                                 NGX_PAYGW_CALL_NONCE_MAX, '-')
             ? NGX_OK : NGX_ABORT;
        break;

    default: /* NGX_PAYGW_CALL_SIGNATURE */
        rc = ngx_paygw_call_signature(call);
    }

    if (rc == NGX_ABORT) {
        return ngx_paygw_call_refuse(call, NGX_ABORT,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "%V is not well formed",
                                     call->style == NGX_PAYGW_CALL_PARAMS
                                     ? &call->names->name[i]
                                     : &ngx_paygw_call_fields[i]);
    }

    if (rc == NGX_ERROR) {
        call->reason = NGX_PAYGW_REASON_INTERNAL;
    }

    return rc;
}


/* letters, digits, "-", "_", and one more */

static ngx_uint_t
ngx_paygw_call_word(ngx_str_t *s, size_t min, size_t max, u_char extra)
{
    u_char      c;
    ngx_uint_t  i;

    if (s->len < min || s->len > max) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
            && (c < '0' || c > '9') && c != '-' && c != '_' && c != extra)
        {
            return 0;
        }
    }

    return 1;
}


/* what is too long for a number is a time all the same, of the far future */

static ngx_int_t
ngx_paygw_call_time(ngx_paygw_call_t *call)
{
    ngx_str_t   *s;
    ngx_uint_t   i;

    s = &call->fields[NGX_PAYGW_CALL_TIMESTAMP];

    if (s->len == 0 || s->len > NGX_PAYGW_CALL_TIME_MAX) {
        return NGX_ABORT;
    }

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < '0' || s->data[i] > '9') {
            return NGX_ABORT;
        }
    }

    call->time = ngx_atotm(s->data, s->len);

    if (call->time == (time_t) NGX_ERROR) {
        call->time = NGX_MAX_TIME_T_VALUE;
    }

    return NGX_OK;
}


/* by its form, whatever the key is */

static ngx_int_t
ngx_paygw_call_signature(ngx_paygw_call_t *call)
{
    ngx_str_t  *s;

    s = &call->fields[NGX_PAYGW_CALL_SIGNATURE];

    call->sig.len = s->len / 2;

    if (s->len == 2 * NGX_PAYGW_SHA256_LEN) {
        call->kind = NGX_PAYGW_CALLER_HMAC;

    } else if (call->style == NGX_PAYGW_CALL_PARAMS && s->len == 32) {
        call->kind = NGX_PAYGW_CALLER_MD5;

    } else {
        call->kind = NGX_PAYGW_CALLER_PUBLIC;

        if (s->len < NGX_PAYGW_CALL_SIG_MIN
            || s->len > NGX_PAYGW_CALL_SIG_MAX)
        {
            return NGX_ABORT;
        }

        return ngx_paygw_base64_decode(call->pool, &call->sig, s);
    }

    call->sig.data = ngx_pnalloc(call->pool, call->sig.len);
    if (call->sig.data == NULL) {
        return NGX_ERROR;
    }

    return ngx_paygw_call_hex(s, call->sig.data) ? NGX_OK : NGX_ABORT;
}


static ngx_uint_t
ngx_paygw_call_hex(ngx_str_t *text, u_char *out)
{
    ngx_int_t   n;
    ngx_uint_t  i;

    for (i = 0; i < text->len; i += 2) {

        n = ngx_hextoi(&text->data[i], 2);

        if (n == NGX_ERROR) {
            return 0;
        }

        *out++ = (u_char) n;
    }

    return 1;
}


ngx_int_t
ngx_paygw_call_clock(ngx_paygw_call_t *call)
{
    time_t  off;

    off = (call->time > call->now) ? call->time - call->now
                                   : call->now - call->time;

    if (off > (time_t) (call->window / 1000)) {
        return ngx_paygw_call_refuse_clock(call);
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_call_verify(ngx_paygw_call_t *call)
{
    ngx_int_t   rc;
    ngx_str_t   parts[NGX_PAYGW_CALL_PARTS];
    ngx_uint_t  n;

    n = ngx_paygw_call_parts(call, parts);

    rc = (call->kind == NGX_PAYGW_CALLER_PUBLIC)
         ? ngx_paygw_call_by_public(call, parts, n)
         : ngx_paygw_call_by_secret(call, parts, n, NULL);

    if (rc == NGX_ERROR) {
        call->reason = NGX_PAYGW_REASON_INTERNAL;
        return NGX_ERROR;
    }

    if (rc == 0) {
        return ngx_paygw_call_wrong(call, parts, n);
    }

    /* only now: a stranger must not learn whose window it is */

    call->window = call->caller->merchant->window;

    return ngx_paygw_call_clock(call);
}


ngx_uint_t
ngx_paygw_call_parts(ngx_paygw_call_t *call, ngx_str_t *parts)
{
    ngx_uint_t  i;

    if (call->style == NGX_PAYGW_CALL_PARAMS) {
        parts[0] = call->text;
        return 1;
    }

    ngx_hex_dump(call->hex, call->body_sha256, NGX_PAYGW_SHA256_LEN);

    parts[0] = call->method;
    parts[2] = call->target;
    parts[4] = call->fields[NGX_PAYGW_CALL_TIMESTAMP];
    parts[6] = call->fields[NGX_PAYGW_CALL_NONCE];
    parts[8].data = call->hex;
    parts[8].len = sizeof(call->hex);

    for (i = 1; i < NGX_PAYGW_CALL_PARTS; i += 2) {
        parts[i] = ngx_paygw_call_lf;
    }

    return NGX_PAYGW_CALL_PARTS;
}


ngx_int_t
ngx_paygw_call_by_secret(ngx_paygw_call_t *call, ngx_str_t *parts,
    ngx_uint_t n, const char *suffix)
{
    size_t               len;
    u_char               out[NGX_PAYGW_HASH_MAX], *p;
    ngx_int_t            rc, found;
    ngx_str_t            secret, mac, all[NGX_PAYGW_CALL_PARTS + 2];
    ngx_uint_t           i, genuine;
    ngx_paygw_caller_t  *caller;

    found = 0;
    caller = (call->caller && call->caller->kind == call->kind) ? call->caller
                                                                : NULL;
    ngx_memcpy(all, parts, n * sizeof(ngx_str_t));
    ngx_str_set(&all[n], "&key=");

    for (i = 0; i < call->callers->nsecrets; i++) {

        genuine = (caller && i < caller->nsecrets);

        if (genuine) {
            secret = caller->secrets[i];

        } else {
            secret.data = call->callers->dummy;
            secret.len = sizeof(call->callers->dummy);
        }

        if (suffix) {
            p = ngx_pnalloc(call->pool, secret.len + ngx_strlen(suffix));
            if (p == NULL) {
                return NGX_ERROR;
            }

            ngx_memcpy(p, secret.data, secret.len);
            ngx_memcpy(p + secret.len, suffix, ngx_strlen(suffix));

            secret.data = p;
            secret.len += ngx_strlen(suffix);
        }

        if (call->kind == NGX_PAYGW_CALLER_MD5) {
            all[n + 1] = secret;
            rc = ngx_paygw_hash(&ngx_paygw_hash_md5, all, n + 2, out, &len,
                                call->log);

        } else if (suffix) {
            rc = ngx_paygw_hmac(&ngx_paygw_hash_sha256, &secret, parts, n, out,
                                &len, call->log);

        } else {
            len = NGX_PAYGW_SHA256_LEN;
            rc = ngx_paygw_hmac_sha256(genuine ? &caller->hmacs[i]
                                               : &call->callers->hmac,
                                       parts, n, out);
        }

        if (suffix) {
            ngx_explicit_memzero(secret.data, secret.len);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        mac.data = out;
        mac.len = len;

        if (ngx_paygw_equal(&mac, &call->sig) && genuine) {
            call->secret = i;
            found = 1;
        }
    }

    return found;
}


/* a key that is not there, or of another kind, is stood in for by some key */

static ngx_int_t
ngx_paygw_call_by_public(ngx_paygw_call_t *call, ngx_str_t *parts,
    ngx_uint_t n)
{
    ngx_int_t             rc;
    ngx_uint_t            i, genuine;
    ngx_paygw_caller_t   *caller, **other;

    caller = NULL;
    other = call->callers->keys.elts;

    for (i = 0; i < call->callers->keys.nelts; i++) {
        if (caller == NULL && ngx_paygw_call_fits(call, other[i])) {
            caller = other[i];
        }
    }

    genuine = (call->caller && ngx_paygw_call_fits(call, call->caller));

    if (genuine) {
        caller = call->caller;
    }

    if (caller == NULL) {
        return 0;
    }

    rc = ngx_paygw_verify(caller->scheme, &caller->key, parts, n, &call->sig,
                          call->log);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    return rc == NGX_OK && genuine;
}


/* 1 if the signature may be one of this key, by its length */

static ngx_uint_t
ngx_paygw_call_fits(ngx_paygw_call_t *call, ngx_paygw_caller_t *caller)
{
    if (caller->kind != NGX_PAYGW_CALLER_PUBLIC) {
        return 0;
    }

    if (caller->scheme == &ngx_paygw_ecdsa_p256) {
        return call->sig.len > NGX_PAYGW_CALL_ED25519
               && call->sig.len <= NGX_PAYGW_CALL_ECDSA_MAX;
    }

    return call->sig.len == caller->sig_len;
}


static ngx_int_t
ngx_paygw_call_wrong(ngx_paygw_call_t *call, ngx_str_t *parts, ngx_uint_t n)
{
    ngx_uint_t  i;

    call->reason = NGX_PAYGW_REASON_INTERNAL;
    call->signed_len = 0;

    for (i = 0; i < n; i++) {
        call->signed_len += parts[i].len;
    }

    if (ngx_paygw_sha256(parts, n, call->signed_sha256) != NGX_OK
        || ngx_paygw_call_explain(call) != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->reason = call->caller ? NGX_PAYGW_REASON_SIGNATURE
                                : NGX_PAYGW_REASON_UNKNOWN_KEY;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_paygw_call_refuse_clock(ngx_paygw_call_t *call)
{
    time_t  off;

    if (call->time / 1000 > call->now / 2
        && call->time / 1000 < call->now * 2)
    {
        return ngx_paygw_call_refuse(call, NGX_DECLINED,
                                     NGX_PAYGW_REASON_CLOCK,
                                     "the time may be in milliseconds, it "
                                     "must be in seconds");
    }

    off = call->time - call->now;

    return ngx_paygw_call_refuse(call, NGX_DECLINED, NGX_PAYGW_REASON_CLOCK,
                                 "clock %T s off, the call is from the %s",
                                 off < 0 ? -off : off,
                                 off < 0 ? "past" : "future");
}


ngx_int_t
ngx_paygw_call_once(ngx_paygw_call_t *call, ngx_str_t *key)
{
    ngx_str_t  *id, *nonce;

    id = &call->fields[NGX_PAYGW_CALL_KEY_ID];
    nonce = &call->fields[NGX_PAYGW_CALL_NONCE];

    key->data = ngx_pnalloc(call->pool, id->len + 1 + nonce->len);
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    key->len = ngx_sprintf(key->data, "%V:%V", id, nonce) - key->data;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_call_refuse(ngx_paygw_call_t *call, ngx_int_t rc,
    ngx_paygw_reason_e reason, const char *fmt, ...)
{
    u_char   buf[NGX_PAYGW_HINT_MAX], *p;
    va_list  args;

    call->reason = reason;
    ngx_str_null(&call->hint);

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args);
    va_end(args);

    call->hint.data = ngx_pnalloc(call->pool, p - buf);
    if (call->hint.data == NULL) {
        call->reason = NGX_PAYGW_REASON_INTERNAL;
        return NGX_ERROR;
    }

    call->hint.len = ngx_cpymem(call->hint.data, buf, p - buf)
                     - call->hint.data;

    return rc;
}
