
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_events.h"
#include "ngx_http_paygw_headers.h"


/*
 * A stream: a GET that is answered with the present state of an order, and with
 * each one that follows, until it is final.
 */


/* a comment tells those in between, and us, that the other side is there */
#define NGX_HTTP_PAYGW_EVENTS_BEAT   15000

/* when a browser comes again */
#define NGX_HTTP_PAYGW_EVENTS_RETRY  "retry: 2000\n"


static void ngx_http_paygw_events_start(ngx_http_paygw_api_ctx_t *ctx);
static ngx_http_paygw_stream_t *ngx_http_paygw_events_create(
    ngx_http_paygw_api_ctx_t *ctx, time_t until);
static void ngx_http_paygw_events_cleanup(void *data);
static ngx_int_t ngx_http_paygw_events_key(ngx_http_paygw_stream_t *st,
    ngx_str_t *name);
static void ngx_http_paygw_events_look(ngx_http_paygw_stream_t *st);
static void ngx_http_paygw_events_handler_look(ngx_paygw_store_op_t *op);
static void ngx_http_paygw_events_found(ngx_http_paygw_stream_t *st,
    ngx_int_t rc);
static void ngx_http_paygw_events_begin(ngx_http_paygw_stream_t *st);
static ngx_uint_t ngx_http_paygw_events_knows(ngx_http_request_t *r,
    ngx_paygw_book_state_e state);
static ngx_int_t ngx_http_paygw_events_text(ngx_http_paygw_stream_t *st,
    ngx_paygw_book_t *book, ngx_str_t *text);
static ngx_int_t ngx_http_paygw_events_send(ngx_http_paygw_stream_t *st,
    ngx_str_t *text);
static void ngx_http_paygw_events_writer(ngx_http_request_t *r);
static ngx_int_t ngx_http_paygw_events_written(ngx_http_request_t *r);


/* nothing follows for the payer: it is paid, or cannot be */
#define ngx_http_paygw_events_final(state)                                    \
    ((state) >= NGX_PAYGW_BOOK_CLOSED)


ngx_int_t
ngx_http_paygw_events_handler(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf)
{
    ngx_int_t                  rc;
    ngx_http_paygw_api_ctx_t  *ctx;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_paygw_api_create(r, lcf);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->disable_not_modified = 1;
    r->main->count++;

    ngx_http_paygw_events_start(ctx);

    return NGX_DONE;
}


