# An event is delivered once: duplicates, two at the same time, a shop that
# fails, and a lease that ends.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: what was taken is acked again, and not delivered again
--- callback
my $m = wechat(); my $a = alipay();
($m, $m, $a, $a, $m, $a)
--- ack: 204 204 200 200 204 200
--- result
taken
duplicate duplicate
taken
duplicate duplicate
duplicate duplicate
duplicate duplicate
--- shop: 2



=== TEST 2: a provider's retry has a new time and signature, and the same id
--- callback
wechat(id => 'EV-2-1', order_id => 'T'),
wechat(id => 'EV-2-1', order_id => 'T'),
alipay(id => 'n2-1', order_id => 'T'),
alipay(id => 'n2-1', order_id => 'T', skew => 5)
--- ack: 204 204 200 200
--- result
taken
duplicate duplicate
taken
duplicate duplicate
--- shop: 2



=== TEST 3: another id is another event, and so is another state of a trade
--- callback
wechat(id => 'EV-3-1', order_id => 'T'),
wechat(id => 'EV-3-2', order_id => 'T'),
alipay(id => 'n3-1', order_id => 'T'),
alipay(id => 'n3-1', order_id => 'T', type => 'finished'),
alipay(id => 'n3-1', order_id => 'U', type => 'wait')
--- ack: 204 204 200 200 200
--- result
taken
taken
taken
taken
taken
--- shop: 5



=== TEST 4: two channels have events of their own
--- http_config
    paygw_channel second {
        provider           alipay;
        app_id             2021000000000002;
        seller_id          2088101122136241;
        alipay_public_key  $TEST_NGINX_KEYS/alipay.pem;
    }
