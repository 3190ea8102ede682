
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_REDIS_H_INCLUDED_
#define _NGX_PAYGW_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>
#include <hiredis/hiredis.h>
#include "ngx_paygw_store.h"
#include "ngx_paygw_backend.h"
#include "ngx_paygw_tls.h"


/*
 * The store in Redis 5 or newer; private to the store floor.
 *
 *   ngx_paygw_redis_conf.c    the arguments of "paygw_store"
 *   ngx_paygw_redis.c         the calls of the store, the life of a command
 *   ngx_paygw_redis_lua.c     the scripts
 *   ngx_paygw_redis_cmd.c     what a command says and a reply means
 *   ngx_paygw_redis_stream.c  an append to a stream, waiting for replicas
 *   ngx_paygw_redis_once.c    a key that may come once
 *   ngx_paygw_redis_limit.c   limits
 *   ngx_paygw_redis_idem.c    calls that are to be run once
 *   ngx_paygw_redis_info.c    whether Redis keeps what it has
 *   ngx_paygw_redis_conn.c    a connection: opened, given up, kept away from
 *   ngx_paygw_redis_io.c      what is sent and received on it
 *   ngx_paygw_redis_ssl.c     its TLS
 *
 * The keys, behind the prefix:
 *
 *   event:{CHANNEL}:ID:KIND   the record of an event
 *   order:{CHANNEL}:ORDER     the mark of an order that is paid
 *   nonce:{KEY-ID}:NONCE      a key that may come once
 *   limit:{VALUE}:KIND        a bucket
 *   call:{MERCHANT}:DIGEST    a call that is to be run once
 *
 * In a cluster the braces tell which part of a key chooses its slot: whatever
 * one script touches belongs to one channel, and so do the keys.  The order
 * cannot be that part: one event must have one key, whatever is read in it.
 *
 * A worker has a few connections, each with a FIFO of commands: replies come
 * in the order of the commands, so a command stays in the FIFO until its reply
 * was read or the connection is given up, whoever may have lost interest.
 */


typedef struct ngx_paygw_redis_s       ngx_paygw_redis_t;
typedef struct ngx_paygw_redis_conn_s  ngx_paygw_redis_conn_t;


typedef enum {
    NGX_PAYGW_REDIS_CLAIM = 0,
    NGX_PAYGW_REDIS_COMMIT,
    NGX_PAYGW_REDIS_RELEASE,
    NGX_PAYGW_REDIS_APPEND,
    NGX_PAYGW_REDIS_LIMIT,
    NGX_PAYGW_REDIS_BEGIN,
    NGX_PAYGW_REDIS_FINISH,
    NGX_PAYGW_REDIS_RENEW,
    NGX_PAYGW_REDIS_ABANDON,
    NGX_PAYGW_REDIS_AUTH,
    NGX_PAYGW_REDIS_SELECT,
    NGX_PAYGW_REDIS_WAIT,
    NGX_PAYGW_REDIS_INFO,
    NGX_PAYGW_REDIS_ONCE
} ngx_paygw_redis_type_e;

#define NGX_PAYGW_REDIS_SCRIPTS  NGX_PAYGW_REDIS_AUTH

/* answers as a claim does, to somebody who waits */
#define ngx_paygw_redis_asks(cmd)                                             \
    ((cmd)->type == NGX_PAYGW_REDIS_CLAIM                                     \
     || (cmd)->type == NGX_PAYGW_REDIS_APPEND)

/* of a call that is to be run once */
#define ngx_paygw_redis_runs(cmd)                                             \
    ((cmd)->type >= NGX_PAYGW_REDIS_BEGIN                                     \
     && (cmd)->type <= NGX_PAYGW_REDIS_ABANDON)

/* of a command: EVAL, script, number of keys, three keys, five arguments, and
   an entry */
#define NGX_PAYGW_REDIS_ARGS     (11 + 2 * NGX_PAYGW_STORE_FIELDS_MAX)


