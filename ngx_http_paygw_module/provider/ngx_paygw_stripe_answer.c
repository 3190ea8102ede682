
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_stripe.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_text.h"


/*
 * Answers of Stripe have no signature.  What can be seen of them must make
 * sense: it is JSON with one reading, of our mode, about what was asked for,
 * and an error where the status says so.
 */


static ngx_int_t ngx_paygw_stripe_sense(ngx_paygw_exchange_t *x,
    ngx_paygw_json_t *root);
static ngx_uint_t ngx_paygw_stripe_locked(ngx_paygw_json_t *root);
static ngx_uint_t ngx_paygw_stripe_again(ngx_paygw_exchange_t *x);
static ngx_uint_t ngx_paygw_stripe_hint(ngx_paygw_exchange_t *x,
    const char *word);
static ngx_int_t ngx_paygw_stripe_about(ngx_paygw_exchange_t *x,
    ngx_paygw_json_t *root);
static void ngx_paygw_stripe_asked_id(ngx_paygw_exchange_t *x,
    ngx_str_t *id);
static void ngx_paygw_stripe_told(ngx_paygw_exchange_t *x);


/* what has an id that the path names */

static const ngx_str_t  ngx_paygw_stripe_objects[] = {
    ngx_string("/v1/payment_intents/"),
    ngx_string("/v1/checkout/sessions/"),
    ngx_string("/v1/refunds/"),
    ngx_string("/v1/charges/"),
    ngx_null_string
};


ngx_int_t
ngx_paygw_stripe_check_answer(ngx_paygw_exchange_t *x)
{
    char              *err;
    ngx_int_t          rc;
    ngx_str_t         *body;
    ngx_paygw_json_t  *root;

    body = &x->n.msg.body;

    rc = ngx_paygw_json_parse(x->n.pool, body, &root, &err);

    if (rc != NGX_OK) {
        return ngx_paygw_refuse_parse(&x->n, rc, err);
    }

    rc = ngx_paygw_stripe_sense(x, root);

    if (rc == NGX_OK) {
        rc = ngx_paygw_stripe_about(x, root);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_paygw_stripe_told(x);

    ngx_paygw_exchange_busy(x, 0);

    if (ngx_paygw_stripe_locked(root)) {
        x->busy = 0;
    }

    x->again = ngx_paygw_stripe_again(x);

    if (ngx_paygw_stripe_bound(x, root) != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    x->unsigned_reply = 1;
    x->reply_status = x->status;
    x->reply = *body;
    ngx_str_set(&x->reply_type, "application/json");

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_sense(ngx_paygw_exchange_t *x, ngx_paygw_json_t *root)
{
    ngx_uint_t         error;
    ngx_paygw_json_t  *live, *e;

    ngx_paygw_stripe_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    e = ngx_paygw_json_get(root, "error");
    error = (e && e->type == NGX_PAYGW_JSON_OBJECT);

    if (root->type != NGX_PAYGW_JSON_OBJECT
        || !(error ? x->status >= 400 && x->status < 600
                   : x->status >= 200 && x->status < 300))
    {
        return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "status %ui does not fit the answer",
                                     x->status);
    }

    live = ngx_paygw_json_get(root, "livemode");

    if (live && live->type == NGX_PAYGW_JSON_BOOL
        && (live->value.len == sizeof("true") - 1)
           != (ngx_uint_t) conf->livemode)
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                conf->livemode ? "an answer of the test mode"
                                               : "an answer of the live mode");
    }

    return NGX_OK;
}


/* 429, and about this object alone: another call of the merchant's has it */

static ngx_uint_t
ngx_paygw_stripe_locked(ngx_paygw_json_t *root)
{
    ngx_str_t          code;
    ngx_paygw_json_t  *e;

    e = ngx_paygw_json_get(root, "error");

    return e && ngx_paygw_json_get_string(e, "code", &code) == NGX_OK
           && code.len == sizeof("lock_timeout") - 1
           && ngx_strncmp(code.data, "lock_timeout", code.len) == 0;
}


