
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_test.h"


/* The limits of "op=limit" of paygw_test_store, and what became of them. */


static ngx_int_t ngx_http_paygw_test_limit(ngx_paygw_limit_t *limit,
    u_char *p, u_char *last);


ngx_int_t
ngx_http_paygw_test_limits(ngx_http_request_t *r, ngx_paygw_store_op_t *op)
{
    u_char     *p, *last, *end;
    ngx_str_t   text;

    op->limits = ngx_pcalloc(r->pool, NGX_PAYGW_STORE_LIMITS_MAX
                                      * sizeof(ngx_paygw_limit_t));
    if (op->limits == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_arg(r, (u_char *) "limits", 6, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    p = text.data;
    last = text.data + text.len;

    while (p < last && op->nlimits < NGX_PAYGW_STORE_LIMITS_MAX) {

        end = ngx_strlchr(p, last, ',');

        if (end == NULL) {
            end = last;
        }

        if (ngx_http_paygw_test_limit(&op->limits[op->nlimits++], p, end)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        p = end + 1;
    }

    return NGX_OK;
}


/* KEY/RATE/PERIOD/BURST, and perhaps /dry */

static ngx_int_t
ngx_http_paygw_test_limit(ngx_paygw_limit_t *limit, u_char *p, u_char *last)
{
    u_char      *end;
    ngx_int_t    n[4];
    ngx_uint_t   i;

    for (i = 0; i < 4 && p <= last; i++) {

        end = ngx_strlchr(p, last, '/');

        if (end == NULL) {
            end = last;
        }

        if (i == 0) {
            limit->key.data = p;
            limit->key.len = end - p;

        } else {
            n[i] = ngx_atoi(p, end - p);

            if (n[i] == NGX_ERROR) {
                return NGX_ERROR;
            }
        }

        p = end + 1;
    }

    if (i < 4) {
        return NGX_ERROR;
    }

    limit->rate = n[1];
    limit->period = n[2];
    limit->burst = n[3];
    limit->dry = (p < last);

    return NGX_OK;
}


u_char *
ngx_http_paygw_test_limits_print(u_char *p, ngx_paygw_store_op_t *op)
{
    ngx_uint_t          i;
    ngx_paygw_limit_t  *limit;

    p = ngx_sprintf(p, "%s", op->rc == NGX_OK ? "ok" : "refused");

    for (i = 0; i < op->nlimits; i++) {
        limit = &op->limits[i];

        p = ngx_sprintf(p, " %uL/%ui/%uL/%uL/%uL/%uL", limit->level,
                        limit->over, limit->time, ngx_paygw_limit_left(limit),
                        ngx_paygw_limit_retry(limit),
                        ngx_paygw_limit_reset(limit));
    }

    *p++ = '\n';

    return p;
}
