
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_remote.h"
#include "ngx_http_paygw_transport.h"
#include "ngx_paygw_text.h"


/* The block paygw_channel: what all providers share, and the way to theirs. */


/* of "notify_url": what all providers take */
#define NGX_HTTP_PAYGW_URL_MAX  255


typedef struct {
    ngx_paygw_channel_t         *channel;
    uint64_t                     seen;      /* bit of each parameter */
} ngx_http_paygw_channel_ctx_t;


static char *ngx_http_paygw_channel_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_http_paygw_channel_provider(ngx_conf_t *cf,
    ngx_http_paygw_channel_ctx_t *ctx, ngx_str_t *value);
static char *ngx_http_paygw_channel_param(ngx_conf_t *cf,
    ngx_http_paygw_channel_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_channel_time(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_int_t *known);
static ngx_int_t ngx_http_paygw_channel_url(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_int_t *known);
static char *ngx_http_paygw_channel_check(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static void ngx_http_paygw_channel_twin(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_paygw_channel_t *ch);


char *
ngx_http_paygw_channel(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_main_conf_t *mcf = conf;

    char                          *rv;
    ngx_str_t                     *value;
    ngx_conf_t                     save;
    ngx_paygw_channel_t           *ch, **chp;
    ngx_http_paygw_channel_ctx_t   ctx;

    value = cf->args->elts;

    if (!ngx_http_paygw_name_valid(&value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid channel name \"%V\", it must be 1 to %d "
                           "letters, digits, \"-\" and \"_\"",
                           &value[1], NGX_HTTP_PAYGW_NAME_MAX);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_paygw_channel_find(mcf, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate channel \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    ch = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_channel_t));
    if (ch == NULL) {
        return NGX_CONF_ERROR;
    }

    ch->name = value[1];
    ch->window = NGX_CONF_UNSET_MSEC;
    ch->keep = NGX_CONF_UNSET_MSEC;
    ch->lease = NGX_CONF_UNSET_MSEC;

    ctx.channel = ch;
    ctx.seen = 0;

    save = *cf;
    cf->handler = ngx_http_paygw_channel_line;
    cf->handler_conf = (void *) &ctx;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_http_paygw_channel_check(cf, ch) != NGX_CONF_OK
        || ngx_http_paygw_remote_create(cf, mcf, ch) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_http_paygw_channel_twin(cf, mcf, ch);

    chp = ngx_array_push(&mcf->channels);
    if (chp == NULL) {
        return NGX_CONF_ERROR;
    }

    *chp = ch;

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_channel_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_http_paygw_channel_ctx_t *ctx = conf;

    ngx_int_t   known;
    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "include") == 0) {

        if (cf->args->nelts != 2) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"include\"");
            return NGX_CONF_ERROR;
        }

        return ngx_conf_include(cf, dummy, conf);
    }

    if (ngx_strcmp(value[0].data, "provider") == 0) {

        if (cf->args->nelts != 2) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"provider\" "
                               "of channel \"%V\"", &ctx->channel->name);
            return NGX_CONF_ERROR;
        }

        return ngx_http_paygw_channel_provider(cf, ctx, &value[1]);
    }

    if (ctx->channel->provider == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"provider\" must be the first parameter of "
                           "channel \"%V\"", &ctx->channel->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_paygw_channel_time(cf, ctx->channel, &known) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (!known
        && ngx_http_paygw_transport_line(cf, ctx->channel, &known) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (!known
        && ngx_http_paygw_channel_url(cf, ctx->channel, &known) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (!known
        && ngx_http_paygw_endpoint_line(cf, ctx->channel, &known) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (!known
        && ngx_http_paygw_remote_line(cf, ctx->channel, &known) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (known) {
        return NGX_CONF_OK;
    }

    return ngx_http_paygw_channel_param(cf, ctx);
}


static char *
ngx_http_paygw_channel_provider(ngx_conf_t *cf,
    ngx_http_paygw_channel_ctx_t *ctx, ngx_str_t *value)
{
    u_char                       buf[NGX_MAX_CONF_ERRSTR], *p;
    ngx_paygw_channel_t         *ch;
    const ngx_paygw_provider_t **pr;

    ch = ctx->channel;

    if (ch->provider) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"provider\" of channel \"%V\" is duplicate",
                           &ch->name);
        return NGX_CONF_ERROR;
    }

    ch->provider = ngx_paygw_provider_find(value);

    if (ch->provider == NULL) {
        p = buf;

        for (pr = ngx_paygw_providers; *pr; pr++) {
            p = ngx_slprintf(p, buf + sizeof(buf), " \"%V\"", &(*pr)->name);
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown provider \"%V\" of channel \"%V\", "
                           "known are%*s", value, &ch->name,
                           (size_t) (p - buf), buf);
        return NGX_CONF_ERROR;
    }

    ch->headers = ch->provider->headers;
    ch->content_types = ch->provider->content_types;

    if (ch->provider->create(cf, ch) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* the parameters that every channel has: *known is 1 if this was one */

static ngx_int_t
ngx_http_paygw_channel_time(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_int_t *known)
{
    ngx_str_t   *value;
    ngx_msec_t  *field;
    ngx_int_t    ms;

    value = cf->args->elts;
    *known = 1;

    if (ngx_strcmp(value[0].data, "clock_window") == 0) {
        field = &ch->window;

    } else if (ngx_strcmp(value[0].data, "event_ttl") == 0) {
        field = &ch->keep;

    } else if (ngx_strcmp(value[0].data, "lease") == 0) {
        field = &ch->lease;

    } else {
        *known = 0;
        return NGX_OK;
    }

    if (*field != NGX_CONF_UNSET_MSEC) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of channel \"%V\" is duplicate",
                           &value[0], &ch->name);
        return NGX_ERROR;
    }

    ms = NGX_ERROR;

    if (cf->args->nelts == 2) {
        ms = ngx_parse_time(&value[1], 0);
    }

    if (ms == NGX_ERROR || ms < 1000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of channel \"%V\" must be a time of at "
                           "least 1s", &value[0], &ch->name);
        return NGX_ERROR;
    }

    *field = ms;

    return NGX_OK;
}


/* where the provider is to send the callbacks of orders that we make */

static ngx_int_t
ngx_http_paygw_channel_url(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_int_t *known)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "notify_url") != 0) {
        *known = 0;
        return NGX_OK;
    }

    *known = 1;

    if (ch->notify_url.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"notify_url\" of channel \"%V\" is duplicate",
                           &ch->name);
        return NGX_ERROR;
    }

    if (cf->args->nelts != 2
        || !ngx_paygw_visible(&value[1], NGX_HTTP_PAYGW_URL_MAX)
        || (ngx_strncmp(value[1].data, "https://", 8) != 0
            && ngx_strncmp(value[1].data, "http://", 7) != 0)
        || ngx_strlchr(value[1].data, value[1].data + value[1].len, '?')
        || ngx_strlchr(value[1].data, value[1].data + value[1].len, '#'))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"notify_url\" of channel \"%V\" must be a URL "
                           "without arguments, \"https://\" and the location "
                           "with \"paygw_notify %V\"",
                           &ch->name, &ch->name);
        return NGX_ERROR;
    }

    ch->notify_url = value[1];

    return NGX_OK;
}


