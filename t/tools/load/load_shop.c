
/*
 * Copyright (C) the paygw authors
 */


#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "load.h"


#define LOAD_SHOP_SIZE    65536
#define LOAD_ANSWER_SIZE  8192


typedef struct {
    load_handler_t       handler;    /* the first member */
    int                  fd;
    size_t               len;
    char                 in[LOAD_SHOP_SIZE];
} load_customer_t;


typedef struct {
    load_handler_t       handler;    /* the first member */
    int                  fd;
    int                  epoll;
} load_listener_t;


static int load_shop_prepare(void);
static void load_shop_accept(void *data, uint32_t events);
static void load_shop_read(void *data, uint32_t events);
static int load_shop_answer(load_customer_t *c);
static size_t load_shop_request(load_customer_t *c);


/* as long as what a small nginx says */
static const char  load_shop_head[] =
    "HTTP/1.1 200 OK\r\n"
    "Server: shop/1.22.1\r\n"
    "Date: Sat, 21 Nov 2026 02:00:00 GMT\r\n"
    "Content-Type: text/plain\r\n"
    "Connection: keep-alive\r\n"
    "Content-Length: ";

static load_listener_t  load_listener;
static char             load_answer[LOAD_ANSWER_SIZE];
static size_t           load_answer_len;


int
load_shop_open(int epoll)
{
    int                 one;
    struct sockaddr_in  addr;
    struct epoll_event  ee;

    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_port = htons((uint16_t) load_conf.shop);
    /* all of 127.0.0.0/8, and nothing else: see SO_BINDTODEVICE below */
    addr.sin_addr.s_addr = htonl(INADDR_ANY);

    load_listener.handler = load_shop_accept;
    load_listener.epoll = epoll;
    load_listener.fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC,
                              0);
    one = 1;
    ee.events = EPOLLIN;
    ee.data.ptr = &load_listener;

    if (load_shop_prepare() == -1
        || load_listener.fd == -1
        || setsockopt(load_listener.fd, SOL_SOCKET, SO_REUSEADDR, &one,
                      sizeof(int))
           == -1
        || setsockopt(load_listener.fd, SOL_SOCKET, SO_BINDTODEVICE, "lo",
                      sizeof("lo"))
           == -1
        || bind(load_listener.fd, (struct sockaddr *) &addr, sizeof(addr))
           == -1
        || listen(load_listener.fd, 1024) == -1
        || epoll_ctl(epoll, EPOLL_CTL_ADD, load_listener.fd, &ee) == -1)
    {
        perror("the shop cannot open");
        return -1;
    }

    return 0;
}


/* the whole of what the shop says to each request */

static int
load_shop_prepare(void)
{
    int     n;
    FILE   *file;
    char    body[LOAD_ANSWER_SIZE / 2] = "ok";
    size_t  len;

    len = 2;

    if (load_conf.shop_answer) {
        file = fopen(load_conf.shop_answer, "r");
        if (file == NULL) {
            return -1;
        }

        len = fread(body, 1, sizeof(body), file);
        fclose(file);

        if (len == sizeof(body)) {
            errno = EFBIG;
            return -1;
        }
    }

    n = snprintf(load_answer, sizeof(load_answer), "%s%zu\r\n\r\n",
                 load_shop_head, len);

    memcpy(load_answer + n, body, len);
    load_answer_len = n + len;

    return 0;
}


static void
load_shop_accept(void *data, uint32_t events)
{
    int                 fd, one;
    load_listener_t    *l = data;
    load_customer_t    *c;
    struct epoll_event  ee;

    (void) events;

    fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK|SOCK_CLOEXEC);
    if (fd == -1) {
        return;
    }

    c = malloc(sizeof(load_customer_t));
    if (c == NULL) {
        close(fd);
        return;
    }

    c->handler = load_shop_read;
    c->fd = fd;
    c->len = 0;

    one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(int));

    ee.events = EPOLLIN;
    ee.data.ptr = c;

    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ee) == -1) {
        close(fd);
        free(c);
    }
}


static void
load_shop_read(void *data, uint32_t events)
{
    ssize_t           n;
    load_customer_t  *c = data;

    (void) events;

    n = recv(c->fd, c->in + c->len, LOAD_SHOP_SIZE - 1 - c->len, 0);

    if (n == -1 && errno == EAGAIN) {
        return;
    }

    if (n > 0) {
        c->len += n;
        c->in[c->len] = '\0';

        if (load_shop_answer(c) == 0) {
            return;
        }
    }

    close(c->fd);
    free(c);
}


static int
load_shop_answer(load_customer_t *c)
{
    size_t   size;
    ssize_t  n;

    for ( ;; ) {
        size = load_shop_request(c);

        if (size == 0) {
            return c->len < LOAD_SHOP_SIZE - 1 ? 0 : -1;
        }

        c->len -= size;
        memmove(c->in, c->in + size, c->len + 1);

        n = send(c->fd, load_answer, load_answer_len, 0);

        if (n != (ssize_t) load_answer_len) {
            return -1;
        }
    }
}


/* the size of the first request, if all of it is there */

static size_t
load_shop_request(load_customer_t *c)
{
    char    *end, *value;
    size_t   size;

    if (c->len == 0) {
        return 0;
    }

    end = strstr(c->in, "\r\n\r\n");
    if (end == NULL) {
        return 0;
    }

    value = load_header(c->in, end, "content-length");
    size = end + 4 - c->in + (value ? strtoul(value, NULL, 10) : 0);

    return size <= c->len ? size : 0;
}
