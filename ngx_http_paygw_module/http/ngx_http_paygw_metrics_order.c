
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_metrics.h"
#include "ngx_http_paygw_pass.h"


/* Calls by paygw_pass: the words of their labels, and what is counted. */


static ngx_paygw_metrics_t *ngx_http_paygw_metrics_of_order(
    ngx_http_paygw_pass_ctx_t *ctx);


/* the reasons that there are; others are shown once they have occurred */

#define NGX_HTTP_PAYGW_ORDER_REJECTED                                         \
    (ngx_http_paygw_reason_bit(METHOD)                                        \
     | ngx_http_paygw_reason_bit(CONTENT_TYPE)                                \
     | ngx_http_paygw_reason_bit(TOO_LARGE)                                   \
     | ngx_http_paygw_reason_bit(MALFORMED)                                   \
     | ngx_http_paygw_reason_bit(DUPLICATE_FIELD)                             \
     | ngx_http_paygw_reason_bit(UNKNOWN_KEY)                                 \
     | ngx_http_paygw_reason_bit(STORE)                                       \
     | ngx_http_paygw_reason_bit(ORDER_MISMATCH))

#define NGX_HTTP_PAYGW_ORDER_UNVERIFIED                                       \
    (ngx_http_paygw_reason_bit(TOO_LARGE)                                     \
     | ngx_http_paygw_reason_bit(MISSING_HEADER)                              \
     | ngx_http_paygw_reason_bit(REPEATED_HEADER)                             \
     | ngx_http_paygw_reason_bit(MALFORMED)                                   \
     | ngx_http_paygw_reason_bit(DUPLICATE_FIELD)                             \
     | ngx_http_paygw_reason_bit(UNKNOWN_KEY)                                 \
     | ngx_http_paygw_reason_bit(CLOCK)                                       \
     | ngx_http_paygw_reason_bit(SIGN_TYPE)                                   \
     | ngx_http_paygw_reason_bit(SIGNATURE)                                   \
     | ngx_http_paygw_reason_bit(PROBE)                                       \
     | ngx_http_paygw_reason_bit(ACCOUNT_MISMATCH))


ngx_uint_t
ngx_http_paygw_metrics_order_value(ngx_uint_t i, ngx_str_t *values)
{
    uint64_t    reasons;
    ngx_uint_t  reason;

    if (i < NGX_HTTP_PAYGW_REJECTED_AT) {
        values[0] = ngx_http_paygw_pass_results[i];
        ngx_str_set(&values[1], "");

        return i != NGX_HTTP_PAYGW_PASS_NONE
               && i != NGX_HTTP_PAYGW_PASS_REJECTED
               && i != NGX_HTTP_PAYGW_PASS_UNVERIFIED;
    }

    if (i < NGX_HTTP_PAYGW_UNVERIFIED_AT) {
        values[0] = ngx_http_paygw_pass_results[NGX_HTTP_PAYGW_PASS_REJECTED];
        reason = i - NGX_HTTP_PAYGW_REJECTED_AT;
        reasons = NGX_HTTP_PAYGW_ORDER_REJECTED;

    } else {
        values[0] = ngx_http_paygw_pass_results
                    [NGX_HTTP_PAYGW_PASS_UNVERIFIED];
        reason = i - NGX_HTTP_PAYGW_UNVERIFIED_AT;
        reasons = NGX_HTTP_PAYGW_ORDER_UNVERIFIED;
    }

    values[1] = ngx_paygw_reasons[reason];

    return (reasons >> reason) & 1;
}


ngx_uint_t
ngx_http_paygw_metrics_cause(ngx_uint_t i, ngx_str_t *values)
{
    /* in the order of ngx_http_paygw_pass_cause_e */

    static const ngx_str_t  causes[] = {
        ngx_string("unreachable"),
        ngx_string("unanswered"),
        ngx_string("closed"),
        ngx_string("probe"),
        ngx_string("busy")
    };

    values[0] = causes[i];

    return 1;
}


ngx_uint_t
ngx_http_paygw_metrics_breaker_state(ngx_uint_t i, ngx_str_t *values)
{
    /* in the order of ngx_paygw_breaker_state_e */

    static const ngx_str_t  states[] = {
        ngx_string("closed"),
        ngx_string("half_open"),
        ngx_string("open")
    };

    values[0] = states[i];

    return 1;
}


/* a request that has ended before anything was decided is none */

void
ngx_http_paygw_metrics_order(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_uint_t                   at;
    ngx_paygw_metrics_t         *m;
    ngx_http_paygw_main_conf_t  *mcf;

    m = ngx_http_paygw_metrics_of_order(ctx);

    if (m == NULL || ctx->result == NGX_HTTP_PAYGW_PASS_NONE) {
        return;
    }

    at = ctx->result;

    if (ctx->result == NGX_HTTP_PAYGW_PASS_REJECTED) {
        at = NGX_HTTP_PAYGW_REJECTED_AT + ctx->exchange.n.reason;

    } else if (ctx->result == NGX_HTTP_PAYGW_PASS_UNVERIFIED) {
        at = NGX_HTTP_PAYGW_UNVERIFIED_AT + ctx->exchange.n.reason;
    }

    ngx_paygw_metrics_add(m, NGX_HTTP_PAYGW_AT_ORDERS + at);

    ngx_paygw_metrics_add(m, NGX_HTTP_PAYGW_AT_ORDER_CODES
                             + ngx_http_paygw_metrics_class(
                                 ngx_http_paygw_metrics_status(ctx->request)));

    if (ctx->waited) {
        mcf = ngx_http_get_module_main_conf(ctx->request,
                                            ngx_http_paygw_module);
        m = &mcf->metrics->channels[ctx->conf->channel->index]->metrics;

        ngx_paygw_metrics_add(m, NGX_HTTP_PAYGW_AT_WAITS);
    }
}


void
ngx_http_paygw_metrics_tried(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_paygw_metrics_t  *m;

    m = ngx_http_paygw_metrics_of_order(ctx);

    if (m) {
        ngx_http_paygw_metrics_time(m, NGX_HTTP_PAYGW_AT_PROVIDER_TIMES,
                                    ctx->began, ngx_current_msec);
    }
}


void
ngx_http_paygw_metrics_retry(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_paygw_metrics_add(ngx_http_paygw_metrics_of_order(ctx),
                          NGX_HTTP_PAYGW_AT_RETRIES + ctx->cause);
}


void
ngx_http_paygw_metrics_exhausted(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_paygw_metrics_add(ngx_http_paygw_metrics_of_order(ctx),
                          NGX_HTTP_PAYGW_AT_EXHAUSTED);
}


void
ngx_http_paygw_metrics_breaker(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_paygw_breaker_state_e to)
{
    ngx_paygw_metrics_add(ngx_http_paygw_metrics_of_order(ctx),
                          NGX_HTTP_PAYGW_AT_BREAKER + to);
}


/* NULL if nothing is counted */

static ngx_paygw_metrics_t *
ngx_http_paygw_metrics_of_order(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    return mcf->metrics
           ? &mcf->metrics->orders[ctx->conf->channel->index]->metrics
           : NULL;
}
