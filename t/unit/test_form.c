
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_form.h"


static void test_form_anywhere(void);
static int test_form_value(ngx_conf_t *cf, u_char *text, size_t len,
    u_char *want, size_t n);
static void test_form_refused(void);
static void test_form_limit(void);
static void test_form_canonical(void);
static void test_form_hides(void);
static void test_form_raw(void);
static void test_form_write(void);
static void test_form_made(ngx_conf_t *cf);
static ngx_int_t test_form_parse(ngx_conf_t *cf, ngx_str_t body,
    ngx_paygw_form_t *form, char **err);


void
test_form(void)
{
    char              *err;
    ngx_str_t          body;
    ngx_conf_t        *cf;
    ngx_paygw_form_t   form;

    cf = harness_conf();

    ngx_str_set(&body, "b=2&a=1%2B+%26%3D%25%E6%94%af&c=&a%5B=x=y=&A=~");

    is_int(test_form_parse(cf, body, &form, &err), NGX_OK, "form");
    is_int(form.nfields, 5, "form, fields");
    is_str(&form.fields[0].name, "A", "form, sorted by bytes");
    is_str(&form.fields[1].name, "a", "form, sorted by bytes");
    is_str(&form.fields[2].name, "a[", "form, a name is decoded");
    is_str(ngx_paygw_form_get(&form, "a"), "1+ &=%\xe6\x94\xaf",
           "form, decoded");
    is_str(ngx_paygw_form_get(&form, "a["), "x=y=",
           "form, split at the first =");
    is_str(ngx_paygw_form_get(&form, "c"), "", "form, empty value");
    ok(ngx_paygw_form_get(&form, "d") == NULL, "form, absent");
    ok(ngx_paygw_form_get(&form, "") == NULL, "form, no empty name");
    ok(ngx_paygw_form_get(&form, "zz") == NULL, "form, behind the last");

    ngx_str_set(&body, "a=%252B%2541");

    is_int(test_form_parse(cf, body, &form, &err), NGX_OK, "form");
    is_str(ngx_paygw_form_get(&form, "a"), "%2B%41", "form, decoded once");

    ngx_str_set(&body, "a= x \t\r\n");

    is_int(test_form_parse(cf, body, &form, &err), NGX_OK, "form");
    is_str(ngx_paygw_form_get(&form, "a"), " x \t\r\n",
           "form, nothing is trimmed");

    harness_conf_free(cf);

    test_form_anywhere();
    test_form_refused();
    test_form_limit();
    test_form_canonical();
    test_form_hides();
    test_form_raw();
    test_form_write();
}


/*
 * An escape at each place of values of many lengths, which are read by several
 * bytes at a time: the last field, and one that another follows.
 */

static void
test_form_anywhere(void)
{
    int                i, len, same;
    char              *err;
    u_char             text[64], want[40];
    ngx_str_t          body;
    ngx_conf_t        *cf;
    ngx_paygw_form_t   form;

    cf = harness_conf();
    same = 1;

    for (len = 3; len <= (int) sizeof(want); len++) {
        for (i = 0; i <= len - 3; i++) {
            memset(text, '~', sizeof(text));
            memcpy(text, "a=", 2);
            memcpy(text + 2 + i, "%2b", 3);
            memcpy(text + 2 + len, "&b==%41", 7);

            memset(want, '~', sizeof(want));
            want[i] = '+';

            same &= test_form_value(cf, text, 2 + len, want, len - 2)
                    && test_form_value(cf, text, 2 + len + 7, want, len - 2);

            text[2 + i] = '+';
            want[i] = ' ';
            memcpy(want + i + 1, "2b", 2);

            same &= test_form_value(cf, text, 2 + len, want, len)
                    && test_form_value(cf, text, 2 + len + 7, want, len);

            text[2 + i] = '\0';
            body.data = text;
            body.len = 2 + len;

            same &= test_form_parse(cf, body, &form, &err) == NGX_ABORT;
        }
    }

    ok(same, "form, an escape at each place");

    harness_conf_free(cf);
}


/* 1 if the first field has this value, and another one, if any, is "=A" */

