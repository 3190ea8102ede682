
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_ctx.h"
#include "ngx_http_paygw_idem.h"
#include "ngx_http_paygw_limit.h"
#include "ngx_http_paygw_metrics.h"
#include "ngx_http_paygw_variables.h"


/*
 * What is counted of a request, once, at its end; and the words of what was
 * decided.
 */


static ngx_http_paygw_subject_t *ngx_http_paygw_metrics_of(
    ngx_http_paygw_metrics_t *metrics, ngx_http_paygw_ctx_t *ctx);
static void ngx_http_paygw_metrics_delivered(ngx_paygw_metrics_t *m,
    ngx_http_paygw_ctx_t *ctx);
static void ngx_http_paygw_metrics_call(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_gate_ctx_t *ctx);
static void ngx_http_paygw_metrics_call_idem(ngx_paygw_metrics_t *m,
    ngx_http_paygw_gate_ctx_t *ctx);
static void ngx_http_paygw_metrics_limits(ngx_http_paygw_metrics_t *metrics,
    ngx_http_paygw_limits_t *limits);
static void ngx_http_paygw_metrics_decided(ngx_paygw_metrics_t *m,
    ngx_uint_t at, ngx_http_paygw_result_e result, ngx_paygw_reason_e reason);
static ngx_uint_t ngx_http_paygw_metrics_decision(ngx_uint_t i,
    ngx_str_t *values);


/* the reasons that there are; others are shown once they have occurred */

#define NGX_HTTP_PAYGW_CALLBACK_REFUSED                                       \
    (ngx_http_paygw_reason_bit(METHOD)                                        \
     | ngx_http_paygw_reason_bit(CONTENT_TYPE)                                \
     | ngx_http_paygw_reason_bit(TOO_LARGE)                                   \
     | ngx_http_paygw_reason_bit(MISSING_HEADER)                              \
     | ngx_http_paygw_reason_bit(REPEATED_HEADER)                             \
     | ngx_http_paygw_reason_bit(MALFORMED)                                   \
     | ngx_http_paygw_reason_bit(DUPLICATE_FIELD)                             \
     | ngx_http_paygw_reason_bit(UNKNOWN_KEY)                                 \
     | ngx_http_paygw_reason_bit(UNKNOWN_ACCOUNT)                             \
     | ngx_http_paygw_reason_bit(CLOCK)                                       \
     | ngx_http_paygw_reason_bit(SIGN_TYPE)                                   \
     | ngx_http_paygw_reason_bit(SIGNATURE)                                   \
     | ngx_http_paygw_reason_bit(PROBE)                                       \
     | ngx_http_paygw_reason_bit(DECRYPT)                                     \
     | ngx_http_paygw_reason_bit(ACCOUNT_MISMATCH)                            \
     | ngx_http_paygw_reason_bit(ORDER_MISMATCH)                              \
     | ngx_http_paygw_reason_bit(ORDER_UNKNOWN))

#define NGX_HTTP_PAYGW_CALLBACK_UNAVAILABLE                                   \
    (ngx_http_paygw_reason_bit(NONE)                                          \
     | ngx_http_paygw_reason_bit(INTERNAL)                                    \
     | ngx_http_paygw_reason_bit(STORE)                                       \
     | ngx_http_paygw_reason_bit(REPLICAS)                                    \
     | ngx_http_paygw_reason_bit(KEYRING))

#define NGX_HTTP_PAYGW_CALL_REFUSED                                           \
    (ngx_http_paygw_reason_bit(CONTENT_TYPE)                                  \
     | ngx_http_paygw_reason_bit(TOO_LARGE)                                   \
     | ngx_http_paygw_reason_bit(MISSING_HEADER)                              \
     | ngx_http_paygw_reason_bit(REPEATED_HEADER)                             \
     | ngx_http_paygw_reason_bit(MALFORMED)                                   \
     | ngx_http_paygw_reason_bit(DUPLICATE_FIELD)                             \
     | ngx_http_paygw_reason_bit(UNKNOWN_KEY)                                 \
     | ngx_http_paygw_reason_bit(CLOCK)                                       \
     | ngx_http_paygw_reason_bit(SIGN_TYPE)                                   \
     | ngx_http_paygw_reason_bit(SIGNATURE)                                   \
     | ngx_http_paygw_reason_bit(REPLAYED)                                    \
     | ngx_http_paygw_reason_bit(LIMIT)                                       \
     | ngx_http_paygw_reason_bit(FAILURES)                                    \
     | ngx_http_paygw_reason_bit(IDEM_REQUIRED)                               \
     | ngx_http_paygw_reason_bit(IDEM_KEY)                                    \
     | ngx_http_paygw_reason_bit(IDEM_MISMATCH)                               \
     | ngx_http_paygw_reason_bit(IDEM_RUNNING)                                \
     | ngx_http_paygw_reason_bit(IDEM_NOT_KEPT))

