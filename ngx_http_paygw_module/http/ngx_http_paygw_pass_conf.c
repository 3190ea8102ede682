
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_binding.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_pass.h"
#include "ngx_http_paygw_remote.h"
#include "ngx_http_paygw_transport.h"


static char *ngx_http_paygw_pass_prefix(ngx_conf_t *cf,
    ngx_http_paygw_pass_conf_t *pass);
static char *ngx_http_paygw_pass_check(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *prev, ngx_http_paygw_loc_conf_t *conf);
static char *ngx_http_paygw_pass_tls(ngx_conf_t *cf,
    ngx_http_paygw_pass_conf_t *pass, ngx_http_paygw_keyring_t *kr);
static ngx_int_t ngx_http_paygw_pass_hosts(ngx_conf_t *cf,
    ngx_http_paygw_pass_conf_t *pass, ngx_http_paygw_keyring_t *kr);


char *
ngx_http_paygw_pass_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_str_t                   *value;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_paygw_pass_conf_t  *pass;

    if (lcf->pass) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler && lcf->api == NULL && lcf->queue == NULL) {
        return "stands in a location that has another content handler";
    }

    pass = ngx_pcalloc(cf->pool, sizeof(ngx_http_paygw_pass_conf_t));
    if (pass == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    pass->directive = "paygw_pass";
    pass->name = value[1];
    pass->file = cf->conf_file->file.name.data;
    pass->line = cf->conf_file->line;

    if (cf->args->nelts > 2) {

        if (value[2].len == 0 || value[2].data[0] != '/') {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid URI \"%V\", it must begin with "
                               "\"/\"", &value[2]);
            return NGX_CONF_ERROR;
        }

        pass->uri = value[2];
    }

    if (ngx_http_paygw_pass_prefix(cf, pass) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    lcf->pass = pass;
    clcf->handler = ngx_http_paygw_pass_handler;

    return NGX_CONF_OK;
}


/* which part of the URI is the location's, and which the provider's */

static char *
ngx_http_paygw_pass_prefix(ngx_conf_t *cf, ngx_http_paygw_pass_conf_t *pass)
{
    ngx_str_t                 *name;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    name = &clcf->name;

    if (clcf->named || clcf->noname
#if (NGX_PCRE)
        || clcf->regex
#endif
       )
    {
        if (pass->uri.len) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"paygw_pass\" cannot have a URI in a "
                               "location given by a regular expression, in a "
                               "named location or inside \"if\"");
            return NGX_CONF_ERROR;
        }

        ngx_str_set(&pass->prefix, "");
        ngx_str_set(&pass->uri, "");

        return NGX_CONF_OK;
    }

    if (!clcf->exact_match
        && (name->len == 0 || name->data[name->len - 1] != '/'))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\" with \"paygw_pass\" must end "
                           "with \"/\", or be exact: what follows it is the "
                           "path of the provider's API", name);
        return NGX_CONF_ERROR;
    }

    pass->prefix = *name;

    if (pass->uri.len == 0) {
        ngx_str_set(&pass->uri, "/");
    }

    return NGX_CONF_OK;
}


char *
ngx_http_paygw_pass_merge(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->pass == NULL && clcf->noname) {
        conf->pass = prev->pass;

    } else if (conf->pass && clcf->noname && prev->pass) {

        /* the path of the API is the same, whoever is asked */

        conf->pass->prefix = prev->pass->prefix;
        conf->pass->uri = prev->pass->uri;
    }

    return conf->pass ? ngx_http_paygw_pass_check(cf, prev, conf) : NGX_CONF_OK;
}


static char *
ngx_http_paygw_pass_check(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *prev,
    ngx_http_paygw_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_paygw_pass_conf_t  *pass;

    pass = conf->pass;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->lmt_excpt && clcf->handler == NULL) {
        clcf->handler = ngx_http_paygw_pass_handler;
    }

    if (conf->names || conf->queue) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"paygw_pass\" and \"%s\" cannot be in one location, "
                      "in %s:%ui",
                      conf->names ? "paygw_notify" : "paygw_queue",
                      pass->file, pass->line);
        return NGX_CONF_ERROR;
    }

    /* an "if" may give some requests to somebody else */

    if (conf->pass != prev->pass
        && ngx_http_paygw_content_check(cf, ngx_http_paygw_pass_handler,
                                        pass->directive, pass->file, pass->line)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->deadline == 0 || conf->answer_max == 0 || conf->body_max == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" for \"paygw_pass\" in %s:%ui cannot be 0",
                      conf->deadline == 0 ? "paygw_deadline"
                      : conf->answer_max == 0 ? "paygw_answer_max"
                                              : "paygw_body_max",
                      pass->file, pass->line);
        return NGX_CONF_ERROR;
    }

    return ngx_http_paygw_pass_resolve(cf, conf, pass);
}


