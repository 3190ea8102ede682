
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_crypto.h"
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_limit.h"


#define NGX_HTTP_PAYGW_LIMIT_VALUE  128     /* bytes of a key as it is */
#define NGX_HTTP_PAYGW_LIMIT_HEAD   65      /* and of a longer one, before its
                                               hash: longer than 128 in all */


static ngx_int_t ngx_http_paygw_limit_ask(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_limit_keys(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_http_paygw_limits_t *limits, ngx_uint_t zone);
static ngx_int_t ngx_http_paygw_limit_key(ngx_http_request_t *r,
    ngx_str_t *value, ngx_str_t *kind, ngx_str_t *key);
static ngx_int_t ngx_http_paygw_limit_store(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_http_paygw_limits_t *limits);
static ngx_uint_t ngx_http_paygw_limit_same(ngx_http_paygw_limits_t *limits,
    ngx_uint_t i);
static ngx_int_t ngx_http_paygw_limit_decide(ngx_http_paygw_gate_ctx_t *ctx);
static ngx_int_t ngx_http_paygw_limit_away(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_paygw_store_op_t *op);
static ngx_int_t ngx_http_paygw_limit_end(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_int_t rc);
static ngx_int_t ngx_http_paygw_limit_unavailable(
    ngx_http_paygw_gate_ctx_t *ctx);
static void ngx_http_paygw_limit_log(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_http_paygw_limit_t *conf);


const ngx_http_paygw_gate_part_t  ngx_http_paygw_limit_part = {
    NGX_HTTP_PAYGW_GATE_LIMIT,
    0,                                     /* body */
    NULL,                                  /* start */
    ngx_http_paygw_limit_ask,
    ngx_http_paygw_limit_decide,
    NULL                                   /* undo: it stays charged */
};


static ngx_int_t
ngx_http_paygw_limit_ask(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_http_request_t          *r;
    ngx_http_paygw_limits_t     *limits;
    ngx_http_paygw_main_conf_t  *mcf;

    r = ctx->request;

    limits = ngx_pcalloc(r->pool, sizeof(ngx_http_paygw_limits_t));

    if (limits == NULL
        || ngx_http_paygw_limit_keys(ctx, limits, 1) != NGX_OK)
    {
        return ngx_http_paygw_gate_refuse(ctx, NGX_PAYGW_REASON_INTERNAL);
    }

    limits->nzone = limits->n;

    if (ngx_http_paygw_limit_keys(ctx, limits, 0) != NGX_OK) {
        return ngx_http_paygw_gate_refuse(ctx, NGX_PAYGW_REASON_INTERNAL);
    }

    ctx->limits = limits;

    if (limits->nzone) {
        mcf = ngx_http_get_module_main_conf(r, ngx_http_paygw_module);

        rc = ngx_paygw_zone_limits(mcf->zone, limits->counts, limits->nzone,
                                   r->connection->log);

        limits->counted = limits->nzone;

        if (rc != NGX_OK) {
            return ngx_http_paygw_limit_end(ctx, rc);
        }
    }

    return ngx_http_paygw_limit_store(ctx, limits);
}


/* those that are counted in the zone, or those that are not */

static ngx_int_t
ngx_http_paygw_limit_keys(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_http_paygw_limits_t *limits, ngx_uint_t zone)
{
    ngx_str_t                value;
    ngx_uint_t               i;
    ngx_paygw_limit_t       *count;
    ngx_http_paygw_limit_t  *conf;

    conf = ctx->at->limits->elts;

    for (i = 0; i < ctx->at->limits->nelts; i++) {

        if (conf[i].zone != zone) {
            continue;
        }

        if (ngx_http_complex_value(ctx->request, &conf[i].key, &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (value.len == 0) {
            continue;
        }

        count = &limits->counts[limits->n];

        if (ngx_http_paygw_limit_key(ctx->request, &value, &conf[i].kind,
                                     &count->key)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        count->rate = conf[i].rate;
        count->period = conf[i].period;
        count->burst = conf[i].burst;
        count->dry = conf[i].dry;

        limits->confs[limits->n++] = &conf[i];
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_limit_key(ngx_http_request_t *r, ngx_str_t *value,
    ngx_str_t *kind, ngx_str_t *key)
{
    size_t   len;
    u_char  *p, sha256[NGX_PAYGW_SHA256_LEN];

    len = ngx_min(value->len, NGX_HTTP_PAYGW_LIMIT_HEAD
                              + 2 * NGX_PAYGW_SHA256_LEN)
          + kind->len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    key->data = p;

    if (value->len <= NGX_HTTP_PAYGW_LIMIT_VALUE) {
        p = ngx_cpymem(p, value->data, value->len);

    } else {

        if (ngx_paygw_sha256(value, 1, sha256) != NGX_OK) {
            return NGX_ERROR;
        }

        p = ngx_cpymem(p, value->data, NGX_HTTP_PAYGW_LIMIT_HEAD);
        p = ngx_hex_dump(p, sha256, NGX_PAYGW_SHA256_LEN);
    }

    p = ngx_cpymem(p, kind->data, kind->len);

    key->len = p - key->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_limit_store(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_http_paygw_limits_t *limits)
{
    ngx_uint_t             i, apart;
    ngx_paygw_store_op_t  *op;

    op = NULL;
    apart = ngx_paygw_store_apart(ngx_http_paygw_store(ctx->request));

    for (i = limits->nzone; i < limits->n; i++) {

        if (op && (!apart || ngx_http_paygw_limit_same(limits, i))) {
            op->nlimits++;
            continue;
        }

        op = ngx_http_paygw_batch_add(&ctx->batch, ngx_paygw_store_limit,
                                      ctx->request->connection->log);
        if (op == NULL) {
            return ngx_http_paygw_gate_refuse(ctx, NGX_PAYGW_REASON_INTERNAL);
        }

        op->limits = &limits->counts[i];
        op->nlimits = 1;

        limits->ops[limits->nops++] = op;
    }

    return NGX_OK;
}


/* 1 if it limits the same value as the one before */

static ngx_uint_t
ngx_http_paygw_limit_same(ngx_http_paygw_limits_t *limits, ngx_uint_t i)
{
    size_t      len;
    ngx_str_t  *key, *last;

    key = &limits->counts[i].key;
    last = &limits->counts[i - 1].key;

    len = key->len - limits->confs[i]->kind.len;

    return len == last->len - limits->confs[i - 1]->kind.len
           && ngx_memcmp(key->data, last->data, len) == 0;
}


static ngx_int_t
ngx_http_paygw_limit_decide(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_int_t                    rc, all;
    ngx_uint_t                   i;
    ngx_paygw_store_op_t        *op;
    ngx_http_paygw_limits_t     *limits;
    ngx_http_paygw_main_conf_t  *mcf;

    limits = ctx->limits;
    all = NGX_OK;

    for (i = 0; i < limits->nops; i++) {

        op = limits->ops[i];
        rc = op->rc;

        if (rc == NGX_ERROR && all == NGX_OK) {
            rc = ngx_http_paygw_limit_away(ctx, op);
        }

        if (rc != NGX_OK && all == NGX_OK) {
            all = rc;
        }

        if (rc == NGX_ERROR) {
            break;
        }

        limits->counted += op->nlimits;
    }

    /* as far as the zone is concerned it is one step: all or nothing */

    if (all != NGX_OK && limits->nzone) {
        mcf = ngx_http_get_module_main_conf(ctx->request,
                                            ngx_http_paygw_module);

        ngx_paygw_zone_limits_undo(mcf->zone, limits->counts, limits->nzone);
    }

    return ngx_http_paygw_limit_end(ctx, all);
}


/* the store does not answer: the machine counts for itself, if it may */

static ngx_int_t
ngx_http_paygw_limit_away(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_paygw_store_op_t *op)
{
    ngx_uint_t                   i;
    ngx_log_t                   *log;
    ngx_http_paygw_limits_t     *limits;
    ngx_http_paygw_main_conf_t  *mcf;

    limits = ctx->limits;
    log = ctx->request->connection->log;

    for (i = op->limits - limits->counts;
         i < (ngx_uint_t) (op->limits - limits->counts) + op->nlimits;
         i++)
    {
        if (limits->confs[i]->refuse) {
            return NGX_ERROR;
        }
    }

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    limits->away = 1;

    ngx_log_error(ngx_http_paygw_gate_level(&mcf->limits_away), log, 0,
                  "the store does not answer, limits are counted in the zone "
                  "of this machine");

    return ngx_paygw_zone_limits(mcf->zone, op->limits, op->nlimits, log);
}


/* what the counts say, or rc if there are none */

static ngx_int_t
ngx_http_paygw_limit_end(ngx_http_paygw_gate_ctx_t *ctx, ngx_int_t rc)
{
    uint64_t                  retry;
    ngx_uint_t                i;
    ngx_paygw_limit_t        *count;
    ngx_http_paygw_limits_t  *limits;

    limits = ctx->limits;

    if (rc == NGX_ERROR) {
        return ngx_http_paygw_limit_unavailable(ctx);
    }

    if (limits->n == 0) {
        return NGX_OK;
    }

    limits->status = NGX_HTTP_PAYGW_LIMIT_PASSED;
    retry = 0;

    for (i = 0; i < limits->counted; i++) {
        count = &limits->counts[i];

        if (!count->over) {
            continue;
        }

        if (!count->dry) {
            limits->status = NGX_HTTP_PAYGW_LIMIT_REJECTED;
            retry = ngx_max(retry, ngx_paygw_limit_retry(count));

        } else if (limits->status == NGX_HTTP_PAYGW_LIMIT_PASSED) {
            limits->status = NGX_HTTP_PAYGW_LIMIT_DRY;
        }

        ngx_http_paygw_limit_log(ctx, limits->confs[i]);
    }

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    ctx->retry = ngx_http_paygw_limit_seconds(retry);

    return ngx_http_paygw_gate_refuse(ctx, NGX_PAYGW_REASON_LIMIT);
}


static ngx_int_t
ngx_http_paygw_limit_unavailable(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    ngx_log_error(ngx_http_paygw_gate_level(&mcf->limits_away),
                  ctx->request->connection->log, 0,
                  "limits cannot be counted, the request is refused");

    ctx->limits->status = NGX_HTTP_PAYGW_LIMIT_UNAVAILABLE;
    ctx->limits->counted = 0;

    return ngx_http_paygw_gate_refuse(ctx, NGX_PAYGW_REASON_STORE);
}


static void
ngx_http_paygw_limit_log(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_http_paygw_limit_t *conf)
{
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    ngx_log_error(ngx_http_paygw_gate_level(&mcf->limits_over),
                  ctx->request->connection->log, 0,
                  "request over limit \"%V\"%s", &conf->name,
                  conf->dry ? ", dry run" : "");
}


void
ngx_http_paygw_limit_value(ngx_http_request_t *r, ngx_str_t *value)
{
    ngx_http_paygw_gate_ctx_t  *ctx;

    /* in the order of ngx_http_paygw_limit_status_e */

    static ngx_str_t  words[] = {
        ngx_null_string,
        ngx_string("PASSED"),
        ngx_string("REJECTED"),
        ngx_string("REJECTED_DRY_RUN"),
        ngx_string("UNAVAILABLE")
    };

    ctx = ngx_http_paygw_gate_ctx(r);

    if (ctx && ctx->limits) {
        *value = words[ctx->limits->status];

    } else {
        ngx_str_null(value);
    }
}
