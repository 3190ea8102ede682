
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_stripe.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_key.h"
#include "ngx_paygw_text.h"


#define NGX_PAYGW_STRIPE_PREFIX  "whsec_"


static char *ngx_paygw_stripe_webhook_secret(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_stripe_livemode(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_stripe_accounts(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_stripe_secret_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static ngx_uint_t ngx_paygw_stripe_begins(ngx_str_t *s, const char *word);
static char *ngx_paygw_stripe_version(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_stripe_check_key(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_uint_t ngx_paygw_stripe_has(ngx_array_t *secrets, ngx_str_t *s);


const ngx_paygw_param_t  ngx_paygw_stripe_params[] = {

    { ngx_string("webhook_secret"), 1, 1, 1,
      ngx_paygw_stripe_webhook_secret },

    { ngx_string("livemode"), 1, 1, 0,
      ngx_paygw_stripe_livemode },

    { ngx_string("account"), 1, 64, 1,
      ngx_paygw_stripe_accounts },

    { ngx_string("secret_key"), 1, 2, 0,
      ngx_paygw_stripe_secret_key },

    { ngx_string("stripe_version"), 1, 1, 0,
      ngx_paygw_stripe_version },

    { ngx_null_string, 0, 0, 0, NULL }
};


ngx_int_t
ngx_paygw_stripe_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_stripe_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_stripe_conf_t));
    if (conf == NULL) {
        return NGX_ERROR;
    }

    /* a test event costs nobody anything, and must not look as if it did */

    conf->livemode = 1;

    /* what calls were tried with: an account may have any other by default */

    ngx_str_set(&conf->version, "2026-10-28.endive");

    ch->conf = conf;

    return NGX_OK;
}


/*
 * The whole text is the key, prefix included.  White space around it is the
 * classic of copied secrets, and every signature would be wrong.
 */

static char *
ngx_paygw_stripe_webhook_secret(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_stripe_conf_t  *conf = ch->conf;

    size_t      len;
    ngx_str_t  *secret, value;

    if (ngx_paygw_secret(cf, &args[0], "webhook_secret", &value) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    len = sizeof(NGX_PAYGW_STRIPE_PREFIX) - 1;

    /* not secret: the prefix is the same for everybody */

    if (!ngx_paygw_visible(&value, 256)
        || value.len <= len
        || ngx_memcmp(value.data, NGX_PAYGW_STRIPE_PREFIX, len) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"webhook_secret\" of channel \"%V\", it "
                           "must be the signing secret of the endpoint as "
                           "Stripe shows it, from \""
                           NGX_PAYGW_STRIPE_PREFIX "\" on and without any "
                           "white space", &ch->name);
        return NGX_CONF_ERROR;
    }

    if (conf->secrets == NULL) {
        conf->secrets = ngx_array_create(cf->pool,
                                         NGX_PAYGW_STRIPE_MAX_SECRETS,
                                         sizeof(ngx_str_t));
        if (conf->secrets == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (conf->secrets->nelts == NGX_PAYGW_STRIPE_MAX_SECRETS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "more than %d \"webhook_secret\" of channel "
                           "\"%V\", leave out those that have been rolled",
                           NGX_PAYGW_STRIPE_MAX_SECRETS, &ch->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_stripe_has(conf->secrets, &value)) {
        return "is duplicate";
    }

    secret = ngx_array_push(conf->secrets);
    if (secret == NULL) {
        return NGX_CONF_ERROR;
    }

    *secret = value;

    return NGX_CONF_OK;
}


static char *
ngx_paygw_stripe_livemode(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_stripe_conf_t  *conf = ch->conf;

    if (ngx_strcmp(args[0].data, "on") == 0) {
        conf->livemode = 1;

    } else if (ngx_strcmp(args[0].data, "off") == 0) {
        conf->livemode = 0;

    } else {
        return "must be \"on\" or \"off\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_paygw_stripe_accounts(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_stripe_conf_t  *conf = ch->conf;

    size_t      len;
    ngx_uint_t  i;

    len = sizeof("acct_") - 1;

    for (i = 0; i < nargs; i++) {

        if (args[i].len > len
            && ngx_strncmp(args[i].data, "acct_", len) == 0)
        {
            if (ngx_paygw_channel_account(cf, ch, &args[i], "account")
                != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"account\" of channel \"%V\": \"%V\", "
                           "it must be the id of a connected account, "
                           "\"acct_\" and letters and digits; your own "
                           "account needs none", &ch->name, &args[i]);
        return NGX_CONF_ERROR;
    }

    return ngx_paygw_channel_list(cf, ch, &conf->accounts, args, nargs);
}


char *
ngx_paygw_stripe_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_stripe_conf_t  *conf = ch->conf;

    if (ngx_paygw_channel_required(cf, ch, conf->secrets != NULL,
                                   "webhook_secret")
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_paygw_stripe_check_key(cf, ch);
}


/* the key of the test account, or that of the real one */

static char *
ngx_paygw_stripe_secret_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_stripe_conf_t  *conf = ch->conf;

    if (nargs == 2) {

        if (ngx_strcmp(args[1].data, "basic") == 0) {
            conf->basic = 1;

        } else if (ngx_strcmp(args[1].data, "bearer") != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"secret_key\" of channel \"%V\": "
                               "\"%V\", it must be \"bearer\" or \"basic\"",
                               &ch->name, &args[1]);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_paygw_secret(cf, &args[0], "secret_key", &conf->secret_key)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (!ngx_paygw_visible(&conf->secret_key, 256)
        || (!ngx_paygw_stripe_begins(&conf->secret_key, "sk_")
            && !ngx_paygw_stripe_begins(&conf->secret_key, "rk_")))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"secret_key\" of channel \"%V\", it must "
                           "be a secret or a restricted key as Stripe shows "
                           "it, from \"sk_\" or \"rk_\" on and without any "
                           "white space", &ch->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* not secret: these are the same for everybody */

static ngx_uint_t
ngx_paygw_stripe_begins(ngx_str_t *s, const char *word)
{
    size_t  len;

    len = ngx_strlen(word);

    return s->len > len && ngx_strncmp(s->data, word, len) == 0;
}


static char *
ngx_paygw_stripe_version(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_stripe_conf_t  *conf = ch->conf;

    if (!ngx_paygw_visible(&args[0], 64)) {
        return "must be a version as Stripe writes it";
    }

    conf->version = args[0];

    return NGX_CONF_OK;
}


static char *
ngx_paygw_stripe_check_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_stripe_conf_t  *conf = ch->conf;

    ngx_uint_t  test;

    if (conf->secret_key.len == 0) {
        return NGX_CONF_OK;
    }

    test = (ngx_paygw_stripe_begins(&conf->secret_key, "sk_test_")
            || ngx_paygw_stripe_begins(&conf->secret_key, "rk_test_"));

    if (test == (ngx_uint_t) conf->livemode) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"secret_key\" of channel \"%V\" is of the %s "
                           "mode and \"livemode\" is %s, make them fit",
                           &ch->name, test ? "test" : "live",
                           test ? "on" : "off");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * Nothing of a message is known before its signature: channels are told apart
 * by their secrets, and those that share one by what the event says.
 */

ngx_uint_t
ngx_paygw_stripe_same(ngx_paygw_channel_t *a, ngx_paygw_channel_t *b)
{
    ngx_paygw_stripe_conf_t  *ac = a->conf;
    ngx_paygw_stripe_conf_t  *bc = b->conf;

    ngx_str_t   *secret;
    ngx_uint_t   i;

    if (ac->livemode != bc->livemode) {
        return 0;
    }

    if (ac->accounts || bc->accounts) {
        if (!ngx_paygw_channel_meet(ac->accounts, bc->accounts)) {
            return 0;
        }
    }

    secret = ac->secrets->elts;

    for (i = 0; i < ac->secrets->nelts; i++) {
        if (ngx_paygw_stripe_has(bc->secrets, &secret[i])) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_paygw_stripe_has(ngx_array_t *secrets, ngx_str_t *s)
{
    ngx_str_t   *secret;
    ngx_uint_t   i;

    secret = secrets->elts;

    for (i = 0; i < secrets->nelts; i++) {
        if (ngx_paygw_equal(&secret[i], s)) {
            return 1;
        }
    }

    return 0;
}
