
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_HTTP_PAYGW_LUA_H_INCLUDED_
#define _NGX_HTTP_PAYGW_LUA_H_INCLUDED_


#include "ngx_http_paygw_module.h"


/*
 * What Lua in nginx calls through the FFI of LuaJIT: resty.paygw in lua-compat
 * is its one user.  Nothing here knows Lua or is linked with it.
 *
 * Types and prototypes between the two lines below stand in paygw.lua as well,
 * word for word, and "make check" compares them.  With any change the version
 * goes up by one, in both: a paygw.lua of another version refuses to work.
 *
 * Strings that come in are only read, and copied where something refers to
 * them after the call.  A result is a structure of the caller, zeroed before
 * its first use; what it points to lives until the next call with it, or until
 * ngx_http_paygw_ffi_free(), which must follow.  What decision() and event()
 * say belongs to the request, and is to be copied before Lua yields.
 */

#define NGX_HTTP_PAYGW_FFI_VERSION     1

/* longest string, number of fields, of merchants */
#define NGX_HTTP_PAYGW_FFI_MAX         (16 * 1024 * 1024)
#define NGX_HTTP_PAYGW_FFI_FIELDS      256
#define NGX_HTTP_PAYGW_FFI_MERCHANTS   64

/*
 * What all of them return; with NGX_HTTP_PAYGW_FFI_FAILED a result has its err,
 * a word of $paygw_reason or a constant phrase, and maybe a hint.
 */
#define NGX_HTTP_PAYGW_FFI_OK          0
#define NGX_HTTP_PAYGW_FFI_FAILED      (-1)
#define NGX_HTTP_PAYGW_FFI_NONE        (-2)    /* nothing is known */
#define NGX_HTTP_PAYGW_FFI_NO_REQUEST  (-3)


/* cdef: begin */

typedef struct {
    size_t                             len;
    const unsigned char               *data;
} ngx_http_paygw_ffi_str_t;

typedef struct {
    ngx_http_paygw_ffi_str_t           name;
    ngx_http_paygw_ffi_str_t           value;
} ngx_http_paygw_ffi_field_t;

typedef struct {
    ngx_http_paygw_ffi_str_t           method;
    ngx_http_paygw_ffi_str_t           target;
    ngx_http_paygw_ffi_str_t           body;
    const ngx_http_paygw_ffi_field_t  *headers;
    size_t                             nheaders;
    long long                          now;
} ngx_http_paygw_ffi_message_t;

typedef struct {
    ngx_http_paygw_ffi_str_t           result;
    ngx_http_paygw_ffi_str_t           reason;
    ngx_http_paygw_ffi_str_t           channel;
    ngx_http_paygw_ffi_str_t           provider;
    ngx_http_paygw_ffi_str_t           merchant;
    ngx_http_paygw_ffi_str_t           key_id;
    ngx_http_paygw_ffi_str_t           event_id;
    ngx_http_paygw_ffi_str_t           delivery;
} ngx_http_paygw_ffi_decision_t;

typedef struct {
    ngx_http_paygw_ffi_str_t           value[3];
    ngx_http_paygw_ffi_str_t           err;
    ngx_http_paygw_ffi_str_t           hint;
    void                              *pool;
} ngx_http_paygw_ffi_result_t;

int ngx_http_paygw_ffi_version(void);

int ngx_http_paygw_ffi_decision(ngx_http_request_t *r,
    ngx_http_paygw_ffi_decision_t *decision);

int ngx_http_paygw_ffi_event(ngx_http_request_t *r,
    ngx_http_paygw_ffi_str_t *json);

int ngx_http_paygw_ffi_verify(const ngx_http_paygw_ffi_str_t *channel,
    const ngx_http_paygw_ffi_message_t *message,
    ngx_http_paygw_ffi_result_t *result);

