
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_slots.h"


#define NGX_PAYGW_SLOTS_LINE    64      /* bytes of a number in a reply */
#define NGX_PAYGW_SLOTS_ERROR   4096    /* of an error */
#define NGX_PAYGW_SLOTS_FIELDS  64      /* of a range or a server */
#define NGX_PAYGW_SLOTS_DEPTH   4


/* what of a reply was read */
typedef struct {
    u_char                 *pos;
    u_char                 *last;
} ngx_paygw_slots_in_t;


static uint16_t ngx_paygw_slots_crc16(u_char *p, size_t len);
static ngx_int_t ngx_paygw_slots_endpoint(ngx_str_t *host, ngx_uint_t port);
static ngx_int_t ngx_paygw_slots_error(ngx_paygw_slots_in_t *in);
static ngx_int_t ngx_paygw_slots_walk(ngx_paygw_slots_in_t *in,
    ngx_paygw_slots_pt handler, void *data);
static ngx_int_t ngx_paygw_slots_range(ngx_paygw_slots_in_t *in,
    ngx_paygw_slots_range_t *range);
static ngx_uint_t ngx_paygw_slots_again(u_char *taken,
    ngx_paygw_slots_range_t *range);
static ngx_int_t ngx_paygw_slots_head(ngx_paygw_slots_in_t *in, u_char type,
    ngx_int_t min, ngx_int_t max, ngx_int_t *n);
static ngx_int_t ngx_paygw_slots_text(ngx_paygw_slots_in_t *in,
    ngx_str_t *text);
static ngx_int_t ngx_paygw_slots_skip(ngx_paygw_slots_in_t *in, ngx_int_t n,
    ngx_uint_t depth);


ngx_uint_t
ngx_paygw_slots_key(const ngx_str_t *key)
{
    u_char  *open, *close, *last;

    last = key->data + key->len;
    open = ngx_strlchr(key->data, last, '{');

    if (open) {
        close = ngx_strlchr(open + 1, last, '}');

        if (close && close > open + 1) {
            return ngx_paygw_slots_crc16(open + 1, close - open - 1)
                   % NGX_PAYGW_SLOTS;
        }
    }

    return ngx_paygw_slots_crc16(key->data, key->len) % NGX_PAYGW_SLOTS;
}


/* CRC-16/XMODEM, four bits at a time: a key is short, and so is the table */

static uint16_t
ngx_paygw_slots_crc16(u_char *p, size_t len)
{
    u_char   *last;
    uint16_t  crc;

    static const uint16_t  table[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef
    };

    crc = 0;

    for (last = p + len; p < last; p++) {
        crc = (uint16_t) ((crc << 4) ^ table[(crc >> 12) ^ (*p >> 4)]);
        crc = (uint16_t) ((crc << 4) ^ table[(crc >> 12) ^ (*p & 0x0f)]);
    }

    return crc;
}


ngx_int_t
ngx_paygw_slots_redirect(ngx_str_t *text, ngx_paygw_slots_redirect_t *redirect)
{
    u_char     *p, *last, *space, *colon;
    ngx_int_t   n;

    p = text->data;
    last = p + text->len;

    if (text->len > 6 && ngx_strncmp(p, "MOVED ", 6) == 0) {
        redirect->ask = 0;
        p += 6;

    } else if (text->len > 4 && ngx_strncmp(p, "ASK ", 4) == 0) {
        redirect->ask = 1;
        p += 4;

    } else {
        return NGX_DECLINED;
    }

    space = ngx_strlchr(p, last, ' ');

    if (space == NULL) {
        return NGX_ERROR;
    }

    n = ngx_atoi(p, space - p);

    if (n == NGX_ERROR || n >= NGX_PAYGW_SLOTS) {
        return NGX_ERROR;
    }

    redirect->slot = n;

    /* the port is behind the last colon: IPv6 comes without brackets */

    for (colon = last; colon > space && *(colon - 1) != ':'; colon--) {
        /* void */
    }

    if (colon == space) {
        return NGX_ERROR;
    }

    n = ngx_atoi(colon, last - colon);

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    redirect->host.data = space + 1;
    redirect->host.len = colon - 1 - redirect->host.data;
    redirect->port = n;

    return ngx_paygw_slots_endpoint(&redirect->host, redirect->port);
}


