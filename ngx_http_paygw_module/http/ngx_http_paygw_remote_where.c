
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_remote.h"


/*
 * What the proxy module finds wrong with the lines of a channel it says when
 * all is merged: without a file, a line, or a name that anybody has written.
 * So the log of the configuration tells whose location it is that is merged.
 */


static u_char *ngx_http_paygw_remote_where(ngx_log_t *log, u_char *buf,
    size_t len);
static ngx_paygw_channel_t *ngx_http_paygw_remote_merging(void);
static void ngx_http_paygw_remote_unnamed(void *data);


static ngx_conf_t  *ngx_http_paygw_remote_cf;
static ngx_log_t   *ngx_http_paygw_remote_log;


ngx_int_t
ngx_http_paygw_remote_named(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t  *cln;

    if (cf->log->handler) {
        return NGX_OK;
    }

    /* a configuration that is rejected goes without its postconfiguration */

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_paygw_remote_unnamed;
    cln->data = cf->pool;

    ngx_http_paygw_remote_cf = cf;
    ngx_http_paygw_remote_log = cf->log;

    cf->log->handler = ngx_http_paygw_remote_where;

    return NGX_OK;
}


void
ngx_http_paygw_remote_merged(void)
{
    if (ngx_http_paygw_remote_log) {
        ngx_http_paygw_remote_log->handler = NULL;
        ngx_http_paygw_remote_log = NULL;
        ngx_http_paygw_remote_cf = NULL;
    }
}


/* of this configuration, and not of one that is read while this one ends */

static void
ngx_http_paygw_remote_unnamed(void *data)
{
    if (ngx_http_paygw_remote_cf
        && ngx_http_paygw_remote_cf->pool == (ngx_pool_t *) data)
    {
        ngx_http_paygw_remote_merged();
    }
}


static u_char *
ngx_http_paygw_remote_where(ngx_log_t *log, u_char *buf, size_t len)
{
    ngx_paygw_channel_t  *ch;

    ch = ngx_http_paygw_remote_merging();

    return ch ? ngx_snprintf(buf, len, ", \"proxy_*\" of channel \"%V\"",
                             &ch->name)
              : buf;
}


/* blocks that are being read have contexts of their own kinds: none of them */

static ngx_paygw_channel_t *
ngx_http_paygw_remote_merging(void)
{
    ngx_uint_t                    i, k;
    ngx_conf_t                   *cf;
    ngx_http_conf_ctx_t          *ctx;
    ngx_paygw_channel_t         **ch;
    ngx_http_paygw_keyring_t     *kr;
    ngx_http_paygw_main_conf_t   *mcf;

    cf = ngx_http_paygw_remote_cf;

    if (cf->handler || cf->cmd_type != NGX_HTTP_MAIN_CONF) {
        return NULL;
    }

    ctx = cf->ctx;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);
    ch = mcf->channels.elts;

    for (i = 0; i < mcf->channels.nelts; i++) {

        kr = ch[i]->upper;

        for (k = 0; kr && kr->given && k < NGX_HTTP_PAYGW_HOSTS; k++) {
            if (kr->remotes[k].ctx->loc_conf == ctx->loc_conf) {
                return ch[i];
            }
        }
    }

    return NULL;
}
