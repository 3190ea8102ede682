
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include "ngx_paygw_redis.h"
#include "ngx_paygw_redis_cluster.h"


#define NGX_PAYGW_REDIS_BACKOFF_MIN  50
#define NGX_PAYGW_REDIS_BACKOFF_MAX  1000


static ngx_int_t ngx_paygw_redis_connect(ngx_paygw_redis_conn_t *conn);
static ngx_int_t ngx_paygw_redis_open(ngx_paygw_redis_conn_t *conn);
static ngx_int_t ngx_paygw_redis_opened(ngx_paygw_redis_conn_t *conn);
static ngx_uint_t ngx_paygw_redis_advance(ngx_paygw_redis_conn_t *conn);
static void ngx_paygw_redis_lose(ngx_paygw_redis_conn_t *conn, ngx_err_t err,
    const char *why);
static void ngx_paygw_redis_take(ngx_queue_t *to, ngx_queue_t *from);
static void ngx_paygw_redis_close(ngx_paygw_redis_conn_t *conn);
static void ngx_paygw_redis_close_socket(ngx_paygw_redis_conn_t *conn);
static u_char *ngx_paygw_redis_log_error(ngx_log_t *log, u_char *buf,
    size_t len);


ngx_paygw_redis_conn_t *
ngx_paygw_redis_get(ngx_paygw_redis_node_t *node)
{
    ngx_uint_t               i, n;
    ngx_paygw_redis_conn_t  *conn;

    n = node->redis->nconns;

    for (i = 0; i < n; i++) {

        conn = &node->conns[node->next++ % n];

        if (conn->leaving) {
            continue;
        }

        if (conn->state != NGX_PAYGW_REDIS_CLOSED) {
            return conn;
        }

        if (conn->backoff
            && (ngx_msec_int_t) (conn->retry - ngx_current_msec) > 0)
        {
            continue;
        }

        if (ngx_paygw_redis_connect(conn) == NGX_OK) {
            return conn;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_paygw_redis_connect(ngx_paygw_redis_conn_t *conn)
{
    ngx_int_t  rc;

    conn->log = *ngx_cycle->log;
    conn->log.handler = ngx_paygw_redis_log_error;
    conn->log.data = conn;

    conn->answered = 0;
    conn->limit = ngx_current_msec + conn->redis->timeout;

    rc = ngx_paygw_redis_open(conn);

    if (rc == NGX_ERROR) {

        /* which has been logged */

        conn->failed = 1;
        ngx_paygw_redis_close(conn);

        return NGX_ERROR;
    }

    return (rc == NGX_OK) ? ngx_paygw_redis_opened(conn) : NGX_OK;
}


/* NGX_OK: connected; NGX_AGAIN: not yet; NGX_ERROR: no address is left */

static ngx_int_t
ngx_paygw_redis_open(ngx_paygw_redis_conn_t *conn)
{
    ngx_int_t               rc;
    ngx_addr_t             *addr;
    ngx_connection_t       *c;
    ngx_peer_connection_t  *peer;

    peer = &conn->peer;

    conn->log.action = "connecting to redis";

    conn->reader = redisReaderCreate();
    if (conn->reader == NULL) {
        return NGX_ERROR;
    }

    do {
        conn->addr = conn->node->addr;
        addr = &conn->node->addrs[conn->addr].addr;

        ngx_memzero(peer, sizeof(ngx_peer_connection_t));

        peer->sockaddr = addr->sockaddr;
        peer->socklen = addr->socklen;
        peer->name = &addr->name;
        peer->get = ngx_event_get_peer;
        peer->log = &conn->log;
        peer->log_error = NGX_ERROR_INFO;
        peer->so_keepalive = (addr->sockaddr->sa_family != AF_UNIX);

        rc = ngx_event_connect_peer(peer);

        if (rc == NGX_OK || rc == NGX_AGAIN) {
            break;
        }

        if (!ngx_paygw_redis_advance(conn)) {
            return NGX_ERROR;
        }

    } while (1);

    c = peer->connection;

    c->data = conn;
    c->idle = 1;
    c->read->handler = ngx_paygw_redis_read_handler;
    c->write->handler = ngx_paygw_redis_write_handler;

    conn->state = NGX_PAYGW_REDIS_CONNECTING;

    c->pool = ngx_create_pool(256, ngx_cycle->log);

    if (c->pool == NULL) {
        return NGX_ERROR;
    }

    return ngx_paygw_redis_expired(conn) ? NGX_ERROR : rc;
}


/* the socket is connected */

static ngx_int_t
ngx_paygw_redis_opened(ngx_paygw_redis_conn_t *conn)
{
    if (conn->node->addrs[conn->addr].tls.ssl) {
        ngx_paygw_redis_ssl_start(conn);

    } else {
        ngx_paygw_redis_connected(conn);
    }

    return (conn->state == NGX_PAYGW_REDIS_CLOSED) ? NGX_ERROR : NGX_OK;
}


void
ngx_paygw_redis_connected(ngx_paygw_redis_conn_t *conn)
{
    ngx_uint_t         check;
    ngx_connection_t  *c;

    c = conn->peer.connection;

    c->read->handler = ngx_paygw_redis_read_handler;
    c->write->handler = ngx_paygw_redis_write_handler;

    conn->state = NGX_PAYGW_REDIS_CHECKING;
    conn->log.action = "asking redis";

    check = (conn->node->naddrs > 1);

    if (ngx_paygw_redis_handshake(conn) != NGX_OK
        || (check && ngx_paygw_redis_check(conn) != NGX_OK))
    {
        ngx_paygw_redis_drop(conn, 0, "connection got no memory");
        return;
    }

    if (!check) {
        ngx_paygw_redis_usable(conn);
    }

    ngx_post_event(c->write, &ngx_posted_events);
}


ngx_int_t
ngx_paygw_redis_test_connect(ngx_paygw_redis_conn_t *conn)
{
    ngx_err_t  err;

    err = ngx_paygw_tls_connect_error(conn->peer.connection);

    if (err) {
        ngx_paygw_redis_next(conn, err, "connection failed");

    } else {
        (void) ngx_paygw_redis_opened(conn);
    }

    return (conn->state == NGX_PAYGW_REDIS_CLOSED) ? NGX_ERROR : NGX_OK;
}


void
ngx_paygw_redis_works(ngx_paygw_redis_conn_t *conn)
{
    conn->answered = 1;
    conn->tries = 0;

    if (conn->failed) {
        conn->failed = 0;
        conn->backoff = 0;

        ngx_log_error(NGX_LOG_NOTICE, &conn->log, 0, "redis works again");
    }
}


/* what has come for the connection waits, and goes to another address */

void
ngx_paygw_redis_next(ngx_paygw_redis_conn_t *conn, ngx_err_t err,
    const char *why)
{
    ngx_int_t    rc;
    ngx_queue_t  waiting;

    if (!ngx_paygw_redis_advance(conn)) {
        ngx_paygw_redis_lose(conn, err, why);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, &conn->log, err,
                  "redis %s, trying the next address", why);

    ngx_queue_init(&waiting);
    ngx_paygw_redis_take(&waiting, &conn->waiting);

    ngx_paygw_redis_lose(conn, 0, NULL);

    ngx_paygw_redis_take(&conn->waiting, &waiting);

    rc = ngx_paygw_redis_open(conn);

    if (rc == NGX_ERROR) {
        ngx_paygw_redis_lose(conn, 0, "connection failed");

    } else if (rc == NGX_OK) {
        (void) ngx_paygw_redis_opened(conn);
    }
}


void
ngx_paygw_redis_drop(ngx_paygw_redis_conn_t *conn, ngx_err_t err,
    const char *why)
{
    if (why && !conn->answered) {
        (void) ngx_paygw_redis_advance(conn);
    }

    ngx_paygw_redis_lose(conn, err, why);
}


/*
 * This address is of no use.  Returns 1 if there is another one to be tried; a
 * server none of whose addresses is of use is left alone for a growing time.
 */

static ngx_uint_t
ngx_paygw_redis_advance(ngx_paygw_redis_conn_t *conn)
{
    ngx_paygw_redis_node_t  *node;

    node = conn->node;

    if (node->addr == conn->addr) {

        /* or another connection was here before */

        node->addr = (node->addr + 1) % node->naddrs;
    }

    if (++conn->tries < node->naddrs) {
        return 1;
    }

    conn->tries = 0;

    conn->backoff = conn->backoff ? ngx_min(2 * conn->backoff,
                                            NGX_PAYGW_REDIS_BACKOFF_MAX)
                                  : NGX_PAYGW_REDIS_BACKOFF_MIN;

    conn->retry = ngx_current_msec + conn->backoff;

    return 0;
}


static void
ngx_paygw_redis_lose(ngx_paygw_redis_conn_t *conn, ngx_err_t err,
    const char *why)
{
    ngx_uint_t              level;
    ngx_queue_t             lost, *q;
    ngx_paygw_redis_cmd_t  *cmd;

    if (why) {
        level = conn->failed ? NGX_LOG_INFO : NGX_LOG_ERR;
        ngx_log_error(level, &conn->log, err, "redis %s", why);

        conn->failed = 1;

        if (conn->redis->cluster) {
            conn->redis->cluster->stale = 1;
        }
    }

    ngx_queue_init(&lost);

    ngx_paygw_redis_take(&lost, &conn->appended);
    ngx_paygw_redis_take(&lost, &conn->commands);
    ngx_paygw_redis_take(&lost, &conn->waiting);

    ngx_paygw_redis_close(conn);

    while (!ngx_queue_empty(&lost)) {
        q = ngx_queue_head(&lost);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);
        cmd->held = 0;

        ngx_paygw_redis_finish(cmd, NGX_ERROR);
    }
}


void
ngx_paygw_redis_exit(ngx_paygw_redis_conn_t *conn)
{
    ngx_queue_t            *q;
    ngx_paygw_redis_cmd_t  *cmd;

    ngx_paygw_redis_take(&conn->commands, &conn->appended);
    ngx_paygw_redis_take(&conn->commands, &conn->waiting);

    while (!ngx_queue_empty(&conn->commands)) {
        q = ngx_queue_head(&conn->commands);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);
        ngx_paygw_redis_forget(cmd);
    }

    ngx_paygw_redis_close(conn);
}


/* moves the commands of one queue to the end of another */

static void
ngx_paygw_redis_take(ngx_queue_t *to, ngx_queue_t *from)
{
    if (!ngx_queue_empty(from)) {
        ngx_queue_add(to, from);
        ngx_queue_init(from);
    }
}


static void
ngx_paygw_redis_close(ngx_paygw_redis_conn_t *conn)
{
    ngx_paygw_redis_close_socket(conn);

    if (conn->reader) {
        redisReaderFree(conn->reader);
        conn->reader = NULL;
    }

    if (conn->start) {
        ngx_free(conn->start);
    }

    conn->start = NULL;
    conn->pos = NULL;
    conn->last = NULL;
    conn->end = NULL;

    conn->unparsed = 0;
    conn->scripts = 0;
    conn->replicas = 0;
    conn->wait = 0;
    conn->covering = 0;
    conn->leaving = 0;
}


static void
ngx_paygw_redis_close_socket(ngx_paygw_redis_conn_t *conn)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    c = conn->peer.connection;

    conn->peer.connection = NULL;
    conn->state = NGX_PAYGW_REDIS_CLOSED;

    if (c == NULL) {
        return;
    }

    pool = c->pool;

    if (c->ssl) {
        ngx_paygw_tls_close(c);
    }

    ngx_close_connection(c);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


static u_char *
ngx_paygw_redis_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                  *p;
    ngx_paygw_redis_conn_t  *conn;

    conn = log->data;

    p = ngx_snprintf(buf, len, " while %s, server: \"%V\"", log->action,
                     &conn->node->addrs[conn->addr].name);

    return p;
}
