
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_download.h"
#include "ngx_http_paygw_metrics.h"
#include "ngx_http_paygw_pass.h"


/*
 * Whether a call is sent, and whether it is sent again: the breaker of its
 * channel, its hosts, its tries and the pauses between them.
 */


/* more than a probe may take by itself: then it has died with its worker */
#define NGX_HTTP_PAYGW_PASS_GRACE  1000


static ngx_uint_t ngx_http_paygw_pass_pick(ngx_http_paygw_pass_ctx_t *ctx);
static void ngx_http_paygw_pass_opened(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_paygw_breaker_sum_t *sum);
static ngx_int_t ngx_http_paygw_pass_again(ngx_http_paygw_pass_ctx_t *ctx);
static ngx_uint_t ngx_http_paygw_pass_closed(ngx_http_paygw_pass_ctx_t *ctx);
static ngx_uint_t ngx_http_paygw_pass_count(ngx_http_paygw_pass_ctx_t *ctx);
static void ngx_http_paygw_pass_pause_handler(ngx_event_t *ev);


void
ngx_http_paygw_pass_round(ngx_http_paygw_pass_ctx_t *ctx)
{
    ctx->asked = 0;
    ctx->host = ngx_http_paygw_pass_pick(ctx);

    ngx_http_paygw_pass_try(ctx);
}


/* a host that was not asked in this round; their number if there is none */

static ngx_uint_t
ngx_http_paygw_pass_pick(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_uint_t                   i;
    ngx_http_paygw_keyring_t    *kr;
    ngx_http_paygw_main_conf_t  *mcf;

    kr = ctx->conf->channel->upper;

    if (kr->nhosts > 1 && kr->health) {
        mcf = ngx_http_get_module_main_conf(ctx->request,
                                            ngx_http_paygw_module);

        return ngx_paygw_zone_hosts_pick(mcf->zone, kr->health, kr->nhosts,
                                         ctx->asked);
    }

    for (i = 0; i < kr->nhosts; i++) {
        if (!(ctx->asked & ((ngx_uint_t) 1 << i))) {
            break;
        }
    }

    return i;
}


ngx_int_t
ngx_http_paygw_pass_admit(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_msec_t                   limit;
    ngx_http_paygw_keyring_t    *kr;
    ngx_http_paygw_main_conf_t  *mcf;

    if (ctx->breaker == NULL || ctx->admitted) {
        return NGX_OK;
    }

    kr = ctx->conf->channel->upper;
    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    limit = ctx->until - ngx_current_msec + NGX_HTTP_PAYGW_PASS_GRACE;

    rc = ngx_paygw_zone_breaker_ask(mcf->zone, kr->health,
                                    &ctx->breaker->conf, limit, &ctx->ticket,
                                    &ctx->wait);

    if (rc == NGX_BUSY) {
        ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0,
                      "call of channel \"%V\" is not sent: its breaker is "
                      "open", &ctx->conf->channel->name);

        ngx_http_paygw_pass_over(ctx, NGX_HTTP_PAYGW_PASS_UNAVAILABLE);
        return NGX_BUSY;
    }

    ctx->admitted = 1;
    ctx->probe = (rc == NGX_DONE);

    if (ctx->probe) {
        ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0,
                      "breaker of channel \"%V\" is half-open: this call is "
                      "the probe", &ctx->conf->channel->name);

        ngx_http_paygw_metrics_breaker(ctx, NGX_PAYGW_BREAKER_HALF);
    }

    return NGX_OK;
}


void
ngx_http_paygw_pass_verdict(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_pass_verdict_e verdict)
{
    ngx_int_t                    rc;
    ngx_http_paygw_keyring_t    *kr;
    ngx_paygw_breaker_sum_t      sum;
    ngx_http_paygw_main_conf_t  *mcf;

    if (!ctx->admitted) {
        return;
    }

    ctx->admitted = 0;

    kr = ctx->conf->channel->upper;
    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    if (verdict == NGX_HTTP_PAYGW_PASS_NOTHING) {

        rc = ngx_paygw_zone_breaker_drop(mcf->zone, kr->health, ctx->ticket);

        if (rc == NGX_DONE) {
            ngx_http_paygw_metrics_breaker(ctx, NGX_PAYGW_BREAKER_OPEN);
        }

        return;
    }

    rc = ngx_paygw_zone_breaker_tell(mcf->zone, kr->health,
                                     &ctx->breaker->conf, ctx->ticket,
                                     verdict == NGX_HTTP_PAYGW_PASS_TROUBLE,
                                     &sum);
    if (rc != NGX_DONE) {
        return;
    }

    if (verdict == NGX_HTTP_PAYGW_PASS_TROUBLE) {
        ngx_http_paygw_pass_opened(ctx, &sum);
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, ctx->request->connection->log, 0,
                  "breaker of channel \"%V\" closes: the probe has succeeded",
                  &ctx->conf->channel->name);

    ngx_http_paygw_metrics_breaker(ctx, NGX_PAYGW_BREAKER_CLOSED);
}


