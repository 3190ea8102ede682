
/*
 * Copyright (C) the paygw authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_exposition.h"
#include "ngx_paygw_json.h"


#define NGX_PAYGW_EXPOSITION_BUFFER  32768

/* "123456789.000001" and a NUL */
#define NGX_PAYGW_EXPOSITION_TIME    (NGX_INT64_LEN + sizeof(".000000"))


static void ngx_paygw_exposition_open(ngx_paygw_exposition_t *e);
static void ngx_paygw_exposition_head(ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *sample, const char *suffix, ngx_str_t *le);
static void ngx_paygw_exposition_label(ngx_paygw_exposition_t *e,
    ngx_str_t *name, ngx_str_t *value);
static void ngx_paygw_exposition_json_head(ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *sample);
static void ngx_paygw_exposition_close(ngx_paygw_exposition_t *e);
static void ngx_paygw_exposition_time(uint64_t us, u_char *buf,
    ngx_str_t *text);
static void ngx_paygw_exposition_json(ngx_paygw_exposition_t *e,
    ngx_str_t *value);
static void ngx_paygw_exposition_number(ngx_paygw_exposition_t *e, uint64_t n);
static void ngx_paygw_exposition_put(ngx_paygw_exposition_t *e, u_char *p,
    size_t len);


#define ngx_paygw_exposition_word(e, word)                                    \
    ngx_paygw_exposition_put(e, (u_char *) word, sizeof(word) - 1)

#define ngx_paygw_exposition_str(e, s)                                        \
    ngx_paygw_exposition_put(e, (s)->data, (s)->len)


/* in the order of ngx_paygw_exposition_type_e */

static ngx_str_t  ngx_paygw_exposition_types[] = {
    ngx_string("counter"),
    ngx_string("gauge"),
    ngx_string("histogram")
};

static ngx_str_t  ngx_paygw_exposition_le = ngx_string("le");
static ngx_str_t  ngx_paygw_exposition_inf = ngx_string("+Inf");


void
ngx_paygw_exposition_begin(ngx_paygw_exposition_t *e, ngx_pool_t *pool,
    ngx_uint_t json)
{
    ngx_memzero(e, sizeof(ngx_paygw_exposition_t));

    e->pool = pool;
    e->json = json;
    e->last = &e->out;

    if (json) {
        ngx_paygw_exposition_word(e, "{\n");
    }
}


void
ngx_paygw_exposition_text(ngx_paygw_exposition_t *e, const char *name,
    ngx_str_t *value)
{
    if (!e->json) {
        return;
    }

    ngx_paygw_exposition_word(e, "\"");
    ngx_paygw_exposition_put(e, (u_char *) name, ngx_strlen(name));
    ngx_paygw_exposition_word(e, "\": ");
    ngx_paygw_exposition_json(e, value);
    ngx_paygw_exposition_word(e, ",\n");
}


void
ngx_paygw_exposition_family(ngx_paygw_exposition_t *e,
    const ngx_paygw_exposition_family_t *family)
{
    ngx_paygw_exposition_close(e);

    e->family = family;
    e->samples = 0;
}


/* a family without samples is not shown at all */

static void
ngx_paygw_exposition_open(ngx_paygw_exposition_t *e)
{
    ngx_str_t                            *type;
    const ngx_paygw_exposition_family_t  *family;

    if (e->samples++) {
        return;
    }

    family = e->family;
    type = &ngx_paygw_exposition_types[family->type];

    if (e->json) {

        if (e->families++) {
            ngx_paygw_exposition_word(e, ",\n\"");

        } else {
            ngx_paygw_exposition_word(e, "\"metrics\": {\n\"");
        }

        ngx_paygw_exposition_str(e, &family->name);
        ngx_paygw_exposition_word(e, "\": {\"type\": \"");
        ngx_paygw_exposition_str(e, type);
        ngx_paygw_exposition_word(e, "\", \"help\": \"");
        ngx_paygw_exposition_str(e, &family->help);
        ngx_paygw_exposition_word(e, "\", \"samples\": [");
        return;
    }

    ngx_paygw_exposition_word(e, "# HELP ");
    ngx_paygw_exposition_str(e, &family->name);
    ngx_paygw_exposition_word(e, " ");
    ngx_paygw_exposition_str(e, &family->help);
    ngx_paygw_exposition_word(e, "\n# TYPE ");
    ngx_paygw_exposition_str(e, &family->name);
    ngx_paygw_exposition_word(e, " ");
    ngx_paygw_exposition_str(e, type);
    ngx_paygw_exposition_word(e, "\n");
}


