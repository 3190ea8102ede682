
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_LIMIT_H_INCLUDED_
#define _NGX_HTTP_PAYGW_LIMIT_H_INCLUDED_


#include "ngx_http_paygw_module.h"
#include "ngx_http_paygw_gate.h"
#include "ngx_http_paygw_variables.h"


/*
 * paygw_limit: a part of the gate.
 *
 * Limits that are counted in the zone are asked first, before anything goes to
 * the store: who is refused there costs no round trip, and burns no nonce.
 * The others are one operation of the store, or several if they are in several
 * places of a cluster.  A request is charged to all limits of an operation and
 * of the zone or to none; where a nonce, or another place, refuses it, it stays
 * charged.
 */


/* of a configuration, constant */
typedef struct {
    ngx_http_complex_value_t     key;
    ngx_str_t                    kind;       /* ends the key of a counter */
    ngx_str_t                    name;       /* of the policy */
    ngx_str_t                    policy;     /* a member of RateLimit-Policy */

    uint64_t                     rate;
    uint64_t                     period;     /* microseconds */
    uint64_t                     burst;

    unsigned                     zone:1;     /* scope=zone */
    unsigned                     refuse:1;   /* store_error=refuse */
    unsigned                     dry:1;

    u_char                      *file;       /* where it stands */
    ngx_uint_t                   line;

    struct ngx_http_paygw_subject_s  *subject;  /* what counts, or NULL */
} ngx_http_paygw_limit_t;


/* of $paygw_limit_status */
typedef enum {
    NGX_HTTP_PAYGW_LIMIT_NONE = 0,
    NGX_HTTP_PAYGW_LIMIT_PASSED,
    NGX_HTTP_PAYGW_LIMIT_REJECTED,
    NGX_HTTP_PAYGW_LIMIT_DRY,
    NGX_HTTP_PAYGW_LIMIT_UNAVAILABLE
} ngx_http_paygw_limit_status_e;


/* the limits of a request that have a key; those of the zone are the first */
typedef struct ngx_http_paygw_limits_s {
    ngx_http_paygw_limit_t      *confs[NGX_PAYGW_STORE_LIMITS_MAX];
    ngx_paygw_limit_t            counts[NGX_PAYGW_STORE_LIMITS_MAX];
    ngx_uint_t                   nzone;
    ngx_uint_t                   n;

    ngx_paygw_store_op_t        *ops[NGX_PAYGW_STORE_LIMITS_MAX];
    ngx_uint_t                   nops;       /* of the others */
    ngx_uint_t                   counted;    /* counts says what it is */
    ngx_http_paygw_limit_status_e  status;

    unsigned                     away:1;     /* the zone counts for the store */
} ngx_http_paygw_limits_t;


extern const ngx_http_paygw_gate_part_t  ngx_http_paygw_limit_part;


/* RateLimit-Policy and RateLimit, if there is something to tell */
ngx_int_t ngx_http_paygw_limit_fields(ngx_http_paygw_gate_ctx_t *ctx);

/* $paygw_limit_status, empty if nothing was limited */
void ngx_http_paygw_limit_value(ngx_http_request_t *r, ngx_str_t *value);

/* the setter, and the merge, when conf->names is known */
char *ngx_http_paygw_limit_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paygw_limit_merge(ngx_conf_t *cf,
    ngx_http_paygw_loc_conf_t *prev, ngx_http_paygw_loc_conf_t *conf);

/*
 * Of "rate=..." and "burst=...", as requests in microseconds; and whether a
 * bucket of them is one that is emptied in time.
 */
char *ngx_http_paygw_limit_rate(ngx_conf_t *cf, ngx_str_t *value,
    uint64_t *rate, uint64_t *period);
char *ngx_http_paygw_limit_burst(ngx_conf_t *cf, ngx_str_t *value,
    uint64_t *burst);
char *ngx_http_paygw_limit_time(ngx_conf_t *cf, uint64_t rate,
    uint64_t period, uint64_t burst);

/* of microseconds, rounded up */
#define ngx_http_paygw_limit_seconds(us)  ((time_t) (((us) + 999999) / 1000000))


#endif /* _NGX_HTTP_PAYGW_LIMIT_H_INCLUDED_ */
