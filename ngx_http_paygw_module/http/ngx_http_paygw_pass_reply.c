
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"
#include "ngx_http_paygw_binding.h"
#include "ngx_http_paygw_download.h"
#include "ngx_http_paygw_headers.h"
#include "ngx_http_paygw_pass.h"
#include "ngx_http_paygw_refusal.h"
#include "ngx_http_paygw_variables.h"
#include "ngx_paygw_event.h"


/*
 * What the caller of paygw_pass gets: what the provider has signed, or words
 * of our own; nothing else of an answer.
 */


static void ngx_http_paygw_pass_say(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_paygw_code_e code, const ngx_str_t *message);
static void ngx_http_paygw_pass_unverified(ngx_http_paygw_pass_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_pass_term(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_value_e which, ngx_str_t *value);


static const ngx_str_t  ngx_http_paygw_pass_json =
    ngx_string("application/json");


/* the order of ngx_http_paygw_pass_result_e */

const ngx_str_t  ngx_http_paygw_pass_results[] = {
    ngx_null_string,
    ngx_string("rejected"),
    ngx_string("passed"),
    ngx_string("unreachable"),
    ngx_string("unavailable"),
    ngx_string("unanswered"),
    ngx_string("unverified"),
    ngx_string("failed")
};


/* in the same order: of what has no answer */

static const ngx_paygw_code_e  ngx_http_paygw_pass_fails[] = {
    NGX_PAYGW_CODE_OK,
    NGX_PAYGW_CODE_BAD_REQUEST,
    NGX_PAYGW_CODE_OK,
    NGX_PAYGW_CODE_UNREACHABLE,
    NGX_PAYGW_CODE_UNAVAILABLE,
    NGX_PAYGW_CODE_UNANSWERED,
    NGX_PAYGW_CODE_UNVERIFIED,
    NGX_PAYGW_CODE_INTERNAL
};


void
ngx_http_paygw_pass_reply(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_str_t              how;
    ngx_uint_t             i;
    ngx_paygw_exchange_t  *x;

    if (ctx->api) {
        ngx_http_paygw_api_answered(ctx);
        return;
    }

    x = &ctx->exchange;

    ngx_http_paygw_pass_end(ctx, NGX_HTTP_PAYGW_PASS_PASSED);

    if (!x->unsigned_reply) {
        ngx_str_set(&how, "signature");

    } else if (ctx->download && ctx->download->expected.hash) {
        ngx_paygw_expected_name(&ctx->download->expected, &how);

    } else if (ctx->attempt.remote->host->https) {
        ngx_str_set(&how, "tls");

    } else {
        ngx_str_set(&how, "none");
    }

    /* what was made here has no answer to speak of */

    if (x->status
        && ngx_http_paygw_headers_tell(ctx->request, "X-Paygw-Verified", &how)
           != NGX_OK)
    {
        ngx_http_finalize_request(ctx->request, NGX_ERROR);
        return;
    }

    for (i = 0; i < x->ntold; i++) {
        if (ngx_http_paygw_headers_tell(ctx->request,
                                        (char *) x->told[i].name.data,
                                        &x->told[i].value)
            != NGX_OK)
        {
            ngx_http_finalize_request(ctx->request, NGX_ERROR);
            return;
        }
    }

    ngx_http_paygw_pass_send(ctx->request, x->reply_status, &x->reply_type,
                             &x->reply);
}


void
ngx_http_paygw_pass_reject(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_paygw_code_e     code;
    ngx_paygw_notify_t  *n;

    n = &ctx->exchange.n;

    ngx_http_paygw_pass_end(ctx, NGX_HTTP_PAYGW_PASS_REJECTED);

    ngx_log_error(NGX_LOG_INFO, n->log, 0,
                  "call of channel \"%V\" rejected: %V, %V",
                  &n->channel->name, &ngx_paygw_reasons[n->reason], &n->hint);

    if (ctx->api) {
        ngx_http_paygw_api_failed(ctx);
        return;
    }

    switch (n->reason) {

    case NGX_PAYGW_REASON_METHOD:
        code = NGX_PAYGW_CODE_BAD_METHOD;
        break;

    case NGX_PAYGW_REASON_TOO_LARGE:
        code = NGX_PAYGW_CODE_TOO_LARGE;
        ctx->request->keepalive = 0;
        break;

    case NGX_PAYGW_REASON_CONTENT_TYPE:
        code = NGX_PAYGW_CODE_MEDIA_TYPE;
        break;

    case NGX_PAYGW_REASON_ORDER_MISMATCH:
        code = NGX_PAYGW_CODE_ORDER_MISMATCH;
        break;

    case NGX_PAYGW_REASON_STORE:
        code = NGX_PAYGW_CODE_STORE;
        ctx->exchange.open = 1;
        break;

    case NGX_PAYGW_REASON_UNKNOWN_KEY:
        /* it may be known the next time */
        ctx->exchange.open = 1;

        /* fall through */

    default:
        code = NGX_PAYGW_CODE_BAD_REQUEST;
    }

    ngx_http_paygw_pass_say(ctx, code, &n->hint);
}


void
ngx_http_paygw_pass_fail(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_pass_result_e result)
{
    ngx_paygw_code_e  code;

    ngx_http_paygw_pass_end(ctx, result);

    if (result == NGX_HTTP_PAYGW_PASS_UNVERIFIED) {
        ngx_http_paygw_pass_unverified(ctx);
    }

    if (ctx->api) {
        ngx_http_paygw_api_failed(ctx);
        return;
    }

    code = ngx_http_paygw_pass_fails[result];

    ngx_http_paygw_pass_say(ctx, code, &ngx_paygw_codes[code].message);
}


ngx_int_t
ngx_http_paygw_pass_soon(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_str_t  seconds;

    seconds.data = ngx_pnalloc(ctx->request->pool, NGX_INT_T_LEN);
    if (seconds.data == NULL) {
        return NGX_ERROR;
    }

    seconds.len = ngx_sprintf(seconds.data, "%M",
                              ngx_max((ctx->wait + 999) / 1000, 1))
                  - seconds.data;

    return ngx_http_paygw_headers_tell(ctx->request, "Retry-After", &seconds);
}


static void
ngx_http_paygw_pass_unverified(ngx_http_paygw_pass_ctx_t *ctx)
{
    u_char               buf[NGX_MAX_ERROR_STR], *p;
    ngx_paygw_notify_t  *n;

    n = &ctx->exchange.n;

    p = ngx_http_paygw_refusal_words(n, buf, buf + sizeof(buf));

    ngx_log_error(NGX_LOG_ERR, n->log, 0,
                  "answer of the provider refused: %V, status %ui%*s",
                  &ngx_paygw_reasons[n->reason], ctx->exchange.status,
                  (size_t) (p - buf), buf);
}


void
ngx_http_paygw_pass_end(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_pass_result_e result)
{
    if (ctx->api && ctx->state == NGX_HTTP_PAYGW_PASS_STREAMING) {
        ngx_http_paygw_api_streamed(ctx->api, result);
    }

    ctx->state = NGX_HTTP_PAYGW_PASS_DONE;
    ctx->result = result;

    if (ctx->deadline.timer_set) {
        ngx_del_timer(&ctx->deadline);
    }

    ngx_http_paygw_binding_end(ctx);

    ctx->request->connection->log->action = "sending to client";
}


/* message: words of ours, in which nothing is to be escaped but quotes */

static void
ngx_http_paygw_pass_say(ngx_http_paygw_pass_ctx_t *ctx, ngx_paygw_code_e code,
    const ngx_str_t *message)
{
    u_char                  *p;
    ngx_str_t                body, type, more;
    ngx_http_request_t      *r;
    const ngx_paygw_code_t  *c;

    r = ctx->request;
    c = &ngx_paygw_codes[code];
    type = ngx_http_paygw_pass_json;

    if (c->status == NGX_HTTP_SERVICE_UNAVAILABLE
        && ngx_http_paygw_pass_soon(ctx) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    ngx_str_null(&more);

    if (c->unknown) {
        ngx_str_set(&more, ",\"outcome\":\"unknown\"");
    }

    body.len = sizeof("{\"code\":\"\",\"message\":\"\"}") - 1
               + c->name.len + more.len + message->len
               + ngx_escape_json(NULL, message->data, message->len);

    body.data = ngx_pnalloc(r->pool, body.len);
    if (body.data == NULL) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    p = ngx_sprintf(body.data, "{\"code\":\"%V\",\"message\":\"", &c->name);
    p = (u_char *) ngx_escape_json(p, message->data, message->len);
    (void) ngx_sprintf(p, "\"%V}", &more);

    ngx_http_paygw_pass_send(r, c->status, &type, &body);
}


void
ngx_http_paygw_pass_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_str_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    r->headers_out.status = status;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;

    if (status != NGX_HTTP_NO_CONTENT) {
        r->headers_out.content_length_n = body->len;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    b->memory = body->len ? 1 : 0;
    b->pos = body->data;
    b->last = body->data + body->len;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    ngx_http_finalize_request(r, ngx_http_output_filter(r, &out));
}


ngx_int_t
ngx_http_paygw_pass_value(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_value_e which, ngx_str_t *value)
{
    ngx_paygw_notify_t  *n;

    n = &ctx->exchange.n;

    switch (which) {

    case NGX_HTTP_PAYGW_VALUE_CHANNEL:
        *value = n->channel->name;
        break;

    case NGX_HTTP_PAYGW_VALUE_PROVIDER:
        *value = n->provider->name;
        break;

    case NGX_HTTP_PAYGW_VALUE_RESULT:
        *value = ngx_http_paygw_pass_results[ctx->result];
        break;

    case NGX_HTTP_PAYGW_VALUE_REASON:
        *value = ngx_paygw_reasons[n->reason];
        break;

    case NGX_HTTP_PAYGW_VALUE_KEY_ID:
        *value = n->key_id;
        break;

    default:
        return ctx->api ? ngx_http_paygw_api_value(ctx->api, which, value)
                        : ngx_http_paygw_pass_term(ctx, which, value);
    }

    return NGX_OK;
}


/*
 * Of the order that a call creates, once that has left, or was made here; what
 * has become of it stands in the answer, and is the provider's own word.
 */

static ngx_int_t
ngx_http_paygw_pass_term(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_value_e which, ngx_str_t *value)
{
    ngx_uint_t                   gone;
    ngx_paygw_exchange_order_t  *order;

    order = &ctx->exchange.order;

    gone = order->id.len
           && (ctx->placed || (ctx->built == NGX_DONE
                               && ctx->result == NGX_HTTP_PAYGW_PASS_PASSED));

    ngx_str_null(value);

    switch (which) {

    case NGX_HTTP_PAYGW_VALUE_OUTCOME:

        if (ctx->result == NGX_HTTP_PAYGW_PASS_UNANSWERED
            || ctx->result == NGX_HTTP_PAYGW_PASS_UNVERIFIED)
        {
            *value = ngx_paygw_outcomes[NGX_PAYGW_OUTCOME_UNKNOWN];
        }

        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_ORDER_ID:

        if (gone) {
            *value = order->id;
        }

        return NGX_OK;

    case NGX_HTTP_PAYGW_VALUE_AMOUNT:
        return ngx_http_paygw_number(ctx->request->pool,
                                     gone ? order->amount : -1, value);

    case NGX_HTTP_PAYGW_VALUE_CURRENCY:

        if (gone) {
            *value = order->currency;
        }

        return NGX_OK;

    default:
        return NGX_DECLINED;
    }
}
