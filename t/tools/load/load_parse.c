
/*
 * Copyright (C) the paygw authors
 */


#include <stdlib.h>
#include <string.h>
#include "load.h"


static int load_body(char *in, char *last, char *body, int eof,
    load_reply_t *a);
static int load_chunked(char *start, char *last, load_reply_t *a);


int
load_parse(char *in, size_t len, int eof, load_reply_t *a)
{
    char  *end, *p;

    end = strstr(in, "\r\n\r\n");

    if (end == NULL) {
        return 0;
    }

    if (strncmp(in, "HTTP/1.", 7) != 0) {
        return -1;
    }

    a->status = strtoul(in + 8, NULL, 10);

    p = load_header(in, end, "connection");
    a->close = (p && strncasecmp(p, "close", 5) == 0);

    return load_body(in, in + len, end + 4, eof, a);
}


static int
load_body(char *in, char *last, char *body, int eof, load_reply_t *a)
{
    char    *p, *end;
    size_t   have;

    end = body - 4;
    have = last - body;

    a->body = body;
    a->len = 0;

    if (a->status == 204 || a->status == 304) {
        return 1;
    }

    p = load_header(in, end, "transfer-encoding");

    if (p) {
        return load_chunked(body, last, a);
    }

    p = load_header(in, end, "content-length");

    if (p == NULL) {
        a->len = have;
        return eof;
    }

    a->len = strtoul(p, NULL, 10);

    return have >= a->len;
}


/* joins the chunks once the last one is there */

static int
load_chunked(char *start, char *last, load_reply_t *a)
{
    int            pass;
    char          *p, *chunk;
    size_t         have;
    unsigned long  size;

    for (pass = 0; pass < 2; pass++) {

        a->len = 0;

        for (p = start; ; p = chunk + size + 2) {

            chunk = p < last ? strstr(p, "\r\n") : NULL;

            if (chunk == NULL) {
                return 0;
            }

            size = strtoul(p, NULL, 16);
            chunk += 2;

            have = last - chunk;

            if (have < size || have - size < 2) {
                return 0;
            }

            if (size == 0) {
                break;
            }

            if (pass == 1) {
                memmove(a->body + a->len, chunk, size);
            }

            a->len += size;
        }
    }

    return 1;
}


char *
load_header(char *in, char *end, const char *name)
{
    char    *p;
    size_t   len;

    len = strlen(name);

    for (p = strstr(in, "\r\n"); p && p < end; p = strstr(p + 2, "\r\n")) {

        if (strncasecmp(p + 2, name, len) == 0 && p[2 + len] == ':') {
            p += 2 + len + 1;
            return p + strspn(p, " ");
        }
    }

    return NULL;
}
