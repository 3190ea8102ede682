
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_response.h"
#include "ngx_paygw_json.h"


/*
 * The first byte says in pieces of which size the rest arrives.  Whatever they
 * are, the response must be the same as in one piece.
 */


static ngx_int_t fuzz_response(ngx_pool_t *pool, ngx_str_t *text,
    size_t piece, ngx_paygw_response_t *r);
static void fuzz_response_raw(ngx_pool_t *pool, ngx_str_t *text);


void
fuzz_init(void)
{
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    size_t                 piece;
    ngx_int_t              rc;
    ngx_str_t              text, value;
    ngx_uint_t             i;
    ngx_paygw_response_t   whole, parts;

    if (input->len == 0) {
        return;
    }

    piece = input->data[0] + 1;
    text.data = input->data + 1;
    text.len = input->len - 1;

    rc = fuzz_response(pool, &text, text.len + 1, &whole);

    must(rc == NGX_OK || rc == NGX_ABORT);
    must(fuzz_response(pool, &text, piece, &parts) == rc);

    fuzz_response_raw(pool, &text);

    if (rc != NGX_OK) {
        return;
    }

    must(whole.status >= 200 && whole.status <= 599);
    must(whole.nheaders <= NGX_PAYGW_RESPONSE_HEADERS);
    must(whole.body.len <= NGX_PAYGW_RESPONSE_BODY);
    must(whole.body.len <= text.len);

    must(parts.status == whole.status && parts.nheaders == whole.nheaders);
    must(parts.body.len == whole.body.len);
    must(whole.body.len == 0
         || ngx_memcmp(parts.body.data, whole.body.data, whole.body.len)
            == 0);

    for (i = 0; i < whole.nheaders; i++) {
        must(whole.headers[i].name.len != 0);

        value = whole.headers[i].value;

        must(ngx_strlchr(value.data, value.data + value.len, LF) == NULL);
        must(ngx_strlchr(value.data, value.data + value.len, CR) == NULL);
    }

    rc = ngx_paygw_response_header(&whole, "content-length", &value);

    must(rc != NGX_ABORT);
    must(rc != NGX_OK || whole.status == 204 || whole.status == 304
         || (size_t) ngx_atoi(value.data, value.len) == whole.body.len);
}


static ngx_int_t
fuzz_response(ngx_pool_t *pool, ngx_str_t *text, size_t piece,
    ngx_paygw_response_t *r)
{
    u_char      *start, *last;
    size_t       n, left;
    ngx_int_t    rc;
    const char  *err;

    /* ends where the text ends: the reader must not look further */

    start = ngx_pnalloc(pool, ngx_max(text->len, 1));
    last = start;

    ngx_paygw_response_init(r, start);

    err = NULL;

    for (left = text->len; left; left -= n) {

        n = ngx_min(piece, left);
        last = ngx_cpymem(last, text->data + text->len - left, n);

        rc = ngx_paygw_response_read(r, last, 0, &err);

        if (rc != NGX_AGAIN) {
            must(rc == NGX_OK || (rc == NGX_ABORT && err));
            return rc;
        }
    }

    rc = ngx_paygw_response_read(r, last, 1, &err);

    must(rc == NGX_OK || (rc == NGX_ABORT && err));

    return rc;
}


/* the raw bytes of a member are those of its value */

static void
fuzz_response_raw(ngx_pool_t *pool, ngx_str_t *input)
{
    char              *err;
    ngx_int_t          rc;
    ngx_str_t          text, raw;
    ngx_paygw_json_t  *root, *value, *again;

    text = fuzz_copy(pool, input);

    if (ngx_paygw_json_parse(pool, &text, &root, &err) != NGX_OK) {
        return;
    }

    rc = ngx_paygw_json_raw(&text, "a", &raw);
    value = ngx_paygw_json_get(root, "a");

    if (rc != NGX_OK) {
        must(rc == NGX_DECLINED && raw.data == NULL);
        return;
    }

    must(value != NULL && raw.len != 0);
    must(raw.data >= text.data
         && raw.data + raw.len <= text.data + text.len);

    raw = fuzz_copy(pool, &raw);

    must(ngx_paygw_json_parse(pool, &raw, &again, &err) == NGX_OK);
    must(again->type == value->type);
    must(again->value.len == value->value.len);
    must(value->value.len == 0
         || ngx_memcmp(again->value.data, value->value.data,
                       value->value.len)
            == 0);
}
