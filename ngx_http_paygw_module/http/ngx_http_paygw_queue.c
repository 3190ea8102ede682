
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_conf.h"
#include "ngx_http_paygw_queue.h"
#include "ngx_http_paygw_variables.h"


/*
 * paygw_queue: a stream takes the place of the shop.
 *
 * The event is appended where it would be claimed, at the end of the
 * verification, and the answer is known before any content handler is asked.
 * So nothing in the location can come between the verification and the stream,
 * and the content handler has nothing to do but to keep others from its place.
 */


#define NGX_HTTP_PAYGW_QUEUE_NAME_MAX  255
#define NGX_HTTP_PAYGW_QUEUE_WAIT      100    /* ms */


static char *ngx_http_paygw_queue_arg(ngx_conf_t *cf,
    ngx_paygw_store_stream_t *stream, ngx_str_t *arg);
static char *ngx_http_paygw_queue_wait(ngx_conf_t *cf,
    ngx_paygw_store_stream_t *stream, ngx_str_t *arg);
static char *ngx_http_paygw_queue_check_store(ngx_conf_t *cf,
    ngx_paygw_store_t *store, ngx_http_paygw_loc_conf_t *conf);
static ngx_int_t ngx_http_paygw_queue_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_paygw_queue_fields(ngx_http_paygw_ctx_t *ctx,
    ngx_paygw_store_entry_t *entry);


typedef struct {
    ngx_str_t                  name;
    ngx_http_paygw_value_e     value;
} ngx_http_paygw_queue_field_t;


/* the rest follows in ngx_http_paygw_queue_fields() */

static const ngx_http_paygw_queue_field_t  ngx_http_paygw_queue_values[] = {
    { ngx_string("id"), NGX_HTTP_PAYGW_VALUE_EVENT_ID },
    { ngx_string("type"), NGX_HTTP_PAYGW_VALUE_TYPE },
    { ngx_string("outcome"), NGX_HTTP_PAYGW_VALUE_OUTCOME },
    { ngx_string("channel"), NGX_HTTP_PAYGW_VALUE_CHANNEL },
    { ngx_string("provider"), NGX_HTTP_PAYGW_VALUE_PROVIDER },
    { ngx_string("event"), NGX_HTTP_PAYGW_VALUE_EVENT },
    { ngx_null_string, 0 }
};


char *
ngx_http_paygw_queue_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_paygw_queue_t    *queue;
    ngx_http_core_loc_conf_t  *clcf;

    if (lcf->queue) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "stands in a location that has another content handler";
    }

    queue = ngx_pcalloc(cf->pool, sizeof(ngx_http_paygw_queue_t));
    if (queue == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].len > NGX_HTTP_PAYGW_QUEUE_NAME_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the name of a stream must have 1 to %d bytes",
                           NGX_HTTP_PAYGW_QUEUE_NAME_MAX);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < value[1].len; i++) {

        if (value[1].data[i] == '$' || value[1].data[i] <= ' '
            || value[1].data[i] > '~')
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid stream \"%V\", it must be visible "
                               "ASCII without variables", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    queue->stream.name = value[1];
    queue->file = cf->conf_file->file.name.data;
    queue->line = cf->conf_file->line;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_paygw_queue_arg(cf, &queue->stream, &value[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    lcf->queue = queue;
    clcf->handler = ngx_http_paygw_queue_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_queue_arg(ngx_conf_t *cf, ngx_paygw_store_stream_t *stream,
    ngx_str_t *arg)
{
    ngx_int_t  n;

    if (ngx_strncmp(arg->data, "maxlen=", 7) == 0 && stream->maxlen == 0) {

        n = ngx_atoi(arg->data + 7, arg->len - 7);

        if (n == NGX_ERROR || n == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\", it must be a number of "
                               "entries", arg);
            return NGX_CONF_ERROR;
        }

        stream->maxlen = n;

        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" of \"paygw_queue\": when the stream \"%V\" "
                           "is longer its oldest events are removed, read or "
                           "not, and nobody will send them again", arg,
                           &stream->name);

        return NGX_CONF_OK;
    }

    if (ngx_strncmp(arg->data, "wait=", 5) == 0 && stream->replicas == 0) {
        return ngx_http_paygw_queue_wait(cf, stream, arg);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"", arg);

    return NGX_CONF_ERROR;
}


/* wait=REPLICAS[:TIME] */

static char *
ngx_http_paygw_queue_wait(ngx_conf_t *cf, ngx_paygw_store_stream_t *stream,
    ngx_str_t *arg)
{
    u_char     *p, *last, *colon;
    ngx_int_t   n, wait;
    ngx_str_t   time;

    p = arg->data + 5;
    last = arg->data + arg->len;
    wait = NGX_HTTP_PAYGW_QUEUE_WAIT;

    colon = ngx_strlchr(p, last, ':');

    if (colon) {
        time.data = colon + 1;
        time.len = last - time.data;
        wait = ngx_parse_time(&time, 0);
        last = colon;
    }

    n = ngx_atoi(p, last - p);

    if (n == NGX_ERROR || n == 0 || wait == NGX_ERROR || wait == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\", it must be "
                           "\"wait=REPLICAS[:TIME]\"", arg);
        return NGX_CONF_ERROR;
    }

    stream->replicas = n;
    stream->wait = wait;

    return NGX_CONF_OK;
}


