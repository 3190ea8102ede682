
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_EXPOSITION_H_INCLUDED_
#define _NGX_PAYGW_EXPOSITION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Metrics as text: the text format 0.0.4 of Prometheus, or one object of JSON,
 *
 *   { "NAME": "VALUE", ...,                        of ngx_paygw_exposition_text
 *     "metrics": { "NAME": { "type": "...", "help": "...",
 *                  "samples": [ { "labels": { ... }, "value": N }, ... ] } } }
 *
 * in which a histogram has "count", "sum" and "buckets" in place of "value".
 *
 * begin, then the texts, then each family with its samples, then end.  A family
 * without samples is left out.  If memory is short that is told by end alone.
 */


#define NGX_PAYGW_EXPOSITION_LABELS  4    /* of a sample */

typedef enum {
    NGX_PAYGW_EXPOSITION_COUNTER = 0,
    NGX_PAYGW_EXPOSITION_GAUGE,
    NGX_PAYGW_EXPOSITION_HISTOGRAM
} ngx_paygw_exposition_type_e;


typedef struct {
    ngx_str_t                    name;     /* as it is shown */
    ngx_str_t                    help;     /* a sentence */
    ngx_paygw_exposition_type_e  type;
} ngx_paygw_exposition_family_t;


/* names as they are shown; values are UTF-8, any other bytes are allowed */
typedef struct {
    ngx_keyval_t                 labels[NGX_PAYGW_EXPOSITION_LABELS];
    ngx_uint_t                   nlabels;
} ngx_paygw_exposition_sample_t;


typedef struct {
    ngx_pool_t                  *pool;
    ngx_uint_t                   json;

    ngx_chain_t                 *out;      /* what was written: its bytes, */
    off_t                        size;     /* and their number */

    /* private */
    ngx_chain_t                **last;
    ngx_buf_t                   *buf;
    const ngx_paygw_exposition_family_t  *family;
    ngx_uint_t                   families;
    ngx_uint_t                   samples;  /* of this one */
    ngx_uint_t                   failed;
} ngx_paygw_exposition_t;


void ngx_paygw_exposition_begin(ngx_paygw_exposition_t *e, ngx_pool_t *pool,
    ngx_uint_t json);

/* a text beside the metrics, in JSON alone */
void ngx_paygw_exposition_text(ngx_paygw_exposition_t *e, const char *name,
    ngx_str_t *value);

/* what follows are samples of it; it must live until the end */
void ngx_paygw_exposition_family(ngx_paygw_exposition_t *e,
    const ngx_paygw_exposition_family_t *family);

void ngx_paygw_exposition_value(ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *sample, uint64_t value);

/*
 * A histogram: the bounds of its buckets in microseconds, ended by 0; in
 * buckets how many were in each, then how many above the last bound, then the
 * sum in microseconds.  It is shown in seconds.
 */
void ngx_paygw_exposition_histogram(ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *sample, const uint32_t *bounds,
    const uint64_t *buckets);

/* NGX_OK, and e->out is what was written; or NGX_ERROR */
ngx_int_t ngx_paygw_exposition_end(ngx_paygw_exposition_t *e);


#endif /* _NGX_PAYGW_EXPOSITION_H_INCLUDED_ */
