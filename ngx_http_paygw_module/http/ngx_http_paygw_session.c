
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_session.h"


/* stands before the balancer's own data, since that tells no host */
typedef struct {
    void                         *data;
    ngx_event_get_peer_pt         get;
    ngx_event_free_peer_pt        free;
    ngx_http_paygw_remote_t      *remote;
} ngx_http_paygw_session_peer_t;


static void ngx_http_paygw_session_cleanup(void *data);
static ngx_int_t ngx_http_paygw_session_get(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_paygw_session_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);
static ngx_int_t ngx_http_paygw_session_set(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_paygw_session_save(ngx_peer_connection_t *pc,
    void *data);


ngx_int_t
ngx_http_paygw_session_init(ngx_conf_t *cf, ngx_http_paygw_remote_t *remote)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_paygw_session_cleanup;
    cln->data = remote;

    return NGX_OK;
}


static void
ngx_http_paygw_session_cleanup(void *data)
{
    ngx_http_paygw_remote_t *remote = data;

    if (remote->session) {
        ngx_ssl_free_session(remote->session);
        remote->session = NULL;
    }
}


ngx_int_t
ngx_http_paygw_session_peer(ngx_http_request_t *r,
    ngx_http_paygw_remote_t *remote)
{
    ngx_peer_connection_t          *pc;
    ngx_http_paygw_session_peer_t  *s;

    s = ngx_palloc(r->pool, sizeof(ngx_http_paygw_session_peer_t));
    if (s == NULL) {
        return NGX_ERROR;
    }

    pc = &r->upstream->peer;

    s->data = pc->data;
    s->get = pc->get;
    s->free = pc->free;
    s->remote = remote;

    pc->data = s;
    pc->get = ngx_http_paygw_session_get;
    pc->free = ngx_http_paygw_session_free;
    pc->set_session = ngx_http_paygw_session_set;
    pc->save_session = ngx_http_paygw_session_save;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_session_get(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_paygw_session_peer_t *s = data;

    return s->get(pc, s->data);
}


static void
ngx_http_paygw_session_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_http_paygw_session_peer_t *s = data;

    s->free(pc, s->data, state);
}


static ngx_int_t
ngx_http_paygw_session_set(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_paygw_session_peer_t *s = data;

    return ngx_ssl_set_session(pc->connection, s->remote->session);
}


static void
ngx_http_paygw_session_save(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_paygw_session_peer_t *s = data;

    ngx_ssl_session_t  *session;

    session = ngx_ssl_get_session(pc->connection);

    if (session == NULL) {
        return;
    }

    if (s->remote->session) {
        ngx_ssl_free_session(s->remote->session);
    }

    s->remote->session = session;
}
