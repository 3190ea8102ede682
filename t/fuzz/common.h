
/*
 * Copyright (C) the paygw authors
 */


#ifndef _FUZZ_COMMON_H_INCLUDED_
#define _FUZZ_COMMON_H_INCLUDED_


#include "harness.h"
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_form.h"
#include "ngx_paygw_order.h"

#include <openssl/evp.h>


/*
 * A target defines these two.  Whatever it takes from the pool is a malloc()
 * of its own, so that a read of one byte too many is found; what it is given
 * must be copied for that.
 */
void fuzz_init(void);
void fuzz_one(ngx_pool_t *pool, ngx_str_t *input);

/* the configuration of the process: channels live in its pool */
extern ngx_conf_t  *fuzz_cf;


/* what must hold whatever the input is; ends the process if it does not */
#define must(cond)                                                            \
    if (!(cond)) {                                                            \
        fuzz_broken(#cond, __FILE__, __LINE__);                               \
    }

void fuzz_broken(const char *cond, const char *file, int line);

/* a copy that ends where its memory ends */
ngx_str_t fuzz_copy(ngx_pool_t *pool, ngx_str_t *s);

/* takes the next line off the input, without its line feed */
ngx_str_t fuzz_line(ngx_pool_t *pool, ngx_str_t *input);

/* parts joined; ended by NULL */
ngx_str_t fuzz_join(ngx_pool_t *pool, ngx_str_t *first, ...);

/* keys of t/data, and what is made with them: not by our own crypto */
EVP_PKEY *fuzz_private(const char *name);
EVP_PKEY *fuzz_public(const char *name);
ngx_str_t fuzz_sign(ngx_pool_t *pool, EVP_PKEY *key, ngx_str_t *text);
ngx_uint_t fuzz_genuine(EVP_PKEY *key, ngx_str_t *text, ngx_str_t *sig);
ngx_str_t fuzz_base64(ngx_pool_t *pool, ngx_str_t *s);

/*
 * A callback on its whole way through a provider, and what must be true of its
 * end.  Returns the last return code.
 */
ngx_int_t fuzz_notify(ngx_pool_t *pool, ngx_paygw_notify_t *n);

/* 1 if s is the word */
ngx_uint_t fuzz_is(ngx_str_t *s, const char *word);


/*
 * For calls of a provider's API.  A line of a channel whose value is a copy of
 * a file of t/data that only we can read, to be unlinked; an exchange of a
 * channel; a caller's request, built as for two tries: signed, refused with a
 * reason, or a reply of our own; an answer.
 */

const char *fuzz_private_line(const char *param, const char *name);
void fuzz_ask(ngx_pool_t *pool, ngx_paygw_exchange_t *x,
    ngx_paygw_channel_t **ch, time_t now);
void fuzz_build(ngx_paygw_exchange_t *x);
ngx_int_t fuzz_check(ngx_paygw_exchange_t *x);

/*
 * order.c: what must be true of what is told of an order, and of the answer to
 * the caller
 */
void fuzz_order_told(ngx_paygw_order_t *o, ngx_paygw_channel_t *ch);
void fuzz_order_answer(ngx_pool_t *pool, ngx_paygw_order_t *o,
    ngx_paygw_channel_t *ch);

/*
 * The string to sign of fields, in their order; its hash in hexadecimal, in
 * capitals; that of UnionPay with a secret; the fields without one of them
 */
ngx_str_t fuzz_fields_text(ngx_pool_t *pool, ngx_paygw_form_t *form,
    const char *key);
ngx_str_t fuzz_fields_hash(ngx_pool_t *pool, const EVP_MD *md, ngx_str_t *text,
    ngx_uint_t upper);
ngx_str_t fuzz_fields_secret(ngx_pool_t *pool, ngx_str_t *text,
    const char *key);
void fuzz_fields_without(ngx_paygw_form_t *form, const char *name);


#endif /* _FUZZ_COMMON_H_INCLUDED_ */
