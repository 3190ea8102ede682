
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"
#include "ngx_paygw_redis_cluster.h"


/*
 * Nodes.  Those of the configuration, the seeds, are there from the beginning;
 * the others are a worker's own, on the heap, and come and go with the map of
 * slots.  A node is known by its address: whatever it is called, a worker has
 * its connections to it once.
 */


static ngx_int_t ngx_paygw_redis_node_addr(ngx_paygw_redis_conn_t *from,
    ngx_str_t *host, ngx_uint_t port, ngx_sockaddr_t *sa,
    ngx_paygw_redis_addr_t **of);
static ngx_paygw_redis_node_t *ngx_paygw_redis_node_create(
    ngx_paygw_redis_t *redis, ngx_addr_t *addr, ngx_paygw_redis_addr_t *of);
static ngx_uint_t ngx_paygw_redis_node_busy(ngx_paygw_redis_node_t *node);
static void ngx_paygw_redis_node_refused(ngx_paygw_redis_conn_t *from,
    ngx_str_t *host, ngx_uint_t port, const char *why);


void
ngx_paygw_redis_node_init(ngx_paygw_redis_t *redis,
    ngx_paygw_redis_node_t *node, ngx_paygw_redis_conn_t *conns)
{
    ngx_uint_t  i;

    node->redis = redis;
    node->conns = conns;

    for (i = 0; i < redis->nconns; i++) {
        conns[i].redis = redis;
        conns[i].node = node;

        ngx_queue_init(&conns[i].commands);
        ngx_queue_init(&conns[i].waiting);
        ngx_queue_init(&conns[i].appended);
    }
}


ngx_paygw_redis_node_t *
ngx_paygw_redis_node(ngx_paygw_redis_conn_t *from, ngx_str_t *host,
    ngx_uint_t port)
{
    ngx_addr_t                  addr;
    ngx_uint_t                  i, vacant;
    ngx_sockaddr_t              sa;
    ngx_paygw_redis_addr_t     *of;
    ngx_paygw_redis_node_t     *node;
    ngx_paygw_redis_cluster_t  *cl;

    if (ngx_paygw_redis_node_addr(from, host, port, &sa, &of) != NGX_OK) {
        return NULL;
    }

    addr.sockaddr = &sa.sockaddr;
    addr.socklen = sizeof(struct sockaddr_in);
#if (NGX_HAVE_INET6)
    if (sa.sockaddr.sa_family == AF_INET6) {
        addr.socklen = sizeof(struct sockaddr_in6);
    }
#endif

    cl = from->redis->cluster;
    vacant = NGX_PAYGW_REDIS_NODES_MAX;

    for (i = 0; i < NGX_PAYGW_REDIS_NODES_MAX; i++) {
        node = cl->nodes[i];

        if (node == NULL) {
            vacant = ngx_min(vacant, i);
            continue;
        }

        if (ngx_cmp_sockaddr(addr.sockaddr, addr.socklen,
                             node->addrs->addr.sockaddr,
                             node->addrs->addr.socklen, 1)
            == NGX_OK)
        {
            return node;
        }
    }

    if (vacant == NGX_PAYGW_REDIS_NODES_MAX) {
        ngx_paygw_redis_node_refused(from, host, port, "too many nodes");
        return NULL;
    }

    node = ngx_paygw_redis_node_create(from->redis, &addr, of);

    cl->nodes[vacant] = node;

    return node;
}


/*
 * An address is taken as it is.  A name would have to be asked for, and a
 * worker waits for nobody: it must be that of a host of the configuration.
 */

static ngx_int_t
ngx_paygw_redis_node_addr(ngx_paygw_redis_conn_t *from, ngx_str_t *host,
    ngx_uint_t port, ngx_sockaddr_t *sa, ngx_paygw_redis_addr_t **of)
{
    in_addr_t                inaddr;
    ngx_uint_t               i;
    ngx_paygw_redis_addr_t  *addr;
#if (NGX_HAVE_INET6)
    u_char                   in6[16];
#endif

    *of = NULL;

    ngx_memzero(sa, sizeof(ngx_sockaddr_t));

    inaddr = ngx_inet_addr(host->data, host->len);

    if (host->len == 0) {
        *of = from->node->addrs;

    } else if (inaddr != INADDR_NONE) {

        if (inaddr == INADDR_ANY) {
            ngx_paygw_redis_node_refused(from, host, port, "not an address");
            return NGX_ERROR;
        }

        sa->sockaddr_in.sin_family = AF_INET;
        sa->sockaddr_in.sin_addr.s_addr = inaddr;

#if (NGX_HAVE_INET6)
    } else if (ngx_inet6_addr(host->data, host->len, in6) == NGX_OK) {

        sa->sockaddr_in6.sin6_family = AF_INET6;
        ngx_memcpy(&sa->sockaddr_in6.sin6_addr, in6, 16);

        if (IN6_IS_ADDR_UNSPECIFIED(&sa->sockaddr_in6.sin6_addr)) {
            ngx_paygw_redis_node_refused(from, host, port, "not an address");
            return NGX_ERROR;
        }
#endif

    } else {

        for (i = 0; i < from->redis->naddrs; i++) {
            addr = &from->redis->addrs[i];

            if (addr->host.len == host->len
                && ngx_strncasecmp(addr->host.data, host->data, host->len)
                   == 0)
            {
                *of = addr;
                break;
            }
        }

        if (*of == NULL) {
            ngx_paygw_redis_node_refused(from, host, port,
                                         "name its host in \"paygw_store\", "
                                         "or let the cluster use addresses");
            return NGX_ERROR;
        }
    }

    if (*of) {
        ngx_memcpy(sa, (*of)->addr.sockaddr, (*of)->addr.socklen);
    }

    ngx_inet_set_port(&sa->sockaddr, (in_port_t) port);

    return NGX_OK;
}


