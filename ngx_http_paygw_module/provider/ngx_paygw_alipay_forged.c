
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_explain.h"
#include "ngx_paygw_sign.h"
#include "ngx_paygw_text.h"


/* Why a callback is not genuine, as far as the message shows it. */


static ngx_int_t ngx_paygw_alipay_hint(ngx_paygw_notify_t *n,
    ngx_paygw_channel_t *ch, ngx_str_t *text, ngx_str_t *sig,
    ngx_paygw_key_t *key);
static char *ngx_paygw_alipay_charset_hint(ngx_paygw_alipay_ctx_t *ctx);
static ngx_int_t ngx_paygw_alipay_passback(ngx_paygw_notify_t *n,
    ngx_paygw_explain_t *ex);
static ngx_int_t ngx_paygw_alipay_guess_key(ngx_paygw_notify_t *n,
    ngx_paygw_channel_t *ch, ngx_str_t *text, ngx_str_t *sig,
    ngx_paygw_key_t *key);
static ngx_uint_t ngx_paygw_alipay_is_word(ngx_str_t *value,
    const char *word);
static ngx_uint_t ngx_paygw_alipay_utf8(ngx_str_t *value);


ngx_int_t
ngx_paygw_alipay_unknown(ngx_paygw_notify_t *n, ngx_paygw_channel_t *ch,
    ngx_uint_t known)
{
    ngx_str_t                 *sn;
    ngx_uint_t                 i;
    ngx_paygw_key_t          **key;
    ngx_paygw_explain_ids_t    ids;

    if (known) {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_UNKNOWN_KEY,
                                "certificate is expired or not yet valid");
    }

    ids.count = 0;
    ids.len = 0;

    key = ch->keys->elts;

    for (i = 0; i < ch->keys->nelts; i++) {
        ngx_paygw_explain_id(&ids, &key[i]->id);
    }

    /* it may be a new one */

    sn = ngx_paygw_alipay_value(n->data, "alipay_cert_sn");

    if (sn) {
        n->wanted = *sn;
        n->wanting = ch;
    }

    return ngx_paygw_explain_unknown(n, "alipay_cert_sn", &ids);
}


ngx_int_t
ngx_paygw_alipay_forged(ngx_paygw_notify_t *n, ngx_paygw_channel_t *ch,
    ngx_str_t *text, ngx_str_t *sig, ngx_paygw_key_t *key)
{
    ngx_paygw_alipay_ctx_t  *ctx = n->data;

    ngx_int_t  rc;

    if (sig == NULL) {
        return ngx_paygw_refuse_signature(n, NGX_PAYGW_REASON_SIGNATURE, text,
                                    1, ngx_paygw_explain_base64(ctx->sign,
                                                  "sign is not base64"));
    }

    rc = ngx_paygw_refuse_signature(n, NGX_PAYGW_REASON_SIGNATURE, text, 1,
                                    NULL);
    if (rc == NGX_DECLINED) {
        rc = ngx_paygw_alipay_hint(n, ch, text, sig, key);
    }

    if (rc == NGX_ERROR) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    return NGX_DECLINED;
}


/* what of the usual accidents on the way can be seen in the message */

static ngx_int_t
ngx_paygw_alipay_hint(ngx_paygw_notify_t *n, ngx_paygw_channel_t *ch,
    ngx_str_t *text, ngx_str_t *sig, ngx_paygw_key_t *key)
{
    char                 *hint;
    ngx_int_t             rc;
    ngx_paygw_explain_t   ex;

    if (text->len > NGX_PAYGW_EXPLAIN_MAX) {
        return NGX_DECLINED;
    }

    hint = ngx_paygw_alipay_charset_hint(n->data);

    if (hint) {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGNATURE,
                                hint);
    }

    if (ngx_paygw_explain_values(n->pool, text, &ex) != NGX_OK
        || (ex.seen == NULL
            && ngx_paygw_alipay_passback(n, &ex) != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (ex.text.data == NULL) {
        return ngx_paygw_alipay_guess_key(n, ch, text, sig, key);
    }

    rc = ngx_paygw_verify(&ngx_paygw_rsa_sha256, key, &ex.text, 1, sig,
                          n->log);
    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGNATURE,
                            rc == NGX_OK ? ex.proved : ex.seen);
}


