
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_unionpay.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_fields.h"


/*
 * Calls of UnionPay's gateway: the caller sends the form of the provider's
 * documentation, and the module adds who we are and the signature.
 */


/* what becomes of a call by its path */

typedef struct {
    ngx_str_t                name;
    ngx_paygw_repeat_e       repeat;
    ngx_uint_t               page;     /* nothing is sent: the payer's browser
                                          does that */
    ngx_uint_t               file;     /* is of no order */
} ngx_paygw_unionpay_path_t;


static char *ngx_paygw_unionpay_api_conf(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_unionpay_build(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_unionpay_preflight(ngx_paygw_exchange_t *x,
    const ngx_paygw_unionpay_path_t **path);
static ngx_int_t ngx_paygw_unionpay_take(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_unionpay_fill(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_unionpay_add(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form, const char *name, ngx_str_t *value);
static ngx_uint_t ngx_paygw_unionpay_splits(ngx_paygw_form_t *form);
static ngx_uint_t ngx_paygw_unionpay_less(const ngx_str_t *a,
    const ngx_str_t *b);
static ngx_int_t ngx_paygw_unionpay_seal(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);
static ngx_uint_t ngx_paygw_unionpay_tells(ngx_str_t *text);
static ngx_int_t ngx_paygw_unionpay_send(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);


/*
 * A second call with the same orderId and txnTime is answered with 12, and is
 * no second transaction.  The last row is that of all others, which are never
 * sent again.  Files have a host of their own, which has but one path.
 */

static const ngx_paygw_unionpay_path_t  ngx_paygw_unionpay_paths[] = {
    { ngx_string(NGX_PAYGW_UNIONPAY_API "queryTrans.do"),
      NGX_PAYGW_REPEAT_ALWAYS, 0, 0 },
    { ngx_string(NGX_PAYGW_UNIONPAY_API "backTransReq.do"),
      NGX_PAYGW_REPEAT_ANSWERED, 0, 0 },
    { ngx_string(NGX_PAYGW_UNIONPAY_API "appTransReq.do"),
      NGX_PAYGW_REPEAT_ANSWERED, 0, 0 },
    { ngx_string(NGX_PAYGW_UNIONPAY_API "frontTransReq.do"),
      NGX_PAYGW_REPEAT_NEVER, 1, 0 },
    { ngx_string("/"), NGX_PAYGW_REPEAT_ALWAYS, 0, 1 },
    { ngx_null_string, NGX_PAYGW_REPEAT_NEVER, 0, 0 }
};


static const ngx_str_t  ngx_paygw_unionpay_no_fields[] = {
    ngx_null_string
};


const ngx_paygw_api_t  ngx_paygw_unionpay_api = {
    "https://gateway.95516.com",
    ngx_paygw_unionpay_no_fields,
    ngx_paygw_unionpay_no_fields,
    ngx_paygw_unionpay_api_conf,
    ngx_paygw_unionpay_build,
    ngx_paygw_unionpay_check_answer,
    NULL, NULL, NULL
};


static char *
ngx_paygw_unionpay_api_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_unionpay_conf_t  *conf = ch->conf;

    /* its certificate is there as well, then */

    if (conf->method->hash == NULL
        && ngx_paygw_channel_required(cf, ch, conf->private_key != NULL,
                                      "merchant_private_key")
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_paygw_unionpay_build(ngx_paygw_exchange_t *x)
{
    ngx_int_t                         rc;
    ngx_paygw_form_t                 *form;
    const ngx_paygw_unionpay_path_t  *path;

    form = ngx_palloc(x->n.pool, sizeof(ngx_paygw_form_t));

    if (form == NULL || ngx_paygw_form_new(x->n.pool, form) != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    x->data = form;

    path = NULL;
    rc = ngx_paygw_unionpay_preflight(x, &path);

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_take(x, form);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_fill(x, form);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_seal_fields(x, form);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    /* without these nobody could ask what has become of it */

    if (ngx_paygw_fields_value(form, "txnTime") == NULL
        || (!path->file && ngx_paygw_fields_value(form, "orderId") == NULL))
    {
        return ngx_paygw_exchange_wrong(x, path->file
                                           ? "txnTime is missing"
                                           : "orderId or txnTime is missing");
    }

    if (path->page && ngx_paygw_unionpay_splits(form)) {
        return ngx_paygw_exchange_wrong(x, "a value hides another field, and "
                                           "the payer could bring it out");
    }

    ngx_paygw_unionpay_bind(x, form);

    rc = ngx_paygw_unionpay_seal(x, form);
    if (rc != NGX_OK) {
        return rc;
    }

    x->repeat = path->repeat;

    return path->page ? ngx_paygw_unionpay_page(x, form)
                      : ngx_paygw_unionpay_send(x, form);
}


static ngx_int_t
ngx_paygw_unionpay_preflight(ngx_paygw_exchange_t *x,
    const ngx_paygw_unionpay_path_t **path)
{
    u_char                            c;
    size_t                            i, len;
    const ngx_paygw_unionpay_path_t  *p;

    if (!ngx_paygw_exchange_method(x, "POST")) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED, NGX_PAYGW_REASON_METHOD,
                                "the method must be POST");
    }

    if (!ngx_paygw_exchange_type(x, "application/x-www-form-urlencoded")) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_CONTENT_TYPE,
                                "the body must be a form");
    }

    for (p = ngx_paygw_unionpay_paths; p->name.len; p++) {
        if (p->name.len == x->path.len
            && ngx_strncmp(p->name.data, x->path.data, x->path.len) == 0)
        {
            break;
        }
    }

    *path = p;

    len = sizeof(NGX_PAYGW_UNIONPAY_API) - 1;

    if (p->name.len == 0
        && (x->path.len <= len
            || ngx_strncmp(x->path.data, NGX_PAYGW_UNIONPAY_API, len) != 0))
    {
        goto wrong;
    }

    for (i = p->name.len ? x->path.len : len; i < x->path.len; i++) {
        c = x->path.data[i];

        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.') {
            goto wrong;
        }
    }

    /* arguments are not signed */

    if (ngx_strlchr(x->in.target.data,
                    x->in.target.data + x->in.target.len, '?')
        == NULL)
    {
        return NGX_OK;
    }

wrong:

    return ngx_paygw_exchange_wrong(x, "the path must be "
                                       NGX_PAYGW_UNIONPAY_API "... or /, "
                                       "without arguments");
}


/* the caller's fields; what is empty is not signed, and not sent */

static ngx_int_t
ngx_paygw_unionpay_take(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    char               *err;
    ngx_int_t           rc;
    ngx_uint_t          i, k;
    ngx_paygw_form_t    given;
    ngx_paygw_field_t  *field;

    static const ngx_str_t  own[] = {
        ngx_string("certId"),
        ngx_string("signPubKeyCert"),
        ngx_string("signature"),
        ngx_null_string
    };

    err = NULL;
    rc = ngx_paygw_form_parse(x->n.pool, &x->in.body, &given, &err);

    if (rc == NGX_ABORT) {
        (void) ngx_paygw_refuse_parse(&x->n, rc, err);
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    if (!ngx_paygw_fields_plain(&given)) {
        return ngx_paygw_exchange_wrong(x, "a field's name must be letters "
                                           "and digits");
    }

    for (i = 0; i < given.nfields; i++) {
        field = &given.fields[i];

        if (field->value.len == 0) {
            continue;
        }

        /* an SDK may well send these, made with a key of its own */

        for (k = 0; own[k].len; k++) {
            if (own[k].len == field->name.len
                && ngx_strncmp(own[k].data, field->name.data, own[k].len)
                   == 0)
            {
                break;
            }
        }

        if (own[k].len == 0) {
            form->fields[form->nfields++] = *field;
        }
    }

    return NGX_OK;
}


/* what the caller has left out, and what it must not say */

static ngx_int_t
ngx_paygw_unionpay_fill(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    ngx_int_t                   rc;
    ngx_str_t                  *value;
    ngx_paygw_unionpay_conf_t  *conf;

    static ngx_str_t  version = ngx_string("5.1.0");
    static ngx_str_t  encoding = ngx_string("UTF-8");

    conf = x->n.channels[0]->conf;

    value = ngx_paygw_fields_value(form, "encoding");

    if (value
        && !(value->len == 5
             && ngx_strncasecmp(value->data, (u_char *) "UTF-8", 5) == 0)
        && !(value->len == 3
             && ngx_strncasecmp(value->data, (u_char *) "GBK", 3) == 0))
    {
        return ngx_paygw_exchange_wrong(x, "encoding must be UTF-8 or GBK");
    }

    rc = value ? NGX_OK
               : ngx_paygw_unionpay_add(x, form, "encoding", &encoding);

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_add(x, form, "merId", &conf->merid);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_add(x, form, "signMethod",
                                    (ngx_str_t *) &conf->method->name);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_unionpay_add(x, form, "version", &version);
    }

    if (rc == NGX_OK && conf->cert_id.len) {
        rc = ngx_paygw_unionpay_add(x, form, "certId", &conf->cert_id);
    }

    return rc;
}


/* a field that has but one value */

static ngx_int_t
ngx_paygw_unionpay_add(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form,
    const char *name, ngx_str_t *value)
{
    ngx_str_t  *given;

    given = ngx_paygw_fields_value(form, name);

    if (given == NULL) {
        return ngx_paygw_form_add(form, name, value) == NGX_OK
               ? NGX_OK : ngx_paygw_exchange_wrong(x, "too many fields");
    }

    if (given->len == value->len
        && ngx_strncmp(given->data, value->data, value->len) == 0)
    {
        return NGX_OK;
    }

    return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                 NGX_PAYGW_REASON_MALFORMED,
                                 "%s is not that of the channel", name);
}


