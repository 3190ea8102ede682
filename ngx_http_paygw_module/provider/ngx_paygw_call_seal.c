
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_call.h"


ngx_int_t
ngx_paygw_call_seal(ngx_paygw_call_t *call, ngx_uint_t status,
    ngx_str_t *time, u_char *body_sha256, u_char *hex)
{
    u_char     out[NGX_PAYGW_SHA256_LEN];
    u_char     text[NGX_INT_T_LEN + NGX_TIME_T_LEN + NGX_PAYGW_CALL_NONCE_MAX
                    + 2 * NGX_PAYGW_SHA256_LEN + 4];
    ngx_str_t  part;

    ngx_hex_dump(call->hex, body_sha256, NGX_PAYGW_SHA256_LEN);

    part.data = text;
    part.len = ngx_snprintf(text, sizeof(text), "%ui\n%V\n%V\n%*s\n", status,
                            time, &call->fields[NGX_PAYGW_CALL_NONCE],
                            sizeof(call->hex), call->hex)
               - text;

    if (ngx_paygw_hmac_sha256(&call->caller->hmacs[call->secret], &part, 1,
                              out)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_hex_dump(hex, out, sizeof(out));

    return NGX_OK;
}


ngx_int_t
ngx_paygw_call_sign(ngx_paygw_call_t *call, u_char *hex)
{
    u_char      out[NGX_PAYGW_SHA256_LEN];
    ngx_str_t   parts[NGX_PAYGW_CALL_PARTS];
    ngx_uint_t  n;

    n = ngx_paygw_call_parts(call, parts);

    if (ngx_paygw_hmac_sha256(&call->caller->hmacs[0], parts, n, out)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_hex_dump(hex, out, sizeof(out));

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_call_line(ngx_str_t *method, ngx_str_t *target)
{
    size_t  i;

    if (method->len == 0 || target->len == 0 || target->data[0] != '/') {
        return 0;
    }

    for (i = 0; i < method->len; i++) {
        if ((method->data[i] < 'A' || method->data[i] > 'Z')
            && method->data[i] != '_' && method->data[i] != '-')
        {
            return 0;
        }
    }

    for (i = 0; i < target->len; i++) {
        if (target->data[i] <= ' ' || target->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}
