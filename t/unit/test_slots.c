
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_slots.h"


static void test_slots_key(void);
static ngx_uint_t test_slots_slow(ngx_str_t *s);
static void test_slots_redirect(void);
static void test_slots_map(void);
static void test_slots_pieces(void);
static void test_slots_range(void *data, ngx_paygw_slots_range_t *range);


#define NODE(port)                                                            \
    "*4\r\n$9\r\n127.0.0.1\r\n:" port "\r\n$4\r\nabcd\r\n*0\r\n"


static char  test_slots_seen[4096];


void
test_slots(void)
{
    test_slots_key();
    test_slots_redirect();
    test_slots_map();
    test_slots_pieces();

    quiet("slots: quiet");
}


/* the slots are those that CLUSTER KEYSLOT of Redis 7.0 has said */

static void
test_slots_key(void)
{
    u_char      buf[64];
    ngx_str_t   s;
    ngx_uint_t  i, n, bad;

    static const struct {
        ngx_str_t   key;
        ngx_int_t   slot;
    } keys[] = {
        { T("123456789"), 12739 },
        { T("foo"), 12182 },
        { T("bar"), 5061 },
        { T("hello"), 866 },
        { T(""), 0 },
        { T("{user1000}.following"), 3443 },
        { T("foo{}{bar}"), 8363 },
        { T("foo{{bar}}zap"), 4015 },
        { T("foo{bar}{zap}"), 5061 },
        { T("{}"), 15257 },
        { T("{"), 4092 },
        { T("}{a}"), 15495 },
        { T("a{b"), 13340 },
        { T("x}y{z}"), 8157 },
        { T("paygw:event:{wxpay}:1:paid"), 12873 },
        { T("paygw:order:{wxpay}:1"), 12873 },
        { T("{wxpay}:events"), 12873 }
    };

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        is_int(ngx_paygw_slots_key(&keys[i].key), keys[i].slot,
               (char *) (keys[i].key.len ? keys[i].key.data
                                         : (u_char *) "empty"));
    }

    /* all bytes, against the polynomial itself */

    bad = 0;
    s.data = buf;

    for (i = 0; i < 20000; i++) {
        s.len = i % sizeof(buf);

        for (n = 0; n < s.len; n++) {
            buf[n] = (u_char) ((i * 31 + n * 197 + (i >> 3)) & 0xff);

            if (buf[n] == '{') {
                buf[n] = '[';
            }
        }

        bad += (ngx_paygw_slots_key(&s) != test_slots_slow(&s));
    }

    is_int(bad, 0, "slot: all bytes");
}


static ngx_uint_t
test_slots_slow(ngx_str_t *s)
{
    size_t    i;
    uint32_t  crc, bit;

    crc = 0;

    for (i = 0; i < s->len * 8; i++) {
        bit = (s->data[i / 8] >> (7 - i % 8)) & 1;
        bit ^= (crc >> 15) & 1;
        crc = (crc << 1) & 0xffff;

        if (bit) {
            crc ^= 0x1021;
        }
    }

    return crc % 16384;
}


