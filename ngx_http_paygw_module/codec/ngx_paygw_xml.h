
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_XML_H_INCLUDED_
#define _NGX_PAYGW_XML_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_form.h"


/*
 * A strict reader of flat XML on expat: one root whose children hold text
 * only, as WeChat Pay v2 and its relatives send it.
 *
 * Refused: a document type declaration of any kind (so no entity but the five
 * built-in ones and character references), processing instructions, comments
 * (parsers disagree about the text around one), attributes, namespaces' colons,
 * an element below a child, text beside the children but white space, a name
 * that occurs twice, anything after the root, another version than 1.0, another
 * encoding than UTF-8, whether it is declared or not, a text longer than
 * NGX_PAYGW_XML_MAX_LEN, more than NGX_PAYGW_FORM_MAX_FIELDS children.
 *
 * The parser of expat lives for one call, in the C library's memory: expat
 * gives its allocator no context, so that a pool could not be found.
 */


#define NGX_PAYGW_XML_MAX_LEN  (1024 * 1024)


/*
 * Parses a whole document.  The children become fields in ascending byte order
 * of name, as a form's do, so that the functions on a form serve for both;
 * CDATA sections and text are joined, nothing is trimmed.  root is the name of
 * the root that is expected.  The result lives in pool.
 *
 * Returns NGX_OK; NGX_ABORT with *err set to a constant phrase; NGX_ERROR if
 * memory is short.
 */
ngx_int_t ngx_paygw_xml_parse(ngx_pool_t *pool, ngx_str_t *text,
    const char *root, ngx_paygw_form_t *form, char **err);

/*
 * The other way: a document of the fields that are not empty.  Names must be
 * those of elements, values of characters that XML has.  Returns NGX_OK or
 * NGX_ERROR; out lives in pool.
 */
ngx_int_t ngx_paygw_xml_write(ngx_pool_t *pool, const char *root,
    ngx_paygw_form_t *form, ngx_str_t *out);


#endif /* _NGX_PAYGW_XML_H_INCLUDED_ */
