
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_conf.h"


/* The block paygw_merchant. */


#define NGX_HTTP_PAYGW_TIME_MAX  (24 * 60 * 60 * 1000)


typedef struct {
    ngx_str_t                    name;
    ngx_uint_t                   min;         /* number of values */
    ngx_uint_t                   max;
    ngx_int_t                  (*set)(ngx_conf_t *cf, ngx_paygw_merchant_t *m,
                                      ngx_str_t *args, ngx_uint_t nargs);
} ngx_http_paygw_merchant_param_t;


static char *ngx_http_paygw_merchant_line(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static ngx_int_t ngx_http_paygw_merchant_window(ngx_conf_t *cf,
    ngx_paygw_merchant_t *m, ngx_str_t *args, ngx_uint_t nargs);
static ngx_int_t ngx_http_paygw_merchant_nonce_ttl(ngx_conf_t *cf,
    ngx_paygw_merchant_t *m, ngx_str_t *args, ngx_uint_t nargs);
static ngx_int_t ngx_http_paygw_merchant_time(ngx_conf_t *cf,
    ngx_paygw_merchant_t *m, const char *name, ngx_str_t *value,
    ngx_msec_t max, ngx_msec_t *field);


static const ngx_http_paygw_merchant_param_t
    ngx_http_paygw_merchant_params[] =
{
    { ngx_string("key"), 2, 3, ngx_paygw_merchant_key },
    { ngx_string("public_key"), 2, 3, ngx_paygw_merchant_public_key },
    { ngx_string("window"), 1, 1, ngx_http_paygw_merchant_window },
    { ngx_string("nonce_ttl"), 1, 1, ngx_http_paygw_merchant_nonce_ttl },
    { ngx_null_string, 0, 0, NULL }
};


char *
ngx_http_paygw_merchant(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_main_conf_t *mcf = conf;

    char                  *rv;
    ngx_str_t             *value;
    ngx_conf_t             save;
    ngx_paygw_merchant_t  *m;

    value = cf->args->elts;

    if (!ngx_http_paygw_name_valid(&value[1])
        || ngx_strcmp(value[1].data, "off") == 0
        || ngx_strcmp(value[1].data, "sign_response") == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid merchant name \"%V\", it must be 1 to %d "
                           "letters, digits, \"-\" and \"_\", and neither "
                           "\"off\" nor \"sign_response\"",
                           &value[1], NGX_HTTP_PAYGW_NAME_MAX);
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_merchant_find(&mcf->callers, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate merchant \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    m = ngx_paygw_merchant_add(cf, &mcf->callers, &value[1]);
    if (m == NULL) {
        return NGX_CONF_ERROR;
    }

    save = *cf;
    cf->handler = ngx_http_paygw_merchant_line;
    cf->handler_conf = (void *) m;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_paygw_merchant_check(cf, m) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_merchant_line(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_paygw_merchant_t *m = conf;

    ngx_str_t                              *value;
    ngx_uint_t                              n;
    const ngx_http_paygw_merchant_param_t  *p;

    value = cf->args->elts;
    n = cf->args->nelts - 1;

    if (ngx_strcmp(value[0].data, "include") == 0 && n == 1) {
        return ngx_conf_include(cf, dummy, conf);
    }

    for (p = ngx_http_paygw_merchant_params; p->name.len; p++) {

        if (p->name.len != value[0].len
            || ngx_strncmp(p->name.data, value[0].data, value[0].len) != 0)
        {
            continue;
        }

        if (n < p->min || n > p->max) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"%V\" of "
                               "merchant \"%V\"", &value[0], &m->name);
            return NGX_CONF_ERROR;
        }

        return (p->set(cf, m, &value[1], n) == NGX_OK) ? NGX_CONF_OK
                                                       : NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown parameter \"%V\" of merchant \"%V\"",
                       &value[0], &m->name);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_paygw_merchant_window(ngx_conf_t *cf, ngx_paygw_merchant_t *m,
    ngx_str_t *args, ngx_uint_t nargs)
{
    return ngx_http_paygw_merchant_time(cf, m, "window", &args[0],
                                        NGX_HTTP_PAYGW_TIME_MAX, &m->window);
}


static ngx_int_t
ngx_http_paygw_merchant_nonce_ttl(ngx_conf_t *cf, ngx_paygw_merchant_t *m,
    ngx_str_t *args, ngx_uint_t nargs)
{
    return ngx_http_paygw_merchant_time(cf, m, "nonce_ttl", &args[0],
                                        4 * NGX_HTTP_PAYGW_TIME_MAX,
                                        &m->nonce_ttl);
}


static ngx_int_t
ngx_http_paygw_merchant_time(ngx_conf_t *cf, ngx_paygw_merchant_t *m,
    const char *name, ngx_str_t *value, ngx_msec_t max, ngx_msec_t *field)
{
    ngx_int_t  ms;

    if (*field != NGX_CONF_UNSET_MSEC) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" of merchant \"%V\" is duplicate",
                           name, &m->name);
        return NGX_ERROR;
    }

    ms = ngx_parse_time(value, 0);

    if (ms == NGX_ERROR || ms < 1000 || (ngx_msec_t) ms > max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" of merchant \"%V\" must be a time from 1s "
                           "to %Ms", name, &m->name, max / 1000);
        return NGX_ERROR;
    }

    *field = ms;

    return NGX_OK;
}
