
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_xml.h"
#include "ngx_paygw_text.h"

#include <expat.h>


/* below the root are its children, below them text only */
#define NGX_PAYGW_XML_ROOT   1
#define NGX_PAYGW_XML_CHILD  2


typedef struct {
    XML_Parser               parser;
    const char              *root;
    ngx_uint_t               depth;
    ngx_array_t              fields;       /* of ngx_paygw_field_t */
    ngx_paygw_field_t       *field;        /* the child that is open */
    u_char                  *dst;          /* where the next byte goes */
    char                    *err;
    unsigned                 nomem:1;
} ngx_paygw_xml_ctx_t;


static ngx_int_t ngx_paygw_xml_run(ngx_paygw_xml_ctx_t *ctx,
    ngx_str_t *text);
static void ngx_paygw_xml_handlers(ngx_paygw_xml_ctx_t *ctx);
static void XMLCALL ngx_paygw_xml_start(void *data, const XML_Char *name,
    const XML_Char **atts);
static void XMLCALL ngx_paygw_xml_end(void *data, const XML_Char *name);
static void XMLCALL ngx_paygw_xml_text(void *data, const XML_Char *s,
    int len);
static void XMLCALL ngx_paygw_xml_decl(void *data, const XML_Char *version,
    const XML_Char *encoding, int standalone);
static void XMLCALL ngx_paygw_xml_doctype(void *data, const XML_Char *name,
    const XML_Char *sysid, const XML_Char *pubid, int subset);
static void XMLCALL ngx_paygw_xml_entity(void *data, const XML_Char *name,
    int is_parameter, const XML_Char *value, int value_len,
    const XML_Char *base, const XML_Char *sysid, const XML_Char *pubid,
    const XML_Char *notation);
static int XMLCALL ngx_paygw_xml_external(XML_Parser parser,
    const XML_Char *context, const XML_Char *base, const XML_Char *sysid,
    const XML_Char *pubid);
static void XMLCALL ngx_paygw_xml_skipped(void *data, const XML_Char *name,
    int is_parameter);
static void XMLCALL ngx_paygw_xml_instruction(void *data,
    const XML_Char *target, const XML_Char *text);
static void XMLCALL ngx_paygw_xml_comment(void *data, const XML_Char *text);
static void ngx_paygw_xml_field(ngx_paygw_xml_ctx_t *ctx,
    const XML_Char *name);
static void ngx_paygw_xml_refuse(ngx_paygw_xml_ctx_t *ctx, char *err);


