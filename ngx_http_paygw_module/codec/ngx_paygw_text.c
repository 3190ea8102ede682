
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_text.h"
#include "ngx_paygw_bytes.h"


#define NGX_PAYGW_AMOUNT_DIGITS     15   /* before the point: * 100 fits */
#define NGX_PAYGW_TIMESTAMP_DIGITS  12

#define NGX_PAYGW_DATETIME_LEN      (sizeof("2025-01-02 03:05:13") - 1)


static ngx_int_t ngx_paygw_base64_bytes(u_char *d, u_char *s, size_t n);
static ngx_int_t ngx_paygw_number(ngx_str_t *text, size_t max,
    int64_t *value);
static ngx_int_t ngx_paygw_civil_parse(ngx_str_t *text, u_char sep,
    int64_t *seconds, ngx_str_t *rest);
static ngx_int_t ngx_paygw_digits(u_char *p, size_t n);
static ngx_int_t ngx_paygw_month_days(ngx_int_t year, ngx_int_t month);
static int64_t ngx_paygw_civil_days(ngx_int_t year, ngx_int_t month,
    ngx_int_t day);
static ngx_int_t ngx_paygw_zone_parse(ngx_str_t *text, ngx_int_t *zone);
static void ngx_paygw_invisible(ngx_paygw_bytes_t *b);
static void ngx_paygw_not_ascii(ngx_paygw_bytes_t *b);
static size_t ngx_paygw_utf8_len(u_char *p, u_char *last);


/* the value of a base64 character, 77 for any other byte */

static const u_char  ngx_paygw_base64[256] = {
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77,
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77,
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 62, 77, 77, 77, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 77, 77, 77, 77, 77, 77,
    77,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 77, 77, 77, 77, 77,
    77, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 77, 77, 77, 77, 77,

    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77,
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77,
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77,
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77,
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77,
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77,
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77,
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77
};


#define NGX_PAYGW_BASE64_BAD  0x40    /* a bit of 77, and of no value */


