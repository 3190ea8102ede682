
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_headers.h"


static ngx_uint_t ngx_http_paygw_headers_any(ngx_http_request_t *r,
    const ngx_str_t *names);
static ngx_uint_t ngx_http_paygw_header_match(ngx_table_elt_t *h,
    const ngx_str_t *names);
static ngx_uint_t ngx_http_paygw_header_is(ngx_str_t *key,
    const ngx_str_t *name);
static ngx_int_t ngx_http_paygw_headers_keep(ngx_http_request_t *r,
    ngx_list_t *kept, ngx_table_elt_t *h, ngx_uint_t n);


ngx_int_t
ngx_http_paygw_headers_drop(ngx_http_request_t *r, const ngx_str_t *names)
{
    ngx_uint_t        i, start;
    ngx_list_t        kept;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (!ngx_http_paygw_headers_any(r, names)) {
        return NGX_OK;
    }

    ngx_memzero(&kept, sizeof(ngx_list_t));

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;
        start = 0;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_http_paygw_header_match(&h[i], names)) {
                continue;
            }

            if (ngx_http_paygw_headers_keep(r, &kept, &h[start], i - start)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            start = i + 1;
        }

        if (ngx_http_paygw_headers_keep(r, &kept, &h[start], i - start)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    kept.size = r->headers_in.headers.size;
    kept.pool = r->headers_in.headers.pool;

    if (kept.last == NULL) {
        return ngx_list_init(&r->headers_in.headers, r->pool, 8,
                             sizeof(ngx_table_elt_t));
    }

    /* the last part counts as full: what follows it is not ours to write */

    kept.nalloc = kept.last->nelts;

    r->headers_in.headers = kept;

    if (kept.last == &kept.part) {
        r->headers_in.headers.last = &r->headers_in.headers.part;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_paygw_headers_any(ngx_http_request_t *r, const ngx_str_t *names)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_paygw_header_match(&h[i], names)) {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_paygw_header_match(ngx_table_elt_t *h, const ngx_str_t *names)
{
    for ( /* void */ ; names->len; names++) {
        if (ngx_http_paygw_header_is(&h->key, names)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_paygw_header_is(ngx_str_t *key, const ngx_str_t *name)
{
    u_char      c;
    ngx_uint_t  i;

    if (key->len < name->len
        || (key->len > name->len && name->data[name->len - 1] != '-'))
    {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        c = ngx_tolower(key->data[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9')) {
            c = '-';
        }

        if (c != name->data[i]) {
            return 0;
        }
    }

    return 1;
}


/*
 * The fields themselves never move, since r->headers_in points to many of
 * them: what is kept becomes a chain of parts over the same elements.  No part
 * may be empty, nginx's loops do not expect one.
 */

static ngx_int_t
ngx_http_paygw_headers_keep(ngx_http_request_t *r, ngx_list_t *kept,
    ngx_table_elt_t *h, ngx_uint_t n)
{
    ngx_list_part_t  *part;

    if (n == 0) {
        return NGX_OK;
    }

    if (kept->last == NULL) {
        part = &kept->part;

    } else {
        part = ngx_palloc(r->pool, sizeof(ngx_list_part_t));
        if (part == NULL) {
            return NGX_ERROR;
        }

        kept->last->next = part;
    }

    part->elts = h;
    part->nelts = n;
    part->next = NULL;

    kept->last = part;

    return NGX_OK;
}


void
ngx_http_paygw_headers_collect(ngx_http_request_t *r, const ngx_str_t *names,
    ngx_str_t *values, ngx_uint_t *repeated)
{
    ngx_uint_t        i, k;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            for (k = 0; names[k].len; k++) {

                if (h[i].key.len != names[k].len
                    || ngx_memcmp(h[i].lowcase_key, names[k].data,
                                  names[k].len)
                       != 0)
                {
                    continue;
                }

                if (values[k].data) {
                    *repeated |= (ngx_uint_t) 1 << k;

                } else {
                    values[k] = h[i].value;
                }

                break;
            }
        }
    }
}


ngx_table_elt_t *
ngx_http_paygw_headers_add(ngx_http_request_t *r, const ngx_str_t *name,
    u_char *lowcase, ngx_str_t *value)
{
    return ngx_http_paygw_headers_hashed(r, name, lowcase,
                                         ngx_hash_key(lowcase, name->len),
                                         value);
}


ngx_table_elt_t *
ngx_http_paygw_headers_hashed(ngx_http_request_t *r, const ngx_str_t *name,
    u_char *lowcase, ngx_uint_t hash, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = hash;
    h->key = *name;
    h->value = *value;
    h->lowcase_key = lowcase;

    return h;
}


ngx_int_t
ngx_http_paygw_headers_tell(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;

    return NGX_OK;
}
