
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_events.h"
#include "ngx_http_paygw_limit.h"


/*
 * A call that was refused is answered by nginx as any refusal is: by a page of
 * its own, or by what "error_page" says.  The page is replaced by a few words
 * of JSON on its way out, so that "add_header ... always" and the like go for
 * them, too.
 */


typedef struct {
    ngx_paygw_reason_e           reason;
    ngx_uint_t                   status;
    ngx_str_t                    body;
} ngx_http_paygw_problem_t;


static ngx_int_t ngx_http_paygw_problem_header_filter(ngx_http_request_t *r);
static ngx_http_paygw_gate_ctx_t *ngx_http_paygw_problem_ctx(
    ngx_http_request_t *r, ngx_http_paygw_gate_ctx_t *ctx);
static ngx_http_paygw_gate_ctx_t *ngx_http_paygw_problem_unasked(
    ngx_http_request_t *r, ngx_http_paygw_loc_conf_t *lcf,
    ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_problem_field(
    ngx_http_paygw_gate_ctx_t *ctx, ngx_uint_t status);
static ngx_int_t ngx_http_paygw_problem_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static const ngx_http_paygw_problem_t *ngx_http_paygw_problem(
    ngx_paygw_reason_e reason);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


#define NGX_HTTP_PAYGW_PROBLEM_SIGNATURE                                      \
    ngx_string("{\"code\":\"CLIENT-BAD_SIGNATURE\","                          \
               "\"message\":\"the signature does not match\"}")

#define NGX_HTTP_PAYGW_PROBLEM_FIELDS                                         \
    ngx_string("{\"code\":\"CLIENT-BAD_SIGNATURE_HEADER\","                   \
               "\"message\":\"a part of the signature is missing, there "     \
               "twice, or not well formed\"}")


#define NGX_HTTP_UNPROCESSABLE  422


/* the last one is for all others */

static const ngx_http_paygw_problem_t  ngx_http_paygw_problems[] = {

    { NGX_PAYGW_REASON_MISSING_HEADER, NGX_HTTP_BAD_REQUEST,
      NGX_HTTP_PAYGW_PROBLEM_FIELDS },

    { NGX_PAYGW_REASON_REPEATED_HEADER, NGX_HTTP_BAD_REQUEST,
      NGX_HTTP_PAYGW_PROBLEM_FIELDS },

    { NGX_PAYGW_REASON_MALFORMED, NGX_HTTP_BAD_REQUEST,
      NGX_HTTP_PAYGW_PROBLEM_FIELDS },

    { NGX_PAYGW_REASON_DUPLICATE_FIELD, NGX_HTTP_BAD_REQUEST,
      NGX_HTTP_PAYGW_PROBLEM_FIELDS },

    { NGX_PAYGW_REASON_UNKNOWN_KEY, NGX_HTTP_UNAUTHORIZED,
      NGX_HTTP_PAYGW_PROBLEM_SIGNATURE },

    { NGX_PAYGW_REASON_SIGNATURE, NGX_HTTP_UNAUTHORIZED,
      NGX_HTTP_PAYGW_PROBLEM_SIGNATURE },

    { NGX_PAYGW_REASON_SIGN_TYPE, NGX_HTTP_UNAUTHORIZED,
      NGX_HTTP_PAYGW_PROBLEM_SIGNATURE },

    { NGX_PAYGW_REASON_CLOCK, NGX_HTTP_UNAUTHORIZED,
      ngx_string("{\"code\":\"CLIENT-TIMESTAMP_OUT_OF_WINDOW\","
                 "\"message\":\"the timestamp is too far from the time in "
                 "Date\"}") },

    { NGX_PAYGW_REASON_REPLAYED, NGX_HTTP_UNAUTHORIZED,
      ngx_string("{\"code\":\"CLIENT-REPLAYED\","
                 "\"message\":\"the nonce was used before\"}") },

    { NGX_PAYGW_REASON_IDEM_REQUIRED, NGX_HTTP_BAD_REQUEST,
      ngx_string("{\"code\":\"CLIENT-IDEMPOTENCY_KEY_REQUIRED\","
                 "\"message\":\"this call needs an Idempotency-Key\"}") },

    { NGX_PAYGW_REASON_IDEM_KEY, NGX_HTTP_BAD_REQUEST,
      ngx_string("{\"code\":\"CLIENT-BAD_IDEMPOTENCY_KEY\","
                 "\"message\":\"Idempotency-Key is there twice or not well "
                 "formed\"}") },

    { NGX_PAYGW_REASON_IDEM_MISMATCH, NGX_HTTP_UNPROCESSABLE,
      ngx_string("{\"code\":\"CLIENT-IDEMPOTENCY_MISMATCH\","
                 "\"message\":\"this Idempotency-Key was used for another "
                 "call\"}") },

    { NGX_PAYGW_REASON_IDEM_RUNNING, NGX_HTTP_CONFLICT,
      ngx_string("{\"code\":\"RETRY-IN_PROGRESS\","
                 "\"message\":\"the call with this Idempotency-Key is not "
                 "finished yet\"}") },

    { NGX_PAYGW_REASON_IDEM_NOT_KEPT, NGX_HTTP_CONFLICT,
      ngx_string("{\"code\":\"CLIENT-ANSWER_NOT_KEPT\","
                 "\"message\":\"the call with this Idempotency-Key was "
                 "done, its answer was not kept\"}") },

    { NGX_PAYGW_REASON_TOO_LARGE, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
      ngx_string("{\"code\":\"CLIENT-TOO_LARGE\","
                 "\"message\":\"the body is too large\"}") },

    { NGX_PAYGW_REASON_CONTENT_TYPE, NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
      ngx_string("{\"code\":\"CLIENT-UNSUPPORTED_MEDIA_TYPE\","
                 "\"message\":\"the body must be a form or JSON\"}") },

    { NGX_PAYGW_REASON_LIMIT, NGX_HTTP_TOO_MANY_REQUESTS,
      ngx_string("{\"code\":\"RETRY-RATE_LIMITED\","
                 "\"message\":\"too many requests, try again after the "
                 "seconds of Retry-After\"}") },

    { NGX_PAYGW_REASON_FAILURES, NGX_HTTP_TOO_MANY_REQUESTS,
      ngx_string("{\"code\":\"RETRY-TOO_MANY_FAILURES\","
                 "\"message\":\"too many calls from this address that nobody "
                 "has signed\"}") },

    { NGX_PAYGW_REASON_STORE, NGX_HTTP_SERVICE_UNAVAILABLE,
      ngx_string("{\"code\":\"RETRY-UNAVAILABLE\","
                 "\"message\":\"try again with a new nonce\"}") },

    { NGX_PAYGW_REASON_INTERNAL, NGX_HTTP_INTERNAL_SERVER_ERROR,
      ngx_string("{\"code\":\"SERVER-INTERNAL\","
                 "\"message\":\"internal error\"}") }
};


static ngx_int_t
ngx_http_paygw_problem_header_filter(ngx_http_request_t *r)
{
    ngx_http_paygw_gate_ctx_t       *ctx;
    const ngx_http_paygw_problem_t  *problem;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_paygw_gate_ctx(r);

    if (ctx && ngx_http_paygw_limit_fields(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx = ngx_http_paygw_problem_ctx(r, ctx);

    if (ctx == NULL) {
        return ngx_http_next_header_filter(r);
    }

    problem = ngx_http_paygw_problem(ctx->call.reason);

    ctx->refusing = 0;
    ctx->replace = 1;

    r->headers_out.status = problem->status;
    r->headers_out.status_line.len = 0;

    ngx_http_clear_content_length(r);
    r->headers_out.content_length_n = problem->body.len;

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    if (ngx_http_paygw_problem_field(ctx, problem->status) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/* NULL if the answer is to go as it is */

static ngx_http_paygw_gate_ctx_t *
ngx_http_paygw_problem_ctx(ngx_http_request_t *r,
    ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_http_paygw_loc_conf_t  *lcf;

    if (ctx && ctx->refusing && r->headers_out.status == ctx->status) {
        return ctx;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_paygw_module);

    if (!lcf->auth.on || (ctx && (ctx->done & NGX_HTTP_PAYGW_GATE_AUTH))
        || ngx_http_paygw_events_opened(r))
    {
        return NULL;
    }

    return ngx_http_paygw_problem_unasked(r, lcf, ctx);
}


/*
 * An answer where we have not decided: nginx found the body too large, or
 * something has answered before the access phase.  That may refuse or redirect;
 * but nothing of the location is given to a caller that nobody has looked at.
 */

static ngx_http_paygw_gate_ctx_t *
ngx_http_paygw_problem_unasked(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf, ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_paygw_reason_e  reason;

    if (r->headers_out.status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
        reason = NGX_PAYGW_REASON_TOO_LARGE;

    } else if (r->headers_out.status < NGX_HTTP_SPECIAL_RESPONSE
               && !lcf->auth.any)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "merchant call was answered with %ui before it was "
                      "authenticated, the answer is withheld",
                      r->headers_out.status);

        reason = NGX_PAYGW_REASON_INTERNAL;

    } else {
        return NULL;
    }

    if (ctx == NULL) {

        ctx = ngx_http_paygw_gate_ctx_create(r);
        if (ctx == NULL) {
            return NULL;
        }
    }

    ctx->lcf = lcf;
    ctx->call.reason = reason;
    (void) ngx_http_paygw_auth_refuse(ctx);

    return ctx;
}


/* which field belongs to a refusal, and may be there before us */

static ngx_int_t
ngx_http_paygw_problem_field(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_uint_t status)
{
    u_char              *p;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r;

    r = ctx->request;

    switch (status) {

    case NGX_HTTP_UNAUTHORIZED:

        if (r->headers_out.www_authenticate) {
            /* "satisfy any", and another module asks as well */
            return NGX_OK;
        }

        break;

    case NGX_HTTP_CONFLICT:

        if (ctx->call.reason != NGX_PAYGW_REASON_IDEM_RUNNING) {
            return NGX_OK;
        }

        break;

    case NGX_HTTP_TOO_MANY_REQUESTS:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
        break;

    default:
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    if (status == NGX_HTTP_UNAUTHORIZED) {
        ngx_str_set(&h->key, "WWW-Authenticate");
        ngx_str_set(&h->value, "Paygw");
        h->hash = 1;

        r->headers_out.www_authenticate = h;

        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&h->key, "Retry-After");
    h->value.data = p;
    h->value.len = ngx_sprintf(p, "%T", ngx_max(ctx->retry, 1)) - p;
    h->hash = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_problem_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t                       *b;
    ngx_uint_t                       last;
    ngx_chain_t                     *cl, out;
    ngx_http_paygw_gate_ctx_t       *ctx;
    const ngx_http_paygw_problem_t  *problem;

    ctx = (in && r == r->main) ? ngx_http_paygw_gate_ctx(r) : NULL;

    if (ctx == NULL || !ctx->replace) {
        return ngx_http_next_body_filter(r, in);
    }

    last = 0;

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        last |= b->last_buf;

        b->pos = b->last;
        b->file_pos = b->file_last;
    }

    if (!last) {
        return NGX_OK;
    }

    problem = ngx_http_paygw_problem(ctx->call.reason);

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->pos = problem->body.data;
    b->last = problem->body.data + problem->body.len;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


ngx_uint_t
ngx_http_paygw_problem_status(ngx_paygw_reason_e reason)
{
    return ngx_http_paygw_problem(reason)->status;
}


static const ngx_http_paygw_problem_t *
ngx_http_paygw_problem(ngx_paygw_reason_e reason)
{
    const ngx_http_paygw_problem_t  *p;

    p = ngx_http_paygw_problems;

    while (p->reason != reason && p->reason != NGX_PAYGW_REASON_INTERNAL) {
        p++;
    }

    return p;
}


ngx_int_t
ngx_http_paygw_problem_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_paygw_problem_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_paygw_problem_body_filter;

    return NGX_OK;
}
