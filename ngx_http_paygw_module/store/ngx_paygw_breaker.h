
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_BREAKER_H_INCLUDED_
#define _NGX_PAYGW_BREAKER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_store.h"


/*
 * The breaker of a channel, and what is known of its hosts, in the shared zone:
 * seen by all workers, and by those of the next configuration.
 *
 *   CLOSED --too many have failed--> OPEN --time for a probe--> HALF
 *      ^                              ^                          |  |
 *      |                              +-------- it fails --------+  |
 *      +----------------------- it succeeds ------------------------+
 *
 * Calls are counted in slices of the window, of which the oldest is dropped
 * when a new one begins.  It opens by what is in all of them, or in the newest
 * alone, two at least: else it would take half of the window to see that a
 * provider has died who was well before, and a moment would be enough where
 * there are many calls.  A probe is one call over all workers.  One that never
 * comes back is given up after the time that it may take.
 *
 * What is told of a call that was let through before the state has changed is
 * about another time, and not heard: that is what tickets are for.
 */


#define NGX_PAYGW_BREAKER_SLICES  20
#define NGX_PAYGW_BREAKER_LEAST   2
#define NGX_PAYGW_BREAKER_HOSTS   4

/* a host that cannot be reached is not asked first for so long, ms */
#define NGX_PAYGW_BREAKER_AWAY    10000


/* as "paygw_breaker_state" shows them */
typedef enum {
    NGX_PAYGW_BREAKER_CLOSED = 0,
    NGX_PAYGW_BREAKER_HALF,
    NGX_PAYGW_BREAKER_OPEN,
    NGX_PAYGW_BREAKER_STATES
} ngx_paygw_breaker_state_e;


typedef struct {
    ngx_uint_t                   requests;  /* not less opens it, of which */
    ngx_uint_t                   failures;  /* this many of 100 have failed, */
    ngx_msec_t                   window;    /* within this time */
    ngx_msec_t                   probe;     /* from one probe to the next */
} ngx_paygw_breaker_conf_t;


typedef struct {
    uint32_t                     calls;
    uint32_t                     failures;
} ngx_paygw_breaker_slice_t;


/* what has opened it */
typedef struct {
    ngx_uint_t                   calls;
    ngx_uint_t                   failures;
    ngx_msec_t                   time;      /* within so many ms */
} ngx_paygw_breaker_sum_t;


typedef struct {
    ngx_uint_t                   state;
    ngx_uint_t                   turn;      /* changes with the state */
    ngx_msec_t                   began;     /* the last probe */
    ngx_msec_t                   due;       /* OPEN: the next one; HALF: when
                                               this one is given up */
    ngx_msec_t                   length;    /* of a slice; 0: none was yet */
    ngx_msec_t                   since;     /* the newest one */
    ngx_uint_t                   newest;
    ngx_paygw_breaker_slice_t    slices[NGX_PAYGW_BREAKER_SLICES];
} ngx_paygw_breaker_t;


typedef struct {
    ngx_uint_t                   away;      /* bits of hosts, */
    ngx_msec_t                   until[NGX_PAYGW_BREAKER_HOSTS];
} ngx_paygw_hosts_t;


/*
 * Whether a call may be sent: NGX_OK; NGX_DONE: it is the probe, which may take
 * limit ms, and the state has changed; NGX_BUSY: it is not to be sent, and
 * *wait is how long that may last.  *ticket is for what comes then.
 */
ngx_int_t ngx_paygw_breaker_ask(ngx_paygw_breaker_t *b,
    ngx_paygw_breaker_conf_t *conf, ngx_msec_t now, ngx_msec_t limit,
    ngx_uint_t *ticket, ngx_msec_t *wait);

/*
 * What came of it: NGX_OK; NGX_DONE: the state has changed, and *sum is set if
 * it was closed before.
 */
ngx_int_t ngx_paygw_breaker_tell(ngx_paygw_breaker_t *b,
    ngx_paygw_breaker_conf_t *conf, ngx_msec_t now, ngx_uint_t ticket,
    ngx_uint_t failed, ngx_paygw_breaker_sum_t *sum);

/* nothing that says anything: the next call is the probe in its place */
ngx_int_t ngx_paygw_breaker_drop(ngx_paygw_breaker_t *b, ngx_msec_t now,
    ngx_uint_t ticket);

/* 1 if a call would be let through now */
ngx_uint_t ngx_paygw_breaker_ready(ngx_paygw_breaker_t *b, ngx_msec_t now);

/* how many of 100 calls within the window have failed; 0 if there was none */
ngx_uint_t ngx_paygw_breaker_share(ngx_paygw_breaker_t *b, ngx_msec_t now);

/* what has been counted in the newest n slices */
void ngx_paygw_breaker_sum(ngx_paygw_breaker_t *b, ngx_uint_t n,
    ngx_paygw_breaker_sum_t *sum);


/*
 * The host to be asked, of n, and not one of the bits tried; n if there is no
 * other.  Hosts that are away come last, and their turn comes for one call
 * alone once their time is over.
 */
ngx_uint_t ngx_paygw_hosts_pick(ngx_paygw_hosts_t *h, ngx_uint_t n,
    ngx_uint_t tried, ngx_msec_t now);

void ngx_paygw_hosts_tell(ngx_paygw_hosts_t *h, ngx_uint_t i, ngx_uint_t away,
    ngx_msec_t now);


/* ngx_paygw_zone_breaker.c: the same in a zone, with its mutex */

typedef struct ngx_paygw_zone_breaker_s  ngx_paygw_zone_breaker_t;

#define NGX_PAYGW_BREAKER_NAME  64    /* bytes of a channel's name */


/* the record of a channel, made if there is none; NULL: the zone is full */
ngx_paygw_zone_breaker_t *ngx_paygw_zone_breaker(ngx_paygw_zone_t *zone,
    ngx_str_t *channel);

/* without the lock: what is seen may be of the moment before */
ngx_uint_t ngx_paygw_zone_breaker_state(ngx_paygw_zone_breaker_t *zb);
ngx_uint_t ngx_paygw_zone_breaker_ready(ngx_paygw_zone_breaker_t *zb);
ngx_uint_t ngx_paygw_zone_breaker_share(ngx_paygw_zone_breaker_t *zb);

ngx_int_t ngx_paygw_zone_breaker_ask(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_breaker_t *zb, ngx_paygw_breaker_conf_t *conf,
    ngx_msec_t limit, ngx_uint_t *ticket, ngx_msec_t *wait);

ngx_int_t ngx_paygw_zone_breaker_tell(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_breaker_t *zb, ngx_paygw_breaker_conf_t *conf,
    ngx_uint_t ticket, ngx_uint_t failed, ngx_paygw_breaker_sum_t *sum);

ngx_int_t ngx_paygw_zone_breaker_drop(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_breaker_t *zb, ngx_uint_t ticket);

ngx_uint_t ngx_paygw_zone_hosts_pick(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_breaker_t *zb, ngx_uint_t n, ngx_uint_t tried);
void ngx_paygw_zone_hosts_tell(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_breaker_t *zb, ngx_uint_t i, ngx_uint_t away);


#endif /* _NGX_PAYGW_BREAKER_H_INCLUDED_ */