void
ngx_paygw_exposition_value(ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *sample, uint64_t value)
{
    ngx_paygw_exposition_open(e);

    if (e->json) {
        ngx_paygw_exposition_json_head(e, sample);
        ngx_paygw_exposition_word(e, "\"value\": ");
        ngx_paygw_exposition_number(e, value);
        ngx_paygw_exposition_word(e, "}");
        return;
    }

    ngx_paygw_exposition_head(e, sample, "", NULL);
    ngx_paygw_exposition_number(e, value);
    ngx_paygw_exposition_word(e, "\n");
}


void
ngx_paygw_exposition_histogram(ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *sample, const uint32_t *bounds,
    const uint64_t *buckets)
{
    u_char      buf[NGX_PAYGW_EXPOSITION_TIME];
    uint64_t    count;
    ngx_str_t   text;
    ngx_uint_t  i;

    ngx_paygw_exposition_open(e);

    count = 0;

    if (e->json) {
        ngx_paygw_exposition_json_head(e, sample);
        ngx_paygw_exposition_word(e, "\"buckets\": [");
    }

    for (i = 0; /* void */ ; i++) {

        count += buckets[i];

        if (bounds[i]) {
            ngx_paygw_exposition_time(bounds[i], buf, &text);

        } else {
            text = ngx_paygw_exposition_inf;
        }

        if (e->json) {

            if (i) {
                ngx_paygw_exposition_word(e, ", ");
            }

            ngx_paygw_exposition_word(e, "{\"le\": \"");
            ngx_paygw_exposition_str(e, &text);
            ngx_paygw_exposition_word(e, "\", \"count\": ");
            ngx_paygw_exposition_number(e, count);
            ngx_paygw_exposition_word(e, "}");

        } else {
            ngx_paygw_exposition_head(e, sample, "_bucket", &text);
            ngx_paygw_exposition_number(e, count);
            ngx_paygw_exposition_word(e, "\n");
        }

        if (bounds[i] == 0) {
            break;
        }
    }

    ngx_paygw_exposition_time(buckets[i + 1], buf, &text);

    if (e->json) {
        ngx_paygw_exposition_word(e, "], \"sum\": ");
        ngx_paygw_exposition_str(e, &text);
        ngx_paygw_exposition_word(e, ", \"count\": ");
        ngx_paygw_exposition_number(e, count);
        ngx_paygw_exposition_word(e, "}");
        return;
    }

    ngx_paygw_exposition_head(e, sample, "_sum", NULL);
    ngx_paygw_exposition_str(e, &text);
    ngx_paygw_exposition_word(e, "\n");

    ngx_paygw_exposition_head(e, sample, "_count", NULL);
    ngx_paygw_exposition_number(e, count);
    ngx_paygw_exposition_word(e, "\n");
}


/* name and labels of a line of text */

static void
ngx_paygw_exposition_head(ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *sample, const char *suffix, ngx_str_t *le)
{
    ngx_uint_t  i;

    ngx_paygw_exposition_str(e, &e->family->name);
    ngx_paygw_exposition_put(e, (u_char *) suffix, ngx_strlen(suffix));

    if (sample->nlabels == 0 && le == NULL) {
        ngx_paygw_exposition_word(e, " ");
        return;
    }

    ngx_paygw_exposition_word(e, "{");

    for (i = 0; i < sample->nlabels; i++) {

        if (i) {
            ngx_paygw_exposition_word(e, ",");
        }

        ngx_paygw_exposition_label(e, &sample->labels[i].key,
                                   &sample->labels[i].value);
    }

    if (le) {

        if (i) {
            ngx_paygw_exposition_word(e, ",");
        }

        ngx_paygw_exposition_label(e, &ngx_paygw_exposition_le, le);
    }

    ngx_paygw_exposition_word(e, "} ");
}


