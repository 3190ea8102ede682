
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_sensitive.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_json.h"
#include "ngx_paygw_text.h"


typedef struct {
    ngx_paygw_exchange_t        *x;
    ngx_paygw_key_t             *key;
} ngx_paygw_sensitive_ctx_t;


static ngx_int_t ngx_paygw_sensitive_seal_one(ngx_paygw_json_edit_t *edit,
    ngx_str_t *old, ngx_str_t *made);
static ngx_int_t ngx_paygw_sensitive_open_one(ngx_paygw_json_edit_t *edit,
    ngx_str_t *old, ngx_str_t *made);


char *
ngx_paygw_sensitive_pointers(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_array_t **list, ngx_str_t *args, ngx_uint_t nargs)
{
    u_char      c, last;
    size_t      k;
    ngx_uint_t  i;

    for (i = 0; i < nargs; i++) {

        last = '\0';

        for (k = 0; k < args[i].len; k++) {
            c = args[i].data[k];

            /* "*" stands alone between slashes */

            if ((k == 0 && c != '/') || (c == '/' && last == '/')
                || (c == '*' && last != '/') || (last == '*' && c != '/')
                || !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                     || (c >= '0' && c <= '9') || c == '_' || c == '-'
                     || c == '/' || c == '*'))
            {
                break;
            }

            last = c;
        }

        if (k < args[i].len || k < 2 || last == '/') {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%s\" of channel \"%V\": \"%V\", it "
                               "must be a pointer as /payer/name, with * for "
                               "each element of a list",
                               name, &ch->name, &args[i]);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_paygw_channel_list(cf, ch, list, args, nargs);
}


ngx_int_t
ngx_paygw_sensitive_seal(ngx_paygw_exchange_t *x, ngx_array_t *list,
    ngx_paygw_key_t *key)
{
    char                       *err;
    ngx_int_t                   rc;
    ngx_paygw_json_t           *root;
    ngx_paygw_json_edit_t       edit;
    ngx_paygw_sensitive_ctx_t   ctx;

    rc = ngx_paygw_json_parse(x->n.pool, &x->body, &root, &err);

    if (rc == NGX_ERROR) {
        return ngx_paygw_exchange_broken(x);
    }

    /* what cannot be read might hold what must not be sent as it is */

    if (rc != NGX_OK || root->type != NGX_PAYGW_JSON_OBJECT) {
        return ngx_paygw_exchange_wrong(x, "the body is not a JSON object");
    }

    ctx.x = x;
    ctx.key = key;

    edit.handler = ngx_paygw_sensitive_seal_one;
    edit.data = &ctx;

    rc = ngx_paygw_json_edit(x->n.pool, &x->body, list, &edit, &x->body);

    return (rc == NGX_ERROR) ? ngx_paygw_exchange_broken(x) : rc;
}


static ngx_int_t
ngx_paygw_sensitive_seal_one(ngx_paygw_json_edit_t *edit, ngx_str_t *old,
    ngx_str_t *made)
{
    ngx_paygw_sensitive_ctx_t *ctx = edit->data;

    if (old->len == 0) {
        return NGX_DONE;
    }

    if (ctx->key == NULL) {
        return ngx_paygw_refuse(&ctx->x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_UNKNOWN_KEY,
                                "there is no key yet to encrypt with");
    }

    return ngx_paygw_sensitive_value(ctx->x, ctx->key, NGX_PAYGW_SEAL_OAEP,
                                     "encrypt_fields", old, made);
}


ngx_int_t
ngx_paygw_sensitive_value(ngx_paygw_exchange_t *x, ngx_paygw_key_t *key,
    ngx_paygw_seal_e padding, const char *name, ngx_str_t *value,
    ngx_str_t *out)
{
    ngx_int_t  rc;
    ngx_str_t  sealed;

    rc = ngx_paygw_seal(x->n.pool, key, padding, value, &sealed);

    if (rc == NGX_DECLINED) {
        return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "a value of %s is too long to be "
                                     "encrypted", name);
    }

    if (rc != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    out->data = ngx_pnalloc(x->n.pool, ngx_base64_encoded_length(sealed.len));
    if (out->data == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    ngx_encode_base64(out, &sealed);

    return NGX_OK;
}


ngx_int_t
ngx_paygw_sensitive_open(ngx_paygw_exchange_t *x, ngx_array_t *list,
    ngx_paygw_key_t *key, ngx_str_t *text)
{
    ngx_paygw_json_edit_t       edit;
    ngx_paygw_sensitive_ctx_t   ctx;

    ctx.x = x;
    ctx.key = key;

    edit.handler = ngx_paygw_sensitive_open_one;
    edit.data = &ctx;

    if (ngx_paygw_json_edit(x->n.pool, text, list, &edit, text) != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_sensitive_open_one(ngx_paygw_json_edit_t *edit, ngx_str_t *old,
    ngx_str_t *made)
{
    ngx_int_t                   rc;
    ngx_paygw_sensitive_ctx_t  *ctx = edit->data;

    if (old->len == 0) {
        return NGX_DONE;
    }

    rc = ngx_paygw_sensitive_opened(ctx->x, ctx->key, NGX_PAYGW_SEAL_OAEP,
                                    old, made);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, ctx->x->n.log, 0,
                      "a value of \"decrypt_fields\" of channel \"%V\" is "
                      "not encrypted for its key, it is passed on as it is",
                      &ctx->x->n.channel->name);
        return NGX_DONE;
    }

    return rc;
}


ngx_int_t
ngx_paygw_sensitive_opened(ngx_paygw_exchange_t *x, ngx_paygw_key_t *key,
    ngx_paygw_seal_e padding, ngx_str_t *value, ngx_str_t *out)
{
    size_t     i;
    ngx_int_t  rc;
    ngx_str_t  sealed;

    rc = ngx_paygw_base64_decode(x->n.pool, &sealed, value);

    if (rc == NGX_OK) {
        rc = ngx_paygw_unseal(x->n.pool, key, padding, &sealed, out);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK || !ngx_paygw_utf8_valid(out)) {
        return NGX_DECLINED;
    }

    /* of a wrong key newer OpenSSL makes random bytes */

    for (i = 0; i < out->len; i++) {
        if (out->data[i] < 0x20) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}
