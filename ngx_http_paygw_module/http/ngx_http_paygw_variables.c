
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_api.h"
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_ctx.h"
#include "ngx_http_paygw_limit.h"
#include "ngx_http_paygw_pass.h"
#include "ngx_http_paygw_remote.h"
#include "ngx_http_paygw_variables.h"


static ngx_int_t ngx_http_paygw_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_paygw_variable_call(ngx_http_request_t *r,
    ngx_http_paygw_value_e which, ngx_str_t *value);


/* the order of ngx_http_paygw_result_e */

const ngx_str_t  ngx_http_paygw_results[] = {
    ngx_null_string,
    ngx_string("refused"),
    ngx_string("verified"),
    ngx_string("taken"),
    ngx_string("released"),
    ngx_string("duplicate"),
    ngx_string("late"),
    ngx_string("ignored"),
    ngx_string("in_flight"),
    ngx_string("unavailable")
};


#define ngx_http_paygw_var(name, value)                                       \
    { ngx_string(name), NULL, ngx_http_paygw_variable,                        \
      NGX_HTTP_PAYGW_VALUE_##value, NGX_HTTP_VAR_NOCACHEABLE, 0 }


static ngx_http_variable_t  ngx_http_paygw_vars[] = {

    ngx_http_paygw_var("paygw_channel", CHANNEL),
    ngx_http_paygw_var("paygw_provider", PROVIDER),
    ngx_http_paygw_var("paygw_result", RESULT),
    ngx_http_paygw_var("paygw_reason", REASON),
    ngx_http_paygw_var("paygw_event_id", EVENT_ID),
    ngx_http_paygw_var("paygw_event", EVENT),
    ngx_http_paygw_var("paygw_event_type", TYPE),
    ngx_http_paygw_var("paygw_outcome", OUTCOME),
    ngx_http_paygw_var("paygw_order_id", ORDER_ID),
    ngx_http_paygw_var("paygw_trade_no", TRADE_NO),
    ngx_http_paygw_var("paygw_amount", AMOUNT),
    ngx_http_paygw_var("paygw_currency", CURRENCY),
    ngx_http_paygw_var("paygw_refund_id", REFUND_ID),
    ngx_http_paygw_var("paygw_refund_amount", REFUND_AMOUNT),
    ngx_http_paygw_var("paygw_confirm", CONFIRM),
    ngx_http_paygw_var("paygw_delivery", DELIVERY),
    ngx_http_paygw_var("paygw_key_id", KEY_ID),
    ngx_http_paygw_var("paygw_merchant", MERCHANT),
    ngx_http_paygw_var("paygw_limit_status", LIMIT_STATUS),
    ngx_http_paygw_var("paygw_idempotency", IDEMPOTENCY),

    { ngx_string("paygw_remote_method"), NULL, ngx_http_paygw_remote_method,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_null_string, NULL, NULL, 0, 0, 0 }
};


ngx_int_t
ngx_http_paygw_variables_add(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_paygw_vars; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_int_t              rc;
    ngx_str_t              value;
    ngx_http_paygw_ctx_t  *ctx;

    rc = ngx_http_paygw_variable_call(r, data, &value);

    if (rc == NGX_OK) {
        goto found;
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    ctx = ngx_http_paygw_ctx_get(r->main);

    if (data == NGX_HTTP_PAYGW_VALUE_LIMIT_STATUS) {
        ngx_http_paygw_limit_value(r, &value);

    } else if (ctx == NULL) {
        ngx_http_paygw_auth_value(r, data, &value);

    } else if (ngx_http_paygw_value(ctx, data, r->pool, &value) != NGX_OK) {
        return NGX_ERROR;
    }

found:

    if (value.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = value.data;
    v->len = value.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* of a provider; NGX_DECLINED if it has no such value, or there is none */

static ngx_int_t
ngx_http_paygw_variable_call(ngx_http_request_t *r,
    ngx_http_paygw_value_e which, ngx_str_t *value)
{
    ngx_http_paygw_api_ctx_t   *api;
    ngx_http_paygw_pass_ctx_t  *pass;

    pass = ngx_http_paygw_pass_ctx(r);

    if (pass) {
        return ngx_http_paygw_pass_value(pass, which, value);
    }

    /* one that no channel has been found for */

    api = ngx_http_paygw_api_ctx(r);

    return (api && api->started) ? ngx_http_paygw_api_value(api, which, value)
                                 : NGX_DECLINED;
}


ngx_int_t
ngx_http_paygw_value_of(ngx_http_request_t *r, ngx_http_paygw_value_e which,
    ngx_str_t *value)
{
    ngx_http_variable_value_t  v;

    ngx_memzero(&v, sizeof(ngx_http_variable_value_t));

    if (ngx_http_paygw_variable(r, &v, which) != NGX_OK) {
        return NGX_ERROR;
    }

    value->len = v.len;
    value->data = v.data;

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_value(ngx_http_paygw_ctx_t *ctx, ngx_http_paygw_value_e which,
    ngx_pool_t *pool, ngx_str_t *value)
{
    ngx_paygw_event_t   *ev;
    ngx_paygw_notify_t  *n;

    n = &ctx->notify;
    ev = &n->event;

    ngx_str_null(value);

    switch (which) {

    case NGX_HTTP_PAYGW_VALUE_PROVIDER:
        *value = n->provider->name;
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_RESULT:
        *value = ngx_http_paygw_results[ctx->result];
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_REASON:
        *value = ngx_paygw_reasons[n->reason];
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_KEY_ID:
        *value = n->key_id;
        return NGX_OK;

    default:
        break;
    }

    if (ctx->event_id.len == 0) {
        /* not verified */
        return NGX_OK;
    }

    switch (which) {

    case NGX_HTTP_PAYGW_VALUE_CHANNEL:
        *value = n->channel->name;
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_EVENT_ID:
        *value = ctx->event_id;
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_EVENT:

        if (ctx->event.len == 0 && ctx->op.delivery) {
            /* the shop got the provider's bytes */
            if (ngx_paygw_event_json(n, &ctx->event_id, ctx->op.delivery,
                                     &ctx->event)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        *value = ctx->event;
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_TYPE:
        *value = ngx_paygw_event_types[ev->type];
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_OUTCOME:
        *value = ngx_paygw_outcomes[ev->outcome];
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_ORDER_ID:
        *value = ev->order_id;
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_TRADE_NO:
        *value = ev->trade_no;
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_AMOUNT:
        return ngx_http_paygw_number(pool, ev->amount, value);

    case NGX_HTTP_PAYGW_VALUE_CURRENCY:
        *value = ev->currency;
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_REFUND_ID:
        *value = ev->refund_id;
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_REFUND_AMOUNT:
        return ngx_http_paygw_number(pool, ev->refund_amount, value);

    case NGX_HTTP_PAYGW_VALUE_CONFIRM:
        if (ev->unconfirmed) {
            *value = ngx_paygw_event_confirm;
        }
        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_DELIVERY:
        return ngx_http_paygw_number(pool, ctx->op.delivery
                                           ? (int64_t) ctx->op.delivery : -1,
                                     value);

    default:
        return NGX_OK;
    }
}


ngx_int_t
ngx_http_paygw_number(ngx_pool_t *pool, int64_t n, ngx_str_t *value)
{
    if (n < 0) {
        return NGX_OK;
    }

    value->data = ngx_pnalloc(pool, NGX_INT64_LEN);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    value->len = ngx_sprintf(value->data, "%L", n) - value->data;

    return NGX_OK;
}
