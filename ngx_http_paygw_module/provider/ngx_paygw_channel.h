
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_CHANNEL_H_INCLUDED_
#define _NGX_PAYGW_CHANNEL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"
#include "ngx_paygw_sign.h"


/*
 * What the parameters of all providers share.  The messages name the channel
 * and the fix; nginx adds the file and the line.
 */


/* a value that may stand once: refuses a second one and an empty one */
char *ngx_paygw_channel_value(ngx_str_t *field, ngx_str_t *value);

/* several values, of one line or of several; refuses a value given twice */
char *ngx_paygw_channel_list(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_array_t **list, ngx_str_t *args, ngx_uint_t nargs);

/*
 * The next element of an array of keys.  The array holds pointers, because a
 * key must not move once the crypto floor has seen it.
 */
ngx_paygw_key_t *ngx_paygw_channel_key(ngx_conf_t *cf, ngx_array_t **keys);

/* a key of its own, which may stand once */
char *ngx_paygw_channel_own_key(ngx_conf_t *cf, ngx_paygw_key_t **key,
    ngx_str_t *path, ngx_int_t (*load)(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_key_t *key));

/* a certificate that is looked after by no keyring: NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_channel_cert(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_key_t *cert);

/* 1 if the list holds s */
ngx_uint_t ngx_paygw_channel_has(ngx_array_t *list, ngx_str_t *s);

/* 1 if two lists have an element in common */
ngx_uint_t ngx_paygw_channel_meet(ngx_array_t *a, ngx_array_t *b);

/* 1 if the certificate of a key, if it has one, is valid at a time */
ngx_uint_t ngx_paygw_channel_usable(ngx_paygw_key_t *key, time_t now);


/* warns of a channel of paygw_api without notify_url, and of what is then */
void ngx_paygw_channel_unheard(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *then);


/* the checks below return NGX_OK, or NGX_ERROR once they have logged */

/* a parameter that must be there, for the channel or what it is wanted by */
ngx_int_t ngx_paygw_channel_required(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_uint_t present, const char *name);

/* it is not there; instead may be " or \"OTHER\"", or empty: NGX_ERROR */
ngx_int_t ngx_paygw_channel_lacks(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, const char *instead);

/* each element of an account list is digits or letters only */
ngx_int_t ngx_paygw_channel_account(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *value, const char *name);

/*
 * The times of a channel fit ngx_paygw_check_age(); why says how long the
 * provider repeats a callback
 */
ngx_int_t ngx_paygw_channel_check_repeats(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, const char *why);

/*
 * A provider's key is not really our own (ours may be NULL).  name is the
 * parameter of the key, own that of ours.
 */
ngx_int_t ngx_paygw_channel_foreign(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_key_t *key, const char *name, ngx_paygw_key_t *ours,
    const char *own);

/* a provider's key works with the signature scheme */
ngx_int_t ngx_paygw_channel_probe(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key, const char *name);

/* our own pair: signs and verifies, and fits its certificate if there is one */
ngx_int_t ngx_paygw_channel_check_pair(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const ngx_paygw_scheme_t *scheme, ngx_paygw_key_t *key, const char *name,
    ngx_paygw_key_t *cert, const char *cert_name);


#endif /* _NGX_PAYGW_CHANNEL_H_INCLUDED_ */
