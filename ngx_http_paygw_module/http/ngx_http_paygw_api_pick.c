
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
static ngx_uint_t ngx_http_paygw_api_refused(ngx_http_paygw_api_ctx_t *ctx,
    ngx_uint_t tried);


ngx_int_t
ngx_http_paygw_api_pick(ngx_http_paygw_api_ctx_t *ctx, ngx_uint_t *tried,
    ngx_http_paygw_pass_conf_t **call, const char **field)
{
    ngx_int_t                   rc;
    ngx_str_t                   method;
    ngx_uint_t                  i, first, out;
    ngx_paygw_channel_t        *ch;
    ngx_paygw_order_t          *o;
    ngx_http_paygw_api_conf_t  *conf;

    o = &ctx->order;
    conf = ctx->conf;

    method = ngx_paygw_order_methods[o->method];

    first = (*tried == 0);
    *tried |= ngx_http_paygw_api_unfit(ctx, field);

    out = *tried | ngx_http_paygw_api_refused(ctx, *tried);

    rc = ngx_http_paygw_route_pick(ctx->request, conf->route, &method, &o->id,
                                   &out, &ch);

    if (rc == NGX_DECLINED && first) {

        /* one that refuses it says what is wrong with it */

        out = *tried;

        rc = ngx_http_paygw_route_pick(ctx->request, conf->route, &method,
                                       &o->id, &out, &ch);
    }

    *tried = out;

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


/*
 * The same of those that would refuse the order: its id, its texts or its
 * amount are not as their provider wants them.  Which of the others gets it
 * must not be a matter of luck.
 */

static ngx_uint_t
ngx_http_paygw_api_refused(ngx_http_paygw_api_ctx_t *ctx, ngx_uint_t tried)
{
    ngx_uint_t                  i, bits;
    ngx_paygw_order_t           order;
    ngx_paygw_exchange_t        x;
    ngx_http_paygw_api_conf_t  *conf;

    conf = ctx->conf;
    bits = 0;

    for (i = 0; i < conf->ncalls; i++) {

        if (tried & ((ngx_uint_t) 1 << i)) {
            continue;
        }

        ngx_memzero(&x, sizeof(ngx_paygw_exchange_t));

        x.n.channel = conf->calls[i].channel;
        x.n.channels = &x.n.channel;
        x.n.nchannels = 1;
        x.n.provider = x.n.channel->provider;
        x.n.pool = ctx->request->pool;
        x.n.log = ctx->request->connection->log;
        x.n.msg.now = ngx_time();
        x.in.now = x.n.msg.now;

        order = ctx->order;
        order.later = 1;

        if (ngx_paygw_order_check(&x, &order) == NGX_DECLINED) {
            bits |= (ngx_uint_t) 1 << i;
        }
    }

    return bits;
}
