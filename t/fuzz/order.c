
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_json.h"


/* What targets share that make answers to orders, and look at what is told. */


/* nobody is told of money without how much it is */

void
fuzz_order_told(ngx_paygw_order_t *o, ngx_paygw_channel_t *ch)
{
    if (o->code != NGX_PAYGW_CODE_OK
        || o->told.outcome != NGX_PAYGW_OUTCOME_SUCCESS)
    {
        return;
    }

    switch (o->op) {

    case NGX_PAYGW_OP_CREATE:
        must(o->method == NGX_PAYGW_METHOD_BARCODE
             && o->told.amount == o->amount);
        break;

    case NGX_PAYGW_OP_QUERY:
        must(o->told.amount > 0 && o->told.trade_no.len
             && o->told.currency.len);
        break;

    case NGX_PAYGW_OP_REFUND:
        must(o->told.refund_amount == o->refund_amount);
        break;

    case NGX_PAYGW_OP_REFUND_QUERY:

        /* Alipay may say only that it is done */

        must(o->told.refund_amount > 0
             || (o->told.refund_amount == -1
                 && ch->provider == &ngx_paygw_alipay));
        break;

    default:
        must(0);
    }
}


/* strict JSON of four members, whatever was told */

void
fuzz_order_answer(ngx_pool_t *pool, ngx_paygw_order_t *o,
    ngx_paygw_channel_t *ch)
{
    char              *err;
    ngx_str_t          id, text, code;
    ngx_uint_t         n;
    ngx_paygw_json_t  *root, *m;

    ngx_str_set(&id, "0123456789abcdef0123456789abcdef");

    must(ngx_paygw_order_write(pool, o, ch, &id, &text) == NGX_OK);
    must(ngx_paygw_json_parse(pool, &text, &root, &err) == NGX_OK);

    n = 0;

    for (m = root->child; m; m = m->next) {
        n++;
    }

    must(n == 4);
    must(ngx_paygw_json_get(root, "data")->type == NGX_PAYGW_JSON_OBJECT);
    must(ngx_paygw_json_get_string(root, "code", &code) == NGX_OK);
    must(ngx_paygw_order_same(&code, (ngx_str_t *)
                                     &ngx_paygw_codes[o->code].name));
}


/* the string to sign of sorted fields, for a key without what is empty */

ngx_str_t
fuzz_fields_text(ngx_pool_t *pool, ngx_paygw_form_t *form, const char *key)
{
    ngx_str_t   text, eq, amp, last;
    ngx_uint_t  i;

    ngx_str_set(&eq, "=");
    ngx_str_set(&amp, "&");
    ngx_str_null(&text);

    for (i = 0; i < form->nfields; i++) {

        if (key && form->fields[i].value.len == 0) {
            continue;
        }

        text = fuzz_join(pool, &text, text.len ? &amp : &text,
                         &form->fields[i].name, &eq, &form->fields[i].value,
                         NULL);
    }

    if (key == NULL) {
        return text;
    }

    ngx_str_set(&eq, "&key=");
    last.data = (u_char *) key;
    last.len = ngx_strlen(key);

    return fuzz_join(pool, &text, &eq, &last, NULL);
}


ngx_str_t
fuzz_fields_hash(ngx_pool_t *pool, const EVP_MD *md, ngx_str_t *text,
    ngx_uint_t upper)
{
    u_char        digest[EVP_MAX_MD_SIZE];
    ngx_str_t     hex;
    ngx_uint_t    i;
    unsigned int  len;

    must(EVP_Digest(text->data, text->len, digest, &len, md, NULL) == 1);

    hex.len = 2 * len;
    hex.data = ngx_pnalloc(pool, hex.len);
    must(hex.data != NULL);

    (void) ngx_hex_dump(hex.data, digest, len);

    for (i = 0; upper && i < hex.len; i++) {
        hex.data[i] = ngx_toupper(hex.data[i]);
    }

    return hex;
}


ngx_str_t
fuzz_fields_secret(ngx_pool_t *pool, ngx_str_t *text, const char *key)
{
    ngx_str_t  amp, secret;

    ngx_str_set(&amp, "&");
    secret.data = (u_char *) key;
    secret.len = ngx_strlen(key);

    secret = fuzz_fields_hash(pool, EVP_sha256(), &secret, 0);
    secret = fuzz_join(pool, text, &amp, &secret, NULL);

    return fuzz_fields_hash(pool, EVP_sha256(), &secret, 0);
}


void
fuzz_fields_without(ngx_paygw_form_t *form, const char *name)
{
    ngx_uint_t  i, k;

    for (i = 0, k = 0; i < form->nfields; i++) {
        if (!fuzz_is(&form->fields[i].name, name)) {
            form->fields[k++] = form->fields[i];
        }
    }

    form->nfields = k;
    form->sorted = 0;
}
