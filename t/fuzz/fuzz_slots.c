
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_slots.h"


/*
 * What a Redis cluster says: the first byte chooses between a redirect, the
 * map of slots, and a key.
 */


typedef struct {
    ngx_str_t    bytes;
    ngx_uint_t   ranges;
} fuzz_slots_t;


static void fuzz_redirect(ngx_pool_t *pool, ngx_str_t *text);
static void fuzz_map(ngx_pool_t *pool, ngx_str_t *text);
static void fuzz_range(void *data, ngx_paygw_slots_range_t *range);
static void fuzz_host(ngx_str_t *host, ngx_str_t *within, ngx_uint_t port);


void
fuzz_init(void)
{
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    u_char     kind;
    ngx_str_t  text, tagged;

    if (input->len == 0) {
        return;
    }

    kind = input->data[0];

    input->data++;
    input->len--;

    text = fuzz_copy(pool, input);

    if (kind == '*' || kind == '-') {
        fuzz_map(pool, &text);
        return;
    }

    if (kind == 'R') {
        fuzz_redirect(pool, &text);
        return;
    }

    must(ngx_paygw_slots_key(&text) < NGX_PAYGW_SLOTS);

    /* what is in the first braces is all that counts */

    if (text.len && ngx_strlchr(text.data, text.data + text.len, '}') == NULL
        && ngx_strlchr(text.data, text.data + text.len, '{') == NULL)
    {
        tagged.len = text.len + 10;
        tagged.data = ngx_pnalloc(pool, tagged.len);
        must(tagged.data != NULL);

        (void) ngx_sprintf(tagged.data, "a}b{%V}:{c}", &text);

        must(ngx_paygw_slots_key(&tagged) == ngx_paygw_slots_key(&text));
    }
}


static void
fuzz_redirect(ngx_pool_t *pool, ngx_str_t *text)
{
    u_char                      *p;
    ngx_str_t                    again;
    ngx_paygw_slots_redirect_t   to;

    if (ngx_paygw_slots_redirect(text, &to) != NGX_OK) {
        return;
    }

    must(to.slot < NGX_PAYGW_SLOTS && to.ask <= 1);

    fuzz_host(&to.host, text, to.port);

    /* written again it is the same, but for zeros before a number */

    p = ngx_pnalloc(pool, text->len + 64);
    must(p != NULL);

    again.data = p;
    again.len = ngx_sprintf(p, "%s %ui %V:%ui", to.ask ? "ASK" : "MOVED",
                            to.slot, &to.host, to.port)
                - p;

    must(again.len <= text->len);

    if (again.len == text->len) {
        must(ngx_memcmp(again.data, text->data, text->len) == 0);
    }
}


static void
fuzz_map(ngx_pool_t *pool, ngx_str_t *text)
{
    u_char        *p;
    size_t         used, n;
    ngx_int_t      rc;
    fuzz_slots_t   slots;

    /* the first byte again, so that the rest of it is the reply */

    p = ngx_pnalloc(pool, text->len + 1);
    must(p != NULL);

    p[0] = '*';
    ngx_memcpy(p + 1, text->data, text->len);

    slots.bytes.data = p;
    slots.bytes.len = text->len + 1;
    slots.ranges = 0;

    used = 0;

    rc = ngx_paygw_slots_map(p, slots.bytes.len, &used, fuzz_range, &slots);

    must(rc == NGX_OK || rc == NGX_AGAIN || rc == NGX_ERROR);

    if (rc != NGX_OK) {
        must(slots.ranges == 0);
        return;
    }

    must(used > 0 && used <= slots.bytes.len);

    /* it is complete, and no byte less of it is */

    n = slots.ranges;
    slots.ranges = 0;
    slots.bytes.len = used;

    must(ngx_paygw_slots_map(p, used, &used, fuzz_range, &slots) == NGX_OK);
    must(slots.ranges == n && used == slots.bytes.len);

    slots.ranges = 0;

    must(ngx_paygw_slots_map(p, used - 1, &used, fuzz_range, &slots)
         == NGX_AGAIN);
    must(slots.ranges == 0);
}


static void
fuzz_range(void *data, ngx_paygw_slots_range_t *range)
{
    fuzz_slots_t *slots = data;

    slots->ranges++;

    must(range->first <= range->last && range->last < NGX_PAYGW_SLOTS);

    if (range->port) {
        fuzz_host(&range->host, &slots->bytes, range->port);
    }
}


/* nothing that could be taken for something else, in a log or by a resolver */

static void
fuzz_host(ngx_str_t *host, ngx_str_t *within, ngx_uint_t port)
{
    u_char  c, *p;

    must(port >= 1 && port <= 65535);
    must(host->len <= NGX_PAYGW_SLOTS_HOST);
    must(host->data >= within->data
         && host->data + host->len <= within->data + within->len);

    for (p = host->data; p < host->data + host->len; p++) {
        c = *p;

        must((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
             || (c >= '0' && c <= '9') || c == '.' || c == ':' || c == '-'
             || c == '_');
    }
}
