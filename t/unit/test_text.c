
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_text.h"


static void test_base64(void);
static void test_base64_oracle(void);
static void test_base64_anywhere(void);
static void test_amount(void);
static void test_timestamp(void);
static void test_minor(void);
static void test_compact(void);
static void test_rfc3339(void);
static void test_datetime(void);
static void test_visible(void);
static void test_visible_anywhere(void);
static void test_utf8(void);


void
test_text(void)
{
    test_base64();
    test_base64_oracle();
    test_base64_anywhere();
    test_amount();
    test_timestamp();
    test_minor();
    test_compact();
    test_rfc3339();
    test_datetime();
    test_visible();
    test_visible_anywhere();
    test_utf8();
}


static void
test_base64(void)
{
    size_t       i;
    ngx_int_t    rc;
    ngx_str_t    dst, src;
    ngx_conf_t  *cf;

    static const struct {
        const char  *in;
        const char  *out;    /* NULL: refused */
    } t[] = {
        { "", "" },
        { "QQ==", "A" },
        { "QUI=", "AB" },
        { "QUJD", "ABC" },
        { "QUJDRA==", "ABCD" },
        { "+/+/", "\xfb\xff\xbf" },

        { "QQ", NULL },              /* padding is missing */
        { "QUI", NULL },
        { "Q", NULL },
        { "QUJDR", NULL },
        { "QR==", NULL },            /* spare bits */
        { "QUJ=", NULL },
        { "QUJDRB==", NULL },
        { "Q===", NULL },
        { "====", NULL },
        { "=", NULL },
        { "QQ==QUJD", NULL },        /* padding inside */
        { "QUI=QUJD", NULL },
        { "Q=Q=", NULL },
        { "QUJD====", NULL },
        { "QUJD\n", NULL },          /* white space */
        { "QUJD ", NULL },
        { " QUJD", NULL },
        { "QU\nJD", NULL },
        { "QUJD\r\nQUJD\r\n", NULL },
        { "-_-_", NULL },            /* the alphabet of URLs */
        { "QU\xc3\xa4", NULL },
        { "QUJ\x80", NULL },
        { "QU*D", NULL }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        src = harness_str(cf->pool, t[i].in);
        rc = ngx_paygw_base64_decode(cf->pool, &dst, &src);

        if (t[i].out == NULL) {
            ok(rc == NGX_ABORT, "base64 %lu is refused", (unsigned long) i);
            continue;
        }

        ok(rc == NGX_OK, "base64 \"%s\"", t[i].in);
        is_str(&dst, t[i].out, t[i].in);
    }

    src.data = (u_char *) "QU\0D";
    src.len = 4;

    is_int(ngx_paygw_base64_decode(cf->pool, &dst, &src), NGX_ABORT,
           "base64 with a NUL");

    harness_conf_free(cf);
}


static void
test_base64_oracle(void)
{
    int          same;
    size_t       n;
    ngx_str_t    raw, text, dst;
    ngx_conf_t  *cf;

    cf = harness_conf();
    same = 1;

    for (n = 1; n < 12; n++) {
        raw = openssl(cf->pool, "dgst -sha512 -binary unit.in | head -c %d "
                      "| openssl base64 -A > base64.out "
                      "&& openssl dgst -sha512 unit.in | cut -d' ' -f2",
                      (int) n);
        text = openssl(cf->pool, "version > /dev/null && cat base64.out");

        if (ngx_paygw_base64_decode(cf->pool, &dst, &text) != NGX_OK
            || dst.len != n)
        {
            same = 0;
            continue;
        }

        ngx_hex_dump(text.data, dst.data, n);
        same &= memcmp(text.data, raw.data, 2 * n) == 0;
    }

    ok(same, "base64 of 1 to 11 bytes as the openssl command writes it");

    harness_conf_free(cf);
}


/* each byte at each place: with others than those of base64 it is refused */

