
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_fields.h"
#include "ngx_paygw_task.h"
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_lua.h"
#include "ngx_http_paygw_variables.h"


static ngx_uint_t ngx_http_paygw_lua_request(ngx_http_request_t *r);
static int ngx_http_paygw_lua_task(ngx_http_paygw_lua_t *ffi,
    ngx_paygw_task_t *t, const ngx_http_paygw_ffi_str_t *channel,
    const ngx_http_paygw_ffi_str_t *algorithm);
static int ngx_http_paygw_lua_done(ngx_http_paygw_lua_t *ffi,
    ngx_paygw_task_t *t, ngx_int_t rc);


int
ngx_http_paygw_ffi_version(void)
{
    return NGX_HTTP_PAYGW_FFI_VERSION;
}


int
ngx_http_paygw_ffi_decision(ngx_http_request_t *r,
    ngx_http_paygw_ffi_decision_t *decision)
{
    ngx_str_t                  value;
    ngx_uint_t                 i;
    ngx_http_paygw_ffi_str_t  *s;

    static const ngx_http_paygw_value_e  values[] = {
        NGX_HTTP_PAYGW_VALUE_RESULT,
        NGX_HTTP_PAYGW_VALUE_REASON,
        NGX_HTTP_PAYGW_VALUE_CHANNEL,
        NGX_HTTP_PAYGW_VALUE_PROVIDER,
        NGX_HTTP_PAYGW_VALUE_MERCHANT,
        NGX_HTTP_PAYGW_VALUE_KEY_ID,
        NGX_HTTP_PAYGW_VALUE_EVENT_ID,
        NGX_HTTP_PAYGW_VALUE_DELIVERY
    };

    ngx_memzero(decision, sizeof(ngx_http_paygw_ffi_decision_t));

    if (!ngx_http_paygw_lua_request(r)) {
        return NGX_HTTP_PAYGW_FFI_NO_REQUEST;
    }

    /* all of its members are strings */

    s = &decision->result;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {

        if (ngx_http_paygw_value_of(r, values[i], &value) != NGX_OK) {
            return NGX_HTTP_PAYGW_FFI_FAILED;
        }

        s[i].len = value.len;
        s[i].data = value.data;
    }

    return decision->result.len ? NGX_HTTP_PAYGW_FFI_OK
                                : NGX_HTTP_PAYGW_FFI_NONE;
}


int
ngx_http_paygw_ffi_event(ngx_http_request_t *r,
    ngx_http_paygw_ffi_str_t *json)
{
    ngx_str_t  value;

    json->len = 0;

    if (!ngx_http_paygw_lua_request(r)) {
        return NGX_HTTP_PAYGW_FFI_NO_REQUEST;
    }

    if (ngx_http_paygw_value_of(r, NGX_HTTP_PAYGW_VALUE_EVENT, &value)
        != NGX_OK)
    {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    json->len = value.len;
    json->data = value.data;

    return json->len ? NGX_HTTP_PAYGW_FFI_OK : NGX_HTTP_PAYGW_FFI_NONE;
}


/*
 * Where there is no request, as in a timer, Lua has one that it made up: its
 * connection has no descriptor.
 */

static ngx_uint_t
ngx_http_paygw_lua_request(ngx_http_request_t *r)
{
    return r != NULL && r->signature == NGX_HTTP_MODULE && r->pool
           && r->connection && r->connection->fd != (ngx_socket_t) -1;
}


int
ngx_http_paygw_lua_begin(ngx_http_paygw_lua_t *ffi,
    ngx_http_paygw_ffi_result_t *result)
{
    ngx_http_paygw_ffi_free(result);

    ffi->result = result;
    ffi->log = ngx_cycle->log;

    /* while nginx starts there is none yet */

    ffi->mcf = ngx_cycle->conf_ctx
               ? ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                                     ngx_http_paygw_module)
               : NULL;

    if (ffi->mcf == NULL) {
        return ngx_http_paygw_lua_fail(ffi, "no configuration");
    }

    ffi->pool = ngx_create_pool(NGX_MIN_POOL_SIZE + 4096, ffi->log);

    if (ffi->pool == NULL) {
        return ngx_http_paygw_lua_fail(ffi, "no memory");
    }

    result->pool = ffi->pool;

    ngx_http_paygw_keyring_refresh(ffi->mcf, ffi->log);

    return NGX_HTTP_PAYGW_FFI_OK;
}


