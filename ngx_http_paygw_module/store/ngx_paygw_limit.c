
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_limit.h"


#define ngx_paygw_limit_room(limit)  (((limit)->burst + 1) * (limit)->period)


uint64_t
ngx_paygw_limit_drain(uint64_t level, uint64_t rate, uint64_t time)
{
    /* the product of a long time would overflow */

    return (time > level / rate) ? 0 : level - time * rate;
}


ngx_uint_t
ngx_paygw_limit_over(const ngx_paygw_limit_t *limit)
{
    return limit->level + limit->period > ngx_paygw_limit_room(limit);
}


uint64_t
ngx_paygw_limit_left(const ngx_paygw_limit_t *limit)
{
    uint64_t  room;

    room = ngx_paygw_limit_room(limit);

    return (limit->level < room) ? (room - limit->level) / limit->period : 0;
}


uint64_t
ngx_paygw_limit_retry(const ngx_paygw_limit_t *limit)
{
    uint64_t  level, room;

    level = limit->level + limit->period;
    room = ngx_paygw_limit_room(limit);

    return (level > room) ? (level - room + limit->rate - 1) / limit->rate
                          : 0;
}


uint64_t
ngx_paygw_limit_reset(const ngx_paygw_limit_t *limit)
{
    return (limit->level + limit->rate - 1) / limit->rate;
}
