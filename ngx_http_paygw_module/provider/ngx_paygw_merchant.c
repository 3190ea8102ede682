
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_mac.h"
#include "ngx_paygw_merchant.h"


#define NGX_PAYGW_MERCHANT_WINDOW  (300 * 1000)
#define NGX_PAYGW_MERCHANT_MARGIN  (60 * 1000)


static ngx_paygw_caller_t *ngx_paygw_caller_add(ngx_conf_t *cf,
    ngx_paygw_merchant_t *m, ngx_str_t *id, ngx_paygw_caller_kind_e kind);
static ngx_int_t ngx_paygw_caller_id(ngx_conf_t *cf, ngx_paygw_merchant_t *m,
    ngx_str_t *id);
static ngx_int_t ngx_paygw_caller_secret(ngx_conf_t *cf,
    ngx_paygw_caller_t *caller, ngx_str_t *secret);
static ngx_int_t ngx_paygw_caller_try(ngx_conf_t *cf,
    ngx_paygw_caller_t *caller, ngx_str_t *secret);
static ngx_int_t ngx_paygw_caller_unshared(ngx_conf_t *cf,
    ngx_paygw_caller_t *caller);


ngx_int_t
ngx_paygw_callers_init(ngx_conf_t *cf, ngx_paygw_callers_t *callers)
{
    ngx_str_t  dummy;

    if (ngx_array_init(&callers->merchants, cf->pool, 4,
                       sizeof(ngx_paygw_merchant_t *))
        != NGX_OK
        || ngx_array_init(&callers->keys, cf->pool, 4,
                          sizeof(ngx_paygw_caller_t *))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_rbtree_init(&callers->tree, &callers->sentinel,
                    ngx_str_rbtree_insert_value);

    callers->nsecrets = 1;

    if (ngx_paygw_random(callers->dummy, sizeof(callers->dummy)) != NGX_OK) {
        return NGX_ERROR;
    }

    dummy.data = callers->dummy;
    dummy.len = sizeof(callers->dummy);

    return ngx_paygw_hmac_key(&callers->hmac, &dummy);
}


ngx_paygw_merchant_t *
ngx_paygw_merchant_add(ngx_conf_t *cf, ngx_paygw_callers_t *callers,
    ngx_str_t *name)
{
    ngx_paygw_merchant_t  *m, **mp;

    m = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_merchant_t));
    if (m == NULL) {
        return NULL;
    }

    m->name = *name;
    m->index = callers->merchants.nelts;
    m->callers = callers;
    m->window = NGX_CONF_UNSET_MSEC;
    m->nonce_ttl = NGX_CONF_UNSET_MSEC;

    mp = ngx_array_push(&callers->merchants);
    if (mp == NULL) {
        return NULL;
    }

    *mp = m;

    return m;
}


ngx_paygw_merchant_t *
ngx_paygw_merchant_find(ngx_paygw_callers_t *callers, ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_paygw_merchant_t  **m;

    m = callers->merchants.elts;

    for (i = 0; i < callers->merchants.nelts; i++) {
        if (m[i]->name.len == name->len
            && ngx_strncmp(m[i]->name.data, name->data, name->len) == 0)
        {
            return m[i];
        }
    }

    return NULL;
}


ngx_paygw_caller_t *
ngx_paygw_caller_find(ngx_paygw_callers_t *callers, ngx_str_t *id)
{
    return (ngx_paygw_caller_t *)
               ngx_str_rbtree_lookup(&callers->tree, id,
                                     ngx_crc32_long(id->data, id->len));
}


