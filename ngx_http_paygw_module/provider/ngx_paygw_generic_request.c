
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic_call.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_later.h"
#include "ngx_paygw_text.h"


/*
 * A request to a configured provider, in two steps: what does not need the
 * signature is added first and may be signed; then the signature is.
 */


static ngx_int_t ngx_paygw_generic_run(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_generic_run_new(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call);
static void ngx_paygw_generic_run_ctx(ngx_paygw_exchange_t *x,
    ngx_paygw_notify_t *n, ngx_paygw_expr_ctx_t *ctx);
static ngx_int_t ngx_paygw_generic_fresh_made(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_generic_allowed(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call);
static ngx_int_t ngx_paygw_generic_operation(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call);
static ngx_uint_t ngx_paygw_generic_matches(ngx_array_t *list,
    ngx_str_t *operation);
static ngx_int_t ngx_paygw_generic_head(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call);
static ngx_int_t ngx_paygw_generic_add(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call, ngx_uint_t late);
static void ngx_paygw_generic_draft(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call);
static ngx_int_t ngx_paygw_generic_sign(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call);
static ngx_int_t ngx_paygw_generic_failed(ngx_paygw_exchange_t *x,
    ngx_paygw_notify_t *n, ngx_int_t rc, ngx_str_t *what);


#define NGX_PAYGW_GENERIC_KEY_MAX  255


static const ngx_str_t  ngx_paygw_generic_body_types[] = {
    ngx_string("application/json"),
    ngx_string("application/x-www-form-urlencoded"),
    ngx_string("application/xml"),
    ngx_string("text/xml"),
    ngx_null_string
};


ngx_int_t
ngx_paygw_generic_build(ngx_paygw_exchange_t *x)
{
    ngx_int_t                  rc;
    ngx_paygw_generic_call_t  *call;

    call = ((ngx_paygw_generic_conf_t *) x->n.channels[0]->conf)->call;

    rc = ngx_paygw_generic_run(x);

    if (rc == NGX_OK) {
        rc = ngx_paygw_generic_allowed(x, call);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_generic_operation(x, call);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_generic_head(x, call);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_generic_add(x, call, 0);
    }

    if (rc != NGX_OK || call->signed_text == NULL) {
        return rc;
    }

    rc = ngx_paygw_generic_sign(x, call);

    if (rc == NGX_OK) {
        rc = ngx_paygw_generic_add(x, call, 1);
    }

    return rc;
}


static ngx_int_t
ngx_paygw_generic_run(ngx_paygw_exchange_t *x)
{
    ngx_int_t                  rc;
    ngx_paygw_generic_run_t   *run;
    ngx_paygw_generic_call_t  *call;

    call = ((ngx_paygw_generic_conf_t *) x->n.channels[0]->conf)->call;

    if (x->data == NULL) {

        rc = ngx_paygw_generic_run_new(x, call);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    run = x->data;

    ngx_paygw_generic_run_ctx(x, &run->asked, &run->asked_ctx);
    ngx_paygw_generic_run_ctx(x, &run->sent, &run->sent_ctx);

    return ngx_paygw_generic_fresh_made(x);
}


static ngx_int_t
ngx_paygw_generic_run_new(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call)
{
    ngx_int_t                 rc;
    ngx_str_t                *key;
    ngx_paygw_generic_run_t  *run;

    run = ngx_pcalloc(x->n.pool, sizeof(ngx_paygw_generic_run_t));
    if (run == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    if (x->in.repeated) {
        return ngx_paygw_exchange_wrong(x, "a header field is there twice");
    }

    if (call->idempotency.len && !ngx_paygw_exchange_method(x, "GET")) {

        key = &x->in.headers[call->ikey];

        if (key->len && !ngx_paygw_visible(key, NGX_PAYGW_GENERIC_KEY_MAX)) {
            return ngx_paygw_exchange_wrong(x, "the idempotency key must be 1 "
                                            "to 255 visible characters");
        }

        rc = ngx_paygw_exchange_key(x, key, &run->ikey);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    run->asked.msg = x->in;

    x->data = run;

    return NGX_OK;
}


/* one try: documents are read anew, since their bytes are others */

static void
ngx_paygw_generic_run_ctx(ngx_paygw_exchange_t *x, ngx_paygw_notify_t *n,
    ngx_paygw_expr_ctx_t *ctx)
{
    ngx_paygw_generic_run_t   *run = x->data;
    ngx_paygw_generic_call_t  *call;

    call = ((ngx_paygw_generic_conf_t *) x->n.channels[0]->conf)->call;

    n->provider = x->n.provider;
    n->channels = x->n.channels;
    n->nchannels = 1;
    n->channel = x->n.channel;
    n->pool = x->n.pool;
    n->log = x->n.log;

    ngx_memzero(ctx, sizeof(ngx_paygw_expr_ctx_t));

    ctx->notify = n;
    ctx->env = &call->env;
    ctx->secret = call->secret;
    ctx->made = &run->made;
    ctx->room = NGX_PAYGW_EXPR_ROOM
                + NGX_PAYGW_EXPR_ROOM_BODY * x->in.body.len;
}


/* a nonce is good for one try, and so is a time */

static ngx_int_t
ngx_paygw_generic_fresh_made(ngx_paygw_exchange_t *x)
{
    ngx_paygw_generic_run_t  *run = x->data;

    run->made.sec = x->in.now;
    run->made.msec = (x->in.now == ngx_time()) ? (ngx_timeofday())->msec : 0;

    ngx_paygw_later_tape(&run->made.msec, sizeof(run->made.msec));

    if (ngx_paygw_exchange_nonce(run->made.nonce, NGX_PAYGW_EXPR_NONCE_MAX)
        != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    return NGX_OK;
}


/* of a kind that can be sent, and of this account */

static ngx_int_t
ngx_paygw_generic_allowed(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call)
{
    ngx_int_t                     rc;
    ngx_str_t                     value;
    ngx_uint_t                    i;
    const ngx_str_t              *type;
    ngx_paygw_generic_run_t      *run = x->data;
    ngx_paygw_generic_require_t  *req;

    if (x->in.body.len) {

        type = call->types ? call->types->elts : ngx_paygw_generic_body_types;

        while (type->len
               && !ngx_paygw_exchange_type(x, (const char *) type->data))
        {
            type++;
        }

        if (type->len == 0) {
            return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                    NGX_PAYGW_REASON_CONTENT_TYPE,
                                    "the channel does not send this type");
        }
    }

    req = call->require ? call->require->elts : NULL;

    for (i = 0; req && i < call->require->nelts; i++) {

        rc = ngx_paygw_expr_eval(&run->asked_ctx, req[i].expr, &value);

        if (rc == NGX_DECLINED) {
            ngx_str_set(&value, "");

        } else if (rc != NGX_OK) {
            return ngx_paygw_generic_failed(x, &run->asked, rc, NULL);
        }

        if (!ngx_paygw_channel_has(req[i].values, &value)) {
            return ngx_paygw_exchange_wrong(x, "a value is not one of the "
                                            "channel");
        }
    }

    return NGX_OK;
}


/* what may be repeated, and whose answers have no signature */

static ngx_int_t
ngx_paygw_generic_operation(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call)
{
    u_char                   *p;
    ngx_int_t                 rc;
    ngx_str_t                 operation;
    ngx_paygw_generic_run_t  *run = x->data;

    if (call->operation) {

        rc = ngx_paygw_expr_eval(&run->asked_ctx, call->operation,
                                 &operation);

        if (rc == NGX_DECLINED) {
            ngx_str_set(&operation, "");

        } else if (rc != NGX_OK) {
            return ngx_paygw_generic_failed(x, &run->asked, rc, NULL);
        }

    } else {
        operation.len = x->in.method.len + 1 + x->path.len;

        p = ngx_pnalloc(x->n.pool, operation.len);
        if (p == NULL) {
            return ngx_paygw_exchange_broken(x);
        }

        operation.data = p;
        (void) ngx_sprintf(p, "%V %V", &x->in.method, &x->path);
    }

    run->bare = ngx_paygw_generic_matches(call->bare, &operation);

    x->repeat = ngx_paygw_generic_matches(call->reads, &operation)
                ? NGX_PAYGW_REPEAT_ALWAYS
                : ngx_paygw_generic_matches(call->once, &operation)
                ? NGX_PAYGW_REPEAT_ANSWERED : NGX_PAYGW_REPEAT_NEVER;

    return NGX_OK;
}


static ngx_uint_t
ngx_paygw_generic_matches(ngx_array_t *list, ngx_str_t *operation)
{
    size_t       len;
    ngx_str_t   *word;
    ngx_uint_t   i, rest;

    word = list ? list->elts : NULL;

    for (i = 0; word && i < list->nelts; i++) {

        len = word[i].len;
        rest = (word[i].data[len - 1] == '*');
        len -= rest;

        if ((rest ? operation->len >= len : operation->len == len)
            && ngx_strncmp(operation->data, word[i].data, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_paygw_generic_head(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call)
{
    ngx_uint_t                i;
    ngx_paygw_generic_run_t  *run = x->data;

    static ngx_str_t  agent = ngx_string("paygw");
    static ngx_str_t  any = ngx_string("*/*");

    x->method = x->in.method;
    x->target = x->in.target;
    x->body = x->in.body;
    x->nfields = 0;

    if (ngx_paygw_exchange_add(x, "User-Agent", "user-agent", &agent)
        != NGX_OK
        || (x->body.len
            && ngx_paygw_exchange_add(x, "Content-Type", "content-type",
                                      &x->type)
               != NGX_OK)
        || (run->ikey.len
            && ngx_paygw_exchange_add(x, (char *) call->idempotency.data,
                                      (char *) call->idempotency_low,
                                      &run->ikey)
               != NGX_OK))
    {
        return ngx_paygw_exchange_broken(x);
    }

    for (i = 0; i < call->nsets; i++) {
        if (call->sets[i].place == NGX_PAYGW_GENERIC_HEADER
            && ngx_strcmp(call->sets[i].lowcase, "accept") == 0)
        {
            return NGX_OK;
        }
    }

    if (ngx_paygw_exchange_add(x, "Accept", "accept", &any) != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_add(ngx_paygw_exchange_t *x, ngx_paygw_generic_call_t *call,
    ngx_uint_t late)
{
    ngx_int_t                 rc;
    ngx_str_t                 value;
    ngx_uint_t                i;
    ngx_paygw_notify_t       *n;
    ngx_paygw_expr_ctx_t     *ctx;
    ngx_paygw_generic_run_t  *run = x->data;
    ngx_paygw_generic_set_t  *set;

    /* the signature is over what is sent, so what has it is made of that */

    n = late ? &run->sent : &run->asked;
    ctx = late ? &run->sent_ctx : &run->asked_ctx;

    for (i = 0; i < call->nsets; i++) {

        set = &call->sets[i];

        if (set->late != late) {
            continue;
        }

        rc = ngx_paygw_expr_eval(ctx, set->expr, &value);

        if (rc == NGX_DECLINED && set->passed) {
            continue;
        }

        if (rc != NGX_OK) {
            return ngx_paygw_generic_failed(x, n, rc, &set->name);
        }

        rc = ngx_paygw_generic_edit(x, set, &value);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    ngx_paygw_generic_draft(x, call);

    return NGX_OK;
}


/* the request as it stands, for expressions about it */

static void
ngx_paygw_generic_draft(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call)
{
    ngx_uint_t                   i, k;
    ngx_paygw_message_t         *msg;
    ngx_paygw_generic_run_t     *run = x->data;
    ngx_paygw_exchange_field_t  *f;

    msg = &run->sent.msg;

    msg->method = x->method;
    msg->target = x->target;
    msg->body = x->body;
    msg->now = x->in.now;
    msg->repeated = 0;

    ngx_memzero(msg->headers, sizeof(msg->headers));

    for (i = 0; i < x->nfields; i++) {

        f = &x->fields[i];

        for (k = 0; k < call->env.nheaders; k++) {
            if (ngx_strcmp(f->lowcase, call->env.headers[k].data) == 0) {
                msg->headers[k] = f->value;
            }
        }
    }

    for (i = 0; i < call->env.ndocs; i++) {
        run->sent_ctx.docs[i].ready = 0;
    }
}


static ngx_int_t
ngx_paygw_generic_sign(ngx_paygw_exchange_t *x, ngx_paygw_generic_call_t *call)
{
    size_t                    len;
    u_char                   *p;
    ngx_int_t                 rc;
    ngx_str_t                 text, *sig;
    ngx_paygw_generic_run_t  *run = x->data;

    rc = ngx_paygw_expr_eval(&run->sent_ctx, call->signed_text, &text);
    if (rc != NGX_OK) {
        return ngx_paygw_generic_failed(x, &run->sent, rc, NULL);
    }

    sig = &run->made.signature;

    if (call->algorithm == NGX_PAYGW_GENERIC_SCHEME) {

        if (ngx_paygw_sign(call->scheme, call->key, &text, 1, sig, x->n.pool,
                           x->n.log)
            != NGX_OK)
        {
            return ngx_paygw_exchange_broken(x);
        }

        return NGX_OK;
    }

    p = ngx_pnalloc(x->n.pool, NGX_PAYGW_HASH_MAX);
    if (p == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    if (call->algorithm == NGX_PAYGW_GENERIC_HMAC) {
        rc = ngx_paygw_hmac(call->hash, &call->secret, &text, 1, p, &len,
                            x->n.log);
    } else {
        rc = ngx_paygw_hash(call->hash, &text, 1, p, &len, x->n.log);
    }

    if (rc != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    sig->data = p;
    sig->len = len;

    return NGX_OK;
}


/* what an expression has found is wrong with the caller's request */

static ngx_int_t
ngx_paygw_generic_failed(ngx_paygw_exchange_t *x, ngx_paygw_notify_t *n,
    ngx_int_t rc, ngx_str_t *what)
{
    if (rc == NGX_ERROR) {
        return ngx_paygw_exchange_broken(x);
    }

    if (rc == NGX_ABORT) {
        x->n.reason = n->reason;
        x->n.hint = n->hint;

        return NGX_DECLINED;
    }

    if (what) {
        return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "the value of \"%V\" is missing", what);
    }

    return ngx_paygw_exchange_wrong(x, "a value that is signed is missing");
}
