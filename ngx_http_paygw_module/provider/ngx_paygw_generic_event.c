
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_mac.h"
#include "ngx_paygw_text.h"


/* The event of a callback of a configured provider. */


typedef struct {
    char                        *missing;
    char                        *invalid;
    size_t                       max;
    size_t                       offset;
} ngx_paygw_generic_field_t;


static ngx_int_t ngx_paygw_generic_kind_of(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_fill(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_field(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf, ngx_uint_t i);
static ngx_int_t ngx_paygw_generic_money(ngx_paygw_notify_t *n,
    ngx_paygw_generic_amount_t *amount, char *hint, int64_t *minor);
static ngx_uint_t ngx_paygw_generic_decimals(ngx_str_t *currency);
static ngx_int_t ngx_paygw_generic_complete(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf);
static ngx_int_t ngx_paygw_generic_facts(ngx_paygw_notify_t *n);


/* in the order of the fields' numbers */

static const ngx_paygw_generic_field_t  ngx_paygw_generic_fields[] = {

    { "no replay_id", "invalid replay_id", 128,
      offsetof(ngx_paygw_event_t, id) },

    { "no kind", "invalid kind", 64,
      offsetof(ngx_paygw_event_t, kind) },

    { "no order_id", "invalid order_id", 64,
      offsetof(ngx_paygw_event_t, order_id) },

    { "no trade_no", "invalid trade_no", 128,
      offsetof(ngx_paygw_event_t, trade_no) },

    { "no currency", "invalid currency", 3,
      offsetof(ngx_paygw_event_t, currency) },

    { "no refund_id", "invalid refund_id", 64,
      offsetof(ngx_paygw_event_t, refund_id) },

    { "no refund_no", "invalid refund_no", 128,
      offsetof(ngx_paygw_event_t, refund_no) },

    { "no payer", "invalid payer", 128,
      offsetof(ngx_paygw_event_t, payer) }
};


/* ISO 4217: currencies that do not have two decimals */

static const char  *ngx_paygw_generic_none[] = {
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF",
    "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF", NULL
};

static const char  *ngx_paygw_generic_three[] = {
    "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND", NULL
};


ngx_int_t
ngx_paygw_generic_event(ngx_paygw_notify_t *n)
{
    ngx_int_t                  rc;
    ngx_paygw_event_t         *ev;
    ngx_paygw_generic_ctx_t   *ctx = n->data;
    ngx_paygw_generic_conf_t  *conf;

    ev = &n->event;
    conf = n->channel->conf;

    ngx_memzero(ev, sizeof(ngx_paygw_event_t));

    ev->amount = -1;
    ev->refund_amount = -1;
    ev->time = ctx->time;
    ev->unconfirmed = conf->confirm;

    n->keep = n->channel->keep;

    if (conf->time.expr == NULL) {
        n->keep = ngx_max(n->keep, NGX_PAYGW_LONG_KEEP);
    }

    rc = ngx_paygw_generic_kind_of(n, conf);

    if (rc == NGX_OK) {
        rc = ngx_paygw_generic_fill(n, conf);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_generic_complete(n, conf);
    }

    if (rc == NGX_OK && conf->confirm) {
        rc = ngx_paygw_generic_facts(n);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_generic_data(n);
    }

    return rc;
}


/* what it is, and whether anybody wants it */

static ngx_int_t
ngx_paygw_generic_kind_of(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf)
{
    ngx_int_t                rc;
    ngx_str_t               *kind, any;
    ngx_uint_t               i;
    ngx_paygw_generic_map_t  *map, *found;

    kind = &n->event.kind;

    if (conf->fields[NGX_PAYGW_GENERIC_KIND] == NULL) {
        ngx_str_set(kind, "unknown");
        return NGX_OK;
    }

    rc = ngx_paygw_generic_field(n, conf, NGX_PAYGW_GENERIC_KIND);
    if (rc != NGX_OK) {
        return rc;
    }

    if (kind->len == 0) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                            ngx_paygw_generic_fields[NGX_PAYGW_GENERIC_KIND]
                                .missing);
    }

    if (ngx_paygw_channel_has(conf->ignore, kind)) {
        return NGX_DONE;
    }

    found = NULL;
    map = conf->map ? conf->map->elts : NULL;

    for (i = 0; map && i < conf->map->nelts; i++) {

        if (map[i].word.len == kind->len
            && ngx_strncmp(map[i].word.data, kind->data, kind->len) == 0)
        {
            found = &map[i];
            break;
        }

        if (map[i].word.len == 1 && map[i].word.data[0] == '*') {
            found = &map[i];
        }
    }

    ngx_str_set(&any, "*");

    if (found) {
        n->event.type = found->type;
        n->event.outcome = found->outcome;

    } else if (ngx_paygw_channel_has(conf->ignore, &any)) {
        return NGX_DONE;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_fill(ngx_paygw_notify_t *n, ngx_paygw_generic_conf_t *conf)
{
    ngx_int_t           rc;
    ngx_uint_t          i;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    for (i = 0; i < NGX_PAYGW_GENERIC_FIELDS; i++) {

        if (i == NGX_PAYGW_GENERIC_KIND
            || (ev->type != NGX_PAYGW_EVENT_REFUND
                && (i == NGX_PAYGW_GENERIC_REFUND_ID
                    || i == NGX_PAYGW_GENERIC_REFUND_NO)))
        {
            continue;
        }

        rc = ngx_paygw_generic_field(n, conf, i);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    for (i = 0; i < ev->currency.len; i++) {
        if (ev->currency.len != 3 || ev->currency.data[i] < 'A'
            || ev->currency.data[i] > 'Z')
        {
            return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                    "invalid currency");
        }
    }

    rc = NGX_OK;

    /* one and the same figure is the refund's, not the order's */

    if (ev->type != NGX_PAYGW_EVENT_REFUND || !conf->one_amount) {
        rc = ngx_paygw_generic_money(n, &conf->amount, "invalid amount",
                                     &ev->amount);
    }

    if (rc == NGX_OK && ev->type == NGX_PAYGW_EVENT_REFUND) {
        rc = ngx_paygw_generic_money(n, &conf->refund_amount,
                                     "invalid refund_amount",
                                     &ev->refund_amount);
    }

    if (rc == NGX_OK && conf->event_time.expr) {
        rc = ngx_paygw_generic_when(n, &conf->event_time,
                                    "invalid event_time", &ev->time);

        if (rc == NGX_DECLINED) {
            rc = NGX_OK;
        }
    }

    return rc;
}


/* a string that goes into headers and keys; absent and empty are one */

static ngx_int_t
ngx_paygw_generic_field(ngx_paygw_notify_t *n, ngx_paygw_generic_conf_t *conf,
    ngx_uint_t i)
{
    ngx_int_t                         rc;
    ngx_str_t                         value;
    ngx_paygw_generic_ctx_t          *ctx = n->data;
    const ngx_paygw_generic_field_t  *field;

    if (conf->fields[i] == NULL) {
        return NGX_OK;
    }

    rc = ngx_paygw_expr_eval(&ctx->expr, conf->fields[i], &value);

    if (rc == NGX_DECLINED || (rc == NGX_OK && value.len == 0)) {
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    field = &ngx_paygw_generic_fields[i];

    if (!ngx_paygw_visible(&value, field->max)) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                field->invalid);
    }

    *(ngx_str_t *) ((char *) &n->event + field->offset) = value;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_generic_money(ngx_paygw_notify_t *n,
    ngx_paygw_generic_amount_t *amount, char *hint, int64_t *minor)
{
    ngx_int_t                 rc;
    ngx_str_t                 text;
    ngx_uint_t                digits;
    ngx_paygw_generic_ctx_t  *ctx = n->data;

    if (amount->expr == NULL) {
        return NGX_OK;
    }

    rc = ngx_paygw_expr_eval(&ctx->expr, amount->expr, &text);

    if (rc == NGX_DECLINED || (rc == NGX_OK && text.len == 0)) {
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (n->event.currency.len == 0) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                        ngx_paygw_generic_fields[NGX_PAYGW_GENERIC_CURRENCY]
                            .missing);
    }

    digits = amount->digits;

    if (digits == NGX_PAYGW_GENERIC_BY_CURRENCY) {
        digits = ngx_paygw_generic_decimals(&n->event.currency);
    }

    if (ngx_paygw_amount_digits(&text, digits, minor) != NGX_OK) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                hint);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_paygw_generic_decimals(ngx_str_t *currency)
{
    ngx_uint_t  i;

    for (i = 0; ngx_paygw_generic_none[i]; i++) {
        if (ngx_strncmp(currency->data, ngx_paygw_generic_none[i], 3) == 0) {
            return 0;
        }
    }

    for (i = 0; ngx_paygw_generic_three[i]; i++) {
        if (ngx_strncmp(currency->data, ngx_paygw_generic_three[i], 3) == 0) {
            return 3;
        }
    }

    return 2;
}


/* what the shop cannot do without */

static ngx_int_t
ngx_paygw_generic_complete(ngx_paygw_notify_t *n,
    ngx_paygw_generic_conf_t *conf)
{
    ngx_uint_t          i;
    ngx_paygw_event_t  *ev;

    ev = &n->event;

    if (ev->id.len == 0) {
        i = NGX_PAYGW_GENERIC_REPLAY_ID;
        goto missing;
    }

    if (ev->type == NGX_PAYGW_EVENT_UNKNOWN) {
        return NGX_OK;
    }

    if (conf->fields[NGX_PAYGW_GENERIC_ORDER_ID] && ev->order_id.len == 0) {
        i = NGX_PAYGW_GENERIC_ORDER_ID;
        goto missing;
    }

    if (ev->type == NGX_PAYGW_EVENT_PAYMENT
        && ev->outcome == NGX_PAYGW_OUTCOME_SUCCESS
        && conf->amount.expr && ev->amount == -1)
    {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "no amount");
    }

    return NGX_OK;

missing:

    return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                            ngx_paygw_generic_fields[i].missing);
}


