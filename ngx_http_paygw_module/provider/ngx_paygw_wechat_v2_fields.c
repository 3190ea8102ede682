
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v2.h"
#include "ngx_paygw_channel.h"


/* What the elements of a callback may be. */


static const char *ngx_paygw_wechat_v2_other(ngx_paygw_wechat_v2_ctx_t *ctx,
    ngx_paygw_wechat_account_t *account, ngx_str_t **value);


/* the names that mean something in a callback */

static const ngx_str_t  ngx_paygw_wechat_v2_names[] = {
    ngx_string("appid"),
    ngx_string("attach"),
    ngx_string("bank_type"),
    ngx_string("cash_fee"),
    ngx_string("cash_fee_type"),
    ngx_string("contract_code"),
    ngx_string("contract_id"),
    ngx_string("change_type"),
    ngx_string("coupon_count"),
    ngx_string("coupon_fee"),
    ngx_string("device_info"),
    ngx_string("err_code"),
    ngx_string("err_code_des"),
    ngx_string("fee_type"),
    ngx_string("is_subscribe"),
    ngx_string("mch_id"),
    ngx_string("nonce_str"),
    ngx_string("openid"),
    ngx_string("out_trade_no"),
    ngx_string("plan_id"),
    ngx_string("result_code"),
    ngx_string("return_code"),
    ngx_string("return_msg"),
    ngx_string("settlement_total_fee"),
    ngx_string("sign_type"),
    ngx_string("sub_appid"),
    ngx_string("sub_mch_id"),
    ngx_string("sub_openid"),
    ngx_string("time_end"),
    ngx_string("total_fee"),
    ngx_string("trade_state"),
    ngx_string("trade_type"),
    ngx_string("transaction_id"),
    ngx_null_string
};


/* ids and words of theirs: no "&" in them, whatever follows it */

static const ngx_str_t  ngx_paygw_wechat_v2_words[] = {
    ngx_string("fee_type"),
    ngx_string("openid"),
    ngx_string("out_trade_no"),
    ngx_string("result_code"),
    ngx_string("sub_openid"),
    ngx_string("trade_state"),
    ngx_string("transaction_id"),
    ngx_null_string
};


/*
 * The same key signs what merchants send, some of which a payer gets to see
 * and may have written a part of.  A text of his own in such a message must
 * not become the elements of a callback: ngx_paygw_form.h says how it could.
 */

ngx_int_t
ngx_paygw_wechat_v2_unambiguous(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_channel_t *ch)
{
    return ngx_paygw_check_hidden(n, ch, &ctx->form,
                                  ngx_paygw_wechat_v2_names,
                                  ngx_paygw_wechat_v2_words);
}


/* without it a message is an error report, or no callback at all */

ngx_int_t
ngx_paygw_wechat_v2_success(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx)
{
    ngx_str_t  *value;

    value = ngx_paygw_wechat_v2_value(&ctx->form, "return_code");

    if (value && ngx_paygw_wechat_v2_is(value, "SUCCESS")) {
        return NGX_OK;
    }

    return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                            "return_code is not SUCCESS");
}


/*
 * The key belongs to the merchant, and several channels may be of one: that
 * with the other accounts of the message, else any of them.
 */

ngx_paygw_channel_t *
ngx_paygw_wechat_v2_channel(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx)
{
    ngx_str_t                   *mchid, *other;
    ngx_uint_t                   i;
    ngx_paygw_channel_t         *ch;
    ngx_paygw_wechat_account_t  *account;

    mchid = ngx_paygw_wechat_v2_value(&ctx->form, "mch_id");
    if (mchid == NULL) {
        return NULL;
    }

    ch = NULL;

    for (i = 0; i < n->nchannels; i++) {
        account = n->channels[i]->conf;

        if (!ngx_paygw_wechat_is_mchid(account, mchid)) {
            continue;
        }

        if (ngx_paygw_wechat_v2_other(ctx, account, &other) == NULL) {
            return n->channels[i];
        }

        if (ch == NULL) {
            ch = n->channels[i];
        }
    }

    return ch;
}


ngx_int_t
ngx_paygw_wechat_v2_account(ngx_paygw_notify_t *n,
    ngx_paygw_wechat_v2_ctx_t *ctx, ngx_paygw_channel_t *ch)
{
    ngx_str_t                   *value;
    ngx_array_t                 *list;
    const char                  *name;
    ngx_paygw_wechat_account_t  *account;

    account = ch->conf;

    name = ngx_paygw_wechat_v2_other(ctx, account, &value);

    if (name == NULL) {
        return NGX_OK;
    }

    list = ngx_strcmp(name, "sub_mch_id") == 0 ? account->sub_mchids
                                               : account->appids;

    return ngx_paygw_refuse_account(n, NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                    name, value, list ? list->nelts : 0);
}


/*
 * Every account that is named must be ours: the name of the first that is not,
 * with its value, which is NULL for one that is missing; or NULL.  Only what
 * is about no money need not name the application: contracts are of a merchant.
 */

static const char *
ngx_paygw_wechat_v2_other(ngx_paygw_wechat_v2_ctx_t *ctx,
    ngx_paygw_wechat_account_t *account, ngx_str_t **value)
{
    ngx_paygw_form_t  *form;

    form = &ctx->form;

    *value = ngx_paygw_wechat_v2_value(form, "appid");

    if (*value ? !ngx_paygw_channel_has(account->appids, *value)
               : (ctx->req_info || ngx_paygw_wechat_v2_payment(form)))
    {
        return "appid";
    }

    *value = ngx_paygw_wechat_v2_value(form, "sub_appid");

    if (*value && !ngx_paygw_channel_has(account->appids, *value)) {
        return "sub_appid";
    }

    *value = ngx_paygw_wechat_v2_value(form, "sub_mch_id");

    if (*value ? !ngx_paygw_channel_has(account->sub_mchids, *value)
               : account->sub_mchids != NULL)
    {
        return "sub_mch_id";
    }

    return NULL;
}


ngx_uint_t
ngx_paygw_wechat_v2_payment(ngx_paygw_form_t *form)
{
    return ngx_paygw_wechat_v2_value(form, "out_trade_no")
           || ngx_paygw_wechat_v2_value(form, "transaction_id")
           || ngx_paygw_wechat_v2_value(form, "total_fee");
}
