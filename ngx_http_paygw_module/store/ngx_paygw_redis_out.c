
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


#define NGX_PAYGW_REDIS_HEAD         64     /* bytes before the arguments */
#define NGX_PAYGW_REDIS_BUFFER       4096   /* first size of the output */


static ngx_int_t ngx_paygw_redis_reserve(ngx_paygw_redis_conn_t *conn,
    size_t size);


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
    cmd->since = ngx_current_msec;

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

    cmd->held = 1;
    cmd->sent = 1;
    ngx_queue_insert_tail(&conn->commands, &cmd->queue);

    ngx_paygw_redis_arm(conn, cmd->deadline);

    if (conn->state == NGX_PAYGW_REDIS_OPEN) {
        ngx_post_event(conn->peer.connection->write, &ngx_posted_events);
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
