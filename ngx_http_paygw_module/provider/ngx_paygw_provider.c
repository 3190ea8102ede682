
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_text.h"


const ngx_paygw_provider_t  *ngx_paygw_providers[] = {
    &ngx_paygw_alipay,
    &ngx_paygw_generic,
    &ngx_paygw_stripe,
    &ngx_paygw_unionpay,
    &ngx_paygw_wechat_v2,
    &ngx_paygw_wechat_v3,
    NULL
};


/* in the order of ngx_paygw_reason_e */

const ngx_str_t  ngx_paygw_reasons[] = {
    ngx_null_string,
    ngx_string("method"),
    ngx_string("content_type"),
    ngx_string("too_large"),
    ngx_string("missing_header"),
    ngx_string("repeated_header"),
    ngx_string("malformed"),
    ngx_string("duplicate_field"),
    ngx_string("unknown_key"),
    ngx_string("unknown_account"),
    ngx_string("clock"),
    ngx_string("sign_type"),
    ngx_string("signature"),
    ngx_string("probe"),
    ngx_string("decrypt"),
    ngx_string("account_mismatch"),
    ngx_string("internal"),
    ngx_string("store"),
    ngx_string("replicas"),
    ngx_string("in_flight"),
    ngx_string("duplicate"),
    ngx_string("late"),
    ngx_string("shop"),
    ngx_string("keyring"),
    ngx_string("replayed"),
    ngx_string("limit"),
    ngx_string("failures"),
    ngx_string("idempotency_key_required"),
    ngx_string("bad_idempotency_key"),
    ngx_string("idempotency_mismatch"),
    ngx_string("in_progress"),
    ngx_string("answer_not_kept"),
    ngx_string("order_mismatch"),
    ngx_string("order_unknown")
};


const ngx_paygw_provider_t *
ngx_paygw_provider_find(ngx_str_t *name)
{
    ngx_uint_t                   i;
    const ngx_paygw_provider_t  *provider;

    for (i = 0; ngx_paygw_providers[i]; i++) {
        provider = ngx_paygw_providers[i];

        if (provider->name.len == name->len
            && ngx_strncmp(provider->name.data, name->data, name->len) == 0)
        {
            return provider;
        }
    }

    return NULL;
}


ngx_int_t
ngx_paygw_refuse(ngx_paygw_notify_t *n, ngx_int_t rc,
    ngx_paygw_reason_e reason, const char *hint)
{
    n->reason = reason;

    if (hint == NULL) {
        ngx_str_null(&n->hint);
        return rc;
    }

    n->hint.data = (u_char *) hint;
    n->hint.len = ngx_strlen(hint);

    return rc;
}


ngx_int_t
ngx_paygw_refuse_parse(ngx_paygw_notify_t *n, ngx_int_t rc, const char *err)
{
    if (rc != NGX_ABORT) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    return ngx_paygw_refuse(n, NGX_ABORT,
                            ngx_strncmp(err, "duplicate", 9) == 0
                            ? NGX_PAYGW_REASON_DUPLICATE_FIELD
                            : NGX_PAYGW_REASON_MALFORMED, err);
}


ngx_int_t ngx_cdecl
ngx_paygw_refuse_with(ngx_paygw_notify_t *n, ngx_int_t rc,
    ngx_paygw_reason_e reason, const char *fmt, ...)
{
    u_char   buf[NGX_PAYGW_HINT_MAX], *p;
    va_list  args;

    ngx_paygw_refuse(n, rc, reason, NULL);

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args);
    va_end(args);

    n->hint.data = ngx_pnalloc(n->pool, p - buf);
    if (n->hint.data == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    n->hint.len = ngx_cpymem(n->hint.data, buf, p - buf) - n->hint.data;

    return rc;
}


ngx_int_t
ngx_paygw_refuse_clock(ngx_paygw_notify_t *n, time_t stamp)
{
    time_t  off;

    off = stamp - n->msg.now;

    return ngx_paygw_refuse_with(n, NGX_DECLINED, NGX_PAYGW_REASON_CLOCK,
                                 "clock %T s off, the message is from the %s",
                                 off < 0 ? -off : off,
                                 off < 0 ? "past" : "future");
}


