# Genuine callbacks of WeChat Pay: what the shop gets of each, under each key
# and for each account.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: a payment reaches the shop once, and is acked by 204 without a body
--- callback
wechat(order_id => 'T1', trade_no => '4200T1', amount => 1234)
--- ack: 204
--- result: taken
--- shop
my ($m) = @PaygwTest::Callbacks;
[ { header => { 'X-Paygw-Event-Id' => "wxpay:$m->{id}:TRANSACTION.SUCCESS",
                'X-Paygw-Event-Type' => 'payment',
                'X-Paygw-Outcome' => 'success',
                'X-Paygw-Channel' => 'wxpay',
                'X-Paygw-Provider' => 'wechat_v3',
                'X-Paygw-Delivery' => 1,
                'X-Paygw-Order-Id' => 'T1',
                'X-Paygw-Trade-No' => '4200T1',
                'X-Paygw-Amount' => 1234,
                'X-Paygw-Currency' => 'CNY',
                'X-Paygw-Refund-Id' => undef,
                'X-Paygw-Refund-Amount' => undef,
                'X-Paygw-Result' => undef,
                'Content-Type' => 'application/json' },
    event => { id => "wxpay:$m->{id}:TRANSACTION.SUCCESS",
               type => 'payment', outcome => 'success', channel => 'wxpay',
               provider => 'wechat_v3', kind => 'TRANSACTION.SUCCESS',
               delivery => 1,
               order => { order_id => 'T1', trade_no => '4200T1',
                          amount => 1234, currency => 'CNY',
                          payer => 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' } } } ]



=== TEST 2: the body that the shop gets, byte for byte
--- run
my $plain = '{"mchid":"1900009191","appid":"wxd678efh567hg6787",'
    . '"out_trade_no":"T2","transaction_id":"4200T2","trade_state":"SUCCESS",'
    . '"success_time":"2024-10-27T11:40:00+08:00",'
    . '"amount":{"total":100,"currency":"CNY"},"attach":"\u652f \"\\\\/"}';
ack_ok(send_callback(wechat(id => 'EV-2', plaintext => $plain)), 'wechat_v3',
       204);
my ($r) = shop_requests(1);
is(shop_body($r), '{"id":"wxpay:EV-2:TRANSACTION.SUCCESS","type":"payment",'
    . '"outcome":"success","channel":"wxpay","provider":"wechat_v3",'
    . '"kind":"TRANSACTION.SUCCESS","time":1730000400,"delivery":1,'
    . '"order":{"order_id":"T2","trade_no":"4200T2","amount":100,'
    . '"currency":"CNY"},"data":' . $plain . '}');
is(shop_header($r, 'Content-Length'), length shop_body($r));
is(shop_header($r, 'Transfer-Encoding'), undef);
is($r->{method}, 'POST');
is($r->{target}, '/shop');



=== TEST 3: a refund says what was refunded, and of which order
--- callback
wechat(type => 'refund', order_id => 'T3', refund_id => 'RF3',
       refund_no => '5030T3', amount => 100, refund => 30)
--- ack: 204
--- result: taken
--- shop
[ { header => { 'X-Paygw-Event-Type' => 'refund',
                'X-Paygw-Outcome' => 'success',
                'X-Paygw-Order-Id' => 'T3',
                'X-Paygw-Amount' => 100,
                'X-Paygw-Currency' => 'CNY',
                'X-Paygw-Refund-Id' => 'RF3',
                'X-Paygw-Refund-Amount' => 30 },
    event => { type => 'refund', outcome => 'success',
               kind => 'REFUND.SUCCESS',
               refund => { refund_id => 'RF3', refund_no => '5030T3',
                           amount => 30 } } } ]



=== TEST 4: a refund that the bank refused is failed
--- callback
wechat(type => 'refund', kind => 'REFUND.ABNORMAL',
       resource => { refund_status => 'ABNORMAL' }),
wechat(type => 'refund', kind => 'REFUND.CLOSED',
       resource => { refund_status => 'CLOSED' })
--- ack: 204 204
--- shop
[ { event => { type => 'refund', outcome => 'failed',
               kind => 'REFUND.ABNORMAL' } },
  { event => { type => 'refund', outcome => 'failed',
               kind => 'REFUND.CLOSED' } } ]



=== TEST 5: an event of a kind that is not known is handed over as unknown
--- callback
wechat(type => 'echo', id => 'EV-5')
--- ack: 204
--- result: taken
--- shop
[ { header => { 'X-Paygw-Event-Id' => 'wxpay:EV-5:SECURITY_ECHO.SUCCESS',
                'X-Paygw-Event-Type' => 'unknown',
                'X-Paygw-Outcome' => 'unknown',
                'X-Paygw-Order-Id' => undef, 'X-Paygw-Amount' => undef },
    event => { type => 'unknown', outcome => 'unknown',
               data => { mchid => '1900009191', echo_message => 'hello' } } } ]



=== TEST 6: states of a payment that is not paid
--- callback
map { wechat(resource => { trade_state => $_ }) }
    qw(NOTPAY USERPAYING CLOSED REVOKED PAYERROR REFUND ACCEPT PAY_FAIL
       NEW_WORD)
--- ack: 204 204 204 204 204 204 204 204 204
--- shop
[ { event => { type => 'payment', outcome => 'pending' } },
  { event => { type => 'payment', outcome => 'pending' } },
  { event => { type => 'close', outcome => 'failed' } },
  { event => { type => 'payment', outcome => 'failed' } },
  { event => { type => 'payment', outcome => 'failed' } },
  { event => { type => 'payment', outcome => 'success' } },
  { event => { type => 'payment', outcome => 'pending' } },
  { event => { type => 'payment', outcome => 'failed' } },
  { event => { type => 'payment', outcome => 'pending' } } ]
--- error_log
[warn]
channel "wxpay" sent unknown state "NEW_WORD" of order "



=== TEST 7: certificates and a public key verify at the same time
--- callback
map { wechat(key => $_) } qw(wx_a wx_b wx_pub wx_a)
--- ack: 204 204 204 204
--- result
taken
taken
taken
taken
--- shop: 4



=== TEST 8: a signature type that is absent is the usual one
--- callback
wechat(headers => { 'Wechatpay-Signature-Type' => undef })
--- ack: 204
--- result: taken
--- shop: 1



=== TEST 9: associated data may be empty or absent
--- callback
wechat(aead => { associated_data => '' }),
wechat(aead => { associated_data => undef })
--- ack: 204 204
--- shop: 2



=== TEST 10: each of several appids is ours
--- wxpay
appid wx0000000000000002 wx0000000000000003;
--- callback
map { wechat(appid => $_) } qw(wx0000000000000003 wxd678efh567hg6787)
--- ack: 204 204
--- shop: 2



=== TEST 11: many accounts at one location: each callback finds its own
--- http_config
    paygw_channel second {
        provider              wechat_v3;
        appid                 wx2222222222222222;
        mchid                 1900002222;
        apiv3_key             file:$TEST_NGINX_KEYS/apiv3_other.key;
        platform_certificate  $TEST_NGINX_KEYS/wx_a.crt;
    }
    paygw_channel third {
        provider              wechat_v3;
        appid                 wx3333333333333333;
        mchid                 1900003333;
        apiv3_key             file:$TEST_NGINX_KEYS/apiv3.key;
        platform_public_key   PUB_KEY_ID_3 $TEST_NGINX_KEYS/rogue.pem;
    }
--- config
    location = /notify/wxpay {
        paygw_notify wxpay second third;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat(mchid => '1900002222', appid => 'wx2222222222222222',
       apiv3_key => 'vutsrqponmlkjihgfedcba9876543210'),
wechat(),
wechat(mchid => '1900003333', appid => 'wx3333333333333333', key => 'rogue',
       serial => 'PUB_KEY_ID_3')
--- ack: 204 204 204
--- shop
[ map { { header => { 'X-Paygw-Channel' => $_ }, event => { channel => $_ } } }
  qw(second wxpay third) ]



=== TEST 12: the key of one account does not sign for another one
--- http_config
    paygw_channel third {
        provider              wechat_v3;
        appid                 wx3333333333333333;
        mchid                 1900003333;
        apiv3_key             file:$TEST_NGINX_KEYS/apiv3.key;
        platform_public_key   PUB_KEY_ID_3 $TEST_NGINX_KEYS/rogue.pem;
    }
--- config
    location = /notify/wxpay {
        paygw_notify wxpay third;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat(key => 'rogue', serial => 'PUB_KEY_ID_3'),
wechat(mchid => '1900003333', appid => 'wx3333333333333333', key => 'wx_a')
--- ack: 403 403
--- result
refused account_mismatch
refused account_mismatch
--- shop: 0



=== TEST 13: two accounts may know different keys by one serial
--- http_config
    paygw_channel third {
        provider              wechat_v3;
        appid                 wx3333333333333333;
        mchid                 1900003333;
        apiv3_key             file:$TEST_NGINX_KEYS/apiv3.key;
        platform_certificate  $TEST_NGINX_KEYS/rogue.crt;
    }
--- config
    location = /notify/wxpay {
        paygw_notify wxpay third;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat(),
wechat(mchid => '1900003333', appid => 'wx3333333333333333', key => 'rogue'),
wechat(mchid => '1900003333', appid => 'wx3333333333333333'),
wechat(key => 'rogue')
--- ack: 204 204 403 403
--- shop
[ { header => { 'X-Paygw-Channel' => 'wxpay' } },
  { header => { 'X-Paygw-Channel' => 'third' } } ]



=== TEST 14: an account that the location does not name is not tried
--- http_config
    paygw_channel second {
        provider              wechat_v3;
        appid                 wx2222222222222222;
        mchid                 1900002222;
        apiv3_key             file:$TEST_NGINX_KEYS/apiv3_other.key;
        platform_public_key   PUB_KEY_ID_2 $TEST_NGINX_KEYS/rogue.pem;
    }
--- callback
wechat(mchid => '1900002222', appid => 'wx2222222222222222', key => 'rogue',
       serial => 'PUB_KEY_ID_2',
       apiv3_key => 'vutsrqponmlkjihgfedcba9876543210'),
wechat(mchid => '1900002222', appid => 'wx2222222222222222',
       apiv3_key => 'vutsrqponmlkjihgfedcba9876543210')
--- ack: 401 401
--- result
refused unknown_key
refused decrypt
--- shop: 0



=== TEST 15: partner mode: a payment of a merchant below ours
--- wxpay
sub_mchid 1900000109 1900000110;
--- callback
my %sp = (mchid => undef, appid => undef, sp_mchid => '1900009191',
          sp_appid => 'wxd678efh567hg6787', sub_mchid => '1900000110',
          payer => { openid => undef, sp_openid => 'oSp' });
wechat(order_id => 'T15', resource => { %sp }),
wechat(order_id => 'T15b',
       resource => { %sp, sub_appid => 'wxd678efh567hg6787' })
--- ack: 204 204
--- shop
[ { event => { type => 'payment', outcome => 'success',
               order => { order_id => 'T15', trade_no => '4200T15',
                          amount => 100, currency => 'CNY',
                          payer => 'oSp' } } },
  { event => { type => 'payment' } } ]



=== TEST 16: partner mode: a merchant that is not below ours is refused
--- wxpay
sub_mchid 1900000109;
--- callback
my %sp = (mchid => undef, appid => undef, sp_mchid => '1900009191',
          sp_appid => 'wxd678efh567hg6787', sub_mchid => '1900000109');
wechat(resource => { %sp, sub_mchid => '1900000110' }),
wechat(resource => { %sp, sub_mchid => undef }),
wechat(resource => { %sp, sp_mchid => '1900009192' }),
wechat(resource => { %sp, sp_mchid => undef }),
wechat(resource => { %sp, sp_appid => 'wxother' }),
wechat(resource => { %sp, sub_appid => 'wxother' }),
wechat(resource => { %sp, mchid => '1900009192' }),
wechat()
--- ack: 403 403 403 403 403 403 403 403
--- shop: 0



=== TEST 17: the time of the event is the time of the payment
--- callback
wechat(resource => { success_time => '2024-10-27T11:40:00+08:00' }),
wechat(resource => { success_time => undef },
       envelope => { create_time => '2024-10-27T03:40:01Z' })
--- ack: 204 204
--- shop
[ { event => { time => 1730000400 } }, { event => { time => 1730000401 } } ]



=== TEST 18: everything that is known is in a variable
--- http_config
    log_format all '$paygw_channel|$paygw_provider|$paygw_result|'
                   '$paygw_reason|$paygw_event_id|$paygw_order_id|'
                   '$paygw_trade_no|$paygw_amount|$paygw_currency|'
                   '$paygw_delivery|$paygw_event_type|$paygw_outcome|'
                   '$paygw_refund_id|$paygw_refund_amount|$paygw_key_id';
--- config
    location = /notify/wxpay {
        access_log   logs/all.log all;
        paygw_notify wxpay;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- run
my $a = wechat(order_id => 'T18', trade_no => 'N18', id => 'EV-18');
my $b = wechat(order_id => 'T19', trade_no => 'N19', id => 'EV-19',
               type => 'refund', refund_id => 'RF19');
my $c = wechat(order_id => 'T20', key => 'rogue');
send_callback($_) for $a, $a, $b, $c;
my $log;
wait_for(sub { $log = PaygwTest::file_from(server_root() . '/logs/all.log', 0);
               ($log =~ tr/\n//) >= 4 });
my $key = '0A1B2C3D4E5F60718293A4B5C6D7E8F901234567';
my @got = split /\n/, $log;
is($got[-4], 'wxpay|wechat_v3|taken|-|wxpay:EV-18:TRANSACTION.SUCCESS|T18|N18|'
             . "100|CNY|1|payment|success|-|-|$key", 'taken');
is($got[-3], 'wxpay|wechat_v3|duplicate|duplicate|'
             . 'wxpay:EV-18:TRANSACTION.SUCCESS|T18|N18|100|CNY|-|payment|'
             . "success|-|-|$key", 'duplicate');
is($got[-2], 'wxpay|wechat_v3|taken|-|wxpay:EV-19:REFUND.SUCCESS|T19|N19|'
             . "100|CNY|1|refund|success|RF19|10|$key", 'refund');
is($got[-1], "-|wechat_v3|refused|signature|-|-|-|-|-|-|-|-|-|-|$key",
   'nothing is told of a message that was not verified');



=== TEST 19: an amount is an integer that every reader of JSON can hold
--- callback
wechat(amount => '9007199254740991'), wechat(amount => '9007199254740992')
--- ack: 204 400
--- shop
[ { header => { 'X-Paygw-Amount' => '9007199254740991' } } ]



=== TEST 20: amounts that are not integers are refused
--- callback
map { wechat(resource => { amount => { total => $_ } }) }
    1.5, '100', -1, [ 100 ], JSON::PP::true()
--- ack: 400 400 400 400 400
--- shop: 0



=== TEST 21: a paid payment must say how much
--- callback
wechat(resource => { amount => undef }),
wechat(resource => { amount => { total => undef } })
--- ack: 400 400
--- result
refused malformed
refused malformed
--- shop: 0



=== TEST 22: numbers of orders must be words
--- callback
wechat(resource => { out_trade_no => "a b" }),
wechat(resource => { out_trade_no => "a\r\nX-Evil: 1" }),
wechat(resource => { out_trade_no => '' }),
wechat(resource => { out_trade_no => undef }),
wechat(resource => { out_trade_no => 17 }),
wechat(resource => { out_trade_no => 'x' x 65 }),
wechat(resource => { transaction_id => "4200\n" }),
wechat(resource => { amount => { currency => 'C Y' } }),
wechat(type => 'refund', resource => { out_refund_no => undef }),
wechat(type => 'refund', resource => { amount => { refund => undef } })
--- ack: 400 400 400 400 400 400 400 400 400 400
--- shop: 0
