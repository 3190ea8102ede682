# Genuine callbacks of WeChat Pay v2: what the shop gets of each.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

with_wxv2();

run_tests();

__DATA__

=== TEST 1: a payment reaches the shop once, and is acked in XML
--- callback
wechat2(order_id => 'V1', trade_no => '4200V1', amount => 8880)
--- ack: 200
--- result: taken
--- shop
[ { header => { 'X-Paygw-Event-Id' => 'wxv2:4200V1:SUCCESS',
                'X-Paygw-Event-Type' => 'payment',
                'X-Paygw-Outcome' => 'success',
                'X-Paygw-Channel' => 'wxv2',
                'X-Paygw-Provider' => 'wechat_v2',
                'X-Paygw-Delivery' => 1,
                'X-Paygw-Order-Id' => 'V1',
                'X-Paygw-Trade-No' => '4200V1',
                'X-Paygw-Amount' => 8880,
                'X-Paygw-Currency' => 'CNY',
                'X-Paygw-Confirm' => undef,
                'X-Paygw-Refund-Id' => undef,
                'Content-Type' => 'application/json' },
    event => { id => 'wxv2:4200V1:SUCCESS', type => 'payment',
               outcome => 'success', channel => 'wxv2',
               provider => 'wechat_v2', kind => 'SUCCESS', delivery => 1,
               confirm => undef,
               order => { order_id => 'V1', trade_no => '4200V1',
                          amount => 8880, currency => 'CNY',
                          payer => 'oUpF8uMEb4qRXf22hE3X68TekukE' } } } ]



=== TEST 2: a refund reaches the shop, which is told to ask first
--- callback
wechat2(type => 'refund', order_id => 'V2', trade_no => '4200V2',
        refund => 40, refund_id => 'RF2', refund_no => '5030V2')
--- ack: 200
--- result: taken
--- shop
[ { header => { 'X-Paygw-Event-Type' => 'refund',
                'X-Paygw-Outcome' => 'success',
                'X-Paygw-Confirm' => 'query',
                'X-Paygw-Order-Id' => 'V2', 'X-Paygw-Amount' => 100,
                'X-Paygw-Trade-No' => '4200V2',
                'X-Paygw-Currency' => undef,
                'X-Paygw-Refund-Id' => 'RF2',
                'X-Paygw-Refund-Amount' => 40 },
    event => { type => 'refund', outcome => 'success', kind => 'SUCCESS',
               confirm => 'query',
               refund => { refund_id => 'RF2', refund_no => '5030V2',
                           amount => 40 } } } ]



