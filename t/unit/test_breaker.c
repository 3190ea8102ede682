
/*
 * Copyright (C) the paygw authors
 */


#include "test.h"
#include "ngx_paygw_breaker.h"
#include "ngx_paygw_retry.h"


/* The clock is the test's own: milliseconds of nowhere. */


static void test_breaker_opens(void);
static void test_breaker_share(void);
static void test_breaker_window(void);
static void test_breaker_death(void);
static void test_breaker_blip(void);
static void test_breaker_idle(void);
static void test_breaker_probe(void);
static void test_breaker_lost(void);
static void test_breaker_dropped(void);
static void test_breaker_late(void);
static void test_breaker_wrap(void);
static void test_breaker_changed(void);
static void test_breaker_random(void);
static void test_hosts(void);
static void test_retry_pauses(void);

static ngx_uint_t test_breaker_calls(ngx_paygw_breaker_t *b, ngx_msec_t now,
    const char *calls);
static ngx_int_t test_breaker_ask(ngx_paygw_breaker_t *b, ngx_msec_t now);
static ngx_int_t test_breaker_tell(ngx_paygw_breaker_t *b, ngx_msec_t now,
    ngx_uint_t ticket, ngx_uint_t failed);


static ngx_paygw_breaker_conf_t  test_breaker_conf = {
    10, 50, 10000, 5000
};

static ngx_paygw_breaker_sum_t  test_breaker_sum;

static ngx_uint_t  test_breaker_ticket;
static ngx_msec_t  test_breaker_wait;


void
test_breaker(void)
{
    test_breaker_opens();
    test_breaker_share();
    test_breaker_window();
    test_breaker_death();
    test_breaker_blip();
    test_breaker_idle();
    test_breaker_probe();
    test_breaker_lost();
    test_breaker_dropped();
    test_breaker_late();
    test_breaker_wrap();
    test_breaker_changed();
    test_breaker_random();
    test_hosts();
    test_retry_pauses();
}


/* calls of one moment, "x" for one that fails; returns the state */

static ngx_uint_t
test_breaker_calls(ngx_paygw_breaker_t *b, ngx_msec_t now, const char *calls)
{
    ngx_uint_t  ticket;
    ngx_msec_t  wait;

    for ( /* void */ ; *calls; calls++) {

        if (ngx_paygw_breaker_ask(b, &test_breaker_conf, now, 4000, &ticket,
                                  &wait)
            == NGX_OK)
        {
            (void) test_breaker_tell(b, now, ticket, *calls == 'x');
        }
    }

    return b->state;
}


static ngx_int_t
test_breaker_ask(ngx_paygw_breaker_t *b, ngx_msec_t now)
{
    return ngx_paygw_breaker_ask(b, &test_breaker_conf, now, 4000,
                                 &test_breaker_ticket, &test_breaker_wait);
}


static ngx_int_t
test_breaker_tell(ngx_paygw_breaker_t *b, ngx_msec_t now, ngx_uint_t ticket,
    ngx_uint_t failed)
{
    return ngx_paygw_breaker_tell(b, &test_breaker_conf, now, ticket, failed,
                                  &test_breaker_sum);
}


static void
test_breaker_opens(void)
{
    ngx_uint_t           i, ticket;
    ngx_msec_t           wait;
    ngx_paygw_breaker_t  b;

    ngx_memzero(&b, sizeof(b));

    for (i = 0; i < 10; i++) {
        is_int(ngx_paygw_breaker_ask(&b, &test_breaker_conf, 1000, 4000,
                                     &ticket, &wait),
               NGX_OK, "breaker: passes");
        is_int(test_breaker_tell(&b, 1000, ticket, 1),
               i < 9 ? NGX_OK : NGX_DONE, "breaker: opens at the tenth");
    }

    is_int(b.state, NGX_PAYGW_BREAKER_OPEN, "breaker: is open");
    is_int(test_breaker_ask(&b, 1000), NGX_BUSY, "breaker: open");
    is_int(test_breaker_wait, 5000, "breaker: for how long");
    is_int(test_breaker_ask(&b, 5999), NGX_BUSY, "breaker: still open");
    is_int(test_breaker_wait, 1, "breaker: for how long still");
}


