
/*
 * Copyright (C) the paygw authors
 */


#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include "load.h"


#define LOAD_BODY_SIZE       4096
#define LOAD_FIELDS          22
#define LOAD_SIGNATURE_SIZE  512
#define LOAD_MAX_THREADS     16


typedef struct {
    const char          *name;
    char                 value[128];
} load_field_t;


typedef struct {
    pthread_t            thread;
    EVP_PKEY            *key;
    load_item_t        **items;      /* NULL: into the queue */
    unsigned             index;
    int                  failed;
} load_signer_t;


static EVP_PKEY *load_key(void);
static void *load_sign_pool(void *data);
static void *load_sign_stream(void *data);
static load_item_t *load_item(EVP_PKEY *key, uint64_t number);
static void load_fields(load_field_t *fields, uint64_t number);
static int load_sign(EVP_PKEY *key, load_field_t *fields, char *sign);
static char *load_escape(char *p, const char *value);
static int load_read(load_list_t *list);
static int load_forge(load_item_t *item);


/*
 * Sorted by name, as they are signed; what a real notification of a web
 * payment carries.  "%s" is the number that makes it unique.
 */
static const char  *load_names[LOAD_FIELDS] = {
    "app_id", "auth_app_id", "body", "buyer_id", "buyer_pay_amount",
    "charset", "fund_bill_list", "gmt_create", "gmt_payment",
    "invoice_amount", "notify_id", "notify_time", "notify_type",
    "out_trade_no", "point_amount", "receipt_amount", "seller_id", "subject",
    "total_amount", "trade_no", "trade_status", "version"
};

/* the order on the wire, which is not that of the names */
static const unsigned  load_wire[LOAD_FIELDS] = {
    7, 5, 8, 11, 17, 3, 2, 9, 21, 10, 6, 12, 13, 18, 20, 19, 1, 15, 14, 4,
    0, 16
};

static load_signer_t  load_signers[LOAD_MAX_THREADS];


int
load_bodies(load_list_t *list)
{
    int            failed;
    unsigned       i;
    uint64_t       n;
    load_item_t  **items;

    if (load_conf.load) {
        return load_read(list);
    }

    items = calloc(load_conf.requests, sizeof(load_item_t *));
    if (items == NULL) {
        perror("calloc() failed");
        return -1;
    }

    failed = 0;

    for (i = 0; i < load_conf.threads; i++) {
        load_signers[i].key = load_key();
        load_signers[i].items = items;
        load_signers[i].index = i;

        if (load_signers[i].key == NULL
            || pthread_create(&load_signers[i].thread, NULL, load_sign_pool,
                              &load_signers[i])
               != 0)
        {
            exit(2);
        }
    }

    for (i = 0; i < load_conf.threads; i++) {
        pthread_join(load_signers[i].thread, NULL);
        EVP_PKEY_free(load_signers[i].key);
        failed |= load_signers[i].failed;
    }

    for (n = 0; n < load_conf.requests && !failed; n++) {
        load_list_push(list, items[n]);
    }

    free(items);

    return failed ? -1 : 0;
}


static EVP_PKEY *
load_key(void)
{
    FILE      *file;
    EVP_PKEY  *key;

    file = fopen(load_conf.key ? load_conf.key : "", "r");
    if (file == NULL) {
        perror("no private key");
        return NULL;
    }

    key = PEM_read_PrivateKey(file, NULL, NULL, NULL);

    fclose(file);

    if (key == NULL || EVP_PKEY_id(key) != EVP_PKEY_RSA
        || EVP_PKEY_size(key) > LOAD_SIGNATURE_SIZE)
    {
        fprintf(stderr, "\"%s\" is no usable RSA key\n", load_conf.key);
        EVP_PKEY_free(key);
        return NULL;
    }

    return key;
}


static void *
load_sign_pool(void *data)
{
    uint64_t        n;
    load_signer_t  *signer = data;

    for (n = signer->index; n < load_conf.requests; n += load_conf.threads) {

        signer->items[n] = load_item(signer->key, n);

        if (signer->items[n] == NULL) {
            signer->failed = 1;
            break;
        }
    }

    return NULL;
}


