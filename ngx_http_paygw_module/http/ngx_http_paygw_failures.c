
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_failures.h"
#include "ngx_http_paygw_limit.h"


#define NGX_HTTP_PAYGW_FAILURES_RATE   10
#define NGX_HTTP_PAYGW_FAILURES_BURST  100

#define NGX_HTTP_PAYGW_FAILURES_ADDR   8        /* bytes: half of an IPv6 */
#define NGX_HTTP_PAYGW_FAILURES_KIND   (sizeof(":failures,,,") - 1            \
                                        + 3 * NGX_INT64_LEN)


typedef struct {
    ngx_paygw_limit_t    count;
    u_char               key[NGX_HTTP_PAYGW_FAILURES_ADDR
                             + NGX_HTTP_PAYGW_FAILURES_KIND];
} ngx_http_paygw_failures_t;


static ngx_int_t ngx_http_paygw_failures_of(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_http_paygw_failures_t *failures);
static size_t ngx_http_paygw_failures_addr(ngx_http_request_t *r,
    u_char *addr);
static ngx_uint_t ngx_http_paygw_failures_private(u_char *addr, size_t len);
static char *ngx_http_paygw_failures_kind(ngx_conf_t *cf,
    ngx_http_paygw_auth_conf_t *conf);
static char *ngx_http_paygw_failures_param(ngx_conf_t *cf,
    ngx_http_paygw_auth_conf_t *auth, ngx_str_t *value);


ngx_uint_t
ngx_http_paygw_failures_over(ngx_http_paygw_gate_ctx_t *ctx)
{
    ngx_log_t                   *log;
    ngx_uint_t                   level;
    ngx_http_paygw_failures_t    failures;
    ngx_http_paygw_main_conf_t  *mcf;

    if (ngx_http_paygw_failures_of(ctx, &failures) != NGX_OK) {
        return 0;
    }

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    if (!ngx_paygw_zone_limits_over(mcf->zone, &failures.count, 1)) {
        return 0;
    }

    ctx->retry = ngx_http_paygw_limit_seconds(
                                     ngx_paygw_limit_retry(&failures.count));

    level = ngx_http_paygw_gate_level(&mcf->failures_over);
    log = ctx->request->connection->log;

    ngx_log_error(level, log, 0, "too many calls from this address that "
                  "nobody has signed, no more are looked at for now");

    return 1;
}


void
ngx_http_paygw_failures_add(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_paygw_reason_e reason)
{
    ngx_http_paygw_failures_t    failures;
    ngx_http_paygw_main_conf_t  *mcf;

    switch (reason) {

    case NGX_PAYGW_REASON_MISSING_HEADER:

        if (ctx->lcf->auth.any) {
            /* one that has not tried to sign */
            return;
        }

        break;

    case NGX_PAYGW_REASON_REPEATED_HEADER:
    case NGX_PAYGW_REASON_MALFORMED:
    case NGX_PAYGW_REASON_DUPLICATE_FIELD:
    case NGX_PAYGW_REASON_UNKNOWN_KEY:
    case NGX_PAYGW_REASON_SIGN_TYPE:
    case NGX_PAYGW_REASON_SIGNATURE:
        break;

    default:
        return;
    }

    if (ngx_http_paygw_failures_of(ctx, &failures) != NGX_OK) {
        return;
    }

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_paygw_module);

    /* a zone that is full is none to refuse anybody for */

    (void) ngx_paygw_zone_limits(mcf->zone, &failures.count, 1,
                                 ctx->request->connection->log);
}


/* NGX_DECLINED if nothing is counted for this address */

static ngx_int_t
ngx_http_paygw_failures_of(ngx_http_paygw_gate_ctx_t *ctx,
    ngx_http_paygw_failures_t *failures)
{
    size_t                       len;
    u_char                      *p;
    ngx_http_paygw_auth_conf_t  *auth;

    auth = &ctx->lcf->auth;

    if (auth->failures == NGX_HTTP_PAYGW_FAILURES_OFF) {
        return NGX_DECLINED;
    }

    len = ngx_http_paygw_failures_addr(ctx->request, failures->key);

    if (len == 0
        || (auth->failures == NGX_HTTP_PAYGW_FAILURES_PUBLIC
            && ngx_http_paygw_failures_private(failures->key, len)))
    {
        return NGX_DECLINED;
    }

    p = ngx_cpymem(&failures->key[len], auth->failures_kind.data,
                   auth->failures_kind.len);

    ngx_memzero(&failures->count, sizeof(ngx_paygw_limit_t));

    failures->count.key.data = failures->key;
    failures->count.key.len = p - failures->key;

    failures->count.rate = auth->failures_rate;
    failures->count.period = auth->failures_period;
    failures->count.burst = auth->failures_burst;

    return NGX_OK;
}


/* 4 bytes of IPv4, 8 of IPv6, whose other half is the client's to choose */

static size_t
ngx_http_paygw_failures_addr(ngx_http_request_t *r, u_char *addr)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (r->connection->sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) r->connection->sockaddr;
        ngx_memcpy(addr, &sin->sin_addr, 4);
        return 4;

#if (NGX_HAVE_INET6)

    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) r->connection->sockaddr;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            ngx_memcpy(addr, &sin6->sin6_addr.s6_addr[12], 4);
            return 4;
        }

        ngx_memcpy(addr, sin6->sin6_addr.s6_addr,
                   NGX_HTTP_PAYGW_FAILURES_ADDR);
        return NGX_HTTP_PAYGW_FAILURES_ADDR;