static void
test_breaker_share(void)
{
    ngx_paygw_breaker_t  b;

    ngx_memzero(&b, sizeof(b));
    is_int(test_breaker_calls(&b, 1000, "xxxxxxxxx"), 0, "breaker: 9 of 9");

    ngx_memzero(&b, sizeof(b));
    is_int(test_breaker_calls(&b, 1000, "xxxx.....x"), 2,
           "breaker: 5 of 10");

    ngx_memzero(&b, sizeof(b));
    is_int(test_breaker_calls(&b, 1000, "xxxx......x"), 0,
           "breaker: 5 of 11");

    ngx_memzero(&b, sizeof(b));
    is_int(test_breaker_calls(&b, 1000, "xxxxxxxxx."), 0,
           "breaker: nothing opens it but a failure");
    is_int(test_breaker_calls(&b, 1000, "x"), 2, "breaker: which this is");

    ngx_memzero(&b, sizeof(b));
    is_int(test_breaker_calls(&b, 1000, "....................xxxxxxxxxxxxxxxx"
                                        "xxx"),
           0, "breaker: 19 of 39");
    is_int(test_breaker_calls(&b, 1000, "x"), 2, "breaker: 20 of 40");
}


/* what is older than the window does not count, and nothing newer is lost */

static void
test_breaker_window(void)
{
    ngx_paygw_breaker_t        b;
    ngx_paygw_breaker_sum_t    sum;

    ngx_memzero(&b, sizeof(b));
    (void) test_breaker_calls(&b, 100000, "xxxxx");
    (void) test_breaker_calls(&b, 104000, "....");
    is_int(test_breaker_calls(&b, 108999, "x"), 2, "window: all of them");

    ngx_memzero(&b, sizeof(b));
    (void) test_breaker_calls(&b, 100000, "xxxxx");
    (void) test_breaker_calls(&b, 104000, "....");
    is_int(test_breaker_calls(&b, 110000, "x"), 0, "window: without the old");
    ngx_paygw_breaker_sum(&b, NGX_PAYGW_BREAKER_SLICES, &sum);
    is_int(sum.calls, 5, "window: what is left");
    is_int(sum.failures, 1, "window: what of it has failed");

    ngx_memzero(&b, sizeof(b));
    for (sum.calls = 0; sum.calls < 100; sum.calls++) {
        (void) test_breaker_calls(&b, 100000 + 1000 * sum.calls, ".");
    }
    ngx_paygw_breaker_sum(&b, NGX_PAYGW_BREAKER_SLICES, &sum);
    is_int(sum.calls, 10, "window: one each second");
}


/* a provider who was well, and dies: how long it takes, at several rates */

static void
test_breaker_death(void)
{
    ngx_uint_t           rate, i;
    ngx_msec_t           now, death, worst, least;
    ngx_paygw_breaker_t  b;

    for (rate = 20; rate <= 1000; rate *= 7) {

        now = 0;
        worst = 0;
        least = 10000;

        for (death = 60000; death < 60500; death += 10) {

            ngx_memzero(&b, sizeof(b));

            for (i = 0; b.state == 0 && i < 70 * rate; i++) {
                now = i * 1000 / rate;
                (void) test_breaker_calls(&b, now, now < death ? "." : "x");
            }

            worst = ngx_max(worst, now - death);
            least = ngx_min(least, now - death);
        }

        ok(worst < 1000, "death: %lu calls a second: %lu ms at worst",
           (unsigned long) rate, (unsigned long) worst);
        ok(least >= 200, "death: %lu calls a second: %lu ms at least",
           (unsigned long) rate, (unsigned long) least);
    }

    is_int(test_breaker_sum.time, 1000, "death: what has opened it");
}


/* where there are many calls, a tenth of a second of trouble is not much */

static void
test_breaker_blip(void)
{
    ngx_uint_t           i, opened;
    ngx_msec_t           now, blip;
    ngx_paygw_breaker_t  b;

    opened = 0;

    for (blip = 60000; blip < 60500; blip += 10) {

        ngx_memzero(&b, sizeof(b));

        for (i = 0; i < 70000; i++) {
            now = i;
            (void) test_breaker_calls(&b, now,
                                      (now < blip || now >= blip + 100)
                                      ? "." : "x");
        }

        opened += (b.turn != 0);
    }

    is_int(opened, 0, "blip: is not heard");
}


static void
test_breaker_idle(void)
{
    ngx_paygw_breaker_t        b;
    ngx_paygw_breaker_sum_t    sum;

    ngx_memzero(&b, sizeof(b));
    (void) test_breaker_calls(&b, 1000, "xxxxxxxxx");
    is_int(test_breaker_calls(&b, 1000 + 86400000, "x"), 0, "idle: forgotten");
    ngx_paygw_breaker_sum(&b, NGX_PAYGW_BREAKER_SLICES, &sum);
    is_int(sum.calls, 1, "idle: counted anew");
}


