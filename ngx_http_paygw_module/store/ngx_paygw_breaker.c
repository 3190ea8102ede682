
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_breaker.h"


static void ngx_paygw_breaker_count(ngx_paygw_breaker_t *b,
    ngx_paygw_breaker_conf_t *conf, ngx_msec_t now, ngx_uint_t failed);
static void ngx_paygw_breaker_become(ngx_paygw_breaker_t *b,
    ngx_paygw_breaker_state_e state, ngx_msec_t due);


/* right also when the clock has wrapped around */
#define ngx_paygw_breaker_over(time, now)                                     \
    ((ngx_msec_int_t) ((now) - (time)) >= 0)


ngx_int_t
ngx_paygw_breaker_ask(ngx_paygw_breaker_t *b, ngx_paygw_breaker_conf_t *conf,
    ngx_msec_t now, ngx_msec_t limit, ngx_uint_t *ticket, ngx_msec_t *wait)
{
    *wait = 0;

    if (b->state != NGX_PAYGW_BREAKER_CLOSED) {

        if (!ngx_paygw_breaker_over(b->due, now)) {
            *wait = b->due - now;
            return NGX_BUSY;
        }

        b->began = now;
        ngx_paygw_breaker_become(b, NGX_PAYGW_BREAKER_HALF, now + limit);
        *ticket = b->turn;

        return NGX_DONE;
    }

    *ticket = b->turn;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_breaker_tell(ngx_paygw_breaker_t *b, ngx_paygw_breaker_conf_t *conf,
    ngx_msec_t now, ngx_uint_t ticket, ngx_uint_t failed,
    ngx_paygw_breaker_sum_t *sum)
{
    ngx_uint_t  n;

    if (ticket != b->turn) {
        return NGX_OK;
    }

    if (b->state == NGX_PAYGW_BREAKER_HALF) {

        if (failed) {
            ngx_paygw_breaker_become(b, NGX_PAYGW_BREAKER_OPEN,
                                     b->began + conf->probe);
            return NGX_DONE;
        }

        ngx_memzero(b->slices, sizeof(b->slices));
        ngx_paygw_breaker_become(b, NGX_PAYGW_BREAKER_CLOSED, now);

        return NGX_DONE;
    }

    ngx_paygw_breaker_count(b, conf, now, failed);

    if (!failed) {
        return NGX_OK;
    }

    for (n = NGX_PAYGW_BREAKER_LEAST; n <= NGX_PAYGW_BREAKER_SLICES; n++) {

        ngx_paygw_breaker_sum(b, n, sum);

        if (sum->calls >= conf->requests
            && (uint64_t) sum->failures * 100
               >= (uint64_t) sum->calls * conf->failures)
        {
            ngx_paygw_breaker_become(b, NGX_PAYGW_BREAKER_OPEN,
                                     now + conf->probe);
            return NGX_DONE;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_breaker_drop(ngx_paygw_breaker_t *b, ngx_msec_t now,
    ngx_uint_t ticket)
{
    if (ticket != b->turn || b->state != NGX_PAYGW_BREAKER_HALF) {
        return NGX_OK;
    }

    ngx_paygw_breaker_become(b, NGX_PAYGW_BREAKER_OPEN, now);

    return NGX_DONE;
}


ngx_uint_t
ngx_paygw_breaker_ready(ngx_paygw_breaker_t *b, ngx_msec_t now)
{
    return b->state == NGX_PAYGW_BREAKER_CLOSED
           || ngx_paygw_breaker_over(b->due, now);
}


ngx_uint_t
ngx_paygw_breaker_share(ngx_paygw_breaker_t *b, ngx_msec_t now)
{
    ngx_paygw_breaker_sum_t  sum;

    ngx_paygw_breaker_sum(b, NGX_PAYGW_BREAKER_SLICES, &sum);

    if (sum.calls == 0 || ngx_paygw_breaker_over(b->since + sum.time, now)) {
        return 0;
    }

    return sum.failures * 100 / sum.calls;
}


void
ngx_paygw_breaker_sum(ngx_paygw_breaker_t *b, ngx_uint_t n,
    ngx_paygw_breaker_sum_t *sum)
{
    ngx_uint_t  i, k;

    sum->calls = 0;
    sum->failures = 0;
    sum->time = n * b->length;

    i = b->newest;

    for (k = 0; k < n; k++) {
        sum->calls += b->slices[i].calls;
        sum->failures += b->slices[i].failures;

        i = (i ? i : NGX_PAYGW_BREAKER_SLICES) - 1;
    }
}


/* a worker's clock may be a little behind that of the one before it */

static void
ngx_paygw_breaker_count(ngx_paygw_breaker_t *b,
    ngx_paygw_breaker_conf_t *conf, ngx_msec_t now, ngx_uint_t failed)
{
    ngx_msec_t      length;
    ngx_msec_int_t  passed;

    length = ngx_max(conf->window / NGX_PAYGW_BREAKER_SLICES, 1);
    passed = (ngx_msec_int_t) (now - b->since);

    if (b->length != length
        || passed >= (ngx_msec_int_t) length * NGX_PAYGW_BREAKER_SLICES)
    {
        ngx_memzero(b->slices, sizeof(b->slices));
        b->length = length;
        b->since = now;
        passed = 0;
    }

    for ( /* void */ ; passed >= (ngx_msec_int_t) length; passed -= length) {
        b->newest = (b->newest + 1) % NGX_PAYGW_BREAKER_SLICES;
        b->since += length;
        ngx_memzero(&b->slices[b->newest], sizeof(ngx_paygw_breaker_slice_t));
    }

    b->slices[b->newest].calls++;
    b->slices[b->newest].failures += failed;
}


static void
ngx_paygw_breaker_become(ngx_paygw_breaker_t *b,
    ngx_paygw_breaker_state_e state, ngx_msec_t due)
{
    b->state = state;
    b->due = due;
    b->turn++;
}


ngx_uint_t
ngx_paygw_hosts_pick(ngx_paygw_hosts_t *h, ngx_uint_t n, ngx_uint_t tried,
    ngx_msec_t now)
{
    ngx_uint_t  i, bit, away;

    away = n;

    for (i = 0; i < n; i++) {

        bit = (ngx_uint_t) 1 << i;

        if (tried & bit) {
            continue;
        }

        if (!(h->away & bit)) {
            return i;
        }

        if (ngx_paygw_breaker_over(h->until[i], now)) {
            h->until[i] = now + NGX_PAYGW_BREAKER_AWAY;
            return i;
        }

        if (away == n) {
            away = i;
        }
    }

    return away;
}


void
ngx_paygw_hosts_tell(ngx_paygw_hosts_t *h, ngx_uint_t i, ngx_uint_t away,
    ngx_msec_t now)
{
    ngx_uint_t  bit;

    bit = (ngx_uint_t) 1 << i;

    if (away) {
        h->away |= bit;
        h->until[i] = now + NGX_PAYGW_BREAKER_AWAY;

    } else {
        h->away &= ~bit;
    }
}
