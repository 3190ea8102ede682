
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat_v3.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_order.h"


/* An order in the words of APIv3; in partner mode each name has a prefix. */


#define NGX_PAYGW_WECHAT_V3_TRANSACTIONS  "/v3/pay/transactions/"
#define NGX_PAYGW_WECHAT_V3_PARTNER       "/v3/pay/partner/transactions/"
#define NGX_PAYGW_WECHAT_V3_REFUNDS       "/v3/refund/domestic/refunds"

#define ngx_paygw_wechat_v3_base(account)                                     \
    ((account)->sub_mchids ? NGX_PAYGW_WECHAT_V3_PARTNER                      \
                           : NGX_PAYGW_WECHAT_V3_TRANSACTIONS)

#define NGX_PAYGW_WECHAT_V3_ATTACH_MAX    128


static char *ngx_paygw_wechat_v3_orders_conf(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_wechat_v3_order_check(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v3_order_create(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static void ngx_paygw_wechat_v3_account(ngx_paygw_json_out_t *out,
    ngx_paygw_wechat_account_t *account, ngx_str_t *appid);
static void ngx_paygw_wechat_v3_scene(ngx_paygw_json_out_t *out,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v3_order_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v3_order_close(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v3_order_refund(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v3_refund_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v3_bill(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_wechat_v3_args(ngx_paygw_exchange_t *x,
    ngx_str_t *args);


/* in the order of ngx_paygw_method_e */

static const char  *ngx_paygw_wechat_v3_methods[] = {
    "native", "jsapi", "app", "h5", NULL, NULL, NULL
};


const ngx_paygw_orders_t  ngx_paygw_wechat_v3_orders = {
    ngx_paygw_method_bit(QR) | ngx_paygw_method_bit(JSAPI)
    | ngx_paygw_method_bit(APP) | ngx_paygw_method_bit(H5),
    ngx_paygw_wechat_currencies,
    ngx_paygw_wechat_v3_orders_conf,
    ngx_paygw_wechat_v3_order_check,
    {
        ngx_paygw_wechat_v3_order_create,
        ngx_paygw_wechat_v3_order_query,
        ngx_paygw_wechat_v3_order_close,
        ngx_paygw_wechat_v3_order_refund,
        ngx_paygw_wechat_v3_refund_query,
        ngx_paygw_wechat_v3_bill
    },
    ngx_paygw_wechat_v3_normalise,
    0,
    NULL,
    0
};


static char *
ngx_paygw_wechat_v3_orders_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    return ngx_paygw_wechat_orders_conf(cf, ch, "no order can be made");
}


static ngx_int_t
ngx_paygw_wechat_v3_order_check(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    if (o->op == NGX_PAYGW_OP_BILL) {
        return NGX_OK;
    }

    if (ngx_paygw_wechat_check_id(o) != NGX_OK
        || ngx_paygw_wechat_check_reason(o) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (o->op != NGX_PAYGW_OP_CREATE) {
        return NGX_OK;
    }

    if (ngx_paygw_order_heard(x, o) != NGX_OK
        || ngx_paygw_wechat_check_subject(o) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (o->metadata.len > NGX_PAYGW_WECHAT_V3_ATTACH_MAX) {
        return ngx_paygw_order_invalid(o, "metadata", "must have at most 128 "
                                       "bytes as JSON in this channel");
    }

    if (ngx_paygw_wechat_check_payer(o) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_paygw_wechat_check_appid(x->n.channels[0]->conf, o);
}


static ngx_int_t
ngx_paygw_wechat_v3_order_create(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    ngx_str_t                    path, body, none, expires, *sub;
    ngx_uint_t                   partner;
    ngx_paygw_channel_t         *ch;
    ngx_paygw_json_out_t         out;
    ngx_paygw_wechat_account_t  *account;

    ch = x->n.channels[0];
    account = ch->conf;
    partner = (account->sub_mchids != NULL);
    ngx_str_null(&none);

    ngx_paygw_json_out_init(&out, x->n.pool);
    ngx_paygw_json_out_open(&out, NULL);

    ngx_paygw_wechat_v3_account(&out, account, &o->payer_appid);

    ngx_paygw_json_out_string(&out, "description", &o->subject);
    ngx_paygw_json_out_string(&out, "out_trade_no", &o->id);
    ngx_paygw_json_out_string(&out, "notify_url", &ch->notify_url);
    ngx_paygw_json_out_some(&out, "attach", &o->metadata);

    if (o->expires) {

        if (ngx_paygw_order_clock(x->n.pool, o->expires,
                                  NGX_PAYGW_WECHAT_ZONE,
                                  "%4d-%02d-%02dT%02d:%02d:%02d+08:00",
                                  &expires)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_paygw_json_out_string(&out, "time_expire", &expires);
    }

    ngx_paygw_json_out_open(&out, "amount");
    ngx_paygw_json_out_integer(&out, "total", o->amount);
    ngx_paygw_json_out_string(&out, "currency", &o->currency);
    ngx_paygw_json_out_close(&out);

    if (o->method == NGX_PAYGW_METHOD_JSAPI) {
        ngx_paygw_json_out_open(&out, "payer");
        sub = ngx_paygw_wechat_sub_appid(account, &o->payer_appid);
        ngx_paygw_json_out_string(&out,
                                  sub ? "sub_openid"
                                      : partner ? "sp_openid" : "openid",
                                  &o->payer);
        ngx_paygw_json_out_close(&out);
    }

    ngx_paygw_wechat_v3_scene(&out, o);

    ngx_paygw_json_out_close(&out);

    if (ngx_paygw_json_out_end(&out, &body) != NGX_OK
        || ngx_paygw_order_text(x->n.pool, &path, "%s%s",
                                    ngx_paygw_wechat_v3_base(account),
                                    ngx_paygw_wechat_v3_methods[o->method])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_order_call(x, "POST", &path, &none, "application/json",
                                &body);
}


/* appid may be NULL: calls about an order that is there have none */

static void
ngx_paygw_wechat_v3_account(ngx_paygw_json_out_t *out,
    ngx_paygw_wechat_account_t *account, ngx_str_t *appid)
{
    if (account->sub_mchids == NULL) {

        if (appid) {
            ngx_paygw_json_out_string(out, "appid", appid);
        }

        ngx_paygw_json_out_string(out, "mchid", &account->mchid);
        return;
    }

    if (appid) {
        ngx_paygw_json_out_string(out, "sp_appid", account->appids->elts);
    }

    ngx_paygw_json_out_string(out, "sp_mchid", &account->mchid);

    if (appid && ngx_paygw_wechat_sub_appid(account, appid)) {
        ngx_paygw_json_out_string(out, "sub_appid", appid);
    }

    ngx_paygw_json_out_string(out, "sub_mchid", account->sub_mchids->elts);
}


static void
ngx_paygw_wechat_v3_scene(ngx_paygw_json_out_t *out, ngx_paygw_order_t *o)
{
    static const ngx_str_t  wap = ngx_string("Wap");

    if (o->payer_ip.len == 0) {
        return;
    }

    ngx_paygw_json_out_open(out, "scene_info");
    ngx_paygw_json_out_string(out, "payer_client_ip", &o->payer_ip);

    if (o->method == NGX_PAYGW_METHOD_H5) {
        ngx_paygw_json_out_open(out, "h5_info");
        ngx_paygw_json_out_string(out, "type", &wap);
        ngx_paygw_json_out_close(out);
    }

    ngx_paygw_json_out_close(out);
}


static ngx_int_t
ngx_paygw_wechat_v3_order_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    ngx_str_t                    path, args, none;
    ngx_paygw_wechat_account_t  *account;

    account = x->n.channels[0]->conf;
    ngx_str_null(&none);

    if (ngx_paygw_wechat_v3_args(x, &args) != NGX_OK
        || ngx_paygw_order_text(x->n.pool, &path, "%sout-trade-no/%V",
                                    ngx_paygw_wechat_v3_base(account),
                                    &o->id)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_order_call(x, "GET", &path, &args, "", &none);
}


static ngx_int_t
ngx_paygw_wechat_v3_order_close(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    ngx_str_t                    path, none, body;
    ngx_paygw_json_out_t         out;
    ngx_paygw_wechat_account_t  *account;

    account = x->n.channels[0]->conf;
    ngx_str_null(&none);

    ngx_paygw_json_out_init(&out, x->n.pool);
    ngx_paygw_json_out_open(&out, NULL);
    ngx_paygw_wechat_v3_account(&out, account, NULL);
    ngx_paygw_json_out_close(&out);

    if (ngx_paygw_json_out_end(&out, &body) != NGX_OK
        || ngx_paygw_order_text(x->n.pool, &path,
                                    "%sout-trade-no/%V/close",
                                    ngx_paygw_wechat_v3_base(account),
                                    &o->id)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_order_call(x, "POST", &path, &none, "application/json",
                                &body);
}


/*
 * A refund has to name the amount of the order.  Where nobody knows it WeChat
 * Pay is asked first.
 */

static ngx_int_t
ngx_paygw_wechat_v3_order_refund(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    ngx_str_t                    path, none, body;
    ngx_paygw_channel_t         *ch;
    ngx_paygw_json_out_t         out;
    ngx_paygw_wechat_account_t  *account;

    static const ngx_str_t  cny = ngx_string("CNY");

    if (o->amount < 0) {
        return ngx_paygw_wechat_v3_order_query(x, o);
    }

    ch = x->n.channels[0];
    account = ch->conf;
    ngx_str_null(&none);
    ngx_str_set(&path, NGX_PAYGW_WECHAT_V3_REFUNDS);

    ngx_paygw_json_out_init(&out, x->n.pool);
    ngx_paygw_json_out_open(&out, NULL);

    if (account->sub_mchids) {
        ngx_paygw_json_out_string(&out, "sub_mchid",
                                  account->sub_mchids->elts);
    }

    ngx_paygw_json_out_string(&out, "out_trade_no", &o->id);
    ngx_paygw_json_out_string(&out, "out_refund_no", &o->refund_id);
    ngx_paygw_json_out_some(&out, "reason", &o->reason);
    ngx_paygw_json_out_some(&out, "notify_url", &ch->notify_url);

    ngx_paygw_json_out_open(&out, "amount");
    ngx_paygw_json_out_integer(&out, "refund", o->refund_amount);
    ngx_paygw_json_out_integer(&out, "total", o->amount);
    ngx_paygw_json_out_string(&out, "currency", &cny);
    ngx_paygw_json_out_close(&out);

    ngx_paygw_json_out_close(&out);

    if (ngx_paygw_json_out_end(&out, &body) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_order_call(x, "POST", &path, &none, "application/json",
                                &body);
}


static ngx_int_t
ngx_paygw_wechat_v3_refund_query(ngx_paygw_exchange_t *x,
    ngx_paygw_order_t *o)
{
    ngx_str_t                    path, args, none;
    ngx_paygw_wechat_account_t  *account;

    account = x->n.channels[0]->conf;
    ngx_str_null(&args);
    ngx_str_null(&none);

    if (account->sub_mchids
        && ngx_paygw_order_text(x->n.pool, &args, "sub_mchid=%V",
                                    account->sub_mchids->elts)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_paygw_order_text(x->n.pool, &path, "%s/%V",
                                 NGX_PAYGW_WECHAT_V3_REFUNDS, &o->refund_id)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_order_call(x, "GET", &path, &args, "", &none);
}


/* first where it is and its hash, which are signed; then the file */

static ngx_int_t
ngx_paygw_wechat_v3_bill(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_str_t                    path, args, none;
    ngx_paygw_wechat_v3_file_t  *file;

    ngx_str_null(&none);

    if (o->step) {
        file = o->data;
        ngx_str_set(&path, NGX_PAYGW_WECHAT_V3_FILE);

        return ngx_paygw_order_call(x, "GET", &path, &file->args, "", &none);
    }

    ngx_str_set(&path, "/v3/bill/tradebill");

    if (ngx_paygw_order_text(x->n.pool, &args,
                                 "bill_date=%V&bill_type=ALL", &o->date)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_order_call(x, "GET", &path, &args, "", &none);
}


static ngx_int_t
ngx_paygw_wechat_v3_args(ngx_paygw_exchange_t *x, ngx_str_t *args)
{
    ngx_paygw_wechat_account_t  *account;

    account = x->n.channels[0]->conf;

    if (account->sub_mchids == NULL) {
        return ngx_paygw_order_text(x->n.pool, args, "mchid=%V",
                                        &account->mchid);
    }

    return ngx_paygw_order_text(x->n.pool, args,
                                    "sp_mchid=%V&sub_mchid=%V",
                                    &account->mchid,
                                    account->sub_mchids->elts);
}


/*
 * Where a bill is: of the URL only the token counts, it is fetched from the
 * host of the channel
 */

ngx_int_t
ngx_paygw_wechat_v3_located(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o,
    ngx_paygw_json_t *root)
{
    u_char                      *p, *last;
    ngx_str_t                    type, hash, url;
    ngx_paygw_wechat_v3_file_t  *file;

    if (o->step) {
        return ngx_paygw_order_strange(x, "file");
    }

    file = ngx_pcalloc(x->n.pool, sizeof(ngx_paygw_wechat_v3_file_t));
    if (file == NULL) {
        return NGX_ERROR;
    }

    if (ngx_paygw_event_word(root, "hash_type", 16, &type) != NGX_OK
        || type.len != 4 || ngx_strncmp(type.data, "SHA1", 4) != 0)
    {
        return ngx_paygw_order_strange(x, "hash_type");
    }

    if (ngx_paygw_event_word(root, "hash_value", 64, &hash) != NGX_OK
        || ngx_paygw_expected_set(&type, &hash, &o->expected) != NGX_OK)
    {
        return ngx_paygw_order_strange(x, "hash_value");
    }

    if (ngx_paygw_event_word(root, "download_url",
                             NGX_PAYGW_WECHAT_V3_URL_MAX, &url)
        != NGX_OK
        || url.len == 0)
    {
        return ngx_paygw_order_strange(x, "download_url");
    }

    last = url.data + url.len;

    /* the path, behind "https://HOST" */

    p = ngx_strlcasestrn(url.data, last, (u_char *) "://", 3 - 1);
    p = p ? ngx_strlchr(p + 3, last, '/') : NULL;

    if (p == NULL
        || (size_t) (last - p) <= sizeof(NGX_PAYGW_WECHAT_V3_FILE "?") - 1
        || ngx_strncmp(p, NGX_PAYGW_WECHAT_V3_FILE "?",
                       sizeof(NGX_PAYGW_WECHAT_V3_FILE "?") - 1)
           != 0
        || ngx_strlchr(p, last, '#'))
    {
        return ngx_paygw_order_strange(x, "download_url");
    }

    file->args.data = p + sizeof(NGX_PAYGW_WECHAT_V3_FILE "?") - 1;
    file->args.len = last - file->args.data;

    o->data = file;

    return NGX_AGAIN;
}


ngx_int_t
ngx_paygw_wechat_v3_filed(ngx_paygw_exchange_t *x, ngx_paygw_order_t *o)
{
    ngx_int_t              rc;
    ngx_paygw_checksum_t  *c;

    if (o->expected.hash == NULL) {
        return ngx_paygw_order_strange(x, "file");
    }

    c = ngx_paygw_checksum_new(x->n.pool, &o->expected, 0);

    if (c == NULL
        || ngx_paygw_checksum_update(c, x->reply.data, x->reply.len)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_paygw_checksum_final(c);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_SIGNATURE,
                                "the bill has another hash than was signed");
    }

    o->told.file = x->reply;
    ngx_str_set(&o->told.hash, "sha1");

    return NGX_OK;
}