/*
 * One command under way, on the heap: it outlives a request that has gone.
 *
 *   claim            command -> FIFO -> reply -> posted event -> handler, free
 *   claim, cancelled op is NULL; -> reply -> released if it was taken, free
 *   append           as a claim, but nothing is ever released; with replicas
 *                    FIFO -> reply -> conn->appended -> reply of a WAIT -> ...
 *   once, limit      as an append without replicas
 *   begin            as a claim, abandoned in place of released
 *   finish           as a once; cancelled it is done all the same
 *   all others       command -> FIFO -> reply, free
 */
typedef struct {
    ngx_paygw_store_pending_t    pending;   /* first: op->pending */

    ngx_queue_t                  queue;     /* in conn->commands, appended */
    ngx_event_t                  event;     /* calls the handler of op */

    ngx_paygw_redis_t           *redis;
    ngx_paygw_store_op_t        *op;        /* of a claim or an append, until
                                               it is cancelled */

    ngx_uint_t                   type;
    ngx_int_t                    rc;
    ngx_msec_t                   deadline;

    uint64_t                     token;
    ngx_msec_t                   lease;
    ngx_msec_t                   life;
    ngx_uint_t                   delivery;
    ngx_uint_t                   replicas;  /* that an append waits for */

    ngx_paygw_store_says_e       says;      /* of the order */

    u_char                       print[NGX_PAYGW_STORE_PRINT];
                                            /* fingerprint of a call */
    unsigned                     eval:1;    /* the script was sent in full */

    ngx_str_t                    id;        /* of the event */
    ngx_str_t                    order;     /* key of the order's mark, or
                                               empty: it is of no interest */
    size_t                       len;
    u_char                       key[1];    /* of the event */
} ngx_paygw_redis_cmd_t;


typedef enum {
    NGX_PAYGW_REDIS_CLOSED = 0,
    NGX_PAYGW_REDIS_CONNECTING,
    NGX_PAYGW_REDIS_OPEN
} ngx_paygw_redis_state_e;


/* all of it is a worker's own; zeroed memory is a closed connection */
struct ngx_paygw_redis_conn_s {
    ngx_paygw_redis_t           *redis;
    ngx_uint_t                   state;
    ngx_peer_connection_t        peer;
    ngx_log_t                    log;
    redisReader                 *reader;
    size_t                       unparsed;  /* bytes of a reply's beginning */
    ngx_uint_t                   scripts;   /* bits: sent in full before */

    ngx_queue_t                  commands;

    ngx_queue_t                  appended;  /* replied, replicas are missing */
    ngx_uint_t                   replicas;  /* that the next WAIT is for, */
    ngx_msec_t                   wait;      /* and its time; 0: no need */

    u_char                      *start;     /* of the output buffer */
    u_char                      *pos;       /* not sent yet: pos .. last */
    u_char                      *last;
    u_char                      *end;

    ngx_uint_t                   addr;      /* index of the address in use */
    ngx_uint_t                   tries;     /* addresses that failed before */
    ngx_msec_t                   backoff;   /* 0: none */
    ngx_msec_t                   retry;     /* no new try before this */
    ngx_msec_t                   quiet;     /* when an error reply was logged */

    unsigned                     covering:1;   /* a WAIT is under way */
    unsigned                     answered:1;   /* by this very connection */
    unsigned                     failed:1;     /* and not working since */
};


struct ngx_paygw_redis_s {
    ngx_str_t                    name;      /* host:port or unix:path */
    ngx_addr_t                  *addrs;
    ngx_uint_t                   naddrs;

    ngx_str_t                    user;
    ngx_str_t                    password;
    ngx_str_t                    prefix;
    ngx_uint_t                   db;
    ngx_msec_t                   timeout;

    ngx_paygw_tls_t              tls;       /* tls.ssl is NULL without TLS */