/*
 * 1 if the text that is signed could be cut in another way, so that another
 * amount or order is in it: what is behind "&" in a value must have a name
 * that sorts after that of the value, and merId must not be swallowed by it.
 */

static ngx_uint_t
ngx_paygw_unionpay_splits(ngx_paygw_form_t *form)
{
    u_char           *p, *last;
    ngx_str_t        *own;
    ngx_uint_t        i;
    const ngx_str_t  *name;

    static const ngx_str_t  merid = ngx_string("merId");

    static const ngx_str_t  names[] = {
        ngx_string("currencyCode"),
        ngx_string("merId"),
        ngx_string("orderId"),
        ngx_string("txnAmt"),
        ngx_string("txnSubType"),
        ngx_string("txnTime"),
        ngx_string("txnType"),
        ngx_null_string
    };

    for (i = 0; i < form->nfields; i++) {

        own = &form->fields[i].name;
        p = form->fields[i].value.data;
        last = p + form->fields[i].value.len;

        while ((p = memchr(p, '&', last - p)) != NULL) {
            p++;

            for (name = names; name->len; name++) {

                if ((size_t) (last - p) > name->len && p[name->len] == '='
                    && ngx_strncmp(p, name->data, name->len) == 0
                    && ngx_paygw_unionpay_less(own, name)
                    && !(ngx_paygw_unionpay_less(own, &merid)
                         && ngx_paygw_unionpay_less(&merid, name)))
                {
                    return 1;
                }
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_paygw_unionpay_less(const ngx_str_t *a, const ngx_str_t *b)
{
    return ngx_memn2cmp(a->data, b->data, a->len, b->len) < 0;
}


static ngx_int_t
ngx_paygw_unionpay_seal(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    char                       *err;
    ngx_str_t                   text, sig;
    ngx_paygw_unionpay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    if (ngx_paygw_form_sort(form, &err) != NGX_OK
        || ngx_paygw_form_canonical(x->n.pool, form, ngx_paygw_unionpay_skip,
                                    0, &text)
           != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    /*
     * With a secret that both sides hold the signature of a page, which the
     * payer sees, would be that of a callback with the same text
     */

    if (conf->method->hash && ngx_paygw_unionpay_tells(&text)) {
        return ngx_paygw_exchange_wrong(x, "respCode is what UnionPay says, "
                                           "also behind a \"&\" in a value");
    }

    if (ngx_paygw_unionpay_make(conf, &text, &sig, x->n.pool, x->n.log)
        != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    return ngx_paygw_unionpay_add(x, form, "signature", &sig);
}


/* 1 if a text to sign can be read as one of UnionPay's, which has a respCode */

static ngx_uint_t
ngx_paygw_unionpay_tells(ngx_str_t *text)
{
    u_char  *p, *last;

    static const ngx_str_t  name = ngx_string("respCode=");

    p = text->data;
    last = text->data + text->len;

    while (p) {

        if ((size_t) (last - p) >= name.len
            && ngx_strncmp(p, name.data, name.len) == 0)
        {
            return 1;
        }

        p = memchr(p, '&', last - p);

        if (p) {
            p++;
        }
    }

    return 0;
}


static ngx_int_t
ngx_paygw_unionpay_send(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    u_char     *p;
    ngx_str_t   type, charset;

    static ngx_str_t  post = ngx_string("POST");
    static ngx_str_t  agent = ngx_string("paygw");

    ngx_paygw_unionpay_charset(form, &charset);

    type.len = sizeof("application/x-www-form-urlencoded;charset=") - 1
               + charset.len;

    p = ngx_pnalloc(x->n.pool, type.len);

    if (p == NULL
        || ngx_paygw_form_write(x->n.pool, form, &x->body) != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    type.data = p;
    (void) ngx_sprintf(p, "application/x-www-form-urlencoded;charset=%V",
                       &charset);

    x->method = post;
    x->target = x->path;
    x->nfields = 0;

    if (ngx_paygw_exchange_add(x, "Content-Type", "content-type", &type)
        != NGX_OK
        || ngx_paygw_exchange_add(x, "User-Agent", "user-agent", &agent)
           != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    return NGX_OK;
}


void
ngx_paygw_unionpay_charset(ngx_paygw_form_t *form, ngx_str_t *charset)
{
    ngx_str_t  *value;

    value = ngx_paygw_fields_value(form, "encoding");

    if (value && value->len == 3) {
        ngx_str_set(charset, "GBK");

    } else {
        ngx_str_set(charset, "UTF-8");
    }
}
