
/*
 * Copyright (C) the paygw authors
 */


#include <string.h>
#include <time.h>
#include <unistd.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "load.h"


#define LOAD_CALL_TEXT  1024


static void load_hex(char *p, const unsigned char *data, size_t len);


/*
 * The fields of a merchant's call, signed: of each send, since a repetition
 * needs a nonce of its own.
 */

int
load_call(char *buf, size_t size, load_item_t *item)
{
    int                  n;
    char                 hash[65], sign[65], text[LOAD_CALL_TEXT], nonce[64];
    unsigned             len;
    unsigned char        md[EVP_MAX_MD_SIZE];
    static uint64_t      sent;
    unsigned long long   now;

    if (load_conf.key_id == NULL) {
        *buf = '\0';
        return 0;
    }

    now = time(NULL);

    snprintf(nonce, sizeof(nonce), "load-%x-%llx-%llx", (unsigned) getpid(),
             (unsigned long long) load_conf.seed + now,
             (unsigned long long) sent++);

    if (EVP_Digest(item->data, item->len, md, &len, EVP_sha256(), NULL) != 1) {
        return -1;
    }

    load_hex(hash, md, len);

    n = snprintf(text, sizeof(text), "POST\n%s\n%llu\n%s\n%s\n",
                 load_conf.path, now, nonce, hash);

    if (n >= LOAD_CALL_TEXT
        || HMAC(EVP_sha256(), load_conf.secret, strlen(load_conf.secret),
                (unsigned char *) text, n, md, &len)
           == NULL)
    {
        return -1;
    }

    load_hex(sign, md, len);

    if (load_conf.forged) {
        sign[0] = (sign[0] == '0') ? '1' : '0';
    }

    n = snprintf(buf, size,
                 "X-Key-Id: %s\r\nX-Timestamp: %llu\r\nX-Nonce: %s\r\n"
                 "X-Signature: %s\r\nIdempotency-Key: %s\r\n",
                 load_conf.key_id, now, nonce, sign, nonce);

    return n < (int) size ? 0 : -1;
}


static void
load_hex(char *p, const unsigned char *data, size_t len)
{
    size_t              i;
    static const char   hex[] = "0123456789abcdef";

    for (i = 0; i < len; i++) {
        *p++ = hex[data[i] >> 4];
        *p++ = hex[data[i] & 0xf];
    }

    *p = '\0';
}
