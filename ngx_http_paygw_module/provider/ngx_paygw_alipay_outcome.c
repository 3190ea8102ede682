
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"


/*
 * The gateway says 200 whatever has become of a call, so that only its codes
 * tell an end from what may still change.
 */


static ngx_uint_t ngx_paygw_alipay_unsettled(ngx_paygw_alipay_call_t *call,
    ngx_paygw_json_t *content);


ngx_uint_t
ngx_paygw_alipay_open(ngx_paygw_alipay_call_t *call,
    ngx_paygw_json_t *content)
{
    ngx_str_t                     code, word;
    const ngx_paygw_code_word_t  *w;

    if (ngx_paygw_json_get_string(content, "code", &code) != NGX_OK) {
        /* it is encrypted, and the caller's to read */
        return 0;
    }

    w = ngx_paygw_code_find(ngx_paygw_alipay_codes, &code, 0);

    if (ngx_paygw_codes[w->code].again) {
        return 1;
    }

    if (!ngx_paygw_alipay_is(&code, "10000")) {

        if (ngx_paygw_json_get_string(content, "sub_code", &word) != NGX_OK) {
            return 0;
        }

        w = ngx_paygw_code_find(ngx_paygw_alipay_subs, &word, 1);

        return ngx_paygw_codes[w->code].again;
    }

    return ngx_paygw_alipay_unsettled(call, content);
}


void
ngx_paygw_alipay_health(ngx_paygw_exchange_t *x, ngx_paygw_json_t *content,
    const char *name)
{
    ngx_str_t  code, word;

    (void) ngx_paygw_json_get_string(content, "code", &code);
    (void) ngx_paygw_json_get_string(content, name, &word);

    ngx_paygw_exchange_busy(x,
                    ngx_paygw_code_find(ngx_paygw_alipay_codes, &code, 0)->ill
                    || ngx_paygw_code_find(ngx_paygw_alipay_subs, &word, 1)
                       ->ill);
}


/* the word of an error is what "sub_code" is there, and a success has none */

ngx_uint_t
ngx_paygw_alipay_v3_open(ngx_paygw_alipay_call_t *call,
    ngx_paygw_json_t *content)
{
    ngx_str_t                     code;
    const ngx_paygw_code_word_t  *w;

    if (ngx_paygw_json_get_string(content, "code", &code) == NGX_OK) {
        w = ngx_paygw_code_find(ngx_paygw_alipay_subs, &code, 1);
        return ngx_paygw_codes[w->code].again;
    }

    return ngx_paygw_alipay_unsettled(call, content);
}


/* a success, and not yet that of the money */

static ngx_uint_t
ngx_paygw_alipay_unsettled(ngx_paygw_alipay_call_t *call,
    ngx_paygw_json_t *content)
{
    ngx_str_t  word;

    if (ngx_paygw_alipay_is(&call->method, "alipay.trade.refund")) {

        /* taken, and nothing says that money has moved */

        (void) ngx_paygw_json_get_string(content, "fund_change", &word);
        return !ngx_paygw_alipay_is(&word, "Y");
    }

    if (ngx_paygw_alipay_is(&call->method, "alipay.trade.cancel")) {
        (void) ngx_paygw_json_get_string(content, "retry_flag", &word);
        return ngx_paygw_alipay_is(&word, "Y");
    }

    return 0;
}


ngx_uint_t
ngx_paygw_alipay_is(ngx_str_t *text, const char *word)
{
    return text->len == ngx_strlen(word)
           && ngx_strncmp(text->data, word, text->len) == 0;
}
