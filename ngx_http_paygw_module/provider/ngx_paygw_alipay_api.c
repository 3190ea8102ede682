
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_channel.h"


/*
 * Calls of the gateway: the caller sends the parameters that are its business,
 * in the URL or as a form, and the module adds those that make it a request of
 * the app.
 */


#define NGX_PAYGW_ALIPAY_FORM  "application/x-www-form-urlencoded"


/* what becomes of a call by its method; any other is sent, and never again */

typedef struct {
    ngx_str_t                method;
    ngx_paygw_repeat_e       repeat;
    ngx_uint_t               local;    /* nothing is sent: the signed form is
                                          what the payer's side needs */
    ngx_uint_t               url;      /* in a URL */
} ngx_paygw_alipay_method_t;


static char *ngx_paygw_alipay_api_conf(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_int_t ngx_paygw_alipay_build(ngx_paygw_exchange_t *x);
static const ngx_paygw_alipay_method_t *ngx_paygw_alipay_known(
    ngx_paygw_alipay_call_t *call);
static ngx_int_t ngx_paygw_alipay_preflight(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_alipay_take(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form, ngx_str_t *text);
static ngx_uint_t ngx_paygw_alipay_plain(ngx_str_t *name);
static ngx_int_t ngx_paygw_alipay_method(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_alipay_send(ngx_paygw_exchange_t *x,
    ngx_str_t *form);
static ngx_int_t ngx_paygw_alipay_local(ngx_paygw_exchange_t *x,
    ngx_str_t *form, ngx_uint_t url);


static const ngx_paygw_alipay_method_t  ngx_paygw_alipay_methods[] = {
    { ngx_string("alipay.trade.query"), NGX_PAYGW_REPEAT_ALWAYS, 0, 0 },
    { ngx_string("alipay.trade.fastpay.refund.query"),
      NGX_PAYGW_REPEAT_ALWAYS, 0, 0 },
    { ngx_string("alipay.data.dataservice.bill.downloadurl.query"),
      NGX_PAYGW_REPEAT_ALWAYS, 0, 0 },
    { ngx_string("alipay.trade.precreate"), NGX_PAYGW_REPEAT_ANSWERED, 0, 0 },
    { ngx_string("alipay.trade.create"), NGX_PAYGW_REPEAT_ANSWERED, 0, 0 },
    { ngx_string("alipay.trade.close"), NGX_PAYGW_REPEAT_ANSWERED, 0, 0 },
    { ngx_string("alipay.trade.cancel"), NGX_PAYGW_REPEAT_ANSWERED, 0, 0 },
    { ngx_string("alipay.trade.refund"), NGX_PAYGW_REPEAT_ANSWERED, 0, 0 },
    { ngx_string("alipay.trade.page.pay"), NGX_PAYGW_REPEAT_NEVER, 1, 1 },
    { ngx_string("alipay.trade.wap.pay"), NGX_PAYGW_REPEAT_NEVER, 1, 1 },
    { ngx_string("alipay.trade.app.pay"), NGX_PAYGW_REPEAT_NEVER, 1, 0 },
    { ngx_null_string, NGX_PAYGW_REPEAT_NEVER, 0, 0 }
};


/* parameters that are the module's, whatever a caller says of them */

static const ngx_str_t  ngx_paygw_alipay_owned[] = {
    ngx_string("alipay_root_cert_sn"),
    ngx_string("app_cert_sn"),
    ngx_string("app_id"),
    ngx_string("charset"),
    ngx_string("format"),
    ngx_string("sign"),
    ngx_string("sign_type"),
    ngx_string("timestamp"),
    ngx_string("version"),
    ngx_null_string
};


const ngx_paygw_api_t  ngx_paygw_alipay_api = {
    "https://openapi.alipay.com/gateway.do",
    ngx_paygw_alipay_v3_asks,
    ngx_paygw_alipay_v3_headers,
    ngx_paygw_alipay_api_conf,
    ngx_paygw_alipay_build,
    ngx_paygw_alipay_check_answer,
    NULL,
    "openapi.alipaydev.com",
    "openapi-sandbox.dl.alipaydev.com"
};


static char *
ngx_paygw_alipay_api_conf(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_paygw_alipay_conf_t  *conf = ch->conf;

    if (ngx_paygw_channel_required(cf, ch, conf->private_key != NULL,
                                   "app_private_key")
        != NGX_OK
        || (conf->certs
            && ngx_paygw_channel_required(cf, ch, conf->certificate != NULL,
                                          "app_cert")
               != NGX_OK))
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_paygw_alipay_build(ngx_paygw_exchange_t *x)
{
    char                             *err;
    ngx_int_t                         rc;
    ngx_str_t                         args, out;
    ngx_paygw_form_t                  form;
    ngx_paygw_alipay_call_t          *call;
    ngx_paygw_alipay_conf_t          *conf;
    const ngx_paygw_alipay_method_t  *m;

    if (x->path.len > 4 && ngx_strncmp(x->path.data, "/v3/", 4) == 0) {
        return ngx_paygw_alipay_v3_build(x);
    }

    conf = x->n.channels[0]->conf;

    call = ngx_pcalloc(x->n.pool, sizeof(ngx_paygw_alipay_call_t));

    if (call == NULL || ngx_paygw_form_new(x->n.pool, &form) != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    x->data = call;

    args.data = ngx_strlchr(x->in.target.data,
                            x->in.target.data + x->in.target.len, '?');
    args.len = 0;

    if (args.data) {
        args.data++;
        args.len = x->in.target.data + x->in.target.len - args.data;
    }

    call->upload = ngx_paygw_alipay_multipart(x);

    rc = ngx_paygw_alipay_preflight(x);

    if (rc == NGX_OK) {
        rc = ngx_paygw_alipay_take(x, &form, &args);
    }

    if (rc == NGX_OK) {
        rc = call->upload ? ngx_paygw_alipay_upload(x, &form)
                          : ngx_paygw_alipay_take(x, &form, &x->in.body);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_alipay_method(x, &form);
    }

    if (rc == NGX_OK && call->upload) {
        rc = ngx_paygw_alipay_uploads(x, call);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_alipay_seal_form(x, &form);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_paygw_alipay_add_system(x->n.pool, &form, conf, x->n.msg.now)
        != NGX_OK)
    {
        return ngx_paygw_exchange_wrong(x, "too many parameters");
    }

    rc = ngx_paygw_alipay_write(x->n.pool, x->n.log, &form, conf,
                                call->upload ? &x->in.body : NULL, &out,
                                &err);

    if (rc == NGX_ABORT) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_DUPLICATE_FIELD, err);
    }

    if (rc != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    m = ngx_paygw_alipay_known(call);
    x->repeat = ngx_paygw_alipay_repeat(call);

    return m->local ? ngx_paygw_alipay_local(x, &out, m->url)
                    : ngx_paygw_alipay_send(x, &out);
}


/* the last one of the table if it is not in it */

static const ngx_paygw_alipay_method_t *
ngx_paygw_alipay_known(ngx_paygw_alipay_call_t *call)
{
    const ngx_paygw_alipay_method_t  *m;

    for (m = ngx_paygw_alipay_methods; m->method.len; m++) {
        if (m->method.len == call->method.len
            && ngx_strncmp(m->method.data, call->method.data, m->method.len)
               == 0)
        {
            break;
        }
    }

    return m;
}


ngx_paygw_repeat_e
ngx_paygw_alipay_repeat(ngx_paygw_alipay_call_t *call)
{
    /* what cannot be read may lack its out_request_no */

    if (call->upload
        || (call->sealed
            && ngx_paygw_alipay_is(&call->method, "alipay.trade.refund")))
    {
        return NGX_PAYGW_REPEAT_NEVER;
    }

    return ngx_paygw_alipay_known(call)->repeat;
}


static ngx_int_t
ngx_paygw_alipay_preflight(ngx_paygw_exchange_t *x)
{
    size_t                    len;
    ngx_paygw_alipay_call_t  *call = x->data;

    if (x->path.len > 1
        && (x->path.len != sizeof(NGX_PAYGW_ALIPAY_PATH) - 1
            || ngx_strncmp(x->path.data, NGX_PAYGW_ALIPAY_PATH, x->path.len)
               != 0))
    {
        return ngx_paygw_exchange_wrong(x, "the path must be "
                                        NGX_PAYGW_ALIPAY_PATH " or begin "
                                        "with /v3/");
    }

    if (!(x->in.method.len == 3
          && ngx_strncmp(x->in.method.data, "GET", 3) == 0)
        && !(x->in.method.len == 4
             && ngx_strncmp(x->in.method.data, "POST", 4) == 0))
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED, NGX_PAYGW_REASON_METHOD,
                                "the method must be GET or POST");
    }

    len = sizeof(NGX_PAYGW_ALIPAY_FORM) - 1;

    if (x->in.body.len && !call->upload
        && (x->type.len < len
            || ngx_strncasecmp(x->type.data,
                               (u_char *) NGX_PAYGW_ALIPAY_FORM, len)
               != 0))
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_CONTENT_TYPE,
                                "the body must be a form");
    }

    return NGX_OK;
}


