
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
 *   ngx_paygw_redis_servers.c the servers that they name
 *   ngx_paygw_redis.c         the calls of the store, the life of a command
 *   ngx_paygw_redis_route.c   which connection a command goes to, and when
 *   ngx_paygw_redis_cluster.c the slots of a cluster, and its nodes
 *   ngx_paygw_redis_node.c    a node: found by its address, made, forgotten
 *   ngx_paygw_redis_redirect.c  replies that send a command somewhere else
 *   ngx_paygw_redis_lua.c     the scripts
 *   ngx_paygw_redis_cmd.c     what a command says and a reply means
 *   ngx_paygw_redis_stream.c  an append to a stream, waiting for replicas
 *   ngx_paygw_redis_once.c    a key that may come once
 *   ngx_paygw_redis_limit.c   limits
 *   ngx_paygw_redis_idem.c    calls that are to be run once
 *   ngx_paygw_redis_book.c    the book of orders
 *   ngx_paygw_redis_info.c    whether Redis keeps what it has
 *   ngx_paygw_redis_conn.c    a connection: opened, given up, kept away from
 *   ngx_paygw_redis_out.c     what is to be sent on it
 *   ngx_paygw_redis_io.c      what is sent and received, and when that is late
 *   ngx_paygw_redis_ssl.c     its TLS
 *
 * The keys, behind the prefix:
 *
 *   event:{CHANNEL}:ID:KIND   the record of an event
 *   order:{CHANNEL}:ORDER     the record of an order, or the mark of one that
 *                             was made elsewhere and is paid
 *   refunds:{CHANNEL}:ORDER   its refunds
 *   nonce:{KEY-ID}:NONCE      a key that may come once
 *   limit:{VALUE}:KIND        a bucket
 *   call:{MERCHANT}:DIGEST    a call that is to be run once
 *
 * In a cluster the braces tell which part of a key chooses its slot: whatever
 * one script touches belongs to one channel, and so do the keys.  The order
 * cannot be that part: one event must have one key, whatever is read in it.
 *
 * A worker talks to nodes, and has a few connections to each.  Without
 * "cluster" there is one node, whose addresses are tried in turn until one is
 * that of a primary; with it there is a node for each address.
 *
 * A connection has a FIFO of commands: replies come in the order of the
 * commands, so a command stays in the FIFO until its reply was read or the
 * connection is given up, whoever may have lost interest.  What comes before
 * the connection may be used waits beside it, and is sent by another address
 * if this one turns out to be of no use.
 *
 * A command that Redis says it has not executed (MOVED, ASK, TRYAGAIN,
 * READONLY, LOADING) is sent again, as long as its time lasts.  One whose
 * answer is missing is not: whether it was executed is not known.
 */


typedef struct ngx_paygw_redis_s          ngx_paygw_redis_t;
typedef struct ngx_paygw_redis_node_s     ngx_paygw_redis_node_t;
typedef struct ngx_paygw_redis_conn_s     ngx_paygw_redis_conn_t;
typedef struct ngx_paygw_redis_cluster_s  ngx_paygw_redis_cluster_t;


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
    NGX_PAYGW_REDIS_BOOK,
    NGX_PAYGW_REDIS_AUTH,
    NGX_PAYGW_REDIS_SELECT,
    NGX_PAYGW_REDIS_WAIT,
    NGX_PAYGW_REDIS_INFO,
    NGX_PAYGW_REDIS_ASKING,
    NGX_PAYGW_REDIS_SLOTS,
    NGX_PAYGW_REDIS_ONCE                   /* the rest: no scripts, answer */
} ngx_paygw_redis_type_e;

#define NGX_PAYGW_REDIS_SCRIPTS  NGX_PAYGW_REDIS_AUTH

#define ngx_paygw_redis_is_script(cmd)                                        \
    ((cmd)->type < NGX_PAYGW_REDIS_SCRIPTS)

/* answers as a claim does */
#define ngx_paygw_redis_asks(cmd)                                             \
    ((cmd)->type == NGX_PAYGW_REDIS_CLAIM                                     \
     || (cmd)->type == NGX_PAYGW_REDIS_APPEND)

