
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_metrics.h"


/* 1, 2, 5: from a tenth of a millisecond, what Redis takes, to 10 seconds */

const uint32_t  ngx_paygw_metrics_bounds[NGX_PAYGW_METRICS_BOUNDS + 1] = {
    100, 200, 500,
    1000, 2000, 5000,
    10000, 20000, 50000,
    100000, 200000, 500000,
    1000000, 2000000, 5000000,
    10000000,
    0
};


void
ngx_paygw_metrics_observe(ngx_paygw_metrics_t *m, ngx_uint_t first,
    uint64_t us)
{
    ngx_uint_t     i;
    ngx_atomic_t  *slots;

    if (m == NULL || m->slots == NULL) {
        return;
    }

    slots = &m->slots[first];

    for (i = 0; i < NGX_PAYGW_METRICS_BOUNDS; i++) {
        if (us <= ngx_paygw_metrics_bounds[i]) {
            break;
        }
    }

    (void) ngx_atomic_fetch_add(&slots[i], 1);
    (void) ngx_atomic_fetch_add(&slots[NGX_PAYGW_METRICS_BOUNDS + 1], us);
}


uint64_t
ngx_paygw_metrics_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
