
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic.h"


/* The parameters of a configured provider, those that are an expression. */


#define ngx_paygw_generic_field(name)                                         \
    offsetof(ngx_paygw_generic_conf_t, fields[NGX_PAYGW_GENERIC_##name])


typedef struct {
    ngx_str_t                name;
    size_t                   offset;      /* of an ngx_paygw_expr_t * */
} ngx_paygw_generic_slot_t;


static char *ngx_paygw_generic_plain(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_generic_currency(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_generic_each(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_generic_url(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);
static char *ngx_paygw_generic_xml_root(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *args, ngx_uint_t nargs);


const ngx_paygw_param_t  ngx_paygw_generic_params[] = {

    { ngx_string("algorithm"), 1, 1, 0,
      ngx_paygw_generic_algorithm },

    { ngx_string("key"), 1, 4, 1,
      ngx_paygw_generic_key },

    { ngx_string("public_key"), 1, 2, 1,
      ngx_paygw_generic_public_key },

    { ngx_string("certificate"), 1, 2, 1,
      ngx_paygw_generic_certificate },

    { ngx_string("key_id"), 1, 1, 0,
      ngx_paygw_generic_plain },

    { ngx_string("signature"), 2, 2, 0,
      ngx_paygw_generic_signature },

    { ngx_string("signed"), 1, 1, 0,
      ngx_paygw_generic_plain },

    { ngx_string("time"), 2, 4, 0,
      ngx_paygw_generic_time },

    { ngx_string("url"), 1, 1, 0,
      ngx_paygw_generic_url },

    { ngx_string("xml_root"), 1, 1, 0,
      ngx_paygw_generic_xml_root },

    { ngx_string("each"), 1, 1, 0,
      ngx_paygw_generic_each },

    { ngx_string("decrypt_key"), 1, 3, 0,
      ngx_paygw_generic_decrypt_key },

    { ngx_string("decrypt"), 1, 1, 0,
      ngx_paygw_generic_plain },

    { ngx_string("replay_id"), 1, 1, 0,
      ngx_paygw_generic_plain },

    { ngx_string("kind"), 1, 1, 0,
      ngx_paygw_generic_plain },

    { ngx_string("map"), 2, 3, 1,
      ngx_paygw_generic_map },

    { ngx_string("ignore"), 1, 64, 1,
      ngx_paygw_generic_ignore },

    { ngx_string("order_id"), 1, 1, 0,
      ngx_paygw_generic_plain },

    { ngx_string("trade_no"), 1, 1, 0,
      ngx_paygw_generic_plain },

    { ngx_string("amount"), 2, 2, 0,
      ngx_paygw_generic_amount },

    { ngx_string("currency"), 1, 1, 0,
      ngx_paygw_generic_currency },

    { ngx_string("refund_id"), 1, 1, 0,
      ngx_paygw_generic_plain },

    { ngx_string("refund_no"), 1, 1, 0,
      ngx_paygw_generic_plain },

    { ngx_string("refund_amount"), 2, 2, 0,
      ngx_paygw_generic_refund_amount },

    { ngx_string("payer"), 1, 1, 0,
      ngx_paygw_generic_plain },

    { ngx_string("event_time"), 2, 2, 0,
      ngx_paygw_generic_event_time },

    { ngx_string("require"), 2, 64, 1,
      ngx_paygw_generic_require },

    { ngx_string("confirm"), 1, 1, 0,
      ngx_paygw_generic_confirm },

    { ngx_string("content_type"), 1, 16, 1,
      ngx_paygw_generic_content_type },

    { ngx_string("ack"), 2, 4, 1,
      ngx_paygw_generic_ack },

    /* of calls */

    { ngx_string("request_algorithm"), 1, 1, 0,
      ngx_paygw_generic_call_algorithm },

    { ngx_string("request_key"), 1, 3, 0,
      ngx_paygw_generic_call_key },

    { ngx_string("request_private_key"), 1, 1, 0,
      ngx_paygw_generic_call_private_key },

    { ngx_string("request_signed"), 1, 1, 0,
      ngx_paygw_generic_call_signed },

    { ngx_string("request_header"), 2, 2, 1,
      ngx_paygw_generic_call_set },

    { ngx_string("request_query"), 2, 2, 1,
      ngx_paygw_generic_call_set },

    { ngx_string("request_form"), 2, 2, 1,
      ngx_paygw_generic_call_set },

    { ngx_string("request_json"), 2, 3, 1,
      ngx_paygw_generic_call_set },

    { ngx_string("request_xml"), 2, 2, 1,
      ngx_paygw_generic_call_set },

    { ngx_string("request_xml_root"), 1, 1, 0,
      ngx_paygw_generic_call_root },

    { ngx_string("request_pass"), 1, 16, 1,
      ngx_paygw_generic_call_pass },

    { ngx_string("request_content_type"), 1, 16, 1,
      ngx_paygw_generic_call_type },

    { ngx_string("request_require"), 2, 64, 1,
      ngx_paygw_generic_call_require },

    { ngx_string("idempotency_header"), 1, 1, 0,
      ngx_paygw_generic_call_idempotency },

    { ngx_string("operation"), 1, 1, 0,
      ngx_paygw_generic_call_operation },

    { ngx_string("reads"), 1, 64, 1,
      ngx_paygw_generic_call_kind },

    { ngx_string("once"), 1, 64, 1,
      ngx_paygw_generic_call_kind },

    { ngx_string("unsigned"), 1, 64, 1,
      ngx_paygw_generic_call_kind },

    { ngx_string("answers"), 1, 1, 0,
      ngx_paygw_generic_call_answers },

    { ngx_string("answer_algorithm"), 1, 1, 0,
      ngx_paygw_generic_call_answer },

    { ngx_string("answer_key"), 1, 4, 1,
      ngx_paygw_generic_call_answer },

    { ngx_string("answer_public_key"), 1, 2, 1,
      ngx_paygw_generic_call_answer },

    { ngx_string("answer_certificate"), 1, 2, 1,
      ngx_paygw_generic_call_answer },

    { ngx_string("answer_key_id"), 1, 1, 0,
      ngx_paygw_generic_call_answer },

    { ngx_string("answer_signature"), 2, 2, 0,
      ngx_paygw_generic_call_answer },

    { ngx_string("answer_signed"), 1, 1, 0,
      ngx_paygw_generic_call_answer },

    { ngx_string("answer_time"), 2, 4, 0,
      ngx_paygw_generic_call_answer },

    { ngx_string("answer_xml_root"), 1, 1, 0,
      ngx_paygw_generic_call_answer },

    { ngx_string("answer_require"), 2, 64, 1,
      ngx_paygw_generic_call_answer },

    { ngx_string("answer_about"), 2, 2, 1,
      ngx_paygw_generic_call_about },

    { ngx_string("answer_retry"), 2, 64, 1,
      ngx_paygw_generic_call_words },

    { ngx_string("answer_success"), 2, 64, 1,
      ngx_paygw_generic_call_words },

    { ngx_null_string, 0, 0, 0, NULL }
};


/* those that are an expression and no more, and where it goes */

static const ngx_paygw_generic_slot_t  ngx_paygw_generic_slots[] = {

    { ngx_string("key_id"),
      offsetof(ngx_paygw_generic_conf_t, key_id) },

    { ngx_string("signed"),
      offsetof(ngx_paygw_generic_conf_t, signed_text) },

    { ngx_string("decrypt"),
      offsetof(ngx_paygw_generic_conf_t, env.decrypt) },

    { ngx_string("replay_id"),
      ngx_paygw_generic_field(REPLAY_ID) },

    { ngx_string("kind"),
      ngx_paygw_generic_field(KIND) },

    { ngx_string("order_id"),
      ngx_paygw_generic_field(ORDER_ID) },

    { ngx_string("trade_no"),
      ngx_paygw_generic_field(TRADE_NO) },

    { ngx_string("refund_id"),
      ngx_paygw_generic_field(REFUND_ID) },

    { ngx_string("refund_no"),
      ngx_paygw_generic_field(REFUND_NO) },

    { ngx_string("payer"),
      ngx_paygw_generic_field(PAYER) },

    { ngx_null_string, 0 }
};


const char  *ngx_paygw_generic_names[] = {
    "replay_id",
    "kind",
    "order_id",
    "trade_no",
    "currency",
    "refund_id",
    "refund_no",
    "payer"
};


ngx_int_t
ngx_paygw_generic_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_generic_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_generic_conf_t));
    if (conf == NULL) {
        return NGX_ERROR;
    }

    conf->env.channel = &ch->name;
    conf->back = NGX_CONF_UNSET;
    conf->forward = NGX_CONF_UNSET;

    ngx_str_set(&conf->env.xml_root, "xml");

    ch->conf = conf;

    return NGX_OK;
}


char *
ngx_paygw_generic_expr(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *text, ngx_paygw_expr_t **e)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    if (ngx_paygw_expr_compile(cf, &conf->env, name, text, e) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_paygw_generic_invalid(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *value, const char *fix)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%s\" of channel \"%V\": \"%V\", it must "
                       "be %s", name, &ch->name, value, fix);

    return NGX_CONF_ERROR;
}


ngx_str_t
ngx_paygw_generic_name(ngx_conf_t *cf)
{
    ngx_str_t  name;

    name = ((ngx_str_t *) cf->args->elts)[0];

    if (ngx_strncmp(name.data, "answer_", sizeof("answer_") - 1) == 0) {
        name.data += sizeof("answer_") - 1;
        name.len -= sizeof("answer_") - 1;
    }

    return name;
}


static char *
ngx_paygw_generic_plain(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    u_char                          *conf = ch->conf;

    ngx_str_t                        name;
    const ngx_paygw_generic_slot_t  *slot;

    name = ngx_paygw_generic_name(cf);

    for (slot = ngx_paygw_generic_slots; slot->name.len; slot++) {

        if (slot->name.len == name.len
            && ngx_strncmp(slot->name.data, name.data, name.len) == 0)
        {
            return ngx_paygw_generic_expr(cf, ch,
                                          (const char *) slot->name.data,
                                          &args[0],
                                          (ngx_paygw_expr_t **)
                                          (conf + slot->offset));
        }
    }

    return NGX_CONF_ERROR;
}


/* three capital letters are the currency itself; a bare word is a mistake */

static char *
ngx_paygw_generic_currency(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    u_char  c;
    size_t  i, capitals;

    capitals = 0;

    for (i = 0; i < args[0].len; i++) {
        c = args[0].data[i];

        if ((c | 0x20) < 'a' || (c | 0x20) > 'z') {
            return ngx_paygw_generic_expr(cf, ch, "currency", &args[0],
                                &conf->fields[NGX_PAYGW_GENERIC_CURRENCY]);
        }

        capitals += (c <= 'Z');
    }

    if (i != 3 || capitals != 3) {
        return ngx_paygw_generic_invalid(cf, ch, "currency", &args[0],
                                         "an expression or a currency such "
                                         "as EUR");
    }

    conf->fields[NGX_PAYGW_GENERIC_CURRENCY] =
                                          ngx_paygw_expr_string(cf, &args[0]);

    return conf->fields[NGX_PAYGW_GENERIC_CURRENCY] ? NGX_CONF_OK
                                                    : NGX_CONF_ERROR;
}


static char *
ngx_paygw_generic_each(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    u_char     *p;
    ngx_str_t   text;

    p = ngx_pnalloc(cf->pool, args[0].len + sizeof("json(\"\")") - 1);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    text.data = p;
    text.len = ngx_sprintf(p, "json(\"%V\")", &args[0]) - p;

    return ngx_paygw_generic_expr(cf, ch, "each", &text, &conf->each);
}


static char *
ngx_paygw_generic_url(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    if (args[0].len == 0) {
        return "must not be empty";
    }

    conf->env.url = args[0];

    return NGX_CONF_OK;
}


static char *
ngx_paygw_generic_xml_root(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    if (args[0].len == 0) {
        return "must not be empty";
    }

    /* a word of the configuration ends with a NUL */

    conf->env.xml_root = args[0];

    return NGX_CONF_OK;
}
