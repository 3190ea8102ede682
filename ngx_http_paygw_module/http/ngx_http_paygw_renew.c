
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_metrics.h"


/*
 * One worker of a configuration looks after the keyrings, on a timer that
 * holds no worker back.  A lease in the zone keeps the one of an older
 * configuration out of the way, and ends if a worker is killed.
 */


#define NGX_HTTP_PAYGW_RENEW_TICK     200
#define NGX_HTTP_PAYGW_RENEW_WATCH    1000
#define NGX_HTTP_PAYGW_RENEW_IDLE     60000   /* a look at all, in any case */
#define NGX_HTTP_PAYGW_RENEW_MAX      8       /* fetches at a time */
#define NGX_HTTP_PAYGW_RENEW_BACKOFF  (60 * 60)
#define NGX_HTTP_PAYGW_RENEW_DAY      ((ngx_msec_t) 24 * 60 * 60 * 1000)
#define NGX_HTTP_PAYGW_RENEW_WARN     (30 * 24 * 60 * 60)


static void ngx_http_paygw_renew_cleanup(void *data);
static void ngx_http_paygw_renew_tick(ngx_event_t *ev);
static void ngx_http_paygw_renew_all(ngx_http_paygw_main_conf_t *mcf);
static ngx_msec_t ngx_http_paygw_renew_one(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr);
static ngx_int_t ngx_http_paygw_renew_fetch(ngx_http_paygw_keyring_t *kr,
    ngx_pool_t *pool, ngx_str_t *wanted);
static void ngx_http_paygw_renew_handler(ngx_http_paygw_fetch_t *f);
static ngx_int_t ngx_http_paygw_renew_answer(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_log_t *log);
static ngx_int_t ngx_http_paygw_renew_put(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_log_t *log);
static ngx_uint_t ngx_http_paygw_renew_again(ngx_http_paygw_keyring_t *kr);
static void ngx_http_paygw_renew_end(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_pool_t *pool, ngx_int_t rc,
    ngx_str_t *wanted);
static void ngx_http_paygw_renew_result(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_int_t rc, ngx_str_t *wanted);
static ngx_msec_t ngx_http_paygw_renew_pause(ngx_http_paygw_keyring_t *kr,
    ngx_int_t rc);
static void ngx_http_paygw_renew_warn(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr);


static ngx_uint_t  ngx_http_paygw_renewing;


ngx_int_t
ngx_http_paygw_renew_init(ngx_cycle_t *cycle, ngx_http_paygw_main_conf_t *mcf)
{
    ngx_event_t         *ev;
    ngx_connection_t    *fake;
    ngx_pool_cleanup_t  *cln;

    if (mcf->keyrings.nelts == 0
        || (ngx_process != NGX_PROCESS_SINGLE
            && (ngx_process != NGX_PROCESS_WORKER || ngx_worker != 0)))
    {
        return NGX_OK;
    }

    ngx_http_paygw_renewing = 0;

    ev = ngx_pcalloc(cycle->pool, sizeof(ngx_event_t));
    fake = ngx_pcalloc(cycle->pool, sizeof(ngx_connection_t));

    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (ev == NULL || fake == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    /* a single process frees an old configuration without our exit_process */

    cln->handler = ngx_http_paygw_renew_cleanup;
    cln->data = mcf;

    fake->fd = (ngx_socket_t) -1;
    fake->data = mcf;

    ev->data = fake;
    ev->handler = ngx_http_paygw_renew_tick;
    ev->log = cycle->log;
    ev->cancelable = 1;

    mcf->keyring_timer = ev;
    mcf->keyring_due = ngx_current_msec;
    mcf->watch_due = ngx_current_msec;

    ngx_add_timer(ev, 1);

    return NGX_OK;
}


static void
ngx_http_paygw_renew_cleanup(void *data)
{
    ngx_http_paygw_renew_exit(data);
}


void
ngx_http_paygw_renew_exit(ngx_http_paygw_main_conf_t *mcf)
{
    ngx_pool_t                 *pool;
    ngx_uint_t                  i;
    ngx_http_paygw_keyring_t  **kr;

    if (mcf->keyring_timer && mcf->keyring_timer->timer_set) {
        ngx_del_timer(mcf->keyring_timer);
    }

    kr = mcf->keyrings.elts;

    for (i = 0; i < mcf->keyrings.nelts; i++) {

        if (kr[i]->fetch == NULL) {
            continue;
        }

        pool = kr[i]->fetch->pool;

        ngx_http_paygw_fetch_cancel(kr[i]->fetch);
        ngx_http_paygw_renew_end(mcf, kr[i], pool, NGX_ABORT, NULL);
    }
}


static void
ngx_http_paygw_renew_tick(ngx_event_t *ev)
{
    ngx_atomic_uint_t            turn;
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ((ngx_connection_t *) ev->data)->data;

    if (ngx_exiting || ngx_terminate || ngx_quit) {
        return;
    }

    if ((ngx_msec_int_t) (ngx_current_msec - mcf->watch_due) >= 0) {
        mcf->watch_due = ngx_current_msec + NGX_HTTP_PAYGW_RENEW_WATCH;
        ngx_http_paygw_watch(mcf, ev->log);
    }

    turn = ngx_paygw_ring_turn(mcf->zone);

    if (turn != mcf->turn
        || (ngx_msec_int_t) (ngx_current_msec - mcf->keyring_due) >= 0)
    {
        mcf->turn = turn;
        ngx_http_paygw_renew_all(mcf);
    }

    ngx_add_timer(ev, NGX_HTTP_PAYGW_RENEW_TICK);
}


static void
ngx_http_paygw_renew_all(ngx_http_paygw_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_msec_t                  next, least;
    ngx_http_paygw_keyring_t  **kr;

    kr = mcf->keyrings.elts;
    least = NGX_HTTP_PAYGW_RENEW_IDLE;

    for (i = 0; i < mcf->keyrings.nelts; i++) {

        ngx_http_paygw_renew_warn(mcf, kr[i]);

        if (kr[i]->ring == NULL || kr[i]->fetch
            || !kr[i]->channel->keyring->fetch)
        {
            continue;
        }

        next = ngx_http_paygw_renew_one(mcf, kr[i]);
        least = ngx_min(least, next);
    }

    mcf->keyring_due = ngx_current_msec + least;
}


/* begins a fetch if one is due; returns when to look again */

static ngx_msec_t
ngx_http_paygw_renew_one(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr)
{
    ngx_int_t             rc;
    ngx_str_t             wanted;
    ngx_pool_t           *pool;
    ngx_msec_t            next;
    ngx_paygw_keyring_t  *conf;

    if (ngx_http_paygw_renewing == NGX_HTTP_PAYGW_RENEW_MAX) {
        return NGX_HTTP_PAYGW_RENEW_TICK;
    }

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_HTTP_PAYGW_RENEW_IDLE;
    }

    conf = kr->channel->keyring;

    rc = ngx_paygw_ring_begin(mcf->zone, kr->ring, conf->retry * 1000,
                              ngx_http_paygw_fetch_lease(kr->nhosts), pool,
                              &wanted, &next);
    if (rc != NGX_OK) {
        ngx_destroy_pool(pool);
        return next;
    }

    ngx_http_paygw_renewing++;

    kr->again = 0;

    rc = ngx_http_paygw_renew_fetch(kr, pool, &wanted);

    if (rc != NGX_OK) {
        ngx_http_paygw_renew_end(mcf, kr, pool,
                                 rc == NGX_DECLINED ? NGX_DONE : NGX_ERROR,
                                 &wanted);
    }

    return NGX_HTTP_PAYGW_RENEW_TICK;
}