void
ngx_http_paygw_ffi_free(ngx_http_paygw_ffi_result_t *result)
{
    if (result->pool) {
        ngx_destroy_pool(result->pool);
    }

    ngx_memzero(result, sizeof(ngx_http_paygw_ffi_result_t));
}


int
ngx_http_paygw_lua_fail(ngx_http_paygw_lua_t *ffi, const char *err)
{
    ffi->result->err.data = (u_char *) err;
    ffi->result->err.len = ngx_strlen(err);

    return NGX_HTTP_PAYGW_FFI_FAILED;
}


int
ngx_http_paygw_lua_refuse(ngx_http_paygw_lua_t *ffi,
    ngx_paygw_reason_e reason, const ngx_str_t *hint)
{
    ffi->result->err.data = ngx_paygw_reasons[reason].data;
    ffi->result->err.len = ngx_paygw_reasons[reason].len;
    ffi->result->hint.data = hint->data;
    ffi->result->hint.len = hint->len;

    return NGX_HTTP_PAYGW_FFI_FAILED;
}


void
ngx_http_paygw_lua_set(ngx_http_paygw_lua_t *ffi, ngx_uint_t i,
    ngx_str_t *value)
{
    ffi->result->value[i].data = value->data;
    ffi->result->value[i].len = value->len;
}


int
ngx_http_paygw_lua_view(ngx_http_paygw_lua_t *ffi,
    const ngx_http_paygw_ffi_str_t *s, ngx_str_t *view)
{
    if (s->len > NGX_HTTP_PAYGW_FFI_MAX) {
        return ngx_http_paygw_lua_fail(ffi, "too long");
    }

    view->len = s->len;
    view->data = s->len ? (u_char *) s->data : (u_char *) "";

    return NGX_HTTP_PAYGW_FFI_OK;
}


