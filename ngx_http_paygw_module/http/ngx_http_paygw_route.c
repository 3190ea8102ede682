
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_route.h"


/* The choice of a channel; its configuration is ngx_http_paygw_route_conf.c. */


/* bits of channels */
typedef uint32_t  ngx_http_paygw_route_set_t;


static ngx_int_t ngx_http_paygw_route_fitting(ngx_http_request_t *r,
    ngx_http_paygw_route_t *route, ngx_str_t *method, ngx_uint_t tried,
    ngx_http_paygw_route_set_t *set, ngx_http_paygw_route_set_t *well);
static ngx_int_t ngx_http_paygw_route_fits(ngx_http_request_t *r,
    ngx_http_paygw_route_channel_t *c, ngx_str_t *method);
static ngx_uint_t ngx_http_paygw_route_well(
    ngx_http_paygw_route_channel_t *c);
static ngx_http_paygw_route_set_t ngx_http_paygw_route_best(
    ngx_http_paygw_route_t *route, ngx_http_paygw_route_set_t set);
static ngx_uint_t ngx_http_paygw_route_cost(ngx_http_paygw_route_t *route,
    ngx_uint_t i);
static ngx_uint_t ngx_http_paygw_route_draw(ngx_http_paygw_route_t *route,
    ngx_http_paygw_route_set_t set, ngx_str_t *number);


#define ngx_http_paygw_route_bit(i)  ((ngx_http_paygw_route_set_t) 1 << (i))


ngx_int_t
ngx_http_paygw_route_pick(ngx_http_request_t *r,
    ngx_http_paygw_route_t *route, ngx_str_t *method, ngx_str_t *number,
    ngx_uint_t *tried, ngx_paygw_channel_t **channel)
{
    ngx_int_t                        rc;
    ngx_uint_t                       i;
    ngx_http_paygw_route_set_t       set, well;
    ngx_http_paygw_route_channel_t  *c;

    rc = ngx_http_paygw_route_fitting(r, route, method, *tried, &set, &well);

    if (rc != NGX_OK) {
        return rc;
    }

    /*
     * Drawn among all of them, and again without one that is in trouble: so
     * orders of the others stay where they are.
     */

    for ( ;; ) {
        i = ngx_http_paygw_route_draw(route,
                                      ngx_http_paygw_route_best(route, set),
                                      number);

        if (well == 0 || (well & ngx_http_paygw_route_bit(i))) {
            break;
        }

        set &= ~ngx_http_paygw_route_bit(i);
    }

    c = route->channels.elts;

    *tried |= ngx_http_paygw_route_bit(i);
    *channel = c[i].channel;

    return NGX_OK;
}


/*
 * Those that may be picked, and which of them are well: backups only if nothing
 * else is, and they are
 */

