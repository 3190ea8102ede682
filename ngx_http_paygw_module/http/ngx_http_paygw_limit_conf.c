
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_limit.h"


/* paygw_limit: what it says, and what a location needs for it. */


#define NGX_HTTP_PAYGW_LIMIT_NAME_MAX  64

/* the longest time that a full bucket may take: 20 days, in microseconds, so
   that it is a time of nginx' on every machine */
#define NGX_HTTP_PAYGW_LIMIT_TIME_MAX  (20 * 86400 * (uint64_t) 1000000)


static char *ngx_http_paygw_limit_off(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *lcf);
static char *ngx_http_paygw_limit_param(ngx_conf_t *cf,
    ngx_http_paygw_limit_t *limit, ngx_str_t *value);
static char *ngx_http_paygw_limit_name(ngx_conf_t *cf,
    ngx_http_paygw_limit_t *limit, ngx_str_t *value);
static char *ngx_http_paygw_limit_texts(ngx_conf_t *cf,
    ngx_http_paygw_limit_t *limit, ngx_str_t *rate);
static char *ngx_http_paygw_limit_distinct(ngx_conf_t *cf,
    ngx_array_t *limits);
static char *ngx_http_paygw_limit_check(ngx_conf_t *cf,
    ngx_array_t *limits);