/* the caller's parameters, from the URL and from the body */

static ngx_int_t
ngx_paygw_alipay_take(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form,
    ngx_str_t *text)
{
    char              *err;
    ngx_int_t          rc;
    ngx_uint_t         i;
    ngx_paygw_form_t   given;

    if (text->len == 0) {
        return NGX_OK;
    }

    rc = ngx_paygw_form_parse(x->n.pool, text, &given, &err);

    if (rc == NGX_ABORT) {
        (void) ngx_paygw_refuse_parse(&x->n, rc, err);
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return ngx_paygw_exchange_broken(x);
    }

    for (i = 0; i < given.nfields; i++) {

        rc = ngx_paygw_alipay_param(x, form, &given.fields[i]);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_alipay_own(ngx_str_t *name)
{
    return ngx_paygw_exchange_among(ngx_paygw_alipay_owned, name);
}


ngx_int_t
ngx_paygw_alipay_param(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form,
    ngx_paygw_field_t *field)
{
    ngx_paygw_alipay_conf_t  *conf;

    conf = x->n.channels[0]->conf;

    if (!ngx_paygw_alipay_plain(&field->name)) {
        return ngx_paygw_exchange_wrong(x, "a parameter's name must be "
                                        "letters, digits and \"_\"");
    }

    /* what is not signed must not be sent: an empty value is neither */

    if (field->value.len == 0) {
        return NGX_OK;
    }

    if (!ngx_paygw_alipay_own(&field->name)) {

        if (form->nfields == NGX_PAYGW_FORM_MAX_FIELDS) {
            return ngx_paygw_exchange_wrong(x, "too many parameters");
        }

        form->fields[form->nfields++] = *field;

        return NGX_OK;
    }

    /* an SDK may well send all of them, signed with a key of its own */

    if (ngx_paygw_alipay_is(&field->name, "app_id")
        && (field->value.len != conf->app_id.len
            || ngx_strncmp(field->value.data, conf->app_id.data,
                           conf->app_id.len)
               != 0))
    {
        return ngx_paygw_exchange_wrong(x, "app_id is not that of the channel");
    }

    if (ngx_paygw_alipay_is(&field->name, "charset")
        && (field->value.len != 5
            || ngx_strncasecmp(field->value.data, (u_char *) "utf-8", 5)
               != 0))
    {
        return ngx_paygw_exchange_wrong(x, "charset must be utf-8");
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_paygw_alipay_plain(ngx_str_t *name)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
            && (c < '0' || c > '9') && c != '_')
        {
            return 0;
        }
    }

    return 1;
}


/* what the call is, and what its answer must be about */

static ngx_int_t
ngx_paygw_alipay_method(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    ngx_str_t                *value, *name, biz;
    ngx_uint_t                i;
    ngx_paygw_alipay_call_t  *call;

    call = x->data;
    ngx_str_null(&biz);

    for (i = 0; i < form->nfields; i++) {
        name = &form->fields[i].name;
        value = &form->fields[i].value;

        if (name->len == 6 && ngx_strncmp(name->data, "method", 6) == 0) {
            call->method = *value;

        } else if (name->len == 11
                   && ngx_strncmp(name->data, "biz_content", 11) == 0)
        {
            biz = *value;

        } else if (name->len == 12
                   && ngx_strncmp(name->data, "encrypt_type", 12) == 0)
        {
            if (!ngx_paygw_alipay_is(value, "AES")) {
                return ngx_paygw_exchange_wrong(x, "encrypt_type must be AES");
            }

            call->sealed = 1;
        }
    }

    for (i = 0; i < call->method.len; i++) {
        if ((call->method.data[i] < 'a' || call->method.data[i] > 'z')
            && (call->method.data[i] < '0' || call->method.data[i] > '9')
            && call->method.data[i] != '.')
        {
            break;
        }
    }

    if (call->method.len == 0 || i != call->method.len || i > 64) {
        return ngx_paygw_exchange_wrong(x, "no method, or not one of the "
                                        "gateway");
    }

    if (ngx_paygw_alipay_splits(form, call)) {
        return ngx_paygw_exchange_wrong(x, "a value hides another parameter");
    }

    if (call->sealed || biz.len == 0) {
        return NGX_OK;
    }

    return ngx_paygw_alipay_business(x, call, &biz);
}


ngx_int_t
ngx_paygw_alipay_business(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_call_t *call, ngx_str_t *biz)
{
    char              *err;
    ngx_int_t          rc;
    ngx_paygw_json_t  *root;

    rc = ngx_paygw_json_parse(x->n.pool, biz, &root, &err);

    if (rc == NGX_ERROR) {
        return ngx_paygw_exchange_broken(x);
    }

    if (rc != NGX_OK || root->type != NGX_PAYGW_JSON_OBJECT) {
        return ngx_paygw_exchange_wrong(x, call->v3
                                        ? "the body is not a JSON object"
                                        : "biz_content is not a JSON object");
    }

    (void) ngx_paygw_json_get_string(root, "out_trade_no",
                                     &call->out_trade_no);
    (void) ngx_paygw_json_get_string(root, "trade_no", &call->trade_no);
    (void) ngx_paygw_json_get_string(root, "out_request_no",
                                     &call->out_request_no);

    ngx_paygw_alipay_bind(x, &call->method, root);

    if (ngx_paygw_alipay_is(&call->method, "alipay.trade.refund")
        && call->out_request_no.len == 0)
    {
        /* named mistake E17: without it a repeat may be another refund */

        return ngx_paygw_exchange_wrong(x, "a refund needs out_request_no");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_send(ngx_paygw_exchange_t *x, ngx_str_t *form)
{
    ngx_str_t                 path, args;
    ngx_paygw_alipay_call_t  *call = x->data;

    static ngx_str_t  post = ngx_string("POST");
    static ngx_str_t  agent = ngx_string("paygw");
    static ngx_str_t  type = ngx_string(NGX_PAYGW_ALIPAY_FORM
                                        ";charset=utf-8");

    path = x->base;

    if (path.len <= 1) {
        ngx_str_set(&path, NGX_PAYGW_ALIPAY_PATH);
    }

    /*
     * The gateway decodes the body by the charset in the URL; of an upload all
     * that is not in the body stands there
     */

    ngx_str_set(&args, "charset=utf-8");

    if (call->upload) {
        args = *form;
    }

    x->target.len = path.len + 1 + args.len;
    x->target.data = ngx_pnalloc(x->n.pool, x->target.len);
    if (x->target.data == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    (void) ngx_sprintf(x->target.data, "%V?%V", &path, &args);

    x->method = post;
    x->body = call->upload ? x->in.body : *form;
    x->nfields = 0;

    if (ngx_paygw_exchange_add(x, "Content-Type", "content-type",
                               call->upload ? &x->type : &type)
        != NGX_OK
        || ngx_paygw_exchange_add(x, "User-Agent", "user-agent", &agent)
           != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_local(ngx_paygw_exchange_t *x, ngx_str_t *form,
    ngx_uint_t url)
{
    u_char  *p;

    x->reply_status = 200;
    ngx_str_set(&x->reply_type, "text/plain");
    x->reply = *form;

    if (!url) {
        return NGX_DONE;
    }

    p = ngx_pnalloc(x->n.pool, x->endpoint.len + form->len
                               + sizeof(NGX_PAYGW_ALIPAY_PATH "?"));
    if (p == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    x->reply.data = p;

    /* an endpoint without a path may end with a slash */

    p = ngx_cpymem(p, x->endpoint.data, x->endpoint.len
                                        - (x->base.len == 1 ? 1 : 0));

    p = ngx_sprintf(p, "%s?%V", x->base.len > 1 ? "" : NGX_PAYGW_ALIPAY_PATH,
                    form);

    x->reply.len = p - x->reply.data;

    return NGX_DONE;
}
