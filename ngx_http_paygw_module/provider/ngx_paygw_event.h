
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_EVENT_H_INCLUDED_
#define _NGX_PAYGW_EVENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"
#include "ngx_paygw_json.h"


/* the words of the design for event types and outcomes */
extern const ngx_str_t  ngx_paygw_event_types[];
extern const ngx_str_t  ngx_paygw_outcomes[];

/* of "confirm": what the shop has to do first */
extern const ngx_str_t  ngx_paygw_event_confirm;


/*
 * The id under which an event is claimed and which the shop sees:
 * CHANNEL:ID:KIND.  The kind is part of it, so that a later state of the same
 * trade is never taken for a repeat (named mistake D12).  One allocation.
 */
ngx_int_t ngx_paygw_event_id(ngx_paygw_notify_t *n, ngx_str_t *id);

/*
 * The id of its order, CHANNEL:ORDER_ID, for the store; empty if the event has
 * none.
 */
ngx_int_t ngx_paygw_event_order_id(ngx_paygw_notify_t *n, ngx_str_t *id);

/*
 * The normal event as JSON: docs/events.md describes every member.  One
 * allocation of the exact length; n->event.data goes in as it stands, and a
 * delivery of 0 is left out.
 */
ngx_int_t ngx_paygw_event_json(ngx_paygw_notify_t *n, ngx_str_t *id,
    ngx_uint_t delivery, ngx_str_t *json);


/*
 * Sets event.data: the fields of a form as members of an object, each a string,
 * without those that ngx_paygw_form_canonical() would leave out.  Names and
 * values must be UTF-8.  NGX_OK or NGX_ERROR with the reason set.
 */
ngx_int_t ngx_paygw_event_fields(ngx_paygw_notify_t *n,
    ngx_paygw_form_t *form, const char **skip, ngx_uint_t flags);

/* how providers read events that are JSON */

/* an object; as provider->event, refused with a hint if it is none */
ngx_int_t ngx_paygw_event_parse(ngx_paygw_notify_t *n, ngx_str_t *text,
    ngx_paygw_json_t **root);

/*
 * A member that goes into headers and keys, visible ASCII of at most max
 * bytes; empty if it is absent, or if obj is NULL.  NGX_OK or NGX_ABORT.
 */
ngx_int_t ngx_paygw_event_word(ngx_paygw_json_t *obj, const char *name,
    size_t max, ngx_str_t *value);

/* an amount in minor units, -1 if it is absent; the same otherwise */
ngx_int_t ngx_paygw_event_minor(ngx_paygw_json_t *obj, const char *name,
    int64_t *value);


#endif /* _NGX_PAYGW_EVENT_H_INCLUDED_ */
