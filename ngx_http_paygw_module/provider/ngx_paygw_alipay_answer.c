
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_alipay.h"
#include "ngx_paygw_bind.h"
#include "ngx_paygw_channel.h"
#include "ngx_paygw_explain.h"
#include "ngx_paygw_text.h"


/*
 * An answer of the gateway: an object with one content, whose bytes as they
 * were sent are signed, and the signature beside it.  The caller gets a new
 * object of these two, so that nothing unsigned goes with them (named defect
 * D3: a twin of the content that a reader of JSON would find in its place).
 */


typedef struct {
    ngx_str_t                  text;     /* the body in UTF-8 */
    ngx_uint_t                 gbk;      /* unsigned:1 */
    u_char                    *name;     /* of the content, with a NUL */
    ngx_paygw_json_t          *root;
    ngx_paygw_json_t          *content;
    ngx_paygw_alipay_signed_t  s;        /* the content as it was sent */
    ngx_uint_t                 opened;   /* it was encrypted; unsigned:1 */
} ngx_paygw_alipay_answer_t;


static ngx_int_t ngx_paygw_alipay_read(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_answer_t *a);
static ngx_int_t ngx_paygw_alipay_members(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_answer_t *a);
static ngx_int_t ngx_paygw_alipay_shape(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_answer_t *a);
static ngx_int_t ngx_paygw_alipay_expected(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_answer_t *a);
static ngx_int_t ngx_paygw_alipay_unsigned(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_answer_t *a);
static ngx_int_t ngx_paygw_alipay_by_key(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_signed_t *s, ngx_paygw_key_t *only);
static ngx_uint_t ngx_paygw_alipay_differs(ngx_paygw_json_t *content,
    const char *name, ngx_str_t *asked);
static ngx_int_t ngx_paygw_alipay_reply(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_answer_t *a);
static ngx_int_t ngx_paygw_alipay_unslash(ngx_pool_t *pool, ngx_str_t *raw,
    ngx_str_t *out);


