
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_order.h"
#include "ngx_paygw_json.h"
#include "ngx_paygw_text.h"


/*
 * A caller's request is read as strictly as a provider's message: what two
 * programs could understand in two ways is refused, by the name of the field,
 * before anything is sent.
 */


#define ngx_paygw_order_bit(op)  ((ngx_uint_t) 1 << NGX_PAYGW_OP_##op)

#define NGX_PAYGW_ORDER_POSTS                                                 \
    (ngx_paygw_order_bit(CREATE) | ngx_paygw_order_bit(CLOSE)                 \
     | ngx_paygw_order_bit(REFUND))

/* a name of a channel, as the configuration has it */
#define NGX_PAYGW_ORDER_CHANNEL_MAX  64

#define NGX_PAYGW_ORDER_META_NAME    40
#define NGX_PAYGW_ORDER_META_VALUE   256


typedef struct ngx_paygw_order_field_s  ngx_paygw_order_field_t;

struct ngx_paygw_order_field_s {
    const char              *name;
    ngx_uint_t               ops;        /* bits: that know it */
    ngx_uint_t               required;   /* bits: that need it */
    ngx_int_t              (*read)(ngx_paygw_order_t *o,
                                   const ngx_paygw_order_field_t *f,
                                   ngx_paygw_json_t *node);
    size_t                   offset;     /* in the order */
    size_t                   max;        /* bytes */
};


static ngx_int_t ngx_paygw_order_within(ngx_pool_t *pool,
    ngx_paygw_order_t *o);
static ngx_int_t ngx_paygw_order_members(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *fields, ngx_paygw_json_t *root);
static ngx_int_t ngx_paygw_order_id(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node);
static ngx_int_t ngx_paygw_order_amount(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node);
static ngx_int_t ngx_paygw_order_currency(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node);
static ngx_int_t ngx_paygw_order_string(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node);
static ngx_int_t ngx_paygw_order_word(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node);
static ngx_int_t ngx_paygw_order_ref(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node);
static ngx_int_t ngx_paygw_order_method(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node);
static ngx_int_t ngx_paygw_order_url(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node);
static ngx_int_t ngx_paygw_order_expires(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node);
static ngx_int_t ngx_paygw_order_payer(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node);
static ngx_int_t ngx_paygw_order_ip(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node);
static ngx_int_t ngx_paygw_order_meta(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node);
static ngx_int_t ngx_paygw_order_metadata(ngx_pool_t *pool,
    ngx_paygw_order_t *o);
static ngx_uint_t ngx_paygw_order_printable(ngx_str_t *s, size_t max);


static const ngx_paygw_order_field_t  ngx_paygw_order_fields[] = {

    { "order_id", ngx_paygw_order_bit(CREATE), ngx_paygw_order_bit(CREATE),
      ngx_paygw_order_id, offsetof(ngx_paygw_order_t, id), 0 },

    { "refund_id", ngx_paygw_order_bit(REFUND), ngx_paygw_order_bit(REFUND),
      ngx_paygw_order_id, offsetof(ngx_paygw_order_t, refund_id), 0 },

    { "amount", ngx_paygw_order_bit(CREATE) | ngx_paygw_order_bit(REFUND),
      ngx_paygw_order_bit(CREATE) | ngx_paygw_order_bit(REFUND),
      ngx_paygw_order_amount, 0, 0 },

    { "currency", ngx_paygw_order_bit(CREATE), ngx_paygw_order_bit(CREATE),
      ngx_paygw_order_currency, 0, 0 },

    { "subject", ngx_paygw_order_bit(CREATE), ngx_paygw_order_bit(CREATE),
      ngx_paygw_order_string, offsetof(ngx_paygw_order_t, subject),
      NGX_PAYGW_ORDER_SUBJECT_MAX },

    { "method", ngx_paygw_order_bit(CREATE), ngx_paygw_order_bit(CREATE),
      ngx_paygw_order_method, 0, 0 },

    { "channel", NGX_PAYGW_ORDER_POSTS, 0,
      ngx_paygw_order_word, offsetof(ngx_paygw_order_t, channel),
      NGX_PAYGW_ORDER_CHANNEL_MAX },

    { "ref", NGX_PAYGW_ORDER_POSTS, 0,
      ngx_paygw_order_ref, 0, 0 },

    { "payer", ngx_paygw_order_bit(CREATE), 0,
      ngx_paygw_order_payer, 0, 0 },

    { "terminal", ngx_paygw_order_bit(CREATE), 0,
      ngx_paygw_order_word, offsetof(ngx_paygw_order_t, terminal),
      NGX_PAYGW_ORDER_ID_MAX },

    { "return_url", ngx_paygw_order_bit(CREATE), 0,
      ngx_paygw_order_url, offsetof(ngx_paygw_order_t, return_url),
      NGX_PAYGW_ORDER_URL_MAX },

    { "expires_in", ngx_paygw_order_bit(CREATE), 0,
      ngx_paygw_order_expires, 0, 0 },

    { "metadata", ngx_paygw_order_bit(CREATE), 0,
      ngx_paygw_order_meta, 0, 0 },

    { "reason", ngx_paygw_order_bit(REFUND), 0,
      ngx_paygw_order_string, offsetof(ngx_paygw_order_t, reason),
      NGX_PAYGW_ORDER_REASON_MAX },

    { NULL, 0, 0, NULL, 0, 0 }
};