ngx_int_t
ngx_paygw_merchant_key(ngx_conf_t *cf, ngx_paygw_merchant_t *m,
    ngx_str_t *args, ngx_uint_t nargs)
{
    u_char                   what[sizeof("\"key\" \"\" of merchant \"\"")
                                  + 2 * NGX_PAYGW_CALLER_ID_MAX];
    ngx_str_t                secret;
    ngx_paygw_caller_t      *caller;
    ngx_paygw_caller_kind_e  kind;

    kind = NGX_PAYGW_CALLER_HMAC;

    if (nargs == 3) {

        if (ngx_strcmp(args[2].data, "md5") != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" of \"key\" \"%V\" of "
                               "merchant \"%V\", it must be \"md5\"",
                               &args[2], &args[0], &m->name);
            return NGX_ERROR;
        }

        kind = NGX_PAYGW_CALLER_MD5;
    }

    if (ngx_paygw_caller_id(cf, m, &args[0]) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_sprintf(what, "\"key\" \"%V\" of merchant \"%V\"%Z",
                &args[0], &m->name);

    if (ngx_paygw_secret(cf, &args[1], (const char *) what, &secret)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (secret.len < NGX_PAYGW_CALLER_SECRET_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s has %uz bytes, at least %d are needed, make it "
                           "with \"openssl rand -hex 32\"",
                           what, secret.len, NGX_PAYGW_CALLER_SECRET_MIN);
        return NGX_ERROR;
    }

    caller = ngx_paygw_caller_add(cf, m, &args[0], kind);
    if (caller == NULL) {
        return NGX_ERROR;
    }

    return ngx_paygw_caller_secret(cf, caller, &secret);
}


ngx_int_t
ngx_paygw_merchant_public_key(ngx_conf_t *cf, ngx_paygw_merchant_t *m,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_caller_t  *caller;

    if (ngx_paygw_caller_id(cf, m, &args[0]) != NGX_OK) {
        return NGX_ERROR;
    }

    caller = ngx_paygw_caller_add(cf, m, &args[0], NGX_PAYGW_CALLER_PUBLIC);
    if (caller == NULL
        || ngx_paygw_key_public(cf, &args[1], &caller->key) != NGX_OK)
    {
        return NGX_ERROR;
    }

    caller->scheme = ngx_paygw_scheme_of(&caller->key, &caller->sig_len);

    if (caller->scheme == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"public_key\" \"%V\" of merchant \"%V\" is of no "
                           "accepted kind, it must be of RSA, on the curve "
                           "P-256, or of Ed25519", &args[0], &m->name);
        return NGX_ERROR;
    }

    if (nargs == 3 && ngx_paygw_scheme_find(&args[2]) != caller->scheme) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"public_key\" \"%V\" of merchant \"%V\" is not "
                           "one for \"%V\", leave that out",
                           &args[0], &m->name, &args[2]);
        return NGX_ERROR;
    }

    if (ngx_paygw_verify_probe(caller->scheme, &caller->key, cf->log)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"public_key\" \"%V\" of merchant \"%V\" cannot "
                           "verify a signature", &args[0], &m->name);
        return NGX_ERROR;
    }

    return ngx_paygw_caller_unshared(cf, caller);
}


/* a new key id, or one more secret of a known one */

static ngx_paygw_caller_t *
ngx_paygw_caller_add(ngx_conf_t *cf, ngx_paygw_merchant_t *m, ngx_str_t *id,
    ngx_paygw_caller_kind_e kind)
{
    ngx_paygw_caller_t  *caller, **cp;

    caller = ngx_paygw_caller_find(m->callers, id);

    if (caller) {

        if (caller->merchant != m) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "key id \"%V\" of merchant \"%V\" is already "
                               "that of merchant \"%V\", nothing else in a "
                               "call tells whose it is, use another id",
                               id, &m->name, &caller->merchant->name);
            return NULL;
        }

        if (kind == NGX_PAYGW_CALLER_PUBLIC || caller->kind != kind
            || caller->nsecrets == NGX_PAYGW_CALLER_SECRETS)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate key id \"%V\" of merchant \"%V\", "
                               "it may have at most %d secrets, all of one "
                               "kind", id, &m->name, NGX_PAYGW_CALLER_SECRETS);
            return NULL;
        }

        return caller;
    }

    caller = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_caller_t));
    if (caller == NULL) {
        return NULL;
    }

    caller->sn.str = *id;
    caller->sn.node.key = ngx_crc32_long(id->data, id->len);
    caller->merchant = m;
    caller->kind = kind;

    cp = ngx_array_push(&m->callers->keys);
    if (cp == NULL) {
        return NULL;
    }

    *cp = caller;

    ngx_rbtree_insert(&m->callers->tree, &caller->sn.node);

    m->nkeys++;
    m->nmd5 += (kind == NGX_PAYGW_CALLER_MD5);
    m->npublic += (kind == NGX_PAYGW_CALLER_PUBLIC);

    return caller;
}


