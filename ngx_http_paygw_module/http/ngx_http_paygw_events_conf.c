
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_key.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_events.h"


#define NGX_HTTP_PAYGW_EVENTS_SECRET       16     /* bytes at least */

#define NGX_HTTP_PAYGW_EVENTS_TTL          (2 * 60 * 60)
#define NGX_HTTP_PAYGW_EVENTS_INTERVAL     1000
#define NGX_HTTP_PAYGW_EVENTS_MAX          (5 * 60 * 1000)
#define NGX_HTTP_PAYGW_EVENTS_CONNECTIONS  256
#define NGX_HTTP_PAYGW_EVENTS_EACH         4


static ngx_int_t ngx_http_paygw_events_param(ngx_conf_t *cf,
    ngx_http_paygw_events_conf_t *ev, ngx_str_t *value);
static ngx_int_t ngx_http_paygw_events_time(ngx_str_t *arg, ngx_msec_t min,
    ngx_msec_t max, ngx_msec_t *time);
static ngx_int_t ngx_http_paygw_events_number(ngx_str_t *arg,
    ngx_uint_t *number);
static ngx_int_t ngx_http_paygw_events_prefix(ngx_str_t *arg,
    ngx_str_t *url);
static ngx_int_t ngx_http_paygw_events_key(ngx_conf_t *cf,
    ngx_http_paygw_events_conf_t *ev, ngx_str_t *value);
static char *ngx_http_paygw_events_bad(ngx_conf_t *cf, ngx_str_t *value);


/* what there is without the directive: nobody is handed a token */

static ngx_http_paygw_events_conf_t  ngx_http_paygw_events_plain = {
    { NULL, 0, 0, 0, NULL },
    NGX_HTTP_PAYGW_EVENTS_TTL,
    NGX_HTTP_PAYGW_EVENTS_INTERVAL,
    NGX_HTTP_PAYGW_EVENTS_MAX,
    NGX_HTTP_PAYGW_EVENTS_CONNECTIONS,
    NGX_HTTP_PAYGW_EVENTS_EACH,
    ngx_null_string,
    NULL,
    0
};


char *
ngx_http_paygw_events_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_int_t                      rc;
    ngx_str_t                     *value;
    ngx_uint_t                     i;
    ngx_http_paygw_events_conf_t  *ev;

    if (lcf->events != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        lcf->events = NULL;
        return NGX_CONF_OK;
    }

    ev = ngx_pcalloc(cf->pool, sizeof(ngx_http_paygw_events_conf_t));
    if (ev == NULL) {
        return NGX_CONF_ERROR;
    }

    ev->file = cf->conf_file->file.name.data;
    ev->line = cf->conf_file->line;
    ev->ttl = NGX_HTTP_PAYGW_EVENTS_TTL;
    ev->interval = NGX_HTTP_PAYGW_EVENTS_INTERVAL;
    ev->max = NGX_HTTP_PAYGW_EVENTS_MAX;
    ev->connections = NGX_HTTP_PAYGW_EVENTS_CONNECTIONS;
    ev->each = NGX_HTTP_PAYGW_EVENTS_EACH;

    if (ngx_array_init(&ev->keys, cf->pool, 2,
                       sizeof(ngx_paygw_token_key_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        rc = ngx_http_paygw_events_param(cf, ev, &value[i]);

        if (rc == NGX_DECLINED) {
            return ngx_http_paygw_events_bad(cf, &value[i]);
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (ev->keys.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"paygw_events\" has no key, add "
                           "\"k1=file:/etc/paygw/events.k1\"");
        return NGX_CONF_ERROR;
    }

    lcf->events = ev;

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_events_bad(ngx_conf_t *cf, ngx_str_t *value)
{
    u_char      *end;
    ngx_str_t    name;
    ngx_uint_t   i;
    const char  *wants;

    static const struct {
        const char  *name;
        const char  *wants;
    } known[] = {
        { "interval=", "it must be a time from 100ms to 1m" },
        { "max=", "it must be a time from 1s to 1d" },
        { "ttl=", "it must be a time from 1m to 7d" },
        { "connections=", "it must be from 1 to 65535" },
        { "each=", "it must be from 1 to 65535" },
        { "url=", "it must be given once, a URL or path that ends with "
                  "\"/\"" }
    };

    wants = "known are interval=, max=, ttl=, connections=, each=, url= and "
            "keys, as \"k1=file:/etc/paygw/events.k1\"";

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (ngx_strncmp(value->data, known[i].name,
                        ngx_strlen(known[i].name))
            == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" of "
                               "\"paygw_events\", %s", value, known[i].wants);
            return NGX_CONF_ERROR;
        }
    }

    /* it may be a secret, which is not repeated, if it is long enough */

    end = ngx_strlchr(value->data, value->data + value->len, '=');

    name.data = value->data;
    name.len = end ? (size_t) (end - value->data)
               : value->len < NGX_HTTP_PAYGW_EVENTS_SECRET ? value->len : 0;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" of \"paygw_events\", %s",
                       &name, wants);

    return NGX_CONF_ERROR;
}


/* NGX_DECLINED: it is not valid, and nothing was logged */

