
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_test.h"


/*
 * Drives the store by the arguments of a request:
 *
 *   op=claim|commit|release   what to do
 *   op=append stream=NAME     the same with an entry of one field, "size" bytes
 *     size=N maxlen=N           or one; as for a claim, but nothing is released
 *     replicas=N wait=MS
 *   op=once                   as a claim, of a key that may come once
 *   op=begin|renew            of a call that is to be run once
 *     print=LETTER              its fingerprint
 *   op=finish|abandon         the same; with an answer of "size" bytes, or none
 *   op=limit limits=LIST      a request to KEY/RATE/PERIOD/BURST[/dry],...
 *   key=TEXT                  the event id, or that key
 *   order=TEXT                the id of its order
 *   says=paid|open|closed|failed|refunded|returned
 *                             what it says of it
 *   op=book                   see ngx_http_paygw_test_book.c
 *   lease=MS keep=MS          default 30000 and 60000
 *   delay=MS                  waits before
 *   save=LETTER               remembers the token of a claim that was taken
 *   token=LETTER|HEX          that of a commit or release
 *   n=N                       so many claims at a time, counted in the answer
 *   spread=1                  each with a key of its own
 *   then=commit|release       what to do with a claim that was taken
 *   cancel=1                  forgets the claim at once
 *
 * A claim or an append answers "ok DELIVERY TOKEN", "committed", "busy",
 * "late", "replicas" or "error"; with n, "ok=N committed=N busy=N error=N", and
 * " late=N" if there were any; of a call also "kept LENGTH CRC", "gone" and
 * "other"; a limit answers "ok" or "refused" and, for each,
 * " LEVEL/OVER/TIME/LEFT/RETRY/RESET"; all others answer "sent".
 */


#define NGX_HTTP_PAYGW_TEST_MAX  100000


typedef struct {
    ngx_http_request_t          *request;
    ngx_paygw_store_t           *store;
    ngx_paygw_store_op_t        *ops;
    ngx_event_t                  delay;

    ngx_uint_t                   once;
    ngx_uint_t                   limit;
    ngx_uint_t                   run;
    ngx_uint_t                   append;
    ngx_uint_t                   book;
    ngx_paygw_store_stream_t     stream;
    ngx_paygw_store_entry_t      entry;

    ngx_str_t                    op;
    ngx_str_t                    then;
    ngx_int_t                    save;      /* letter or 0 */
    ngx_uint_t                   n;
    ngx_uint_t                   spread;
    ngx_uint_t                   cancel;
    ngx_uint_t                   counted;   /* "n" was given */

    ngx_uint_t                   waiting;
    ngx_uint_t                   ok;
    ngx_uint_t                   committed;
    ngx_uint_t                   replicas;
    ngx_uint_t                   busy;
    ngx_uint_t                   late;
    ngx_uint_t                   error;
} ngx_http_paygw_test_ctx_t;


static ngx_int_t ngx_http_paygw_test_args(ngx_http_request_t *r,
    ngx_http_paygw_test_ctx_t *ctx);
static void ngx_http_paygw_test_arg(ngx_http_request_t *r, char *name,
    ngx_str_t *value);
static ngx_uint_t ngx_http_paygw_test_number(ngx_http_request_t *r,
    char *name, ngx_uint_t value);
static ngx_int_t ngx_http_paygw_test_entry(ngx_http_paygw_test_ctx_t *ctx);
static uint64_t ngx_http_paygw_test_token(ngx_http_request_t *r);
static ngx_int_t ngx_http_paygw_test_ops(ngx_http_paygw_test_ctx_t *ctx);
static void ngx_http_paygw_test_delay_handler(ngx_event_t *ev);
static void ngx_http_paygw_test_start(ngx_http_paygw_test_ctx_t *ctx);
static void ngx_http_paygw_test_claimed(ngx_paygw_store_op_t *op);
static void ngx_http_paygw_test_count(ngx_http_paygw_test_ctx_t *ctx,
    ngx_paygw_store_op_t *op);
static void ngx_http_paygw_test_answer(ngx_http_paygw_test_ctx_t *ctx,
    char *text);
static void ngx_http_paygw_test_cleanup(void *data);


