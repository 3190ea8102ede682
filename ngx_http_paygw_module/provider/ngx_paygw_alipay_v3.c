
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_text.h"


/*
 * The REST form: the signature goes over the request line and the body, that
 * of an answer over its body and two header fields.
 */


#define NGX_PAYGW_ALIPAY_V3_NONCE     32

/* header fields of the caller's request */
#define NGX_PAYGW_ALIPAY_V3_TOKEN     0
#define NGX_PAYGW_ALIPAY_V3_ENCRYPT   1

/* and of an answer */
#define NGX_PAYGW_ALIPAY_V3_TIME      0
#define NGX_PAYGW_ALIPAY_V3_SALT      1
#define NGX_PAYGW_ALIPAY_V3_SIGN      2
#define NGX_PAYGW_ALIPAY_V3_SN        3


static ngx_int_t ngx_paygw_alipay_v3_preflight(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_call_t *call);
static ngx_int_t ngx_paygw_alipay_v3_call(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_call_t *call);
static ngx_int_t ngx_paygw_alipay_v3_authorize(ngx_paygw_exchange_t *x,
    ngx_str_t *value);
static ngx_int_t ngx_paygw_alipay_v3_fields(ngx_paygw_exchange_t *x,
    ngx_str_t *authorization);
static ngx_int_t ngx_paygw_alipay_v3_unsigned(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_alipay_v3_genuine(ngx_paygw_exchange_t *x);
static ngx_int_t ngx_paygw_alipay_v3_sense(ngx_paygw_exchange_t *x);


const ngx_str_t  ngx_paygw_alipay_v3_asks[] = {
    ngx_string("alipay-app-auth-token"),
    ngx_string("alipay-encrypt-type"),
    ngx_null_string
};


const ngx_str_t  ngx_paygw_alipay_v3_headers[] = {
    ngx_string("alipay-timestamp"),
    ngx_string("alipay-nonce"),
    ngx_string("alipay-signature"),
    ngx_string("alipay-sn"),
    ngx_null_string
};


ngx_int_t
ngx_paygw_alipay_v3_build(ngx_paygw_exchange_t *x)
{
    ngx_int_t                 rc;
    ngx_str_t                 authorization;
    ngx_paygw_alipay_call_t  *call;

    call = ngx_pcalloc(x->n.pool, sizeof(ngx_paygw_alipay_call_t));
    if (call == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    call->v3 = 1;
    x->data = call;

    rc = ngx_paygw_alipay_v3_preflight(x, call);

    if (rc == NGX_OK) {
        rc = ngx_paygw_alipay_v3_call(x, call);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    x->method = x->in.method;
    x->target = x->in.target;
    x->body = x->in.body;
    x->nfields = 0;

    if (!call->upload) {

        rc = ngx_paygw_alipay_seal_body(x);
        if (rc != NGX_OK) {
            return rc;
        }

        call->covered = x->body;
    }

    x->repeat = ngx_paygw_exchange_method(x, "GET")
                ? NGX_PAYGW_REPEAT_ALWAYS : ngx_paygw_alipay_repeat(call);

    if (ngx_paygw_alipay_v3_authorize(x, &authorization) != NGX_OK
        || ngx_paygw_alipay_v3_fields(x, &authorization) != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_v3_preflight(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_call_t *call)
{
    ngx_str_t  *h;

    h = x->in.headers;

    if (!ngx_paygw_exchange_method(x, "GET")
        && !ngx_paygw_exchange_method(x, "POST"))
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED, NGX_PAYGW_REASON_METHOD,
                                "the method must be GET or POST");
    }

    if (x->in.repeated
        || (h[NGX_PAYGW_ALIPAY_V3_TOKEN].len
            && !ngx_paygw_visible(&h[NGX_PAYGW_ALIPAY_V3_TOKEN], 256)))
    {
        return ngx_paygw_exchange_wrong(x, "invalid header field of Alipay");
    }

    if (h[NGX_PAYGW_ALIPAY_V3_ENCRYPT].len) {

        if (h[NGX_PAYGW_ALIPAY_V3_ENCRYPT].len != 3
            || ngx_strncmp(h[NGX_PAYGW_ALIPAY_V3_ENCRYPT].data, "AES", 3)
               != 0)
        {
            return ngx_paygw_exchange_wrong(x, "alipay-encrypt-type must be "
                                            "AES");
        }

        call->sealed = 1;
    }

    call->upload = ngx_paygw_alipay_multipart(x);

    if (x->in.body.len && !call->upload
        && !ngx_paygw_exchange_type(x, call->sealed ? "text/plain"
                                                    : "application/json"))
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_CONTENT_TYPE,
                                call->sealed
                                ? "an encrypted body must be text/plain"
                                : "the body must be application/json");
    }

    return NGX_OK;
}


/* "/v3/alipay/trade/query" is the method alipay.trade.query */

static ngx_int_t
ngx_paygw_alipay_v3_call(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_call_t *call)
{
    u_char     c;
    size_t     i;
    ngx_int_t  rc;

    call->method.len = x->path.len - 4;
    call->method.data = ngx_pnalloc(x->n.pool, call->method.len);

    if (call->method.data == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    c = '/';

    for (i = 0; i < call->method.len; i++) {

        /* of what it is depends what it must have: there is one spelling */

        if (c == '/' && x->path.data[i + 4] == '/') {
            break;
        }

        c = x->path.data[i + 4];

        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
            && (c < '0' || c > '9') && c != '_' && c != '-' && c != '/')
        {
            break;
        }

        call->method.data[i] = (c == '/') ? '.' : c;
    }

    if (i != call->method.len || c == '/') {
        return ngx_paygw_exchange_wrong(x, "the path must be one of the API");
    }

    call->covered = x->in.body;

    if (call->upload) {

        rc = ngx_paygw_alipay_uploads(x, call);

        if (rc == NGX_OK) {
            rc = ngx_paygw_alipay_v3_upload(x, &call->covered);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (call->sealed || x->in.body.len == 0) {
        return NGX_OK;
    }

    return ngx_paygw_alipay_business(x, call, &call->covered);
}


static ngx_int_t
ngx_paygw_alipay_v3_authorize(ngx_paygw_exchange_t *x, ngx_str_t *value)
{
    u_char                   *p, nonce[NGX_PAYGW_ALIPAY_V3_NONCE];
    ngx_str_t                 parts[10], base64, *token;
    ngx_uint_t                n;
    ngx_paygw_alipay_call_t  *call = x->data;
    ngx_paygw_alipay_conf_t  *conf;

    conf = x->n.channels[0]->conf;
    token = &x->in.headers[NGX_PAYGW_ALIPAY_V3_TOKEN];

    if (ngx_paygw_exchange_nonce(nonce, sizeof(nonce)) != NGX_OK) {
        return NGX_ERROR;
    }

    parts[0].data = ngx_pnalloc(x->n.pool,
                                sizeof("app_id=,app_cert_sn=,nonce=,"
                                       "timestamp=000")
                                + conf->app_id.len + conf->app_sn.len
                                + sizeof(nonce) + NGX_TIME_T_LEN);
    if (parts[0].data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(parts[0].data, "app_id=%V", &conf->app_id);

    if (conf->app_sn.len) {
        p = ngx_sprintf(p, ",app_cert_sn=%V", &conf->app_sn);
    }

    p = ngx_sprintf(p, ",nonce=%*s,timestamp=%T000", sizeof(nonce), nonce,
                    x->n.msg.now);

    parts[0].len = p - parts[0].data;

    for (n = 1; n < 9; n += 2) {
        ngx_str_set(&parts[n], "\n");
    }

    parts[2] = x->method;
    parts[4] = x->target;
    parts[6] = call->covered;
    n = 8;

    if (token->len) {
        parts[8] = *token;
        ngx_str_set(&parts[9], "\n");
        n = 10;
    }

    if (ngx_paygw_exchange_sign(&ngx_paygw_rsa_sha256, conf->private_key,
                                parts, n, &base64, x->n.pool, x->n.log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(x->n.pool, sizeof("ALIPAY-SHA256withRSA ,sign=")
                               + parts[0].len + base64.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;
    value->len = ngx_sprintf(p, "ALIPAY-SHA256withRSA %V,sign=%V", &parts[0],
                             &base64)
                 - p;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_v3_fields(ngx_paygw_exchange_t *x, ngx_str_t *authorization)
{
    ngx_str_t                 id, *token;
    ngx_paygw_alipay_call_t  *call = x->data;
    ngx_paygw_alipay_conf_t  *conf;

    static ngx_str_t  json = ngx_string("application/json");
    static ngx_str_t  text = ngx_string("text/plain");
    static ngx_str_t  agent = ngx_string("paygw");
    static ngx_str_t  aes = ngx_string("AES");

    conf = x->n.channels[0]->conf;
    token = &x->in.headers[NGX_PAYGW_ALIPAY_V3_TOKEN];

    id.len = NGX_PAYGW_ALIPAY_V3_NONCE;
    id.data = ngx_pnalloc(x->n.pool, id.len);

    if (id.data == NULL
        || ngx_paygw_exchange_nonce(id.data, id.len) != NGX_OK
        || ngx_paygw_exchange_add(x, "Authorization", "authorization",
                                  authorization)
           != NGX_OK
        || ngx_paygw_exchange_add(x, "Accept", "accept", &json) != NGX_OK
        || ngx_paygw_exchange_add(x, "User-Agent", "user-agent", &agent)
           != NGX_OK
        || ngx_paygw_exchange_add(x, "alipay-request-id",
                                  "alipay-request-id", &id)
           != NGX_OK
        || (x->body.len
            && ngx_paygw_exchange_add(x, "Content-Type", "content-type",
                                      call->upload ? &x->type
                                      : call->sealed ? &text : &json)
               != NGX_OK)
        || (conf->root_sn.len
            && ngx_paygw_exchange_add(x, "alipay-root-cert-sn",
                                      "alipay-root-cert-sn", &conf->root_sn)
               != NGX_OK)
        || (token->len
            && ngx_paygw_exchange_add(x, "alipay-app-auth-token",
                                      "alipay-app-auth-token", token)
               != NGX_OK)
        || (call->sealed
            && (ngx_paygw_exchange_add(x, "alipay-encrypt-type",
                                       "alipay-encrypt-type", &aes)
                != NGX_OK
                || ngx_paygw_exchange_add(x, "alipay-encryption-algm",
                                          "alipay-encryption-algm", &aes)
                   != NGX_OK)))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_alipay_v3_check(ngx_paygw_exchange_t *x)
{
    ngx_int_t  rc;

    if (x->n.msg.headers[NGX_PAYGW_ALIPAY_V3_SIGN].len == 0) {
        return ngx_paygw_alipay_v3_unsigned(x);
    }

    rc = ngx_paygw_alipay_v3_genuine(x);

    return (rc == NGX_OK) ? ngx_paygw_alipay_v3_sense(x) : rc;
}


static ngx_int_t
ngx_paygw_alipay_v3_unsigned(ngx_paygw_exchange_t *x)
{
    char              *err;
    ngx_int_t          rc;
    ngx_str_t          code, none;
    ngx_paygw_json_t  *root;

    ngx_str_null(&code);
    ngx_str_null(&none);

    rc = ngx_paygw_json_parse(x->n.pool, &x->n.msg.body, &root, &err);

    if (rc == NGX_ERROR) {
        return ngx_paygw_exchange_broken(x);
    }

    if (rc == NGX_OK) {
        (void) ngx_paygw_json_get_string(root, "code", &code);
    }

    if (ngx_paygw_exchange_is(&code, "isv.invalid-signature")) {
        x->ours = "app_private_key and app_id";
    }

    return ngx_paygw_exchange_unsigned(x, ngx_paygw_alipay_codes, &code, &none);
}


static ngx_int_t
ngx_paygw_alipay_v3_genuine(ngx_paygw_exchange_t *x)
{
    u_char                     *p;
    time_t                      when;
    ngx_str_t                  *h, seconds;
    ngx_paygw_alipay_signed_t   s;

    h = x->n.msg.headers;

    if (x->n.msg.repeated) {
        return ngx_paygw_refuse(&x->n, NGX_ABORT,
                                NGX_PAYGW_REASON_REPEATED_HEADER,
                                "a field of the signature is there twice");
    }

    if (h[NGX_PAYGW_ALIPAY_V3_TIME].len == 0
        || h[NGX_PAYGW_ALIPAY_V3_SALT].len == 0)
    {
        return ngx_paygw_refuse(&x->n, NGX_ABORT,
                                NGX_PAYGW_REASON_MISSING_HEADER,
                                "no alipay-timestamp, or no alipay-nonce");
    }

    /* milliseconds, which are 13 digits for some time to come */

    seconds = h[NGX_PAYGW_ALIPAY_V3_TIME];

    for (p = seconds.data; p < seconds.data + seconds.len; p++) {
        if (*p < '0' || *p > '9') {
            break;
        }
    }

    if (seconds.len != 13 || p != seconds.data + seconds.len) {
        return ngx_paygw_refuse(&x->n, NGX_ABORT,
                                NGX_PAYGW_REASON_MALFORMED,
                                "alipay-timestamp is not milliseconds");
    }

    seconds.len -= 3;
    (void) ngx_paygw_timestamp_parse(&seconds, &when);

    if (ngx_abs(x->n.msg.now - when)
        > (time_t) (x->n.channels[0]->window / 1000))
    {
        return ngx_paygw_refuse_clock(&x->n, when);
    }

    p = ngx_pnalloc(x->n.pool, h[NGX_PAYGW_ALIPAY_V3_TIME].len
                               + h[NGX_PAYGW_ALIPAY_V3_SALT].len
                               + x->n.msg.body.len + 3);
    if (p == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    s.text.data = p;
    s.text.len = ngx_sprintf(p, "%V\n%V\n%V\n",
                             &h[NGX_PAYGW_ALIPAY_V3_TIME],
                             &h[NGX_PAYGW_ALIPAY_V3_SALT], &x->n.msg.body)
                 - p;

    s.sign = h[NGX_PAYGW_ALIPAY_V3_SIGN];
    s.sn = h[NGX_PAYGW_ALIPAY_V3_SN];
    s.success = (x->status < 400);
    s.exact = 1;

    return ngx_paygw_alipay_by(x, &s);
}


/* the status is not signed: an error has a code, and nothing else has one */

static ngx_int_t
ngx_paygw_alipay_v3_sense(ngx_paygw_exchange_t *x)
{
    char                     *err;
    ngx_int_t                 rc;
    ngx_str_t                 code, message;
    ngx_uint_t                error;
    ngx_paygw_json_t         *root;
    ngx_paygw_alipay_call_t  *call = x->data;

    x->reply_status = x->status;
    x->reply = x->n.msg.body;
    ngx_str_set(&x->reply_type, "application/json");

    rc = ngx_paygw_json_parse(x->n.pool, &x->n.msg.body, &root, &err);

    if (rc == NGX_ABORT && call->ours && x->status == 200) {
        rc = ngx_paygw_alipay_unseal(x, &x->reply, &root);

        if (rc != NGX_OK) {
            return rc;
        }

    } else if (rc == NGX_ABORT && call->sealed && x->status == 200) {

        /* it is the caller who has the key */

        ngx_str_set(&x->reply_type, "text/plain");
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return ngx_paygw_refuse_parse(&x->n, rc, err);
    }

    error = (ngx_paygw_json_get_string(root, "code", &code) == NGX_OK
             && ngx_paygw_json_get_string(root, "message", &message)
                == NGX_OK);

    if (root->type != NGX_PAYGW_JSON_OBJECT
        || !(error ? x->status >= 400 && x->status < 600 : x->status == 200))
    {
        return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                     NGX_PAYGW_REASON_MALFORMED,
                                     "status %ui does not fit what is signed",
                                     x->status);
    }

    rc = ngx_paygw_alipay_about(x, root);

    if (rc == NGX_OK) {
        x->open = x->repeat == NGX_PAYGW_REPEAT_ALWAYS
                  || ngx_paygw_alipay_v3_open(call, root);
        ngx_paygw_alipay_health(x, root, "code");

        ngx_str_null(&message);
        ngx_paygw_alipay_bound(x, &call->method, &message, &code);
    }

    return rc;
}
