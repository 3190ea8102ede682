
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


#define NGX_PAYGW_REDIS_TIMEOUT          500
#define NGX_PAYGW_REDIS_DB_MAX           65535
#define NGX_PAYGW_REDIS_CONNECTIONS_MAX  64


/* what was written, until all of it is known */
typedef struct {
    ngx_str_t                    user;
    ngx_str_t                    password;      /* in the URL */
    ngx_str_t                    trusted;
    ngx_str_t                    name;          /* of certificates */
    ngx_uint_t                   ssl;
    ngx_uint_t                   cluster;
} ngx_paygw_redis_args_t;


static ngx_int_t ngx_paygw_redis_url(ngx_conf_t *cf, ngx_paygw_redis_t *redis,
    ngx_paygw_redis_args_t *args, ngx_str_t *url);
static ngx_int_t ngx_paygw_redis_url_unix(ngx_conf_t *cf,
    ngx_paygw_redis_t *redis, ngx_str_t *rest);
static ngx_int_t ngx_paygw_redis_url_user(ngx_conf_t *cf,
    ngx_paygw_redis_args_t *args, u_char *start, u_char *last);
static ngx_int_t ngx_paygw_redis_url_db(ngx_conf_t *cf,
    ngx_paygw_redis_t *redis, u_char *start, u_char *last);
static ngx_int_t ngx_paygw_redis_arg(ngx_conf_t *cf, ngx_paygw_redis_t *redis,
    ngx_paygw_redis_args_t *args, ngx_str_t *arg);
static ngx_int_t ngx_paygw_redis_login(ngx_conf_t *cf,
    ngx_paygw_redis_t *redis, ngx_paygw_redis_args_t *args,
    ngx_str_t *password);
static ngx_int_t ngx_paygw_redis_tls(ngx_conf_t *cf, ngx_paygw_redis_t *redis,
    ngx_paygw_redis_args_t *args);
static ngx_int_t ngx_paygw_redis_unescape(ngx_conf_t *cf, ngx_str_t *dst,
    u_char *start, u_char *last);


ngx_paygw_store_t *
ngx_paygw_store_redis(ngx_conf_t *cf, ngx_str_t *args, ngx_uint_t nargs,
    ngx_str_t *password)
{
    ngx_uint_t               i;
    ngx_paygw_redis_t       *redis;
    ngx_paygw_redis_args_t   ra;

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    ngx_memzero(&ra, sizeof(ngx_paygw_redis_args_t));

    redis->timeout = NGX_PAYGW_REDIS_TIMEOUT;
    redis->nconns = 1;
    ngx_str_set(&redis->prefix, "paygw:");

    if (nargs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no URL in \"paygw_store\"");
        return NULL;
    }

    if (ngx_paygw_redis_url(cf, redis, &ra, &args[0]) != NGX_OK) {
        return NULL;
    }

    for (i = 1; i < nargs; i++) {
        if (ngx_paygw_redis_arg(cf, redis, &ra, &args[i]) != NGX_OK) {
            return NULL;
        }
    }

    if (ngx_paygw_redis_login(cf, redis, &ra, password) != NGX_OK
        || ngx_paygw_redis_tls(cf, redis, &ra) != NGX_OK)
    {
        return NULL;
    }

    if (ra.cluster && ngx_paygw_redis_cluster_check(cf, redis) != NGX_OK) {
        return NULL;
    }

    return ngx_paygw_redis_create(cf, redis);
}