static ngx_int_t
ngx_http_paygw_events_param(ngx_conf_t *cf, ngx_http_paygw_events_conf_t *ev,
    ngx_str_t *value)
{
    u_char      *p;
    ngx_str_t    arg;
    ngx_msec_t   ms;

    p = ngx_strlchr(value->data, value->data + value->len, '=');

    if (p == NULL) {
        return NGX_DECLINED;
    }

    arg.data = p + 1;
    arg.len = value->data + value->len - arg.data;

    if (ngx_strncmp(value->data, "interval=", 9) == 0) {
        return ngx_http_paygw_events_time(&arg, 100, 60 * 1000,
                                          &ev->interval);
    }

    if (ngx_strncmp(value->data, "max=", 4) == 0) {
        return ngx_http_paygw_events_time(&arg, 1000, 24 * 60 * 60 * 1000,
                                          &ev->max);
    }

    if (ngx_strncmp(value->data, "ttl=", 4) == 0) {

        if (ngx_http_paygw_events_time(&arg, 60 * 1000,
                                       7 * 24 * 60 * 60 * 1000, &ms)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        ev->ttl = ms / 1000;
        return NGX_OK;
    }

    if (ngx_strncmp(value->data, "connections=", 12) == 0) {

        return ngx_http_paygw_events_number(&arg, &ev->connections);
    }

    if (ngx_strncmp(value->data, "each=", 5) == 0) {
        return ngx_http_paygw_events_number(&arg, &ev->each);
    }

    if (ngx_strncmp(value->data, "url=", 4) == 0) {
        return ngx_http_paygw_events_prefix(&arg, &ev->url);
    }

    return ngx_http_paygw_events_key(cf, ev, value);
}


static ngx_int_t
ngx_http_paygw_events_time(ngx_str_t *arg, ngx_msec_t min, ngx_msec_t max,
    ngx_msec_t *time)
{
    ngx_int_t  n;

    n = ngx_parse_time(arg, 0);

    if (n == NGX_ERROR || (ngx_msec_t) n < min || (ngx_msec_t) n > max) {
        return NGX_DECLINED;
    }

    *time = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_events_number(ngx_str_t *arg, ngx_uint_t *number)
{
    ngx_int_t  n;

    n = ngx_atoi(arg->data, arg->len);

    if (n < 1 || n > 65535) {
        return NGX_DECLINED;
    }

    *number = n;

    return NGX_OK;
}


/* what is told to callers as it is, and must not have to be escaped */

static ngx_int_t
ngx_http_paygw_events_prefix(ngx_str_t *arg, ngx_str_t *url)
{
    size_t  i;

    if (url->len || arg->len == 0 || arg->data[arg->len - 1] != '/'
        || (arg->data[0] != '/' && ngx_strncmp(arg->data, "http://", 7) != 0
            && ngx_strncmp(arg->data, "https://", 8) != 0))
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < arg->len; i++) {
        if (arg->data[i] <= 0x20 || arg->data[i] > 0x7e
            || ngx_strchr("\"\\<>?#", arg->data[i]))
        {
            return NGX_DECLINED;
        }
    }

    *url = *arg;

    return NGX_OK;
}


/* ID=SOURCE */

static ngx_int_t
ngx_http_paygw_events_key(ngx_conf_t *cf, ngx_http_paygw_events_conf_t *ev,
    ngx_str_t *value)
{
    u_char                       *p;
    ngx_str_t                     id, source, secret;
    ngx_uint_t                    i;
    ngx_paygw_token_key_t        *key;

    p = ngx_strlchr(value->data, value->data + value->len, '=');

    id.data = value->data;
    id.len = p - value->data;

    source.data = p + 1;
    source.len = value->data + value->len - source.data;

    if (!ngx_http_paygw_name_valid(&id)) {
        return NGX_DECLINED;
    }

    if (ngx_strncmp(source.data, "file:", 5) != 0
        && ngx_strncmp(source.data, "env:", 4) != 0
        && ngx_strncmp(source.data, "text:", 5) != 0)
    {
        /* it may be a secret, and is not repeated */

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is no parameter of \"paygw_events\", and a "
                           "key of \"paygw_events\" must be \"file:PATH\" or "
                           "\"env:NAME\": known are interval=, max=, ttl=, "
                           "connections=, each= and url=", &id);
        return NGX_ERROR;
    }

    if (ngx_paygw_secret(cf, &source, "key of \"paygw_events\"", &secret)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (secret.len < NGX_HTTP_PAYGW_EVENTS_SECRET) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "key \"%V\" of \"paygw_events\" has %uz bytes, at "
                           "least %d are needed, make it with "
                           "\"openssl rand -hex 32\"",
                           &id, secret.len, NGX_HTTP_PAYGW_EVENTS_SECRET);
        return NGX_ERROR;
    }

    key = ev->keys.elts;

    for (i = 0; i < ev->keys.nelts; i++) {

        if (ngx_paygw_order_same(&key[i].id, &id)
            || ngx_paygw_equal(&key[i].secret, &secret))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "key \"%V\" of \"paygw_events\" is twice "
                               "there", &id);
            return NGX_ERROR;
        }
    }

    key = ngx_array_push(&ev->keys);
    if (key == NULL) {
        return NGX_ERROR;
    }

    key->id = id;
    key->secret = secret;

    return ngx_paygw_hmac_key(&key->hmac, &secret);
}


void
ngx_http_paygw_events_merge(ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf)
{
    ngx_conf_merge_ptr_value(conf->events, prev->events,
                             &ngx_http_paygw_events_plain);
}


char *
ngx_http_paygw_events_check(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *conf)
{
    ngx_http_paygw_pass_conf_t  *call;
    ngx_http_paygw_main_conf_t  *mcf;

    if (conf->events == NULL) {
        return NGX_CONF_OK;
    }

    call = conf->api->calls;
    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    if (mcf->store == NULL || conf->binding == NGX_HTTP_PAYGW_BINDING_OFF) {

        if (conf->events == &ngx_http_paygw_events_plain) {
            conf->events = NULL;
            return NGX_CONF_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"paygw_events\" in %s:%ui tells what the store "
                      "remembers of orders, \"paygw_api\" in %s:%ui needs %s",
                      conf->events->file, conf->events->line, call->file,
                      call->line,
                      mcf->store ? "\"paygw_binding on\"" : "a store");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
