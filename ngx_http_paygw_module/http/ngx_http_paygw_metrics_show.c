
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_ctx.h"
#include "ngx_http_paygw_keyring.h"
#include "ngx_http_paygw_metrics.h"


/* The two content handlers.  The workers share the counters: any will do. */


static ngx_int_t ngx_http_paygw_metrics_answer(ngx_http_request_t *r,
    ngx_uint_t json);
static ngx_int_t ngx_http_paygw_metrics_write(ngx_http_request_t *r,
    ngx_paygw_exposition_t *e, ngx_uint_t json);
static void ngx_http_paygw_metrics_date(ngx_paygw_exposition_t *e);
static void ngx_http_paygw_metrics_family(ngx_http_paygw_main_conf_t *mcf,
    ngx_paygw_exposition_t *e, const ngx_http_paygw_family_t *f);
static void ngx_http_paygw_metrics_labels(ngx_http_paygw_subject_t *subject,
    const ngx_http_paygw_family_t *f, ngx_paygw_exposition_sample_t *s);
static ngx_uint_t ngx_http_paygw_metrics_unused(
    ngx_http_paygw_subject_t *subject, const ngx_http_paygw_family_t *f);
static void ngx_http_paygw_metrics_sample(ngx_http_paygw_subject_t *subject,
    ngx_paygw_exposition_t *e, const ngx_http_paygw_family_t *f, ngx_uint_t i,
    ngx_paygw_exposition_sample_t *s);
static ngx_int_t ngx_http_paygw_metrics_send(ngx_http_request_t *r,
    ngx_paygw_exposition_t *e, ngx_uint_t json);


static ngx_str_t  ngx_http_paygw_metrics_type =
    ngx_string("text/plain; version=0.0.4; charset=utf-8");
static ngx_str_t  ngx_http_paygw_status_type = ngx_string("application/json");


ngx_int_t
ngx_http_paygw_metrics_handler(ngx_http_request_t *r)
{
    return ngx_http_paygw_metrics_answer(r, 0);
}


ngx_int_t
ngx_http_paygw_status_handler(ngx_http_request_t *r)
{
    return ngx_http_paygw_metrics_answer(r, 1);
}


static ngx_int_t
ngx_http_paygw_metrics_answer(ngx_http_request_t *r, ngx_uint_t json)
{
    ngx_int_t               rc;
    ngx_paygw_exposition_t  e;

    if (ngx_http_paygw_ctx_get(r->main)) {

        /* our 200 would be taken for that of the shop */

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "redirect of a payment callback to a location with "
                      "\"%s\" is refused",
                      json ? "paygw_status" : "paygw_metrics");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_paygw_metrics_write(r, &e, json) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_paygw_metrics_send(r, &e, json);
}


static ngx_int_t
ngx_http_paygw_metrics_write(ngx_http_request_t *r, ngx_paygw_exposition_t *e,
    ngx_uint_t json)
{
    ngx_str_t                       version;
    ngx_http_paygw_main_conf_t     *mcf;
    const ngx_http_paygw_family_t  *f;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paygw_module);

    /* this worker may have had no callback since a key came */

    ngx_http_paygw_keyring_refresh(mcf, r->connection->log);

    ngx_paygw_exposition_begin(e, r->pool, json);

    ngx_str_set(&version, NGX_HTTP_PAYGW_VERSION);

    ngx_paygw_exposition_text(e, "version", &version);
    ngx_http_paygw_metrics_date(e);

    for (f = ngx_http_paygw_families; f->shown.name.len; f++) {
        ngx_http_paygw_metrics_family(mcf, e, f);
    }

    return ngx_paygw_exposition_end(e);
}


static void
ngx_http_paygw_metrics_date(ngx_paygw_exposition_t *e)
{
    u_char     buf[sizeof("1970-09-28T12:00:00+06:00")];
    ngx_tm_t   tm;
    ngx_str_t  time;

    ngx_gmtime(ngx_time(), &tm);

    time.data = buf;
    time.len = ngx_sprintf(buf, "%4d-%02d-%02dT%02d:%02d:%02dZ",
                           tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                           tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec)
               - buf;

    ngx_paygw_exposition_text(e, "time", &time);
}


static void
ngx_http_paygw_metrics_family(ngx_http_paygw_main_conf_t *mcf,
    ngx_paygw_exposition_t *e, const ngx_http_paygw_family_t *f)
{
    ngx_uint_t                       i, k;
    ngx_http_paygw_subject_t       **subject;
    ngx_paygw_exposition_sample_t    s;

    ngx_paygw_exposition_family(e, &f->shown);

    subject = mcf->metrics->subjects.elts;

    for (i = 0; i < mcf->metrics->subjects.nelts; i++) {

        if (subject[i]->kind != f->kind) {
            continue;
        }

        ngx_http_paygw_metrics_labels(subject[i], f, &s);

        if (f->show) {
            f->show(mcf, subject[i], e, &s);
            continue;
        }

        if (subject[i]->metrics.slots == NULL
            || ngx_http_paygw_metrics_unused(subject[i], f))
        {
            continue;
        }

        for (k = 0; k < f->n; k++) {
            ngx_http_paygw_metrics_sample(subject[i], e, f, k, &s);
        }
    }
}


