
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_form.h"
#include "ngx_paygw_bytes.h"


typedef struct {
    uint64_t                 prefix;
    ngx_paygw_field_t       *field;
} ngx_paygw_form_key_t;


typedef struct {
    u_char                  *p;          /* what is read next */
    u_char                  *last;       /* of the body */
    u_char                  *d;          /* where to decode to */
    char                    *err;
} ngx_paygw_form_reader_t;


static ngx_int_t ngx_paygw_form_pair(ngx_paygw_form_reader_t *rd,
    ngx_paygw_field_t *field);
static ngx_int_t ngx_paygw_form_text(ngx_paygw_form_reader_t *rd,
    u_char stop, ngx_str_t *s);
static ngx_int_t ngx_paygw_form_decode(ngx_paygw_form_reader_t *rd,
    u_char stop);
static ngx_int_t ngx_paygw_form_escape(u_char *p, u_char *last);
static void ngx_paygw_form_special(ngx_paygw_bytes_t *b);
static ngx_int_t ngx_paygw_form_hex(u_char c);
static uint64_t ngx_paygw_form_prefix(ngx_str_t *name);
static ngx_int_t ngx_paygw_form_cmp(ngx_paygw_form_key_t *a,
    ngx_paygw_form_key_t *b);
static ngx_paygw_field_t *ngx_paygw_form_find(ngx_paygw_form_t *form,
    const char *name);
static ngx_paygw_field_t *ngx_paygw_form_scan(ngx_paygw_form_t *form,
    const char *name);
static ngx_uint_t ngx_paygw_form_named(ngx_paygw_field_t *field,
    const char *name);
static ngx_uint_t ngx_paygw_form_hidden(ngx_str_t *value,
    const ngx_str_t *names);


