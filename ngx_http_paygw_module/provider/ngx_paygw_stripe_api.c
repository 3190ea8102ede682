
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_stripe.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_text.h"


/*
 * Calls of API v1: nothing is signed, a key goes along, and TLS is all that
 * tells who answers.
 */


#define NGX_PAYGW_STRIPE_KEY_MAX  255    /* of an idempotency key */


/* x->data: what stays the same when a call is sent again */
typedef struct {
    ngx_str_t                key;
} ngx_paygw_stripe_call_t;


static char *ngx_paygw_stripe_api_conf(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_stripe_build(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_stripe_preflight(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_stripe_asked(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_stripe_cards(ngx_paygw_exchange_t *x,
    ngx_str_t *text);
static ngx_uint_t ngx_paygw_stripe_card(ngx_str_t *name);
static ngx_uint_t ngx_paygw_stripe_header(ngx_str_t *name);
static ngx_int_t ngx_paygw_stripe_key(ngx_paygw_exchange_t *x,
    ngx_str_t *key);
static ngx_int_t ngx_paygw_stripe_authorize(ngx_paygw_exchange_t *x,
    ngx_str_t *value);
static ngx_int_t ngx_paygw_stripe_fields(ngx_paygw_exchange_t *x,
    ngx_str_t *authorization, ngx_str_t *key);
static ngx_uint_t ngx_paygw_stripe_tls_only(ngx_paygw_channel_t *ch);


static const ngx_str_t  ngx_paygw_stripe_asks[] = {
    ngx_string("idempotency-key"),
    ngx_string("stripe-version"),
    ngx_string("stripe-account"),
    ngx_string("stripe-context"),
    ngx_null_string
};


static const ngx_str_t  ngx_paygw_stripe_tells[] = {
    ngx_string("request-id"),
    ngx_string("stripe-should-retry"),
    ngx_string("retry-after"),
    ngx_null_string
};


const ngx_paygw_api_t  ngx_paygw_stripe_api = {
    "https://api.stripe.com",
    ngx_paygw_stripe_asks,
    ngx_paygw_stripe_tells,
    ngx_paygw_stripe_api_conf,
    ngx_paygw_stripe_build,
    ngx_paygw_stripe_check_answer,
    ngx_paygw_stripe_tls_only, NULL, NULL
};


static char *
ngx_paygw_stripe_api_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_stripe_conf_t  *conf = ch->conf;

    if (ngx_paygw_channel_required(cf, ch, conf->secret_key.len,
                                   "secret_key")
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* the sandbox on this machine knows the test mode alone */

static ngx_uint_t
ngx_paygw_stripe_tls_only(ngx_paygw_channel_t *ch)
{
    ngx_paygw_stripe_conf_t  *conf = ch->conf;

    return conf->livemode;
}


static ngx_int_t
ngx_paygw_stripe_build(ngx_paygw_exchange_t *x)
{
    ngx_int_t                 rc;
    ngx_str_t                 authorization;
    ngx_paygw_stripe_call_t  *call;

    rc = ngx_paygw_stripe_preflight(x);

    if (rc == NGX_OK) {
        rc = ngx_paygw_stripe_asked(x);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    call = x->data;

    if (call == NULL) {

        call = ngx_pcalloc(x->n.pool, sizeof(ngx_paygw_stripe_call_t));
        if (call == NULL) {
            return ngx_paygw_exchange_broken(x);
        }

        /* pitfall 7: a new key for another try is another charge */

        rc = ngx_paygw_stripe_key(x, &call->key);
        if (rc != NGX_OK) {
            return rc;
        }

        x->data = call;
    }

    x->method = x->in.method;
    x->target = x->in.target;
    x->body = x->in.body;
    x->nfields = 0;

    x->repeat = ngx_paygw_exchange_method(x, "GET") ? NGX_PAYGW_REPEAT_ALWAYS
                : call->key.len ? NGX_PAYGW_REPEAT_ANSWERED
                : NGX_PAYGW_REPEAT_NEVER;

    if (ngx_paygw_stripe_bind(x) != NGX_OK
        || ngx_paygw_stripe_authorize(x, &authorization) != NGX_OK
        || ngx_paygw_stripe_fields(x, &authorization, &call->key) != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_preflight(ngx_paygw_exchange_t *x)
{
    ngx_int_t  rc;
    ngx_str_t  args;

    if (x->path.len <= 4 || ngx_strncmp(x->path.data, "/v1/", 4) != 0) {
        return ngx_paygw_exchange_wrong(x, "the path must begin with /v1/");
    }

    if (!ngx_paygw_exchange_method(x, "GET")
        && !ngx_paygw_exchange_method(x, "POST")
        && !ngx_paygw_exchange_method(x, "DELETE"))
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED, NGX_PAYGW_REASON_METHOD,
                                "the method must be GET, POST or DELETE");
    }

    if (x->in.body.len && !ngx_paygw_exchange_method(x, "POST")) {
        return ngx_paygw_exchange_wrong(x, "only a POST has a body, "
                                        "parameters of others are in the URL");
    }

    if (x->in.body.len && !ngx_paygw_exchange_type(x, NGX_PAYGW_STRIPE_FORM))
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_CONTENT_TYPE,
                                "the body must be a form");
    }

    args.data = ngx_strlchr(x->in.target.data,
                            x->in.target.data + x->in.target.len, '?');

    if (args.data) {
        args.data++;
        args.len = x->in.target.data + x->in.target.len - args.data;

        rc = ngx_paygw_stripe_cards(x, &args);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_paygw_stripe_cards(x, &x->in.body);
}


/* what the caller says in its header, which decides who pays whom */

static ngx_int_t
ngx_paygw_stripe_asked(ngx_paygw_exchange_t *x)
{
    ngx_str_t                *h;
    ngx_paygw_stripe_conf_t  *conf;

    conf = x->n.channels[0]->conf;
    h = x->in.headers;

    if (x->in.repeated) {
        return ngx_paygw_exchange_wrong(x, "a header field of Stripe's is "
                                        "there twice");
    }

    if (h[NGX_PAYGW_STRIPE_ASKS_CONTEXT].len) {
        return ngx_paygw_exchange_wrong(x, "Stripe-Context cannot be passed");
    }

    if (h[NGX_PAYGW_STRIPE_ASKS_ACCOUNT].len
        && (conf->accounts == NULL
            || !ngx_paygw_channel_has(conf->accounts,
                                      &h[NGX_PAYGW_STRIPE_ASKS_ACCOUNT])))
    {
        return ngx_paygw_exchange_wrong(x, "Stripe-Account is not one of the "
                                        "channel");
    }

    if (h[NGX_PAYGW_STRIPE_ASKS_VERSION].len
        && !ngx_paygw_visible(&h[NGX_PAYGW_STRIPE_ASKS_VERSION], 64))
    {
        return ngx_paygw_exchange_wrong(x, "invalid Stripe-Version");
    }

    if (h[NGX_PAYGW_STRIPE_ASKS_KEY].len
        && !ngx_paygw_visible(&h[NGX_PAYGW_STRIPE_ASKS_KEY],
                              NGX_PAYGW_STRIPE_KEY_MAX))
    {
        return ngx_paygw_exchange_wrong(x, "Idempotency-Key must be 1 to 255 "
                                        "visible characters");
    }

    return NGX_OK;
}


/*
 * The number of a card has no business here: it would be in the memory of a
 * machine that is not made for it, and maybe in a log.
 */

static ngx_int_t
ngx_paygw_stripe_cards(ngx_paygw_exchange_t *x, ngx_str_t *text)
{
    u_char     *p, *last, *end, *dst, *src;
    ngx_str_t   name;

    p = text->data;
    last = text->data + text->len;

    for ( /* void */ ; p < last; p = end + 1) {

        /* some readers of a form take ";" for an end, too */

        for (end = p; end < last && *end != '&' && *end != ';'; end++) {
            /* void */
        }

        src = p;
        name.len = end - p;

        name.data = ngx_strlchr(p, end, '=');

        if (name.data) {
            name.len = name.data - p;
        }

        if (name.len == 0) {
            continue;
        }

        dst = ngx_pnalloc(x->n.pool, name.len);
        if (dst == NULL) {
            return ngx_paygw_exchange_broken(x);
        }

        name.data = dst;
        ngx_unescape_uri(&dst, &src, name.len, 0);
        name.len = dst - name.data;

        if (ngx_paygw_stripe_card(&name)) {
            return ngx_paygw_exchange_wrong(x, "the data of a card cannot be "
                                            "passed, the browser sends it to "
                                            "Stripe");
        }

        if (ngx_paygw_stripe_header(&name)) {
            return ngx_paygw_exchange_wrong(x, "a key, an account or a version "
                                            "cannot be a parameter");
        }
    }

    return NGX_OK;
}


/* "card[number]", "payment_method_data[card][cvc]" and the like */

static ngx_uint_t
ngx_paygw_stripe_card(ngx_str_t *name)
{
    ngx_str_t         *w;
    static ngx_str_t   ends[] = {
        ngx_string("card[number]"),
        ngx_string("card][number]"),
        ngx_string("source[number]"),
        ngx_string("external_account[number]"),
        ngx_string("card[cvc]"),
        ngx_string("card][cvc]"),
        ngx_string("source[cvc]"),
        ngx_string("external_account[cvc]"),
        ngx_null_string
    };

    for (w = ends; w->len; w++) {
        if (name->len >= w->len
            && ngx_strncmp(name->data + name->len - w->len, w->data, w->len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * Stripe's own scripts in browsers send as parameters what others do as header
 * fields, so that one could act for an account that is none of the channel
 */

static ngx_uint_t
ngx_paygw_stripe_header(ngx_str_t *name)
{
    return (name->len >= 8 && ngx_strncmp(name->data, "_stripe_", 8) == 0)
           || (name->len == 3 && ngx_strncmp(name->data, "key", 3) == 0);
}


static ngx_int_t
ngx_paygw_stripe_key(ngx_paygw_exchange_t *x, ngx_str_t *key)
{
    ngx_str_null(key);

    if (!ngx_paygw_exchange_method(x, "POST")) {
        return NGX_OK;
    }

    return ngx_paygw_exchange_key(x,
                                  &x->in.headers[NGX_PAYGW_STRIPE_ASKS_KEY],
                                  key);
}


static ngx_int_t
ngx_paygw_stripe_authorize(ngx_paygw_exchange_t *x, ngx_str_t *value)
{
    u_char                   *p;
    ngx_str_t                 pair, base64;
    ngx_paygw_stripe_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    if (!conf->basic) {

        p = ngx_pnalloc(x->n.pool, sizeof("Bearer ") + conf->secret_key.len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        value->data = p;
        value->len = ngx_sprintf(p, "Bearer %V", &conf->secret_key) - p;

        return NGX_OK;
    }

    /* the key is the user, and there is no password */

    pair.len = conf->secret_key.len + 1;
    pair.data = ngx_pnalloc(x->n.pool, pair.len);
    p = ngx_pnalloc(x->n.pool, sizeof("Basic ")
                               + ngx_base64_encoded_length(pair.len));

    if (pair.data == NULL || p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(pair.data, "%V:", &conf->secret_key);

    value->data = p;
    base64.data = ngx_cpymem(p, "Basic ", sizeof("Basic ") - 1);

    ngx_encode_base64(&base64, &pair);

    value->len = base64.data + base64.len - p;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_stripe_fields(ngx_paygw_exchange_t *x, ngx_str_t *authorization,
    ngx_str_t *key)
{
    ngx_str_t                *version, *account;
    ngx_paygw_stripe_conf_t  *conf;

    static ngx_str_t  json = ngx_string("application/json");
    static ngx_str_t  agent = ngx_string("paygw");
    static ngx_str_t  type = ngx_string(NGX_PAYGW_STRIPE_FORM);

    conf = x->n.channels[0]->conf;

    version = &x->in.headers[NGX_PAYGW_STRIPE_ASKS_VERSION];
    account = &x->in.headers[NGX_PAYGW_STRIPE_ASKS_ACCOUNT];

    if (version->len == 0) {
        version = &conf->version;
    }

    if (ngx_paygw_exchange_add(x, "Authorization", "authorization",
                               authorization)
        != NGX_OK
        || ngx_paygw_exchange_add(x, "Accept", "accept", &json) != NGX_OK
        || ngx_paygw_exchange_add(x, "User-Agent", "user-agent", &agent)
           != NGX_OK
        || ngx_paygw_exchange_add(x, "Content-Type", "content-type", &type)
           != NGX_OK
        || ngx_paygw_exchange_add(x, "Stripe-Version", "stripe-version",
                                  version)
           != NGX_OK
        || (account->len
            && ngx_paygw_exchange_add(x, "Stripe-Account", "stripe-account",
                                      account)
               != NGX_OK)
        || (key->len
            && ngx_paygw_exchange_add(x, "Idempotency-Key",
                                      "idempotency-key", key)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