ngx_int_t
ngx_paygw_refuse_account(ngx_paygw_notify_t *n, ngx_paygw_reason_e reason,
    const char *name, ngx_str_t *value, ngx_uint_t configured)
{
    if (value == NULL || value->len == 0) {
        return ngx_paygw_refuse_with(n, NGX_DECLINED, reason, "no %s", name);
    }

    if (!ngx_paygw_visible(value, 64)) {
        return ngx_paygw_refuse_with(n, NGX_DECLINED, reason,
                                     "%s is not ours, %ui configured",
                                     name, configured);
    }

    return ngx_paygw_refuse_with(n, NGX_DECLINED, reason,
                                 "%s \"%V\" is not ours, %ui configured",
                                 name, value, configured);
}


ngx_int_t
ngx_paygw_refuse_signature(ngx_paygw_notify_t *n, ngx_paygw_reason_e reason,
    ngx_str_t *parts, ngx_uint_t nparts, const char *hint)
{
    ngx_uint_t  i;

    n->signed_len = 0;

    for (i = 0; i < nparts; i++) {
        n->signed_len += parts[i].len;
    }

    if (ngx_paygw_sha256(parts, nparts, n->signed_sha256) != NGX_OK) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    return ngx_paygw_refuse(n, NGX_DECLINED, reason, hint);
}


const ngx_str_t *
ngx_paygw_hidden(ngx_paygw_form_t *form, const ngx_str_t *names,
    const ngx_str_t *words)
{
    ngx_str_t          *value;
    ngx_paygw_field_t  *field;

    field = ngx_paygw_form_hides(form, names);

    if (field) {
        return &field->name;
    }

    /* and no field that nobody has heard of in what an id is made of */

    for ( /* void */ ; words->len; words++) {

        value = ngx_paygw_form_get(form, (const char *) words->data);

        if (value && memchr(value->data, '&', value->len)) {
            return words;
        }
    }

    return NULL;
}


ngx_int_t
ngx_paygw_check_hidden(ngx_paygw_notify_t *n, ngx_paygw_channel_t *ch,
    ngx_paygw_form_t *form, const ngx_str_t *names, const ngx_str_t *words)
{
    const ngx_str_t  *name;

    name = ngx_paygw_hidden(form, names, words);

    if (name == NULL) {
        return NGX_OK;
    }

    /* the signature is good, so somebody did this on purpose */

    ngx_log_error(NGX_LOG_ERR, n->log, 0,
                  "%V callback of channel \"%V\" with a good signature "
                  "hides another field in the value of \"%V\"",
                  &n->provider->name, &ch->name, name);

    return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                            "a value hides another field");
}


ngx_int_t
ngx_paygw_check_age(ngx_paygw_notify_t *n, ngx_paygw_channel_t *ch, time_t t,
    ngx_msec_t keep)
{
    time_t  age;

    age = n->msg.now - t;

    if (age > (time_t) ((keep - NGX_PAYGW_REPEAT_MARGIN) / 1000)
        || (age < 0 && -age > (time_t) (ch->window / 1000)))
    {
        return ngx_paygw_refuse_clock(n, t);
    }

    return NGX_OK;
}


void
ngx_paygw_note_key(ngx_paygw_notify_t *n, ngx_str_t *id)
{
    ngx_str_null(&n->key_id);

    /* a copy: the key may be gone before the log line is written */

    if (ngx_paygw_visible(id, 128)) {
        n->key_id.data = ngx_pstrdup(n->pool, id);

        if (n->key_id.data) {
            n->key_id.len = id->len;
        }
    }
}


ngx_int_t
ngx_paygw_check_headers(ngx_paygw_notify_t *n, ngx_uint_t required)
{
    return ngx_paygw_check_named(n, n->channels[0]->headers, required);
}


ngx_int_t
ngx_paygw_check_named(ngx_paygw_notify_t *n, const ngx_str_t *name,
    ngx_uint_t required)
{
    ngx_uint_t            i, bit;
    ngx_paygw_message_t  *msg;

    msg = &n->msg;

    for (i = 0; name[i].len; i++) {

        bit = (ngx_uint_t) 1 << i;

        if (msg->repeated & bit) {
            return ngx_paygw_refuse_with(n, NGX_ABORT,
                                         NGX_PAYGW_REASON_REPEATED_HEADER,
                                         "%V", &name[i]);
        }

        if ((required & bit) && msg->headers[i].len == 0) {
            return ngx_paygw_refuse_with(n, NGX_ABORT,
                                         NGX_PAYGW_REASON_MISSING_HEADER,
                                         "no %V, a proxy in front may drop it",
                                         &name[i]);
        }
    }

    return NGX_OK;
}
