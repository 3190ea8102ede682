# What merchants can fill of a zone: calls, and whoever has a key can make as
# many as it likes, leave a quarter of it to events.

use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwCall;

our $Config = '    location = /s { paygw_test_store; }';

our $Both = $Config . <<'CONF';
    location /notify/wxpay {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /notify/alipay {
        paygw_notify  alipay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /api {
        paygw_auth         shop;
        paygw_idempotency  on;
        proxy_pass         http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
CONF

worker_connections(1024);

sub main::ask {
    my ($args) = @_;
    my $res = finish(begin("GET /s?$args HTTP/1.0\r\n\r\n"));
    chomp(my $body = $res->{body});
    return $body;
}

# how many of them find room
sub main::fill {
    my ($n) = ask("$_[0]&n=2000&spread=1") =~ /^ok=(\d+) committed=0 busy=0 /;
    return $n // 'no answer';
}

# events of all sizes that their records may have
sub main::room {
    my ($name) = @_;
    for my $len (8, 100, 300) {
        like(ask('op=claim&key=' . $name . 'e' x $len), qr/^ok 1 /,
             "$name: an event of $len bytes");
    }
}

run_tests();

__DATA__

=== TEST 1: nonces of a merchant are refused, and callbacks are not
--- no_store
--- http_config
    paygw_zone small:64k;
--- config eval: $::Both
--- faulty
--- run
my ($res, $n) = (undef, 0);
do {
    $res = send_callback(call(target => '/api/x', body => ''));
} while $res->{status} == 200 && $n++ < 1000;
answer_ok($res, 'UNAVAILABLE');
cmp_ok($n, '>', 200, 'calls');
for (1 .. 10) {
    send_callback(call(target => '/api/x', body => '')) for 1 .. 3;
    shop_plan();
    ack_ok(send_callback($_), $_, 200) for wechat(), alipay();
    is(shop_count(), 2);
}
--- error_log
could not allocate record of call in paygw zone "small", the share of calls is used up



=== TEST 2: what comes once
--- no_store
--- http_config
    paygw_zone small:64k;
--- config eval: $::Config
--- faulty
--- run
cmp_ok(fill('op=once&key=n'), '>', 200);
room('once');



=== TEST 3: limits
--- no_store
--- http_config
    paygw_zone small:64k;
--- config eval: $::Config
--- faulty
--- run
my $n = 0;
$n++ while $n < 1000 && ask("op=limit&limits=n$n:x/1/3600000000/0") =~ /^ok/;
cmp_ok($n, '>', 200);
is(ask("op=limit&limits=m$_:x/1/3600000000/0"), 'error') for 1 .. 5;
room('limit');



=== TEST 4: calls to be run once
--- no_store
--- http_config
    paygw_zone small:64k;
--- config eval: $::Config
--- faulty
--- run
cmp_ok(fill('op=begin&key=n'), '>', 100);
room('begin');



=== TEST 5: their answers
--- no_store
--- http_config
    paygw_zone small:64k;
--- config eval: $::Config
--- faulty
--- run
my ($kept, $gone) = (0, 0);
for my $size (20000, 3000, 2000, 900, 400, 200, 100, 50, 20) {
    for my $i (1 .. 20) {
        my $got = ask("op=begin&key=$size-$i&print=p");
        my ($t) = $got =~ /^ok 1 (\S+)/ or next;
        $got = ask("op=finish&key=$size-$i&print=p&token=$t&size=$size");
        $got =~ /^ok/ ? $kept++ : $gone++;
    }
}
cmp_ok($kept, '>', 2);
cmp_ok($gone, '>', 3);
room('answer');



=== TEST 6: all of them together
--- no_store
--- http_config
    paygw_zone small:128k;
--- config eval: $::Config
--- faulty
--- run
cmp_ok(fill('op=once&key=n'), '>', 400);
fill('op=begin&key=n');
ask('op=limit&limits=' . 'l' x 200 . "$_:x/1/3600000000/0") for 1 .. 40;
fill('op=once&key=' . 'l' x 300);
room('all');



=== TEST 7: one record that lives on in each page
--- no_store
--- http_config
    paygw_zone small:128k;
--- config eval: $::Config
--- faulty
--- run
# with every size of chunks the same: when the others are over few bytes are
# taken, and all of the pages

for my $len (5, 100, 250) {
    my $n = 0;
    for my $i (1 .. 200) {
        my $key = 'k' x $len . $i;
        $n++ if ask("op=once&keep=600000&key=$key") =~ /^ok/;
        last if ask("op=once&keep=1200&key=$key&n=7&spread=1") !~ /^ok=7 /;
    }
    cmp_ok($n, '>', 50, "$n of $len bytes") if $len == 5;
    Time::HiRes::sleep(2.2);
}
room('pages');



=== TEST 8: the share is free again when their time is over
--- no_store
--- http_config
    paygw_zone small:64k;
--- config eval: $::Config
--- faulty
--- run
my $n = fill('op=once&keep=4000&key=a');
cmp_ok($n, '>', 200);
is(ask('op=limit&limits=a:x/1/3600000000/0'), 'error', 'a limit');
is(ask('op=begin&key=' . 'a' x 100), 'error', 'a call');
room('full');
Time::HiRes::sleep(5);
like(ask('op=limit&limits=b:x/1/3600000000/0'), qr/^ok/);
my $t = (split / /, ask('op=begin&key=b&print=p'))[2];
like(ask("op=finish&key=b&print=p&token=$t&size=5000"), qr/^ok/);
cmp_ok(fill('op=once&keep=60000&key=b'), '>', $n / 2);
room('again');



=== TEST 9: events may fill all of it
--- no_store
--- http_config
    paygw_zone small:64k;
--- config eval: $::Config
--- faulty
--- run
my $calls = fill('op=once&keep=1000&key=n');
Time::HiRes::sleep(2);
cmp_ok(fill('op=claim&key=a'), '>', $calls * 1.2);
is(ask('op=once&key=b' . 'b' x 100), 'error');
--- error_log
could not allocate event in paygw zone "small", no record has expired
could not allocate record of call in paygw zone "small", no record has expired



=== TEST 10: pages that are there for events that are over are no share
--- no_store
--- http_config
    paygw_zone small:64k;
--- config eval: $::Config
--- faulty
--- run
for my $i (1 .. 200) {
    ask("op=claim&keep=600000&key=a$i");
    last if ask("op=claim&keep=1200&lease=10&key=a$i&n=7&spread=1")
            !~ /^ok=7 /;
}
Time::HiRes::sleep(2.2);
# each page has a few that live, and gaps: a call to the store looks at two
ask('op=claim&key=z') for 1 .. 200;
cmp_ok(fill('op=once&key=n'), '>', 5, 'nonces');