static void
test_base64_anywhere(void)
{
    int          c, i, len, wrong;
    char         text[] = "QUJDQUJDQUI=";
    ngx_str_t    dst, src;
    ngx_conf_t  *cf;

    static const char  chars[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    cf = harness_conf();
    len = sizeof(text) - 1;
    wrong = 0;

    src.data = (u_char *) text;
    src.len = len;

    /* the last of them has spare bits */

    for (i = 0; i < len - 2; i++) {
        for (c = 0; c < 256; c++) {
            text[i] = (char) c;

            wrong += (ngx_paygw_base64_decode(cf->pool, &dst, &src) == NGX_OK)
                     != (c && strchr(chars, c) != NULL);
        }

        text[i] = "QUJD"[i % 4];
    }

    is_int(wrong, 0, "base64, each byte at each place");

    harness_conf_free(cf);
}


static void
test_amount(void)
{
    size_t       i;
    int64_t      minor;
    ngx_int_t    rc;
    ngx_str_t    text;
    ngx_conf_t  *cf;

    static const struct {
        const char  *in;
        int64_t      out;    /* -1: refused */
    } t[] = {
        { "0", 0 },
        { "0.01", 1 },
        { "0.10", 10 },
        { "88", 8800 },
        { "88.8", 8880 },
        { "88.80", 8880 },
        { "88.88", 8888 },
        { "100000000.00", 10000000000 },
        { "999999999999999.99", 99999999999999999 },

        { "1000000000000000", -1 },             /* 16 digits */
        { "9999999999999999.99", -1 },
        { "99999999999999999999999999", -1 },
        { "", -1 },
        { ".", -1 },
        { "1.", -1 },
        { ".5", -1 },
        { "1.234", -1 },
        { "1.2.3", -1 },
        { "-1", -1 },
        { "+1", -1 },
        { "1e3", -1 },
        { "0x10", -1 },
        { " 1", -1 },
        { "1 ", -1 },
        { "1,00", -1 },
        { "1.0a", -1 },
        { "\xef\xbc\x91", -1 }                  /* a wide digit */
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        minor = -1;
        text = harness_str(cf->pool, t[i].in);
        rc = ngx_paygw_amount_parse(&text, &minor);

        ok(rc == (t[i].out == -1 ? NGX_ABORT : NGX_OK) && minor == t[i].out,
           "amount \"%s\"", t[i].in);
    }

    harness_conf_free(cf);
}


static void
test_timestamp(void)
{
    size_t       i;
    time_t       value;
    ngx_int_t    rc;
    ngx_str_t    text;
    ngx_conf_t  *cf;

    static const struct {
        const char  *in;
        int64_t      out;
    } t[] = {
        { "0", 0 },
        { "1730000000", 1730000000 },
        { "000001730000", 1730000 },
        { "999999999999", 999999999999 },

        { "1730000000000", -1 },                /* milliseconds */
        { "", -1 },
        { "1730000000abc", -1 },
        { "-1", -1 },
        { "+1", -1 },
        { " 1", -1 },
        { "1 ", -1 },
        { "1.0", -1 }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        value = -1;
        text = harness_str(cf->pool, t[i].in);
        rc = ngx_paygw_timestamp_parse(&text, &value);

        ok(rc == (t[i].out == -1 ? NGX_ABORT : NGX_OK) && value == t[i].out,
           "timestamp \"%s\"", t[i].in);
    }

    harness_conf_free(cf);
}


static void
test_minor(void)
{
    size_t     i;
    int64_t    value;
    ngx_str_t  text;

    static const char  *bad[] = {
        "", " ", "-1", "+1", "1.0", "1 ", " 1", "1e3", "0x1", "1,0",
        "1234567890123456"
    };

    ngx_str_set(&text, "999999999999999");
    is_int(ngx_paygw_minor_parse(&text, &value), NGX_OK, "minor units");
    is_int(value, 999999999999999, "minor units, the most");

    ngx_str_set(&text, "0");
    is_int(ngx_paygw_minor_parse(&text, &value), NGX_OK, "minor units, 0");
    is_int(value, 0, "minor units, 0");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        text.data = (u_char *) bad[i];
        text.len = strlen(bad[i]);

        is_int(ngx_paygw_minor_parse(&text, &value), NGX_ABORT, bad[i]);
    }
}


static void
test_compact(void)
{
    size_t     i;
    time_t     t;
    ngx_str_t  text;

    static const char  *bad[] = {
        "", "2024102711331", "202410271133199", "20241327113319",
        "20241032113319", "20240230113319", "20241027243319",
        "20241027116019", "20241027113360", "2024-10-271133",
        "2024102711331x", "00000101000000"
    };

    /* date -d "2024-10-27 11:33:19 +0800" +%s */

    ngx_str_set(&text, "20241027113319");
    is_int(ngx_paygw_compact_parse(&text, 8 * 3600, &t), NGX_OK, "compact");
    is_int(t, 1729999999, "compact, in its zone");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        text.data = (u_char *) bad[i];
        text.len = strlen(bad[i]);

        is_int(ngx_paygw_compact_parse(&text, 0, &t), NGX_ABORT, bad[i]);
    }
}


