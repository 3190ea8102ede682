
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_pass.h"


/* A key that is not known may be a new one, which is fetched now. */


/* how often it is looked whether a key has come, and how many may wait */
#define NGX_HTTP_PAYGW_PASS_STEP  50
#define NGX_HTTP_PAYGW_PASS_MANY  512


static void ngx_http_paygw_pass_wait_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_paygw_pass_wait(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    if (ctx->expired || mcf->zone == NULL
        || mcf->waiting >= NGX_HTTP_PAYGW_PASS_MANY)
    {
        return NGX_BUSY;
    }

    rc = ngx_http_paygw_keyring_want(mcf, &ctx->exchange.n);

    if (rc != NGX_AGAIN) {
        return rc;
    }

    ctx->state = NGX_HTTP_PAYGW_PASS_WAITING;
    ctx->turn = ngx_paygw_ring_turn(mcf->zone);

    mcf->waiting++;
    ctx->waits = 1;
    ctx->waited = 1;

    ctx->timer.data = &ctx->fake;
    ctx->timer.handler = ngx_http_paygw_pass_wait_handler;
    ctx->timer.log = ctx->request->connection->log;

    ngx_add_timer(&ctx->timer, NGX_HTTP_PAYGW_PASS_STEP);

    return NGX_AGAIN;
}


/* the zone cannot wake a worker, so each looks for itself */

static void
ngx_http_paygw_pass_wait_handler(ngx_event_t *ev)
{
    ngx_connection_t            *c;
    ngx_http_request_t          *r;
    ngx_http_paygw_pass_ctx_t   *ctx;
    ngx_http_paygw_main_conf_t  *mcf;

    ctx = ((ngx_connection_t *) ev->data)->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paygw_module);

    if (ctx->turn == ngx_paygw_ring_turn(mcf->zone) && !ctx->expired) {
        ngx_add_timer(ev, NGX_HTTP_PAYGW_PASS_STEP);
        return;
    }

    ngx_http_paygw_pass_wait_end(ctx);

    ngx_http_paygw_keyring_refresh(mcf, c->log);

    ngx_http_paygw_pass_judge(ctx);

    ngx_http_run_posted_requests(c);
}


void
ngx_http_paygw_pass_wait_end(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_http_paygw_main_conf_t  *mcf;

    if (!ctx->waits) {
        return;
    }

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    mcf->waiting--;
    ctx->waits = 0;
}
