
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_text.h"


static char *ngx_paygw_unionpay_merid(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_unionpay_term_id(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_unionpay_method(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_unionpay_root(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_unionpay_middle(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_unionpay_cert_name(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_unionpay_secret_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_unionpay_private_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_unionpay_certificate(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static ngx_paygw_chain_t *ngx_paygw_unionpay_chain(ngx_conf_t *cf,
    ngx_paygw_unionpay_conf_t *conf);
static ngx_uint_t ngx_paygw_unionpay_named(void *data, ngx_str_t *cn);
static ngx_int_t ngx_paygw_unionpay_check_method(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_unionpay_conf_t *conf);
static ngx_int_t ngx_paygw_unionpay_check_own(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_unionpay_conf_t *conf);
static ngx_int_t ngx_paygw_unionpay_check_unused(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_unionpay_conf_t *conf,
    ngx_uint_t present, const char *name);
static ngx_int_t ngx_paygw_unionpay_check_hash(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_unionpay_conf_t *conf);
static ngx_int_t ngx_paygw_unionpay_certs(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_unionpay_conf_t *conf);


/* the first one is the default */

static const ngx_paygw_unionpay_method_t  ngx_paygw_unionpay_methods[] = {
    { ngx_string("01"), NULL },
    { ngx_string("11"), &ngx_paygw_hash_sha256 },
    { ngx_string("12"), &ngx_paygw_hash_sm3 },
    { ngx_null_string, NULL }
};


/* the third part of the common name of UnionPay's certificates, in UTF-8 */

static ngx_str_t  ngx_paygw_unionpay_self = ngx_string(
    "\xe4\xb8\xad\xe5\x9b\xbd\xe9\x93\xb6\xe8\x81\x94"
    "\xe8\x82\xa1\xe4\xbb\xbd\xe6\x9c\x89\xe9\x99\x90"
    "\xe5\x85\xac\xe5\x8f\xb8");


const ngx_paygw_param_t  ngx_paygw_unionpay_params[] = {

    { ngx_string("merId"), 1, 1, 0,
      ngx_paygw_unionpay_merid },

    { ngx_string("termId"), 1, 1, 0,
      ngx_paygw_unionpay_term_id },

    { ngx_string("signMethod"), 1, 1, 0,
      ngx_paygw_unionpay_method },

    { ngx_string("root_cert"), 1, 1, 1,
      ngx_paygw_unionpay_root },

    { ngx_string("middle_cert"), 1, 1, 1,
      ngx_paygw_unionpay_middle },

    { ngx_string("cert_name"), 1, 8, 1,
      ngx_paygw_unionpay_cert_name },

    { ngx_string("secure_key"), 1, 1, 1,
      ngx_paygw_unionpay_secret_key },

    { ngx_string("merchant_private_key"), 1, 1, 0,
      ngx_paygw_unionpay_private_key },

    { ngx_string("merchant_certificate"), 1, 1, 0,
      ngx_paygw_unionpay_certificate },

    { ngx_string("encrypt_cert"), 1, 1, 0,
      ngx_paygw_unionpay_encrypt_cert },

    { ngx_string("encrypt_fields"), 1, 16, 1,
      ngx_paygw_unionpay_encrypt_fields },

    { ngx_string("decrypt_fields"), 1, 16, 1,
      ngx_paygw_unionpay_decrypt_fields },

    { ngx_null_string, 0, 0, 0, NULL }
};


ngx_int_t
ngx_paygw_unionpay_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_unionpay_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_unionpay_conf_t));
    if (conf == NULL) {
        return NGX_ERROR;
    }

    conf->method = &ngx_paygw_unionpay_methods[0];

    ch->conf = conf;

    return NGX_OK;
}


static char *
ngx_paygw_unionpay_merid(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_value(&conf->merid, &args[0]);
}


static char *
ngx_paygw_unionpay_term_id(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    if (!ngx_paygw_unionpay_terminal(&args[0])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"termId\" of channel \"%V\": \"%V\", it "
                           "must be 8 letters and digits",
                           &ch->name, &args[0]);
        return NGX_CONF_ERROR;
    }

    conf->term_id = args[0];

    return NGX_CONF_OK;
}


static char *
ngx_paygw_unionpay_method(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    const ngx_paygw_unionpay_method_t  *method;

    for (method = ngx_paygw_unionpay_methods; method->name.len; method++) {

        if (method->name.len == args[0].len
            && ngx_strncmp(method->name.data, args[0].data, args[0].len) == 0)
        {
            conf->method = method;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"signMethod\" of channel \"%V\": \"%V\", it "
                       "must be \"01\" (certificate), \"11\" (SHA-256 with "
                       "\"secure_key\") or \"12\" (SM3 with \"secure_key\")",
                       &ch->name, &args[0]);

    return NGX_CONF_ERROR;
}


static char *
ngx_paygw_unionpay_root(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    conf->root = 1;

    if (ngx_paygw_unionpay_chain(cf, conf) == NULL
        || ngx_paygw_chain_root(cf, conf->chain, &args[0]) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_paygw_unionpay_middle(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    conf->middle = 1;

    if (ngx_paygw_unionpay_chain(cf, conf) == NULL
        || ngx_paygw_chain_middle(cf, conf->chain, &args[0]) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_paygw_unionpay_cert_name(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    ngx_uint_t  i;

    for (i = 0; i < nargs; i++) {
        if (ngx_strlchr(args[i].data, args[i].data + args[i].len, '@')) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"cert_name\" of channel \"%V\": "
                               "\"%V\", it must be the part of the common "
                               "name between its second and third \"@\"",
                               &ch->name, &args[i]);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_paygw_channel_list(cf, ch, &conf->names, args, nargs);
}


static char *
ngx_paygw_unionpay_secret_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    ngx_str_t  *secret;

    if (conf->secrets == NULL) {
        conf->secrets = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
        if (conf->secrets == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    secret = ngx_array_push(conf->secrets);
    if (secret == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_secret(cf, &args[0], "secure_key", secret) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_paygw_unionpay_private_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_own_key(cf, &conf->private_key, &args[0],
                                     ngx_paygw_key_private);
}


static char *
ngx_paygw_unionpay_certificate(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_own_key(cf, &conf->certificate, &args[0],
                                     ngx_paygw_key_cert);
}


static ngx_paygw_chain_t *
ngx_paygw_unionpay_chain(ngx_conf_t *cf, ngx_paygw_unionpay_conf_t *conf)
{
    if (conf->chain == NULL) {
        conf->chain = ngx_paygw_chain_create(cf, ngx_paygw_unionpay_named,
                                             conf);
    }

    return conf->chain;
}


/*
 * "041@8310000000083040@NAME@00016495": the third part is the name, all of it;
 * a merchant may have one that merely contains it.
 */

static ngx_uint_t
ngx_paygw_unionpay_named(void *data, ngx_str_t *cn)
{
    ngx_paygw_unionpay_conf_t *conf = data;

    u_char      *p, *last;
    ngx_str_t    name;
    ngx_uint_t   i;

    p = cn->data;
    last = cn->data + cn->len;

    for (i = 0; i < 2; i++) {

        p = ngx_strlchr(p, last, '@');
        if (p == NULL) {
            return 0;
        }

        p++;
    }

    name.data = p;

    p = ngx_strlchr(p, last, '@');

    name.len = (p ? p : last) - name.data;

    if (conf->names) {
        return ngx_paygw_channel_has(conf->names, &name);
    }

    return name.len == ngx_paygw_unionpay_self.len
           && ngx_memcmp(name.data, ngx_paygw_unionpay_self.data, name.len)
              == 0;
}


char *
ngx_paygw_unionpay_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    if (ngx_paygw_channel_required(cf, ch, conf->merid.len, "merId") != NGX_OK
        || ngx_paygw_channel_account(cf, ch, &conf->merid, "merId") != NGX_OK
        || ngx_paygw_unionpay_check_method(cf, ch, conf) != NGX_OK
        || ngx_paygw_unionpay_check_fields(cf, ch) != NGX_OK
        || ngx_paygw_channel_check_repeats(cf, ch,
                                 "an order may be paid hours after it is made")
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->chain && ngx_paygw_unionpay_certs(cf, ch, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* no worker has to load the table */

    (void) ngx_paygw_gbk_available();

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_paygw_unionpay_certs(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_unionpay_conf_t *conf)
{
    ngx_uint_t         i;
    ngx_array_t       *ends;
    ngx_paygw_key_t  **cert;

    ends = ngx_paygw_chain_ends(conf->chain);
    cert = ends->elts;

    for (i = 0; i < ends->nelts; i++) {
        if (ngx_paygw_channel_cert(cf, ch, cert[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_unionpay_check_method(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_unionpay_conf_t *conf)
{
    if (conf->method->hash == NULL) {

        if (ngx_paygw_channel_required(cf, ch, conf->root, "root_cert")
            != NGX_OK
            || ngx_paygw_channel_required(cf, ch, conf->middle, "middle_cert")
               != NGX_OK
            || ngx_paygw_unionpay_check_unused(cf, ch, conf,
                                               conf->secrets != NULL,
                                               "secure_key")
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_paygw_chain_check(cf, conf->chain) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_paygw_unionpay_check_own(cf, ch, conf);
    }

    if (ngx_paygw_channel_required(cf, ch, conf->secrets != NULL,
                                   "secure_key")
        != NGX_OK
        || ngx_paygw_unionpay_check_unused(cf, ch, conf, conf->root,
                                           "root_cert")
           != NGX_OK
        || ngx_paygw_unionpay_check_unused(cf, ch, conf, conf->middle,
                                           "middle_cert")
           != NGX_OK
        || ngx_paygw_unionpay_check_unused(cf, ch, conf, conf->names != NULL,
                                           "cert_name")
           != NGX_OK
        || ngx_paygw_unionpay_check_unused(cf, ch, conf,
                                           conf->private_key != NULL,
                                           "merchant_private_key")
           != NGX_OK
        || ngx_paygw_unionpay_check_unused(cf, ch, conf,
                                           conf->certificate != NULL,
                                           "merchant_certificate")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_unionpay_check_hash(cf, ch, conf);
}


/* our own key signs, and its certificate says which one it is */

static ngx_int_t
ngx_paygw_unionpay_check_own(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_unionpay_conf_t *conf)
{
    if (conf->private_key == NULL && conf->certificate == NULL) {
        return NGX_OK;
    }

    if (ngx_paygw_channel_required(cf, ch, conf->private_key != NULL,
                                   "merchant_private_key")
        != NGX_OK
        || ngx_paygw_channel_required(cf, ch, conf->certificate != NULL,
                                      "merchant_certificate")
           != NGX_OK
        || ngx_paygw_channel_check_pair(cf, ch, &ngx_paygw_rsa_sha256,
                                        conf->private_key,
                                        "merchant_private_key",
                                        conf->certificate,
                                        "merchant_certificate")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_cert_decimal(cf, conf->certificate, &conf->cert_id);
}


static ngx_int_t
ngx_paygw_unionpay_check_unused(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_unionpay_conf_t *conf, ngx_uint_t present, const char *name)
{
    if (!present) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" of channel \"%V\" is not used by its "
                       "\"signMethod\" %V, remove it or set the method that "
                       "was agreed with UnionPay",
                       name, &ch->name, &conf->method->name);

    return NGX_ERROR;
}


/* not every OpenSSL has SM3; and two secrets that are one are a mistake */

static ngx_int_t
ngx_paygw_unionpay_check_hash(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_unionpay_conf_t *conf)
{
    size_t       len;
    u_char       md[NGX_PAYGW_HASH_MAX];
    ngx_str_t   *secret;
    ngx_uint_t   i, j;

    secret = conf->secrets->elts;

    for (i = 0; i < conf->secrets->nelts; i++) {
        for (j = 0; j < i; j++) {

            if (ngx_paygw_equal(&secret[i], &secret[j])) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "duplicate \"secure_key\" of channel "
                                   "\"%V\"", &ch->name);
                return NGX_ERROR;
            }
        }
    }

    if (ngx_paygw_hash(conf->method->hash, &ch->name, 1, md, &len, cf->log)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"signMethod\" %V of channel \"%V\" needs a hash "
                           "that this OpenSSL does not have",
                           &conf->method->name, &ch->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_unionpay_same(ngx_paygw_channel_t *a, ngx_paygw_channel_t *b)
{
    ngx_paygw_unionpay_conf_t  *ac = a->conf;
    ngx_paygw_unionpay_conf_t  *bc = b->conf;

    return ac->merid.len == bc->merid.len
           && ngx_strncmp(ac->merid.data, bc->merid.data, ac->merid.len) == 0;
}
