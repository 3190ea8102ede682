# D17: what says that an order is not paid comes late, and does not reach a
# shop that may take it for the last word.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwUnionpay;

use Digest::SHA ();

with_wxv2();

# a callback of the configured provider, signed by Perl

sub main::hook {
    my (%o) = @_;

    my $body = sprintf '{"id":"%s","kind":"%s","order":"%s"}', $o{id},
                       $o{kind}, $o{order} // '';
    my $sig = Digest::SHA::hmac_sha256_hex($body,
                                           '0123456789abcdefghijklmnopqrstuv');
    return bless {
        provider => 'generic', method => 'POST', target => '/notify/hook',
        body => $body, headers => [ [ 'Content-Type', 'application/json' ],
                                    [ 'X-Signature', $sig ] ],
    }, 'PaygwTest::Message';
}

our $Hook = <<'CONF';
    location = /notify/hook {
        paygw_notify  hook;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
CONF

run_tests();

__DATA__

=== TEST 1: D17: Alipay: waiting and closed after success are late
--- callback
alipay(order_id => 'A1'), alipay(order_id => 'A1', type => 'wait'),
alipay(order_id => 'A1', type => 'close')
--- ack: 200 200 200
--- result
taken
late late
late late
--- shop
[ { event => { outcome => 'success' } } ]
--- error_log eval
qr/\[notice\] .*payment event "alipay:\w+:TRADE_CLOSED" is late, order "A1" of channel "alipay" is known to be paid/



=== TEST 2: D17: Alipay: finished after success goes through
--- callback
alipay(order_id => 'A2'), alipay(order_id => 'A2', type => 'finished'),
alipay(order_id => 'A2', type => 'wait')
--- ack: 200 200 200
--- result
taken
taken
late late
--- shop: 2



=== TEST 3: D17: Alipay: refunds after success, in part and in full
--- callback
alipay(order_id => 'A3'),
alipay(order_id => 'A3', type => 'refund', params =>
       { trade_status => 'TRADE_SUCCESS' }),
alipay(order_id => 'A3', type => 'refund', refund => '88.88', params =>
       { trade_status => 'TRADE_CLOSED' }),
alipay(order_id => 'A3', type => 'close')
--- ack: 200 200 200 200
--- result
taken
taken
taken
late late
--- shop
[ { event => { type => 'payment', outcome => 'success' } },
  { event => { type => 'refund', outcome => 'success' } },
  { event => { type => 'refund', outcome => 'success' } } ]



=== TEST 4: D17: success goes through after anything
--- callback
alipay(order_id => 'A4', type => 'wait'),
alipay(order_id => 'A4', type => 'close'), alipay(order_id => 'A4'),
wechat(order_id => 'W4', resource => { trade_state => 'PAYERROR' }),
wechat(order_id => 'W4')
--- ack: 200 200 200 204 204
--- result
taken
taken
taken
taken
taken
--- shop: 5



=== TEST 5: D17: WeChat Pay: every word that is less
--- run
ack_ok(send_callback($_), $_, 204) for wechat(order_id => 'W5');
my @words = qw(NOTPAY USERPAYING CLOSED REVOKED PAYERROR SOMETHING);
for (@words) {
    my $m = wechat(order_id => 'W5', resource => { trade_state => $_ });
    ack_ok(send_callback($m), $m, 204, $_);
}
# a payment, of which some was given back
my $m = wechat(order_id => 'W5', resource => { trade_state => 'REFUND' });
ack_ok(send_callback($m), $m, 204);
$m = wechat(order_id => 'W5', type => 'refund');
ack_ok(send_callback($m), $m, 204);
is(join(', ', results(3 + @words)),
   join ', ', 'taken -', ('late late') x @words, 'taken -', 'taken -');
is(shop_count(), 3);



=== TEST 6: D17: WeChat Pay v2
--- callback
wechat2(order_id => 'V6'),
wechat2(order_id => 'V6', fields => { result_code => 'FAIL' }),
wechat2(order_id => 'V6', fields => { trade_state => 'USERPAYING' }),
wechat2(order_id => 'V6', type => 'refund')
--- ack: 200 200 200 200
--- result
taken
late late
late late
taken
--- shop: 2



=== TEST 7: D17: UnionPay
--- callback
unionpay(order_id => 'U7', id => '1'),
unionpay(order_id => 'U7', id => '2', params => { respCode => '05' }),
unionpay(order_id => 'U7', id => '3', params => { respCode => '01' }),
unionpay(order_id => 'U7', id => '4', type => 'refund')
--- ack: 200 200 200 200
--- result
taken
late late
late late
taken
--- shop: 2



=== TEST 8: D17: Stripe: the intent, another intent, a session of the order
--- callback
my %o = (order_id => 'S8');
stripe(%o), stripe(%o, kind => 'payment_intent.payment_failed'),
stripe(%o, kind => 'payment_intent.processing'),
stripe(%o, kind => 'payment_intent.canceled', trade_no => 'pi_other'),
stripe(%o, kind => 'checkout.session.expired'),
stripe(%o, kind => 'checkout.session.completed'),
stripe(%o, kind => 'charge.refunded'),
stripe(%o, kind => 'charge.dispute.created')
--- ack: 200 200 200 200 200 200 200 200
--- result
taken
late late
late late
late late
late late
taken
taken
taken
--- shop: 4



=== TEST 9: D17: configured: what maps to less is late, what has no order is not
--- generic
order_id json(/order);
kind     json(/kind);
map      paid payment success;
map      wait payment pending;
map      dead payment failed;
map      gone close failed;
map      shut close success;
map      back refund success;
map      note unknown;
--- config eval: $main::Hook
--- run
my $n = 0;
my $say = sub { send_callback(main::hook(id => ++$n, order => $_[0],
                                         kind => $_[1]))->{status} };
is($say->('G1', $_), 200, $_)
    for qw(wait shut dead paid dead wait gone shut back note paid);
# another order of the channel
is($say->('G2', $_), 200, $_) for qw(dead);
is(join(' ', map { s/ .*//r } results(12)), 'taken taken taken taken '
   . 'late late late late taken taken taken taken');
is(shop_count(), 8);



=== TEST 10: D17: configured: without an order id there is no guard
--- generic
kind     json(/kind);
map      paid payment success;
map      dead payment failed;
--- config eval: $main::Hook
--- run
my $n = 0;
is(send_callback(main::hook(id => ++$n, kind => $_))->{status}, 200)
    for qw(paid dead dead);
is(shop_count(), 3);



=== TEST 11: D17: the ack of a late event is that of success
--- generic
order_id json(/order);
kind     json(/kind);
map      paid payment success;
map      dead payment failed;
-ack
ack ok   202 text/plain accepted;
--- config eval: $main::Hook
--- run
my $n = 0;
for (qw(paid dead)) {
    my $res = send_callback(main::hook(id => ++$n, kind => $_, order => 'G'));
    is("$res->{status} [$res->{body}]", '202 [accepted]', $_);
}
--- result
taken
late late



=== TEST 12: D17: a success that nobody has signed keeps no failure out
--- generic
order_id json(/order);
kind     json(/kind);
map      paid payment success;
map      dead payment failed;
confirm  query;
--- config eval
$main::Hook . '    location = /notify/unionpay {
        paygw_notify  unionpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }'
--- run
my $n = 0;
is(send_callback(main::hook(id => ++$n, kind => $_, order => 'G'))->{status},
   200, $_) for qw(paid dead);
# of UnionPay A6: paid, with a flaw; to be asked about
for ([ 1, 'A6' ], [ 2, '01' ], [ 3, '00' ], [ 4, '01' ], [ 5, 'A6' ]) {
    my $m = unionpay(order_id => 'U12', id => "$_->[0]",
                     params => { respCode => $_->[1] });
    ack_ok(send_callback($m), $m, 200, $_->[1]);
}
--- result
taken
taken
taken
taken
taken
late late
taken
--- shop: 6



=== TEST 13: D17: a forged success marks nothing
--- run
for my $m (wechat(order_id => 'F', key => 'rogue'),
           alipay(order_id => 'F', key => 'rogue'),
           unionpay(order_id => 'F', key => 'rogue'),
           wechat2(order_id => 'F', key => 'wxv2_next'),
           stripe(order_id => 'F', secrets => [ 'whsec_x' ]))
{
    ack_ok(send_callback($m), $m, 401, 'forged');
}
for my $m (wechat(order_id => 'F', resource => { trade_state => 'CLOSED' }),
           alipay(order_id => 'F', type => 'close'),
           unionpay(order_id => 'F', params => { respCode => '01' }),
           wechat2(order_id => 'F', fields => { result_code => 'FAIL' }),
           stripe(order_id => 'F', kind => 'payment_intent.canceled'))
{
    ack_ok(send_callback($m), $m, 200, 'genuine');
}
is(shop_count(), 5);



=== TEST 14: D17: a forged failure is refused, and is no late one
--- run
my $m = alipay(order_id => 'F14');
ack_ok(send_callback($m), $m, 200);
$m = alipay(order_id => 'F14', type => 'close', key => 'rogue');
ack_ok(send_callback($m), $m, 401);
--- result
taken
refused signature



=== TEST 15: D17: the shop has not taken the success yet: it is true all the same
--- shop_plan
(500, 200)
--- run
my $m = wechat(order_id => 'W15');
my $late = wechat(order_id => 'W15', resource => { trade_state => 'CLOSED' });
ack_ok(send_callback($m), $m, 502, 'the shop fails');
ack_ok(send_callback($late), $late, 204, 'late');
ack_ok(send_callback($m), $m, 204, 'comes again');
ack_ok(send_callback($late), $late, 204, 'and again');
my @r = shop_requests(2);
is(scalar @r, 2);
is(shop_event($_)->{outcome}, 'success') for @r;
is(shop_header($r[1], 'X-Paygw-Delivery'), 2);
--- result
released shop
late late
taken
late late



=== TEST 16: D17: while the shop works on the success
--- shop_plan
({ hold => 'on' })
--- run
my $m = alipay(order_id => 'A16');
my $late = alipay(order_id => 'A16', type => 'close');
my $c = begin($m);
shop_requests(1);
ack_ok(send_callback($late), $late, 200, 'late');
shop_release('on');
ack_ok(finish($c), $m, 200);
is(shop_count(), 1);



=== TEST 17: D17: a failure that the shop did not take is late when it comes again
--- shop_plan
(500, 200)
--- run
my $fail = wechat(order_id => 'W17', resource => { trade_state => 'CLOSED' });
my $m = wechat(order_id => 'W17');
ack_ok(send_callback($fail), $fail, 502, 'not taken');
ack_ok(send_callback($m), $m, 204, 'paid');
ack_ok(send_callback($fail), $fail, 204, 'late');
--- result
released shop
taken
late late
--- shop: 2



=== TEST 18: D17: a failure that was taken is a duplicate when it comes again
--- callback
my $fail = alipay(order_id => 'A18', type => 'close');
($fail, alipay(order_id => 'A18'), $fail)
--- ack: 200 200 200
--- result
taken
taken
duplicate duplicate
--- shop: 2



=== TEST 19: D17: an order of one channel says nothing about another channel's
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
my %o = (order_id => 'A19', app_id => '2021000000000002');
(alipay(order_id => 'A19'), alipay(%o, type => 'close'), alipay(%o),
 alipay(%o, type => 'close'), alipay(order_id => 'A19', type => 'close'))
--- ack: 200 200 200 200 200
--- result
taken
taken
taken
late late
late late
--- shop: 3



=== TEST 20: D17: two locations of one channel, raw or not, know the same
--- config
    location = /notify/alipay {
        paygw_notify  alipay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /raw {
        paygw_notify  alipay;
        paygw_deliver raw;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
alipay(order_id => 'A20'),
alipay(order_id => 'A20', type => 'close', uri => '/raw'),
alipay(order_id => 'A20b', uri => '/raw'),
alipay(order_id => 'A20b', type => 'wait')
--- ack: 200 200 200 200
--- result
taken
late late
taken
late late
--- shop: 2



=== TEST 21: D17: observed callbacks go through, mark nothing and are not late
--- config
    location = /notify/alipay {
        paygw_notify  alipay;
        paygw_verify  observe until=2099-01-01;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
    location = /enforce {
        paygw_notify  alipay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my %close = (type => 'close', order_id => 'A21');
my $say = sub { send_callback($_[0])->{status} };
is($say->(alipay(order_id => 'A21')), 200, 'observed');
is($say->(alipay(%close)), 200, 'observed');
is($say->(alipay(%close, uri => '/enforce')), 200, 'nothing is known');
is($say->(alipay(order_id => 'A21', uri => '/enforce')), 200, 'paid');
is($say->(alipay(%close, uri => '/enforce')), 200, 'late');
is($say->(alipay(%close)), 200, 'observed, goes through');
is(shop_count(), 5);
--- result
verified
verified
taken
taken
late late
verified



=== TEST 22: D17: what a log knows of a late event
--- http_config
    log_format late '$status|$paygw_result|$paygw_reason|$paygw_channel|'
                    '$paygw_order_id|$paygw_outcome|$paygw_event_type|'
                    '[$paygw_delivery]';
--- config
    access_log logs/paygw-late.log late;
    location = /notify/wxpay {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $file = "$Test::Nginx::Util::LogDir/paygw-late.log";
for (wechat(order_id => 'W22'),
     wechat(order_id => 'W22', resource => { trade_state => 'CLOSED' }))
{
    ack_ok(send_callback($_), $_, 204);
}
my @lines;
ok(wait_for(sub { open my $fh, '<', $file or return 0; @lines = <$fh>;
                  return @lines >= 2 }), 'two lines');
is($lines[-2], "204|taken|-|wxpay|W22|success|payment|[1]\n");
is($lines[-1], "204|late|late|wxpay|W22|failed|close|[-]\n");



=== TEST 23: D17: success and failure at the same moment, again and again
--- run
my $n = shop_count();
for my $i (1 .. 8) {
    my @m = (alipay(order_id => "A23-$i"),
             map { alipay(order_id => "A23-$i", type => 'close') } 1 .. 4);
    my @c = map { begin($_) } $i % 2 ? @m : reverse @m;
    ack_ok(finish($_), 'alipay', 200) for @c;
    # whatever came first, from now on it is paid
    my $m = alipay(order_id => "A23-$i", type => 'close');
    ack_ok(send_callback($m), $m, 200);
}
my @r = results(48);
is((grep { $_ eq 'late late' } @r) + (grep { $_ eq 'taken -' } @r), 48);
is((grep { shop_event($_)->{outcome} eq 'success' } shop_requests()), 8);
is(shop_count(), (grep { $_ eq 'taken -' } @r), 'what is late is not told');
