
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_TASK_H_INCLUDED_
#define _NGX_PAYGW_TASK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_key.h"
#include "ngx_paygw_provider.h"


/*
 * Something that the keys of a channel are to do for code beside us.  No key
 * leaves this floor.  The caller fills the first group; sign() and open() of
 * the provider return
 *
 *   NGX_OK        out is set
 *   NGX_DECLINED  the channel cannot, or it does not open: err
 *   NGX_ABORT     what came is malformed: err
 *   NGX_ERROR     our own fault (memory, OpenSSL)
 */
struct ngx_paygw_task_s {
    ngx_paygw_channel_t     *channel;
    ngx_pool_t              *pool;
    ngx_log_t               *log;
    ngx_str_t                in;          /* the text to sign; what is
                                             encrypted, as it was sent */
    ngx_str_t                algorithm;   /* in the provider's words; empty:
                                             the usual one */
    ngx_str_t                nonce;       /* of what is encrypted */
    ngx_str_t                associated;

    ngx_str_t                out;         /* in pool: the signature, as it is
                                             sent; the plaintext */
    const char              *err;         /* a constant phrase */
};


/* what providers share; the last two return as above */

/* 1 if the algorithm is this word, or was left open */
ngx_uint_t ngx_paygw_task_is(ngx_paygw_task_t *t, const char *word);

/* sets err, returns NGX_DECLINED */
ngx_int_t ngx_paygw_task_refuse(ngx_paygw_task_t *t, const char *err);

/* RSA with SHA-256, in base64; key may be NULL: then missing says so */
ngx_int_t ngx_paygw_task_rsa(ngx_paygw_task_t *t, ngx_paygw_key_t *key,
    const char *missing);

/* AES-256-GCM of base64, the tag at its end */
ngx_int_t ngx_paygw_task_gcm(ngx_paygw_task_t *t, ngx_str_t *key);


#endif /* _NGX_PAYGW_TASK_H_INCLUDED_ */
