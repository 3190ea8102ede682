
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_http_paygw_fetch.h"


static ngx_int_t ngx_http_paygw_fetch_message(ngx_http_paygw_fetch_t *f);
static void ngx_http_paygw_fetch_read_handler(ngx_event_t *rev);


void
ngx_http_paygw_fetch_send(ngx_http_paygw_fetch_t *f)
{
    ngx_connection_t  *c;

    if (ngx_http_paygw_fetch_message(f) != NGX_OK) {
        ngx_http_paygw_fetch_failed(f, 0, "no memory");
        return;
    }

    f->last = f->buf;
    ngx_paygw_response_init(&f->response, f->buf);

    f->log.action = "asking the provider";

    c = f->peer.connection;

    c->read->handler = ngx_http_paygw_fetch_read_handler;
    c->write->handler = ngx_http_paygw_fetch_write_handler;

    ngx_http_paygw_fetch_write_handler(c->write);
}


static ngx_int_t
ngx_http_paygw_fetch_message(ngx_http_paygw_fetch_t *f)
{
    u_char                 *p;
    size_t                  len;
    ngx_http_paygw_host_t  *host;

    host = &f->hosts[f->host];

    len = sizeof("  HTTP/1.1\r\nHost: \r\nUser-Agent: paygw\r\n"
                 "Connection: close\r\nContent-Length: \r\n\r\n") - 1
          + NGX_SIZE_T_LEN + f->method.len + f->target.len + host->host.len
          + f->headers.len + f->body.len;

    p = ngx_pnalloc(f->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    f->out.data = p;

    p = ngx_sprintf(p, "%V %V HTTP/1.1\r\nHost: %V\r\nUser-Agent: paygw\r\n"
                    "Connection: close\r\n%V", &f->method, &f->target,
                    &host->host, &f->headers);

    if (f->body.len) {
        p = ngx_sprintf(p, "Content-Length: %uz\r\n", f->body.len);
    }

    p = ngx_sprintf(p, "\r\n%V", &f->body);

    f->out.len = p - f->out.data;

    return NGX_OK;
}


void
ngx_http_paygw_fetch_write_handler(ngx_event_t *wev)
{
    ssize_t                  n;
    ngx_err_t                err;
    ngx_connection_t        *c;
    ngx_http_paygw_fetch_t  *f;

    c = wev->data;
    f = c->data;

    if (f->out.data == NULL) {

        err = ngx_paygw_tls_connect_error(c);

        if (err == 0) {
            ngx_http_paygw_fetch_connected(f);
            return;
        }

        ngx_log_error(NGX_LOG_INFO, &f->log, err, "connect() to %V failed",
                      f->peer.name);

        f->addr++;
        ngx_http_paygw_fetch_close_socket(f);
        ngx_http_paygw_fetch_connect(f);
        return;
    }

    while (f->out.len) {

        n = c->send(c, f->out.data, f->out.len);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_http_paygw_fetch_failed(f, 0, "provider closed connection");
            return;
        }

        f->out.data += n;
        f->out.len -= n;
    }

    if (ngx_handle_write_event(wev, 0) != NGX_OK) {
        ngx_http_paygw_fetch_failed(f, 0, "connection is not usable");
        return;
    }

    /* what TLS has read ahead, or what came while we were writing */

    if (f->out.len == 0 && c->read->ready) {
        ngx_http_paygw_fetch_read_handler(c->read);
    }
}


static void
ngx_http_paygw_fetch_read_handler(ngx_event_t *rev)
{
    size_t                   size;
    ssize_t                  n;
    ngx_int_t                rc;
    const char              *err;
    ngx_connection_t        *c;
    ngx_http_paygw_fetch_t  *f;

    c = rev->data;
    f = c->data;

    if (c->close) {

        /* the worker is told to end: whoever comes next fetches */

        ngx_http_paygw_fetch_end(f, NGX_ABORT);
        return;
    }

    for ( ;; ) {

        size = f->buf + NGX_PAYGW_RESPONSE_SIZE - f->last;

        if (size == 0) {
            ngx_http_paygw_fetch_failed(f, 0, "response is too large");
            return;
        }

        n = c->recv(c, f->last, size);

        if (n == NGX_AGAIN) {

            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                ngx_http_paygw_fetch_failed(f, 0, "connection is not usable");
            }

            return;
        }

        if (n == NGX_ERROR) {
            ngx_http_paygw_fetch_failed(f, 0, "provider closed connection");
            return;
        }

        f->last += n;

        rc = ngx_paygw_response_read(&f->response, f->last, n == 0, &err);

        if (rc == NGX_AGAIN) {
            continue;
        }

        if (rc != NGX_OK) {
            ngx_http_paygw_fetch_failed(f, 0, err);
            return;
        }

        if (f->response.status >= 500) {
            ngx_http_paygw_fetch_failed(f, 0, "status is 5xx");
            return;
        }

        ngx_http_paygw_fetch_end(f, NGX_OK);
        return;
    }
}
