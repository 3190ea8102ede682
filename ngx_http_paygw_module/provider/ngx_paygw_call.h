
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_CALL_H_INCLUDED_
#define _NGX_PAYGW_CALL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_form.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_merchant.h"
#include "ngx_paygw_provider.h"


/*
 * A merchant's call: pure functions over what was sent.
 *
 * Nothing that a stranger is told, and no time that he can measure, depends on
 * whether a key id exists: whether a signature is well formed, and by which
 * algorithm it is verified, follows from the signature alone; a key id that is
 * unknown, or of another algorithm, is verified by a key in its place.
 */


/* the fields of the form "headers", in the order of call->fields */
#define NGX_PAYGW_CALL_KEY_ID     0
#define NGX_PAYGW_CALL_TIMESTAMP  1
#define NGX_PAYGW_CALL_NONCE      2
#define NGX_PAYGW_CALL_SIGNATURE  3
#define NGX_PAYGW_CALL_FIELDS     4

extern const ngx_str_t  ngx_paygw_call_fields[];    /* in lower case, ended by
                                                       an empty one */


#define NGX_PAYGW_CALL_NONCE_MIN  16
#define NGX_PAYGW_CALL_NONCE_MAX  64
#define NGX_PAYGW_CALL_SIG_MIN    88      /* base64 of 64 bytes */
#define NGX_PAYGW_CALL_SIG_MAX    1368    /* base64 of 1024 bytes */
#define NGX_PAYGW_CALL_PARTS      10      /* of a string to sign */


typedef enum {
    NGX_PAYGW_CALL_HEADERS = 0,
    NGX_PAYGW_CALL_PARAMS
} ngx_paygw_call_style_e;


/* names of parameters, of the form "params" */
typedef struct {
    ngx_str_t                    name[NGX_PAYGW_CALL_FIELDS];
} ngx_paygw_call_names_t;


typedef struct {
    /* of the configuration */
    ngx_paygw_callers_t         *callers;
    const u_char                *allowed;    /* bits by merchant->index */
    ngx_msec_t                   window;     /* the widest of those allowed */
    ngx_paygw_call_style_e       style;
    const ngx_paygw_call_names_t  *names;    /* with params */
    ngx_uint_t                   repeats;    /* lasting is wanted */

    /* of the request */
    ngx_pool_t                  *pool;
    ngx_log_t                   *log;
    time_t                       now;
    ngx_str_t                    method;
    ngx_str_t                    target;     /* as on the request line */
    ngx_str_t                    fields[NGX_PAYGW_CALL_FIELDS];
                                             /* data == NULL: absent */
    ngx_uint_t                   repeated;   /* bits */
    u_char                       body_sha256[NGX_PAYGW_SHA256_LEN];

    /* for explanations alone; all may be empty */
    ngx_str_t                    body;
    ngx_str_t                    decoded;    /* the target as nginx uses it */
    ngx_str_t                    host;

    /* found here */
    ngx_paygw_caller_t          *caller;     /* NULL: unknown, or not allowed */
    ngx_paygw_caller_kind_e      kind;       /* of the signature */
    ngx_str_t                    sig;        /* its bytes */
    time_t                       time;       /* as it claims */
    ngx_str_t                    text;       /* to sign, with params, */
    ngx_str_t                    lasting;    /* and what of it a repetition
                                                has, too */
    u_char                       hex[2 * NGX_PAYGW_SHA256_LEN];
    ngx_uint_t                   secret;     /* which one was right */

    ngx_paygw_reason_e           reason;
    ngx_str_t                    hint;
    size_t                       signed_len;
    u_char                       signed_sha256[NGX_PAYGW_SHA256_LEN];
} ngx_paygw_call_t;


/*
 * All of them: NGX_OK; NGX_ABORT, malformed; NGX_DECLINED, not to be believed;
 * NGX_ERROR, our fault.  call->reason is set unless it is NGX_OK.
 *
 * The fields are well formed, and what they say is put where it belongs.
 */
ngx_int_t ngx_paygw_call_parse(ngx_paygw_call_t *call);

/*
 * The same with params: the parameters of a query and of a body, which is a
 * form or, with json, one flat object of JSON; either may be empty.
 */
ngx_int_t ngx_paygw_call_parse_params(ngx_paygw_call_t *call,
    ngx_str_t *query, ngx_str_t *body, ngx_uint_t json);

/* the time is within the widest window of the location */
ngx_int_t ngx_paygw_call_clock(ngx_paygw_call_t *call);

/* the signature, and the window of this merchant */
ngx_int_t ngx_paygw_call_verify(ngx_paygw_call_t *call);

/*
 * What is noted so that the call cannot come again, KEY-ID ":" NONCE, in pool:
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_call_once(ngx_paygw_call_t *call, ngx_str_t *key);

/*
 * Signs an answer: 64 hexadecimal digits over "STATUS LF TIME LF NONCE LF
 * BODY-HASH LF" with the secret that the call was signed with.  NGX_OK or
 * NGX_ERROR.
 */
ngx_int_t ngx_paygw_call_seal(ngx_paygw_call_t *call, ngx_uint_t status,
    ngx_str_t *time, u_char *body_sha256, u_char *hex);

/*
 * Signs a call as merchants do, with the first secret of call->caller: its
 * time and nonce are in call->fields; method and target, which are as below,
 * and body_sha256 are set, and the style is that of headers.  hex is not ended;
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_call_sign(ngx_paygw_call_t *call, u_char *hex);

/* 1 if it can be the method and the target of a request line */
ngx_uint_t ngx_paygw_call_line(ngx_str_t *method, ngx_str_t *target);


/* what the files of a call share */

/* refuses; the hint is a format of ngx_sprintf() or NULL; returns rc */
ngx_int_t ngx_paygw_call_refuse(ngx_paygw_call_t *call, ngx_int_t rc,
    ngx_paygw_reason_e reason, const char *fmt, ...);

/* what the fields say, and whose the key id is; as ngx_paygw_call_parse() */
ngx_int_t ngx_paygw_call_read(ngx_paygw_call_t *call);

/* the string to sign, in at most NGX_PAYGW_CALL_PARTS parts */
ngx_uint_t ngx_paygw_call_parts(ngx_paygw_call_t *call, ngx_str_t *parts);

/*
 * 1 if the signature, which is of a secret, is one over these parts with some
 * secret of the caller; takes the same time if there is no caller.  A suffix is
 * put behind the secret, NULL for none.  NGX_ERROR if OpenSSL fails.
 */
ngx_int_t ngx_paygw_call_by_secret(ngx_paygw_call_t *call, ngx_str_t *parts,
    ngx_uint_t n, const char *suffix);

/* of a signature that is wrong: sets the hint; NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_call_explain(ngx_paygw_call_t *call);


#endif /* _NGX_PAYGW_CALL_H_INCLUDED_ */
