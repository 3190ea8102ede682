
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v2.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_explain.h"
#include "ngx_paygw_fields.h"
#include "ngx_paygw_xml.h"


/*
 * Answers of v2: the signature is one of the elements and covers all others
 * that are not empty.  The caller gets a new document of just these.
 */


static ngx_uint_t ngx_paygw_wechat_v2_text(ngx_str_t *body);
static ngx_int_t ngx_paygw_wechat_v2_file(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_wechat_v2_nobody(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_wechat_v2_ours(ngx_paygw_exchange_t *x,
    ngx_paygw_wechat_v2_ctx_t *ctx);
static ngx_int_t ngx_paygw_wechat_v2_sense(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);


/* the names that mean something in an answer: see ngx_paygw_form_hides() */

static const ngx_str_t  ngx_paygw_wechat_v2_told[] = {
    ngx_string("appid"),
    ngx_string("cash_fee"),
    ngx_string("cash_refund_fee"),
    ngx_string("err_code"),
    ngx_string("err_code_des"),
    ngx_string("fee_type"),
    ngx_string("mch_id"),
    ngx_string("nonce_str"),
    ngx_string("openid"),
    ngx_string("out_refund_no"),
    ngx_string("out_trade_no"),
    ngx_string("recall"),
    ngx_string("refund_count"),
    ngx_string("refund_fee"),
    ngx_string("refund_id"),
    ngx_string("refund_status_0"),
    ngx_string("result_code"),
    ngx_string("return_code"),
    ngx_string("return_msg"),
    ngx_string("settlement_total_fee"),
    ngx_string("sign_type"),
    ngx_string("sub_appid"),
    ngx_string("sub_mch_id"),
    ngx_string("time_end"),
    ngx_string("total_fee"),
    ngx_string("trade_state"),
    ngx_string("trade_type"),
    ngx_string("transaction_id"),
    ngx_null_string
};


/* ids and words of theirs: no "&" in them, whatever follows it */

static const ngx_str_t  ngx_paygw_wechat_v2_telling[] = {
    ngx_string("err_code"),
    ngx_string("out_refund_no"),
    ngx_string("out_trade_no"),
    ngx_string("prepay_id"),
    ngx_string("refund_id"),
    ngx_string("result_code"),
    ngx_string("return_code"),
    ngx_string("trade_state"),
    ngx_string("transaction_id"),
    ngx_null_string
};


static const ngx_paygw_exchange_pair_t  ngx_paygw_wechat_v2_pairs[] = {
    { "out_trade_no", "out_trade_no" },
    { "transaction_id", "transaction_id" },
    { "out_refund_no", "out_refund_no" },
    { "out_refund_no", "out_refund_no_0" },
    { "refund_id", "refund_id" },
    { "refund_id", "refund_id_0" },
    { NULL, NULL }
};


ngx_int_t
ngx_paygw_wechat_v2_check_answer(ngx_paygw_exchange_t *x)
{
    char                        *err;
    ngx_int_t                    rc;
    ngx_str_t                    none;
    ngx_paygw_wechat_v2_ctx_t   *ctx;
    ngx_paygw_wechat_v2_call_t  *call;

    call = x->data;
    x->unsigned_reply = 0;

    ngx_str_null(&none);

    if (x->status != 200) {
        return ngx_paygw_exchange_unsigned(x, ngx_paygw_wechat_v2_codes, &none,
                                           &none);
    }

    if (call->path->file) {
        return ngx_paygw_wechat_v2_file(x);
    }

    ctx = ngx_pcalloc(x->n.pool, sizeof(ngx_paygw_wechat_v2_ctx_t));
    if (ctx == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    err = NULL;
    rc = ngx_paygw_xml_parse(x->n.pool, &x->n.msg.body, "xml", &ctx->form,
                             &err);
    if (rc != NGX_OK) {
        return ngx_paygw_refuse_parse(&x->n, rc,
                                      ngx_paygw_explain_gzip(&x->n.msg.body)
                                      ? "answer is compressed" : err);
    }

    if (!ngx_paygw_fields_plain(&ctx->form)) {
        return ngx_paygw_refuse(&x->n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "invalid name of an element");
    }

    x->n.data = ctx;

    ctx->sign = ngx_paygw_wechat_v2_value(&ctx->form, "sign");

    rc = ctx->sign ? ngx_paygw_wechat_v2_ours(x, ctx)
                   : ngx_paygw_wechat_v2_nobody(x, &ctx->form);

    if (rc == NGX_OK) {
        rc = ngx_paygw_wechat_v2_sense(x, &ctx->form);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_paygw_xml_write(x->n.pool, "xml", &ctx->form, &x->reply)
        != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    x->reply_status = 200;
    ngx_str_set(&x->reply_type, "text/xml");

    return NGX_OK;
}


/*
 * A bill comes as text, or compressed if the caller has asked for that; in its
 * place comes an error, and what a proxy has to say begins in the same way.
 */

ngx_int_t
ngx_paygw_wechat_v2_stream(ngx_paygw_exchange_t *x)
{
    if (x->status != 200) {
        return NGX_DECLINED;
    }

    if (x->n.msg.body.len == 0) {
        return NGX_AGAIN;
    }

    x->open = 1;

    return ngx_paygw_wechat_v2_text(&x->n.msg.body) ? NGX_OK : NGX_DECLINED;
}


static ngx_uint_t
ngx_paygw_wechat_v2_text(ngx_str_t *body)
{
    u_char  *p, *last;

    p = body->data;
    last = p + body->len;

    if (body->len >= 3 && ngx_strncmp(p, "\xef\xbb\xbf", 3) == 0) {
        p += 3;
    }

    while (p < last && (*p == ' ' || *p == '\t' || *p == CR || *p == LF)) {
        p++;
    }

    return p < last && *p != '<' && *p != '{';
}


static ngx_int_t
ngx_paygw_wechat_v2_file(ngx_paygw_exchange_t *x)
{
    char              *err;
    ngx_str_t         *body;
    ngx_paygw_form_t   form;

    body = &x->n.msg.body;

    if (ngx_paygw_wechat_v2_text(body)) {
        x->unsigned_reply = 1;
        x->open = 1;
        x->reply_status = 200;
        x->reply = *body;
        ngx_str_set(&x->reply_type, "application/octet-stream");

        return NGX_OK;
    }

    if (ngx_paygw_xml_parse(x->n.pool, body, "xml", &form, &err) != NGX_OK) {
        form.nfields = 0;
    }

    return ngx_paygw_wechat_v2_nobody(x, &form);
}


/*
 * What nobody has signed: of some paths it is never anything else, and then
 * only what says that it has worked is passed on.  An error is no word of
 * WeChat Pay's, whatever it says.
 */

static ngx_int_t
ngx_paygw_wechat_v2_nobody(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    ngx_uint_t                   i;
    ngx_str_t                   *value, code, detail;
    ngx_paygw_wechat_v2_call_t  *call;

    static const char  *names[] = { "err_code", "error_code", "return_code" };

    call = x->data;

    if (call->path->bare) {
        value = ngx_paygw_wechat_v2_value(form, "return_code");

        if (value && ngx_paygw_wechat_v2_is(value, "SUCCESS")) {
            x->unsigned_reply = 1;
            return NGX_OK;
        }
    }

    ngx_str_null(&code);
    ngx_str_null(&detail);

    for (i = 0; i < 3; i++) {
        value = ngx_paygw_wechat_v2_value(form, names[i]);

        if (value) {
            code = *value;
            break;
        }
    }

    value = ngx_paygw_wechat_v2_value(form, "return_msg");

    if (value) {
        detail = *value;
    }

    if (ngx_paygw_exchange_is(&code, "SIGNERROR")) {
        x->ours = "api_key, sign_type and mchid";
    }

    return ngx_paygw_exchange_unsigned(x, ngx_paygw_wechat_v2_codes, &code,
                                       &detail);
}


static ngx_int_t
ngx_paygw_wechat_v2_ours(ngx_paygw_exchange_t *x,
    ngx_paygw_wechat_v2_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_str_t  *value;

    rc = ngx_paygw_wechat_v2_genuine(&x->n, ctx, x->n.channels[0]->conf);
    if (rc != NGX_OK) {
        return rc;
    }

    /* the same key signs our requests, and parts of these may be a payer's */

    rc = ngx_paygw_exchange_hidden(x, &ctx->form, ngx_paygw_wechat_v2_told,
                                   ngx_paygw_wechat_v2_telling);
    if (rc != NGX_OK) {
        return rc;
    }

    value = ngx_paygw_wechat_v2_value(&ctx->form, "return_code");

    if (value == NULL || !ngx_paygw_wechat_v2_is(value, "SUCCESS")) {
        return ngx_paygw_refuse(&x->n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "return_code is not SUCCESS");
    }

    if (ngx_paygw_wechat_v2_value(&ctx->form, "mch_id") == NULL
        && ngx_paygw_wechat_v2_value(&ctx->form, "mchid") == NULL)
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                "answer names no mch_id");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_wechat_v2_sense(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    ngx_str_t                   *value;
    const char                  *name;
    ngx_paygw_wechat_v2_call_t  *call;

    call = x->data;

    name = ngx_paygw_wechat_v2_stranger(form, x->n.channels[0]->conf);

    if (name) {
        return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                     "answer is for another %s", name);
    }

    value = ngx_paygw_wechat_v2_value(form, "result_code");

    if (!x->unsigned_reply
        && (value == NULL
            || (!ngx_paygw_wechat_v2_is(value, "SUCCESS")
                && !ngx_paygw_wechat_v2_is(value, "FAIL"))))
    {
        return ngx_paygw_refuse(&x->n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "result_code is neither SUCCESS nor FAIL");
    }

    value = ngx_paygw_wechat_v2_value(form, "err_code");

    ngx_paygw_exchange_word(x, ngx_paygw_wechat_v2_codes, value);

    if (x->repeat == NGX_PAYGW_REPEAT_ALWAYS) {
        x->open = 1;
    }

    if (value) {
        ngx_paygw_wechat_v2_bound(x, ngx_paygw_wechat_v2_codes, value);
    }

    return ngx_paygw_exchange_about(x, &call->asked, form,
                                    ngx_paygw_wechat_v2_pairs);
}
