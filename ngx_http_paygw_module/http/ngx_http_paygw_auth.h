
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_AUTH_H_INCLUDED_
#define _NGX_HTTP_PAYGW_AUTH_H_INCLUDED_


#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_gate.h"
#include "ngx_http_paygw_variables.h"


/* The authentication of a merchant's call: a part of the gate. */


extern const ngx_http_paygw_gate_part_t  ngx_http_paygw_auth_part;


/* the rewrite phase of a subrequest: NGX_DECLINED to go on, or a status */
ngx_int_t ngx_http_paygw_auth_subrequest(ngx_http_request_t *r,
    ngx_http_paygw_loc_conf_t *lcf);

/* 1 if the request is authenticated, and its merchant one of the location's */
ngx_uint_t ngx_http_paygw_auth_admits(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_http_paygw_loc_conf_t *lcf);

/* refuses a request that was led to a location which does not admit it */
void ngx_http_paygw_auth_elsewhere(ngx_http_paygw_gate_ctx_t *ctx);

/*
 * ctx->call: what the configuration and the fields say of it; all that can be
 * refused before a byte of the body is read; and the rest, up to the signature.
 * The last two return as the functions of ngx_paygw_call.h do.
 */
void ngx_http_paygw_auth_fill(ngx_http_paygw_gate_ctx_t *ctx);
ngx_int_t ngx_http_paygw_auth_before(ngx_http_paygw_gate_ctx_t *ctx);
ngx_int_t ngx_http_paygw_auth_verify(ngx_http_paygw_gate_ctx_t *ctx);

/* refuses for call->reason, and logs: NGX_DECLINED */
ngx_int_t ngx_http_paygw_auth_refuse(ngx_http_paygw_gate_ctx_t *ctx);

/* $paygw_merchant, _key_id, _result, _reason; empty if there is nothing */
void ngx_http_paygw_auth_value(ngx_http_request_t *r,
    ngx_http_paygw_value_e which, ngx_str_t *value);


/* the words of an answer that is a refusal: of its reason, JSON */
ngx_uint_t ngx_http_paygw_problem_status(ngx_paygw_reason_e reason);

/* puts the filter in place that makes them: postconfiguration */
ngx_int_t ngx_http_paygw_problem_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_PAYGW_AUTH_H_INCLUDED_ */
