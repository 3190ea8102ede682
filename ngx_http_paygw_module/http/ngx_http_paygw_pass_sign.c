
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_binding.h"
#include "ngx_http_paygw_download.h"
#include "ngx_http_paygw_pass.h"

#if (NGX_THREADS)
#include <ngx_thread_pool.h>
#endif


/*
 * A try, signed anew: here, or by a thread.  What a thread has lives on its
 * own and not in the request, which may end before the thread does.
 */


#if (NGX_THREADS)

struct ngx_http_paygw_signing_s {
    ngx_queue_t                  queue;    /* of all in this worker */
    ngx_thread_task_t            task;
    ngx_paygw_job_t             *job;
    ngx_http_paygw_pass_ctx_t   *ctx;      /* NULL: nobody waits for it */
};

#endif


static ngx_int_t ngx_http_paygw_pass_build(ngx_http_paygw_pass_ctx_t *ctx);
static void ngx_http_paygw_pass_built(ngx_http_paygw_pass_ctx_t *ctx,
    ngx_int_t rc);
#if (NGX_THREADS)
static ngx_int_t ngx_http_paygw_pass_post(ngx_http_paygw_pass_ctx_t *ctx);
static void ngx_http_paygw_pass_thread(void *data, ngx_log_t *log);
static void ngx_http_paygw_pass_signed(ngx_event_t *ev);
static void ngx_http_paygw_pass_sign_free(ngx_http_paygw_signing_t *s);


static ngx_queue_t  ngx_http_paygw_signings;
#endif


char *
ngx_http_paygw_threads_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->threads != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        lcf->threads = NULL;
        return NGX_CONF_OK;
    }

#if (NGX_THREADS)

    /* a pool that is nowhere defined is an error of nginx's own */

    lcf->threads = ngx_thread_pool_add(cf, cf->args->nelts == 2 ? &value[1]
                                                                : NULL);

    return lcf->threads ? NGX_CONF_OK : NGX_CONF_ERROR;

#else

    return "needs an nginx, and a paygw, that were configured with "
           "\"--with-threads\"";

#endif
}


/* signed anew each time: a nonce is good for one try */

void
ngx_http_paygw_pass_try(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_http_request_t          *r;
    ngx_http_paygw_main_conf_t  *mcf;

    r = ctx->request;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paygw_module);

    ngx_http_paygw_keyring_refresh(mcf, r->connection->log);

    ctx->exchange.n.msg.now = ngx_time();
    ctx->exchange.in.now = ctx->exchange.n.msg.now;

#if (NGX_THREADS)

    if (ctx->lcf->threads && ngx_http_paygw_pass_post(ctx) == NGX_AGAIN) {
        return;
    }

#endif

    rc = ngx_http_paygw_pass_build(ctx);

    ngx_http_paygw_pass_built(ctx, rc);
}


static ngx_int_t
ngx_http_paygw_pass_build(ngx_http_paygw_pass_ctx_t *ctx)
{
    ngx_paygw_exchange_t  *x;

    x = &ctx->exchange;

    x->n.reason = NGX_PAYGW_REASON_NONE;
    ngx_str_null(&x->n.hint);
    ngx_str_null(&x->order.id);

    return x->n.provider->api->build(x);
}


static void
ngx_http_paygw_pass_built(ngx_http_paygw_pass_ctx_t *ctx, ngx_int_t rc)
{
    if (rc == NGX_OK) {
        rc = ngx_http_paygw_download_fits(ctx);
    }

    ctx->built = rc;

    switch (rc) {

    case NGX_OK:
    case NGX_DONE:

        /* before it is sent, so that nothing can be lost in between */

        ngx_http_paygw_binding_create(ctx);
        return;

    case NGX_ERROR:
        ngx_http_paygw_pass_over(ctx, NGX_HTTP_PAYGW_PASS_FAILED);
        return;

    default:

        if (ctx->sent) {
            ngx_http_paygw_pass_over(ctx, NGX_HTTP_PAYGW_PASS_FAILED);
            return;
        }

        ngx_http_paygw_pass_reject(ctx);
    }
}


