
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"

#include <openssl/err.h>


static ngx_uint_t   test_count, test_failed;
static const char  *test_made;

/* "FILE NAME" of each case that was judged */

#define TEST_RAN_MAX  256

static char         test_ran[TEST_RAN_MAX][160];
static ngx_uint_t   test_nran;


int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: unit DATA MADE\n");
        return 2;
    }

    harness_init(argv[1]);
    test_made = argv[2];

    test_text();
    test_charset();
    test_form();
    test_json();
    test_xml();
    test_response();
    test_key();
    test_secret();
    test_cert();
    test_chain();
    test_sign();
    test_later();
    test_scheme();
    test_mac();
    test_aead();
    test_ecb();
    test_seal();
    test_call();
    test_slots();
    test_gunzip();
    test_idem();
    test_order();
    test_told();
    test_metrics();
    test_breaker();
    test_book();

    test_cases();

    ran_all();

    printf("1..%lu\n", (unsigned long) test_count);

    return test_failed != 0;
}


void
ok(int good, const char *fmt, ...)
{
    va_list  args;

    printf("%s %lu - ", good ? "ok" : "not ok", (unsigned long) ++test_count);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    printf("\n");
    fflush(stdout);

    test_failed += !good;
}


void
is_int(int64_t got, int64_t want, const char *name)
{
    ok(got == want, "%s", name);

    if (got != want) {
        printf("#   got %lld, expected %lld\n", (long long) got,
               (long long) want);
    }
}


void
is_str(ngx_str_t *got, const char *want, const char *name)
{
    int  good;

    good = got->len == ngx_strlen(want)
           && (got->len == 0 || memcmp(got->data, want, got->len) == 0);

    ok(good, "%s", name);

    if (!good) {
        printf("#   got \"%.*s\", expected \"%s\"\n", (int) got->len,
               (char *) got->data, want);
    }
}


void
logged(const char *part, const char *name)
{
    int  good;

    good = strstr(harness_log(), part) != NULL;

    ok(good && ERR_peek_error() == 0, "%s: logs %s", name, part);

    if (!good) {
        printf("#   got %s\n", harness_log());
    }

    harness_log_reset();
}


void
quiet(const char *name)
{
    int  good;

    good = harness_log()[0] == '\0' && ERR_peek_error() == 0;

    ok(good, "%s: nothing logged, no error left", name);

    if (!good) {
        printf("#   got %s\n", harness_log());
    }

    harness_log_reset();
    ERR_clear_error();
}


ngx_str_t
openssl(ngx_pool_t *pool, const char *fmt, ...)
{
    int         n;
    FILE       *f;
    char        command[4096];
    va_list     args;
    ngx_str_t   out;

    n = snprintf(command, sizeof(command), "cd '%s' && openssl ", test_made);

    va_start(args, fmt);
    vsnprintf(command + n, sizeof(command) - n, fmt, args);
    va_end(args);

    out.data = ngx_pnalloc(pool, 65536);
    if (out.data == NULL) {
        abort();
    }

    f = popen(command, "r");
    if (f == NULL) {
        abort();
    }

    out.len = fread(out.data, 1, 65535, f);

    if (pclose(f) != 0) {
        printf("# failed: %s\n", command);
        out.len = 0;
    }

    while (out.len && out.data[out.len - 1] == '\n') {
        out.len--;
    }

    out.data[out.len] = '\0';

    return out;
}


ngx_str_t
hex(ngx_pool_t *pool, const char *text)
{
    size_t     i;
    ngx_str_t  out;

    out.len = ngx_strlen(text) / 2;
    out.data = ngx_pnalloc(pool, out.len + 1);
    if (out.data == NULL) {
        abort();
    }

    for (i = 0; i < out.len; i++) {
        out.data[i] = (u_char) ngx_hextoi((u_char *) text + 2 * i, 2);
    }

    return out;
}


ngx_str_t
base64(ngx_pool_t *pool, ngx_str_t *text)
{
    ngx_str_t  out;

    out.data = ngx_pnalloc(pool, ngx_base64_decoded_length(text->len) + 1);
    if (out.data == NULL) {
        abort();
    }

    if (ngx_decode_base64(&out, text) != NGX_OK) {
        out.len = 0;
    }

    return out;
}


ngx_str_t
hexed(ngx_pool_t *pool, u_char *p, size_t len)
{
    ngx_str_t  out;

    out.len = 2 * len;
    out.data = ngx_pnalloc(pool, out.len + 1);
    if (out.data == NULL) {
        abort();
    }

    *ngx_hex_dump(out.data, p, len) = '\0';

    return out;
}


ngx_str_t
made(ngx_pool_t *pool, const char *name)
{
    char  path[NGX_MAX_PATH];

    snprintf(path, sizeof(path), "%s/%s", test_made, name);

    return harness_str(pool, path);
}


void
ran(const char *file, ngx_str_t *name)
{
    if (test_nran == TEST_RAN_MAX) {
        abort();
    }

    snprintf(test_ran[test_nran++], sizeof(test_ran[0]), "%s %.*s ", file,
             (int) name->len, name->data);
}


/* a line is "FILE NAME SUITE ..." */

void
ran_all(void)
{
    char        *line, *next;
    ngx_str_t    text;
    ngx_conf_t  *cf;
    ngx_uint_t   i, listed, done;

    cf = harness_conf();
    text = harness_file(cf->pool, "cases.txt");
    listed = 0;

    for (line = (char *) harness_str(cf->pool, (char *) text.data).data;
         *line;
         line = next)
    {
        next = line + strcspn(line, "\n");

        if (*next) {
            *next++ = '\0';
        }

        done = 0;

        for (i = 0; i < test_nran; i++) {
            done |= (strncmp(line, test_ran[i], strlen(test_ran[i])) == 0);
        }

        if (line[0] != '#' && strstr(line, " unit") != NULL) {
            listed++;

            if (!done) {
                ok(0, "cases.txt: %s: was run", line);
            }

        } else if (done) {
            ok(0, "cases.txt: %s: is one of unit", line);
        }
    }

    ok(listed == test_nran && listed, "cases.txt: %lu cases are run",
       (unsigned long) test_nran);

    harness_conf_free(cf);
}
