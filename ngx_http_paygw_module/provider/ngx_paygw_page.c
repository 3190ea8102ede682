
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_page.h"


#define NGX_PAYGW_PAGE_HEAD                                                   \
    "<!DOCTYPE html>\n<html>\n<head><meta charset=\"%V\"></head>\n<body>\n"   \
    "<form id=\"pay\" method=\"post\" action=\""

#define NGX_PAYGW_PAGE_FIELD  "<input type=\"hidden\" name=\""
#define NGX_PAYGW_PAGE_VALUE  "\" value=\""
#define NGX_PAYGW_PAGE_END    "\">\n"

#define NGX_PAYGW_PAGE_TAIL                                                   \
    "<noscript><input type=\"submit\"></noscript>\n</form>\n"                 \
    "<script>document.getElementById(\"pay\").submit();</script>\n"           \
    "</body>\n</html>\n"

/* how much longer a byte may become */
#define NGX_PAYGW_PAGE_ESCAPED  (sizeof("&quot;") - 1)


static u_char *ngx_paygw_page_escape(u_char *p, ngx_str_t *text);


ngx_int_t
ngx_paygw_page(ngx_pool_t *pool, ngx_str_t *charset, ngx_str_t *url,
    ngx_paygw_form_t *form, ngx_str_t *page)
{
    u_char             *p;
    size_t              len;
    ngx_uint_t          i;
    ngx_paygw_field_t  *field;

    len = sizeof(NGX_PAYGW_PAGE_HEAD NGX_PAYGW_PAGE_END NGX_PAYGW_PAGE_TAIL)
          + charset->len + NGX_PAYGW_PAGE_ESCAPED * url->len;

    for (i = 0; i < form->nfields; i++) {
        field = &form->fields[i];
        len += sizeof(NGX_PAYGW_PAGE_FIELD NGX_PAYGW_PAGE_VALUE
                      NGX_PAYGW_PAGE_END)
               + NGX_PAYGW_PAGE_ESCAPED * (field->name.len
                                           + field->value.len);
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    page->data = p;

    p = ngx_sprintf(p, NGX_PAYGW_PAGE_HEAD, charset);
    p = ngx_paygw_page_escape(p, url);
    p = ngx_sprintf(p, NGX_PAYGW_PAGE_END);

    for (i = 0; i < form->nfields; i++) {
        field = &form->fields[i];

        p = ngx_sprintf(p, NGX_PAYGW_PAGE_FIELD);
        p = ngx_paygw_page_escape(p, &field->name);
        p = ngx_sprintf(p, NGX_PAYGW_PAGE_VALUE);
        p = ngx_paygw_page_escape(p, &field->value);
        p = ngx_sprintf(p, NGX_PAYGW_PAGE_END);
    }

    p = ngx_sprintf(p, NGX_PAYGW_PAGE_TAIL);

    page->len = p - page->data;

    return NGX_OK;
}


/* ngx_escape_html() leaves the single quote as it is */

static u_char *
ngx_paygw_page_escape(u_char *p, ngx_str_t *text)
{
    u_char  *s, *last;

    last = text->data + text->len;

    for (s = text->data; s < last; s++) {

        switch (*s) {

        case '&':
            p = ngx_cpymem(p, "&amp;", sizeof("&amp;") - 1);
            break;

        case '<':
            p = ngx_cpymem(p, "&lt;", sizeof("&lt;") - 1);
            break;

        case '>':
            p = ngx_cpymem(p, "&gt;", sizeof("&gt;") - 1);
            break;

        case '"':
            p = ngx_cpymem(p, "&quot;", sizeof("&quot;") - 1);
            break;

        case '\'':
            p = ngx_cpymem(p, "&#39;", sizeof("&#39;") - 1);
            break;

        default:
            *p++ = *s;
        }
    }

    return p;
}
