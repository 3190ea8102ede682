
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"
#include "ngx_http_paygw_api_home.h"
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_body.h"
#include "ngx_http_paygw_download.h"
#include "ngx_http_paygw_events.h"
#include "ngx_paygw_text.h"


static void ngx_http_paygw_api_mark(void *data);
static void ngx_http_paygw_api_start(ngx_http_request_t *r);
static ngx_int_t ngx_http_paygw_api_body(ngx_http_paygw_api_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_api_open(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_conf_t *conf);
static void ngx_http_paygw_api_open_end(ngx_http_paygw_pass_ctx_t *call);
static void ngx_http_paygw_api_odd(ngx_http_paygw_api_ctx_t *ctx);
static void ngx_http_paygw_api_end(ngx_http_paygw_api_ctx_t *ctx);


ngx_int_t
ngx_http_paygw_api_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_str_t                   id;
    ngx_http_paygw_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_paygw_module);

    if (r != r->main) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "subrequest to a location with \"paygw_api\" "
                      "is refused");
        return NGX_HTTP_FORBIDDEN;
    }

    if (ngx_http_paygw_events_uri(r, lcf, &id)) {
        return ngx_http_paygw_events_handler(r, lcf);
    }

    if (ngx_http_paygw_api_create(r, lcf) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->request_body_in_single_buf = 1;

    /* "If-Match" would make a 412 of an order that has been made */

    r->disable_not_modified = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_paygw_api_start);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


ngx_http_paygw_api_ctx_t *
ngx_http_paygw_api_create(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_paygw_api_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_paygw_api_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_paygw_api_mark;

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_paygw_api_ctx_t));

    ctx->request = r;
    ctx->lcf = lcf;
    ctx->conf = lcf->api;

    ctx->order.amount = -1;

    return ctx;
}


/* only marks the context in the list of cleanups */

static void
ngx_http_paygw_api_mark(void *data)
{
    return;
}


ngx_http_paygw_api_ctx_t *
ngx_http_paygw_api_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->main->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_paygw_api_mark) {
            return cln->data;
        }
    }

    return NULL;
}


