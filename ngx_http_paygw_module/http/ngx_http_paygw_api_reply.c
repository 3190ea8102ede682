
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"
#include "ngx_http_paygw_events.h"
#include "ngx_http_paygw_headers.h"
#include "ngx_http_paygw_metrics.h"
#include "ngx_http_paygw_variables.h"
#include "ngx_paygw_event.h"


static ngx_int_t ngx_http_paygw_api_soon(ngx_http_paygw_api_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_api_bill(ngx_http_paygw_api_ctx_t *ctx);
static void ngx_http_paygw_api_outcome(ngx_http_paygw_api_ctx_t *ctx,
    ngx_str_t *value);
static int64_t ngx_http_paygw_api_terms(ngx_http_paygw_api_ctx_t *ctx,
    ngx_str_t *currency);
static int64_t ngx_http_paygw_api_refunded(ngx_http_paygw_api_ctx_t *ctx);


/* what is told of it is verified */
#define ngx_http_paygw_api_told(ctx)                                          \
    ((ctx)->answered && (ctx)->order.code == NGX_PAYGW_CODE_OK)


void
ngx_http_paygw_api_reply(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_str_t                   text, type, id;
    ngx_http_request_t         *r;
    ngx_paygw_order_t          *o;
    const ngx_paygw_code_t     *code;
    ngx_http_variable_value_t  *v;

    r = ctx->request;
    o = &ctx->order;
    code = &ngx_paygw_codes[o->code];

    ctx->answered = 1;

    ngx_http_paygw_metrics_operation(ctx);

    if (ctx->call) {

        /* a kept answer must not hide what may still change */

        ctx->call->exchange.open = code->again
                          || (o->code != NGX_PAYGW_CODE_OK
                              && ctx->call->exchange.hinted)
                          || (o->code == NGX_PAYGW_CODE_OK
                              && o->op == NGX_PAYGW_OP_REFUND
                              && o->told.outcome
                                 == NGX_PAYGW_OUTCOME_UNKNOWN);
    }

    if (o->code == NGX_PAYGW_CODE_OK && ctx->lcf->events
        && ctx->lcf->events->keys.nelts && o->op <= NGX_PAYGW_OP_QUERY
        && ngx_http_paygw_events_url(ctx) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    if (o->code == NGX_PAYGW_CODE_OK && o->told.file.data) {

        if (ngx_http_paygw_api_bill(ctx) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_ERROR);
        }

        return;
    }

    v = ngx_http_get_indexed_variable(r, ctx->conf->request_id);

    if (v == NULL || v->not_found) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    id.data = v->data;
    id.len = v->len;

    if (ngx_paygw_order_write(r->pool, o,
                              ctx->call ? ctx->call->conf->channel : NULL,
                              &id, &text)
        != NGX_OK
        || (code->status == NGX_HTTP_SERVICE_UNAVAILABLE
            && ngx_http_paygw_api_soon(ctx) != NGX_OK))
    {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    ngx_str_set(&type, "application/json");

    ngx_http_paygw_pass_send(r, code->status, &type, &text);
}


void
ngx_http_paygw_api_streamed(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_result_e result)
{
    switch (result) {

    case NGX_HTTP_PAYGW_PASS_PASSED:
        ctx->order.code = NGX_PAYGW_CODE_OK;
        break;

    case NGX_HTTP_PAYGW_PASS_UNANSWERED:
        ctx->order.code = NGX_PAYGW_CODE_UNANSWERED;
        break;

    case NGX_HTTP_PAYGW_PASS_UNVERIFIED:
        ctx->order.code = NGX_PAYGW_CODE_UNVERIFIED;
        break;

    default:
        ctx->order.code = NGX_PAYGW_CODE_INTERNAL;
    }

    ctx->answered = 1;

    ngx_http_paygw_metrics_operation(ctx);
}


/* the breaker of a call knows when; the store does not */

static ngx_int_t
ngx_http_paygw_api_soon(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_str_t  seconds;

    if (ctx->call) {
        return ngx_http_paygw_pass_soon(ctx->call);
    }

    ngx_str_set(&seconds, "1");

    return ngx_http_paygw_headers_tell(ctx->request, "Retry-After", &seconds);
}


/* the file itself: it may be large, and is nothing that JSON could hold */

static ngx_int_t
ngx_http_paygw_api_bill(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_str_t           type;
    ngx_paygw_told_t   *told;

    told = &ctx->order.told;

    if (told->hash.len
        && ngx_http_paygw_headers_tell(ctx->request, "X-Paygw-Verified",
                                       &told->hash)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&type, "application/octet-stream");

    ngx_http_paygw_pass_send(ctx->request, NGX_HTTP_OK, &type, &told->file);

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_api_value(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_value_e which, ngx_str_t *value)
{
    int64_t             amount;
    ngx_str_t           currency;
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    ngx_str_null(value);

    switch (which) {

    case NGX_HTTP_PAYGW_VALUE_ORDER_ID:
        *value = o->id;
        break;

    case NGX_HTTP_PAYGW_VALUE_TRADE_NO:
        *value = o->told.trade_no;
        break;

    case NGX_HTTP_PAYGW_VALUE_REFUND_ID:
        *value = o->refund_id;
        break;

    case NGX_HTTP_PAYGW_VALUE_OUTCOME:
        ngx_http_paygw_api_outcome(ctx, value);
        break;

    case NGX_HTTP_PAYGW_VALUE_AMOUNT:
        amount = ngx_http_paygw_api_terms(ctx, &currency);
        return ngx_http_paygw_number(ctx->request->pool, amount, value);

    case NGX_HTTP_PAYGW_VALUE_CURRENCY:
        (void) ngx_http_paygw_api_terms(ctx, value);
        break;

    case NGX_HTTP_PAYGW_VALUE_REFUND_AMOUNT:
        return ngx_http_paygw_number(ctx->request->pool,
                                     ngx_http_paygw_api_refunded(ctx), value);

    default:
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* the word of the answer; of a bill, and of what was not done, there is none */

static void
ngx_http_paygw_api_outcome(ngx_http_paygw_api_ctx_t *ctx, ngx_str_t *value)
{
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    if (ngx_http_paygw_api_told(ctx)) {

        if (o->op != NGX_PAYGW_OP_BILL) {
            *value = ngx_paygw_outcomes[o->told.outcome];
        }

    } else if (ctx->answered && ngx_paygw_codes[o->code].unknown) {
        *value = ngx_paygw_outcomes[NGX_PAYGW_OUTCOME_UNKNOWN];
    }
}


/*
 * Amount and currency of the order, -1 and empty if they are not known: those
 * that the provider has told, else those of an order that has left, or was made
 * here.
 */

static int64_t
ngx_http_paygw_api_terms(ngx_http_paygw_api_ctx_t *ctx, ngx_str_t *currency)
{
    int64_t             amount;
    ngx_uint_t          made;
    ngx_paygw_order_t  *o;

    o = &ctx->order;
    amount = -1;

    made = (o->op == NGX_PAYGW_OP_CREATE && ctx->call
            && (ctx->call->placed || ngx_http_paygw_api_told(ctx)));

    ngx_str_null(currency);

    if (ngx_http_paygw_api_told(ctx)) {
        amount = o->told.amount;
        *currency = o->told.currency;
    }

    if (made && amount < 0) {
        amount = o->amount;
    }

    if (made && currency->len == 0) {
        *currency = o->currency;
    }

    return amount;
}


static int64_t
ngx_http_paygw_api_refunded(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    if (!ngx_http_paygw_api_told(ctx)) {
        return -1;
    }

    switch (o->op) {

    case NGX_PAYGW_OP_REFUND:
        return (o->told.refund_amount >= 0) ? o->told.refund_amount
                                            : o->refund_amount;

    case NGX_PAYGW_OP_REFUND_QUERY:
        return o->told.refund_amount;

    default:
        return -1;
    }
}
