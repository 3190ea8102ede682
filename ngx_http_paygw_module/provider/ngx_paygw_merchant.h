
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_MERCHANT_H_INCLUDED_
#define _NGX_PAYGW_MERCHANT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_key.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_sign.h"


/*
 * Merchants: callers of ours that sign their requests, and their keys.  All of
 * it lives in cf->pool and is constant once the configuration is read.
 */


#define NGX_PAYGW_CALLER_ID_MAX      64
#define NGX_PAYGW_CALLER_SECRETS     2     /* of one key id, while it changes */
#define NGX_PAYGW_CALLER_SECRET_MIN  32


typedef struct ngx_paygw_merchant_s  ngx_paygw_merchant_t;
typedef struct ngx_paygw_callers_s   ngx_paygw_callers_t;


/* what a key makes signatures by; a signature shows which one it is of */
typedef enum {
    NGX_PAYGW_CALLER_HMAC = 0,       /* HMAC-SHA256 */
    NGX_PAYGW_CALLER_MD5,            /* of the text and the secret: params */
    NGX_PAYGW_CALLER_PUBLIC          /* RSA, ECDSA P-256, Ed25519 */
} ngx_paygw_caller_kind_e;


/* one key id; they are unique over all merchants */
typedef struct {
    ngx_str_node_t               sn;           /* str is the id */
    ngx_paygw_merchant_t        *merchant;
    ngx_paygw_caller_kind_e      kind;

    ngx_str_t                    secrets[NGX_PAYGW_CALLER_SECRETS];
    ngx_paygw_hmac_key_t         hmacs[NGX_PAYGW_CALLER_SECRETS];
    ngx_uint_t                   nsecrets;

    ngx_paygw_key_t              key;          /* of a public one */
    const ngx_paygw_scheme_t    *scheme;
    size_t                       sig_len;      /* of its longest signature */
} ngx_paygw_caller_t;


struct ngx_paygw_merchant_s {
    ngx_str_t                    name;
    ngx_uint_t                   index;        /* from 0 */
    ngx_paygw_callers_t         *callers;
    ngx_msec_t                   window;       /* clock window, both ways */
    ngx_msec_t                   nonce_ttl;    /* at least twice that */
    ngx_uint_t                   nkeys;        /* HMAC, MD5 and public */
    ngx_uint_t                   nmd5;
    ngx_uint_t                   npublic;
};


/* all of them */
struct ngx_paygw_callers_s {
    ngx_array_t                  merchants;    /* ngx_paygw_merchant_t * */
    ngx_array_t                  keys;         /* ngx_paygw_caller_t * */
    ngx_rbtree_t                 tree;         /* the same by id */
    ngx_rbtree_node_t            sentinel;
    ngx_uint_t                   nsecrets;     /* the most of one key id */
    u_char                       dummy[NGX_PAYGW_CALLER_SECRET_MIN];
                                               /* a secret that nobody has */
    ngx_paygw_hmac_key_t         hmac;         /* of that */
};


/* NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_callers_init(ngx_conf_t *cf, ngx_paygw_callers_t *callers);

/* a new merchant, or NULL if memory is short; the name is checked before */
ngx_paygw_merchant_t *ngx_paygw_merchant_add(ngx_conf_t *cf,
    ngx_paygw_callers_t *callers, ngx_str_t *name);

/* NULL if there is none of this name */
ngx_paygw_merchant_t *ngx_paygw_merchant_find(ngx_paygw_callers_t *callers,
    ngx_str_t *name);

/*
 * The parameters of the block: args[0] is the first value.  They log their own
 * messages and return NGX_OK or NGX_ERROR.
 *
 *   key         ID SOURCE [md5]
 *   public_key  ID FILE [rsa_sha256 | ecdsa_p256 | ed25519]
 */
ngx_int_t ngx_paygw_merchant_key(ngx_conf_t *cf, ngx_paygw_merchant_t *m,
    ngx_str_t *args, ngx_uint_t nargs);
ngx_int_t ngx_paygw_merchant_public_key(ngx_conf_t *cf,
    ngx_paygw_merchant_t *m, ngx_str_t *args, ngx_uint_t nargs);

/* after the last of them: defaults, and what does not fit together */
ngx_int_t ngx_paygw_merchant_check(ngx_conf_t *cf, ngx_paygw_merchant_t *m);

/* the key of an id, or NULL */
ngx_paygw_caller_t *ngx_paygw_caller_find(ngx_paygw_callers_t *callers,
    ngx_str_t *id);


#endif /* _NGX_PAYGW_MERCHANT_H_INCLUDED_ */
