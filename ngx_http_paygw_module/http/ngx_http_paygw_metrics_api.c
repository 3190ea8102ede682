
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_api.h"
#include "ngx_http_paygw_metrics.h"


/* Operations of paygw_api: the words of their labels, and what is counted. */


static ngx_http_paygw_op_outcome_e ngx_http_paygw_metrics_outcome(
    ngx_paygw_order_t *o);
static ngx_http_paygw_subject_t *ngx_http_paygw_metrics_api_of(
    ngx_http_paygw_metrics_t *metrics, ngx_http_paygw_api_ctx_t *ctx,
    ngx_uint_t none);


/*
 * A bill is there or not, and of what is no operation nothing can come; that is
 * all that is shown of them before anything else has occurred.
 */

ngx_uint_t
ngx_http_paygw_metrics_operation_value(ngx_uint_t i, ngx_str_t *values)
{
    ngx_uint_t  op, outcome;

    /* behind ngx_paygw_outcomes[] */

    static const ngx_str_t  words[] = {
        ngx_string("refused"),
        ngx_string("unavailable")
    };

    op = i / NGX_HTTP_PAYGW_OP_OUTCOMES;
    outcome = i % NGX_HTTP_PAYGW_OP_OUTCOMES;

    ngx_str_null(&values[0]);

    if (op < NGX_PAYGW_OPS) {
        values[0] = ngx_paygw_order_ops[op];
    }

    values[1] = (outcome < NGX_HTTP_PAYGW_OP_REFUSED)
                ? ngx_paygw_outcomes[outcome]
                : words[outcome - NGX_HTTP_PAYGW_OP_REFUSED];

    switch (op) {

    case NGX_PAYGW_OPS:
        return outcome == NGX_HTTP_PAYGW_OP_REFUSED;

    case NGX_PAYGW_OP_BILL:
        return outcome != NGX_PAYGW_OUTCOME_PENDING
               && outcome != NGX_PAYGW_OUTCOME_FAILED;

    default:
        return 1;
    }
}


void
ngx_http_paygw_metrics_operation(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_uint_t                   at, none;
    ngx_http_paygw_subject_t    *subject;
    ngx_http_paygw_gate_ctx_t   *gate;
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    if (mcf->metrics == NULL || !ctx->started) {
        return;
    }

    at = (ctx->routed ? ctx->order.op : NGX_PAYGW_OPS)
         * NGX_HTTP_PAYGW_OP_OUTCOMES
         + ngx_http_paygw_metrics_outcome(&ctx->order);

    subject = ngx_http_paygw_metrics_api_of(mcf->metrics, ctx,
                                            mcf->channels.nelts);

    ngx_paygw_metrics_add(&subject->metrics,
                          NGX_HTTP_PAYGW_AT_OPERATIONS + at);

    if (mcf->metrics->merchants == NULL) {
        return;
    }

    gate = ngx_http_paygw_gate_ctx(ctx->request);
    none = mcf->callers.merchants.nelts;

    subject = mcf->metrics->merchants[(gate && gate->genuine)
                                      ? gate->call.caller->merchant->index
                                      : none];

    ngx_paygw_metrics_add(&subject->metrics,
                          NGX_HTTP_PAYGW_AT_OF_MERCHANT + at);
}


/*
 * The word that the answer has as its outcome; else whether the same would be
 * refused again, or may be done later.
 */

static ngx_http_paygw_op_outcome_e
ngx_http_paygw_metrics_outcome(ngx_paygw_order_t *o)
{
    if (o->code == NGX_PAYGW_CODE_OK) {
        return (o->op == NGX_PAYGW_OP_BILL) ? NGX_HTTP_PAYGW_OP_SUCCESS
               : (ngx_http_paygw_op_outcome_e) o->told.outcome;
    }

    if (ngx_paygw_codes[o->code].unknown) {
        return NGX_HTTP_PAYGW_OP_UNKNOWN;
    }

    return (o->code < NGX_PAYGW_CODE_UNREACHABLE)
           ? NGX_HTTP_PAYGW_OP_REFUSED : NGX_HTTP_PAYGW_OP_UNAVAILABLE;
}


/* before the channel is known: where there is one, it is that */

static ngx_http_paygw_subject_t *
ngx_http_paygw_metrics_api_of(ngx_http_paygw_metrics_t *metrics,
    ngx_http_paygw_api_ctx_t *ctx, ngx_uint_t none)
{
    if (ctx->call) {
        return metrics->api[ctx->call->conf->channel->index];
    }

    return metrics->api[(ctx->conf->ncalls == 1)
                        ? ctx->conf->calls->channel->index : none];
}
