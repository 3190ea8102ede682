# E10, E12, E13 and more of what goes wrong around a store, with Redis itself as
# the witness.
use strict;
use warnings;

BEGIN { $ENV{PAYGW_TEST_STORE} = 'redis'; delete $ENV{TEST_NGINX_REDIS_PORT} }

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: E10: nothing of a message that is not genuine reaches the store
--- run
my @m = map { wechat(%$_) }
    { key => 'rogue' }, { serial => 'x' }, { skew => 4000 },
    { signature_prefix => 'WECHATPAY/SIGNTEST/' }, { flip => [ [ 0, 1 ] ] },
    { mchid => '1' }, { appid => 'x' }, { signature => 'x' },
    { method => 'GET', body => '' }, { body => 'x' x 70_000 },
    { body => '', key => 'rogue' }, { envelope => { id => undef } },
    { before => [ [ '{"id":', '{"id":"x","id":' ] ] },
    { tamper => [ [ '}}', '}} ' ] ] },
    { headers => { 'Wechatpay-Nonce' => undef } },
    { headers => { 'Content-Type' => 'text/plain' } },
    { resource => { out_trade_no => undef } };
push @m, map { alipay(%$_) }
    { key => 'rogue' }, { sign => undef }, { sign => '' }, { app_id => '1' },
    { seller_id => '1' }, { skew => -100_000 }, { skew => 4000 },
    { params => { sign_type => 'RSA' } }, { append => [ [ 'sign', 'x' ] ] },
    { change => { total_amount => '1.00' } }, { body => '' },
    { params => { total_amount => 'x' } }, { method => 'PUT' };
my $before = redis_commands();
for (@m) {
    my $res = send_callback($_);
    ok($res->{status} >= 400, "status $res->{status}")
        or diag(JSON::PP->new->encode([ @{$_->{headers}} ]));
}
is(redis_commands() - $before, 0, 'not one command');
is(shop_count(), 0);
my $m = wechat();
ack_ok(send_callback($m), $m, 204);
ok(redis_commands() > $before, 'the witness sees a genuine one');



=== TEST 2: E12: thirty-two copies at once: one delivery, by one atomic command
--- run
my $warm = wechat();
ack_ok(send_callback($warm), $warm, 204);
my $key = redis_record($warm, 'wxpay');
ok(wait_for(sub { (redis_cmd('GET', $key) // '') =~ /^done / }), 'committed');
redis_cmd('CONFIG', 'RESETSTAT');
shop_plan({ delay => 0.2 });
my $m = wechat();
my @c = map { begin($m) } 1 .. 32;
my %seen;
$seen{finish($_)->{status}}++ for @c;
is(shop_count(), 1, 'one delivery');
is(($seen{204} || 0) + ($seen{503} || 0), 32);
ok($seen{204} >= 1);
my %calls;
ok(wait_for(sub {
    my $stats = redis_cmd('INFO', 'commandstats');
    %calls = map { /^cmdstat_(\w+):calls=(\d+)/ ? ($1 => $2) : () }
             split /\r\n/, $stats;
    ($calls{evalsha} || 0) >= 33;
}), 'thirty-two claims and a commit');
is($calls{evalsha}, 33);
is($calls{$_} || 0, 0, $_) for qw(exists setnx eval);



=== TEST 3: E13: a store that fails is 503, and never "duplicate"
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 204);
redis_stop();
for (1 .. 3) {
    # also for what was committed before: we cannot know
    ack_ok(send_callback($m), $m, 503);
    my $a = alipay();
    ack_ok(send_callback($a), $a, 503);
}
is(join(', ', results(7)), join ', ', 'taken -',
   ('unavailable store') x 6);
is(shop_count(), 1, 'nothing was delivered');
redis_start();



=== TEST 4: E13: a store that answers with an error is 503, and never "duplicate"
--- run
my $m = alipay();
redis_cmd('SET', redis_record($m, 'alipay'), 'x');
ack_ok(send_callback($m), $m, 503);
is((results(1))[0], 'unavailable store');
is(shop_count(), 0);



=== TEST 5: D12: a claim of a process that died ends with its lease
--- wxpay
lease 5s;
--- run
# the record of another machine, which will not come back
my $m = wechat();
my $key = redis_record($m, 'wxpay');
my $now = redis_cmd('TIME');
my $until = ($now->[0] + 4 * $Slow) * 1000;
redis_cmd('SET', $key, "held 00000000000000ff 1 $until", 'PX', 60_000);
ack_ok(send_callback($m), $m, 503, 'held');
is(shop_count(), 0);
ok(wait_for(sub { send_callback($m)->{status} == 204 }, 10), 'lease over');
is(shop_header((shop_requests(1))[0], 'X-Paygw-Delivery'), 2);
