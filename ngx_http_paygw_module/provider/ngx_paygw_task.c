
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_task.h"
#include "ngx_paygw_aead.h"
#include "ngx_paygw_sign.h"
#include "ngx_paygw_text.h"


ngx_uint_t
ngx_paygw_task_is(ngx_paygw_task_t *t, const char *word)
{
    return t->algorithm.len == 0
           || (t->algorithm.len == ngx_strlen(word)
               /* not secret */
               && ngx_strncmp(t->algorithm.data, word, t->algorithm.len)
                  == 0);
}


ngx_int_t
ngx_paygw_task_refuse(ngx_paygw_task_t *t, const char *err)
{
    t->err = err;

    return NGX_DECLINED;
}


ngx_int_t
ngx_paygw_task_rsa(ngx_paygw_task_t *t, ngx_paygw_key_t *key,
    const char *missing)
{
    ngx_str_t  sig;

    if (key == NULL) {
        return ngx_paygw_task_refuse(t, missing);
    }

    if (ngx_paygw_sign(&ngx_paygw_rsa_sha256, key, &t->in, 1, &sig, t->pool,
                       t->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    t->out.data = ngx_pnalloc(t->pool, ngx_base64_encoded_length(sig.len));
    if (t->out.data == NULL) {
        return NGX_ERROR;
    }

    ngx_encode_base64(&t->out, &sig);

    return NGX_OK;
}


ngx_int_t
ngx_paygw_task_gcm(ngx_paygw_task_t *t, ngx_str_t *key)
{
    ngx_int_t  rc;
    ngx_str_t  sealed;

    rc = ngx_paygw_base64_decode(t->pool, &sealed, &t->in);

    if (rc == NGX_ABORT) {
        t->err = "ciphertext is not base64";
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_paygw_gcm_open(t->pool, key, &t->nonce, &t->associated, &sealed,
                            &t->out);

    if (rc == NGX_ABORT) {
        t->err = (t->nonce.len == NGX_PAYGW_GCM_NONCE_LEN)
                 ? "ciphertext is too short" : "nonce is not 12 bytes";
    }

    if (rc == NGX_DECLINED) {
        t->err = "the key does not open it";
    }

    return rc;
}
