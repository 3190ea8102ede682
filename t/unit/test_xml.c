
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_xml.h"


static void test_xml_refused(void);
static void test_xml_limits(void);
static void test_xml_write(void);
static ngx_int_t test_xml_parse(ngx_conf_t *cf, ngx_str_t text,
    ngx_paygw_form_t *form, char **err);


void
test_xml(void)
{
    char              *err;
    ngx_str_t          text;
    ngx_conf_t        *cf;
    ngx_paygw_form_t   form;

    cf = harness_conf();

    ngx_str_set(&text,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<xml>\n"
                " <b><![CDATA[ 1 ]]></b>\t<a>&lt;&#x652f;&#38;]]&gt;</a>"
                "<A/><c></c><d>x<![CDATA[<y>]]>z</d>"
                "<e>a]]&gt;<![CDATA[]]]]><![CDATA[>]]></e></xml>\n");

    is_int(test_xml_parse(cf, text, &form, &err), NGX_OK, "xml");
    is_int(form.nfields, 6, "xml, fields");
    is_str(&form.fields[0].name, "A", "xml, sorted by bytes");
    is_str(&form.fields[1].name, "a", "xml, sorted by bytes");
    is_str(ngx_paygw_form_get(&form, "b"), " 1 ", "xml, not trimmed");
    is_str(ngx_paygw_form_get(&form, "a"), "<\xe6\x94\xaf&]]>",
           "xml, references");
    is_str(ngx_paygw_form_get(&form, "A"), "", "xml, an empty element");
    is_str(ngx_paygw_form_get(&form, "c"), "", "xml, an empty text");
    is_str(ngx_paygw_form_get(&form, "d"), "x<y>z", "xml, text and CDATA");
    is_str(ngx_paygw_form_get(&form, "e"), "a]]>]]>", "xml, CDATA split");

    ngx_str_set(&text, "<xml/>");

    is_int(test_xml_parse(cf, text, &form, &err), NGX_OK, "xml, no child");
    is_int(form.nfields, 0, "xml, no child");
    ok(ngx_paygw_form_get(&form, "a") == NULL, "xml, no child to find");

    ngx_str_set(&text, "\xef\xbb\xbf<xml><a>1\r\n2&#13;</a></xml>");

    is_int(test_xml_parse(cf, text, &form, &err), NGX_OK,
           "xml, byte order mark of UTF-8");
    is_str(ngx_paygw_form_get(&form, "a"), "1\n2\r",
           "xml, ends of lines as the standard has it");

    ngx_str_set(&text, "<?xml version='1.0' encoding='utf-8' "
                "standalone='yes'?><xml><\xe6\x94\xaf>1</\xe6\x94\xaf></xml>");

    is_int(test_xml_parse(cf, text, &form, &err), NGX_OK, "xml, other names");
    is_str(&form.fields[0].name, "\xe6\x94\xaf", "xml, other names");

    harness_conf_free(cf);

    test_xml_refused();
    test_xml_limits();
    test_xml_write();
}