#define ngx_http_paygw_test_is(ctx, word)                                     \
    ((ctx)->op.len == sizeof(word) - 1                                        \
     && ngx_strncmp((ctx)->op.data, word, sizeof(word) - 1) == 0)


/* by the letter of "save", of one worker */
static uint64_t  ngx_http_paygw_test_tokens[256];


ngx_int_t
ngx_http_paygw_test_store_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_uint_t                  delay;
    ngx_http_cleanup_t         *cln;
    ngx_http_paygw_test_ctx_t  *ctx;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_paygw_test_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;
    ctx->store = ngx_http_paygw_store(r);

    if (ctx->store == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_paygw_test_args(r, ctx) != NGX_OK) {
        return NGX_HTTP_BAD_REQUEST;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_paygw_test_cleanup;
    cln->data = ctx;

    r->read_event_handler = ngx_http_test_reading;
    r->main->count++;

    delay = ngx_http_paygw_test_number(r, "delay", 0);

    if (delay) {
        ctx->delay.handler = ngx_http_paygw_test_delay_handler;
        ctx->delay.data = r->connection;
        ctx->delay.log = r->connection->log;

        ngx_add_timer(&ctx->delay, delay);

        return NGX_DONE;
    }

    ngx_http_paygw_test_start(ctx);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_paygw_test_args(ngx_http_request_t *r, ngx_http_paygw_test_ctx_t *ctx)
{
    ngx_str_t  text;

    ngx_http_paygw_test_arg(r, "op", &ctx->op);
    ngx_http_paygw_test_arg(r, "then", &ctx->then);
    ngx_http_paygw_test_arg(r, "save", &text);

    ctx->save = text.len ? text.data[0] : 0;

    ctx->n = ngx_http_paygw_test_number(r, "n", 0);
    ctx->spread = ngx_http_paygw_test_number(r, "spread", 0);
    ctx->cancel = ngx_http_paygw_test_number(r, "cancel", 0);

    if (ctx->n > NGX_HTTP_PAYGW_TEST_MAX) {
        return NGX_ERROR;
    }

    ctx->counted = (ctx->n != 0);
    ctx->n = ngx_max(ctx->n, 1);

    if (ngx_http_paygw_test_is(ctx, "append")
        && ngx_http_paygw_test_entry(ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->once = ngx_http_paygw_test_is(ctx, "once");
    ctx->book = ngx_http_paygw_test_is(ctx, "book");
    ctx->limit = ngx_http_paygw_test_is(ctx, "limit");

    return ngx_http_paygw_test_ops(ctx);
}


static ngx_int_t
ngx_http_paygw_test_entry(ngx_http_paygw_test_ctx_t *ctx)
{
    ngx_keyval_t        *field;
    ngx_http_request_t  *r;

    r = ctx->request;

    ctx->append = 1;
    ctx->entry.stream = &ctx->stream;
    ctx->entry.nfields = 1;

    ngx_http_paygw_test_arg(r, "stream", &ctx->stream.name);

    ctx->stream.maxlen = ngx_http_paygw_test_number(r, "maxlen", 0);
    ctx->stream.replicas = ngx_http_paygw_test_number(r, "replicas", 0);
    ctx->stream.wait = ngx_http_paygw_test_number(r, "wait", 100);

    field = &ctx->entry.fields[0];
    ngx_str_set(&field->key, "event");

    field->value.len = ngx_http_paygw_test_number(r, "size", 1);
    field->value.data = ngx_pnalloc(r->pool, field->value.len);
    if (field->value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memset(field->value.data, 'x', field->value.len);

    return NGX_OK;
}


static void
ngx_http_paygw_test_arg(ngx_http_request_t *r, char *name, ngx_str_t *value)
{
    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), value) != NGX_OK) {
        ngx_str_null(value);
    }
}


static ngx_uint_t
ngx_http_paygw_test_number(ngx_http_request_t *r, char *name, ngx_uint_t value)
{
    ngx_int_t  n;
    ngx_str_t  text;

    ngx_http_paygw_test_arg(r, name, &text);

    n = ngx_atoi(text.data, text.len);

    return (n == NGX_ERROR) ? value : (ngx_uint_t) n;
}


static uint64_t
ngx_http_paygw_test_token(ngx_http_request_t *r)
{
    uint64_t   token;
    ngx_str_t  text;

    ngx_http_paygw_test_arg(r, "token", &text);

    if (text.len == 0) {
        return 0;
    }

    if (text.len == 1) {
        return ngx_http_paygw_test_tokens[text.data[0]];
    }

    token = 0;

    while (text.len--) {
        token = (token << 4)
                | (uint64_t) (ngx_hextoi(text.data++, 1) & 0xf);
    }

    return token;
}


static ngx_int_t
ngx_http_paygw_test_ops(ngx_http_paygw_test_ctx_t *ctx)
{
    u_char                *p, *src;
    ngx_str_t              text, order;
    ngx_uint_t             i;
    ngx_http_request_t    *r;
    ngx_paygw_store_op_t  *op;

    r = ctx->request;

    ctx->ops = ngx_pcalloc(r->pool, ctx->n * sizeof(ngx_paygw_store_op_t));
    if (ctx->ops == NULL) {
        return NGX_ERROR;
    }

    ngx_http_paygw_test_arg(r, "key", &text);
    ngx_http_paygw_test_arg(r, "order", &order);

    for (i = 0; i < ctx->n; i++) {
        op = &ctx->ops[i];

        op->key.data = ngx_pnalloc(r->pool, text.len + 1 + NGX_INT_T_LEN);
        if (op->key.data == NULL) {
            return NGX_ERROR;
        }

        p = op->key.data;
        src = text.data;

        ngx_unescape_uri(&p, &src, text.len, 0);

        if (ctx->spread) {
            p = ngx_sprintf(p, "-%ui", i);
        }

        op->key.len = p - op->key.data;

        op->order = order;

        op->lease = ngx_http_paygw_test_number(r, "lease", 30000);
        op->keep = ngx_http_paygw_test_number(r, "keep", 60000);
        op->token = ngx_http_paygw_test_token(r);
        op->log = r->connection->log;
        op->handler = ngx_http_paygw_test_claimed;
        op->data = ctx;
        op->entry = &ctx->entry;

        if (ngx_http_paygw_test_run(r, op) != NGX_OK
            || ngx_http_paygw_test_book(r, op, i) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ctx->limit && ngx_http_paygw_test_limits(r, op) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_paygw_test_delay_handler(ngx_event_t *ev)
{
    ngx_connection_t           *c;
    ngx_http_paygw_test_ctx_t  *ctx;

    /* ev->data is the connection, for nginx's own debug log */

    ctx = (ngx_http_paygw_test_ctx_t *)
              ((u_char *) ev - offsetof(ngx_http_paygw_test_ctx_t, delay));
    c = ctx->request->connection;

    ngx_http_set_log_request(c->log, ctx->request);

    ngx_http_paygw_test_start(ctx);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_paygw_test_start(ngx_http_paygw_test_ctx_t *ctx)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_paygw_store_op_t  *op;

    op = ctx->ops;

    if (ngx_http_paygw_test_is(ctx, "commit")) {
        ngx_paygw_store_commit(ctx->store, op);
        ngx_http_paygw_test_answer(ctx, "sent");
        return;
    }

    if (ngx_http_paygw_test_is(ctx, "release")) {
        ngx_paygw_store_release(ctx->store, op);
        ngx_http_paygw_test_answer(ctx, "sent");
        return;
    }

    if (ngx_http_paygw_test_number(ctx->request, "tell", 0)) {
        ngx_paygw_store_book_tell(ctx->store, op);
        ngx_http_paygw_test_answer(ctx, "sent");
        return;
    }

    /* one more, so that the last one to answer is not seen too early */

    ctx->waiting = 1;

    for (i = 0; i < ctx->n; i++) {

        ctx->waiting++;

        ctx->run = ngx_http_paygw_test_run_start(ctx->store, &ctx->op,
                                                 &ctx->ops[i], &rc);

        if (ctx->run) {
            /* begun, finished, renewed or abandoned */

        } else if (ctx->book) {
            rc = ngx_paygw_store_book(ctx->store, &ctx->ops[i]);

        } else if (ctx->once) {
            rc = ngx_paygw_store_once(ctx->store, &ctx->ops[i]);

        } else if (ctx->limit) {
            rc = ngx_paygw_store_limit(ctx->store, &ctx->ops[i]);

        } else {
            rc = ctx->append ? ngx_paygw_store_append(ctx->store, &ctx->ops[i])
                             : ngx_paygw_store_claim(ctx->store, &ctx->ops[i]);
        }

        if (ctx->cancel) {
            ngx_paygw_store_cancel(&ctx->ops[i]);
            ctx->waiting--;
            continue;
        }

        if (rc != NGX_AGAIN) {
            ngx_http_paygw_test_count(ctx, &ctx->ops[i]);
        }
    }

    if (--ctx->waiting == 0) {
        ngx_http_paygw_test_answer(ctx, ctx->cancel ? "cancelled" : NULL);
    }
}


static void
ngx_http_paygw_test_claimed(ngx_paygw_store_op_t *op)
{
    ngx_connection_t           *c;
    ngx_http_paygw_test_ctx_t  *ctx;

    ctx = op->data;
    c = ctx->request->connection;

    ngx_http_set_log_request(c->log, ctx->request);

    ngx_http_paygw_test_count(ctx, op);

    if (ctx->waiting == 0) {
        ngx_http_paygw_test_answer(ctx, NULL);
    }

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_paygw_test_count(ngx_http_paygw_test_ctx_t *ctx,
    ngx_paygw_store_op_t *op)
{
    ctx->waiting--;

    switch (op->rc) {

    case NGX_OK:
        ctx->ok++;

        if (ctx->save) {
            ngx_http_paygw_test_tokens[ctx->save] = op->token;
        }

        if (ctx->then.len == 6) {
            ngx_paygw_store_commit(ctx->store, op);

        } else if (ctx->then.len == 7) {
            ngx_paygw_store_release(ctx->store, op);
        }

        break;

    case NGX_DECLINED:
        ctx->committed++;
        break;

    case NGX_BUSY:
        ctx->busy++;
        break;

    case NGX_DONE:
        ctx->late++;
        break;

    case NGX_ABORT:
        ctx->replicas++;
        ctx->error++;
        break;

    default:
        ctx->error++;
    }
}


static void
ngx_http_paygw_test_answer(ngx_http_paygw_test_ctx_t *ctx, char *text)
{
    size_t               size;
    ngx_buf_t           *b;
    ngx_int_t            rc;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = ctx->request;
    size = 4096;

    b = ngx_create_temp_buf(r->pool, size);
    if (b == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    if (text) {
        b->last = ngx_sprintf(b->last, "%s\n", text);

    } else if (ctx->counted) {
        b->last = ngx_sprintf(b->last,
                              "ok=%ui committed=%ui busy=%ui error=%ui",
                              ctx->ok, ctx->committed, ctx->busy, ctx->error);

        if (ctx->late) {
            b->last = ngx_sprintf(b->last, " late=%ui", ctx->late);
        }

        *b->last++ = '\n';

    } else if (ctx->limit && !ctx->error) {
        b->last = ngx_http_paygw_test_limits_print(b->last, ctx->ops);

    } else if (ctx->book) {
        b->last = ngx_http_paygw_test_book_print(b->last, ctx->ops);

    } else if (ctx->late && ctx->ops->book) {
        b->last = ngx_http_paygw_test_book_against(b->last, ctx->ops);

    } else if (ctx->run) {
        b->last = ngx_http_paygw_test_run_print(b->last, ctx->ops);

    } else if (ctx->ok) {
        b->last = ngx_sprintf(b->last, "ok %ui %016xL\n",
                              ctx->ops->delivery, ctx->ops->token);

    } else {
        b->last = ngx_sprintf(b->last, "%s\n",
                              ctx->committed ? "committed"
                              : ctx->busy ? "busy"
                              : ctx->late ? "late"
                              : ctx->replicas ? "replicas" : "error");
    }

    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type, "text/plain");

    rc = ngx_http_send_header(r);

    if (rc == NGX_OK && !r->header_only) {
        rc = ngx_http_output_filter(r, &out);
    }

    ngx_http_finalize_request(r, rc);
}


static void
ngx_http_paygw_test_cleanup(void *data)
{
    ngx_http_paygw_test_ctx_t *ctx = data;

    ngx_uint_t  i;

    if (ctx->delay.timer_set) {
        ngx_del_timer(&ctx->delay);
    }

    for (i = 0; i < ctx->n; i++) {
        ngx_paygw_store_cancel(&ctx->ops[i]);
    }
}
