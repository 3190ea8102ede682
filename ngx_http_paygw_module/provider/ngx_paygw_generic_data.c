
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_text.h"


/* What the shop is told of a message beside the event: what is signed. */


static ngx_int_t ngx_paygw_generic_document(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_whole(ngx_paygw_notify_t *n,
    ngx_paygw_expr_env_t *env, ngx_uint_t index);
static ngx_int_t ngx_paygw_generic_some(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_write(ngx_paygw_notify_t *n,
    ngx_paygw_field_t *fields, ngx_uint_t nfields);


ngx_int_t
ngx_paygw_generic_data(ngx_paygw_notify_t *n)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i, nfields;
    ngx_paygw_expr_t          *e;
    ngx_paygw_field_t         *fields;
    ngx_paygw_generic_ctx_t   *ctx = n->data;
    ngx_paygw_generic_conf_t  *conf;

    conf = n->channel->conf;

    rc = ngx_paygw_generic_document(n, conf);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    for (i = 0; i < conf->npieces; i++) {

        e = conf->pieces[i].expr;

        /* values alone do not say whose they are */

        if (e->op->eval != ngx_paygw_expr_sorted_params
            || (((ngx_paygw_expr_sorted_t *) e->data)->values
                && !conf->confirm))
        {
            continue;
        }

        rc = ngx_paygw_expr_fields(&ctx->expr, e, &fields, &nfields);
        if (rc != NGX_OK) {
            return rc;
        }

        return ngx_paygw_generic_write(n, fields, nfields);
    }

    return ngx_paygw_generic_some(n, conf);
}


/* a document that was decrypted, or the body if it is signed as a whole */

static ngx_int_t
ngx_paygw_generic_document(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf)
{
    ngx_uint_t             i;
    ngx_paygw_expr_doc_t  *doc;

    doc = conf->env.docs;

    for (i = 0; conf->env.decrypt && i < conf->env.ndocs; i++) {
        if (doc[i].text
            && ngx_paygw_expr_same(doc[i].text, conf->env.decrypt))
        {
            return ngx_paygw_generic_whole(n, &conf->env, i);
        }
    }

    if (!conf->body_signed && !conf->confirm) {
        return NGX_DECLINED;
    }

    for (i = 0; i < conf->env.ndocs; i++) {
        if (doc[i].text && ngx_paygw_expr_is(doc[i].text, "body")) {
            return ngx_paygw_generic_whole(n, &conf->env, i);
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_paygw_generic_whole(ngx_paygw_notify_t *n, ngx_paygw_expr_env_t *env,
    ngx_uint_t index)
{
    ngx_int_t                 rc;
    ngx_paygw_expr_ctx_t     *ctx;

    ctx = &((ngx_paygw_generic_ctx_t *) n->data)->expr;

    rc = ngx_paygw_expr_read(ctx, index);
    if (rc != NGX_OK) {
        return rc;
    }

    if (env->docs[index].kind != NGX_PAYGW_EXPR_JSON) {
        return ngx_paygw_generic_write(n, ctx->docs[index].form.fields,
                                       ctx->docs[index].form.nfields);
    }

    if (ctx->docs[index].root->type != NGX_PAYGW_JSON_OBJECT) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "not a JSON object");
    }

    n->event.data = ctx->docs[index].text;

    return NGX_OK;
}


/* the values that are signed one by one, under their pointers or names */

static ngx_int_t
ngx_paygw_generic_some(ngx_paygw_notify_t *n, ngx_paygw_generic_conf_t *conf)
{
    ngx_int_t                 rc;
    ngx_uint_t                i, nfields;
    ngx_paygw_expr_t         *e;
    ngx_paygw_field_t         fields[NGX_PAYGW_GENERIC_MAX_PIECES];
    ngx_paygw_generic_ctx_t  *ctx = n->data;

    nfields = 0;

    for (i = 0; i < conf->npieces; i++) {

        e = conf->pieces[i].expr;

        if (ngx_paygw_expr_is(e, "default") && e->words[0].len == 0) {
            e = e->args[0];
        }

        if (e->op->eval != ngx_paygw_expr_json
            && e->op->eval != ngx_paygw_expr_field)
        {
            continue;
        }

        rc = ngx_paygw_expr_eval(&ctx->expr, e, &fields[nfields].value);

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc != NGX_OK) {
            return rc;
        }

        fields[nfields++].name = e->words[0];
    }

    return ngx_paygw_generic_write(n, fields, nfields);
}


static ngx_int_t
ngx_paygw_generic_write(ngx_paygw_notify_t *n, ngx_paygw_field_t *fields,
    ngx_uint_t nfields)
{
    ngx_uint_t        i;
    ngx_paygw_form_t  form;

    static const char  *none[] = { NULL };

    for (i = 0; i < nfields; i++) {
        if (!ngx_paygw_utf8_valid(&fields[i].name)
            || !ngx_paygw_utf8_valid(&fields[i].value))
        {
            return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                    "a value is not UTF-8");
        }
    }

    form.fields = fields;
    form.nfields = nfields;
    form.sorted = 0;

    return ngx_paygw_event_fields(n, &form, none, 0);
}
