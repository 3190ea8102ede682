# Redis gone, frozen, slow to come back: 503 and nothing delivered, and never a
# reload to work again.
use strict;
use warnings;

BEGIN { $ENV{PAYGW_TEST_STORE} = 'redis'; delete $ENV{TEST_NGINX_REDIS_PORT} }

use lib 't/lib';
use PaygwTest;

no_shuffle();
run_tests();

__DATA__

=== TEST 1: Redis gone: nothing is delivered, nothing is acked; back: it works
--- run
my ($a, $b) = (wechat(), alipay());
ack_ok(send_callback($a), $a, 204, 'before');
redis_stop();
ack_ok(send_callback($_), $_, 503, 'gone') for wechat(), $b, alipay();
is(shop_count(), 1, 'nothing delivered');
redis_start();
ok(wait_for(sub { send_callback($b)->{status} == 200 }, 10), 'works again');
is(shop_count(), 2);
is((results(3))[1], 'unavailable store');



=== TEST 2: Redis gone from the beginning
--- run
redis_stop();
my $m = wechat();
ack_ok(send_callback($m), $m, 503);
redis_start();
ok(wait_for(sub { send_callback($m)->{status} == 204 }, 10));
is(shop_header((shop_requests(1))[0], 'X-Paygw-Delivery'), 1);



=== TEST 3: Redis frozen: 503 in time, and nothing delivered
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_REDIS_PORT prefix=frozen:
                timeout=400ms;
--- run
my $m = wechat();
redis_freeze();
my $t = Time::HiRes::time();
my $res = send_callback($m);
my $took = Time::HiRes::time() - $t;
redis_thaw();
ack_ok($res, $m, 503);
ok($took >= 0.3 && $took < 3 * $PaygwTest::Slow, "after $took s");
is(shop_count(), 0);
# what was claimed by the frozen one is released or its lease ends
ok(wait_for(sub { send_callback(wechat())->{status} == 204 }, 10));



=== TEST 4: Redis answers errors: 503, never "duplicate"
--- run
my $m = alipay();
redis_cmd('CONFIG', 'SET', 'maxmemory', '1');
ack_ok(send_callback($m), $m, 503);
redis_cmd('CONFIG', 'SET', 'maxmemory', '0');
is(shop_count(), 0);
is((results(1))[0], 'unavailable store');
ok(wait_for(sub { send_callback($m)->{status} == 200 }, 5));
is(shop_count(), 1);



=== TEST 5: Redis lost its scripts
--- run
my $m = wechat();
ack_ok(send_callback(wechat()), $m, 204);
redis_cmd('SCRIPT', 'FLUSH');
ack_ok(send_callback($m), $m, 204);
# its commit may be sent a second time, with the script
ok(wait_for(sub { send_callback($m)->{status} == 204 }));
is(shop_count(), 2);



=== TEST 6: Redis is gone while the shop works on an event
--- shop_plan
({ hold => 'on' })
--- run
my $m = wechat();
my $c = begin($m);
shop_requests(1);
redis_stop();
shop_release('on');
# the shop has it: to ack is right, and the lost commit is logged
ack_ok(finish($c), $m, 204);
redis_start();
ok(wait_for(sub { error_log_text() =~ /\[error\]/ }));



=== TEST 7: a record that is not ours is an error, not a guess
--- run
my $m = wechat();
redis_cmd('SET', redis_record($m, 'wxpay'), 'something');
ack_ok(send_callback($m), $m, 503);
is(shop_count(), 0);
