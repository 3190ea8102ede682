
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_zone.h"


/* Blocks of counters in the zone; see ngx_paygw_metrics.h. */


/* one block; its slots follow it, at a cache line */
struct ngx_paygw_zone_metrics_s {
    ngx_paygw_zone_metrics_t    *next;
    uint32_t                     number;
    uint32_t                     n;
    time_t                       since;
    size_t                       len;
    u_char                       key[NGX_PAYGW_METRICS_KEY];
};


#define NGX_PAYGW_ZONE_METRICS_LINE  64

#define NGX_PAYGW_ZONE_METRICS_HEAD                                           \
    ngx_align(sizeof(ngx_paygw_zone_metrics_t), NGX_PAYGW_ZONE_METRICS_LINE)


static ngx_int_t ngx_paygw_zone_metrics_get(ngx_paygw_zone_t *zone,
    ngx_paygw_metrics_t *m);
static ngx_paygw_zone_metrics_t *ngx_paygw_zone_metrics_make(
    ngx_paygw_zone_t *zone, ngx_paygw_metrics_t *m);


void
ngx_paygw_zone_metrics(ngx_paygw_zone_t *zone, ngx_array_t *blocks,
    uint32_t number)
{
    ngx_paygw_metrics_t  **m;

    m = blocks->elts;

    zone->blocks = blocks;
    zone->number = number;
    zone->metrics = m[0];
}


ngx_int_t
ngx_paygw_zone_metrics_init(ngx_paygw_zone_t *zone, ngx_log_t *log,
    ngx_uint_t fresh)
{
    ngx_uint_t             i;
    ngx_paygw_metrics_t  **m;

    if (zone->blocks == NULL) {
        return NGX_OK;
    }

    m = zone->blocks->elts;

    for (i = 0; i < zone->blocks->nelts; i++) {

        if (ngx_paygw_zone_metrics_get(zone, m[i]) == NGX_OK) {
            continue;
        }

        if (fresh) {
            ngx_log_error(NGX_LOG_EMERG, log, 0,
                          "paygw zone \"%V\" is too small for the counters of "
                          "\"%V\", make it larger", &zone->name, &m[i]->key);
            return NGX_ERROR;
        }

        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "could not allocate counters of \"%V\" in paygw zone "
                      "\"%V\", they are not counted", &m[i]->key,
                      &zone->name);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_zone_metrics_get(ngx_paygw_zone_t *zone, ngx_paygw_metrics_t *m)
{
    ngx_paygw_zone_metrics_t  *block;

    ngx_shmtx_lock(&zone->shpool->mutex);

    for (block = zone->sh->metrics; block; block = block->next) {

        if (block->number == zone->number
            && block->n == m->n
            && block->len == m->key.len
            && ngx_memcmp(block->key, m->key.data, block->len) == 0)
        {
            break;
        }
    }

    if (block == NULL) {
        block = ngx_paygw_zone_metrics_make(zone, m);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (block == NULL) {
        return NGX_ERROR;
    }

    m->slots = (ngx_atomic_t *) ((u_char *) block
                                 + NGX_PAYGW_ZONE_METRICS_HEAD);
    m->since = block->since;

    return NGX_OK;
}


static ngx_paygw_zone_metrics_t *
ngx_paygw_zone_metrics_make(ngx_paygw_zone_t *zone, ngx_paygw_metrics_t *m)
{
    size_t                     size;
    ngx_paygw_zone_metrics_t  *block;

    size = NGX_PAYGW_ZONE_METRICS_HEAD + m->n * sizeof(ngx_atomic_t);

    block = ngx_paygw_zone_alloc(zone, size);
    if (block == NULL) {
        return NULL;
    }

    ngx_memzero(block, size);

    block->number = zone->number;
    block->n = m->n;
    block->since = ngx_time();
    block->len = m->key.len;

    ngx_memcpy(block->key, m->key.data, m->key.len);

    block->next = zone->sh->metrics;
    zone->sh->metrics = block;

    return block;
}


void
ngx_paygw_zone_room(ngx_paygw_zone_t *zone, size_t *size, size_t *free)
{
    ngx_slab_pool_t  *shpool;

    shpool = zone->shpool;

    *size = shpool->end - (u_char *) shpool;
    *free = shpool->pfree * ngx_pagesize;
}
