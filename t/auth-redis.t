# The nonce in Redis: commands, faults, clients that leave.

use strict;
use warnings;

use lib 't/lib';

BEGIN { $ENV{PAYGW_TEST_STORE} = 'redis' }

use PaygwTest;
use PaygwCall;

our $Config = <<'CONF';
    location ~ ^/ {
        paygw_auth  shop;
        proxy_pass  http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
CONF

worker_connections(1024);

run_tests();

__DATA__

=== TEST 1: one command for a call, with the life of the nonce; E12
--- config eval: $::Config
--- run
my $m = call(body => 'x');
my $before = redis_commands();
answer_ok(send_callback($m), 200);
is(redis_commands() - $before, 1, 'one command');
my ($key) = @{ redis_cmd('KEYS', "${PaygwTest::Prefix}*") };
is($key, "${PaygwTest::Prefix}nonce:{k1}:$m->{nonce}");
my $ttl = redis_cmd('PTTL', $key);
ok($ttl > 650_000 && $ttl <= 660_000, "ttl $ttl");
$before = redis_commands();
answer_ok(send_callback($m), 'REPLAYED');
is(redis_commands() - $before, 1);
ok(redis_cmd('PTTL', $key) <= $ttl, 'a copy does not prolong it');



=== TEST 2: D18: nothing is looked up for a call that nobody has signed
--- config eval: $::Config
--- run
answer_ok(send_callback(call()), 200);
my $before = redis_commands();
for (
    [ secret => 'x' x 34 ],
    [ key => 'nobody' ],
    [ key => 'o1' ],
    [ drop => [ 'X-Nonce' ] ],
    [ time => 1 ],
    [ body => 'x', sign_body => 'y' ],
    [ body => 'x' x 70000 ],
) {
    isnt(send_callback(call(@$_))->{status}, 200, "@$_[0]");
}
is(redis_commands() - $before, 0, 'no command');
--- error_log
client intended to send too large



=== TEST 3: a Redis that stops, and comes back
--- config eval: $::Config
--- run
answer_ok(send_callback(call()), 200);
redis_stop();
answer_ok(send_callback(call(body => 'x')), 'UNAVAILABLE') for 1 .. 3;
redis_start();
ok(wait_for(sub { send_callback(call())->{status} == 200 }, 10), 'again');
--- error_log
redis



=== TEST 4: a Redis that is frozen is waited for, not longer than its timeout
--- config eval: $::Config
--- run
answer_ok(send_callback(call()), 200);
shop_plan();
redis_freeze();
my $t = Time::HiRes::time();
my $res = send_callback(call(body => 'x'));
$t = Time::HiRes::time() - $t;
redis_thaw();
answer_ok($res, 'UNAVAILABLE');
ok($t > 0.5 && $t < 5 * $PaygwTest::Slow, "waited $t s");
is(shop_count(), 0);
ok(wait_for(sub { send_callback(call())->{status} == 200 }, 10), 'again');
--- error_log
redis



=== TEST 5: clients that leave while the store is asked
--- config eval: $::Config
--- run
answer_ok(send_callback(call()), 200);
shop_plan();
redis_freeze();
my @c = map { begin(call(body => $_ % 2 ? 'x' : '')) } 1 .. 20;
Time::HiRes::sleep(0.2);
abort_client($_) for @c;
Time::HiRes::sleep(0.1);
redis_thaw();
ok(wait_for(sub { send_callback(call())->{status} == 200 }, 10),
   'worker alive');
is(shop_count(), 1);
--- error_log
client prematurely closed connection



=== TEST 6: a Redis without the right to write: 503, and the log says why
--- config eval: $::Config
--- run
redis_cmd('ACL', 'SETUSER', 'default', '-set');
answer_ok(send_callback(call()), 'UNAVAILABLE');
redis_cmd('ACL', 'SETUSER', 'default', '+@all');
ok(wait_for(sub { send_callback(call())->{status} == 200 }, 10), 'again');
--- error_log
NOPERM
+set



=== TEST 7: 200 calls at a time on two workers
--- workers: 2
--- config eval: $::Config
--- run
my @m = map { call(body => "n$_") } 1 .. 200;
my @c = map { begin($_) } @m;
my @res = map { finish($_) } @c;
is(scalar(grep { $_->{status} == 200 } @res), 200);
@c = map { begin($_) } @m;
@res = map { finish($_) } @c;
is(scalar(grep { $_->{status} == 401 } @res), 200);
is(shop_count(), 200);
