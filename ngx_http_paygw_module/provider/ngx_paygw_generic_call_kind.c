
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic_call.h"
#include "ngx_paygw_channel.h"


/* What a call of a configured provider is, and what its answer must fit. */


static char *ngx_paygw_generic_call_list(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_array_t **list, ngx_str_t *args,
    ngx_uint_t nargs);


/* EXPRESSION VALUE ... */

char *
ngx_paygw_generic_call_require(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_call_t     *call;
    ngx_paygw_generic_require_t  *req;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    req = ngx_paygw_generic_require_new(cf, &call->require);

    if (req == NULL
        || ngx_paygw_generic_call_expr(cf, ch, &args[0], &req->expr)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_paygw_generic_values(cf, ch, req, &args[1], nargs - 1);
}


/* the same of answers: those that are no end, those that are a success */

char *
ngx_paygw_generic_call_words(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    u_char                        *name;
    ngx_paygw_generic_call_t      *call;
    ngx_paygw_generic_require_t   *req;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    name = ((ngx_str_t *) cf->args->elts)[0].data;

    req = ngx_paygw_generic_require_new(cf,
                                    ngx_strcmp(name, "answer_retry") == 0
                                    ? &call->retry : &call->success);

    if (req == NULL
        || ngx_paygw_generic_expr(cf, &call->channel, (const char *) name,
                                  &args[0], &req->expr)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_paygw_generic_values(cf, ch, req, &args[1], nargs - 1);
}


/* EXPRESSION of the answer, EXPRESSION of the request */

char *
ngx_paygw_generic_call_about(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_call_t   *call;
    ngx_paygw_generic_about_t  *about;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    if (call->about == NULL) {
        call->about = ngx_array_create(cf->pool, 2,
                                       sizeof(ngx_paygw_generic_about_t));
        if (call->about == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    about = ngx_array_push(call->about);

    if (about == NULL
        || ngx_paygw_generic_expr(cf, &call->channel, "answer_about",
                                  &args[0], &about->told)
           != NGX_CONF_OK
        || ngx_paygw_generic_call_expr(cf, ch, &args[1], &about->asked)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_expr_uses(about->asked, "secret")) {
        return "holds the secret";
    }

    return NGX_CONF_OK;
}


char *
ngx_paygw_generic_call_idempotency(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_set_t    set;
    ngx_paygw_generic_call_t  *call;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&set, sizeof(ngx_paygw_generic_set_t));

    if (ngx_paygw_generic_call_header(cf, ch, &args[0], &set) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    call->idempotency = args[0];
    call->idempotency_low = set.lowcase;
    call->ikey = set.expr->index;

    return NGX_CONF_OK;
}


char *
ngx_paygw_generic_call_operation(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_call_t  *call;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_generic_call_expr(cf, ch, &args[0], &call->operation)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_expr_uses(call->operation, "signature")
        || ngx_paygw_expr_uses(call->operation, "secret"))
    {
        return "holds the secret or the signature";
    }

    return NGX_CONF_OK;
}


/* "reads", "once" and "unsigned": patterns of an operation */

char *
ngx_paygw_generic_call_kind(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    u_char                    *name;
    ngx_paygw_generic_call_t  *call;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    name = ((ngx_str_t *) cf->args->elts)[0].data;

    if (ngx_strcmp(name, "reads") == 0) {
        return ngx_paygw_generic_call_list(cf, ch, &call->reads, args, nargs);
    }

    if (ngx_strcmp(name, "once") == 0) {
        return ngx_paygw_generic_call_list(cf, ch, &call->once, args, nargs);
    }

    return ngx_paygw_generic_call_list(cf, ch, &call->bare, args, nargs);
}


/* a "*" is at the end, and behind something: the lists are to be read */

static char *
ngx_paygw_generic_call_list(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_array_t **list, ngx_str_t *args, ngx_uint_t nargs)
{
    u_char      *p;
    ngx_uint_t   i;

    for (i = 0; i < nargs; i++) {

        p = ngx_strlchr(args[i].data, args[i].data + args[i].len, '*');

        if (p && (p == args[i].data || p + 1 != args[i].data + args[i].len)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid operation \"%V\" in channel \"%V\", "
                               "a \"*\" must be its last character and not "
                               "its only one", &args[i], &ch->name);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_paygw_channel_list(cf, ch, list, args, nargs);
}