#define NGX_HTTP_PAYGW_CALL_UNAVAILABLE                                       \
    (ngx_http_paygw_reason_bit(INTERNAL) | ngx_http_paygw_reason_bit(STORE))


ngx_uint_t
ngx_http_paygw_metrics_callback_value(ngx_uint_t i, ngx_str_t *values)
{
    uint64_t  reasons;

    if (i < NGX_HTTP_PAYGW_REFUSED_AT) {
        (void) ngx_http_paygw_metrics_decision(i, values);

        return i != NGX_HTTP_PAYGW_NONE && i != NGX_HTTP_PAYGW_REFUSED
               && i != NGX_HTTP_PAYGW_UNAVAILABLE;
    }

    reasons = (i < NGX_HTTP_PAYGW_UNAVAILABLE_AT)
              ? NGX_HTTP_PAYGW_CALLBACK_REFUSED
              : NGX_HTTP_PAYGW_CALLBACK_UNAVAILABLE;

    return (reasons >> ngx_http_paygw_metrics_decision(i, values)) & 1;
}


ngx_uint_t
ngx_http_paygw_metrics_call_value(ngx_uint_t i, ngx_str_t *values)
{
    uint64_t  reasons;

    if (i < NGX_HTTP_PAYGW_REFUSED_AT) {
        ngx_str_set(&values[0], "authenticated");
        ngx_str_set(&values[1], "");

        return i == NGX_HTTP_PAYGW_VERIFIED;
    }

    reasons = (i < NGX_HTTP_PAYGW_UNAVAILABLE_AT)
              ? NGX_HTTP_PAYGW_CALL_REFUSED : NGX_HTTP_PAYGW_CALL_UNAVAILABLE;

    return (reasons >> ngx_http_paygw_metrics_decision(i, values)) & 1;
}


/* the words of $paygw_result and $paygw_reason; returns the reason */

static ngx_uint_t
ngx_http_paygw_metrics_decision(ngx_uint_t i, ngx_str_t *values)
{
    ngx_uint_t  result, reason;

    if (i < NGX_HTTP_PAYGW_REFUSED_AT) {
        result = i;
        reason = NGX_PAYGW_REASON_NONE;

    } else if (i < NGX_HTTP_PAYGW_UNAVAILABLE_AT) {
        result = NGX_HTTP_PAYGW_REFUSED;
        reason = i - NGX_HTTP_PAYGW_REFUSED_AT;

    } else {
        result = NGX_HTTP_PAYGW_UNAVAILABLE;
        reason = i - NGX_HTTP_PAYGW_UNAVAILABLE_AT;
    }

    values[0] = ngx_http_paygw_results[result];
    values[1] = ngx_paygw_reasons[reason];

    return reason;
}


void
ngx_http_paygw_metrics_callback(ngx_http_paygw_ctx_t *ctx)
{
    ngx_uint_t                   at;
    ngx_paygw_metrics_t         *m;
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    if (mcf->metrics == NULL) {
        return;
    }

    m = &ngx_http_paygw_metrics_of(mcf->metrics, ctx)->metrics;

    at = (ctx->state == NGX_HTTP_PAYGW_OBSERVING) ? NGX_HTTP_PAYGW_AT_OBSERVED
                                                  : NGX_HTTP_PAYGW_AT_CALLBACKS;

    ngx_http_paygw_metrics_decided(m, at, ctx->result, ctx->notify.reason);

    if (ctx->resume) {
        ngx_paygw_metrics_add(m, NGX_HTTP_PAYGW_AT_WAITS);
    }

    if (ctx->replied) {
        ngx_paygw_metrics_add(m, NGX_HTTP_PAYGW_AT_ACKS
                                 + ngx_http_paygw_metrics_class(ctx->heard));
    }

    if (!ctx->notify.genuine) {
        /* a stranger's, who could make times what he wants */
        return;
    }

    ngx_paygw_metrics_add(m, NGX_HTTP_PAYGW_AT_VERIFIED);

    if (ctx->replied) {
        ngx_http_paygw_metrics_time(m, NGX_HTTP_PAYGW_AT_ACK_TIMES,
                                    ctx->began, ctx->acked);
    }

    ngx_http_paygw_metrics_delivered(m, ctx);
}


