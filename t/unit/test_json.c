
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_json.h"


static void test_json_tree(void);
static void test_json_accepted(void);
static void test_json_refused(void);
static void test_json_limits(void);
static void test_json_types(void);
static void test_json_writer(void);
static void test_json_spelling(void);
static ngx_int_t test_json_parse(ngx_conf_t *cf, ngx_str_t text,
    ngx_paygw_json_t **root, char **err);
static ngx_str_t test_json_repeat(ngx_conf_t *cf, const char *before,
    const char *part, size_t n, const char *after);


void
test_json(void)
{
    test_json_tree();
    test_json_accepted();
    test_json_refused();
    test_json_limits();
    test_json_types();
    test_json_writer();
    test_json_spelling();
}


static void
test_json_tree(void)
{
    char              *err;
    ngx_str_t          text;
    ngx_conf_t        *cf;
    ngx_paygw_json_t  *root, *node;

    cf = harness_conf();

    text = harness_str(cf->pool, "{\"a\":\"x\",\"b\":[1,-2.50e3,true,false,"
                       "null],\"c\\u0064\":\"\\u652f\\/\\n\\ud83d\\ude00\","
                       "\"o\":{\"a\":{}}}");

    is_int(ngx_paygw_json_parse(cf->pool, &text, &root, &err), NGX_OK,
           "JSON");

    node = ngx_paygw_json_get(root, "a");
    is_str(&node->value, "x", "JSON, string");
    ok(node->value.data > text.data
       && node->value.data < text.data + text.len,
       "JSON, a string without escapes is not copied");

    node = ngx_paygw_json_get(root, "cd");
    ok(node != NULL, "JSON, a key is decoded");
    is_str(&node->value, "\xe6\x94\xaf/\n\xf0\x9f\x98\x80", "JSON, escapes");

    node = ngx_paygw_json_get(root, "b")->child;
    is_int(node->type, NGX_PAYGW_JSON_NUMBER, "JSON, number");
    is_str(&node->value, "1", "JSON, number");
    is_int(node->key.len, 0, "JSON, no key in an array");
    is_str(&node->next->value, "-2.50e3", "JSON, a number is text");
    is_int(node->next->next->type, NGX_PAYGW_JSON_BOOL, "JSON, boolean");
    is_str(&node->next->next->value, "true", "JSON, true");
    node = node->next->next->next;
    is_str(&node->value, "false", "JSON, false");
    is_int(node->next->type, NGX_PAYGW_JSON_NULL, "JSON, null");
    ok(node->next->next == NULL, "JSON, end of an array");

    node = ngx_paygw_json_get(ngx_paygw_json_get(root, "o"), "a");
    is_int(node->type, NGX_PAYGW_JSON_OBJECT,
           "JSON, the same key in another object");
    ok(node->child == NULL, "JSON, empty object");
    ok(ngx_paygw_json_get(ngx_paygw_json_get(root, "b"), "a") == NULL
       && ngx_paygw_json_get(NULL, "a") == NULL
       && ngx_paygw_json_get(root, "zz") == NULL,
       "JSON, no member");

    harness_conf_free(cf);
}


static void
test_json_accepted(void)
{
    char              *err;
    size_t             i;
    ngx_conf_t        *cf;
    ngx_paygw_json_t  *root;

    static ngx_str_t  t[] = {
        T("{}"), T("[]"), T("0"), T("-0"), T("12"), T("\"\""), T("\"a\""),
        T("null"), T("1"), T(" 12 "), T("true"), T(" \t\r\n{ } \n"),
        T("{\"\":1}"),
        T("{\"a\":1,\"b\":1,\"A\":1}"), T("[{\"a\":1},{\"a\":1}]"),
        T("\"\\u0001\\\\u0000\""), T("\"\\ud83d\\ude00\""), T("\"?\""),
        T("\"\x7f\"")
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        ok(test_json_parse(cf, t[i], &root, &err) == NGX_OK,
           "JSON %lu is accepted", (unsigned long) i);
    }

    (void) test_json_parse(cf, t[4], &root, &err);
    is_str(&root->value, "12", "JSON, a number at the very end");

    harness_conf_free(cf);
}


