
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_text.h"


/* Time, signature and account of a callback of a configured provider. */


typedef struct {
    ngx_str_t                    parts[NGX_PAYGW_GENERIC_MAX_PIECES];
    ngx_str_t                    sigs[NGX_PAYGW_GENERIC_MAX_SIGNATURES];
    ngx_uint_t                   nsigs;
} ngx_paygw_generic_proof_t;


static ngx_int_t ngx_paygw_generic_items(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_fresh(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_signatures(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf, ngx_paygw_generic_proof_t *proof);
static ngx_int_t ngx_paygw_generic_keyring(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf, ngx_paygw_generic_proof_t *proof);
static ngx_int_t ngx_paygw_generic_parts(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf, ngx_str_t *parts);
static ngx_int_t ngx_paygw_generic_forged(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf, ngx_paygw_generic_proof_t *proof);


ngx_int_t
ngx_paygw_generic_verify(ngx_paygw_notify_t *n)
{
    ngx_int_t                  rc;
    ngx_paygw_generic_conf_t  *conf;

    conf = n->channels[0]->conf;

    rc = conf->each ? ngx_paygw_generic_items(n, conf)
                    : ngx_paygw_generic_one(n, conf);

    if (rc == NGX_OK) {
        n->genuine = 1;
        rc = ngx_paygw_generic_account(n, conf);
    }

    if (rc == NGX_OK) {
        n->channel = n->channels[0];
    }

    return rc;
}


/*
 * Each item is verified for itself, and one item is one event.  Items that are
 * signed one by one can be put together anew by anybody, so that no more than
 * one is taken: a message is handed over as a whole or not at all.
 */

static ngx_int_t
ngx_paygw_generic_items(ngx_paygw_notify_t *n, ngx_paygw_generic_conf_t *conf)
{
    ngx_int_t                 rc;
    ngx_uint_t                i, count;
    ngx_paygw_json_t         *array, *item;
    ngx_paygw_expr_ctx_t     *ctx;

    ctx = &((ngx_paygw_generic_ctx_t *) n->data)->expr;

    rc = ngx_paygw_expr_read(ctx, conf->each->index);
    if (rc != NGX_OK) {
        return rc;
    }

    array = ngx_paygw_expr_follow(ctx->docs[conf->each->index].root,
                                  conf->each->data);

    if (array == NULL || array->type != NGX_PAYGW_JSON_ARRAY
        || array->child == NULL)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "no items");
    }

    count = 0;

    for (item = array->child; item; item = item->next) {

        if (++count > NGX_PAYGW_GENERIC_MAX_ITEMS) {
            return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                    "too many items");
        }

        /* a document inside an item is another one in each */

        for (i = 0; i < ctx->env->ndocs; i++) {
            if (i != conf->each->index) {
                ctx->docs[i].ready = 0;
            }
        }

        ctx->item = item;

        rc = ngx_paygw_generic_one(n, conf);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (count > 1) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "more than one item, have the provider send "
                                "one by one");
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_generic_one(ngx_paygw_notify_t *n, ngx_paygw_generic_conf_t *conf)
{
    ngx_int_t                  rc;
    ngx_paygw_generic_proof_t  proof;

    rc = ngx_paygw_generic_fresh(n, conf);

    if (rc == NGX_OK) {
        rc = ngx_paygw_generic_signatures(n, conf, &proof);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_generic_keyring(n, conf, &proof);
    }

    return rc;
}