/*
 * The account is not known before a message has said whose it is, and then it
 * is what the message claims.  Where there is one channel, it is that.
 */

static ngx_http_paygw_subject_t *
ngx_http_paygw_metrics_of(ngx_http_paygw_metrics_t *metrics,
    ngx_http_paygw_ctx_t *ctx)
{
    ngx_paygw_channel_t  *ch;

    ch = ctx->notify.channel;

    if (ch) {
        return metrics->channels[ch->index];
    }

    ch = ctx->lcf->channels[0];

    return (ctx->lcf->nchannels == 1) ? metrics->channels[ch->index]
                                      : metrics->providers[ch->index];
}


static void
ngx_http_paygw_metrics_delivered(ngx_paygw_metrics_t *m,
    ngx_http_paygw_ctx_t *ctx)
{
    ngx_uint_t  stream;

    stream = (ctx->lcf->queue && ctx->result == NGX_HTTP_PAYGW_TAKEN);

    if (ctx->state != NGX_HTTP_PAYGW_DELIVERING && !stream) {
        return;
    }

    ngx_paygw_metrics_add(m, NGX_HTTP_PAYGW_AT_DELIVERIES
                             + 2 * stream + (ctx->op.delivery > 1));

    if (stream) {
        return;
    }

    if (ctx->timed_out) {
        ngx_paygw_metrics_add(m, NGX_HTTP_PAYGW_AT_TIMEOUTS);
    }

    if (ctx->answered) {
        ngx_http_paygw_metrics_time(m, NGX_HTTP_PAYGW_AT_SHOP_TIMES,
                                    ctx->handed, ctx->shop_at);
    }
}


void
ngx_http_paygw_metrics_gate(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    if (mcf->metrics == NULL) {
        return;
    }

    if (ctx->lcf) {
        ngx_http_paygw_metrics_call(mcf, ctx);
    }

    if (ctx->limits) {
        ngx_http_paygw_metrics_limits(mcf->metrics, ctx->limits);
    }
}


static void
ngx_http_paygw_metrics_call(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_uint_t               i;
    ngx_paygw_metrics_t     *m;
    ngx_http_paygw_result_e  result;

    i = ctx->call.caller ? ctx->call.caller->merchant->index
                         : mcf->callers.merchants.nelts;

    m = &mcf->metrics->merchants[i]->metrics;

    if (ctx->state == NGX_HTTP_PAYGW_GATE_REFUSED) {
        result = (ctx->status < NGX_HTTP_INTERNAL_SERVER_ERROR)
                 ? NGX_HTTP_PAYGW_REFUSED : NGX_HTTP_PAYGW_UNAVAILABLE;

    } else {
        result = ctx->authentic ? NGX_HTTP_PAYGW_VERIFIED
                                : NGX_HTTP_PAYGW_NONE;
    }

    ngx_http_paygw_metrics_decided(m, NGX_HTTP_PAYGW_AT_CALLS, result,
                                   ctx->call.reason);

    if (!ctx->genuine) {
        return;
    }

    ngx_paygw_metrics_add(m, NGX_HTTP_PAYGW_AT_RESPONSES
                             + ngx_http_paygw_metrics_class(
                                 ngx_http_paygw_metrics_status(ctx->request)));

    if (result == NGX_HTTP_PAYGW_VERIFIED) {
        ngx_http_paygw_metrics_time(m, NGX_HTTP_PAYGW_AT_CALL_TIMES,
                                    ctx->began, ngx_current_msec);
    }

    if (ctx->idem) {
        ngx_http_paygw_metrics_call_idem(m, ctx);
    }
}