static void
ngx_http_paygw_metrics_labels(ngx_http_paygw_subject_t *subject,
    const ngx_http_paygw_family_t *f, ngx_paygw_exposition_sample_t *s)
{
    ngx_uint_t     i;
    ngx_keyval_t  *label;

    label = s->labels;

    switch (subject->kind) {

    case NGX_HTTP_PAYGW_SUBJECT_CHANNEL:
    case NGX_HTTP_PAYGW_SUBJECT_ORDERS:
    case NGX_HTTP_PAYGW_SUBJECT_API:
        ngx_str_set(&label->key, "channel");
        label++->value = subject->name;
        ngx_str_set(&label->key, "provider");
        ngx_str_null(&label->value);

        if (subject->provider) {
            label->value = subject->provider->name;
        }

        label++;
        break;

    case NGX_HTTP_PAYGW_SUBJECT_MERCHANT:
        ngx_str_set(&label->key, "merchant");
        label++->value = subject->name;
        break;

    case NGX_HTTP_PAYGW_SUBJECT_LIMIT:
        ngx_str_set(&label->key, "limit");
        label++->value = subject->name;
        break;

    default: /* NGX_HTTP_PAYGW_SUBJECT_NGINX */
        break;
    }

    for (i = 0; i < NGX_HTTP_PAYGW_FAMILY_LABELS && f->labels[i].len; i++) {
        label->key = f->labels[i];
        ngx_str_null(&label->value);
        label++;
    }

    s->nlabels = label - s->labels;
}


/* nobody wants to see what he has not switched on, channel for channel */

static ngx_uint_t
ngx_http_paygw_metrics_unused(ngx_http_paygw_subject_t *subject,
    const ngx_http_paygw_family_t *f)
{
    ngx_uint_t  i;

    if (!f->rare) {
        return 0;
    }

    for (i = 0; i < f->n; i++) {
        if (subject->metrics.slots[f->at + i]) {
            return 0;
        }
    }

    return 1;
}


static void
ngx_http_paygw_metrics_sample(ngx_http_paygw_subject_t *subject,
    ngx_paygw_exposition_t *e, const ngx_http_paygw_family_t *f, ngx_uint_t i,
    ngx_paygw_exposition_sample_t *s)
{
    uint64_t       slots[NGX_PAYGW_METRICS_HISTOGRAM];
    ngx_str_t      values[NGX_HTTP_PAYGW_FAMILY_LABELS];
    ngx_uint_t     k, n, shown;
    ngx_atomic_t  *slot;

    n = (f->shown.type == NGX_PAYGW_EXPOSITION_HISTOGRAM)
        ? NGX_PAYGW_METRICS_HISTOGRAM : 1;

    slot = &subject->metrics.slots[f->at + i * n];

    for (k = 0; k < n; k++) {
        slots[k] = slot[k];
    }

    if (f->value) {

        shown = f->value(i, values);

        if (!shown && slots[0] == 0) {
            return;
        }

        for (k = NGX_HTTP_PAYGW_FAMILY_LABELS; k-- > 0; /* void */ ) {
            if (f->labels[k].len) {
                break;
            }
        }

        for (n = 0; n <= k; n++) {
            s->labels[s->nlabels - 1 - k + n].value = values[n];
        }
    }

    if (f->shown.type == NGX_PAYGW_EXPOSITION_HISTOGRAM) {
        ngx_paygw_exposition_histogram(e, s, ngx_paygw_metrics_bounds, slots);

    } else {
        ngx_paygw_exposition_value(e, s, slots[0]);
    }
}


static ngx_int_t
ngx_http_paygw_metrics_send(ngx_http_request_t *r, ngx_paygw_exposition_t *e,
    ngx_uint_t json)
{
    ngx_int_t         rc;
    ngx_str_t        *type;
    ngx_chain_t      *cl;
    ngx_table_elt_t  *h;

    type = json ? &ngx_http_paygw_status_type : &ngx_http_paygw_metrics_type;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = e->size;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_lowcase = NULL;

    /* the media type is what stands before its parameters, as for a proxy */

    r->headers_out.content_type_len = json ? type->len
                                           : sizeof("text/plain") - 1;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    ngx_str_set(&h->key, "Cache-Control");
    ngx_str_set(&h->value, "no-store");

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    for (cl = e->out; cl->next; cl = cl->next) { /* void */ }

    cl->buf->last_buf = (r == r->main);
    cl->buf->last_in_chain = 1;

    return ngx_http_output_filter(r, e->out);
}
