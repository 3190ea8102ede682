
/*
 * Copyright (C) the paygw authors
 */


#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "load.h"


#define LOAD_QUEUE_SIZE  4096


static load_item_t *load_queue_fresh(uint64_t now, int *wait);
static load_item_t *load_queue_take(void);
static void load_wait_until(uint64_t due, uint64_t now, int *wait);


/* the stream: filled by the signing threads, emptied by the loop */
static pthread_mutex_t  load_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t   load_room = PTHREAD_COND_INITIALIZER;
static load_list_t      load_stream;
static int              load_closed;
static int              load_event = -1;

/* the loop's own */
static load_list_t      load_pool;       /* signed before the start */
static load_list_t      load_again;      /* in order of their due times */
static load_item_t     *load_twin;       /* its second copy goes next */
static uint64_t         load_started;    /* monotonic ns */
static uint64_t         load_taken;
static uint64_t         load_open;       /* items not yet finished */
static unsigned         load_random = 1;


void
load_list_init(load_list_t *list)
{
    list->head = NULL;
    list->tail = &list->head;
    list->count = 0;
}


void
load_list_push(load_list_t *list, load_item_t *item)
{
    item->next = NULL;
    *list->tail = item;
    list->tail = &item->next;
    list->count++;
}


load_item_t *
load_list_shift(load_list_t *list)
{
    load_item_t  *item;

    item = list->head;

    if (item) {
        list->head = item->next;
        list->count--;

        if (list->head == NULL) {
            list->tail = &list->head;
        }
    }

    return item;
}


int
load_queue_init(void)
{
    load_list_init(&load_pool);
    load_list_init(&load_again);
    load_list_init(&load_stream);

    load_random = load_conf.seed + 1;

    load_event = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

    if (load_event == -1) {
        perror("eventfd() failed");
        return -1;
    }

    if (load_conf.stream) {
        return load_stream_start();
    }

    if (load_bodies(&load_pool) == -1) {
        return -1;
    }

    return load_conf.save ? load_save(&load_pool) : 0;
}


int
load_queue_fd(void)
{
    return load_event;
}


void
load_queue_drain(void)
{
    ssize_t   n;
    uint64_t  value;

    n = read(load_event, &value, sizeof(uint64_t));
    (void) n;
}


int
load_queue_put(load_item_t *item)
{
    int       empty, closed;
    ssize_t   n;
    uint64_t  one;

    pthread_mutex_lock(&load_mutex);

    while (load_stream.count >= LOAD_QUEUE_SIZE && !load_closed) {
        pthread_cond_wait(&load_room, &load_mutex);
    }

    closed = load_closed;
    empty = (load_stream.count == 0);

    if (!closed) {
        load_list_push(&load_stream, item);
    }

    pthread_mutex_unlock(&load_mutex);

    if (!closed && empty) {
        one = 1;
        n = write(load_event, &one, sizeof(uint64_t));
        (void) n;
    }

    return !closed;
}


void
load_queue_close(void)
{
    pthread_mutex_lock(&load_mutex);

    load_closed = 1;

    pthread_cond_broadcast(&load_room);
    pthread_mutex_unlock(&load_mutex);
}


load_item_t *
load_queue_next(uint64_t now, int *wait)
{
    load_item_t  *item;

    *wait = -1;

    if (load_twin) {
        item = load_twin;
        load_twin = NULL;
        return item;
    }

    if (load_again.head) {

        if (load_again.head->due <= now) {
            return load_list_shift(&load_again);
        }

        load_wait_until(load_again.head->due, now, wait);
    }

    item = load_queue_fresh(now, wait);

    if (item == NULL) {
        return NULL;
    }

    item->copies = 1;
    load_open++;

    if ((unsigned) (rand_r(&load_random) % 100) < load_conf.twins) {
        item->copies = 2;
        load_twin = item;
    }

    return item;
}


static load_item_t *
load_queue_fresh(uint64_t now, int *wait)
{
    uint64_t      due;
    load_item_t  *item;

    if (load_started == 0) {
        load_started = now;
    }

    if (load_conf.duration
        && now - load_started >= (uint64_t) (load_conf.duration * 1e9))
    {
        load_queue_close();
        return NULL;
    }

    if (load_conf.requests && load_taken == load_conf.requests) {
        return NULL;
    }

    if (load_conf.rate) {
        due = load_started + (uint64_t) (load_taken * 1e9 / load_conf.rate);

        if (due > now) {
            load_wait_until(due, now, wait);
            return NULL;
        }
    }

    item = load_conf.stream ? load_queue_take() : load_list_shift(&load_pool);

    if (item) {
        load_taken++;
    }

    return item;
}


static load_item_t *
load_queue_take(void)
{
    load_item_t  *item;

    pthread_mutex_lock(&load_mutex);

    item = load_list_shift(&load_stream);

    if (item && load_stream.count == LOAD_QUEUE_SIZE / 2) {
        pthread_cond_broadcast(&load_room);
    }

    pthread_mutex_unlock(&load_mutex);

    return item;
}


static void
load_wait_until(uint64_t due, uint64_t now, int *wait)
{
    int  ms;

    ms = (int) ((due - now) / 1000000) + 1;

    if (*wait == -1 || ms < *wait) {
        *wait = ms;
    }
}


void
load_queue_done(load_item_t *item, int again, uint64_t now)
{
    /* of two copies only the last one may be sent again */

    if (--item->copies > 0) {
        return;
    }

    if (again) {
        item->copies = 1;
        item->due = now + (uint64_t) (load_conf.retry_delay * 1e9);
        load_list_push(&load_again, item);
        return;
    }

    load_open--;

    free(item->data);
    free(item);
}


int
load_queue_finished(uint64_t now)
{
    if (load_open > 0) {
        return 0;
    }

    if (load_conf.requests) {
        return load_taken == load_conf.requests;
    }

    return load_started != 0
           && now - load_started >= (uint64_t) (load_conf.duration * 1e9);
}
