
/*
 * Copyright (C) the paygw authors
 */


#include "ngx_paygw_crypto.h"


#define NGX_PAYGW_RSA_MIN_BITS  2048
#define NGX_PAYGW_EC_MIN_BITS   256


typedef enum {
    NGX_PAYGW_BLOCK_OTHER = 0,
    NGX_PAYGW_BLOCK_PRIVATE,
    NGX_PAYGW_BLOCK_ENCRYPTED,
    NGX_PAYGW_BLOCK_PUBLIC,
    NGX_PAYGW_BLOCK_CERT
} ngx_paygw_block_e;


typedef struct {
    const char              *name;    /* behind "-----BEGIN " */
    ngx_paygw_block_e        type;
} ngx_paygw_block_t;


/* a key file while it is taken apart */

typedef struct {
    ngx_uint_t               want;    /* ngx_paygw_block_e */
    ngx_str_t                text;    /* of the file */
    ngx_str_t                der;     /* of the key; to be wiped */
    ngx_uint_t               found;   /* a bit for each ngx_paygw_block_e */
    const char              *err;
} ngx_paygw_key_file_t;


static ngx_int_t ngx_paygw_key_load(ngx_conf_t *cf, ngx_str_t *path,
    ngx_paygw_key_t *key, ngx_uint_t want);
static EVP_PKEY *ngx_paygw_key_decode(ngx_paygw_key_file_t *f);
static ngx_int_t ngx_paygw_key_pem(ngx_paygw_key_file_t *f);
static ngx_int_t ngx_paygw_key_block(ngx_paygw_key_file_t *f,
    const char *name, const char *header, u_char *data, size_t len);
static ngx_int_t ngx_paygw_key_base64(ngx_paygw_key_file_t *f);
static EVP_PKEY *ngx_paygw_key_parse(ngx_uint_t type, ngx_str_t *der);
static void ngx_paygw_key_wipe(ngx_paygw_key_file_t *f);
static int ngx_paygw_key_least(ngx_paygw_key_handle_t *handle);
static ngx_int_t ngx_paygw_key_kind(ngx_paygw_key_handle_t *handle);


static const ngx_paygw_block_t  ngx_paygw_blocks[] = {
    { "PRIVATE KEY", NGX_PAYGW_BLOCK_PRIVATE },
    { "RSA PRIVATE KEY", NGX_PAYGW_BLOCK_PRIVATE },
    { "EC PRIVATE KEY", NGX_PAYGW_BLOCK_PRIVATE },
    { "ENCRYPTED PRIVATE KEY", NGX_PAYGW_BLOCK_ENCRYPTED },
    { "PUBLIC KEY", NGX_PAYGW_BLOCK_PUBLIC },
    { "RSA PUBLIC KEY", NGX_PAYGW_BLOCK_PUBLIC },
    { "CERTIFICATE", NGX_PAYGW_BLOCK_CERT },
    { NULL, NGX_PAYGW_BLOCK_OTHER }
};


ngx_int_t
ngx_paygw_key_private(ngx_conf_t *cf, ngx_str_t *path, ngx_paygw_key_t *key)
{
    return ngx_paygw_key_load(cf, path, key, NGX_PAYGW_BLOCK_PRIVATE);
}


ngx_int_t
ngx_paygw_key_public(ngx_conf_t *cf, ngx_str_t *path, ngx_paygw_key_t *key)
{
    return ngx_paygw_key_load(cf, path, key, NGX_PAYGW_BLOCK_PUBLIC);
}


