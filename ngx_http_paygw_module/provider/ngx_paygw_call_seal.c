
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
