
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"

#include <openssl/rand.h>


#define NGX_PAYGW_LATER_TAPE  128


struct ngx_paygw_job_s {
    const ngx_paygw_scheme_t  *scheme;
    EVP_PKEY                  *pkey;
    ngx_uint_t                 done;       /* unsigned:1 */
    size_t                     md_len;
    size_t                     len;        /* of the signature */
    u_char                     md[NGX_PAYGW_HASH_MAX];
    u_char                     sig[];      /* as long as the key */
};


static ngx_int_t ngx_paygw_job_create(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *key, u_char *md, size_t len, ngx_log_t *log);


/* of the code that is called now; a worker has one thread that calls it */
static ngx_paygw_later_t  *ngx_paygw_later;


void
ngx_paygw_later_record(ngx_paygw_later_t *later, ngx_pool_t *pool)
{
    later->job = NULL;
    later->used = 0;
    later->played = 0;
    later->replay = 0;

    if (ngx_array_init(&later->tape, pool, NGX_PAYGW_LATER_TAPE, 1)
        == NGX_OK)
    {
        ngx_paygw_later = later;
    }
}


void
ngx_paygw_later_replay(ngx_paygw_later_t *later)
{
    later->played = 0;
    later->replay = 1;

    ngx_paygw_later = later;
}


void
ngx_paygw_later_end(void)
{
    ngx_paygw_later = NULL;
}


void
ngx_paygw_later_tape(void *p, size_t len)
{
    u_char             *tape;
    ngx_paygw_later_t  *later;

    later = ngx_paygw_later;

    if (later == NULL) {
        return;
    }

    if (!later->replay) {

        tape = ngx_array_push_n(&later->tape, len);
        if (tape) {
            ngx_memcpy(tape, p, len);
        }

        return;
    }

    /* behind the end of it is what comes after the signature */

    if (len <= later->tape.nelts - later->played) {
        tape = later->tape.elts;
        ngx_memcpy(p, tape + later->played, len);
        later->played += len;
    }
}


ngx_int_t
ngx_paygw_later_sign(const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key,
    u_char *md, size_t len, ngx_str_t *sig, ngx_log_t *log)
{
    ngx_paygw_job_t  *job;

    if (ngx_paygw_later == NULL || scheme->type != EVP_PKEY_RSA) {
        return NGX_DECLINED;
    }

    job = ngx_paygw_later->job;

    if (!ngx_paygw_later->replay) {

        return job ? NGX_DECLINED
                   : ngx_paygw_job_create(scheme, key, md, len, log);
    }

    if (!job->done || job->scheme != scheme || job->pkey != key->handle->pkey
        || job->md_len != len || job->len > sig->len
        || ngx_memcmp(job->md, md, len) != 0)
    {
        /* its error, if there is one, is logged where it comes again */
        return NGX_DECLINED;
    }

    sig->len = job->len;
    ngx_memcpy(sig->data, job->sig, job->len);

    ngx_paygw_later->used = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_job_create(const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key,
    u_char *md, size_t len, ngx_log_t *log)
{
    EVP_PKEY         *pkey;
    ngx_paygw_job_t  *job;

    pkey = key->handle->pkey;

    job = ngx_alloc(sizeof(ngx_paygw_job_t) + EVP_PKEY_size(pkey), log);

    if (job == NULL) {
        return NGX_DECLINED;
    }

    if (EVP_PKEY_up_ref(pkey) != 1) {
        ERR_clear_error();
        ngx_free(job);
        return NGX_DECLINED;
    }

    job->scheme = scheme;
    job->pkey = pkey;
    job->done = 0;
    job->len = EVP_PKEY_size(pkey);
    job->md_len = len;
    ngx_memcpy(job->md, md, len);

    ngx_paygw_later->job = job;

    return NGX_AGAIN;
}


/* the context of the key is the worker's: here is one for the thread */

void
ngx_paygw_job_run(ngx_paygw_job_t *job)
{
    EVP_PKEY_CTX  *ctx;

    ctx = EVP_PKEY_CTX_new(job->pkey, NULL);

    job->done = ctx
                && ngx_paygw_scheme_init(job->scheme, ctx, NGX_PAYGW_KEY_SIGN)
                   == NGX_OK
                && EVP_PKEY_sign(ctx, job->sig, &job->len, job->md,
                                 job->md_len)
                   == 1;

    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
}


void
ngx_paygw_job_free(ngx_paygw_job_t *job)
{
    EVP_PKEY_free(job->pkey);
    ngx_free(job);
}


ngx_int_t
ngx_paygw_random(u_char *p, size_t len)
{
    int  rc;

    rc = RAND_bytes(p, (int) len);

    ERR_clear_error();

    if (rc != 1) {
        return NGX_ERROR;
    }

    ngx_paygw_later_tape(p, len);

    return NGX_OK;
}
