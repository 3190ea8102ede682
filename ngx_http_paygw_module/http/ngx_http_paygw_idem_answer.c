
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_paygw_idem.h"
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_idem.h"
#include "ngx_http_paygw_pass.h"
#include "ngx_http_paygw_reply.h"


/* Answers of calls that are to be run once: which are kept, and how. */


static ngx_int_t ngx_http_paygw_idem_fields(ngx_http_request_t *r,
    ngx_array_t *fields);
static ngx_int_t ngx_http_paygw_idem_list(ngx_list_t *list,
    ngx_array_t *fields);
static ngx_int_t ngx_http_paygw_idem_type(ngx_http_request_t *r,
    ngx_array_t *fields);
static ngx_int_t ngx_http_paygw_idem_modified(ngx_http_request_t *r,
    ngx_array_t *fields);
static ngx_table_elt_t *ngx_http_paygw_idem_push(ngx_list_t *list,
    ngx_keyval_t *field);
static ngx_uint_t ngx_http_paygw_idem_is(ngx_str_t *name, char *what);


/*
 * Of an error page the status says nothing: 200 may stand for a failure, and it
 * is nginx that says it.  But the location that an error leads to may have run
 * the call, by an upstream or another content handler.
 */

ngx_uint_t
ngx_http_paygw_idem_final(ngx_http_request_t *r)
{
    ngx_http_upstream_state_t  *state;
    ngx_http_paygw_pass_ctx_t  *pass;

    if (!ngx_paygw_idem_final(r->headers_out.status)) {
        return 0;
    }

    pass = ngx_http_paygw_pass_ctx(r);

    if (pass && pass->exchange.open) {
        /* a status is not all that a provider says of a call */
        return 0;
    }

    if (r->upstream && r->upstream->cleanup) {
        /* the answer is that of the upstream */
        return ngx_paygw_idem_final(r->upstream->headers_in.status_n)
               && !ngx_http_paygw_grpc_failed(&r->headers_out.headers);
    }

    if (r->error_page && r->content_handler == NULL) {
        return 0;
    }

    if (r->upstream_states && r->upstream_states->nelts) {
        state = r->upstream_states->elts;
        state += r->upstream_states->nelts - 1;

        return state->status >= NGX_HTTP_OK
               && state->status < NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return 1;
}


ngx_int_t
ngx_http_paygw_idem_pack(ngx_http_paygw_gate_ctx_t *ctx, ngx_str_t *text)
{
    u_char              *p;
    size_t               size;
    ngx_array_t          fields;
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;
    ngx_paygw_answer_t   answer;

    r = ctx->request;

    ngx_str_null(text);

    if (ngx_array_init(&fields, r->pool, 16, sizeof(ngx_keyval_t)) != NGX_OK
        || ngx_http_paygw_idem_fields(r, &fields) != NGX_OK)
    {
        return NGX_ERROR;
    }

    answer.status = r->headers_out.status;
    answer.redirect = (r->headers_out.location != NULL);
    answer.nfields = fields.nelts;

    if (ngx_http_paygw_idem_list(&r->headers_out.trailers, &fields) != NGX_OK)
    {
        return NGX_ERROR;
    }

    answer.ntrailers = fields.nelts - answer.nfields;
    answer.fields = fields.elts;
    answer.body.len = ctx->size;

    size = ngx_paygw_answer_size(&answer);

    if (size == 0 || size > NGX_PAYGW_STORE_ANSWER_MAX) {
        return NGX_OK;
    }

    text->data = ngx_pnalloc(r->pool, size);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = size;

    p = ngx_paygw_answer_write(text->data, &answer);

    for (cl = ctx->held; cl; cl = cl->next) {
        p = ngx_cpymem(p, cl->buf->pos, cl->buf->last - cl->buf->pos);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_idem_fields(ngx_http_request_t *r, ngx_array_t *fields)
{
    if (ngx_http_paygw_idem_type(r, fields) != NGX_OK
        || ngx_http_paygw_idem_modified(r, fields) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_paygw_idem_list(&r->headers_out.headers, fields);
}


static ngx_int_t
ngx_http_paygw_idem_list(ngx_list_t *list, ngx_array_t *fields)
{
    ngx_uint_t        i;
    ngx_keyval_t     *field;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &list->part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash == 0 || !ngx_paygw_idem_lasting(&h[i].key)) {
                continue;
            }

            field = ngx_array_push(fields);
            if (field == NULL) {
                return NGX_ERROR;
            }

            field->key = h[i].key;
            field->value = h[i].value;
        }
    }

    return NGX_OK;
}


/* in one piece, as it is sent */

static ngx_int_t
ngx_http_paygw_idem_type(ngx_http_request_t *r, ngx_array_t *fields)
{
    ngx_str_t     *type, *charset;
    ngx_keyval_t  *field;

    type = &r->headers_out.content_type;
    charset = &r->headers_out.charset;

    if (type->len == 0) {
        return NGX_OK;
    }

    field = ngx_array_push(fields);
    if (field == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&field->key, "Content-Type");
    field->value = *type;

    if (r->headers_out.content_type_len != type->len || charset->len == 0) {
        return NGX_OK;
    }

    field->value.data = ngx_pnalloc(r->pool, type->len + charset->len
                                             + sizeof("; charset=") - 1);
    if (field->value.data == NULL) {
        return NGX_ERROR;
    }

    field->value.len = ngx_sprintf(field->value.data, "%V; charset=%V", type,
                                   charset)
                       - field->value.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paygw_idem_modified(ngx_http_request_t *r, ngx_array_t *fields)
{
    ngx_keyval_t  *field;

    if (r->headers_out.last_modified
        || r->headers_out.last_modified_time == -1)
    {
        return NGX_OK;
    }

    field = ngx_array_push(fields);
    if (field == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&field->key, "Last-Modified");

    field->value.data = ngx_pnalloc(r->pool,
                              sizeof("Mon, 28 Sep 1970 06:00:00 GMT") - 1);
    if (field->value.data == NULL) {
        return NGX_ERROR;
    }

    field->value.len = ngx_http_time(field->value.data,
                                     r->headers_out.last_modified_time)
                       - field->value.data;

    return NGX_OK;
}


ngx_int_t
ngx_http_paygw_idem_unpack(ngx_http_request_t *r, ngx_paygw_answer_t *answer)
{
    ngx_uint_t        i;
    ngx_keyval_t     *field;
    ngx_table_elt_t  *h;

    static ngx_keyval_t  replayed = { ngx_string("Idempotent-Replayed"),
                                      ngx_string("true") };

    r->headers_out.status = answer->status;
    r->headers_out.status_line.len = 0;

    for (i = 0; i < answer->nfields; i++) {
        field = &answer->fields[i];

        if (ngx_http_paygw_idem_is(&field->key, "Content-Type")) {
            r->headers_out.content_type = field->value;
            r->headers_out.content_type_len = field->value.len;
            continue;
        }

        h = ngx_http_paygw_idem_push(&r->headers_out.headers, field);
        if (h == NULL) {
            return NGX_ERROR;
        }

        if (answer->redirect
            && ngx_http_paygw_idem_is(&field->key, "Location"))
        {
            r->headers_out.location = h;
        }
    }

    for ( /* void */ ; i < answer->nfields + answer->ntrailers; i++) {

        if (ngx_http_paygw_idem_push(&r->headers_out.trailers,
                                     &answer->fields[i])
            == NULL)
        {
            return NGX_ERROR;
        }

        r->expect_trailers = 1;
    }

    return ngx_http_paygw_idem_push(&r->headers_out.headers, &replayed)
           ? NGX_OK : NGX_ERROR;
}


static ngx_table_elt_t *
ngx_http_paygw_idem_push(ngx_list_t *list, ngx_keyval_t *field)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(list);
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key = field->key;
    h->value = field->value;

    return h;
}


static ngx_uint_t
ngx_http_paygw_idem_is(ngx_str_t *name, char *what)
{
    size_t  len;

    len = ngx_strlen(what);

    return name->len == len
           && ngx_strncasecmp(name->data, (u_char *) what, len) == 0;
}
