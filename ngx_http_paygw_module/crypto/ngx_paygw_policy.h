
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_POLICY_H_INCLUDED_
#define _NGX_PAYGW_POLICY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <openssl/ssl.h>


/*
 * What a handshake of a client with this context could come to, whoever has set
 * it and how: lines of nginx, commands of OpenSSL, its own configuration file.
 *
 * Returns NULL if it has TLS 1.2 or newer, encrypts, asks for a certificate,
 * and does not take every key and hash (security level 0); else what is wrong,
 * in words.
 */
const char *ngx_paygw_policy_wrong(SSL_CTX *ctx);


#endif /* _NGX_PAYGW_POLICY_H_INCLUDED_ */
