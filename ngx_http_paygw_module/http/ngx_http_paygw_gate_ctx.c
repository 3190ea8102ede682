
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_gate.h"
#include "ngx_http_paygw_idem.h"
#include "ngx_http_paygw_metrics.h"


#define NGX_HTTP_PAYGW_GATE_QUIET  1000    /* ms between two lines */


static void ngx_http_paygw_gate_request_cleanup(void *data);
static void ngx_http_paygw_gate_pool_cleanup(void *data);


ngx_http_paygw_gate_ctx_t *
ngx_http_paygw_gate_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_paygw_gate_ctx_t  *ctx;

    r = r->main;
    ctx = ngx_http_get_module_ctx(r, ngx_http_paygw_ack_module);

    if (ctx == NULL && (r->internal || r->filter_finalize)) {

        /* an internal redirect or an error page has cleared r->ctx */

        for (cln = r->pool->cleanup; cln; cln = cln->next) {
            if (cln->handler == ngx_http_paygw_gate_pool_cleanup) {
                ctx = cln->data;
                ngx_http_set_ctx(r, ctx, ngx_http_paygw_ack_module);
                break;
            }
        }
    }

    return ctx;
}


ngx_http_paygw_gate_ctx_t *
ngx_http_paygw_gate_ctx_create(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_cleanup_t         *hcln;
    ngx_http_paygw_gate_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_paygw_gate_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_paygw_gate_ctx_t));

    cln->handler = ngx_http_paygw_gate_pool_cleanup;

    hcln = ngx_http_cleanup_add(r, 0);
    if (hcln == NULL) {
        return NULL;
    }

    hcln->handler = ngx_http_paygw_gate_request_cleanup;
    hcln->data = ctx;

    ctx->request = r;
    ctx->began = ngx_current_msec;
    ctx->call.log = r->connection->log;

    ngx_http_set_ctx(r, ctx, ngx_http_paygw_ack_module);

    return ctx;
}


static void
ngx_http_paygw_gate_request_cleanup(void *data)
{
    ngx_http_paygw_gate_ctx_t *ctx = data;

    ngx_http_paygw_metrics_gate(ctx);

    ngx_http_paygw_digest_cancel(&ctx->digest);
    ngx_http_paygw_idem_close(ctx);
    ngx_http_paygw_batch_cancel(&ctx->batch);
}


/* only marks the context in the list of cleanups */

static void
ngx_http_paygw_gate_pool_cleanup(void *data)
{
    return;
}


ngx_uint_t
ngx_http_paygw_gate_level(ngx_msec_t *last)
{
    if (*last && ngx_current_msec - *last < NGX_HTTP_PAYGW_GATE_QUIET) {
        return NGX_LOG_INFO;
    }

    *last = ngx_current_msec;

    return NGX_LOG_WARN;
}
