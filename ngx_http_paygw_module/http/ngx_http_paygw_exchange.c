
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_body.h"
#include "ngx_http_paygw_download.h"
#include "ngx_http_paygw_exchange.h"
#include "ngx_http_paygw_headers.h"
#include "ngx_http_paygw_remote.h"
#include "ngx_http_paygw_resolve.h"


static ngx_int_t ngx_http_paygw_exchange_request(ngx_http_request_t *sr,
    ngx_http_paygw_try_t *t);
static ngx_int_t ngx_http_paygw_exchange_body(ngx_http_request_t *sr,
    ngx_str_t *body);
static void ngx_http_paygw_exchange_run(ngx_http_request_t *sr);
static void ngx_http_paygw_exchange_begin(ngx_http_request_t *sr);
static ngx_int_t ngx_http_paygw_exchange_done(ngx_http_request_t *sr,
    void *data, ngx_int_t rc);
static ngx_uint_t ngx_http_paygw_exchange_stale(ngx_http_upstream_t *u,
    ngx_int_t rc);
static ngx_http_paygw_end_e ngx_http_paygw_exchange_end(
    ngx_http_paygw_try_t *t, ngx_int_t rc);
static void ngx_http_paygw_exchange_fields(ngx_paygw_exchange_t *x,
    ngx_list_t *headers);
static ngx_int_t ngx_http_paygw_exchange_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_paygw_exchange_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static void ngx_http_paygw_exchange_overflow_handler(ngx_event_t *ev);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


static const ngx_str_t  ngx_http_paygw_exchange_uri =
    ngx_string("/paygw");


