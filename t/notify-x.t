use lib 't/lib';
use PaygwTest;

run_tests();

__DATA__

=== TEST 1: a payment reaches the shop once
--- callback
wechat(order_id => 'T1')
--- ack: 204
--- result: taken
--- shop
[ { header => { 'X-Paygw-Order-Id' => 'T1', 'X-Paygw-Delivery' => 1 },
    event => { type => 'payment', outcome => 'success' } } ]

=== TEST 2: alipay
--- callback
alipay(order_id => 'T1')
--- ack: 200
--- result: taken
--- shop
[ { header => { 'X-Paygw-Order-Id' => 'T1', 'X-Paygw-Delivery' => 1 },
    event => { type => 'payment', outcome => 'success' } } ]
