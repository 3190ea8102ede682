
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_order.h"
#include "ngx_paygw_text.h"


/* where a day begins first: whose it is only the provider knows */
#define NGX_PAYGW_ORDER_EAST  (14 * 60 * 60)

/* of a name that the caller has made */
#define NGX_PAYGW_ORDER_SAID_MAX  64


/* in the order of ngx_paygw_op_e */

const ngx_str_t  ngx_paygw_order_ops[] = {
    ngx_string("create"),
    ngx_string("query"),
    ngx_string("close"),
    ngx_string("refund"),
    ngx_string("refund_query"),
    ngx_string("bill")
};


/* in the order of ngx_paygw_method_e */

const ngx_str_t  ngx_paygw_order_methods[] = {
    ngx_string("qr"),
    ngx_string("jsapi"),
    ngx_string("app"),
    ngx_string("h5"),
    ngx_string("page"),
    ngx_string("wap"),
    ngx_string("barcode"),
    ngx_null_string
};


/* in the order of ngx_paygw_state_e */

const ngx_str_t  ngx_paygw_order_states[] = {
    ngx_null_string,
    ngx_string("CREATED"),
    ngx_string("PAYING"),
    ngx_string("PAID"),
    ngx_string("PART_REFUNDED"),
    ngx_string("REFUNDED"),
    ngx_string("CLOSED"),
    ngx_string("FAILED")
};


/* in the order of ngx_paygw_action_e */

const ngx_str_t  ngx_paygw_order_actions[] = {
    ngx_string("none"),
    ngx_string("qr_code"),
    ngx_string("redirect"),
    ngx_string("form"),
    ngx_string("jsapi"),
    ngx_string("app")
};


