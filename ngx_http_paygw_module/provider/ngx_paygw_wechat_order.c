
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat.h"
#include "ngx_paygw_channel.h"


/* An order, where v2 and APIv3 say the same of it in other words. */


#define NGX_PAYGW_WECHAT_ID_MIN       6
#define NGX_PAYGW_WECHAT_ID_MAX       32
#define NGX_PAYGW_WECHAT_SUBJECT_MAX  127         /* characters */
#define NGX_PAYGW_WECHAT_REASON_MAX   80
#define NGX_PAYGW_WECHAT_NONCE        32


static ngx_int_t ngx_paygw_wechat_jsapi(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_str_t *prepay, ngx_str_t *type,
    ngx_paygw_wechat_second_t *second);
static void ngx_paygw_wechat_app(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o, ngx_str_t *prepay,
    ngx_paygw_wechat_second_t *second);


const ngx_str_t  ngx_paygw_wechat_currencies[] = {
    ngx_string("CNY"),
    ngx_null_string
};


const ngx_paygw_wechat_told_t  ngx_paygw_wechat_trades[] = {
    { ngx_string("SUCCESS"), NGX_PAYGW_OUTCOME_SUCCESS,
      NGX_PAYGW_STATE_PAID, 0 },
    { ngx_string("REFUND"), NGX_PAYGW_OUTCOME_SUCCESS,
      NGX_PAYGW_STATE_PART_REFUNDED, 0 },
    { ngx_string("NOTPAY"), NGX_PAYGW_OUTCOME_PENDING,
      NGX_PAYGW_STATE_CREATED, 0 },
    { ngx_string("USERPAYING"), NGX_PAYGW_OUTCOME_PENDING,
      NGX_PAYGW_STATE_PAYING, 0 },
    { ngx_string("ACCEPT"), NGX_PAYGW_OUTCOME_PENDING,
      NGX_PAYGW_STATE_PAYING, 0 },
    { ngx_string("CLOSED"), NGX_PAYGW_OUTCOME_FAILED,
      NGX_PAYGW_STATE_CLOSED, 0 },
    { ngx_string("REVOKED"), NGX_PAYGW_OUTCOME_FAILED,
      NGX_PAYGW_STATE_FAILED, 0 },
    { ngx_string("PAYERROR"), NGX_PAYGW_OUTCOME_FAILED,
      NGX_PAYGW_STATE_FAILED, 0 },
    { ngx_null_string, NGX_PAYGW_OUTCOME_PENDING, NGX_PAYGW_STATE_PAYING, 0 }
};