static int
test_form_value(ngx_conf_t *cf, u_char *text, size_t len, u_char *want,
    size_t n)
{
    char              *err;
    ngx_str_t          body;
    ngx_paygw_form_t   form;

    body.data = text;
    body.len = len;

    return test_form_parse(cf, body, &form, &err) == NGX_OK
           && form.fields[0].value.len == n
           && memcmp(form.fields[0].value.data, want, n) == 0
           && (form.nfields == 1
               || (form.fields[1].value.len == 2
                   && memcmp(form.fields[1].value.data, "=A", 2) == 0));
}


static void
test_form_refused(void)
{
    char              *err;
    size_t             i;
    ngx_int_t          rc;
    ngx_conf_t        *cf;
    ngx_paygw_form_t   form;

    static const struct {
        ngx_str_t    body;
        const char  *err;
    } t[] = {
        { T(""), "empty body" },
        { T("a"), "field without \"=\"" },
        { T("&"), "field without \"=\"" },
        { T("a=1&"), "field without \"=\"" },
        { T("&a=1"), "field without \"=\"" },
        { T("a=1&&b=2"), "field without \"=\"" },
        { T("a=1&b"), "field without \"=\"" },
        { T("=1"), "empty field name" },
        { T("a=1&=2"), "empty field name" },
        { T("a=%"), "broken percent encoding" },
        { T("a=%4"), "broken percent encoding" },
        { T("a=%4&b=1"), "broken percent encoding" },
        { T("a=%4g"), "broken percent encoding" },
        { T("a=%g4"), "broken percent encoding" },
        { T("a=%%41"), "broken percent encoding" },
        { T("a=% 41"), "broken percent encoding" },
        { T("a=%u0041"), "broken percent encoding" },
        { T("a%=1"), "broken percent encoding" },
        { T("a=%00"), "NUL in a field" },
        { T("a=x%00y"), "NUL in a field" },
        { T("a%00=1"), "NUL in a field" },
        { T("a=x\0y"), "NUL in a field" },
        { T("a\0=1"), "NUL in a field" },
        { T("a=1&a=1"), "duplicate field" },
        { T("a=1&b=2&c=3&a=4"), "duplicate field" },
        { T("a=1&%61=2"), "duplicate field" },
        { T("a+b=1&a%20b=2"), "duplicate field" }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        err = NULL;
        rc = test_form_parse(cf, t[i].body, &form, &err);

        ok(rc == NGX_ABORT && err && strcmp(err, t[i].err) == 0,
           "form %lu is refused: %s", (unsigned long) i, t[i].err);
    }

    harness_conf_free(cf);
}


static void
test_form_limit(void)
{
    char              *err;
    size_t             i;
    u_char             buf[8 * NGX_PAYGW_FORM_MAX_FIELDS], *p;
    ngx_str_t          body;
    ngx_conf_t        *cf;
    ngx_paygw_form_t   form;

    cf = harness_conf();
    p = buf;

    for (i = 0; i < NGX_PAYGW_FORM_MAX_FIELDS; i++) {
        p = ngx_sprintf(p, "f%uz=1&", i);
    }

    body.data = buf;
    body.len = p - buf - 1;

    is_int(test_form_parse(cf, body, &form, &err), NGX_OK,
           "form, as many fields as may be");

    p = ngx_sprintf(p, "x=1");
    body.len = p - buf;

    is_int(test_form_parse(cf, body, &form, &err), NGX_ABORT,
           "form, one field more");
    ok(strcmp(err, "too many fields") == 0, "form, too many fields");

    harness_conf_free(cf);
}


static void
test_form_canonical(void)
{
    char              *err;
    ngx_str_t          body, out;
    ngx_conf_t        *cf;
    ngx_paygw_form_t   form;

    static const char  *none[] = { NULL };
    static const char  *sign[] = { "sign", "sign_type", NULL };
    static const char  *all[] = { "b", "sign", "e", "sign_type", "signs",
                                  "sig", NULL };

    cf = harness_conf();

    ngx_str_set(&body, "sign=s&b=%26+x&e=&sign_type=RSA2&signs=1&sig=2");

    (void) test_form_parse(cf, body, &form, &err);

    (void) ngx_paygw_form_canonical(cf->pool, &form, none, 0, &out);
    is_str(&out, "b=& x&e=&sig=2&sign=s&sign_type=RSA2&signs=1", "canonical");

    (void) ngx_paygw_form_canonical(cf->pool, &form, sign, 0, &out);
    is_str(&out, "b=& x&e=&sig=2&signs=1", "canonical, two left out");

    (void) ngx_paygw_form_canonical(cf->pool, &form, sign,
                                    NGX_PAYGW_CANON_DROP_EMPTY, &out);
    is_str(&out, "b=& x&sig=2&signs=1", "canonical, empty ones left out");

    is_int(ngx_paygw_form_canonical(cf->pool, &form, all, 0, &out), NGX_OK,
           "canonical, all left out");
    is_str(&out, "", "canonical, all left out");

    harness_conf_free(cf);
}


