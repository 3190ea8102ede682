
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_text.h"
#include "ngx_paygw_xml.h"


static ngx_str_t fuzz_encode(ngx_pool_t *pool, ngx_paygw_form_t *form);
static u_char *fuzz_escape(u_char *p, ngx_str_t *s);


void
fuzz_init(void)
{
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    char               *err;
    ngx_int_t           rc;
    ngx_str_t           body, text, again;
    ngx_uint_t          i;
    ngx_paygw_form_t    form, copy;
    ngx_paygw_field_t  *f;

    static const char  *none[] = { NULL };

    err = NULL;
    body = fuzz_copy(pool, input);

    rc = ngx_paygw_xml_parse(pool, &body, "xml", &form, &err);

    if (rc != NGX_OK) {
        must(rc == NGX_ABORT && err != NULL);
        return;
    }

    must(form.nfields <= NGX_PAYGW_FORM_MAX_FIELDS);

    for (i = 0; i < form.nfields; i++) {
        f = &form.fields[i];

        must(f->name.len != 0);
        must(ngx_paygw_utf8_valid(&f->name));
        must(ngx_paygw_utf8_valid(&f->value));

        /* what would blur a string to sign */

        must(ngx_strlchr(f->name.data, f->name.data + f->name.len, '=')
             == NULL);
        must(ngx_strlchr(f->name.data, f->name.data + f->name.len, '&')
             == NULL);
        must(ngx_strlchr(f->value.data, f->value.data + f->value.len, '\0')
             == NULL);
        must(i == 0
             || ngx_memn2cmp(form.fields[i - 1].name.data, f->name.data,
                             form.fields[i - 1].name.len, f->name.len)
                < 0);
    }

    must(ngx_paygw_form_canonical(pool, &form, none, 0, &text) == NGX_OK);

    /* written and parsed anew it is the same */

    body = fuzz_encode(pool, &form);

    must(ngx_paygw_xml_parse(pool, &body, "xml", &copy, &err) == NGX_OK);
    must(ngx_paygw_form_canonical(pool, &copy, none, 0, &again) == NGX_OK);
    must(again.len == text.len
         && (text.len == 0
             || ngx_memcmp(again.data, text.data, text.len) == 0));
}


static ngx_str_t
fuzz_encode(ngx_pool_t *pool, ngx_paygw_form_t *form)
{
    size_t      len;
    u_char     *p;
    ngx_str_t   out;
    ngx_uint_t  n;

    len = sizeof("<xml></xml>");

    for (n = 0; n < form->nfields; n++) {
        len += 2 * form->fields[n].name.len + 6 * form->fields[n].value.len
               + 5;
    }

    out.data = ngx_pnalloc(pool, len);
    p = ngx_sprintf(out.data, "<xml>");

    for (n = form->nfields; n-- > 0; /* void */ ) {
        p = ngx_sprintf(p, "<%V>", &form->fields[n].name);
        p = fuzz_escape(p, &form->fields[n].value);
        p = ngx_sprintf(p, "</%V>", &form->fields[n].name);
    }

    p = ngx_sprintf(p, "</xml>");

    out.len = p - out.data;

    return out;
}


static u_char *
fuzz_escape(u_char *p, ngx_str_t *s)
{
    size_t  i;
    u_char  c;

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        /* a bare CR would become LF */

        if (c == '<' || c == '>' || c == '&' || c == CR) {
            p = ngx_sprintf(p, "&#%d;", (int) c);

        } else {
            *p++ = c;
        }
    }

    return p;
}