char *
ngx_http_paygw_limit_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    char                              *rv;
    ngx_str_t                         *value, rate;
    ngx_uint_t                         i;
    ngx_http_paygw_limit_t            *limit, **lp;
    ngx_http_paygw_main_conf_t        *mcf;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return ngx_http_paygw_limit_off(cf, lcf);
    }

    if (lcf->limits == NGX_CONF_UNSET_PTR) {

        lcf->limits = ngx_array_create(cf->pool, NGX_PAYGW_STORE_LIMITS_MAX,
                                       sizeof(ngx_http_paygw_limit_t));
        if (lcf->limits == NULL) {
            return NGX_CONF_ERROR;
        }

    } else if (lcf->limits == NULL) {
        return "follows \"paygw_limit off\"";

    } else if (lcf->limits->nelts == NGX_PAYGW_STORE_LIMITS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "more than %d \"paygw_limit\" directives",
                           NGX_PAYGW_STORE_LIMITS_MAX);
        return NGX_CONF_ERROR;
    }

    if (value[1].len == 0) {
        return "has an empty key, with which nothing would be counted";
    }

    limit = ngx_array_push(lcf->limits);
    if (limit == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(limit, sizeof(ngx_http_paygw_limit_t));
    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = &limit->key;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    limit->file = cf->conf_file->file.name.data;
    limit->line = cf->conf_file->line;

    ngx_str_null(&rate);

    for (i = 2; i < cf->args->nelts; i++) {

        rv = ngx_http_paygw_limit_param(cf, limit, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        if (ngx_strncmp(value[i].data, "rate=", 5) == 0) {
            rate.data = value[i].data + 5;
            rate.len = value[i].len - 5;
        }
    }

    if (rate.len == 0) {
        return "has no \"rate\", such as \"rate=50r/s\"";
    }

    rv = ngx_http_paygw_limit_time(cf, limit->rate, limit->period,
                                   limit->burst);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_paygw_limit_texts(cf, limit, &rate);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_paygw_limit_distinct(cf, lcf->limits);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    /* the array has room for all that there may be: it does not move */

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    lp = ngx_array_push(&mcf->limits);
    if (lp == NULL) {
        return NGX_CONF_ERROR;
    }

    *lp = limit;

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_limit_off(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_str_t  *value;

    if (cf->args->nelts > 2) {
        value = cf->args->elts;
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\"", &value[2]);
        return NGX_CONF_ERROR;
    }

    if (lcf->limits != NGX_CONF_UNSET_PTR) {
        return "off is not the only \"paygw_limit\" here";
    }

    lcf->limits = NULL;

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_limit_param(ngx_conf_t *cf, ngx_http_paygw_limit_t *limit,
    ngx_str_t *value)
{
    if (ngx_strncmp(value->data, "rate=", 5) == 0) {
        return ngx_http_paygw_limit_rate(cf, value, &limit->rate,
                                         &limit->period);
    }

    if (ngx_strncmp(value->data, "burst=", 6) == 0) {
        return ngx_http_paygw_limit_burst(cf, value, &limit->burst);
    }

    if (ngx_strncmp(value->data, "name=", 5) == 0) {
        return ngx_http_paygw_limit_name(cf, limit, value);
    }

    if (ngx_strcmp(value->data, "scope=store") == 0) {
        limit->zone = 0;

    } else if (ngx_strcmp(value->data, "scope=zone") == 0) {
        limit->zone = 1;

    } else if (ngx_strcmp(value->data, "store_error=zone") == 0) {
        limit->refuse = 0;

    } else if (ngx_strcmp(value->data, "store_error=refuse") == 0) {
        limit->refuse = 1;

    } else if (ngx_strcmp(value->data, "dry_run") == 0) {
        limit->dry = 1;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" of \"paygw_limit\", "
                           "known are \"rate=50r/s\", \"burst=\", \"name=\", "
                           "\"scope=store|zone\", \"store_error=zone|refuse\" "
                           "and \"dry_run\"", value);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_paygw_limit_rate(ngx_conf_t *cf, ngx_str_t *value, uint64_t *rate,
    uint64_t *period)
{
    ngx_int_t  n;
    ngx_str_t  s;

    s.data = value->data + 5;
    s.len = value->len - 5;

    n = NGX_ERROR;

    if (s.len > 3 && ngx_strncmp(&s.data[s.len - 3], "r/", 2) == 0) {

        switch (s.data[s.len - 1]) {

        case 's':
            *period = 1000000;
            n = ngx_atoi(s.data, s.len - 3);
            break;

        case 'm':
            *period = 60 * 1000000;
            n = ngx_atoi(s.data, s.len - 3);
            break;

        case 'h':
            *period = 3600 * (uint64_t) 1000000;
            n = ngx_atoi(s.data, s.len - 3);
            break;
        }
    }

    if (n < 1 || n > NGX_PAYGW_LIMIT_RATE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid rate \"%V\", it must be 1 to %d requests "
                           "a second, minute or hour: \"50r/s\", \"600r/m\", "
                           "\"1000r/h\"", &s, NGX_PAYGW_LIMIT_RATE_MAX);
        return NGX_CONF_ERROR;
    }

    *rate = n;

    return NGX_CONF_OK;
}


char *
ngx_http_paygw_limit_burst(ngx_conf_t *cf, ngx_str_t *value, uint64_t *burst)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data + 6, value->len - 6);

    if (n == NGX_ERROR || n > NGX_PAYGW_LIMIT_BURST_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\", it must be a number from 0 to %d",
                           value, NGX_PAYGW_LIMIT_BURST_MAX);
        return NGX_CONF_ERROR;
    }

    *burst = n;

    return NGX_CONF_OK;
}


char *
ngx_http_paygw_limit_time(ngx_conf_t *cf, uint64_t rate, uint64_t period,
    uint64_t burst)
{
    if ((burst + 1) * period / rate <= NGX_HTTP_PAYGW_LIMIT_TIME_MAX) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "the rate is too low for this burst: a client that has "
                       "used it would have to wait for more than 20 days");

    return NGX_CONF_ERROR;
}


/* it is told to clients, as a string of a structured field */

static char *
ngx_http_paygw_limit_name(ngx_conf_t *cf, ngx_http_paygw_limit_t *limit,
    ngx_str_t *value)
{
    u_char      c;
    ngx_uint_t  i;

    limit->name.data = value->data + 5;
    limit->name.len = value->len - 5;

    for (i = 0; i < limit->name.len; i++) {
        c = limit->name.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '-' || c == '_'))
        {
            break;
        }
    }

    if (limit->name.len == 0 || i < limit->name.len
        || limit->name.len > NGX_HTTP_PAYGW_LIMIT_NAME_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\", it must be 1 to %d letters, "
                           "digits, \"-\" and \"_\"",
                           &limit->name, NGX_HTTP_PAYGW_LIMIT_NAME_MAX);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * Limits with the same key, rate and burst are one limit, wherever they stand
 * and whichever machine reads them: that is what their counters end with.
 */