static void
test_breaker_probe(void)
{
    ngx_uint_t           i;
    ngx_paygw_breaker_t  b;

    ngx_memzero(&b, sizeof(b));
    (void) test_breaker_calls(&b, 1000, "xxxxxxxxxx");

    is_int(test_breaker_ask(&b, 6000), NGX_DONE, "probe: when it is time");
    is_int(b.state, NGX_PAYGW_BREAKER_HALF, "probe: half-open");

    for (i = 0; i < 4000; i += 500) {
        ngx_uint_t  ticket;
        ngx_msec_t  wait;

        is_int(ngx_paygw_breaker_ask(&b, &test_breaker_conf, 6000 + i, 4000,
                                     &ticket, &wait),
               NGX_BUSY, "probe: one, whoever asks");
    }

    /* from probe to probe, however long one takes */

    is_int(test_breaker_tell(&b, 8000, test_breaker_ticket, 1),
           NGX_DONE, "probe: fails");
    is_int(b.state, NGX_PAYGW_BREAKER_OPEN, "probe: open again");
    is_int(test_breaker_ask(&b, 10999), NGX_BUSY, "probe: not before");
    is_int(test_breaker_ask(&b, 11000), NGX_DONE, "probe: the next");
    is_int(test_breaker_tell(&b, 11100, test_breaker_ticket, 0),
           NGX_DONE, "probe: succeeds");
    is_int(b.state, NGX_PAYGW_BREAKER_CLOSED, "probe: closed");
    is_int(test_breaker_calls(&b, 11200, "xxxxxxxxx"), 0,
           "probe: what was before is forgotten");
}


static void
test_breaker_lost(void)
{
    ngx_uint_t           lost;
    ngx_paygw_breaker_t  b;

    ngx_memzero(&b, sizeof(b));
    (void) test_breaker_calls(&b, 1000, "xxxxxxxxxx");

    is_int(test_breaker_ask(&b, 6000), NGX_DONE, "lost: the probe");
    lost = test_breaker_ticket;
    is_int(test_breaker_ask(&b, 9999), NGX_BUSY, "lost: may still come");
    is_int(test_breaker_ask(&b, 10000), NGX_DONE, "lost: another one");
    is_int(test_breaker_ask(&b, 10001), NGX_BUSY, "lost: one alone");

    is_int(test_breaker_tell(&b, 10001, lost, 1),
           NGX_OK, "lost: the first comes back");
    is_int(b.state, NGX_PAYGW_BREAKER_HALF, "lost: and is not heard");
    is_int(test_breaker_tell(&b, 10002, test_breaker_ticket, 0),
           NGX_DONE, "lost: the second is");
    is_int(b.state, NGX_PAYGW_BREAKER_CLOSED, "lost: closed");
}


static void
test_breaker_dropped(void)
{
    ngx_uint_t           ticket;
    ngx_msec_t           wait;
    ngx_paygw_breaker_t  b;

    ngx_memzero(&b, sizeof(b));
    is_int(ngx_paygw_breaker_ask(&b, &test_breaker_conf, 1000, 4000, &ticket,
                                 &wait),
           NGX_OK, "dropped: a call");
    is_int(ngx_paygw_breaker_drop(&b, 1000, ticket), NGX_OK,
           "dropped: of no interest");

    (void) test_breaker_calls(&b, 1000, "xxxxxxxxxx");
    is_int(ngx_paygw_breaker_drop(&b, 1000, ticket), NGX_OK,
           "dropped: of another time");
    is_int(test_breaker_ask(&b, 6000), NGX_DONE, "dropped: the probe");
    is_int(ngx_paygw_breaker_drop(&b, 6100, ticket), NGX_OK,
           "dropped: another one");
    is_int(b.state, NGX_PAYGW_BREAKER_HALF, "dropped: it is still out");
    is_int(ngx_paygw_breaker_drop(&b, 6500, test_breaker_ticket), NGX_DONE,
           "dropped: it is not sent");
    is_int(b.state, NGX_PAYGW_BREAKER_OPEN, "dropped: open");
    is_int(test_breaker_ask(&b, 6500), NGX_DONE, "dropped: the next at once");
}


/* calls that were under way when the state has changed */

