
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_GENERIC_H_INCLUDED_
#define _NGX_PAYGW_GENERIC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"
#include "ngx_paygw_expr.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_sign.h"


/* what the files of the configured provider share; nobody else includes this */


#define NGX_PAYGW_GENERIC_MAX_PIECES      64    /* of the string to sign */
#define NGX_PAYGW_GENERIC_MAX_SIGNATURES  8     /* in one message */
#define NGX_PAYGW_GENERIC_MAX_ITEMS       16    /* of "each" */
#define NGX_PAYGW_GENERIC_MAX_ACK         1024  /* bytes of a body */


typedef enum {
    NGX_PAYGW_GENERIC_NONE = 0,
    NGX_PAYGW_GENERIC_HMAC,
    NGX_PAYGW_GENERIC_DIGEST,          /* the secret is part of the string */
    NGX_PAYGW_GENERIC_SCHEME
} ngx_paygw_generic_algorithm_e;


typedef enum {
    NGX_PAYGW_GENERIC_S = 0,
    NGX_PAYGW_GENERIC_MS,
    NGX_PAYGW_GENERIC_ISO8601
} ngx_paygw_generic_time_e;


typedef struct {
    ngx_paygw_expr_t               *expr;
    ngx_paygw_generic_time_e        format;
} ngx_paygw_generic_clock_t;


/* digits of an amount: so many, or those of the currency */
#define NGX_PAYGW_GENERIC_BY_CURRENCY  ((ngx_uint_t) -1)


typedef struct {
    ngx_paygw_expr_t               *expr;
    ngx_uint_t                      digits;     /* 0: minor units */
} ngx_paygw_generic_amount_t;


/* a word of the provider, and what it means */
typedef struct {
    ngx_str_t                       word;
    ngx_paygw_event_type_e          type;
    ngx_paygw_outcome_e             outcome;
} ngx_paygw_generic_map_t;


typedef struct {
    ngx_paygw_expr_t               *expr;
    ngx_array_t                    *values;     /* of ngx_str_t */
} ngx_paygw_generic_require_t;


/* one key: a secret, or a public key */
typedef struct {
    ngx_str_t                       id;
    ngx_str_t                       secret;
    ngx_paygw_key_t                *key;
} ngx_paygw_generic_key_t;


/*
 * A piece of the string to sign.  stop is the first byte behind it, or, if it
 * comes after the one piece that may hold anything, the last byte in front of
 * it: the piece must not hold it, or the string could be taken apart in two
 * ways.  -1: no such byte is needed.
 */
typedef struct {
    ngx_paygw_expr_t               *expr;
    ngx_int_t                       stop;
} ngx_paygw_generic_piece_t;


/* answers */
#define NGX_PAYGW_GENERIC_ACK_OK       0
#define NGX_PAYGW_GENERIC_ACK_REFUSED  1
#define NGX_PAYGW_GENERIC_ACK_RETRY    2
#define NGX_PAYGW_GENERIC_ACKS         3


/* strings of the event: names are those of the parameters */
#define NGX_PAYGW_GENERIC_REPLAY_ID    0
#define NGX_PAYGW_GENERIC_KIND         1
#define NGX_PAYGW_GENERIC_ORDER_ID     2
#define NGX_PAYGW_GENERIC_TRADE_NO     3
#define NGX_PAYGW_GENERIC_CURRENCY     4
#define NGX_PAYGW_GENERIC_REFUND_ID    5
#define NGX_PAYGW_GENERIC_REFUND_NO    6
#define NGX_PAYGW_GENERIC_PAYER        7
#define NGX_PAYGW_GENERIC_FIELDS       8


typedef struct {
    ngx_paygw_expr_env_t            env;

    ngx_paygw_generic_algorithm_e   algorithm;
    const ngx_paygw_hash_t         *hash;
    const ngx_paygw_scheme_t       *scheme;
    ngx_array_t                    *keys;       /* of
                                                   ngx_paygw_generic_key_t */
    ngx_paygw_expr_t               *key_id;

    ngx_paygw_expr_t               *signature;
    ngx_paygw_encoding_e            encoding;
    ngx_uint_t                      list;       /* unsigned:1 */
    ngx_paygw_expr_t               *signed_text;
    ngx_paygw_generic_piece_t      *pieces;
    ngx_uint_t                      npieces;
    ngx_uint_t                      keyed;      /* it holds the secret */

    ngx_paygw_generic_clock_t       time;
    time_t                          back;
    time_t                          forward;

    ngx_paygw_expr_t               *each;       /* json() of the array */

    ngx_paygw_expr_t               *fields[NGX_PAYGW_GENERIC_FIELDS];
    ngx_paygw_generic_amount_t      amount;
    ngx_paygw_generic_amount_t      refund_amount;
    ngx_uint_t                      one_amount; /* both are the same */
    ngx_paygw_generic_clock_t       event_time;
    ngx_array_t                    *map;        /* of
                                                   ngx_paygw_generic_map_t */
    ngx_array_t                    *ignore;     /* of ngx_str_t */
    ngx_array_t                    *require;    /* of
                                                   ngx_paygw_generic_require_t
                                                 */
    ngx_uint_t                      confirm;    /* ask before acting */
    ngx_uint_t                      body_signed;

    ngx_array_t                    *types;      /* of ngx_str_t */
    ngx_paygw_ack_t                 acks[NGX_PAYGW_GENERIC_ACKS];
                                                /* status 0: as it is */
    ngx_uint_t                      acked;      /* bit i: acks[i] is given */

    struct ngx_paygw_generic_call_s  *call;     /* of calls; NULL: none */
} ngx_paygw_generic_conf_t;