#if (NGX_THREADS)

/* NGX_AGAIN: a thread signs it; NGX_DECLINED: nothing has been done */

static ngx_int_t
ngx_http_paygw_pass_post(ngx_http_paygw_pass_ctx_t *ctx)
{
    void                      *data;
    ngx_connection_t          *c;
    ngx_http_paygw_signing_t  *s;

    c = ctx->request->connection;
    data = ctx->exchange.data;

    ngx_paygw_later_record(&ctx->later, ctx->request->pool);
    (void) ngx_http_paygw_pass_build(ctx);
    ngx_paygw_later_end();

    /* what a first build keeps for the next ones is made once more */

    ctx->exchange.data = data;

    if (ctx->later.job == NULL) {
        return NGX_DECLINED;
    }

    s = ngx_calloc(sizeof(ngx_http_paygw_signing_t), c->log);
    if (s == NULL) {
        ngx_paygw_job_free(ctx->later.job);
        return NGX_DECLINED;
    }

    s->ctx = ctx;
    s->job = ctx->later.job;
    s->task.ctx = s;
    s->task.handler = ngx_http_paygw_pass_thread;
    s->task.event.data = s;
    s->task.event.handler = ngx_http_paygw_pass_signed;
    s->task.event.log = ngx_cycle->log;

    if (ngx_thread_task_post(ctx->lcf->threads, &s->task) != NGX_OK) {

        /* the queue is full: the worker has the time, if nobody else has */

        ngx_paygw_job_free(s->job);
        ngx_free(s);
        return NGX_DECLINED;
    }

    if (ngx_http_paygw_signings.next == NULL) {
        ngx_queue_init(&ngx_http_paygw_signings);
    }

    ngx_queue_insert_tail(&ngx_http_paygw_signings, &s->queue);

    ctx->signing = s;
    ctx->state = NGX_HTTP_PAYGW_PASS_SIGNING;

    c->log->action = "signing call to payment provider";

    return NGX_AGAIN;
}


/* in a thread: nothing but the job */

static void
ngx_http_paygw_pass_thread(void *data, ngx_log_t *log)
{
    ngx_http_paygw_signing_t *s = data;

    ngx_paygw_job_run(s->job);
}


static void
ngx_http_paygw_pass_signed(ngx_event_t *ev)
{
    ngx_int_t                   rc;
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_paygw_signing_t   *s;
    ngx_http_paygw_pass_ctx_t  *ctx;

    s = ev->data;
    ctx = s->ctx;

    if (ctx == NULL) {
        ngx_http_paygw_pass_sign_free(s);
        return;
    }

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ctx->signing = NULL;

    ngx_paygw_later_replay(&ctx->later);
    rc = ngx_http_paygw_pass_build(ctx);
    ngx_paygw_later_end();

    ngx_http_paygw_pass_sign_free(s);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "http paygw pass signed by thread: %ui", ctx->later.used);

    ngx_http_paygw_pass_built(ctx, rc);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_paygw_pass_sign_free(ngx_http_paygw_signing_t *s)
{
    ngx_queue_remove(&s->queue);
    ngx_paygw_job_free(s->job);
    ngx_free(s);
}

#endif


void
ngx_http_paygw_pass_sign_cancel(ngx_http_paygw_pass_ctx_t *ctx)
{
#if (NGX_THREADS)

    if (ctx->signing) {
        ctx->signing->ctx = NULL;
        ctx->signing = NULL;
    }

#endif
}


/* nginx has ended its threads before */

void
ngx_http_paygw_pass_exit_process(void)
{
#if (NGX_THREADS)

    ngx_queue_t  *q, *queue;

    queue = &ngx_http_paygw_signings;

    while (queue->next && !ngx_queue_empty(queue)) {
        q = ngx_queue_head(queue);
        ngx_http_paygw_pass_sign_free(ngx_queue_data(q,
                                          ngx_http_paygw_signing_t, queue));
    }

#endif
}