static void
test_breaker_late(void)
{
    ngx_uint_t           i, early;
    ngx_paygw_breaker_t  b;

    ngx_memzero(&b, sizeof(b));
    (void) test_breaker_ask(&b, 1000);
    early = test_breaker_ticket;
    (void) test_breaker_calls(&b, 1000, "xxxxxxxxxx");

    is_int(test_breaker_tell(&b, 1500, early, 0),
           NGX_OK, "late: a success");
    is_int(b.state, NGX_PAYGW_BREAKER_OPEN, "late: does not close it");

    (void) test_breaker_ask(&b, 6000);
    (void) test_breaker_tell(&b, 6000, test_breaker_ticket, 0);

    for (i = 0; i < 20; i++) {
        (void) test_breaker_tell(&b, 6001, early, 1);
    }

    is_int(b.state, NGX_PAYGW_BREAKER_CLOSED, "late: failures open nothing");
}


static void
test_breaker_wrap(void)
{
    ngx_msec_t           end;
    ngx_paygw_breaker_t  b;

    end = (ngx_msec_t) -1;

    ngx_memzero(&b, sizeof(b));
    (void) test_breaker_calls(&b, end - 3000, "xxxxx");
    is_int(test_breaker_calls(&b, 2000, "xxxx"), 0, "wrap: 9");
    is_int(test_breaker_calls(&b, 2500, "x"), 2, "wrap: 10");
    is_int(test_breaker_ask(&b, 7499), NGX_BUSY, "wrap: open");
    is_int(test_breaker_ask(&b, 7500), NGX_DONE, "wrap: probe");

    ngx_memzero(&b, sizeof(b));
    (void) test_breaker_calls(&b, end - 1000, "xxxxxxxxxx");
    is_int(test_breaker_ask(&b, end), NGX_BUSY, "wrap: open before");
    is_int(test_breaker_ask(&b, 3998), NGX_BUSY, "wrap: open after");
    is_int(test_breaker_ask(&b, 3999), NGX_DONE, "wrap: probe after");

    /* a worker whose clock is a little behind */

    ngx_memzero(&b, sizeof(b));
    (void) test_breaker_calls(&b, 5000, "xxxxx");
    is_int(test_breaker_calls(&b, 4995, "xxxxx"), 2, "wrap: behind");
}


/* another configuration of the same channel */

static void
test_breaker_changed(void)
{
    ngx_uint_t                 ticket;
    ngx_msec_t                 wait;
    ngx_paygw_breaker_t        b;
    ngx_paygw_breaker_conf_t   conf;
    ngx_paygw_breaker_sum_t    sum;

    conf = test_breaker_conf;
    conf.window = 60000;

    ngx_memzero(&b, sizeof(b));
    (void) test_breaker_calls(&b, 1000, "xxxxxxxxx");
    (void) ngx_paygw_breaker_ask(&b, &conf, 1000, 4000, &ticket, &wait);
    is_int(ngx_paygw_breaker_tell(&b, &conf, 1000, ticket, 1, &sum), NGX_OK,
           "changed: another window");
    ngx_paygw_breaker_sum(&b, NGX_PAYGW_BREAKER_SLICES, &sum);
    is_int(sum.calls, 1, "changed: begins anew");

    conf.window = 5;
    conf.requests = 1;
    conf.failures = 100;
    is_int(ngx_paygw_breaker_tell(&b, &conf, 2000, ticket, 1, &sum), NGX_DONE,
           "changed: less than a slice each");
    is_int(b.state, NGX_PAYGW_BREAKER_OPEN, "changed: open");
}


/* against one that keeps every call, and counts them all each time */

#define TEST_BREAKER_CALLS  4000

static void
test_breaker_random(void)
{
    static struct {
        ngx_msec_t   time;
        ngx_uint_t   failed;
    } kept[TEST_BREAKER_CALLS];

    ngx_int_t                  i, k, wrong;
    ngx_msec_t                 now;
    ngx_uint_t                 least, most;
    ngx_paygw_breaker_t        b;
    ngx_paygw_breaker_conf_t   conf;
    ngx_paygw_breaker_sum_t    sum;

    conf = test_breaker_conf;
    conf.requests = TEST_BREAKER_CALLS + 1;

    ngx_memzero(&b, sizeof(b));
    srandom(1);

    now = 123456;
    wrong = 0;

    for (i = 0; i < TEST_BREAKER_CALLS; i++) {

        now += random() % ((random() % 50) ? 200 : 20000);

        kept[i].time = now;
        kept[i].failed = random() % 2;

        (void) ngx_paygw_breaker_tell(&b, &conf, now, 0, kept[i].failed,
                                      &sum);
        ngx_paygw_breaker_sum(&b, NGX_PAYGW_BREAKER_SLICES, &sum);

        /* the oldest slice may be gone, and nothing beyond the window counts */

        least = 0;
        most = 0;

        for (k = i; k >= 0; k--) {
            least += (now - kept[k].time < 9000);
            most += (now - kept[k].time < 10000);
        }

        wrong += (sum.calls < least || sum.calls > most
                  || sum.failures > sum.calls);
    }

    is_int(wrong, 0, "random: as counted one by one");
}


