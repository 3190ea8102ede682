
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_text.h"
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_conf.h"


/* paygw_verify: enforce, or observe until a day. */


static ngx_int_t ngx_http_paygw_date(ngx_str_t *s, time_t *t);


char *
ngx_http_paygw_verify_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_str_t  *value, date;

    if (lcf->observe != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "enforce") == 0) {

        if (cf->args->nelts > 2) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\"", &value[2]);
            return NGX_CONF_ERROR;
        }

        lcf->observe = 0;

        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "observe") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\", it must be \"enforce\" or "
                           "\"observe until=YYYY-MM-DD\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts < 3) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"paygw_verify observe\" must have an end, "
                           "add \"until=YYYY-MM-DD\"");
        return NGX_CONF_ERROR;
    }

    if (ngx_strncmp(value[2].data, "until=", 6) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\"", &value[2]);
        return NGX_CONF_ERROR;
    }

    date.data = value[2].data + 6;
    date.len = value[2].len - 6;

    if (ngx_http_paygw_date(&date, &lcf->observe) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid date \"%V\", it must be "
                           "\"YYYY-MM-DD\"", &date);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* the beginning of a day in UTC */

static ngx_int_t
ngx_http_paygw_date(ngx_str_t *s, time_t *t)
{
    u_char     buf[sizeof("YYYY-MM-DDT00:00:00Z") - 1], *p;
    ngx_str_t  text;

    if (s->len != sizeof("YYYY-MM-DD") - 1) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(buf, s->data, s->len);
    ngx_memcpy(p, "T00:00:00Z", sizeof("T00:00:00Z") - 1);

    text.data = buf;
    text.len = sizeof(buf);

    return ngx_paygw_rfc3339_parse(&text, t);
}