static void
test_json_refused(void)
{
    char              *err;
    size_t             i;
    ngx_int_t          rc;
    ngx_conf_t        *cf;
    ngx_paygw_json_t  *root;

    static const struct {
        ngx_str_t    text;
        const char  *err;
    } t[] = {
        { T(""), "invalid JSON" },
        { T(" "), "invalid JSON" },
        { T("{\"a\":\v1}"), "invalid JSON" },
        { T("{\f\"a\":1}"), "invalid JSON" },
        { T("{"), "invalid JSON" },
        { T("{\"a\""), "invalid JSON" },
        { T("{\"a\":"), "invalid JSON" },
        { T("{\"a\":1"), "invalid JSON" },
        { T("{\"a\":1,}"), "invalid JSON" },
        { T("{a:1}"), "invalid JSON" },
        { T("{'a':1}"), "invalid JSON" },
        { T("[1,]"), "invalid JSON" },
        { T("\"a"), "invalid JSON" },
        { T("\"a\\"), "invalid JSON" },
        { T("\"\\x\""), "invalid JSON" },
        { T("\"\\u12\""), "invalid JSON" },
        { T("\"\\u12g4\""), "invalid JSON" },
        { T("\"\\u"), "invalid JSON" },
        { T("01"), "invalid JSON" },
        { T("+1"), "invalid JSON" },
        { T("1."), "invalid JSON" },
        { T(".1"), "invalid JSON" },
        { T("1e"), "invalid JSON" },
        { T("-"), "invalid JSON" },
        { T("NaN"), "invalid JSON" },
        { T("nul"), "invalid JSON" },
        { T("/* */ 1"), "invalid JSON" },
        { T("{} // x"), "invalid JSON" },
        { T("\xef\xbb\xbf{}"), "invalid JSON" },

        { T("{}{}"), "invalid JSON" },            /* bytes behind it */
        { T("{}x"), "invalid JSON" },
        { T("{}\""), "invalid JSON" },
        { T("{}\"}"), "invalid JSON" },
        { T("{} \"a"), "invalid JSON" },
        { T("{}1"), "invalid JSON" },
        { T("{}-"), "invalid JSON" },
        { T("{} nul"), "invalid JSON" },
        { T("[]t"), "invalid JSON" },
        { T("1\""), "invalid JSON" },
        { T("\"a\"\""), "invalid JSON" },
        { T("true1"), "invalid JSON" },
        { T("{} ,"), "invalid JSON" },
        { T("1 2"), "invalid JSON" },
        { T("{}\0"), "invalid JSON" },

        { T("\"a\0b\""), "invalid JSON" },        /* NUL */
        { T("\"a\nb\""), "invalid JSON" },
        { T("\"a\\u0000b\""), "NUL in a string" },
        { T("{\"a\\u0000b\":1}"), "NUL in a string" },
        { T("{\"a\":1,\"a\\u0000\":2}"), "NUL in a string" },

        { T("\"\\ud83d\""), "unpaired surrogate" },
        { T("\"\\ude00\""), "unpaired surrogate" },
        { T("\"\\ud83dx\\ude00\""), "unpaired surrogate" },
        { T("\"\\ud83d\\u0041\""), "unpaired surrogate" },
        { T("\"\\ud83d\\ud83d\""), "unpaired surrogate" },

        { T("\"\xc3\""), "invalid UTF-8" },
        { T("\"\xc0\x80\""), "invalid UTF-8" },
        { T("\"\xed\xa0\x80\""), "invalid UTF-8" },
        { T("\"\xd6\xa7\xb8\xb6\""), "invalid UTF-8" },
        { T("{\"\xff\":1}"), "invalid UTF-8" },

        { T("{\"a\":1,\"a\":1}"), "duplicate key" },
        { T("{\"a\":1,\"b\":2,\"c\":3,\"a\":4}"), "duplicate key" },
        { T("{\"\":1,\"\":2}"), "duplicate key" },
        { T("{\"a\":1,\"\\u0061\":2}"), "duplicate key" },
        { T("{\"x\":{\"a\":1,\"a\":2}}"), "duplicate key" },
        { T("[[{\"x\":[{\"a\":1,\"a\":2}]}]]"), "duplicate key" },
        { T("{\"a\":{},\"b\":{\"c\":[]},\"a\":1}"), "duplicate key" }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        err = NULL;
        rc = test_json_parse(cf, t[i].text, &root, &err);

        ok(rc == NGX_ABORT && err && strcmp(err, t[i].err) == 0,
           "JSON %lu is refused: %s", (unsigned long) i, t[i].err);
    }

    harness_conf_free(cf);
}


