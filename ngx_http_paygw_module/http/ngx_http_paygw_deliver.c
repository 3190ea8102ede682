
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_body.h"
#include "ngx_http_paygw_headers.h"
#include "ngx_http_paygw_deliver.h"
#include "ngx_http_paygw_sign.h"
#include "ngx_http_paygw_variables.h"


typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  lowcase;
    ngx_http_paygw_value_e     value;
    ngx_uint_t                 hash;       /* of lowcase; 0: not yet made */
} ngx_http_paygw_field_t;


static ngx_int_t ngx_http_paygw_deliver_signed(ngx_http_paygw_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_deliver_fields(ngx_http_paygw_ctx_t *ctx,
    ngx_http_paygw_field_t *f, ngx_array_t *values);


#define ngx_http_paygw_field(name, lowcase, value)                            \
    { ngx_string(name), ngx_string(lowcase), NGX_HTTP_PAYGW_VALUE_##value, 0 }


static ngx_http_paygw_field_t  ngx_http_paygw_fields[] = {

    ngx_http_paygw_field("X-Paygw-Event-Id", "x-paygw-event-id", EVENT_ID),
    ngx_http_paygw_field("X-Paygw-Event-Type", "x-paygw-event-type", TYPE),
    ngx_http_paygw_field("X-Paygw-Outcome", "x-paygw-outcome", OUTCOME),
    ngx_http_paygw_field("X-Paygw-Channel", "x-paygw-channel", CHANNEL),
    ngx_http_paygw_field("X-Paygw-Provider", "x-paygw-provider", PROVIDER),
    ngx_http_paygw_field("X-Paygw-Delivery", "x-paygw-delivery", DELIVERY),
    ngx_http_paygw_field("X-Paygw-Order-Id", "x-paygw-order-id", ORDER_ID),
    ngx_http_paygw_field("X-Paygw-Trade-No", "x-paygw-trade-no", TRADE_NO),
    ngx_http_paygw_field("X-Paygw-Amount", "x-paygw-amount", AMOUNT),
    ngx_http_paygw_field("X-Paygw-Currency", "x-paygw-currency", CURRENCY),
    ngx_http_paygw_field("X-Paygw-Refund-Id", "x-paygw-refund-id", REFUND_ID),
    ngx_http_paygw_field("X-Paygw-Refund-Amount", "x-paygw-refund-amount",
                         REFUND_AMOUNT),
    ngx_http_paygw_field("X-Paygw-Confirm", "x-paygw-confirm", CONFIRM),

    { ngx_null_string, ngx_null_string, 0, 0 }
};


static ngx_http_paygw_field_t  ngx_http_paygw_observed_fields[] = {

    ngx_http_paygw_field("X-Paygw-Result", "x-paygw-result", RESULT),
    ngx_http_paygw_field("X-Paygw-Reason", "x-paygw-reason", REASON),
    ngx_http_paygw_field("X-Paygw-Event-Id", "x-paygw-event-id", EVENT_ID),

    { ngx_null_string, ngx_null_string, 0, 0 }
};


static ngx_str_t  ngx_http_paygw_json = ngx_string("application/json");


/*
 * An unsigned field: if the shop took the offer, nginx would join the two
 * connections past all filters, and the provider would hear the shop.
 */

static const ngx_str_t  ngx_http_paygw_upgrade[] = {
    ngx_string("upgrade"),
    ngx_null_string
};


ngx_int_t
ngx_http_paygw_deliver(ngx_http_paygw_ctx_t *ctx)
{
    if (ctx->request->headers_in.upgrade) {

        if (ngx_http_paygw_headers_drop(ctx->request, ngx_http_paygw_upgrade)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ctx->request->headers_in.upgrade = NULL;
    }

    if (ctx->lcf->deliver == NGX_HTTP_PAYGW_EVENT) {

        if (ngx_paygw_event_json(&ctx->notify, &ctx->event_id,
                                 ctx->op.delivery, &ctx->event)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_http_paygw_body_set(ctx->request, &ctx->event,
                                    &ngx_http_paygw_json)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ctx->lcf->sign) {
        return ngx_http_paygw_deliver_signed(ctx);
    }

    return ngx_http_paygw_deliver_fields(ctx, ngx_http_paygw_fields, NULL);
}


static ngx_int_t
ngx_http_paygw_deliver_signed(ngx_http_paygw_ctx_t *ctx)
{
    ngx_str_t    *body;
    ngx_array_t  *values;

    values = ngx_array_create(ctx->request->pool, 16, sizeof(ngx_keyval_t));
    if (values == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_paygw_deliver_fields(ctx, ngx_http_paygw_fields, values)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    body = (ctx->lcf->deliver == NGX_HTTP_PAYGW_EVENT) ? &ctx->event
                                                       : &ctx->notify.msg.body;

    return ngx_http_paygw_sign(ctx->request, ctx->lcf->sign, values, body);
}


ngx_int_t
ngx_http_paygw_deliver_observed(ngx_http_paygw_ctx_t *ctx)
{
    return ngx_http_paygw_deliver_fields(ctx, ngx_http_paygw_observed_fields,
                                         NULL);
}


/* values (ngx_keyval_t), if any, gets each of them, those not known too */

static ngx_int_t
ngx_http_paygw_deliver_fields(ngx_http_paygw_ctx_t *ctx,
    ngx_http_paygw_field_t *f, ngx_array_t *values)
{
    ngx_str_t            value;
    ngx_keyval_t        *kv;
    ngx_http_request_t  *r;

    r = ctx->request;

    for ( /* void */ ; f->name.len; f++) {

        if (ngx_http_paygw_value(ctx, f->value, r->pool, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (values) {

            kv = ngx_array_push(values);
            if (kv == NULL) {
                return NGX_ERROR;
            }

            kv->key = f->lowcase;
            kv->value = value;
        }

        if (value.len == 0) {
            continue;
        }

        if (f->hash == 0) {
            f->hash = ngx_hash_key(f->lowcase.data, f->lowcase.len);
        }

        if (ngx_http_paygw_headers_hashed(r, &f->name, f->lowcase.data,
                                          f->hash, &value)
            == NULL)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
