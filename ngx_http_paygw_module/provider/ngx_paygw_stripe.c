
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_stripe.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_text.h"


/*
 * Stripe's webhooks: an HMAC over "t.body" with the secret of the endpoint.
 * Nothing in front of the signature says whose the message is, so that it is
 * the secret that finds the channel, among those of the location; what the
 * event then says of itself has to fit.
 */


#define NGX_PAYGW_STRIPE_PARTS  16


static ngx_int_t ngx_paygw_stripe_parse(ngx_paygw_notify_t *n);
static ngx_int_t ngx_paygw_stripe_part(ngx_paygw_notify_t *n,
    ngx_paygw_stripe_ctx_t *ctx, ngx_str_t *part);
static ngx_int_t ngx_paygw_stripe_hex(ngx_str_t *text, u_char *digest);
static ngx_int_t ngx_paygw_stripe_verify(ngx_paygw_notify_t *n);
static ngx_int_t ngx_paygw_stripe_clock(ngx_paygw_notify_t *n,
    ngx_paygw_stripe_ctx_t *ctx);
static ngx_int_t ngx_paygw_stripe_signature(ngx_paygw_notify_t *n,
    ngx_paygw_stripe_ctx_t *ctx);
static ngx_int_t ngx_paygw_stripe_object(ngx_paygw_notify_t *n,
    ngx_paygw_stripe_ctx_t *ctx);
static ngx_int_t ngx_paygw_stripe_account(ngx_paygw_notify_t *n,
    ngx_paygw_stripe_ctx_t *ctx);
static ngx_int_t ngx_paygw_stripe_other(ngx_paygw_notify_t *n,
    ngx_paygw_stripe_ctx_t *ctx, ngx_paygw_stripe_conf_t *conf);


static const ngx_str_t  ngx_paygw_stripe_headers[] = {
    ngx_string("stripe-signature"),
    ngx_null_string
};


static const ngx_str_t  ngx_paygw_stripe_types[] = {
    ngx_string("application/json"),
    ngx_null_string
};


const ngx_paygw_provider_t  ngx_paygw_stripe = {
    ngx_string("stripe"),
    ngx_paygw_stripe_headers,
    ngx_paygw_stripe_types,
    ngx_paygw_stripe_params,
    ngx_paygw_stripe_create,
    ngx_paygw_stripe_check,
    ngx_paygw_stripe_same,
    ngx_paygw_stripe_parse,
    ngx_paygw_stripe_verify,
    ngx_paygw_stripe_event,
    ngx_paygw_stripe_ack,
    NULL,
    NULL,
    &ngx_paygw_stripe_api,
    &ngx_paygw_stripe_orders
};


/* "t=1730000000,v1=...[,v1=...][,v0=...]" in any order, without spaces */

static ngx_int_t
ngx_paygw_stripe_parse(ngx_paygw_notify_t *n)
{
    u_char                  *p, *last;
    ngx_str_t                part;
    ngx_uint_t               i;
    ngx_paygw_stripe_ctx_t  *ctx;

    if (ngx_paygw_check_headers(n, 1) != NGX_OK) {
        return NGX_ABORT;
    }

    ctx = ngx_pcalloc(n->pool, sizeof(ngx_paygw_stripe_ctx_t));
    if (ctx == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    n->data = ctx;

    part.data = n->msg.headers[0].data;
    last = part.data + n->msg.headers[0].len;

    for (i = 0; i < NGX_PAYGW_STRIPE_PARTS; i++) {

        p = ngx_strlchr(part.data, last, ',');
        part.len = (p ? p : last) - part.data;

        if (ngx_paygw_stripe_part(n, ctx, &part) != NGX_OK) {
            return NGX_ABORT;
        }

        if (p == NULL) {
            break;
        }

        part.data = p + 1;
    }

    if (i == NGX_PAYGW_STRIPE_PARTS) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "stripe-signature has too many parts");
    }

    if (ctx->stamp.len == 0) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "no t in stripe-signature");
    }

    if (ctx->nv1 == 0) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "no v1 in stripe-signature, and nothing else "
                                "counts");
    }

    return NGX_OK;
}


/* schemes other than v1 are skipped: v0 is a sham, of test events */

