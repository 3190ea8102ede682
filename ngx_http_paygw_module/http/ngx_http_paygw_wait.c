
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_wait.h"


/* providers wait 5 seconds for an answer, and the shop wants some of them */
#define NGX_HTTP_PAYGW_WAIT       3000
#define NGX_HTTP_PAYGW_WAIT_STEP  50
#define NGX_HTTP_PAYGW_WAIT_MAX   512    /* callbacks of a worker */


static void ngx_http_paygw_wait_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_paygw_wait(ngx_http_paygw_ctx_t *ctx,
    void (*resume)(ngx_http_paygw_ctx_t *ctx))
{
    ngx_int_t                    rc;
    ngx_event_t                 *ev;
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    rc = ngx_http_paygw_keyring_want(mcf, &ctx->notify);

    if (rc != NGX_AGAIN) {
        return rc;
    }

    if (ctx->resume == NULL) {
        ctx->waited = ngx_current_msec;
        ctx->resume = resume;
    }

    if (mcf->waiting >= NGX_HTTP_PAYGW_WAIT_MAX
        || ngx_current_msec - ctx->waited >= NGX_HTTP_PAYGW_WAIT)
    {
        return NGX_BUSY;
    }

    ctx->turn = ngx_paygw_ring_turn(mcf->zone);

    ctx->fake.fd = (ngx_socket_t) -1;
    ctx->fake.data = ctx;

    ev = &ctx->timer;
    ev->data = &ctx->fake;
    ev->handler = ngx_http_paygw_wait_handler;
    ev->log = ctx->notify.log;

    ngx_add_timer(ev, NGX_HTTP_PAYGW_WAIT_STEP);

    mcf->waiting++;
    ctx->waits = 1;

    return NGX_AGAIN;
}


/* the zone cannot wake a worker, so each looks for itself */

static void
ngx_http_paygw_wait_handler(ngx_event_t *ev)
{
    ngx_http_request_t          *r;
    ngx_http_paygw_ctx_t        *ctx;
    ngx_http_paygw_main_conf_t  *mcf;

    ctx = ((ngx_connection_t *) ev->data)->data;
    r = ctx->request;

    ngx_http_set_log_request(r->connection->log, r);

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paygw_module);

    if (ctx->turn == ngx_paygw_ring_turn(mcf->zone)
        && ngx_current_msec - ctx->waited < NGX_HTTP_PAYGW_WAIT)
    {
        ngx_add_timer(ev, NGX_HTTP_PAYGW_WAIT_STEP);
        return;
    }

    ngx_http_paygw_wait_end(ctx);

    ctx->resume(ctx);
}


void
ngx_http_paygw_wait_end(ngx_http_paygw_ctx_t *ctx)
{
    ngx_http_paygw_main_conf_t  *mcf;

    if (!ctx->waits) {
        return;
    }

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    mcf->waiting--;
    ctx->waits = 0;
}
