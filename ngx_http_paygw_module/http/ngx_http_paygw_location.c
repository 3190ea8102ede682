
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_conf.h"


/* A callback location when all is read: what it needs and must not have. */


static char *ngx_http_paygw_resolve(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf, ngx_http_paygw_loc_conf_t *conf);
static char *ngx_http_paygw_check_core(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf);
static void ngx_http_paygw_guard_core(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *conf, ngx_http_core_loc_conf_t *clcf);
static void ngx_http_paygw_guard_upstream(ngx_conf_t *cf);
static void *ngx_http_paygw_foreign_conf(ngx_conf_t *cf, const char *name);


char *
ngx_http_paygw_notify_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_str_t   *value, *name;
    ngx_uint_t   i;

    if (lcf->names) {
        return "is duplicate";
    }

    if (cf->args->nelts < 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"paygw_notify\" names no channel, a callback "
                           "cannot be verified without one");
        return NGX_CONF_ERROR;
    }

    lcf->names = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                  sizeof(ngx_str_t));
    if (lcf->names == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        name = ngx_array_push(lcf->names);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    lcf->file = cf->conf_file->file.name.data;
    lcf->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


char *
ngx_http_paygw_location_check(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *conf)
{
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    conf->early = ngx_http_paygw_has_rewrite(cf);

    if (conf->queue
        && ngx_http_paygw_queue_check(cf, mcf->store, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (mcf->store == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no store is defined for \"paygw_notify\" in %s:%ui, "
                      "add \"paygw_zone paygw:16m\" or "
                      "\"paygw_store redis://...\" to \"http\"",
                      conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (conf->shows) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%V\" cannot be used with \"paygw_notify\" in "
                      "%s:%ui: it would take events in place of the shop, "
                      "give it a location of its own",
                      &conf->shows->name, conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    mcf->in_use = 1;

    if (conf->deliver_timeout == 0 || conf->body_max == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" for \"paygw_notify\" in %s:%ui cannot be 0",
                      conf->body_max ? "paygw_deliver_timeout"
                                     : "paygw_body_max",
                      conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_paygw_resolve(cf, mcf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_paygw_check_core(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_http_paygw_guard_upstream(cf);

    return NGX_CONF_OK;
}


/* names to channels: all of one provider, each told apart from the others */

static char *
ngx_http_paygw_resolve(ngx_conf_t *cf, ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_loc_conf_t *conf)
{
    ngx_str_t            *name;
    ngx_uint_t            i, k;
    ngx_paygw_channel_t  *ch;

    name = conf->names->elts;

    conf->nchannels = conf->names->nelts;
    conf->channels = ngx_palloc(cf->pool, conf->nchannels
                                          * sizeof(ngx_paygw_channel_t *));
    if (conf->channels == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < conf->nchannels; i++) {

        ch = ngx_http_paygw_channel_find(mcf, &name[i]);

        if (ch == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"paygw_notify\" names unknown channel \"%V\" "
                          "in %s:%ui, define it by "
                          "\"paygw_channel %V { ... }\"",
                          &name[i], conf->file, conf->line, &name[i]);
            return NGX_CONF_ERROR;
        }

        if (ch->calls_only) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"paygw_notify\" names channel \"%V\" in %s:%ui, "
                          "which is for calls only: say how its callbacks "
                          "are signed, \"signed\" and others",
                          &name[i], conf->file, conf->line);
            return NGX_CONF_ERROR;
        }

        if (i && ch->provider != conf->channels[0]->provider) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"paygw_notify\" names channels of different "
                          "providers, \"%V\" and \"%V\", in %s:%ui, "
                          "give each provider a location of its own",
                          &name[0], &name[i], conf->file, conf->line);
            return NGX_CONF_ERROR;
        }

        if (i && ch->headers != ch->provider->headers) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"paygw_notify\" names channels \"%V\" and "
                          "\"%V\" in %s:%ui, but no message says which "
                          "channel of provider \"%V\" it is for, "
                          "give each of them a location of its own",
                          &name[0], &name[i], conf->file, conf->line,
                          &ch->provider->name);
            return NGX_CONF_ERROR;
        }

        for (k = 0; k < i; k++) {

            if (conf->channels[k] != ch
                && !ch->provider->same(conf->channels[k], ch))
            {
                continue;
            }

            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"paygw_notify\" names channels \"%V\" and "
                          "\"%V\" in %s:%ui, which are the same account: "
                          "their callbacks could not be told apart",
                          &name[k], &name[i], conf->file, conf->line);
            return NGX_CONF_ERROR;
        }

        if (ch->lease <= conf->deliver_timeout) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"lease\" %Mms of channel \"%V\" is not longer "
                          "than \"paygw_deliver_timeout\" %Mms for "
                          "\"paygw_notify\" in %s:%ui: an event could be "
                          "delivered twice at the same time",
                          ch->lease, &name[i], conf->deliver_timeout,
                          conf->file, conf->line);
            return NGX_CONF_ERROR;
        }

        conf->channels[i] = ch;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_check_core(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->satisfy == NGX_HTTP_SATISFY_ANY) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"satisfy any\" cannot be used with \"paygw_notify\" "
                      "in %s:%ui: another check that passes would skip the "
                      "verification, use \"satisfy all\"",
                      conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (conf->observe && conf->observe <= ngx_time()) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"paygw_verify observe\" for \"paygw_notify\" in "
                      "%s:%ui has ended, callbacks are enforced",
                      conf->file, conf->line);

        conf->observe = 0;
    }

    if (!conf->observe) {
        ngx_http_paygw_guard_core(cf, conf, clcf);
    }

    return NGX_CONF_OK;
}


