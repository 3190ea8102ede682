
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_apply.h"


/* of one line that the module sets */
#define NGX_HTTP_PAYGW_APPLY_WORDS  8


static ngx_command_t *ngx_http_paygw_apply_find(ngx_conf_t *cf,
    ngx_uint_t type, ngx_str_t *name, ngx_module_t **module);
static ngx_uint_t ngx_http_paygw_apply_fits(ngx_command_t *cmd, ngx_uint_t n);
static ngx_int_t ngx_http_paygw_apply_set(ngx_conf_t *cf,
    ngx_http_conf_ctx_t *ctx, ngx_module_t *module, ngx_command_t *cmd);


ngx_int_t
ngx_http_paygw_apply(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx,
    ngx_uint_t type, ngx_str_t *line, ngx_uint_t n)
{
    ngx_int_t       rc;
    ngx_conf_t      save;
    ngx_array_t     args;
    ngx_command_t  *cmd;
    ngx_module_t   *module;

    cmd = ngx_http_paygw_apply_find(cf, type, &line[0], &module);

    if (cmd == NULL) {
        return NGX_DECLINED;
    }

    if (!ngx_http_paygw_apply_fits(cmd, n - 1)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments in \"%V\" "
                           "directive", &line[0]);
        return NGX_ERROR;
    }

    args.elts = line;
    args.nelts = n;
    args.size = sizeof(ngx_str_t);
    args.nalloc = n;
    args.pool = cf->pool;

    save = *cf;

    cf->ctx = ctx;
    cf->cmd_type = type;
    cf->args = &args;

    rc = ngx_http_paygw_apply_set(cf, ctx, module, cmd);

    *cf = save;

    return rc;
}


static ngx_command_t *
ngx_http_paygw_apply_find(ngx_conf_t *cf, ngx_uint_t type, ngx_str_t *name,
    ngx_module_t **module)
{
    ngx_uint_t      i;
    ngx_module_t   *m;
    ngx_command_t  *cmd;

    for (i = 0; cf->cycle->modules[i]; i++) {

        m = cf->cycle->modules[i];

        if (m->type != NGX_HTTP_MODULE || m->commands == NULL) {
            continue;
        }

        for (cmd = m->commands; cmd->name.len; cmd++) {

            if ((cmd->type & type)
                && cmd->name.len == name->len
                && ngx_strncmp(cmd->name.data, name->data, name->len) == 0)
            {
                *module = m;
                return cmd;
            }
        }
    }

    return NULL;
}


/* the number of values is one that the directive takes */

static ngx_uint_t
ngx_http_paygw_apply_fits(ngx_command_t *cmd, ngx_uint_t n)
{
    if (cmd->type & NGX_CONF_ANY) {
        return 1;
    }

    if (cmd->type & NGX_CONF_FLAG) {
        return n == 1;
    }

    if (cmd->type & NGX_CONF_1MORE) {
        return n >= 1;
    }

    if (cmd->type & NGX_CONF_2MORE) {
        return n >= 2;
    }

    /* NGX_CONF_NOARGS is the first of eight bits */

    return n < NGX_CONF_MAX_ARGS && (cmd->type & (NGX_CONF_NOARGS << n));
}


static ngx_int_t
ngx_http_paygw_apply_set(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx,
    ngx_module_t *module, ngx_command_t *cmd)
{
    char  *rv;
    void  *conf, **confp;

    conf = NULL;

    /* cmd->conf is the offset of main_conf, srv_conf or loc_conf */

    confp = *(void **) ((char *) ctx + cmd->conf);

    if (confp) {
        conf = confp[module->ctx_index];
    }

    rv = cmd->set(cf, cmd, conf);

    if (rv == NGX_CONF_OK) {
        return NGX_OK;
    }

    if (rv != NGX_CONF_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s",
                           &cmd->name, rv);
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_http_paygw_apply_words(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx,
    ngx_uint_t type, const char **words)
{
    ngx_str_t   *line;
    ngx_uint_t   n;

    /* setters keep what they are given */

    line = ngx_palloc(cf->pool, NGX_HTTP_PAYGW_APPLY_WORDS
                                * sizeof(ngx_str_t));
    if (line == NULL) {
        return NGX_ERROR;
    }

    for (n = 0; words[n] && n < NGX_HTTP_PAYGW_APPLY_WORDS; n++) {

        line[n].len = ngx_strlen(words[n]);
        line[n].data = ngx_pnalloc(cf->pool, line[n].len + 1);
        if (line[n].data == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_cpystrn(line[n].data, (u_char *) words[n],
                           line[n].len + 1);
    }

    return ngx_http_paygw_apply(cf, ctx, type, line, n);
}


void *
ngx_http_paygw_apply_field(ngx_conf_t *cf, ngx_http_conf_ctx_t *ctx,
    const char *name)
{
    char           *conf;
    ngx_str_t       s;
    ngx_command_t  *cmd;
    ngx_module_t   *module;

    s.data = (u_char *) name;
    s.len = ngx_strlen(name);

    cmd = ngx_http_paygw_apply_find(cf, NGX_HTTP_LOC_CONF, &s, &module);

    if (cmd == NULL || cmd->conf != NGX_HTTP_LOC_CONF_OFFSET) {
        return NULL;
    }

    conf = ctx->loc_conf[module->ctx_index];

    return conf + cmd->offset;
}


ngx_http_conf_ctx_t *
ngx_http_paygw_apply_ctx(ngx_conf_t *cf, ngx_http_conf_ctx_t *around,
    ngx_uint_t server)
{
    void                 *conf;
    ngx_uint_t            i, k;
    ngx_http_module_t    *module;
    ngx_http_conf_ctx_t  *ctx;

    ctx = ngx_pcalloc(cf->pool, sizeof(ngx_http_conf_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    ctx->main_conf = around->main_conf;
    ctx->srv_conf = around->srv_conf;

    ctx->loc_conf = ngx_pcalloc(cf->pool,
                                sizeof(void *) * ngx_http_max_module);
    if (ctx->loc_conf == NULL) {
        return NULL;
    }

    if (server) {
        ctx->srv_conf = ngx_pcalloc(cf->pool,
                                    sizeof(void *) * ngx_http_max_module);
        if (ctx->srv_conf == NULL) {
            return NULL;
        }
    }

    for (i = 0; cf->cycle->modules[i]; i++) {

        if (cf->cycle->modules[i]->type != NGX_HTTP_MODULE) {
            continue;
        }

        module = cf->cycle->modules[i]->ctx;
        k = cf->cycle->modules[i]->ctx_index;

        if (server && module->create_srv_conf) {

            conf = module->create_srv_conf(cf);
            if (conf == NULL) {
                return NULL;
            }

            ctx->srv_conf[k] = conf;
        }

        if (module->create_loc_conf) {

            conf = module->create_loc_conf(cf);
            if (conf == NULL) {
                return NULL;
            }

            ctx->loc_conf[k] = conf;
        }
    }

    return ctx;
}
