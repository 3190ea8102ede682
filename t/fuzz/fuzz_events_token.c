
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_token.h"

#include <openssl/hmac.h>


/*
 * The token of a URL of events: scope, id and token, a line each.  A "$" in the
 * token is what OpenSSL makes of all before it, and so is what it is compared
 * with: a token is taken if, and only if, it is what a key makes of its time,
 * which is not over.
 */


#define FUZZ_NOW    1700000000
#define FUZZ_MAC    43


static const char  *fuzz_keys[][2] = {
    { "k2", "an events secret of a test" },
    { "k1", "an older secret of the same test" },
};


static ngx_array_t  fuzz_array;


static ngx_str_t fuzz_token_signed(ngx_pool_t *pool, ngx_str_t *scope,
    ngx_str_t *id, ngx_str_t *token);
static ngx_uint_t fuzz_token_good(ngx_pool_t *pool, ngx_str_t *scope,
    ngx_str_t *id, ngx_str_t *token, time_t *until);
static ngx_str_t fuzz_token_mac(ngx_pool_t *pool, ngx_str_t *scope,
    ngx_str_t *id, ngx_str_t *head, const char *secret);
static void fuzz_token_made(ngx_pool_t *pool, ngx_str_t *scope,
    ngx_str_t *id);


void
fuzz_init(void)
{
    ngx_uint_t              i;
    ngx_paygw_token_key_t  *key;

    must(ngx_array_init(&fuzz_array, fuzz_cf->pool, 2,
                        sizeof(ngx_paygw_token_key_t))
         == NGX_OK);

    for (i = 0; i < 2; i++) {
        key = ngx_array_push(&fuzz_array);
        must(key != NULL);

        key->id.data = (u_char *) fuzz_keys[i][0];
        key->id.len = ngx_strlen(fuzz_keys[i][0]);
        key->secret.data = (u_char *) fuzz_keys[i][1];
        key->secret.len = ngx_strlen(fuzz_keys[i][1]);

        must(ngx_paygw_hmac_key(&key->hmac, &key->secret) == NGX_OK);
    }
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    time_t      until, want;
    ngx_int_t   rc;
    ngx_str_t   scope, id, token;
    ngx_uint_t  good;

    scope = fuzz_line(pool, input);
    id = fuzz_line(pool, input);
    token = fuzz_token_signed(pool, &scope, &id, input);

    until = 0;
    want = 0;

    rc = ngx_paygw_token_check(&fuzz_array, &scope, &id, &token, FUZZ_NOW,
                               &until);

    must(rc == NGX_OK || rc == NGX_ABORT);

    good = fuzz_token_good(pool, &scope, &id, &token, &want);

    must((rc == NGX_OK) == good);
    must(until == want);

    fuzz_token_made(pool, &scope, &id);
}


/* the first "$" is the MAC of KEY.UNTIL, which stand before it */

static ngx_str_t
fuzz_token_signed(ngx_pool_t *pool, ngx_str_t *scope, ngx_str_t *id,
    ngx_str_t *token)
{
    u_char     *p, *last;
    ngx_str_t   head, mac, tail;

    last = token->data + token->len;
    p = ngx_strlchr(token->data, last, '$');

    if (p == NULL) {
        return fuzz_copy(pool, token);
    }

    head.data = token->data;
    head.len = p - head.data;

    tail.data = p + 1;
    tail.len = last - tail.data;

    mac = fuzz_token_mac(pool, scope, id, &head,
                         fuzz_keys[head.len > 1 && head.data[1] == '1'][1]);

    return fuzz_join(pool, &head, &mac, &tail, NULL);
}


static ngx_uint_t
fuzz_token_good(ngx_pool_t *pool, ngx_str_t *scope, ngx_str_t *id,
    ngx_str_t *token, time_t *until)
{
    size_t      digits, i;
    int64_t     end;
    ngx_str_t   head, mac;
    ngx_uint_t  k;

    if (token->len < 3 + 1 + 1 + FUZZ_MAC) {
        return 0;
    }

    head.data = token->data;
    head.len = token->len - FUZZ_MAC;

    digits = head.len - 4;

    if (head.data[head.len - 1] != '.' || digits > 12) {
        return 0;
    }

    end = 0;

    for (i = 0; i < digits; i++) {

        if (head.data[3 + i] < '0' || head.data[3 + i] > '9') {
            return 0;
        }

        end = end * 10 + (head.data[3 + i] - '0');
    }

    if (end <= FUZZ_NOW) {
        return 0;
    }

    for (k = 0; k < 2; k++) {

        if (ngx_memcmp(head.data, fuzz_keys[k][0], 2) != 0
            || head.data[2] != '.')
        {
            continue;
        }

        mac = fuzz_token_mac(pool, scope, id, &head, fuzz_keys[k][1]);

        if (ngx_memcmp(head.data + head.len, mac.data, FUZZ_MAC) == 0) {
            *until = end;
            return 1;
        }
    }

    return 0;
}


/* of KEY.UNTIL, with a point behind it or not */

static ngx_str_t
fuzz_token_mac(ngx_pool_t *pool, ngx_str_t *scope, ngx_str_t *id,
    ngx_str_t *head, const char *secret)
{
    u_char        out[32], *p;
    ngx_str_t     text, lf, name, until, raw, mac;
    unsigned int  len;

    ngx_str_set(&name, "paygw-events");
    ngx_str_set(&lf, "\n");

    until = *head;

    p = ngx_strlchr(head->data, head->data + head->len, '.');

    if (p) {
        until.data = p + 1;
        until.len = head->data + head->len - until.data;
    }

    if (until.len && until.data[until.len - 1] == '.') {
        until.len--;
    }

    text = fuzz_join(pool, &name, &lf, scope, &lf, id, &lf, &until, NULL);

    must(HMAC(EVP_sha256(), secret, strlen(secret), text.data, text.len, out,
              &len)
         != NULL);

    raw.data = out;
    raw.len = len;

    mac.data = ngx_palloc(pool, ngx_base64_encoded_length(raw.len));
    must(mac.data != NULL);

    ngx_encode_base64url(&mac, &raw);

    must(mac.len == FUZZ_MAC);

    return mac;
}


/* what is made is taken, of this order alone */

static void
fuzz_token_made(ngx_pool_t *pool, ngx_str_t *scope, ngx_str_t *id)
{
    time_t     until, end;
    ngx_str_t  token, other, x;

    ngx_str_set(&x, "x");

    end = FUZZ_NOW + 60;
    until = 0;

    must(ngx_paygw_token_make(pool, &fuzz_array, scope, id, end, &token)
         == NGX_OK);

    must(ngx_paygw_token_check(&fuzz_array, scope, id, &token, FUZZ_NOW,
                               &until)
         == NGX_OK);
    must(until == end);

    must(ngx_paygw_token_check(&fuzz_array, scope, id, &token, end, &until)
         == NGX_ABORT);

    other = fuzz_join(pool, id, &x, NULL);

    must(ngx_paygw_token_check(&fuzz_array, scope, &other, &token, FUZZ_NOW,
                               &until)
         == NGX_ABORT);
}
