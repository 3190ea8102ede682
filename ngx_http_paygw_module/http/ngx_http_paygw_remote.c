
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_apply.h"
#include "ngx_http_paygw_exchange.h"
#include "ngx_http_paygw_remote.h"


static ngx_int_t ngx_http_paygw_remote_check(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_int_t ngx_http_paygw_remote_protocols(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);
static ngx_uint_t ngx_http_paygw_remote_known(const ngx_str_t *names,
    ngx_str_t *name);
static ngx_int_t ngx_http_paygw_remote_set(ngx_conf_t *cf,
    ngx_http_paygw_keyring_t *kr);
static ngx_int_t ngx_http_paygw_remote_begin(ngx_conf_t *cf,
    ngx_http_paygw_keyring_t *kr);
static ngx_int_t ngx_http_paygw_remote_server(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf);

/* what a channel may say of the calls; anything else is the module's */

static const ngx_str_t  ngx_http_paygw_remote_names[] = {
    ngx_string("proxy_bind"),
    ngx_string("proxy_buffer_size"),
    ngx_string("proxy_buffers"),
    ngx_string("proxy_busy_buffers_size"),
    ngx_string("proxy_connect_timeout"),
    ngx_string("proxy_read_timeout"),
    ngx_string("proxy_send_timeout"),
    ngx_string("proxy_set_header"),
    ngx_string("proxy_socket_keepalive"),
    ngx_string("proxy_ssl_certificate"),
    ngx_string("proxy_ssl_certificate_key"),
    ngx_string("proxy_ssl_ciphers"),
    ngx_string("proxy_ssl_conf_command"),
    ngx_string("proxy_ssl_crl"),
    ngx_string("proxy_ssl_name"),
    ngx_string("proxy_ssl_password_file"),
    ngx_string("proxy_ssl_protocols"),
    ngx_string("proxy_ssl_server_name"),
    ngx_string("proxy_ssl_session_reuse"),
    ngx_string("proxy_ssl_trusted_certificate"),
    ngx_string("proxy_ssl_verify"),
    ngx_string("proxy_ssl_verify_depth"),
    ngx_null_string
};


/* versions that a call may have; those of today, and none that is to come */

static const ngx_str_t  ngx_http_paygw_remote_versions[] = {
    ngx_string("TLSv1.2"),
    ngx_string("TLSv1.3"),
    ngx_null_string
};


/* header fields that only the module may write */

static const ngx_str_t  ngx_http_paygw_remote_fields[] = {
    ngx_string("accept"),
    ngx_string("accept-encoding"),
    ngx_string("alipay-app-auth-token"),
    ngx_string("alipay-encrypt-type"),
    ngx_string("alipay-encryption-algm"),
    ngx_string("alipay-request-id"),
    ngx_string("alipay-root-cert-sn"),
    ngx_string("authorization"),
    ngx_string("connection"),
    ngx_string("content-encoding"),
    ngx_string("content-length"),
    ngx_string("content-type"),
    ngx_string("expect"),
    ngx_string("host"),
    ngx_string("idempotency-key"),
    ngx_string("stripe-account"),
    ngx_string("stripe-context"),
    ngx_string("stripe-version"),
    ngx_string("te"),
    ngx_string("transfer-encoding"),
    ngx_string("upgrade"),
    ngx_string("wechatpay-serial"),
    ngx_null_string
};


ngx_int_t
ngx_http_paygw_remote_line(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_int_t *known)
{
    ngx_str_t                 *value, *name;
    ngx_http_paygw_keyring_t  *kr;

    *known = 0;

    value = cf->args->elts;

    if (value[0].len < 6 || ngx_strncmp(value[0].data, "proxy_", 6) != 0
        || ch->provider->api == NULL)
    {
        return NGX_OK;
    }

    *known = 1;

    if (ngx_http_paygw_remote_is(cf)) {
        return NGX_OK;
    }

    if (ngx_http_paygw_remote_check(cf, ch) != NGX_OK) {
        return NGX_ERROR;
    }

    kr = ngx_http_paygw_endpoint_get(cf, ch);

    if (kr == NULL || ngx_http_paygw_remote_begin(cf, kr) != NGX_OK) {
        return NGX_ERROR;
    }

    name = ngx_array_push(kr->given);
    if (name == NULL) {
        return NGX_ERROR;
    }

    *name = value[0];

    return ngx_http_paygw_remote_set(cf, kr);
}


/* a line that would undo what the module relies on */

static ngx_int_t
ngx_http_paygw_remote_check(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (!ngx_http_paygw_remote_known(ngx_http_paygw_remote_names, &value[0]))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" cannot be used in channel \"%V\": "
                           "the module sets it, or calls do not need it",
                           &value[0], &ch->name);
        return NGX_ERROR;
    }

    if (ngx_strcmp(value[0].data, "proxy_ssl_verify") == 0
        && (cf->args->nelts != 2
            || ngx_strcasecmp(value[1].data, (u_char *) "on") != 0))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"proxy_ssl_verify\" of channel \"%V\" cannot be "
                           "turned off: anybody on the way could answer in "
                           "place of the provider", &ch->name);
        return NGX_ERROR;
    }

    if (ngx_strcmp(value[0].data, "proxy_ssl_protocols") == 0
        && ngx_http_paygw_remote_protocols(cf, ch) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_strcmp(value[0].data, "proxy_set_header") == 0
        && cf->args->nelts == 3
        && ngx_http_paygw_remote_known(ngx_http_paygw_remote_fields,
                                       &value[1]))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"proxy_set_header %V\" of channel \"%V\": "
                           "the module writes this field itself",
                           &value[1], &ch->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_remote_protocols(ngx_conf_t *cf, ngx_paygw_channel_t *ch)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_paygw_remote_known(ngx_http_paygw_remote_versions,
                                        &value[i]))
        {
            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"proxy_ssl_protocols\" "
                           "of channel \"%V\", it must be \"TLSv1.2\" or "
                           "\"TLSv1.3\"", &value[i], &ch->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_paygw_remote_known(const ngx_str_t *names, ngx_str_t *name)
{
    for ( /* void */ ; names->len; names++) {
        if (names->len == name->len
            && ngx_strncasecmp(names->data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* for both hosts: that there is a second one may be told further down */

static ngx_int_t
ngx_http_paygw_remote_set(ngx_conf_t *cf, ngx_http_paygw_keyring_t *kr)
{
    ngx_str_t   *value, *line;
    ngx_uint_t   i, k, n;

    value = cf->args->elts;
    n = cf->args->nelts;

    for (i = 0; i < NGX_HTTP_PAYGW_HOSTS; i++) {

        /* a copy: some setters change what they are given */

        line = ngx_palloc(cf->pool, n * sizeof(ngx_str_t));
        if (line == NULL) {
            return NGX_ERROR;
        }

        for (k = 0; k < n; k++) {
            line[k].len = value[k].len;
            line[k].data = ngx_pnalloc(cf->pool, value[k].len + 1);
            if (line[k].data == NULL) {
                return NGX_ERROR;
            }

            (void) ngx_cpystrn(line[k].data, value[k].data,
                               value[k].len + 1);
        }

        switch (ngx_http_paygw_apply(cf, kr->remotes[i].ctx,
                                     NGX_HTTP_LOC_CONF, line, n))
        {
        case NGX_OK:
            break;

        case NGX_DECLINED:
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "this nginx has no \"%V\"", &value[0]);
            return NGX_ERROR;

        default:
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the locations, as soon as something is set in them */

static ngx_int_t
ngx_http_paygw_remote_begin(ngx_conf_t *cf, ngx_http_paygw_keyring_t *kr)
{
    ngx_uint_t                   i;
    ngx_http_paygw_main_conf_t  *mcf;

    if (kr->given) {
        return NGX_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    if (mcf->remote == NULL
        && ngx_http_paygw_remote_server(cf, mcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    kr->given = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    if (kr->given == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_PAYGW_HOSTS; i++) {
        kr->remotes[i].ctx = ngx_http_paygw_apply_ctx(cf, mcf->remote, 0);
        if (kr->remotes[i].ctx == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the server around all of them, which is merged as any other */

static ngx_int_t
ngx_http_paygw_remote_server(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf)
{
    ngx_http_conf_ctx_t         *ctx;
    ngx_http_core_srv_conf_t    *cscf, **cscfp;
    ngx_http_core_main_conf_t   *cmcf;

    ctx = ngx_http_paygw_apply_ctx(cf, cf->ctx, 1);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    cscf = ctx->srv_conf[ngx_http_core_module.ctx_index];
    cscf->ctx = ctx;

    cmcf = ctx->main_conf[ngx_http_core_module.ctx_index];

    cscfp = ngx_array_push(&cmcf->servers);
    if (cscfp == NULL) {
        return NGX_ERROR;
    }

    *cscfp = cscf;

    mcf->remote = ctx;

    return ngx_http_paygw_remote_named(cf);
}


ngx_int_t
ngx_http_paygw_remote_create(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf,
    ngx_paygw_channel_t *ch)
{
    ngx_uint_t                 i;
    ngx_http_paygw_keyring_t  *kr;

    kr = ch->upper;

    if (kr == NULL || kr->nhosts == 0 || ch->provider->api == NULL) {
        return NGX_OK;
    }

    if (ngx_http_paygw_remote_begin(cf, kr) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < kr->nhosts; i++) {
        if (ngx_http_paygw_remote_make(cf, mcf, kr, i) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_remote_method(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_paygw_try_t  *t;

    t = ngx_http_paygw_exchange_of(r);

    if (t == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = t->exchange->method.data;
    v->len = t->exchange->method.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