char *
ngx_paygw_wechat_orders_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *unheard)
{
    ngx_paygw_wechat_account_t  *account = ch->conf;

    ngx_paygw_channel_unheard(cf, ch, unheard);

    if (account->sub_mchids && account->sub_mchids->nelts != 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "channel \"%V\" has %ui \"sub_mchid\", "
                           "\"paygw_api\" needs exactly one, make a channel "
                           "of each",
                           &ch->name, account->sub_mchids->nelts);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_paygw_wechat_check_id(ngx_paygw_order_t *o)
{
    if (o->id.len < NGX_PAYGW_WECHAT_ID_MIN
        || o->id.len > NGX_PAYGW_WECHAT_ID_MAX)
    {
        return ngx_paygw_order_invalid(o, "order_id", "must have 6 to 32 "
                                       "characters in this channel");
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_wechat_check_subject(ngx_paygw_order_t *o)
{
    if (ngx_utf8_length(o->subject.data, o->subject.len)
        > NGX_PAYGW_WECHAT_SUBJECT_MAX)
    {
        return ngx_paygw_order_invalid(o, "subject", "must have at most 127 "
                                       "characters in this channel");
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_wechat_check_reason(ngx_paygw_order_t *o)
{
    if (o->reason.len > NGX_PAYGW_WECHAT_REASON_MAX) {
        return ngx_paygw_order_invalid(o, "reason", "must have at most 80 "
                                       "bytes in this channel");
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_wechat_check_payer(ngx_paygw_order_t *o)
{
    if (o->method == NGX_PAYGW_METHOD_JSAPI && o->payer.len == 0) {
        return ngx_paygw_order_missing(o, "payer.id");
    }

    if (o->method == NGX_PAYGW_METHOD_H5 && o->payer_ip.len == 0) {
        return ngx_paygw_order_missing(o, "payer.ip");
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_wechat_check_appid(ngx_paygw_wechat_account_t *account,
    ngx_paygw_order_t *o)
{
    if (o->payer_appid.len == 0) {
        o->payer_appid = *(ngx_str_t *) account->appids->elts;
        return NGX_OK;
    }

    if (!ngx_paygw_channel_has(account->appids, &o->payer_appid)) {
        return ngx_paygw_order_invalid(o, "payer.appid", "is none of the "
                                       "channel's");
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_wechat_created(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_str_t *value, ngx_str_t *type, ngx_paygw_wechat_second_pt sign)
{
    const char                 *name;
    ngx_str_t                   text;
    ngx_paygw_told_t           *told;
    ngx_paygw_wechat_second_t   second;

    told = &o->told;

    told->outcome = NGX_PAYGW_OUTCOME_PENDING;
    told->state = NGX_PAYGW_STATE_CREATED;
    told->amount = o->amount;
    told->currency = o->currency;

    if (o->method == NGX_PAYGW_METHOD_QR) {
        told->action = NGX_PAYGW_ACTION_QR_CODE;
        told->value = *value;

        return NGX_OK;
    }

    if (o->method == NGX_PAYGW_METHOD_H5) {
        told->action = NGX_PAYGW_ACTION_REDIRECT;
        told->value = *value;

        return ngx_paygw_wechat_redirect(x->n.pool, &told->value,
                                         &o->return_url);
    }

    second.nonce.len = NGX_PAYGW_WECHAT_NONCE;
    second.nonce.data = ngx_pnalloc(x->n.pool, second.nonce.len);

    if (second.nonce.data == NULL
        || ngx_paygw_exchange_nonce(second.nonce.data, second.nonce.len)
           != NGX_OK
        || ngx_paygw_order_text(x->n.pool, &second.stamp, "%T", x->n.msg.now)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (o->method == NGX_PAYGW_METHOD_APP) {
        ngx_paygw_wechat_app(x, o, value, &second);
        name = "sign";

    } else {

        if (ngx_paygw_wechat_jsapi(x, o, value, type, &second) != NGX_OK) {
            return NGX_ERROR;
        }

        name = "paySign";
    }

    if (sign(x, o, &second, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_paygw_order_param(o, name, &text);

    return NGX_OK;
}


/* for the script in the payer's WeChat */

static ngx_int_t
ngx_paygw_wechat_jsapi(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_str_t *prepay, ngx_str_t *type, ngx_paygw_wechat_second_t *second)
{
    if (ngx_paygw_order_text(x->n.pool, &second->subject, "prepay_id=%V",
                             prepay)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    o->told.action = NGX_PAYGW_ACTION_JSAPI;

    ngx_paygw_order_param(o, "appId", &o->payer_appid);
    ngx_paygw_order_param(o, "timeStamp", &second->stamp);
    ngx_paygw_order_param(o, "nonceStr", &second->nonce);
    ngx_paygw_order_param(o, "package", &second->subject);
    ngx_paygw_order_param(o, "signType", type);

    return NGX_OK;
}


/* for the library in an application */

static void
ngx_paygw_wechat_app(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_str_t *prepay, ngx_paygw_wechat_second_t *second)
{
    ngx_paygw_wechat_account_t  *account;

    static ngx_str_t  package = ngx_string("Sign=WXPay");

    account = x->n.channels[0]->conf;
    second->subject = *prepay;

    o->told.action = NGX_PAYGW_ACTION_APP;

    ngx_paygw_order_param(o, "appid", &o->payer_appid);
    ngx_paygw_order_param(o, "partnerid",
                          account->sub_mchids ? account->sub_mchids->elts
                                              : &account->mchid);
    ngx_paygw_order_param(o, "prepayid", prepay);
    ngx_paygw_order_param(o, "package", &package);
    ngx_paygw_order_param(o, "noncestr", &second->nonce);
    ngx_paygw_order_param(o, "timestamp", &second->stamp);
}


void
ngx_paygw_wechat_means(ngx_paygw_order_t *o, const ngx_paygw_wechat_told_t *t,
    const char *field)
{
    while (t->word.len
           && (t->word.len != o->told.word.len
               || ngx_strncmp(t->word.data, o->told.word.data, t->word.len)
                  != 0))
    {
        t++;
    }

    o->told.outcome = t->outcome;
    o->told.state = t->state;
    o->told.open = t->open;
    o->told.odd = t->word.len ? NULL : field;
}


ngx_int_t
ngx_paygw_wechat_asked(ngx_paygw_order_t *o)
{
    if (o->told.outcome != NGX_PAYGW_OUTCOME_SUCCESS) {
        o->code = NGX_PAYGW_CODE_ORDER_STATE;
        return NGX_OK;
    }

    o->amount = o->told.amount;

    return NGX_AGAIN;
}


/*
 * "The number of the order is there twice" has no code of its own, only words
 * behind one that is said of much else.
 */

void
ngx_paygw_wechat_doubt(ngx_paygw_order_t *o, ngx_str_t *text)
{
    static char  twice[] = "\xe8\xae\xa2\xe5\x8d\x95\xe5\x8f\xb7"
                           "\xe9\x87\x8d\xe5\xa4\x8d";

    if (o->op != NGX_PAYGW_OP_REFUND) {
        ngx_paygw_order_doubt(o);
    }

    if (o->op != NGX_PAYGW_OP_CREATE) {
        return;
    }

    if (o->code == NGX_PAYGW_CODE_ORDER_MISMATCH
        || (ngx_paygw_exchange_is(&o->told.word, "INVALID_REQUEST")
            && ngx_strnstr(text->data, twice, text->len)))
    {
        o->doubtful = 1;
    }
}
