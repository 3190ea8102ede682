
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_exposition.h"
#include "ngx_paygw_json.h"
#include "ngx_paygw_metrics.h"

#include <pthread.h>


static void test_metrics_bounds(void);
static void test_metrics_observe(void);
static void test_metrics_nowhere(void);
static void test_metrics_threads(void);
static void *test_metrics_thread(void *data);
static void test_metrics_text(ngx_pool_t *pool);
static void test_metrics_escape(ngx_pool_t *pool);
static void test_metrics_histogram(ngx_pool_t *pool);
static void test_metrics_json(ngx_pool_t *pool);
static void test_metrics_empty(ngx_pool_t *pool);
static void test_metrics_large(ngx_pool_t *pool);
static ngx_str_t test_metrics_out(ngx_paygw_exposition_t *e);


#define TEST_METRICS_ADDS  200000


static const ngx_paygw_exposition_family_t  test_metrics_counter = {
    ngx_string("a_total"), ngx_string("What a is."),
    NGX_PAYGW_EXPOSITION_COUNTER
};

static const ngx_paygw_exposition_family_t  test_metrics_gauge = {
    ngx_string("b_bytes"), ngx_string("What b is."),
    NGX_PAYGW_EXPOSITION_GAUGE
};

static const ngx_paygw_exposition_family_t  test_metrics_times = {
    ngx_string("c_seconds"), ngx_string("What c is."),
    NGX_PAYGW_EXPOSITION_HISTOGRAM
};


void
test_metrics(void)
{
    ngx_pool_t  *pool;

    pool = ngx_create_pool(4096, harness_ngx_log());

    test_metrics_bounds();
    test_metrics_observe();
    test_metrics_nowhere();
    test_metrics_threads();
    test_metrics_text(pool);
    test_metrics_escape(pool);
    test_metrics_histogram(pool);
    test_metrics_json(pool);
    test_metrics_empty(pool);
    test_metrics_large(pool);

    quiet("metrics: quiet");

    ngx_destroy_pool(pool);
}


static void
test_metrics_bounds(void)
{
    ngx_uint_t  i, bad;

    bad = 0;

    for (i = 1; i < NGX_PAYGW_METRICS_BOUNDS; i++) {
        bad += (ngx_paygw_metrics_bounds[i - 1]
                >= ngx_paygw_metrics_bounds[i]);
    }

    is_int(bad, 0, "metrics: bounds ascend");
    is_int(ngx_paygw_metrics_bounds[NGX_PAYGW_METRICS_BOUNDS], 0,
           "metrics: and end");
}


/* each bound belongs to its bucket, the next microsecond to the next one */

static void
test_metrics_observe(void)
{
    uint64_t             sum, us;
    ngx_uint_t           i, k, bad;
    ngx_atomic_t         slots[NGX_PAYGW_METRICS_HISTOGRAM + 2];
    ngx_paygw_metrics_t  m;

    ngx_memzero(&m, sizeof(ngx_paygw_metrics_t));
    m.slots = slots;

    for (i = 0; i < NGX_PAYGW_METRICS_HISTOGRAM + 2; i++) {
        slots[i] = 0;
    }

    sum = 0;

    for (i = 0; i < NGX_PAYGW_METRICS_BOUNDS; i++) {
        for (k = 0; k < 2; k++) {
            us = ngx_paygw_metrics_bounds[i] + k;
            ngx_paygw_metrics_observe(&m, 1, us);
            sum += us;
        }
    }

    ngx_paygw_metrics_observe(&m, 1, 0);
    ngx_paygw_metrics_observe(&m, 1, 86400 * (uint64_t) 1000000);
    sum += 86400 * (uint64_t) 1000000;

    bad = 0;

    for (i = 0; i <= NGX_PAYGW_METRICS_BOUNDS; i++) {
        bad += (slots[1 + i] != 2);
    }

    is_int(bad, 0, "metrics: each bucket has its two");
    is_int(slots[1 + NGX_PAYGW_METRICS_BOUNDS + 1], sum, "metrics: sum");
    is_int(slots[0] + slots[NGX_PAYGW_METRICS_HISTOGRAM + 1], 0,
           "metrics: nothing beside the histogram");
}