ngx_int_t
ngx_paygw_xml_parse(ngx_pool_t *pool, ngx_str_t *text, const char *root,
    ngx_paygw_form_t *form, char **err)
{
    ngx_int_t            rc;
    ngx_paygw_xml_ctx_t  ctx;

    form->fields = NULL;
    form->nfields = 0;
    form->sorted = 0;

    if (text->len == 0) {
        *err = "empty body";
        return NGX_ABORT;
    }

    if (text->len > NGX_PAYGW_XML_MAX_LEN) {
        *err = "too long";
        return NGX_ABORT;
    }

    /* a byte order mark would turn expat to UTF-16, whatever it was told */

    if (!ngx_paygw_utf8_valid(text)
        || ngx_strlchr(text->data, text->data + text->len, '\0'))
    {
        *err = "invalid UTF-8";
        return NGX_ABORT;
    }

    ngx_memzero(&ctx, sizeof(ngx_paygw_xml_ctx_t));

    ctx.root = root;

    /* no reference is shorter than what it stands for: this holds all */

    ctx.dst = ngx_pnalloc(pool, text->len);

    if (ctx.dst == NULL
        || ngx_array_init(&ctx.fields, pool, 32, sizeof(ngx_paygw_field_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_paygw_xml_run(&ctx, text);

    if (rc != NGX_OK) {
        *err = ctx.err;
        return rc;
    }

    form->fields = ctx.fields.elts;
    form->nfields = ctx.fields.nelts;

    return ngx_paygw_form_sort(form, err);
}


static ngx_int_t
ngx_paygw_xml_run(ngx_paygw_xml_ctx_t *ctx, ngx_str_t *text)
{
    enum XML_Error   code;
    enum XML_Status  status;

    ctx->parser = XML_ParserCreate("UTF-8");
    if (ctx->parser == NULL) {
        return NGX_ERROR;
    }

    ngx_paygw_xml_handlers(ctx);

    status = XML_Parse(ctx->parser, (char *) text->data, (int) text->len, 1);
    code = XML_GetErrorCode(ctx->parser);

    XML_ParserFree(ctx->parser);

    if (ctx->nomem) {
        return NGX_ERROR;
    }

    if (ctx->err) {
        return NGX_ABORT;
    }

    if (status == XML_STATUS_OK) {
        return NGX_OK;
    }

    if (code == XML_ERROR_NO_MEMORY) {
        return NGX_ERROR;
    }

    ctx->err = "invalid XML";

    return NGX_ABORT;
}


static void
ngx_paygw_xml_handlers(ngx_paygw_xml_ctx_t *ctx)
{
    XML_Parser  parser;

    parser = ctx->parser;

    XML_SetUserData(parser, ctx);
    XML_SetElementHandler(parser, ngx_paygw_xml_start, ngx_paygw_xml_end);
    XML_SetCharacterDataHandler(parser, ngx_paygw_xml_text);
    XML_SetXmlDeclHandler(parser, ngx_paygw_xml_decl);

    /*
     * The first of these ends the parser before an entity is declared (named
     * mistakes of others: XXE, "billion laughs"); the others would only be met
     * without it.
     */

    XML_SetStartDoctypeDeclHandler(parser, ngx_paygw_xml_doctype);
    XML_SetEntityDeclHandler(parser, ngx_paygw_xml_entity);
    XML_SetExternalEntityRefHandler(parser, ngx_paygw_xml_external);
    XML_SetSkippedEntityHandler(parser, ngx_paygw_xml_skipped);
    (void) XML_SetParamEntityParsing(parser, XML_PARAM_ENTITY_PARSING_NEVER);

    XML_SetProcessingInstructionHandler(parser, ngx_paygw_xml_instruction);
    XML_SetCommentHandler(parser, ngx_paygw_xml_comment);
}


static void XMLCALL
ngx_paygw_xml_start(void *data, const XML_Char *name, const XML_Char **atts)
{
    ngx_paygw_xml_ctx_t  *ctx = data;

    ctx->depth++;

    if (ctx->depth > NGX_PAYGW_XML_CHILD) {
        ngx_paygw_xml_refuse(ctx, "nested element");
        return;
    }

    if (*atts) {
        ngx_paygw_xml_refuse(ctx, "element with attributes");
        return;
    }

    if (ctx->depth == NGX_PAYGW_XML_CHILD) {
        ngx_paygw_xml_field(ctx, name);
        return;
    }

    if (ngx_strcmp(name, ctx->root) != 0) {
        ngx_paygw_xml_refuse(ctx, "unexpected root element");
    }
}


static void XMLCALL
ngx_paygw_xml_end(void *data, const XML_Char *name)
{
    ngx_paygw_xml_ctx_t  *ctx = data;

    ctx->field = NULL;
    ctx->depth--;
}


static void XMLCALL
ngx_paygw_xml_text(void *data, const XML_Char *s, int len)
{
    ngx_paygw_xml_ctx_t  *ctx = data;

    int  i;

    /* expat may go on for a moment after it was stopped */

    if (ctx->err) {
        return;
    }

    if (ctx->field) {
        ctx->dst = ngx_cpymem(ctx->dst, s, len);
        ctx->field->value.len += len;
        return;
    }

    for (i = 0; i < len; i++) {
        if (s[i] != ' ' && s[i] != '\t' && s[i] != LF && s[i] != CR) {
            ngx_paygw_xml_refuse(ctx, "text beside the elements");
            return;
        }
    }
}


static void XMLCALL
ngx_paygw_xml_decl(void *data, const XML_Char *version,
    const XML_Char *encoding, int standalone)
{
    ngx_paygw_xml_ctx_t  *ctx = data;

    if (version == NULL || ngx_strcmp(version, "1.0") != 0) {
        ngx_paygw_xml_refuse(ctx, "unknown version of XML");
        return;
    }

    if (encoding
        && ngx_strcasecmp((u_char *) encoding, (u_char *) "utf-8") != 0)
    {
        ngx_paygw_xml_refuse(ctx, "encoding is not UTF-8");
    }
}


static void XMLCALL
ngx_paygw_xml_doctype(void *data, const XML_Char *name, const XML_Char *sysid,
    const XML_Char *pubid, int subset)
{
    ngx_paygw_xml_refuse(data, "document type declaration");
}


static void XMLCALL
ngx_paygw_xml_entity(void *data, const XML_Char *name, int is_parameter,
    const XML_Char *value, int value_len, const XML_Char *base,
    const XML_Char *sysid, const XML_Char *pubid, const XML_Char *notation)
{
    ngx_paygw_xml_refuse(data, "entity declaration");
}


static int XMLCALL
ngx_paygw_xml_external(XML_Parser parser, const XML_Char *context,
    const XML_Char *base, const XML_Char *sysid, const XML_Char *pubid)
{
    return XML_STATUS_ERROR;
}


static void XMLCALL
ngx_paygw_xml_skipped(void *data, const XML_Char *name, int is_parameter)
{
    ngx_paygw_xml_refuse(data, "undeclared entity");
}


static void XMLCALL
ngx_paygw_xml_instruction(void *data, const XML_Char *target,
    const XML_Char *text)
{
    ngx_paygw_xml_refuse(data, "processing instruction");
}


static void XMLCALL
ngx_paygw_xml_comment(void *data, const XML_Char *text)
{
    ngx_paygw_xml_refuse(data, "comment");
}


static void
ngx_paygw_xml_field(ngx_paygw_xml_ctx_t *ctx, const XML_Char *name)
{
    size_t              len;
    ngx_paygw_field_t  *field;

    if (ngx_strchr(name, ':')) {
        ngx_paygw_xml_refuse(ctx, "element with a prefix");
        return;
    }

    if (ctx->fields.nelts == NGX_PAYGW_FORM_MAX_FIELDS) {
        ngx_paygw_xml_refuse(ctx, "too many fields");
        return;
    }

    field = ngx_array_push(&ctx->fields);
    if (field == NULL) {
        ctx->nomem = 1;
        ngx_paygw_xml_refuse(ctx, "no memory");
        return;
    }

    len = ngx_strlen(name);

    field->name.data = ctx->dst;
    field->name.len = len;

    ctx->dst = ngx_cpymem(ctx->dst, name, len);

    field->value.data = ctx->dst;
    field->value.len = 0;

    ctx->field = field;
}


static void
ngx_paygw_xml_refuse(ngx_paygw_xml_ctx_t *ctx, char *err)
{
    if (ctx->err == NULL) {
        ctx->err = err;
        (void) XML_StopParser(ctx->parser, XML_FALSE);
    }
}
