
/*
 * Copyright (C) the paygw authors
 */


#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "load.h"


#define LOAD_MAX_ID  32


static int load_options(int argc, char **argv);
static void load_option(int option);
static int load_check(void);
static int load_usage(void);


load_conf_t  load_conf = {
    .connect = "127.0.0.1:80",
    .path = "/",
    .host = "gateway",
    .app_id = "2021000000000001",
    .seller_id = "2088101000000001",
    .connections = 64,
    .threads = 2,
    .timeout = 30,
    .retry_delay = 0.3
};


static const struct option  load_opts[] = {
    { "connect",     required_argument, NULL, 'C' },
    { "path",        required_argument, NULL, 'p' },
    { "host",        required_argument, NULL, 'H' },
    { "key",         required_argument, NULL, 'k' },
    { "key-id",      required_argument, NULL, 'K' },
    { "secret",      required_argument, NULL, 'x' },
    { "app-id",      required_argument, NULL, 'a' },
    { "seller-id",   required_argument, NULL, 'A' },
    { "load",        required_argument, NULL, 'l' },
    { "save",        required_argument, NULL, 'S' },
    { "seed",        required_argument, NULL, 's' },
    { "first",       required_argument, NULL, 'f' },
    { "requests",    required_argument, NULL, 'n' },
    { "warmup",      required_argument, NULL, 'w' },
    { "duration",    required_argument, NULL, 'd' },
    { "forged",      no_argument,       NULL, 'F' },
    { "stream",      no_argument,       NULL, 'm' },
    { "connections", required_argument, NULL, 'c' },
    { "threads",     required_argument, NULL, 't' },
    { "twins",       required_argument, NULL, 'W' },
    { "rate",        required_argument, NULL, 'r' },
    { "timeout",     required_argument, NULL, 'T' },
    { "retries",     required_argument, NULL, 'R' },
    { "retry-delay", required_argument, NULL, 'D' },
    { "status",      required_argument, NULL, 'e' },
    { "body",        required_argument, NULL, 'b' },
    { "watch",       required_argument, NULL, 'P' },
    { "ledger",      required_argument, NULL, 'L' },
    { "progress",    no_argument,       NULL, 'g' },
    { "spin",        no_argument,       NULL, 'i' },
    { "shop",        required_argument, NULL, 'O' },
    { "shop-answer", required_argument, NULL, 'B' },
    { NULL, 0, NULL, 0 }
};


int
main(int argc, char **argv)
{
    int  rc;

    signal(SIGPIPE, SIG_IGN);

    if (load_options(argc, argv) == -1 || load_check() == -1) {
        return load_usage();
    }

    if (load_queue_init() == -1) {
        return 2;
    }

    /* a run that only saves: the file is for later runs */

    if (load_conf.save) {
        return 0;
    }

    if (load_report_init() == -1 || load_run() == -1) {
        return 2;
    }

    if (load_conf.stream) {
        load_stream_stop();
    }

    rc = load_report_print();

    return rc == -1 ? 2 : rc;
}


static int
load_options(int argc, char **argv)
{
    int  option;

    for ( ;; ) {
        option = getopt_long(argc, argv, "c:n:", load_opts, NULL);

        if (option == -1) {
            return optind == argc ? 0 : -1;
        }

        if (option == '?') {
            return -1;
        }

        load_option(option);
    }
}


static void
load_option(int option)
{
    switch (option) {

    case 'C': load_conf.connect = optarg; break;
    case 'p': load_conf.path = optarg; break;
    case 'H': load_conf.host = optarg; break;
    case 'k': load_conf.key = optarg; break;
    case 'K': load_conf.key_id = optarg; break;
    case 'x': load_conf.secret = optarg; break;
    case 'a': load_conf.app_id = optarg; break;
    case 'A': load_conf.seller_id = optarg; break;
    case 'l': load_conf.load = optarg; break;
    case 'S': load_conf.save = optarg; break;
    case 's': load_conf.seed = strtoul(optarg, NULL, 10) % 100000; break;
    case 'f': load_conf.first = strtoull(optarg, NULL, 10); break;
    case 'n': load_conf.requests = strtoull(optarg, NULL, 10); break;
    case 'w': load_conf.warmup = strtoull(optarg, NULL, 10); break;
    case 'd': load_conf.duration = strtod(optarg, NULL); break;
    case 'F': load_conf.forged = 1; break;
    case 'm': load_conf.stream = 1; break;
    case 'c': load_conf.connections = strtoul(optarg, NULL, 10); break;
    case 't': load_conf.threads = strtoul(optarg, NULL, 10); break;
    case 'W': load_conf.twins = strtoul(optarg, NULL, 10); break;
    case 'r': load_conf.rate = strtod(optarg, NULL); break;
    case 'T': load_conf.timeout = strtod(optarg, NULL); break;
    case 'R': load_conf.retries = strtoull(optarg, NULL, 10); break;
    case 'D': load_conf.retry_delay = strtod(optarg, NULL); break;
    case 'e': load_conf.status = strtoul(optarg, NULL, 10); break;
    case 'b': load_conf.body = optarg; break;
    case 'P': load_conf.watch = atoi(optarg); break;
    case 'L': load_conf.ledger = optarg; break;
    case 'g': load_conf.progress = 1; break;
    case 'i': load_conf.spin = 1; break;
    case 'O': load_conf.shop = strtoul(optarg, NULL, 10); break;
    case 'B': load_conf.shop_answer = optarg; break;
    }
}


static int
load_check(void)
{
    if (load_conf.load == NULL && load_conf.key == NULL) {
        fprintf(stderr, "neither --key nor --load\n");
        return -1;
    }

    if ((load_conf.requests == 0) == (load_conf.duration == 0)) {
        fprintf(stderr, "one of --requests and --duration\n");
        return -1;
    }

    if (load_conf.duration && !load_conf.stream) {
        fprintf(stderr, "--duration needs --stream\n");
        return -1;
    }

    if (load_conf.stream && (load_conf.load || load_conf.save)) {
        fprintf(stderr, "--stream neither loads nor saves\n");
        return -1;
    }

    if ((load_conf.key_id == NULL) != (load_conf.secret == NULL)) {
        fprintf(stderr, "--key-id and --secret are of one merchant\n");
        return -1;
    }

    if (load_conf.connections == 0 || load_conf.threads == 0
        || load_conf.threads > 16 || load_conf.connections > 10000)
    {
        fprintf(stderr, "1 to 10000 connections, 1 to 16 threads\n");
        return -1;
    }

    if (strlen(load_conf.app_id) > LOAD_MAX_ID
        || strlen(load_conf.seller_id) > LOAD_MAX_ID)
    {
        fprintf(stderr, "the app id or the seller id is too long\n");
        return -1;
    }

    return 0;
}


static int
load_usage(void)
{
    const struct option  *opt;

    fprintf(stderr, "usage: paygw-load");

    for (opt = load_opts; opt->name; opt++) {
        fprintf(stderr, " [--%s%s]", opt->name,
                opt->has_arg == required_argument ? " VALUE" : "");
    }

    fprintf(stderr, "\n");

    return 2;
}
