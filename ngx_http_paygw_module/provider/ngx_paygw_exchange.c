
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_exchange.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_text.h"


/* of a text of the provider's that nobody has signed, for the log */
#define NGX_PAYGW_EXCHANGE_WORD   64

/* letters of an idempotency key that is made here */
#define NGX_PAYGW_EXCHANGE_NONCE  32


static ngx_int_t ngx_paygw_exchange_key_made(ngx_paygw_exchange_t *x,
    ngx_str_t *key);
static ngx_int_t ngx_paygw_exchange_key_of(ngx_paygw_exchange_t *x,
    ngx_str_t *asked, ngx_str_t *key);


#define NGX_PAYGW_EXCHANGE_PREFIX  "paygw-"


#define ngx_paygw_exchange_status_busy(status)                                \
    ((status) >= 500 || (status) == 408 || (status) == 429)


ngx_int_t
ngx_paygw_exchange_add(ngx_paygw_exchange_t *x, const char *name,
    const char *lowcase, ngx_str_t *value)
{
    ngx_paygw_exchange_field_t  *f;

    if (x->nfields == NGX_PAYGW_EXCHANGE_FIELDS) {
        return NGX_ERROR;
    }

    f = &x->fields[x->nfields++];

    f->name.data = (u_char *) name;
    f->name.len = ngx_strlen(name);
    f->lowcase = (u_char *) lowcase;
    f->value = *value;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_exchange_sign(const ngx_paygw_scheme_t *scheme,
    ngx_paygw_key_t *key, ngx_str_t *parts, ngx_uint_t nparts,
    ngx_str_t *base64, ngx_pool_t *pool, ngx_log_t *log)
{
    ngx_str_t  sig;

    if (ngx_paygw_sign(scheme, key, parts, nparts, &sig, pool, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    base64->data = ngx_pnalloc(pool, ngx_base64_encoded_length(sig.len));
    if (base64->data == NULL) {
        return NGX_ERROR;
    }

    ngx_encode_base64(base64, &sig);

    return NGX_OK;
}


ngx_int_t
ngx_paygw_exchange_nonce(u_char *p, size_t n)
{
    size_t  i;

    static const u_char  letters[] = "0123456789abcdefghijklmnopqrstuv";

    if (ngx_paygw_random(p, n) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        p[i] = letters[p[i] % 32];
    }

    return NGX_OK;
}


/*
 * The caller's own, so that a repetition of its is one at the provider, too;
 * or one for this call, so that it can be sent again.
 */

ngx_int_t
ngx_paygw_exchange_key(ngx_paygw_exchange_t *x, ngx_str_t *asked,
    ngx_str_t *key)
{
    if (asked->len == 0) {
        return ngx_paygw_exchange_key_made(x, key);
    }

    if (x->merchant.len) {
        return ngx_paygw_exchange_key_of(x, asked, key);
    }

    *key = *asked;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_exchange_key_made(ngx_paygw_exchange_t *x, ngx_str_t *key)
{
    u_char  *p;

    key->len = sizeof(NGX_PAYGW_EXCHANGE_PREFIX) - 1
               + NGX_PAYGW_EXCHANGE_NONCE;
    key->data = ngx_pnalloc(x->n.pool, key->len);

    if (key->data == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    p = ngx_cpymem(key->data, NGX_PAYGW_EXCHANGE_PREFIX,
                   sizeof(NGX_PAYGW_EXCHANGE_PREFIX) - 1);

    if (ngx_paygw_exchange_nonce(p, NGX_PAYGW_EXCHANGE_NONCE) != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    return NGX_OK;
}


/* one account may be used by many, and no one may find another's answers */

static ngx_int_t
ngx_paygw_exchange_key_of(ngx_paygw_exchange_t *x, ngx_str_t *asked,
    ngx_str_t *key)
{
    u_char     *p, digest[NGX_PAYGW_SHA256_LEN];
    ngx_str_t   parts[3];

    parts[0] = x->merchant;
    ngx_str_set(&parts[1], ":");
    parts[2] = *asked;

    if (ngx_paygw_sha256(parts, 3, digest) != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    key->len = sizeof(NGX_PAYGW_EXCHANGE_PREFIX) - 1 + 2 * sizeof(digest);
    key->data = ngx_pnalloc(x->n.pool, key->len);

    if (key->data == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    p = ngx_cpymem(key->data, NGX_PAYGW_EXCHANGE_PREFIX,
                   sizeof(NGX_PAYGW_EXCHANGE_PREFIX) - 1);
    (void) ngx_hex_dump(p, digest, sizeof(digest));

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_exchange_among(const ngx_str_t *words, ngx_str_t *value)
{
    for ( /* void */ ; words->len; words++) {
        if (words->len == value->len
            && ngx_strncmp(words->data, value->data, value->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_paygw_exchange_broken(ngx_paygw_exchange_t *x)
{
    return ngx_paygw_refuse(&x->n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                            NULL);
}


ngx_int_t
ngx_paygw_exchange_wrong(ngx_paygw_exchange_t *x, const char *hint)
{
    return ngx_paygw_refuse(&x->n, NGX_DECLINED, NGX_PAYGW_REASON_MALFORMED,
                            hint);
}


ngx_uint_t
ngx_paygw_exchange_method(ngx_paygw_exchange_t *x, const char *method)
{
    return x->in.method.len == ngx_strlen(method)
           && ngx_strncmp(x->in.method.data, method, x->in.method.len) == 0;
}


ngx_uint_t
ngx_paygw_exchange_type(ngx_paygw_exchange_t *x, const char *type)
{
    size_t  len;

    len = ngx_strlen(type);

    return x->type.len >= len
           && ngx_strncasecmp(x->type.data, (u_char *) type, len) == 0
           && (x->type.len == len || x->type.data[len] == ';'
               || x->type.data[len] == ' ');
}


ngx_int_t
ngx_paygw_exchange_about(ngx_paygw_exchange_t *x, ngx_paygw_form_t *asked,
    ngx_paygw_form_t *told, const ngx_paygw_exchange_pair_t *p)
{
    ngx_str_t  *a, *b;

    for ( /* void */ ; p->asked; p++) {

        a = ngx_paygw_fields_value(asked, p->asked);
        b = ngx_paygw_fields_value(told, p->told);

        if (a && b
            && (a->len != b->len
                || (a->len
                    && ngx_strncmp(a->data, b->data, a->len) != 0)))
        {
            return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                         NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                         "answer is about another %s",
                                         p->asked);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_exchange_hidden(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form,
    const ngx_str_t *names, const ngx_str_t *words)
{
    const ngx_str_t  *name;

    name = ngx_paygw_hidden(form, names, words);

    if (name == NULL) {
        return NGX_OK;
    }

    return ngx_paygw_refuse_with(&x->n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                 "the value of \"%V\" hides another field",
                                 name);
}


ngx_int_t
ngx_paygw_exchange_unsigned(ngx_paygw_exchange_t *x,
    const ngx_paygw_code_word_t *words, ngx_str_t *code, ngx_str_t *detail)
{
    const char  *ours;

    static ngx_str_t  none = ngx_null_string;

    /* nothing but how trouble is counted hangs on it */

    x->blamed = code->len && !ngx_paygw_exchange_status_busy(x->status)
                && !ngx_paygw_code_find(words, code, 0)->ill;

    if (!ngx_paygw_visible(code, NGX_PAYGW_EXCHANGE_WORD)) {
        code = &none;
    }

    if (!ngx_paygw_visible(detail, NGX_PAYGW_EXCHANGE_WORD)) {
        detail = &none;
    }

    ours = x->ours;
    x->ours = NULL;

    return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                 NGX_PAYGW_REASON_SIGNATURE,
                                 "%s%s%sanswer is not signed%s%V%s%V",
                                 ours ? "it refuses our signature, look at "
                                 : x->status >= 500
                                 ? "trouble there, or of something before it"
                                 : "",
                                 ours ? ours : "",
                                 ours || x->status >= 500 ? ": " : "",
                                 code->len ? ", code " : "", code,
                                 detail->len ? ", " : "", detail);
}


ngx_uint_t
ngx_paygw_exchange_is(ngx_str_t *word, const char *is)
{
    return word->len == ngx_strlen(is)
           && ngx_strncmp(word->data, is, word->len) == 0;
}


void
ngx_paygw_exchange_busy(ngx_paygw_exchange_t *x, ngx_uint_t ill)
{
    x->busy = ill || ngx_paygw_exchange_status_busy(x->status);
    x->again = x->busy && x->repeat != NGX_PAYGW_REPEAT_NEVER;
}


void
ngx_paygw_exchange_word(ngx_paygw_exchange_t *x,
    const ngx_paygw_code_word_t *words, ngx_str_t *value)
{
    const ngx_paygw_code_word_t  *w;

    w = value ? ngx_paygw_code_find(words, value, 0) : NULL;

    x->open = w && ngx_paygw_codes[w->code].again;

    ngx_paygw_exchange_busy(x, w && w->ill);
}