#endif

    default:
        return 0;
    }
}


/*
 * Loopback, private and shared networks: what comes from there may as well be
 * a proxy, behind which are all the merchants there are.
 */

static ngx_uint_t
ngx_http_paygw_failures_private(u_char *addr, size_t len)
{
    ngx_uint_t  i;

    static const u_char  none[NGX_HTTP_PAYGW_FAILURES_ADDR];

    static const struct {
        u_char  len;
        u_char  addr[2];
        u_char  mask[2];
    } nets[] = {
        { 4, { 127, 0 },      { 255, 0 } },
        { 4, { 10, 0 },       { 255, 0 } },
        { 4, { 172, 16 },     { 255, 240 } },
        { 4, { 192, 168 },    { 255, 255 } },
        { 4, { 169, 254 },    { 255, 255 } },
        { 4, { 100, 64 },     { 255, 192 } },
        { 8, { 0xfc, 0 },     { 0xfe, 0 } },
        { 8, { 0xfe, 0x80 },  { 0xff, 0xc0 } },
        { 0, { 0, 0 },        { 0, 0 } }
    };

    for (i = 0; nets[i].len; i++) {
        if (nets[i].len == len
            && (addr[0] & nets[i].mask[0]) == nets[i].addr[0]
            && (addr[1] & nets[i].mask[1]) == nets[i].addr[1])
        {
            return 1;
        }
    }

    /* ::1, and all else that begins so */

    return len == sizeof(none) && ngx_memcmp(addr, none, len) == 0;
}


char *
ngx_http_paygw_failures_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paygw_loc_conf_t *lcf = conf;

    char                        *rv;
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_http_paygw_auth_conf_t  *auth;

    auth = &lcf->auth;

    if (auth->failures != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0 && cf->args->nelts == 2) {
        auth->failures = NGX_HTTP_PAYGW_FAILURES_OFF;
        return NGX_CONF_OK;
    }

    auth->failures = NGX_HTTP_PAYGW_FAILURES_ALL;
    auth->failures_rate = 0;
    auth->failures_burst = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        rv = ngx_http_paygw_failures_param(cf, auth, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (auth->failures_rate == 0) {
        return "has no \"rate\", such as \"rate=10r/s\"";
    }

    return ngx_http_paygw_limit_time(cf, auth->failures_rate,
                                     auth->failures_period,
                                     auth->failures_burst);
}


static char *
ngx_http_paygw_failures_param(ngx_conf_t *cf, ngx_http_paygw_auth_conf_t *auth,
    ngx_str_t *value)
{
    if (ngx_strncmp(value->data, "rate=", 5) == 0) {
        return ngx_http_paygw_limit_rate(cf, value, &auth->failures_rate,
                                         &auth->failures_period);
    }

    if (ngx_strncmp(value->data, "burst=", 6) == 0) {
        return ngx_http_paygw_limit_burst(cf, value, &auth->failures_burst);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" of \"paygw_auth_failures\", "
                       "known are \"rate=10r/s\" and \"burst=\"", value);

    return NGX_CONF_ERROR;
}


char *
ngx_http_paygw_failures_merge(ngx_conf_t *cf, ngx_http_paygw_auth_conf_t *prev,
    ngx_http_paygw_auth_conf_t *conf)
{
    ngx_http_paygw_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paygw_module);

    if (conf->failures == NGX_CONF_UNSET_UINT) {
        conf->failures = prev->failures;
        conf->failures_rate = prev->failures_rate;
        conf->failures_period = prev->failures_period;
        conf->failures_burst = prev->failures_burst;
    }

    if (conf->failures == NGX_CONF_UNSET_UINT) {
        conf->failures = NGX_HTTP_PAYGW_FAILURES_PUBLIC;
        conf->failures_rate = NGX_HTTP_PAYGW_FAILURES_RATE;
        conf->failures_period = 1000000;
        conf->failures_burst = NGX_HTTP_PAYGW_FAILURES_BURST;
    }

    if (!conf->on) {
        return NGX_CONF_OK;
    }

    if (mcf->zone) {
        return ngx_http_paygw_failures_kind(cf, conf);
    }

    if (conf->failures == NGX_HTTP_PAYGW_FAILURES_ALL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"paygw_auth_failures\" for \"paygw_auth\" in %s:%ui "
                      "needs a zone, add \"paygw_zone paygw:16m\" to \"http\"",
                      conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    conf->failures = NGX_HTTP_PAYGW_FAILURES_OFF;

    return NGX_CONF_OK;
}


/* counters of one address, unless they have the same numbers */

static char *
ngx_http_paygw_failures_kind(ngx_conf_t *cf, ngx_http_paygw_auth_conf_t *conf)
{
    u_char  *p;

    p = ngx_pnalloc(cf->pool, NGX_HTTP_PAYGW_FAILURES_KIND);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    conf->failures_kind.data = p;
    conf->failures_kind.len = ngx_sprintf(p, ":failures,%uL,%uL,%uL",
                                          conf->failures_rate,
                                          conf->failures_period,
                                          conf->failures_burst)
                              - p;

    return NGX_CONF_OK;
}
