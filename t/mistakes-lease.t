# D14: a claim that ends before the call that it stands for is over lets a
# second call begin.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use FakeRedis;

# Copies of a callback, one after the other, until the first one is answered;
# $do is called as soon as the shop has the event, and returns true when it has
# done what it is for.  Returns the answers to the first and to the copies.

sub main::flood {
    my ($m, $do) = @_;

    my $n = shop_count();
    my $c = begin($m);
    shop_requests($n + 1);

    my @copies;
    my $done;
    my $begin = Time::HiRes::time();

    while (!IO::Select->new($c->{sock})->can_read(0.05)) {
        push @copies, begin($m);
        $done ||= $do->(Time::HiRes::time() - $begin);
        die "no answer\n" if @copies > 400;
    }

    my $first = finish($c);
    return $first, map { finish($_) } @copies;
}

# A Redis whose first answer on a connection comes three seconds late: the
# claim was made then, but nobody hears of it.

our $Late = FakeRedis->start(sub {
    my ($conn) = @_;
    for (my $i = 0; $conn->read; $i++) {
        $conn->pause(3) if $i == 0;
        $conn->write(":1\r\n") or return;
    }
});

our $LateStore = 'paygw_store redis://127.0.0.1:' . $Late->port
                 . " timeout=20s;\n";

run_tests();

__DATA__

=== TEST 1: D14: copies all the time while the shop works: one delivery
--- wxpay
lease 5s;
--- alipay
lease 5s;
--- shop_plan
({ hold => 'first' }, { hold => 'second' })
--- run
for my $m (wechat(), alipay()) {
    my $n = shop_count();
    my $hold = $n ? 'second' : 'first';
    # the shop needs 2.5 of the 4 seconds that it has
    my ($first, @copies) = main::flood($m, sub {
        return 0 if $_[0] < 2.5;
        shop_release($hold);
        return 1;
    });
    ack_ok($first, $m, 200, 'in time');
    cmp_ok(scalar @copies, '>', 10, 'many copies');
    my %seen;
    $seen{$_->{status}}++ for @copies;
    my $good = delete($seen{$m->{provider} eq 'alipay' ? 200 : 204}) // 0;
    # but for those that were read after the shop had answered
    cmp_ok(delete $seen{503}, '>=', 0.8 * @copies, 'told to come again');
    is(join(' ', %seen), '', 'and nothing else');
    ack_ok(send_callback($m), $m, 200, 'taken');
    is(shop_count(), $n + 1, 'one delivery');
}



=== TEST 2: D14: copies all the time while a slow shop works: one delivery
--- config
    paygw_deliver_timeout 1s;
    location = /notify/wxpay {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- shop_plan
({ hold => 'slow' })
--- run
my $m = wechat();
my ($first, @copies) = main::flood($m, sub { 0 });
ack_ok($first, $m, 504, 'the time of the provider is over');
is((grep { $_->{status} != 503 } @copies), 0, 'told to come again');
# but the lease is not, nor is the call
for (1 .. 30) {
    my $res = send_callback($m);
    is($res->{status}, 503) if $res->{status} != 503;
    Time::HiRes::sleep(0.05);
}
shop_release('slow');
ok(wait_for(sub { send_callback($m)->{status} == 204 }, 5), 'taken');
is(shop_count(), 1, 'one delivery');



=== TEST 3: D14: a lease that is not longer than the time of the shop
--- wxpay
lease 4s;
--- must_die
--- error_log
"lease" 4000ms of channel "wxpay" is not longer than "paygw_deliver_timeout" 4000ms



=== TEST 4: D14: the shortest lease there is, and the time that nobody has set
--- alipay
lease 1s;
--- must_die
--- error_log
"lease" 1000ms of channel "alipay" is not longer than "paygw_deliver_timeout" 4000ms



=== TEST 5: D14: the lease that nobody has set
--- config
    location = /notify/wxpay {
        paygw_notify           wxpay;
        paygw_deliver_timeout  30s;
        proxy_pass             http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"lease" 30000ms of channel "wxpay" is not longer than "paygw_deliver_timeout" 30000ms



=== TEST 6: D14: one of several channels, and a timeout from further up
--- http_config
    paygw_deliver_timeout  6s;
    paygw_channel second {
        provider           alipay;
        app_id             2021000000000002;
        seller_id          2088101122136241;
        alipay_public_key  $TEST_NGINX_KEYS/alipay.pem;
        lease              5s;
    }
--- config
    location = /notify/alipay {
        paygw_notify alipay second;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- must_die
--- error_log
"lease" 5000ms of channel "second" is not longer than "paygw_deliver_timeout" 6000ms



=== TEST 7: D14: less is left of the lease than the shop may take: no delivery
--- no_store
--- http_config eval: "paygw_zone z:1m; $main::LateStore"
--- wxpay
lease 6s;
--- run
my $m = wechat();
my $from = () = $main::Late->seen;
ack_ok(send_callback($m, timeout => 15), $m, 503, 'too late');
is(shop_count(), 0, 'nothing was delivered');
like(error_log_text(), qr/\[error\] .*store has claimed payment event "wxpay:/);
like(error_log_text(), qr/SUCCESS" too late, \d+ms of its lease are left/);
my @seen;
ok(wait_for(sub { @seen = $main::Late->seen; @seen >= $from + 2 }),
   'a second command');
unlike($seen[-1], qr/ \S+ \d+ paid 6000$/, 'it is no claim');
ack_ok(send_callback($m), $m, 204, 'the next one is in time');
is(shop_count(), 1);
--- result
unavailable store
taken



=== TEST 8: D14: what a late claim has used up counts: the shop is given up
--- no_store
--- http_config eval: "paygw_zone z:1m; $main::LateStore"
--- wxpay
lease 8s;
--- config
    paygw_deliver_timeout 1s;
    location = /notify/wxpay {
        paygw_notify        wxpay;
        proxy_read_timeout  60s;
        proxy_pass          http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- shop_plan
({ hold => 'never' })
--- run
# asked at 0, heard at 3, 504 at 4; the lease ends at 8, at 11 for who forgets
my $m = wechat();
my $begin = Time::HiRes::time();
ack_ok(send_callback($m, timeout => 15), $m, 504, 'too slow');
ok(wait_for(sub { error_log_text() =~ /was not taken within its lease/ }, 15));
cmp_ok(Time::HiRes::time() - $begin, '<', 9, 'before another one may begin')
    if $PaygwTest::Slow == 1;
