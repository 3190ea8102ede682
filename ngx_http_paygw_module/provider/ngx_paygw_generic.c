
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic_call.h"
#include "ngx_paygw_task.h"


/*
 * Any provider by configuration.  What is signed, and where in a message
 * things stand, is said by expressions; what must hold in any case, as that no
 * unsigned value decides anything, is checked while they are read.
 */


static ngx_int_t ngx_paygw_generic_parse(ngx_paygw_notify_t *n);
static ngx_uint_t ngx_paygw_generic_same(ngx_paygw_channel_t *a,
    ngx_paygw_channel_t *b);
static void ngx_paygw_generic_answer(const ngx_paygw_notify_t *n,
    ngx_uint_t status, ngx_paygw_ack_t *ack);
static ngx_int_t ngx_paygw_generic_open(ngx_paygw_task_t *t);


static const ngx_str_t  ngx_paygw_generic_no_headers[] = {
    ngx_null_string
};


static const ngx_paygw_api_t  ngx_paygw_generic_api = {
    "https://api.example.com",
    ngx_paygw_generic_no_headers,
    ngx_paygw_generic_no_headers,
    ngx_paygw_generic_call_conf,
    ngx_paygw_generic_build,
    ngx_paygw_generic_check_answer,
    ngx_paygw_generic_tls_only, NULL, NULL
};


const ngx_paygw_provider_t  ngx_paygw_generic = {
    ngx_string("generic"),
    ngx_paygw_generic_no_headers,
    NULL,
    ngx_paygw_generic_params,
    ngx_paygw_generic_create,
    ngx_paygw_generic_check,
    ngx_paygw_generic_same,
    ngx_paygw_generic_parse,
    ngx_paygw_generic_verify,
    ngx_paygw_generic_event,
    ngx_paygw_generic_answer,
    NULL,
    ngx_paygw_generic_open,
    &ngx_paygw_generic_api,
    NULL
};


static ngx_int_t
ngx_paygw_generic_parse(ngx_paygw_notify_t *n)
{
    ngx_paygw_generic_ctx_t   *ctx;
    ngx_paygw_generic_conf_t  *conf;

    conf = n->channels[0]->conf;

    if (ngx_paygw_check_headers(n, conf->env.required) != NGX_OK) {
        return NGX_ABORT;
    }

    ctx = ngx_pcalloc(n->pool, sizeof(ngx_paygw_generic_ctx_t));
    if (ctx == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    ctx->expr.notify = n;
    ctx->expr.env = &conf->env;
    ctx->expr.room = NGX_PAYGW_EXPR_ROOM
                     + NGX_PAYGW_EXPR_ROOM_BODY * n->msg.body.len;

    n->data = ctx;

    return NGX_OK;
}


/* the same algorithm and one key that both have */

static ngx_uint_t
ngx_paygw_generic_same(ngx_paygw_channel_t *a, ngx_paygw_channel_t *b)
{
    ngx_paygw_generic_conf_t  *ac = a->conf;
    ngx_paygw_generic_conf_t  *bc = b->conf;

    ngx_uint_t                i, k;
    ngx_paygw_generic_key_t  *ak, *bk;

    if (a->calls_only || b->calls_only) {
        return 0;
    }

    if (ac->algorithm != bc->algorithm || ac->hash != bc->hash
        || ac->scheme != bc->scheme
        || !ngx_paygw_expr_same(ac->signature, bc->signature))
    {
        return 0;
    }

    ak = ac->keys->elts;
    bk = bc->keys->elts;

    for (i = 0; i < ac->keys->nelts; i++) {
        for (k = 0; k < bc->keys->nelts; k++) {

            if (ak[i].key ? ngx_paygw_key_equal(ak[i].key, bk[k].key)
                          : ngx_paygw_equal(&ak[i].secret, &bk[k].secret))
            {
                return 1;
            }
        }
    }

    return 0;
}


static void
ngx_paygw_generic_answer(const ngx_paygw_notify_t *n, ngx_uint_t status,
    ngx_paygw_ack_t *ack)
{
    ngx_uint_t                 which;
    ngx_paygw_generic_conf_t  *conf;

    conf = n->channels[0]->conf;

    if (status >= 200 && status < 300) {
        which = NGX_PAYGW_GENERIC_ACK_OK;

    } else if (status >= 400 && status < 500) {
        which = NGX_PAYGW_GENERIC_ACK_REFUSED;

    } else {
        which = NGX_PAYGW_GENERIC_ACK_RETRY;
    }

    *ack = conf->acks[which];

    /* without one of its own a failure has the status that tells why */

    if (ack->status == 0) {
        ack->status = (status >= 400 && status < 600) ? status : 500;
    }
}


static ngx_int_t
ngx_paygw_generic_open(ngx_paygw_task_t *t)
{
    ngx_paygw_generic_conf_t  *conf;

    conf = t->channel->conf;

    if (conf->env.decrypt_key.len == 0) {
        return ngx_paygw_task_refuse(t, "the channel has no decrypt_key");
    }

    if (!ngx_paygw_task_is(t, "aes_256_gcm")) {
        return ngx_paygw_task_refuse(t, "the algorithm must be aes_256_gcm");
    }

    return ngx_paygw_task_gcm(t, &conf->env.decrypt_key);
}