static char *
ngx_http_paygw_limit_texts(ngx_conf_t *cf, ngx_http_paygw_limit_t *limit,
    ngx_str_t *rate)
{
    u_char     *p;
    ngx_str_t  *key;

    key = &limit->key.value;

    if (limit->name.len == 0) {
        limit->name = *rate;
    }

    p = ngx_pnalloc(cf->pool, sizeof(":,,") - 1 + rate->len + NGX_INT64_LEN
                              + 2 * sizeof(uint32_t));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    limit->kind.data = p;
    limit->kind.len = ngx_sprintf(p, ":%V,%uL,%08xD", rate, limit->burst,
                                  ngx_crc32_long(key->data, key->len))
                      - p;

    p = ngx_pnalloc(cf->pool, sizeof("\"\";q=;w=;paygw-burst=") - 1
                              + limit->name.len + 3 * NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    limit->policy.data = p;

    p = ngx_sprintf(p, "\"%V\";q=%uL;w=%uL", &limit->name, limit->rate,
                    limit->period / 1000000);

    if (limit->burst) {
        p = ngx_sprintf(p, ";paygw-burst=%uL", limit->burst);
    }

    limit->policy.len = p - limit->policy.data;

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_limit_distinct(ngx_conf_t *cf, ngx_array_t *limits)
{
    ngx_uint_t               i;
    ngx_http_paygw_limit_t  *limit, *last;

    limit = limits->elts;
    last = &limit[limits->nelts - 1];

    for (i = 0; i < limits->nelts - 1; i++) {

        if (limit[i].kind.len == last->kind.len
            && ngx_strncmp(limit[i].kind.data, last->kind.data,
                           last->kind.len)
               == 0)
        {
            return "is duplicate";
        }

        if (limit[i].name.len == last->name.len
            && ngx_strncmp(limit[i].name.data, last->name.data,
                           last->name.len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "two \"paygw_limit\" have the name \"%V\", "
                               "clients could not tell them apart, add "
                               "\"name=...\"", &last->name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_paygw_limit_merge(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf)
{
    ngx_http_paygw_limit_t  *limit;

    if (conf->limits == NGX_CONF_UNSET_PTR) {

        /* callbacks are not limited by what the server says */

        conf->limits = (conf->names || prev->limits == NGX_CONF_UNSET_PTR)
                       ? NULL : prev->limits;
    }

    if (conf->limits == NULL) {
        return NGX_CONF_OK;
    }

    limit = conf->limits->elts;

    if (conf->names) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"paygw_limit\" in %s:%ui cannot be used with "
                      "\"paygw_notify\": a provider that is refused comes "
                      "again, use \"limit_req\" if you must",
                      limit->file, limit->line);
        return NGX_CONF_ERROR;
    }

    return ngx_http_paygw_limit_check(cf, conf->limits);
}


static char *
ngx_http_paygw_limit_check(ngx_conf_t *cf, ngx_array_t *limits)
{
    ngx_uint_t                   i;
    ngx_http_paygw_limit_t      *limit;
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    limit = limits->elts;

    if (mcf->store == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no store is defined for \"paygw_limit\" in %s:%ui, "
                      "add \"paygw_zone paygw:16m\" or "
                      "\"paygw_store redis://...\" to \"http\"",
                      limit->file, limit->line);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < limits->nelts; i++, limit++) {

        if (mcf->zone) {
            /* it answers at once, whoever calls it the store */
            limit->zone |= mcf->local;
            continue;
        }

        if (limit->zone) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"scope=zone\" of \"paygw_limit\" in %s:%ui needs "
                          "a zone, add \"paygw_zone paygw:16m\" to \"http\"",
                          limit->file, limit->line);
            return NGX_CONF_ERROR;
        }

        if (!limit->refuse) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"paygw_limit\" in %s:%ui needs a zone to count in "
                          "while the store does not answer, add \"paygw_zone "
                          "paygw:16m\" to \"http\", or \"store_error=refuse\"",
                          limit->file, limit->line);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