char *
ngx_http_paygw_pass_resolve(ngx_conf_t *cf, ngx_http_paygw_loc_conf_t *conf,
    ngx_http_paygw_pass_conf_t *pass)
{
    ngx_paygw_channel_t         *ch;
    ngx_http_paygw_keyring_t    *kr;
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    if (ngx_http_paygw_binding_check(cf, conf, pass) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    ch = ngx_http_paygw_channel_find(mcf, &pass->name);

    if (ch == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" names unknown channel \"%V\" in "
                      "%s:%ui, define it by \"paygw_channel %V { ... }\"%s",
                      pass->directive, &pass->name, pass->file, pass->line,
                      &pass->name,
                      conf->api ? " or \"paygw_route\"" : "");
        return NGX_CONF_ERROR;
    }

    if (ch->provider->api == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" names channel \"%V\" in %s:%ui, but "
                      "provider \"%V\" is for callbacks only",
                      pass->directive, &pass->name, pass->file, pass->line,
                      &ch->provider->name);
        return NGX_CONF_ERROR;
    }

    kr = ch->upper;

    if (kr == NULL || kr->nhosts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" in %s:%ui needs \"endpoint\" in "
                      "channel \"%V\", add \"endpoint %s;\"",
                      pass->directive, pass->file, pass->line, &pass->name,
                      ch->provider->api->endpoint);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_paygw_pass_hosts(cf, pass, kr) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    pass->channel = ch;
    kr->orders = 1;

    if (ngx_http_paygw_transport_check(cf, conf, ch) != NGX_OK
        || ngx_http_paygw_pass_wants(cf, pass, ch->provider->api->check_conf)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_paygw_pass_tls(cf, pass, kr);
}


/*
 * What is missing is missed by the directive: it is named, and the messages
 * have its line, and not that at which all is merged
 */

char *
ngx_http_paygw_pass_wants(ngx_conf_t *cf, ngx_http_paygw_pass_conf_t *pass,
    char *(*check)(ngx_conf_t *cf, ngx_paygw_channel_t *ch))
{
    char             *rv;
    ngx_conf_file_t  *merged, file;

    merged = cf->conf_file;
    file = *merged;

    file.file.name.data = pass->file;
    file.file.name.len = ngx_strlen(pass->file);
    file.line = pass->line;

    cf->conf_file = &file;
    pass->channel->wanted_by = pass->directive;

    rv = check(cf, pass->channel);

    pass->channel->wanted_by = NULL;
    cf->conf_file = merged;

    return rv;
}


/* answers that are not signed are as good as the connection they came on */

static char *
ngx_http_paygw_pass_tls(ngx_conf_t *cf, ngx_http_paygw_pass_conf_t *pass,
    ngx_http_paygw_keyring_t *kr)
{
    ngx_uint_t              i;
    const ngx_paygw_api_t  *api;

    api = pass->channel->provider->api;

    if (api->tls_only == NULL || !api->tls_only(pass->channel)) {
        return NGX_CONF_OK;
    }

    for (i = 0; i < kr->nhosts; i++) {

        if (kr->hosts[i].https) {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"endpoint\" \"%V\" of channel \"%V\" must be "
                      "\"https://\" for \"%s\" in %s:%ui: answers of "
                      "\"%V\" have no signature, and TLS is all that tells "
                      "whose they are",
                      &kr->hosts[i].url, &pass->name, pass->directive,
                      pass->file, pass->line,
                      &pass->channel->provider->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* a certificate of an address is nothing that the proxy module looks for */

static ngx_int_t
ngx_http_paygw_pass_hosts(ngx_conf_t *cf, ngx_http_paygw_pass_conf_t *pass,
    ngx_http_paygw_keyring_t *kr)
{
    ngx_uint_t  i;

    if (ngx_http_paygw_remote_given(kr, "proxy_ssl_name")) {
        return NGX_OK;
    }

    for (i = 0; i < kr->nhosts; i++) {

        if (!kr->hosts[i].https || !kr->hosts[i].tls.ip) {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"endpoint\" \"%V\" of channel \"%V\" is an address, "
                      "and nginx compares a certificate with a name only: "
                      "\"%s\" in %s:%ui needs a name there, or "
                      "\"proxy_ssl_name\" in the channel",
                      &kr->hosts[i].url, &pass->name, pass->directive,
                      pass->file, pass->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}