int ngx_http_paygw_ffi_verify_call(const ngx_http_paygw_ffi_str_t *merchants,
    size_t nmerchants, const ngx_http_paygw_ffi_message_t *message,
    ngx_http_paygw_ffi_result_t *result);

int ngx_http_paygw_ffi_sign(const ngx_http_paygw_ffi_str_t *channel,
    const ngx_http_paygw_ffi_str_t *algorithm,
    const ngx_http_paygw_ffi_str_t *text,
    ngx_http_paygw_ffi_result_t *result);

int ngx_http_paygw_ffi_sign_text(const ngx_http_paygw_ffi_str_t *merchant,
    const ngx_http_paygw_ffi_str_t *key_id,
    const ngx_http_paygw_ffi_str_t *text,
    ngx_http_paygw_ffi_result_t *result);

int ngx_http_paygw_ffi_sign_call(const ngx_http_paygw_ffi_str_t *merchant,
    const ngx_http_paygw_ffi_str_t *key_id,
    const ngx_http_paygw_ffi_message_t *message,
    ngx_http_paygw_ffi_result_t *result);

int ngx_http_paygw_ffi_canonical(const ngx_http_paygw_ffi_str_t *style,
    const ngx_http_paygw_ffi_field_t *fields, size_t nfields,
    ngx_http_paygw_ffi_result_t *result);

int ngx_http_paygw_ffi_decrypt(const ngx_http_paygw_ffi_str_t *channel,
    const ngx_http_paygw_ffi_str_t *algorithm,
    const ngx_http_paygw_ffi_str_t *nonce,
    const ngx_http_paygw_ffi_str_t *associated,
    const ngx_http_paygw_ffi_str_t *ciphertext,
    ngx_http_paygw_ffi_result_t *result);

void ngx_http_paygw_ffi_free(ngx_http_paygw_ffi_result_t *result);

/* cdef: end */


/*
 * What the values of a result are.
 *
 *   verify       the event, JSON
 *   verify_call  merchant, key id, nonce
 *   sign_call    time, nonce, signature
 *   others       what was asked for
 *
 * verify() says that a message is genuine, not that it is new: nothing is
 * claimed, and no nonce is noted.
 */


/* what the files of this share */

typedef struct {
    ngx_http_paygw_ffi_result_t       *result;
    ngx_http_paygw_main_conf_t        *mcf;
    ngx_pool_t                        *pool;
    ngx_log_t                         *log;
} ngx_http_paygw_lua_t;


/*
 * The beginning of all that needs the configuration: makes the result anew, and
 * the keyring up to date.  NGX_HTTP_PAYGW_FFI_OK, or what is to be returned.
 */
int ngx_http_paygw_lua_begin(ngx_http_paygw_lua_t *ffi,
    ngx_http_paygw_ffi_result_t *result);

/* sets err, a constant phrase; or a word and a hint, empty if there is none */
int ngx_http_paygw_lua_fail(ngx_http_paygw_lua_t *ffi, const char *err);
int ngx_http_paygw_lua_refuse(ngx_http_paygw_lua_t *ffi,
    ngx_paygw_reason_e reason, const ngx_str_t *hint);

/* sets a value */
void ngx_http_paygw_lua_set(ngx_http_paygw_lua_t *ffi, ngx_uint_t i,
    ngx_str_t *value);

/*
 * A string that came in, to be read alone and as long as the call; and a copy
 * in the pool of the result.  Both return NGX_HTTP_PAYGW_FFI_OK or what is to
 * be returned.
 */
int ngx_http_paygw_lua_view(ngx_http_paygw_lua_t *ffi,
    const ngx_http_paygw_ffi_str_t *s, ngx_str_t *view);
int ngx_http_paygw_lua_copy(ngx_http_paygw_lua_t *ffi,
    const ngx_http_paygw_ffi_str_t *s, ngx_str_t *copy);


#endif /* _NGX_HTTP_PAYGW_LUA_H_INCLUDED_ */
