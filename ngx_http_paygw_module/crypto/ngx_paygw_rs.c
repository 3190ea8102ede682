
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"


/*
 * Signatures of ECDSA and SM2 are two numbers, written in DER or as they are.
 * DER is read here before OpenSSL sees it: what is no signature at all must
 * be told from an OpenSSL that does not work, and OpenSSL's result does not.
 */


#define NGX_PAYGW_RS_LEN  (NGX_PAYGW_RS_RAW / 2)

#define NGX_PAYGW_DER_SEQUENCE  0x30
#define NGX_PAYGW_DER_INTEGER   0x02


static u_char *ngx_paygw_rs_read(u_char *p, u_char *end, u_char *raw);
static u_char *ngx_paygw_rs_write(u_char *p, u_char *raw);


ngx_int_t
ngx_paygw_rs_raw(ngx_str_t *der, u_char *raw)
{
    u_char  *p, *end;

    /* the longest is below 128 bytes: one byte of length at each place */

    if (der->len < 2
        || der->len > NGX_PAYGW_RS_DER
        || der->data[0] != NGX_PAYGW_DER_SEQUENCE
        || der->data[1] != der->len - 2)
    {
        return NGX_DECLINED;
    }

    p = der->data + 2;
    end = der->data + der->len;

    p = ngx_paygw_rs_read(p, end, raw);

    if (p != NULL) {
        p = ngx_paygw_rs_read(p, end, raw + NGX_PAYGW_RS_LEN);
    }

    return p == end ? NGX_OK : NGX_DECLINED;
}


/* returns what is behind the number, or NULL */

static u_char *
ngx_paygw_rs_read(u_char *p, u_char *end, u_char *raw)
{
    size_t  len;

    if (end - p < 3 || p[0] != NGX_PAYGW_DER_INTEGER) {
        return NULL;
    }

    len = p[1];
    p += 2;

    if (len == 0 || len > (size_t) (end - p) || (p[0] & 0x80)) {
        return NULL;
    }

    if (p[0] == 0 && len > 1) {

        if (!(p[1] & 0x80)) {
            return NULL;
        }

        p++;
        len--;
    }

    if (len > NGX_PAYGW_RS_LEN) {
        return NULL;
    }

    ngx_memzero(raw, NGX_PAYGW_RS_LEN - len);
    ngx_memcpy(raw + NGX_PAYGW_RS_LEN - len, p, len);

    return p + len;
}


size_t
ngx_paygw_rs_der(u_char *raw, u_char *der)
{
    u_char  *p;

    p = ngx_paygw_rs_write(der + 2, raw);
    p = ngx_paygw_rs_write(p, raw + NGX_PAYGW_RS_LEN);

    der[0] = NGX_PAYGW_DER_SEQUENCE;
    der[1] = (u_char) (p - der - 2);

    return p - der;
}


static u_char *
ngx_paygw_rs_write(u_char *p, u_char *raw)
{
    size_t  len;

    for (len = NGX_PAYGW_RS_LEN; len > 1 && *raw == 0; len--) {
        raw++;
    }

    *p++ = NGX_PAYGW_DER_INTEGER;

    if (*raw & 0x80) {
        *p++ = (u_char) (len + 1);
        *p++ = 0;

    } else {
        *p++ = (u_char) len;
    }

    return ngx_cpymem(p, raw, len);
}