static ngx_int_t
ngx_paygw_generic_fresh(ngx_paygw_notify_t *n, ngx_paygw_generic_conf_t *conf)
{
    time_t                    age;
    ngx_int_t                 rc;
    ngx_paygw_generic_ctx_t  *ctx = n->data;

    if (conf->time.expr == NULL) {
        return NGX_OK;
    }

    rc = ngx_paygw_generic_when(n, &conf->time, "invalid time", &ctx->time);

    if (rc == NGX_DECLINED) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "no time");
    }

    if (rc != NGX_OK) {
        return rc;
    }

    age = n->msg.now - ctx->time;

    if (age > conf->back || -age > conf->forward) {
        return ngx_paygw_refuse_clock(n, ctx->time);
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_generic_when(ngx_paygw_notify_t *n,
    ngx_paygw_generic_clock_t *clock, char *hint, time_t *t)
{
    size_t                    i;
    ngx_int_t                 rc;
    ngx_str_t                 text;
    ngx_paygw_generic_ctx_t  *ctx = n->data;

    rc = ngx_paygw_expr_eval(&ctx->expr, clock->expr, &text);
    if (rc != NGX_OK) {
        return rc;
    }

    switch (clock->format) {

    case NGX_PAYGW_GENERIC_ISO8601:
        rc = ngx_paygw_rfc3339_parse(&text, t);
        break;

    case NGX_PAYGW_GENERIC_MS:

        for (i = 1; i <= 3 && i <= text.len; i++) {
            if (text.data[text.len - i] < '0'
                || text.data[text.len - i] > '9')
            {
                break;
            }
        }

        rc = NGX_ABORT;

        if (i == 4) {
            text.len -= 3;
            rc = ngx_paygw_timestamp_parse(&text, t);
        }

        break;

    default: /* NGX_PAYGW_GENERIC_S */
        rc = ngx_paygw_timestamp_parse(&text, t);
    }

    if (rc != NGX_OK) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                hint);
    }

    return NGX_OK;
}


/*
 * The signatures that the message offers.  One that is not in its encoding is
 * no signature; providers add others of their own while a key changes.
 */

static ngx_int_t
ngx_paygw_generic_signatures(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf, ngx_paygw_generic_proof_t *proof)
{
    ngx_int_t              rc;
    ngx_str_t              text;
    ngx_uint_t             i;
    ngx_paygw_expr_ctx_t  *ctx;

    /* in the order of ngx_paygw_encoding_e; a signature is never text */

    static const char  *hints[] = {
        NULL,
        "no signature in hex",
        "no signature in base64",
        "no signature in base64url"
    };

    ctx = &((ngx_paygw_generic_ctx_t *) n->data)->expr;

    proof->nsigs = 0;

    for (i = 0; i < NGX_PAYGW_GENERIC_MAX_SIGNATURES; i++) {

        ctx->skip = i;
        ctx->found = 0;

        rc = ngx_paygw_expr_eval(ctx, conf->signature, &text);

        if (rc == NGX_OK) {
            rc = ngx_paygw_decode(conf->encoding, n->pool,
                                  &proof->sigs[proof->nsigs], &text);

            if (rc == NGX_ERROR) {
                return ngx_paygw_refuse(n, NGX_ERROR,
                                        NGX_PAYGW_REASON_INTERNAL, NULL);
            }

            if (rc == NGX_OK && proof->sigs[proof->nsigs].len) {
                proof->nsigs++;
            }

        } else if (rc != NGX_DECLINED) {
            return rc;
        }

        if (!conf->list || !ctx->found) {
            break;
        }
    }

    if (proof->nsigs == 0) {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGNATURE,
                                hints[conf->encoding]);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_keyring(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf, ngx_paygw_generic_proof_t *proof)
{
    ngx_int_t                 rc;
    ngx_str_t                 id;
    ngx_uint_t                i, known, tried;
    ngx_paygw_generic_key_t  *key;
    ngx_paygw_expr_ctx_t     *ctx;

    ctx = &((ngx_paygw_generic_ctx_t *) n->data)->expr;

    if (conf->key_id) {

        rc = ngx_paygw_expr_eval(ctx, conf->key_id, &id);

        if (rc == NGX_DECLINED) {
            return ngx_paygw_refuse(n, NGX_DECLINED,
                                    NGX_PAYGW_REASON_UNKNOWN_KEY,
                                    "no key id");
        }

        if (rc != NGX_OK) {
            return rc;
        }

        ngx_paygw_note_key(n, &id);
    }

    known = 0;
    tried = 0;
    key = conf->keys->elts;

    for (i = 0; i < conf->keys->nelts; i++) {

        if (conf->key_id
            && (key[i].id.len != id.len
                || ngx_strncmp(key[i].id.data, id.data, id.len) != 0))
        {
            continue;
        }

        known = 1;

        if (key[i].key && !ngx_paygw_channel_usable(key[i].key, n->msg.now)) {
            continue;
        }

        ctx->secret = key[i].secret;

        if (tried == 0 || conf->keyed) {
            rc = ngx_paygw_generic_parts(n, conf, proof->parts);
            if (rc != NGX_OK) {
                return rc;
            }
        }

        tried = 1;

        rc = ngx_paygw_generic_match(conf, &key[i], proof->parts,
                                     conf->npieces, proof->sigs, proof->nsigs,
                                     n->log);
        if (rc == NGX_OK) {
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {
            return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL,
                                    NULL);
        }
    }

    if (!tried) {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_UNKNOWN_KEY,
                                known ? "certificate is expired or not yet "
                                        "valid"
                                      : "unknown key id");
    }

    return ngx_paygw_generic_forged(n, conf, proof);
}