static void
test_json_limits(void)
{
    size_t             i;
    u_char            *p;
    char              *err;
    ngx_str_t          text;
    ngx_conf_t        *cf;
    ngx_paygw_json_t  *root;

    cf = harness_conf();

    for (i = 0; i < 2; i++) {
        text.len = 2 * (NGX_PAYGW_JSON_MAX_DEPTH + i);
        text.data = ngx_pnalloc(cf->pool, text.len);
        memset(text.data, '[', text.len / 2);
        memset(text.data + text.len / 2, ']', text.len / 2);

        is_int(ngx_paygw_json_parse(cf->pool, &text, &root, &err),
               i == 0 ? NGX_OK : NGX_ABORT, "JSON, as deep as may be");
    }

    ok(strcmp(err, "too deep") == 0, "JSON, one deeper");

    /* the array itself is a value too */

    text = test_json_repeat(cf, "[", "1,", NGX_PAYGW_JSON_MAX_NODES - 2,
                            "1]");
    is_int(ngx_paygw_json_parse(cf->pool, &text, &root, &err), NGX_OK,
           "JSON, as many values as may be");

    text = test_json_repeat(cf, "[", "1,", NGX_PAYGW_JSON_MAX_NODES - 1,
                            "1]");
    is_int(ngx_paygw_json_parse(cf->pool, &text, &root, &err), NGX_ABORT,
           "JSON, one value more");
    ok(strcmp(err, "too many values") == 0, "JSON, too many values");

    for (i = 0; i < 2; i++) {
        size_t  n;

        text.data = ngx_pnalloc(cf->pool, 16 * NGX_PAYGW_JSON_MAX_MEMBERS);
        p = text.data;
        *p++ = '{';

        for (n = 0; n < NGX_PAYGW_JSON_MAX_MEMBERS + i; n++) {
            p = ngx_sprintf(p, "%s\"k%uz\":0", n ? "," : "", n);
        }

        *p++ = '}';
        text.len = p - text.data;

        is_int(ngx_paygw_json_parse(cf->pool, &text, &root, &err),
               i == 0 ? NGX_OK : NGX_ABORT,
               "JSON, as many members as may be");
    }

    ok(strcmp(err, "too many members") == 0, "JSON, one member more");

    harness_conf_free(cf);
}


static void
test_json_types(void)
{
    char              *err;
    size_t             i;
    int64_t            n;
    ngx_int_t          rc;
    ngx_str_t          text, value;
    ngx_conf_t        *cf;
    ngx_paygw_json_t  *root;

    static const struct {
        const char  *value;
        ngx_int_t    string;     /* of ngx_paygw_json_get_string() */
        ngx_int_t    integer;
        int64_t      n;
    } t[] = {
        { "\"x\"", NGX_OK, NGX_ABORT, -1 },
        { "\"1\"", NGX_OK, NGX_ABORT, -1 },
        { "null", NGX_DECLINED, NGX_DECLINED, -1 },
        { "true", NGX_ABORT, NGX_ABORT, -1 },
        { "[]", NGX_ABORT, NGX_ABORT, -1 },
        { "{}", NGX_ABORT, NGX_ABORT, -1 },
        { "0", NGX_ABORT, NGX_OK, 0 },
        { "100", NGX_ABORT, NGX_OK, 100 },
        { "9007199254740991", NGX_ABORT, NGX_OK, 9007199254740991 },
        { "9007199254740992", NGX_ABORT, NGX_ABORT, -1 },
        { "99999999999999999999999999999", NGX_ABORT, NGX_ABORT, -1 },
        { "18446744073709551617", NGX_ABORT, NGX_ABORT, -1 },
        { "-1", NGX_ABORT, NGX_ABORT, -1 },
        { "-0", NGX_ABORT, NGX_ABORT, -1 },
        { "1.0", NGX_ABORT, NGX_ABORT, -1 },
        { "1e2", NGX_ABORT, NGX_ABORT, -1 }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        text.data = ngx_pnalloc(cf->pool, 64);
        text.len = ngx_sprintf(text.data, "{\"v\":%s}", t[i].value)
                   - text.data;

        if (ngx_paygw_json_parse(cf->pool, &text, &root, &err) != NGX_OK) {
            ok(0, "JSON %s", t[i].value);
            continue;
        }

        rc = ngx_paygw_json_get_string(root, "v", &value);
        ok(rc == t[i].string && (rc == NGX_OK) == (value.len != 0),
           "JSON, string %s", t[i].value);

        n = -1;
        rc = ngx_paygw_json_get_integer(root, "v", &n);
        ok(rc == t[i].integer && n == t[i].n, "JSON, integer %s",
           t[i].value);

        is_int(ngx_paygw_json_get_string(root, "w", &value), NGX_DECLINED,
               "JSON, absent");
        is_int(ngx_paygw_json_get_integer(root, "w", &n), NGX_DECLINED,
               "JSON, absent");
    }

    harness_conf_free(cf);
}


/* every byte is read back as it was written */

