
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_LATER_H_INCLUDED_
#define _NGX_PAYGW_LATER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * An RSA signature that a thread makes, for code that expects it at once: that
 * code is called twice.  While it is recorded, its ngx_paygw_sign() returns
 * NGX_ERROR and leaves a job.  When the job has run the code is called again,
 * with the same random bytes: it comes to the same text, and its signature is
 * there.  If it comes to another text this is signed on the spot.
 *
 *     ngx_paygw_later_record(&later, pool);
 *     rc = build(x);
 *     ngx_paygw_later_end();
 *
 *     if (later.job) { ngx_paygw_job_run(later.job), in a thread }
 *
 *     ngx_paygw_later_replay(&later);
 *     rc = build(x);
 *     ngx_paygw_later_end();
 *
 *     ngx_paygw_job_free(later.job);
 *
 * Nothing else may be signed in the worker between a beginning and its end.
 */


typedef struct ngx_paygw_job_s  ngx_paygw_job_t;

typedef struct {
    ngx_paygw_job_t     *job;        /* NULL: nothing is left to be signed; the
                                        caller's to free */
    ngx_uint_t           used;       /* its signature was; unsigned:1 */

    /* private */
    ngx_array_t          tape;       /* of u_char: what was random */
    size_t               played;
    ngx_uint_t           replay;     /* unsigned:1 */
} ngx_paygw_later_t;


/* without memory nothing is recorded, and the code signs as usual */
void ngx_paygw_later_record(ngx_paygw_later_t *later, ngx_pool_t *pool);
void ngx_paygw_later_replay(ngx_paygw_later_t *later);
void ngx_paygw_later_end(void);

/* what else is not the same each time is written to the tape, or read */
void ngx_paygw_later_tape(void *p, size_t len);


/*
 * Signs.  The only function here that a thread may call: all that it touches
 * belongs to the job, which holds a reference of its own to the key.
 */
void ngx_paygw_job_run(ngx_paygw_job_t *job);

/* not while it runs */
void ngx_paygw_job_free(ngx_paygw_job_t *job);


#endif /* _NGX_PAYGW_LATER_H_INCLUDED_ */
