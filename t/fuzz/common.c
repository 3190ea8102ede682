
/*
 * Copyright (C) the paygw authors
 */


#include "common.h"
#include "ngx_paygw_event.h"
#include "ngx_paygw_json.h"
#include "ngx_paygw_text.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static FILE *fuzz_open(const char *name);
static void fuzz_refused(ngx_paygw_notify_t *n, ngx_int_t rc);
static void fuzz_taken(ngx_pool_t *pool, ngx_paygw_notify_t *n);
static void fuzz_id(ngx_str_t *s);


ngx_conf_t  *fuzz_cf;


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char  *dir;

    dir = getenv("PAYGW_FUZZ_DATA");

    harness_init(dir ? dir : "t/data");

    fuzz_cf = harness_conf();
    fuzz_init();

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t    input;
    ngx_pool_t  *pool;

    pool = ngx_create_pool(1024, harness_ngx_log());
    if (pool == NULL) {
        abort();
    }

    harness_log_reset();

    input.data = (u_char *) data;
    input.len = size;

    fuzz_one(pool, &input);

    /* a later TLS call would report what is left */

    must(ERR_peek_error() == 0);

    ngx_destroy_pool(pool);

    return 0;
}


void
fuzz_broken(const char *cond, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n%s", file, line, cond,
            harness_log());
    abort();
}


ngx_str_t
fuzz_copy(ngx_pool_t *pool, ngx_str_t *s)
{
    ngx_str_t  copy;

    copy.len = s->len;
    copy.data = ngx_pnalloc(pool, s->len);

    if (s->len) {
        ngx_memcpy(copy.data, s->data, s->len);
    }

    return copy;
}


ngx_str_t
fuzz_line(ngx_pool_t *pool, ngx_str_t *input)
{
    u_char     *p, *last;
    ngx_str_t   line;

    last = input->data + input->len;
    p = ngx_strlchr(input->data, last, LF);

    line.data = input->data;

    if (p == NULL) {
        line.len = input->len;
        input->data = last;
        input->len = 0;

    } else {
        line.len = p - input->data;
        input->data = p + 1;
        input->len = last - input->data;
    }

    return fuzz_copy(pool, &line);
}


ngx_str_t
fuzz_join(ngx_pool_t *pool, ngx_str_t *first, ...)
{
    size_t      len;
    u_char     *p;
    va_list     args;
    ngx_str_t  *s, out;

    len = 0;

    va_start(args, first);

    for (s = first; s; s = va_arg(args, ngx_str_t *)) {
        len += s->len;
    }

    va_end(args);

    out.len = len;
    out.data = ngx_pnalloc(pool, len);
    p = out.data;

    va_start(args, first);

    for (s = first; s; s = va_arg(args, ngx_str_t *)) {
        if (s->len) {
            p = ngx_cpymem(p, s->data, s->len);
        }
    }

    va_end(args);

    return out;
}


static FILE *
fuzz_open(const char *name)
{
    FILE       *f;
    char        path[NGX_MAX_PATH];
    ngx_str_t  *dir;

    dir = &fuzz_cf->cycle->conf_prefix;

    snprintf(path, sizeof(path), "%.*s%s", (int) dir->len, dir->data, name);

    f = fopen(path, "r");
    if (f == NULL) {
        perror(path);
        abort();
    }

    return f;
}


EVP_PKEY *
fuzz_private(const char *name)
{
    FILE      *f;
    EVP_PKEY  *key;

    f = fuzz_open(name);
    key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);

    must(key != NULL);

    return key;
}


EVP_PKEY *
fuzz_public(const char *name)
{
    FILE      *f;
    X509      *cert;
    EVP_PKEY  *key;

    f = fuzz_open(name);
    cert = PEM_read_X509(f, NULL, NULL, NULL);

    if (cert != NULL) {
        key = X509_get_pubkey(cert);
        X509_free(cert);

    } else {
        rewind(f);
        key = PEM_read_PUBKEY(f, NULL, NULL, NULL);
    }

    fclose(f);
    ERR_clear_error();

    must(key != NULL);

    return key;
}


ngx_str_t
fuzz_sign(ngx_pool_t *pool, EVP_PKEY *key, ngx_str_t *text)
{
    int          rc;
    u_char       buf[512];
    ngx_str_t    sig;
    EVP_MD_CTX  *ctx;

    sig.data = buf;
    sig.len = sizeof(buf);

    ctx = EVP_MD_CTX_new();

    rc = EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1
         && EVP_DigestSign(ctx, sig.data, &sig.len, text->data, text->len)
            == 1;

    EVP_MD_CTX_free(ctx);

    must(rc == 1);

    return fuzz_base64(pool, &sig);
}


ngx_uint_t
fuzz_genuine(EVP_PKEY *key, ngx_str_t *text, ngx_str_t *sig)
{
    int          rc;
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();

    rc = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1
         && EVP_DigestVerify(ctx, sig->data, sig->len, text->data, text->len)
            == 1;

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();

    return rc;
}


ngx_str_t
fuzz_base64(ngx_pool_t *pool, ngx_str_t *s)
{
    ngx_str_t  out;

    out.data = ngx_pnalloc(pool, ngx_base64_encoded_length(s->len));
    ngx_encode_base64(&out, s);

    return out;
}


