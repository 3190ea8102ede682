
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_wechat.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_text.h"


static ngx_int_t ngx_paygw_wechat_check_form(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_str_t *value, const char *name,
    ngx_uint_t number);


const ngx_paygw_wechat_state_t  ngx_paygw_wechat_trade[] = {
    { ngx_string("SUCCESS"), NGX_PAYGW_EVENT_PAYMENT,
      NGX_PAYGW_OUTCOME_SUCCESS },
    { ngx_string("REFUND"), NGX_PAYGW_EVENT_PAYMENT,
      NGX_PAYGW_OUTCOME_SUCCESS },
    { ngx_string("NOTPAY"), NGX_PAYGW_EVENT_PAYMENT,
      NGX_PAYGW_OUTCOME_PENDING },
    { ngx_string("ACCEPT"), NGX_PAYGW_EVENT_PAYMENT,
      NGX_PAYGW_OUTCOME_PENDING },
    { ngx_string("USERPAYING"), NGX_PAYGW_EVENT_PAYMENT,
      NGX_PAYGW_OUTCOME_PENDING },
    { ngx_string("CLOSED"), NGX_PAYGW_EVENT_CLOSE,
      NGX_PAYGW_OUTCOME_FAILED },
    { ngx_string("REVOKED"), NGX_PAYGW_EVENT_PAYMENT,
      NGX_PAYGW_OUTCOME_FAILED },
    { ngx_string("PAYERROR"), NGX_PAYGW_EVENT_PAYMENT,
      NGX_PAYGW_OUTCOME_FAILED },
    { ngx_string("PAY_FAIL"), NGX_PAYGW_EVENT_PAYMENT,
      NGX_PAYGW_OUTCOME_FAILED },
    { ngx_null_string, NGX_PAYGW_EVENT_PAYMENT,
      NGX_PAYGW_OUTCOME_PENDING }
};


char *
ngx_paygw_wechat_appid(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_account_t  *account = ch->conf;

    return ngx_paygw_channel_list(cf, ch, &account->appids, args, nargs);
}


char *
ngx_paygw_wechat_mchid(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_account_t  *account = ch->conf;

    return ngx_paygw_channel_value(&account->mchid, &args[0]);
}


char *
ngx_paygw_wechat_sub_mchid(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_paygw_wechat_account_t  *account = ch->conf;

    return ngx_paygw_channel_list(cf, ch, &account->sub_mchids, args, nargs);
}


ngx_int_t
ngx_paygw_wechat_check_account(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_wechat_account_t  *account = ch->conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (ngx_paygw_channel_required(cf, ch, account->appids != NULL, "appid")
        != NGX_OK
        || ngx_paygw_channel_required(cf, ch, account->mchid.len, "mchid")
           != NGX_OK
        || ngx_paygw_channel_account(cf, ch, &account->mchid, "mchid")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_paygw_wechat_check_form(cf, ch, &account->mchid, "mchid", 1)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    value = account->appids->elts;

    for (i = 0; i < account->appids->nelts; i++) {
        if (ngx_paygw_channel_account(cf, ch, &value[i], "appid") != NGX_OK
            || ngx_paygw_wechat_check_form(cf, ch, &value[i], "appid", 0)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (account->sub_mchids == NULL) {
        return NGX_OK;
    }

    value = account->sub_mchids->elts;

    for (i = 0; i < account->sub_mchids->nelts; i++) {
        if (ngx_paygw_channel_account(cf, ch, &value[i], "sub_mchid")
            != NGX_OK
            || ngx_paygw_wechat_check_form(cf, ch, &value[i], "sub_mchid", 1)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * The two kinds of ids are easily swapped, and a callback would be refused
 * long after: a merchant is a number, an application never is ("wx..." or, of
 * a company, "ww...").
 */

static ngx_int_t
ngx_paygw_wechat_check_form(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *value, const char *name, ngx_uint_t number)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < '0' || value->data[i] > '9') {
            break;
        }
    }

    if ((i == value->len) == number) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       number ? "invalid \"%s\" of channel \"%V\": \"%V\", "
                                "it must be a number, are \"mchid\" and "
                                "\"appid\" swapped?"
                              : "invalid \"%s\" of channel \"%V\": \"%V\" "
                                "is a number as a \"mchid\" is, are "
                                "\"mchid\" and \"appid\" swapped?",
                       name, &ch->name, value);

    return NGX_ERROR;
}


ngx_uint_t
ngx_paygw_wechat_same(ngx_paygw_channel_t *a, ngx_paygw_channel_t *b)
{
    ngx_paygw_wechat_account_t  *aa = a->conf;
    ngx_paygw_wechat_account_t  *ba = b->conf;

    if (!ngx_paygw_wechat_is_mchid(aa, &ba->mchid)) {
        return 0;
    }

    if (aa->sub_mchids && ba->sub_mchids) {
        return ngx_paygw_channel_meet(aa->sub_mchids, ba->sub_mchids)
               && ngx_paygw_channel_meet(aa->appids, ba->appids);
    }

    if (aa->sub_mchids || ba->sub_mchids) {
        return 0;
    }

    return ngx_paygw_channel_meet(aa->appids, ba->appids);
}


ngx_uint_t
ngx_paygw_wechat_is_mchid(ngx_paygw_wechat_account_t *account,
    ngx_str_t *mchid)
{
    return account->mchid.len == mchid->len
           && ngx_strncmp(account->mchid.data, mchid->data, mchid->len) == 0;
}


ngx_str_t *
ngx_paygw_wechat_sub_appid(ngx_paygw_wechat_account_t *account,
    ngx_str_t *appid)
{
    ngx_str_t  *first;

    first = account->appids->elts;

    if (account->sub_mchids == NULL
        || (first->len == appid->len
            && ngx_strncmp(first->data, appid->data, appid->len) == 0))
    {
        return NULL;
    }

    return appid;
}


void
ngx_paygw_wechat_state(ngx_paygw_notify_t *n,
    const ngx_paygw_wechat_state_t *state, ngx_str_t *word)
{
    if (word->len == 0) {
        n->event.outcome = NGX_PAYGW_OUTCOME_UNKNOWN;
        return;
    }

    while (state->word.len
           && (state->word.len != word->len
               || ngx_strncmp(state->word.data, word->data, word->len) != 0))
    {
        state++;
    }

    if (state->word.len == 0 && ngx_paygw_visible(word, 64)) {
        ngx_log_error(NGX_LOG_WARN, n->log, 0,
                      "channel \"%V\" sent unknown state \"%V\" of order "
                      "\"%V\", taken as pending",
                      &n->channel->name, word, &n->event.order_id);
    }

    n->event.type = state->type;
    n->event.outcome = state->outcome;
}


ngx_int_t
ngx_paygw_wechat_redirect(ngx_pool_t *pool, ngx_str_t *url, ngx_str_t *back)
{
    u_char      *p, *last;
    const char  *mark;

    if (back->len == 0) {
        return NGX_OK;
    }

    mark = ngx_strlchr(url->data, url->data + url->len, '?') ? "&" : "?";

    p = ngx_pnalloc(pool, url->len + sizeof("&redirect_url=")
                          + 3 * back->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    last = ngx_sprintf(p, "%V%sredirect_url=", url, mark);
    last = (u_char *) ngx_escape_uri(last, back->data, back->len,
                                     NGX_ESCAPE_URI_COMPONENT);
    url->data = p;
    url->len = last - p;

    return NGX_OK;
}