/* of a call that is to be run once */
#define ngx_paygw_redis_runs(cmd)                                             \
    ((cmd)->type >= NGX_PAYGW_REDIS_BEGIN                                     \
     && (cmd)->type <= NGX_PAYGW_REDIS_ABANDON)

/* answers to somebody, unless it was cancelled */
#define ngx_paygw_redis_answers(cmd)                                          \
    (ngx_paygw_redis_asks(cmd) || (cmd)->type == NGX_PAYGW_REDIS_LIMIT        \
     || (cmd)->type == NGX_PAYGW_REDIS_BEGIN                                  \
     || (cmd)->type == NGX_PAYGW_REDIS_FINISH                                 \
     || (cmd)->type == NGX_PAYGW_REDIS_BOOK                                   \
     || (cmd)->type >= NGX_PAYGW_REDIS_ONCE)

/* was cancelled: what was not executed need not be sent again */
#define ngx_paygw_redis_unwanted(cmd)                                         \
    (ngx_paygw_redis_answers(cmd) && (cmd)->op == NULL                        \
     && (cmd)->type != NGX_PAYGW_REDIS_FINISH                                 \
     && (cmd)->type != NGX_PAYGW_REDIS_BOOK)

/* of a script: number of keys, four keys, five arguments, and an entry */
#define NGX_PAYGW_REDIS_ARGS     (10 + 2 * NGX_PAYGW_STORE_FIELDS_MAX)


/*
 * One command under way, on the heap: it outlives a request that has gone.
 *
 *   any              a redirect, or a reply that says "not now", takes it from
 *                    a FIFO to another, or into redis->parked for a moment
 *   claim            command -> FIFO -> reply -> posted event -> handler, free
 *   claim, cancelled op is NULL; -> reply -> released if it was taken, free
 *   append           as a claim, but nothing is ever released; with replicas
 *                    FIFO -> reply -> conn->appended -> reply of a WAIT -> ...
 *   once, limit      as an append without replicas
 *   begin            as a claim, abandoned in place of released
 *   finish, book     as a once; cancelled it is done all the same, and what
 *                    nobody waits for is as if it was cancelled at once
 *   all others       command -> FIFO -> reply, free
 *
 * One whose time is over while it is in the FIFO of a connection that has had
 * it for a shorter time answers "error", and is then as if it was cancelled.
 */
typedef struct {
    ngx_paygw_store_pending_t    pending;   /* first: op->pending */

    ngx_queue_t                  queue;     /* in conn->commands, waiting,
                                               appended, or redis->parked */
    ngx_event_t                  event;     /* calls the handler of op */

    ngx_paygw_redis_t           *redis;
    ngx_paygw_store_op_t        *op;        /* of a claim or an append, until
                                               it is cancelled */

    ngx_uint_t                   type;
    ngx_int_t                    rc;
    ngx_msec_t                   deadline;  /* of the answer */
    ngx_msec_t                   since;     /* this connection has it */

    ngx_uint_t                   slot;      /* in a cluster */
    ngx_uint_t                   hops;      /* redirects that were followed */

    ngx_uint_t                   argc;      /* without the script */
    ngx_str_t                    text;      /* those, as they are sent */

    uint64_t                     token;
    ngx_msec_t                   lease;
    ngx_msec_t                   life;
    ngx_uint_t                   delivery;
    ngx_uint_t                   replicas;  /* that an append waits for, */
    ngx_msec_t                   wait;      /* and how long */

    ngx_paygw_store_says_e       says;      /* of the order */

    u_char                       print[NGX_PAYGW_STORE_PRINT];
                                            /* fingerprint of a call */
    unsigned                     undone:1;  /* an abandoned call, not run */
    unsigned                     eval:1;    /* the script goes in full */
    unsigned                     asking:1;  /* behind ASKING */
    unsigned                     held:1;    /* in one of those queues */
    unsigned                     sent:1;    /* to some server */
    unsigned                     learns:1;  /* a provider's word of an order */

    ngx_str_t                    id;        /* of the event */
    ngx_str_t                    order;     /* key of the order's mark, or
                                               empty: it is of no interest */
    size_t                       len;
    u_char                       key[1];    /* of the event */
} ngx_paygw_redis_cmd_t;