static ngx_int_t
ngx_http_paygw_route_fitting(ngx_http_request_t *r,
    ngx_http_paygw_route_t *route, ngx_str_t *method, ngx_uint_t tried,
    ngx_http_paygw_route_set_t *set, ngx_http_paygw_route_set_t *well)
{
    ngx_int_t                        rc;
    ngx_uint_t                       i, k;
    ngx_http_paygw_route_set_t       fit[2], good[2];
    ngx_http_paygw_route_channel_t  *c;

    ngx_memzero(fit, sizeof(fit));
    ngx_memzero(good, sizeof(good));

    c = route->channels.elts;

    for (i = 0; i < route->channels.nelts; i++) {

        if (tried & ngx_http_paygw_route_bit(i)) {
            continue;
        }

        rc = ngx_http_paygw_route_fits(r, &c[i], method);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            fit[c[i].backup] |= ngx_http_paygw_route_bit(i);

            if (ngx_http_paygw_route_well(&c[i])) {
                good[c[i].backup] |= ngx_http_paygw_route_bit(i);
            }
        }
    }

    k = (good[0] == 0 && (good[1] || fit[0] == 0));

    *set = fit[k];
    *well = good[k];

    return *set ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_paygw_route_fits(ngx_http_request_t *r,
    ngx_http_paygw_route_channel_t *c, ngx_str_t *method)
{
    ngx_str_t   value, *m;
    ngx_uint_t  i;

    if (c->methods) {
        m = c->methods->elts;

        for (i = 0; i < c->methods->nelts; i++) {
            if (m[i].len == method->len
                && ngx_strncmp(m[i].data, method->data, m[i].len) == 0)
            {
                break;
            }
        }

        if (i == c->methods->nelts) {
            return NGX_DECLINED;
        }
    }

    if (c->condition == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, c->condition, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    return (value.len == 0 || (value.len == 1 && value.data[0] == '0'))
           ? NGX_DECLINED : NGX_OK;
}


/* its breaker would let a call through */

static ngx_uint_t
ngx_http_paygw_route_well(ngx_http_paygw_route_channel_t *c)
{
    ngx_http_paygw_keyring_t  *kr;

    kr = c->channel->upper;

    return kr == NULL || kr->health == NULL || kr->used == NULL
           || ngx_paygw_zone_breaker_ready(kr->health);
}


/* of a set those that the strategy holds for equal, and better than others */

static ngx_http_paygw_route_set_t
ngx_http_paygw_route_best(ngx_http_paygw_route_t *route,
    ngx_http_paygw_route_set_t set)
{
    ngx_uint_t                  i, cost, least;
    ngx_http_paygw_route_set_t  best;

    if (route->strategy == NGX_HTTP_PAYGW_ROUTE_WEIGHT) {
        return set;
    }

    best = 0;
    least = 0;

    for (i = 0; i < route->channels.nelts; i++) {

        if (!(set & ngx_http_paygw_route_bit(i))) {
            continue;
        }

        cost = ngx_http_paygw_route_cost(route, i);

        if (best == 0 || cost < least) {
            best = 0;
            least = cost;
        }

        if (cost == least) {
            best |= ngx_http_paygw_route_bit(i);
        }
    }

    return best;
}


static ngx_uint_t
ngx_http_paygw_route_cost(ngx_http_paygw_route_t *route, ngx_uint_t i)
{
    ngx_http_paygw_keyring_t        *kr;
    ngx_http_paygw_route_channel_t  *c;

    c = route->channels.elts;

    switch (route->strategy) {

    case NGX_HTTP_PAYGW_ROUTE_FEE:
        return c[i].fee;

    case NGX_HTTP_PAYGW_ROUTE_SUCCESS:
        kr = c[i].channel->upper;

        if (kr == NULL || kr->health == NULL) {
            return 0;
        }

        /* by steps of five in a hundred: the rest is chance */

        return ngx_paygw_zone_breaker_share(kr->health) / 5;

    default: /* NGX_HTTP_PAYGW_ROUTE_ORDER */
        return i;
    }
}


/* the same number is drawn the same from the same set */

static ngx_uint_t
ngx_http_paygw_route_draw(ngx_http_paygw_route_t *route,
    ngx_http_paygw_route_set_t set, ngx_str_t *number)
{
    uint32_t                         at;
    ngx_uint_t                       i, last, total;
    ngx_http_paygw_route_channel_t  *c;

    c = route->channels.elts;
    total = 0;
    last = 0;

    for (i = 0; i < route->channels.nelts; i++) {
        if (set & ngx_http_paygw_route_bit(i)) {
            total += c[i].weight;
            last = i;
        }
    }

    at = ngx_murmur_hash2(number->data, number->len) % total;

    for (i = 0; i < last; i++) {

        if (!(set & ngx_http_paygw_route_bit(i))) {
            continue;
        }

        if (at < c[i].weight) {
            break;
        }

        at -= c[i].weight;
    }

    return i;
}


ngx_http_paygw_route_t *
ngx_http_paygw_route_find(ngx_http_paygw_main_conf_t *mcf, ngx_str_t *name)
{
    ngx_uint_t                i;
    ngx_http_paygw_route_t  **route;

    route = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {
        if (route[i]->name.len == name->len
            && ngx_strncmp(route[i]->name.data, name->data, name->len) == 0)
        {
            return route[i];
        }
    }

    return NULL;
}
