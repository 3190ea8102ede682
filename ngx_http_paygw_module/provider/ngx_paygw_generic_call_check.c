
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic_call.h"
#include "ngx_paygw_channel.h"


/*
 * Whether what is said of calls makes a whole.  An answer that nobody has
 * verified must not be passed on because a line was forgotten: either it is
 * said in full how answers are signed, or that they are not.
 */


static ngx_int_t ngx_paygw_generic_call_request(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_call_t *call);
static ngx_int_t ngx_paygw_generic_call_keys(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_call_t *call);
static ngx_int_t ngx_paygw_generic_call_places(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_call_t *call);
static ngx_int_t ngx_paygw_generic_call_answers_of(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_call_t *call);
static ngx_uint_t ngx_paygw_generic_call_proof(
    ngx_paygw_generic_conf_t *answer);
static ngx_int_t ngx_paygw_generic_call_sorted(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_call_t *call);
static ngx_int_t ngx_paygw_generic_call_told(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_call_t *call);
static ngx_int_t ngx_paygw_generic_call_list_of(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_call_t *call, const char *name,
    ngx_array_t *list);
static ngx_int_t ngx_paygw_generic_call_one(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_call_t *call, const char *name,
    ngx_paygw_expr_t *e);
static ngx_uint_t ngx_paygw_generic_call_secret(
    ngx_paygw_generic_call_t *call);