static void
ngx_paygw_exposition_label(ngx_paygw_exposition_t *e, ngx_str_t *name,
    ngx_str_t *value)
{
    u_char  *p, *last, *from;

    ngx_paygw_exposition_str(e, name);
    ngx_paygw_exposition_word(e, "=\"");

    if (value->len == 0) {
        ngx_paygw_exposition_word(e, "\"");
        return;
    }

    from = value->data;
    last = value->data + value->len;

    for (p = value->data; p < last; p++) {

        if (*p != '\\' && *p != '"' && *p != '\n') {
            continue;
        }

        ngx_paygw_exposition_put(e, from, p - from);
        ngx_paygw_exposition_word(e, "\\");

        from = p;

        if (*p == '\n') {
            ngx_paygw_exposition_word(e, "n");
            from++;
        }
    }

    ngx_paygw_exposition_put(e, from, last - from);
    ngx_paygw_exposition_word(e, "\"");
}


static void
ngx_paygw_exposition_json_head(ngx_paygw_exposition_t *e,
    ngx_paygw_exposition_sample_t *sample)
{
    ngx_uint_t  i;

    if (e->samples > 1) {
        ngx_paygw_exposition_word(e, ",\n  {");

    } else {
        ngx_paygw_exposition_word(e, "\n  {");
    }

    ngx_paygw_exposition_word(e, "\"labels\": {");

    for (i = 0; i < sample->nlabels; i++) {

        if (i) {
            ngx_paygw_exposition_word(e, ", ");
        }

        ngx_paygw_exposition_json(e, &sample->labels[i].key);
        ngx_paygw_exposition_word(e, ": ");
        ngx_paygw_exposition_json(e, &sample->labels[i].value);
    }

    ngx_paygw_exposition_word(e, "}, ");
}


static void
ngx_paygw_exposition_close(ngx_paygw_exposition_t *e)
{
    if (e->json && e->samples) {
        ngx_paygw_exposition_word(e, "]}");
    }
}


ngx_int_t
ngx_paygw_exposition_end(ngx_paygw_exposition_t *e)
{
    ngx_paygw_exposition_close(e);

    if (e->json) {

        if (e->families == 0) {
            ngx_paygw_exposition_word(e, "\"metrics\": {");
        }

        ngx_paygw_exposition_word(e, "\n}\n}\n");
    }

    return e->failed ? NGX_ERROR : NGX_OK;
}


/* seconds, without what is zero at the end: a bound is the same for ever */

static void
ngx_paygw_exposition_time(uint64_t us, u_char *buf, ngx_str_t *text)
{
    u_char  *p;

    p = ngx_sprintf(buf, "%uL.%06uL", us / 1000000, us % 1000000);

    while (p[-1] == '0') {
        p--;
    }

    if (p[-1] == '.') {
        p--;
    }

    text->data = buf;
    text->len = p - buf;
}


static void
ngx_paygw_exposition_json(ngx_paygw_exposition_t *e, ngx_str_t *value)
{
    size_t   len;
    u_char  *p;

    if (value->len == 0) {
        ngx_paygw_exposition_word(e, "\"\"");
        return;
    }

    len = ngx_paygw_json_string_len(value);

    p = ngx_pnalloc(e->pool, len);
    if (p == NULL) {
        e->failed = 1;
        return;
    }

    (void) ngx_paygw_json_write_string(p, value, len);

    ngx_paygw_exposition_put(e, p, len);
}


static void
ngx_paygw_exposition_number(ngx_paygw_exposition_t *e, uint64_t n)
{
    u_char  buf[NGX_INT64_LEN];

    ngx_paygw_exposition_put(e, buf, ngx_sprintf(buf, "%uL", n) - buf);
}


static void
ngx_paygw_exposition_put(ngx_paygw_exposition_t *e, u_char *p, size_t len)
{
    size_t        n;
    ngx_chain_t  *cl;

    while (len && !e->failed) {

        if (e->buf == NULL || e->buf->last == e->buf->end) {

            e->buf = ngx_create_temp_buf(e->pool, NGX_PAYGW_EXPOSITION_BUFFER);
            cl = ngx_alloc_chain_link(e->pool);

            if (e->buf == NULL || cl == NULL) {
                e->failed = 1;
                return;
            }

            cl->buf = e->buf;
            cl->next = NULL;

            *e->last = cl;
            e->last = &cl->next;
        }

        n = ngx_min(len, (size_t) (e->buf->end - e->buf->last));

        e->buf->last = ngx_cpymem(e->buf->last, p, n);
        e->size += n;

        p += n;
        len -= n;
    }
}