ngx_int_t
ngx_paygw_order_call(ngx_paygw_exchange_t *x, const char *method,
    ngx_str_t *path, ngx_str_t *args, const char *type, ngx_str_t *body)
{
    u_char  *p;

    x->in.method.data = (u_char *) method;
    x->in.method.len = ngx_strlen(method);

    x->type.data = (u_char *) type;
    x->type.len = ngx_strlen(type);

    x->path = *path;
    x->in.target = *path;

    if (args->len) {

        p = ngx_pnalloc(x->n.pool, path->len + 1 + args->len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        x->in.target.data = p;
        x->in.target.len = ngx_sprintf(p, "%V?%V", path, args) - p;
    }

    x->in.body = *body;

    ngx_memzero(x->in.headers, sizeof(x->in.headers));
    x->in.repeated = 0;

    /* what build() keeps between tries is that of a step */

    x->data = NULL;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_order_missing(ngx_paygw_order_t *o, const char *field)
{
    o->code = NGX_PAYGW_CODE_MISSING_FIELD;
    o->field = field;
    o->hint = "is missing";

    return NGX_DECLINED;
}


ngx_int_t
ngx_paygw_order_invalid(ngx_paygw_order_t *o, const char *field,
    const char *hint)
{
    o->code = NGX_PAYGW_CODE_INVALID_FIELD;
    o->field = field;
    o->hint = hint;

    return NGX_DECLINED;
}


ngx_int_t
ngx_paygw_order_unsupported(ngx_paygw_order_t *o, const char *field,
    const char *hint)
{
    o->code = NGX_PAYGW_CODE_UNSUPPORTED;
    o->field = field;
    o->hint = hint;

    return NGX_DECLINED;
}


ngx_int_t
ngx_paygw_order_unknown(ngx_paygw_order_t *o, ngx_str_t *name,
    const char *hint)
{
    o->code = NGX_PAYGW_CODE_UNKNOWN_FIELD;
    o->hint = hint;
    o->field = NULL;

    if (ngx_paygw_visible(name, NGX_PAYGW_ORDER_SAID_MAX)) {
        o->said = *name;

    } else {
        ngx_str_set(&o->said, "?");
    }

    return NGX_DECLINED;
}


/* no JSON: the key that is there twice, or else the place if there is one */

ngx_int_t
ngx_paygw_order_broken(ngx_pool_t *pool, ngx_paygw_order_t *o, char *err,
    ngx_paygw_json_fault_t *fault)
{
    ngx_str_t  text;

    o->code = NGX_PAYGW_CODE_BAD_REQUEST;
    o->hint = err;

    if (fault->key.len) {
        (void) ngx_paygw_order_unknown(o, &fault->key, err);
        o->code = NGX_PAYGW_CODE_BAD_REQUEST;

    } else if (fault->at) {

        if (ngx_paygw_order_text(pool, &text, "%s behind byte %uz%Z", err,
                                 fault->at)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        o->hint = (char *) text.data;
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_paygw_order_other(ngx_paygw_exchange_t *x, const char *name)
{
    return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                 NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                 "answer is about another %s", name);
}


ngx_int_t
ngx_paygw_order_strange(ngx_paygw_exchange_t *x, const char *name)
{
    return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                 NGX_PAYGW_REASON_MALFORMED,
                                 "answer has no valid %s", name);
}


void
ngx_paygw_order_doubt(ngx_paygw_order_t *o)
{
    switch (o->op) {

    case NGX_PAYGW_OP_CREATE:
        o->doubtful = (o->code == NGX_PAYGW_CODE_ORDER_PAID);
        break;

    case NGX_PAYGW_OP_CLOSE:
        o->doubtful = (o->code == NGX_PAYGW_CODE_ORDER_PAID
                       || o->code == NGX_PAYGW_CODE_ORDER_CLOSED
                       || o->code == NGX_PAYGW_CODE_ORDER_STATE);
        break;

    case NGX_PAYGW_OP_REFUND:
        o->doubtful = (o->step == 0
                       && o->code == NGX_PAYGW_CODE_ORDER_STATE);
        break;

    default:
        break;
    }
}


void
ngx_paygw_order_param(ngx_paygw_order_t *o, const char *name,
    ngx_str_t *value)
{
    ngx_paygw_field_t  *f;

    f = &o->told.params[o->told.nparams++];

    f->name.data = (u_char *) name;
    f->name.len = ngx_strlen(name);
    f->value = *value;
}


ngx_int_t
ngx_paygw_order_decimal(ngx_pool_t *pool, int64_t amount, ngx_str_t *text)
{
    text->data = ngx_pnalloc(pool, NGX_INT64_LEN + 3);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = ngx_sprintf(text->data, "%L.%02L", amount / 100,
                            amount % 100)
                - text->data;

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_order_same(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || ngx_memcmp(a->data, b->data, a->len) == 0);
}


ngx_uint_t
ngx_paygw_order_refs_differ(ngx_str_t *a, ngx_str_t *b)
{
    u_char  *p, *q;

    if (ngx_paygw_order_same(a, b)) {
        return 0;
    }

    p = ngx_strlchr(a->data, a->data + a->len, '_');
    q = ngx_strlchr(b->data, b->data + b->len, '_');

    return p == NULL || q == NULL
           || (p - a->data == q - b->data
               && ngx_memcmp(a->data, b->data, p - a->data) == 0);
}


ngx_int_t
ngx_paygw_order_text(ngx_pool_t *pool, ngx_str_t *text, const char *fmt, ...)
{
    u_char   *p, buf[NGX_PAYGW_ORDER_TEXT_MAX];
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args);
    va_end(args);

    if (p == buf + sizeof(buf)) {
        return NGX_ERROR;
    }

    text->len = p - buf;
    text->data = ngx_pnalloc(pool, text->len);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(text->data, buf, text->len);

    return NGX_OK;
}


ngx_int_t
ngx_paygw_order_number(ngx_pool_t *pool, ngx_paygw_form_t *form,
    const char *name, int64_t value)
{
    ngx_str_t  text;

    if (ngx_paygw_order_text(pool, &text, "%L", value) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_form_add(form, name, &text);
}


ngx_int_t
ngx_paygw_order_clock(ngx_pool_t *pool, time_t t, ngx_int_t zone,
    const char *fmt, ngx_str_t *text)
{
    ngx_tm_t  tm;

    ngx_gmtime(t + zone, &tm);

    return ngx_paygw_order_text(pool, text, fmt, tm.ngx_tm_year,
                                tm.ngx_tm_mon, tm.ngx_tm_mday,
                                tm.ngx_tm_hour, tm.ngx_tm_min,
                                tm.ngx_tm_sec);
}


ngx_uint_t
ngx_paygw_order_plain(ngx_str_t *s, size_t max)
{
    u_char  c;
    size_t  i;

    if (s->len == 0 || s->len > max) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
            && (c < '0' || c > '9') && c != '_' && c != '-')
        {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_paygw_order_read_id(ngx_paygw_order_t *o, const char *field,
    ngx_str_t *id)
{
    if (!ngx_paygw_order_plain(id, NGX_PAYGW_ORDER_ID_MAX)) {
        return ngx_paygw_order_invalid(o, field, "must be 1 to 64 letters, "
                                       "digits, \"_\" and \"-\"");
    }

    return NGX_OK;
}


/* it may become a part of a path */

ngx_int_t
ngx_paygw_order_read_ref(ngx_paygw_order_t *o, ngx_str_t *ref)
{
    if (!ngx_paygw_order_plain(ref, NGX_PAYGW_ORDER_REF_MAX)) {
        return ngx_paygw_order_invalid(o, "ref", "must be what was told of "
                                       "the order");
    }

    o->ref = *ref;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_order_read_date(ngx_paygw_order_t *o, ngx_str_t *date, time_t now)
{
    time_t      day;
    u_char      buf[sizeof("2025-01-02 00:00:00")];
    ngx_str_t   text;

    if (date->len == sizeof("2025-01-02") - 1) {

        text.data = buf;
        text.len = ngx_sprintf(buf, "%V 00:00:00", date) - buf;

        if (ngx_paygw_datetime_parse(&text, NGX_PAYGW_ORDER_EAST, &day)
            == NGX_OK
            && day < now)
        {
            o->date = *date;
            return NGX_OK;
        }
    }

    return ngx_paygw_order_invalid(o, "date", "must be a day that has been, "
                                   "as 2025-01-02");
}