static void
ngx_http_paygw_pass_opened(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_paygw_breaker_sum_t *sum)
{
    ngx_log_t  *log;

    log = ctx->request->connection->log;

    ngx_http_paygw_metrics_breaker(ctx, NGX_PAYGW_BREAKER_OPEN);

    if (ctx->probe) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "breaker of channel \"%V\" stays open: the probe has "
                      "failed", &ctx->conf->channel->name);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "breaker of channel \"%V\" opens: %ui of %ui calls have "
                  "failed within %Mms, the first probe is in %Mms",
                  &ctx->conf->channel->name, sum->failures, sum->calls,
                  sum->time, ctx->breaker->conf.probe);
}


void
ngx_http_paygw_pass_doubt(ngx_http_paygw_pass_ctx_t *ctx)
{
    if (ctx->exchange.repeat != NGX_PAYGW_REPEAT_ALWAYS) {
        ctx->doubt = 1;
    }
}


/* no answer: another try, or nobody knows what has become of it */

void
ngx_http_paygw_pass_missed(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_int_t                      rc;
    ngx_http_paygw_keyring_t      *kr;
    ngx_http_paygw_pass_verdict_e  verdict;

    static const char  *ends[] = {
        "",
        "host cannot be reached",
        "no answer in time",
        "connection was closed before the end of the answer",
        "answer is too long"
    };

    kr = ctx->conf->channel->upper;

    ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                  "call of channel \"%V\" to \"%V\" has failed: %s%s",
                  &ctx->conf->channel->name, &kr->hosts[ctx->host].url,
                  ends[ctx->attempt.end],
                  ctx->expired ? ", the deadline is over" : "");

    if (ctx->attempt.end != NGX_HTTP_PAYGW_UNSENT) {
        ngx_http_paygw_pass_doubt(ctx);
    }

    rc = ngx_http_paygw_pass_again(ctx);

    if (rc == NGX_OK) {
        ngx_http_paygw_pass_try(ctx);
        return;
    }

    /*
     * A caller can ask for too much; a connection that was kept may be closed
     * at any time; and what pauses have left of the time may be too short.
     */

    verdict = (ctx->attempt.end == NGX_HTTP_PAYGW_TOO_LONG
               || ngx_http_paygw_pass_closed(ctx)
               || (ctx->expired && ctx->pauses))
              ? NGX_HTTP_PAYGW_PASS_NOTHING : NGX_HTTP_PAYGW_PASS_TROUBLE;

    ngx_http_paygw_pass_verdict(ctx, verdict);

    if (rc == NGX_AGAIN
        && ngx_http_paygw_pass_pause(ctx, ctx->cause) == NGX_OK)
    {
        return;
    }

    if (ctx->attempt.end == NGX_HTTP_PAYGW_TOO_LONG) {
        (void) ngx_paygw_refuse(&ctx->exchange.n, NGX_DECLINED,
                                NGX_PAYGW_REASON_TOO_LARGE,
                                (ctx->download && ctx->download->over)
                                ? "it is longer than paygw_download_max"
                                : "it is longer than paygw_answer_max");
        ngx_http_paygw_pass_fail(ctx, NGX_HTTP_PAYGW_PASS_UNVERIFIED);
        return;
    }

    ngx_http_paygw_pass_over(ctx, NGX_HTTP_PAYGW_PASS_UNREACHABLE);
}


/*
 * What was not sent may be sent to another host, whatever it is.  What was sent
 * may have been done: only what just reads is sent again, or, if a connection
 * from an earlier call had been closed meanwhile, what the provider does once.
 * NGX_OK: at once, to ctx->host; NGX_AGAIN: after a pause; NGX_DECLINED.
 */