typedef enum {
    NGX_PAYGW_REDIS_CLOSED = 0,
    NGX_PAYGW_REDIS_CONNECTING,
    NGX_PAYGW_REDIS_CHECKING,              /* whether it is a primary */
    NGX_PAYGW_REDIS_OPEN
} ngx_paygw_redis_state_e;


/* one address of a server */
typedef struct {
    ngx_addr_t                   addr;
    ngx_str_t                    name;      /* as it was written */
    ngx_str_t                    host;      /* of it */
    ngx_paygw_tls_t              tls;       /* tls.ssl is NULL without TLS */
} ngx_paygw_redis_addr_t;


/* all of it is a worker's own; zeroed memory is a closed connection */
struct ngx_paygw_redis_conn_s {
    ngx_paygw_redis_t           *redis;
    ngx_paygw_redis_node_t      *node;
    ngx_uint_t                   state;
    ngx_peer_connection_t        peer;
    ngx_log_t                    log;
    redisReader                 *reader;
    size_t                       unparsed;  /* bytes of a reply's beginning */
    ngx_uint_t                   scripts;   /* bits: sent in full before */

    ngx_queue_t                  commands;
    ngx_queue_t                  waiting;   /* until the state is "open" */

    ngx_queue_t                  appended;  /* replied, replicas are missing */
    ngx_uint_t                   replicas;  /* that the next WAIT is for, */
    ngx_msec_t                   wait;      /* and its time; 0: no need */

    u_char                      *start;     /* of the output buffer */
    u_char                      *pos;       /* not sent yet: pos .. last */
    u_char                      *last;
    u_char                      *end;

    ngx_uint_t                   addr;      /* index of the address in use */
    ngx_uint_t                   tries;     /* addresses that failed in a row */
    ngx_msec_t                   limit;     /* of the way to "open" */
    ngx_msec_t                   backoff;   /* 0: none */
    ngx_msec_t                   retry;     /* no new try before this */
    ngx_msec_t                   quiet;     /* when an error reply was logged */

    unsigned                     covering:1;   /* a WAIT is under way */
    unsigned                     answered:1;   /* by this very connection */
    unsigned                     failed:1;     /* and not working since */
    unsigned                     leaving:1;    /* of no use: replies are read,
                                                  nothing more is sent */
};


struct ngx_paygw_redis_node_s {
    ngx_paygw_redis_t           *redis;

    ngx_paygw_redis_addr_t      *addrs;
    ngx_uint_t                   naddrs;
    ngx_uint_t                   addr;      /* that worked, or is next */

    ngx_paygw_redis_conn_t      *conns;     /* redis->nconns */
    ngx_uint_t                   next;      /* round robin */

    unsigned                     seed:1;    /* of the configuration */
    unsigned                     named:1;   /* in the map of slots */
};


struct ngx_paygw_redis_s {
    ngx_paygw_redis_addr_t      *addrs;
    ngx_uint_t                   naddrs;

    ngx_paygw_tls_t              tls;       /* of them all; the name only if
                                               it was given */

    ngx_paygw_redis_node_t      *node;      /* without a cluster */
    ngx_paygw_redis_cluster_t   *cluster;   /* or NULL */

    ngx_queue_t                  parked;    /* to be sent again */
    ngx_event_t                  again;     /* the timer for them */

    ngx_str_t                    user;
    ngx_str_t                    password;
    ngx_str_t                    prefix;
    ngx_uint_t                   db;
    ngx_msec_t                   timeout;

    ngx_uint_t                   nconns;    /* of each node */
    ngx_uint_t                   streams;   /* in use, INFO was not sent yet */

    ngx_paygw_store_t           *store;     /* that this is the backend of */

    ngx_str_t                    sha1[NGX_PAYGW_REDIS_SCRIPTS];
};


/* ngx_paygw_redis_servers.c */

/*
 * The servers of a URL, HOST[:PORT] with commas between them, or unix:PATH:
 * their addresses are put at the end of redis->addrs.
 */
