
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_breaker.h"
#include "ngx_paygw_zone.h"


/* Breakers in the zone; see ngx_paygw_breaker.h. */


struct ngx_paygw_zone_breaker_s {
    ngx_paygw_zone_breaker_t    *next;
    size_t                       len;
    u_char                       name[NGX_PAYGW_BREAKER_NAME];
    ngx_paygw_breaker_t          breaker;
    ngx_paygw_hosts_t            hosts;
};


static ngx_paygw_zone_breaker_t *ngx_paygw_zone_breaker_make(
    ngx_paygw_zone_t *zone, ngx_str_t *channel);


/* never given back: channels come and go with configurations */

ngx_paygw_zone_breaker_t *
ngx_paygw_zone_breaker(ngx_paygw_zone_t *zone, ngx_str_t *channel)
{
    ngx_paygw_zone_breaker_t  *zb;

    if (channel->len > NGX_PAYGW_BREAKER_NAME) {
        return NULL;
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    for (zb = zone->sh->breakers; zb; zb = zb->next) {
        if (zb->len == channel->len
            && ngx_memcmp(zb->name, channel->data, zb->len) == 0)
        {
            break;
        }
    }

    if (zb == NULL) {
        zb = ngx_paygw_zone_breaker_make(zone, channel);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return zb;
}


static ngx_paygw_zone_breaker_t *
ngx_paygw_zone_breaker_make(ngx_paygw_zone_t *zone, ngx_str_t *channel)
{
    ngx_paygw_zone_breaker_t  *zb;

    zb = ngx_paygw_zone_alloc(zone, sizeof(ngx_paygw_zone_breaker_t));
    if (zb == NULL) {
        return NULL;
    }

    ngx_memzero(zb, sizeof(ngx_paygw_zone_breaker_t));

    zb->len = channel->len;
    ngx_memcpy(zb->name, channel->data, channel->len);

    zb->next = zone->sh->breakers;
    zone->sh->breakers = zb;

    return zb;
}


ngx_uint_t
ngx_paygw_zone_breaker_state(ngx_paygw_zone_breaker_t *zb)
{
    return zb->breaker.state;
}


ngx_uint_t
ngx_paygw_zone_breaker_ready(ngx_paygw_zone_breaker_t *zb)
{
    return ngx_paygw_breaker_ready(&zb->breaker, ngx_current_msec);
}


ngx_uint_t
ngx_paygw_zone_breaker_share(ngx_paygw_zone_breaker_t *zb)
{
    return ngx_paygw_breaker_share(&zb->breaker, ngx_current_msec);
}


ngx_int_t
ngx_paygw_zone_breaker_ask(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_breaker_t *zb, ngx_paygw_breaker_conf_t *conf,
    ngx_msec_t limit, ngx_uint_t *ticket, ngx_msec_t *wait)
{
    ngx_int_t  rc;

    ngx_shmtx_lock(&zone->shpool->mutex);

    rc = ngx_paygw_breaker_ask(&zb->breaker, conf, ngx_current_msec, limit,
                               ticket, wait);

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return rc;
}


ngx_int_t
ngx_paygw_zone_breaker_tell(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_breaker_t *zb, ngx_paygw_breaker_conf_t *conf,
    ngx_uint_t ticket, ngx_uint_t failed, ngx_paygw_breaker_sum_t *sum)
{
    ngx_int_t  rc;

    ngx_shmtx_lock(&zone->shpool->mutex);

    rc = ngx_paygw_breaker_tell(&zb->breaker, conf, ngx_current_msec, ticket,
                                failed, sum);

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return rc;
}


ngx_int_t
ngx_paygw_zone_breaker_drop(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_breaker_t *zb, ngx_uint_t ticket)
{
    ngx_int_t  rc;

    ngx_shmtx_lock(&zone->shpool->mutex);

    rc = ngx_paygw_breaker_drop(&zb->breaker, ngx_current_msec, ticket);

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return rc;
}


ngx_uint_t
ngx_paygw_zone_hosts_pick(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_breaker_t *zb, ngx_uint_t n, ngx_uint_t tried)
{
    ngx_uint_t  i;

    ngx_shmtx_lock(&zone->shpool->mutex);

    i = ngx_paygw_hosts_pick(&zb->hosts, n, tried, ngx_current_msec);

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return i;
}


void
ngx_paygw_zone_hosts_tell(ngx_paygw_zone_t *zone,
    ngx_paygw_zone_breaker_t *zb, ngx_uint_t i, ngx_uint_t away)
{
    /* each answer comes by here, and most find it so */

    if (!away && !(zb->hosts.away & ((ngx_uint_t) 1 << i))) {
        return;
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    ngx_paygw_hosts_tell(&zb->hosts, i, away, ngx_current_msec);

    ngx_shmtx_unlock(&zone->shpool->mutex);
}