    ngx_paygw_redis_conn_t      *conns;
    ngx_uint_t                   nconns;
    ngx_uint_t                   next;      /* round robin */
    ngx_uint_t                   streams;   /* in use, INFO was not sent yet */

    ngx_str_t                    sha1[NGX_PAYGW_REDIS_SCRIPTS];
};


/* ngx_paygw_redis.c */

ngx_paygw_store_t *ngx_paygw_redis_create(ngx_conf_t *cf,
    ngx_paygw_redis_t *redis);

/* a new command; op, which is only read, is NULL if it is no script */
ngx_paygw_redis_cmd_t *ngx_paygw_redis_cmd(ngx_paygw_redis_t *redis,
    ngx_uint_t type, ngx_paygw_store_op_t *op);

/* sends a command whose answer is for op's handler; takes the command over */
ngx_int_t ngx_paygw_redis_ask(ngx_paygw_redis_cmd_t *cmd,
    ngx_paygw_store_op_t *op);

/*
 * The command, which is in no FIFO any more, has come to its end; NGX_ERROR if
 * there was no answer.  Frees it, now or after its handler was called.
 */
void ngx_paygw_redis_finish(ngx_paygw_redis_cmd_t *cmd, ngx_int_t rc);


/* ngx_paygw_redis_lua.c */

/* by the type of the command */
extern const ngx_str_t  ngx_paygw_redis_scripts[];

/* the names by which Redis knows the scripts */
ngx_int_t ngx_paygw_redis_scripts_init(ngx_conf_t *cf,
    ngx_paygw_redis_t *redis);


/* ngx_paygw_redis_cmd.c */

/*
 * Sends a script.  NGX_ERROR, with the command still the caller's, if Redis is
 * known to be away.
 */
ngx_int_t ngx_paygw_redis_send(ngx_paygw_redis_t *redis,
    ngx_paygw_redis_cmd_t *cmd);

/*
 * Sends the script of the command's type, in full or by its name, on this
 * connection; argv begins with the number of keys.  NGX_ERROR as above.
 */
ngx_int_t ngx_paygw_redis_eval(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, ngx_uint_t argc, ngx_str_t *argv);

/* puts AUTH and SELECT, as far as needed, first into a new connection */
ngx_int_t ngx_paygw_redis_handshake(ngx_paygw_redis_conn_t *conn);

/*
 * The reply to a command that was taken out of the FIFO; finishes the command,
 * or sends it again.  Returns NULL, or why the connection is of no use any
 * more.
 */
const char *ngx_paygw_redis_reply(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply);

/* an error reply for the log, in brief only its first word */
void ngx_paygw_redis_error_reply(ngx_paygw_redis_conn_t *conn,
    redisReply *reply, ngx_uint_t brief);

/* the level of a line that would otherwise repeat itself for each callback */
ngx_uint_t ngx_paygw_redis_level(ngx_paygw_redis_conn_t *conn);


/* ngx_paygw_redis_stream.c */

