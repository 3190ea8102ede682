
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"
#include "ngx_paygw_redis_cluster.h"


#define NGX_PAYGW_REDIS_READ         16384  /* bytes of one recv() */
#define NGX_PAYGW_REDIS_BUFFER_KEEP  65536  /* of the output, when idle */
#define NGX_PAYGW_REDIS_REPLY_MAX    1048576


static const char *ngx_paygw_redis_parse(ngx_paygw_redis_conn_t *conn,
    u_char *buf, size_t size);
static ngx_int_t ngx_paygw_redis_parse_map(ngx_paygw_redis_conn_t *conn);
static void ngx_paygw_redis_spoiled(ngx_paygw_redis_conn_t *conn,
    const char *why);
static void ngx_paygw_redis_overdue(ngx_paygw_redis_conn_t *conn,
    ngx_queue_t *queue, ngx_msec_t *at);
static void ngx_paygw_redis_closed(ngx_paygw_redis_conn_t *conn);


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
            ngx_paygw_redis_spoiled(conn, why);
            return;
        }
    }

    if (!ngx_queue_empty(&conn->commands)) {
        return;
    }

    if (conn->leaving) {
        conn->answered = 0;
        ngx_paygw_redis_drop(conn, 0, "is not a usable master");
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
    ngx_int_t               rc;
    ngx_queue_t            *q;
    ngx_paygw_redis_cmd_t  *cmd;

    reader = conn->reader;

    if (redisReaderFeed(reader, (char *) buf, size) != REDIS_OK) {
        return "sent invalid reply";
    }

    conn->unparsed += size;

    for ( ;; ) {

        rc = ngx_paygw_redis_parse_map(conn);

        if (rc == NGX_OK) {
            size = conn->unparsed;
            continue;
        }

        if (rc == NGX_AGAIN) {
            break;
        }

        if (rc == NGX_ERROR) {
            return "sent unexpected reply";
        }

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
        cmd->held = 0;

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
 * The map of slots is the one reply that is an array, and hiredis would make
 * room for as many elements as an array says it has.  NGX_DECLINED: it is not
 * its turn, or is an error reply.
 */

static ngx_int_t
ngx_paygw_redis_parse_map(ngx_paygw_redis_conn_t *conn)
{
    size_t                  used;
    ngx_int_t               rc;
    ngx_queue_t            *q;
    redisReader            *reader;
    ngx_paygw_redis_cmd_t  *cmd;

    if (ngx_queue_empty(&conn->commands)) {
        return NGX_DECLINED;
    }

    q = ngx_queue_head(&conn->commands);
    cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);

    if (cmd->type != NGX_PAYGW_REDIS_SLOTS) {
        return NGX_DECLINED;
    }

    reader = conn->reader;

    rc = ngx_paygw_redis_map(conn, (u_char *) reader->buf + reader->pos,
                             reader->len - reader->pos, &used);

    if (rc == NGX_OK) {
        reader->pos += used;
        conn->unparsed = reader->len - reader->pos;

        ngx_paygw_redis_works(conn);

        ngx_queue_remove(q);
        cmd->held = 0;
        ngx_paygw_redis_finish(cmd, NGX_OK);
    }

    return rc;
}


/* what came is of no use; if nothing but questions were sent others have it */

static void
ngx_paygw_redis_spoiled(ngx_paygw_redis_conn_t *conn, const char *why)
{
    if (conn->state == NGX_PAYGW_REDIS_CHECKING) {
        ngx_paygw_redis_next(conn, 0, why);
        return;
    }

    ngx_paygw_redis_drop(conn, 0, why);
}


ngx_uint_t
ngx_paygw_redis_expired(ngx_paygw_redis_conn_t *conn)
{
    ngx_msec_t              at, end;
    ngx_queue_t            *q;
    ngx_paygw_redis_cmd_t  *cmd;

    at = conn->limit;

    if (conn->state == NGX_PAYGW_REDIS_OPEN) {

        if (ngx_queue_empty(&conn->commands)) {
            return 0;
        }

        at = ngx_current_msec + conn->redis->timeout;
    }

    for (q = ngx_queue_head(&conn->commands);
         q != ngx_queue_sentinel(&conn->commands);
         q = ngx_queue_next(q))
    {
        cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);

        end = cmd->since + conn->redis->timeout;

        if ((ngx_msec_int_t) (end - at) < 0) {
            at = end;
        }
    }

    if ((ngx_msec_int_t) (at - ngx_current_msec) <= 0) {
        conn->answered = 0;
        ngx_paygw_redis_drop(conn, NGX_ETIMEDOUT, "timed out");

        return 1;
    }

    ngx_paygw_redis_overdue(conn, &conn->waiting, &at);
    ngx_paygw_redis_overdue(conn, &conn->commands, &at);

    ngx_paygw_redis_arm(conn, at);

    return 0;
}


void
ngx_paygw_redis_arm(ngx_paygw_redis_conn_t *conn, ngx_msec_t at)
{
    ngx_event_t     *rev;
    ngx_msec_int_t   left;

    rev = conn->peer.connection->read;
    left = (ngx_msec_int_t) (at - ngx_current_msec);

    if (rev->timer_set) {

        if ((ngx_msec_int_t) (at - rev->timer.key) >= 0) {
            return;
        }

        /* nginx would not make it a little shorter */

        ngx_del_timer(rev);
    }

    ngx_add_timer(rev, (ngx_msec_t) ngx_max(left, 1));
}


/* commands whose own time is over, and that of the next one */

static void
ngx_paygw_redis_overdue(ngx_paygw_redis_conn_t *conn, ngx_queue_t *queue,
    ngx_msec_t *at)
{
    ngx_queue_t            *q, *next;
    ngx_paygw_redis_cmd_t  *cmd;

    for (q = ngx_queue_head(queue); q != ngx_queue_sentinel(queue); q = next) {

        next = ngx_queue_next(q);
        cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);

        if ((ngx_msec_int_t) (cmd->deadline - ngx_current_msec) > 0) {

            if ((ngx_msec_int_t) (cmd->deadline - *at) < 0) {
                *at = cmd->deadline;
            }

            continue;
        }

        if (queue == &conn->commands) {
            ngx_paygw_redis_give_up(cmd);
            continue;
        }

        ngx_queue_remove(q);
        cmd->held = 0;

        ngx_paygw_redis_finish(cmd, NGX_ERROR);
    }
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

    ngx_paygw_redis_spoiled(conn, "closed connection");
}