ngx_int_t ngx_paygw_redis_servers(ngx_conf_t *cf, ngx_paygw_redis_t *redis,
    ngx_str_t *list);

/* what the addresses have to be for a cluster */
ngx_int_t ngx_paygw_redis_cluster_check(ngx_conf_t *cf,
    ngx_paygw_redis_t *redis);


/* ngx_paygw_redis.c */

ngx_paygw_store_t *ngx_paygw_redis_create(ngx_conf_t *cf,
    ngx_paygw_redis_t *redis);

/* a new command; op, which is only read, is NULL if it is no script */
ngx_paygw_redis_cmd_t *ngx_paygw_redis_cmd(ngx_paygw_redis_t *redis,
    ngx_uint_t type, ngx_paygw_store_op_t *op);

void ngx_paygw_redis_free(ngx_paygw_redis_cmd_t *cmd);

/* sends a command whose answer is for op's handler; takes the command over */
ngx_int_t ngx_paygw_redis_ask(ngx_paygw_redis_cmd_t *cmd,
    ngx_paygw_store_op_t *op);

/*
 * The command, which is in no queue any more, has come to its end; NGX_ERROR
 * if there was no answer.  Frees it, now or after its handler was called.
 */
void ngx_paygw_redis_finish(ngx_paygw_redis_cmd_t *cmd, ngx_int_t rc);

/* at the end of a worker: the same, but no handler is called */
void ngx_paygw_redis_forget(ngx_paygw_redis_cmd_t *cmd);

/* the command, which stays in a FIFO, answers "error" to whoever waits */
void ngx_paygw_redis_give_up(ngx_paygw_redis_cmd_t *cmd);


/* ngx_paygw_redis_route.c */

/*
 * Sends a command to where its key is, and takes it over; its time begins.
 * argv[1] is the key, or the first one of a script: the arguments of a script
 * begin with the number of its keys.  They are copied.  NGX_ERROR, with the
 * command still the caller's, if Redis is known to be away.
 */
ngx_int_t ngx_paygw_redis_submit(ngx_paygw_redis_cmd_t *cmd, ngx_uint_t argc,
    ngx_str_t *argv);

/* takes over a command that was not executed, to send it again in a moment */
void ngx_paygw_redis_park(ngx_paygw_redis_cmd_t *cmd);

/* sends all that was put aside again, as soon as the caller has returned */
void ngx_paygw_redis_unpark(ngx_paygw_redis_t *redis);

/* at the end of a worker: no handler is called */
void ngx_paygw_redis_route_exit(ngx_paygw_redis_t *redis);


/* ngx_paygw_redis_node.c, the rest is in ngx_paygw_redis_cluster.h */

/* a node, and its closed connections */
void ngx_paygw_redis_node_init(ngx_paygw_redis_t *redis,
    ngx_paygw_redis_node_t *node, ngx_paygw_redis_conn_t *conns);

/* closes its connections; no handler is called */
void ngx_paygw_redis_node_exit(ngx_paygw_redis_node_t *node);


/* ngx_paygw_redis_redirect.c */

/*
 * An error reply that says that the command was not executed here, and where
 * or when it will be: sends it there, or later.  NGX_DECLINED if it is another
 * one.
 */
ngx_int_t ngx_paygw_redis_redirect(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply);


/* ngx_paygw_redis_lua.c */

/* by the type of the command */
extern const ngx_str_t  ngx_paygw_redis_scripts[];

/* the names by which Redis knows the scripts */
ngx_int_t ngx_paygw_redis_scripts_init(ngx_conf_t *cf,
    ngx_paygw_redis_t *redis);


/* ngx_paygw_redis_cmd.c */

/* submits the script of an event */
ngx_int_t ngx_paygw_redis_send(ngx_paygw_redis_cmd_t *cmd);

/* puts AUTH and SELECT, as far as needed, first into a new connection */
ngx_int_t ngx_paygw_redis_handshake(ngx_paygw_redis_conn_t *conn);

/* a command of the connection's own, sent behind what is there */
ngx_int_t ngx_paygw_redis_own(ngx_paygw_redis_conn_t *conn, ngx_uint_t type,
    ngx_uint_t argc, ngx_str_t *argv);

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
    ngx_paygw_redis_cmd_t *cmd);

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