=== TEST 3: the body that the shop gets, byte for byte
--- run
my $m = wechat2(order_id => 'V3', trade_no => 'N3', fields => {
    (map { ($_ => undef) } qw(bank_type is_subscribe openid cash_fee
                              trade_type fee_type)),
    nonce_str => 'x', time_end => POSIX::strftime('%Y%m%d%H%M%S',
                                                  gmtime time + 8 * 3600),
    attach => qq{"\\\x{5927}<&]]>\t} });
ack_ok(send_callback($m), $m, 200);
my ($r) = shop_requests(1);
my $end = $m->{fields}{time_end};
my ($time) = shop_body($r) =~ /"time":(\d+)/;
ok(abs($time - time) < 30, 'the time in GMT+8');
is(shop_body($r), '{"id":"wxv2:N3:SUCCESS","type":"payment",'
    . '"outcome":"success","channel":"wxv2","provider":"wechat_v2",'
    . '"kind":"SUCCESS","time":' . $time . ',"delivery":1,'
    . '"order":{"order_id":"V3","trade_no":"N3","amount":100,'
    . '"currency":"CNY"},"data":{"appid":"wxd930ea5d5a258f4f",'
    . '"attach":"\\"\\\\' . "\xe5\xa4\xa7" . '<&]]>\t","mch_id":"10000100",'
    . '"nonce_str":"x","out_trade_no":"V3","result_code":"SUCCESS",'
    . '"return_code":"SUCCESS","time_end":"' . $end . '",'
    . '"total_fee":"100","transaction_id":"N3"}}');



=== TEST 4: either media type
--- callback
wechat2(headers => { 'Content-Type' => 'application/xml' }),
wechat2(headers => { 'Content-Type' => 'text/xml; charset=utf-8' })
--- ack: 200 200
--- shop: 2



=== TEST 5: HMAC-SHA256, said in the message or not
--- wxv2
-sign_type
sign_type HMAC-SHA256;
--- callback
wechat2(sign_type => 'HMAC-SHA256'),
wechat2(sign_type => 'HMAC-SHA256', fields => { sign_type => 'HMAC-SHA256' }),
wechat2(),
wechat2(fields => { sign_type => 'MD5' }),
wechat2(sign_type => 'HMAC-SHA256', fields => { sign_type => 'MD5' })
--- ack: 200 200 401 401 401
--- result
taken
taken
refused signature
refused sign_type
refused sign_type
--- shop: 2



=== TEST 6: several keys: the next one signs and seals while the old one does
--- wxv2
api_key file:$TEST_NGINX_KEYS/wxv2_next.key;
--- callback
wechat2(), wechat2(key => 'wxv2_next'),
wechat2(type => 'refund'), wechat2(type => 'refund', key => 'wxv2_next')
--- ack: 200 200 200 200
--- shop: 4



=== TEST 7: elements that are not known take part, and are handed over
--- callback
wechat2(fields => { coupon_fee_0 => '10', coupon_id_0 => 'c', new => 'x' })
--- ack: 200
--- shop
[ { event => { type => 'payment' } } ]



=== TEST 8: empty elements are not signed, and not handed over
--- run
my $m = wechat2(append => [ [ 'device_info', '' ], [ 'refund_id', '' ] ]);
ack_ok(send_callback($m), $m, 200);
my $data = shop_event((shop_requests(1))[0])->{data};
ok(!exists $data->{device_info} && !exists $data->{refund_id});



=== TEST 9: text instead of CDATA, spaces and ampersands as they are
--- run
my $m = wechat2(plain => 1, fields => { attach => ' a&b<c>"d" ' });
ack_ok(send_callback($m), $m, 200);
is(shop_event((shop_requests(1))[0])->{data}{attach}, ' a&b<c>"d" ');



=== TEST 10: a payment that failed is no payment
--- callback
wechat2(fields => { result_code => 'FAIL', err_code => 'SYSTEMERROR',
                    transaction_id => undef, time_end => undef }),
wechat2(order_id => 'F2', fields => { result_code => 'FAIL' }),
wechat2(order_id => 'F3', fields => { result_code => 'WHAT' }),
wechat2(order_id => 'F4', fields => { result_code => undef })
--- ack: 200 200 200 200
--- shop
[ { event => { type => 'payment', outcome => 'failed', kind => 'FAIL' } },
  { event => { type => 'payment', outcome => 'failed',
               id => 'wxv2:4200F2:FAIL' } },
  { event => { type => 'payment', outcome => 'pending', kind => 'WHAT' } },
  { event => { type => 'payment', outcome => 'unknown',
               kind => 'unknown' } } ]
--- error_log
channel "wxv2" sent unknown state "WHAT" of order "F3", taken as pending



=== TEST 11: a call that succeeded, and its payment that did not
--- callback
map { wechat2(fields => { trade_state => $_ }) }
    qw(SUCCESS REFUND NOTPAY ACCEPT USERPAYING CLOSED REVOKED PAYERROR
       PAY_FAIL WHAT)
--- ack: 200 200 200 200 200 200 200 200 200 200
--- shop
[ map { { event => { type => $_->[0], outcome => $_->[1] } } }
  [ 'payment', 'success' ], [ 'payment', 'success' ],
  [ 'payment', 'pending' ], [ 'payment', 'pending' ],
  [ 'payment', 'pending' ], [ 'close', 'failed' ],
  [ 'payment', 'failed' ], [ 'payment', 'failed' ],
  [ 'payment', 'failed' ], [ 'payment', 'pending' ] ]



=== TEST 12: a result that failed wins over a state that did not
--- callback
wechat2(fields => { result_code => 'FAIL', trade_state => 'SUCCESS' })
--- ack: 200
--- shop
[ { event => { outcome => 'failed', kind => 'FAIL' } } ]



=== TEST 13: what is about no payment is handed over as unknown
--- run
my @no = map { ($_ => undef) } qw(out_trade_no transaction_id total_fee
                                  appid time_end);
my $m = wechat2(fields => { @no, contract_id => 'C1', change_type => 'ADD' });
ack_ok(send_callback($m), $m, 200, 'a contract');
# a retry has another nonce, and is the same
my $again = wechat2(fields => { @no, contract_id => 'C1',
                                change_type => 'ADD' });
ack_ok(send_callback($again), $again, 200, 'again');
my $other = wechat2(fields => { @no, contract_id => 'C2',
                                change_type => 'ADD' });
ack_ok(send_callback($other), $other, 200, 'another one');
my @e = map { shop_event($_) } shop_requests(2);
is(scalar @e, 2);
is($e[0]{type}, 'unknown');
is_deeply($e[0]{order}, {});
like($e[0]{id}, qr/^wxv2:[0-9a-f]{32}:unknown$/);
is($e[0]{data}{contract_id}, 'C1');
is($e[1]{data}{contract_id}, 'C2');
--- result
taken
duplicate duplicate
taken



=== TEST 14: states of a refund
--- callback
map { wechat2(type => 'refund', inner => { refund_status => $_,
                                           success_time => undef }) }
    qw(SUCCESS PROCESSING CHANGE REFUNDCLOSE WHAT)
--- ack: 200 200 200 200 200
--- shop
[ map { { event => { type => 'refund', outcome => $_, confirm => 'query' } } }
  qw(success pending failed failed pending) ]



=== TEST 15: padding of req_info: a block of its own, and none at all
--- callback
wechat2(type => 'refund', whole => 1),
wechat2(type => 'refund', whole => 1, padding => '')
--- ack: 200 200
--- shop: 2



=== TEST 16: a repeated callback is acked, and handed over once
--- run
my $m = wechat2();
my $r = wechat2(type => 'refund');
ack_ok(send_callback($_), 'wechat_v2', 200) for $m, $m, $r, $r;
# a retry has another nonce
my $again = bless { %$r, body => $r->{body} =~
    s/(<nonce_str><!\[CDATA\[)\w/$1x/r }, ref $r;
ack_ok(send_callback($again), 'wechat_v2', 200, 'with another nonce');
is(shop_count(), 2);
--- result
taken
duplicate duplicate
taken
duplicate duplicate
duplicate duplicate



=== TEST 17: what the shop does not take comes again
--- shop_plan
500, 200
--- callback
my $m = wechat2(); ($m, $m)
--- ack: 502 200
--- result
released shop
taken
--- shop
[ { header => { 'X-Paygw-Delivery' => 1 } },
  { header => { 'X-Paygw-Delivery' => 2 } } ]



=== TEST 18: partner mode
--- wxv2
sub_mchid 1900000109;
appid wx2421b1c4370ec43b;
--- callback
wechat2(fields => { sub_mch_id => '1900000109' }),
wechat2(fields => { sub_mch_id => '1900000109',
                    sub_appid => 'wx2421b1c4370ec43b', openid => undef,
                    sub_openid => 'oSub' }),
wechat2(),
wechat2(fields => { sub_mch_id => '1900000108' }),
wechat2(fields => { sub_mch_id => '1900000109', sub_appid => 'wxother' }),
wechat2(type => 'refund', fields => { sub_mch_id => '1900000109' }),
wechat2(type => 'refund')
--- ack: 200 200 403 403 403 200 403
--- shop
[ { }, { event => { type => 'payment' } }, { event => { type => 'refund' } } ]



=== TEST 19: a sub-merchant without partner mode is somebody else
--- callback
wechat2(fields => { sub_mch_id => '1900000109' }),
wechat2(fields => { sub_appid => 'wxother' }),
wechat2(type => 'refund', fields => { sub_mch_id => '1900000109' })
--- ack: 403 403 403
--- result
refused account_mismatch
refused account_mismatch
refused account_mismatch
--- shop: 0



=== TEST 20: many accounts at one location: mch_id, then appid, tells
--- http_config
    paygw_channel second {
        provider   wechat_v2;
        appid      wxsecond;
        mchid      10000200;
        api_key    file:$TEST_NGINX_KEYS/wxv2_next.key;
        sign_type  MD5;
    }
    paygw_channel third {
        provider   wechat_v2;
        appid      wxthird;
        mchid      10000100;
        api_key    file:$TEST_NGINX_KEYS/wxv2.key;
        sign_type  MD5;
    }
--- config
    location = /notify/wxv2 {
        paygw_notify wxv2 second third;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat2(mchid => '10000200', appid => 'wxsecond', key => 'wxv2_next'),
wechat2(), wechat2(appid => 'wxthird'),
wechat2(mchid => '10000200', appid => 'wxsecond'),
wechat2(key => 'wxv2_next'),
wechat2(mchid => '10000200', key => 'wxv2_next'),
wechat2(mchid => '10000300'),
wechat2(type => 'refund', appid => 'wxthird')
--- ack: 200 200 200 401 401 403 403 200
--- result
taken
taken
taken
refused signature
refused signature
refused account_mismatch
refused unknown_account
taken
--- shop
[ { header => { 'X-Paygw-Channel' => 'second' } },
  { header => { 'X-Paygw-Channel' => 'wxv2' } },
  { header => { 'X-Paygw-Channel' => 'third' } },
  { header => { 'X-Paygw-Channel' => 'third' } } ]



=== TEST 21: an account that the location does not name is not tried
--- http_config
    paygw_channel second {
        provider   wechat_v2;
        appid      wxsecond;
        mchid      10000200;
        api_key    file:$TEST_NGINX_KEYS/wxv2_next.key;
        sign_type  MD5;
    }
--- callback
wechat2(mchid => '10000200', appid => 'wxsecond', key => 'wxv2_next')
--- ack: 403
--- result: refused unknown_account
--- shop: 0



=== TEST 22: amounts are integers
--- callback
map { wechat2(amount => $_) } 1, 10000000000, '007'
--- ack: 200 200 200
--- shop
[ map { { header => { 'X-Paygw-Amount' => $_ } } } 1, 10000000000, 7 ]



=== TEST 23: amounts that are none are refused
--- callback
map { wechat2(amount => $_) } '1.00', '-1', '+1', '1e3', '1,000', ' 1', '0x1',
                              '9999999999999999'
--- ack: 400 400 400 400 400 400 400 400
--- shop: 0



=== TEST 24: numbers of orders must be words
--- callback
wechat2(fields => { out_trade_no => 'a b' }),
wechat2(fields => { out_trade_no => "a\nX-Evil: 1" }),
wechat2(fields => { out_trade_no => undef }),
wechat2(fields => { out_trade_no => 'x' x 65 }),
wechat2(fields => { transaction_id => "\x{5927}" }),
wechat2(fields => { fee_type => 'yuan' }),
wechat2(fields => { time_end => '2024-10-27 11:33:19' })
--- ack: 400 400 400 400 400 400 400
--- shop: 0



=== TEST 25: in chunks, in a file, over HTTP/2
--- h2
--- callback
wechat2(fields => { attach => 'x' x 40000 })
--- ack: 200
--- shop: 1