/*
 * What nginx's core must not do.  An error page could answer 200 for a
 * callback that was refused, or that the shop did not take; a post_action is a
 * second request behind the ack; and a body that is too large for us is not to
 * be read, nor written to a file, at all.
 */

static void
ngx_http_paygw_guard_core(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *conf,
    ngx_http_core_loc_conf_t *clcf)
{
    ngx_http_core_loc_conf_t  *server;
    ngx_http_core_srv_conf_t  *cscf;

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    server = cscf->ctx->loc_conf[ngx_http_core_module.ctx_index];

    if (clcf->error_pages && clcf->error_pages != server->error_pages) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"error_page\" has no effect with \"paygw_notify\" "
                      "in %s:%ui, the provider gets its own answer",
                      conf->file, conf->line);
    }

    if (clcf->post_action.len
        && clcf->post_action.data != server->post_action.data)
    {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"post_action\" has no effect with \"paygw_notify\" "
                      "in %s:%ui", conf->file, conf->line);
    }

    clcf->error_pages = NULL;
    ngx_str_null(&clcf->post_action);

    if (clcf->client_max_body_size == 0
        || clcf->client_max_body_size > (off_t) conf->body_max)
    {
        clcf->client_max_body_size = conf->body_max;
    }
}


/*
 * Whether the location has directives of the rewrite module.  Its
 * configuration is private; its first member is the array of compiled codes,
 * NULL if there are none, in every version of nginx.  If that ever changes a
 * location with "return" fails closed: ngx_http_paygw_unasked().
 */

ngx_uint_t
ngx_http_paygw_has_rewrite(ngx_conf_t *cf)
{
    ngx_array_t  **codes;

    codes = ngx_http_paygw_foreign_conf(cf, "ngx_http_rewrite_module");

    return codes && *codes;
}


/*
 * A directive behind ours sets its own handler and says nothing.  "return" is
 * none: what stands first among the codes is run for every request.  It may
 * be there for a while, so that it is no error.
 */

ngx_int_t
ngx_http_paygw_content_check(ngx_conf_t *cf, ngx_http_handler_pt handler,
    const char *directive, u_char *file, ngx_uint_t line)
{
    uintptr_t                  *code;
    ngx_array_t               **codes;
    ngx_http_core_loc_conf_t   *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler != handler && (clcf->handler || !clcf->noname)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" in %s:%ui stands in a location that has "
                      "another content handler, give each a location of its "
                      "own", directive, file, line);
        return NGX_ERROR;
    }

    codes = ngx_http_paygw_foreign_conf(cf, "ngx_http_rewrite_module");

    if (clcf->noname || codes == NULL || *codes == NULL
        || (*codes)->nelts < sizeof(uintptr_t))
    {
        return NGX_OK;
    }

    code = (*codes)->elts;

    if (*code == (uintptr_t) ngx_http_script_return_code) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"return\" answers all requests in place of \"%s\" "
                      "in %s:%ui, remove one of them", directive, file, line);
    }

    return NGX_OK;
}


/*
 * What a proxied shop must not do with a callback: a cached answer would be
 * taken for the shop's.  ngx_http_upstream_conf_t is the first member of the
 * configuration of each of these modules.  That the shop's work does not end
 * with the provider's connection: ngx_http_paygw_content_handler().
 */

static void
ngx_http_paygw_guard_upstream(ngx_conf_t *cf)
{
    ngx_uint_t                 i;
    ngx_http_upstream_conf_t  *ucf;

    static const char  *modules[] = {
        "ngx_http_proxy_module",
        "ngx_http_fastcgi_module",
        "ngx_http_uwsgi_module",
        "ngx_http_scgi_module",
        "ngx_http_grpc_module",
        NULL
    };

    for (i = 0; modules[i]; i++) {

        ucf = ngx_http_paygw_foreign_conf(cf, modules[i]);

        if (ucf == NULL) {
            continue;
        }

#if (NGX_HTTP_CACHE)
        ucf->cache = 0;
#endif

#if (nginx_version >= 1029000)
        /* they would reach the provider before its ack */
        ucf->pass_early_hints = 0;
#endif
    }
}


static void *
ngx_http_paygw_foreign_conf(ngx_conf_t *cf, const char *name)
{
    ngx_uint_t            i;
    ngx_http_conf_ctx_t  *ctx;

    ctx = cf->ctx;

    for (i = 0; cf->cycle->modules[i]; i++) {
        if (ngx_strcmp(cf->cycle->modules[i]->name, name) == 0) {
            return ctx->loc_conf[cf->cycle->modules[i]->ctx_index];
        }
    }

    return NULL;
}
