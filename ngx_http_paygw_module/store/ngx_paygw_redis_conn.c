
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include "ngx_paygw_redis.h"


#define NGX_PAYGW_REDIS_READ         16384  /* bytes of one recv() */
#define NGX_PAYGW_REDIS_BUFFER       4096   /* first size of the output */
#define NGX_PAYGW_REDIS_BUFFER_KEEP  65536  /* and the last that is kept */
#define NGX_PAYGW_REDIS_REPLY_MAX    1048576
#define NGX_PAYGW_REDIS_ARGS         8
#define NGX_PAYGW_REDIS_BACKOFF_MIN  50
#define NGX_PAYGW_REDIS_BACKOFF_MAX  1000


static ngx_int_t ngx_paygw_redis_connect(ngx_paygw_redis_conn_t *conn);
static ngx_int_t ngx_paygw_redis_opened(ngx_paygw_redis_conn_t *conn);
static ngx_int_t ngx_paygw_redis_test_connect(ngx_paygw_redis_conn_t *conn);
static ngx_int_t ngx_paygw_redis_reserve(ngx_paygw_redis_conn_t *conn,
    size_t size);
static void ngx_paygw_redis_write_handler(ngx_event_t *wev);
static void ngx_paygw_redis_read_handler(ngx_event_t *rev);
static const char *ngx_paygw_redis_parse(ngx_paygw_redis_conn_t *conn,
    u_char *buf, size_t size);
static ngx_uint_t ngx_paygw_redis_expired(ngx_paygw_redis_conn_t *conn);
static void ngx_paygw_redis_closed(ngx_paygw_redis_conn_t *conn);
static void ngx_paygw_redis_back_off(ngx_paygw_redis_conn_t *conn);
static void ngx_paygw_redis_close(ngx_paygw_redis_conn_t *conn);
static u_char *ngx_paygw_redis_log_error(ngx_log_t *log, u_char *buf,
    size_t len);


ngx_paygw_redis_conn_t *
ngx_paygw_redis_get(ngx_paygw_redis_t *redis)
{
    ngx_uint_t               i;
    ngx_paygw_redis_conn_t  *conn;

    for (i = 0; i < redis->nconns; i++) {

        conn = &redis->conns[redis->next++ % redis->nconns];

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
    ngx_int_t               rc;
    ngx_addr_t             *addr;
    ngx_connection_t       *c;
    ngx_peer_connection_t  *peer;

    addr = &conn->redis->addrs[conn->addr % conn->redis->naddrs];

    conn->log = *ngx_cycle->log;
    conn->log.handler = ngx_paygw_redis_log_error;
    conn->log.data = conn;
    conn->log.action = "connecting to redis";

    conn->answered = 0;
    conn->unparsed = 0;

    conn->reader = redisReaderCreate();
    if (conn->reader == NULL) {
        return NGX_ERROR;
    }

    peer = &conn->peer;
    ngx_memzero(peer, sizeof(ngx_peer_connection_t));

    peer->sockaddr = addr->sockaddr;
    peer->socklen = addr->socklen;
    peer->name = &addr->name;
    peer->get = ngx_event_get_peer;
    peer->log = &conn->log;
    peer->log_error = NGX_ERROR_INFO;
    peer->so_keepalive = (addr->sockaddr->sa_family != AF_UNIX);

    rc = ngx_event_connect_peer(peer);

    if (rc == NGX_ERROR || rc == NGX_BUSY || rc == NGX_DECLINED) {

        /* which has been logged */

        conn->failed = 1;
        ngx_paygw_redis_back_off(conn);
        ngx_paygw_redis_close(conn);

        return NGX_ERROR;
    }

    c = peer->connection;

    c->data = conn;
    c->idle = 1;
    c->read->handler = ngx_paygw_redis_read_handler;
    c->write->handler = ngx_paygw_redis_write_handler;

    conn->state = NGX_PAYGW_REDIS_CONNECTING;

    c->pool = ngx_create_pool(256, ngx_cycle->log);

    if (c->pool == NULL || ngx_paygw_redis_handshake(conn) != NGX_OK) {
        ngx_paygw_redis_drop(conn, 0, "connection got no memory");
        return NGX_ERROR;
    }

    if (rc == NGX_OK) {
        return ngx_paygw_redis_opened(conn);
    }

    return NGX_OK;
}


/* the socket is connected */

static ngx_int_t
ngx_paygw_redis_opened(ngx_paygw_redis_conn_t *conn)
{
    if (conn->redis->ssl) {
        ngx_paygw_redis_ssl_start(conn);

    } else {
        ngx_paygw_redis_connected(conn);
    }

    return (conn->state == NGX_PAYGW_REDIS_CLOSED) ? NGX_ERROR : NGX_OK;
}


void
ngx_paygw_redis_connected(ngx_paygw_redis_conn_t *conn)
{
    ngx_connection_t  *c;

    c = conn->peer.connection;

    c->read->handler = ngx_paygw_redis_read_handler;
    c->write->handler = ngx_paygw_redis_write_handler;

    conn->state = NGX_PAYGW_REDIS_OPEN;
    conn->log.action = "asking redis";

    ngx_post_event(c->write, &ngx_posted_events);
}


static ngx_int_t
ngx_paygw_redis_test_connect(ngx_paygw_redis_conn_t *conn)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    if (getsockopt(conn->peer.connection->fd, SOL_SOCKET, SO_ERROR,
                   (void *) &err, &len)
        == -1)
    {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_paygw_redis_drop(conn, err, "connection failed");
        return NGX_ERROR;
    }

    return ngx_paygw_redis_opened(conn);
}


