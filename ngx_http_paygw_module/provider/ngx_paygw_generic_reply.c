
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_generic_call.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_text.h"
#include "ngx_paygw_xml.h"


/*
 * What the caller gets of a good answer: the bytes of a body that is signed as
 * a whole; of one whose fields are signed, a new one of these alone.
 */


static ngx_int_t ngx_paygw_generic_kept(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_generic_signer(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call, ngx_paygw_form_t *form);
static ngx_int_t ngx_paygw_generic_plain(ngx_paygw_exchange_t *x,
    ngx_paygw_form_t *form);


/* of the header fields of an answer */
#define NGX_PAYGW_GENERIC_TELLS_TYPE  0


ngx_int_t
ngx_paygw_generic_reply(ngx_paygw_exchange_t *x)
{
    size_t                     i;
    ngx_int_t                  rc;
    ngx_str_t                 *type;
    ngx_paygw_form_t           form;
    ngx_paygw_generic_call_t  *call;

    call = ((ngx_paygw_generic_conf_t *) x->n.channels[0]->conf)->call;

    x->reply_status = x->status;
    x->reply = x->n.msg.body;

    type = &x->n.msg.headers[NGX_PAYGW_GENERIC_TELLS_TYPE];

    for (i = 0; i < type->len; i++) {
        if (type->data[i] < 0x20 || type->data[i] > 0x7e) {
            break;
        }
    }

    if (i && i == type->len && i < 256) {
        x->reply_type = *type;

    } else if (x->reply.len) {
        ngx_str_set(&x->reply_type, "application/octet-stream");

    } else {
        ngx_str_null(&x->reply_type);
    }

    if (x->unsigned_reply || call->sorted == NULL) {
        return NGX_OK;
    }

    rc = ngx_paygw_generic_kept(x, call, &form);
    if (rc != NGX_OK) {
        return rc;
    }

    switch (call->answer.env.docs[call->sorted->index].kind) {

    case NGX_PAYGW_EXPR_FORM:
        rc = ngx_paygw_form_write(x->n.pool, &form, &x->reply);
        ngx_str_set(&x->reply_type, "application/x-www-form-urlencoded");
        break;

    case NGX_PAYGW_EXPR_XML:
        rc = ngx_paygw_xml_write(x->n.pool,
                                 (char *) call->answer.env.xml_root.data,
                                 &form, &x->reply);
        ngx_str_set(&x->reply_type, "text/xml; charset=utf-8");
        break;

    default: /* NGX_PAYGW_EXPR_JSON */
        rc = ngx_paygw_generic_plain(x, &form);
        ngx_str_set(&x->reply_type, "application/json");
    }

    return (rc == NGX_ERROR) ? ngx_paygw_exchange_broken(x) : rc;
}


/*
 * Names are those of the provider, and they are to be written as they are; in
 * the new body they stand in the order of their bytes
 */

static ngx_int_t
ngx_paygw_generic_kept(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call, ngx_paygw_form_t *form)
{
    u_char                   c;
    size_t                   k;
    ngx_int_t                rc;
    ngx_uint_t               i, n;
    char                    *err;
    ngx_paygw_field_t       *fields;
    ngx_paygw_generic_run_t *run = x->data;

    rc = ngx_paygw_expr_fields(&run->answer.expr, call->sorted, &fields, &n);
    if (rc != NGX_OK) {
        return rc;
    }

    form->fields = fields;
    form->nfields = n;
    form->sorted = 0;

    for (i = 0; i < n; i++) {
        for (k = 0; k < fields[i].name.len; k++) {

            c = fields[i].name.data[k];

            if (c <= ' ' || c >= 0x7f || c == '&' || c == '=' || c == '%'
                || c == '+' || c == '"' || c == '<' || c == '>')
            {
                return ngx_paygw_refuse(&x->n, NGX_ABORT,
                                        NGX_PAYGW_REASON_MALFORMED,
                                        "invalid name of a field");
            }
        }
    }

    rc = ngx_paygw_generic_signer(x, call, form);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_paygw_form_sort(form, &err) != NGX_OK) {
        return ngx_paygw_refuse(&x->n, NGX_ABORT,
                                NGX_PAYGW_REASON_DUPLICATE_FIELD, err);
    }

    return NGX_OK;
}


/* the signature itself, if it is a field beside the others */

static ngx_int_t
ngx_paygw_generic_signer(ngx_paygw_exchange_t *x,
    ngx_paygw_generic_call_t *call, ngx_paygw_form_t *form)
{
    ngx_int_t                  rc;
    ngx_str_t                  value;
    ngx_paygw_expr_t          *e;
    ngx_paygw_generic_run_t   *run = x->data;
    ngx_paygw_expr_pointer_t  *ptr;

    e = call->answer.signature;

    while (e->nargs == 1 && e->op->eval != ngx_paygw_expr_field
           && e->op->eval != ngx_paygw_expr_json)
    {
        e = e->args[0];
    }

    if ((e->op->eval != ngx_paygw_expr_field
         && e->op->eval != ngx_paygw_expr_json)
        || e->index != call->sorted->index
        || form->nfields == NGX_PAYGW_FORM_MAX_FIELDS)
    {
        return NGX_OK;
    }

    form->fields[form->nfields].name = e->words[0];

    if (e->op->eval == ngx_paygw_expr_json) {

        ptr = e->data;

        if (ptr->n != 1) {
            return NGX_OK;
        }

        form->fields[form->nfields].name = ptr->tokens[0];
    }

    rc = ngx_paygw_expr_eval(&run->answer.expr, e, &value);

    if (rc == NGX_OK) {
        form->fields[form->nfields++].value = value;
    }

    return (rc == NGX_DECLINED) ? NGX_OK : rc;
}


/*
 * In a string to sign 1, "1" and true, "true" are the same, so that anybody
 * could make one of the other: all of them become strings.
 */

static ngx_int_t
ngx_paygw_generic_plain(ngx_paygw_exchange_t *x, ngx_paygw_form_t *form)
{
    ngx_int_t   rc;

    static const char  *none[] = { NULL };

    rc = ngx_paygw_event_fields(&x->n, form, none, 0);

    if (rc == NGX_OK) {
        x->reply = x->n.event.data;
    }

    return rc;
}