static void
test_xml_refused(void)
{
    char              *err;
    size_t             i;
    ngx_int_t          rc;
    ngx_conf_t        *cf;
    ngx_paygw_form_t   form;

    static const struct {
        ngx_str_t    text;
        const char  *err;
    } t[] = {
        { T(""), "empty body" },
        { T(" "), "invalid XML" },
        { T("x"), "invalid XML" },
        { T("<xml>"), "invalid XML" },
        { T("<xml></xm>"), "invalid XML" },
        { T("<xml><a></xml>"), "invalid XML" },
        { T("<xml><a></b></xml>"), "invalid XML" },
        { T("<xml></xml><xml></xml>"), "invalid XML" },
        { T("<xml></xml>x"), "invalid XML" },
        { T("x<xml></xml>"), "invalid XML" },
        { T("<xml></xml>&#32;"), "invalid XML" },
        { T("<xml><a>&#0;</a></xml>"), "invalid XML" },
        { T("<xml><a>&#1;</a></xml>"), "invalid XML" },
        { T("<xml><a>&#xd800;</a></xml>"), "invalid XML" },
        { T("<xml><a>&#x110000;</a></xml>"), "invalid XML" },
        { T("<xml><a>\1</a></xml>"), "invalid XML" },
        { T("<xml><a>]]></a></xml>"), "invalid XML" },
        { T("<xml><a><![CDATA[</a></xml>"), "invalid XML" },
        { T("<xml><a>&amp</a></xml>"), "invalid XML" },
        { T("<xml><a>&x;</a></xml>"), "invalid XML" },
        { T("<xml><1/></xml>"), "invalid XML" },
        { T("<xml><a&b/></xml>"), "invalid XML" },
        { T(" <?xml version=\"1.0\"?><xml/>"), "invalid XML" },
        { T("<xml>\xff</xml>"), "invalid UTF-8" },
        { T("<xml>\xc0\xbc</xml>"), "invalid UTF-8" },
        { T("<xml>\xed\xa0\x80</xml>"), "invalid UTF-8" },
        { T("<xml>\0</xml>"), "invalid UTF-8" },
        { T("\xfe\xff\0<\0x\0/\0>"), "invalid UTF-8" },
        { T("\xff\xfe<\0x\0m\0l\0/\0>\0"), "invalid UTF-8" },
        { T("<\0x\0m\0l\0/\0>\0"), "invalid UTF-8" },
        { T("<XML/>"), "unexpected root element" },
        { T("<xmlx/>"), "unexpected root element" },
        { T("<xm/>"), "unexpected root element" },
        { T("<root><a/></root>"), "unexpected root element" },
        { T("<x:xml/>"), "unexpected root element" },
        { T("<xml><a><b/></a></xml>"), "nested element" },
        { T("<xml><a>1<b>2</b></a></xml>"), "nested element" },
        { T("<xml a=\"1\"/>"), "element with attributes" },
        { T("<xml xmlns=\"u\"/>"), "element with attributes" },
        { T("<xml><a b='1'/></xml>"), "element with attributes" },
        { T("<xml><a:b/></xml>"), "element with a prefix" },
        { T("<xml>x<a/></xml>"), "text beside the elements" },
        { T("<xml><a/>x</xml>"), "text beside the elements" },
        { T("<xml><![CDATA[x]]></xml>"), "text beside the elements" },
        { T("<xml>&#160;</xml>"), "text beside the elements" },
        { T("<xml><!-- x --></xml>"), "comment" },
        { T("<!-- x --><xml/>"), "comment" },
        { T("<xml/><!-- x -->"), "comment" },
        { T("<xml><a>1<!-- -->2</a></xml>"), "comment" },
        { T("<?x y?><xml/>"), "processing instruction" },
        { T("<xml><a><?x y?></a></xml>"), "processing instruction" },
        { T("<xml/><?x?>"), "processing instruction" },
        { T("<xml><a/><a/></xml>"), "duplicate field" },
        { T("<xml><a>1</a><b/><c/><a>1</a></xml>"), "duplicate field" },
        { T("<!DOCTYPE xml><xml/>"), "document type declaration" },
        { T("<!DOCTYPE xml []><xml/>"), "document type declaration" },
        { T("<!DOCTYPE xml SYSTEM \"x\"><xml/>"),
          "document type declaration" },
        { T("<!DOCTYPE xml [<!ENTITY a \"b\">]><xml><c>&a;</c></xml>"),
          "document type declaration" },
        { T("<!DOCTYPE xml [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>"
            "<xml><c>&a;</c></xml>"), "document type declaration" },
        { T("<!DOCTYPE xml [<!ENTITY % a SYSTEM \"u\"> %a;]><xml/>"),
          "document type declaration" },
        { T("<?xml version=\"1.1\"?><xml/>"), "unknown version of XML" },
        { T("<?xml version=\"1.0\" encoding=\"GBK\"?><xml/>"),
          "encoding is not UTF-8" },
        { T("<?xml version=\"1.0\" encoding=\"UTF-16\"?><xml/>"),
          "encoding is not UTF-8" }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        err = NULL;
        rc = test_xml_parse(cf, t[i].text, &form, &err);

        ok(rc == NGX_ABORT && err && strcmp(err, t[i].err) == 0,
           "xml %lu is refused: %s, %s", (unsigned long) i, t[i].err,
           err ? err : "(taken)");
    }

    harness_conf_free(cf);
}


