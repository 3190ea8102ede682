
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_json.h"


/*
 * Strings of a JSON text replaced: the first line has pointers with a space
 * between them, the rest is the text.  Whatever is put in, what comes out is
 * JSON with the same number of values, and what is put back is there again.
 */


#define FUZZ_POINTERS  8


typedef struct {
    ngx_pool_t  *pool;
    ngx_str_t    prefix;
    ngx_uint_t   count;
    ngx_uint_t   back;       /* take the prefix away */
    ngx_uint_t   keep;       /* say that it stays */
} fuzz_edit_t;


static ngx_int_t fuzz_handler(ngx_paygw_json_edit_t *edit, ngx_str_t *old,
    ngx_str_t *made);
static ngx_uint_t fuzz_values(ngx_paygw_json_t *node);
static ngx_uint_t fuzz_same(ngx_paygw_json_t *a, ngx_paygw_json_t *b);


void
fuzz_init(void)
{
    /* nothing is needed */
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    char                   *err;
    u_char                 *p, *last;
    ngx_str_t               line, text, out, again, *pointer;
    fuzz_edit_t             ctx;
    ngx_array_t             pointers;
    ngx_paygw_json_t       *root, *edited, *back;
    ngx_paygw_json_edit_t   edit;

    line = fuzz_line(pool, input);
    text = fuzz_copy(pool, input);

    if (ngx_array_init(&pointers, pool, FUZZ_POINTERS, sizeof(ngx_str_t))
        != NGX_OK
        || ngx_paygw_json_parse(pool, &text, &root, &err) != NGX_OK)
    {
        return;
    }

    last = line.data + line.len;

    for (p = line.data; p < last && pointers.nelts < FUZZ_POINTERS; p++) {

        if (*p != '/') {
            return;
        }

        pointer = ngx_array_push(&pointers);
        must(pointer != NULL);

        pointer->data = p;

        while (p < last && *p != ' ') {
            p++;
        }

        pointer->len = p - pointer->data;
    }

    ngx_memzero(&ctx, sizeof(fuzz_edit_t));
    ctx.pool = pool;
    ngx_str_set(&ctx.prefix, "\"\\\n\x01</\xe6\x94\xaf");

    edit.handler = fuzz_handler;
    edit.data = &ctx;

    /* what stays is the text as it was, byte by byte */

    ctx.keep = 1;
    must(ngx_paygw_json_edit(pool, &text, &pointers, &edit, &out) == NGX_OK);
    must(out.len == text.len
         && ngx_memcmp(out.data, text.data, out.len) == 0);

    ctx.keep = 0;
    ctx.count = 0;
    must(ngx_paygw_json_edit(pool, &text, &pointers, &edit, &out) == NGX_OK);
    must(ngx_paygw_json_parse(pool, &out, &edited, &err) == NGX_OK);
    must(fuzz_values(edited) == fuzz_values(root));
    must(ctx.count || out.len == text.len);
    must(ctx.count == 0 || !fuzz_same(root, edited));

    ctx.back = 1;
    must(ngx_paygw_json_edit(pool, &out, &pointers, &edit, &again) == NGX_OK);
    must(ngx_paygw_json_parse(pool, &again, &back, &err) == NGX_OK);
    must(fuzz_same(root, back));
}


static ngx_int_t
fuzz_handler(ngx_paygw_json_edit_t *edit, ngx_str_t *old, ngx_str_t *made)
{
    fuzz_edit_t  *ctx = edit->data;

    if (ctx->keep) {
        return NGX_DONE;
    }

    ctx->count++;

    if (!ctx->back) {
        *made = fuzz_join(ctx->pool, &ctx->prefix, old, NULL);
        return NGX_OK;
    }

    must(old->len >= ctx->prefix.len
         && ngx_memcmp(old->data, ctx->prefix.data, ctx->prefix.len) == 0);

    made->data = old->data + ctx->prefix.len;
    made->len = old->len - ctx->prefix.len;

    return NGX_OK;
}


static ngx_uint_t
fuzz_values(ngx_paygw_json_t *node)
{
    ngx_uint_t         n;
    ngx_paygw_json_t  *m;

    n = 1;

    for (m = node->child; m; m = m->next) {
        n += fuzz_values(m);
    }

    return n;
}


static ngx_uint_t
fuzz_same(ngx_paygw_json_t *a, ngx_paygw_json_t *b)
{
    ngx_paygw_json_t  *m, *n;

    if (a->type != b->type || a->value.len != b->value.len
        || (a->value.len
            && ngx_memcmp(a->value.data, b->value.data, a->value.len) != 0)
        || a->key.len != b->key.len
        || (a->key.len
            && ngx_memcmp(a->key.data, b->key.data, a->key.len) != 0))
    {
        return 0;
    }

    for (m = a->child, n = b->child; m && n; m = m->next, n = n->next) {
        if (!fuzz_same(m, n)) {
            return 0;
        }
    }

    return m == NULL && n == NULL;
}