--- config
    location = /notify/alipay {
        paygw_notify alipay second;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
alipay(id => 'n4-1'), alipay(id => 'n4-1', app_id => '2021000000000002')
--- ack: 200 200
--- shop: 2



=== TEST 5: two locations of one channel share its events
--- config
    location /notify/ {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location /other/ {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 204);
$m->{target} = '/other/wxpay';
ack_ok(send_callback($m), $m, 204);
is(shop_count(), 1);



=== TEST 6: while the shop works on it, the provider is told to come again
--- shop_plan
({ hold => 'first' }, { hold => 'second' })
--- run
for my $m (wechat(), alipay()) {
    my $name = $m->{provider} eq 'alipay' ? 'second' : 'first';
    my $n = shop_count();
    my $c = begin($m);
    shop_requests($n + 1);
    ack_ok(send_callback($m), $m, 503, 'in flight');
    ack_ok(send_callback($m), $m, 503, 'in flight still');
    shop_release($name);
    ack_ok(finish($c), $m, 200, 'the first one');
    ack_ok(send_callback($m), $m, 200, 'taken before');
    is(shop_count(), $n + 1);
}
is(join(', ', sort { $a cmp $b } results(8)), join ', ',
   ('duplicate duplicate') x 2, ('in_flight in_flight') x 4, ('taken -') x 2);
like(error_log_text(), qr/\[info\] .*payment event "wxpay:EV-\w+:TRANS/);
like(error_log_text(), qr/SUCCESS" is being delivered by another request/);



=== TEST 7: what the shop refuses comes again, as delivery 2 of the same event
--- shop_plan
(500, 404, 302, 503, 200)
--- callback
my $m = wechat();
($m, $m, $m, $m, $m, $m)
--- ack: 502 502 502 502 204 204
--- result
released shop
released shop
released shop
released shop
taken
duplicate duplicate
--- shop
my ($m) = @PaygwTest::Callbacks;
[ map { { header => { 'X-Paygw-Delivery' => $_, 'X-Paygw-Event-Id' =>
                      "wxpay:$m->{id}:TRANSACTION.SUCCESS" },
          event => { delivery => $_ } } } 1 .. 5 ]
--- error_log eval
qr/\[error\] .*payment event "wxpay:EV-\w+:TRANSACTION.SUCCESS" was not taken, the shop answered 500/



=== TEST 8: the same for Alipay
--- shop_plan
(500, 400, 201)
--- callback
my $m = alipay();
($m, $m, $m, $m)
--- ack: 502 502 200 200
--- result
released shop
released shop
taken
duplicate duplicate
--- shop
[ map { { header => { 'X-Paygw-Delivery' => $_ } } } 1 .. 3 ]



=== TEST 9: every 2xx takes the event
--- shop_plan
(200, 201, 202, 204, 299)
--- callback
map { wechat() } 1 .. 5
--- ack: 204 204 204 204 204
--- shop: 5



=== TEST 10: a shop that is not there
--- config
    location = /notify/wxpay {
        paygw_notify wxpay;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_RAND_PORT_9;
    }
    location = /other {
        paygw_notify wxpay;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 502);
$m->{target} = '/other';
ack_ok(send_callback($m), $m, 204);
is(shop_header((shop_requests(1))[0], 'X-Paygw-Delivery'), 2);
--- result
released shop
taken



=== TEST 11: a shop that resets, closes or cuts its answer short
--- shop_plan
({ reset => 1 }, { close => 1 }, { cut => 30 },
 { cut => 90, body => 'x' x 200 }, { raw => "garbage\r\n\r\n" },
 { raw => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab" }, 200)
--- config
    location = /notify/alipay {
        paygw_notify  alipay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
        proxy_next_upstream off;
    }
--- callback
my $m = alipay();
($m) x 7
--- ack: 502 502 502 502 502 502 200
--- shop
[ map { { header => { 'X-Paygw-Delivery' => $_ } } } 1 .. 7 ]



=== TEST 12: a shop that is too slow: the provider hears a failure in time
--- config
    paygw_deliver_timeout 300ms;
    location = /notify/wxpay {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- shop_plan
({ hold => 'late' }, 200)
--- run
my $m = wechat();
my $t = Time::HiRes::time();
ack_ok(send_callback($m), $m, 504);
ok(Time::HiRes::time() - $t < 6 * $PaygwTest::Slow, 'in time');
# the shop may still act on it
ack_ok(send_callback($m), $m, 503, 'the claim stands');
shop_release('late');
# its late answer counts
ok(wait_for(sub { send_callback($m)->{status} == 204 }), 'taken late');
is(shop_count(), 1);
like(error_log_text(), qr/payment event "wxpay:.*" was not taken in time/);



=== TEST 13: a shop that is too slow and then fails
--- config
    paygw_deliver_timeout 300ms;
    location = /notify/alipay {
        paygw_notify  alipay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- shop_plan
({ hold => 'late', status => 500 }, 200)
--- run
my $m = alipay();
ack_ok(send_callback($m), $m, 504);
ack_ok(send_callback($m), $m, 503, 'the claim stands');
shop_release('late');
ok(wait_for(sub { send_callback($m)->{status} == 200 }), 'delivered again');
is(shop_header((shop_requests(2))[1], 'X-Paygw-Delivery'), 2);
is(shop_count(), 2);



=== TEST 14: a shop that never answers: the lease ends it
--- wxpay
lease 1s;
--- config
    paygw_deliver_timeout 200ms;
    location = /notify/wxpay {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- shop_plan
({ hold => 'never' }, 200)
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 504);
ok(wait_for(sub { send_callback($m)->{status} == 204 }, 5), 'taken');
is(shop_header((shop_requests(2))[1], 'X-Paygw-Delivery'), 2);
is(shop_count(), 2);
shop_release('never');
Time::HiRes::sleep(0.2);
ack_ok(send_callback($m), $m, 204, 'the late answer changes nothing');
is(shop_count(), 2);



=== TEST 15: the provider goes away: the shop's answer still counts
--- shop_plan
({ hold => 'on' })
--- run
my $m = wechat();
my $c = begin($m);
shop_requests(1);
abort_client($c);
Time::HiRes::sleep(0.1);
ack_ok(send_callback($m), $m, 503, 'the claim stands');
shop_release('on');
ok(wait_for(sub { send_callback($m)->{status} == 204 }), 'taken');
is(shop_count(), 1);



=== TEST 16: the provider goes away before the shop is asked
--- run
my $m = wechat();
my $raw = $m->raw;
my $c = begin(substr $raw, 0, -1);
abort_client($c);
ack_ok(send_callback($m), $m, 204);
is(shop_count(), 1);
is(shop_header((shop_requests(1))[0], 'X-Paygw-Delivery'), 1);



=== TEST 17: thirty-two copies at the same time: one delivery
--- shop_plan
({ delay => 0.3 })
--- run
for my $m (wechat(), alipay()) {
    my $n = shop_count();
    my @c = map { begin($m) } 1 .. 32;
    my %seen;
    $seen{finish($_)->{status}}++ for @c;
    my $good = $m->{provider} eq 'alipay' ? 200 : 204;
    is(($seen{$good} || 0) + ($seen{503} || 0), 32, "$good or 503");
    ok($seen{$good} >= 1, 'one at least is acked');
    is(shop_count(), $n + 1, 'one delivery');
    ack_ok(send_callback($m), $m, 200, 'taken');
    is(shop_count(), $n + 1, 'still one');
}



=== TEST 18: different events at the same time do not hinder each other
--- run
my @m = map { (wechat(), alipay()) } 1 .. 12;
my @c = map { begin($_) } @m;
ack_ok(finish($c[$_]), $m[$_], 200, "event $_") for 0 .. $#m;
is(shop_count(), 24);
my %ids = map { (shop_header($_, 'X-Paygw-Event-Id') => 1) } shop_requests();
is(scalar keys %ids, 24);



=== TEST 19: six callbacks in one packet on one connection
--- run
my $dup = wechat();
my @m = (wechat(), alipay(), wechat(key => 'rogue'), alipay(key => 'rogue'),
         $dup, $dup);
my @r = pipeline(@m);
my @want = (204, 200, 401, 401, 204, 204);
ack_ok($r[$_], $m[$_], $want[$_], "answer $_") for 0 .. 5;
is(shop_count(), 3);