char *
ngx_http_paygw_queue_check(ngx_conf_t *cf, ngx_paygw_store_t *store,
    ngx_http_paygw_loc_conf_t *conf)
{
    const char                *why;
    ngx_http_paygw_queue_t    *queue;
    ngx_http_core_loc_conf_t  *clcf;

    queue = conf->queue;

    if (ngx_http_paygw_queue_check_store(cf, store, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == NULL) {
        /* "limit_except" in the location */
        clcf->handler = ngx_http_paygw_queue_handler;
    }

    why = NULL;

    if (conf->names == NULL) {
        why = "needs \"paygw_notify\" in the same location: nothing that was "
              "not verified goes into a stream";

    } else if (clcf->handler != ngx_http_paygw_queue_handler) {
        why = "stands in a location that has another content handler, "
              "give each a location of its own";

    } else if (conf->early) {
        why = "cannot be used with \"if\", \"set\", \"return\" and "
              "\"rewrite\": they would come too late, select the events "
              "where the stream is read";

    } else if (conf->observe > ngx_time()) {
        why = "cannot be used with \"paygw_verify observe\": it would take "
              "what was not verified, add \"paygw_verify enforce\"";

    } else if (conf->sign) {
        why = "cannot be used with \"sign\" of \"paygw_deliver\": an entry "
              "has no header fields, add \"paygw_deliver event\"";
    }

    if (why) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"paygw_queue\" in %s:%ui %s",
                      queue->file, queue->line, why);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_paygw_queue_check_store(ngx_conf_t *cf, ngx_paygw_store_t *store,
    ngx_http_paygw_loc_conf_t *conf)
{
    ngx_str_t               *names;
    ngx_uint_t               i, n;
    ngx_msec_t               timeout;
    ngx_http_paygw_queue_t  *queue;

    queue = conf->queue;

    if (store == NULL || !ngx_paygw_store_streams(store)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"paygw_queue\" in %s:%ui needs Redis, a zone has no "
                      "streams: add \"paygw_store redis://...\" to \"http\"",
                      queue->file, queue->line);
        return NGX_CONF_ERROR;
    }

    timeout = ngx_paygw_store_timeout(store);

    if (queue->stream.replicas && queue->stream.wait >= timeout / 2) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"wait\" %Mms of \"paygw_queue\" in %s:%ui is not "
                      "shorter than half of the \"timeout\" %Mms of "
                      "\"paygw_store\": an event may have to wait for two of "
                      "them",
                      queue->stream.wait, queue->file, queue->line, timeout);
        return NGX_CONF_ERROR;
    }

    names = conf->names ? conf->names->elts : NULL;
    n = conf->names ? conf->names->nelts : 0;

    for (i = 0; i < n; i++) {

        if (ngx_paygw_store_together(store, &names[i], &queue->stream.name)) {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "stream \"%V\" of \"paygw_queue\" in %s:%ui does not "
                      "lie in the slot of channel \"%V\", name it "
                      "\"{%V}:events\", or give it and \"prefix\" of "
                      "\"paygw_store\" one {hash tag}",
                      &queue->stream.name, queue->file, queue->line,
                      &names[i], &names[i]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* what another location has claimed, and passes on to this one */

static ngx_int_t
ngx_http_paygw_queue_handler(ngx_http_request_t *r)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "redirect to a location with \"paygw_queue\" is refused");

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}


ngx_int_t
ngx_http_paygw_queue(ngx_http_paygw_ctx_t *ctx)
{
    ngx_paygw_store_entry_t  *entry;

    entry = ngx_palloc(ctx->request->pool, sizeof(ngx_paygw_store_entry_t));
    if (entry == NULL) {
        return NGX_ERROR;
    }

    entry->stream = &ctx->lcf->queue->stream;
    entry->nfields = 0;

    /* the number of the delivery is only known to the store */

    if (ngx_paygw_event_json(&ctx->notify, &ctx->event_id, 0, &ctx->event)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_paygw_queue_fields(ctx, entry) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->op.entry = entry;

    return ngx_paygw_store_append(ngx_http_paygw_store(ctx->request),
                                  &ctx->op);
}


static ngx_int_t
ngx_http_paygw_queue_fields(ngx_http_paygw_ctx_t *ctx,
    ngx_paygw_store_entry_t *entry)
{
    ngx_keyval_t                        *kv;
    const ngx_http_paygw_queue_field_t  *f;

    for (f = ngx_http_paygw_queue_values; f->name.len; f++) {

        kv = &entry->fields[entry->nfields++];
        kv->key = f->name;

        if (ngx_http_paygw_value(ctx, f->value, ctx->request->pool, &kv->value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ctx->lcf->deliver == NGX_HTTP_PAYGW_RAW) {

        /* next to the event: without its header fields it says less */

        kv = &entry->fields[entry->nfields++];
        ngx_str_set(&kv->key, "body");
        kv->value = ctx->notify.msg.body;
    }

    return NGX_OK;
}
