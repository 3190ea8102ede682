
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic_call.h"
#include "ngx_paygw_channel.h"


/* The parameters about the requests to a configured provider. */


typedef char *(*ngx_paygw_generic_set_pt)(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);


static char *ngx_paygw_generic_call_as(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs,
    ngx_paygw_generic_set_pt set);
static ngx_int_t ngx_paygw_generic_call_name(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_set_t *set);


/* fields that nginx writes itself, or that would change what a body is */

static const ngx_str_t  ngx_paygw_generic_ours[] = {
    ngx_string("accept-encoding"),
    ngx_string("connection"),
    ngx_string("content-encoding"),
    ngx_string("content-length"),
    ngx_string("content-type"),
    ngx_string("expect"),
    ngx_string("host"),
    ngx_string("te"),
    ngx_string("trailer"),
    ngx_string("transfer-encoding"),
    ngx_string("upgrade"),
    ngx_string("user-agent"),
    ngx_null_string
};


ngx_paygw_generic_call_t *
ngx_paygw_generic_call_get(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    u_char                    *p;
    ngx_paygw_generic_call_t  *call;

    if (conf->call) {
        return conf->call;
    }

    call = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_generic_call_t));
    if (call == NULL) {
        return NULL;
    }

    call->env.channel = &ch->name;
    call->env.side = NGX_PAYGW_EXPR_OF_REQUEST;
    ngx_str_set(&call->env.xml_root, "xml");

    /* messages about an answer say so */

    call->channel = *ch;
    call->channel.conf = &call->answer;
    call->channel.name.len = ch->name.len + sizeof(", answers") - 1;

    p = ngx_pnalloc(cf->pool, call->channel.name.len);
    if (p == NULL) {
        return NULL;
    }

    call->channel.name.data = p;
    (void) ngx_sprintf(p, "%V, answers", &ch->name);

    call->answer.env.channel = &call->channel.name;
    call->answer.env.side = NGX_PAYGW_EXPR_OF_ANSWER;
    call->answer.env.sent = &call->env;
    call->answer.back = NGX_CONF_UNSET;
    call->answer.forward = NGX_CONF_UNSET;
    ngx_str_set(&call->answer.env.xml_root, "xml");

    /* of an answer it says what the body is */

    ngx_str_set(&call->answer.env.headers[0], "content-type");
    call->answer.env.nheaders = 1;

    conf->call = call;

    return call;
}


/* the parameter of a callback that is called so without "answer_" */

char *
ngx_paygw_generic_call_answer(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    char                      *rv;
    ngx_str_t                  name;
    const ngx_paygw_param_t   *p;
    ngx_paygw_generic_call_t  *call;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    name = ngx_paygw_generic_name(cf);

    for (p = ngx_paygw_generic_params; p->name.len; p++) {
        if (p->name.len == name.len
            && ngx_strncmp(p->name.data, name.data, name.len) == 0)
        {
            break;
        }
    }

    call->channel.certs = ch->certs;

    rv = p->set(cf, &call->channel, args, nargs);

    ch->certs = call->channel.certs;

    return rv;
}


char *
ngx_paygw_generic_call_answers(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_call_t  *call;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_strcmp(args[0].data, "unsigned") != 0) {
        return ngx_paygw_generic_invalid(cf, ch, "answers", &args[0],
                                         "unsigned; that they are signed is "
                                         "said by answer_signed and the like");
    }

    call->bare_all = 1;

    return NGX_CONF_OK;
}


char *
ngx_paygw_generic_call_algorithm(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    return ngx_paygw_generic_call_as(cf, ch, args, nargs,
                                     ngx_paygw_generic_algorithm);
}


/* by the setter of a callback, which is lent what requests have of it */

static char *
ngx_paygw_generic_call_as(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs, ngx_paygw_generic_set_pt set)
{
    char                      *rv;
    ngx_paygw_channel_t        tmp;
    ngx_paygw_generic_call_t  *call;
    ngx_paygw_generic_conf_t   conf;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&conf, sizeof(ngx_paygw_generic_conf_t));

    conf.algorithm = call->algorithm;
    conf.hash = call->hash;
    conf.scheme = call->scheme;
    conf.types = call->types;

    tmp = *ch;
    tmp.conf = &conf;

    rv = set(cf, &tmp, args, nargs);

    call->algorithm = conf.algorithm;
    call->hash = conf.hash;
    call->scheme = conf.scheme;
    call->types = conf.types;

    return rv;
}


char *
ngx_paygw_generic_call_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_call_t  *call;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_paygw_generic_secret(cf, ch, "request_key", args, nargs,
                                    &call->secret, NULL);
}


char *
ngx_paygw_generic_call_private_key(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_call_t  *call;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_paygw_channel_own_key(cf, &call->key, &args[0],
                                     ngx_paygw_key_private);
}


char *
ngx_paygw_generic_call_signed(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_call_t  *call;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_generic_call_expr(cf, ch, &args[0], &call->signed_text)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_paygw_expr_uses(call->signed_text, "signature")) {
        return "holds the signature itself";
    }

    return NGX_CONF_OK;
}


/* request_header|query|form|json|xml NAME EXPRESSION [number] */

