
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_paygw_redis.h"


/*
 * Replicas are waited for by WAIT, which counts those that have all that its
 * own connection has written, and for which everything else on the connection
 * waits, too.  So there is one under way at a time: it covers all the appends
 * before it, and when it was answered the next one covers those that have come
 * meanwhile.  No command waits longer than for two of them.
 *
 * An append that finds its event committed writes the record once more, since
 * a connection that has written nothing has nothing to wait for.
 */


static void ngx_paygw_redis_covered(ngx_paygw_redis_conn_t *conn,
    long long replicas);


ngx_int_t
ngx_paygw_redis_append(ngx_paygw_store_t *store, ngx_paygw_store_op_t *op)
{
    ngx_paygw_redis_cmd_t  *cmd;

    cmd = ngx_paygw_redis_cmd(store->data, NGX_PAYGW_REDIS_APPEND, op);
    if (cmd == NULL) {
        return NGX_ERROR;
    }

    cmd->token = op->token;
    cmd->life = op->keep;
    cmd->replicas = op->entry->stream->replicas;
    cmd->wait = op->entry->stream->wait;

    return ngx_paygw_redis_ask(cmd, op);
}


ngx_uint_t
ngx_paygw_redis_entry(ngx_paygw_store_entry_t *entry, u_char *maxlen,
    ngx_str_t *argv)
{
    ngx_str_t   *arg;
    ngx_uint_t   i;

    arg = argv;

    arg->data = (u_char *) (entry->stream->replicas ? "1" : "0");
    arg->len = 1;
    arg++;

    arg->data = maxlen;
    arg->len = ngx_sprintf(maxlen, "%ui", entry->stream->maxlen) - maxlen;
    arg++;

    for (i = 0; i < entry->nfields; i++) {
        *arg++ = entry->fields[i].key;
        *arg++ = entry->fields[i].value;
    }

    return arg - argv;
}


void
ngx_paygw_redis_wanted(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd)
{
    conn->replicas = ngx_max(conn->replicas, cmd->replicas);
    conn->wait = ngx_max(conn->wait, cmd->wait);
}


ngx_int_t
ngx_paygw_redis_wait(ngx_paygw_redis_conn_t *conn)
{
    u_char     replicas[NGX_INT_T_LEN], wait[NGX_INT64_LEN];
    ngx_str_t  argv[3];

    if (conn->replicas == 0 || conn->covering) {
        return NGX_OK;
    }

    ngx_str_set(&argv[0], "WAIT");

    argv[1].data = replicas;
    argv[1].len = ngx_sprintf(replicas, "%ui", conn->replicas) - replicas;

    argv[2].data = wait;
    argv[2].len = ngx_sprintf(wait, "%M", conn->wait) - wait;

    if (ngx_paygw_redis_own(conn, NGX_PAYGW_REDIS_WAIT, 3, argv) != NGX_OK) {
        return NGX_ERROR;
    }

    conn->covering = 1;
    conn->replicas = 0;
    conn->wait = 0;

    return NGX_OK;
}


const char *
ngx_paygw_redis_waited(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply)
{
    ngx_paygw_redis_free(cmd);

    conn->covering = 0;

    if (reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0) {
        ngx_paygw_redis_covered(conn, reply->integer);

    } else if (reply->type == REDIS_REPLY_ERROR) {
        ngx_paygw_redis_error_reply(conn, reply, 0);
        ngx_paygw_redis_covered(conn, 0);

    } else {
        return "sent unexpected reply";
    }

    if (ngx_paygw_redis_wait(conn) != NGX_OK) {
        return "connection got no memory";
    }

    return NULL;
}


/* ends the appends before the WAIT that was answered */

static void
ngx_paygw_redis_covered(ngx_paygw_redis_conn_t *conn, long long replicas)
{
    ngx_int_t               rc;
    ngx_uint_t              level;
    ngx_queue_t            *q;
    ngx_paygw_redis_cmd_t  *cmd;

    while (!ngx_queue_empty(&conn->appended)) {
        q = ngx_queue_head(&conn->appended);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_paygw_redis_cmd_t, queue);
        cmd->held = 0;
        rc = cmd->rc;

        if (replicas < (long long) cmd->replicas) {
            rc = NGX_ABORT;

            level = ngx_paygw_redis_level(conn);

            ngx_log_error(level, &conn->log, 0,
                          "event \"%V\" was appended, but only %L of "
                          "%ui replicas have it, see \"wait\" of "
                          "\"paygw_queue\"",
                          &cmd->id, (int64_t) replicas, cmd->replicas);
        }

        ngx_paygw_redis_finish(cmd, rc);
    }
}