/* what may be the name of a host, or its address */

static ngx_int_t
ngx_paygw_slots_endpoint(ngx_str_t *host, ngx_uint_t port)
{
    u_char  c, *p, *last;

    if (port == 0 || port > 65535 || host->len > NGX_PAYGW_SLOTS_HOST) {
        return NGX_ERROR;
    }

    last = host->data + host->len;

    for (p = host->data; p < last; p++) {
        c = ngx_tolower(*p);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9')
            && c != '.' && c != ':' && c != '-' && c != '_')
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * An array of ranges; a range is an array of its first and its last slot, the
 * server that takes writes, and its replicas; a server is an array of its
 * host, its port, and whatever a version of Redis may add:
 *
 *   *N  *3+  :FIRST  :LAST  *2+  $HOST  :PORT  ...
 *
 * It is read twice, since nobody may see the first half of what turns out to
 * be invalid, or not to be there yet.
 */

ngx_int_t
ngx_paygw_slots_map(u_char *p, size_t len, size_t *used,
    ngx_paygw_slots_pt handler, void *data)
{
    ngx_int_t             rc;
    ngx_paygw_slots_in_t  in;

    in.pos = p;
    in.last = p + len;

    if (len && *p == '-') {
        return ngx_paygw_slots_error(&in);
    }

    rc = ngx_paygw_slots_walk(&in, NULL, NULL);

    if (rc != NGX_OK) {
        return rc;
    }

    *used = in.pos - p;
    in.pos = p;

    return ngx_paygw_slots_walk(&in, handler, data);
}


static ngx_int_t
ngx_paygw_slots_error(ngx_paygw_slots_in_t *in)
{
    size_t  len;

    len = in->last - in->pos;

    if (ngx_strlchr(in->pos, in->last, LF)) {
        return NGX_DECLINED;
    }

    return (len > NGX_PAYGW_SLOTS_ERROR) ? NGX_ERROR : NGX_AGAIN;
}


static ngx_int_t
ngx_paygw_slots_walk(ngx_paygw_slots_in_t *in, ngx_paygw_slots_pt handler,
    void *data)
{
    ngx_int_t                rc, n;
    u_char                   taken[NGX_PAYGW_SLOTS / 8];
    ngx_paygw_slots_range_t  range;

    ngx_memzero(taken, sizeof(taken));

    rc = ngx_paygw_slots_head(in, '*', 0, NGX_PAYGW_SLOTS, &n);

    for ( ; rc == NGX_OK && n; n--) {

        rc = ngx_paygw_slots_range(in, &range);

        if (rc == NGX_OK && ngx_paygw_slots_again(taken, &range)) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK && handler) {
            handler(data, &range);
        }
    }

    return rc;
}


/*
 * 1 if a range before has one of its slots: two servers may not take writes of
 * one, and so no map costs more than there are slots.
 */

static ngx_uint_t
ngx_paygw_slots_again(u_char *taken, ngx_paygw_slots_range_t *range)
{
    u_char      bit;
    ngx_uint_t  i;

    for (i = range->first; i <= range->last; i++) {
        bit = (u_char) (1 << (i % 8));

        if (taken[i / 8] & bit) {
            return 1;
        }

        taken[i / 8] |= bit;
    }

    return 0;
}


