
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_json.h"
#include "ngx_paygw_text.h"

#include <yajl/yajl_parse.h>


#define NGX_PAYGW_JSON_MAX_INTEGER  ((int64_t) 9007199254740991)  /* 2^53 - 1 */


/* an array or object that is being read */

typedef struct {
    ngx_paygw_json_t        *node;
    ngx_paygw_json_t       **tail;     /* where its next child goes */
    ngx_uint_t               members;
} ngx_paygw_json_level_t;


typedef struct {
    ngx_pool_t              *pool;
    ngx_str_t               *text;
    yajl_handle              parser;
    ngx_paygw_json_t        *root;
    size_t                   end;      /* of the root in text */
    ngx_uint_t               completing;
    ngx_str_t                key;      /* of the value to come */
    ngx_str_t                twice;    /* a key that was there before */
    ngx_uint_t               nodes;
    ngx_uint_t               depth;
    ngx_paygw_json_level_t   levels[NGX_PAYGW_JSON_MAX_DEPTH];

    ngx_int_t                rc;       /* why a callback stopped the parser */
    char                    *err;
} ngx_paygw_json_ctx_t;


static ngx_uint_t ngx_paygw_json_ended(ngx_paygw_json_ctx_t *ctx);
static ngx_int_t ngx_paygw_json_check_text(ngx_str_t *text, char **err);
static ngx_int_t ngx_paygw_json_check_unicode(u_char **pos, u_char *last,
    char **err);
static ngx_int_t ngx_paygw_json_hex4(u_char *p, u_char *last);

static int ngx_paygw_json_on_null(void *data);
static int ngx_paygw_json_on_boolean(void *data, int value);
static int ngx_paygw_json_on_number(void *data, const char *p, size_t len);
static int ngx_paygw_json_on_string(void *data, const unsigned char *p,
    size_t len);
static int ngx_paygw_json_on_key(void *data, const unsigned char *p,
    size_t len);
static int ngx_paygw_json_on_start_object(void *data);
static int ngx_paygw_json_on_start_array(void *data);
static int ngx_paygw_json_on_end(void *data);

static ngx_paygw_json_t *ngx_paygw_json_add(ngx_paygw_json_ctx_t *ctx,
    ngx_paygw_json_type_e type);
static int ngx_paygw_json_start(ngx_paygw_json_ctx_t *ctx,
    ngx_paygw_json_type_e type);
static ngx_int_t ngx_paygw_json_bytes(ngx_paygw_json_ctx_t *ctx,
    ngx_str_t *dst, const u_char *p, size_t len);
static int ngx_paygw_json_stop(ngx_paygw_json_ctx_t *ctx, ngx_int_t rc,
    char *err);


/* with yajl_number a number stays the text that was sent */

static const yajl_callbacks  ngx_paygw_json_callbacks = {
    ngx_paygw_json_on_null,
    ngx_paygw_json_on_boolean,
    NULL,
    NULL,
    ngx_paygw_json_on_number,
    ngx_paygw_json_on_string,
    ngx_paygw_json_on_start_object,
    ngx_paygw_json_on_key,
    ngx_paygw_json_on_end,
    ngx_paygw_json_on_start_array,
    ngx_paygw_json_on_end
};


ngx_int_t
ngx_paygw_json_parse(ngx_pool_t *pool, ngx_str_t *text,
    ngx_paygw_json_t **root, char **err)
{
    ngx_paygw_json_fault_t  fault;

    return ngx_paygw_json_parse_at(pool, text, root, err, &fault);
}