static void
ngx_http_paygw_events_start(ngx_http_paygw_api_ctx_t *ctx)
{
    time_t                    until;
    ngx_int_t                 rc;
    ngx_http_paygw_stream_t  *st;

    if (ngx_http_paygw_events_may(ctx, &until) != NGX_OK) {
        ngx_http_paygw_api_reply(ctx);
        return;
    }

    st = ngx_http_paygw_events_create(ctx, until);

    rc = NGX_ERROR;

    if (st && ngx_http_paygw_events_key(st,
                  ngx_http_paygw_events_scope(ctx->conf))
              == NGX_OK)
    {
        rc = ngx_http_paygw_events_come(st);
    }

    if (rc == NGX_DECLINED) {
        (void) ngx_http_paygw_events_refuse(ctx, NGX_PAYGW_CODE_CONNECTIONS);
        ngx_http_paygw_api_reply(ctx);
        return;
    }

    if (rc != NGX_OK) {
        ngx_http_finalize_request(ctx->request,
                                  NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    st->home = (ctx->conf->home.len != 0);

    ngx_http_paygw_events_look(st);
}


static ngx_http_paygw_stream_t *
ngx_http_paygw_events_create(ngx_http_paygw_api_ctx_t *ctx, time_t until)
{
    ngx_time_t               *tp;
    ngx_msec_t                left;
    ngx_http_cleanup_t       *cln;
    ngx_http_paygw_stream_t  *st;

    st = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_paygw_stream_t));
    if (st == NULL) {
        return NULL;
    }

    cln = ngx_http_cleanup_add(ctx->request, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_paygw_events_cleanup;
    cln->data = st;

    left = ctx->lcf->events->max;

    /* who is let in until a time is not there any longer */

    tp = ngx_timeofday();

    if (until && until - tp->sec <= (time_t) (left / 1000)) {
        left = (ngx_msec_t) (until - tp->sec) * 1000 - tp->msec;
    }

    st->api = ctx;
    st->end = ngx_current_msec + left;

    return st;
}


static void
ngx_http_paygw_events_cleanup(void *data)
{
    ngx_http_paygw_stream_t *st = data;

    ngx_paygw_store_cancel(&st->op);
    ngx_http_paygw_events_leave(st);
    ngx_http_paygw_events_go(st);
}


static ngx_int_t
ngx_http_paygw_events_key(ngx_http_paygw_stream_t *st, ngx_str_t *name)
{
    ngx_str_t  *id;

    id = &st->api->order.id;

    st->key.data = ngx_pnalloc(st->api->request->pool,
                               name->len + 1 + id->len);
    if (st->key.data == NULL) {
        return NGX_ERROR;
    }

    st->key.len = ngx_sprintf(st->key.data, "%V:%V", name, id) - st->key.data;

    return NGX_OK;
}


static void
ngx_http_paygw_events_look(ngx_http_paygw_stream_t *st)
{
    ngx_int_t              rc;
    ngx_http_request_t    *r;
    ngx_paygw_store_op_t  *op;

    r = st->api->request;
    op = &st->op;

    ngx_memzero(&st->book, sizeof(ngx_paygw_book_t));

    st->book.verb = NGX_PAYGW_BOOK_LOOK;
    st->book.pool = r->pool;

    op->key = st->key;
    op->keep = st->api->lcf->binding_keep;
    op->log = r->connection->log;
    op->handler = ngx_http_paygw_events_handler_look;
    op->data = st;
    op->book = &st->book;

    r->connection->log->action = "looking for an order";

    rc = ngx_paygw_store_book(ngx_http_paygw_store(r), op);

    if (rc != NGX_AGAIN) {
        ngx_http_paygw_events_found(st, rc);
    }
}


static void
ngx_http_paygw_events_handler_look(ngx_paygw_store_op_t *op)
{
    ngx_connection_t         *c;
    ngx_http_paygw_stream_t  *st;

    st = op->data;
    c = st->api->request->connection;

    ngx_http_set_log_request(c->log, st->api->request);

    ngx_http_paygw_events_found(st, op->rc);

    ngx_http_run_posted_requests(c);
}


/* the channel of the order, and then the order */

static void
ngx_http_paygw_events_found(ngx_http_paygw_stream_t *st, ngx_int_t rc)
{
    ngx_uint_t                 i;
    ngx_http_paygw_api_ctx_t  *ctx;

    ctx = st->api;

    if (rc != NGX_OK) {
        goto refused;
    }

    if (!st->home) {
        ngx_http_paygw_events_begin(st);
        return;
    }

    st->home = 0;

    for (i = 0; i < ctx->conf->ncalls; i++) {

        if (!ngx_paygw_order_same(&ctx->conf->calls[i].name,
                                  &st->book.told_note))
        {
            continue;
        }

        if (ngx_http_paygw_events_key(st, &ctx->conf->calls[i].name)
            != NGX_OK)
        {
            rc = NGX_ERROR;
            goto refused;
        }

        ngx_http_paygw_events_look(st);
        return;
    }

    rc = NGX_DECLINED;

refused:

    (void) ngx_http_paygw_events_refuse(ctx, (rc == NGX_DECLINED)
                                             ? NGX_PAYGW_CODE_ORDER_NOT_FOUND
                                             : NGX_PAYGW_CODE_STORE);
    ngx_http_paygw_api_reply(ctx);
}


static void
ngx_http_paygw_events_begin(ngx_http_paygw_stream_t *st)
{
    ngx_int_t            rc;
    ngx_str_t            type, none, no;
    ngx_http_request_t  *r;

    r = st->api->request;

    r->connection->log->action = "sending events";

    ngx_str_null(&none);
    ngx_str_set(&no, "no");
    ngx_str_set(&type, "no-store");

    if (ngx_http_paygw_headers_tell(r, "Cache-Control", &type) != NGX_OK
        || ngx_http_paygw_headers_tell(r, "X-Accel-Buffering", &no) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    if (ngx_http_paygw_events_knows(r, st->book.state)) {
        /* what keeps a browser from coming again */
        ngx_http_paygw_pass_send(r, NGX_HTTP_NO_CONTENT, &none, &none);
        return;
    }

    ngx_str_set(&type, "text/event-stream");

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = type;
    r->headers_out.content_type_len = type.len;

    ngx_http_clear_content_length(r);

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK
        || ngx_http_paygw_events_join(st) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_paygw_events_writer;

    ngx_http_paygw_events_tell(st, &st->book);
}


/* a browser has had the last event, and comes again since the stream ended */

static ngx_uint_t
ngx_http_paygw_events_knows(ngx_http_request_t *r,
    ngx_paygw_book_state_e state)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("Last-Event-ID");

    if (!ngx_http_paygw_events_final(state)) {
        return 0;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == name.len
                && ngx_strncasecmp(h[i].key.data, name.data, name.len) == 0)
            {
                return h[i].value.len == ngx_paygw_book_states[state].len
                       && ngx_strncmp(h[i].value.data,
                                      ngx_paygw_book_states[state].data,
                                      h[i].value.len) == 0;
            }
        }
    }

    return 0;
}


