
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_page.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_explain.h"
#include "ngx_paygw_fields.h"


/*
 * Answers of UnionPay's gateway, whose fields are not encoded, and the page for
 * the payer's browser.  The caller gets the fields that were signed, sorted,
 * and their signature.
 */


static ngx_int_t ngx_paygw_unionpay_parse_answer(ngx_paygw_exchange_t *x,
    ngx_paygw_unionpay_ctx_t *ctx);
static ngx_int_t ngx_paygw_unionpay_sense(ngx_paygw_exchange_t *x,
    ngx_paygw_unionpay_ctx_t *ctx);
static ngx_int_t ngx_paygw_unionpay_reply(ngx_paygw_exchange_t *x,
    ngx_paygw_unionpay_ctx_t *ctx);
static ngx_int_t ngx_paygw_unionpay_type(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form, const char *type);


static const ngx_paygw_exchange_pair_t  ngx_paygw_unionpay_pairs[] = {
    { "orderId", "orderId" },
    { "txnTime", "txnTime" },
    { "txnType", "txnType" },
    { NULL, NULL }
};


ngx_int_t
ngx_paygw_unionpay_check_answer(ngx_paygw_exchange_t *x)
{
    ngx_int_t                   rc;
    ngx_str_t                   none;
    ngx_paygw_unionpay_ctx_t   *ctx;
    ngx_paygw_unionpay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    ngx_str_null(&none);

    if (x->status != 200) {
        return ngx_paygw_exchange_unsigned(x, ngx_paygw_unionpay_answers, &none,
                                           &none);
    }

    ctx = ngx_pcalloc(x->n.pool, sizeof(ngx_paygw_unionpay_ctx_t));
    if (ctx == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    x->n.data = ctx;

    rc = ngx_paygw_unionpay_parse_answer(x, ctx);

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_pinned(&x->n, &ctx->form, conf);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_signature(&x->n, ctx, conf);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_exchange_hidden(x, &ctx->form,
                                       ngx_paygw_unionpay_names,
                                       ngx_paygw_unionpay_words);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_sense(x, ctx);
    }

    return (rc == NGX_OK) ? ngx_paygw_unionpay_reply(x, ctx) : rc;
}


static ngx_int_t
ngx_paygw_unionpay_parse_answer(ngx_paygw_exchange_t *x,
    ngx_paygw_unionpay_ctx_t *ctx)
{
    char       *err;
    ngx_int_t   rc;
    ngx_str_t  *value, code, none;

    err = NULL;
    rc = ngx_paygw_form_raw(x->n.pool, &x->n.msg.body, &ctx->form, &err);

    if (rc != NGX_OK) {
        return ngx_paygw_refuse_parse(&x->n, rc,
                                      ngx_paygw_explain_gzip(&x->n.msg.body)
                                      ? "answer is compressed" : err);
    }

    if (!ngx_paygw_fields_plain(&ctx->form)) {
        return ngx_paygw_refuse(&x->n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid field name");
    }

    ctx->signature = ngx_paygw_fields_value(&ctx->form, "signature");

    if (ctx->signature) {
        return NGX_OK;
    }

    ngx_str_null(&code);
    ngx_str_null(&none);

    value = ngx_paygw_fields_value(&ctx->form, "respCode");

    if (value) {
        code = *value;
    }

    if (ngx_paygw_exchange_is(&code, "11")) {
        x->ours = "signMethod, its key and merId";
    }

    return ngx_paygw_exchange_unsigned(x, ngx_paygw_unionpay_answers, &code,
                                       &none);
}


/* a genuine answer to a question about another order would be no answer */

static ngx_int_t
ngx_paygw_unionpay_sense(ngx_paygw_exchange_t *x,
    ngx_paygw_unionpay_ctx_t *ctx)
{
    ngx_str_t                  *merid, *code;
    ngx_paygw_unionpay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    merid = ngx_paygw_fields_value(&ctx->form, "merId");

    if (merid == NULL
        || merid->len != conf->merid.len
        || ngx_strncmp(merid->data, conf->merid.data, merid->len) != 0)
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                "answer is for another merId");
    }

    code = ngx_paygw_fields_value(&ctx->form, "respCode");

    if (code == NULL) {
        return ngx_paygw_refuse(&x->n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "answer has no respCode");
    }

    ngx_paygw_exchange_word(x, ngx_paygw_unionpay_answers, code);

    if (x->repeat == NGX_PAYGW_REPEAT_ALWAYS
        || !ngx_paygw_unionpay_is_code(code))
    {
        x->open = 1;
    }

    /* a second one would be told that it is a duplicate, whatever has become
       of the first */

    x->again = x->busy && x->repeat == NGX_PAYGW_REPEAT_ALWAYS;

    ngx_paygw_unionpay_bound(x, code);

    return ngx_paygw_exchange_about(x, x->data, &ctx->form,
                                    ngx_paygw_unionpay_pairs);
}


static ngx_int_t
ngx_paygw_unionpay_reply(ngx_paygw_exchange_t *x,
    ngx_paygw_unionpay_ctx_t *ctx)
{
    u_char      *p;
    ngx_str_t    text;
    ngx_uint_t   opened;

    if (ngx_paygw_unionpay_open_fields(x, &ctx->form, &opened) != NGX_OK
        || ngx_paygw_form_canonical(x->n.pool, &ctx->form,
                                    ngx_paygw_unionpay_skip,
                                    ctx->drop_empty
                                    ? NGX_PAYGW_CANON_DROP_EMPTY : 0,
                                    &text)
           != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    if (opened) {
        /* the signature is that of other bytes */
        x->reply = text;
        return ngx_paygw_unionpay_type(x, &ctx->form, "text/plain");
    }

    x->reply.len = text.len + sizeof("&signature=") - 1 + ctx->signature->len;

    p = ngx_pnalloc(x->n.pool, x->reply.len);
    if (p == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    x->reply.data = p;

    p = ngx_cpymem(p, text.data, text.len);
    p = ngx_cpymem(p, "&signature=", sizeof("&signature=") - 1);
    ngx_memcpy(p, ctx->signature->data, ctx->signature->len);

    return ngx_paygw_unionpay_type(x, &ctx->form, "text/plain");
}


static ngx_int_t
ngx_paygw_unionpay_type(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form,
    const char *type)
{
    u_char     *p;
    ngx_str_t   charset;

    ngx_paygw_unionpay_charset(form, &charset);

    p = ngx_pnalloc(x->n.pool, ngx_strlen(type) + charset.len
                               + sizeof("; charset=") - 1);
    if (p == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    x->reply_status = 200;
    x->reply_type.data = p;
    x->reply_type.len = ngx_sprintf(p, "%s; charset=%V", type, &charset) - p;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_unionpay_page(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    u_char     *p;
    ngx_str_t   charset, url;

    ngx_paygw_unionpay_charset(form, &charset);

    /* an endpoint without a path may end with a slash */

    p = ngx_pnalloc(x->n.pool, x->endpoint.len + x->path.len);
    if (p == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    url.data = p;

    p = ngx_cpymem(p, x->endpoint.data, x->endpoint.len - x->base.len);
    p = ngx_cpymem(p, x->path.data, x->path.len);

    url.len = p - url.data;

    if (ngx_paygw_page(x->n.pool, &charset, &url, form, &x->reply) != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    return ngx_paygw_unionpay_type(x, form, "text/html") == NGX_OK
           ? NGX_DONE : NGX_ERROR;
}
