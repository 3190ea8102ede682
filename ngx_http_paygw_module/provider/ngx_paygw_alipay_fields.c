
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_channel.h"


/* What the fields of a callback may be, once its signature is good. */


/* the names that mean something in a callback: see below */

static const ngx_str_t  ngx_paygw_alipay_names[] = {
    ngx_string("alipay_cert_sn"),
    ngx_string("app_id"),
    ngx_string("auth_app_id"),
    ngx_string("biz_content"),
    ngx_string("body"),
    ngx_string("buyer_id"),
    ngx_string("buyer_logon_id"),
    ngx_string("buyer_open_id"),
    ngx_string("buyer_pay_amount"),
    ngx_string("charset"),
    ngx_string("fund_bill_list"),
    ngx_string("gmt_close"),
    ngx_string("gmt_create"),
    ngx_string("gmt_payment"),
    ngx_string("gmt_refund"),
    ngx_string("invoice_amount"),
    ngx_string("method"),
    ngx_string("msg_method"),
    ngx_string("notify_id"),
    ngx_string("notify_time"),
    ngx_string("notify_type"),
    ngx_string("out_biz_no"),
    ngx_string("out_trade_no"),
    ngx_string("passback_params"),
    ngx_string("point_amount"),
    ngx_string("receipt_amount"),
    ngx_string("refund_fee"),
    ngx_string("refund_status"),
    ngx_string("seller_email"),
    ngx_string("seller_id"),
    ngx_string("send_back_fee"),
    ngx_string("sign_type"),
    ngx_string("subject"),
    ngx_string("timestamp"),
    ngx_string("total_amount"),
    ngx_string("trade_no"),
    ngx_string("trade_status"),
    ngx_string("utc_timestamp"),
    ngx_string("version"),
    ngx_string("voucher_detail_list"),
    ngx_null_string
};


/* ids and words of theirs: no "&" in them, whatever follows it */

static const ngx_str_t  ngx_paygw_alipay_words[] = {
    ngx_string("buyer_id"),
    ngx_string("buyer_open_id"),
    ngx_string("method"),
    ngx_string("msg_method"),
    ngx_string("notify_id"),
    ngx_string("notify_type"),
    ngx_string("out_biz_no"),
    ngx_string("out_trade_no"),
    ngx_string("trade_no"),
    ngx_string("trade_status"),
    ngx_null_string
};


/*
 * Who holds a genuine callback could fold its notify_id and notify_time into
 * another value, and have an old event delivered as a new one:
 * ngx_paygw_form.h says how.
 */

ngx_int_t
ngx_paygw_alipay_unambiguous(ngx_paygw_notify_t *n,
    ngx_paygw_alipay_ctx_t *ctx, ngx_paygw_channel_t *ch)
{
    return ngx_paygw_check_hidden(n, ch, &ctx->form, ngx_paygw_alipay_names,
                                  ngx_paygw_alipay_words);
}


ngx_int_t
ngx_paygw_alipay_account(ngx_paygw_notify_t *n, ngx_paygw_alipay_ctx_t *ctx,
    ngx_paygw_channel_t *ch)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    ngx_str_t   *value;
    ngx_uint_t   ours;

    value = ngx_paygw_alipay_value(ctx, "auth_app_id");

    if (value) {
        if (conf->auth_app_ids) {
            ours = ngx_paygw_channel_has(conf->auth_app_ids, value);

        } else {
            ours = value->len == conf->app_id.len
                   && ngx_strncmp(value->data, conf->app_id.data, value->len)
                      == 0;
        }

        if (!ours) {
            return ngx_paygw_refuse_account(n,
                                            NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                            "auth_app_id", value,
                                            conf->auth_app_ids
                                            ? conf->auth_app_ids->nelts : 1);
        }
    }

    value = ngx_paygw_alipay_value(ctx, "seller_id");

    if (value ? !ngx_paygw_channel_has(conf->seller_ids, value) : ctx->trade) {
        return ngx_paygw_refuse_account(n, NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                        "seller_id", value,
                                        conf->seller_ids->nelts);
    }

    return NGX_OK;
}
