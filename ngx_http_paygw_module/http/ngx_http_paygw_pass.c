
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_api.h"
#include "ngx_http_paygw_binding.h"
#include "ngx_http_paygw_download.h"
#include "ngx_http_paygw_metrics.h"
#include "ngx_http_paygw_pass.h"
#include "ngx_http_paygw_refusal.h"


static void ngx_http_paygw_pass_limits(ngx_http_paygw_pass_ctx_t *ctx);
static void ngx_http_paygw_pass_cleanup(void *data);
static void ngx_http_paygw_pass_mark(void *data);
static void ngx_http_paygw_pass_start(ngx_http_request_t *r);
static void ngx_http_paygw_pass_resume(ngx_http_request_t *r);
static void ngx_http_paygw_pass_heard(ngx_http_paygw_pass_ctx_t *ctx);
static void ngx_http_paygw_pass_good(ngx_http_paygw_pass_ctx_t *ctx);
static ngx_uint_t ngx_http_paygw_pass_probed(ngx_http_paygw_pass_ctx_t *ctx);
static void ngx_http_paygw_pass_deadline(ngx_event_t *ev);


ngx_int_t
ngx_http_paygw_pass_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_paygw_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_paygw_module);

    if (r != r->main) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "subrequest to a location with \"paygw_pass\" "
                      "is refused");
        return NGX_HTTP_FORBIDDEN;
    }

    if (ngx_http_paygw_pass_open(r, lcf, lcf->pass) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->request_body_in_single_buf = 1;

    /* "If-Match" would make a 412 of a payment that has been made */

    r->disable_not_modified = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_paygw_pass_start);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


ngx_http_paygw_pass_ctx_t *
ngx_http_paygw_pass_open(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf, ngx_http_paygw_pass_conf_t *conf)
{
    ngx_paygw_notify_t         *n;
    ngx_pool_cleanup_t         *cln;
    ngx_http_cleanup_t         *hcln;
    ngx_http_paygw_pass_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_paygw_pass_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_paygw_pass_ctx_t));

    cln->handler = ngx_http_paygw_pass_mark;

    hcln = ngx_http_cleanup_add(r, 0);
    if (hcln == NULL) {
        return NULL;
    }

    hcln->handler = ngx_http_paygw_pass_cleanup;
    hcln->data = ctx;

    ctx->request = r;
    ctx->lcf = lcf;
    ctx->conf = conf;

    ctx->fake.fd = (ngx_socket_t) -1;
    ctx->fake.data = ctx;

    ctx->deadline.data = &ctx->fake;
    ctx->deadline.handler = ngx_http_paygw_pass_deadline;
    ctx->deadline.log = r->connection->log;

    ngx_http_paygw_pass_limits(ctx);

    n = &ctx->exchange.n;

    n->provider = ctx->conf->channel->provider;
    n->channels = &ctx->conf->channel;
    n->nchannels = 1;
    n->channel = ctx->conf->channel;
    n->pool = r->pool;
    n->log = r->connection->log;

    return ctx;
}


static void
ngx_http_paygw_pass_limits(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_http_paygw_keyring_t  *kr;

    kr = ctx->conf->channel->upper;

    ctx->retry = ngx_http_paygw_transport_retry(ctx->lcf, kr);

    if (kr->health) {
        ctx->breaker = ngx_http_paygw_transport_breaker(ctx->lcf, kr);
    }
}


static void
ngx_http_paygw_pass_cleanup(void *data)
{
    ngx_http_paygw_pass_ctx_t *ctx = data;

    if (ctx->deadline.timer_set) {
        ngx_del_timer(&ctx->deadline);
    }

    if (ctx->pause.timer_set) {
        ngx_del_timer(&ctx->pause);
    }

    ngx_http_paygw_pass_verdict(ctx, NGX_HTTP_PAYGW_PASS_NOTHING);

    ngx_http_paygw_pass_wait_end(ctx);
    ngx_http_paygw_pass_sign_cancel(ctx);
    ngx_http_paygw_exchange_cancel(&ctx->attempt);
    ngx_paygw_store_cancel(&ctx->op);

    ngx_http_paygw_metrics_order(ctx);
}


/* only marks the context in the list of cleanups */

static void
ngx_http_paygw_pass_mark(void *data)
{
    return;
}


ngx_http_paygw_pass_ctx_t *
ngx_http_paygw_pass_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->main->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_paygw_pass_mark) {
            return cln->data;
        }
    }

    return NULL;
}


static void
ngx_http_paygw_pass_start(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_paygw_pass_ctx_t  *ctx;

    ctx = ngx_http_paygw_pass_ctx(r);

    r->connection->log->action = "reading call to payment provider";

    rc = ngx_http_paygw_pass_read(ctx);

    if (rc == NGX_ERROR) {
        ngx_http_paygw_pass_fail(ctx, NGX_HTTP_PAYGW_PASS_FAILED);
        return;
    }

    if (rc != NGX_OK) {
        ngx_http_paygw_pass_reject(ctx);
        return;
    }

    ngx_http_paygw_pass_begin(ctx);
}


