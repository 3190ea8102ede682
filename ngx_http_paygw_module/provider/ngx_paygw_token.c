
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_crypto.h"
#include "ngx_paygw_token.h"


#define NGX_PAYGW_TOKEN_MAC    43      /* 32 bytes in base64url */
#define NGX_PAYGW_TOKEN_UNTIL  12      /* digits of Unix seconds */


static ngx_int_t ngx_paygw_token_mac(ngx_paygw_token_key_t *key,
    ngx_str_t *scope, ngx_str_t *id, ngx_str_t *until, u_char *mac);
static ngx_uint_t ngx_paygw_token_part(ngx_str_t *text, ngx_str_t *part);


ngx_int_t
ngx_paygw_token_make(ngx_pool_t *pool, ngx_array_t *keys, ngx_str_t *scope,
    ngx_str_t *id, time_t end, ngx_str_t *token)
{
    u_char                  mac[NGX_PAYGW_TOKEN_MAC], buf[NGX_TIME_T_LEN];
    ngx_str_t               until;
    ngx_paygw_token_key_t  *key;

    key = keys->elts;

    until.data = buf;
    until.len = ngx_sprintf(buf, "%T", end) - buf;

    if (ngx_paygw_token_mac(key, scope, id, &until, mac) != NGX_OK) {
        return NGX_ERROR;
    }

    token->len = key->id.len + 1 + until.len + 1 + NGX_PAYGW_TOKEN_MAC;

    token->data = ngx_pnalloc(pool, token->len);
    if (token->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(token->data, "%V.%V.%*s", &key->id, &until,
                       (size_t) NGX_PAYGW_TOKEN_MAC, mac);

    return NGX_OK;
}


ngx_int_t
ngx_paygw_token_check(ngx_array_t *keys, ngx_str_t *scope, ngx_str_t *id,
    ngx_str_t *token, time_t now, time_t *until)
{
    time_t                  end;
    u_char                  mac[NGX_PAYGW_TOKEN_MAC];
    ngx_str_t               name, time, code, made;
    ngx_uint_t              i;
    ngx_paygw_token_key_t  *key;

    code = *token;

    if (!ngx_paygw_token_part(&code, &name)
        || !ngx_paygw_token_part(&code, &time)
        || time.len > NGX_PAYGW_TOKEN_UNTIL)
    {
        return NGX_ABORT;
    }

    end = ngx_atotm(time.data, time.len);

    key = keys->elts;

    for (i = 0; i < keys->nelts; i++) {

        if (key[i].id.len != name.len
            || ngx_strncmp(key[i].id.data, name.data, name.len) != 0)
        {
            continue;
        }

        if (ngx_paygw_token_mac(&key[i], scope, id, &time, mac) != NGX_OK) {
            return NGX_ABORT;
        }

        made.data = mac;
        made.len = NGX_PAYGW_TOKEN_MAC;

        if (!ngx_paygw_equal(&made, &code) || end <= now) {
            return NGX_ABORT;
        }

        *until = end;

        return NGX_OK;
    }

    return NGX_ABORT;
}


/* mac has room for NGX_PAYGW_TOKEN_MAC bytes */

static ngx_int_t
ngx_paygw_token_mac(ngx_paygw_token_key_t *key, ngx_str_t *scope,
    ngx_str_t *id, ngx_str_t *until, u_char *mac)
{
    u_char     out[NGX_PAYGW_SHA256_LEN];
    ngx_str_t  parts[6], src, dst;

    ngx_str_set(&parts[0], "paygw-events\n");
    parts[1] = *scope;
    ngx_str_set(&parts[2], "\n");
    parts[3] = *id;
    ngx_str_set(&parts[4], "\n");
    parts[5] = *until;

    if (ngx_paygw_hmac_sha256(&key->hmac, parts, 6, out) != NGX_OK) {
        return NGX_ERROR;
    }

    src.data = out;
    src.len = NGX_PAYGW_SHA256_LEN;

    dst.data = mac;

    ngx_encode_base64url(&dst, &src);

    return NGX_OK;
}


/* takes what stands before the next point */

static ngx_uint_t
ngx_paygw_token_part(ngx_str_t *text, ngx_str_t *part)
{
    u_char  *p;

    p = ngx_strlchr(text->data, text->data + text->len, '.');

    if (p == NULL || p == text->data) {
        return 0;
    }

    part->data = text->data;
    part->len = p - text->data;

    text->len -= part->len + 1;
    text->data = p + 1;

    return 1;
}
