
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_headers.h"
#include "ngx_http_paygw_limit.h"


/*
 * What a client is told of its limits: the policies of those that it is
 * counted for, and where it stands with the strictest of them.
 */


static ngx_int_t ngx_http_paygw_limit_policies(ngx_http_request_t *r,
    ngx_http_paygw_limits_t *limits, ngx_str_t *value);
static ngx_int_t ngx_http_paygw_limit_strictest(ngx_http_request_t *r,
    ngx_http_paygw_limits_t *limits, ngx_str_t *value);


ngx_int_t
ngx_http_paygw_limit_fields(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_str_t            value;
    ngx_http_request_t  *r;

    if (ctx->limits == NULL) {
        return NGX_OK;
    }

    r = ctx->request;

    rc = ngx_http_paygw_limit_policies(r, ctx->limits, &value);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : NGX_ERROR;
    }

    if (ngx_http_paygw_headers_tell(r, "RateLimit-Policy", &value) != NGX_OK
        || ngx_http_paygw_limit_strictest(r, ctx->limits, &value) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_paygw_headers_tell(r, "RateLimit", &value);
}


/* NGX_DECLINED if there is none: what is dry is of no interest to a client */

static ngx_int_t
ngx_http_paygw_limit_policies(ngx_http_request_t *r,
    ngx_http_paygw_limits_t *limits, ngx_str_t *value)
{
    size_t      len;
    u_char     *p;
    ngx_str_t  *policy;
    ngx_uint_t  i, n;

    policy = NULL;
    len = 0;
    n = 0;

    for (i = 0; i < limits->counted; i++) {

        if (!limits->confs[i]->dry) {
            policy = &limits->confs[i]->policy;
            len += policy->len + 2;
            n++;
        }
    }

    if (n == 0) {
        return NGX_DECLINED;
    }

    if (n == 1) {
        *value = *policy;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;

    for (i = 0; i < limits->counted; i++) {

        if (!limits->confs[i]->dry) {
            p = ngx_sprintf(p, "%V, ", &limits->confs[i]->policy);
        }
    }

    value->len = p - value->data - 2;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_limit_strictest(ngx_http_request_t *r,
    ngx_http_paygw_limits_t *limits, ngx_str_t *value)
{
    u_char      *p;
    uint64_t     left, reset, least, longest;
    ngx_str_t   *name;
    ngx_uint_t   i;

    name = NULL;
    least = 0;
    longest = 0;

    for (i = 0; i < limits->counted; i++) {

        if (limits->confs[i]->dry) {
            continue;
        }

        left = ngx_paygw_limit_left(&limits->counts[i]);
        reset = ngx_paygw_limit_reset(&limits->counts[i]);

        if (name == NULL || left < least
            || (left == least && reset > longest))
        {
            name = &limits->confs[i]->name;
            least = left;
            longest = reset;
        }
    }

    p = ngx_pnalloc(r->pool, name->len + 2 * NGX_INT64_LEN
                             + sizeof("\"\";r=;t=") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;
    value->len = ngx_sprintf(p, "\"%V\";r=%uL;t=%T", name, least,
                             ngx_http_paygw_limit_seconds(longest))
                 - p;

    return NGX_OK;
}