int
load_stream_start(void)
{
    unsigned  i;

    for (i = 0; i < load_conf.threads; i++) {
        load_signers[i].key = load_key();
        load_signers[i].index = i;

        if (load_signers[i].key == NULL
            || pthread_create(&load_signers[i].thread, NULL,
                              load_sign_stream, &load_signers[i])
               != 0)
        {
            exit(2);
        }
    }

    return 0;
}


static void *
load_sign_stream(void *data)
{
    uint64_t        n;
    load_item_t    *item;
    load_signer_t  *signer = data;

    for (n = signer->index;
         load_conf.requests == 0 || n < load_conf.requests;
         n += load_conf.threads)
    {
        item = load_item(signer->key, n);

        if (item == NULL) {
            exit(2);
        }

        if (!load_queue_put(item)) {
            free(item->data);
            free(item);
            break;
        }
    }

    return NULL;
}


void
load_stream_stop(void)
{
    unsigned  i;

    load_queue_close();

    for (i = 0; i < load_conf.threads; i++) {
        pthread_join(load_signers[i].thread, NULL);
        EVP_PKEY_free(load_signers[i].key);
    }
}


static load_item_t *
load_item(EVP_PKEY *key, uint64_t number)
{
    char          body[LOAD_BODY_SIZE], sign[LOAD_SIGNATURE_SIZE * 2], *p;
    unsigned      i;
    load_item_t  *item;
    load_field_t  fields[LOAD_FIELDS];

    load_fields(fields, number);

    if (load_sign(key, fields, sign) == -1) {
        return NULL;
    }

    p = body;

    for (i = 0; i < LOAD_FIELDS; i++) {
        p = stpcpy(p, fields[load_wire[i]].name);
        *p++ = '=';
        p = load_escape(p, fields[load_wire[i]].value);
        *p++ = '&';
    }

    p = stpcpy(p, "sign_type=RSA2&sign=");
    p = load_escape(p, sign);

    item = calloc(1, sizeof(load_item_t));
    if (item == NULL) {
        perror("calloc() failed");
        return NULL;
    }

    item->number = number;
    item->len = p - body;
    item->data = malloc(item->len);

    if (item->data == NULL) {
        perror("malloc() failed");
        free(item);
        return NULL;
    }

    memcpy(item->data, body, item->len);

    if (load_conf.forged && load_forge(item) == -1) {
        exit(2);
    }

    return item;
}


static void
load_fields(load_field_t *fields, uint64_t number)
{
    char                 day[16], second[32];
    time_t               now;
    unsigned             i;
    struct tm            tm;
    unsigned long long   n;

    n = number;
    now = time(NULL) + 8 * 3600;
    gmtime_r(&now, &tm);
    strftime(day, sizeof(day), "%Y%m%d", &tm);
    strftime(second, sizeof(second), "%Y-%m-%d %H:%M:%S", &tm);

    for (i = 0; i < LOAD_FIELDS; i++) {
        fields[i].name = load_names[i];
        strcpy(fields[i].value, "88.88");
    }

    strcpy(fields[0].value, load_conf.app_id);
    strcpy(fields[1].value, load_conf.app_id);
    strcpy(fields[2].value, "two kilograms of apples & a bag");
    strcpy(fields[3].value, "2088102122458832");
    strcpy(fields[5].value, "utf-8");
    strcpy(fields[6].value,
           "[{\"amount\":\"88.88\",\"fundChannel\":\"ALIPAYACCOUNT\"}]");
    strcpy(fields[7].value, second);
    strcpy(fields[8].value, second);
    sprintf(fields[10].value, "%s00222%06u%05u%010llu", day,
            (unsigned) (tm.tm_hour * 10000 + tm.tm_min * 100 + tm.tm_sec),
            load_conf.seed, n);
    strcpy(fields[11].value, second);
    strcpy(fields[12].value, "trade_status_sync");
    sprintf(fields[13].value, "T%05u_%010llu", load_conf.seed, n);
    strcpy(fields[14].value, "0.00");
    strcpy(fields[16].value, load_conf.seller_id);
    strcpy(fields[17].value, "\xe8\x8b\xb9\xe6\x9e\x9c apples, 100%");
    sprintf(fields[19].value, "%s22001%05u%010llu", day, load_conf.seed, n);
    strcpy(fields[20].value, "TRADE_SUCCESS");
    strcpy(fields[21].value, "1.0");
}


