
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_limit.h"
#include "ngx_http_paygw_metrics.h"


/* The counters of a configuration: which blocks there are, and their keys. */


static ngx_int_t ngx_http_paygw_metrics_channels(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf);
static ngx_int_t ngx_http_paygw_metrics_orders(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_paygw_channel_t *ch);
static ngx_int_t ngx_http_paygw_metrics_of_channel(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_http_paygw_subject_e kind,
    ngx_paygw_channel_t *ch, ngx_http_paygw_subject_t **of);
static ngx_int_t ngx_http_paygw_metrics_provider(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_uint_t n);
static ngx_int_t ngx_http_paygw_metrics_merchants(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf);
static ngx_int_t ngx_http_paygw_metrics_limits(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf);
static ngx_http_paygw_subject_t *ngx_http_paygw_metrics_subject(
    ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_e kind, ngx_str_t *name, ngx_str_t *of);
static uint32_t ngx_http_paygw_metrics_number(void);


static ngx_str_t  ngx_http_paygw_metrics_none = ngx_null_string;


char *
ngx_http_paygw_metrics_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_paygw_main_conf_t  *mcf;

    if (lcf->shows == cmd) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "stands in a location that has another content handler";
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    if (mcf->shown_file == NULL) {
        mcf->shown_file = cf->conf_file->file.name.data;
        mcf->shown_line = cf->conf_file->line;
    }

    lcf->shows = cmd;
    lcf->shows_file = cf->conf_file->file.name.data;
    lcf->shows_line = cf->conf_file->line;

    clcf->handler = cmd->offset ? ngx_http_paygw_status_handler
                                : ngx_http_paygw_metrics_handler;

    return NGX_CONF_OK;
}


char *
ngx_http_paygw_metrics_check(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *conf)
{
    ngx_http_handler_pt  handler;

    handler = conf->shows->offset ? ngx_http_paygw_status_handler
                                  : ngx_http_paygw_metrics_handler;

    return ngx_http_paygw_content_check(cf, handler,
                                        (char *) conf->shows->name.data,
                                        conf->shows_file, conf->shows_line)
           == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}