char *
ngx_paygw_generic_call_set(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_str_t                  name;
    ngx_uint_t                 i;
    ngx_paygw_generic_set_t   *set;
    ngx_paygw_generic_call_t  *call;

    /* the order of ngx_paygw_generic_place_e */

    static const ngx_str_t  places[] = {
        ngx_string("request_header"),
        ngx_string("request_query"),
        ngx_string("request_form"),
        ngx_string("request_json"),
        ngx_string("request_xml"),
        ngx_null_string
    };

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    if (call->nsets == NGX_PAYGW_GENERIC_SETS) {
        return "is one too many";
    }

    name = ((ngx_str_t *) cf->args->elts)[0];
    set = &call->sets[call->nsets];

    for (i = 0; places[i + 1].len; i++) {
        if (places[i].len == name.len
            && ngx_strncmp(places[i].data, name.data, name.len) == 0)
        {
            break;
        }
    }

    set->place = i;
    set->name = args[0];

    if (ngx_paygw_generic_call_name(cf, ch, set) != NGX_OK
        || ngx_paygw_generic_call_expr(cf, ch, &args[1], &set->expr)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (nargs == 3) {

        if (set->place != NGX_PAYGW_GENERIC_JSON
            || ngx_strcmp(args[2].data, "number") != 0)
        {
            return ngx_paygw_generic_invalid(cf, ch, "request_json", &args[2],
                                             "a name, an expression and "
                                             "number, or nothing more");
        }

        set->number = 1;
    }

    set->late = ngx_paygw_expr_uses(set->expr, "signature");

    if (set->place == NGX_PAYGW_GENERIC_QUERY
        && ngx_paygw_expr_uses(set->expr, "secret"))
    {
        return "holds the secret, and URLs are written to logs";
    }

    call->nsets++;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_paygw_generic_call_name(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_set_t *set)
{
    u_char                    *p, c;
    ngx_str_t                  low;
    ngx_uint_t                 i;
    ngx_paygw_generic_call_t  *call;

    for (i = 0; i < set->name.len; i++) {
        c = set->name.data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9') || c == '_' || c == '-'
            || (c == '.' && set->place != NGX_PAYGW_GENERIC_HEADER))
        {
            continue;
        }

        break;
    }

    p = ngx_pnalloc(cf->pool, set->name.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(p, set->name.data, set->name.len);
    p[set->name.len] = '\0';

    set->lowcase = p;

    low.data = p;
    low.len = set->name.len;

    if (i == 0 || i < set->name.len || set->name.len > 64
        || (set->place == NGX_PAYGW_GENERIC_HEADER
            && ngx_paygw_exchange_among(ngx_paygw_generic_ours, &low)))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\" of what is added to requests "
                           "of channel \"%V\"", &set->name, &ch->name);
        return NGX_ERROR;
    }

    call = ((ngx_paygw_generic_conf_t *) ch->conf)->call;

    for (i = 0; i < call->nsets; i++) {
        if (call->sets[i].place == set->place
            && call->sets[i].name.len == set->name.len
            && ngx_strcasecmp(call->sets[i].lowcase, p) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate value \"%V\" in channel \"%V\"",
                               &set->name, &ch->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_generic_call_header(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *name, ngx_paygw_generic_set_t *set)
{
    ngx_str_t  text;

    set->place = NGX_PAYGW_GENERIC_HEADER;
    set->name = *name;

    if (ngx_paygw_generic_call_name(cf, ch, set) != NGX_OK) {
        return NGX_ERROR;
    }

    text.len = name->len + sizeof("header()") - 1;
    text.data = ngx_pnalloc(cf->pool, text.len);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(text.data, "header(%V)", name);

    return ngx_paygw_generic_call_expr(cf, ch, &text, &set->expr);
}


ngx_int_t
ngx_paygw_generic_call_expr(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *text, ngx_paygw_expr_t **e)
{
    ngx_str_t                 *name;
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    name = cf->args->elts;

    if (ngx_paygw_expr_compile(cf, &conf->call->env,
                               (const char *) name->data, text, e)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_paygw_expr_list(*e)) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" of channel \"%V\" takes \"all\" of a list, "
                       "use \"first\" or \"last\"", name, &ch->name);
    return NGX_ERROR;
}


char *
ngx_paygw_generic_call_root(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_call_t  *call;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    if (args[0].len == 0) {
        return "must not be empty";
    }

    call->env.xml_root = args[0];

    return NGX_CONF_OK;
}


char *
ngx_paygw_generic_call_pass(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_uint_t                 i;
    ngx_paygw_generic_set_t   *set;
    ngx_paygw_generic_call_t  *call;

    call = ngx_paygw_generic_call_get(cf, ch);
    if (call == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < nargs; i++) {

        if (call->nsets == NGX_PAYGW_GENERIC_SETS) {
            return "is one too many";
        }

        /* as default(header(NAME), ""), which is left out if it is empty */

        set = &call->sets[call->nsets];

        if (ngx_paygw_generic_call_header(cf, ch, &args[i], set) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        set->passed = 1;

        call->nsets++;
    }

    return NGX_CONF_OK;
}


char *
ngx_paygw_generic_call_type(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    return ngx_paygw_generic_call_as(cf, ch, args, nargs,
                                     ngx_paygw_generic_content_type);
}
