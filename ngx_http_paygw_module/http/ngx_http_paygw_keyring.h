
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_KEYRING_H_INCLUDED_
#define _NGX_HTTP_PAYGW_KEYRING_H_INCLUDED_


#include "ngx_http_paygw_module.h"
#include "ngx_paygw_breaker.h"
#include "ngx_paygw_retry.h"
#include "ngx_paygw_source.h"
#include "ngx_paygw_ring.h"
#include "ngx_http_paygw_fetch.h"


/*
 * The keyrings of the channels: the copy of a worker, and what the one worker
 * does that keeps them up to date.
 *
 *   ngx_http_paygw_endpoint.c   "endpoint" and its TLS
 *   ngx_http_paygw_keyring.c    the worker's copy
 *   ngx_http_paygw_wait.c       callbacks that wait for a key
 *   ngx_http_paygw_renew.c      the one worker: fetches
 *   ngx_http_paygw_watch.c      the one worker: files
 *   ngx_http_paygw_keep.c       "paygw_keyring_path"
 */


/* a host of the endpoint, as calls see it: see ngx_http_paygw_remote.h */
typedef struct {
    ngx_http_conf_ctx_t         *ctx;       /* of its location; NULL: none */
    ngx_str_t                    name;      /* of the upstream */
    ngx_http_paygw_host_t       *host;
    ngx_paygw_channel_t         *channel;
    ngx_uint_t                   resolve;   /* its name is looked up for each
                                               call; unsigned:1 */
    ngx_ssl_session_t           *session;   /* of a worker, see
                                               ngx_http_paygw_session.h */
} ngx_http_paygw_remote_t;


/* of a channel: ch->upper */
typedef struct {
    ngx_paygw_channel_t         *channel;

    /* of the configuration */
    ngx_http_paygw_host_t        hosts[NGX_HTTP_PAYGW_HOSTS];
    ngx_uint_t                   nhosts;
    u_char                      *file;       /* where "endpoint" stands, NULL:
                                                nowhere */
    ngx_uint_t                   line;
    ngx_uint_t                   orders;     /* paygw_pass or paygw_api names
                                                it; unsigned:1 */
    ngx_uint_t                   api;        /* paygw_api does; unsigned:1 */
    ngx_str_t                    trusted;   /* CA certificates of the TLS */
    ngx_ssl_t                   *ssl;       /* NULL: no host has TLS */
    ngx_array_t                 *keys;      /* ch->keys as configured */
    ngx_http_paygw_remote_t      remotes[NGX_HTTP_PAYGW_HOSTS];
    ngx_array_t                 *given;     /* names of its proxy_... lines, of
                                               ngx_str_t */

    /* see ngx_http_paygw_transport.h; 0 and NULL: a location says it */
    ngx_msec_t                   deadline;
    size_t                       body_max;
    ngx_paygw_retry_t           *retry;
    ngx_http_paygw_breaker_t    *breaker;
    ngx_http_paygw_breaker_t    *used;      /* what is in force somewhere */

    /* of a worker */
    ngx_paygw_ring_t            *ring;      /* in the zone; NULL: none */
    ngx_pool_t                  *pool;      /* of the copy; NULL: none */
    ngx_atomic_uint_t            changes;   /* that are in the copy */
    ngx_paygw_zone_breaker_t    *health;    /* in the zone; NULL: none */

    /* of the one worker */
    ngx_msec_t                   due;       /* not to be looked at before */
    ngx_http_paygw_fetch_t      *fetch;     /* under way, or NULL */
    ngx_paygw_source_fetch_t    *source;
    ngx_uint_t                   again;     /* fetches in a row */
} ngx_http_paygw_keyring_t;


/* ngx_http_paygw_endpoint.c */

/* ch->upper, made if need be; NULL: memory */
ngx_http_paygw_keyring_t *ngx_http_paygw_endpoint_get(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch);

/* the "upstream {}" of a file whose name is that of the host, or NULL */
ngx_http_upstream_srv_conf_t *ngx_http_paygw_endpoint_upstream(ngx_conf_t *cf,
    ngx_http_paygw_host_t *host);

/* 1 if there are addresses, and all of them are of this machine */
ngx_uint_t ngx_http_paygw_endpoint_loopback(ngx_addr_t *addrs,
    ngx_uint_t naddrs);

/* a line of paygw_channel: *known is 1 if it was one of ours */
ngx_int_t ngx_http_paygw_endpoint_line(ngx_conf_t *cf,
    ngx_paygw_channel_t *ch, ngx_int_t *known);

/* once all of http{} has been read */
ngx_int_t ngx_http_paygw_endpoint_init(ngx_conf_t *cf,
    ngx_http_paygw_main_conf_t *mcf);


/* ngx_http_paygw_keyring.c */

ngx_int_t ngx_http_paygw_keyring_init_process(ngx_cycle_t *cycle,
    ngx_http_paygw_main_conf_t *mcf);
void ngx_http_paygw_keyring_exit_process(ngx_http_paygw_main_conf_t *mcf);

/* the worker's copy is brought up to date; costs one read if it is */
void ngx_http_paygw_keyring_refresh(ngx_http_paygw_main_conf_t *mcf,
    ngx_log_t *log);

/*
 * A callback names a key that is not known: as ngx_paygw_ring_want(), of all
 * channels that might have it.
 */
ngx_int_t ngx_http_paygw_keyring_want(ngx_http_paygw_main_conf_t *mcf,
    ngx_paygw_notify_t *n);

/* puts keys into the ring, and into the file; logs what came */
ngx_int_t ngx_http_paygw_keyring_put(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_paygw_ring_key_t *keys, ngx_uint_t n,
    ngx_log_t *log);


/* ngx_http_paygw_renew.c */

ngx_int_t ngx_http_paygw_renew_init(ngx_cycle_t *cycle,
    ngx_http_paygw_main_conf_t *mcf);
void ngx_http_paygw_renew_exit(ngx_http_paygw_main_conf_t *mcf);


/* ngx_http_paygw_watch.c */

/* a look at all files; those that have changed are read */
void ngx_http_paygw_watch(ngx_http_paygw_main_conf_t *mcf, ngx_log_t *log);

/*
 * Reads a small file, up to text->len bytes, which is set to what there is.
 * NGX_OK with what it is in *fi; NGX_DECLINED if there is none; NGX_ERROR;
 * both with *why, and *err if the system said it.
 */
ngx_int_t ngx_http_paygw_watch_read(ngx_str_t *path, ngx_str_t *text,
    ngx_file_info_t *fi, ngx_err_t *err, const char **why);


/* ngx_http_paygw_keep.c */

/* reads what was kept into the rings that are empty */
void ngx_http_paygw_keep_load(ngx_cycle_t *cycle,
    ngx_http_paygw_main_conf_t *mcf);

/* writes the fetched keys of a ring */
void ngx_http_paygw_keep_save(ngx_http_paygw_main_conf_t *mcf,
    ngx_http_paygw_keyring_t *kr, ngx_log_t *log);


#endif /* _NGX_HTTP_PAYGW_KEYRING_H_INCLUDED_ */
