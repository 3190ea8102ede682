
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic_call.h"
#include "ngx_paygw_channel.h"


/*
 * The answer of a configured provider: verified as a callback is, by what the
 * channel says of answers, and compared with what was asked for.
 */


static ngx_int_t ngx_paygw_generic_fits(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_generic_about(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call);
static ngx_int_t ngx_paygw_generic_ends(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call);
static ngx_int_t ngx_paygw_generic_found(ngx_paygw_exchange_t *x,
    ngx_array_t *list, ngx_uint_t *found);


ngx_int_t
ngx_paygw_generic_check_answer(ngx_paygw_exchange_t *x)
{
    ngx_int_t                  rc;
    ngx_paygw_expr_ctx_t      *ctx;
    ngx_paygw_generic_run_t   *run = x->data;
    ngx_paygw_generic_call_t  *call;

    call = ((ngx_paygw_generic_conf_t *) x->n.channels[0]->conf)->call;

    ngx_memzero(&run->answer, sizeof(ngx_paygw_generic_ctx_t));

    ctx = &run->answer.expr;

    ctx->notify = &x->n;
    ctx->env = &call->answer.env;
    ctx->sent = &run->sent_ctx;
    ctx->status = x->status;
    ctx->room = NGX_PAYGW_EXPR_ROOM
                + NGX_PAYGW_EXPR_ROOM_BODY * x->n.msg.body.len;

    x->n.data = &run->answer;

    x->unsigned_reply = call->bare_all || run->bare;

    rc = ngx_paygw_generic_fits(x);

    if (rc == NGX_OK && !x->unsigned_reply) {

        rc = ngx_paygw_check_named(&x->n, call->answer.env.headers,
                                   call->answer.env.required);

        if (rc == NGX_OK) {
            rc = ngx_paygw_generic_one(&x->n, &call->answer);
        }
    }

    /* what a list says has no signature has no form that is known, either */

    if (rc == NGX_OK && !run->bare) {

        rc = ngx_paygw_generic_account(&x->n, &call->answer);

        if (rc == NGX_OK) {
            rc = ngx_paygw_generic_about(x, call);
        }

        if (rc == NGX_OK) {
            rc = ngx_paygw_generic_ends(x, call);
        }
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_paygw_generic_reply(x);
}


/* a status that is an answer: no redirect, which would lead elsewhere */

static ngx_int_t
ngx_paygw_generic_fits(ngx_paygw_exchange_t *x)
{
    x->open = x->repeat == NGX_PAYGW_REPEAT_ALWAYS || x->status >= 500
              || x->status == 401 || x->status == 403 || x->status == 409
              || x->status == 429;

    if ((x->status >= 200 && x->status < 300)
        || (x->status >= 400 && x->status < 600))
    {
        return NGX_OK;
    }

    return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                 NGX_PAYGW_REASON_MALFORMED,
                                 "status %ui is no answer", x->status);
}


/* about what was asked for, as far as both say what that is */

static ngx_int_t
ngx_paygw_generic_about(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call)
{
    ngx_int_t                   rc;
    ngx_str_t                   told, asked;
    ngx_uint_t                  i;
    ngx_paygw_generic_run_t    *run = x->data;
    ngx_paygw_generic_about_t  *about;

    about = call->about ? call->about->elts : NULL;

    for (i = 0; about && i < call->about->nelts; i++) {

        rc = ngx_paygw_expr_eval(&run->sent_ctx, about[i].asked, &asked);

        if (rc == NGX_ERROR) {
            return ngx_paygw_exchange_broken(x);
        }

        if (rc != NGX_OK || asked.len == 0) {
            /* a call that has no such value, as a GET has no body */
            continue;
        }

        rc = ngx_paygw_expr_eval(&run->answer.expr, about[i].told, &told);

        if (rc == NGX_DECLINED || (rc == NGX_OK && told.len == 0)) {
            continue;
        }

        if (rc != NGX_OK) {
            return rc;
        }

        if (told.len != asked.len
            || ngx_strncmp(told.data, asked.data, told.len) != 0)
        {
            return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                    NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                    "answer is about something else");
        }
    }

    return NGX_OK;
}


/*
 * Whether the same call may get another answer the next time; and, since the
 * status is not signed, that no success is told as a failure.
 */

static ngx_int_t
ngx_paygw_generic_ends(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call)
{
    ngx_int_t   rc;
    ngx_uint_t  found;

    rc = ngx_paygw_generic_found(x, call->retry, &found);

    if (rc == NGX_OK && found) {
        x->open = 1;
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_generic_found(x, call->success, &found);
    }

    if (rc == NGX_OK && found && x->status >= 400) {
        return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "status %ui does not fit what is signed",
                                     x->status);
    }

    return rc;
}


/* 1 in *found if one of the expressions has one of its values */

static ngx_int_t
ngx_paygw_generic_found(ngx_paygw_exchange_t *x, ngx_array_t *list,
    ngx_uint_t *found)
{
    ngx_int_t                     rc;
    ngx_str_t                     value;
    ngx_uint_t                    i;
    ngx_paygw_generic_run_t      *run = x->data;
    ngx_paygw_generic_require_t  *req;

    *found = 0;

    req = list ? list->elts : NULL;

    for (i = 0; req && i < list->nelts; i++) {

        rc = ngx_paygw_expr_eval(&run->answer.expr, req[i].expr, &value);

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc != NGX_OK) {
            return rc;
        }

        *found |= ngx_paygw_channel_has(req[i].values, &value);
    }

    return NGX_OK;
}
