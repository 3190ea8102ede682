
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_event.h"
#include "ngx_paygw_text.h"


#define NGX_PAYGW_EVENT_PIECES  32


/*
 * The text is made in two passes over a list of pieces: a piece is a literal
 * with its comma, and a value, which is quoted or goes in as it stands.
 */

typedef struct {
    ngx_str_t                literal;
    ngx_str_t                value;
    ngx_uint_t               quoted;
    size_t                   len;        /* of the value as it is written */
    u_char                   number[NGX_INT64_LEN];
} ngx_paygw_piece_t;


typedef struct {
    ngx_uint_t               n;
    ngx_uint_t               first;      /* member of an object */
    ngx_paygw_piece_t        pieces[NGX_PAYGW_EVENT_PIECES];
} ngx_paygw_pieces_t;


static void ngx_paygw_event_order(ngx_paygw_pieces_t *ps,
    ngx_paygw_event_t *ev);
static void ngx_paygw_event_refund(ngx_paygw_pieces_t *ps,
    ngx_paygw_event_t *ev);
static ngx_int_t ngx_paygw_event_write(ngx_pool_t *pool,
    ngx_paygw_pieces_t *ps, ngx_str_t *json);
static ngx_paygw_piece_t *ngx_paygw_piece(ngx_paygw_pieces_t *ps,
    const char *literal);
static void ngx_paygw_piece_open(ngx_paygw_pieces_t *ps, const char *literal);
static void ngx_paygw_piece_string(ngx_paygw_pieces_t *ps,
    const char *literal, const ngx_str_t *value);
static void ngx_paygw_piece_number(ngx_paygw_pieces_t *ps,
    const char *literal, int64_t value);


/* in the order of ngx_paygw_event_type_e */

const ngx_str_t  ngx_paygw_event_types[] = {
    ngx_string("unknown"),
    ngx_string("payment"),
    ngx_string("refund"),
    ngx_string("close")
};


/* in the order of ngx_paygw_outcome_e */

const ngx_str_t  ngx_paygw_outcomes[] = {
    ngx_string("unknown"),
    ngx_string("success"),
    ngx_string("pending"),
    ngx_string("failed")
};


const ngx_str_t  ngx_paygw_event_confirm = ngx_string("query");


