# Genuine callbacks of UnionPay: what the shop gets of each, by each method.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwUnionpay;

run_tests();

__DATA__

=== TEST 1: a payment reaches the shop once, and is acked by 200 and "ok"
--- callback
unionpay(order_id => 'U1', id => '5126112011400000000001')
--- ack: 200
--- result: taken
--- shop
[ { header => { 'X-Paygw-Event-Id' => 'unionpay:5126112011400000000001:01',
                'X-Paygw-Event-Type' => 'payment',
                'X-Paygw-Outcome' => 'success',
                'X-Paygw-Channel' => 'unionpay',
                'X-Paygw-Provider' => 'unionpay',
                'X-Paygw-Delivery' => 1,
                'X-Paygw-Order-Id' => 'U1',
                'X-Paygw-Trade-No' => '5126112011400000000001',
                'X-Paygw-Amount' => 8888,
                'X-Paygw-Currency' => 'CNY',
                'X-Paygw-Refund-Id' => undef,
                'X-Paygw-Refund-Amount' => undef,
                'X-Paygw-Confirm' => undef,
                'Content-Type' => 'application/json' },
    event => { id => 'unionpay:5126112011400000000001:01', type => 'payment',
               outcome => 'success', channel => 'unionpay',
               provider => 'unionpay', kind => '01', delivery => 1,
               confirm => undef,
               order => { order_id => 'U1', amount => 8888, currency => 'CNY',
                          trade_no => '5126112011400000000001' } } } ]



=== TEST 2: the body that the shop gets, byte for byte
--- run
my %p = map { ($_ => undef) } qw(version bizType accessType txnSubType
    settleAmt settleCurrencyCode settleDate traceNo traceTime accNo
    reqReserved);
