
/*
 * Copyright (C) the paygw authors
 */


#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "load.h"


#define LOAD_HEAD_SIZE  1024
#define LOAD_CALL_SIZE  512
#define LOAD_IN_SIZE    16384
#define LOAD_EVENTS     256


/*
 * A connection carries one callback at a time:
 *
 *     closed --connect--> idle --start--> busy --answer--> idle or closed
 *
 * An idle connection that the gateway closes is closed without a word; one
 * that is lost while busy is an answer with the status 0.
 */
typedef struct {
    load_handler_t       handler;    /* the first member */
    int                  fd;         /* -1: closed */
    load_item_t         *item;       /* NULL: idle */
    uint64_t             started;    /* of this send, monotonic ns */
    size_t               head_len;
    size_t               sent;       /* of head and body together */
    size_t               in_len;
    int                  want_write;
    char                 head[LOAD_HEAD_SIZE];
    char                 in[LOAD_IN_SIZE];
} load_connection_t;


static void load_stream_handler(void *data, uint32_t events);
static void load_connection_handler(void *data, uint32_t events);
static int load_setup(void);
static int load_feed(int *wait);
static int load_start(load_connection_t *c, load_item_t *item, uint64_t now);
static int load_connect(load_connection_t *c);
static void load_write(load_connection_t *c);
static void load_read(load_connection_t *c);
static void load_finish(load_connection_t *c, unsigned status,
    const char *body, size_t len);
static void load_lost(load_connection_t *c, const char *why);
static void load_close(load_connection_t *c);
static void load_expire(uint64_t now);


static load_handler_t       load_stream_event = load_stream_handler;
static int                  load_epoll;
static int                  load_failed;
static load_connection_t   *load_connections;
static load_connection_t  **load_idle;
static unsigned             load_nidle;
static struct sockaddr_in   load_addr;


int
load_run(void)
{
    int                  i, n, wait;
    uint64_t             expired, now;
    load_handler_t      *handler;
    struct epoll_event   events[LOAD_EVENTS];

    if (load_setup() == -1) {
        return -1;
    }

    expired = load_now();

    for ( ;; ) {

        if (load_feed(&wait) == -1 || load_failed) {
            return -1;
        }

        now = load_now();

        if (load_queue_finished(now)) {
            break;
        }

        if (now - expired > 100000000) {
            load_expire(now);
            load_report_progress(now);
            expired = now;
        }

        if (wait == -1 || wait > 100) {
            wait = 100;
        }

        n = epoll_wait(load_epoll, events, LOAD_EVENTS,
                       load_conf.spin ? 0 : wait);

        if (n == 0 && load_conf.spin) {
            sched_yield();
        }

        for (i = 0; i < n; i++) {
            handler = events[i].data.ptr;
            (*handler)(handler, events[i].events);
        }
    }

    for (i = 0; i < (int) load_conf.connections; i++) {
        load_close(&load_connections[i]);
    }

    return 0;
}


static void
load_stream_handler(void *data, uint32_t events)
{
    (void) data;
    (void) events;

    load_queue_drain();
}


static void
load_connection_handler(void *data, uint32_t events)
{
    load_connection_t  *c = data;

    if (c->fd != -1 && (events & EPOLLOUT)) {
        load_write(c);
    }

    if (c->fd != -1 && (events & (EPOLLIN|EPOLLHUP|EPOLLERR))) {
        load_read(c);
    }
}


static int
load_setup(void)
{
    char                 host[64], *colon;
    unsigned             i;
    struct epoll_event   ee;

    snprintf(host, sizeof(host), "%s", load_conf.connect);

    colon = strchr(host, ':');

    if (colon) {
        *colon++ = '\0';
        load_addr.sin_port = htons((uint16_t) atoi(colon));
    }

    load_addr.sin_family = AF_INET;

    if (colon == NULL || inet_pton(AF_INET, host, &load_addr.sin_addr) != 1) {
        fprintf(stderr, "\"%s\" is not ADDRESS:PORT\n", load_conf.connect);
        return -1;
    }

    load_epoll = epoll_create1(EPOLL_CLOEXEC);
    load_connections = calloc(load_conf.connections,
                              sizeof(load_connection_t));
    load_idle = calloc(load_conf.connections, sizeof(load_connection_t *));

    if (load_epoll == -1 || load_connections == NULL || load_idle == NULL) {
        perror("no connections");
        return -1;
    }

    for (i = 0; i < load_conf.connections; i++) {
        load_connections[i].fd = -1;
        load_connections[i].handler = load_connection_handler;
        load_idle[load_nidle++] = &load_connections[i];
    }

    ee.events = EPOLLIN;
    ee.data.ptr = &load_stream_event;

    if (epoll_ctl(load_epoll, EPOLL_CTL_ADD, load_queue_fd(), &ee) == -1) {
        perror("epoll_ctl() failed");
        return -1;
    }

    return load_conf.shop ? load_shop_open(load_epoll) : 0;
}


static int
load_feed(int *wait)
{
    uint64_t      now;
    load_item_t  *item;

    *wait = -1;

    while (load_nidle) {
        now = load_now();
        item = load_queue_next(now, wait);

        if (item == NULL) {
            return 0;
        }

        if (load_start(load_idle[--load_nidle], item, now) == -1) {
            return -1;
        }
    }

    return 0;
}