static ngx_int_t
ngx_paygw_stripe_part(ngx_paygw_notify_t *n, ngx_paygw_stripe_ctx_t *ctx,
    ngx_str_t *part)
{
    ngx_str_t  value;

    if (part->len > 2 && ngx_strncmp(part->data, "t=", 2) == 0) {

        value.data = part->data + 2;
        value.len = part->len - 2;

        if (ctx->stamp.len) {
            return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                    "stripe-signature has t twice");
        }

        if (ngx_paygw_timestamp_parse(&value, &ctx->time) != NGX_OK) {
            return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                    "t in stripe-signature is not a number");
        }

        ctx->stamp = value;

        return NGX_OK;
    }

    if (part->len > 3 && ngx_strncmp(part->data, "v1=", 3) == 0) {

        value.data = part->data + 3;
        value.len = part->len - 3;

        if (ctx->nv1++ == NGX_PAYGW_STRIPE_MAX_SIGNATURES) {
            return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                    "stripe-signature has too many v1");
        }

        if (ngx_paygw_stripe_hex(&value, ctx->sigs[ctx->nsigs]) == NGX_OK) {
            ctx->nsigs++;
        }
    }

    return NGX_OK;
}


/* 64 lower-case hexadecimal digits: one text for each digest */

static ngx_int_t
ngx_paygw_stripe_hex(ngx_str_t *text, u_char *digest)
{
    u_char  c, high;
    size_t  i;

    if (text->len != 2 * NGX_PAYGW_SHA256_LEN) {
        return NGX_DECLINED;
    }

    high = 0;

    for (i = 0; i < text->len; i++) {
        c = text->data[i];

        if (c >= '0' && c <= '9') {
            c -= '0';

        } else if (c >= 'a' && c <= 'f') {
            c -= 'a' - 10;

        } else {
            return NGX_DECLINED;
        }

        if (i & 1) {
            digest[i / 2] = (u_char) (high << 4 | c);

        } else {
            high = c;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_verify(ngx_paygw_notify_t *n)
{
    ngx_paygw_stripe_ctx_t  *ctx = n->data;

    ngx_int_t  rc;

    ctx->genuine = ngx_pcalloc(n->pool, n->nchannels * sizeof(ngx_uint_t));
    if (ctx->genuine == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    rc = ngx_paygw_stripe_clock(n, ctx);

    if (rc == NGX_OK) {
        rc = ngx_paygw_stripe_signature(n, ctx);
    }

    if (rc == NGX_OK) {
        n->genuine = 1;
        rc = ngx_paygw_stripe_object(n, ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_stripe_account(n, ctx);
    }

    return rc;
}


/* Stripe's own libraries take any time that is ahead; there is no need to */

static ngx_int_t
ngx_paygw_stripe_clock(ngx_paygw_notify_t *n, ngx_paygw_stripe_ctx_t *ctx)
{
    time_t      off;
    ngx_uint_t  i, fresh;

    off = ngx_abs(n->msg.now - ctx->time);
    fresh = 0;

    for (i = 0; i < n->nchannels; i++) {
        if (off <= (time_t) (n->channels[i]->window / 1000)) {
            ctx->genuine[i] = 1;
            fresh = 1;
        }
    }

    return fresh ? NGX_OK : ngx_paygw_refuse_clock(n, ctx->time);
}


static ngx_int_t
ngx_paygw_stripe_signature(ngx_paygw_notify_t *n, ngx_paygw_stripe_ctx_t *ctx)
{
    ngx_int_t                 rc;
    ngx_str_t                *secret;
    ngx_uint_t                i, k, genuine;
    ngx_paygw_stripe_conf_t  *conf;

    genuine = 0;

    for (i = 0; i < n->nchannels; i++) {

        if (!ctx->genuine[i] || ctx->nsigs == 0) {
            continue;
        }

        conf = n->channels[i]->conf;
        secret = conf->secrets->elts;
        rc = NGX_DECLINED;

        for (k = 0; k < conf->secrets->nelts && rc == NGX_DECLINED; k++) {
            rc = ngx_paygw_stripe_signed(n, &secret[k], &n->msg.body);
        }

        if (rc == NGX_ERROR) {
            return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                    NULL);
        }

        if (rc == NGX_OK) {
            genuine = 1;
            ctx->genuine[i] = 2;
        }
    }

    return genuine ? NGX_OK : ngx_paygw_stripe_forged(n);
}


ngx_int_t
ngx_paygw_stripe_signed(ngx_paygw_notify_t *n, ngx_str_t *secret,
    ngx_str_t *body)
{
    ngx_paygw_stripe_ctx_t  *ctx = n->data;

    u_char      buf[NGX_PAYGW_HASH_MAX];
    ngx_str_t   parts[3], digest, sig;
    ngx_uint_t  i, equal;

    parts[0] = ctx->stamp;
    ngx_str_set(&parts[1], ".");
    parts[2] = *body;

    digest.data = buf;

    if (ngx_paygw_hmac(&ngx_paygw_hash_sha256, secret, parts, 3, buf,
                       &digest.len, n->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    equal = 0;
    sig.len = NGX_PAYGW_SHA256_LEN;

    for (i = 0; i < ctx->nsigs; i++) {
        sig.data = ctx->sigs[i];
        equal |= ngx_paygw_equal(&digest, &sig);
    }

    ngx_explicit_memzero(buf, sizeof(buf));

    return equal ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_paygw_stripe_object(ngx_paygw_notify_t *n, ngx_paygw_stripe_ctx_t *ctx)
{
    char              *err;
    ngx_int_t          rc;
    ngx_str_t          word;
    ngx_paygw_json_t  *live;

    rc = ngx_paygw_event_parse(n, &n->msg.body, &ctx->root);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_paygw_event_word(ctx->root, "object", 64, &word) != NGX_OK
        || word.len != sizeof("event") - 1
        || ngx_strncmp(word.data, "event", word.len) != 0)
    {
        err = (word.len == sizeof("v2.core.event") - 1
               && ngx_strncmp(word.data, "v2.core.event", word.len) == 0)
              ? "thin event, which holds no facts: choose snapshot events for "
                "this endpoint"
              : "object is not an event";
        goto malformed;
    }

    if (ngx_paygw_event_word(ctx->root, "id", 128, &ctx->id) != NGX_OK
        || ctx->id.len == 0)
    {
        err = "invalid id";
        goto malformed;
    }

    if (ngx_paygw_event_word(ctx->root, "type", 128, &ctx->type) != NGX_OK
        || ctx->type.len == 0)
    {
        err = "invalid type";
        goto malformed;
    }

    if (ngx_paygw_event_word(ctx->root, "account", 128, &ctx->account)
        != NGX_OK)
    {
        err = "invalid account";
        goto malformed;
    }

    live = ngx_paygw_json_get(ctx->root, "livemode");

    if (live == NULL || live->type != NGX_PAYGW_JSON_BOOL) {
        err = "invalid livemode";
        goto malformed;
    }

    ctx->livemode = (live->value.len == sizeof("true") - 1);

    return NGX_OK;

malformed:

    return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED, err);
}


/*
 * The secret belongs to one endpoint; several channels may take its events, of
 * one connected account each.
 */

static ngx_int_t
ngx_paygw_stripe_account(ngx_paygw_notify_t *n, ngx_paygw_stripe_ctx_t *ctx)
{
    ngx_uint_t                i;
    ngx_paygw_stripe_conf_t  *conf, *other;

    other = NULL;

    for (i = 0; i < n->nchannels; i++) {

        if (ctx->genuine[i] != 2) {
            continue;
        }

        conf = n->channels[i]->conf;

        if (conf->livemode == (ngx_flag_t) ctx->livemode
            && (conf->accounts
                ? ngx_paygw_channel_has(conf->accounts, &ctx->account)
                : ctx->account.len == 0))
        {
            n->channel = n->channels[i];
            return NGX_OK;
        }

        other = conf;
    }

    return ngx_paygw_stripe_other(n, ctx, other);
}


static ngx_int_t
ngx_paygw_stripe_other(ngx_paygw_notify_t *n, ngx_paygw_stripe_ctx_t *ctx,
    ngx_paygw_stripe_conf_t *conf)
{
    if (conf->livemode != (ngx_flag_t) ctx->livemode) {
        return ngx_paygw_refuse(n, NGX_DECLINED,
                                NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                ctx->livemode
                                ? "a live event, and the channel has "
                                  "\"livemode off\""
                                : "a test event, and the channel has not "
                                  "\"livemode off\"");
    }

    return ngx_paygw_refuse_account(n, NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                    "account", &ctx->account,
                                    conf->accounts ? conf->accounts->nelts
                                                   : 0);
}
