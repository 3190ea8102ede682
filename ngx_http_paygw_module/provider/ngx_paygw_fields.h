
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_FIELDS_H_INCLUDED_
#define _NGX_PAYGW_FIELDS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"
#include "ngx_paygw_form.h"


/*
 * What providers share whose callbacks are flat fields, signed as
 * "name=value" joined by "&".  Those that return ngx_int_t refuse as a
 * provider's functions do.
 */


/*
 * The form in the body.  A name is letters, digits, "_", "-" and ".": a "&" or
 * "=" in it would blur the string to sign.
 */
ngx_int_t ngx_paygw_fields_parse(ngx_paygw_notify_t *n,
    ngx_paygw_form_t *form);

/* 1 if all names of a form are such */
ngx_uint_t ngx_paygw_fields_plain(ngx_paygw_form_t *form);

/* the value of a field, NULL if absent or empty */
ngx_str_t *ngx_paygw_fields_value(ngx_paygw_form_t *form, const char *name);

/* a field that goes into headers and keys; 1 if it is there and can */
ngx_uint_t ngx_paygw_fields_word(ngx_paygw_form_t *form, const char *name,
    size_t max, ngx_str_t *value);

/* 1 if a field is there, is not empty, and has this value */
ngx_uint_t ngx_paygw_fields_is(ngx_paygw_form_t *form, const char *name,
    const char *value);

/* 1 if a value is empty */
ngx_uint_t ngx_paygw_fields_empty(ngx_paygw_form_t *form);

/*
 * What of the usual accidents on the way can be seen in a message whose
 * signature is wrong: a hint, or NULL.  charset NULL is not looked at.
 */
const char *ngx_paygw_fields_hint(ngx_paygw_form_t *form, ngx_str_t *charset);

/*
 * All values to UTF-8; charset NULL is UTF-8.  Only once their bytes have been
 * verified.  n->channel must be set.
 */
ngx_int_t ngx_paygw_fields_utf8(ngx_paygw_notify_t *n, ngx_paygw_form_t *form,
    ngx_str_t *charset);

/*
 * The string to sign of fields in any order, which are sorted, as a style has
 * it: "alipay" (a request), "alipay_notify", "wechat_v2", "unionpay", "params"
 * (a call of a merchant).  NGX_OK; NGX_DECLINED, there is no such style;
 * NGX_ABORT, a name is there twice or not one as above; both with *err;
 * NGX_ERROR.  The result is in pool.
 */
ngx_int_t ngx_paygw_fields_canonical(ngx_pool_t *pool, ngx_str_t *style,
    ngx_paygw_form_t *form, ngx_str_t *text, char **err);


#endif /* _NGX_PAYGW_FIELDS_H_INCLUDED_ */
