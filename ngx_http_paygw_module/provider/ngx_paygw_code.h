
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_CODE_H_INCLUDED_
#define _NGX_PAYGW_CODE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What has become of an operation of the unified API, in one word.  There is no
 * other list of them: the caller's status and text, and whether it may be tried
 * again, follow from the table.  Keep the order of ngx_paygw_codes[];
 * docs/errors.md has a row for each.
 */
typedef enum {
    NGX_PAYGW_CODE_OK = 0,

    /* the caller has asked for something else than is there; not sent */
    NGX_PAYGW_CODE_BAD_REQUEST,
    NGX_PAYGW_CODE_UNKNOWN_FIELD,
    NGX_PAYGW_CODE_MISSING_FIELD,
    NGX_PAYGW_CODE_INVALID_FIELD,
    NGX_PAYGW_CODE_NO_RESOURCE,
    NGX_PAYGW_CODE_BAD_METHOD,
    NGX_PAYGW_CODE_TOO_LARGE,
    NGX_PAYGW_CODE_MEDIA_TYPE,
    NGX_PAYGW_CODE_UNSUPPORTED,        /* by the channel */
    NGX_PAYGW_CODE_BAD_TOKEN,          /* of a URL that was handed out */

    /* what the caller has asked for cannot be, as the provider, or what is
       known of the order, says */
    NGX_PAYGW_CODE_ORDER_NOT_FOUND,
    NGX_PAYGW_CODE_REFUND_NOT_FOUND,
    NGX_PAYGW_CODE_BILL_NOT_FOUND,
    NGX_PAYGW_CODE_ORDER_MISMATCH,     /* the number is that of another one */
    NGX_PAYGW_CODE_ORDER_PAID,
    NGX_PAYGW_CODE_ORDER_CLOSED,
    NGX_PAYGW_CODE_ORDER_STATE,        /* any other state that forbids it */
    NGX_PAYGW_CODE_REFUND_MISMATCH,
    NGX_PAYGW_CODE_REFUND_TOO_MUCH,
    NGX_PAYGW_CODE_PAYER,              /* his account, his money, his code */

    /* the provider has said no */
    NGX_PAYGW_CODE_REFUSED,
    NGX_PAYGW_CODE_ACCOUNT,            /* ours: rights, keys, settings */
    NGX_PAYGW_CODE_BALANCE,            /* ours: no money for a refund, yet */

    /* nobody knows what has become of it: never to be taken for a failure */
    NGX_PAYGW_CODE_UNANSWERED,
    NGX_PAYGW_CODE_UNVERIFIED,
    NGX_PAYGW_CODE_UNCLEAR,            /* the provider does not know either */

    /* it was not done, and may be later */
    NGX_PAYGW_CODE_UNREACHABLE,
    NGX_PAYGW_CODE_BUSY,               /* so says the provider */
    NGX_PAYGW_CODE_UNAVAILABLE,        /* so says the breaker */
    NGX_PAYGW_CODE_STORE,              /* ours */
    NGX_PAYGW_CODE_CONNECTIONS,        /* ours: too many wait */

    NGX_PAYGW_CODE_INTERNAL,

    NGX_PAYGW_CODES                    /* how many there are */
} ngx_paygw_code_e;


typedef struct {
    ngx_str_t                name;     /* for the caller: "CLIENT-..." */
    ngx_uint_t               status;   /* of HTTP */
    ngx_str_t                message;
    unsigned                 unknown:1;  /* so is the outcome */
    unsigned                 again:1;    /* the same may have another answer
                                            the next time: not to be kept */
} ngx_paygw_code_t;


/* in the order of ngx_paygw_code_e */
extern const ngx_paygw_code_t  ngx_paygw_codes[];


/*
 * A provider's own word and what it means, for paygw_api and for paygw_pass; a
 * table is ended by an empty word, whose code is that of all others.
 */
typedef struct {
    ngx_str_t                word;
    ngx_paygw_code_e         code;
    ngx_uint_t               ill;      /* the provider is not well: for the
                                          breaker, and what it does once is
                                          sent again; unsigned  ill:1; */
} ngx_paygw_code_word_t;

/*
 * The entry of a table, never NULL; suffix: the word is the end of value, else
 * all of it
 */
const ngx_paygw_code_word_t *ngx_paygw_code_find(
    const ngx_paygw_code_word_t *words, ngx_str_t *value, ngx_uint_t suffix);


#endif /* _NGX_PAYGW_CODE_H_INCLUDED_ */