static void
test_form_hides(void)
{
    char               *err;
    size_t              i;
    ngx_str_t           body;
    ngx_conf_t         *cf;
    ngx_paygw_form_t    form;
    ngx_paygw_field_t  *field;

    static const ngx_str_t  names[] = {
        ngx_string("fee"), ngx_string("fee_type"), ngx_null_string
    };

    static const struct {
        const char  *body;
        const char  *hides;
    } t[] = {
        { "a=%26fee%3d1", "a" },
        { "a=x%26fee%3d", "a" },
        { "a=1&b=%26%26fee_type%3dx", "b" },
        { "a=%26x%26fee%3d1", "a" },
        { "a=fee%3d1", NULL },
        { "a=%26fee", NULL },
        { "a=%26feex%3d1", NULL },
        { "a=%26xfee%3d1", NULL },
        { "a=%26Fee%3d1", NULL },
        { "a=%26+fee%3d1", NULL },
        { "a=%26", NULL },
        { "a=", NULL }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        body.data = (u_char *) t[i].body;
        body.len = strlen(t[i].body);

        (void) test_form_parse(cf, body, &form, &err);

        field = ngx_paygw_form_hides(&form, names);

        if (t[i].hides == NULL) {
            ok(field == NULL, "form, hides nothing: %s", t[i].body);
            continue;
        }

        ok(field != NULL, "form, hides: %s", t[i].body);
        is_str(&field->name, t[i].hides, "form, hidden there");
    }

    harness_conf_free(cf);
}


/* in memory of its own, so that the sanitizers see what is read beyond it */

static ngx_int_t
test_form_parse(ngx_conf_t *cf, ngx_str_t body, ngx_paygw_form_t *form,
    char **err)
{
    ngx_str_t  copy;

    copy.len = body.len;
    copy.data = ngx_pnalloc(cf->pool, body.len);

    if (body.len) {
        memcpy(copy.data, body.data, body.len);
    }

    return ngx_paygw_form_parse(cf->pool, &copy, form, err);
}


/* as UnionPay answers: nothing is encoded, braces hide what separates */

static void
test_form_raw(void)
{
    char              *err;
    size_t             i;
    ngx_int_t          rc;
    ngx_str_t          text, body;
    ngx_conf_t        *cf;
    ngx_paygw_form_t   form;

    static const char  *none[] = { NULL };

    static const struct {
        ngx_str_t    body;
        const char  *want;    /* fields, sorted; or the mistake */
        ngx_int_t    rc;
    } t[] = {
        { T("b=2&a=1"), "a=1&b=2", NGX_OK },
        { T("{b=2&a=1}"), "a=1&b=2", NGX_OK },
        { T("a=+%41 x"), "a=+%41 x", NGX_OK },
        { T("a=b=c&d="), "a=b=c&d=", NGX_OK },
        { T("b={x=1&y=2}&a=1"), "a=1&b={x=1&y=2}", NGX_OK },
        { T("b=[x&y]z&a=1"), "a=1&b=[x&y]z", NGX_OK },
        { T("b={[}&a=]"), "a=]&b={[}", NGX_OK },
        { T("b={x&y&a=1"), "b={x&y&a=1", NGX_OK },
        { T("b=x}&a=1"), "a=1&b=x}", NGX_OK },
        { T("b={x&}{y&}&a=1"), "a=1&b={x&}{y&}", NGX_OK },
        { T("{a={}}"), "a={}", NGX_OK },
        { T("{a}=1"), "{a}=1", NGX_OK },
        { T(""), "empty body", NGX_ABORT },
        { T("{}"), "field without \"=\"", NGX_ABORT },
        { T("{"), "field without \"=\"", NGX_ABORT },
        { T("a"), "field without \"=\"", NGX_ABORT },
        { T("a=1&"), "field without \"=\"", NGX_ABORT },
        { T("a=1&b&c=1"), "field without \"=\"", NGX_ABORT },
        { T("=1"), "empty field name", NGX_ABORT },
        { T("a=1&=1"), "empty field name", NGX_ABORT },
        { T("a=1&a=1"), "duplicate field", NGX_ABORT },
        { T("a=1&b=\0"), "NUL in a field", NGX_ABORT }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        /* a copy that ends where its memory ends */

        body.len = t[i].body.len;
        body.data = ngx_pnalloc(cf->pool, body.len ? body.len : 1);
        memcpy(body.data, t[i].body.data, body.len);

        err = NULL;
        rc = ngx_paygw_form_raw(cf->pool, &body, &form, &err);

        is_int(rc, t[i].rc, t[i].want);

        if (rc != NGX_OK) {
            ok(err && strcmp(err, t[i].want) == 0, t[i].want);
            continue;
        }

        is_int(ngx_paygw_form_canonical(cf->pool, &form, none, 0, &text),
               NGX_OK, t[i].want);
        is_str(&text, t[i].want, t[i].want);
    }

    harness_conf_free(cf);
}


