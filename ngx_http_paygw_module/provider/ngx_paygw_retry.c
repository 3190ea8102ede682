
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_retry.h"


ngx_msec_t
ngx_paygw_retry_pause(const ngx_paygw_retry_t *retry, ngx_uint_t n,
    ngx_uint_t random)
{
    uint64_t  pause;

    pause = retry->base;

    while (n-- && pause < NGX_PAYGW_RETRY_MAX) {
        pause = pause * retry->factor / 100;
    }

    /* callers that failed together do not come back together */

    pause = ngx_min(pause, NGX_PAYGW_RETRY_MAX)
            + random % (retry->jitter + 1);

    return (ngx_msec_t) ngx_min(pause, NGX_PAYGW_RETRY_MAX);
}
