
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


#define NGX_PAYGW_REDIS_READ         16384  /* bytes of one recv() */
#define NGX_PAYGW_REDIS_BUFFER       4096   /* first size of the output */
#define NGX_PAYGW_REDIS_BUFFER_KEEP  65536  /* and the last that is kept */
#define NGX_PAYGW_REDIS_REPLY_MAX    1048576


static ngx_int_t ngx_paygw_redis_reserve(ngx_paygw_redis_conn_t *conn,
    size_t size);
static const char *ngx_paygw_redis_parse(ngx_paygw_redis_conn_t *conn,
    u_char *buf, size_t size);
static void ngx_paygw_redis_closed(ngx_paygw_redis_conn_t *conn);


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


void
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

    if (ngx_paygw_redis_wait(conn) != NGX_OK) {
        ngx_paygw_redis_drop(conn, 0, "connection got no memory");
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


void
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
            && ngx_strchr("+-:$", reader->buf[reader->pos]) == NULL)
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


ngx_uint_t
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