ngx_int_t
ngx_paygw_json_parse_at(ngx_pool_t *pool, ngx_str_t *text,
    ngx_paygw_json_t **root, char **err, ngx_paygw_json_fault_t *fault)
{
    yajl_status            status;
    ngx_paygw_json_ctx_t   ctx;

    ngx_memzero(fault, sizeof(ngx_paygw_json_fault_t));

    if (ngx_paygw_json_check_text(text, err) != NGX_OK) {
        return NGX_ABORT;
    }

    ngx_memzero(&ctx, sizeof(ngx_paygw_json_ctx_t));

    ctx.pool = pool;
    ctx.text = text;
    ctx.end = text->len;

    ctx.parser = yajl_alloc(&ngx_paygw_json_callbacks, NULL, &ctx);
    if (ctx.parser == NULL) {
        return NGX_ERROR;
    }

    /* the whole text was checked, and more strictly than yajl does */

    (void) yajl_config(ctx.parser, yajl_dont_validate_strings, 1);

    status = yajl_parse(ctx.parser, text->data, text->len);

    if (status == yajl_status_ok) {
        /* a number may have waited for what follows it: the end of text */
        ctx.completing = 1;
        status = yajl_complete_parse(ctx.parser);
    }

    fault->at = ctx.completing ? text->len
                               : yajl_get_bytes_consumed(ctx.parser);

    yajl_free(ctx.parser);

    if (status == yajl_status_ok && ctx.root != NULL
        && ngx_paygw_json_ended(&ctx))
    {
        *root = ctx.root;
        return NGX_OK;
    }

    if (status == yajl_status_client_canceled && ctx.rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    *err = ctx.err ? ctx.err : "invalid JSON";
    fault->key = ctx.twice;

    return NGX_ABORT;
}


/*
 * yajl takes a token that is cut off by the end of the text for the end: the
 * rest of "{}1", "{}\"" or "{}nul" would go unseen.
 */

static ngx_uint_t
ngx_paygw_json_ended(ngx_paygw_json_ctx_t *ctx)
{
    u_char  *p, *last;

    last = ctx->text->data + ctx->text->len;

    for (p = ctx->text->data + ctx->end; p < last; p++) {
        if (*p != ' ' && *p != '\t' && *p != CR && *p != LF) {
            return 0;
        }
    }

    return 1;
}


/*
 * What yajl would let pass or repair in silence: malformed UTF-8, an escaped
 * NUL, and an escaped surrogate without its pair, which it turns into "?".
 * In valid JSON a backslash occurs inside strings only, and anything else is
 * left for yajl to refuse.
 */

static ngx_int_t
ngx_paygw_json_check_text(ngx_str_t *text, char **err)
{
    u_char  *p, *last;

    if (!ngx_paygw_utf8_valid(text)) {
        *err = "invalid UTF-8";
        return NGX_ABORT;
    }

    p = text->data;
    last = p + text->len;

    /* yajl takes these for space, which JSON, and our other readers, do not */

    if (text->len
        && (memchr(p, '\v', text->len) || memchr(p, '\f', text->len)))
    {
        *err = "invalid JSON";
        return NGX_ABORT;
    }

    for ( ;; ) {

        p = ngx_strlchr(p, last, '\\');

        if (p == NULL || last - p < 2) {
            return NGX_OK;
        }

        p += 2;

        if (p[-1] == 'u'
            && ngx_paygw_json_check_unicode(&p, last, err) != NGX_OK)
        {
            return NGX_ABORT;
        }
    }
}


/* *pos is behind "\u" and is moved behind the whole character */

static ngx_int_t
ngx_paygw_json_check_unicode(u_char **pos, u_char *last, char **err)
{
    u_char     *p;
    ngx_int_t   c;

    p = *pos;

    c = ngx_paygw_json_hex4(p, last);

    if (c == NGX_ERROR) {
        *err = "invalid JSON";
        return NGX_ABORT;
    }

    if (c == 0) {
        *err = "NUL in a string";
        return NGX_ABORT;
    }

    p += 4;

    if (c >= 0xdc00 && c <= 0xdfff) {
        *err = "unpaired surrogate";
        return NGX_ABORT;
    }

    if (c >= 0xd800 && c <= 0xdbff) {

        if (last - p < 2 || p[0] != '\\' || p[1] != 'u') {
            *err = "unpaired surrogate";
            return NGX_ABORT;
        }

        c = ngx_paygw_json_hex4(p + 2, last);

        if (c < 0xdc00 || c > 0xdfff) {
            *err = "unpaired surrogate";
            return NGX_ABORT;
        }

        p += 6;
    }

    *pos = p;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_json_hex4(u_char *p, u_char *last)
{
    if (last - p < 4) {
        return NGX_ERROR;
    }

    return ngx_hextoi(p, 4);
}


static int
ngx_paygw_json_on_null(void *data)
{
    return ngx_paygw_json_add(data, NGX_PAYGW_JSON_NULL) != NULL;
}


static int
ngx_paygw_json_on_boolean(void *data, int value)
{
    ngx_paygw_json_t  *node;

    node = ngx_paygw_json_add(data, NGX_PAYGW_JSON_BOOL);
    if (node == NULL) {
        return 0;
    }

    if (value) {
        ngx_str_set(&node->value, "true");

    } else {
        ngx_str_set(&node->value, "false");
    }

    return 1;
}


static int
ngx_paygw_json_on_number(void *data, const char *p, size_t len)
{
    ngx_paygw_json_t  *node;

    node = ngx_paygw_json_add(data, NGX_PAYGW_JSON_NUMBER);

    return node != NULL
           && ngx_paygw_json_bytes(data, &node->value, (const u_char *) p,
                                   len)
              == NGX_OK;
}


static int
ngx_paygw_json_on_string(void *data, const unsigned char *p, size_t len)
{
    ngx_paygw_json_t  *node;

    node = ngx_paygw_json_add(data, NGX_PAYGW_JSON_STRING);

    return node != NULL
           && ngx_paygw_json_bytes(data, &node->value, p, len) == NGX_OK;
}


static int
ngx_paygw_json_on_key(void *data, const unsigned char *p, size_t len)
{
    ngx_paygw_json_ctx_t *ctx = data;

    ngx_paygw_json_t        *node;
    ngx_paygw_json_level_t  *level;

    level = &ctx->levels[ctx->depth - 1];

    if (level->members == NGX_PAYGW_JSON_MAX_MEMBERS) {
        return ngx_paygw_json_stop(ctx, NGX_ABORT, "too many members");
    }

    level->members++;

    /* compared as decoded: "a" and "\u0061" are the same key */

    for (node = level->node->child; node; node = node->next) {
        if (node->key.len == len
            && ngx_memcmp(node->key.data, p, len) == 0)
        {
            ctx->twice = node->key;
            return ngx_paygw_json_stop(ctx, NGX_ABORT, "duplicate key");
        }
    }

    return ngx_paygw_json_bytes(ctx, &ctx->key, p, len) == NGX_OK;
}


static int
ngx_paygw_json_on_start_object(void *data)
{
    return ngx_paygw_json_start(data, NGX_PAYGW_JSON_OBJECT);
}


static int
ngx_paygw_json_on_start_array(void *data)
{
    return ngx_paygw_json_start(data, NGX_PAYGW_JSON_ARRAY);
}


static int
ngx_paygw_json_on_end(void *data)
{
    ngx_paygw_json_ctx_t *ctx = data;

    ctx->depth--;

    if (ctx->depth == 0) {
        ctx->end = yajl_get_bytes_consumed(ctx->parser);
    }

    return 1;
}


static ngx_paygw_json_t *
ngx_paygw_json_add(ngx_paygw_json_ctx_t *ctx, ngx_paygw_json_type_e type)
{
    ngx_paygw_json_t        *node;
    ngx_paygw_json_level_t  *level;

    if (ctx->nodes == NGX_PAYGW_JSON_MAX_NODES) {
        (void) ngx_paygw_json_stop(ctx, NGX_ABORT, "too many values");
        return NULL;
    }

    ctx->nodes++;

    node = ngx_pcalloc(ctx->pool, sizeof(ngx_paygw_json_t));
    if (node == NULL) {
        (void) ngx_paygw_json_stop(ctx, NGX_ERROR, NULL);
        return NULL;
    }

    node->type = type;
    node->key = ctx->key;
    ngx_str_null(&ctx->key);

    if (ctx->depth == 0) {
        ctx->root = node;

        if (!ctx->completing) {
            ctx->end = yajl_get_bytes_consumed(ctx->parser);
        }

        return node;
    }

    level = &ctx->levels[ctx->depth - 1];

    *level->tail = node;
    level->tail = &node->next;

    return node;
}


static int
ngx_paygw_json_start(ngx_paygw_json_ctx_t *ctx, ngx_paygw_json_type_e type)
{
    ngx_paygw_json_t        *node;
    ngx_paygw_json_level_t  *level;

    if (ctx->depth == NGX_PAYGW_JSON_MAX_DEPTH) {
        return ngx_paygw_json_stop(ctx, NGX_ABORT, "too deep");
    }

    node = ngx_paygw_json_add(ctx, type);
    if (node == NULL) {
        return 0;
    }

    level = &ctx->levels[ctx->depth++];

    level->node = node;
    level->tail = &node->child;
    level->members = 0;

    return 1;
}


/*
 * yajl hands out a pointer into the text if it had nothing to decode, else
 * into a buffer of its own, which is gone after the callback.
 */

static ngx_int_t
ngx_paygw_json_bytes(ngx_paygw_json_ctx_t *ctx, ngx_str_t *dst,
    const u_char *p, size_t len)
{
    ngx_str_t  *text;

    text = ctx->text;

    if (p >= text->data && p < text->data + text->len) {
        dst->data = (u_char *) p;
        dst->len = len;
        return NGX_OK;
    }

    dst->len = 0;
    dst->data = ngx_pnalloc(ctx->pool, len + 1);
    if (dst->data == NULL) {
        (void) ngx_paygw_json_stop(ctx, NGX_ERROR, NULL);
        return NGX_ERROR;
    }

    ngx_memcpy(dst->data, p, len);
    dst->len = len;

    return NGX_OK;
}


static int
ngx_paygw_json_stop(ngx_paygw_json_ctx_t *ctx, ngx_int_t rc, char *err)
{
    ctx->rc = rc;
    ctx->err = err;

    return 0;
}


ngx_paygw_json_t *
ngx_paygw_json_get(ngx_paygw_json_t *obj, const char *name)
{
    size_t             len;
    ngx_paygw_json_t  *node;

    if (obj == NULL || obj->type != NGX_PAYGW_JSON_OBJECT) {
        return NULL;
    }

    len = ngx_strlen(name);

    for (node = obj->child; node; node = node->next) {
        if (node->key.len == len
            && ngx_memcmp(node->key.data, name, len) == 0)
        {
            return node;
        }
    }

    return NULL;
}


ngx_int_t
ngx_paygw_json_get_string(ngx_paygw_json_t *obj, const char *name,
    ngx_str_t *value)
{
    ngx_paygw_json_t  *node;

    ngx_str_null(value);

    node = ngx_paygw_json_get(obj, name);

    if (node == NULL || node->type == NGX_PAYGW_JSON_NULL) {
        return NGX_DECLINED;
    }

    if (node->type != NGX_PAYGW_JSON_STRING) {
        return NGX_ABORT;
    }

    *value = node->value;

    return NGX_OK;
}


ngx_int_t
ngx_paygw_json_get_integer(ngx_paygw_json_t *obj, const char *name,
    int64_t *value)
{
    size_t             i;
    u_char             c;
    int64_t            n;
    ngx_paygw_json_t  *node;

    node = ngx_paygw_json_get(obj, name);

    if (node == NULL || node->type == NGX_PAYGW_JSON_NULL) {
        return NGX_DECLINED;
    }

    if (node->type != NGX_PAYGW_JSON_NUMBER) {
        return NGX_ABORT;
    }

    n = 0;

    for (i = 0; i < node->value.len; i++) {

        c = node->value.data[i];

        if (c < '0' || c > '9') {
            return NGX_ABORT;
        }

        n = n * 10 + (c - '0');

        if (n > NGX_PAYGW_JSON_MAX_INTEGER) {
            return NGX_ABORT;
        }
    }

    *value = n;

    return NGX_OK;
}