static void
test_metrics_nowhere(void)
{
    ngx_paygw_metrics_t  m;

    ngx_memzero(&m, sizeof(ngx_paygw_metrics_t));

    ngx_paygw_metrics_add(NULL, 5);
    ngx_paygw_metrics_add(&m, 5);
    ngx_paygw_metrics_observe(NULL, 5, 1);
    ngx_paygw_metrics_observe(&m, 5, 1);

    ok(m.slots == NULL, "metrics: counted nowhere");
}


/* no addition is lost */

static void
test_metrics_threads(void)
{
    ngx_uint_t           i;
    pthread_t            threads[4];
    ngx_atomic_t         slots[NGX_PAYGW_METRICS_HISTOGRAM + 1];
    ngx_paygw_metrics_t  m;

    ngx_memzero(&m, sizeof(ngx_paygw_metrics_t));
    m.slots = slots;

    for (i = 0; i < NGX_PAYGW_METRICS_HISTOGRAM + 1; i++) {
        slots[i] = 0;
    }

    for (i = 0; i < 4; i++) {
        if (pthread_create(&threads[i], NULL, test_metrics_thread, &m) != 0) {
            abort();
        }
    }

    for (i = 0; i < 4; i++) {
        (void) pthread_join(threads[i], NULL);
    }

    is_int(slots[0], 4 * TEST_METRICS_ADDS, "metrics: four add");
    is_int(slots[1 + 1], 4 * TEST_METRICS_ADDS, "metrics: four observe");
    is_int(slots[1 + NGX_PAYGW_METRICS_BOUNDS + 1],
           (int64_t) 4 * TEST_METRICS_ADDS * 150, "metrics: and their sum");
}


static void *
test_metrics_thread(void *data)
{
    ngx_uint_t            i;
    ngx_paygw_metrics_t  *m = data;

    for (i = 0; i < TEST_METRICS_ADDS; i++) {
        ngx_paygw_metrics_add(m, 0);
        ngx_paygw_metrics_observe(m, 1, 150);
    }

    return NULL;
}


static void
test_metrics_text(ngx_pool_t *pool)
{
    ngx_str_t                      out;
    ngx_paygw_exposition_t         e;
    ngx_paygw_exposition_sample_t  s;

    ngx_memzero(&s, sizeof(s));

    ngx_str_set(&s.labels[0].key, "channel");
    ngx_str_set(&s.labels[0].value, "wx");
    ngx_str_set(&s.labels[1].key, "reason");

    ngx_paygw_exposition_begin(&e, pool, 0);
    ngx_paygw_exposition_text(&e, "version", &s.labels[0].value);

    ngx_paygw_exposition_family(&e, &test_metrics_counter);
    s.nlabels = 1;
    ngx_paygw_exposition_value(&e, &s, 0);
    s.nlabels = 2;
    ngx_paygw_exposition_value(&e, &s, 18446744073709551615ULL);

    ngx_paygw_exposition_family(&e, &test_metrics_times);

    ngx_paygw_exposition_family(&e, &test_metrics_gauge);
    s.nlabels = 0;
    ngx_paygw_exposition_value(&e, &s, 7);

    is_int(ngx_paygw_exposition_end(&e), NGX_OK, "metrics: text");

    out = test_metrics_out(&e);

    is_str(&out,
           "# HELP a_total What a is.\n"
           "# TYPE a_total counter\n"
           "a_total{channel=\"wx\"} 0\n"
           "a_total{channel=\"wx\",reason=\"\"} 18446744073709551615\n"
           "# HELP b_bytes What b is.\n"
           "# TYPE b_bytes gauge\n"
           "b_bytes 7\n",
           "metrics: text: a family without samples is left out");
}


