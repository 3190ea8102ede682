
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api_home.h"
#include "ngx_http_paygw_route.h"


/* A channel of a route for an order that names none. */


static ngx_uint_t ngx_http_paygw_api_unfit(ngx_http_paygw_api_ctx_t *ctx,
    const char **field);


ngx_int_t
ngx_http_paygw_api_pick(ngx_http_paygw_api_ctx_t *ctx, ngx_uint_t *tried,
    ngx_http_paygw_pass_conf_t **call, const char **field)
{
    ngx_int_t                   rc;
    ngx_str_t                   method;
    ngx_uint_t                  i;
    ngx_paygw_channel_t        *ch;
    ngx_paygw_order_t          *o;
    ngx_http_paygw_api_conf_t  *conf;

    o = &ctx->order;
    conf = ctx->conf;

    method = ngx_paygw_order_methods[o->method];

    *tried |= ngx_http_paygw_api_unfit(ctx, field);

    rc = ngx_http_paygw_route_pick(ctx->request, conf->route, &method, &o->id,
                                   tried, &ch);

    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < conf->ncalls; i++) {
        if (conf->calls[i].channel == ch) {
            *call = &conf->calls[i];
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


/*
 * Bits of the channels whose provider has not what the order wants; the field
 * that is wanted in vain.
 */

static ngx_uint_t
ngx_http_paygw_api_unfit(ngx_http_paygw_api_ctx_t *ctx, const char **field)
{
    ngx_uint_t                  i, bits;
    ngx_paygw_order_t          *o;
    const ngx_paygw_orders_t   *orders;
    ngx_http_paygw_api_conf_t  *conf;

    o = &ctx->order;
    conf = ctx->conf;
    bits = 0;

    *field = "method";

    for (i = 0; i < conf->ncalls; i++) {

        orders = conf->calls[i].channel->provider->orders;

        if (!(orders->methods & ((ngx_uint_t) 1 << o->method))) {
            bits |= (ngx_uint_t) 1 << i;
            continue;
        }

        if (orders->currencies
            && !ngx_paygw_exchange_among(orders->currencies, &o->currency))
        {
            bits |= (ngx_uint_t) 1 << i;
            *field = "currency";
        }
    }

    return bits;
}