void
ngx_http_paygw_pass_begin(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_msec_t      deadline;
    ngx_msec_int_t  left;

    deadline = ngx_http_paygw_transport_deadline(ctx->lcf,
                                                 ctx->conf->channel->upper);

    if (ctx->until) {
        left = ctx->until - ngx_current_msec;
        deadline = ngx_min(deadline, (ngx_msec_t) ngx_max(left, 1));
    }

    ngx_add_timer(&ctx->deadline, deadline);

    ctx->until = ngx_current_msec + deadline;
    ctx->sends = 1;

    ngx_http_paygw_pass_round(ctx);
}


/* of the one before all is known: this one has not been sent */

void
ngx_http_paygw_pass_next(ngx_http_paygw_pass_ctx_t *ctx)
{
    ctx->tries = 0;
    ctx->sends = 1;
    ctx->sent = 0;
    ctx->probed = 0;
    ctx->busy = 0;

    if (ctx->expired) {
        ngx_http_paygw_pass_fail(ctx, NGX_HTTP_PAYGW_PASS_UNREACHABLE);
        return;
    }

    ngx_http_paygw_pass_round(ctx);
}


void
ngx_http_paygw_pass_go(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_http_request_t        *r;
    ngx_http_paygw_keyring_t  *kr;

    if (ctx->built == NGX_DONE) {
        ngx_http_paygw_pass_reply(ctx);
        return;
    }

    /* now that it is known that there is something to send */

    if (ngx_http_paygw_pass_admit(ctx) != NGX_OK) {
        return;
    }

    ctx->asked |= (ngx_uint_t) 1 << ctx->host;

    r = ctx->request;
    kr = ctx->conf->channel->upper;

    if (ctx->tries++) {
        ngx_http_paygw_metrics_retry(ctx);
    }

    ctx->state = NGX_HTTP_PAYGW_PASS_TRYING;
    ctx->began = ngx_current_msec;

    ctx->attempt.exchange = &ctx->exchange;
    ctx->attempt.remote = &kr->remotes[ctx->host];
    ctx->attempt.max = ctx->lcf->answer_max;
    ctx->attempt.download = ctx->exchange.file ? ctx->download : NULL;
    ctx->attempt.handler = ngx_http_paygw_pass_resume;

    r->connection->log->action = "calling payment provider";

    if (ngx_http_paygw_exchange(r, &ctx->attempt) != NGX_OK) {
        ngx_http_paygw_pass_over(ctx, NGX_HTTP_PAYGW_PASS_FAILED);
    }
}