my $m = unionpay(sign_method => '11', order_id => 'U2', id => '512', params =>
                 { %p, txnTime => '20241027114000', version => '5.1.0',
                   respMsg => qq{"\\\x{5927}+ &=%\x01} });
ack_ok(send_callback($m), $m, 200);
my ($r) = shop_requests(1);
is(shop_body($r), '{"id":"unionpay:512:01","type":"payment",'
    . '"outcome":"success","channel":"unionpay","provider":"unionpay",'
    . '"kind":"01","time":1730000400,"delivery":1,'
    . '"order":{"order_id":"U2","trade_no":"512","amount":8888,'
    . '"currency":"CNY"},"data":{"currencyCode":"156","encoding":"UTF-8",'
    . '"merId":"777290058110097","orderId":"U2","queryId":"512",'
    . '"respCode":"00","respMsg":"\\"' . "\\\\\xe5\xa4\xa7+ &=%" . '\u0001",'
    . '"signMethod":"11","txnAmt":"8888","txnTime":"20241027114000",'
    . '"txnType":"01","version":"5.1.0"}}');
--- unionpay
-root_cert
-middle_cert
signMethod 11;
secure_key file:$TEST_NGINX_KEYS/up_secure.key;
event_ttl  3650d;



=== TEST 3: a refund is a transaction of its own
--- callback
unionpay(type => 'refund', order_id => 'R3', id => '513', amount => 100,
         trade_no => '512'),
unionpay(type => 'undo', order_id => 'R4', id => '514', amount => 8888,
         trade_no => '512', params => { origOrderId => 'U3' })
--- ack: 200 200
--- shop
[ { header => { 'X-Paygw-Event-Id' => 'unionpay:513:04',
                'X-Paygw-Event-Type' => 'refund',
                'X-Paygw-Order-Id' => undef,
                'X-Paygw-Trade-No' => '512',
                'X-Paygw-Amount' => undef,
                'X-Paygw-Refund-Id' => 'R3',
                'X-Paygw-Refund-Amount' => 100 },
    event => { type => 'refund', outcome => 'success', kind => '04',
               order => { trade_no => '512', currency => 'CNY' },
               refund => { refund_id => 'R3', refund_no => '513',
                           amount => 100 } } },
  { event => { type => 'refund', outcome => 'success', kind => '31',
               order => { order_id => 'U3', trade_no => '512',
                          currency => 'CNY' },
               refund => { refund_id => 'R4', refund_no => '514',
                           amount => 8888 } } } ]



=== TEST 4: a success with defects is a success to be confirmed, and one event
--- callback
unionpay(id => '515', params => { respCode => 'A6' }), unionpay(id => '515')
--- ack: 200 200
--- result
taken
duplicate duplicate
--- shop
[ { header => { 'X-Paygw-Confirm' => 'query',
                'X-Paygw-Outcome' => 'success' },
    event => { outcome => 'success', confirm => 'query', kind => '01' } } ]



=== TEST 5: other codes are not final, and do not keep the success out
--- callback
unionpay(id => '516', params => { respCode => '05' }),
unionpay(id => '516', params => { respCode => '36' }),
unionpay(id => '516')
--- ack: 200 200 200
--- shop
[ { event => { type => 'payment', outcome => 'pending', kind => '01.05',
               confirm => 'query' } },
  { event => { type => 'payment', outcome => 'failed', kind => '01.36',
               confirm => 'query' } },
  { event => { type => 'payment', outcome => 'success', kind => '01',
               confirm => undef } } ]



=== TEST 6: another type of transaction is handed over as unknown
--- callback
unionpay(id => '517', params => { txnType => '02' })
--- ack: 200
--- shop
[ { header => { 'X-Paygw-Event-Id' => 'unionpay:517:02',
                'X-Paygw-Event-Type' => 'unknown' },
    event => { type => 'unknown', outcome => 'unknown', kind => '02' } } ]



=== TEST 7: a repeated callback is acked, and not delivered again
--- run
my $m = unionpay();
ack_ok(send_callback($m), $m, 200) for 1 .. 3;
is(shop_count(), 1);
is(join(', ', results(3)), 'taken -, duplicate duplicate, '
   . 'duplicate duplicate');



=== TEST 8: UnionPay changes its certificate, and nothing has to be done
--- callback
unionpay(), unionpay(key => 'up_next'), unionpay(),
unionpay(key => 'rogue', cert => {}), unionpay(key => 'up_next')
--- ack: 200 200 200 200 200
--- shop: 5



=== TEST 9: more certificates than are kept
--- run
my @key = ('rogue', 'mch', 'app', 'up', 'up_next');
for my $i (0 .. 24) {
    my $m = unionpay(key => $key[$i % 5],
                     cert => { key => $key[$i % 5], serial => 5000 + $i % 13 });
    ack_ok(send_callback($m), $m, 200, "certificate $i");
}
is(shop_count(), 25);



=== TEST 10: a root that issues by itself, and another root
--- unionpay
root_cert   $TEST_NGINX_KEYS/alipay_root.crt;
--- callback
unionpay(key => 'rogue', cert => { issuer => 'up_root' }), unionpay()
--- ack: 200 200
--- shop: 2



=== TEST 11: the common name: its third part, and what else is said to be good
--- unionpay
cert_name 00040000:SIGN 'paygw test';
--- callback
unionpay(key => 'rogue', cert => { cn => '041@Z2017-11-1@00040000:SIGN@1' }),
unionpay(key => 'rogue', cert => { cn => '041@Z2017-11-1@paygw test' }),
unionpay()
--- ack: 200 200 401
--- result
taken
taken
refused unknown_key
--- shop: 2



=== TEST 12: a callback in GBK is verified as it is, and handed over in UTF-8
--- callback
unionpay(encoding => 'gbk', params => { encoding => 'GBK' })
--- ack: 200
--- run
is(shop_event((shop_requests(1))[0])->{data}{respMsg},
   "\x{6210}\x{529f}[0000000]");



=== TEST 13: empty values are signed or not
--- callback
unionpay(params => { issAddnData => '' }),
unionpay(params => { issAddnData => '' }, drop_empty => 1)
--- ack: 200 200
--- run
is(shop_event((shop_requests(2))[0])->{data}{issAddnData}, '');
ok(!exists shop_event((shop_requests(2))[1])->{data}{issAddnData},
   'what is not signed is not handed over');



=== TEST 14: signMethod 11, SHA-256 with a secret, and the next secret
--- unionpay
-root_cert
-middle_cert
signMethod 11;
secure_key file:$TEST_NGINX_KEYS/up_secure.key;
secure_key file:$TEST_NGINX_KEYS/up_secure_next.key;
--- callback
unionpay(sign_method => '11'),
unionpay(sign_method => '11', secret => 'up_secure_next'),
unionpay(sign_method => '11', secret => 'apiv3'),
unionpay(sign_method => '12'), unionpay()
--- ack: 200 200 401 401 401
--- result
taken
taken
refused signature
refused sign_type
refused sign_type
--- shop: 2



=== TEST 15: signMethod 12, SM3 with a secret
--- unionpay
-root_cert
-middle_cert
signMethod 12;
secure_key file:$TEST_NGINX_KEYS/up_secure.key;
--- callback
unionpay(sign_method => '12'), unionpay(sign_method => '12', secret => 'apiv3'),
unionpay(sign_method => '11')
--- ack: 200 401 401
--- shop: 1



=== TEST 16: many accounts at one location: merId tells, each with its method
--- http_config
    paygw_channel second {
        provider    unionpay;
        merId       777290058110048;
        signMethod  11;
        secure_key  file:$TEST_NGINX_KEYS/up_secure.key;
    }
--- config
    location = /notify/unionpay {
        paygw_notify unionpay second;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
unionpay(merid => '777290058110048', sign_method => '11'), unionpay(),
unionpay(merid => '777290058110048'), unionpay(sign_method => '11'),
unionpay(merid => '777290058110049')
--- ack: 200 200 401 401 403
--- result
taken
taken
refused sign_type
refused sign_type
refused unknown_account
--- shop
[ { header => { 'X-Paygw-Channel' => 'second' } },
  { header => { 'X-Paygw-Channel' => 'unionpay' } } ]



=== TEST 17: the query string of the notify URL is no part of the message
--- callback
unionpay(uri => '/notify/unionpay?txnAmt=1&shop=1')
--- ack: 200
--- shop
[ { header => { 'X-Paygw-Amount' => 8888 } } ]



=== TEST 18: amounts are read as text, to the last fen
--- callback
map { unionpay(amount => $_) } qw(1 8888 0 100000000000)
--- ack: 200 200 200 200
--- shop
[ map { { header => { 'X-Paygw-Amount' => $_ } } } 1, 8888, 0, 100000000000 ]



=== TEST 19: values with "&" that hide nothing pass
--- callback
unionpay(params => { reserved => '{a=1&b=2}', cardTransData => '[x&y=z]',
                     reqReserved => 'x&order=2&txnAmtx=3&txnAmt' })
--- ack: 200
--- shop: 1



=== TEST 20: a shop that fails has the callback repeated
--- shop_plan
(500, 200)
--- callback
my $m = unionpay();
($m, $m)
--- ack: 502 200
--- shop: 2