/* RSA2: SHA-256 with PKCS #1 v1.5 over the sorted, unescaped fields */

static int
load_sign(EVP_PKEY *key, load_field_t *fields, char *sign)
{
    int          rc;
    char         text[LOAD_BODY_SIZE], *p;
    size_t       len;
    unsigned     i;
    EVP_MD_CTX  *ctx;

    unsigned char  bytes[LOAD_SIGNATURE_SIZE];

    p = text;

    for (i = 0; i < LOAD_FIELDS; i++) {
        p += sprintf(p, "%s%s=%s", i ? "&" : "", fields[i].name,
                     fields[i].value);
    }

    ctx = EVP_MD_CTX_new();
    len = sizeof(bytes);

    rc = ctx != NULL
         && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1
         && EVP_DigestSign(ctx, bytes, &len, (unsigned char *) text,
                           p - text)
            == 1;

    EVP_MD_CTX_free(ctx);

    if (!rc) {
        fprintf(stderr, "EVP_DigestSign() failed\n");
        return -1;
    }

    EVP_EncodeBlock((unsigned char *) sign, bytes, (int) len);

    return 0;
}


static char *
load_escape(char *p, const char *value)
{
    unsigned char       ch;
    static const char   hex[] = "0123456789ABCDEF";

    for ( /* void */ ; *value; value++) {
        ch = (unsigned char) *value;

        if ((ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z')
            || (ch >= 'a' && ch <= 'z') || strchr("-_.*", ch))
        {
            *p++ = (char) ch;

        } else if (ch == ' ') {
            *p++ = '+';

        } else {
            *p++ = '%';
            *p++ = hex[ch >> 4];
            *p++ = hex[ch & 0xf];
        }
    }

    return p;
}


/* one callback a line: "number form" */

int
load_save(load_list_t *list)
{
    FILE         *file;
    load_item_t  *item;

    file = fopen(load_conf.save, "w");
    if (file == NULL) {
        perror(load_conf.save);
        return -1;
    }

    for (item = list->head; item; item = item->next) {
        fprintf(file, "%llu %.*s\n", (unsigned long long) item->number,
                (int) item->len, item->data);
    }

    if (fclose(file) == EOF) {
        perror(load_conf.save);
        return -1;
    }

    return 0;
}


static int
load_read(load_list_t *list)
{
    char         *line, *form;
    FILE         *file;
    size_t        size;
    ssize_t       len;
    uint64_t      n;
    load_item_t  *item;

    file = fopen(load_conf.load, "r");
    if (file == NULL) {
        perror(load_conf.load);
        return -1;
    }

    line = NULL;
    size = 0;

    for (n = 0; list->count < load_conf.requests; n++) {

        len = getline(&line, &size, file);

        if (len == -1) {
            break;
        }

        if (n < load_conf.first) {
            continue;
        }

        form = strchr(line, ' ');
        item = calloc(1, sizeof(load_item_t));

        if (form == NULL || item == NULL) {
            fprintf(stderr, "cannot read \"%s\"\n", load_conf.load);
            exit(2);
        }

        form++;

        item->number = strtoull(line, NULL, 10);
        item->len = line + len - 1 - form;
        item->data = strndup(form, item->len);

        if (item->data == NULL
            || (load_conf.forged && load_conf.key_id == NULL
                && load_forge(item) == -1))
        {
            exit(2);
        }

        load_list_push(list, item);
    }

    free(line);
    fclose(file);

    if (list->count < load_conf.requests) {
        fprintf(stderr, "\"%s\" has too few callbacks\n", load_conf.load);
        return -1;
    }

    return 0;
}


/* what an attacker would like: a genuine signature under another amount */

static int
load_forge(load_item_t *item)
{
    char               *p;
    static const char   name[] = "&total_amount=";

    p = memmem(item->data, item->len, name, sizeof(name) - 1);

    if (p == NULL) {
        fprintf(stderr, "no total_amount to forge\n");
        return -1;
    }

    p += sizeof(name) - 1;
    *p = (*p == '9') ? '1' : '9';

    return 0;
}