static void
test_rfc3339(void)
{
    size_t       i;
    time_t       value;
    ngx_int_t    rc;
    ngx_str_t    text;
    ngx_conf_t  *cf;

    static const struct {
        const char  *in;
        int64_t      out;
    } t[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "1970-01-01T08:00:00+08:00", 0 },
        { "2024-10-27T11:33:20+08:00", 1730000000 },
        { "2024-10-27T03:33:20Z", 1730000000 },
        { "2024-10-27T03:33:20.999Z", 1730000000 },
        { "2024-10-26T22:03:20-05:30", 1730000000 },
        { "2024-02-29T00:00:00Z", 1709164800 },
        { "2000-02-29T12:00:00Z", 951825600 },
        { "2000-03-01T00:00:00Z", 951868800 },
        { "2023-12-31T23:59:59Z", 1704067199 },
        { "2038-01-19T03:14:08Z", 2147483648 },
        { "9999-12-31T23:59:59Z", 253402300799 },

        { "1969-12-31T23:59:59Z", -1 },
        { "1970-01-01T07:59:59+08:00", -1 },
        { "0000-01-01T00:00:00Z", -1 },
        { "2023-02-29T00:00:00Z", -1 },         /* no such day */
        { "2100-02-29T00:00:00Z", -1 },
        { "2024-02-30T00:00:00Z", -1 },
        { "2024-06-31T00:00:00Z", -1 },
        { "2024-00-01T00:00:00Z", -1 },
        { "2024-13-01T00:00:00Z", -1 },
        { "2024-01-00T00:00:00Z", -1 },
        { "2024-01-32T00:00:00Z", -1 },
        { "2024-01-01T24:00:00Z", -1 },
        { "2024-01-01T00:60:00Z", -1 },
        { "2024-01-01T00:00:60Z", -1 },
        { "2024-01-01T00:00:00", -1 },          /* no zone */
        { "2024-01-01T00:00:00+0800", -1 },
        { "2024-01-01T00:00:00+08-00", -1 },
        { "2024-01-01T00:00:00+24:00", -1 },
        { "2024-01-01T00:00:00+08:60", -1 },
        { "2024-01-01T00:00:00+08:00x", -1 },
        { "2024-01-01T00:00:00z", -1 },
        { "2024-01-01t00:00:00Z", -1 },
        { "2024-01-01 00:00:00Z", -1 },
        { "2024-01-01T00:00:00.Z", -1 },
        { "2024-01-01T00:00:00,5Z", -1 },
        { "2024-01-01T00-00:00Z", -1 },
        { "2024/01/01T00:00:00Z", -1 },
        { "2024-1-01T00:00:00Z0", -1 },
        { "+024-01-01T00:00:00Z", -1 },
        { "2024-01-01T 1:00:00Z", -1 },
        { "2024-01-01", -1 },
        { "", -1 }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        value = -1;
        text = harness_str(cf->pool, t[i].in);
        rc = ngx_paygw_rfc3339_parse(&text, &value);

        ok(rc == (t[i].out == -1 ? NGX_ABORT : NGX_OK) && value == t[i].out,
           "RFC 3339 \"%s\"", t[i].in);
    }

    harness_conf_free(cf);
}


static void
test_datetime(void)
{
    int          same;
    size_t       i;
    time_t       value, want;
    ngx_int_t    rc;
    ngx_str_t    text;
    ngx_conf_t  *cf;
    struct tm    tm;
    u_char       buf[64];

    static const struct {
        const char  *in;
        ngx_int_t    zone;
        int64_t      out;
    } t[] = {
        { "2024-10-27 11:33:20", 28800, 1730000000 },
        { "2024-10-27 11:33:20.123", 28800, 1730000000 },
        { "2024-10-27 03:33:20", 0, 1730000000 },
        { "1970-01-01 08:00:00", 28800, 0 },

        { "1970-01-01 07:59:59", 28800, -1 },
        { "2024-10-27T11:33:20", 28800, -1 },
        { "2024-10-27 11:33:20Z", 28800, -1 },
        { "2024-10-27 11:33:20 ", 28800, -1 },
        { "2024-10-27 11:33", 28800, -1 },
        { "2023-02-29 00:00:00", 28800, -1 },
        { "2024-10-27 11:33:20.", 28800, -1 }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        value = -1;
        text = harness_str(cf->pool, t[i].in);
        rc = ngx_paygw_datetime_parse(&text, t[i].zone, &value);

        ok(rc == (t[i].out == -1 ? NGX_ABORT : NGX_OK) && value == t[i].out,
           "datetime \"%s\"", t[i].in);
    }

    /* every day for 300 years, against the C library */

    same = 1;

    for (want = 43200; want < (time_t) 300 * 366 * 86400; want += 86400) {

        gmtime_r(&want, &tm);

        text.data = buf;
        text.len = strftime((char *) buf, sizeof(buf), "%Y-%m-%d %H:%M:%S",
                            &tm);

        same &= ngx_paygw_datetime_parse(&text, 0, &value) == NGX_OK
                && value == want;
    }

    ok(same, "datetime agrees with gmtime() on every day of 300 years");

    harness_conf_free(cf);
}