ngx_int_t
ngx_paygw_alipay_check_answer(ngx_paygw_exchange_t *x)
{
    ngx_int_t                  rc;
    ngx_str_t                  none, code, sub_code;
    ngx_paygw_alipay_call_t   *call;
    ngx_paygw_alipay_answer_t  a;

    call = x->data;

    ngx_memzero(&a, sizeof(ngx_paygw_alipay_answer_t));
    ngx_str_null(&none);

    if (call->v3) {
        return ngx_paygw_alipay_v3_check(x);
    }

    if (x->status != 200) {
        return ngx_paygw_exchange_unsigned(x, ngx_paygw_alipay_codes, &none,
                                           &none);
    }

    rc = ngx_paygw_alipay_read(x, &a);

    if (rc == NGX_OK) {
        rc = ngx_paygw_alipay_members(x, &a);
    }

    if (rc == NGX_OK) {
        rc = a.s.sign.len ? ngx_paygw_alipay_by(x, &a.s)
                          : ngx_paygw_alipay_unsigned(x, &a);
    }

    if (rc == NGX_OK && a.content->type == NGX_PAYGW_JSON_STRING
        && ((ngx_paygw_alipay_call_t *) x->data)->ours)
    {
        a.s.text = a.content->value;
        a.opened = 1;

        rc = ngx_paygw_alipay_unseal(x, &a.s.text, &a.content);
    }

    if (rc == NGX_OK) {
        rc = ngx_paygw_alipay_about(x, a.content);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    call->content = a.content;

    x->open = x->repeat == NGX_PAYGW_REPEAT_ALWAYS
              || ngx_paygw_alipay_open(call, a.content);
    ngx_paygw_alipay_health(x, a.content, "sub_code");

    (void) ngx_paygw_json_get_string(a.content, "code", &code);
    (void) ngx_paygw_json_get_string(a.content, "sub_code", &sub_code);

    ngx_paygw_alipay_bound(x, &call->method, &code, &sub_code);

    return ngx_paygw_alipay_reply(x, &a);
}


/* errors may come in GBK, whatever was asked for */

static ngx_int_t
ngx_paygw_alipay_read(ngx_paygw_exchange_t *x, ngx_paygw_alipay_answer_t *a)
{
    char       *err;
    ngx_int_t   rc;
    ngx_str_t  *body;

    body = &x->n.msg.body;

    a->text = *body;
    a->gbk = !ngx_paygw_utf8_valid(body);

    if (a->gbk) {
        rc = ngx_paygw_gbk_to_utf8(x->n.pool, &a->text, body);

        if (rc == NGX_ERROR) {
            return ngx_paygw_exchange_broken(x);
        }

        if (rc != NGX_OK) {
            return ngx_paygw_refuse(&x->n, NGX_ABORT,
                                    NGX_PAYGW_REASON_MALFORMED,
                                    ngx_paygw_explain_gzip(body)
                                    ? "answer is compressed"
                                    : "answer is no text");
        }
    }

    rc = ngx_paygw_json_parse(x->n.pool, &a->text, &a->root, &err);

    if (rc != NGX_OK) {
        return ngx_paygw_refuse_parse(&x->n, rc, err);
    }

    if (a->root->type != NGX_PAYGW_JSON_OBJECT) {
        return ngx_paygw_refuse(&x->n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "answer is not a JSON object");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_alipay_members(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_answer_t *a)
{
    ngx_int_t  rc;

    rc = ngx_paygw_alipay_expected(x, a);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_paygw_json_get_string(a->root, "sign", &a->s.sign) == NGX_ABORT
        || ngx_paygw_json_get_string(a->root, "alipay_cert_sn", &a->s.sn)
           == NGX_ABORT)
    {
        return ngx_paygw_refuse(&x->n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "a member is not a string");
    }

    rc = a->gbk ? ngx_paygw_json_raw_gbk(&x->n.msg.body, (char *) a->name,
                                         &a->s.text)
                : ngx_paygw_json_raw(&x->n.msg.body, (char *) a->name,
                                     &a->s.text);
    if (rc != NGX_OK) {
        return ngx_paygw_refuse(&x->n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "answer has a name in another spelling");
    }

    a->s.success = (a->content->type != NGX_PAYGW_JSON_OBJECT
                    || ngx_paygw_alipay_code(a->content, "10000"));

    return ngx_paygw_alipay_shape(x, a);
}


/* what a content is called is not signed, so that it must fit its name */

static ngx_int_t
ngx_paygw_alipay_shape(ngx_paygw_exchange_t *x, ngx_paygw_alipay_answer_t *a)
{
    ngx_paygw_alipay_call_t *call = x->data;

    if (a->content->type != NGX_PAYGW_JSON_OBJECT
        && !((call->sealed || call->ours)
             && a->content->type == NGX_PAYGW_JSON_STRING))
    {
        return ngx_paygw_refuse(&x->n, NGX_ABORT, NGX_PAYGW_REASON_MALFORMED,
                                "content is not an object");
    }

    if (a->s.success && a->content == ngx_paygw_json_get(a->root,
                                                         "error_response"))
    {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_SIGNATURE,
                                "answer of another call");
    }

    return NGX_OK;
}


/* the one content: of this call, or of a call that was not understood */

static ngx_int_t
ngx_paygw_alipay_expected(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_answer_t *a)
{
    size_t                    len;
    u_char                   *p;
    ngx_uint_t                i, contents;
    ngx_paygw_json_t         *m;
    ngx_paygw_alipay_call_t  *call;

    call = x->data;

    a->name = ngx_pnalloc(x->n.pool, call->method.len
                                     + sizeof("_response"));
    if (a->name == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    p = a->name;

    for (i = 0; i < call->method.len; i++) {
        *p++ = (call->method.data[i] == '.') ? '_' : call->method.data[i];
    }

    (void) ngx_cpystrn(p, (u_char *) "_response", sizeof("_response"));

    len = sizeof("_response") - 1;
    contents = 0;

    for (m = a->root->child; m; m = m->next) {

        if (m->key.len > len
            && ngx_strncmp(m->key.data + m->key.len - len, "_response", len)
               == 0)
        {
            contents++;
        }
    }

    a->content = ngx_paygw_json_get(a->root, (char *) a->name);

    if (a->content == NULL) {
        a->name = (u_char *) "error_response";
        a->content = ngx_paygw_json_get(a->root, "error_response");
    }

    if (a->content && contents == 1) {
        return NGX_OK;
    }

    return ngx_paygw_refuse(&x->n, NGX_DECLINED, NGX_PAYGW_REASON_SIGNATURE,
                            contents == 1 ? "answer of another call"
                            : contents ? "answer has more than one content"
                                       : "answer has no content");
}


/*
 * Nobody has signed it: the gateway's own errors come so, and named defect D7
 * is to take it for anything else.
 */

static ngx_int_t
ngx_paygw_alipay_unsigned(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_answer_t *a)
{
    ngx_str_t  code, sub;

    (void) ngx_paygw_json_get_string(a->content, "code", &code);
    (void) ngx_paygw_json_get_string(a->content, "sub_code", &sub);

    if (ngx_paygw_exchange_is(&sub, "isv.invalid-signature")) {
        x->ours = "app_private_key and app_id";
    }

    return ngx_paygw_exchange_unsigned(x, ngx_paygw_alipay_codes, &code, &sub);
}


/*
 * The key: in certificate mode the one that the answer names, and a success
 * must name one.
 */

ngx_int_t
ngx_paygw_alipay_by(ngx_paygw_exchange_t *x, ngx_paygw_alipay_signed_t *s)
{
    ngx_paygw_key_t          *key;
    ngx_paygw_channel_t      *ch;
    ngx_paygw_alipay_conf_t  *conf;

    ch = x->n.channels[0];
    conf = ch->conf;

    if (conf->certs == NULL) {
        return ngx_paygw_alipay_by_key(x, s, NULL);
    }

    if (s->sn.len == 0) {

        if (s->success) {
            return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                    NGX_PAYGW_REASON_UNKNOWN_KEY,
                                    "answer names no alipay_cert_sn");
        }

        return ngx_paygw_alipay_by_key(x, s, NULL);
    }

    ngx_paygw_note_key(&x->n, &s->sn);

    key = ngx_paygw_source_find(ch, &s->sn, x->n.msg.now);

    if (key) {
        return ngx_paygw_alipay_by_key(x, s, key);
    }

    if (ngx_paygw_source_knows(ch, &s->sn)) {
        return ngx_paygw_refuse(&x->n, NGX_DECLINED,
                                NGX_PAYGW_REASON_UNKNOWN_KEY,
                                "certificate is expired or not yet valid");
    }

    /* it may be a new one */

    x->n.wanted = s->sn;

    return ngx_paygw_refuse(&x->n, NGX_DECLINED, NGX_PAYGW_REASON_UNKNOWN_KEY,
                            "alipay_cert_sn is not known");
}


static ngx_int_t
ngx_paygw_alipay_by_key(ngx_paygw_exchange_t *x,
    ngx_paygw_alipay_signed_t *s, ngx_paygw_key_t *only)
{
    ngx_int_t             rc;
    ngx_str_t             sig;
    ngx_uint_t            i;
    ngx_paygw_key_t     **keys;
    ngx_paygw_channel_t  *ch;

    ch = x->n.channels[0];

    rc = ngx_paygw_base64_decode(x->n.pool, &sig, &s->sign);

    if (rc == NGX_ERROR) {
        return ngx_paygw_exchange_broken(x);
    }

    if (rc != NGX_OK) {
        return ngx_paygw_refuse_signature(&x->n, NGX_PAYGW_REASON_SIGNATURE,
                                          &s->text, 1, "sign is not base64");
    }

    keys = ch->keys->elts;

    for (i = 0; i < ch->keys->nelts; i++) {

        if ((only && keys[i] != only)
            || !ngx_paygw_channel_usable(keys[i], x->n.msg.now))
        {
            continue;
        }

        rc = s->exact ? ngx_paygw_verify(&ngx_paygw_rsa_sha256, keys[i],
                                         &s->text, 1, &sig, x->n.log)
                      : ngx_paygw_alipay_verify_raw(keys[i], &s->text, &sig,
                                                    x->n.pool, x->n.log);
        if (rc == NGX_ERROR) {
            return ngx_paygw_exchange_broken(x);
        }

        if (rc == NGX_OK) {
            ngx_paygw_note_key(&x->n, &keys[i]->id);
            return NGX_OK;
        }
    }

    return ngx_paygw_refuse_signature(&x->n, NGX_PAYGW_REASON_SIGNATURE,
                                      &s->text, 1, NULL);
}


/* a genuine answer to a question about another order would be no answer */

ngx_int_t
ngx_paygw_alipay_about(ngx_paygw_exchange_t *x, ngx_paygw_json_t *content)
{
    char                     *name;
    ngx_paygw_alipay_call_t  *call;

    call = x->data;

    if (ngx_paygw_alipay_differs(content, "out_request_no",
                                 &call->out_request_no))
    {
        name = "out_request_no";

    } else if (call->trade_no.len) {

        /* the gateway goes by this one if it is given both */

        if (!ngx_paygw_alipay_differs(content, "trade_no",
                                      &call->trade_no))
        {
            return NGX_OK;
        }

        name = "trade_no";

    } else if (ngx_paygw_alipay_differs(content, "out_trade_no",
                                        &call->out_trade_no))
    {
        name = "out_trade_no";

    } else {
        return NGX_OK;
    }

    return ngx_paygw_refuse_with(&x->n, NGX_DECLINED,
                                 NGX_PAYGW_REASON_ACCOUNT_MISMATCH,
                                 "answer is about another %s", name);
}


static ngx_uint_t
ngx_paygw_alipay_differs(ngx_paygw_json_t *content, const char *name,
    ngx_str_t *asked)
{
    ngx_str_t  value;

    return asked->len
           && ngx_paygw_json_get_string(content, name, &value) == NGX_OK
           && value.len
           && (value.len != asked->len
               || ngx_strncmp(value.data, asked->data, value.len) != 0);
}


static ngx_int_t
ngx_paygw_alipay_reply(ngx_paygw_exchange_t *x, ngx_paygw_alipay_answer_t *a)
{
    u_char     *p;
    ngx_str_t   content;

    content = a->s.text;

    if (a->gbk
        && ngx_paygw_gbk_to_utf8(x->n.pool, &content, &a->s.text) != NGX_OK)
    {
        return ngx_paygw_exchange_broken(x);
    }

    /* base64 and an SN need no escape */

    p = ngx_pnalloc(x->n.pool, ngx_strlen(a->name) + content.len
                               + a->s.sn.len + a->s.sign.len
                               + sizeof("{\"\":,\"alipay_cert_sn\":\"\","
                                        "\"sign\":\"\"}"));
    if (p == NULL) {
        return ngx_paygw_exchange_broken(x);
    }

    x->reply.data = p;

    p = ngx_sprintf(p, "{\"%s\":%V", a->name, &content);

    if (x->n.key_id.len && a->s.sn.len) {
        p = ngx_sprintf(p, ",\"alipay_cert_sn\":\"%V\"", &a->s.sn);
    }

    if (!a->gbk && !a->opened) {
        /* that of other bytes would only confuse */
        p = ngx_sprintf(p, ",\"sign\":\"%V\"", &a->s.sign);
    }

    *p++ = '}';

    x->reply.len = p - x->reply.data;
    x->reply_status = 200;
    ngx_str_set(&x->reply_type, "application/json");

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_alipay_code(ngx_paygw_json_t *content, const char *code)
{
    ngx_str_t  value;

    return ngx_paygw_json_get_string(content, "code", &value) == NGX_OK
           && value.len == 5 && ngx_strncmp(value.data, code, 5) == 0;
}


ngx_int_t
ngx_paygw_alipay_verify_raw(ngx_paygw_key_t *key, ngx_str_t *raw,
    ngx_str_t *sig, ngx_pool_t *pool, ngx_log_t *log)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    rc = ngx_paygw_verify(&ngx_paygw_rsa_sha256, key, raw, 1, sig, log);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    /* the gateway signs before its JSON writer escapes "/" */

    rc = ngx_paygw_alipay_unslash(pool, raw, &text);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_paygw_verify(&ngx_paygw_rsa_sha256, key, &text, 1, sig, log);

    if (rc == NGX_OK) {
        *raw = text;
    }

    return rc;
}


/* "\/" becomes "/"; NGX_DECLINED if there is none */

static ngx_int_t
ngx_paygw_alipay_unslash(ngx_pool_t *pool, ngx_str_t *raw, ngx_str_t *out)
{
    u_char  *p;
    size_t   i;

    p = ngx_pnalloc(pool, raw->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    out->data = p;

    for (i = 0; i < raw->len; i++) {

        if (raw->data[i] == '\\' && i + 1 < raw->len) {

            /* a backslash that is escaped itself escapes nothing */

            if (raw->data[i + 1] != '/') {
                *p++ = raw->data[i];
            }

            i++;
        }

        *p++ = raw->data[i];
    }

    out->len = p - out->data;

    return (out->len == raw->len) ? NGX_DECLINED : NGX_OK;
}