static char *
ngx_http_paygw_channel_param(ngx_conf_t *cf, ngx_http_paygw_channel_ctx_t *ctx)
{
    char                     *rv;
    ngx_str_t                *value;
    ngx_uint_t                i, nargs;
    ngx_paygw_channel_t      *ch;
    const ngx_paygw_param_t  *p;

    ch = ctx->channel;
    value = cf->args->elts;
    nargs = cf->args->nelts - 1;

    p = ch->provider->params;

    for (i = 0; p[i].name.len; i++) {

        if (p[i].name.len != value[0].len
            || ngx_strncmp(p[i].name.data, value[0].data, value[0].len) != 0)
        {
            continue;
        }

        if (nargs < p[i].min || nargs > p[i].max) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"%V\" of "
                               "channel \"%V\": %ui, it must be at %s %ui%s",
                               &value[0], &ch->name, nargs,
                               nargs < p[i].min ? "least" : "most",
                               nargs < p[i].min ? p[i].min : p[i].max,
                               nargs < p[i].min ? ""
                               : ", a value with spaces needs quotes");
            return NGX_CONF_ERROR;
        }

        if ((ctx->seen & ((uint64_t) 1 << i)) && !p[i].repeat) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" of channel \"%V\" is duplicate",
                               &value[0], &ch->name);
            return NGX_CONF_ERROR;
        }

        ctx->seen |= (uint64_t) 1 << i;

        rv = p[i].set(cf, ch, &value[1], nargs);

        if (rv != NGX_CONF_OK && rv != NGX_CONF_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" of channel \"%V\" %s",
                               &value[0], &ch->name, rv);
            return NGX_CONF_ERROR;
        }

        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown parameter \"%V\" of channel \"%V\", "
                       "provider \"%V\" does not have it",
                       &value[0], &ch->name, &ch->provider->name);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_paygw_channel_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    if (ch->provider == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"provider\" is defined for channel \"%V\"",
                           &ch->name);
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_msec_value(ch->window, 300 * 1000);
    ngx_conf_init_msec_value(ch->keep, 26 * 60 * 60 * 1000);
    ngx_conf_init_msec_value(ch->lease, 30 * 1000);

    if (ch->keep / 2 < ch->window) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"event_ttl\" %Ms of channel \"%V\" is less than "
                           "twice \"clock_window\" %Ms: a callback could be "
                           "replayed while its time is still accepted, "
                           "leave \"event_ttl\" out or set it to 26h",
                           ch->keep / 1000, &ch->name, ch->window / 1000);
        return NGX_CONF_ERROR;
    }

    return ch->provider->check(cf, ch);
}


/* the name of the channel is part of an event's id */

static void
ngx_http_paygw_channel_twin(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf,
    ngx_paygw_channel_t *ch)
{
    ngx_uint_t             i;
    ngx_paygw_channel_t  **other;

    other = mcf->channels.elts;

    for (i = 0; i < mcf->channels.nelts; i++) {

        if (other[i]->provider == ch->provider
            && ch->provider->same(other[i], ch))
        {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "channels \"%V\" and \"%V\" are the same "
                               "account: one callback sent to both would be "
                               "two events", &other[i]->name, &ch->name);
        }
    }
}


ngx_paygw_channel_t *
ngx_http_paygw_channel_find(ngx_http_paygw_main_conf_t *mcf, ngx_str_t *name)
{
    ngx_uint_t             i;
    ngx_paygw_channel_t  **ch;

    ch = mcf->channels.elts;

    for (i = 0; i < mcf->channels.nelts; i++) {
        if (ch[i]->name.len == name->len
            && ngx_strncmp(ch[i]->name.data, name->data, name->len) == 0)
        {
            return ch[i];
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_paygw_name_valid(ngx_str_t *name)
{
    u_char      c;
    ngx_uint_t  i;

    if (name->len == 0 || name->len > NGX_HTTP_PAYGW_NAME_MAX) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9') || c == '-' || c == '_')
        {
            continue;
        }

        return 0;
    }

    return 1;
}