static void
test_visible(void)
{
    int        i;
    u_char     c[1];
    ngx_str_t  s, bad;

    ngx_str_set(&s, "EV-2024_1|*@");
    bad.data = c;
    bad.len = 1;

    is_int(ngx_paygw_visible(&s, 12), 1, "visible");
    is_int(ngx_paygw_visible(&s, 11), 0, "visible, too long");

    s.len = 0;
    is_int(ngx_paygw_visible(&s, 12), 0, "visible, empty");

    for (i = 0; i < 256; i++) {
        c[0] = (u_char) i;

        if (ngx_paygw_visible(&bad, 1) != (i > 0x20 && i < 0x7f)) {
            break;
        }
    }

    is_int(i, 256, "visible, every byte");
}


/*
 * Each byte at each place of texts of many lengths, which are read by several
 * bytes at a time; they end where the memory does.
 */

static void
test_visible_anywhere(void)
{
    int        c, i, len, wrong, high;
    u_char     text[40];
    ngx_str_t  s;

    wrong = 0;
    high = 0;

    for (len = 1; len <= (int) sizeof(text); len++) {
        s.data = text + sizeof(text) - len;
        s.len = len;

        for (i = 0; i < len; i++) {
            memset(text, '~', sizeof(text));

            for (c = 0; c < 256; c++) {
                s.data[i] = (u_char) c;

                wrong += ngx_paygw_visible(&s, sizeof(text))
                         != (c > 0x20 && c < 0x7f);

                high += ngx_paygw_utf8_valid(&s) != (c < 0x80);
            }
        }
    }

    is_int(wrong, 0, "visible, each byte at each place");
    is_int(high, 0, "UTF-8, each byte at each place");
}


static void
test_utf8(void)
{
    size_t       i;
    ngx_str_t    s;
    ngx_conf_t  *cf;

    static ngx_str_t  good[] = {
        T(""), T("abc"), T("\xc2\x80"), T("\xdf\xbf"), T("\xe0\xa0\x80"),
        T("\xed\x9f\xbf"), T("\xee\x80\x80"), T("\xef\xbf\xbf"),
        T("\xf0\x90\x80\x80"), T("\xf4\x8f\xbf\xbf"), T("a\0b"),
        T("\xe6\x94\xaf\xe4\xbb\x98 ok")
    };

    static ngx_str_t  bad[] = {
        T("\x80"), T("\xbf"), T("\xc0\x80"), T("\xc1\xbf"), T("\xc2"),
        T("\xc2\x41"), T("\xe0\x80\x80"), T("\xe0\x9f\xbf"),
        T("\xed\xa0\x80"), T("\xed\xbf\xbf"), T("\xe6\x94"), T("\xe6"),
        T("\xe6\x94\x41"), T("\xf0\x80\x80\x80"), T("\xf0\x8f\xbf\xbf"),
        T("\xf4\x90\x80\x80"), T("\xf5\x80\x80\x80"), T("\xf0\x90\x80"),
        T("\xf0\x90\x80\x41"), T("\xf0\x90\x41\x80"), T("\xff"), T("\xfe"),
        T("\xd6\xa7\xb8\xb6")       /* GBK */
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ok(ngx_paygw_utf8_valid(&good[i]) == 1, "UTF-8 %lu is accepted",
           (unsigned long) i);
    }

    /* in memory that ends with the text: nothing is read beyond it */

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {

        s.len = bad[i].len;
        s.data = ngx_pnalloc(cf->pool, s.len);
        memcpy(s.data, bad[i].data, s.len);

        ok(ngx_paygw_utf8_valid(&s) == 0, "UTF-8 %lu is refused",
           (unsigned long) i);
    }

    harness_conf_free(cf);
}