static ngx_int_t
ngx_http_paygw_renew_fetch(ngx_http_paygw_keyring_t *kr, ngx_pool_t *pool,
    ngx_str_t *wanted)
{
    ngx_int_t                  rc;
    ngx_http_paygw_fetch_t    *f;
    ngx_paygw_source_fetch_t  *sf;

    f = ngx_pcalloc(pool, sizeof(ngx_http_paygw_fetch_t));
    sf = ngx_pcalloc(pool, sizeof(ngx_paygw_source_fetch_t));

    if (f == NULL || sf == NULL) {
        return NGX_ERROR;
    }

    sf->channel = kr->channel;
    sf->pool = pool;
    sf->log = ngx_cycle->log;
    sf->now = ngx_time();
    sf->wanted = *wanted;
    sf->path = kr->hosts[0].uri;

    rc = kr->channel->keyring->source->request(sf);

    if (rc != NGX_OK) {
        return rc;
    }

    f->pool = pool;
    f->hosts = kr->hosts;
    f->nhosts = kr->nhosts;
    f->method = sf->method;
    f->target = sf->target;
    f->headers = sf->headers;
    f->body = sf->body;
    f->what = kr->channel->name;
    f->handler = ngx_http_paygw_renew_handler;
    f->data = kr;

    kr->fetch = f;
    kr->source = sf;

    ngx_http_paygw_fetch(f);

    return NGX_OK;
}


static void
ngx_http_paygw_renew_handler(ngx_http_paygw_fetch_t *f)
{
    ngx_int_t                    rc;
    ngx_str_t                    wanted;
    ngx_http_paygw_keyring_t    *kr;
    ngx_http_paygw_main_conf_t  *mcf;

    kr = f->data;
    wanted = kr->source->wanted;

    mcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                              ngx_http_paygw_module);
    rc = f->rc;

    if (rc == NGX_OK) {
        rc = ngx_http_paygw_renew_answer(mcf, kr, &f->log);
    }

    if (ngx_http_paygw_renew_again(kr)) {
        return;
    }

    ngx_http_paygw_renew_end(mcf, kr, f->pool, rc, &wanted);
}