static void
test_form_write(void)
{
    ngx_str_t          value, out;
    ngx_uint_t         i;
    ngx_conf_t        *cf;
    ngx_paygw_form_t   form;

    cf = harness_conf();

    is_int(ngx_paygw_form_new(cf->pool, &form), NGX_OK, "form, new");
    is_int(ngx_paygw_form_write(cf->pool, &form, &out), NGX_OK, "no field");
    is_int(out.len, 0, "form, no field");

    ngx_str_set(&value, "a b+&=%\r\n\xe6~");
    is_int(ngx_paygw_form_add(&form, "a", &value), NGX_OK, "form, add");
    ngx_str_set(&value, "");
    is_int(ngx_paygw_form_add(&form, "b", &value), NGX_OK, "form, add");
    is_int(ngx_paygw_form_write(cf->pool, &form, &out), NGX_OK, "form, write");
    is_str(&out, "a=a%20b%2B%26%3D%25%0D%0A%E6~&b=", "form, written");

    test_form_made(cf);

    for (i = 2; i < NGX_PAYGW_FORM_MAX_FIELDS; i++) {
        if (ngx_paygw_form_add(&form, "c", &value) != NGX_OK) {
            break;
        }
    }

    is_int(i, NGX_PAYGW_FORM_MAX_FIELDS, "form, so many");
    is_int(ngx_paygw_form_add(&form, "c", &value), NGX_DECLINED,
           "form, and no more");

    harness_conf_free(cf);
}


/* its fields are found at any time, in any order */

static void
test_form_made(ngx_conf_t *cf)
{
    char              *err;
    ngx_str_t          value, text;
    ngx_paygw_form_t   form;

    static const char  *skip[] = { "m", NULL };

    /* as memory may be that was something else */

    memset(&form, 0xff, sizeof(form));

    is_int(ngx_paygw_form_new(cf->pool, &form), NGX_OK, "form, made");
    ok(ngx_paygw_form_get(&form, "z") == NULL, "form, made: none");

    ngx_str_set(&value, "1");
    is_int(ngx_paygw_form_add(&form, "z", &value), NGX_OK, "form, add");
    ngx_str_set(&value, "2");
    is_int(ngx_paygw_form_add(&form, "m", &value), NGX_OK, "form, add");

    is_str(ngx_paygw_form_get(&form, "z"), "1", "form, made: first");
    is_str(ngx_paygw_form_get(&form, "m"), "2", "form, made: last");
    ok(ngx_paygw_form_get(&form, "a") == NULL, "form, made: absent");
    is_int(ngx_paygw_form_canonical(cf->pool, &form, skip, 0, &text), NGX_OK,
           "form, made: canonical");
    is_str(&text, "z=1", "form, made: one is left out");

    is_int(ngx_paygw_form_sort(&form, &err), NGX_OK, "form, sorted");
    ngx_str_set(&value, "3");
    is_int(ngx_paygw_form_add(&form, "a", &value), NGX_OK, "form, add");

    is_str(ngx_paygw_form_get(&form, "a"), "3", "form, behind the sorted");
    is_str(ngx_paygw_form_get(&form, "m"), "2", "form, among the sorted");
    is_str(ngx_paygw_form_get(&form, "z"), "1", "form, among the sorted");
    is_int(ngx_paygw_form_sort(&form, &err), NGX_OK, "form, sorted again");
    is_str(ngx_paygw_form_get(&form, "a"), "3", "form, sorted again");
}
