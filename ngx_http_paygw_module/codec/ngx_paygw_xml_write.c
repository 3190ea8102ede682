
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_xml.h"


static ngx_uint_t ngx_paygw_xml_plain(ngx_str_t *value);
static u_char *ngx_paygw_xml_escape(u_char *p, ngx_str_t *value);


/* what a byte is written as at most: "&quot;" is not needed */
#define NGX_PAYGW_XML_ESCAPE  5


ngx_int_t
ngx_paygw_xml_write(ngx_pool_t *pool, const char *root,
    ngx_paygw_form_t *form, ngx_str_t *out)
{
    u_char             *p;
    size_t              len;
    ngx_uint_t          i;
    ngx_paygw_field_t  *field;

    len = 2 * ngx_strlen(root) + sizeof("<></>") - 1;

    for (i = 0; i < form->nfields; i++) {
        field = &form->fields[i];
        len += 2 * field->name.len + sizeof("<><![CDATA[]]></>") - 1
               + NGX_PAYGW_XML_ESCAPE * field->value.len;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    out->data = p;

    p = ngx_sprintf(p, "<%s>", root);

    for (i = 0; i < form->nfields; i++) {
        field = &form->fields[i];

        if (field->value.len == 0) {
            continue;
        }

        p = ngx_sprintf(p, "<%V>", &field->name);

        if (ngx_paygw_xml_plain(&field->value)) {
            p = ngx_sprintf(p, "<![CDATA[%V]]>", &field->value);

        } else {
            p = ngx_paygw_xml_escape(p, &field->value);
        }

        p = ngx_sprintf(p, "</%V>", &field->name);
    }

    p = ngx_sprintf(p, "</%s>", root);

    out->len = p - out->data;

    return NGX_OK;
}


/*
 * 1 if it can stand in a CDATA section, which is what everybody expects: one
 * would end at "]]>", and a reader makes a line feed of each CR
 */

static ngx_uint_t
ngx_paygw_xml_plain(ngx_str_t *value)
{
    u_char  *last;

    last = value->data + value->len;

    return ngx_strlchr(value->data, last, CR) == NULL
           && (value->len < 3
               || ngx_strlcasestrn(value->data, last, (u_char *) "]]>", 3 - 1)
                  == NULL);
}


static u_char *
ngx_paygw_xml_escape(u_char *p, ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {

        switch (value->data[i]) {

        case '&':
            p = ngx_cpymem(p, "&amp;", 5);
            break;

        case '<':
            p = ngx_cpymem(p, "&lt;", 4);
            break;

        case '>':
            p = ngx_cpymem(p, "&gt;", 4);
            break;

        case CR:
            p = ngx_cpymem(p, "&#13;", 5);
            break;

        default:
            *p++ = value->data[i];
        }
    }

    return p;
}
