
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_metrics.h"


/* What is not counted, but looked at when metrics are shown. */


static void ngx_http_paygw_metrics_end(ngx_array_t *keys,
    ngx_paygw_exposition_t *e, ngx_paygw_exposition_sample_t *s);
static time_t ngx_http_paygw_metrics_first(ngx_paygw_key_t **key,
    ngx_uint_t n, ngx_uint_t i);


void
ngx_http_paygw_metrics_keys(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s)
{
    if (subject->channel && subject->channel->keys) {
        ngx_paygw_exposition_value(e, s, subject->channel->keys->nelts);
    }
}


/*
 * A sample must not occur twice: of keys of one id the one that ends first
 * counts.  Serials are those of an issuer: two may have the same.
 */

void
ngx_http_paygw_metrics_ends(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s)
{
    ngx_str_t  *owner;

    if (subject->channel == NULL) {
        return;
    }

    owner = &s->labels[s->nlabels - 2].value;

    if (subject->channel->keys) {
        ngx_str_set(owner, "provider");
        ngx_http_paygw_metrics_end(subject->channel->keys, e, s);
    }

    if (subject->channel->certs) {
        ngx_str_set(owner, "configuration");
        ngx_http_paygw_metrics_end(subject->channel->certs, e, s);
    }
}


static void
ngx_http_paygw_metrics_end(ngx_array_t *keys, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s)
{
    time_t             end;
    ngx_uint_t         i;
    ngx_paygw_key_t  **key;

    key = keys->elts;

    for (i = 0; i < keys->nelts; i++) {

        if (key[i]->not_after == 0) {
            continue;
        }

        end = ngx_http_paygw_metrics_first(key, keys->nelts, i);

        if (end) {
            s->labels[s->nlabels - 1].value = key[i]->id;
            ngx_paygw_exposition_value(e, s, end);
        }
    }
}


/* the first end of the keys that have the id of key i; 0: one before has it */

static time_t
ngx_http_paygw_metrics_first(ngx_paygw_key_t **key, ngx_uint_t n,
    ngx_uint_t i)
{
    time_t      end;
    ngx_uint_t  k;

    end = key[i]->not_after;

    for (k = 0; k < n; k++) {

        if (key[k]->not_after == 0
            || key[k]->id.len != key[i]->id.len
            || ngx_strncmp(key[k]->id.data, key[i]->id.data, key[i]->id.len)
               != 0)
        {
            continue;
        }

        if (k < i) {
            return 0;
        }

        end = ngx_min(end, key[k]->not_after);
    }

    return end;
}


void
ngx_http_paygw_metrics_merchant_keys(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s)
{
    if (subject->merchant) {
        ngx_paygw_exposition_value(e, s, subject->merchant->nkeys);
    }
}


void
ngx_http_paygw_metrics_breakers(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s)
{
    ngx_http_paygw_keyring_t  *kr;

    kr = subject->channel->upper;

    if (kr->used && kr->health) {
        ngx_paygw_exposition_value(e, s,
                                   ngx_paygw_zone_breaker_state(kr->health));
    }
}


void
ngx_http_paygw_metrics_zone_size(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s)
{
    size_t  size, free;

    ngx_paygw_zone_room(mcf->zone, &size, &free);
    ngx_paygw_exposition_value(e, s, size);
}


void
ngx_http_paygw_metrics_zone_free(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s)
{
    size_t  size, free;

    ngx_paygw_zone_room(mcf->zone, &size, &free);
    ngx_paygw_exposition_value(e, s, free);
}


void
ngx_http_paygw_metrics_since(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s)
{
    ngx_paygw_exposition_value(e, s, subject->metrics.since);
}


void
ngx_http_paygw_metrics_build(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_subject_t *subject, ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *s)
{
    ngx_str_set(&s->labels[0].value, NGX_HTTP_PAYGW_VERSION);
    ngx_paygw_exposition_value(e, s, 1);
}
