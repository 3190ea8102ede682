
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_answer.h"
#include "ngx_paygw_idem.h"


/*
 * The key of a call, and an answer that was kept.  The first byte says which:
 * "k", or anything else.
 */


static void fuzz_idem_key(ngx_pool_t *pool, ngx_str_t *field);
static void fuzz_idem_answer(ngx_pool_t *pool, ngx_str_t *text);


void
fuzz_init(void)
{
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t  text;

    if (input->len == 0) {
        return;
    }

    text.data = input->data + 1;
    text.len = input->len - 1;

    if (input->data[0] == 'k') {
        fuzz_idem_key(pool, &text);

    } else {
        fuzz_idem_answer(pool, &text);
    }
}


/* what was read, in quotes, is the same key */

static void
fuzz_idem_key(ngx_pool_t *pool, ngx_str_t *field)
{
    u_char      quoted[2 * NGX_PAYGW_IDEM_KEY_MAX + 2], *p;
    ngx_int_t   rc;
    ngx_str_t   key, again, text;
    ngx_uint_t  i;

    rc = ngx_paygw_idem_key(pool, field, &key);

    must(rc == NGX_OK || rc == NGX_ABORT);

    if (rc != NGX_OK) {
        return;
    }

    must(key.len >= 1 && key.len <= NGX_PAYGW_IDEM_KEY_MAX);

    p = quoted;
    *p++ = '"';

    for (i = 0; i < key.len; i++) {
        must(key.data[i] > ' ' && key.data[i] < 0x7f);

        if (key.data[i] == '"' || key.data[i] == '\\') {
            *p++ = '\\';
        }

        *p++ = key.data[i];
    }

    *p++ = '"';

    text.data = quoted;
    text.len = p - quoted;

    must(ngx_paygw_idem_key(pool, &text, &again) == NGX_OK);
    must(again.len == key.len);
    must(ngx_memcmp(again.data, key.data, key.len) == 0);
}


/* what was read is written as the same bytes */

static void
fuzz_idem_answer(ngx_pool_t *pool, ngx_str_t *text)
{
    u_char              *p, *out;
    ngx_int_t            rc;
    ngx_str_t            value;
    ngx_uint_t           i;
    ngx_paygw_answer_t   answer;

    rc = ngx_paygw_answer_read(pool, text, &answer);

    must(rc == NGX_OK || rc == NGX_ABORT);

    if (rc != NGX_OK) {
        return;
    }

    must(answer.status >= 200 && answer.status <= 599);

    for (i = 0; i < answer.nfields + answer.ntrailers; i++) {
        value = answer.fields[i].value;

        must(answer.fields[i].key.len != 0);
        must(ngx_strlchr(value.data, value.data + value.len, LF) == NULL);
        must(ngx_strlchr(value.data, value.data + value.len, CR) == NULL);
    }

    must(ngx_paygw_answer_size(&answer) == text->len);

    out = ngx_palloc(pool, text->len);
    must(out != NULL);

    p = ngx_paygw_answer_write(out, &answer);
    p = ngx_cpymem(p, answer.body.data, answer.body.len);

    must((size_t) (p - out) == text->len);
    must(ngx_memcmp(out, text->data, text->len) == 0);
}
