
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_apply.h"
#include "ngx_http_paygw_remote.h"
#include "ngx_paygw_policy.h"


/*
 * What is judged is what came of all lines, once they are merged: of TLS there
 * are more ways to allow too much than can be told from the lines.
 */


static ngx_int_t ngx_http_paygw_remote_body(ngx_conf_t *cf,
    ngx_http_paygw_remote_t *remote);
static ngx_int_t ngx_http_paygw_remote_tls(ngx_conf_t *cf,
    ngx_http_paygw_remote_t *remote);


ngx_int_t
ngx_http_paygw_remote_judge(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf)
{
    ngx_uint_t                  i, k;
    ngx_paygw_channel_t       **ch;
    ngx_http_paygw_keyring_t   *kr;

    ch = mcf->channels.elts;

    for (i = 0; i < mcf->channels.nelts; i++) {

        kr = ch[i]->upper;

        if (kr == NULL || kr->given == NULL) {
            continue;
        }

        for (k = 0; k < kr->nhosts; k++) {
            if (ngx_http_paygw_remote_body(cf, &kr->remotes[k]) != NGX_OK) {
                return NGX_ERROR;
            }

            if (kr->hosts[k].https
                && ngx_http_paygw_remote_tls(cf, &kr->remotes[k]) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* no value of it means "none": a line in http{} reaches every call */

static ngx_int_t
ngx_http_paygw_remote_body(ngx_conf_t *cf, ngx_http_paygw_remote_t *remote)
{
    ngx_str_t  *body;

    body = ngx_http_paygw_apply_field(cf, remote->ctx, "proxy_set_body");

    if (body == NULL || body->data == NULL) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"proxy_set_body\" in \"http\" replaces what channel "
                  "\"%V\" sends, move it to the servers and locations that "
                  "need it", &remote->channel->name);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_paygw_remote_tls(ngx_conf_t *cf, ngx_http_paygw_remote_t *remote)
{
    u_char                    *p;
    const char                *wrong;
    ngx_http_upstream_conf_t  *u;

    wrong = "it has none";

    p = ngx_http_paygw_apply_field(cf, remote->ctx, "proxy_ssl_certificate");

    if (p) {
        u = (ngx_http_upstream_conf_t *)
                (p - offsetof(ngx_http_upstream_conf_t, ssl_certificate));

        if (u->ssl && u->ssl->ctx) {
            wrong = ngx_paygw_policy_wrong(u->ssl->ctx);
        }
    }

    if (wrong == NULL) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "TLS of the calls of channel \"%V\" is not safe: %s, correct "
                  "its \"proxy_ssl_protocols\", \"proxy_ssl_ciphers\" and "
                  "\"proxy_ssl_conf_command\"", &remote->channel->name, wrong);

    return NGX_ERROR;
}