ngx_int_t
ngx_paygw_generic_call_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_str_t                 *type;
    ngx_paygw_generic_call_t  *call;

    call = ((ngx_paygw_generic_conf_t *) ch->conf)->call;

    call->channel.window = ch->window;

    if (call->answer.back == NGX_CONF_UNSET) {
        call->answer.back = ch->window / 1000;
    }

    if (call->answer.forward == NGX_CONF_UNSET) {
        call->answer.forward = ch->window / 1000;
    }

    if (ngx_paygw_generic_call_request(cf, ch, call) != NGX_OK
        || ngx_paygw_generic_call_answers_of(cf, ch, call) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (call->types) {

        type = ngx_array_push(call->types);
        if (type == NULL) {
            return NGX_ERROR;
        }

        ngx_str_null(type);
    }

    /* the one after the last is empty */

    ch->asks = call->env.headers;
    ch->tells = call->answer.env.headers;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_call_request(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_call_t *call)
{
    ngx_uint_t  i, late;

    late = 0;

    for (i = 0; i < call->nsets; i++) {
        late |= call->sets[i].late;
    }

    if ((call->algorithm != NGX_PAYGW_GENERIC_NONE)
        != (call->signed_text != NULL))
    {
        return ngx_paygw_generic_error(cf, ch,
                            "has one of \"request_algorithm\" and "
                            "\"request_signed\", and needs both or none");
    }

    if (call->signed_text && !late) {
        return ngx_paygw_generic_error(cf, ch,
                            "signs its requests and sends no signature, add "
                            "signature() to \"request_header\" or the like");
    }

    if (call->signed_text == NULL && late) {
        return ngx_paygw_generic_error(cf, ch,
                            "sends a signature and does not say of what, add "
                            "\"request_algorithm\" and \"request_signed\"");
    }

    if (ngx_paygw_generic_call_keys(cf, ch, call) != NGX_OK
        || ngx_paygw_generic_check_docs(cf, ch, &call->env) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_generic_call_places(cf, ch, call);
}


static ngx_int_t
ngx_paygw_generic_call_keys(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_call_t *call)
{
    u_char      buf[NGX_PAYGW_HASH_MAX];
    size_t      len;
    ngx_str_t   text;
    ngx_uint_t  keyed;

    keyed = call->signed_text
            && ngx_paygw_expr_uses(call->signed_text, "secret");

    if (call->algorithm == NGX_PAYGW_GENERIC_SCHEME) {

        if (ngx_paygw_channel_required(cf, ch, call->key != NULL,
                                       "request_private_key")
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        return ngx_paygw_channel_check_pair(cf, ch, call->scheme, call->key,
                                            "request_private_key", NULL,
                                            NULL);
    }

    if (call->key) {
        return ngx_paygw_generic_error(cf, ch,
                            "has a \"request_private_key\" and no "
                            "\"request_algorithm\" that takes one");
    }

    if ((call->algorithm != NGX_PAYGW_GENERIC_NONE || keyed
         || ngx_paygw_generic_call_secret(call))
        && ngx_paygw_channel_required(cf, ch, call->secret.len,
                                      "request_key")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (call->algorithm == NGX_PAYGW_GENERIC_DIGEST && !keyed) {
        return ngx_paygw_generic_error(cf, ch,
                            "has a digest without secret in "
                            "\"request_signed\": anyone could compute it");
    }

    if (call->hash) {

        ngx_str_set(&text, "paygw");

        if (ngx_paygw_hash(call->hash, &text, 1, buf, &len, cf->log)
            != NGX_OK)
        {
            return ngx_paygw_generic_error(cf, ch,
                            "has a \"request_algorithm\" that this OpenSSL "
                            "does not offer");
        }
    }

    return NGX_OK;
}


/* a body is one of form, JSON and XML, for what is added and what is read */

static ngx_int_t
ngx_paygw_generic_call_places(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_call_t *call)
{
    ngx_uint_t                  i, kinds;
    ngx_paygw_expr_doc_t       *doc;
    ngx_paygw_generic_place_e   place;

    kinds = 0;

    for (i = 0; i < call->nsets; i++) {
        place = call->sets[i].place;

        if (place >= NGX_PAYGW_GENERIC_FORM) {
            kinds |= (ngx_uint_t) 1 << place;
        }
    }

    for (i = 0; i < call->env.ndocs; i++) {
        doc = &call->env.docs[i];

        if (doc->text == NULL || !ngx_paygw_expr_is(doc->text, "body")) {
            continue;
        }

        place = (doc->kind == NGX_PAYGW_EXPR_FORM) ? NGX_PAYGW_GENERIC_FORM
                : (doc->kind == NGX_PAYGW_EXPR_XML) ? NGX_PAYGW_GENERIC_XML
                                                    : NGX_PAYGW_GENERIC_JSON;

        kinds |= (ngx_uint_t) 1 << place;
    }

    if (kinds & (kinds - 1)) {
        return ngx_paygw_generic_error(cf, ch,
                            "takes the body of a request for two things, "
                            "choose one of form, JSON and XML");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_call_answers_of(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_call_t *call)
{
    ngx_paygw_generic_conf_t  *answer;

    answer = &call->answer;

    if (call->bare_all) {

        if (ngx_paygw_generic_call_proof(answer) || call->bare) {
            return ngx_paygw_generic_error(cf, ch,
                            "has \"answers unsigned\", and says how answers "
                            "are signed or which are not, take one of them "
                            "out");
        }

        return ngx_paygw_generic_call_told(cf, ch, call);
    }

    if (answer->algorithm == NGX_PAYGW_GENERIC_NONE
        || answer->signature == NULL || answer->signed_text == NULL)
    {
        return ngx_paygw_generic_error(cf, ch,
                            "does not say how answers are verified: add "
                            "\"answer_algorithm\", \"answer_signature\", "
                            "\"answer_signed\" and a key, or, if the provider "
                            "signs none, \"answers unsigned\"");
    }

    if (ngx_paygw_generic_check_proof(cf, &call->channel) != NGX_OK
        || ngx_paygw_generic_call_sorted(cf, ch, call) != NGX_OK
        || ngx_paygw_generic_call_told(cf, ch, call) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (answer->time.expr || call->about
        || ngx_paygw_expr_uses(answer->signed_text, "sent"))
    {
        return NGX_OK;
    }

    return ngx_paygw_generic_error(cf, ch,
                            "would take any signed answer for that to any "
                            "call: add \"answer_about\" for the number of the "
                            "order, \"answer_time\", or sent() to "
                            "\"answer_signed\"");
}


/* 1 if anything is said of how answers are signed */

static ngx_uint_t
ngx_paygw_generic_call_proof(ngx_paygw_generic_conf_t *answer)
{
    return answer->algorithm != NGX_PAYGW_GENERIC_NONE || answer->signature
           || answer->signed_text || answer->keys || answer->key_id
           || answer->time.expr;
}


/* what of the body can be passed on: all of it, or the fields in sorted_params
 * () */

static ngx_int_t
ngx_paygw_generic_call_sorted(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_call_t *call)
{
    ngx_uint_t                 i;
    ngx_paygw_expr_t          *e, *text;
    ngx_paygw_generic_conf_t  *answer;

    answer = &call->answer;

    if (answer->body_signed) {
        return NGX_OK;
    }

    for (i = 0; i < answer->npieces; i++) {
        e = answer->pieces[i].expr;

        if (e->op->eval != ngx_paygw_expr_sorted_params
            || ((ngx_paygw_expr_sorted_t *) e->data)->values)
        {
            continue;
        }

        text = answer->env.docs[e->index].text;

        if (text && ngx_paygw_expr_is(text, "body")) {
            call->sorted = e;
            return NGX_OK;
        }
    }

    return ngx_paygw_generic_error(cf, ch,
                            "has answers whose body is signed neither as a "
                            "whole nor by its sorted_params(): nothing of it "
                            "could be passed on");
}


/* all that decides anything about an answer is signed, if answers are */

static ngx_int_t
ngx_paygw_generic_call_told(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_call_t *call)
{
    ngx_uint_t                  i;
    ngx_paygw_generic_about_t  *about;

    about = call->about ? call->about->elts : NULL;

    for (i = 0; about && i < call->about->nelts; i++) {
        if (ngx_paygw_generic_call_one(cf, ch, call, "answer_about",
                                       about[i].told)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_paygw_generic_call_list_of(cf, ch, call, "answer_retry",
                                       call->retry)
        != NGX_OK
        || ngx_paygw_generic_call_list_of(cf, ch, call, "answer_success",
                                          call->success)
           != NGX_OK
        || ngx_paygw_generic_call_list_of(cf, ch, call, "answer_require",
                                          call->answer.require)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_generic_check_docs(cf, ch, &call->answer.env);
}


static ngx_int_t
ngx_paygw_generic_call_list_of(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_call_t *call, const char *name, ngx_array_t *list)
{
    ngx_uint_t                    i;
    ngx_paygw_generic_require_t  *req;

    req = list ? list->elts : NULL;

    for (i = 0; req && i < list->nelts; i++) {
        if (ngx_paygw_generic_call_one(cf, ch, call, name, req[i].expr)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_call_one(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_call_t *call, const char *name, ngx_paygw_expr_t *e)
{
    if (ngx_paygw_expr_list(e) || ngx_paygw_expr_uses(e, "secret")) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" of channel \"%V\" uses its secret or "
                           "\"all\" of a list", name, &ch->name);
        return NGX_ERROR;
    }

    if (call->bare_all || ngx_paygw_generic_covered(&call->answer, e)) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" of channel \"%V\" is not part of "
                       "\"answer_signed\": anyone could change it",
                       name, &ch->name);
    return NGX_ERROR;
}


/* 1 if the secret itself is sent */

static ngx_uint_t
ngx_paygw_generic_call_secret(ngx_paygw_generic_call_t *call)
{
    ngx_uint_t  i;

    for (i = 0; i < call->nsets; i++) {
        if (ngx_paygw_expr_uses(call->sets[i].expr, "secret")) {
            return 1;
        }
    }

    return 0;
}


char *
ngx_paygw_generic_call_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    if (conf->call) {
        return NGX_CONF_OK;
    }

    (void) ngx_paygw_generic_error(cf, ch,
                            "is for callbacks only: say how requests are "
                            "signed, \"request_signed\" and others, and how "
                            "answers are verified");

    return NGX_CONF_ERROR;
}


ngx_uint_t
ngx_paygw_generic_tls_only(ngx_paygw_channel_t *ch)
{
    ngx_paygw_generic_call_t  *call;

    call = ((ngx_paygw_generic_conf_t *) ch->conf)->call;

    return call->bare_all || call->bare || ngx_paygw_generic_call_secret(call);
}