static char *
ngx_paygw_alipay_charset_hint(ngx_paygw_alipay_ctx_t *ctx)
{
    ngx_str_t          *charset, *value;
    ngx_uint_t          i, utf8, gbk;
    ngx_paygw_field_t  *field;

    charset = ngx_paygw_alipay_value(ctx, "charset");
    field = ctx->form.fields;

    utf8 = ngx_paygw_alipay_is_word(charset, "utf-8");
    gbk = ngx_paygw_alipay_is_word(charset, "gbk");

    if (!utf8 && !gbk) {
        return NULL;
    }

    for (i = 0; i < ctx->form.nfields; i++) {

        value = &field[i].value;

        if (utf8 && !ngx_paygw_utf8_valid(value)) {
            return "a value is not in the charset of the message";
        }

        if (gbk && ngx_paygw_alipay_utf8(value)) {
            return "a value is UTF-8, and the charset of the message GBK";
        }
    }

    return NULL;
}


/*
 * The shop has percent-encoded it before it went to Alipay, so that in a
 * message decoded once it is still encoded.
 */

static ngx_int_t
ngx_paygw_alipay_passback(ngx_paygw_notify_t *n, ngx_paygw_explain_t *ex)
{
    ngx_paygw_alipay_ctx_t  *ctx = n->data;

    uintptr_t    escaped;
    ngx_int_t    rc;
    ngx_str_t   *value, sent, again;

    static const char  *skip[] = { "sign", "sign_type", NULL };

    value = ngx_paygw_alipay_value(ctx, "passback_params");

    if (value == NULL || ngx_strlchr(value->data, value->data + value->len,
                                     '%'))
    {
        return NGX_OK;
    }

    sent = *value;
    escaped = ngx_escape_uri(NULL, sent.data, sent.len,
                             NGX_ESCAPE_URI_COMPONENT);

    if (escaped == 0) {
        return NGX_OK;
    }

    again.len = sent.len + 2 * escaped;
    again.data = ngx_pnalloc(n->pool, again.len);
    if (again.data == NULL) {
        return NGX_ERROR;
    }

    ngx_escape_uri(again.data, sent.data, sent.len, NGX_ESCAPE_URI_COMPONENT);

    *value = again;

    rc = ngx_paygw_form_canonical(n->pool, &ctx->form, skip, 0, &ex->text);

    *value = sent;

    ex->seen = "passback_params may be decoded twice";
    ex->proved = "passback_params was decoded twice";

    return rc;
}


/* with our own key, or that of another channel here: files mixed up */

static ngx_int_t
ngx_paygw_alipay_guess_key(ngx_paygw_notify_t *n, ngx_paygw_channel_t *ch,
    ngx_str_t *text, ngx_str_t *sig, ngx_paygw_key_t *key)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    ngx_int_t             rc;
    ngx_uint_t            i;
    ngx_paygw_key_t      *guess;
    ngx_paygw_channel_t  *other;

    other = ch;
    guess = conf->certificate ? conf->certificate : conf->private_key;

    for (i = 0; i < n->nchannels && guess == NULL; i++) {

        if (n->channels[i] == ch) {
            continue;
        }

        other = n->channels[i];
        guess = *(ngx_paygw_key_t **) other->keys->elts;
    }

    if (guess == NULL || ngx_paygw_key_equal(guess, key)) {
        return NGX_DECLINED;
    }

    rc = ngx_paygw_verify(&ngx_paygw_rsa_sha256, guess, text, 1, sig, n->log);

    if (rc != NGX_OK) {
        return rc;
    }

    if (other == ch) {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGNATURE,
                                "signed with the app's own key");
    }

    return ngx_paygw_refuse_with(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGNATURE,
                                 "signed with the key of channel \"%V\", the "
                                 "keys may be mixed up", &other->name);
}


static ngx_uint_t
ngx_paygw_alipay_is_word(ngx_str_t *value, const char *word)
{
    return value
           && value->len == ngx_strlen(word)
           && ngx_strncasecmp(value->data, (u_char *) word, value->len) == 0;
}


/* UTF-8 that is more than ASCII: in GBK that is very unlikely */

static ngx_uint_t
ngx_paygw_alipay_utf8(ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] >= 0x80) {
            return ngx_paygw_utf8_valid(value);
        }
    }

    return 0;
}