int
ngx_http_paygw_lua_copy(ngx_http_paygw_lua_t *ffi,
    const ngx_http_paygw_ffi_str_t *s, ngx_str_t *copy)
{
    u_char     *p;
    ngx_str_t   view;

    if (ngx_http_paygw_lua_view(ffi, s, &view) != NGX_HTTP_PAYGW_FFI_OK) {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    p = ngx_pnalloc(ffi->pool, view.len + 1);
    if (p == NULL) {
        return ngx_http_paygw_lua_fail(ffi, "no memory");
    }

    copy->data = p;
    copy->len = view.len;

    *ngx_cpymem(p, view.data, view.len) = '\0';

    return NGX_HTTP_PAYGW_FFI_OK;
}


int
ngx_http_paygw_ffi_sign(const ngx_http_paygw_ffi_str_t *channel,
    const ngx_http_paygw_ffi_str_t *algorithm,
    const ngx_http_paygw_ffi_str_t *text,
    ngx_http_paygw_ffi_result_t *result)
{
    ngx_paygw_task_t      t;
    ngx_http_paygw_lua_t  ffi;

    if (ngx_http_paygw_lua_begin(&ffi, result) != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_task(&ffi, &t, channel, algorithm)
           != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_copy(&ffi, text, &t.in)
           != NGX_HTTP_PAYGW_FFI_OK)
    {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    if (t.channel->provider->sign == NULL) {
        return ngx_http_paygw_lua_fail(&ffi, "the provider of this channel "
                                             "signs nothing");
    }

    return ngx_http_paygw_lua_done(&ffi, &t, t.channel->provider->sign(&t));
}


int
ngx_http_paygw_ffi_decrypt(const ngx_http_paygw_ffi_str_t *channel,
    const ngx_http_paygw_ffi_str_t *algorithm,
    const ngx_http_paygw_ffi_str_t *nonce,
    const ngx_http_paygw_ffi_str_t *associated,
    const ngx_http_paygw_ffi_str_t *ciphertext,
    ngx_http_paygw_ffi_result_t *result)
{
    ngx_paygw_task_t      t;
    ngx_http_paygw_lua_t  ffi;

    if (ngx_http_paygw_lua_begin(&ffi, result) != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_task(&ffi, &t, channel, algorithm)
           != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_copy(&ffi, nonce, &t.nonce)
           != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_copy(&ffi, associated, &t.associated)
           != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_copy(&ffi, ciphertext, &t.in)
           != NGX_HTTP_PAYGW_FFI_OK)
    {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    if (t.channel->provider->open == NULL) {
        return ngx_http_paygw_lua_fail(&ffi, "the provider of this channel "
                                             "encrypts nothing");
    }

    return ngx_http_paygw_lua_done(&ffi, &t, t.channel->provider->open(&t));
}


static int
ngx_http_paygw_lua_task(ngx_http_paygw_lua_t *ffi, ngx_paygw_task_t *t,
    const ngx_http_paygw_ffi_str_t *channel,
    const ngx_http_paygw_ffi_str_t *algorithm)
{
    ngx_str_t  name;

    ngx_memzero(t, sizeof(ngx_paygw_task_t));

    t->pool = ffi->pool;
    t->log = ffi->log;

    if (ngx_http_paygw_lua_view(ffi, channel, &name) != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_copy(ffi, algorithm, &t->algorithm)
           != NGX_HTTP_PAYGW_FFI_OK)
    {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    t->channel = ngx_http_paygw_channel_find(ffi->mcf, &name);

    if (t->channel == NULL) {
        return ngx_http_paygw_lua_fail(ffi, "no such channel");
    }

    return NGX_HTTP_PAYGW_FFI_OK;
}


static int
ngx_http_paygw_lua_done(ngx_http_paygw_lua_t *ffi, ngx_paygw_task_t *t,
    ngx_int_t rc)
{
    if (rc == NGX_OK) {
        ngx_http_paygw_lua_set(ffi, 0, &t->out);
        return NGX_HTTP_PAYGW_FFI_OK;
    }

    return ngx_http_paygw_lua_fail(ffi, (rc == NGX_ERROR) ? "internal"
                                                          : t->err);
}


int
ngx_http_paygw_ffi_canonical(const ngx_http_paygw_ffi_str_t *style,
    const ngx_http_paygw_ffi_field_t *fields, size_t nfields,
    ngx_http_paygw_ffi_result_t *result)
{
    char                  *err;
    size_t                 i, size;
    ngx_int_t              rc;
    ngx_str_t              name, text;
    ngx_paygw_form_t       form;
    ngx_http_paygw_lua_t   ffi;

    if (ngx_http_paygw_lua_begin(&ffi, result) != NGX_HTTP_PAYGW_FFI_OK
        || ngx_http_paygw_lua_view(&ffi, style, &name)
           != NGX_HTTP_PAYGW_FFI_OK)
    {
        return NGX_HTTP_PAYGW_FFI_FAILED;
    }

    if (nfields > NGX_HTTP_PAYGW_FFI_FIELDS) {
        return ngx_http_paygw_lua_fail(&ffi, "too many fields");
    }

    form.nfields = nfields;
    form.fields = ngx_palloc(ffi.pool,
                             (nfields + 1) * sizeof(ngx_paygw_field_t));
    if (form.fields == NULL) {
        return ngx_http_paygw_lua_fail(&ffi, "no memory");
    }

    size = 0;

    for (i = 0; i < nfields; i++) {

        if (ngx_http_paygw_lua_view(&ffi, &fields[i].name,
                                    &form.fields[i].name)
            != NGX_HTTP_PAYGW_FFI_OK
            || ngx_http_paygw_lua_view(&ffi, &fields[i].value,
                                       &form.fields[i].value)
               != NGX_HTTP_PAYGW_FFI_OK)
        {
            return NGX_HTTP_PAYGW_FFI_FAILED;
        }

        size += fields[i].name.len + fields[i].value.len;
    }

    if (size > NGX_HTTP_PAYGW_FFI_MAX) {
        return ngx_http_paygw_lua_fail(&ffi, "too long");
    }

    err = NULL;
    rc = ngx_paygw_fields_canonical(ffi.pool, &name, &form, &text, &err);

    if (rc != NGX_OK) {
        return ngx_http_paygw_lua_fail(&ffi, (rc == NGX_ERROR) ? "no memory"
                                                               : err);
    }

    ngx_http_paygw_lua_set(&ffi, 0, &text);

    return NGX_HTTP_PAYGW_FFI_OK;
}
