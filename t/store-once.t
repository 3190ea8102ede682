# Keys that may come once, of either store, driven by "paygw_test_store".

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

worker_connections(1024);

our $Config = '    location = /s { paygw_test_store; }';
our $Key = "k$$-" . time;

sub main::ask {
    my ($args) = @_;
    my $res = finish(begin("GET /s?$args HTTP/1.0\r\n\r\n"));
    chomp(my $body = $res->{body});
    return $body;
}

run_tests();

__DATA__

=== TEST 1: the first one takes it, any other one finds it
--- config eval: $::Config
--- run
like(ask("op=once&key=$::Key-a"), qr/^ok /);
is(ask("op=once&key=$::Key-a"), 'committed') for 1 .. 3;
like(ask("op=once&key=$::Key-b"), qr/^ok /, 'another key');
like(ask("op=once&key=$::Key-A"), qr/^ok /, 'other letters');
like(ask("op=once&key=" . 'x' x 319), qr/^ok /, 'a long key');
is(ask("op=once&key=" . 'x' x 319), 'committed');



=== TEST 2: it is forgotten after its time, which a copy does not prolong
--- config eval: $::Config
--- run
like(ask("op=once&key=$::Key-c&keep=1500"), qr/^ok /);
is(ask("op=once&key=$::Key-c&keep=60000"), 'committed');
Time::HiRes::sleep(2);
like(ask("op=once&key=$::Key-c&keep=60000"), qr/^ok /);
is(ask("op=once&key=$::Key-c&keep=60000"), 'committed');



=== TEST 3: a key and the id of an event never meet
--- config eval: $::Config
--- run
like(ask("op=claim&key=$::Key-d"), qr/^ok 1 /);
like(ask("op=once&key=$::Key-d"), qr/^ok /);
like(ask("op=once&key=$::Key-e"), qr/^ok /);
like(ask("op=claim&key=$::Key-e"), qr/^ok 1 /);



=== TEST 4: many at the same time
--- config eval: $::Config
--- run
is(ask("op=once&key=$::Key-f&n=100"), 'ok=1 committed=99 busy=0 error=0');
is(ask("op=once&key=$::Key-g&n=1000&spread=1"),
   'ok=1000 committed=0 busy=0 error=0');
is(ask("op=once&key=$::Key-g&n=1000&spread=1"),
   'ok=0 committed=1000 busy=0 error=0');



=== TEST 5: of several workers
--- workers: 4
--- config eval: $::Config
--- run
for my $i (1 .. 10) {
    my @c = map { begin("GET /s?op=once&key=$::Key-h$i HTTP/1.0\r\n\r\n") }
            1 .. 16;
    my @got = map { finish($_)->{body} } @c;
    is(scalar(grep { /^ok / } @got), 1);
    is(scalar(grep { /^committed/ } @got), 15);
}



=== TEST 6: one that nobody waits for is noted all the same
--- config eval: $::Config
--- run
is(ask("op=once&key=$::Key-i&cancel=1"), 'cancelled');
ok(wait_for(sub { ask("op=once&key=$::Key-i") eq 'committed' }));
is(ask("op=once&key=$::Key-i"), 'committed');



=== TEST 7: no key, and one that is too long
--- config eval: $::Config
--- run
is(ask('op=once&key='), 'error');
is(ask('op=once&key=' . 'x' x 321), 'error');
--- error_log
store got an event id of 0 bytes
store got an event id of 321 bytes



=== TEST 8: a zone that is full of living keys refuses, and is free later
--- no_store
--- http_config
    paygw_zone small:32k;
--- config eval: $::Config
--- faulty
--- run
my $got = ask("op=once&key=k&n=2000&spread=1&keep=2500");
like($got, qr/^ok=\d+ committed=0 busy=0 error=[1-9]\d*$/);
my ($ok) = $got =~ /ok=(\d+)/;
cmp_ok($ok, '>', 50);
is(ask("op=once&key=k&n=$ok&spread=1"),
   "ok=0 committed=$ok busy=0 error=0", 'none was given up');
like(ask('op=claim&key=e'), qr/^ok 1 /, 'an event has room');
Time::HiRes::sleep(3);
is(ask("op=once&key=n&n=50&spread=1"),
   "ok=50 committed=0 busy=0 error=0", 'their time is over');
--- error_log
could not allocate record of call in paygw zone "small"



=== TEST 9: keys find the room of events whose time is over
--- no_store
--- http_config
    paygw_zone small:32k;
--- config eval: $::Config
--- faulty
--- run
like(ask("op=claim&key=k&n=2000&spread=1&keep=2500&lease=10"),
     qr/^ok=\d+ committed=0 busy=0 error=[1-9]\d*$/);
is(ask('op=once&key=e'), 'error');
Time::HiRes::sleep(3);
is(ask("op=once&key=n&n=50&spread=1"),
   "ok=50 committed=0 busy=0 error=0");
--- error_log
could not allocate event in paygw zone "small"
could not allocate record of call in paygw zone "small"
