
/*
 * Copyright (C) the paygw authors
 */


#include "harness.h"


#define HARNESS_LOG_SIZE  65536
#define HARNESS_MAX_ARGS  16


static void harness_log_writer(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len);
static char *harness_param(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *line);


static char         harness_text[HARNESS_LOG_SIZE];
static size_t       harness_text_len;

static ngx_log_t    harness_the_log;
static ngx_cycle_t  harness_cycle;
static ngx_str_t    harness_dir;


void
harness_init(const char *dir)
{
    size_t  len;

    ngx_pid = ngx_getpid();
    ngx_pagesize = getpagesize();
    ngx_cacheline_size = NGX_CPU_CACHE_LINE;
    ngx_use_stderr = 0;

    (void) ngx_strerror_init();
    ngx_time_init();

    harness_the_log.log_level = NGX_LOG_INFO;
    harness_the_log.writer = harness_log_writer;

    len = ngx_strlen(dir);

    harness_dir.data = malloc(len + 2);
    if (harness_dir.data == NULL) {
        abort();
    }

    harness_dir.len = ngx_sprintf(harness_dir.data, "%s/%Z", dir)
                      - harness_dir.data - 1;

    harness_cycle.log = &harness_the_log;
    harness_cycle.conf_prefix = harness_dir;
    harness_cycle.prefix = harness_dir;

    ngx_cycle = &harness_cycle;
}


ngx_conf_t *
harness_conf(void)
{
    ngx_conf_t  *cf;
    ngx_pool_t  *pool;

    pool = ngx_create_pool(4096, &harness_the_log);
    if (pool == NULL) {
        abort();
    }

    cf = ngx_pcalloc(pool, sizeof(ngx_conf_t));
    if (cf == NULL) {
        abort();
    }

    cf->pool = pool;
    cf->log = &harness_the_log;
    cf->cycle = &harness_cycle;

    cf->temp_pool = ngx_create_pool(4096, &harness_the_log);
    if (cf->temp_pool == NULL) {
        abort();
    }

    harness_cycle.pool = pool;

    return cf;
}


void
harness_conf_free(ngx_conf_t *cf)
{
    ngx_destroy_pool(cf->temp_pool);
    ngx_destroy_pool(cf->pool);

    harness_cycle.pool = NULL;
}


ngx_paygw_channel_t *
harness_channel(ngx_conf_t *cf, const char *provider, const char *name,
    const char **lines)
{
    char                 *rv;
    ngx_str_t             value;
    ngx_paygw_channel_t  *ch;

    ch = ngx_pcalloc(cf->pool, sizeof(ngx_paygw_channel_t));
    if (ch == NULL) {
        abort();
    }

    value = harness_str(cf->pool, provider);

    ch->name = harness_str(cf->pool, name);
    ch->window = 300 * 1000;
    ch->keep = 26 * 60 * 60 * 1000;
    ch->lease = 30 * 1000;

    ch->provider = ngx_paygw_provider_find(&value);

    if (ch->provider == NULL) {
        return NULL;
    }

    ch->headers = ch->provider->headers;
    ch->content_types = ch->provider->content_types;

    if (ch->provider->create(cf, ch) != NGX_OK) {
        return NULL;
    }

    for ( /* void */ ; *lines; lines++) {

        rv = harness_param(cf, ch, *lines);

        if (rv == NGX_CONF_OK) {
            continue;
        }

        if (rv != NGX_CONF_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%s\" %s", *lines, rv);
        }

        return NULL;
    }

    if (ch->provider->check(cf, ch) != NGX_CONF_OK) {
        return NULL;
    }

    return ch;
}


static char *
harness_param(ngx_conf_t *cf, ngx_paygw_channel_t *ch, const char *line)
{
    u_char                   *p;
    ngx_str_t                 text, args[HARNESS_MAX_ARGS];
    ngx_uint_t                n;
    ngx_array_t               line_args;
    const ngx_paygw_param_t  *param;

    text = harness_str(cf->pool, line);
    p = text.data;

    for (n = 0; *p && n < HARNESS_MAX_ARGS; n++) {

        args[n].data = p;

        while (*p && *p != ' ') {
            p++;
        }

        args[n].len = p - args[n].data;

        if (*p) {
            *p++ = '\0';
        }
    }

    /* one of several names of a parameter is looked for here */

    ngx_memzero(&line_args, sizeof(ngx_array_t));
    line_args.elts = args;
    line_args.nelts = n;
    cf->args = &line_args;

    for (param = ch->provider->params; n && param->name.len; param++) {

        if (param->name.len != args[0].len
            || ngx_strncmp(param->name.data, args[0].data, args[0].len) != 0)
        {
            continue;
        }

        if (n - 1 < param->min || n - 1 > param->max) {
            return "has an invalid number of arguments";
        }

        return param->set(cf, ch, &args[1], n - 1);
    }

    return "is unknown";
}


ngx_str_t
harness_str(ngx_pool_t *pool, const char *s)
{
    ngx_str_t  str;

    str.len = ngx_strlen(s);
    str.data = ngx_pnalloc(pool, str.len + 1);
    if (str.data == NULL) {
        abort();
    }

    ngx_memcpy(str.data, s, str.len + 1);

    return str;
}


ngx_str_t
harness_file(ngx_pool_t *pool, const char *name)
{
    FILE       *f;
    long        size;
    ngx_str_t   str;
    u_char      path[NGX_MAX_PATH];

    *ngx_snprintf(path, sizeof(path) - 1, "%V%s", &harness_dir, name) = '\0';

    f = fopen((char *) path, "rb");

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0) {
        fprintf(stderr, "cannot read %s\n", path);
        abort();
    }

    rewind(f);

    str.len = size;
    str.data = ngx_pnalloc(pool, size + 1);

    if (str.data == NULL || fread(str.data, 1, size, f) != (size_t) size) {
        abort();
    }

    str.data[size] = '\0';

    fclose(f);

    return str;
}


static void
harness_log_writer(ngx_log_t *log, ngx_uint_t level, u_char *buf, size_t len)
{
    if (len >= HARNESS_LOG_SIZE - harness_text_len) {
        return;
    }

    ngx_memcpy(harness_text + harness_text_len, buf, len);

    harness_text_len += len;
    harness_text[harness_text_len] = '\0';
}


const char *
harness_log(void)
{
    return harness_text;
}


void
harness_log_reset(void)
{
    harness_text_len = 0;
    harness_text[0] = '\0';
}


ngx_log_t *
harness_ngx_log(void)
{
    return &harness_the_log;
}