ngx_int_t
ngx_paygw_redis_enqueue(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, ngx_uint_t argc, ngx_str_t *argv)
{
    char              *text;
    size_t             lens[NGX_PAYGW_REDIS_ARGS];
    long long          len;
    ngx_int_t          rc;
    ngx_uint_t         i;
    const char        *args[NGX_PAYGW_REDIS_ARGS];
    ngx_connection_t  *c;

    for (i = 0; i < argc; i++) {
        args[i] = (const char *) argv[i].data;
        lens[i] = argv[i].len;
    }

    len = redisFormatCommandArgv(&text, (int) argc, args, lens);
    if (len < 0) {
        return NGX_ERROR;
    }

    rc = ngx_paygw_redis_reserve(conn, (size_t) len);

    if (rc == NGX_OK) {
        conn->last = ngx_cpymem(conn->last, text, (size_t) len);
    }

    redisFreeCommand(text);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    c = conn->peer.connection;

    if (ngx_queue_empty(&conn->commands)) {
        ngx_add_timer(c->read, conn->redis->timeout);
    }

    cmd->deadline = ngx_current_msec + conn->redis->timeout;
    ngx_queue_insert_tail(&conn->commands, &cmd->queue);

    if (conn->state == NGX_PAYGW_REDIS_OPEN) {
        ngx_post_event(c->write, &ngx_posted_events);
    }

    return NGX_OK;
}


/* makes room for size bytes after conn->last */

static ngx_int_t
ngx_paygw_redis_reserve(ngx_paygw_redis_conn_t *conn, size_t size)
{
    size_t   used, all;
    u_char  *p;

    if (size <= (size_t) (conn->end - conn->last)) {
        return NGX_OK;
    }

    used = conn->last - conn->pos;
    all = conn->end - conn->start;

    if (used + size <= all) {
        ngx_memmove(conn->start, conn->pos, used);

    } else {
        all = ngx_max(2 * all, NGX_PAYGW_REDIS_BUFFER);
        all = ngx_max(all, used + size);

        p = ngx_alloc(all, ngx_cycle->log);
        if (p == NULL) {
            return NGX_ERROR;
        }

        if (conn->start) {
            ngx_memcpy(p, conn->pos, used);
            ngx_free(conn->start);
        }

        conn->start = p;
        conn->end = p + all;
    }

    conn->pos = conn->start;
    conn->last = conn->start + used;

    return NGX_OK;
}


