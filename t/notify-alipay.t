# Genuine callbacks of Alipay: what the shop gets of each, in each charset and
# for each account.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

# the first certificate of a file alone
{
    my $dir = keys_dir();
    system("openssl x509 -in '$dir/alipay.crt' -out '$dir/leaf.crt'") == 0
        or die;
}

run_tests();

__DATA__

=== TEST 1: a payment reaches the shop once, and is acked by "success"
--- callback
alipay(order_id => 'A1', trade_no => '2026A1', amount => '88.80', id => 'n1')
--- ack: 200
--- result: taken
--- shop
[ { header => { 'X-Paygw-Event-Id' => 'alipay:n1:TRADE_SUCCESS',
                'X-Paygw-Event-Type' => 'payment',
                'X-Paygw-Outcome' => 'success',
                'X-Paygw-Channel' => 'alipay',
                'X-Paygw-Provider' => 'alipay',
                'X-Paygw-Delivery' => 1,
                'X-Paygw-Order-Id' => 'A1',
                'X-Paygw-Trade-No' => '2026A1',
                'X-Paygw-Amount' => 8880,
                'X-Paygw-Currency' => 'CNY',
                'X-Paygw-Refund-Id' => undef,
                'X-Paygw-Refund-Amount' => undef,
                'Content-Type' => 'application/json' },
    event => { id => 'alipay:n1:TRADE_SUCCESS', type => 'payment',
               outcome => 'success', channel => 'alipay',
               provider => 'alipay', kind => 'TRADE_SUCCESS', delivery => 1,
               order => { order_id => 'A1', trade_no => '2026A1',
                          amount => 8880, currency => 'CNY',
                          payer => '2088102122524333' } } } ]



=== TEST 2: the body that the shop gets, byte for byte
--- run
my %p = map { ($_ => undef) } qw(charset version auth_app_id receipt_amount
    gmt_create fund_bill_list buyer_id);
