
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_ctx.h"
#include "ngx_http_paygw_gate.h"
#include "ngx_http_paygw_headers.h"
#include "ngx_http_paygw_idem.h"
#include "ngx_http_paygw_notify.h"
#include "ngx_http_paygw_phases.h"


/*
 * Where the module stands among nginx's phases.
 *
 * A callback is verified in the access phase, after "allow", "deny" and the
 * like.  In a location that has directives of the rewrite module ("return",
 * "set", "if", "rewrite") it is verified before those, since they could answer
 * the request or look at the event: no line of its location acts on a callback
 * that was not verified.  The same goes for a call of a merchant.
 */


static void ngx_http_paygw_redirected(ngx_http_request_t *r);
static ngx_int_t ngx_http_paygw_content_handler(ngx_http_request_t *r);


static const ngx_str_t  ngx_http_paygw_fields_in[] = {
    ngx_string("x-paygw-"),
    ngx_null_string
};


/*
 * The X-Paygw-* fields are ours alone, in every location: a shop that finds
 * one knows who wrote it.
 */

ngx_int_t
ngx_http_paygw_server_rewrite_handler(ngx_http_request_t *r)
{
    if (r != r->main || ngx_http_paygw_ctx_get(r)
        || ngx_http_paygw_gate_ctx(r))
    {
        /* a redirect of one that has fields of ours already */
        return NGX_DECLINED;
    }

    if (ngx_http_paygw_headers_drop(r, ngx_http_paygw_fields_in) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_paygw_rewrite_handler(ngx_http_request_t *r)
{
    ngx_http_paygw_loc_conf_t  *lcf;

    if (r->internal && r == r->main) {
        ngx_http_paygw_redirected(r);
        ngx_http_paygw_gate_over(r);
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_paygw_module);

    if (lcf->gate) {
        return ngx_http_paygw_gate_rewrite(r, lcf);
    }

    if (lcf->channels == NULL) {
        return NGX_DECLINED;
    }

    if (r->post_action) {
        /* the client has its answer: an ack would follow it on the wire */
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "\"post_action\" to a location with \"paygw_notify\" "
                      "is refused");
        return NGX_HTTP_CLOSE;
    }

    if (r != r->main) {
        /* the access phase never runs for a subrequest, the content would */
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "subrequest to a location with \"paygw_notify\" "
                      "is refused");
        return NGX_HTTP_FORBIDDEN;
    }

    if (lcf->early) {
        return ngx_http_paygw_notify_enter(r, lcf);
    }

    if (lcf->observe && !ngx_http_paygw_observing(lcf)
        && ngx_http_paygw_ctx_get(r) == NULL
        && ngx_http_paygw_ctx_create(r, lcf) == NULL)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /*
     * The last was for a location that has observed until a while ago: it has
     * kept its error pages, and one that answers before the access phase would
     * leave the location behind.
     */

    return NGX_DECLINED;
}


/*
 * An event that was handed over goes on to another location: by try_files, by
 * X-Accel-Redirect, or since an error page is to answer.  The last is not the
 * shop's word.  nginx marks it in r->error_page, but not where error pages are
 * recursive, and an upstream that failed has left its status.
 */

static void
ngx_http_paygw_redirected(ngx_http_request_t *r)
{
    ngx_http_paygw_ctx_t       *ctx;
    ngx_http_upstream_state_t  *state;

    if (ngx_http_get_module_ctx(r, ngx_http_paygw_module)) {
        /* "rewrite" keeps the context, a redirect has wiped it */
        return;
    }

    ctx = ngx_http_paygw_ctx_get(r);

    if (ctx == NULL) {
        return;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_paygw_module);

    if (ctx->state != NGX_HTTP_PAYGW_DELIVERING) {
        return;
    }

    if (ctx->clcf->error_pages && ctx->clcf->recursive_error_pages) {
        ctx->failed = 1;
    }

    if (r->upstream_states && r->upstream_states->nelts) {
        state = r->upstream_states->elts;
        state += r->upstream_states->nelts - 1;

        if (state->status < NGX_HTTP_OK
            || state->status >= NGX_HTTP_SPECIAL_RESPONSE)
        {
            ctx->failed = 1;
        }
    }

    ctx->clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
}


ngx_int_t
ngx_http_paygw_access_handler(ngx_http_request_t *r)
{
    ngx_http_paygw_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_paygw_module);

    if (lcf->gate) {
        return ngx_http_paygw_gate_access(r, lcf);
    }

    if (lcf->channels == NULL) {
        return NGX_DECLINED;
    }

    return ngx_http_paygw_notify_enter(r, lcf);
}


/*
 * Whatever is answered from here on is not a refusal of the phases before.  And
 * whatever location has the event now: its content handler begins with ours.
 */

ngx_int_t
ngx_http_paygw_precontent_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_paygw_ctx_t       *ctx;
    ngx_http_paygw_loc_conf_t  *lcf;

    if (r == r->main) {
        ngx_http_paygw_gate_over(r);

        lcf = ngx_http_get_module_loc_conf(r, ngx_http_paygw_module);

        if (lcf->gate) {
            rc = ngx_http_paygw_gate_precontent(r, lcf);

            if (rc != NGX_DECLINED) {
                return rc;
            }
        }

        rc = ngx_http_paygw_idem_replay(r);

        if (rc != NGX_DECLINED) {
            return rc;
        }

        ngx_http_paygw_idem_content(r);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_paygw_module);

    if (ctx
        && r->content_handler
        && (ctx->state == NGX_HTTP_PAYGW_DELIVERING
            || ctx->state == NGX_HTTP_PAYGW_OBSERVING))
    {
        ctx->content = r->content_handler;
        r->content_handler = ngx_http_paygw_content_handler;
    }

    return NGX_DECLINED;
}


/*
 * A provider that closes its connection must not end the work of a shop that
 * has the event, and release a claim on which it may have acted.  So once an
 * upstream has begun nobody listens for that any more, wherever its proxy_pass
 * stands and whatever "proxy_ignore_client_abort" says.
 */

static ngx_int_t
ngx_http_paygw_content_handler(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_paygw_ctx_t  *ctx;

    /* a redirect wipes r->ctx */

    ctx = ngx_http_get_module_ctx(r, ngx_http_paygw_module);

    rc = ctx->content(r);

    if (!ctx->settled && r->upstream && r->upstream->cleanup) {
        r->read_event_handler = ngx_http_block_reading;
        r->write_event_handler = ngx_http_request_empty_handler;
    }

    return rc;
}
