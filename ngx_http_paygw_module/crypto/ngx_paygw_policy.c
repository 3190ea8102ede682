
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"
#include "ngx_paygw_policy.h"


static ngx_uint_t ngx_paygw_policy_old(SSL_CTX *ctx);
static const char *ngx_paygw_policy_ciphers(SSL_CTX *ctx);


static const struct {
    int       version;
    uint64_t  off;
} ngx_paygw_policy_versions[] = {
    { SSL3_VERSION, SSL_OP_NO_SSLv3 },
    { TLS1_VERSION, SSL_OP_NO_TLSv1 },
    { TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 }
};


const char *
ngx_paygw_policy_wrong(SSL_CTX *ctx)
{
    const char  *wrong;

    if (ngx_paygw_policy_old(ctx)) {
        return "versions before TLS 1.2 are allowed";
    }

    wrong = ngx_paygw_policy_ciphers(ctx);

    if (wrong == NULL && SSL_CTX_get_security_level(ctx) < 1) {
        return "the security level of OpenSSL is 0";
    }

    return wrong;
}


static ngx_uint_t
ngx_paygw_policy_old(SSL_CTX *ctx)
{
    int         min, max;
    uint64_t    options;
    ngx_uint_t  i;

    options = SSL_CTX_get_options(ctx);
    min = SSL_CTX_get_min_proto_version(ctx);
    max = SSL_CTX_get_max_proto_version(ctx);

    for (i = 0;
         i < sizeof(ngx_paygw_policy_versions)
             / sizeof(ngx_paygw_policy_versions[0]);
         i++)
    {
        /* 0: the oldest, or the newest, that OpenSSL has */

        if (!(options & ngx_paygw_policy_versions[i].off)
            && min <= ngx_paygw_policy_versions[i].version
            && (max == 0 || max >= ngx_paygw_policy_versions[i].version))
        {
            return 1;
        }
    }

    return 0;
}


/* those that a handshake would offer: a list has more, which the level bars */

static const char *
ngx_paygw_policy_ciphers(SSL_CTX *ctx)
{
    int                     i;
    SSL                    *ssl;
    const char             *wrong;
    const SSL_CIPHER       *cipher;
    STACK_OF(SSL_CIPHER)   *ciphers;

    ssl = SSL_new(ctx);
    if (ssl == NULL) {
        ERR_clear_error();
        return "OpenSSL cannot use it";
    }

    wrong = NULL;

    SSL_set_connect_state(ssl);
    ciphers = SSL_get1_supported_ciphers(ssl);

    if (ciphers == NULL || sk_SSL_CIPHER_num(ciphers) == 0) {
        wrong = "no version has a cipher";
    }

    for (i = 0; wrong == NULL && i < sk_SSL_CIPHER_num(ciphers); i++) {

        cipher = sk_SSL_CIPHER_value(ciphers, i);

        if (SSL_CIPHER_get_cipher_nid(cipher) == NID_undef) {
            wrong = "a cipher that encrypts nothing is allowed";

        } else if (SSL_CIPHER_get_auth_nid(cipher) == NID_auth_null) {
            wrong = "a cipher without a certificate is allowed";
        }
    }

    sk_SSL_CIPHER_free(ciphers);
    SSL_free(ssl);
    ERR_clear_error();

    return wrong;
}
