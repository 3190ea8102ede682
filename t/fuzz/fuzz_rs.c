
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_crypto.h"


/* r and s in DER: what is taken is the one way to write them */


void
fuzz_init(void)
{
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    size_t                len;
    u_char                raw[NGX_PAYGW_RS_RAW], again[NGX_PAYGW_RS_RAW];
    u_char                der[NGX_PAYGW_RS_DER];
    ngx_str_t             in;
    ECDSA_SIG            *sig;
    const unsigned char  *p;

    in = fuzz_copy(pool, input);

    if (ngx_paygw_rs_raw(&in, raw) == NGX_OK) {

        len = ngx_paygw_rs_der(raw, der);
        must(len == in.len && ngx_memcmp(der, in.data, len) == 0);

        /* and OpenSSL reads it as well */

        p = in.data;
        sig = d2i_ECDSA_SIG(NULL, &p, (long) in.len);

        must(sig != NULL && p == in.data + in.len);
        must(BN_bn2binpad(ECDSA_SIG_get0_r(sig), again, 32) == 32);
        must(BN_bn2binpad(ECDSA_SIG_get0_s(sig), again + 32, 32) == 32);
        must(ngx_memcmp(raw, again, NGX_PAYGW_RS_RAW) == 0);

        ECDSA_SIG_free(sig);
    }

    /* the other way: any 64 bytes */

    if (in.len >= NGX_PAYGW_RS_RAW) {

        ngx_memcpy(raw, in.data, NGX_PAYGW_RS_RAW);

        in.data = der;
        in.len = ngx_paygw_rs_der(raw, der);

        must(in.len <= NGX_PAYGW_RS_DER);
        must(ngx_paygw_rs_raw(&in, again) == NGX_OK);
        must(ngx_memcmp(raw, again, NGX_PAYGW_RS_RAW) == 0);
    }
}
