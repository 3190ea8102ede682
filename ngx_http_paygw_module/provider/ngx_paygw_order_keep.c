
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_event.h"
#include "ngx_paygw_form.h"
#include "ngx_paygw_order.h"
#include "ngx_paygw_text.h"


/*
 * What was told of an order, as the fields of a form: those of the payment
 * alone, an action is good for one call.
 */


static ngx_int_t ngx_paygw_order_keep_word(ngx_paygw_form_t *form,
    const char *name, const ngx_str_t *value);
static ngx_int_t ngx_paygw_order_keep_number(ngx_pool_t *pool,
    ngx_paygw_form_t *form, const char *name, int64_t value);
static ngx_int_t ngx_paygw_order_kept_word(ngx_paygw_form_t *form,
    const char *name, const ngx_str_t *words, ngx_uint_t n);
static void ngx_paygw_order_kept_text(ngx_paygw_form_t *form,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_paygw_order_kept_number(ngx_paygw_form_t *form,
    const char *name, int64_t *value);


ngx_int_t
ngx_paygw_order_keep(ngx_pool_t *pool, ngx_paygw_order_t *o, ngx_str_t *text)
{
    ngx_paygw_told_t  *told;
    ngx_paygw_form_t   form;

    told = &o->told;

    if (ngx_paygw_form_new(pool, &form) != NGX_OK
        || ngx_paygw_order_keep_word(&form, "state",
                                     &ngx_paygw_order_states[told->state])
           != NGX_OK
        || ngx_paygw_order_keep_word(&form, "outcome",
                                     &ngx_paygw_outcomes[told->outcome])
           != NGX_OK
        || ngx_paygw_order_keep_number(pool, &form, "amount", told->amount)
           != NGX_OK
        || ngx_paygw_order_keep_word(&form, "currency", &told->currency)
           != NGX_OK
        || ngx_paygw_order_keep_word(&form, "trade_no", &told->trade_no)
           != NGX_OK
        || ngx_paygw_order_keep_word(&form, "ref", &told->ref) != NGX_OK
        || ngx_paygw_order_keep_number(pool, &form, "time", told->time)
           != NGX_OK
        || ngx_paygw_order_keep_word(&form, "payer", &told->payer) != NGX_OK
        || ngx_paygw_order_keep_word(&form, "word", &told->word) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_paygw_form_write(pool, &form, text);
}


/* what is empty is left out */

static ngx_int_t
ngx_paygw_order_keep_word(ngx_paygw_form_t *form, const char *name,
    const ngx_str_t *value)
{
    ngx_str_t  text;

    if (value->len == 0) {
        return NGX_OK;
    }

    text = *value;

    return ngx_paygw_form_add(form, name, &text);
}


static ngx_int_t
ngx_paygw_order_keep_number(ngx_pool_t *pool, ngx_paygw_form_t *form,
    const char *name, int64_t value)
{
    if (value < 0) {
        return NGX_OK;
    }

    return ngx_paygw_order_number(pool, form, name, value);
}


ngx_int_t
ngx_paygw_order_kept(ngx_pool_t *pool, ngx_paygw_order_t *o, ngx_str_t *text)
{
    char              *err;
    int64_t            time;
    ngx_int_t          rc, state, outcome;
    ngx_paygw_told_t  *told;
    ngx_paygw_form_t   form;

    told = &o->told;

    ngx_memzero(told, sizeof(ngx_paygw_told_t));

    told->amount = -1;
    told->refund_amount = -1;

    rc = ngx_paygw_form_parse(pool, text, &form, &err);

    if (rc != NGX_OK) {
        return (rc == NGX_ERROR) ? NGX_ERROR : NGX_DECLINED;
    }

    state = ngx_paygw_order_kept_word(&form, "state", ngx_paygw_order_states,
                                      NGX_PAYGW_STATES);
    outcome = ngx_paygw_order_kept_word(&form, "outcome", ngx_paygw_outcomes,
                                        NGX_PAYGW_OUTCOME_FAILED + 1);

    if (state == NGX_ERROR || outcome == NGX_ERROR
        || ngx_paygw_order_kept_number(&form, "amount", &told->amount)
           != NGX_OK
        || ngx_paygw_order_kept_number(&form, "time", &time) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    told->state = state;
    told->outcome = outcome;
    told->time = (time == -1) ? 0 : (time_t) time;

    ngx_paygw_order_kept_text(&form, "currency", &told->currency);
    ngx_paygw_order_kept_text(&form, "trade_no", &told->trade_no);
    ngx_paygw_order_kept_text(&form, "ref", &told->ref);
    ngx_paygw_order_kept_text(&form, "payer", &told->payer);
    ngx_paygw_order_kept_text(&form, "word", &told->word);

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_order_kept_word(ngx_paygw_form_t *form, const char *name,
    const ngx_str_t *words, ngx_uint_t n)
{
    ngx_str_t   *value, word;
    ngx_uint_t   i;

    value = ngx_paygw_form_get(form, name);

    if (value == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        word = words[i];

        if (word.len && ngx_paygw_order_same(&word, value)) {
            return i;
        }
    }

    return NGX_ERROR;
}


static void
ngx_paygw_order_kept_text(ngx_paygw_form_t *form, const char *name,
    ngx_str_t *value)
{
    ngx_str_t  *text;

    text = ngx_paygw_form_get(form, name);

    if (text) {
        *value = *text;
    }
}


/* -1 if it is not there */

static ngx_int_t
ngx_paygw_order_kept_number(ngx_paygw_form_t *form, const char *name,
    int64_t *value)
{
    off_t       n;
    ngx_str_t  *text;

    text = ngx_paygw_form_get(form, name);

    if (text == NULL) {
        *value = -1;
        return NGX_OK;
    }

    n = ngx_atoof(text->data, text->len);

    *value = n;

    return (n == (off_t) NGX_ERROR) ? NGX_ERROR : NGX_OK;
}