static ngx_int_t
ngx_paygw_caller_id(ngx_conf_t *cf, ngx_paygw_merchant_t *m, ngx_str_t *id)
{
    u_char      c;
    ngx_uint_t  i;

    for (i = 0; i < id->len; i++) {
        c = id->data[i];

        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
            && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.')
        {
            break;
        }
    }

    if (id->len == 0 || id->len > NGX_PAYGW_CALLER_ID_MAX || i < id->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid key id \"%V\" of merchant \"%V\", it must "
                           "be 1 to %d letters, digits, \"-\", \"_\" and "
                           "\".\"", id, &m->name, NGX_PAYGW_CALLER_ID_MAX);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_caller_secret(ngx_conf_t *cf, ngx_paygw_caller_t *caller,
    ngx_str_t *secret)
{
    ngx_uint_t  i;

    i = caller->nsecrets++;

    caller->secrets[i] = *secret;

    if (ngx_paygw_hmac_key(&caller->hmacs[i], secret) != NGX_OK
        || ngx_paygw_caller_try(cf, caller, secret) != NGX_OK)
    {
        return NGX_ERROR;
    }

    caller->merchant->callers->nsecrets = ngx_max(caller->nsecrets,
                                        caller->merchant->callers->nsecrets);

    return ngx_paygw_caller_unshared(cf, caller);
}


/* an OpenSSL that does not sign with it is to be found now */

static ngx_int_t
ngx_paygw_caller_try(ngx_conf_t *cf, ngx_paygw_caller_t *caller,
    ngx_str_t *secret)
{
    size_t  len;
    u_char  out[NGX_PAYGW_HASH_MAX];

    if (caller->kind == NGX_PAYGW_CALLER_MD5) {
        return ngx_paygw_hash(&ngx_paygw_hash_md5, secret, 1, out, &len,
                              cf->log);
    }

    return ngx_paygw_hmac(&ngx_paygw_hash_sha256, secret, secret, 1, out, &len,
                          cf->log);
}


/* with one key for two ids, the caller of one could sign as the other */

static ngx_int_t
ngx_paygw_caller_unshared(ngx_conf_t *cf, ngx_paygw_caller_t *caller)
{
    ngx_str_t            *last;
    ngx_uint_t            i, k, same;
    ngx_paygw_caller_t  **other;

    other = caller->merchant->callers->keys.elts;
    last = caller->nsecrets ? &caller->secrets[caller->nsecrets - 1] : NULL;

    for (i = 0; i < caller->merchant->callers->keys.nelts; i++) {

        same = (last == NULL && other[i] != caller && other[i]->key.pkey
                && ngx_paygw_key_equal(&other[i]->key, &caller->key));

        for (k = 0; last && k < other[i]->nsecrets; k++) {
            if (&other[i]->secrets[k] != last) {
                same |= ngx_paygw_equal(&other[i]->secrets[k], last);
            }
        }

        if (same) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "key \"%V\" of merchant \"%V\" is the same as "
                               "key \"%V\" of merchant \"%V\", give each one "
                               "of its own", &caller->sn.str,
                               &caller->merchant->name, &other[i]->sn.str,
                               &other[i]->merchant->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_merchant_check(ngx_conf_t *cf, ngx_paygw_merchant_t *m)
{
    if (m->nkeys == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"key\" or \"public_key\" is defined for "
                           "merchant \"%V\"", &m->name);
        return NGX_ERROR;
    }

    ngx_conf_init_msec_value(m->window, NGX_PAYGW_MERCHANT_WINDOW);
    ngx_conf_init_msec_value(m->nonce_ttl, 2 * m->window
                                           + NGX_PAYGW_MERCHANT_MARGIN);

    if (m->nonce_ttl < 2 * m->window) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"nonce_ttl\" %Ms of merchant \"%V\" is less than "
                           "twice \"window\" %Ms: a call could be replayed "
                           "while its time is still accepted, leave "
                           "\"nonce_ttl\" out",
                           m->nonce_ttl / 1000, &m->name, m->window / 1000);
        return NGX_ERROR;
    }

    return NGX_OK;
}