static void
ngx_paygw_redis_node_refused(ngx_paygw_redis_conn_t *from, ngx_str_t *host,
    ngx_uint_t port, const char *why)
{
    ngx_uint_t  level;

    level = ngx_paygw_redis_level(from);

    ngx_log_error(level, &from->log, 0,
                  "redis named node \"%V:%ui\", which is not used: %s",
                  host, port, why);
}


/* of is the address known before whose host it is, or NULL */

static ngx_paygw_redis_node_t *
ngx_paygw_redis_node_create(ngx_paygw_redis_t *redis, ngx_addr_t *addr,
    ngx_paygw_redis_addr_t *of)
{
    u_char                  *p;
    size_t                   conns;
    ngx_paygw_redis_addr_t  *a;
    ngx_paygw_redis_node_t  *node;

    conns = redis->nconns * sizeof(ngx_paygw_redis_conn_t);

    p = ngx_calloc(sizeof(ngx_paygw_redis_node_t) + conns
                   + sizeof(ngx_paygw_redis_addr_t) + sizeof(ngx_sockaddr_t)
                   + 2 * (NGX_SOCKADDR_STRLEN + 1)
                   + (of ? of->tls.name.len + 1 : 0), ngx_cycle->log);
    if (p == NULL) {
        return NULL;
    }

    node = (ngx_paygw_redis_node_t *) p;
    p += sizeof(ngx_paygw_redis_node_t);

    ngx_paygw_redis_node_init(redis, node, (ngx_paygw_redis_conn_t *) p);
    p += conns;

    a = (ngx_paygw_redis_addr_t *) p;
    p += sizeof(ngx_paygw_redis_addr_t);

    node->addrs = a;
    node->naddrs = 1;

    a->addr.sockaddr = (struct sockaddr *) p;
    a->addr.socklen = addr->socklen;
    ngx_memcpy(p, addr->sockaddr, addr->socklen);
    p += sizeof(ngx_sockaddr_t);

    a->addr.name.data = p;
    a->addr.name.len = ngx_sock_ntop(addr->sockaddr, addr->socklen, p,
                                     NGX_SOCKADDR_STRLEN, 1);
    p += NGX_SOCKADDR_STRLEN + 1;

    a->name = a->addr.name;

    a->host.data = p;
    a->host.len = ngx_sock_ntop(addr->sockaddr, addr->socklen, p,
                                NGX_SOCKADDR_STRLEN, 0);
    p += NGX_SOCKADDR_STRLEN + 1;

    a->tls = redis->tls;

    if (of) {
        a->tls = of->tls;

        if (of->tls.name.len) {

            /* of may be a learned node's, which may go before this one */

            a->tls.name.data = p;
            *ngx_cpymem(p, of->tls.name.data, of->tls.name.len) = '\0';
        }

    } else if (redis->tls.name.len == 0) {

        /* OpenSSL finds the NUL behind it */

        a->tls.name = a->host;
        a->tls.ip = 1;
    }

    return node;
}


ngx_uint_t
ngx_paygw_redis_node_index(ngx_paygw_redis_cluster_t *cl,
    ngx_paygw_redis_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PAYGW_REDIS_NODES_MAX; i++) {
        if (cl->nodes[i] == node) {
            return i + 1;
        }
    }

    return 0;
}


void
ngx_paygw_redis_node_sweep(ngx_paygw_redis_t *redis)
{
    ngx_uint_t                  i;
    ngx_paygw_redis_node_t     *node;
    ngx_paygw_redis_cluster_t  *cl;

    cl = redis->cluster;

    for (i = 0; i < NGX_PAYGW_REDIS_NODES_MAX; i++) {
        node = cl->nodes[i];

        if (node == NULL || node->seed || node->named
            || ngx_paygw_redis_node_busy(node))
        {
            continue;
        }

        cl->nodes[i] = NULL;

        ngx_paygw_redis_node_exit(node);
        ngx_free(node);
    }
}


/* also the one whose reply is being read is never taken away */

static ngx_uint_t
ngx_paygw_redis_node_busy(ngx_paygw_redis_node_t *node)
{
    ngx_uint_t               i;
    ngx_paygw_redis_conn_t  *conn;

    for (i = 0; i < node->redis->nconns; i++) {
        conn = &node->conns[i];

        if (!ngx_queue_empty(&conn->commands)
            || !ngx_queue_empty(&conn->waiting)
            || !ngx_queue_empty(&conn->appended))
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_paygw_redis_node_exit(ngx_paygw_redis_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < node->redis->nconns; i++) {
        ngx_paygw_redis_exit(&node->conns[i]);
    }
}
