
/*
 * Copyright (C) the paygw authors
 */


#ifndef _NGX_PAYGW_CHECKSUM_H_INCLUDED_
#define _NGX_PAYGW_CHECKSUM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_paygw_mac.h"


/*
 * The hash of a file that nobody has signed, checked while it passes by.
 *
 * WeChat Pay hashes what is in a bill before it is compressed, others the file
 * as it is.  So a file that begins as a gzip file does is right if one of both
 * is, which is as hard to forge.
 */


/* what it has to be; hash NULL: that is not known */
typedef struct {
    const ngx_paygw_hash_t  *hash;
    size_t                   len;
    u_char                   value[NGX_PAYGW_SHA256_LEN];
} ngx_paygw_expected_t;

typedef struct ngx_paygw_checksum_s  ngx_paygw_checksum_t;


/*
 * "sha1=HEX" or "sha256=HEX"; or the name in any case and the digits, as a
 * provider tells them: NGX_OK, or NGX_DECLINED if it is neither.
 */
ngx_int_t ngx_paygw_expected_parse(ngx_str_t *text,
    ngx_paygw_expected_t *expected);
ngx_int_t ngx_paygw_expected_set(ngx_str_t *name, ngx_str_t *hex,
    ngx_paygw_expected_t *expected);

/* "sha1", "sha256" */
void ngx_paygw_expected_name(ngx_paygw_expected_t *expected, ngx_str_t *name);

/*
 * Lives in pool, NULL if it cannot be made.  expected has a hash, and lives as
 * long; more than max bytes are not looked for in a gzip file, 0 is no limit.
 */
ngx_paygw_checksum_t *ngx_paygw_checksum_new(ngx_pool_t *pool,
    ngx_paygw_expected_t *expected, off_t max);

/* the same of a file that is right as it is, whatever it is, or not at all */
ngx_paygw_checksum_t *ngx_paygw_checksum_exact(ngx_pool_t *pool,
    ngx_paygw_expected_t *expected);

/* NGX_OK or NGX_ERROR */
ngx_int_t ngx_paygw_checksum_update(ngx_paygw_checksum_t *c, u_char *p,
    size_t len);

/* once, at the end: NGX_OK; NGX_DECLINED: it is another file; NGX_ERROR */
ngx_int_t ngx_paygw_checksum_final(ngx_paygw_checksum_t *c);


#endif /* _NGX_PAYGW_CHECKSUM_H_INCLUDED_ */
