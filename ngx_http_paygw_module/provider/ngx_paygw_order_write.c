
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_event.h"
#include "ngx_paygw_order.h"
#include "ngx_paygw_text.h"


/* The answer to the caller: its form is the same whatever has become of it. */


/* of a provider's word */
#define NGX_PAYGW_ORDER_WORD  64


static void ngx_paygw_order_data(ngx_paygw_json_out_t *out,
    ngx_paygw_order_t *o);
static void ngx_paygw_order_payment(ngx_paygw_json_out_t *out,
    ngx_paygw_order_t *o);
static void ngx_paygw_order_terms(ngx_paygw_json_out_t *out,
    ngx_paygw_order_t *o);
static void ngx_paygw_order_refunded(ngx_paygw_json_out_t *out,
    ngx_paygw_order_t *o);
static void ngx_paygw_order_action(ngx_paygw_json_out_t *out,
    ngx_paygw_order_t *o);
static void ngx_paygw_order_problem(ngx_paygw_json_out_t *out,
    ngx_paygw_order_t *o);
static void ngx_paygw_order_time(ngx_paygw_json_out_t *out, const char *name,
    time_t t);


ngx_int_t
ngx_paygw_order_write(ngx_pool_t *pool, ngx_paygw_order_t *o,
    ngx_paygw_channel_t *ch, ngx_str_t *request_id, ngx_str_t *text)
{
    ngx_str_t             message;
    ngx_paygw_json_out_t  out;

    if (ngx_paygw_order_message(pool, o, &message) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_paygw_json_out_init(&out, pool);

    ngx_paygw_json_out_open(&out, NULL);
    ngx_paygw_json_out_string(&out, "code", &ngx_paygw_codes[o->code].name);
    ngx_paygw_json_out_string(&out, "message", &message);
    ngx_paygw_json_out_string(&out, "request_id", request_id);
    ngx_paygw_json_out_open(&out, "data");

    /* ids that were refused are not repeated */

    if (o->field == NULL || o->code == NGX_PAYGW_CODE_UNSUPPORTED
        || o->code == NGX_PAYGW_CODE_REFUND_MISMATCH
        || (o->code == NGX_PAYGW_CODE_ORDER_MISMATCH
            && ngx_strcmp(o->field, "amount") == 0))
    {
        ngx_paygw_json_out_some(&out, "order_id", &o->id);
        ngx_paygw_json_out_some(&out, "refund_id", &o->refund_id);
        ngx_paygw_json_out_some(&out, "ref", o->told.ref.len ? &o->told.ref
                                                             : &o->ref);
        ngx_paygw_json_out_some(&out, "date", &o->date);

        if (ch) {
            ngx_paygw_json_out_string(&out, "channel", &ch->name);
        }
    }

    if (o->code == NGX_PAYGW_CODE_OK) {
        ngx_paygw_order_data(&out, o);

    } else {
        ngx_paygw_order_problem(&out, o);
    }

    ngx_paygw_json_out_close(&out);
    ngx_paygw_json_out_close(&out);

    return ngx_paygw_json_out_end(&out, text);
}


ngx_int_t
ngx_paygw_order_message(ngx_pool_t *pool, ngx_paygw_order_t *o,
    ngx_str_t *message)
{
    ngx_str_t  field;

    *message = ngx_paygw_codes[o->code].message;

    if (o->hint == NULL) {
        return NGX_OK;
    }

    field = o->said;

    if (o->field) {
        field.data = (u_char *) o->field;
        field.len = ngx_strlen(o->field);
    }

    message->data = ngx_pnalloc(pool, field.len + 2 + ngx_strlen(o->hint));
    if (message->data == NULL) {
        return NGX_ERROR;
    }

    message->len = ngx_sprintf(message->data, "%V%s%s", &field,
                               field.len ? ": " : "", o->hint)
                   - message->data;

    return NGX_OK;
}


static void
ngx_paygw_order_data(ngx_paygw_json_out_t *out, ngx_paygw_order_t *o)
{
    switch (o->op) {

    case NGX_PAYGW_OP_REFUND:
    case NGX_PAYGW_OP_REFUND_QUERY:
        ngx_paygw_order_refunded(out, o);
        break;

    case NGX_PAYGW_OP_BILL:
        break;

    default:
        ngx_paygw_order_payment(out, o);
    }

    if (o->op == NGX_PAYGW_OP_CREATE || o->op == NGX_PAYGW_OP_BILL) {
        ngx_paygw_order_action(out, o);
    }

    ngx_paygw_json_out_some(out, "events", &o->events);
}


static void
ngx_paygw_order_payment(ngx_paygw_json_out_t *out, ngx_paygw_order_t *o)
{
    ngx_paygw_json_out_some(out, "state",
                            &ngx_paygw_order_states[o->told.state]);
    ngx_paygw_json_out_string(out, "outcome",
                              &ngx_paygw_outcomes[o->told.outcome]);

    ngx_paygw_order_terms(out, o);

    ngx_paygw_json_out_some(out, "payer", &o->told.payer);
    ngx_paygw_json_out_some(out, "provider_state", &o->told.word);
}


/* the order, whatever has become of the call */

static void
ngx_paygw_order_terms(ngx_paygw_json_out_t *out, ngx_paygw_order_t *o)
{
    if (o->told.amount >= 0) {
        ngx_paygw_json_out_integer(out, "amount", o->told.amount);
    }

    ngx_paygw_json_out_some(out, "currency", &o->told.currency);
    ngx_paygw_json_out_some(out, "trade_no", &o->told.trade_no);
    ngx_paygw_order_time(out, "paid_at", o->told.time);
}


static void
ngx_paygw_order_refunded(ngx_paygw_json_out_t *out, ngx_paygw_order_t *o)
{
    ngx_paygw_json_out_string(out, "outcome",
                              &ngx_paygw_outcomes[o->told.outcome]);

    if (o->told.refund_amount >= 0) {
        ngx_paygw_json_out_integer(out, "amount", o->told.refund_amount);
    }

    ngx_paygw_json_out_some(out, "currency", &o->told.currency);
    ngx_paygw_json_out_some(out, "trade_no", &o->told.trade_no);
    ngx_paygw_json_out_some(out, "refund_no", &o->told.refund_no);
    ngx_paygw_order_time(out, "refunded_at", o->told.time);
    ngx_paygw_json_out_some(out, "provider_state", &o->told.word);
}


static void
ngx_paygw_order_action(ngx_paygw_json_out_t *out, ngx_paygw_order_t *o)
{
    ngx_uint_t  i;

    static const char  *names[] = { "", "code", "url", "html", "", "" };

    ngx_paygw_json_out_open(out, "action");
    ngx_paygw_json_out_string(out, "type",
                              &ngx_paygw_order_actions[o->told.action]);

    ngx_paygw_json_out_some(out, names[o->told.action], &o->told.value);

    if (o->told.nparams) {
        ngx_paygw_json_out_open(out, "params");

        for (i = 0; i < o->told.nparams; i++) {
            ngx_paygw_json_out_named(out, &o->told.params[i].name,
                                     &o->told.params[i].value);
        }

        ngx_paygw_json_out_close(out);
    }

    ngx_paygw_json_out_close(out);
}


/*
 * That the outcome is not known is said in so many words.  Of what was refused
 * it is not said to have failed: an order that cannot be made since it is paid
 * has not.
 */

static void
ngx_paygw_order_problem(ngx_paygw_json_out_t *out, ngx_paygw_order_t *o)
{
    ngx_str_t  field;

    if (ngx_paygw_codes[o->code].unknown) {
        ngx_paygw_json_out_string(out, "outcome",
                              &ngx_paygw_outcomes[NGX_PAYGW_OUTCOME_UNKNOWN]);
    }

    field = o->said;

    if (o->field) {
        field.data = (u_char *) o->field;
        field.len = ngx_strlen(o->field);
    }

    ngx_paygw_json_out_some(out, "field", &field);

    /* what is there, of an order that is refused for that */

    if ((o->op == NGX_PAYGW_OP_CREATE || o->op == NGX_PAYGW_OP_CLOSE)
        && o->told.state != NGX_PAYGW_STATE_UNKNOWN
        && (o->code == NGX_PAYGW_CODE_ORDER_MISMATCH
            || o->code == NGX_PAYGW_CODE_ORDER_PAID
            || o->code == NGX_PAYGW_CODE_ORDER_CLOSED
            || o->code == NGX_PAYGW_CODE_ORDER_STATE))
    {
        ngx_paygw_json_out_string(out, "state",
                                  &ngx_paygw_order_states[o->told.state]);
        ngx_paygw_order_terms(out, o);
    }

    if (ngx_paygw_visible(&o->told.word, NGX_PAYGW_ORDER_WORD)) {
        ngx_paygw_json_out_string(out, "provider_code", &o->told.word);
    }
}


static void
ngx_paygw_order_time(ngx_paygw_json_out_t *out, const char *name, time_t t)
{
    ngx_tm_t   tm;
    ngx_str_t  text;
    u_char     buf[sizeof("2025-01-02T03:04:05Z") + NGX_INT_T_LEN];

    if (t <= 0) {
        return;
    }

    ngx_gmtime(t, &tm);

    text.data = buf;
    text.len = ngx_sprintf(buf, "%4d-%02d-%02dT%02d:%02d:%02dZ",
                           tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                           tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec)
               - buf;

    ngx_paygw_json_out_string(out, name, &text);
}