ngx_int_t
ngx_http_paygw_exchange(ngx_http_request_t *r, ngx_http_paygw_try_t *t)
{
    ngx_str_t                    uri;
    ngx_http_request_t          *sr;
    ngx_http_post_subrequest_t  *ps;

    ps = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));
    if (ps == NULL) {
        return NGX_ERROR;
    }

    ps->handler = ngx_http_paygw_exchange_done;
    ps->data = t;

    /* of the try before */

    ngx_http_paygw_exchange_cancel(t);

    if (ngx_array_init(&t->body, r->pool, 1024, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    t->done = 0;
    t->complete = 0;
    t->too_long = 0;
    t->expired = 0;
    t->failed = 0;
    t->stale = 0;
    t->exchange->status = 0;

    uri = ngx_http_paygw_exchange_uri;

    if (ngx_http_subrequest(r, &uri, NULL, &sr, ps,
                            t->download ? NGX_HTTP_SUBREQUEST_WAITED
                                        : NGX_HTTP_SUBREQUEST_IN_MEMORY
                                          |NGX_HTTP_SUBREQUEST_WAITED)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    t->sr = sr;

    /*
     * No phase of nginx is run for it: what http{} says to authenticate,
     * limit, rewrite or mirror is about the requests of clients.
     */

    sr->srv_conf = t->remote->ctx->srv_conf;
    sr->loc_conf = t->remote->ctx->loc_conf;
    sr->write_event_handler = ngx_http_paygw_exchange_run;

    if (ngx_http_paygw_exchange_request(sr, t) != NGX_OK) {
        /* it is there already, and ends without having begun */
        t->failed = 1;
    }

    r->write_event_handler = t->handler;

    return NGX_OK;
}


/* a request of ours, in which nothing is left of the caller's */

static ngx_int_t
ngx_http_paygw_exchange_request(ngx_http_request_t *sr,
    ngx_http_paygw_try_t *t)
{
    ngx_uint_t             i;
    ngx_str_t              server;
    ngx_paygw_exchange_t  *x;

    x = t->exchange;
    server = sr->headers_in.server;

    ngx_memzero(&sr->headers_in, sizeof(ngx_http_headers_in_t));

    sr->headers_in.server = server;
    sr->headers_in.keep_alive_n = -1;
    sr->headers_in.content_length_n = -1;

    if (ngx_list_init(&sr->headers_in.headers, sr->pool, 8,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < x->nfields; i++) {
        if (ngx_http_paygw_headers_add(sr, &x->fields[i].name,
                                       x->fields[i].lowcase,
                                       &x->fields[i].value)
            == NULL)
        {
            return NGX_ERROR;
        }
    }

    /*
     * The proxy module takes the real method from a variable.  POST is what
     * keeps nginx from sending a request twice once a byte of it has left.
     */

    sr->method = NGX_HTTP_POST;
    sr->method_name = x->method;

    sr->unparsed_uri = x->target;
    sr->valid_unparsed_uri = 1;

    return ngx_http_paygw_exchange_body(sr, &x->body);
}


static ngx_int_t
ngx_http_paygw_exchange_body(ngx_http_request_t *sr, ngx_str_t *body)
{
    ngx_chain_t              *cl;
    ngx_http_request_body_t  *rb;

    rb = ngx_pcalloc(sr->pool, sizeof(ngx_http_request_body_t));
    if (rb == NULL) {
        return NGX_ERROR;
    }

    sr->request_body = rb;

    if (body->len == 0) {
        return NGX_OK;
    }

    cl = ngx_http_paygw_body_chain(sr->pool, body);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    rb->bufs = cl;
    rb->buf = cl->buf;

    sr->headers_in.content_length_n = body->len;

    return NGX_OK;
}


/* what the content phase would do */

static void
ngx_http_paygw_exchange_run(ngx_http_request_t *sr)
{
    ngx_http_paygw_try_t  *t;

    t = sr->post_subrequest->data;

    sr->write_event_handler = ngx_http_request_empty_handler;

    if (t->failed) {
        ngx_http_finalize_request(sr, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_http_update_location_config(sr);

    if (t->remote->resolve) {
        ngx_http_paygw_resolve(sr, t, ngx_http_paygw_exchange_begin);
        return;
    }

    ngx_http_paygw_exchange_begin(sr);
}


static void
ngx_http_paygw_exchange_begin(ngx_http_request_t *sr)
{
    ngx_http_paygw_try_t      *t;
    ngx_http_core_loc_conf_t  *clcf;

    t = sr->post_subrequest->data;

    if (t->expired) {
        ngx_http_finalize_request(sr, NGX_HTTP_GATEWAY_TIME_OUT);
        return;
    }

    clcf = ngx_http_get_module_loc_conf(sr, ngx_http_core_module);

    ngx_http_finalize_request(sr, clcf->handler(sr));
}


static ngx_int_t
ngx_http_paygw_exchange_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_paygw_try_t *t = data;

    /*
     * A caller of HTTP/2 that has left is an error of his connection, for which
     * nginx ends all that he has asked for.  A call goes on: it is hidden until
     * the caller of the exchange has the request again.  A file ends with him.
     */

    if (sr->connection->error && t->download == NULL) {
        sr->connection->error = 0;
        t->left = 1;
    }

    if (t->done) {
        return NGX_OK;
    }

    t->done = 1;
    t->end = ngx_http_paygw_exchange_end(t, rc);

    t->exchange->n.msg.body.data = t->body.elts;
    t->exchange->n.msg.body.len = t->body.nelts;

    t->stale = ngx_http_paygw_exchange_stale(sr->upstream, rc);

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, sr->connection->log, 0,
                   "http paygw exchange done: %i, end %ui, status %ui",
                   rc, t->end, t->exchange->status);

    /* the caller of the exchange decides; nginx makes no page of it */

    return NGX_OK;
}


static ngx_http_paygw_end_e
ngx_http_paygw_exchange_end(ngx_http_paygw_try_t *t, ngx_int_t rc)
{
    ngx_http_upstream_t  *u;

    u = t->sr->upstream;

    if (u == NULL || (!u->request_sent && t->exchange->status == 0)) {
        return NGX_HTTP_PAYGW_UNSENT;
    }

    if (t->too_long) {
        return NGX_HTTP_PAYGW_TOO_LONG;
    }

    /*
     * An answer that was cut has no last buffer, though rc is 0.  Of a file
     * that passes, some may still be on its way to the client: NGX_AGAIN.
     */

    if (t->complete && (rc == NGX_OK || rc == NGX_AGAIN)
        && t->exchange->status)
    {
        return NGX_HTTP_PAYGW_ANSWERED;
    }

    /* a caller who has left hides why there is no answer */

    if (t->expired || rc == NGX_HTTP_GATEWAY_TIME_OUT
        || rc == NGX_HTTP_CLIENT_CLOSED_REQUEST)
    {
        return NGX_HTTP_PAYGW_LATE_ANSWER;
    }

    return NGX_HTTP_PAYGW_BROKEN;
}


/*
 * A connection of an earlier call, of which the other side knew nothing any
 * more: it was closed before a byte of an answer had come.
 */

static ngx_uint_t
ngx_http_paygw_exchange_stale(ngx_http_upstream_t *u, ngx_int_t rc)
{
    return u && u->peer.cached && rc == NGX_HTTP_BAD_GATEWAY
           && u->state && u->state->bytes_received == 0;
}


/*
 * A connection on which nothing has come in time is what the upstream module
 * knows; so it is told that, and cleans up itself.
 */

void
ngx_http_paygw_exchange_expire(ngx_http_paygw_try_t *t)
{
    ngx_connection_t     *c;
    ngx_http_upstream_t  *u;

    if (t->done || t->sr == NULL || t->expired) {
        return;
    }

    t->expired = 1;

    if (ngx_http_paygw_resolve_cancel(t)) {
        ngx_http_finalize_request(t->sr, NGX_HTTP_GATEWAY_TIME_OUT);
        return;
    }

    u = t->sr->upstream;
    c = u ? u->peer.connection : NULL;

    if (c == NULL) {
        /* it has not begun, and ends as soon as it has */
        return;
    }

    /* no other address: there is no time left for it */

    u->peer.tries = 0;

    c->read->timedout = 1;
    c->write->timedout = 1;

    c->read->handler(c->read);
}


/* not by r->ctx, which a redirect within the subrequest would wipe */

ngx_http_paygw_try_t *
ngx_http_paygw_exchange_of(ngx_http_request_t *r)
{
    if (r == r->main || r->post_subrequest == NULL
        || r->post_subrequest->handler != ngx_http_paygw_exchange_done)
    {
        return NULL;
    }

    return r->post_subrequest->data;
}


static ngx_int_t
ngx_http_paygw_exchange_header_filter(ngx_http_request_t *r)
{
    ngx_http_paygw_try_t  *t;

    t = ngx_http_paygw_exchange_of(r);

    if (t == NULL) {
        return ngx_http_next_header_filter(r);
    }

    r->filter_need_in_memory = 1;

    if (r->upstream) {
        t->exchange->status = r->upstream->headers_in.status_n;

        ngx_http_paygw_exchange_fields(t->exchange,
                                       &r->upstream->headers_in.headers);

        if (t->download) {
            return ngx_http_paygw_download_header(t);
        }
    }

    return NGX_OK;
}


/* the values of the fields that the provider wants, as they came */

static void
ngx_http_paygw_exchange_fields(ngx_paygw_exchange_t *x, ngx_list_t *headers)
{
    ngx_uint_t            i, k;
    ngx_list_part_t      *part;
    ngx_table_elt_t      *h;
    const ngx_str_t      *name;
    ngx_paygw_message_t  *msg;

    msg = &x->n.msg;
    name = x->n.channels[0]->tells;

    if (name == NULL) {
        name = x->n.channels[0]->provider->api->headers;
    }

    ngx_memzero(msg->headers, sizeof(msg->headers));
    msg->repeated = 0;

    part = &headers->part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        for (k = 0; name[k].len; k++) {

            if (h[i].key.len != name[k].len
                || ngx_strncasecmp(h[i].key.data, name[k].data, name[k].len)
                   != 0)
            {
                continue;
            }

            if (msg->headers[k].data) {
                msg->repeated |= (ngx_uint_t) 1 << k;

            } else {
                msg->headers[k] = h[i].value;
            }
        }
    }
}


static ngx_int_t
ngx_http_paygw_exchange_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    u_char                *p;
    size_t                 len;
    ngx_int_t              rc;
    ngx_buf_t             *b;
    ngx_chain_t           *cl;
    ngx_http_paygw_try_t  *t;

    t = ngx_http_paygw_exchange_of(r);

    if (t == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    if (t->download && t->download->begun) {
        return ngx_http_paygw_download_body(t, in);
    }

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        len = ngx_buf_in_memory(b) ? (size_t) (b->last - b->pos) : 0;

        if (len && !t->too_long) {

            p = (len > t->max - t->body.nelts)
                ? NULL : ngx_array_push_n(&t->body, len);

            if (p) {
                ngx_memcpy(p, b->pos, len);

            } else {
                rc = t->download ? ngx_http_paygw_download_late(t, cl)
                                 : NGX_DECLINED;

                if (rc != NGX_DECLINED) {
                    return rc;
                }

                ngx_http_paygw_exchange_overflow(t);
            }
        }

        b->pos = b->last;
        b->file_pos = b->file_last;

        if (b->last_buf || b->last_in_chain) {
            t->complete = 1;
        }
    }

    return NGX_OK;
}


/*
 * An error of a filter would be one of the caller's connection to nginx.  So
 * the rest is not looked at, and the try ends when its own stack is left.
 */

void
ngx_http_paygw_exchange_overflow(ngx_http_paygw_try_t *t)
{
    t->too_long = 1;

    t->fake.fd = (ngx_socket_t) -1;
    t->fake.data = t;

    t->event.data = &t->fake;
    t->event.handler = ngx_http_paygw_exchange_overflow_handler;
    t->event.log = t->sr->connection->log;

    ngx_post_event(&t->event, &ngx_posted_events);
}


static void
ngx_http_paygw_exchange_overflow_handler(ngx_event_t *ev)
{
    ngx_http_paygw_try_t  *t;

    t = ((ngx_connection_t *) ev->data)->data;

    ngx_http_set_log_request(t->sr->connection->log, t->sr);

    ngx_http_paygw_exchange_expire(t);
}


ngx_int_t
ngx_http_paygw_exchange_output(ngx_http_request_t *sr, ngx_chain_t *out)
{
    return ngx_http_next_body_filter(sr, out);
}


void
ngx_http_paygw_exchange_resumed(ngx_http_request_t *r, ngx_http_paygw_try_t *t)
{
    if (t->left) {
        r->connection->error = 1;
        t->left = 0;
    }
}


void
ngx_http_paygw_exchange_cancel(ngx_http_paygw_try_t *t)
{
    (void) ngx_http_paygw_resolve_cancel(t);

    if (t->event.posted) {
        ngx_delete_posted_event(&t->event);
    }
}


ngx_int_t
ngx_http_paygw_exchange_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_paygw_exchange_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_paygw_exchange_body_filter;

    return NGX_OK;
}
