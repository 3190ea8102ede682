
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_order.h"


/* What an order must be so that its channel can be asked. */


ngx_int_t
ngx_paygw_order_check(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    const ngx_paygw_orders_t  *orders;

    orders = x->n.channels[0]->provider->orders;

    if (orders->ask[o->op] == NULL) {
        return ngx_paygw_order_unsupported(o, NULL, NULL);
    }

    if (o->ref.len && !orders->refs) {
        return ngx_paygw_order_invalid(o, "ref", "is not known in this "
                                       "channel");
    }

    if (o->op == NGX_PAYGW_OP_CREATE) {

        if (!(orders->methods & ((ngx_uint_t) 1 << o->method))) {
            return ngx_paygw_order_unsupported(o, "method",
                                               "is none of the channel's");
        }

        if (orders->currencies
            && !ngx_paygw_exchange_among(orders->currencies, &o->currency))
        {
            return ngx_paygw_order_unsupported(o, "currency",
                                               "is none of the channel's");
        }

        if (o->method == NGX_PAYGW_METHOD_BARCODE) {

            if (o->auth_code.len == 0) {
                return ngx_paygw_order_missing(o, "payer.auth_code");
            }

        } else if (o->auth_code.len) {
            return ngx_paygw_order_invalid(o, "payer.auth_code",
                                           "goes with the method barcode");
        }

        if (o->terminal.len && !orders->terminals) {
            return ngx_paygw_order_invalid(o, "terminal", "is not known in "
                                           "this channel");
        }

        if (o->terminal.len && o->method != NGX_PAYGW_METHOD_BARCODE) {
            return ngx_paygw_order_invalid(o, "terminal",
                                           "goes with the method barcode");
        }
    }

    return orders->check(x, o);
}


ngx_int_t
ngx_paygw_order_heard(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    if (x->n.channels[0]->notify_url.len) {
        return NGX_OK;
    }

    return ngx_paygw_order_unsupported(o, "notify_url", "is not set in the "
                                       "channel");
}
