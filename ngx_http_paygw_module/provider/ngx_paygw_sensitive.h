
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_SENSITIVE_H_INCLUDED_
#define _NGX_PAYGW_SENSITIVE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_seal.h"


/*
 * Values that a provider wants to have encrypted, each for itself: names and
 * numbers of people.  What a channel lists is encrypted in requests, or opened
 * in answers; a caller may as well do it on its own.
 */


/* "/payer/name" or "/list/" "*" "/name", several: as a parameter's set() */
char *ngx_paygw_sensitive_pointers(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_array_t **list, ngx_str_t *args, ngx_uint_t nargs);

/*
 * The strings of x->body that the list points to, encrypted under a key of the
 * provider's: NGX_OK, NGX_DECLINED or NGX_ERROR.
 */
ngx_int_t ngx_paygw_sensitive_seal(ngx_paygw_exchange_t *x,
    ngx_array_t *list, ngx_paygw_key_t *key);

/* one value, in base64: the same, with its name for the hint */
ngx_int_t ngx_paygw_sensitive_value(ngx_paygw_exchange_t *x,
    ngx_paygw_key_t *key, ngx_paygw_seal_e padding, const char *name,
    ngx_str_t *value, ngx_str_t *out);

/*
 * Of a JSON text that was parsed, those that a private key opens; all others
 * stay as they are, and are told to the log.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_sensitive_open(ngx_paygw_exchange_t *x,
    ngx_array_t *list, ngx_paygw_key_t *key, ngx_str_t *text);

/*
 * One value that is in base64: NGX_OK; NGX_DECLINED: it is not encrypted, or
 * not for us; NGX_ERROR.
 */
ngx_int_t ngx_paygw_sensitive_opened(ngx_paygw_exchange_t *x,
    ngx_paygw_key_t *key, ngx_paygw_seal_e padding, ngx_str_t *value,
    ngx_str_t *out);


#endif /* _NGX_PAYGW_SENSITIVE_H_INCLUDED_ */