/*
 * Stripe's own word is what counts, either way.  Without one these go again:
 * another call of the same key is under way, or nobody there has seen this one.
 * Any other error is kept under the key, and would be said again, or is one of
 * too many calls.
 */

static ngx_uint_t
ngx_paygw_stripe_again(ngx_paygw_exchange_t *x)
{
    if (x->status < 400 || x->repeat == NGX_PAYGW_REPEAT_NEVER) {
        return 0;
    }

    if (ngx_paygw_stripe_hint(x, "true")) {
        return 1;
    }

    /* two words are none to go by, and might be two of different meaning */

    if (ngx_paygw_stripe_hint(x, "false")
        || (x->n.msg.repeated
            & ((ngx_uint_t) 1 << NGX_PAYGW_STRIPE_TOLD_RETRY)))
    {
        return 0;
    }

    switch (x->status) {

    case 409:
    case 502:
    case 503:
    case 504:
        return 1;

    default:
        return x->busy && x->repeat == NGX_PAYGW_REPEAT_ALWAYS;
    }
}


/* 1 if "Stripe-Should-Retry" is this word, and there once */

static ngx_uint_t
ngx_paygw_stripe_hint(ngx_paygw_exchange_t *x, const char *word)
{
    return !(x->n.msg.repeated
             & ((ngx_uint_t) 1 << NGX_PAYGW_STRIPE_TOLD_RETRY))
           && ngx_paygw_exchange_is(
                         &x->n.msg.headers[NGX_PAYGW_STRIPE_TOLD_RETRY], word);
}


/* an answer to somebody else, on a connection that has lost its step */

static ngx_int_t
ngx_paygw_stripe_about(ngx_paygw_exchange_t *x, ngx_paygw_json_t *root)
{
    ngx_str_t  asked, id;

    ngx_paygw_stripe_asked_id(x, &asked);

    if (asked.len == 0
        || ngx_paygw_json_get_string(root, "id", &id) != NGX_OK
        || (id.len == asked.len
            && ngx_strncmp(id.data, asked.data, id.len) == 0))
    {
        return NGX_OK;
    }

    return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                            NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                            "answer is about another id");
}


static void
ngx_paygw_stripe_asked_id(ngx_paygw_exchange_t *x, ngx_str_t *id)
{
    u_char           *p, *last;
    const ngx_str_t  *o;

    ngx_str_null(id);

    last = x->path.data + x->path.len;

    for (o = ngx_paygw_stripe_objects; o->len; o++) {

        if (x->path.len <= o->len
            || ngx_strncmp(x->path.data, o->data, o->len) != 0)
        {
            continue;
        }

        id->data = x->path.data + o->len;
        p = ngx_strlchr(id->data, last, '/');
        id->len = (p ? p : last) - id->data;

        /* what belongs to a charge has an id of its own */

        if (p && last - p >= 8
            && (ngx_strncmp(p, "/refunds", 8) == 0
                || ngx_strncmp(p, "/dispute", 8) == 0))
        {
            ngx_str_null(id);
        }

        return;
    }
}


/* for the caller's own retries, and for Stripe's support */

static void
ngx_paygw_stripe_told(ngx_paygw_exchange_t *x)
{
    ngx_str_t                   *h;
    ngx_uint_t                   i;
    ngx_paygw_exchange_field_t  *f;

    static const ngx_str_t  names[] = {
        ngx_string("Request-Id"),
        ngx_string("Stripe-Should-Retry"),
        ngx_string("Retry-After")
    };

    h = x->n.msg.headers;

    for (i = 0; i < NGX_PAYGW_STRIPE_TOLD; i++) {

        if (!ngx_paygw_visible(&h[i], 128)
            || (x->n.msg.repeated & ((ngx_uint_t) 1 << i)))
        {
            continue;
        }

        f = &x->told[x->ntold++];
        f->name = names[i];
        f->value = h[i];
    }

    x->hinted = ngx_paygw_stripe_hint(x, "true");
    x->open = x->hinted;
}