ngx_int_t
fuzz_notify(ngx_pool_t *pool, ngx_paygw_notify_t *n)
{
    ngx_int_t        rc;
    ngx_paygw_ack_t  ack;

    n->pool = pool;
    n->log = harness_ngx_log();

    rc = n->provider->parse(n);

    if (rc == NGX_OK) {
        must(n->reason == NGX_PAYGW_REASON_NONE);
        rc = n->provider->verify(n);
    }

    if (rc == NGX_OK) {
        must(n->channel != NULL);
        must(n->reason == NGX_PAYGW_REASON_NONE);
        rc = n->provider->event(n);
    }

    if (rc == NGX_OK) {
        fuzz_taken(pool, n);

    } else if (rc == NGX_DONE) {
        must(n->channel != NULL);
        must(n->reason == NGX_PAYGW_REASON_NONE);

    } else {
        fuzz_refused(n, rc);
    }

    n->provider->ack(n, rc == NGX_OK || rc == NGX_DONE ? 200 : 401, &ack);
    must(ack.status != 0);

    return rc;
}


static void
fuzz_refused(ngx_paygw_notify_t *n, ngx_int_t rc)
{
    size_t  i;

    must(rc == NGX_DECLINED || rc == NGX_ABORT);
    must(n->reason != NGX_PAYGW_REASON_NONE);
    must(n->reason != NGX_PAYGW_REASON_INTERNAL);

    for (i = 0; i < n->hint.len; i++) {
        must(n->hint.data[i] >= 0x20 && n->hint.data[i] < 0x7f);
    }

    must(n->key_id.len == 0 || ngx_paygw_visible(&n->key_id, 65536));
}


static void
fuzz_taken(ngx_pool_t *pool, ngx_paygw_notify_t *n)
{
    char               *err;
    ngx_str_t           id, json;
    ngx_paygw_json_t   *root, *data;
    ngx_paygw_event_t  *e;

    e = &n->event;

    must(n->channel != NULL);
    must(n->keep >= n->channel->window);
    must(n->key_id.len == 0 || ngx_paygw_visible(&n->key_id, 65536));
    must(e->id.len != 0 && e->kind.len != 0);
    must(e->amount >= -1 && e->refund_amount >= -1);
    must(e->time >= 0);

    fuzz_id(&e->id);
    fuzz_id(&e->kind);
    fuzz_id(&e->order_id);
    fuzz_id(&e->trade_no);
    fuzz_id(&e->currency);
    fuzz_id(&e->refund_id);
    fuzz_id(&e->refund_no);
    must(ngx_paygw_utf8_valid(&e->payer));

    must(ngx_paygw_event_id(n, &id) == NGX_OK);
    fuzz_id(&id);

    must(ngx_paygw_event_json(n, &id, 1, &json) == NGX_OK);
    if (ngx_paygw_json_parse(pool, &json, &root, &err) != NGX_OK
        && ngx_strcmp(err, "too deep") != 0
        && ngx_strcmp(err, "too many values") != 0)
    {
        fprintf(stderr, "%s: %.*s\n", err, (int) json.len, json.data);
        must(0);
    }

    must(ngx_paygw_json_parse(pool, &e->data, &data, &err) == NGX_OK);
    must(data->type == NGX_PAYGW_JSON_OBJECT);
}


static void
fuzz_id(ngx_str_t *s)
{
    must(s->len == 0 || ngx_paygw_visible(s, 65536));
}


/* git does not keep modes, and nobody else may read a private key */

const char *
fuzz_private_line(const char *param, const char *name)
{
    int      in, out;
    char     buf[8192], path[] = "/tmp/paygw-fuzz-XXXXXX", *line;
    ssize_t  n;

    (void) snprintf(buf, sizeof(buf), "%s/%s", getenv("PAYGW_FUZZ_DATA"),
                    name);

    in = open(buf, O_RDONLY);
    out = mkstemp(path);

    must(in != -1 && out != -1);

    n = read(in, buf, sizeof(buf));

    must(n > 0 && write(out, buf, n) == n);

    (void) close(in);
    (void) close(out);

    line = malloc(128);
    must(line != NULL);

    (void) snprintf(line, 128, "%s %s", param, path);

    return line;
}


void
fuzz_ask(ngx_pool_t *pool, ngx_paygw_exchange_t *x, ngx_paygw_channel_t **ch,
    time_t now)
{
    ngx_memzero(x, sizeof(ngx_paygw_exchange_t));

    x->n.provider = (*ch)->provider;
    x->n.channels = ch;
    x->n.nchannels = 1;
    x->n.channel = *ch;
    x->n.pool = pool;
    x->n.log = fuzz_cf->log;
    x->n.msg.now = now;

    ngx_str_set(&x->in.method, "POST");
    ngx_str_set(&x->endpoint, "https://example.com");
}


/* a caller's request: signed, refused with a reason, or a reply of our own */

void
fuzz_build(ngx_paygw_exchange_t *x)
{
    ngx_int_t  rc;

    rc = x->n.provider->api->build(x);

    must(rc == NGX_OK || rc == NGX_DONE || rc == NGX_DECLINED);

    if (rc == NGX_DECLINED) {
        must(x->n.reason != NGX_PAYGW_REASON_NONE && x->n.hint.len);
        return;
    }

    must(rc == NGX_OK ? x->target.len != 0 : x->reply.len != 0);

    /* and again, as for another try */

    must(x->n.provider->api->build(x) == rc);
}


ngx_int_t
fuzz_check(ngx_paygw_exchange_t *x)
{
    ngx_int_t  rc;

    rc = x->n.provider->api->check(x);

    must(rc == NGX_OK || rc == NGX_DECLINED || rc == NGX_ABORT);
    must((rc == NGX_OK) == (x->n.reason == NGX_PAYGW_REASON_NONE));

    return rc;
}


ngx_uint_t
fuzz_is(ngx_str_t *s, const char *word)
{
    return s->len == ngx_strlen(word)
           && ngx_memcmp(s->data, word, s->len) == 0;
}