static void
ngx_http_paygw_api_start(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_paygw_api_ctx_t    *ctx;
    ngx_http_paygw_pass_conf_t  *call;

    call = NULL;

    ctx = ngx_http_paygw_api_ctx(r);
    ctx->started = 1;

    r->connection->log->action = "reading order request";

    rc = ngx_http_paygw_api_route(ctx);

    if (rc == NGX_OK) {
        rc = ngx_http_paygw_api_body(ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_paygw_api_home(ctx, &call);
    }

    if (rc != NGX_AGAIN) {
        ngx_http_paygw_api_found(ctx, call, rc);
    }
}


void
ngx_http_paygw_api_found(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_conf_t *call, ngx_int_t rc)
{
    if (rc == NGX_OK) {
        rc = ngx_http_paygw_api_open(ctx, call);
    }

    if (rc == NGX_OK
        && ctx->body.len > ngx_http_paygw_transport_body_max(ctx->lcf,
                                                      call->channel->upper))
    {
        ctx->order.code = NGX_PAYGW_CODE_TOO_LARGE;
        rc = NGX_DECLINED;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_paygw_api_book_open(ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_order_check(&ctx->call->exchange, &ctx->order);
    }

    if (rc != NGX_OK) {
        ngx_http_paygw_api_refuse(ctx, rc);
        return;
    }

    ngx_http_paygw_api_book_begin(ctx);
}


void
ngx_http_paygw_api_go(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_int_t           rc;
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    o->later = 0;
    o->step = 0;

    rc = ngx_paygw_order_check(&ctx->call->exchange, o);

    if (rc == NGX_OK) {
        rc = ngx_http_paygw_api_ask(ctx);
    }

    if (rc == NGX_OK && o->op == NGX_PAYGW_OP_BILL) {
        rc = ngx_http_paygw_download_bill(ctx->call, &o->expected);
    }

    if (rc != NGX_OK) {

        if (ctx->book.down && rc == NGX_DECLINED
            && o->code == NGX_PAYGW_CODE_MISSING_FIELD)
        {
            /* what is missing is in the book */

            o->field = NULL;
            o->hint = NULL;

            ngx_http_paygw_api_book_refuse(ctx, NGX_PAYGW_CODE_STORE);
            return;
        }

        ngx_http_paygw_api_refuse(ctx, rc);
        return;
    }

    if (ctx->book.asked) {
        ngx_http_paygw_pass_next(ctx->call);
        return;
    }

    ngx_http_paygw_api_home_hurry(ctx);
    ngx_http_paygw_pass_begin(ctx->call);
}


static ngx_int_t
ngx_http_paygw_api_body(ngx_http_paygw_api_ctx_t *ctx)
{
    size_t                max;
    ngx_int_t             rc;
    ngx_str_t            *type;
    ngx_uint_t            i;
    ngx_http_request_t   *r;
    ngx_paygw_exchange_t  x;

    r = ctx->request;
    max = 0;

    /* whose it is stands in it */

    for (i = 0; i < ctx->conf->ncalls; i++) {
        max = ngx_max(max, ngx_http_paygw_transport_body_max(ctx->lcf,
                                        ctx->conf->calls[i].channel->upper));
    }

    rc = ngx_http_paygw_body_get(r, max, &ctx->body);

    if (rc == NGX_DECLINED) {
        ctx->order.code = NGX_PAYGW_CODE_TOO_LARGE;
        r->keepalive = 0;
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (r->method != NGX_HTTP_POST) {

        if (ctx->body.len) {
            ctx->order.code = NGX_PAYGW_CODE_BAD_REQUEST;
            ctx->order.hint = "GET has no body";
            return NGX_DECLINED;
        }

        return NGX_OK;
    }

    if (ctx->body.len) {

        type = r->headers_in.content_type
               ? &r->headers_in.content_type->value : NULL;

        ngx_str_null(&x.type);

        if (type) {
            x.type = *type;
        }

        if (!ngx_paygw_exchange_type(&x, "application/json")) {
            ctx->order.code = NGX_PAYGW_CODE_MEDIA_TYPE;
            return NGX_DECLINED;
        }
    }

    return ngx_paygw_order_read(r->pool, &ctx->order, &ctx->body,
                                ngx_time());
}


static ngx_int_t
ngx_http_paygw_api_open(ngx_http_paygw_api_ctx_t *ctx,
    ngx_http_paygw_pass_conf_t *conf)
{
    ngx_paygw_exchange_t   *x;
    ngx_http_paygw_host_t  *host;

    ctx->call = ngx_http_paygw_pass_open(ctx->request, ctx->lcf, conf);
    if (ctx->call == NULL) {
        return NGX_ERROR;
    }

    ctx->call->api = ctx;

    x = &ctx->call->exchange;

    ngx_http_paygw_auth_value(ctx->request, NGX_HTTP_PAYGW_VALUE_MERCHANT,
                              &x->merchant);

    host = ((ngx_http_paygw_keyring_t *) conf->channel->upper)->hosts;

    x->endpoint = host->url;
    x->base = host->uri;

    x->in.now = ngx_time();
    x->n.msg.now = x->in.now;

    return NGX_OK;
}


/* nothing has been sent */

void
ngx_http_paygw_api_refuse(ngx_http_paygw_api_ctx_t *ctx, ngx_int_t rc)
{
    ngx_str_t                      message;
    ngx_uint_t                     level;
    ngx_paygw_order_t             *o;
    ngx_http_paygw_pass_result_e   result;

    o = &ctx->order;
    level = NGX_LOG_INFO;

    ngx_http_paygw_api_refund_undo(ctx);

    result = NGX_HTTP_PAYGW_PASS_REJECTED;

    if (rc == NGX_ERROR) {
        o->code = NGX_PAYGW_CODE_INTERNAL;
        o->hint = NULL;
        level = NGX_LOG_ERR;
        result = NGX_HTTP_PAYGW_PASS_FAILED;
    }

    if (ngx_paygw_order_message(ctx->request->pool, o, &message) != NGX_OK) {
        message = ngx_paygw_codes[o->code].message;
    }

    ngx_log_error(level, ctx->request->connection->log, 0,
                  "order request rejected: %V, %V",
                  &ngx_paygw_codes[o->code].name, &message);

    if (ctx->call) {

        if (ctx->call->exchange.n.reason == NGX_PAYGW_REASON_NONE) {
            ctx->call->exchange.n.reason = (rc == NGX_ERROR)
                                           ? NGX_PAYGW_REASON_INTERNAL
                                           : NGX_PAYGW_REASON_MALFORMED;
        }

        ngx_http_paygw_pass_end(ctx->call, result);
    }

    if (ngx_http_paygw_api_home_leave(ctx) != NGX_OK) {
        ngx_http_paygw_api_reply(ctx);
    }
}


ngx_int_t
ngx_http_paygw_api_ask(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_exchange_t      *x;
    const ngx_paygw_orders_t  *orders;

    x = &ctx->call->exchange;
    orders = x->n.provider->orders;

    ctx->order.code = NGX_PAYGW_CODE_OK;
    ctx->order.doubtful = 0;

    return orders->ask[ctx->order.op](x, &ctx->order);
}


void
ngx_http_paygw_api_answered(ngx_http_paygw_pass_ctx_t *call)
{
    ngx_int_t                  rc;
    ngx_paygw_exchange_t      *x;
    ngx_http_paygw_api_ctx_t  *ctx;

    ctx = call->api;
    x = &call->exchange;

    ngx_memzero(&ctx->order.told, sizeof(ngx_paygw_told_t));

    ctx->order.told.amount = -1;
    ctx->order.told.refund_amount = -1;

    rc = x->n.provider->orders->normalise(x, &ctx->order);

    ngx_http_paygw_api_odd(ctx);

    if (rc == NGX_AGAIN) {

        ctx->order.step++;

        rc = ngx_http_paygw_api_ask(ctx);

        if (rc == NGX_OK && ctx->order.op == NGX_PAYGW_OP_BILL) {
            rc = ngx_http_paygw_download_bill(call, &ctx->order.expected);
        }

        if (rc == NGX_OK) {
            ngx_http_paygw_pass_next(call);
            return;
        }

        ngx_http_paygw_pass_fail(call, NGX_HTTP_PAYGW_PASS_FAILED);
        return;
    }

    if (rc == NGX_OK) {

        if (ctx->book.asking) {
            ngx_http_paygw_api_refund_asked(ctx);
            return;
        }

        if (ctx->look.under_way) {
            ngx_http_paygw_api_looked(ctx);

        } else if (ngx_http_paygw_api_look(ctx) == NGX_OK) {
            return;
        }

        if (ctx->order.code != NGX_PAYGW_CODE_OK) {
            ngx_http_paygw_api_open_end(call);
        }

        ngx_http_paygw_pass_end(call, NGX_HTTP_PAYGW_PASS_PASSED);
        ngx_http_paygw_api_end(ctx);
        return;
    }

    /* genuine, and of no use: what has become of it nobody knows */

    ngx_http_paygw_pass_fail(call, (rc == NGX_DECLINED || x->status)
                                   ? NGX_HTTP_PAYGW_PASS_UNVERIFIED
                                   : NGX_HTTP_PAYGW_PASS_FAILED);
}


/* a provider has learnt a word: somebody has to look what it means */

static void
ngx_http_paygw_api_odd(ngx_http_paygw_api_ctx_t *ctx)
{
    ngx_paygw_order_t  *o;

    o = &ctx->order;

    if (o->told.odd && ngx_paygw_visible(&o->told.word, 64)) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "channel \"%V\" sent unknown %s \"%V\" of order \"%V\", "
                      "%s",
                      &ctx->call->conf->channel->name, o->told.odd,
                      &o->told.word, &o->id,
                      (o->code == NGX_PAYGW_CODE_OK)
                      ? "taken as pending" : "taken as unknown");
    }
}


void
ngx_http_paygw_api_failed(ngx_http_paygw_pass_ctx_t *call)
{
    ngx_paygw_order_t  *o;

    /* the order of ngx_http_paygw_pass_result_e */

    static const ngx_paygw_code_e  codes[NGX_HTTP_PAYGW_PASS_RESULTS] = {
        NGX_PAYGW_CODE_INTERNAL,
        NGX_PAYGW_CODE_INTERNAL,       /* what we have made cannot be sent */
        NGX_PAYGW_CODE_INTERNAL,
        NGX_PAYGW_CODE_UNREACHABLE,
        NGX_PAYGW_CODE_UNAVAILABLE,
        NGX_PAYGW_CODE_UNANSWERED,
        NGX_PAYGW_CODE_UNVERIFIED,
        NGX_PAYGW_CODE_INTERNAL
    };

    o = &call->api->order;

    if (ngx_http_paygw_api_look_failed(call->api)) {
        ngx_http_paygw_api_open_end(call);
        ngx_http_paygw_api_end(call->api);
        return;
    }

    switch (call->exchange.n.reason) {

    case NGX_PAYGW_REASON_ORDER_MISMATCH:
        o->code = NGX_PAYGW_CODE_ORDER_MISMATCH;
        break;

    case NGX_PAYGW_REASON_STORE:
        o->code = NGX_PAYGW_CODE_STORE;
        break;

    default:
        o->code = codes[call->result];
    }

    ngx_http_paygw_api_open_end(call);

    o->field = NULL;
    o->hint = NULL;
    ngx_memzero(&o->told, sizeof(ngx_paygw_told_t));

    if (o->code == NGX_PAYGW_CODE_ORDER_MISMATCH
        && call->book.told.amount > 0
        && call->book.told.amount != call->exchange.order.amount)
    {
        o->field = "amount";
        o->hint = "is not that which the order was made with";
    }

    ngx_http_paygw_api_end(call->api);
}


/* where another channel may have the order it is asked, else that is all */

static void
ngx_http_paygw_api_end(ngx_http_paygw_api_ctx_t *ctx)
{
    if (ngx_http_paygw_api_home_leave(ctx) != NGX_OK) {
        ngx_http_paygw_api_book_end(ctx);
    }
}


/*
 * That this try has done nothing is no word about one before it that nobody has
 * told of, nor about a step that was taken: a caller who hears of a refusal
 * would do it another way, and it would be done twice.  What is there, and at
 * its end, is told: whoever has made it.
 */

static void
ngx_http_paygw_api_open_end(ngx_http_paygw_pass_ctx_t *call)
{
    ngx_paygw_order_t  *o;

    o = &call->api->order;

    if (call->api->look.known
        && (o->code == NGX_PAYGW_CODE_ORDER_PAID
            || o->code == NGX_PAYGW_CODE_ORDER_CLOSED))
    {
        return;
    }

    if ((o->sent || call->doubt) && !ngx_paygw_codes[o->code].unknown) {
        o->code = NGX_PAYGW_CODE_UNCLEAR;
        o->field = NULL;
        o->hint = NULL;
        ngx_str_null(&o->said);
    }
}


ngx_uint_t
ngx_http_paygw_api_unclear(ngx_http_paygw_pass_ctx_t *call)
{
    ngx_int_t          rc;
    ngx_paygw_order_t  order;

    order = call->api->order;

    rc = call->exchange.n.provider->orders->normalise(&call->exchange, &order);

    return rc != NGX_OK || order.code == NGX_PAYGW_CODE_OK
           || ngx_paygw_codes[order.code].unknown;
}