ngx_int_t
ngx_paygw_base64_decode(ngx_pool_t *pool, ngx_str_t *dst, ngx_str_t *src)
{
    size_t   n, pad;
    u_char  *p;

    if (src->len % 4 != 0) {
        return NGX_ABORT;
    }

    pad = 0;

    while (pad < 2 && pad < src->len && src->data[src->len - 1 - pad] == '=') {
        pad++;
    }

    n = src->len - pad;

    p = ngx_pnalloc(pool, ngx_base64_decoded_length(src->len) + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    dst->data = p;
    dst->len = n / 4 * 3 + (pad ? 3 - pad : 0);

    return ngx_paygw_base64_bytes(p, src->data, n);
}


/* n characters without padding */

static ngx_int_t
ngx_paygw_base64_bytes(u_char *d, u_char *s, size_t n)
{
    u_char  a, b, c, e, bad;

    bad = 0;

    for ( /* void */ ; n >= 4; n -= 4, s += 4) {
        a = ngx_paygw_base64[s[0]];
        b = ngx_paygw_base64[s[1]];
        c = ngx_paygw_base64[s[2]];
        e = ngx_paygw_base64[s[3]];

        bad |= a | b | c | e;

        *d++ = (u_char) (a << 2 | b >> 4);
        *d++ = (u_char) (b << 4 | c >> 2);
        *d++ = (u_char) (c << 6 | e);
    }

    if (n) {
        a = ngx_paygw_base64[s[0]];
        b = ngx_paygw_base64[s[1]];
        c = (n == 3) ? ngx_paygw_base64[s[2]] : 0;

        bad |= a | b | c;

        /* bits of the last character that belong to no byte */

        if ((n == 2) ? (b & 0x0f) : (c & 0x03)) {
            return NGX_ABORT;
        }

        *d++ = (u_char) (a << 2 | b >> 4);

        if (n == 3) {
            *d = (u_char) (b << 4 | c >> 2);
        }
    }

    return (bad & NGX_PAYGW_BASE64_BAD) ? NGX_ABORT : NGX_OK;
}


ngx_int_t
ngx_paygw_amount_parse(ngx_str_t *text, int64_t *minor)
{
    return ngx_paygw_amount_digits(text, 2, minor);
}


ngx_int_t
ngx_paygw_amount_digits(ngx_str_t *text, ngx_uint_t digits, int64_t *minor)
{
    u_char   *p, *last;
    int64_t   value;
    size_t    whole, fraction;

    if (text->len == 0) {
        return NGX_ABORT;
    }

    p = text->data;
    last = p + text->len;
    value = 0;

    for (whole = 0; p < last && *p >= '0' && *p <= '9'; whole++) {

        if (whole == NGX_PAYGW_AMOUNT_DIGITS) {
            return NGX_ABORT;
        }

        value = value * 10 + (*p++ - '0');
    }

    fraction = 0;

    if (p < last && *p == '.') {

        for (p++; p < last && *p >= '0' && *p <= '9'; fraction++) {

            if (fraction == digits) {
                return NGX_ABORT;
            }

            value = value * 10 + (*p++ - '0');
        }

        if (fraction == 0) {
            return NGX_ABORT;
        }
    }

    if (whole == 0 || p != last) {
        return NGX_ABORT;
    }

    for ( /* void */ ; fraction < digits; fraction++) {
        value *= 10;
    }

    *minor = value;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_minor_parse(ngx_str_t *text, int64_t *minor)
{
    return ngx_paygw_number(text, NGX_PAYGW_AMOUNT_DIGITS, minor);
}


ngx_int_t
ngx_paygw_timestamp_parse(ngx_str_t *text, time_t *t)
{
    int64_t  value;

    if (ngx_paygw_number(text, NGX_PAYGW_TIMESTAMP_DIGITS, &value)
        != NGX_OK)
    {
        return NGX_ABORT;
    }

    *t = (time_t) value;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_number(ngx_str_t *text, size_t max, int64_t *value)
{
    size_t   i;
    int64_t  n;

    if (text->len == 0 || text->len > max) {
        return NGX_ABORT;
    }

    n = 0;

    for (i = 0; i < text->len; i++) {

        if (text->data[i] < '0' || text->data[i] > '9') {
            return NGX_ABORT;
        }

        n = n * 10 + (text->data[i] - '0');
    }

    *value = n;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_rfc3339_parse(ngx_str_t *text, time_t *t)
{
    int64_t    seconds;
    ngx_int_t  zone;
    ngx_str_t  rest;

    if (ngx_paygw_civil_parse(text, 'T', &seconds, &rest) != NGX_OK
        || ngx_paygw_zone_parse(&rest, &zone) != NGX_OK)
    {
        return NGX_ABORT;
    }

    if (seconds - zone < 0) {
        return NGX_ABORT;
    }

    *t = (time_t) (seconds - zone);

    return NGX_OK;
}


ngx_int_t
ngx_paygw_datetime_parse(ngx_str_t *text, ngx_int_t zone, time_t *t)
{
    int64_t    seconds;
    ngx_str_t  rest;

    if (ngx_paygw_civil_parse(text, ' ', &seconds, &rest) != NGX_OK
        || rest.len != 0
        || seconds - zone < 0)
    {
        return NGX_ABORT;
    }

    *t = (time_t) (seconds - zone);

    return NGX_OK;
}


ngx_int_t
ngx_paygw_compact_parse(ngx_str_t *text, ngx_int_t zone, time_t *t)
{
    u_char     *p, buf[NGX_PAYGW_DATETIME_LEN];
    ngx_str_t   spaced;

    if (text->len != sizeof("20250102030513") - 1) {
        return NGX_ABORT;
    }

    p = text->data;

    spaced.data = buf;
    spaced.len = ngx_snprintf(buf, sizeof(buf), "%*s-%*s-%*s %*s:%*s:%*s",
                              (size_t) 4, p, (size_t) 2, p + 4,
                              (size_t) 2, p + 6, (size_t) 2, p + 8,
                              (size_t) 2, p + 10, (size_t) 2, p + 12)
                 - buf;

    return ngx_paygw_datetime_parse(&spaced, zone, t);
}


/*
 * "YYYY-MM-DD", sep, "HH:MM:SS" and an optional fraction to seconds as if the
 * zone were UTC.  The C library is not asked: it would read the machine's own
 * zone, and would take the 31st of June for the 1st of July.
 */

static ngx_int_t
ngx_paygw_civil_parse(ngx_str_t *text, u_char sep, int64_t *seconds,
    ngx_str_t *rest)
{
    u_char     *p, *last;
    ngx_int_t   year, month, day, hour, min, sec;

    if (text->len < NGX_PAYGW_DATETIME_LEN) {
        return NGX_ABORT;
    }

    p = text->data;
    last = p + text->len;

    if (p[4] != '-' || p[7] != '-' || p[10] != sep || p[13] != ':'
        || p[16] != ':')
    {
        return NGX_ABORT;
    }

    year = ngx_paygw_digits(p, 4);
    month = ngx_paygw_digits(p + 5, 2);
    day = ngx_paygw_digits(p + 8, 2);
    hour = ngx_paygw_digits(p + 11, 2);
    min = ngx_paygw_digits(p + 14, 2);
    sec = ngx_paygw_digits(p + 17, 2);

    if (year < 1 || month < 1 || month > 12
        || day < 1 || day > ngx_paygw_month_days(year, month)
        || hour < 0 || hour > 23
        || min < 0 || min > 59
        || sec < 0 || sec > 59)
    {
        return NGX_ABORT;
    }

    p += NGX_PAYGW_DATETIME_LEN;

    if (p < last && *p == '.') {

        p++;

        if (p == last || *p < '0' || *p > '9') {
            return NGX_ABORT;
        }

        while (p < last && *p >= '0' && *p <= '9') {
            p++;
        }
    }

    *seconds = ngx_paygw_civil_days(year, month, day) * 86400
               + hour * 3600 + min * 60 + sec;

    rest->data = p;
    rest->len = last - p;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_digits(u_char *p, size_t n)
{
    ngx_int_t  value;

    for (value = 0; n--; p++) {

        if (*p < '0' || *p > '9') {
            return NGX_ERROR;
        }

        value = value * 10 + (*p - '0');
    }

    return value;
}


static ngx_int_t
ngx_paygw_month_days(ngx_int_t year, ngx_int_t month)
{
    static const u_char  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (month == 2
        && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0))
    {
        return 29;
    }

    return days[month - 1];
}


/* days since 1970-01-01; Gauss' formula as in ngx_parse_http_time() */

static int64_t
ngx_paygw_civil_days(ngx_int_t year, ngx_int_t month, ngx_int_t day)
{
    /* the year begins in March, so that the leap day is its last */

    month -= 2;

    if (month <= 0) {
        month += 12;
        year -= 1;
    }

    return (int64_t) 365 * year + year / 4 - year / 100 + year / 400
           + 367 * month / 12 - 30
           + day - 1
           - 719527 + 31 + 28;
}


static ngx_int_t
ngx_paygw_zone_parse(ngx_str_t *text, ngx_int_t *zone)
{
    u_char     *p;
    ngx_int_t   hour, min;

    p = text->data;

    if (text->len == 1 && p[0] == 'Z') {
        *zone = 0;
        return NGX_OK;
    }

    if (text->len != 6 || (p[0] != '+' && p[0] != '-') || p[3] != ':') {
        return NGX_ABORT;
    }

    hour = ngx_paygw_digits(p + 1, 2);
    min = ngx_paygw_digits(p + 4, 2);

    if (hour < 0 || hour > 23 || min < 0 || min > 59) {
        return NGX_ABORT;
    }

    *zone = hour * 3600 + min * 60;

    if (p[0] == '-') {
        *zone = -*zone;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_visible(ngx_str_t *s, size_t max)
{
    u_char  *last;

    if (s->len == 0 || s->len > max) {
        return 0;
    }

    last = s->data + s->len;

    return ngx_paygw_bytes_find(s->data, last, ngx_paygw_invisible) == last;
}


static void
ngx_paygw_invisible(ngx_paygw_bytes_t *b)
{
    *b = (ngx_paygw_bytes_t) ((*b < 0x21) | (*b > 0x7e));
}


ngx_uint_t
ngx_paygw_utf8_valid(ngx_str_t *s)
{
    size_t   n;
    u_char  *p, *last;

    if (s->len == 0) {
        return 1;
    }

    p = s->data;
    last = p + s->len;

    while (p < last) {

        if (*p < 0x80) {
            p = ngx_paygw_bytes_find(p, last, ngx_paygw_not_ascii);
            continue;
        }

        n = ngx_paygw_utf8_len(p, last);

        if (n == 0) {
            return 0;
        }

        p += n;
    }

    return 1;
}


static void
ngx_paygw_not_ascii(ngx_paygw_bytes_t *b)
{
    *b = (ngx_paygw_bytes_t) (*b > 0x7f);
}


/*
 * The length of the multi-byte character at p, 0 if it is malformed.  The
 * ranges of the second byte are those of the table "Well-Formed UTF-8 Byte
 * Sequences" of the Unicode standard.
 */

static size_t
ngx_paygw_utf8_len(u_char *p, u_char *last)
{
    size_t  i, n;
    u_char  min, max;

    min = 0x80;
    max = 0xbf;

    if (*p >= 0xc2 && *p <= 0xdf) {
        n = 2;

    } else if (*p >= 0xe0 && *p <= 0xef) {
        n = 3;

        if (*p == 0xe0) {
            min = 0xa0;

        } else if (*p == 0xed) {
            max = 0x9f;
        }

    } else if (*p >= 0xf0 && *p <= 0xf4) {
        n = 4;

        if (*p == 0xf0) {
            min = 0x90;

        } else if (*p == 0xf4) {
            max = 0x8f;
        }

    } else {
        return 0;
    }

    if ((size_t) (last - p) < n || p[1] < min || p[1] > max) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }

    return n;
}
