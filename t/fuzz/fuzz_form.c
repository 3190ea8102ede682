
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_form.h"


static ngx_str_t fuzz_encode(ngx_pool_t *pool, ngx_paygw_form_t *form);


void
fuzz_init(void)
{
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    char              *err;
    ngx_int_t          rc;
    ngx_str_t          body, text, again;
    ngx_uint_t         i;
    ngx_paygw_form_t   form, copy;

    static const char  *none[] = { NULL };
    static const char  *skip[] = { "sign", "sign_type", NULL };

    err = NULL;
    body = fuzz_copy(pool, input);

    rc = ngx_paygw_form_parse(pool, &body, &form, &err);

    if (rc != NGX_OK) {
        must(rc == NGX_ABORT && err != NULL);
        return;
    }

    must(form.nfields > 0 && form.nfields <= NGX_PAYGW_FORM_MAX_FIELDS);

    for (i = 0; i < form.nfields; i++) {
        must(form.fields[i].name.len != 0);
        must(ngx_strlchr(form.fields[i].value.data,
                         form.fields[i].value.data
                         + form.fields[i].value.len, '\0')
             == NULL);
        must(i == 0
             || ngx_memn2cmp(form.fields[i - 1].name.data,
                             form.fields[i].name.data,
                             form.fields[i - 1].name.len,
                             form.fields[i].name.len)
                < 0);
    }

    must(ngx_paygw_form_canonical(pool, &form, none, 0, &text) == NGX_OK);
    must(ngx_paygw_form_canonical(pool, &form, skip,
                                  NGX_PAYGW_CANON_DROP_EMPTY, &again)
         == NGX_OK);
    must(again.len <= text.len);

    /* encoded and parsed anew it is the same */

    body = fuzz_encode(pool, &form);

    must(ngx_paygw_form_parse(pool, &body, &copy, &err) == NGX_OK);
    must(ngx_paygw_form_canonical(pool, &copy, none, 0, &again) == NGX_OK);
    must(again.len == text.len
         && ngx_memcmp(again.data, text.data, text.len) == 0);
}


static ngx_str_t
fuzz_encode(ngx_pool_t *pool, ngx_paygw_form_t *form)
{
    size_t      i, len;
    u_char     *p;
    ngx_str_t   out, *s;
    ngx_uint_t  n;

    len = 0;

    for (n = 0; n < form->nfields; n++) {
        len += 3 * (form->fields[n].name.len + form->fields[n].value.len) + 2;
    }

    out.data = ngx_pnalloc(pool, len);
    p = out.data;

    for (n = form->nfields; n-- > 0; /* void */ ) {

        s = &form->fields[n].name;

        for (i = 0; i < s->len; i++) {
            p = ngx_sprintf(p, "%%%02xd", (int) s->data[i]);
        }

        *p++ = '=';

        s = &form->fields[n].value;

        for (i = 0; i < s->len; i++) {
            p = ngx_sprintf(p, "%%%02Xd", (int) s->data[i]);
        }

        *p++ = '&';
    }

    out.len = p - out.data - 1;

    return out;
}
