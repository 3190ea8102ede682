
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_EXPR_H_INCLUDED_
#define _NGX_PAYGW_EXPR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"
#include "ngx_paygw_encoding.h"
#include "ngx_paygw_form.h"
#include "ngx_paygw_json.h"


/*
 * Expressions: how a configured provider says where in a message a value
 * stands and what a string to sign is made of.  docs/generic.md describes the
 * language.  An expression is compiled while the configuration is read into a
 * small constant tree; a message is evaluated against it in its own pool and
 * within a limit.  There are no loops, no assignments and no way to choose
 * anything by what a message says.
 */


#define NGX_PAYGW_EXPR_MAX_NODES  128    /* of one expression */
#define NGX_PAYGW_EXPR_MAX_DEPTH  16
#define NGX_PAYGW_EXPR_MAX_ARGS   32
#define NGX_PAYGW_EXPR_MAX_DOCS   8      /* of one channel */

/* bytes that one message may make: a constant, and so many times its body */
#define NGX_PAYGW_EXPR_ROOM       (1024 * 1024)
#define NGX_PAYGW_EXPR_ROOM_BODY  64


typedef struct ngx_paygw_expr_s      ngx_paygw_expr_t;
typedef struct ngx_paygw_expr_ctx_s  ngx_paygw_expr_ctx_t;


/*
 * How a value is made.  Returns NGX_OK; NGX_DECLINED if the message does not
 * have it; NGX_ABORT or NGX_ERROR, as a provider's functions do.
 */
typedef ngx_int_t (*ngx_paygw_expr_pt)(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);


/* flags of an operation */

/* who knows the value knows the arguments, and no two give the same value */
#define NGX_PAYGW_EXPR_FAITHFUL   0x01
/* the same for every message */
#define NGX_PAYGW_EXPR_CONSTANT   0x02
/* the value may be absent: a header field in it need not be there */
#define NGX_PAYGW_EXPR_OPTIONAL   0x04
/* of a request that is made here alone, or of the answer to one */
#define NGX_PAYGW_EXPR_REQUEST    0x08
#define NGX_PAYGW_EXPR_ANSWER     0x10


typedef struct {
    ngx_str_t                    name;
    const char                  *args;     /* "e" expression, "w" word or
                                              string, "+" again and again */
    ngx_uint_t                   min;      /* number of arguments */
    ngx_uint_t                   flags;
    ngx_paygw_expr_pt            eval;
    const void                  *data;
} ngx_paygw_expr_op_t;


struct ngx_paygw_expr_s {
    const ngx_paygw_expr_op_t   *op;
    ngx_uint_t                   nargs;
    ngx_paygw_expr_t           **args;
    ngx_uint_t                   nwords;
    ngx_str_t                   *words;
    ngx_uint_t                   index;    /* of a header or a document */
    void                        *data;     /* what the operation compiled */
};


typedef enum {
    NGX_PAYGW_EXPR_JSON = 0,
    NGX_PAYGW_EXPR_FORM,
    NGX_PAYGW_EXPR_XML,
    NGX_PAYGW_EXPR_ITEM                    /* of the array of "each" */
} ngx_paygw_expr_doc_e;


/* a text that is read as a document; read once for a message */
typedef struct {
    ngx_paygw_expr_doc_e         kind;
    ngx_paygw_expr_t            *text;     /* NULL: the item */
} ngx_paygw_expr_doc_t;


/* what kind of message the expressions are about */
typedef enum {
    NGX_PAYGW_EXPR_CALLBACK = 0,
    NGX_PAYGW_EXPR_OF_REQUEST,
    NGX_PAYGW_EXPR_OF_ANSWER
} ngx_paygw_expr_side_e;


typedef struct ngx_paygw_expr_env_s  ngx_paygw_expr_env_t;

/* what the expressions of one side of a channel have in common */
struct ngx_paygw_expr_env_s {
    ngx_str_t                   *channel;
    ngx_paygw_expr_side_e        side;
    ngx_paygw_expr_env_t        *sent;     /* of an answer: the request's */
    ngx_str_t                    headers[NGX_PAYGW_MAX_HEADERS + 1];
    ngx_uint_t                   nheaders;
    ngx_uint_t                   required; /* bit i: header i must be there */
    ngx_paygw_expr_doc_t         docs[NGX_PAYGW_EXPR_MAX_DOCS];
    ngx_uint_t                   ndocs;
    ngx_str_t                    url;
    ngx_str_t                    xml_root;
    ngx_paygw_expr_t            *decrypt;  /* text of plain() */
    ngx_str_t                    decrypt_key;
};


/* what a request has that is made here: the same for all of it */
#define NGX_PAYGW_EXPR_NONCE_MAX  64

typedef struct {
    time_t                       sec;
    ngx_uint_t                   msec;
    u_char                       nonce[NGX_PAYGW_EXPR_NONCE_MAX];
    ngx_str_t                    signature;  /* its bytes */
} ngx_paygw_expr_made_t;