static ngx_int_t
ngx_paygw_slots_range(ngx_paygw_slots_in_t *in, ngx_paygw_slots_range_t *range)
{
    ngx_int_t  rc, n, first, last, fields, port;

    if ((rc = ngx_paygw_slots_head(in, '*', 3, NGX_PAYGW_SLOTS_FIELDS, &n))
        != NGX_OK
        || (rc = ngx_paygw_slots_head(in, ':', 0, NGX_PAYGW_SLOTS - 1, &first))
           != NGX_OK
        || (rc = ngx_paygw_slots_head(in, ':', first, NGX_PAYGW_SLOTS - 1,
                                      &last))
           != NGX_OK
        || (rc = ngx_paygw_slots_head(in, '*', 2, NGX_PAYGW_SLOTS_FIELDS,
                                      &fields))
           != NGX_OK
        || (rc = ngx_paygw_slots_text(in, &range->host)) != NGX_OK
        || (rc = ngx_paygw_slots_head(in, ':', 0, 65535, &port)) != NGX_OK)
    {
        return rc;
    }

    range->first = first;
    range->last = last;
    range->port = port;

    if (ngx_paygw_slots_endpoint(&range->host, range->port) != NGX_OK) {
        /* "?", of a server that does not know its own name */
        range->port = 0;
    }

    rc = ngx_paygw_slots_skip(in, fields - 2, 0);

    return (rc == NGX_OK) ? ngx_paygw_slots_skip(in, n - 3, 0) : rc;
}


/* the first line of a value: a type, and a number */

static ngx_int_t
ngx_paygw_slots_head(ngx_paygw_slots_in_t *in, u_char type, ngx_int_t min,
    ngx_int_t max, ngx_int_t *n)
{
    u_char     *p, *lf;
    ngx_int_t   sign;

    p = in->pos;

    if (p == in->last) {
        return NGX_AGAIN;
    }

    if (*p++ != type) {
        return NGX_ERROR;
    }

    lf = ngx_strlchr(p, ngx_min(in->last, p + NGX_PAYGW_SLOTS_LINE), LF);

    if (lf == NULL) {
        return (in->last - p < NGX_PAYGW_SLOTS_LINE) ? NGX_AGAIN : NGX_ERROR;
    }

    in->pos = lf + 1;

    if (lf == p || *(lf - 1) != CR) {
        return NGX_ERROR;
    }

    sign = 1;

    if (*p == '-') {
        sign = -1;
        p++;
    }

    *n = ngx_atoi(p, lf - 1 - p);

    if (*n == NGX_ERROR) {
        return NGX_ERROR;
    }

    *n *= sign;

    return (*n < min || *n > max) ? NGX_ERROR : NGX_OK;
}


/* a string; one that is null is empty */

static ngx_int_t
ngx_paygw_slots_text(ngx_paygw_slots_in_t *in, ngx_str_t *text)
{
    ngx_int_t  rc, n;

    rc = ngx_paygw_slots_head(in, '$', -1, NGX_PAYGW_SLOTS_HOST, &n);

    if (rc != NGX_OK) {
        return rc;
    }

    text->data = in->pos;
    text->len = ngx_max(n, 0);

    if (n < 0) {
        return NGX_OK;
    }

    if (in->last - in->pos < n + 2) {
        return NGX_AGAIN;
    }

    in->pos += n + 2;

    return (in->pos[-2] == CR && in->pos[-1] == LF) ? NGX_OK : NGX_ERROR;
}


/* n values of any kind */

static ngx_int_t
ngx_paygw_slots_skip(ngx_paygw_slots_in_t *in, ngx_int_t n, ngx_uint_t depth)
{
    ngx_int_t  rc, len;
    ngx_str_t  text;

    for (rc = NGX_OK; rc == NGX_OK && n > 0; n--) {

        if (in->pos == in->last) {
            return NGX_AGAIN;
        }

        switch (*in->pos) {

        case '*':
            if (depth == NGX_PAYGW_SLOTS_DEPTH) {
                return NGX_ERROR;
            }

            rc = ngx_paygw_slots_head(in, '*', -1, NGX_PAYGW_SLOTS_FIELDS,
                                      &len);
            if (rc == NGX_OK) {
                rc = ngx_paygw_slots_skip(in, len, depth + 1);
            }

            break;

        case '$':
            rc = ngx_paygw_slots_text(in, &text);
            break;

        default:
            rc = ngx_paygw_slots_head(in, ':', -NGX_MAX_INT_T_VALUE,
                                      NGX_MAX_INT_T_VALUE, &len);
            break;
        }
    }

    return rc;
}
