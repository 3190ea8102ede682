
/*
 * Copyright (C) the paygw authors
 */


#ifndef _LOAD_H_INCLUDED_
#define _LOAD_H_INCLUDED_


#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>


/*
 * paygw-load: a provider under pressure.  It signs Alipay callbacks, sends
 * them over keep-alive connections, repeats what was not acknowledged, and
 * counts every answer.  load.c reads the command line, load_body.c makes the
 * callbacks, load_queue.c says which one goes next, load_http.c sends them,
 * load_call.c signs what it sends as a merchant of ours does (then a callback
 * is any body, and the gateway's own merchant is under pressure),
 * load_parse.c reads the answers, load_report.c counts them, and load_shop.c
 * is the shop behind the gateway, for a run in which nobody may sleep.
 */


/* One callback.  Its bytes stay as they are over all its sends. */
typedef struct load_item_s  load_item_t;

struct load_item_s {
    load_item_t         *next;       /* in the queue or among the retries */
    char                *data;       /* the form, freed with the item */
    size_t               len;
    uint64_t             number;     /* from 0, in order of generation */
    uint64_t             due;        /* of the next send, monotonic ns */
    unsigned             tries;      /* sends that were answered or lost */
    unsigned             copies;     /* of it that are still to be finished */
};


typedef struct {
    load_item_t         *head;
    load_item_t        **tail;
    size_t               count;
} load_list_t;


typedef struct {
    /* what to send */
    const char          *connect;    /* HOST:PORT, numeric */
    const char          *path;
    const char          *host;       /* the Host header */
    const char          *key;        /* private key, PEM */
    const char          *key_id;     /* of a merchant, */
    const char          *secret;     /* and its secret */
    const char          *app_id;
    const char          *seller_id;
    const char          *load;       /* a file of signed callbacks */
    const char          *save;
    unsigned             seed;       /* five digits of every id */
    uint64_t             first;      /* callbacks to skip in the file */
    uint64_t             requests;
    uint64_t             warmup;     /* of these, sent but not measured */
    double               duration;   /* seconds; instead of requests */
    unsigned             forged:1;
    unsigned             stream:1;   /* sign while sending */

    /* how to send */
    unsigned             connections;
    unsigned             threads;    /* that sign */
    unsigned             twins;      /* percent that are sent twice at once */
    double               rate;       /* callbacks a second, 0: no limit */
    unsigned             spin:1;     /* never sleep, but yield */
    unsigned             shop;       /* a port of 127.0.0.1: be the shop */
    const char          *shop_answer;    /* the file that the shop says */
    double               timeout;    /* of one send, seconds */
    uint64_t             retries;    /* of one callback */
    double               retry_delay;    /* seconds */

    /* what to see */
    unsigned             status;     /* the expected answer, 0: any */
    const char          *body;
    int                  watch;      /* a process whose time is measured */
    const char          *ledger;
    unsigned             progress:1; /* a line a second on stderr */
} load_conf_t;


extern load_conf_t  load_conf;


/* load_body.c */

/* All callbacks of the run, signed or read from the file, as one list. */
int load_bodies(load_list_t *list);

/* Writes the list to a file that "--load" reads. */
int load_save(load_list_t *list);

/* Signs on threads of its own, into the queue, until the queue is closed. */
int load_stream_start(void);
void load_stream_stop(void);


/* load_queue.c */

void load_list_init(load_list_t *list);
void load_list_push(load_list_t *list, load_item_t *item);
load_item_t *load_list_shift(load_list_t *list);

int load_queue_init(void);

/* The descriptor that becomes readable when the stream has a callback. */
int load_queue_fd(void);
void load_queue_drain(void);

/* From a signing thread; waits while the queue is full, 0 when it is closed. */
int load_queue_put(load_item_t *item);
void load_queue_close(void);

/*
 * The next callback to send, or NULL: then "wait" is the time until one may
 * come in ms, -1 if only an answer or the stream can bring one.
 */
load_item_t *load_queue_next(uint64_t now, int *wait);

/* Gives a callback back: finished, or to be sent again after the delay. */
void load_queue_done(load_item_t *item, int again, uint64_t now);

/* Nothing is left to be sent or waited for. */
int load_queue_finished(uint64_t now);


/* load_http.c */

/* What an event of the loop points to: a structure that begins with this. */
typedef void (*load_handler_t)(void *data, uint32_t events);

int load_run(void);


/* load_call.c */

/*
 * The fields of a call as lines of a header, empty without a key id; -1 if they
 * do not fit.
 */
int load_call(char *buf, size_t size, load_item_t *item);


/* load_parse.c */

typedef struct {
    unsigned             status;
    int                  close;
    char                *body;
    size_t               len;
} load_reply_t;

/*
 * Reads an answer from "len" bytes that a zero follows.  1: it is complete,
 * 0: more is needed, -1: it is malformed.  Joins chunks in their place.
 */
int load_parse(char *in, size_t len, int eof, load_reply_t *a);

/* The value of a header of the message whose empty line is at "end". */
char *load_header(char *in, char *end, const char *name);


/* load_shop.c */

/* Answers the gateway's requests in the same loop, so that nobody sleeps. */
int load_shop_open(int epoll);


/* load_report.c */

uint64_t load_now(void);

int load_report_init(void);

/*
 * Counts one answer; "status" 0 and a word of ours as the body stand for a
 * connection that failed.  Tells whether it was the expected one.
 */
int load_report_answer(load_item_t *item, unsigned status, const char *body,
    size_t len, uint64_t started, uint64_t now);

/* Says how many callbacks are finished, once a second. */
void load_report_progress(uint64_t now);

/* Counts a callback that will not be sent again. */
void load_report_finished(int ok, uint64_t now);

/* Prints the JSON object; 0 if every callback had the expected answer. */
int load_report_print(void);


#endif /* _LOAD_H_INCLUDED_ */
