# paygw_queue: an event is claimed and appended to a Redis stream in one step,
# and acknowledged when Redis has said so.
use strict;
use warnings;

BEGIN { $ENV{PAYGW_TEST_STORE} = 'redis'; delete $ENV{TEST_NGINX_REDIS_PORT} }

use lib 't/lib';
use PaygwTest;
use PaygwRedis;

our ($Stream, $Blocks) = ('', 0);

# "queue" is the rest of the line paygw_queue, "more" stands in each location

add_block_preprocessor(sub {
    my $block = shift;

    return if !defined $block->queue;

    my $args = $block->queue =~ s/\s+$//r;
    my $more = $block->more // '';

    $block->set_value('config', join '', map { <<"CONF" } qw(wxpay alipay));
    location = /notify/$_ {
        paygw_notify  $_;
        paygw_queue   $args;
        $more
    }
CONF
});


# the entries of a stream, the oldest first: hashes, and "" is its Redis id

sub entries {
    my $stream = shift;
    my $all = redis_cmd('XRANGE', $stream, '-', '+');
    return map { { '' => $_->[0], @{ $_->[1] } } } @$all;
}


sub json { return JSON::PP->new->utf8->decode($_[0]) }


no_shuffle();
run_tests();

__DATA__

=== TEST 1: an event is in the stream before its ack, once
--- queue: q1
--- run
my ($w, $a) = (wechat(order_id => 'Q1'), alipay(order_id => 'Q2'));
ack_ok(send_callback($w), $w, 204, 'wechat');
is(scalar entries('q1'), 1, 'in the stream');
ack_ok(send_callback($w), $w, 204, 'wechat again');
ack_ok(send_callback($a), $a, 200, 'alipay');
ack_ok(send_callback($a), $a, 200, 'alipay again');
ack_ok(send_callback($w), $w, 204, 'wechat once more');
my @e = entries('q1');
is(scalar @e, 2, 'each once');
is($e[0]{id}, "wxpay:$w->{id}:TRANSACTION.SUCCESS", 'wechat: id');
is($e[0]{channel}, 'wxpay', 'channel');
is($e[0]{provider}, 'wechat_v3', 'provider');
is($e[0]{type}, 'payment', 'type');
is($e[0]{outcome}, 'success', 'outcome');
is($e[0]{delivery}, 1, 'delivery');
is(join(' ', sort grep { length } keys %{ $e[0] }),
   'channel delivery event id outcome provider type', 'and no other field');
my $event = json($e[0]{event});
is($event->{id}, $e[0]{id}, 'event: id');
is($event->{order}{order_id}, 'Q1', 'event: order');
is($event->{order}{currency}, 'CNY', 'event: currency');
ok(!exists $event->{delivery}, 'event: the delivery is told once');
is($e[1]{provider}, 'alipay', 'alipay: provider');
is(json($e[1]{event})->{order}{order_id}, 'Q2', 'alipay: order');
is(shop_count(), 0, 'the shop hears of nothing');
--- result
taken
duplicate duplicate
taken
duplicate duplicate
duplicate duplicate



=== TEST 2: what is not genuine costs Redis nothing
--- queue: q2
--- run
my $before = redis_commands();
my $f = alipay(forged => 'body');
$f->{body} =~ s/total_amount=[^&]*/total_amount=9999.00/;
is(send_callback($f)->{status}, 401, 'forged');
my $w = wechat();
$w->{body} =~ s/"id":"/"id":"X/;
is(send_callback($w)->{status}, 401, 'another body');
is(redis_commands(), $before, 'no command');
is(scalar entries('q2'), 0, 'nothing in the stream');
--- result
refused signature
refused signature



