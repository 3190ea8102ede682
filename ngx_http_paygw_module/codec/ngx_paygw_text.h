
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_TEXT_H_INCLUDED_
#define _NGX_PAYGW_TEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* Small strict readers of text that a provider sends. */


/*
 * Strict base64 (RFC 4648, section 4): the standard alphabet, length a
 * multiple of 4, padding only at the end and with zero spare bits, no white
 * space.  ngx_decode_base64() stops at the first "=" and ignores what follows,
 * and looks at each character twice.  Returns NGX_OK, NGX_ABORT or NGX_ERROR;
 * dst lives in pool.
 */
ngx_int_t ngx_paygw_base64_decode(ngx_pool_t *pool, ngx_str_t *dst,
    ngx_str_t *src);

/*
 * "88.8", "88.88" or "88" to minor units with two decimals: digits, optionally
 * a point and one or two digits, nothing else (no sign, exponent or space), at
 * most 15 digits before the point.  Returns NGX_OK or NGX_ABORT.
 */
ngx_int_t ngx_paygw_amount_parse(ngx_str_t *text, int64_t *minor);

/* the same for a currency with 0 to 3 decimals */
ngx_int_t ngx_paygw_amount_digits(ngx_str_t *text, ngx_uint_t digits,
    int64_t *minor);

/*
 * An amount that is sent in minor units: 1 to 15 digits and nothing else.
 * Returns NGX_OK or NGX_ABORT.
 */
ngx_int_t ngx_paygw_minor_parse(ngx_str_t *text, int64_t *minor);

/* Unix seconds: 1 to 12 digits and nothing else.  NGX_OK or NGX_ABORT. */
ngx_int_t ngx_paygw_timestamp_parse(ngx_str_t *text, time_t *t);

/*
 * RFC 3339 with a zone ("2024-10-27T11:33:20+08:00", "Z"; a fraction of a
 * second is dropped).  NGX_OK or NGX_ABORT.
 */
ngx_int_t ngx_paygw_rfc3339_parse(ngx_str_t *text, time_t *t);

/*
 * "2025-01-02 03:05:13", a fraction of a second dropped, at a fixed offset of
 * zone seconds east of UTC.  NGX_OK or NGX_ABORT.
 */
ngx_int_t ngx_paygw_datetime_parse(ngx_str_t *text, ngx_int_t zone,
    time_t *t);

/* The same for 14 digits, "20250102030513".  NGX_OK or NGX_ABORT. */
ngx_int_t ngx_paygw_compact_parse(ngx_str_t *text, ngx_int_t zone, time_t *t);

/*
 * 1 to max bytes of visible ASCII (0x21 to 0x7e): safe as a header value, in a
 * store key and in a log line.  Returns 1 or 0.
 */
ngx_uint_t ngx_paygw_visible(ngx_str_t *s, size_t max);

/* 1 if s is well-formed UTF-8 (no overlong forms, no surrogates), else 0 */
ngx_uint_t ngx_paygw_utf8_valid(ngx_str_t *s);

/*
 * The bytes in a PEM block of this label ("CERTIFICATE"), strictly: one block,
 * nothing in front of it and nothing but line ends behind it, no headers, the
 * base64 above but for its line ends (CR LF or LF, or none).  So there is one
 * result for one text, and no text that another reader takes for something
 * else.  NGX_OK, NGX_ABORT or NGX_ERROR; der lives in pool.
 */
ngx_int_t ngx_paygw_pem_decode(ngx_pool_t *pool, ngx_str_t *der,
    ngx_str_t *text, const char *label);

/*
 * GBK to UTF-8 by the C library's iconv.  *dst is in pool.  Returns NGX_OK;
 * NGX_ABORT if src is not GBK; NGX_DECLINED if this system has no GBK table
 * (its fix: libc-gconv-modules-extra); NGX_ERROR.
 */
ngx_int_t ngx_paygw_gbk_to_utf8(ngx_pool_t *pool, ngx_str_t *dst,
    ngx_str_t *src);

/*
 * NGX_OK if GBK can be converted, else NGX_DECLINED.  To be called while the
 * configuration is read by whoever may convert later: it loads the table, so
 * that no worker has to read a file.
 */
ngx_int_t ngx_paygw_gbk_available(void);


#endif /* _NGX_PAYGW_TEXT_H_INCLUDED_ */