static void
ngx_http_paygw_metrics_call_idem(ngx_paygw_metrics_t *m,
    ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_http_paygw_idem_is_e  is;

    switch (ctx->idem->state) {

    case NGX_HTTP_PAYGW_IDEM_RUNNING:
    case NGX_HTTP_PAYGW_IDEM_FINISHING:
    case NGX_HTTP_PAYGW_IDEM_ENDED:
        is = (ctx->idem->op.delivery == 1) ? NGX_HTTP_PAYGW_IDEM_IS_FIRST
                                           : NGX_HTTP_PAYGW_IDEM_IS_AGAIN;
        break;

    case NGX_HTTP_PAYGW_IDEM_KEPT:
    case NGX_HTTP_PAYGW_IDEM_REPLAYED:
        is = NGX_HTTP_PAYGW_IDEM_IS_REPLAYED;
        break;

    default:

        switch (ctx->call.reason) {

        case NGX_PAYGW_REASON_IDEM_MISMATCH:
            is = NGX_HTTP_PAYGW_IDEM_IS_MISMATCH;
            break;

        case NGX_PAYGW_REASON_IDEM_RUNNING:
            is = NGX_HTTP_PAYGW_IDEM_IS_IN_PROGRESS;
            break;

        case NGX_PAYGW_REASON_IDEM_NOT_KEPT:
            is = NGX_HTTP_PAYGW_IDEM_IS_NOT_KEPT;
            break;

        default:
            return;
        }
    }

    ngx_paygw_metrics_add(m, NGX_HTTP_PAYGW_AT_IDEM + is);
}


/* of a request that another limit has rejected nothing is charged */

static void
ngx_http_paygw_metrics_limits(ngx_http_paygw_metrics_t *metrics,
    ngx_http_paygw_limits_t *limits)
{
    ngx_uint_t                      i, over, dry;
    ngx_paygw_metrics_t           **m;
    ngx_http_paygw_limit_status_e   status;

    if (limits->away) {
        m = metrics->subjects.elts;
        ngx_paygw_metrics_add(m[0], NGX_HTTP_PAYGW_AT_FALLBACKS);
    }

    for (i = 0; i < limits->n; i++) {

        over = (i < limits->counted && limits->counts[i].over);
        dry = limits->counts[i].dry;
        status = limits->status;

        if (status == NGX_HTTP_PAYGW_LIMIT_PASSED
            || status == NGX_HTTP_PAYGW_LIMIT_DRY)
        {
            status = over ? NGX_HTTP_PAYGW_LIMIT_DRY
                          : NGX_HTTP_PAYGW_LIMIT_PASSED;

        } else if (status == NGX_HTTP_PAYGW_LIMIT_REJECTED) {

            if (!over) {
                continue;
            }

            if (dry) {
                status = NGX_HTTP_PAYGW_LIMIT_DRY;
            }

        } else if (status == NGX_HTTP_PAYGW_LIMIT_NONE) {
            continue;
        }

        ngx_paygw_metrics_add(&limits->confs[i]->subject->metrics,
                              NGX_HTTP_PAYGW_AT_LIMIT + status);
    }
}


void
ngx_http_paygw_metrics_fetch(ngx_http_paygw_main_conf_t *mcf,
    ngx_paygw_channel_t *ch, ngx_uint_t failed)
{
    if (mcf->metrics) {
        ngx_paygw_metrics_add(&mcf->metrics->channels[ch->index]->metrics,
                              NGX_HTTP_PAYGW_AT_FETCHES + failed);
    }
}


/* a request that has ended before it was decided is none */

static void
ngx_http_paygw_metrics_decided(ngx_paygw_metrics_t *m, ngx_uint_t at,
    ngx_http_paygw_result_e result, ngx_paygw_reason_e reason)
{
    switch (result) {

    case NGX_HTTP_PAYGW_NONE:
        return;

    case NGX_HTTP_PAYGW_REFUSED:
        at += NGX_HTTP_PAYGW_REFUSED_AT + reason;
        break;

    case NGX_HTTP_PAYGW_UNAVAILABLE:
        at += NGX_HTTP_PAYGW_UNAVAILABLE_AT + reason;
        break;

    default:
        at += result;
    }

    ngx_paygw_metrics_add(m, at);
}


void
ngx_http_paygw_metrics_time(ngx_paygw_metrics_t *m, ngx_uint_t at,
    ngx_msec_t from, ngx_msec_t to)
{
    ngx_paygw_metrics_observe(m, at, (uint64_t) (to - from) * 1000);
}


ngx_uint_t
ngx_http_paygw_metrics_status(ngx_http_request_t *r)
{
    return r->err_status ? r->err_status : r->headers_out.status;
}
