
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


#define NGX_PAYGW_REDIS_HEAD         64     /* bytes before the arguments */
#define NGX_PAYGW_REDIS_READ         16384  /* bytes of one recv() */
#define NGX_PAYGW_REDIS_BUFFER       4096   /* first size of the output */
#define NGX_PAYGW_REDIS_BUFFER_KEEP  65536  /* and the last that is kept */
#define NGX_PAYGW_REDIS_REPLY_MAX    1048576


static void ngx_paygw_redis_arm(ngx_paygw_redis_conn_t *conn, ngx_msec_t at);
static ngx_int_t ngx_paygw_redis_reserve(ngx_paygw_redis_conn_t *conn,
    size_t size);
static const char *ngx_paygw_redis_parse(ngx_paygw_redis_conn_t *conn,
    u_char *buf, size_t size);
static ngx_int_t ngx_paygw_redis_parse_map(ngx_paygw_redis_conn_t *conn);
static void ngx_paygw_redis_spoiled(ngx_paygw_redis_conn_t *conn,
    const char *why);
static void ngx_paygw_redis_overdue(ngx_paygw_redis_conn_t *conn,
    ngx_queue_t *queue, ngx_msec_t *at);
static void ngx_paygw_redis_closed(ngx_paygw_redis_conn_t *conn);


ngx_int_t
ngx_paygw_redis_format(ngx_paygw_redis_cmd_t *cmd, ngx_uint_t argc,
    ngx_str_t *argv)
{
    size_t      len;
    u_char     *p;
    ngx_uint_t  i;

    len = 0;

    for (i = 0; i < argc; i++) {
        len += sizeof("$" CRLF CRLF) - 1 + NGX_SIZE_T_LEN + argv[i].len;
    }

    p = ngx_alloc(len, ngx_cycle->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (cmd->text.data) {
        ngx_free(cmd->text.data);
    }

    cmd->argc = argc;
    cmd->text.data = p;

    for (i = 0; i < argc; i++) {
        p = ngx_sprintf(p, "$%uz" CRLF, argv[i].len);
        p = ngx_cpymem(p, argv[i].data, argv[i].len);
        *p++ = CR; *p++ = LF;
    }

    cmd->text.len = p - cmd->text.data;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_redis_enqueue(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd)
{
    if (conn->state == NGX_PAYGW_REDIS_OPEN) {
        return ngx_paygw_redis_put(conn, cmd);
    }

    cmd->held = 1;
    ngx_queue_insert_tail(&conn->waiting, &cmd->queue);

    ngx_paygw_redis_arm(conn, cmd->deadline);

    return NGX_OK;
}


void
ngx_paygw_redis_usable(ngx_paygw_redis_conn_t *conn)
{
    ngx_queue_t            *q;
    ngx_paygw_redis_cmd_t  *cmd;

    conn->state = NGX_PAYGW_REDIS_OPEN;

    while (!ngx_queue_empty(&conn->waiting)) {
        q = ngx_queue_head(&conn->waiting);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);
        cmd->held = 0;

        if (ngx_paygw_redis_put(conn, cmd) != NGX_OK) {
            ngx_paygw_redis_finish(cmd, NGX_ERROR);
        }
    }

    ngx_paygw_redis_info(conn);
}


/*
 * The first script of a kind on a connection goes in full: a server that has
 * just been restarted knows none, and a commit that is sent again for that
 * could be overtaken by a claim.
 */

ngx_int_t
ngx_paygw_redis_put(ngx_paygw_redis_conn_t *conn, ngx_paygw_redis_cmd_t *cmd)
{
    u_char             *p;
    ngx_str_t           asking;
    ngx_uint_t          bit;
    const ngx_str_t    *name, *script;
    ngx_paygw_redis_t  *redis;

    static const ngx_str_t  eval = ngx_string("EVAL");
    static const ngx_str_t  evalsha = ngx_string("EVALSHA");

    redis = conn->redis;
    script = NULL;
    name = NULL;
    bit = 0;

    if (ngx_paygw_redis_is_script(cmd)) {
        bit = (ngx_uint_t) 1 << cmd->type;

        if ((conn->scripts & bit) == 0) {
            cmd->eval = 1;
        }

        name = cmd->eval ? &eval : &evalsha;
        script = cmd->eval ? &ngx_paygw_redis_scripts[cmd->type]
                           : &redis->sha1[cmd->type];
    }

    /* for an ASKING, too: it must not be left without its command */

    if (ngx_paygw_redis_reserve(conn, 2 * NGX_PAYGW_REDIS_HEAD
                                      + sizeof("ASKING") + cmd->text.len
                                      + (script ? script->len : 0))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (cmd->asking) {
        ngx_str_set(&asking, "ASKING");

        if (ngx_paygw_redis_own(conn, NGX_PAYGW_REDIS_ASKING, 1, &asking)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    p = ngx_sprintf(conn->last, "*%ui" CRLF, cmd->argc + (script ? 2 : 0));

    if (script) {
        p = ngx_sprintf(p, "$%uz" CRLF "%V" CRLF "$%uz" CRLF "%V" CRLF,
                        name->len, name, script->len, script);
    }

    conn->last = ngx_cpymem(p, cmd->text.data, cmd->text.len);
    conn->scripts |= bit;

    if (cmd->replicas) {
        ngx_paygw_redis_wanted(conn, cmd);
    }

    cmd->since = ngx_current_msec;
    cmd->held = 1;
    ngx_queue_insert_tail(&conn->commands, &cmd->queue);

    ngx_paygw_redis_arm(conn, cmd->deadline);

    if (conn->state == NGX_PAYGW_REDIS_OPEN) {
        ngx_post_event(conn->peer.connection->write, &ngx_posted_events);
    }

    return NGX_OK;
}


/* the timer of the connection does not run longer than this */

static void
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
    ngx_msec_t              at;
    ngx_queue_t            *q;
    ngx_paygw_redis_cmd_t  *cmd;

    at = conn->limit;

    if (conn->state == NGX_PAYGW_REDIS_OPEN) {

        if (ngx_queue_empty(&conn->commands)) {
            return 0;
        }

        q = ngx_queue_head(&conn->commands);
        cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);

        at = cmd->since + conn->redis->timeout;
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
