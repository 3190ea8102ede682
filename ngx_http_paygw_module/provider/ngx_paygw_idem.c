
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_idem.h"
#include "ngx_paygw_mac.h"


/* Calls that are to be run once: what tells them, and what is kept of them. */


static ngx_int_t ngx_paygw_idem_quoted(ngx_pool_t *pool, ngx_str_t *field,
    ngx_str_t *key);


#define ngx_paygw_idem_visible(c)  ((c) > 0x20 && (c) < 0x7f)


static const ngx_str_t  ngx_paygw_idem_methods[] = {
    ngx_string("GET"),
    ngx_string("HEAD"),
    ngx_string("OPTIONS"),
    ngx_string("TRACE"),
    ngx_null_string
};


/* of one exchange: hop by hop, or made anew for each answer */

static const ngx_str_t  ngx_paygw_idem_passing[] = {
    ngx_string("connection"),
    ngx_string("keep-alive"),
    ngx_string("proxy-connection"),
    ngx_string("proxy-authenticate"),
    ngx_string("proxy-authentication-info"),
    ngx_string("te"),
    ngx_string("trailer"),
    ngx_string("transfer-encoding"),
    ngx_string("upgrade"),
    ngx_string("content-length"),
    ngx_string("date"),
    ngx_string("server"),
    ngx_string("age"),
    ngx_string("set-cookie"),
    ngx_string("x-timestamp"),
    ngx_string("x-nonce"),
    ngx_string("x-signature"),
    ngx_string("idempotent-replayed"),
    ngx_string("ratelimit"),
    ngx_string("ratelimit-policy"),
    ngx_string("ratelimit-limit"),
    ngx_string("ratelimit-remaining"),
    ngx_string("ratelimit-reset"),
    ngx_string("retry-after"),
    ngx_null_string
};


ngx_int_t
ngx_paygw_idem_key(ngx_pool_t *pool, ngx_str_t *field, ngx_str_t *key)
{
    ngx_uint_t  i;

    if (field->len == 0) {
        return NGX_ABORT;
    }

    if (field->data[0] == '"') {
        return ngx_paygw_idem_quoted(pool, field, key);
    }

    if (field->len > NGX_PAYGW_IDEM_KEY_MAX) {
        return NGX_ABORT;
    }

    for (i = 0; i < field->len; i++) {

        if (!ngx_paygw_idem_visible(field->data[i])
            || field->data[i] == '"' || field->data[i] == ',')
        {
            return NGX_ABORT;
        }
    }

    *key = *field;

    return NGX_OK;
}


/* RFC 8941, section 3.3.3, without spaces; parameters are not known here */

static ngx_int_t
ngx_paygw_idem_quoted(ngx_pool_t *pool, ngx_str_t *field, ngx_str_t *key)
{
    u_char  *p, *dst, *last;

    p = field->data + 1;
    last = field->data + field->len - 1;

    if (last < p || *last != '"' || field->len > 2 * NGX_PAYGW_IDEM_KEY_MAX + 2)
    {
        return NGX_ABORT;
    }

    key->data = ngx_pnalloc(pool, field->len);
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    dst = key->data;

    while (p < last) {

        if (*p == '\\') {
            p++;

            if (p == last || (*p != '"' && *p != '\\')) {
                return NGX_ABORT;
            }

        } else if (*p == '"' || !ngx_paygw_idem_visible(*p)) {
            return NGX_ABORT;
        }

        *dst++ = *p++;
    }

    key->len = dst - key->data;

    return (key->len && key->len <= NGX_PAYGW_IDEM_KEY_MAX) ? NGX_OK
                                                            : NGX_ABORT;
}


ngx_uint_t
ngx_paygw_idem_safe(ngx_str_t *method)
{
    const ngx_str_t  *name;

    for (name = ngx_paygw_idem_methods; name->len; name++) {

        if (method->len == name->len
            && ngx_strncmp(method->data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_paygw_idem_id(ngx_paygw_call_t *call, ngx_str_t *key, ngx_str_t *id,
    u_char *fingerprint)
{
    u_char      *p, *query, digest[NGX_PAYGW_SHA256_LEN];
    ngx_str_t    parts[5], *merchant;

    merchant = &call->caller->merchant->name;

    id->len = merchant->len + 1 + 2 * NGX_PAYGW_SHA256_LEN;
    id->data = ngx_pnalloc(call->pool, id->len);

    if (id->data == NULL) {
        return NGX_ERROR;
    }

    /* none of the parts has a line feed in it, but the last one */

    parts[0] = call->method;
    ngx_str_set(&parts[1], "\n");
    parts[2] = call->target;
    ngx_str_set(&parts[3], "\n");
    parts[4].data = call->body_sha256;
    parts[4].len = NGX_PAYGW_SHA256_LEN;

    query = ngx_strlchr(call->target.data,
                        call->target.data + call->target.len, '?');

    if (call->style == NGX_PAYGW_CALL_PARAMS) {
        parts[4] = call->lasting;
        parts[2].len = query ? (size_t) (query - call->target.data)
                             : call->target.len;
    }

    if (ngx_paygw_sha256(parts, 5, fingerprint) != NGX_OK) {
        return NGX_ERROR;
    }

    parts[2].len = query ? (size_t) (query - call->target.data)
                         : call->target.len;
    parts[4] = *key;

    if (ngx_paygw_sha256(parts, 5, digest) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(id->data, merchant->data, merchant->len);
    *p++ = ':';
    (void) ngx_hex_dump(p, digest, NGX_PAYGW_SHA256_LEN);

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_idem_final(ngx_uint_t status)
{
    switch (status) {

    case 304:
    case 401:
    case 403:
    case 407:
    case 408:
    case 409:
    case 412:
    case 417:
    case 421:
    case 423:
    case 424:
    case 425:
    case 426:
    case 428:
    case 429:
    case 431:
    case 444:
    case 499:
        return 0;

    default:
        return status >= 200 && status < 500
               && !(status >= 494 && status <= 498);
    }
}


ngx_uint_t
ngx_paygw_idem_lasting(ngx_str_t *name)
{
    const ngx_str_t  *passing;

    for (passing = ngx_paygw_idem_passing; passing->len; passing++) {

        if (name->len == passing->len
            && ngx_strncasecmp(name->data, passing->data, name->len) == 0)
        {
            return 0;
        }
    }

    return 1;
}