static const ngx_paygw_order_field_t  ngx_paygw_order_payer_fields[] = {

    { "payer.id", ngx_paygw_order_bit(CREATE), 0,
      ngx_paygw_order_word, offsetof(ngx_paygw_order_t, payer),
      NGX_PAYGW_ORDER_PAYER_MAX },

    { "payer.appid", ngx_paygw_order_bit(CREATE), 0,
      ngx_paygw_order_word, offsetof(ngx_paygw_order_t, payer_appid),
      NGX_PAYGW_ORDER_ID_MAX },

    { "payer.ip", ngx_paygw_order_bit(CREATE), 0,
      ngx_paygw_order_ip, 0, 0 },

    { "payer.auth_code", ngx_paygw_order_bit(CREATE), 0,
      ngx_paygw_order_word, offsetof(ngx_paygw_order_t, auth_code),
      NGX_PAYGW_ORDER_ID_MAX },

    { NULL, 0, 0, NULL, 0, 0 }
};


ngx_int_t
ngx_paygw_order_read(ngx_pool_t *pool, ngx_paygw_order_t *o, ngx_str_t *body,
    time_t now)
{
    char                    *err;
    ngx_int_t                rc;
    ngx_str_t                text;
    ngx_paygw_json_t        *root;
    ngx_paygw_json_fault_t   fault;

    text = *body;

    if (text.len == 0 && o->op == NGX_PAYGW_OP_CLOSE) {
        ngx_str_set(&text, "{}");
    }

    rc = ngx_paygw_json_parse_at(pool, &text, &root, &err, &fault);

    if (rc == NGX_ABORT) {
        return ngx_paygw_order_broken(pool, o, err, &fault);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (root->type != NGX_PAYGW_JSON_OBJECT) {
        o->code = NGX_PAYGW_CODE_BAD_REQUEST;
        o->hint = "not a JSON object";

        return NGX_DECLINED;
    }

    rc = ngx_paygw_order_members(o, ngx_paygw_order_fields, root);

    if (rc == NGX_DECLINED && o->field && o->said.len) {
        return ngx_paygw_order_within(pool, o);
    }

    if (rc == NGX_OK && o->expires) {
        o->expires += now;
    }

    if (rc == NGX_OK && o->nmeta) {
        rc = ngx_paygw_order_metadata(pool, o);
    }

    return rc;
}


/* what is said is a member of a field */

static ngx_int_t
ngx_paygw_order_within(ngx_pool_t *pool, ngx_paygw_order_t *o)
{
    if (ngx_paygw_order_text(pool, &o->said, "%s.%V", o->field, &o->said)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    o->field = NULL;

    return NGX_DECLINED;
}


/* "payer.id" is the member "id" of "payer" */

static ngx_int_t
ngx_paygw_order_members(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *fields, ngx_paygw_json_t *root)
{
    char                           *name;
    ngx_int_t                       rc;
    ngx_uint_t                      op;
    ngx_paygw_json_t               *m;
    const ngx_paygw_order_field_t  *f;

    op = (ngx_uint_t) 1 << o->op;

    for (m = root->child; m; m = m->next) {

        for (f = fields; f->name; f++) {

            name = ngx_strchr(f->name, '.');
            name = name ? name + 1 : (char *) f->name;

            if ((f->ops & op) && m->key.len == ngx_strlen(name)
                && ngx_strncmp(m->key.data, name, m->key.len) == 0)
            {
                break;
            }
        }

        if (f->name == NULL) {
            return ngx_paygw_order_unknown(o, &m->key, "is not known");
        }

        rc = f->read(o, f, m);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    for (f = fields; f->name; f++) {
        if ((f->required & op) && ngx_paygw_json_get(root, f->name) == NULL) {
            return ngx_paygw_order_missing(o, f->name);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_order_id(ngx_paygw_order_t *o, const ngx_paygw_order_field_t *f,
    ngx_paygw_json_t *node)
{
    if (node->type != NGX_PAYGW_JSON_STRING) {
        return ngx_paygw_order_invalid(o, f->name, "must be a string");
    }

    if (ngx_paygw_order_read_id(o, f->name, &node->value) != NGX_OK) {
        return NGX_DECLINED;
    }

    *(ngx_str_t *) ((u_char *) o + f->offset) = node->value;

    return NGX_OK;
}


/* a number, and nothing that another reader would round */

static ngx_int_t
ngx_paygw_order_amount(ngx_paygw_order_t *o, const ngx_paygw_order_field_t *f,
    ngx_paygw_json_t *node)
{
    int64_t  amount;

    if (node->type != NGX_PAYGW_JSON_NUMBER
        || ngx_paygw_minor_parse(&node->value, &amount) != NGX_OK
        || amount < 1 || amount > NGX_PAYGW_ORDER_AMOUNT_MAX)
    {
        return ngx_paygw_order_invalid(o, f->name, "must be an integer, of "
                                       "minor units, from 1 to 999999999999");
    }

    if (o->op == NGX_PAYGW_OP_REFUND) {
        o->refund_amount = amount;

    } else {
        o->amount = amount;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_order_currency(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node)
{
    u_char  *p;

    p = node->value.data;

    if (node->type != NGX_PAYGW_JSON_STRING || node->value.len != 3
        || p[0] < 'A' || p[0] > 'Z' || p[1] < 'A' || p[1] > 'Z'
        || p[2] < 'A' || p[2] > 'Z')
    {
        return ngx_paygw_order_invalid(o, f->name, "must be a code of ISO "
                                       "4217, three capital letters");
    }

    o->currency = node->value;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_order_string(ngx_paygw_order_t *o, const ngx_paygw_order_field_t *f,
    ngx_paygw_json_t *node)
{
    if (node->type != NGX_PAYGW_JSON_STRING
        || !ngx_paygw_order_printable(&node->value, f->max))
    {
        return ngx_paygw_order_invalid(o, f->name, "must be a string of 1 to "
                                       "256 bytes without controls");
    }

    *(ngx_str_t *) ((u_char *) o + f->offset) = node->value;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_order_word(ngx_paygw_order_t *o, const ngx_paygw_order_field_t *f,
    ngx_paygw_json_t *node)
{
    if (node->type != NGX_PAYGW_JSON_STRING
        || !ngx_paygw_visible(&node->value, f->max))
    {
        return ngx_paygw_order_invalid(o, f->name, "must be a string of "
                                       "visible ASCII, not empty and not too "
                                       "long");
    }

    *(ngx_str_t *) ((u_char *) o + f->offset) = node->value;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_order_ref(ngx_paygw_order_t *o, const ngx_paygw_order_field_t *f,
    ngx_paygw_json_t *node)
{
    if (node->type != NGX_PAYGW_JSON_STRING) {
        return ngx_paygw_order_invalid(o, f->name, "must be a string");
    }

    return ngx_paygw_order_read_ref(o, &node->value);
}


static ngx_int_t
ngx_paygw_order_method(ngx_paygw_order_t *o, const ngx_paygw_order_field_t *f,
    ngx_paygw_json_t *node)
{
    ngx_uint_t  i;

    if (node->type == NGX_PAYGW_JSON_STRING) {

        for (i = 0; i < NGX_PAYGW_METHODS; i++) {
            if (node->value.len == ngx_paygw_order_methods[i].len
                && ngx_strncmp(node->value.data,
                               ngx_paygw_order_methods[i].data,
                               node->value.len)
                   == 0)
            {
                o->method = i;
                return NGX_OK;
            }
        }
    }

    return ngx_paygw_order_invalid(o, f->name, "must be qr, jsapi, app, h5, "
                                   "page, wap or barcode");
}


static ngx_int_t
ngx_paygw_order_url(ngx_paygw_order_t *o, const ngx_paygw_order_field_t *f,
    ngx_paygw_json_t *node)
{
    ngx_str_t  *s;

    s = &node->value;

    if (node->type != NGX_PAYGW_JSON_STRING
        || !ngx_paygw_visible(s, f->max)
        || !((s->len > 8 && ngx_strncmp(s->data, "https://", 8) == 0)
             || (s->len > 7 && ngx_strncmp(s->data, "http://", 7) == 0)))
    {
        return ngx_paygw_order_invalid(o, f->name, "must be a URL of at most "
                                       "1024 bytes of visible ASCII");
    }

    *(ngx_str_t *) ((u_char *) o + f->offset) = *s;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_order_expires(ngx_paygw_order_t *o,
    const ngx_paygw_order_field_t *f, ngx_paygw_json_t *node)
{
    int64_t  seconds;

    if (node->type != NGX_PAYGW_JSON_NUMBER
        || ngx_paygw_minor_parse(&node->value, &seconds) != NGX_OK
        || seconds < NGX_PAYGW_ORDER_EXPIRES_MIN
        || seconds > NGX_PAYGW_ORDER_EXPIRES_MAX)
    {
        return ngx_paygw_order_invalid(o, f->name, "must be an integer, of "
                                       "seconds, from 60 to 1296000");
    }

    o->expires = (time_t) seconds;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_order_payer(ngx_paygw_order_t *o, const ngx_paygw_order_field_t *f,
    ngx_paygw_json_t *node)
{
    ngx_int_t  rc;

    if (node->type != NGX_PAYGW_JSON_OBJECT) {
        return ngx_paygw_order_invalid(o, f->name, "must be an object");
    }

    rc = ngx_paygw_order_members(o, ngx_paygw_order_payer_fields, node);

    if (rc == NGX_DECLINED && o->said.len) {
        o->field = f->name;
    }

    return rc;
}


static ngx_int_t
ngx_paygw_order_ip(ngx_paygw_order_t *o, const ngx_paygw_order_field_t *f,
    ngx_paygw_json_t *node)
{
    ngx_str_t        *s;
#if (NGX_HAVE_INET6)
    struct in6_addr   addr;
#endif

    s = &node->value;

    if (node->type == NGX_PAYGW_JSON_STRING
        && s->len && s->len <= NGX_INET6_ADDRSTRLEN
        && (ngx_inet_addr(s->data, s->len) != INADDR_NONE
#if (NGX_HAVE_INET6)
            || ngx_inet6_addr(s->data, s->len, addr.s6_addr) == NGX_OK
#endif
           ))
    {
        o->payer_ip = *s;
        return NGX_OK;
    }

    return ngx_paygw_order_invalid(o, f->name, "must be an IP address");
}


static ngx_int_t
ngx_paygw_order_meta(ngx_paygw_order_t *o, const ngx_paygw_order_field_t *f,
    ngx_paygw_json_t *node)
{
    ngx_paygw_json_t  *m;

    if (node->type != NGX_PAYGW_JSON_OBJECT) {
        return ngx_paygw_order_invalid(o, f->name, "must be an object");
    }

    for (m = node->child; m; m = m->next) {

        if (o->nmeta == NGX_PAYGW_ORDER_META
            || !ngx_paygw_order_plain(&m->key, NGX_PAYGW_ORDER_META_NAME)
            || m->type != NGX_PAYGW_JSON_STRING
            || !ngx_paygw_order_printable(&m->value,
                                          NGX_PAYGW_ORDER_META_VALUE))
        {
            return ngx_paygw_order_invalid(o, f->name, "must have at most 16 "
                                           "members, names of 1 to 40 "
                                           "letters, digits, \"_\" and \"-\", "
                                           "strings of 1 to 256 bytes without "
                                           "controls");
        }

        o->meta[o->nmeta].name = m->key;
        o->meta[o->nmeta].value = m->value;
        o->nmeta++;
    }

    return NGX_OK;
}


/* in a spelling of its own: that of the caller may change */

static ngx_int_t
ngx_paygw_order_metadata(ngx_pool_t *pool, ngx_paygw_order_t *o)
{
    ngx_uint_t            i;
    ngx_paygw_json_out_t  out;

    ngx_paygw_json_out_init(&out, pool);
    ngx_paygw_json_out_open(&out, NULL);

    for (i = 0; i < o->nmeta; i++) {
        ngx_paygw_json_out_named(&out, &o->meta[i].name, &o->meta[i].value);
    }

    ngx_paygw_json_out_close(&out);

    if (ngx_paygw_json_out_end(&out, &o->metadata) != NGX_OK) {
        return NGX_ERROR;
    }

    if (o->metadata.len > NGX_PAYGW_ORDER_META_MAX) {
        return ngx_paygw_order_invalid(o, "metadata", "must have at most 512 "
                                       "bytes as JSON");
    }

    return NGX_OK;
}


/* UTF-8 has been looked at by the reader of JSON */

static ngx_uint_t
ngx_paygw_order_printable(ngx_str_t *s, size_t max)
{
    size_t  i;

    if (s->len == 0 || s->len > max) {
        return 0;
    }

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 0x20 || s->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}