static void
test_hosts(void)
{
    ngx_paygw_hosts_t  h;

    ngx_memzero(&h, sizeof(h));

    is_int(ngx_paygw_hosts_pick(&h, 3, 0, 1000), 0, "hosts: the first");
    is_int(ngx_paygw_hosts_pick(&h, 3, 1, 1000), 1, "hosts: the second");
    is_int(ngx_paygw_hosts_pick(&h, 3, 5, 1000), 1, "hosts: what is left");
    is_int(ngx_paygw_hosts_pick(&h, 3, 7, 1000), 3, "hosts: none");

    ngx_paygw_hosts_tell(&h, 0, 1, 1000);
    is_int(ngx_paygw_hosts_pick(&h, 3, 0, 1000), 1, "hosts: one is away");
    is_int(ngx_paygw_hosts_pick(&h, 3, 6, 1000), 0, "hosts: no other");
    is_int(ngx_paygw_hosts_pick(&h, 3, 0, 10999), 1, "hosts: still");
    is_int(ngx_paygw_hosts_pick(&h, 3, 0, 11000), 0, "hosts: its turn");
    is_int(ngx_paygw_hosts_pick(&h, 3, 0, 11000), 1, "hosts: of one call");
    is_int(ngx_paygw_hosts_pick(&h, 3, 0, 21000), 0, "hosts: and another");

    ngx_paygw_hosts_tell(&h, 0, 0, 21100);
    is_int(ngx_paygw_hosts_pick(&h, 3, 0, 21100), 0, "hosts: back");

    ngx_paygw_hosts_tell(&h, 0, 1, 30000);
    ngx_paygw_hosts_tell(&h, 1, 1, 30000);
    ngx_paygw_hosts_tell(&h, 2, 1, 30000);
    is_int(ngx_paygw_hosts_pick(&h, 3, 0, 30000), 0, "hosts: all away");
    is_int(ngx_paygw_hosts_pick(&h, 3, 1, 30000), 1, "hosts: the next then");
}


static void
test_retry_pauses(void)
{
    ngx_uint_t         i, least, most;
    ngx_msec_t         pause;
    ngx_paygw_retry_t  r;

    static const ngx_msec_t  plain[] = { 1000, 2000, 4000, 8000 };
    static const ngx_msec_t  slow[] = { 200, 300, 450, 675 };

    r.tries = 10;
    r.base = 1000;
    r.factor = 200;
    r.jitter = 0;

    for (i = 0; i < 4; i++) {
        is_int(ngx_paygw_retry_pause(&r, i, 12345), plain[i], "retry: pause");
    }

    r.base = 200;
    r.factor = 150;

    for (i = 0; i < 4; i++) {
        is_int(ngx_paygw_retry_pause(&r, i, 12345), slow[i],
               "retry: slower");
    }

    r.factor = 100;
    is_int(ngx_paygw_retry_pause(&r, 9, 1), 200, "retry: all the same");

    r.base = 1000;
    r.factor = 10000;
    is_int(ngx_paygw_retry_pause(&r, 1000000, 1), 3600000, "retry: an end");

    r.factor = 200;

    for (i = 50; i < 80; i++) {
        if (ngx_paygw_retry_pause(&r, i, 1) != 3600000) {
            break;
        }
    }

    is_int(i, 80, "retry: no pause wraps around");

    r.jitter = 1000;
    is_int(ngx_paygw_retry_pause(&r, 50, 999), 3600000,
           "retry: nor is one longer by its jitter");
    least = 0;
    most = 0;

    for (i = 0; i < 10000; i++) {
        pause = ngx_paygw_retry_pause(&r, 1, i * 7919);

        if (pause < 2000 || pause > 3000) {
            break;
        }

        least += (pause < 2100);
        most += (pause > 2900);
    }

    is_int(i, 10000, "retry: jitter is within");
    ok(least > 500 && most > 500, "retry: jitter is everywhere");
}