static int
load_start(load_connection_t *c, load_item_t *item, uint64_t now)
{
    int   n;
    char  call[LOAD_CALL_SIZE];

    if (load_call(call, sizeof(call), item) == -1) {
        fprintf(stderr, "the fields of a call are too long\n");
        return -1;
    }

    n = snprintf(c->head, LOAD_HEAD_SIZE,
                 "POST %s HTTP/1.1\r\n"
                 "Host: %s\r\n"
                 "User-Agent: Mozilla/4.0\r\n"
                 "Content-Type: %s\r\n"
                 "%s"
                 "Content-Length: %zu\r\n\r\n",
                 load_conf.path, load_conf.host,
                 load_conf.key_id ? "application/json"
                     : "application/x-www-form-urlencoded; charset=UTF-8",
                 call, item->len);

    if (n >= LOAD_HEAD_SIZE) {
        fprintf(stderr, "the path or the host is too long\n");
        return -1;
    }

    c->head_len = n;
    c->item = item;
    c->started = now;
    c->sent = 0;
    c->in_len = 0;

    if (c->fd == -1 && load_connect(c) == -1) {
        load_lost(c, "refused");
        return 0;
    }

    load_write(c);

    return 0;
}


static int
load_connect(load_connection_t *c)
{
    int                 one;
    struct epoll_event  ee;

    c->fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);

    if (c->fd == -1) {
        perror("socket() failed");
        load_failed = 1;
        return -1;
    }

    one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(int));

    if (connect(c->fd, (struct sockaddr *) &load_addr, sizeof(load_addr))
        == -1
        && errno != EINPROGRESS)
    {
        return -1;
    }

    ee.events = EPOLLIN;
    ee.data.ptr = c;
    c->want_write = 0;

    return epoll_ctl(load_epoll, EPOLL_CTL_ADD, c->fd, &ee);
}


static void
load_write(load_connection_t *c)
{
    int                 i, want;
    size_t              rest, total;
    ssize_t             n;
    struct iovec        iov[2];
    struct epoll_event  ee;

    if (c->item == NULL) {
        return;
    }

    total = c->head_len + c->item->len;

    while (c->sent < total) {
        i = 0;

        if (c->sent < c->head_len) {
            iov[i].iov_base = c->head + c->sent;
            iov[i++].iov_len = c->head_len - c->sent;
        }

        rest = c->sent > c->head_len ? c->sent - c->head_len : 0;

        iov[i].iov_base = c->item->data + rest;
        iov[i++].iov_len = c->item->len - rest;

        n = writev(c->fd, iov, i);

        if (n == -1) {

            if (errno == EAGAIN) {
                break;
            }

            /* what the gateway said before it closed may still be there */

            load_read(c);
            return;
        }

        c->sent += n;
    }

    want = c->sent < total;

    if (want != c->want_write) {
        ee.events = EPOLLIN | (want ? EPOLLOUT : 0);
        ee.data.ptr = c;
        epoll_ctl(load_epoll, EPOLL_CTL_MOD, c->fd, &ee);
        c->want_write = want;
    }
}


static void
load_read(load_connection_t *c)
{
    int            rc;
    ssize_t        n;
    load_reply_t  a;

    if (c->in_len == LOAD_IN_SIZE - 1) {
        load_lost(c, "too-large");
        return;
    }

    n = recv(c->fd, c->in + c->in_len, LOAD_IN_SIZE - 1 - c->in_len, 0);

    if (n == -1 && errno == EAGAIN) {
        return;
    }

    if (c->item == NULL) {
        /* closed while idle, or a byte too many: both end it */
        load_close(c);
        return;
    }

    if (n == -1) {
        load_lost(c, errno == ECONNREFUSED ? "refused" : "reset");
        return;
    }

    c->in_len += n;
    c->in[c->in_len] = '\0';

    rc = load_parse(c->in, c->in_len, n == 0, &a);

    if (rc == 0 && n == 0) {
        load_lost(c, "closed");

    } else if (rc == -1) {
        load_lost(c, "malformed");

    } else if (rc == 1) {

        if (a.close || n == 0 || c->sent < c->head_len + c->item->len) {
            load_close(c);
        }

        load_finish(c, a.status, a.body, a.len);
    }
}


static void
load_finish(load_connection_t *c, unsigned status, const char *body,
    size_t len)
{
    int           ok, again;
    uint64_t      now;
    load_item_t  *item;

    now = load_now();

    item = c->item;
    c->item = NULL;
    load_idle[load_nidle++] = c;

    ok = load_report_answer(item, status, body, len, c->started, now);

    if (ok == -1) {
        load_failed = 1;
        ok = 0;
    }

    again = !ok && item->tries < load_conf.retries;

    item->tries++;

    if (item->copies == 1 && !again) {
        load_report_finished(ok, now);
    }

    load_queue_done(item, again, now);
}


static void
load_lost(load_connection_t *c, const char *why)
{
    load_close(c);

    if (c->item) {
        load_finish(c, 0, why, strlen(why));
    }
}


static void
load_close(load_connection_t *c)
{
    if (c->fd != -1) {
        close(c->fd);
        c->fd = -1;
    }
}


static void
load_expire(uint64_t now)
{
    unsigned            i;
    load_connection_t  *c;

    for (i = 0; i < load_conf.connections; i++) {
        c = &load_connections[i];

        if (c->item
            && now - c->started > (uint64_t) (load_conf.timeout * 1e9))
        {
            load_lost(c, "timeout");
        }
    }
}