$p{gmt_payment} = '2024-10-27 11:40:00';
my $m = alipay(order_id => 'A2', trade_no => 'N2', id => 'n2',
               params => { %p, subject => qq{"\\\x{5927}+ &=%\x01} });
ack_ok(send_callback($m), $m, 200);
my ($r) = shop_requests(1);
is(shop_body($r), '{"id":"alipay:n2:TRADE_SUCCESS","type":"payment",'
    . '"outcome":"success","channel":"alipay","provider":"alipay",'
    . '"kind":"TRADE_SUCCESS","time":1730000400,"delivery":1,'
    . '"order":{"order_id":"A2","trade_no":"N2","amount":8880,'
    . '"currency":"CNY"},"data":{"app_id":"2021000000000001",'
    . '"gmt_payment":"2024-10-27 11:40:00","notify_id":"n2",'
    . '"notify_time":"' . $m->{notify_time} . '",'
    . '"notify_type":"trade_status_sync",'
    . '"out_trade_no":"A2","seller_id":"2088101122136241","subject":"\\"'
    . "\\\\\xe5\xa4\xa7+ &=%" . '\u0001","total_amount":"88.80",'
    . '"trade_no":"N2","trade_status":"TRADE_SUCCESS"}}');
is(shop_header($r, 'Content-Length'), length shop_body($r));
is(shop_header($r, 'Content-Type'), 'application/json');



=== TEST 3: a refund is never a second payment
--- callback
alipay(type => 'refund', order_id => 'A3', refund => '8.00',
       refund_id => 'RF3')
--- ack: 200
--- result: taken
--- shop
[ { header => { 'X-Paygw-Event-Type' => 'refund',
                'X-Paygw-Outcome' => 'success',
                'X-Paygw-Order-Id' => 'A3', 'X-Paygw-Amount' => 8880,
                'X-Paygw-Refund-Id' => 'RF3',
                'X-Paygw-Refund-Amount' => 800 },
    event => { type => 'refund', outcome => 'success',
               kind => 'TRADE_SUCCESS',
               refund => { refund_id => 'RF3', amount => 800 } } } ]



=== TEST 4: a full refund closes the trade, and is a refund
--- callback
alipay(type => 'refund', refund => '88.80',
       params => { trade_status => 'TRADE_CLOSED' })
--- ack: 200
--- shop
[ { event => { type => 'refund', outcome => 'success',
               kind => 'TRADE_CLOSED' } } ]



=== TEST 5: a trade that is closed unpaid is closed
--- callback
alipay(type => 'close')
--- ack: 200
--- shop
[ { event => { type => 'close', outcome => 'failed',
               kind => 'TRADE_CLOSED' } } ]



=== TEST 6: a payment may carry a refund of nothing
--- callback
alipay(params => { refund_fee => '0.00' })
--- ack: 200
--- shop
[ { event => { type => 'payment', outcome => 'success' } } ]



=== TEST 7: other states of a trade
--- callback
alipay(type => 'wait'), alipay(type => 'finished'),
alipay(params => { trade_status => 'NEW_WORD' })
--- ack: 200 200 200
--- shop
[ { event => { type => 'payment', outcome => 'pending',
               kind => 'WAIT_BUYER_PAY' } },
  { event => { type => 'payment', outcome => 'success',
               kind => 'TRADE_FINISHED' } },
  { event => { type => 'unknown', outcome => 'unknown',
               kind => 'NEW_WORD' } } ]



=== TEST 8: another type of notify is handed over as unknown
--- callback
alipay(type => 'unknown', id => 'n8')
--- ack: 200
--- result: taken
--- shop
[ { header => { 'X-Paygw-Event-Id' => 'alipay:n8:open_app_auth_notify',
                'X-Paygw-Event-Type' => 'unknown',
                'X-Paygw-Order-Id' => undef, 'X-Paygw-Amount' => undef },
    event => { type => 'unknown', outcome => 'unknown', order => {},
               kind => 'open_app_auth_notify' } } ]



=== TEST 9: a callback in GBK is verified as it is, and handed over in UTF-8
--- callback
alipay(params => { charset => 'GBK', subject => "\x{5927}\x{4e50}\x{900f}" })
--- ack: 200
--- run
is(shop_event((shop_requests(1))[0])->{data}{subject},
   "\x{5927}\x{4e50}\x{900f}");



=== TEST 10: plus and percent in values come through
--- callback
alipay(params => { subject => 'a+b c%20d%2B&e=f' }),
alipay(params => { subject => 'a+b c%20d%2B&e=f' }, percent => 1)
--- ack: 200 200
--- run
is(shop_event($_)->{data}{subject}, 'a+b c%20d%2B&e=f')
    for shop_requests(2);



=== TEST 11: empty values are signed or not
--- callback
alipay(params => { body => '' }),
alipay(params => { body => '' }, drop_empty => 1)
--- ack: 200 200
--- shop: 2



=== TEST 12: a message to the gateway of the app signs its sign_type too
--- callback
alipay(type => 'unknown', params => { method => 'alipay.open.x' },
       skip => [ 'sign' ]),
alipay(skip => [ 'sign' ])
--- ack: 200 401
--- shop: 1



=== TEST 13: several keys: the next one signs while the old one does
--- alipay
alipay_public_key $TEST_NGINX_KEYS/alipay_next.pem;
--- callback
alipay(), alipay(key => 'alipay_next'), alipay(key => 'rogue')
--- ack: 200 200 401
--- shop: 2



=== TEST 14: certificates instead of keys
--- alipay
-alipay_public_key
alipay_cert       $TEST_NGINX_KEYS/alipay.crt;
alipay_cert       $TEST_NGINX_KEYS/alipay_next.crt;
alipay_root_cert  $TEST_NGINX_KEYS/alipay_root.crt;
app_private_key   $TEST_NGINX_KEYS/app.key;
app_cert          $TEST_NGINX_KEYS/app.crt;
--- callback
alipay(), alipay(key => 'alipay_next'), alipay(key => 'rogue')
--- ack: 200 200 401
--- shop: 2



=== TEST 15: a certificate that the callback names is the one that is used
--- alipay
-alipay_public_key
alipay_cert       $TEST_NGINX_KEYS/alipay.crt;
alipay_cert       $TEST_NGINX_KEYS/alipay_next.crt;
alipay_root_cert  $TEST_NGINX_KEYS/alipay_root.crt;
--- run
# md5 of the issuer in RFC 2253 order and the serial in decimal
my $sn = sub { Digest::MD5::md5_hex('CN=Test Issuing CA,O=paygw tests,C=CN'
                                    . $_[0]) };
my $first = $sn->(0x3003);
my $next = $sn->(0x3004);
for ([ 'alipay', $first, 200 ], [ 'alipay_next', $next, 200 ],
     [ 'alipay', $next, 401 ], [ 'alipay', '0' x 32, 401 ],
     [ 'alipay_next', uc $next, 401 ])
{
    my $m = alipay(key => $_->[0], params => { alipay_cert_sn => $_->[1] });
    ack_ok(send_callback($m), $m, $_->[2], "$_->[0] $_->[2]");
}
is(shop_count(), 2);
is(join(' ', results(5)), 'taken - taken - refused signature '
   . 'refused unknown_key refused unknown_key');



=== TEST 16: a leaf without its issuer is pinned, which is noted
--- alipay
-alipay_public_key
alipay_cert       $TEST_NGINX_KEYS/leaf.crt;
alipay_root_cert  $TEST_NGINX_KEYS/mch.crt;
--- log_level: notice
--- callback
alipay()
--- ack: 200
--- error_log
leaf.crt" of channel "alipay" has no issuing certificate, it is pinned



=== TEST 17: many accounts at one location: app_id tells
--- http_config
    paygw_channel second {
        provider           alipay;
        app_id             2021000000000002;
        seller_id          2088101122136242;
        alipay_public_key  $TEST_NGINX_KEYS/alipay_next.pem;
    }
--- config
    location = /notify/alipay {
        paygw_notify alipay second;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
alipay(app_id => '2021000000000002', seller_id => '2088101122136242',
       key => 'alipay_next'),
alipay(),
alipay(app_id => '2021000000000002', seller_id => '2088101122136242'),
alipay(key => 'alipay_next'),
alipay(seller_id => '2088101122136242'),
alipay(app_id => '2021000000000003')
--- ack: 200 200 401 401 403 403
--- result
taken
taken
refused signature
refused signature
refused account_mismatch
refused unknown_account
--- shop
[ { header => { 'X-Paygw-Channel' => 'second' } },
  { header => { 'X-Paygw-Channel' => 'alipay' } } ]



=== TEST 18: an account that the location does not name is not tried
--- http_config
    paygw_channel second {
        provider           alipay;
        app_id             2021000000000002;
        seller_id          2088101122136242;
        alipay_public_key  $TEST_NGINX_KEYS/alipay_next.pem;
    }
--- callback
alipay(app_id => '2021000000000002', seller_id => '2088101122136242',
       key => 'alipay_next')
--- ack: 403
--- result: refused unknown_account
--- shop: 0



=== TEST 19: several sellers are ours
--- alipay
seller_id 2088000000000009;
--- callback
alipay(seller_id => '2088000000000009'), alipay()
--- ack: 200 200
--- shop: 2



=== TEST 20: apps that gave their authorization are ours if they are named
--- alipay
auth_app_id 2021000000000077 2021000000000078;
--- callback
alipay(params => { auth_app_id => '2021000000000078' }),
alipay(params => { auth_app_id => undef }),
alipay(params => { auth_app_id => '2021000000000079' }),
alipay()
--- ack: 200 200 403 403
--- shop: 2



=== TEST 21: a callback without an id could be replayed under another one
--- callback
alipay(params => { notify_id => undef }),
alipay(type => 'unknown', params => { notify_id => undef }),
alipay(params => { notify_id => '' })
--- ack: 400 400 400
--- result
refused malformed
refused malformed
refused malformed
--- shop: 0



=== TEST 22: the query string of the notify URL is no part of the message
--- callback
alipay(uri => '/notify/alipay?trade_status=TRADE_SUCCESS&app_id=1&sign=x')
--- ack: 200
--- shop: 1



=== TEST 23: amounts are read as text, to the last fen
--- callback
map { alipay(amount => $_) } qw(0.01 88.8 88 100000000.00 0.29)
--- ack: 200 200 200 200 200
--- shop
[ map { { header => { 'X-Paygw-Amount' => $_ } } } 1, 8880, 8800,
  10000000000, 29 ]



=== TEST 24: amounts that are none are refused
--- callback
map { alipay(amount => $_) } '1.234', '-1.00', '1e3', '1,00', ' 1.00',
                             '.5', '1.', '99999999999999999999.00'
--- ack: 400 400 400 400 400 400 400 400
--- shop: 0



=== TEST 25: numbers of orders must be words
--- callback
alipay(params => { out_trade_no => 'a b' }),
alipay(params => { out_trade_no => "a\r\nX-Evil: 1" }),
alipay(params => { out_trade_no => undef }),
alipay(params => { trade_no => undef }),
alipay(params => { total_amount => undef }),
alipay(params => { notify_id => "a\nb" }),
alipay(params => { notify_time => 'today' })
--- ack: 400 400 400 400 400 400 400
--- shop: 0