static ngx_int_t
ngx_http_paygw_pass_again(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_uint_t                 next;
    ngx_paygw_repeat_e         repeat;
    ngx_http_paygw_keyring_t  *kr;

    repeat = ctx->exchange.repeat;

    if (ctx->attempt.end == NGX_HTTP_PAYGW_TOO_LONG) {
        return NGX_DECLINED;
    }

    if (ngx_http_paygw_pass_closed(ctx)) {

        if (ctx->expired || repeat == NGX_PAYGW_REPEAT_NEVER) {
            return NGX_DECLINED;
        }

        ctx->cause = NGX_HTTP_PAYGW_PASS_CLOSED;

        return ngx_http_paygw_pass_count(ctx) ? NGX_OK : NGX_DECLINED;
    }

    ngx_http_paygw_pass_host(ctx, 1);

    if (ctx->expired
        || (ctx->attempt.end != NGX_HTTP_PAYGW_UNSENT
            && repeat != NGX_PAYGW_REPEAT_ALWAYS))
    {
        return NGX_DECLINED;
    }

    kr = ctx->conf->channel->upper;
    next = ngx_http_paygw_pass_pick(ctx);

    if (ctx->attempt.end == NGX_HTTP_PAYGW_UNSENT) {
        ctx->cause = NGX_HTTP_PAYGW_PASS_UNSENT;

    } else {
        ctx->cause = NGX_HTTP_PAYGW_PASS_SILENCE;

        if (next < kr->nhosts && !ngx_http_paygw_pass_count(ctx)) {
            return NGX_DECLINED;
        }
    }

    if (next == kr->nhosts) {
        return NGX_AGAIN;
    }

    ctx->host = next;

    return NGX_OK;
}


/* of an earlier call, and closed before a byte of an answer has come */

static ngx_uint_t
ngx_http_paygw_pass_closed(ngx_http_paygw_pass_ctx_t *ctx)
{
    return ctx->attempt.end == NGX_HTTP_PAYGW_BROKEN && ctx->attempt.stale
           && ctx->exchange.status == 0;
}


/* the calls that come then begin with another one */

void
ngx_http_paygw_pass_host(ngx_http_paygw_pass_ctx_t *ctx, ngx_uint_t away)
{
    ngx_http_paygw_keyring_t    *kr;
    ngx_http_paygw_main_conf_t  *mcf;

    kr = ctx->conf->channel->upper;

    if (kr->nhosts > 1 && kr->health) {
        mcf = ngx_http_get_module_main_conf(ctx->request,
                                            ngx_http_paygw_module);

        ngx_paygw_zone_hosts_tell(mcf->zone, kr->health, ctx->host, away);
    }
}


/* 1 if there is a try left */

static ngx_uint_t
ngx_http_paygw_pass_count(ngx_http_paygw_pass_ctx_t *ctx)
{
    if (ctx->sends < ctx->retry->tries) {
        ctx->sends++;
        return 1;
    }

    if (ctx->retry->tries > 1) {
        ngx_http_paygw_metrics_exhausted(ctx);
    }

    return 0;
}


ngx_int_t
ngx_http_paygw_pass_pause(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_pass_cause_e cause)
{
    ngx_log_t   *log;
    ngx_msec_t   pause;

    if (ctx->expired || !ngx_http_paygw_pass_count(ctx)) {
        return NGX_DECLINED;
    }

    log = ctx->request->connection->log;

    pause = ngx_paygw_retry_pause(ctx->retry, ctx->pauses, ngx_random());

    if ((ngx_msec_int_t) (ctx->until - ngx_current_msec - pause) <= 0) {
        ngx_http_paygw_metrics_exhausted(ctx);
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_INFO, log, 0,
                  "call of channel \"%V\" is sent again in %Mms",
                  &ctx->conf->channel->name, pause);

    log->action = "pausing before payment provider is called again";

    ctx->state = NGX_HTTP_PAYGW_PASS_PAUSING;
    ctx->cause = cause;
    ctx->pauses++;

    ctx->pause.data = &ctx->fake;
    ctx->pause.handler = ngx_http_paygw_pass_pause_handler;
    ctx->pause.log = log;

    ngx_add_timer(&ctx->pause, pause);

    return NGX_OK;
}


static void
ngx_http_paygw_pass_pause_handler(ngx_event_t *ev)
{
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_paygw_pass_ctx_t  *ctx;

    ctx = ((ngx_connection_t *) ev->data)->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_paygw_pass_round(ctx);

    ngx_http_run_posted_requests(c);
}


void
ngx_http_paygw_pass_over(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_http_paygw_pass_result_e result)
{
    if (ctx->busy) {
        ctx->exchange.status = ctx->status;
        ctx->exchange.data = ctx->data;
        ngx_http_paygw_pass_reply(ctx);
        return;
    }

    ngx_http_paygw_pass_fail(ctx, ctx->sent ? NGX_HTTP_PAYGW_PASS_UNANSWERED
                                            : result);
}