static void
test_xml_limits(void)
{
    char              *err;
    size_t             i;
    u_char            *buf, *p;
    ngx_str_t          text;
    ngx_conf_t        *cf;
    ngx_paygw_form_t   form;

    cf = harness_conf();

    buf = malloc(NGX_PAYGW_XML_MAX_LEN + 1);
    p = ngx_sprintf(buf, "<xml>");

    for (i = 0; i < NGX_PAYGW_FORM_MAX_FIELDS; i++) {
        p = ngx_sprintf(p, "<f%uz>%uz</f%uz>", i, i, i);
    }

    text.data = buf;
    text.len = ngx_sprintf(p, "</xml>") - buf;

    is_int(test_xml_parse(cf, text, &form, &err), NGX_OK,
           "xml, as many fields as may be");
    is_int(form.nfields, NGX_PAYGW_FORM_MAX_FIELDS, "xml, all of them");
    is_str(ngx_paygw_form_get(&form, "f0"), "0", "xml, the first");
    is_str(ngx_paygw_form_get(&form, "f127"), "127", "xml, the last");

    text.len = ngx_sprintf(p, "<x/></xml>") - buf;

    is_int(test_xml_parse(cf, text, &form, &err), NGX_ABORT,
           "xml, one field more");
    ok(strcmp(err, "too many fields") == 0, "xml, too many fields");

    p = ngx_sprintf(buf, "<xml><a>");
    ngx_memset(p, 'x', NGX_PAYGW_XML_MAX_LEN + 1 - (p - buf));
    ngx_sprintf(buf + NGX_PAYGW_XML_MAX_LEN - 10, "</a></xml>");

    text.len = NGX_PAYGW_XML_MAX_LEN;

    is_int(test_xml_parse(cf, text, &form, &err), NGX_OK,
           "xml, as long as it may be");
    is_int(form.fields[0].value.len, NGX_PAYGW_XML_MAX_LEN - 18,
           "xml, a long value in one piece");

    text.len++;

    is_int(test_xml_parse(cf, text, &form, &err), NGX_ABORT,
           "xml, one byte more");
    ok(strcmp(err, "too long") == 0, "xml, too long");

    free(buf);
    harness_conf_free(cf);
}


/* in memory of its own, so that the sanitizers see what is read beyond it */

static ngx_int_t
test_xml_parse(ngx_conf_t *cf, ngx_str_t text, ngx_paygw_form_t *form,
    char **err)
{
    ngx_str_t  copy;

    copy.len = text.len;
    copy.data = ngx_pnalloc(cf->pool, text.len);

    if (text.len) {
        memcpy(copy.data, text.data, text.len);
    }

    return ngx_paygw_xml_parse(cf->pool, &copy, "xml", form, err);
}


/* what is written is read again as it was, whatever the values hold */

static void
test_xml_write(void)
{
    char              *err;
    size_t             i;
    ngx_str_t          out, value;
    ngx_conf_t        *cf;
    ngx_paygw_form_t   form;

    static const struct {
        ngx_str_t    value;
        const char  *want;
    } t[] = {
        { T("1"), "<x><a><![CDATA[1]]></a></x>" },
        { T("<b> & \"'"), "<x><a><![CDATA[<b> & \"']]></a></x>" },
        { T("]]"), "<x><a><![CDATA[]]]]></a></x>" },
        { T("]]>"), "<x><a>]]&gt;</a></x>" },
        { T("a]]>b<&"), "<x><a>a]]&gt;b&lt;&amp;</a></x>" },
        { T("\r"), "<x><a>&#13;</a></x>" },
        { T("a\r\nb"), "<x><a>a&#13;\nb</a></x>" },
        { T("\xe6\x94\xaf\n"), "<x><a><![CDATA[\xe6\x94\xaf\n]]></a></x>" },
        { T(""), "<x></x>" }
    };

    cf = harness_conf();

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        value = t[i].value;

        is_int(ngx_paygw_form_new(cf->pool, &form), NGX_OK, "xml, new");
        is_int(ngx_paygw_form_add(&form, "a", &value), NGX_OK, "xml, add");
        is_int(ngx_paygw_xml_write(cf->pool, "x", &form, &out), NGX_OK,
               "xml, write");
        is_str(&out, t[i].want, "xml, written");

        is_int(ngx_paygw_xml_parse(cf->pool, &out, "x", &form, &err), NGX_OK,
               "xml, read again");

        if (value.len) {
            ok(form.nfields == 1 && form.fields[0].value.len == value.len
               && memcmp(form.fields[0].value.data, value.data, value.len)
                  == 0,
               t[i].want);
        }
    }

    harness_conf_free(cf);
}
