
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_bind.h"
#include "ngx_paygw_text.h"


#define NGX_PAYGW_BIND_ID        64
#define NGX_PAYGW_BIND_CURRENCY  8
#define NGX_PAYGW_BIND_ACCOUNT   128


void
ngx_paygw_bind_order(ngx_paygw_exchange_order_t *order, ngx_str_t *id,
    int64_t amount, ngx_str_t *currency, ngx_str_t *account)
{
    ngx_memzero(order, sizeof(ngx_paygw_exchange_order_t));

    if (!ngx_paygw_visible(id, NGX_PAYGW_BIND_ID)
        || amount < 0
        || (currency->len
            && !ngx_paygw_visible(currency, NGX_PAYGW_BIND_CURRENCY))
        || (account->len
            && !ngx_paygw_visible(account, NGX_PAYGW_BIND_ACCOUNT)))
    {
        return;
    }

    order->id = *id;
    order->amount = amount;
    order->currency = *currency;
    order->account = *account;
}


ngx_int_t
ngx_paygw_bind_account(ngx_pool_t *pool, ngx_str_t *app, ngx_str_t *sub,
    ngx_str_t *account)
{
    *account = *app;

    if (sub->len == 0) {
        return NGX_OK;
    }

    account->data = ngx_pnalloc(pool, app->len + 1 + sub->len);
    if (account->data == NULL) {
        ngx_str_null(account);
        return NGX_ERROR;
    }

    account->len = ngx_sprintf(account->data, "%V/%V", app, sub)
                   - account->data;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_bind_currency(ngx_pool_t *pool, ngx_str_t *text,
    ngx_str_t *currency)
{
    size_t  i;

    ngx_str_null(currency);

    if (text->len == 0 || text->len > NGX_PAYGW_BIND_CURRENCY) {
        return NGX_OK;
    }

    currency->data = ngx_pnalloc(pool, text->len);
    if (currency->data == NULL) {
        return NGX_ERROR;
    }

    currency->len = text->len;

    for (i = 0; i < text->len; i++) {
        currency->data[i] = ngx_toupper(text->data[i]);
    }

    return NGX_OK;
}