static ngx_int_t
ngx_paygw_generic_parts(ngx_paygw_notify_t *n, ngx_paygw_generic_conf_t *conf,
    ngx_str_t *parts)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i;
    ngx_paygw_expr_ctx_t       *ctx;
    ngx_paygw_generic_piece_t  *piece;

    ctx = &((ngx_paygw_generic_ctx_t *) n->data)->expr;

    for (i = 0; i < conf->npieces; i++) {

        piece = &conf->pieces[i];

        rc = ngx_paygw_expr_eval(ctx, piece->expr, &parts[i]);

        if (rc == NGX_DECLINED) {
            return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                    "a signed value is missing");
        }

        if (rc != NGX_OK) {
            return rc;
        }

        if (piece->stop != -1
            && ngx_strlchr(parts[i].data, parts[i].data + parts[i].len,
                           (u_char) piece->stop))
        {
            return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                    "a signed value holds its separator");
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_generic_match(ngx_paygw_generic_conf_t *conf,
    ngx_paygw_generic_key_t *key, ngx_str_t *parts, ngx_uint_t nparts,
    ngx_str_t *sigs, ngx_uint_t nsigs, ngx_log_t *log)
{
    u_char      buf[NGX_PAYGW_HASH_MAX];
    ngx_int_t   rc;
    ngx_str_t   code;
    ngx_uint_t  i;

    if (conf->algorithm == NGX_PAYGW_GENERIC_SCHEME) {

        for (i = 0; i < nsigs; i++) {
            rc = ngx_paygw_verify(conf->scheme, key->key, parts, nparts,
                                  &sigs[i], log);
            if (rc != NGX_DECLINED) {
                return rc;
            }
        }

        return NGX_DECLINED;
    }

    if (conf->algorithm == NGX_PAYGW_GENERIC_HMAC) {
        rc = ngx_paygw_hmac(conf->hash, &key->secret, parts, nparts, buf,
                            &code.len, log);
    } else {
        rc = ngx_paygw_hash(conf->hash, parts, nparts, buf, &code.len, log);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    code.data = buf;

    for (i = 0; i < nsigs; i++) {
        if (ngx_paygw_equal(&code, &sigs[i])) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* a digest of what holds the secret does not belong into a log */

static ngx_int_t
ngx_paygw_generic_forged(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf, ngx_paygw_generic_proof_t *proof)
{
    if (conf->keyed) {
        return ngx_paygw_refuse(n, NGX_DECLINED, NGX_PAYGW_REASON_SIGNATURE,
                                NULL);
    }

    return ngx_paygw_refuse_signature(n, NGX_PAYGW_REASON_SIGNATURE,
                                      proof->parts, conf->npieces, NULL);
}


ngx_int_t
ngx_paygw_generic_account(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf)
{
    ngx_int_t                     rc;
    ngx_str_t                     value;
    ngx_uint_t                    i;
    ngx_paygw_expr_ctx_t         *ctx;
    ngx_paygw_generic_require_t  *req;

    if (conf->require == NULL) {
        return NGX_OK;
    }

    ctx = &((ngx_paygw_generic_ctx_t *) n->data)->expr;
    req = conf->require->elts;

    for (i = 0; i < conf->require->nelts; i++) {

        rc = ngx_paygw_expr_eval(ctx, req[i].expr, &value);

        if (rc == NGX_DECLINED) {
            ngx_str_set(&value, "");

        } else if (rc != NGX_OK) {
            return rc;
        }

        if (!ngx_paygw_channel_has(req[i].values, &value)) {
            return ngx_paygw_refuse(n, NGX_DECLINED,
                                    NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                    "a required value is another");
        }
    }

    return NGX_OK;
}
