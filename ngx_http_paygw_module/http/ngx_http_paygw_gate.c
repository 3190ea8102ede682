
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_auth.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_events.h"
#include "ngx_http_paygw_gate.h"
#include "ngx_http_paygw_limit.h"
#include "ngx_http_paygw_idem.h"


/* The conductor of what is asked of a request: body, parts, store, parts. */


static ngx_int_t ngx_http_paygw_gate_enter(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf, ngx_uint_t parts);
static ngx_int_t ngx_http_paygw_gate_start(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_uint_t parts);
static void ngx_http_paygw_gate_unread(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_uint_t ngx_http_paygw_gate_reads(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_uint_t ngx_http_paygw_gate_body(ngx_http_paygw_gate_ctx_t *ctx);
static void ngx_http_paygw_gate_body_handler(ngx_http_request_t *r);
static void ngx_http_paygw_gate_ask(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_gate_wait(ngx_http_request_t *r);
static void ngx_http_paygw_gate_digest_handler(void *data);
static void ngx_http_paygw_gate_batch_handler(ngx_http_paygw_batch_t *batch);
static void ngx_http_paygw_gate_resume(ngx_http_paygw_gate_ctx_t *ctx);
static void ngx_http_paygw_gate_decide(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_gate_verdict(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_http_paygw_loc_conf_t *lcf, ngx_uint_t parts);


/* in the order in which they are asked and decide */

static const ngx_http_paygw_gate_part_t  *ngx_http_paygw_gate_parts[] = {
    &ngx_http_paygw_auth_part,
    &ngx_http_paygw_limit_part,
    &ngx_http_paygw_idem_part,
    NULL
};


#define ngx_http_paygw_gate_each(p, bits)                                     \
    for (p = ngx_http_paygw_gate_parts; *p; p++)                              \
        if ((*p)->bit & (bits))


ngx_int_t
ngx_http_paygw_gate_rewrite(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_int_t  rc;

    if (r != r->main) {

        /* the access phase never runs for a subrequest, the content would */

        return lcf->auth.on ? ngx_http_paygw_auth_subrequest(r, lcf)
                            : NGX_DECLINED;
    }

    if (!lcf->early) {
        return NGX_DECLINED;
    }

    rc = ngx_http_paygw_gate_enter(r, lcf, lcf->gate);

    /* what the location answers by itself would come before a kept answer */

    return (rc == NGX_OK) ? ngx_http_paygw_idem_replay(r) : rc;
}


ngx_int_t
ngx_http_paygw_gate_access(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!lcf->auth.on && clcf->satisfy == NGX_HTTP_SATISFY_ANY) {
        /* nothing of ours admits a request: later, if it is admitted */
        return NGX_DECLINED;
    }

    return ngx_http_paygw_gate_enter(r, lcf, lcf->gate);
}


ngx_int_t
ngx_http_paygw_gate_precontent(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_int_t  rc;

    rc = ngx_http_paygw_gate_enter(r, lcf,
                                   lcf->gate & ~NGX_HTTP_PAYGW_GATE_AUTH);

    return (rc == NGX_OK) ? NGX_DECLINED : rc;
}


void
ngx_http_paygw_gate_over(ngx_http_request_t *r)
{
    ngx_http_paygw_gate_ctx_t  *ctx;

    ctx = ngx_http_paygw_gate_ctx(r);

    if (ctx) {
        ctx->refusing = 0;
    }
}


static ngx_int_t
ngx_http_paygw_gate_enter(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf, ngx_uint_t parts)
{
    ngx_int_t                   rc;
    ngx_uint_t                  due;
    ngx_http_paygw_gate_ctx_t  *ctx;

    if (lcf->events && lcf->events->keys.nelts) {

        rc = ngx_http_paygw_events_gate(r, lcf);

        if (rc == NGX_DONE) {
            return NGX_DONE;
        }

        if (rc == NGX_OK) {
            parts &= NGX_HTTP_PAYGW_GATE_LIMIT;
        }
    }

    if (r->post_action) {
        /* the client has its answer */
        parts &= NGX_HTTP_PAYGW_GATE_AUTH;
    }

    ctx = ngx_http_paygw_gate_ctx(r);
    due = parts;

    if (ctx) {

        if (r->internal && ctx->state == NGX_HTTP_PAYGW_GATE_READING) {
            ngx_http_paygw_gate_unread(ctx);
        }

        due &= ~(ctx->due | ctx->done);

        if (ctx->state == NGX_HTTP_PAYGW_GATE_REFUSED && !ctx->told) {
            /* what is behind the part that has refused is not asked */
            due = 0;
        }
    }

    if (due == 0) {
        return ctx ? ngx_http_paygw_gate_verdict(ctx, lcf, parts) : NGX_OK;
    }

    if (ctx == NULL) {

        ctx = ngx_http_paygw_gate_ctx_create(r);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ctx->at = lcf;
    ctx->due = due;
    ctx->state = NGX_HTTP_PAYGW_GATE_READING;
    ctx->told = 0;

    return ngx_http_paygw_gate_start(ctx, parts);
}


static ngx_int_t
ngx_http_paygw_gate_start(ngx_http_paygw_gate_ctx_t *ctx, ngx_uint_t parts)
{
    ngx_int_t                           rc;
    ngx_http_request_t                 *r;
    const ngx_http_paygw_gate_part_t  **p;

    r = ctx->request;

    ngx_http_paygw_gate_each(p, ctx->due) {

        if ((*p)->start && (*p)->start(ctx) != NGX_OK) {
            ctx->done |= (*p)->bit;
            ctx->due = 0;

            return ngx_http_paygw_gate_verdict(ctx, ctx->at, parts);
        }
    }

    if (!ngx_http_paygw_gate_reads(ctx)) {
        ngx_http_paygw_gate_ask(ctx);

        if (ctx->state == NGX_HTTP_PAYGW_GATE_ASKING) {
            return ngx_http_paygw_gate_wait(r);
        }

        return ngx_http_paygw_gate_verdict(ctx, ctx->at, parts);
    }

    rc = ngx_http_read_client_request_body(r,
                                           ngx_http_paygw_gate_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    /* the body handler, now or later, has the phases go on */

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


/* the body could not be read, and an error page is to answer for that */

static void
ngx_http_paygw_gate_unread(ngx_http_paygw_gate_ctx_t *ctx)
{
    ctx->done |= ctx->due;
    ctx->due = 0;
    ctx->told = 1;

    (void) ngx_http_paygw_gate_refuse(ctx,
               (ctx->request->err_status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE)
               ? NGX_PAYGW_REASON_TOO_LARGE : NGX_PAYGW_REASON_INTERNAL);
}


/* a body of a newer protocol than 1.1 shows only when it is read */

static ngx_uint_t
ngx_http_paygw_gate_reads(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (r->request_body || !ngx_http_paygw_gate_body(ctx)) {
        return 0;
    }

    return r->headers_in.content_length_n > 0 || r->headers_in.chunked
           || r->http_version > NGX_HTTP_VERSION_11;
}


/* 1 if a part of this turn wants the body */

static ngx_uint_t
ngx_http_paygw_gate_body(ngx_http_paygw_gate_ctx_t *ctx)
{
    const ngx_http_paygw_gate_part_t  **p;

    ngx_http_paygw_gate_each(p, ctx->due) {

        if ((*p)->body) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_paygw_gate_body_handler(ngx_http_request_t *r)
{
    ngx_http_paygw_gate_ctx_t  *ctx;

    ctx = ngx_http_paygw_gate_ctx(r);

    r->preserve_body = 1;

    ngx_http_paygw_gate_ask(ctx);

    if (ctx->state == NGX_HTTP_PAYGW_GATE_ASKING) {
        r->read_event_handler = ngx_http_test_reading;
        r->write_event_handler = ngx_http_request_empty_handler;
        return;
    }

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


static void
ngx_http_paygw_gate_ask(ngx_http_paygw_gate_ctx_t *ctx)
{
    const ngx_http_paygw_gate_part_t  **p;

    if (ngx_http_paygw_gate_body(ctx)
        && ngx_http_paygw_digest(&ctx->digest, ctx->request,
                                 ngx_http_paygw_gate_digest_handler, ctx)
           == NGX_AGAIN)
    {
        ctx->state = NGX_HTTP_PAYGW_GATE_ASKING;
        return;
    }

    /* parts look at the outcome of the digest themselves */

    ctx->state = NGX_HTTP_PAYGW_GATE_READING;

    ctx->batch.n = 0;
    ctx->batch.handler = ngx_http_paygw_gate_batch_handler;
    ctx->batch.data = ctx;

    ngx_http_paygw_gate_each(p, ctx->due) {

        if ((*p)->ask(ctx) != NGX_OK) {
            /* nor are those asked again that have not refused it */
            ctx->done |= ctx->due;
            ctx->due = 0;
            return;
        }
    }

    if (ngx_http_paygw_batch_run(&ctx->batch,
                                 ngx_http_paygw_store(ctx->request))
        == NGX_AGAIN)
    {
        ctx->state = NGX_HTTP_PAYGW_GATE_ASKING;
        return;
    }

    ngx_http_paygw_gate_decide(ctx);
}


/* from the handler of a phase, which is called again */

static ngx_int_t
ngx_http_paygw_gate_wait(ngx_http_request_t *r)
{
    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_DONE;
}


static void
ngx_http_paygw_gate_digest_handler(void *data)
{
    ngx_http_paygw_gate_ctx_t *ctx = data;

    ngx_http_paygw_gate_ask(ctx);

    if (ctx->state != NGX_HTTP_PAYGW_GATE_ASKING) {
        ngx_http_paygw_gate_resume(ctx);
    }
}


static void
ngx_http_paygw_gate_batch_handler(ngx_http_paygw_batch_t *batch)
{
    ngx_http_paygw_gate_ctx_t  *ctx;

    ctx = batch->data;

    ngx_http_set_log_request(ctx->request->connection->log, ctx->request);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                   "http paygw store answered %ui operations", batch->n);

    ngx_http_paygw_gate_decide(ctx);
    ngx_http_paygw_gate_resume(ctx);
}


/* from the event loop: the phases go on, and the handler has its verdict */

static void
ngx_http_paygw_gate_resume(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_paygw_gate_decide(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_uint_t                          due;
    const ngx_http_paygw_gate_part_t  **p;

    due = ctx->due;

    ctx->done |= due;
    ctx->due = 0;
    ctx->state = NGX_HTTP_PAYGW_GATE_PASSED;

    ngx_http_paygw_gate_each(p, due) {

        if (ctx->state == NGX_HTTP_PAYGW_GATE_PASSED) {
            (void) (*p)->decide(ctx);

        } else if ((*p)->undo) {
            (*p)->undo(ctx);
        }
    }
}


ngx_int_t
ngx_http_paygw_gate_refuse(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_paygw_reason_e reason)
{
    ctx->call.reason = reason;
    ctx->status = ngx_http_paygw_problem_status(reason);
    ctx->state = NGX_HTTP_PAYGW_GATE_REFUSED;

    return NGX_DECLINED;
}


/*
 * A refusal is told once.  After that the request is on its way to the page
 * that answers for it, which only a location with authentication does not give
 * to everybody.
 */

static ngx_int_t
ngx_http_paygw_gate_verdict(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_http_paygw_loc_conf_t *lcf, ngx_uint_t parts)
{
    if (ctx->due) {
        return NGX_DONE;
    }

    if ((parts & NGX_HTTP_PAYGW_GATE_AUTH)
        && !ngx_http_paygw_auth_admits(ctx, lcf))
    {
        if (ctx->authentic || ctx->state != NGX_HTTP_PAYGW_GATE_REFUSED) {
            ngx_http_paygw_auth_elsewhere(ctx);
        }

    } else if (ctx->told || ctx->state != NGX_HTTP_PAYGW_GATE_REFUSED) {
        return NGX_OK;
    }

    ctx->told = 1;
    ctx->refusing = 1;

    return ctx->status;
}


void
ngx_http_paygw_gate_merge(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *conf)
{
    ngx_http_paygw_main_conf_t  *mcf;

    conf->gate = 0;

    if (conf->auth.on) {
        conf->gate |= NGX_HTTP_PAYGW_GATE_AUTH;
    }

    if (conf->limits) {
        conf->gate |= NGX_HTTP_PAYGW_GATE_LIMIT;
    }

    if (conf->idem && conf->auth.on) {
        conf->gate |= NGX_HTTP_PAYGW_GATE_IDEM;
    }

    if (conf->gate) {
        conf->early = ngx_http_paygw_has_rewrite(cf);

        mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);
        mcf->in_use = 1;
    }
}
