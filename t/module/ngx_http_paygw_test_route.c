
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_route.h"
#include "ngx_http_paygw_test.h"


/*
 * GET /r?route=NAME&method=qr&n=100: the channels of the orders 0 to n - 1, one
 * letter for each, the last one of its name, "-" for none.  With all=1 those of
 * order n, one after the other, until there is none.
 */


#define NGX_HTTP_PAYGW_TEST_ROUTES  4000


static u_char ngx_http_paygw_test_route_one(ngx_http_request_t *r,
    ngx_http_paygw_route_t *route, ngx_str_t *method, ngx_int_t n,
    ngx_uint_t *tried);


ngx_int_t
ngx_http_paygw_test_route_handler(ngx_http_request_t *r)
{
    u_char                      *p;
    ngx_int_t                    i, n, rc;
    ngx_str_t                    name, method, arg;
    ngx_buf_t                   *b;
    ngx_uint_t                   tried, all;
    ngx_chain_t                  out;
    ngx_http_paygw_route_t      *route;
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paygw_module);

    if (ngx_http_arg(r, (u_char *) "route", 5, &name) != NGX_OK
        || ngx_http_arg(r, (u_char *) "method", 6, &method) != NGX_OK
        || ngx_http_arg(r, (u_char *) "n", 1, &arg) != NGX_OK)
    {
        return NGX_HTTP_BAD_REQUEST;
    }

    n = ngx_atoi(arg.data, arg.len);
    all = (ngx_http_arg(r, (u_char *) "all", 3, &arg) == NGX_OK);
    route = ngx_http_paygw_route_find(mcf, &name);
    b = ngx_create_temp_buf(r->pool, NGX_HTTP_PAYGW_TEST_ROUTES);

    if (route == NULL || n < 0 || n > NGX_HTTP_PAYGW_TEST_ROUTES || b == NULL)
    {
        return NGX_HTTP_BAD_REQUEST;
    }

    p = b->pos;
    tried = 0;

    if (all) {
        do {
            *p = ngx_http_paygw_test_route_one(r, route, &method, n, &tried);
        } while (*p++ != '-');

    } else {
        for (i = 0; i < n; i++) {
            tried = 0;
            *p++ = ngx_http_paygw_test_route_one(r, route, &method, i,
                                                 &tried);
        }
    }

    b->last = p;
    b->last_buf = 1;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = p - b->pos;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static u_char
ngx_http_paygw_test_route_one(ngx_http_request_t *r,
    ngx_http_paygw_route_t *route, ngx_str_t *method, ngx_int_t n,
    ngx_uint_t *tried)
{
    u_char                buf[NGX_INT_T_LEN + 1];
    ngx_int_t             rc;
    ngx_str_t             number;
    ngx_paygw_channel_t  *ch;

    number.data = buf;
    number.len = ngx_sprintf(buf, "T%i", n) - buf;

    rc = ngx_http_paygw_route_pick(r, route, method, &number, tried, &ch);

    if (rc == NGX_OK) {
        return ch->name.data[ch->name.len - 1];
    }

    return (rc == NGX_DECLINED) ? '-' : '!';
}
