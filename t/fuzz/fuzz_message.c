
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_text.h"


/*
 * The small readers of text, all of them on the same input, and the check of
 * header values on the lines of it.
 */


static void fuzz_amount(ngx_str_t *text);
static void fuzz_times(ngx_str_t *text);
static void fuzz_encodings(ngx_pool_t *pool, ngx_str_t *text);
static void fuzz_headers(ngx_pool_t *pool, ngx_str_t *input);


void
fuzz_init(void)
{
    (void) ngx_paygw_gbk_available();
}


void
fuzz_one(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_str_t  text;

    text = fuzz_copy(pool, input);

    fuzz_amount(&text);
    fuzz_times(&text);
    fuzz_encodings(pool, &text);
    fuzz_headers(pool, input);
}


static void
fuzz_amount(ngx_str_t *text)
{
    u_char   buf[64];
    int64_t  minor, again;
    ngx_str_t  s;

    if (ngx_paygw_amount_parse(text, &minor) != NGX_OK) {
        return;
    }

    must(minor >= 0 && minor <= 99999999999999999);

    s.data = buf;
    s.len = ngx_sprintf(buf, "%L.%02L", minor / 100, minor % 100) - buf;

    must(ngx_paygw_amount_parse(&s, &again) == NGX_OK && again == minor);
}


static void
fuzz_times(ngx_str_t *text)
{
    time_t  t;

    if (ngx_paygw_timestamp_parse(text, &t) == NGX_OK) {
        must(t >= 0 && t <= 999999999999);
    }

    if (ngx_paygw_rfc3339_parse(text, &t) == NGX_OK) {
        must(t >= 0 && t < 253402300800 + 86400);
    }

    if (ngx_paygw_datetime_parse(text, 28800, &t) == NGX_OK) {
        must(t >= 0 && t < 253402300800);
    }
}


static void
fuzz_encodings(ngx_pool_t *pool, ngx_str_t *text)
{
    ngx_int_t  rc;
    ngx_str_t  dst, again;

    rc = ngx_paygw_base64_decode(pool, &dst, text);

    if (rc == NGX_OK) {
        again = fuzz_base64(pool, &dst);
        must(again.len == text->len
             && (text->len == 0
                 || ngx_memcmp(again.data, text->data, text->len) == 0));

    } else {
        must(rc == NGX_ABORT);
    }

    rc = ngx_paygw_gbk_to_utf8(pool, &dst, text);

    must(rc != NGX_ERROR);
    must(rc != NGX_OK || ngx_paygw_utf8_valid(&dst));

    if (ngx_paygw_visible(text, 128)) {
        must(text->len <= 128 && ngx_paygw_utf8_valid(text));
    }
}


static void
fuzz_headers(ngx_pool_t *pool, ngx_str_t *input)
{
    ngx_int_t             rc;
    ngx_str_t             line;
    ngx_uint_t            i;
    ngx_paygw_notify_t    n;
    ngx_paygw_channel_t   channel, *channels[1];

    ngx_memzero(&n, sizeof(ngx_paygw_notify_t));
    ngx_memzero(&channel, sizeof(ngx_paygw_channel_t));

    channel.headers = ngx_paygw_wechat_v3.headers;
    channels[0] = &channel;

    n.provider = &ngx_paygw_wechat_v3;
    n.channels = channels;
    n.nchannels = 1;
    n.pool = pool;
    n.log = harness_ngx_log();

    for (i = 0; i < 4 && input->len; i++) {
        line = fuzz_line(pool, input);

        if (line.len == 1 && line.data[0] == '-') {
            continue;
        }

        if (line.len > 1 && line.data[0] == '*') {
            n.msg.repeated |= (ngx_uint_t) 1 << i;
        }

        n.msg.headers[i] = line;
    }

    rc = ngx_paygw_check_headers(&n, 0x0f);

    must(rc == NGX_OK || n.reason != NGX_PAYGW_REASON_NONE);
    must(rc != NGX_OK || n.msg.repeated == 0);

    for (i = 0; rc == NGX_OK && i < 4; i++) {
        must(n.msg.headers[i].len != 0);
    }
}
