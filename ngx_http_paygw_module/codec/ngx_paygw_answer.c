
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_answer.h"


#define NGX_PAYGW_ANSWER_FORM      'a'
#define NGX_PAYGW_ANSWER_REDIRECT  'A'


static u_char *ngx_paygw_answer_field(u_char *p, u_char *last,
    ngx_keyval_t *field);
static ngx_uint_t ngx_paygw_answer_valid(ngx_keyval_t *field);


#define ngx_paygw_answer_short(p)  (((ngx_uint_t) (p)[0] << 8) | (p)[1])


size_t
ngx_paygw_answer_size(ngx_paygw_answer_t *answer)
{
    size_t         size;
    ngx_uint_t     i, n;
    ngx_keyval_t  *field;

    n = answer->nfields + answer->ntrailers;

    if (n > NGX_PAYGW_ANSWER_FIELDS || answer->body.len > NGX_MAX_INT32_VALUE)
    {
        return 0;
    }

    size = NGX_PAYGW_ANSWER_HEAD + answer->body.len;

    for (i = 0; i < n; i++) {
        field = &answer->fields[i];

        if (!ngx_paygw_answer_valid(field)) {
            return 0;
        }

        size += 4 + field->key.len + field->value.len;
    }

    return size;
}


u_char *
ngx_paygw_answer_write(u_char *p, ngx_paygw_answer_t *answer)
{
    size_t         len;
    ngx_uint_t     i;
    ngx_keyval_t  *field;

    len = answer->body.len;

    *p++ = answer->redirect ? NGX_PAYGW_ANSWER_REDIRECT
                            : NGX_PAYGW_ANSWER_FORM;
    *p++ = (u_char) (answer->status >> 8);
    *p++ = (u_char) answer->status;
    *p++ = (u_char) (answer->nfields >> 8);
    *p++ = (u_char) answer->nfields;
    *p++ = (u_char) (answer->ntrailers >> 8);
    *p++ = (u_char) answer->ntrailers;
    *p++ = (u_char) (len >> 24);
    *p++ = (u_char) (len >> 16);
    *p++ = (u_char) (len >> 8);
    *p++ = (u_char) len;

    for (i = 0; i < answer->nfields + answer->ntrailers; i++) {
        field = &answer->fields[i];

        *p++ = (u_char) (field->key.len >> 8);
        *p++ = (u_char) field->key.len;
        *p++ = (u_char) (field->value.len >> 8);
        *p++ = (u_char) field->value.len;

        p = ngx_cpymem(p, field->key.data, field->key.len);

        if (field->value.len) {
            p = ngx_cpymem(p, field->value.data, field->value.len);
        }
    }

    return p;
}


ngx_int_t
ngx_paygw_answer_read(ngx_pool_t *pool, ngx_str_t *text,
    ngx_paygw_answer_t *answer)
{
    u_char      *p, *last;
    ngx_uint_t   i, n;

    p = text->data;
    last = text->data + text->len;

    if (text->len < NGX_PAYGW_ANSWER_HEAD
        || (p[0] != NGX_PAYGW_ANSWER_FORM
            && p[0] != NGX_PAYGW_ANSWER_REDIRECT))
    {
        return NGX_ABORT;
    }

    answer->redirect = (p[0] == NGX_PAYGW_ANSWER_REDIRECT);
    answer->status = ngx_paygw_answer_short(p + 1);
    answer->nfields = ngx_paygw_answer_short(p + 3);
    answer->ntrailers = ngx_paygw_answer_short(p + 5);
    answer->body.len = ((size_t) ngx_paygw_answer_short(p + 7) << 16)
                       | ngx_paygw_answer_short(p + 9);

    p += NGX_PAYGW_ANSWER_HEAD;
    n = answer->nfields + answer->ntrailers;

    if (answer->status < 200 || answer->status > 599
        || n > NGX_PAYGW_ANSWER_FIELDS)
    {
        return NGX_ABORT;
    }

    answer->fields = ngx_palloc(pool, (n + 1) * sizeof(ngx_keyval_t));
    if (answer->fields == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        p = ngx_paygw_answer_field(p, last, &answer->fields[i]);

        if (p == NULL) {
            return NGX_ABORT;
        }
    }

    if ((size_t) (last - p) != answer->body.len) {
        return NGX_ABORT;
    }

    answer->body.data = p;

    return NGX_OK;
}


static u_char *
ngx_paygw_answer_field(u_char *p, u_char *last, ngx_keyval_t *field)
{
    if (last - p < 4) {
        return NULL;
    }

    field->key.len = ngx_paygw_answer_short(p);
    field->value.len = ngx_paygw_answer_short(p + 2);

    p += 4;

    if ((size_t) (last - p) < field->key.len + field->value.len) {
        return NULL;
    }

    field->key.data = p;
    field->value.data = p + field->key.len;

    return ngx_paygw_answer_valid(field)
           ? p + field->key.len + field->value.len : NULL;
}


/* what would begin another line of the answer is in no field */

static ngx_uint_t
ngx_paygw_answer_valid(ngx_keyval_t *field)
{
    u_char      c;
    ngx_uint_t  i;

    if (field->key.len == 0 || field->key.len > 0xffff
        || field->value.len > 0xffff)
    {
        return 0;
    }

    for (i = 0; i < field->key.len; i++) {
        c = field->key.data[i];

        if (c <= ' ' || c >= 0x7f || c == ':') {
            return 0;
        }
    }

    for (i = 0; i < field->value.len; i++) {
        c = field->value.data[i];

        if (c == CR || c == LF || c == '\0') {
            return 0;
        }
    }

    return 1;
}