static void
test_json_writer(void)
{
    int                i, k, len, same;
    char              *err;
    u_char            *p;
    ngx_str_t          s, text;
    ngx_conf_t        *cf;
    ngx_paygw_json_t  *root;

    cf = harness_conf();

    s = harness_str(cf->pool, "\"\\/\b\f\n\r\t\x01\x1f\x7f \xe6\x94\xaf</");

    text.len = ngx_paygw_json_string_len(&s);
    text.data = ngx_pnalloc(cf->pool, text.len);
    p = ngx_paygw_json_write_string(text.data, &s, text.len);

    is_int(p - text.data, text.len, "JSON writer, the length is exact");
    is_str(&text, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001F\\u007F "
           "\xe6\x94\xaf</\"", "JSON writer");

    same = 1;

    /* it reads by several bytes at a time: each byte at each place */

    s.data = ngx_pnalloc(cf->pool, 35);

    for (i = 1; i < 128; i++) {

        /* of many lengths only those that are written in some special way */

        len = (i < 3 || strchr("\x1f \"\\~\x7f", i)) ? 1 : 35;

        for (k = 0; len <= 35; k++) {

            if (k == len) {
                len++;
                k = -1;
                continue;
            }

            s.len = len;
            memset(s.data, '~', s.len);
            s.data[k] = (u_char) i;

            text.len = ngx_paygw_json_string_len(&s);
            text.data = ngx_pnalloc(cf->pool, text.len);
            p = ngx_paygw_json_write_string(text.data, &s, text.len);

            same &= (size_t) (p - text.data) == text.len
                    && ngx_paygw_json_parse(cf->pool, &text, &root, &err)
                       == NGX_OK
                    && root->value.len == s.len
                    && memcmp(root->value.data, s.data, s.len) == 0;
        }
    }

    ok(same, "JSON writer, what it writes is read back");

    harness_conf_free(cf);
}


static void
test_json_spelling(void)
{
    ngx_str_t    text, out;
    ngx_uint_t   i, found;
    ngx_conf_t  *cf;

    static const struct {
        const char  *text;
        ngx_uint_t   what;
        const char  *out;
        ngx_uint_t   found;
    } cases[] = {
        { "", 7, "", 0 },
        { " {\n\t\"a b\" : \" c \\\" \" ,\r\n\"d\": [ 1, 2 ]\n}\n", 1,
          "{\"a b\":\" c \\\" \",\"d\":[1,2]}", 1 },
        { "\"a\\/b\\\\/\\/\"", 2, "\"a/b\\\\//\"", 2 },
        { "\"\\u652f\\u00E9\\u07ff\\uffff\"", 4,
          "\"\xe6\x94\xaf\xc3\xa9\xdf\xbf\xef\xbf\xbf\"", 4 },
        { "\"\\ud83d\\ude00\\uDBFF\\uDFFF\"", 4,
          "\"\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"", 4 },
        /* what is no character stays as it is */
        { "\"\\ude00\\ud83d\\ud83d\\u0041\\ud83dx\\u12g4\"", 7,
          "\"\\ude00\\ud83d\\ud83d\\u0041\\ud83dx\\u12g4\"", 0 },
        { "\"\\u0041\\u007f\\n\"", 7, "\"\\u0041\\u007f\\n\"", 0 },
        { " \"\\u652f\\/\"", 0, " \"\\u652f\\/\"", 0 },
        { " \"\\u652f\\/\"", 7, "\"\xe6\x94\xaf/\"", 7 },
        /* not JSON: cut anywhere */
        { "\"\\", 7, "\"\\", 0 },
        { "\"\\u12", 7, "\"\\u12", 0 },
        { "\"\\ud83d\\ude0", 7, "\"\\ud83d\\ude0", 0 },
        { "\\/ x", 7, "\\/x", 1 },
        { NULL, 0, NULL, 0 }
    };

    cf = harness_conf();

    for (i = 0; cases[i].text; i++) {
        text = harness_str(cf->pool, cases[i].text);

        is_int(ngx_paygw_json_respell(cf->pool, &text, cases[i].what, &out,
                                      &found), NGX_OK, "JSON spelling");
        is_str(&out, cases[i].out, "JSON spelling");
        is_int(found, cases[i].found, "JSON spelling, what was found");
        ok(out.len <= text.len, "JSON spelling, it is not longer");
    }

    harness_conf_free(cf);
}


static ngx_int_t
test_json_parse(ngx_conf_t *cf, ngx_str_t text, ngx_paygw_json_t **root,
    char **err)
{
    ngx_str_t  copy;

    copy.len = text.len;
    copy.data = ngx_pnalloc(cf->pool, text.len);

    if (text.len) {
        memcpy(copy.data, text.data, text.len);
    }

    return ngx_paygw_json_parse(cf->pool, &copy, root, err);
}


static ngx_str_t
test_json_repeat(ngx_conf_t *cf, const char *before, const char *part,
    size_t n, const char *after)
{
    u_char     *p;
    ngx_str_t   text;

    text.data = ngx_pnalloc(cf->pool, strlen(before) + n * strlen(part)
                            + strlen(after));

    p = ngx_cpymem(text.data, before, strlen(before));

    while (n--) {
        p = ngx_cpymem(p, part, strlen(part));
    }

    p = ngx_cpymem(p, after, strlen(after));
    text.len = p - text.data;

    return text;
}