ngx_int_t
ngx_http_paygw_metrics_init(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf)
{
    ngx_paygw_metrics_t      **m;
    ngx_http_paygw_metrics_t  *metrics;

    if (mcf->shown_file == NULL) {
        return NGX_OK;
    }

    if (mcf->zone == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"paygw_metrics\" or \"paygw_status\" in %s:%ui needs "
                      "a zone, add \"paygw_zone paygw:16m\" to \"http\"",
                      mcf->shown_file, mcf->shown_line);
        return NGX_ERROR;
    }

    metrics = ngx_pcalloc(cf->pool, sizeof(ngx_http_paygw_metrics_t));
    if (metrics == NULL) {
        return NGX_ERROR;
    }

    mcf->metrics = metrics;

    if (ngx_array_init(&metrics->subjects, cf->pool, 16, sizeof(void *))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_paygw_metrics_subject(cf, mcf, NGX_HTTP_PAYGW_SUBJECT_NGINX,
                                       &ngx_http_paygw_metrics_none,
                                       &ngx_http_paygw_metrics_none)
        == NULL
        || ngx_http_paygw_metrics_channels(cf, mcf) != NGX_OK
        || ngx_http_paygw_metrics_merchants(cf, mcf) != NGX_OK
        || ngx_http_paygw_metrics_limits(cf, mcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* a subject begins with what the store floor knows of it */

    ngx_paygw_zone_metrics(mcf->zone, &metrics->subjects,
                           ngx_http_paygw_metrics_number());

    m = metrics->subjects.elts;

    ngx_paygw_store_metrics(mcf->store, m[0]);

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_metrics_channels(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf)
{
    ngx_uint_t                 i, n;
    ngx_paygw_channel_t      **ch;
    ngx_http_paygw_metrics_t  *metrics;

    metrics = mcf->metrics;
    ch = mcf->channels.elts;
    n = mcf->channels.nelts;

    metrics->channels = ngx_pcalloc(cf->pool, (4 * n + 2) * sizeof(void *));
    if (metrics->channels == NULL) {
        return NGX_ERROR;
    }

    metrics->orders = metrics->channels + n;
    metrics->providers = metrics->orders + n;
    metrics->api = metrics->providers + n;

    for (i = 0; i < n; i++) {
        ch[i]->index = i;

        if (ngx_http_paygw_metrics_of_channel(cf, mcf,
                                              NGX_HTTP_PAYGW_SUBJECT_CHANNEL,
                                              ch[i], &metrics->channels[i])
            != NGX_OK
            || ngx_http_paygw_metrics_orders(cf, mcf, ch[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (mcf->unnamed) {
        metrics->api[n] = ngx_http_paygw_metrics_subject(cf, mcf,
                                                NGX_HTTP_PAYGW_SUBJECT_API,
                                                &ngx_http_paygw_metrics_none,
                                                &ngx_http_paygw_metrics_none);
        if (metrics->api[n] == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < n; i++) {

        if (metrics->providers[i] == NULL
            && ngx_http_paygw_metrics_provider(cf, mcf, i) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_metrics_orders(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_paygw_channel_t *ch)
{
    ngx_http_paygw_keyring_t  *kr;
    ngx_http_paygw_metrics_t  *metrics;

    kr = ch->upper;
    metrics = mcf->metrics;

    if (kr == NULL || !kr->orders) {
        return NGX_OK;
    }

    if (ngx_http_paygw_metrics_of_channel(cf, mcf,
                                          NGX_HTTP_PAYGW_SUBJECT_ORDERS, ch,
                                          &metrics->orders[ch->index])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!kr->api) {
        return NGX_OK;
    }

    return ngx_http_paygw_metrics_of_channel(cf, mcf,
                                             NGX_HTTP_PAYGW_SUBJECT_API, ch,
                                             &metrics->api[ch->index]);
}


static ngx_int_t
ngx_http_paygw_metrics_of_channel(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_http_paygw_subject_e kind,
    ngx_paygw_channel_t *ch, ngx_http_paygw_subject_t **of)
{
    ngx_str_t                  provider;
    ngx_http_paygw_subject_t  *subject;

    provider = ch->provider->name;

    subject = ngx_http_paygw_metrics_subject(cf, mcf, kind, &ch->name,
                                             &provider);
    if (subject == NULL) {
        return NGX_ERROR;
    }

    subject->channel = ch;
    subject->provider = ch->provider;

    *of = subject;

    return NGX_OK;
}


/* a message does not always say which of several channels it is for */

static ngx_int_t
ngx_http_paygw_metrics_provider(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_uint_t n)
{
    ngx_str_t                  of;
    ngx_uint_t                 i, same;
    ngx_paygw_channel_t      **ch;
    ngx_http_paygw_subject_t  *subject;

    ch = mcf->channels.elts;
    same = 0;

    for (i = n; i < mcf->channels.nelts; i++) {
        same += (ch[i]->provider == ch[n]->provider);
    }

    if (same == 1) {
        mcf->metrics->providers[n] = mcf->metrics->channels[n];
        return NGX_OK;
    }

    of = ch[n]->provider->name;

    subject = ngx_http_paygw_metrics_subject(cf, mcf,
                                             NGX_HTTP_PAYGW_SUBJECT_CHANNEL,
                                             &ngx_http_paygw_metrics_none,
                                             &of);
    if (subject == NULL) {
        return NGX_ERROR;
    }

    subject->provider = ch[n]->provider;

    for (i = n; i < mcf->channels.nelts; i++) {
        if (ch[i]->provider == ch[n]->provider) {
            mcf->metrics->providers[i] = subject;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_metrics_merchants(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf)
{
    ngx_str_t                  *name;
    ngx_uint_t                  i, n;
    ngx_paygw_merchant_t      **merchant;
    ngx_http_paygw_subject_t  **subject;

    merchant = mcf->callers.merchants.elts;
    n = mcf->callers.merchants.nelts;

    if (n == 0) {
        return NGX_OK;
    }

    subject = ngx_pcalloc(cf->pool, (n + 1) * sizeof(void *));
    if (subject == NULL) {
        return NGX_ERROR;
    }

    mcf->metrics->merchants = subject;

    for (i = 0; i <= n; i++) {
        name = (i < n) ? &merchant[i]->name : &ngx_http_paygw_metrics_none;

        subject[i] = ngx_http_paygw_metrics_subject(cf, mcf,
                                            NGX_HTTP_PAYGW_SUBJECT_MERCHANT,
                                            name,
                                            &ngx_http_paygw_metrics_none);
        if (subject[i] == NULL) {
            return NGX_ERROR;
        }

        subject[i]->merchant = (i < n) ? merchant[i] : NULL;
    }

    return NGX_OK;
}


/* limits of one name are counted together */

static ngx_int_t
ngx_http_paygw_metrics_limits(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf)
{
    ngx_uint_t               i, k;
    ngx_http_paygw_limit_t **limit;

    limit = mcf->limits.elts;

    for (i = 0; i < mcf->limits.nelts; i++) {

        for (k = 0; k < i; k++) {
            if (limit[k]->name.len == limit[i]->name.len
                && ngx_strncmp(limit[k]->name.data, limit[i]->name.data,
                               limit[i]->name.len)
                   == 0)
            {
                break;
            }
        }

        if (k < i) {
            limit[i]->subject = limit[k]->subject;
            continue;
        }

        limit[i]->subject = ngx_http_paygw_metrics_subject(cf, mcf,
                                            NGX_HTTP_PAYGW_SUBJECT_LIMIT,
                                            &limit[i]->name,
                                            &ngx_http_paygw_metrics_none);
        if (limit[i]->subject == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * The provider is a part of a channel's key: one that is of another provider
 * after a reload is another one.
 */

static ngx_http_paygw_subject_t *
ngx_http_paygw_metrics_subject(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_http_paygw_subject_e kind,
    ngx_str_t *name, ngx_str_t *of)
{
    u_char                    *p, *last;
    ngx_http_paygw_subject_t  *subject, **sp;

    /* in the order of ngx_http_paygw_subject_e */

    static ngx_str_t  kinds[] = {
        ngx_string("nginx"),
        ngx_string("channel"),
        ngx_string("orders"),
        ngx_string("api"),
        ngx_string("merchant"),
        ngx_string("limit")
    };

    subject = ngx_pcalloc(cf->pool, sizeof(ngx_http_paygw_subject_t));
    sp = ngx_array_push(&mcf->metrics->subjects);
    p = ngx_pnalloc(cf->pool, NGX_PAYGW_METRICS_KEY);

    if (subject == NULL || sp == NULL || p == NULL) {
        return NULL;
    }

    last = ngx_snprintf(p, NGX_PAYGW_METRICS_KEY, "%V:%V:%V", &kinds[kind],
                        of, name);

    subject->metrics.key.data = p;
    subject->metrics.key.len = last - p;
    subject->metrics.n = ngx_http_paygw_subject_slots[kind];
    subject->kind = kind;
    subject->name = *name;

    *sp = subject;

    return subject;
}


/* changes with the meaning of any slot */

static uint32_t
ngx_http_paygw_metrics_number(void)
{
    uint32_t                        crc;
    ngx_str_t                       values[NGX_HTTP_PAYGW_FAMILY_LABELS];
    ngx_uint_t                      i, k, where[3];
    const ngx_http_paygw_family_t  *f;

    ngx_crc32_init(crc);

    for (f = ngx_http_paygw_families; f->shown.name.len; f++) {

        where[0] = f->shown.type;
        where[1] = f->at;
        where[2] = f->n;

        ngx_crc32_update(&crc, f->shown.name.data, f->shown.name.len);
        ngx_crc32_update(&crc, (u_char *) where, sizeof(where));

        for (i = 0; f->value && i < f->n; i++) {

            ngx_memzero(values, sizeof(values));
            (void) f->value(i, values);

            for (k = 0; k < NGX_HTTP_PAYGW_FAMILY_LABELS; k++) {
                ngx_crc32_update(&crc, values[k].data, values[k].len);
            }
        }
    }

    ngx_crc32_update(&crc, (u_char *) ngx_paygw_metrics_bounds,
                     NGX_PAYGW_METRICS_BOUNDS * sizeof(uint32_t));
    ngx_crc32_final(crc);

    return crc;
}