ngx_int_t
ngx_paygw_event_id(ngx_paygw_notify_t *n, ngx_str_t *id)
{
    u_char     *p;
    ngx_str_t  *name;

    name = &n->channel->name;

    p = ngx_pnalloc(n->pool, name->len + 1 + n->event.id.len
                             + 1 + n->event.kind.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    id->data = p;

    p = ngx_cpymem(p, name->data, name->len);
    *p++ = ':';
    p = ngx_cpymem(p, n->event.id.data, n->event.id.len);
    *p++ = ':';
    p = ngx_cpymem(p, n->event.kind.data, n->event.kind.len);

    id->len = p - id->data;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_event_order_id(ngx_paygw_notify_t *n, ngx_str_t *id)
{
    u_char     *p;
    ngx_str_t  *name, *order;

    name = &n->channel->name;
    order = &n->event.order_id;

    if (order->len == 0) {
        ngx_str_null(id);
        return NGX_OK;
    }

    p = ngx_pnalloc(n->pool, name->len + 1 + order->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    id->data = p;

    p = ngx_cpymem(p, name->data, name->len);
    *p++ = ':';
    p = ngx_cpymem(p, order->data, order->len);

    id->len = p - id->data;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_event_json(ngx_paygw_notify_t *n, ngx_str_t *id,
    ngx_uint_t delivery, ngx_str_t *json)
{
    ngx_paygw_event_t   *ev;
    ngx_paygw_piece_t   *piece;
    ngx_paygw_pieces_t   ps;

    ev = &n->event;

    ps.n = 0;
    ps.first = 0;

    ngx_paygw_piece_open(&ps, "{");

    ngx_paygw_piece_string(&ps, ",\"id\":", id);
    ngx_paygw_piece_string(&ps, ",\"type\":", &ngx_paygw_event_types[ev->type]);
    ngx_paygw_piece_string(&ps, ",\"outcome\":",
                           &ngx_paygw_outcomes[ev->outcome]);
    ngx_paygw_piece_string(&ps, ",\"channel\":", &n->channel->name);
    ngx_paygw_piece_string(&ps, ",\"provider\":", &n->provider->name);
    ngx_paygw_piece_string(&ps, ",\"kind\":", &ev->kind);
    ngx_paygw_piece_number(&ps, ",\"time\":", ev->time ? ev->time : -1);
    ngx_paygw_piece_number(&ps, ",\"delivery\":",
                           delivery ? (int64_t) delivery : -1);

    if (ev->unconfirmed) {
        ngx_paygw_piece_string(&ps, ",\"confirm\":", &ngx_paygw_event_confirm);
    }

    ngx_paygw_event_order(&ps, ev);

    if (ev->type == NGX_PAYGW_EVENT_REFUND) {
        ngx_paygw_event_refund(&ps, ev);
    }

    if (ev->data.len) {
        piece = ngx_paygw_piece(&ps, ",\"data\":");
        piece->value = ev->data;
    }

    (void) ngx_paygw_piece(&ps, "}");

    return ngx_paygw_event_write(n->pool, &ps, json);
}


static void
ngx_paygw_event_order(ngx_paygw_pieces_t *ps, ngx_paygw_event_t *ev)
{
    ngx_paygw_piece_open(ps, ",\"order\":{");

    ngx_paygw_piece_string(ps, ",\"order_id\":", &ev->order_id);
    ngx_paygw_piece_string(ps, ",\"trade_no\":", &ev->trade_no);
    ngx_paygw_piece_number(ps, ",\"amount\":", ev->amount);
    ngx_paygw_piece_string(ps, ",\"currency\":", &ev->currency);
    ngx_paygw_piece_string(ps, ",\"payer\":", &ev->payer);

    ps->first = 0;

    (void) ngx_paygw_piece(ps, "}");
}


static void
ngx_paygw_event_refund(ngx_paygw_pieces_t *ps, ngx_paygw_event_t *ev)
{
    ngx_paygw_piece_open(ps, ",\"refund\":{");

    ngx_paygw_piece_string(ps, ",\"refund_id\":", &ev->refund_id);
    ngx_paygw_piece_string(ps, ",\"refund_no\":", &ev->refund_no);
    ngx_paygw_piece_number(ps, ",\"amount\":", ev->refund_amount);

    ps->first = 0;

    (void) ngx_paygw_piece(ps, "}");
}


static ngx_int_t
ngx_paygw_event_write(ngx_pool_t *pool, ngx_paygw_pieces_t *ps,
    ngx_str_t *json)
{
    size_t              len;
    u_char             *p;
    ngx_uint_t          i;
    ngx_paygw_piece_t  *piece;

    len = 0;

    for (i = 0; i < ps->n; i++) {
        piece = &ps->pieces[i];

        piece->len = piece->quoted ? ngx_paygw_json_string_len(&piece->value)
                                   : piece->value.len;

        len += piece->literal.len + piece->len;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    json->data = p;
    json->len = len;

    for (i = 0; i < ps->n; i++) {
        piece = &ps->pieces[i];

        p = ngx_cpymem(p, piece->literal.data, piece->literal.len);

        if (piece->quoted) {
            p = ngx_paygw_json_write_string(p, &piece->value, piece->len);

        } else if (piece->value.len) {
            p = ngx_cpymem(p, piece->value.data, piece->value.len);
        }
    }

    return NGX_OK;
}


static ngx_paygw_piece_t *
ngx_paygw_piece(ngx_paygw_pieces_t *ps, const char *literal)
{
    ngx_paygw_piece_t  *piece;

    piece = &ps->pieces[ps->n++];

    /* the first member of an object has no comma in front */

    if (ps->first && *literal == ',') {
        literal++;
    }

    ps->first = 0;

    piece->literal.data = (u_char *) literal;
    piece->literal.len = ngx_strlen(literal);
    piece->quoted = 0;

    ngx_str_null(&piece->value);

    return piece;
}


static void
ngx_paygw_piece_open(ngx_paygw_pieces_t *ps, const char *literal)
{
    (void) ngx_paygw_piece(ps, literal);

    ps->first = 1;
}


static void
ngx_paygw_piece_string(ngx_paygw_pieces_t *ps, const char *literal,
    const ngx_str_t *value)
{
    ngx_paygw_piece_t  *piece;

    if (value->len == 0) {
        return;
    }

    piece = ngx_paygw_piece(ps, literal);

    piece->value = *value;
    piece->quoted = 1;
}


static void
ngx_paygw_piece_number(ngx_paygw_pieces_t *ps, const char *literal,
    int64_t value)
{
    ngx_paygw_piece_t  *piece;

    if (value < 0) {
        return;
    }

    piece = ngx_paygw_piece(ps, literal);

    piece->value.data = piece->number;
    piece->value.len = ngx_sprintf(piece->number, "%L", value)
                       - piece->number;
}


ngx_int_t
ngx_paygw_event_parse(ngx_paygw_notify_t *n, ngx_str_t *text,
    ngx_paygw_json_t **root)
{
    char       *err;
    ngx_int_t   rc;

    err = NULL;
    rc = ngx_paygw_json_parse(n->pool, text, root, &err);

    if (rc != NGX_OK) {
        return ngx_paygw_refuse_parse(n, rc, err);
    }

    if ((*root)->type != NGX_PAYGW_JSON_OBJECT) {
        return ngx_paygw_refuse(n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "not a JSON object");
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_event_word(ngx_paygw_json_t *obj, const char *name, size_t max,
    ngx_str_t *value)
{
    ngx_str_null(value);

    if (obj == NULL) {
        return NGX_OK;
    }

    if (ngx_paygw_json_get_string(obj, name, value) == NGX_ABORT) {
        return NGX_ABORT;
    }

    if (value->len && !ngx_paygw_visible(value, max)) {
        ngx_str_null(value);
        return NGX_ABORT;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_event_minor(ngx_paygw_json_t *obj, const char *name,
    int64_t *value)
{
    ngx_int_t  rc;

    rc = obj ? ngx_paygw_json_get_integer(obj, name, value) : NGX_DECLINED;

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    *value = -1;

    return (rc == NGX_DECLINED) ? NGX_OK : NGX_ABORT;
}


ngx_int_t
ngx_paygw_event_fields(ngx_paygw_notify_t *n, ngx_paygw_form_t *form,
    const char **skip, ngx_uint_t flags)
{
    size_t              len, names[NGX_PAYGW_FORM_MAX_FIELDS],
                        values[NGX_PAYGW_FORM_MAX_FIELDS];
    u_char             *p;
    ngx_uint_t          i, nkept;
    ngx_paygw_field_t  *kept[NGX_PAYGW_FORM_MAX_FIELDS];

    nkept = ngx_paygw_form_kept(form, skip, flags, kept);
    len = 2;

    for (i = 0; i < nkept; i++) {
        names[i] = ngx_paygw_json_string_len(&kept[i]->name);
        values[i] = ngx_paygw_json_string_len(&kept[i]->value);

        len += names[i] + 1 + values[i] + 1;
    }

    p = ngx_pnalloc(n->pool, len);
    if (p == NULL) {
        return ngx_paygw_refuse(n, NGX_ERROR, NGX_PAYGW_REASON_INTERNAL, NULL);
    }

    n->event.data.data = p;

    *p++ = '{';

    for (i = 0; i < nkept; i++) {

        if (i) {
            *p++ = ',';
        }

        p = ngx_paygw_json_write_string(p, &kept[i]->name, names[i]);
        *p++ = ':';
        p = ngx_paygw_json_write_string(p, &kept[i]->value, values[i]);
    }

    *p++ = '}';

    n->event.data.len = p - n->event.data.data;

    return NGX_OK;
}
