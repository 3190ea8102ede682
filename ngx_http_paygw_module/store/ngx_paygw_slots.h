
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_SLOTS_H_INCLUDED_
#define _NGX_PAYGW_SLOTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What a Redis cluster says and means, as bytes: the slot of a key, where a
 * redirect leads to, and which server has which slots.
 */


#define NGX_PAYGW_SLOTS       16384
#define NGX_PAYGW_SLOTS_HOST  255       /* bytes of a host */


typedef struct {
    ngx_uint_t    slot;
    ngx_uint_t    ask;              /* this once, with ASKING; else: moved */
    ngx_str_t     host;             /* may be empty: that of who says so */
    ngx_uint_t    port;
} ngx_paygw_slots_redirect_t;


/* the slots first .. last, and the server that takes writes for them */
typedef struct {
    ngx_uint_t    first;
    ngx_uint_t    last;
    ngx_str_t     host;             /* may be empty, as above */
    ngx_uint_t    port;             /* 0: there is none to connect to */
} ngx_paygw_slots_range_t;

typedef void (*ngx_paygw_slots_pt)(void *data,
    ngx_paygw_slots_range_t *range);


/* of what is in the first braces of the key, if there is something, or of all
 */
ngx_uint_t ngx_paygw_slots_key(const ngx_str_t *key);

/*
 * Reads "MOVED SLOT HOST:PORT" and "ASK SLOT HOST:PORT", which are the text of
 * an error reply.  NGX_DECLINED if it is none of the two, NGX_ERROR if it is
 * one that makes no sense.  The host points into the text.
 */
ngx_int_t ngx_paygw_slots_redirect(ngx_str_t *text,
    ngx_paygw_slots_redirect_t *redirect);

/*
 * Reads the reply to CLUSTER SLOTS, from its first byte on, and calls handler
 * for each range, but only if all of it is valid, and no slot is in two.  The
 * host points into the bytes.  NGX_OK, and *used of them belong to it;
 * NGX_AGAIN: it goes on; NGX_DECLINED: it is a complete error reply;
 * NGX_ERROR: it is invalid.
 */
ngx_int_t ngx_paygw_slots_map(u_char *p, size_t len, size_t *used,
    ngx_paygw_slots_pt handler, void *data);


#endif /* _NGX_PAYGW_SLOTS_H_INCLUDED_ */