static void
ngx_paygw_redis_write_handler(ngx_event_t *wev)
{
    ssize_t                  n;
    ngx_connection_t        *c;
    ngx_paygw_redis_conn_t  *conn;

    c = wev->data;
    conn = c->data;

    if (conn->state == NGX_PAYGW_REDIS_CONNECTING) {
        (void) ngx_paygw_redis_test_connect(conn);
        return;
    }

    while (wev->ready && conn->pos < conn->last) {

        n = c->send(c, conn->pos, conn->last - conn->pos);

        if (n == NGX_ERROR) {
            ngx_paygw_redis_closed(conn);
            return;
        }

        if (n == NGX_AGAIN || n == 0) {
            break;
        }

        conn->pos += n;
    }

    if (conn->pos == conn->last && conn->start) {

        if (conn->end - conn->start > NGX_PAYGW_REDIS_BUFFER_KEEP) {
            ngx_free(conn->start);
            conn->start = NULL;
            conn->end = NULL;
        }

        conn->pos = conn->start;
        conn->last = conn->start;
    }

    if (ngx_handle_write_event(wev, 0) != NGX_OK) {
        ngx_paygw_redis_drop(conn, 0, "connection is not usable");
    }
}


static void
ngx_paygw_redis_read_handler(ngx_event_t *rev)
{
    u_char                   buf[NGX_PAYGW_REDIS_READ];
    ssize_t                  n;
    const char              *why;
    ngx_connection_t        *c;
    ngx_paygw_redis_conn_t  *conn;

    c = rev->data;
    conn = c->data;

    if (rev->timedout) {
        rev->timedout = 0;

        if (ngx_paygw_redis_expired(conn)) {
            return;
        }
    }

    if (conn->state == NGX_PAYGW_REDIS_CONNECTING) {

        /* the write handler comes, with or without an error */

        return;
    }

    while (!c->close || !ngx_queue_empty(&conn->commands)) {

        n = c->recv(c, buf, NGX_PAYGW_REDIS_READ);

        if (n == NGX_AGAIN) {

            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                ngx_paygw_redis_drop(conn, 0, "connection is not usable");
                return;
            }

            break;
        }

        if (n == 0 || n == NGX_ERROR) {
            ngx_paygw_redis_closed(conn);
            return;
        }

        why = ngx_paygw_redis_parse(conn, buf, (size_t) n);

        if (why) {
            ngx_paygw_redis_drop(conn, 0, why);
            return;
        }
    }

    if (!ngx_queue_empty(&conn->commands)) {
        return;
    }

    /* a timer would keep a worker from quitting */

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    if (c->close || ngx_exiting) {
        ngx_paygw_redis_drop(conn, 0, NULL);
    }
}


/* returns NULL, or why the connection has to be given up */

static const char *
ngx_paygw_redis_parse(ngx_paygw_redis_conn_t *conn, u_char *buf, size_t size)
{
    void                   *reply;
    const char             *why;
    redisReader            *reader;
    ngx_queue_t            *q;
    ngx_paygw_redis_cmd_t  *cmd;

    reader = conn->reader;

    if (redisReaderFeed(reader, (char *) buf, size) != REDIS_OK) {
        return "sent invalid reply";
    }

    conn->unparsed += size;

    for ( ;; ) {

        if (conn->unparsed == size && reader->pos < reader->len
            && reader->buf[reader->pos] == '*')
        {
            /* answers none of our commands, and may announce any size */

            return "sent unexpected reply";
        }

        reply = NULL;

        if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
            return "sent invalid reply";
        }

        if (reply == NULL) {
            break;
        }

        conn->unparsed = reader->len - reader->pos;
        size = conn->unparsed;

        if (ngx_queue_empty(&conn->commands)) {
            freeReplyObject(reply);
            return "sent unsolicited reply";
        }

        q = ngx_queue_head(&conn->commands);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);
        why = ngx_paygw_redis_reply(conn, cmd, reply);

        freeReplyObject(reply);

        if (why) {
            return why;
        }
    }

    return (conn->unparsed > NGX_PAYGW_REDIS_REPLY_MAX) ? "sent too big reply"
                                                        : NULL;
}