ngx_int_t ngx_paygw_redis_append(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/*
 * The last arguments of an append, how many are returned; maxlen has room for
 * NGX_INT_T_LEN bytes and lives as long as argv.
 */
ngx_uint_t ngx_paygw_redis_entry(ngx_paygw_store_entry_t *entry,
    u_char *maxlen, ngx_str_t *argv);

/* an append that waits for replicas has been put into the FIFO */
void ngx_paygw_redis_wanted(ngx_paygw_redis_conn_t *conn,
    const ngx_paygw_store_stream_t *stream);

/*
 * Puts a WAIT behind the appends of the FIFO, if they need one and none is
 * under way.  Called before every write, so that no append goes alone.
 */
ngx_int_t ngx_paygw_redis_wait(ngx_paygw_redis_conn_t *conn);

/* the reply to a WAIT; as ngx_paygw_redis_reply() */
const char *ngx_paygw_redis_waited(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply);


/* ngx_paygw_redis_once.c */

ngx_int_t ngx_paygw_redis_once(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/* what a reply means; NGX_ERROR if it is none that was expected */
ngx_int_t ngx_paygw_redis_once_result(redisReply *reply);


/* ngx_paygw_redis_limit.c */

ngx_int_t ngx_paygw_redis_limit(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/*
 * The script of a command that was not cancelled; sent again, too.  NGX_ERROR
 * with the command still the caller's.
 */
ngx_int_t ngx_paygw_redis_limit_send(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd);

/* what a reply means, noted in the limits; NGX_ERROR if it was unexpected */
ngx_int_t ngx_paygw_redis_limit_result(ngx_paygw_redis_cmd_t *cmd,
    redisReply *reply);


/* ngx_paygw_redis_idem.c */

ngx_int_t ngx_paygw_redis_begin(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
ngx_int_t ngx_paygw_redis_run_finish(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
void ngx_paygw_redis_renew(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);
void ngx_paygw_redis_abandon(ngx_paygw_store_t *store,
    ngx_paygw_store_op_t *op);

/* the script of a call; as ngx_paygw_redis_limit_send() */
ngx_int_t ngx_paygw_redis_run_send(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd);

/* what a reply means; NGX_ERROR if it is none that was expected */
ngx_int_t ngx_paygw_redis_run_result(ngx_paygw_redis_cmd_t *cmd,
    redisReply *reply);

/* logs the end of a command that nobody waits for */
void ngx_paygw_redis_run_ended(ngx_paygw_redis_cmd_t *cmd, ngx_int_t rc);


/* ngx_paygw_redis_info.c */

/* asks on a new connection, if that is of use and was not done */
void ngx_paygw_redis_info(ngx_paygw_redis_conn_t *conn);

/* the reply; as ngx_paygw_redis_reply() */
const char *ngx_paygw_redis_informed(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply);


/* ngx_paygw_redis_conn.c */

/*
 * A connection to send by, opened if there is none; NULL if Redis is known to
 * be away.
 */
ngx_paygw_redis_conn_t *ngx_paygw_redis_get(ngx_paygw_redis_t *redis);

/* the socket is connected, or it is not; NGX_ERROR if that was the end */
ngx_int_t ngx_paygw_redis_test_connect(ngx_paygw_redis_conn_t *conn);

/* TLS or not, the connection can be used from now on */
void ngx_paygw_redis_connected(ngx_paygw_redis_conn_t *conn);

/*
 * Closes the connection; all its commands are lost.  why is NULL when nothing
 * went wrong.
 */
void ngx_paygw_redis_drop(ngx_paygw_redis_conn_t *conn, ngx_err_t err,
    const char *why);

/* at the end of a worker: no handler is called */
void ngx_paygw_redis_exit(ngx_paygw_redis_conn_t *conn);


/* ngx_paygw_redis_io.c */

/*
 * Takes a command over; it goes out at the end of this turn of the event loop,
 * together with the others.  Returns NGX_OK, or NGX_ERROR with the command
 * still the caller's.
 */
ngx_int_t ngx_paygw_redis_enqueue(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, ngx_uint_t argc, ngx_str_t *argv);

/*
 * The timer runs for a command that may have been answered since.  A command
 * that is late costs the connection, for its reply would be taken for
 * another's: returns 1 then, else 0 with the timer set for the next one.
 */
ngx_uint_t ngx_paygw_redis_expired(ngx_paygw_redis_conn_t *conn);

void ngx_paygw_redis_write_handler(ngx_event_t *wev);
void ngx_paygw_redis_read_handler(ngx_event_t *rev);


/* ngx_paygw_redis_ssl.c */

void ngx_paygw_redis_ssl_start(ngx_paygw_redis_conn_t *conn);


#endif /* _NGX_PAYGW_REDIS_H_INCLUDED_ */
