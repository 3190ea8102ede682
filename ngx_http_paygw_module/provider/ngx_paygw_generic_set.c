
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_text.h"


/* The parameters of a configured provider that are more than an expression. */


static char *ngx_paygw_generic_format(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *args, ngx_paygw_generic_clock_t *clock);
static char *ngx_paygw_generic_units(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *args, ngx_paygw_generic_amount_t *amount);
static ngx_int_t ngx_paygw_generic_index(const ngx_str_t *words,
    ngx_uint_t n, ngx_str_t *word);


char *
ngx_paygw_generic_signature(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    if (ngx_paygw_encoding_find(&args[1], &conf->encoding) != NGX_OK
        || conf->encoding == NGX_PAYGW_ENCODING_TEXT)
    {
        return ngx_paygw_generic_invalid(cf, ch, "signature", &args[1],
                                         "an expression and hex, base64 or "
                                         "base64url");
    }

    return ngx_paygw_generic_expr(cf, ch, "signature", &args[0],
                                  &conf->signature);
}


/* EXPRESSION s|ms|iso8601 [back=TIME] [forward=TIME] */

char *
ngx_paygw_generic_time(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    time_t     *field;
    ngx_int_t   sec;
    ngx_str_t   value;
    ngx_uint_t  i, skip;

    for (i = 2; i < nargs; i++) {

        if (ngx_strncmp(args[i].data, "back=", 5) == 0) {
            field = &conf->back;
            skip = 5;

        } else if (ngx_strncmp(args[i].data, "forward=", 8) == 0) {
            field = &conf->forward;
            skip = 8;

        } else {
            return ngx_paygw_generic_invalid(cf, ch, "time", &args[i],
                                             "back=TIME or forward=TIME");
        }

        value.data = args[i].data + skip;
        value.len = args[i].len - skip;

        sec = ngx_parse_time(&value, 1);

        if (sec == NGX_ERROR || sec < 1 || *field != NGX_CONF_UNSET) {
            return ngx_paygw_generic_invalid(cf, ch, "time", &args[i],
                                             "a time of at least 1s, given "
                                             "once");
        }

        *field = sec;
    }

    return ngx_paygw_generic_format(cf, ch, "time", args, &conf->time);
}


char *
ngx_paygw_generic_event_time(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    return ngx_paygw_generic_format(cf, ch, "event_time", args,
                                    &conf->event_time);
}


static char *
ngx_paygw_generic_format(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *args, ngx_paygw_generic_clock_t *clock)
{
    ngx_int_t  format;

    /* in the order of ngx_paygw_generic_time_e */

    static const ngx_str_t  formats[] = {
        ngx_string("s"),
        ngx_string("ms"),
        ngx_string("iso8601")
    };

    format = ngx_paygw_generic_index(formats, 3, &args[1]);

    if (format == NGX_ERROR) {
        return ngx_paygw_generic_invalid(cf, ch, name, &args[1],
                                         "an expression and s, ms or "
                                         "iso8601");
    }

    clock->format = format;

    return ngx_paygw_generic_expr(cf, ch, name, &args[0], &clock->expr);
}


char *
ngx_paygw_generic_amount(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    return ngx_paygw_generic_units(cf, ch, "amount", args, &conf->amount);
}


char *
ngx_paygw_generic_refund_amount(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    return ngx_paygw_generic_units(cf, ch, "refund_amount", args,
                                   &conf->refund_amount);
}


/* EXPRESSION minor|decimal|decimal=N */

static char *
ngx_paygw_generic_units(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *args, ngx_paygw_generic_amount_t *amount)
{
    ngx_int_t  unit;

    static const ngx_str_t  units[] = {
        ngx_string("minor"),
        ngx_string("decimal=1"),
        ngx_string("decimal=2"),
        ngx_string("decimal=3"),
        ngx_string("decimal")
    };

    unit = ngx_paygw_generic_index(units, 5, &args[1]);

    if (unit == NGX_ERROR) {
        return ngx_paygw_generic_invalid(cf, ch, name, &args[1],
                                         "an expression and minor, decimal "
                                         "or decimal=1 to decimal=3");
    }

    amount->digits = (unit == 4) ? NGX_PAYGW_GENERIC_BY_CURRENCY
                                 : (ngx_uint_t) unit;

    return ngx_paygw_generic_expr(cf, ch, name, &args[0], &amount->expr);
}


/* WORD TYPE [OUTCOME] */

