
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v2.h"
#include "ngx_paygw_ecb.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_task.h"
#include "ngx_paygw_text.h"
#include "ngx_paygw_xml.h"


/*
 * The callback of a refund has no signature.  Its facts are in req_info:
 * AES-256-ECB under the MD5 of the API key, without any check of integrity, so
 * that the blocks of such messages can be put together anew by whoever has
 * some, and the fields around req_info by anybody.  What can be done about it:
 *
 *  - the event says that it is not confirmed;
 *  - nothing from outside of req_info gets into it;
 *  - everything in it must be there and make sense;
 *  - whatever is wrong with req_info, the answer is one and the same, so that
 *    it does not tell what is in a block (the log does);
 *  - the id is made of all the facts: a message that was put together cannot
 *    take the place of the genuine one.
 */


#define NGX_PAYGW_WECHAT_V2_MD5  16


static ngx_int_t ngx_paygw_wechat_v2_decrypt(ngx_pool_t *pool, ngx_log_t *log,
    ngx_str_t *key, ngx_str_t *in, ngx_paygw_form_t *form, ngx_str_t *text);
static ngx_int_t ngx_paygw_wechat_v2_facts(ngx_paygw_notify_t *n,
    ngx_paygw_form_t *form);
static ngx_uint_t ngx_paygw_wechat_v2_number(ngx_paygw_form_t *form,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_paygw_wechat_v2_time(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_wechat_v2_unopened(ngx_paygw_notify_t *n,
    const char *hint);


static const ngx_paygw_wechat_state_t  ngx_paygw_wechat_v2_refunds[] = {
    { ngx_string("SUCCESS"), NGX_PAYGW_EVENT_REFUND,
      NGX_PAYGW_OUTCOME_SUCCESS },
    { ngx_string("PROCESSING"), NGX_PAYGW_EVENT_REFUND,
      NGX_PAYGW_OUTCOME_PENDING },
    { ngx_string("CHANGE"), NGX_PAYGW_EVENT_REFUND,
      NGX_PAYGW_OUTCOME_FAILED },
    { ngx_string("REFUNDCLOSE"), NGX_PAYGW_EVENT_REFUND,
      NGX_PAYGW_OUTCOME_FAILED },
    { ngx_null_string, NGX_PAYGW_EVENT_REFUND,
      NGX_PAYGW_OUTCOME_PENDING }
};


ngx_int_t
ngx_paygw_wechat_v2_open(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_channel_t *ch)
{
    ngx_int_t                    rc;
    ngx_str_t                   *key, sealed, text;
    ngx_uint_t                   i;
    ngx_paygw_wechat_v2_conf_t  *conf;

    rc = ngx_paygw_base64_decode(n->pool, &sealed, ctx->req_info);

    if (rc == NGX_ERROR) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    if (rc != NGX_OK) {
        return ngx_paygw_wechat_v2_unopened(n, "req_info is not base64");
    }

    conf = ch->conf;
    key = conf->keys->elts;

    for (i = 0; i < conf->keys->nelts; i++) {

        rc = ngx_paygw_wechat_v2_decrypt(n->pool, n->log, &key[i], &sealed,
                                         &ctx->refund, &text);

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc == NGX_ERROR) {
            return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                    NULL);
        }

        rc = ngx_paygw_wechat_v2_facts(n, &ctx->refund);

        if (rc == NGX_OK) {
            rc = ngx_paygw_wechat_v2_time(n, ctx, ch);
        }

        return rc;
    }

    return ngx_paygw_wechat_v2_unopened(n, "api_key does not open req_info");
}


/* with one key; NGX_DECLINED if it makes no sense of it */

