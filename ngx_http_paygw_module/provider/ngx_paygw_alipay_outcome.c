
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


static ngx_uint_t ngx_paygw_alipay_ends(ngx_str_t *text,
    const ngx_str_t *words);
static ngx_uint_t ngx_paygw_alipay_unsettled(ngx_paygw_alipay_call_t *call,
    ngx_paygw_json_t *content);


/*
 * Not of the call: the service is not there (20000), or too busy (40005); a
 * token or a right is missing, which somebody can give.
 */

static const ngx_str_t  ngx_paygw_alipay_settings[] = {
    ngx_string("20000"),
    ngx_string("20001"),
    ngx_string("40003"),
    ngx_string("40005"),
    ngx_string("40006"),
    ngx_null_string
};


/*
 * How a sub_code ends: nobody knows, or there is no money yet, or the account
 * is not set up as it should be
 */

static const ngx_str_t  ngx_paygw_alipay_again[] = {
    ngx_string("SYSTEM_ERROR"),
    ngx_string("SELLER_BALANCE_NOT_ENOUGH"),
    ngx_string("unknow-error"),
    ngx_string("isv.invalid-signature"),
    ngx_string("isv.invalid-app-id"),
    ngx_string("isv.app-cert-not-exist"),
    ngx_string("isv.invalid-alipay-root-cert-sn"),
    ngx_null_string
};


/* of these the ones that are about Alipay itself, as codes and as words */

const ngx_str_t  ngx_paygw_alipay_busy[] = {
    ngx_string("20000"),
    ngx_string("40005"),
    ngx_null_string
};


static const ngx_str_t  ngx_paygw_alipay_trouble[] = {
    ngx_string("SYSTEM_ERROR"),
    ngx_string("unknow-error"),
    ngx_null_string
};


ngx_uint_t
ngx_paygw_alipay_open(ngx_paygw_alipay_call_t *call,
    ngx_paygw_json_t *content)
{
    ngx_str_t  code, word;

    if (ngx_paygw_json_get_string(content, "code", &code) != NGX_OK) {
        /* it is encrypted, and the caller's to read */
        return 0;
    }

    if (ngx_paygw_exchange_among(ngx_paygw_alipay_settings, &code)) {
        return 1;
    }

    if (!ngx_paygw_alipay_is(&code, "10000")) {
        return ngx_paygw_json_get_string(content, "sub_code", &word) == NGX_OK
               && ngx_paygw_alipay_ends(&word, ngx_paygw_alipay_again);
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
                        ngx_paygw_exchange_among(ngx_paygw_alipay_busy, &code)
                        || ngx_paygw_alipay_ends(&word,
                                                 ngx_paygw_alipay_trouble));
}


/* the word of an error is what "sub_code" is there, and a success has none */

ngx_uint_t
ngx_paygw_alipay_v3_open(ngx_paygw_alipay_call_t *call,
    ngx_paygw_json_t *content)
{
    ngx_str_t  code;

    if (ngx_paygw_json_get_string(content, "code", &code) == NGX_OK) {
        return ngx_paygw_alipay_ends(&code, ngx_paygw_alipay_again);
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


static ngx_uint_t
ngx_paygw_alipay_ends(ngx_str_t *text, const ngx_str_t *words)
{
    for ( /* void */ ; words->len; words++) {
        if (text->len >= words->len
            && ngx_strncmp(text->data + text->len - words->len, words->data,
                           words->len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_paygw_alipay_is(ngx_str_t *text, const char *word)
{
    return text->len == ngx_strlen(word)
           && ngx_strncmp(text->data, word, text->len) == 0;
}
