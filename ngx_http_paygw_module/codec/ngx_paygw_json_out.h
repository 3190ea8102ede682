
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_JSON_OUT_H_INCLUDED_
#define _NGX_PAYGW_JSON_OUT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * A JSON text that is made member by member.  A failure is remembered, so that
 * only the end has to be looked at.  Names are ours and need no escape; NULL is
 * that of the root, and of an element of an array.
 */


typedef struct {
    ngx_pool_t              *pool;
    u_char                  *start;
    u_char                  *pos;
    u_char                  *end;
    ngx_uint_t               comma;     /* before the next member;
                                           unsigned:1 */
    ngx_uint_t               failed;    /* unsigned:1 */
} ngx_paygw_json_out_t;


void ngx_paygw_json_out_init(ngx_paygw_json_out_t *out, ngx_pool_t *pool);

void ngx_paygw_json_out_open(ngx_paygw_json_out_t *out, const char *name);
void ngx_paygw_json_out_close(ngx_paygw_json_out_t *out);

void ngx_paygw_json_out_string(ngx_paygw_json_out_t *out, const char *name,
    const ngx_str_t *value);
void ngx_paygw_json_out_integer(ngx_paygw_json_out_t *out, const char *name,
    int64_t value);

/* the same with a name that is not ours */
void ngx_paygw_json_out_named(ngx_paygw_json_out_t *out,
    const ngx_str_t *name, const ngx_str_t *value);

/* value is JSON */
void ngx_paygw_json_out_raw(ngx_paygw_json_out_t *out, const char *name,
    const ngx_str_t *value);

/* a string that is left out if it is empty */
void ngx_paygw_json_out_some(ngx_paygw_json_out_t *out, const char *name,
    const ngx_str_t *value);

/* the text: NGX_OK, or NGX_ERROR if memory was short */
ngx_int_t ngx_paygw_json_out_end(ngx_paygw_json_out_t *out, ngx_str_t *text);


#endif /* _NGX_PAYGW_JSON_OUT_H_INCLUDED_ */