/* the script of a call; as ngx_paygw_redis_send() */
ngx_int_t ngx_paygw_redis_run_send(ngx_paygw_redis_cmd_t *cmd);

/* what a reply means; NGX_ERROR if it is none that was expected */
ngx_int_t ngx_paygw_redis_run_result(ngx_paygw_redis_cmd_t *cmd,
    redisReply *reply);

/* logs the end of a command that nobody waits for */
void ngx_paygw_redis_run_ended(ngx_paygw_redis_cmd_t *cmd, ngx_int_t rc);


/* ngx_paygw_redis_info.c */

/* asks on a new connection, if that is of use and was not done */
void ngx_paygw_redis_info(ngx_paygw_redis_conn_t *conn);

/* asks on a new connection what it has to be asked before anything else */
ngx_int_t ngx_paygw_redis_check(ngx_paygw_redis_conn_t *conn);

/* the reply; as ngx_paygw_redis_reply() */
const char *ngx_paygw_redis_informed(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd, redisReply *reply);


/* ngx_paygw_redis_conn.c */

/*
 * A connection to send by, opened if there is none; NULL if the node is known
 * to be away.
 */
ngx_paygw_redis_conn_t *ngx_paygw_redis_get(ngx_paygw_redis_node_t *node);

/* the socket is connected, or it is not; NGX_ERROR if that was the end */
ngx_int_t ngx_paygw_redis_test_connect(ngx_paygw_redis_conn_t *conn);

/* TLS or not, the server can be talked to from now on */
void ngx_paygw_redis_connected(ngx_paygw_redis_conn_t *conn);

/* a command was answered as it should be */
void ngx_paygw_redis_works(ngx_paygw_redis_conn_t *conn);

/* this server is of no use, and has got nothing yet: the next address, please
 */
void ngx_paygw_redis_next(ngx_paygw_redis_conn_t *conn, ngx_err_t err,
    const char *why);

/*
 * Closes the connection; all its commands are lost.  why is NULL when nothing
 * went wrong.
 */
void ngx_paygw_redis_drop(ngx_paygw_redis_conn_t *conn, ngx_err_t err,
    const char *why);

/* at the end of a worker: no handler is called */
void ngx_paygw_redis_exit(ngx_paygw_redis_conn_t *conn);


/* ngx_paygw_redis_out.c */

/* the arguments as they will be sent, into cmd->text */
ngx_int_t ngx_paygw_redis_format(ngx_paygw_redis_cmd_t *cmd, ngx_uint_t argc,
    ngx_str_t *argv);

/*
 * Takes a command over; it goes out at the end of this turn of the event loop,
 * together with the others, or when the connection may be used.  Returns
 * NGX_OK, or NGX_ERROR with the command still the caller's.
 */
ngx_int_t ngx_paygw_redis_enqueue(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd);

/* the same at once, whatever the state is */
ngx_int_t ngx_paygw_redis_put(ngx_paygw_redis_conn_t *conn,
    ngx_paygw_redis_cmd_t *cmd);

/* the connection may be used: what has waited goes out */
void ngx_paygw_redis_usable(ngx_paygw_redis_conn_t *conn);


/* ngx_paygw_redis_io.c */

/* the timer of the connection does not run longer than this */
void ngx_paygw_redis_arm(ngx_paygw_redis_conn_t *conn, ngx_msec_t at);

/*
 * The timer runs for commands that may have been answered since.  A server
 * that is late costs the connection, for its reply would be taken for
 * another's: returns 1 then, else 0 with the timer set for what is next.
 */
ngx_uint_t ngx_paygw_redis_expired(ngx_paygw_redis_conn_t *conn);

void ngx_paygw_redis_write_handler(ngx_event_t *wev);
void ngx_paygw_redis_read_handler(ngx_event_t *rev);


/* ngx_paygw_redis_ssl.c */

void ngx_paygw_redis_ssl_start(ngx_paygw_redis_conn_t *conn);


#endif /* _NGX_PAYGW_REDIS_H_INCLUDED_ */
