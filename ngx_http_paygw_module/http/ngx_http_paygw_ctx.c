
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_ctx.h"
#include "ngx_http_paygw_metrics.h"
#include "ngx_http_paygw_wait.h"


static void ngx_http_paygw_request_cleanup(void *data);
static void ngx_http_paygw_pool_cleanup(void *data);


ngx_http_paygw_ctx_t *
ngx_http_paygw_ctx_get(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_paygw_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paygw_module);

    if (ctx == NULL && (r->internal || r->filter_finalize)) {

        /* an internal redirect or an error page has cleared r->ctx */

        for (cln = r->main->pool->cleanup; cln; cln = cln->next) {
            if (cln->handler == ngx_http_paygw_pool_cleanup) {
                ctx = cln->data;
                break;
            }
        }
    }

    return ctx;
}


ngx_http_paygw_ctx_t *
ngx_http_paygw_ctx_create(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_cleanup_t    *hcln;
    ngx_http_paygw_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_paygw_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_paygw_ctx_t));

    cln->handler = ngx_http_paygw_pool_cleanup;

    hcln = ngx_http_cleanup_add(r, 0);
    if (hcln == NULL) {
        return NULL;
    }

    hcln->handler = ngx_http_paygw_request_cleanup;
    hcln->data = ctx;

    ctx->request = r;
    ctx->http_version = r->http_version;
    ctx->began = ngx_current_msec;

    ctx->notify.pool = r->pool;
    ctx->notify.log = r->connection->log;

    ngx_http_paygw_ctx_bind(ctx, lcf);

    ngx_http_set_ctx(r, ctx, ngx_http_paygw_module);

    return ctx;
}


void
ngx_http_paygw_ctx_bind(ngx_http_paygw_ctx_t *ctx,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ctx->lcf = lcf;

    ctx->notify.channels = lcf->channels;
    ctx->notify.nchannels = lcf->nchannels;
    ctx->notify.provider = lcf->channels[0]->provider;
}


/*
 * The end of the request, however it came: a claim under way is cancelled, and
 * one that is held is given back.  But if the shop has the event and was only
 * not heard, since the provider went away or nginx is told to end, the lease
 * stands: it is what keeps the next try from becoming a second delivery while
 * the shop still acts on the first.
 */

static void
ngx_http_paygw_request_cleanup(void *data)
{
    ngx_http_paygw_ctx_t *ctx = data;

    ngx_http_request_t  *r;

    r = ctx->request;

    ngx_paygw_store_cancel(&ctx->op);

    if (ctx->claimed && !ctx->settled && r->upstream
        && r->upstream->request_sent)
    {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "request to the shop was ended before its answer, "
                      "the lease of payment event \"%V\" stands",
                      &ctx->event_id);

        ctx->settled = 1;
        ctx->notify.reason = NGX_PAYGW_REASON_SHOP;
    }

    ngx_http_paygw_settle(ctx, 0);

    if (ctx->replied) {
        /* a late answer of the shop has changed what the log would say */
        r->headers_out.status = ctx->status;
        r->err_status = 0;
    }

    ngx_http_paygw_metrics_callback(ctx);
}


/* only marks the context in the list of cleanups */

static void
ngx_http_paygw_pool_cleanup(void *data)
{
    return;
}


void
ngx_http_paygw_settle(ngx_http_paygw_ctx_t *ctx, ngx_uint_t taken)
{
    ngx_paygw_store_t  *store;

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    ngx_http_paygw_wait_end(ctx);

    if (!ctx->claimed || ctx->settled) {
        return;
    }

    /* from here on the store owns the end: nothing may release a commit */

    ctx->settled = 1;

    store = ngx_http_paygw_store(ctx->request);

    if (taken) {
        ctx->result = NGX_HTTP_PAYGW_TAKEN;
        ngx_paygw_store_commit(store, &ctx->op);

    } else {
        ctx->result = NGX_HTTP_PAYGW_RELEASED;
        ctx->notify.reason = NGX_PAYGW_REASON_SHOP;
        ngx_paygw_store_release(store, &ctx->op);
    }
}


ngx_uint_t
ngx_http_paygw_observing(ngx_http_paygw_loc_conf_t *lcf)
{
    return lcf->observe && ngx_time() < lcf->observe;
}