/* one message */
struct ngx_paygw_expr_ctx_s {
    ngx_paygw_notify_t          *notify;
    ngx_paygw_expr_env_t        *env;
    ngx_str_t                    secret;   /* of the key that is tried */
    ngx_paygw_json_t            *item;
    ngx_uint_t                   skip;     /* entries of a list to pass over */
    ngx_uint_t                   found;    /* there was one more entry */
    size_t                       room;     /* bytes that may still be made */
    ngx_paygw_expr_made_t       *made;     /* of a request */
    ngx_paygw_expr_ctx_t        *sent;     /* of an answer: its request */
    ngx_uint_t                   status;   /* of an answer */

    struct {
        ngx_uint_t               ready;
        ngx_str_t                text;
        ngx_paygw_json_t        *root;
        ngx_paygw_form_t         form;
    } docs[NGX_PAYGW_EXPR_MAX_DOCS];
};


/* a JSON pointer (RFC 6901), compiled */
typedef struct {
    ngx_uint_t                   n;
    ngx_str_t                   *tokens;   /* ended by a NUL each */
} ngx_paygw_expr_pointer_t;


/* options of sorted_params() */
typedef struct {
    ngx_str_t                   *without;
    ngx_uint_t                   nwithout;
    ngx_str_t                    sep;
    ngx_str_t                    pair;
    unsigned                     drop_empty:1;
    unsigned                     values:1;
    unsigned                     nocase:1;
} ngx_paygw_expr_sorted_t;


extern const ngx_paygw_expr_op_t   ngx_paygw_expr_ops[];

/* a string of the configuration, and what other files must know by name */
extern const ngx_paygw_expr_op_t   ngx_paygw_expr_const;
extern const ngx_paygw_expr_op_t  *ngx_paygw_expr_op(const char *name);

/* 1 if an expression is of an operation named by a C string */
ngx_uint_t ngx_paygw_expr_is(ngx_paygw_expr_t *e, const char *name);


/*
 * Compiles a text into cf->pool.  name is the parameter in which it stands.
 * Returns NGX_OK or NGX_ERROR (logged).
 */
ngx_int_t ngx_paygw_expr_compile(ngx_conf_t *cf, ngx_paygw_expr_env_t *env,
    const char *name, ngx_str_t *text, ngx_paygw_expr_t **e);

/*
 * What now(), nonce() and signature() are asked for: e->index is set, NULL, or
 * a phrase that says what is wrong
 */
char *ngx_paygw_expr_bind_made(ngx_paygw_expr_t *e);

/* a string as an expression; NULL if memory is short */
ngx_paygw_expr_t *ngx_paygw_expr_string(ngx_conf_t *cf, ngx_str_t *text);

/* compiles a pointer; returns NULL, or a phrase that says what is wrong */
char *ngx_paygw_expr_pointer(ngx_conf_t *cf, ngx_str_t *text,
    ngx_paygw_expr_pointer_t **pointer);

/* a document of the channel, a new one if it has none such; NGX_ERROR: full */
ngx_int_t ngx_paygw_expr_doc(ngx_paygw_expr_env_t *env,
    ngx_paygw_expr_doc_e kind, ngx_paygw_expr_t *text, ngx_uint_t *index);

/* 1 if two expressions are the same, whatever the message */
ngx_uint_t ngx_paygw_expr_same(ngx_paygw_expr_t *a, ngx_paygw_expr_t *b);

/* 1 if an operation of that name is anywhere in it */
ngx_uint_t ngx_paygw_expr_uses(ngx_paygw_expr_t *e, const char *name);

/* 1 if it takes all entries of a list in turn */
ngx_uint_t ngx_paygw_expr_list(ngx_paygw_expr_t *e);


#define ngx_paygw_expr_eval(ctx, e, value)                                    \
    (e)->op->eval(ctx, e, value)

/* room for a value of len bytes: NGX_OK, NGX_ABORT or NGX_ERROR */
ngx_int_t ngx_paygw_expr_room(ngx_paygw_expr_ctx_t *ctx, size_t len,
    ngx_str_t *value);

/* a document, read: NGX_OK, NGX_ABORT or NGX_ERROR */
ngx_int_t ngx_paygw_expr_read(ngx_paygw_expr_ctx_t *ctx, ngx_uint_t index);

/* the node that a pointer points to, NULL if there is none */
ngx_paygw_json_t *ngx_paygw_expr_follow(ngx_paygw_json_t *root,
    ngx_paygw_expr_pointer_t *pointer);

/* the fields that a sorted_params() takes, in no order: a copy */
ngx_int_t ngx_paygw_expr_fields(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_paygw_field_t **fields, ngx_uint_t *n);

/* parts joined by sep */
ngx_int_t ngx_paygw_expr_joined(ngx_paygw_expr_ctx_t *ctx, ngx_str_t *parts,
    ngx_uint_t n, ngx_str_t *sep, ngx_str_t *value);


/* operations with a file of their own */

ngx_int_t ngx_paygw_expr_body(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_method(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_target(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_path(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_query(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_url(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_secret(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_header(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_param(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_json(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_field(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_digest(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_crc32(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_gcm(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_now(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_nonce(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_made(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_sent(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_status(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_sorted(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);
ngx_int_t ngx_paygw_expr_sorted_params(ngx_paygw_expr_ctx_t *ctx,
    ngx_paygw_expr_t *e, ngx_str_t *value);


#endif /* _NGX_PAYGW_EXPR_H_INCLUDED_ */