static void
ngx_http_paygw_pass_resume(ngx_http_request_t *r)
{
    ngx_http_paygw_pass_ctx_t  *ctx;

    ctx = ngx_http_paygw_pass_ctx(r);

    ngx_http_paygw_exchange_resumed(r, &ctx->attempt);

    if (!ctx->attempt.done) {
        return;
    }

    if (ctx->state == NGX_HTTP_PAYGW_PASS_STREAMING) {
        r->write_event_handler = ngx_http_request_empty_handler;
        ngx_http_paygw_download_end(ctx);
        return;
    }

    if (ctx->state != NGX_HTTP_PAYGW_PASS_TRYING) {
        return;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    if (ctx->attempt.end != NGX_HTTP_PAYGW_UNSENT) {
        ngx_http_paygw_pass_heard(ctx);
    }

    if (ctx->attempt.end == NGX_HTTP_PAYGW_ANSWERED) {
        ngx_http_paygw_pass_host(ctx, 0);
        ngx_http_paygw_pass_judge(ctx);
        return;
    }

    ngx_http_paygw_pass_missed(ctx);
}


static void
ngx_http_paygw_pass_heard(ngx_http_paygw_pass_ctx_t *ctx)
{
    ctx->sent = 1;
    ctx->busy = 0;
    ctx->placed = 1;

    ngx_http_paygw_metrics_tried(ctx);
}


void
ngx_http_paygw_pass_stream(ngx_http_paygw_pass_ctx_t *ctx)
{
    ctx->state = NGX_HTTP_PAYGW_PASS_STREAMING;

    if (ctx->deadline.timer_set) {
        ngx_del_timer(&ctx->deadline);
    }

    ngx_http_paygw_pass_heard(ctx);
    ngx_http_paygw_pass_host(ctx, 0);

    /* what comes of the hash may be the caller's fault */

    ngx_http_paygw_pass_verdict(ctx, NGX_HTTP_PAYGW_PASS_WELL);
}


void
ngx_http_paygw_pass_judge(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_int_t              rc;
    ngx_paygw_exchange_t  *x;

    x = &ctx->exchange;

    x->n.msg.now = ngx_time();
    x->n.reason = NGX_PAYGW_REASON_NONE;
    x->n.signed_len = 0;
    x->open = 0;
    x->hinted = 0;
    x->unsigned_reply = 0;
    x->busy = 0;
    x->again = 0;
    x->blamed = 0;
    x->refused = 0;
    x->ntold = 0;
    ngx_str_null(&x->learned.id);
    ngx_str_null(&x->n.hint);
    ngx_str_null(&x->n.key_id);
    ngx_str_null(&x->n.wanted);

    rc = x->n.provider->api->check(x);

    if (rc == NGX_OK) {
        rc = ngx_http_paygw_download_check(ctx);
    }

    if (rc == NGX_OK) {
        ngx_http_paygw_pass_good(ctx);
        return;
    }

    if (x->n.reason == NGX_PAYGW_REASON_UNKNOWN_KEY && x->n.wanted.len
        && ngx_http_paygw_pass_wait(ctx) == NGX_AGAIN)
    {
        return;
    }

    if (ngx_http_paygw_pass_probed(ctx)) {
        ngx_http_paygw_pass_doubt(ctx);
        ngx_http_paygw_pass_try(ctx);
        return;
    }

    ngx_http_paygw_pass_verdict(ctx, (rc == NGX_ERROR || x->blamed)
                                     ? NGX_HTTP_PAYGW_PASS_NOTHING
                                     : NGX_HTTP_PAYGW_PASS_TROUBLE);

    ngx_http_paygw_pass_fail(ctx, NGX_HTTP_PAYGW_PASS_UNVERIFIED);
}


/* it is the provider's word, which may be that he cannot help it now */

static void
ngx_http_paygw_pass_good(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_paygw_exchange_t  *x;

    x = &ctx->exchange;

    ngx_http_paygw_pass_verdict(ctx, x->busy ? NGX_HTTP_PAYGW_PASS_TROUBLE
                                             : NGX_HTTP_PAYGW_PASS_WELL);

    if (x->again) {
        ctx->busy = 1;
        ctx->status = x->status;
        ctx->data = x->data;

        if (ngx_http_paygw_pass_pause(ctx, NGX_HTTP_PAYGW_PASS_BUSY)
            == NGX_OK)
        {
            if (ctx->api && ngx_http_paygw_api_unclear(ctx)) {
                ngx_http_paygw_pass_doubt(ctx);
            }

            return;
        }
    }

    ngx_http_paygw_pass_reply(ctx);
}


/* named mistake E19: the order is made, only its answer is not */

static ngx_uint_t
ngx_http_paygw_pass_probed(ngx_http_paygw_pass_ctx_t *ctx)
{
    if (ctx->exchange.n.reason != NGX_PAYGW_REASON_PROBE || ctx->probed
        || ctx->expired || ctx->exchange.repeat == NGX_PAYGW_REPEAT_NEVER)
    {
        return 0;
    }

    ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0,
                  "signature probe in an answer to channel \"%V\", "
                  "the call is sent again", &ctx->conf->channel->name);

    ctx->probed = 1;
    ctx->cause = NGX_HTTP_PAYGW_PASS_PROBED;

    return 1;
}


static void
ngx_http_paygw_pass_deadline(ngx_event_t *ev)
{
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_paygw_pass_ctx_t  *ctx;

    ctx = ((ngx_connection_t *) ev->data)->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ctx->expired = 1;

    if (ctx->state == NGX_HTTP_PAYGW_PASS_TRYING) {
        ngx_http_paygw_exchange_expire(&ctx->attempt);

    } else if (ctx->state == NGX_HTTP_PAYGW_PASS_SIGNING) {
        ngx_http_paygw_pass_sign_cancel(ctx);
        ngx_http_paygw_pass_over(ctx, NGX_HTTP_PAYGW_PASS_UNREACHABLE);

    } else if (ctx->state == NGX_HTTP_PAYGW_PASS_BOOKING) {
        ngx_http_paygw_binding_expire(ctx);

    } else if (ctx->state == NGX_HTTP_PAYGW_PASS_WAITING) {
        ngx_http_paygw_pass_wait_end(ctx);
        ngx_http_paygw_pass_verdict(ctx, NGX_HTTP_PAYGW_PASS_TROUBLE);
        ngx_http_paygw_pass_fail(ctx, NGX_HTTP_PAYGW_PASS_UNVERIFIED);

    } else if (ctx->state == NGX_HTTP_PAYGW_PASS_PAUSING) {
        ngx_del_timer(&ctx->pause);
        ngx_http_paygw_pass_over(ctx, NGX_HTTP_PAYGW_PASS_UNREACHABLE);
    }

    ngx_http_run_posted_requests(c);
}