static ngx_int_t
ngx_paygw_key_load(ngx_conf_t *cf, ngx_str_t *path, ngx_paygw_key_t *key,
    ngx_uint_t want)
{
    EVP_PKEY                *pkey;
    ngx_uint_t               secret;
    ngx_paygw_key_file_t     f;
    ngx_paygw_key_handle_t  *handle;

    handle = ngx_paygw_key_handle(cf->pool, key);
    if (handle == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&f, sizeof(ngx_paygw_key_file_t));

    f.want = want;
    secret = (want == NGX_PAYGW_BLOCK_PRIVATE) ? NGX_PAYGW_FILE_SECRET : 0;

    if (ngx_paygw_file_read(cf, path, secret, &f.text) != NGX_OK) {
        return NGX_ERROR;
    }

    pkey = ngx_paygw_key_decode(&f);

    ngx_paygw_key_wipe(&f);

    if (pkey == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "cannot load %s key \"%V\": %s",
                           secret ? "private" : "public", path, f.err);
        ERR_clear_error();
        return NGX_ERROR;
    }

    ERR_clear_error();

    return ngx_paygw_key_set(cf, path, key, pkey);
}


ngx_int_t
ngx_paygw_key_read_public(ngx_pool_t *pool, ngx_str_t *text,
    ngx_paygw_key_t *key, const char **err)
{
    EVP_PKEY              *pkey;
    ngx_paygw_key_file_t   f;

    *err = "no memory";

    if (ngx_paygw_key_handle(pool, key) == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&f, sizeof(ngx_paygw_key_file_t));

    f.want = NGX_PAYGW_BLOCK_PUBLIC;

    /* reading base64 squeezes the text */

    f.text.len = text->len;
    f.text.data = ngx_alloc(text->len + 1, pool->log);
    if (f.text.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(f.text.data, text->data, text->len);

    pkey = ngx_paygw_key_decode(&f);

    ngx_paygw_key_wipe(&f);
    ERR_clear_error();

    if (pkey == NULL) {
        *err = f.err;
        return NGX_ABORT;
    }

    return ngx_paygw_key_take(key, pkey, err);
}


static EVP_PKEY *
ngx_paygw_key_decode(ngx_paygw_key_file_t *f)
{
    u_char    *p;
    ngx_int_t  rc;
    EVP_PKEY  *pkey;

    p = f->text.data;

    /* the length of a small key is a letter: it must be that of the file */

    if (f->text.len > 2 && p[0] == 0x30
        && ((p[1] & 0x80) || p[1] == f->text.len - 2))
    {
        f->der.data = OPENSSL_malloc(f->text.len);
        if (f->der.data == NULL) {
            f->err = ngx_paygw_openssl_error();
            return NULL;
        }

        ngx_memcpy(f->der.data, p, f->text.len);
        f->der.len = f->text.len;

        rc = NGX_OK;

    } else if (ngx_strnstr(p, "-----BEGIN ", f->text.len) != NULL) {
        rc = ngx_paygw_key_pem(f);

    } else {
        rc = ngx_paygw_key_base64(f);
    }

    if (rc != NGX_OK) {
        return NULL;
    }

    pkey = ngx_paygw_key_parse(f->want, &f->der);
    if (pkey != NULL) {
        return pkey;
    }

    f->err = ngx_paygw_openssl_error();

    /* the other half, without a name that would have told */

    if (f->want == NGX_PAYGW_BLOCK_PUBLIC) {
        pkey = ngx_paygw_key_parse(NGX_PAYGW_BLOCK_PRIVATE, &f->der);

        if (pkey != NULL) {
            f->err = "it holds a private key, "
                     "the public key of the other side is needed";
        }

    } else {
        pkey = ngx_paygw_key_parse(NGX_PAYGW_BLOCK_PUBLIC, &f->der);

        if (pkey != NULL) {
            f->err = "it holds a public key";
        }
    }

    EVP_PKEY_free(pkey);

    return NULL;
}


/*
 * The blocks are read one by one, and not by PEM_read_bio_PrivateKey(): that
 * function asks the terminal for the password of an encrypted key.
 */

static ngx_int_t
ngx_paygw_key_pem(ngx_paygw_key_file_t *f)
{
    BIO            *bio;
    char           *name, *header;
    long            len;
    ngx_int_t       rc;
    unsigned char  *data;

    bio = BIO_new_mem_buf(f->text.data, (int) f->text.len);
    if (bio == NULL) {
        f->err = ngx_paygw_openssl_error();
        return NGX_ERROR;
    }

    rc = NGX_OK;

    while (rc == NGX_OK && PEM_read_bio(bio, &name, &header, &data, &len)) {

        rc = ngx_paygw_key_block(f, name, header, data, (size_t) len);

        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(data, (size_t) len);
    }

    BIO_free(bio);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ngx_paygw_pem_end()) {
        f->err = ngx_paygw_openssl_error();
        return NGX_ERROR;
    }

    ERR_clear_error();

    if (f->der.data != NULL) {
        return NGX_OK;
    }

    if (f->found & (1 << NGX_PAYGW_BLOCK_CERT)) {
        f->err = "it holds a certificate, which is what another parameter "
                 "is for";

    } else if (f->found & (1 << NGX_PAYGW_BLOCK_PUBLIC)) {
        f->err = "it holds a public key";

    } else {
        f->err = "it holds no key";
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_paygw_key_block(ngx_paygw_key_file_t *f, const char *name,
    const char *header, u_char *data, size_t len)
{
    ngx_uint_t                type;
    const ngx_paygw_block_t  *block;

    for (block = ngx_paygw_blocks; block->name; block++) {
        if (ngx_strcmp(block->name, name) == 0) {
            break;
        }
    }

    type = block->type;

    if (type == NGX_PAYGW_BLOCK_PRIVATE && ngx_strstr(header, "ENCRYPTED")) {
        type = NGX_PAYGW_BLOCK_ENCRYPTED;
    }

    f->found |= 1 << type;

    if (f->want == NGX_PAYGW_BLOCK_PUBLIC
        && (type == NGX_PAYGW_BLOCK_PRIVATE
            || type == NGX_PAYGW_BLOCK_ENCRYPTED))
    {
        f->err = "it holds a private key, "
                 "the public key of the other side is needed";
        return NGX_ERROR;
    }

    if (type == NGX_PAYGW_BLOCK_ENCRYPTED) {
        f->err = "it is encrypted, decrypt it with \"openssl pkey\"";
        return NGX_ERROR;
    }

    if (type != f->want) {
        return NGX_OK;
    }

    if (f->der.data != NULL) {
        f->err = "it holds more than one key";
        return NGX_ERROR;
    }

    f->der.data = OPENSSL_memdup(data, len);
    if (f->der.data == NULL) {
        f->err = ngx_paygw_openssl_error();
        return NGX_ERROR;
    }

    f->der.len = len;

    return NGX_OK;
}


static ngx_int_t
ngx_paygw_key_base64(ngx_paygw_key_file_t *f)
{
    u_char     c;
    size_t     i;
    ngx_str_t  src;

    src.len = 0;
    src.data = f->text.data;

    for (i = 0; i < f->text.len; i++) {

        c = f->text.data[i];

        if (c != CR && c != LF && c != ' ' && c != '\t') {
            src.data[src.len++] = c;
        }
    }

    f->err = "it is neither PEM, DER nor base64 of DER";

    f->der.data = OPENSSL_malloc(ngx_base64_decoded_length(src.len) + 1);
    if (f->der.data == NULL) {
        f->err = ngx_paygw_openssl_error();
        return NGX_ERROR;
    }

    if (ngx_decode_base64(&f->der, &src) != NGX_OK || f->der.len == 0) {
        return NGX_ERROR;
    }

    /* ngx_decode_base64() does not look behind the first "=" */

    if (src.len != ngx_base64_encoded_length(f->der.len)) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* bytes behind the key are refused */

static EVP_PKEY *
ngx_paygw_key_parse(ngx_uint_t type, ngx_str_t *der)
{
    long                  len;
    EVP_PKEY             *pkey;
    const unsigned char  *p;

    p = der->data;
    len = (long) der->len;

    if (type == NGX_PAYGW_BLOCK_PRIVATE) {
        pkey = d2i_AutoPrivateKey(NULL, &p, len);

    } else {
        pkey = d2i_PUBKEY(NULL, &p, len);

        if (pkey == NULL) {
            p = der->data;
            pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, len);
        }
    }

    if (pkey != NULL && p != der->data + len) {
        EVP_PKEY_free(pkey);
        return NULL;
    }

    return pkey;
}


static void
ngx_paygw_key_wipe(ngx_paygw_key_file_t *f)
{
    ngx_paygw_file_wipe(&f->text);

    if (f->der.data != NULL) {
        OPENSSL_clear_free(f->der.data, f->der.len);
    }
}


ngx_int_t
ngx_paygw_key_set(ngx_conf_t *cf, ngx_str_t *path, ngx_paygw_key_t *key,
    EVP_PKEY *pkey)
{
    int                      bits, least;
    ngx_paygw_key_handle_t  *handle;

    handle = key->handle;
    handle->pkey = pkey;
    key->pkey = pkey;

    if (ngx_paygw_key_kind(handle) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "key \"%V\" is of no known type or on a curve "
                           "without a name", path);
        ERR_clear_error();
        return NGX_ERROR;
    }

    least = ngx_paygw_key_least(handle);
    bits = EVP_PKEY_bits(pkey);

    if (bits < least) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s key \"%V\" has %d bits, "
                           "at least %d are needed",
                           handle->curve ? "EC" : "RSA", path, bits, least);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_paygw_key_take(ngx_paygw_key_t *key, EVP_PKEY *pkey, const char **err)
{
    ngx_paygw_key_handle_t  *handle;

    handle = key->handle;
    handle->pkey = pkey;
    key->pkey = pkey;

    if (ngx_paygw_key_kind(handle) != NGX_OK) {
        ERR_clear_error();
        *err = "key is of no known type or on a curve without a name";
        return NGX_ABORT;
    }

    if (EVP_PKEY_bits(pkey) < ngx_paygw_key_least(handle)) {
        *err = "key is too short";
        return NGX_ABORT;
    }

    return NGX_OK;
}


/* the bits that a key of its type must have */

static int
ngx_paygw_key_least(ngx_paygw_key_handle_t *handle)
{
    switch (handle->type) {

    case EVP_PKEY_RSA:
        return NGX_PAYGW_RSA_MIN_BITS;

    case EVP_PKEY_EC:
        return NGX_PAYGW_EC_MIN_BITS;

    default:
        return 0;
    }
}


/*
 * Type and curve as they would be written into a certificate: that is the same
 * in every OpenSSL, while a key on the curve of SM2 is of type EC in 1.1.1 and
 * of a type of its own in 3.0.
 */

static ngx_int_t
ngx_paygw_key_kind(ngx_paygw_key_handle_t *handle)
{
    int           form;
    X509_ALGOR   *algor;
    const void   *curve;
    X509_PUBKEY  *pub;
    ASN1_OBJECT  *type;

    pub = NULL;

    if (X509_PUBKEY_set(&pub, handle->pkey) != 1) {
        return NGX_ERROR;
    }

    X509_PUBKEY_get0_param(&type, NULL, NULL, &algor, pub);

    handle->type = OBJ_obj2nid(type);
    handle->curve = NID_undef;

    if (handle->type == EVP_PKEY_EC) {

        X509_ALGOR_get0(NULL, &form, &curve, algor);

        if (form == V_ASN1_OBJECT) {
            handle->curve = OBJ_obj2nid(curve);
        }
    }

    X509_PUBKEY_free(pub);

    if (handle->type == NID_undef
        || (handle->type == EVP_PKEY_EC && handle->curve == NID_undef))
    {
        return NGX_ERROR;
    }

    if (handle->curve == NID_sm2
        && EVP_PKEY_set_alias_type(handle->pkey, EVP_PKEY_SM2) != 1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