static void
test_metrics_escape(ngx_pool_t *pool)
{
    ngx_str_t                      out, value;
    ngx_uint_t                     i;
    ngx_paygw_exposition_t         e;
    ngx_paygw_exposition_sample_t  s;

    static const struct {
        ngx_str_t    value;
        const char  *text;
    } cases[] = {
        { T("a\\b"), "a\\\\b" },
        { T("a\"b"), "a\\\"b" },
        { T("a\nb"), "a\\nb" },
        { T("\\"), "\\\\" },
        { T("\"\""), "\\\"\\\"" },
        { T("\n\n"), "\\n\\n" },
        { T("\\n"), "\\\\n" },
        { T("\xe5\xa4\xa7{},= "), "\xe5\xa4\xa7{},= " },
        { T(""), "" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        ngx_memzero(&s, sizeof(s));
        ngx_str_set(&s.labels[0].key, "l");
        s.labels[0].value = cases[i].value;
        s.nlabels = 1;

        ngx_paygw_exposition_begin(&e, pool, 0);
        ngx_paygw_exposition_family(&e, &test_metrics_counter);
        ngx_paygw_exposition_value(&e, &s, 1);
        (void) ngx_paygw_exposition_end(&e);

        out = test_metrics_out(&e);

        value = out;
        value.data += sizeof("# HELP a_total What a is.\n"
                             "# TYPE a_total counter\na_total{l=\"") - 1;
        value.len = out.data + out.len - sizeof("\"} 1\n") + 1 - value.data;

        is_str(&value, cases[i].text, "metrics: escaped");
    }
}


static void
test_metrics_histogram(ngx_pool_t *pool)
{
    ngx_str_t                      out;
    ngx_paygw_exposition_t         e;
    ngx_paygw_exposition_sample_t  s;

    static const uint32_t  bounds[] = { 100, 2500, 1000000, 10000000, 0 };
    static const uint64_t  buckets[] = { 1, 0, 2, 3, 4, 123000001 };

    ngx_memzero(&s, sizeof(s));

    ngx_paygw_exposition_begin(&e, pool, 0);
    ngx_paygw_exposition_family(&e, &test_metrics_times);
    ngx_paygw_exposition_histogram(&e, &s, bounds, buckets);

    ngx_str_set(&s.labels[0].key, "l");
    ngx_str_set(&s.labels[0].value, "x");
    s.nlabels = 1;
    ngx_paygw_exposition_histogram(&e, &s, bounds + 4, buckets + 4);

    is_int(ngx_paygw_exposition_end(&e), NGX_OK, "metrics: histogram");

    out = test_metrics_out(&e);

    is_str(&out,
           "# HELP c_seconds What c is.\n"
           "# TYPE c_seconds histogram\n"
           "c_seconds_bucket{le=\"0.0001\"} 1\n"
           "c_seconds_bucket{le=\"0.0025\"} 1\n"
           "c_seconds_bucket{le=\"1\"} 3\n"
           "c_seconds_bucket{le=\"10\"} 6\n"
           "c_seconds_bucket{le=\"+Inf\"} 10\n"
           "c_seconds_sum 123.000001\n"
           "c_seconds_count 10\n"
           "c_seconds_bucket{l=\"x\",le=\"+Inf\"} 4\n"
           "c_seconds_sum{l=\"x\"} 123.000001\n"
           "c_seconds_count{l=\"x\"} 4\n",
           "metrics: histogram: buckets add up");
}


static void
test_metrics_json(ngx_pool_t *pool)
{
    char                           *err;
    ngx_str_t                       out, value;
    ngx_paygw_json_t               *root;
    ngx_paygw_exposition_t          e;
    ngx_paygw_exposition_sample_t   s;

    static const uint32_t  bounds[] = { 2500, 0 };
    static const uint64_t  buckets[] = { 1, 2, 30000 };

    ngx_memzero(&s, sizeof(s));

    ngx_str_set(&s.labels[0].key, "l");
    ngx_str_set(&s.labels[0].value, "a\"\\\n");
    ngx_str_set(&s.labels[1].key, "m");
    ngx_str_set(&value, "1\"2");

    ngx_paygw_exposition_begin(&e, pool, 1);
    ngx_paygw_exposition_text(&e, "version", &value);

    ngx_paygw_exposition_family(&e, &test_metrics_counter);
    s.nlabels = 2;
    ngx_paygw_exposition_value(&e, &s, 1);
    s.nlabels = 0;
    ngx_paygw_exposition_value(&e, &s, 2);

    ngx_paygw_exposition_family(&e, &test_metrics_gauge);

    ngx_paygw_exposition_family(&e, &test_metrics_times);
    ngx_paygw_exposition_histogram(&e, &s, bounds, buckets);

    is_int(ngx_paygw_exposition_end(&e), NGX_OK, "metrics: json");

    out = test_metrics_out(&e);

    is_str(&out,
           "{\n\"version\": \"1\\\"2\",\n\"metrics\": {\n"
           "\"a_total\": {\"type\": \"counter\", \"help\": \"What a is.\", "
           "\"samples\": [\n"
           "  {\"labels\": {\"l\": \"a\\\"\\\\\\n\", \"m\": \"\"}, "
           "\"value\": 1},\n"
           "  {\"labels\": {}, \"value\": 2}]},\n"
           "\"c_seconds\": {\"type\": \"histogram\", "
           "\"help\": \"What c is.\", \"samples\": [\n"
           "  {\"labels\": {}, \"buckets\": "
           "[{\"le\": \"0.0025\", \"count\": 1}, "
           "{\"le\": \"+Inf\", \"count\": 3}], "
           "\"sum\": 0.03, \"count\": 3}]}\n}\n}\n",
           "metrics: json: as it is documented");

    is_int(ngx_paygw_json_parse(pool, &out, &root, &err), NGX_OK,
           "metrics: json: can be read");
}


static void
test_metrics_empty(ngx_pool_t *pool)
{
    char                    *err;
    ngx_str_t                out;
    ngx_uint_t               json;
    ngx_paygw_json_t        *root;
    ngx_paygw_exposition_t   e;

    for (json = 0; json < 2; json++) {
        ngx_paygw_exposition_begin(&e, pool, json);
        ngx_paygw_exposition_family(&e, &test_metrics_counter);
        is_int(ngx_paygw_exposition_end(&e), NGX_OK, "metrics: empty");

        out = test_metrics_out(&e);

        if (json) {
            is_int(ngx_paygw_json_parse(pool, &out, &root, &err), NGX_OK,
                   "metrics: empty: json");

        } else {
            is_int(out.len, 0, "metrics: empty: text");
        }
    }
}


/* more than a buffer: nothing is lost between two of them */

static void
test_metrics_large(ngx_pool_t *pool)
{
    u_char                         *p, *last;
    uint64_t                        n;
    ngx_str_t                       out;
    ngx_uint_t                      bad;
    ngx_paygw_exposition_t          e;
    ngx_paygw_exposition_sample_t   s;

    ngx_memzero(&s, sizeof(s));

    ngx_paygw_exposition_begin(&e, pool, 0);
    ngx_paygw_exposition_family(&e, &test_metrics_counter);

    for (n = 0; n < 20000; n++) {
        ngx_paygw_exposition_value(&e, &s, n);
    }

    is_int(ngx_paygw_exposition_end(&e), NGX_OK, "metrics: large");

    out = test_metrics_out(&e);

    is_int(out.len, e.size, "metrics: large: size");

    bad = 0;
    p = out.data + sizeof("# HELP a_total What a is.\n"
                          "# TYPE a_total counter\n") - 1;
    last = out.data + out.len;

    for (n = 0; n < 20000; n++) {

        if (last - p < 9 || ngx_memcmp(p, "a_total ", 8) != 0) {
            bad++;
            break;
        }

        bad += (strtoull((char *) p + 8, (char **) &p, 10) != n);
        bad += (*p++ != '\n');
    }

    is_int(bad, 0, "metrics: large: all are there");
    ok(p == last, "metrics: large: and nothing else");
}


static ngx_str_t
test_metrics_out(ngx_paygw_exposition_t *e)
{
    u_char       *p;
    ngx_str_t     out;
    ngx_chain_t  *cl;

    out.len = 0;

    for (cl = e->out; cl; cl = cl->next) {
        out.len += cl->buf->last - cl->buf->pos;
    }

    out.data = ngx_pnalloc(e->pool, out.len + 1);
    if (out.data == NULL) {
        abort();
    }

    p = out.data;

    for (cl = e->out; cl; cl = cl->next) {
        p = ngx_cpymem(p, cl->buf->pos, cl->buf->last - cl->buf->pos);
    }

    *p = '\0';

    return out;
}