static ngx_int_t
ngx_http_paygw_renew_answer(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_log_t *log)
{
    ngx_int_t                  rc;
    ngx_paygw_source_fetch_t  *sf;

    sf = kr->source;

    sf->now = ngx_time();
    sf->log = log;
    sf->response = &kr->fetch->response;

    ngx_http_paygw_keyring_refresh(mcf, log);

    rc = kr->channel->keyring->source->answer(sf);

    switch (rc) {

    case NGX_OK:
        return ngx_http_paygw_renew_put(mcf, kr, log);

    case NGX_DONE:
        ngx_log_error(NGX_LOG_NOTICE, log, 0, "provider has no %s", sf->err);
        return NGX_DONE;

    case NGX_DECLINED:
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "keys of the provider were refused: %s, status %ui",
                      sf->err, sf->response->status);
        return NGX_ERROR;

    default: /* NGX_ERROR */
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "keys of the provider could not be read");
        return NGX_ERROR;
    }
}


static ngx_int_t
ngx_http_paygw_renew_put(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_log_t *log)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_paygw_ring_key_t       keys[NGX_PAYGW_KEYS_MAX];
    ngx_paygw_source_fetch_t  *sf;

    sf = kr->source;

    ngx_memzero(keys, sizeof(keys));

    for (i = 0; i < sf->nfound; i++) {
        keys[i].id = sf->found[i].key.id;
        keys[i].text = sf->found[i].text;
        keys[i].not_after = sf->found[i].key.not_after;
    }

    rc = ngx_http_paygw_keyring_put(mcf, kr, keys, sf->nfound, log);

    if (rc == NGX_OK) {
        ngx_http_paygw_keep_save(mcf, kr, log);
    }

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
}


/* the answer named a key that is not known yet: once more, at once */

static ngx_uint_t
ngx_http_paygw_renew_again(ngx_http_paygw_keyring_t *kr)
{
    ngx_str_t  next;

    next = kr->source->next;

    if (next.len == 0 || kr->again++) {
        return 0;
    }

    return ngx_http_paygw_renew_fetch(kr, kr->fetch->pool, &next) == NGX_OK;
}


static void
ngx_http_paygw_renew_end(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_pool_t *pool, ngx_int_t rc,
    ngx_str_t *wanted)
{
    if (rc == NGX_ABORT) {
        ngx_paygw_ring_abandon(mcf->zone, kr->ring);

    } else {
        ngx_http_paygw_renew_result(mcf, kr, rc, wanted);
    }

    kr->fetch = NULL;
    kr->source = NULL;

    ngx_http_paygw_renewing--;

    ngx_destroy_pool(pool);
}


static void
ngx_http_paygw_renew_result(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_int_t rc, ngx_str_t *wanted)
{
    ngx_msec_t  pause;

    pause = ngx_http_paygw_renew_pause(kr, rc);

    ngx_paygw_ring_end(mcf->zone, kr->ring, rc != NGX_ERROR,
                       kr->channel->keyring->source->list, wanted, pause);

    ngx_http_paygw_metrics_fetch(mcf, kr->channel, rc == NGX_ERROR);

    if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "keys of channel \"%V\" will be fetched again in %M ms, "
                      "the known ones are kept", &kr->channel->name, pause);
    }
}


/* with jitter: machines that began together must not ask together */

static ngx_msec_t
ngx_http_paygw_renew_pause(ngx_http_paygw_keyring_t *kr, ngx_int_t rc)
{
    time_t                t;
    ngx_uint_t            n;
    ngx_paygw_keyring_t  *conf;

    conf = kr->channel->keyring;

    switch (rc) {

    case NGX_OK:
    case NGX_DONE:
        t = conf->interval;
        break;

    default:
        t = conf->retry;

        for (n = ngx_paygw_ring_failures(kr->ring); n && n < 16; n--) {
            t *= 2;

            if (t > NGX_HTTP_PAYGW_RENEW_BACKOFF) {
                t = ngx_max(conf->retry, NGX_HTTP_PAYGW_RENEW_BACKOFF);
                break;
            }
        }

        t = ngx_min(t, ngx_max(conf->interval, conf->retry));
    }

    return (ngx_msec_t) t * 1000 - ngx_random() % (t * 1000 / 8 + 1);
}


/* once a day: a certificate that ends and has no successor */

static void
ngx_http_paygw_renew_warn(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr)
{
    time_t             now, last;
    ngx_str_t         *id;
    ngx_uint_t         i;
    ngx_paygw_key_t  **key;

    now = ngx_time();
    last = 0;
    id = NULL;

    key = kr->channel->keys->elts;

    for (i = 0; i < kr->channel->keys->nelts; i++) {

        if (key[i]->not_after == 0) {
            return;
        }

        if (key[i]->not_after > last) {
            last = key[i]->not_after;
            id = &key[i]->id;
        }
    }

    if (id == NULL || last - now > NGX_HTTP_PAYGW_RENEW_WARN) {
        return;
    }

    if (kr->ring == NULL) {
        kr->ring = ngx_paygw_ring_get(mcf->zone, &kr->channel->name, 1);
    }

    if (kr->ring == NULL
        || !ngx_paygw_ring_remind(mcf->zone, kr->ring,
                                  NGX_HTTP_PAYGW_RENEW_DAY))
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "certificate \"%V\" of channel \"%V\", the last one that "
                  "is known, %s %T days", id, &kr->channel->name,
                  last < now ? "has ended for" : "ends in",
                  ngx_abs(last - now) / (24 * 60 * 60));
}