/*
 * What must be confirmed may have been changed on its way.  The id is made of
 * all the facts then: a message with other ones does not take the place of the
 * genuine one, which would be acknowledged as a repeat and be lost.
 */

static ngx_int_t
ngx_paygw_generic_facts(ngx_paygw_notify_t *n)
{
    u_char             *p, digest[NGX_PAYGW_SHA256_LEN];
    u_char              amounts[2 * NGX_INT64_LEN + 1];
    ngx_str_t           parts[14], id;
    ngx_uint_t          i, k;
    ngx_paygw_event_t  *ev;

    ev = &n->event;
    k = 0;

    /* none of them holds the line feed behind it */

    for (i = 0; i < NGX_PAYGW_GENERIC_FIELDS; i++) {

        if (i == NGX_PAYGW_GENERIC_REPLAY_ID || i == NGX_PAYGW_GENERIC_KIND) {
            continue;
        }

        parts[k++] = *(ngx_str_t *) ((char *) ev
                                     + ngx_paygw_generic_fields[i].offset);
        ngx_str_set(&parts[k], "\n");
        k++;
    }

    parts[k].data = amounts;
    parts[k].len = ngx_sprintf(amounts, "%L %L", ev->amount,
                               ev->refund_amount)
                   - amounts;
    k++;

    id.len = ev->id.len + 1 + NGX_PAYGW_SHA256_LEN;
    id.data = ngx_pnalloc(n->pool, id.len);

    if (id.data == NULL || ngx_paygw_sha256(parts, k, digest) != NGX_OK) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    /* half of it is enough to find no other facts for */

    p = ngx_cpymem(id.data, ev->id.data, ev->id.len);
    *p++ = '-';
    (void) ngx_hex_dump(p, digest, NGX_PAYGW_SHA256_LEN / 2);

    ev->id = id;

    return NGX_OK;
}
