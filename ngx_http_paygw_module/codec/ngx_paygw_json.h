
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_JSON_H_INCLUDED_
#define _NGX_PAYGW_JSON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * A strict reader of untrusted JSON on yajl, and a writer.
 *
 * The reader refuses what parsers disagree about: a key that occurs twice in
 * one object (at any depth), bytes after the value, a NUL in a string or a
 * key, and text that is not UTF-8.
 */


/* limits of the reader; a text beyond any of them is malformed */
#define NGX_PAYGW_JSON_MAX_DEPTH    16
#define NGX_PAYGW_JSON_MAX_NODES    4096
#define NGX_PAYGW_JSON_MAX_MEMBERS  128    /* of one object */


typedef enum {
    NGX_PAYGW_JSON_NULL = 0,
    NGX_PAYGW_JSON_BOOL,
    NGX_PAYGW_JSON_NUMBER,
    NGX_PAYGW_JSON_STRING,
    NGX_PAYGW_JSON_ARRAY,
    NGX_PAYGW_JSON_OBJECT
} ngx_paygw_json_type_e;


typedef struct ngx_paygw_json_s  ngx_paygw_json_t;

struct ngx_paygw_json_s {
    ngx_paygw_json_type_e    type;
    ngx_str_t                key;     /* decoded; empty outside an object */
    ngx_str_t                value;   /* STRING: decoded bytes, NUMBER: its
                                         text as sent, BOOL: "true"/"false" */
    ngx_paygw_json_t        *child;   /* first of an ARRAY or OBJECT */
    ngx_paygw_json_t        *next;    /* sibling */
};


/*
 * Parses the whole of text.  Strings without escapes point into text, which
 * must live as long as the tree.
 *
 * Returns NGX_OK and the root; NGX_ABORT if the text is malformed, with *err
 * set to a constant phrase ("duplicate key", "invalid JSON", ...); NGX_ERROR
 * if memory is short.
 */
ngx_int_t ngx_paygw_json_parse(ngx_pool_t *pool, ngx_str_t *text,
    ngx_paygw_json_t **root, char **err);

/* of a text that is malformed: what is known of it */
typedef struct {
    ngx_str_t                key;     /* that is there twice; or empty */
    size_t                   at;      /* how much of it was read, or 0 */
} ngx_paygw_json_fault_t;

/* the same, and with NGX_ABORT what is known of the fault */
ngx_int_t ngx_paygw_json_parse_at(ngx_pool_t *pool, ngx_str_t *text,
    ngx_paygw_json_t **root, char **err, ngx_paygw_json_fault_t *fault);

/* the member named by a C string, NULL if absent or if obj is no object */
ngx_paygw_json_t *ngx_paygw_json_get(ngx_paygw_json_t *obj, const char *name);

/*
 * The same for a STRING member: NGX_OK and its value; NGX_DECLINED if the
 * member is absent or null (value is then empty); NGX_ABORT if it is of
 * another type.
 */
ngx_int_t ngx_paygw_json_get_string(ngx_paygw_json_t *obj, const char *name,
    ngx_str_t *value);

/*
 * The same for a member that is an integer without sign, fraction or exponent
 * and within 0 .. 2^53 - 1.
 */
ngx_int_t ngx_paygw_json_get_integer(ngx_paygw_json_t *obj, const char *name,
    int64_t *value);

/*
 * The bytes of a member's value as they were sent, of a text that
 * ngx_paygw_json_parse() has taken for an object: what is signed of an answer
 * of Alipay.  A name that was sent with an escape is not found.  Returns
 * NGX_OK or NGX_DECLINED.
 */
ngx_int_t ngx_paygw_json_raw(ngx_str_t *text, const char *name,
    ngx_str_t *raw);

/*
 * The same of a text in GBK, whose second bytes may look like ASCII: it was
 * parsed as UTF-8.
 */
ngx_int_t ngx_paygw_json_raw_gbk(ngx_str_t *text, const char *name,
    ngx_str_t *raw);


/*
 * The writer: the length of s as a quoted and escaped string, and its bytes,
 * for which that length is given.  s must be UTF-8.
 */
size_t ngx_paygw_json_string_len(ngx_str_t *s);
u_char *ngx_paygw_json_write_string(u_char *p, ngx_str_t *s, size_t len);


/* what ngx_paygw_json_respell() changes */
#define NGX_PAYGW_JSON_SPACES   0x01   /* white space between tokens */
#define NGX_PAYGW_JSON_SLASHES  0x02   /* "\/" for "/" */
#define NGX_PAYGW_JSON_UNICODE  0x04   /* "\u652f" for a character that is not
                                          ASCII */

/*
 * Another spelling of the same text, without those of the above that what has;
 * *found says which of them were there.  It is done byte by byte: text that is
 * not JSON becomes something else that is not.  out is in pool and not longer
 * than text.  Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_paygw_json_respell(ngx_pool_t *pool, ngx_str_t *text,
    ngx_uint_t what, ngx_str_t *out, ngx_uint_t *found);


/*
 * Replaces strings of a text that ngx_paygw_json_parse() has taken; all other
 * bytes stay.  pointers, of ngx_str_t, say which: "/payer/name", and "/list/"
 * "*" "/name" for each element of a list.  handler() makes the new value of
 * an old one, both without quotes and escapes: NGX_OK; NGX_DONE: it stays as
 * it is; anything else ends all.  Returns NGX_OK, what handler() has returned,
 * or NGX_ERROR; out lives in pool, or is text as it was, and may be text.
 */
typedef struct ngx_paygw_json_edit_s  ngx_paygw_json_edit_t;

struct ngx_paygw_json_edit_s {
    ngx_int_t              (*handler)(ngx_paygw_json_edit_t *edit,
                                      ngx_str_t *old, ngx_str_t *made);
    void                    *data;
};

ngx_int_t ngx_paygw_json_edit(ngx_pool_t *pool, ngx_str_t *text,
    ngx_array_t *pointers, ngx_paygw_json_edit_t *edit, ngx_str_t *out);


#endif /* _NGX_PAYGW_JSON_H_INCLUDED_ */