static ngx_int_t
ngx_paygw_redis_url(ngx_conf_t *cf, ngx_paygw_redis_t *redis,
    ngx_paygw_redis_args_t *args, ngx_str_t *url)
{
    u_char     *p, *at, *slash, *last;
    ngx_str_t   rest;

    static ngx_str_t  tcp = ngx_string("redis://");
    static ngx_str_t  tls = ngx_string("rediss://");
    static ngx_str_t  un = ngx_string("redis+unix://");

    rest = *url;

    if (url->len > tcp.len && ngx_strncmp(url->data, tcp.data, tcp.len) == 0) {
        rest.data += tcp.len;
        rest.len -= tcp.len;

    } else if (url->len > tls.len
               && ngx_strncmp(url->data, tls.data, tls.len) == 0)
    {
        rest.data += tls.len;
        rest.len -= tls.len;
        args->ssl = 1;

    } else if (url->len > un.len
               && ngx_strncmp(url->data, un.data, un.len) == 0)
    {
        rest.data += un.len;
        rest.len -= un.len;

        return ngx_paygw_redis_url_unix(cf, redis, &rest);

    } else {

        /* not quoted: it may be a URL with a password and a typing error */

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid store, use \"zone\", \"redis://\", "
                           "\"rediss://\" or \"redis+unix:///\"");
        return NGX_ERROR;
    }

    last = rest.data + rest.len;

    /* "@" may stand in a password, but not in a host or a number */

    at = NULL;

    for (p = rest.data; p < last; p++) {
        if (*p == '@') {
            at = p;
        }
    }

    if (at) {
        if (ngx_paygw_redis_url_user(cf, args, rest.data, at) != NGX_OK) {
            return NGX_ERROR;
        }

        rest.len = last - (at + 1);
        rest.data = at + 1;
    }

    slash = ngx_strlchr(rest.data, last, '/');

    if (slash) {
        if (slash + 1 < last
            && ngx_paygw_redis_url_db(cf, redis, slash + 1, last) != NGX_OK)
        {
            return NGX_ERROR;
        }

        rest.len = slash - rest.data;
    }

    if (rest.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no host in the URL of \"paygw_store\"");
        return NGX_ERROR;
    }

    return ngx_paygw_redis_servers(cf, redis, &rest);
}


/* redis+unix:///PATH[?db=N] */

static ngx_int_t
ngx_paygw_redis_url_unix(ngx_conf_t *cf, ngx_paygw_redis_t *redis,
    ngx_str_t *rest)
{
    u_char     *p, *last, *mark;
    ngx_str_t   name;

    last = rest->data + rest->len;
    mark = ngx_strlchr(rest->data, last, '?');

    if (mark) {
        if (last - mark < 4 || ngx_strncmp(mark, "?db=", 4) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid argument in \"redis+unix://%V\", "
                               "only \"?db=NUMBER\" is known", rest);
            return NGX_ERROR;
        }

        if (ngx_paygw_redis_url_db(cf, redis, mark + 4, last) != NGX_OK) {
            return NGX_ERROR;
        }

        last = mark;
    }

    if (rest->data[0] != '/' || last - rest->data < 2) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no absolute path in \"redis+unix://%V\"", rest);
        return NGX_ERROR;
    }

    name.len = sizeof("unix:") - 1 + (last - rest->data);
    name.data = ngx_pnalloc(cf->pool, name.len + 1);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(name.data, "unix:", sizeof("unix:") - 1);
    p = ngx_cpymem(p, rest->data, last - rest->data);
    *p = '\0';

    return ngx_paygw_redis_servers(cf, redis, &name);
}


/* [USER]:PASSWORD, percent-encoded */

static ngx_int_t
ngx_paygw_redis_url_user(ngx_conf_t *cf, ngx_paygw_redis_args_t *args,
    u_char *start, u_char *last)
{
    u_char  *colon;

    colon = ngx_strlchr(start, last, ':');

    if (colon == NULL || colon + 1 == last) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no password in the URL of \"paygw_store\", "
                           "it goes between \":\" and \"@\"");
        return NGX_ERROR;
    }

    if (ngx_paygw_redis_unescape(cf, &args->user, start, colon) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_redis_unescape(cf, &args->password, colon + 1, last);
}


