
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic_call.h"
#include "ngx_paygw_channel.h"


/* Whether the parameters of a configured provider make a whole, and work. */


static ngx_uint_t ngx_paygw_generic_called(ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_check_present(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_check_keys(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_check_uses(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_check_use(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_conf_t *conf, const char *name,
    ngx_paygw_expr_t *e);
static ngx_int_t ngx_paygw_generic_check_signed(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_check_time(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_check_event(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_check_acks(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_preflight(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_try_secret(ngx_conf_t *cf,
    ngx_paygw_generic_conf_t *conf, ngx_paygw_generic_key_t *key);
static ngx_int_t ngx_paygw_generic_message(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_paygw_generic_conf_t *conf);


char *
ngx_paygw_generic_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    if (conf->call) {

        if (ngx_paygw_generic_call_check(cf, ch) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        if (!ngx_paygw_generic_called(conf)) {
            ch->calls_only = 1;
            return NGX_CONF_OK;
        }
    }

    if (ngx_paygw_generic_check_present(cf, ch, conf) != NGX_OK
        || ngx_paygw_generic_check_proof(cf, ch) != NGX_OK
        || ngx_paygw_generic_check_time(cf, ch, conf) != NGX_OK
        || ngx_paygw_generic_check_event(cf, ch, conf) != NGX_OK
        || ngx_paygw_generic_check_acks(cf, ch, conf) != NGX_OK
        || ngx_paygw_generic_message(cf, ch, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* 1 if anything is said of callbacks */

static ngx_uint_t
ngx_paygw_generic_called(ngx_paygw_generic_conf_t *conf)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PAYGW_GENERIC_FIELDS; i++) {
        if (conf->fields[i]) {
            return 1;
        }
    }

    return conf->algorithm != NGX_PAYGW_GENERIC_NONE || conf->keys
           || conf->signature || conf->signed_text || conf->acked
           || conf->time.expr || conf->require;
}


ngx_int_t
ngx_paygw_generic_check_proof(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_generic_conf_t  *conf = ch->conf;

    if (ngx_paygw_generic_check_keys(cf, ch, conf) != NGX_OK
        || ngx_paygw_generic_check_uses(cf, ch, conf) != NGX_OK
        || ngx_paygw_generic_check_docs(cf, ch, &conf->env) != NGX_OK
        || ngx_paygw_generic_pieces(cf, ch) != NGX_OK
        || ngx_paygw_generic_check_signed(cf, ch, conf) != NGX_OK
        || ngx_paygw_generic_cover(cf, ch) != NGX_OK
        || ngx_paygw_generic_preflight(cf, ch, conf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_check_present(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_conf_t *conf)
{
    ngx_paygw_expr_t  *id;

    if (ngx_paygw_channel_required(cf, ch,
                                   conf->algorithm != NGX_PAYGW_GENERIC_NONE,
                                   "algorithm")
        != NGX_OK
        || ngx_paygw_channel_required(cf, ch, conf->signature != NULL,
                                      "signature")
           != NGX_OK
        || ngx_paygw_channel_required(cf, ch, conf->signed_text != NULL,
                                      "signed")
           != NGX_OK
        || ngx_paygw_channel_required(cf, ch,
                                      conf->acks[NGX_PAYGW_GENERIC_ACK_OK]
                                          .status != 0,
                                      "ack ok")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    id = conf->fields[NGX_PAYGW_GENERIC_REPLAY_ID];

    if (id && (ngx_paygw_expr_uses(id, "crc32_dec")
               || (ngx_paygw_expr_is(id, "default") && id->words[0].len)))
    {
        return ngx_paygw_generic_error(cf, ch,
                        "has a \"replay_id\" that different events have in "
                        "common: they would be taken for repeats and be lost, "
                        "use hex(sha256(body)) or the like");
    }

    if (id && !(id->op->flags & NGX_PAYGW_EXPR_CONSTANT)) {
        return NGX_OK;
    }

    return ngx_paygw_generic_error(cf, ch,
                        "needs a \"replay_id\" that stays the same when the "
                        "provider repeats a callback: an id of the event, or "
                        "hex(sha256(body)) if it has none");
}


static ngx_int_t
ngx_paygw_generic_check_keys(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_conf_t *conf)
{
    ngx_uint_t                i;
    ngx_paygw_generic_key_t  *key;

    if (conf->keys == NULL) {
        return ngx_paygw_generic_error(cf, ch,
                                conf->algorithm == NGX_PAYGW_GENERIC_SCHEME
                                ? "needs a \"public_key\" or \"certificate\" "
                                  "for its \"algorithm\""
                                : "needs a \"key\" for its \"algorithm\"");
    }

    key = conf->keys->elts;

    for (i = 0; i < conf->keys->nelts; i++) {

        if (conf->algorithm == NGX_PAYGW_GENERIC_SCHEME && !key[i].key) {
            return ngx_paygw_generic_error(cf, ch,
                                "has a \"key\", and its \"algorithm\" takes a "
                                "\"public_key\" or \"certificate\"");
        }

        if (conf->algorithm != NGX_PAYGW_GENERIC_SCHEME && key[i].key) {
            return ngx_paygw_generic_error(cf, ch,
                                "has a \"public_key\" or \"certificate\", and "
                                "its \"algorithm\" takes a \"key\"");
        }

        if (conf->key_id && key[i].id.len == 0) {
            return ngx_paygw_generic_error(cf, ch,
                                "has a \"key_id\", so that each key needs "
                                "\"id=\"");
        }
    }

    return NGX_OK;
}


/* what must stand at certain places only */

static ngx_int_t
ngx_paygw_generic_check_uses(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_conf_t *conf)
{
    ngx_uint_t                    i;
    ngx_paygw_generic_require_t  *req;

    conf->list = ngx_paygw_expr_list(conf->signature);
    conf->keyed = ngx_paygw_expr_uses(conf->signed_text, "secret");

    if (ngx_paygw_expr_list(conf->signed_text)) {
        return ngx_paygw_generic_error(cf, ch,
                                "takes \"all\" of a list outside of "
                                "\"signature\", use \"first\" or \"last\"");
    }

    if (ngx_paygw_expr_uses(conf->signature, "secret")) {
        return ngx_paygw_generic_error(cf, ch,
                                "uses its secret outside of \"signed\"");
    }

    for (i = 0; i < NGX_PAYGW_GENERIC_FIELDS; i++) {
        if (ngx_paygw_generic_check_use(cf, ch, conf,
                                        ngx_paygw_generic_names[i],
                                        conf->fields[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (conf->require) {
        req = conf->require->elts;

        for (i = 0; i < conf->require->nelts; i++) {
            if (ngx_paygw_generic_check_use(cf, ch, conf, "require",
                                            req[i].expr)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    for (i = 0; i < conf->env.ndocs; i++) {
        if (ngx_paygw_generic_check_use(cf, ch, conf, "a document",
                                        conf->env.docs[i].text)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (conf->env.docs[i].kind == NGX_PAYGW_EXPR_ITEM && !conf->each) {
            return ngx_paygw_generic_error(cf, ch,
                                "uses item() without \"each\"");
        }
    }

    if (ngx_paygw_generic_check_use(cf, ch, conf, "amount", conf->amount.expr)
        != NGX_OK
        || ngx_paygw_generic_check_use(cf, ch, conf, "refund_amount",
                                       conf->refund_amount.expr)
           != NGX_OK
        || ngx_paygw_generic_check_use(cf, ch, conf, "time", conf->time.expr)
           != NGX_OK
        || ngx_paygw_generic_check_use(cf, ch, conf, "event_time",
                                       conf->event_time.expr)
           != NGX_OK
        || ngx_paygw_generic_check_use(cf, ch, conf, "key_id", conf->key_id)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a body that is JSON is no form: every message would be malformed */

ngx_int_t
ngx_paygw_generic_check_docs(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_expr_env_t *env)
{
    ngx_uint_t             i, j;
    ngx_paygw_expr_doc_t  *doc;

    doc = env->docs;

    for (i = 1; i < env->ndocs; i++) {
        for (j = 0; j < i; j++) {

            /* a document is there once, so the kinds differ */

            if (doc[i].text && doc[j].text
                && ngx_paygw_expr_same(doc[i].text, doc[j].text))
            {
                return ngx_paygw_generic_error(cf, ch,
                                "reads one text in two ways, choose one of "
                                "json(), form() and xml()");
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_check_use(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_conf_t *conf, const char *name, ngx_paygw_expr_t *e)
{
    if (e && ngx_paygw_expr_list(e)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" of channel \"%V\" takes \"all\" of a list, "
                           "use \"first\" or \"last\"", name, &ch->name);
        return NGX_ERROR;
    }

    if (e && ngx_paygw_expr_uses(e, "secret")) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\" of channel \"%V\" uses its secret, which "
                           "may stand in \"signed\" only", name, &ch->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_check_signed(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_conf_t *conf)
{
    ngx_uint_t         i;
    ngx_paygw_expr_t   body, *last;

    ngx_memzero(&body, sizeof(ngx_paygw_expr_t));

    body.op = ngx_paygw_expr_op("body");

    conf->body_signed = ngx_paygw_generic_covered(conf, &body);

    if (conf->algorithm == NGX_PAYGW_GENERIC_DIGEST && !conf->keyed) {
        return ngx_paygw_generic_error(cf, ch,
                                "has a digest without secret in \"signed\": "
                                "anyone could compute it");
    }

    last = conf->pieces[conf->npieces - 1].expr;

    if (conf->algorithm == NGX_PAYGW_GENERIC_DIGEST && !conf->confirm
        && !ngx_paygw_expr_is(last, "secret"))
    {
        return ngx_paygw_generic_error(cf, ch,
                                "has a digest whose last part is not the "
                                "secret: bytes could be added to what is "
                                "signed, use \"confirm query\" if the provider "
                                "will have it so");
    }

    for (i = 0; i < conf->npieces; i++) {
        if (ngx_paygw_generic_proves(conf, conf->pieces[i].expr)) {
            break;
        }
    }

    if (i == conf->npieces && !conf->confirm) {
        return ngx_paygw_generic_error(cf, ch,
                                conf->env.side == NGX_PAYGW_EXPR_CALLBACK
                                ? "signs nothing of the body, sign it, or "
                                  "mark every event by \"confirm query\""
                                : "sign nothing of the body");
    }

    if (conf->each && !ngx_paygw_expr_uses(conf->signed_text, "item")) {
        return ngx_paygw_generic_error(cf, ch,
                                "has \"each\", but no item() in \"signed\"");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_check_time(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_conf_t *conf)
{
    if (conf->back == NGX_CONF_UNSET) {
        conf->back = ch->window / 1000;
    }

    if (conf->forward == NGX_CONF_UNSET) {
        conf->forward = ch->window / 1000;
    }

    if (conf->time.expr
        && (ngx_msec_t) (conf->back + conf->forward) > ch->keep / 1000)
    {
        return ngx_paygw_generic_error(cf, ch,
                                "has an \"event_ttl\" that is shorter than "
                                "the window of its \"time\": a callback could "
                                "be replayed, make the window smaller");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_check_event(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_conf_t *conf)
{
    if ((conf->map || conf->ignore)
        && conf->fields[NGX_PAYGW_GENERIC_KIND] == NULL)
    {
        return ngx_paygw_generic_error(cf, ch,
                                "has \"map\" or \"ignore\" without \"kind\"");
    }

    if ((conf->amount.expr || conf->refund_amount.expr)
        && conf->fields[NGX_PAYGW_GENERIC_CURRENCY] == NULL)
    {
        return ngx_paygw_generic_error(cf, ch,
                                "has an amount without \"currency\"");
    }

    conf->one_amount = conf->amount.expr && conf->refund_amount.expr
                       && ngx_paygw_expr_same(conf->amount.expr,
                                              conf->refund_amount.expr);

    return NGX_OK;
}


/* an answer to a refusal must not be what the provider takes for success */

static ngx_int_t
ngx_paygw_generic_check_acks(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_conf_t *conf)
{
    ngx_uint_t        i;
    ngx_paygw_ack_t  *ok, *ack;

    ok = &conf->acks[NGX_PAYGW_GENERIC_ACK_OK];

    for (i = NGX_PAYGW_GENERIC_ACK_REFUSED; i < NGX_PAYGW_GENERIC_ACKS; i++) {
        ack = &conf->acks[i];

        if (ack->status == 0 || ack->status >= 300) {
            continue;
        }

        if (ok->body.len && ack->body.len
            && (ok->body.len != ack->body.len
                || ngx_strncmp(ok->body.data, ack->body.data, ok->body.len)
                   != 0))
        {
            continue;
        }

        return ngx_paygw_generic_error(cf, ch,
                                "answers a failure as it answers a success, "
                                "give \"ack refused\" and \"ack retry\" a "
                                "status of 400 or more or another body");
    }

    return NGX_OK;
}


/* a fixed string is signed and verified with what is configured */

static ngx_int_t
ngx_paygw_generic_preflight(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_conf_t *conf)
{
    ngx_uint_t                i;
    ngx_paygw_generic_key_t  *key;

    key = conf->keys->elts;

    for (i = 0; i < conf->keys->nelts; i++) {

        if (conf->algorithm == NGX_PAYGW_GENERIC_SCHEME) {

            if (ngx_paygw_channel_probe(cf, ch, conf->scheme, key[i].key,
                                        key[i].key->cert ? "certificate"
                                                         : "public_key")
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        if (ngx_paygw_generic_try_secret(cf, conf, &key[i]) != NGX_OK) {
            return ngx_paygw_generic_error(cf, ch,
                                "has an \"algorithm\" that this OpenSSL "
                                "does not offer");
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_try_secret(ngx_conf_t *cf, ngx_paygw_generic_conf_t *conf,
    ngx_paygw_generic_key_t *key)
{
    u_char     buf[NGX_PAYGW_HASH_MAX];
    ngx_int_t  rc;
    ngx_str_t  text, code;

    ngx_str_set(&text, "paygw");

    code.data = buf;

    if (conf->algorithm == NGX_PAYGW_GENERIC_HMAC) {
        rc = ngx_paygw_hmac(conf->hash, &key->secret, &text, 1, buf,
                            &code.len, cf->log);
    } else {
        rc = ngx_paygw_hash(conf->hash, &text, 1, buf, &code.len, cf->log);
    }

    if (rc != NGX_OK
        || ngx_paygw_generic_match(conf, key, &text, 1, &code, 1, cf->log)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    buf[0] ^= 1;

    rc = ngx_paygw_generic_match(conf, key, &text, 1, &code, 1, cf->log);

    return (rc == NGX_DECLINED) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_paygw_generic_message(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_paygw_generic_conf_t *conf)
{
    ngx_str_t  *type;

    /* the one after the last is empty */

    ch->headers = conf->env.headers;

    if (conf->types) {

        type = ngx_array_push(conf->types);
        if (type == NULL) {
            return NGX_ERROR;
        }

        ngx_str_null(type);

        ch->content_types = conf->types->elts;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_generic_error(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *text)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "channel \"%V\" %s", &ch->name,
                       text);

    return NGX_ERROR;
}