ngx_int_t
ngx_paygw_form_parse(ngx_pool_t *pool, ngx_str_t *body,
    ngx_paygw_form_t *form, char **err)
{
    ngx_uint_t                n;
    ngx_paygw_field_t         fields[NGX_PAYGW_FORM_MAX_FIELDS];
    ngx_paygw_form_reader_t   rd;

    form->fields = NULL;
    form->nfields = 0;
    form->sorted = 0;

    if (body->len == 0) {
        *err = "empty body";
        return NGX_ABORT;
    }

    /* decoding never makes a text longer: one buffer holds all of it */

    rd.p = body->data;
    rd.last = body->data + body->len;
    rd.d = ngx_pnalloc(pool, body->len);

    if (rd.d == NULL) {
        return NGX_ERROR;
    }

    for (n = 0; /* void */ ; rd.p++) {

        if (n == NGX_PAYGW_FORM_MAX_FIELDS) {
            *err = "too many fields";
            return NGX_ABORT;
        }

        if (ngx_paygw_form_pair(&rd, &fields[n++]) != NGX_OK) {
            *err = rd.err;
            return NGX_ABORT;
        }

        if (rd.p == rd.last) {
            break;
        }
    }

    form->fields = ngx_palloc(pool, n * sizeof(ngx_paygw_field_t));
    if (form->fields == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(form->fields, fields, n * sizeof(ngx_paygw_field_t));
    form->nfields = n;

    return ngx_paygw_form_sort(form, err);
}


/*
 * Few fields, and most of their names differ in the first bytes: insertion by a
 * number made of these is several times faster than qsort() by names.
 */

ngx_int_t
ngx_paygw_form_sort(ngx_paygw_form_t *form, char **err)
{
    ngx_int_t              rc;
    ngx_uint_t             i, k;
    ngx_paygw_field_t      sorted[NGX_PAYGW_FORM_MAX_FIELDS];
    ngx_paygw_form_key_t   keys[NGX_PAYGW_FORM_MAX_FIELDS], key;

    if (form->nfields > NGX_PAYGW_FORM_MAX_FIELDS) {
        *err = "too many fields";
        return NGX_ABORT;
    }

    for (i = 0; i < form->nfields; i++) {

        key.field = &form->fields[i];
        key.prefix = ngx_paygw_form_prefix(&key.field->name);

        for (k = i; k; k--) {
            rc = ngx_paygw_form_cmp(&key, &keys[k - 1]);

            if (rc == 0) {
                *err = "duplicate field";
                return NGX_ABORT;
            }

            if (rc > 0) {
                break;
            }

            keys[k] = keys[k - 1];
        }

        keys[k] = key;
    }

    ngx_memzero(form->first, sizeof(form->first));

    for (i = form->nfields; i-- > 0; /* void */ ) {
        sorted[i] = *keys[i].field;
        form->first[keys[i].prefix >> 56] = (u_char) i;
    }

    ngx_memcpy(form->fields, sorted,
               form->nfields * sizeof(ngx_paygw_field_t));

    form->sorted = 1;

    return NGX_OK;
}


/* the first bytes of a name as a number that sorts as they do */

static uint64_t
ngx_paygw_form_prefix(ngx_str_t *name)
{
    u_char      *p;
    uint64_t     prefix;
    ngx_uint_t   i;

    p = name->data;

    if (name->len >= 8) {

        /* one instruction for a compiler that knows the idiom */

        return (uint64_t) p[0] << 56 | (uint64_t) p[1] << 48
               | (uint64_t) p[2] << 40 | (uint64_t) p[3] << 32
               | (uint64_t) p[4] << 24 | (uint64_t) p[5] << 16
               | (uint64_t) p[6] << 8 | (uint64_t) p[7];
    }

    prefix = 0;

    for (i = 0; i < name->len; i++) {
        prefix |= (uint64_t) p[i] << (56 - 8 * i);
    }

    return prefix;
}


static ngx_int_t
ngx_paygw_form_cmp(ngx_paygw_form_key_t *a, ngx_paygw_form_key_t *b)
{
    if (a->prefix != b->prefix) {
        return a->prefix < b->prefix ? -1 : 1;
    }

    return ngx_memn2cmp(a->field->name.data, b->field->name.data,
                        a->field->name.len, b->field->name.len);
}


/* one field; ends at its "&", or at the end of the body */

static ngx_int_t
ngx_paygw_form_pair(ngx_paygw_form_reader_t *rd, ngx_paygw_field_t *field)
{
    if (ngx_paygw_form_text(rd, '=', &field->name) != NGX_OK) {
        return NGX_ABORT;
    }

    if (rd->p == rd->last || *rd->p == '&') {
        rd->err = "field without \"=\"";
        return NGX_ABORT;
    }

    if (field->name.len == 0) {
        rd->err = "empty field name";
        return NGX_ABORT;
    }

    rd->p++;

    return ngx_paygw_form_text(rd, '&', &field->value);
}


/*
 * All up to "&" or stop, decoded once; what needs no decoding stays where it
 * is.
 */

static ngx_int_t
ngx_paygw_form_text(ngx_paygw_form_reader_t *rd, u_char stop, ngx_str_t *s)
{
    u_char  *p;

    p = ngx_paygw_bytes_find(rd->p, rd->last, ngx_paygw_form_special);

    s->data = rd->p;
    s->len = p - rd->p;

    rd->p = p;

    if (p == rd->last || *p == '&' || *p == stop) {
        return NGX_OK;
    }

    p = rd->d;
    rd->d = ngx_cpymem(p, s->data, s->len);

    if (ngx_paygw_form_decode(rd, stop) != NGX_OK) {
        return NGX_ABORT;
    }

    s->data = p;
    s->len = rd->d - p;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_form_decode(ngx_paygw_form_reader_t *rd, u_char stop)
{
    size_t              n;
    u_char             *p, *d;
    ngx_int_t           c;
    ngx_paygw_bytes_t   b;

    p = rd->p;
    d = rd->d;

    while (p < rd->last && *p != '&' && *p != stop) {

        switch (*p) {

        case '%':
            c = ngx_paygw_form_escape(p, rd->last);

            if (c <= 0) {
                rd->err = c ? "broken percent encoding" : "NUL in a field";
                return NGX_ABORT;
            }

            *d++ = (u_char) c;
            p += 3;
            break;

        case '+':
            *d++ = ' ';
            p++;
            break;

        case '\0':
            rd->err = "NUL in a field";
            return NGX_ABORT;

        default:

            if (*p == '=' || rd->last - p < NGX_PAYGW_BYTES) {
                *d++ = *p++;
                break;
            }

            /* what is copied in excess has room, and is written over */

            ngx_memcpy(&b, p, NGX_PAYGW_BYTES);
            ngx_memcpy(d, &b, NGX_PAYGW_BYTES);

            n = ngx_paygw_bytes_first(&b, ngx_paygw_form_special);

            p += n;
            d += n;
        }
    }

    rd->p = p;
    rd->d = d;

    return NGX_OK;
}


/* the byte that "%XX" stands for, NGX_ERROR if it is broken */

static ngx_int_t
ngx_paygw_form_escape(u_char *p, u_char *last)
{
    ngx_int_t  high, low;

    if (last - p < 3) {
        return NGX_ERROR;
    }

    high = ngx_paygw_form_hex(p[1]);
    low = ngx_paygw_form_hex(p[2]);

    return (high < 0 || low < 0) ? NGX_ERROR : high * 16 + low;
}


static void
ngx_paygw_form_special(ngx_paygw_bytes_t *b)
{
    *b = (ngx_paygw_bytes_t) ((*b == '&') | (*b == '=') | (*b == '%')
                              | (*b == '+') | (*b == '\0'));
}


static ngx_int_t
ngx_paygw_form_hex(u_char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return NGX_ERROR;
}


ngx_str_t *
ngx_paygw_form_get(ngx_paygw_form_t *form, const char *name)
{
    ngx_paygw_field_t  *field;

    field = ngx_paygw_form_find(form, name);

    return field ? &field->value : NULL;
}


static ngx_paygw_field_t *
ngx_paygw_form_find(ngx_paygw_form_t *form, const char *name)
{
    ngx_paygw_field_t  *field, *last;

    if (form->nfields == 0) {
        return NULL;
    }

    if (!form->sorted) {
        return ngx_paygw_form_scan(form, name);
    }

    /* a name that begins like no other ends the loop at once */

    field = form->fields + form->first[(u_char) name[0]];
    last = form->fields + form->nfields;

    for ( /* void */ ; field < last; field++) {

        if (field->name.data[0] != (u_char) name[0]) {
            break;
        }

        if (ngx_paygw_form_named(field, name)) {
            return field;
        }
    }

    return NULL;
}


/* one that is still made */

static ngx_paygw_field_t *
ngx_paygw_form_scan(ngx_paygw_form_t *form, const char *name)
{
    ngx_uint_t  i;

    for (i = 0; i < form->nfields; i++) {
        if (ngx_paygw_form_named(&form->fields[i], name)) {
            return &form->fields[i];
        }
    }

    return NULL;
}


/* no name holds a NUL */

static ngx_uint_t
ngx_paygw_form_named(ngx_paygw_field_t *field, const char *name)
{
    return ngx_strncmp(field->name.data, name, field->name.len) == 0
           && name[field->name.len] == '\0';
}


ngx_paygw_field_t *
ngx_paygw_form_hides(ngx_paygw_form_t *form, const ngx_str_t *names)
{
    ngx_uint_t  i;

    for (i = 0; i < form->nfields; i++) {
        if (ngx_paygw_form_hidden(&form->fields[i].value, names)) {
            return &form->fields[i];
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_paygw_form_hidden(ngx_str_t *value, const ngx_str_t *names)
{
    u_char           *p, *last;
    const ngx_str_t  *name;

    p = value->data;
    last = value->data + value->len;

    while (p < last && (p = memchr(p, '&', last - p)) != NULL) {
        p++;

        for (name = names; name->len; name++) {

            if ((size_t) (last - p) > name->len
                && p[name->len] == '='
                && ngx_strncmp(p, name->data, name->len) == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


ngx_int_t
ngx_paygw_form_canonical(ngx_pool_t *pool, ngx_paygw_form_t *form,
    const char **skip, ngx_uint_t flags, ngx_str_t *out)
{
    u_char             *p;
    size_t              size;
    ngx_uint_t          i, n;
    ngx_paygw_field_t  *kept[NGX_PAYGW_FORM_MAX_FIELDS];

    n = ngx_paygw_form_kept(form, skip, flags, kept);
    size = 0;

    for (i = 0; i < n; i++) {
        size += kept[i]->name.len + kept[i]->value.len + sizeof("=&") - 1;
    }

    ngx_str_null(out);

    p = ngx_pnalloc(pool, size + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    out->data = p;

    for (i = 0; i < n; i++) {
        p = ngx_cpymem(p, kept[i]->name.data, kept[i]->name.len);
        *p++ = '=';
        p = ngx_cpymem(p, kept[i]->value.data, kept[i]->value.len);
        *p++ = '&';
    }

    /* without the last "&" */

    if (n) {
        out->len = size - 1;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_paygw_form_kept(ngx_paygw_form_t *form, const char **skip,
    ngx_uint_t flags, ngx_paygw_field_t **kept)
{
    u_char              out[NGX_PAYGW_FORM_MAX_FIELDS];
    ngx_uint_t          i, n;
    ngx_paygw_field_t  *field;

    ngx_memzero(out, form->nfields);

    for ( /* void */ ; *skip; skip++) {
        field = ngx_paygw_form_find(form, *skip);

        if (field) {
            out[field - form->fields] = 1;
        }
    }

    n = 0;

    for (i = 0; i < form->nfields; i++) {
        field = &form->fields[i];

        if (out[i]
            || ((flags & NGX_PAYGW_CANON_DROP_EMPTY) && field->value.len == 0))
        {
            continue;
        }

        kept[n++] = field;
    }

    return n;
}