/* one callback: n->data */
typedef struct {
    ngx_paygw_expr_ctx_t            expr;
    time_t                          time;       /* 0: none */
} ngx_paygw_generic_ctx_t;


/* ngx_paygw_generic_conf.c */

extern const ngx_paygw_param_t  ngx_paygw_generic_params[];

/* the names of the fields, in the order of their numbers */
extern const char              *ngx_paygw_generic_names[];

ngx_int_t ngx_paygw_generic_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch);

/* the name of the parameter that is read: of one "answer_...", what follows */
ngx_str_t ngx_paygw_generic_name(ngx_conf_t *cf);

/* an expression that may stand once, of the parameter name */
char *ngx_paygw_generic_expr(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *text, ngx_paygw_expr_t **e);

/* a value that a word of a parameter cannot have: logs, NGX_CONF_ERROR */
char *ngx_paygw_generic_invalid(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *value, const char *fix);


/* ngx_paygw_generic_set.c, ngx_paygw_generic_keys.c: setters */

char *ngx_paygw_generic_algorithm(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_public_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_certificate(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_decrypt_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_signature(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_time(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_amount(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_refund_amount(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_event_time(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_map(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_ignore(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_require(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_confirm(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_content_type(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_ack(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);


/* SOURCE [text|hex|base64|base64url] [after=PREFIX] [id=ID], id unless NULL */
char *ngx_paygw_generic_secret(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *args, ngx_uint_t nargs, ngx_str_t *secret,
    ngx_str_t *id);

/* one more element of a list of ngx_paygw_generic_require_t, and its values */
ngx_paygw_generic_require_t *ngx_paygw_generic_require_new(ngx_conf_t *cf,
    ngx_array_t **list);
char *ngx_paygw_generic_values(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_require_t *req, ngx_str_t *args, ngx_uint_t nargs);


/* ngx_paygw_generic_call.c: setters of what is about calls */

char *ngx_paygw_generic_call_answer(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_answers(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_algorithm(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_private_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_signed(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_set(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_root(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_pass(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_type(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_require(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_words(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_about(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_idempotency(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_operation(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
char *ngx_paygw_generic_call_kind(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);


/* ngx_paygw_generic_check.c: see ngx_paygw_provider_s */

char *ngx_paygw_generic_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch);

/* of it, what is about a signature and its keys: NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_generic_check_proof(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);

/* no text is read in two ways: NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_generic_check_docs(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_expr_env_t *env);

/* logs that a channel is or has what the text says; returns NGX_ERROR */
ngx_int_t ngx_paygw_generic_error(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *text);


/*
 * ngx_paygw_generic_cover.c: takes the string to sign apart, and finds whether
 * what is made of a message is signed.  Both log their own messages.
 */

ngx_int_t ngx_paygw_generic_pieces(ngx_conf_t *cf, ngx_paygw_channel_t *ch);
ngx_int_t ngx_paygw_generic_cover(ngx_conf_t *cf, ngx_paygw_channel_t *ch);

/* 1 if a part of the string to sign says what cannot be changed in the body */
ngx_uint_t ngx_paygw_generic_proves(ngx_paygw_generic_conf_t *conf,
    ngx_paygw_expr_t *unit);

/* 1 if a value comes from the body, and not from the head of the message */
ngx_uint_t ngx_paygw_generic_in_body(ngx_paygw_generic_conf_t *conf,
    ngx_paygw_expr_t *e);

/* 1 if an expression has one value under one signature */
ngx_uint_t ngx_paygw_generic_covered(ngx_paygw_generic_conf_t *conf,
    ngx_paygw_expr_t *e);


/* ngx_paygw_generic_verify.c, ngx_paygw_generic_event.c */

/*
 * Whether one of the signatures is that of a key over the parts: NGX_OK,
 * NGX_DECLINED or NGX_ERROR.
 */
ngx_int_t ngx_paygw_generic_match(ngx_paygw_generic_conf_t *conf,
    ngx_paygw_generic_key_t *key, ngx_str_t *parts, ngx_uint_t nparts,
    ngx_str_t *sigs, ngx_uint_t nsigs, ngx_log_t *log);

ngx_int_t ngx_paygw_generic_verify(ngx_paygw_notify_t *n);

/* of it, one message or item: time, then signature; and the account */
ngx_int_t ngx_paygw_generic_one(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf);
ngx_int_t ngx_paygw_generic_account(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf);

/* a time: NGX_OK, NGX_DECLINED if it is absent, else refused */
ngx_int_t ngx_paygw_generic_when(ngx_paygw_notify_t *n,
    ngx_paygw_generic_clock_t *clock, char *hint, time_t *t);

ngx_int_t ngx_paygw_generic_event(ngx_paygw_notify_t *n);

/* sets event.data: what of the message is signed; ngx_paygw_generic_data.c */
ngx_int_t ngx_paygw_generic_data(ngx_paygw_notify_t *n);


#endif /* _NGX_PAYGW_GENERIC_H_INCLUDED_ */