=== TEST 3: one command for each callback, and one key more
--- queue: q3
--- run
send_callback(wechat());
my $stats = redis_cmd('INFO', 'commandstats');
my ($sha) = $stats =~ /cmdstat_evalsha:calls=(\d+)/;
my ($eval) = $stats =~ /cmdstat_eval:calls=(\d+)/;
send_callback(wechat()) for 1 .. 3;
my $now = redis_cmd('INFO', 'commandstats');
is(($now =~ /cmdstat_evalsha:calls=(\d+)/)[0] - ($sha // 0), 3, 'evalsha');
is(($now =~ /cmdstat_eval:calls=(\d+)/)[0] - $eval, 0, 'eval');
is(scalar entries('q3'), 4);



=== TEST 4: many copies at the same time: one entry, and no failure
--- queue: q4
--- run
my $w = wechat();
my @c = map { begin($w) } 1 .. 8;
ack_ok(finish($_), $w, 204) for @c;
is(scalar entries('q4'), 1);
undef @c;
my @r = results(8);
@r = sort @r;
is("@r", join(' ', ('duplicate duplicate') x 7, 'taken -'), 'taken once');



=== TEST 5: held by another location: busy, and queued when it is released
--- config
    location = /notify/wxpay {
        paygw_notify  wxpay;
        paygw_queue   q5;
    }
    location = /shop/wxpay {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
--- shop_plan
({ hold => 'on', status => 500 })
--- run
my $m = wechat();
my $copy = wechat(id => $m->{id});
$m->{target} = '/shop/wxpay';
my $c = begin($m);
shop_requests(1);
ack_ok(send_callback($copy), $copy, 503, 'in flight');
is(scalar entries('q5'), 0, 'not in the stream');
shop_release('on');
finish($c);
ok(wait_for(sub { send_callback($copy)->{status} == 204 }), 'now it is taken');
my @e = entries('q5');
is(scalar @e, 1, 'in the stream');
is($e[0]{delivery}, 2, 'the shop had it before');



=== TEST 6: taken by a shop before: a duplicate, and not in the stream
--- config
    location = /notify/wxpay {
        paygw_notify  wxpay;
        paygw_queue   q6;
    }
    location = /shop/wxpay {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
--- run
my $m = wechat();
my $copy = wechat(id => $m->{id});
$m->{target} = '/shop/wxpay';
is(send_callback($m)->{status}, 204);
ok(wait_for(sub { send_callback($copy)->{status} == 204 }), 'acknowledged');
is(scalar entries('q6'), 0);



=== TEST 7: maxlen: old events go
--- queue: q7 maxlen=10
--- run
# Redis trims whole nodes of a stream only
redis_cmd('CONFIG', 'SET', 'stream-node-max-entries', '10');
send_callback(alipay()) for 1 .. 35;
redis_cmd('CONFIG', 'SET', 'stream-node-max-entries', '100');
my $n = redis_cmd('XLEN', 'q7');
ok($n >= 10 && $n < 25, "$n of 35");



=== TEST 8: paygw_deliver raw: the provider's bytes stand next to the event
--- queue: q8
--- more: paygw_deliver raw;
--- run
my ($w, $a) = (wechat(), alipay());
send_callback($_) for $w, $a;
my @e = entries('q8');
is($e[0]{body}, $w->{body}, 'wechat');
is($e[1]{body}, $a->{body}, 'alipay');
is(json($e[0]{event})->{id}, $e[0]{id}, 'the event is there, too');



=== TEST 9: a large body, in chunks and over HTTP/2
--- queue: q9
--- more: client_body_buffer_size 1k;
--- h2
--- run
my $a = alipay(params => { body => 'x' x 30000 });
ack_ok(send_callback($a, chunked => 1000), $a, 200, 'chunks');
my $w = wechat();
ack_ok(send_callback($w, http2 => 1), $w, 204, 'HTTP/2');
my @e = entries('q9');
is(scalar @e, 2);
is(length json($e[0]{event})->{data}{body}, 30000, 'all of it');



=== TEST 10: not a POST
--- queue: q10
--- run
for my $method (qw(GET PUT DELETE)) {
    my $m = wechat();
    $m->{method} = $method;
    is(send_callback($m)->{status}, 405, $method);
}
is(scalar entries('q10'), 0);



=== TEST 11: the client goes away: its next try finds the event in the stream
--- queue: q11
--- run
my $m = wechat();
redis_freeze();
my $c = begin($m);
ok(wait_for(sub { redis_unread() > 500 }), 'it was sent');
abort_client($c);
Time::HiRes::sleep(0.1);
redis_thaw();
ok(wait_for(sub { scalar entries('q11') }), 'appended nevertheless');
ack_ok(send_callback($m), $m, 204, 'the next try');
is(scalar entries('q11'), 1, 'once');



=== TEST 12: Redis frozen: not acknowledged; the next try is a duplicate
--- queue: q12
--- run
my $m = alipay();
redis_freeze();
my $res = send_callback($m, timeout => 5 * $PaygwTest::Slow);
redis_thaw();
ack_ok($res, $m, 503, 'the answer did not come in time');
ok(wait_for(sub { scalar entries('q12') }), 'but the event was appended');
ok(wait_for(sub { send_callback($m)->{status} == 200 }), 'acknowledged now');
is(scalar entries('q12'), 1, 'once');
is((results(1))[0], 'unavailable store', 'first try');
ok(wait_for(sub { (results(2))[-1] eq 'duplicate duplicate' }), 'next try');



=== TEST 13: Redis gone, and back
--- queue: q13
--- run
my $m = wechat();
redis_stop();
ack_ok(send_callback($m), $m, 503, 'gone');
redis_start();
ok(wait_for(sub { send_callback($m)->{status} == 204 }, 10), 'back');
is(scalar entries('q13'), 1);



=== TEST 14: no memory: a temporary failure, the log says what to do
--- queue: q14
--- run
my $m = wechat();
redis_cmd('CONFIG', 'SET', 'maxmemory', '1');
my $res = send_callback($m);
redis_cmd('CONFIG', 'SET', 'maxmemory', '0');
ack_ok($res, $m, 503);
is(scalar entries('q14'), 0, 'not in the stream');
like(error_log_text(), qr/\[error\].*redis sent error: "OOM .*raise "maxmem/,
     'logged');
ack_ok(send_callback($m), $m, 204, 'the next try');
is((entries('q14'))[0]{delivery}, 1, 'is the first delivery');



=== TEST 15: the key of the stream is no stream: nothing is remembered
--- queue: q15
--- run
my $m = wechat();
redis_cmd('SET', 'q15', 'something');
ack_ok(send_callback($m), $m, 503);
like(error_log_text(),
     qr/\[error\].*redis sent error: ".*WRONGTYPE .*choose another one/,
     'logged');
ack_ok(send_callback($m), $m, 503, 'not a duplicate');
redis_cmd('DEL', 'q15');
ack_ok(send_callback($m), $m, 204, 'when that is away');
my @e = entries('q15');
is(scalar @e, 1);
is($e[0]{delivery}, 3, 'the third try');



=== TEST 16: a record that is not ours is an error, not a guess
--- queue: q16
--- run
my $m = wechat();
redis_cmd('SET', redis_record($m, 'wxpay'), 'something');
ack_ok(send_callback($m), $m, 503);
is(scalar entries('q16'), 0);



=== TEST 17: Redis lost its scripts
--- queue: q17
--- run
send_callback(wechat());
redis_cmd('SCRIPT', 'FLUSH');
my $m = wechat();
ack_ok(send_callback($m), $m, 204);
is(scalar entries('q17'), 2);



=== TEST 18: a user without the right to append; nothing is remembered
--- queue: q18
--- no_store
--- http_config
    paygw_store redis://127.0.0.1:$TEST_NGINX_REDIS_PORT prefix=t18:
                user=short password=text:geheim;
--- run
redis_cmd('ACL', 'SETUSER', 'short', 'reset', 'on', '>geheim', '~t18:*',
          '~q18', '+eval', '+evalsha', '+get', '+set', '+time');
my $m = alipay();
ack_ok(send_callback($m), $m, 503);
like(error_log_text(), qr/\[error\].*redis sent error: ".*its user needs /,
     'logged');
redis_cmd('ACL', 'SETUSER', 'short', '+xadd');
ack_ok(send_callback($m), $m, 200, 'with +xadd it works');
redis_cmd('ACL', 'SETUSER', 'short', 'resetkeys', '~t18:*');
ack_ok(send_callback($_), $_, 503, 'another key') for alipay();
redis_cmd('ACL', 'DELUSER', 'short');
is(scalar entries('q18'), 1);



=== TEST 19: a replica takes no writes
--- queue: q19
--- run
my $m = wechat();
redis_cmd('REPLICAOF', '127.0.0.1', '1');
my $res = send_callback($m);
redis_cmd('REPLICAOF', 'NO', 'ONE');
ack_ok($res, $m, 503);
like(error_log_text(), qr/\[error\].*"READONLY .*name the primary/, 'logged');
ok(wait_for(sub { send_callback($m)->{status} == 204 }, 5), 'works again');
is(scalar entries('q19'), 1);



=== TEST 20: wait: no replica, no ack, and never a second entry
--- queue: q20 wait=1:200ms
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 503, 'no replica');
is(scalar entries('q20'), 1, 'it is in the stream');
ack_ok(send_callback($m), $m, 503, 'still none');
my $log = error_log_text();
like($log, qr/\[error\].*event "wxpay:\S+" was appended, but only 0 of 1 repl/,
     'logged');
my $replica = PaygwRedis->start(args => [
    '--replicaof', '127.0.0.1', redis_port() ]);
redis_cmd('CONFIG', 'SET', 'repl-diskless-sync-delay', '0');
ok(wait_for(sub { send_callback($m)->{status} == 204 }, 15), 'a replica came');
is(scalar entries('q20'), 1, 'once');
like($replica->cmd('XLEN', 'q20'), qr/^1$/, 'and the replica has it');

my $n = wechat();
ok(wait_for(sub { send_callback($n)->{status} == 204 }, 10), 'the next one');
is($replica->cmd('XLEN', 'q20'), 2, 'the replica has it at its ack');

$replica->freeze;
my $o = wechat();
ack_ok(send_callback($o), $o, 503, 'the replica hangs');
ack_ok(send_callback($o), $o, 503, 'the copy waits, too');
ack_ok(send_callback($n), $n, 503, 'and an old one');
$replica->thaw;
ok(wait_for(sub { send_callback($o)->{status} == 204 }, 10), 'and goes on');
is($replica->cmd('XLEN', 'q20'), 3);
is(scalar entries('q20'), 3);
$replica->stop;
my ($first, $second) = results(2);
is($first, 'unavailable replicas', 'the result of the first');
is($second, 'unavailable replicas', 'and of the second');



=== TEST 21: locations with and without a queue, and with wait, share a store
--- config
    location = /notify/wxpay {
        paygw_notify  wxpay;
        paygw_queue   q21 wait=1:200ms;
    }
    location = /notify/alipay {
        paygw_notify  alipay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
--- run
my @m = map { wechat(), alipay() } 1 .. 3;
my @c = map { begin($_) } @m;
my @got = map { finish($_)->{status} } @c;
is("@got", '503 200 503 200 503 200');
is(shop_count(), 3);
is(scalar entries('q21'), 3);



=== TEST 22: error pages and filters do not reach the answer
--- queue: q22
--- more
        error_page 503 =200 /fine;
        add_header X-Shop yes always;
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 204, 'taken');
redis_stop();
ack_ok(send_callback($_), $_, 503, 'failure') for wechat();
redis_start();



=== TEST 23: a redirect to a queue is refused
--- config
    location = /notify/wxpay {
        paygw_notify  wxpay;
        try_files     /nothing /queue;
    }
    location = /queue {
        paygw_notify  wxpay;
        paygw_queue   q23;
    }
--- run
my $m = wechat();
ack_ok(send_callback($m), $m, 502);
is(scalar entries('q23'), 0);
like(error_log_text(), qr/redirect to a location with "paygw_queue" is ref/);



=== TEST 24: variables in the access log
--- queue: q24
--- http_config
    log_format queue '$paygw_event_id $paygw_delivery $paygw_result'
                     ' $paygw_order_id';
--- more: access_log logs/queue.log queue;
--- run
my $m = wechat(order_id => 'Q24');
send_callback($m);
ok(wait_for(sub {
       open my $fh, '<', "$Test::Nginx::Util::LogDir/queue.log" or return 0;
       return (<$fh> // '') eq "wxpay:$m->{id}:TRANSACTION.SUCCESS 1 taken "
                               . "Q24\n";
   }));



=== TEST 25: "limit_except" in the location changes nothing
--- queue: q25
--- more: limit_except PUT { allow all; }
--- callback
my $m = wechat();
($m, $m)
--- ack: 204 204
--- result
taken
duplicate duplicate



=== TEST 26: a nested location does not inherit the queue
--- config
    location /notify {
        paygw_notify  wxpay;
        paygw_queue   q26;
        location = /notify/wxpay {
            proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
        }
    }
--- callback
wechat()
--- ack: 204
--- shop: 1



=== TEST 27: D17: what is late is acknowledged, and not in the stream
--- queue: q27
--- run
my @m = (wechat(order_id => 'Q27', resource => { trade_state => 'NOTPAY' }),
         wechat(order_id => 'Q27'),
         wechat(order_id => 'Q27', resource => { trade_state => 'CLOSED' }),
         wechat(order_id => 'Q27', type => 'refund'));
ack_ok(send_callback($_), $_, 204) for @m, $m[2], $m[0];
is(join(' ', map { "$_->{type}/$_->{outcome}" } entries('q27')),
   'payment/pending payment/success refund/success');
--- result
taken
taken
late late
taken
late late
duplicate duplicate



=== TEST 28: D17: a success that could not be appended was true all the same
--- queue: q28
--- run
my $m = wechat(order_id => 'Q28');
my $late = wechat(order_id => 'Q28', resource => { trade_state => 'CLOSED' });
redis_cmd('SET', 'q28', 'something');
ack_ok(send_callback($m), $m, 503, 'the stream is none');
ack_ok(send_callback($late), $late, 204, 'late');
redis_cmd('DEL', 'q28');
ack_ok(send_callback($m), $m, 204, 'comes again');
is(join(' ', map { "$_->{outcome} $_->{delivery}" } entries('q28')),
   'success 2');
--- result
unavailable store
late late
taken