char *
ngx_paygw_generic_map(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    ngx_int_t                type, outcome;
    ngx_uint_t               i;
    ngx_paygw_generic_map_t  *map;

    type = ngx_paygw_generic_index(ngx_paygw_event_types, 4, &args[1]);

    outcome = NGX_PAYGW_OUTCOME_UNKNOWN;

    if (nargs == 3) {
        outcome = ngx_paygw_generic_index(ngx_paygw_outcomes, 4, &args[2]);
    }

    if (type == NGX_ERROR || outcome == NGX_ERROR
        || (type != NGX_PAYGW_EVENT_UNKNOWN && nargs != 3))
    {
        return ngx_paygw_generic_invalid(cf, ch, "map", &args[nargs - 1],
                                         "a word, then payment, refund or "
                                         "close, then success, pending or "
                                         "failed");
    }

    if (conf->map == NULL) {
        conf->map = ngx_array_create(cf->pool, 8,
                                     sizeof(ngx_paygw_generic_map_t));
        if (conf->map == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    map = conf->map->elts;

    for (i = 0; i < conf->map->nelts; i++) {
        if (map[i].word.len == args[0].len
            && ngx_strncmp(map[i].word.data, args[0].data, args[0].len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate value \"%V\" in channel \"%V\"",
                               &args[0], &ch->name);
            return NGX_CONF_ERROR;
        }
    }

    map = ngx_array_push(conf->map);
    if (map == NULL) {
        return NGX_CONF_ERROR;
    }

    map->word = args[0];
    map->type = type;
    map->outcome = outcome;

    return NGX_CONF_OK;
}


char *
ngx_paygw_generic_ignore(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    return ngx_paygw_channel_list(cf, ch, &conf->ignore, args, nargs);
}


/* EXPRESSION VALUE ... */

char *
ngx_paygw_generic_require(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    ngx_paygw_generic_require_t  *req;

    req = ngx_paygw_generic_require_new(cf, &conf->require);

    if (req == NULL
        || ngx_paygw_generic_expr(cf, ch, "require", &args[0], &req->expr)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_paygw_generic_values(cf, ch, req, &args[1], nargs - 1);
}


ngx_paygw_generic_require_t *
ngx_paygw_generic_require_new(ngx_conf_t *cf, ngx_array_t **list)
{
    ngx_paygw_generic_require_t  *req;

    if (*list == NULL) {
        *list = ngx_array_create(cf->pool, 2,
                                 sizeof(ngx_paygw_generic_require_t));
        if (*list == NULL) {
            return NULL;
        }
    }

    req = ngx_array_push(*list);

    if (req) {
        req->values = NULL;
    }

    return req;
}


char *
ngx_paygw_generic_values(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_require_t *req, ngx_str_t *args, ngx_uint_t nargs)
{
    return ngx_paygw_channel_list(cf, ch, &req->values, args, nargs);
}


char *
ngx_paygw_generic_confirm(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    if (ngx_paygw_generic_index(&ngx_paygw_event_confirm, 1, &args[0])
        == NGX_ERROR)
    {
        return ngx_paygw_generic_invalid(cf, ch, "confirm", &args[0],
                                         "query");
    }

    conf->confirm = 1;

    return NGX_CONF_OK;
}


char *
ngx_paygw_generic_content_type(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    ngx_uint_t  i;

    for (i = 0; i < nargs; i++) {

        if (!ngx_paygw_visible(&args[i], 128)
            || ngx_strlchr(args[i].data, args[i].data + args[i].len, '/')
               == NULL
            || ngx_strlchr(args[i].data, args[i].data + args[i].len, ';'))
        {
            return ngx_paygw_generic_invalid(cf, ch, "content_type", &args[i],
                                             "a media type without "
                                             "parameters");
        }

        ngx_strlow(args[i].data, args[i].data, args[i].len);
    }

    return ngx_paygw_channel_list(cf, ch, &conf->types, args, nargs);
}


/* ok|refused|retry STATUS|same [TYPE BODY] */

char *
ngx_paygw_generic_ack(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    size_t            i;
    ngx_int_t         which, status;
    ngx_paygw_ack_t  *ack;

    /* in the order of NGX_PAYGW_GENERIC_ACK_OK and those after it */

    static const ngx_str_t  words[] = {
        ngx_string("ok"),
        ngx_string("refused"),
        ngx_string("retry")
    };

    static const ngx_str_t  same[] = { ngx_string("same") };

    which = ngx_paygw_generic_index(words, NGX_PAYGW_GENERIC_ACKS, &args[0]);

    if (which == NGX_ERROR || nargs == 3) {
        return ngx_paygw_generic_invalid(cf, ch, "ack", &args[0],
                                         "ok, refused or retry, a status, and "
                                         "a media type with a body or "
                                         "neither");
    }

    ack = &conf->acks[which];

    if (conf->acked & ((ngx_uint_t) 1 << which)) {
        return "is duplicate";
    }

    conf->acked |= (ngx_uint_t) 1 << which;

    status = 0;

    if (which == NGX_PAYGW_GENERIC_ACK_OK
        || ngx_paygw_generic_index(same, 1, &args[1]) == NGX_ERROR)
    {
        status = ngx_atoi(args[1].data, args[1].len);

        if (status == 0) {
            status = NGX_ERROR;
        }
    }

    if (status == 0) {
        /* void */

    } else if (status < 200 || status > 599 || (status >= 300 && status < 400)
        || (which == NGX_PAYGW_GENERIC_ACK_OK && status >= 300))
    {
        return ngx_paygw_generic_invalid(cf, ch, "ack", &args[1],
                                         "a status from 200 to 299; for a "
                                         "failure also from 400 to 599, or "
                                         "same");
    }

    ack->status = status;

    if (nargs == 2) {
        return NGX_CONF_OK;
    }

    if (args[3].len > NGX_PAYGW_GENERIC_MAX_ACK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "body of \"ack\" of channel \"%V\" is longer than "
                           "%d bytes", &ch->name, NGX_PAYGW_GENERIC_MAX_ACK);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < args[2].len; i++) {
        if (args[2].data[i] < 0x20 || args[2].data[i] > 0x7e) {
            return ngx_paygw_generic_invalid(cf, ch, "ack", &args[2],
                                             "a media type");
        }
    }

    if (status == 204 && args[3].len) {
        return ngx_paygw_generic_invalid(cf, ch, "ack", &args[1],
                                         "a status that may have a body");
    }

    ack->type = args[2];
    ack->body = args[3];

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_paygw_generic_index(const ngx_str_t *words, ngx_uint_t n, ngx_str_t *word)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (words[i].len == word->len
            && ngx_strncmp(words[i].data, word->data, word->len) == 0)
        {
            return i;
        }
    }

    return NGX_ERROR;
}