/*
 * The timer runs for a command that may have been answered since.  A command
 * that is late costs the connection: its reply would be taken for another's.
 */

static ngx_uint_t
ngx_paygw_redis_expired(ngx_paygw_redis_conn_t *conn)
{
    ngx_queue_t            *q;
    ngx_msec_int_t          left;
    ngx_paygw_redis_cmd_t  *cmd;

    if (ngx_queue_empty(&conn->commands)) {
        return 0;
    }

    q = ngx_queue_head(&conn->commands);
    cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);

    left = (ngx_msec_int_t) (cmd->deadline - ngx_current_msec);

    if (left > 0) {
        ngx_add_timer(conn->peer.connection->read, (ngx_msec_t) left);
        return 0;
    }

    conn->answered = 0;
    ngx_paygw_redis_drop(conn, NGX_ETIMEDOUT, "timed out");

    return 1;
}


static void
ngx_paygw_redis_closed(ngx_paygw_redis_conn_t *conn)
{
    if (conn->answered && ngx_queue_empty(&conn->commands)) {

        /* restarted, or tired of waiting: the next command opens another */

        ngx_log_error(NGX_LOG_INFO, &conn->log, 0,
                      "redis closed idle connection");
        ngx_paygw_redis_drop(conn, 0, NULL);
        return;
    }

    ngx_paygw_redis_drop(conn, 0, "closed connection");
}


void
ngx_paygw_redis_drop(ngx_paygw_redis_conn_t *conn, ngx_err_t err,
    const char *why)
{
    ngx_uint_t              level;
    ngx_queue_t             lost, *q;
    ngx_paygw_redis_cmd_t  *cmd;

    if (why) {
        level = conn->failed ? NGX_LOG_INFO : NGX_LOG_ERR;
        ngx_log_error(level, &conn->log, err, "redis %s", why);

        conn->failed = 1;

        if (!conn->answered) {
            ngx_paygw_redis_back_off(conn);
        }
    }

    ngx_queue_init(&lost);

    if (!ngx_queue_empty(&conn->commands)) {
        ngx_queue_add(&lost, &conn->commands);
        ngx_queue_init(&conn->commands);
    }

    ngx_paygw_redis_close(conn);

    while (!ngx_queue_empty(&lost)) {
        q = ngx_queue_head(&lost);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);
        ngx_paygw_redis_lost(cmd);
    }
}


void
ngx_paygw_redis_exit(ngx_paygw_redis_conn_t *conn)
{
    ngx_queue_t            *q;
    ngx_paygw_redis_cmd_t  *cmd;

    while (!ngx_queue_empty(&conn->commands)) {
        q = ngx_queue_head(&conn->commands);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);

        if (cmd->op) {
            cmd->op->pending = NULL;
            cmd->op = NULL;
        }

        ngx_paygw_redis_lost(cmd);
    }

    ngx_paygw_redis_close(conn);
}


/* a server that does not answer is left alone for a growing time */

static void
ngx_paygw_redis_back_off(ngx_paygw_redis_conn_t *conn)
{
    conn->backoff = conn->backoff ? ngx_min(2 * conn->backoff,
                                            NGX_PAYGW_REDIS_BACKOFF_MAX)
                                  : NGX_PAYGW_REDIS_BACKOFF_MIN;

    conn->retry = ngx_current_msec + conn->backoff;
    conn->addr++;
}


static void
ngx_paygw_redis_close(ngx_paygw_redis_conn_t *conn)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    c = conn->peer.connection;
    conn->peer.connection = NULL;
    conn->state = NGX_PAYGW_REDIS_CLOSED;

    if (c) {
        pool = c->pool;

        if (c->ssl) {
            ngx_paygw_redis_ssl_close(c);
        }

        ngx_close_connection(c);

        if (pool) {
            ngx_destroy_pool(pool);
        }
    }

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
}


static u_char *
ngx_paygw_redis_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                  *p;
    ngx_paygw_redis_conn_t  *conn;

    conn = log->data;

    p = ngx_snprintf(buf, len, " while %s, server: \"%V\"", log->action,
                     &conn->redis->name);

    return p;
}
