
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"
#include "ngx_paygw_redis_cluster.h"


#define NGX_PAYGW_REDIS_PORT   6379
#define NGX_PAYGW_REDIS_ADDRS  64


static ngx_int_t ngx_paygw_redis_server(ngx_conf_t *cf,
    ngx_paygw_redis_t *redis, ngx_str_t *name);


ngx_int_t
ngx_paygw_redis_servers(ngx_conf_t *cf, ngx_paygw_redis_t *redis,
    ngx_str_t *list)
{
    u_char     *p, *last, *comma;
    ngx_str_t   name;

    redis->addrs = ngx_pcalloc(cf->pool, NGX_PAYGW_REDIS_ADDRS
                                         * sizeof(ngx_paygw_redis_addr_t));
    if (redis->addrs == NULL) {
        return NGX_ERROR;
    }

    if (ngx_strncmp(list->data, "unix:", 5) == 0) {
        return ngx_paygw_redis_server(cf, redis, list);
    }

    last = list->data + list->len;

    for (p = list->data; /* void */ ; p = comma + 1) {

        comma = ngx_strlchr(p, last, ',');

        name.data = p;
        name.len = (comma ? comma : last) - p;

        if (name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "no host in redis servers \"%V\", they are "
                               "\"HOST[:PORT]\" with commas between them",
                               list);
            return NGX_ERROR;
        }

        if (ngx_paygw_redis_server(cf, redis, &name) != NGX_OK) {
            return NGX_ERROR;
        }

        if (comma == NULL) {
            return NGX_OK;
        }
    }
}


static ngx_int_t
ngx_paygw_redis_server(ngx_conf_t *cf, ngx_paygw_redis_t *redis,
    ngx_str_t *name)
{
    ngx_url_t                u;
    ngx_uint_t               i;
    ngx_paygw_redis_addr_t  *addr;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *name;
    u.default_port = NGX_PAYGW_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in redis server \"%V\"",
                           u.err ? u.err : "no address", name);
        return NGX_ERROR;
    }

    for (i = 0; i < u.naddrs; i++) {

        if (redis->naddrs == NGX_PAYGW_REDIS_ADDRS) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "redis servers have more than %d addresses",
                               NGX_PAYGW_REDIS_ADDRS);
            return NGX_ERROR;
        }

        addr = &redis->addrs[redis->naddrs++];

        addr->addr = u.addrs[i];
        addr->name = *name;
        addr->host = u.host;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_redis_cluster_check(ngx_conf_t *cf, ngx_paygw_redis_t *redis)
{
    u_char      *p, *last, *end;
    const char  *why;

    why = NULL;

    if (redis->addrs->addr.sockaddr->sa_family == AF_UNIX) {
        why = "the nodes of a cluster have addresses, use \"redis://\" or "
              "\"rediss://\"";

    } else if (redis->db != 0) {
        why = "a cluster has no databases, remove the number";
    }

    /* what is in the first braces decides on the slot, so it must be one */

    last = redis->prefix.data + redis->prefix.len;
    p = ngx_strlchr(redis->prefix.data, last, '{');

    if (p) {
        end = ngx_strlchr(p, last, '}');

        if (end == NULL || end == p + 1) {
            why = "a \"{\" in \"prefix\" needs a \"}\" behind it, and "
                  "something between them";
        }
    }

    if (why) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"cluster\" of \"paygw_store\": %s", why);
        return NGX_ERROR;
    }

    redis->cluster = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_redis_cluster_t));

    return redis->cluster ? NGX_OK : NGX_ERROR;
}
