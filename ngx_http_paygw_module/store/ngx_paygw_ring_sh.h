
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_RING_SH_H_INCLUDED_
#define _NGX_PAYGW_RING_SH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_ring.h"
#include "ngx_paygw_zone.h"


/* Keyrings as they stand in the zone; private to the files of the ring. */


typedef struct {
    u_char                   data[NGX_PAYGW_RING_ASKED];
    u_short                  len;
    uint32_t                 count;
    ngx_msec_t               until;
} ngx_paygw_ring_id_t;


/* a key; its strings follow it */

typedef struct ngx_paygw_ring_node_s  ngx_paygw_ring_node_t;

struct ngx_paygw_ring_node_s {
    ngx_paygw_ring_node_t   *next;         /* older */
    ngx_msec_t               since;
    time_t                   not_after;
    size_t                   id;           /* lengths */
    size_t                   file;
    size_t                   text;
    u_char                   data[1];
};


struct ngx_paygw_ring_s {
    ngx_paygw_ring_t        *next;
    u_char                   name[NGX_PAYGW_RING_ID];
    size_t                   len;

    ngx_paygw_ring_node_t   *keys;         /* the newest first */
    ngx_atomic_t             changes;      /* of them */

    ngx_msec_t               begun;        /* the last fetch */
    ngx_msec_t               due;          /* the next one by the timer */
    ngx_msec_t               lease;        /* end of the one under way */
    ngx_msec_t               reminded;
    ngx_uint_t               failures;

    unsigned                 fetched:1;    /* begun and due are set */
    unsigned                 busy:1;       /* a fetch is under way */
    unsigned                 asked:1;      /* one was asked for */
    unsigned                 stranger:1;   /* the last one was for a stranger */
    unsigned                 warned:1;     /* reminded is set */

    ngx_msec_t               retry;        /* as it was said last */

    ngx_uint_t               nwanted;
    ngx_paygw_ring_id_t      wanted[NGX_PAYGW_RING_WANTED];

    ngx_uint_t               absents;      /* where the next one goes */
    ngx_paygw_ring_id_t      absent[NGX_PAYGW_RING_ABSENT];
};


/* the root of all rings in the zone */

struct ngx_paygw_ring_sh_s {
    ngx_atomic_t             version;
    ngx_atomic_t             turn;
    ngx_paygw_ring_t        *rings;
};


#endif /* _NGX_PAYGW_RING_SH_H_INCLUDED_ */
