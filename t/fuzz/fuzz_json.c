
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_json.h"
#include "ngx_paygw_text.h"


static size_t fuzz_json_len(ngx_paygw_json_t *node);
static u_char *fuzz_json_write(u_char *p, ngx_paygw_json_t *node);
static void fuzz_json_same(ngx_paygw_json_t *a, ngx_paygw_json_t *b);
static void fuzz_json_check(ngx_paygw_json_t *node, ngx_uint_t depth);


void
fuzz_init(void)
{
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    char              *err;
    ngx_int_t          rc;
    ngx_str_t          text, again;
    ngx_paygw_json_t  *root, *copy;

    err = NULL;
    text = fuzz_copy(pool, input);

    rc = ngx_paygw_json_parse(pool, &text, &root, &err);

    if (rc != NGX_OK) {
        must(rc == NGX_ABORT && err != NULL);
        return;
    }

    must(root->next == NULL && root->key.len == 0);
    fuzz_json_check(root, 1);

    /* written and parsed anew it is the same */

    again.len = fuzz_json_len(root);
    again.data = ngx_pnalloc(pool, again.len);

    must(fuzz_json_write(again.data, root) == again.data + again.len);
    must(ngx_paygw_json_parse(pool, &again, &copy, &err) == NGX_OK);

    fuzz_json_same(root, copy);
}


static void
fuzz_json_check(ngx_paygw_json_t *node, ngx_uint_t depth)
{
    int64_t            n;
    ngx_str_t          value;
    ngx_uint_t         members;
    ngx_paygw_json_t  *child, *other;

    must(ngx_paygw_utf8_valid(&node->value));
    must(node->value.len == 0
         || ngx_strlchr(node->value.data,
                        node->value.data + node->value.len, '\0')
            == NULL);

    members = 0;

    for (child = node->child; child; child = child->next) {

        must(depth <= NGX_PAYGW_JSON_MAX_DEPTH);
        must(ngx_paygw_utf8_valid(&child->key));

        if (node->type == NGX_PAYGW_JSON_OBJECT) {
            must(++members <= NGX_PAYGW_JSON_MAX_MEMBERS);

            for (other = child->next; other; other = other->next) {
                must(other->key.len != child->key.len
                     || ngx_memcmp(other->key.data, child->key.data,
                                   child->key.len)
                        != 0);
            }

        } else {
            must(node->type == NGX_PAYGW_JSON_ARRAY && child->key.len == 0);
        }

        fuzz_json_check(child, depth + 1);
    }

    (void) ngx_paygw_json_get_string(node, "a", &value);

    if (ngx_paygw_json_get_integer(node, "a", &n) == NGX_OK) {
        must(n >= 0 && n <= 9007199254740991);
    }
}


static size_t
fuzz_json_len(ngx_paygw_json_t *node)
{
    size_t             len;
    ngx_paygw_json_t  *child;

    switch (node->type) {

    case NGX_PAYGW_JSON_NULL:
        return 4;

    case NGX_PAYGW_JSON_STRING:
        return ngx_paygw_json_string_len(&node->value);

    case NGX_PAYGW_JSON_BOOL:
    case NGX_PAYGW_JSON_NUMBER:
        return node->value.len;

    default:
        break;
    }

    len = 2;

    for (child = node->child; child; child = child->next) {

        if (node->type == NGX_PAYGW_JSON_OBJECT) {
            len += ngx_paygw_json_string_len(&child->key) + 1;
        }

        len += fuzz_json_len(child) + (child->next ? 1 : 0);
    }

    return len;
}


static u_char *
fuzz_json_write(u_char *p, ngx_paygw_json_t *node)
{
    ngx_paygw_json_t  *child;

    switch (node->type) {

    case NGX_PAYGW_JSON_NULL:
        return ngx_cpymem(p, "null", 4);

    case NGX_PAYGW_JSON_STRING:
        return ngx_paygw_json_write_string(p, &node->value,
                                      ngx_paygw_json_string_len(&node->value));

    case NGX_PAYGW_JSON_BOOL:
    case NGX_PAYGW_JSON_NUMBER:
        return ngx_cpymem(p, node->value.data, node->value.len);

    default:
        break;
    }

    *p++ = (node->type == NGX_PAYGW_JSON_OBJECT) ? '{' : '[';

    for (child = node->child; child; child = child->next) {

        if (node->type == NGX_PAYGW_JSON_OBJECT) {
            p = ngx_paygw_json_write_string(p, &child->key,
                                       ngx_paygw_json_string_len(&child->key));
            *p++ = ':';
        }

        p = fuzz_json_write(p, child);

        if (child->next) {
            *p++ = ',';
        }
    }

    *p++ = (node->type == NGX_PAYGW_JSON_OBJECT) ? '}' : ']';

    return p;
}


static void
fuzz_json_same(ngx_paygw_json_t *a, ngx_paygw_json_t *b)
{
    must(a->type == b->type);
    must(a->key.len == b->key.len && a->value.len == b->value.len);

    must(a->key.len == 0
         || ngx_memcmp(a->key.data, b->key.data, a->key.len) == 0);
    must(a->value.len == 0
         || ngx_memcmp(a->value.data, b->value.data, a->value.len) == 0);

    a = a->child;
    b = b->child;

    for ( /* void */ ; a && b; a = a->next, b = b->next) {
        fuzz_json_same(a, b);
    }

    must(a == NULL && b == NULL);
}
