
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_FORM_H_INCLUDED_
#define _NGX_PAYGW_FORM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * application/x-www-form-urlencoded: split at "&" and at the first "=", then
 * name and value decoded exactly once ("+" is a space, "%XX" a byte).  Values
 * stay bytes: nothing is trimmed, escaped or converted.
 */


#define NGX_PAYGW_FORM_MAX_FIELDS  128


typedef struct {
    ngx_str_t                name;
    ngx_str_t                value;
} ngx_paygw_field_t;


typedef struct {
    ngx_paygw_field_t       *fields;
    ngx_uint_t               nfields;
    ngx_uint_t               sorted;       /* in ascending byte order of name;
                                              unsigned:1 */
    u_char                   first[256];   /* field whose name begins with a
                                              byte; 0 if there is none */
} ngx_paygw_form_t;


/*
 * Parses a whole body.  The result lives in pool and may point into body.
 *
 * Returns NGX_OK; NGX_ABORT with *err set to a constant phrase for a name that
 * occurs twice, a broken escape, an empty name, a NUL, a pair without "=", an
 * empty body, or more than NGX_PAYGW_FORM_MAX_FIELDS pairs; NGX_ERROR if
 * memory is short.
 */
ngx_int_t ngx_paygw_form_parse(ngx_pool_t *pool, ngx_str_t *body,
    ngx_paygw_form_t *form, char **err);

/* the value of a name given as a C string, NULL if absent */
ngx_str_t *ngx_paygw_form_get(ngx_paygw_form_t *form, const char *name);


/*
 * The same of a body whose values are not encoded, as UnionPay answers: no byte
 * stands for another, and "&" and "=" between a "{" or "[" in a value and the
 * next "}" or "]" are a part of it.  One pair of braces around all of it is
 * taken off.
 */
ngx_int_t ngx_paygw_form_raw(ngx_pool_t *pool, ngx_str_t *body,
    ngx_paygw_form_t *form, char **err);


/*
 * A form that is made: empty, with room for NGX_PAYGW_FORM_MAX_FIELDS fields;
 * one more field behind the others, NGX_DECLINED if there is no room; all of
 * them as a body, values encoded, names as they are.
 */
ngx_int_t ngx_paygw_form_new(ngx_pool_t *pool, ngx_paygw_form_t *form);
ngx_int_t ngx_paygw_form_add(ngx_paygw_form_t *form, const char *name,
    ngx_str_t *value);
ngx_int_t ngx_paygw_form_write(ngx_pool_t *pool, ngx_paygw_form_t *form,
    ngx_str_t *out);


/*
 * For readers of other formats: sorts the fields as above.  Returns NGX_OK, or
 * NGX_ABORT with *err set if a name occurs twice.
 */
ngx_int_t ngx_paygw_form_sort(ngx_paygw_form_t *form, char **err);

/*
 * A string to sign joins values by "&" without any escape, so that one
 * signature fits many forms: "a=1&b=2" is two fields, or one whose value is
 * "1&b=2".  Returns a field whose value holds "&NAME=" with one of the names
 * (ended by an empty one), or NULL.  With none of these, and no name there
 * twice, one reading of them is left.
 */
ngx_paygw_field_t *ngx_paygw_form_hides(ngx_paygw_form_t *form,
    const ngx_str_t *names);


/* flags of ngx_paygw_form_canonical() */
#define NGX_PAYGW_CANON_DROP_EMPTY  0x01   /* leave out "name=" */

/*
 * The string to sign: "name=value" of every field but those named in skip
 * (ended by NULL), in byte order of name, joined by "&".  One allocation.
 */
ngx_int_t ngx_paygw_form_canonical(ngx_pool_t *pool, ngx_paygw_form_t *form,
    const char **skip, ngx_uint_t flags, ngx_str_t *out);

/*
 * The fields that are in it, in their order; returns how many.  There is room
 * for NGX_PAYGW_FORM_MAX_FIELDS in kept.
 */
ngx_uint_t ngx_paygw_form_kept(ngx_paygw_form_t *form, const char **skip,
    ngx_uint_t flags, ngx_paygw_field_t **kept);


#endif /* _NGX_PAYGW_FORM_H_INCLUDED_ */