void
ngx_http_paygw_events_tell(ngx_http_paygw_stream_t *st,
    ngx_paygw_book_t *book)
{
    ngx_str_t            text;
    ngx_http_request_t  *r;

    if (book->state == st->state) {
        return;
    }

    r = st->api->request;

    if (ngx_http_paygw_events_text(st, book, &text) != NGX_OK
        || ngx_http_paygw_events_send(st, &text) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    st->state = book->state;

    if (ngx_http_paygw_events_final(st->state)) {
        ngx_http_paygw_events_end(st);
    }
}


static ngx_int_t
ngx_http_paygw_events_text(ngx_http_paygw_stream_t *st,
    ngx_paygw_book_t *book, ngx_str_t *text)
{
    ngx_str_t              json;
    const ngx_str_t       *word;
    ngx_paygw_outcome_e    outcome;
    ngx_paygw_json_out_t   out;

    outcome = ngx_paygw_book_paid(book->state) ? NGX_PAYGW_OUTCOME_SUCCESS
              : ngx_http_paygw_events_final(book->state)
                ? NGX_PAYGW_OUTCOME_FAILED : NGX_PAYGW_OUTCOME_PENDING;

    word = &ngx_paygw_book_states[book->state];

    ngx_paygw_json_out_init(&out, st->api->request->pool);

    ngx_paygw_json_out_open(&out, NULL);
    ngx_paygw_json_out_string(&out, "order_id", &st->api->order.id);
    ngx_paygw_json_out_string(&out, "state", word);
    ngx_paygw_json_out_string(&out, "outcome", &ngx_paygw_outcomes[outcome]);

    if (book->told.amount != NGX_PAYGW_BOOK_ANY) {
        ngx_paygw_json_out_integer(&out, "amount", book->told.amount);
    }

    ngx_paygw_json_out_some(&out, "currency", &book->told.currency);
    ngx_paygw_json_out_close(&out);

    if (ngx_paygw_json_out_end(&out, &json) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_paygw_order_text(st->api->request->pool, text,
                                "%sid: %V\ndata: %V\n\n",
                                st->state == NGX_PAYGW_BOOK_NONE
                                ? NGX_HTTP_PAYGW_EVENTS_RETRY : "",
                                word, &json);
}


void
ngx_http_paygw_events_beat(ngx_http_paygw_stream_t *st)
{
    ngx_http_request_t  *r;

    static ngx_str_t  comment = ngx_string(":\n\n");

    r = st->api->request;

    if (ngx_current_msec - st->beat < NGX_HTTP_PAYGW_EVENTS_BEAT
        || r->buffered || r->connection->buffered)
    {
        return;
    }

    if (ngx_http_paygw_events_send(st, &comment) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}


void
ngx_http_paygw_events_end(ngx_http_paygw_stream_t *st)
{
    ngx_http_request_t  *r;

    r = st->api->request;

    ngx_http_paygw_events_leave(st);

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_finalize_request(r, ngx_http_send_special(r, NGX_HTTP_LAST));
}


/* text lives as long as the request */

static ngx_int_t
ngx_http_paygw_events_send(ngx_http_paygw_stream_t *st, ngx_str_t *text)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t         *out;
    ngx_http_request_t  *r;

    r = st->api->request;

    out = ngx_chain_get_free_buf(r->pool, &st->free);
    if (out == NULL) {
        return NGX_ERROR;
    }

    out->next = NULL;

    b = out->buf;

    b->start = text->data;
    b->pos = text->data;
    b->last = text->data + text->len;
    b->end = b->last;
    b->memory = 1;
    b->flush = 1;
    b->tag = (ngx_buf_tag_t) &ngx_http_paygw_module;

    rc = ngx_http_output_filter(r, out);

    ngx_chain_update_chains(r->pool, &st->free, &st->busy, &out,
                            (ngx_buf_tag_t) &ngx_http_paygw_module);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    st->beat = ngx_current_msec;

    return ngx_http_paygw_events_written(r);
}


static void
ngx_http_paygw_events_writer(ngx_http_request_t *r)
{
    ngx_event_t       *wev;
    ngx_connection_t  *c;

    c = r->connection;
    wev = c->write;

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");
        c->timedout = 1;

        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (!wev->delayed && wev->timer_set) {

        /* some of it was taken */

        ngx_del_timer(wev);
    }

    if (!wev->delayed && ngx_http_output_filter(r, NULL) == NGX_ERROR) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    if (ngx_http_paygw_events_written(r) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}


/* who takes nothing for "send_timeout" is not there any more */

static ngx_int_t
ngx_http_paygw_events_written(ngx_http_request_t *r)
{
    ngx_event_t               *wev;
    ngx_connection_t          *c;
    ngx_http_core_loc_conf_t  *clcf;

    c = r->connection;
    wev = c->write;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->delayed) {

        if (r->buffered || c->buffered) {

            if (!wev->timer_set) {
                ngx_add_timer(wev, clcf->send_timeout);
            }

        } else if (wev->timer_set) {
            ngx_del_timer(wev);
        }
    }

    return ngx_handle_write_event(wev, clcf->send_lowat);
}