static ngx_int_t
ngx_paygw_redis_unescape(ngx_conf_t *cf, ngx_str_t *dst, u_char *start,
    u_char *last)
{
    u_char  *p, *src;

    dst->data = ngx_pnalloc(cf->pool, last - start + 1);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    p = dst->data;
    src = start;

    ngx_unescape_uri(&p, &src, last - start, 0);

    dst->len = p - dst->data;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_redis_url_db(ngx_conf_t *cf, ngx_paygw_redis_t *redis, u_char *start,
    u_char *last)
{
    ngx_int_t  n;
    ngx_str_t  text;

    text.data = start;
    text.len = last - start;

    n = ngx_atoi(start, last - start);

    if (n == NGX_ERROR || n > NGX_PAYGW_REDIS_DB_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid database \"%V\", it is a number", &text);
        return NGX_ERROR;
    }

    redis->db = (ngx_uint_t) n;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_redis_arg(ngx_conf_t *cf, ngx_paygw_redis_t *redis,
    ngx_paygw_redis_args_t *args, ngx_str_t *arg)
{
    ngx_int_t   n;
    ngx_str_t   value, name;
    ngx_uint_t  i;

    static ngx_str_t  cluster = ngx_string("cluster");
    static ngx_str_t  names[] = {
        ngx_string("prefix="),
        ngx_string("timeout="),
        ngx_string("connections="),
        ngx_string("user="),
        ngx_string("trusted_certificate="),
        ngx_string("name="),
        ngx_null_string
    };

    if (arg->len == cluster.len
        && ngx_strncmp(arg->data, cluster.data, cluster.len) == 0)
    {
        args->cluster = 1;
        return NGX_OK;
    }

    for (i = 0; names[i].len; i++) {
        if (arg->len >= names[i].len
            && ngx_strncmp(arg->data, names[i].data, names[i].len) == 0)
        {
            break;
        }
    }

    name = names[i];
    value.data = arg->data + name.len;
    value.len = arg->len - name.len;

    if (name.len && value.len == 0 && i != 0) {
        goto invalid;
    }

    switch (i) {

    case 0:
        redis->prefix = value;
        return NGX_OK;

    case 1:
        n = ngx_parse_time(&value, 0);
        if (n == NGX_ERROR || n == 0) {
            goto invalid;
        }

        redis->timeout = (ngx_msec_t) n;
        return NGX_OK;

    case 2:
        n = ngx_atoi(value.data, value.len);
        if (n < 1 || n > NGX_PAYGW_REDIS_CONNECTIONS_MAX) {
            goto invalid;
        }

        redis->nconns = (ngx_uint_t) n;
        return NGX_OK;

    case 3:
        redis->user = value;
        return NGX_OK;

    case 4:
        args->trusted = value;
        return NGX_OK;

    case 5:
        args->name = value;
        return NGX_OK;

    default:
        break;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"", arg);
    return NGX_ERROR;

invalid:

    name.len--;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid value \"%V\" of \"%V\"",
                       &value, &name);
    return NGX_ERROR;
}


static ngx_int_t
ngx_paygw_redis_login(ngx_conf_t *cf, ngx_paygw_redis_t *redis,
    ngx_paygw_redis_args_t *args, ngx_str_t *password)
{
    if (args->password.len) {

        if (password) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the password is both in the URL and in "
                               "\"password=\"");
            return NGX_ERROR;
        }

        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "the URL of \"paygw_store\" has a password, "
                           "\"password=file:PATH\" keeps it out of "
                           "configuration dumps");

        redis->password = args->password;

    } else if (password) {

        if (password->len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the password of \"paygw_store\" is empty");
            return NGX_ERROR;
        }

        redis->password = *password;
    }

    if (args->user.len) {

        if (redis->user.len) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the user is both in the URL and in \"user=\"");
            return NGX_ERROR;
        }

        redis->user = args->user;
    }

    if (redis->user.len && redis->password.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"user\" needs a password, add "
                           "\"password=file:PATH\"");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_redis_tls(ngx_conf_t *cf, ngx_paygw_redis_t *redis,
    ngx_paygw_redis_args_t *args)
{
    ngx_str_t               *name;
    ngx_uint_t               i;
    ngx_paygw_redis_addr_t  *addr;

    if (!args->ssl) {

        if (args->trusted.len || args->name.len) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%s\" needs a \"rediss://\" URL",
                               args->trusted.len ? "trusted_certificate"
                                                 : "name");
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    redis->tls.ssl = ngx_paygw_tls_create(cf, &args->trusted);

    if (redis->tls.ssl == NULL) {
        return NGX_ERROR;
    }

    if (args->name.len
        && ngx_paygw_tls_name(cf->pool, &redis->tls, &args->name) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < redis->naddrs; i++) {
        addr = &redis->addrs[i];
        addr->tls = redis->tls;

        name = args->name.len ? &args->name : &addr->host;

        if (ngx_paygw_tls_name(cf->pool, &addr->tls, name) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