static ngx_int_t
ngx_paygw_wechat_v2_decrypt(ngx_pool_t *pool, ngx_log_t *log, ngx_str_t *key,
    ngx_str_t *in, ngx_paygw_form_t *form, ngx_str_t *text)
{
    char       *err;
    u_char      digest[NGX_PAYGW_HASH_MAX], hex[NGX_PAYGW_ECB_KEY_LEN];
    size_t      len;
    ngx_int_t   rc;
    ngx_str_t   derived;

    if (ngx_paygw_hash(&ngx_paygw_hash_md5, key, 1, digest, &len, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    derived.data = hex;
    derived.len = ngx_hex_dump(hex, digest, NGX_PAYGW_WECHAT_V2_MD5) - hex;

    rc = ngx_paygw_ecb_open(pool, &derived, in, text);

    ngx_explicit_memzero(digest, sizeof(digest));
    ngx_explicit_memzero(hex, sizeof(hex));

    if (rc == NGX_OK) {
        rc = ngx_paygw_xml_parse(pool, text, "root", form, &err);
    }

    return (rc == NGX_OK || rc == NGX_ERROR) ? rc : NGX_DECLINED;
}


/* whatever is wrong with it, the answer is one and the same: see above */

ngx_int_t
ngx_paygw_wechat_v2_unseal(ngx_paygw_task_t *t)
{
    ngx_int_t                    rc;
    ngx_str_t                   *key, sealed;
    ngx_uint_t                   i;
    ngx_paygw_form_t             form;
    ngx_paygw_wechat_v2_conf_t  *conf;

    conf = t->channel->conf;
    key = conf->keys->elts;

    rc = ngx_paygw_base64_decode(t->pool, &sealed, &t->in);

    for (i = 0; rc == NGX_OK && i < conf->keys->nelts; i++) {

        rc = ngx_paygw_wechat_v2_decrypt(t->pool, t->log, &key[i], &sealed,
                                         &form, &t->out);
        if (rc == NGX_OK) {
            return NGX_OK;
        }

        if (rc == NGX_DECLINED) {
            rc = NGX_OK;
        }
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_str_null(&t->out);

    return ngx_paygw_task_refuse(t, "the key does not open it");
}


static ngx_int_t
ngx_paygw_wechat_v2_facts(ngx_paygw_notify_t *n, ngx_paygw_form_t *form)
{
    ngx_str_t           status, *total, *fee;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    ngx_memzero(ev, sizeof(ngx_paygw_event_t));

    if (!ngx_paygw_wechat_v2_number(form, "out_trade_no", &ev->order_id)
        || !ngx_paygw_wechat_v2_number(form, "transaction_id", &ev->trade_no)
        || !ngx_paygw_wechat_v2_number(form, "out_refund_no", &ev->refund_id)
        || !ngx_paygw_wechat_v2_number(form, "refund_id", &ev->refund_no)
        || !ngx_paygw_wechat_v2_word(form, "refund_status", &status))
    {
        return ngx_paygw_wechat_v2_unopened(n, "an id of the refund is no id");
    }

    total = ngx_paygw_wechat_v2_value(form, "total_fee");
    fee = ngx_paygw_wechat_v2_value(form, "refund_fee");

    if (total == NULL
        || ngx_paygw_minor_parse(total, &ev->amount) != NGX_OK
        || fee == NULL
        || ngx_paygw_minor_parse(fee, &ev->refund_amount) != NGX_OK
        || ev->refund_amount > ev->amount)
    {
        return ngx_paygw_wechat_v2_unopened(n, "an amount of the refund is no "
                                               "amount");
    }

    return NGX_OK;
}


/*
 * A word of the characters that a number is made of: a piece of another element
 * in it would be one of visible ones as well.
 */

static ngx_uint_t
ngx_paygw_wechat_v2_number(ngx_paygw_form_t *form, const char *name,
    ngx_str_t *value)
{
    u_char  c;
    size_t  i;

    if (!ngx_paygw_wechat_v2_word(form, name, value)) {
        return 0;
    }

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if ((c < '0' || c > '9') && (c < 'A' || c > 'Z')
            && (c < 'a' || c > 'z') && c != '_' && c != '-' && c != '|'
            && c != '*' && c != '@')
        {
            return 0;
        }
    }

    return 1;
}


/*
 * Refunds are few and may be told of late: their ids are kept for long, and
 * what is older than that is refused.
 */

static ngx_int_t
ngx_paygw_wechat_v2_time(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_channel_t *ch)
{
    ngx_str_t  *value;

    ctx->keep = ngx_max(ch->keep, NGX_PAYGW_LONG_KEEP);

    value = ngx_paygw_wechat_v2_value(&ctx->refund, "success_time");
    if (value == NULL) {
        return NGX_OK;
    }

    if (ngx_paygw_datetime_parse(value, NGX_PAYGW_WECHAT_ZONE, &ctx->time)
        != NGX_OK)
    {
        return ngx_paygw_wechat_v2_unopened(n, "success_time is no time");
    }

    return ngx_paygw_check_age(n, ch, ctx->time, ctx->keep);
}


static ngx_int_t
ngx_paygw_wechat_v2_unopened(ngx_paygw_notify_t *n, const char *hint)
{
    return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_DECRYPT, hint);
}


ngx_int_t
ngx_paygw_wechat_v2_refund(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx)
{
    u_char             *p;
    ngx_paygw_event_t  *ev;

    static const char  *none[] = { NULL };

    ev = &n->event;

    /* the facts are there since the message was opened */

    ev->type = NGX_PAYGW_EVENT_REFUND;
    ev->time = ctx->time;
    ev->unconfirmed = 1;

    (void) ngx_paygw_wechat_v2_word(&ctx->refund, "refund_status", &ev->kind);

    ngx_paygw_wechat_state(n, ngx_paygw_wechat_v2_refunds, &ev->kind);

    if (ngx_paygw_wechat_v2_digest(n, &ctx->refund) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(n->pool, ev->refund_no.len + 1 + ctx->digest.len);
    if (p == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    ev->id.data = p;
    ev->id.len = ngx_sprintf(p, "%V-%V", &ev->refund_no, &ctx->digest) - p;

    return ngx_paygw_event_fields(n, &ctx->refund, none,
                                  NGX_PAYGW_CANON_DROP_EMPTY);
}
