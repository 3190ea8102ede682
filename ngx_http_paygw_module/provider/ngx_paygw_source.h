
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_SOURCE_H_INCLUDED_
#define _NGX_PAYGW_SOURCE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_provider.h"
#include "ngx_paygw_response.h"
#include "ngx_paygw_sign.h"


/*
 * Where a channel gets keys of its provider from while nginx runs: files that
 * change, and the provider itself.
 */


#define NGX_PAYGW_KEY_ID_MAX    64       /* bytes of a serial, id or SN */
#define NGX_PAYGW_KEY_TEXT_MAX  16384    /* bytes of a key's text */
#define NGX_PAYGW_KEYS_MAX      8        /* keys that one answer may bring */


/* a key with the text that it was read from, which other workers read too */
typedef struct {
    ngx_paygw_key_t          key;
    ngx_str_t                text;
} ngx_paygw_found_t;


/* what tells one content of a file from another, without reading it */
typedef struct {
    time_t                   mtime;
    long                     nsec;
    off_t                    size;
    ngx_file_uniq_t          uniq;
    ngx_err_t                err;       /* why it cannot be read */
} ngx_paygw_stamp_t;


/* a configured file of the provider's key, watched for changes */
typedef struct {
    ngx_str_t                path;
    ngx_uint_t               cert;      /* it holds a certificate */
    ngx_paygw_key_t         *key;       /* as it was configured */
    const char              *name;      /* of the parameter */
    ngx_msec_t               read;      /* when, by ngx_current_msec */
    ngx_paygw_stamp_t        stamp;     /* then; for the one that watches it,
                                           as last seen */
} ngx_paygw_keyfile_t;


/*
 * One fetch.  The caller fills the first group; request() the second; the
 * caller response; answer() the last.
 */
typedef struct {
    ngx_paygw_channel_t     *channel;
    ngx_pool_t              *pool;
    ngx_log_t               *log;
    time_t                   now;
    ngx_str_t                wanted;    /* a key id, or empty */
    ngx_str_t                path;      /* of the endpoint; may be empty */

    ngx_str_t                method;
    ngx_str_t                target;
    ngx_str_t                headers;   /* lines, each ended by CRLF */
    ngx_str_t                body;

    ngx_paygw_response_t    *response;

    ngx_paygw_found_t        found[NGX_PAYGW_KEYS_MAX];
    ngx_uint_t               nfound;
    ngx_str_t                next;      /* a key id that the answer names, not
                                           known yet: worth one more fetch */
    const char              *err;       /* why it is of no use */
} ngx_paygw_source_fetch_t;


typedef struct {
    /* name of the parameter that switches it on */
    const char              *name;

    const ngx_paygw_scheme_t  *scheme;  /* that the keys must work with */

    ngx_str_t                endpoint;  /* used if the channel names none */
    ngx_str_t                backup;    /* may be empty */
    ngx_uint_t               path;      /* an endpoint may have a path */
    ngx_uint_t               list;      /* an answer lists all keys */

    /* 1 if a fetch may bring a key of this id; the id comes from strangers */
    ngx_uint_t             (*may_be)(ngx_str_t *id);

    /*
     * A key that has been read fits the channel: it verifies, it is not ours,
     * it chains to the root if there is one.  May set key->id.  NGX_OK, or
     * NGX_DECLINED with *err, or NGX_ERROR.
     */
    ngx_int_t              (*accept)(ngx_paygw_channel_t *ch,
                                     ngx_paygw_found_t *found,
                                     ngx_pool_t *pool, ngx_log_t *log,
                                     const char **err);

    /* what to send: NGX_OK, or NGX_DECLINED if there is nothing to ask for */
    ngx_int_t              (*request)(ngx_paygw_source_fetch_t *f);

    /*
     * Keys of an answer, after all of it was verified: NGX_OK; NGX_DONE with
     * f->err if the provider has no such key; NGX_DECLINED with f->err if the
     * answer is of no use; NGX_ERROR.
     */
    ngx_int_t              (*answer)(ngx_paygw_source_fetch_t *f);
} ngx_paygw_source_t;


/* what the channel's parameters say of it; constant once they are read */
struct ngx_paygw_keyring_s {
    const ngx_paygw_source_t  *source;     /* NULL: nothing can be fetched */
    ngx_uint_t                 fetch;      /* it was asked for */
    time_t                     interval;   /* seconds between two fetches */
    time_t                     retry;      /* least time between two */
    ngx_paygw_trust_t         *trust;      /* NULL: no root is configured */
    ngx_array_t               *files;      /* of ngx_paygw_keyfile_t */
};


/* ch->keyring, for create() of a provider */
ngx_int_t ngx_paygw_source_create(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const ngx_paygw_source_t *source);


/* the parameter that is named by source->name */
char *ngx_paygw_source_param(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    ngx_str_t *args, ngx_uint_t nargs);

/*
 * Reads a configured file into key, as ngx_paygw_key_cert() or, if it is no
 * cert, as ngx_paygw_key_public(), and notes it to be watched.
 */
ngx_int_t ngx_paygw_source_file(ngx_conf_t *cf, ngx_paygw_channel_t *ch,
    const char *name, ngx_str_t *path, ngx_uint_t cert, ngx_paygw_key_t *key);

/* how a file stands; all of its bytes are set, to be compared */
void ngx_paygw_source_stamp(ngx_str_t *path, ngx_paygw_stamp_t *stamp);

/* reads and accepts a text: NGX_OK, NGX_DECLINED with *err, or NGX_ERROR */
ngx_int_t ngx_paygw_source_read(ngx_paygw_channel_t *ch, ngx_uint_t cert,
    ngx_str_t *id, ngx_str_t *text, ngx_paygw_found_t *found,
    ngx_pool_t *pool, ngx_log_t *log, const char **err);

/* the checks that accept() of all providers share, without the chain */
ngx_int_t ngx_paygw_source_accept(ngx_paygw_channel_t *ch,
    ngx_paygw_found_t *found, ngx_paygw_key_t *own, ngx_paygw_key_t *cert,
    ngx_log_t *log, const char **err);

/*
 * 1 if a certificate names the same organization as its owner as one of the
 * configured files does
 */
ngx_uint_t ngx_paygw_source_owned(ngx_paygw_channel_t *ch,
    ngx_paygw_key_t *key);

/* 1 if a key of this id counts now, valid or not */
ngx_uint_t ngx_paygw_source_knows(ngx_paygw_channel_t *ch, ngx_str_t *id);

/* the key of an id among those that count now and are valid; NULL */
ngx_paygw_key_t *ngx_paygw_source_find(ngx_paygw_channel_t *ch, ngx_str_t *id,
    time_t now);


#endif /* _NGX_PAYGW_SOURCE_H_INCLUDED_ */