static void
test_slots_redirect(void)
{
    ngx_int_t                    rc;
    ngx_str_t                    text;
    ngx_uint_t                   i;
    ngx_paygw_slots_redirect_t   to;

    static const struct {
        ngx_str_t    text;
        ngx_int_t    rc;
        ngx_uint_t   slot;
        ngx_uint_t   ask;
        const char  *host;
        ngx_uint_t   port;
    } cases[] = {
        { T("MOVED 3999 127.0.0.1:6381"), NGX_OK, 3999, 0, "127.0.0.1", 6381 },
        { T("ASK 0 10.0.0.1:1"), NGX_OK, 0, 1, "10.0.0.1", 1 },
        { T("MOVED 16383 ::1:65535"), NGX_OK, 16383, 0, "::1", 65535 },
        { T("MOVED 1 :6381"), NGX_OK, 1, 0, "", 6381 },
        { T("ASK 1 redis-1.example_x:6381"), NGX_OK, 1, 1,
          "redis-1.example_x", 6381 },

        { T("MOVED"), NGX_DECLINED, 0, 0, NULL, 0 },
        { T("MOVED "), NGX_DECLINED, 0, 0, NULL, 0 },
        { T("ASK "), NGX_DECLINED, 0, 0, NULL, 0 },
        { T("ASKING 1 h:1"), NGX_DECLINED, 0, 0, NULL, 0 },
        { T("moved 1 h:1"), NGX_DECLINED, 0, 0, NULL, 0 },
        { T("ERR MOVED 1 h:1"), NGX_DECLINED, 0, 0, NULL, 0 },
        { T(""), NGX_DECLINED, 0, 0, NULL, 0 },

        { T("MOVED 1"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 1 "), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 1 h"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 1 h:"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 1 h:0"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 1 h:65536"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 1 h:-1"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 1 h:1 "), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 1 h:1 more"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 16384 h:1"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED -1 h:1"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED  1 h:1"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 99999999999999999999 h:1"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 1 ?:1"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 1 a/b:1"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 1 a\0b:1"), NGX_ERROR, 0, 0, NULL, 0 },
        { T("MOVED 1 u@h:1"), NGX_ERROR, 0, 0, NULL, 0 }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        rc = ngx_paygw_slots_redirect((ngx_str_t *) &cases[i].text, &to);

        is_int(rc, cases[i].rc, (char *) cases[i].text.data);

        if (rc == NGX_OK) {
            is_int(to.slot, cases[i].slot, "redirect: slot");
            is_int(to.ask, cases[i].ask, "redirect: ask");
            is_str(&to.host, cases[i].host, "redirect: host");
            is_int(to.port, cases[i].port, "redirect: port");
        }
    }

    /* 255 bytes of a host, and one more */

    text.data = ngx_alloc(300, ngx_cycle->log);

    for (i = 255; i < 257; i++) {
        ngx_memset(text.data, 'a', 300);
        ngx_memcpy(text.data, "ASK 1 ", 6);
        ngx_memcpy(text.data + 6 + i, ":1", 2);
        text.len = 6 + i + 2;

        is_int(ngx_paygw_slots_redirect(&text, &to),
               (i == 255) ? NGX_OK : NGX_ERROR, "redirect: length of a host");
    }

    ngx_free(text.data);
}


static void
test_slots_map(void)
{
    size_t      used;
    ngx_int_t   rc;
    ngx_uint_t  i;

    static const struct {
        ngx_str_t    text;
        ngx_int_t    rc;
        const char  *seen;
    } cases[] = {
        { T("*0\r\n"), NGX_OK, "" },
        { T("*1\r\n*3\r\n:0\r\n:16383\r\n" NODE("7000")), NGX_OK,
          "0-16383 127.0.0.1:7000," },
        { T("*2\r\n*4\r\n:0\r\n:99\r\n" NODE("7000") NODE("7003")
            "*3\r\n:100\r\n:16383\r\n" NODE("7001")), NGX_OK,
          "0-99 127.0.0.1:7000,100-16383 127.0.0.1:7001," },

        /* Redis 5: no ids of nodes in its first replies, no metadata */
        { T("*1\r\n*3\r\n:5\r\n:5\r\n*2\r\n$0\r\n\r\n:7000\r\n"), NGX_OK,
          "5-5 :7000," },
        { T("*1\r\n*3\r\n:5\r\n:5\r\n*2\r\n$-1\r\n:7000\r\n"), NGX_OK,
          "5-5 :7000," },

        /* a host that is not known, and one that is none */
        { T("*1\r\n*3\r\n:5\r\n:6\r\n*2\r\n$1\r\n?\r\n:7000\r\n"), NGX_OK,
          "5-6 ?:0," },
        { T("*1\r\n*3\r\n:5\r\n:6\r\n*2\r\n$1\r\na\r\n:0\r\n"), NGX_OK,
          "5-6 a:0," },

        /* metadata */
        { T("*1\r\n*3\r\n:1\r\n:2\r\n*4\r\n$1\r\na\r\n:7\r\n$2\r\nid\r\n"
            "*2\r\n$8\r\nhostname\r\n$1\r\nh\r\n"), NGX_OK, "1-2 a:7," },

        { T("-ERR no\r\n"), NGX_DECLINED, "" },
        { T("+OK\r\n"), NGX_ERROR, "" },
        { T(":1\r\n"), NGX_ERROR, "" },
        { T("*-1\r\n"), NGX_ERROR, "" },
        { T("*16385\r\n"), NGX_ERROR, "" },
        { T("*2147483647\r\n"), NGX_ERROR, "" },
        { T("*x\r\n"), NGX_ERROR, "" },
        { T("*\r\n"), NGX_ERROR, "" },
        { T("*1\n"), NGX_ERROR, "" },
        { T("*1\r\n:1\r\n"), NGX_ERROR, "" },
        { T("*1\r\n*2\r\n:0\r\n:1\r\n"), NGX_ERROR, "" },
        { T("*1\r\n*65\r\n"), NGX_ERROR, "" },
        { T("*1\r\n*3\r\n:-1\r\n"), NGX_ERROR, "" },
        { T("*1\r\n*3\r\n:2\r\n:1\r\n"), NGX_ERROR, "" },
        { T("*1\r\n*3\r\n:2\r\n:16384\r\n"), NGX_ERROR, "" },
        { T("*1\r\n*3\r\n:1\r\n:2\r\n*1\r\n"), NGX_ERROR, "" },
        { T("*1\r\n*3\r\n:1\r\n:2\r\n*2\r\n$256\r\n"), NGX_ERROR, "" },
        { T("*1\r\n*3\r\n:1\r\n:2\r\n*2\r\n$-2\r\n"), NGX_ERROR, "" },
        { T("*1\r\n*3\r\n:1\r\n:2\r\n*2\r\n$1\r\nab\r\n"), NGX_ERROR, "" },
        { T("*1\r\n*3\r\n:1\r\n:2\r\n*2\r\n$1\r\na\r\n:65536\r\n"),
          NGX_ERROR, "" },
        { T("*1\r\n*4\r\n:1\r\n:2\r\n" NODE("1")
            "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"), NGX_ERROR, "" },

        /* a slot that two have, and two that are next to each other */
        { T("*2\r\n*3\r\n:0\r\n:99\r\n" NODE("1")
            "*3\r\n:99\r\n:200\r\n" NODE("2")), NGX_ERROR, "" },
        { T("*2\r\n*3\r\n:9\r\n:99\r\n" NODE("1")
            "*3\r\n:0\r\n:9\r\n" NODE("1")), NGX_ERROR, "" },
        { T("*2\r\n*3\r\n:0\r\n:16383\r\n" NODE("1")
            "*3\r\n:16383\r\n:16383\r\n" NODE("1")), NGX_ERROR, "" },
        { T("*2\r\n*3\r\n:9\r\n:99\r\n" NODE("1")
            "*3\r\n:0\r\n:8\r\n" NODE("2")), NGX_OK,
          "9-99 127.0.0.1:1,0-8 127.0.0.1:2," },

        /* a range that is fine is not seen before one that is not */
        { T("*2\r\n*3\r\n:1\r\n:2\r\n" NODE("1") "*3\r\n:x\r\n"),
          NGX_ERROR, "" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        test_slots_seen[0] = '\0';

        rc = ngx_paygw_slots_map(cases[i].text.data, cases[i].text.len, &used,
                                 test_slots_range, NULL);

        is_int(rc, cases[i].rc, "map: result");
        ok(strcmp(test_slots_seen, cases[i].seen) == 0, "map %lu: ranges, %s",
           (unsigned long) i, test_slots_seen);

        if (rc == NGX_OK) {
            is_int(used, cases[i].text.len, "map: all of it");
        }
    }
}


/* whatever part of it is there: it is not complete, and nothing is seen */

static void
test_slots_pieces(void)
{
    size_t      used;
    u_char     *p;
    ngx_uint_t  i, bad;

    static ngx_str_t  text = T("*2\r\n*4\r\n:0\r\n:99\r\n" NODE("7000")
                               NODE("7003") "*3\r\n:100\r\n:16383\r\n"
                               NODE("7001"));
    static ngx_str_t  error = T("-ERR This instance has cluster support "
                                "disabled\r\n");

    bad = 0;
    test_slots_seen[0] = '\0';

    for (i = 0; i < text.len; i++) {
        p = ngx_alloc(i + 1, ngx_cycle->log);
        ngx_memcpy(p, text.data, i);

        bad += (ngx_paygw_slots_map(p, i, &used, test_slots_range, NULL)
                != NGX_AGAIN);
        ngx_free(p);
    }

    is_int(bad, 0, "map: in pieces");
    ok(test_slots_seen[0] == '\0', "map: in pieces, nothing is seen");

    bad = 0;

    for (i = 1; i < error.len; i++) {
        bad += (ngx_paygw_slots_map(error.data, i, &used, test_slots_range,
                                    NULL)
                != NGX_AGAIN);
    }

    is_int(bad, 0, "map: an error in pieces");

    /* one that has no end */

    p = ngx_alloc(5000, ngx_cycle->log);
    ngx_memset(p, 'x', 5000);
    p[0] = '-';

    is_int(ngx_paygw_slots_map(p, 5000, &used, test_slots_range, NULL),
           NGX_ERROR, "map: an error without an end");

    ngx_memset(p, '0', 5000);
    p[0] = '*';

    is_int(ngx_paygw_slots_map(p, 5000, &used, test_slots_range, NULL),
           NGX_ERROR, "map: a number without an end");

    ngx_free(p);

    /* what comes behind belongs to others */

    is_int(ngx_paygw_slots_map((u_char *) "*0\r\n:1\r\n", 8, &used,
                               test_slots_range, NULL),
           NGX_OK, "map: and another reply");
    is_int(used, 4, "map: and another reply is not touched");
}


static void
test_slots_range(void *data, ngx_paygw_slots_range_t *range)
{
    size_t  len;

    len = strlen(test_slots_seen);

    snprintf(test_slots_seen + len, sizeof(test_slots_seen) - len,
             "%d-%d %.*s:%d,", (int) range->first, (int) range->last,
             (int) range->host.len, range->host.data, (int) range->port);
}
