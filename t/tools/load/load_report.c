
/*
 * Copyright (C) the paygw authors
 */


#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "load.h"


#define LOAD_ANSWERS      32
#define LOAD_ANSWER_SIZE  64


typedef struct {
    char                 text[LOAD_ANSWER_SIZE];    /* "200 success" */
    uint64_t             count;
} load_answer_t;


static void load_count(const char *text);
static int load_measure(uint64_t ns);
static uint64_t load_process_time(int pid);
static double load_percentile(double percent);
static int load_compare(const void *one, const void *two);


static FILE          *load_ledger;
static load_answer_t  load_answers[LOAD_ANSWERS];

static uint32_t      *load_latency;      /* us of each measured answer */
static size_t         load_nlatency;
static size_t         load_latency_size;

static uint64_t       load_total;        /* callbacks that are finished */
static uint64_t       load_ok;
static uint64_t       load_sends;
static uint64_t       load_measured;     /* finished after the warm-up */
static uint64_t       load_begin;
static uint64_t       load_end;
static uint64_t       load_cpu_begin;
static uint64_t       load_wall_offset;  /* from monotonic to Unix time, ns */


uint64_t
load_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


int
load_report_init(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    load_wall_offset = (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec
                       - load_now();

    if (load_conf.ledger) {
        load_ledger = fopen(load_conf.ledger, "w");

        if (load_ledger == NULL) {
            perror(load_conf.ledger);
            return -1;
        }
    }

    load_begin = load_now();
    load_cpu_begin = load_process_time(load_conf.watch);

    return 0;
}


int
load_report_answer(load_item_t *item, unsigned status, const char *body,
    size_t len, uint64_t started, uint64_t now)
{
    int     ok;
    char    text[LOAD_ANSWER_SIZE], *p;

    if (len > 40) {
        len = 40;
    }

    snprintf(text, sizeof(text), "%u %.*s", status, (int) len, body);

    /* one word for the ledger and no escapes for JSON */

    for (p = strchr(text, ' ') + 1; *p; p++) {
        if (*p <= ' ' || *p > '~' || *p == '"' || *p == '\\') {
            *p = '_';
        }
    }

    load_sends++;
    load_count(text);

    ok = (load_conf.status == 0 || status == load_conf.status)
         && (load_conf.body == NULL
             || (len == strlen(load_conf.body)
                 && memcmp(body, load_conf.body, len) == 0));

    if (load_ledger) {
        fprintf(load_ledger, "%llu %s %llu %llu\n",
                (unsigned long long) item->number, text,
                (unsigned long long) (started + load_wall_offset) / 1000,
                (unsigned long long) (now + load_wall_offset) / 1000);
    }

    if (load_total >= load_conf.warmup && load_measure(now - started) == -1) {
        return -1;
    }

    return ok;
}


static void
load_count(const char *text)
{
    unsigned  i;

    for (i = 0; i < LOAD_ANSWERS - 1; i++) {

        if (load_answers[i].count == 0) {
            strcpy(load_answers[i].text, text);
            break;
        }

        if (strcmp(load_answers[i].text, text) == 0) {
            break;
        }
    }

    if (i == LOAD_ANSWERS - 1) {
        strcpy(load_answers[i].text, "others");
    }

    load_answers[i].count++;
}


static int
load_measure(uint64_t ns)
{
    size_t     size;
    uint32_t  *p;

    if (load_nlatency == load_latency_size) {
        size = load_latency_size ? 2 * load_latency_size : 65536;

        p = realloc(load_latency, size * sizeof(uint32_t));
        if (p == NULL) {
            perror("realloc() failed");
            return -1;
        }

        load_latency = p;
        load_latency_size = size;
    }

    load_latency[load_nlatency++] = (uint32_t) (ns / 1000);

    return 0;
}


void
load_report_finished(int ok, uint64_t now)
{
    load_total++;
    load_ok += ok;

    if (load_total == load_conf.warmup) {
        load_begin = now;
        load_cpu_begin = load_process_time(load_conf.watch);

    } else if (load_total > load_conf.warmup) {
        load_measured++;
    }

    load_end = now;
}


void
load_report_progress(uint64_t now)
{
    static uint64_t  last;

    if (load_conf.progress && now - last >= 1000000000) {
        fprintf(stderr, "%llu\n", (unsigned long long) load_total);
        last = now;
    }
}


/* the time that a process was on a processor, in ns, 0 if there is none */

static uint64_t
load_process_time(int pid)
{
    char                 path[64];
    FILE                *file;
    unsigned long long   ns;

    if (pid == 0) {
        return 0;
    }

    snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);

    file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return 0;
    }

    if (fscanf(file, "%llu", &ns) != 1) {
        ns = 0;
    }

    fclose(file);

    return ns;
}


int
load_report_print(void)
{
    double    seconds, cpu;
    unsigned  i;

    if (load_ledger && fclose(load_ledger) == EOF) {
        perror(load_conf.ledger);
        return -1;
    }

    load_ledger = NULL;

    seconds = load_measured ? (load_end - load_begin) / 1e9 : 0;
    cpu = (load_process_time(load_conf.watch) - load_cpu_begin) / 1e3;

    qsort(load_latency, load_nlatency, sizeof(uint32_t), load_compare);

    printf("{\"requests\":%llu,\"ok\":%llu,\"sends\":%llu,"
           "\"measured\":%llu,\"seconds\":%.3f,\"rps\":%.0f,"
           "\"p50_us\":%.0f,\"p99_us\":%.0f,\"cpu_us\":%.2f,\"answers\":{",
           (unsigned long long) load_total, (unsigned long long) load_ok,
           (unsigned long long) load_sends,
           (unsigned long long) load_measured, seconds,
           seconds ? load_measured / seconds : 0,
           load_percentile(50), load_percentile(99),
           load_measured ? cpu / load_measured : 0);

    for (i = 0; i < LOAD_ANSWERS && load_answers[i].count; i++) {
        printf("%s\"%s\":%llu", i ? "," : "", load_answers[i].text,
               (unsigned long long) load_answers[i].count);
    }

    printf("}}\n");

    free(load_latency);

    return load_total && load_ok == load_total ? 0 : 1;
}


static double
load_percentile(double percent)
{
    size_t  i;

    if (load_nlatency == 0) {
        return 0;
    }

    i = (size_t) (load_nlatency * percent / 100);

    return load_latency[i < load_nlatency ? i : load_nlatency - 1];
}


static int
load_compare(const void *one, const void *two)
{
    uint32_t  a, b;

    a = *(const uint32_t *) one;
    b = *(const uint32_t *) two;

    return (a > b) - (a < b);
}
